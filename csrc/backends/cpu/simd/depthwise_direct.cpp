// simd/depthwise_direct.cpp: planes that are convolved with a kernel of their own where they lie: what is outside of one is
// left out of every load, so nothing is copied. Compiled once per level; levels without masks have none of it.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "taps.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

#if FL_MASKED
namespace {

// The columns that a vector of outputs from column `first` on meets, kernel element by kernel element.
template <class V, int K, int kStride>
struct Columns {
  using T = typename Of<V>::Element;
  static constexpr int kPairs = (K + 1) / 2;
  int64_t start;
  Lanes masks[kStride == 1 ? K : 2 * kPairs];

  FL_INLINE Columns(const DirectPlane& p, int64_t first) : start(first * kStride - p.before) {
#pragma GCC unroll 8
    for (int m = 0; m < int(sizeof masks / sizeof *masks); ++m) {
      const int64_t at = start + (kStride == 1 ? m : m / 2 * 2 + m % 2 * kLanes<V>);
      masks[m] = lanes_between<V>(-at, p.width - at);
    }
  }
  FL_INLINE void read(const T* row, V* x) const {
    row += start;
    if constexpr (kStride == 1) {
#pragma GCC unroll 7
      for (int k = 0; k < K; ++k) x[k] = load_masked(row + k, masks[k]);
    } else {
#pragma GCC unroll 8
      for (int j = 0; j < kPairs; ++j) {
        const V a = load_masked(row + 2 * j, masks[2 * j]), b = load_masked(row + 2 * j + kLanes<V>, masks[2 * j + 1]);
        x[2 * j] = every_second<V, 0>(a, b);
        if (2 * j + 1 < K) x[2 * j + 1] = every_second<V, 1>(a, b);
      }
    }
  }
};

// What a block of rows is computed from. Blocks are functions of their own, so that masks and taps stay in registers.
template <class V, int K, int kStride>
struct Block {
  const DirectPlane& plane;
  const Columns<V, K, kStride>& columns;
  const Taps<V, K>& taps;
  V bias;
  Lanes kept;
};

// kR rows of outputs read each row of the plane once; `top` is the first of them, which `from` points to. kInside: all of
// them are rows of the plane.
template <class V, int K, int kStride, int kR, bool kInside>
__attribute__((noinline)) void block_of(const Block<V, K, kStride>& block, const typename Of<V>::Element* from, int64_t top,
                                        typename Of<V>::Element* to) {
  const Columns<V, K, kStride> columns = block.columns;
  const Taps<V, K> taps = block.taps;
  const int64_t width = block.plane.width, height = block.plane.height, step = block.plane.columns;
  const Lanes kept = block.kept;
  V sums[kR];
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r) sums[r] = block.bias;
#pragma GCC unroll 32
  for (int j = 0; j < K + (kR - 1) * kStride; ++j, from += width) {
    asm("" : "+r"(from));  // one address after the other, not all of them beforehand
    if (!kInside && (top + j < 0 || top + j >= height)) continue;
    V x[K];
    columns.read(from, x);
#pragma GCC unroll 8
    for (int r = 0; r < kR; ++r) {
      const int row = j - kStride * r;
      if (row < 0 || row >= K) continue;
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) sums[r] = fma(taps[row * K + k], x[k], sums[r]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < kR; ++r, to += step) store_masked(to, sums[r], kept);
}

template <class V, int K, int kStride>
FL_INLINE void strip_of(const Block<V, K, kStride>& block, const typename Of<V>::Element* from, typename Of<V>::Element* to) {
  const DirectPlane& p = block.plane;
  int64_t left = p.rows, top = -p.above;
  const auto rows = [&]<int kR>() __attribute__((always_inline)) {
    const bool inside = top >= 0 && top + K + (kR - 1) * kStride <= p.height;
    (inside ? block_of<V, K, kStride, kR, true> : block_of<V, K, kStride, kR, false>)(block, from + top * p.width, top, to);
    left -= kR;
    top += kR * kStride;
    to += kR * p.columns;
  };
  if constexpr (K == 3)
    while (left >= 7) rows.template operator()<7>();
  while (left >= 4) rows.template operator()<4>();
  while (left >= 2) rows.template operator()<2>();
  if (left == 1) rows.template operator()<1>();
}

template <class V, int K, int kStride>
void plane_of(const DirectPlane& plane, int64_t count, const void* weight_bytes, const void* bias_bytes, const void* from_bytes, void* to_bytes) {
  using T = typename Of<V>::Element;
  const DirectPlane p = plane;  // no store changes it
  const T* weight = static_cast<const T*>(weight_bytes);
  const T* bias = static_cast<const T*>(bias_bytes);
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  const int64_t in = p.height * p.width, out = p.rows * p.columns;
  const Columns<V, K, kStride> narrow(p, 0);
  const Lanes kept = lanes_between<V>(0, p.columns);
  for (int64_t n = 0; n < count; ++n, weight += K * K, from += in, to += out) {
    const Taps<V, K> taps(weight);
    const V more = splat<V>(bias ? bias[n] : T(0));
    strip_of<V, K, kStride>({p, narrow, taps, more, kept}, from, to);
    for (int64_t i = kLanes<V>; i < p.columns; i += kLanes<V>) {
      const Columns<V, K, kStride> columns(p, i);
      strip_of<V, K, kStride>({p, columns, taps, more, lanes_between<V>(0, p.columns - i)}, from, to + i);
    }
  }
}

// Rows and columns of the result that are even, counted from where the first window begins, meet kernel elements 0 and 2,
// odd ones element 1.
template <class V>
void input_grad(const DirectPlane& plane, const void* weight_bytes, const void* g_bytes, void* to_bytes) {
  using T = typename Of<V>::Element;
  const DirectPlane p = plane;
  constexpr int lanes = kLanes<V>;
  const T* g = static_cast<const T*>(g_bytes);
  const Taps<V, 3> taps(static_cast<const T*>(weight_bytes));
  for (int64_t q = p.before / 2; 2 * q - p.before < p.width; q += lanes) {
    const Lanes own = lanes_between<V>(-q, p.columns - q), earlier = lanes_between<V>(1 - q, p.columns + 1 - q);
    const int64_t start = 2 * q - p.before;  // the column of the first lane
    const Lanes low = lanes_between<V>(-start, p.width - start), high = lanes_between<V>(-start - lanes, p.width - start - lanes);
    for (int64_t h = 0; h < p.height; ++h) {
      V even{}, odd{};
      const auto add = [&](int64_t r, int row) __attribute__((always_inline)) {
        if (r < 0 || r >= p.rows) return;
        const V a = load_masked(g + r * p.columns + q, own), b = load_masked(g + r * p.columns + q - 1, earlier);
        even = fma(taps[3 * row], a, fma(taps[3 * row + 2], b, even));
        odd = fma(taps[3 * row + 1], a, odd);
      };
      const int64_t at = h + p.above;
      if (at % 2 == 0) {
        add(at / 2, 0);
        add(at / 2 - 1, 2);
      } else {
        add(at / 2, 1);
      }
      T* to = static_cast<T*>(to_bytes) + h * p.width + start;
      store_masked(to, woven<V, 0>(even, odd), low);
      store_masked(to + lanes, woven<V, 1>(even, odd), high);
    }
  }
}

template <class V, int K, int kStride>
void weight_grad_of(const DirectPlane& p, int64_t count, const void* from_bytes, int64_t from_step, const void* g_bytes, int64_t g_step,
                    void* sums_bytes) {
  using T = typename Of<V>::Element;
  T* totals = static_cast<T*>(sums_bytes);
  V sums[K * K];
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) sums[t] = load<V>(totals + t * kLanes<V>);
  // What lies outside of g is left out of it, so the plane beside it need not be finite.
  const auto add = [&](V share, const V* x, int row) __attribute__((always_inline)) {
#pragma GCC unroll 8
    for (int k = 0; k < K; ++k) sums[row * K + k] = fma(share, x[k], sums[row * K + k]);
  };
  for (int64_t i = 0; i < p.columns; i += kLanes<V>) {
    const Columns<V, K, kStride> columns(p, i);
    const Lanes given = lanes_between<V>(0, p.columns - i);
    const T* from = static_cast<const T*>(from_bytes);
    const T* g = static_cast<const T*>(g_bytes) + i;
    for (int64_t n = 0; n < count; ++n, from += from_step, g += g_step) {
      if constexpr (kStride == 1) {
        for (int64_t h = 0; h < p.height; ++h) {
          V x[K];
          columns.read(from + h * p.width, x);
          const int64_t r = h + p.above;  // of the result, at the kernel's first row
          const bool inside = r >= K - 1 && r < p.rows;
#pragma GCC unroll 8
          for (int row = 0; row < K; ++row)
            if (inside || (r - row >= 0 && r - row < p.rows)) add(load_masked(g + (r - row) * p.columns, given), x, row);
        }
      } else {
        for (int64_t r = 0; r < p.rows; ++r) {
          const V share = load_masked(g + r * p.columns, given);
          const int64_t top = r * kStride - p.above;
#pragma GCC unroll 8
          for (int row = 0; row < K; ++row) {
            if (top + row < 0 || top + row >= p.height) continue;
            V x[K];
            columns.read(from + (top + row) * p.width, x);
            add(share, x, row);
          }
        }
      }
    }
  }
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) store<V>(totals + t * kLanes<V>, sums[t]);
}

