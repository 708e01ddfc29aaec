// elementwise_unary.cpp: ops of one tensor, element by element, and the gradients that have a kernel of their own.
#include <cmath>
#include <numbers>

#include "core/registry.h"
#include "core/reuse.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

constexpr double kGeluScale = 2 * std::numbers::inv_sqrtpi / std::numbers::sqrt2;  // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;

const OpRow& kNegative = register_op({
    .name = "negative",
    .summary = "-x, element by element.",
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) { b.give(0, last_negative(b.grad())); },
    .ulp_note = "only the sign changes",
    .samples = unary_samples(-2, 2),
});

const OpRow& kAbs = register_op({
    .name = "abs",
    .summary = "The magnitude of x; the most negative integer stays as it is. The gradient at 0 is 0.",
    .pointwise = true,
    .dtypes = kNumeric,
    .result = [](DType x, Attrs) { return real_of(x); },
    .vjp = [](const Backward& b) { b.give(0, multiply(b.grad(), sign(b.input(0)))); },
    .saves_inputs = 1,
    .ulp = ulps(0, 0, 0, 2, 2),
    .ulp_note = "only the sign changes; of a complex number a hypotenuse",
    .samples = unary_samples(-2, 2),
});

const OpRow& kSign = register_op({
    .name = "sign",
    .summary = "-1, 0 or 1, of a complex number x / |x|; NaN stays NaN.",
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) {
      const Tensor& y = b.output();
      if (!is_complex(y.dtype())) return;
      // Along y nothing changes; across it the direction turns by 1 / |x|.
      const Tensor size = abs(b.input(0));
      const Tensor across = subtract(b.grad(), multiply(y, real(multiply(conj(y), b.grad()))));
      const Tensor zero = constant(0, size);
      b.give(0, where(equal(size, zero), constant(0, across), divide(across, where(equal(size, zero), constant(1, size), size))));
    },
    .saves_inputs = 1,
    .saves_outputs = 1,
    .ulp = ulps(0, 0, 0, 4, 4),
    .ulp_note = "three exact values; a complex number is divided by its magnitude",
    .samples = unary_samples(-2, 2),
});

const OpRow& kFloor = register_op({
    .name = "floor",
    .summary = "The largest whole number that is not above x.",
    .pointwise = true,
    .dtypes = kNumbers,
    .vjp = zero_vjp,
    .ulp_note = "a whole number of the same type is exact",
    .samples = unary_samples(-4, 4),
});

const OpRow& kSquare = register_op({
    .name = "square",
    .summary = "x times x.",
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) { b.give(0, multiply(b.grad(), conj(multiply(b.input(0), 2.0)))); },
    .saves_inputs = 1,
    .ulp = ulps(0, 0, 0, 3, 3),
    .ulp_note = "IEEE 754 rounds a product correctly; float16 through float32 too",
    .samples = unary_samples(-2, 2),
});

const OpRow& kSqrt = register_op({
    .name = "sqrt",
    .summary = "The square root; NaN below zero.",
    .pointwise = true,
    .dtypes = kInexact,
    .vjp = [](const Backward& b) { b.give(0, divide(multiply(b.grad(), 0.5), conj(b.output()))); },
    .saves_outputs = 1,
    .ulp = ulps(1, 3, 0, 8, 8),
    .ulp_note = "correctly rounded on CPUs; WGSL allows 1 / inverseSqrt in float32",
    .samples = unary_samples(0.01, 4),
});

const OpRow& kExp = register_op({
    .name = "exp",
    .summary = "e to the power x.",
    .pointwise = true,
    .dtypes = kInexact,
    .vjp = [](const Backward& b) { b.give(0, last_multiply(b.grad(), conj(b.output()))); },
    .saves_outputs = 1,
    .ulp = ulps(1, 4, 2, 8, 8),
    .ulp_note = "polynomial kernels reach 1; GPUs compute exp2(x log2 e), whose argument is rounded",
    .samples = unary_samples(-4, 4),
});

const OpRow& kLog = register_op({
    .name = "log",
    .summary = "The natural logarithm; -inf at zero, NaN below.",
    .pointwise = true,
    .dtypes = kInexact,
    .vjp = [](const Backward& b) { b.give(0, divide(b.grad(), conj(b.input(0)))); },
    .saves_inputs = 1,
    .ulp = ulps(1, 4, 2, 8, 8),
    .ulp_note = "polynomial kernels reach 1; 4 leaves room for log2(x) ln 2",
    .samples = unary_samples(0.01, 8),
});

const OpRow& kTanh = register_op({
    .name = "tanh",
    .summary = "The hyperbolic tangent.",
    .pointwise = true,
    .dtypes = kInexact,
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("tanh_grad");
      const Tensor& y = b.output();
      b.give(0, is_complex(y.dtype()) ? multiply(b.grad(), conj(subtract(1, square(y)))) : last_use(row, b.grad(), y));
    },
    .saves_outputs = 1,
    .ulp = ulps(1, 4, 3, 8, 8),
    .ulp_note = "an expm1-like polynomial near 0 and one division elsewhere",
    .samples = unary_samples(-4, 4),
});

