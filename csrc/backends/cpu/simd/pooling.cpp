// simd/pooling.cpp: rows of pools. Compiled once per level.
#include <type_traits>

#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// As PyTorch looks for a maximum: a later element takes over if it is larger or NaN.
template <class V>
FL_INLINE auto takes_over(V later, V best) {
  return (later > best) | (later != later);
}

template <class V>
FL_INLINE V larger(V best, V later) {
  return takes_over<V>(later, best) ? later : best;
}

// ---- rows by the phases of a stride --------------------------------------------------------------------------

// Where element i of a row lies in a row with its padding that is laid out by phases.
FL_INLINE int64_t place_of(const PoolPlane& p, int64_t i) {
  const int64_t at = i + p.padding;
  return at % p.stride * p.columns + at / p.stride;
}
// A row to its phases; the padding is left alone.
template <class V>
FL_INLINE void split(const PoolPlane& p, const typename Of<V>::Element* from, typename Of<V>::Element* to) {
  const int64_t n = p.in_width;
  if (p.stride == 1) {
    for (int64_t i = 0; i < n; i += kLanes<V>) store_some<V>(to + p.padding + i, load_some<V>(from + i, n - i), n - i);
  } else if (p.stride == 2) {
    auto* even = to + place_of(p, 0);
    auto* odd = to + place_of(p, 1);
    for (int64_t i = 0; 2 * i < n; i += kLanes<V>) {
      const V a = load_some<V>(from + 2 * i, n - 2 * i), b = load_some<V>(from + 2 * i + kLanes<V>, n - 2 * i - kLanes<V>);
      store_some<V>(even + i, every_second<V, 0>(a, b), (n + 1) / 2 - i);
      store_some<V>(odd + i, every_second<V, 1>(a, b), n / 2 - i);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) to[place_of(p, i)] = from[i];
  }
}
// And back.
template <class V>
FL_INLINE void weave(const PoolPlane& p, const typename Of<V>::Element* from, typename Of<V>::Element* to) {
  const int64_t n = p.in_width;
  if (p.stride == 1) {
    for (int64_t i = 0; i < n; i += kLanes<V>) store_some<V>(to + i, load_some<V>(from + p.padding + i, n - i), n - i);
  } else if (p.stride == 2) {
    const auto* even = from + place_of(p, 0);
    const auto* odd = from + place_of(p, 1);
    for (int64_t i = 0; 2 * i < n; i += kLanes<V>) {
      const V a = load<V>(even + i), b = load<V>(odd + i);  // there is room behind a row
      store_some<V>(to + 2 * i, woven<V, 0>(a, b), n - 2 * i);
      store_some<V>(to + 2 * i + kLanes<V>, woven<V, 1>(a, b), n - 2 * i - kLanes<V>);
    }
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[place_of(p, i)];
  }
}

// ---- windows -------------------------------------------------------------------------------------------------

// Rows are combined down the window into a line by phases, then along it.
template <class V, class Combine, class Finish>
FL_INLINE void pool(const PoolPlane& p, const typename Of<V>::Element* x, typename Of<V>::Element* y,
                    typename Of<V>::Element* line, typename Of<V>::Element empty, const Combine& combine,
                    const Finish& finish) {
  using T = typename Of<V>::Element;
  const int64_t n = p.in_width, memory = p.row_memory();
  T* row = line + memory;
  for (int64_t i = 0; i < memory; ++i) line[i] = empty;
  for (int64_t r = 0; r < p.out_rows; ++r, y += p.out_width) {
    const PoolSource *first = p.sources + p.starts[r], *last = p.sources + p.starts[r + 1];
    for (int64_t i = 0; i < n; i += kLanes<V>) {
      V value = splat<V>(empty);
      if (first < last) value = load_some<V>(x + first->row * n + i, n - i);
      for (const PoolSource* source = first + 1; source < last; ++source)
        value = combine(value, load_some<V>(x + source->row * n + i, n - i));
      store_some<V>(row + i, value, n - i);
    }
    split<V>(p, row, line);
    for (int64_t i = 0; i < p.out_width; i += kLanes<V>) {
      V value = load<V>(line + i);
      for (int64_t k = 1; k < p.kernel; ++k) value = combine(value, load<V>(line + p.phases[k] * p.columns + p.shifts[k] + i));
      store_some<V>(y + i, finish(value, r, i), p.out_width - i);
    }
  }
}

