// loops.h: loops over contiguous elements. Of vectors the last part goes through the same arithmetic, so a value's place
// does not matter; loops of single values are left to the compiler's vectoriser.
#ifndef FLAMBEAU_CPU_SIMD_LOOPS_H
#define FLAMBEAU_CPU_SIMD_LOOPS_H

#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

template <class Op, class In, class Out = In>
void unary(const void* const* inputs, void* output, int64_t n) {
  const In* x = static_cast<const In*>(inputs[0]);
  Out* y = static_cast<Out*>(output);
  for (int64_t i = 0; i < n; ++i) y[i] = Op::of(x[i]);
}
template <class Op, class In, class Out = In>
void binary(const void* const* inputs, void* output, int64_t n) {
  const In* a = static_cast<const In*>(inputs[0]);
  const In* b = static_cast<const In*>(inputs[1]);
  Out* y = static_cast<Out*>(output);
  for (int64_t i = 0; i < n; ++i) y[i] = Op::of(a[i], b[i]);
}

// How far ahead operands are asked for: the processor's own prefetching stops at every page of 4 KiB.
constexpr int64_t kAhead = 4096;

template <class Op, class V>
void unary_vector(const void* const* inputs, void* output, int64_t n) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(inputs[0]);
  T* y = static_cast<T*>(output);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) {
    __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kAhead);
    store<V>(y + i, Op::of(load<V>(x + i)));
  }
  if (i < n) store_part<V>(y + i, Op::of(load_part<V>(x + i, int(n - i))), int(n - i));
}
template <class Op, class V>
void binary_vector(const void* const* inputs, void* output, int64_t n) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(inputs[0]);
  const T* b = static_cast<const T*>(inputs[1]);
  T* y = static_cast<T*>(output);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(y + i, Op::of(load<V>(a + i), load<V>(b + i)));
  const int left = int(n - i);
  if (left) store_part<V>(y + i, Op::of(load_part<V>(a + i, left), load_part<V>(b + i, left)), left);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
