// Values in and out: Python numbers, nested lists, buffers.
#include <cmath>
#include <complex>

#include "bindings/python.h"
#include "core/half.h"

namespace flambeau::python {
namespace {

int64_t int_from(std::string_view what, PyObject* object) {
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow) raise(ErrorKind::Value, what, ": ", py::cast<std::string>(py::str(py::handle(object))), " does not fit into int64");
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  return value;
}

// A Python int as an element of an integer type: of uint64 the bits.
int64_t element_from(std::string_view what, PyObject* object, DType dtype) {
  const auto refuse = [&] {
    raise(ErrorKind::Value, what, ": ", py::cast<std::string>(py::str(py::handle(object))), " does not fit into ", dtype,
          dtype == DType::Int64 || dtype == DType::UInt64 ? "" : "; cast the tensor with x.astype(fl.int64)");
  };
  int overflow = 0;
  const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
  if (overflow) {
    if (overflow < 0 || dtype != DType::UInt64) refuse();
    const unsigned long long natural = PyLong_AsUnsignedLongLong(object);
    if (PyErr_Occurred()) { PyErr_Clear(); refuse(); }
    return static_cast<int64_t>(natural);
  }
  if (value == -1 && PyErr_Occurred()) throw PythonError{};
  const int bits = static_cast<int>(8 * size_of(dtype));
  if (is_unsigned(dtype) ? value < 0 || (bits < 64 && value >> bits) : bits < 64 && (value >> (bits - 1)) != (value >> 63)) refuse();
  return value;
}

bool is_number(PyObject* object) { return PyFloat_Check(object) || PyLong_Check(object) || PyComplex_Check(object); }

std::complex<double> complex_from(PyObject* object) {
  const Py_complex value = PyComplex_AsCComplex(object);
  if (PyErr_Occurred()) throw PythonError{};
  return {value.real, value.imag};
}

// NumPy's scalars and 0-d arrays know their value as Python's number.
py::object plain_number(PyObject* object) {
  if (is_number(object)) return py::reinterpret_borrow<py::object>(object);
  if (py::hasattr(object, "item") && py::hasattr(object, "ndim") && py::cast<int>(py::handle(object).attr("ndim")) == 0) {
    py::object number = py::handle(object).attr("item")();
    if (is_number(number.ptr())) return number;
  }
  return {};
}

// ---- nested sequences ----

struct Nested {
  Dims shape;
  bool floats = false, ints = false, complexes = false;
  std::vector<py::object> leaves;
  std::vector<Tensor> tensors;  // where leaves are tensors
};

bool is_sequence(PyObject* object) { return PyList_Check(object) || PyTuple_Check(object); }

void measure(PyObject* data, size_t depth, Nested& nested) {
  if (is_sequence(data)) {
    const Py_ssize_t length = PySequence_Fast_GET_SIZE(data);
    if (depth == nested.shape.size()) {
      if (!nested.leaves.empty())
        raise(ErrorKind::Shape, "tensor: a list stands where a number stood before; nested lists must be rectangular");
      if (depth >= kMaxDims) raise(ErrorKind::Shape, "tensor: more than ", kMaxDims, " nested lists");
      nested.shape.push_back(length);
    } else if (nested.shape[depth] != length) {
      raise(ErrorKind::Shape, "tensor: a list of length ", length, " stands beside one of length ", nested.shape[depth],
            " at depth ", depth, "; nested lists must be rectangular");
    }
    for (Py_ssize_t i = 0; i < length; ++i) measure(PySequence_Fast_ITEMS(data)[i], depth + 1, nested);
    return;
  }
  if (depth != nested.shape.size())
    raise(ErrorKind::Shape, "tensor: a number stands where a list stood before; nested lists must be rectangular");
  py::object leaf;
  if (is_tensor(data)) {
    const Tensor& x = tensor_of(data);
    if (x.ndim() != 0) raise(ErrorKind::Shape, "tensor: a list of tensors of shape ", x.shape(), "; use fl.stack(tensors) for those");
    leaf = item_from(x);
  } else {
    leaf = plain_number(data);
  }
  if (!leaf && (PyObject_CheckBuffer(data) || PyObject_HasAttrString(data, "__dlpack__")))
    raise(ErrorKind::Type, "tensor: a list of ", Py_TYPE(data)->tp_name, "; use fl.asarray(numpy.stack(arrays)), or fl.stack of a tensor for each");
  if (!leaf) raise(ErrorKind::Type, "tensor: cannot make an element of ", Py_TYPE(data)->tp_name, "; numbers, nested lists, arrays are understood");
  if (PyComplex_Check(leaf.ptr())) nested.complexes = true;
  else if (PyFloat_Check(leaf.ptr())) nested.floats = true;
  else if (!PyBool_Check(leaf.ptr())) nested.ints = true;
  nested.leaves.push_back(std::move(leaf));
}

Tensor on_device(Tensor host, Device* device) {
  if (host.device() == device) return host;
  NoGrad off;
  return to_device(host, device);
}

Tensor from_nested(PyObject* data, std::optional<DType> dtype, Device* device) {
  Nested nested;
  measure(data, 0, nested);
  // An empty inner list ends the walk early: sizes below it are unknown and zero.
  const bool only_bools = !nested.floats && !nested.ints && !nested.complexes && !nested.leaves.empty();
  const DType type = dtype.value_or(nested.complexes ? DType::Complex64 : nested.floats || nested.leaves.empty() ? DType::Float32 : only_bools ? DType::Bool : DType::Int64);
  Tensor host = Tensor::empty(nested.shape, type, cpu());
  auto* to = static_cast<char*>(host.count() ? host.host_data() : nullptr);
  for (const py::object& leaf : nested.leaves) {
    if (PyComplex_Check(leaf.ptr())) {
      const std::complex<double> value = complex_from(leaf.ptr());
      if (!is_complex(type))
        raise(ErrorKind::DType, "tensor: ", py::cast<std::string>(py::repr(leaf)), " cannot be ", type, "; ask for complex64 or complex128");
      store_value(to, type, value);
    } else if (PyFloat_Check(leaf.ptr())) {
      const double value = PyFloat_AS_DOUBLE(leaf.ptr());
      if (is_integer(type) && !std::isfinite(value)) raise(ErrorKind::Value, "tensor: ", value, " cannot be ", type);
      store_value(to, type, value);
    } else if (is_integer(type)) {
      store_value(to, type, element_from("tensor", leaf.ptr(), type));
    } else if (is_inexact(type)) {
      const double value = PyLong_AsDouble(leaf.ptr());
      if (value == -1.0 && PyErr_Occurred()) throw PythonError{};
      // What a double holds exactly takes its own way; more digits are rounded once.
      int overflow = 0;
      const long long whole = PyLong_AsLongLongAndOverflow(leaf.ptr(), &overflow);
      if (overflow || (std::abs(value) <= 0x1p53)) store_value(to, type, value);
      else store_value(to, type, static_cast<int64_t>(whole));
    } else {
      store_value(to, type, static_cast<int64_t>(PyObject_IsTrue(leaf.ptr())));
    }
    to += size_of(type);
  }
  return on_device(std::move(host), device);
}

// ---- buffers ----

std::optional<DType> buffer_type(const char* format, Py_ssize_t itemsize) {
  std::string_view f = format ? format : "B";
  if (!f.empty() && (f[0] == '@' || f[0] == '=' || f[0] == '<')) f.remove_prefix(1);
  if (f == "Zf") return DType::Complex64;
  if (f == "Zd") return DType::Complex128;
  if (f.size() != 1) return std::nullopt;
  const bool is_signed = f[0] >= 'a';
  switch (f[0]) {
    case '?': return DType::Bool;
    case 'e': return DType::Float16;
    case 'f': return DType::Float32;
    case 'd': return DType::Float64;
    case 'b': case 'h': case 'i': case 'l': case 'q': case 'n':
    case 'B': case 'H': case 'I': case 'L': case 'Q': case 'N':
      switch (itemsize) {
        case 1: return is_signed ? DType::Int8 : DType::UInt8;
        case 2: return is_signed ? DType::Int16 : DType::UInt16;
        case 4: return is_signed ? DType::Int32 : DType::UInt32;
        default: return is_signed ? DType::Int64 : DType::UInt64;
      }
    default: return std::nullopt;
  }
}

void release_owner(void* owner) {
  const PyGILState_STATE state = PyGILState_Ensure();
  auto* view = static_cast<Py_buffer*>(owner);
  PyBuffer_Release(view);
  delete view;
  PyGILState_Release(state);
}

// Calls body(pointer) for each element in row-major order.
template <class Body>
void each_element(const Py_buffer& view, int axis, const char* at, Body&& body) {
  if (axis == view.ndim) { body(at); return; }
  for (Py_ssize_t i = 0; i < view.shape[axis]; ++i) each_element(view, axis + 1, at + i * view.strides[axis], body);
}

Tensor from_buffer(PyObject* data, std::optional<DType> dtype, Device* device, bool share) {
  auto view = std::make_unique<Py_buffer>();
  if (PyObject_GetBuffer(data, view.get(), PyBUF_STRIDED_RO | PyBUF_FORMAT) != 0) throw PythonError{};
  struct Release {
    Py_buffer* view;
    ~Release() { if (view) PyBuffer_Release(view); }
  } release{view.get()};
  const auto type = buffer_type(view->format, view->itemsize);
  if (!type)
    raise(ErrorKind::DType, "asarray: elements of format '", view->format ? view->format : "", "' are not known here; cast "
          "the array to numbers or bool first");
  Dims shape;
  for (int i = 0; i < view->ndim; ++i) shape.push_back(view->shape[i]);
  const int64_t count = count_of(shape);

  bool even = count > 0;
  Dims strides;
  int64_t lowest = 0;
  int64_t highest = 0;
  for (int i = 0; i < view->ndim && even; ++i) {
    even = view->strides[i] % view->itemsize == 0;
    strides.push_back(view->strides[i] / view->itemsize);
    (strides.back() < 0 ? lowest : highest) += strides.back() * (view->shape[i] - 1);
  }
  even = even && reinterpret_cast<uintptr_t>(view->buf) % static_cast<uintptr_t>(view->itemsize) == 0;
  if (share && even && device == cpu() && dtype.value_or(*type) == *type) {
    char* base = static_cast<char*>(view->buf) + lowest * view->itemsize;
    const bool read_only = view->readonly != 0;
    auto storage = Storage::borrow(device, base, static_cast<uint64_t>((highest - lowest + 1) * view->itemsize), view.get(), release_owner);
    release.view = nullptr;
    (void)view.release();
    storage->read_only = read_only;
    Tensor x = Tensor::description(shape, *type, device);
    x->storage = std::move(storage);
    x->offset = -lowest;
    x->contiguous = is_contiguous(shape, strides);
    x->strides = std::move(strides);
    return x;
  }

  Tensor host = Tensor::empty(shape, *type, cpu());
  if (count > 0) {
    auto* to = static_cast<char*>(host.host_data());
    const auto size = static_cast<size_t>(view->itemsize);
    if (PyBuffer_IsContiguous(view.get(), 'C'))
      std::memcpy(to, view->buf, static_cast<size_t>(count) * size);
    else
      each_element(*view, 0, static_cast<const char*>(view->buf), [&](const char* from) { std::memcpy(to, from, size); to += size; });
  }
  NoGrad off;
  if (dtype) host = cast(host, *dtype);
  return on_device(std::move(host), device);
}

// ---- out ----

py::object number_object(const char* at, DType dtype) {
  if (dtype == DType::Bool) return py::bool_(load_int(at, dtype) != 0);
  if (dtype == DType::UInt64) return py::int_(static_cast<uint64_t>(load_int(at, dtype)));
  if (is_integer(dtype)) return py::int_(load_int(at, dtype));
  if (is_complex(dtype)) {
    const std::complex<double> value = load_complex(at, dtype);
    return py::reinterpret_steal<py::object>(PyComplex_FromDoubles(value.real(), value.imag()));
  }
  return py::float_(load_float(at, dtype));
}

py::object nested_list(const Tensor& x, size_t axis, const char*& at) {
  if (axis == x.shape().size()) {
    py::object number = number_object(at, x.dtype());
    at += size_of(x.dtype());
    return number;
  }
  const int64_t length = x.shape()[axis];
  py::list list(static_cast<size_t>(length));
  for (int64_t i = 0; i < length; ++i) list[static_cast<size_t>(i)] = nested_list(x, axis + 1, at);
  return list;
}

}  // namespace

