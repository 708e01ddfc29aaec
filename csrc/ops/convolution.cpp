// convolution.cpp: convolutions over one to three spatial axes, and the two products that are their derivatives.
//
// The three rows are linear in each of their inputs and close under differentiation: the derivative of any one of them
// is another of them, so derivatives of every order exist and no more code is needed for them. A transposed
// convolution is convolution_input_grad itself.
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

const AttrSpec kStride{.name = "stride", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kPadding{.name = "padding", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kDilation{.name = "dilation", .kind = FL_ATTR_INTS, .required = true};
const AttrSpec kGroups{.name = "groups", .kind = FL_ATTR_INT, .fallback = 1};
const AttrSpec kShape{.name = "shape", .kind = FL_ATTR_INTS, .required = true};

// The attributes that all three share, `attrs` beginning at the stride.
struct Geometry {
  const Dims& stride;
  const Dims& padding;  // before each axis, then behind each axis
  const Dims& dilation;
  int64_t groups;
  explicit Geometry(Attrs attrs)
      : stride(attrs[0].ints()), padding(attrs[1].ints()), dilation(attrs[2].ints()), groups(attrs[3].as_int()) {}
  size_t axes() const { return stride.size(); }
};

void require_geometry(const OpRow& row, const Geometry& g, int64_t ndim) {
  if (ndim < 3 || ndim > 5) {
    raise(ErrorKind::Shape, row.name, ": ", ndim, " dimensions: (batch, channels) and one to three spatial ones are "
          "needed; add a batch of one with x[None]");
  }
  size_t axes = static_cast<size_t>(ndim) - 2;
  if (g.stride.size() != axes || g.dilation.size() != axes || g.padding.size() != 2 * axes) {
    raise(ErrorKind::Value, row.name, ": stride is ", g.stride, ", padding ", g.padding, ", dilation ", g.dilation,
          ": for ", axes, " spatial axes they need ", axes, ", ", 2 * axes, " (before, then behind) and ", axes,
          " numbers");
  }
  for (int64_t value : g.stride)
    if (value < 1) raise(ErrorKind::Value, row.name, ": stride is ", g.stride, ": steps are at least 1");
  for (int64_t value : g.dilation)
    if (value < 1) raise(ErrorKind::Value, row.name, ": dilation is ", g.dilation, ": steps are at least 1");
  for (int64_t value : g.padding)
    if (value < 0) raise(ErrorKind::Value, row.name, ": padding is ", g.padding, ": it is at least 0; slice to cut off");
  if (g.groups < 1) raise(ErrorKind::Value, row.name, ": groups is ", g.groups, ": it is at least 1");
}

void require_channels(const OpRow& row, const Dims& x, const Dims& weight, const Geometry& g) {
  if (weight.size() != x.size()) {
    raise(ErrorKind::Shape, row.name, ": x is ", x, ", weight is ", weight,
          ": they need the same number of dimensions, (batch, in, ...) and (out, in / groups, ...)");
  }
  if (weight[1] * g.groups != x[1]) {
    raise(ErrorKind::Shape, row.name, ": x is ", x, " with ", x[1], " channels, weight is ", weight, " with groups ",
          g.groups, ": the weight wants ", weight[1] * g.groups, " channels");
  }
  if (weight[0] % g.groups != 0) {
    raise(ErrorKind::Shape, row.name, ": weight is ", weight, ", groups is ", g.groups, ": groups must divide the ",
          weight[0], " output channels");
  }
}

// Positions of a kernel `k` long on an axis `n` long.
int64_t positions(const Geometry& g, size_t axis, int64_t n, int64_t k) {
  __extension__ typedef __int128 Wide;  // what users write may be any number
  const Wide whole = Wide(n) + g.padding[axis] + g.padding[g.axes() + axis];
  if (whole > (int64_t{1} << 60)) return INT64_MAX;  // no memory holds it, and the core says so
  const Wide room = whole - Wide(g.dilation[axis]) * (k - 1) - 1;
  return room < 0 ? 0 : static_cast<int64_t>(room) / g.stride[axis] + 1;
}

Dims convolved_shape(const OpRow& row, const Dims& x, const Dims& weight, const Geometry& g) {
  Dims shape{x[0], weight[0]};
  for (size_t axis = 0; axis < g.axes(); ++axis) {
    if (weight[axis + 2] < 1) raise(ErrorKind::Shape, row.name, ": weight is ", weight, ": a kernel has no empty axis");
    shape.push_back(positions(g, axis, x[axis + 2], weight[axis + 2]));
    if (shape.back() < 1) {
      raise(ErrorKind::Shape, row.name, ": x is ", x, ", the kernel ", weight, " with dilation ", g.dilation,
            " and padding ", g.padding, " does not fit along spatial axis ", axis, "; pad more or use a smaller kernel");
    }
  }
  return shape;
}

// Only a batch of x: one more factor of its batch axis. Everything else one by one.
void batch_images(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
  for (size_t i = 1; i < inputs.size(); ++i)
    if (batched[i]) return batch_one_by_one(row, inputs, batched, attrs, outputs);
  std::vector<Tensor> merged(inputs.begin(), inputs.end());
  Dims shape = inputs[0].shape();
  int64_t outer = shape[0], inner = shape[1];
  shape.erase(0);
  shape[0] = outer * inner;
  merged[0] = reshape(inputs[0], shape);
  apply(row, merged, attrs, outputs);
  for (Tensor& out : outputs) {
    Dims parts = out.shape();
    parts[0] = inner;
    parts.insert(0, outer);
    out = reshape(out, parts);
  }
}

struct Shapes {
  Dims x, weight, stride, padding, dilation;
  int64_t groups;
};
const std::vector<Shapes>& cases() {
  static const std::vector<Shapes> all = {
      {{2, 2, 5}, {3, 2, 2}, {1}, {0, 0}, {1}, 1},
      {{1, 2, 6}, {2, 1, 3}, {2}, {1, 2}, {1}, 2},
      {{1, 1, 4, 4}, {2, 1, 2, 3}, {1, 1}, {1, 1, 0, 1}, {1, 1}, 1},
      {{1, 1, 5, 4}, {1, 1, 2, 2}, {2, 1}, {0, 1, 1, 0}, {2, 1}, 1},
      {{1, 1, 3, 2, 3}, {1, 1, 2, 2, 1}, {1, 1, 2}, {0, 1, 0, 0, 0, 0}, {1, 1, 1}, 1},
      {{0, 2, 4, 4}, {3, 2, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 1},
      {{2, 4, 9, 11}, {6, 2, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 2},
      {{3, 19, 15, 13}, {21, 19, 3, 3}, {2, 2}, {1, 1, 1, 1}, {1, 1}, 1},
      {{2, 10, 8, 9}, {10, 1, 3, 3}, {1, 1}, {1, 1, 1, 1}, {1, 1}, 10},
      {{2, 3, 20, 20}, {16, 3, 5, 5}, {3, 3}, {2, 2, 2, 2}, {2, 2}, 1},
      {{2, 3, 5, 6, 7}, {5, 3, 3, 3, 3}, {2, 1, 2}, {1, 1, 1, 1, 1, 1}, {1, 2, 1}, 1},
      {{2, 8, 1, 1}, {70, 8, 1, 1}, {1, 1}, {0, 0, 0, 0}, {1, 1}, 1},
      {{2, 2, 5, 6}, {3, 2, 1, 1}, {2, 1}, {0, 0, 0, 0}, {1, 1}, 1},
  };
  return all;
}
Dims output_of(const Shapes& one) {
  const Attr attrs[] = {one.stride, one.padding, one.dilation, one.groups};
  Geometry g(attrs);
  Dims shape{one.x[0], one.weight[0]};
  for (size_t axis = 0; axis < g.axes(); ++axis) shape.push_back(positions(g, axis, one.x[axis + 2], one.weight[axis + 2]));
  return shape;
}
std::vector<Attr> attrs_of(const Shapes& one) { return {one.stride, one.padding, one.dilation, one.groups}; }
std::vector<Attr> attrs_of(const Dims& shape, const Shapes& one) {
  return {shape, one.stride, one.padding, one.dilation, one.groups};
}

const OpRow& kConvolution = register_op({
    .name = "convolution",
    .summary = "Each kernel of weight (out, in / groups, ...) slid over x (batch, in, ...) with one to three spatial axes, "
               "plus the bias (out). `padding` is zeros before each axis, then behind each axis.",
    .min_inputs = 2,
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .attrs = {kStride, kPadding, kDilation, kGroups},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& x = inputs[0].shape();
      const Dims& weight = inputs[1].shape();
      Geometry g(attrs);
      require_geometry(row, g, inputs[0].ndim());
      require_channels(row, x, weight, g);
      if (inputs.size() > 2 && inputs[2].shape() != Dims{weight[0]}) {
        raise(ErrorKind::Shape, row.name, ": bias is ", inputs[2].shape(), ", weight is ", weight, ": bias must be ",
              Dims{weight[0]}, ", one number for each output channel");
      }
      out[0] = {convolved_shape(row, x, weight, g), inputs[0].dtype()};
    },
    .decompose = decompose_convolution,
    .vjp = [](const Backward& b) {
      Geometry g(b.attrs);
      if (b.needs(0)) b.give(0, convolution_input_grad(b.grad(), b.input(1), spatial(b.input(0).shape()), b.attrs));
      if (b.needs(1)) b.give(1, convolution_weight_grad(b.grad(), b.input(0), spatial(b.input(1).shape()), b.attrs));
      if (b.needed.size() > 2 && b.needs(2)) {
        Dims axes{0};
        for (size_t axis = 0; axis < g.axes(); ++axis) axes.push_back(static_cast<int64_t>(axis) + 2);
        b.give(2, sum(b.grad(), axes, false));
      }
    },
    .batching = batch_images,
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}, Saved{}>,
    .autocast = Autocast::Lower,
    .ulp = ulps(2, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as many products and sums as the kernel has elements; 16-bit floats are summed in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Shapes& one : cases()) {
        samples.push_back({{{one.x}, {one.weight}}, attrs_of(one)});
        if (samples.size() % 2) samples.push_back({{{one.x}, {one.weight}, {{one.weight[0]}}}, attrs_of(one)});
      }
      return samples;
    }(),
});

const OpRow& kInputGrad = register_op({
    .name = "convolution_input_grad",
    .summary = "The gradient of convolution for x, whose spatial sizes are `shape`: the transposed convolution of g by "
               "the same weight.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "weight"},
    .attrs = {kShape, kStride, kPadding, kDilation, kGroups},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& given = inputs[0].shape();
      const Dims& weight = inputs[1].shape();
      Geometry g(attrs.subspan(1));
      require_geometry(row, g, inputs[0].ndim());
      const Dims& shape = attrs[0].ints();
      if (weight.size() != given.size() || shape.size() != g.axes() || given[1] != weight[0]) {
        raise(ErrorKind::Shape, row.name, ": g is ", given, ", weight is ", weight, ", shape is ", shape,
              ": g's channels must be the weight's first size, and shape has one number for each spatial axis");
      }
      if (weight[0] % g.groups != 0) {
        raise(ErrorKind::Shape, row.name, ": weight is ", weight, ", groups is ", g.groups, ": groups must divide its "
              "first size ", weight[0]);
      }
      Dims x{given[0], weight[1] * g.groups};
      for (int64_t size : shape) x.push_back(size);
      Dims expected = convolved_shape(row, x, weight, g);
      if (expected != given) {
        raise(ErrorKind::Shape, row.name, ": g is ", given, ", but a convolution of ", x, " by ", weight, " gives ",
              expected, ": they must be equal");
      }
      out[0] = {x, inputs[0].dtype()};
    },
    .decompose = decompose_convolution_input_grad,
    .vjp = [](const Backward& b) {
      Attrs geometry = b.attrs.subspan(1);
      if (b.needs(0)) b.give(0, convolution(b.grad(), b.input(1), geometry));
      if (b.needs(1)) b.give(1, convolution_weight_grad(b.input(0), b.grad(), spatial(b.input(1).shape()), geometry));
    },
    .batching = batch_images,
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}>,
    .autocast = Autocast::Lower,
    .ulp = ulps(2, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as convolution",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Shapes& one : cases())
        samples.push_back({{{output_of(one)}, {one.weight}}, attrs_of(spatial(one.x), one)});
      return samples;
    }(),
});

