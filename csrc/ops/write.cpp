#include "ops/write.h"

#include <cstring>

#include "core/apply.h"
#include "core/launch.h"
#include "core/reuse.h"

namespace flambeau::ops {
namespace {

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

// Whether x broadcasts to `shape` as it is.
bool fits(const Dims& x, const Dims& shape) {
  if (x.size() > shape.size()) return false;
  const size_t lead = shape.size() - x.size();
  for (size_t axis = 0; axis < x.size(); ++axis)
    if (x[axis] != 1 && x[axis] != shape[lead + axis]) return false;
  return true;
}

}  // namespace

void write_elements(char* base, std::span<const int64_t> shape, std::span<const int64_t> strides, size_t size, const char* source) {
  Dims at = Dims::filled(shape.size(), 0);
  const bool rows = !shape.empty() && strides.back() == 1;
  const int64_t run = rows ? shape.back() : 1;
  const size_t outer = rows ? shape.size() - 1 : shape.size();
  int64_t count = 1;
  for (int64_t n : shape) count *= n;
  for (int64_t done = 0; done < count; done += run) {
    int64_t offset = 0;
    for (size_t i = 0; i < outer; ++i) offset += at[i] * strides[i];
    std::memcpy(base + offset * static_cast<int64_t>(size), source + static_cast<size_t>(done) * size, static_cast<size_t>(run) * size);
    for (size_t i = outer; i-- > 0;) {
      if (++at[i] < shape[i]) break;
      at[i] = 0;
    }
  }
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
  const Tensor from = values->storage == x->storage ? apply(copy, {values}) : values;
  if (x.contiguous()) {
    if (!launch(copy, x.device(), {&from, 1}, {}, {&x, 1})) launch_on_cpu(copy, x.device(), {&from, 1}, {}, {&x, 1});
  } else if (x.device()->host_memory()) {
    write_elements(x, contiguous(from));
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
    if (other.dtype() != dtype || other.device() != cpu() || !other.has_value() || !fits(other.shape(), x.shape())) return false;
    if (other->storage == x->storage && !same_window(other, x)) return false;
  }
  if (!launch(row, cpu(), inputs, {}, {&x, 1})) return false;
  count_write(x);
  return true;
}

}  // namespace flambeau::ops
