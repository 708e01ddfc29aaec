// lstm.cpp: a long short-term memory over whole sequences, from the products of its inputs on.
#include <vector>

#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/sequences.h"

namespace flambeau::ops {

namespace {

// Inputs of lstm: x, weight, h, c, projection?; of lstm_grad: dy, gates, c, first_c, weight, dc?, dgates?, projection?.
constexpr size_t kProjection = 4, kGradProjection = 7;

void require_projection(const OpRow& row, const Tensor& projection, int64_t given, int64_t units) {
  require_shape(row, "projection", projection, {given, units});
  if (given < 1 || units < 1) raise(ErrorKind::Shape, row.name, ": projection is ", projection.shape(), ": no size may be 0");
}

void infer(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  const Dims &x = inputs[0].shape(), &c = inputs[3].shape();
  if (x.size() != 2 || c.size() != 2 || x[1] != 4 * c[1])
    raise(ErrorKind::Shape, row.name, ": x is ", x, ", c ", c, ": they must be (rows of all steps, 4 units) and (n, units)");
  const bool projected = inputs.size() > kProjection;
  const int64_t given = projected && inputs[kProjection].ndim() > 0 ? inputs[kProjection].size(0) : c[1];
  if (projected) require_projection(row, inputs[kProjection], given, c[1]);
  require_shape(row, "h", inputs[2], {c[0], given});
  require_shape(row, "weight", inputs[1], {4 * c[1], given});
  require_counts(row, attrs[0].ints(), c[0], x[0]);
  out[0] = {{x[0], given}, inputs[0].dtype()};
  out[1] = {{x[0], c[1]}, inputs[0].dtype()};
  out[2] = {x, inputs[0].dtype()};
}

void decompose(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  const int64_t units = inputs[3].size(1);
  const bool projected = inputs.size() > kProjection;
  const Tensor weight = swap_last_two(inputs[1]);
  const Tensor projection = projected ? swap_last_two(inputs[kProjection]) : Tensor();
  Tensor h, c;
  std::vector<Tensor> ys(size_t(time.steps())), cs = ys, gates = ys;
  for (int64_t place = 0; place < time.steps(); ++place) {
    const int64_t t = time.at(place);
    h = Sequences::enter(h, inputs[2], time.count(t));
    c = Sequences::enter(c, inputs[3], time.count(t));
    const Tensor sums = add(time.step(inputs[0], t), matmul(h, weight));
    const Tensor i = sigmoid(gate_of(sums, 0, units)), f = sigmoid(gate_of(sums, 1, units));
    const Tensor g = tanh(gate_of(sums, 2, units)), o = sigmoid(gate_of(sums, 3, units));
    c = add(multiply(f, c), multiply(i, g));
    h = multiply(o, tanh(c));
    if (projected) h = matmul(h, projection);
    ys[size_t(t)] = h;
    cs[size_t(t)] = c;
    gates[size_t(t)] = concat(std::vector<Tensor>{i, f, g, o}, 1);
  }
  out[0] = concat(ys, 0);
  out[1] = concat(cs, 0);
  out[2] = concat(gates, 0);
}

void infer_grad(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  const Dims &dy = inputs[0].shape(), &c = inputs[2].shape(), &first = inputs[3].shape();
  if (dy.size() != 2 || c.size() != 2 || first.size() != 2)
    raise(ErrorKind::Shape, row.name, ": dy is ", dy, ", c ", c, ", first_c ", first, ": each must have 2 dimensions");
  const Dims gates{c[0], 4 * c[1]};
  require_counts(row, attrs[0].ints(), first[0], c[0]);
  const bool projected = inputs.size() > kGradProjection;
  require_shape(row, "dy", inputs[0], {c[0], projected ? dy[1] : c[1]});
  require_shape(row, "gates", inputs[1], gates);
  require_shape(row, "first_c", inputs[3], {first[0], c[1]});
  require_shape(row, "weight", inputs[4], {4 * c[1], dy[1]});
  if (inputs.size() > 5) require_shape(row, "dc", inputs[5], c);
  if (inputs.size() > 6) require_shape(row, "dgates", inputs[6], gates);
  if (projected) require_projection(row, inputs[kGradProjection], dy[1], c[1]);
  out[0] = {gates, inputs[0].dtype()};
  out[1] = {{first[0], dy[1]}, inputs[0].dtype()};
  out[2] = {first, inputs[0].dtype()};
}

void decompose_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  const int64_t units = inputs[2].size(1);
  const Tensor befores = time.before(inputs[2], inputs[3]);
  std::vector<Tensor> dx(size_t(time.steps())), dh_left, dc_left;
  Tensor dh, carried;
  for (int64_t place = time.steps() - 1; place >= 0; --place) {
    const int64_t t = time.at(place), n = time.count(t);
    const Tensor gates = time.step(inputs[1], t);
    const Tensor i = gate_of(gates, 0, units), f = gate_of(gates, 1, units);
    const Tensor g = gate_of(gates, 2, units), o = gate_of(gates, 3, units);
    const Tensor before = time.step(befores, t), bent = tanh(time.step(inputs[2], t)), dy = time.step(inputs[0], t);
    dh = dh.defined() ? add(Sequences::leave(dh, n, dh_left), dy) : dy;
    const Tensor d = inputs.size() > kGradProjection ? matmul(dh, inputs[kGradProjection]) : dh;
    Tensor dc = multiply(multiply(d, o), one_minus(square(bent)));
    if (carried.defined()) dc = add(dc, Sequences::leave(carried, n, dc_left));
    if (inputs.size() > 5) dc = add(dc, time.step(inputs[5], t));
    Tensor each = concat(std::vector<Tensor>{multiply(dc, g), multiply(dc, before), multiply(dc, i), multiply(d, bent)}, 1);
    if (inputs.size() > 6) each = add(each, time.step(inputs[6], t));
    const Tensor slopes = concat(std::vector<Tensor>{multiply(i, one_minus(i)), multiply(f, one_minus(f)), one_minus(square(g)),
                                                     multiply(o, one_minus(o))}, 1);
    Tensor& own = dx[size_t(t)];
    own = multiply(each, slopes);
    dh = matmul(own, inputs[4]);
    carried = multiply(dc, f);
  }
  dh_left.push_back(dh);
  dc_left.push_back(carried);
  out[0] = concat(dx, 0);
  out[1] = Sequences::gather(dh_left);
  out[2] = Sequences::gather(dc_left);
}

void vjp(const Backward& b) {
  static const OpRow& row = op_named("lstm_grad");
  const Sequences time(b.attrs[0].ints(), b.attrs[1].as_bool());
  const Tensor &weight = b.input(1), &h = b.input(2), &y = b.output(0), &c = b.output(1), &gates = b.output(2);
  const bool projected = b.inputs.size() > kProjection;
  std::vector<Tensor> inputs{b.grad(0).defined() ? b.grad(0) : zeros_like(y), gates, c, b.input(3), weight};
  if (projected || b.grad(1).defined() || b.grad(2).defined())
    inputs.push_back(b.grad(1).defined() ? b.grad(1) : zeros_like(c));
  if (projected || b.grad(2).defined()) inputs.push_back(b.grad(2).defined() ? b.grad(2) : zeros_like(gates));
  if (projected) inputs.push_back(b.input(kProjection));
  const std::vector<Tensor> grads = apply_all(row, inputs, b.attrs);
  if (b.needs(0)) b.give(0, grads[0]);
  if (b.needs(1)) b.give(1, transposed_product(grads[0], time.before(y, h)));
  if (b.needs(2)) b.give(2, grads[1]);
  if (b.needs(3)) b.give(3, grads[2]);
  if (!projected || !b.needs(kProjection)) return;
  // What was projected, and the whole gradient of what came of it: the output's own and the next step's.
  const int64_t units = c.size(1);
  const Tensor hidden = multiply(gate_of(gates, 3, units), tanh(c));
  b.give(kProjection, transposed_product(add(inputs[0], time.after(matmul(grads[0], weight))), hidden));
}

std::vector<Sample> samples(bool gradient) {
  std::vector<Sample> all;
  const auto push = [&](const SequenceSample& one, int64_t given, int inputs) {
    const int64_t rows = one.rows(), n = one.n(), units = one.units;
    const SampleInput gates{{rows, 4 * units}, 0.1, 0.9}, weight{{4 * units, given}, -0.5, 0.5}, states{{rows, units}};
    const SampleInput projection{{given, units}, -0.5, 0.5};
    Sample sample{{}, {one.counts, one.reverse}};
    if (gradient) sample.inputs = {{{rows, given}}, gates, states, {{n, units}}, weight, states, {{rows, 4 * units}}, projection};
    else sample.inputs = {{{rows, 4 * units}}, weight, {{n, given}}, {{n, units}}, projection};
    sample.inputs.resize(size_t(inputs));
    all.push_back(sample);
  };
  for (const SequenceSample& one : sequence_samples()) {
    for (const int inputs : gradient ? std::vector{5, 6, 7} : std::vector{4}) push(one, one.units, inputs);
    if (one.units > 1) push(one, one.units - 1, gradient ? 8 : 5);
  }
  return all;
}

[[maybe_unused]] const OpRow& kLstm = register_op({
    .name = "lstm",
    .summary = "A long short-term memory through all steps of x, the products of its inputs: outputs, cells and gates.",
    .min_inputs = 4,
    .max_inputs = 5,
    .input_names = {"x", "weight", "h", "c", "projection"},
    .output_count = 3,
    .attrs = {kCounts, kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer,
    .decompose = decompose,
    .vjp = vjp,
    .batching = batch_sequences,
    .saves_inputs = 30,
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
    .max_inputs = 8,
    .input_names = {"dy", "gates", "c", "first_c", "weight", "dc", "dgates", "projection"},
    .output_count = 3,
    .attrs = {kCounts, kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_grad,
    .decompose = decompose_grad,
    .batching = batch_sequences,
    .autocast = Autocast::Lower,
    .ulp = ulps(64, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as lstm, from the last step to the first",
    .samples = samples(true),
});

}  // namespace

}  // namespace flambeau::ops
