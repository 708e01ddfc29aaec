#include "ops/batching.h"

#include <algorithm>
#include <vector>

#include "ops/ops.h"
#include "ops/vmap.h"

namespace flambeau::ops {

namespace {

int64_t batch_size(Inputs inputs, std::span<const bool> batched) {
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (batched[i]) return inputs[i].size(0);
  }
  return 0;
}

Dims with_front(int64_t first, const Dims& rest) {
  Dims result = rest;
  result.insert(0, first);
  return result;
}

std::vector<Attr> copied(Attrs attrs) { return {attrs.begin(), attrs.end()}; }

// Gives x, whose first axis is the batch, `ndim` axes after it by inserting some of length 1.
Tensor padded(const Tensor& x, int64_t ndim) {
  Dims axes;
  for (int64_t axis = 1; axis <= ndim - (x.ndim() - 1); ++axis) axes.push_back(axis);
  return expand_dims(x, axes);
}

}  // namespace

std::vector<Tensor> all_batched(Inputs inputs, std::span<const bool> batched) {
  int64_t size = batch_size(inputs, batched);
  std::vector<Tensor> result(inputs.begin(), inputs.end());
  for (size_t i = 0; i < result.size(); ++i) {
    if (!batched[i]) result[i] = broadcast_to(expand_dims(result[i], {0}), with_front(size, result[i].shape()));
  }
  return result;
}

void batch_leading(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
  apply(row, all_batched(inputs, batched), attrs, outputs);
}

void batch_axes(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                std::span<Tensor> outputs) {
  std::vector<Attr> moved = copied(attrs);
  Dims axes = attrs[0].ints();
  for (int64_t& axis : axes) ++axis;
  moved[0] = axes;
  apply(row, all_batched(inputs, batched), moved, outputs);
}

void batch_axis(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                std::span<Tensor> outputs) {
  // A number is a line of its own in softmax(): one more axis makes the lines.
  if (inputs[0].ndim() == (batched[0] ? 1 : 0) && row.max_inputs != kAnyNumber) {
    std::vector<Tensor> lines = all_batched(inputs, batched);
    for (Tensor& x : lines) x = expand_dims(x, {1});
    std::vector<Attr> moved = copied(attrs);
    moved[0] = 1;
    apply(row, lines, moved, outputs);
    for (Tensor& out : outputs) out = reshape(out, {out.size(0)});
    return;
  }
  std::vector<Attr> moved = copied(attrs);
  moved[0] = attrs[0].as_int() + 1;
  apply(row, all_batched(inputs, batched), moved, outputs);
}

void batch_reshape(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
  Attr shape(with_front(batch_size(inputs, batched), attrs[0].ints()));
  apply(row, all_batched(inputs, batched), {&shape, 1}, outputs);
}

void batch_permute(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
  Dims axes = attrs[0].ints();
  for (int64_t& axis : axes) ++axis;
  Attr moved(with_front(0, axes));
  apply(row, all_batched(inputs, batched), {&moved, 1}, outputs);
}

void batch_broadcast(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                     std::span<Tensor> outputs) {
  const Dims& shape = attrs[0].ints();
  Tensor x = padded(all_batched(inputs, batched)[0], static_cast<int64_t>(shape.size()));
  Attr grown(with_front(x.size(0), shape));
  apply(row, {&x, 1}, {&grown, 1}, outputs);
}

void batch_slice(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                 std::span<Tensor> outputs) {
  int64_t size = batch_size(inputs, batched);
  std::vector<Attr> grown = {with_front(0, attrs[0].ints()), with_front(size, attrs[1].ints()),
                             with_front(1, attrs[2].ints())};
  apply(row, all_batched(inputs, batched), grown, outputs);
}

void batch_slice_grad(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                      std::span<Tensor> outputs) {
  int64_t size = batch_size(inputs, batched);
  std::vector<Attr> grown = {with_front(size, attrs[0].ints()), with_front(0, attrs[1].ints()),
                             with_front(size, attrs[2].ints()), with_front(1, attrs[3].ints())};
  apply(row, all_batched(inputs, batched), grown, outputs);
}

void batch_take(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                std::span<Tensor> outputs) {
  const int64_t axis = attrs[0].as_int();
  const int64_t index_ndim = inputs[1].ndim() - (batched[1] ? 1 : 0);
  if (batched[1] && !batched[0]) {
    // The batch axis is one of the indices' and comes out in their place.
    const Tensor taken = take(inputs[0], inputs[1], axis);
    Dims order = {axis};
    for (int64_t i = 0; i < taken.ndim(); ++i)
      if (i != axis) order.push_back(i);
    outputs[0] = permute_dims(taken, order);
    return;
  }
  if (batched[1]) {
    // x as (batch, before, n, after), indices as (batch, 1, k, 1) repeated: one take along the third axis.
    const Tensor& x = inputs[0];
    int64_t before = 1, after = 1, chosen = 1;
    Dims shape = {x.size(0)};
    for (int64_t i = 1; i <= axis; ++i) before *= x.size(i), shape.push_back(x.size(i));
    for (int64_t i = 1; i <= index_ndim; ++i) chosen *= inputs[1].size(i), shape.push_back(inputs[1].size(i));
    for (int64_t i = axis + 2; i < x.ndim(); ++i) after *= x.size(i), shape.push_back(x.size(i));
    const Tensor flat = reshape(x, {x.size(0), before, x.size(axis + 1), after});
    const Tensor where = broadcast_to(reshape(inputs[1], {x.size(0), 1, chosen, 1}), {x.size(0), before, chosen, after});
    outputs[0] = reshape(take_along_axis(flat, where, 2), shape);
    return;
  }
  std::vector<Attr> moved = copied(attrs);
  moved[0] = attrs[0].as_int() + 1;
  apply(row, inputs, moved, outputs);
}

