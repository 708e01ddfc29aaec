// scan.cpp: running sums and products along an axis, the linear recurrence that their derivatives need, and the
// logarithm of a sum of exponentials.
#include <limits>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT, .required = true};
const std::vector<Sample> kSamples = {{{{{5}}}, {0}},       {{{{3, 4}}}, {1}}, {{{{3, 4}}}, {0}}, {{{{2, 3, 4}}}, {1}},
                                      {{{{0, 3}}}, {1}},    {{{{3, 0}}}, {1}}, {{{{7, 130}, -1, 1}}, {1}},
                                      {{{{1037}, -1, 1}}, {0}}};

void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  const Tensor& x = inputs[0];
  if (x.ndim() == 0) raise(ErrorKind::Shape, row.name, ": x has no dimensions, so there is no axis to run along");
  attrs[0] = normal_axis(row.name, attrs[0].as_int(), x.ndim());
}

void infer(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  if (inputs[0].dtype() == DType::Bool) {
    raise(ErrorKind::DType, row.name, ": x is bool: cast it to int64 to count what is true");
  }
  out[0] = {inputs[0].shape(), inputs[0].dtype()};
}

// One step later along the axis, with `first` where nothing is before.
Tensor delayed(const Tensor& x, int64_t axis, double first) {
  const int64_t size = x.size(axis);
  if (size == 0) return x;
  Dims edge = x.shape();
  edge[static_cast<size_t>(axis)] = 1;
  const Tensor parts[] = {full(edge, first, x.dtype(), x.device()), narrow(x, axis, 0, size - 1)};
  return concat(parts, axis);
}

const OpRow& kCumulativeSum = register_op({
    .name = "cumulative_sum",
    .summary = "Running sums along an axis: out[i] = x[0] + ... + x[i].",
    .attrs = {kAxis},
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    .vjp = [](const Backward& b) {
      const int64_t axis = b.attrs[0].as_int();
      b.give(0, turned(apply(b.row, {turned(b.grad(), axis)}, {axis}), axis));
    },
    .batching = batch_axis,
    .ulp = ulps(1, 2, 16, 4, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "float64 rounds every partial sum; the others are summed in a wider type and rounded once",
    .samples = kSamples,
});

const OpRow& kLinearRecurrence = register_op({
    .name = "linear_recurrence",
    .summary = "s[i] = b[i] + a[i] s[i - 1] along an axis, with s[-1] = 0.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .attrs = {kAxis},
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      for (const Tensor& x : inputs) {
        if (!contains(kInexact, x.dtype())) {
          raise(ErrorKind::DType, row.name, ": an input is ", x.dtype(), ": cast it to float32");
        }
      }
      if (inputs[0].shape() != inputs[1].shape() || inputs[0].dtype() != inputs[1].dtype()) {
        raise(ErrorKind::Shape, row.name, ": a is ", inputs[0].dtype(), " ", inputs[0].shape(), ", b is ",
              inputs[1].dtype(), " ", inputs[1].shape(), ": they must be equal");
      }
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) {
      // d[i] = g[i] + a[i + 1] d[i + 1], the same recurrence from the end; of complex numbers the conjugates.
      const int64_t axis = b.attrs[0].as_int();
      Tensor a = delayed(turned(conj(b.input(0)), axis), axis, 0);
      Tensor d = turned(apply(b.row, {a, turned(b.grad(), axis)}, {axis}), axis);
      if (b.needs(0)) b.give(0, multiply(d, delayed(conj(b.output()), axis, 0)));
      if (b.needs(1)) b.give(1, d);
    },
    .batching = batch_axis,
    .saves_inputs = 0b01,
    .saves_outputs = 1,
    .saves = saves<Saved{0b01, 1}, Saved{0b01}>,
    .autocast = Autocast::Float32,
    .ulp = ulps(1, 2, 16, 4, 16),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "float64 rounds at every step; the others run in a wider type and are rounded once",
    .samples = {{{{{5}}, {{5}}}, {0}},
                {{{{3, 4}, -1, 1}, {{3, 4}}}, {1}},
                {{{{3, 4}, -1, 1}, {{3, 4}}}, {0}},
                {{{{2, 3, 4}, -1, 1}, {{2, 3, 4}}}, {1}},
                {{{{0, 3}}, {{0, 3}}}, {1}},
                {{{{1037}, -0.9, 0.9}, {{1037}}}, {0}}},
});

