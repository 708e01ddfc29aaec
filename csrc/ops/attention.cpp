// attention.cpp: scaled dot-product attention and its gradient, as rows that a backend may compute without ever having
// the matrix of weights.
#include <cmath>
#include <limits>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

const AttrSpec kCausal{.name = "causal", .kind = FL_ATTR_BOOL, .fallback = false};
const AttrSpec kScale{.name = "scale", .kind = FL_ATTR_FLOAT, .required = true};

// What sums over keys are kept in.
DType sum_dtype(DType dtype) { return dtype == DType::Float64 ? dtype : DType::Float32; }

Dims without_last(const Dims& shape) {
  Dims result = shape;
  result.resize(shape.size() - 1);
  return result;
}
Dims score_shape(const Tensor& query, const Tensor& key) {
  Dims shape = query.shape();
  shape[shape.size() - 1] = key.shape()[key.shape().size() - 2];
  return shape;
}

void check(const OpRow& row, const Tensor& query, const Tensor& key, const Tensor& value, const Tensor* mask) {
  const Dims &q = query.shape(), &k = key.shape(), &v = value.shape();
  const size_t n = q.size();
  bool fits = n >= 2 && k.size() == n && v.size() == n && q[n - 1] == k[n - 1] && k[n - 2] == v[n - 2];
  for (size_t axis = 0; fits && axis + 2 < n; ++axis) {
    fits = k[axis] == v[axis] && (axis + 3 < n ? q[axis] == k[axis] : k[axis] > 0 ? q[axis] % k[axis] == 0 : q[axis] == 0);
  }
  if (!fits)
    raise(ErrorKind::Shape, row.name, ": query is ", q, ", key ", k, ", value ", v, ": they must be (..., heads, l, e), "
          "(..., groups, s, e) and (..., groups, s, v), with heads a multiple of groups");
  if (!is_float(query.dtype()) || key.dtype() != query.dtype() || value.dtype() != query.dtype())
    raise(ErrorKind::DType, row.name, ": query is ", query.dtype(), ", key ", key.dtype(), ", value ", value.dtype(),
          ": they must be one floating dtype; cast with x.astype(...)");
  if (!mask) return;
  if (mask->dtype() != DType::Bool && !is_float(mask->dtype()))
    raise(ErrorKind::DType, row.name, ": mask is ", mask->dtype(), "; it must be bool (where to look) or floats to add");
  const Dims scores = score_shape(query, key);
  bool broadcasts = mask->ndim() <= static_cast<int64_t>(n);
  for (size_t i = 1; broadcasts && i <= mask->shape().size(); ++i) {
    const int64_t own = mask->shape()[mask->shape().size() - i];
    broadcasts = own == 1 || own == scores[n - i];
  }
  if (!broadcasts)
    raise(ErrorKind::Shape, row.name, ": mask is ", mask->shape(), " and must broadcast to the scores, ", scores);
}

const Tensor* mask_of(Inputs inputs, size_t at) { return inputs.size() > at && inputs[at].defined() ? &inputs[at] : nullptr; }

// Each head of the query beside a head of its own of keys or values.
Tensor one_for_each_head(const Tensor& x, const Dims& query) {
  const size_t n = query.size();
  if (n < 3 || x.shape()[n - 3] == query[n - 3]) return x;
  Dims wide = x.shape();
  const int64_t groups = wide[n - 3];
  wide.insert(n - 2, query[n - 3] / groups);
  Dims flat = x.shape();
  flat[n - 3] = query[n - 3];
  return reshape(broadcast_to(expand_dims(x, {static_cast<int64_t>(n) - 2}), wide), flat);
}
// And back: the sum over the heads of the query that share one.
Tensor one_for_each_group(const Tensor& x, const Dims& shape) {
  if (x.shape() == shape) return x;
  const size_t n = shape.size();
  Dims wide = shape;
  wide.insert(n - 2, x.shape()[n - 3] / shape[n - 3]);
  return sum(reshape(x, wide), {static_cast<int64_t>(n) - 2}, false);
}

