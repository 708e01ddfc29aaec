// x[key] and x[key] = value.
#include <algorithm>

#include "autograd/autograd.h"
#include "bindings/python.h"
#include "core/half.h"
#include "core/launch.h"
#include "ops/ops.h"
#include "ops/write.h"

namespace flambeau::python {
namespace {

// What a key says about one axis of x (or several: a mask), or that it adds one.
struct Part {
  enum Kind { Whole, Window, One, New, Chosen } kind;
  int64_t start = 0, stop = 0, step = 1;  // Window; start alone for One
  Tensor indices = {};  // Chosen: int64, on the CPU, counted from the front; or recorded, as it was given
  int64_t span = 1;     // Chosen: how many axes of x these indices count through together; 0 for True and False
  bool apart = false;   // One, Chosen: something that chooses whole ranges stands between it and the One or Chosen before
};

// Nothing is recorded while it lives: what keys hold is known.
class Unrecorded {
 public:
  Unrecorded() : before_(recorder()) { set_recorder(nullptr); }
  ~Unrecorded() { set_recorder(before_); }
  Unrecorded(const Unrecorded&) = delete;
  Unrecorded& operator=(const Unrecorded&) = delete;

 private:
  NoGrad off_;
  Recorder* before_;
};

[[noreturn]] void refuse_key(PyObject* key) {
  raise(ErrorKind::Index, "index: ", Py_TYPE(key)->tp_name, " is not understood; use integers, slices, None, ..., integer tensors or "
        "lists, or a bool tensor");
}

bool is_integer_key(PyObject* key) {
  if (PyLong_Check(key)) return true;
  if (is_tensor(key) || PySlice_Check(key) || !PyIndex_Check(key)) return false;
  if (!PyMapping_Check(key)) return true;
  // Another library's array: one without dimensions is a position; the others choose, however few elements they have.
  const py::object ndim = py::reinterpret_steal<py::object>(PyObject_GetAttrString(key, "ndim"));
  if (!ndim) PyErr_Clear();
  int overflow = 0;
  return !ndim || !PyLong_Check(ndim.ptr()) || (PyLong_AsLongAndOverflow(ndim.ptr(), &overflow) == 0 && !overflow);
}

bool is_array_key(PyObject* key) {
  return PyList_Check(key) || PyBool_Check(key) || PyTuple_Check(key) || PyRange_Check(key) || PyObject_CheckBuffer(key) ||
         PyObject_HasAttrString(key, "__dlpack__");
}

int64_t position(PyObject* key, int64_t size, size_t axis) {
  const Py_ssize_t i = PyNumber_AsSsize_t(key, PyExc_IndexError);
  if (i == -1 && PyErr_Occurred()) throw PythonError{};
  if (i < -size || i >= size)
    raise(ErrorKind::Index, "index: ", i, " is out of range for axis ", axis, " with size ", size,
          size == 0 ? std::string() : text("; it must be from ", -size, " to ", size - 1));
  return i < 0 ? i + size : i;
}

// Index values on the host, checked and counted from the front.
Tensor settled(const Tensor& indices, int64_t size, size_t axis) {
  Unrecorded off;
  const Tensor host = readable(cast(indices, DType::Int64), "index");
  Tensor result = Tensor::empty(host.shape(), DType::Int64, cpu());
  if (host.count() == 0) return result;
  const auto* from = static_cast<const int64_t*>(host.host_data());
  auto* to = static_cast<int64_t*>(result.host_data());
  for (int64_t i = 0; i < host.count(); ++i) {
    if (from[i] < -size || from[i] >= size)
      raise(ErrorKind::Index, "index: ", from[i], " is out of range for axis ", axis, " with size ", size);
    to[i] = from[i] < 0 ? from[i] + size : from[i];
  }
  return result;
}

// The places where a bool tensor is true, counted row by row through it; for one without dimensions 0 or nothing.
Tensor true_places(const Tensor& mask) {
  require_value(mask, "index by a bool tensor");
  Unrecorded off;
  const Tensor host = to_device(readable(mask, "index by a bool tensor"), cpu());
  const auto* at = host.count() ? static_cast<const bool*>(host.host_data()) : nullptr;
  return ops::nonzero(host, at ? std::count(at, at + host.count(), true) : 0);
}

std::vector<Part> read_key(const Tensor& x, PyObject* key) {
  PyObject* const* items = &key;
  Py_ssize_t count = 1;
  if (PyTuple_Check(key)) {
    items = PySequence_Fast_ITEMS(key);
    count = PyTuple_GET_SIZE(key);
  }
  // Lists and arrays become tensors first, so that bool ones are known to take several axes.
  std::vector<py::object> kept;
  std::vector<Tensor> tensors(static_cast<size_t>(count));
  int64_t used = 0;
  Py_ssize_t ellipsis = -1;
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (item == Py_Ellipsis) {
      if (ellipsis >= 0) raise(ErrorKind::Index, "index: ... may stand only once");
      ellipsis = i;
    } else if (item == Py_None) {
    } else if (PySlice_Check(item) || (is_integer_key(item) && !PyBool_Check(item))) {
      ++used;
    } else {
      Tensor& t = tensors[static_cast<size_t>(i)];
      if (is_tensor(item)) t = tensor_of(item);
      else if (is_array_key(item)) {
        py::object data = py::reinterpret_borrow<py::object>(item);
        if (PyRange_Check(item)) data = py::list(data);
        t = tensor_from(data.ptr(), std::nullopt, cpu(), true);
        if (t.count() == 0 && t.dtype() == DType::Float32) t = cast(t, DType::Int64);  // []
      } else refuse_key(item);
      if (is_inexact(t.dtype())) raise(ErrorKind::Index, "index: a tensor of ", t.dtype(), " cannot index; cast it with x.astype(fl.int64)");
      used += t.dtype() == DType::Bool ? t.ndim() : 1;
    }
  }
  const int64_t ndim = x.ndim();
  if (used > ndim) raise(ErrorKind::Index, "index: ", used, " indices for a tensor of shape ", x.shape(), ", which has ", ndim, " dimensions");

