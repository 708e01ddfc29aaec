// reduce.cpp: sum, mean, max, min, any, all, argmax, argmin over any axes of any strides.
//
// The dimensions are put in the order of memory and merged; then one group of reduced dimensions after the other is
// taken, the innermost first: as rows (the group is contiguous) or as columns (a kept dimension is). Long groups are
// cut into pieces of a fixed size whose partial results are combined in order.
#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 32 * 1024;  // elements reduced by one thread at a time
constexpr int64_t kColumnChunk = 1024;
constexpr int64_t kSmallColumns = 16;
constexpr int64_t kShortRow = 16;

struct Stage {
  Type stored;
  Loop widen;  // to `computed`; null: the same
  Type computed;
  RowReduction row;
  ColumnReduction column;
};
struct Reduction {
  const char* name;
  Stage first, next;  // from the input; from partial results
  Type partial;       // what rows and columns give
  Loop narrow;        // from partial to the output; null: the same
  Type result;
  bool mean;
};

struct Dim {
  int64_t size, stride;
  bool reduced;
};
struct Dims {
  int count = 0;
  Dim at[kMaxDims];
  void push(Dim dim) {
    if (dim.size == 1) return;
    if (count > 0 && at[count - 1].reduced == dim.reduced && at[count - 1].stride == dim.stride * dim.size) {
      at[count - 1].size *= dim.size;
      at[count - 1].stride = dim.stride;
    } else {
      at[count++] = dim;
    }
  }
};

void reduce_row(const Reduction& op, const Stage& stage, const char* x, int64_t n, void* result) {
  if (!stage.widen) return stage.row(x, n, result);
  if (n <= kBlock) {
    alignas(64) char block[kBlock * kLargestElement];
    const void* from[] = {x};
    stage.widen(from, block, n);
    return stage.row(block, n, result);
  }
  constexpr int64_t kParts = 32;
  alignas(64) char partial[kParts * kLargestElement];
  const int64_t part = divide_up(divide_up(n, kParts), kBlock) * kBlock, parts = divide_up(n, part);
  const int64_t size = size_of(op.partial), element = size_of(stage.stored);
  for (int64_t i = 0; i < parts; ++i)
    reduce_row(op, stage, x + i * part * element, std::min(part, n - i * part), partial + i * size);
  op.next.row(partial, parts, result);
}

// columns <= kColumnChunk
void reduce_columns(const Reduction& op, const Stage& stage, const char* x, int64_t rows, int64_t stride,
                    int64_t columns, void* result) {
  const int64_t element = size_of(stage.stored), size = size_of(op.partial);
  if (!stage.widen) {
    if (columns < kSmallColumns && stride == columns && rows >= 4 * kSmallColumns) {
      // Short rows side by side make one long row; the rows that are left over join at the end.
      const int64_t group = 128 / columns, groups = rows / group, rest = rows - groups * group;
      alignas(64) char wide[129 * kLargestElement], pair[2 * kSmallColumns * kLargestElement];
      stage.column(x, groups, group * columns, group * columns, wide);
      op.next.column(wide, group, columns, columns, rest ? pair : result);
      if (!rest) return;
      stage.column(x + groups * group * columns * element, rest, columns, columns, pair + columns * size);
      return op.next.column(pair, 2, columns, columns, result);
    }
    return stage.column(x, rows, stride, columns, result);
  }
  constexpr int64_t kRows = 8, kColumns = 256;
  alignas(64) char block[kRows * kColumns * kLargestElement], pair[2 * kColumns * kLargestElement];
  for (int64_t j = 0; j < columns; j += kColumns) {
    const int64_t n = std::min(kColumns, columns - j);
    char* out = static_cast<char*>(result) + j * size;
    for (int64_t r = 0; r < rows; r += kRows) {
      const int64_t count = std::min(kRows, rows - r);
      for (int64_t i = 0; i < count; ++i) {
        const void* from[] = {x + ((r + i) * stride + j) * element};
        stage.widen(from, block + i * n * size_of(stage.computed), n);
      }
      stage.column(block, count, n, n, r ? pair + n * size : pair);
      if (r) {
        op.next.column(pair, 2, n, n, out);
        std::memcpy(pair, out, size_t(n * size));
      }
    }
    std::memcpy(out, pair, size_t(n * size));
  }
}

