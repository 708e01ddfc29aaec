// softmax.cpp: softmax and log_softmax along an axis, their gradients, and cross entropy with class indices.
#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <cstring>

#include "dense.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 8 * 1024;
constexpr int64_t kTogether = 16 * 1024;         // bytes of short rows that leave past the caches together
constexpr int64_t kLongestTogether = 8 * 1024;    // of a row
constexpr int64_t kFewestColumns = 8;
constexpr int64_t kColumnBytes = 1024 * 1024;     // of lines along columns that are taken at a time
constexpr int64_t kLongestStreamed = 512 * 1024;  // of a row

using Kind = SoftmaxKind;

struct Lines {
  const char* name;
  Kind kind;
  Type stored, computed;
  const SoftmaxLoops* loops;
  Loop widen, narrow;
};

// A tensor with one axis moved to the end, and then as contiguous memory.
struct Moved {
  fl_tensor tensor;
  int64_t shape[kMaxDims], strides[kMaxDims];
  Moved(const fl_tensor& from, int axis) : tensor(from) {
    int count = 0;
    for (int d = 0; d < from.ndim; ++d)
      if (d != axis) {
        shape[count] = from.shape[d];
        strides[count++] = from.strides[d];
      }
    shape[count] = from.shape[axis];
    strides[count] = from.strides[axis];
    tensor.shape = shape;
    tensor.strides = strides;
  }
  Moved(const Moved&) = delete;
  // The data, in this order; copied if need be. Null: no memory.
  const char* contiguous(Type type) const {
    if (is_contiguous(tensor)) return data_of(tensor);
    void* copy = host->scratch(size_t(count_of(tensor) * size_of(type)));
    if (copy) copy_to_contiguous(tensor, copy);
    return static_cast<const char*>(copy);
  }
};

void run_line(const Lines& op, const void* x, const void* y, void* to, int64_t n) {
  switch (op.kind) {
    case Kind::Softmax: return op.loops->softmax(x, to, n);
    case Kind::LogSoftmax: return op.loops->log_softmax(x, to, n);
    case Kind::SoftmaxGrad: return op.loops->softmax_grad(x, y, to, n);
    case Kind::LogSoftmaxGrad: return op.loops->log_softmax_grad(x, y, to, n);
  }
}

const void* widen_line(Loop widen, const char* from, void* to, int64_t n) {
  if (!widen) return from;
  const void* input[] = {from};
  widen(input, to, n);
  return to;
}

// Rows of whole vectors that stay in the first-level cache, all in one loop. False: these are not such.
bool run_together(const Lines& op, const char* x, char* to, int64_t rows, int64_t n, bool& fine) {
  const bool plain = op.kind == Kind::Softmax || op.kind == Kind::LogSoftmax;
  const int64_t step = n * size_of(op.stored);
  if (!plain || op.widen || n % op.loops->lanes != 0 || step > kLongestTogether) return false;
  const bool past = rows * step >= kStreamBytes && reinterpret_cast<uintptr_t>(to) % 64 == 0 && step % 64 == 0;
  const auto loop = op.kind == Kind::Softmax ? op.loops->softmax_rows : op.loops->log_softmax_rows;
  fine = parallel_with_scratch(rows, std::max<int64_t>(1, kGrain / n), size_t(2 * step), [&](void* lines, int64_t begin, int64_t end) {
    loop(x + begin * step, to + begin * step, end - begin, n, lines, past);
  });
  return true;
}

