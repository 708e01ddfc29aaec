// pooling.cpp: the largest element or the mean of windows over one to three spatial axes.
#include <string>
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/neural.h"
#include "ops/ops.h"
#include "ops/rows.h"
#include "ops/windows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kKernel{.name = "kernel", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kStride{.name = "stride", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kPadding{.name = "padding", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kDilation{.name = "dilation", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kCeil{.name = "ceil_mode", .kind = FL_ATTR_BOOL, .fallback = false};
const AttrSpec kShape{.name = "shape", .kind = FL_ATTR_INTS, .required = true};

void require_axes(const OpRow& row, const Dims& x, size_t axes) {
  if (x.size() < 3 || x.size() > 5 || x.size() != axes + 2) {
    raise(ErrorKind::Shape, row.name, ": x is ", x, " with windows over ", axes,
          " axes: (batch, channels) and one to three spatial axes are needed, one number of the windows for each");
  }
}
void require_float(const OpRow& row, const Tensor& x) {
  if (!is_float(x.dtype())) raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), "; cast with x.astype(fl.float32)");
}

// Sizes after a pool with these windows. `dilation` may be null.
Dims pooled_shape(const OpRow& row, const Dims& x, Attrs attrs, const Dims* dilation, bool ceil_mode) {
  const Dims& kernel = attrs[0].ints();
  const Dims& stride = attrs[1].ints();
  const Dims& padding = attrs[2].ints();
  require_axes(row, x, kernel.size());
  if (stride.size() != kernel.size() || padding.size() != kernel.size() || (dilation && dilation->size() != kernel.size())) {
    raise(ErrorKind::Value, row.name, ": kernel is ", kernel, ", stride ", stride, ", padding ", padding,
          ": they need equally many numbers");
  }
  Dims shape{x[0], x[1]};
  for (size_t axis = 0; axis < kernel.size(); ++axis) {
    int64_t gap = dilation ? (*dilation)[axis] : 1;
    if (kernel[axis] < 1 || stride[axis] < 1 || gap < 1) {
      raise(ErrorKind::Value, row.name, ": kernel is ", kernel, ", stride ", stride, ": sizes and steps are at least 1");
    }
    if (padding[axis] < 0 || padding[axis] > kernel[axis] / 2) {
      raise(ErrorKind::Value, row.name, ": padding is ", padding, ", kernel ", kernel,
            ": padding is at least 0 and at most half of the kernel");
    }
    int64_t n = x[axis + 2];
    __extension__ typedef __int128 Wide;  // what users write may be any number
    const Wide room = Wide(n) + 2 * Wide(padding[axis]) - Wide(gap) * (kernel[axis] - 1) - 1 + (ceil_mode ? stride[axis] - 1 : 0);
    // At most n: padding is half a kernel at most. The first window, too, may reach over the end by less than a step.
    int64_t count = room < 0 ? 0 : static_cast<int64_t>(room / stride[axis]) + 1;
    // The last window begins inside x or the zeros before it.
    if (count > 0 && (count - 1) * stride[axis] >= n + padding[axis]) --count;
    if (count < 1) {
      raise(ErrorKind::Shape, row.name, ": x is ", x, ", the kernel ", kernel, " with padding ", padding,
            " does not fit along spatial axis ", axis, "; pad more or use a smaller kernel");
    }
    shape.push_back(count);
  }
  return shape;
}

void require_equal(const OpRow& row, const Dims& g, const Dims& expected) {
  if (g != expected) raise(ErrorKind::Shape, row.name, ": g is ", g, ", the pool gives ", expected, ": they must be equal");
}

// Batch and channels are one axis to a pool: the new axis joins the batch, everywhere.
void batch_pool(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  std::vector<Tensor> merged = all_batched(inputs, batched);
  const int64_t outer = merged[0].size(0), inner = merged[0].size(1);
  for (Tensor& x : merged) {
    Dims shape = x.shape();
    shape.erase(0);
    shape[0] = outer * inner;
    x = reshape(x, shape);
  }
  apply(row, merged, attrs, outputs);
  for (Tensor& out : outputs) {
    Dims parts = out.shape();
    parts[0] = inner;
    parts.insert(0, outer);
    out = reshape(out, parts);
  }
}

