// convolution_last.cpp: convolutions as tiles over images with channels last.
//
// The input is copied once, channels last, with its zeros around it. What one position reads of it for one row of the
// kernel is then one stretch of memory, so a tile of positions by output channels needs nothing packed but the weight:
// it goes along the stretches, broadcasts an element of each position and multiplies it with a row of the weight. The
// gradient for the weight is the same tile, its rows kernel elements and its sum over positions. Work is cut by sizes
// alone; every element is summed in one order.
#include "convolution.h"

#include <cstring>
#include <numeric>

namespace flambeau::cpu {
namespace {

constexpr int64_t kDepth = 256;            // elements of a sum between two visits of a result: a panel of them fits the first cache
constexpr int64_t kSums = 32 * kBlock;     // results of a task, which stay in the second cache
constexpr int64_t kTasks = 16;             // wanted at least
constexpr int64_t kEvenTasks = 4;          // tasks come in multiples of so many, for as many threads and half of them
constexpr int64_t kTaskWork = 1 << 20;     // products that make a task of their own
constexpr int64_t kTurned = 128;           // pixels of an image that are turned together
constexpr int64_t kPositions = 192;        // positions of a gradient that stay in the first cache

template <class T>
class Product {
 public:
  Product(const Correlation& c, const ConvolutionLoops& loops)
      : c_(c), loops_(loops), panels_(c.rows, loops), pitch_(c.groups * c.channels), positions_(c.positions()) {
    std::vector<Tap> columns = c.axes[2].taps;
    std::sort(columns.begin(), columns.end(), [](const Tap& a, const Tap& b) { return a.offset < b.offset; });
    for (const Tap& d : c.axes[0].taps)
      for (const Tap& h : c.axes[1].taps)
        for (const Tap& w : columns) {
          taps_.push_back((d.kernel * c.kernel[1] + h.kernel) * c.kernel[2] + w.kernel);
          const int64_t start = ((d.offset * c.source[1] + h.offset) * c.source[2] + w.offset) * pitch_;
          if (!runs_.empty() && runs_.back().start + runs_.back().length == start) runs_.back().length += c.channels;
          else runs_.push_back({start, c.channels});
        }
    depth_ = c.channels * int64_t(taps_.size());
    plain_ = c.axes[2].target_step == 1 && c.axes[1].target_step == 1 && c.axes[0].target_step == 1 &&
             positions_ == product(c.target);
  }

  bool run(const T* copy, const T* weight, const T* bias, T* out) {
    if (depth_ == 0 || positions_ == 0) return true;
    packed_ = pack_weight(c_, taps_, panels_, weight);
    if (!packed_) return false;
    if (bias) {
      T* padded = static_cast<T*>(host->scratch(size_t(c_.groups * panels_.padded()) * sizeof(T)));
      if (!padded) return false;
      for (int64_t group = 0; group < c_.groups; ++group) {
        T* to = padded + group * panels_.padded();
        std::copy(bias + group * c_.rows, bias + (group + 1) * c_.rows, to);
        std::fill(to + c_.rows, to + panels_.padded(), T(0));
      }
      bias_ = padded;
    }
    blocks_.resize(size_t(divide_up(depth_, kDepth)));
    const int64_t count = int64_t(blocks_.size());
    for (int64_t b = 0; b < count; ++b) {
      blocks_[size_t(b)].begin = b * depth_ / count;
      cut_runs(runs_, b * depth_ / count, (b + 1) * depth_ / count, blocks_[size_t(b)].runs);
    }
    // Tasks of `wide` panels by `together` positions.
    const int64_t all = c_.batch * positions_, tile = loops_.rows;
    int64_t wide = std::min<int64_t>(panels_.count(), 4);
    int64_t together = std::max(tile, kSums / (wide * panels_.width) / tile * tile);
    const auto tasks = [&] { return c_.groups * divide_up(panels_.count(), wide) * divide_up(all, together); };
    while (tasks() < kTasks && wide > 1) wide = divide_up(wide, 2);
    while (tasks() < kTasks && together > 4 * tile) together = divide_up(together, 2 * tile) * tile;
    // Tasks of whole tiles that differ by one of them at most.
    const int64_t tiles = divide_up(all, tile), across = divide_up(panels_.count(), wide);
    int64_t down = divide_up(all, std::min(together, all));
    if (down > 1) down = std::min(tiles, divide_up(down, kEvenTasks) * kEvenTasks);
    together = divide_up(tiles, down) * tile;
    const int64_t work = std::min(c_.rows, wide * panels_.width) * together * depth_;
    const size_t sums = size_t(together * std::min(panels_.padded(), wide * panels_.width)) * sizeof(T);
    const size_t bytes = 2 * sums + size_t(together) * sizeof(int64_t);
    return parallel_with_scratch(c_.groups * across * down, std::max<int64_t>(1, kTaskWork / work), bytes, [&](void* scratch, int64_t begin, int64_t end) {
      char* memory = static_cast<char*>(scratch);
      for (int64_t i = begin; i < end; ++i) {
        const auto edge = [&](int64_t at) { return std::min(all, tiles * at / down * tile); };
        const int64_t panel = i / down % across * wide;
        multiply({i / (down * across), panel, std::min(panels_.count(), panel + wide), edge(i % down), edge(i % down + 1)},
                 copy, out, reinterpret_cast<T*>(memory), reinterpret_cast<T*>(memory + sums),
                 reinterpret_cast<int64_t*>(memory + 2 * sums));
      }
    });
  }

