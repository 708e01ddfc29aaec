// scatter.cpp: writing at indices that stand in a tensor, out of place: `put` writes whole parts (the counterpart of
// take), `scatter` single elements (that of take_along_axis). Values with the same index are taken in their order, so
// the result is the same each time: the last one stays, or all are added, multiplied, compared.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const std::vector<AttrSpec> kScatterAttrs = {{.name = "axis", .kind = FL_ATTR_INT, .required = true},
                                             {.name = "reduce", .kind = FL_ATTR_TEXT, .fallback = "set"}};

void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  if (inputs[0].ndim() == 0) raise(ErrorKind::Shape, row.name, ": x has no dimensions, so there is nothing to index");
  attrs[0] = normal_axis(row.name, attrs[0].as_int(), inputs[0].ndim());
}

bool is_one_of(const std::string& word, std::initializer_list<const char*> known) {
  for (const char* one : known)
    if (word == one) return true;
  return false;
}

// What put and scatter ask of dtypes and of `reduce`.
void check(const OpRow& row, Inputs inputs, Attrs attrs) {
  const Tensor& x = inputs[0];
  if (!is_integer(inputs[1].dtype())) {
    raise(ErrorKind::DType, row.name, ": indices are ", inputs[1].dtype(), ": they must be integers; cast them");
  }
  if (x.dtype() != inputs[2].dtype()) {
    raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), " and values are ", inputs[2].dtype(),
          ": they must be equal; cast one of them");
  }
  const std::string& reduce = attrs[1].text();
  if (!is_one_of(reduce, {"set", "add", "multiply", "max", "min"})) {
    raise(ErrorKind::Value, row.name, ": reduce is '", reduce, "' and must be 'set', 'add', 'multiply', 'max' or 'min'");
  }
  if (x.dtype() == DType::Bool && reduce != "set") {
    raise(ErrorKind::DType, row.name, ": x is bool, which can only be set: cast it to int64 to ", reduce);
  }
  if (is_complex(x.dtype()) && (reduce == "max" || reduce == "min")) {
    raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), ", and complex numbers have no order to take the ", reduce, " by");
  }
}

// Picks from an x-shaped tensor what stands at the indices: the counterpart of the op.
using Pick = Tensor (*)(const Tensor& x, const Tensor& indices, int64_t axis);

// For each value the product of all others with the same index: of those before it times of those after it, along the
// values in the order of their indices. There is no division, so zeros are no special case, in further derivatives
// either.
Tensor products_of_others(const Tensor& given, const Tensor& given_indices, int64_t axis, int64_t size, Pick pick) {
  static const OpRow& argsort = op_named("argsort");
  static const OpRow& recurrence = op_named("linear_recurrence");
  // put's indices, of any number of axes, become one axis.
  const bool lines = pick == take_along_axis;
  Dims shape = given.shape();
  if (!lines) {
    shape = Dims(std::span<const int64_t>(given.shape().begin(), static_cast<size_t>(axis)));
    shape.push_back(given_indices.count());
    for (int64_t i = axis + given_indices.ndim(); i < given.ndim(); ++i) shape.push_back(given.size(i));
  }
  const int64_t count = shape[static_cast<size_t>(axis)];
  if (given.count() == 0) return given;
  const Tensor values = reshape(given, shape);
  Tensor indices = lines ? given_indices : reshape(given_indices, {count});
  const int64_t along = lines ? axis : 0;
  indices = where(less(indices, constant(0, indices)), add(indices, static_cast<double>(size)), indices);
  const Tensor order = apply(argsort, {indices}, {along, false, true});
  const Tensor sorted = pick(values, order, axis);
  const Tensor placed = pick(indices, order, along);
  // 1 where the value before has the same index, else 0, as long as the values.
  Tensor joined = cast(equal(narrow(placed, along, 1, count), narrow(placed, along, 0, count - 1)), values.dtype());
  if (!lines) {
    Dims wide = Dims::filled(shape.size(), 1);
    wide[static_cast<size_t>(axis)] = count - 1;
    Dims repeated = shape;
    repeated[static_cast<size_t>(axis)] = count - 1;
    joined = broadcast_to(reshape(joined, wide), repeated);
  }
  Dims edge = shape;
  edge[static_cast<size_t>(axis)] = 1;
  const Tensor none = full(edge, 0, values.dtype(), values.device());
  const auto product_before = [&](const Tensor& x, const Tensor& same) {
    const Tensor factors[] = {none, multiply(narrow(x, axis, 0, count - 1), same)};
    const Tensor starts[] = {add(none, 1), subtract(1, same)};
    return apply(recurrence, {concat(factors, axis), concat(starts, axis)}, {axis});
  };
  const Tensor after = turned(product_before(turned(sorted, axis), turned(joined, axis)), axis);
  const Tensor others = multiply(product_before(sorted, joined), after);
  return reshape(pick(others, apply(argsort, {order}, {along, false, true}), axis), given.shape());
}

