// Walks the tape backward.
#include <algorithm>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/node.h"
#include "core/apply.h"

namespace flambeau {
namespace {

// Pointers to small numbers; open addressing, for a walk touches each node a few times only.
class NodeMap {
 public:
  NodeMap() : slots_(64) {}
  // The number of `node`; `fresh` gives it the next one if it has none.
  int32_t find_or_add(const GradNode* node, int32_t fresh) {
    if (static_cast<size_t>(fresh) * 2 >= slots_.size()) grow();
    Slot& slot = place(node);
    if (!slot.node) slot = {node, fresh};
    return slot.number;
  }
  bool contains(const GradNode* node) { return place(node).node != nullptr; }

 private:
  struct Slot {
    const GradNode* node = nullptr;
    int32_t number = 0;
  };
  Slot& place(const GradNode* node) {
    size_t at = (reinterpret_cast<uintptr_t>(node) >> 4) * 0x9e3779b97f4a7c15u >> 20;
    for (;; ++at) {
      Slot& slot = slots_[at & (slots_.size() - 1)];
      if (!slot.node || slot.node == node) return slot;
    }
  }
  void grow() {
    std::vector<Slot> old(slots_.size() * 2);
    old.swap(slots_);
    for (const Slot& slot : old)
      if (slot.node) place(slot.node) = slot;
  }
  std::vector<Slot> slots_;
};

struct Visit {
  Ref<TapeNode> node;
  Tensor first;               // the gradient of output 0
  std::vector<Tensor> others; // of outputs 1, 2, ...
};

Tensor sum_of(const Tensor& a, const Tensor& b) {
  static const OpRow& add = op_named("add");
  return apply(add, {a, b});
}

class Walk {
 public:
  Walk(BackwardOptions options) : options_(options) {}

  void start(std::span<const Tensor> outputs, std::span<const Tensor> gradients) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& out = outputs[i];
      if (!out.requires_grad())
        raise(ErrorKind::Runtime, "backward: this tensor does not depend on any tensor with requires_grad=True",
              grad_enabled() ? "" : " (and gradients are off here: fl.no_grad())");
      Tensor gradient = i < gradients.size() ? gradients[i] : Tensor();
      if (!gradient.defined()) {
        if (out.count() != 1)
          raise(ErrorKind::Shape, "backward: the tensor has shape ", out.shape(), " and a gradient starts from one "
                "number; call x.sum().backward(), or pass the gradient: x.backward(g)");
        gradient = full(out.shape(), 1.0, out.dtype(), out.device());
      } else if (!(gradient.shape() == out.shape())) {
        raise(ErrorKind::Shape, "backward: the gradient has shape ", gradient.shape(), " and the tensor ", out.shape(),
              "; they must be equal");
      } else if (gradient.dtype() != out.dtype()) {
        gradient = cast(gradient, out.dtype());
      }
      deliver(out->node, out->node_output, std::move(gradient));
    }
  }

  // Gradients of these are kept instead of being summed up in leaves.
  void watch(std::span<const Tensor> inputs) {
    lowest_ = ~uint64_t{0};
    for (const Tensor& x : inputs) {
      auto* node = static_cast<GradNode*>(x->node.get());
      if (!x.requires_grad() || !node)
        raise(ErrorKind::Runtime, "grad: an input has requires_grad=False; make it with fl.tensor(..., requires_grad=True)");
      watched_.push_back({node, x->node_output, Tensor()});
      lowest_ = std::min(lowest_, node->sequence);
    }
  }

