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
using Natural = uint64_t (*)(const uint64_t* x);
using Pair = Complex (*)(const Complex* x);

// One function for floats, one for bool and integers, one for complex numbers; none where the op does not take them.
// A uint64 goes through `natural`, or where the bits come out the same through `whole`.
struct Pointwise {
  const char* name;
  int32_t arity;
  Real real;
  Whole whole = nullptr;
  Pair complex = nullptr;
  Natural natural = nullptr;
  bool gives_bool = false;
  bool gives_real = false;  // of complex numbers
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
  if (y == 0 || std::isinf(x) || std::isinf(y)) return x / y;
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

// ---- complex numbers: the formulas of the C standard without its repairs of infinite products, as NumPy has them ----

Complex times(Complex a, Complex b) {
  return {a.real() * b.real() - a.imag() * b.imag(), a.real() * b.imag() + a.imag() * b.real()};
}

// Smith's division: scales by the larger part, so that nothing overflows on the way.
Complex over(Complex a, Complex b) {
  if (std::fabs(b.real()) >= std::fabs(b.imag())) {
    if (b.real() == 0 && b.imag() == 0) return {a.real() / std::fabs(b.real()), a.imag() / std::fabs(b.real())};
    const double ratio = b.imag() / b.real(), scale = 1 / (b.real() + b.imag() * ratio);
    return {(a.real() + a.imag() * ratio) * scale, (a.imag() - a.real() * ratio) * scale};
  }
  const double ratio = b.real() / b.imag(), scale = 1 / (b.imag() + b.real() * ratio);
  return {(a.real() * ratio + a.imag()) * scale, (a.imag() * ratio - a.real()) * scale};
}

Complex power(Complex a, Complex b) {
  if (b == 0.0) return 1;
  if (a == 0.0) return b.real() > 0 ? Complex(0) : Complex(NAN, NAN);
  return std::pow(a, b);
}

// exp(x) cos(y) - 1 without cancelling near 0, by cos(y) - 1 = -2 sin(y / 2)^2.
Complex exp_minus_one(Complex z) {
  if (!std::isfinite(z.real()) || !std::isfinite(z.imag())) return std::exp(z) - 1.0;
  if (z.imag() == 0) return {std::expm1(z.real()) + 0.0, z.imag()};  // -0 becomes 0
  const double half = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half * half, std::exp(z.real()) * std::sin(z.imag())};
}

// At an infinite real part the imaginary part is a zero of y's sign, as the standard says; C turns that with 2 y.
Complex hyperbolic_tangent(Complex z) {
  if (std::isinf(z.real()) && std::isfinite(z.imag())) return {std::copysign(1.0, z.real()), std::copysign(0.0, z.imag())};
  return std::tanh(z);
}

// log |1 + z| by the exact increase of the square, 2 x + x^2 + y^2, where that is small.
Complex log_one_plus(Complex z) {
  const double x = z.real(), y = z.imag();
  if (!std::isfinite(x) || !std::isfinite(y)) return std::log(z + 1.0);
  const double more = std::fma(x, x + 2, y * y);
  if (std::fabs(more) < 0.5) return {std::log1p(more) / 2, std::atan2(y, x + 1)};
  return {std::log(std::hypot(x + 1, y)), std::atan2(y, x + 1)};
}

Complex direction(Complex z) {
  if (z == 0.0) return 0;
  return std::isnan(z.real()) || std::isnan(z.imag()) ? Complex(NAN, NAN) : z / std::abs(z);
}

bool has_nan(Complex z) { return std::isnan(z.real()) || std::isnan(z.imag()); }

double log_add_exp(double x, double y) {
  if (x == y) return x + std::numbers::ln2;  // infinities of one sign too
  const double larger = std::fmax(x, y), smaller = std::fmin(x, y);
  return std::isnan(x) || std::isnan(y) ? x + y : larger + std::log1p(std::exp(smaller - larger));
}

