// simd/reduce.cpp: sums and extremes of contiguous rows and columns. Sums go pairwise over blocks, so their error
// grows with the logarithm of the length. Compiled once per level.
#include "kernels.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int64_t kRowBlock = 1024;
constexpr int64_t kAccumulators = 4;

// ---- sums of rows --------------------------------------------------------------------------------------

template <class V>
typename Of<V>::Element sum_block(const typename Of<V>::Element* x, int64_t n) {
  V sums[kAccumulators] = {};
  int64_t i = 0;
  constexpr int64_t kStep = kAccumulators * kLanes<V>;
  for (; i + kStep <= n; i += kStep)
    for (int j = 0; j < kAccumulators; ++j) sums[j] += load<V>(x + i + j * kLanes<V>);
  for (; i + kLanes<V> <= n; i += kLanes<V>) sums[0] += load<V>(x + i);
  if (i < n) sums[1] += load_part<V>(x + i, int(n - i));
  return sum_of_lanes<V>((sums[0] + sums[1]) + (sums[2] + sums[3]));
}
template <class V>
typename Of<V>::Element sum_pairwise(const typename Of<V>::Element* x, int64_t n) {
  if (n <= kRowBlock) return sum_block<V>(x, n);
  const int64_t half = (n / 2 + kRowBlock - 1) / kRowBlock * kRowBlock;
  return sum_pairwise<V>(x, half) + sum_pairwise<V>(x + half, n - half);
}
template <class V>
void sum_row(const void* x, int64_t n, void* result) {
  using T = typename Of<V>::Element;
  *static_cast<T*>(result) = sum_pairwise<V>(static_cast<const T*>(x), n);
}
template <class T>
void sum_integers(const void* x, int64_t n, void* result) {
  const T* from = static_cast<const T*>(x);
  uint64_t sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += uint64_t(int64_t(from[i]));
  *static_cast<uint64_t*>(result) = sum;
}

// ---- products: of floats in double, of integers in 64 bits ----------------------------------------------

FL_INLINE F64 load_wide(const double* x) { return load<F64>(x); }
FL_INLINE F64 load_wide(const float* x) {
  typename VectorOf<float, kVectorBytes / 2>::type half;
  memcpy(&half, x, sizeof half);
  return __builtin_convertvector(half, F64);
}
template <class T>
void product_row(const void* x, int64_t n, void* result) {
  const T* from = static_cast<const T*>(x);
  F64 products[kAccumulators];
  for (F64& each : products) each = splat<F64>(1);
  int64_t i = 0;
  constexpr int64_t kStep = kAccumulators * kLanes<F64>;
  for (; i + kStep <= n; i += kStep)
    for (int j = 0; j < kAccumulators; ++j) products[j] *= load_wide(from + i + j * kLanes<F64>);
  for (; i + kLanes<F64> <= n; i += kLanes<F64>) products[0] *= load_wide(from + i);
  const F64 all = (products[0] * products[1]) * (products[2] * products[3]);
  double product = join_lanes<kLanes<F64> / 2>(all, [](F64 a, F64 b) __attribute__((always_inline)) { return F64(a * b); })[0];
  for (; i < n; ++i) product *= double(from[i]);
  *static_cast<double*>(result) = product;
}
template <class T>
void product_integers(const void* x, int64_t n, void* result) {
  const T* from = static_cast<const T*>(x);
  uint64_t products[4] = {1, 1, 1, 1};
  int64_t i = 0;
  for (; i + 4 <= n; i += 4)
    for (int j = 0; j < 4; ++j) products[j] *= uint64_t(int64_t(from[i + j]));
  for (; i < n; ++i) products[0] *= uint64_t(int64_t(from[i]));
  *static_cast<uint64_t*>(result) = (products[0] * products[1]) * (products[2] * products[3]);
}

// ---- extremes of rows ----------------------------------------------------------------------------------

struct Largest {
  template <class T>
  static FL_INLINE auto beats(T a, T b) {
    return a > b;
  }
  template <class V>
  static FL_INLINE V better(V a, V b) {
    return a > b ? a : b;
  }
};
struct Smallest {
  template <class T>
  static FL_INLINE auto beats(T a, T b) {
    return a < b;
  }
  template <class V>
  static FL_INLINE V better(V a, V b) {
    return a < b ? a : b;
  }
};