struct Scores {
  Tensor values;
  Tensor seen;  // who sees something, (..., l or 1, 1); undefined: all do
};
// With -inf where nothing is to be looked at, but for rows that see nothing at all: those are as if they saw everything.
Scores scores_of(const Tensor& query, const Tensor& key, const Tensor* mask, Attrs attrs) {
  static const OpRow& arange = op_named("arange");
  static const OpRow& any = op_named("any");
  static const OpRow& logical_or = op_named("logical_or");
  static const OpRow& logical_not = op_named("logical_not");
  const double scale = attrs[1].as_float(), root = std::sqrt(std::abs(scale));
  // Half of the scale on each side, so that the products of float16 overflow later.
  Tensor scores = matmul(multiply(query, scale < 0 ? -root : root), swap_last_two(multiply(key, root)));
  const Tensor lowest = constant(-std::numeric_limits<double>::infinity(), scores);
  const int64_t length = scores.shape()[scores.shape().size() - 2], size = scores.shape().back();
  if (attrs[0].as_bool()) {
    OnDevice there(scores.device());
    const auto places = [&](int64_t count) {
      return apply(arange, Inputs{}, std::vector<Attr>{0.0, 1.0, count, DType::Int32});
    };
    scores = where(less_equal(places(size), reshape(places(length), {length, 1})), scores, lowest);
  }
  if (!mask) return {scores, {}};
  const std::vector<Attr> last{Dims{mask->ndim() - 1}, true};
  if (mask->dtype() == DType::Bool) {
    Tensor seen = apply(any, Inputs(mask, 1), last);
    const Tensor hidden = apply(logical_not, {seen});
    return {where(apply(logical_or, {*mask, hidden}), scores, lowest), seen};
  }
  const Tensor finite = less(constant(-std::numeric_limits<double>::infinity(), *mask), *mask);
  Tensor seen = apply(any, Inputs(&finite, 1), last);
  return {add(scores, cast(where(seen, *mask, constant(0, *mask)), scores.dtype())), seen};
}

// All floats in what sums over keys are kept in: 16 bits hold neither the scores nor their exponentials.
std::vector<Tensor> widened(Inputs inputs) {
  std::vector<Tensor> wide(inputs.begin(), inputs.end());
  for (Tensor& x : wide)
    if (x.defined() && x.dtype() != DType::Bool) x = cast(x, sum_dtype(inputs[0].dtype()));
  return wide;
}

void decompose(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  static const OpRow& softmax = op_named("softmax");
  static const OpRow& logsumexp = op_named("logsumexp");
  const std::vector<Tensor> wide = widened(inputs);
  const Dims& shape = wide[0].shape();
  const Scores scores = scores_of(wide[0], one_for_each_head(wide[1], shape), mask_of(wide, 3), attrs);
  const int64_t last = wide[0].ndim() - 1;
  Tensor y = matmul(apply(softmax, {scores.values}, {last}), one_for_each_head(wide[2], shape));
  Tensor lse = apply(logsumexp, {scores.values}, {Dims{last}, true});
  if (scores.seen.defined()) {
    y = where(scores.seen, y, constant(0, y));
    lse = where(scores.seen, lse, constant(std::numeric_limits<double>::infinity(), lse));
  }
  out[0] = cast(y, inputs[0].dtype());
  out[1] = reshape(lse, without_last(shape));
}

// p = exp(scores - lse), ds = p (g v^T - delta), and from these the three gradients.
void decompose_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> out) {
  const std::vector<Tensor> wide = widened(inputs);
  const Tensor &query = wide[0], &g = wide[5];
  const Tensor key = one_for_each_head(wide[1], query.shape()), value = one_for_each_head(wide[2], query.shape());
  const Scores scores = scores_of(query, key, mask_of(wide, 6), attrs);
  const int64_t last = query.ndim() - 1;
  Tensor p = exp(subtract(scores.values, expand_dims(wide[3], {last})));
  if (scores.seen.defined()) p = where(scores.seen, p, constant(0, p));
  const Tensor ds = multiply(p, subtract(matmul(g, swap_last_two(value)), expand_dims(wide[4], {last})));
  const double scale = attrs[1].as_float();
  const Tensor grads[] = {multiply(matmul(ds, key), scale),
                          one_for_each_group(multiply(matmul(swap_last_two(ds), query), scale), inputs[1].shape()),
                          one_for_each_group(matmul(swap_last_two(p), g), inputs[2].shape())};
  for (size_t i = 0; i < 3; ++i) out[i] = cast(grads[i], inputs[i].dtype());
}

void vjp(const Backward& b) {
  static const OpRow& row = op_named("attention_grad");
  const Tensor &query = b.input(0), &y = b.output(0);
  const int64_t last = query.ndim() - 1;
  const DType wide = sum_dtype(query.dtype());
  const Tensor g = b.grad(0).defined() ? b.grad(0) : broadcast_to(constant(0, y), y.shape());
  Tensor delta = sum(multiply(cast(g, wide), cast(y, wide)), {last}, false);
  if (b.grad(1).defined()) delta = add(delta, negative(b.grad(1)));
  std::vector<Tensor> inputs{query, b.input(1), b.input(2), b.output(1), delta, g};
  if (mask_of(b.inputs, 3)) inputs.push_back(b.input(3));
  const std::vector<Tensor> grads = apply_all(row, inputs, b.attrs);
  for (size_t i = 0; i < 3; ++i)
    if (b.needs(i)) b.give(i, grads[i]);
}

