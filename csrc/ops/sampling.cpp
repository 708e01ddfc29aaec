// sampling.cpp: images read at places between their elements, and the gradients for both.
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

const AttrSpec kMode{.name = "mode", .kind = FL_ATTR_TEXT, .required = true};
const AttrSpec kOutside{.name = "padding_mode", .kind = FL_ATTR_TEXT, .required = true};
const AttrSpec kAlign{.name = "align_corners", .kind = FL_ATTR_BOOL, .required = true};
const AttrSpec kShape{.name = "shape", .kind = FL_ATTR_INTS, .required = true};
constexpr double kSlope = -0.75;  // of the cubic kernel at the neighbours, as PyTorch and OpenCV have it

// The rules that the three rows share: x is (batch, channels, sizes...), the grid (batch, points..., axes).
void require_sampling(const OpRow& row, const Dims& x, const Dims& grid, Attrs how) {
  const size_t axes = x.size() - 2;
  if (x.size() < 4 || x.size() > 5 || grid.size() != x.size() || grid[0] != x[0] || grid[axes + 1] != int64_t(axes)) {
    raise(ErrorKind::Shape, row.name, ": input is ", x, ", grid ", grid, ": the input is (n, c, h, w) and the grid (n, h', w', 2), or (n, "
          "c, d, h, w) and (n, d', h', w', 3)");
  }
  for (size_t a = 0; a < axes; ++a)
    if (x[a + 2] == 0) raise(ErrorKind::Shape, row.name, ": input is ", x, ": there is nothing to read from");
  const std::string &mode = how[0].text(), &outside = how[1].text();
  const bool known = mode == "bilinear" || mode == "nearest" || mode == "bicubic";
  if (!known || (outside != "zeros" && outside != "border" && outside != "reflection")) {
    raise(ErrorKind::Value, row.name, ": mode is '", mode, "', padding_mode '", outside, "'; there are bilinear, nearest, bicubic, and "
          "zeros, border, reflection");
  }
  if (mode == "bicubic" && axes == 3) raise(ErrorKind::Value, row.name, ": bicubic is for images without a depth");
}
// (batch, channels, points...)
Dims sampled_shape(const Dims& x, const Dims& grid) {
  Dims shape{x[0], x[1]};
  for (size_t a = 1; a + 1 < grid.size(); ++a) shape.push_back(grid[a]);
  return shape;
}
void require_g(const OpRow& row, const Dims& g, const Dims& expected) {
  if (g != expected) raise(ErrorKind::Shape, row.name, ": g is ", g, ", what is read is ", expected, ": they must be equal");
}

Tensor call(const char* name, const Tensor& x) { return apply(op_named(name), {x}); }
Tensor greater(const Tensor& x, double y) { return apply(op_named("greater"), {x, constant(y, x)}); }
Tensor below(const Tensor& x, double y) { return less(x, constant(y, x)); }
Tensor at_least(const Tensor& x, double y) { return greater_equal(x, constant(y, x)); }
Tensor where(const Tensor& condition, const Tensor& x, double y) { return ops::where(condition, x, constant(y, x)); }

// The same reading by other ops. Everything is flat: x (batch, channels, elements), places (batch, points).
class Reading {
 public:
  struct Tap {
    Tensor place, weight, slope;  // slope: of the weight by the place
  };

  Reading(const Dims& x, const Tensor& grid, Attrs how)
      : x_(x), mode_(how[0].text()), outside_(how[1].text()), align_(how[2].as_bool()) {
    const int64_t axes = int64_t(x.size()) - 2;
    int64_t points = 1;
    for (int64_t a = 1; a <= axes; ++a) points *= grid.size(a);
    const Tensor flat = reshape(grid, {x[0], points, axes});
    for (int64_t a = 0; a < axes; ++a) {
      const double n = double(x[size_t(a) + 2]);
      const Tensor at = reshape(narrow(flat, 2, axes - 1 - a, axes - a), {x[0], points});
      const Tensor place = align_ ? multiply(add(at, 1.0), 0.5 * (n - 1)) : multiply(add(multiply(add(at, 1.0), n), -1.0), 0.5);
      Tensor slope = full(at.shape(), align_ ? 0.5 * (n - 1) : 0.5 * n, at.dtype(), at.device());
      taps_.push_back(taps(place, n, slope));
      slopes_.push_back(slope);
    }
    points_ = points;
    corners_ = 1;
    for (const auto& taps : taps_) corners_ *= taps.size();
  }

