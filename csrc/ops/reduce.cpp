// reduce.cpp: sums, extremes, their positions and truth over some axes.
#include <algorithm>
#include <limits>
#include <vector>

#include "core/launch.h"
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

// Attributes of every reduction: axes (INTS; all if not given), keepdims. A dtype may follow.
const AttrSpec kAxes{.name = "axes", .kind = FL_ATTR_INTS, .python = "axis"};
const AttrSpec kKeepdims{.name = "keepdims", .kind = FL_ATTR_BOOL, .fallback = false};

void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  int64_t ndim = inputs[0].ndim();
  attrs[0] = attrs[0].is_none() ? all_axes(ndim) : normal_axes(row.name, attrs[0].ints(), ndim);
}

Dims output_shape(Inputs inputs, Attrs attrs) {
  return reduced_shape(inputs[0].shape(), attrs[0].ints(), attrs[1].as_bool());
}

// Kernels see every axis: the reduced ones 1 long.
bool arrange(const OpRow&, Attrs attrs, std::span<Window> operands) {
  Window& out = operands[1];
  if (!attrs[1].as_bool()) {
    for (int64_t axis : attrs[0].ints()) {
      out.shape.insert(static_cast<size_t>(axis), 1);
      out.strides.insert(static_cast<size_t>(axis), 0);
    }
    return true;
  }
  for (int64_t axis : attrs[0].ints()) out.strides[static_cast<size_t>(axis)] = 0;
  return true;
}

void require_dtype(const OpRow& row, const Tensor& x, DTypeSet dtypes, std::string_view needed) {
  if (contains(dtypes, x.dtype())) return;
  raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), " and ", needed);
}

int64_t group_size(const Tensor& x, const Dims& axes) {
  int64_t size = 1;
  for (int64_t axis : axes) size *= x.size(axis);
  return size;
}

// A reduced tensor back at its input's shape: reduced axes 1 long again, then repeated.
Tensor spread(const Tensor& reduced, const Tensor& x, Attrs attrs) {
  Tensor kept = attrs[1].as_bool() ? reduced : expand_dims(reduced, attrs[0].ints());
  return broadcast_to(kept, x.shape());
}

std::vector<Sample> reduce_samples(bool empty_groups, std::vector<Attr> more = {}) {
  struct Case {
    Dims shape;
    Dims axes;
    bool keepdims;
  };
  std::vector<Case> cases = {{{}, {}, false},        {{5}, {0}, false},          {{3, 4}, {0}, false},
                             {{3, 4}, {1}, true},    {{3, 4}, {0, 1}, false},    {{2, 3, 4}, {1}, false},
                             {{2, 3, 4}, {0, 2}, true}, {{1037}, {0}, false},    {{7, 130}, {1}, false},
                             {{130, 7}, {0}, false}, {{0, 3}, {1}, false}};
  if (empty_groups) cases.insert(cases.end(), {{{0, 3}, {0}, false}, {{2, 0}, {0, 1}, true}});
  std::vector<Sample> samples;
  for (const Case& one : cases) {
    Sample sample{{{one.shape}}, {one.axes, one.keepdims}};
    sample.attrs.insert(sample.attrs.end(), more.begin(), more.end());
    samples.push_back(std::move(sample));
  }
  return samples;
}

// What a sum of this type gives if nothing is said: of bool and integers int64 (uint64 of unsigned ones), or on a
// device without it the 32-bit type.
DType sum_dtype(DType from, const Device* device) {
  if (is_inexact(from)) return from;
  if (is_unsigned(from)) return device->stores(DType::UInt64) ? DType::UInt64 : DType::UInt32;
  return device->stores(DType::Int64) ? DType::Int64 : DType::Int32;
}

