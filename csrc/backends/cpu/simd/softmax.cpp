// simd/softmax.cpp: rows of softmax, log_softmax and their gradients. A row is read while it is in the cache, so the
// passes over it cost one trip to memory. Compiled once per level.
#include <math.h>

#include "kernels.h"
#include "math.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int64_t kRowBlock = 1024;

// Adds up of(i) over all vectors of a row, in blocks, in double. `of` gives zero in the lanes past the end.
template <class V, class Term>
FL_INLINE double sum_of(int64_t n, const Term& of) {
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kRowBlock) {
    const int64_t end = n - begin < kRowBlock ? n : begin + kRowBlock;
    V sums[2] = {};
    int64_t i = begin;
    for (; i + 2 * kLanes<V> <= end; i += 2 * kLanes<V>) {
      sums[0] += of(i, int(kLanes<V>));
      sums[1] += of(i + kLanes<V>, int(kLanes<V>));
    }
    for (; i < end; i += kLanes<V>) sums[0] += of(i, end - i < kLanes<V> ? int(end - i) : int(kLanes<V>));
    total += double(sum_of_lanes<V>(sums[0] + sums[1]));
  }
  return total;
}
template <class V>
typename Of<V>::Element largest(const typename Of<V>::Element* x, int64_t n) {
  typename Of<V>::Element best = x[0];
  int64_t i = 0;
  if (n >= kLanes<V>) {
    V top = load<V>(x), other = top;
    for (; i + 2 * kLanes<V> <= n; i += 2 * kLanes<V>) {
      top = at_least(top, load<V>(x + i));
      other = at_least(other, load<V>(x + i + kLanes<V>));
    }
    best = max_of_lanes<V>(at_least(top, other));
  }
  for (; i < n; ++i) best = best < x[i] ? x[i] : best;
  return best;
}

// y = exp(x - top), summed. A NaN makes the sum, and so the whole row, NaN.
template <class V>
double exponentials(const typename Of<V>::Element* x, typename Of<V>::Element* y, int64_t n,
                    typename Of<V>::Element top) {
  const V shift = splat<V>(top);
  return sum_of<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    __builtin_prefetch(x + n + i);  // of the next row
    const V e = first_lanes<V>(exp_of_negative(load_some<V>(x + i, count) - shift), count);
    if (y) store_some<V>(y + i, e, count);
    return e;
  });
}

