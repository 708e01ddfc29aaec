// shape.cpp: moving elements without computing: copy, concat, slice_grad, full, arange, and the strided walks that
// other files use.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 32 * 1024;

// put(at, kCount) over all of n elements, kCount = 8 or 4 at a time, the last ones twice where n is no multiple.
template <class Put8, class Put4, class Put1>
inline void in_short_steps(int64_t n, const Put8& put8, const Put4& put4, const Put1& put1) {
  if (n >= 8) {
    for (int64_t i = 0; i + 8 <= n; i += 8) put8(i);
    if (n % 8) put8(n - 8);
  } else if (n >= 4) {
    put4(int64_t(0));
    if (n > 4) put4(n - 4);
  } else {
    for (int64_t i = 0; i < n; ++i) put1(i);
  }
}
constexpr int64_t kShort = 64;  // elements below which a call of memcpy is the larger part

// Every second and so on, with the step known to the compiler.
template <int64_t step, class T>
void gather_steps(const T* from, int64_t n, T* to) {
  for (int64_t i = 0; i < n; ++i) to[i] = from[i * step];
}

template <class T>
inline void gather_row(const T* from, int64_t stride, int64_t n, T* to) {
  if (stride == 1) {
    if (n >= kShort) {
      std::memcpy(to, from, size_t(n) * sizeof(T));
      return;
    }
    in_short_steps(n, [&](int64_t i) { std::memcpy(to + i, from + i, 8 * sizeof(T)); },
                   [&](int64_t i) { std::memcpy(to + i, from + i, 4 * sizeof(T)); }, [&](int64_t i) { to[i] = from[i]; });
  } else if (stride == 0) {
    const T value = *from;
    const auto put = [&](int64_t i, auto count) {
      T values[decltype(count)::value];
      for (T& each : values) each = value;
      std::memcpy(to + i, values, sizeof values);
    };
    in_short_steps(n, [&](int64_t i) { put(i, std::integral_constant<int, 8>()); },
                   [&](int64_t i) { put(i, std::integral_constant<int, 4>()); }, [&](int64_t i) { to[i] = value; });
  } else if (n >= 8 && stride == 2) {
    gather_steps<2>(from, n, to);
  } else if (n >= 8 && stride == -1) {
    if constexpr (sizeof(T) == 4 || sizeof(T) == 8) level->reverse(from, to, n, sizeof(T));
    else gather_steps<-1>(from, n, to);
  } else {
    for (int64_t i = 0; i < n; ++i) to[i] = from[i * stride];
  }
}
template <class T>
void scatter_row(T* to, int64_t stride, int64_t n, const T* from) {
  for (int64_t i = 0; i < n; ++i) to[i * stride] = from[i];
}

// Calls row(element offset, position, count) for the parts of [begin, begin + count) that lie in one innermost row.
template <class Row>
inline void for_each_row(const Strided& operand, int64_t begin, int64_t count, const Row& row) {
  const int last = operand.ndim - 1;
  if (last < 0) {
    if (count > 0) row(int64_t(0), int64_t(0), int64_t(1));
    return;
  }
  const int64_t inner = operand.shape[last];
  int64_t index[kMaxDims], offset = 0, rest = begin;
  for (int d = last; d >= 0; --d) {
    index[d] = rest % operand.shape[d];
    rest /= operand.shape[d];
    offset += index[d] * operand.strides[d];
  }
  for (int64_t done = 0; done < count;) {
    if (last > 0 && index[last] == 0 && count - done >= inner) {
      // Whole rows one after the other, without a look at the dimensions before.
      const int64_t step = operand.strides[last - 1];
      const int64_t rows = std::min((count - done) / inner, operand.shape[last - 1] - index[last - 1]);
      for (int64_t r = 0; r < rows; ++r) row(offset + r * step, done + r * inner, inner);
      done += rows * inner;
      offset += rows * step;
      index[last - 1] += rows;
    } else {
      const int64_t n = std::min(count - done, inner - index[last]);
      row(offset, done, n);
      done += n;
      index[last] += n;
      offset += n * operand.strides[last];
      if (index[last] < inner || last == 0) continue;
      offset += operand.strides[last - 1] - inner * operand.strides[last];
      index[last] = 0;
      ++index[last - 1];
    }
    for (int d = last - 1; d > 0 && index[d] == operand.shape[d]; --d) {
      offset += operand.strides[d - 1] - operand.shape[d] * operand.strides[d];
      index[d] = 0;
      ++index[d - 1];
    }
  }
}

