// taps.h: the weight of a plane's square kernel, as the loops over the plane read it.
#ifndef FLAMBEAU_CPU_SIMD_TAPS_H
#define FLAMBEAU_CPU_SIMD_TAPS_H

#include <type_traits>

#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

// Spread out before the loops where the registers hold all of it, else each element where it is used.
template <class V, int K>
struct Taps {
  using T = typename Of<V>::Element;
  static constexpr bool kSpread = K == 3;
  std::conditional_t<kSpread, V, T> of[K * K];
  FL_INLINE explicit Taps(const T* weight) {
#pragma GCC unroll 49
    for (int t = 0; t < K * K; ++t) {
      if constexpr (kSpread) of[t] = splat<V>(weight[t]);
      else of[t] = weight[t];
    }
  }
  FL_INLINE V operator[](int t) const {
    if constexpr (kSpread) return of[t];
    else return splat<V>(of[t]);
  }
};

}  // namespace flambeau::cpu::FL_LEVEL

#endif
