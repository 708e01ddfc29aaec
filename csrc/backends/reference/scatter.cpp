// scatter.cpp: writing at indices read from a tensor, and several indices made one. An index counts from the end if
// negative; values with the same index are taken in their order.
#include <cinttypes>
#include <cmath>
#include <cstring>
#include <string_view>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

enum class Reduce { kSet, kAdd, kMultiply, kMax, kMin };

Reduce reduce_named(std::string_view name) {
  if (name == "add") return Reduce::kAdd;
  if (name == "multiply") return Reduce::kMultiply;
  if (name == "max") return Reduce::kMax;
  return name == "min" ? Reduce::kMin : Reduce::kSet;
}

template <class T>
T combined(Reduce reduce, T kept, T value) {
  switch (reduce) {
    case Reduce::kAdd: return kept + value;
    case Reduce::kMultiply: return kept * value;
    case Reduce::kMax: return kept != kept || kept > value ? kept : value;  // NaN wins
    case Reduce::kMin: return kept != kept || kept < value ? kept : value;
    default: return value;
  }
}

int64_t index_at(const Loop& loop, Type type, const char* from, int64_t size, int64_t axis) {
  int64_t index = load_int(type, from);
  if (index >= -size && index < size) return index < 0 ? index + size : index;
  refuse(FL_BAD_INDEX, "%s: index %" PRId64 " is out of range for axis %" PRId64 ", which is %" PRId64
         " long: indices go from %" PRId64 " to %" PRId64, loop.name, index, axis, size, -size, size - 1);
  return -1;
}

// x in row-major order, as doubles (floats) or int64 (all else), and back.
struct Dense {
  explicit Dense(const fl_tensor& x) : type(type_of(x.dtype)) {
    for (Walk walk(x.ndim, x.shape, {&x}); !walk.done(); walk.next()) {
      if (is_complex(type)) pairs.push_back(load_complex(type, walk.at(0)));
      else if (is_float(type)) reals.push_back(load_float(type, walk.at(0)));
      else wholes.push_back(static_cast<uint64_t>(load_int(type, walk.at(0))));
    }
  }
  void put(Reduce reduce, int64_t place, const char* value) {
    auto at = static_cast<size_t>(place);
    if (is_complex(type)) {
      const Complex given = load_complex(type, value);
      pairs[at] = reduce == Reduce::kAdd ? pairs[at] + given : reduce == Reduce::kMultiply ? pairs[at] * given : given;
    } else if (is_float(type)) {
      reals[at] = combined(reduce, reals[at], load_float(type, value));
    } else if ((reduce == Reduce::kMax || reduce == Reduce::kMin) && type != Type::kUInt64) {
      wholes[at] = static_cast<uint64_t>(combined(reduce, static_cast<int64_t>(wholes[at]), load_int(type, value)));
    } else {
      wholes[at] = combined(reduce, wholes[at], static_cast<uint64_t>(load_int(type, value)));  // wraps
    }
  }
  void store(const fl_tensor& out) const {
    size_t i = 0;
    for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next(), ++i) {
      if (is_complex(type)) store_complex(type, walk.at(0), pairs[i]);
      else if (is_float(type)) store_float(type, walk.at(0), reals[i]);
      else store_int(type, walk.at(0), static_cast<int64_t>(wholes[i]));
    }
  }
  Type type;
  std::vector<double> reals;
  std::vector<Complex> pairs;
  std::vector<uint64_t> wholes;
};

// put and scatter(x, indices, values; axis, reduce). The axes of values are those of x, where `axis` is replaced by the
// axes of the indices (put), or is another size (scatter).
fl_status run_scatter(const Loop& loop, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& indices = call.inputs[1];
  const fl_tensor& values = call.inputs[2];
  bool parts = std::string_view(loop.name) == "put";
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  int32_t index_ndim = parts ? indices.ndim : 1;
  Reduce reduce = reduce_named(call.attrs[1].value.text);
  auto element = static_cast<int64_t>(size_of(type_of(indices.dtype)));
  std::vector<int64_t> strides(static_cast<size_t>(x.ndim), 1);  // of x in row-major order
  for (int32_t i = x.ndim - 1; i-- > 0;) strides[static_cast<size_t>(i)] = strides[static_cast<size_t>(i) + 1] * x.shape[i + 1];

  Dense result(x);
  for (Walk walk(values.ndim, values.shape, {&values}); !walk.done(); walk.next()) {
    int64_t at = 0;  // of the index, in elements
    for (int32_t i = 0; i < indices.ndim; ++i) at += walk.index(parts ? axis + i : i) * indices.strides[i];
    int64_t index = index_at(loop, type_of(indices.dtype), data(indices) + at * element, x.shape[axis], axis);
    if (index < 0) return FL_BAD_INDEX;
    int64_t place = 0;
    for (int32_t i = 0; i < x.ndim; ++i) {
      int64_t here = i == axis ? index : walk.index(i < axis ? i : i + index_ndim - 1);
      place += here * strides[static_cast<size_t>(i)];
    }
    result.put(reduce, place, walk.at(0));
  }
  result.store(call.outputs[0]);
  return FL_OK;
}

// join_indices(indices...; sizes, axes).
fl_status run_join(const Loop&, const fl_call& call) {
  Ints sizes = attr_ints(call, 0), axes = attr_ints(call, 1);
  const fl_tensor& out = call.outputs[0];
  for (int32_t k = 0; k < call.input_count; ++k) {
    const fl_tensor& indices = call.inputs[k];
    int64_t size = sizes.begin[k];
    for (Walk walk(out.ndim, out.shape, {&out, &indices}); !walk.done(); walk.next()) {
      int64_t index = load_int(Type::kInt64, walk.at(1));
      if (index < -size || index >= size) {
        return refuse(FL_BAD_INDEX, "index: %" PRId64 " is out of range for axis %" PRId64 " with size %" PRId64, index,
                      axes.begin[k], size);
      }
      int64_t before = k ? load_int(Type::kInt64, walk.at(0)) * size : 0;
      store_int(Type::kInt64, walk.at(0), before + (index < 0 ? index + size : index));
    }
  }
  return FL_OK;
}

}  // namespace

void add_scatter(Loops& loops) {
  auto any = [](const Loop&, const Type* t, int32_t n) {
    return n == 4 && is_integer(t[1]) && t[0] == t[2] && t[0] == t[3];
  };
  loops.push_back({"put", any, run_scatter});
  loops.push_back({"scatter", any, run_scatter});
  loops.push_back({"join_indices",
                   [](const Loop&, const Type* t, int32_t n) { return n == 2 && t[0] == Type::kInt64 && t[1] == t[0]; },
                   run_join});
}

}  // namespace flambeau::reference
