// windows.cpp: convolutions and pools as copies of x, one for each element of a window, that are multiplied or reduced.
#include "ops/windows.h"

#include <algorithm>
#include <limits>
#include <vector>

#include "core/registry.h"
#include "ops/ops.h"

namespace flambeau::ops {

namespace {

// Windows over the spatial axes of (batch, channels, ...): element t of window i lies at i stride + t dilation - before.
struct Windows {
  Dims in, out, kernel, stride, dilation, before;

  size_t axes() const { return in.size(); }
  int64_t taps() const { return count_of(kernel); }
  int64_t positions() const { return count_of(out); }
  // x with zeros around it, as far as windows reach.
  Dims padded(const Dims& x) const {
    Dims shape{x[0], x[1]};
    for (size_t a = 0; a < axes(); ++a)
      shape.push_back(std::max(before[a] + in[a], (out[a] - 1) * stride[a] + dilation[a] * (kernel[a] - 1) + 1));
    return shape;
  }
  // The part of the padded that is x; and what the elements t of all windows are.
  struct Slice {
    Dims starts, stops, steps;
  };
  Slice inside(const Dims& x) const {
    Slice slice{{0, 0}, {x[0], x[1]}, {1, 1}};
    for (size_t a = 0; a < axes(); ++a) {
      slice.starts.push_back(before[a]);
      slice.stops.push_back(before[a] + in[a]);
      slice.steps.push_back(1);
    }
    return slice;
  }
  Slice tap(const Dims& x, int64_t t) const {
    Slice slice{{0, 0}, {x[0], x[1]}, {1, 1}};
    Dims place = kernel;
    for (size_t a = axes(); a-- > 0; t /= kernel[a]) place[a] = t % kernel[a];
    for (size_t a = 0; a < axes(); ++a) {
      slice.starts.push_back(place[a] * dilation[a]);
      slice.stops.push_back(slice.starts.back() + (out[a] - 1) * stride[a] + 1);
      slice.steps.push_back(stride[a]);
    }
    return slice;
  }
};

Dims joined(std::initializer_list<int64_t> first, const Dims& rest) {
  Dims shape(first);
  for (const int64_t size : rest) shape.push_back(size);
  return shape;
}

Tensor placed(const Tensor& x, const Dims& shape, const Windows::Slice& at) {
  static const OpRow& row = op_named("slice_grad");
  return apply(row, {x}, {shape, at.starts, at.stops, at.steps});
}

// (batch, channels, taps, out ...); where x is not, there is `beside`.
Tensor columns(const Tensor& x, const Windows& w, double beside = 0) {
  const Dims whole = w.padded(x.shape());
  Tensor wide = placed(x, whole, w.inside(x.shape()));
  if (beside != 0) {
    Dims one = x.shape(), plane = whole;
    one[0] = one[1] = plane[0] = plane[1] = 1;
    const Tensor there = placed(full(one, 1, x.dtype(), x.device()), plane, w.inside(one));
    wide = where(not_equal(there, constant(0, there)), wide, scalar(beside, x.dtype(), x.device()));
  }
  std::vector<Tensor> parts;
  for (int64_t t = 0; t < w.taps(); ++t) {
    const Windows::Slice at = w.tap(x.shape(), t);
    parts.push_back(expand_dims(slice(wide, at.starts, at.stops, at.steps), {2}));
  }
  return concat(parts, 2);
}

// The transpose: each element of columns added to where it came from.
Tensor folded(const Tensor& columns, const Windows& w) {
  const Dims x = joined({columns.size(0), columns.size(1)}, w.in), whole = w.padded(x);
  const Dims each = joined({x[0], x[1]}, w.out);
  Tensor sum;
  for (int64_t t = 0; t < w.taps(); ++t) {
    const Tensor part = placed(reshape(narrow(columns, 2, t, t + 1), each), whole, w.tap(x, t));
    sum = sum.defined() ? add(sum, part) : part;
  }
  const Windows::Slice at = w.inside(x);
  return slice(sum, at.starts, at.stops, at.steps);
}

Dims result_shape(const OpRow& row, Inputs inputs, Attrs attrs) {
  Meta result;
  row.infer(row, inputs, attrs, {&result, 1});
  return result.shape;
}

// ---- convolutions ----

Windows of_convolution(const Dims& x, const Dims& weight, const Dims& y, Attrs geometry) {
  const Dims& padding = geometry[1].ints();
  const Dims before(std::span<const int64_t>(padding.begin(), padding.size() / 2));
  return {spatial(x), spatial(y), spatial(weight), geometry[0].ints(), geometry[2].ints(), before};
}
// (batch, groups, channels of a group and taps, positions), (groups, out of a group, channels and taps), (batch, groups,
// out of a group, positions)
Tensor grouped_columns(const Tensor& x, const Windows& w, int64_t groups) {
  return reshape(columns(x, w), {x.size(0), groups, x.size(1) / groups * w.taps(), w.positions()});
}
Tensor grouped_weight(const Tensor& weight, const Windows& w, int64_t groups) {
  return reshape(weight, {groups, weight.size(0) / groups, weight.size(1) * w.taps()});
}
Tensor grouped(const Tensor& y, const Windows& w, int64_t groups) {
  return reshape(y, {y.size(0), groups, y.size(1) / groups, w.positions()});
}

// ---- pools ----

Windows of_pool(const Dims& x, const Dims& y, Attrs attrs, const Dims& dilation) {
  return {spatial(x), spatial(y), attrs[0].ints(), attrs[1].ints(), dilation, attrs[2].ints()};
}
Dims ones_like(const Dims& sizes) { return Dims::filled(sizes.size(), 1); }
Windows of_max_pool(const OpRow& row, Inputs inputs, Attrs attrs) {
  return of_pool(inputs[0].shape(), result_shape(row, inputs, attrs), attrs, attrs[3].ints());
}
Windows of_avg_pool(const Dims& x, const Dims& y, Attrs attrs) { return of_pool(x, y, attrs, ones_like(attrs[0].ints())); }

// By what each window's sum is divided: (1, 1, out ...), or one number.
Tensor divisors(const Tensor& like, const Windows& w, Attrs attrs) {
  if (const int64_t divisor = attrs[5].as_int()) return scalar(double(divisor), like.dtype(), like.device());
  Windows counted = w;
  if (attrs[4].as_bool())
    for (size_t a = 0; a < w.axes(); ++a) {
      counted.in[a] += 2 * w.before[a];
      counted.before[a] = 0;
    }
  return sum(columns(full(joined({1, 1}, counted.in), 1, like.dtype(), like.device()), counted), {2}, false);
}

Tensor row_of(int64_t n, DType dtype, Device* device) {
  static const OpRow& arange = op_named("arange");
  const OnDevice there(device);
  return apply(arange, {}, {0.0, 1.0, n, dtype});
}
// Sum over the axes of (0, 1, ... sizes[a] - 1) steps[a] + first[a], in the dtype of `like`.
Tensor places(const Dims& sizes, const Dims& steps, const Dims& first, const Tensor& like) {
  Tensor sum;
  for (size_t a = 0; a < sizes.size(); ++a) {
    Dims shape = ones_like(sizes);
    shape[a] = sizes[a];
    const auto number = [&](int64_t value) { return scalar(value, like.dtype(), like.device()); };
    const Tensor own = reshape(add(multiply(row_of(sizes[a], like.dtype(), like.device()), number(steps[a])), number(first[a])), shape);
    sum = sum.defined() ? add(sum, own) : own;
  }
  return broadcast_to(sum, sizes);
}

// `size` windows cut from n elements, all of them: window i begins at i n / size, rounded down, and ends before (i + 1) n / size,
// rounded up. Gathered, as many elements as the longest has: a product with zeros would make NaN of infinities outside.
struct Cut {
  int64_t n, size;
  DType index;
  Device* device;