// One group of dimensions: `out` gets the partial results of the dimensions that stay, contiguous and in order.
struct Group {
  const Reduction& op;
  const Stage& stage;
  const char* data;
  int64_t length, stride;    // of the group
  int64_t columns;           // 1: rows
  int outer;                 // the other dimensions
  int64_t shape[kMaxDims], strides[kMaxDims];
  int64_t outer_count = 1;

  const char* start(int64_t index) const {
    int64_t offset = 0;
    for (int d = outer - 1; d >= 0; --d) {
      offset += index % shape[d] * strides[d];
      index /= shape[d];
    }
    return data + offset * size_of(stage.stored);
  }

  // Rows of a few elements, one behind the other: a block of them is turned, so that vectors go over the rows.
  void reduce_short_rows(char* out) const {
    constexpr int64_t kTogether = 128;
    const int64_t size = size_of(op.partial), element = size_of(stage.stored), wide = size_of(stage.computed);
    parallel_for(outer_count, std::max(kTogether, kPiece / length / kTogether * kTogether), [&](int64_t begin, int64_t end) {
      alignas(64) char block[kTogether * kShortRow * kLargestElement], turned[kTogether * kShortRow * kLargestElement];
      for (int64_t i = begin; i < end; i += kTogether) {
        const int64_t n = std::min(kTogether, end - i);
        const char* from = data + i * length * element;
        if (stage.widen) {
          const void* rows[] = {from};
          stage.widen(rows, block, n * length);
          from = block;
        }
        level->transpose(from, length, turned, n, n, length, wide);
        stage.column(turned, length, n, n, out + i * size);
      }
    });
  }

  void reduce_rows(char* out) const {
    const int64_t size = size_of(op.partial), element = size_of(stage.stored);
    if (length <= kShortRow && outer == 1 && strides[0] == length && stride == 1 && outer_count >= 64)
      return reduce_short_rows(out);
    const int64_t pieces = length > 2 * kPiece && outer_count < 32 ? divide_up(length, kPiece) : 1;
    char* partial = out;
    if (pieces > 1) partial = static_cast<char*>(host->scratch(size_t(outer_count * pieces * size)));
    if (!partial) {
      for (int64_t i = 0; i < outer_count; ++i) reduce_row(op, stage, start(i), length, out + i * size);
      return;
    }
    parallel_for(outer_count * pieces, std::max<int64_t>(1, kPiece / std::max<int64_t>(1, length)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t from = i % pieces * kPiece;
                     reduce_row(op, stage, start(i / pieces) + from * element,
                                pieces > 1 ? std::min(kPiece, length - from) : length, partial + i * size);
                   }
                 });
    for (int64_t i = 0; pieces > 1 && i < outer_count; ++i)
      op.next.row(partial + i * pieces * size, pieces, out + i * size);
  }

  void reduce_columns_of(char* out) const {
    const int64_t size = size_of(op.partial), element = size_of(stage.stored);
    const int64_t chunks = divide_up(columns, kColumnChunk);
    const int64_t rows = std::max<int64_t>(64, 2 * kPiece / std::min(columns, kColumnChunk));
    const int64_t pieces = length > 2 * rows && outer_count * chunks < 32 ? divide_up(length, rows) : 1;
    char* partial = out;
    if (pieces > 1) partial = static_cast<char*>(host->scratch(size_t(outer_count * pieces * columns * size)));
    const int64_t each = pieces > 1 && partial ? pieces : 1;
    if (!partial) partial = out;
    const int64_t work = std::min(length, rows) * std::min(columns, kColumnChunk);
    parallel_for(outer_count * each * chunks, std::max<int64_t>(1, kPiece / work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t chunk = i % chunks * kColumnChunk, piece = i / chunks % each, index = i / chunks / each;
        const int64_t from = piece * rows;
        reduce_columns(op, stage, start(index) + (from * stride + chunk) * element,
                       each > 1 ? std::min(rows, length - from) : length, stride,
                       std::min(kColumnChunk, columns - chunk),
                       partial + ((index * each + piece) * columns + chunk) * size);
      }
    });
    for (int64_t i = 0; each > 1 && i < outer_count; ++i)
      for (int64_t j = 0; j < columns; j += kColumnChunk)
        op.next.column(partial + (i * each * columns + j) * size, each, columns, std::min(kColumnChunk, columns - j),
                       out + (i * columns + j) * size);
  }
};