template <class T>
void gather_as(const Strided& from, int64_t begin, int64_t count, void* to) {
  for_each_row(from, begin, count, [&](int64_t offset, int64_t position, int64_t n) {
    gather_row(reinterpret_cast<const T*>(from.data) + offset, from.ndim ? from.strides[from.ndim - 1] : 0, n,
               static_cast<T*>(to) + position);
  });
}
template <class T>
void scatter_as(const Strided& to, int64_t begin, int64_t count, const void* from) {
  for_each_row(to, begin, count, [&](int64_t offset, int64_t position, int64_t n) {
    scatter_row(reinterpret_cast<T*>(to.data) + offset, to.ndim ? to.strides[to.ndim - 1] : 0, n,
                static_cast<const T*>(from) + position);
  });
}

constexpr int64_t kTile = 32;

// The dimension `d` of the source is contiguous, the last one is not.
void copy_transposed(const Walk<1>& walk, const char* from, int64_t element, char* to, int d) {
  const int last = walk.ndim - 1;
  int64_t to_strides[kMaxDims];
  int64_t stride = 1;
  for (int i = last; i >= 0; --i) {
    to_strides[i] = stride;
    stride *= walk.shape[i];
  }
  const int64_t tiles_across = divide_up(walk.shape[last], kTile), tiles_down = divide_up(walk.shape[d], kTile);
  const int64_t others = walk.count() / walk.shape[last] / walk.shape[d];
  parallel_for(others * tiles_down * tiles_across, kGrain / (kTile * kTile), [&](int64_t begin, int64_t end) {
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t across = unit % tiles_across * kTile, down = unit / tiles_across % tiles_down * kTile;
      int64_t rest = unit / tiles_across / tiles_down;
      int64_t source = across * walk.strides[0][last] + down, target = across + down * to_strides[d];
      for (int i = last - 1; i >= 0; --i) {
        if (i == d) continue;
        source += rest % walk.shape[i] * walk.strides[0][i];
        target += rest % walk.shape[i] * to_strides[i];
        rest /= walk.shape[i];
      }
      level->transpose(from + source * element, walk.strides[0][last], to + target * element, to_strides[d],
                       std::min(kTile, walk.shape[last] - across), std::min(kTile, walk.shape[d] - down), element);
    }
  });
}

void copy_bytes(const char* from, char* to, int64_t bytes) {
  const bool streams = bytes >= kStreamBytes && reinterpret_cast<uintptr_t>(to) % 64 == 0;
  parallel_for(bytes, int64_t(1) << 19, [&](int64_t begin, int64_t end) {
    if (streams) level->stream(to + begin, from + begin, size_t(end - begin));
    else std::memcpy(to + begin, from + begin, size_t(end - begin));
  });
}

// ---- ops -----------------------------------------------------------------------------------------------

fl_status run_copy(const fl_kernel*, fl_stream, const fl_call* call) {
  if (count_of(call->outputs[0])) copy_to_contiguous(call->inputs[0], data_of(call->outputs[0]));
  return FL_OK;
}
const fl_kernel* resolve_copy(const char*, std::span<const Type> types) {
  return types.size() == 2 && types[0] == types[1] ? keep_kernel(run_copy, 0) : nullptr;
}

Strided strided(const fl_tensor& tensor, const Walk<1>& walk) {
  return {data_of(tensor), size_of(type_of(tensor.dtype)), walk.ndim, walk.shape, walk.strides[0]};
}
Walk<1> walk_of(const fl_tensor& tensor) {
  Walk<1> walk;
  for (int d = 0; d < tensor.ndim; ++d) walk.push(tensor.shape[d], {tensor.strides[d]});
  return walk;
}

