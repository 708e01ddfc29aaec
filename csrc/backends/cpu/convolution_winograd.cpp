// convolution_winograd.cpp: 3 by 3 kernels without a stride by Winograd's F(2 x 2, 3 x 3): 16 products where the direct
// way takes 36. Squares of 4 by 4 pixels, two apart, are transformed, multiplied with the transformed weight (16 products
// of tiles by channels) and transformed back to squares of 2 by 2. The gradients are the adjoints of the same steps. The
// transforms only add and halve, so whole numbers stay exact; an infinity or a NaN would spread through its square, so a
// result with one is computed another way.
#include "convolution.h"

#include <cstring>
#include <numeric>

namespace flambeau::cpu {
namespace {

constexpr int64_t kPoints = 16;            // elements of a transformed square
constexpr int64_t kKernel = 9;
constexpr int64_t kLeastChannels = 16;     // fewer than these and the transforms cost more than they save
constexpr int64_t kLeastTiles = 24;        // the transformed weight is 16/9 of the weight: it must be used often
constexpr int64_t kInputs = 96 * kBlock;   // transformed elements of a task, which stay in the second cache
constexpr int64_t kPanels = 4;             // panels of a task
constexpr int64_t kTasks = 16;             // wanted at least
constexpr int64_t kShared = 2048 * kBlock; // transformed elements between two steps of the weight's gradient
constexpr int64_t kTileDepth = 256;        // tiles of a sum between two visits of a result

struct Tiles {
  int64_t batch, high, wide;
  int64_t count() const { return batch * high * wide; }
  // visit(image, row of tiles, first tile of the row, count) for tiles [begin, end).
  template <class Visit>
  void for_each_row(int64_t begin, int64_t end, const Visit& visit) const {
    for (int64_t at = begin; at < end;) {
      const int64_t count = std::min(wide - at % wide, end - at);
      visit(at / wide / high, at / wide % high, at % wide, count);
      at += count;
    }
  }
};
Tiles tiles_of(int64_t batch, const Sizes& size) { return {batch, divide_up(size[1], 2), divide_up(size[2], 2)}; }

std::vector<int64_t> elements_of_kernel(bool turned) {
  std::vector<int64_t> taps(static_cast<size_t>(kKernel));
  std::iota(taps.begin(), taps.end(), 0);
  if (turned) std::reverse(taps.begin(), taps.end());
  return taps;
}

// [panel][point][channel][lane]
template <class T>
T* transform_weight(const Correlation& c, const WinogradLoops& winograd, const Panels& panels, bool turned, const T* weight) {
  const T* packed = pack_weight(c, elements_of_kernel(turned), panels, weight);
  T* to = static_cast<T*>(host->scratch(size_t(kPoints * c.channels * panels.padded()) * sizeof(T)));
  if (!packed || !to) return nullptr;
  constexpr int64_t kTogether = 16;  // channels
  const int64_t pieces = divide_up(c.channels, kTogether);
  parallel_for(panels.count() * pieces, 4, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / pieces, first = i % pieces * kTogether, wide = panels.wide(panel);
      const int64_t before = panel * panels.width * c.channels, plane = c.channels * wide;
      winograd.weight(packed + before * kKernel + first * wide, plane, std::min(kTogether, c.channels - first) * wide,
                      to + before * kPoints + first * wide, plane);
    }
  });
  return to;
}

template <class T>
struct Product {
  const Correlation& c;
  const ConvolutionLoops& loops;
  const WinogradLoops& winograd;
  const Panels panels;
  const Tiles tiles;
  const Sizes size;  // of the copy
  const T *copy, *weight, *bias;
  T* out;
  std::vector<int64_t> offsets;

  int64_t inputs_plane(int64_t together) const { return together * c.channels + loops.lanes; }  // not all of them in the
  int64_t sums_plane(int64_t together) const { return together * panels.width + loops.lanes; }  // same lines of the cache
  size_t memory(int64_t together) const {
    return size_t(kPoints * (inputs_plane(together) + sums_plane(together)) + 4 * together * panels.width) * sizeof(T);
  }

