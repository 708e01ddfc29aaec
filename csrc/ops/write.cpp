#include "ops/write.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "core/apply.h"
#include "core/launch.h"
#include "core/reuse.h"

namespace flambeau::ops {
namespace {

template <size_t kSize>
void write_spaced(char* to, int64_t step, int64_t count, const char* from) {
  for (int64_t i = 0; i < count; ++i) std::memcpy(to + i * step * static_cast<int64_t>(kSize), from + i * static_cast<int64_t>(kSize), kSize);
}

// `count` elements, `step` elements apart.
void write_line(char* to, int64_t step, int64_t count, size_t size, const char* from) {
  if (step == 1) {
    std::memcpy(to, from, static_cast<size_t>(count) * size);
    return;
  }
  switch (size) {
    case 1: write_spaced<1>(to, step, count, from); return;
    case 2: write_spaced<2>(to, step, count, from); return;
    case 4: write_spaced<4>(to, step, count, from); return;
    case 8: write_spaced<8>(to, step, count, from); return;
    default: write_spaced<16>(to, step, count, from);  // complex128
  }
}

// The axes of x, those with the longest strides first: what is written so goes through its memory in order.
Dims along_memory(const Tensor& x) {
  Dims order;
  for (int64_t axis = 0; axis < x.ndim(); ++axis) order.push_back(axis);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return std::abs(x.strides()[static_cast<size_t>(a)]) > std::abs(x.strides()[static_cast<size_t>(b)]);
  });
  return order;
}

Tensor turned(const Tensor& x, const Dims& order) {
  Dims shape, strides;
  for (int64_t axis : order) {
    shape.push_back(x.shape()[static_cast<size_t>(axis)]);
    strides.push_back(x.strides()[static_cast<size_t>(axis)]);
  }
  return x.alias(std::move(shape), std::move(strides), x->offset);
}

bool same_window(const Tensor& a, const Tensor& b) {
  return a->storage == b->storage && a->offset == b->offset && a.shape() == b.shape() && a.strides() == b.strides();
}

void count_write(const Tensor& x) { x->storage->version.fetch_add(1, std::memory_order_relaxed); }

void write_elements(const Tensor& x, const Tensor& values) {
  ops::write_elements(static_cast<char*>(x.host_data()), x.shape(), x.strides(), size_of(x.dtype()), static_cast<const char*>(values.host_data()));
}

// A view in memory that the host cannot reach: all of that memory goes through the host and back.
void write_through_host(const Tensor& x, const Tensor& values) {
  const uint64_t size = size_of(x.dtype());
  const auto whole = static_cast<int64_t>(x->storage->bytes / size);
  const Tensor there = x.alias({whole}, {1}, 0);
  const Tensor here = to_device(there, cpu());
  write_elements(here.alias(x.shape(), x.strides(), x->offset), contiguous(to_device(values, cpu())));
  x.device()->copy_from_host(x->storage->memory, 0, here.host_data(), static_cast<uint64_t>(whole) * size);
}

}  // namespace

void write_elements(char* base, std::span<const int64_t> shape, std::span<const int64_t> strides, size_t size, const char* source) {
  Dims at = Dims::filled(shape.size(), 0);
  const size_t outer = shape.empty() ? 0 : shape.size() - 1;
  const int64_t run = shape.empty() ? 1 : shape.back(), step = shape.empty() ? 1 : strides.back();
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  for (int64_t done = 0; done < count; done += run) {
    int64_t offset = 0;
    for (size_t i = 0; i < outer; ++i) offset += at[i] * strides[i];
    write_line(base + offset * static_cast<int64_t>(size), step, run, size, source + static_cast<size_t>(done) * size);
    for (size_t i = outer; i-- > 0;) {
      if (++at[i] < shape[i]) break;
      at[i] = 0;
    }
  }
}

bool shares_memory(const Tensor& a, const Tensor& b) {
  const Storage *one = a->storage.get(), *two = b->storage.get();
  if (one == two) return true;
  if (!one || !two || !(one->borrowed() || two->borrowed()) || !one->host || !two->host) return false;
  const auto first = reinterpret_cast<uintptr_t>(one->host), second = reinterpret_cast<uintptr_t>(two->host);
  return first < second + two->bytes && second < first + one->bytes;
}

void require_writable(std::string_view doing, const Tensor& x) {
  if (x->storage && x->storage->read_only) raise(ErrorKind::Value, doing, ": this memory is read-only; write into x.copy()");
  for (size_t i = 0; i < x.shape().size(); ++i)
    if (x.shape()[i] > 1 && x.strides()[i] == 0)
      raise(ErrorKind::Value, doing, ": the elements along axis ", i, " of shape ", x.shape(), " are one and the same in memory (it was "
            "broadcast), so a write to one would change all; write into x.copy()");
}

void write_into(const Tensor& x, const Tensor& values) {
  static const OpRow& copy = op_named("copy");
  if (x.count() == 0 || same_window(x, values)) return;
  NoGrad off;
  const Tensor from = shares_memory(values, x) ? apply(copy, {values}) : values;
  if (x.contiguous()) {
    if (!launch(copy, x.device(), {&from, 1}, {}, {&x, 1})) launch_on_cpu(copy, x.device(), {&from, 1}, {}, {&x, 1});
  } else if (x.device()->host_memory()) {
    const Dims order = along_memory(x);
    const Tensor to = turned(x, order), values_along = turned(from, order);
    if (to.contiguous()) {
      write_into(to, values_along);
      return;
    }
    write_elements(to, contiguous(values_along));
  } else {
    write_through_host(x, from);
  }
  count_write(x);
}

bool compute_into(const OpRow& row, Inputs inputs) {
  const Tensor& x = inputs[0];
  const DType dtype = x.dtype();
  if (is_watched() || !row.pointwise || x.device() != cpu() || !x.contiguous() || x.count() == 0) return false;
  if (!contains(row.dtypes, dtype) || (row.result && row.result(dtype, {}) != dtype)) return false;
  for (const Tensor& other : inputs) {
    if (other.dtype() != dtype || other.device() != cpu() || !other.has_value() || !broadcasts_to(other.shape(), x.shape())) return false;
    if (shares_memory(other, x) && !same_window(other, x)) return false;
  }
  if (!launch(row, cpu(), inputs, {}, {&x, 1})) return false;
  count_write(x);
  return true;
}

}  // namespace flambeau::ops
