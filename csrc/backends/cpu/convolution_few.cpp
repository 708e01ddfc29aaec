// convolution_few.cpp: convolutions with few positions, as at the end of a network: the weight is most of what is read,
// so it is read once where it lies. The tile's rows are rows of the weight and its vectors positions, whose windows are
// gathered; in the gradient for the weight they are rows of the gradient and kernel elements.
#include "convolution.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kDepth = 256;         // elements of a sum between two visits of a result
constexpr int64_t kMost = 256;          // positions
constexpr int64_t kLeastWeight = 16384; // elements of a group's weight
constexpr int64_t kChunks = 4;          // chunks of rows of a task
constexpr int64_t kPanels = 8;          // panels of a task in the gradient for the weight, at most:
constexpr int64_t kPanelTasks = 8;      // so many tasks are wanted

// What a window reads, from the position's start in the copy, in the order of the weight's elements.
struct Element {
  int64_t weight, source;
};
std::vector<Element> elements_of(const Correlation& c, const Padded& padded) {
  std::vector<Element> taps, all;
  for (const Tap& d : c.axes[0].taps)
    for (const Tap& h : c.axes[1].taps)
      for (const Tap& w : c.axes[2].taps)
        taps.push_back({(d.kernel * c.kernel[1] + h.kernel) * c.kernel[2] + w.kernel,
                        (d.offset * padded.size[1] + h.offset) * padded.row() + w.offset});
  std::sort(taps.begin(), taps.end(), [](const Element& a, const Element& b) { return a.weight < b.weight; });
  for (int64_t channel = 0; channel < c.channels; ++channel)
    for (const Element& tap : taps) all.push_back({channel * c.channel_step + tap.weight, channel * padded.plane() + tap.source});
  return all;
}

// Where each position begins in the copy (of its image and group 0) and in the result (of row 0).
struct Position {
  int64_t source, target;
};
std::vector<Position> positions_of(const Correlation& c, const Padded& padded) {
  std::vector<Position> all;
  const Axis &depth = c.axes[0], &height = c.axes[1], &width = c.axes[2];
  for (int64_t image = 0; image < c.batch; ++image)
    for (int64_t d = 0; d < depth.count; ++d)
      for (int64_t h = 0; h < height.count; ++h)
        for (int64_t w = 0; w < width.count; ++w)
          all.push_back({image * c.groups * c.channels * padded.plane() +
                             (d * depth.source_step * padded.size[1] + h * height.source_step) * padded.row() + w,
                         image * c.groups * c.rows * product(c.target) +
                             ((depth.target_start + d * depth.target_step) * c.target[1] + height.target_start +
                              h * height.target_step) * c.target[2] + width.target_start + w * width.target_step});
  return all;
}

}  // namespace

bool few_positions(const Correlation& c) {
  return c.rows > 0 && c.channels > 0 && c.batch * c.positions() <= kMost && c.rows * c.channels * product(c.kernel) >= kLeastWeight;
}

template <class T>
bool multiply_few(const Correlation& c, const Padded& padded, const ConvolutionLoops& loops, const T* copy, const T* weight,
                  const T* bias, T* out) {
  const std::vector<Element> elements = elements_of(c, padded);
  const std::vector<Position> positions = positions_of(c, padded);
  const int64_t depth = int64_t(elements.size()), n = int64_t(positions.size()), blocks = divide_up(depth, kDepth);
  if (depth == 0 || n == 0) return true;
  const Panels panels(n, loops);
  // [group][panel][element][position]
  T* windows = static_cast<T*>(host->scratch(size_t(c.groups * depth * panels.padded()) * sizeof(T)));
  if (!windows) return false;
  parallel_for(c.groups * depth, std::max<int64_t>(1, 4 * kBlock / n), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / depth, element = i % depth;
      const T* from = copy + group * c.channels * padded.plane() + elements[size_t(element)].source;
      for (int64_t panel = 0; panel < panels.count(); ++panel) {
        const int64_t wide = panels.wide(panel), used = panels.used(panel), first = panel * panels.width;
        T* to = windows + (group * panels.padded() + first) * depth + element * wide;
        for (int64_t p = 0; p < used; ++p) to[p] = from[positions[size_t(first + p)].source];
        std::fill(to + used, to + wide, T(0));
      }
    }
  });
  std::vector<Run> runs;
  for (const Element& element : elements) {
    if (!runs.empty() && runs.back().start + runs.back().length == element.weight) ++runs.back().length;
    else runs.push_back({element.weight, 1});
  }
  std::vector<std::vector<Run>> pieces(static_cast<size_t>(blocks));
  for (int64_t b = 0; b < blocks; ++b) cut_runs(runs, b * depth / blocks, (b + 1) * depth / blocks, pieces[size_t(b)]);
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < loops.rows; ++r) offsets.push_back(r * c.row_step);

  const int64_t together = kChunks * loops.rows, ranges = divide_up(c.rows, together), plane = product(c.target);
  const size_t bytes = size_t(together * panels.width) * sizeof(T);
  return parallel_with_scratch(c.groups * panels.count() * ranges, 1, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    T* sums = static_cast<T*>(scratch);
    for (int64_t task = begin; task < end; ++task) {
      const int64_t group = task / (panels.count() * ranges), panel = task / ranges % panels.count(), wide = panels.wide(panel);
      const int64_t first = task % ranges * together, rows = std::min(together, c.rows - first);
      const T* factors = weight + group * c.group_step + first * c.row_step;
      const T* columns = windows + (group * panels.padded() + panel * panels.width) * depth;
      for (int64_t b = 0; b < blocks; ++b)
        for_each_chunk(rows, loops.rows, [&](int64_t row, int64_t count) {
          loops.tile(int(count), panels.vectors(panel), factors + row * c.row_step, offsets.data(), pieces[size_t(b)].data(),
                     int64_t(pieces[size_t(b)].size()), 1, columns + b * depth / blocks * wide, sums + row * wide, wide, b > 0, nullptr);
        });
      for (int64_t r = 0; r < rows; ++r) {
        T* to = out + (group * c.rows + first + r) * plane;
        const T more = bias ? bias[group * c.rows + first + r] : T(0);
        for (int64_t p = 0; p < panels.used(panel); ++p)
          to[positions[size_t(panel * panels.width + p)].target] = sums[r * wide + p] + more;
      }
    }
  });
}