[[maybe_unused]] const OpRow& kCumulativeProd = register_op({
    .name = "cumulative_prod",
    .summary = "Running products along an axis: out[i] = x[0] ... x[i].",
    .attrs = {kAxis},
    .public_name = false,
    .infer = infer,
    .normalize = normalize,
    // out[i] = x[0] ... x[i], so x[j]'s share is p[j] s[j] with p[j] = x[0] ... x[j - 1] and
    // s[j] = g[j] + x[j + 1] s[j + 1]: no division, so zeros are no special case.
    .vjp = [](const Backward& b) {
      const int64_t axis = b.attrs[0].as_int();
      Tensor later = delayed(turned(conj(b.input(0)), axis), axis, 0);
      Tensor s = turned(apply(kLinearRecurrence, {later, turned(b.grad(), axis)}, {axis}), axis);
      b.give(0, multiply(delayed(conj(b.output()), axis, 1), s));
    },
    .batching = batch_axis,
    .saves_inputs = 1,
    .saves_outputs = 1,
    .autocast = Autocast::Float32,
    .ulp = ulps(1, 2, 64, 4, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "float64 rounds every partial product; the others are multiplied in a wider type and rounded once",
    .samples = {{{{{5}}}, {0}},       {{{{3, 4}}}, {1}}, {{{{3, 4}}}, {0}}, {{{{2, 3, 4}}}, {1}},
                {{{{0, 3}}}, {1}},    {{{{3, 0}}}, {1}}, {{{{1037}, 0.95, 1.05}}, {0}}},
});

// ---- logsumexp ----

Tensor exponentials(const Tensor& x, const Tensor& top) { return exp(subtract(x, top)); }

Tensor kept(const Tensor& reduced, Attrs attrs) {
  return attrs[1].as_bool() ? reduced : expand_dims(reduced, attrs[0].ints());
}

[[maybe_unused]] const OpRow& kLogsumexp = register_op({
    .name = "logsumexp",
    .summary = "log(sum(exp(x))) over `axis` (all axes if not given) without overflow; -inf of nothing.",
    .attrs = {{.name = "axes", .kind = FL_ATTR_INTS, .python = "axis"},
              {.name = "keepdims", .kind = FL_ATTR_BOOL, .fallback = false}},
    .composite = true,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      if (!is_float(inputs[0].dtype())) {
        raise(ErrorKind::DType, row.name, ": x is ", inputs[0].dtype(), ": cast it to float32");
      }
      out[0] = {reduced_shape(inputs[0].shape(), attrs[0].ints(), attrs[1].as_bool()), inputs[0].dtype()};
    },
    .normalize = [](const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
      const int64_t ndim = inputs[0].ndim();
      attrs[0] = attrs[0].is_none() ? all_axes(ndim) : normal_axes(row.name, attrs[0].ints(), ndim);
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
      const Tensor& x = inputs[0];
      const Dims& axes = attrs[0].ints();
      const Dims shape = reduced_shape(x.shape(), axes, attrs[1].as_bool());
      if (x.count() == 0) {
        out[0] = full(shape, -std::numeric_limits<double>::infinity(), x.dtype(), x.device());
        return;
      }
      Tensor top;
      {
        NoGrad off;
        top = max(x, axes, true);
        // An infinite largest element would make inf - inf.
        static const OpRow& isfinite = op_named("isfinite");
        top = where(apply(isfinite, {top}), top, constant(0, top));
      }
      Tensor result = add(log(sum(exponentials(x, top), axes, true)), top);
      out[0] = attrs[1].as_bool() ? result : reshape(result, shape);
    },
    .vjp = [](const Backward& b) {
      const Tensor& x = b.input(0);
      Tensor y = kept(b.output(), b.attrs);
      // All of a group -inf: no element has a share.
      Tensor shift = where(equal(y, constant(-std::numeric_limits<double>::infinity(), y)), constant(0, y), y);
      b.give(0, multiply(broadcast_to(kept(b.grad(), b.attrs), x.shape()), exponentials(x, shift)));
    },
    .batching = batch_axes,
    .saves_inputs = 1,
    .saves_outputs = 1,
    .ulp = ulps(8, 8, 8),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "a difference and a sum at the size of x",
    .samples = {{{{{}}}, {Dims{}, false}},        {{{{5}}}, {Dims{0}, false}},      {{{{3, 4}}}, {Dims{1}, true}},
                {{{{3, 4}}}, {Dims{0, 1}, false}}, {{{{2, 3, 4}}}, {Dims{0, 2}, false}}, {{{{0, 3}}}, {Dims{1}, false}},
                {{{{0, 3}}}, {Dims{0}, false}},   {{{{7, 130}, -8, 8}}, {Dims{1}, false}}},
});

}  // namespace

Tensor cumulative_sum(const Tensor& x, int64_t axis) { return apply(kCumulativeSum, {x}, {axis}); }

}  // namespace flambeau::ops
