// convolution.cpp: convolution, its gradient for the input (a transposed convolution) and for the weight.
//
// Products without a buffer of all windows. The input is copied once with its zeros around it, each row by the stride's
// phases, so that the elements which one kernel element meets along a row of outputs lie side by side: a panel of a few
// dozen output positions is packed by plain copies into the first-level cache and multiplied with every output channel.
// The gradient for the input is the same product with the kernel turned round, one for each phase of the stride, so no
// zero is ever multiplied. The gradient for the weight reads windows where they lie, against g with channels last.
// Work is cut by sizes alone; every element is summed in one order.
#include <algorithm>
#include <array>
#include <cstring>
#include <vector>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kDepth = 192;           // kernel elements packed at a time: a panel of them stays in the first cache
constexpr int64_t kPanels = 8;            // panels that share one pass over the weight
constexpr int64_t kTaskWork = 1 << 20;    // products that make a task of their own
constexpr int64_t kPositions = 128;       // positions of g that stay in the first cache while taps go over them
constexpr int64_t kRoom = 80;             // elements readable behind a copied input
constexpr int64_t kFewRows = 4;           // fewer output channels than these are computed line by line

struct Geometry {
  std::array<int64_t, 3> x, y, kernel;    // spatial sizes
  std::array<int64_t, 3> stride{1, 1, 1}, before{0, 0, 0}, dilation{1, 1, 1};
  int64_t batch, in, out, groups;
  int64_t in_group() const { return in / groups; }
  int64_t out_group() const { return out / groups; }
};
int64_t product(const std::array<int64_t, 3>& sizes) { return sizes[0] * sizes[1] * sizes[2]; }

std::array<int64_t, 3> spatial(const fl_tensor& x) {
  std::array<int64_t, 3> sizes{1, 1, 1};
  for (int axis = 2; axis < x.ndim; ++axis) sizes[size_t(axis + 3 - x.ndim)] = x.shape[axis];
  return sizes;
}
Geometry geometry_of(const fl_call* call, const fl_tensor& x, const fl_tensor& y, const fl_tensor& weight, int first) {
  Geometry g;
  g.x = spatial(x);
  g.y = spatial(y);
  g.kernel = spatial(weight);
  g.batch = x.shape[0];
  g.in = x.shape[1];
  g.out = weight.shape[0];
  g.groups = call->attrs[first + 3].value.i;
  const int axes = x.ndim - 2;
  for (int axis = 0; axis < axes; ++axis) {
    const size_t at = size_t(axis + 3 - axes);
    g.stride[at] = call->attrs[first].value.ints[axis];
    g.before[at] = call->attrs[first + 1].value.ints[axis];
    g.dilation[at] = call->attrs[first + 2].value.ints[axis];
  }
  return g;
}

// ---- the copy with zeros around ----------------------------------------------------------------------------

// Planes of (depth, height, phases of a row, columns of a phase).
struct Padded {
  std::array<int64_t, 3> size;  // with the zeros
  int64_t phases = 1, columns;  // of a row
  int64_t row() const { return phases * columns; }
  int64_t plane() const { return size[0] * size[1] * row(); }
};