std::optional<Tensor> scalar_operand(std::string_view op, PyObject* object, const Tensor& like) {
  py::object held;
  if (!is_number(object)) {
    held = plain_number(object);
    if (!held) return std::nullopt;
    object = held.ptr();
  }
  if (PyComplex_Check(object)) return scalar(complex_from(object), complex_of(like.dtype()), like.device());
  if (PyFloat_Check(object)) {
    const DType dtype = is_inexact(like.dtype()) ? like.dtype() : DType::Float32;
    return scalar(PyFloat_AS_DOUBLE(object), dtype, like.device());
  }
  if (PyBool_Check(object)) return scalar(static_cast<int64_t>(object == Py_True), like.dtype(), like.device());
  const DType dtype = like.dtype() == DType::Bool ? DType::Int64 : like.dtype();
  if (is_inexact(dtype)) {
    const double value = PyLong_AsDouble(object);
    if (value == -1.0 && PyErr_Occurred()) throw PythonError{};
    return scalar(value, dtype, like.device());
  }
  return scalar(element_from(op, object, dtype), dtype, like.device());
}

Tensor operand(std::string_view op, std::string_view argument, PyObject* object, const Tensor* like) {
  if (is_tensor(object)) return tensor_of(object);
  if (like)
    if (auto made = scalar_operand(op, object, *like)) return std::move(*made);
  raise(ErrorKind::Type, op, ": ", argument, " is ", Py_TYPE(object)->tp_name, " and must be a tensor; make one with fl.asarray(",
        argument, ")");
}

