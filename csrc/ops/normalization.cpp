// normalization.cpp: elements taken relative to the mean and spread of a row, a group of channels or a batch.
#include <vector>

#include "core/registry.h"
#include "core/reuse.h"
#include "ops/batching.h"
#include "ops/normalization.h"
#include "ops/ops.h"

namespace flambeau::ops {

Tensor one_over_root(const Tensor& variance, double eps) {
  static const OpRow& root = op_named("sqrt");
  Tensor spread = add(variance, eps);
  spread = apply(root, {spread});
  return divide(constant(1, spread), spread);
}
Tensor by_channel(const Tensor& x, int64_t ndim) {
  Dims shape = Dims::filled(static_cast<size_t>(ndim), 1);
  shape[1] = x.count();
  return reshape(x, shape);
}

void require_parameters(const OpRow& row, Inputs inputs, size_t first, const Dims& expected, const Dims& x) {
  for (size_t i = first; i < inputs.size(); ++i) {
    if (inputs[i].shape() == expected) continue;
    raise(ErrorKind::Shape, row.name, ": ", row.input_names[i], " is ", inputs[i].shape(), ", x is ", x, ": it must be ", expected);
  }
}
void require_channels(const OpRow& row, const Dims& x) {
  if (x.size() < 2) raise(ErrorKind::Shape, row.name, ": x is ", x, ": (batch, channels, ...) is needed");
}
void infer_batch(const OpRow& row, Inputs inputs, size_t x_at, std::span<Meta> out) {
  const Dims& x = inputs[x_at].shape();
  require_channels(row, x);
  if (x[1] > 0 && count_of(x) == 0) {
    raise(ErrorKind::Shape, row.name, ": x is ", x, ": a batch of nothing has no mean; use eval() for such batches");
  }
  require_parameters(row, inputs, x_at + 1, {x[1]}, x);
  out[1] = out[2] = {{x[1]}, inputs[x_at].dtype()};
}
void give_with_statistics(const Backward& b, std::span<Tensor> grads) {
  const Tensor& x = b.input(0);
  double share = x.count() == 0 ? 0 : static_cast<double>(x.size(1)) / static_cast<double>(x.count());
  const auto add_to_x = [&](const Tensor& more) { grads[0] = grads[0].defined() ? add(grads[0], more) : more; };
  if (b.grad(1).defined())
    add_to_x(broadcast_to(by_channel(multiply(b.grad(1), share), x.ndim()), x.shape()));
  if (b.grad(2).defined()) {
    Tensor away = subtract(x, by_channel(b.output(1), x.ndim()));
    add_to_x(multiply(away, by_channel(multiply(b.grad(2), 2 * share), x.ndim())));
  }
  for (size_t i = 0; i < b.needed.size(); ++i)
    if (b.needs(i) && grads[i].defined()) b.give(i, grads[i]);
}

namespace {

constexpr int64_t kFirst = 0;
const AttrSpec kTrailing{.name = "trailing", .kind = FL_ATTR_INT, .fallback = 1};
const AttrSpec kGroups{.name = "groups", .kind = FL_ATTR_INT, .required = true};

Tensor mean(const Tensor& x, const Dims& axes) {
  int64_t count = 1;
  for (int64_t axis : axes) count *= x.size(axis);
  return divide(sum(x, axes, true), static_cast<double>(count));
}
Dims axes_from(int64_t first, int64_t ndim) {
  Dims axes;
  for (int64_t axis = first; axis < ndim; ++axis) axes.push_back(axis);
  return axes;
}
// Every axis but that of the channels.
Dims around_channels(int64_t ndim) {
  Dims axes{0};
  for (int64_t axis = 2; axis < ndim; ++axis) axes.push_back(axis);
  return axes;
}

bool has(Inputs inputs, size_t i) { return inputs.size() > i && inputs[i].defined(); }

void require_equal(const OpRow& row, Inputs inputs) {
  if (inputs[0].shape() != inputs[1].shape())
    raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", x is ", inputs[1].shape(), ": they must be equal");
}

// ---- rows: layer_norm and rms_norm ----

Dims trailing_shape(const OpRow& row, const Dims& x, Attrs attrs) {
  int64_t trailing = attrs[kFirst].as_int();
  if (trailing < 1 || trailing > static_cast<int64_t>(x.size())) {
    raise(ErrorKind::Shape, row.name, ": x is ", x, ", normalized over its last ", trailing,
          " axes: it needs at least one axis and x needs that many");
  }
  Dims shape;
  for (size_t axis = x.size() - static_cast<size_t>(trailing); axis < x.size(); ++axis) shape.push_back(x[axis]);
  return shape;
}
void infer_rows(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  const Dims& x = inputs[0].shape();
  Dims expected = trailing_shape(row, x, attrs);
  require_parameters(row, inputs, 1, expected, x);
  out[0] = {x, inputs[0].dtype()};
}
void infer_rows_grad(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  require_equal(row, inputs);
  Dims expected = trailing_shape(row, inputs[1].shape(), attrs);
  require_parameters(row, inputs, 2, expected, inputs[1].shape());
  out[0] = {inputs[1].shape(), inputs[1].dtype()};
  for (size_t i = 1; i < out.size(); ++i) out[i] = {expected, inputs[1].dtype()};
}
// Rows stay rows in a batch if the parameters have none.
void batch_rows(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  for (size_t i = 1; i < inputs.size(); ++i)
    if (batched[i]) return batch_one_by_one(row, inputs, batched, attrs, outputs);
  apply(row, inputs, attrs, outputs);
}

struct RowParts {
  Dims axes, leading;
  Tensor scale, normal;  // 1 / spread, and x normalized
};
RowParts row_parts(const Tensor& x, Attrs attrs, bool centered) {
  RowParts parts;
  int64_t first = x.ndim() - attrs[0].as_int();
  parts.axes = axes_from(first, x.ndim());
  for (int64_t axis = 0; axis < first; ++axis) parts.leading.push_back(axis);
  Tensor away = centered ? subtract(x, mean(x, parts.axes)) : x;
  parts.scale = one_over_root(mean(square(away), parts.axes), attrs[1].as_float());
  parts.normal = multiply(away, parts.scale);
  return parts;
}
Tensor summed(const Tensor& x, const Dims& axes) { return axes.empty() ? x : sum(x, axes, false); }

std::vector<Sample> row_samples(size_t parameters) {
  std::vector<Sample> samples;
  struct One {
    Dims x;
    int64_t trailing;
  };
  for (const One& one : {One{{4}, 1}, One{{3, 5}, 1}, One{{2, 2, 3}, 2}, One{{0, 4}, 1}, One{{7, 130}, 1}, One{{3, 5, 37}, 2}}) {
    Dims weight;
    for (size_t axis = one.x.size() - static_cast<size_t>(one.trailing); axis < one.x.size(); ++axis) weight.push_back(one.x[axis]);
    for (size_t count = 0; count <= parameters; ++count) {
      Sample sample{{{one.x}}, {one.trailing, 0.05}};
      for (size_t i = 0; i < count; ++i) sample.inputs.push_back({weight});
      samples.push_back(sample);
    }
  }
  return samples;
}
// g before x, and a weight.
std::vector<Sample> with_gradient(std::vector<Sample> samples) {
  for (Sample& sample : samples) sample.inputs.insert(sample.inputs.begin(), sample.inputs[0]);
  return samples;
}

// The gradients of x, weight and bias by a row that has all of them as its outputs.
void vjp_by(const OpRow& row, const Backward& b) {
  std::vector<Tensor> inputs{b.grad(), b.input(0)};
  if (has(b.inputs, 1)) inputs.push_back(b.input(1));
  const std::vector<Tensor> grads = apply_all(row, inputs, b.attrs);
  for (size_t i = 0; i < b.needed.size(); ++i)
    if (b.needs(i)) b.give(i, grads[i]);
}

[[maybe_unused]] const OpRow& kLayerNorm = register_op({
    .name = "layer_norm",
    .summary = "x with mean 0 and spread 1 over its last axes (`trailing` of them), times weight, plus bias.",
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .attrs = {kTrailing, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rows,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor y = row_parts(inputs[0], attrs, true).normal;
      if (has(inputs, 1)) y = multiply(y, inputs[1]);
      out[0] = has(inputs, 2) ? add(y, inputs[2]) : y;
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("layer_norm_grad");
      vjp_by(row, b);
    },
    .batching = batch_rows,
    .saves_inputs = 3,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a mean, a mean of squares and a root; differences round at the size of x and grow by 1 / spread",
    .samples = row_samples(2),
});

[[maybe_unused]] const OpRow& kLayerNormGrad = register_op({
    .name = "layer_norm_grad",
    .summary = "The gradients of layer_norm for x, weight and bias.",
    .min_inputs = 2,
    .max_inputs = 3,
    .input_names = {"g", "x", "weight"},
    .output_count = 3,
    .attrs = {kTrailing, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rows_grad,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      RowParts parts = row_parts(inputs[1], attrs, true);
      const Tensor& g = inputs[0];
      Tensor scaled = has(inputs, 2) ? multiply(g, inputs[2]) : g;
      Tensor along = multiply(parts.normal, mean(multiply(scaled, parts.normal), parts.axes));
      out[0] = multiply(parts.scale, subtract(subtract(scaled, mean(scaled, parts.axes)), along));
      out[1] = summed(multiply(g, parts.normal), parts.leading);
      out[2] = summed(g, parts.leading);
    },
    .batching = batch_one_by_one,
    .autocast = Autocast::Float32,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "sums of products, differences at the size of g that grow by 1 / spread",
    .samples = with_gradient(row_samples(1)),
});

[[maybe_unused]] const OpRow& kRmsNorm = register_op({
    .name = "rms_norm",
    .summary = "x over the root of its mean square over its last axes (`trailing` of them), times weight.",
    .max_inputs = 2,
    .input_names = {"x", "weight"},
    .attrs = {kTrailing, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rows,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor y = row_parts(inputs[0], attrs, false).normal;
      out[0] = has(inputs, 1) ? multiply(y, inputs[1]) : y;
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("rms_norm_grad");
      vjp_by(row, b);
    },
    .batching = batch_rows,
    .saves_inputs = 3,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm",
    .samples = row_samples(1),
});

[[maybe_unused]] const OpRow& kRmsNormGrad = register_op({
    .name = "rms_norm_grad",
    .summary = "The gradients of rms_norm for x and weight.",
    .min_inputs = 2,
    .max_inputs = 3,
    .input_names = {"g", "x", "weight"},
    .output_count = 2,
    .attrs = {kTrailing, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_rows_grad,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      RowParts parts = row_parts(inputs[1], attrs, false);
      const Tensor& g = inputs[0];
      Tensor scaled = has(inputs, 2) ? multiply(g, inputs[2]) : g;
      Tensor along = multiply(parts.normal, mean(multiply(scaled, parts.normal), parts.axes));
      out[0] = multiply(parts.scale, subtract(scaled, along));
      out[1] = summed(multiply(g, parts.normal), parts.leading);
    },
    .batching = batch_one_by_one,
    .autocast = Autocast::Float32,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm_grad",
    .samples = with_gradient(row_samples(1)),
});

// ---- channels: group_norm and batch_norm ----

void require_groups(const OpRow& row, const Dims& x, int64_t groups) {
  require_channels(row, x);
  if (groups < 1 || x[1] % groups != 0) {
    raise(ErrorKind::Value, row.name, ": x is ", x, ", groups is ", groups, ": they must divide the ", x[1], " channels");
  }
}
// (batch, groups, the rest of a group)
Tensor grouped(const Tensor& x, int64_t groups) {
  return reshape(x, {x.size(0), groups, x.count() == 0 ? 0 : x.count() / (x.size(0) * groups)});
}

struct GroupParts {
  Tensor scale, normal;
};
GroupParts group_parts(const Tensor& x, int64_t groups, double eps) {
  Tensor rows = grouped(x, groups);
  Tensor away = subtract(rows, mean(rows, {2}));
  Tensor scale = one_over_root(mean(square(away), {2}), eps);
  return {scale, multiply(away, scale)};
}

std::vector<Sample> channel_samples(bool groups, size_t parameters) {
  std::vector<Sample> samples;
  for (const Dims& x : {Dims{3, 4}, Dims{2, 4, 3}, Dims{2, 2, 2, 3}, Dims{2, 0, 3}, Dims{3, 6, 17, 5}, Dims{37, 40}}) {
    for (size_t count = 0; count <= parameters; ++count) {
      Sample sample{{{x}}, {}};
      if (groups) sample.attrs.push_back(2);
      sample.attrs.push_back(0.05);
      for (size_t i = 0; i < count; ++i) sample.inputs.push_back({{x[1]}});
      samples.push_back(sample);
    }
  }
  return samples;
}

[[maybe_unused]] const OpRow& kGroupNorm = register_op({
    .name = "group_norm",
    .summary = "x (batch, channels, ...) with mean 0 and spread 1 over each of `groups` groups of channels, times weight, "
               "plus bias (one number a channel).",
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .attrs = {kGroups, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& x = inputs[0].shape();
      require_groups(row, x, attrs[0].as_int());
      require_parameters(row, inputs, 1, {x[1]}, x);
      out[0] = {x, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[0];
      Tensor y = reshape(group_parts(x, attrs[0].as_int(), attrs[1].as_float()).normal, x.shape());
      if (has(inputs, 1)) y = multiply(y, by_channel(inputs[1], x.ndim()));
      out[0] = has(inputs, 2) ? add(y, by_channel(inputs[2], x.ndim())) : y;
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("group_norm_grad");
      vjp_by(row, b);
    },
    .batching = batch_one_by_one,
    .saves_inputs = 3,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm",
    .samples = channel_samples(true, 2),
});

[[maybe_unused]] const OpRow& kGroupNormGrad = register_op({
    .name = "group_norm_grad",
    .summary = "The gradients of group_norm for x, weight and bias.",
    .min_inputs = 2,
    .max_inputs = 3,
    .input_names = {"g", "x", "weight"},
    .output_count = 3,
    .attrs = {kGroups, kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_equal(row, inputs);
      const Dims& x = inputs[1].shape();
      require_groups(row, x, attrs[0].as_int());
      require_parameters(row, inputs, 2, {x[1]}, x);
      out[0] = {x, inputs[1].dtype()};
      out[1] = out[2] = {{x[1]}, inputs[1].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& g = inputs[0];
      const Tensor& x = inputs[1];
      GroupParts parts = group_parts(x, attrs[0].as_int(), attrs[1].as_float());
      Tensor scaled = grouped(has(inputs, 2) ? multiply(g, by_channel(inputs[2], x.ndim())) : g, attrs[0].as_int());
      Tensor along = multiply(parts.normal, mean(multiply(scaled, parts.normal), {2}));
      out[0] = reshape(multiply(parts.scale, subtract(subtract(scaled, mean(scaled, {2})), along)), x.shape());
      Dims axes = around_channels(x.ndim());
      out[1] = sum(multiply(g, reshape(parts.normal, x.shape())), axes, false);
      out[2] = sum(g, axes, false);
    },
    .batching = batch_one_by_one,
    .autocast = Autocast::Float32,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm_grad",
    .samples = with_gradient(channel_samples(true, 1)),
});

[[maybe_unused]] const OpRow& kBatchNorm = register_op({
    .name = "batch_norm",
    .summary = "x (batch, channels, ...) with mean 0 and spread 1 in each channel, times weight, plus bias; and each "
               "channel's mean and variance (over the count).",
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .output_count = 3,
    .attrs = {kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      infer_batch(row, inputs, 0, out);
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[0];
      Dims axes = around_channels(x.ndim());
      Tensor middle = mean(x, axes);
      Tensor away = subtract(x, middle);
      Tensor variance = mean(square(away), axes);
      Tensor y = multiply(away, one_over_root(variance, attrs[0].as_float()));
      if (has(inputs, 1)) y = multiply(y, by_channel(inputs[1], x.ndim()));
      out[0] = has(inputs, 2) ? add(y, by_channel(inputs[2], x.ndim())) : y;
      out[1] = reshape(middle, {x.size(1)});
      out[2] = reshape(variance, {x.size(1)});
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("batch_norm_grad");
      std::vector<Tensor> grads(3);
      if (b.grad(0).defined()) {
        std::vector<Tensor> inputs{b.grad(0), b.input(0), b.output(1), b.output(2)};
        if (has(b.inputs, 1)) inputs.push_back(b.input(1));
        grads = apply_all_over(row, inputs, b.attrs, 2);  // held by the walk, and here
      }
      give_with_statistics(b, grads);
    },
    .batching = batch_one_by_one,
    .saves_inputs = 3,
    .saves_outputs = 6,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm",
    .samples = channel_samples(false, 2),
});

[[maybe_unused]] const OpRow& kBatchNormGrad = register_op({
    .name = "batch_norm_grad",
    .summary = "The gradients of batch_norm's first result for x, weight and bias; mean and variance are its others.",
    .min_inputs = 4,
    .max_inputs = 5,
    .input_names = {"g", "x", "mean", "variance", "weight"},
    .output_count = 3,
    .attrs = {kEps},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_equal(row, inputs);
      infer_batch(row, inputs, 1, out);
      out[0] = {inputs[1].shape(), inputs[1].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& g = inputs[0];
      const Tensor& x = inputs[1];
      Dims axes = around_channels(x.ndim());
      Tensor scale = by_channel(one_over_root(inputs[3], attrs[0].as_float()), x.ndim());
      Tensor normal = multiply(subtract(x, by_channel(inputs[2], x.ndim())), scale);
      Tensor along = multiply(normal, mean(multiply(g, normal), axes));
      if (has(inputs, 4)) scale = multiply(scale, by_channel(inputs[4], x.ndim()));
      out[0] = multiply(scale, subtract(subtract(g, mean(g, axes)), along));
      out[1] = sum(multiply(g, normal), axes, false);
      out[2] = sum(g, axes, false);
    },
    .batching = batch_one_by_one,
    .autocast = Autocast::Float32,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as layer_norm_grad",
    .samples = [] {
      std::vector<Sample> samples = with_gradient(channel_samples(false, 1));
      for (Sample& sample : samples) {
        Dims channels{sample.inputs[0].shape[1]};
        sample.inputs.insert(sample.inputs.begin() + 2, {{channels, -0.5, 0.5}, {channels, 0.5, 2}});
      }
      return samples;
    }(),
});

}  // namespace

}  // namespace flambeau::ops