  std::vector<Part> parts;
  size_t axis = 0;
  bool apart = false;
  const auto whole = [&](int64_t times) {
    apart = true;
    for (; times > 0; --times, ++axis) parts.push_back({Part::Whole, 0, x.shape()[axis]});
  };
  // A One or a Chosen over `span` axes.
  const auto choose = [&](Part part) {
    part.apart = apart;
    apart = false;
    axis += static_cast<size_t>(part.span);
    parts.push_back(std::move(part));
  };
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (i == ellipsis) {
      whole(ndim - used);
    } else if (item == Py_None) {
      apart = true;
      parts.push_back({Part::New});
    } else if (tensors[static_cast<size_t>(i)].defined()) {
      const Tensor& t = tensors[static_cast<size_t>(i)];
      if (t.dtype() == DType::Bool) {
        for (int64_t d = 0; d < t.ndim(); ++d)
          if (t.size(d) != x.shape()[axis + static_cast<size_t>(d)] && t.count() > 0)  // one without elements chooses none
            raise(ErrorKind::Index, "index: a bool tensor of shape ", t.shape(), " does not fit the axes from ", axis, " on of shape ", x.shape());
        choose({Part::Chosen, 0, 0, 1, true_places(t), t.ndim()});
      } else if (!t.has_value()) {
        choose({Part::Chosen, 0, 0, 1, t});
      } else {
        const Tensor known = settled(t, x.shape()[axis], axis);
        if (t.ndim() == 0) choose({Part::One, load_int(known.host_data(), DType::Int64)});
        else choose({Part::Chosen, 0, 0, 1, known});
      }
    } else if (PySlice_Check(item)) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw PythonError{};
      const int64_t size = x.shape()[axis++];
      const Py_ssize_t length = PySlice_AdjustIndices(size, &start, &stop, step);
      apart = true;
      if (length == size && step == 1) parts.push_back({Part::Whole, 0, size});
      else parts.push_back({Part::Window, start, length == 0 ? start : stop, step});
    } else {
      choose({Part::One, position(item, x.shape()[axis], axis)});
    }
  }
  if (ellipsis < 0) whole(ndim - static_cast<int64_t>(axis));
  return parts;
}