// Gradients of put and scatter alike; `pick` is take or take_along_axis.
void vjp(const Backward& b, Pick pick) {
  const int64_t axis = b.attrs[0].as_int();
  const std::string& reduce = b.attrs[1].text();
  const Tensor& g = b.grad();
  const Tensor& indices = b.input(1);
  const auto again = [&](const Tensor& x, const Tensor& values, const char* how) {
    return apply(b.row, {x, indices, values}, {axis, how});
  };
  const auto at_values = [&](const Tensor& x) { return pick(x, indices, axis); };
  if (reduce == "add") {
    if (b.needs(0)) b.give(0, g);
    if (b.needs(2)) b.give(2, at_values(g));
    return;
  }
  const Tensor& x = b.input(0);
  const Tensor& values = b.input(2);
  if (reduce == "set") {
    const Tensor zeros = full(values.shape(), 0, values.dtype(), values.device());
    if (b.needs(0)) b.give(0, again(g, zeros, "set"));
    if (b.needs(2)) {
      // Of values with the same index only the last one is in the result.
      Tensor number, last;
      {
        NoGrad off;
        static const OpRow& arange = op_named("arange");
        OnDevice there(values.device());
        number = reshape(apply(arange, {}, {0.0, 1.0, values.count(), DType::Int64}), values.shape());
        last = at_values(again(full(x.shape(), 0, DType::Int64, x.device()), number, "set"));
      }
      b.give(2, where(equal(last, number), at_values(g), zeros));
    }
    return;
  }
  if (reduce == "multiply") {
    if (b.needs(0)) b.give(0, again(g, conj(values), "multiply"));
    if (b.needs(2)) b.give(2, multiply(at_values(multiply(g, conj(x))), conj(products_of_others(values, indices, axis, x.size(axis), pick))));
    return;
  }
  // max, min: those that are equal share evenly.
  const Tensor& y = b.output();
  const Tensor kept = cast(equal(x, y), x.dtype());
  const Tensor chosen = cast(equal(values, at_values(y)), x.dtype());
  Tensor ties = again(kept, chosen, "add");
  ties = where(equal(ties, constant(0, ties)), constant(1, ties), ties);  // NaN equals nothing
  const Tensor share = divide(g, ties);
  if (b.needs(0)) b.give(0, multiply(share, kept));
  if (b.needs(2)) b.give(2, multiply(at_values(share), chosen));
}

Saved saves_of(Attrs attrs, uint32_t needed) {
  const std::string& reduce = attrs[1].text();
  if (reduce == "add") return saves<Saved{}, Saved{}, Saved{0b010}>(attrs, needed);
  if (reduce == "set") return {0b010};
  if (reduce == "multiply") return saves<Saved{0b110}, Saved{}, Saved{0b111}>(attrs, needed);
  return {0b111, 1};
}

