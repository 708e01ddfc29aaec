// shape.cpp: views (other windows on the same memory), and ops that put tensors together.
#include <algorithm>
#include <cstdlib>
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

// Back to the input's shape: the gradient of every view that keeps elements and order.
void reshape_back(const Backward& b) { b.give(0, reshape(b.grad(), b.input(0).shape())); }

// ---- reshape ----

// Settles one -1.
void normalize_reshape(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  const Tensor& x = inputs[0];
  Dims shape = attrs[0].ints();
  int64_t known = 1;
  int64_t open = -1;
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] >= 0) {
      known *= shape[axis];
    } else if (shape[axis] == -1 && open < 0) {
      open = static_cast<int64_t>(axis);
    } else {
      raise(ErrorKind::Shape, row.name, ": shape is ", shape, ": sizes are at least 0, and at most one may be -1");
    }
  }
  if (open >= 0 && known > 0 && x.count() % known == 0) shape[static_cast<size_t>(open)] = x.count() / known;
  if ((open >= 0 && shape[static_cast<size_t>(open)] < 0) || count_of(shape) != x.count()) {
    raise(ErrorKind::Shape, row.name, ": x is ", x.shape(), " with ", x.count(), " elements, the new shape is ", shape,
          open >= 0 ? ": -1 cannot be settled, the other sizes must divide the number of elements"
                    : ": the number of elements must stay the same; -1 for one size lets it follow");
  }
  attrs[0] = shape;
}

// Strides of `shape` over the same elements in row-major order; false if there are none. Runs of the old axes that
// lie one after the other in memory are matched with runs of the new axes that hold as many elements.
bool view_reshaped(const OpRow&, const Tensor& input, Attrs attrs, Window& window) {
  const Dims& shape = attrs[0].ints();
  window.shape = shape;
  window.offset = input->offset;
  if (input.contiguous() || input.count() == 0) {
    window.strides = contiguous_strides(shape);
    return true;
  }
  Dims sizes;
  Dims strides;
  for (size_t axis = 0; axis < input.shape().size(); ++axis) {
    if (input.shape()[axis] == 1) continue;
    sizes.push_back(input.shape()[axis]);
    strides.push_back(input.strides()[axis]);
  }
  window.strides = Dims::filled(shape.size(), 1);
  size_t from = 0;
  size_t to = 0;
  while (from < sizes.size()) {
    int64_t held = sizes[from];
    size_t from_end = from + 1;
    size_t to_end = to;
    int64_t wanted = 1;
    do {
      if (wanted < held) {
        wanted *= shape[to_end++];
      } else if (held < wanted) {
        held *= sizes[from_end++];
      }
    } while (wanted != held);
    for (size_t axis = from; axis + 1 < from_end; ++axis) {
      if (strides[axis] != strides[axis + 1] * sizes[axis + 1]) return false;
    }
    int64_t stride = strides[from_end - 1];
    for (size_t axis = to_end; axis-- > to;) {
      window.strides[axis] = stride;
      stride *= shape[axis];
    }
    from = from_end;
    to = to_end;
  }
  return true;
}

const OpRow& kReshape = register_op({
    .name = "reshape",
    .summary = "The same elements, row by row, in another shape; one size may be -1. A view where strides allow it.",
    .attrs = {{.name = "shape", .kind = FL_ATTR_INTS, .required = true}},
    .normalize = normalize_reshape,
    .view = view_reshaped,
    .vjp = reshape_back,
    .batching = batch_reshape,
    .ulp_note = "the same elements",
    .samples = {{{{{}}}, {Dims{1, 1}}},
                {{{{3, 4}}}, {Dims{2, 6}}},
                {{{{3, 4}}}, {Dims{12}}},
                {{{{2, 3, 4}}}, {Dims{6, 4}}},
                {{{{2, 3, 4}}}, {Dims{4, 1, 6}}},
                {{{{0, 3}}}, {Dims{5, 0}}}},
});

// ---- permute_dims ----

