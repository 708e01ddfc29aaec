// The tape in Python: nodes, hooks, functions with derivatives written in Python, checkpoints, and the user's line.
#include <pybind11/stl.h>

#include "autograd/autograd.h"
#include "autograd/checkpoint.h"
#include "bindings/python.h"
#include "core/profile.h"
#include "ops/vmap.h"

namespace flambeau::python {
namespace {

bool ending() {
#if PY_VERSION_HEX >= 0x030d0000
  return Py_IsFinalizing();
#else
  return _Py_IsFinalizing();
#endif
}

// A Python object that C++ owns: let go of with the GIL, in whichever thread that happens.
class Owned {
 public:
  explicit Owned(py::object object) : object_(std::move(object)) {}
  ~Owned() { reset(); }
  Owned(const Owned&) = delete;
  Owned& operator=(const Owned&) = delete;
  void reset() {
    if (!object_) return;
    if (ending()) { object_.release(); return; }
    py::gil_scoped_acquire gil;
    // The error that may be on its way must not be lost to what runs here.
    PyObject *type, *value, *trace;
    PyErr_Fetch(&type, &value, &trace);
    object_ = py::object();
    PyErr_Restore(type, value, trace);
  }
  // REQUIRES: the GIL.
  const py::object& get() const { return object_; }

 private:
  py::object object_;
};

py::object tensor_or_none(const Tensor& x) { return x.defined() ? py::cast(x) : py::object(py::none()); }

Tensor tensor_from_result(const py::handle& result, const char* what) {
  if (result.is_none()) return {};
  if (!is_tensor(result.ptr())) raise(ErrorKind::Type, what, " gave ", Py_TYPE(result.ptr())->tp_name, " and must give a tensor or None");
  return tensor_of(result.ptr());
}

class PythonHook final : public Hook {
 public:
  PythonHook(HookKind kind, py::object function) : kind_(kind), function_(std::move(function)) {}

  void call(std::span<Tensor> values, std::span<const Tensor> others) override {
    py::gil_scoped_acquire gil;
    const py::object function = function_.get();
    if (!function) return;  // removed
    switch (kind_) {
      case HookKind::Tensor: {
        if (Tensor given = tensor_from_result(function(py::cast(lent(values[0]))), "hook: the function"); given.defined()) values[0] = std::move(given);
        return;
      }
      case HookKind::Before: replace(function(tuple_of(values)), values); return;
      case HookKind::After: replace(function(tuple_of(values), tuple_of(others)), values); return;
      case HookKind::Accumulated: function(); return;
    }
  }
  void remove() { function_.reset(); }

 private:
  static py::tuple tuple_of(std::span<const Tensor> tensors) {
    py::tuple all(tensors.size());
    for (size_t i = 0; i < tensors.size(); ++i) all[i] = tensor_or_none(lent(tensors[i]));
    return all;
  }
  static void replace(const py::object& given, std::span<Tensor> values) {
    if (given.is_none()) return;
    if (!py::isinstance<py::tuple>(given) || py::len(given) != values.size())
      raise(ErrorKind::Type, "hook: the function of a node gives None, or a tuple of ", values.size(), " gradients");
    for (size_t i = 0; i < values.size(); ++i) values[i] = tensor_from_result(given[py::int_(i)], "hook: the function");
  }
  HookKind kind_;
  Owned function_;
};

// A derivative in Python: rule(node, gradients, needed) -> gradients; rule.release().
class PythonRule final : public CustomRule {
 public:
  PythonRule(std::string name, py::object rule) : name_(std::move(name)), rule_(std::move(rule)) {}
  std::string_view name() const override { return name_; }
  void run(TapeNode& node, std::span<const Tensor> output_gradients, std::span<const bool> needed,
           std::span<Tensor> input_gradients) override;
  void release() override {
    py::gil_scoped_acquire gil;
    rule_.get().attr("release")();
  }

 private:
  std::string name_;
  Owned rule_;
};

struct Node {
  Ref<TapeNode> node;
};

void PythonRule::run(TapeNode& node, std::span<const Tensor> output_gradients, std::span<const bool> needed,
                     std::span<Tensor> input_gradients) {
  py::gil_scoped_acquire gil;
  py::list grads;
  for (const Tensor& gradient : output_gradients) grads.append(tensor_or_none(gradient));
  py::list wanted;
  for (bool one : needed) wanted.append(one);
  const py::object given = rule_.get()(Node{Ref<TapeNode>(&node)}, grads, wanted);
  size_t i = 0;
  for (const auto& gradient : given) input_gradients[i++] = tensor_from_result(gradient, name_.c_str());
}

class PythonCheckpoint final : public Checkpoint {
 public:
  explicit PythonCheckpoint(py::object function) : function_(std::move(function)) {}
  py::object first(const py::object& function) {
    py::object result;
    forward([&] { result = function(); });
    return result;
  }

