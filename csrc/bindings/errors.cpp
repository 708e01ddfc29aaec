// C++ errors become Python's.
#include "bindings/python.h"

namespace flambeau::python {
namespace {

PyObject* shape_error;
PyObject* dtype_error;
PyObject* device_error;

PyObject* class_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::Shape: return shape_error;
    case ErrorKind::DType: return dtype_error;
    case ErrorKind::Device: return device_error;
    case ErrorKind::Index: return PyExc_IndexError;
    case ErrorKind::NotImplemented: return PyExc_NotImplementedError;
    case ErrorKind::Value: return PyExc_ValueError;
    case ErrorKind::Type: return PyExc_TypeError;
    case ErrorKind::Memory: return PyExc_MemoryError;
    case ErrorKind::Runtime: return PyExc_RuntimeError;
  }
  return PyExc_RuntimeError;
}

PyObject* new_error(py::module_& module, const char* name, const char* doc, PyObject* base) {
  PyObject* error = PyErr_NewExceptionWithDoc((std::string("flambeau.") + name).c_str(), doc, base, nullptr);
  if (!error) throw py::error_already_set();
  module.attr(name) = py::reinterpret_borrow<py::object>(error);
  return error;
}

}  // namespace

void make_errors(py::module_& module) {
  shape_error = new_error(module, "ShapeError", "Shapes that do not fit together.", PyExc_ValueError);
  dtype_error = new_error(module, "DTypeError", "An element type that an op or a device does not take.", PyExc_TypeError);
  device_error = new_error(module, "DeviceError", "A device that is missing, differs or failed.", PyExc_RuntimeError);
  py::register_local_exception_translator([](std::exception_ptr error) {
    try {
      if (error) std::rethrow_exception(error);
    } catch (const Error& e) {
      py::set_error(class_of(e.kind), e.what());
    } catch (const PythonError&) {
    }
  });
}

void set_python_error() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    PyErr_SetString(class_of(error.kind), error.what());
  } catch (const PythonError&) {
  } catch (py::error_already_set& error) {
    error.restore();
  } catch (const py::builtin_exception& error) {
    error.set_error();
  } catch (const std::bad_alloc&) {
    PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_RuntimeError, error.what());
  }
}

}  // namespace flambeau::python
