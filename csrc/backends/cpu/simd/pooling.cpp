// simd/pooling.cpp: rows of pools. Compiled once per level.
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
void larger(const void* a_bytes, const void* b_bytes, void* to_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(a_bytes);
  const T* b = static_cast<const T*>(b_bytes);
  T* to = static_cast<T*>(to_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) {
    const V x = load<V>(a + i), y = load<V>(b + i);
    store<V>(to + i, takes_over<V>(y, x) ? y : x);
  }
  for (; i < n; ++i) to[i] = b[i] > a[i] || b[i] != b[i] ? b[i] : a[i];
}

template <class V>
void add(const void* a_bytes, void* to_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(a_bytes);
  T* to = static_cast<T*>(to_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(to + i, load<V>(to + i) + load<V>(a + i));
  for (; i < n; ++i) to[i] += a[i];
}

// Lanes 0, 2, 4, ... (first = 0) or 1, 3, 5, ... of two vectors.
template <class V, int first>
FL_INLINE V every_second(V a, V b) {
  using Int = typename Of<V>::Int;
  Int lanes;
  for (int l = 0; l < kLanes<V>; ++l) lanes[l] = 2 * l + first;
  return __builtin_shuffle(a, b, lanes);
}
// a0 b0 a1 b1 ...: the first half (half = 0) or the second.
template <class V, int half>
FL_INLINE V woven(V a, V b) {
  using Int = typename Of<V>::Int;
  Int lanes;
  constexpr int n = kLanes<V>;
  for (int l = 0; l < n; ++l) lanes[l] = half * (n / 2) + l / 2 + (l % 2) * n;
  return __builtin_shuffle(a, b, lanes);
}

template <class V>
void split(const void* from_bytes, void* even_bytes, void* odd_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* even = static_cast<T*>(even_bytes);
  T* odd = static_cast<T*>(odd_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) {
    const V a = load<V>(from + 2 * i), b = load<V>(from + 2 * i + kLanes<V>);
    store<V>(even + i, every_second<V, 0>(a, b));
    store<V>(odd + i, every_second<V, 1>(a, b));
  }
  for (; i < n; ++i) {
    even[i] = from[2 * i];
    odd[i] = from[2 * i + 1];
  }
}

template <class V>
void square_grad(const void* x0_bytes, const void* x1_bytes, const void* g_bytes, void* dx0_bytes, void* dx1_bytes,
                 int64_t n) {
  using T = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  const T* x0 = static_cast<const T*>(x0_bytes);
  const T* x1 = static_cast<const T*>(x1_bytes);
  const T* gs = static_cast<const T*>(g_bytes);
  T* dx0 = static_cast<T*>(dx0_bytes);
  T* dx1 = static_cast<T*>(dx1_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) {
    const V a = load<V>(x0 + 2 * i), b = load<V>(x0 + 2 * i + kLanes<V>);
    const V c = load<V>(x1 + 2 * i), d = load<V>(x1 + 2 * i + kLanes<V>);
    const V second = every_second<V, 1>(a, b), third = every_second<V, 0>(c, d), fourth = every_second<V, 1>(c, d);
    V best = every_second<V, 0>(a, b);
    const Int by_second = takes_over<V>(second, best);
    best = by_second ? second : best;
    const Int by_third = takes_over<V>(third, best);
    best = by_third ? third : best;
    const Int by_fourth = takes_over<V>(fourth, best);
    const V g = load<V>(gs + i), zero{};
    const V g4 = by_fourth ? g : zero;
    const V g3 = by_third & ~by_fourth ? g : zero;
    const V g2 = by_second & ~by_third & ~by_fourth ? g : zero;
    const V g1 = by_second | by_third | by_fourth ? zero : g;
    store<V>(dx0 + 2 * i, woven<V, 0>(g1, g2));
    store<V>(dx0 + 2 * i + kLanes<V>, woven<V, 1>(g1, g2));
    store<V>(dx1 + 2 * i, woven<V, 0>(g3, g4));
    store<V>(dx1 + 2 * i + kLanes<V>, woven<V, 1>(g3, g4));
  }
  for (; i < n; ++i) {
    const T* places[] = {x0 + 2 * i, x0 + 2 * i + 1, x1 + 2 * i, x1 + 2 * i + 1};
    T* targets[] = {dx0 + 2 * i, dx0 + 2 * i + 1, dx1 + 2 * i, dx1 + 2 * i + 1};
    int best = 0;
    for (int k = 1; k < 4; ++k)
      if (*places[k] > *places[best] || *places[k] != *places[k]) best = k;
    for (int k = 0; k < 4; ++k) *targets[k] = k == best ? gs[i] : T(0);
  }
}

template <class V>
constexpr PoolLoops kLoops{larger<V>, add<V>, split<V>, square_grad<V>};

}  // namespace

const PoolLoops* pool(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
