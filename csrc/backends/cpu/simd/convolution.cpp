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

// kLines lines of the same shape; kShared: they read the same.
template <class V, int kLines, int kN, bool kShared>
FL_INLINE void stretch(int64_t k, const typename Of<V>::Element* weight, int64_t weight_step, const typename Of<V>::Element* from,
                       int64_t from_step, const int64_t* offsets, const double* bias, typename Of<V>::Element* to,
                       int64_t to_step, int64_t n) {
  V sums[kLines][kN];
#pragma GCC unroll 4
  for (int s = 0; s < kLines; ++s)
#pragma GCC unroll 4
    for (int j = 0; j < kN; ++j) sums[s][j] = splat<V>(typename Of<V>::Element(bias[s]));
  for (int64_t p = 0; p < k; ++p) {
    const auto* at = from + offsets[p];
    V x[kN];
#pragma GCC unroll 4
    for (int j = 0; j < kN; ++j) x[j] = load<V>(at + j * kLanes<V>);
#pragma GCC unroll 4
    for (int s = 0; s < kLines; ++s) {
      const V w = splat<V>(weight[s * weight_step + p]);
#pragma GCC unroll 4
      for (int j = 0; j < kN; ++j)
        sums[s][j] = fma(w, kShared || s == 0 ? x[j] : load<V>(at + s * from_step + j * kLanes<V>), sums[s][j]);
    }
  }
#pragma GCC unroll 4
  for (int s = 0; s < kLines; ++s)
#pragma GCC unroll 4
    for (int j = 0; j < kN; ++j) {
      auto* place = to + s * to_step + j * kLanes<V>;
      const int64_t left = n - j * kLanes<V>;
      if (left >= kLanes<V>) store<V>(place, sums[s][j]);
      else if (left > 0) store_part<V>(place, sums[s][j], int(left));
    }
}

template <class V, int kLines, bool kShared>
void lines_of(int64_t k, const typename Of<V>::Element* weight, int64_t weight_step, const typename Of<V>::Element* from,
              int64_t from_step, int64_t from_next, const int64_t* offsets, const double* bias, typename Of<V>::Element* to,
              int64_t to_step, int64_t to_next, int64_t n, int64_t count) {
  for (int64_t t = 0; t < count; ++t, from += from_next, to += to_next) {
    int64_t i = 0;
    for (int64_t left; (left = n - i) > 2 * kLanes<V>; i += 4 * kLanes<V>)
      stretch<V, kLines, 4, kShared>(k, weight, weight_step, from + i, from_step, offsets, bias, to + i, to_step, left);
    for (int64_t left; (left = n - i) > 0; i += 2 * kLanes<V>) {
      if (left > kLanes<V>) stretch<V, kLines, 2, kShared>(k, weight, weight_step, from + i, from_step, offsets, bias, to + i, to_step, left);
      else stretch<V, kLines, 1, kShared>(k, weight, weight_step, from + i, from_step, offsets, bias, to + i, to_step, left);
    }
  }
}

template <class V>
void lines(int together, int64_t k, const void* weight, int64_t weight_step, const void* from, int64_t from_step,
           int64_t from_next, const int64_t* offsets, const double* bias, void* to, int64_t to_step, int64_t to_next, int64_t n,
           int64_t count) {
  using T = typename Of<V>::Element;
  const auto run = together == 1 ? lines_of<V, 1, true> : from_step == 0 ? lines_of<V, 4, true> : lines_of<V, 4, false>;
  run(k, static_cast<const T*>(weight), weight_step, static_cast<const T*>(from), from_step, from_next, offsets, bias,
      static_cast<T*>(to), to_step, to_next, n, count);
}

template <class V>
void rows_copy(const void* from_bytes, int64_t from_step, void* to_bytes, int64_t to_step, int64_t n, int64_t count) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  for (int64_t r = 0; r < count; ++r, from += from_step, to += to_step) {
    int64_t i = 0;
    for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(to + i, load<V>(from + i));
    if (i < n) store_part<V>(to + i, load_part<V>(from + i, int(n - i)), int(n - i));
  }
}

