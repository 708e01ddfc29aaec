// loss.cpp: cross entropy of logits, and of probabilities' logarithms, against class indices.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

enum Reduction : int64_t { kNone = 0, kMean = 1, kSum = 2 };

const std::vector<AttrSpec> kAttrs = {{.name = "reduction", .kind = FL_ATTR_INT, .fallback = 1},
                                      {.name = "ignore_index", .kind = FL_ATTR_INT, .fallback = -100},
                                      {.name = "label_smoothing", .kind = FL_ATTR_FLOAT, .fallback = 0.0}};

void require_targets(const OpRow& row, const Tensor& rows, const Tensor& target, std::string_view name) {
  if (!is_float(rows.dtype())) {
    raise(ErrorKind::DType, row.name, ": ", name, " are ", rows.dtype(), ": they must be floats; cast them to float32");
  }
  if (rows.ndim() != 2) {
    raise(ErrorKind::Shape, row.name, ": ", name, " are ", rows.shape(),
          ": they must be (examples, classes); reshape other dimensions into the first");
  }
  if (!is_integer(target.dtype())) {
    raise(ErrorKind::DType, row.name, ": target is ", target.dtype(), ": class indices are int32 or int64; cast it");
  }
  if (target.shape() != Dims{rows.size(0)}) {
    raise(ErrorKind::Shape, row.name, ": ", name, " are ", rows.shape(), ", target is ", target.shape(),
          ": target must be ", Dims{rows.size(0)}, ", one class for each example");
  }
}

void require_reduction(const OpRow& row, Attrs attrs) {
  int64_t reduction = attrs[0].as_int();
  if (reduction < kNone || reduction > kSum) {
    raise(ErrorKind::Value, row.name, ": reduction is ", reduction, ": it is 0 (none), 1 (mean) or 2 (sum)");
  }
}

void require_options(const OpRow& row, Attrs attrs) {
  require_reduction(row, attrs);
  double smoothing = attrs[2].as_float();
  if (!(smoothing >= 0 && smoothing <= 1)) {
    raise(ErrorKind::Value, row.name, ": label_smoothing is ", smoothing, ": it must be between 0 and 1");
  }
}

// Targets as indices that can be read: ignored ones 0, and what is below 0 made out of range, since indices count
// from the end elsewhere but classes do not.
struct Targets {
  Targets(const Tensor& target, int64_t classes, Attrs attrs) {
    Device* device = target.device();
    DType dtype = target.dtype();
    Tensor zero = scalar(int64_t{0}, dtype, device);
    kept = not_equal(target, scalar(attrs[1].as_int(), dtype, device));
    Tensor in_range = where(less(target, zero), scalar(classes, dtype, device), target);
    index = expand_dims(where(kept, in_range, zero), {1});
  }
  Tensor kept;   // (n) bool
  Tensor index;  // (n, 1)
};

// -(1 - s) l[target] - s mean(l), with l the logarithms of the probabilities.
Tensor row_losses(const Tensor& log_probabilities, const Targets& targets, double smoothing) {
  Tensor picked = reshape(take_along_axis(log_probabilities, targets.index, 1), {log_probabilities.size(0)});
  Tensor loss = multiply(picked, smoothing - 1);
  if (smoothing == 0) return loss;
  double share = smoothing / static_cast<double>(log_probabilities.size(1));
  return subtract(loss, multiply(sum(log_probabilities, {1}, false), share));
}

Tensor count_kept(const Targets& targets, DType dtype) { return sum(cast(targets.kept, dtype), {0}, false); }

// Several losses at once are one of all their rows, taken apart again.
struct Rows {
  Rows(Inputs inputs, std::span<const bool> batched, size_t logits)
      : all(all_batched(inputs, batched)), size(all[logits].size(0)), examples(all[logits].size(1)), classes(all[logits].size(2)) {}
  Tensor flat(size_t i) const {
    const Dims rows = {size * examples};
    return reshape(all[i], all[i].ndim() == 3 ? Dims{size * examples, classes} : rows);
  }
  // How many targets of each loss count.
  Tensor counts(const Tensor& target, Attrs attrs, DType dtype) const {
    const Tensor kept = not_equal(target, scalar(attrs[1].as_int(), target.dtype(), target.device()));
    return sum(cast(kept, dtype), {1}, false);
  }

  std::vector<Tensor> all;
  int64_t size, examples, classes;
};

void batch_loss(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> out) {
  const Rows rows(inputs, batched, 0);
  const Attr each[] = {int64_t{kNone}, attrs[1], attrs[2]};
  const Tensor flat[] = {rows.flat(0), rows.flat(1)};
  apply(row, flat, each, out);
  Tensor losses = reshape(out[0], {rows.size, rows.examples});
  if (attrs[0].as_int() != kNone) losses = sum(losses, {1}, false);
  if (attrs[0].as_int() == kMean) losses = divide(losses, rows.counts(rows.all[1], attrs, losses.dtype()));
  out[0] = losses;
  out[1] = reshape(out[1], {rows.size, rows.examples, rows.classes});
}

