// simd/functions.cpp: the loops over functions.h. Compiled once per level.
#include "functions.h"
#include "kernels.h"
#include "loops.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// As many floats as a vector has doubles.
using HalfF32 = VectorOf<float, kVectorBytes / 2>::type;

FL_INLINE F64 widened(const float* x) {
  HalfF32 half;
  memcpy(&half, x, sizeof half);
  return __builtin_convertvector(half, F64);
}
FL_INLINE void put_narrowed(float* y, F64 v) {
  const HalfF32 half = __builtin_convertvector(v, HalfF32);
  memcpy(y, &half, sizeof half);
}

// Functions with a period: beyond kCircleLimit one value at a time.
template <class Function, bool exact>
FL_INLINE F64 on_circle(F64 x) {
  const F64 y = Function::template at<exact>(x);
  const I64 far = absolute(x) > number(kCircleLimit);
  return any_lane(far) ? one_by_one(y, x, far, Function::alone) : y;
}
template <class Function, bool exact>
FL_INLINE F64 of_one(F64 x) {
  if constexpr (requires { Function::alone(0.0); }) return on_circle<Function, exact>(x);
  else return Function::template at<exact>(x);
}

template <class Function>
struct One {
  static FL_INLINE F64 of(F64 x) { return of_one<Function, true>(x); }
};
template <class Function>
struct Two {
  static FL_INLINE F64 of(F64 a, F64 b) { return Function::template at<true>(a, b); }
};
struct Erf {
  template <class V>
  static FL_INLINE V of(V x) {
    return erf_of(x);
  }
};

// ---- floor division ------------------------------------------------------------------------------------

// As Python's for finite numbers: a == quotient b + remainder, the remainder has the divisor's sign. What vectors leave out: no finite
// quotient, or one so large that doubles do not tell it from its neighbours.
struct Divided {
  F64 quotient, remainder;
  I64 rare;
};
template <bool exact>
FL_INLINE Divided divide_down(F64 a, F64 b) {
  const F64 q = a / b;
  const F64 nearest = (q + exponent_shift(q)) - exponent_shift(q);
  F64 n = nearest > q ? nearest - number(1) : nearest;
  F64 r = fma(-n, b, a);
  if constexpr (exact) {
    // The quotient may have been rounded up to a whole number; never down past one.
    n = (r != F64{}) & (((I64)r ^ (I64)b) < 0) ? n - number(1) : n;
    r = fma(-n, b, a);
  }
  const F64 zero = with_sign_of(F64{}, q);
  const I64 inside = (absolute(q) < number(exact ? 0x1p50 : 0x1p28)) & (absolute(b) < number(kInfinite));
  return {n == F64{} ? zero : n, r == F64{} ? with_sign_of(F64{}, b) : r, ~inside};
}
template <class Alone>
FL_INLINE F64 two_by_two(F64 y, F64 a, F64 b, I64 mask, const Alone& alone) {
  double as[kLanes<F64>], bs[kLanes<F64>], to[kLanes<F64>];
  int64_t chosen[kLanes<F64>];
  store<F64>(as, a);
  store<F64>(bs, b);
  store<F64>(to, y);
  store<I64>(chosen, mask);
  for (int i = 0; i < kLanes<F64>; ++i)
    if (chosen[i]) to[i] = alone(as[i], bs[i]);
  return load<F64>(to);
}
double floor_divide(double a, double b) {
  if (b == 0 || __builtin_isinf(a) || __builtin_isinf(b)) return a / b;  // 0 and infinities as in the standard
  const double remainder = fmod(a, b);
  double quotient = (a - remainder) / b;
  if (remainder != 0 && ((b < 0) != (remainder < 0))) quotient -= 1;
  if (quotient == 0) return __builtin_copysign(0.0, a / b);
  const double whole = __builtin_floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole;
}
double remainder_of(double a, double b) {
  const double remainder = fmod(a, b);
  if (remainder == 0) return __builtin_copysign(0.0, b);
  return (remainder < 0) != (b < 0) ? remainder + b : remainder;
}
struct FloorDivide {
  template <bool exact>
  static FL_INLINE F64 at(F64 a, F64 b) {
    const Divided d = divide_down<exact>(a, b);
    return any_lane(d.rare) ? two_by_two(d.quotient, a, b, d.rare, floor_divide) : d.quotient;
  }
};
struct Remainder {
  template <bool exact>
  static FL_INLINE F64 at(F64 a, F64 b) {
    const Divided d = divide_down<exact>(a, b);
    return any_lane(d.rare) ? two_by_two(d.remainder, a, b, d.rare, remainder_of) : d.remainder;
  }
};

