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
template <class V, int s = kLanes<V> / 2>
FL_INLINE void transpose_rows(V* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i)
    if ((i & s) == 0) exchange<V, s>(rows[i], rows[i | s]);
  if constexpr (s > 1) transpose_rows<V, s / 2>(rows);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