const OpRow& kSum = register_op({
    .name = "sum",
    .summary = "The sum over `axis` (all axes if not given). bool and integers give int64, unsigned ones "
               "uint64 (on a device without it, 32 bits), unless `dtype` says otherwise.",
    .attrs = {kAxes, kKeepdims, {.name = "dtype", .kind = FL_ATTR_DTYPE}},
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      DType dtype = attrs[2].as_dtype();
      if (dtype == DType::Bool) {
        raise(ErrorKind::DType, row.name, ": dtype is bool, which cannot hold a sum: write any(x), or dtype=int64");
      }
      if (is_inexact(inputs[0].dtype()) && is_integer(dtype)) {
        raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), " and dtype ", dtype,
              ": a sum of floats is a float; cast x first to cut its fractions off");
      }
      if (is_complex(inputs[0].dtype()) && !is_complex(dtype)) {
        raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), " and dtype ", dtype,
              ": a sum of complex numbers is complex; write sum(real(x))");
      }
      out[0] = {output_shape(inputs, attrs), dtype};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      normalize(row, inputs, attrs);
      DType from = inputs[0].dtype();
      if (attrs[2].is_none()) attrs[2] = sum_dtype(from, inputs[0].device());
    },
    .arrange = arrange,
    .vjp = [](const Backward& b) {
      b.give(0, cast_back(spread(b.grad(), b.input(0), b.attrs), b.input(0).dtype()));
    },
    .batching = batch_axes,
    .ulp = ulps(1, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "partial sums round at the size of the terms; 16-bit floats are summed in float32 and rounded once",
    .samples = [] {
      // The dtype of the last attribute is that of the sample itself where it is a float; int64 else.
      std::vector<Sample> samples = reduce_samples(true, {Attr()});
      for (Sample& sample : reduce_samples(true, {DType::Float64})) samples.push_back(std::move(sample));
      return samples;
    }(),
});

// The axes that are reduced behind the others.
Dims reduced_last(const Tensor& x, const Dims& axes) {
  Dims order;
  for (int64_t axis = 0; axis < x.ndim(); ++axis)
    if (std::find(axes.begin(), axes.end(), axis) == axes.end()) order.push_back(axis);
  for (int64_t axis : axes) order.push_back(axis);
  return order;
}

// For each element of lines (n, count) the product of those before it: there is no division, so zeros are no special case.
Tensor products_before(const Tensor& lines) {
  static const OpRow& running = op_named("cumulative_prod");
  const int64_t count = lines.size(1);
  const Tensor parts[] = {full({lines.size(0), 1}, 1, lines.dtype(), lines.device()),
                          apply(running, {narrow(lines, 1, 0, count - 1)}, {int64_t(1)})};
  return concat(parts, 1);
}

const OpRow& kProductGrad = register_op({
    .name = "product_grad",
    .summary = "The gradient of the products of lines x (n, count): g (n) times the product of all others of a line.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "x"},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      const Tensor &g = inputs[0], &x = inputs[1];
      if (!is_inexact(x.dtype()) || g.dtype() != x.dtype()) {
        raise(ErrorKind::DType, row.name, ": g is ", g.dtype(), ", x is ", x.dtype(), ": they must be floats of one dtype");
      }
      if (x.ndim() != 2 || g.shape() != Dims{x.size(0)}) {
        raise(ErrorKind::Shape, row.name, ": g is ", g.shape(), ", x is ", x.shape(), ": they must be (n) and (n, count)");
      }
      out[0] = {x.shape(), x.dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      if (inputs[1].count() == 0) {
        out[0] = multiply(expand_dims(inputs[0], {1}), inputs[1]);
        return;
      }
      const Tensor x = conj(inputs[1]), others = multiply(products_before(x), turned(products_before(turned(x, 1)), 1));
      out[0] = multiply(expand_dims(inputs[0], {1}), others);
    },
    .batching = batch_one_by_one,
    .ulp = ulps(4, 8, 64, 16, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "float64 rounds every partial product; the others are multiplied in a wider type, two products rounded on the way",
    .samples = {{{{{1}}, {{1, 5}}}},
                {{{{3}}, {{3, 4}}}},
                {{{{3}}, {{3, 1}}}},
                {{{{0}}, {{0, 3}}}},
                {{{{3}}, {{3, 0}}}},
                {{{{7}}, {{7, 130}, 0.95, 1.05}}}},
});

[[maybe_unused]] const OpRow& kProduct = register_op({
    .name = "product",
    .summary = "The product over `axis` (all axes if not given), 1 of nothing.",
    .attrs = {kAxes, kKeepdims},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_dtype(row, inputs[0], kNumeric, "cannot be multiplied; cast it with x.astype(fl.int64)");
      out[0] = {output_shape(inputs, attrs), inputs[0].dtype()};
    },
    .normalize = normalize,
    .arrange = arrange,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      static const OpRow& running = op_named("cumulative_prod");
      const Tensor& x = inputs[0];
      const Dims& axes = attrs[0].ints();
      const Dims shape = output_shape(inputs, attrs);
      const int64_t count = group_size(x, axes);
      if (count == 0 || x.count() == 0) {
        // 1 of nothing, which depends on x as far as gradients go.
        out[0] = cast_back(add(sum(x, axes, attrs[1].as_bool()), 1), x.dtype());
        return;
      }
      const Tensor lines = reshape(permute_dims(x, reduced_last(x, axes)), {x.count() / count, count});
      out[0] = reshape(narrow(apply(running, {lines}, {int64_t(1)}), 1, count - 1, count), shape);
    },
    .vjp = [](const Backward& b) {
      const Tensor& x = b.input(0);
      const Dims order = reduced_last(x, b.attrs[0].ints());
      const Tensor turned_x = permute_dims(x, order);
      const int64_t groups = b.grad().count(), count = groups ? x.count() / groups : 0;
      const Tensor lines = apply(kProductGrad, {reshape(b.grad(), {groups}), reshape(turned_x, {groups, count})});
      Dims back = order;
      for (int64_t i = 0; i < x.ndim(); ++i) back[static_cast<size_t>(order[static_cast<size_t>(i)])] = i;
      b.give(0, permute_dims(reshape(lines, turned_x.shape()), back));
    },
    .batching = batch_axes,
    .saves_inputs = 1,
    .autocast = Autocast::Float32,
    .ulp = ulps(1, 2, 64, 4, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "float64 rounds every partial product; the others are multiplied in a wider type and rounded once",
    .samples = [] {
      std::vector<Sample> samples = reduce_samples(true);
      for (Sample& sample : samples) sample.inputs[0].low = 0.95, sample.inputs[0].high = 1.05;
      return samples;
    }(),
});