Dims dims_from(std::string_view what, PyObject* object) {
  const auto one = [&](PyObject* item) {
    py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(item));
    if (!index) {
      PyErr_Clear();
      raise(ErrorKind::Type, what, ": an integer is needed, not ", Py_TYPE(item)->tp_name);
    }
    return int_from(what, index.ptr());
  };
  if (!is_sequence(object)) return {one(object)};
  Dims dims;
  for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(object); ++i) dims.push_back(one(PySequence_Fast_ITEMS(object)[i]));
  return dims;
}

py::tuple dims_object(const Dims& dims) {
  py::tuple result(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) result[i] = py::int_(dims[i]);
  return result;
}

Tensor readable(const Tensor& x, std::string_view doing) {
  require_value(x, doing);
  NoGrad off;
  if (x.device()->host_memory()) {
    if (x.device()->runs_ahead()) x.device()->synchronize();
    return contiguous(x);
  }
  return contiguous(to_device(x, cpu()));
}

py::object item_from(const Tensor& x) {
  const Tensor host = readable(x, "reading the value");
  return number_object(static_cast<const char*>(host.host_data()), host.dtype());
}

py::object list_from(const Tensor& x) {
  const Tensor host = readable(x, "tolist");
  const char* at = host.count() ? static_cast<const char*>(host.host_data()) : nullptr;
  return nested_list(host, 0, at);
}

