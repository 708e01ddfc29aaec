// cpu.h: what the files of the CPU backend share. A file registers its ops (Registration); an op's resolver is asked
// once for each combination of dtypes and gives a kernel that lives as long as the program.
#ifndef FLAMBEAU_CPU_CPU_H
#define FLAMBEAU_CPU_CPU_H

#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <utility>

#include "flambeau/backend.h"
#include "simd/kernels.h"

namespace flambeau::cpu {

constexpr int kMaxDims = 32;
constexpr int64_t kBlock = 1024;  // elements that stay in the first-level cache between two loops

// Set once by fl_backend_cpu.
extern const fl_host* host;
extern const Kernels* level;

Type type_of(fl_dtype dtype);
constexpr int64_t size_of(Type type) {
  switch (type) {
    case Type::Bool:
    case Type::Int8:
    case Type::UInt8: return 1;
    case Type::Int16:
    case Type::UInt16:
    case Type::Float16:
    case Type::BFloat16: return 2;
    case Type::Int32:
    case Type::UInt32:
    case Type::Float32: return 4;
    case Type::Complex128: return 16;
    default: return 8;
  }
}
constexpr int64_t kLargestElement = 16;
struct Sixteen {  // the bytes of a complex128
  uint64_t low, high;
};
constexpr bool is_floating(Type type) { return type >= Type::Float16 && type <= Type::Float64; }
constexpr bool is_integer(Type type) { return type >= Type::Int8 && type <= Type::UInt64; }
constexpr bool is_complex(Type type) { return type == Type::Complex64 || type == Type::Complex128; }
// The type of a complex type's parts; any other type itself.
constexpr Type real_of(Type type) {
  return type == Type::Complex64 ? Type::Float32 : type == Type::Complex128 ? Type::Float64 : type;
}
// What a kernel computes in: float16 and bfloat16 are stored only, and so are small integers, whose wrapping
// arithmetic is the low bits of the wider one (with their sign, or none, spread out by the widening).
constexpr Type compute_type(Type type) {
  switch (type) {
    case Type::Float16:
    case Type::BFloat16: return Type::Float32;
    case Type::Int8:
    case Type::Int16:
    case Type::UInt8:
    case Type::UInt16: return Type::Int32;
    case Type::UInt32: return Type::Int64;
    default: return type;
  }
}

// The loop from one type to another: of the level where it has one, else compiled once (plain.cpp). Null only from
// complex numbers to real ones, and from a type to itself.
Loop convert(Type from, Type to);
// What the levels leave out: uint64 where its sign matters, and complex numbers. Null if there is none.
Loop plain_pointwise(const char* op, Type type);
RowReduction plain_row_reduction(const char* op, Type type);
ColumnReduction plain_column_reduction(const char* op, Type type);
// matmul of complex numbers.
const fl_kernel* complex_matmul_kernel(Type type);

// Hands the text to the user of the failing call and gives the status back.
fl_status fail(fl_status status, const char* format, ...) __attribute__((format(printf, 2, 3)));

using Resolver = const fl_kernel* (*)(const char* op, std::span<const Type> types);
struct Registration {
  Registration(std::initializer_list<const char*> ops, Resolver resolver);
};

// Keeps a kernel for good. State is copied; `run` finds it by state_of<State>(self).
template <class State>
const fl_kernel* keep_kernel(fl_status (*run)(const fl_kernel*, fl_stream, const fl_call*), State state,
                             int32_t (*claims)(const fl_kernel*, const fl_call*) = nullptr);
void keep(std::shared_ptr<void> kernel);

// The kernel of `copy`, which a cast to the same type is too.
const fl_kernel* copy_kernel(std::span<const Type> types);

template <class State>
const State& state_of(const fl_kernel* self) {
  return *static_cast<const State*>(self->state);
}
template <class State>
const fl_kernel* keep_kernel(fl_status (*run)(const fl_kernel*, fl_stream, const fl_call*), State state,
                             int32_t (*claims)(const fl_kernel*, const fl_call*)) {
  struct Kept {
    fl_kernel kernel;
    State state;
  };
  auto kept = std::make_shared<Kept>(Kept{{run, claims, nullptr}, std::move(state)});
  kept->kernel.state = &kept->state;
  keep(kept);
  return &kept->kernel;
}

inline char* data_of(const fl_tensor& tensor) {
  return reinterpret_cast<char*>(tensor.memory) + tensor.byte_offset;
}
inline int64_t count_of(const fl_tensor& tensor) {
  int64_t n = 1;
  for (int i = 0; i < tensor.ndim; ++i) n *= tensor.shape[i];
  return n;
}
inline bool is_contiguous(const fl_tensor& tensor) {
  int64_t expected = 1;
  for (int i = tensor.ndim - 1; i >= 0; --i) {
    if (tensor.shape[i] == 1) continue;
    if (tensor.strides[i] != expected) return false;
    expected *= tensor.shape[i];
  }
  return true;
}

// Runs body(begin, end) over [0, n) in pieces of `grain`; at once where there is one piece.
template <class Body>
void parallel_for(int64_t n, int64_t grain, const Body& body) {
  if (n <= 0) return;
  if (n <= grain) {
    body(int64_t(0), n);
    return;
  }
  host->parallel_for(
      n, grain,
      [](void* context, int64_t begin, int64_t end) { (*static_cast<const Body*>(context))(begin, end); },
      const_cast<Body*>(&body));
}

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// Dimensions of one or more operands walked together, those that can be merged merged, those of size 1 left out.
template <int kOperands>
struct Walk {
  int ndim = 0;
  int64_t shape[kMaxDims];
  int64_t strides[kOperands][kMaxDims];

  void push(int64_t size, const int64_t (&step)[kOperands]) {
    if (size == 1) return;
    bool merges = ndim > 0;
    for (int o = 0; merges && o < kOperands; ++o) merges = strides[o][ndim - 1] == step[o] * size;
    if (!merges) {
      shape[ndim] = 1;
      ++ndim;
    }
    shape[ndim - 1] *= size;
    for (int o = 0; o < kOperands; ++o) strides[o][ndim - 1] = step[o];
  }
  int64_t count() const {
    int64_t n = 1;
    for (int i = 0; i < ndim; ++i) n *= shape[i];
    return n;
  }
};

// One strided operand, read or written in the order of its dimensions.
struct Strided {
  char* data;
  int64_t element;  // bytes
  int ndim;
  const int64_t* shape;
  const int64_t* strides;
};
// Elements [begin, begin + count) of the operand to contiguous `to`.
void gather(const Strided& from, int64_t begin, int64_t count, void* to);
// And back: contiguous `from` to elements [begin, begin + count).
void scatter(const Strided& to, int64_t begin, int64_t count, const void* from);

// Any strides to contiguous memory, on all threads: transposes by tiles, rows by memcpy, large results past the caches.
void copy_to_contiguous(const fl_tensor& from, void* to);
// Bytes above which a result goes past the caches (measured: see docs/performance.md).
constexpr int64_t kStreamBytes = int64_t(8) << 20;
// Bytes of a large result past the caches, but for the lines that it shares with its neighbours.
void write_past_caches(void* to, const void* from, size_t bytes);

}  // namespace flambeau::cpu

#endif
