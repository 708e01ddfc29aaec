// simd/elementwise.cpp: loops over contiguous elements, one for each op and type of computation. Compiled once per
// level. Simple loops are left to the compiler's vectoriser; what it cannot do is written over vector.h.
#include <math.h>

#include "kernels.h"
#include "loops.h"
#include "math.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// ---- loops ---------------------------------------------------------------------------------------------

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

// ---- ops -----------------------------------------------------------------------------------------------

template <class T>
constexpr bool kIsFloat = T(0.5) != T(0);
template <class T>
struct UnsignedOf {
  using type = T;
};
template <>
struct UnsignedOf<int32_t> {
  using type = uint32_t;
};
template <>
struct UnsignedOf<int64_t> {
  using type = uint64_t;
};
template <class T>
using Wrapping = typename UnsignedOf<T>::type;  // integers wrap around

#define FL_UNARY(Name, expression) \
  struct Name {                    \
    template <class T>             \
    static FL_INLINE T of(T x) {   \
      return expression;           \
    }                              \
  };
#define FL_BINARY(Name, expression)   \
  struct Name {                       \
    template <class T>                \
    static FL_INLINE T of(T a, T b) { \
      return expression;              \
    }                                 \
  };
#define FL_COMPARE(Name, expression)     \
  struct Name {                          \
    template <class T>                   \
    static FL_INLINE uint8_t of(T a, T b) { \
      return expression;                 \
    }                                    \
  };

FL_UNARY(Negative, T(Wrapping<T>(0) - Wrapping<T>(x)))
struct NegativeFloat {
  template <class T>
  static FL_INLINE T of(T x) {
    return -x;
  }
};
struct Absolute {
  static FL_INLINE float of(float x) { return __builtin_fabsf(x); }
  static FL_INLINE double of(double x) { return __builtin_fabs(x); }
  template <class T>
  static FL_INLINE T of(T x) {
    return x < 0 ? T(Wrapping<T>(0) - Wrapping<T>(x)) : x;
  }
};
FL_UNARY(Sign, (x != x ? x : T((x > 0) - (x < 0))))
FL_UNARY(Square, T(Wrapping<T>(x) * Wrapping<T>(x)))
struct SquareRoot {
  static FL_INLINE float of(float x) { return __builtin_sqrtf(x); }
  static FL_INLINE double of(double x) { return __builtin_sqrt(x); }
};
struct Floor {
  static FL_INLINE float of(float x) { return __builtin_floorf(x); }
  static FL_INLINE double of(double x) { return __builtin_floor(x); }
  template <class T>
  static FL_INLINE T of(T x) {
    return x;
  }
};
struct Ceil {
  static FL_INLINE float of(float x) { return __builtin_ceilf(x); }
  static FL_INLINE double of(double x) { return __builtin_ceil(x); }
};
struct Trunc {
  static FL_INLINE float of(float x) { return __builtin_truncf(x); }
  static FL_INLINE double of(double x) { return __builtin_trunc(x); }
};
struct Round {
  static FL_INLINE float of(float x) { return __builtin_rintf(x); }
  static FL_INLINE double of(double x) { return __builtin_rint(x); }
};
struct CopySign {
  static FL_INLINE float of(float a, float b) { return __builtin_copysignf(a, b); }
  static FL_INLINE double of(double a, double b) { return __builtin_copysign(a, b); }
};
struct SignBit {
  static FL_INLINE uint8_t of(float x) { return __builtin_signbitf(x) != 0; }
  static FL_INLINE uint8_t of(double x) { return __builtin_signbit(x) != 0; }
};
FL_UNARY(Reciprocal, T(1) / x)
FL_UNARY(Same, x)
FL_UNARY(Relu, (x <= T(0) ? T(0) : x))
struct IsNan {
  template <class T>
  static FL_INLINE uint8_t of(T x) {
    return x != x;
  }
};
struct IsFinite {
  template <class T>
  static FL_INLINE uint8_t of(T x) {
    return x - x == T(0);
  }
};
struct IsInfinite {
  static FL_INLINE uint8_t of(float x) { return __builtin_fabsf(x) == __builtin_inff(); }
  static FL_INLINE uint8_t of(double x) { return __builtin_fabs(x) == __builtin_inf(); }
};
struct IsFiniteInteger {
  template <class T>
  static FL_INLINE uint8_t of(T) {
    return 1;
  }
};
struct IsZero {
  template <class T>
  static FL_INLINE uint8_t of(T x) {
    return x == T(0);
  }
};