template <class T>
T* copy_padded(const T* x, int64_t planes, const std::array<int64_t, 3>& size, const std::array<int64_t, 3>& before,
               const Padded& padded) {
  const double elements = double(planes) * double(padded.size[0]) * double(padded.size[1]) * double(padded.phases) *
                          double(padded.columns);
  if (elements > 0x1p56) return nullptr;  // padding may be any number
  const int64_t plane = padded.plane(), row = padded.row();
  T* to = static_cast<T*>(host->scratch(size_t(planes * plane + kRoom) * sizeof(T)));
  if (!to) return nullptr;
  const int64_t last = std::min(size[2], padded.size[2] - before[2]);  // columns that are read by someone
  parallel_for(planes, std::max<int64_t>(1, 16 * kBlock / std::max<int64_t>(1, plane)), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p)
      for (int64_t d = 0; d < padded.size[0]; ++d)
        for (int64_t h = 0; h < padded.size[1]; ++h) {
          T* line = to + p * plane + (d * padded.size[1] + h) * row;
          const int64_t from_d = d - before[0], from_h = h - before[1];
          if (from_d < 0 || from_d >= size[0] || from_h < 0 || from_h >= size[1] || last <= 0) {
            std::memset(line, 0, size_t(row) * sizeof(T));
            continue;
          }
          const T* from = x + ((p * size[0] + from_d) * size[1] + from_h) * size[2];
          if (padded.phases == 1) {
            std::memset(line, 0, size_t(before[2]) * sizeof(T));
            std::memcpy(line + before[2], from, size_t(last) * sizeof(T));
            std::memset(line + before[2] + last, 0, size_t(row - before[2] - last) * sizeof(T));
            continue;
          }
          std::memset(line, 0, size_t(row) * sizeof(T));
          for (int64_t phase = 0; phase < padded.phases; ++phase) {
            T* part = line + phase * padded.columns;
            // The first column of this phase that is not a zero before the row.
            int64_t i = std::max<int64_t>(0, divide_up(before[2] - phase, padded.phases));
            for (int64_t w = i * padded.phases + phase - before[2]; w < last; w += padded.phases) part[i++] = from[w];
          }
        }
  });
  std::memset(to + planes * plane, 0, size_t(kRoom) * sizeof(T));
  return to;
}

// ---- one product -------------------------------------------------------------------------------------------

struct Tap {
  int64_t kernel;  // its place along the kernel's axis
  int64_t offset;  // where it reads, from the position's start
};
// Positions along one axis, and what they read and write.
struct Axis {
  int64_t count;
  int64_t source_step;             // between rows of positions; columns always lie side by side
  int64_t target_start, target_step;
  std::vector<Tap> taps;
};
using Axes = std::array<Axis, 3>;

// out[rows] = weight[rows, channels, taps] * copy[channels, positions + taps], for every image and group.
struct Correlation {
  Axes axes;
  Padded padded;
  std::array<int64_t, 3> target;             // spatial sizes of the result
  int64_t batch, groups, rows, channels;     // rows and channels of a group
  int64_t row_step, channel_step, kernel_height, kernel_width;  // of the weight
  int64_t group_step;
  int64_t depth() const {
    return channels * int64_t(axes[0].taps.size() * axes[1].taps.size() * axes[2].taps.size());
  }
};

// Full tiles, then halves: the rows of each panel of the weight.
std::vector<int> panel_rows(int64_t rows, int tile) {
  std::vector<int> panels;
  for (int size = tile; rows > 0; rows -= size) {
    while (size > rows) size /= 2;
    panels.push_back(size);
  }
  return panels;
}

template <class T>
class Multiplier {
 public:
  Multiplier(const Correlation& c, const ConvolutionLoops& loops) : c_(c), loops_(loops), depth_(c.depth()) {
    for (const Tap& d : c.axes[0].taps)
      for (const Tap& h : c.axes[1].taps)
        for (const Tap& w : c.axes[2].taps) {
          taps_.push_back((d.kernel * c.kernel_height + h.kernel) * c.kernel_width + w.kernel);
          offsets_.push_back((d.offset * c.padded.size[1] + h.offset) * c.padded.row() + w.offset);
        }
    const int64_t kernel = int64_t(taps_.size());
    all_offsets_.resize(size_t(depth_));
    for (int64_t k = 0; k < depth_; ++k)
      all_offsets_[size_t(k)] = k / kernel * c.padded.plane() + offsets_[size_t(k % kernel)];
    blocks_ = std::max<int64_t>(1, divide_up(depth_, kDepth));
    block_ = divide_up(depth_, blocks_);
    by_lines_ = c.rows < kFewRows;
    panels_ = panel_rows(c.rows, by_lines_ ? 1 : loops.rows);
    positions_ = c.axes[0].count * c.axes[1].count * c.axes[2].count;
    // A panel of whole neighbours in the result needs no detour.
    plain_ = c.axes[2].target_step == 1 && c.axes[1].target_step == 1 && c.axes[0].target_step == 1 &&
             positions_ == product(c.target);
  }