bool is_reduced(const fl_call* call, int axis) {
  const fl_attr& axes = call->attrs[0];
  return std::find(axes.value.ints, axes.value.ints + axes.count, axis) != axes.value.ints + axes.count;
}

// Dimensions by falling stride, if that leaves the kept ones in their order and the last one contiguous.
bool in_memory_order(const fl_call* call, Dims& dims) {
  const fl_tensor& x = call->inputs[0];
  int order[kMaxDims];
  const auto rank = [&](int d) { return x.strides[d] == 0 ? INT64_MAX : std::abs(x.strides[d]); };
  for (int d = 0; d < x.ndim; ++d) {
    int i = d;
    for (; i > 0 && rank(order[i - 1]) < rank(d); --i) order[i] = order[i - 1];
    order[i] = d;
  }
  int last_kept = -1;
  for (int i = 0; i < x.ndim; ++i) {
    const int d = order[i];
    if (x.shape[d] == 1) continue;
    if (!is_reduced(call, d)) {
      if (d < last_kept) return false;
      last_kept = d;
    }
    dims.push({x.shape[d], x.strides[d], is_reduced(call, d)});
  }
  return dims.count == 0 || dims.at[dims.count - 1].stride == 1;
}

void write_empty(const Reduction& op, const fl_tensor& out) {
  const int64_t n = count_of(out);
  const bool ones = std::strcmp(op.name, "all") == 0 || std::strcmp(op.name, "product") == 0;
  const double value = op.mean ? double(NAN) : ones ? 1 : 0;
  alignas(16) char one[kLargestElement];
  const void* from[] = {&value};
  if (op.result == Type::Float64) std::memcpy(one, &value, 8);
  else convert(Type::Float64, op.result)(from, one, 1);
  const int64_t size = size_of(op.result);
  if (op.mean && is_complex(op.result)) std::memcpy(one + size / 2, one, size_t(size / 2));
  for (int64_t i = 0; i < n; ++i) std::memcpy(data_of(out) + i * size, one, size_t(size));
}

