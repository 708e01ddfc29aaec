// simd/recurrent.cpp: the cells of recurrent layers, forward and backward, over neighbouring units. Compiled once per
// level.
#include "blocks.h"
#include "kernels.h"
#include "math.h"
#include "neural.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
V at(const void* p, int64_t j, int64_t left) {
  return load_some<V>(static_cast<const typename Of<V>::Element*>(p) + j, left);
}
template <class V>
void put(void* p, int64_t j, V value, int64_t left) {
  store_some<V>(static_cast<typename Of<V>::Element*>(p) + j, value, left);
}
template <class V>
V product_at(const void* p, int64_t j) {
  return load<V>(static_cast<const typename Of<V>::Element*>(p) + j);
}

template <class V>
void lstm(const RecurrentCell& cell, int64_t n) {
  const int64_t units = cell.units;
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    V gate[4];
    for (int k = 0; k < 4; ++k) {
      const V sum = at<V>(cell.x, k * units + j, left) + product_at<V>(cell.product, k * cell.product_gate + j);
      gate[k] = k == 2 ? tanh_of(sum) : sigmoid_of(sum);
      put(cell.gates, k * units + j, gate[k], left);
    }
    const V c = fma(gate[1], at<V>(cell.before, j, left), gate[0] * gate[2]);
    put(cell.c, j, c, left);
    put(cell.y, j, gate[3] * tanh_of(c), left);
  }
}

template <class V>
void lstm_grad(const RecurrentCellGrad& cell, int64_t n) {
  const int64_t units = cell.units;
  const V one = splat<V>(typename Of<V>::Element(1));
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const auto gate = [&](int k) __attribute__((always_inline)) { return at<V>(cell.gates, k * units + j, left); };
    const V i = gate(0), f = gate(1), g = gate(2), o = gate(3);
    V dh = product_at<V>(cell.product, j);
    if (cell.dy) dh += at<V>(cell.dy, j, left);
    const V t = tanh_of(at<V>(cell.c, j, left));
    V dc = fma(dh * o, one - t * t, at<V>(cell.carried, j, left));
    if (cell.dc) dc += at<V>(cell.dc, j, left);
    V d[4] = {dc * g, dc * at<V>(cell.before, j, left), dc * i, dh * t};
    put(cell.carried, j, dc * f, left);
    const V slope[4] = {i * (one - i), f * (one - f), one - g * g, o * (one - o)};
    for (int k = 0; k < 4; ++k) {
      if (cell.dgates) d[k] += at<V>(cell.dgates, k * units + j, left);
      put(cell.dx, k * units + j, d[k] * slope[k], left);
    }
  }
}

template <class V>
void gru(const RecurrentCell& cell, int64_t n) {
  const int64_t units = cell.units;
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const auto product = [&](int k) __attribute__((always_inline)) {
      const V p = product_at<V>(cell.product, k * cell.product_gate + j);
      return cell.bias ? p + at<V>(cell.bias, k * units + j, left) : p;
    };
    const auto x = [&](int k) __attribute__((always_inline)) { return at<V>(cell.x, k * units + j, left); };
    const V r = sigmoid_of(x(0) + product(0)), z = sigmoid_of(x(1) + product(1)), m = product(2);
    const V s = tanh_of(fma(r, m, x(2)));
    const V kept[4] = {r, z, s, m};
    for (int k = 0; k < 4; ++k) put(cell.gates, k * units + j, kept[k], left);
    put(cell.y, j, fma(z, at<V>(cell.before, j, left) - s, s), left);
  }
}

template <class V>
void gru_grad(const RecurrentCellGrad& cell, int64_t n) {
  const int64_t units = cell.units;
  const V one = splat<V>(typename Of<V>::Element(1));
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const auto gate = [&](int k) __attribute__((always_inline)) { return at<V>(cell.gates, k * units + j, left); };
    const V r = gate(0), z = gate(1), s = gate(2), m = gate(3);
    const V dh = product_at<V>(cell.product, j) + at<V>(cell.carried, j, left) + at<V>(cell.dy, j, left);
    V d[4] = {V{}, dh * (at<V>(cell.before, j, left) - s), dh * (one - z), V{}};
    const auto given = [&](int k) __attribute__((always_inline)) {
      return cell.dgates ? at<V>(cell.dgates, k * units + j, left) : V{};
    };
    d[1] += given(1);
    const V at_s = (d[2] + given(2)) * (one - s * s);
    d[0] = fma(at_s, m, given(0)) * (r * (one - r));
    d[1] *= z * (one - z);
    d[3] = fma(at_s, r, given(3));
    put(cell.carried, j, dh * z, left);
    for (int k = 0; k < 3; ++k) {
      put(cell.dx, k * units + j, k == 2 ? at_s : d[k], left);
      put(cell.dproduct, k * units + j, k == 2 ? d[3] : d[k], left);
    }
  }
}

template <class V, bool kRelu>
void elman(const RecurrentCell& cell, int64_t n) {
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const V sum = at<V>(cell.x, j, left) + product_at<V>(cell.product, j);
    if constexpr (kRelu) put(cell.y, j, sum <= V{} ? V{} : sum, left);
    else put(cell.y, j, tanh_of(sum), left);
  }
}

template <class V, bool kRelu>
void elman_grad(const RecurrentCellGrad& cell, int64_t n) {
  const V one = splat<V>(typename Of<V>::Element(1));
  for (int64_t j = 0; j < n; j += kLanes<V>) {
    const int64_t left = n - j;
    const V dh = product_at<V>(cell.product, j) + at<V>(cell.dy, j, left), y = at<V>(cell.y, j, left);
    if constexpr (kRelu) put(cell.dx, j, y <= V{} ? V{} : dh, left);
    else put(cell.dx, j, dh * (one - y * y), left);
  }
}

template <class V>
constexpr RecurrentLoops kLoops{kBlockVectors * kLanes<V>,
                                block_product<V>,
                                {lstm<V>, gru<V>, elman<V, false>, elman<V, true>},
                                {lstm_grad<V>, gru_grad<V>, elman_grad<V, false>, elman_grad<V, true>}};

}  // namespace

const RecurrentLoops* recurrent(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