// Indices with a batch of their own: x as (batch, before, n, after), indices as (batch, 1, k, 1) repeated, one scatter.
void batch_put(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  const std::vector<Tensor> all = all_batched(inputs, batched);
  const int64_t axis = attrs[0].as_int();
  if (!batched[1]) return apply(row, std::vector<Tensor>{all[0], inputs[1], all[2]}, std::vector<Attr>{axis + 1, attrs[1]}, outputs);
  static const OpRow& scatter = op_named("scatter");
  const Tensor& x = all[0];
  int64_t before = 1, after = 1, chosen = 1;
  for (int64_t i = 1; i <= axis; ++i) before *= x.size(i);
  for (int64_t i = axis + 2; i < x.ndim(); ++i) after *= x.size(i);
  for (int64_t i = 1; i < all[1].ndim(); ++i) chosen *= all[1].size(i);
  const Dims given{x.size(0), before, chosen, after};
  const Tensor where = broadcast_to(reshape(all[1], {x.size(0), 1, chosen, 1}), given);
  const Tensor flat = reshape(x, {x.size(0), before, x.size(axis + 1), after});
  outputs[0] = reshape(apply(scatter, {flat, where, reshape(all[2], given)}, {int64_t(2), attrs[1]}), x.shape());
}

SampleInput indices_below(Dims shape, int64_t size) {
  return {std::move(shape), static_cast<double>(-size), static_cast<double>(size), SampleKind::Index};
}

std::vector<Sample> with_reductions(const std::vector<Sample>& plain) {
  std::vector<Sample> samples;
  for (const char* reduce : {"set", "add", "multiply", "max", "min"}) {
    for (Sample sample : plain) {
      sample.attrs.push_back(reduce);
      samples.push_back(std::move(sample));
    }
  }
  return samples;
}

[[maybe_unused]] const OpRow& kPut = register_op({
    .name = "put",
    .summary = "x with parts along an axis replaced by `values` (or these added to them, multiplied with them, or the "
               "larger or smaller taken) at the indices: what take reads, put writes.",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"x", "indices", "values"},
    .attrs = kScatterAttrs,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      check(row, inputs, attrs);
      const Dims& x = inputs[0].shape();
      const auto axis = static_cast<size_t>(attrs[0].as_int());
      Dims expected;
      for (size_t i = 0; i < axis; ++i) expected.push_back(x[i]);
      for (int64_t size : inputs[1].shape()) expected.push_back(size);
      for (size_t i = axis + 1; i < x.size(); ++i) expected.push_back(x[i]);
      if (!(inputs[2].shape() == expected)) {
        raise(ErrorKind::Shape, row.name, ": x is ", x, ", indices are ", inputs[1].shape(), " for axis ", axis,
              ", values are ", inputs[2].shape(), ": values must be ", expected);
      }
      out[0] = {x, inputs[0].dtype()};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) { vjp(b, take); },
    .batching = batch_put,
    .differentiable = 0b101,
    .saves_inputs = 0b111,
    .saves_outputs = 1,
    .saves = saves_of,
    .ulp = ulps(2, 8, 8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values with the same index are taken one by one, 16-bit ones in float32",
    .samples = with_reductions({{{{{5}}, indices_below({4}, 5), {{4}}}, {0}},
                                {{{{5}}, indices_below({}, 5), {{}}}, {0}},
                                {{{{2, 5, 3}}, indices_below({2, 2}, 5), {{2, 2, 2, 3}}}, {1}},
                                {{{{3, 4}}, indices_below({0}, 3), {{0, 4}}}, {0}},
                                {{{{0, 4}}, indices_below({2}, 4), {{0, 2}}}, {1}}}),
});