const OpRow& kPermuteDims = register_op({
    .name = "permute_dims",
    .summary = "The axes in another order: axis i of the result is axis axes[i] of x. A view.",
    .attrs = {{.name = "axes", .kind = FL_ATTR_INTS, .required = true}},
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      const Tensor& x = inputs[0];
      Dims axes = attrs[0].ints();
      for (int64_t& axis : axes) axis = normal_axis(row.name, axis, x.ndim());
      if (static_cast<int64_t>(normal_axes(row.name, axes, x.ndim()).size()) != x.ndim()) {
        raise(ErrorKind::Shape, row.name, ": x is ", x.shape(), ", axes ", attrs[0].ints(), ": each of the ", x.ndim(),
              " axes must come once");
      }
      attrs[0] = axes;
    },
    .view = [](const OpRow&, const Tensor& x, Attrs attrs, Window& window) {
      window.offset = x->offset;
      for (int64_t axis : attrs[0].ints()) {
        window.shape.push_back(x.shape()[static_cast<size_t>(axis)]);
        window.strides.push_back(x.strides()[static_cast<size_t>(axis)]);
      }
      return true;
    },
    .vjp = [](const Backward& b) {
      const Dims& axes = b.attrs[0].ints();
      Dims inverse = axes;
      for (size_t i = 0; i < axes.size(); ++i) inverse[static_cast<size_t>(axes[i])] = static_cast<int64_t>(i);
      b.give(0, permute_dims(b.grad(), inverse));
    },
    .batching = batch_permute,
    .ulp_note = "the same elements",
    .samples = {{{{{}}}, {Dims{}}},
                {{{{3, 4}}}, {Dims{1, 0}}},
                {{{{2, 3, 4}}}, {Dims{2, 0, 1}}},
                {{{{0, 3}}}, {Dims{1, 0}}}},
});

// ---- broadcast_to ----

const OpRow& kBroadcastTo = register_op({
    .name = "broadcast_to",
    .summary = "x repeated along new leading axes and those that are 1 long. A view: strides are 0 there.",
    .attrs = {{.name = "shape", .kind = FL_ATTR_INTS, .required = true}},
    .view = [](const OpRow& row, const Tensor& x, Attrs attrs, Window& window) {
      const Dims& shape = attrs[0].ints();
      if (shape.size() < x.shape().size()) {
        raise(ErrorKind::Shape, row.name, ": x is ", x.shape(), ", the new shape ", shape,
              ": it needs at least as many dimensions");
      }
      window.shape = shape;
      window.strides = Dims::filled(shape.size(), 0);
      window.offset = x->offset;
      size_t added = shape.size() - x.shape().size();
      for (size_t axis = 0; axis < x.shape().size(); ++axis) {
        if (x.shape()[axis] == shape[axis + added]) {
          window.strides[axis + added] = x.strides()[axis];
        } else if (x.shape()[axis] != 1) {
          raise(ErrorKind::Shape, row.name, ": x is ", x.shape(), ", the new shape ", shape,
                ": counted from the right, a size must stay the same or grow from 1");
        }
      }
      return true;
    },
    .vjp = [](const Backward& b) { b.give(0, sum_to(b.grad(), b.input(0).shape())); },
    .batching = batch_broadcast,
    .ulp_note = "the same elements",
    .samples = {{{{{}}}, {Dims{2, 3}}},
                {{{{3, 1}}}, {Dims{3, 4}}},
                {{{{3}}}, {Dims{2, 3}}},
                {{{{1, 3}}}, {Dims{0, 3}}},
                {{{{0, 1}}}, {Dims{0, 4}}}},
});

// ---- expand_dims and squeeze ----

const OpRow& kExpandDims = register_op({
    .name = "expand_dims",
    .summary = "New axes, 1 long, at these places of the result. A view.",
    .attrs = {{.name = "axes", .kind = FL_ATTR_INTS, .fallback = Dims{0}, .python = "axis"}},
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      int64_t ndim = inputs[0].ndim() + static_cast<int64_t>(attrs[0].ints().size());
      attrs[0] = normal_axes(row.name, attrs[0].ints(), ndim);
    },
    .view = [](const OpRow&, const Tensor& x, Attrs attrs, Window& window) {
      window.shape = x.shape();
      window.strides = x.strides();
      window.offset = x->offset;
      for (int64_t axis : attrs[0].ints()) {
        window.shape.insert(static_cast<size_t>(axis), 1);
        window.strides.insert(static_cast<size_t>(axis), 1);
      }
      return true;
    },
    .vjp = reshape_back,
    .batching = batch_axes,
    .ulp_note = "the same elements",
    .samples = {{{{{}}}, {Dims{0}}}, {{{{3, 4}}}, {Dims{1}}}, {{{{3, 4}}}, {Dims{0, 3}}}, {{{{0}}}, {Dims{1}}}},
});