// Rows of a few elements, `from_step` elements from one to the next, `step` in the output; `apart` from one element to the
// next.
template <class T>
void spread_rows(const char* from, int64_t from_step, int64_t apart, int64_t rows, int64_t row, char* to, int64_t step) {
  const T* x = reinterpret_cast<const T*>(from);
  T* out = reinterpret_cast<T*>(to);
  if (row == 1)
    for (int64_t r = 0; r < rows; ++r) out[r * step] = x[r * from_step];
  else
    for (int64_t r = 0; r < rows; ++r) gather_row(x + r * from_step, apart, row, out + r * step);
}

fl_status run_concat(const fl_kernel*, fl_stream, const fl_call* call) {
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  int64_t axis = call->attrs[0].value.i;
  if (axis < 0) axis += out.ndim;
  int64_t inner = 1;
  for (int64_t d = axis + 1; d < out.ndim; ++d) inner *= out.shape[d];
  const int64_t out_row = out.shape[axis] * inner;
  int64_t before = 0;
  for (int i = 0; i < call->input_count; ++i) {
    const fl_tensor& input = call->inputs[i];
    const int64_t n = count_of(input), row = input.shape[axis] * inner;
    const Walk<1> walk = walk_of(input);
    if (n) {
      const Strided from = strided(input, walk);
      char* to = data_of(out) + before * from.element;
      const bool whole = walk.ndim == 1 && walk.strides[0][0] == 1;
      const bool lone = walk.ndim == 1 && row == 1;
      const bool cut = walk.ndim == 2 && walk.shape[1] == row;
      if (row < kShort && row < out_row && (whole || lone || cut)) {
        const int64_t from_step = whole ? row : walk.strides[0][0], apart = cut ? walk.strides[0][1] : 1;
        const auto spread = from.element == 1   ? spread_rows<uint8_t>
                            : from.element == 2 ? spread_rows<uint16_t>
                            : from.element == 4 ? spread_rows<uint32_t>
                            : from.element == 8 ? spread_rows<uint64_t>
                                                : spread_rows<Sixteen>;
        parallel_for(n / row, std::max<int64_t>(1, kGrain / row), [&](int64_t begin, int64_t end) {
          spread(from.data + begin * from_step * from.element, from_step, apart, end - begin, row,
                 to + begin * out_row * from.element, out_row);
        });
        before += row;
        continue;
      }
      const bool streams = whole && count_of(out) * from.element >= kStreamBytes;
      parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
        for (int64_t at = begin; at < end;) {
          const int64_t part = std::min(end - at, row - at % row);
          char* target = to + (at / row * out_row + at % row) * from.element;
          if (streams) write_past_caches(target, from.data + at * from.element, size_t(part * from.element));
          else gather(from, at, part, target);
          at += part;
        }
      });
    }
    before += row;
  }
  return FL_OK;
}
const fl_kernel* resolve_concat(const char*, std::span<const Type> types) {
  for (Type type : types)
    if (type != types[0]) return nullptr;
  return keep_kernel(run_concat, 0);
}

// Elements [begin, end) of the walk, row by row from its second operand to its first.
template <class T>
void place_rows(const Walk<2>& walk, const char* from_bytes, char* to_bytes, int64_t begin, int64_t end) {
  const T* from = reinterpret_cast<const T*>(from_bytes);
  T* to = reinterpret_cast<T*>(to_bytes);
  const int last = walk.ndim - 1;
  const int64_t inner = walk.shape[last], to_step = walk.strides[0][last], from_step = walk.strides[1][last];
  int64_t index[kMaxDims] = {}, target = 0, source = 0, rest = begin / inner;
  for (int d = last - 1; d >= 0; --d) {
    index[d] = rest % walk.shape[d];
    rest /= walk.shape[d];
    target += index[d] * walk.strides[0][d];
    source += index[d] * walk.strides[1][d];
  }
  for (int64_t at = begin; at < end;) {
    const int64_t first = at % inner, n = std::min(inner - first, end - at);
    const T* x = from + source + first * from_step;
    T* y = to + target + first * to_step;
    if (to_step == 1) gather_row(x, from_step, n, y);
    else
      for (int64_t i = 0; i < n; ++i) y[i * to_step] = x[i * from_step];
    at += n;
    for (int d = last - 1; d >= 0; --d) {
      target += walk.strides[0][d];
      source += walk.strides[1][d];
      if (++index[d] < walk.shape[d]) break;
      target -= walk.shape[d] * walk.strides[0][d];
      source -= walk.shape[d] * walk.strides[1][d];
      index[d] = 0;
    }
  }
}