const OpRow& kMean = register_op({
    .name = "mean",
    .summary = "The mean over `axis` (all axes if not given); NaN where there is nothing.",
    .attrs = {kAxes, kKeepdims},
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_dtype(row, inputs[0], kInexact, "a mean needs floats: cast it, for example to float32");
      out[0] = {output_shape(inputs, attrs), inputs[0].dtype()};
    },
    .normalize = normalize,
    .arrange = arrange,
    .vjp = [](const Backward& b) {
      // Where there is nothing to take a mean of there is no gradient to scale either.
      int64_t size = std::max<int64_t>(group_size(b.input(0), b.attrs[0].ints()), 1);
      b.give(0, spread(divide(b.grad(), static_cast<double>(size)), b.input(0), b.attrs));
    },
    .batching = batch_axes,
    .ulp = ulps(1, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the sum's roundings over its size, and one division",
    .samples = reduce_samples(true),
});

Tensor mean_kept(const Tensor& x, Attrs attrs) { return apply(kMean, {x}, {attrs[0].ints(), true}); }
double degrees_of_freedom(const Tensor& x, Attrs attrs) {
  return static_cast<double>(group_size(x, attrs[0].ints())) - attrs[2].as_float();
}

const AttrSpec kCorrection{.name = "correction", .kind = FL_ATTR_FLOAT, .fallback = 0.0};

void infer_spread(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
  require_dtype(row, inputs[0], kFloats, "a variance needs real floats: cast it, for example to float32");
  out[0] = {output_shape(inputs, attrs), inputs[0].dtype()};
}

const OpRow& kVar = register_op({
    .name = "var",
    .summary = "The variance: squared distances from the mean, summed and divided by (count - correction); NaN where "
               "that is not positive.",
    .attrs = {kAxes, kKeepdims, kCorrection},
    .composite = true,
    .public_name = false,
    .infer = infer_spread,
    .normalize = normalize,
    .arrange = arrange,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor total = sum(square(subtract(inputs[0], mean_kept(inputs[0], attrs))), attrs[0].ints(), attrs[1].as_bool());
      const double divisor = degrees_of_freedom(inputs[0], attrs);
      out[0] = divisor > 0 ? divide(total, divisor) : multiply(total, std::numeric_limits<double>::quiet_NaN());
    },
    .vjp = [](const Backward& b) {
      const Tensor& x = b.input(0);
      const double divisor = degrees_of_freedom(x, b.attrs);
      // Of nothing there is no gradient to scale.
      const double nan = std::numeric_limits<double>::quiet_NaN();
      const double scale = x.count() == 0 ? 0 : divisor > 0 ? 2 / divisor : nan;
      Tensor away = subtract(x, mean_kept(x, b.attrs));
      b.give(0, multiply(away, spread(multiply(b.grad(), scale), x, b.attrs)));
    },
    .batching = batch_axes,
    .saves_inputs = 1,
    .ulp = ulps(4, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "distances from a rounded mean; their squares are summed in float64",
    .samples = reduce_samples(true, {0.0}),
});

