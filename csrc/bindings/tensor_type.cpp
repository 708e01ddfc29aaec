// Tensor: a raw CPython type, for pybind11's class methods cost more than a small op.

#include "autograd/autograd.h"
#include "bindings/python.h"

#include <structmember.h>  // after Python.h

namespace flambeau::python {

PyTypeObject* tensor_type = nullptr;

namespace {

// Freed objects wait here for the next result; guarded by the GIL.
constexpr int kKept = 256;
PyTensor* kept[kKept];
int kept_count = 0;

void dealloc(PyObject* object) {
  auto* self = reinterpret_cast<PyTensor*>(object);
  if (self->weak_references) PyObject_ClearWeakRefs(object);
  --self->tensor->objects;
  self->tensor.~Tensor();
  PyTypeObject* type = Py_TYPE(object);
  if (type == tensor_type && kept_count < kKept) kept[kept_count++] = self;
  else type->tp_free(object);
  Py_DECREF(type);
}

PyObject* refuse_new(PyTypeObject* type, PyObject* args, PyObject* kwargs) {
  return guarded([&]() -> PyObject* {
    // Subclasses hold a tensor as it is: Parameter(x).
    PyObject* data = nullptr;
    static const char* names[] = {"data", nullptr};
    if (type == tensor_type || !PyArg_ParseTupleAndKeywords(args, kwargs, "O", const_cast<char**>(names), &data) || !is_tensor(data)) {
      PyErr_Clear();
      PyErr_SetString(PyExc_TypeError, "Tensor cannot be made directly; use fl.tensor(data) or fl.asarray(data)");
      return nullptr;
    }
    PyObject* object = type->tp_alloc(type, 0);
    if (!object) return nullptr;
    new (&reinterpret_cast<PyTensor*>(object)->tensor) Tensor(tensor_of(data));
    ++tensor_of(object)->objects;
    return object;
  });
}

Py_ssize_t length(PyObject* self) {
  return guarded([&]() -> Py_ssize_t {
    const Tensor& x = tensor_of(self);
    if (x.ndim() == 0) raise(ErrorKind::Type, "len: a 0-d tensor has no length");
    return static_cast<Py_ssize_t>(x.size(0));
  });
}

// ---- attributes ----

template <class Body>
PyObject* attribute(PyObject* self, Body body) {
  return guarded([&]() -> PyObject* { return body(tensor_of(self)).release().ptr(); });
}

PyGetSetDef attributes[] = {
    {"shape", [](PyObject* s, void*) { return attribute(s, [](const Tensor& x) { return dims_object(x.shape()); }); }, nullptr,
     "The sizes of the dimensions.", nullptr},
    {"dtype", [](PyObject* s, void*) -> PyObject* { return Py_NewRef(dtype_object(tensor_of(s).dtype())); }, nullptr,
     "The element type.", nullptr},
    {"device", [](PyObject* s, void*) { return guarded([&] { return Py_NewRef(device_object(tensor_of(s).device())); }); }, nullptr,
     "Where the memory is.", nullptr},
    {"ndim", [](PyObject* s, void*) { return PyLong_FromLongLong(tensor_of(s).ndim()); }, nullptr, "Number of dimensions.", nullptr},
    {"size", [](PyObject* s, void*) { return PyLong_FromLongLong(tensor_of(s).count()); }, nullptr, "Number of elements.", nullptr},
    {"nbytes", [](PyObject* s, void*) {
       return PyLong_FromLongLong(tensor_of(s).count() * static_cast<int64_t>(size_of(tensor_of(s).dtype())));
     }, nullptr, "Bytes of the elements.", nullptr},
    {"strides", [](PyObject* s, void*) { return attribute(s, [](const Tensor& x) { return dims_object(x.strides()); }); }, nullptr,
     "Steps in memory between neighbours, in elements.", nullptr},
    {"is_contiguous", [](PyObject* s, void*) { return PyBool_FromLong(tensor_of(s).contiguous()); }, nullptr,
     "Whether the elements lie in row-major order without gaps.", nullptr},
    {"requires_grad", [](PyObject* s, void*) { return PyBool_FromLong(tensor_of(s).requires_grad()); },
     [](PyObject* s, PyObject* value, void*) {
       return guarded([&] {
         const int wanted = value ? PyObject_IsTrue(value) : 0;
         if (wanted < 0) throw PythonError{};
         set_requires_grad(tensor_of(s), wanted != 0);
         return 0;
       });
     }, "Whether ops on this tensor are kept for backward().", nullptr},
    {"is_leaf", [](PyObject* s, void*) { return PyBool_FromLong(is_leaf(tensor_of(s))); }, nullptr,
     "Whether the user made it, not an op with a gradient.", nullptr},
    {"made_by", [](PyObject* s, void*) {
       const auto name = made_by(tensor_of(s));
       return PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
     }, nullptr, "The op on the tape that made it, 'leaf', or ''.", nullptr},
    {"grad", [](PyObject* s, void*) { return wrap(lent(grad_of(tensor_of(s)))); },
     [](PyObject* s, PyObject* value, void*) {
       return guarded([&] {
         if (!value || value == Py_None) set_grad(tensor_of(s), Tensor());
         // A tensor that is its own gradient would keep itself alive: it gets another look at the same memory.
         else if (is_tensor(value)) set_grad(tensor_of(s), value == s ? tensor_of(s).detach() : lent(tensor_of(value)));
         else raise(ErrorKind::Type, "grad: a tensor or None, not ", Py_TYPE(value)->tp_name);
         return 0;
       });
     }, "The gradient that backward() has summed up here, or None.", nullptr},
    {"grad_fn", [](PyObject* s, void*) { return attribute(s, [](const Tensor& x) { return node_object(x); }); }, nullptr,
     "The node of the tape that made it, or None: its name, what it came from, its hooks.", nullptr},
    {"_version", [](PyObject* s, void*) { return PyLong_FromUnsignedLong(tensor_of(s).version()); }, nullptr,
     "How often its memory was written in place.", nullptr},
    {"_has_value", [](PyObject* s, void*) { return PyBool_FromLong(tensor_of(s).has_value()); }, nullptr,
     "False while it is only recorded.", nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// ---- methods ----

PyObject* item(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    if (x.count() != 1)
      raise(ErrorKind::Value, "item: the tensor has shape ", x.shape(), " and must have one element; x.tolist() gives all");
    return item_from(x).release().ptr();
  });
}

PyObject* tolist(PyObject* self, PyObject*) {
  return guarded([&] { return list_from(tensor_of(self)).release().ptr(); });
}

PyObject* detach(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    const Tensor other = x.detach();
    if (recorder()) other->is_view = x->is_view = true;
    return wrap(other);
  });
}