FL_UNARY(Exp, exp_of(x))
FL_UNARY(Log, log_of(x))
FL_UNARY(Tanh, tanh_of(x))
FL_UNARY(Sigmoid, sigmoid_of(x))
FL_UNARY(Gelu, gelu_of(x))
FL_UNARY(GeluTanh, gelu_tanh_of(x))

FL_BINARY(ReluGrad, (b <= T(0) ? T(0) : a))  // g, y
FL_BINARY(TanhGrad, a * ((T(1) - b) * (T(1) + b)))  // 1 - y^2 without cancellation
FL_BINARY(SigmoidGrad, a * b * (T(1) - b))
FL_BINARY(GeluGrad, a * gelu_slope(b))
FL_BINARY(GeluTanhGrad, a * gelu_tanh_slope(b))

FL_BINARY(Add, T(Wrapping<T>(a) + Wrapping<T>(b)))
FL_BINARY(Subtract, T(Wrapping<T>(a) - Wrapping<T>(b)))
FL_BINARY(Multiply, T(Wrapping<T>(a) * Wrapping<T>(b)))
FL_BINARY(Divide, a / b)
FL_BINARY(Maximum, ((a > b) | (a != a) ? a : b))
FL_BINARY(Minimum, ((a < b) | (a != a) ? a : b))

// Python's pair for integers: a == floor_divide * b + remainder, the remainder has the divisor's sign. That of floats is in
// functions.cpp.
struct FloorDivide {
  template <class T>
  static FL_INLINE T of(T a, T b) {
    if (b == 0) return 0;
    if (b == -1) return T(Wrapping<T>(0) - Wrapping<T>(a));  // the smallest integer has no positive twin
    const T quotient = a / b;
    return quotient - T((a % b != 0) & ((a < 0) != (b < 0)));
  }
};
struct Remainder {
  template <class T>
  static FL_INLINE T of(T a, T b) {
    if (b == 0 || b == -1) return 0;
    const T remainder = a % b;
    return remainder != 0 && ((remainder < 0) != (b < 0)) ? remainder + b : remainder;
  }
};
struct Pow {
  static FL_INLINE F32 of(F32 a, F32 b) { return pow_of(a, b); }
  static FL_INLINE double of(double a, double b) { return pow(a, b); }
  template <class T>
  static FL_INLINE T of(T a, T b) {
    if (b < 0) return a == 1 ? 1 : a == -1 ? (b & 1 ? -1 : 1) : 0;
    Wrapping<T> result = 1, factor = Wrapping<T>(a);
    for (; b; b >>= 1, factor *= factor)
      if (b & 1) result *= factor;
    return T(result);
  }
};

FL_BINARY(BitwiseAnd, T(a & b))
FL_BINARY(BitwiseOr, T(a | b))
FL_BINARY(BitwiseXor, T(a ^ b))
FL_UNARY(BitwiseInvert, T(~x))
// By more bits than there are: nothing is left, or copies of the sign.
struct LeftShift {
  template <class T>
  static FL_INLINE T of(T a, T b) {
    constexpr T kBits = 8 * sizeof(T);
    return b < 0 || b >= kBits ? T(0) : T(Wrapping<T>(a) << (b & (kBits - 1)));
  }
};
struct RightShift {
  template <class T>
  static FL_INLINE T of(T a, T b) {
    constexpr T kMost = 8 * sizeof(T) - 1;
    return a >> (b < 0 || b > kMost ? kMost : b);
  }
};

