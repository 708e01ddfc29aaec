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
constexpr int64_t kCached = 192 * kBlock;  // elements of everything that an image needs, if the second cache holds them
constexpr int64_t kImages = 16;            // images from which each may be a task
constexpr int64_t kTilesAtOnce = 72;       // tiles that a task of whole images has, about
constexpr int64_t kParts = 8;              // sums of their own in the weight's gradient

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

// What is wanted soon comes to the cache while something else is computed: a share of it at a time.
struct Wanted {
  const void* from = nullptr;
  int64_t bytes = 0;
  void ask(int64_t share, int64_t shares) const {
    const char* first = static_cast<const char*>(from);
    for (int64_t at = bytes * share / shares / 64 * 64; at < bytes * (share + 1) / shares; at += 64) __builtin_prefetch(first + at, 0, 2);
  }
};

// Images that are turned one at a time, channels last, into a frame whose zeros stay.
template <class T>
struct Frame {
  const T* x;
  int64_t channels;
  Sizes x_size, before, size;
  int64_t pixels() const { return product(x_size); }
  int64_t elements() const { return product(size) * channels; }
  bool full() const { return pixels() == product(size); }
  Wanted wanted(int64_t image, int64_t end) const {
    return image < end ? Wanted{x + image * channels * pixels(), channels * pixels() * int64_t(sizeof(T))} : Wanted{};
  }
  // `turned` holds an image.
  void put(int64_t image, T* to, T* turned) const {
    T* lines = full() ? to : turned;
    level->transpose(x + image * channels * pixels(), pixels(), lines, channels, channels, pixels(), int64_t(sizeof(T)));
    const int64_t line = x_size[2] * channels;
    for (int64_t h = 0; lines == turned && h < x_size[1]; ++h)
      std::memcpy(to + ((h + before[1]) * size[2] + before[2]) * channels, turned + h * line, size_t(line) * sizeof(T));
  }
};

template <class T>
struct Product {
  const Correlation& c;
  const ConvolutionLoops& loops;
  const WinogradLoops& winograd;
  const Panels panels;
  const Tiles tiles;
  const Sizes size;  // of the copy
  const T *weight, *bias;
  T* out;
  std::vector<int64_t> offsets;

  int64_t inputs_plane(int64_t together) const { return together * c.channels + loops.lanes; }  // not all of them in the
  int64_t sums_plane(int64_t together) const { return together * panels.width + loops.lanes; }  // same lines of the cache
  size_t memory(int64_t together) const {
    return size_t(kPoints * (inputs_plane(together) + sums_plane(together)) + 4 * together * panels.width) * sizeof(T);
  }

