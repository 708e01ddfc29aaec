// plain.cpp: loops that are compiled once and not per level: conversions between the rarer types, uint64 where its
// sign matters, complex numbers. Their definition is backends/reference/.
#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numbers>
#include <type_traits>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

bool same(const char* a, const char* b) { return std::strcmp(a, b) == 0; }

template <class Op, class In, class Out = In>
void unary(const void* const* inputs, void* output, int64_t n) {
  const In* x = static_cast<const In*>(inputs[0]);
  Out* y = static_cast<Out*>(output);
  for (int64_t i = 0; i < n; ++i) y[i] = Op::of(x[i]);
}
template <class Op, class In, class Out = In>
void binary(const void* const* inputs, void* output, int64_t n) {
  const In* a = static_cast<const In*>(inputs[0]);
  const In* b = static_cast<const In*>(inputs[1]);
  Out* y = static_cast<Out*>(output);
  for (int64_t i = 0; i < n; ++i) y[i] = Op::of(a[i], b[i]);
}

// The parts of a complex number side by side, as in memory; no operation does more than is written here.
template <class T>
struct Pair {
  T re, im;
};
using Wide = std::complex<double>;
template <class T>
Wide wide(Pair<T> z) {
  return {double(z.re), double(z.im)};
}
template <class T>
Pair<T> narrow(Wide z) {
  return {T(z.real()), T(z.imag())};
}

// ---- conversions ---------------------------------------------------------------------------------------

struct Truth {
  uint8_t byte;
};

// Cut toward zero; out of range saturates and NaN is 0.
template <class To, class From>
To whole_of(From x) {
  constexpr From kLimit = From(std::numeric_limits<To>::max() / 2 + 1) * 2;
  if (!(x >= From(std::numeric_limits<To>::min()))) return x != x ? To(0) : std::numeric_limits<To>::min();
  return x >= kLimit ? std::numeric_limits<To>::max() : To(x);
}

template <class To>
struct Convert {
  template <class From>
  static To of(From x) {
    if constexpr (std::is_floating_point_v<From> && !std::is_floating_point_v<To>) return whole_of<To>(x);
    else return To(x);
  }
  static To of(Truth x) { return To(x.byte); }
};
template <>
struct Convert<Truth> {
  template <class From>
  static Truth of(From x) {
    return {uint8_t(x != From(0))};
  }
  template <class T>
  static Truth of(Pair<T> x) {
    return {uint8_t((x.re != T(0)) | (x.im != T(0)))};
  }
};
template <class T>
struct Convert<Pair<T>> {
  template <class From>
  static Pair<T> of(From x) {
    return {T(x), T(0)};
  }
  static Pair<T> of(Truth x) { return {T(x.byte), T(0)}; }
  template <class U>
  static Pair<T> of(Pair<U> x) {
    return {T(x.re), T(x.im)};
  }
};

