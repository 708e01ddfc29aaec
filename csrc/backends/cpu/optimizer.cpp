// optimizer.cpp: steps of optimizers over any number of parameters in one call, in place.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 16 * 1024;
constexpr int kMaxGroups = 5;  // parameters, gradients, three states

enum class Rule : uint8_t { Sgd, Adamw, Adam, Rmsprop, Adagrad, Lion };
constexpr const char* kRules[] = {"sgd_step", "adamw_step", "adam_step", "rmsprop_step", "adagrad_step", "lion_step"};

struct Step {
  Type stored;
  Rule rule;
};

struct Numbers {
  SgdParameters sgd;
  AdamwParameters adamw;
  AdaptiveParameters adaptive;
};

// The loop over contiguous float32 or float64 elements: at[0] parameters, at[1] gradients, the rest states.
void run_loop(const Step& op, const Numbers& numbers, char* const* at, int64_t n) {
  const auto in = [&](auto* type, int i) { return reinterpret_cast<decltype(type)>(at[i]); };
  float* single = nullptr;
  double* twice = nullptr;
  if (op.rule > Rule::Adamw) {
    level->adaptive_step(kRules[int(op.rule)], compute_type(op.stored))(
        reinterpret_cast<void* const*>(at), n, numbers.adaptive);
  } else if (op.rule == Rule::Adamw) {
    if (compute_type(op.stored) == Type::Float32)
      level->adamw_step32(in(single, 0), in(single, 1), in(single, 2), in(single, 3), n, numbers.adamw);
    else
      level->adamw_step64(in(twice, 0), in(twice, 1), in(twice, 2), in(twice, 3), n, numbers.adamw);
  } else if (compute_type(op.stored) == Type::Float32) {
    level->sgd_step32(in(single, 0), in(single, 1), in(single, 2), n, numbers.sgd);
  } else {
    level->sgd_step64(in(twice, 0), in(twice, 1), in(twice, 2), n, numbers.sgd);
  }
}

// Elements [begin, end) of one parameter and what belongs to it.
void run_part(const Step& op, const Numbers& numbers, const fl_tensor* const* tensors, int groups, int64_t begin,
              int64_t end) {
  const Type computed = compute_type(op.stored);
  const int64_t element = size_of(op.stored);
  bool plain = computed == op.stored;
  for (int i = 0; i < groups; ++i) plain = plain && is_contiguous(*tensors[i]);
  char* at[kMaxGroups] = {};
  if (plain) {
    for (int i = 0; i < groups; ++i) at[i] = data_of(*tensors[i]) + begin * element;
    return run_loop(op, numbers, at, end - begin);
  }
  // 16-bit storage or other strides: in blocks, through a contiguous copy in the type of computation.
  alignas(64) char narrow[kBlock * 8], wide[kMaxGroups][kBlock * 8];
  const Loop widen = computed == op.stored ? nullptr : level->convert(op.stored, computed);
  const Loop shrink = computed == op.stored ? nullptr : level->convert(computed, op.stored);
  for (int64_t first = begin; first < end; first += kBlock) {
    const int64_t n = std::min(kBlock, end - first);
    for (int i = 0; i < groups; ++i) {
      const fl_tensor& x = *tensors[i];
      const Strided operand{data_of(x), element, x.ndim, x.shape, x.strides};
      gather(operand, first, n, widen ? narrow : wide[i]);
      const void* from[] = {narrow};
      if (widen) widen(from, wide[i], n);
      at[i] = wide[i];
    }
    run_loop(op, numbers, at, n);
    for (int i = 0; i < groups; ++i) {
      if (i == 1) continue;
      const fl_tensor& x = *tensors[i];
      const void* from[] = {wide[i]};
      if (shrink) shrink(from, narrow, n);
      scatter({data_of(x), element, x.ndim, x.shape, x.strides}, first, n, shrink ? narrow : wide[i]);
    }
  }
}

// The attributes of a rule's row, in their order, as its loop wants them.
Numbers numbers_of(Rule rule, const fl_attr* attrs, int groups) {
  const auto number = [&](int i) { return attrs[i].value.f; };
  const auto truth = [&](int i) { return attrs[i].value.i != 0; };
  const auto correction = [&](double beta) { return 1 - std::pow(beta, double(attrs[6].value.i)); };
  Numbers numbers{};
  AdaptiveParameters& a = numbers.adaptive;
  a.keep = 1;
  switch (rule) {
    case Rule::Sgd:
      numbers.sgd = {number(1), number(2), number(3), number(4), truth(5), truth(6), truth(7)};
      break;
    case Rule::Adamw:
      numbers.adamw = {number(1), number(2), number(3), number(4), number(5), correction(number(2)),
                       correction(number(3)), truth(7)};
      break;
    case Rule::Adam:
      a.rate = number(1) / correction(number(2));
      a.beta1 = number(2);
      a.beta2 = number(3);
      a.eps = number(4);
      if (truth(7)) a.keep = 1 - number(1) * number(5);
      else a.weight_decay = number(5);
      a.correction2 = correction(number(3));
      a.maximize = truth(8);
      a.third = groups == 5;
      break;
    case Rule::Rmsprop:
      a.rate = number(1);
      a.beta2 = number(2);
      a.eps = number(3);
      a.weight_decay = number(4);
      a.momentum = number(5);
      a.third = truth(6);
      a.maximize = truth(7);
      break;
    case Rule::Adagrad:
      a.rate = number(1);
      a.eps = number(2);
      a.weight_decay = number(3);
      a.maximize = truth(4);
      break;
    case Rule::Lion:
      a.rate = number(1);
      a.beta1 = number(2);
      a.beta2 = number(3);
      a.keep = 1 - number(1) * number(4);
      a.maximize = truth(5);
      break;
  }
  return numbers;
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Step& op = state_of<Step>(self);
  const fl_attr* attrs = call->attrs;
  const int64_t count = attrs[0].value.i;
  const int groups = count ? int(call->input_count / count) : 0;
  const Numbers numbers = numbers_of(op.rule, attrs, groups);
  // All parameters as one line of elements, cut into pieces; a piece may span several parameters.
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += count_of(call->inputs[i]);
  parallel_for(total, kPiece, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t i = 0; i < count && start < end; ++i) {
      const int64_t n = count_of(call->inputs[i]);
      const int64_t from = std::max(begin, start), to = std::min(end, start + n);
      if (from < to) {
        const fl_tensor* tensors[kMaxGroups];
        for (int g = 0; g < groups; ++g) tensors[g] = &call->inputs[g * count + i];
        run_part(op, numbers, tensors, groups, from - start, to - start);
      }
      start += n;
    }
  });
  return FL_OK;
}

const fl_kernel* resolve(const char* name, std::span<const Type> types) {
  if (types.size() != 1 || !is_floating(types[0])) return nullptr;
  for (int rule = 0; rule < int(std::size(kRules)); ++rule)
    if (!std::strcmp(name, kRules[rule])) return keep_kernel(run, Step{types[0], Rule(rule)});
  return nullptr;
}

const Registration kSteps({"sgd_step", "adamw_step", "adam_step", "rmsprop_step", "adagrad_step", "lion_step"},
                          resolve);

}  // namespace
}  // namespace flambeau::cpu
