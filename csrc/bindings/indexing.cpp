// x[key] and x[key] = value.
#include <algorithm>

#include "autograd/autograd.h"
#include "bindings/python.h"
#include "core/half.h"
#include "ops/ops.h"

namespace flambeau::python {
namespace {

// What a key says about one axis of x, or that it adds one.
struct Part {
  enum Kind { Whole, Window, One, New, Chosen } kind;
  int64_t start = 0, stop = 0, step = 1;  // Window; start alone for One
  Tensor indices;                         // Chosen: int64, on the CPU, not negative
  bool recorded = false;                  // indices whose values are not known
};

[[noreturn]] void refuse_key(PyObject* key) {
  raise(ErrorKind::Index, "index: ", Py_TYPE(key)->tp_name, " is not understood; use integers, slices, None, ..., integer tensors or "
        "lists, or a bool tensor");
}

bool is_integer_key(PyObject* key) {
  return PyLong_Check(key) || (!is_tensor(key) && !PySlice_Check(key) && PyIndex_Check(key));
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
  NoGrad off;
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

// The places where a bool tensor is true, one list of positions for each of its axes.
std::vector<Tensor> true_places(const Tensor& mask) {
  const Tensor host = readable(mask, "index by a bool tensor");
  const auto* at = host.count() ? static_cast<const bool*>(host.host_data()) : nullptr;
  const int64_t found = at ? std::count(at, at + host.count(), true) : 0;
  std::vector<Tensor> places;
  for (int64_t i = 0; i < host.ndim(); ++i) places.push_back(Tensor::empty({found}, DType::Int64, cpu()));
  const Dims steps = contiguous_strides(host.shape());
  for (int64_t i = 0, next = 0; i < host.count(); ++i) {
    if (!at[i]) continue;
    for (size_t axis = 0; axis < places.size(); ++axis)
      static_cast<int64_t*>(places[axis].host_data())[next] = i / steps[axis] % host.shape()[axis];
    ++next;
  }
  return places;
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
      else if (PyList_Check(item) || PyBool_Check(item) || PyObject_CheckBuffer(item) || PyTuple_Check(item)) {
        t = tensor_from(item, std::nullopt, cpu(), true);
        if (t.count() == 0 && t.dtype() == DType::Float32) t = cast(t, DType::Int64);  // []
      } else refuse_key(item);
      if (is_float(t.dtype())) raise(ErrorKind::Index, "index: a tensor of ", t.dtype(), " cannot index; cast it with x.astype(fl.int64)");
      used += t.dtype() == DType::Bool ? t.ndim() : 1;
    }
  }
  const int64_t ndim = x.ndim();
  if (used > ndim) raise(ErrorKind::Index, "index: ", used, " indices for a tensor of shape ", x.shape(), ", which has ", ndim, " dimensions");

