// Optimizer steps in place: one dispatch a parameter, all in the same batch.
#include <cmath>

#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

// count, lr, momentum, dampening, weight_decay, nesterov, maximize, first
const char* const kSgd = R"(
  let x = load0(at0);
  var step = x1 * bitcast<f32>(e0) + bitcast<f32>(e1) * x;)";
const char* const kMomentum = R"(
  let kept = select(bitcast<f32>(e3) * load2(at2) + bitcast<f32>(e4) * step, step, e6 != 0);
  put2(at2, kept);
  step = select(kept, step + bitcast<f32>(e3) * kept, e5 != 0);)";
const char* const kMove = R"(
  put0(at0, x - bitcast<f32>(e2) * step);)";

Run sgd(Device& device) {
  std::string start = kSgd;
  Program* plain = device.program("sgd_step", element_kernel({changes(Type::F32), reads(Type::F32)}, 3, "", start + kMove));
  Program* momentum = device.program("sgd_step", element_kernel(
      {changes(Type::F32), reads(Type::F32), changes(Type::F32)}, 7, "", start + kMomentum + kMove));
  return [&device, plain, momentum](const fl_call& call) {
    auto count = static_cast<int>(attr_int(call, 0));
    bool buffers = call.input_count == 3 * count;
    std::vector<int32_t> extras{bits_of(attr_bool(call, 6) ? -1.0 : 1.0), bits_of(attr_float(call, 4)), bits_of(attr_float(call, 1))};
    if (buffers)
      extras.insert(extras.end(), {bits_of(attr_float(call, 2)), bits_of(1.0 - attr_float(call, 3)),
                                   static_cast<int32_t>(attr_bool(call, 5)), static_cast<int32_t>(attr_bool(call, 7))});
    for (int i = 0; i < count; ++i) {
      std::vector<Layout> layouts{layout_of(call.inputs[i]), layout_of(call.inputs[count + i])};
      if (buffers) layouts.push_back(layout_of(call.inputs[2 * count + i]));
      if (fl_status status = launch_elements(device, buffers ? *momentum : *plain, layouts, extras)) return status;
    }
    return fl_status{FL_OK};
  };
}

// count, lr, beta1, beta2, eps, weight_decay, step, maximize
const char* const kAdamw = R"(
  let g = x1 * bitcast<f32>(e0);
  let mean = bitcast<f32>(e1) * load2(at2) + bitcast<f32>(e2) * g;
  let square = bitcast<f32>(e3) * load3(at3) + bitcast<f32>(e4) * g * g;
  put2(at2, mean);
  put3(at3, square);
  let root = sqrt(square * bitcast<f32>(e5)) + bitcast<f32>(e6);
  put0(at0, load0(at0) * bitcast<f32>(e7) - bitcast<f32>(e8) * mean / root);)";

Run adamw(Device& device) {
  Program* program = device.program("adamw_step", element_kernel(
      {changes(Type::F32), reads(Type::F32), changes(Type::F32), changes(Type::F32)}, 9, "", kAdamw));
  return [&device, program](const fl_call& call) {
    auto count = static_cast<int>(attr_int(call, 0));
    double lr = attr_float(call, 1), beta1 = attr_float(call, 2), beta2 = attr_float(call, 3);
    auto step = static_cast<double>(attr_int(call, 6));
    std::vector<int32_t> extras;
    for (double value : {attr_bool(call, 7) ? -1.0 : 1.0, beta1, 1.0 - beta1, beta2, 1.0 - beta2,
                         1.0 / (1.0 - std::pow(beta2, step)), attr_float(call, 4), 1.0 - lr * attr_float(call, 5),
                         lr / (1.0 - std::pow(beta1, step))})
      extras.push_back(bits_of(value));
    for (int i = 0; i < count; ++i) {
      std::vector<Layout> layouts;
      for (int group = 0; group < 4; ++group) layouts.push_back(layout_of(call.inputs[group * count + i]));
      if (fl_status status = launch_elements(device, *program, layouts, extras)) return status;
    }
    return fl_status{FL_OK};
  };
}

// count, lr, beta1, beta2, eps, weight_decay, step, decoupled, maximize
const char* const kAdam = R"(
  let x = load0(at0);
  let g = x1 * bitcast<f32>(e0) + bitcast<f32>(e9) * x;
  let mean = bitcast<f32>(e1) * load2(at2) + bitcast<f32>(e2) * g;
  var square = bitcast<f32>(e3) * load3(at3) + bitcast<f32>(e4) * g * g;
  put2(at2, mean);
  put3(at3, square);)";
const char* const kLargest = R"(
  let before = load4(at4);
  square = select(square, before, before > square);
  put4(at4, square);)";
const char* const kAdamMove = R"(
  let root = sqrt(square * bitcast<f32>(e5)) + bitcast<f32>(e6);
  put0(at0, x * bitcast<f32>(e7) - bitcast<f32>(e8) * mean / root);)";

Run adam(Device& device) {
  std::vector<Operand> operands{changes(Type::F32), reads(Type::F32), changes(Type::F32), changes(Type::F32)};
  Program* plain = device.program("adam_step", element_kernel(operands, 10, "", std::string(kAdam) + kAdamMove));
  operands.push_back(changes(Type::F32));
  Program* largest = device.program("adam_step", element_kernel(operands, 10, "", std::string(kAdam) + kLargest + kAdamMove));
  return [&device, plain, largest](const fl_call& call) {
    auto count = static_cast<int>(attr_int(call, 0));
    int groups = call.input_count / count;
    double lr = attr_float(call, 1), beta1 = attr_float(call, 2), beta2 = attr_float(call, 3), decay = attr_float(call, 5);
    auto step = static_cast<double>(attr_int(call, 6));
    bool decoupled = attr_bool(call, 7);
    std::vector<int32_t> extras;
    for (double value : {attr_bool(call, 8) ? -1.0 : 1.0, beta1, 1.0 - beta1, beta2, 1.0 - beta2,
                         1.0 / (1.0 - std::pow(beta2, step)), attr_float(call, 4), decoupled ? 1.0 - lr * decay : 1.0,
                         lr / (1.0 - std::pow(beta1, step)), decoupled ? 0.0 : decay})
      extras.push_back(bits_of(value));
    for (int i = 0; i < count; ++i) {
      std::vector<Layout> layouts;
      for (int group = 0; group < groups; ++group) layouts.push_back(layout_of(call.inputs[group * count + i]));
      if (fl_status status = launch_elements(device, groups == 5 ? *largest : *plain, layouts, extras)) return status;
    }
    return fl_status{FL_OK};
  };
}

} // namespace

Run optimizer(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (types.size() != 1 || types[0] != Type::F32) return {};
  if (op == "sgd_step") return sgd(device);
  if (op == "adam_step") return adam(device);
  if (op == "adamw_step") return adamw(device);
  return {};
}

} // namespace flambeau::webgpu
