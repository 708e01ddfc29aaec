// elementwise.cpp: runs the pointwise loops of the level over operands of any strides and storage types.
//
// An op's loop sees contiguous elements of its computation type only. Work goes in blocks that fit the first-level
// cache: an operand that is not contiguous is gathered into a block, a float16 or bfloat16 is widened there, and a
// result of many megabytes leaves its block past the caches.
#include <algorithm>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int kMaxInputs = 3;

struct Pointwise {
  Loop loop[2];  // the second where the op's attribute 0 is true
  int inputs;
  Type stored[kMaxInputs + 1];  // inputs, then the output
  Loop widen[kMaxInputs];       // null: the loop takes the stored type
  Type computed[kMaxInputs + 1];
  Loop narrow;
  int64_t grain;
};

struct alignas(64) Block {
  char bytes[kBlock * kLargestElement];
};

void run_range(const Pointwise& op, Loop loop, const Walk<kMaxInputs>& walk, const char* const* data, char* output,
               bool streams, int64_t begin, int64_t end) {
  Block gathered[kMaxInputs], widened[kMaxInputs], result, narrowed;
  const int last = walk.ndim - 1;
  const int64_t inner = walk.ndim ? walk.shape[last] : 1;
  const int64_t out_size = size_of(op.stored[op.inputs]);
  bool is_scalar[kMaxInputs];
  bool is_whole[kMaxInputs];
  Strided operand[kMaxInputs];
  for (int i = 0; i < op.inputs; ++i) {
    operand[i] = {const_cast<char*>(data[i]), size_of(op.stored[i]), walk.ndim, walk.shape, walk.strides[i]};
    is_scalar[i] = std::all_of(walk.strides[i], walk.strides[i] + walk.ndim, [](int64_t s) { return s == 0; });
    is_whole[i] = walk.ndim == 1 && walk.strides[i][0] == 1;
    if (is_scalar[i]) {
      gather(operand[i], 0, 1, gathered[i].bytes);
      const void* one[] = {gathered[i].bytes};
      if (op.widen[i]) op.widen[i](one, widened[i].bytes, 1);
      char* value = op.widen[i] ? widened[i].bytes : gathered[i].bytes;
      const int64_t size = size_of(op.computed[i]);
      for (int64_t k = 1; k < std::min(kBlock, end - begin); ++k) std::memcpy(value + k * size, value, size);
    }
  }
  for (int64_t at = begin; at < end;) {
    int64_t n = std::min(kBlock, end - at);
    if (inner >= kBlock / 8) n = std::min(n, inner - at % inner);
    const void* from[kMaxInputs];
    for (int i = 0; i < op.inputs; ++i) {
      if (is_scalar[i]) {
        from[i] = op.widen[i] ? widened[i].bytes : gathered[i].bytes;
        continue;
      }
      if (is_whole[i]) {
        from[i] = data[i] + at * operand[i].element;
      } else if (walk.strides[i][last] == 1 && n <= inner - at % inner) {
        int64_t offset = 0, rest = at;
        for (int d = last; d >= 0; --d) {
          offset += rest % walk.shape[d] * walk.strides[i][d];
          rest /= walk.shape[d];
        }
        from[i] = data[i] + offset * operand[i].element;
      } else {
        gather(operand[i], at, n, gathered[i].bytes);
        from[i] = gathered[i].bytes;
      }
      if (op.widen[i]) {
        op.widen[i](&from[i], widened[i].bytes, n);
        from[i] = widened[i].bytes;
      }
    }
    char* to = output + at * out_size;
    if (!streams && !op.narrow) {
      loop(from, to, n);
    } else {
      loop(from, result.bytes, n);
      const void* source[] = {result.bytes};
      if (op.narrow) {
        op.narrow(source, streams ? narrowed.bytes : to, n);
        source[0] = narrowed.bytes;
      }
      if (streams) {
        if (reinterpret_cast<uintptr_t>(to) % 64 == 0) level->stream(to, source[0], size_t(n * out_size));
        else std::memcpy(to, source[0], size_t(n * out_size));
      }
    }
    at += n;
  }
}

// Whether reading this operand row by row would touch a new cache line for each element of a large array.
bool is_transposed(const Walk<kMaxInputs>& walk, int operand, int64_t element) {
  const int last = walk.ndim - 1;
  if (last < 1 || walk.strides[operand][last] * element < 64 || walk.count() * element < (int64_t(1) << 16)) return false;
  for (int d = 0; d < last; ++d)
    if (walk.strides[operand][d] == 1 && walk.shape[d] >= 8) return true;
  return false;
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Pointwise& op = state_of<Pointwise>(self);
  const fl_tensor& out = call->outputs[0];
  const int64_t n = count_of(out);
  if (n == 0) return FL_OK;
  const bool alternative = op.loop[1] && call->attr_count > 0 && call->attrs[0].value.i;
  const Loop loop = op.loop[alternative];
  const char* data[kMaxInputs] = {};
  bool plain = !op.narrow;
  for (int i = 0; i < op.inputs; ++i) {
    data[i] = data_of(call->inputs[i]);
    plain = plain && !op.widen[i] && is_contiguous(call->inputs[i]);
  }
  char* output = data_of(out);
  if (plain && n <= op.grain) {
    loop(reinterpret_cast<const void* const*>(data), output, n);
    return FL_OK;
  }
  Walk<kMaxInputs> walk;
  for (int d = 0; d < out.ndim; ++d) {
    int64_t step[kMaxInputs] = {};
    for (int i = 0; i < op.inputs; ++i) step[i] = call->inputs[i].strides[d];
    walk.push(out.shape[d], step);
  }
  for (int i = 0; i < op.inputs; ++i) {
    const int64_t element = size_of(op.stored[i]);
    if (!is_transposed(walk, i, element)) continue;
    void* copy = host->scratch(size_t(n * element));
    if (!copy) continue;
    copy_to_contiguous(call->inputs[i], copy);
    data[i] = static_cast<const char*>(copy);
    int64_t stride = 1;
    for (int d = walk.ndim - 1; d >= 0; --d) {
      walk.strides[i][d] = stride;
      stride *= walk.shape[d];
    }
  }
  const bool streams = n * size_of(op.stored[op.inputs]) >= kStreamBytes;
  parallel_for(n, op.grain, [&](int64_t begin, int64_t end) {
    run_range(op, loop, walk, data, output, streams, begin, end);
  });
  return FL_OK;
}

