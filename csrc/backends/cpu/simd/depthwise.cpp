// simd/depthwise.cpp: planes that are convolved with a kernel of their own. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "squares.h"
#include "tables.h"
#include "taps.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// ---- kernels of 3, 5 and 7 -------------------------------------------------------------------------------------

// kR rows of outputs read each row of the input once.
template <class V, int K, int kStride, int kR>
FL_INLINE void rows_of(const DepthwisePlane& p, const Taps<V, K>& taps, V bias, const typename Of<V>::Element* from,
                       typename Of<V>::Element* to) {
  for (int64_t i = 0; i < p.width; i += kLanes<V>) {
    V sums[kR];
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) sums[r] = bias;
#pragma GCC unroll 16
    for (int j = 0; j < K + (kR - 1) * kStride; ++j) {
#pragma GCC unroll 7
      for (int k = 0; k < K; ++k) {
        const V x = load<V>(from + j * p.pitch + p.columns[k] + i);
#pragma GCC unroll 4
        for (int r = 0; r < kR; ++r) {
          const int row = j - kStride * r;
          if (row >= 0 && row < K) sums[r] = fma(taps[row * K + k], x, sums[r]);
        }
      }
    }
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) store_some<V>(to + r * p.width + i, sums[r], p.width - i);
  }
}

template <class V, int K, int kStride>
void plane_of(const DepthwisePlane& p, const void* weight_bytes, double bias_value, const void* from_bytes, void* to_bytes) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  const Taps<V, K> taps(static_cast<const T*>(weight_bytes));
  const V bias = splat<V>(T(bias_value));
  const int64_t step = kStride * p.pitch;
  int64_t left = p.rows;
  for (; left >= 4; left -= 4, from += 4 * step, to += 4 * p.width) rows_of<V, K, kStride, 4>(p, taps, bias, from, to);
  if (left == 3) rows_of<V, K, kStride, 3>(p, taps, bias, from, to);
  else if (left == 2) rows_of<V, K, kStride, 2>(p, taps, bias, from, to);
  else if (left == 1) rows_of<V, K, kStride, 1>(p, taps, bias, from, to);
}

// One vector of columns of all rows; kPart: its first n lanes.
template <class V, int K, int kStride, bool kPart>
FL_INLINE void column_grad(const DepthwisePlane& p, const typename Of<V>::Element* from, const typename Of<V>::Element* g,
                           int n, V* sums) {
  const auto input = [&](int64_t row, int k) __attribute__((always_inline)) {
    const V x = load<V>(from + row * p.pitch + p.columns[k]);
    if constexpr (kPart) return first_lanes<V>(x, n);  // what lies there meets no g, and may not be finite
    else return x;
  };
  const auto given = [&](int64_t row) __attribute__((always_inline)) {
    if constexpr (kPart) return load_part<V>(g + row * p.width, n);
    else return load<V>(g + row * p.width);
  };
  if constexpr (kStride == 1) {
    V gs[K] = {};  // rows j, j - 1, ...
    for (int64_t j = 0; j < p.rows + K - 1; ++j) {
#pragma GCC unroll 7
      for (int k = K - 1; k > 0; --k) gs[k] = gs[k - 1];
      if (j < p.rows) gs[0] = given(j);
      if (j >= K - 1 && j < p.rows) {
#pragma GCC unroll 7
        for (int k = 0; k < K; ++k) {
          const V x = input(j, k);
#pragma GCC unroll 7
          for (int row = 0; row < K; ++row) sums[row * K + k] = fma(gs[row], x, sums[row * K + k]);
        }
        continue;
      }
#pragma GCC unroll 7
      for (int k = 0; k < K; ++k) {
        const V x = input(j, k);
#pragma GCC unroll 7
        for (int row = 0; row < K; ++row)
          if (j >= row && j - row < p.rows) sums[row * K + k] = fma(gs[row], x, sums[row * K + k]);
      }
    }
  } else {
    for (int64_t r = 0; r < p.rows; ++r) {
      const V share = given(r);
#pragma GCC unroll 7
      for (int row = 0; row < K; ++row)
#pragma GCC unroll 7
        for (int k = 0; k < K; ++k) sums[row * K + k] = fma(share, input(r * kStride + row, k), sums[row * K + k]);
    }
  }
}

