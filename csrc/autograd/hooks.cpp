// Hooks, nodes of the user's own, and a look at the tape.
#include <mutex>

#include "autograd/anomaly.h"
#include "autograd/autograd.h"
#include "autograd/node.h"
#include "core/thread_state.h"

namespace flambeau {
namespace {

GradNode& grad_node(TapeNode& node) { return static_cast<GradNode&>(node); }

}  // namespace

void add_hook(const Tensor& x, HookKind kind, std::shared_ptr<Hook> hook) {
  if (x.is_batched())
    raise(ErrorKind::Runtime, "hook: inside vmap a tensor stands for a whole batch; hang the hook on a tensor outside");
  if (!x.requires_grad() || !x->node)
    raise(ErrorKind::Runtime, "hook: this tensor has requires_grad=False, so no gradient will ever come to it");
  if (kind == HookKind::Accumulated && !grad_node(*x->node).is_leaf())
    raise(ErrorKind::Runtime, "hook: gradients are summed up in leaves, and this tensor is the result of ", name_of(grad_node(*x->node)),
          "; use register_hook");
  add_hook(*x->node, kind, x->node_output, std::move(hook));
}

void add_hook(TapeNode& node, HookKind kind, uint32_t output, std::shared_ptr<Hook> hook) {
  const std::lock_guard only(lock_of(node));
  grad_node(node).extra().hooks.push_back({kind, output, std::move(hook)});
}

void record_custom(std::unique_ptr<CustomRule> rule, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
  auto node = Ref<CustomNode>::adopt(new CustomNode());
  node->rule = std::move(rule);
  for (const Tensor& x : inputs) {
    CustomNode::Input input;
    input.like = Tensor::description(x.shape(), x.dtype(), x.device());
    if (x.requires_grad()) {
      input.node = x->node;
      input.node_output = x->node_output;
    }
    node->inputs.push_back(std::move(input));
  }
  if (thread_state.anomaly) node->extra().line = user_line();
  for (size_t i = 0; i < outputs.size(); ++i) {
    node->outputs.push_back(outputs[i].defined() ? Tensor::description(outputs[i].shape(), outputs[i].dtype(), outputs[i].device()) : Tensor());
    if (outputs[i].defined()) attach(outputs[i], *node, static_cast<uint32_t>(i));
  }
}

void attach(const Tensor& x, TapeNode& node, uint32_t output) {
  x->requires_grad = true;
  x->node = Ref<TapeNode>(&node);
  x->node_output = output;
}

std::string_view node_name(TapeNode& node) { return name_of(grad_node(node)); }

std::string node_line(TapeNode& node) {
  const auto& extras = grad_node(node).extras;
  return extras ? extras->line : std::string();
}

std::vector<NodeInput> node_inputs(TapeNode& node) {
  std::vector<NodeInput> inputs;
  if (grad_node(node).kind == GradNode::Kind::Op)
    for (const OpNode::Input& input : static_cast<OpNode&>(node).inputs()) inputs.push_back({input.node, input.node_output});
  else if (grad_node(node).kind == GradNode::Kind::Custom)
    for (const CustomNode::Input& input : static_cast<CustomNode&>(node).inputs) inputs.push_back({input.node, input.node_output});
  return inputs;
}

}  // namespace flambeau