template <class V>
void largest(const PoolPlane& plane, const void* x, void* y, void* line) {
  using T = typename Of<V>::Element;
  pool<V>(plane, static_cast<const T*>(x), static_cast<T*>(y), static_cast<T*>(line), T(-__builtin_inf()),
          [](V a, V b) __attribute__((always_inline)) { return larger<V>(a, b); },
          [](V a, int64_t, int64_t) __attribute__((always_inline)) { return a; });
}

// The divisors of a vector of means.
template <class V>
FL_INLINE V divisors(const PoolPlane& p, int64_t row, int64_t column) {
  using T = typename Of<V>::Element;
  return splat<V>(T(p.row_counts[row])) * load<V>(static_cast<const T*>(p.column_counts) + column);
}

template <class V>
void mean(const PoolPlane& plane, const void* x, void* y, void* line) {
  using T = typename Of<V>::Element;
  pool<V>(plane, static_cast<const T*>(x), static_cast<T*>(y), static_cast<T*>(line), T(0),
          [](V a, V b) __attribute__((always_inline)) { return a + b; },
          [&](V a, int64_t r, int64_t i) __attribute__((always_inline)) { return a / divisors<V>(plane, r, i); });
}

// Each element of x gathers what its windows give it: add(sum, where in the rows of windows, tap) adds one of them up.
template <class V, class Add>
FL_INLINE void gather(const PoolPlane& p, typename Of<V>::Element* line, typename Of<V>::Element* dx, const Add& add) {
  struct Giver {
    int64_t at, tap;
  };
  constexpr int kGivers = 32;  // together
  const int64_t used = (p.padding + p.in_width + p.stride - 1) / p.stride;
  for (int64_t r = 0; r < p.in_rows; ++r, dx += p.in_width) {
    for (int64_t phase = 0; phase < p.stride; ++phase) {
      auto* sums = line + phase * p.columns;
      Giver givers[kGivers];
      int count = 0;
      bool first = true;
      const auto give = [&]() __attribute__((always_inline)) {
        for (int64_t i = 0; i < used; i += kLanes<V>) {
          V sum = first ? V{} : load<V>(sums + i);
          for (int n = 0; n < count; ++n) sum = add(sum, givers[n].at + i, givers[n].tap);
          store<V>(sums + i, sum);
        }
        first = false;
        count = 0;
      };
      for (int64_t s = p.reader_starts[r]; s < p.reader_starts[r + 1]; ++s)
        for (int64_t k = 0; k < p.kernel; ++k) {
          if (p.phases[k] != phase) continue;
          if (count == kGivers) give();
          givers[count++] = {p.readers[s].row * p.out_row() + p.lead() - p.shifts[k], p.readers[s].tap * p.kernel + k};
        }
      give();
    }
    weave<V>(p, line, dx);
  }
}

// Each window finds where its largest element lies in the plane, a vector of windows at a time, and gives it its share.
template <class V>
void largest_grad(const PoolPlane& p, int64_t planes, const void* g_bytes, const void* x_bytes, void* dx_bytes, void* memory) {
  using T = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  using Index = typename Of<Int>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  T* dx = static_cast<T*>(dx_bytes);
  const int64_t row = p.row_memory(), n = p.in_width;
  T* values = static_cast<T*>(memory);
  for (int64_t i = 0; i < p.in_rows * row; ++i) values[i] = T(-__builtin_inf());
  for (int64_t plane = 0; plane < planes; ++plane, x += p.in_rows * n, dx += p.in_rows * n) {
    for (int64_t r = 0; r < p.in_rows; ++r) split<V>(p, x + r * n, values + r * row);
    memset(dx, 0, size_t(p.in_rows * n) * sizeof(T));
    for (int64_t r = 0; r < p.out_rows; ++r, g += p.out_width) {
      const PoolSource *first = p.sources + p.starts[r], *last = p.sources + p.starts[r + 1];
      for (int64_t i = 0; i < p.out_width; i += kLanes<V>) {
        V best = splat<V>(T(-__builtin_inf()));
        // In the first row that there is, the first element inside the row.
        Int place = load<Int>(static_cast<const Index*>(p.firsts) + i) * splat<Int>(Index(p.dilation)) +
                    splat<Int>(Index(first->row * n - p.padding));
        for (const PoolSource* source = first; source < last; ++source)
          for (int64_t k = 0; k < p.kernel; ++k) {
            const V value = load<V>(values + source->row * row + p.phases[k] * p.columns + p.shifts[k] + i);
            const Int taken = takes_over<V>(value, best);
            best = taken ? value : best;
            place = taken ? splat<Int>(Index(source->row * n + k * p.dilation - p.padding)) : place;
          }
        const int64_t count = p.out_width - i < kLanes<V> ? p.out_width - i : kLanes<V>;
        Index places[kLanes<V>];
        store<Int>(places, place);
        T* to = dx + i * p.stride;
        for (int64_t l = 0; l < count; ++l, to += p.stride) to[places[l]] += g[i + l];
      }
    }
  }
}

