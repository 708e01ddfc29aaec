// x += y and its kin: into x's memory where no gradient looks, and with gradients a new tensor that stands for x.
#include <algorithm>
#include <mutex>

#include "autograd/autograd.h"
#include "autograd/node.h"
#include "ops/write.h"

namespace flambeau {
namespace {

// A floating result does not fit into integers, nor a complex one into floats.
int kind_of(DType dtype) { return dtype == DType::Bool ? 0 : is_complex(dtype) ? 3 : is_inexact(dtype) ? 2 : 1; }

// The result as x can take it. Raises if shape or kind would change.
Tensor fitted(const InPlace& said, const Tensor& x, Tensor result) {
  if (result.shape() != x.shape())
    raise(ErrorKind::Shape, said.doing, ": x is ", x.shape(), " and would have to be ", result.shape(), "; in place it keeps its shape: write ",
          said.instead);
  if (kind_of(result.dtype()) > kind_of(x.dtype()))
    raise(ErrorKind::DType, said.doing, ": x is ", x.dtype(), " and the result ", result.dtype(), "; in place x keeps its dtype: write ",
          said.instead);
  return cast(result, x.dtype());
}

// The results over x's memory that derivatives will read: of the op that made x or, where x is a view, of the op that made what
// it looks into. The tape alone has them, or in a checkpoint's first call their description. `with` gets each under the lock of
// its node.
template <class With>
void each_kept_by_tape(const Tensor& x, With with) {
  auto* node = static_cast<GradNode*>(x->node.get());
  uint32_t made_as = x->node_output;
  while (node && node->kind == GradNode::Kind::Op) {
    auto& made = static_cast<OpNode&>(*node);
    const std::lock_guard only(lock_of(made));
    const auto outputs = made.outputs();
    for (uint32_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].saved || !outputs[i].value.defined()) continue;
      const auto& memory = outputs[i].value->storage;
      if (memory ? memory == x->storage : i == made_as) with(outputs[i]);
    }
    if (!made.row->view) return;
    const OpNode::Input& looks_into = made.inputs()[0];
    node = static_cast<GradNode*>(looks_into.node.get());
    made_as = looks_into.node_output;
  }
}

// Whether another tensor, which somebody may look at, is in x's memory, or another object stands for x itself.
bool is_shared(const Tensor& x) {
  if (x->objects > 1 || x->is_lent) return true;
  if (!x->storage) return false;
  uint32_t known = 1;
  each_kept_by_tape(x, [&](const OpNode::Output& output) { known += output.value->storage ? 1 : 0; });
  return x->storage->borrowed() || x->storage->use_count() > known;
}

bool retains_grad(const Tensor& x) {
  auto* node = static_cast<GradNode*>(x->node.get());
  if (!node || node->is_leaf()) return false;
  const std::lock_guard only(lock_of(*node));
  if (!node->extras) return false;
  for (const auto& [output, gradient] : node->extras->retained)
    if (output == x->node_output) return true;
  return false;
}

// The same tensor for the tape to keep while x changes.
Tensor as_it_was(const Tensor& x) {
  Tensor old = x.is_batched() ? Tensor::element_of(x.batch(), x->vmap) : x.alias(x.shape(), x.strides(), x->offset);
  old->requires_grad = x->requires_grad;
  old->node = x->node;
  old->node_output = x->node_output;
  return old;
}

// Counts the write, for those that keep the object and not the tensor: a Function that saved it, a function in a checkpoint.
// REQUIRES: nobody but the tape has `now`.
void count_write(const Tensor& x, const Tensor& now) {
  if (!x->storage || !now->storage) return;  // inside vmap they keep the batch; while recorded each value has a number of its own
  const uint32_t version = x->storage->version.load(std::memory_order_relaxed) + 1;
  each_kept_by_tape(now, [&](OpNode::Output& output) { output.version = version; });
  now->storage->version.store(version, std::memory_order_relaxed);
}

// `result` as what stands for x from now on: nobody else has seen it.
Tensor for_x_alone(const Tensor& x, Tensor result) {
  static const OpRow& copy = op_named("copy");
  if (result->use_count() > 1 || is_shared(result)) result = apply(copy, {result});
  if (!result->storage) result->is_view = false;
  count_write(x, result);
  if (retains_grad(x)) retain_grad(result);
  return result;
}

uint64_t innermost_vmap(Inputs inputs) {
  uint64_t number = 0;
  for (const Tensor& x : inputs)
    if (x.is_batched()) number = std::max(number, x->vmap);
  return number;
}

[[noreturn]] void refuse_shared(const InPlace& said, std::string_view where) {
  raise(ErrorKind::Runtime, said.doing, ": ", where, "another tensor looks into x's memory (a view, x.detach(), an array, an "
        "argument) and would not learn of the gradient; write ", said.instead, ", or x[i] = x[i] ... for a part");
}

void require_free(const InPlace& said, const Tensor& x, uint64_t vmap) {
  if (x.requires_grad() && is_leaf(x) && tape())
    raise(ErrorKind::Runtime, said.doing, ": x requires a gradient and no op made it, so backward() could not tell what it was "
          "before; write under fl.no_grad(), as optimizers do, or make a new tensor: ", said.instead);
  if (vmap && (!x.is_batched() || x->vmap != vmap))
    raise(ErrorKind::Runtime, said.doing, ": inside vmap the result differs from example to example and x is one for all; write ", said.instead);
  if (x.is_batched() || recorder()) {
    if (x->is_view) refuse_shared(said, vmap ? "inside vmap " : "in a recorded function ");
    if (recorder() && !x.is_batched() && x.has_value())
      raise(ErrorKind::Runtime, said.doing, ": x was made outside of the recorded function and would have to carry a gradient out of "
            "it; write ", said.instead);
  } else if (!thread_state.refilling && is_shared(x)) {  // a checkpoint's second call keeps more tensors than its first
    refuse_shared(said, "");
  }
}

}  // namespace

Tensor take_result(const InPlace& said, Inputs inputs, const std::function<Tensor(const Tensor& before)>& compute) {
  const Tensor& x = inputs[0];
  require_free(said, x, innermost_vmap(inputs));
  Tensor result = fitted(said, x, compute(as_it_was(x)));  // a statement of its own: `fitted` lets go of it at its end
  return for_x_alone(x, std::move(result));
}

Tensor update(const OpRow& row, const InPlace& said, Inputs inputs) {
  const Tensor& x = inputs[0];
  ops::require_writable(said.doing, x);
  bool wants = innermost_vmap(inputs) != 0;
  for (const Tensor& input : inputs) wants = wants || (tape() && input.requires_grad());
  if (wants) {
    return take_result(said, inputs, [&](const Tensor& before) {
      std::vector<Tensor> now(inputs.begin(), inputs.end());
      for (Tensor& input : now)
        if (input.get() == x.get()) input = before;
      return flambeau::apply(row, Inputs(now));
    });
  }
  if (recorder()) {
    const Tensor result = fitted(said, x, apply(row, inputs));
    if (x.count() > 0) apply(op_named("assign"), {x, result});
    return {};
  }
  require_value(x, said.doing);
  NoGrad off;
  if (!ops::compute_into(row, inputs)) ops::write_into(x, fitted(said, x, apply(row, inputs)));
  return {};
}

}  // namespace flambeau