  Cut(int64_t n, int64_t size, Device* device)
      : n(n), size(size), index(device->stores(DType::Int64) ? DType::Int64 : DType::Int32), device(device) {}
  int64_t start(int64_t i) const { return i * n / size; }
  int64_t length(int64_t i) const { return ((i + 1) * n + size - 1) / size - start(i); }
  int64_t longest() const {
    int64_t most = 0;
    for (int64_t i = 0; i < size; ++i) most = std::max(most, length(i));
    return most;
  }
  Tensor number(int64_t value) const { return scalar(value, index, device); }
  Tensor row(int64_t count, bool down) const { return reshape(row_of(count, index, device), down ? Dims{count, 1} : Dims{1, count}); }
  Tensor starts() const { return floor_divide(multiply(row(size, true), number(n)), number(size)); }
  Tensor lengths() const {  // (size, 1)
    return subtract(floor_divide(add(multiply(add(row(size, true), number(1)), number(n)), number(size - 1)), number(size)), starts());
  }
  // x (outer, n, inner) to the sums of its windows (outer, size, inner).
  Tensor sums(const Tensor& x) const {
    static const OpRow& minimum = op_named("minimum");
    const int64_t most = longest(), outer = x.size(0), inner = x.size(2);
    const Tensor steps = row(most, false), places = apply(minimum, {add(starts(), steps), number(n - 1)});
    const Tensor all = reshape(take(x, reshape(places, {size * most}), 1), {outer, size, most, inner});
    const Tensor inside = reshape(less(steps, lengths()), {1, size, most, 1});
    return sum(where(inside, all, constant(0, all)), {2}, false);
  }
};

// Means over windows, axis after axis; `turn`: the transpose, for an x of `to`. In float32 at least.
Tensor averaged(const Tensor& given, const Dims& to, bool turn) {
  const DType wide = given.dtype() == DType::Float64 ? DType::Float64 : DType::Float32;
  Tensor x = cast(given, wide);
  for (size_t a = 0; a < to.size(); ++a) {
    const Dims shape = x.shape();
    int64_t outer = 1, inner = 1;
    for (size_t d = 0; d < a + 2; ++d) outer *= shape[d];
    for (size_t d = a + 3; d < shape.size(); ++d) inner *= shape[d];
    const int64_t n = shape[a + 2];
    Dims after = shape;
    after[a + 2] = to[a];
    x = reshape(x, {outer, n, inner});
    // An element belongs to neighbouring windows: those that would be cut for it from the windows.
    const Cut windows = turn ? Cut(to[a], n, x.device()) : Cut(n, to[a], x.device());
    const Tensor lengths = reshape(cast(windows.lengths(), wide), {1, windows.size, 1});
    x = reshape(turn ? Cut(n, to[a], x.device()).sums(divide(x, lengths)) : divide(windows.sums(x), lengths), after);
  }
  return cast(x, given.dtype());
}

}  // namespace

Dims spatial(const Dims& shape) { return Dims(std::span<const int64_t>(shape.begin() + 2, shape.size() - 2)); }

void decompose_convolution(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const Tensor &x = inputs[0], &weight = inputs[1];
  const Dims y = result_shape(row, inputs, attrs);
  const int64_t groups = attrs[3].as_int();
  const Windows w = of_convolution(x.shape(), weight.shape(), y, attrs);
  outputs[0] = reshape(matmul(grouped_weight(weight, w, groups), grouped_columns(x, w, groups)), y);
  if (inputs.size() > 2) outputs[0] = add(outputs[0], reshape(inputs[2], joined({1, y[1]}, ones_like(w.in))));
}

void decompose_convolution_input_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const Tensor &g = inputs[0], &weight = inputs[1];
  const int64_t groups = attrs[4].as_int(), channels = weight.size(1) * groups;
  const Windows w = of_convolution(joined({g.size(0), channels}, attrs[0].ints()), weight.shape(), g.shape(), attrs.subspan(1));
  const Tensor spread = matmul(swap_last_two(grouped_weight(weight, w, groups)), grouped(g, w, groups));
  outputs[0] = folded(reshape(spread, joined({g.size(0), channels, w.taps()}, w.out)), w);
}