[[maybe_unused]] const OpRow& kSqueeze = register_op({
    .name = "squeeze",
    .summary = "Without these axes, each 1 long. A view.",
    .attrs = {{.name = "axes", .kind = FL_ATTR_INTS, .required = true, .python = "axis"}},
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      attrs[0] = normal_axes(row.name, attrs[0].ints(), inputs[0].ndim());
    },
    .view = [](const OpRow& row, const Tensor& x, Attrs attrs, Window& window) {
      window.shape = x.shape();
      window.strides = x.strides();
      window.offset = x->offset;
      const Dims& axes = attrs[0].ints();
      for (size_t i = axes.size(); i-- > 0;) {
        size_t axis = static_cast<size_t>(axes[i]);
        if (x.shape()[axis] != 1) {
          raise(ErrorKind::Value, row.name, ": x is ", x.shape(), ", axis ", axes[i], " is ", x.shape()[axis],
                " long: only axes of length 1 can go");
        }
        window.shape.erase(axis);
        window.strides.erase(axis);
      }
      return true;
    },
    .vjp = reshape_back,
    .batching = batch_axes,
    .ulp_note = "the same elements",
    .samples = {{{{{1}}}, {Dims{0}}}, {{{{3, 1, 4}}}, {Dims{1}}}, {{{{1, 0, 1}}}, {Dims{0, 2}}}},
});

// ---- slice ----

Tensor slice_grad(const Tensor& g, const Dims& shape, const Dims& starts, const Dims& stops, const Dims& steps);
void slice_add(const Tensor& x, const Tensor& g, Attrs slices);

// Number of elements from start to stop (exclusive) by step, which may be as large as int64 goes.
int64_t steps_between(int64_t start, int64_t stop, int64_t step) {
  int64_t span = step > 0 ? stop - start : start - stop;
  if (span <= 0) return 0;
  return step > 0 ? (span - 1) / step + 1 : 1 - (span - 1) / step;
}

void require_slices(const OpRow& row, const Dims& shape, Attrs slices) {
  for (const Attr& part : slices) {
    if (part.ints().size() == shape.size()) continue;
    raise(ErrorKind::Shape, row.name, ": x is ", shape, ": starts, stops and steps need one number for each axis");
  }
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    int64_t start = slices[0].ints()[axis];
    int64_t stop = slices[1].ints()[axis];
    int64_t step = slices[2].ints()[axis];
    if (step == 0) raise(ErrorKind::Value, row.name, ": step 0 along axis ", axis, ": a step is not 0");
    int64_t count = steps_between(start, stop, step);
    if (count == 0) continue;
    int64_t last = start + (count - 1) * step;
    if (start >= 0 && start < shape[axis] && last >= 0 && last < shape[axis]) continue;
    raise(ErrorKind::Index, row.name, ": from ", start, " to ", stop, " by ", step, " along axis ", axis, ", which is ",
          shape[axis], " long: every index must be inside");
  }
}