template <class V>
void spread(const void* from_bytes, int64_t from_row, void* to_bytes, int64_t to_row, int64_t n, int64_t rows) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  for (; rows > 0; --rows, from += from_row, to += to_row) {
    int64_t i = 0;
#if FL_MASKED
    constexpr Lanes even = 0x5555;
    for (; i + kLanes<V> <= n; i += kLanes<V>) {
      const V x = load<V>(from + i);
      store_masked(to + 2 * i, woven<V, 0>(x, x), even);
      store_masked(to + 2 * i + kLanes<V>, woven<V, 1>(x, x), even);
    }
    if (i < n) {
      const V x = load_part<V>(from + i, int(n - i));
      store_masked(to + 2 * i, woven<V, 0>(x, x), Lanes(even & lanes_between<V>(0, 2 * (n - i))));
      store_masked(to + 2 * i + kLanes<V>, woven<V, 1>(x, x), Lanes(even & lanes_between<V>(0, 2 * (n - i) - kLanes<V>)));
    }
#else
    for (; i < n; ++i) to[2 * i] = from[i];
#endif
  }
}

template <class V>
void split(const void* from_bytes, int64_t n, void* even_bytes, void* odd_bytes) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* even = static_cast<T*>(even_bytes);
  T* odd = static_cast<T*>(odd_bytes);
  int64_t i = 0;
  for (; 2 * (i + kLanes<V>) <= n; i += kLanes<V>) {
    const V a = load<V>(from + 2 * i), b = load<V>(from + 2 * i + kLanes<V>);
    store<V>(even + i, every_second<V, 0>(a, b));
    store<V>(odd + i, every_second<V, 1>(a, b));
  }
  for (; 2 * i < n; ++i) {
    even[i] = from[2 * i];
    if (2 * i + 1 < n) odd[i] = from[2 * i + 1];
  }
}

// ---- the weight's gradient with few channels ---------------------------------------------------------------

template <class V, int kTaps>
void dots_of(const typename Of<V>::Element* x, const int64_t* offsets, const Run* runs, int64_t run_count,
             const typename Of<V>::Element* g, typename Of<V>::Element* c) {
  V sums[kTaps][2] = {};
  for (int64_t r = 0; r < run_count; ++r) {
    const auto* from = x + runs[r].start;
    const int64_t n = runs[r].length;
    int64_t i = 0;
    for (; i + 2 * kLanes<V> <= n; i += 2 * kLanes<V>) {
      const V first = load<V>(g + i), second = load<V>(g + i + kLanes<V>);
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) {
        sums[t][0] = fma(load<V>(from + offsets[t] + i), first, sums[t][0]);
        sums[t][1] = fma(load<V>(from + offsets[t] + i + kLanes<V>), second, sums[t][1]);
      }
    }
    if (i + kLanes<V> <= n) {
      const V first = load<V>(g + i);
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) sums[t][0] = fma(load<V>(from + offsets[t] + i), first, sums[t][0]);
      i += kLanes<V>;
    }
    if (i < n) {
      const int left = int(n - i);
      const V last = load_part<V>(g + i, left);
#pragma GCC unroll 4
      for (int t = 0; t < kTaps; ++t) sums[t][1] = fma(load_part<V>(from + offsets[t] + i, left), last, sums[t][1]);
    }
    g += n;
  }
  for (int t = 0; t < kTaps; ++t) c[t] += sum_of_lanes<V>(sums[t][0] + sums[t][1]);
}

template <class V>
void dots(int64_t count, const void* x_bytes, const int64_t* offsets, const Run* runs, int64_t run_count,
          const void* g_bytes, void* c_bytes) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(x_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  T* c = static_cast<T*>(c_bytes);
  int64_t t = 0;
  for (; t + 3 <= count; t += 3) dots_of<V, 3>(x, offsets + t, runs, run_count, g, c + t);
  for (; t < count; ++t) dots_of<V, 1>(x, offsets + t, runs, run_count, g, c + t);
}

template <class V>
constexpr ConvolutionLoops kLoops{kLanes<V>, kRows, kVectors, tile<V>, lines<V>, rows_copy<V>, spread<V>, split<V>, dots<V>};

}  // namespace

const ConvolutionLoops* convolution(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