 private:
  struct Block {
    int64_t begin;
    std::vector<Run> runs;
  };
  struct Task {
    int64_t group, first_panel, last_panel, begin, end;
  };

  // visit(image, source pixel, target element, count) for stretches of positions [begin, end) in one line.
  template <class Visit>
  void for_each_stretch(int64_t begin, int64_t end, const Visit& visit) const {
    const Axis &depth = c_.axes[0], &height = c_.axes[1], &width = c_.axes[2];
    for (int64_t at = begin; at < end;) {
      const int64_t line = at / width.count, w = at % width.count, count = std::min(width.count - w, end - at);
      const int64_t h = line % height.count, d = line / height.count % depth.count, image = line / height.count / depth.count;
      visit(image, ((image * c_.source[0] + d * depth.source_step) * c_.source[1] + h * height.source_step) * c_.source[2] +
                       w * width.source_step,
            ((depth.target_start + d * depth.target_step) * c_.target[1] + height.target_start + h * height.target_step) *
                    c_.target[2] + width.target_start + w * width.target_step,
            count);
      at += count;
    }
  }

  void multiply(const Task& task, const T* copy, T* out, T* sums, T* turned, int64_t* offsets) const {
    const int64_t n = task.end - task.begin, before = task.first_panel * panels_.width;
    const int64_t pitch = std::min(panels_.padded() - before, (task.last_panel - task.first_panel) * panels_.width);
    int64_t* offset = offsets;
    for_each_stretch(task.begin, task.end, [&](int64_t, int64_t pixel, int64_t, int64_t count) {
      for (int64_t i = 0; i < count; ++i)
        *offset++ = (pixel + i * c_.axes[2].source_step) * pitch_ + task.group * c_.channels;
    });
    for (const Block& block : blocks_)
      for (int64_t panel = task.first_panel; panel < task.last_panel; ++panel) {
        const T* weight = packed_ + (task.group * panels_.padded() + panel * panels_.width) * depth_ +
                          block.begin * panels_.wide(panel);
        const T* start = bias_ ? bias_ + task.group * panels_.padded() + panel * panels_.width : nullptr;
        for_each_chunk(n, loops_.rows, [&](int64_t begin, int64_t count) {
          loops_.tile(int(count), panels_.vectors(panel), copy, offsets + begin, block.runs.data(), int64_t(block.runs.size()),
                      1, weight, sums + begin * pitch + panel * panels_.width - before, pitch, block.begin > 0, start);
        });
      }
    // To the result, channels first.
    const int64_t plane = product(c_.target), rows = std::min(c_.rows, task.last_panel * panels_.width) - before;
    const auto put = [&](const T* from, int64_t image, int64_t target, int64_t count) {
      T* to = out + ((image * c_.groups + task.group) * c_.rows + before) * plane + target;
      const int64_t step = c_.axes[2].target_step;
      if (step == 1) {
        level->transpose(from, pitch, to, plane, count, rows, int64_t(sizeof(T)));
        return;
      }
      level->transpose(from, pitch, turned, count, count, rows, int64_t(sizeof(T)));
      if (step == 2) {
        loops_.spread(turned, count, to, plane, count, rows);
        return;
      }
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t i = 0; i < count; ++i) to[r * plane + i * step] = turned[r * count + i];
    };
    if (!plain_) {
      const T* from = sums;
      for_each_stretch(task.begin, task.end, [&](int64_t image, int64_t, int64_t target, int64_t count) {
        put(from, image, target, count);
        from += count * pitch;
      });
      return;
    }
    for (int64_t at = task.begin; at < task.end;) {
      const int64_t count = std::min(positions_ - at % positions_, task.end - at);
      put(sums + (at - task.begin) * pitch, at / positions_, at % positions_, count);
      at += count;
    }
  }

