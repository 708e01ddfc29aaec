#include "autograd/autocast.h"

#include <algorithm>
#include <unordered_map>
#include <vector>

#include "autograd/autograd.h"
#include "core/apply.h"

namespace flambeau {
namespace {

struct Kept {
  Tensor original;  // held, so that no other tensor gets its address meanwhile
  uint32_t version;
  Tensor cast;
};

struct State {
  DType dtype = DType::BFloat16;
  bool cached = true;
  int depth = 0;
  std::unordered_map<const TensorImpl*, Kept> casts;
  size_t room = 8;  // so many casts, then those of leaves that are gone make way
};

State& state() {
  static thread_local State mine;
  return mine;
}

// A gradient taken by fl.grad has leaves of its own: in a long mode they would pile up.
void let_go_of_gone_leaves(State& mine) {
  std::vector<Kept> gone;  // destroyed when the map is whole again: a tensor's end may run code of its user's
  for (auto entry = mine.casts.begin(); entry != mine.casts.end();) {
    if (entry->second.original->use_count() > 1) {
      ++entry;
      continue;
    }
    gone.push_back(std::move(entry->second));
    entry = mine.casts.erase(entry);
  }
  mine.room = std::max<size_t>(8, 2 * mine.casts.size());
}

// A weight is used many times while a mode lasts, and its casts would differ in nothing: leaves are cast once. Not while
// something records, whose values belong to that recording alone, and not in a checkpoint's region, which must do the
// same ops when it is computed again.
Tensor cast_once(const Tensor& x, DType dtype) {
  State& mine = state();
  if (!mine.cached || mine.depth == 0 || !x.requires_grad() || x.is_batched() || recorder() || thread_state.checkpoint ||
      !is_leaf(x))
    return cast(x, dtype);
  const auto found = mine.casts.find(x.get());
  if (found != mine.casts.end()) {
    const Kept& kept = found->second;
    // A cast under no_grad leads to no gradient, and a weight may have taken a step.
    if (kept.version == x.version() && kept.cast.dtype() == dtype && kept.cast.requires_grad() == grad_enabled()) return kept.cast;
  }
  Kept kept{x, x.version(), cast(x, dtype)};
  if (mine.casts.size() >= mine.room) let_go_of_gone_leaves(mine);
  return (mine.casts[x.get()] = std::move(kept)).cast;
}

bool is_half(DType dtype) { return dtype == DType::Float16 || dtype == DType::BFloat16; }

bool lower(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) {
  // What runs inside an op, its decomposition or its batching rule, has the dtypes that the op was given.
  if (row.autocast == Autocast::Keep && !row.decompose && !(thread_state.detour & kDetourVmap)) return false;
  const NoAutocast inside;
  if (row.autocast == Autocast::Keep) {
    apply(row, inputs, attrs, outputs);
    return true;
  }
  const DType wanted = row.autocast == Autocast::Lower ? state().dtype : DType::Float32;
  // Whoever computes in double precision wants it.
  bool wide = false;
  for (const Tensor& x : inputs) wide = wide || (x.defined() && is_inexact(x.dtype()) && !is_half(x.dtype()) && x.dtype() != DType::Float32);
  std::vector<Tensor> settled(inputs.begin(), inputs.end());
  for (Tensor& x : settled) {
    if (!x.defined() || wide || x.dtype() == wanted || !is_float(x.dtype()) || !x.device()->stores(wanted)) continue;
    x = cast_once(x, wanted);
  }
  apply(row, settled, attrs, outputs);
  return true;
}

const bool installed = [] {
  install_detour(kDetourAutocast, lower);
  return true;
}();

void set(AutocastMode mode) {
  state().dtype = mode.dtype;
  state().cached = mode.cached;
  if (mode.enabled) thread_state.detour |= kDetourAutocast;
  else thread_state.detour &= static_cast<uint8_t>(~kDetourAutocast);
}

}  // namespace

AutocastMode autocast_mode() { return {(thread_state.detour & kDetourAutocast) != 0, state().dtype, state().cached}; }

AutocastMode enter_autocast(AutocastMode mode) {
  if (!is_half(mode.dtype))
    raise(ErrorKind::DType, "autocast: dtype is ", mode.dtype, "; it is fl.bfloat16 or fl.float16, what ops may be lowered to");
  const AutocastMode before = autocast_mode();
  set(mode);
  ++state().depth;
  return before;
}

void leave_autocast(AutocastMode before) {
  set(before);
  if (--state().depth == 0) {
    decltype(State::casts) casts;  // a tensor's end may run code of its user's
    casts.swap(state().casts);
  }
}

}  // namespace flambeau