fl_status run_slice_grad(const fl_kernel*, fl_stream, const fl_call* call) {
  const fl_tensor &g = call->inputs[0], &out = call->outputs[0];
  const int64_t* starts = call->attrs[1].value.ints;
  const int64_t* steps = call->attrs[3].value.ints;
  const int64_t total = count_of(out), n = count_of(g), element = size_of(type_of(out.dtype));
  char* to = data_of(out);
  parallel_for(total * element, int64_t(1) << 19,
               [&](int64_t begin, int64_t end) { std::memset(to + begin, 0, size_t(end - begin)); });
  if (n == 0) return FL_OK;
  Walk<2> walk;
  int64_t offset = 0, stride = 1, strides[kMaxDims];
  for (int d = out.ndim - 1; d >= 0; --d) {
    strides[d] = stride;
    stride *= out.shape[d];
  }
  for (int d = 0; d < out.ndim; ++d) {
    offset += starts[d] * strides[d];
    walk.push(g.shape[d], {strides[d] * steps[d], g.strides[d]});
  }
  if (walk.ndim == 0) {
    std::memcpy(to + offset * element, data_of(g), size_t(element));
    return FL_OK;
  }
  const auto place = element == 1   ? place_rows<uint8_t>
                     : element == 2 ? place_rows<uint16_t>
                     : element == 4 ? place_rows<uint32_t>
                     : element == 8 ? place_rows<uint64_t>
                                    : place_rows<Sixteen>;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    place(walk, data_of(g), to + offset * element, begin, end);
  });
  return FL_OK;
}
const fl_kernel* resolve_slice_grad(const char*, std::span<const Type> types) {
  return types.size() == 2 && types[0] == types[1] ? keep_kernel(run_slice_grad, 0) : nullptr;
}

// slice_add, in blocks: both sides are gathered, added in the type of computation and written back.
struct SliceAdd {
  Type type;
  Loop widen, add, narrow;  // widen and narrow are null where the type is computed in itself
};
fl_status run_slice_add(const fl_kernel* self, fl_stream, const fl_call* call) {
  const SliceAdd& op = state_of<SliceAdd>(self);
  const fl_tensor &x = call->outputs[0], &g = call->inputs[1];
  const int64_t* starts = call->attrs[0].value.ints;
  const int64_t* steps = call->attrs[2].value.ints;
  const int64_t n = count_of(g), element = size_of(op.type);
  if (n == 0) return FL_OK;
  Walk<2> walk;
  int64_t offset = 0;
  for (int d = 0; d < x.ndim; ++d) {
    offset += starts[d] * x.strides[d];
    walk.push(g.shape[d], {x.strides[d] * steps[d], g.strides[d]});
  }
  const Strided target{data_of(x) + offset * element, element, walk.ndim, walk.shape, walk.strides[0]};
  const Strided source{data_of(g), element, walk.ndim, walk.shape, walk.strides[1]};
  const int last = walk.ndim - 1;
  const bool rows = !op.widen && last >= 0 && walk.strides[0][last] == 1 && walk.strides[1][last] == 1;
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (rows) {  // as they lie
      const int64_t inner = walk.shape[last];
      for (int64_t at = begin; at < end;) {
        const int64_t part = std::min(end - at, inner - at % inner);
        int64_t to = 0, from = 0, rest = at;
        for (int d = last; d >= 0; --d) {
          to += rest % walk.shape[d] * walk.strides[0][d];
          from += rest % walk.shape[d] * walk.strides[1][d];
          rest /= walk.shape[d];
        }
        char* sum = target.data + to * element;
        const void* both[] = {sum, source.data + from * element};
        op.add(both, sum, part);
        at += part;
      }
      return;
    }
    alignas(64) char blocks[2][kBlock * kLargestElement], wide[2][kBlock * kLargestElement];
    for (int64_t at = begin; at < end; at += kBlock) {
      const int64_t part = std::min(kBlock, end - at);
      gather(target, at, part, blocks[0]);
      gather(source, at, part, blocks[1]);
      const void* both[] = {blocks[0], blocks[1]};
      char* sum = blocks[0];
      for (int i = 0; op.widen && i < 2; ++i) {
        op.widen(&both[i], wide[i], part);
        both[i] = wide[i];
      }
      if (op.widen) sum = wide[0];
      op.add(both, sum, part);
      const void* from[] = {sum};
      if (op.narrow) op.narrow(from, blocks[0], part);
      scatter(target, at, part, blocks[0]);
    }
  });
  return FL_OK;
}
const fl_kernel* resolve_slice_add(const char*, std::span<const Type> types) {
  if (types.size() != 3 || types[0] != types[1] || types[0] != types[2]) return nullptr;
  const Type type = types[0], computed = compute_type(type);
  SliceAdd op{type, nullptr, level->pointwise("add", computed, false), nullptr};
  if (!op.add) op.add = plain_pointwise("add", computed);
  if (computed != type) {
    op.widen = convert(type, computed);
    op.narrow = convert(computed, type);
  }
  return op.add ? keep_kernel(run_slice_add, op) : nullptr;
}