void batch_loss_grad(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> out) {
  const Rows rows(inputs, batched, 1);
  const Attr each[] = {int64_t{kNone}, attrs[1], attrs[2]};
  Tensor g = rows.all[0];
  if (attrs[0].as_int() == kMean) g = divide(g, rows.counts(rows.all[2], attrs, g.dtype()));
  if (attrs[0].as_int() != kNone) g = broadcast_to(expand_dims(g, {1}), {rows.size, rows.examples});
  const Tensor flat[] = {reshape(g, {rows.size * rows.examples}), rows.flat(1), rows.flat(2)};
  apply(row, flat, each, out);
  out[0] = reshape(out[0], {rows.size, rows.examples, rows.classes});
}

struct Case {
  Dims shape;
  int64_t reduction;
  int64_t ignore_index;
  double smoothing;
};
const Case kCases[] = {{{5, 3}, kMean, -100, 0.0}, {{5, 3}, kSum, -100, 0.0},  {{5, 3}, kNone, -100, 0.0},
                       {{5, 3}, kMean, 1, 0.0},    {{5, 3}, kMean, -100, 0.1}, {{5, 3}, kSum, 1, 0.25},
                       {{5, 3}, kNone, 0, 0.5},    {{1, 1}, kMean, -100, 0.0}, {{0, 3}, kSum, -100, 0.0},
                       {{33, 130}, kMean, 7, 0.1}};

std::vector<Attr> attrs_of(const Case& one) { return {one.reduction, one.ignore_index, one.smoothing}; }
SampleInput target_of(const Case& one) {
  return {{one.shape[0]}, 0, static_cast<double>(one.shape[1]), SampleKind::Index};
}

const OpRow& kCrossEntropy = register_op({
    .name = "cross_entropy",
    .summary = "The loss of logits (n, c) against classes (n), and log_softmax of the logits. `reduction` is 0 none, 1 "
               "mean over targets that are not ignored (NaN if all are), 2 sum.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"logits", "target"},
    .output_count = 2,
    .attrs = kAttrs,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_targets(row, inputs[0], inputs[1], "logits");
      require_options(row, attrs);
      out[0] = {attrs[0].as_int() == kNone ? inputs[1].shape() : Dims{}, inputs[0].dtype()};
      out[1] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor log_probabilities = log_softmax(inputs[0], 1);
      Targets targets(inputs[1], inputs[0].size(1), attrs);
      Tensor losses = row_losses(log_probabilities, targets, attrs[2].as_float());
      losses = where(targets.kept, losses, constant(0, losses));
      if (attrs[0].as_int() != kNone) losses = sum(losses, {0}, false);
      if (attrs[0].as_int() == kMean) losses = divide(losses, count_kept(targets, losses.dtype()));
      out[0] = losses;
      out[1] = log_probabilities;
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("cross_entropy_grad");
      Tensor grad;
      if (b.grad(0).defined()) {
        grad = apply(row, {b.grad(0), b.output(1), b.input(1)}, {b.attrs[0], b.attrs[1], b.attrs[2]});
      }
      if (b.grad(1).defined()) {
        Tensor more = log_softmax_grad(b.grad(1), b.output(1), 1);
        grad = grad.defined() ? add(grad, more) : more;
      }
      b.give(0, grad);
    },
    .batching = batch_loss,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .saves_outputs = 0b10,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "log_softmax, then a mean of the rows at the size of the logits",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : kCases) samples.push_back({{{one.shape, -4, 4}, target_of(one)}, attrs_of(one)});
      return samples;
    }(),
});

// The distribution that is wanted: 1 - s at the target and s / c everywhere.
Tensor wanted(const Targets& targets, const Tensor& like, double smoothing) {
  int64_t classes = like.size(1);
  Tensor ones = broadcast_to(constant(1 - smoothing, like), targets.index.shape());
  Tensor at_target = take_along_axis_grad(ones, targets.index, 1, classes);
  return smoothing == 0 ? at_target : add(at_target, smoothing / static_cast<double>(classes));
}