// Slices and single positions: one slice, then axes dropped and added.
Tensor apply_basic(Tensor x, const std::vector<Part>& parts) {
  Dims starts, stops, steps, dropped, added;
  bool sliced = false;
  int64_t axis = 0;
  int64_t out = 0;
  for (const Part& part : parts) {
    switch (part.kind) {
      case Part::New: added.push_back(out++); continue;
      case Part::One:
        starts.push_back(part.start), stops.push_back(part.start + 1), steps.push_back(1);
        dropped.push_back(axis++);
        sliced = true;
        continue;
      case Part::Window:
        starts.push_back(part.start), stops.push_back(part.stop), steps.push_back(part.step);
        sliced = true;
        break;
      default: starts.push_back(0), stops.push_back(x.shape()[static_cast<size_t>(axis)]), steps.push_back(1);
    }
    ++axis, ++out;
  }
  if (sliced) x = ops::slice(x, starts, stops, steps);
  if (!dropped.empty()) {
    static const OpRow& squeeze = op_named("squeeze");
    x = apply(squeeze, {x}, {dropped});
  }
  if (!added.empty()) x = ops::expand_dims(x, added);
  return x;
}

// How index tensors choose: x with the axes that they choose from side by side, after the basic parts of the key.
struct Choice {
  Tensor x;                 // axes before, axes chosen from, axes after: a view where permute_dims gives one
  size_t before = 0;        // how many axes stand before the chosen ones, where the indices' axes go
  size_t count = 0;         // of the axes chosen from
  Dims shape;               // of the indices, broadcast together
  std::vector<Tensor> indices;
  std::vector<int64_t> spans;  // of each of them; at least 1
  Dims axes;                // the axis of the user's x that each one begins with, for errors
};

// As NumPy: where the parts that choose single places (positions, index tensors, masks) stand side by side in the key,
// the indices' axes take their place; where something stands between them, the indices' axes come first.
Choice choose(Tensor x, const std::vector<Part>& parts) {
  Choice choice;
  std::vector<Part> basic;
  Dims chosen, rest;  // axes after the basic step
  bool together = true, started = false;
  int64_t axis = 0, from = 0;
  for (const Part& part : parts) {
    const bool single = part.kind == Part::One || part.kind == Part::Chosen;
    if (single && !started) choice.before = rest.size();
    if (single && started && part.apart) together = false;
    started = started || single;
    if (part.kind == Part::Chosen) {
      choice.shape = broadcast_shapes("index", choice.shape, part.indices.shape());
      if (part.span > 0) {
        choice.indices.push_back(part.indices);
        choice.spans.push_back(part.span);
        choice.axes.push_back(from);
      }
      for (int64_t i = 0; i < part.span; ++i, ++from) {
        basic.push_back({Part::Whole, 0, x.shape()[static_cast<size_t>(from)]});
        chosen.push_back(axis++);
      }
      continue;
    }
    basic.push_back(part);
    if (part.kind != Part::New) ++from;
    if (part.kind != Part::One) rest.push_back(axis++);
  }
  if (!together) choice.before = 0;
  x = apply_basic(x, basic);
  if (chosen.empty()) {  // True and False alone: from an axis of length 1
    choice.indices.push_back(Tensor::empty(choice.shape, DType::Int64, cpu()));
    if (const Tensor& zeros = choice.indices[0]; zeros.count() > 0)  // without elements there is no memory
      std::fill_n(static_cast<int64_t*>(zeros.host_data()), zeros.count(), 0);
    choice.spans.push_back(1);
    choice.axes.push_back(0);
    choice.x = ops::expand_dims(x, {static_cast<int64_t>(choice.before)});
    choice.count = 1;
    return choice;
  }
  Dims order;
  for (size_t i = 0; i < choice.before; ++i) order.push_back(rest[i]);
  for (int64_t one : chosen) order.push_back(one);
  for (size_t i = choice.before; i < rest.size(); ++i) order.push_back(rest[i]);
  choice.x = order == all_axes(x.ndim()) ? x : ops::permute_dims(x, order);
  choice.count = chosen.size();
  return choice;
}

