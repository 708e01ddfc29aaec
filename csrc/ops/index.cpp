// index.cpp: elements chosen by indices that stand in a tensor.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/matrices.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT};
const AttrSpec kSize{.name = "size", .kind = FL_ATTR_INT, .required = true};

void require_indices(const OpRow& row, const Tensor& indices) {
  if (is_integer(indices.dtype())) return;
  raise(ErrorKind::DType, row.name, ": indices are ", indices.dtype(), ": they must be int32 or int64; cast them",
        indices.dtype() == DType::Bool ? ", or choose by truth with where()" : "");
}

void require_floats(const OpRow& row, const Tensor& g) {
  if (!is_inexact(g.dtype())) raise(ErrorKind::DType, row.name, ": g is ", g.dtype(), ": gradients are floats");
}

// The axis, counted from the front; `fallback` where none is given.
void normalize_axis(const OpRow& row, const Tensor& x, std::span<Attr> attrs, int64_t fallback) {
  if (x.ndim() == 0) raise(ErrorKind::Shape, row.name, ": x has no dimensions, so there is nothing to index");
  attrs[0] = normal_axis(row.name, attrs[0].is_none() ? fallback : attrs[0].as_int(), x.ndim());
}

// x's shape with `axis` replaced by the axes of the indices.
Dims taken_shape(const Dims& x, const Dims& indices, size_t axis) {
  Dims shape;
  for (size_t i = 0; i < axis; ++i) shape.push_back(x[i]);
  for (int64_t size : indices) shape.push_back(size);
  for (size_t i = axis + 1; i < x.size(); ++i) shape.push_back(x[i]);
  return shape;
}

SampleInput indices_below(Dims shape, int64_t size) {
  return {std::move(shape), static_cast<double>(-size), static_cast<double>(size), SampleKind::Index};
}

const OpRow& kTake = register_op({
    .name = "take",
    .summary = "The parts of x at these indices along an axis, which is replaced by the axes of the indices; a "
               "negative index counts from the end.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x", "indices"},
    .attrs = {kAxis},
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_indices(row, inputs[1]);
      size_t axis = static_cast<size_t>(attrs[0].as_int());
      if (inputs[0].shape()[axis] == 0 && inputs[1].count() > 0) {
        raise(ErrorKind::Index, row.name, ": x is ", inputs[0].shape(), ", empty along axis ", axis,
              ": no index is inside");
      }
      out[0] = {taken_shape(inputs[0].shape(), inputs[1].shape(), axis), inputs[0].dtype()};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      if (attrs[0].is_none() && inputs[0].ndim() > 1) {
        raise(ErrorKind::Value, row.name, ": x is ", inputs[0].shape(), 
              ": say which axis the indices are for, as in axis=0");
      }
      normalize_axis(row, inputs[0], attrs, 0);
    },
    .vjp = [](const Backward& b) {
      int64_t axis = b.attrs[0].as_int();
      b.give(0, take_grad(b.grad(), b.input(1), axis, b.input(0).size(axis)));
    },
    .batching = batch_take,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .ulp_note = "the same elements",
    .samples = {{{{{5}}, indices_below({3}, 5)}, {0}},
                {{{{5}}, indices_below({}, 5)}, {0}},
                {{{{5, 3}}, indices_below({2, 4}, 5)}, {0}},
                {{{{3, 5}}, indices_below({4}, 5)}, {1}},
                {{{{2, 5, 3}}, indices_below({4}, 5)}, {1}},
                {{{{5, 3}}, indices_below({0}, 5)}, {0}}},
});