int64_t shifted_left(int64_t x, int64_t by) { return by < 0 || by > 63 ? 0 : wrapped(bits(x) << by); }
int64_t shifted_right(int64_t x, int64_t by) { return x >> (by < 0 || by > 63 ? 63 : by); }

uint64_t power_natural(uint64_t base, uint64_t exponent) {
  uint64_t result = 1;
  for (; exponent != 0; exponent >>= 1, base *= base) {
    if (exponent & 1) result *= base;
  }
  return result;
}

#define REAL(expression) []([[maybe_unused]] const double* x) -> double { return (expression); }
#define WHOLE(expression) []([[maybe_unused]] const int64_t* x) -> int64_t { return (expression); }
#define NATURAL(expression) []([[maybe_unused]] const uint64_t* x) -> uint64_t { return (expression); }
#define COMPLEX(expression) []([[maybe_unused]] const Complex* x) -> Complex { return (expression); }

const Pointwise kOps[] = {
    {"negative", 1, REAL(-x[0]), WHOLE(wrapped(-bits(x[0]))), COMPLEX(-x[0])},
    {.name = "abs", .arity = 1, .real = REAL(std::fabs(x[0])), .whole = WHOLE(x[0] < 0 ? wrapped(-bits(x[0])) : x[0]),
     .complex = COMPLEX(std::abs(x[0])), .natural = NATURAL(x[0]), .gives_real = true},
    {"sign", 1, REAL(std::isnan(x[0]) ? x[0] : (x[0] > 0) - (x[0] < 0)), WHOLE((x[0] > 0) - (x[0] < 0)),
     COMPLEX(direction(x[0])), NATURAL(x[0] > 0)},
    {"square", 1, REAL(x[0] * x[0]), WHOLE(wrapped(bits(x[0]) * bits(x[0]))), COMPLEX(times(x[0], x[0]))},
    {"floor", 1, REAL(std::floor(x[0])), WHOLE(x[0])},
    {"ceil", 1, REAL(std::ceil(x[0])), WHOLE(x[0])},
    {"trunc", 1, REAL(std::trunc(x[0])), WHOLE(x[0])},
    {"round", 1, REAL(std::nearbyint(x[0])), WHOLE(x[0]),
     COMPLEX(Complex(std::nearbyint(x[0].real()), std::nearbyint(x[0].imag())))},
    {"relu", 1, REAL(x[0] <= 0 ? 0 : x[0]), WHOLE(std::max<int64_t>(x[0], 0)), nullptr, NATURAL(x[0])},
    {"sqrt", 1, REAL(std::sqrt(x[0])), nullptr, COMPLEX(std::sqrt(x[0]))},
    {"reciprocal", 1, REAL(1 / x[0]), nullptr, COMPLEX(over(1.0, x[0]))},
    {"exp", 1, REAL(std::exp(x[0])), nullptr, COMPLEX(std::exp(x[0]))},
    {"expm1", 1, REAL(std::expm1(x[0])), nullptr, COMPLEX(exp_minus_one(x[0]))},
    {"log", 1, REAL(std::log(x[0])), nullptr, COMPLEX(std::log(x[0]))},
    {"log1p", 1, REAL(std::log1p(x[0])), nullptr, COMPLEX(log_one_plus(x[0]))},
    {"log2", 1, REAL(std::log2(x[0])), nullptr, COMPLEX(std::log(x[0]) * std::numbers::log2e)},
    {"log10", 1, REAL(std::log10(x[0])), nullptr, COMPLEX(std::log(x[0]) * std::numbers::log10e)},
    {"sin", 1, REAL(std::sin(x[0])), nullptr, COMPLEX(std::sin(x[0]))},
    {"cos", 1, REAL(std::cos(x[0])), nullptr, COMPLEX(std::cos(x[0]))},
    {"tan", 1, REAL(std::tan(x[0])), nullptr, COMPLEX(std::tan(x[0]))},
    {"asin", 1, REAL(std::asin(x[0])), nullptr, COMPLEX(std::asin(x[0]))},
    {"acos", 1, REAL(std::acos(x[0])), nullptr, COMPLEX(std::acos(x[0]))},
    {"atan", 1, REAL(std::atan(x[0])), nullptr, COMPLEX(std::atan(x[0]))},
    {"sinh", 1, REAL(std::sinh(x[0])), nullptr, COMPLEX(std::sinh(x[0]))},
    {"cosh", 1, REAL(std::cosh(x[0])), nullptr, COMPLEX(std::cosh(x[0]))},
    {"tanh", 1, REAL(std::tanh(x[0])), nullptr, COMPLEX(hyperbolic_tangent(x[0]))},
    {"asinh", 1, REAL(std::asinh(x[0])), nullptr, COMPLEX(std::asinh(x[0]))},
    {"acosh", 1, REAL(std::acosh(x[0])), nullptr, COMPLEX(std::acosh(x[0]))},
    {"atanh", 1, REAL(std::atanh(x[0])), nullptr, COMPLEX(std::atanh(x[0]))},
    {"erf", 1, REAL(std::erf(x[0]))},
    {"sigmoid", 1, REAL(sigmoid(x[0]))},
    {"conj", 1, REAL(x[0]), WHOLE(x[0]), COMPLEX(std::conj(x[0]))},
    {.name = "real", .arity = 1, .real = REAL(x[0]), .whole = WHOLE(x[0]), .complex = COMPLEX(x[0].real()), .gives_real = true},
    {.name = "imag", .arity = 1, .real = nullptr, .complex = COMPLEX(x[0].imag()), .gives_real = true},
    {.name = "isnan", .arity = 1, .real = REAL(std::isnan(x[0])), .whole = WHOLE(0), .complex = COMPLEX(has_nan(x[0])), .gives_bool = true},
    {.name = "isinf", .arity = 1, .real = REAL(std::isinf(x[0])), .whole = WHOLE(0),
     .complex = COMPLEX(std::isinf(x[0].real()) || std::isinf(x[0].imag())), .gives_bool = true},
    {.name = "isfinite", .arity = 1, .real = REAL(std::isfinite(x[0])), .whole = WHOLE(1),
     .complex = COMPLEX(std::isfinite(x[0].real()) && std::isfinite(x[0].imag())), .gives_bool = true},
    {.name = "signbit", .arity = 1, .real = REAL(std::signbit(x[0])), .gives_bool = true},
    {.name = "logical_not", .arity = 1, .real = nullptr, .whole = WHOLE(!x[0]), .gives_bool = true, .takes_bool = true},
    {.name = "bitwise_invert", .arity = 1, .real = nullptr, .whole = WHOLE(~x[0]), .takes_bool = true},

    {"relu_grad", 2, REAL(x[1] <= 0 ? 0 : x[0])},
    {"tanh_grad", 2, REAL(x[0] * (1 - x[1] * x[1]))},
    {"sigmoid_grad", 2, REAL(x[0] * (1 - x[1]) * x[1])},
    {"prelu", 2, REAL(x[0] > 0 ? x[0] : x[0] * x[1])},
    {"prelu_grad", 3, REAL(x[1] > 0 ? x[0] : x[0] * x[2])},
    {"prelu_slope_grad", 2, REAL(x[1] > 0 ? 0 : x[0] * x[1])},

    {"add", 2, REAL(x[0] + x[1]), WHOLE(wrapped(bits(x[0]) + bits(x[1]))), COMPLEX(x[0] + x[1])},
    {"subtract", 2, REAL(x[0] - x[1]), WHOLE(wrapped(bits(x[0]) - bits(x[1]))), COMPLEX(x[0] - x[1])},
    {"multiply", 2, REAL(x[0] * x[1]), WHOLE(wrapped(bits(x[0]) * bits(x[1]))), COMPLEX(times(x[0], x[1]))},
    {"divide", 2, REAL(x[0] / x[1]), nullptr, COMPLEX(over(x[0], x[1]))},
    {"floor_divide", 2, REAL(floor_divide(x[0], x[1])), WHOLE(floor_divide_whole(x[0], x[1])), nullptr,
     NATURAL(x[1] == 0 ? 0 : x[0] / x[1])},
    {"remainder", 2, REAL(remainder(x[0], x[1])), WHOLE(remainder_whole(x[0], x[1])), nullptr,
     NATURAL(x[1] == 0 ? 0 : x[0] % x[1])},
    {"pow", 2, REAL(std::pow(x[0], x[1])), WHOLE(power_whole(x[0], x[1])), COMPLEX(power(x[0], x[1])),
     NATURAL(power_natural(x[0], x[1]))},
    {"maximum", 2, REAL(larger(x[0], x[1])), WHOLE(std::max(x[0], x[1])), nullptr, NATURAL(std::max(x[0], x[1]))},
    {"minimum", 2, REAL(smaller(x[0], x[1])), WHOLE(std::min(x[0], x[1])), nullptr, NATURAL(std::min(x[0], x[1]))},
    {"atan2", 2, REAL(std::atan2(x[0], x[1]))},
    {"hypot", 2, REAL(std::hypot(x[0], x[1]))},
    {"copysign", 2, REAL(std::copysign(x[0], x[1]))},
    {"logaddexp", 2, REAL(log_add_exp(x[0], x[1]))},
    {.name = "bitwise_and", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] & x[1]), .takes_bool = true},
    {.name = "bitwise_or", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] | x[1]), .takes_bool = true},
    {.name = "bitwise_xor", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] ^ x[1]), .takes_bool = true},
    {"bitwise_left_shift", 2, nullptr, WHOLE(shifted_left(x[0], x[1]))},
    {"bitwise_right_shift", 2, nullptr, WHOLE(shifted_right(x[0], x[1])), nullptr, NATURAL(x[1] > 63 ? 0 : x[0] >> x[1])},
    {"equal", 2, REAL(x[0] == x[1]), WHOLE(x[0] == x[1]), COMPLEX(x[0] == x[1]), nullptr, true, false, true},
    {"not_equal", 2, REAL(x[0] != x[1]), WHOLE(x[0] != x[1]), COMPLEX(x[0] != x[1]), nullptr, true, false, true},
    {"less", 2, REAL(x[0] < x[1]), WHOLE(x[0] < x[1]), nullptr, NATURAL(x[0] < x[1]), true, false, true},
    {"less_equal", 2, REAL(x[0] <= x[1]), WHOLE(x[0] <= x[1]), nullptr, NATURAL(x[0] <= x[1]), true, false, true},
    {"greater", 2, REAL(x[0] > x[1]), WHOLE(x[0] > x[1]), nullptr, NATURAL(x[0] > x[1]), true, false, true},
    {"greater_equal", 2, REAL(x[0] >= x[1]), WHOLE(x[0] >= x[1]), nullptr, NATURAL(x[0] >= x[1]), true, false, true},
    {.name = "logical_and", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] && x[1]), .gives_bool = true, .takes_bool = true},
    {.name = "logical_or", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] || x[1]), .gives_bool = true, .takes_bool = true},
    {.name = "logical_xor", .arity = 2, .real = nullptr, .whole = WHOLE(x[0] != x[1]), .gives_bool = true, .takes_bool = true},
};