template <class V>
void mean_grad(const PoolPlane& p, const void* g_bytes, void* dx_bytes, void* memory) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const int64_t out_row = p.out_row();
  T* line = static_cast<T*>(memory);
  T* shares = line + p.row_memory();
  for (int64_t i = 0; i < p.out_rows * out_row; ++i) shares[i] = 0;
  for (int64_t r = 0; r < p.out_rows; ++r, g += p.out_width)
    for (int64_t i = 0; i < p.out_width; i += kLanes<V>) {
      const int64_t n = p.out_width - i;
      store_some<V>(shares + r * out_row + p.lead() + i, load_some<V>(g + i, n) / divisors<V>(p, r, i), n);
    }
  gather<V>(p, line, static_cast<T*>(dx_bytes), [&](V sum, int64_t at, int64_t) __attribute__((always_inline)) {
    return sum + load<V>(shares + at);
  });
}

// ---- squares that touch --------------------------------------------------------------------------------------

// Asks for what comes some lines behind two vectors of two rows: the processor's own stops at every page.
template <class V>
FL_INLINE void ask_for_pair(const typename Of<V>::Element* x, int64_t width) {
  constexpr int64_t kAhead = 4096 / int64_t(sizeof(*x));
  __builtin_prefetch(x + kAhead);
  __builtin_prefetch(x + kAhead + kLanes<V>);
  __builtin_prefetch(x + kAhead + width);
  __builtin_prefetch(x + kAhead + width + kLanes<V>);
}

#if FL_MASKED
// Comparisons stay masks. Of what is read and written the lanes are known before: `low` and `high` of two vectors of a row.
FL_INLINE Lanes lanes_that_take_over(F32 later, F32 best) {
  return _kor_mask16(_mm512_cmp_ps_mask((__m512)later, (__m512)best, _CMP_GT_OQ), _mm512_cmp_ps_mask((__m512)later, (__m512)later, _CMP_UNORD_Q));
}
FL_INLINE Lanes lanes_that_take_over(F64 later, F64 best) {
  return _mm512_cmp_pd_mask((__m512d)later, (__m512d)best, _CMP_GT_OQ) | _mm512_cmp_pd_mask((__m512d)later, (__m512d)later, _CMP_UNORD_Q);
}
FL_INLINE F32 chosen(Lanes lanes, F32 yes, F32 no) { return (F32)_mm512_mask_mov_ps((__m512)no, lanes, (__m512)yes); }
FL_INLINE F64 chosen(Lanes lanes, F64 yes, F64 no) { return (F64)_mm512_mask_mov_pd((__m512d)no, (__mmask8)lanes, (__m512d)yes); }

template <class V>
struct PairLanes {
  Lanes low, high, out;
  explicit PairLanes(int64_t n) : low(lanes_between<V>(0, 2 * n)), high(lanes_between<V>(0, 2 * n - kLanes<V>)), out(lanes_between<V>(0, n)) {}
};
// visit(first column of y, lanes, whether a row of x has a second vector) for all of `pairs` pairs of rows, whose pointers it moves on.
template <class V, class Visit>
FL_INLINE void each_pair(int64_t n, int64_t pairs, const Visit& visit) {
  const PairLanes<V> whole(kLanes<V>), rest(n % kLanes<V>);
  const int64_t end = n - n % kLanes<V>;
  for (int64_t p = 0; p < pairs; ++p) {
    for (int64_t i = 0; i < end; i += kLanes<V>) visit(p, i, whole, std::true_type());
    if (end == n) continue;
    if (2 * (n - end) > kLanes<V>) visit(p, end, rest, std::true_type());
    else visit(p, end, rest, std::false_type());
  }
}

