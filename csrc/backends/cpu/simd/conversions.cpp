// simd/conversions.cpp: from one type to another, each rounded once. Compiled once per level.
#include "kernels.h"
#include "loops.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class T>
constexpr bool kIsFloat = T(0.5) != T(0);

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
// The same for integers of 8 and 16 bits, which int32 holds.
template <class To>
struct SmallWhole {
  template <class From>
  static FL_INLINE To of(From x) {
    constexpr From kLeast = To(-1) < To(0) ? -From(1 << (8 * sizeof(To) - 1)) : From(0);
    constexpr From kMost = From((1 << (8 * sizeof(To))) - 1) + kLeast;
    const From above = x >= kLeast ? x : x == x ? kLeast : From(0);
    return To(int32_t(above <= kMost ? above : kMost));
  }
};
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

template <class From>
Loop convert_to_small(Type to) {
  switch (to) {
    case Type::Int8: return unary<SmallWhole<int8_t>, From, int8_t>;
    case Type::Int16: return unary<SmallWhole<int16_t>, From, int16_t>;
    case Type::UInt8: return unary<SmallWhole<uint8_t>, From, uint8_t>;
    case Type::UInt16: return unary<SmallWhole<uint16_t>, From, uint16_t>;
    default: return nullptr;
  }
}

// Between a stored integer type and the one it is computed in, and from floats to 8 and 16 bits; backends/cpu/plain.cpp has the rest.
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
    case Type::Float32: return convert_to_small<float>(to);
    case Type::Float64: return convert_to_small<double>(to);
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

}  // namespace

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

}  // namespace flambeau::cpu::FL_LEVEL