  bool run(const T* copy, const T* weight, const T* bias, T* out) {
    if (depth_ == 0 || positions_ == 0) return true;
    packed_ = static_cast<T*>(host->scratch(size_t(c_.groups * c_.rows * depth_) * sizeof(T)));
    if (!packed_) return false;
    const int64_t per_panel = c_.rows * depth_;
    parallel_for(c_.groups * int64_t(panels_.size()), std::max<int64_t>(1, 64 * kBlock / (loops_.rows * depth_)),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i)
                     pack_weight(weight, i / int64_t(panels_.size()), size_t(i % int64_t(panels_.size())));
                 });
    if (by_lines_) {
      run_lines(copy, bias, out);
      return true;
    }
    const int64_t columns = c_.batch * positions_, panels = divide_up(columns, loops_.columns);
    const int64_t wanted = std::max<int64_t>(1, kTaskWork / (per_panel * loops_.columns));
    const int64_t together = std::clamp<int64_t>(std::max(wanted, divide_up(panels * c_.groups, 64)), 1, kPanels);
    const int64_t tasks = divide_up(panels, together);
    bool fine = true;
    parallel_for(c_.groups * tasks, std::max<int64_t>(1, wanted / kPanels), [&](int64_t begin, int64_t end) {
      const size_t bytes = size_t(together * (block_ + c_.rows) * loops_.columns + loops_.lanes) * sizeof(T);
      T* memory = static_cast<T*>(piece_scratch(bytes));
      if (!memory) {
        __atomic_store_n(&fine, false, __ATOMIC_RELAXED);
        return;
      }
      for (int64_t i = begin; i < end; ++i)
        multiply(copy, bias, out, memory, memory + together * block_ * loops_.columns + loops_.lanes, i / tasks,
                 i % tasks * together, std::min(panels, (i % tasks + 1) * together));
    });
    return fine;
  }

 private:
  // Elements of a packed weight before a panel; a panel holds its blocks of depth one after the other.
  int64_t packed_start(int64_t group, size_t panel) const {
    int64_t rows = 0;
    for (size_t i = 0; i < panel; ++i) rows += panels_[i];
    return (group * c_.rows + rows) * depth_;
  }

  void pack_weight(const T* weight, int64_t group, size_t panel) {
    const int64_t start = packed_start(group, panel), rows = panels_[panel], kernel = int64_t(taps_.size());
    const int64_t first = start / depth_ - group * c_.rows;
    T* to = packed_ + start;
    const T* from = weight + group * c_.group_step + first * c_.row_step;
    if (c_.channel_step == kernel && rows > 1) {  // kernel elements of a row lie side by side, and all of them are read
      level->transpose(from, c_.row_step, to, rows, rows, depth_, int64_t(sizeof(T)));
      return;
    }
    // Row by row: a row's kernel elements lie side by side, a channel's rows too.
    const int64_t channels = depth_ / kernel;
    for (int64_t c = 0; c < channels; ++c, from += c_.channel_step, to += kernel * rows)
      for (int64_t r = 0; r < rows; ++r) {
        const T* elements = from + r * c_.row_step;
        for (int64_t t = 0; t < kernel; ++t) to[t * rows + r] = elements[taps_[size_t(t)]];
      }
  }

  struct Line {
    int64_t image, source, target;  // source in the image's copy, target in a plane of the result
  };
  Line line(int64_t index) const {
    const int64_t lines = c_.axes[0].count * c_.axes[1].count;
    const int64_t d = index % lines / c_.axes[1].count, h = index % c_.axes[1].count;
    return {index / lines,
            (d * c_.axes[0].source_step * c_.padded.size[1] + h * c_.axes[1].source_step) * c_.padded.row(),
            ((c_.axes[0].target_start + d * c_.axes[0].target_step) * c_.target[1] + c_.axes[1].target_start +
             h * c_.axes[1].target_step) * c_.target[2] + c_.axes[2].target_start};
  }

  // Few output channels: each line of the result is a sum of lines of the copy, nothing is packed. Where the lines of a
  // plane follow each other evenly in the copy they are computed as one, with the copy's zeros in between thrown away.
  void run_lines(const T* copy, const T* bias, T* out) const {
    const int64_t height = c_.axes[1].count, width = c_.axes[2].count, step = c_.axes[2].target_step;
    const int64_t channels = c_.groups * c_.channels, rows = c_.groups * c_.rows, plane = product(c_.target);
    const bool whole = step == 1 && c_.axes[1].source_step == 1 && c_.padded.phases == 1;
    const int64_t lines = whole ? c_.axes[0].count : c_.axes[0].count * height;
    const int64_t length = whole ? (height - 1) * c_.padded.row() + width : width;
    const bool direct = step == 1 && (!whole || (plain_ && c_.padded.row() == width));
    parallel_for(c_.batch * rows * lines, std::max<int64_t>(1, kTaskWork / 8 / (depth_ * length)), [&](int64_t begin, int64_t end) {
      std::vector<T> detour(direct ? 0 : size_t(length));
      for (int64_t i = begin; i < end; ++i) {
        const int64_t image = i / (rows * lines), row = i / lines % rows;
        const Line l = line(whole ? i % lines * height : i % lines);
        const T* from = copy + (image * channels + row / c_.rows * c_.channels) * c_.padded.plane() + l.source;
        T* to = out + (image * rows + row) * plane + l.target;
        T* computed = direct ? to : detour.data();
        loops_.line(depth_, packed_ + row * depth_, from, all_offsets_.data(), bias ? double(bias[row]) : 0.0, computed, length);
        if (direct) continue;
        if (!whole)
          for (int64_t k = 0; k < width; ++k) to[k * step] = computed[k];
        for (int64_t h = 0; whole && h < height; ++h)
          std::memcpy(to + h * c_.axes[1].target_step * c_.target[2], computed + h * c_.padded.row(), size_t(width) * sizeof(T));
      }
    });
  }

  struct Panel {
    int64_t count;                 // columns
    std::vector<Run> sources;
    std::vector<Run> targets;      // where a run begins in the result's plane of row 0, with its image
    T* direct;                     // where row 0 begins if it is one run, else null
  };

  Panel panel(int64_t index, int64_t group, T* out) const {
    Panel p;
    const int64_t width = c_.axes[2].count, begin = index * loops_.columns;
    const int64_t end = std::min(begin + loops_.columns, c_.batch * positions_);
    const int64_t plane = product(c_.target), channels = c_.groups * c_.channels, rows = c_.groups * c_.rows;
    p.count = end - begin;
    for (int64_t at = begin; at < end;) {
      const Line l = line(at / width);
      const int64_t column = at % width, length = std::min(width - column, end - at);
      p.sources.push_back({(l.image * channels + group * c_.channels) * c_.padded.plane() + l.source + column, length});
      const int64_t start = (l.image * rows + group * c_.rows) * plane + l.target + column * c_.axes[2].target_step;
      if (plain_ && !p.targets.empty() && p.targets.back().start + p.targets.back().length == start)
        p.targets.back().length += length;
      else
        p.targets.push_back({start, length});
      at += length;
    }
    const bool one = plain_ && begin / positions_ == (end - 1) / positions_;
    p.direct = one ? out + p.targets.front().start : nullptr;
    return p;
  }

  // `memory` for packed panels, `sums` for the results of those that are not one stretch of the output.
  void multiply(const T* copy, const T* bias, T* out, T* memory, T* sums, int64_t group, int64_t first,
                int64_t last) const {
    const int64_t plane = product(c_.target), width = loops_.columns;
    std::vector<Panel> panels;
    for (int64_t i = first; i < last; ++i) panels.push_back(panel(i, group, out));
    for (int64_t b = 0; b < blocks_; ++b) {
      const int64_t k0 = b * block_, k = std::min(block_, depth_ - k0);
      if (k <= 0) break;
      for (size_t i = 0; i < panels.size(); ++i)
        loops_.pack(copy, all_offsets_.data() + k0, k, panels[i].sources.data(), int64_t(panels[i].sources.size()),
                    memory + int64_t(i) * block_ * width);
      for (size_t i = 0; i < panels.size(); ++i) {
        const Panel& p = panels[i];
        const T* columns = memory + int64_t(i) * block_ * width;
        int64_t row = 0;
        for (const int rows : panels_) {
          const T* weight = packed_ + (group * c_.rows + row) * depth_ + k0 * rows;
          const T* offset = bias ? bias + group * c_.rows + row : nullptr;
          T* to = p.direct ? p.direct + row * plane : sums + (int64_t(i) * c_.rows + row) * width;
          loops_.tile(k, weight, columns, to, p.direct ? plane : width, rows, int(p.count), b > 0, offset);
          row += rows;
        }
      }
    }
    for (size_t i = 0; i < panels.size(); ++i)
      if (!panels[i].direct) put(panels[i], sums + int64_t(i) * c_.rows * width, out, plane);
  }

  // The rows of a panel into its runs in the result.
  void put(const Panel& p, const T* sums, T* out, int64_t plane) const {
    const int64_t step = c_.axes[2].target_step;
    for (int64_t r = 0; r < c_.rows; ++r) {
      const T* from = sums + r * loops_.columns;
      for (const Run& run : p.targets) {
        T* to = out + r * plane + run.start;
        if (step == 1) std::memcpy(to, from, size_t(run.length) * sizeof(T));
        else
          for (int64_t i = 0; i < run.length; ++i) to[i * step] = from[i];
        from += run.length;
      }
    }
  }

  const Correlation& c_;
  const ConvolutionLoops& loops_;
  int64_t depth_, blocks_, block_, positions_;
  std::vector<int64_t> taps_, offsets_, all_offsets_;
  std::vector<int> panels_;
  T* packed_ = nullptr;
  bool plain_, by_lines_;
};

