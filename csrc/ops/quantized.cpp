// quantized.cpp: layers whose weights are int8.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

SampleInput bytes(Dims shape) { return {std::move(shape), -127, 128, SampleKind::Int8}; }
// Scales as weights of a few hundredths have them.
SampleInput scales(int64_t n) { return {{n}, 0.001, 0.01}; }

[[maybe_unused]] const OpRow& kLinearInt8 = register_op({
    .name = "linear_int8",
    .summary = "linear with weight int8 (out, in) times scale (out), row by row.",
    .min_inputs = 3,
    .max_inputs = 4,
    .input_names = {"x", "weight", "scale", "bias"},
    .dtypes = kFloats,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      const Dims& x = inputs[0].shape();
      const Dims& weight = inputs[1].shape();
      if (weight.size() != 2 || inputs[1].dtype() != DType::Int8)
        raise(ErrorKind::Shape, row.name, ": weight is ", inputs[1].dtype(), " ", weight, ": it must be int8 (out features, "
              "in features)");
      if (x.empty() || x.back() != weight[1])
        raise(ErrorKind::Shape, row.name, ": x is ", x, ", weight is ", weight, ": x's last dimension must be ", weight[1],
              ", the weight's second");
      for (size_t i = 2; i < inputs.size(); ++i)
        if (inputs[i].shape() != Dims{weight[0]})
          raise(ErrorKind::Shape, row.name, ": ", row.input_names[i], " is ", inputs[i].shape(), ", weight is ", weight,
                ": it must be ", Dims{weight[0]}, ", one number for each output feature");
      for (size_t i = 0; i < inputs.size(); ++i)
        if (i != 1 && (!is_float(inputs[i].dtype()) || inputs[i].dtype() != inputs[0].dtype()))
          raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), ", ", row.input_names[i], " is ", inputs[i].dtype(),
                ": both must be one float dtype; cast one of them");
      Dims shape = x;
      shape[shape.size() - 1] = weight[0];
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      const Tensor product = matmul(inputs[0], swap_last_two(cast(inputs[1], inputs[0].dtype())));
      const Tensor scaled = multiply(product, inputs[2]);
      out[0] = inputs.size() > 3 ? add(scaled, inputs[3]) : scaled;
    },
    .vjp = [](const Backward& b) {
      const Tensor& g = b.grad();
      if (b.needs(0)) b.give(0, matmul(multiply(g, b.input(2)), cast(b.input(1), g.dtype())));
      if (b.needs(2)) {
        const Tensor product = matmul(b.input(0), swap_last_two(cast(b.input(1), g.dtype())));
        b.give(2, sum_to(multiply(g, product), b.input(2).shape()));
      }
      if (b.needed.size() > 3 && b.needs(3)) b.give(3, sum_to(g, b.input(3).shape()));
    },
    .batching = [](const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
      bool only_x = batched[0];
      for (size_t i = 1; i < inputs.size(); ++i) only_x = only_x && !batched[i];
      if (only_x) apply(row, inputs, attrs, outputs);
      else batch_one_by_one(row, inputs, batched, attrs, outputs);
    },
    .differentiable = 0b1101,
    .saves_inputs = 0b0111,
    .saves = saves<Saved{0b110}, Saved{}, Saved{0b011}, Saved{}>,
    .ulp = ulps(2, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as linear, and one product; 16-bit floats are computed in float32",
    .samples = {{{{{4}}, bytes({3, 4}), scales(3), {{3}}}},
                {{{{5, 4}}, bytes({3, 4}), scales(3)}},
                {{{{2, 5, 4}}, bytes({3, 4}), scales(3), {{3}}}},
                {{{{0, 4}}, bytes({3, 4}), scales(3), {{3}}}},
                {{{{5, 0}}, bytes({3, 0}), scales(3), {{3}}}},
                {{{{1, 70}}, bytes({21, 70}), scales(21), {{21}}}},
                {{{{33, 65}}, bytes({17, 65}), scales(17), {{17}}}}},
});

}  // namespace

}  // namespace flambeau::ops