template <class V>
FL_INLINE Lanes lanes_with_nan(V a, V b) {
  if constexpr (sizeof(typename Of<V>::Element) == 4) return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_UNORD_Q);
  else return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_UNORD_Q);
}
FL_INLINE Lanes lanes_above(F32 a, F32 b) { return _mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ); }
FL_INLINE Lanes lanes_above(F64 a, F64 b) { return _mm512_cmp_pd_mask((__m512d)a, (__m512d)b, _CMP_GT_OQ); }
FL_INLINE F32 kept(Lanes lanes, F32 v) { return (F32)_mm512_maskz_mov_ps(lanes, (__m512)v); }
FL_INLINE F64 kept(Lanes lanes, F64 v) { return (F64)_mm512_maskz_mov_pd((__mmask8)lanes, (__m512d)v); }

// The processor's maximum loses a NaN that comes later, so who is not `careful` says whether there was one.
template <class V, bool careful>
FL_INLINE bool square_rows(const void* x_bytes, int64_t width, void* y_bytes, int64_t n, int64_t pairs) {
  using T = typename Of<V>::Element;
  Lanes nan = 0;
  each_pair<V>(n, pairs, [&](int64_t p, int64_t i, const PairLanes<V>& lanes, auto two) __attribute__((always_inline)) {
    const T* x = static_cast<const T*>(x_bytes) + 2 * (p * width + i);
    const auto later = [](V best, V v) __attribute__((always_inline)) {
      return careful ? chosen(lanes_that_take_over(v, best), v, best) : at_least(best, v);
    };
    const V above = load_masked(x, lanes.low), below = load_masked(x + width, lanes.low);
    const V a = later(above, below);
    V b = a;
    if constexpr (!careful) nan |= lanes_with_nan<V>(above, below);
    if constexpr (two) {
      const V more_above = load_masked(x + kLanes<V>, lanes.high), more_below = load_masked(x + width + kLanes<V>, lanes.high);
      b = later(more_above, more_below);
      if constexpr (!careful) nan |= lanes_with_nan<V>(more_above, more_below);
    }
    store_masked(static_cast<T*>(y_bytes) + p * n + i, later(every_second<V, 0>(a, b), every_second<V, 1>(a, b)), lanes.out);
    ask_for_pair<V>(x, width);
  });
  return nan != 0;
}
template <class V>
void square(const void* x, int64_t width, void* y, int64_t n, int64_t pairs) {
  if (square_rows<V, false>(x, width, y, n, pairs)) square_rows<V, true>(x, width, y, n, pairs);
}