// One element of `type` with this value, at `to`: of integers and bool `integer`.
void write_value(Type type, double value, int64_t integer, void* to) {
  if (type == Type::Bool) {
    *static_cast<uint8_t*>(to) = value != 0 || integer != 0;
  } else if (is_integer(type)) {
    std::memcpy(to, &integer, size_t(size_of(type)));  // the low bytes come first
  } else if (type == Type::Float64) {
    std::memcpy(to, &value, 8);
  } else {
    const void* from[] = {&value};
    convert(Type::Float64, type)(from, to, 1);
  }
}

fl_status run_full(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Type>(self);
  const int64_t n = count_of(call->outputs[0]);
  if (n == 0) return FL_OK;
  alignas(16) char value[kLargestElement] = {};
  write_value(type, call->attrs[1].value.f, call->attrs[2].value.i, value);
  if (is_complex(type) && call->attr_count > 4)
    write_value(real_of(type), call->attrs[4].value.f, 0, value + size_of(real_of(type)));
  const int64_t element = size_of(type);
  alignas(64) char pattern[64];
  for (int64_t i = 0; i < 64; i += element) std::memcpy(pattern + i, value, size_t(element));
  char* to = data_of(call->outputs[0]);
  parallel_for(n * element, 64 * kGrain, [&](int64_t begin, int64_t end) { level->fill(to + begin, pattern, size_t(end - begin)); });
  return FL_OK;
}
const fl_kernel* resolve_full(const char*, std::span<const Type> types) {
  return types.size() == 1 ? keep_kernel(run_full, types[0]) : nullptr;
}

fl_status run_eye(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Type>(self);
  const int64_t rows = call->attrs[0].value.i, columns = call->attrs[1].value.i, element = size_of(type);
  const int64_t diagonal = std::clamp(call->attrs[2].value.i, -rows, columns);  // beside the matrix it is all the same
  if (rows == 0 || columns == 0) return FL_OK;
  alignas(16) char one[kLargestElement] = {};
  write_value(real_of(type), 1, 1, one);
  alignas(64) constexpr char kZeros[64] = {};
  char* to = data_of(call->outputs[0]);
  parallel_for(rows, std::max<int64_t>(1, 64 * kGrain / (columns * element)), [&](int64_t begin, int64_t end) {
    level->fill(to + begin * columns * element, kZeros, size_t((end - begin) * columns * element));
    for (int64_t i = std::max(begin, -diagonal); i < std::min(end, columns - diagonal); ++i)
      std::memcpy(to + (i * columns + i + diagonal) * element, one, size_t(element));
  });
  return FL_OK;
}
const fl_kernel* resolve_eye(const char*, std::span<const Type> types) {
  return types.size() == 1 ? keep_kernel(run_eye, types[0]) : nullptr;
}