  void run() {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const int32_t number = heap_.back().second;
      heap_.pop_back();
      Visit visit = std::move(visits_[static_cast<size_t>(number)]);
      auto* node = static_cast<GradNode*>(visit.node.get());
      for (Watched& w : watched_)
        if (w.node == node) w.gradient = w.output == 0 ? visit.first : w.output <= visit.others.size() ? visit.others[w.output - 1] : Tensor();
      if (node->is_leaf()) {
        if (watched_.empty()) accumulate(static_cast<LeafNode&>(*node), std::move(visit.first));
      } else {
        step(static_cast<OpNode&>(*node), visit);
      }
    }
  }

  std::vector<Tensor> results() {
    std::vector<Tensor> result;
    for (Watched& w : watched_) result.push_back(std::move(w.gradient));
    return result;
  }

 private:
  struct Watched {
    GradNode* node;
    uint32_t output;
    Tensor gradient;
  };

  void deliver(const Ref<TapeNode>& node, uint32_t output, Tensor gradient) {
    auto* key = static_cast<GradNode*>(node.get());
    if (key->sequence < lowest_) return;  // older than everything that is asked for
    const auto fresh = static_cast<int32_t>(visits_.size());
    const int32_t number = numbers_.find_or_add(key, fresh);
    if (number == fresh) {
      visits_.push_back({node, {}, {}});
      heap_.emplace_back(key->sequence, number);
      std::push_heap(heap_.begin(), heap_.end());
    }
    Visit& visit = visits_[static_cast<size_t>(number)];
    if (output > visit.others.size()) visit.others.resize(output);
    Tensor& slot = output == 0 ? visit.first : visit.others[output - 1];
    slot = slot.defined() ? sum_of(slot, gradient) : std::move(gradient);
  }

  // Another thread may add to the same leaf: a sum that comes too late is added to what stands there by then. The old
  // gradient dies outside the lock, for its memory may be Python's.
  void accumulate(LeafNode& leaf, Tensor gradient) {
    Tensor before = leaf.grad();
    for (;;) {
      Tensor next = before.defined() ? added(before, gradient) : kept(gradient);
      if (leaf.exchange_grad(before, next)) return;
      before = leaf.grad();
    }
  }

  Tensor added(const Tensor& before, const Tensor& gradient) {
    Tensor sum = sum_of(before, gradient);
    return options_.create_graph ? sum : sum.detach();
  }

  // Memory of its own, so that writing into one leaf's gradient changes no other tensor.
  Tensor kept(const Tensor& gradient) {
    if (options_.create_graph) return gradient;
    static const OpRow& copy = op_named("copy");
    const bool own = gradient->use_count() == 1 && gradient->storage && gradient->storage->use_count() == 1 && gradient.contiguous();
    return own || !gradient.has_value() ? gradient : apply(copy, {gradient});
  }

  void check_version(const OpNode& node, const Tensor& value, uint32_t version, std::string_view which) {
    if (value.version() == version) return;
    raise(ErrorKind::Runtime, "backward of ", node.row->name, ": its ", which, " of shape ", value.shape(),
          " was written in place after the forward pass had saved it (version ", value.version(), ", saved at ", version,
          "); write into a copy, or do it before the forward pass");
  }

  // What the forward pass saved. With `last`, no walk may come here again, not even one in another thread that does so
  // now: whoever said so first lets go of the values.
  void take_saved(OpNode& node, std::span<Tensor> in, std::span<Tensor> out, bool last) {
    const OpRow& row = *node.row;
    const auto inputs = node.inputs();
    const auto outputs = node.outputs();
    std::lock_guard guard(node.lock);
    if (node.released && (row.saves_inputs || row.saves_outputs))
      raise(ErrorKind::Runtime, "backward of ", row.name, ": this graph was walked before and let go of what it had saved; "
            "call the first backward with retain_graph=True");
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (inputs[i].saved) check_version(node, inputs[i].value, inputs[i].version, "input");
      in[i] = inputs[i].value;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].saved) check_version(node, outputs[i].value, outputs[i].version, "result");
      out[i] = outputs[i].value;
    }
    if (last) node.released = true;
  }

  // A step that fails has let go of nothing: the walk may be tried again.
  struct Claim {
    OpNode* node;
    ~Claim() {
      if (!node) return;
      std::lock_guard guard(node->lock);
      node->released = false;
    }
  };

  void step(OpNode& node, Visit& visit) {
    const OpRow& row = *node.row;
    const auto inputs = node.inputs();
    const auto outputs = node.outputs();
    std::vector<Tensor> values(inputs.size() * 2 + outputs.size() * 2);
    const std::span<Tensor> all(values);
    const auto in = all.first(inputs.size());
    const auto found = all.subspan(inputs.size(), inputs.size());
    const auto out = all.subspan(2 * inputs.size(), outputs.size());
    const auto grads = all.subspan(2 * inputs.size() + outputs.size(), outputs.size());
    bool few_needed[8];
    std::unique_ptr<bool[]> many_needed(inputs.size() > 8 ? new bool[inputs.size()] : nullptr);
    bool* needed = many_needed ? many_needed.get() : few_needed;

    const bool keeps = options_.retain_graph || options_.create_graph;
    take_saved(node, in, out, !keeps);
    Claim claim{keeps ? nullptr : &node};
    for (size_t i = 0; i < inputs.size(); ++i) needed[i] = static_cast<bool>(inputs[i].node);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].saved && options_.create_graph && is_inexact(out[i].dtype())) {
        out[i] = out[i].detach();
        out[i]->requires_grad = true;
        out[i]->node = Ref<TapeNode>(&node);
        out[i]->node_output = static_cast<uint32_t>(i);
      }
      grads[i] = i == 0 ? std::move(visit.first) : i <= visit.others.size() ? std::move(visit.others[i - 1]) : Tensor();
    }
    row.vjp({row, node.attrs, grads, in, out, {needed, inputs.size()}, found});

    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!needed[i] || !found[i].defined()) continue;
      Tensor gradient = std::move(found[i]);
      const Tensor& x = in[i];
      if (!(gradient.shape() == x.shape())) gradient = sum_to(gradient, x.shape());
      if (gradient.dtype() != x.dtype()) gradient = cast(gradient, x.dtype());
      deliver(inputs[i].node, inputs[i].node_output, std::move(gradient));
    }
    if (keeps) return;
    claim.node = nullptr;
    for (OpNode::Input& slot : inputs) if (slot.saved) slot.value = Tensor();
    for (OpNode::Output& slot : outputs) if (slot.saved) slot.value = Tensor();
  }

  BackwardOptions options_;
  NodeMap numbers_;
  std::vector<Visit> visits_;
  std::vector<std::pair<uint64_t, int32_t>> heap_;
  std::vector<Watched> watched_;
  uint64_t lowest_ = 0;
};

