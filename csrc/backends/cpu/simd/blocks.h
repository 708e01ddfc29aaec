// blocks.h: the tile of all products, and products of small blocks that stay in the caches, nothing packed: what attention
// and recurrent layers are made of.
#ifndef FLAMBEAU_CPU_SIMD_BLOCKS_H
#define FLAMBEAU_CPU_SIMD_BLOCKS_H

#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

// As many sums as the registers hold beside a row of b and one broadcast.
#if defined(__AVX512F__)
constexpr int kBlockRows = 12, kHalfRows = 8, kTileVectors = 2;
#elif defined(__AVX2__)
constexpr int kBlockRows = 6, kHalfRows = 4, kTileVectors = 2;
#elif defined(__aarch64__)
constexpr int kBlockRows = 8, kHalfRows = 4, kTileVectors = 3;
#else
constexpr int kBlockRows = 4, kHalfRows = 2, kTileVectors = 2;
#endif
constexpr int kBlockVectors = 2;

// sums += a (kM, k) b (k, kN vectors); steps between rows and columns of a, and rows of b.
template <class V, int kM, int kN>
FL_INLINE void add_products(int64_t k, const typename Of<V>::Element* a, int64_t a_row, int64_t a_column,
                            const typename Of<V>::Element* b, int64_t b_row, V (&sums)[kM][kN]) {
  for (int64_t p = 0; p < k; ++p, a += a_column, b += b_row) {
    V row[kN];
#pragma GCC unroll 4
    for (int v = 0; v < kN; ++v) row[v] = load<V>(b + v * kLanes<V>);
#pragma GCC unroll 16
    for (int r = 0; r < kM; ++r) {
      const V x = splat<V>(a[r * a_row]);
#pragma GCC unroll 4
      for (int v = 0; v < kN; ++v) sums[r][v] = fma(x, row[v], sums[r][v]);
    }
  }
}

template <class V>
struct Block {
  using T = typename Of<V>::Element;
  int64_t k;
  const T* a;
  int64_t a_row, a_column;
  const T* b;
  int64_t b_row;
  T* c;
  int64_t c_row;
  bool accumulate;
};

template <class V, int kM, int kN>
FL_INLINE void block_tile(const Block<V>& o, int64_t i, int64_t j) {
  using T = typename Of<V>::Element;
  V sums[kM][kN] = {};
  add_products<V, kM, kN>(o.k, o.a + i * o.a_row, o.a_row, o.a_column, o.b + j, o.b_row, sums);
#pragma GCC unroll 16
  for (int r = 0; r < kM; ++r)
#pragma GCC unroll 4
    for (int v = 0; v < kN; ++v) {
      T* to = o.c + (i + r) * o.c_row + j + v * kLanes<V>;
      store<V>(to, o.accumulate ? sums[r][v] + load<V>(to) : sums[r][v]);
    }
}

template <class V, int kM>
FL_INLINE void block_band(const Block<V>& o, int64_t i, int64_t vectors) {
  int64_t v = 0;
  for (; v + kBlockVectors <= vectors; v += kBlockVectors) block_tile<V, kM, kBlockVectors>(o, i, v * kLanes<V>);
  for (; v < vectors; ++v) block_tile<V, kM, 1>(o, i, v * kLanes<V>);
}

// c (m, n) = or += a (m, k) b (k, n) for whole vectors of columns: n is a multiple of the lanes.
template <class V>
void block_product(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_column, const void* b,
                   int64_t b_row, void* c, int64_t c_row, bool accumulate) {
  using T = typename Of<V>::Element;
  const Block<V> o{k,     static_cast<const T*>(a), a_row, a_column,  static_cast<const T*>(b),
                   b_row, static_cast<T*>(c),       c_row, accumulate};
  const int64_t vectors = n / kLanes<V>;
  int64_t i = 0;
  // The last rows go in two halves where a full band would leave too few.
  for (; m - i >= kBlockRows && m - i != 2 * kHalfRows; i += kBlockRows) block_band<V, kBlockRows>(o, i, vectors);
  for (; m - i >= kHalfRows; i += kHalfRows) block_band<V, kHalfRows>(o, i, vectors);
  if constexpr (kHalfRows > 4)
    for (; m - i >= 4; i += 4) block_band<V, 4>(o, i, vectors);
  for (; i < m; ++i) block_band<V, 1>(o, i, vectors);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