// The extreme of n elements, and NaN if there is one.
template <class Order, class V>
typename Of<V>::Element extreme(const typename Of<V>::Element* x, int64_t n) {
  using T = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  T best = x[0];
  bool nan = false;
  int64_t i = 0;
  if (n >= kLanes<V>) {
    V lanes[2] = {load<V>(x), load<V>(x)};
    Int unordered = {};
    for (; i + 2 * kLanes<V> <= n; i += 2 * kLanes<V>)
      for (int j = 0; j < 2; ++j) {
        const V v = load<V>(x + i + j * kLanes<V>);
        unordered |= v != v;
        lanes[j] = Order::better(v, lanes[j]);
      }
    const V v = Order::better(lanes[0], lanes[1]);
    T each[kLanes<V>];
    store<V>(each, v);
    best = each[0];
    for (int j = 1; j < kLanes<V>; ++j) best = Order::beats(each[j], best) ? each[j] : best;
    for (int j = 0; j < kLanes<V>; ++j) nan |= unordered[j] != 0;
  }
  for (; i < n; ++i) {
    nan |= x[i] != x[i];
    best = Order::beats(x[i], best) ? x[i] : best;
  }
  if constexpr (T(0.5) != T(0)) {
    if (nan || best != best) return sizeof(T) == 4 ? T(__builtin_nanf("")) : T(__builtin_nan(""));
  }
  return best;
}
template <class Order, class V>
void extreme_row(const void* x, int64_t n, void* result) {
  using T = typename Of<V>::Element;
  *static_cast<T*>(result) = extreme<Order, V>(static_cast<const T*>(x), n);
}
// The first of n elements that is `wanted` (NaN: the first NaN); there is one.
template <class V>
int64_t first_place(const typename Of<V>::Element* x, int64_t n, typename Of<V>::Element wanted) {
  using Int = typename Of<V>::Int;
  const bool nan = wanted != wanted;
  const V v = splat<V>(wanted);
  int64_t i = 0;
  for (; i + 4 * kLanes<V> <= n; i += 4 * kLanes<V>) {
    Int found = {};
    for (int j = 0; j < 4; ++j) {
      const V each = load<V>(x + i + j * kLanes<V>);
      found |= nan ? each != each : each == v;
    }
    Int none = {};
    if (memcmp(&found, &none, sizeof found) != 0) break;
  }
  while (nan ? x[i] == x[i] : x[i] != wanted) ++i;
  return i;
}
// Finds the block that holds the extreme first, then the place in that block.
template <class Order, class V>
int64_t search_row(const void* row, int64_t n) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(row);
  int64_t place = 0;
  T best = x[0];
  for (int64_t begin = 0; begin < n; begin += kRowBlock) {
    const int64_t count = n - begin < kRowBlock ? n - begin : kRowBlock;
    const T value = extreme<Order, V>(x + begin, count);
    if (begin == 0 || Order::beats(value, best) || value != value) {
      best = value;
      place = begin;
      if (value != value) break;
    }
  }
  return place + first_place<V>(x + place, n - place, best);
}

template <bool kAll>
void truth_row(const void* x, int64_t n, void* result) {
  const uint8_t* from = static_cast<const uint8_t*>(x);
  uint8_t truth = kAll;
  for (int64_t i = 0; i < n; ++i) truth = kAll ? truth & uint8_t(from[i] != 0) : truth | from[i];
  *static_cast<uint8_t*>(result) = truth != 0;
}

// ---- columns -------------------------------------------------------------------------------------------

// Four rows at a time into the running result, which stays in the first-level cache.
template <class Step, class In, class Out>
void fold_columns(const In* x, int64_t rows, int64_t stride, int64_t columns, Out* __restrict out) {
  for (int64_t j = 0; j < columns; ++j) out[j] = Step::first(x[j]);
  int64_t r = 1;
  for (; r + 4 <= rows; r += 4) {
    const In *a = x + r * stride, *b = a + stride, *c = b + stride, *d = c + stride;
    for (int64_t j = 0; j < columns; ++j)
      out[j] = Step::join(out[j], Step::join(Step::join(Step::first(a[j]), Step::first(b[j])),
                                             Step::join(Step::first(c[j]), Step::first(d[j]))));
  }
  for (; r < rows; ++r)
    for (int64_t j = 0; j < columns; ++j) out[j] = Step::join(out[j], Step::first(x[r * stride + j]));
}

