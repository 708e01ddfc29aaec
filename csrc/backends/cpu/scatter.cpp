// scatter.cpp: writing at indices read from a tensor (put: whole parts; scatter: single elements), and several indices
// made one. The indices are checked first, all of them. Values with the same index are taken in their order by one
// thread, so the result has the same bits on any number of threads.
#include <algorithm>
#include <cinttypes>
#include <complex>
#include <cstring>
#include <string_view>

#include "indices.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;
constexpr int64_t kColumns = 512;

struct Scattering {
  const char* name;
  Type stored;
  bool parts;
};

struct Plan {
  int64_t before = 1, size, after = 1;  // of x around the axis
  int64_t count;                        // indices (put), or those of one line (scatter)
  bool parts;
  const int64_t* index;
};

struct Set {
  template <class T>
  static T of(T, T value) { return value; }
};
struct Add {
  template <class T>
  static T of(T kept, T value) { return T(kept + value); }
};
struct Multiply {
  template <class T>
  static T of(T kept, T value) { return T(kept * value); }
};
struct Max {
  template <class T>
  static T of(T kept, T value) { return kept != kept || kept > value ? kept : value; }  // NaN wins
};
struct Min {
  template <class T>
  static T of(T kept, T value) { return kept != kept || kept < value ? kept : value; }
};

template <class Reduce, class T>
void scatter_all(const Plan& plan, const char* values, char* to_bytes) {
  const T* from = reinterpret_cast<const T*>(values);
  T* to = reinterpret_cast<T*>(to_bytes);
  const int64_t chunks = divide_up(plan.after, kColumns);
  const int64_t work = std::max<int64_t>(1, plan.count * std::min(plan.after, kColumns));
  parallel_for(plan.before * chunks, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t outer = unit / chunks, first = unit % chunks * kColumns, last = std::min(plan.after, first + kColumns);
      if (plan.after == 1) {
        T* line = to + outer * plan.size;
        const int64_t row = outer * plan.count;
        const int64_t* index = plan.index + (plan.parts ? 0 : row);
        for (int64_t j = 0; j < plan.count; ++j) line[index[j]] = Reduce::of(line[index[j]], from[row + j]);
        continue;
      }
      for (int64_t j = 0; j < plan.count; ++j) {
        const int64_t row = (outer * plan.count + j) * plan.after;
        if (plan.parts) {
          T* target = to + (outer * plan.size + plan.index[j]) * plan.after;
          for (int64_t i = first; i < last; ++i) target[i] = Reduce::of(target[i], from[row + i]);
        } else {
          for (int64_t i = first; i < last; ++i) {
            T& target = to[(outer * plan.size + plan.index[row + i]) * plan.after + i];
            target = Reduce::of(target, from[row + i]);
          }
        }
      }
    }
  });
}

template <class T, class Wrapping>
void scatter_numbers(std::string_view reduce, const Plan& plan, const char* values, char* to) {
  if (reduce == "add") scatter_all<Add, Wrapping>(plan, values, to);
  else if (reduce == "multiply") scatter_all<Multiply, Wrapping>(plan, values, to);
  else if (reduce == "max") scatter_all<Max, T>(plan, values, to);
  else scatter_all<Min, T>(plan, values, to);
}

// Complex numbers have no larger one.
template <class T>
void scatter_pairs(std::string_view reduce, const Plan& plan, const char* values, char* to) {
  if (reduce == "add") scatter_all<Add, T>(plan, values, to);
  else scatter_all<Multiply, T>(plan, values, to);
}

// Contiguous and in the type of computation.
char* prepared(const fl_tensor& x, Type stored, Type computed) {
  const int64_t n = count_of(x);
  char* narrow = data_of(x);
  if (!is_contiguous(x)) {
    narrow = static_cast<char*>(host->scratch(size_t(n * size_of(stored))));
    if (narrow) copy_to_contiguous(x, narrow);
  }
  if (computed == stored || !narrow) return narrow;
  char* wide = static_cast<char*>(host->scratch(size_t(n * size_of(computed))));
  const void* from[] = {narrow};
  if (wide) convert(stored, computed)(from, wide, n);
  return wide;
}