// The spatial axes as one.
Tensor flattened(const Tensor& x) { return reshape(x, {x.size(0), x.size(1), x.count() == 0 ? 0 : x.count() / (x.size(0) * x.size(1))}); }

// ---- maximum ----

Dims max_shape(const OpRow& row, const Dims& x, Attrs attrs) {
  return pooled_shape(row, x, attrs, &attrs[3].ints(), attrs[4].as_bool());
}

struct MaxCase {
  Dims x, kernel, stride, padding, dilation;
  bool ceil_mode;
};
const std::vector<MaxCase>& max_cases() {
  static const std::vector<MaxCase> all = {
      {{2, 2, 6}, {2}, {2}, {0}, {1}, false},
      {{1, 2, 5}, {3}, {1}, {1}, {1}, false},
      {{1, 1, 5, 6}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, true},
      {{1, 2, 4, 5}, {3, 2}, {2, 1}, {1, 0}, {1, 2}, false},
      {{1, 1, 3, 4, 2}, {2, 2, 1}, {1, 2, 1}, {1, 0, 0}, {1, 1, 1}, false},
      {{0, 2, 4, 4}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false},
      {{3, 2, 38, 70}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false},
      {{2, 3, 19, 45}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false},
      {{2, 3, 19, 45}, {3, 5}, {3, 1}, {1, 2}, {2, 1}, true},
  };
  return all;
}
std::vector<Attr> attrs_of(const MaxCase& one) { return {one.kernel, one.stride, one.padding, one.dilation, one.ceil_mode}; }

const OpRow& kMaxIndices = register_op({
    .name = "max_pool_indices",
    .summary = "Where max_pool finds the largest element of each window, counted over all spatial axes of x.",
    .attrs = {kKernel, kStride, kPadding, kDilation, kCeil},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      out[0] = {max_shape(row, inputs[0].shape(), attrs), DType::Int64};
    },
    .decompose = decompose_max_pool_indices,
    .batching = batch_pool,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = [] {
      std::vector<Sample> samples;
      for (const MaxCase& one : max_cases()) samples.push_back({{{one.x}}, attrs_of(one)});
      return samples;
    }(),
});

// Whether some window's elements all lie beside x, as a dilated one's may: its maximum is -inf and none of x's.
bool misses_x(const Dims& x, const Dims& y, Attrs attrs) {
  for (size_t axis = 0; axis + 2 < x.size(); ++axis) {
    const int64_t kernel = attrs[0].ints()[axis], gap = attrs[3].ints()[axis];
    for (int64_t i = 0; i < y[axis + 2]; ++i) {
      const int64_t start = i * attrs[1].ints()[axis] - attrs[2].ints()[axis];
      const int64_t steps = start < 0 ? (-start - 1) / gap + 1 : 0;  // over the zeros before x
      if (steps >= kernel || start + steps * gap >= x[axis + 2]) return true;
    }
  }
  return false;
}
Tensor max_pool(const Tensor& x, Attrs attrs);
// `values`, one for each window over x, with zeros where a window has no element of x.
Tensor only_met(const Tensor& values, const Tensor& x, Attrs attrs) {
  if (!misses_x(x.shape(), values.shape(), attrs)) return values;
  Dims plane = x.shape();
  plane[0] = plane[1] = 1;
  const Tensor met = max_pool(full(plane, 1, values.dtype(), values.device()), attrs);
  return where(greater_equal(met, scalar(0.0, met.dtype(), met.device())), values, scalar(0.0, values.dtype(), values.device()));
}