// One index over all the axes that are chosen from, taken together.
Tensor joined(const Choice& choice) {
  if (choice.indices.size() == 1 && choice.indices[0].shape() == choice.shape) return choice.indices[0];
  Dims sizes;
  size_t axis = choice.before;
  bool known = true;
  for (size_t i = 0; i < choice.indices.size(); ++i) {
    int64_t size = 1;
    for (int64_t k = 0; k < choice.spans[i]; ++k) size *= choice.x.shape()[axis++];
    sizes.push_back(size);
    known = known && choice.indices[i].has_value();
  }
  std::optional<Unrecorded> off;
  if (known) off.emplace();
  std::vector<Tensor> spread;
  Device* device = known ? cpu() : choice.x.device();
  const DType dtype = device->stores(DType::Int64) ? DType::Int64 : DType::Int32;
  for (const Tensor& indices : choice.indices)
    spread.push_back(ops::broadcast_to(to_device(cast(indices, dtype), device), choice.shape));
  return ops::join_indices(spread, sizes, choice.axes);
}

Tensor apply_chosen(const Tensor& x, const std::vector<Part>& parts) {
  const Choice choice = choose(x, parts);
  const Tensor index = to_device(joined(choice), choice.x.device());
  const auto axis = static_cast<int64_t>(choice.before);
  if (choice.count == 1) return ops::take(choice.x, index, axis);
  Dims flat;
  int64_t size = 1;
  for (size_t i = 0; i < choice.x.shape().size(); ++i) {
    const bool inside = i >= choice.before && i < choice.before + choice.count;
    if (inside) size *= choice.x.shape()[i];
    else flat.push_back(choice.x.shape()[i]);
    if (i + 1 == choice.before + choice.count) flat.push_back(size);
  }
  return ops::take(ops::reshape(choice.x, flat), index, axis);
}

bool is_basic(const std::vector<Part>& parts) {
  return std::none_of(parts.begin(), parts.end(), [](const Part& part) { return part.kind == Part::Chosen; });
}

// How far each chosen place lies from the first element of choice.x, in elements.
std::vector<int64_t> offsets_of(const Choice& choice) {
  std::vector<int64_t> offsets(static_cast<size_t>(count_of(choice.shape)), 0);
  size_t axis = choice.before;
  for (size_t i = 0; i < choice.indices.size(); ++i) {
    const Tensor spread = contiguous(ops::broadcast_to(choice.indices[i], choice.shape));
    const auto* index = static_cast<const int64_t*>(spread.host_data());
    const size_t end = axis + static_cast<size_t>(choice.spans[i]);
    for (size_t k = 0; k < offsets.size(); ++k) {
      int64_t rest = index[k];
      for (size_t a = end; a-- > axis;) {
        offsets[k] += rest % choice.x.shape()[a] * choice.x.strides()[a];
        rest /= choice.x.shape()[a];
      }
    }
    axis = end;
  }
  return offsets;
}

