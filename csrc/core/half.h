// float16 and bfloat16 values of single numbers on the host (kernels have their own, by the vector).
#pragma once

#include <bit>
#include <cmath>
#include <complex>
#include <cstdint>
#include <cstring>

#include "core/dtype.h"

namespace flambeau {

inline float bfloat16_value(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline uint16_t bfloat16_bits(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  bits += 0x7fffu + ((bits >> 16) & 1u);  // to nearest, ties to even
  return static_cast<uint16_t>(bits >> 16);
}

inline float float16_value(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t fraction = bits & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112u) << 23) | (fraction << 13));
  const float small = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -small : small;
}

inline uint16_t float16_bits(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return static_cast<uint16_t>(sign | 0x7e00u | ((magnitude >> 13) & 0x3ffu));
  if (magnitude >= 0x477ff000u) return static_cast<uint16_t>(sign | 0x7c00u);  // rounds to infinity
  if (magnitude < 0x38800000u) {
    // Adding this aligns the fraction so that the float adder rounds to nearest even for us.
    const float aligned = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::bit_cast<uint32_t>(aligned) - 0x3f000000u));
  }
  const uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return static_cast<uint16_t>(sign | static_cast<uint16_t>((rounded - 0x38000000u) >> 13));
}

// float16 of a double, rounded once (through float32 it would be rounded twice): the float is made odd when inexact.
inline float round_to_odd(double value) {
  const auto nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) == value || std::isnan(value) || std::isinf(nearest)) return nearest;
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) --bits;
  return std::bit_cast<float>(bits | 1u);
}

// A float as a whole number modulo 2^64, cut toward zero; what is beyond 64 bits is clamped.
inline int64_t whole_of(double value) {
  if (std::isnan(value)) return 0;
  if (value >= 0x1p64) return -1;  // all bits set: the largest uint64
  if (value >= 0x1p63) return static_cast<int64_t>(static_cast<uint64_t>(value));
  return value < -0x1p63 ? INT64_MIN : static_cast<int64_t>(value);
}

// Writes one element of this type; integers wrap, as a cast does; complex numbers get no imaginary part.
inline void store_value(void* to, DType dtype, int64_t value);
inline void store_value(void* to, DType dtype, double value) {
  switch (dtype) {
    case DType::Bool: *static_cast<bool*>(to) = value != 0; return;
    case DType::Float16: *static_cast<uint16_t*>(to) = float16_bits(round_to_odd(value)); return;
    case DType::BFloat16: *static_cast<uint16_t*>(to) = bfloat16_bits(round_to_odd(value)); return;
    case DType::Float32: *static_cast<float*>(to) = static_cast<float>(value); return;
    case DType::Float64: *static_cast<double*>(to) = value; return;
    case DType::Complex64: static_cast<float*>(to)[0] = static_cast<float>(value), static_cast<float*>(to)[1] = 0; return;
    case DType::Complex128: static_cast<double*>(to)[0] = value, static_cast<double*>(to)[1] = 0; return;
    default: store_value(to, dtype, whole_of(value));
  }
}
inline void store_value(void* to, DType dtype, int64_t value) {
  switch (dtype) {
    case DType::Bool: *static_cast<bool*>(to) = value != 0; return;
    case DType::Int8:
    case DType::UInt8: *static_cast<uint8_t*>(to) = static_cast<uint8_t>(value); return;
    case DType::Int16:
    case DType::UInt16: *static_cast<uint16_t*>(to) = static_cast<uint16_t>(value); return;
    case DType::Int32:
    case DType::UInt32: *static_cast<uint32_t*>(to) = static_cast<uint32_t>(value); return;
    case DType::Int64:
    case DType::UInt64: *static_cast<int64_t*>(to) = value; return;
    case DType::Float32: *static_cast<float*>(to) = static_cast<float>(value); return;
    default: store_value(to, dtype, static_cast<double>(value));
  }
}
inline void store_value(void* to, DType dtype, std::complex<double> value) {
  store_value(to, dtype, value.real());
  if (dtype == DType::Complex64) static_cast<float*>(to)[1] = static_cast<float>(value.imag());
  if (dtype == DType::Complex128) static_cast<double*>(to)[1] = value.imag();
}
// Of a uint64 the same bits.
inline int64_t load_int(const void* from, DType dtype);
// Of a complex number the real part.
inline double load_float(const void* from, DType dtype) {
  switch (dtype) {
    case DType::Float16: return float16_value(*static_cast<const uint16_t*>(from));
    case DType::BFloat16: return bfloat16_value(*static_cast<const uint16_t*>(from));
    case DType::Float32:
    case DType::Complex64: return *static_cast<const float*>(from);
    case DType::Float64:
    case DType::Complex128: return *static_cast<const double*>(from);
    case DType::UInt64: return static_cast<double>(*static_cast<const uint64_t*>(from));
    default: return static_cast<double>(load_int(from, dtype));
  }
}
inline int64_t load_int(const void* from, DType dtype) {
  switch (dtype) {
    case DType::Bool: return *static_cast<const bool*>(from);
    case DType::Int8: return *static_cast<const int8_t*>(from);
    case DType::Int16: return *static_cast<const int16_t*>(from);
    case DType::Int32: return *static_cast<const int32_t*>(from);
    case DType::UInt8: return *static_cast<const uint8_t*>(from);
    case DType::UInt16: return *static_cast<const uint16_t*>(from);
    case DType::UInt32: return *static_cast<const uint32_t*>(from);
    case DType::Int64:
    case DType::UInt64: return *static_cast<const int64_t*>(from);
    default: return whole_of(load_float(from, dtype));
  }
}
inline std::complex<double> load_complex(const void* from, DType dtype) {
  if (dtype == DType::Complex64) return {static_cast<const float*>(from)[0], static_cast<const float*>(from)[1]};
  if (dtype == DType::Complex128) return {static_cast<const double*>(from)[0], static_cast<const double*>(from)[1]};
  return load_float(from, dtype);
}

}  // namespace flambeau