// ---- loops ---------------------------------------------------------------------------------------------

// Floats, through double; the last part goes through the same arithmetic.
template <class Function>
void unary_of_floats(const void* const* inputs, void* output, int64_t n) {
  constexpr int64_t k = kLanes<F64>;
  const float* x = static_cast<const float*>(inputs[0]);
  float* y = static_cast<float*>(output);
  int64_t i = 0;
  for (; i + k <= n; i += k) put_narrowed(y + i, of_one<Function, false>(widened(x + i)));
  if (i == n) return;
  float part[k] = {};
  for (int64_t j = i; j < n; ++j) part[j - i] = x[j];
  put_narrowed(part, of_one<Function, false>(widened(part)));
  for (int64_t j = i; j < n; ++j) y[j] = part[j - i];
}
template <class Function>
void binary_of_floats(const void* const* inputs, void* output, int64_t n) {
  constexpr int64_t k = kLanes<F64>;
  const float* a = static_cast<const float*>(inputs[0]);
  const float* b = static_cast<const float*>(inputs[1]);
  float* y = static_cast<float*>(output);
  int64_t i = 0;
  for (; i + k <= n; i += k) put_narrowed(y + i, Function::template at<false>(widened(a + i), widened(b + i)));
  if (i == n) return;
  float left[k] = {}, right[k] = {};
  for (int64_t j = i; j < n; ++j) {
    left[j - i] = a[j];
    right[j - i] = b[j];
  }
  put_narrowed(left, Function::template at<false>(widened(left), widened(right)));
  for (int64_t j = i; j < n; ++j) y[j] = left[j - i];
}
template <double (*function)(double, double)>
void doubles_alone(const void* const* inputs, void* output, int64_t n) {
  const double* a = static_cast<const double*>(inputs[0]);
  const double* b = static_cast<const double*>(inputs[1]);
  for (int64_t i = 0; i < n; ++i) static_cast<double*>(output)[i] = function(a[i], b[i]);
}
template <class Function, class V>
constexpr Loop of_one_value() {
  if constexpr (requires { Function::of(V{}); }) return unary_vector<Function, V>;
  else if constexpr (sizeof(typename Of<V>::Element) == 4) return unary_of_floats<Function>;
  else return unary_vector<One<Function>, V>;
}
template <class Function, class V>
constexpr Loop of_two_values() {
  if constexpr (requires { Function::of(V{}, V{}); }) return binary_vector<Function, V>;
  else if constexpr (sizeof(typename Of<V>::Element) == 4) return binary_of_floats<Function>;
  else return binary_vector<Two<Function>, V>;
}

// ---- magnitudes and directions of complex numbers, whose parts stand side by side -----------------------

// As many numbers as a vector has doubles, zeros where there are fewer.
struct Parts {
  F64 real, imaginary;
};
FL_INLINE Parts parts_of(const double* z, int64_t numbers) {
  constexpr int k = kLanes<F64>;
  const F64 a = load_some<F64>(z, 2 * numbers), b = load_some<F64>(z + k, 2 * numbers - k);
  return {every_second<F64, 0>(a, b), every_second<F64, 1>(a, b)};
}
FL_INLINE Parts parts_of(const float* z, int64_t numbers) {
  const F32 both = load_some<F32>(z, 2 * numbers), apart = every_second<F32, 0>(both, both), rest = every_second<F32, 1>(both, both);
  return {widened(reinterpret_cast<const float*>(&apart)), widened(reinterpret_cast<const float*>(&rest))};
}
FL_INLINE void put_parts(double* z, Parts parts, int64_t numbers) {
  constexpr int k = kLanes<F64>;
  store_some<F64>(z, woven<F64, 0>(parts.real, parts.imaginary), 2 * numbers);
  store_some<F64>(z + k, woven<F64, 1>(parts.real, parts.imaginary), 2 * numbers - k);
}
FL_INLINE void put_parts(float* z, Parts parts, int64_t numbers) {
  F32 apart, rest;
  put_narrowed(reinterpret_cast<float*>(&apart), parts.real);
  put_narrowed(reinterpret_cast<float*>(&rest), parts.imaginary);
  store_some<F32>(z, woven<F32, 0>(apart, rest), 2 * numbers);
}