FL_COMPARE(Equal, a == b)
FL_COMPARE(NotEqual, a != b)
FL_COMPARE(Less, a < b)
FL_COMPARE(LessEqual, a <= b)
FL_COMPARE(Greater, a > b)
FL_COMPARE(GreaterEqual, a >= b)
FL_COMPARE(LogicalAnd, a & b)
FL_COMPARE(LogicalOr, a | b)
FL_COMPARE(LogicalXor, a ^ b)

template <class Bits>
void where(const void* const* inputs, void* output, int64_t n) {
  const uint8_t* condition = static_cast<const uint8_t*>(inputs[0]);
  const Bits* x = static_cast<const Bits*>(inputs[1]);
  const Bits* y = static_cast<const Bits*>(inputs[2]);
  Bits* z = static_cast<Bits*>(output);
  for (int64_t i = 0; i < n; ++i) {
    const Bits mask = Bits(-Bits(condition[i] != 0));
    z[i] = Bits((x[i] & mask) | (y[i] & Bits(~mask)));
  }
}

// ---- conversions ---------------------------------------------------------------------------------------

struct Half {
  uint16_t bits;
};
struct Brain {
  uint16_t bits;
};
struct Truth {
  uint8_t byte;
};

FL_INLINE uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}
FL_INLINE float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}
FL_INLINE float widen(Half x) {
#if defined(__F16C__)
  return _cvtsh_ss(x.bits);
#else
  const uint32_t sign = uint32_t(x.bits & 0x8000) << 16, magnitude = x.bits & 0x7fff;
  // Move the exponent by multiplying: denormals come out right.
  const float scaled = float_of(magnitude << 13) * 5.192296858534828e33f;  // 2^112
  const uint32_t special = magnitude >= 0x7c00 ? 0x7f800000u | (magnitude << 13) : bits_of(scaled);
  return float_of(special | sign);
#endif
}
FL_INLINE Half narrow_half(float x) {
#if defined(__F16C__)
  return {uint16_t(_cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT))};
#else
  const uint32_t bits = bits_of(x), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  // Denormal results: adding this constant makes the hardware round at the right bit.
  const uint32_t small = bits_of(float_of(magnitude) + float_of(0x3f000000)) - 0x3f000000;
  const uint32_t normal = (magnitude - 0x38000000 + 0xfff + ((magnitude >> 13) & 1)) >> 13;
  uint32_t half = magnitude < 0x38800000 ? small : normal;
  half = magnitude >= 0x477ff000 ? 0x7c00 : half;
  half = magnitude > 0x7f800000 ? 0x7e00 : half;
  return {uint16_t(half | sign)};
#endif
}
FL_INLINE float widen(Brain x) { return float_of(uint32_t(x.bits) << 16); }
FL_INLINE Brain narrow_brain(float x) {
  const uint32_t bits = bits_of(x);
  const uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return {uint16_t((bits & 0x7fffffff) > 0x7f800000 ? (bits >> 16) | 0x40 : rounded)};
}
// double to float so that a second rounding, to fewer bits, is right: an inexact result is made odd.
FL_INLINE float rounded_to_odd(double x) {
  const float y = float(x);
  const uint32_t bits = bits_of(y);
  const double back = double(y);
  const bool inexact = back != x && x == x && back - back == 0.0;
  const bool away = __builtin_fabs(back) > __builtin_fabs(x);
  const uint32_t truncated = bits - uint32_t(inexact & away);
  return float_of(truncated | uint32_t(inexact));
}