// Chosen by the attribute `approximate`: the exact form, then the tanh form.
const Pointwise kGelu[2] = {{"gelu", 1, REAL(std::isinf(x[0]) && x[0] < 0 ? -0.0 : gelu(x[0]))},
                            {"gelu", 1, REAL(gelu_tanh(x[0]))}};
const Pointwise kGeluGrad[2] = {{"gelu_grad", 2, REAL(x[0] * gelu_slope(x[1]))},
                                {"gelu_grad", 2, REAL(x[0] * gelu_tanh_slope(x[1]))}};

#undef REAL
#undef WHOLE
#undef NATURAL
#undef COMPLEX

fl_status run_pointwise(const Pointwise& op, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  const fl_tensor& first = call.inputs[0];
  const fl_tensor& second = call.inputs[op.arity > 1];
  const fl_tensor& third = call.inputs[op.arity - 1];
  Type type = type_of(first.dtype);
  Type out_type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out, &first, &second, &third}); !walk.done(); walk.next()) {
    if (is_float(type)) {
      double x[3] = {load_float(type, walk.at(1)), load_float(type, walk.at(2)), load_float(type, walk.at(3))};
      store_float(out_type, walk.at(0), op.real(x));
    } else if (is_complex(type)) {
      Complex x[2] = {load_complex(type, walk.at(1)), load_complex(type, walk.at(2))};
      store_complex(out_type, walk.at(0), op.complex(x));
    } else if (type == Type::kUInt64 && op.natural) {
      uint64_t x[2] = {bits(load_int(type, walk.at(1))), bits(load_int(type, walk.at(2)))};
      store_natural(out_type, walk.at(0), op.natural(x));
    } else {
      int64_t x[2] = {load_int(type, walk.at(1)), load_int(type, walk.at(2))};
      const int64_t value = op.whole(x);
      store_int(out_type, walk.at(0), out_type == Type::kBool ? value & 1 : value);  // of ~true no more than the bit
    }
  }
  return FL_OK;
}

