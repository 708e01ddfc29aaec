// Writes ops on the tape as they run, and what leaves keep.
#include <pthread.h>

#include <mutex>

#include "autograd/anomaly.h"
#include "autograd/autograd.h"
#include "autograd/node.h"
#include "core/apply.h"
#include "core/profile.h"
#include "core/thread_state.h"

namespace flambeau {

std::atomic<uint64_t> GradNode::next_sequence{1};

namespace {

constexpr size_t kLocks = 64;
struct alignas(64) OwnLine {
  SpinLock lock;
};
OwnLine locks[kLocks];

void unlock_all() {
  for (OwnLine& line : locks) line.lock.unlock();
}
const int guarded_forks = pthread_atfork([] { for (OwnLine& line : locks) line.lock.lock(); }, unlock_all, unlock_all);

}  // namespace

SpinLock& lock_of(const TapeNode& node) {
  static_assert(sizeof(OpNode) >= 128, "neighbours have locks of their own");
  return locks[reinterpret_cast<uintptr_t>(&node) / 128 % kLocks].lock;
}

void* OpNode::operator new(size_t bytes) { return list_allocate(thread_state.nodes, bytes); }
void OpNode::operator delete(void* block) noexcept { list_release(thread_state.nodes, block); }

namespace {

bool saves(uint32_t mask, size_t i) { return i < 32 ? (mask >> i) & 1u : mask == kAllInputs; }

Tensor describe(const Tensor& x) { return Tensor::description(x.shape(), x.dtype(), x.device()); }

class EagerTape final : public Tape {
 public:
  void record(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs) override {
    bool floating = false;
    for (const Tensor& out : outputs) floating = floating || is_inexact(out.dtype());
    if (!floating) return;

    Checkpoint* region = thread_state.checkpoint;
    const bool leave_out = region && !thread_state.refilling;
    auto node = Ref<OpNode>::adopt(new OpNode());
    node->row = &row;
    node->attrs.assign(attrs.begin(), attrs.end());
    node->input_count = static_cast<uint32_t>(inputs.size());
    node->output_count = static_cast<uint32_t>(outputs.size());
    if (inputs.size() > std::size(node->few_inputs)) node->more_inputs.resize(inputs.size());
    if (outputs.size() > 1) node->more_outputs.resize(outputs.size());

    const Saved saved = saved_by(row, inputs, attrs);
    Tensor alike;  // one description for all that it fits
    const auto described = [&](const Tensor& x) -> const Tensor& {
      if (!alike.defined() || alike.dtype() != x.dtype() || alike.device() != x.device() || !(alike.shape() == x.shape())) alike = describe(x);
      return alike;
    };
    const auto into = node->inputs();
    for (size_t i = 0; i < inputs.size(); ++i) {
      const Tensor& x = inputs[i];
      OpNode::Input& slot = into[i];
      if (x.requires_grad() && saves(row.differentiable, i)) {
        slot.node = x->node;
        slot.node_output = x->node_output;
      }
      slot.saved = saves(saved.inputs, i);
      slot.value = slot.saved && !leave_out ? x : described(x);
      slot.version = x.version();
    }
    const auto out_of = node->outputs();
    for (size_t i = 0; i < outputs.size(); ++i) {
      Tensor& out = outputs[i];
      OpNode::Output& slot = out_of[i];
      slot.saved = saves(saved.outputs, i);
      slot.value = slot.saved && !leave_out ? out.detach() : described(out);
      slot.version = out.version();
      if (!is_inexact(out.dtype())) continue;
      out->requires_grad = true;
      out->node = Ref<TapeNode>(node.get());
      out->node_output = static_cast<uint32_t>(i);
    }
    if (region) [[unlikely]] in_region(*node, *region);
    if (thread_state.anomaly) [[unlikely]] node->extra().line = user_line();
    if (profiling()) [[unlikely]] note_node(node->sequence);
  }

