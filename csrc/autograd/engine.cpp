// Walks the tape backward.
#include <algorithm>
#include <mutex>
#include <vector>

#include "autograd/anomaly.h"
#include "autograd/autocast.h"
#include "autograd/autograd.h"
#include "autograd/node.h"
#include "core/apply.h"
#include "core/profile.h"
#include "core/reuse.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

// For errors: where the forward pass called the op, if that is known.
std::string called_at(const GradNode& node) {
  return node.extras && !node.extras->line.empty() ? text(" (called at ", node.extras->line, ")") : std::string();
}

// Pointers to small numbers; open addressing, for a walk touches each node a few times only.
class NodeMap {
 public:
  NodeMap() : slots_(32) {}
  // The number of `node`, or -1.
  int32_t find(const GradNode* node) {
    const Slot& slot = place(node);
    return slot.node ? slot.number : -1;
  }
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
  Tensor& gradient(uint32_t output) {
    if (output == 0) return first;
    if (output > others.size()) others.resize(output);
    return others[output - 1];
  }
};

Tensor sum_of(const Tensor& a, const Tensor& b) {
  static const OpRow& add = op_named("add");
  return apply(add, {a, b});
}

// The same of two gradients that are needed no more.
Tensor last_sum_of(const Tensor& a, const Tensor& b) {
  static const OpRow& add = op_named("add");
  const Tensor both[] = {a, b};
  return apply_over(add, both, {}, 3, 2);
}

class Walk {
 public:
  Walk(BackwardOptions options) : options_(options) {
    visits_.reserve(16);
    heap_.reserve(16);
  }

  void start(std::span<const Tensor> outputs, std::span<const Tensor> gradients) {
    for (size_t i = 0; i < outputs.size(); ++i) {
      const Tensor& out = outputs[i];
      if (!out.requires_grad())
        raise(ErrorKind::Runtime, "backward: this tensor does not depend on any tensor with requires_grad=True",
              thread_state.inference ? " (nothing has inside fl.inference())" : "", "; was it computed under fl.no_grad(), or of "
              "integers?");
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
    Profiled walk;
    if (profiling()) [[unlikely]] walk.begin(EventKind::Walk, "backward");
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const int32_t number = heap_.back().second;
      heap_.pop_back();
      Visit visit = std::move(visits_[static_cast<size_t>(number)]);
      auto* node = static_cast<GradNode*>(visit.node.get());
      if (node->extras) [[unlikely]] run_hooks_before(*node, visit);
      for (Watched& w : watched_)
        if (w.node == node) w.gradient = w.output == 0 ? visit.first : w.output <= visit.others.size() ? visit.others[w.output - 1] : Tensor();
      Profiled event;
      if (profiling()) [[unlikely]] begin_event(event, *node);
      switch (node->kind) {
        case GradNode::Kind::Leaf:
          if (watched_.empty()) accumulate(static_cast<LeafNode&>(*node), std::move(visit.first));
          break;
        case GradNode::Kind::Op: step(static_cast<OpNode&>(*node), visit); break;
        case GradNode::Kind::Custom: step_custom(static_cast<CustomNode&>(*node), visit); break;
      }
    }
  }

  // What watched leaves got, summed up in them.
  void accumulate_watched() {
    std::vector<GradNode*> done;  // an input that is named twice is summed up once
    for (Watched& w : watched_) {
      if (!w.node->is_leaf() || std::find(done.begin(), done.end(), w.node) != done.end()) continue;
      done.push_back(w.node);
      accumulate(static_cast<LeafNode&>(*w.node), std::move(w.gradient));
    }
  }

  std::vector<Tensor> results() {
    std::vector<Tensor> result;
    for (Watched& w : watched_) result.push_back(std::move(w.gradient));
    return result;
  }