// Copies `from` (contiguous; axes before, those of the indices, axes after) to the chosen places.
void write_chosen(const Choice& choice, const Tensor& from) {
  if (from.count() == 0) return;
  const size_t size = size_of(from.dtype());
  const std::span<const int64_t> shape = choice.x.shape(), strides = choice.x.strides();
  const auto after = choice.before + choice.count;
  int64_t run = 1;
  for (size_t i = after; i < shape.size(); ++i) run *= shape[i];
  const std::vector<int64_t> offsets = offsets_of(choice);
  const auto* source = static_cast<const char*>(from.host_data());
  auto* base = static_cast<char*>(choice.x.host_data());
  Dims at = Dims::filled(choice.before, 0);
  for (int64_t done = 0; done < from.count();) {
    int64_t start = 0;
    for (size_t i = 0; i < choice.before; ++i) start += at[i] * strides[i];
    for (int64_t offset : offsets) {
      ops::write_elements(base + (start + offset) * static_cast<int64_t>(size), shape.subspan(after), strides.subspan(after), size,
                          source + static_cast<size_t>(done) * size);
      done += run;
    }
    for (size_t i = choice.before; i-- > 0;) {
      if (++at[i] < shape[i]) break;
      at[i] = 0;
    }
  }
}

constexpr InPlace kWrite{"x[...] = value", "fl.where(mask, value, x), or fl.index_put(x, key, value)"};

Tensor index_put(const Tensor& x, PyObject* key, const Tensor& value) {
  static const py::handle function = py::object(py::module_::import("flambeau.sorting").attr("index_put")).release();
  return function(x, py::handle(key), cast(to_device(value, x.device()), x.dtype())).cast<Tensor>();
}

// In a recorded function a write is an op of the graph, into all of x.
void record_write(const Tensor& x, PyObject* key, const std::vector<Part>& parts, const Tensor& value) {
  const bool whole = is_basic(parts) && apply_basic(x, parts).get() == x.get();
  const Tensor values = whole ? ops::broadcast_to(cast(to_device(value, x.device()), x.dtype()), x.shape()) : index_put(x, key, value);
  apply(op_named("assign"), {x, values});
}

// `value` in the shape that the index chooses. Leading 1s say nothing.
Tensor spread(Tensor value, const Dims& shape) {
  Dims trimmed = value.shape();
  while (trimmed.size() > shape.size() && trimmed[0] == 1) trimmed.erase(0);
  if (!(trimmed == value.shape())) value = ops::reshape(value, trimmed);
  if (!broadcasts_to(value.shape(), shape))
    raise(ErrorKind::Shape, "x[...] = value: a value of shape ", value.shape(), " does not fit the ", shape, " that the index chooses");
  return ops::broadcast_to(value, shape);
}

void write(const Tensor& x, const std::vector<Part>& parts, Tensor value) {
  if (x.count() == 0) return;
  if (is_basic(parts)) {
    const Tensor window = apply_basic(x.detach(), parts);
    ops::write_into(window, spread(cast(to_device(value, x.device()), x.dtype()), window.shape()));
    return;
  }
  if (!x.device()->host_memory()) {  // through the host and back
    const Tensor host = to_device(x, cpu());
    write(host, parts, to_device(value, cpu()));
    ops::write_into(x, to_device(host, x.device()));
    return;
  }
  value = cast(to_device(value, x.device()), x.dtype());
  const Choice choice = choose(x.detach(), parts);
  Dims shape;
  for (size_t i = 0; i < choice.before; ++i) shape.push_back(choice.x.shape()[i]);
  for (int64_t size : choice.shape) shape.push_back(size);
  for (size_t i = choice.before + choice.count; i < choice.x.shape().size(); ++i) shape.push_back(choice.x.shape()[i]);
  Tensor dense = contiguous(spread(value, shape));
  if (dense.count() == 0) return;
  if (ops::shares_memory(dense, x)) dense = apply(op_named("copy"), {dense});
  write_chosen(choice, dense);
  x->storage->version.fetch_add(1, std::memory_order_relaxed);
}