 private:
  static void in_region(OpNode& node, Checkpoint& region) {
    if (!thread_state.refilling) {
      node.extra().checkpoint = Ref<Checkpoint>(&region);
      node.extra().place = region.next();
      return;
    }
    Checkpoint::Saved saved{node.row, {}, {}};
    for (const OpNode::Input& input : node.inputs()) saved.inputs.push_back(input.saved ? input.value.detach() : Tensor());
    for (const OpNode::Output& output : node.outputs()) saved.outputs.push_back(output.saved ? output.value : Tensor());
    region.keep(std::move(saved));
  }
};

const bool installed = [] {
  static EagerTape tape;
  install_tape(&tape);
  return true;
}();

}  // namespace

void set_requires_grad(const Tensor& x, bool requires_grad) {
  if (x.is_batched())
    raise(ErrorKind::Runtime, "requires_grad: inside vmap a tensor stands for a whole batch; take gradients there with "
          "fl.grad, fl.vjp or fl.jacobian");
  if (x.requires_grad() == requires_grad) return;
  if (requires_grad && thread_state.inference)
    raise(ErrorKind::Runtime, "requires_grad: inside fl.inference() nothing can have a gradient; leave it first");
  if (!requires_grad) {
    if (!is_leaf(x))
      raise(ErrorKind::Runtime, "requires_grad: this tensor is the result of ", made_by(x), " and always carries a "
            "gradient; take x.detach() for one that does not");
    x->requires_grad = false;
    x->node = nullptr;
    return;
  }
  if (!is_inexact(x.dtype()))
    raise(ErrorKind::DType, "requires_grad: only floating-point tensors have gradients and this one is ", x.dtype(),
          "; cast it with x.astype(fl.float32)");
  x->node = Ref<LeafNode>::adopt(new LeafNode());
  x->node_output = 0;
  x->requires_grad = true;
}

bool is_leaf(const Tensor& x) { return x.is_batched() ? is_leaf(x.batch()) : !x->node || static_cast<GradNode&>(*x->node).is_leaf(); }

namespace {

// Where a leaf, or a result that retains it, keeps its gradient; null if it does not. REQUIRES: its lock is held.
Tensor* place_of(GradNode& node, uint32_t output) {
  if (node.is_leaf()) return &static_cast<LeafNode&>(node).grad;
  if (node.extras)
    for (auto& [retained, gradient] : node.extras->retained)
      if (retained == output) return &gradient;
  return nullptr;
}

}  // namespace

Tensor grad_of(const Tensor& x) {
  auto* node = static_cast<GradNode*>(x->node.get());
  if (!node) return Tensor();
  const std::lock_guard only(lock_of(*node));
  const Tensor* place = place_of(*node, x->node_output);
  return place ? *place : Tensor();
}

void set_grad(const Tensor& leaf, const Tensor& grad) {
  auto* node = static_cast<GradNode*>(leaf->node.get());
  const auto keeps_one = [&] {
    if (!node) return false;
    const std::lock_guard only(lock_of(*node));
    return place_of(*node, leaf->node_output) != nullptr;
  };
  if (!keeps_one()) {
    if (!grad.defined()) return;
    raise(ErrorKind::Runtime, "grad: only a tensor made with requires_grad=True keeps a gradient");
  }
  if (grad.defined()) {
    if (!(grad.shape() == leaf.shape()))
      raise(ErrorKind::Shape, "grad: a gradient of shape ", grad.shape(), " does not fit a tensor of shape ", leaf.shape());
    if (grad.dtype() != leaf.dtype())
      raise(ErrorKind::DType, "grad: a gradient of ", grad.dtype(), " does not fit a tensor of ", leaf.dtype());
    if (grad.device() != leaf.device())
      raise(ErrorKind::Device, "grad: the gradient is on ", grad.device()->name(), ", the tensor on ", leaf.device()->name());
  }
  Tensor before = grad;  // destroyed after the lock is given back
  const std::lock_guard only(lock_of(*node));
  std::swap(*place_of(*node, leaf->node_output), before);  // looked for again: another thread may have moved it
}

void retain_grad(const Tensor& x) {
  auto* node = static_cast<GradNode*>(x->node.get());
  if (!x.requires_grad() || !node)
    raise(ErrorKind::Runtime, "retain_grad: this tensor has no gradient; it depends on no tensor with requires_grad=True");
  if (node->is_leaf()) return;
  const std::lock_guard only(lock_of(*node));
  for (const auto& [output, gradient] : node->extra().retained)
    if (output == x->node_output) return;
  node->extra().retained.emplace_back(x->node_output, Tensor());
}

std::string_view name_of(const GradNode& node) {
  switch (node.kind) {
    case GradNode::Kind::Leaf: return "leaf";
    case GradNode::Kind::Op: return static_cast<const OpNode&>(node).row->name;
    default: return static_cast<const CustomNode&>(node).rule->name();
  }
}

std::string_view made_by(const Tensor& x) {
  if (x.is_batched()) return made_by(x.batch());
  return x->node ? name_of(static_cast<GradNode&>(*x->node)) : "";
}

}  // namespace flambeau
