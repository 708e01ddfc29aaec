// Gradients and recording in Python.
#include <pybind11/stl.h>

#include "autograd/autocast.h"
#include "autograd/autograd.h"
#include "bindings/python.h"
#include "core/thread_state.h"
#include "graph/graph.h"
#include "ops/vmap.h"

namespace flambeau::python {

namespace {

std::vector<Tensor> some_tensors(std::string_view what, const py::handle& list) {
  std::vector<Tensor> tensors;
  for (const auto& one : list) {
    if (one.is_none()) tensors.emplace_back();
    else if (is_tensor(one.ptr())) tensors.push_back(tensor_of(one.ptr()));
    else raise(ErrorKind::Type, what, " is a tensor or None, not ", Py_TYPE(one.ptr())->tp_name);
  }
  return tensors;
}

// Where the levels of an enclosing vmap stand on the tape: leading axes.
std::vector<Tensor> on_tape(std::span<const Tensor> tensors, size_t levels) {
  std::vector<Tensor> lowered;
  for (const Tensor& x : tensors) lowered.push_back(x.defined() ? ops::without_outer_levels(x, levels) : Tensor());
  return lowered;
}

// The gradients of outputs that were computed inside the outermost `levels` vmaps. A start that is None is 1.
// create_graph None: only if somebody could differentiate the result.
std::vector<Tensor> gradients_of(const std::vector<Tensor>& outputs, const py::list& starts, const std::vector<Tensor>& inputs,
                                 bool retain_graph, std::optional<bool> create_graph, size_t levels) {
  std::vector<Tensor> from = some_tensors("gradient", starts);
  std::vector<Tensor> outs = outputs;
  std::vector<Tensor> ins = inputs;
  py::gil_scoped_release free;
  const bool mapped = !ops::vmap_levels().empty();
  if (mapped) {
    if (levels > ops::vmap_levels().size())
      raise(ErrorKind::Runtime, "gradient: the function was computed inside a vmap that has ended");
    for (size_t i = 0; i < outs.size() && i < from.size(); ++i)
      if (!from[i].defined() && outs[i].count() == 1) from[i] = full(outs[i].shape(), 1.0, outs[i].dtype(), outs[i].device());
    from = on_tape(from, levels);
    GradMode on(true);
    outs = on_tape(outs, levels);
    ins = on_tape(ins, levels);
  }
  const bool create = create_graph ? *create_graph : depends_on_others(outs, ins);
  std::vector<Tensor> found = gradients(outs, from, ins, {.retain_graph = retain_graph, .create_graph = create});
  if (mapped)
    for (Tensor& gradient : found)
      if (gradient.defined()) gradient = ops::with_outer_levels(gradient, levels);
  return found;
}

}  // namespace

void bind_autograd(py::module_& module) {
  module.def("grad_enabled", &grad_enabled);
  module.def("set_grad_enabled", [](bool enabled) {
    if (enabled && thread_state.inference)
      raise(ErrorKind::Runtime, "enable_grad: inside fl.inference() gradients cannot be switched on; leave it, or use fl.no_grad()");
    set_grad_enabled(enabled);
  }, py::arg("enabled"));
  module.def("inference_enabled", [] { return thread_state.inference; });
  module.def("set_inference_enabled", [](bool enabled) { thread_state.inference = enabled; }, py::arg("enabled"));
  module.def("anomaly_enabled", [] { return thread_state.anomaly; });
  module.def("set_anomaly", &set_anomaly, py::arg("enabled"));
  const auto tuple_of = [](const AutocastMode& mode) { return py::make_tuple(mode.enabled, py::reinterpret_borrow<py::object>(dtype_object(mode.dtype)), mode.cached); };
  module.def("autocast_enabled", [] { return autocast_mode().enabled; });
  module.def("autocast_mode", [tuple_of] { return tuple_of(autocast_mode()); }, "(enabled, dtype, cached) of this thread.");
  module.def("enter_autocast", [tuple_of](bool enabled, const py::object& dtype, bool cached) {
    return tuple_of(enter_autocast({enabled, dtype_from(dtype.ptr()), cached}));
  }, py::arg("enabled"), py::arg("dtype"), py::arg("cached"), "Gives the mode before.");
  module.def("leave_autocast", [](bool enabled, const py::object& dtype, bool cached) {
    leave_autocast({enabled, dtype_from(dtype.ptr()), cached});
  }, py::arg("enabled"), py::arg("dtype"), py::arg("cached"));
  module.def("depends_on_others", [](const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs, size_t levels) {
    return depends_on_others(on_tape(outputs, levels), on_tape(inputs, levels));
  }, py::arg("outputs"), py::arg("inputs"), py::arg("levels") = 0);
  module.def("close_leaves", [](const std::vector<Tensor>& leaves) { close_leaves(leaves); }, py::arg("leaves"));
  // A gradient that is None: the outputs do not depend on that input.
  module.def("gradients", &gradients_of, py::arg("outputs"), py::arg("starts"), py::arg("inputs"), py::arg("retain_graph"),
             py::arg("create_graph"), py::arg("levels") = 0);
}

void bind_graph(py::module_& module) {
  py::class_<Graph>(module, "Graph", "A recorded program: a flat list of ops, printed and parsed as text.")
      .def_property_readonly("text", &Graph::text, "The program as text.")
      .def_static("parse", [](const std::string& text, const std::vector<Tensor>& captures) {
        Graph graph = Graph::parse(text);
        if (!captures.empty() && captures.size() != graph.captures.size())
          raise(ErrorKind::Value, "graph: the text has ", graph.captures.size(), " captured tensors, but ", captures.size(), " were given");
        for (size_t i = 0; i < captures.size(); ++i) {
          const GraphValue& wanted = graph.values[static_cast<size_t>(graph.captures[i].value)];
          if (!(captures[i].shape() == wanted.shape) || captures[i].dtype() != wanted.dtype)
            raise(ErrorKind::Shape, "graph: captured tensor ", i, " is ", captures[i].dtype(), " of shape ", captures[i].shape(),
                  " and must be ", wanted.dtype, " of shape ", wanted.shape);
          graph.captures[i].tensor = captures[i];
        }
        return graph;
      }, py::arg("text"), py::arg("captures") = std::vector<Tensor>(), "Read a program from its text.")
      .def_property_readonly("captures", [](const Graph& graph) {
        py::list tensors;
        for (const Capture& capture : graph.captures)
          tensors.append(capture.tensor.defined() ? py::cast(capture.tensor) : py::object(py::none()));
        return tensors;
      }, "Tensors that the function used without getting them as arguments.")
      .def_property_readonly("ops", [](const Graph& graph) {
        py::list names;
        for (const GraphNode& node : graph.nodes) names.append(node.row->name);
        return names;
      }, "The names of the ops in order.")
      .def("_run", [](const Graph& graph, const std::vector<Tensor>& arguments) {
        py::gil_scoped_release free;
        return graph.run(arguments);
      })
      .def("__eq__", [](const Graph& a, const Graph& b) { return a.text() == b.text(); })
      .def("__str__", &Graph::text);

  py::class_<GraphRecorder>(module, "Recorder")
      .def(py::init<>())
      .def("argument", &GraphRecorder::argument)
      .def("stop", &GraphRecorder::stop)
      .def("finish", [](GraphRecorder& recorder, const std::vector<Tensor>& results) { return recorder.finish(results); });
  module.def("recording", [] { return recorder() != nullptr; }, "Whether this thread is recording a function.");
}

}  // namespace flambeau::python
