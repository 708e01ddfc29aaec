// simd/convolution.cpp: the tiles of convolutions. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// As many sums as the registers hold beside two rows of b and a broadcast.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRows = 12, kVectors = 2;
#elif defined(__AVX2__)
constexpr int kRows = 6, kVectors = 2;
#else
constexpr int kRows = 4, kVectors = 2;
#endif

template <class V, int kM, int kN>
void tile_of(const typename Of<V>::Element* x, const int64_t* offsets, const Run* runs, int64_t run_count,
             int64_t x_step, const typename Of<V>::Element* b, typename Of<V>::Element* c, int64_t c_row,
             bool accumulate, const typename Of<V>::Element* start) {
  constexpr int kPitch = kN * kLanes<V>;
  V sums[kM][kN] = {};
  for (int64_t r = 0; r < run_count; ++r) {
    const typename Of<V>::Element* p = x + runs[r].start;
    int64_t left = runs[r].length;
    for (; left >= 2; left -= 2) {
      const typename Of<V>::Element* q = p + x_step;
      V first[kN], second[kN];
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) {
        first[j] = load<V>(b + j * kLanes<V>);
        second[j] = load<V>(b + kPitch + j * kLanes<V>);
      }
#pragma GCC unroll 16
      for (int i = 0; i < kM; ++i) {
        const int64_t at = offsets[i];
        const V u = splat<V>(p[at]);
#pragma GCC unroll 2
        for (int j = 0; j < kN; ++j) sums[i][j] = fma(u, first[j], sums[i][j]);
        const V w = splat<V>(q[at]);
#pragma GCC unroll 2
        for (int j = 0; j < kN; ++j) sums[i][j] = fma(w, second[j], sums[i][j]);
      }
      p = q + x_step;
      b += 2 * kPitch;
    }
    if (left == 0) continue;
    V row[kN];
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) row[j] = load<V>(b + j * kLanes<V>);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const V u = splat<V>(p[offsets[i]]);
#pragma GCC unroll 2
      for (int j = 0; j < kN; ++j) sums[i][j] = fma(u, row[j], sums[i][j]);
    }
    b += kPitch;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i)
#pragma GCC unroll 2
    for (int j = 0; j < kN; ++j) {
      auto* to = c + i * c_row + j * kLanes<V>;
      if (accumulate) sums[i][j] = sums[i][j] + load<V>(to);
      else if (start) sums[i][j] = sums[i][j] + load<V>(start + j * kLanes<V>);
      store<V>(to, sums[i][j]);
    }
}

template <class V, int kM>
void tile_rows(int m, int vectors, const typename Of<V>::Element* x, const int64_t* offsets, const Run* runs,
               int64_t run_count, int64_t x_step, const typename Of<V>::Element* b, typename Of<V>::Element* c,
               int64_t c_row, bool accumulate, const typename Of<V>::Element* start) {
  if (m == kM) {
    if (vectors == 2) tile_of<V, kM, 2>(x, offsets, runs, run_count, x_step, b, c, c_row, accumulate, start);
    else tile_of<V, kM, 1>(x, offsets, runs, run_count, x_step, b, c, c_row, accumulate, start);
  } else if constexpr (kM > 1) {
    tile_rows<V, kM - 1>(m, vectors, x, offsets, runs, run_count, x_step, b, c, c_row, accumulate, start);
  }
}

template <class V>
void tile(int m, int vectors, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count, int64_t x_step,
          const void* b, void* c, int64_t c_row, bool accumulate, const void* start) {
  using T = typename Of<V>::Element;
  tile_rows<V, kRows>(m, vectors, static_cast<const T*>(x), offsets, runs, run_count, x_step, static_cast<const T*>(b),
                      static_cast<T*>(c), c_row, accumulate, static_cast<const T*>(start));
}

// ---- few channels ----------------------------------------------------------------------------------------

template <class V, int kVectors>
FL_INLINE void stretch(int64_t k, const typename Of<V>::Element* weight, const typename Of<V>::Element* from,
                       const int64_t* offsets, V bias, typename Of<V>::Element* to, int64_t n) {
  V sums[kVectors];
  for (V& sum : sums) sum = bias;
  for (int64_t p = 0; p < k; ++p) {
    const V w = splat<V>(weight[p]);
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) sums[j] = fma(w, load<V>(from + offsets[p] + j * kLanes<V>), sums[j]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < kVectors; ++j) {
    const int64_t left = n - j * kLanes<V>;
    if (left >= kLanes<V>) store<V>(to + j * kLanes<V>, sums[j]);
    else if (left > 0) store_part<V>(to + j * kLanes<V>, sums[j], int(left));
  }
}

template <class V>
void line(int64_t k, const void* weight_bytes, const void* from_bytes, const int64_t* offsets, double bias,
          void* to_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* weight = static_cast<const T*>(weight_bytes);
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  const V start = splat<V>(T(bias));
  for (int64_t i = 0; i < n; i += 4 * kLanes<V>) {
    const int64_t left = n - i;
    if (left > 2 * kLanes<V>) stretch<V, 4>(k, weight, from + i, offsets, start, to + i, left);
    else if (left > kLanes<V>) stretch<V, 2>(k, weight, from + i, offsets, start, to + i, left);
    else stretch<V, 1>(k, weight, from + i, offsets, start, to + i, left);
  }
}

// ---- the weight's gradient with few channels ---------------------------------------------------------------

template <class V>
void dots(int64_t count, const void* x_bytes, const int64_t* offsets, const Run* runs, int64_t run_count,
          const void* g_bytes, void* c_bytes) {
  using T = typename Of<V>::Element;
  T* c = static_cast<T*>(c_bytes);
  for (int64_t t = 0; t < count; ++t) {
    const T* x = static_cast<const T*>(x_bytes) + offsets[t];
    const T* g = static_cast<const T*>(g_bytes);
    V sums[2] = {};
    for (int64_t r = 0; r < run_count; ++r) {
      const T* from = x + runs[r].start;
      const int64_t n = runs[r].length;
      int64_t i = 0;
      for (; i + 2 * kLanes<V> <= n; i += 2 * kLanes<V>) {
        sums[0] = fma(load<V>(from + i), load<V>(g + i), sums[0]);
        sums[1] = fma(load<V>(from + i + kLanes<V>), load<V>(g + i + kLanes<V>), sums[1]);
      }
      for (; i + kLanes<V> <= n; i += kLanes<V>) sums[0] = fma(load<V>(from + i), load<V>(g + i), sums[0]);
      if (i < n) sums[1] = fma(load_part<V>(from + i, int(n - i)), load_part<V>(g + i, int(n - i)), sums[1]);
      g += n;
    }
    c[t] += sum_of_lanes<V>(sums[0] + sums[1]);
  }
}

template <class V>
constexpr ConvolutionLoops kLoops{kLanes<V>, kRows, kVectors, tile<V>, line<V>, dots<V>};

}  // namespace

const ConvolutionLoops* convolution(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