template <class From>
Loop convert_from(Type to) {
  switch (to) {
    case Type::Bool: return unary<Convert<Truth>, From, Truth>;
    case Type::Int8: return unary<Convert<int8_t>, From, int8_t>;
    case Type::Int16: return unary<Convert<int16_t>, From, int16_t>;
    case Type::Int32: return unary<Convert<int32_t>, From, int32_t>;
    case Type::Int64: return unary<Convert<int64_t>, From, int64_t>;
    case Type::UInt8: return unary<Convert<uint8_t>, From, uint8_t>;
    case Type::UInt16: return unary<Convert<uint16_t>, From, uint16_t>;
    case Type::UInt32: return unary<Convert<uint32_t>, From, uint32_t>;
    case Type::UInt64: return unary<Convert<uint64_t>, From, uint64_t>;
    case Type::Float32: return unary<Convert<float>, From, float>;
    case Type::Float64: return unary<Convert<double>, From, double>;
    case Type::Complex64: return unary<Convert<Pair<float>>, From, Pair<float>>;
    case Type::Complex128: return unary<Convert<Pair<double>>, From, Pair<double>>;
    default: return nullptr;
  }
}
// The levels convert Bool, Int32, Int64 and floats among each other, and Int32 and floats to integers of 8 and 16 bits.
template <class From>
Loop convert_known(Type to) {
  switch (to) {
    case Type::UInt32: return unary<Convert<uint32_t>, From, uint32_t>;
    case Type::UInt64: return unary<Convert<uint64_t>, From, uint64_t>;
    case Type::Complex64: return unary<Convert<Pair<float>>, From, Pair<float>>;
    case Type::Complex128: return unary<Convert<Pair<double>>, From, Pair<double>>;
    default: return nullptr;
  }
}
template <class From>
Loop convert_known_or_small(Type to) {
  switch (to) {
    case Type::Int8: return unary<Convert<int8_t>, From, int8_t>;
    case Type::Int16: return unary<Convert<int16_t>, From, int16_t>;
    case Type::UInt8: return unary<Convert<uint8_t>, From, uint8_t>;
    case Type::UInt16: return unary<Convert<uint16_t>, From, uint16_t>;
    default: return convert_known<From>(to);
  }
}
template <class T, class Other>
Loop convert_pair(Type to) {
  if (to == Type::Bool) return unary<Convert<Truth>, Pair<T>, Truth>;
  return is_complex(to) ? unary<Convert<Pair<Other>>, Pair<T>, Pair<Other>> : nullptr;
}

// By way of a third type, a block at a time.
template <Type from, Type between, Type to>
void chained(const void* const* inputs, void* output, int64_t n) {
  alignas(64) char block[kBlock * 8];
  const Loop first = convert(from, between), second = convert(between, to);
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    const void* source[] = {static_cast<const char*>(inputs[0]) + i * size_of(from)};
    first(source, block, count);
    source[0] = block;
    second(source, static_cast<char*>(output) + i * size_of(to), count);
  }
}
template <Type from>
Loop widened_first(Type to) {
  constexpr Type kFloat = Type::Float32;
  switch (to) {
    case Type::Int8: return chained<from, kFloat, Type::Int8>;
    case Type::Int16: return chained<from, kFloat, Type::Int16>;
    case Type::UInt8: return chained<from, kFloat, Type::UInt8>;
    case Type::UInt16: return chained<from, kFloat, Type::UInt16>;
    case Type::UInt32: return chained<from, kFloat, Type::UInt32>;
    case Type::UInt64: return chained<from, kFloat, Type::UInt64>;
    case Type::Complex64: return chained<from, kFloat, Type::Complex64>;
    case Type::Complex128: return chained<from, kFloat, Type::Complex128>;
    default: return nullptr;
  }
}
// Rounded once: a double whose last kept bit stands for all that are cut lies between.
template <Type to>
void natural_to_half(const void* const* inputs, void* output, int64_t n) {
  const uint64_t* x = static_cast<const uint64_t*>(inputs[0]);
  const Loop narrows = convert(Type::Float64, to);
  alignas(64) double block[kBlock];
  for (int64_t i = 0; i < n; i += kBlock) {
    const int64_t count = std::min(kBlock, n - i);
    for (int64_t j = 0; j < count; ++j) {
      const uint64_t bits = x[i + j];
      block[j] = double(bits >> 53 ? (bits & ~uint64_t(0x7ff)) | (bits & 0x7ff ? 0x800u : 0u) : bits);
    }
    const void* source[] = {block};
    narrows(source, static_cast<uint16_t*>(output) + i, count);
  }
}
template <Type to>
Loop to_half(Type from) {
  switch (from) {
    case Type::Int8: return chained<Type::Int8, Type::Int32, to>;
    case Type::Int16: return chained<Type::Int16, Type::Int32, to>;
    case Type::UInt8: return chained<Type::UInt8, Type::Int32, to>;
    case Type::UInt16: return chained<Type::UInt16, Type::Int32, to>;
    case Type::UInt32: return chained<Type::UInt32, Type::Int64, to>;
    case Type::UInt64: return natural_to_half<to>;
    default: return nullptr;
  }
}

// ---- uint64 --------------------------------------------------------------------------------------------