  // Tiles [begin, end) of panels [first, last); the copy begins with image `first_image`.
  bool run(const T* copy, int64_t first_image, int64_t begin, int64_t end, int64_t first, int64_t last, int64_t together, T* memory,
           const Wanted& wanted, bool wanted_out) const {
    const int64_t inputs_step = inputs_plane(together), sums_step = sums_plane(together), channels = c.channels;
    T *inputs = memory, *sums = inputs + kPoints * inputs_step, *squares = sums + kPoints * sums_step;
    const int64_t row = size[2] * channels, one = tiles.high * tiles.wide, plane = product(c.target);
    T* to = inputs;
    tiles.for_each_row(begin, end, [&](int64_t image, int64_t h, int64_t w, int64_t count) {
      winograd.input(copy + ((image - first_image) * size[1] + 2 * h) * row + 2 * w * channels, channels, row, count, channels, to, channels, inputs_step);
      to += count * channels;
    });
    bool finite = true;
    for (int64_t panel = first; panel < last; ++panel) {
      const int64_t wide = panels.wide(panel);
      const T* factors = weight + panel * panels.width * channels * kPoints;
      for (int64_t point = 0; point < kPoints; ++point) {
        wanted.ask((panel - first) * kPoints + point, (last - first) * kPoints);
        for (int64_t image = begin / one; wanted_out && image * one < end; ++image)
          Wanted{out + (image * c.rows + panel * panels.width) * plane, panels.used(panel) * plane * int64_t(sizeof(T))}.ask(point, kPoints);
        for_each_chunk(end - begin, loops.rows, [&](int64_t tile, int64_t count) {
          const Run run{tile * channels, channels};
          loops.tile(int(count), panels.vectors(panel), inputs + point * inputs_step, offsets.data(), &run, 1, 1,
                     factors + point * channels * wide, sums + point * sums_step + tile * wide, wide, false, nullptr);
        });
      }
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
  const T* factors = transform_weight(c, winograd, panels, turned, weight);
  if (!factors) return Outcome::NoMemory;
  if (bias) {
    T* padded = static_cast<T*>(host->scratch(size_t(panels.padded()) * sizeof(T)));
    if (!padded) return Outcome::NoMemory;
    std::copy(bias, bias + c.rows, padded);
    std::fill(padded + c.rows, padded + panels.padded(), T(0));
    bias = padded;
  }
  Product<T> product{c, loops, winograd, panels, tiles, size, factors, bias, out, {}};
  for (int64_t i = 0; i < loops.rows; ++i) product.offsets.push_back(i * c.channels);
  bool finite = true;
  const auto note = [&](bool all_finite) {
    if (!all_finite) __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
  };
  const Frame<T> frame{x, c.channels, x_size, before, size};
  const int64_t one = tiles.high * tiles.wide;  // tiles of an image
  const auto elements = [&](int64_t n) { return n * frame.elements() + frame.pixels() * c.channels + int64_t(product.memory(n * one) / sizeof(T)); };
  if (c.batch >= kImages && elements(1) + kPoints * c.channels * panels.padded() <= kCached) {
    int64_t n = std::min(divide_up(kTilesAtOnce, one), c.batch / kImages);
    while (n > 1 && elements(n) + kPoints * c.channels * panels.padded() > kCached) --n;
    const bool fine = parallel_with_scratch(divide_up(c.batch, n), 1, size_t(elements(n)) * sizeof(T), [&](void* scratch, int64_t begin, int64_t end) {
      T *frames = static_cast<T*>(scratch), *lines = frames + n * frame.elements(), *memory = lines + frame.pixels() * c.channels;
      std::fill(frames, lines, T(0));
      for (int64_t image = begin * n; image < std::min(c.batch, end * n); image += n) {
        const int64_t stop = std::min(c.batch, image + n);
        for (int64_t i = image; i < stop; ++i) frame.put(i, frames + (i - image) * frame.elements(), lines);
        note(product.run(frames, image, image * one, stop * one, 0, panels.count(), n * one, memory, frame.wanted(stop, c.batch), true));
      }
    });
    return !fine ? Outcome::NoMemory : finite ? Outcome::Done : Outcome::NotFinite;
  }
  const T* copy = copy_last(x, c.batch, c.channels, x_size, before, size, {1, 1, 1});
  if (!copy) return Outcome::NoMemory;
  const int64_t all = tiles.count(), tile = loops.rows;
  int64_t wide = std::min(panels.count(), kPanels);
  int64_t together = std::clamp(kInputs / (kPoints * c.channels) / tile, int64_t(4), int64_t(8)) * tile;
  const auto tasks = [&] { return divide_up(panels.count(), wide) * divide_up(all, together); };
  while (tasks() < kTasks && wide > 1) wide = divide_up(wide, 2);
  while (tasks() < kTasks && together > 2 * tile) together = divide_up(together, 2 * tile) * tile;
  together = divide_up(all, divide_up(all, together));
  const int64_t across = divide_up(panels.count(), wide), down = divide_up(all, together);
  const bool fine = parallel_with_scratch(across * down, 1, product.memory(together), [&](void* scratch, int64_t begin, int64_t end) {
    T* memory = static_cast<T*>(scratch);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % down * together, panel = i / down * wide;
      note(product.run(copy, 0, first, std::min(all, first + together), panel, std::min(panels.count(), panel + wide), together,
                       memory, {}, false));
    }
  });
  return !fine ? Outcome::NoMemory : finite ? Outcome::Done : Outcome::NotFinite;
}

// ---- the gradient for the weight -----------------------------------------------------------------------------

namespace {

template <class T>
class WeightGrad {
 public:
  WeightGrad(const Geometry& g, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* grad, const T* x, T* out)
      : g_(g), loops_(loops), winograd_(winograd), panels_(g.out, loops), tiles_(tiles_of(g.batch, g.y)), out_(out),
        frame_{x, g.in, g.x, g.before, {1, 2 * tiles_.high + 2, 2 * tiles_.wide + 2}},
        grad_frame_{grad, g.out, g.y, {0, 0, 0}, {1, 2 * tiles_.high, 2 * tiles_.wide}},
        offsets_(size_t(loops.rows), 0) {
    std::iota(offsets_.begin(), offsets_.end(), 0);
  }

  Outcome run() {
    const int64_t elements = kPoints * sums_plane() + piece(1);
    const T* sums = g_.batch >= kImages && elements <= kCached ? sums_by_images() : sums_at_once();
    return sums ? put(sums) : Outcome::NoMemory;
  }

 private:
  // Transforms of `together` tiles: [point][tile][channel] and [point][panel][tile][lane]; not all points in the same lines
  // of the cache. Sums are [point][panel][channel][lane].
  int64_t inputs_plane(int64_t together) const { return together * g_.in + loops_.lanes; }
  int64_t grads_plane(int64_t together) const { return together * panels_.padded() + loops_.lanes; }
  int64_t sums_plane() const { return g_.in * panels_.padded(); }
  int64_t image_tiles() const { return tiles_.high * tiles_.wide; }