template <class T>
bool weight_grad_few(const Correlation& c, const Padded& padded, const ConvolutionLoops& loops, const T* copy, const T* grad, T* out) {
  const std::vector<Element> elements = elements_of(c, padded);
  const std::vector<Position> positions = positions_of(c, padded);
  const int64_t depth = int64_t(elements.size()), n = int64_t(positions.size()), plane = product(c.target);
  const Panels panels(depth, loops);
  std::vector<Run> runs;
  for (int64_t image = 0; image < c.batch; ++image) runs.push_back({image * c.groups * c.rows * plane, plane});
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < loops.rows; ++r) offsets.push_back(r * plane);
  // Panels of a task: what a tile's rows become are stretches of the result, and a large one leaves past the caches.
  const int64_t together = std::clamp<int64_t>(panels.count() / kPanelTasks, 1, kPanels), tasks = divide_up(panels.count(), together);
  const int64_t room = together * panels.width;
  const bool streams = c.groups * c.rows * depth * int64_t(sizeof(T)) >= kStreamBytes;
  const size_t bytes = size_t((n + loops.rows) * room) * sizeof(T);
  return parallel_with_scratch(c.groups * tasks, 1, bytes, [&](void* scratch, int64_t begin, int64_t end) {
    T *windows = static_cast<T*>(scratch), *sums = windows + n * room;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / tasks, first = i % tasks * together, last = std::min(panels.count(), first + together);
      const T* from = copy + group * c.channels * padded.plane();
      for (int64_t panel = first; panel < last; ++panel) {
        const int64_t wide = panels.wide(panel), used = panels.used(panel);
        const Element* read = elements.data() + panel * panels.width;
        T* to = windows + (panel - first) * panels.width * n;
        for (int64_t p = 0; p < n; ++p, to += wide) {
          const T* window = from + positions[size_t(p)].source;
          for (int64_t k = 0; k < used; ++k) to[k] = window[read[k].source];
          std::fill(to + used, to + wide, T(0));
        }
      }
      const int64_t columns = std::min(depth - first * panels.width, room);
      for_each_chunk(c.rows, loops.rows, [&](int64_t row, int64_t count) {
        for (int64_t panel = first; panel < last; ++panel)
          loops.tile(int(count), panels.vectors(panel), grad + (group * c.rows + row) * plane, offsets.data(), runs.data(),
                     int64_t(runs.size()), 1, windows + (panel - first) * panels.width * n, sums + (panel - first) * panels.width,
                     room, false, nullptr);
        for (int64_t r = 0; r < count; ++r) {
          T* to = out + (group * c.rows + row + r) * depth + first * panels.width;
          if (streams) write_past_caches(to, sums + r * room, size_t(columns) * sizeof(T));
          else std::copy_n(sums + r * room, columns, to);
        }
      });
    }
  });
}

#define FL_INSTANCES(T)                                                                                                   \
  template bool multiply_few(const Correlation&, const Padded&, const ConvolutionLoops&, const T*, const T*, const T*, T*); \
  template bool weight_grad_few(const Correlation&, const Padded&, const ConvolutionLoops&, const T*, const T*, T*);
FL_INSTANCES(float)
FL_INSTANCES(double)
#undef FL_INSTANCES

}  // namespace flambeau::cpu