// Rows [0, rows) of n elements: inputs x and y (or null), result `to`, all contiguous in the stored type.
bool run_lines(const Lines& op, const char* x, const char* y, char* to, int64_t rows, int64_t n) {
  bool ran = true;
  if (run_together(op, x, to, rows, n, ran)) return ran;
  const int64_t step = n * size_of(op.stored), wide = divide_up(n * size_of(op.computed), 64) * 64;
  const bool streams = rows * step >= kStreamBytes && step <= kLongestStreamed;
  const int64_t together = streams ? std::max<int64_t>(1, kTogether / step) : 1;
  const size_t room = size_t((op.widen ? 3 * wide : 0) + (streams ? together * step : 0));
  std::atomic<bool> fine{true};
  parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    char* line = nullptr;
    if (room && !(line = static_cast<char*>(piece_scratch(room)))) {
      fine = false;
      return;
    }
    char* block = streams ? line + (op.widen ? 3 * wide : 0) : nullptr;  // rows on their way past the caches
    for (int64_t i = begin; i < end;) {
      const int64_t stop = std::min(end, i + together), first_row = i;
      for (; i < stop; ++i) {
        const void* first = widen_line(op.widen, x + i * step, line, n);
        const void* second = y ? widen_line(op.widen, y + i * step, line + wide, n) : nullptr;
        char* target = streams ? block + (i - first_row) * step : to + i * step;
        if (!op.narrow) {
          run_line(op, first, second, target, n);
          continue;
        }
        run_line(op, first, second, line + 2 * wide, n);
        const void* result[] = {line + 2 * wide};
        op.narrow(result, target, n);
      }
      if (streams) write_past_caches(to + first_row * step, block, size_t((stop - first_row) * step));
    }
  });
  return fine;
}

// Along an axis that is not the last one, where everything lies as it is: no line is moved. False: not so.
bool run_columns(const Lines& op, const fl_call* call, int axis) {
  const fl_tensor& out = call->outputs[0];
  int64_t inner = 1;
  for (int d = axis + 1; d < out.ndim; ++d) inner *= out.shape[d];
  bool lies = !op.widen && inner >= kFewestColumns && is_contiguous(out);
  for (int i = 0; i < call->input_count; ++i) lies = lies && is_contiguous(call->inputs[i]);
  if (!lies) return false;
  const int64_t n = out.shape[axis], outer = count_of(out) / (n * inner), element = size_of(op.stored);
  const int64_t fits = kColumnBytes / (n * element) / 16 * 16;  // in the second-level cache
  const int64_t columns = std::clamp<int64_t>(fits, 32, kSoftmaxColumns), chunks = divide_up(inner, columns);
  const char* x = data_of(call->inputs[0]);
  const char* y = data_of(call->inputs[call->input_count - 1]);
  parallel_for(outer * chunks, std::max<int64_t>(1, kGrain / (n * columns)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % chunks * columns, at = (i / chunks * n * inner + first) * element;
      op.loops->columns(op.kind, x + at, y + at, data_of(out) + at, n, inner, std::min(columns, inner - first));
    }
  });
  return true;
}

fl_status run_softmax(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Lines& op = state_of<Lines>(self);
  const fl_tensor& out = call->outputs[0];
  const int64_t total = count_of(out);
  if (total == 0) return FL_OK;
  const bool two = call->input_count == 2;
  if (out.ndim == 0) {  // one element is a line of its own
    const bool ran = run_lines(op, data_of(call->inputs[0]), two ? data_of(call->inputs[1]) : nullptr, data_of(out), 1, 1);
    return ran ? FL_OK : no_memory(op.name);
  }
  int axis = int(call->attrs[0].value.i);
  if (axis < 0) axis += out.ndim;
  const int64_t n = out.shape[axis];
  if (run_columns(op, call, axis)) return FL_OK;
  const Moved x(call->inputs[0], axis), y(call->inputs[two ? 1 : 0], axis), target(out, axis);
  const char* first = x.contiguous(op.stored);
  const char* second = two ? y.contiguous(op.stored) : nullptr;
  const bool direct = is_contiguous(target.tensor);
  char* to = direct ? data_of(out) : static_cast<char*>(host->scratch(size_t(total * size_of(op.stored))));
  if (!first || (two && !second) || !to || !run_lines(op, first, second, to, total / n, n)) return no_memory(op.name);
  if (direct) return FL_OK;
  // Back into place: the rows seen in the output's order.
  int64_t strides[kMaxDims], stride = total;
  for (int d = 0; d < out.ndim; ++d) {
    if (d == axis) continue;
    stride /= out.shape[d];
    strides[d] = stride;
  }
  strides[axis] = 1;
  const fl_tensor rows{reinterpret_cast<fl_memory>(to), 0, out.shape, strides, out.ndim, out.dtype};
  copy_to_contiguous(rows, data_of(out));
  return FL_OK;
}