using Natural = uint64_t;
#define FL_UNARY(Name, expression) \
  struct Name {                    \
    template <class T>             \
    static auto of(T x) {          \
      return expression;           \
    }                              \
  };
#define FL_BINARY(Name, expression) \
  struct Name {                     \
    template <class T>              \
    static auto of(T a, T b) {      \
      return expression;            \
    }                               \
  };
FL_UNARY(Same, x)
FL_UNARY(Sign, T(x != 0))
FL_BINARY(FloorDivide, (b == 0 ? T(0) : T(a / b)))
FL_BINARY(Remainder, (b == 0 ? T(0) : T(a % b)))
FL_BINARY(Maximum, (a > b ? a : b))
FL_BINARY(Minimum, (a < b ? a : b))
FL_BINARY(RightShift, (b > 63 ? T(0) : T(a >> b)))
FL_BINARY(LeftShift, (b > 63 ? T(0) : T(a << b)))
FL_BINARY(Less, uint8_t(a < b))
FL_BINARY(LessEqual, uint8_t(a <= b))
FL_BINARY(Greater, uint8_t(a > b))
FL_BINARY(GreaterEqual, uint8_t(a >= b))
struct Power {
  static Natural of(Natural base, Natural exponent) {
    Natural result = 1;
    for (; exponent; exponent >>= 1, base *= base)
      if (exponent & 1) result *= base;
    return result;
  }
};

Loop natural(const char* op) {
  // Where the sign does not matter the bits are those of int64.
  for (const char* bits : {"negative", "square", "add", "subtract", "multiply", "isnan", "isinf", "isfinite", "equal",
                           "not_equal", "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_invert"})
    if (same(op, bits)) return level->pointwise(op, Type::Int64, false);
  for (const char* unchanged : {"abs", "floor", "ceil", "trunc", "round", "relu", "conj", "real"})
    if (same(op, unchanged)) return unary<Same, Natural>;
  if (same(op, "sign")) return unary<Sign, Natural>;
  if (same(op, "floor_divide")) return binary<FloorDivide, Natural>;
  if (same(op, "remainder")) return binary<Remainder, Natural>;
  if (same(op, "pow")) return binary<Power, Natural>;
  if (same(op, "maximum")) return binary<Maximum, Natural>;
  if (same(op, "minimum")) return binary<Minimum, Natural>;
  if (same(op, "bitwise_left_shift")) return binary<LeftShift, Natural>;
  if (same(op, "bitwise_right_shift")) return binary<RightShift, Natural>;
  if (same(op, "less")) return binary<Less, Natural, uint8_t>;
  if (same(op, "less_equal")) return binary<LessEqual, Natural, uint8_t>;
  if (same(op, "greater")) return binary<Greater, Natural, uint8_t>;
  if (same(op, "greater_equal")) return binary<GreaterEqual, Natural, uint8_t>;
  return nullptr;
}

// ---- complex numbers -----------------------------------------------------------------------------------

FL_UNARY(Negative, (T{-x.re, -x.im}))
FL_UNARY(Conjugate, (T{x.re, -x.im}))
FL_UNARY(RealPart, x.re)
FL_UNARY(ImaginaryPart, x.im)
FL_UNARY(Magnitude, decltype(x.re)(std::hypot(x.re, x.im)))
FL_UNARY(Square, (T{x.re * x.re - x.im * x.im, x.re * x.im + x.im * x.re}))
FL_UNARY(RoundParts, (T{std::nearbyint(x.re), std::nearbyint(x.im)}))
FL_UNARY(IsNan, uint8_t((x.re != x.re) | (x.im != x.im)))
FL_UNARY(IsInf, uint8_t(std::isinf(x.re) | std::isinf(x.im)))
FL_UNARY(IsFinite, uint8_t(std::isfinite(x.re) & std::isfinite(x.im)))
FL_BINARY(Add, (T{a.re + b.re, a.im + b.im}))
FL_BINARY(Subtract, (T{a.re - b.re, a.im - b.im}))
FL_BINARY(Multiply, (T{a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re}))
FL_BINARY(Equal, uint8_t((a.re == b.re) & (a.im == b.im)))
FL_BINARY(NotEqual, uint8_t((a.re != b.re) | (a.im != b.im)))

