// select.cpp: ops that choose, convert or copy elements.
#include <algorithm>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/matrices.h"
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

[[maybe_unused]] const OpRow& kTriangle = register_op({
    .name = "triangle",
    .summary = "x's last two axes with zeros above the diagonal k, or if `upper`, below it.",
    .attrs = {{.name = "k", .kind = FL_ATTR_INT, .fallback = 0}, {.name = "upper", .kind = FL_ATTR_BOOL, .fallback = false}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", false);
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[0];
      const Tensor place = diagonals(x);  // rows less columns
      // A diagonal beside the matrix is all the same, however far.
      const auto k = static_cast<double>(std::clamp(attrs[0].as_int(), -rows_of(x), columns_of(x)));
      const Tensor edge = constant(-k, place);
      out[0] = where(attrs[1].as_bool() ? less_equal(place, edge) : greater_equal(place, edge), x, constant(0, x));
    },
    .vjp = [](const Backward& b) { b.give(0, apply(b.row, {b.grad()}, {b.attrs[0], b.attrs[1]})); },
    .batching = batch_leading,
    .ulp_note = "the same elements",
    .samples = {{{{{3, 3}}}, {0, false}},
                {{{{3, 5}}}, {1, false}},
                {{{{5, 3}}}, {-1, true}},
                {{{{2, 3, 4}}}, {2, true}},
                {{{{2, 3, 4}}}, {-7, true}},
                {{{{0, 3}}}, {0, false}},
                {{{{3, 0}}}, {0, true}},
                {{{{67, 65}}}, {-2, false}}},
});

}  // namespace

Tensor cast_back(const Tensor& g, DType dtype) {
  return is_complex(g.dtype()) && !is_complex(dtype) ? cast(real(g), dtype) : cast(g, dtype);
}

Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y) { return apply(kWhere, {condition, x, y}); }

}  // namespace flambeau::ops
