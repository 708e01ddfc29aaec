// simd/normalization.cpp: rows of norms. Every pass reads a row that is still in the cache. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int64_t kRowBlock = 1024;

// step(i, lanes, accumulators) over stretches of a row; kSums sums, four vectors of each side by side, emptied into double
// now and then.
template <class V, int kSums, class Step>
FL_INLINE void add_up(int64_t n, Stretches stretches, double* totals, const Step& step) {
  V sums[4][kSums] = {};
  int64_t held = 0;
  const auto empty = [&]() __attribute__((always_inline)) {
    for (int s = 0; s < kSums; ++s) {
      totals[s] += double(sum_of_lanes<V>((sums[0][s] + sums[1][s]) + (sums[2][s] + sums[3][s])));
      sums[0][s] = sums[1][s] = sums[2][s] = sums[3][s] = V{};
    }
    held = 0;
  };
  for (int64_t p = 0; p < stretches.count; ++p) {
    const int64_t start = p * stretches.step;
    for (int64_t begin = 0; begin < n; begin += kRowBlock) {
      const int64_t length = n - begin < kRowBlock ? n - begin : kRowBlock, end = start + begin + length;
      int64_t i = start + begin;
      for (; i + 4 * kLanes<V> <= end; i += 4 * kLanes<V>)
#pragma GCC unroll 4
        for (int u = 0; u < 4; ++u) step(i + u * kLanes<V>, int(kLanes<V>), sums[u]);
      for (; i < end; i += kLanes<V>) step(i, end - i < kLanes<V> ? int(end - i) : int(kLanes<V>), sums[0]);
      held += length;
      if (held >= kRowBlock) empty();
    }
  }
  if (held > 0) empty();
}
// to[i] = of(i, lanes) over all stretches; `of` also asks for what is `passing.ahead` elements behind.
template <class V, class Value>
FL_INLINE void each(typename Of<V>::Element* to, int64_t n, Stretches stretches, Passing passing, const Value& of) {
  constexpr int64_t kStep = kLanes<V>, kBytes = int64_t(sizeof(V));
  for (int64_t p = 0; p < stretches.count; ++p) {
    const int64_t start = p * stretches.step, end = start + n;
    int64_t i = start;
    if (passing.streams) {
      const int64_t over = int64_t(uintptr_t(to + i) % kBytes) / int64_t(sizeof(to[0]));
      const int64_t head = over ? (n < kStep - over ? n : kStep - over) : 0;
      if (head) store_part<V>(to + i, of(i, int(head)), int(head));
      i += head;
      for (; i + kStep <= end; i += kStep) store_past<V>(to + i, of(i, int(kStep)));
    } else {
      for (; i + kStep <= end; i += kStep) store<V>(to + i, of(i, int(kStep)));
    }
    if (i < end) store_part<V>(to + i, of(i, int(end - i)), int(end - i));
  }
}

template <class V>
double sum(const void* from, int64_t n, Stretches stretches) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  double total = 0;
  add_up<V, 1>(n, stretches, &total, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) { sums[0] += load_some<V>(x + i, lanes); });
  return total;
}

template <class V>
double squares(const void* from, double shift, int64_t n, Stretches stretches) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  const V away = splat<V>(T(shift));
  double total = 0;
  add_up<V, 1>(n, stretches, &total, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) {
    const V d = first_lanes<V>(load_some<V>(x + i, lanes) - away, lanes);
    sums[0] = fma(d, d, sums[0]);
  });
  return total;
}

template <class V>
void moments(const void* from, double shift, int64_t n, Stretches stretches, double* totals) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  const V away = splat<V>(T(shift));
  totals[0] = totals[1] = 0;
  add_up<V, 2>(n, stretches, totals, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) {
    const V d = first_lanes<V>(load_some<V>(x + i, lanes) - away, lanes);
    sums[0] += d;
    sums[1] = fma(d, d, sums[1]);
  });
}

// One pass around the mean of the first elements, if that is no further from the row's than half of its spread: then no more
// than a quarter of the squares goes off again. Else two passes.
template <class V>
void spread(const void* from, int64_t n, const void* next, double* sums) {
  using T = typename Of<V>::Element;
  constexpr int64_t kFirst = 4 * kLanes<V>;
  const T* x = static_cast<const T*>(from);
  if (n >= 4 * kFirst) {
    const V few = (load<V>(x) + load<V>(x + kLanes<V>)) + (load<V>(x + 2 * kLanes<V>) + load<V>(x + 3 * kLanes<V>));
    const T shift = sum_of_lanes<V>(few) / T(kFirst);
    const V away = splat<V>(shift);
    const T* ahead = static_cast<const T*>(next);
    double totals[2] = {0, 0};
    add_up<V, 2>(n, {}, totals, [&](int64_t i, int lanes, V* parts) __attribute__((always_inline)) {
      __builtin_prefetch(ahead + i);
      const V d = first_lanes<V>(load_some<V>(x + i, lanes) - away, lanes);
      parts[0] += d;
      parts[1] = fma(d, d, parts[1]);
    });
    const double off = totals[0] * totals[0] / double(n);
    if (off <= 0.25 * totals[1] && totals[1] < __builtin_inf()) {
      sums[0] = double(shift) + totals[0] / double(n);
      sums[1] = totals[1] - off;
      return;
    }
  }
  sums[0] = sum<V>(from, n, {}) / double(n);
  sums[1] = squares<V>(from, sums[0], n, {});
}

