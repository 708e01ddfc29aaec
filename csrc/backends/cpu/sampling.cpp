// sampling.cpp: grid_sample and its gradients, image by image: points are shared out, and channels where points add up.
#include <algorithm>
#include <cstring>
#include <limits>
#include <string_view>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

enum class Kind : uint8_t { Read, InputGrad, GridGrad };
struct State {
  const char* name;
  Kind kind;
  Type stored;
};

Sampling sampling_of(const fl_tensor& x, const fl_attr* how) {
  const std::string_view mode = how[0].value.text, outside = how[1].value.text;
  Sampling sampling{x.ndim - 2, {1, 1, 1}, SampleMode::Bilinear, SampleOutside::Zeros, how[2].value.i != 0};
  for (int a = 0; a < sampling.axes; ++a) sampling.sizes[a] = x.shape[a + 2];
  if (mode != "bilinear") sampling.mode = mode == "nearest" ? SampleMode::Nearest : SampleMode::Bicubic;
  if (outside != "zeros") sampling.outside = outside == "border" ? SampleOutside::Border : SampleOutside::Reflection;
  return sampling;
}

template <class T>
fl_status run_as(const State& op, const fl_call* call) {
  const bool spread = op.kind == Kind::InputGrad;
  const fl_tensor& x = spread ? call->outputs[0] : call->inputs[op.kind == Kind::Read ? 0 : 1];
  const fl_tensor& grid = call->inputs[call->input_count - 1];
  const Sampling how = sampling_of(x, call->attrs + (spread ? 1 : 0));
  const int64_t batch = x.shape[0], channels = x.shape[1], elements = how.sizes[0] * how.sizes[1] * how.sizes[2];
  int64_t points = 1;
  for (int a = 0; a < how.axes; ++a) points *= grid.shape[a + 1];
  if (elements > std::numeric_limits<int32_t>::max()) return FL_UNSUPPORTED;
  const T* first = reinterpret_cast<const T*>(dense(call->inputs[0], op.stored));
  const T* second = reinterpret_cast<const T*>(dense(call->inputs[1], op.stored));
  const T* places = call->input_count > 2 ? reinterpret_cast<const T*>(dense(grid, op.stored)) : second;
  const Result result(call->outputs[0], op.stored);
  if (!first || !second || !places || !result.data()) return no_memory(op.name);
  const SampleLoops& loops = *level->sample(compute_type(op.stored));
  T* to = result.as<T>();
  if (spread) {
    constexpr int64_t kTogether = 8;  // channels
    const int64_t chunks = divide_up(channels, kTogether);
    parallel_for(batch * chunks, std::max<int64_t>(1, 2 * kBlock / std::max<int64_t>(1, points)), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t image = unit / chunks, from = unit % chunks * kTogether, count = std::min(kTogether, channels - from);
        T* dx = to + (image * channels + from) * elements;
        std::memset(dx, 0, size_t(count * elements) * sizeof(T));
        loops.input_grad(how, first + (image * channels + from) * points, points, places + image * points * how.axes, points, count, dx, elements);
      }
    });
  } else {
    constexpr int64_t kPiece = 256;  // points
    const int64_t pieces = divide_up(points, kPiece), work = kPiece * std::max<int64_t>(1, channels);
    parallel_for(batch * pieces, std::max<int64_t>(1, 8 * kBlock / work), [&](int64_t begin, int64_t end) {
      for (int64_t unit = begin; unit < end; ++unit) {
        const int64_t image = unit / pieces, from = unit % pieces * kPiece, count = std::min(kPiece, points - from);
        const int64_t values = image * channels * points + from, pixels = image * channels * elements;
        const T* there = places + (image * points + from) * how.axes;
        if (op.kind == Kind::Read) loops.read(how, first + pixels, elements, there, count, channels, to + values, points);
        else loops.grid_grad(how, first + values, points, second + pixels, elements, there, count, channels, to + (image * points + from) * how.axes);
      }
    });
  }
  result.store();
  return FL_OK;
}

fl_status run_sampling(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& op = state_of<State>(self);
  if (count_of(call->outputs[0]) == 0) return FL_OK;
  return compute_type(op.stored) == Type::Float64 ? run_as<double>(op, call) : run_as<float>(op, call);
}

const fl_kernel* resolve_sampling(const char* name, std::span<const Type> types) {
  if (!all_one_float(types)) return nullptr;
  constexpr std::pair<const char*, Kind> kKinds[] = {
      {"grid_sample", Kind::Read}, {"grid_sample_input_grad", Kind::InputGrad}, {"grid_sample_grid_grad", Kind::GridGrad}};
  for (const auto& [known, kind] : kKinds)
    if (std::strcmp(name, known) == 0) return keep_kernel(run_sampling, State{known, kind, types[0]});
  return nullptr;
}

const Registration kSampling({"grid_sample", "grid_sample_input_grad", "grid_sample_grid_grad"}, resolve_sampling);

}  // namespace
}  // namespace flambeau::cpu
