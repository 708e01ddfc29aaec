// Lists of sizes, strides and axes, and the arithmetic of shapes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <span>
#include <string_view>

#include "core/error.h"

namespace flambeau {

inline constexpr int kMaxDims = 64;

// A list of int64: up to six stand inside the object, more on the heap.
class Dims {
 public:
  Dims() noexcept = default;
  Dims(std::initializer_list<int64_t> values) : Dims(std::span<const int64_t>(values.begin(), values.size())) {}
  explicit Dims(std::span<const int64_t> values) { resize(values.size()); std::copy(values.begin(), values.end(), data()); }
  static Dims filled(size_t count, int64_t value) { Dims d; d.resize(count); std::fill(d.begin(), d.end(), value); return d; }
  Dims(const Dims& other) : Dims(static_cast<std::span<const int64_t>>(other)) {}
  Dims(Dims&& other) noexcept { take(other); }
  Dims& operator=(const Dims& other) {
    if (this != &other) { resize(other.size_); std::copy(other.begin(), other.end(), data()); }
    return *this;
  }
  Dims& operator=(Dims&& other) noexcept { if (this != &other) { free_heap(); take(other); } return *this; }
  ~Dims() { free_heap(); }

  size_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  int64_t* data() noexcept { return capacity_ > kInline ? heap_ : inline_; }
  const int64_t* data() const noexcept { return capacity_ > kInline ? heap_ : inline_; }
  int64_t& operator[](size_t i) noexcept { return data()[i]; }
  int64_t operator[](size_t i) const noexcept { return data()[i]; }
  int64_t* begin() noexcept { return data(); }
  int64_t* end() noexcept { return data() + size_; }
  const int64_t* begin() const noexcept { return data(); }
  const int64_t* end() const noexcept { return data() + size_; }
  int64_t back() const noexcept { return data()[size_ - 1]; }
  operator std::span<const int64_t>() const noexcept { return {data(), size_}; }
  bool operator==(const Dims& other) const noexcept {
    return size_ == other.size_ && std::equal(begin(), end(), other.begin());
  }
  void clear() noexcept { size_ = 0; }
  void resize(size_t count) { if (count > capacity_) grow(count); size_ = static_cast<uint32_t>(count); }
  void push_back(int64_t value) { resize(size_ + 1u); data()[size_ - 1] = value; }
  void insert(size_t at, int64_t value) { push_back(value); std::rotate(begin() + at, end() - 1, end()); }
  void erase(size_t at) { std::copy(begin() + at + 1, end(), begin() + at); --size_; }

 private:
  static constexpr uint32_t kInline = 6;
  void grow(size_t count);
  void free_heap() noexcept { if (capacity_ > kInline) delete[] heap_; }
  void take(Dims& other) noexcept {
    size_ = other.size_;
    capacity_ = other.capacity_;
    if (capacity_ > kInline) { heap_ = other.heap_; other.capacity_ = kInline; other.size_ = 0; }
    else std::memcpy(inline_, other.inline_, size_ * sizeof(int64_t));
  }

  uint32_t size_ = 0;
  uint32_t capacity_ = kInline;
  union { int64_t inline_[kInline]; int64_t* heap_ = nullptr; };
};

// Number of elements; 1 for no dimensions. Raises ShapeError if it does not fit in 63 bits.
int64_t count_of(const Dims& shape);
// Row-major strides, in elements.
Dims contiguous_strides(const Dims& shape);
// Whether elements of this shape lie one after the other in row-major order (strides of size-1 dimensions are free).
bool is_contiguous(const Dims& shape, const Dims& strides);

// The common shape by NumPy's rule; `op` names the caller in the ShapeError.
Dims broadcast_shapes(std::string_view op, const Dims& a, const Dims& b);
// Whether `x` broadcasts to `shape` as it is.
bool broadcasts_to(const Dims& x, const Dims& shape);

// `axis` counted from the front; IndexError naming `op` if it is out of [-ndim, ndim).
int64_t normal_axis(std::string_view op, int64_t axis, int64_t ndim);
// All of them counted from the front, sorted; ValueError if one comes twice.
Dims normal_axes(std::string_view op, const Dims& axes, int64_t ndim);
// 0, 1, ..., ndim - 1
Dims all_axes(int64_t ndim);
// The shape after reducing `axes` (normal): size 1 there with keepdims, gone without.
Dims reduced_shape(const Dims& shape, const Dims& axes, bool keepdims);

}  // namespace flambeau