template <class V>
void products(const void* g_bytes, const void* x_bytes, double shift, int64_t n, Stretches stretches, double* totals) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  const V away = splat<V>(T(shift));
  totals[0] = totals[1] = 0;
  add_up<V, 2>(n, stretches, totals, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) {
    const V gs = load_some<V>(g + i, lanes);
    sums[0] += gs;
    sums[1] = fma(gs, first_lanes<V>(load_some<V>(x + i, lanes) - away, lanes), sums[1]);
  });
}

template <class V>
void affine(const void* from, void* to, int64_t n, Stretches stretches, double shift, double scale, double offset,
            Passing passing) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const V away = splat<V>(T(shift)), factor = splat<V>(T(scale)), more = splat<V>(T(offset));
  each<V>(y, n, stretches, passing, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    if (passing.ahead) __builtin_prefetch(x + i + passing.ahead, 0, 2);
    return fma(load_some<V>(x + i, lanes) - away, factor, more);
  });
}

template <class V, bool past>
FL_INLINE double weighted_row(const void* from, const void* weight, const void* bias, void* to, int64_t n, double shift, double scale,
                              const void* next) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  const T* w = static_cast<const T*>(weight);
  const T* b = static_cast<const T*>(bias);
  const T* after = static_cast<const T*>(next);
  T* y = static_cast<T*>(to);
  const V away = splat<V>(T(shift)), factor = splat<V>(T(scale));
  double total = 0;
  add_up<V, 1>(n, Stretches{}, &total, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) {
    V value = (load_some<V>(x + i, lanes) - away) * factor;
    if (w) value = value * load_some<V>(w + i, lanes);
    if (b) value = value + load_some<V>(b + i, lanes);
    if constexpr (past) store_past<V>(y + i, value);
    else store_some<V>(y + i, value, lanes);
    if (!after) return;
    __builtin_prefetch(after + n + i);  // the processor's own stops at every page
    sums[0] += load_some<V>(after + i, lanes);
  });
  return total;
}
template <class V>
double weighted(const void* x, const void* weight, const void* bias, void* y, int64_t n, double shift, double scale,
                const void* next, bool past) {
  return past ? weighted_row<V, true>(x, weight, bias, y, n, shift, scale, next)
              : weighted_row<V, false>(x, weight, bias, y, n, shift, scale, next);
}

template <class V>
void combine(const void* g_bytes, const void* x_bytes, void* to, int64_t n, Stretches stretches, double shift, double a,
             double b, double c, Passing passing) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  T* dx = static_cast<T*>(to);
  const V away = splat<V>(T(shift)), of_g = splat<V>(T(a)), of_x = splat<V>(T(b)), more = splat<V>(T(c));
  each<V>(dx, n, stretches, passing, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    if (passing.ahead) {
      __builtin_prefetch(g + i + passing.ahead, 0, 2);
      __builtin_prefetch(x + i + passing.ahead, 0, 2);
    }
    return fma(of_g, load_some<V>(g + i, lanes), fma(of_x, load_some<V>(x + i, lanes) - away, more));
  });
}

template <class V>
void row_sums(const void* g_bytes, const void* x_bytes, const void* weight, double shift, double scale, int64_t n,
              double* totals, void* dw_bytes, void* db_bytes) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  const T* w = static_cast<const T*>(weight);
  T* dw = static_cast<T*>(dw_bytes);
  T* db = static_cast<T*>(db_bytes);
  const V away = splat<V>(T(shift)), factor = splat<V>(T(scale));
  totals[0] = totals[1] = 0;
  add_up<V, 2>(n, Stretches{}, totals, [&](int64_t i, int lanes, V* sums) __attribute__((always_inline)) {
    const V gs = load_some<V>(g + i, lanes), d = first_lanes<V>(load_some<V>(x + i, lanes) - away, lanes);
    const V product = w ? gs * load_some<V>(w + i, lanes) : gs;
    sums[0] += product;
    sums[1] = fma(product, d, sums[1]);
    if (dw) store_some<V>(dw + i, fma(gs, d * factor, load_some<V>(dw + i, lanes)), lanes);
    if (db) store_some<V>(db + i, load_some<V>(db + i, lanes) + gs, lanes);
  });
}

