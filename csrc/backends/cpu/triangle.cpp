// triangle.cpp: matrices with zeros on one side of a diagonal.
#include <algorithm>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;

struct State {
  int64_t element;
};

// Attributes: k, upper.
fl_status run_triangle(const fl_kernel* self, fl_stream, const fl_call* call) {
  const int64_t element = state_of<State>(self).element;
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const int64_t n = count_of(out), rows = x.shape[x.ndim - 2], columns = x.shape[x.ndim - 1];
  if (n == 0) return FL_OK;
  const bool upper = call->attrs[1].value.i != 0;
  const int64_t k = std::clamp(call->attrs[0].value.i, -rows, columns);  // beside the matrix it is all the same, however far
  char* to = data_of(out);
  const char* from = data_of(x);
  if (!is_contiguous(x)) {
    copy_to_contiguous(x, to);
    from = to;
  }
  parallel_for(n / columns, std::max<int64_t>(1, kGrain / columns), [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      // What stays is [first, last).
      const int64_t edge = std::clamp<int64_t>(row % rows + k + !upper, 0, columns);
      const int64_t first = (upper ? edge : 0) * element, last = (upper ? columns : edge) * element;
      const int64_t at = row * columns * element;
      std::memset(to + at, 0, size_t(first));
      if (from != to) std::memcpy(to + at + first, from + at + first, size_t(last - first));
      std::memset(to + at + last, 0, size_t(columns * element - last));
    }
  });
  return FL_OK;
}

const Registration kTriangle({"triangle"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  return types.size() == 2 && types[0] == types[1] ? keep_kernel(run_triangle, State{size_of(types[0])}) : nullptr;
});

}  // namespace
}  // namespace flambeau::cpu
