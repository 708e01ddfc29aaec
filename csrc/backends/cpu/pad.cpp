// pad.cpp: x in the middle of a larger tensor. Rows along the last padded axis get their sides while they are in the cache; the
// axes before it then copy whole blocks of what is there. A gradient is gathered row by row.
#include <algorithm>
#include <cstring>
#include <numeric>
#include <string_view>
#include <vector>

#include "dense.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 32 * 1024;

enum class Mode : uint8_t { Constant, Reflect, Replicate, Circular };

// Axes with padding and those before them: sizes of x, and elements from one to the next in the padded tensor. What is behind
// the last one is one element.
struct Layout {
  Mode mode = Mode::Constant;
  int axes = 0;
  int64_t n[kMaxDims], before[kMaxDims], behind[kMaxDims], step[kMaxDims], inner = 1;

  Layout(const fl_call* call, const fl_tensor& x) {
    const std::string_view name = call->attrs[2].value.text;
    if (name != "constant") mode = name == "reflect" ? Mode::Reflect : name == "replicate" ? Mode::Replicate : Mode::Circular;
    for (int d = 0; d < x.ndim; ++d) {
      const int64_t low = call->attrs[0].value.ints[d], high = call->attrs[1].value.ints[d];
      if (low == 0 && high == 0 && axes > 0 && before[axes - 1] == 0 && behind[axes - 1] == 0) {
        n[axes - 1] *= x.shape[d];
        continue;
      }
      n[axes] = x.shape[d];
      before[axes] = low;
      behind[axes++] = high;
    }
    if (axes > 1 && before[axes - 1] == 0 && behind[axes - 1] == 0) inner = n[--axes];
    if (axes == 0) {
      n[0] = axes = 1;
      before[0] = behind[0] = 0;
    }
    int64_t stride = inner;
    for (int d = axes - 1; d >= 0; --d) {
      step[d] = stride;
      stride *= n[d] + before[d] + behind[d];
    }
  }
  int last() const { return axes - 1; }
  int64_t rows(int axis) const {  // of x before this axis
    int64_t all = 1;
    for (int d = 0; d < axis; ++d) all *= n[d];
    return all;
  }
  // Where such a row of x begins in the padded tensor.
  int64_t place(int64_t row, int axis) const {
    int64_t at = 0;
    for (int d = axis - 1; d >= 0; --d) {
      at += (row % n[d] + before[d]) * step[d];
      row /= n[d];
    }
    return at;
  }
  // The element of x that stands at this place along a padded axis.
  int64_t source(int axis, int64_t place) const {
    const int64_t size = n[axis], at = place - before[axis];
    if (at >= 0 && at < size) return at;
    if (mode == Mode::Reflect) return at < 0 ? -at : 2 * (size - 1) - at;
    if (mode == Mode::Replicate) return at < 0 ? 0 : size - 1;
    return at < 0 ? at + size : at - size;
  }
};

// A block of elements beside x along an axis: the constant, or what stands already where it comes from.
template <class T>
inline void put_block(const Layout& layout, int axis, int64_t place, T constant, T* row) {
  const int64_t size = layout.step[axis];
  T* to = row + place * size;
  if (layout.mode == Mode::Constant) {
    std::fill(to, to + size, constant);
    return;
  }
  const T* from = row + (layout.before[axis] + layout.source(axis, place)) * size;
  if (size == 1) *to = *from;
  else std::memcpy(to, from, size_t(size) * sizeof(T));
}

template <class T>
void pad(const Layout& layout, const char* from, const char* value, char* to) {
  const T* x = reinterpret_cast<const T*>(from);
  T* y = reinterpret_cast<T*>(to);
  T constant{};
  if (value) std::memcpy(&constant, value, sizeof(T));
  for (int axis = layout.last(); axis >= 0; --axis) {
    const int64_t before = layout.before[axis], behind = layout.behind[axis], n = layout.n[axis], size = layout.step[axis];
    const bool rows = axis == layout.last();
    if (!rows && before + behind == 0) continue;
    const int64_t work = (rows ? n + before + behind : before + behind) * size;
    parallel_for(layout.rows(axis), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, work)), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        T* row = y + layout.place(r, axis);
        if (rows) std::memcpy(row + before * size, x + r * n * size, size_t(n * size) * sizeof(T));
        for (int64_t i = 0; i < before; ++i) put_block(layout, axis, i, constant, row);
        for (int64_t i = before + n; i < before + n + behind; ++i) put_block(layout, axis, i, constant, row);
      }
    });
  }
}

