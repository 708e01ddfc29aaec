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
  ParameterLoop with;  // of ops whose attributes are numbers, instead
  RowsLoop rows;       // null: none
  bool power;          // of floats: some exponents have loops of their own
  int inputs;
  Type stored[kMaxInputs + 1];  // inputs, then the output
  Loop widen[kMaxInputs];       // null: the loop takes the stored type
  Type computed[kMaxInputs + 1];
  Loop narrow;
  int64_t grain;
};

// The loop of one call.
struct Call {
  Loop loop;
  ParameterLoop with;
  double parameters[3];
  void operator()(const void* const* from, void* to, int64_t n) const {
    if (with) with(from, to, n, parameters);
    else loop(from, to, n);
  }
};

constexpr int64_t kShortRow = 64;  // elements from which on the loop takes each row for itself
constexpr int64_t kShortestRow = 8;  // and a loop of many rows

struct alignas(64) Block {
  char bytes[2 * kBlock * kLargestElement];
};

// How an operand gives the elements of a block.
enum class Access : uint8_t {
  Whole,   // contiguous: by its address
  Repeat,  // a pattern of at most kBlock elements over and over: written out once for a piece
  Gather,
};

struct Operand {
  Access access;
  Strided strided;
  int64_t period;        // of Repeat
  const char* pattern;   // of Repeat, in the type of computation
  int64_t size;          // of an element of it
};

Access access_of(const Walk<kMaxInputs>& walk, int i, int64_t& period) {
  const int last = walk.ndim - 1;
  int first = last;  // of the trailing dimensions that are contiguous
  int64_t count = 1;
  for (; first >= 0 && walk.strides[i][first] == count; --first) count *= walk.shape[first];
  if (first < 0) return walk.ndim ? Access::Whole : Access::Repeat;
  const bool repeats = std::all_of(walk.strides[i], walk.strides[i] + first + 1, [](int64_t s) { return s == 0; });
  period = count;
  if (repeats && count <= kBlock) return Access::Repeat;
  return Access::Gather;
}

// Whether rows are long enough to be taken each for itself, and an operand has them contiguous, or one element for each.
bool goes_by_rows(const Walk<kMaxInputs>& walk, int inputs) {
  const int last = walk.ndim - 1;
  if (last < 1 || walk.shape[last] < kShortRow) return false;
  for (int i = 0; i < inputs; ++i) {
    int64_t period;
    const bool steps_or_repeats = walk.strides[i][last] == 0 || walk.strides[i][last] == 1;
    if (steps_or_repeats && access_of(walk, i, period) == Access::Gather) return true;
  }
  return false;
}
// Whether a loop of many rows may take them: an operand has one element for each row, and the other has them contiguous.
bool repeats_along_rows(const Walk<kMaxInputs>& walk) {
  const int last = walk.ndim - 1;
  if (last < 1 || walk.shape[last] < kShortestRow) return false;
  return walk.strides[0][last] + walk.strides[1][last] == 1 && (walk.strides[0][last] == 0 || walk.strides[1][last] == 0);
}

// Walks through rows: where each operand's stands, in elements.
struct RowsWalk {
  const Walk<kMaxInputs>& walk;
  int inputs, last;
  int64_t index[kMaxDims] = {}, offset[kMaxInputs] = {};

  RowsWalk(const Walk<kMaxInputs>& walk, int inputs, int64_t row) : walk(walk), inputs(inputs), last(walk.ndim - 1) {
    for (int d = last - 1; d >= 0; --d) {
      index[d] = row % walk.shape[d];
      row /= walk.shape[d];
      for (int i = 0; i < inputs; ++i) offset[i] += index[d] * walk.strides[i][d];
    }
  }
  int64_t rows_left() const { return walk.shape[last - 1] - index[last - 1]; }  // before an outer dimension steps
  void advance(int64_t rows) {
    for (int d = last - 1; d >= 0; --d, rows = 1) {
      index[d] += rows;
      const int64_t back = index[d] < walk.shape[d] ? 0 : walk.shape[d];
      for (int i = 0; i < inputs; ++i) offset[i] += (rows - back) * walk.strides[i][d];
      if (!back) return;
      index[d] = 0;
    }
  }
};

// Many rows of two operands in one call.
void run_many_rows(const Pointwise& op, const Call&, const Walk<kMaxInputs>& walk, const char* const* data, char* output,
                   bool, int64_t begin, int64_t end) {
  const int last = walk.ndim - 1;
  const int64_t inner = walk.shape[last], element = size_of(op.stored[0]);
  const int64_t step[] = {walk.strides[0][last - 1], walk.strides[1][last - 1]};
  RowsWalk at_row(walk, 2, begin / inner);
  for (int64_t at = begin; at < end;) {
    const int64_t first = at % inner, n = std::min(inner - first, end - at);
    const int64_t rows = n < inner ? 1 : std::min((end - at) / inner, at_row.rows_left());
    const void* from[2];
    for (int i = 0; i < 2; ++i) from[i] = data[i] + (at_row.offset[i] + first * walk.strides[i][last]) * element;
    op.rows(from, walk.strides[0][last] == 0, step, output + at * element, rows, n);
    at += rows * n;
    at_row.advance(rows);
  }
}

