// simd/recurrent.cpp: the cell of a long short-term memory, forward and backward, over neighbouring units. Compiled once
// per level.
#include "blocks.h"
#include "kernels.h"
#include "math.h"
#include "neural.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
void cell(const LstmCell& cell, int64_t n) {
  using T = typename Of<V>::Element;
  const auto at = [](const void* p) { return static_cast<const T*>(p); };
  const int64_t units = cell.units;
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    V gate[4];
    for (int k = 0; k < 4; ++k) {
      const V sum = load_some<V>(at(cell.x) + k * units + j, left) + load<V>(at(cell.product) + k * cell.product_gate + j);
      gate[k] = k == 2 ? tanh_of(sum) : sigmoid_of(sum);
      store_some<V>(static_cast<T*>(cell.gates) + k * units + j, gate[k], left);
    }
    const V c = fma(gate[1], load_some<V>(at(cell.c_before) + j, left), gate[0] * gate[2]);
    store_some<V>(static_cast<T*>(cell.c) + j, c, left);
    store_some<V>(static_cast<T*>(cell.y) + j, gate[3] * tanh_of(c), left);
  }
}

template <class V>
void cell_grad(const LstmCellGrad& cell, int64_t n) {
  using T = typename Of<V>::Element;
  const auto at = [](const void* p) { return static_cast<const T*>(p); };
  const int64_t units = cell.units;
  const V one = splat<V>(T(1));
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const auto gate = [&](int k) __attribute__((always_inline)) { return load_some<V>(at(cell.gates) + k * units + j, left); };
    const V i = gate(0), f = gate(1), g = gate(2), o = gate(3);
    V dh = load<V>(at(cell.product) + j);
    if (cell.dy) dh += load_some<V>(at(cell.dy) + j, left);
    const V t = tanh_of(load_some<V>(at(cell.c) + j, left));
    V dc = fma(dh * o, one - t * t, load_some<V>(at(cell.carried) + j, left));
    if (cell.dc) dc += load_some<V>(at(cell.dc) + j, left);
    V d[4] = {dc * g, dc * load_some<V>(at(cell.c_before) + j, left), dc * i, dh * t};
    store_some<V>(static_cast<T*>(cell.carried) + j, dc * f, left);
    const V slope[4] = {i * (one - i), f * (one - f), one - g * g, o * (one - o)};
    for (int k = 0; k < 4; ++k) {
      if (cell.dgates) d[k] += load_some<V>(at(cell.dgates) + k * units + j, left);
      store_some<V>(static_cast<T*>(cell.dx) + k * units + j, d[k] * slope[k], left);
    }
  }
}

template <class V>
constexpr LstmLoops kLoops{kBlockVectors * kLanes<V>, block_product<V>, cell<V>, cell_grad<V>};

}  // namespace

const LstmLoops* lstm(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