  // Tiles [begin, end) of panels [first, last).
  bool run(int64_t begin, int64_t end, int64_t first, int64_t last, int64_t together, T* memory) const {
    const int64_t inputs_step = inputs_plane(together), sums_step = sums_plane(together), channels = c.channels;
    T *inputs = memory, *sums = inputs + kPoints * inputs_step, *squares = sums + kPoints * sums_step;
    const int64_t row = size[2] * channels;
    T* to = inputs;
    tiles.for_each_row(begin, end, [&](int64_t image, int64_t h, int64_t w, int64_t count) {
      winograd.input(copy + (image * size[1] + 2 * h) * row + 2 * w * channels, channels, row, count, channels, to, channels, inputs_step);
      to += count * channels;
    });
    bool finite = true;
    for (int64_t panel = first; panel < last; ++panel) {
      const int64_t wide = panels.wide(panel);
      const T* factors = weight + panel * panels.width * channels * kPoints;
      for (int64_t point = 0; point < kPoints; ++point)
        for_each_chunk(end - begin, loops.rows, [&](int64_t tile, int64_t count) {
          const Run run{tile * channels, channels};
          loops.tile(int(count), panels.vectors(panel), inputs + point * inputs_step, offsets.data(), &run, 1, 1,
                     factors + point * channels * wide, sums + point * sums_step + tile * wide, wide, false, nullptr);
        });
      finite = put(sums, sums_step, begin, end, panel, squares) && finite;
    }
    return finite;
  }

  // The sums of tiles [begin, end) of a panel back to squares of pixels, and those to the result, channels first. Rows of
  // tiles that are whole become lines that lie side by side in a plane, so they are turned together. Whether every number
  // is finite.
  bool put(const T* sums, int64_t sums_step, int64_t begin, int64_t end, int64_t panel, T* squares) const {
    bool finite = true;
    const int64_t wide = panels.wide(panel), used = panels.used(panel), plane = product(c.target), width = c.target[2];
    const T* more = bias ? bias + panel * panels.width : nullptr;
    for (int64_t at = begin; at < end;) {
      const int64_t image = at / (tiles.high * tiles.wide), h = at / tiles.wide % tiles.high, w = at % tiles.wide;
      const int64_t stop = std::min(end, (image + 1) * tiles.high * tiles.wide);
      const bool whole = w == 0 && stop - at >= tiles.wide;
      const int64_t rows = whole ? (stop - at) / tiles.wide : 1, count = whole ? tiles.wide : std::min(tiles.wide - w, stop - at);
      const int64_t columns = std::min(2 * count, width - 2 * w), lines = std::min(2 * rows, c.target[1] - 2 * h);
      const int64_t line = 2 * count * wide;
      for (int64_t i = 0; i < rows; ++i)
        finite = winograd.output(sums + (at - begin + i * count) * wide, wide, sums_step, count, wide, more,
                                 squares + 2 * i * line, wide, line) && finite;
      T* target = out + (image * c.rows + panel * panels.width) * plane + 2 * h * width + 2 * w;
      if (whole) {
        for (int64_t i = 1; columns < 2 * count && i < lines; ++i)  // the column past an odd width goes
          std::memmove(squares + i * columns * wide, squares + i * line, size_t(columns * wide) * sizeof(T));
        level->transpose(squares, wide, target, plane, lines * columns, used, int64_t(sizeof(T)));
      } else {
        for (int64_t i = 0; i < lines; ++i)
          level->transpose(squares + i * line, wide, target + i * width, plane, columns, used, int64_t(sizeof(T)));
      }
      at += rows * count;
    }
    return finite;
  }
};

}  // namespace

bool winograd_fits(const Geometry& g, const Sizes& target, int64_t lanes) {
  if (g.groups != 1 || g.kernel[0] != 1 || g.kernel[1] != 3 || g.kernel[2] != 3) return false;
  if (g.x[0] != 1 || g.y[0] != 1 || g.before[0] != 0 || g.before[1] > 2 || g.before[2] > 2) return false;
  for (size_t axis = 0; axis < 3; ++axis)
    if (g.stride[axis] != 1 || g.dilation[axis] != 1) return false;
  const Tiles tiles = tiles_of(g.batch, target);
  const int64_t least = std::max(lanes, kLeastChannels);
  // What is computed beyond the edge must leave something of the gain.
  return g.in >= least && g.out >= least && tiles.count() >= kLeastTiles && 2 * 4 * tiles.high * tiles.wide <= 3 * product(target);
}