const fl_kernel* resolve_softmax(const char* name, std::span<const Type> types) {
  const bool grad = std::strstr(name, "_grad") != nullptr;
  if (types.size() != (grad ? 3u : 2u) || !is_floating(types[0])) return nullptr;
  for (Type type : types)
    if (type != types[0]) return nullptr;
  const bool log = std::strncmp(name, "log_", 4) == 0;
  const Type computed = compute_type(types[0]);
  const bool same = computed == types[0];
  return keep_kernel(run_softmax, Lines{log ? (grad ? "log_softmax_grad" : "log_softmax") : (grad ? "softmax_grad" : "softmax"),
                                        log ? (grad ? Kind::LogSoftmaxGrad : Kind::LogSoftmax)
                                            : (grad ? Kind::SoftmaxGrad : Kind::Softmax),
                                        types[0], computed, level->softmax(computed),
                                        same ? nullptr : convert(types[0], computed),
                                        same ? nullptr : convert(computed, types[0])});
}

// ---- cross entropy -------------------------------------------------------------------------------------

struct CrossEntropy {
  Lines lines;
  Type target;
};

struct Options {
  explicit Options(const fl_call* call, bool smooths = true)
      : reduction(call->attrs[0].value.i), ignore_index(call->attrs[1].value.i), smoothing(smooths ? call->attrs[2].value.f : 0) {}
  int64_t reduction;  // 0 none, 1 mean, 2 sum
  int64_t ignore_index;
  double smoothing;
};

int64_t target_at(const fl_tensor& target, Type type, int64_t row) {
  const char* at = data_of(target) + row * target.strides[0] * size_of(type);
  int64_t value;
  const void* from[] = {at};
  if (type == Type::Int64) std::memcpy(&value, at, 8);
  else convert(type, Type::Int64)(from, &value, 1);
  return value;
}

double number_at(const CrossEntropy& op, const char* at) {
  alignas(8) char wide[8];
  const void* value = widen_line(op.lines.widen, at, wide, 1);
  if (op.lines.computed == Type::Float32) {
    float x;
    std::memcpy(&x, value, 4);
    return x;
  }
  double x;
  std::memcpy(&x, value, 8);
  return x;
}
void put_number(const CrossEntropy& op, char* at, double value) {
  const void* from[] = {&value};
  if (op.lines.stored == Type::Float64) std::memcpy(at, &value, 8);
  else convert(Type::Float64, op.lines.stored)(from, at, 1);
}

fl_status check_targets(const char* op, const fl_tensor& target, Type type, int64_t classes, const Options& options,
                        int64_t& kept) {
  kept = 0;
  for (int64_t row = 0; row < target.shape[0]; ++row) {
    const int64_t index = target_at(target, type, row);
    if (index == options.ignore_index) continue;
    ++kept;
    if (index < 0 || index >= classes)
      return fail(FL_BAD_INDEX,
                  "%s: target %" PRId64 " at row %" PRId64 " is not a class: classes go from 0 to %" PRId64
                  " (ignore_index is %" PRId64 ")",
                  op, index, row, classes - 1, options.ignore_index);
  }
  return FL_OK;
}

// Rows of a matrix in contiguous memory.
const char* matrix(const fl_tensor& x, Type type) {
  if (is_contiguous(x)) return data_of(x);
  void* copy = host->scratch(size_t(count_of(x) * size_of(type)));
  if (copy) copy_to_contiguous(x, copy);
  return static_cast<const char*>(copy);
}