// Smith's division: scales by the larger part, so that nothing overflows on the way.
Wide over(Wide a, Wide b) {
  if (std::fabs(b.real()) >= std::fabs(b.imag())) {
    if (b.real() == 0 && b.imag() == 0) return {a.real() / std::fabs(b.real()), a.imag() / std::fabs(b.real())};
    const double ratio = b.imag() / b.real(), scale = 1 / (b.real() + b.imag() * ratio);
    return {(a.real() + a.imag() * ratio) * scale, (a.imag() - a.real() * ratio) * scale};
  }
  const double ratio = b.real() / b.imag(), scale = 1 / (b.imag() + b.real() * ratio);
  return {(a.real() * ratio + a.imag()) * scale, (a.imag() * ratio - a.real()) * scale};
}
Wide power(Wide a, Wide b) {
  if (b == 0.0) return 1;
  if (a == 0.0) return b.real() > 0 ? Wide(0) : Wide(NAN, NAN);
  return std::pow(a, b);
}
// exp(x) cos(y) - 1 without cancelling near 0, by cos(y) - 1 = -2 sin(y / 2)^2.
Wide exp_minus_one(Wide z) {
  if (!std::isfinite(z.real()) || !std::isfinite(z.imag())) return std::exp(z) - 1.0;
  if (z.imag() == 0) return {std::expm1(z.real()) + 0.0, z.imag()};  // -0 becomes 0
  const double half = std::sin(z.imag() / 2);
  return {std::expm1(z.real()) * std::cos(z.imag()) - 2 * half * half, std::exp(z.real()) * std::sin(z.imag())};
}
// At an infinite real part the imaginary part is a zero of y's sign, as the standard says; C turns that with 2 y.
Wide hyperbolic_tangent(Wide z) {
  if (std::isinf(z.real()) && std::isfinite(z.imag())) return {std::copysign(1.0, z.real()), std::copysign(0.0, z.imag())};
  return std::tanh(z);
}
// log |1 + z| by the exact increase of the square, 2 x + x^2 + y^2, where that is small.
Wide log_one_plus(Wide z) {
  const double x = z.real(), y = z.imag();
  if (!std::isfinite(x) || !std::isfinite(y)) return std::log(z + 1.0);
  const double more = std::fma(x, x + 2, y * y);
  if (std::fabs(more) < 0.5) return {std::log1p(more) / 2, std::atan2(y, x + 1)};
  return {std::log(std::hypot(x + 1, y)), std::atan2(y, x + 1)};
}

// Functions are computed in doubles, one call a number: their cost is the function's own.
#define FL_FUNCTION(Name, expression)  \
  struct Name {                        \
    template <class T>                 \
    static Pair<T> of(Pair<T> z) {     \
      const Wide x = wide(z);          \
      return narrow<T>(expression);    \
    }                                  \
  };
FL_FUNCTION(ComplexReciprocal, over(1.0, x))
FL_FUNCTION(ComplexSqrt, std::sqrt(x))
FL_FUNCTION(ComplexExp, std::exp(x))
FL_FUNCTION(ComplexExpm1, exp_minus_one(x))
FL_FUNCTION(ComplexLog, std::log(x))
FL_FUNCTION(ComplexLog1p, log_one_plus(x))
FL_FUNCTION(ComplexLog2, std::log(x) * std::numbers::log2e)
FL_FUNCTION(ComplexLog10, std::log(x) * std::numbers::log10e)
FL_FUNCTION(ComplexSin, std::sin(x))
FL_FUNCTION(ComplexCos, std::cos(x))
FL_FUNCTION(ComplexTan, std::tan(x))
FL_FUNCTION(ComplexAsin, std::asin(x))
FL_FUNCTION(ComplexAcos, std::acos(x))
FL_FUNCTION(ComplexAtan, std::atan(x))
FL_FUNCTION(ComplexSinh, std::sinh(x))
FL_FUNCTION(ComplexCosh, std::cosh(x))
FL_FUNCTION(ComplexTanh, hyperbolic_tangent(x))
FL_FUNCTION(ComplexAsinh, std::asinh(x))
FL_FUNCTION(ComplexAcosh, std::acosh(x))
FL_FUNCTION(ComplexAtanh, std::atanh(x))
struct Divide {
  template <class T>
  static Pair<T> of(Pair<T> a, Pair<T> b) {
    return narrow<T>(over(wide(a), wide(b)));
  }
};
struct ComplexPower {
  template <class T>
  static Pair<T> of(Pair<T> a, Pair<T> b) {
    return narrow<T>(power(wide(a), wide(b)));
  }
};