template <class T>
Outcome multiply_winograd(const Correlation& c, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* x,
                          const Sizes& x_size, const Sizes& before, bool turned, const T* weight, const T* bias, T* out) {
  const Panels panels(c.rows, loops);
  const Tiles tiles = tiles_of(c.batch, c.target);
  const Sizes size{1, 2 * tiles.high + 2, 2 * tiles.wide + 2};
  const T* copy = copy_last(x, c.batch, c.channels, x_size, before, size, {1, 1, 1});
  const T* factors = transform_weight(c, winograd, panels, turned, weight);
  if (!copy || !factors) return Outcome::NoMemory;
  if (bias) {
    T* padded = static_cast<T*>(host->scratch(size_t(panels.padded()) * sizeof(T)));
    if (!padded) return Outcome::NoMemory;
    std::copy(bias, bias + c.rows, padded);
    std::fill(padded + c.rows, padded + panels.padded(), T(0));
    bias = padded;
  }
  Product<T> product{c, loops, winograd, panels, tiles, size, copy, factors, bias, out, {}};
  for (int64_t i = 0; i < loops.rows; ++i) product.offsets.push_back(i * c.channels);
  const int64_t all = tiles.count(), tile = loops.rows;
  int64_t wide = std::min(panels.count(), kPanels);
  int64_t together = std::clamp(kInputs / (kPoints * c.channels) / tile, int64_t(4), int64_t(8)) * tile;
  const auto tasks = [&] { return divide_up(panels.count(), wide) * divide_up(all, together); };
  while (tasks() < kTasks && wide > 1) wide = divide_up(wide, 2);
  while (tasks() < kTasks && together > 2 * tile) together = divide_up(together, 2 * tile) * tile;
  together = divide_up(all, divide_up(all, together));
  const int64_t across = divide_up(panels.count(), wide), down = divide_up(all, together);
  bool finite = true;
  const bool fine = parallel_with_scratch(across * down, 1, product.memory(together), [&](void* scratch, int64_t begin, int64_t end) {
    T* memory = static_cast<T*>(scratch);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % down * together, panel = i / down * wide;
      if (!product.run(first, std::min(all, first + together), panel, std::min(panels.count(), panel + wide), together, memory))
        __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
    }
  });
  return !fine ? Outcome::NoMemory : finite ? Outcome::Done : Outcome::NotFinite;
}

// ---- the gradient for the weight -----------------------------------------------------------------------------