// Floats' squares stay within doubles; doubles are rounded once by the host's library alone (plain.cpp).
void complex_abs(const void* const* inputs, void* output, int64_t n) {
  constexpr int k = kLanes<F64>;
  const float* z = static_cast<const float*>(inputs[0]);
  float* y = static_cast<float*>(output);
  each_vector<F64>(n, [&](int64_t i, int numbers) __attribute__((always_inline)) {
    const Parts parts = parts_of(z + 2 * i, numbers);
    const F64 size = Hypot::at<false>(parts.real, parts.imaginary);
    if (numbers == k) return put_narrowed(y + i, size);
    float part[k];
    put_narrowed(part, size);
    for (int j = 0; j < numbers; ++j) y[i + j] = part[j];
  });
}
template <class T>
void complex_sign(const void* const* inputs, void* output, int64_t n) {
  const T* z = static_cast<const T*>(inputs[0]);
  T* y = static_cast<T*>(output);
  each_vector<F64>(n, [&](int64_t i, int numbers) __attribute__((always_inline)) {
    const Parts parts = parts_of(z + 2 * i, numbers);
    const F64 size = Hypot::at<sizeof(T) == 8>(parts.real, parts.imaginary);
    const I64 nan = (parts.real != parts.real) | (parts.imaginary != parts.imaginary), zero = size == F64{};
    const F64 by = nan ? not_a_number() : zero ? number(1) : size;
    const F64 real = zero ? F64{} : parts.real, imaginary = zero ? F64{} : parts.imaginary;  // -0 becomes 0
    if constexpr (sizeof(T) == 8) {
      put_parts(y + 2 * i, {real / by, imaginary / by}, numbers);
    } else {
      const F64 share = number(1) / by;
      put_parts(y + 2 * i, {real * share, imaginary * share}, numbers);
    }
  });
}

bool same(const char* a, const char* b) { return strcmp(a, b) == 0; }

template <class V>
Loop function(const char* op) {
  if (same(op, "sin")) return of_one_value<Sin, V>();
  if (same(op, "cos")) return of_one_value<Cos, V>();
  if (same(op, "tan")) return of_one_value<Tan, V>();
  if (same(op, "asin")) return of_one_value<Asin, V>();
  if (same(op, "acos")) return of_one_value<Acos, V>();
  if (same(op, "atan")) return of_one_value<Atan, V>();
  if (same(op, "sinh")) return of_one_value<Sinh, V>();
  if (same(op, "cosh")) return of_one_value<Cosh, V>();
  if (same(op, "asinh")) return of_one_value<Asinh, V>();
  if (same(op, "acosh")) return of_one_value<Acosh, V>();
  if (same(op, "atanh")) return of_one_value<Atanh, V>();
  if (same(op, "expm1")) return of_one_value<Expm1, V>();
  if (same(op, "log1p")) return of_one_value<Log1p, V>();
  if (same(op, "log2")) return of_one_value<Log2, V>();
  if (same(op, "log10")) return of_one_value<Log10, V>();
  if (same(op, "erf")) return unary_vector<Erf, V>;
  if (same(op, "atan2")) return of_two_values<Atan2, V>();
  if (same(op, "hypot")) return of_two_values<Hypot, V>();
  if (same(op, "logaddexp")) return of_two_values<LogAddExp, V>();
  // Doubles whose products are rounded twice have no remainder that is exact.
  constexpr bool alone = !kFused && sizeof(typename Of<V>::Element) == 8;
  if (same(op, "floor_divide")) return alone ? doubles_alone<floor_divide> : of_two_values<FloorDivide, V>();
  if (same(op, "remainder")) return alone ? doubles_alone<remainder_of> : of_two_values<Remainder, V>();
  return nullptr;
}

}  // namespace

Loop complex_function(const char* op, Type type) {
  const bool single = type == Type::Complex64;
  if (same(op, "abs")) return single ? complex_abs : nullptr;
  if (same(op, "sign")) return single ? complex_sign<float> : complex_sign<double>;
  return nullptr;
}
Loop real_function(const char* op, Type type) {
  return type == Type::Float32 ? function<F32>(op) : type == Type::Float64 ? function<F64>(op) : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
