// optimizer.cpp: sgd_step and adamw_step over any number of parameters in one call, in place.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 16 * 1024;
constexpr int kMaxGroups = 4;  // parameters, gradients, two states

struct Step {
  Type stored;
  bool adamw;
};

struct Numbers {
  SgdParameters sgd;
  AdamwParameters adamw;
};

// The loop over contiguous float32 or float64 elements: at[0] parameters, at[1] gradients, the rest states.
void run_loop(const Step& op, const Numbers& numbers, char* const* at, int64_t n) {
  const auto in = [&](auto* type, int i) { return reinterpret_cast<decltype(type)>(at[i]); };
  float* single = nullptr;
  double* twice = nullptr;
  if (op.adamw) {
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

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Step& op = state_of<Step>(self);
  const fl_attr* attrs = call->attrs;
  const int64_t count = attrs[0].value.i;
  const int groups = count ? int(call->input_count / count) : 0;
  Numbers numbers{};
  if (op.adamw) {
    AdamwParameters& a = numbers.adamw;
    a = {attrs[1].value.f, attrs[2].value.f, attrs[3].value.f, attrs[4].value.f, attrs[5].value.f, 0, 0,
         attrs[7].value.i != 0};
    a.correction1 = 1 - std::pow(a.beta1, double(attrs[6].value.i));
    a.correction2 = 1 - std::pow(a.beta2, double(attrs[6].value.i));
  } else {
    numbers.sgd = {attrs[1].value.f,      attrs[2].value.f,      attrs[3].value.f,     attrs[4].value.f,
                   attrs[5].value.i != 0, attrs[6].value.i != 0, attrs[7].value.i != 0};
  }
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
  return keep_kernel(run, Step{types[0], std::strcmp(name, "adamw_step") == 0});
}

const Registration kSteps({"sgd_step", "adamw_step"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