template <class T>
void divide_all(void* values, int64_t n, int64_t count) {
  T* x = static_cast<T*>(values);
  for (int64_t i = 0; i < n; ++i) x[i] = x[i] / T(count);
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Reduction& op = state_of<Reduction>(self);
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int64_t n = count_of(out), total = count_of(x);
  if (n == 0) return FL_OK;
  if (total == 0) {
    if (std::strcmp(op.name, "max") == 0 || std::strcmp(op.name, "min") == 0)
      return fail(FL_BAD_VALUE, "%s: no elements to choose from", op.name);
    write_empty(op, out);
    return FL_OK;
  }
  Dims dims;
  const char* data = data_of(x);
  if (!in_memory_order(call, dims)) {
    void* copy = host->scratch(size_t(total * size_of(op.first.stored)));
    if (!copy) return fail(FL_OUT_OF_MEMORY, "%s: no memory for a contiguous copy of the input", op.name);
    copy_to_contiguous(x, copy);
    data = static_cast<const char*>(copy);
    dims = {};
    int64_t stride = total;
    for (int d = 0; d < x.ndim; ++d) {
      stride /= x.shape[d];
      dims.push({x.shape[d], stride, is_reduced(call, d)});
    }
  }
  const int64_t size = size_of(op.partial);
  const bool direct = !op.narrow;
  const Stage* stage = &op.first;
  char* target = nullptr;
  for (;;) {
    int group = -1, groups = 0;
    for (int d = 0; d < dims.count; ++d)
      if (dims.at[d].reduced) {
        group = d;
        ++groups;
      }
    const int last = dims.count - 1;
    Group step{op, *stage, data, 1, 1, 1, 0, {}, {}};
    if (group >= 0) {
      step.length = dims.at[group].size;
      step.stride = dims.at[group].stride;
    }
    const bool by_columns = group >= 0 && group != last;
    if (by_columns) step.columns = dims.at[last].size;
    Dims left;
    for (int d = 0; d < dims.count; ++d) {
      if (d == group) continue;
      if (!(by_columns && d == last)) {
        step.shape[step.outer] = dims.at[d].size;
        step.strides[step.outer++] = dims.at[d].stride;
        step.outer_count *= dims.at[d].size;
      }
    }
    const int64_t results = step.outer_count * step.columns;
    int64_t stride = results;
    for (int d = 0; d < dims.count; ++d) {
      if (d == group) continue;
      stride /= dims.at[d].size;
      left.push({dims.at[d].size, stride, dims.at[d].reduced});
    }
    const bool is_last = groups <= 1;
    target = is_last && direct ? data_of(out) : static_cast<char*>(host->scratch(size_t(results * size)));
    if (!target) return fail(FL_OUT_OF_MEMORY, "%s: no memory for partial results", op.name);
    if (by_columns) step.reduce_columns_of(target);
    else step.reduce_rows(target);
    if (is_last) break;
    data = target;
    dims = left;
    stage = &op.next;
  }
  if (op.mean) {
    const int64_t parts = is_complex(op.partial) ? 2 * n : n;
    if (real_of(op.partial) == Type::Float32) divide_all<float>(target, parts, total / n);
    else divide_all<double>(target, parts, total / n);
  }
  if (op.narrow) {
    const void* from[] = {target};
    op.narrow(from, data_of(out), n);
  }
  return FL_OK;
}

bool is_number(Type type) { return type != Type::Bool && !is_complex(type); }

Stage stage_of(Type stored, Type computed, const char* base) {
  Stage stage{stored, stored == computed ? nullptr : convert(stored, computed), computed,
              level->row_reduction(base, computed), level->column_reduction(base, computed)};
  if (!stage.row) stage.row = plain_row_reduction(base, computed);
  if (!stage.column) stage.column = plain_column_reduction(base, computed);
  return stage;
}

const fl_kernel* resolve(const char* name, std::span<const Type> types) {
  if (types.size() != 2) return nullptr;
  const Type in = types[0], out = types[1];
  const auto is = [&](const char* other) { return std::strcmp(name, other) == 0; };
  Reduction op{};
  op.mean = is("mean");
  const char* base = is("sum") || op.mean ? "sum" : is("max") ? "max" : is("min") ? "min" : is("any") ? "any" : is("product") ? "product" : "all";
  op.name = is("mean") ? "mean" : base;
  Type computed = compute_type(in);
  if (is("sum")) {
    if (out == Type::Bool || (is_complex(in) && !is_complex(out))) return nullptr;
    if (is_complex(out)) computed = out;
    if (is_floating(out) && (out == Type::Float64 || !is_floating(in))) computed = Type::Float64;
  } else if (op.mean) {
    if ((!is_floating(in) && !is_complex(in)) || in != out) return nullptr;
  } else if (is("max") || is("min") || is("product")) {
    if (!is_number(in) || in != out) return nullptr;
  } else {
    if (out != Type::Bool) return nullptr;
    computed = Type::Bool;
  }
  op.partial = computed;
  if (is("product")) op.partial = is_floating(computed) ? Type::Float64 : Type::Int64;
  // Integers are summed in 64 bits, whose low ones are those of any narrower type.
  if (std::strcmp(base, "sum") == 0 && !is_floating(computed) && !is_complex(computed)) op.partial = Type::Int64;
  op.first = stage_of(in, computed, base);
  op.next = stage_of(op.partial, op.partial, base);
  op.result = out;
  op.narrow = op.partial == out ? nullptr : convert(op.partial, out);
  return op.first.row && op.next.row ? keep_kernel(run, op) : nullptr;
}

