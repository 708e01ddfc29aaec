// optimizer.cpp: whole steps of optimizers over any number of parameters, in place.
#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

// Inputs come in groups of `count`: parameters, gradients, states. All have one dtype; groups agree in shape.
void require_groups(const OpRow& row, Inputs inputs, int64_t count, std::initializer_list<int64_t> group_counts,
                    std::span<Meta> out) {
  int64_t given = static_cast<int64_t>(inputs.size());
  bool fits = false;
  for (int64_t groups : group_counts) fits = fits || (count > 0 && given == groups * count);
  if (!fits) {
    raise(ErrorKind::Value, row.name, ": ", given, " tensors for ", count,
          " parameters: each parameter comes with its gradient and its states, in groups");
  }
  for (int64_t i = 0; i < given; ++i) {
    const Tensor& x = inputs[static_cast<size_t>(i)];
    const Tensor& parameter = inputs[static_cast<size_t>(i % count)];
    if (!is_float(x.dtype()) || x.dtype() != inputs[0].dtype()) {
      raise(ErrorKind::DType, row.name, ": tensor ", i, " is ", x.dtype(), ", the first parameter ", inputs[0].dtype(),
            ": all must have one float dtype; step groups of equal dtype apart");
    }
    if (x.shape() != parameter.shape()) {
      raise(ErrorKind::Shape, row.name, ": parameter ", i % count, " is ", parameter.shape(),
            ", its gradient or state is ", x.shape(), ": they must be equal");
    }
  }
  for (size_t i = 0; i < out.size(); ++i) out[i] = {inputs[0].shape(), inputs[0].dtype()};
}

// Outputs are the parameters, then the states: everything but the gradients.
void alias_all_but_gradients(const OpRow&, Inputs inputs, Attrs attrs, std::vector<int32_t>& output_of) {
  int32_t count = static_cast<int32_t>(attrs[0].as_int());
  for (int32_t i = 0; i < static_cast<int32_t>(inputs.size()); ++i) {
    if (i < count || i >= 2 * count) output_of.push_back(i);
  }
}

// Two parameters of different shape with everything that belongs to them.
std::vector<SampleInput> parameters(int64_t signed_groups, bool squares) {
  std::vector<SampleInput> inputs;
  for (int64_t group = 0; group < signed_groups; ++group) {
    inputs.push_back({{3, 4}});
    inputs.push_back({{65}});
  }
  if (squares) {
    inputs.push_back({{3, 4}, 0.1, 2});
    inputs.push_back({{65}, 0.1, 2});
  }
  return inputs;
}

// Two parameters of different shape, their gradients, and states within these ranges.
std::vector<SampleInput> parameters(std::initializer_list<std::pair<double, double>> states) {
  std::vector<SampleInput> inputs = {{{3, 4}}, {{65}}, {{3, 4}}, {{65}}};
  for (auto [low, high] : states) {
    inputs.push_back({{3, 4}, low, high});
    inputs.push_back({{65}, low, high});
  }
  return inputs;
}

void require_first_step(const OpRow& row, int64_t step) {
  if (step < 1) raise(ErrorKind::Value, row.name, ": step is ", step, ": it counts from 1");
}