// Zeros of y as ones: what divides by them is not taken.
Tensor without_zeros(const Tensor& y) { return where(equal(y, constant(0, y)), constant(1, y), y); }

[[maybe_unused]] const OpRow& kStd = register_op({
    .name = "std",
    .summary = "The standard deviation: the root of the variance; its gradient where all are equal is 0.",
    .attrs = {kAxes, kKeepdims, kCorrection},
    .composite = true,
    .public_name = false,
    .infer = infer_spread,
    .normalize = normalize,
    .arrange = arrange,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      out[0] = apply(op_named("sqrt"), {apply(kVar, inputs, attrs)});
    },
    .vjp = [](const Backward& b) {
      const Tensor &x = b.input(0), &y = b.output();
      const double divisor = degrees_of_freedom(x, b.attrs);
      if (x.count() == 0) return b.give(0, multiply(x, spread(b.grad(), x, b.attrs)));
      const double scale = divisor > 0 ? 1 / divisor : std::numeric_limits<double>::quiet_NaN();
      Tensor share = where(equal(y, constant(0, y)), constant(0, y), divide(b.grad(), without_zeros(y)));
      b.give(0, multiply(subtract(x, mean_kept(x, b.attrs)), spread(multiply(share, scale), x, b.attrs)));
    },
    .batching = batch_axes,
    .saves_inputs = 1,
    .saves_outputs = 1,
    .ulp = ulps(4, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the variance's roundings, halved by the root",
    .samples = reduce_samples(true, {0.0}),
});

[[maybe_unused]] const OpRow& kLength = register_op({
    .name = "length",
    .summary = "The root of the sum of squares, without overflow on the way; its gradient at 0 is 0.",
    .attrs = {kAxes, kKeepdims},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_dtype(row, inputs[0], kFloats, "a length needs real floats: cast it, for example to float32");
      out[0] = {output_shape(inputs, attrs), inputs[0].dtype()};
    },
    .normalize = normalize,
    .arrange = arrange,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[0];
      const Dims& axes = attrs[0].ints();
      if (x.count() == 0) {
        out[0] = sum(abs(x), axes, attrs[1].as_bool());
        return;
      }
      // Measured by the largest element, if there is one that measures.
      Tensor top = max(abs(x), axes, true);
      Tensor measures = logical_and(less(constant(0, top), top), apply(op_named("isfinite"), {top}));
      Tensor scale = where(measures, top, constant(1, top));
      Tensor result = multiply(apply(op_named("sqrt"), {sum(square(divide(x, scale)), axes, true)}), scale);
      out[0] = attrs[1].as_bool() ? result : reshape(result, output_shape(inputs, attrs));
    },
    .vjp = [](const Backward& b) {
      const Tensor& y = b.output();
      Tensor safe = without_zeros(y);
      const Tensor& x = b.input(0);
      if (x.dtype() == DType::Float16)  // whose range a gradient over a small length leaves
        b.give(0, multiply(divide(x, spread(safe, x, b.attrs)), spread(b.grad(), x, b.attrs)));
      else
        b.give(0, multiply(x, spread(divide(b.grad(), safe), x, b.attrs)));
    },
    .batching = batch_axes,
    .saves_inputs = 1,
    .saves_outputs = 1,
    .ulp = ulps(4, 16, 16, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "squares are summed in float64 and rounded once",
    .samples = reduce_samples(true),
});

void infer_extreme(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out, DType dtype) {
  const Tensor& x = inputs[0];
  require_dtype(row, x, kNumbers, "only numbers have an order: use any() or all(), or cast it to int32");
  Dims shape = output_shape(inputs, attrs);
  if (group_size(x, attrs[0].ints()) == 0) {
    raise(ErrorKind::Value, row.name, ": x is ", x.shape(), ", empty along axis ", attrs[0].ints(),
          ", where nothing is largest or smallest: give it at least one element");
  }
  out[0] = {shape, dtype};
}

// Equal extremes share the gradient evenly.
void extreme_vjp(const Backward& b) {
  const Tensor& x = b.input(0);
  Tensor taken = cast(equal(x, spread(b.output(), x, b.attrs)), x.dtype());
  Tensor ties = sum(taken, b.attrs[0].ints(), b.attrs[1].as_bool());
  b.give(0, multiply(taken, spread(divide(b.grad(), ties), x, b.attrs)));
}

