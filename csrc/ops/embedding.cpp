// embedding.cpp: rows of a table by their numbers.
#include <algorithm>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

SampleInput rows_below(Dims shape, int64_t size) { return {std::move(shape), 0, static_cast<double>(size), SampleKind::Index}; }

[[maybe_unused]] const OpRow& kEmbedding = register_op({
    .name = "embedding",
    .summary = "The rows of weight (rows, features) at these indices; row padding_idx (-1: none) gets no gradient.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"weight", "indices"},
    .attrs = {{.name = "padding_idx", .kind = FL_ATTR_INT, .fallback = -1}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& weight = inputs[0].shape();
      if (weight.size() != 2) raise(ErrorKind::Shape, row.name, ": weight is ", weight, ": it must be (rows, features)");
      if (!is_integer(inputs[1].dtype())) {
        raise(ErrorKind::DType, row.name, ": indices are ", inputs[1].dtype(), ": they must be integers; cast them");
      }
      int64_t padding = attrs[0].as_int();
      if (padding < -1 || padding >= std::max<int64_t>(weight[0], 1)) {
        raise(ErrorKind::Value, row.name, ": padding_idx is ", padding, ", weight has ", weight[0],
              " rows: it must be one of them, or -1 for none");
      }
      Dims shape = inputs[1].shape();
      shape.push_back(weight[1]);
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) { out[0] = take(inputs[0], inputs[1], 0); },
    .vjp = [](const Backward& b) {
      const Tensor& indices = b.input(1);
      Tensor g = b.grad();
      if (b.attrs[0].as_int() >= 0) {
        Tensor padding = expand_dims(equal(indices, constant(static_cast<double>(b.attrs[0].as_int()), indices)), {indices.ndim()});
        g = where(padding, constant(0, g), g);
      }
      b.give(0, take_grad(g, indices, 0, b.input(0).size(0)));
    },
    .batching = batch_one_by_one,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .ulp_note = "the same elements",
    .samples = {{{{{5, 3}}, rows_below({4}, 5)}, {-1}},
                {{{{5, 3}}, rows_below({2, 3}, 5)}, {-1}},
                {{{{3, 2}}, rows_below({}, 3)}, {-1}},
                {{{{5, 3}}, rows_below({0}, 5)}, {-1}},
                {{{{100, 33}}, rows_below({7, 5}, 100)}, {-1}}},
});

}  // namespace

}  // namespace flambeau::ops