const OpRow& kSlice = register_op({
    .name = "slice",
    .summary = "Elements start, start + step, ... before stop along every axis, counted from the front (stop is -1 for "
               "the front itself when going backwards). A view.",
    .attrs = {{.name = "starts", .kind = FL_ATTR_INTS, .required = true},
              {.name = "stops", .kind = FL_ATTR_INTS, .required = true},
              {.name = "steps", .kind = FL_ATTR_INTS, .required = true}},
    .public_name = false,
    .view = [](const OpRow& row, const Tensor& x, Attrs attrs, Window& window) {
      require_slices(row, x.shape(), attrs);
      window.shape = x.shape();
      window.strides = x.strides();
      window.offset = x->offset;
      for (size_t axis = 0; axis < x.shape().size(); ++axis) {
        int64_t start = attrs[0].ints()[axis];
        int64_t step = attrs[2].ints()[axis];
        window.shape[axis] = steps_between(start, attrs[1].ints()[axis], step);
        window.strides[axis] = window.shape[axis] > 1 ? x.strides()[axis] * step : x.strides()[axis];
        if (window.shape[axis] > 0) window.offset += start * x.strides()[axis];
      }
      return true;
    },
    .vjp = [](const Backward& b) {
      b.give(0, slice_grad(b.grad(), b.input(0).shape(), b.attrs[0].ints(), b.attrs[1].ints(), b.attrs[2].ints()));
    },
    .add_gradient = [](const Backward& b, const Tensor& sum) { slice_add(sum, b.grad(), b.attrs); },
    .batching = batch_slice,
    .ulp_note = "the same elements",
    .samples = {{{{{}}}, {Dims{}, Dims{}, Dims{}}},
                {{{{7}}}, {Dims{1}, Dims{6}, Dims{2}}},
                {{{{7}}}, {Dims{6}, Dims{-1}, Dims{-3}}},
                {{{{3, 4}}}, {Dims{0, 3}, Dims{3, -1}, Dims{2, -1}}},
                {{{{3, 4}}}, {Dims{1, 2}, Dims{1, 4}, Dims{1, 1}}},
                {{{{0, 4}}}, {Dims{0, 2}, Dims{0, 4}, Dims{1, 1}}}},
});

const OpRow& kSliceGrad = register_op({
    .name = "slice_grad",
    .summary = "The gradient of slice: zeros of `shape` with g at the elements that were taken.",
    .input_names = {"g"},
    .attrs = {{.name = "shape", .kind = FL_ATTR_INTS, .required = true},
              {.name = "starts", .kind = FL_ATTR_INTS, .required = true},
              {.name = "stops", .kind = FL_ATTR_INTS, .required = true},
              {.name = "steps", .kind = FL_ATTR_INTS, .required = true}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Dims& shape = attrs[0].ints();
      require_slices(row, shape, attrs.subspan(1));
      Dims taken = shape;
      for (size_t axis = 0; axis < shape.size(); ++axis) {
        taken[axis] = steps_between(attrs[1].ints()[axis], attrs[2].ints()[axis], attrs[3].ints()[axis]);
      }
      if (inputs[0].shape() != taken) {
        raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", the slice of ", shape, " is ", taken,
              ": they must be equal");
      }
      out[0] = {shape, inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      b.give(0, slice(b.grad(), b.attrs[1].ints(), b.attrs[2].ints(), b.attrs[3].ints()));
    },
    .batching = batch_slice_grad,
    .ulp_note = "the same elements, and zeros",
    .samples = {{{{{}}}, {Dims{}, Dims{}, Dims{}, Dims{}}},
                {{{{3}}}, {Dims{7}, Dims{1}, Dims{6}, Dims{2}}},
                {{{{2, 4}}}, {Dims{3, 4}, Dims{0, 3}, Dims{3, -1}, Dims{2, -1}}},
                {{{{0, 2}}}, {Dims{3, 4}, Dims{1, 2}, Dims{1, 4}, Dims{1, 1}}}},
});

Tensor slice_grad(const Tensor& g, const Dims& shape, const Dims& starts, const Dims& stops, const Dims& steps) {
  return apply(kSliceGrad, {g}, {shape, starts, stops, steps});
}

Dims slice_shape(const Dims& shape, Attrs slices) {
  Dims taken = shape;
  for (size_t axis = 0; axis < shape.size(); ++axis)
    taken[axis] = steps_between(slices[0].ints()[axis], slices[1].ints()[axis], slices[2].ints()[axis]);
  return taken;
}