template <class T>
Loop complex_pointwise(const char* op) {
  using P = Pair<T>;
  if (same(op, "negative")) return unary<Negative, P>;
  if (same(op, "conj")) return unary<Conjugate, P>;
  if (same(op, "real")) return unary<RealPart, P, T>;
  if (same(op, "imag")) return unary<ImaginaryPart, P, T>;
  if (same(op, "abs")) return unary<Magnitude, P, T>;
  if (same(op, "square")) return unary<Square, P>;
  if (same(op, "round")) return unary<RoundParts, P>;
  if (same(op, "isnan")) return unary<IsNan, P, uint8_t>;
  if (same(op, "isinf")) return unary<IsInf, P, uint8_t>;
  if (same(op, "isfinite")) return unary<IsFinite, P, uint8_t>;
  if (same(op, "add")) return binary<Add, P>;
  if (same(op, "subtract")) return binary<Subtract, P>;
  if (same(op, "multiply")) return binary<Multiply, P>;
  if (same(op, "divide")) return binary<Divide, P>;
  if (same(op, "pow")) return binary<ComplexPower, P>;
  if (same(op, "equal")) return binary<Equal, P, uint8_t>;
  if (same(op, "not_equal")) return binary<NotEqual, P, uint8_t>;
  if (same(op, "reciprocal")) return unary<ComplexReciprocal, P>;
  if (same(op, "sqrt")) return unary<ComplexSqrt, P>;
  if (same(op, "exp")) return unary<ComplexExp, P>;
  if (same(op, "expm1")) return unary<ComplexExpm1, P>;
  if (same(op, "log")) return unary<ComplexLog, P>;
  if (same(op, "log1p")) return unary<ComplexLog1p, P>;
  if (same(op, "log2")) return unary<ComplexLog2, P>;
  if (same(op, "log10")) return unary<ComplexLog10, P>;
  if (same(op, "sin")) return unary<ComplexSin, P>;
  if (same(op, "cos")) return unary<ComplexCos, P>;
  if (same(op, "tan")) return unary<ComplexTan, P>;
  if (same(op, "asin")) return unary<ComplexAsin, P>;
  if (same(op, "acos")) return unary<ComplexAcos, P>;
  if (same(op, "atan")) return unary<ComplexAtan, P>;
  if (same(op, "sinh")) return unary<ComplexSinh, P>;
  if (same(op, "cosh")) return unary<ComplexCosh, P>;
  if (same(op, "tanh")) return unary<ComplexTanh, P>;
  if (same(op, "asinh")) return unary<ComplexAsinh, P>;
  if (same(op, "acosh")) return unary<ComplexAcosh, P>;
  if (same(op, "atanh")) return unary<ComplexAtanh, P>;
  return nullptr;
}

// The neighbour of a toward b, found among the type's own bit patterns.
template <class Bits, Bits infinity>
struct NextAfter {
  using Number = std::make_signed_t<Bits>;
  static constexpr Bits kSign = Bits(Bits(1) << (8 * sizeof(Bits) - 1));
  static Number number(Bits bits) { return bits & kSign ? Number(-Number(bits ^ kSign)) : Number(bits); }
  static Bits of(Bits a, Bits b) {
    if (Bits(a & ~kSign) > infinity) return a;
    if (Bits(b & ~kSign) > infinity) return b;
    const Number from = number(a), to = number(b);
    if (from == to) return b;
    if (from == 0) return to > 0 ? Bits(1) : Bits(kSign | 1);
    return (to > from) == (from > 0) ? Bits(a + 1) : Bits(a - 1);
  }
};
Loop next_after(Type type) {  // the levels have it for float32 and float64
  switch (type) {
    case Type::Float16: return binary<NextAfter<uint16_t, 0x7c00>, uint16_t>;
    case Type::BFloat16: return binary<NextAfter<uint16_t, 0x7f80>, uint16_t>;
    default: return nullptr;
  }
}