// start + i step for [begin, end)
template <class T, class Number>
void write_range(Number start, Number step, int64_t begin, int64_t end, char* to) {
  T* out = reinterpret_cast<T*>(to);
  for (int64_t i = begin; i < end; ++i) out[i] = T(start + Number(i) * step);
}

fl_status run_arange(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Type>(self);
  const double start = call->attrs[0].value.f, step = call->attrs[1].value.f;
  const int64_t n = count_of(call->outputs[0]), element = size_of(type);
  char* to = data_of(call->outputs[0]);
  const bool whole = is_integer(type);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    if (type == Type::Float32 || type == Type::Float64) return level->steps(type, start, step, begin, end, to);
    if (type == Type::Int64) return write_range<int64_t>(int64_t(start), int64_t(step), begin, end, to);
    if (type == Type::Int32) return write_range<int32_t>(int64_t(start), int64_t(step), begin, end, to);
    for (int64_t i = begin; i < end; ++i)
      write_value(type, start + double(i) * step, whole ? int64_t(start) + i * int64_t(step) : 0, to + i * element);
  });
  return FL_OK;
}
const fl_kernel* resolve_arange(const char*, std::span<const Type> types) {
  return types.size() == 1 && types[0] != Type::Bool ? keep_kernel(run_arange, types[0]) : nullptr;
}

const Registration kCopy({"copy"}, resolve_copy);
const Registration kConcat({"concat"}, resolve_concat);
const Registration kSliceGrad({"slice_grad"}, resolve_slice_grad);
const Registration kSliceAdd({"slice_add"}, resolve_slice_add);
const Registration kFull({"full"}, resolve_full);
const Registration kEye({"eye"}, resolve_eye);
const Registration kArange({"arange"}, resolve_arange);

}  // namespace

const fl_kernel* copy_kernel(std::span<const Type> types) { return resolve_copy("copy", types); }

void gather(const Strided& from, int64_t begin, int64_t count, void* to) {
  switch (from.element) {
    case 1: return gather_as<uint8_t>(from, begin, count, to);
    case 2: return gather_as<uint16_t>(from, begin, count, to);
    case 4: return gather_as<uint32_t>(from, begin, count, to);
    case 8: return gather_as<uint64_t>(from, begin, count, to);
    default: return gather_as<Sixteen>(from, begin, count, to);
  }
}
void scatter(const Strided& to, int64_t begin, int64_t count, const void* from) {
  switch (to.element) {
    case 1: return scatter_as<uint8_t>(to, begin, count, from);
    case 2: return scatter_as<uint16_t>(to, begin, count, from);
    case 4: return scatter_as<uint32_t>(to, begin, count, from);
    case 8: return scatter_as<uint64_t>(to, begin, count, from);
    default: return scatter_as<Sixteen>(to, begin, count, from);
  }
}

void write_past_caches(void* to, const void* from, size_t bytes) {
  char* target = static_cast<char*>(to);
  const size_t head = std::min(bytes, size_t(-reinterpret_cast<uintptr_t>(target) & 63));
  if (head) std::memcpy(target, from, head);
  level->stream(target + head, static_cast<const char*>(from) + head, bytes - head);
}

void copy_to_contiguous(const fl_tensor& from, void* to) {
  const Walk<1> walk = walk_of(from);
  const Strided source = strided(from, walk);
  const int64_t n = walk.count(), element = source.element;
  char* target = static_cast<char*>(to);
  if (walk.ndim == 0 || (walk.ndim == 1 && walk.strides[0][0] == 1)) return copy_bytes(source.data, target, n * element);
  const int last = walk.ndim - 1;
  for (int d = 0; walk.strides[0][last] != 1 && walk.shape[last] >= 4 && d < last; ++d)
    if (walk.strides[0][d] == 1 && walk.shape[d] >= 4) return copy_transposed(walk, source.data, element, target, d);
  parallel_for(n, kGrain, [&](int64_t begin, int64_t end) {
    gather(source, begin, end - begin, target + begin * element);
  });
}

}  // namespace flambeau::cpu
