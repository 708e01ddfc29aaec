// assign.cpp: writing into a tensor, as a recorded function does it.
#include "core/registry.h"
#include "ops/rows.h"
#include "ops/write.h"

namespace flambeau::ops {

namespace {

[[maybe_unused]] const OpRow& kAssign = register_op({
    .name = "assign",
    .summary = "Writes `values` into x: what `x[...] = values` is in a graph.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x", "values"},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      if (!(inputs[0].shape() == inputs[1].shape()))
        raise(ErrorKind::Shape, row.name, ": x is ", inputs[0].shape(), " and values are ", inputs[1].shape(), "; they must be equal");
      if (inputs[0].dtype() != inputs[1].dtype())
        raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), " and values are ", inputs[1].dtype(), "; cast them");
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .aliases = [](const OpRow&, Inputs, Attrs, std::vector<int32_t>& output_of) { output_of = {0}; },
    .decompose = [](const OpRow& row, Inputs inputs, Attrs, std::span<Tensor> out) {
      require_writable(row.name, out[0]);
      write_into(out[0], inputs[1]);
    },
    .differentiable = 0,
    .ulp_note = "the same bits",
    .samples = {{{{{3, 4}}, {{3, 4}}}}, {{{{65}}, {{65}}}}, {{{{0, 3}}, {{0, 3}}}}, {{{{}}, {{}}}}},
});

}  // namespace

}  // namespace flambeau::ops