  // A row of `n` tiles, from pixels x and g, to tile `at` of `together`.
  void transform(const T* x, const T* g, int64_t n, int64_t at, int64_t together, T* inputs, T* grads) const {
    winograd_.input(x, g_.in, frame_.size[2] * g_.in, n, g_.in, inputs + at * g_.in, g_.in, inputs_plane(together));
    for (int64_t panel = 0; panel < panels_.count(); ++panel)
      winograd_.output_grad(g + panel * panels_.width, g_.out, grad_frame_.size[2] * g_.out, n, panels_.used(panel),
                            grads + panel * panels_.width * together + at * panels_.wide(panel), panels_.wide(panel),
                            grads_plane(together));
  }
  void multiply(int64_t point, int64_t panel, int64_t count, int64_t together, const T* inputs, const T* grads, T* sums,
                bool accumulate) const {
    const int64_t wide = panels_.wide(panel);
    for (int64_t depth = 0; depth < count; depth += kTileDepth) {
      const Run run{depth * g_.in, std::min(kTileDepth, count - depth)};
      for_each_chunk(g_.in, loops_.rows, [&](int64_t channel, int64_t n) {
        loops_.tile(int(n), panels_.vectors(panel), inputs + point * inputs_plane(together) + channel, offsets_.data(), &run, 1, g_.in,
                    grads + point * grads_plane(together) + panel * panels_.width * together + depth * wide,
                    sums + point * sums_plane() + panel * panels_.width * g_.in + channel * wide, wide, accumulate || depth > 0, nullptr);
      });
    }
  }

  // Elements beside the sums for so many images at once.
  int64_t piece(int64_t images) const {
    const int64_t together = images * image_tiles();
    return frame_.elements() + grad_frame_.elements() + std::max(frame_.pixels() * g_.in, grad_frame_.pixels() * g_.out) +
           kPoints * (inputs_plane(together) + grads_plane(together));
  }

  // A few images at a time, which stay in the second cache with the sums. Stretches of images have sums of their own, added
  // up in order.
  const T* sums_by_images() {
    int64_t images = std::min(divide_up(kTilesAtOnce, image_tiles()), g_.batch / kImages);
    while (images > 1 && kPoints * sums_plane() + piece(images) > kCached) --images;
    const int64_t together = images * image_tiles(), size = kPoints * sums_plane();
    const int64_t stretch = divide_up(g_.batch, kParts), parts = divide_up(g_.batch, stretch);
    T* sums = static_cast<T*>(host->scratch(size_t(parts * size) * sizeof(T)));
    if (!sums) return nullptr;
    const bool fine = parallel_with_scratch(parts, 1, size_t(piece(images)) * sizeof(T), [&](void* scratch, int64_t begin, int64_t end) {
      T *x = static_cast<T*>(scratch), *g = x + frame_.elements(), *inputs = g + grad_frame_.elements();
      T *grads = inputs + kPoints * inputs_plane(together), *turned = grads + kPoints * grads_plane(together);
      std::fill(x, inputs, T(0));
      if (panels_.padded() > g_.out) std::fill(grads, turned, T(0));
      for (int64_t part = begin; part < end; ++part) {
        const int64_t first = part * stretch, last = std::min(g_.batch, first + stretch);
        for (int64_t image = first; image < last; image += images) {
          const int64_t stop = std::min(last, image + images);
          for (int64_t i = image, at = 0; i < stop; ++i) {
            frame_.put(i, x, turned);
            grad_frame_.put(i, g, turned);
            for (int64_t h = 0; h < tiles_.high; ++h, at += tiles_.wide)
              transform(x + 2 * h * frame_.size[2] * g_.in, g + 2 * h * grad_frame_.size[2] * g_.out, tiles_.wide, at, together, inputs, grads);
          }
          const Wanted wanted = frame_.wanted(stop, last), wanted_grad = grad_frame_.wanted(stop, last);
          for (int64_t point = 0; point < kPoints; ++point) {
            wanted.ask(point, kPoints);
            wanted_grad.ask(point, kPoints);
            for (int64_t panel = 0; panel < panels_.count(); ++panel)
              multiply(point, panel, (stop - image) * image_tiles(), together, inputs, grads, sums + part * size, image > first);
          }
        }
      }
    });
    if (!fine) return nullptr;
    parallel_for(size, 16 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t i = begin; i < end; ++i) sums[i] += sums[part * size + i];
    });
    return sums;
  }

