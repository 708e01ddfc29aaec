// WGSL text of kernels in which one thread makes one element, and their launch.
//
// Elements are f32, i32, or bool kept in one byte: four to a word, read by shifting and written by atomics, so that
// a tensor has the same bytes on the host and here. Every buffer but the parameters is bound for reading and
// writing, because two tensors may share one allocation and WebGPU refuses a buffer that is bound in both ways.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "device.h"

namespace flambeau::webgpu {

enum class Type : uint8_t { F32, I32, Bool, None };
Type type_of(fl_dtype dtype);
const char* name_of(Type type); // in WGSL, as a value

// One tensor of a kernel. Inside the body it is `x<j>`, if read; `at<j>` is its index in the buffer; `load<j>(at)`
// and `put<j>(at, value)` reach other elements.
struct Operand {
  Type type;
  bool read;
  bool write;
};
inline Operand reads(Type type) { return {type, true, false}; }
inline Operand writes(Type type) { return {type, false, true}; }
inline Operand changes(Type type) { return {type, true, true}; }
inline Operand reaches(Type type) { return {type, false, false}; } // through load<j> alone

constexpr int kMaxDimensions = 16;
constexpr int kHeader = 2; // parameters: n, ndim, then an offset an operand, the extras, shape, strides by operand

// `extras` are i32 values `e0`, `e1`, ...; `linear` is the element's row-major number.
std::string element_kernel(const std::vector<Operand>& operands, int extras, const std::string& functions,
                           const std::string& body, bool reports_indices = false);

// A binding's declaration with its accessors; `writable` makes bool words atomic.
std::string binding(int number, int operand, Type type, bool writable);

// What an element kernel needs of a tensor; bend strides and offset to reach other elements.
struct Layout {
  fl_memory memory = nullptr;
  int64_t offset = 0; // in elements
  std::vector<int64_t> shape, strides;
};
Layout layout_of(const fl_tensor& tensor);
int64_t count_of(const std::vector<int64_t>& shape);
int32_t bits_of(double value); // as float32

// One thread an element of layouts[0]'s shape; the others' strides go along with it.
fl_status launch_elements(Device& device, Program& program, const std::vector<Layout>& layouts,
                          const std::vector<int32_t>& extras, bool reports_indices = false);

// Functions that WGSL lacks or computes too coarsely, written once: `is_nan`, `fl_exp`, `fl_log`, ... Named in the
// order in which they need one another.
extern const char* const kMath;
extern const char* const kPhilox;

using Run = std::function<fl_status(const fl_call& call)>;

// A family's answer: what to do for this op at these dtypes, or an empty function.
using Family = Run (*)(Device& device, const std::string& op, const std::vector<Type>& types);
Run elementwise(Device& device, const std::string& op, const std::vector<Type>& types);
Run reduce(Device& device, const std::string& op, const std::vector<Type>& types);
Run matmul(Device& device, const std::string& op, const std::vector<Type>& types);
Run index(Device& device, const std::string& op, const std::vector<Type>& types);
Run create(Device& device, const std::string& op, const std::vector<Type>& types);
Run optimizer(Device& device, const std::string& op, const std::vector<Type>& types);

inline bool attr_bool(const fl_call& call, int i) { return call.attrs[i].value.i != 0; }
inline int64_t attr_int(const fl_call& call, int i) { return call.attrs[i].value.i; }
inline double attr_float(const fl_call& call, int i) { return call.attrs[i].value.f; }

} // namespace flambeau::webgpu