template <class V>
void row_grad(const void* g_bytes, const void* x_bytes, const void* weight, void* to, int64_t n, double shift, double a,
              double b, double c) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  const T* w = static_cast<const T*>(weight);
  T* dx = static_cast<T*>(to);
  const V away = splat<V>(T(shift)), of_g = splat<V>(T(a)), of_x = splat<V>(T(b)), more = splat<V>(T(c));
  each_vector<V>(n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    const V gs = load_some<V>(g + i, lanes), product = w ? gs * load_some<V>(w + i, lanes) : gs;
    store_some<V>(dx + i, fma(of_g, product, fma(of_x, load_some<V>(x + i, lanes) - away, more)), lanes);
  });
}

// A short row is held in registers: kVectors of them, the last one with `last` elements.
constexpr int kMostVectors = 8;
template <class V, int kVectors>
void rows_grad_of(const void* g_bytes, const void* x_bytes, const void* weight, void* to, int64_t rows, int64_t n, double eps,
                  void* dw_bytes, void* db_bytes) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(g_bytes);
  const T* x = static_cast<const T*>(x_bytes);
  const T* w = static_cast<const T*>(weight);
  T* dx = static_cast<T*>(to);
  T* dw = static_cast<T*>(dw_bytes);
  T* db = static_cast<T*>(db_bytes);
  constexpr int k = kLanes<V>;
  const int last = int(n - (kVectors - 1) * k);
  const auto lanes = [&](int v) __attribute__((always_inline)) { return v + 1 < kVectors ? k : last; };
  V weights[kVectors], dws[kVectors], dbs[kVectors] = {};
  for (int v = 0; v < kVectors; ++v) {
    weights[v] = w ? load_some<V>(w + v * k, lanes(v)) : splat<V>(1);
    dws[v] = load_some<V>(dw + v * k, lanes(v));
    if (db) dbs[v] = load_some<V>(db + v * k, lanes(v));
  }
  for (int64_t r = 0; r < rows; ++r, g += n, x += n, dx += n) {
    V away[kVectors], sum{}, square{}, total{}, along{};
    for (int v = 0; v < kVectors; ++v) sum += away[v] = load_some<V>(x + v * k, lanes(v));
    const V mean = splat<V>(db ? T(double(sum_of_lanes<V>(sum)) / double(n)) : T(0));
    for (int v = 0; v < kVectors; ++v) {
      const V d = v + 1 < kVectors ? away[v] - mean : first_lanes<V>(away[v] - mean, last);
      const V product = load_some<V>(g + v * k, lanes(v)) * weights[v];
      away[v] = d;
      square = fma(d, d, square);
      total += product;
      along = fma(product, d, along);
    }
    // dx = scale (g w - mean(g w) - (x - mean) scale^2 mean(g w (x - mean)))
    const double scale = 1 / __builtin_sqrt(double(sum_of_lanes<V>(square)) / double(n) + eps);
    const V of_x = splat<V>(T(-scale * scale * scale * double(sum_of_lanes<V>(along)) / double(n)));
    const V more = splat<V>(db ? T(-scale * double(sum_of_lanes<V>(total)) / double(n)) : T(0)), of_g = splat<V>(T(scale));
    for (int v = 0; v < kVectors; ++v) {
      const V gs = load_some<V>(g + v * k, lanes(v));
      store_some<V>(dx + v * k, fma(of_g, gs * weights[v], fma(of_x, away[v], more)), lanes(v));
      dws[v] = fma(gs, away[v] * of_g, dws[v]);
      dbs[v] += gs;
    }
  }
  for (int v = 0; v < kVectors; ++v) {
    store_some<V>(dw + v * k, dws[v], lanes(v));
    if (db) store_some<V>(db + v * k, dbs[v], lanes(v));
  }
}
template <class V>
void short_rows_grad(const void* g, const void* x, const void* weight, void* dx, int64_t rows, int64_t n, double eps, void* dw,
                     void* db) {
  constexpr decltype(&rows_grad_of<V, 1>) kOf[kMostVectors] = {rows_grad_of<V, 1>, rows_grad_of<V, 2>, rows_grad_of<V, 3>,
                                                               rows_grad_of<V, 4>, rows_grad_of<V, 5>, rows_grad_of<V, 6>,
                                                               rows_grad_of<V, 7>, rows_grad_of<V, 8>};
  kOf[(n - 1) / kLanes<V>](g, x, weight, dx, rows, n, eps, dw, db);
}

template <class V>
constexpr NormLoops kLoops{sum<V>,      squares<V>, spread<V>,   moments<V>,  products<V>,                 affine<V>,
                           weighted<V>, combine<V>, row_sums<V>, row_grad<V>, kMostVectors * kLanes<V>, short_rows_grad<V>};

}  // namespace

const NormLoops* norm(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
