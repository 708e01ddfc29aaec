// optimizer.cpp: one step of an optimizer over any number of parameters, in place. Inputs stand in groups of
// `count` (the first attribute): parameters, gradients, states; the outputs are the parameters and states again.
#include <array>
#include <cmath>

#include "values.h"

namespace flambeau::reference {

namespace {

// One element of a parameter with what belongs to it, group by group as each_element was told.
struct Element {
  Type type;
  const Walk& walk;
  double get(size_t group) const { return load_float(type, walk.at(group)); }
  void set(size_t group, double value) const { store_float(type, walk.at(group), value); }
};

// Calls `update` for every element of every parameter. `groups` are the groups of inputs that it reads and writes; one
// that the call lacks is named by another that stands in for it and is then left alone.
template <class Update>
fl_status each_element(const fl_call& call, std::array<int64_t, 5> groups, Update update) {
  const int64_t count = attr_int(call, 0);
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    auto input = [&](size_t group) { return &call.inputs[groups[group] * count + i]; };
    Walk walk(parameter.ndim, parameter.shape, {input(0), input(1), input(2), input(3), input(4)});
    for (; !walk.done(); walk.next()) update(Element{type_of(parameter.dtype), walk});
  }
  return FL_OK;
}

// Attributes: count, lr, momentum, dampening, weight_decay, nesterov, maximize, first.
fl_status run_sgd_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double momentum = attr_float(call, 2);
  double dampening = attr_float(call, 3);
  double weight_decay = attr_float(call, 4);
  bool nesterov = attr_bool(call, 5);
  bool maximize = attr_bool(call, 6);
  bool first = attr_bool(call, 7);
  bool has_buffers = call.input_count == 3 * count;
  return each_element(call, {0, 1, has_buffers ? 2 : 0, 0, 0}, [&](const Element& element) {
    double p = element.get(0);
    double step = element.get(1) * (maximize ? -1 : 1) + weight_decay * p;
    if (has_buffers) {
      double kept = first ? step : momentum * element.get(2) + (1 - dampening) * step;
      element.set(2, kept);
      step = nesterov ? step + momentum * kept : kept;
    }
    element.set(0, p - lr * step);
  });
}

// Attributes: count, lr, beta1, beta2, eps, weight_decay, step, maximize.
fl_status run_adamw_step(const Loop&, const fl_call& call) {
  double lr = attr_float(call, 1);
  double beta1 = attr_float(call, 2);
  double beta2 = attr_float(call, 3);
  double eps = attr_float(call, 4);
  double weight_decay = attr_float(call, 5);
  double step = static_cast<double>(attr_int(call, 6));
  double sign = attr_bool(call, 7) ? -1 : 1;
  double correction1 = 1 - std::pow(beta1, step);
  double correction2 = 1 - std::pow(beta2, step);
  return each_element(call, {0, 1, 2, 3, 0}, [&](const Element& element) {
    double p = element.get(0) * (1 - lr * weight_decay);
    double g = element.get(1) * sign;
    double mean = beta1 * element.get(2) + (1 - beta1) * g;
    double square = beta2 * element.get(3) + (1 - beta2) * g * g;
    element.set(2, mean);
    element.set(3, square);
    double root = std::sqrt(square / correction2) + eps;
    element.set(0, p - lr * (mean / correction1) / root);
  });
}

// Attributes: count, lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize.
fl_status run_adam_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double beta1 = attr_float(call, 2);
  double beta2 = attr_float(call, 3);
  double eps = attr_float(call, 4);
  double weight_decay = attr_float(call, 5);
  double step = static_cast<double>(attr_int(call, 6));
  bool decoupled = attr_bool(call, 7);
  double sign = attr_bool(call, 8) ? -1 : 1;
  double correction1 = 1 - std::pow(beta1, step);
  double correction2 = 1 - std::pow(beta2, step);
  bool keeps_largest = call.input_count == 5 * count;
  return each_element(call, {0, 1, 2, 3, keeps_largest ? 4 : 3}, [&](const Element& element) {
    double p = element.get(0);
    double g = element.get(1) * sign + (decoupled ? 0 : weight_decay * p);
    double mean = beta1 * element.get(2) + (1 - beta1) * g;
    double square = beta2 * element.get(3) + (1 - beta2) * g * g;
    element.set(2, mean);
    element.set(3, square);
    if (keeps_largest) {
      double before = element.get(4);
      square = before > square ? before : square;
      element.set(4, square);
    }
    double root = std::sqrt(square / correction2) + eps;
    element.set(0, p * (decoupled ? 1 - lr * weight_decay : 1) - lr * (mean / correction1) / root);
  });
}