void where_sixteen(const void* const* inputs, void* output, int64_t n) {
  const uint8_t* condition = static_cast<const uint8_t*>(inputs[0]);
  const Sixteen* x = static_cast<const Sixteen*>(inputs[1]);
  const Sixteen* y = static_cast<const Sixteen*>(inputs[2]);
  Sixteen* z = static_cast<Sixteen*>(output);
  for (int64_t i = 0; i < n; ++i) z[i] = condition[i] ? x[i] : y[i];
}

// ---- sums of complex numbers: pairwise over blocks, as those of real ones ------------------------------

template <class T>
Pair<T> sum_pairs(const Pair<T>* x, int64_t n) {
  constexpr int64_t kLanes = 4;
  if (n <= 512) {
    Pair<T> sums[kLanes] = {};
    for (int64_t i = 0; i < n; ++i) sums[i % kLanes] = Add::of(sums[i % kLanes], x[i]);
    return Add::of(Add::of(sums[0], sums[1]), Add::of(sums[2], sums[3]));
  }
  const int64_t half = (n / 2 + 511) / 512 * 512;
  return Add::of(sum_pairs(x, half), sum_pairs(x + half, n - half));
}
// A long row is so many columns of numbers side by side, each summed, and their sums last.
template <class T>
void sum_row(const void* x, int64_t n, void* result) {
  constexpr int64_t kWide = 64;  // pairs
  const Pair<T>* pairs = static_cast<const Pair<T>*>(x);
  if (n < 4 * kWide) {
    *static_cast<Pair<T>*>(result) = sum_pairs(pairs, n);
    return;
  }
  Pair<T> sums[2 * kWide];
  const int64_t rows = n / kWide, rest = n % kWide;
  level->column_reduction("sum", sizeof(T) == 4 ? Type::Float32 : Type::Float64)(x, rows, 2 * kWide, 2 * kWide, sums);
  std::copy(pairs + rows * kWide, pairs + n, sums + kWide);
  *static_cast<Pair<T>*>(result) = sum_pairs(sums, kWide + rest);
}
// Columns of pairs are twice as many columns of numbers.
template <Type part>
void sum_columns(const void* x, int64_t rows, int64_t stride, int64_t columns, void* result) {
  level->column_reduction("sum", part)(x, rows, 2 * stride, 2 * columns, result);
}

// ---- products of complex matrices ----------------------------------------------------------------------

// Rows of the result on all threads; inside a row b's rows are added up, so that the last axis is walked in order.
template <class T>
void multiply_rows(const fl_call* call, const Pair<T>* a, const Pair<T>* b, Pair<T>* out, const int64_t* a_batch,
                   const int64_t* b_batch) {
  const fl_tensor& result = call->outputs[0];
  const int r = result.ndim - 2, c = result.ndim - 1;
  const int64_t m = result.shape[r], n = result.shape[c], k = call->inputs[0].shape[c];
  const int64_t work = std::max<int64_t>(1, n * k);
  parallel_for(count_of(result) / n, std::max<int64_t>(1, 16 * kBlock / work), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      int64_t batch = row / m, from_a = 0, from_b = 0;
      for (int d = r - 1; d >= 0; --d) {
        from_a += batch % result.shape[d] * a_batch[d];
        from_b += batch % result.shape[d] * b_batch[d];
        batch /= result.shape[d];
      }
      Pair<T>* to = out + row * n;
      std::fill_n(to, n, Pair<T>{});
      for (int64_t i = 0; i < k; ++i) {
        const Pair<T> factor = a[from_a + row % m * k + i];
        const Pair<T>* other = b + from_b + i * n;
        for (int64_t j = 0; j < n; ++j) to[j] = Add::of(to[j], Multiply::of(factor, other[j]));
      }
    }
  });
}

