// squares.h: transposes of squares in registers.
#ifndef FLAMBEAU_CPU_SIMD_SQUARES_H
#define FLAMBEAU_CPU_SIMD_SQUARES_H

#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

// Lanes of two rows `s` apart that change places: below, the blocks of s lanes that stay and those that come.
template <class V, int s>
FL_INLINE void exchange(V& a, V& b) {
  typename Of<V>::Int low_lanes, high_lanes;
  constexpr int n = kLanes<V>;
  for (int l = 0; l < n; ++l) {
    low_lanes[l] = (l & s) == 0 ? l : l - s + n;
    high_lanes[l] = (l & s) == 0 ? l + s : l + n;
  }
  const V low = __builtin_shuffle(a, b, low_lanes), high = __builtin_shuffle(a, b, high_lanes);
  a = low;
  b = high;
}
template <class V, int s>
FL_INLINE void exchange_all(V* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i)
    if ((i & s) == 0) exchange<V, s>(rows[i], rows[i | s]);
  if constexpr (s > 1) exchange_all<V, s / 2>(rows);
}

// Lanes of two vectors: at(l) says which of lane l, counted through both.
template <class V, class At>
FL_INLINE V lanes_of(V a, V b, const At& at) {
  typename Of<V>::Int lanes;
  for (int l = 0; l < kLanes<V>; ++l) lanes[l] = at(l);
  return __builtin_shuffle(a, b, lanes);
}
// Sixteen lanes in four blocks of four: squares of four within the blocks, then the blocks. Every step is a shuffle of one
// instruction whose result is a register of its own.
template <class V>
FL_INLINE void transpose_sixteen(V* rows) {
  constexpr auto in_block = [](int l, int first) { return l % 2 * 16 + l / 4 * 4 + first + l % 4 / 2; };
  constexpr auto pairs = [](int l, int first) { return l / 2 % 2 * 16 + l / 4 * 4 + first + l % 2; };
  constexpr auto blocks = [](int l, int first) { return l / 8 * 16 + l / 4 % 2 * 8 + first * 4 + l % 4; };
  V squares[16];
#pragma GCC unroll 4
  for (int g = 0; g < 16; g += 4) {
    const V a = lanes_of(rows[g], rows[g + 1], [&](int l) { return in_block(l, 0); });
    const V b = lanes_of(rows[g], rows[g + 1], [&](int l) { return in_block(l, 2); });
    const V c = lanes_of(rows[g + 2], rows[g + 3], [&](int l) { return in_block(l, 0); });
    const V d = lanes_of(rows[g + 2], rows[g + 3], [&](int l) { return in_block(l, 2); });
    squares[g] = lanes_of(a, c, [&](int l) { return pairs(l, 0); });
    squares[g + 1] = lanes_of(a, c, [&](int l) { return pairs(l, 2); });
    squares[g + 2] = lanes_of(b, d, [&](int l) { return pairs(l, 0); });
    squares[g + 3] = lanes_of(b, d, [&](int l) { return pairs(l, 2); });
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const V even = lanes_of(squares[c], squares[4 + c], [&](int l) { return blocks(l, 0); });
    const V odd = lanes_of(squares[c], squares[4 + c], [&](int l) { return blocks(l, 1); });
    const V even_low = lanes_of(squares[8 + c], squares[12 + c], [&](int l) { return blocks(l, 0); });
    const V odd_low = lanes_of(squares[8 + c], squares[12 + c], [&](int l) { return blocks(l, 1); });
    rows[c] = lanes_of(even, even_low, [&](int l) { return blocks(l, 0); });
    rows[4 + c] = lanes_of(odd, odd_low, [&](int l) { return blocks(l, 0); });
    rows[8 + c] = lanes_of(even, even_low, [&](int l) { return blocks(l, 1); });
    rows[12 + c] = lanes_of(odd, odd_low, [&](int l) { return blocks(l, 1); });
  }
}
template <class V>
FL_INLINE void transpose_rows(V* rows) {
  if constexpr (kLanes<V> == 16) transpose_sixteen(rows);
  else exchange_all<V, kLanes<V> / 2>(rows);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