// Element 0 of `bytes`, `count` times over.
void repeat_first(char* bytes, int64_t done, int64_t count) {
  for (; done < count; done *= 2) std::memcpy(bytes + done, bytes, size_t(std::min(done, count - done)));
}

// n times the element at x of input i, in its type of computation.
void fill_block(const Pointwise& op, int i, const char* x, int64_t n, char* to) {
  alignas(64) char pattern[64];
  const int64_t element = size_of(op.computed[i]);
  const void* once[] = {x};
  if (op.widen[i]) op.widen[i](once, pattern, 1);
  else std::memcpy(pattern, x, size_t(element));
  repeat_first(pattern, element, sizeof pattern);
  level->fill(to, pattern, size_t(n * element));
}

// Rows of kShortRow elements and more, each for itself: contiguous ones where they lie, and of an element that repeats
// along its row a block is filled once.
void run_rows(const Pointwise& op, const Call& loop, const Walk<kMaxInputs>& walk, const char* const* data, char* output,
              bool streams, int64_t begin, int64_t end) {
  Block gathered[kMaxInputs], widened[kMaxInputs];
  alignas(64) char result[kBlock * kLargestElement], narrowed[kBlock * kLargestElement];
  const int last = walk.ndim - 1;
  const int64_t inner = walk.shape[last];
  const int64_t out_size = size_of(op.stored[op.inputs]);
  RowsWalk at_row(walk, op.inputs, begin / inner);
  const char* filled[kMaxInputs] = {};
  for (int64_t at = begin; at < end;) {
    const int64_t first = at % inner, row = std::min(inner - first, end - at);
    for (int64_t done = 0; done < row; done += kBlock) {
      const int64_t n = std::min(kBlock, row - done);
      const void* from[kMaxInputs];
      for (int i = 0; i < op.inputs; ++i) {
        const int64_t element = size_of(op.stored[i]), step = walk.strides[i][last];
        const char* x = data[i] + (at_row.offset[i] + (first + done) * step) * element;
        from[i] = x;
        if (step == 0) {
          if (filled[i] != x) fill_block(op, i, x, std::min(kBlock, inner), gathered[i].bytes);
          filled[i] = x;
          from[i] = gathered[i].bytes;
          continue;
        }
        if (step != 1) {
          gather({const_cast<char*>(x), element, 1, &n, &step}, 0, n, gathered[i].bytes);
          from[i] = gathered[i].bytes;
        }
        if (op.widen[i]) {
          op.widen[i](&from[i], widened[i].bytes, n);
          from[i] = widened[i].bytes;
        }
      }
      char* to = output + (at + done) * out_size;
      loop(from, streams || op.narrow ? result : to, n);
      const void* source[] = {result};
      if (op.narrow) {
        op.narrow(source, streams ? narrowed : to, n);
        source[0] = narrowed;
      }
      if (streams) write_past_caches(to, source[0], size_t(n * out_size));
    }
    at += row;
    at_row.advance(1);
  }
}

