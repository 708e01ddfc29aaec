#include "ops/vmap.h"

#include <algorithm>
#include <memory>

#include "core/thread_state.h"
#include "ops/batching.h"
#include "ops/ops.h"

namespace flambeau::ops {
namespace {

thread_local std::vector<VmapLevel> entered;
std::atomic<uint64_t> next_number{1};

bool is_entered(uint64_t number) {
  return std::any_of(entered.begin(), entered.end(), [&](const VmapLevel& level) { return level.number == number; });
}

// Raises if x stands for an element of a vmap that has ended, or of another thread's.
void check_alive(const Tensor& x, std::string_view doing) {
  for (Tensor inner = x; inner.is_batched(); inner = inner.batch())
    if (!is_entered(inner->vmap))
      raise(ErrorKind::Runtime, doing, ": a tensor of shape ", x.shape(), " stands for one element of a vmap that has ended "
            "(or runs in another thread), so it has no value here; give it back from the function that vmap calls");
}

bool detour(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  uint64_t innermost = 0;
  for (const Tensor& x : inputs)
    if (x.defined() && x.is_batched()) {
      check_alive(x, row.name);
      innermost = std::max(innermost, x->vmap);
    }
  if (innermost == 0) return false;
  if (row.aliases)
    raise(ErrorKind::Runtime, row.name, ": it writes in place, which cannot be done for each element of a vmap; do it outside");
  std::vector<Tensor> batches(inputs.begin(), inputs.end());
  std::unique_ptr<bool[]> batched(new bool[inputs.size()]());
  for (size_t i = 0; i < batches.size(); ++i) {
    batched[i] = batches[i].defined() && batches[i].is_batched() && batches[i]->vmap == innermost;
    if (batched[i]) batches[i] = batches[i].batch();
  }
  apply_batched(row, batches, {batched.get(), batches.size()}, attrs, outputs);
  for (Tensor& out : outputs) out = Tensor::element_of(std::move(out), innermost);
  if (row.view) outputs[0]->is_view = inputs[0]->is_view = true;
  return true;
}

const bool installed = [] {
  install_detour(kDetourVmap, detour);
  return true;
}();

Tensor move_axis(const Tensor& x, size_t from, size_t to) {
  if (from == to) return x;
  Dims order;
  for (size_t i = 0; i < x.shape().size(); ++i)
    if (i != from) order.push_back(static_cast<int64_t>(i));
  order.insert(to, static_cast<int64_t>(from));
  return permute_dims(x, order);
}

// The place of x's innermost level, counted from 1; 0 if it is no element of a batch.
size_t place_of(const Tensor& x) {
  if (!x.is_batched()) return 0;
  for (size_t i = 0; i < entered.size(); ++i)
    if (entered[i].number == x->vmap) return i + 1;
  check_alive(x, "vmap");
  return 0;
}

// Levels [first, last) of x become leading axes. REQUIRES: x has no level from `last` on.
Tensor expanded(const Tensor& x, size_t first, size_t last) {
  if (first >= last) return x;
  const bool has = place_of(x) == last;
  const Tensor rest = expanded(has ? x.batch() : x, first, last - 1);
  const size_t before = last - 1 - first;
  // `rest` starts with the axes of the levels before, and this level's comes next.
  if (has) return rest;
  Dims shape = rest.shape();
  shape.insert(before, entered[last - 1].size);
  return broadcast_to(expand_dims(rest, {static_cast<int64_t>(before)}), shape);
}

}  // namespace

std::span<const VmapLevel> vmap_levels() { return entered; }

uint64_t enter_vmap(int64_t size, Randomness randomness) {
  const uint64_t number = next_number.fetch_add(1, std::memory_order_relaxed);
  entered.push_back({number, size, randomness});
  thread_state.detour |= kDetourVmap;
  return number;
}

void leave_vmap(uint64_t number) {
  if (entered.empty() || entered.back().number != number)
    raise(ErrorKind::Runtime, "vmap: it is left in another order than entered, or in another thread");
  entered.pop_back();
  if (entered.empty()) thread_state.detour &= static_cast<uint8_t>(~kDetourVmap);
}

OutsideVmaps::OutsideVmaps() {
  before_.swap(entered);
  thread_state.detour &= static_cast<uint8_t>(~kDetourVmap);
}

OutsideVmaps::~OutsideVmaps() {
  before_.swap(entered);
  if (!entered.empty()) thread_state.detour |= kDetourVmap;
}

Tensor element_of(const Tensor& batch, uint64_t number) {
  check_alive(batch, "vmap");
  Tensor x = Tensor::element_of(batch, number);
  x->is_view = true;
  return x;
}

Tensor without_levels(const Tensor& x, size_t first) {
  check_alive(x, "vmap");
  return expanded(x, first, entered.size());
}

Tensor with_levels(const Tensor& x, size_t first) {
  Tensor result = x;
  for (size_t i = first; i < entered.size(); ++i) result = Tensor::element_of(std::move(result), entered[i].number);
  return result;
}

Tensor without_outer_levels(const Tensor& x, size_t count) {
  check_alive(x, "vmap");
  const size_t place = place_of(x);
  if (place <= count) return expanded(x, 0, count);
  // batch: this level's axis, then the rest; what comes back: the outer levels' axes, this one's, the rest.
  return Tensor::element_of(move_axis(without_outer_levels(x.batch(), count), count, 0), x->vmap);
}

Tensor with_outer_levels(const Tensor& x, size_t count) {
  if (place_of(x) > count) return Tensor::element_of(with_outer_levels(move_axis(x.batch(), 0, count), count), x->vmap);
  Tensor result = x;
  for (size_t i = 0; i < count; ++i) result = Tensor::element_of(std::move(result), entered[i].number);
  return result;
}

}  // namespace flambeau::ops
