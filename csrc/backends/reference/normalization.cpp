// normalization.cpp: norms over groups of elements: rows (layer, rms), groups of channels, channels of a batch.
#include <cmath>

#include "dense.h"

namespace flambeau::reference {

namespace {

enum class Kind : uint8_t { Layer, Rms, Group, Batch };
struct Norm {
  Kind kind;
  bool gradient;
};
constexpr Norm kLayer{Kind::Layer, false}, kRms{Kind::Rms, false}, kGroup{Kind::Group, false}, kBatch{Kind::Batch, false};
constexpr Norm kLayerGrad{Kind::Layer, true}, kRmsGrad{Kind::Rms, true}, kGroupGrad{Kind::Group, true},
    kBatchGrad{Kind::Batch, true};

// Which set an element is normalized with, and which parameter it meets.
struct Places {
  int64_t sets, parameters;
  std::vector<size_t> set, parameter;
  Places(Kind kind, const fl_call& call, const fl_tensor& x) {
    int64_t count = element_count(x), trailing = 1, rest = 1;
    if (kind == Kind::Layer || kind == Kind::Rms) {
      for (int32_t axis = x.ndim - static_cast<int32_t>(attr_int(call, 0)); axis < x.ndim; ++axis) trailing *= x.shape[axis];
      sets = trailing ? count / trailing : 0;
      parameters = trailing;
    } else {
      for (int32_t axis = 2; axis < x.ndim; ++axis) rest *= x.shape[axis];
      parameters = x.shape[1];
      sets = kind == Kind::Group ? x.shape[0] * attr_int(call, 0) : parameters;
    }
    for (int64_t i = 0; i < count; ++i) {
      int64_t channel = i / rest % parameters;
      parameter.push_back(static_cast<size_t>(channel));
      set.push_back(static_cast<size_t>(kind == Kind::Batch ? channel : i / (count / sets)));
    }
  }
};

fl_status run_norm(const Loop& loop, const fl_call& call) {
  const Norm& norm = *static_cast<const Norm*>(loop.detail);
  int32_t x_at = norm.gradient ? 1 : 0;
  bool given = norm.kind == Kind::Batch && norm.gradient;  // mean and variance are inputs
  int32_t weight_at = given ? 4 : x_at + 1;
  Places places(norm.kind, call, call.inputs[x_at]);
  std::vector<double> x = read_all(call.inputs[x_at]);
  std::vector<double> weight = call.input_count > weight_at ? read_all(call.inputs[weight_at]) : std::vector<double>();
  double eps = attr_float(call, norm.kind == Kind::Batch ? 0 : 1);
  size_t sets = static_cast<size_t>(places.sets), parameters = static_cast<size_t>(places.parameters);
  std::vector<double> mean(sets, 0.0), variance(sets, 0.0), count(sets, 0.0);
  for (size_t set : places.set) ++count[set];
  if (given) {
    mean = read_all(call.inputs[2]);
    variance = read_all(call.inputs[3]);
  } else {
    if (norm.kind != Kind::Rms)
      for (size_t i = 0; i < x.size(); ++i) mean[places.set[i]] += x[i] / count[places.set[i]];
    for (size_t i = 0; i < x.size(); ++i) {
      double away = x[i] - mean[places.set[i]];
      variance[places.set[i]] += away * away / count[places.set[i]];
    }
  }
  auto scale = [&](size_t set) { return 1 / std::sqrt(variance[set] + eps); };
  auto normal = [&](size_t i) { return (x[i] - mean[places.set[i]]) * scale(places.set[i]); };
  auto factor = [&](size_t i) { return weight.empty() ? 1.0 : weight[places.parameter[i]]; };
  std::vector<double> result(x.size());
  if (!norm.gradient) {
    std::vector<double> bias = call.input_count > 2 ? read_all(call.inputs[2]) : std::vector<double>();
    for (size_t i = 0; i < x.size(); ++i)
      result[i] = normal(i) * factor(i) + (bias.empty() ? 0.0 : bias[places.parameter[i]]);
    write_all(call.outputs[0], result);
    if (norm.kind == Kind::Batch) {
      write_all(call.outputs[1], mean);
      write_all(call.outputs[2], variance);
    }
    return FL_OK;
  }
  std::vector<double> g = read_all(call.inputs[0]);
  std::vector<double> sum(sets, 0.0), along(sets, 0.0), dw(parameters, 0.0), db(parameters, 0.0);
  for (size_t i = 0; i < x.size(); ++i) {
    size_t set = places.set[i];
    sum[set] += g[i] * factor(i) / count[set];
    along[set] += g[i] * factor(i) * normal(i) / count[set];
    dw[places.parameter[i]] += g[i] * normal(i);
    db[places.parameter[i]] += g[i];
  }
  for (size_t i = 0; i < x.size(); ++i) {
    size_t set = places.set[i];
    double middle = norm.kind == Kind::Rms ? 0.0 : sum[set];
    result[i] = scale(set) * (g[i] * factor(i) - middle - normal(i) * along[set]);
  }
  write_all(call.outputs[0], result);
  write_all(call.outputs[1], dw);
  if (call.output_count > 2) write_all(call.outputs[2], db);
  return FL_OK;
}

}  // namespace

void add_normalization(Loops& loops) {
  loops.push_back({"layer_norm", takes_floats, run_norm, &kLayer});
  loops.push_back({"layer_norm_grad", takes_floats, run_norm, &kLayerGrad});
  loops.push_back({"rms_norm", takes_floats, run_norm, &kRms});
  loops.push_back({"rms_norm_grad", takes_floats, run_norm, &kRmsGrad});
  loops.push_back({"group_norm", takes_floats, run_norm, &kGroup});
  loops.push_back({"group_norm_grad", takes_floats, run_norm, &kGroupGrad});
  loops.push_back({"batch_norm", takes_floats, run_norm, &kBatch});
  loops.push_back({"batch_norm_grad", takes_floats, run_norm, &kBatchGrad});
}

}  // namespace flambeau::reference