fl_status run_scatter(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Scattering& op = state_of<Scattering>(self);
  const fl_tensor &x = call->inputs[0], &indices = call->inputs[1], &values = call->inputs[2], &out = call->outputs[0];
  const int axis = int(call->attrs[0].value.i);
  const std::string_view reduce = call->attrs[1].value.text;
  fl_status status = FL_OK;
  Plan plan{.size = x.shape[axis], .count = op.parts ? count_of(indices) : indices.shape[axis], .parts = op.parts,
            .index = read_indices(op.name, indices, x.shape[axis], axis, false, status)};
  if (!plan.index || count_of(out) == 0) return status;
  for (int d = 0; d < axis; ++d) plan.before *= x.shape[d];
  for (int d = axis + 1; d < x.ndim; ++d) plan.after *= x.shape[d];

  // Only sums and the like of 16-bit floats need a wider type.
  const Type computed = reduce == "set" ? op.stored : compute_type(op.stored);
  const int64_t n = count_of(out);
  char* to = data_of(out);
  if (count_of(values) == 0) {
    copy_to_contiguous(x, to);
    return FL_OK;
  }
  if (computed == op.stored) {
    copy_to_contiguous(x, to);
  } else {
    to = prepared(x, op.stored, computed);
  }
  const char* from = prepared(values, op.stored, computed);
  if (!to || !from) return fail(FL_OUT_OF_MEMORY, "%s: no memory for %" PRId64 " elements", op.name, n);
  if (reduce == "set") {
    switch (size_of(op.stored)) {
      case 1: scatter_all<Set, uint8_t>(plan, from, to); break;
      case 2: scatter_all<Set, uint16_t>(plan, from, to); break;
      case 4: scatter_all<Set, uint32_t>(plan, from, to); break;
      case 8: scatter_all<Set, uint64_t>(plan, from, to); break;
      default: scatter_all<Set, Sixteen>(plan, from, to);
    }
    return FL_OK;
  }
  switch (computed) {
    case Type::Int32: scatter_numbers<int32_t, uint32_t>(reduce, plan, from, to); break;
    case Type::Int64: scatter_numbers<int64_t, uint64_t>(reduce, plan, from, to); break;
    case Type::UInt64: scatter_numbers<uint64_t, uint64_t>(reduce, plan, from, to); break;
    case Type::Complex64: scatter_pairs<std::complex<float>>(reduce, plan, from, to); break;
    case Type::Complex128: scatter_pairs<std::complex<double>>(reduce, plan, from, to); break;
    case Type::Float32: scatter_numbers<float, float>(reduce, plan, from, to); break;
    case Type::Float64: scatter_numbers<double, double>(reduce, plan, from, to); break;
    default: return FL_UNSUPPORTED;
  }
  if (computed != op.stored) {
    const void* wide[] = {to};
    convert(computed, op.stored)(wide, data_of(out), n);
  }
  return FL_OK;
}

// join_indices(indices...; sizes, axes).
fl_status run_join(const fl_kernel*, fl_stream, const fl_call* call) {
  const fl_tensor& out = call->outputs[0];
  const int64_t n = count_of(out);
  int64_t* to = reinterpret_cast<int64_t*>(data_of(out));
  for (int k = 0; k < call->input_count; ++k) {
    const int64_t size = call->attrs[0].value.ints[k], axis = call->attrs[1].value.ints[k];
    fl_status status = FL_OK;
    const int64_t* from = read_indices("indexing", call->inputs[k], size, axis, false, status);
    if (!from) return status;
    for (int64_t i = 0; i < n; ++i) to[i] = k ? to[i] * size + from[i] : from[i];
  }
  return FL_OK;
}

const fl_kernel* resolve_scatter(const char* name, std::span<const Type> types) {
  if (types.size() != 4 || types[0] != types[2] || types[0] != types[3]) return nullptr;
  if (!is_integer(types[1])) return nullptr;
  const bool parts = std::strcmp(name, "put") == 0;
  return keep_kernel(run_scatter, Scattering{parts ? "put" : "scatter", types[0], parts});
}

const Registration kScatter({"put", "scatter"}, resolve_scatter);
const Registration kJoin({"join_indices"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  const bool fits = types.size() == 2 && types[0] == Type::Int64 && types[1] == Type::Int64;
  return fits ? keep_kernel(run_join, Scattering{}) : nullptr;
});

}  // namespace
}  // namespace flambeau::cpu
