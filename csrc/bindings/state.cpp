// What saving, loading and moving a model needs: a tensor's bytes, a tensor of bytes, and a tensor that takes over
// another's value.
#include <cstring>

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

// On the CPU, in fresh memory. The buffer may lie at any address.
Tensor tensor_of_bytes(const py::buffer& data, const py::object& dtype, const py::object& shape) {
  const py::buffer_info view = data.request();
  Tensor x = Tensor::empty(dims_from("tensor_of_bytes: shape", shape.ptr()), dtype_from(dtype.ptr()), cpu());
  const int64_t given = static_cast<int64_t>(view.size * view.itemsize);
  if (given != bytes_in(x))
    raise(ErrorKind::Value, "tensor_of_bytes: ", given, " bytes for ", x.dtype(), " of shape ", x.shape(), ", which takes ",
          bytes_in(x));
  if (given) std::memcpy(x.host_data(), view.ptr, static_cast<size_t>(given));
  return x;
}

// The Python object `self` stands for `other`'s value from now on; it stays a leaf that wants a gradient if it did.
// What was computed from it before keeps the old value.
void adopt(const py::object& self, const Tensor& other) {
  if (!is_tensor(self.ptr())) raise(ErrorKind::Type, "adopt: not a tensor");
  Tensor& own = tensor_of(self.ptr());
  if (!is_leaf(own)) raise(ErrorKind::Value, "adopt: only a leaf can take over a value; use x.detach()");
  const bool requires_grad = own.requires_grad();
  own = other.detach();
  if (requires_grad) set_requires_grad(own, true);
}

// Swaps what a Python object stands for, autograd and all; gives back what it stood for.
Tensor exchange(const py::object& self, Tensor other) {
  if (!is_tensor(self.ptr())) raise(ErrorKind::Type, "exchange: not a tensor");
  std::swap(tensor_of(self.ptr()), other);
  return other;
}

}  // namespace

void bind_state(py::module_& module) {
  module.def("bytes_of", &bytes_of, py::arg("x"), "The elements' bytes in row-major order.");
  module.def("tensor_of_bytes", &tensor_of_bytes, py::arg("data"), py::arg("dtype"), py::arg("shape"));
  module.def("exchange", &exchange, py::arg("tensor"), py::arg("other"));
  module.def("adopt", &adopt, py::arg("tensor"), py::arg("other"));
}

}  // namespace flambeau::python
