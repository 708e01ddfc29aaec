// linalg_small.h: systems of few unknowns, of which a call of LAPACK costs more than the work. As LAPACK has them: matrices
// in columns, pivots counted from 1.
#ifndef FLAMBEAU_CPU_LINALG_SMALL_H
#define FLAMBEAU_CPU_LINALG_SMALL_H

namespace flambeau::cpu {

constexpr int kFewRows = 4;

// getrf of an n by n matrix: elimination with the largest element of the column in front. Gives LAPACK's info.
// REQUIRES: 0 < n <= kFewRows, here and below.
template <class T>
int eliminate_few(int n, T* a, int* pivots);
// getrs: the columns of x become the solutions.
template <class T>
void substitute_few(int n, int columns, const T* factors, const int* pivots, T* x);

}  // namespace flambeau::cpu

#endif