const OpRow& kMaxPoolGrad = register_op({
    .name = "max_pool_grad",
    .summary = "The gradient of max_pool: each element of g at the place in x that its window took.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "x"},
    .attrs = {kKernel, kStride, kPadding, kDilation, kCeil},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_equal(row, inputs[0].shape(), max_shape(row, inputs[1].shape(), attrs));
      out[0] = {inputs[1].shape(), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[1];
      Tensor places = flattened(apply(kMaxIndices, Inputs(&x, 1), attrs));
      int64_t size = flattened(x).size(2);
      out[0] = reshape(take_along_axis_grad(flattened(only_met(inputs[0], x, attrs)), places, 2, size), x.shape());
    },
    .vjp = [](const Backward& b) {
      if (!b.needs(0)) return;  // in x it is constant almost everywhere
      const Tensor& x = b.input(1);
      Tensor places = apply(kMaxIndices, Inputs(&x, 1), b.attrs);
      b.give(0, only_met(reshape(take_along_axis(flattened(b.grad()), flattened(places), 2), places.shape()), x, b.attrs));
    },
    .batching = batch_pool,
    .saves_inputs = 0b10,
    .ulp = ulps(2, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "elements of overlapping windows are added one by one, 16-bit ones in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const MaxCase& one : max_cases()) {
        Dims g{one.x[0], one.x[1]};
        for (size_t axis = 0; axis < one.kernel.size(); ++axis) {
          int64_t room = one.x[axis + 2] + 2 * one.padding[axis] - one.dilation[axis] * (one.kernel[axis] - 1) - 1;
          int64_t count = (room + (one.ceil_mode ? one.stride[axis] - 1 : 0)) / one.stride[axis] + 1;
          g.push_back((count - 1) * one.stride[axis] >= one.x[axis + 2] + one.padding[axis] ? count - 1 : count);
        }
        samples.push_back({{{g}, {one.x}}, attrs_of(one)});
      }
      return samples;
    }(),
});

const OpRow& kMaxPool = register_op({
    .name = "max_pool",
    .summary = "The largest element of each window of `kernel` elements `dilation` apart, a window every `stride`; NaN "
               "wins. ceil_mode keeps a last window that reaches over the end.",
    .attrs = {kKernel, kStride, kPadding, kDilation, kCeil},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      out[0] = {max_shape(row, inputs[0].shape(), attrs), inputs[0].dtype()};
    },
    .decompose = decompose_max_pool,
    .vjp = [](const Backward& b) {
      const Tensor both[] = {b.grad(), b.input(0)};
      b.give(0, apply(kMaxPoolGrad, Inputs(both), b.attrs));
    },
    .batching = batch_pool,
    .saves_inputs = 1,
    .ulp_note = "an element of x",
    .samples = [] {
      std::vector<Sample> samples;
      for (const MaxCase& one : max_cases()) samples.push_back({{{one.x}}, attrs_of(one)});
      return samples;
    }(),
});

Tensor max_pool(const Tensor& x, Attrs attrs) { return apply(kMaxPool, Inputs(&x, 1), attrs); }

// ---- mean ----

const AttrSpec kCountPadding{.name = "count_include_pad", .kind = FL_ATTR_BOOL, .fallback = true};
const AttrSpec kDivisor{.name = "divisor", .kind = FL_ATTR_INT, .fallback = 0};

struct MeanCase {
  Dims x, kernel, stride, padding;
  bool ceil_mode, count_include_pad;
  int64_t divisor;
};
const std::vector<MeanCase>& mean_cases() {
  static const std::vector<MeanCase> all = {
      {{2, 2, 6}, {2}, {2}, {0}, false, true, 0},
      {{1, 2, 5}, {3}, {2}, {1}, true, false, 0},
      {{1, 1, 5, 6}, {2, 3}, {2, 2}, {1, 1}, true, true, 0},
      {{1, 2, 4, 5}, {3, 2}, {2, 1}, {1, 0}, false, false, 0},
      {{1, 1, 3, 4, 2}, {2, 2, 1}, {1, 2, 1}, {1, 0, 0}, false, true, 5},
      {{0, 2, 4, 4}, {2, 2}, {2, 2}, {0, 0}, false, true, 0},
      {{3, 2, 38, 70}, {2, 2}, {2, 2}, {0, 0}, false, true, 0},
      {{2, 3, 19, 45}, {3, 3}, {1, 3}, {1, 1}, true, true, 0},
  };
  return all;
}
std::vector<Attr> attrs_of(const MeanCase& one) {
  return {one.kernel, one.stride, one.padding, one.ceil_mode, one.count_include_pad, one.divisor};
}
void require_divisor(const OpRow& row, int64_t divisor) {
  if (divisor < 0) raise(ErrorKind::Value, row.name, ": divisor is ", divisor, ": it is at least 1, or 0 for the count");
}