void batch_take_grad(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                     std::span<Tensor> outputs) {
  const int64_t axis = attrs[0].as_int();
  if (!batched[1]) {
    std::vector<Attr> moved = copied(attrs);
    moved[0] = axis + 1;
    apply(row, inputs, moved, outputs);
    return;
  }
  // g as (batch, before, k, after), indices repeated to the same.
  const std::vector<Tensor> both = all_batched(inputs, batched);
  const Tensor& g = both[0];
  const int64_t index_ndim = both[1].ndim() - 1;
  const int64_t size = g.size(0);
  int64_t before = 1, after = 1, chosen = 1;
  Dims shape = {size};
  for (int64_t i = 1; i <= axis; ++i) before *= g.size(i), shape.push_back(g.size(i));
  shape.push_back(attrs[1].as_int());
  for (int64_t i = 1; i <= index_ndim; ++i) chosen *= both[1].size(i);
  for (int64_t i = axis + index_ndim + 1; i < g.ndim(); ++i) after *= g.size(i), shape.push_back(g.size(i));
  const Tensor where = broadcast_to(reshape(both[1], {size, 1, chosen, 1}), {size, before, chosen, after});
  outputs[0] = reshape(take_along_axis_grad(reshape(g, {size, before, chosen, after}), where, 2, attrs[1].as_int()), shape);
}

// Both become matrices behind equally many batch axes, the new one first.
void batch_matmul(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                  std::span<Tensor> outputs) {
  std::vector<Tensor> both = all_batched(inputs, batched);
  bool row_vector = both[0].ndim() == 2;
  bool column_vector = both[1].ndim() == 2;
  if (row_vector) both[0] = expand_dims(both[0], {1});
  if (column_vector) both[1] = expand_dims(both[1], {2});
  int64_t ndim = std::max(both[0].ndim(), both[1].ndim()) - 1;
  for (Tensor& x : both) x = padded(x, ndim);
  apply(row, both, attrs, outputs);
  Dims shape = outputs[0].shape();
  if (column_vector) shape.erase(shape.size() - 1);
  if (row_vector) shape.erase(shape.size() - (column_vector ? 1 : 2));
  outputs[0] = reshape(outputs[0], shape);
}

void batch_linear(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                  std::span<Tensor> outputs) {
  bool only_x = batched[0];
  for (size_t i = 1; i < inputs.size(); ++i) only_x = only_x && !batched[i];
  if (only_x) return apply(row, inputs, attrs, outputs);
  std::vector<Tensor> all = all_batched(inputs, batched);
  const bool both[] = {true, true};
  Tensor turned = swap_last_two(all[1]);
  const Tensor factors[] = {all[0], turned};
  batch_matmul(op_named("matmul"), factors, both, {}, outputs);
  if (all.size() > 2) outputs[0] = add(outputs[0], padded(all[2], outputs[0].ndim() - 1));
}

// A row without a rule, through the ops that it is made of, each by its own rule.
static void batch_decomposed(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                             std::span<Tensor> outputs) {
  if (!row.decompose)
    raise(ErrorKind::NotImplemented, row.name, ": its row has neither a batching rule nor a decomposition, so vmap cannot map it");
  struct Level {
    explicit Level(int64_t size) : number(enter_vmap(size, Randomness::Error)) {}
    ~Level() { leave_vmap(number); }
    uint64_t number;
  } level(batch_size(inputs, batched));
  std::vector<Tensor> elements(inputs.begin(), inputs.end());
  for (size_t i = 0; i < elements.size(); ++i)
    if (batched[i]) elements[i] = element_of(elements[i], level.number);
  row.decompose(row, elements, attrs, outputs);
  for (Tensor& out : outputs) out = without_levels(out, vmap_levels().size() - 1);
}

void apply_batched(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                   std::span<Tensor> outputs) {
  if (!row.pointwise && !row.batching) return batch_decomposed(row, inputs, batched, attrs, outputs);
  if (!row.pointwise) return row.batching(row, inputs, batched, attrs, outputs);
  int64_t ndim = 0;
  for (size_t i = 0; i < inputs.size(); ++i) ndim = std::max(ndim, inputs[i].ndim() - (batched[i] ? 1 : 0));
  std::vector<Tensor> aligned(inputs.begin(), inputs.end());
  for (size_t i = 0; i < aligned.size(); ++i) {
    if (batched[i]) aligned[i] = padded(aligned[i], ndim);
  }
  apply(row, aligned, attrs, outputs);
}

void batch_one_by_one(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                      std::span<Tensor> outputs) {
  int64_t size = batch_size(inputs, batched);
  if (size == 0) {
    raise(ErrorKind::Value, row.name, ": a batch of nothing cannot be computed one by one; give it at least one element");
  }
  std::vector<std::vector<Tensor>> parts(outputs.size());
  for (int64_t i = 0; i < size; ++i) {
    std::vector<Tensor> one(inputs.begin(), inputs.end());
    for (size_t k = 0; k < one.size(); ++k) {
      if (!batched[k]) continue;
      Dims shape = one[k].shape();
      shape.erase(0);
      one[k] = reshape(narrow(one[k], 0, i, i + 1), shape);
    }
    std::vector<Tensor> results(outputs.size());
    apply(row, one, attrs, results);
    for (size_t k = 0; k < results.size(); ++k) parts[k].push_back(expand_dims(results[k], {0}));
  }
  for (size_t k = 0; k < outputs.size(); ++k) outputs[k] = concat(parts[k], 0);
}

}  // namespace flambeau::ops
