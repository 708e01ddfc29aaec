// fft.h: Fourier transforms of as many lines at once as a vector has lanes. Element j of all lines lies together: the
// real parts at 2 j lanes, the imaginary ones behind them ("split").
#ifndef FLAMBEAU_CPU_SIMD_FFT_H
#define FLAMBEAU_CPU_SIMD_FFT_H

#include "kernels.h"

namespace flambeau::cpu {

struct FftLoops {
  int lanes;
  // Passes by these factors, whose product is n; roots[j] = exp(-2 pi i j / n) as pairs. Gives where the result lies, in
  // order: x or room.
  void* (*run)(int64_t n, const int64_t* factors, int count, const void* roots, void* x, void* room);
  // Rows of `columns` <= lanes complex numbers, `stride` numbers apart, to split; imaginary parts times sign. Lanes past
  // the columns are zero.
  void (*split)(const void* from, int64_t stride, int columns, int64_t n, void* to, double sign);
  // And back, everything times scale.
  void (*merge)(const void* from, int64_t n, void* to, int64_t stride, int columns, double scale, double sign);
  // The transform of 2 half real numbers up to element half, from that of half complex ones whose parts they are; both
  // split, roots[k] = exp(-pi i k / half) as pairs.
  void (*unfold)(const void* from, int64_t half, const void* roots, void* to);
  // x = x times factors, both split.
  void (*multiply)(void* x, const void* factors, int64_t n);
};

}  // namespace flambeau::cpu

#endif