bool takes_pointwise(const Loop& loop, const Type* types, int32_t count) {
  const Pointwise& op = *static_cast<const Pointwise*>(loop.detail);
  Type in = types[0];
  if (count != op.arity + 1 || types[op.arity > 1] != in || types[op.arity - 1] != in) return false;
  if (types[op.arity] != (op.gives_bool ? Type::kBool : op.gives_real ? real_of(in) : in)) return false;
  if (is_float(in)) return op.real != nullptr;
  if (is_complex(in)) return op.complex != nullptr;
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
    } else if (is_complex(from)) {
      const Complex value = load_complex(from, walk.at(1));
      if (to == Type::kBool) store_int(to, walk.at(0), value != 0.0);
      else store_complex(to, walk.at(0), value);
    } else if (from == Type::kUInt64) {
      store_natural(to, walk.at(0), static_cast<uint64_t>(load_int(from, walk.at(1))));
    } else {
      store_int(to, walk.at(0), load_int(from, walk.at(1)));
    }
  }
  return FL_OK;
}

// The neighbour of x toward y among the numbers of the type itself.
template <class Bits>
Bits next_after(Bits from, double x, double y) {
  constexpr Bits kSign = Bits(Bits(1) << (8 * sizeof(Bits) - 1));
  if (x == y) return from;
  if (x == 0) return Bits(1) | (y < 0 ? kSign : Bits(0));
  return (x < y) == (x > 0) ? Bits(from + 1) : Bits(from - 1);
}