Tensor tensor_from(PyObject* data, std::optional<DType> dtype, Device* device, bool share) {
  if (is_tensor(data)) {
    Tensor x = tensor_of(data);
    if (!share) {
      NoGrad off;
      static const OpRow& copy = op_named("copy");
      x = apply(copy, {x});
    }
    if (dtype) x = cast(x, *dtype);
    return to_device(x, device);
  }
  if (is_sequence(data)) return from_nested(data, dtype, device);
  // Arrays without dimensions and NumPy's scalars keep their dtype, although they are numbers too.
  const bool array = PyObject_CheckBuffer(data) && py::hasattr(data, "dtype");
  if (py::object number = array ? py::object() : plain_number(data)) return from_nested(number.ptr(), dtype, device);
  if (PyObject_CheckBuffer(data)) {
    try {
      return from_buffer(data, dtype, device, share);
    } catch (const PythonError&) {
      // ml_dtypes' bfloat16 arrays offer no buffer; their bits do.
      PyErr_Clear();
      if (py::hasattr(data, "dtype") && py::cast<std::string>(py::str(py::handle(data).attr("dtype"))) == "bfloat16") {
        const py::object bits = py::handle(data).attr("view")("int16");
        Tensor as_bits = from_buffer(bits.ptr(), std::nullopt, cpu(), false);
        Tensor x = Tensor::empty(as_bits.shape(), DType::BFloat16, cpu());
        if (x.count()) std::memcpy(x.host_data(), as_bits.host_data(), static_cast<size_t>(x.count()) * 2);
        NoGrad off;
        return to_device(cast(x, dtype.value_or(DType::BFloat16)), device);
      }
      raise(ErrorKind::Type, "asarray: ", Py_TYPE(data)->tp_name, " does not give its memory out; convert it to a NumPy array of "
            "numbers first");
    }
  }
  if (py::hasattr(data, "__dlpack__")) {
    py::object x = py::module_::import("flambeau._core").attr("from_dlpack")(py::handle(data));
    return tensor_from(x.ptr(), dtype, device, share);
  }
  if (py::hasattr(data, "__array__")) {
    py::object array = py::handle(data).attr("__array__")();
    return tensor_from(array.ptr(), dtype, device, share);
  }
  if (py::hasattr(data, "__iter__") && !PyUnicode_Check(data) && !PyBytes_Check(data)) {
    const py::list list = py::list(py::reinterpret_borrow<py::object>(data));
    return from_nested(list.ptr(), dtype, device);
  }
  raise(ErrorKind::Type, "tensor: cannot make a tensor of ", Py_TYPE(data)->tp_name, "; numbers, nested lists, arrays and "
        "other libraries' tensors are understood");
}