fl_status run_pad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type stored = state_of<Type>(self);
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int64_t element = size_of(stored);
  if (count_of(out) == 0) return FL_OK;
  const char* from = data_of(x);
  if (!is_contiguous(x)) {
    char* copy = static_cast<char*>(host->scratch(size_t(count_of(x) * element)));
    if (!copy) return no_memory("pad");
    copy_to_contiguous(x, copy);
    from = copy;
  }
  const auto run = element == 1   ? pad<uint8_t>
                   : element == 2 ? pad<uint16_t>
                   : element == 4 ? pad<uint32_t>
                   : element == 8 ? pad<uint64_t>
                                  : pad<Sixteen>;
  run(Layout(call, x), from, call->input_count > 1 ? data_of(call->inputs[1]) : nullptr, data_of(out));
  return FL_OK;
}

// Along each axis the places that come from each element, in their order.
struct Givers {
  std::vector<int64_t> starts, places;
  Givers(const Layout& layout, int axis) : starts(size_t(layout.n[axis]) + 1, 0) {
    const int64_t n = layout.n[axis], before = layout.before[axis], all = n + before + layout.behind[axis];
    const bool constant = layout.mode == Mode::Constant;
    const int64_t first = constant ? before : 0, stop = constant ? before + n : all;
    for (int64_t i = first; i < stop; ++i) ++starts[size_t(layout.source(axis, i)) + 1];
    std::partial_sum(starts.begin(), starts.end(), starts.begin());
    places.resize(size_t(stop - first));
    std::vector<int64_t> next(starts.begin(), starts.end() - 1);
    for (int64_t i = first; i < stop; ++i) places[size_t(next[size_t(layout.source(axis, i))]++)] = i;
  }
};

template <class T>
fl_status run_grad_as(Type stored, const fl_call* call) {
  const fl_tensor &given = call->inputs[0], &out = call->outputs[0];
  const T* g = reinterpret_cast<const T*>(dense(given, stored));
  const Result result(out, stored);
  if (!g || !result.data()) return no_memory("pad_grad");
  T* dx = result.as<T>();
  const Layout layout(call, out);
  std::vector<Givers> givers;
  for (int axis = 0; axis < layout.last(); ++axis) givers.emplace_back(layout, axis);
  const int last = layout.last();
  const int64_t inner = layout.inner, n = layout.n[last], before = layout.before[last], all = n + before + layout.behind[last];
  // A row of g with what is on its sides, written or added.
  const auto add_row = [&](const T* row, T* to, bool first) {
    const T* middle = row + before * inner;
    if (first) std::memcpy(to, middle, size_t(n * inner) * sizeof(T));
    else
      for (int64_t i = 0; i < n * inner; ++i) to[i] += middle[i];
    if (layout.mode == Mode::Constant) return;
    for (int64_t i = 0; i < all; ++i) {
      if (i == before) i += n;
      if (i == all) break;
      T* target = to + layout.source(last, i) * inner;
      for (int64_t k = 0; k < inner; ++k) target[k] += row[i * inner + k];
    }
  };
  parallel_for(layout.rows(last), std::max<int64_t>(1, kGrain / std::max<int64_t>(1, n * inner)), [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) {
      int64_t at[kMaxDims], first[kMaxDims], stop[kMaxDims], rest = r;
      for (int d = last - 1; d >= 0; --d) {
        const int64_t i = rest % layout.n[d];
        rest /= layout.n[d];
        at[d] = first[d] = givers[size_t(d)].starts[size_t(i)];
        stop[d] = givers[size_t(d)].starts[size_t(i) + 1];
      }
      for (bool begins = true;; begins = false) {
        int64_t offset = 0;
        for (int d = 0; d < last; ++d) offset += givers[size_t(d)].places[size_t(at[d])] * layout.step[d];
        add_row(g + offset, dx + r * n * inner, begins);
        int d = last - 1;
        for (; d >= 0 && ++at[d] == stop[d]; --d) at[d] = first[d];
        if (d < 0) break;
      }
    }
  });
  result.store();
  return FL_OK;
}

fl_status run_pad_grad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type stored = state_of<Type>(self);
  if (count_of(call->outputs[0]) == 0) return FL_OK;
  return compute_type(stored) == Type::Float64 ? run_grad_as<double>(stored, call) : run_grad_as<float>(stored, call);
}

const Registration kPad({"pad"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  for (const Type type : types)
    if (type != types[0]) return nullptr;
  return keep_kernel(run_pad, types[0]);
});
const Registration kPadGrad({"pad_grad"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  return all_one_float(types) ? keep_kernel(run_pad_grad, types[0]) : nullptr;
});

}  // namespace
}  // namespace flambeau::cpu
