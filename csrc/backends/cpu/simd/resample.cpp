// simd/resample.cpp: weighted sums of a few elements, or of a few parts of several elements. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class T>
FL_INLINE T fused(T a, T b, T c) {
  if constexpr (kFused) return sizeof(T) == 4 ? T(__builtin_fmaf(float(a), float(b), float(c))) : T(__builtin_fma(double(a), double(b), double(c)));
  else return a * b + c;
}

// Several lines together: an index and a weight are read once for all of them. `taps`: of every sum; 0: of each its own.
template <class T, int kLines, int kTaps>
FL_INLINE void together(const Mixing& m, const T* x, int64_t n, T* y) {
  const T* weights = static_cast<const T*>(m.weights);
  int64_t k = 0;
  for (int64_t i = 0; i < m.count; ++i) {
    const int64_t stop = kTaps ? k + kTaps : m.starts[i + 1];
    T sums[kLines] = {};
    const auto step = [&]() __attribute__((always_inline)) {
      const T* from = x + m.sources[k];
      const T weight = weights[k];
#pragma GCC unroll 8
      for (int l = 0; l < kLines; ++l) sums[l] = fused(weight, from[l * n], sums[l]);
      ++k;
    };
    if constexpr (kTaps > 0) {
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) step();
    } else {
      while (k < stop) step();
    }
#pragma GCC unroll 8
    for (int l = 0; l < kLines; ++l) y[l * m.count + i] = sums[l];
  }
}
template <class T, int kTaps>
void all_lines(const Mixing& m, const T* x, int64_t n, T* y, int64_t lines) {
  constexpr int kTogether = 8;
  int64_t l = 0;
  for (; l + kTogether <= lines; l += kTogether) together<T, kTogether, kTaps>(m, x + l * n, n, y + l * m.count);
  for (; l < lines; ++l) together<T, 1, kTaps>(m, x + l * n, n, y + l * m.count);
}
template <class V>
void mix_lines(const Mixing& m, const void* x_bytes, int64_t n, void* y_bytes, int64_t lines) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(x_bytes);
  T* y = static_cast<T*>(y_bytes);
  if (m.taps == 2) return all_lines<T, 2>(m, x, n, y, lines);
  if (m.taps == 4) return all_lines<T, 4>(m, x, n, y, lines);
  all_lines<T, 0>(m, x, n, y, lines);
}

template <class V>
void mix_parts(const Mixing& m, const void* x_bytes, int64_t n, int64_t size, void* y_bytes, int64_t begin, int64_t end) {
  using T = typename Of<V>::Element;
  const T* weights = static_cast<const T*>(m.weights);
  for (int64_t part = begin; part < end; ++part) {
    const T* x = static_cast<const T*>(x_bytes) + part / m.count * n * size;
    T* y = static_cast<T*>(y_bytes) + part * size;
    const int64_t first = m.starts[part % m.count], stop = m.starts[part % m.count + 1];
    each_vector<V>(size, [&](int64_t i, int lanes) __attribute__((always_inline)) {
      V sum{};
      for (int64_t k = first; k < stop; ++k) sum = fma(splat<V>(weights[k]), load_some<V>(x + m.sources[k] * size + i, lanes), sum);
      store_some<V>(y + i, sum, lanes);
    });
  }
}

template <class V>
constexpr MixLoops kLoops{mix_lines<V>, mix_parts<V>};

}  // namespace

const MixLoops* mix(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