  // (batch, channels, points)
  Tensor read(const Tensor& x) const {
    const Tensor flat = reshape(x, {x_[0], x_[1], elements()});
    Tensor sum;
    for (size_t k = 0; k < corners_; ++k) {
      const Tensor part = multiply(found(flat, k), for_channels(weight(k, size_t(-1))));
      sum = sum.defined() ? add(sum, part) : part;
    }
    return sum;
  }
  // (batch, channels, elements)
  Tensor input_grad(const Tensor& g) const {
    Tensor sum;
    for (size_t k = 0; k < corners_; ++k) {
      const Corner at = corner(k);
      const Tensor share = where(for_channels(at.seen), multiply(g, for_channels(weight(k, size_t(-1)))), 0.0);
      const Tensor part = take_along_axis_grad(share, at.index, 2, elements());
      sum = sum.defined() ? add(sum, part) : part;
    }
    return sum;
  }
  // (batch, points, axes)
  Tensor grid_grad(const Tensor& g, const Tensor& x) const {
    const Tensor flat = reshape(x, {x_[0], x_[1], elements()});
    std::vector<Tensor> sums(taps_.size());
    for (size_t k = 0; k < corners_; ++k) {
      const Tensor along = sum(multiply(found(flat, k), g), {1}, false);
      for (size_t a = 0; a < taps_.size(); ++a) {
        const Tensor part = multiply(along, weight(k, a));
        sums[a] = sums[a].defined() ? add(sums[a], part) : part;
      }
    }
    std::vector<Tensor> parts;
    for (size_t a = taps_.size(); a-- > 0;) parts.push_back(expand_dims(multiply(sums[a], slopes_[a]), {2}));
    return concat(parts, 2);
  }
  int64_t points() const { return points_; }

 private:
  struct Corner {
    Tensor index, seen;  // (batch, channels, points) and (batch, points)
  };
  int64_t elements() const {
    int64_t n = 1;
    for (size_t a = 2; a < x_.size(); ++a) n *= x_[a];
    return n;
  }
  Tensor for_channels(const Tensor& x) const { return reshape(x, {x_[0], 1, points_}); }

  // A place outside of 0 to n - 1 to where it is read, if it is; `slope` is multiplied with what that changes.
  Tensor inside(const Tensor& place, double n, Tensor* slope) const {
    if (outside_ == "zeros") return place;
    Tensor at = place;
    if (outside_ == "reflection") {
      const double first = align_ ? 0.0 : -0.5, span = align_ ? n - 1 : n;
      if (span == 0) {
        if (slope) *slope = multiply(*slope, 0.0);
        return multiply(place, 0.0);
      }
      const Tensor from = add(place, -first), turned = below(from, 0);
      const Tensor away = ops::where(turned, negative(from), from);
      const Tensor turns = call("floor", divide(away, span));
      const Tensor rest = subtract(away, multiply(turns, span));
      const Tensor odd = equal(subtract(turns, multiply(call("floor", multiply(turns, 0.5)), 2.0)), constant(1, turns));
      at = add(ops::where(odd, subtract(span, rest), rest), first);
      if (slope) *slope = ops::where(not_equal(odd, turned), negative(*slope), *slope);
    }
    const Tensor low = greater(at, 0), high = below(at, n - 1);
    if (slope) *slope = where(logical_and(low, high), *slope, 0.0);
    return where(low, where(high, at, n - 1), 0.0);
  }
  std::vector<Tap> taps(const Tensor& place, double n, Tensor& slope) const {
    if (mode_ == "bicubic") {
      const Tensor low = call("floor", place);
      std::vector<Tap> all;
      for (double tap = -1; tap <= 2; ++tap) {
        const Tensor from = add(subtract(place, low), -tap), d = abs(from);
        const Tensor near = apply(op_named("less_equal"), {d, constant(1, d)});
        const Tensor weight = ops::where(near, add(multiply(add(multiply(d, kSlope + 2), -(kSlope + 3)), multiply(d, d)), 1.0),
                                         add(multiply(add(multiply(add(multiply(d, kSlope), -5 * kSlope), d), 8 * kSlope), d), -4 * kSlope));
        const Tensor by_d = ops::where(near, multiply(add(multiply(d, 3 * (kSlope + 2)), -2 * (kSlope + 3)), d),
                                       add(multiply(add(multiply(d, 3 * kSlope), -10 * kSlope), d), 8 * kSlope));
        all.push_back({inside(add(low, tap), n, nullptr), weight, ops::where(below(from, 0), negative(by_d), by_d)});
      }
      return all;
    }
    const Tensor at = inside(place, n, &slope), one = full(at.shape(), 1, at.dtype(), at.device());
    if (mode_ == "nearest") return {{call("round", at), one, multiply(one, 0.0)}};
    const Tensor low = call("floor", at), high = add(low, 1.0);
    return {{low, subtract(high, at), negative(one)}, {high, subtract(at, low), one}};
  }

