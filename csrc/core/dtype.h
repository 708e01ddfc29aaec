// Element types: what they are called, how large they are, and what two of them give together.
#pragma once

#include <flambeau/backend.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace flambeau {

enum class DType : uint8_t { Bool, Int32, Int64, Float16, BFloat16, Float32, Float64 };
inline constexpr int kDTypeCount = 7;

// Sets of element types, one bit each.
using DTypeSet = uint32_t;
constexpr DTypeSet set_of(DType dtype) { return 1u << static_cast<unsigned>(dtype); }
inline constexpr DTypeSet kBools = set_of(DType::Bool);
inline constexpr DTypeSet kIntegers = set_of(DType::Int32) | set_of(DType::Int64);
inline constexpr DTypeSet kFloats =
    set_of(DType::Float16) | set_of(DType::BFloat16) | set_of(DType::Float32) | set_of(DType::Float64);
inline constexpr DTypeSet kNumbers = kIntegers | kFloats;
inline constexpr DTypeSet kAllDTypes = kBools | kNumbers;
constexpr bool contains(DTypeSet set, DType dtype) { return (set & set_of(dtype)) != 0; }
constexpr bool is_float(DType dtype) { return contains(kFloats, dtype); }
constexpr bool is_integer(DType dtype) { return contains(kIntegers, dtype); }

inline constexpr uint8_t kDTypeSizes[kDTypeCount] = {1, 4, 8, 2, 2, 4, 8};
constexpr size_t size_of(DType dtype) { return kDTypeSizes[static_cast<size_t>(dtype)]; }

// "float32", as the user writes it.
std::string_view name_of(DType dtype);
std::optional<DType> dtype_named(std::string_view name);

// DLPack's (code, bits, lanes) and back; nothing for a type that this core does not know.
fl_dtype to_c(DType dtype);
std::optional<DType> from_c(fl_dtype dtype);

// The type that holds both: bool < int32 < int64 < float16, bfloat16 < float32 < float64. As in PyTorch, any float
// beats any integer; float16 with bfloat16 gives float32. (The Array API leaves mixed kinds open.)
DType promote(DType a, DType b);

}  // namespace flambeau