const OpRow& kWeightGrad = register_op({
    .name = "convolution_weight_grad",
    .summary = "The gradient of convolution for a weight whose kernels are `shape`: g with every window of x.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "x"},
    .attrs = {kShape, kStride, kPadding, kDilation, kGroups},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& given = inputs[0].shape();
      const Dims& x = inputs[1].shape();
      Geometry g(attrs.subspan(1));
      require_geometry(row, g, inputs[0].ndim());
      const Dims& shape = attrs[0].ints();
      if (x.size() != given.size() || shape.size() != g.axes() || x[0] != given[0]) {
        raise(ErrorKind::Shape, row.name, ": g is ", given, ", x is ", x, ", shape is ", shape,
              ": batches must be equal, and shape has one number for each spatial axis");
      }
      if (x[1] % g.groups != 0) {
        raise(ErrorKind::Shape, row.name, ": x is ", x, ", groups is ", g.groups, ": groups must divide its ", x[1],
              " channels");
      }
      Dims weight{given[1], x[1] / g.groups};
      for (int64_t size : shape) weight.push_back(size);
      require_channels(row, x, weight, g);
      Dims expected = convolved_shape(row, x, weight, g);
      if (expected != given) {
        raise(ErrorKind::Shape, row.name, ": g is ", given, ", but a convolution of ", x, " by ", weight, " gives ",
              expected, ": they must be equal");
      }
      out[0] = {weight, inputs[0].dtype()};
    },
    .decompose = decompose_convolution_weight_grad,
    .vjp = [](const Backward& b) {
      Attrs geometry = b.attrs.subspan(1);
      if (b.needs(0)) b.give(0, convolution(b.input(1), b.grad(), geometry));
      if (b.needs(1)) b.give(1, convolution_input_grad(b.input(0), b.grad(), spatial(b.input(1).shape()), geometry));
    },
    .batching = batch_one_by_one,
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}>,
    .autocast = Autocast::Lower,
    .ulp = ulps(2, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as many products and sums as g has positions; 16-bit floats are summed in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Shapes& one : cases())
        samples.push_back({{{output_of(one)}, {one.x}}, attrs_of(spatial(one.weight), one)});
      return samples;
    }(),
});

std::vector<Attr> with_shape(const Dims& shape, Attrs geometry) {
  std::vector<Attr> attrs{shape};
  attrs.insert(attrs.end(), geometry.begin(), geometry.end());
  return attrs;
}

}  // namespace

Tensor convolution(const Tensor& x, const Tensor& weight, Attrs geometry) {
  const Tensor inputs[] = {x, weight};
  return apply(kConvolution, Inputs(inputs), geometry);
}
Tensor convolution_input_grad(const Tensor& g, const Tensor& weight, const Dims& shape, Attrs geometry) {
  const Tensor inputs[] = {g, weight};
  return apply(kInputGrad, Inputs(inputs), with_shape(shape, geometry));
}
Tensor convolution_weight_grad(const Tensor& g, const Tensor& x, const Dims& shape, Attrs geometry) {
  const Tensor inputs[] = {g, x};
  return apply(kWeightGrad, Inputs(inputs), with_shape(shape, geometry));
}

}  // namespace flambeau::ops