  const Tap& tap(size_t k, size_t axis) const {
    for (size_t a = taps_.size(); a-- > axis + 1;) k /= taps_[a].size();
    return taps_[axis][k % taps_[axis].size()];
  }
  // The product of a corner's weights; of axis `by` the slope.
  Tensor weight(size_t k, size_t by) const {
    Tensor product;
    for (size_t a = 0; a < taps_.size(); ++a) {
      const Tensor& factor = a == by ? tap(k, a).slope : tap(k, a).weight;
      product = product.defined() ? multiply(product, factor) : factor;
    }
    return product;
  }
  Corner corner(size_t k) const {
    Tensor index, seen;
    for (size_t a = 0; a < taps_.size(); ++a) {
      const Tensor& place = tap(k, a).place;
      const int64_t n = x_[a + 2];
      const Tensor there = logical_and(at_least(place, 0), below(place, double(n)));
      const DType whole = place.device()->stores(DType::Int64) ? DType::Int64 : DType::Int32;
      const Tensor number = cast(where(there, place, 0.0), whole);
      index = index.defined() ? add(multiply(index, scalar(n, whole, index.device())), number) : number;
      seen = seen.defined() ? logical_and(seen, there) : there;
    }
    return {broadcast_to(for_channels(index), {x_[0], x_[1], points_}), seen};
  }
  Tensor found(const Tensor& flat, size_t k) const {
    const Corner at = corner(k);
    return where(for_channels(at.seen), take_along_axis(flat, at.index, 2), 0.0);
  }

  const Dims x_;
  const std::string mode_, outside_;
  const bool align_;
  std::vector<std::vector<Tap>> taps_;
  std::vector<Tensor> slopes_;  // of a place by what stands in the grid
  int64_t points_ = 0;
  size_t corners_ = 1;
};

// Places in 16 bits would be whole elements beside where they are.
Tensor widened(const Tensor& x) { return size_of(x.dtype()) == 2 ? cast(x, DType::Float32) : x; }

// The new axis joins the batch, everywhere; `shape` of the images, if there is one, has no batch.
void batch_images(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  std::vector<Tensor> merged = all_batched(inputs, batched);
  const int64_t outer = merged[0].size(0), inner = merged[0].size(1);
  for (Tensor& x : merged) {
    Dims shape = x.shape();
    shape.erase(0);
    shape[0] *= outer;  // those that differ are the row's to tell
    x = reshape(x, shape);
  }
  apply(row, merged, attrs, outputs);
  Dims parts = outputs[0].shape();
  parts[0] = inner;
  parts.insert(0, outer);
  outputs[0] = reshape(outputs[0], parts);
}

struct Case {
  Dims x, points;
  const char *mode, *outside;
  bool align;
  Dims grid() const {
    Dims shape{x[0]};
    for (const int64_t n : points) shape.push_back(n);
    shape.push_back(int64_t(points.size()));
    return shape;
  }
  SampleInput grid_input() const { return {grid(), -1.4, 1.4}; }
  SampleInput g_input() const { return {sampled_shape(x, grid())}; }
  std::vector<Attr> how() const { return {mode, outside, align}; }
};
const std::vector<Case>& cases() {
  static const std::vector<Case> all = {
      {{2, 3, 5, 7}, {4, 3}, "bilinear", "zeros", false},   {{1, 9, 4, 6}, {3, 23}, "bilinear", "border", true},
      {{2, 2, 6, 5}, {3, 4}, "bilinear", "reflection", false}, {{1, 2, 5, 4}, {2, 5}, "bilinear", "reflection", true},
      {{1, 2, 5, 4}, {3, 3}, "nearest", "zeros", false},    {{1, 1, 3, 4}, {3, 3}, "nearest", "reflection", false},
      {{2, 3, 5, 7}, {3, 4}, "bicubic", "zeros", true},     {{1, 2, 6, 5}, {3, 30}, "bicubic", "border", false},
      {{1, 2, 4, 5}, {3, 4}, "bicubic", "reflection", false},  {{2, 2, 3, 4, 5}, {2, 3, 2}, "bilinear", "zeros", false},
      {{1, 10, 3, 2, 4}, {2, 2, 3}, "nearest", "border", false}, {{0, 2, 3, 4}, {2, 2}, "bilinear", "zeros", false},
      {{2, 1, 1, 1}, {2, 2}, "bilinear", "reflection", true},
  };
  return all;
}

