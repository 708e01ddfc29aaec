// Element types: what they are called, how large they are, and what two of them give together.
#pragma once

#include <flambeau/backend.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flambeau {

enum class DType : uint8_t {
  Bool, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float16, BFloat16, Float32, Float64, Complex64, Complex128
};
inline constexpr int kDTypeCount = 15;

// Sets of element types, one bit each.
using DTypeSet = uint32_t;
constexpr DTypeSet set_of(DType dtype) { return 1u << static_cast<unsigned>(dtype); }
inline constexpr DTypeSet kBools = set_of(DType::Bool);
inline constexpr DTypeSet kSigned =
    set_of(DType::Int8) | set_of(DType::Int16) | set_of(DType::Int32) | set_of(DType::Int64);
inline constexpr DTypeSet kUnsigned =
    set_of(DType::UInt8) | set_of(DType::UInt16) | set_of(DType::UInt32) | set_of(DType::UInt64);
inline constexpr DTypeSet kIntegers = kSigned | kUnsigned;
inline constexpr DTypeSet kFloats =
    set_of(DType::Float16) | set_of(DType::BFloat16) | set_of(DType::Float32) | set_of(DType::Float64);
inline constexpr DTypeSet kComplex = set_of(DType::Complex64) | set_of(DType::Complex128);
inline constexpr DTypeSet kNumbers = kIntegers | kFloats;   // those with an order
inline constexpr DTypeSet kNumeric = kNumbers | kComplex;   // those with arithmetic
inline constexpr DTypeSet kInexact = kFloats | kComplex;    // those with gradients
inline constexpr DTypeSet kAllDTypes = kBools | kNumeric;
constexpr bool contains(DTypeSet set, DType dtype) { return (set & set_of(dtype)) != 0; }
constexpr bool is_float(DType dtype) { return contains(kFloats, dtype); }  // of real numbers
constexpr bool is_integer(DType dtype) { return contains(kIntegers, dtype); }
constexpr bool is_unsigned(DType dtype) { return contains(kUnsigned, dtype); }
constexpr bool is_complex(DType dtype) { return contains(kComplex, dtype); }
constexpr bool is_inexact(DType dtype) { return contains(kInexact, dtype); }

inline constexpr uint8_t kDTypeSizes[kDTypeCount] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16};
constexpr size_t size_of(DType dtype) { return kDTypeSizes[static_cast<size_t>(dtype)]; }

// The type of a complex type's parts; any other type itself.
constexpr DType real_of(DType dtype) {
  return dtype == DType::Complex64 ? DType::Float32 : dtype == DType::Complex128 ? DType::Float64 : dtype;
}
// The complex type whose parts hold this type.
constexpr DType complex_of(DType dtype) {
  return dtype == DType::Float64 || dtype == DType::Complex128 ? DType::Complex128 : DType::Complex64;
}

// "float32", as the user writes it.
std::string_view name_of(DType dtype);
std::optional<DType> dtype_named(std::string_view name);

// DLPack's (code, bits, lanes) and back; nothing for a type that this core does not know.
fl_dtype to_c(DType dtype);
std::optional<DType> from_c(fl_dtype dtype);

// The type that holds both: the Array API's table within a kind; between kinds bool < integers < floats < complex, as
// in PyTorch any float beats any integer. float16 with bfloat16 gives float32; uint64 with a signed integer float64,
// as in NumPy. (The Array API leaves mixed kinds open.)
DType promote(DType a, DType b);

}  // namespace flambeau