[[maybe_unused]] const OpRow& kSgdStep = register_op({
    .name = "sgd_step",
    .summary = "One step of gradient descent, with momentum if there are buffers: as torch.optim.SGD.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "momentum", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "dampening", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "nesterov", .kind = FL_ATTR_BOOL, .fallback = false},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false},
              {.name = "first", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_groups(row, inputs, attrs[0].as_int(), {2, 3}, out);
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(2, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "four products and sums at the size of the parameters",
    .samples = {{parameters(2, false), {2, 0.1, 0.0, 0.0, 0.0, false, false, false}},
                {parameters(2, false), {2, 0.1, 0.0, 0.0, 0.01, false, true, false}},
                {parameters(3, false), {2, 0.1, 0.9, 0.0, 0.0, false, false, true}},
                {parameters(3, false), {2, 0.1, 0.9, 0.1, 0.01, false, false, false}},
                {parameters(3, false), {2, 0.1, 0.9, 0.0, 0.01, true, false, false}}},
});

[[maybe_unused]] const OpRow& kAdamwStep = register_op({
    .name = "adamw_step",
    .summary = "One step of Adam with decoupled weight decay: as torch.optim.AdamW. `step` counts from 1.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "beta1", .kind = FL_ATTR_FLOAT, .fallback = 0.9},
              {.name = "beta2", .kind = FL_ATTR_FLOAT, .fallback = 0.999},
              {.name = "eps", .kind = FL_ATTR_FLOAT, .fallback = 1e-8},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.01},
              {.name = "step", .kind = FL_ATTR_INT, .required = true},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_groups(row, inputs, attrs[0].as_int(), {4}, out);
      require_first_step(row, attrs[6].as_int());
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(4, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a dozen products and sums, a root and a division at the size of the parameters",
    .samples = {{parameters(3, true), {2, 0.01, 0.9, 0.999, 1e-8, 0.01, 1, false}},
                {parameters(3, true), {2, 0.01, 0.8, 0.9, 1e-3, 0.0, 100, true}}},
});

[[maybe_unused]] const OpRow& kAdamStep = register_op({
    .name = "adam_step",
    .summary = "One step of Adam: as torch.optim.Adam. States: means, squares, and with AMSGrad the largest squares. "
               "`decoupled`: the decay does not pass through the means. `step` counts from 1.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "beta1", .kind = FL_ATTR_FLOAT, .fallback = 0.9},
              {.name = "beta2", .kind = FL_ATTR_FLOAT, .fallback = 0.999},
              {.name = "eps", .kind = FL_ATTR_FLOAT, .fallback = 1e-8},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "step", .kind = FL_ATTR_INT, .required = true},
              {.name = "decoupled", .kind = FL_ATTR_BOOL, .fallback = false},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_groups(row, inputs, attrs[0].as_int(), {4, 5}, out);
      require_first_step(row, attrs[6].as_int());
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(4, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a dozen products and sums, a root and a division at the size of the parameters",
    .samples = {{parameters({{-2, 2}, {0.1, 2}}), {2, 0.01, 0.9, 0.999, 1e-8, 0.01, 1, false, false}},
                {parameters({{-2, 2}, {0.1, 2}, {0.1, 2}}), {2, 0.01, 0.8, 0.9, 1e-3, 0.1, 9, false, true}},
                {parameters({{-2, 2}, {0.1, 2}, {0.1, 2}}), {2, 0.01, 0.8, 0.9, 1e-3, 0.1, 9, true, false}}},
});

[[maybe_unused]] const OpRow& kRmspropStep = register_op({
    .name = "rmsprop_step",
    .summary = "One step of RMSprop: as torch.optim.RMSprop. States: squares, means where it is centered, and buffers "
               "where there is momentum.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "alpha", .kind = FL_ATTR_FLOAT, .fallback = 0.99},
              {.name = "eps", .kind = FL_ATTR_FLOAT, .fallback = 1e-8},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "momentum", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "centered", .kind = FL_ATTR_BOOL, .fallback = false},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      int64_t groups = 3 + (attrs[6].as_bool() ? 1 : 0) + (attrs[5].as_float() != 0 ? 1 : 0);
      require_groups(row, inputs, attrs[0].as_int(), {groups}, out);
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(4, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a dozen products and sums, a root and a division at the size of the parameters",
    .samples = {{parameters({{0.1, 2}}), {2, 0.01, 0.99, 1e-8, 0.0, 0.0, false, false}},
                {parameters({{0.1, 2}, {-2, 2}}), {2, 0.01, 0.9, 1e-3, 0.1, 0.9, false, true}},
                {parameters({{5, 8}, {-2, 2}, {-2, 2}}), {2, 0.01, 0.9, 1e-3, 0.1, 0.9, true, false}}},
});

[[maybe_unused]] const OpRow& kAdagradStep = register_op({
    .name = "adagrad_step",
    .summary = "One step of Adagrad: as torch.optim.Adagrad, with its lr after decay. State: sums of squares.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "eps", .kind = FL_ATTR_FLOAT, .fallback = 1e-10},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_groups(row, inputs, attrs[0].as_int(), {3}, out);
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(4, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a few products and sums, a root and a division at the size of the parameters",
    .samples = {{parameters({{0.1, 2}}), {2, 0.01, 1e-10, 0.0, false}},
                {parameters({{0.1, 2}}), {2, 0.1, 1e-3, 0.1, true}}},
});

[[maybe_unused]] const OpRow& kLionStep = register_op({
    .name = "lion_step",
    .summary = "One step of Lion (Chen and others, arXiv:2302.06675): the sign of a mean of gradients. State: means.",
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true},
              {.name = "lr", .kind = FL_ATTR_FLOAT, .required = true},
              {.name = "beta1", .kind = FL_ATTR_FLOAT, .fallback = 0.9},
              {.name = "beta2", .kind = FL_ATTR_FLOAT, .fallback = 0.99},
              {.name = "weight_decay", .kind = FL_ATTR_FLOAT, .fallback = 0.0},
              {.name = "maximize", .kind = FL_ATTR_BOOL, .fallback = false}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_groups(row, inputs, attrs[0].as_int(), {3}, out);
    },
    .aliases = alias_all_but_gradients,
    .differentiable = 0,
    .ulp = ulps(2, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "four products and sums at the size of the parameters; the sign is exact but where the mean rounds to 0",
    .samples = {{parameters({{-2, 2}}), {2, 0.01, 0.9, 0.99, 0.0, false}},
                {parameters({{-2, 2}}), {2, 0.01, 0.8, 0.9, 0.1, true}}},
});

[[maybe_unused]] const OpRow& kUnscale = register_op({
    .name = "unscale",
    .summary = "Gradients times `scale`, in place; the last tensor, one number, becomes 1 if an element was not finite.",
    .min_inputs = 1,
    .max_inputs = kAnyNumber,
    .output_count = kAnyNumber,
    .attrs = {{.name = "scale", .kind = FL_ATTR_FLOAT, .required = true}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      const Tensor& found = inputs[inputs.size() - 1];
      if (found.count() != 1)
        raise(ErrorKind::Shape, row.name, ": the last tensor is ", found.shape(), ": it must be one number, which says "
              "whether something was not finite");
      for (size_t i = 0; i < inputs.size(); ++i) {
        if (!is_float(inputs[i].dtype()) || inputs[i].dtype() != found.dtype())
          raise(ErrorKind::DType, row.name, ": tensor ", i, " is ", inputs[i].dtype(), ", the last one ", found.dtype(),
                ": all must have one float dtype; unscale those of equal dtype apart");
        out[i] = {inputs[i].shape(), inputs[i].dtype()};
      }
    },
    .aliases = [](const OpRow&, Inputs inputs, Attrs, std::vector<int32_t>& output_of) {
      for (size_t i = 0; i < inputs.size(); ++i) output_of.push_back(static_cast<int32_t>(i));
    },
    .differentiable = 0,
    .ulp = ulps(1, 1, 1),
    .ulp_note = "one product; what is not finite is found exactly",
    .samples = {{{{{3, 4}}, {{65}}, {{}, 0, 1}}, {0.125}}, {{{{2, 0}}, {{1037}}, {{1}, 0, 1}}, {3.0}}, {{{{}, 0, 1}}, {2.0}}},
});

}  // namespace

}  // namespace flambeau::ops