const OpRow& extreme(const char* name, const char* summary) {
  return register_op({
      .name = name,
      .summary = summary,
      .attrs = {kAxes, kKeepdims},
      .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
        infer_extreme(row, inputs, attrs, out, inputs[0].dtype());
      },
      .normalize = normalize,
      .arrange = arrange,
      .vjp = extreme_vjp,
      .batching = batch_axes,
      .saves_inputs = 1,
      .saves_outputs = 1,
      .ulp_note = "a choice between exact values",
      .samples = reduce_samples(false),
  });
}

const OpRow& kMax =
    extreme("max", "The largest element over `axis`; NaN if there is one. Equal ones share the gradient.");
[[maybe_unused]] const OpRow& kMin =
    extreme("min", "The smallest element over `axis`; NaN if there is one. Equal ones share the gradient.");

// Among all elements of each example: along the one axis of the flattened examples.
void batch_position(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                    std::span<Tensor> outputs) {
  if (attrs[0].ints().size() == 1) return batch_axes(row, inputs, batched, attrs, outputs);
  const Tensor& x = inputs[0];
  Dims shape = x.shape();
  int64_t size = shape[0];
  shape.erase(0);
  Tensor place = apply(row, {reshape(x, {size, count_of(shape)})}, {Dims{1}, false});
  Dims reduced = reduced_shape(shape, attrs[0].ints(), attrs[1].as_bool());
  reduced.insert(0, size);
  outputs[0] = reshape(place, reduced);
}

const OpRow& position(const char* name, const char* summary) {
  std::vector<Sample> samples = reduce_samples(false);
  std::erase_if(samples, [](const Sample& sample) { return sample.attrs[0].ints().size() != 1; });
  samples.push_back({{{{3, 4}}}, {Dims{0, 1}, false}});
  samples.push_back({{{{}}}, {Dims{}, false}});
  return register_op({
      .name = name,
      .summary = summary,
      .attrs = {kAxes, kKeepdims},
      .composite = true,
      .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
        size_t axes = attrs[0].ints().size();
        if (axes != 1 && axes != inputs[0].shape().size()) {
          raise(ErrorKind::Value, row.name, ": axis is ", attrs[0].ints(), " of ", inputs[0].ndim(),
                " dimensions: a position is along one axis, or among all elements (axis=None)");
        }
        infer_extreme(row, inputs, attrs, out, DType::Int64);
      },
      .normalize = normalize,
      .arrange = [](const OpRow& row, Attrs attrs, std::span<Window> operands) {
        return attrs[0].ints().size() == 1 && arrange(row, attrs, operands);
      },
      // Among all elements: along the one axis of the flattened tensor.
      .decompose = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
        const Tensor& x = inputs[0];
        if (attrs[0].ints().size() == 1) {  // nothing simpler: the CPU steps in if it may
          launch_on_cpu(row, x.device(), inputs, attrs, out);
          return;
        }
        Tensor flat = reshape(x, {x.count()});
        Tensor place = apply(row, {flat}, {Dims{0}, false});
        out[0] = reshape(place, reduced_shape(x.shape(), attrs[0].ints(), attrs[1].as_bool()));
      },
      .batching = batch_position,
      .differentiable = 0,
      .ulp_note = "an integer",
      .samples = samples,
  });
}

[[maybe_unused]] const OpRow& kArgmax =
    position("argmax", "Where the first of the largest elements is along `axis` (of all, row by row, if not given).");
[[maybe_unused]] const OpRow& kArgmin =
    position("argmin", "Where the first of the smallest elements is along `axis` (of all, row by row, if not given).");

const OpRow& truth(const char* name, const char* summary) {
  return register_op({
      .name = name,
      .summary = summary,
      .attrs = {kAxes, kKeepdims},
      .infer = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Meta> out) {
        out[0] = {output_shape(inputs, attrs), DType::Bool};
      },
      .normalize = normalize,
      .arrange = arrange,
      .batching = batch_axes,
      .differentiable = 0,
      .ulp_note = "a truth value",
      .samples = reduce_samples(true),
  });
}

[[maybe_unused]] const OpRow& kAny = truth("any", "Whether some element over `axis` is not 0; false of nothing.");
[[maybe_unused]] const OpRow& kAll = truth("all", "Whether no element over `axis` is 0; true of nothing.");

}  // namespace

Tensor sum(const Tensor& x, const Dims& axes, bool keepdims) {
  return apply(kSum, {x}, {axes, keepdims, sum_dtype(x.dtype(), x.device())});
}
Tensor max(const Tensor& x, const Dims& axes, bool keepdims) { return apply(kMax, {x}, {axes, keepdims}); }

}  // namespace flambeau::ops
