// convolution.cpp: convolution and its two derivatives, as one sum over every product of an output, a kernel element
// and the input element under it.
#include "dense.h"

namespace flambeau::reference {

namespace {

enum class Wanted : uint8_t { Output, InputGrad, WeightGrad };
constexpr Wanted kOutput = Wanted::Output, kInputGrad = Wanted::InputGrad, kWeightGrad = Wanted::WeightGrad;

// Attributes from `first` on: stride, padding (before, then behind), dilation, groups.
struct Geometry {
  int64_t stride[3] = {1, 1, 1}, before[3] = {0, 0, 0}, dilation[3] = {1, 1, 1};
  int64_t groups;
  Geometry(const fl_call& call, int32_t first) : groups(attr_int(call, first + 3)) {
    Ints steps = attr_ints(call, first), padding = attr_ints(call, first + 1), gaps = attr_ints(call, first + 2);
    for (int32_t axis = 0; axis < steps.count; ++axis) {
      int32_t at = axis + 3 - steps.count;
      stride[at] = steps.begin[axis];
      before[at] = padding.begin[axis];
      dilation[at] = gaps.begin[axis];
    }
  }
};

fl_status run_convolution(const Loop& loop, const fl_call& call) {
  Wanted wanted = *static_cast<const Wanted*>(loop.detail);
  const fl_tensor& out = call.outputs[0];
  // Who is who: y = convolution of x by w.
  const fl_tensor& y = wanted == Wanted::Output ? out : call.inputs[0];
  const fl_tensor& x = wanted == Wanted::Output ? call.inputs[0] : wanted == Wanted::InputGrad ? out : call.inputs[1];
  const fl_tensor& w = wanted == Wanted::WeightGrad ? out : call.inputs[1];
  Geometry geometry(call, wanted == Wanted::Output ? 0 : 1);
  Spatial xs(x), ys(y), ws(w);
  int64_t batch = x.shape[0], in = x.shape[1], filters = w.shape[0], depth = w.shape[1];
  int64_t per_group = filters / geometry.groups;
  std::vector<double> first = read_all(call.inputs[0]), second = read_all(call.inputs[1]);
  std::vector<double> result(static_cast<size_t>(element_count(out)), 0.0);
  std::vector<double> bias = call.input_count > 2 ? read_all(call.inputs[2]) : std::vector<double>();
  auto under = [&](int axis, int64_t position, int64_t k) {
    return position * geometry.stride[axis] + k * geometry.dilation[axis] - geometry.before[axis];
  };
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t o = 0; o < filters; ++o)
      for (int64_t p = 0; p < ys.count(); ++p) {
        size_t yi = static_cast<size_t>((n * filters + o) * ys.count() + p);
        int64_t at[3] = {p / (ys.size[1] * ys.size[2]), p / ys.size[2] % ys.size[1], p % ys.size[2]};
        for (int64_t c = 0; c < depth; ++c)
          for (int64_t q = 0; q < ws.count(); ++q) {
            int64_t k[3] = {q / (ws.size[1] * ws.size[2]), q / ws.size[2] % ws.size[1], q % ws.size[2]};
            int64_t place = 0;
            bool inside = true;
            for (int axis = 0; axis < 3; ++axis) {
              int64_t i = under(axis, at[axis], k[axis]);
              inside = inside && i >= 0 && i < xs.size[axis];
              place = place * xs.size[axis] + i;
            }
            if (!inside) continue;
            size_t xi = static_cast<size_t>((n * in + o / per_group * depth + c) * xs.count() + place);
            size_t wi = static_cast<size_t>((o * depth + c) * ws.count() + q);
            if (wanted == Wanted::Output) result[yi] += first[xi] * second[wi];
            else if (wanted == Wanted::InputGrad) result[xi] += first[yi] * second[wi];
            else result[wi] += first[yi] * second[xi];
          }
        if (!bias.empty()) result[yi] += bias[static_cast<size_t>(o)];
      }
  write_all(out, result);
  return FL_OK;
}

}  // namespace

void add_convolution(Loops& loops) {
  loops.push_back({"convolution", takes_floats, run_convolution, &kOutput});
  loops.push_back({"convolution_input_grad", takes_floats, run_convolution, &kInputGrad});
  loops.push_back({"convolution_weight_grad", takes_floats, run_convolution, &kWeightGrad});
}

}  // namespace flambeau::reference