PyObject* make_contiguous(PyObject* self, PyObject*) {
  return guarded([&] {
    const Tensor x = tensor_of(self);
    if (x.contiguous()) return Py_NewRef(self);
    Tensor out;
    {
      GilRelease free(x.count() >= kLongWork);
      out = contiguous(x);
    }
    return wrap(std::move(out));
  });
}

PyObject* requires_grad_(PyObject* self, PyObject* args, PyObject* kwargs) {
  static const char* names[] = {"requires_grad", nullptr};
  int wanted = 1;
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p:requires_grad_", const_cast<char**>(names), &wanted)) return nullptr;
  return guarded([&] {
    set_requires_grad(tensor_of(self), wanted != 0);
    return Py_NewRef(self);
  });
}

PyObject* backward_method(PyObject* self, PyObject* args, PyObject* kwargs) {
  PyObject* gradient = Py_None;
  int retain_graph = 0;
  int create_graph = 0;
  PyObject* only = Py_None;
  static const char* names[] = {"gradient", "retain_graph", "create_graph", "inputs", nullptr};
  if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|OppO:backward", const_cast<char**>(names), &gradient, &retain_graph, &create_graph, &only))
    return nullptr;
  return guarded([&]() -> PyObject* {
    if (gradient != Py_None && !is_tensor(gradient))
      raise(ErrorKind::Type, "backward: gradient is a tensor or None, not ", Py_TYPE(gradient)->tp_name);
    std::vector<Tensor> inputs;
    if (is_tensor(only)) inputs.push_back(tensor_of(only));
    else if (only != Py_None)
      for (const auto& x : py::reinterpret_borrow<py::object>(only)) {
        if (!is_tensor(x.ptr())) raise(ErrorKind::Type, "backward: inputs are tensors, and one is ", Py_TYPE(x.ptr())->tp_name);
        inputs.push_back(tensor_of(x.ptr()));
      }
    if (only != Py_None && inputs.empty()) raise(ErrorKind::Value, "backward: inputs is empty; leave it out for all leaves");
    const Tensor root = tensor_of(self);
    const Tensor start = gradient == Py_None ? Tensor() : tensor_of(gradient);
    {
      GilRelease free(true);
      backward({&root, 1}, {&start, 1}, inputs, {.retain_graph = retain_graph != 0, .create_graph = create_graph != 0});
    }
    Py_RETURN_NONE;
  });
}

