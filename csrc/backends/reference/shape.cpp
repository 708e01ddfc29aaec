// shape.cpp: ops that move elements without computing: concat, slice_grad, full, arange.
#include <cstring>

#include "values.h"

namespace flambeau::reference {

namespace {

void copy_into(View& to, const fl_tensor& from) {
  size_t size = size_of(type_of(from.dtype));
  for (Walk walk(from.ndim, from.shape, {to.get(), &from}); !walk.done(); walk.next()) {
    std::memcpy(walk.at(0), walk.at(1), size);
  }
}

// Attribute: axis.
fl_status run_concat(const Loop&, const fl_call& call) {
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  int64_t start = 0;
  for (int32_t i = 0; i < call.input_count; ++i) {
    const fl_tensor& part = call.inputs[i];
    View place(call.outputs[0]);
    place.slice(axis, start, part.shape[axis], 1);
    copy_into(place, part);
    start += part.shape[axis];
  }
  return FL_OK;
}

// Attributes: k, upper.
fl_status run_triangle(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  const int64_t k = attr_int(call, 0);
  const size_t size = size_of(type_of(out.dtype));
  for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0]}); !walk.done(); walk.next()) {
    const int64_t right = walk.index(out.ndim - 1) - walk.index(out.ndim - 2);  // of the main diagonal
    if (attr_bool(call, 1) ? right >= k : right <= k) std::memcpy(walk.at(0), walk.at(1), size);
    else std::memset(walk.at(0), 0, size);
  }
  return FL_OK;
}

void fill_zero(const fl_tensor& out) {
  size_t size = size_of(type_of(out.dtype));
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) std::memset(walk.at(0), 0, size);
}

// Attributes: shape, starts, stops, steps (all axes).
fl_status run_slice_grad(const Loop&, const fl_call& call) {
  const fl_tensor& g = call.inputs[0];
  fill_zero(call.outputs[0]);
  if (element_count(g) == 0) return FL_OK;
  View place(call.outputs[0]);
  for (int32_t axis = 0; axis < g.ndim; ++axis) {
    place.slice(axis, attr_ints(call, 1).begin[axis], g.shape[axis], attr_ints(call, 3).begin[axis]);
  }
  copy_into(place, g);
  return FL_OK;
}

// Attributes: shape, value, value_int, dtype, imaginary. Integers and bool take value_int.
fl_status run_full(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    if (is_float(type)) {
      store_float(type, walk.at(0), attr_float(call, 1));
    } else if (is_complex(type)) {
      store_complex(type, walk.at(0), {attr_float(call, 1), attr_float(call, 4)});
    } else {
      store_int(type, walk.at(0), attr_int(call, 2));
    }
  }
  return FL_OK;
}

// Attributes: start, step, count, dtype. Integer types compute in int64.
fl_status run_arange(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  double start = attr_float(call, 0);
  double step = attr_float(call, 1);
  int64_t i = 0;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next(), ++i) {
    if (is_float(type) || is_complex(type)) {
      store_complex(type, walk.at(0), start + static_cast<double>(i) * step);
    } else {
      store_int(type, walk.at(0), static_cast<int64_t>(start) + i * static_cast<int64_t>(step));
    }
  }
  return FL_OK;
}

}  // namespace

void add_shape(Loops& loops) {
  auto same = [](const Loop&, const Type* t, int32_t n) { return n == 2 && t[0] == t[1]; };
  auto any = [](const Loop&, const Type*, int32_t n) { return n == 1; };
  auto number = [](const Loop&, const Type* t, int32_t n) { return n == 1 && t[0] != Type::kBool; };
  loops.push_back({"concat", same, run_concat});
  loops.push_back({"slice_grad", same, run_slice_grad});
  loops.push_back({"triangle", same, run_triangle});
  loops.push_back({"full", any, run_full});
  loops.push_back({"arange", number, run_arange});
}

}  // namespace flambeau::reference
