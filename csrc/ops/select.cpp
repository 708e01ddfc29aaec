// select.cpp: ops that choose, convert or copy elements.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const OpRow& kWhere = register_op({
    .name = "where",
    .summary = "x where the condition is true, y where it is not.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"condition", "x", "y"},
    .pointwise = true,
    .promote_from = 1,
    .vjp = [](const Backward& b) {
      Tensor zero = constant(0, b.grad());
      if (b.needs(1)) b.give(1, where(b.input(0), b.grad(), zero));
      if (b.needs(2)) b.give(2, where(b.input(0), zero, b.grad()));
    },
    .differentiable = 0b110,
    .saves_inputs = 0b001,
    .ulp_note = "a choice between exact values",
    .samples = {{{{{}, 0, 2, SampleKind::Bool}, {{}}, {{}}}},
                {{{{3, 4}, 0, 2, SampleKind::Bool}, {{3, 4}}, {{3, 4}}}},
                {{{{0, 4}, 0, 2, SampleKind::Bool}, {{1, 4}}, {{}}}},
                {{{{3, 1}, 0, 2, SampleKind::Bool}, {{4}}, {{2, 1, 1}}}},
                {{{{1037}, 0, 2, SampleKind::Bool}, {{1037}}, {{}}}}},
});

[[maybe_unused]] const OpRow& kCast = register_op({
    .name = "cast",
    .summary = "The same values in another dtype; floats become integers by cutting toward zero (NaN "
               "becomes 0, what is out of range the nearest integer of the type), bool by not being 0. "
               "Complex numbers become no real ones: write real(x).",
    .attrs = {{.name = "dtype", .kind = FL_ATTR_DTYPE, .required = true}},
    .pointwise = true,
    .result = [](DType from, Attrs attrs) {
      const DType to = attrs[0].as_dtype();
      if (is_complex(from) && !is_complex(to) && to != DType::Bool)
        raise(ErrorKind::DType, "cast: ", from, " to ", to, " would drop the imaginary parts; write fl.real(x), or fl.abs(x)");
      return to;
    },
    .public_name = false,
    .vjp = [](const Backward& b) { b.give(0, cast_back(b.grad(), b.input(0).dtype())); },
    .ulp = ulps(1, 0, 0),
    .ulp_note = "one rounding; float64 may come to 16 bits through float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (int i = 0; i < kDTypeCount; ++i) {
        const auto to = static_cast<DType>(i);
        // What a number becomes that the type cannot hold is left open: unsigned types are tried with none below 0.
        if (is_unsigned(to)) {
          samples.push_back({{{{2, 1, 5}, 0, 9}}, {to}});
          samples.push_back({{{{67}, 0, 9}}, {to}});
        } else if (contains(kSigned, to) && size_of(to) < 4) {
          samples.push_back({{{{67}, -9, 9}}, {to}});
        } else {
          for (Sample& sample : unary_samples(-9, 9, {to})) samples.push_back(std::move(sample));
        }
      }
      return samples;
    }(),
});

[[maybe_unused]] const OpRow& kCopy = register_op({
    .name = "copy",
    .summary = "The same values in contiguous memory of their own.",
    .pointwise = true,
    .public_name = false,
    .vjp = [](const Backward& b) { b.give(0, b.grad()); },
    .ulp_note = "the same bits",
    .samples = unary_samples(-2, 2),
});

}  // namespace

Tensor cast_back(const Tensor& g, DType dtype) {
  return is_complex(g.dtype()) && !is_complex(dtype) ? cast(real(g), dtype) : cast(g, dtype);
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) { return apply(kWhere, {condition, x, y}); }

}  // namespace flambeau::ops