template <class V, bool careful>
FL_INLINE bool square_grad_rows(const void* x_bytes, int64_t width, const void* g_bytes, void* dx_bytes, int64_t n, int64_t pairs) {
  using T = typename Of<V>::Element;
  Lanes nan = 0;
  each_pair<V>(n, pairs, [&](int64_t p, int64_t i, const PairLanes<V>& lanes, auto two) __attribute__((always_inline)) {
    const T* x = static_cast<const T*>(x_bytes) + 2 * (p * width + i);
    T* dx = static_cast<T*>(dx_bytes) + 2 * (p * width + i);
    const V above = load_masked(x, lanes.low), below = load_masked(x + width, lanes.low);
    V above_more = above, below_more = below;
    if constexpr (!careful) nan |= lanes_with_nan<V>(above, below);
    if constexpr (two) {
      above_more = load_masked(x + kLanes<V>, lanes.high);
      below_more = load_masked(x + width + kLanes<V>, lanes.high);
      if constexpr (!careful) nan |= lanes_with_nan<V>(above_more, below_more);
    }
    V best = every_second<V, 0>(above, above_more);
    const auto takes = [&](V value) __attribute__((always_inline)) {
      const Lanes taken = careful ? lanes_that_take_over(value, best) : lanes_above(value, best);
      best = careful ? chosen(taken, value, best) : at_least(best, value);
      return taken;
    };
    const Lanes by_second = takes(every_second<V, 1>(above, above_more)), by_third = takes(every_second<V, 0>(below, below_more)),
                by_fourth = takes(every_second<V, 1>(below, below_more));
    const V g = load_masked(static_cast<const T*>(g_bytes) + p * n + i, lanes.out);
    const V first = kept(Lanes(~(by_second | by_third | by_fourth)), g), second = kept(Lanes(by_second & ~(by_third | by_fourth)), g);
    const V third = kept(Lanes(by_third & ~by_fourth), g), fourth = kept(by_fourth, g);
    store_masked(dx, woven<V, 0>(first, second), lanes.low);
    store_masked(dx + width, woven<V, 0>(third, fourth), lanes.low);
    if constexpr (two) {
      store_masked(dx + kLanes<V>, woven<V, 1>(first, second), lanes.high);
      store_masked(dx + width + kLanes<V>, woven<V, 1>(third, fourth), lanes.high);
    }
    ask_for_pair<V>(x, width);
  });
  return nan != 0;
}
template <class V>
void square_grad(const void* x, int64_t width, const void* g, void* dx_bytes, int64_t n, int64_t pairs) {
  using T = typename Of<V>::Element;
  if (square_grad_rows<V, false>(x, width, g, dx_bytes, n, pairs)) square_grad_rows<V, true>(x, width, g, dx_bytes, n, pairs);
  T* dx = static_cast<T*>(dx_bytes);
  for (int64_t r = 0; 2 * n < width && r < 2 * pairs; ++r)
    for (int64_t k = 2 * n; k < width; ++k) dx[r * width + k] = T(0);
}
#else
// step(first maximum, how many) over n of them: the last vector lies over the one before, which it writes again.
template <class V, class Step>
FL_INLINE void each_of_row(int64_t n, const Step& step) {
  if (n < kLanes<V>) return step(int64_t(0), n);
  for (int64_t i = 0; i < n - kLanes<V>; i += kLanes<V>) step(i, int64_t(kLanes<V>));
  step(n - kLanes<V>, int64_t(kLanes<V>));
}

// As above. A NaN that comes first stays, so only those that come later are looked for.
template <class V, bool careful>
FL_INLINE bool square_rows(const void* x_bytes, int64_t width, void* y_bytes, int64_t n, int64_t pairs) {
  using T = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  const T* x = static_cast<const T*>(x_bytes);
  T* y = static_cast<T*>(y_bytes);
  Int nan{};
  const auto later = [](V best, V v) __attribute__((always_inline)) { return careful ? larger<V>(best, v) : at_least(best, v); };
  for (int64_t p = 0; p < pairs; ++p, x += 2 * width, y += n)
    each_of_row<V>(n, [&](int64_t i, int64_t lanes) __attribute__((always_inline)) {
      const int64_t left = 2 * lanes, more = left - kLanes<V>;
      const V a = load_some<V>(x + 2 * i, left), b = load_some<V>(x + 2 * i + kLanes<V>, more);
      const V c = load_some<V>(x + width + 2 * i, left), d = load_some<V>(x + width + 2 * i + kLanes<V>, more);
      if constexpr (!careful) nan |= (c != c) | (d != d);
      const V low = later(a, c), high = later(b, d);
      const V even = every_second<V, 0>(low, high), odd = every_second<V, 1>(low, high);
      if constexpr (!careful) nan |= odd != odd;
      store_some<V>(y + i, later(even, odd), lanes);
      if (lanes == kLanes<V>) ask_for_pair<V>(x + 2 * i, width);
    });
  typename Of<Int>::Element found = 0;
  for (int l = 0; l < kLanes<V>; ++l) found |= nan[l];
  return found != 0;
}
template <class V>
void square(const void* x, int64_t width, void* y, int64_t n, int64_t pairs) {
  if (square_rows<V, false>(x, width, y, n, pairs)) square_rows<V, true>(x, width, y, n, pairs);
}

