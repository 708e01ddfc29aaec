// recurrent.cpp: a long short-term memory over a whole sequence, from the products of its inputs on.
#include <algorithm>
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kReverse{.name = "reverse", .kind = FL_ATTR_BOOL, .fallback = false};

Tensor sigmoid(const Tensor& x) {
  static const OpRow& row = op_named("sigmoid");
  return apply(row, {x});
}
Tensor stack(const std::vector<Tensor>& parts) {
  std::vector<Tensor> rows;
  for (const Tensor& part : parts) rows.push_back(expand_dims(part, {0}));
  return concat(rows, 0);
}
// Step t of (steps, ...), and gate k of (n, 4 units).
Tensor step_of(const Tensor& x, int64_t t) {
  Dims shape = x.shape();
  shape.erase(0);
  return reshape(narrow(x, 0, t, t + 1), shape);
}
Tensor gate_of(const Tensor& x, int64_t k, int64_t units) { return narrow(x, 1, k * units, (k + 1) * units); }
Tensor one_minus(const Tensor& x) { return subtract(1.0, x); }

// The steps in the order in which they are computed.
std::vector<int64_t> order(int64_t steps, bool reverse) {
  std::vector<int64_t> places;
  for (int64_t t = 0; t < steps; ++t) places.push_back(reverse ? steps - 1 - t : t);
  return places;
}

void require(const OpRow& row, const char* name, const Tensor& x, const Dims& expected) {
  if (x.shape() != expected)
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": for these sequences it must be ", expected);
}

void infer(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  const Dims &x = inputs[0].shape(), &h = inputs[2].shape();
  if (x.size() != 3 || h.size() != 2 || x[0] < 1 || x[2] != 4 * h[1])
    raise(ErrorKind::Shape, row.name, ": x is ", x, ", h ", h, ": they must be (steps, n, 4 units) and (n, units), with a step");
  require(row, "h", inputs[2], {x[1], h[1]});
  require(row, "c", inputs[3], {x[1], h[1]});
  require(row, "weight", inputs[1], {4 * h[1], h[1]});
  const Dims states{x[0], x[1], h[1]};
  out[0] = {states, inputs[0].dtype()};
  out[1] = {states, inputs[0].dtype()};
  out[2] = {x, inputs[0].dtype()};
}

void decompose(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const int64_t steps = inputs[0].size(0), units = inputs[2].size(1);
  const Tensor weight = swap_last_two(inputs[1]);
  Tensor h = inputs[2], c = inputs[3];
  std::vector<Tensor> ys(static_cast<size_t>(steps)), cs = ys, gates = ys;
  for (const int64_t t : order(steps, attrs[0].as_bool())) {
    const Tensor sums = add(step_of(inputs[0], t), matmul(h, weight));
    const Tensor i = sigmoid(gate_of(sums, 0, units)), f = sigmoid(gate_of(sums, 1, units));
    const Tensor g = tanh(gate_of(sums, 2, units)), o = sigmoid(gate_of(sums, 3, units));
    c = add(multiply(f, c), multiply(i, g));
    h = multiply(o, tanh(c));
    const auto at = static_cast<size_t>(t);
    ys[at] = h;
    cs[at] = c;
    gates[at] = concat(std::vector<Tensor>{i, f, g, o}, 1);
  }
  out[0] = stack(ys);
  out[1] = stack(cs);
  out[2] = stack(gates);
}

void infer_grad(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  const Dims& dy = inputs[0].shape();
  if (dy.size() != 3 || dy[0] < 1) raise(ErrorKind::Shape, row.name, ": dy is ", dy, ": it must be (steps, n, units), with a step");
  const Dims gates{dy[0], dy[1], 4 * dy[2]}, state{dy[1], dy[2]};
  require(row, "gates", inputs[1], gates);
  require(row, "c", inputs[2], dy);
  require(row, "first_c", inputs[3], state);
  require(row, "weight", inputs[4], {4 * dy[2], dy[2]});
  if (inputs.size() > 5) require(row, "dc", inputs[5], dy);
  if (inputs.size() > 6) require(row, "dgates", inputs[6], gates);
  out[0] = {gates, inputs[0].dtype()};
  out[1] = out[2] = {state, inputs[0].dtype()};
}

void decompose_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const int64_t steps = inputs[0].size(0), units = inputs[0].size(2);
  std::vector<int64_t> places = order(steps, attrs[0].as_bool());
  std::vector<Tensor> dx(static_cast<size_t>(steps));
  Tensor dh, carried;
  for (int64_t step = steps - 1; step >= 0; --step) {
    const int64_t t = places[static_cast<size_t>(step)];
    const Tensor gates = step_of(inputs[1], t);
    const Tensor i = gate_of(gates, 0, units), f = gate_of(gates, 1, units);
    const Tensor g = gate_of(gates, 2, units), o = gate_of(gates, 3, units);
    const Tensor before = step > 0 ? step_of(inputs[2], places[static_cast<size_t>(step - 1)]) : inputs[3];
    const Tensor bent = tanh(step_of(inputs[2], t));
    dh = dh.defined() ? add(dh, step_of(inputs[0], t)) : step_of(inputs[0], t);
    Tensor dc = multiply(multiply(dh, o), one_minus(square(bent)));
    if (carried.defined()) dc = add(dc, carried);
    if (inputs.size() > 5) dc = add(dc, step_of(inputs[5], t));
    Tensor each = concat(std::vector<Tensor>{multiply(dc, g), multiply(dc, before), multiply(dc, i), multiply(dh, bent)}, 1);
    if (inputs.size() > 6) each = add(each, step_of(inputs[6], t));
    const Tensor slopes = concat(std::vector<Tensor>{multiply(i, one_minus(i)), multiply(f, one_minus(f)), one_minus(square(g)),
                                                     multiply(o, one_minus(o))}, 1);
    Tensor& own = dx[static_cast<size_t>(t)];
    own = multiply(each, slopes);
    dh = matmul(own, inputs[4]);
    carried = multiply(dc, f);
  }
  out[0] = stack(dx);
  out[1] = dh;
  out[2] = carried;
}