void run_range(const Pointwise& op, const Call& loop, const Walk<kMaxInputs>& walk, const char* const* data, char* output,
               bool streams, int64_t begin, int64_t end) {
  Block gathered[kMaxInputs], widened[kMaxInputs];
  alignas(64) char result[kBlock * kLargestElement], narrowed[kBlock * kLargestElement];
  const int64_t most = std::min(kBlock, end - begin);
  const int64_t out_size = size_of(op.stored[op.inputs]);
  Operand operands[kMaxInputs];
  for (int i = 0; i < op.inputs; ++i) {
    Operand& operand = operands[i];
    operand.strided = {const_cast<char*>(data[i]), size_of(op.stored[i]), walk.ndim, walk.shape, walk.strides[i]};
    operand.size = size_of(op.computed[i]);
    operand.period = 1;
    operand.access = access_of(walk, i, operand.period);
    if (operand.access != Access::Repeat) continue;
    gather(operand.strided, 0, operand.period, gathered[i].bytes);
    char* pattern = gathered[i].bytes;
    if (op.widen[i]) {
      const void* once[] = {pattern};
      pattern = widened[i].bytes;
      op.widen[i](once, pattern, operand.period);
    }
    repeat_first(pattern, operand.period * operand.size, (most + operand.period - 1) * operand.size);
    operand.pattern = pattern;
  }
  for (int64_t at = begin; at < end;) {
    const int64_t n = std::min(kBlock, end - at);
    char* to = output + at * out_size;
    char* target = streams || op.narrow ? result : to;
    const void* from[kMaxInputs];
    for (int i = 0; i < op.inputs; ++i) {
      const Operand& operand = operands[i];
      if (operand.access == Access::Repeat) {
        from[i] = operand.pattern + (operand.period == 1 ? 0 : at % operand.period * operand.size);
        continue;
      }
      if (operand.access == Access::Whole) {
        from[i] = data[i] + at * operand.strided.element;
      } else {
        gather(operand.strided, at, n, gathered[i].bytes);
        from[i] = gathered[i].bytes;
      }
      if (op.widen[i]) {
        op.widen[i](&from[i], widened[i].bytes, n);
        from[i] = widened[i].bytes;
      }
    }
    loop(from, target, n);
    const void* source[] = {result};
    if (op.narrow) {
      op.narrow(source, streams ? narrowed : to, n);
      source[0] = narrowed;
    }
    if (streams) write_past_caches(to, source[0], size_t(n * out_size));
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

// The loop of pow where the exponent is one number that has one.
Loop loop_of_power(const Pointwise& op, const fl_tensor& exponent) {
  for (int d = 0; d < exponent.ndim; ++d)
    if (exponent.shape[d] != 1 && exponent.strides[d] != 0) return nullptr;
  double value;
  const void* from[] = {data_of(exponent)};
  if (op.stored[1] == Type::Float64) std::memcpy(&value, from[0], sizeof value);
  else convert(op.stored[1], Type::Float64)(from, &value, 1);
  return level->power(value, op.computed[0]);
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Pointwise& op = state_of<Pointwise>(self);
  const fl_tensor& out = call->outputs[0];
  const int64_t n = count_of(out);
  if (n == 0) return FL_OK;
  const bool alternative = op.loop[1] && call->attr_count > 0 && call->attrs[0].value.i;
  Call loop{op.loop[alternative], op.with, {}};
  for (int i = 0; op.with && i < call->attr_count && i < 3; ++i) loop.parameters[i] = call->attrs[i].value.f;
  if (op.power)
    if (const Loop power = loop_of_power(op, call->inputs[1])) loop.loop = power;
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
  const auto run_part = op.rows && !streams && repeats_along_rows(walk) ? run_many_rows
                        : goes_by_rows(walk, op.inputs)                    ? run_rows
                                                                            : run_range;
  parallel_for(n, op.grain, [&](int64_t begin, int64_t end) {
    run_part(op, loop, walk, data, output, streams, begin, end);
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
  const int first = selects ? 1 : 0;  // where's condition is its own type
  const Type type = types[first];
  // Not computed in a wider type.
  const bool small = is_integer(type) && size_of(type) < 4;
  const bool stays = selects || std::strcmp(name, "nextafter") == 0 || (small && level->pointwise(name, type, false));
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
  if (!op.narrow && op.inputs == 2) op.rows = level->pointwise_rows(name, type);
  op.grain = grain_of(name);
  op.power = std::strcmp(name, "pow") == 0 && is_floating(type);
  return op.loop[0] ? keep_kernel(run, op) : nullptr;
}

// Activations and their gradients.
const fl_kernel* resolve_activation(const char* name, std::span<const Type> types) {
  Pointwise op{};
  op.inputs = int(types.size()) - 1;
  const Type type = types[0], computed = compute_type(type);
  if (op.inputs < 1 || op.inputs > 2 || !is_floating(type)) return nullptr;
  for (int i = 0; i <= op.inputs; ++i) {
    if (types[i] != type) return nullptr;
    op.stored[i] = type;
    op.computed[i] = computed;
    if (i < op.inputs && computed != type) op.widen[i] = convert(type, computed);
  }
  if (computed != type) op.narrow = convert(computed, type);
  op.with = level->activation(name, computed);
  op.grain = 16 * kBlock;
  return op.with ? keep_kernel(run, op) : nullptr;
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
                            "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "prelu", "prelu_slope_grad"},
                           resolve_binary);
const Registration kActivations({"clip_to", "clip_to_grad", "hardtanh", "hardtanh_grad", "leaky_relu", "leaky_relu_grad", "elu",
                                 "elu_grad", "softplus", "softplus_grad", "log_sigmoid", "log_sigmoid_grad", "silu",
                                 "silu_grad", "mish", "mish_grad", "hardsigmoid", "hardsigmoid_grad", "hardswish",
                                 "hardswish_grad", "hardshrink", "hardshrink_grad", "softshrink", "huber",
                                 "huber_grad", "threshold", "threshold_grad"},
                                resolve_activation);
const Registration kOfThree({"where", "prelu_grad"}, resolve);
const Registration kCast({"cast"}, resolve_cast);

}  // namespace
}  // namespace flambeau::cpu
