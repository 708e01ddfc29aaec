// elementwise_functions.cpp: the functions of analysis, element by element, for real and complex numbers. Gradients of
// complex functions are g times the conjugate of the derivative, PyTorch's convention.
#include <algorithm>
#include <complex>
#include <numbers>

#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

struct Function {
  const char* name;
  const char* summary;
  VjpFn vjp;
  double low, high;  // where samples are drawn
  std::array<float, kDTypeCount> ulp;
  bool saves_output = false;
  DTypeSet dtypes = kInexact;
};

const OpRow& function(const Function& f) {
  return register_op({
      .name = f.name,
      .summary = f.summary,
      .pointwise = true,
      .dtypes = f.dtypes,
      .vjp = f.vjp,
      .saves_inputs = f.saves_output ? 0u : 1u,
      .saves_outputs = f.saves_output ? 1u : 0u,
      .ulp = f.ulp,
      .ulp_note = "the host's mathematical library is within 2; of complex numbers several functions are combined",
      .samples = unary_samples(f.low, f.high),
  });
}

constexpr auto kBound = ulps(1, 4, 4, 8, 8);

// Rows that a derivative needs and that stand below, or in another file.
template <size_t kSize>
struct Name {
  constexpr Name(const char (&text)[kSize]) { std::copy_n(text, kSize, this->text); }
  char text[kSize];
};
template <Name name>
Tensor call(const Tensor& x) {
  static const OpRow& row = op_named(name.text);
  return apply(row, {x});
}
Tensor sin(const Tensor& x) { return call<"sin">(x); }
Tensor cos(const Tensor& x) { return call<"cos">(x); }
Tensor sinh(const Tensor& x) { return call<"sinh">(x); }
Tensor cosh(const Tensor& x) { return call<"cosh">(x); }
Tensor root(const Tensor& x) { return call<"sqrt">(x); }

[[maybe_unused]] const OpRow& kSin = function({"sin", "The sine of x radians.",
                              [](const Backward& b) { b.give(0, multiply(b.grad(), conj(cos(b.input(0))))); }, -9, 9, kBound});
[[maybe_unused]] const OpRow& kCos = function({"cos", "The cosine of x radians.",
                              [](const Backward& b) { b.give(0, negative(multiply(b.grad(), conj(sin(b.input(0)))))); }, -9, 9,
                              kBound});
[[maybe_unused]] const OpRow& kTan = function(
    {"tan", "The tangent of x radians.",
     [](const Backward& b) { b.give(0, multiply(b.grad(), conj(add(square(b.output()), 1)))); }, -1.5, 1.5, kBound, true});
[[maybe_unused]] const OpRow& kAsin = function(
    {"asin", "The angle whose sine is x, in radians; NaN outside [-1, 1].",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(root(subtract(1, square(b.input(0))))))); }, -0.9, 0.9, kBound});
[[maybe_unused]] const OpRow& kAcos = function(
    {"acos", "The angle whose cosine is x, in radians; NaN outside [-1, 1].",
     [](const Backward& b) { b.give(0, negative(divide(b.grad(), conj(root(subtract(1, square(b.input(0)))))))); }, -0.9, 0.9,
     kBound});
[[maybe_unused]] const OpRow& kAtan = function(
    {"atan", "The angle whose tangent is x, in radians.",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(add(square(b.input(0)), 1)))); }, -4, 4, kBound});
[[maybe_unused]] const OpRow& kSinh = function({"sinh", "The hyperbolic sine.",
                               [](const Backward& b) { b.give(0, multiply(b.grad(), conj(cosh(b.input(0))))); }, -4, 4, kBound});
[[maybe_unused]] const OpRow& kCosh = function({"cosh", "The hyperbolic cosine.",
                               [](const Backward& b) { b.give(0, multiply(b.grad(), conj(sinh(b.input(0))))); }, -4, 4, kBound});
[[maybe_unused]] const OpRow& kAsinh = function(
    {"asinh", "The number whose hyperbolic sine is x.",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(root(add(square(b.input(0)), 1))))); }, -4, 4, kBound});