const OpRow& kSigmoid = register_op({
    .name = "sigmoid",
    .summary = "1 / (1 + exp(-x)).",
    .pointwise = true,
    .dtypes = kFloats,
    .public_name = false,
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("sigmoid_grad");
      b.give(0, last_use(row, b.grad(), b.output()));
    },
    .saves_outputs = 1,
    .ulp = ulps(1, 4, 3),
    .ulp_note = "an exp within 2, a sum and a division",
    .samples = unary_samples(-4, 4),
});

const OpRow& kRelu = register_op({
    .name = "relu",
    .summary = "x where it is above zero, else 0; NaN stays NaN.",
    .pointwise = true,
    .dtypes = kNumbers,
    .public_name = false,
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("relu_grad");
      b.give(0, last_use(row, b.grad(), b.output()));
    },
    .saves_outputs = 1,
    .ulp_note = "a choice between exact values",
    .samples = unary_samples(-2, 2),
});

const OpRow& kGelu = register_op({
    .name = "gelu",
    .summary = "x times the normal distribution function of x; `approximate` takes its tanh form.",
    .attrs = {{.name = "approximate", .kind = FL_ATTR_BOOL, .fallback = false}},
    .pointwise = true,
    .dtypes = kFloats,
    .public_name = false,
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("gelu_grad");
      b.give(0, last_use(row, b.grad(), b.input(0), b.attrs));
    },
    .saves_inputs = 1,
    .ulp = ulps(1, 4, 4),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "1 + erf(x) cancels for negative x: counted at x, not at the small result",
    .samples = [] {
      std::vector<Sample> samples = unary_samples(-4, 4, {false});
      for (Sample& sample : unary_samples(-4, 4, {true})) samples.push_back(std::move(sample));
      return samples;
    }(),
});

DType bool_of(DType, Attrs) { return DType::Bool; }

const OpRow& kIsNan = register_op({
    .name = "isnan",
    .summary = "Whether each element is NaN.",
    .pointwise = true,
    .dtypes = kNumeric,
    .result = bool_of,
    .ulp_note = "a truth value",
    .samples = unary_samples(-2, 2),
});

const OpRow& kIsFinite = register_op({
    .name = "isfinite",
    .summary = "Whether each element is neither infinite nor NaN.",
    .pointwise = true,
    .dtypes = kNumeric,
    .result = bool_of,
    .ulp_note = "a truth value",
    .samples = unary_samples(-2, 2),
});

const OpRow& kLogicalNot = register_op({
    .name = "logical_not",
    .summary = "True where x is false.",
    .pointwise = true,
    .dtypes = kBools,
    .ulp_note = "a truth value",
    .samples = unary_samples(0, 2),
});

// ---- gradients ----

const OpRow& kReluGrad = register_op({
    .name = "relu_grad",
    .summary = "The gradient of relu: g where y = relu(x) is not 0.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "y"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs x, Attrs, std::span<Tensor> out) {
      Tensor zero = constant(0, x[0]);
      out[0] = where(less_equal(x[1], constant(0, x[1])), zero, x[0]);
    },
    .vjp = [](const Backward& b) { b.give(0, relu_grad(b.grad(), b.input(1))); },
    .differentiable = 1,
    .saves_inputs = 2,
    .ulp_note = "a choice between exact values",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

const OpRow& kTanhGrad = register_op({
    .name = "tanh_grad",
    .summary = "The gradient of tanh: g (1 - y y) with y = tanh(x).",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "y"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs x, Attrs, std::span<Tensor> out) {
      out[0] = multiply(x[0], subtract(1, multiply(x[1], x[1])));
    },
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, tanh_grad(b.grad(), b.input(1)));
      if (b.needs(1)) b.give(1, multiply(multiply(b.grad(), b.input(0)), multiply(b.input(1), -2.0)));
    },
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b11}>,
    .ulp = ulps(4, 4, 4),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "1 - y y cancels near y = 1: two roundings at the size of g",
    .samples = binary_samples({-2, 2}, {-0.95, 0.95}),
});

const OpRow& kSigmoidGrad = register_op({
    .name = "sigmoid_grad",
    .summary = "The gradient of sigmoid: g y (1 - y) with y = sigmoid(x).",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "y"},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs x, Attrs, std::span<Tensor> out) {
      out[0] = multiply(x[0], multiply(subtract(1, x[1]), x[1]));
    },
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, sigmoid_grad(b.grad(), b.input(1)));
      if (b.needs(1)) {
        b.give(1, multiply(multiply(b.grad(), b.input(0)), subtract(1, multiply(b.input(1), 2.0))));
      }
    },
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b11}>,
    .ulp = ulps(4, 4, 4),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "1 - y cancels near y = 1: three roundings at the size of g",
    .samples = binary_samples({-2, 2}, {0.05, 0.95}),
});