// Cut toward zero; out of range saturates and NaN is 0.
template <class To, class From>
FL_INLINE To whole_of(From x) {
  constexpr From kLimit = sizeof(To) == 4 ? From(2147483648.0) : From(9223372036854775808.0);
  constexpr To kMost = sizeof(To) == 4 ? To(0x7fffffff) : To(0x7fffffffffffffff), kLeast = -kMost - 1;
  const To inside = To(x >= -kLimit && x < kLimit ? x : From(0));
  return x >= kLimit ? kMost : x < -kLimit ? kLeast : inside;
}
// An integer as a double whose last kept bit stands for all that are cut, for one right rounding to 16 bits.
FL_INLINE double sticky(int64_t x) {
  const bool large = x > (int64_t(1) << 53) || x < -(int64_t(1) << 53);
  const uint64_t bits = uint64_t(x);
  return double(large ? int64_t((bits & ~uint64_t(0x7ff)) | (bits & 0x7ff ? 0x800u : 0u)) : x);
}

template <class To>
struct Convert {
  template <class From>
  static FL_INLINE To of(From x) {
    if constexpr (!kIsFloat<To> && kIsFloat<From>) return whole_of<To>(x);
    else return To(x);
  }
  static FL_INLINE To of(Half x) { return of(widen(x)); }
  static FL_INLINE To of(Brain x) { return of(widen(x)); }
  static FL_INLINE To of(Truth x) { return To(x.byte); }
};
template <>
struct Convert<Half> {
  static FL_INLINE Half of(float x) { return narrow_half(x); }
  static FL_INLINE Half of(int32_t x) { return narrow_half(rounded_to_odd(x)); }
  static FL_INLINE Half of(int64_t x) { return narrow_half(rounded_to_odd(sticky(x))); }
  static FL_INLINE Half of(double x) { return narrow_half(rounded_to_odd(x)); }
  static FL_INLINE Half of(Brain x) { return narrow_half(widen(x)); }
  static FL_INLINE Half of(Truth x) { return narrow_half(float(x.byte)); }
};
template <>
struct Convert<Brain> {
  static FL_INLINE Brain of(float x) { return narrow_brain(x); }
  static FL_INLINE Brain of(int32_t x) { return narrow_brain(rounded_to_odd(x)); }
  static FL_INLINE Brain of(int64_t x) { return narrow_brain(rounded_to_odd(sticky(x))); }
  static FL_INLINE Brain of(double x) { return narrow_brain(rounded_to_odd(x)); }
  static FL_INLINE Brain of(Half x) { return narrow_brain(widen(x)); }
  static FL_INLINE Brain of(Truth x) { return narrow_brain(float(x.byte)); }
};
template <>
struct Convert<Truth> {
  template <class From>
  static FL_INLINE Truth of(From x) {
    return {uint8_t(x != From(0))};
  }
  static FL_INLINE Truth of(Half x) { return {uint8_t((x.bits & 0x7fff) != 0)}; }
  static FL_INLINE Truth of(Brain x) { return {uint8_t((x.bits & 0x7fff) != 0)}; }
};

#if defined(__AVX512F__)
// The two that matter for speed and that the compiler does not vectorise by itself.
void half_to_float(const void* const* inputs, void* output, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(inputs[0]);
  float* y = static_cast<float*>(output);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) _mm512_storeu_ps(y + i, _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)(x + i))));
  for (; i < n; ++i) y[i] = _cvtsh_ss(x[i]);
}
void float_to_half(const void* const* inputs, void* output, int64_t n) {
  const float* x = static_cast<const float*>(inputs[0]);
  uint16_t* y = static_cast<uint16_t*>(output);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    _mm256_storeu_si256((__m256i*)(y + i), _mm512_cvtps_ph(_mm512_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; ++i) y[i] = uint16_t(_cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT));
}
#elif defined(__F16C__)
void half_to_float(const void* const* inputs, void* output, int64_t n) {
  const uint16_t* x = static_cast<const uint16_t*>(inputs[0]);
  float* y = static_cast<float*>(output);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)(x + i))));
  for (; i < n; ++i) y[i] = _cvtsh_ss(x[i]);
}
void float_to_half(const void* const* inputs, void* output, int64_t n) {
  const float* x = static_cast<const float*>(inputs[0]);
  uint16_t* y = static_cast<uint16_t*>(output);
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    _mm_storeu_si128((__m128i*)(y + i), _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT));
  for (; i < n; ++i) y[i] = uint16_t(_cvtss_sh(x[i], _MM_FROUND_TO_NEAREST_INT));
}
#else
constexpr Loop half_to_float = unary<Convert<float>, Half, float>;
constexpr Loop float_to_half = unary<Convert<Half>, float, Half>;
#endif