 private:
  static void begin_event(Profiled& event, const GradNode& node) {
    if (node.is_leaf()) event.begin(EventKind::Accumulate, "accumulate gradient", node.sequence);
    else if (node.kind == GradNode::Kind::Op) event.begin(EventKind::Backward, static_cast<const OpNode&>(node).row->name, node.sequence);
    else event.begin(EventKind::Backward, lasting_name(name_of(node)), node.sequence);
  }

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
    Tensor& slot = visits_[static_cast<size_t>(number)].gradient(output);
    slot = slot.defined() ? last_sum_of(slot, gradient) : std::move(gradient);
  }

  // Adds a share to what other uses of the row's input have given, in its place. False: nobody has, or others know of it.
  bool add_in_place(const Backward& asked, const OpNode::Input& input) {
    if (options_.create_graph || thread_state.detour || thread_state.recorder) return false;
    auto* key = static_cast<GradNode*>(input.node.get());
    const int32_t number = key ? numbers_.find(key) : -1;
    if (number < 0) return false;
    const Tensor& sum = visits_[static_cast<size_t>(number)].gradient(input.node_output);
    if (!sum.defined() || sum.dtype() != asked.grad().dtype() || !(sum.shape() == asked.inputs[0].shape()) || !is_only_owner(sum, 1))
      return false;
    asked.row.add_gradient(asked, sum);
    return true;
  }

  // The gradients that come to a node's outputs: hooks may change them, and retain_grad() keeps them.
  void run_hooks_before(GradNode& node, Visit& visit) {
    for (const NodeExtras::Entry& entry : hooks_of(node)) {
      if (entry.kind == HookKind::Tensor) {
        Tensor& gradient = visit.gradient(entry.output);
        if (gradient.defined()) call_hook(*entry.hook, {&gradient, 1}, {});
      } else if (entry.kind == HookKind::Before) {
        std::vector<Tensor> all;
        all.push_back(visit.first);
        all.insert(all.end(), visit.others.begin(), visit.others.end());
        all.resize(output_count(node));
        call_hook(*entry.hook, all, {});
        visit.first = std::move(all[0]);
        visit.others.assign(std::make_move_iterator(all.begin() + 1), std::make_move_iterator(all.end()));
      }
    }
    for (size_t i = 0;; ++i) {
      uint32_t output;
      Tensor before;
      {
        const std::lock_guard only(lock_of(node));
        if (i >= node.extras->retained.size()) return;
        output = node.extras->retained[i].first;
        before = node.extras->retained[i].second;
      }
      Tensor gradient = visit.gradient(output);
      if (!gradient.defined()) continue;
      if (before.defined()) gradient = sum_of(before, gradient);
      if (!options_.create_graph) gradient = gradient.detach();
      const std::lock_guard only(lock_of(node));
      std::swap(node.extras->retained[i].second, gradient);
    }
  }

  static std::vector<NodeExtras::Entry> hooks_of(GradNode& node) {
    const std::lock_guard only(lock_of(node));
    return node.extras->hooks;
  }

  static size_t output_count(const GradNode& node) {
    switch (node.kind) {
      case GradNode::Kind::Op: return static_cast<const OpNode&>(node).output_count;
      case GradNode::Kind::Custom: return static_cast<const CustomNode&>(node).outputs.size();
      default: return 1;
    }
  }

  // A gradient that a hook gives must fit where it stands.
  static void call_hook(Hook& hook, std::span<Tensor> values, std::span<const Tensor> others) {
    const std::vector<Tensor> before(values.begin(), values.end());
    hook.call(values, others);
    for (size_t i = 0; i < values.size(); ++i) {
      if (!values[i].defined() || !before[i].defined()) continue;
      if (!(values[i].shape() == before[i].shape()) || values[i].dtype() != before[i].dtype())
        raise(ErrorKind::Shape, "hook: it gave a gradient of shape ", values[i].shape(), " and ", values[i].dtype(),
              " in place of one of shape ", before[i].shape(), " and ", before[i].dtype(), "; they must be equal");
    }
  }

  Tensor added(const Tensor& before, const Tensor& gradient) {
    Tensor sum = sum_of(before, gradient);
    return options_.create_graph || !sum->node ? sum : sum.detach();
  }

  // Memory of its own, so that writing into one leaf's gradient changes no other tensor.
  Tensor kept(const Tensor& gradient) {
    if (options_.create_graph) return gradient;
    static const OpRow& copy = op_named("copy");
    return is_own(gradient) ? gradient : apply(copy, {gradient});
  }
  static bool is_own(const Tensor& gradient) {
    return !gradient.has_value() || (gradient->use_count() == 1 && gradient->storage &&
                                     gradient->storage->use_count() == 1 && gradient.contiguous());
  }

  void accumulate(LeafNode& leaf, Tensor gradient) {
    if (!gradient.defined()) return;
    // Another thread may add to the same leaf: a sum that comes too late is added to what stands there by then. The old
    // gradient dies outside the lock, for its memory may be Python's.
    const bool as_it_is = options_.create_graph || is_own(gradient);
    for (;;) {
      Tensor before;
      {
        const std::lock_guard only(lock_of(leaf));
        if (as_it_is && !leaf.grad.defined()) {
          std::swap(leaf.grad, gradient);
          break;
        }
        before = leaf.grad;
      }
      Tensor next = before.defined() ? added(before, gradient) : kept(gradient);
      const std::lock_guard only(lock_of(leaf));
      if (leaf.grad.get() != before.get()) continue;
      std::swap(leaf.grad, next);
      break;
    }
    if (!leaf.extras) return;
    for (const NodeExtras::Entry& entry : hooks_of(leaf))
      if (entry.kind == HookKind::Accumulated) call_hook(*entry.hook, {}, {});
  }

  static void check_version(const OpNode& node, const Tensor& value, uint32_t version, std::string_view which) {
    if (value.version() == version) return;
    raise(ErrorKind::Runtime, "backward of ", node.row->name, called_at(node), ": its ", which, " of shape ", value.shape(),
          " was written in place after the forward pass had saved it (version ", value.version(), ", saved at ", version,
          "); write into a copy, or do it before the forward pass");
  }

  [[noreturn]] static void refuse_second_walk(const GradNode& node) {
    raise(ErrorKind::Runtime, "backward of ", name_of(node), called_at(node), ": this graph was walked before and let go of "
          "what it had saved; call the first backward with retain_graph=True");
  }

  bool keeps() const { return options_.retain_graph || options_.create_graph; }

  // What the forward pass saved, taken out of the node unless it is kept for another walk.
  void take_saved(OpNode& node, std::span<Tensor> in, std::span<Tensor> out) {
    const auto inputs = node.inputs();
    const auto outputs = node.outputs();
    const bool keep = keeps();
    const bool elsewhere = node.extras && node.extras->checkpoint;
    if (!node.row->saves_inputs && !node.row->saves_outputs) {  // what describes shapes stays, whoever walks
      for (size_t i = 0; i < inputs.size(); ++i) in[i] = inputs[i].value;
      for (size_t i = 0; i < outputs.size(); ++i) out[i] = outputs[i].value;
      return;
    }
    {
      const std::lock_guard only(lock_of(node));
      if (node.released) refuse_second_walk(node);
      if (!elsewhere) {
        for (const OpNode::Input& slot : inputs) if (slot.saved) check_version(node, slot.value, slot.version, "input");
        for (const OpNode::Output& slot : outputs) if (slot.saved) check_version(node, slot.value, slot.version, "result");
      }
      for (size_t i = 0; i < inputs.size(); ++i) {
        if (!keep && inputs[i].saved && !elsewhere) in[i] = std::move(inputs[i].value);
        else in[i] = inputs[i].value;
      }
      for (size_t i = 0; i < outputs.size(); ++i) {
        if (!keep && outputs[i].saved && !elsewhere) out[i] = std::move(outputs[i].value);
        else out[i] = outputs[i].value;
      }
      if (!keep) node.released = true;
    }
    if (elsewhere) [[unlikely]] take_computed_again(node, in, out);
  }

  // The same from a checkpoint's region. Its tensors were computed beside this graph; they are linked into it here.
  void take_computed_again(OpNode& node, std::span<Tensor> in, std::span<Tensor> out) {
    Checkpoint::Saved saved = node.extras->checkpoint->take(node.extras->place, *node.row, keeps());
    const auto inputs = node.inputs();
    const auto outputs = node.outputs();
    const auto check_shape = [&](const Tensor& now, const Tensor& then) {
      if (!now.defined())
        raise(ErrorKind::Runtime, "checkpoint: ", node.row->name, called_at(node), " had other inputs that want a gradient the first time; "
              "set requires_grad before the forward pass or after backward()");
      if (!(now.shape() == then.shape()) || now.dtype() != then.dtype())
        raise(ErrorKind::Runtime, "checkpoint: ", node.row->name, called_at(node), " had a tensor of shape ", then.shape(), " and ",
              then.dtype(), " and has one of ", now.shape(), " and ", now.dtype(), " the second time; the function must depend on "
              "nothing but its arguments and on flambeau's own random numbers");
    };
    for (size_t i = 0; i < inputs.size(); ++i) {
      if (!inputs[i].saved) continue;
      check_shape(saved.inputs[i], in[i]);
      check_version(node, saved.inputs[i], inputs[i].version, "input");
      in[i] = saved.inputs[i].detach();
      if (!inputs[i].node) continue;
      in[i]->requires_grad = true;
      in[i]->node = inputs[i].node;
      in[i]->node_output = inputs[i].node_output;
    }
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (!outputs[i].saved) continue;
      check_shape(saved.outputs[i], out[i]);
      check_version(node, saved.outputs[i], outputs[i].version, "result");
      out[i] = saved.outputs[i].detach();
    }
  }

  // A step that fails has let go of nothing: the walk may be tried again.
  struct Claim {
    OpNode* node;
    std::span<const Tensor> in, out;
    ~Claim() {
      if (!node) return;
      const std::lock_guard only(lock_of(*node));
      node->released = false;
      if (node->extras && node->extras->checkpoint) return;
      const auto inputs = node->inputs();
      const auto outputs = node->outputs();
      for (size_t i = 0; i < inputs.size(); ++i) if (inputs[i].saved) inputs[i].value = in[i];
      for (size_t i = 0; i < outputs.size(); ++i) if (outputs[i].saved) outputs[i].value = out[i];
    }
  };

  void step(OpNode& node, Visit& visit) {
    const OpRow& row = *node.row;
    const auto inputs = node.inputs();
    const auto outputs = node.outputs();

    const size_t count = inputs.size() * 2 + outputs.size() * 2;
    Tensor few[8];
    std::vector<Tensor> many(count > 8 ? count : 0);
    const std::span<Tensor> all = many.empty() ? std::span<Tensor>(few, count) : std::span<Tensor>(many);
    const auto in = all.first(inputs.size());
    const auto found = all.subspan(inputs.size(), inputs.size());
    const auto out = all.subspan(2 * inputs.size(), outputs.size());
    const auto grads = all.subspan(2 * inputs.size() + outputs.size(), outputs.size());
    bool few_needed[8];
    std::unique_ptr<bool[]> many_needed(inputs.size() > 8 ? new bool[inputs.size()] : nullptr);
    bool* needed = many_needed ? many_needed.get() : few_needed;

    take_saved(node, in, out);
    Claim claim{keeps() ? nullptr : &node, in, out};
    for (size_t i = 0; i < inputs.size(); ++i) needed[i] = static_cast<bool>(inputs[i].node);
    for (size_t i = 0; i < outputs.size(); ++i) {
      if (outputs[i].saved && options_.create_graph && is_inexact(out[i].dtype())) {
        out[i] = out[i].detach();
        attach(out[i], node, static_cast<uint32_t>(i));
      }
      grads[i] = i == 0 ? std::move(visit.first) : i <= visit.others.size() ? std::move(visit.others[i - 1]) : Tensor();
    }
    // Rules write into what the walk alone holds; who looks at these gradients afterwards holds them, too.
    std::vector<Tensor> looked_at;
    if (node.extras || thread_state.anomaly) [[unlikely]] looked_at.assign(grads.begin(), grads.end());
    const Backward asked{row, node.attrs, grads, in, out, {needed, inputs.size()}, found};
    if (row.add_gradient && looked_at.empty() && grads[0].defined() && add_in_place(asked, inputs[0])) {
      claim.node = nullptr;
      return;
    }
    if (thread_state.anomaly) [[unlikely]] {
      const Unobserved rule;  // a NaN is this op's and not its rule's
      row.vjp(asked);
    } else {
      row.vjp(asked);
    }

    const auto fit = [&](size_t i) {
      if (!needed[i] || !found[i].defined()) return false;
      const Tensor& x = in[i];
      if (!(found[i].shape() == x.shape())) found[i] = sum_to(found[i], x.shape());
      if (found[i].dtype() != x.dtype()) found[i] = cast(found[i], x.dtype());
      return true;
    };
    if (node.extras || thread_state.anomaly) [[unlikely]] {
      for (size_t i = 0; i < inputs.size(); ++i) fit(i);
      look_at_results(node, found, grads);
    }
    for (size_t i = 0; i < inputs.size(); ++i)
      if (fit(i)) deliver(inputs[i].node, inputs[i].node_output, std::move(found[i]));
    claim.node = nullptr;
  }

  // Anomaly mode's look, and the hooks of the node.
  static void look_at_results(GradNode& node, std::span<Tensor> found, std::span<const Tensor> grads) {
    if (thread_state.anomaly && any_nan(found) && !any_nan(grads)) {
      size_t which = 0;
      while (!any_nan({&found[which], 1})) ++which;
      raise(ErrorKind::Runtime, "backward of ", name_of(node), called_at(node), ": the gradient of its input ", which,
            " has a NaN, though what came in had none");
    }
    if (!node.extras) return;
    for (const NodeExtras::Entry& entry : hooks_of(node))
      if (entry.kind == HookKind::After) call_hook(*entry.hook, found, grads);
  }

  void step_custom(CustomNode& node, Visit& visit) {
    {
      const std::lock_guard only(lock_of(node));
      if (node.released) refuse_second_walk(node);
      if (!keeps()) node.released = true;
    }
    const size_t count = node.inputs.size();
    std::vector<Tensor> grads(node.outputs.size());
    for (size_t i = 0; i < grads.size(); ++i)
      grads[i] = i == 0 ? std::move(visit.first) : i <= visit.others.size() ? std::move(visit.others[i - 1]) : Tensor();
    std::unique_ptr<bool[]> needed(new bool[count]);
    for (size_t i = 0; i < count; ++i) needed[i] = static_cast<bool>(node.inputs[i].node);
    std::vector<Tensor> found(count);
    node.rule->run(node, grads, {needed.get(), count}, found);
    if (!keeps()) node.rule->release();
    for (size_t i = 0; i < count; ++i) {
      if (!needed[i] || !found[i].defined()) continue;
      const Tensor& like = node.inputs[i].like;
      if (!(found[i].shape() == like.shape()))
        raise(ErrorKind::Shape, "backward of ", node.rule->name(), called_at(node), ": it gave a gradient of shape ",
              found[i].shape(), " for input ", i, " of shape ", like.shape(), "; they must be equal");
      if (found[i].dtype() != like.dtype()) found[i] = cast(found[i], like.dtype());
    }
    if (node.extras || thread_state.anomaly) [[unlikely]] look_at_results(node, found, grads);
    for (size_t i = 0; i < count; ++i)
      if (needed[i] && found[i].defined()) deliver(node.inputs[i].node, node.inputs[i].node_output, std::move(found[i]));
  }

  BackwardOptions options_;
  NodeMap numbers_;
  std::vector<Visit> visits_;
  std::vector<std::pair<uint64_t, int32_t>> heap_;
  std::vector<Watched> watched_;
  uint64_t lowest_ = 0;
};

}  // namespace

