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
  std::vector<Tensor> in;
  std::vector<Tensor> out;
  for (size_t i = 0; i < nodes.size(); ++i) {
    const GraphNode& node = nodes[i];
    in.clear();
    for (int32_t value : node.inputs) in.push_back(now[static_cast<size_t>(value)]);
    out.assign(node.outputs.size(), Tensor());
    apply(*node.row, in, node.attrs, out);
    for (size_t j = 0; j < out.size(); ++j)
      if (last[static_cast<size_t>(node.outputs[j])] > static_cast<int32_t>(i)) now[static_cast<size_t>(node.outputs[j])] = std::move(out[j]);
    for (int32_t value : node.inputs)
      if (last[static_cast<size_t>(value)] == static_cast<int32_t>(i)) now[static_cast<size_t>(value)] = Tensor();
  }
  std::vector<Tensor> results;
  for (int32_t value : outputs) results.push_back(now[static_cast<size_t>(value)]);
  return results;
}

}  // namespace flambeau