fl_status run_next(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0], &call.inputs[1]}); !walk.done(); walk.next()) {
    double x = load_float(type, walk.at(1));
    double y = load_float(type, walk.at(2));
    if (std::isnan(x) || std::isnan(y)) {
      store_float(type, walk.at(0), x + y);
    } else if (x == y) {
      copy_element(walk.at(0), walk.at(2), type);
    } else {
      const auto step = [&]<class Bits>(Bits from) {
        std::memcpy(&from, walk.at(1), sizeof from);
        from = next_after(from, x, y);
        std::memcpy(walk.at(0), &from, sizeof from);
      };
      if (size_of(type) == 2) step(uint16_t{});
      else if (size_of(type) == 4) step(uint32_t{});
      else step(uint64_t{});
    }
  }
  return FL_OK;
}

bool takes_next(const Loop&, const Type* t, int32_t n) { return n == 3 && is_float(t[0]) && t[1] == t[0] && t[2] == t[0]; }

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
  loops.push_back({"nextafter", takes_next, run_next});
  auto takes_cast = [](const Loop&, const Type* t, int32_t n) {
    return n == 2 && (!is_complex(t[0]) || is_complex(t[1]) || t[1] == Type::kBool);
  };
  loops.push_back({"cast", takes_cast, run_cast});
}

}  // namespace flambeau::reference