// Whether ops of the backward pass go on the tape.
class GradMode {
 public:
  explicit GradMode(bool enabled) : before_(grad_enabled()) { set_grad_enabled(enabled); }
  ~GradMode() { set_grad_enabled(before_); }

 private:
  bool before_;
};

}  // namespace

void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients, BackwardOptions options) {
  GradMode mode(options.create_graph);
  Walk walk(options);
  walk.start(outputs, gradients);
  walk.run();
}

std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> output_gradients,
                              std::span<const Tensor> inputs, BackwardOptions options) {
  GradMode mode(options.create_graph);
  Walk walk(options);
  walk.watch(inputs);
  walk.start(outputs, output_gradients);
  walk.run();
  return walk.results();
}

bool depends_on_others(std::span<const Tensor> outputs, std::span<const Tensor> inputs) {
  NodeMap seen;
  int32_t count = 0;
  std::vector<GradNode*> waiting;
  const auto visit = [&](TapeNode* node) {
    auto* grad_node = static_cast<GradNode*>(node);
    if (!grad_node || seen.contains(grad_node)) return;
    seen.find_or_add(grad_node, count++);
    waiting.push_back(grad_node);
  };
  for (const Tensor& out : outputs) visit(out->node.get());
  while (!waiting.empty()) {
    GradNode* node = waiting.back();
    waiting.pop_back();
    const bool asked = std::any_of(inputs.begin(), inputs.end(), [&](const Tensor& x) { return x->node.get() == node; });
    if (node->is_leaf()) {
      if (!asked) return true;
      continue;
    }
    for (const auto& input : static_cast<OpNode*>(node)->inputs()) visit(input.node.get());
  }
  return false;
}

}  // namespace flambeau
