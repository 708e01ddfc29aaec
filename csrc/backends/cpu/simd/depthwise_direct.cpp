// simd/depthwise_direct.cpp: planes that are convolved with a kernel of their own where they lie: what is outside of one is
// left out of every load, so nothing is copied. Compiled once per level; levels without masks have none of it.
#include <algorithm>

#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "taps.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

#if FL_MASKED
namespace {

// Lane l + n in lane l, for n of -1 and 1; zeros where `stays` says no.
template <class V, class Stays>
FL_INLINE typename Of<V>::Int lanes_beside(int n, const Stays& stays) {
  typename Of<V>::Int lanes;
  for (int l = 0; l < kLanes<V>; ++l) lanes[l] = stays(l) ? l + n : kLanes<V>;
  return lanes;
}
template <class V>
FL_INLINE V shuffled(V v, typename Of<V>::Int lanes) {
  return __builtin_shuffle(v, V{}, lanes);
}

// Outputs of a vector: with a stride of 2 a kernel element reads what another one reads some lanes on, so the vector's last
// lanes have no neighbour to take theirs from and are left out.
template <class V, int K, int kStride>
constexpr int kOutputs = kStride == 1 ? kLanes<V> : kLanes<V> - (K - 1) / 2;

// The columns that a vector of outputs from column `first` on meets, kernel element by kernel element.
template <class V, int K, int kStride>
struct Columns {
  using T = typename Of<V>::Element;
  int64_t start;
  Lanes masks[kStride == 1 ? K : 2];
  typename Of<V>::Int next;

