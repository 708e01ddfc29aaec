// resample.cpp: elements along an axis as weighted sums of a few others, which is how images change their size.
#include <vector>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT, .required = true};

// (taps, count) of both; what they are for has at least `axis` + 1 axes.
void require_taps(const OpRow& row, Inputs inputs, Attrs attrs) {
  const Tensor &x = inputs[0], &indices = inputs[1], &weights = inputs[2];
  const int64_t axis = attrs[0].as_int();
  if (!is_float(x.dtype()) || weights.dtype() != x.dtype() || !is_integer(indices.dtype())) {
    raise(ErrorKind::DType, row.name, ": ", row.input_names[0], " is ", x.dtype(), ", indices are ", indices.dtype(), ", weights ",
          weights.dtype(), ": floats, integers and the same floats are needed");
  }
  if (axis < 0 || axis >= x.ndim() || indices.ndim() != 2 || indices.shape() != weights.shape()) {
    raise(ErrorKind::Shape, row.name, ": ", row.input_names[0], " is ", x.shape(), ", axis ", axis, ", indices are ", indices.shape(),
          ", weights ", weights.shape(), ": an axis that there is, and two tables (taps, count) of one shape are needed");
  }
}

// One tap's indices, and its weights along the axis of x.
Tensor tap_of(const Tensor& table, int64_t t) { return reshape(narrow(table, 0, t, t + 1), {table.size(1)}); }
Tensor weights_of(const Tensor& table, int64_t t, const Tensor& x, int64_t axis) {
  Dims shape = Dims::filled(size_t(x.ndim()), 1);
  shape[size_t(axis)] = table.size(1);
  return reshape(narrow(table, 0, t, t + 1), shape);
}

// Of each weight: the sum of the part of x that it counts for, times the part of g that it counts in.
Tensor weights_grad(const Tensor& x, const Tensor& g, const Tensor& indices, int64_t axis) {
  if (indices.size(0) == 0) return full(indices.shape(), 0, g.dtype(), g.device());
  Dims others;
  for (int64_t a = 0; a < g.ndim(); ++a)
    if (a != axis) others.push_back(a);
  std::vector<Tensor> taps;
  for (int64_t t = 0; t < indices.size(0); ++t)
    taps.push_back(expand_dims(sum(multiply(take(x, tap_of(indices, t), axis), g), others, false), {0}));
  return concat(taps, 0);
}

// A batch of x alone is one more axis in front.
void batch_x(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  if (batched[1] || batched[2]) return batch_one_by_one(row, inputs, batched, attrs, outputs);
  std::vector<Attr> moved(attrs.begin(), attrs.end());
  moved[0] = attrs[0].as_int() + 1;
  apply(row, inputs, moved, outputs);
}

SampleInput indices_below(Dims shape, int64_t size) {
  return {std::move(shape), static_cast<double>(-size), static_cast<double>(size), SampleKind::Index};
}

