// Tensors to and from other libraries without a copy, by the DLPack protocol (versions 0 and 1).
#include "bindings/python.h"

namespace flambeau::python {
namespace {

// The protocol's own structures, as its specification lays them out.
struct DLDevice { int32_t type; int32_t id; };
struct DLTensor {
  void* data;
  DLDevice device;
  int32_t ndim;
  fl_dtype dtype;
  int64_t* shape;
  int64_t* strides;
  uint64_t byte_offset;
};
struct DLManagedTensor {
  DLTensor tensor;
  void* context;
  void (*deleter)(DLManagedTensor*);
};
struct DLManagedTensorVersioned {
  uint32_t major, minor;
  void* context;
  void (*deleter)(DLManagedTensorVersioned*);
  uint64_t flags;
  DLTensor tensor;
};
constexpr int32_t kDLCpu = 1;
constexpr uint64_t kReadOnly = 1;
constexpr uint64_t kIsCopied = 2;

struct Given {
  Tensor tensor;
  Dims shape, strides;
};

DLTensor c_tensor(Given& given) {
  const Tensor& x = given.tensor;
  return {x->storage ? x.host_data() : nullptr, {kDLCpu, 0}, static_cast<int32_t>(x.ndim()), to_c(x.dtype()),
          given.shape.data(), given.strides.data(), 0};
}

template <class Managed>
void delete_given(Managed* managed) {
  delete static_cast<Given*>(managed->context);
  delete managed;
}

template <class Managed>
PyObject* capsule(Managed* managed, const char* name) {
  PyObject* object = PyCapsule_New(managed, name, [](PyObject* self) {
    // A consumer renames the capsule and then owns the tensor.
    const char* now = PyCapsule_GetName(self);
    if (!now || std::string_view(now).substr(0, 5) == "used_") return;
    auto* mine = static_cast<Managed*>(PyCapsule_GetPointer(self, now));
    if (mine && mine->deleter) mine->deleter(mine);
  });
  if (!object) { managed->deleter(managed); throw PythonError{}; }
  return object;
}

py::object to_dlpack(const Tensor& tensor, bool versioned, bool copy) {
  require_value(tensor, "__dlpack__");
  if (tensor.requires_grad() && grad_enabled()) {
    PyErr_SetString(PyExc_BufferError, "__dlpack__: the tensor requires a gradient, which the other library would not see; use x.detach()");
    throw PythonError{};
  }
  if (!tensor.device()->host_memory() && !copy) {
    PyErr_SetString(PyExc_BufferError, text("__dlpack__: the tensor is on ", tensor.device()->name(), "; use x.to('cpu')").c_str());
    throw PythonError{};
  }
  auto given = std::make_unique<Given>();
  given->tensor = tensor.detach();  // this memory, whatever becomes of the tensor
  if (copy) {
    NoGrad off;
    given->tensor = apply(op_named("copy"), {to_device(tensor, cpu())});
  }
  const bool read_only = given->tensor->storage && given->tensor->storage->read_only;
  if (read_only && !versioned) {
    PyErr_SetString(PyExc_BufferError, "__dlpack__: this memory is read-only, which DLPack before version 1 cannot say; pass copy=True");
    throw PythonError{};
  }
  given->shape = given->tensor.shape();
  given->strides = given->tensor.strides();
  if (versioned) {
    auto* managed = new DLManagedTensorVersioned{1, 0, nullptr, delete_given<DLManagedTensorVersioned>,
                                                 (read_only ? kReadOnly : 0) | (copy ? kIsCopied : 0), c_tensor(*given)};
    managed->context = given.release();
    return py::reinterpret_steal<py::object>(capsule(managed, "dltensor_versioned"));
  }
  auto* managed = new DLManagedTensor{c_tensor(*given), nullptr, delete_given<DLManagedTensor>};
  managed->context = given.release();
  return py::reinterpret_steal<py::object>(capsule(managed, "dltensor"));
}

template <class Managed>
Tensor take(Managed* managed, bool read_only) {
  const DLTensor& c = managed->tensor;
  struct Owned {
    Managed* managed;
    ~Owned() { if (managed && managed->deleter) managed->deleter(managed); }
  } owned{managed};
  if (c.device.type != kDLCpu)
    raise(ErrorKind::Device, "from_dlpack: the tensor is on a device of DLPack type ", c.device.type, " and only host memory (1) is "
          "understood; move it to the CPU first");
  const auto dtype = from_c(c.dtype);
  if (!dtype)
    raise(ErrorKind::DType, "from_dlpack: elements of code ", int{c.dtype.code}, " and ", int{c.dtype.bits}, " bits are not known "
          "here; cast to float32 or another dtype of numbers first");
  if (c.ndim < 0 || c.ndim > kMaxDims) raise(ErrorKind::Shape, "from_dlpack: ", c.ndim, " dimensions");
  const Dims shape(std::span<const int64_t>(c.shape, static_cast<size_t>(c.ndim)));
  const Dims strides = c.strides ? Dims(std::span<const int64_t>(c.strides, static_cast<size_t>(c.ndim))) : contiguous_strides(shape);
  Tensor x = Tensor::description(shape, *dtype, cpu());
  if (x.count() == 0) return x;
  int64_t lowest = 0;
  int64_t highest = 0;
  for (size_t i = 0; i < shape.size(); ++i) (strides[i] < 0 ? lowest : highest) += strides[i] * (shape[i] - 1);
  const auto size = static_cast<int64_t>(size_of(*dtype));
  char* base = static_cast<char*>(c.data) + c.byte_offset + lowest * size;
  x->storage = Storage::borrow(cpu(), base, static_cast<uint64_t>((highest - lowest + 1) * size), managed, [](void* owner) {
    const PyGILState_STATE state = PyGILState_Ensure();
    auto* mine = static_cast<Managed*>(owner);
    if (mine->deleter) mine->deleter(mine);
    PyGILState_Release(state);
  });
  owned.managed = nullptr;
  x->storage->read_only = read_only;
  x->offset = -lowest;
  x->contiguous = is_contiguous(shape, strides);
  x->strides = strides;
  return x;
}

Tensor from_dlpack(const py::object& source, const py::object& copy) {
  py::object holder = source;
  if (!PyCapsule_CheckExact(source.ptr())) {
    py::dict arguments;
    arguments["max_version"] = py::make_tuple(1, 0);
    if (!copy.is_none()) arguments["copy"] = copy;
    try {
      holder = source.attr("__dlpack__")(**arguments);
    } catch (py::error_already_set& error) {
      if (!error.matches(PyExc_TypeError)) throw;
      holder = source.attr("__dlpack__")();  // a library from before version 1
    }
  }
  const char* name = PyCapsule_GetName(holder.ptr());
  if (!name) { PyErr_Clear(); raise(ErrorKind::Type, "from_dlpack: __dlpack__ gave no capsule"); }
  if (std::string_view(name) == "dltensor_versioned") {
    auto* managed = static_cast<DLManagedTensorVersioned*>(PyCapsule_GetPointer(holder.ptr(), name));
    if (managed->major > 1) raise(ErrorKind::Value, "from_dlpack: DLPack version ", managed->major, " is newer than the 1 known here");
    PyCapsule_SetName(holder.ptr(), "used_dltensor_versioned");
    return take(managed, (managed->flags & kReadOnly) != 0);
  }
  if (std::string_view(name) == "dltensor") {
    auto* managed = static_cast<DLManagedTensor*>(PyCapsule_GetPointer(holder.ptr(), name));
    PyCapsule_SetName(holder.ptr(), "used_dltensor");
    return take(managed, false);
  }
  raise(ErrorKind::Value, "from_dlpack: this capsule (", name, ") was used already or holds something else");
}

}  // namespace

void bind_dlpack(py::module_& module) {
  module.def("to_dlpack", &to_dlpack, py::arg("tensor"), py::arg("versioned"), py::arg("copy"));
  module.def("from_dlpack", [](const py::object& source, const py::object& device, const py::object& copy) {
    Tensor x = from_dlpack(source, copy);
    if (!device.is_none()) {
      Device* target = device_from(device.ptr());
      if (target != x.device() && !copy.is_none() && !py::cast<bool>(copy)) {
        PyErr_SetString(PyExc_BufferError, text("from_dlpack: copy=False forbids to bring the tensor from ", x.device()->name(), " to ",
                                                target->name(), "; leave out copy or device").c_str());
        throw PythonError{};
      }
      x = to_device(x, target);
    }
    if (!copy.is_none() && py::cast<bool>(copy) && x->storage && x->storage->borrowed()) x = apply(op_named("copy"), {x});
    return x;
  }, py::arg("x"), py::kw_only(), py::arg("device") = py::none(), py::arg("copy") = py::none());
}

}  // namespace flambeau::python