  FL_INLINE Columns(const DirectPlane& p, int64_t first) : start(first * kStride - p.before) {
    next = lanes_beside<V>(1, [](int l) { return l + 1 < kLanes<V>; });
#pragma GCC unroll 8
    for (int m = 0; m < int(sizeof masks / sizeof *masks); ++m) {
      const int64_t at = start + (kStride == 1 ? m : m * kLanes<V>);
      masks[m] = lanes_between<V>(-at, p.width - at);
    }
  }
  // For the row of a plane that comes next: a strip reads too little of each for the processor to foresee it.
  FL_INLINE void ask(const T* row) const {
    __builtin_prefetch(row + start);
    __builtin_prefetch(row + start + kLanes<V>);
  }
  FL_INLINE void read(const T* row, V* x) const {
    row += start;
    if constexpr (kStride == 1) {
#pragma GCC unroll 7
      for (int k = 0; k < K; ++k) x[k] = load_masked(row + k, masks[k]);
    } else {
      const V a = load_masked(row, masks[0]), b = load_masked(row + kLanes<V>, masks[1]);
      x[0] = every_second<V, 0>(a, b);
      x[1] = every_second<V, 1>(a, b);
#pragma GCC unroll 8
      for (int k = 2; k < K; ++k) x[k] = shuffled(x[k - 2], next);
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
#pragma GCC unroll 16
  for (int r = 0; r < kR; ++r) sums[r] = block.bias;
#pragma GCC unroll 32
  for (int j = 0; j < K + (kR - 1) * kStride; ++j, from += width) {
    asm("" : "+r"(from));  // one address after the other, not all of them beforehand
    if (!kInside && (top + j < 0 || top + j >= height)) continue;
    V x[K];
    columns.read(from, x);
    if constexpr (kStride == 2) columns.ask(from + width * height);
#pragma GCC unroll 16
    for (int r = 0; r < kR; ++r) {
      const int row = j - kStride * r;
      if (row < 0 || row >= K) continue;
#pragma GCC unroll 8
      for (int k = 0; k < K; ++k) sums[r] = fma(taps[row * K + k], x[k], sums[r]);
    }
  }
#pragma GCC unroll 16
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
  if constexpr (K == 3 && kStride == 2)
    while (left >= 14) rows.template operator()<14>();
  if constexpr (K == 3)
    while (left >= 7) rows.template operator()<7>();
  while (left >= 4) rows.template operator()<4>();
  while (left >= 2) rows.template operator()<2>();
  if (left == 1) rows.template operator()<1>();
}

// Two rows of a plane as one vector, for results as wide as the plane that a kernel of 3 by 3 reaches one column beside:
// half as many sums as by rows. A pair's neighbours to both sides are its own lanes, moved.
template <class V>
struct Pair {
  V before, own, after;
};
template <class V>
FL_INLINE bool goes_by_pairs(const DirectPlane& p) {
  return 2 * p.width <= kLanes<V> && p.before == 1 && p.columns == p.width;
}
template <class V>
void pairs_of(const DirectPlane& p, int64_t count, const typename Of<V>::Element* weight, const typename Of<V>::Element* bias,
              const typename Of<V>::Element* from, typename Of<V>::Element* to) {
  const int64_t width = p.width, height = p.height, rows = p.rows, in = height * width, out = rows * width;
  const Lanes first = lanes_between<V>(0, width), second = lanes_between<V>(width, 2 * width), both = lanes_between<V>(0, 2 * width);
  // Neighbours are of the same row.
  const auto early = lanes_beside<V>(-1, [&](int l) { return l != 0 && l != width; });
  const auto late = lanes_beside<V>(1, [&](int l) { return l != width - 1 && l + 1 < kLanes<V>; });
  for (int64_t n = 0; n < count; ++n, weight += 9, from += in, to += out) {
    const Taps<V, 3> taps(weight);
    const V more = splat<V>(bias ? bias[n] : typename Of<V>::Element(0));
    const auto read = [&](int64_t row) __attribute__((always_inline)) {  // rows `row` and the next
      const auto* at = from + row * width;
      const V own = row >= 0 && row + 1 < height ? load_masked(at, both)
                    : row + 1 == 0               ? load_masked(at, second)
                    : row + 1 == height          ? load_masked(at, first)
                                                 : V{};
      return Pair<V>{shuffled(own, early), own, shuffled(own, late)};
    };
    const auto add = [&](V sum, const Pair<V>& x, int row) __attribute__((always_inline)) {
      sum = fma(taps[3 * row], x.before, sum);
      sum = fma(taps[3 * row + 1], x.own, sum);
      return fma(taps[3 * row + 2], x.after, sum);
    };
    Pair<V> top = read(-p.above);
    for (int64_t r = 0; r < rows; r += 2) {
      const Pair<V> middle = read(r + 1 - p.above), bottom = read(r + 2 - p.above);
      const V sum = add(add(add(more, top, 0), middle, 1), bottom, 2);
      store_masked(to + r * width, sum, r + 1 < rows ? both : first);
      top = bottom;
    }
  }
}

template <class V, int K, int kStride>
void plane_of(const DirectPlane& plane, int64_t count, const void* weight_bytes, const void* bias_bytes, const void* from_bytes, void* to_bytes) {
  using T = typename Of<V>::Element;
  const DirectPlane p = plane;  // no store changes it
  const T* weight = static_cast<const T*>(weight_bytes);
  const T* bias = static_cast<const T*>(bias_bytes);
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  if (K == 3 && kStride == 1 && goes_by_pairs<V>(p)) return pairs_of<V>(p, count, weight, bias, from, to);
  const int64_t in = p.height * p.width, out = p.rows * p.columns;
  constexpr int outputs = kOutputs<V, K, kStride>;
  const Columns<V, K, kStride> narrow(p, 0);
  const Lanes kept = lanes_between<V>(0, std::min<int64_t>(outputs, p.columns));
  for (int64_t n = 0; n < count; ++n, weight += K * K, from += in, to += out) {
    const Taps<V, K> taps(weight);
    const V more = splat<V>(bias ? bias[n] : T(0));
    strip_of<V, K, kStride>({p, narrow, taps, more, kept}, from, to);
    for (int64_t i = outputs; i < p.columns; i += outputs) {
      const Columns<V, K, kStride> columns(p, i);
      strip_of<V, K, kStride>({p, columns, taps, more, lanes_between<V>(0, std::min<int64_t>(outputs, p.columns - i))}, from, to + i);
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

// Every row of a plane is read once, for the kernel's rows that meet it.
template <class V, int K, int kStride>
void weight_grad_of(const DirectPlane& plane, int64_t count, const void* from_bytes, int64_t from_step, const void* g_bytes, int64_t g_step,
                    void* sums_bytes) {
  using T = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  const DirectPlane p = plane;
  T* totals = static_cast<T*>(sums_bytes);
  V sums[K * K];
#pragma GCC unroll 49
  for (int t = 0; t < K * K; ++t) sums[t] = load<V>(totals + t * kLanes<V>);
  constexpr int outputs = kOutputs<V, K, kStride>;
  const T* from = static_cast<const T*>(from_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  for (int64_t n = 0; n < count; ++n, from += from_step, g += g_step)
    for (int64_t i = 0; i < p.columns; i += outputs) {
      const Columns<V, K, kStride> columns(p, i);
      const int64_t some = std::min<int64_t>(outputs, p.columns - i);
      const Lanes given = lanes_between<V>(0, some);
      const Int used = lane_numbers<V>() < splat<Int>(typename Of<Int>::Element(some));
      const auto add = [&](int64_t r, const V* x, int row) __attribute__((always_inline)) {
        const V share = load_masked(g + r * p.columns + i, given);
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) sums[row * K + k] = fma(share, x[k], sums[row * K + k]);
      };
      for (int64_t h = 0; h < p.height; ++h) {
        V x[K];
        columns.read(from + h * p.width, x);
        if constexpr (kStride == 2) columns.ask(from + from_step + h * p.width);
        else if (h < p.rows) __builtin_prefetch(g + g_step + h * p.columns + i);
#pragma GCC unroll 8
        for (int k = 0; k < K; ++k) x[k] = (V)((Int)x[k] & used);  // what meets no g need not be finite
        const int64_t at = h + p.above, r = at / kStride;  // of the result, at the kernel's first row
        const bool inside = at >= K - 1 && r < p.rows;
        const auto meet = [&](int first) __attribute__((always_inline)) {
#pragma GCC unroll 8
          for (int row = first; row < K; row += kStride) {
            const int64_t own = r - row / kStride;
            if (inside || (own >= 0 && own < p.rows)) add(own, x, row);
          }
        };
        if (kStride == 1 || at % 2 == 0) meet(0);
        else meet(1);
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