void decompose_convolution_weight_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const Tensor &g = inputs[0], &x = inputs[1];
  const int64_t groups = attrs[4].as_int();
  const Dims weight = joined({g.size(1), x.size(1) / groups}, attrs[0].ints());
  const Windows w = of_convolution(x.shape(), weight, g.shape(), attrs.subspan(1));
  const Tensor each = matmul(grouped(g, w, groups), swap_last_two(grouped_columns(x, w, groups)));
  outputs[0] = reshape(sum(each, {0}, false), weight);
}

void decompose_max_pool(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  outputs[0] = max(columns(inputs[0], of_max_pool(row, inputs, attrs), -std::numeric_limits<double>::infinity()), {2}, false);
}

void decompose_max_pool_indices(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  static const OpRow &argmax = op_named("argmax"), &isnan = op_named("isnan"), &logical_or = op_named("logical_or");
  const Tensor& x = inputs[0];
  const Windows w = of_max_pool(row, inputs, attrs);
  const Tensor all = columns(x, w, -std::numeric_limits<double>::infinity());
  const Tensor met = columns(full(joined({1, 1}, w.in), 1, x.dtype(), x.device()), w);
  const Tensor largest = apply(logical_or, {equal(all, max(all, {2}, true)), apply(isnan, {all})});
  const Tensor chosen = logical_and(largest, not_equal(met, constant(0, met)));
  const Tensor tap = apply(argmax, {cast(chosen, x.dtype())}, {Dims{2}, false});
  Dims rows = w.in, steps = w.in, first = w.in, gaps = w.in;  // elements of x from one to the next along an axis
  int64_t inner = 1;
  for (size_t a = w.axes(); a-- > 0; inner *= w.in[a]) {
    rows[a] = inner;
    steps[a] = w.stride[a] * inner;
    first[a] = -w.before[a] * inner;
    gaps[a] = w.dilation[a] * inner;
  }
  const Tensor of_tap = reshape(places(w.kernel, gaps, Dims::filled(w.axes(), 0), tap), {w.taps()});
  outputs[0] = add(take(of_tap, tap, 0), places(w.out, steps, first, tap));
}

void decompose_avg_pool(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const Windows w = of_avg_pool(inputs[0].shape(), result_shape(row, inputs, attrs), attrs);
  outputs[0] = divide(sum(columns(inputs[0], w), {2}, false), divisors(inputs[0], w, attrs));
}

void decompose_avg_pool_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  const Tensor& g = inputs[0];
  const Windows w = of_avg_pool(joined({g.size(0), g.size(1)}, attrs[0].ints()), g.shape(), attrs.subspan(1));
  const Dims shape = joined({g.size(0), g.size(1), w.taps()}, w.out);
  outputs[0] = folded(broadcast_to(expand_dims(divide(g, divisors(g, w, attrs.subspan(1))), {2}), shape), w);
}

void decompose_adaptive_avg_pool(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  outputs[0] = averaged(inputs[0], attrs[0].ints(), false);
}
void decompose_adaptive_avg_pool_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  outputs[0] = averaged(inputs[0], attrs[0].ints(), true);
}

}  // namespace flambeau::ops