Tensor avg_pool_grad(const Tensor& g, const Dims& shape, Attrs attrs);

const OpRow& kAvgPool = register_op({
    .name = "avg_pool",
    .summary = "The mean of each window of `kernel` elements, a window every `stride`. Zeros around x count if "
               "count_include_pad; a divisor other than 0 takes the place of the count.",
    .attrs = {kKernel, kStride, kPadding, kCeil, kCountPadding, kDivisor},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      require_divisor(row, attrs[5].as_int());
      out[0] = {pooled_shape(row, inputs[0].shape(), attrs, nullptr, attrs[3].as_bool()), inputs[0].dtype()};
    },
    .decompose = decompose_avg_pool,
    .vjp = [](const Backward& b) { b.give(0, avg_pool_grad(b.grad(), spatial(b.input(0).shape()), b.attrs)); },
    .batching = batch_pool,
    .ulp = ulps(2, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a sum of the window and a quotient; 16-bit floats are summed in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const MeanCase& one : mean_cases()) samples.push_back({{{one.x}}, attrs_of(one)});
      return samples;
    }(),
});

const OpRow& kAvgPoolGrad = register_op({
    .name = "avg_pool_grad",
    .summary = "The gradient of avg_pool for an x whose spatial sizes are `shape`: each element of g shared evenly.",
    .input_names = {"g"},
    .attrs = {kShape, kKernel, kStride, kPadding, kCeil, kCountPadding, kDivisor},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      require_divisor(row, attrs[6].as_int());
      require_axes(row, inputs[0].shape(), attrs[0].ints().size());
      Dims x{inputs[0].size(0), inputs[0].size(1)};
      for (int64_t size : attrs[0].ints()) x.push_back(size);
      require_equal(row, inputs[0].shape(), pooled_shape(row, x, attrs.subspan(1), nullptr, attrs[4].as_bool()));
      out[0] = {x, inputs[0].dtype()};
    },
    .decompose = decompose_avg_pool_grad,
    .vjp = [](const Backward& b) {
      const Tensor& g = b.grad();
      b.give(0, apply(kAvgPool, Inputs(&g, 1), b.attrs.subspan(1)));
    },
    .batching = batch_pool,
    .ulp = ulps(2, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as avg_pool",
    .samples = [] {
      std::vector<Sample> samples;
      for (const MeanCase& one : mean_cases()) {
        Dims g{one.x[0], one.x[1]};
        for (size_t axis = 0; axis < one.kernel.size(); ++axis) {
          int64_t room = one.x[axis + 2] + 2 * one.padding[axis] - one.kernel[axis];
          int64_t count = (room + (one.ceil_mode ? one.stride[axis] - 1 : 0)) / one.stride[axis] + 1;
          g.push_back((count - 1) * one.stride[axis] >= one.x[axis + 2] + one.padding[axis] ? count - 1 : count);
        }
        std::vector<Attr> attrs = attrs_of(one);
        attrs.insert(attrs.begin(), Attr(spatial(one.x)));
        samples.push_back({{{g}}, attrs});
      }
      return samples;
    }(),
});
Tensor avg_pool_grad(const Tensor& g, const Dims& shape, Attrs attrs) {
  std::vector<Attr> all{shape};
  all.insert(all.end(), attrs.begin(), attrs.end());
  return apply(kAvgPoolGrad, Inputs(&g, 1), all);
}

