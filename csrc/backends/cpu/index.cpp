// index.cpp: elements chosen by indices that are read from a tensor, and the sums that are their gradients. The
// indices are checked first, all of them, so nothing is read or written out of range.
#include <algorithm>
#include <cstring>

#include "indices.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;

struct Indexing {
  const char* name;
  Type stored;
  bool from_zero = false;  // no counting from the end
};

int axis_of(const fl_call* call, int ndim) {
  const int axis = int(call->attrs[0].value.i);
  return axis < 0 ? axis + ndim : axis;
}

const char* contiguous(const fl_tensor& x, Type type) {
  if (is_contiguous(x)) return data_of(x);
  void* copy = host->scratch(size_t(count_of(x) * size_of(type)));
  if (copy) copy_to_contiguous(x, copy);
  return static_cast<const char*>(copy);
}

// Sizes before and after an axis.
struct Around {
  int64_t before = 1, after = 1;
  Around(const fl_tensor& x, int axis) {
    for (int d = 0; d < axis; ++d) before *= x.shape[d];
    for (int d = axis + 1; d < x.ndim; ++d) after *= x.shape[d];
  }
};

// Single elements along the last axis, `step` elements apart.
template <class T>
void take_singles(const char* from, int64_t step, const int64_t* index, int64_t count, char* to) {
  const T* x = reinterpret_cast<const T*>(from);
  T* out = reinterpret_cast<T*>(to);
  for (int64_t i = 0; i < count; ++i) out[i] = x[index[i] * step];
}

fl_status run_take(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Indexing& op = state_of<Indexing>(self);
  const fl_tensor &x = call->inputs[0], &indices = call->inputs[1];
  const int axis = op.from_zero ? 0 : axis_of(call, x.ndim);  // an embedding's rows
  fl_status status = FL_OK;
  const int64_t* index = read_indices(op.name, indices, x.shape[axis], axis, op.from_zero, status);
  if (!index) return status;
  const int64_t count = count_of(indices), element = size_of(op.stored);
  const Around size(x, axis);
  if (size.before * size.after * count == 0) return FL_OK;
  Walk<1> outer, inner;
  for (int d = 0; d < axis; ++d) outer.push(x.shape[d], {x.strides[d]});
  for (int d = axis + 1; d < x.ndim; ++d) inner.push(x.shape[d], {x.strides[d]});
  char* to = data_of(call->outputs[0]);
  const auto singles = element == 1   ? take_singles<uint8_t>
                       : element == 2 ? take_singles<uint16_t>
                       : element == 4 ? take_singles<uint32_t>
                       : element == 8 ? take_singles<uint64_t>
                                      : take_singles<Sixteen>;
  const bool whole = inner.ndim == 0 || (inner.ndim == 1 && inner.strides[0][0] == 1);
  parallel_for(size.before * count, std::max<int64_t>(1, kGrain / size.after), [&](int64_t begin, int64_t end) {
    int64_t known = -1, offset = 0;
    for (int64_t i = begin; i < end;) {
      if (i / count != known) {
        int64_t rest = known = i / count;
        offset = 0;
        for (int d = outer.ndim - 1; d >= 0; --d) {
          offset += rest % outer.shape[d] * outer.strides[0][d];
          rest /= outer.shape[d];
        }
      }
      if (size.after == 1) {
        const int64_t part = std::min(end - i, count - i % count);
        singles(data_of(x) + offset * element, x.strides[axis], index + i % count, part, to + i * element);
        i += part;
        continue;
      }
      char* from = data_of(x) + (offset + index[i % count] * x.strides[axis]) * element;
      char* target = to + i * size.after * element;
      if (whole) std::memcpy(target, from, size_t(size.after * element));
      else gather({from, element, inner.ndim, inner.shape, inner.strides[0]}, 0, size.after, target);
      ++i;
    }
  });
  return FL_OK;
}

// A float32 or float64 buffer of zeros for sums, which `store` narrows into the output where that is needed.
struct Sums {
  Type stored, computed;
  char* data;
  Sums(Type type, const fl_tensor& out) : stored(type), computed(compute_type(type)) {
    const int64_t bytes = count_of(out) * size_of(computed);
    data = stored == computed ? data_of(out) : static_cast<char*>(host->scratch(size_t(bytes + 1)));
    if (data && bytes)
      parallel_for(bytes, int64_t(1) << 19,
                   [&](int64_t begin, int64_t end) { std::memset(data + begin, 0, size_t(end - begin)); });
  }
  void store(const fl_tensor& out) const {
    if (stored == computed) return;
    const void* from[] = {data};
    convert(computed, stored)(from, data_of(out), count_of(out));
  }
};