[[maybe_unused]] const OpRow& kAcosh = function(
    {"acosh", "The number whose hyperbolic cosine is x; NaN below 1.",
     [](const Backward& b) {
       const Tensor slope = multiply(root(add(b.input(0), -1)), root(add(b.input(0), 1)));
       b.give(0, divide(b.grad(), conj(slope)));
     },
     1.1, 9, kBound});
[[maybe_unused]] const OpRow& kAtanh = function(
    {"atanh", "The number whose hyperbolic tangent is x; NaN outside [-1, 1].",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(subtract(1, square(b.input(0)))))); }, -0.9, 0.9, kBound});
[[maybe_unused]] const OpRow& kExpm1 = function(
    {"expm1", "exp(x) - 1, exact for small x too.",
     [](const Backward& b) { b.give(0, multiply(b.grad(), conj(add(b.output(), 1)))); }, -2, 2, kBound, true});
[[maybe_unused]] const OpRow& kLog1p = function(
    {"log1p", "log(1 + x), exact for small x too.",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(add(b.input(0), 1)))); }, -0.5, 4, kBound});
[[maybe_unused]] const OpRow& kLog2 = function(
    {"log2", "The logarithm of base 2.",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(multiply(b.input(0), std::numbers::ln2)))); }, 0.1, 9, kBound});
[[maybe_unused]] const OpRow& kLog10 = function(
    {"log10", "The logarithm of base 10.",
     [](const Backward& b) { b.give(0, divide(b.grad(), conj(multiply(b.input(0), std::numbers::ln10)))); }, 0.1, 9, kBound});
[[maybe_unused]] const OpRow& kReciprocal = function(
    {"reciprocal", "1 / x.",
     [](const Backward& b) { b.give(0, negative(multiply(b.grad(), conj(square(b.output()))))); }, 0.5, 4, kBound, true});

[[maybe_unused]] const OpRow& kErf = register_op({
    .name = "erf",
    .summary = "The error function, 2 / sqrt(pi) times the integral of exp(-t^2) from 0 to x.",
    .pointwise = true,
    .dtypes = kFloats,
    .public_name = false,
    .vjp = [](const Backward& b) {
      const Tensor slope = multiply(exp(negative(square(b.input(0)))), 2 * std::numbers::inv_sqrtpi);
      b.give(0, multiply(b.grad(), slope));
    },
    .saves_inputs = 1,
    .ulp = ulps(1, 4, 4),
    .ulp_note = "the host's mathematical library is within 1",
    .samples = unary_samples(-3, 3),
});

// ---- of two numbers ----

struct Function2 {
  const char* name;
  const char* summary;
  VjpFn vjp;
  SavesFn saves;
  float single;
};
const OpRow& function2(const Function2& f) {
  return register_op({
      .name = f.name,
      .summary = f.summary,
      .min_inputs = 2,
      .max_inputs = 2,
      .input_names = {"a", "b"},
      .pointwise = true,
      .dtypes = kFloats,
      .vjp = f.vjp,
      .saves_inputs = f.vjp ? 3u : 0u,
      .saves_outputs = f.saves ? f.saves({}, 0b11).outputs : 0u,
      .saves = f.saves,
      .ulp = ulps(f.single > 0 ? 1.0f : 0.0f, f.single, f.single),
      .ulp_note = f.single > 0 ? "the host's mathematical library is within 2" : "exact",
      .samples = binary_samples({-2, 2}, {0.5, 2}),
  });
}

[[maybe_unused]] const OpRow& kAtan2 = function2(
    {"atan2", "The angle of the point (b, a), in radians between -pi and pi.",
     [](const Backward& b) {
       const Tensor share = divide(b.grad(), add(square(b.input(0)), square(b.input(1))));
       if (b.needs(0)) b.give(0, multiply(share, b.input(1)));
       if (b.needs(1)) b.give(1, negative(multiply(share, b.input(0))));
     },
     saves<Saved{0b11}, Saved{0b11}>, 4});
[[maybe_unused]] const OpRow& kHypot = function2(
    {"hypot", "sqrt(a^2 + b^2) without overflow on the way.",
     [](const Backward& b) {
       const Tensor share = divide(b.grad(), b.output());
       if (b.needs(0)) b.give(0, multiply(share, b.input(0)));
       if (b.needs(1)) b.give(1, multiply(share, b.input(1)));
     },
     saves<Saved{0b01, 1}, Saved{0b10, 1}>, 4});