// ---- the buffer protocol, out ----

namespace {
struct BufferShape {
  Tensor tensor;
  std::vector<Py_ssize_t> shape;
  std::vector<Py_ssize_t> strides;
};
}  // namespace

int get_buffer(PyObject* self, Py_buffer* view, int flags) {
  view->obj = nullptr;
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    static constexpr const char* kFormats[kDTypeCount] = {"?", "b", "h", "i", "q", "B", "H", "I", "Q",
                                                            "e", nullptr, "f", "d", "Zf", "Zd"};
    const char* format = kFormats[static_cast<size_t>(x.dtype())];
    const auto refuse = [](std::string why) {
      PyErr_SetString(PyExc_BufferError, why.c_str());
      throw PythonError{};
    };
    require_value(x, "numpy()");
    if (!format) refuse("NumPy has no bfloat16; convert with x.astype(fl.float32) first");
    if (!x.device()->host_memory())
      refuse(text("the tensor is on ", x.device()->name(), ", whose memory the host cannot read; use x.to('cpu')"));
    if (x.requires_grad() && grad_enabled()) refuse("the tensor requires a gradient, which NumPy would not see; use x.detach()");
    const bool read_only = x->storage && x->storage->read_only;
    if ((flags & PyBUF_WRITABLE) && read_only) refuse("this memory is read-only");
    if (!(flags & PyBUF_STRIDES) && !x.contiguous()) refuse("the tensor is not contiguous; use x.contiguous()");
    auto kept = std::make_unique<BufferShape>();
    kept->tensor = x.detach();  // this memory, whatever becomes of x
    for (size_t i = 0; i < x.shape().size(); ++i) {
      kept->shape.push_back(static_cast<Py_ssize_t>(x.shape()[i]));
      kept->strides.push_back(static_cast<Py_ssize_t>(x.strides()[i] * static_cast<int64_t>(size_of(x.dtype()))));
    }
    static char nothing[64];
    view->buf = x->storage ? x.host_data() : nothing;
    view->len = static_cast<Py_ssize_t>(x.count() * static_cast<int64_t>(size_of(x.dtype())));
    view->itemsize = static_cast<Py_ssize_t>(size_of(x.dtype()));
    view->readonly = read_only;
    view->ndim = static_cast<int>(x.ndim());
    view->format = (flags & PyBUF_FORMAT) ? const_cast<char*>(format) : nullptr;
    view->shape = (flags & PyBUF_ND) ? kept->shape.data() : nullptr;
    view->strides = (flags & PyBUF_STRIDES) ? kept->strides.data() : nullptr;
    view->suboffsets = nullptr;
    view->internal = kept.release();
    view->obj = Py_NewRef(self);
    return 0;
  });
}