// Attributes: count, lr, alpha, eps, weight_decay, momentum, centered, maximize.
fl_status run_rmsprop_step(const Loop&, const fl_call& call) {
  double lr = attr_float(call, 1);
  double alpha = attr_float(call, 2);
  double eps = attr_float(call, 3);
  double weight_decay = attr_float(call, 4);
  double momentum = attr_float(call, 5);
  bool centered = attr_bool(call, 6);
  double sign = attr_bool(call, 7) ? -1 : 1;
  int64_t mean_group = centered ? 3 : 2;
  int64_t buffer_group = momentum == 0 ? 2 : centered ? 4 : 3;
  return each_element(call, {0, 1, 2, mean_group, buffer_group}, [&](const Element& element) {
    double p = element.get(0);
    double g = element.get(1) * sign + weight_decay * p;
    double square = alpha * element.get(2) + (1 - alpha) * g * g;
    element.set(2, square);
    if (centered) {
      double mean = alpha * element.get(3) + (1 - alpha) * g;
      element.set(3, mean);
      square -= mean * mean;
    }
    double step = g / (std::sqrt(square) + eps);
    if (momentum != 0) {
      step += momentum * element.get(4);
      element.set(4, step);
    }
    element.set(0, p - lr * step);
  });
}

// Attributes: count, lr, eps, weight_decay, maximize.
fl_status run_adagrad_step(const Loop&, const fl_call& call) {
  double lr = attr_float(call, 1);
  double eps = attr_float(call, 2);
  double weight_decay = attr_float(call, 3);
  double sign = attr_bool(call, 4) ? -1 : 1;
  return each_element(call, {0, 1, 2, 0, 0}, [&](const Element& element) {
    double p = element.get(0);
    double g = element.get(1) * sign + weight_decay * p;
    double sum = element.get(2) + g * g;
    element.set(2, sum);
    element.set(0, p - lr * g / (std::sqrt(sum) + eps));
  });
}

// Attributes: count, lr, beta1, beta2, weight_decay, maximize.
fl_status run_lion_step(const Loop&, const fl_call& call) {
  double lr = attr_float(call, 1);
  double beta1 = attr_float(call, 2);
  double beta2 = attr_float(call, 3);
  double weight_decay = attr_float(call, 4);
  double sign = attr_bool(call, 5) ? -1 : 1;
  return each_element(call, {0, 1, 2, 0, 0}, [&](const Element& element) {
    double p = element.get(0);
    double g = element.get(1) * sign;
    double mean = element.get(2);
    double way = beta1 * mean + (1 - beta1) * g;
    double step = way > 0 ? 1 : way < 0 ? -1 : way;  // NaN stays
    element.set(2, beta2 * mean + (1 - beta2) * g);
    element.set(0, p * (1 - lr * weight_decay) - lr * step);
  });
}

// Attribute: scale. The last tensor says whether something was not finite.
fl_status run_unscale(const Loop&, const fl_call& call) {
  const double scale = attr_float(call, 0);
  const int32_t last = call.input_count - 1;
  bool finite = true;
  for (int32_t i = 0; i < last; ++i) {
    const fl_tensor& gradient = call.inputs[i];
    const Type type = type_of(gradient.dtype);
    for (Walk walk(gradient.ndim, gradient.shape, {&gradient}); !walk.done(); walk.next()) {
      const double value = load_float(type, walk.at(0));
      finite = finite && std::isfinite(value);
      store_float(type, walk.at(0), value * scale);
    }
  }
  if (!finite) store_float(type_of(call.inputs[last].dtype), data(call.inputs[last]), 1.0);
  return FL_OK;
}

}  // namespace

void add_optimizer(Loops& loops) {
  auto one_float = [](const Loop&, const Type* t, int32_t n) { return n == 1 && is_float(t[0]); };
  loops.push_back({"sgd_step", one_float, run_sgd_step});
  loops.push_back({"adamw_step", one_float, run_adamw_step});
  loops.push_back({"adam_step", one_float, run_adam_step});
  loops.push_back({"rmsprop_step", one_float, run_rmsprop_step});
  loops.push_back({"adagrad_step", one_float, run_adagrad_step});
  loops.push_back({"lion_step", one_float, run_lion_step});
  loops.push_back({"unscale", one_float, run_unscale});
}

}  // namespace flambeau::reference