fl_status run_cross_entropy(const fl_kernel* self, fl_stream, const fl_call* call) {
  const CrossEntropy& op = state_of<CrossEntropy>(self);
  const Options options(call);
  const fl_tensor &logits = call->inputs[0], &target = call->inputs[1], &loss = call->outputs[0];
  const int64_t rows = logits.shape[0], n = logits.shape[1], element = size_of(op.lines.stored);
  int64_t kept = 0;
  if (const fl_status status = check_targets("cross_entropy", target, op.target, n, options, kept)) return status;
  char* saved = data_of(call->outputs[1]);
  double* losses = static_cast<double*>(host->scratch(size_t(rows + 1) * sizeof(double)));
  if (!losses) return no_memory("cross_entropy");
  if (rows > 0 && n > 0) {
    const char* x = matrix(logits, op.lines.stored);
    if (!x || !run_lines(op.lines, x, nullptr, saved, rows, n)) return no_memory("cross_entropy");
  }
  const int64_t wide = size_of(op.lines.computed);
  parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(n, 1)), [&](int64_t begin, int64_t end) {
    char* line = op.lines.widen && options.smoothing != 0 ? static_cast<char*>(host->scratch(size_t(n * wide))) : nullptr;
    for (int64_t row = begin; row < end; ++row) {
      const int64_t index = target_at(target, op.target, row);
      const char* y = saved + row * n * element;
      double value = 0;
      if (index != options.ignore_index) {
        value = -(1 - options.smoothing) * number_at(op, y + index * element);
        if (options.smoothing != 0) {
          double sum = 0;
          if (op.lines.widen && !line)
            for (int64_t j = 0; j < n; ++j) sum += number_at(op, y + j * element);
          else
            sum = op.lines.loops->sum(widen_line(op.lines.widen, y, line, n), n);
          value -= options.smoothing / double(n) * sum;
        }
      }
      losses[row] = value;
    }
  });
  if (options.reduction == 0) {
    for (int64_t row = 0; row < rows; ++row) put_number(op, data_of(loss) + row * element, losses[row]);
    return FL_OK;
  }
  double total = 0;
  for (int64_t row = 0; row < rows; ++row) total += losses[row];
  put_number(op, data_of(loss), options.reduction == 1 ? total / double(kept) : total);
  return FL_OK;
}

fl_status run_cross_entropy_grad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const CrossEntropy& op = state_of<CrossEntropy>(self);
  const Options options(call);
  const fl_tensor &g = call->inputs[0], &saved = call->inputs[1], &target = call->inputs[2], &out = call->outputs[0];
  const int64_t rows = saved.shape[0], n = saved.shape[1], element = size_of(op.lines.stored);
  int64_t kept = 0;
  if (const fl_status status = check_targets("cross_entropy_grad", target, op.target, n, options, kept)) return status;
  if (rows == 0 || n == 0) return FL_OK;
  const char* y = matrix(saved, op.lines.stored);
  if (!y) return no_memory("cross_entropy_grad");
  const int64_t wide = size_of(op.lines.computed);
  std::atomic<bool> fine{true};
  parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    const int64_t padded = divide_up(n * wide, 64) * 64;
    char* line = op.lines.widen ? static_cast<char*>(host->scratch(size_t(2 * padded))) : nullptr;
    if (op.lines.widen && !line) {
      fine = false;
      return;
    }
    for (int64_t row = begin; row < end; ++row) {
      const int64_t index = target_at(target, op.target, row);
      char* to = data_of(out) + row * n * element;
      if (index == options.ignore_index) {
        std::memset(to, 0, size_t(n * element));
        continue;
      }
      double scale = number_at(op, data_of(g) + (options.reduction == 0 ? row * g.strides[0] * element : 0));
      if (options.reduction == 1) scale /= double(kept);
      char* result = line ? line + padded : to;
      op.lines.loops->cross_entropy_grad(widen_line(op.lines.widen, y + row * n * element, line, n), result, n, scale,
                                         options.smoothing);
      const double share = scale * (1 - options.smoothing);
      if (op.lines.computed == Type::Float32) reinterpret_cast<float*>(result)[index] -= float(share);
      else reinterpret_cast<double*>(result)[index] -= share;
      if (line) {
        const void* from[] = {result};
        op.lines.narrow(from, to, n);
      }
    }
  });
  return fine ? FL_OK : no_memory("cross_entropy_grad");
}

// ---- of logarithms that are given ----

// The classes as int64, checked; null where one is none or memory is missing, which `status` then says.
const int64_t* read_classes(const char* name, const CrossEntropy& op, const fl_tensor& target, int64_t n, const Options& options,
                            int64_t& kept, fl_status& status) {
  static constexpr int64_t kNone = 0;
  status = check_targets(name, target, op.target, n, options, kept);
  if (status != FL_OK) return nullptr;
  if (target.shape[0] == 0) return &kNone;
  if (op.target == Type::Int64 && is_contiguous(target)) return reinterpret_cast<const int64_t*>(data_of(target));
  int64_t* own = static_cast<int64_t*>(host->scratch(size_t(target.shape[0] + 1) * sizeof(int64_t)));
  for (int64_t row = 0; own && row < target.shape[0]; ++row) own[row] = target_at(target, op.target, row);
  if (!own) status = no_memory(name);
  return own;
}