[[maybe_unused]] const OpRow& kScatter = register_op({
    .name = "scatter",
    .summary = "x with elements along an axis replaced by `values` (or these added to them, multiplied with them, or "
               "the larger or smaller taken) at this line's own indices: out[i, indices[i, j]] = values[i, j].",
    .min_inputs = 3,
    .max_inputs = 3,
    .input_names = {"x", "indices", "values"},
    .attrs = kScatterAttrs,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      check(row, inputs, attrs);
      const Dims& x = inputs[0].shape();
      const Dims& indices = inputs[1].shape();
      const auto axis = static_cast<size_t>(attrs[0].as_int());
      Dims expected = x;
      if (indices.size() == x.size()) expected[axis] = indices[axis];
      if (!(indices == expected)) {
        raise(ErrorKind::Shape, row.name, ": x is ", x, ", indices are ", indices, ": all sizes but that of axis ",
              axis, " must be equal; broadcast_to() repeats");
      }
      if (!(inputs[2].shape() == indices)) {
        raise(ErrorKind::Shape, row.name, ": indices are ", indices, ", values are ", inputs[2].shape(),
              ": they must be equal; broadcast_to() repeats");
      }
      out[0] = {x, inputs[0].dtype()};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) { vjp(b, take_along_axis); },
    .batching = batch_axis,
    .differentiable = 0b101,
    .saves_inputs = 0b111,
    .saves_outputs = 1,
    .saves = saves_of,
    .ulp = ulps(2, 8, 8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values with the same index are taken one by one, 16-bit ones in float32",
    .samples = with_reductions({{{{{5}}, indices_below({4}, 5), {{4}}}, {0}},
                                {{{{3, 5}}, indices_below({3, 4}, 5), {{3, 4}}}, {1}},
                                {{{{5, 3}}, indices_below({7, 3}, 5), {{7, 3}}}, {0}},
                                {{{{3, 5}}, indices_below({3, 0}, 5), {{3, 0}}}, {1}},
                                {{{{0, 5}}, indices_below({0, 2}, 5), {{0, 2}}}, {1}}}),
});

const OpRow& kJoinIndices = register_op({
    .name = "join_indices",
    .summary = "One index for several axes taken together, of the given sizes: ((i * sizes[1]) + j) * sizes[2] + k. A "
               "negative index counts from the end.",
    .max_inputs = kAnyNumber,
    .input_names = {"indices"},
    .attrs = {{.name = "sizes", .kind = FL_ATTR_INTS, .required = true},
              {.name = "axes", .kind = FL_ATTR_INTS, .required = true}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      for (const Tensor& indices : inputs) {
        if (!is_integer(indices.dtype()) || indices.dtype() != inputs[0].dtype()) {
          raise(ErrorKind::DType, row.name, ": indices are ", inputs[0].dtype(), " and ", indices.dtype(),
                ": they must be integers of one type");
        }
        if (!(indices.shape() == inputs[0].shape())) {
          raise(ErrorKind::Shape, row.name, ": indices are ", inputs[0].shape(), " and ", indices.shape(),
                ": they must be equal");
        }
      }
      if (attrs[0].ints().size() != inputs.size() || attrs[1].ints().size() != inputs.size()) {
        raise(ErrorKind::Value, row.name, ": ", inputs.size(), " index tensors, sizes are ", attrs[0].ints(),
              ", axes are ", attrs[1].ints(), ": there must be as many of each");
      }
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .batching = batch_leading,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = {{{indices_below({}, 5)}, {Dims{5}, Dims{0}}},
                {{indices_below({4}, 5), indices_below({4}, 3)}, {Dims{5, 3}, Dims{0, 1}}},
                {{indices_below({2, 3}, 2), indices_below({2, 3}, 3), indices_below({2, 3}, 4)},
                 {Dims{2, 3, 4}, Dims{0, 1, 3}}},
                {{indices_below({0, 3}, 5), indices_below({0, 3}, 3)}, {Dims{5, 3}, Dims{0, 1}}}},
});

}  // namespace

Tensor join_indices(Inputs indices, const Dims& sizes, const Dims& axes) {
  const Attr attrs[] = {sizes, axes};
  return apply(kJoinIndices, indices, attrs);
}

}  // namespace flambeau::ops
