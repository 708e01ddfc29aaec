// compare.cpp: ops that give truth values.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

constexpr DTypeSet kOrdered = kBools | kNumbers;

// Equality takes every dtype, order those that have one; the logical ops take bool alone. None has a gradient.
const OpRow& comparison(const char* name, const char* summary, DTypeSet dtypes) {
  return register_op({
      .name = name,
      .summary = summary,
      .min_inputs = 2,
      .max_inputs = 2,
      .input_names = {"a", "b"},
      .pointwise = true,
      .dtypes = dtypes,
      .result = result_bool,
      .ulp_note = "a truth value",
      .samples = binary_samples({-2, 2}, {-2, 2}),
  });
}

const OpRow& kEqual = comparison("equal", "Whether a is b, element by element; NaN is not equal to itself.", kAllDTypes);
const OpRow& kNotEqual = comparison("not_equal", "Whether a differs from b, element by element.", kAllDTypes);
const OpRow& kLess = comparison("less", "Whether a is below b, element by element.", kOrdered);
const OpRow& kLessEqual = comparison("less_equal", "Whether a is at most b, element by element.", kOrdered);
[[maybe_unused]] const OpRow& kGreater = comparison("greater", "Whether a is above b, element by element.", kOrdered);
const OpRow& kGreaterEqual = comparison("greater_equal", "Whether a is at least b, element by element.", kOrdered);
const OpRow& kLogicalAnd = comparison("logical_and", "Whether both are true.", kBools);
[[maybe_unused]] const OpRow& kLogicalOr = comparison("logical_or", "Whether one of them is true.", kBools);
[[maybe_unused]] const OpRow& kLogicalXor = comparison("logical_xor", "Whether exactly one of them is true.", kBools);

}  // namespace

Tensor equal(const Tensor& a, const Tensor& b) { return apply(kEqual, {a, b}); }
Tensor not_equal(const Tensor& a, const Tensor& b) { return apply(kNotEqual, {a, b}); }
Tensor less(const Tensor& a, const Tensor& b) { return apply(kLess, {a, b}); }
Tensor less_equal(const Tensor& a, const Tensor& b) { return apply(kLessEqual, {a, b}); }
Tensor greater_equal(const Tensor& a, const Tensor& b) { return apply(kGreaterEqual, {a, b}); }
Tensor logical_and(const Tensor& a, const Tensor& b) { return apply(kLogicalAnd, {a, b}); }

}  // namespace flambeau::ops
