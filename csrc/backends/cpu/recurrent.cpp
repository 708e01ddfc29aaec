// recurrent.cpp: a long short-term memory through time. Weights are packed once; each step is a product and the cells of
// its units, cut into blocks of units by their number alone. A step waits for the one before.
#include <algorithm>
#include <cstring>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPieceWork = int64_t(1) << 21;
constexpr int64_t kDepth = 256;  // rows of a panel that stay in the first-level cache

struct State {
  Type stored;
  bool gradient;
};

template <class T>
struct Sequence {
  const LstmLoops& loops;
  int64_t steps, n, units;  // n sequences
  bool backwards;
  int64_t at(int64_t step) const { return backwards ? steps - 1 - step : step; }
  int64_t blocks() const { return divide_up(units, loops.columns); }
  int64_t width(int64_t block) const { return std::min<int64_t>(loops.columns, units - block * loops.columns); }
  // Runs body(block) for all blocks of units.
  template <class Body>
  void for_blocks(const Body& body) const {
    const int64_t work = std::max<int64_t>(1, n * units * 4 * loops.columns);
    parallel_for(blocks(), std::max<int64_t>(1, kPieceWork / work), [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block) body(block);
    });
  }
};

// panels[block][gate][k][columns] of weight (4 units, units)
template <class T>
void pack_forward(const Sequence<T>& s, const T* weight, T* panels) {
  const int64_t columns = s.loops.columns, panel = s.units * columns;
  parallel_for(s.blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      for (int64_t gate = 0; gate < 4; ++gate) {
        T* to = panels + (block * 4 + gate) * panel;
        if (s.width(block) < columns) std::fill(to, to + panel, T(0));
        level->transpose(weight + (gate * s.units + block * columns) * s.units, s.units, to, columns, s.width(block), s.units,
                         sizeof(T));
      }
  });
}
// panels[block][gate and unit][columns] of the same
template <class T>
void pack_backward(const Sequence<T>& s, const T* weight, T* panels) {
  const int64_t columns = s.loops.columns;
  parallel_for(s.blocks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      for (int64_t k = 0; k < 4 * s.units; ++k) {
        T* to = panels + (block * 4 * s.units + k) * columns;
        std::copy_n(weight + k * s.units + block * columns, s.width(block), to);
        std::fill(to + s.width(block), to + columns, T(0));
      }
  });
}

template <class T>
fl_status forward(const Sequence<T>& s, Type stored, const fl_call* call) {
  const fl_tensor* in = call->inputs;
  const T* x = reinterpret_cast<const T*>(dense(in[0], stored));
  const T* weight = reinterpret_cast<const T*>(dense(in[1], stored));
  const T* h0 = reinterpret_cast<const T*>(dense(in[2], stored));
  const T* c0 = reinterpret_cast<const T*>(dense(in[3], stored));
  Result y(call->outputs[0], stored), c(call->outputs[1], stored), gates(call->outputs[2], stored);
  const int64_t columns = s.loops.columns, panel = s.units * columns, each = s.n * s.units;
  T* panels = static_cast<T*>(host->scratch(size_t(s.blocks() * 4 * panel) * sizeof(T)));
  if (!x || !weight || !h0 || !c0 || !y.data() || !c.data() || !gates.data() || !panels) return no_memory("lstm");
  pack_forward(s, weight, panels);
  int all = 1;
  for (int64_t step = 0; step < s.steps; ++step) {
    const int64_t t = s.at(step), before = step ? s.at(step - 1) : 0;
    const T* h = step ? y.as<T>() + before * each : h0;
    const T* c_before = step ? c.as<T>() + before * each : c0;
    s.for_blocks([&](int64_t block) {
      T* product = static_cast<T*>(piece_scratch(size_t(4 * s.n * columns) * sizeof(T)));
      if (!product) return __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
      for (int64_t gate = 0; gate < 4; ++gate)
        s.loops.product(s.n, columns, s.units, h, s.units, 1, panels + (block * 4 + gate) * panel, columns,
                        product + gate * s.n * columns, columns, false);
      const int64_t first = block * columns;
      for (int64_t i = 0; i < s.n; ++i) {
        const int64_t row = (t * s.n + i) * s.units + first, wide = (t * s.n + i) * 4 * s.units + first;
        s.loops.cell({s.units, s.n * columns, x + wide, product + i * columns, c_before + i * s.units + first,
                      gates.as<T>() + wide, c.as<T>() + row, y.as<T>() + row},
                     s.width(block));
      }
    });
  }
  y.store();
  c.store();
  gates.store();
  return all ? FL_OK : no_memory("lstm");
}

