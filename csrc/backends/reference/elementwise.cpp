// elementwise.cpp: what each pointwise op gives, element by element.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <numbers>

#include "values.h"

namespace flambeau::reference {

namespace {

using Real = double (*)(const double* x);
using Whole = int64_t (*)(const int64_t* x);

// One function for floats, one for bool and integers; none where the op does not take them.
struct Pointwise {
  const char* name;
  int32_t arity;
  Real real;
  Whole whole;
  bool gives_bool = false;
  bool takes_bool = false;
};

// Integers wrap: arithmetic is done without a sign.
int64_t wrapped(uint64_t value) { return static_cast<int64_t>(value); }
uint64_t bits(int64_t value) { return static_cast<uint64_t>(value); }

double sigmoid(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }

double gelu(double x) { return 0.5 * x * std::erfc(-x * std::numbers::sqrt2 / 2); }

double gelu_slope(double x) {
  double density = std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
  return 0.5 * std::erfc(-x * std::numbers::sqrt2 / 2) + (std::isinf(x) ? 0 : x * density);
}

constexpr double kGeluScale = 2 * std::numbers::inv_sqrtpi / std::numbers::sqrt2;  // sqrt(2 / pi)
constexpr double kGeluCubic = 0.044715;

// 0.5 (1 + tanh(t)) is sigmoid(2 t), which keeps its digits for large negative t.
double gelu_tanh(double x) {
  double share = sigmoid(2 * kGeluScale * (x + kGeluCubic * x * x * x));
  return share == 0 ? -0.0 : x * share;
}

double gelu_tanh_slope(double x) {
  double t = 2 * kGeluScale * (x + kGeluCubic * x * x * x);
  double share = sigmoid(t);
  double rest = share * sigmoid(-t);  // 1 - share would cancel
  // Where the share is settled, x squared may be infinite.
  return rest == 0 ? share : share + x * rest * 2 * kGeluScale * (1 + 3 * kGeluCubic * x * x);
}

// Python's: the remainder has the divisor's sign.
double remainder(double x, double y) {
  double rest = std::fmod(x, y);
  if (rest == 0) return std::copysign(0.0, y);
  return (rest < 0) != (y < 0) ? rest + y : rest;
}

double floor_divide(double x, double y) {
  if (y == 0) return x / y;
  double rest = std::fmod(x, y);
  double quotient = (x - rest) / y;
  if (rest != 0 && (rest < 0) != (y < 0)) quotient -= 1;
  if (quotient == 0) return std::copysign(0.0, x / y);
  double floor = std::floor(quotient);
  return quotient - floor > 0.5 ? floor + 1 : floor;
}

int64_t floor_divide_whole(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return wrapped(-bits(x));
  return x / y - (x % y != 0 && (x < 0) != (y < 0));
}

int64_t remainder_whole(int64_t x, int64_t y) {
  if (y == 0 || y == -1) return 0;
  int64_t rest = x % y;
  return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

// A negative exponent gives the true power cut toward zero: 0 unless the base is 1 or -1 (and 0 for base 0).
int64_t power_whole(int64_t base, int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  uint64_t result = 1;
  for (uint64_t square = bits(base); exponent != 0; exponent >>= 1, square *= square) {
    if (exponent & 1) result *= square;
  }
  return wrapped(result);
}

double larger(double x, double y) { return std::isnan(x) || x > y ? x : std::isnan(y) ? y : std::max(x, y); }
double smaller(double x, double y) { return std::isnan(x) || x < y ? x : std::isnan(y) ? y : std::min(x, y); }

#define REAL(expression) []([[maybe_unused]] const double* x) -> double { return (expression); }
#define WHOLE(expression) []([[maybe_unused]] const int64_t* x) -> int64_t { return (expression); }

const Pointwise kOps[] = {
    {"negative", 1, REAL(-x[0]), WHOLE(wrapped(-bits(x[0])))},
    {"abs", 1, REAL(std::fabs(x[0])), WHOLE(x[0] < 0 ? wrapped(-bits(x[0])) : x[0])},
    {"sign", 1, REAL(std::isnan(x[0]) ? x[0] : (x[0] > 0) - (x[0] < 0)), WHOLE((x[0] > 0) - (x[0] < 0))},
    {"square", 1, REAL(x[0] * x[0]), WHOLE(wrapped(bits(x[0]) * bits(x[0])))},
    {"floor", 1, REAL(std::floor(x[0])), WHOLE(x[0])},
    {"relu", 1, REAL(x[0] <= 0 ? 0 : x[0]), WHOLE(std::max<int64_t>(x[0], 0))},
    {"sqrt", 1, REAL(std::sqrt(x[0])), nullptr},
    {"exp", 1, REAL(std::exp(x[0])), nullptr},
    {"log", 1, REAL(std::log(x[0])), nullptr},
    {"tanh", 1, REAL(std::tanh(x[0])), nullptr},
    {"sigmoid", 1, REAL(sigmoid(x[0])), nullptr},
    {"isnan", 1, REAL(std::isnan(x[0])), WHOLE(0), true},
    {"isfinite", 1, REAL(std::isfinite(x[0])), WHOLE(1), true},
    {"logical_not", 1, nullptr, WHOLE(!x[0]), true, true},

    {"relu_grad", 2, REAL(x[1] <= 0 ? 0 : x[0]), nullptr},
    {"tanh_grad", 2, REAL(x[0] * (1 - x[1] * x[1])), nullptr},
    {"sigmoid_grad", 2, REAL(x[0] * (1 - x[1]) * x[1]), nullptr},

    {"add", 2, REAL(x[0] + x[1]), WHOLE(wrapped(bits(x[0]) + bits(x[1])))},
    {"subtract", 2, REAL(x[0] - x[1]), WHOLE(wrapped(bits(x[0]) - bits(x[1])))},
    {"multiply", 2, REAL(x[0] * x[1]), WHOLE(wrapped(bits(x[0]) * bits(x[1])))},
    {"divide", 2, REAL(x[0] / x[1]), nullptr},
    {"floor_divide", 2, REAL(floor_divide(x[0], x[1])), WHOLE(floor_divide_whole(x[0], x[1]))},
    {"remainder", 2, REAL(remainder(x[0], x[1])), WHOLE(remainder_whole(x[0], x[1]))},
    {"pow", 2, REAL(std::pow(x[0], x[1])), WHOLE(power_whole(x[0], x[1]))},
    {"maximum", 2, REAL(larger(x[0], x[1])), WHOLE(std::max(x[0], x[1]))},
    {"minimum", 2, REAL(smaller(x[0], x[1])), WHOLE(std::min(x[0], x[1]))},
    {"equal", 2, REAL(x[0] == x[1]), WHOLE(x[0] == x[1]), true, true},
    {"not_equal", 2, REAL(x[0] != x[1]), WHOLE(x[0] != x[1]), true, true},
    {"less", 2, REAL(x[0] < x[1]), WHOLE(x[0] < x[1]), true, true},
    {"less_equal", 2, REAL(x[0] <= x[1]), WHOLE(x[0] <= x[1]), true, true},
    {"greater", 2, REAL(x[0] > x[1]), WHOLE(x[0] > x[1]), true, true},
    {"greater_equal", 2, REAL(x[0] >= x[1]), WHOLE(x[0] >= x[1]), true, true},
    {"logical_and", 2, nullptr, WHOLE(x[0] && x[1]), true, true},
    {"logical_or", 2, nullptr, WHOLE(x[0] || x[1]), true, true},
    {"logical_xor", 2, nullptr, WHOLE(x[0] != x[1]), true, true},
};

// Chosen by the attribute `approximate`: the exact form, then the tanh form.
const Pointwise kGelu[2] = {{"gelu", 1, REAL(std::isinf(x[0]) && x[0] < 0 ? -0.0 : gelu(x[0])), nullptr},
                            {"gelu", 1, REAL(gelu_tanh(x[0])), nullptr}};
const Pointwise kGeluGrad[2] = {{"gelu_grad", 2, REAL(x[0] * gelu_slope(x[1])), nullptr},
                                {"gelu_grad", 2, REAL(x[0] * gelu_tanh_slope(x[1])), nullptr}};

#undef REAL
#undef WHOLE

fl_status run_pointwise(const Pointwise& op, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  const fl_tensor& first = call.inputs[0];
  const fl_tensor& second = call.inputs[op.arity - 1];
  Type type = type_of(first.dtype);
  Type out_type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out, &first, &second}); !walk.done(); walk.next()) {
    if (is_float(type)) {
      double x[2] = {load_float(type, walk.at(1)), load_float(type, walk.at(2))};
      store_float(out_type, walk.at(0), op.real(x));
    } else {
      int64_t x[2] = {load_int(type, walk.at(1)), load_int(type, walk.at(2))};
      store_int(out_type, walk.at(0), op.whole(x));
    }
  }
  return FL_OK;
}

