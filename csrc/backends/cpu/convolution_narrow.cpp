// convolution_narrow.cpp: the gradient for the weight where groups have one input channel and planes are narrow. Lines of a
// plane would leave most lanes empty, so neighbouring channels go along the vectors: as many planes as a vector has lanes are
// turned, pixel by pixel, into scratch that stays in the first cache, and every kernel element has a vector of sums. Threads
// share out the channels: sizes alone decide.
#include "convolution.h"

#include <cstring>

namespace flambeau::cpu {
namespace {

constexpr int64_t kCopied = kBlock / 2;  // elements of the largest plane with its zeros
constexpr int64_t kHeld = 512;           // vectors added up in the type of computation
constexpr int64_t kTaps = 64;            // of the largest kernel

// Rows and columns of a plane with its zeros.
int64_t copied_size(const Geometry& g, size_t axis) {
  return std::max((g.y[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1, g.before[axis] + g.x[axis]);
}

}  // namespace

bool narrow_weight_grad_fits(const Geometry& g, int64_t lanes) {
  if (2 * g.x[2] > lanes || g.in != g.groups || g.out != g.in || g.in < lanes || product(g.kernel) > kTaps) return false;
  if (g.x[0] != 1 || g.y[0] != 1 || g.kernel[0] != 1 || g.before[0] != 0) return false;
  double plane = 1;  // in double: sizes and steps may be any numbers
  for (size_t axis = 1; axis < 3; ++axis)
    plane *= double(g.y[axis]) * double(g.stride[axis]) + double(g.kernel[axis]) * double(g.dilation[axis]) + double(g.before[axis]) +
             double(g.x[axis]);
  return plane <= double(8 * kCopied) && copied_size(g, 1) * copied_size(g, 2) <= kCopied;
}

template <class T>
bool narrow_weight_grad(const Geometry& g, const T* grad, const T* x, T* out) {
  const DepthwiseLoops& loops = *level->depthwise(type_as<T>());
  const int64_t lanes = loops.lanes, groups = divide_up(g.in, lanes), kernel = product(g.kernel), in = product(g.x), size = product(g.y);
  const int64_t columns = copied_size(g, 2), copied = copied_size(g, 1) * columns * lanes, sums = kernel * lanes;
  // Where pixels go in the copy, what a kernel element reads, and where a window begins; in elements.
  std::vector<int32_t> places, offsets, bases;
  for (int64_t h = 0; h < g.x[1]; ++h)
    for (int64_t w = 0; w < g.x[2]; ++w) places.push_back(int32_t(((h + g.before[1]) * columns + g.before[2] + w) * lanes));
  for (int64_t h = 0; h < g.kernel[1]; ++h)
    for (int64_t w = 0; w < g.kernel[2]; ++w) offsets.push_back(int32_t((h * g.dilation[1] * columns + w * g.dilation[2]) * lanes));
  for (int64_t h = 0; h < g.y[1]; ++h)
    for (int64_t w = 0; w < g.y[2]; ++w) bases.push_back(int32_t((h * g.stride[1] * columns + w * g.stride[2]) * lanes));

  const size_t bytes = size_t(copied + size * lanes + sums) * sizeof(T) + size_t(sums) * sizeof(double);
  return parallel_with_scratch(groups, 1, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    double* totals = static_cast<double*>(scratch);
    T *held = reinterpret_cast<T*>(totals + sums), *copy = held + sums, *share = copy + copied;
    std::memset(copy, 0, size_t(copied + size * lanes) * sizeof(T));
    for (int64_t group = begin; group < end; ++group) {
      const int channels = int(std::min(lanes, g.in - group * lanes));
      if (channels < lanes) std::memset(share, 0, size_t(size * lanes) * sizeof(T));
      std::fill(totals, totals + sums, 0.0);
      for (int64_t image = 0; image < g.batch;) {
        std::memset(held, 0, size_t(sums) * sizeof(T));
        for (int64_t added = 0; image < g.batch && (added == 0 || added + size <= kHeld); ++image, added += size) {
          const int64_t plane = image * g.in + group * lanes;
          loops.across_in(x + plane * in, in, channels, in, places.data(), copy);
          level->transpose(grad + plane * size, size, share, lanes, channels, size, int64_t(sizeof(T)));
          loops.across_grad(size, bases.data(), kernel, offsets.data(), copy, share, held);
        }
        for (int64_t i = 0; i < sums; ++i) totals[i] += double(held[i]);
      }
      for (int64_t t = 0; t < kernel; ++t)
        for (int64_t c = 0; c < channels; ++c) out[(group * lanes + c) * kernel + t] = T(totals[t * lanes + c]);
    }
  });
}

template bool narrow_weight_grad(const Geometry&, const float*, const float*, float*);
template bool narrow_weight_grad(const Geometry&, const double*, const double*, double*);

}  // namespace flambeau::cpu