  const Correlation& c_;
  const ConvolutionLoops& loops_;
  const Panels panels_;
  int64_t pitch_, positions_, depth_;
  std::vector<int64_t> taps_;
  std::vector<Run> runs_;
  std::vector<Block> blocks_;
  const T* packed_ = nullptr;
  const T* bias_ = nullptr;
  bool plain_;
};

}  // namespace

template <class T>
T* copy_last(const T* x, int64_t batch, int64_t channels, const Sizes& x_size, const Sizes& before, const Sizes& size,
             const Sizes& every) {
  const double elements = double(batch) * double(channels) * double(size[0]) * double(size[1]) * double(size[2]);
  if (elements > 0x1p56) return nullptr;  // padding may be any number
  T* copy = static_cast<T*>(host->scratch(size_t(batch * channels * product(size) + 1) * sizeof(T)));
  if (!copy) return nullptr;
  const int64_t plane = product(x_size), row = size[2] * channels;
  const int64_t first = std::min(size[2], divide_up(before[2], every[2]));
  const int64_t last = std::clamp(divide_up(x_size[2] + before[2], every[2]), first, size[2]);
  // Lines of the copy that are turned together: of one plane of x, pixels that lie side by side there.
  const bool flat = every[1] == 1 && every[2] == 1;
  const int64_t together = flat ? std::clamp<int64_t>(kTurned / std::max<int64_t>(1, x_size[2]), 1, size[1]) : 1;
  const int64_t pieces = divide_up(size[1], together);
  const size_t bytes = size_t(together * x_size[2] * channels) * sizeof(T);
  const int64_t grain = std::max<int64_t>(1, 16 * kBlock / std::max<int64_t>(1, row * together));
  const bool fine = parallel_with_scratch(batch * size[0] * pieces, grain, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    T* turned = static_cast<T*>(scratch);
    for (int64_t piece = begin; piece < end; ++piece) {
      const int64_t image = piece / (size[0] * pieces), d = piece / pieces % size[0] * every[0] - before[0];
      const int64_t top = piece % pieces * together, bottom = std::min(size[1], top + together);
      T* to = copy + (piece / pieces * size[1] + top) * row;
      const bool outside = d < 0 || d >= x_size[0] || first == last;
      const T* from = x + image * channels * plane + d * x_size[1] * x_size[2];
      // Rows of x that these lines are.
      const int64_t high = outside ? top : std::clamp(divide_up(before[1], every[1]), top, bottom);
      const int64_t low = outside ? top : std::clamp(divide_up(x_size[1] + before[1], every[1]), high, bottom);
      std::memset(to, 0, size_t((high - top) * row) * sizeof(T));
      std::memset(to + (low - top) * row, 0, size_t((bottom - low) * row) * sizeof(T));
      if (high == low) continue;
      const int64_t start = (high * every[1] - before[1]) * x_size[2];
      to += (high - top) * row;
      if (flat && row == x_size[2] * channels && first == 0 && last == size[2]) {  // nothing between the lines
        level->transpose(from + start, plane, to, channels, channels, (low - high) * x_size[2], int64_t(sizeof(T)));
        continue;
      }
      if (together == 1 && every[2] == 1) {
        std::memset(to, 0, size_t(first * channels) * sizeof(T));
        std::memset(to + last * channels, 0, size_t((size[2] - last) * channels) * sizeof(T));
        level->transpose(from + start + first - before[2], plane, to + first * channels, channels, channels, last - first, int64_t(sizeof(T)));
        continue;
      }
      level->transpose(from + start, plane, turned, channels, channels, (low - high) * x_size[2], int64_t(sizeof(T)));
      for (int64_t h = high; h < low; ++h, to += row) {
        const T* line = turned + (h - high) * x_size[2] * channels;
        std::memset(to, 0, size_t(first * channels) * sizeof(T));
        std::memset(to + last * channels, 0, size_t((size[2] - last) * channels) * sizeof(T));
        if (every[2] == 1) {
          std::memcpy(to + first * channels, line + (first - before[2]) * channels, size_t((last - first) * channels) * sizeof(T));
          continue;
        }
        for (int64_t w = first; w < last; ++w)
          std::memcpy(to + w * channels, line + (w * every[2] - before[2]) * channels, size_t(channels) * sizeof(T));
      }
    }
  });
  return fine ? copy : nullptr;
}

