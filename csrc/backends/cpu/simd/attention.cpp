// simd/attention.cpp: the loops of attention over a block of scores, keys by queries. The lanes of a vector are queries,
// so maxima and sums over the keys never cross lanes. Compiled once per level.
#include "blocks.h"
#include "kernels.h"
#include "math.h"
#include "neural.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
constexpr int kQueries = kBlockVectors * kLanes<V>;

template <class V>
void probabilities(void* scores, int64_t row, int64_t keys, void* tops, void* totals, void* factors) {
  using T = typename Of<V>::Element;
  for (int v = 0; v < kBlockVectors; ++v) {
    T* s = static_cast<T*>(scores) + v * kLanes<V>;
    T* top_at = static_cast<T*>(tops) + v * kLanes<V>;
    T* total_at = static_cast<T*>(totals) + v * kLanes<V>;
    const V before = load<V>(top_at);
    V best[4] = {before, before, before, before};
    int64_t j = 0;
    for (; j + 4 <= keys; j += 4)
      for (int i = 0; i < 4; ++i) best[i] = at_least(load<V>(s + (j + i) * row), best[i]);
    for (; j < keys; ++j) best[0] = at_least(load<V>(s + j * row), best[0]);
    const V top = at_least(at_least(best[0], best[1]), at_least(best[2], best[3]));
    // Who has seen nothing yet has the top -inf, and -inf - -inf would be NaN.
    const V origin = top == splat<V>(-__builtin_inff()) ? V{} : top;
    const V factor = exp_of(before - origin);
    V sums[2] = {};
    for (j = 0; j + 2 <= keys; j += 2)
      for (int i = 0; i < 2; ++i) {
        const V p = exp_of(load<V>(s + (j + i) * row) - origin);
        store<V>(s + (j + i) * row, p);
        sums[i] += p;
      }
    for (; j < keys; ++j) {
      const V p = exp_of(load<V>(s + j * row) - origin);
      store<V>(s + j * row, p);
      sums[0] += p;
    }
    store<V>(top_at, top);
    store<V>(total_at, fma(load<V>(total_at), factor, sums[0] + sums[1]));
    store<V>(static_cast<T*>(factors) + v * kLanes<V>, factor);
  }
}

template <class V>
void score_gradients(void* scores, void* products, int64_t row, int64_t keys, const void* lse, const void* delta,
                     const void* scales) {
  using T = typename Of<V>::Element;
  for (int v = 0; v < kBlockVectors; ++v) {
    T* s = static_cast<T*>(scores) + v * kLanes<V>;
    T* d = static_cast<T*>(products) + v * kLanes<V>;
    const V l = load<V>(static_cast<const T*>(lse) + v * kLanes<V>);
    const V shift = load<V>(static_cast<const T*>(delta) + v * kLanes<V>);
    const V scale = load<V>(static_cast<const T*>(scales) + v * kLanes<V>);
    for (int64_t j = 0; j < keys; ++j) {
      const V p = exp_of(load<V>(s + j * row) - l);
      store<V>(s + j * row, p);
      store<V>(d + j * row, p * scale * (load<V>(d + j * row) - shift));
    }
  }
}

template <class V>
void scale_rows(void* x, int64_t rows, const void* factors) {
  using T = typename Of<V>::Element;
  V f[kBlockVectors];
  for (int v = 0; v < kBlockVectors; ++v) f[v] = load<V>(static_cast<const T*>(factors) + v * kLanes<V>);
  for (int64_t r = 0; r < rows; ++r)
    for (int v = 0; v < kBlockVectors; ++v) {
      T* at = static_cast<T*>(x) + r * kQueries<V> + v * kLanes<V>;
      store<V>(at, load<V>(at) * f[v]);
    }
}

template <class V>
constexpr AttentionLoops kLoops{kQueries<V>, kLanes<V>, block_product<V>, probabilities<V>, score_gradients<V>, scale_rows<V>};

}  // namespace

const AttentionLoops* attention(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