template <class T>
struct Add {
  template <class In>
  static FL_INLINE T first(In x) {
    return T(x);
  }
  static FL_INLINE T join(T a, T b) { return a + b; }
};
struct AddInteger {
  template <class In>
  static FL_INLINE uint64_t first(In x) {
    return uint64_t(int64_t(x));
  }
  static FL_INLINE uint64_t join(uint64_t a, uint64_t b) { return a + b; }
};
struct Multiply {
  template <class In>
  static FL_INLINE double first(In x) {
    return double(x);
  }
  static FL_INLINE double join(double a, double b) { return a * b; }
};
struct MultiplyInteger {
  template <class In>
  static FL_INLINE uint64_t first(In x) {
    return uint64_t(int64_t(x));
  }
  static FL_INLINE uint64_t join(uint64_t a, uint64_t b) { return a * b; }
};
template <class Order, class T>
struct Extreme {
  static FL_INLINE T first(T x) { return x; }
  static FL_INLINE T join(T a, T b) { return (Order::beats(a, b) | (a != a)) ? a : b; }
};
struct Any {
  static FL_INLINE uint8_t first(uint8_t x) { return x; }
  static FL_INLINE uint8_t join(uint8_t a, uint8_t b) { return a | b; }
};
struct All {
  static FL_INLINE uint8_t first(uint8_t x) { return x; }
  static FL_INLINE uint8_t join(uint8_t a, uint8_t b) { return a & b; }
};

// Extremes of floats: vectors over the columns, two chains of rows apart.
template <class Order, class V>
void extreme_columns(const void* x, int64_t rows, int64_t stride, int64_t columns, void* result) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(x);
  T* out = static_cast<T*>(result);
  const auto join = [](V a, V b) { return Order::beats(a, b) | (a != a) ? a : b; };
  int64_t j = 0;
  for (; j + 4 * kLanes<V> <= columns; j += 4 * kLanes<V>) {
    V best[4];
    for (int v = 0; v < 4; ++v) best[v] = load<V>(from + j + v * kLanes<V>);
    for (int64_t r = 1; r < rows; ++r)
      for (int v = 0; v < 4; ++v) best[v] = join(best[v], load<V>(from + r * stride + j + v * kLanes<V>));
    for (int v = 0; v < 4; ++v) store<V>(out + j + v * kLanes<V>, best[v]);
  }
  for (; j < columns; j += kLanes<V>) {
    const int n = columns - j < kLanes<V> ? int(columns - j) : kLanes<V>;
    const auto read = [&](int64_t r) {
      return n == kLanes<V> ? load<V>(from + r * stride + j) : load_part<V>(from + r * stride + j, n);
    };
    V best = read(0);
    for (int64_t r = 1; r < rows; ++r) best = join(best, read(r));
    if (n == kLanes<V>) store<V>(out + j, best);
    else store_part<V>(out + j, best, n);
  }
}

template <class Step, class In, class Out>
void columns_of(const void* x, int64_t rows, int64_t stride, int64_t columns, void* result) {
  fold_columns<Step, In, Out>(static_cast<const In*>(x), rows, stride, columns, static_cast<Out*>(result));
}
// Floats: pairwise over blocks of rows, for the same reason as in rows.
template <class T>
void sum_columns(const void* x, int64_t rows, int64_t stride, int64_t columns, void* result) {
  constexpr int64_t kRows = 32, kColumns = 256;
  const T* from = static_cast<const T*>(x);
  T* to = static_cast<T*>(result);
  if (rows <= 2 * kRows) return fold_columns<Add<T>, T, T>(from, rows, stride, columns, to);
  const int64_t half = (rows / 2 + kRows - 1) / kRows * kRows;
  for (int64_t j = 0; j < columns; j += kColumns) {
    const int64_t count = columns - j < kColumns ? columns - j : kColumns;
    T other[kColumns];
    sum_columns<T>(from + j, half, stride, count, to + j);
    sum_columns<T>(from + j + half * stride, rows - half, stride, count, other);
    for (int64_t i = 0; i < count; ++i) to[j + i] += other[i];
  }
}

bool same(const char* a, const char* b) { return strcmp(a, b) == 0; }

}  // namespace

