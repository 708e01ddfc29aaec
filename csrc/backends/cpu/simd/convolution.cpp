// simd/convolution.cpp: the tiles of convolutions. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// As many sums as the registers hold beside the vectors of b and one broadcast.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kTileRows = 8, kTileVectors = 3, kSums = 24;
#elif defined(__AVX2__)
constexpr int kTileRows = 4, kTileVectors = 3, kSums = 12;
#else
constexpr int kTileRows = 4, kTileVectors = 2, kSums = 12;
#endif

template <class V>
void pack(const void* from_bytes, const int64_t* offsets, int64_t k, const Run* runs, int64_t run_count,
          void* panel_bytes) {
  using T = typename Of<V>::Element;
  constexpr int64_t kColumns = kTileVectors * kLanes<V>;
  T* panel = static_cast<T*>(panel_bytes);
  for (int64_t p = 0; p < k; ++p) {
    const T* from = static_cast<const T*>(from_bytes) + offsets[p];
    T* to = panel + p * kColumns;
    for (int64_t r = 0; r < run_count; ++r) {
      const T* start = from + runs[r].start;
      // Whole vectors: what is written past the run's end is written over by the next.
      for (int64_t i = 0; i < runs[r].length; i += kLanes<V>) store<V>(to + i, load<V>(start + i));
      to += runs[r].length;
    }
  }
}

template <class V, int kM>
void tile_of(int64_t k, const typename Of<V>::Element* a, const typename Of<V>::Element* b,
             typename Of<V>::Element* c, int64_t c_row, int n, bool accumulate, const typename Of<V>::Element* bias) {
  V sums[kM][kTileVectors] = {};
  for (int64_t p = 0; p < k; ++p) {
    V row[kTileVectors];
#pragma GCC unroll 4
    for (int j = 0; j < kTileVectors; ++j) row[j] = load<V>(b + j * kLanes<V>);
#pragma GCC unroll 16
    for (int i = 0; i < kM; ++i) {
      const V x = splat<V>(a[i]);
#pragma GCC unroll 4
      for (int j = 0; j < kTileVectors; ++j) sums[i][j] = fma(x, row[j], sums[i][j]);
    }
    a += kM;
    b += kTileVectors * kLanes<V>;
  }
#pragma GCC unroll 16
  for (int i = 0; i < kM; ++i)
#pragma GCC unroll 4
    for (int j = 0; j < kTileVectors; ++j) {
      auto* to = c + i * c_row + j * kLanes<V>;
      const int left = n - j * kLanes<V>;
      if (left >= kLanes<V>) {
        const V before = accumulate ? load<V>(to) : bias ? splat<V>(bias[i]) : V{};
        store<V>(to, sums[i][j] + before);
      } else if (left > 0) {
        const V before = accumulate ? load_part<V>(to, left) : bias ? splat<V>(bias[i]) : V{};
        store_part<V>(to, sums[i][j] + before, left);
      }
    }
}

template <class V>
void tile(int64_t k, const void* a_bytes, const void* b_bytes, void* c_bytes, int64_t c_row, int m, int n,
          bool accumulate, const void* bias_bytes) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(a_bytes);
  const T* b = static_cast<const T*>(b_bytes);
  T* c = static_cast<T*>(c_bytes);
  const T* bias = static_cast<const T*>(bias_bytes);
  switch (m) {
    case 8:
      if constexpr (kTileRows >= 8) tile_of<V, 8>(k, a, b, c, c_row, n, accumulate, bias);
      return;
    case 4: return tile_of<V, 4>(k, a, b, c, c_row, n, accumulate, bias);
    case 2: return tile_of<V, 2>(k, a, b, c, c_row, n, accumulate, bias);
    default: return tile_of<V, 1>(k, a, b, c, c_row, n, accumulate, bias);
  }
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

// ---- the weight's gradient -------------------------------------------------------------------------------

constexpr int taps_for(int vectors) { return vectors == 1 ? kSums / 2 : kSums / vectors; }
int tap_rows(int vectors) { return taps_for(vectors); }

template <class V, int kTaps, int kVectors>
void tap_tile(const typename Of<V>::Element* x, const int64_t* offsets, const Run* runs, int64_t run_count,
              const typename Of<V>::Element* g, int64_t pitch, typename Of<V>::Element* c, int64_t c_row,
              bool accumulate) {
  V sums[kTaps][kVectors] = {};
  for (int64_t r = 0; r < run_count; ++r) {
    const typename Of<V>::Element* from[kTaps];
#pragma GCC unroll 24
    for (int t = 0; t < kTaps; ++t) from[t] = x + runs[r].start + offsets[t];
    for (int64_t i = 0; i < runs[r].length; ++i) {
      V row[kVectors];
#pragma GCC unroll 4
      for (int j = 0; j < kVectors; ++j) row[j] = load<V>(g + j * kLanes<V>);
#pragma GCC unroll 24
      for (int t = 0; t < kTaps; ++t) {
        const V value = splat<V>(from[t][i]);
#pragma GCC unroll 4
        for (int j = 0; j < kVectors; ++j) sums[t][j] = fma(value, row[j], sums[t][j]);
      }
      g += pitch;
    }
  }
#pragma GCC unroll 24
  for (int t = 0; t < kTaps; ++t)
#pragma GCC unroll 4
    for (int j = 0; j < kVectors; ++j) {
      auto* to = c + t * c_row + j * kLanes<V>;
      store<V>(to, accumulate ? sums[t][j] + load<V>(to) : sums[t][j]);
    }
}

// Any number of taps up to the full tile's: the full tile, then single ones.
template <class V, int kVectors>
void taps_of(int taps, const typename Of<V>::Element* x, const int64_t* offsets, const Run* runs, int64_t run_count,
             const typename Of<V>::Element* g, int64_t pitch, typename Of<V>::Element* c, int64_t c_row,
             bool accumulate) {
  constexpr int kTaps = taps_for(kVectors);
  if (taps == kTaps) return tap_tile<V, kTaps, kVectors>(x, offsets, runs, run_count, g, pitch, c, c_row, accumulate);
  int t = 0;
  for (; t + 3 <= taps; t += 3)
    tap_tile<V, 3, kVectors>(x, offsets + t, runs, run_count, g, pitch, c + t * c_row, c_row, accumulate);
  for (; t < taps; ++t)
    tap_tile<V, 1, kVectors>(x, offsets + t, runs, run_count, g, pitch, c + t * c_row, c_row, accumulate);
}

template <class V>
void taps(int vectors, int count, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count,
          const void* g, int64_t pitch, void* c, int64_t c_row, bool accumulate) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(x);
  const T* gs = static_cast<const T*>(g);
  T* to = static_cast<T*>(c);
  switch (vectors) {
    case 1: return taps_of<V, 1>(count, from, offsets, runs, run_count, gs, pitch, to, c_row, accumulate);
    case 2: return taps_of<V, 2>(count, from, offsets, runs, run_count, gs, pitch, to, c_row, accumulate);
    case 3: return taps_of<V, 3>(count, from, offsets, runs, run_count, gs, pitch, to, c_row, accumulate);
    default: return taps_of<V, 4>(count, from, offsets, runs, run_count, gs, pitch, to, c_row, accumulate);
  }
}

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
constexpr ConvolutionLoops kLoops{kLanes<V>, kTileRows, kTileVectors* kLanes<V>, pack<V>, tile<V>, line<V>,
                                  tap_rows,  taps<V>,   dots<V>};

}  // namespace

const ConvolutionLoops* convolution(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
