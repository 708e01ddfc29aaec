// reduce.cpp: sums, extremes and their positions over some axes. Attributes: axes (sorted), keepdims, then dtype
// for sum. The output has as many dimensions as the input and is 1 long where it was reduced.
#include <cmath>

#include "values.h"

namespace flambeau::reference {

namespace {

// The elements that one output element is made of: reduced axes at full length, the others fixed.
View group_of(const fl_tensor& input, const Walk& at_output, Ints axes) {
  View group(input);
  for (int32_t axis = 0, next = 0; axis < input.ndim; ++axis) {
    if (next < axes.count && axes.begin[next] == axis) {
      ++next;
    } else {
      group.fix(axis, at_output.index(axis));
    }
  }
  return group;
}

fl_status run_sum(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type from = type_of(call.inputs[0].dtype);
  Type to = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View group = group_of(call.inputs[0], walk, attr_ints(call, 0));
    uint64_t whole = 0;
    double real = 0;
    Complex pair = 0;
    for (Walk item(out.ndim, group.shape.data(), {group.get()}); !item.done(); item.next()) {
      if (is_complex(to)) {
        pair += load_complex(from, item.at(0));
      } else if (is_float(from) || is_float(to)) {
        real += load_number(from, item.at(0));
      } else {
        whole += static_cast<uint64_t>(load_int(from, item.at(0)));
      }
    }
    if (is_complex(to)) {
      store_complex(to, walk.at(0), pair);
    } else if (is_float(from) || is_float(to)) {
      store_float(to, walk.at(0), real);
    } else {
      store_int(to, walk.at(0), static_cast<int64_t>(whole));
    }
  }
  return FL_OK;
}

fl_status run_mean(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View group = group_of(call.inputs[0], walk, attr_ints(call, 0));
    Complex total = 0;
    int64_t count = 0;
    for (Walk item(out.ndim, group.shape.data(), {group.get()}); !item.done(); item.next(), ++count) {
      total += load_complex(type, item.at(0));
    }
    store_complex(type, walk.at(0), {total.real() / static_cast<double>(count), total.imag() / static_cast<double>(count)});
  }
  return FL_OK;
}

// Whether `candidate` takes the place of `best`: it is further in the asked direction, or the first NaN.
bool beats(Type type, const char* candidate, const char* best, bool largest) {
  if (is_float(type)) {
    double x = load_float(type, candidate);
    double y = load_float(type, best);
    if (std::isnan(x) || std::isnan(y)) return std::isnan(x) && !std::isnan(y);
    return largest ? x > y : x < y;
  }
  int64_t x = load_int(type, candidate);
  int64_t y = load_int(type, best);
  if (type == Type::kUInt64) {
    const auto a = static_cast<uint64_t>(x), b = static_cast<uint64_t>(y);
    return largest ? a > b : a < b;
  }
  return largest ? x > y : x < y;
}

// What distinguishes max, min, argmax and argmin.
struct Extreme {
  bool largest;
  bool position;
};
constexpr Extreme kExtremes[] = {{true, false}, {false, false}, {true, true}, {false, true}};

fl_status run_extreme(const Loop& loop, const fl_call& call) {
  const Extreme& extreme = *static_cast<const Extreme*>(loop.detail);
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(call.inputs[0].dtype);
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View group = group_of(call.inputs[0], walk, attr_ints(call, 0));
    const char* best = nullptr;
    int64_t place = 0;
    int64_t position = 0;
    for (Walk item(out.ndim, group.shape.data(), {group.get()}); !item.done(); item.next(), ++position) {
      if (best && !beats(type, item.at(0), best, extreme.largest)) continue;
      best = item.at(0);
      place = position;
    }
    if (!best) return refuse(FL_BAD_VALUE, "%s: no elements to choose from", loop.name);
    if (extreme.position) {
      store_int(type_of(out.dtype), walk.at(0), place);
    } else if (is_float(type)) {
      store_float(type, walk.at(0), load_float(type, best));
    } else {
      store_int(type, walk.at(0), load_int(type, best));
    }
  }
  return FL_OK;
}

// `detail` is set for all, null for any.
fl_status run_truth(const Loop& loop, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(call.inputs[0].dtype);
  bool all = loop.detail != nullptr;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View group = group_of(call.inputs[0], walk, attr_ints(call, 0));
    bool truth = all;
    for (Walk item(out.ndim, group.shape.data(), {group.get()}); !item.done(); item.next()) {
      bool value = is_integer(type) || type == Type::kBool ? load_int(type, item.at(0)) != 0
                                                           : load_complex(type, item.at(0)) != 0.0;
      truth = all ? truth && value : truth || value;
    }
    store_int(Type::kBool, walk.at(0), truth);
  }
  return FL_OK;
}

bool is_number(Type type) { return is_float(type) || is_integer(type); }

}  // namespace

void add_reduce(Loops& loops) {
  auto to_number = [](const Loop&, const Type* t, int32_t n) {
    return n == 2 && (is_complex(t[1]) || (is_number(t[1]) && !is_complex(t[0])));
  };
  auto same_float = [](const Loop&, const Type* t, int32_t n) {
    return n == 2 && (is_float(t[0]) || is_complex(t[0])) && t[1] == t[0];
  };
  auto same_number = [](const Loop&, const Type* t, int32_t n) { return n == 2 && is_number(t[0]) && t[1] == t[0]; };
  auto number_to_index = [](const Loop&, const Type* t, int32_t n) {
    return n == 2 && is_number(t[0]) && t[1] == Type::kInt64;
  };
  auto to_bool = [](const Loop&, const Type* t, int32_t n) { return n == 2 && t[1] == Type::kBool; };
  loops.push_back({"sum", to_number, run_sum});
  loops.push_back({"mean", same_float, run_mean});
  loops.push_back({"max", same_number, run_extreme, &kExtremes[0]});
  loops.push_back({"min", same_number, run_extreme, &kExtremes[1]});
  loops.push_back({"argmax", number_to_index, run_extreme, &kExtremes[2]});
  loops.push_back({"argmin", number_to_index, run_extreme, &kExtremes[3]});
  loops.push_back({"any", to_bool, run_truth});
  loops.push_back({"all", to_bool, run_truth, &kExtremes});
}

}  // namespace flambeau::reference
