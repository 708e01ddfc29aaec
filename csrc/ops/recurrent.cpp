// recurrent.cpp: gated recurrent units and Elman networks over whole sequences, from the products of their inputs on.
#include <vector>

#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/sequences.h"

namespace flambeau::ops {

namespace {

const AttrSpec kRelu{.name = "relu", .kind = FL_ATTR_BOOL, .fallback = false};
constexpr const char* kNote = "each step's sums round at the size of their terms, and their errors go on to the next";

Tensor relu(const Tensor& x) {
  static const OpRow& row = op_named("relu");
  return apply(row, {x});
}

// What both have: x (rows, gates units), weight (gates units, units) and h (n, units).
void require_inputs(const OpRow& row, Inputs inputs, Attrs attrs, int64_t gates) {
  const Dims &x = inputs[0].shape(), &h = inputs[2].shape();
  if (x.size() != 2 || h.size() != 2 || x[1] != gates * h[1])
    raise(ErrorKind::Shape, row.name, ": x is ", x, ", h ", h, ": they must be (rows of all steps, ", gates,
          " units) and (n, units)");
  require_shape(row, "weight", inputs[1], {gates * h[1], h[1]});
  require_counts(row, attrs[0].ints(), h[0], x[0]);
}

// Reset r, update z, candidate s = tanh(x_s + r m) with m the state's product and its bias: h' = s + z (h - s). Kept are
// r, z, s, m. Source: Cho and others, arXiv:1406.1078, with PyTorch's place of r.
void infer_gru(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  require_inputs(row, inputs, attrs, 3);
  const int64_t rows = inputs[0].size(0), units = inputs[2].size(1);
  if (inputs.size() > 3) require_shape(row, "bias", inputs[3], {3 * units});
  out[0] = {{rows, units}, inputs[0].dtype()};
  out[1] = {{rows, 4 * units}, inputs[0].dtype()};
}

void decompose_gru(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  const int64_t units = inputs[2].size(1);
  const Tensor weight = swap_last_two(inputs[1]);
  Tensor h;
  std::vector<Tensor> ys(size_t(time.steps())), gates = ys;
  for (int64_t place = 0; place < time.steps(); ++place) {
    const int64_t t = time.at(place);
    h = Sequences::enter(h, inputs[2], time.count(t));
    Tensor product = matmul(h, weight);
    if (inputs.size() > 3) product = add(product, inputs[3]);
    const Tensor x = time.step(inputs[0], t), m = gate_of(product, 2, units);
    const Tensor r = sigmoid(add(gate_of(x, 0, units), gate_of(product, 0, units)));
    const Tensor z = sigmoid(add(gate_of(x, 1, units), gate_of(product, 1, units)));
    const Tensor s = tanh(add(gate_of(x, 2, units), multiply(r, m)));
    h = add(s, multiply(z, subtract(h, s)));
    ys[size_t(t)] = h;
    gates[size_t(t)] = concat(std::vector<Tensor>{r, z, s, m}, 1);
  }
  out[0] = concat(ys, 0);
  out[1] = concat(gates, 0);
}

// dy, gates, y, first_h, weight, dgates? -> the gradients of x, of the state's products, of the first state
void infer_gru_grad(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  const Dims &dy = inputs[0].shape(), &first = inputs[3].shape();
  if (dy.size() != 2 || first.size() != 2)
    raise(ErrorKind::Shape, row.name, ": dy is ", dy, ", first_h ", first, ": each must have 2 dimensions");
  const Dims gates{dy[0], 4 * dy[1]}, products{dy[0], 3 * dy[1]};
  require_counts(row, attrs[0].ints(), first[0], dy[0]);
  require_shape(row, "gates", inputs[1], gates);
  require_shape(row, "y", inputs[2], dy);
  require_shape(row, "first_h", inputs[3], {first[0], dy[1]});
  require_shape(row, "weight", inputs[4], {3 * dy[1], dy[1]});
  if (inputs.size() > 5) require_shape(row, "dgates", inputs[5], gates);
  out[0] = out[1] = {products, inputs[0].dtype()};
  out[2] = {first, inputs[0].dtype()};
}

void decompose_gru_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  const int64_t units = inputs[0].size(1);
  const Tensor befores = time.before(inputs[2], inputs[3]);
  std::vector<Tensor> dx(size_t(time.steps())), dproducts = dx, left;
  Tensor dh;
  for (int64_t place = time.steps() - 1; place >= 0; --place) {
    const int64_t t = time.at(place);
    const Tensor gates = time.step(inputs[1], t), dy = time.step(inputs[0], t);
    const Tensor r = gate_of(gates, 0, units), z = gate_of(gates, 1, units);
    const Tensor s = gate_of(gates, 2, units), m = gate_of(gates, 3, units);
    dh = dh.defined() ? add(Sequences::leave(dh, time.count(t), left), dy) : dy;
    Tensor ds = multiply(dh, one_minus(z)), dz = multiply(dh, subtract(time.step(befores, t), s));
    const Tensor given = inputs.size() > 5 ? time.step(inputs[5], t) : Tensor();
    if (given.defined()) ds = add(ds, gate_of(given, 2, units));
    if (given.defined()) dz = add(dz, gate_of(given, 1, units));
    const Tensor at_s = multiply(ds, one_minus(square(s)));
    Tensor dr = multiply(at_s, m), dm = multiply(at_s, r);
    if (given.defined()) dr = add(dr, gate_of(given, 0, units));
    if (given.defined()) dm = add(dm, gate_of(given, 3, units));
    const Tensor at_r = multiply(dr, multiply(r, one_minus(r))), at_z = multiply(dz, multiply(z, one_minus(z)));
    dx[size_t(t)] = concat(std::vector<Tensor>{at_r, at_z, at_s}, 1);
    dproducts[size_t(t)] = concat(std::vector<Tensor>{at_r, at_z, dm}, 1);
    dh = add(multiply(dh, z), matmul(dproducts[size_t(t)], inputs[4]));
  }
  left.push_back(dh);
  out[0] = concat(dx, 0);
  out[1] = concat(dproducts, 0);
  out[2] = Sequences::gather(left);
}

void vjp_gru(const Backward& b) {
  static const OpRow& row = op_named("gru_grad");
  const Sequences time(b.attrs[0].ints(), b.attrs[1].as_bool());
  const Tensor &h = b.input(2), &y = b.output(0);
  std::vector<Tensor> inputs{b.grad(0).defined() ? b.grad(0) : zeros_like(y), b.output(1), y, h, b.input(1)};
  if (b.grad(1).defined()) inputs.push_back(b.grad(1));
  const std::vector<Tensor> grads = apply_all(row, inputs, b.attrs);
  if (b.needs(0)) b.give(0, grads[0]);
  if (b.needs(1)) b.give(1, transposed_product(grads[1], time.before(y, h)));
  if (b.needs(2)) b.give(2, grads[2]);
  if (b.inputs.size() > 3 && b.needs(3)) b.give(3, sum(grads[1], {0}, false));
}

// h' = tanh(x + W h), or relu.
void infer_rnn(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  require_inputs(row, inputs, attrs, 1);
  out[0] = {inputs[0].shape(), inputs[0].dtype()};
}

void decompose_rnn(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  const Tensor weight = swap_last_two(inputs[1]);
  Tensor h;
  std::vector<Tensor> ys(size_t(time.steps()));
  for (int64_t place = 0; place < time.steps(); ++place) {
    const int64_t t = time.at(place);
    h = Sequences::enter(h, inputs[2], time.count(t));
    const Tensor sums = add(time.step(inputs[0], t), matmul(h, weight));
    ys[size_t(t)] = h = attrs[2].as_bool() ? relu(sums) : tanh(sums);
  }
  out[0] = concat(ys, 0);
}

// dy, y, first_h, weight -> the gradients of x and of the first state
void infer_rnn_grad(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  const Dims &dy = inputs[0].shape(), &first = inputs[2].shape();
  if (dy.size() != 2 || first.size() != 2)
    raise(ErrorKind::Shape, row.name, ": dy is ", dy, ", first_h ", first, ": each must have 2 dimensions");
  require_counts(row, attrs[0].ints(), first[0], dy[0]);
  require_shape(row, "y", inputs[1], dy);
  require_shape(row, "first_h", inputs[2], {first[0], dy[1]});
  require_shape(row, "weight", inputs[3], {dy[1], dy[1]});
  out[0] = {dy, inputs[0].dtype()};
  out[1] = {first, inputs[0].dtype()};
}

void decompose_rnn_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const Sequences time(attrs[0].ints(), attrs[1].as_bool());
  std::vector<Tensor> dx(size_t(time.steps())), left;
  Tensor dh;
  for (int64_t place = time.steps() - 1; place >= 0; --place) {
    const int64_t t = time.at(place);
    const Tensor dy = time.step(inputs[0], t), y = time.step(inputs[1], t);
    dh = dh.defined() ? add(Sequences::leave(dh, time.count(t), left), dy) : dy;
    dx[size_t(t)] = attrs[2].as_bool() ? relu_grad(dh, y) : tanh_grad(dh, y);
    dh = matmul(dx[size_t(t)], inputs[3]);
  }
  left.push_back(dh);
  out[0] = concat(dx, 0);
  out[1] = Sequences::gather(left);
}

