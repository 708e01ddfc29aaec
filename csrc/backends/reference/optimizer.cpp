// optimizer.cpp: one step of an optimizer over any number of parameters, in place. Inputs stand in groups of
// `count` (the first attribute): parameters, gradients, states; the outputs are the parameters and states again.
#include <cmath>

#include "values.h"

namespace flambeau::reference {

namespace {

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
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    const fl_tensor& buffer = call.inputs[has_buffers ? 2 * count + i : i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape, {&parameter, &call.inputs[count + i], &buffer});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0));
      double step = load_float(type, walk.at(1)) * (maximize ? -1 : 1) + weight_decay * p;
      if (has_buffers) {
        double kept = first ? step : momentum * load_float(type, walk.at(2)) + (1 - dampening) * step;
        store_float(type, walk.at(2), kept);
        step = nesterov ? step + momentum * kept : kept;
      }
      store_float(type, walk.at(0), p - lr * step);
    }
  }
  return FL_OK;
}

// Attributes: count, lr, beta1, beta2, eps, weight_decay, step, maximize.
fl_status run_adamw_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double beta1 = attr_float(call, 2);
  double beta2 = attr_float(call, 3);
  double eps = attr_float(call, 4);
  double weight_decay = attr_float(call, 5);
  double step = static_cast<double>(attr_int(call, 6));
  double sign = attr_bool(call, 7) ? -1 : 1;
  double correction1 = 1 - std::pow(beta1, step);
  double correction2 = 1 - std::pow(beta2, step);
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape,
              {&parameter, &call.inputs[count + i], &call.inputs[2 * count + i], &call.inputs[3 * count + i]});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0)) * (1 - lr * weight_decay);
      double g = load_float(type, walk.at(1)) * sign;
      double mean = beta1 * load_float(type, walk.at(2)) + (1 - beta1) * g;
      double square = beta2 * load_float(type, walk.at(3)) + (1 - beta2) * g * g;
      store_float(type, walk.at(2), mean);
      store_float(type, walk.at(3), square);
      double root = std::sqrt(square / correction2) + eps;
      store_float(type, walk.at(0), p - lr * (mean / correction1) / root);
    }
  }
  return FL_OK;
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
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape,
              {&parameter, &call.inputs[count + i], &call.inputs[2 * count + i], &call.inputs[3 * count + i],
               &call.inputs[(keeps_largest ? 4 : 3) * count + i]});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0));
      double g = load_float(type, walk.at(1)) * sign + (decoupled ? 0 : weight_decay * p);
      double mean = beta1 * load_float(type, walk.at(2)) + (1 - beta1) * g;
      double square = beta2 * load_float(type, walk.at(3)) + (1 - beta2) * g * g;
      store_float(type, walk.at(2), mean);
      store_float(type, walk.at(3), square);
      if (keeps_largest) {
        double before = load_float(type, walk.at(4));
        square = before > square ? before : square;
        store_float(type, walk.at(4), square);
      }
      double root = std::sqrt(square / correction2) + eps;
      store_float(type, walk.at(0), p * (decoupled ? 1 - lr * weight_decay : 1) - lr * (mean / correction1) / root);
    }
  }
  return FL_OK;
}

// Attributes: count, lr, alpha, eps, weight_decay, momentum, centered, maximize.
fl_status run_rmsprop_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double alpha = attr_float(call, 2);
  double eps = attr_float(call, 3);
  double weight_decay = attr_float(call, 4);
  double momentum = attr_float(call, 5);
  bool centered = attr_bool(call, 6);
  double sign = attr_bool(call, 7) ? -1 : 1;
  int64_t mean_group = centered ? 3 : 2;
  int64_t buffer_group = momentum == 0 ? 2 : centered ? 4 : 3;
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape,
              {&parameter, &call.inputs[count + i], &call.inputs[2 * count + i], &call.inputs[mean_group * count + i],
               &call.inputs[buffer_group * count + i]});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0));
      double g = load_float(type, walk.at(1)) * sign + weight_decay * p;
      double square = alpha * load_float(type, walk.at(2)) + (1 - alpha) * g * g;
      store_float(type, walk.at(2), square);
      if (centered) {
        double mean = alpha * load_float(type, walk.at(3)) + (1 - alpha) * g;
        store_float(type, walk.at(3), mean);
        square -= mean * mean;
      }
      double step = g / (std::sqrt(square) + eps);
      if (momentum != 0) {
        step += momentum * load_float(type, walk.at(4));
        store_float(type, walk.at(4), step);
      }
      store_float(type, walk.at(0), p - lr * step);
    }
  }
  return FL_OK;
}

// Attributes: count, lr, eps, weight_decay, maximize.
fl_status run_adagrad_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double eps = attr_float(call, 2);
  double weight_decay = attr_float(call, 3);
  double sign = attr_bool(call, 4) ? -1 : 1;
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape, {&parameter, &call.inputs[count + i], &call.inputs[2 * count + i]});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0));
      double g = load_float(type, walk.at(1)) * sign + weight_decay * p;
      double sum = load_float(type, walk.at(2)) + g * g;
      store_float(type, walk.at(2), sum);
      store_float(type, walk.at(0), p - lr * g / (std::sqrt(sum) + eps));
    }
  }
  return FL_OK;
}

// Attributes: count, lr, beta1, beta2, weight_decay, maximize.
fl_status run_lion_step(const Loop&, const fl_call& call) {
  int64_t count = attr_int(call, 0);
  double lr = attr_float(call, 1);
  double beta1 = attr_float(call, 2);
  double beta2 = attr_float(call, 3);
  double weight_decay = attr_float(call, 4);
  double sign = attr_bool(call, 5) ? -1 : 1;
  for (int64_t i = 0; i < count; ++i) {
    const fl_tensor& parameter = call.inputs[i];
    Type type = type_of(parameter.dtype);
    Walk walk(parameter.ndim, parameter.shape, {&parameter, &call.inputs[count + i], &call.inputs[2 * count + i]});
    for (; !walk.done(); walk.next()) {
      double p = load_float(type, walk.at(0));
      double g = load_float(type, walk.at(1)) * sign;
      double mean = load_float(type, walk.at(2));
      double way = beta1 * mean + (1 - beta1) * g;
      double step = way > 0 ? 1 : way < 0 ? -1 : way;  // NaN stays
      store_float(type, walk.at(2), beta2 * mean + (1 - beta2) * g);
      store_float(type, walk.at(0), p * (1 - lr * weight_decay) - lr * step);
    }
  }
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
}

}  // namespace flambeau::reference