// dy, gates, c, c0, weight, dc?, dgates? -> dx, dh0, dc0
template <class T>
fl_status backward(const Sequence<T>& s, Type stored, const fl_call* call) {
  const T* in[7] = {};
  for (int i = 0; i < call->input_count; ++i)
    if (!(in[i] = reinterpret_cast<const T*>(dense(call->inputs[i], stored)))) return no_memory("lstm_grad");
  const T *dy = in[0], *gates = in[1], *c = in[2], *c0 = in[3], *weight = in[4], *dc = in[5], *dgates = in[6];
  Result dx(call->outputs[0], stored), dh0(call->outputs[1], stored), dc0(call->outputs[2], stored);
  const int64_t columns = s.loops.columns, each = s.n * s.units, depth = 4 * s.units;
  T* panels = static_cast<T*>(host->scratch(size_t(s.blocks() * depth * columns) * sizeof(T)));
  if (!dx.data() || !dh0.data() || !dc0.data() || !panels) return no_memory("lstm_grad");
  pack_backward(s, weight, panels);
  T* carried = dc0.as<T>();
  std::fill(carried, carried + each, T(0));
  int all = 1;
  // After the first step comes one more product, for the gradient of the first state.
  for (int64_t step = s.steps - 1; step >= -1; --step) {
    const T* after = step + 1 < s.steps ? dx.as<T>() + s.at(step + 1) * s.n * depth : nullptr;
    const int64_t t = step < 0 ? 0 : s.at(step);
    const T* c_before = step > 0 ? c + s.at(step - 1) * each : c0;
    s.for_blocks([&](int64_t block) {
      T* product = static_cast<T*>(piece_scratch(size_t(s.n * columns) * sizeof(T)));
      if (!product) return __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
      if (!after) std::fill(product, product + s.n * columns, T(0));
      for (int64_t k = 0; after && k < depth; k += kDepth)
        s.loops.product(s.n, columns, std::min(kDepth, depth - k), after + k, depth, 1, panels + (block * depth + k) * columns,
                        columns, product, columns, k > 0);
      const int64_t first = block * columns;
      for (int64_t i = 0; i < s.n; ++i) {
        const int64_t row = (t * s.n + i) * s.units + first, wide = (t * s.n + i) * depth + first;
        if (step < 0)
          std::copy_n(product + i * columns, s.width(block), dh0.as<T>() + i * s.units + first);
        else
          s.loops.cell_grad({s.units, product + i * columns, dy + row, dc ? dc + row : nullptr, dgates ? dgates + wide : nullptr,
                             gates + wide, c + row, c_before + i * s.units + first, carried + i * s.units + first,
                             dx.as<T>() + wide},
                            s.width(block));
      }
    });
  }
  dx.store();
  dh0.store();
  dc0.store();
  return all ? FL_OK : no_memory("lstm_grad");
}

template <class T>
fl_status run_as(const State& state, const fl_call* call) {
  const fl_tensor& y = state.gradient ? call->inputs[0] : call->outputs[0];  // (steps, n, units)
  const Sequence<T> s{*level->lstm(compute_type(state.stored)), y.shape[0], y.shape[1], y.shape[2], call->attrs[0].value.i != 0};
  return state.gradient ? backward(s, state.stored, call) : forward(s, state.stored, call);
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& state = state_of<State>(self);
  return compute_type(state.stored) == Type::Float64 ? run_as<double>(state, call) : run_as<float>(state, call);
}

int32_t claims(const fl_kernel*, const fl_call* call) {
  for (int32_t i = 0; i < call->output_count; ++i)
    if (count_of(call->outputs[i]) == 0) return 0;
  return 1;
}

const fl_kernel* resolve(const char* op, std::span<const Type> types) {
  return all_one_float(types) ? keep_kernel(run, State{types[0], std::strcmp(op, "lstm_grad") == 0}, claims) : nullptr;
}

const Registration kLstm({"lstm", "lstm_grad"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
