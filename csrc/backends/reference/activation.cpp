// activation.cpp: activations with constants of their own, clip_to, and their gradients, in double.
#include <cmath>

#include "values.h"

namespace flambeau::reference {

namespace {

// p: the attributes. Gradients are g times the slope; of those in pieces nothing passes where it is 0, not even a NaN.
enum class Kind { Value, Slope, Pieces };
struct Activation {
  const char* name;
  double (*of)(double x, const double* p);
  Kind kind = Kind::Value;
};

double share(double x) { return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x)); }
double softplus(double x) { return std::fmax(x, 0) + (std::isnan(x) ? x : std::log1p(std::exp(-std::fabs(x)))); }
double hardsigmoid(double x) { return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6; }
double mish_slope(double x) {
  if (x > 1000) x = 1000;
  if (x < -1000) x = -1000;
  const double t = std::tanh(softplus(x));
  return t + x * share(x) * (1 - t) * (1 + t);
}

#define OF(expression) [](double x, [[maybe_unused]] const double* p) -> double { return expression; }
constexpr Activation kActivations[] = {
    {"clip_to", OF(x > p[1] ? p[1] : x < p[0] ? p[0] : x)},
    {"clip_to_grad", OF(x < p[0] || x > p[1] ? 0 : 1), Kind::Pieces},
    {"hardtanh", OF(x <= p[0] ? p[0] : x >= p[1] ? p[1] : x)},
    {"hardtanh_grad", OF(x <= p[0] || x >= p[1] ? 0 : 1), Kind::Pieces},
    {"leaky_relu", OF(x > 0 ? x : x * p[0])},
    {"leaky_relu_grad", OF(x > 0 ? 1 : p[0]), Kind::Slope},
    {"elu", OF(x > 0 ? x * p[1] : std::expm1(x * p[2]) * (p[0] * p[1]))},
    {"elu_grad", OF(x > 0 ? p[1] : std::exp(x * p[2]) * (p[0] * p[1] * p[2])), Kind::Slope},
    {"softplus", OF(x * p[0] > p[1] ? x : softplus(x * p[0]) / p[0])},
    {"softplus_grad", OF(x * p[0] > p[1] ? 1 : share(x * p[0])), Kind::Slope},
    {"log_sigmoid", OF(-softplus(-x))},
    {"log_sigmoid_grad", OF(share(-x)), Kind::Slope},
    {"silu", OF(x * share(x))},
    {"silu_grad", OF(share(x) * (1 + x * share(-x))), Kind::Slope},
    {"mish", OF(x * std::tanh(softplus(x)))},
    {"mish_grad", OF(mish_slope(x)), Kind::Slope},
    {"hardsigmoid", OF(hardsigmoid(x))},
    {"hardsigmoid_grad", OF(std::fabs(x) < 3 ? 1.0 / 6 : 0), Kind::Pieces},
    {"hardswish", OF(x * hardsigmoid(x))},
    {"hardswish_grad", OF(x <= -3 ? 0 : x >= 3 ? 1 : (x + x + 3) / 6), Kind::Pieces},
    {"hardshrink", OF(std::fabs(x) <= p[0] ? 0 : x)},
    {"hardshrink_grad", OF(std::fabs(x) <= p[0] ? 0 : 1), Kind::Pieces},
    {"softshrink", OF(std::fabs(x) <= p[0] ? 0 : x < 0 ? x + p[0] : x - p[0])},
    {"huber", OF(std::fabs(x) > p[0] ? p[0] * (std::fabs(x) - p[0] / 2) : x * x / 2)},
    {"huber_grad", OF(x > p[0] ? p[0] : x < -p[0] ? -p[0] : x), Kind::Slope},
    {"threshold", OF(x <= p[0] ? p[1] : x)},
    {"threshold_grad", OF(x <= p[0] ? 0 : 1), Kind::Pieces},
};
#undef OF

fl_status run_activation(const Loop& loop, const fl_call& call) {
  const Activation& op = *static_cast<const Activation*>(loop.detail);
  const fl_tensor& out = call.outputs[0];
  const Type type = type_of(out.dtype);
  double p[3] = {};
  for (int32_t i = 0; i < call.attr_count; ++i) p[i] = attr_float(call, i);
  if (op.kind == Kind::Value) {
    for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0]}); !walk.done(); walk.next())
      store_float(type, walk.at(0), op.of(load_float(type, walk.at(1)), p));
    return FL_OK;
  }
  for (Walk walk(out.ndim, out.shape, {&out, &call.inputs[0], &call.inputs[1]}); !walk.done(); walk.next()) {
    const double g = load_float(type, walk.at(1)), slope = op.of(load_float(type, walk.at(2)), p);
    store_float(type, walk.at(0), slope == 0 && op.kind == Kind::Pieces ? 0 : g * slope);
  }
  return FL_OK;
}

bool takes_activation(const Loop& loop, const Type* types, int32_t count) {
  const bool two = static_cast<const Activation*>(loop.detail)->kind != Kind::Value;
  for (int32_t i = 0; i < count; ++i)
    if (types[i] != types[0]) return false;
  return count == (two ? 3 : 2) && is_float(types[0]);
}

}  // namespace

void add_activations(Loops& loops) {
  for (const Activation& op : kActivations) loops.push_back({op.name, takes_activation, run_activation, &op});
}

}  // namespace flambeau::reference
