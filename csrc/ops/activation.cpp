// activation.cpp: activations that have constants of their own, and clip. Each is two rows, the function and its gradient;
// a backend may claim both, and formulas of other ops stand for what it leaves.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/sequences.h"

namespace flambeau::ops {

namespace {

Tensor call(const char* name, const Tensor& x) { return apply(op_named(name), {x}); }
Tensor expm1(const Tensor& x) { return call("expm1", x); }
Tensor log1p(const Tensor& x) { return call("log1p", x); }
Tensor zeros_of(const Tensor& x) { return constant(0, x); }
Tensor positive(const Tensor& x) { return less(zeros_of(x), x); }
Tensor at_most(const Tensor& x, double bound) { return less_equal(x, constant(bound, x)); }
Tensor at_least(const Tensor& x, double bound) { return greater_equal(x, constant(bound, x)); }
double number(Attrs attrs, size_t i) { return attrs[i].as_float(); }
// log(1 + exp(x)); the larger of x and 0 comes out of the logarithm, so that nothing overflows.
Tensor soft_positive(const Tensor& x) {
  return add(apply(op_named("maximum"), {x, zeros_of(x)}), log1p(exp(negative(abs(x)))));
}

// A function by its value and its gradient g f'(x), each as other ops.
struct Activation {
  const char *name, *summary, *gradient_name, *gradient_summary;
  std::vector<AttrSpec> attrs;
  std::vector<Attr> sample;  // attributes of the samples
  DecomposeFn value, gradient;
  VjpFn vjp;
  float single, gradient_single;  // bounds in float32 and float64
};

const OpRow& activation(const Activation& f) {
  const float half = f.single > 0 ? 1.0f : 0.0f, gradient_half = f.gradient_single > 0 ? 4.0f : 0.0f;
  register_op({
      .name = f.gradient_name,
      .summary = f.gradient_summary,
      .min_inputs = 2,
      .max_inputs = 2,
      .input_names = {"g", "x"},
      .attrs = f.attrs,
      .pointwise = true,
      .dtypes = kFloats,
      .composite = true,
      .public_name = false,
      .decompose = f.gradient,
      .ulp = ulps(gradient_half, f.gradient_single, f.gradient_single),
      .ulp_at = UlpAt::Largest,
      .ulp_note = "a handful of roundings at the size of g and x",
      .samples = binary_samples({-2, 2}, {-4, 4}, f.sample),
  });
  return register_op({
      .name = f.name,
      .summary = f.summary,
      .attrs = f.attrs,
      .pointwise = true,
      .dtypes = kFloats,
      .composite = true,
      .public_name = false,
      .decompose = f.value,
      .vjp = f.vjp,
      .saves_inputs = 1,
      .ulp = ulps(half, f.single, f.single),
      .ulp_at = f.single > 8 ? UlpAt::Largest : UlpAt::Result,
      .ulp_note = f.single > 0 ? "a few functions in a row, each within 2" : "a choice between exact values",
      .samples = unary_samples(-4, 4, f.sample),
  });
}

AttrSpec real_attr(const char* name, double fallback) { return {.name = name, .kind = FL_ATTR_FLOAT, .fallback = fallback}; }

#define FL_GRADIENT_BY(name)                              \
  [](const Backward& b) {                                 \
    static const OpRow& row = op_named(name);             \
    b.give(0, last_use(row, b.grad(), b.input(0), b.attrs)); \
  }
#define FL_VALUE(expression)                                              \
  [](const OpRow&, Inputs inputs, [[maybe_unused]] Attrs attrs, std::span<Tensor> out) { \
    const Tensor& x = inputs[0];                                          \
    out[0] = expression;                                                  \
  }
#define FL_GRADIENT(expression)                                           \
  [](const OpRow&, Inputs inputs, [[maybe_unused]] Attrs attrs, std::span<Tensor> out) { \
    const Tensor &g = inputs[0], &x = inputs[1];                          \
    out[0] = expression;                                                  \
  }

[[maybe_unused]] const OpRow& kClip = activation({
    "clip_to", "x, not below `low` and not above `high`; NaN stays NaN.",
    "clip_to_grad", "The gradient of clip_to: g where x is not outside the bounds.",
    {real_attr("low", -1), real_attr("high", 1)}, {-1.0, 1.5},
    FL_VALUE(where(less(constant(number(attrs, 1), x), x), constant(number(attrs, 1), x),
                   where(less(x, constant(number(attrs, 0), x)), constant(number(attrs, 0), x), x))),
    FL_GRADIENT(where(less(x, constant(number(attrs, 0), x)), zeros_of(g),
                      where(less(constant(number(attrs, 1), x), x), zeros_of(g), g))),
    FL_GRADIENT_BY("clip_to_grad"), 0, 0});

[[maybe_unused]] const OpRow& kHardtanh = activation({
    "hardtanh", "x between two bounds; NaN stays NaN. The gradient is 0 at the bounds and beyond.",
    "hardtanh_grad", "The gradient of hardtanh: g where x is inside the bounds.",
    {real_attr("low", -1), real_attr("high", 1)}, {-1.0, 1.5},
    FL_VALUE(where(at_most(x, number(attrs, 0)), constant(number(attrs, 0), x),
                   where(at_least(x, number(attrs, 1)), constant(number(attrs, 1), x), x))),
    FL_GRADIENT(where(at_most(x, number(attrs, 0)), zeros_of(g), where(at_least(x, number(attrs, 1)), zeros_of(g), g))),
    FL_GRADIENT_BY("hardtanh_grad"), 0, 0});

[[maybe_unused]] const OpRow& kLeakyRelu = activation({
    "leaky_relu", "x, times `slope` where it is not positive.",
    "leaky_relu_grad", "The gradient of leaky_relu at x.",
    {real_attr("slope", 0.01)}, {0.1},
    FL_VALUE(where(positive(x), x, multiply(x, number(attrs, 0)))),
    FL_GRADIENT(where(positive(x), g, multiply(g, number(attrs, 0)))),
    FL_GRADIENT_BY("leaky_relu_grad"), 1, 1});

[[maybe_unused]] const OpRow& kElu = activation({
    "elu", "scale x, and scale alpha (exp(inner x) - 1) where x is not positive: elu, celu and selu.",
    "elu_grad", "The gradient of elu at x.",
    {real_attr("alpha", 1), real_attr("scale", 1), real_attr("inner", 1)}, {1.25, 1.5, 0.5},
    FL_VALUE(where(positive(x), multiply(x, number(attrs, 1)),
                   multiply(expm1(multiply(where(positive(x), zeros_of(x), x), number(attrs, 2))), number(attrs, 0) * number(attrs, 1)))),
    FL_GRADIENT(where(positive(x), multiply(g, number(attrs, 1)),
                      multiply(multiply(g, exp(multiply(where(positive(x), zeros_of(x), x), number(attrs, 2)))),
                               number(attrs, 0) * number(attrs, 1) * number(attrs, 2)))),
    FL_GRADIENT_BY("elu_grad"), 8, 8});

[[maybe_unused]] const OpRow& kSoftplus = activation({
    "softplus", "log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold.",
    "softplus_grad", "The gradient of softplus at x.",
    {real_attr("beta", 1), real_attr("threshold", 20)}, {1.5, 3.0},
    FL_VALUE(where(less(constant(number(attrs, 1), x), multiply(x, number(attrs, 0))), x,
                   divide(soft_positive(multiply(x, number(attrs, 0))), number(attrs, 0)))),
    FL_GRADIENT(where(less(constant(number(attrs, 1), x), multiply(x, number(attrs, 0))), g,
                      multiply(g, sigmoid(multiply(x, number(attrs, 0)))))),
    FL_GRADIENT_BY("softplus_grad"), 8, 8});

[[maybe_unused]] const OpRow& kLogSigmoid = activation({
    "log_sigmoid", "The logarithm of sigmoid(x), without overflow.",
    "log_sigmoid_grad", "The gradient of log_sigmoid at x.",
    {}, {},
    FL_VALUE(negative(soft_positive(negative(x)))),
    FL_GRADIENT(multiply(g, sigmoid(negative(x)))),
    FL_GRADIENT_BY("log_sigmoid_grad"), 4, 8});

[[maybe_unused]] const OpRow& kSilu = activation({
    "silu", "x times its sigmoid.",
    "silu_grad", "The gradient of silu at x.",
    {}, {},
    FL_VALUE(multiply(x, sigmoid(x))),
    FL_GRADIENT(multiply(g, multiply(sigmoid(x), add(multiply(x, sigmoid(negative(x))), 1)))),
    FL_GRADIENT_BY("silu_grad"), 4, 16});

[[maybe_unused]] const OpRow& kMish = activation({
    "mish", "x times tanh(softplus(x)).",
    "mish_grad", "The gradient of mish at x.",
    {}, {},
    FL_VALUE(multiply(x, tanh(soft_positive(x)))),
    [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      const Tensor x = where(at_most(inputs[1], -1000), constant(-1000, inputs[1]),  // infinities times 0 come to nothing
                             where(at_least(inputs[1], 1000), constant(1000, inputs[1]), inputs[1]));
      const Tensor t = tanh(soft_positive(x));
      out[0] = multiply(inputs[0], add(t, multiply(multiply(x, sigmoid(x)), multiply(subtract(1, t), add(t, 1)))));
    },
    FL_GRADIENT_BY("mish_grad"), 16, 16});

[[maybe_unused]] const OpRow& kHardsigmoid = activation({
    "hardsigmoid", "x / 6 + 1/2 between 0 and 1; NaN stays NaN.",
    "hardsigmoid_grad", "The gradient of hardsigmoid: g / 6 where |x| is below 3.",
    {}, {},
    FL_VALUE(where(at_most(x, -3), zeros_of(x), where(at_least(x, 3), constant(1, x), divide(add(x, 3), 6)))),
    FL_GRADIENT(where(less(abs(x), constant(3, x)), divide(g, 6), zeros_of(g))),
    FL_GRADIENT_BY("hardsigmoid_grad"), 2, 2});

[[maybe_unused]] const OpRow& kHardswish = activation({
    "hardswish", "x times hardsigmoid(x).",
    "hardswish_grad", "The gradient of hardswish at x.",
    {}, {},
    FL_VALUE(multiply(x, call("hardsigmoid", x))),
    FL_GRADIENT(where(at_most(x, -3), zeros_of(g), where(at_least(x, 3), g, multiply(g, divide(add(add(x, x), 3), 6))))),
    FL_GRADIENT_BY("hardswish_grad"), 4, 4});

[[maybe_unused]] const OpRow& kHardshrink = activation({
    "hardshrink", "x, and 0 within `bound` of 0.",
    "hardshrink_grad", "The gradient of hardshrink and softshrink: g where x is not within `bound` of 0.",
    {real_attr("bound", 0.5)}, {0.75},
    FL_VALUE(where(at_most(abs(x), number(attrs, 0)), zeros_of(x), x)),
    FL_GRADIENT(where(at_most(abs(x), number(attrs, 0)), zeros_of(g), g)),
    FL_GRADIENT_BY("hardshrink_grad"), 0, 0});

// x between -delta and delta.
Tensor bounded(const Tensor& x, Attrs attrs) {
  return apply(op_named("clip_to"), {x}, {-number(attrs, 0), number(attrs, 0)});
}
[[maybe_unused]] const OpRow& kHuber = activation({
    "huber", "Half the square of x up to a size of `delta`, and delta times (|x| - delta / 2) beyond.",
    "huber_grad", "The gradient of huber: g times x, which goes no farther from 0 than delta.",
    {real_attr("delta", 1)}, {1.5},
    FL_VALUE(multiply(bounded(x, attrs), subtract(x, multiply(bounded(x, attrs), 0.5)))),
    FL_GRADIENT(multiply(g, bounded(x, attrs))),
    FL_GRADIENT_BY("huber_grad"), 4, 4});

[[maybe_unused]] const OpRow& kThreshold = activation({
    "threshold", "x where it is above the threshold, and `value` elsewhere; NaN stays NaN.",
    "threshold_grad", "The gradient of threshold: g where x is above it.",
    {real_attr("threshold", 0), real_attr("value", 0)}, {0.75, -0.5},
    FL_VALUE(where(at_most(x, number(attrs, 0)), constant(number(attrs, 1), x), x)),
    FL_GRADIENT(where(at_most(x, number(attrs, 0)), zeros_of(g), g)),
    FL_GRADIENT_BY("threshold_grad"), 0, 0});

const OpRow& kPreluGrad = register_op({
    .name = "prelu_grad",
    .summary = "The gradient of prelu for x: g, times `slope` where x is not positive.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"g", "x", "slope"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      out[0] = where(positive(inputs[1]), inputs[0], multiply(inputs[0], inputs[2]));
    },
    .ulp_note = "one product",
    .samples = {{{{{}}, {{}}, {{}}}}, {{{{3, 4}}, {{3, 4}}, {{}}}}, {{{{0, 4}}, {{1, 4}}, {{}}}}, {{{{2, 3, 5}}, {{2, 3, 5}}, {{3, 1}}}},
                {{{{1037}}, {{1037}}, {{1037}}}}},
});

const OpRow& kPreluSlopeGrad = register_op({
    .name = "prelu_slope_grad",
    .summary = "The gradient of prelu for its slope: g x where x is not positive, and 0.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "x"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = FL_GRADIENT(where(positive(x), zeros_of(g), multiply(g, x))),
    .ulp_note = "one product",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

[[maybe_unused]] const OpRow& kPrelu = register_op({
    .name = "prelu",
    .summary = "x, times `slope` where it is not positive.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x", "slope"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      out[0] = where(positive(inputs[0]), inputs[0], multiply(inputs[0], inputs[1]));
    },
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, apply(kPreluGrad, {b.grad(), b.input(0), b.input(1)}));
      if (b.needs(1)) b.give(1, apply(kPreluSlopeGrad, {b.grad(), b.input(0)}));
    },
    .saves_inputs = 3,
    .ulp_note = "one product",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

[[maybe_unused]] const OpRow& kSoftshrink = register_op({
    .name = "softshrink",
    .summary = "x, nearer to 0 by `bound`, and 0 within it; NaN stays NaN.",
    .attrs = {real_attr("bound", 0.5)},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = FL_VALUE(where(at_most(abs(x), number(attrs, 0)), zeros_of(x),
                                where(less(x, zeros_of(x)), add(x, number(attrs, 0)), add(x, -number(attrs, 0))))),
    .vjp = FL_GRADIENT_BY("hardshrink_grad"),
    .saves_inputs = 1,
    .ulp = ulps(1, 1, 1),
    .ulp_note = "one sum",
    .samples = unary_samples(-4, 4, {0.75}),
});

}  // namespace

}  // namespace flambeau::ops
