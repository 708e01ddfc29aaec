#include "graph/graph.h"

namespace flambeau {

std::vector<Tensor> Graph::run(Inputs arguments) const {
  if (arguments.size() != inputs.size())
    raise(ErrorKind::Type, "graph: it takes ", inputs.size(), " tensors, but ", arguments.size(), " were given");
  std::vector<Tensor> now(values.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    const GraphValue& wanted = values[static_cast<size_t>(inputs[i])];
    const Tensor& x = arguments[i];
    if (!(x.shape() == wanted.shape))
      raise(ErrorKind::Shape, "graph: argument ", i, " has shape ", x.shape(), " and was recorded with ", wanted.shape,
            "; record the function again for other shapes");
    if (x.dtype() != wanted.dtype)
      raise(ErrorKind::DType, "graph: argument ", i, " is ", x.dtype(), " and was recorded as ", wanted.dtype);
    now[static_cast<size_t>(inputs[i])] = x;
  }
  for (const Capture& capture : captures) {
    if (!capture.tensor.defined())
      raise(ErrorKind::Value, "graph: %", capture.value, " is a captured tensor and text does not hold its value; "
            "parse with Graph.parse(text, captures=[...])");
    now[static_cast<size_t>(capture.value)] = capture.tensor;
  }

  // The last node that reads each value: its memory is free after that.
  std::vector<int32_t> last(values.size(), -1);
  for (size_t i = 0; i < nodes.size(); ++i)
    for (int32_t value : nodes[i].inputs) last[static_cast<size_t>(value)] = static_cast<int32_t>(i);
  for (int32_t value : outputs) last[static_cast<size_t>(value)] = static_cast<int32_t>(nodes.size());

  Device* device = !arguments.empty() ? arguments[0].device() : !captures.empty() ? captures[0].tensor.device() : current_device();
  OnDevice there(device);
  // What is made from attributes alone waits for the first node that reads it, and is made where that one's other
  // inputs are: a graph may move to another device in its middle.
  std::vector<const GraphNode*> waiting(values.size(), nullptr);
  std::vector<bool> moves(values.size(), false);  // made so: goes along to where it is read
  const auto make = [&](int32_t value, Device* place) {
    const GraphNode& node = *waiting[static_cast<size_t>(value)];
    OnDevice here(place);
    std::vector<Tensor> made(node.outputs.size());
    apply(*node.row, {}, node.attrs, made);
    for (size_t j = 0; j < made.size(); ++j) {
      now[static_cast<size_t>(node.outputs[j])] = std::move(made[j]);
      moves[static_cast<size_t>(node.outputs[j])] = true;
      waiting[static_cast<size_t>(node.outputs[j])] = nullptr;
    }
  };
  std::vector<Tensor> in;
  std::vector<Tensor> out;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const GraphNode& node = nodes[i];
    if (node.inputs.empty()) {
      for (int32_t value : node.outputs) waiting[static_cast<size_t>(value)] = &node;
      continue;
    }
    Device* place = nullptr;
    for (int32_t value : node.inputs)
      if (!place && !waiting[static_cast<size_t>(value)] && !moves[static_cast<size_t>(value)])
        place = now[static_cast<size_t>(value)].device();
    in.clear();
    for (int32_t value : node.inputs) {
      if (waiting[static_cast<size_t>(value)]) make(value, place ? place : device);
      const Tensor& x = now[static_cast<size_t>(value)];
      in.push_back(place && moves[static_cast<size_t>(value)] ? to_device(x, place) : x);
    }
    out.assign(node.outputs.size(), Tensor());
    apply(*node.row, in, node.attrs, out);
    for (size_t j = 0; j < out.size(); ++j)
      if (last[static_cast<size_t>(node.outputs[j])] > static_cast<int32_t>(i)) now[static_cast<size_t>(node.outputs[j])] = std::move(out[j]);
    for (int32_t value : node.inputs)
      if (last[static_cast<size_t>(value)] == static_cast<int32_t>(i)) now[static_cast<size_t>(value)] = Tensor();
  }
  std::vector<Tensor> results;
  for (int32_t value : outputs)
    if (waiting[static_cast<size_t>(value)]) make(value, device);
  for (int32_t value : outputs) results.push_back(now[static_cast<size_t>(value)]);
  return results;
}

}  // namespace flambeau