const OpRow& kWeightedTake = register_op({
    .name = "weighted_take",
    .summary = "Part i along an axis is the sum of weights[t, i] times part indices[t, i] of x, over all taps t.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"x", "indices", "weights"},
    .attrs = {kAxis},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_taps(row, inputs, attrs);
      Dims shape = inputs[0].shape();
      const size_t axis = size_t(attrs[0].as_int());
      if (shape[axis] == 0 && inputs[1].count() > 0)
        raise(ErrorKind::Index, row.name, ": x is ", shape, ", empty along axis ", axis, ": no index is inside");
      shape[axis] = inputs[1].size(1);
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const int64_t axis = attrs[0].as_int();
      for (int64_t t = 0; t < inputs[1].size(0); ++t) {
        const Tensor part = multiply(take(inputs[0], tap_of(inputs[1], t), axis), weights_of(inputs[2], t, inputs[0], axis));
        out[0] = t ? add(out[0], part) : part;
      }
      if (out[0].defined()) return;
      Meta empty;
      row.infer(row, inputs, attrs, {&empty, 1});
      out[0] = full(empty.shape, 0, empty.dtype, inputs[0].device());
    },
    .vjp = [](const Backward& b) {
      static const OpRow& row = op_named("weighted_take_grad");
      const int64_t axis = b.attrs[0].as_int();
      if (b.needs(0)) b.give(0, apply(row, {b.grad(), b.input(1), b.input(2)}, {axis, b.input(0).size(axis)}));
      if (b.needs(2)) b.give(2, weights_grad(b.input(0), b.grad(), b.input(1), axis));
    },
    .batching = batch_x,
    .differentiable = 0b101,
    .saves_inputs = 0b111,
    .saves = saves<Saved{0b110}, Saved{}, Saved{0b011}>,
    .ulp = ulps(8, 16, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "products are added up one by one, 16-bit ones in float32",
    .samples = {{{{{7}}, indices_below({2, 5}, 7), {{2, 5}}}, {0}},
                {{{{2, 5, 3}}, indices_below({4, 9}, 5), {{4, 9}}}, {1}},
                {{{{2, 3, 37}}, indices_below({3, 41}, 37), {{3, 41}}}, {2}},
                {{{{3, 19, 35}}, indices_below({2, 8}, 19), {{2, 8}}}, {1}},
                {{{{3, 4}}, indices_below({2, 0}, 4), {{2, 0}}}, {1}},
                {{{{0, 4}}, indices_below({2, 3}, 4), {{2, 3}}}, {1}}},
});

[[maybe_unused]] const OpRow& kWeightedTakeGrad = register_op({
    .name = "weighted_take_grad",
    .summary = "The gradient of weighted_take for an x that is `size` long along the axis.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"g", "indices", "weights"},
    .attrs = {kAxis, {.name = "size", .kind = FL_ATTR_INT, .required = true}},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_taps(row, inputs, attrs);
      Dims shape = inputs[0].shape();
      int64_t& size = shape[size_t(attrs[0].as_int())];
      if (size != inputs[1].size(1))
        raise(ErrorKind::Shape, row.name, ": g is ", inputs[0].shape(), ", indices are ", inputs[1].shape(), ": g has as many parts as "
              "each tap has indices");
      size = attrs[1].as_int();
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const int64_t axis = attrs[0].as_int();
      for (int64_t t = 0; t < inputs[1].size(0); ++t) {
        const Tensor share = multiply(inputs[0], weights_of(inputs[2], t, inputs[0], axis));
        const Tensor part = take_grad(share, tap_of(inputs[1], t), axis, attrs[1].as_int());
        out[0] = t ? add(out[0], part) : part;
      }
      if (out[0].defined()) return;
      Meta empty;
      row.infer(row, inputs, attrs, {&empty, 1});
      out[0] = full(empty.shape, 0, empty.dtype, inputs[0].device());
    },
    .vjp = [](const Backward& b) {
      const int64_t axis = b.attrs[0].as_int();
      if (b.needs(0)) b.give(0, apply(kWeightedTake, {b.grad(), b.input(1), b.input(2)}, {axis}));
      if (b.needs(2)) b.give(2, weights_grad(b.grad(), b.input(0), b.input(1), axis));
    },
    .batching = batch_x,
    .differentiable = 0b101,
    .saves_inputs = 0b111,
    .saves = saves<Saved{0b110}, Saved{}, Saved{0b011}>,
    .ulp = ulps(16, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as weighted_take",
    .samples = {{{{{5}}, indices_below({2, 5}, 7), {{2, 5}}}, {0, 7}},
                {{{{2, 9, 3}}, indices_below({4, 9}, 5), {{4, 9}}}, {1, 5}},
                {{{{2, 3, 41}}, indices_below({3, 41}, 37), {{3, 41}}}, {2, 37}},
                {{{{3, 8, 35}}, indices_below({2, 8}, 19), {{2, 8}}}, {1, 19}},
                {{{{3, 0}}, indices_below({2, 0}, 4), {{2, 0}}}, {1, 4}}},
});

}  // namespace

}  // namespace flambeau::ops