template <class V, int kStride>
void plane_by(const DirectPlane& p, int64_t count, const void* weight, const void* bias, const void* from, void* to) {
  if (p.kernel == 3) plane_of<V, 3, kStride>(p, count, weight, bias, from, to);
  else if (p.kernel == 5) plane_of<V, 5, kStride>(p, count, weight, bias, from, to);
  else plane_of<V, 7, kStride>(p, count, weight, bias, from, to);
}
template <class V>
void planes(const DirectPlane& p, int64_t count, const void* weight, const void* bias, const void* from, void* to) {
  if (p.stride == 1) plane_by<V, 1>(p, count, weight, bias, from, to);
  else plane_by<V, 2>(p, count, weight, bias, from, to);
}
template <class V, int kStride>
void weight_grad_by(const DirectPlane& p, int64_t count, const void* from, int64_t from_step, const void* g, int64_t g_step, void* sums) {
  if (p.kernel == 3) weight_grad_of<V, 3, kStride>(p, count, from, from_step, g, g_step, sums);
  else if (p.kernel == 5) weight_grad_of<V, 5, kStride>(p, count, from, from_step, g, g_step, sums);
  else weight_grad_of<V, 7, kStride>(p, count, from, from_step, g, g_step, sums);
}
template <class V>
void weight_grad(const DirectPlane& p, int64_t count, const void* from, int64_t from_step, const void* g, int64_t g_step, void* sums) {
  if (p.stride == 1) weight_grad_by<V, 1>(p, count, from, from_step, g, g_step, sums);
  else weight_grad_by<V, 2>(p, count, from, from_step, g, g_step, sums);
}

template <class V>
constexpr DirectLoops kLoops{planes<V>, input_grad<V>, weight_grad<V>};

}  // namespace

const DirectLoops* direct_depthwise(Type type) { return type == Type::Float64 ? &kLoops<F64> : &kLoops<F32>; }
#else
const DirectLoops* direct_depthwise(Type) { return nullptr; }
#endif

}  // namespace flambeau::cpu::FL_LEVEL