template <class T>
Outcome weight_grad_winograd(const Geometry& g, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* grad,
                             const T* x, T* out) {
  const Panels panels(g.out, loops);
  const Tiles tiles = tiles_of(g.batch, g.y);
  const int64_t channels = g.in, padded = panels.padded(), all = tiles.count();
  const Sizes size{1, 2 * tiles.high + 2, 2 * tiles.wide + 2}, g_size{1, 2 * tiles.high, 2 * tiles.wide};
  const T* copy = copy_last(x, g.batch, channels, g.x, g.before, size, {1, 1, 1});
  const T* last = copy_last(grad, g.batch, g.out, g.y, {0, 0, 0}, g_size, {1, 1, 1});
  const int64_t steps = divide_up(all * kPoints * (channels + padded), kShared), together = divide_up(all, steps);
  const int64_t inputs_plane = together * channels + loops.lanes, grads_plane = together * padded + loops.lanes;
  const int64_t sums_plane = channels * padded;
  // [point][tile][channel]; [point][panel][tile][lane]; [point][panel][channel][lane]
  T* inputs = static_cast<T*>(host->scratch(size_t(kPoints * inputs_plane) * sizeof(T)));
  T* grads = static_cast<T*>(host->scratch(size_t(kPoints * grads_plane) * sizeof(T)));
  T* sums = static_cast<T*>(host->scratch(size_t(kPoints * sums_plane) * sizeof(T)));
  if (!copy || !last || !inputs || !grads || !sums) return Outcome::NoMemory;
  if (padded > g.out) std::fill_n(grads, kPoints * grads_plane, T(0));
  std::vector<int64_t> offsets(size_t(loops.rows), 0);
  std::iota(offsets.begin(), offsets.end(), 0);
  for (int64_t begin = 0; begin < all; begin += together) {
    const int64_t count = std::min(together, all - begin);
    parallel_for(count, std::max<int64_t>(1, 8 * kBlock / (channels + padded)), [&](int64_t first, int64_t stop) {
      int64_t at = first;
      tiles.for_each_row(begin + first, begin + stop, [&](int64_t image, int64_t h, int64_t w, int64_t n) {
        winograd.input(copy + ((image * size[1] + 2 * h) * size[2] + 2 * w) * channels, channels, size[2] * channels, n, channels,
                       inputs + at * channels, channels, inputs_plane);
        for (int64_t panel = 0; panel < panels.count(); ++panel)
          winograd.output_grad(last + ((image * g_size[1] + 2 * h) * g_size[2] + 2 * w) * g.out + panel * panels.width, g.out,
                               g_size[2] * g.out, n, panels.used(panel),
                               grads + panel * panels.width * together + at * panels.wide(panel), panels.wide(panel), grads_plane);
        at += n;
      });
    });
    parallel_for(kPoints * panels.count(), 1, [&](int64_t first, int64_t stop) {
      for (int64_t i = first; i < stop; ++i) {
        const int64_t point = i % kPoints, panel = i / kPoints, wide = panels.wide(panel);
        for (int64_t depth = 0; depth < count; depth += kTileDepth) {
          const Run run{depth * channels, std::min(kTileDepth, count - depth)};
          for_each_chunk(channels, loops.rows, [&](int64_t channel, int64_t n) {
            loops.tile(int(n), panels.vectors(panel), inputs + point * inputs_plane + channel, offsets.data(), &run, 1, channels,
                       grads + point * grads_plane + panel * panels.width * together + depth * wide,
                       sums + point * sums_plane + panel * panels.width * channels + channel * wide, wide, begin + depth > 0, nullptr);
          });
        }
      }
    });
  }
  constexpr int64_t kTogether = 16;  // channels
  const int64_t pieces = divide_up(channels, kTogether);
  const int64_t elements = kTogether * kKernel * panels.width;
  bool finite = true;
  const bool fine = parallel_with_scratch(panels.count() * pieces, 4, 2 * size_t(elements) * sizeof(T), [&](void* scratch, int64_t begin, int64_t end) {
    T *memory = static_cast<T*>(scratch), *turned = memory + elements;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t panel = i / pieces, first = i % pieces * kTogether, n = std::min(kTogether, channels - first), wide = panels.wide(panel);
      if (!winograd.weight_grad(sums + panel * panels.width * channels + first * wide, sums_plane, n * wide, memory, n * wide))
        __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
      for (int64_t tap = 0; tap < kKernel; ++tap)
        for (int64_t channel = 0; channel < n; ++channel)
          std::memcpy(turned + (channel * kKernel + tap) * wide, memory + (tap * n + channel) * wide, size_t(wide) * sizeof(T));
      unpack_panel(turned, n * kKernel, panels, panel, out + (panel * panels.width * channels + first) * kKernel, channels * kKernel);
    }
  });
  return !fine ? Outcome::NoMemory : finite ? Outcome::Done : Outcome::NotFinite;
}

#define FL_INSTANCES(T)                                                                                                   \
  template Outcome multiply_winograd(const Correlation&, const ConvolutionLoops&, const WinogradLoops&, const T*,         \
                                     const Sizes&, const Sizes&, bool, const T*, const T*, T*);                           \
  template Outcome weight_grad_winograd(const Geometry&, const ConvolutionLoops&, const WinogradLoops&, const T*, const T*, T*);
FL_INSTANCES(float)
FL_INSTANCES(double)
#undef FL_INSTANCES

}  // namespace flambeau::cpu
