// simd/elementwise.cpp: loops over contiguous elements, one for each op and type of computation. Compiled once per
// level. Simple loops are left to the compiler's vectoriser; what it cannot do is written over vector.h.
#include <math.h>

#include <type_traits>

#include "kernels.h"
#include "loops.h"
#include "math.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// ---- ops -----------------------------------------------------------------------------------------------

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
// The neighbour of a toward b, by a's bits. They are not integers until here: -0 and 0 are one number.
struct NextAfter {
  template <class T>
  static FL_INLINE T of(T a, T b) {
    using Bits = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;
    constexpr Bits kMost = Bits(typename std::make_unsigned<Bits>::type(-1) >> 1);
    Bits from, to;
    __builtin_memcpy(&from, &a, sizeof a);
    __builtin_memcpy(&to, &b, sizeof b);
    // Outward where b lies farther out on the same side.
    const Bits moved = from + (((a < b) == (a > 0)) ? Bits(1) : Bits(-1));
    const Bits first = (to & ~kMost) | 1;  // next to 0
    Bits next = (from & kMost) == 0 ? first : moved;
    next = a == b ? to : next;
    next = b != b ? to : next;
    next = a != a ? from : next;
    T y;
    __builtin_memcpy(&y, &next, sizeof y);
    return y;
  }
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
// functions.cpp. Doubles divide many at once, and their quotient's floor is right while all lies within 2^52: rounding moves
// the quotient less than half as far as an integer can be from it, 1 / b.
FL_INLINE double floor_of_quotient(double a, double b) { return __builtin_floor(a / (b == 0 ? 1.0 : b)); }
struct FloorDivide {
  static FL_INLINE int32_t of(int32_t a, int32_t b) {
    const double quotient = floor_of_quotient(a, b);
    // The smallest integer has no positive twin.
    return b == 0 ? 0 : int32_t(quotient > 2147483647.0 ? -2147483648.0 : quotient);
  }
  static FL_INLINE int64_t within(int64_t a, int64_t b) {
    const int64_t quotient = int64_t(floor_of_quotient(double(a), double(b)));
    return b == 0 ? 0 : quotient;
  }
  static FL_INLINE int64_t of(int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (b == -1) return int64_t(uint64_t(0) - uint64_t(a));
    return a / b - int64_t((a % b != 0) & ((a < 0) != (b < 0)));
  }
};
struct Remainder {
  static FL_INLINE int32_t of(int32_t a, int32_t b) {
    const uint32_t whole = uint32_t(FloorDivide::of(a, b)) * uint32_t(b);
    return b == 0 ? 0 : int32_t(uint32_t(a) - whole);
  }
  static FL_INLINE int64_t within(int64_t a, int64_t b) { return b == 0 ? 0 : a - FloorDivide::within(a, b) * b; }
  static FL_INLINE int64_t of(int64_t a, int64_t b) {
    if (b == 0 || b == -1) return 0;
    const int64_t remainder = a % b;
    return remainder != 0 && ((remainder < 0) != (b < 0)) ? remainder + b : remainder;
  }
};
template <class Op>
void divide_integers(const void* const* inputs, void* output, int64_t n) {
  constexpr int64_t kSome = 512;
  const int64_t* a = static_cast<const int64_t*>(inputs[0]);
  const int64_t* b = static_cast<const int64_t*>(inputs[1]);
  int64_t* y = static_cast<int64_t*>(output);
  for (int64_t begin = 0; begin < n; begin += kSome) {
    const int64_t end = begin + kSome < n ? begin + kSome : n;
    int64_t sizes = 0;
    for (int64_t i = begin; i < end; ++i) sizes |= (a[i] ^ (a[i] >> 63)) | (b[i] ^ (b[i] >> 63));
    if (sizes < int64_t(1) << 52)
      for (int64_t i = begin; i < end; ++i) y[i] = Op::within(a[i], b[i]);
    else
      for (int64_t i = begin; i < end; ++i) y[i] = Op::of(a[i], b[i]);
  }
}

struct Pow {
  static FL_INLINE F32 of(F32 a, F32 b) { return pow_of(a, b); }
  static FL_INLINE F64 of(F64 a, F64 b) { return pow_of(a, b); }
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

FL_BINARY(Prelu, a > T(0) ? a : T(a * b))
FL_BINARY(PreluSlopeGrad, b > T(0) ? T(0) : T(a * b))
template <class T>
void prelu_grad(const void* const* inputs, void* output, int64_t n) {
  const T* g = static_cast<const T*>(inputs[0]);
  const T* x = static_cast<const T*>(inputs[1]);
  const T* slope = static_cast<const T*>(inputs[2]);
  T* y = static_cast<T*>(output);
  for (int64_t i = 0; i < n; ++i) y[i] = x[i] > T(0) ? g[i] : T(g[i] * slope[i]);
}

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

// ---- tables --------------------------------------------------------------------------------------------

// Complex numbers, their parts side by side: sums are those of the parts.
template <class Op, class T>
void binary_parts(const void* const* inputs, void* output, int64_t n) {
  binary<Op, T>(inputs, output, 2 * n);
}
template <class V>
FL_INLINE V multiply_parts(V a, V b) {
  using Int = typename Of<V>::Int;
  using Bits = typename Of<V>::Bits;
  constexpr int kSign = 8 * int(sizeof(typename Of<V>::Element)) - 1;
  Int real, imaginary, turned;
  Bits minus;
  for (int i = 0; i < kLanes<V>; ++i) {
    real[i] = i & ~1;
    imaginary[i] = i | 1;
    turned[i] = i ^ 1;
    minus[i] = i % 2 == 0;
  }
  const V cross = __builtin_shuffle(a, turned) * V(__builtin_shuffle(b, imaginary));
  return a * V(__builtin_shuffle(b, real)) + (V)((Bits)cross ^ (minus << kSign));
}
template <class V>
void multiply_complex(const void* const* inputs, void* output, int64_t n) {
  using T = typename Of<V>::Element;
  const T* a = static_cast<const T*>(inputs[0]);
  const T* b = static_cast<const T*>(inputs[1]);
  T* y = static_cast<T*>(output);
  each_vector<V>(2 * n, [&](int64_t i, int lanes) __attribute__((always_inline)) {
    store_some<V>(y + i, multiply_parts(load_some<V>(a + i, lanes), load_some<V>(b + i, lanes)), lanes);
  });
}

template <class Op, class T>
void binary_rows(const void* const* inputs, bool first_repeats, const int64_t* step, void* output, int64_t rows, int64_t n) {
  const T* a = static_cast<const T*>(inputs[0]);
  const T* b = static_cast<const T*>(inputs[1]);
  T* y = static_cast<T*>(output);
  for (int64_t r = 0; r < rows; ++r, a += step[0], b += step[1], y += n) {
    if (first_repeats) {
      const T one = *a;
      for (int64_t i = 0; i < n; ++i) y[i] = Op::of(one, b[i]);
    } else {
      const T one = *b;
      for (int64_t i = 0; i < n; ++i) y[i] = Op::of(a[i], one);
    }
  }
}

bool same(const char* a, const char* b) { return strcmp(a, b) == 0; }

template <class V>
Loop complex_parts(const char* op) {
  using T = typename Of<V>::Element;
  if (same(op, "add")) return binary_parts<Add, T>;
  if (same(op, "subtract")) return binary_parts<Subtract, T>;
  if (same(op, "multiply")) return multiply_complex<V>;
  return complex_function(op, sizeof(T) == 4 ? Type::Complex64 : Type::Complex128);
}

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
  if (same(op, "nextafter")) return binary<NextAfter, T>;
  if (same(op, "exp")) return unary_vector<Exp, V>;
  if (same(op, "log")) return unary_vector<Log, V>;
  if (same(op, "tanh")) return unary_vector<Tanh, V>;
  if (same(op, "sigmoid")) return unary_vector<Sigmoid, V>;
  if (same(op, "gelu")) return alternative ? unary_vector<GeluTanh, V> : unary_vector<Gelu, V>;
  if (same(op, "tanh_grad")) return binary<TanhGrad, T>;
  if (same(op, "sigmoid_grad")) return binary<SigmoidGrad, T>;
  if (same(op, "gelu_grad")) return alternative ? binary_vector<GeluTanhGrad, V> : binary_vector<GeluGrad, V>;
  if (same(op, "divide")) return binary<Divide, T>;
  if (same(op, "prelu")) return binary<Prelu, T>;
  if (same(op, "prelu_slope_grad")) return binary<PreluSlopeGrad, T>;
  if (same(op, "prelu_grad")) return prelu_grad<T>;
  if (same(op, "pow")) return binary_vector<Pow, V>;
  return arithmetic<T>(op);
}

template <class T>
Loop integer(const char* op) {
  if (same(op, "negative")) return unary<Negative, T>;
  if (same(op, "isfinite")) return unary<IsFiniteInteger, T, uint8_t>;
  if constexpr (sizeof(T) == 8) {
    if (same(op, "floor_divide")) return divide_integers<FloorDivide>;
    if (same(op, "remainder")) return divide_integers<Remainder>;
  }
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
    case Type::Complex64: return complex_parts<F32>(op);
    case Type::Complex128: return complex_parts<F64>(op);
    default: return nullptr;
  }
}