// A division by the same number again and again, by its reciprocal in two parts.
template <class V>
struct Share {
  using T = typename Of<V>::Element;
  V high{}, low{};
  Share() = default;
  explicit Share(double total) : high(splat<V>(T(1 / total))) {
    const double rest = sizeof(T) == 4 ? 1 / total - double(high[0]) : __builtin_fma(-total, double(high[0]), 1.0) / total;
    low = splat<V>(T(rest == rest ? rest : 0));
  }
  FL_INLINE V of(V x) const { return fma(x, high, x * low); }
};
template <class V>
void softmax_row(const void* from, void* to, int64_t n) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const Share<V> share(exponentials<V>(x, y, n, largest<V>(x, n)));
  each_vector<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    store_some<V>(y + i, share.of(load_some<V>(y + i, count)), count);
  });
}
template <class V>
void log_softmax_row(const void* from, void* to, int64_t n) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const T top = largest<V>(x, n);
  const V shift = splat<V>(top), total = splat<V>(T(log(exponentials<V>(x, nullptr, n, top))));
  each_vector<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    store_some<V>(y + i, (load_some<V>(x + i, count) - shift) - total, count);
  });
}
// Rows one behind the other, in one loop that never waits for a row's end: it takes the exponentials of one row while it
// finds the largest of the next and writes what becomes of the one before. Sums as in sum_of: the same bits as a row alone.
template <class V, bool log_of_it, bool past>
FL_INLINE void rows_of(const void* from, void* to, int64_t rows, int64_t n, void* lines) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  T* line = static_cast<T*>(lines);         // exponentials of this row
  T* line_before = line + n;
  V top = splat<V>(largest<V>(x, n)), top_before{}, log_total{};
  Share<V> share;
  for (int64_t row = 0; row <= rows; ++row, x += n) {
    const bool first = row == 0, last = row == rows;
    const T* next = row + 1 < rows ? x + n : x;  // at the end any row that is there
    T* done = y + (row - 1) * n;
    V best = last ? V{} : load<V>(next);
    double total = 0;
    for (int64_t begin = 0; begin < n; begin += kRowBlock) {
      const int64_t end = n - begin < kRowBlock ? n : begin + kRowBlock;
      V sums[2] = {};
      const auto step = [&](int64_t i, V& sum) __attribute__((always_inline)) {
        if (!first) {
          const V result = log_of_it ? (load<V>(x - n + i) - top_before) - log_total : share.of(load<V>(line_before + i));
          if constexpr (past) store_past<V>(done + i, result);
          else store<V>(done + i, result);
        }
        if (last) return;
        __builtin_prefetch(next + n + i);  // the processor's own stops at every page
        best = at_least(best, load<V>(next + i));
        const V e = exp_of_negative(load<V>(x + i) - top);
        if constexpr (!log_of_it) store<V>(line + i, e);
        sum += e;
      };
      int64_t i = begin;
      for (; i + 2 * kLanes<V> <= end; i += 2 * kLanes<V>) {
        step(i, sums[0]);
        step(i + kLanes<V>, sums[1]);
      }
      if (i < end) step(i, sums[0]);
      total += double(sum_of_lanes<V>(sums[0] + sums[1]));
    }
    top_before = top;
    top = splat<V>(max_of_lanes<V>(best));
    if constexpr (log_of_it) log_total = splat<V>(T(log(total)));
    else share = Share<V>(total);
    T* const written = line;
    line = line_before;
    line_before = written;
  }
}
template <class V, bool log_of_it>
void softmax_rows(const void* x, void* y, int64_t rows, int64_t n, void* lines, bool past) {
  if (past) rows_of<V, log_of_it, true>(x, y, rows, n, lines);
  else rows_of<V, log_of_it, false>(x, y, rows, n, lines);
}
template <class V>
void softmax_grad_row(const void* g_from, const void* y_from, void* to, int64_t n) {
  using T = typename Of<V>::Element;
  const T *g = static_cast<const T*>(g_from), *y = static_cast<const T*>(y_from);
  T* dx = static_cast<T*>(to);
  const V total = splat<V>(T(sum_of<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    return load_some<V>(g + i, count) * load_some<V>(y + i, count);
  })));
  each_vector<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    store_some<V>(dx + i, load_some<V>(y + i, count) * (load_some<V>(g + i, count) - total), count);
  });
}
template <class V>
void log_softmax_grad_row(const void* g_from, const void* y_from, void* to, int64_t n) {
  using T = typename Of<V>::Element;
  const T *g = static_cast<const T*>(g_from), *y = static_cast<const T*>(y_from);
  T* dx = static_cast<T*>(to);
  const V total = splat<V>(T(sum_of<V>(
      n, [&](int64_t i, int count) __attribute__((always_inline)) { return load_some<V>(g + i, count); })));
  each_vector<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    store_some<V>(dx + i, fma(-exp_of(load_some<V>(y + i, count)), total, load_some<V>(g + i, count)), count);
  });
}
template <class V>
void cross_entropy_grad_row(const void* y_from, void* to, int64_t n, double scale, double smoothing) {
  using T = typename Of<V>::Element;
  const T* y = static_cast<const T*>(y_from);
  T* dx = static_cast<T*>(to);
  const V factor = splat<V>(T(scale)), share = splat<V>(T(smoothing / double(n)));
  each_vector<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) {
    store_some<V>(dx + i, (exp_of(load_some<V>(y + i, count)) - share) * factor, count);
  });
}
template <class V>
double sum_row(const void* from, int64_t n) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  return sum_of<V>(n, [&](int64_t i, int count) __attribute__((always_inline)) { return load_some<V>(x + i, count); });
}

// ---- along columns -------------------------------------------------------------------------------------

constexpr int64_t kColumnRows = 32;  // summed up before they join the others