// g, contiguous and in the type of computation.
const char* widened(const fl_tensor& g, Type stored) {
  const char* narrow = contiguous(g, stored);
  const Type computed = compute_type(stored);
  if (!narrow || computed == stored) return narrow;
  const int64_t n = count_of(g);
  char* wide = static_cast<char*>(host->scratch(size_t(n * size_of(computed) + 1)));
  const void* from[] = {narrow};
  if (wide) convert(stored, computed)(from, wide, n);
  return wide;
}

// Adds rows of g in the order of the indices; threads share out columns, so every element is summed in one order.
template <class T>
void add_rows(const char* g_bytes, const int64_t* index, int64_t count, int64_t size, int64_t before, int64_t after,
              char* to_bytes) {
  constexpr int64_t kColumns = 512;
  const T* g = reinterpret_cast<const T*>(g_bytes);
  T* to = reinterpret_cast<T*>(to_bytes);
  const int64_t chunks = divide_up(after, kColumns);
  const int64_t work = std::max<int64_t>(1, count * std::min(after, kColumns));
  parallel_for(before * chunks, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t outer = unit / chunks, first = unit % chunks * kColumns, n = std::min(kColumns, after - first);
      if (after == 1) {
        for (int64_t j = 0; j < count; ++j) to[outer * size + index[j]] += g[outer * count + j];
        continue;
      }
      for (int64_t j = 0; j < count; ++j) {
        const T* from = g + (outer * count + j) * after + first;
        T* target = to + (outer * size + index[j]) * after + first;
        for (int64_t i = 0; i < n; ++i) target[i] += from[i];
      }
    }
  });
}

fl_status no_memory(const char* op) { return fail(FL_OUT_OF_MEMORY, "%s: no memory for its sums", op); }

fl_status run_take_grad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Indexing& op = state_of<Indexing>(self);
  const fl_tensor &g = call->inputs[0], &indices = call->inputs[1], &out = call->outputs[0];
  const int axis = axis_of(call, out.ndim);
  fl_status status = FL_OK;
  const int64_t* index = read_indices(op.name, indices, out.shape[axis], axis, op.from_zero, status);
  if (!index) return status;
  if (count_of(out) == 0) return FL_OK;
  const Sums sums(op.stored, out);
  const char* from = count_of(g) ? widened(g, op.stored) : "";
  if (!sums.data || !from) return no_memory(op.name);
  const Around size(out, axis);
  if (count_of(g)) {
    // The parts of complex numbers are added each for itself.
    const auto add = real_of(sums.computed) == Type::Float32 ? add_rows<float> : add_rows<double>;
    const int64_t parts = is_complex(op.stored) ? 2 : 1;
    add(from, index, count_of(indices), out.shape[axis], size.before, size.after * parts, sums.data);
  }
  sums.store(out);
  return FL_OK;
}

template <class T>
void take_elements(const char* x, const int64_t* index, int64_t axis_size, int64_t count, const Around& size, char* to) {
  const T* from = reinterpret_cast<const T*>(x);
  T* out = reinterpret_cast<T*>(to);
  parallel_for(size.before, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, count * size.after)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t o = begin; o < end; ++o) {
                   const T* line = from + o * axis_size * size.after;
                   if (size.after == 1) {
                     for (int64_t at = o * count; at < (o + 1) * count; ++at) out[at] = line[index[at]];
                     continue;
                   }
                   for (int64_t j = 0; j < count; ++j)
                     for (int64_t i = 0; i < size.after; ++i) {
                       const int64_t at = (o * count + j) * size.after + i;
                       out[at] = line[index[at] * size.after + i];
                     }
                 }
               });
}

fl_status run_take_along_axis(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Indexing& op = state_of<Indexing>(self);
  const fl_tensor &x = call->inputs[0], &indices = call->inputs[1], &out = call->outputs[0];
  const int axis = axis_of(call, x.ndim);
  fl_status status = FL_OK;
  const int64_t* index = read_indices(op.name, indices, x.shape[axis], axis, op.from_zero, status);
  if (!index || count_of(out) == 0) return status;
  const char* from = contiguous(x, op.stored);
  if (!from) return no_memory(op.name);
  const Around size(x, axis);
  const auto take = size_of(op.stored) == 1   ? take_elements<uint8_t>
                    : size_of(op.stored) == 2 ? take_elements<uint16_t>
                    : size_of(op.stored) == 4 ? take_elements<uint32_t>
                    : size_of(op.stored) == 8 ? take_elements<uint64_t>
                                              : take_elements<Sixteen>;
  take(from, index, x.shape[axis], out.shape[axis], size, data_of(out));
  return FL_OK;
}

// A complex number, of which nothing but sums is wanted.
template <class T>
struct Parts {
  T real, imaginary;
  void operator+=(Parts other) {
    real += other.real;
    imaginary += other.imaginary;
  }
};

