// convolution.cpp: convolution, its gradient for the input (a transposed convolution) and for the weight: which way each
// one goes, and the way of few channels, line by line.
//
// Line by line the input is copied once with its zeros around it, each row by the stride's phases, so that the elements
// which one kernel element meets along a row of outputs lie side by side. The gradient for the input is the same product
// with the kernel turned round, one for each phase of the stride, so no zero is ever multiplied. Work is cut by sizes
// alone; every element is summed in one order.
#include "convolution.h"

#include <cstring>

namespace flambeau::cpu {

namespace {

constexpr int64_t kTaskWork = 1 << 20;  // products that make a task of their own
constexpr int64_t kRoom = 80;           // elements readable behind a copied input
constexpr int64_t kFewRows = 8;         // fewer output channels than these are computed line by line,
constexpr int64_t kFewElements = 16;    // and so are sums of at most so many elements,
constexpr int64_t kLines = 4;           // so many at a time

Sizes spatial(const fl_tensor& x) {
  Sizes sizes{1, 1, 1};
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

template <class T>
T* copy_padded(const T* x, int64_t planes, const Sizes& size, const Sizes& before,
               const Padded& padded, const ConvolutionLoops& loops) {
  const double elements = double(planes) * double(padded.size[0]) * double(padded.size[1]) * double(padded.phases) *
                          double(padded.columns);
  if (elements > 0x1p56) return nullptr;  // padding may be any number
  const int64_t plane = padded.plane(), row = padded.row();
  T* to = static_cast<T*>(host->scratch(size_t(planes * plane + kRoom) * sizeof(T)));
  if (!to) return nullptr;
  const int64_t last = std::min(size[2], padded.size[2] - before[2]);  // columns that are read by someone
  parallel_for(planes, std::max<int64_t>(1, 16 * kBlock / std::max<int64_t>(1, plane)), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      std::memset(to + p * plane, 0, size_t(plane) * sizeof(T));
      // Rows of the copy that are rows of x.
      const int64_t first = std::min(padded.size[1], before[1]), until = std::clamp(size[1] + before[1], first, padded.size[1]);
      for (int64_t d = before[0]; d < std::min(padded.size[0], size[0] + before[0]) && last > 0; ++d) {
        const T* from = x + ((p * size[0] + d - before[0]) * size[1] + first - before[1]) * size[2];
        T* line = to + p * plane + (d * padded.size[1] + first) * row;
        if (padded.phases == 1) {
          loops.rows_copy(from, size[2], line + before[2], row, last, until - first);
          continue;
        }
        for (int64_t h = first; h < until; ++h, from += size[2], line += row) {
          if (padded.phases == 2) {  // the first element goes to the phase of the zeros before it
            loops.split(from, last, line + before[2] % 2 * padded.columns + before[2] / 2,
                        line + (before[2] + 1) % 2 * padded.columns + (before[2] + 1) / 2);
            continue;
          }
          for (int64_t phase = 0; phase < padded.phases; ++phase) {
            // The first column of this phase that is not a zero before the row.
            int64_t i = std::max<int64_t>(0, divide_up(before[2] - phase, padded.phases));
            for (int64_t w = i * padded.phases + phase - before[2]; w < last; w += padded.phases)
              line[phase * padded.columns + i++] = from[w];
          }
        }
      }
    }
  });
  std::memset(to + planes * plane, 0, size_t(kRoom) * sizeof(T));
  return to;
}

// ---- one product -------------------------------------------------------------------------------------------

// Each line of the result is a sum of lines of the copy, nothing is packed. Four at a time: of four rows, or of one.
template <class T>
bool multiply_lines(const Correlation& c, const Padded& padded, const ConvolutionLoops& loops, const T* copy, const T* weight,
                    const T* bias, T* out) {
  const int64_t kernel = int64_t(c.axes[0].taps.size() * c.axes[1].taps.size() * c.axes[2].taps.size());
  const int64_t depth = c.channels * kernel, positions = c.positions(), all_rows = c.groups * c.rows;
  if (depth == 0 || positions == 0) return true;
  T* packed = static_cast<T*>(host->scratch(size_t(all_rows * depth) * sizeof(T)));
  if (!packed) return false;
  std::vector<int64_t> offsets;
  for (int64_t channel = 0; channel < c.channels; ++channel)
    for (const Tap& d : c.axes[0].taps)
      for (const Tap& h : c.axes[1].taps)
        for (const Tap& w : c.axes[2].taps) {
          for (int64_t row = 0; row < all_rows; ++row)
            packed[row * depth + int64_t(offsets.size())] =
                weight[row / c.rows * c.group_step + row % c.rows * c.row_step + channel * c.channel_step +
                       (d.kernel * c.kernel[1] + h.kernel) * c.kernel[2] + w.kernel];
          offsets.push_back(channel * padded.plane() + (d.offset * padded.size[1] + h.offset) * padded.row() + w.offset);
        }
  const Axis &down = c.axes[1], &along = c.axes[2];
  const int64_t width = along.count, step = along.target_step, plane = product(c.target), from_line = down.source_step * padded.row();
  const int64_t to_line = step == 1 ? down.target_step * c.target[2] : width;
  const int64_t units = c.rows / kLines + c.rows % kLines;  // rows that are computed together
  const int64_t wanted = std::max<int64_t>(1, kTaskWork / 4 / (depth * width));  // lines of a task
  const int64_t strip = std::min(down.count, divide_up(wanted, kLines) * kLines), strips = divide_up(down.count, strip);
  const int64_t tasks = c.batch * c.groups * units * c.axes[0].count * strips;
  parallel_for(tasks, std::max<int64_t>(1, wanted / (kLines * strip)), [&](int64_t begin, int64_t end) {
    std::vector<T> detour(step == 1 ? 0 : size_t(kLines * strip * width));
    for (int64_t task = begin; task < end; ++task) {
      const int64_t first = task % strips * strip, lines = std::min(strip, down.count - first), d = task / strips % c.axes[0].count;
      const int64_t unit = task / (strips * c.axes[0].count) % units, image_group = task / (strips * c.axes[0].count * units);
      const bool many = unit < c.rows / kLines;
      const int64_t row = many ? unit * kLines : unit - c.rows / kLines + c.rows / kLines * kLines;
      const int64_t all_row = image_group % c.groups * c.rows + row, quads = many ? lines : lines / kLines;
      const T* from = copy + image_group * c.channels * padded.plane() +
                      (d * c.axes[0].source_step * padded.size[1] + first * down.source_step) * padded.row();
      T* target = out + (image_group * c.rows + row) * plane +
                  ((c.axes[0].target_start + d * c.axes[0].target_step) * c.target[1] + down.target_start + first * down.target_step) *
                      c.target[2] + along.target_start;
      T* to = step == 1 ? target : detour.data();
      const T* factors = packed + all_row * depth;
      double offset[kLines];
      for (int64_t s = 0; s < kLines; ++s) offset[s] = bias ? double(bias[many ? all_row + s : all_row]) : 0.0;
      if (many) {
        loops.lines(kLines, depth, factors, depth, from, 0, from_line, offsets.data(), offset, to, step == 1 ? plane : lines * width,
                    to_line, width, lines);
      } else {
        loops.lines(kLines, depth, factors, 0, from, from_line, kLines * from_line, offsets.data(), offset, to, to_line,
                    kLines * to_line, width, quads);
        loops.lines(1, depth, factors, 0, from + quads * kLines * from_line, 0, from_line, offsets.data(), offset,
                    to + quads * kLines * to_line, 0, to_line, width, lines - quads * kLines);
      }
      for (int64_t i = 0; step > 1 && i < (many ? kLines : 1) * lines; ++i) {
        T* line = target + i / lines * plane + i % lines * down.target_step * c.target[2];
        for (int64_t k = 0; k < width; ++k) line[k * step] = detour[size_t(i * width + k)];
      }
    }
  });
  return true;
}

// Sizes, strides of the weight and nothing of the axes. Rows are output channels; of the gradient for the input they are
// input channels, and the kernel is not turned yet.
Correlation forward_product(const Geometry& g) {
  const int64_t kernel = product(g.kernel), row = g.in_group() * kernel;
  Correlation c;
  c.target = g.y;
  c.batch = g.batch;
  c.groups = g.groups;
  c.rows = g.out_group();
  c.channels = g.in_group();
  c.kernel = g.kernel;
  c.row_step = row;
  c.channel_step = kernel;
  c.group_step = c.rows * row;
  return c;
}
Correlation input_grad_product(const Geometry& g) {
  Correlation c = forward_product(g);
  c.target = g.x;
  std::swap(c.rows, c.channels);
  std::swap(c.row_step, c.channel_step);
  return c;
}

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

// Positions of the output; kernel elements where they lie in rows by phases, or in plain rows.
void set_forward_axes(const Geometry& g, const Padded& padded, bool by_phases, Correlation& c) {
  for (size_t axis = 0; axis < 3; ++axis) {
    c.axes[axis] = {g.y[axis], g.stride[axis], 0, 1, {}};
    c.source[axis] = padded.size[axis];
    for (int64_t k = 0; k < g.kernel[axis]; ++k)
      c.axes[axis].taps.push_back({k, by_phases && axis == 2 ? column_offset(g, padded, k) : k * g.dilation[axis]});
  }
}

template <class T>
bool run_forward(const Geometry& g, const ConvolutionLoops& loops, const T* x, const T* weight, const T* bias, T* out) {
  Correlation c = forward_product(g);
  if (c.channels == 0) {  // nothing to sum: the bias alone
    const int64_t plane = product(g.y);
    for (int64_t i = 0; i < g.batch * g.out; ++i) std::fill_n(out + i * plane, plane, bias ? bias[i % g.out] : T(0));
    return true;
  }
  if (depthwise_fits(g)) return depthwise(g, x, weight, bias, out);
  if (pointwise_fits(g)) return pointwise(g, x, weight, bias, out);
  if (winograd_fits(g, g.y, loops.lanes)) {
    const WinogradLoops& winograd = *level->winograd(type_as<T>());
    const Outcome outcome = multiply_winograd(c, loops, winograd, x, g.x, g.before, false, weight, bias, out);
    if (outcome != Outcome::NotFinite) return outcome == Outcome::Done;
  }
  Padded padded = padded_input(g);
  for (size_t axis = 0; axis < 3; ++axis) c.axes[axis].count = g.y[axis];
  const bool by_lines = c.rows < kFewRows || c.channels * product(g.kernel) <= kFewElements;
  const bool few = !by_lines && few_positions(c);
  set_forward_axes(g, padded, by_lines || few, c);
  if (by_lines || few) {
    const T* copy = copy_padded(x, g.batch * g.in, g.x, g.before, padded, loops);
    if (!copy) return false;
    return few ? multiply_few(c, padded, loops, copy, weight, bias, out) : multiply_lines(c, padded, loops, copy, weight, bias, out);
  }
  Sizes every{1, 1, 1};
  for (size_t axis = 0; axis < 3; ++axis) {
    if (g.kernel[axis] > 1) continue;
    c.axes[axis].source_step = 1;  // what no one reads is not copied
    c.source[axis] = g.y[axis];
    every[axis] = g.stride[axis];
  }
  const T* copy = copy_last(x, g.batch, g.in, g.x, g.before, c.source, every);
  return copy && multiply_last(c, loops, copy, weight, bias, out);
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
bool run_input_grad(const Geometry& g, const ConvolutionLoops& loops, const T* grad, const T* weight, T* out) {
  if (depthwise_grad_fits(g)) return depthwise_input_grad(g, grad, weight, out);
  if (pointwise_fits(g)) return pointwise_input_grad(g, grad, weight, out);
  Correlation c = input_grad_product(g);
  if (winograd_fits(g, g.x, loops.lanes)) {
    const WinogradLoops& winograd = *level->winograd(type_as<T>());
    const Sizes before{0, 2 - g.before[1], 2 - g.before[2]};
    const Outcome outcome = multiply_winograd(c, loops, winograd, grad, g.y, before, true, weight, static_cast<const T*>(nullptr), out);
    if (outcome != Outcome::NotFinite) return outcome == Outcome::Done;
  }
  // All phases read one copy: zeros before and behind as far as any of them reaches.
  std::array<std::vector<Axis>, 3> phases;
  Sizes before{0, 0, 0};
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
  c.source = padded.size;
  for (size_t axis = 0; axis < 3; ++axis) c.axes[axis].count = divide_up(g.x[axis], g.stride[axis]);
  const bool by_lines = c.rows < kFewRows, few = !by_lines && few_positions(c);
  const T* copy = by_lines || few ? copy_padded(grad, g.batch * g.out, g.y, before, padded, loops)
                                  : copy_last(grad, g.batch, g.out, g.y, before, padded.size, {1, 1, 1});
  if (!copy) return false;
  const T* none = nullptr;
  for (const Axis& d : phases[0])
    for (const Axis& h : phases[1])
      for (const Axis& w : phases[2]) {
        c.axes = {d, h, w};
        const bool fine = by_lines ? multiply_lines(c, padded, loops, copy, weight, none, out)
                          : few    ? multiply_few(c, padded, loops, copy, weight, none, out)
                                   : multiply_last(c, loops, copy, weight, none, out);
        if (!fine) return false;
      }
  return true;
}

// ---- the gradient for the weight -----------------------------------------------------------------------------

template <class T>
bool run_weight_grad(const Geometry& g, const ConvolutionLoops& loops, const T* grad, const T* x, T* out) {
  const int64_t taps = g.in_group() * product(g.kernel), positions = product(g.y), channels = g.out_group();
  if (g.batch == 0 || positions == 0) {
    std::fill(out, out + g.out * taps, T(0));
    return true;
  }
  if (taps == 0) return true;
  if (narrow_weight_grad_fits(g, loops.lanes)) return narrow_weight_grad(g, grad, x, out);
  if (depthwise_weight_grad_fits(g)) return depthwise_weight_grad(g, grad, x, out);
  if (pointwise_fits(g)) return pointwise_weight_grad(g, grad, x, out);
  if (winograd_fits(g, g.y, loops.lanes)) {
    const WinogradLoops& winograd = *level->winograd(type_as<T>());
    const Outcome outcome = weight_grad_winograd(g, loops, winograd, grad, x, out);
    if (outcome != Outcome::NotFinite) return outcome == Outcome::Done;
  }
  const bool by_lines = channels * 4 <= loops.lanes;
  const Padded padded = padded_input(g);
  Correlation c = forward_product(g);
  set_forward_axes(g, padded, true, c);
  const bool few = !by_lines && few_positions(c);
  if (!by_lines && !few) return weight_grad_last(g, loops, grad, x, out);
  const T* copy = copy_padded(x, g.batch * g.in, g.x, g.before, padded, loops);
  if (!copy) return false;
  if (few) return weight_grad_few(c, padded, loops, copy, grad, out);
  // Few channels: dot products along rows.
  std::vector<int64_t> offsets;
  for (int64_t c = 0; c < g.in_group(); ++c)
    for (int64_t d = 0; d < g.kernel[0]; ++d)
      for (int64_t h = 0; h < g.kernel[1]; ++h)
        for (int64_t w = 0; w < g.kernel[2]; ++w)
          offsets.push_back(c * padded.plane() + (d * g.dilation[0] * padded.size[1] + h * g.dilation[1]) * padded.row() +
                            column_offset(g, padded, w));
  const int64_t lines = g.y[0] * g.y[1], range = std::max(std::min<int64_t>(taps, 4), divide_up(taps, 8)), ranges = divide_up(taps, range);
  parallel_for(g.out * ranges, std::max<int64_t>(1, kTaskWork / 4 / (range * g.batch * positions)), [&](int64_t begin, int64_t end) {
    std::vector<Run> runs;
    for (int64_t task = begin; task < end; ++task) {
      const int64_t o = task / ranges, first = task % ranges * range, count = std::min(range, taps - first);
      T* row = out + o * taps + first;
      std::fill(row, row + count, T(0));
      for (int64_t image = 0; image < g.batch; ++image) {
        const int64_t start = (image * g.in + o / channels * g.in_group()) * padded.plane();
        runs.clear();
        for (int64_t line = 0; line < lines; ++line)
          runs.push_back({start + (line / g.y[1] * g.stride[0] * padded.size[1] + line % g.y[1] * g.stride[1]) * padded.row(), g.y[2]});
        loops.dots(count, copy, offsets.data() + first, runs.data(), lines, grad + (image * g.out + o) * positions, row);
      }
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
bool run_as(const State& op, const Geometry& g, const char* a_bytes, const char* b_bytes, const char* bias, T* out) {
  const ConvolutionLoops& loops = *level->convolution(type_as<T>());
  const T* a = reinterpret_cast<const T*>(a_bytes);
  const T* b = reinterpret_cast<const T*>(b_bytes);
  switch (op.wanted) {
    case Wanted::Output: return run_forward(g, loops, a, b, reinterpret_cast<const T*>(bias), out);
    case Wanted::InputGrad: return run_input_grad(g, loops, a, b, out);
    default: return run_weight_grad(g, loops, a, b, out);
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