void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients, std::span<const Tensor> inputs,
              BackwardOptions options) {
  for (const Tensor& out : outputs)
    if (out.is_batched())
      raise(ErrorKind::Runtime, "backward: inside vmap there is no one tensor to add a gradient to; take gradients there with fl.grad or fl.vjp");
  for (const Tensor& x : inputs) {
    auto* node = static_cast<GradNode*>(x->node.get());
    if (!node || (!node->is_leaf() && !(node->extras && !node->extras->retained.empty())))
      raise(ErrorKind::Runtime, "backward: an input of shape ", x.shape(), " keeps no gradient: ",
            node ? "it is a result; call x.retain_grad() first" : "it has requires_grad=False");
  }
  GradMode mode(options.create_graph);
  const NoAutocast as_forward;  // rules run in the dtypes that the forward pass had
  Walk walk(options);
  if (!inputs.empty()) walk.watch(inputs);
  walk.start(outputs, gradients);
  walk.run();
  walk.accumulate_watched();
}

std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> output_gradients,
                              std::span<const Tensor> inputs, BackwardOptions options) {
  GradMode mode(options.create_graph);
  const NoAutocast as_forward;  // rules run in the dtypes that the forward pass had
  Walk walk(options);
  walk.watch(inputs);
  walk.start(outputs, output_gradients);
  walk.run();
  return walk.results();
}

void close_leaves(std::span<const Tensor> leaves) {
  for (Tensor x : leaves) {
    while (x.is_batched()) x = x.batch();
    auto* node = static_cast<GradNode*>(x->node.get());
    if (!node || !node->is_leaf()) continue;
    const std::lock_guard only(lock_of(*node));
    node->released = true;
  }
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
      if (!asked && !node->released) return true;
      continue;
    }
    for (const NodeInput& input : node_inputs(*node)) visit(input.node.get());
  }
  return false;
}

}  // namespace flambeau