const OpRow& kSliceAdd = register_op({
    .name = "slice_add",
    .summary = "Adds g to x in place at the elements that slice takes: a further share of slice's gradient.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x", "g"},
    .attrs = {{.name = "starts", .kind = FL_ATTR_INTS, .required = true},
              {.name = "stops", .kind = FL_ATTR_INTS, .required = true},
              {.name = "steps", .kind = FL_ATTR_INTS, .required = true}},
    .dtypes = kInexact,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const Tensor &x = inputs[0], &g = inputs[1];
      require_slices(row, x.shape(), attrs);
      const Dims taken = slice_shape(x.shape(), attrs);
      if (!(g.shape() == taken))
        raise(ErrorKind::Shape, row.name, ": g is ", g.shape(), ", the slice of ", x.shape(), " is ", taken, ": they must be equal");
      if (x.dtype() != g.dtype() || !contains(row.dtypes, x.dtype()))
        raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), " and g is ", g.dtype(), ": both must have one dtype, a float or complex");
      if (!x.contiguous())
        raise(ErrorKind::Value, row.name, ": x of shape ", x.shape(), " is a view with strides ", x.strides(), "; add to the whole tensor");
      out[0] = {x.shape(), x.dtype()};
    },
    .aliases = [](const OpRow&, Inputs, Attrs, std::vector<int32_t>& output_of) { output_of = {0}; },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      static const OpRow& assign = op_named("assign");
      const Tensor share = slice_grad(inputs[1], out[0].shape(), attrs[0].ints(), attrs[1].ints(), attrs[2].ints());
      apply(assign, {out[0], add(out[0], share)});
    },
    .differentiable = 0,
    .ulp_note = "IEEE 754 rounds a sum correctly",
    .samples = {{{{{}}, {{}}}, {Dims{}, Dims{}, Dims{}}},
                {{{{7}}, {{3}}}, {Dims{1}, Dims{6}, Dims{2}}},
                {{{{3, 4}}, {{2, 4}}}, {Dims{0, 3}, Dims{3, -1}, Dims{2, -1}}},
                {{{{5, 3, 70}}, {{5, 1, 70}}}, {Dims{0, 1, 0}, Dims{5, 2, 70}, Dims{1, 1, 1}}},
                {{{{3, 4}}, {{0, 2}}}, {Dims{1, 2}, Dims{1, 4}, Dims{1, 1}}}},
});

void slice_add(const Tensor& x, const Tensor& g, Attrs slices) {
  const Tensor both[] = {x, g};
  Tensor sum;
  apply(kSliceAdd, both, slices, {&sum, 1});
}

// ---- concat and stack ----

const OpRow& kConcat = register_op({
    .name = "concat",
    .summary = "Tensors behind each other along an axis; their other sizes are equal.",
    .max_inputs = kAnyNumber,
    .attrs = {{.name = "axis", .kind = FL_ATTR_INT, .fallback = 0}},
    .promotes = true,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      size_t axis = static_cast<size_t>(attrs[0].as_int());
      Dims shape = inputs[0].shape();
      for (size_t i = 1; i < inputs.size(); ++i) {
        Dims other = inputs[i].shape();
        int64_t length = other.size() == shape.size() ? other[axis] : 0;
        if (other.size() == shape.size()) other[axis] = shape[axis];
        if (other != shape) {
          raise(ErrorKind::Shape, row.name, ": input 0 is ", inputs[0].shape(), ", input ", i, " is ", 
                inputs[i].shape(), ": all sizes but that of axis ", axis, " must be equal");
        }
        shape[axis] += length;
      }
      out[0] = {shape, inputs[0].dtype()};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      if (inputs[0].ndim() == 0) {
        raise(ErrorKind::Shape, row.name, ": input 0 has no dimensions: stack() joins numbers");
      }
      attrs[0] = normal_axis(row.name, attrs[0].as_int(), inputs[0].ndim());
    },
    .vjp = [](const Backward& b) {
      int64_t axis = b.attrs[0].as_int();
      int64_t start = 0;
      for (size_t i = 0; i < b.inputs.size(); ++i) {
        int64_t stop = start + b.input(i).size(axis);
        if (b.needs(i)) b.give(i, narrow(b.grad(), axis, start, stop));
        start = stop;
      }
    },
    .batching = batch_axis,
    .ulp_note = "the same elements",
    .samples = {{{{{3}}}, {0}},
                {{{{3}}, {{2}}}, {0}},
                {{{{3, 4}}, {{3, 2}}, {{3, 1}}}, {1}},
                {{{{2, 3}}, {{0, 3}}, {{1, 3}}}, {0}},
                {{{{0, 3}}, {{0, 3}}}, {0}}},
});