const OpRow& kTakeGrad = register_op({
    .name = "take_grad",
    .summary = "The gradient of take: parts of g added up at their indices along an axis `size` long, always in the "
               "same order.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "indices"},
    .attrs = {{.name = "axis", .kind = FL_ATTR_INT, .required = true}, kSize},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_floats(row, inputs[0]);
      require_indices(row, inputs[1]);
      const Dims& g = inputs[0].shape();
      const Dims& indices = inputs[1].shape();
      size_t axis = static_cast<size_t>(attrs[0].as_int());
      bool fits = axis + indices.size() <= g.size();
      for (size_t i = 0; fits && i < indices.size(); ++i) fits = g[axis + i] == indices[i];
      if (!fits) {
        raise(ErrorKind::Shape, row.name, ": g is ", g, ", indices are ", indices, ": g's sizes from axis ", axis,
              " on must be those of the indices");
      }
      Dims shape;
      for (size_t i = 0; i < axis; ++i) shape.push_back(g[i]);
      shape.push_back(attrs[1].as_int());
      for (size_t i = axis + indices.size(); i < g.size(); ++i) shape.push_back(g[i]);
      out[0] = {shape, inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) { b.give(0, take(b.grad(), b.input(1), b.attrs[0].as_int())); },
    .batching = batch_take_grad,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .ulp = ulps(2, 8, 8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "parts with the same index are added one by one, 16-bit ones in float32",
    .samples = {{{{{3}}, indices_below({3}, 5)}, {0, 5}},
                {{{{2, 4, 3}}, indices_below({2, 4}, 5)}, {0, 5}},
                {{{{3, 4}}, indices_below({4}, 5)}, {1, 5}},
                {{{{0, 3}}, indices_below({0}, 5)}, {0, 5}},
                {{{{64}}, indices_below({64}, 3)}, {0, 3}}},
});

void infer_along(const OpRow& row, const Dims& x, const Tensor& indices, size_t axis) {
  require_indices(row, indices);
  Dims expected = x;
  if (indices.shape().size() == x.size()) expected[axis] = indices.shape()[axis];
  if (indices.shape() == expected) return;
  raise(ErrorKind::Shape, row.name, ": x is ", x, ", indices are ", indices.shape(), ": all sizes but that of axis ",
        axis, " must be equal; broadcast_to() repeats, take() applies one list of indices everywhere");
}

const OpRow& kTakeAlongAxis = register_op({
    .name = "take_along_axis",
    .summary = "For each line along an axis, its elements at this line's own indices: out[i, j] = x[i, indices[i, j]].",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x", "indices"},
    .attrs = {{.name = "axis", .kind = FL_ATTR_INT, .fallback = -1}},
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      infer_along(row, inputs[0].shape(), inputs[1], static_cast<size_t>(attrs[0].as_int()));
      out[0] = {inputs[1].shape(), inputs[0].dtype()};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      normalize_axis(row, inputs[0], attrs, -1);
    },
    .vjp = [](const Backward& b) {
      int64_t axis = b.attrs[0].as_int();
      b.give(0, take_along_axis_grad(b.grad(), b.input(1), axis, b.input(0).size(axis)));
    },
    .batching = batch_axis,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .ulp_note = "the same elements",
    .samples = {{{{{5}}, indices_below({3}, 5)}, {0}},
                {{{{3, 5}}, indices_below({3, 2}, 5)}, {1}},
                {{{{5, 3}}, indices_below({7, 3}, 5)}, {0}},
                {{{{3, 5}}, indices_below({3, 0}, 5)}, {1}}},
});

const OpRow& kTakeAlongAxisGrad = register_op({
    .name = "take_along_axis_grad",
    .summary = "The gradient of take_along_axis: elements of g added up at their indices along an axis `size` long.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"g", "indices"},
    .attrs = {{.name = "axis", .kind = FL_ATTR_INT, .required = true}, kSize},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_floats(row, inputs[0]);
      require_indices(row, inputs[1]);
      if (inputs[0].shape() != inputs[1].shape()) {
        raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", indices are ", inputs[1].shape(),
              ": they must be equal");
      }
      Dims shape = inputs[0].shape();
      shape[static_cast<size_t>(attrs[0].as_int())] = attrs[1].as_int();
      out[0] = {shape, inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) { b.give(0, take_along_axis(b.grad(), b.input(1), b.attrs[0].as_int())); },
    .batching = batch_axis,
    .differentiable = 0b01,
    .saves_inputs = 0b10,
    .ulp = ulps(2, 8, 8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "elements with the same index are added one by one, 16-bit ones in float32",
    .samples = {{{{{3}}, indices_below({3}, 5)}, {0, 5}},
                {{{{3, 2}}, indices_below({3, 2}, 5)}, {1, 5}},
                {{{{7, 3}}, indices_below({7, 3}, 5)}, {0, 5}},
                {{{{3, 0}}, indices_below({3, 0}, 5)}, {1, 5}}},
});

[[maybe_unused]] const OpRow& kOneHot = register_op({
    .name = "one_hot",
    .summary = "A last axis of `classes` zeros, with a one at each index.",
    .input_names = {"indices"},
    .attrs = {{.name = "classes", .kind = FL_ATTR_INT, .required = true}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_indices(row, inputs[0]);
      const int64_t classes = attrs[0].as_int();
      if (classes < 0) raise(ErrorKind::Value, row.name, ": classes is ", classes, ": it is at least 0");
      Dims shape = inputs[0].shape();
      shape.push_back(classes);
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& indices = inputs[0];
      out[0] = cast(equal(expand_dims(indices, {indices.ndim()}), counted(attrs[0].as_int(), indices)), indices.dtype());
    },
    .batching = batch_leading,
    .differentiable = 0,
    .ulp_note = "zeros and ones",
    .samples = {{{{{5}, 0, 3, SampleKind::Index}}, {3}},
                {{{{}, 0, 3, SampleKind::Index}}, {3}},
                {{{{2, 3}, 0, 40, SampleKind::Index}}, {40}},
                {{{{0, 3}, 0, 3, SampleKind::Index}}, {3}},
                {{{{1037}, 0, 7, SampleKind::Index}}, {7}}},
});

}  // namespace

Tensor take(const Tensor& x, const Tensor& indices, int64_t axis) { return apply(kTake, {x, indices}, {axis}); }
Tensor take_grad(const Tensor& g, const Tensor& indices, int64_t axis, int64_t size) {
  return apply(kTakeGrad, {g, indices}, {axis, size});
}
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis) {
  return apply(kTakeAlongAxis, {x, indices}, {axis});
}
Tensor take_along_axis_grad(const Tensor& g, const Tensor& indices, int64_t axis, int64_t size) {
  return apply(kTakeAlongAxisGrad, {g, indices}, {axis, size});
}

}  // namespace flambeau::ops