// ---- windows cut so that there are as many as asked for ----

const AttrSpec kSize{.name = "size", .kind = FL_ATTR_INTS, .required = true};
struct AdaptiveCase {
  Dims x, size;
};
const AdaptiveCase kAdaptiveCases[] = {{{2, 2, 7}, {3}},          {{1, 2, 3}, {5}},           {{1, 2, 4, 5}, {2, 3}},
                                       {{1, 1, 2, 3, 4}, {1, 2, 3}}, {{0, 2, 4, 4}, {2, 2}}, {{3, 4, 17, 35}, {7, 6}}};

Dims adaptive_shape(const OpRow& row, const Dims& x, const Dims& size) {
  require_axes(row, x, size.size());
  Dims shape{x[0], x[1]};
  for (size_t axis = 0; axis < size.size(); ++axis) {
    if (size[axis] < 1 || x[axis + 2] < 1) {
      raise(ErrorKind::Shape, row.name, ": x is ", x, ", the wanted size ", size, ": spatial sizes are at least 1");
    }
    shape.push_back(size[axis]);
  }
  return shape;
}

Tensor adaptive_grad(const Tensor& g, const Dims& shape);

const OpRow& kAdaptiveAvg = register_op({
    .name = "adaptive_avg_pool",
    .summary = "The means of `size` windows along each spatial axis: window i goes from floor(i n / size) to "
               "ceil((i + 1) n / size).",
    .attrs = {kSize},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      out[0] = {adaptive_shape(row, inputs[0].shape(), attrs[0].ints()), inputs[0].dtype()};
    },
    .decompose = decompose_adaptive_avg_pool,
    .vjp = [](const Backward& b) { b.give(0, adaptive_grad(b.grad(), spatial(b.input(0).shape()))); },
    .batching = batch_pool,
    .ulp = ulps(2, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as avg_pool",
    .samples = [] {
      std::vector<Sample> samples;
      for (const AdaptiveCase& one : kAdaptiveCases) samples.push_back({{{one.x}}, {one.size}});
      return samples;
    }(),
});

const OpRow& kAdaptiveAvgGrad = register_op({
    .name = "adaptive_avg_pool_grad",
    .summary = "The gradient of adaptive_avg_pool for an x whose spatial sizes are `shape`.",
    .input_names = {"g"},
    .attrs = {kShape},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      out[0] = {adaptive_shape(row, inputs[0].shape(), attrs[0].ints()), inputs[0].dtype()};
    },
    .decompose = decompose_adaptive_avg_pool_grad,
    .vjp = [](const Backward& b) { b.give(0, apply(kAdaptiveAvg, {b.grad()}, {spatial(b.input(0).shape())})); },
    .batching = batch_pool,
    .ulp = ulps(2, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as avg_pool",
    .samples = [] {
      std::vector<Sample> samples;
      for (const AdaptiveCase& one : kAdaptiveCases) {
        Dims g{one.x[0], one.x[1]};
        for (int64_t size : one.size) g.push_back(size);
        samples.push_back({{{g}}, {spatial(one.x)}});
      }
      return samples;
    }(),
});
Tensor adaptive_grad(const Tensor& g, const Dims& shape) { return apply(kAdaptiveAvgGrad, {g}, {shape}); }

[[maybe_unused]] const OpRow& kAdaptiveIndices = register_op({
    .name = "adaptive_max_indices",
    .summary = "Where the largest element of each window of adaptive_avg_pool is, counted over all spatial axes of x.",
    .attrs = {kSize},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_float(row, inputs[0]);
      out[0] = {adaptive_shape(row, inputs[0].shape(), attrs[0].ints()), DType::Int64};
    },
    .batching = batch_pool,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = [] {
      std::vector<Sample> samples;
      for (const AdaptiveCase& one : kAdaptiveCases) samples.push_back({{{one.x}}, {one.size}});
      return samples;
    }(),
});

}  // namespace

}  // namespace flambeau::ops