fl_status run_matmul(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Type>(self);
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const char* data[2];
  int64_t batch[2][kMaxDims] = {};
  for (int i = 0; i < 2; ++i) {
    fl_tensor x = call->inputs[i];
    int64_t shape[kMaxDims];
    for (int d = 0; d < x.ndim; ++d) shape[d] = d + 2 < x.ndim && x.strides[d] == 0 ? 1 : x.shape[d];
    x.shape = shape;
    char* copy = static_cast<char*>(host->scratch(size_t(count_of(x) * size_of(type) + 1)));
    if (!copy) return fail(FL_OUT_OF_MEMORY, "matmul: no memory for contiguous copies");
    if (count_of(x)) copy_to_contiguous(x, copy);
    data[i] = copy;
    int64_t stride = shape[x.ndim - 1] * shape[x.ndim - 2];
    for (int d = x.ndim - 3; d >= 0; --d) {
      batch[i][d] = shape[d] == 1 ? 0 : stride;
      stride *= shape[d];
    }
  }
  if (type == Type::Complex64)
    multiply_rows(call, reinterpret_cast<const Pair<float>*>(data[0]), reinterpret_cast<const Pair<float>*>(data[1]),
                  reinterpret_cast<Pair<float>*>(data_of(out)), batch[0], batch[1]);
  else
    multiply_rows(call, reinterpret_cast<const Pair<double>*>(data[0]), reinterpret_cast<const Pair<double>*>(data[1]),
                  reinterpret_cast<Pair<double>*>(data_of(out)), batch[0], batch[1]);
  return FL_OK;
}

}  // namespace

Loop convert(Type from, Type to) {
  if (const Loop fast = level->convert(from, to)) return fast;
  if (to == Type::Float16) return to_half<Type::Float16>(from);
  if (to == Type::BFloat16) return to_half<Type::BFloat16>(from);
  switch (from) {
    case Type::Bool: return convert_known_or_small<Truth>(to);
    case Type::Int32: return convert_known<int32_t>(to);
    case Type::Int64: return convert_known_or_small<int64_t>(to);
    case Type::Float32: return convert_known<float>(to);
    case Type::Float64: return convert_known<double>(to);
    case Type::Int8: return convert_from<int8_t>(to);
    case Type::Int16: return convert_from<int16_t>(to);
    case Type::UInt8: return convert_from<uint8_t>(to);
    case Type::UInt16: return convert_from<uint16_t>(to);
    case Type::UInt32: return convert_from<uint32_t>(to);
    case Type::UInt64: return convert_from<uint64_t>(to);
    case Type::Float16: return widened_first<Type::Float16>(to);
    case Type::BFloat16: return widened_first<Type::BFloat16>(to);
    case Type::Complex64: return convert_pair<float, double>(to);
    case Type::Complex128: return convert_pair<double, float>(to);
    default: return nullptr;
  }
}

Loop plain_pointwise(const char* op, Type type) {
  if (same(op, "where")) return size_of(type) == 16 ? where_sixteen : nullptr;
  if (same(op, "nextafter")) return next_after(type);
  switch (type) {
    case Type::UInt64: return natural(op);
    case Type::Complex64: return complex_pointwise<float>(op);
    case Type::Complex128: return complex_pointwise<double>(op);
    default: return nullptr;
  }
}

RowReduction plain_row_reduction(const char* op, Type type) {
  if (!same(op, "sum")) return nullptr;
  return type == Type::Complex64 ? sum_row<float> : type == Type::Complex128 ? sum_row<double> : nullptr;
}
ColumnReduction plain_column_reduction(const char* op, Type type) {
  if (!same(op, "sum")) return nullptr;
  return type == Type::Complex64    ? sum_columns<Type::Float32>
         : type == Type::Complex128 ? sum_columns<Type::Float64>
                                    : nullptr;
}

const fl_kernel* complex_matmul_kernel(Type type) { return keep_kernel(run_matmul, type); }

}  // namespace flambeau::cpu
