// sort.cpp: order along an axis, the largest of a line, places in sorted numbers, and places that are not zero.
//
// NaN counts as larger than every number: last in ascending order (as in NumPy), first in descending order and among
// the largest (as in PyTorch).
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT, .fallback = -1};
const AttrSpec kDescending{.name = "descending", .kind = FL_ATTR_BOOL, .fallback = false};
// Every sort here is stable; the standard lets a user say so.
const AttrSpec kStable{.name = "stable", .kind = FL_ATTR_BOOL, .fallback = true};

void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  const Tensor& x = inputs[0];
  if (x.ndim() == 0) raise(ErrorKind::Shape, row.name, ": x has no dimensions, so there is no axis to order along");
  attrs[0] = normal_axis(row.name, attrs[0].is_none() ? -1 : attrs[0].as_int(), x.ndim());
}

void require_order(const OpRow& row, const Tensor& x) {
  if (is_complex(x.dtype())) raise(ErrorKind::DType, row.name, ": x is ", x.dtype(), ", and complex numbers have no order: take abs(x), real(x) or imag(x)");
}

std::vector<Sample> sort_samples() {
  std::vector<Sample> samples;
  struct Case {
    Dims shape;
    int64_t axis;
  };
  for (const Case& one : {Case{{5}, 0}, Case{{3, 4}, 1}, Case{{3, 4}, 0}, Case{{2, 3, 4}, 1}, Case{{0, 3}, 1},
                          Case{{3, 0}, 1}, Case{{1037}, 0}, Case{{7, 130}, 1}}) {
    for (bool descending : {false, true}) samples.push_back({{{one.shape}}, {one.axis, descending, true}});
  }
  // Few values, so that many are equal: a stable sort leaves them in order.
  samples.push_back({{{{300}, 0, 3, SampleKind::Index}}, {0, false, true}});
  samples.push_back({{{{300}, 0, 3, SampleKind::Index}}, {0, true, true}});
  return samples;
}

const OpRow& kArgsort = register_op({
    .name = "argsort",
    .summary = "The indices that put each line along an axis in order; equal elements stay in the order that they "
               "have, and NaN counts as larger than every number.",
    .attrs = {kAxis, kDescending, kStable},
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_order(row, inputs[0]);
      out[0] = {inputs[0].shape(), DType::Int64};
    },
    .normalize = normalize,
    .batching = batch_axis,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = sort_samples(),
});

[[maybe_unused]] const OpRow& kSort = register_op({
    .name = "sort",
    .summary = "Each line along an axis in order; equal elements stay in the order that they have, and NaN counts as "
               "larger than every number.",
    .attrs = {kAxis, kDescending, kStable},
    .composite = true,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_order(row, inputs[0]);
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .normalize = normalize,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor order = apply(kArgsort, {inputs[0]}, {attrs[0], attrs[1], attrs[2]});
      out[0] = take_along_axis(inputs[0], order, attrs[0].as_int());
    },
    .batching = batch_axis,
    .ulp_note = "the same elements",
    .samples = sort_samples(),
});

// ---- the largest or smallest k ----

const std::vector<AttrSpec> kTopAttrs = {{.name = "k", .kind = FL_ATTR_INT, .required = true},
                                         kAxis,
                                         {.name = "largest", .kind = FL_ATTR_BOOL, .fallback = true}};

void normalize_top(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  normalize(row, inputs, attrs.subspan(1));
  const int64_t size = inputs[0].size(attrs[1].as_int());
  if (attrs[0].as_int() < 0 || attrs[0].as_int() > size) {
    raise(ErrorKind::Value, row.name, ": k is ", attrs[0].as_int(), " and axis ", attrs[1].as_int(), " of x ",
          inputs[0].shape(), " has ", size, " elements: k must be from 0 to ", size);
  }
}

Dims top_shape(const Tensor& x, Attrs attrs) {
  Dims shape = x.shape();
  shape[static_cast<size_t>(attrs[1].as_int())] = attrs[0].as_int();
  return shape;
}

// The axis is the second attribute here.
void batch_top(const OpRow& row, Inputs inputs, std::span<const bool>, Attrs attrs, std::span<Tensor> outputs) {
  const Attr moved[] = {attrs[0], attrs[1].as_int() + 1, attrs[2]};
  apply(row, inputs, moved, outputs);
}