// ---- argmax, argmin ------------------------------------------------------------------------------------

struct Search {
  const char* name;
  Type stored;
  Loop widen;
  RowSearch search;
};

fl_status run_search(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Search& op = state_of<Search>(self);
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int64_t n = count_of(out), total = count_of(x);
  if (n == 0) return FL_OK;
  if (total == 0) return fail(FL_BAD_VALUE, "%s: no elements to choose from", op.name);
  // Searched axes last: as they are if that is contiguous, else as a copy.
  int64_t shape[kMaxDims], strides[kMaxDims];
  int count = 0;
  for (const bool reduced : {false, true})
    for (int d = 0; d < x.ndim; ++d)
      if (is_reduced(call, d) == reduced) {
        shape[count] = x.shape[d];
        strides[count++] = x.strides[d];
      }
  fl_tensor moved = x;
  moved.shape = shape;
  moved.strides = strides;
  const int64_t length = total / n, element = size_of(op.stored);
  const char* data = data_of(x);
  if (!is_contiguous(moved)) {
    void* copy = host->scratch(size_t(total * element));
    if (!copy) return fail(FL_OUT_OF_MEMORY, "%s: no memory for a contiguous copy of the input", op.name);
    copy_to_contiguous(moved, copy);
    data = static_cast<const char*>(copy);
  }
  if (op.widen) {
    const int64_t wide = size_of(compute_type(op.stored));
    char* copy = static_cast<char*>(host->scratch(size_t(total * wide)));
    if (!copy) return fail(FL_OUT_OF_MEMORY, "%s: no memory for a float32 copy of the input", op.name);
    parallel_for(total, kPiece, [&](int64_t begin, int64_t end) {
      const void* from[] = {data + begin * element};
      op.widen(from, copy + begin * wide, end - begin);
    });
    data = copy;
  }
  const int64_t wide = size_of(compute_type(op.stored)), step = length * wide;
  int64_t* to = reinterpret_cast<int64_t*>(data_of(out));
  const int64_t pieces = divide_up(length, kPiece);
  if (n < 32 && pieces > 1) {  // the places of the pieces' winners, and the winner of those
    int64_t* places = static_cast<int64_t*>(host->scratch(size_t(n * pieces) * sizeof(int64_t)));
    char* values = static_cast<char*>(host->scratch(size_t(n * pieces * wide)));
    if (!places || !values) return fail(FL_OUT_OF_MEMORY, "%s: no memory for partial results", op.name);
    parallel_for(n * pieces, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t from = i % pieces * kPiece;
        const char* row = data + i / pieces * step;
        places[i] = from + op.search(row + from * wide, std::min(kPiece, length - from));
        std::memcpy(values + i * wide, row + places[i] * wide, size_t(wide));
      }
    });
    for (int64_t i = 0; i < n; ++i) to[i] = places[i * pieces + op.search(values + i * pieces * wide, pieces)];
    return FL_OK;
  }
  parallel_for(n, std::max<int64_t>(1, kPiece / length), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) to[i] = op.search(data + i * step, length);
  });
  return FL_OK;
}

const fl_kernel* resolve_search(const char* name, std::span<const Type> types) {
  if (types.size() != 2 || types[1] != Type::Int64) return nullptr;
  const Type computed = compute_type(types[0]);
  if (!is_number(types[0])) return nullptr;
  Search op{std::strcmp(name, "argmax") == 0 ? "argmax" : "argmin", types[0],
            computed == types[0] ? nullptr : convert(types[0], computed), level->row_search(name, computed)};
  return op.search ? keep_kernel(run_search, op) : nullptr;
}

const Registration kReductions({"sum", "mean", "max", "min", "any", "all", "product"}, resolve);
const Registration kSearches({"argmax", "argmin"}, resolve_search);

}  // namespace
}  // namespace flambeau::cpu
