// dense.h: operands and results as contiguous memory in the type of computation, for kernels that look at whole rows,
// planes and windows.
#ifndef FLAMBEAU_CPU_DENSE_H
#define FLAMBEAU_CPU_DENSE_H

#include "cpu.h"

namespace flambeau::cpu {

// The operand's elements one after the other as `compute_type(type)`: its own memory where that is so already, else
// a copy in scratch. Null: no memory.
const char* dense(const fl_tensor& x, Type type);

// Memory for a result of `n` elements in the type of computation: that of the (contiguous) output itself, or scratch
// which store() rounds into the output.
class Result {
 public:
  Result(const fl_tensor& out, Type type);
  char* data() const { return data_; }  // null: no memory
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  void store() const;

 private:
  const fl_tensor& out_;
  Type type_;
  char* data_;
};

// Scratch of this thread that lasts until the next call of this function: for pieces of parallel work. Null: no memory.
void* piece_scratch(size_t bytes);

// parallel_for whose pieces have scratch of so many bytes each: body(memory, begin, end). False: no memory.
template <class Body>
bool parallel_with_scratch(int64_t n, int64_t grain, size_t bytes, const Body& body) {
  bool fine = true;
  parallel_for(n, grain, [&](int64_t begin, int64_t end) {
    void* memory = piece_scratch(bytes);
    if (memory) body(memory, begin, end);
    else __atomic_store_n(&fine, false, __ATOMIC_RELAXED);
  });
  return fine;
}

// Whether these are all one floating type.
inline bool all_one_float(std::span<const Type> types) {
  for (const Type type : types)
    if (type != types[0] || !is_floating(type)) return false;
  return !types.empty();
}

// The offset of the index-th position in these dimensions, in elements.
inline int64_t offset_of(int64_t index, int ndim, const int64_t* shape, const int64_t* strides) {
  int64_t at = 0;
  for (int d = ndim - 1; d >= 0; --d) {
    at += index % shape[d] * strides[d];
    index /= shape[d];
  }
  return at;
}

// Lines along an axis: how many, and where each begins.
struct AxisLines {
  int64_t count = 1, size, step;  // step in elements
  int ndim = 0;
  int64_t shape[kMaxDims], strides[kMaxDims];
  AxisLines(const fl_tensor& x, int axis) : size(x.shape[axis]), step(x.strides[axis]) {
    for (int d = 0; d < x.ndim; ++d) {
      if (d == axis) continue;
      shape[ndim] = x.shape[d];
      strides[ndim++] = x.strides[d];
      count *= x.shape[d];
    }
  }
  int64_t offset(int64_t line) const { return offset_of(line, ndim, shape, strides); }
};

inline fl_status no_memory(const char* op) { return fail(FL_OUT_OF_MEMORY, "%s: no memory for its operands", op); }

}  // namespace flambeau::cpu

#endif