template <class T>
void add_elements(const char* g, const int64_t* index, int64_t axis_size, int64_t count, const Around& size, char* to) {
  const T* from = reinterpret_cast<const T*>(g);
  T* out = reinterpret_cast<T*>(to);
  parallel_for(size.before, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, count * size.after)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t o = begin; o < end; ++o)
                   for (int64_t j = 0; j < count; ++j)
                     for (int64_t i = 0; i < size.after; ++i) {
                       const int64_t at = (o * count + j) * size.after + i;
                       out[(o * axis_size + index[at]) * size.after + i] += from[at];
                     }
               });
}

fl_status run_take_along_axis_grad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Indexing& op = state_of<Indexing>(self);
  const fl_tensor &g = call->inputs[0], &indices = call->inputs[1], &out = call->outputs[0];
  const int axis = axis_of(call, out.ndim);
  fl_status status = FL_OK;
  const int64_t* index = read_indices(op.name, indices, out.shape[axis], axis, op.from_zero, status);
  if (!index) return status;
  if (count_of(out) == 0) return FL_OK;
  const Sums sums(op.stored, out);
  const char* from = count_of(g) ? widened(g, op.stored) : "";
  if (!sums.data || !from) return no_memory(op.name);
  if (count_of(g)) {
    const auto add = sums.computed == Type::Float32     ? add_elements<float>
                     : sums.computed == Type::Float64   ? add_elements<double>
                     : sums.computed == Type::Complex64 ? add_elements<Parts<float>>
                                                        : add_elements<Parts<double>>;
    add(from, index, out.shape[axis], g.shape[axis], Around(out, axis), sums.data);
  }
  sums.store(out);
  return FL_OK;
}

// Each index becomes a line of zeros with a one at its place.
template <class T>
void write_ones(const int64_t* index, int64_t count, int64_t classes, char* to) {
  T* out = reinterpret_cast<T*>(to);
  parallel_for(count, std::max<int64_t>(1, kGrain / classes), [&](int64_t begin, int64_t end) {
    std::memset(out + begin * classes, 0, size_t((end - begin) * classes) * sizeof(T));
    for (int64_t i = begin; i < end; ++i) out[i * classes + index[i]] = 1;
  });
}

fl_status run_one_hot(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Indexing& op = state_of<Indexing>(self);
  const fl_tensor& indices = call->inputs[0];
  const int64_t classes = call->attrs[0].value.i;
  fl_status status = FL_OK;
  const int64_t* index = read_indices(op.name, indices, classes, indices.ndim, op.from_zero, status);
  if (!index || count_of(call->outputs[0]) == 0) return status;
  const auto write = size_of(op.stored) == 1   ? write_ones<uint8_t>
                     : size_of(op.stored) == 2 ? write_ones<uint16_t>
                     : size_of(op.stored) == 4 ? write_ones<uint32_t>
                                               : write_ones<uint64_t>;
  write(index, count_of(indices), classes, data_of(call->outputs[0]));
  return FL_OK;
}

const fl_kernel* resolve_one_hot(const char*, std::span<const Type> types) {
  if (types.size() != 2 || types[0] != types[1] || !is_integer(types[0])) return nullptr;
  return keep_kernel(run_one_hot, Indexing{"one_hot", types[0], true});
}

template <auto run, bool kFloatsOnly>
const fl_kernel* resolve_indexing(const char* name, std::span<const Type> types) {
  if (types.size() != 3 || types[2] != types[0] || !is_integer(types[1])) return nullptr;
  if (kFloatsOnly && !is_floating(types[0]) && !is_complex(types[0])) return nullptr;
  for (const char* known : {"take", "take_grad", "take_along_axis", "take_along_axis_grad"})
    if (std::strcmp(name, known) == 0) return keep_kernel(run, Indexing{known, types[0]});
  return nullptr;
}

// embedding(weight, indices) is take along axis 0 with indices from 0 on.
const fl_kernel* resolve_embedding(const char*, std::span<const Type> types) {
  if (types.size() != 3 || types[0] != types[2] || (types[1] != Type::Int32 && types[1] != Type::Int64)) return nullptr;
  return keep_kernel(run_take, Indexing{"embedding", types[0], true});
}

const Registration kTake({"take"}, resolve_indexing<run_take, false>);
const Registration kEmbedding({"embedding"}, resolve_embedding);
const Registration kOneHot({"one_hot"}, resolve_one_hot);
const Registration kTakeGrad({"take_grad"}, resolve_indexing<run_take_grad, true>);
const Registration kTakeAlongAxis({"take_along_axis"}, resolve_indexing<run_take_along_axis, false>);
const Registration kTakeAlongAxisGrad({"take_along_axis_grad"}, resolve_indexing<run_take_along_axis_grad, true>);

}  // namespace
}  // namespace flambeau::cpu
