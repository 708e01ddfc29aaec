// dropout.cpp: random words are drawn a block at a time and used while they are in the first-level cache.
#include <algorithm>
#include <cmath>

#include "dense.h"

namespace flambeau::cpu {
namespace {

struct State {
  Type stored;
};

// Kept where the word's 24 leading bits reach `least`.
template <class T>
void drop(const uint32_t* words, uint32_t least, T scale, const T* x, T* y, int64_t n) {
  for (int64_t i = 0; i < n; ++i) y[i] = (words[i] >> 8) >= least ? x[i] * scale : T(0);
}

// Attributes: p, seed, offset.
fl_status run_dropout(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type stored = state_of<State>(self).stored;
  const fl_tensor& out = call->outputs[0];
  const double p = call->attrs[0].value.f;
  const uint64_t seed = uint64_t(call->attrs[1].value.i), offset = uint64_t(call->attrs[2].value.i);
  const uint32_t least = uint32_t(std::ceil(double(float(p)) * 0x1p24));
  const char* x = dense(call->inputs[0], stored);
  const Result result(out, stored);
  if (!x || !result.data()) return no_memory("dropout");
  parallel_for(count_of(out), 16 * kBlock, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[2 * kBlock];
    for (int64_t at = begin; at < end; at += 2 * kBlock) {
      const int64_t n = std::min(2 * kBlock, end - at);
      level->philox(seed, offset + uint64_t(at / 4), divide_up(n, 4), words);
      if (compute_type(stored) == Type::Float64)
        drop(words, least, 1 / (1 - p), reinterpret_cast<const double*>(x) + at, result.as<double>() + at, n);
      else
        drop(words, least, float(1 / (1 - p)), reinterpret_cast<const float*>(x) + at, result.as<float>() + at, n);
    }
  });
  result.store();
  return FL_OK;
}

const fl_kernel* resolve_dropout(const char*, std::span<const Type> types) {
  if (types.size() != 2 || !all_one_float(types)) return nullptr;
  return keep_kernel(run_dropout, State{types[0]});
}

const Registration kDropout({"dropout"}, resolve_dropout);

}  // namespace
}  // namespace flambeau::cpu
