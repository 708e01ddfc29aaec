// normalization_pool.cpp: the norm of a batch and a pool of squares in one.
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/normalization.h"
#include "ops/ops.h"

namespace flambeau::ops {

namespace {

Dims pooled_shape(const OpRow& row, const Dims& x) {
  if (x.size() != 4) raise(ErrorKind::Shape, row.name, ": x is ", x, ": (batch, channels, height, width) is needed");
  if (x[2] < 2 || x[3] < 2) raise(ErrorKind::Shape, row.name, ": x is ", x, ": no square of 2 by 2 fits its images");
  return {x[0], x[1], x[2] / 2, x[3] / 2};
}
const std::vector<Attr>& squares() {
  static const std::vector<Attr> all{Dims{2, 2}, Dims{2, 2}, Dims{0, 0}, Dims{1, 1}, false};
  return all;
}
std::vector<Sample> pooled_samples(size_t inputs_before, size_t inputs_behind) {
  std::vector<Sample> samples;
  for (const Dims& x : {Dims{2, 3, 4, 6}, Dims{3, 2, 5, 7}, Dims{1, 2, 2, 2}, Dims{2, 0, 4, 4}, Dims{5, 3, 28, 30},
                        Dims{2, 17, 14, 37}}) {
    const Dims y{x[0], x[1], x[2] / 2, x[3] / 2}, channels{x[1]};
    Sample sample{{}, {0.05}};
    if (inputs_before > 0) sample.inputs.push_back({y});
    sample.inputs.push_back({x});
    if (inputs_before > 0) {
      sample.inputs.push_back({channels, -0.5, 0.5});
      sample.inputs.push_back({channels, 0.5, 2});
    }
    for (size_t i = 0; i < inputs_behind; ++i) sample.inputs.push_back({channels});
    samples.push_back(sample);
  }
  return samples;
}

[[maybe_unused]] const OpRow& kBatchNormMaxPool = register_op({
    .name = "batch_norm_max_pool",
    .summary = "The largest element of each square of 2 by 2 of batch_norm, whose result is never written; and its other results.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .output_count = 3,
    .attrs = {kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      out[0] = {pooled_shape(row, inputs[0].shape()), inputs[0].dtype()};
      infer_batch(row, inputs, 0, out);
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      static const OpRow &norm = op_named("batch_norm"), &pool = op_named("max_pool");
      std::vector<Tensor> parts = apply_all(norm, inputs, attrs);
      out[0] = apply(pool, Inputs(parts.data(), 1), squares());
      out[1] = parts[1];
      out[2] = parts[2];
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("batch_norm_max_pool_grad");
      std::vector<Tensor> grads(3);
      if (b.grad(0).defined())
        grads = apply_all(row, std::vector<Tensor>{b.grad(0), b.input(0), b.output(1), b.output(2), b.input(1), b.input(2)}, b.attrs);
      give_with_statistics(b, grads);
    },
    .batching = batch_one_by_one,
    .saves_inputs = 7,
    .saves_outputs = 6,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as batch_norm",
    .samples = pooled_samples(0, 2),
});

[[maybe_unused]] const OpRow& kBatchNormMaxPoolGrad = register_op({
    .name = "batch_norm_max_pool_grad",
    .summary = "The gradients of batch_norm_max_pool's first result for x, weight and bias; mean and variance are its others.",
    .min_inputs = 6,
    .max_inputs = 6,
    .input_names = {"g", "x", "mean", "variance", "weight", "bias"},
    .output_count = 3,
    .attrs = {kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      const Dims& x = inputs[1].shape();
      const Dims y = pooled_shape(row, x);
      if (inputs[0].shape() != y) raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", x is ", x, ": g must be ", y);
      infer_batch(row, inputs, 1, out);
      out[0] = {x, inputs[1].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      static const OpRow &norm_grad = op_named("batch_norm_grad"), &pool_grad = op_named("max_pool_grad");
      const DType dtype = inputs[1].dtype();
      std::vector<Tensor> wide(inputs.begin(), inputs.end());
      // Rounded to 16 bits, neighbours of the largest would be as large.
      if (size_of(dtype) == 2)
        for (Tensor& input : wide) input = cast(input, DType::Float32);
      inputs = wide;
      const Tensor& x = inputs[1];
      Tensor scale = multiply(by_channel(inputs[4], 4), by_channel(one_over_root(inputs[3], attrs[0].as_float()), 4));
      Tensor y = add(multiply(subtract(x, by_channel(inputs[2], 4)), scale), by_channel(inputs[5], 4));
      const Tensor both[] = {inputs[0], y};
      Tensor g = apply(pool_grad, Inputs(both), squares());
      const std::vector<Tensor> grads = apply_all(norm_grad, std::vector<Tensor>{g, x, inputs[2], inputs[3], inputs[4]}, attrs);
      for (size_t i = 0; i < 3; ++i) out[i] = cast(grads[i], dtype);
    },
    .batching = batch_one_by_one,
    .autocast = Autocast::Float32,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as batch_norm_grad",
    .samples = pooled_samples(1, 2),
});

}  // namespace

}  // namespace flambeau::ops
