// scan.cpp: running sums and products, and the linear recurrence s[i] = b[i] + a[i] s[i - 1]. Floats run in double and
// are rounded where they are stored.
#include "values.h"

namespace flambeau::reference {

namespace {

enum class Scan { kSum, kProduct, kRecurrence };

int64_t step_of(const fl_tensor& tensor, int32_t axis) {
  return tensor.strides[axis] * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
}

// op(inputs...; axis): the recurrence has a and b, the others x alone.
fl_status run_scan(const Loop& loop, const fl_call& call) {
  Scan scan = *static_cast<const Scan*>(loop.detail);
  const fl_tensor& x = call.inputs[call.input_count - 1];
  const fl_tensor& out = call.outputs[0];
  int32_t axis = static_cast<int32_t>(attr_int(call, 0));
  Type type = type_of(x.dtype);
  int64_t size = x.shape[axis], step = step_of(x, axis), to_step = step_of(out, axis);
  int64_t factor_step = step_of(call.inputs[0], axis);
  if (element_count(x) == 0) return FL_OK;
  View factors(call.inputs[0]), lines(x), results(out);
  for (View* view : {&factors, &lines, &results}) view->fix(axis, 0);
  const fl_tensor* line = lines.get();
  for (Walk walk(x.ndim, line->shape, {factors.get(), line, results.get()}); !walk.done(); walk.next()) {
    double real = scan == Scan::kProduct ? 1 : 0;
    Complex pair = real;
    uint64_t whole = scan == Scan::kProduct ? 1 : 0;  // wraps
    for (int64_t i = 0; i < size; ++i) {
      const char* from = walk.at(1) + i * step;
      char* to = walk.at(2) + i * to_step;
      if (is_complex(type)) {
        const Complex value = load_complex(type, from);
        if (scan == Scan::kRecurrence) pair = value + load_complex(type, walk.at(0) + i * factor_step) * pair;
        else pair = scan == Scan::kProduct ? pair * value : pair + value;
        store_complex(type, to, pair);
        continue;
      }
      if (!is_float(type)) {
        auto value = static_cast<uint64_t>(load_int(type, from));
        whole = scan == Scan::kProduct ? whole * value : whole + value;
        store_int(type, to, static_cast<int64_t>(whole));
        continue;
      }
      double value = load_float(type, from);
      if (scan == Scan::kRecurrence) real = value + load_float(type, walk.at(0) + i * factor_step) * real;
      else real = scan == Scan::kProduct ? real * value : real + value;
      store_float(type, to, real);
    }
  }
  return FL_OK;
}

constexpr Scan kSum = Scan::kSum, kProduct = Scan::kProduct, kRecurrence = Scan::kRecurrence;

}  // namespace

void add_scan(Loops& loops) {
  auto numbers = [](const Loop&, const Type* t, int32_t n) { return n == 2 && t[0] == t[1] && t[0] != Type::kBool; };
  auto floats = [](const Loop&, const Type* t, int32_t n) {
    return n == 3 && (is_float(t[0]) || is_complex(t[0])) && t[0] == t[1] && t[1] == t[2];
  };
  loops.push_back({"cumulative_sum", numbers, run_scan, &kSum});
  loops.push_back({"cumulative_prod", numbers, run_scan, &kProduct});
  loops.push_back({"linear_recurrence", floats, run_scan, &kRecurrence});
}

}  // namespace flambeau::reference