template <class V, int K, int kStride>
void weight_grad_of(const DepthwisePlane& p, const void* from_bytes, const void* g_bytes, void* sums_bytes) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  T* totals = static_cast<T*>(sums_bytes);
  V sums[K * K];
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) sums[t] = load<V>(totals + t * kLanes<V>);
  int64_t i = 0;
  for (; i + kLanes<V> <= p.width; i += kLanes<V>) column_grad<V, K, kStride, false>(p, from + i, g + i, int(kLanes<V>), sums);
  if (i < p.width) column_grad<V, K, kStride, true>(p, from + i, g + i, int(p.width - i), sums);
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) store<V>(totals + t * kLanes<V>, sums[t]);
}

template <class V, int kStride>
void plane_by(const DepthwisePlane& p, const void* weight, double bias, const void* from, void* to) {
  if (p.kernel == 3) plane_of<V, 3, kStride>(p, weight, bias, from, to);
  else if (p.kernel == 5) plane_of<V, 5, kStride>(p, weight, bias, from, to);
  else plane_of<V, 7, kStride>(p, weight, bias, from, to);
}
template <class V>
void plane(const DepthwisePlane& p, const void* weight, double bias, const void* from, void* to) {
  if (p.stride == 1) plane_by<V, 1>(p, weight, bias, from, to);
  else plane_by<V, 2>(p, weight, bias, from, to);
}

template <class V, int kStride>
void weight_grad_by(const DepthwisePlane& p, const void* from, const void* g, void* sums) {
  if (p.kernel == 3) weight_grad_of<V, 3, kStride>(p, from, g, sums);
  else if (p.kernel == 5) weight_grad_of<V, 5, kStride>(p, from, g, sums);
  else weight_grad_of<V, 7, kStride>(p, from, g, sums);
}
template <class V>
void weight_grad(const DepthwisePlane& p, const void* from, const void* g, void* sums) {
  if (p.stride == 1) weight_grad_by<V, 1>(p, from, g, sums);
  else weight_grad_by<V, 2>(p, from, g, sums);
}

// ---- any taps --------------------------------------------------------------------------------------------------

template <class V, int kR>
FL_INLINE void taps_of(int64_t width, int64_t row_step, int64_t count, const int64_t* offsets, const typename Of<V>::Element* weights,
                       typename Of<V>::Element bias, const typename Of<V>::Element* from, typename Of<V>::Element* to, int64_t to_row) {
  for (int64_t i = 0; i < width; i += kLanes<V>) {
    V sums[kR];
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) sums[r] = splat<V>(bias);
    for (int64_t t = 0; t < count; ++t) {
      const V w = splat<V>(weights[t]);
#pragma GCC unroll 4
      for (int r = 0; r < kR; ++r) sums[r] = fma(w, load<V>(from + r * row_step + offsets[t] + i), sums[r]);
    }
#pragma GCC unroll 4
    for (int r = 0; r < kR; ++r) store_some<V>(to + r * to_row + i, sums[r], width - i);
  }
}
template <class V>
void taps(int64_t rows, int64_t width, int64_t row_step, int64_t count, const int64_t* offsets, const void* weight_bytes,
          double bias_value, const void* from_bytes, void* to_bytes, int64_t to_row) {
  using T = typename Of<V>::Element;
  const T* weights = static_cast<const T*>(weight_bytes);
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  const T bias = T(bias_value);
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) taps_of<V, 4>(width, row_step, count, offsets, weights, bias, from + r * row_step, to + r * to_row, to_row);
  for (; r < rows; ++r) taps_of<V, 1>(width, row_step, count, offsets, weights, bias, from + r * row_step, to + r * to_row, to_row);
}

template <class V>
void rows_in(const void* from_bytes, int64_t width, int64_t n, int64_t rows, void* to_bytes, int64_t pitch) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  for (; rows > 0; --rows, from += width, to += pitch)
    for (int64_t i = 0; i < n; i += kLanes<V>) store_some<V>(to + i, load_some<V>(from + i, n - i), n - i);
}
template <class V>
void rows_split(const void* from_bytes, int64_t width, int64_t n, int64_t rows, void* even_bytes, void* odd_bytes, int64_t pitch) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* even = static_cast<T*>(even_bytes);
  T* odd = static_cast<T*>(odd_bytes);
  for (; rows > 0; --rows, from += width, even += pitch, odd += pitch)
    for (int64_t i = 0; 2 * i < n; i += kLanes<V>) {
      const V a = load_some<V>(from + 2 * i, n - 2 * i), b = load_some<V>(from + 2 * i + kLanes<V>, n - 2 * i - kLanes<V>);
      store_some<V>(even + i, every_second<V, 0>(a, b), (n + 1) / 2 - i);
      store_some<V>(odd + i, every_second<V, 1>(a, b), n / 2 - i);
    }
}