const OpRow& kGridSample = register_op({
    .name = "grid_sample",
    .summary = "The input at the places of a grid, which go from -1 to 1: each a weighted sum of the elements around it.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"input", "grid"},
    .attrs = {kMode, kOutside, kAlign},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_sampling(row, inputs[0].shape(), inputs[1].shape(), attrs);
      out[0] = {sampled_shape(inputs[0].shape(), inputs[1].shape()), inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Reading reading(inputs[0].shape(), widened(inputs[1]), attrs);
      out[0] = cast(reshape(reading.read(widened(inputs[0])), sampled_shape(inputs[0].shape(), inputs[1].shape())), inputs[0].dtype());
    },
    .vjp = [](const Backward& b) {
      const Tensor &g = b.grad(), &x = b.input(0), &grid = b.input(1);
      if (b.needs(0)) {
        std::vector<Attr> attrs{spatial(x.shape())};
        attrs.insert(attrs.end(), b.attrs.begin(), b.attrs.end());
        b.give(0, apply(op_named("grid_sample_input_grad"), std::vector<Tensor>{g, grid}, attrs));
      }
      if (b.needs(1)) b.give(1, apply(op_named("grid_sample_grid_grad"), std::vector<Tensor>{g, x, grid}, b.attrs));
    },
    .batching = batch_images,
    .saves_inputs = 0b11,
    .saves = saves<Saved{0b10}, Saved{0b11}>,
    .ulp = ulps(4, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a place's rounding error counts as many elements as there are along the axis; 16-bit floats in float32",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : cases()) samples.push_back({{{one.x}, one.grid_input()}, one.how()});
      return samples;
    }(),
});

[[maybe_unused]] const OpRow& kInputGrad = register_op({
    .name = "grid_sample_input_grad",
    .summary = "The gradient of grid_sample for an input whose spatial sizes are `shape`.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "grid"},
    .attrs = {kShape, kMode, kOutside, kAlign},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims &g = inputs[0].shape(), &grid = inputs[1].shape();
      if (g.size() < 2) raise(ErrorKind::Shape, row.name, ": g is ", g, ": (batch, channels, ...) is needed");
      Dims x{g[0], g[1]};
      for (const int64_t n : attrs[0].ints()) x.push_back(n);
      require_sampling(row, x, grid, attrs.subspan(1));
      require_g(row, g, sampled_shape(x, grid));
      out[0] = {x, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& g = inputs[0];
      Dims x{g.size(0), g.size(1)};
      for (const int64_t n : attrs[0].ints()) x.push_back(n);
      const Reading reading(x, widened(inputs[1]), attrs.subspan(1));
      out[0] = cast(reshape(reading.input_grad(reshape(widened(g), {x[0], x[1], reading.points()})), x), g.dtype());
    },
    .vjp = [](const Backward& b) {  // of <h, input_grad(g)> = <read(h), g>
      const Tensor &h = b.grad(), &g = b.input(0), &grid = b.input(1);
      if (b.needs(0)) b.give(0, apply(kGridSample, std::vector<Tensor>{h, grid}, b.attrs.subspan(1)));
      if (b.needs(1)) b.give(1, apply(op_named("grid_sample_grid_grad"), std::vector<Tensor>{g, h, grid}, b.attrs.subspan(1)));
    },
    .batching = batch_images,
    .saves_inputs = 0b11,
    .saves = saves<Saved{0b10}, Saved{0b11}>,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as grid_sample",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : cases()) {
        std::vector<Attr> attrs = one.how();
        attrs.insert(attrs.begin(), Attr(spatial(one.x)));
        samples.push_back({{one.g_input(), one.grid_input()}, attrs});
      }
      return samples;
    }(),
});

[[maybe_unused]] const OpRow& kGridGrad = register_op({
    .name = "grid_sample_grid_grad",
    .summary = "The gradient of grid_sample for its grid.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"g", "input", "grid"},
    .attrs = {kMode, kOutside, kAlign},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_sampling(row, inputs[1].shape(), inputs[2].shape(), attrs);
      require_g(row, inputs[0].shape(), sampled_shape(inputs[1].shape(), inputs[2].shape()));
      out[0] = {inputs[2].shape(), inputs[2].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Dims &x = inputs[1].shape();
      const Reading reading(x, widened(inputs[2]), attrs);
      const Tensor g = reshape(widened(inputs[0]), {x[0], x[1], reading.points()});
      out[0] = cast(reshape(reading.grid_grad(g, widened(inputs[1])), inputs[2].shape()), inputs[2].dtype());
    },
    .batching = batch_images,
    .ulp = ulps(16, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as grid_sample, summed over channels",
    .samples = [] {
      std::vector<Sample> samples;
      for (const Case& one : cases()) samples.push_back({{one.g_input(), {one.x}, one.grid_input()}, one.how()});
      return samples;
    }(),
});

}  // namespace

}  // namespace flambeau::ops