 protected:
  void run_again() override {
    py::gil_scoped_acquire gil;
    const ops::OutsideVmaps as_before;  // of the walk; the function enters those that it was called in
    function_.get()();
  }

 private:
  Owned function_;
};

// The innermost frame outside this package.
std::string find_line() {
  if (!Py_IsInitialized() || ending()) return {};
  py::gil_scoped_acquire gil;
  static const std::string package = [] {
    const auto file = py::cast<std::string>(py::module_::import("flambeau").attr("__file__"));
    return file.substr(0, file.find_last_of("/\\") + 1);
  }();
  PyFrameObject* frame = PyEval_GetFrame();
  Py_XINCREF(frame);
  std::string line;
  while (frame && line.empty()) {
    const auto code = py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(PyFrame_GetCode(frame)));
    const auto file = py::cast<std::string>(code.attr("co_filename"));
    if (file.compare(0, package.size(), package) != 0)
      line = text(file, ":", PyFrame_GetLineNumber(frame), " in ", py::cast<std::string>(code.attr("co_name")));
    PyFrameObject* back = PyFrame_GetBack(frame);
    Py_DECREF(frame);
    frame = back;
  }
  Py_XDECREF(frame);
  return line;
}

}  // namespace

py::object node_object(const Tensor& x) {
  if (x.is_batched()) return node_object(x.batch());
  if (!x->node || is_leaf(x)) return py::none();
  return py::cast(Node{x->node});
}

void bind_tape(py::module_& module) {
  install_line_finder(find_line);
  install_profile_line_finder(find_line);

  py::class_<PythonHook, std::shared_ptr<PythonHook>>(module, "Hook", "A function that a walk backward calls.")
      .def("remove", &PythonHook::remove, "Call it no more.");

  py::class_<Node>(module, "Node", "One op on the tape: what made a tensor.")
      .def_property_readonly("name", [](const Node& self) { return std::string(node_name(*self.node)); }, "The op's, or the Function's.")
      .def_property_readonly("line", [](const Node& self) { return node_line(*self.node); },
                             "Where it was called, if anomaly mode was on: \"train.py:12 in loss\"; else empty.")
      .def_property_readonly("inputs", [](const Node& self) {
        const auto inputs = node_inputs(*self.node);
        py::tuple all(inputs.size());
        for (size_t i = 0; i < inputs.size(); ++i)
          all[i] = inputs[i].node ? py::object(py::make_tuple(Node{inputs[i].node}, inputs[i].output)) : py::object(py::none());
        return all;
      }, "For each input the node that made it (\"leaf\" for the user's own) and which of its results it is; None without a gradient.")
      .def("__eq__", [](const Node& a, const Node& b) { return a.node == b.node; }, py::is_operator())
      .def("__hash__", [](const Node& self) { return reinterpret_cast<size_t>(self.node.get()) >> 4; })
      .def("__repr__", [](const Node& self) { return text("<node ", node_name(*self.node), ">"); })
      .def("_add_hook", [](const Node& self, bool before, py::object function) {
        const HookKind kind = before ? HookKind::Before : HookKind::After;
        auto hook = std::make_shared<PythonHook>(kind, std::move(function));
        add_hook(*self.node, kind, 0, hook);
        return hook;
      }, py::arg("before"), py::arg("function"))
      .def("_attach", [](const Node& self, const Tensor& x, uint32_t output) { attach(x, *self.node, output); });

  module.def("add_hook", [](const Tensor& x, bool accumulated, py::object function) {
    const HookKind kind = accumulated ? HookKind::Accumulated : HookKind::Tensor;
    auto hook = std::make_shared<PythonHook>(kind, std::move(function));
    add_hook(x, kind, hook);
    return hook;
  }, py::arg("x"), py::arg("accumulated"), py::arg("function"));
  module.def("retain_grad", &retain_grad, py::arg("x"));

  module.def("record_custom", [](std::string name, py::object rule, const std::vector<Tensor>& inputs, const py::list& outputs) {
    std::vector<Tensor> made;
    for (const auto& out : outputs) made.push_back(tensor_from_result(out, "record_custom"));
    record_custom(std::make_unique<PythonRule>(std::move(name), std::move(rule)), inputs, made);
  }, py::arg("name"), py::arg("rule"), py::arg("inputs"), py::arg("outputs"));

  struct Region {
    Ref<PythonCheckpoint> checkpoint;
  };
  py::class_<Region>(module, "Checkpoint", "A region that is computed again when its derivatives are asked for.")
      .def(py::init([](py::object again) { return Region{Ref<PythonCheckpoint>::adopt(new PythonCheckpoint(std::move(again)))}; }))
      .def("run", [](const Region& self, const py::object& function) { return self.checkpoint->first(function); });
}

}  // namespace flambeau::python
