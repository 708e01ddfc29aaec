// simd/matmul.cpp: small products, nothing packed, and dot products. Compiled once per level.
#include "blocks.h"
#include "kernels.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int kRows = kBlockRows, kVectors = kTileVectors;

// ---- small ---------------------------------------------------------------------------------------------

template <class T>
struct Operands {
  int64_t n, k;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row;
  const T* bias;
  T* c;
  int64_t c_row;
};

// kM rows by kN vectors of c, from column j on.
template <class V, int kM, int kN>
FL_INLINE void small_tile(const Operands<typename Of<V>::Element>& o, int64_t i, int64_t j) {
  using T = typename Of<V>::Element;
  V sums[kM][kN] = {};
  add_products<V, kM, kN>(o.k, o.a + i * o.a_row, o.a_row, o.a_column, o.b + j, o.b_row, sums);
#pragma GCC unroll 16
  for (int r = 0; r < kM; ++r)
#pragma GCC unroll 8
    for (int v = 0; v < kN; ++v) {
      const int64_t at = j + v * kLanes<V>;
      T* to = o.c + (i + r) * o.c_row + at;
      V value = sums[r][v];
      if (at + kLanes<V> <= o.n) {
        if (o.bias) value += load<V>(o.bias + at);
        store<V>(to, value);
      } else if (at < o.n) {
        const int left = int(o.n - at);
        if (o.bias) value += load_part<V>(o.bias + at, left);
        store_part<V>(to, value, left);
      }
    }
}

// One band of kM rows, all columns.
template <class V, int kM, int kN>
void small_band(const Operands<typename Of<V>::Element>& o, int64_t i) {
  int64_t j = 0;
  for (; j + (kN - 1) * kLanes<V> < o.n; j += kN * kLanes<V>) small_tile<V, kM, kN>(o, i, j);
  for (; j < o.n; j += kLanes<V>) small_tile<V, kM, 1>(o, i, j);
}

// One row against a b that does not fit the first-level cache: rows of b are read as they lie in memory, four at a
// time, into a stretch of the result that stays in the cache. The order of the sums is that of small_tile.
template <class V>
void row_product(const Operands<typename Of<V>::Element>& o, int64_t i) {
  using T = typename Of<V>::Element;
  constexpr int64_t kStretch = 64 * kLanes<V>;
  alignas(64) T sums[kStretch];
  const T* a = o.a + i * o.a_row;
  for (int64_t j = 0; j < o.n; j += kStretch) {
    const int64_t n = o.n - j < kStretch ? o.n - j : kStretch;
    const int64_t whole = (n + kLanes<V> - 1) / kLanes<V> * kLanes<V>;
    memset(sums, 0, size_t(whole) * sizeof(T));
    int64_t p = 0;
    for (; p < o.k; p += 4) {
      const int rows = o.k - p < 4 ? int(o.k - p) : 4;
      const T* b = o.b + p * o.b_row + j;
      V x[4] = {};
      for (int r = 0; r < rows; ++r) x[r] = splat<V>(a[(p + r) * o.a_column]);
      if (rows == 4) {
        for (int64_t c = 0; c < whole; c += kLanes<V>) {
          V sum = load<V>(sums + c);
          for (int r = 0; r < 4; ++r) sum = fma(x[r], load<V>(b + r * o.b_row + c), sum);
          store<V>(sums + c, sum);
        }
      } else {
        for (int r = 0; r < rows; ++r)
          for (int64_t c = 0; c < whole; c += kLanes<V>)
            store<V>(sums + c, fma(x[r], load<V>(b + r * o.b_row + c), load<V>(sums + c)));
      }
    }
    T* c = o.c + i * o.c_row + j;
    for (int64_t q = 0; q < n; ++q) c[q] = o.bias ? sums[q] + o.bias[j + q] : sums[q];
  }
}

template <class V>
void small_product(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_column, const void* b,
                   int64_t b_row, const void* bias, void* c, int64_t c_row) {
  using T = typename Of<V>::Element;
  const Operands<T> o{n,     k,     static_cast<const T*>(a),    a_row,               a_column, static_cast<const T*>(b),
                      b_row, static_cast<const T*>(bias), static_cast<T*>(c), c_row};
  int64_t i = 0;
  for (; i + kRows <= m; i += kRows) small_band<V, kRows, kVectors>(o, i);
  for (; i + 4 <= m; i += 4) small_band<V, 4, kVectors>(o, i);
  const bool large = n * k * int64_t(sizeof(T)) > 32 * 1024;
  for (; i < m; ++i) {
    if (large) row_product<V>(o, i);
    else small_band<V, 1, 4>(o, i);
  }
}

// ---- dot products --------------------------------------------------------------------------------------

template <class V>
void dots(int64_t m, int64_t k, const void* a_bytes, int64_t a_row, const void* x_bytes, void* y_bytes,
          int64_t y_stride) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(x_bytes);
  T* y = static_cast<T*>(y_bytes);
  for (int64_t i = 0; i < m; ++i) {
    const T* a = static_cast<const T*>(a_bytes) + i * a_row;
    V sums[4] = {};
    int64_t p = 0;
    for (; p + 4 * kLanes<V> <= k; p += 4 * kLanes<V>)
      for (int j = 0; j < 4; ++j)
        sums[j] = fma(load<V>(a + p + j * kLanes<V>), load<V>(x + p + j * kLanes<V>), sums[j]);
    for (; p + kLanes<V> <= k; p += kLanes<V>) sums[0] = fma(load<V>(a + p), load<V>(x + p), sums[0]);
    if (p < k) sums[1] = fma(load_part<V>(a + p, int(k - p)), load_part<V>(x + p, int(k - p)), sums[1]);
    y[i * y_stride] = sum_of_lanes<V>((sums[0] + sums[1]) + (sums[2] + sums[3]));
  }
}

}  // namespace

SmallGemm small_gemm(Type type) {
  switch (type) {
    case Type::Int32: return small_product<I32>;
    case Type::Int64: return small_product<I64>;
    case Type::Float32: return small_product<F32>;
    case Type::Float64: return small_product<F64>;
    default: return nullptr;
  }
}
RowsDot rows_dot(Type type) {
  switch (type) {
    case Type::Float32: return dots<F32>;
    case Type::Float64: return dots<F64>;
    default: return nullptr;
  }
}

}  // namespace flambeau::cpu::FL_LEVEL