// With gradients x becomes what fl.index_put makes of it.
Tensor put(const Tensor& x, PyObject* key, const Tensor& value) {
  const Tensor both[] = {x, value};
  return take_result(kWrite, both, [&](const Tensor& before) { return index_put(before, key, value); });
}

// Whether the key is a bool tensor of x's shape: then x[mask] = one number needs no list of places.
bool is_whole_mask(const Tensor& x, PyObject* key) {
  if (!is_tensor(key)) return false;
  const Tensor& mask = tensor_of(key);
  return mask.dtype() == DType::Bool && mask.shape() == x.shape() && mask.has_value() && mask.device() == cpu() &&
         x.device() == cpu() && x.count() > 0 && x.contiguous() && !ops::shares_memory(mask, x);
}
// False, and nothing written, if the value is not one number.
bool write_where(const Tensor& x, const Tensor& mask, const Tensor& from) {
  if (from.count() != 1) return false;
  static const OpRow &where = op_named("where"), &copy = op_named("copy");
  Tensor value = ops::reshape(cast(to_device(from, cpu()), x.dtype()), {});
  if (ops::shares_memory(value, x)) value = apply(copy, {value});
  const Tensor target = x.detach(), inputs[] = {mask, value, target};
  if (!launch(where, cpu(), inputs, {}, {&target, 1})) return false;
  x->storage->version.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Tensor x = tensor_of(self);  // a key that is an object may run any program
    const auto parts = read_key(x, key);
    if (!is_basic(parts)) return wrap(apply_chosen(x, parts));
    Tensor result = apply_basic(x, parts);
    if (result.get() == x.get())  // x[:] is another tensor over the same memory: its hooks and its requires_grad are its own
      result = ops::slice(x, Dims::filled(x.shape().size(), 0), x.shape(), Dims::filled(x.shape().size(), 1));
    return wrap(std::move(result));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded([&] {
    if (!value) raise(ErrorKind::Type, "del x[...]: elements of a tensor cannot be deleted");
    const Tensor x = tensor_of(self);
    ops::require_writable(kWrite.doing, x);
    if (x.requires_grad() && grad_enabled() && is_leaf(x))
      raise(ErrorKind::Runtime, "x[...] = value: the tensor requires a gradient, which the write would make wrong; use "
            "fl.where(mask, value, x), or write under fl.no_grad()");
    const bool masked = is_whole_mask(x, key);
    std::vector<Part> parts;
    if (!masked) parts = read_key(x, key);
    Tensor from;
    if (is_tensor(value)) {
      from = tensor_of(value);
      if (!recorder() && !from.is_batched()) require_value(from, kWrite.doing);
    } else if (auto number = scalar_operand("x[...] = value", value, x)) {
      from = *number;
    } else {
      from = tensor_from(value, std::nullopt, cpu(), true);
    }
    if (is_complex(from.dtype()) && !is_complex(x.dtype()))
      raise(ErrorKind::DType, "x[...] = value: the value is ", from.dtype(), " and the tensor ", x.dtype(),
            ", which would lose the imaginary part; write fl.real(value)");
    if (is_inexact(from.dtype()) && !is_inexact(x.dtype()))
      raise(ErrorKind::DType, "x[...] = value: the value is ", from.dtype(), " and the tensor ", x.dtype(),
            ", which would lose its fraction; cast it with value.astype(fl.", x.dtype(), ")");
    if (x.is_batched() || from.is_batched() || (grad_enabled() && (x.requires_grad() || from.requires_grad()))) {
      stand_for(self, put(x, key, from));
      return 0;
    }
    if (!recorder()) require_value(x, kWrite.doing);
    NoGrad off;
    if (masked && !recorder() && write_where(x, tensor_of(key), from)) return 0;
    if (masked) parts = read_key(x, key);
    if (recorder()) record_write(x, key, parts, from);
    else write(x, parts, from);
    return 0;
  });
}

}  // namespace flambeau::python