// How many elements make a piece worth a thread's wake-up.
int64_t grain_of(const char* op) {
  for (const char* costly : {"exp", "log", "tanh", "sigmoid", "gelu", "gelu_grad", "pow", "remainder", "floor_divide", "sin", "cos", "tan", "asin",
                             "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "expm1", "log1p", "log2", "log10", "erf",
                             "atan2", "hypot", "logaddexp"})
    if (std::strcmp(op, costly) == 0) return 8 * kBlock;
  return 32 * kBlock;
}

bool is_test(const char* op) {
  for (const char* test : {"isinf", "signbit", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "isnan", "isfinite",
                           "logical_not", "logical_and", "logical_or", "logical_xor"})
    if (std::strcmp(op, test) == 0) return true;
  return false;
}

// Of complex numbers real ones.
bool gives_parts(const char* op) {
  for (const char* part : {"abs", "real", "imag"})
    if (std::strcmp(op, part) == 0) return true;
  return false;
}

const fl_kernel* resolve(const char* name, std::span<const Type> types) {
  Pointwise op{};
  op.inputs = int(types.size()) - 1;
  if (op.inputs < 1 || op.inputs > kMaxInputs) return nullptr;
  const bool selects = std::strcmp(name, "where") == 0;
  const bool stays = selects || std::strcmp(name, "nextafter") == 0;  // not computed in a wider type
  const int first = selects ? 1 : 0;  // where's condition is its own type
  const Type type = types[first];
  for (int i = first; i < op.inputs; ++i)
    if (types[i] != type) return nullptr;
  if (selects && (op.inputs != 3 || types[0] != Type::Bool)) return nullptr;
  const bool parts = is_complex(type) && gives_parts(name);
  if (types[op.inputs] != (is_test(name) ? Type::Bool : parts ? real_of(type) : type)) return nullptr;
  for (int i = 0; i <= op.inputs; ++i) {
    op.stored[i] = types[i];
    op.computed[i] = stays ? types[i] : compute_type(types[i]);
    if (i < op.inputs && op.computed[i] != types[i]) op.widen[i] = convert(types[i], op.computed[i]);
  }
  const Type result = op.computed[op.inputs];
  if (result != types[op.inputs]) op.narrow = convert(result, types[op.inputs]);
  const Type computed = stays ? type : compute_type(type);
  op.loop[0] = level->pointwise(name, computed, false);
  if (!op.loop[0]) op.loop[0] = plain_pointwise(name, computed);
  if (std::strcmp(name, "gelu") == 0 || std::strcmp(name, "gelu_grad") == 0)
    op.loop[1] = level->pointwise(name, computed, true);
  op.grain = grain_of(name);
  return op.loop[0] ? keep_kernel(run, op) : nullptr;
}

const fl_kernel* resolve_unary(const char* name, std::span<const Type> types) {
  return types.size() == 2 ? resolve(name, types) : nullptr;
}
const fl_kernel* resolve_binary(const char* name, std::span<const Type> types) {
  return types.size() == 3 ? resolve(name, types) : nullptr;
}

// A cast is a pointwise op whose loop is the conversion.
const fl_kernel* resolve_cast(const char*, std::span<const Type> types) {
  if (types.size() != 2) return nullptr;
  if (types[0] == types[1]) return copy_kernel(types);
  Pointwise op{};
  op.inputs = 1;
  op.stored[0] = op.computed[0] = types[0];
  op.stored[1] = op.computed[1] = types[1];
  op.loop[0] = convert(types[0], types[1]);
  op.grain = grain_of("cast");
  return op.loop[0] ? keep_kernel(run, op) : nullptr;
}

const Registration kUnary({"negative", "abs", "sign", "square", "sqrt", "exp", "log", "tanh", "sigmoid", "relu", "floor",
                           "gelu", "isnan", "isfinite", "logical_not", "isinf", "signbit", "ceil", "trunc", "round",
                           "reciprocal", "conj", "real", "imag", "bitwise_invert", "sin", "cos", "tan", "asin", "acos", "atan",
                           "sinh", "cosh", "asinh", "acosh", "atanh", "expm1", "log1p", "log2", "log10", "erf"},
                          resolve_unary);
const Registration kBinary({"add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "maximum",
                            "minimum", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
                            "logical_and", "logical_or", "logical_xor", "relu_grad", "tanh_grad", "sigmoid_grad",
                            "gelu_grad", "atan2", "hypot", "copysign", "logaddexp", "nextafter", "bitwise_and",
                            "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift"},
                           resolve_binary);
const Registration kWhere({"where"}, resolve);
const Registration kCast({"cast"}, resolve_cast);

}  // namespace
}  // namespace flambeau::cpu