std::vector<Sample> top_samples() {
  return {{{{{5}}}, {2, 0, true}},         {{{{5}}}, {5, 0, false}},       {{{{3, 4}}}, {2, 1, true}},
          {{{{3, 4}}}, {3, 0, false}},     {{{{2, 5, 3}}}, {2, 1, true}},  {{{{0, 3}}}, {2, 1, true}},
          {{{{3, 4}}}, {0, 1, true}},      {{{{1037}}}, {5, 0, true}},     {{{{1037}}}, {700, 0, false}},
          {{{{300}, 0, 3, SampleKind::Index}}, {120, 0, true}}};
}

const OpRow& kArgtop = register_op({
    .name = "argtop",
    .summary = "The indices of the k largest (or smallest) elements along an axis, in their order; of equal ones the "
               "first.",
    .attrs = kTopAttrs,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_order(row, inputs[0]);
      out[0] = {top_shape(inputs[0], attrs), DType::Int64};
    },
    .normalize = normalize_top,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      Tensor order = apply(kArgsort, {inputs[0]}, {attrs[1], attrs[2], true});
      out[0] = narrow(order, attrs[1].as_int(), 0, attrs[0].as_int());
    },
    .batching = batch_top,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = top_samples(),
});

[[maybe_unused]] const OpRow& kTopk = register_op({
    .name = "topk",
    .summary = "The k largest (or smallest) elements along an axis in their order, and their indices; NaN counts as "
               "larger than every number.",
    .output_count = 2,
    .attrs = kTopAttrs,
    .composite = true,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_order(row, inputs[0]);
      out[0] = {top_shape(inputs[0], attrs), inputs[0].dtype()};
      out[1] = {top_shape(inputs[0], attrs), DType::Int64};
    },
    .normalize = normalize_top,
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      out[1] = apply(kArgtop, {inputs[0]}, {attrs[0], attrs[1], attrs[2]});
      out[0] = take_along_axis(inputs[0], out[1], attrs[1].as_int());
    },
    .batching = batch_top,
    .ulp_note = "the same elements",
    .samples = top_samples(),
});

// ---- places ----

[[maybe_unused]] const OpRow& kSearchsorted = register_op({
    .name = "searchsorted",
    .summary = "Where each element of x2 would have to go so that x1, which is in ascending order, stays in order: "
               "before equal elements (side 'left') or behind them ('right').",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"x1", "x2"},
    .attrs = {{.name = "side", .kind = FL_ATTR_TEXT, .fallback = "left"}},
    .dtypes = kNumbers,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      if (inputs[0].ndim() != 1) {
        raise(ErrorKind::Shape, row.name, ": x1 is ", inputs[0].shape(), " and must have one dimension");
      }
      const std::string& side = attrs[0].text();
      if (side != "left" && side != "right") {
        raise(ErrorKind::Value, row.name, ": side is '", side, "' and must be 'left' or 'right'");
      }
      out[0] = {inputs[1].shape(), DType::Int64};
    },
    .batching = [](const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
      if (batched[0]) batch_one_by_one(row, inputs, batched, attrs, outputs);
      else apply(row, inputs, attrs, outputs);
    },
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = {{{{{0}}, {{3}}}, {"left"}},
                {{{{1}}, {{}}}, {"left"}},
                {{{{1}, 0, 1}, {{3, 4}}}, {"right"}},
                {{{{1}}, {{1037}}}, {"right"}}},
});

const OpRow& kNonzero = register_op({
    .name = "nonzero",
    .summary = "The places of the first `count` elements that are not 0, counted row by row through x; there must be "
               "as many.",
    .attrs = {{.name = "count", .kind = FL_ATTR_INT, .required = true}},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const int64_t count = attrs[0].as_int();
      if (count < 0 || count > inputs[0].count()) {
        raise(ErrorKind::Value, row.name, ": count is ", count, " and x has ", inputs[0].count(), " elements");
      }
      out[0] = {Dims{count}, DType::Int64};
    },
    .batching = batch_one_by_one,
    .differentiable = 0,
    .ulp_note = "an integer",
    .samples = {{{{{}, 1, 2}}, {1}},
                {{{{5}, 1, 2}}, {5}},
                {{{{5}, 1, 2}}, {2}},
                {{{{3, 4}, 1, 2}}, {12}},
                {{{{0, 3}}}, {0}},
                {{{{1037}, 1, 2}}, {1000}}},
});

}  // namespace

Tensor nonzero(const Tensor& x, int64_t count) { return apply(kNonzero, {x}, {count}); }

}  // namespace flambeau::ops