// Same storage, same autograd: what a Python subclass or copy.copy() shares.
PyObject* share(PyObject* self, PyObject*) { return wrap(tensor_of(self)); }

PyObject* shares_memory(PyObject* self, PyObject* other) {
  if (!is_tensor(other)) Py_RETURN_FALSE;
  const Tensor& a = tensor_of(self);
  const Tensor& b = tensor_of(other);
  return PyBool_FromLong(a->storage == b->storage && (a->storage || (a.count() == 0 && b.count() == 0)));
}

PyMethodDef methods[] = {
    {"item", item, METH_NOARGS, "The one element as a Python number."},
    {"tolist", tolist, METH_NOARGS, "The elements as nested lists of Python numbers."},
    {"detach", detach, METH_NOARGS, "The same memory, apart from autograd."},
    {"contiguous", make_contiguous, METH_NOARGS, "Itself if it is contiguous, else a contiguous copy."},
    {"requires_grad_", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(requires_grad_)), METH_VARARGS | METH_KEYWORDS, "Set requires_grad and give the tensor back."},
    {"backward", reinterpret_cast<PyCFunction>(reinterpret_cast<void*>(backward_method)), METH_VARARGS | METH_KEYWORDS,
     "backward(gradient=None, retain_graph=False, create_graph=False, inputs=None)\n--\n\n"
     "Add the gradient of this tensor to .grad of every leaf it depends on, or of `inputs` alone."},
    {"_shares_memory", shares_memory, METH_O, "Whether both look into the same memory."},
    {"_share", share, METH_NOARGS, "Another object for the same tensor."},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__weaklistoffset__", T_PYSSIZET, offsetof(PyTensor, weak_references), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

}  // namespace

PyObject* wrap(Tensor tensor) noexcept {
  if (!tensor.defined()) Py_RETURN_NONE;
  PyTensor* self;
  if (kept_count > 0) {
    self = kept[--kept_count];
    PyObject_Init(reinterpret_cast<PyObject*>(self), tensor_type);
  } else {
    self = PyObject_New(PyTensor, tensor_type);
    if (!self) return nullptr;
  }
  ++tensor->objects;
  new (&self->tensor) Tensor(std::move(tensor));
  self->weak_references = nullptr;
  return reinterpret_cast<PyObject*>(self);
}

Tensor stand_for(PyObject* object, Tensor tensor) noexcept {
  Tensor& own = reinterpret_cast<PyTensor*>(object)->tensor;
  --own->objects;
  ++tensor->objects;
  std::swap(own, tensor);
  return tensor;
}

void make_tensor_type(PyObject* module) {
  std::vector<PyType_Slot> slots = operator_slots();
  for (const PyType_Slot& one : in_place_slots()) slots.push_back(one);
  slots.push_back({Py_tp_dealloc, reinterpret_cast<void*>(dealloc)});
  slots.push_back({Py_tp_new, reinterpret_cast<void*>(refuse_new)});
  slots.push_back({Py_tp_getset, attributes});
  slots.push_back({Py_tp_methods, methods});
  slots.push_back({Py_tp_members, members});
  // == compares elements, so a tensor is hashed by which object it is.
  slots.push_back({Py_tp_hash, reinterpret_cast<void*>(_Py_HashPointer)});
  slots.push_back({Py_mp_length, reinterpret_cast<void*>(length)});
  slots.push_back({Py_mp_subscript, reinterpret_cast<void*>(get_item)});
  slots.push_back({Py_mp_ass_subscript, reinterpret_cast<void*>(set_item)});
  slots.push_back({Py_bf_getbuffer, reinterpret_cast<void*>(get_buffer)});
  slots.push_back({Py_bf_releasebuffer, reinterpret_cast<void*>(release_buffer)});
  slots.push_back({Py_tp_doc, const_cast<char*>("A tensor: numbers of one dtype in a shape, on a device. Made by fl.tensor(data).")});
  slots.push_back({0, nullptr});
  PyType_Spec spec{"flambeau.Tensor", sizeof(PyTensor), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, slots.data()};
  PyObject* type = PyType_FromSpec(&spec);
  if (!type || PyModule_AddObjectRef(module, "Tensor", type) < 0) throw py::error_already_set();
  tensor_type = reinterpret_cast<PyTypeObject*>(type);
}

}  // namespace flambeau::python