template <class V>
void weave(const void* even_bytes, const void* odd_bytes, int64_t n, void* to_bytes) {
  using T = typename Of<V>::Element;
  const T* even = static_cast<const T*>(even_bytes);
  const T* odd = static_cast<const T*>(odd_bytes);
  T* to = static_cast<T*>(to_bytes);
  for (int64_t i = 0; 2 * i < n; i += kLanes<V>) {
    const V a = load<V>(even + i), b = load<V>(odd + i);
    store_some<V>(to + 2 * i, woven<V, 0>(a, b), n - 2 * i);
    store_some<V>(to + 2 * i + kLanes<V>, woven<V, 1>(a, b), n - 2 * i - kLanes<V>);
  }
}

// ---- channels along the vectors --------------------------------------------------------------------------------

template <class V>
void across_in(const void* from_bytes, int64_t plane, int channels, int64_t n, const int32_t* places, void* to_bytes) {
  using T = typename Of<V>::Element;
  constexpr int lanes = kLanes<V>;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  for (int64_t i = 0; i < n; i += lanes) {
    const int count = n - i < lanes ? int(n - i) : lanes;
    V rows[lanes];
    if (channels == lanes && count == lanes) {
#pragma GCC unroll 16
      for (int c = 0; c < lanes; ++c) rows[c] = load<V>(from + c * plane + i);
    } else {
#pragma GCC unroll 16
      for (int c = 0; c < lanes; ++c) rows[c] = c < channels ? load_some<V>(from + c * plane + i, count) : V{};
    }
    transpose_rows(rows);
    if (count == lanes) {
#pragma GCC unroll 16
      for (int p = 0; p < lanes; ++p) store<V>(to + places[i + p], rows[p]);
    } else {
#pragma GCC unroll 16
      for (int p = 0; p < lanes; ++p)
        if (p < count) store<V>(to + places[i + p], rows[p]);
    }
  }
}

template <class V, int kTaps>
FL_INLINE void across_sums(int64_t n, const int32_t* bases, const int32_t* offsets, const typename Of<V>::Element* from,
                           const typename Of<V>::Element* g, typename Of<V>::Element* to) {
  V sums[kTaps];
  int64_t at[kTaps];
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) {
    sums[t] = load<V>(to + t * kLanes<V>);
    at[t] = offsets[t];
  }
  for (int64_t i = 0; i < n; ++i) {
    const V share = load<V>(g + i * kLanes<V>);
    const auto* window = from + bases[i];
#pragma GCC unroll 9
    for (int t = 0; t < kTaps; ++t) sums[t] = fma(share, load<V>(window + at[t]), sums[t]);
  }
#pragma GCC unroll 9
  for (int t = 0; t < kTaps; ++t) store<V>(to + t * kLanes<V>, sums[t]);
}
template <class V>
void across_grad(int64_t n, const int32_t* bases, int64_t taps, const int32_t* offsets, const void* from_bytes, const void* g_bytes,
                 void* sums_bytes) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  T* sums = static_cast<T*>(sums_bytes);
  int64_t t = 0;
  for (; t + 9 <= taps; t += 9) across_sums<V, 9>(n, bases, offsets + t, from, g, sums + t * kLanes<V>);
  for (; t + 4 <= taps; t += 4) across_sums<V, 4>(n, bases, offsets + t, from, g, sums + t * kLanes<V>);
  for (; t < taps; ++t) across_sums<V, 1>(n, bases, offsets + t, from, g, sums + t * kLanes<V>);
}

template <class V, Type type>
const DepthwiseLoops* loops_of() {
  static const DepthwiseLoops loops{kLanes<V>,     plane<V>, weight_grad<V>, taps<V>,   rows_in<V>,
                                    rows_split<V>, weave<V>, across_in<V>,   across_grad<V>,
                                    direct_depthwise(type)};
  return &loops;
}

}  // namespace

const DepthwiseLoops* depthwise(Type type) {
  return type == Type::Float32 ? loops_of<F32, Type::Float32>() : type == Type::Float64 ? loops_of<F64, Type::Float64>() : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
