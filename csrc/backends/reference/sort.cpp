// sort.cpp: order along an axis, places in sorted numbers, places that are not zero. NaN counts as larger than every
// number.
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstring>
#include <numeric>
#include <string_view>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

// Whether a comes before b in ascending order.
bool before(Type type, const char* a, const char* b) {
  if (type == Type::kUInt64) {
    return static_cast<uint64_t>(load_int(type, a)) < static_cast<uint64_t>(load_int(type, b));
  }
  if (!is_float(type)) return load_int(type, a) < load_int(type, b);
  double x = load_float(type, a), y = load_float(type, b);
  return x < y || (std::isnan(y) && !std::isnan(x));
}

int64_t step_of(const fl_tensor& tensor, int32_t axis) {
  return tensor.strides[axis] * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
}

// argsort(x; axis, descending, stable): always stable.
fl_status run_argsort(const Loop&, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& out = call.outputs[0];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  bool descending = attr_bool(call, 1);
  Type type = type_of(x.dtype);
  int64_t size = x.shape[axis], from_step = step_of(x, axis), to_step = step_of(out, axis);
  if (element_count(x) == 0) return FL_OK;
  View lines(x), results(out);
  lines.fix(axis, 0);
  results.fix(axis, 0);
  std::vector<int64_t> order(static_cast<size_t>(size));
  for (Walk walk(x.ndim, lines.get()->shape, {lines.get(), results.get()}); !walk.done(); walk.next()) {
    const char* line = walk.at(0);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      const char *first = line + a * from_step, *second = line + b * from_step;
      return descending ? before(type, second, first) : before(type, first, second);
    });
    for (int64_t i = 0; i < size; ++i) store_int(type_of(out.dtype), walk.at(1) + i * to_step, order[static_cast<size_t>(i)]);
  }
  return FL_OK;
}

// searchsorted(x1, x2; side).
fl_status run_searchsorted(const Loop&, const fl_call& call) {
  const fl_tensor& sorted = call.inputs[0];
  const fl_tensor& wanted = call.inputs[1];
  const fl_tensor& out = call.outputs[0];
  bool right = std::string_view(call.attrs[0].value.text) == "right";
  Type type = type_of(sorted.dtype);
  int64_t step = step_of(sorted, 0);
  for (Walk walk(out.ndim, out.shape, {&out, &wanted}); !walk.done(); walk.next()) {
    int64_t low = 0, high = sorted.shape[0];
    while (low < high) {
      int64_t middle = low + (high - low) / 2;
      const char* element = data(sorted) + middle * step;
      bool goes_behind = right ? !before(type, walk.at(1), element) : before(type, element, walk.at(1));
      if (goes_behind) low = middle + 1;
      else high = middle;
    }
    store_int(type_of(out.dtype), walk.at(0), low);
  }
  return FL_OK;
}

// nonzero(x; count).
fl_status run_nonzero(const Loop& loop, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(x.dtype);
  int64_t found = 0, place = 0, count = attr_int(call, 0), step = step_of(out, 0);
  for (Walk walk(x.ndim, x.shape, {&x}); !walk.done() && found < count; walk.next(), ++place) {
    bool there = is_float(type) || is_complex(type) ? load_complex(type, walk.at(0)) != 0.0
                                                    : load_int(type, walk.at(0)) != 0;
    if (there) store_int(type_of(out.dtype), data(out) + found++ * step, place);
  }
  if (found == count) return FL_OK;
  return refuse(FL_BAD_VALUE, "%s: count is %" PRId64 ", but only %" PRId64 " elements are not 0", loop.name, count, found);
}

}  // namespace

void add_sort(Loops& loops) {
  auto places = [](const Loop&, const Type* t, int32_t n) { return n == 2 && is_integer(t[1]); };
  loops.push_back({"argsort", places, run_argsort});
  loops.push_back({"nonzero", places, run_nonzero});
  loops.push_back({"searchsorted",
                   [](const Loop&, const Type* t, int32_t n) { return n == 3 && t[0] == t[1] && is_integer(t[2]); },
                   run_searchsorted});
}

}  // namespace flambeau::reference
