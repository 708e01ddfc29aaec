// convolution.h: what the ways of computing a convolution share: line by line for few channels (convolution.cpp), tiles
// over images with channels last (convolution_last.cpp), over windows of few positions (convolution_few.cpp), Winograd's
// for 3 by 3 (convolution_winograd.cpp), plane by plane where each has a kernel of its own (convolution_depthwise.cpp,
// convolution_narrow.cpp), products for kernels of one element (convolution_pointwise.cpp).
#ifndef FLAMBEAU_CPU_CONVOLUTION_H
#define FLAMBEAU_CPU_CONVOLUTION_H

#include <algorithm>
#include <array>
#include <vector>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {

template <class T>
constexpr Type type_as() {
  return sizeof(T) == 8 ? Type::Float64 : Type::Float32;
}

using Sizes = std::array<int64_t, 3>;  // depth, height, width
inline int64_t product(const Sizes& sizes) { return sizes[0] * sizes[1] * sizes[2]; }

struct Geometry {
  Sizes x, y, kernel;
  Sizes stride{1, 1, 1}, before{0, 0, 0}, dilation{1, 1, 1};
  int64_t batch, in, out, groups;
  int64_t in_group() const { return in / groups; }
  int64_t out_group() const { return out / groups; }
};

struct Tap {
  int64_t kernel;  // its place along the kernel's axis
  int64_t offset;  // where it reads, from the position's start
};
// Positions along one axis, and what they read and write.
struct Axis {
  int64_t count;
  int64_t source_step;
  int64_t target_start, target_step;
  std::vector<Tap> taps;
};
using Axes = std::array<Axis, 3>;

// out[rows] = weight[rows, channels, taps] x[channels, positions + taps] (+ bias), for every image and group.
struct Correlation {
  Axes axes;
  Sizes source;                           // of the copy with zeros around it that is read
  Sizes target;                           // of the result
  int64_t batch, groups, rows, channels;  // rows and channels of a group
  Sizes kernel;
  int64_t row_step, channel_step, group_step;  // of the weight
  int64_t positions() const { return axes[0].count * axes[1].count * axes[2].count; }
};

// Planes of (depth, height, phases of a row, columns of a phase), with zeros around.
struct Padded {
  Sizes size;  // with the zeros
  int64_t phases = 1, columns;  // of a row
  int64_t row() const { return phases * columns; }
  int64_t plane() const { return size[0] * size[1] * row(); }
};

// Pieces of the runs for elements [begin, end) of their sum.
inline void cut_runs(const std::vector<Run>& runs, int64_t begin, int64_t end, std::vector<Run>& pieces) {
  int64_t at = 0;
  for (const Run& run : runs) {
    const int64_t from = std::max(begin, at), to = std::min(end, at + run.length);
    if (from < to) pieces.push_back({run.start + from - at, to - from});
    at += run.length;
  }
}

// Images with channels last and zeros around: pixel (d, h, w) of `size` is pixel (d, h, w) * every - before of x.
// Null: no memory.
template <class T>
T* copy_last(const T* x, int64_t batch, int64_t channels, const Sizes& x_size, const Sizes& before, const Sizes& size,
             const Sizes& every);

// Rows of a weight, or channels of a gradient, in panels as wide as a tile; the last one may be narrower.
struct Panels {
  int64_t rows, width, lanes;
  Panels(int64_t all, const ConvolutionLoops& loops) : rows(all), width(loops.vectors * loops.lanes), lanes(loops.lanes) {}
  int64_t count() const { return divide_up(rows, width); }
  int64_t used(int64_t panel) const { return std::min(width, rows - panel * width); }
  int vectors(int64_t panel) const { return int(divide_up(used(panel), lanes)); }
  int64_t wide(int64_t panel) const { return vectors(panel) * lanes; }
  int64_t padded() const { return divide_up(rows, lanes) * lanes; }
};
// [group][panel][tap][channel][lane]: the kernel elements `taps` of the weight. Null: no memory.
template <class T>
T* pack_weight(const Correlation& c, const std::vector<int64_t>& taps, const Panels& panels, const T* weight);
// The way back for a gradient: elements[(channel, kernel element)][lane] of a panel to rows of out.
template <class T>
void unpack_panel(const T* elements, int64_t count, const Panels& panels, int64_t panel, T* out, int64_t row_step);

// Rows of a tile: n cut into nearly equal pieces of at most `rows`. visit(begin, count).
template <class Visit>
void for_each_chunk(int64_t n, int64_t rows, const Visit& visit) {
  if (n == 0) return;
  const int64_t chunks = divide_up(n, rows), least = n / chunks, larger = n % chunks;
  for (int64_t i = 0, begin = 0; i < chunks; ++i) {
    const int64_t count = least + (i < larger ? 1 : 0);
    visit(begin, count);
    begin += count;
  }
}

// copy is of copy_last. False: no memory.
template <class T>
bool multiply_last(const Correlation& c, const ConvolutionLoops& loops, const T* copy, const T* weight, const T* bias, T* out);
template <class T>
bool weight_grad_last(const Geometry& g, const ConvolutionLoops& loops, const T* grad, const T* x, T* out);

// Whether the weight is so much of a product that it should be read where it lies. c's taps and the copy are laid out by
// the stride's phases.
bool few_positions(const Correlation& c);
template <class T>
bool multiply_few(const Correlation& c, const Padded& padded, const ConvolutionLoops& loops, const T* copy, const T* weight,
                  const T* bias, T* out);
template <class T>
bool weight_grad_few(const Correlation& c, const Padded& padded, const ConvolutionLoops& loops, const T* copy, const T* grad, T* out);

// Planes with kernels of their own (groups of one input channel), one at a time while it is in the cache. Whether the way is
// open; false of the others: no memory.
bool depthwise_fits(const Geometry& g);
bool depthwise_grad_fits(const Geometry& g);         // for the input
bool depthwise_weight_grad_fits(const Geometry& g);  // for the weight
template <class T>
bool depthwise(const Geometry& g, const T* x, const T* weight, const T* bias, T* out);
template <class T>
bool depthwise_input_grad(const Geometry& g, const T* grad, const T* weight, T* out);
template <class T>
bool depthwise_weight_grad(const Geometry& g, const T* grad, const T* x, T* out);

// The gradient for the weight of such planes where they are narrow, with channels along the vectors.
bool narrow_weight_grad_fits(const Geometry& g, int64_t lanes);
template <class T>
bool narrow_weight_grad(const Geometry& g, const T* grad, const T* x, T* out);

// Kernels of one element without a stride: a product for each image and group. Whether the way is open; false: no memory.
bool pointwise_fits(const Geometry& g);
template <class T>
bool pointwise(const Geometry& g, const T* x, const T* weight, const T* bias, T* out);
template <class T>
bool pointwise_input_grad(const Geometry& g, const T* grad, const T* weight, T* out);
template <class T>
bool pointwise_weight_grad(const Geometry& g, const T* grad, const T* x, T* out);

// Whether Winograd's way is open and worth it.
bool winograd_fits(const Geometry& g, const Sizes& target, int64_t lanes);
enum class Outcome : uint8_t { Done, NotFinite, NoMemory };  // NotFinite: the result must be computed another way
// Rows, channels and steps of c; x is padded by `before`.
template <class T>
Outcome multiply_winograd(const Correlation& c, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* x,
                          const Sizes& x_size, const Sizes& before, bool turned, const T* weight, const T* bias, T* out);
template <class T>
Outcome weight_grad_winograd(const Geometry& g, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* grad,
                             const T* x, T* out);

}  // namespace flambeau::cpu

#endif