// ---- forward -------------------------------------------------------------------------------------------------

Padded padded_input(const Geometry& g) {
  Padded padded;
  for (size_t axis = 0; axis < 3; ++axis)
    padded.size[axis] = (g.y[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1;
  padded.phases = std::min(g.stride[2], padded.size[2]);
  padded.columns = divide_up(padded.size[2], padded.phases);
  return padded;
}
// Where kernel element k of the last axis reads, in a row that is laid out by phases.
int64_t column_offset(const Geometry& g, const Padded& padded, int64_t k) {
  const int64_t at = k * g.dilation[2];
  return padded.phases == 1 ? at : at % padded.phases * padded.columns + at / padded.phases;
}

template <class T>
bool run_forward(const Geometry& g, const ConvolutionLoops& loops, const char* x, const char* weight, const char* bias,
                 T* out) {
  Correlation c;
  c.padded = padded_input(g);
  for (size_t axis = 0; axis < 3; ++axis) {
    c.axes[axis] = {g.y[axis], g.stride[axis], 0, 1, {}};
    for (int64_t k = 0; k < g.kernel[axis]; ++k)
      c.axes[axis].taps.push_back({k, axis == 2 ? column_offset(g, c.padded, k) : k * g.dilation[axis]});
  }
  c.target = g.y;
  c.batch = g.batch;
  c.groups = g.groups;
  c.rows = g.out_group();
  c.channels = g.in_group();
  c.channel_step = product(g.kernel);
  c.row_step = c.channels * c.channel_step;
  c.group_step = c.rows * c.row_step;
  c.kernel_height = g.kernel[1];
  c.kernel_width = g.kernel[2];
  if (c.channels == 0) {  // nothing to sum: the bias alone
    const int64_t plane = product(g.y);
    for (int64_t i = 0; i < g.batch * g.out; ++i)
      std::fill_n(out + i * plane, plane, bias ? reinterpret_cast<const T*>(bias)[i % g.out] : T(0));
    return true;
  }
  const T* copy = copy_padded(reinterpret_cast<const T*>(x), g.batch * g.in, g.x, g.before, c.padded);
  if (!copy) return false;
  return Multiplier<T>(c, loops).run(copy, reinterpret_cast<const T*>(weight), reinterpret_cast<const T*>(bias), out);
}

// ---- the gradient for the input ------------------------------------------------------------------------------

// Input positions residue, residue + stride, ...: position i reads g at i + (residue + before - k dilation) / stride for
// the kernel elements k where this divides.
Axis phase_axis(const Geometry& g, size_t axis, int64_t residue) {
  Axis result{g.x[axis] > residue ? divide_up(g.x[axis] - residue, g.stride[axis]) : 0, 1, residue, g.stride[axis], {}};
  for (int64_t k = 0; k < g.kernel[axis]; ++k) {
    const int64_t at = residue + g.before[axis] - k * g.dilation[axis];
    if (at % g.stride[axis] == 0) result.taps.push_back({k, at / g.stride[axis]});
  }
  return result;
}

template <class T>
bool run_input_grad(const Geometry& g, const ConvolutionLoops& loops, const char* grad, const char* weight, T* out) {
  // All phases read one copy: zeros before and behind as far as any of them reaches.
  std::array<std::vector<Axis>, 3> phases;
  std::array<int64_t, 3> before{0, 0, 0};
  Padded padded;
  for (size_t axis = 0; axis < 3; ++axis) {
    int64_t reach = g.y[axis];
    for (int64_t residue = 0; residue < std::min(g.stride[axis], g.x[axis]); ++residue) {
      phases[axis].push_back(phase_axis(g, axis, residue));
      for (const Tap& tap : phases[axis].back().taps) {
        before[axis] = std::max(before[axis], -tap.offset);
        reach = std::max(reach, phases[axis].back().count + tap.offset);
      }
    }
    for (Axis& phase : phases[axis])
      for (Tap& tap : phase.taps) tap.offset += before[axis];
    padded.size[axis] = before[axis] + reach;
  }
  // Positions that no kernel element reaches are zeros.
  bool all_reached = g.out > 0;
  for (const std::vector<Axis>& axis : phases)
    for (const Axis& phase : axis) all_reached = all_reached && !phase.taps.empty();
  if (!all_reached)
    parallel_for(g.batch * g.in * product(g.x), 64 * kBlock,
                 [&](int64_t begin, int64_t end) { std::fill(out + begin, out + end, T(0)); });
  if (g.out == 0) return true;
  padded.columns = padded.size[2];
  const T* copy = copy_padded(reinterpret_cast<const T*>(grad), g.batch * g.out, g.y, before, padded);
  if (!copy) return false;
  Correlation c;
  c.padded = padded;
  c.target = g.x;
  c.batch = g.batch;
  c.groups = g.groups;
  c.rows = g.in_group();
  c.channels = g.out_group();
  c.row_step = product(g.kernel);
  c.channel_step = c.rows * c.row_step;
  c.group_step = c.channels * c.channel_step;
  c.kernel_height = g.kernel[1];
  c.kernel_width = g.kernel[2];
  for (const Axis& d : phases[0])
    for (const Axis& h : phases[1])
      for (const Axis& w : phases[2]) {
        c.axes = {d, h, w};
        if (!Multiplier<T>(c, loops).run(copy, reinterpret_cast<const T*>(weight), nullptr, out)) return false;
      }
  return true;
}

// ---- the gradient for the weight -----------------------------------------------------------------------------

// Vectors of channels in a tile: as few idle lanes as can be, then as many vectors as can be.
int tile_vectors(int64_t channels, int lanes) {
  const int64_t vectors = divide_up(channels, lanes);
  int best = 1;
  int64_t fewest = INT64_MAX;
  for (int n = int(std::min<int64_t>(4, vectors)); n >= (vectors > 1 ? 2 : 1); --n) {
    const int64_t computed = divide_up(vectors, n) * n;
    if (computed < fewest) {
      fewest = computed;
      best = n;
    }
  }
  return best;
}

template <class T>
bool run_weight_grad(const Geometry& g, const ConvolutionLoops& loops, const char* grad, const char* x, T* out) {
  const int64_t kernel = product(g.kernel), taps = g.in_group() * kernel, positions = product(g.y);
  const int64_t channels = g.out_group();
  if (g.batch == 0 || positions == 0) {
    std::fill(out, out + g.out * taps, T(0));
    return true;
  }
  if (taps == 0) return true;
  const Padded padded = padded_input(g);
  const T* copy = copy_padded(reinterpret_cast<const T*>(x), g.batch * g.in, g.x, g.before, padded);
  if (!copy) return false;
  const T* gs = reinterpret_cast<const T*>(grad);

  std::vector<int64_t> offsets;
  for (int64_t c = 0; c < g.in_group(); ++c)
    for (int64_t d = 0; d < g.kernel[0]; ++d)
      for (int64_t h = 0; h < g.kernel[1]; ++h)
        for (int64_t w = 0; w < g.kernel[2]; ++w)
          offsets.push_back(c * padded.plane() + (d * g.dilation[0] * padded.size[1] + h * g.dilation[1]) * padded.row() +
                            column_offset(g, padded, w));
  const auto line_start = [&](int64_t line, int64_t group) {  // line counts (image, depth, height)
    const int64_t lines = g.y[0] * g.y[1], d = line % lines / g.y[1], h = line % g.y[1];
    return (line / lines * g.in + group * g.in_group()) * padded.plane() +
           (d * g.stride[0] * padded.size[1] + h * g.stride[1]) * padded.row();
  };

  // Few channels: dot products along rows. Else tiles of taps by channels, g with channels last.
  const bool by_dots = channels * 4 <= loops.lanes;
  const int vectors = by_dots ? 1 : tile_vectors(channels, loops.lanes);
  const int tap_rows = by_dots ? 1 : loops.tap_rows(vectors);
  const int64_t pitch = by_dots ? 0 : divide_up(channels, vectors * loops.lanes) * vectors * loops.lanes;
  T* last = nullptr;
  if (!by_dots) {
    last = static_cast<T*>(host->scratch(size_t(g.groups * g.batch * positions * pitch) * sizeof(T)));
    if (!last) return false;
    parallel_for(g.groups * g.batch, std::max<int64_t>(1, 16 * kBlock / (positions * pitch)), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t group = i / g.batch, image = i % g.batch;
        T* to = last + i * positions * pitch;
        level->transpose(gs + (image * g.out + group * channels) * positions, positions, to, pitch, channels, positions,
                         int64_t(sizeof(T)));
        for (int64_t p = 0; pitch > channels && p < positions; ++p) std::fill_n(to + p * pitch + channels, pitch - channels, T(0));
      }
    });
  }

  // Ranges of taps by stretches of lines; a stretch has sums of its own, added up in order at the end.
  const int64_t lines = g.batch * g.y[0] * g.y[1], width = by_dots ? channels : pitch;
  const int64_t work = std::max<int64_t>(1, width * lines * g.y[2]);
  const int64_t range = std::clamp<int64_t>(divide_up(taps, 8 * tap_rows) * tap_rows, std::min<int64_t>(taps, 4 * tap_rows), taps);
  const int64_t ranges = divide_up(taps, range);
  const int64_t stretches = std::clamp<int64_t>(std::min(divide_up(8, g.groups * ranges), work * taps / kTaskWork), 1, lines);
  const int64_t stretch = divide_up(lines, stretches), sums = g.groups * taps * width;
  T* partial = static_cast<T*>(host->scratch(size_t(divide_up(lines, stretch) * sums) * sizeof(T)));
  if (!partial) return false;

  parallel_for(g.groups * ranges * divide_up(lines, stretch), std::max<int64_t>(1, kTaskWork / 4 / (range * work)),
               [&](int64_t begin, int64_t end) {
    std::vector<Run> runs;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t part = task / (g.groups * ranges), group = task / ranges % g.groups;
      const int64_t t0 = task % ranges * range, t1 = std::min(taps, t0 + range);
      T* to = partial + part * sums + group * taps * width;
      const int64_t line0 = part * stretch, line1 = std::min(lines, line0 + stretch);
      if (by_dots) {
        const int64_t per_image = g.y[0] * g.y[1];
        for (int64_t o = 0; o < channels; ++o) {
          T* row = to + o * taps;
          std::fill(row + t0, row + t1, T(0));
          for (int64_t line = line0; line < line1;) {  // as many lines as one image still has
            const int64_t until = std::min(line1, (line / per_image + 1) * per_image);
            const T* from = gs + (line / per_image * g.out + group * channels + o) * positions + line % per_image * g.y[2];
            runs.clear();
            for (; line < until; ++line) runs.push_back({line_start(line, group), g.y[2]});
            loops.dots(t1 - t0, copy, offsets.data() + t0, runs.data(), int64_t(runs.size()), from, row + t0);
          }
        }
        continue;
      }
      const T* g_last = last + group * g.batch * positions * pitch;
      bool first = true;
      for (int64_t at = line0 * g.y[2]; at < line1 * g.y[2]; first = false) {
        const int64_t start = at, until = std::min(line1 * g.y[2], at + kPositions);
        runs.clear();
        for (; at < until;) {
          const int64_t column = at % g.y[2], length = std::min(g.y[2] - column, until - at);
          runs.push_back({line_start(at / g.y[2], group) + column, length});
          at += length;
        }
        for (int64_t o = 0; o < pitch; o += vectors * loops.lanes)
          for (int64_t t = t0; t < t1; t += tap_rows)
            loops.taps(vectors, int(std::min<int64_t>(tap_rows, t1 - t)), copy, offsets.data() + t, runs.data(),
                       int64_t(runs.size()), g_last + start * pitch + o, pitch, to + t * pitch + o, pitch, !first);
      }
    }
  });
  const int64_t parts = divide_up(lines, stretch);
  if (parts > 1)
    parallel_for(sums, 16 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t i = begin; i < end; ++i) partial[i] += partial[part * sums + i];
    });
  if (by_dots) {
    std::copy(partial, partial + sums, out);
    return true;
  }
  constexpr int64_t kTurned = 64;  // channels turned at a time
  const int64_t pieces = divide_up(channels, kTurned);
  parallel_for(g.groups * pieces, std::max<int64_t>(1, 64 * kBlock / (kTurned * taps)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / pieces, channel = i % pieces * kTurned;
      level->transpose(partial + group * taps * pitch + channel, pitch, out + (group * channels + channel) * taps, taps, taps,
                       std::min(kTurned, channels - channel), int64_t(sizeof(T)));
    }
  });
  return true;
}