bool takes_pointwise(const Loop& loop, const Type* types, int32_t count) {
  const Pointwise& op = *static_cast<const Pointwise*>(loop.detail);
  Type in = types[0];
  if (count != op.arity + 1 || types[op.arity - 1] != in) return false;
  if (types[op.arity] != (op.gives_bool ? Type::kBool : in)) return false;
  if (is_float(in)) return op.real != nullptr;
  return op.whole != nullptr && (is_integer(in) || (in == Type::kBool && op.takes_bool));
}

void copy_element(char* to, const char* from, Type type) { std::memcpy(to, from, size_of(type)); }

fl_status run_where(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  const fl_tensor* x = call.inputs;
  for (Walk walk(out.ndim, out.shape, {&out, &x[0], &x[1], &x[2]}); !walk.done(); walk.next()) {
    copy_element(walk.at(0), *walk.at(1) ? walk.at(2) : walk.at(3), type);
  }
  return FL_OK;
}

fl_status run_copy(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0]}); !walk.done(); walk.next()) {
    copy_element(walk.at(0), walk.at(1), type);
  }
  return FL_OK;
}

fl_status run_cast(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type from = type_of(call.inputs[0].dtype);
  Type to = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0]}); !walk.done(); walk.next()) {
    if (is_float(from)) {
      store_float(to, walk.at(0), load_float(from, walk.at(1)));
    } else {
      store_int(to, walk.at(0), load_int(from, walk.at(1)));
    }
  }
  return FL_OK;
}

}  // namespace

void add_elementwise(Loops& loops) {
  auto plain = [](const Loop& loop, const fl_call& call) {
    return run_pointwise(*static_cast<const Pointwise*>(loop.detail), call);
  };
  auto chosen = [](const Loop& loop, const fl_call& call) {
    return run_pointwise(static_cast<const Pointwise*>(loop.detail)[attr_bool(call, 0)], call);
  };
  for (const Pointwise& op : kOps) loops.push_back({op.name, takes_pointwise, plain, &op});
  loops.push_back({"gelu", takes_pointwise, chosen, kGelu});
  loops.push_back({"gelu_grad", takes_pointwise, chosen, kGeluGrad});

  auto takes_where = [](const Loop&, const Type* t, int32_t n) {
    return n == 4 && t[0] == Type::kBool && t[1] == t[2] && t[1] == t[3];
  };
  loops.push_back({"where", takes_where, run_where});
  loops.push_back({"copy", [](const Loop&, const Type* t, int32_t n) { return n == 2 && t[0] == t[1]; }, run_copy});
  loops.push_back({"cast", [](const Loop&, const Type*, int32_t n) { return n == 2; }, run_cast});
}

}  // namespace flambeau::reference