// One more leading axis is one more batch dimension; without heads there is none for the heads yet.
void batch(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  const size_t mask = row.output_count == 3 ? 6 : 3;
  const bool masked = inputs.size() > mask;
  if ((masked && batched[mask]) || inputs[0].ndim() - (batched[0] ? 1 : 0) < 3)
    return batch_one_by_one(row, inputs, batched, attrs, outputs);
  std::vector<Tensor> all = all_batched(inputs.first(mask), batched.first(mask));
  if (masked) all.push_back(inputs[mask]);  // it broadcasts from its last axis
  apply(row, all, attrs, outputs);
}

struct Case {
  Dims query, key, value;
  bool causal = false;
  Dims mask = {};
  SampleKind mask_kind = SampleKind::Bool;
};
std::vector<Case> cases() {
  return {{{3, 4}, {5, 4}, {5, 2}},
          {{1, 4}, {5, 4}, {5, 2}},
          {{2, 0, 4}, {2, 5, 4}, {2, 5, 4}},
          {{5, 3}, {5, 3}, {5, 3}, true},
          {{2, 3, 7, 5}, {2, 3, 6, 5}, {2, 3, 6, 4}, true},
          {{2, 4, 6, 3}, {2, 2, 5, 3}, {2, 2, 5, 3}, false, {6, 5}},
          {{2, 1, 6, 3}, {2, 1, 5, 3}, {2, 1, 5, 3}, false, {2, 1, 1, 5}, SampleKind::Value},
          {{1, 37, 20}, {1, 130, 20}, {1, 130, 17}},
          {{1, 2, 150, 16}, {1, 1, 150, 16}, {1, 1, 150, 16}, true}};
}
std::vector<Sample> samples(bool gradient) {
  std::vector<Sample> all;
  for (const Case& one : cases()) {
    Sample sample{{{one.query}, {one.key}, {one.value}}, {one.causal, 0.5}};
    if (gradient) {
      Dims g = one.query;
      g[g.size() - 1] = one.value.back();
      sample.inputs.push_back({without_last(one.query), 2.0, 4.0});
      sample.inputs.push_back({without_last(one.query)});
      sample.inputs.push_back({g});
    }
    if (!one.mask.empty()) sample.inputs.push_back({one.mask, -2.0, 2.0, one.mask_kind});
    all.push_back(sample);
  }
  return all;
}

[[maybe_unused]] const OpRow& kAttention = register_op({
    .name = "attention",
    .summary = "softmax(scale query key^T + mask) value, and the logarithm of the sum of each row's exponentials.",
    .min_inputs = 3,
    .max_inputs = 4,
    .input_names = {"query", "key", "value", "mask"},
    .output_count = 2,
    .attrs = {kCausal, kScale},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      check(row, inputs[0], inputs[1], inputs[2], mask_of(inputs, 3));
      Dims y = inputs[0].shape();
      y[y.size() - 1] = inputs[2].shape().back();
      out[0] = {y, inputs[0].dtype()};
      out[1] = {without_last(inputs[0].shape()), sum_dtype(inputs[0].dtype())};
    },
    .decompose = decompose,
    .vjp = vjp,
    .batching = batch,
    .differentiable = 7,
    .saves_inputs = 15,
    .saves_outputs = 3,
    .autocast = Autocast::Lower,
    .ulp = ulps(8, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "sums of products round at the size of their terms, and an error of a score is one of its exponential",
    .samples = samples(false),
});

[[maybe_unused]] const OpRow& kAttentionGrad = register_op({
    .name = "attention_grad",
    .summary = "The gradients of attention for query, key and value. delta is the sum of g times y for each query.",
    .min_inputs = 6,
    .max_inputs = 7,
    .input_names = {"query", "key", "value", "lse", "delta", "g", "mask"},
    .output_count = 3,
    .attrs = {kCausal, kScale},
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      check(row, inputs[0], inputs[1], inputs[2], mask_of(inputs, 6));
      Dims y = inputs[0].shape();
      y[y.size() - 1] = inputs[2].shape().back();
      const Dims rows = without_last(inputs[0].shape());
      if (inputs[3].shape() != rows || inputs[4].shape() != rows || inputs[5].shape() != y)
        raise(ErrorKind::Shape, row.name, ": lse is ", inputs[3].shape(), ", delta ", inputs[4].shape(), ", g ",
              inputs[5].shape(), ": they must be ", rows, ", ", rows, " and ", y);
      for (size_t i = 0; i < 3; ++i) out[i] = {inputs[i].shape(), inputs[i].dtype()};
    },
    .decompose = decompose_grad,
    .batching = batch,
    .differentiable = 63,
    .autocast = Autocast::Lower,
    .ulp = ulps(64, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as attention; products of two such sums, summed over queries and keys",
    .samples = samples(true),
});

}  // namespace

}  // namespace flambeau::ops
