// Gradients and recording in Python.
#include <pybind11/stl.h>

#include "autograd/autograd.h"
#include "bindings/python.h"
#include "graph/graph.h"

namespace flambeau::python {

void bind_autograd(py::module_& module) {
  module.def("grad_enabled", &grad_enabled);
  module.def("set_grad_enabled", &set_grad_enabled, py::arg("enabled"));
  module.def("backward", [](const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients, bool retain_graph, bool create_graph) {
    py::gil_scoped_release free;
    backward(outputs, gradients, {.retain_graph = retain_graph, .create_graph = create_graph});
  }, py::arg("outputs"), py::arg("gradients"), py::arg("retain_graph"), py::arg("create_graph"));
  module.def("depends_on_others", [](const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs) {
    return depends_on_others(outputs, inputs);
  });
  // A gradient that is None: the outputs do not depend on that input. create_graph None: only if somebody could
  // differentiate the result.
  module.def("gradients", [](const std::vector<Tensor>& outputs, const py::list& starts, const std::vector<Tensor>& inputs,
                             bool retain_graph, std::optional<bool> create_graph) {
    std::vector<Tensor> from;
    for (const auto& start : starts) from.push_back(start.is_none() ? Tensor() : py::cast<Tensor>(start));
    std::vector<Tensor> found;
    {
      py::gil_scoped_release free;
      const bool create = create_graph ? *create_graph : depends_on_others(outputs, inputs);
      found = gradients(outputs, from, inputs, {.retain_graph = retain_graph, .create_graph = create});
    }
    return found;
  }, py::arg("outputs"), py::arg("starts"), py::arg("inputs"), py::arg("retain_graph"), py::arg("create_graph"));
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
