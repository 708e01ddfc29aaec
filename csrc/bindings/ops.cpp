// Every row of the op table as a Python callable: fl.sum(x, axis=0), x.sum(axis=0).
#include <pybind11/stl.h>

#include <cstddef>
#include <memory>

#include "bindings/python.h"
#include "bindings/temporaries.h"
#include "ops/batching.h"

#include <pybind11/stl.h>
#include <structmember.h>  // after Python.h

namespace flambeau::python {
namespace {

struct PyOp {
  PyObject_HEAD
  vectorcallfunc vectorcall;
  const OpRow* row;
  std::vector<PyObject*>* words;  // keywords of inputs, then of attributes; interned, kept
  PyObject* doc;                  // of a function that is an op under other keywords; else null, and kept like the next
  PyObject* module;
};

PyTypeObject* op_type;

const char* word_of(const AttrSpec& spec) { return spec.python ? spec.python : spec.name; }

[[noreturn]] void refuse_argument(const OpRow& row, const char* why, PyObject* word) {
  raise(ErrorKind::Type, row.name, ": ", why, " '", py::cast<std::string>(py::str(py::handle(word))), "'");
}

size_t index_of(const PyOp& op, PyObject* word) {
  for (size_t i = 0; i < op.words->size(); ++i)
    if ((*op.words)[i] == word) return i;
  for (size_t i = 0; i < op.words->size(); ++i)
    if (PyUnicode_Compare((*op.words)[i], word) == 0) return i;
  // PyTorch's words for what the standard calls otherwise.
  static constexpr std::pair<const char*, const char*> kOtherwise[] = {{"dim", "axis"}, {"keepdim", "keepdims"}};
  for (const auto& [theirs, ours] : kOtherwise)
    if (PyUnicode_CompareWithASCIIString(word, theirs) == 0)
      raise(ErrorKind::Type, op.row->name, ": there is no argument '", theirs, "'; it is named ", ours,
            " here, as in the Python Array API (fl.nn.functional keeps PyTorch's words)");
  const auto said = py::module_::import("flambeau.arguments").attr("otherwise")(op.row->name, py::handle(word)).cast<std::string>();
  raise(ErrorKind::Type, op.row->name, ": there is no argument '", py::cast<std::string>(py::str(py::handle(word))), "'", said);
}

// `device=`, which ops without inputs take as well.
bool is_device_word(const OpRow& row, PyObject* word) {
  return row.max_inputs == 0 && PyUnicode_CompareWithASCIIString(word, "device") == 0;
}

PyObject* call(PyObject* self, PyObject* const* args, size_t flagged, PyObject* names) {
  const void* back = __builtin_return_address(0);
  return guarded([&]() -> PyObject* {
    const auto& op = *reinterpret_cast<PyOp*>(self);
    const OpRow& row = *op.row;
    const auto count = static_cast<size_t>(PyVectorcall_NARGS(flagged));
    const size_t named = names ? static_cast<size_t>(PyTuple_GET_SIZE(names)) : 0;
    const bool list = row.max_inputs == kAnyNumber;
    const size_t slots = list ? 1 : static_cast<size_t>(row.max_inputs);
    const size_t total = slots + row.attrs.size();

    PyObject* given[16] = {};
    PyObject* device = nullptr;
    if (total > std::size(given)) raise(ErrorKind::Runtime, row.name, ": too many arguments in its row");
    if (count > total)
      raise(ErrorKind::Type, row.name, " takes ", total, " arguments at most, but ", count, " were given");
    for (size_t i = 0; i < count; ++i) given[i] = args[i];
    for (size_t i = 0; i < named; ++i) {
      PyObject* word = PyTuple_GET_ITEM(names, static_cast<Py_ssize_t>(i));
      if (is_device_word(row, word)) {
        device = args[count + i];
        continue;
      }
      const size_t at = index_of(op, word);
      if (given[at]) refuse_argument(row, "two values for", word);
      given[at] = args[count + i];
    }

    // ---- tensors ----
    Borrowed<8> few;
    std::optional<Tensor> made[8];
    std::vector<Tensor> many;
    Inputs inputs;
    py::object kept;
    if (list) {
      if (!given[0]) raise(ErrorKind::Type, row.name, ": a list of tensors is missing");
      if (is_tensor(given[0])) raise(ErrorKind::Type, row.name, ": a list of tensors is needed, not one tensor; write ", row.name, "([a, b])");
      kept = py::reinterpret_steal<py::object>(PySequence_Fast(given[0], "a list of tensors is needed"));
      if (!kept) throw PythonError{};
      for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(kept.ptr()); ++i)
        many.push_back(operand(row.name, text("element ", i), PySequence_Fast_ITEMS(kept.ptr())[i], nullptr));
      inputs = many;
    } else {
      size_t last = 0;
      const Tensor* like = nullptr;
      bool promoted_tensor = false;  // whether `like` is one of those that are promoted together
      for (size_t i = 0; i < slots; ++i) {
        if (!given[i] || given[i] == Py_None) continue;
        last = i + 1;
        // The dtype of a scalar follows the first tensor, which for where() is x or y and not the condition.
        if (is_tensor(given[i]) && (!like || !promoted_tensor)) {
          like = &tensor_of(given[i]);
          promoted_tensor = i >= static_cast<size_t>(row.promote_from);
        }
      }
      for (size_t i = 0; i < last; ++i) {
        const char* name = i < row.input_names.size() ? row.input_names[i] : "x";
        if (!given[i] || given[i] == Py_None) raise(ErrorKind::Type, row.name, ": ", name, " is missing");
        if (!is_tensor(given[i])) {
          // Scalars beside scalars (where(c, 1.0, 0.0)) take their own default.
          const bool promoted = row.pointwise || row.promotes;
          const bool alone = like && !promoted_tensor && i >= static_cast<size_t>(row.promote_from);
          if (alone) {
            bool floats = false, complexes = false;
            for (size_t j = static_cast<size_t>(row.promote_from); j < last; ++j) {
              floats = floats || (given[j] && PyFloat_Check(given[j]));
              complexes = complexes || (given[j] && PyComplex_Check(given[j]));
            }
            const Tensor stand_in = Tensor::description({}, complexes ? DType::Complex64 : floats ? DType::Float32 : PyBool_Check(given[i]) ? DType::Bool : DType::Int64, like->device());
            made[i] = operand(row.name, name, given[i], &stand_in);
          } else {
            made[i] = operand(row.name, name, given[i], promoted ? like : nullptr);
          }
        }
      }
      inputs = few.first(last);
    }

    // ---- attributes ----
    Attr attrs[12];
    const size_t attr_count = row.attrs.size();
    if (attr_count > std::size(attrs)) raise(ErrorKind::Runtime, row.name, ": too many attributes in its row");
    for (size_t i = 0; i < attr_count; ++i) {
      const AttrSpec& spec = row.attrs[i];
      PyObject* object = given[slots + i];
      if (object) attrs[i] = attr_from(row, spec, object);
      else if (spec.required) raise(ErrorKind::Type, row.name, ": ", word_of(spec), " is missing");
      else attrs[i] = spec.fallback;
    }
    // Only now, for an attribute that is an object may run any program, which lets the tensors' objects stand for others.
    if (!list)
      for (size_t i = 0; i < inputs.size(); ++i) few.set(i, made[i] ? *made[i] : tensor_of(given[i]));
    if (row.normalize) {
      for (size_t i = 0; i < inputs.size(); ++i)
        if (!inputs[i].defined()) raise(ErrorKind::Type, row.name, ": an input is missing");
      if (inputs.size() < static_cast<size_t>(row.min_inputs)) raise(ErrorKind::Type, row.name, " takes ", row.min_inputs, " tensors at least");
      row.normalize(row, inputs, {attrs, attr_count});
    }

    const Attrs settled(attrs, attr_count);
    std::optional<OnDevice> there;
    if (row.max_inputs == 0) there.emplace(device_from(device ? device : Py_None));
    if (row.output_count == 1) {
      // What this function holds itself (scalars that became tensors) has an object of another type.
      const uint32_t candidates = row.pointwise && may_reuse(inputs) ? temporaries(given, inputs.size(), back, args) : 0;
      Tensor out;
      {
        GilRelease free(inputs, candidates);
        if (candidates) out = apply_over(row, inputs, settled, candidates, 1);
        else apply(row, inputs, settled, {&out, 1});
      }
      return wrap(std::move(out));
    }
    std::vector<Tensor> outs;
    {
      GilRelease free(inputs);
      outs = apply_all(row, inputs, settled);
    }
    py::tuple result(outs.size());
    for (size_t i = 0; i < outs.size(); ++i) result[i] = py::cast(outs[i]);
    return result.release().ptr();
  });
}

PyObject* bind_method(PyObject* self, PyObject* object, PyObject*) {
  if (!object || object == Py_None) return Py_NewRef(self);
  return PyMethod_New(self, object);
}

PyObject* represent(PyObject* self) {
  return PyUnicode_FromFormat("<op flambeau.%s>", reinterpret_cast<PyOp*>(self)->row->name);
}

std::string signature_of(const PyOp& op) {
  const OpRow& row = *op.row;
  std::string to = "(";
  if (row.max_inputs == kAnyNumber) {
    to += "tensors, ";
  } else {
    for (int32_t i = 0; i < row.max_inputs; ++i)
      to += py::cast<std::string>(py::handle((*op.words)[static_cast<size_t>(i)])) +
            (i >= row.min_inputs ? "=None, " : ", ");
  }
  for (const AttrSpec& spec : row.attrs) {
    to += word_of(spec);
    if (!spec.required) to += "=" + py::cast<std::string>(py::repr(attr_object(spec.fallback)));
    to += ", ";
  }
  if (to.size() > 1) to.resize(to.size() - 2);
  return to + ")";
}

PyGetSetDef attributes[] = {
    {"__name__", [](PyObject* s, void*) { return PyUnicode_FromString(reinterpret_cast<PyOp*>(s)->row->name); }, nullptr, nullptr, nullptr},
    {"__qualname__", [](PyObject* s, void*) { return PyUnicode_FromString(reinterpret_cast<PyOp*>(s)->row->name); }, nullptr, nullptr, nullptr},
    {"__doc__", [](PyObject* s, void*) {
       const auto& op = *reinterpret_cast<PyOp*>(s);
       return op.doc ? Py_NewRef(op.doc) : PyUnicode_FromString(op.row->summary);
     }, nullptr, nullptr, nullptr},
    {"__module__", [](PyObject* s, void*) { return Py_NewRef(reinterpret_cast<PyOp*>(s)->module); }, nullptr, nullptr, nullptr},
    {"__text_signature__", [](PyObject* s, void*) {
       return guarded([&] { return PyUnicode_FromString(signature_of(*reinterpret_cast<PyOp*>(s)).c_str()); });
     }, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

// By its name, as functions are copied and pickled.
PyMethodDef methods[] = {
    {"__reduce__", [](PyObject* s, PyObject*) { return PyUnicode_FromString(reinterpret_cast<PyOp*>(s)->row->name); }, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"__vectorcalloffset__", T_PYSSIZET, offsetof(PyOp, vectorcall), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

void make_op_type() {
  static PyType_Slot slots[] = {
      {Py_tp_call, reinterpret_cast<void*>(PyVectorcall_Call)},
      {Py_tp_descr_get, reinterpret_cast<void*>(bind_method)},
      {Py_tp_repr, reinterpret_cast<void*>(represent)},
      {Py_tp_getset, attributes},
      {Py_tp_members, members},
      {Py_tp_methods, methods},
      {0, nullptr},
  };
  static PyType_Spec spec{"flambeau.Op", sizeof(PyOp), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_VECTORCALL | Py_TPFLAGS_METHOD_DESCRIPTOR |
                              Py_TPFLAGS_DISALLOW_INSTANTIATION, slots};
  op_type = reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
  if (!op_type) throw py::error_already_set();
}

py::object make_op(const OpRow& row, const char* module = "flambeau", const std::vector<std::string>& inputs = {}, const char* doc = nullptr) {
  auto* op = PyObject_New(PyOp, op_type);
  if (!op) throw py::error_already_set();
  op->vectorcall = call;
  op->row = &row;
  op->words = new std::vector<PyObject*>();
  op->doc = doc ? PyUnicode_FromString(doc) : nullptr;
  op->module = PyUnicode_InternFromString(module);
  if (row.max_inputs == kAnyNumber) op->words->push_back(PyUnicode_InternFromString("tensors"));
  else
    for (int32_t i = 0; i < row.max_inputs; ++i)
      op->words->push_back(PyUnicode_InternFromString(
          static_cast<size_t>(i) < inputs.size()              ? inputs[static_cast<size_t>(i)].c_str()
          : static_cast<size_t>(i) < row.input_names.size() ? row.input_names[static_cast<size_t>(i)]
                                                              : "x"));
  for (const AttrSpec& spec : row.attrs) op->words->push_back(PyUnicode_InternFromString(word_of(spec)));
  return py::reinterpret_steal<py::object>(reinterpret_cast<PyObject*>(op));
}

// What a batched input looks like to one example.
Tensor example_of(const Tensor& x) {
  Dims shape = x.shape();
  if (shape.empty()) raise(ErrorKind::Shape, "apply: a batched input needs a leading axis, but one has no dimensions");
  shape.erase(0);
  return Tensor::description(std::move(shape), x.dtype(), x.device());
}

// Calls a row with attributes in the order of the graph; None where one is not given. `batched`: which inputs have one
// more leading axis, that of a batch of calls; empty for none.
py::object apply_row(const std::string& name, const std::vector<Tensor>& inputs, const py::sequence& attrs,
                     const py::object& device, const std::vector<bool>& batched) {
  const OpRow& row = op_named(name);
  if (attrs.size() != row.attrs.size())
    raise(ErrorKind::Type, name, " has ", row.attrs.size(), " attributes, but ", attrs.size(), " were given");
  if (!batched.empty() && (batched.size() != inputs.size() || row.aliases))
    raise(ErrorKind::Value, name, row.aliases ? ": what writes in place has no batches" : ": batched needs one truth value for each input");
  std::vector<Attr> settled;
  for (size_t i = 0; i < row.attrs.size(); ++i) settled.push_back(attr_from(row, row.attrs[i], py::object(attrs[i]).ptr()));
  std::vector<Tensor> examples = inputs;
  bool any = false;
  for (size_t i = 0; i < batched.size(); ++i) {
    if (!batched[i]) continue;
    examples[i] = example_of(inputs[i]);
    any = true;
  }
  if (row.normalize && inputs.size() >= static_cast<size_t>(row.min_inputs)) row.normalize(row, examples, settled);
  OnDevice there(inputs.empty() ? device_from(device.ptr()) : inputs[0].device());
  std::vector<Tensor> outs;
  {
    GilRelease free(long_work(inputs));  // `inputs` keeps them
    if (any) {
      outs.resize(static_cast<size_t>(row.output_count));
      std::unique_ptr<bool[]> flags(new bool[batched.size()]);
      std::copy(batched.begin(), batched.end(), flags.get());
      ops::apply_batched(row, inputs, {flags.get(), batched.size()}, settled, outs);
    } else {
      outs = apply_all(row, inputs, settled);
    }
  }
  if (row.output_count == 1) return py::cast(outs[0]);
  py::tuple result(outs.size());
  for (size_t i = 0; i < outs.size(); ++i) result[i] = py::cast(outs[i]);
  return result;
}

}  // namespace

// Tuples, lists and single numbers of Python's own, as most calls bring them; none: look closer, and name what is wrong.
static std::optional<Dims> plain_dims(PyObject* object) {
  PyObject* const* items = &object;
  Py_ssize_t count = 1;
  if (PyTuple_CheckExact(object) || PyList_CheckExact(object)) {
    items = PySequence_Fast_ITEMS(object);
    count = PySequence_Fast_GET_SIZE(object);
  }
  Dims dims;
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!PyLong_CheckExact(items[i])) return std::nullopt;
    int overflow = 0;
    dims.push_back(PyLong_AsLongLongAndOverflow(items[i], &overflow));
    if (overflow) return std::nullopt;
  }
  return dims;
}

Attr attr_from(const OpRow& row, const AttrSpec& spec, PyObject* object) {
  const auto refuse = [&](const char* wanted) {
    raise(ErrorKind::Type, row.name, ": ", word_of(spec), " is ", Py_TYPE(object)->tp_name, " and must be ", wanted);
  };
  if (object == Py_None) {
    if (spec.required) refuse("given");
    return {};
  }
  switch (spec.kind) {
    case FL_ATTR_BOOL:
      if (!PyBool_Check(object)) refuse("True or False");
      return object == Py_True;
    case FL_ATTR_INT: {
      if (PyLong_CheckExact(object)) {
        int overflow = 0;
        const long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
        if (overflow) raise(ErrorKind::Value, row.name, ": ", word_of(spec), " does not fit into int64");
        return static_cast<int64_t>(value);
      }
      const Dims one = dims_from(text(row.name, ": ", word_of(spec)), object);
      if (one.size() != 1) refuse("an integer");
      return one[0];
    }
    case FL_ATTR_FLOAT: {
      const double value = PyFloat_AsDouble(object);
      if (value == -1.0 && PyErr_Occurred()) { PyErr_Clear(); refuse("a number"); }
      return value;
    }
    case FL_ATTR_INTS:
      if (const auto plain = plain_dims(object)) return *plain;
      return dims_from(text(row.name, ": ", word_of(spec)), object);
    case FL_ATTR_DTYPE: return dtype_from(object);
    case FL_ATTR_TEXT:
      if (!PyUnicode_Check(object)) refuse("a string");
      return py::cast<std::string>(py::handle(object));
    default: return {};
  }
}

py::object attr_object(const Attr& attr) {
  switch (attr.kind()) {
    case FL_ATTR_BOOL: return py::bool_(attr.as_bool());
    case FL_ATTR_INT: return py::int_(attr.as_int());
    case FL_ATTR_FLOAT: return py::float_(attr.as_float());
    case FL_ATTR_INTS: return dims_object(attr.ints());
    case FL_ATTR_DTYPE: return py::reinterpret_borrow<py::object>(dtype_object(attr.as_dtype()));
    case FL_ATTR_TEXT: return py::str(attr.text());
    default: return py::none();
  }
}

void bind_ops(py::module_& module) {
  make_op_type();
  py::dict ops;
  py::dict public_ops;  // name -> whether it is a method of Tensor too
  for (const OpRow* row : op_table()) {
    ops[row->name] = make_op(*row);
    if (row->public_name) public_ops[row->name] = row->min_inputs >= 1 && row->max_inputs != kAnyNumber;
  }
  module.attr("ops") = ops;
  module.attr("public_ops") = public_ops;
  module.def("function", [](const std::string& name, const std::vector<std::string>& inputs, const std::string& doc, const std::string& place) {
    return make_op(op_named(name), place.c_str(), inputs, doc.c_str());
  }, py::arg("name"), py::arg("inputs"), py::arg("doc"), py::arg("module"));
  module.def("saved_by", [](const std::string& name, const py::sequence& attrs, uint32_t needed) {
    const OpRow& row = op_named(name);
    std::vector<Attr> settled;
    for (size_t i = 0; i < row.attrs.size(); ++i) settled.push_back(attr_from(row, row.attrs[i], py::object(attrs[i]).ptr()));
    const Saved saved = row.saves ? row.saves(settled, needed) : Saved{row.saves_inputs, row.saves_outputs};
    return py::make_tuple(saved.inputs, saved.outputs);
  }, py::arg("name"), py::arg("attrs"), py::arg("needed"),
             "Which inputs and outputs (bit i) the gradients of the inputs in `needed` read.");
  module.def("apply", &apply_row, py::arg("name"), py::arg("inputs"), py::arg("attrs"), py::arg("device") = py::none(),
             py::arg("batched") = std::vector<bool>());
}

}  // namespace flambeau::python