// total[j] = the sum of of(offset, lanes, j) over the rows.
template <class V, class Term>
FL_INLINE void sum_columns(typename Of<V>::Element* total, int64_t n, int64_t stride, int64_t columns, const Term& of) {
  using T = typename Of<V>::Element;
  T part[kSoftmaxColumns];
  for (int64_t j = 0; j < columns; ++j) total[j] = T(0);
  for (int64_t begin = 0; begin < n; begin += kColumnRows) {
    const int64_t end = n - begin < kColumnRows ? n : begin + kColumnRows;
    for (int64_t j = 0; j < columns; ++j) part[j] = T(0);
    for (int64_t r = begin; r < end; ++r)
      each_vector<V>(columns, [&](int64_t j, int lanes) __attribute__((always_inline)) {
        store_some<V>(part + j, load_some<V>(part + j, lanes) + of(r * stride + j, lanes, j), lanes);
      });
    for (int64_t j = 0; j < columns; ++j) total[j] += part[j];
  }
}
template <class V>
void softmax_columns(SoftmaxKind kind, const void* first, const void* second, void* to, int64_t n, int64_t stride, int64_t columns) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(first);
  const T* y = static_cast<const T*>(second);
  T* out = static_cast<T*>(to);
  T top[kSoftmaxColumns], total[kSoftmaxColumns];
  const auto each = [&](const auto& step) __attribute__((always_inline)) {
    for (int64_t r = 0; r < n; ++r)
      each_vector<V>(columns, [&](int64_t j, int lanes) __attribute__((always_inline)) { step(r * stride + j, lanes, j); });
  };
  if (kind == SoftmaxKind::SoftmaxGrad) {
    sum_columns<V>(total, n, stride, columns, [&](int64_t at, int lanes, int64_t) __attribute__((always_inline)) {
      return load_some<V>(x + at, lanes) * load_some<V>(y + at, lanes);
    });
    each([&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
      const V g = load_some<V>(x + at, lanes) - load_some<V>(total + j, lanes);
      store_some<V>(out + at, load_some<V>(y + at, lanes) * g, lanes);
    });
    return;
  }
  if (kind == SoftmaxKind::LogSoftmaxGrad) {
    sum_columns<V>(total, n, stride, columns, [&](int64_t at, int lanes, int64_t) __attribute__((always_inline)) { return load_some<V>(x + at, lanes); });
    each([&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
      const V share = exp_of(load_some<V>(y + at, lanes)) * load_some<V>(total + j, lanes);
      store_some<V>(out + at, load_some<V>(x + at, lanes) - share, lanes);
    });
    return;
  }
  const bool log_of_it = kind == SoftmaxKind::LogSoftmax;
  for (int64_t j = 0; j < columns; ++j) top[j] = x[j];
  each([&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
    store_some<V>(top + j, at_least(load_some<V>(top + j, lanes), load_some<V>(x + at, lanes)), lanes);
  });
  sum_columns<V>(total, n, stride, columns, [&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
    const V e = exp_of_negative(load_some<V>(x + at, lanes) - load_some<V>(top + j, lanes));
    if (!log_of_it) store_some<V>(out + at, e, lanes);
    return e;
  });
  if (log_of_it) {
    each_vector<V>(columns, [&](int64_t j, int lanes) __attribute__((always_inline)) {
      store_some<V>(total + j, log_of(load_some<V>(total + j, lanes)), lanes);
    });
    each([&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
      const V away = load_some<V>(x + at, lanes) - load_some<V>(top + j, lanes);
      store_some<V>(out + at, away - load_some<V>(total + j, lanes), lanes);
    });
    return;
  }
  // A division by the same number again and again, by its reciprocal in two parts (in the place of the tops).
  each_vector<V>(columns, [&](int64_t j, int lanes) __attribute__((always_inline)) {
    const V sum = load_some<V>(total + j, lanes), one = splat<V>(1), high = one / sum, error = (one - sum * high) - product_error(sum, high, V(sum * high));
    const V low = error * high;
    store_some<V>(top + j, high, lanes);
    store_some<V>(total + j, low == low ? low : V{}, lanes);
  });
  each([&](int64_t at, int lanes, int64_t j) __attribute__((always_inline)) {
    const V e = load_some<V>(out + at, lanes);
    store_some<V>(out + at, fma(e, load_some<V>(top + j, lanes), e * load_some<V>(total + j, lanes)), lanes);
  });
}

template <class V>
constexpr SoftmaxLoops kLoops{softmax_row<V>,         log_softmax_row<V>,        softmax_rows<V, false>,
                              softmax_rows<V, true>,  int(kLanes<V>),            softmax_grad_row<V>,
                              log_softmax_grad_row<V>, cross_entropy_grad_row<V>, sum_row<V>,
                              softmax_columns<V>};

}  // namespace

const SoftmaxLoops* softmax(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
