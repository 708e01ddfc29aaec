// What saving, loading and moving a model needs: a tensor's bytes, a tensor of bytes, and a tensor that takes over
// another's value.
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "autograd/autograd.h"
#include "bindings/python.h"

namespace flambeau::python {
namespace {

int64_t bytes_in(const Tensor& x) { return x.count() * static_cast<int64_t>(size_of(x.dtype())); }

py::bytes bytes_of(const Tensor& x) {
  const Tensor here = readable(x.detach(), "saving");
  const int64_t bytes = bytes_in(here);
  return bytes ? py::bytes(static_cast<const char*>(here.host_data()), static_cast<size_t>(bytes)) : py::bytes();
}

// A byte other than 0 and 1 is no bool, and kernels need not expect it.
void check_bools(const Tensor& x) {
  if (x.dtype() != DType::Bool || x.count() == 0) return;
  const auto* first = static_cast<const unsigned char*>(x.host_data());
  const auto* end = first + x.count();
  const auto* wrong = std::find_if(first, end, [](unsigned char byte) { return byte > 1; });
  if (wrong != end) raise(ErrorKind::Value, "element ", wrong - first, " is the byte ", int{*wrong}, "; a bool is 0 or 1");
}

void check_bytes(const Tensor& x, int64_t given) {
  if (given != bytes_in(x))
    raise(ErrorKind::Value, given, " bytes for ", x.dtype(), " of shape ", x.shape(), ", which takes ", bytes_in(x));
}

// On the CPU, in fresh memory. The buffer may lie at any address.
Tensor tensor_of_bytes(const py::buffer& data, const py::object& dtype, const py::object& shape) {
  const py::buffer_info view = data.request();
  Tensor x = Tensor::empty(dims_from("tensor_of_bytes: shape", shape.ptr()), dtype_from(dtype.ptr()), cpu());
  const int64_t given = static_cast<int64_t>(view.size * view.itemsize);
  check_bytes(x, given);
  if (given) std::memcpy(x.host_data(), view.ptr, static_cast<size_t>(given));
  check_bools(x);
  return x;
}

// The tensor whose memory the buffer is, which lives until the last look into it goes. Elements that do not lie at a
// multiple of their size are copied.
Tensor tensor_over(const py::object& data, const py::object& dtype, const py::object& shape) {
  auto release = [](void* owner) {
    const PyGILState_STATE state = PyGILState_Ensure();
    auto* view = static_cast<Py_buffer*>(owner);
    PyBuffer_Release(view);
    delete view;
    PyGILState_Release(state);
  };
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(data.ptr(), view.get(), PyBUF_SIMPLE) != 0) throw PythonError{};
  std::unique_ptr<Py_buffer, decltype(release)> owned(view.release(), release);
  Tensor x = Tensor::description(dims_from("tensor_over: shape", shape.ptr()), dtype_from(dtype.ptr()), cpu());
  check_bytes(x, owned->len);
  if (x.count() == 0 || reinterpret_cast<uintptr_t>(owned->buf) % size_of(x.dtype()) != 0)
    return tensor_of_bytes(py::reinterpret_borrow<py::buffer>(data), dtype, shape);
  x->storage = Storage::borrow(cpu(), owned->buf, static_cast<uint64_t>(owned->len), owned.get(), release);
  x->storage->read_only = owned->readonly != 0;
  owned.release();  // the storage's from here on
  check_bools(x);
  return x;
}

// The bytes at `offset` of an open file, in fresh memory: nobody else sees it, whatever happens to the file later.
Tensor tensor_from_file(int file, int64_t offset, const py::object& dtype, const py::object& shape) {
  Tensor x = Tensor::empty(dims_from("tensor_from_file: shape", shape.ptr()), dtype_from(dtype.ptr()), cpu());
  int64_t left = bytes_in(x);
  int failed = 0;
  {
    const GilRelease others(left > 100'000);
    for (char* at = left ? static_cast<char*>(x.host_data()) : nullptr; left > 0;) {
      const ssize_t got = ::pread(file, at, static_cast<size_t>(left), offset);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) failed = errno;
      if (got <= 0) break;
      at += got, offset += got, left -= got;
    }
  }
  if (failed) {
    errno = failed;
    PyErr_SetFromErrno(PyExc_OSError);
    throw PythonError{};
  }
  if (left) raise(ErrorKind::Value, "the file ended ", left, " bytes early; another program shortens it");
  check_bools(x);
  return x;
}

// The Python object `self` stands for `other`'s value from now on; it stays a leaf that wants a gradient if it did.
// What was computed from it before keeps the old value.
void adopt(const py::object& self, const Tensor& other) {
  if (!is_tensor(self.ptr())) raise(ErrorKind::Type, "adopt: not a tensor");
  const Tensor& own = tensor_of(self.ptr());
  if (!is_leaf(own)) raise(ErrorKind::Value, "adopt: only a leaf can take over a value; use x.detach()");
  const bool requires_grad = own.requires_grad();
  stand_for(self.ptr(), other.detach());
  if (requires_grad) set_requires_grad(own, true);
}

// Swaps what a Python object stands for, autograd and all; gives back what it stood for.
Tensor exchange(const py::object& self, Tensor other) {
  if (!is_tensor(self.ptr())) raise(ErrorKind::Type, "exchange: not a tensor");
  return stand_for(self.ptr(), std::move(other));
}

}  // namespace

void bind_state(py::module_& module) {
  module.def("bytes_of", &bytes_of, py::arg("x"), "The elements' bytes in row-major order.");
  module.def("tensor_of_bytes", &tensor_of_bytes, py::arg("data"), py::arg("dtype"), py::arg("shape"));
  module.def("tensor_over", &tensor_over, py::arg("data"), py::arg("dtype"), py::arg("shape"));
  module.def("tensor_from_file", &tensor_from_file, py::arg("file"), py::arg("offset"), py::arg("dtype"), py::arg("shape"));
  module.def("exchange", &exchange, py::arg("tensor"), py::arg("other"));
  module.def("adopt", &adopt, py::arg("tensor"), py::arg("other"));
}

}  // namespace flambeau::python