[[maybe_unused]] const OpRow& kLogAddExp = function2(
    {"logaddexp", "log(exp(a) + exp(b)) without overflow.",
     [](const Backward& b) {
       if (b.needs(0)) b.give(0, multiply(b.grad(), exp(subtract(b.input(0), b.output()))));
       if (b.needs(1)) b.give(1, multiply(b.grad(), exp(subtract(b.input(1), b.output()))));
     },
     saves<Saved{0b01, 1}, Saved{0b10, 1}>, 4});
[[maybe_unused]] const OpRow& kCopySign = function2({"copysign", "The magnitude of a with the sign of b.",
                                    [](const Backward& b) {
                                      if (!b.needs(0)) return;
                                      static const OpRow& row = op_named("copysign");
                                      const Tensor signs = multiply(sign(b.input(0)), apply(row, {constant(1, b.input(0)), b.input(1)}));
                                      b.give(0, multiply(b.grad(), signs));
                                    },
                                    saves<Saved{0b11}, Saved{}>, 0});
[[maybe_unused]] const OpRow& kNextAfter =
    function2({"nextafter", "The number next to a in the direction of b, among those of the type.", nullptr, nullptr, 0});

// ---- whole numbers and tests ----

const OpRow& rounding(const char* name, const char* summary, DTypeSet dtypes) {
  return register_op({
      .name = name,
      .summary = summary,
      .pointwise = true,
      .dtypes = dtypes,
      .vjp = zero_vjp,
      .ulp_note = "a whole number of the same type is exact",
      .samples = unary_samples(-4, 4),
  });
}
[[maybe_unused]] const OpRow& kCeil = rounding("ceil", "The smallest whole number that is not below x.", kNumbers);
[[maybe_unused]] const OpRow& kTrunc = rounding("trunc", "x without its fraction.", kNumbers);
[[maybe_unused]] const OpRow& kRound =
    rounding("round", "The nearest whole number, the even one of two; of a complex number each part.", kNumeric);

const OpRow& test(const char* name, const char* summary, DTypeSet dtypes) {
  return register_op({
      .name = name,
      .summary = summary,
      .pointwise = true,
      .dtypes = dtypes,
      .result = result_bool,
      .ulp_note = "a truth value",
      .samples = unary_samples(-2, 2),
  });
}
[[maybe_unused]] const OpRow& kIsInf = test("isinf", "Whether each element is one of the two infinities.", kNumeric);
[[maybe_unused]] const OpRow& kSignBit = test("signbit", "Whether the sign of each element is set, -0 and NaN included.", kFloats);

// ---- complex numbers and their parts ----

const OpRow& kConj = register_op({
    .name = "conj",
    .summary = "The complex conjugate; real numbers as they are.",
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) { b.give(0, conj(b.grad())); },
    .ulp_note = "only a sign changes",
    .samples = unary_samples(-2, 2),
});
const OpRow& kReal = register_op({
    .name = "real",
    .summary = "The real part; real numbers as they are.",
    .pointwise = true,
    .dtypes = kNumeric,
    .result = [](DType x, Attrs) { return real_of(x); },
    .vjp = [](const Backward& b) { b.give(0, cast(b.grad(), b.inputs[0].dtype())); },
    .ulp_note = "a part as it is",
    .samples = unary_samples(-2, 2),
});
[[maybe_unused]] const OpRow& kImag = register_op({
    .name = "imag",
    .summary = "The imaginary part.",
    .pointwise = true,
    .dtypes = kComplex,
    .result = [](DType x, Attrs) { return real_of(x); },
    .vjp = [](const Backward& b) {
      const DType dtype = b.inputs[0].dtype();
      b.give(0, multiply(cast(b.grad(), dtype), scalar(std::complex<double>(0, 1), dtype, b.grad().device())));
    },
    .ulp_note = "a part as it is",
    .samples = unary_samples(-2, 2),
});

}  // namespace

Tensor conj(const Tensor& x) { return is_complex(x.dtype()) ? apply(kConj, {x}) : x; }
Tensor real(const Tensor& x) { return is_complex(x.dtype()) ? apply(kReal, {x}) : x; }

}  // namespace flambeau::ops