// Between a stored integer type and the one it is computed in; backends/cpu/plain.cpp has the rest.
Loop convert_small(Type from, Type to) {
  switch (from) {
    case Type::Int8: return to == Type::Int32 ? unary<Convert<int32_t>, int8_t, int32_t> : nullptr;
    case Type::Int16: return to == Type::Int32 ? unary<Convert<int32_t>, int16_t, int32_t> : nullptr;
    case Type::UInt8: return to == Type::Int32 ? unary<Convert<int32_t>, uint8_t, int32_t> : nullptr;
    case Type::UInt16: return to == Type::Int32 ? unary<Convert<int32_t>, uint16_t, int32_t> : nullptr;
    case Type::UInt32: return to == Type::Int64 ? unary<Convert<int64_t>, uint32_t, int64_t> : nullptr;
    case Type::Int32:
      return to == Type::Int8 || to == Type::UInt8     ? unary<Convert<uint8_t>, int32_t, uint8_t>
             : to == Type::Int16 || to == Type::UInt16 ? unary<Convert<uint16_t>, int32_t, uint16_t>
                                                       : nullptr;
    case Type::Int64: return to == Type::UInt32 ? unary<Convert<uint32_t>, int64_t, uint32_t> : nullptr;
    default: return nullptr;
  }
}

template <class From, class To>
constexpr Loop conversion() {
  if constexpr (__is_same(From, To)) return nullptr;
  else return unary<Convert<To>, From, To>;
}
template <class From>
Loop convert_from(Type to) {
  switch (to) {
    case Type::Bool: return conversion<From, Truth>();
    case Type::Int32: return conversion<From, int32_t>();
    case Type::Int64: return conversion<From, int64_t>();
    case Type::Float16: return conversion<From, Half>();
    case Type::BFloat16: return conversion<From, Brain>();
    case Type::Float32: return conversion<From, float>();
    case Type::Float64: return conversion<From, double>();
    default: return nullptr;
  }
}

// ---- tables --------------------------------------------------------------------------------------------

bool same(const char* a, const char* b) { return strcmp(a, b) == 0; }

template <class T>
Loop comparison(const char* op) {
  if (same(op, "equal")) return binary<Equal, T, uint8_t>;
  if (same(op, "not_equal")) return binary<NotEqual, T, uint8_t>;
  if (same(op, "less")) return binary<Less, T, uint8_t>;
  if (same(op, "less_equal")) return binary<LessEqual, T, uint8_t>;
  if (same(op, "greater")) return binary<Greater, T, uint8_t>;
  if (same(op, "greater_equal")) return binary<GreaterEqual, T, uint8_t>;
  return nullptr;
}

template <class T>
Loop arithmetic(const char* op) {
  if (same(op, "abs")) return unary<Absolute, T>;
  if (same(op, "sign")) return unary<Sign, T>;
  if (same(op, "square")) return unary<Square, T>;
  if (same(op, "relu")) return unary<Relu, T>;
  if (same(op, "floor")) return unary<Floor, T>;
  if (same(op, "isnan")) return unary<IsNan, T, uint8_t>;
  if (same(op, "add")) return binary<Add, T>;
  if (same(op, "subtract")) return binary<Subtract, T>;
  if (same(op, "multiply")) return binary<Multiply, T>;
  if (same(op, "maximum")) return binary<Maximum, T>;
  if (same(op, "minimum")) return binary<Minimum, T>;
  if (same(op, "relu_grad")) return binary<ReluGrad, T>;
  return comparison<T>(op);
}