  // All images, as many tiles at a time as a shared cache holds.
  const T* sums_at_once() {
    const int64_t all = tiles_.count(), steps = divide_up(all * kPoints * (g_.in + panels_.padded()), kShared), together = divide_up(all, steps);
    const T* copy = copy_last(frame_.x, g_.batch, g_.in, g_.x, g_.before, frame_.size, {1, 1, 1});
    const T* last = copy_last(grad_frame_.x, g_.batch, g_.out, g_.y, {0, 0, 0}, grad_frame_.size, {1, 1, 1});
    T* inputs = static_cast<T*>(host->scratch(size_t(kPoints * inputs_plane(together)) * sizeof(T)));
    T* grads = static_cast<T*>(host->scratch(size_t(kPoints * grads_plane(together)) * sizeof(T)));
    T* sums = static_cast<T*>(host->scratch(size_t(kPoints * sums_plane()) * sizeof(T)));
    if (!copy || !last || !inputs || !grads || !sums) return nullptr;
    if (panels_.padded() > g_.out) std::fill_n(grads, kPoints * grads_plane(together), T(0));
    for (int64_t begin = 0; begin < all; begin += together) {
      const int64_t count = std::min(together, all - begin);
      parallel_for(count, std::max<int64_t>(1, 8 * kBlock / (g_.in + panels_.padded())), [&](int64_t first, int64_t stop) {
        int64_t at = first;
        tiles_.for_each_row(begin + first, begin + stop, [&](int64_t image, int64_t h, int64_t w, int64_t n) {
          transform(copy + ((image * frame_.size[1] + 2 * h) * frame_.size[2] + 2 * w) * g_.in,
                    last + ((image * grad_frame_.size[1] + 2 * h) * grad_frame_.size[2] + 2 * w) * g_.out, n, at, together, inputs, grads);
          at += n;
        });
      });
      parallel_for(kPoints * panels_.count(), 1, [&](int64_t first, int64_t stop) {
        for (int64_t i = first; i < stop; ++i) multiply(i % kPoints, i / kPoints, count, together, inputs, grads, sums, begin > 0);
      });
    }
    return sums;
  }

  // The sums back to the weight.
  Outcome put(const T* sums) const {
    constexpr int64_t kTogether = 16;  // channels
    const int64_t channels = g_.in, pieces = divide_up(channels, kTogether), elements = kTogether * kKernel * panels_.width;
    bool finite = true;
    const bool fine = parallel_with_scratch(panels_.count() * pieces, 4, 2 * size_t(elements) * sizeof(T), [&](void* scratch, int64_t begin, int64_t end) {
      T *memory = static_cast<T*>(scratch), *turned = memory + elements;
      for (int64_t i = begin; i < end; ++i) {
        const int64_t panel = i / pieces, first = i % pieces * kTogether, n = std::min(kTogether, channels - first), wide = panels_.wide(panel);
        if (!winograd_.weight_grad(sums + panel * panels_.width * channels + first * wide, sums_plane(), n * wide, memory, n * wide))
          __atomic_store_n(&finite, false, __ATOMIC_RELAXED);
        for (int64_t tap = 0; tap < kKernel; ++tap)
          for (int64_t channel = 0; channel < n; ++channel)
            std::memcpy(turned + (channel * kKernel + tap) * wide, memory + (tap * n + channel) * wide, size_t(wide) * sizeof(T));
        unpack_panel(turned, n * kKernel, panels_, panel, out_ + (panel * panels_.width * channels + first) * kKernel, channels * kKernel);
      }
    });
    return !fine ? Outcome::NoMemory : finite ? Outcome::Done : Outcome::NotFinite;
  }

  const Geometry& g_;
  const ConvolutionLoops& loops_;
  const WinogradLoops& winograd_;
  const Panels panels_;
  const Tiles tiles_;
  T* out_;
  const Frame<T> frame_, grad_frame_;
  std::vector<int64_t> offsets_;
};

}  // namespace

template <class T>
Outcome weight_grad_winograd(const Geometry& g, const ConvolutionLoops& loops, const WinogradLoops& winograd, const T* grad,
                             const T* x, T* out) {
  return WeightGrad<T>(g, loops, winograd, grad, x, out).run();
}

#define FL_INSTANCES(T)                                                                                                   \
  template Outcome multiply_winograd(const Correlation&, const ConvolutionLoops&, const WinogradLoops&, const T*,         \
                                     const Sizes&, const Sizes&, bool, const T*, const T*, T*);                           \
  template Outcome weight_grad_winograd(const Geometry&, const ConvolutionLoops&, const WinogradLoops&, const T*, const T*, T*);
FL_INSTANCES(float)
FL_INSTANCES(double)
#undef FL_INSTANCES

}  // namespace flambeau::cpu
