// pooling.cpp: each output looks at every element of its window.
#include <algorithm>
#include <cmath>

#include "dense.h"

namespace flambeau::reference {

namespace {

enum class Kind : uint8_t { Max, Indices, MaxGrad, Avg, AvgGrad, AdaptiveAvg, AdaptiveAvgGrad, AdaptiveIndices };
constexpr Kind kMax = Kind::Max, kIndices = Kind::Indices, kMaxGrad = Kind::MaxGrad, kAvg = Kind::Avg,
               kAvgGrad = Kind::AvgGrad, kAdaptiveAvg = Kind::AdaptiveAvg, kAdaptiveAvgGrad = Kind::AdaptiveAvgGrad,
               kAdaptiveIndices = Kind::AdaptiveIndices;

// The window of one position along one axis: elements start, start + step, ... below stop, all inside x; `count` is how
// many there would be with the zeros around x.
struct Window {
  int64_t start, stop, step, count;
};

struct Windows {
  bool adaptive, maximum;
  int64_t kernel[3] = {1, 1, 1}, stride[3] = {1, 1, 1}, padding[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
  bool count_padding = true;
  int64_t divisor = 0;

  Windows(Kind kind, const fl_call& call)
      : adaptive(kind >= Kind::AdaptiveAvg), maximum(kind <= Kind::MaxGrad) {
    if (adaptive) return;
    int32_t first = kind == Kind::AvgGrad ? 1 : 0;
    int32_t axes = attr_ints(call, first).count;
    for (int32_t axis = 0; axis < axes; ++axis) {
      int32_t at = axis + 3 - axes;
      kernel[at] = attr_ints(call, first).begin[axis];
      stride[at] = attr_ints(call, first + 1).begin[axis];
      padding[at] = attr_ints(call, first + 2).begin[axis];
      if (maximum && kernel[at] > 1) dilation[at] = attr_ints(call, first + 3).begin[axis];
    }
    if (maximum) return;
    count_padding = attr_bool(call, first + 4);
    divisor = attr_int(call, first + 5);
  }

  Window at(int axis, int64_t position, int64_t n, int64_t positions) const {
    if (adaptive) {
      int64_t start = position * n / positions, stop = ((position + 1) * n + positions - 1) / positions;
      return {start, stop, 1, stop - start};
    }
    __extension__ typedef __int128 Wide;  // kernel and padding may be any numbers
    int64_t start = position * stride[axis] - padding[axis];
    Wide end = Wide(start) + Wide(kernel[axis] - 1) * dilation[axis] + 1;
    int64_t count = static_cast<int64_t>(std::min(end, Wide(n) + padding[axis]) - start);
    if (start < 0) start += (-start + dilation[axis] - 1) / dilation[axis] * dilation[axis];
    return {start, static_cast<int64_t>(std::min(end, Wide(n))), dilation[axis], count};
  }
};

fl_status run_pool(const Loop& loop, const fl_call& call) {
  Kind kind = *static_cast<const Kind*>(loop.detail);
  Windows windows(kind, call);
  bool gradient = kind == Kind::MaxGrad || kind == Kind::AvgGrad || kind == Kind::AdaptiveAvgGrad;
  bool maximum = windows.maximum || kind == Kind::AdaptiveIndices;
  const fl_tensor& out = call.outputs[0];
  const fl_tensor& x = gradient ? out : call.inputs[0];
  const fl_tensor& y = gradient ? call.inputs[0] : out;
  Spatial xs(x), ys(y);
  std::vector<double> values = read_all(call.inputs[call.input_count - 1]);  // x, or g of a mean
  std::vector<double> g = gradient ? read_all(call.inputs[0]) : std::vector<double>();
  std::vector<double> result(static_cast<size_t>(element_count(out)), 0.0);
  for (int64_t plane = 0; plane < y.shape[0] * y.shape[1]; ++plane)
    for (int64_t p = 0; p < ys.count(); ++p) {
      int64_t position[3] = {p / (ys.size[1] * ys.size[2]), p / ys.size[2] % ys.size[1], p % ys.size[2]};
      Window w[3];
      for (int axis = 0; axis < 3; ++axis) w[axis] = windows.at(axis, position[axis], xs.size[axis], ys.size[axis]);
      size_t yi = static_cast<size_t>(plane * ys.count() + p);
      double best = -INFINITY, sum = 0;
      int64_t place = 0, inside = 0;
      for (int axis = 0; axis < 3; ++axis) place = place * xs.size[axis] + std::min(w[axis].start, xs.size[axis] - 1);
      double all = double(w[0].count) * double(w[1].count) * double(w[2].count);
      auto each = [&](auto&& visit) {
        for (int64_t d = w[0].start; d < w[0].stop; d += w[0].step)
          for (int64_t h = w[1].start; h < w[1].stop; h += w[1].step)
            for (int64_t c = w[2].start; c < w[2].stop; c += w[2].step) visit((d * xs.size[1] + h) * xs.size[2] + c);
      };
      each([&](int64_t i) {
        ++inside;
        if (gradient && !maximum) return;
        double value = values[static_cast<size_t>(plane * xs.count() + i)];
        sum += value;
        if (value > best || std::isnan(value)) {
          best = value;
          place = i;
        }
      });
      double divisor = windows.divisor ? double(windows.divisor) : windows.count_padding ? all : double(inside);
      if (maximum && gradient) {
        if (inside) result[static_cast<size_t>(plane * xs.count() + place)] += g[yi];
      } else if (gradient) {
        each([&](int64_t i) { result[static_cast<size_t>(plane * xs.count() + i)] += g[yi] / divisor; });
      } else if (kind == Kind::Max) {
        result[yi] = best;
      } else if (maximum) {
        result[yi] = static_cast<double>(place);
      } else {
        result[yi] = sum / divisor;
      }
    }
  write_all(out, result);
  return FL_OK;
}

bool takes_indices(const Loop&, const Type* types, int32_t count) {
  return count == 2 && is_float(types[0]) && types[1] == Type::kInt64;
}

}  // namespace

void add_pooling(Loops& loops) {
  loops.push_back({"max_pool", takes_floats, run_pool, &kMax});
  loops.push_back({"max_pool_indices", takes_indices, run_pool, &kIndices});
  loops.push_back({"max_pool_grad", takes_floats, run_pool, &kMaxGrad});
  loops.push_back({"avg_pool", takes_floats, run_pool, &kAvg});
  loops.push_back({"avg_pool_grad", takes_floats, run_pool, &kAvgGrad});
  loops.push_back({"adaptive_avg_pool", takes_floats, run_pool, &kAdaptiveAvg});
  loops.push_back({"adaptive_avg_pool_grad", takes_floats, run_pool, &kAdaptiveAvgGrad});
  loops.push_back({"adaptive_max_indices", takes_indices, run_pool, &kAdaptiveIndices});
}

}  // namespace flambeau::reference