template <class V>
Loop floating(const char* op, bool alternative) {
  using T = typename Of<V>::Element;
  if (const Loop function = real_function(op, sizeof(T) == 4 ? Type::Float32 : Type::Float64)) return function;
  if (same(op, "negative")) return unary<NegativeFloat, T>;
  if (same(op, "sqrt")) return unary<SquareRoot, T>;
  if (same(op, "isfinite")) return unary<IsFinite, T, uint8_t>;
  if (same(op, "isinf")) return unary<IsInfinite, T, uint8_t>;
  if (same(op, "signbit")) return unary<SignBit, T, uint8_t>;
  if (same(op, "ceil")) return unary<Ceil, T>;
  if (same(op, "trunc")) return unary<Trunc, T>;
  if (same(op, "round")) return unary<Round, T>;
  if (same(op, "reciprocal")) return unary<Reciprocal, T>;
  if (same(op, "conj") || same(op, "real")) return unary<Same, T>;
  if (same(op, "copysign")) return binary<CopySign, T>;
  if (same(op, "exp")) return unary_vector<Exp, V>;
  if (same(op, "log")) return unary_vector<Log, V>;
  if (same(op, "tanh")) return unary_vector<Tanh, V>;
  if (same(op, "sigmoid")) return unary_vector<Sigmoid, V>;
  if (same(op, "gelu")) return alternative ? unary_vector<GeluTanh, V> : unary_vector<Gelu, V>;
  if (same(op, "tanh_grad")) return binary<TanhGrad, T>;
  if (same(op, "sigmoid_grad")) return binary<SigmoidGrad, T>;
  if (same(op, "gelu_grad")) return alternative ? binary_vector<GeluTanhGrad, V> : binary_vector<GeluGrad, V>;
  if (same(op, "divide")) return binary<Divide, T>;
  if (same(op, "pow")) {
    if constexpr (sizeof(T) == 4) return binary_vector<Pow, V>;
    else return binary<Pow, T>;
  }
  return arithmetic<T>(op);
}

template <class T>
Loop integer(const char* op) {
  if (same(op, "negative")) return unary<Negative, T>;
  if (same(op, "isfinite")) return unary<IsFiniteInteger, T, uint8_t>;
  if (same(op, "floor_divide")) return binary<FloorDivide, T>;
  if (same(op, "remainder")) return binary<Remainder, T>;
  if (same(op, "pow")) return binary<Pow, T>;
  if (same(op, "isinf")) return unary<IsNan, T, uint8_t>;  // never
  constexpr const char* kUnchanged[] = {"ceil", "trunc", "round", "conj", "real"};
  for (const char* unchanged : kUnchanged)
    if (same(op, unchanged)) return unary<Floor, T>;
  if (same(op, "bitwise_and")) return binary<BitwiseAnd, T>;
  if (same(op, "bitwise_or")) return binary<BitwiseOr, T>;
  if (same(op, "bitwise_xor")) return binary<BitwiseXor, T>;
  if (same(op, "bitwise_invert")) return unary<BitwiseInvert, T>;
  if (same(op, "bitwise_left_shift")) return binary<LeftShift, T>;
  if (same(op, "bitwise_right_shift")) return binary<RightShift, T>;
  return arithmetic<T>(op);
}