void vjp_rnn(const Backward& b) {
  static const OpRow& row = op_named("rnn_grad");
  const Sequences time(b.attrs[0].ints(), b.attrs[1].as_bool());
  const Tensor &h = b.input(2), &y = b.output(0);
  const std::vector<Tensor> grads = apply_all(row, std::vector<Tensor>{b.grad(0), y, h, b.input(1)}, b.attrs);
  if (b.needs(0)) b.give(0, grads[0]);
  if (b.needs(1)) b.give(1, transposed_product(grads[0], time.before(y, h)));
  if (b.needs(2)) b.give(2, grads[1]);
}

enum class Kind { Gru, GruGrad, Rnn, RnnGrad };

std::vector<Sample> samples(Kind kind) {
  std::vector<Sample> all;
  for (const SequenceSample& one : sequence_samples()) {
    const int64_t rows = one.rows(), units = one.units;
    const SampleInput states{{rows, units}}, first{{one.n(), units}}, triple{{rows, 3 * units}}, gates{{rows, 4 * units}};
    const SampleInput weight{{(kind < Kind::Rnn ? 3 : 1) * units, units}, -0.5, 0.5}, kept{{rows, 4 * units}, 0.1, 0.9};
    const std::vector<Attr> attrs{one.counts, one.reverse};
    switch (kind) {
      case Kind::Gru:
        all.push_back({{triple, weight, first}, attrs});
        all.push_back({{triple, weight, first, {{3 * units}}}, attrs});
        break;
      case Kind::GruGrad:
        all.push_back({{states, kept, states, first, weight}, attrs});
        all.push_back({{states, kept, states, first, weight, gates}, attrs});
        break;
      default:
        for (const bool relu : {false, true}) {
          Sample sample{{states, weight, first}, {one.counts, one.reverse, relu}};
          if (kind == Kind::RnnGrad) sample.inputs = {states, {{rows, units}, relu ? -2.0 : -0.9, relu ? 2.0 : 0.9}, first, weight};
          // Sums near zero have the sign of their rounding, and relu's gradient with them: here all are above or all below.
          else if (relu) {
            const SampleInput small{{units, units}, 0.0, 1.5 / double(units)}, start{{one.n(), units}, 0.1, 2.0};
            sample.inputs = {{{rows, units}, -6.0, -3.5}, small, start};
            all.push_back(sample);
            sample.inputs[0] = {{rows, units}, 0.1, 2.0};
          }
          all.push_back(sample);
        }
    }
  }
  return all;
}

