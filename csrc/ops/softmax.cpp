// softmax.cpp: softmax and its logarithm along an axis, with their gradients.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

void infer(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  for (const Tensor& x : inputs) {
    if (!is_float(x.dtype())) {
      raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), ": probabilities need floats; cast it to float32");
    }
    if (x.shape() != inputs[0].shape()) {
      raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", y is ", x.shape(), ": they must be equal");
    }
  }
  out[0] = {inputs[0].shape(), inputs[0].dtype()};
}

// A number without dimensions is a line of its own: its axis is 0.
void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  attrs[0] = normal_axis(row.name, attrs[0].as_int(), inputs[0].ndim() == 0 ? 1 : inputs[0].ndim());
}

Dims line_axes(const Tensor& x, Attrs attrs) { return x.ndim() == 0 ? Dims{} : Dims{attrs[0].as_int()}; }

// x - max: exp() of it cannot overflow. The maximum is a constant shift, so no gradient goes through it.
Tensor shifted(const Tensor& x, const Dims& axes) {
  if (x.count() == 0) return x;
  Tensor top;
  {
    NoGrad off;
    top = max(x, axes, true);
  }
  return subtract(x, top);
}

const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT, .fallback = -1};
const std::vector<Sample> kSamples = {{{{{}}}, {0}},        {{{{5}}}, {0}},    {{{{3, 4}}}, {1}}, {{{{3, 4}}}, {0}},
                                      {{{{2, 3, 4}}}, {1}}, {{{{0, 3}}}, {1}}, {{{{3, 0}}}, {1}}, {{{{7, 130}, -8, 8}}, {1}}};

std::vector<Sample> gradient_samples(Range y) {
  std::vector<Sample> samples = kSamples;
  for (Sample& sample : samples) {
    SampleInput g = sample.inputs[0];
    sample.inputs = {{g.shape, -2, 2}, {g.shape, y.low, y.high}};
  }
  return samples;
}

[[maybe_unused]] const OpRow& kSoftmax = register_op({
    .name = "softmax",
    .summary = "exp(x) over its sum along an axis.",
    .attrs = {kAxis},
    .composite = true,
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Dims axes = line_axes(inputs[0], attrs);
      Tensor raised = exp(shifted(inputs[0], axes));
      out[0] = divide(raised, sum(raised, axes, true));
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("softmax_grad");
      b.give(0, apply(row, {b.grad(), b.output()}, {b.attrs[0]}));
    },
    .batching = batch_axis,
    .saves_outputs = 1,
    .ulp = ulps(8, 16, 16),
    .ulp_note = "x - max rounds at the size of x, which exp() turns into a relative error",
    .samples = kSamples,
});

const OpRow& kLogSoftmax = register_op({
    .name = "log_softmax",
    .summary = "The logarithm of softmax along an axis, without overflow.",
    .attrs = {kAxis},
    .composite = true,
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Dims axes = line_axes(inputs[0], attrs);
      Tensor low = shifted(inputs[0], axes);
      out[0] = subtract(low, log(sum(exp(low), axes, true)));
    },
    .vjp = [](const Backward& b) { b.give(0, log_softmax_grad(b.grad(), b.output(), b.attrs[0].as_int())); },
    .batching = batch_axis,
    .saves_outputs = 1,
    .ulp = ulps(8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "two differences at the size of x",
    .samples = kSamples,
});

// Differentiated through the decompositions.
[[maybe_unused]] const OpRow& kSoftmaxGrad = register_op({
    .name = "softmax_grad",
    .summary = "The gradient of softmax: y (g - sum(g y)) with y = softmax(x).",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "y"},
    .attrs = {kAxis},
    .composite = true,
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor product = multiply(inputs[0], inputs[1]);
      Tensor total = sum(product, line_axes(inputs[0], attrs), true);
      out[0] = multiply(inputs[1], subtract(inputs[0], total));
    },
    .batching = batch_axis,
    .ulp = ulps(8, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a sum and a difference at the size of g; a decomposition rounds 16-bit floats each time",
    .samples = gradient_samples({0, 0.3}),
});

const OpRow& kLogSoftmaxGrad = register_op({
    .name = "log_softmax_grad",
    .summary = "The gradient of log_softmax: g - exp(y) sum(g) with y = log_softmax(x).",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "y"},
    .attrs = {kAxis},
    .composite = true,
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor total = sum(inputs[0], line_axes(inputs[0], attrs), true);
      out[0] = subtract(inputs[0], multiply(exp(inputs[1]), total));
    },
    .batching = batch_axis,
    .ulp = ulps(8, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a sum and a difference at the size of g; a decomposition rounds 16-bit floats each time",
    .samples = gradient_samples({-5, -0.5}),
});

}  // namespace

Tensor log_softmax(const Tensor& x, int64_t axis) { return apply(kLogSoftmax, {x}, {axis}); }
Tensor log_softmax_grad(const Tensor& g, const Tensor& y, int64_t axis) {
  return apply(kLogSoftmaxGrad, {g, y}, {axis});
}

}  // namespace flambeau::ops