// One vector of maxima: of rows x0 and x1, dx0 and dx1 `n` elements are there, up to two vectors.
template <class V>
FL_INLINE void square_grad_vector(const typename Of<V>::Element* x0, const typename Of<V>::Element* x1, V g,
                                  typename Of<V>::Element* dx0, typename Of<V>::Element* dx1, int64_t n) {
  using Int = typename Of<V>::Int;
  constexpr int kHalf = kLanes<V>;
  const V a = load_some<V>(x0, n), b = load_some<V>(x0 + kHalf, n - kHalf), c = load_some<V>(x1, n), d = load_some<V>(x1 + kHalf, n - kHalf);
  const V second = every_second<V, 1>(a, b), third = every_second<V, 0>(c, d), fourth = every_second<V, 1>(c, d);
  V best = every_second<V, 0>(a, b);
  const Int by_second = takes_over<V>(second, best);
  best = by_second ? second : best;
  const Int by_third = takes_over<V>(third, best);
  best = by_third ? third : best;
  const Int by_fourth = takes_over<V>(fourth, best);
  const V zero{};
  const V g4 = by_fourth ? g : zero;
  const V g3 = by_third & ~by_fourth ? g : zero;
  const V g2 = by_second & ~by_third & ~by_fourth ? g : zero;
  const V g1 = by_second | by_third | by_fourth ? zero : g;
  store_some<V>(dx0, woven<V, 0>(g1, g2), n);
  store_some<V>(dx0 + kHalf, woven<V, 1>(g1, g2), n - kHalf);
  store_some<V>(dx1, woven<V, 0>(g3, g4), n);
  store_some<V>(dx1 + kHalf, woven<V, 1>(g3, g4), n - kHalf);
}

template <class V>
void square_grad(const void* x_bytes, int64_t width, const void* g_bytes, void* dx_bytes, int64_t n, int64_t pairs) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(x_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  T* dx = static_cast<T*>(dx_bytes);
  for (int64_t p = 0; p < pairs; ++p, x += 2 * width, dx += 2 * width, g += n) {
    each_of_row<V>(n, [&](int64_t i, int64_t lanes) __attribute__((always_inline)) {
      square_grad_vector<V>(x + 2 * i, x + width + 2 * i, load_some<V>(g + i, lanes), dx + 2 * i, dx + width + 2 * i, 2 * lanes);
      if (lanes == kLanes<V>) ask_for_pair<V>(x + 2 * i, width);
    });
    for (int64_t k = 2 * n; k < width; ++k) dx[k] = dx[width + k] = T(0);
  }
}
#endif

template <class V>
void square_mean(const void* x_bytes, int64_t width, void* y_bytes, int64_t n, int64_t pairs, double divisor) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(x_bytes);
  T* y = static_cast<T*>(y_bytes);
  const V by = splat<V>(T(divisor));
  for (int64_t p = 0; p < pairs; ++p, x += 2 * width, y += n)
    for (int64_t i = 0; i < n; i += kLanes<V>) {
      const int64_t left = 2 * (n - i), more = left - kLanes<V>;
      const V a = load_some<V>(x + 2 * i, left) + load_some<V>(x + width + 2 * i, left);
      const V b = load_some<V>(x + 2 * i + kLanes<V>, more) + load_some<V>(x + width + 2 * i + kLanes<V>, more);
      store_some<V>(y + i, (every_second<V, 0>(a, b) + every_second<V, 1>(a, b)) / by, n - i);
    }
}
template <class V>
void square_mean_grad(int64_t width, const void* g_bytes, void* dx_bytes, int64_t n, int64_t pairs, double divisor) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  T* dx = static_cast<T*>(dx_bytes);
  const V by = splat<V>(T(divisor));
  for (int64_t p = 0; p < pairs; ++p, dx += 2 * width, g += n) {
    for (int64_t i = 0; i < n; i += kLanes<V>) {
      const V share = load_some<V>(g + i, n - i) / by, low = woven<V, 0>(share, share), high = woven<V, 1>(share, share);
      for (int64_t row = 0; row < 2; ++row) {
        store_some<V>(dx + row * width + 2 * i, low, 2 * (n - i));
        store_some<V>(dx + row * width + 2 * i + kLanes<V>, high, 2 * (n - i) - kLanes<V>);
      }
    }
    for (int64_t k = 2 * n; k < width; ++k) dx[k] = dx[width + k] = T(0);
  }
}

template <class V>
constexpr PoolLoops kLoops{largest<V>, mean<V>,        largest_grad<V>, mean_grad<V>,
                           square<V>,  square_grad<V>, square_mean<V>,  square_mean_grad<V>};

}  // namespace

const PoolLoops* pool(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
