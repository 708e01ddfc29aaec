#include "values.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <limits>

namespace flambeau::reference {

namespace {

template <class T>
T read(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void write(char* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

// Rounds to odd, so that a second rounding to 16 bits is as if it were the only one.
uint32_t float_bits_rounded_to_odd(double value) {
  float nearest = static_cast<float>(value);
  uint32_t bits = std::bit_cast<uint32_t>(nearest);
  if (std::isnan(value) || std::isinf(value) || static_cast<double>(nearest) == value) return bits;
  if (std::isinf(nearest)) nearest = std::copysign(std::numeric_limits<float>::max(), nearest);
  bits = std::bit_cast<uint32_t>(nearest);
  if (std::fabs(static_cast<double>(nearest)) > std::fabs(value)) bits -= 1;
  return bits | 1u;
}

float half_to_float(uint16_t half) {
  uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  int exponent = (half >> 10) & 31;
  uint32_t fraction = half & 0x3ffu;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | (fraction << 13));
  if (exponent != 0) {
    return std::bit_cast<float>(sign | (static_cast<uint32_t>(exponent + 112) << 23) | (fraction << 13));
  }
  float magnitude = static_cast<float>(fraction) * 0x1p-24f;
  return sign ? -magnitude : magnitude;
}

uint16_t half_from_double(double value) {
  uint32_t bits = float_bits_rounded_to_odd(value);
  uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  uint32_t magnitude = bits & 0x7fffffffu;
  if (magnitude > 0x7f800000u) return sign | 0x7e00u;
  if (magnitude >= 0x477ff000u) return sign | 0x7c00u;  // 65520 and above round to infinity
  if (magnitude < 0x38800000u) {                        // below the smallest normal: units of 2^-24
    double units = std::fabs(static_cast<double>(std::bit_cast<float>(bits))) * 0x1p24;
    return sign | static_cast<uint16_t>(std::nearbyint(units));
  }
  uint32_t rounded = magnitude + 0xfffu + ((magnitude >> 13) & 1u);
  return sign | static_cast<uint16_t>((rounded >> 13) - (112u << 10));
}

float bfloat_to_float(uint16_t bfloat) { return std::bit_cast<float>(static_cast<uint32_t>(bfloat) << 16); }

uint16_t bfloat_from_double(double value) {
  uint32_t bits = float_bits_rounded_to_odd(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}

template <class T>
T whole_from_double(double value) {
  if (std::isnan(value)) return 0;
  constexpr double kLimit = static_cast<double>(std::numeric_limits<T>::max() / 2 + 1) * 2.0;
  if (value >= kLimit) return std::numeric_limits<T>::max();
  if (value < static_cast<double>(std::numeric_limits<T>::min())) return std::numeric_limits<T>::min();
  return static_cast<T>(value);
}

}  // namespace

Type type_of(fl_dtype dtype) {
  if (dtype.lanes != 1) return Type::kNone;
  switch (dtype.code * 256 + dtype.bits) {
    case FL_BOOL * 256 + 8: return Type::kBool;
    case FL_INT * 256 + 8: return Type::kInt8;
    case FL_INT * 256 + 16: return Type::kInt16;
    case FL_INT * 256 + 32: return Type::kInt32;
    case FL_INT * 256 + 64: return Type::kInt64;
    case FL_UINT * 256 + 8: return Type::kUInt8;
    case FL_UINT * 256 + 16: return Type::kUInt16;
    case FL_UINT * 256 + 32: return Type::kUInt32;
    case FL_UINT * 256 + 64: return Type::kUInt64;
    case FL_FLOAT * 256 + 16: return Type::kFloat16;
    case FL_BFLOAT * 256 + 16: return Type::kBFloat16;
    case FL_FLOAT * 256 + 32: return Type::kFloat32;
    case FL_FLOAT * 256 + 64: return Type::kFloat64;
    case FL_COMPLEX * 256 + 64: return Type::kComplex64;
    case FL_COMPLEX * 256 + 128: return Type::kComplex128;
    default: return Type::kNone;
  }
}

size_t size_of(Type type) {
  constexpr size_t kSizes[] = {1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 2, 4, 8, 8, 16, 0};
  return kSizes[static_cast<size_t>(type)];
}

double load_float(Type type, const char* from) {
  switch (type) {
    case Type::kFloat16: return half_to_float(read<uint16_t>(from));
    case Type::kBFloat16: return bfloat_to_float(read<uint16_t>(from));
    case Type::kFloat32: return read<float>(from);
    default: return read<double>(from);
  }
}

int64_t load_int(Type type, const char* from) {
  switch (type) {
    case Type::kBool: return *from != 0;
    case Type::kInt8: return read<int8_t>(from);
    case Type::kInt16: return read<int16_t>(from);
    case Type::kInt32: return read<int32_t>(from);
    case Type::kUInt8: return read<uint8_t>(from);
    case Type::kUInt16: return read<uint16_t>(from);
    case Type::kUInt32: return read<uint32_t>(from);
    default: return read<int64_t>(from);
  }
}

void store_float(Type type, char* to, double value) {
  switch (type) {
    case Type::kBool: *to = value != 0; return;
    case Type::kInt8: write(to, whole_from_double<int8_t>(value)); return;
    case Type::kInt16: write(to, whole_from_double<int16_t>(value)); return;
    case Type::kInt32: write(to, whole_from_double<int32_t>(value)); return;
    case Type::kInt64: write(to, whole_from_double<int64_t>(value)); return;
    case Type::kUInt8: write(to, whole_from_double<uint8_t>(value)); return;
    case Type::kUInt16: write(to, whole_from_double<uint16_t>(value)); return;
    case Type::kUInt32: write(to, whole_from_double<uint32_t>(value)); return;
    case Type::kUInt64: write(to, whole_from_double<uint64_t>(value)); return;
    case Type::kFloat16: write(to, half_from_double(value)); return;
    case Type::kBFloat16: write(to, bfloat_from_double(value)); return;
    case Type::kFloat32: write(to, static_cast<float>(value)); return;
    case Type::kComplex64:
    case Type::kComplex128: store_complex(type, to, value); return;
    default: write(to, value);
  }
}

void store_int(Type type, char* to, int64_t value) {
  switch (type) {
    case Type::kBool: *to = value != 0; return;
    case Type::kInt8:
    case Type::kUInt8: write(to, static_cast<uint8_t>(value)); return;
    case Type::kInt16:
    case Type::kUInt16: write(to, static_cast<uint16_t>(value)); return;
    case Type::kInt32:
    case Type::kUInt32: write(to, static_cast<uint32_t>(value)); return;
    case Type::kInt64:
    case Type::kUInt64: write(to, value); return;
    case Type::kFloat32: write(to, static_cast<float>(value)); return;
    case Type::kFloat64: write(to, static_cast<double>(value)); return;
    case Type::kComplex64: store_complex(type, to, Complex(static_cast<float>(value))); return;
    case Type::kComplex128: store_complex(type, to, Complex(static_cast<double>(value))); return;
    default: break;
  }
  // More than 53 bits do not fit a double: the last one kept stands for all that are cut.
  if (value > (int64_t{1} << 53) || value < -(int64_t{1} << 53)) {
    bool cut = (value & 0x7ff) != 0;
    value = static_cast<int64_t>((static_cast<uint64_t>(value) & ~uint64_t{0x7ff}) | (cut ? 0x800u : 0u));
  }
  store_float(type, to, static_cast<double>(value));
}

void store_natural(Type type, char* to, uint64_t value) {
  if (!(value >> 63) || is_integer(type) || type == Type::kBool) return store_int(type, to, static_cast<int64_t>(value));
  switch (type) {
    case Type::kFloat32: return write(to, static_cast<float>(value));
    case Type::kComplex64: return store_complex(type, to, Complex(static_cast<float>(value)));
    case Type::kFloat16:
    case Type::kBFloat16:
      value = (value & ~uint64_t{0x7ff}) | ((value & 0x7ff) != 0 ? 0x800u : 0u);
      [[fallthrough]];
    default: return store_float(type, to, static_cast<double>(value));
  }
}

Complex load_complex(Type type, const char* from) {
  if (type == Type::kComplex64) return {read<float>(from), read<float>(from + 4)};
  if (type == Type::kComplex128) return {read<double>(from), read<double>(from + 8)};
  return load_number(type, from);
}

void store_complex(Type type, char* to, Complex value) {
  if (type == Type::kComplex64) {
    write(to, static_cast<float>(value.real()));
    write(to + 4, static_cast<float>(value.imag()));
  } else if (type == Type::kComplex128) {
    write(to, value.real());
    write(to + 8, value.imag());
  } else {
    store_float(type, to, value.real());
  }
}

int64_t element_count(const fl_tensor& tensor) {
  int64_t count = 1;
  for (int32_t axis = 0; axis < tensor.ndim; ++axis) count *= tensor.shape[axis];
  return count;
}

Walk::Walk(int32_t ndim, const int64_t* shape, std::initializer_list<const fl_tensor*> tensors)
    : shape_(shape, shape + ndim), index_(static_cast<size_t>(ndim), 0), remaining_(1) {
  for (int64_t extent : shape_) remaining_ *= extent;
  for (const fl_tensor* tensor : tensors) {
    pointers_.push_back(data(*tensor));
    std::vector<int64_t>& steps = steps_.emplace_back(tensor->strides, tensor->strides + ndim);
    for (int64_t& step : steps) step *= static_cast<int64_t>(size_of(type_of(tensor->dtype)));
  }
}

void Walk::next() {
  if (--remaining_ <= 0) return;
  for (size_t axis = shape_.size(); axis-- > 0;) {
    bool wraps = ++index_[axis] == shape_[axis];
    for (size_t i = 0; i < pointers_.size(); ++i) {
      pointers_[i] += wraps ? -steps_[i][axis] * (shape_[axis] - 1) : steps_[i][axis];
    }
    if (!wraps) return;
    index_[axis] = 0;
  }
}

View::View(const fl_tensor& from)
    : tensor(from), shape(from.shape, from.shape + from.ndim), strides(from.strides, from.strides + from.ndim) {}

void View::fix(int32_t axis, int64_t index) { slice(axis, index, 1, 1); }

void View::slice(int32_t axis, int64_t start, int64_t length, int64_t step) {
  size_t a = static_cast<size_t>(axis);
  int64_t bytes = start * strides[a] * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
  tensor.byte_offset += static_cast<uint64_t>(bytes);
  shape[a] = length;
  strides[a] *= step;
}

const fl_tensor* View::get() {
  tensor.shape = shape.data();
  tensor.strides = strides.data();
  return &tensor;
}

}  // namespace flambeau::reference