Tensor zeros_like(const Tensor& x) { return broadcast_to(constant(0, x), x.shape()); }

void vjp(const Backward& b) {
  static const OpRow& row = op_named("lstm_grad");
  const Tensor &weight = b.input(1), &h = b.input(2), &y = b.output(0);
  std::vector<Tensor> inputs{b.grad(0).defined() ? b.grad(0) : zeros_like(y), b.output(2), b.output(1), b.input(3), weight};
  if (b.grad(1).defined() || b.grad(2).defined()) inputs.push_back(b.grad(1).defined() ? b.grad(1) : zeros_like(y));
  if (b.grad(2).defined()) inputs.push_back(b.grad(2));
  const std::vector<Tensor> grads = apply_all(row, inputs, b.attrs);
  if (b.needs(0)) b.give(0, grads[0]);
  if (b.needs(2)) b.give(2, grads[1]);
  if (b.needs(3)) b.give(3, grads[2]);
  if (!b.needs(1)) return;
  // The states that the weight was multiplied with: the first one, and the outputs of all steps but the last.
  const bool reverse = b.attrs[0].as_bool();
  const int64_t steps = y.size(0), units = y.size(2);
  const auto product = [&](const Tensor& g, const Tensor& states) {
    const int64_t rows = states.count() / std::max<int64_t>(1, units);
    return matmul(swap_last_two(reshape(g, {rows, 4 * units})), reshape(states, {rows, units}));
  };
  const int64_t first = reverse ? steps - 1 : 0;
  Tensor dw = product(narrow(grads[0], 0, first, first + 1), h);
  if (steps > 1)
    dw = add(dw, product(narrow(grads[0], 0, reverse ? 0 : 1, reverse ? steps - 1 : steps),
                         narrow(y, 0, reverse ? 1 : 0, reverse ? steps : steps - 1)));
  b.give(1, dw);
}

std::vector<Sample> samples(bool gradient) {
  struct One {
    int64_t steps, n, units;
    bool reverse;
  };
  std::vector<Sample> all;
  for (const One& one : {One{1, 1, 1, false}, One{3, 2, 4, false}, One{4, 2, 3, true}, One{2, 0, 3, false}, One{5, 13, 37, false}}) {
    const Dims states{one.steps, one.n, one.units}, gates{one.steps, one.n, 4 * one.units}, state{one.n, one.units};
    const Dims weight{4 * one.units, one.units};
    if (!gradient) {
      all.push_back({{{gates}, {weight, -0.5, 0.5}, {state}, {state}}, {one.reverse}});
      continue;
    }
    Sample sample{{{states}, {gates, 0.1, 0.9}, {states}, {state}, {weight, -0.5, 0.5}}, {one.reverse}};
    all.push_back(sample);
    sample.inputs.push_back({states});
    all.push_back(sample);
    sample.inputs.push_back({gates});
    all.push_back(sample);
  }
  return all;
}

[[maybe_unused]] const OpRow& kLstm = register_op({
    .name = "lstm",
    .summary = "A long short-term memory through all steps of x, the products of its inputs: outputs, cells and gates.",
    .min_inputs = 4,
    .max_inputs = 4,
    .input_names = {"x", "weight", "h", "c"},
    .output_count = 3,
    .attrs = {kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer,
    .decompose = decompose,
    .vjp = vjp,
    .batching = batch_one_by_one,
    .saves_inputs = 14,
    .saves_outputs = 7,
    .autocast = Autocast::Lower,
    .ulp = ulps(32, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "each step's sums round at the size of their terms, and their errors go on to the next",
    .samples = samples(false),
});

[[maybe_unused]] const OpRow& kLstmGrad = register_op({
    .name = "lstm_grad",
    .summary = "The gradients of lstm for x and its first states, from those of outputs, cells and gates.",
    .min_inputs = 5,
    .max_inputs = 7,
    .input_names = {"dy", "gates", "c", "first_c", "weight", "dc", "dgates"},
    .output_count = 3,
    .attrs = {kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_grad,
    .decompose = decompose_grad,
    .batching = batch_one_by_one,
    .autocast = Autocast::Lower,
    .ulp = ulps(64, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as lstm, from the last step to the first",
    .samples = samples(true),
});

}  // namespace

}  // namespace flambeau::ops
