// What the bindings share: the raw Tensor type, conversions, and errors on their way to Python.
#pragma once

#include <pybind11/pybind11.h>

#include <optional>
#include <string_view>
#include <vector>

#include "core/apply.h"

namespace flambeau::python {

namespace py = pybind11;

// ---- Tensor objects ----

struct PyTensor {
  PyObject_HEAD
  Tensor tensor;
  PyObject* weak_references;
};

extern PyTypeObject* tensor_type;
void make_tensor_type(PyObject* module);
inline bool is_tensor(PyObject* object) {
  return Py_TYPE(object) == tensor_type || PyType_IsSubtype(Py_TYPE(object), tensor_type);
}
inline const Tensor& tensor_of(PyObject* object) { return reinterpret_cast<PyTensor*>(object)->tensor; }
// Lets a Tensor object stand for another tensor; gives back the one before.
Tensor stand_for(PyObject* object, Tensor tensor) noexcept;
// A tensor that C++ keeps for others while Python looks at it.
inline Tensor lent(Tensor x) {
  if (x.defined()) x->is_lent = true;
  return x;
}
// A new Python object for it (None if undefined). Null with MemoryError set.
PyObject* wrap(Tensor tensor) noexcept;

// Tensors borrowed from Python objects for the time of one call: no counting.
template <size_t kCount>
class Borrowed {
 public:
  void set(size_t i, const Tensor& tensor) { std::memcpy(&place_[i * sizeof(Tensor)], &tensor, sizeof(Tensor)); }
  Inputs first(size_t count) const { return {reinterpret_cast<const Tensor*>(place_), count}; }

 private:
  alignas(Tensor) unsigned char place_[kCount * sizeof(Tensor)];
};

// ---- dtypes and devices ----

void make_dtype_type(py::module_& module);
PyObject* dtype_object(DType dtype);  // borrowed
// From fl.float32, "float32", numpy.dtype("float32"), float, int or bool. Raises DTypeError.
DType dtype_from(PyObject* object);
void make_device_type(py::module_& module);
PyObject* device_object(Device* device);  // borrowed
Device* device_from(PyObject* object);    // from a device, or its name

// ---- errors ----

void make_errors(py::module_& module);
// Sets the Python error for the C++ exception that is being handled.
void set_python_error() noexcept;
// A Python error is set already.
struct PythonError {};

// Runs `body` and turns what it throws into a Python error and a null result.
template <class Body>
auto guarded(Body&& body) noexcept -> decltype(body()) {
  try {
    return body();
  } catch (...) {
    set_python_error();
    if constexpr (std::is_pointer_v<decltype(body())>) return nullptr;
    else return -1;
  }
}

// Elements above which an op takes long enough (some 10 us) that giving up the GIL pays.
inline constexpr int64_t kLongWork = 32768;
inline bool long_work(Inputs inputs) {
  for (const Tensor& x : inputs)
    if (x.count() >= kLongWork) return true;
  return false;
}

// Lets other Python threads run while it lives, if the work is worth it.
class GilRelease {
 public:
  explicit GilRelease(bool worth_it) : state_(worth_it ? PyEval_SaveThread() : nullptr) {}
  // If the work with these is long; and keeps them, for another thread may let their objects stand for others. Not those
  // whose bit is set in `alone`, which no other thread can reach.
  explicit GilRelease(Inputs inputs, uint32_t alone = 0) {
    if (!long_work(inputs)) return;
    for (size_t i = 0; i < inputs.size(); ++i)
      if (i >= 32 || !((alone >> i) & 1u)) kept_.push_back(inputs[i]);
    state_ = PyEval_SaveThread();
  }
  ~GilRelease() { if (state_) PyEval_RestoreThread(state_); }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  std::vector<Tensor> kept_;  // let go of with the GIL
  PyThreadState* state_ = nullptr;
};

// ---- values ----

// Python's int, float, bool (and NumPy's scalars) as a 0-d tensor that fits `like`; nothing for other objects.
std::optional<Tensor> scalar_operand(std::string_view op, PyObject* object, const Tensor& like);
// What an op's tensor argument may be: a Tensor, or a scalar beside one. Raises TypeError naming op and argument.
Tensor operand(std::string_view op, std::string_view argument, PyObject* object, const Tensor* like);

Attr attr_from(const OpRow& row, const AttrSpec& spec, PyObject* object);
py::object attr_object(const Attr& attr);
Dims dims_from(std::string_view what, PyObject* object);  // an int, or a sequence of ints
py::tuple dims_object(const Dims& dims);

// Nested sequences, scalars, buffers. Always new memory unless `share`, where a buffer's memory is used as it is.
Tensor tensor_from(PyObject* data, std::optional<DType> dtype, Device* device, bool share);
py::object list_from(const Tensor& x);   // nested lists of Python numbers
py::object item_from(const Tensor& x);   // one Python number
// On the CPU, contiguous, with a value: what the host can read. `doing` names the caller in errors.
Tensor readable(const Tensor& x, std::string_view doing);

// ---- the parts of the module ----

PyObject* get_item(PyObject* self, PyObject* key);
int set_item(PyObject* self, PyObject* key, PyObject* value);
extern PyNumberMethods number_methods;
PyObject* rich_compare(PyObject* a, PyObject* b, int operation);
template <class Function>
PyType_Slot slot(int id, Function* function) { return {id, reinterpret_cast<void*>(function)}; }
std::vector<PyType_Slot> operator_slots();
std::vector<PyType_Slot> in_place_slots();
// What an operator gives beside `other`, neither tensor nor number: NotImplemented, or a TypeError for arrays.
PyObject* not_ours(const OpRow& row, PyObject* other, bool compares);
void resolve_operator_rows();
int get_buffer(PyObject* self, Py_buffer* view, int flags);
void release_buffer(PyObject* self, Py_buffer* view);

void bind_ops(py::module_& module);
void bind_values(py::module_& module);
void bind_dlpack(py::module_& module);
void bind_autograd(py::module_& module);
void bind_tape(py::module_& module);
void bind_vmap(py::module_& module);
py::object node_object(const Tensor& x);  // Tensor.grad_fn
void bind_graph(py::module_& module);
void bind_profile(py::module_& module);
void bind_system(py::module_& module);
void bind_state(py::module_& module);

}  // namespace flambeau::python

namespace pybind11::detail {

template <>
struct type_caster<flambeau::Tensor> {
  PYBIND11_TYPE_CASTER(flambeau::Tensor, const_name("flambeau.Tensor"));
  bool load(handle source, bool) {
    if (!flambeau::python::is_tensor(source.ptr())) return false;
    value = flambeau::python::tensor_of(source.ptr());
    return true;
  }
  static handle cast(flambeau::Tensor tensor, return_value_policy, handle) {
    return flambeau::python::wrap(std::move(tensor));
  }
};

}  // namespace pybind11::detail