// Integers of 8 and 16 bits in their own size: the low bits are those of the wider result.
template <class T>
Loop small_integer(const char* op) {
  if (same(op, "add")) return binary<Add, T>;
  if (same(op, "subtract")) return binary<Subtract, T>;
  if (same(op, "multiply")) return binary<Multiply, T>;
  if (same(op, "maximum")) return binary<Maximum, T>;
  if (same(op, "minimum")) return binary<Minimum, T>;
  if (same(op, "bitwise_and")) return binary<BitwiseAnd, T>;
  if (same(op, "bitwise_or")) return binary<BitwiseOr, T>;
  if (same(op, "bitwise_xor")) return binary<BitwiseXor, T>;
  if (same(op, "bitwise_invert")) return unary<BitwiseInvert, T>;
  return comparison<T>(op);
}

Loop truth(const char* op) {
  if (same(op, "logical_not") || same(op, "bitwise_invert")) return unary<IsZero, uint8_t>;
  if (same(op, "logical_and") || same(op, "bitwise_and")) return binary<LogicalAnd, uint8_t>;
  if (same(op, "logical_or") || same(op, "bitwise_or")) return binary<LogicalOr, uint8_t>;
  if (same(op, "logical_xor") || same(op, "bitwise_xor")) return binary<LogicalXor, uint8_t>;
  return comparison<uint8_t>(op);
}

}  // namespace

Loop pointwise(const char* op, Type type, bool alternative) {
  if (same(op, "where")) {
    switch (type) {
      case Type::Bool:
      case Type::Int8:
      case Type::UInt8: return where<uint8_t>;
      case Type::Int16:
      case Type::UInt16:
      case Type::Float16:
      case Type::BFloat16: return where<uint16_t>;
      case Type::Int32:
      case Type::UInt32:
      case Type::Float32: return where<uint32_t>;
      case Type::Int64:
      case Type::UInt64:
      case Type::Float64:
      case Type::Complex64: return where<uint64_t>;
      default: return nullptr;
    }
  }
  switch (type) {
    case Type::Bool: return truth(op);
    case Type::Int8: return small_integer<int8_t>(op);
    case Type::UInt8: return small_integer<uint8_t>(op);
    case Type::Int16: return small_integer<int16_t>(op);
    case Type::UInt16: return small_integer<uint16_t>(op);
    case Type::Int32: return integer<int32_t>(op);
    case Type::Int64: return integer<int64_t>(op);
    case Type::Float32: return floating<F32>(op, alternative);
    case Type::Float64: return floating<F64>(op, alternative);
    default: return nullptr;
  }
}

Loop convert(Type from, Type to) {
  if (from == Type::Float16 && to == Type::Float32) return half_to_float;
  if (from == Type::Float32 && to == Type::Float16) return float_to_half;
  if (const Loop small = convert_small(from, to)) return small;
  switch (from) {
    case Type::Bool: return convert_from<Truth>(to);
    case Type::Int32: return convert_from<int32_t>(to);
    case Type::Int64: return convert_from<int64_t>(to);
    case Type::Float16: return convert_from<Half>(to);
    case Type::BFloat16: return convert_from<Brain>(to);
    case Type::Float32: return convert_from<float>(to);
    case Type::Float64: return convert_from<double>(to);
    default: return nullptr;
  }
}

void stream(void* to, const void* from, size_t bytes) {
#if defined(__x86_64__)
  char* target = static_cast<char*>(to);
  const char* source = static_cast<const char*>(from);
  size_t i = 0;
#if defined(__AVX512F__)
  for (; i + 64 <= bytes; i += 64) _mm512_stream_si512((__m512i*)(target + i), _mm512_loadu_si512(source + i));
#elif defined(__AVX2__)
  for (; i + 32 <= bytes; i += 32)
    _mm256_stream_si256((__m256i*)(target + i), _mm256_loadu_si256((const __m256i*)(source + i)));
#else
  for (; i + 16 <= bytes; i += 16)
    _mm_stream_si128((__m128i*)(target + i), _mm_loadu_si128((const __m128i*)(source + i)));
#endif
  if (i < bytes) memcpy(target + i, source + i, bytes - i);
#else
  memcpy(to, from, bytes);
#endif
}

}  // namespace flambeau::cpu::FL_LEVEL