template <class T>
fl_status run_nll_as(const CrossEntropy& op, const fl_call* call) {
  const Options options(call, false);
  const fl_tensor &x = call->inputs[0], &loss = call->outputs[0];
  int64_t kept = 0;
  fl_status status;
  const int64_t* classes = read_classes("nll_loss", op, call->inputs[1], x.shape[1], options, kept, status);
  if (!classes) return status;
  const T* from = reinterpret_cast<const T*>(data_of(x));
  T* to = reinterpret_cast<T*>(data_of(loss));
  double total = 0;
  for (int64_t row = 0; row < x.shape[0]; ++row) {
    const bool counts = classes[row] != options.ignore_index;
    const T value = counts ? -from[row * x.strides[0] + classes[row] * x.strides[1]] : T(0);
    if (options.reduction == 0) to[row] = value;
    total += double(value);
  }
  if (options.reduction != 0) *to = T(options.reduction == 1 ? total / double(kept) : total);
  return FL_OK;
}

template <class T>
fl_status run_nll_grad_as(const CrossEntropy& op, const fl_call* call) {
  const Options options(call, false);
  const fl_tensor &g = call->inputs[0], &out = call->outputs[0];
  const int64_t rows = out.shape[0], n = out.shape[1];
  int64_t kept = 0;
  fl_status status;
  const int64_t* classes = read_classes("nll_loss_grad", op, call->inputs[1], n, options, kept, status);
  if (!classes || n == 0) return status;
  const T* from = reinterpret_cast<const T*>(data_of(g));
  const int64_t step = options.reduction == 0 ? g.strides[0] : 0;
  const double count = options.reduction == 1 ? double(kept) : 1;
  parallel_for(rows, std::max<int64_t>(1, kGrain / n), [&](int64_t begin, int64_t end) {
    T* to = reinterpret_cast<T*>(data_of(out));
    std::memset(to + begin * n, 0, size_t((end - begin) * n) * sizeof(T));
    for (int64_t row = begin; row < end; ++row)
      if (classes[row] != options.ignore_index) to[row * n + classes[row]] = T(-double(from[row * step]) / count);
  });
  return FL_OK;
}

// In 16 bits other ops stand for it.
template <bool gradient>
fl_status run_nll(const fl_kernel* self, fl_stream, const fl_call* call) {
  const CrossEntropy& op = state_of<CrossEntropy>(self);
  const bool single = op.lines.stored == Type::Float32;
  if constexpr (gradient) return single ? run_nll_grad_as<float>(op, call) : run_nll_grad_as<double>(op, call);
  else return single ? run_nll_as<float>(op, call) : run_nll_as<double>(op, call);
}

const fl_kernel* resolve_nll(const char* name, std::span<const Type> types) {
  if (types.size() != 3 || !is_integer(types[1]) || types[2] != types[0]) return nullptr;
  if (types[0] != Type::Float32 && types[0] != Type::Float64) return nullptr;
  const CrossEntropy op{{"nll_loss", Kind::LogSoftmax, types[0], types[0], nullptr, nullptr, nullptr}, types[1]};
  return keep_kernel(std::strcmp(name, "nll_loss") == 0 ? run_nll<false> : run_nll<true>, op);
}

const fl_kernel* resolve_cross_entropy(const char* name, std::span<const Type> types) {
  const bool grad = std::strcmp(name, "cross_entropy_grad") == 0;
  if (types.size() != 4) return nullptr;
  const Type target = types[grad ? 2 : 1], type = types[0];
  if (!is_floating(type) || !is_integer(target)) return nullptr;
  if (types[grad ? 1 : 2] != type || types[3] != type) return nullptr;
  const Type computed = compute_type(type);
  const bool same = computed == type;
  const CrossEntropy op{{"cross_entropy", Kind::LogSoftmax, type, computed, level->softmax(computed),
                         same ? nullptr : convert(type, computed), same ? nullptr : convert(computed, type)},
                        target};
  return keep_kernel(grad ? run_cross_entropy_grad : run_cross_entropy, op);
}

const Registration kSoftmax({"softmax", "log_softmax", "softmax_grad", "log_softmax_grad"}, resolve_softmax);
const Registration kNll({"nll_loss", "nll_loss_grad"}, resolve_nll);
const Registration kCrossEntropy({"cross_entropy", "cross_entropy_grad"}, resolve_cross_entropy);

}  // namespace
}  // namespace flambeau::cpu