[[maybe_unused]] const OpRow& kGru = register_op({
    .name = "gru",
    .summary = "Gated recurrent units through all steps of x, the products of their inputs: outputs and gates.",
    .min_inputs = 3,
    .max_inputs = 4,
    .input_names = {"x", "weight", "h", "bias"},
    .output_count = 2,
    .attrs = {kCounts, kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_gru,
    .decompose = decompose_gru,
    .vjp = vjp_gru,
    .batching = batch_sequences,
    .saves_inputs = 6,
    .saves_outputs = 3,
    .autocast = Autocast::Lower,
    .ulp = ulps(32, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = kNote,
    .samples = samples(Kind::Gru),
});

[[maybe_unused]] const OpRow& kGruGrad = register_op({
    .name = "gru_grad",
    .summary = "The gradients of gru for x, for the products of its states, and for the first state.",
    .min_inputs = 5,
    .max_inputs = 6,
    .input_names = {"dy", "gates", "y", "first_h", "weight", "dgates"},
    .output_count = 3,
    .attrs = {kCounts, kReverse},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_gru_grad,
    .decompose = decompose_gru_grad,
    .batching = batch_sequences,
    .autocast = Autocast::Lower,
    .ulp = ulps(64, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as gru, from the last step to the first",
    .samples = samples(Kind::GruGrad),
});

[[maybe_unused]] const OpRow& kRnn = register_op({
    .name = "rnn",
    .summary = "An Elman network through all steps of x, the products of its inputs: tanh or relu of x and the state's product.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"x", "weight", "h"},
    .attrs = {kCounts, kReverse, kRelu},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rnn,
    .decompose = decompose_rnn,
    .vjp = vjp_rnn,
    .batching = batch_sequences,
    .saves_inputs = 6,
    .saves_outputs = 1,
    .autocast = Autocast::Lower,
    .ulp = ulps(32, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = kNote,
    .samples = samples(Kind::Rnn),
});

[[maybe_unused]] const OpRow& kRnnGrad = register_op({
    .name = "rnn_grad",
    .summary = "The gradients of rnn for x and its first state.",
    .min_inputs = 4,
    .max_inputs = 4,
    .input_names = {"dy", "y", "first_h", "weight"},
    .output_count = 2,
    .attrs = {kCounts, kReverse, kRelu},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rnn_grad,
    .decompose = decompose_rnn_grad,
    .batching = batch_sequences,
    .autocast = Autocast::Lower,
    .ulp = ulps(64, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as rnn, from the last step to the first",
    .samples = samples(Kind::RnnGrad),
});

}  // namespace

}  // namespace flambeau::ops
