#include "core/dtype.h"

namespace flambeau {
namespace {

struct Row {
  std::string_view name;
  fl_dtype c;
};
constexpr Row kRows[kDTypeCount] = {
    {"bool", {FL_BOOL, 8, 1}},      {"int32", {FL_INT, 32, 1}},      {"int64", {FL_INT, 64, 1}},
    {"float16", {FL_FLOAT, 16, 1}}, {"bfloat16", {FL_BFLOAT, 16, 1}}, {"float32", {FL_FLOAT, 32, 1}},
    {"float64", {FL_FLOAT, 64, 1}},
};

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
  const bool both_half = (a == DType::Float16 && b == DType::BFloat16) || (a == DType::BFloat16 && b == DType::Float16);
  if (both_half) return DType::Float32;
  // The enumeration stands in order of promotion.
  return a < b ? b : a;
}

}  // namespace flambeau