  std::vector<Part> parts;
  size_t axis = 0;
  const auto whole = [&](int64_t times) {
    for (; times > 0; --times, ++axis) parts.push_back({Part::Whole, 0, x.shape()[axis], 1, {}, false});
  };
  for (Py_ssize_t i = 0; i < count; ++i) {
    PyObject* item = items[i];
    if (i == ellipsis) {
      whole(ndim - used);
    } else if (item == Py_None) {
      parts.push_back({Part::New, 0, 0, 1, {}, false});
    } else if (tensors[static_cast<size_t>(i)].defined()) {
      const Tensor& t = tensors[static_cast<size_t>(i)];
      if (t.dtype() != DType::Bool) {
        if (t.ndim() == 0 && t.has_value()) {
          parts.push_back({Part::One, load_int(settled(t, x.shape()[axis], axis).host_data(), DType::Int64), 0, 1, {}, false});
        } else {
          const bool known = t.has_value();
          parts.push_back({Part::Chosen, 0, 0, 1, known ? settled(t, x.shape()[axis], axis) : t, !known});
        }
        ++axis;
        continue;
      }
      if (t.ndim() == 0) {  // x[True] adds an axis with one or no element
        parts.push_back({Part::New, 0, 0, 1, {}, false});
        Tensor places = Tensor::empty({load_int(readable(t, "index").host_data(), DType::Bool)}, DType::Int64, cpu());
        if (places.count()) *static_cast<int64_t*>(places.host_data()) = 0;
        parts.back() = {Part::Chosen, -1, 0, 1, places, false};
        continue;
      }
      for (int64_t d = 0; d < t.ndim(); ++d)
        if (t.size(d) != x.shape()[axis + static_cast<size_t>(d)])
          raise(ErrorKind::Index, "index: a bool tensor of shape ", t.shape(), " does not fit the axes from ", axis, " on of shape ", x.shape());
      for (const Tensor& places : true_places(t)) {
        parts.push_back({Part::Chosen, 0, 0, 1, places, false});
        ++axis;
      }
    } else if (PySlice_Check(item)) {
      Py_ssize_t start, stop, step;
      if (PySlice_Unpack(item, &start, &stop, &step) < 0) throw PythonError{};
      const int64_t size = x.shape()[axis++];
      const Py_ssize_t length = PySlice_AdjustIndices(size, &start, &stop, step);
      if (length == size && step == 1) parts.push_back({Part::Whole, 0, size, 1, {}, false});
      else parts.push_back({Part::Window, start, length == 0 ? start : stop, step, {}, false});
    } else {
      parts.push_back({Part::One, position(item, x.shape()[axis], axis), 0, 1, {}, false});
      ++axis;
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

// Index tensors: neighbours become one flat index, taken along one axis.
Tensor apply_chosen(Tensor x, const std::vector<Part>& parts) {
  // Basic parts first; what is left is a Whole or a Chosen for each axis of the result.
  std::vector<Part> basic = parts;
  std::vector<Tensor> chosen;  // by axis after the basic step; undefined where whole
  for (Part& part : basic) {
    if (part.kind == Part::One) continue;
    chosen.push_back(part.kind == Part::Chosen ? part.indices : Tensor());
    if (part.kind == Part::Chosen) part.kind = part.start == -1 ? Part::New : Part::Whole;
  }
  x = apply_basic(x, basic);

  Dims axes;
  Dims shape;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (!chosen[i].defined()) continue;
    axes.push_back(static_cast<int64_t>(i));
    shape = broadcast_shapes("index", shape, chosen[i].shape());
  }
  // A single position beside index tensors stands for a list of one to NumPy; here it was dropped before, which puts
  // the result's axes in the same place unless whole axes stand between them.
  bool neighbours = true;
  for (size_t i = 1; i < axes.size(); ++i) neighbours = neighbours && axes[i] == axes[i - 1] + 1;
  if (axes.size() == 1) return ops::take(x, to_device(chosen[static_cast<size_t>(axes[0])], x.device()), axes[0]);
  for (int64_t axis : axes)
    if (!chosen[static_cast<size_t>(axis)].has_value())
      raise(ErrorKind::NotImplemented, "index: several index tensors while recording; use fl.take or fl.take_along_axis");

  if (!neighbours) {
    Dims order = axes;
    for (int64_t i = 0; i < x.ndim(); ++i)
      if (std::find(axes.begin(), axes.end(), i) == axes.end()) order.push_back(i);
    x = ops::permute_dims(x, order);
  }
  const auto first = static_cast<size_t>(neighbours ? axes[0] : 0);
  Dims flat;
  int64_t joined = 1;
  for (size_t i = 0; i < x.shape().size(); ++i) {
    const bool inside = i >= first && i < first + axes.size();
    if (inside) joined *= x.shape()[i];
    else flat.push_back(x.shape()[i]);
    if (i + 1 == first + axes.size()) flat.push_back(joined);
  }
  Tensor index;
  {
    NoGrad quiet;
    for (size_t i = 0; i < axes.size(); ++i) {
      const Tensor& part = chosen[static_cast<size_t>(axes[i])];
      index = index.defined() ? ops::add(ops::multiply(index, static_cast<double>(x.shape()[first + i])), part) : part;
    }
    index = to_device(contiguous(ops::broadcast_to(index, shape)), x.device());
  }
  return ops::take(ops::reshape(x, flat), index, static_cast<int64_t>(first));
}

bool is_basic(const std::vector<Part>& parts) {
  return std::none_of(parts.begin(), parts.end(), [](const Part& part) { return part.kind == Part::Chosen; });
}

// Copies `from` (contiguous, same shape) into the elements of the window `to`; both on the host.
void write_window(const Tensor& to, const Tensor& from) {
  const size_t size = size_of(to.dtype());
  const auto* source = static_cast<const char*>(from.host_data());
  auto* base = static_cast<char*>(to.host_data());
  const Dims& shape = to.shape();
  Dims at = Dims::filled(shape.size(), 0);
  const bool rows = !shape.empty() && to.strides().back() == 1;
  const int64_t run = rows ? shape.back() : 1;
  const size_t outer = rows ? shape.size() - 1 : shape.size();
  for (int64_t done = 0; done < to.count(); done += run) {
    int64_t offset = 0;
    for (size_t i = 0; i < outer; ++i) offset += at[i] * to.strides()[i];
    std::memcpy(base + offset * static_cast<int64_t>(size), source + static_cast<size_t>(done) * size, static_cast<size_t>(run) * size);
    for (size_t i = outer; i-- > 0;) {
      if (++at[i] < shape[i]) break;
      at[i] = 0;
    }
  }
}

void check_writable(const Tensor& x) {
  require_value(x, "x[...] = value");
  if (recorder()) raise(ErrorKind::Runtime, "x[...] = value: a recorded function cannot write into a tensor; use fl.where(mask, value, x)");
  if (x.requires_grad() && grad_enabled())
    raise(ErrorKind::Runtime, "x[...] = value: the tensor requires a gradient, which the write would make wrong; use "
          "fl.where(mask, value, x), or write under fl.no_grad()");
  if (x->storage && x->storage->read_only) raise(ErrorKind::Value, "x[...] = value: this memory is read-only; write into x.copy()");
}

void write(const Tensor& x, const std::vector<Part>& parts, Tensor value) {
  if (x.count() == 0) return;
  if (!x.device()->host_memory()) {
    // Through the host and back: the device sees one plain copy.
    if (!x.contiguous()) raise(ErrorKind::NotImplemented, "x[...] = value: a view on ", x.device()->name(), "; write into the whole tensor");
    const Tensor host = to_device(x, cpu());
    write(host, parts, to_device(value, cpu()));
    const uint64_t size = size_of(x.dtype());
    x.device()->copy_from_host(x->storage->memory, static_cast<uint64_t>(x->offset) * size, host.host_data(),
                               static_cast<uint64_t>(x.count()) * size);
    x->storage->version.fetch_add(1, std::memory_order_relaxed);
    return;
  }
  value = cast(to_device(value, x.device()), x.dtype());
  const auto shaped = [&](const Dims& shape) {
    Dims trimmed = value.shape();  // leading 1s say nothing
    while (trimmed.size() > shape.size() && trimmed[0] == 1) trimmed.erase(0);
    if (!(trimmed == value.shape())) value = ops::reshape(value, trimmed);
    bool fits = value.shape().size() <= shape.size();
    for (size_t i = 0; fits && i < value.shape().size(); ++i) {
      const int64_t size = value.shape()[value.shape().size() - 1 - i];
      fits = size == 1 || size == shape[shape.size() - 1 - i];
    }
    if (!fits)
      raise(ErrorKind::Shape, "x[...] = value: a value of shape ", value.shape(), " does not fit the ", shape, " that the index chooses");
    Tensor dense = contiguous(ops::broadcast_to(value, shape));
    if (dense->storage == x->storage) dense = apply(op_named("copy"), {dense});
    return dense;
  };
  if (is_basic(parts)) {
    const Tensor window = apply_basic(x.detach(), parts);
    if (window.count() == 0) return;
    write_window(window, shaped(window.shape()));
  } else {
    // The number of each chosen element, by choosing from the numbers of all.
    Tensor numbers = Tensor::empty(x.shape(), DType::Int64, cpu());
    auto* number = static_cast<int64_t*>(numbers.host_data());
    for (int64_t i = 0; i < x.count(); ++i) number[i] = i;
    const Tensor chosen = contiguous(apply_chosen(numbers, parts));
    const Tensor dense = shaped(chosen.shape());
    if (chosen.count() == 0) return;
    const size_t size = size_of(x.dtype());
    const auto* from = static_cast<const char*>(dense.host_data());
    auto* base = static_cast<char*>(x.host_data());
    const auto* which = static_cast<const int64_t*>(chosen.host_data());
    const Dims steps = contiguous_strides(x.shape());
    for (int64_t i = 0; i < chosen.count(); ++i) {
      int64_t offset = 0;
      for (size_t axis = 0; axis < steps.size(); ++axis) offset += which[i] / steps[axis] % x.shape()[axis] * x.strides()[axis];
      std::memcpy(base + offset * static_cast<int64_t>(size), from + static_cast<size_t>(i) * size, size);
    }
  }
  x->storage->version.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

PyObject* get_item(PyObject* self, PyObject* key) {
  return guarded([&] {
    const Tensor& x = tensor_of(self);
    const auto parts = read_key(x, key);
    if (!is_basic(parts)) return wrap(apply_chosen(x, parts));
    Tensor result = apply_basic(x, parts);
    return wrap(result.get() == x.get() ? ops::reshape(x, x.shape()) : std::move(result));
  });
}

int set_item(PyObject* self, PyObject* key, PyObject* value) {
  return guarded([&] {
    if (!value) raise(ErrorKind::Type, "del x[...]: elements of a tensor cannot be deleted");
    const Tensor& x = tensor_of(self);
    check_writable(x);
    const auto parts = read_key(x, key);
    NoGrad off;
    Tensor from;
    if (is_tensor(value)) {
      from = tensor_of(value);
      require_value(from, "x[...] = value");
    } else if (auto number = scalar_operand("x[...] = value", value, x)) {
      from = *number;
    } else {
      from = tensor_from(value, std::nullopt, cpu(), true);
    }
    if (is_float(from.dtype()) && !is_float(x.dtype()))
      raise(ErrorKind::DType, "x[...] = value: the value is ", from.dtype(), " and the tensor ", x.dtype(),
            ", which would lose its fraction; cast it with value.astype(fl.", x.dtype(), ")");
    write(x, parts, from);
    return 0;
  });
}

}  // namespace flambeau::python
