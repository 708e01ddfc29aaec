// resample.cpp: weighted_take and its gradient. Both are sums that are listed once for all lines: of a gradient, what each
// element gave is turned round to who gave to it, so that nothing is written twice.
#include <numeric>
#include <vector>

#include "dense.h"
#include "indices.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

struct State {
  bool gradient;
  Type stored;
};

template <class T>
fl_status run_as(const State& op, const fl_call* call) {
  const char* name = op.gradient ? "weighted_take_grad" : "weighted_take";
  const fl_tensor &x = call->inputs[0], &indices = call->inputs[1], &out = call->outputs[0];
  const int axis = int(call->attrs[0].value.i);
  const int64_t taps = indices.shape[0], positions = indices.shape[1], listed = taps * positions;
  const int64_t n = x.shape[axis], count = out.shape[axis];
  fl_status status = FL_OK;
  const int64_t* index = read_indices(name, indices, op.gradient ? count : n, axis, false, status);
  if (!index) return status;
  int64_t before = 1, after = 1;
  for (int d = 0; d < axis; ++d) before *= x.shape[d];
  for (int d = axis + 1; d < x.ndim; ++d) after *= x.shape[d];
  if (before * count * after == 0) return FL_OK;
  const T* from = reinterpret_cast<const T*>(dense(x, op.stored));
  const T* table = reinterpret_cast<const T*>(dense(call->inputs[2], op.stored));
  const Result result(out, op.stored);
  if (!from || !table || !result.data()) return no_memory(name);

  std::vector<int64_t> starts(size_t(count) + 1, 0), sources(static_cast<size_t>(listed));
  std::vector<T> weights(static_cast<size_t>(listed));
  const auto sum_of = [&](int64_t i, int64_t t) { return op.gradient ? index[t * positions + i] : i; };
  for (int64_t i = 0; i < positions; ++i)
    for (int64_t t = 0; t < taps; ++t) ++starts[size_t(sum_of(i, t)) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<int64_t> next(starts.begin(), starts.end() - 1);
  for (int64_t i = 0; i < positions; ++i)
    for (int64_t t = 0; t < taps; ++t) {
      const size_t at = size_t(next[size_t(sum_of(i, t))]++);
      sources[at] = op.gradient ? i : index[t * positions + i];
      weights[at] = table[t * positions + i];
    }
  const Mixing mixing{count, op.gradient ? 0 : taps, starts.data(), sources.data(), weights.data()};
  const MixLoops& loops = *level->mix(compute_type(op.stored));
  T* to = result.as<T>();
  const int64_t work = std::max<int64_t>(1, listed / count * after);  // of a part
  if (after == 1) {
    parallel_for(before, std::max<int64_t>(8, 16 * kBlock / (work * count) / 8 * 8), [&](int64_t begin, int64_t end) {
      loops.lines(mixing, from + begin * n, n, to + begin * count, end - begin);
    });
  } else {
    parallel_for(before * count, std::max<int64_t>(1, 16 * kBlock / work), [&](int64_t begin, int64_t end) {
      loops.parts(mixing, from, n, after, to, begin, end);
    });
  }
  result.store();
  return FL_OK;
}

fl_status run_weighted_take(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& op = state_of<State>(self);
  return compute_type(op.stored) == Type::Float64 ? run_as<double>(op, call) : run_as<float>(op, call);
}

template <bool gradient>
const fl_kernel* resolve(const char*, std::span<const Type> types) {
  const bool fits = types.size() == 4 && is_floating(types[0]) && is_integer(types[1]) && types[2] == types[0] && types[3] == types[0];
  return fits ? keep_kernel(run_weighted_take, State{gradient, types[0]}) : nullptr;
}

const Registration kWeightedTake({"weighted_take"}, resolve<false>);
const Registration kWeightedTakeGrad({"weighted_take_grad"}, resolve<true>);

}  // namespace
}  // namespace flambeau::cpu