// The inside of the tanh form: u = k (x + c x^3) with its first derivative, and tanh(u).
struct GeluTanh {
  explicit GeluTanh(const Tensor& x) {
    Tensor squared = multiply(x, x);
    Tensor inner = multiply(multiply(x, add(multiply(squared, kGeluCubic), 1)), kGeluScale);
    slope = multiply(add(multiply(squared, 3 * kGeluCubic), 1), kGeluScale);
    tanh = ops::tanh(inner);
    rest = subtract(1, multiply(tanh, tanh));
  }
  Tensor slope;
  Tensor tanh;
  Tensor rest;  // 1 - tanh(u)^2
};

Tensor normal_density(const Tensor& x) {
  return multiply(exp(multiply(multiply(x, x), -0.5)), std::numbers::inv_sqrtpi / std::numbers::sqrt2);
}

Tensor gelu_slope(const Tensor& x, bool approximate) {
  if (approximate) {
    GeluTanh form(x);
    Tensor share = multiply(add(form.tanh, 1), 0.5);
    return add(share, multiply(multiply(multiply(x, 0.5), form.rest), form.slope));
  }
  // The distribution function is gelu(x) / x, and 1/2 at 0.
  Tensor zero = equal(x, constant(0, x));
  Tensor share = divide(gelu(x, false), where(zero, constant(1, x), x));
  return add(where(zero, constant(0.5, x), share), multiply(x, normal_density(x)));
}

Tensor gelu_curvature(const Tensor& x, bool approximate) {
  if (!approximate) return multiply(normal_density(x), subtract(2, multiply(x, x)));
  GeluTanh form(x);
  Tensor bend = subtract(multiply(x, 6 * kGeluScale * kGeluCubic),
                         multiply(multiply(form.tanh, multiply(form.slope, form.slope)), 2.0));
  return multiply(form.rest, add(form.slope, multiply(multiply(x, 0.5), bend)));
}

const OpRow& kGeluGrad = register_op({
    .name = "gelu_grad",
    .summary = "The gradient of gelu at x.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "x"},
    .attrs = {{.name = "approximate", .kind = FL_ATTR_BOOL, .fallback = false}},
    .pointwise = true,
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .decompose = [](const OpRow&, Inputs x, Attrs attrs, std::span<Tensor> out) {
      out[0] = multiply(x[0], gelu_slope(x[1], attrs[0].as_bool()));
    },
    .vjp = [](const Backward& b) {
      bool approximate = b.attrs[0].as_bool();
      if (b.needs(0)) b.give(0, gelu_grad(b.grad(), b.input(1), approximate));
      if (b.needs(1)) b.give(1, multiply(multiply(b.grad(), b.input(0)), gelu_curvature(b.input(1), approximate)));
    },
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b11}>,
    .ulp = ulps(4, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the slope has a zero near x = -0.75: a dozen roundings at the size of x and g",
    .samples = [] {
      std::vector<Sample> samples = binary_samples({-2, 2}, {-4, 4}, {false});
      for (Sample& sample : binary_samples({-2, 2}, {-4, 4}, {true})) samples.push_back(std::move(sample));
      return samples;
    }(),
});

}  // namespace

Tensor last_use(const OpRow& row, const Tensor& g, const Tensor& saved, Attrs attrs) {
  const Tensor both[] = {g, saved};
  return apply_over(row, both, attrs, 1, 2);  // held by the walk, and here
}
Tensor last_negative(const Tensor& g) { return apply_over(kNegative, {&g, 1}, {}, 1, 1); }
Tensor negative(const Tensor& x) { return apply(kNegative, {x}); }
Tensor abs(const Tensor& x) { return apply(kAbs, {x}); }
Tensor sign(const Tensor& x) { return apply(kSign, {x}); }
Tensor square(const Tensor& x) { return apply(kSquare, {x}); }
Tensor exp(const Tensor& x) { return apply(kExp, {x}); }
Tensor log(const Tensor& x) { return apply(kLog, {x}); }
Tensor tanh(const Tensor& x) { return apply(kTanh, {x}); }
Tensor gelu(const Tensor& x, bool approximate) { return apply(kGelu, {x}, {approximate}); }
Tensor relu_grad(const Tensor& g, const Tensor& y) { return apply(kReluGrad, {g, y}); }
Tensor tanh_grad(const Tensor& g, const Tensor& y) { return apply(kTanhGrad, {g, y}); }
Tensor sigmoid_grad(const Tensor& g, const Tensor& y) { return apply(kSigmoidGrad, {g, y}); }
Tensor gelu_grad(const Tensor& g, const Tensor& x, bool approximate) {
  return apply(kGeluGrad, {g, x}, {approximate});
}

}  // namespace flambeau::ops
