// Attributes of an op: the arguments that are not tensors.
#pragma once

#include <initializer_list>
#include <span>
#include <string>

#include "core/dtype.h"
#include "core/shape.h"

namespace flambeau {

// One value with its kind (fl_attr_kind). None stands for "not given" until the row's `normalize` has settled it.
class Attr {
 public:
  Attr() = default;
  Attr(bool value) : kind_(FL_ATTR_BOOL), i_(value) {}
  Attr(int value) : Attr(static_cast<int64_t>(value)) {}
  Attr(int64_t value) : kind_(FL_ATTR_INT), i_(value) {}
  Attr(double value) : kind_(FL_ATTR_FLOAT), f_(value) {}
  Attr(DType value) : kind_(FL_ATTR_DTYPE), i_(static_cast<int64_t>(value)) {}
  Attr(Dims value) : kind_(FL_ATTR_INTS), ints_(std::move(value)) {}
  Attr(std::string value) : kind_(FL_ATTR_TEXT), text_(std::move(value)) {}
  Attr(const char* value) : Attr(std::string(value)) {}

  fl_attr_kind kind() const { return kind_; }
  bool is_none() const { return kind_ == FL_ATTR_NONE; }
  bool as_bool() const { return i_ != 0; }
  int64_t as_int() const { return i_; }
  double as_float() const { return f_; }
  DType as_dtype() const { return static_cast<DType>(i_); }
  const Dims& ints() const { return ints_; }
  const std::string& text() const { return text_; }
  bool operator==(const Attr& other) const;

  // The C form; it borrows from this object.
  fl_attr to_c() const;

 private:
  fl_attr_kind kind_ = FL_ATTR_NONE;
  union { int64_t i_ = 0; double f_; };
  Dims ints_;
  std::string text_;
};

using Attrs = std::span<const Attr>;

}  // namespace flambeau
