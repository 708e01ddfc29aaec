// linalg_small.cpp: elimination and substitution unrolled for each number of rows.
#include "linalg_small.h"

#include <algorithm>
#include <cmath>
#include <utility>

namespace flambeau::cpu {
namespace {

template <int n, class T>
int eliminate(T* from, int* pivots) {
  T a[n][n];  // columns
  std::copy(from, from + n * n, &a[0][0]);
  int info = 0;
  for (int k = 0; k < n; ++k) {
    int pivot = k;
    for (int i = k + 1; i < n; ++i)
      if (std::abs(a[k][i]) > std::abs(a[k][pivot])) pivot = i;
    pivots[k] = pivot + 1;
    if (a[k][pivot] == T(0)) {
      if (!info) info = k + 1;
      continue;
    }
    for (int j = 0; pivot != k && j < n; ++j) std::swap(a[j][k], a[j][pivot]);
    for (int i = k + 1; i < n; ++i) a[k][i] /= a[k][k];
    for (int j = k + 1; j < n; ++j)
      for (int i = k + 1; i < n; ++i) a[j][i] -= a[k][i] * a[j][k];
  }
  std::copy(&a[0][0], &a[0][0] + n * n, from);
  return info;
}
template <int n, class T>
void substitute(int columns, const T* factors, const int* pivots, T* x) {
  for (int c = 0; c < columns; ++c, x += n) {
    T y[n];
    std::copy(x, x + n, y);
    for (int k = 0; k < n; ++k) std::swap(y[k], y[pivots[k] - 1]);
    for (int k = 0; k < n; ++k)
      for (int i = k + 1; i < n; ++i) y[i] -= factors[k * n + i] * y[k];
    for (int k = n - 1; k >= 0; --k) {
      y[k] /= factors[k * n + k];
      for (int i = 0; i < k; ++i) y[i] -= factors[k * n + i] * y[k];
    }
    std::copy(y, y + n, x);
  }
}

}  // namespace

template <class T>
int eliminate_few(int n, T* a, int* pivots) {
  switch (n) {
    case 1: return eliminate<1>(a, pivots);
    case 2: return eliminate<2>(a, pivots);
    case 3: return eliminate<3>(a, pivots);
    default: return eliminate<kFewRows>(a, pivots);
  }
}
template <class T>
void substitute_few(int n, int columns, const T* factors, const int* pivots, T* x) {
  switch (n) {
    case 1: return substitute<1>(columns, factors, pivots, x);
    case 2: return substitute<2>(columns, factors, pivots, x);
    case 3: return substitute<3>(columns, factors, pivots, x);
    default: return substitute<kFewRows>(columns, factors, pivots, x);
  }
}

template int eliminate_few(int, float*, int*);
template int eliminate_few(int, double*, int*);
template void substitute_few(int, int, const float*, const int*, float*);
template void substitute_few(int, int, const double*, const int*, double*);

}  // namespace flambeau::cpu
