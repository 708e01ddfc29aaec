// bitwise.cpp: the bits of integers, and truth values as one bit.
#include "core/registry.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const OpRow& bits(const char* name, const char* summary, DTypeSet dtypes, Range second = {0, 100}) {
  return register_op({
      .name = name,
      .summary = summary,
      .min_inputs = 2,
      .max_inputs = 2,
      .input_names = {"a", "b"},
      .pointwise = true,
      .dtypes = dtypes,
      .ulp_note = "an integer",
      .samples = binary_samples({-100, 100}, second),
  });
}

[[maybe_unused]] const OpRow& kAnd = bits("bitwise_and", "Bits that are set in both.", kIntegers | kBools);
[[maybe_unused]] const OpRow& kOr = bits("bitwise_or", "Bits that are set in one of them.", kIntegers | kBools);
[[maybe_unused]] const OpRow& kXor = bits("bitwise_xor", "Bits that are set in exactly one of them.", kIntegers | kBools);
[[maybe_unused]] const OpRow& kLeft =
    bits("bitwise_left_shift", "a's bits moved up by b places; 0 once all are gone.", kIntegers, {0, 7});
[[maybe_unused]] const OpRow& kRight =
    bits("bitwise_right_shift", "a's bits moved down by b places, its sign coming in above.", kIntegers, {0, 7});
[[maybe_unused]] const OpRow& kInvert = register_op({
    .name = "bitwise_invert",
    .summary = "Every bit turned round.",
    .pointwise = true,
    .dtypes = kIntegers | kBools,
    .ulp_note = "an integer",
    .samples = unary_samples(-100, 100),
});

}  // namespace

}  // namespace flambeau::ops
