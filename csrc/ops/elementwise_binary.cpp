// elementwise_binary.cpp: arithmetic of two tensors, element by element.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const OpRow& kAdd = register_op({
    .name = "add",
    .summary = "a + b; integers wrap.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, b.grad());
      if (b.needs(1)) b.give(1, b.grad());
    },
    .ulp_note = "IEEE 754 rounds a sum correctly; float16 through float32 too",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

const OpRow& kSubtract = register_op({
    .name = "subtract",
    .summary = "a - b; integers wrap.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, b.grad());
      if (b.needs(1)) b.give(1, b.needs(0) ? negative(b.grad()) : last_negative(b.grad()));
    },
    .ulp_note = "IEEE 754 rounds a difference correctly; float16 through float32 too",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

const OpRow& kMultiply = register_op({
    .name = "multiply",
    .summary = "a times b; integers wrap.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) {
      const auto times = [&](const Tensor& x, bool last) {  // the common case without a second handle of x
        return is_complex(x.dtype()) ? multiply(b.grad(), conj(x)) : last ? last_multiply(b.grad(), x) : multiply(b.grad(), x);
      };
      if (b.needs(0)) b.give(0, times(b.input(1), !b.needs(1)));
      if (b.needs(1)) b.give(1, times(b.input(0), true));
    },
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}>,
    .ulp = ulps(0, 0, 0, 3, 3),
    .ulp_note = "IEEE 754 rounds a product correctly; float16 through float32 too; of complex numbers each part rounds three times",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

const OpRow& kDivide = register_op({
    .name = "divide",
    .summary = "a / b; integers and bools alone are divided as float32.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kInexact,
    .integers_as_floats = true,
    .vjp = [](const Backward& b) {
      Tensor share = divide(b.grad(), conj(b.input(1)));
      if (b.needs(0)) b.give(0, share);
      if (b.needs(1)) b.give(1, negative(multiply(share, conj(b.output()))));
    },
    .saves_inputs = 2,
    .saves_outputs = 1,
    .saves = saves<Saved{0b10}, Saved{0b10, 1}>,
    .ulp = ulps(1, 3, 0, 8, 8),
    .ulp_note = "correctly rounded on CPUs; WGSL and GPUs multiply by a reciprocal, 2.5 in float32",
    .samples = binary_samples({-2, 2}, {0.5, 2}),
});

const OpRow& kFloorDivide = register_op({
    .name = "floor_divide",
    .summary = "The largest whole number not above a / b; an integer divided by 0 gives 0, and where one of two floats is "
               "infinite it is a / b.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumbers,
    .vjp = zero_vjp,
    .ulp = ulps(1, 1, 1),
    .ulp_note = "exact unless the quotient needs more digits than the type has",
    .samples = binary_samples({-9, 9}, {1, 4}),
});

const OpRow& kRemainder = register_op({
    .name = "remainder",
    .summary = "a - b floor(a / b), with b's sign as in Python; an integer modulo 0 gives 0.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumbers,
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, b.grad());
      if (b.needs(1)) b.give(1, negative(multiply(b.grad(), floor_divide(b.input(0), b.input(1)))));
    },
    .saves_inputs = 3,
    .saves = saves<Saved{}, Saved{0b11}>,
    .ulp = ulps(1, 1, 1),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "fmod is exact; the sum that mends the sign rounds once",
    .samples = binary_samples({-9, 9}, {1, 4}),
});

const OpRow& kPow = register_op({
    .name = "pow",
    .summary = "a to the power b; a negative integer exponent cuts the true power toward zero.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumeric,
    .vjp = [](const Backward& b) {
      const Tensor& base = b.input(0);
      const Tensor& exponent = b.input(1);
      if (b.needs(0)) {
        // x^0 is 1 for every x, so its slope is 0 even where x^-1 is infinite.
        Tensor flat = equal(exponent, constant(0, exponent));
        Tensor slope = multiply(exponent, pow(base, add(exponent, -1)));
        b.give(0, multiply(b.grad(), conj(where(flat, constant(0, exponent), slope))));
      }
      if (b.needs(1)) {
        // 0^y is 0 for every y above 0 (and 1 at 0), although log(0) is infinite.
        Tensor flat = logical_and(equal(base, constant(0, base)),
                                  greater_equal(real(exponent), constant(0, real(exponent))));
        Tensor slope = multiply(b.output(), log(where(flat, constant(1, base), base)));
        b.give(1, multiply(b.grad(), conj(slope)));
      }
    },
    .saves_inputs = 3,
    .saves_outputs = 1,
    .saves = saves<Saved{0b11}, Saved{0b11, 1}>,
    .ulp = ulps(1, 16, 4, 64, 64),
    .ulp_note = "exp2(b log2 a) carries the error of log2 times b log2 a",
    .samples = binary_samples({0.25, 3}, {-2, 3}),
});

// The gradient of the larger (or smaller) of two: all to the one taken, half to each if they are equal.
Tensor chosen(const Tensor& g, const Tensor& passed_over, const Tensor& x, const Tensor& y) {
  Tensor shared = where(equal(x, y), multiply(g, 0.5), g);
  return where(passed_over, constant(0, g), shared);
}

const OpRow& kMaximum = register_op({
    .name = "maximum",
    .summary = "The larger of a and b; NaN if either is. Equal ones share the gradient.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumbers,
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, chosen(b.grad(), less(b.input(0), b.input(1)), b.input(0), b.input(1)));
      if (b.needs(1)) b.give(1, chosen(b.grad(), less(b.input(1), b.input(0)), b.input(0), b.input(1)));
    },
    .saves_inputs = 3,
    .ulp_note = "a choice between exact values",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

const OpRow& kMinimum = register_op({
    .name = "minimum",
    .summary = "The smaller of a and b; NaN if either is. Equal ones share the gradient.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .pointwise = true,
    .dtypes = kNumbers,
    .vjp = [](const Backward& b) {
      if (b.needs(0)) b.give(0, chosen(b.grad(), less(b.input(1), b.input(0)), b.input(0), b.input(1)));
      if (b.needs(1)) b.give(1, chosen(b.grad(), less(b.input(0), b.input(1)), b.input(0), b.input(1)));
    },
    .saves_inputs = 3,
    .ulp_note = "a choice between exact values",
    .samples = binary_samples({-2, 2}, {-2, 2}),
});

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) { return apply(kAdd, {a, b}); }
Tensor subtract(const Tensor& a, const Tensor& b) { return apply(kSubtract, {a, b}); }
Tensor last_multiply(const Tensor& g, const Tensor& x) { return last_use(kMultiply, g, x); }
Tensor multiply(const Tensor& a, const Tensor& b) { return apply(kMultiply, {a, b}); }
Tensor divide(const Tensor& a, const Tensor& b) { return apply(kDivide, {a, b}); }
Tensor floor_divide(const Tensor& a, const Tensor& b) { return apply(kFloorDivide, {a, b}); }
Tensor pow(const Tensor& a, const Tensor& b) { return apply(kPow, {a, b}); }

Tensor constant(double value, const Tensor& like) { return scalar(value, like.dtype(), like.device()); }
Tensor add(const Tensor& x, double value) { return add(x, constant(value, x)); }
Tensor subtract(double value, const Tensor& x) { return subtract(constant(value, x), x); }
Tensor multiply(const Tensor& x, double value) { return multiply(x, constant(value, x)); }
Tensor divide(const Tensor& x, double value) { return divide(x, constant(value, x)); }

}  // namespace flambeau::ops
