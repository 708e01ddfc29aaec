#include "core/dtype.h"

#include <algorithm>

namespace flambeau {
namespace {

struct Row {
  std::string_view name;
  fl_dtype c;
};
constexpr Row kRows[kDTypeCount] = {
    {"bool", {FL_BOOL, 8, 1}},         {"int8", {FL_INT, 8, 1}},          {"int16", {FL_INT, 16, 1}},
    {"int32", {FL_INT, 32, 1}},        {"int64", {FL_INT, 64, 1}},        {"uint8", {FL_UINT, 8, 1}},
    {"uint16", {FL_UINT, 16, 1}},      {"uint32", {FL_UINT, 32, 1}},      {"uint64", {FL_UINT, 64, 1}},
    {"float16", {FL_FLOAT, 16, 1}},    {"bfloat16", {FL_BFLOAT, 16, 1}},  {"float32", {FL_FLOAT, 32, 1}},
    {"float64", {FL_FLOAT, 64, 1}},    {"complex64", {FL_COMPLEX, 64, 1}}, {"complex128", {FL_COMPLEX, 128, 1}},
};

DType signed_of(size_t size) {
  return size == 1 ? DType::Int8 : size == 2 ? DType::Int16 : size == 4 ? DType::Int32 : DType::Int64;
}

}  // namespace

std::string_view name_of(DType dtype) { return kRows[static_cast<size_t>(dtype)].name; }

std::optional<DType> dtype_named(std::string_view name) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

fl_dtype to_c(DType dtype) { return kRows[static_cast<size_t>(dtype)].c; }

std::optional<DType> from_c(fl_dtype dtype) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (kRows[i].c.code == dtype.code && kRows[i].c.bits == dtype.bits && dtype.lanes == 1) return static_cast<DType>(i);
  return std::nullopt;
}

DType promote(DType a, DType b) {
  if (a == b) return a;
  if (a > b) std::swap(a, b);  // the enumeration stands in order of kinds, and of widths within one
  if (a == DType::Float16 && b == DType::BFloat16) return DType::Float32;
  if (is_complex(b)) return a == DType::Float64 ? DType::Complex128 : b;
  const bool mixed_signs = contains(kSigned, a) && is_unsigned(b);
  if (!mixed_signs || size_of(a) > size_of(b)) return mixed_signs ? a : b;
  return b == DType::UInt64 ? DType::Float64 : signed_of(2 * size_of(b));
}

}  // namespace flambeau