template <class T>
T* pack_weight(const Correlation& c, const std::vector<int64_t>& taps, const Panels& panels, const T* weight) {
  constexpr int64_t kTogether = 16;  // channels
  const int64_t kernel = product(c.kernel), depth = c.channels * int64_t(taps.size()), pieces = divide_up(c.channels, kTogether);
  T* packed = static_cast<T*>(host->scratch(size_t(c.groups * panels.padded() * depth + 1) * sizeof(T)));
  if (!packed) return nullptr;
  const int64_t tasks = c.groups * panels.count() * pieces;
  const int64_t elements = kTogether * kernel * panels.width;
  const bool fine = parallel_with_scratch(tasks, std::max<int64_t>(1, 16 * kBlock / elements), size_t(elements) * sizeof(T),
                                          [&](void* scratch, int64_t begin, int64_t end) {
    T* turned = static_cast<T*>(scratch);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / (panels.count() * pieces), panel = i / pieces % panels.count();
      const int64_t first = i % pieces * kTogether, last = std::min(c.channels, first + kTogether);
      const int64_t used = panels.used(panel), wide = panels.wide(panel);
      T* to = packed + (group * panels.padded() + panel * panels.width) * depth;
      const T* from = weight + group * c.group_step + panel * panels.width * c.row_step;
      // Kernel elements of a row lie side by side; so do a row's channels, or a channel's rows.
      const bool channels_together = c.channel_step == kernel;
      if (used < wide) std::fill(turned, turned + kTogether * kernel * wide, T(0));
      if (channels_together) {
        level->transpose(from + first * kernel, c.row_step, turned, wide, used, (last - first) * kernel, int64_t(sizeof(T)));
      } else {
        for (int64_t channel = first; channel < last; ++channel) {
          T* elements = turned + (channel - first) * kernel * wide;
          if (kernel == 1) std::copy_n(from + channel * c.channel_step, used, elements);
          else level->transpose(from + channel * c.channel_step, c.row_step, elements, wide, used, kernel, int64_t(sizeof(T)));
        }
      }
      for (size_t tap = 0; tap < taps.size(); ++tap)
        for (int64_t channel = first; channel < last; ++channel)
          std::memcpy(to + (int64_t(tap) * c.channels + channel) * wide, turned + ((channel - first) * kernel + taps[tap]) * wide,
                      size_t(wide) * sizeof(T));
    }
  });
  return fine ? packed : nullptr;
}

