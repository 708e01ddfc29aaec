// unscale.cpp: gradients times a number, any number of them in one call, and whether all were finite.
#include <algorithm>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 32 * 1024;

// Elements [begin, end) of one gradient. False if one was not finite.
bool unscale_part(const fl_tensor& x, Type stored, StepLoop loop, double scale, int64_t begin, int64_t end) {
  const Type computed = compute_type(stored);
  const int64_t element = size_of(stored);
  AdaptiveParameters numbers{};
  numbers.rate = scale;
  alignas(8) char beyond[8] = {};
  if (computed == stored && is_contiguous(x)) {
    void* at[] = {data_of(x) + begin * element, beyond};
    loop(at, end - begin, numbers);
  } else {
    alignas(64) char narrow[kBlock * 8], wide[kBlock * 8];
    const Loop widen = computed == stored ? nullptr : level->convert(stored, computed);
    const Loop shrink = computed == stored ? nullptr : level->convert(computed, stored);
    const Strided place{data_of(x), element, x.ndim, x.shape, x.strides};
    for (int64_t first = begin; first < end; first += kBlock) {
      const int64_t n = std::min(kBlock, end - first);
      const void *from_narrow[] = {narrow}, *from_wide[] = {wide};
      gather(place, first, n, widen ? narrow : wide);
      if (widen) widen(from_narrow, wide, n);
      void* at[] = {wide, beyond};
      loop(at, n, numbers);
      if (shrink) shrink(from_wide, narrow, n);
      scatter(place, first, n, shrink ? narrow : wide);
    }
  }
  return std::all_of(beyond, beyond + sizeof beyond, [](char byte) { return byte == 0; });
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type stored = state_of<Type>(self);
  const StepLoop loop = level->adaptive_step("unscale", compute_type(stored));
  const int64_t count = call->input_count - 1;
  int64_t total = 0;
  for (int64_t i = 0; i < count; ++i) total += count_of(call->inputs[i]);
  int finite = 1;
  // All gradients as one line of elements, cut into pieces; a piece may span several of them.
  parallel_for(total, kPiece, [&](int64_t begin, int64_t end) {
    int64_t start = 0;
    for (int64_t i = 0; i < count && start < end; ++i) {
      const int64_t n = count_of(call->inputs[i]);
      const int64_t from = std::max(begin, start), to = std::min(end, start + n);
      if (from < to && !unscale_part(call->inputs[i], stored, loop, call->attrs[0].value.f, from - start, to - start))
        __atomic_store_n(&finite, 0, __ATOMIC_RELAXED);
      start += n;
    }
  });
  if (finite) return FL_OK;
  const float one = 1;
  const void* from[] = {&one};
  char* found = data_of(call->inputs[count]);
  if (stored == Type::Float32) *reinterpret_cast<float*>(found) = one;
  else convert(Type::Float32, stored)(from, found, 1);
  return FL_OK;
}

const fl_kernel* resolve(const char*, std::span<const Type> types) {
  return types.size() == 1 && is_floating(types[0]) ? keep_kernel(run, types[0]) : nullptr;
}

const Registration kUnscale({"unscale"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