void release_buffer(PyObject*, Py_buffer* view) { delete static_cast<BufferShape*>(view->internal); }

void bind_values(py::module_& module) {
  const auto dtype_or_none = [](const py::object& dtype) {
    return dtype.is_none() ? std::optional<DType>() : std::optional<DType>(dtype_from(dtype.ptr()));
  };
  const auto refuse = [](const char* name, const py::kwargs& other) {
    if (other.empty()) return;
    const py::object word = py::list(other)[0];
    const auto said = py::module_::import("flambeau.arguments").attr("otherwise")(name, word).cast<std::string>();
    raise(ErrorKind::Type, name, ": there is no argument '", word.cast<std::string>(), "'", said);
  };
  module.def("tensor", [dtype_or_none, refuse](py::object data, py::object dtype, py::object device, bool requires_grad, const py::kwargs& other) {
    refuse("tensor", other);
    Device* place = device.is_none() && is_tensor(data.ptr()) ? tensor_of(data.ptr()).device() : device_from(device.ptr());
    Tensor x = tensor_from(data.ptr(), dtype_or_none(dtype), place, false);
    if (requires_grad) {
      py::object made = py::cast(x);
      made.attr("requires_grad") = true;
      return made;
    }
    return py::cast(x);
  }, py::arg("data"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("requires_grad") = false);

  module.def("asarray", [dtype_or_none, refuse](py::object data, py::object dtype, py::object device, py::object copy, const py::kwargs& other) {
    refuse("asarray", other);
    const bool shares = copy.is_none() || !py::cast<bool>(copy);
    Device* place = device.is_none() && is_tensor(data.ptr()) ? tensor_of(data.ptr()).device() : device_from(device.ptr());
    Tensor x = tensor_from(data.ptr(), dtype_or_none(dtype), place, shares);
    if (!copy.is_none() && shares) {
      const bool same = is_tensor(data.ptr()) ? x->storage == tensor_of(data.ptr())->storage : x->storage && x->storage->borrowed();
      if (!same) raise(ErrorKind::Value, "asarray: copy=False, but this data cannot be used without a copy; leave copy out");
    }
    return is_tensor(data.ptr()) && x.get() == tensor_of(data.ptr()).get() ? data : py::cast(x);
  }, py::arg("obj"), py::kw_only(), py::arg("dtype") = py::none(), py::arg("device") = py::none(), py::arg("copy") = py::none());
}

}  // namespace flambeau::python