RowReduction row_reduction(const char* op, Type type) {
  if (same(op, "sum")) {
    switch (type) {
      case Type::Bool: return sum_integers<uint8_t>;
      case Type::Int32: return sum_integers<int32_t>;
      case Type::Int64:
      case Type::UInt64: return sum_integers<int64_t>;
      case Type::Float32: return sum_row<F32>;
      case Type::Float64: return sum_row<F64>;
      default: return nullptr;
    }
  }
  if (same(op, "product")) {
    switch (type) {
      case Type::Int32: return product_integers<int32_t>;
      case Type::Int64:
      case Type::UInt64: return product_integers<int64_t>;
      case Type::Float32: return product_row<float>;
      case Type::Float64: return product_row<double>;
      default: return nullptr;
    }
  }
  if (same(op, "max") || same(op, "min")) {
    const bool largest = same(op, "max");
    switch (type) {
      case Type::Int32: return largest ? extreme_row<Largest, I32> : extreme_row<Smallest, I32>;
      case Type::Int64: return largest ? extreme_row<Largest, I64> : extreme_row<Smallest, I64>;
      case Type::UInt64: return largest ? extreme_row<Largest, U64> : extreme_row<Smallest, U64>;
      case Type::Float32: return largest ? extreme_row<Largest, F32> : extreme_row<Smallest, F32>;
      case Type::Float64: return largest ? extreme_row<Largest, F64> : extreme_row<Smallest, F64>;
      default: return nullptr;
    }
  }
  if (type != Type::Bool) return nullptr;
  return same(op, "any") ? truth_row<false> : same(op, "all") ? truth_row<true> : nullptr;
}

ColumnReduction column_reduction(const char* op, Type type) {
  if (same(op, "sum")) {
    switch (type) {
      case Type::Bool: return columns_of<AddInteger, uint8_t, uint64_t>;
      case Type::Int32: return columns_of<AddInteger, int32_t, uint64_t>;
      case Type::Int64:
      case Type::UInt64: return columns_of<AddInteger, int64_t, uint64_t>;
      case Type::Float32: return sum_columns<float>;
      case Type::Float64: return sum_columns<double>;
      default: return nullptr;
    }
  }
  if (same(op, "product")) {
    switch (type) {
      case Type::Int32: return columns_of<MultiplyInteger, int32_t, uint64_t>;
      case Type::Int64:
      case Type::UInt64: return columns_of<MultiplyInteger, int64_t, uint64_t>;
      case Type::Float32: return columns_of<Multiply, float, double>;
      case Type::Float64: return columns_of<Multiply, double, double>;
      default: return nullptr;
    }
  }
  if (same(op, "max") || same(op, "min")) {
    const bool largest = same(op, "max");
#define FL_EXTREME(T) \
  largest ? columns_of<Extreme<Largest, T>, T, T> : columns_of<Extreme<Smallest, T>, T, T>
    switch (type) {
      case Type::Int32: return FL_EXTREME(int32_t);
      case Type::Int64: return FL_EXTREME(int64_t);
      case Type::UInt64: return FL_EXTREME(uint64_t);
      case Type::Float32: return largest ? extreme_columns<Largest, F32> : extreme_columns<Smallest, F32>;
      case Type::Float64: return largest ? extreme_columns<Largest, F64> : extreme_columns<Smallest, F64>;
      default: return nullptr;
    }
#undef FL_EXTREME
  }
  if (type != Type::Bool) return nullptr;
  if (same(op, "any")) return columns_of<Any, uint8_t, uint8_t>;
  return same(op, "all") ? columns_of<All, uint8_t, uint8_t> : nullptr;
}

RowSearch row_search(const char* op, Type type) {
  const bool largest = same(op, "argmax");
  if (!largest && !same(op, "argmin")) return nullptr;
  switch (type) {
    case Type::Int32: return largest ? search_row<Largest, I32> : search_row<Smallest, I32>;
    case Type::Int64: return largest ? search_row<Largest, I64> : search_row<Smallest, I64>;
    case Type::UInt64: return largest ? search_row<Largest, U64> : search_row<Smallest, U64>;
    case Type::Float32: return largest ? search_row<Largest, F32> : search_row<Smallest, F32>;
    case Type::Float64: return largest ? search_row<Largest, F64> : search_row<Smallest, F64>;
    default: return nullptr;
  }
}

}  // namespace flambeau::cpu::FL_LEVEL
