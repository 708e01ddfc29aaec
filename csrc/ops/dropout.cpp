// dropout.cpp: elements left out at random. What is left out depends on seed, offset and an element's place alone, so
// the gradient draws the same numbers again and nothing is kept.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

[[maybe_unused]] const OpRow& kDropout = register_op({
    .name = "dropout",
    .summary = "Zero where a float32 uniform of (seed, offset) is below p, and elsewhere x / (1 - p).",
    .attrs = {{.name = "p", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "seed", .kind = FL_ATTR_INT, .required = true},
              {.name = "offset", .kind = FL_ATTR_INT, .fallback = 0}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      if (!is_float(inputs[0].dtype()))
        raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), "; cast with x.astype(fl.float32)");
      double p = attrs[0].as_float();
      if (!(p >= 0 && p < 1)) raise(ErrorKind::Value, row.name, ": p is ", p, ": it is at least 0 and below 1");
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      static const OpRow& uniform = op_named("uniform");
      const Tensor& x = inputs[0];
      OnDevice there(x.device());
      Tensor drawn = apply(uniform, Inputs{}, std::vector<Attr>{x.shape(), attrs[1], attrs[2], DType::Float32});
      Tensor kept = greater_equal(drawn, constant(attrs[0].as_float(), drawn));
      out[0] = where(kept, multiply(x, 1 / (1 - attrs[0].as_float())), constant(0, x));
    },
    .vjp = [](const Backward& b) {
      const Tensor& g = b.grad();
      b.give(0, apply(b.row, Inputs(&g, 1), b.attrs));
    },
    .batching = batch_one_by_one,
    .ulp = ulps(2, 2, 2),
    .ulp_note = "one product with 1 / (1 - p), which is rounded too",
    .samples = {{{{{}}}, {0.5, 2026, 5}},
                {{{{0, 3}}}, {0.5, 2026, 5}},
                {{{{3, 5}}}, {0.0, 2026, 5}},
                {{{{3, 4}}}, {0.3, 2026, 5}},
                {{{{1037}}}, {0.1, -1, int64_t{0xfffffffe}}},
                {{{{37, 1000}}}, {0.75, 7, 0}}},
});

}  // namespace

}  // namespace flambeau::ops