template <class T>
RowsLoop arithmetic_rows(const char* op) {
  if (same(op, "add")) return binary_rows<Add, T>;
  if (same(op, "subtract")) return binary_rows<Subtract, T>;
  if (same(op, "multiply")) return binary_rows<Multiply, T>;
  return same(op, "divide") ? binary_rows<Divide, T> : nullptr;
}
RowsLoop pointwise_rows(const char* op, Type type) {
  return type == Type::Float32 ? arithmetic_rows<float>(op) : type == Type::Float64 ? arithmetic_rows<double>(op) : nullptr;
}

void fill(void* to, const void* pattern, size_t bytes) {
  char* target = static_cast<char*>(to);
  F32 v;
  memcpy(&v, pattern, sizeof v);
  size_t i = 0;
  for (; i + sizeof v <= bytes; i += sizeof v) memcpy(target + i, &v, sizeof v);
  memcpy(target + i, pattern, bytes - i);
}

template <class T>
FL_INLINE void even_steps(double start, double step, int64_t begin, int64_t end, T* to) {
  F64 at = __builtin_convertvector(lane_numbers<F64>(), F64) + splat<F64>(double(begin));
  int64_t i = begin;
  for (; i + kLanes<F64> <= end; i += kLanes<F64>, at += splat<F64>(kLanes<F64>)) {
    const F64 y = splat<F64>(start) + at * splat<F64>(step);
    if constexpr (sizeof(T) == 8) {
      store<F64>(to + i, y);
    } else {
      const auto half = __builtin_convertvector(y, typename VectorOf<float, kVectorBytes / 2>::type);
      memcpy(to + i, &half, sizeof half);
    }
  }
  for (; i < end; ++i) to[i] = T(start + double(i) * step);
}
void steps(Type type, double start, double step, int64_t begin, int64_t end, void* to) {
  if (type == Type::Float32) even_steps(start, step, begin, end, static_cast<float*>(to));
  else even_steps(start, step, begin, end, static_cast<double*>(to));
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