[[maybe_unused]] const OpRow& kCrossEntropyGrad = register_op({
    .name = "cross_entropy_grad",
    .summary = "The gradient of cross_entropy's loss for the logits.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"g", "log_probabilities", "target"},
    .attrs = kAttrs,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_targets(row, inputs[1], inputs[2], "log_probabilities");
      require_options(row, attrs);
      Dims shape = attrs[0].as_int() == kNone ? inputs[2].shape() : Dims{};
      if (inputs[0].shape() != shape) {
        raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ": it must be ", shape, " as the loss");
      }
      out[0] = {inputs[1].shape(), inputs[1].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& log_probabilities = inputs[1];
      Targets targets(inputs[2], log_probabilities.size(1), attrs);
      Tensor difference = subtract(exp(log_probabilities), wanted(targets, log_probabilities, attrs[2].as_float()));
      Tensor scale = inputs[0];
      if (attrs[0].as_int() == kMean) scale = divide(scale, count_kept(targets, scale.dtype()));
      if (attrs[0].as_int() == kNone) scale = expand_dims(scale, {1});
      Tensor kept = expand_dims(targets.kept, {1});
      out[0] = where(kept, multiply(difference, scale), constant(0, difference));
    },
    .batching = batch_loss_grad,
    .differentiable = 0b011,
    .ulp = ulps(8, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "exp of a logarithm that was rounded, a difference and a product at the size of g",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : kCases) {
        Dims g = one.reduction == kNone ? Dims{one.shape[0]} : Dims{};
        samples.push_back({{{g}, {one.shape, -6, -0.1}, target_of(one)}, attrs_of(one)});
      }
      return samples;
    }(),
});

// ---- of logarithms that are given ----

std::vector<AttrSpec> nll_attrs(bool gradient) {
  std::vector<AttrSpec> attrs = {kAttrs[0], kAttrs[1]};
  if (gradient) attrs.push_back({.name = "classes", .kind = FL_ATTR_INT, .required = true});
  return attrs;
}

const OpRow& kNllGrad = register_op({
    .name = "nll_loss_grad",
    .summary = "The gradient of nll_loss for the logarithms.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "target"},
    .attrs = nll_attrs(true),
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Tensor &g = inputs[0], &target = inputs[1];
      require_reduction(row, attrs);
      if (!is_float(g.dtype()) || !is_integer(target.dtype())) {
        raise(ErrorKind::DType, row.name, ": g is ", g.dtype(), ", target is ", target.dtype(), ": they must be floats and integers");
      }
      if (target.ndim() != 1 || g.shape() != (attrs[0].as_int() == kNone ? target.shape() : Dims{})) {
        raise(ErrorKind::Shape, row.name, ": g is ", g.shape(), ", target is ", target.shape(), ": g has the shape of the loss");
      }
      out[0] = {{target.size(0), attrs[2].as_int()}, g.dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Targets targets(inputs[1], attrs[2].as_int(), attrs);
      Tensor share = negative(inputs[0]);
      if (attrs[0].as_int() == kMean) share = divide(share, count_kept(targets, share.dtype()));
      share = where(targets.kept, share, constant(0, share));
      out[0] = take_along_axis_grad(expand_dims(share, {1}), targets.index, 1, attrs[2].as_int());
    },
    .differentiable = 0b01,
    .ulp = ulps(2, 2, 2),
    .ulp_note = "one quotient",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : kCases) {
        Dims g = one.reduction == kNone ? Dims{one.shape[0]} : Dims{};
        samples.push_back({{{g}, target_of(one)}, {one.reduction, one.ignore_index, one.shape[1]}});
      }
      return samples;
    }(),
});

[[maybe_unused]] const OpRow& kNll = register_op({
    .name = "nll_loss",
    .summary = "The negative of the logarithms (n, c) at the classes (n). `reduction` is 0 none, 1 mean over targets that "
               "are not ignored (NaN if all are), 2 sum.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"log_probabilities", "target"},
    .attrs = nll_attrs(false),
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_targets(row, inputs[0], inputs[1], "log_probabilities");
      require_reduction(row, attrs);
      out[0] = {attrs[0].as_int() == kNone ? inputs[1].shape() : Dims{}, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Targets targets(inputs[1], inputs[0].size(1), attrs);
      Tensor losses = row_losses(inputs[0], targets, 0);
      losses = where(targets.kept, losses, constant(0, losses));
      if (attrs[0].as_int() != kNone) losses = sum(losses, {0}, false);
      if (attrs[0].as_int() == kMean) losses = divide(losses, count_kept(targets, losses.dtype()));
      out[0] = losses;
    },
    .vjp = [](const Backward& b) {
      b.give(0, apply(kNllGrad, {b.grad(), b.input(1)}, {b.attrs[0], b.attrs[1], b.input(0).size(1)}));
    },
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .autocast = Autocast::Float32,
    .ulp = ulps(8, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a mean of the rows at the size of the logarithms",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : kCases)
        samples.push_back({{{one.shape, -6, -0.1}, target_of(one)}, {one.reduction, one.ignore_index}});
      return samples;
    }(),
});

}  // namespace

}  // namespace flambeau::ops
