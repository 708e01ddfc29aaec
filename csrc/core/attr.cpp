#include "core/attr.h"

#include <bit>

namespace flambeau {

bool Attr::operator==(const Attr& other) const {
  if (kind_ != other.kind_) return false;
  switch (kind_) {
    case FL_ATTR_NONE: return true;
    case FL_ATTR_INTS: return ints_ == other.ints_;
    case FL_ATTR_TEXT: return text_ == other.text_;
    // Bits, so that NaN equals itself and 0.0 differs from -0.0.
    case FL_ATTR_FLOAT: return std::bit_cast<uint64_t>(f_) == std::bit_cast<uint64_t>(other.f_);
    default: return i_ == other.i_;
  }
}

fl_attr Attr::to_c() const {
  fl_attr c{};
  c.kind = kind_;
  switch (kind_) {
    case FL_ATTR_FLOAT: c.value.f = f_; break;
    case FL_ATTR_INTS:
      c.count = static_cast<int32_t>(ints_.size());
      c.value.ints = ints_.data();
      break;
    case FL_ATTR_DTYPE: c.value.dtype = flambeau::to_c(as_dtype()); break;
    case FL_ATTR_TEXT: c.value.text = text_.c_str(); break;
    default: c.value.i = i_;
  }
  return c;
}

}  // namespace flambeau