[[maybe_unused]] const OpRow& kStack = register_op({
    .name = "stack",
    .summary = "Tensors of equal shape along a new axis.",
    .max_inputs = kAnyNumber,
    .attrs = {{.name = "axis", .kind = FL_ATTR_INT, .fallback = 0}},
    .promotes = true,
    .composite = true,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      for (size_t i = 1; i < inputs.size(); ++i) {
        if (inputs[i].shape() == inputs[0].shape()) continue;
        raise(ErrorKind::Shape, row.name, ": input 0 is ", inputs[0].shape(), ", input ", i, " is ", inputs[i].shape(),
              ": they must be equal; concat() joins along an axis that is there");
      }
      Dims shape = inputs[0].shape();
      shape.insert(static_cast<size_t>(attrs[0].as_int()), static_cast<int64_t>(inputs.size()));
      out[0] = {shape, inputs[0].dtype()};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      attrs[0] = normal_axis(row.name, attrs[0].as_int(), inputs[0].ndim() + 1);
    },
    .decompose = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Meta meta;
      row.infer(row, inputs, attrs, {&meta, 1});
      const int64_t axis = attrs[0].as_int();
      if (axis < inputs[0].ndim()) {  // each input's part of that axis is a row of the two axes that it becomes
        out[0] = reshape(concat({inputs.begin(), inputs.end()}, axis), meta.shape);
        return;
      }
      std::vector<Tensor> parts;
      for (const Tensor& x : inputs) parts.push_back(expand_dims(x, {axis}));
      out[0] = concat(parts, axis);
    },
    .batching = batch_axis,
    .ulp_note = "the same elements",
    .samples = {{{{{}}, {{}}}, {0}}, {{{{3, 4}}, {{3, 4}}}, {1}}, {{{{0, 2}}, {{0, 2}}, {{0, 2}}}, {2}}},
});

}  // namespace

Tensor reshape(const Tensor& x, const Dims& shape) {
  return x.shape() == shape ? x : apply(kReshape, {x}, {shape});
}
Tensor permute_dims(const Tensor& x, const Dims& axes) { return apply(kPermuteDims, {x}, {axes}); }
Tensor swap_last_two(const Tensor& x) {
  Dims axes = all_axes(x.ndim());
  std::swap(axes[axes.size() - 1], axes[axes.size() - 2]);
  return permute_dims(x, axes);
}
Tensor broadcast_to(const Tensor& x, const Dims& shape) {
  return x.shape() == shape ? x : apply(kBroadcastTo, {x}, {shape});
}
Tensor expand_dims(const Tensor& x, const Dims& axes) { return axes.empty() ? x : apply(kExpandDims, {x}, {axes}); }
Tensor slice(const Tensor& x, const Dims& starts, const Dims& stops, const Dims& steps) {
  return apply(kSlice, {x}, {starts, stops, steps});
}
Tensor turned(const Tensor& x, int64_t axis) {
  Dims starts = Dims::filled(x.shape().size(), 0), stops = x.shape(), steps = Dims::filled(x.shape().size(), 1);
  const auto at = static_cast<size_t>(axis);
  if (x.shape()[at] == 0) return x;
  starts[at] = x.shape()[at] - 1;
  stops[at] = -1;
  steps[at] = -1;
  return slice(x, starts, stops, steps);
}
Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t stop) {
  Dims starts = Dims::filled(x.shape().size(), 0);
  Dims stops = x.shape();
  starts[static_cast<size_t>(axis)] = start;
  stops[static_cast<size_t>(axis)] = stop;
  return slice(x, starts, stops, Dims::filled(x.shape().size(), 1));
}
Tensor concat(Inputs parts, int64_t axis) {
  Attr attr(axis);
  return apply(kConcat, parts, {&attr, 1});
}

}  // namespace flambeau::ops