// ---- the rows ------------------------------------------------------------------------------------------------

enum class Wanted : uint8_t { Output, InputGrad, WeightGrad };
struct State {
  const char* name;
  Wanted wanted;
  Type stored;
};

template <class T>
bool run_as(const State& op, const Geometry& g, const char* a, const char* b, const char* bias, T* out) {
  const ConvolutionLoops& loops = *level->convolution(compute_type(op.stored));
  switch (op.wanted) {
    case Wanted::Output: return run_forward<T>(g, loops, a, b, bias, out);
    case Wanted::InputGrad: return run_input_grad<T>(g, loops, a, b, out);
    default: return run_weight_grad<T>(g, loops, a, b, out);
  }
}

fl_status run_convolution(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& op = state_of<State>(self);
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const bool forward = op.wanted == Wanted::Output, input = op.wanted == Wanted::InputGrad;
  const fl_tensor& x = forward ? call->inputs[0] : input ? out : call->inputs[1];
  const fl_tensor& y = forward ? out : call->inputs[0];
  const fl_tensor& weight = op.wanted == Wanted::WeightGrad ? out : call->inputs[1];
  const Geometry g = geometry_of(call, x, y, weight, forward ? 0 : 1);
  const char* a = dense(call->inputs[0], op.stored);
  const char* b = dense(call->inputs[1], op.stored);
  const char* bias = call->input_count > 2 ? dense(call->inputs[2], op.stored) : nullptr;
  const Result result(out, op.stored);
  if (!a || !b || !result.data() || (call->input_count > 2 && !bias)) return no_memory(op.name);
  const bool fine = compute_type(op.stored) == Type::Float64 ? run_as(op, g, a, b, bias, result.as<double>())
                                                             : run_as(op, g, a, b, bias, result.as<float>());
  if (!fine) return no_memory(op.name);
  result.store();
  return FL_OK;
}

const fl_kernel* resolve_convolution(const char* name, std::span<const Type> types) {
  if (!all_one_float(types)) return nullptr;
  if (std::strcmp(name, "convolution_input_grad") == 0)
    return keep_kernel(run_convolution, State{"convolution_input_grad", Wanted::InputGrad, types[0]});
  if (std::strcmp(name, "convolution_weight_grad") == 0)
    return keep_kernel(run_convolution, State{"convolution_weight_grad", Wanted::WeightGrad, types[0]});
  return keep_kernel(run_convolution, State{"convolution", Wanted::Output, types[0]});
}

const Registration kConvolution({"convolution", "convolution_input_grad", "convolution_weight_grad"}, resolve_convolution);

}  // namespace
}  // namespace flambeau::cpu