template <class T>
void unpack_panel(const T* elements, int64_t count, const Panels& panels, int64_t panel, T* out, int64_t row_step) {
  level->transpose(elements, panels.wide(panel), out, row_step, count, panels.used(panel), int64_t(sizeof(T)));
}

template <class T>
bool multiply_last(const Correlation& c, const ConvolutionLoops& loops, const T* copy, const T* weight, const T* bias, T* out) {
  return Product<T>(c, loops).run(copy, weight, bias, out);
}

// ---- the gradient for the weight -----------------------------------------------------------------------------

template <class T>
bool weight_grad_last(const Geometry& g, const ConvolutionLoops& loops, const T* grad, const T* x, T* out) {
  const int64_t kernel = product(g.kernel), channels = g.in_group(), taps = channels * kernel, positions = product(g.y);
  const Panels panels(g.out_group(), loops);
  const int64_t padded = panels.padded(), all = g.batch * positions;
  Sizes size, stride = g.stride, every{1, 1, 1};
  for (size_t axis = 0; axis < 3; ++axis) {
    if (g.kernel[axis] == 1) std::swap(stride[axis], every[axis]);  // what no one reads is not copied
    size[axis] = (g.y[axis] - 1) * stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1;
  }
  const T* copy = copy_last(x, g.batch, g.in, g.x, g.before, size, every);
  // [group][panel][position][lane]
  T* last = static_cast<T*>(host->scratch(size_t(g.groups * all * padded) * sizeof(T)));
  if (!copy || !last) return false;
  parallel_for(g.groups * panels.count() * g.batch, std::max<int64_t>(1, 16 * kBlock / (positions * panels.width)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / (panels.count() * g.batch), panel = i / g.batch % panels.count(), image = i % g.batch;
      const int64_t wide = panels.wide(panel), used = panels.used(panel);
      T* to = last + (group * padded + panel * panels.width) * all + image * positions * wide;
      level->transpose(grad + (image * g.out + group * panels.rows + panel * panels.width) * positions, positions, to, wide, used,
                       positions, int64_t(sizeof(T)));
      for (int64_t p = 0; used < wide && p < positions; ++p) std::fill_n(to + p * wide + used, wide - used, T(0));
    }
  });

  // Rows of tiles: with many channels, channels of one kernel element, which lie side by side; else any elements.
  struct Rows {
    int64_t first, count;  // in `offsets`
    int64_t sum, step;     // the element of the first one and between two
  };
  std::vector<int64_t> offsets;
  std::vector<Rows> rows;
  const auto offset_of = [&](int64_t channel, int64_t tap) {
    const int64_t w = tap % g.kernel[2] * g.dilation[2], h = tap / g.kernel[2] % g.kernel[1] * g.dilation[1];
    const int64_t d = tap / (g.kernel[2] * g.kernel[1]) * g.dilation[0];
    return ((d * size[1] + h) * size[2] + w) * g.in + channel;
  };
  if (channels >= loops.rows) {
    for (int64_t tap = 0; tap < kernel; ++tap)
      for_each_chunk(channels, loops.rows, [&](int64_t begin, int64_t count) {
        rows.push_back({int64_t(offsets.size()), count, begin * kernel + tap, kernel});
        for (int64_t c = begin; c < begin + count; ++c) offsets.push_back(offset_of(c, tap));
      });
  } else {
    for_each_chunk(taps, loops.rows, [&](int64_t begin, int64_t count) {
      rows.push_back({begin, count, begin, 1});
      for (int64_t t = begin; t < begin + count; ++t) offsets.push_back(offset_of(t / kernel, t % kernel));
    });
  }

  // Ranges of rows by stretches of lines; a stretch has sums of its own, added up in order at the end.
  const int64_t chunks = int64_t(rows.size()), lines = g.batch * g.y[0] * g.y[1];
  const int64_t range = std::max<int64_t>(divide_up(chunks, kTasks), std::min<int64_t>(chunks, 3));
  const int64_t ranges = divide_up(chunks, range), sums = g.groups * taps * padded;
  const int64_t stretches =
      std::clamp<int64_t>(std::min(divide_up(kTasks / 2, g.groups * ranges), padded * all * taps / kTaskWork), 1, lines);
  const int64_t stretch = divide_up(lines, stretches), parts = divide_up(lines, stretch);
  T* partial = static_cast<T*>(host->scratch(size_t(parts * sums) * sizeof(T)));
  if (!partial) return false;
  const int64_t step = stride[2] * g.in;
  parallel_for(g.groups * ranges * parts, std::max<int64_t>(1, kTaskWork / 4 / (range * loops.rows * padded * all / parts)),
               [&](int64_t begin, int64_t end) {
    std::vector<Run> runs;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / (g.groups * ranges), group = task / ranges % g.groups;
      const int64_t row0 = task % ranges * range, row1 = std::min(chunks, row0 + range);
      T* to = partial + part * sums + group * taps * padded;
      const int64_t first = part * stretch * g.y[2], until = std::min(lines, (part + 1) * stretch) * g.y[2];
      for (int64_t at = first; at < until;) {
        const int64_t start = at, stop = std::min(until, at + kPositions);
        runs.clear();
        while (at < stop) {
          const int64_t line = at / g.y[2], w = at % g.y[2], length = std::min(g.y[2] - w, stop - at);
          const int64_t h = line % g.y[1], d = line / g.y[1] % g.y[0], image = line / (g.y[1] * g.y[0]);
          const int64_t place = (((image * size[0] + d * stride[0]) * size[1] + h * stride[1]) * size[2] + w * stride[2]) * g.in +
                                group * channels;
          if (!runs.empty() && runs.back().start + runs.back().length * step == place) runs.back().length += length;
          else runs.push_back({place, length});
          at += length;
        }
        for (int64_t panel = 0; panel < panels.count(); ++panel) {
          const int64_t wide = panels.wide(panel);
          const T* gs = last + (group * padded + panel * panels.width) * all + start * wide;
          T* elements = to + panel * panels.width * taps;
          for (int64_t r = row0; r < row1; ++r)
            loops.tile(int(rows[size_t(r)].count), panels.vectors(panel), copy, offsets.data() + rows[size_t(r)].first, runs.data(),
                       int64_t(runs.size()), step, gs, elements + rows[size_t(r)].sum * wide, rows[size_t(r)].step * wide,
                       start > first, nullptr);
        }
      }
    }
  });
  if (parts > 1)
    parallel_for(sums, 16 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t i = begin; i < end; ++i) partial[i] += partial[part * sums + i];
    });
  parallel_for(g.groups * panels.count(), std::max<int64_t>(1, 64 * kBlock / (panels.width * taps)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / panels.count(), panel = i % panels.count();
      unpack_panel(partial + group * taps * padded + panel * panels.width * taps, taps, panels, panel,
                   out + (group * panels.rows + panel * panels.width) * taps, taps);
    }
  });
  return true;
}

#define FL_INSTANCES(T)                                                                                                \
  template T* copy_last(const T*, int64_t, int64_t, const Sizes&, const Sizes&, const Sizes&, const Sizes&);           \
  template T* pack_weight(const Correlation&, const std::vector<int64_t>&, const Panels&, const T*);                   \
  template void unpack_panel(const T*, int64_t, const Panels&, int64_t, T*, int64_t);                                  \
  template bool multiply_last(const Correlation&, const ConvolutionLoops&, const T*, const T*, const T*, T*);          \
  template bool weight_grad_last(const Geometry&, const ConvolutionLoops&, const T*, const T*, T*);
FL_INSTANCES(float)
FL_INSTANCES(double)
#undef FL_INSTANCES

}  // namespace flambeau::cpu
