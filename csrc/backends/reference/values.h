// values.h: element types, strided walks and attributes for the reference loops.
//
// Every loop reads an element as a double (any float), a complex of doubles, or an int64 (bool and integers; of a
// uint64 the same bits), computes, and rounds once to the stored type. One rounding of a double is the correctly rounded result of + - * / sqrt for float16,
// bfloat16 and float32, and the nearest value that a transcendental function can be given in practice.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <vector>

#include "flambeau/backend.h"

namespace flambeau::reference {

enum class Type : uint8_t {
  kBool, kInt8, kInt16, kInt32, kInt64, kUInt8, kUInt16, kUInt32, kUInt64, kFloat16, kBFloat16, kFloat32, kFloat64,
  kComplex64, kComplex128, kNone
};
using Complex = std::complex<double>;

Type type_of(fl_dtype dtype);
size_t size_of(Type type);
inline bool is_float(Type type) { return type >= Type::kFloat16 && type <= Type::kFloat64; }
inline bool is_integer(Type type) { return type >= Type::kInt8 && type <= Type::kUInt64; }
inline bool is_complex(Type type) { return type == Type::kComplex64 || type == Type::kComplex128; }
// The type of a complex type's parts; any other type itself.
inline Type real_of(Type type) {
  return type == Type::kComplex64 ? Type::kFloat32 : type == Type::kComplex128 ? Type::kFloat64 : type;
}

// REQUIRES: is_float(type) for the float pair, bool or integer for the int pair of loads; stores take any type
// (a float stored as an integer is cut toward zero, saturates, and is 0 for NaN; anything but 0 is true).
double load_float(Type type, const char* from);
int64_t load_int(Type type, const char* from);
void store_float(Type type, char* to, double value);
void store_int(Type type, char* to, int64_t value);
// The value of a uint64.
void store_natural(Type type, char* to, uint64_t value);
// Any type as a complex number; a store into a type that is not complex leaves the imaginary part out.
Complex load_complex(Type type, const char* from);
void store_complex(Type type, char* to, Complex value);

// Any type as a double; exact except for integers beyond 2^53.
inline double load_number(Type type, const char* from) {
  if (is_float(type)) return load_float(type, from);
  const int64_t whole = load_int(type, from);
  return type == Type::kUInt64 ? static_cast<double>(static_cast<uint64_t>(whole)) : static_cast<double>(whole);
}

inline char* data(const fl_tensor& tensor) {
  return reinterpret_cast<char*>(reinterpret_cast<uintptr_t>(tensor.memory) + tensor.byte_offset);
}

int64_t element_count(const fl_tensor& tensor);

// Visits the indices of a shape in row-major order with one pointer for each of several strided tensors.
class Walk {
 public:
  // REQUIRES: each tensor has ndim strides; its own extents are not looked at.
  Walk(int32_t ndim, const int64_t* shape, std::initializer_list<const fl_tensor*> tensors);
  bool done() const { return remaining_ <= 0; }
  void next();
  char* at(size_t tensor) const { return pointers_[tensor]; }
  int64_t index(int32_t axis) const { return index_[static_cast<size_t>(axis)]; }

 private:
  std::vector<int64_t> shape_;
  std::vector<int64_t> index_;
  std::vector<char*> pointers_;
  std::vector<std::vector<int64_t>> steps_;  // in bytes, one list a tensor
  int64_t remaining_;
};

// A copy of a tensor's description that a loop may bend: drop an axis, move the start, reinterpret.
struct View {
  explicit View(const fl_tensor& tensor);
  void fix(int32_t axis, int64_t index);            // that axis becomes 1 long, at `index`
  void slice(int32_t axis, int64_t start, int64_t length, int64_t step);
  const fl_tensor* get();                           // valid until the view changes or ends

  fl_tensor tensor;
  std::vector<int64_t> shape;
  std::vector<int64_t> strides;
};

struct Ints {
  const int64_t* begin;
  int32_t count;
};

inline bool attr_bool(const fl_call& call, int32_t i) { return call.attrs[i].value.i != 0; }
inline int64_t attr_int(const fl_call& call, int32_t i) { return call.attrs[i].value.i; }
inline double attr_float(const fl_call& call, int32_t i) { return call.attrs[i].value.f; }
inline Ints attr_ints(const fl_call& call, int32_t i) {
  return {call.attrs[i].value.ints, call.attrs[i].count};
}

// What one op is to this backend: its name, whether it takes these dtypes (inputs, then outputs), its loop.
struct Loop {
  const char* name;
  bool (*takes)(const Loop& loop, const Type* types, int32_t count);
  fl_status (*run)(const Loop& loop, const fl_call& call);
  const void* detail = nullptr;  // the family's own
};

using Loops = std::vector<Loop>;
void add_activations(Loops& loops);
void add_elementwise(Loops& loops);
void add_reduce(Loops& loops);
void add_matmul(Loops& loops);
void add_shape(Loops& loops);
void add_index(Loops& loops);
void add_sort(Loops& loops);
void add_scan(Loops& loops);
void add_scatter(Loops& loops);
void add_linalg(Loops& loops);
void add_spectra(Loops& loops);
void add_fft(Loops& loops);
void add_softmax(Loops& loops);
void add_random(Loops& loops);
void add_optimizer(Loops& loops);
void add_convolution(Loops& loops);
void add_pooling(Loops& loops);
void add_normalization(Loops& loops);
void add_dropout(Loops& loops);

// Hands a sentence to the user of this call and gives back `status`.
[[gnu::format(printf, 2, 3)]] fl_status refuse(fl_status status, const char* format, ...);

}  // namespace flambeau::reference
