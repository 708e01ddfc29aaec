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
  if (i == n) return;
  const int left = int(n - i);
  const V x = load_part<V>(a + i, left), y = load_part<V>(b + i, left);
  store_part<V>(to + i, takes_over<V>(y, x) ? y : x, left);
}

template <class V>
void add(const void* a_bytes, void* to_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(a_bytes);
  T* to = static_cast<T*>(to_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(to + i, load<V>(to + i) + load<V>(a + i));
  if (i < n) store_part<V>(to + i, load_part<V>(to + i, int(n - i)) + load_part<V>(a + i, int(n - i)), int(n - i));
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
  if (i == n) return;
  const int left = int(n - i);
  T both[2 * kLanes<V>] = {};
  memcpy(both, from + 2 * i, 2 * size_t(left) * sizeof(T));
  const V a = load<V>(both), b = load<V>(both + kLanes<V>);
  store_part<V>(even + i, every_second<V, 0>(a, b), left);
  store_part<V>(odd + i, every_second<V, 1>(a, b), left);
}

// One vector of maxima: rows x0 and x1, dx0 and dx1 are two vectors long.
template <class V>
FL_INLINE void square_grad_vector(const typename Of<V>::Element* x0, const typename Of<V>::Element* x1, V g,
                                  typename Of<V>::Element* dx0, typename Of<V>::Element* dx1) {
  using Int = typename Of<V>::Int;
  const V a = load<V>(x0), b = load<V>(x0 + kLanes<V>), c = load<V>(x1), d = load<V>(x1 + kLanes<V>);
  const V second = every_second<V, 1>(a, b), third = every_second<V, 0>(c, d), fourth = every_second<V, 1>(c, d);
  V best = every_second<V, 0>(a, b);
  const Int by_second = takes_over<V>(second, best);
  best = by_second ? second : best;
  const Int by_third = takes_over<V>(third, best);
  best = by_third ? third : best;
  const Int by_fourth = takes_over<V>(fourth, best);
  const V zero{};
  const V g4 = by_fourth ? g : zero;
  const V g3 = by_third & ~by_fourth ? g : zero;
  const V g2 = by_second & ~by_third & ~by_fourth ? g : zero;
  const V g1 = by_second | by_third | by_fourth ? zero : g;
  store<V>(dx0, woven<V, 0>(g1, g2));
  store<V>(dx0 + kLanes<V>, woven<V, 1>(g1, g2));
  store<V>(dx1, woven<V, 0>(g3, g4));
  store<V>(dx1 + kLanes<V>, woven<V, 1>(g3, g4));
}

template <class V>
void square_grad(const void* x0_bytes, const void* x1_bytes, const void* g_bytes, void* dx0_bytes, void* dx1_bytes,
                 int64_t n) {
  using T = typename Of<V>::Element;
  const T* x0 = static_cast<const T*>(x0_bytes);
  const T* x1 = static_cast<const T*>(x1_bytes);
  const T* g = static_cast<const T*>(g_bytes);
  T* dx0 = static_cast<T*>(dx0_bytes);
  T* dx1 = static_cast<T*>(dx1_bytes);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>)
    square_grad_vector<V>(x0 + 2 * i, x1 + 2 * i, load<V>(g + i), dx0 + 2 * i, dx1 + 2 * i);
  if (i == n) return;
  // What is left, in vectors of its own: a branch for each element would guess wrong half of the time.
  const int left = int(n - i);
  T rows[2][2 * kLanes<V>] = {}, grads[2][2 * kLanes<V>];
  memcpy(rows[0], x0 + 2 * i, 2 * size_t(left) * sizeof(T));
  memcpy(rows[1], x1 + 2 * i, 2 * size_t(left) * sizeof(T));
  square_grad_vector<V>(rows[0], rows[1], load_part<V>(g + i, left), grads[0], grads[1]);
  memcpy(dx0 + 2 * i, grads[0], 2 * size_t(left) * sizeof(T));
  memcpy(dx1 + 2 * i, grads[1], 2 * size_t(left) * sizeof(T));
}

template <class V>
constexpr PoolLoops kLoops{larger<V>, add<V>, split<V>, square_grad<V>};

}  // namespace

const PoolLoops* pool(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
