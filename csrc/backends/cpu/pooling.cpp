// pooling.cpp: maxima and means of windows, plane by plane. Regular windows are combined by whole rows first (down the
// window), then along the row laid out by the stride's phases, so that both steps run on vectors; their gradients go the
// same way back. Adaptive windows, indices and windows that are mostly padding visit each window.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <type_traits>
#include <vector>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

enum class Kind : uint8_t { Max, Indices, MaxGrad, Avg, AvgGrad, AdaptiveAvg, AdaptiveAvgGrad, AdaptiveIndices };
struct State {
  const char* name;
  Kind kind;
  Type stored;
};

// The window of one position along one axis: elements start, start + step, ... below stop, all inside x; `count` is how
// many there would be with the zeros around x.
struct Window {
  int64_t start, stop, step, count;
  bool empty() const { return start >= stop; }
};

struct Pool {
  std::array<int64_t, 3> x{1, 1, 1}, y{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};
  std::array<std::vector<Window>, 3> windows;
  int64_t planes, divisor = 0;
  bool adaptive, count_padding = true;
  int64_t in() const { return x[0] * x[1] * x[2]; }
  int64_t out() const { return y[0] * y[1] * y[2]; }
  // A double: windows may count far more zeros around x than an integer holds.
  double divided_by(const Window& d, const Window& h, const Window& w) const {
    if (divisor) return double(divisor);
    if (count_padding) return double(d.count) * double(h.count) * double(w.count);
    return double(d.stop - d.start) * double(h.stop - h.start) * double(w.stop - w.start);
  }
  // Whether tables as long as a window, which with ceil_mode may be of any length, are in proportion to x, and the number of
  // each element of it fits an int32.
  bool is_compact() const {
    double elements = 1;
    for (size_t axis = 0; axis < 3; ++axis) {
      const double reach = double(kernel[axis] - 1) * double(dilation[axis]) + 1;
      if (padding[axis] > x[axis] || reach > 3 * double(x[axis])) return false;
      elements *= double(kernel[axis]);
    }
    return elements < double(std::numeric_limits<int32_t>::max());
  }
};

Pool pool_of(const State& op, const fl_call* call, const fl_tensor& x, const fl_tensor& y) {
  Pool pool;
  const int axes = x.ndim - 2;
  pool.planes = x.shape[0] * x.shape[1];
  const bool adaptive = op.kind >= Kind::AdaptiveAvg;
  const bool maximum = op.kind <= Kind::MaxGrad;
  const int first = op.kind == Kind::AvgGrad ? 1 : 0;
  if (!adaptive && !maximum) {
    pool.count_padding = call->attrs[first + 4].value.i != 0;
    pool.divisor = call->attrs[first + 5].value.i;
  }
  for (int axis = 0; axis < axes; ++axis) {
    const size_t at = size_t(axis + 3 - axes);
    pool.x[at] = x.shape[axis + 2];
    pool.y[at] = y.shape[axis + 2];
    if (adaptive) continue;
    pool.kernel[at] = call->attrs[first].value.ints[axis];
    pool.stride[at] = call->attrs[first + 1].value.ints[axis];
    pool.padding[at] = call->attrs[first + 2].value.ints[axis];
    if (maximum && pool.kernel[at] > 1) pool.dilation[at] = call->attrs[first + 3].value.ints[axis];
  }
  pool.adaptive = adaptive && (op.kind != Kind::AdaptiveAvg || pool.y[2] == 1);
  for (size_t axis = 0; adaptive && axis < 3; ++axis) {
    pool.adaptive = pool.adaptive || pool.x[axis] % pool.y[axis] != 0;
    pool.kernel[axis] = pool.stride[axis] = pool.x[axis] / pool.y[axis];
  }
  for (size_t axis = 0; axis < 3; ++axis)
    for (int64_t i = 0; i < pool.y[axis]; ++i) {
      const int64_t n = pool.x[axis], gap = pool.dilation[axis];
      if (pool.adaptive) {
        const int64_t start = i * n / pool.y[axis], stop = divide_up((i + 1) * n, pool.y[axis]);
        pool.windows[axis].push_back({start, stop, 1, stop - start});
        continue;
      }
      __extension__ typedef __int128 Wide;  // kernel and padding may be any numbers
      int64_t start = i * pool.stride[axis] - pool.padding[axis];
      const Wide end = Wide(start) + Wide(pool.kernel[axis] - 1) * gap + 1;
      const auto count = int64_t(std::min(end, Wide(n) + pool.padding[axis]) - start);
      if (start < 0) start += divide_up(-start, gap) * gap;
      pool.windows[axis].push_back({start, int64_t(std::min(end, Wide(n))), gap, count});
    }
  return pool;
}

// visit(index of the output, its windows) over a plane.
template <class Visit>
void for_each_window(const Pool& pool, const Visit& visit) {
  int64_t i = 0;
  for (const Window& d : pool.windows[0])
    for (const Window& h : pool.windows[1])
      for (const Window& w : pool.windows[2]) visit(i++, d, h, w);
}

// Where the largest element is, as PyTorch looks for it: the first of equals, the last NaN.
template <class T>
int64_t largest_place(const Pool& pool, const T* x, const Window& d, const Window& h, const Window& w) {
  const auto inside = [&](size_t axis, int64_t i) { return std::min(i, pool.x[axis] - 1); };
  int64_t place = (inside(0, d.start) * pool.x[1] + inside(1, h.start)) * pool.x[2] + inside(2, w.start);
  T best = -std::numeric_limits<T>::infinity();
  for (int64_t a = d.start; a < d.stop; a += d.step)
    for (int64_t b = h.start; b < h.stop; b += h.step) {
      const int64_t row = (a * pool.x[1] + b) * pool.x[2];
      for (int64_t c = w.start; c < w.stop; c += w.step) {
        const T value = x[row + c];
        if (value > best || value != value) {
          best = value;
          place = row + c;
        }
      }
    }
  return place;
}

// Regular windows as the loops of the levels want them.
template <class T>
class Regular {
  using Index = std::conditional_t<sizeof(T) == 4, int32_t, int64_t>;

 public:
  explicit Regular(const Pool& pool) {
    plane.in_rows = pool.x[0] * pool.x[1];
    plane.in_width = pool.x[2];
    plane.out_rows = pool.y[0] * pool.y[1];
    plane.out_width = pool.y[2];
    plane.kernel = pool.kernel[2];
    plane.stride = pool.stride[2];
    plane.padding = pool.padding[2];
    plane.dilation = pool.dilation[2];
    const int64_t reach = (pool.y[2] - 1) * plane.stride + (plane.kernel - 1) * plane.dilation + 1;
    plane.stride = std::min(plane.stride, reach);  // a single window's stride may be any number
    plane.columns = divide_up(std::max(reach, plane.padding + plane.in_width), plane.stride);
    plane.columns = divide_up(plane.columns, kRoom) * kRoom + kRoom;  // whole vectors and one more
    starts_.push_back(0);
    for (const Window& d : pool.windows[0])
      for (const Window& h : pool.windows[1]) {
        for (int64_t a = d.start; a < d.stop; a += d.step)
          for (int64_t b = h.start; b < h.stop; b += h.step) sources_.push_back({a * pool.x[1] + b, int64_t(sources_.size()) - starts_.back()});
        starts_.push_back(int64_t(sources_.size()));
        row_counts_.push_back(double(pool.divisor ? pool.divisor : pool.count_padding ? d.count * h.count
                                                                                       : (d.stop - d.start) * (h.stop - h.start)));
      }
    for (int64_t i = 0; i < pool.y[2]; ++i) {
      const Window& w = pool.windows[2][size_t(i)];
      column_counts_.push_back(T(pool.divisor ? 1 : pool.count_padding ? w.count : w.stop - w.start));
      firsts_.push_back(Index((w.start - i * pool.stride[2] + pool.padding[2]) / pool.dilation[2]));
    }
    column_counts_.resize(size_t(pool.y[2] + kRoom), T(1));
    firsts_.resize(size_t(pool.y[2] + kRoom));
    for (int64_t k = 0; k < plane.kernel; ++k) {
      phases_.push_back(k * plane.dilation % plane.stride);
      shifts_.push_back(k * plane.dilation / plane.stride);
    }
    std::vector<int64_t> counts(size_t(plane.in_rows) + 1, 0);
    for (const PoolSource& source : sources_) ++counts[size_t(source.row) + 1];
    std::partial_sum(counts.begin(), counts.end(), counts.begin());
    reader_starts_ = counts;
    readers_.resize(sources_.size());
    for (int64_t r = 0; r < plane.out_rows; ++r)
      for (int64_t s = starts_[size_t(r)]; s < starts_[size_t(r) + 1]; ++s)
        readers_[size_t(counts[size_t(sources_[size_t(s)].row)]++)] = {r, sources_[size_t(s)].tap};
    plane.phases = phases_.data();
    plane.shifts = shifts_.data();
    plane.reader_starts = reader_starts_.data();
    plane.readers = readers_.data();
    plane.starts = starts_.data();
    plane.sources = sources_.data();
    plane.firsts = firsts_.data();
    plane.row_counts = row_counts_.data();
    plane.column_counts = column_counts_.data();
  }
  Regular(const Regular&) = delete;
  Regular& operator=(const Regular&) = delete;
  PoolPlane plane;
  int64_t line_elements() const { return plane.row_memory() + plane.in_width + kRoom; }
  int64_t largest_grad_elements() const { return plane.in_rows * plane.row_memory(); }
  int64_t mean_grad_elements() const { return plane.row_memory() + plane.out_rows * plane.out_row(); }

 private:
  static constexpr int64_t kRoom = 16;  // elements of the longest vector
  std::vector<int64_t> starts_, phases_, shifts_, reader_starts_;
  std::vector<PoolSource> sources_, readers_;
  std::vector<double> row_counts_;
  std::vector<T> column_counts_;
  std::vector<Index> firsts_;
};

// Windows that are mostly padding: only their elements inside x are visited.
template <class T>
void visit_means(const Pool& pool, const T* x, T* y) {
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    double sum = 0;
    for (int64_t a = d.start; a < d.stop; ++a)
      for (int64_t b = h.start; b < h.stop; ++b) {
        const T* row = x + (a * pool.x[1] + b) * pool.x[2];
        for (int64_t c = w.start; c < w.stop; ++c) sum += double(row[c]);
      }
    y[i] = T(sum / pool.divided_by(d, h, w));
  });
}
template <class T>
void visit_largest(const Pool& pool, const T* x, T* y) {
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    y[i] = d.empty() || h.empty() || w.empty() ? -std::numeric_limits<T>::infinity() : x[largest_place(pool, x, d, h, w)];
  });
}

// Whether some window lies between the elements of x, as a dilated one may: its gradient goes nowhere.
bool misses_all(const Pool& pool) {
  for (const std::vector<Window>& axis : pool.windows)
    for (const Window& window : axis)
      if (window.empty()) return true;
  return false;
}
template <class T>
void visit_largest_grad(const Pool& pool, const T* g, const T* x, T* dx) {
  std::fill(dx, dx + pool.in(), T(0));
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    if (!d.empty() && !h.empty() && !w.empty()) dx[largest_place(pool, x, d, h, w)] += g[i];
  });
}

// Whether the windows are squares of 2 by 2 that touch.
bool is_of_squares(const Pool& pool) {
  return pool.kernel[1] == 2 && pool.kernel[2] == 2 && pool.stride[1] == 2 && pool.stride[2] == 2 &&
         pool.padding[1] == 0 && pool.padding[2] == 0 && pool.dilation[1] == 1 && pool.dilation[2] == 1 &&
         pool.x[0] == 1 && pool.kernel[0] == 1 && pool.y[1] * 2 <= pool.x[1] && pool.y[2] * 2 <= pool.x[2];
}
// The gradient of a plane by write(pair of rows, where to, how many pairs). `block` holds the pairs that go past the caches
// together, `pairs` of them; null: written where they belong.
template <class T, class Write>
void square_grad(const Pool& pool, T* dx, T* block, int64_t pairs, const Write& write) {
  const int64_t width = pool.x[2], rows = pool.y[1];
  for (int64_t first = 0; first < rows; first += pairs) {
    const int64_t together = std::min(pairs, rows - first);
    write(first, block ? block : dx + 2 * first * width, together);
    if (block) write_past_caches(dx + 2 * first * width, block, size_t(2 * together * width) * sizeof(T));
  }
  std::fill(dx + 2 * rows * width, dx + pool.x[1] * width, T(0));
}

template <class T>
void visit_mean_grad(const Pool& pool, const T* g, T* dx) {
  std::fill(dx, dx + pool.in(), T(0));
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    const T share = T(double(g[i]) / pool.divided_by(d, h, w));
    for (int64_t a = d.start; a < d.stop; ++a)
      for (int64_t b = h.start; b < h.stop; ++b) {
        T* row = dx + (a * pool.x[1] + b) * pool.x[2];
        for (int64_t c = w.start; c < w.stop; ++c) row[c] += share;
      }
  });
}

// The rows of a row of windows are added into a line, which has an element for each column of x.
template <class T>
void adaptive_mean(const Pool& pool, const NormLoops& loops, const T* x, T* y, double* line) {
  const int64_t width = pool.x[2];
  const bool whole = pool.y[2] == 1;  // rows of the window are one stretch
  for (const Window& d : pool.windows[0])
    for (const Window& h : pool.windows[1]) {
      double sum = 0;
      if (!whole) std::fill(line, line + width, 0.0);
      for (int64_t a = d.start; a < d.stop; ++a) {
        const T* rows = x + (a * pool.x[1] + h.start) * width;
        if (whole) {
          sum += loops.sum(rows, width * (h.stop - h.start), {});
          continue;
        }
        for (int64_t b = h.start; b < h.stop; ++b, rows += width)
          for (int64_t c = 0; c < width; ++c) line[c] += double(rows[c]);
      }
      for (const Window& w : pool.windows[2]) {
        if (!whole) sum = std::accumulate(line + w.start, line + w.stop, 0.0);
        *y++ = T(sum / pool.divided_by(d, h, w));
      }
    }
}

template <class T>
fl_status run_planes(const State& op, const Pool& pool, const fl_call* call) {
  // Means of windows that are cut evenly are those of regular ones.
  const Kind kind = op.kind == Kind::AdaptiveAvg && !pool.adaptive ? Kind::Avg : op.kind;
  const fl_tensor& out = call->outputs[0];
  const Type computed = compute_type(op.stored);
  const PoolLoops& loops = *level->pool(computed);
  const T* a = reinterpret_cast<const T*>(dense(call->inputs[0], op.stored));
  const T* b = call->input_count > 1 ? reinterpret_cast<const T*>(dense(call->inputs[1], op.stored)) : nullptr;
  const bool indices = kind == Kind::Indices || kind == Kind::AdaptiveIndices;
  const Result result(out, indices ? Type::Int64 : op.stored);
  if (!a || (call->input_count > 1 && !b) || !result.data()) return no_memory(op.name);
  const int64_t in = pool.in(), size = pool.out();
  T* to = result.as<T>();
  const bool maximum = kind == Kind::Max || kind == Kind::MaxGrad, mean = kind == Kind::Avg || kind == Kind::AvgGrad;
  const bool squares = (maximum || mean) && is_of_squares(pool);
  const double divisor = double(pool.divisor ? pool.divisor : 4);  // of a square
  std::unique_ptr<Regular<T>> regular;
  if ((maximum || mean) && !squares && pool.is_compact() && !(kind == Kind::MaxGrad && (in > std::numeric_limits<int32_t>::max() || misses_all(pool))))
    regular = std::make_unique<Regular<T>>(pool);
  const bool forward = kind == Kind::Max || kind == Kind::Avg;
  // Pairs of rows that go past the caches together.
  constexpr int64_t kTogether = 16 << 10;
  const int64_t pair = 2 * pool.x[2] * int64_t(sizeof(T));
  const bool streams = squares && !forward && pool.planes * in * int64_t(sizeof(T)) >= kStreamBytes && pair <= kTogether;
  const int64_t pairs = streams ? kTogether / pair : pool.y[1];
  const int64_t elements = streams ? pairs * 2 * pool.x[2]
                           : !regular ? 0 : forward ? regular->line_elements()
                           : kind == Kind::MaxGrad ? regular->largest_grad_elements() : regular->mean_grad_elements();
  const int64_t grain = std::max<int64_t>(1, 16 * kBlock / std::max<int64_t>(1, in + size));
  const size_t bytes = kind == Kind::AdaptiveAvg ? size_t(pool.x[2]) * sizeof(double) : size_t(elements) * sizeof(T);
  const bool fine = parallel_with_scratch(pool.planes, grain, bytes, [&](void* memory, int64_t begin, int64_t end) {
    T* block = streams ? static_cast<T*>(memory) : nullptr;
    for (int64_t p = begin; p < end; ++p) {
      switch (kind) {
        case Kind::Max:
          if (squares) loops.square(a + p * in, pool.x[2], to + p * size, pool.y[2], pool.y[1]);
          else if (!regular) visit_largest(pool, a + p * in, to + p * size);
          else loops.largest(regular->plane, a + p * in, to + p * size, memory);
          break;
        case Kind::Avg:
          if (squares) loops.square_mean(a + p * in, pool.x[2], to + p * size, pool.y[2], pool.y[1], divisor);
          else if (!regular) visit_means(pool, a + p * in, to + p * size);
          else loops.mean(regular->plane, a + p * in, to + p * size, memory);
          break;
        case Kind::MaxGrad:
          if (squares)
            square_grad(pool, to + p * in, block, pairs, [&](int64_t pair, T* rows, int64_t together) {
              loops.square_grad(b + p * in + 2 * pair * pool.x[2], pool.x[2], a + p * size + pair * pool.y[2], rows, pool.y[2], together);
            });
          else if (!regular) visit_largest_grad(pool, a + p * size, b + p * in, to + p * in);
          else loops.largest_grad(regular->plane, end - begin, a + p * size, b + p * in, to + p * in, memory);
          if (regular) return;  // all planes of the piece
          break;
        case Kind::AvgGrad:
          if (squares)
            square_grad(pool, to + p * in, block, pairs, [&](int64_t pair, T* rows, int64_t together) {
              loops.square_mean_grad(pool.x[2], a + p * size + pair * pool.y[2], rows, pool.y[2], together, divisor);
            });
          else if (!regular) visit_mean_grad(pool, a + p * size, to + p * in);
          else loops.mean_grad(regular->plane, a + p * size, to + p * in, memory);
          break;
        case Kind::AdaptiveAvg:
          adaptive_mean(pool, *level->norm(computed), a + p * in, to + p * size, static_cast<double*>(memory));
          break;
        case Kind::AdaptiveAvgGrad: visit_mean_grad(pool, a + p * size, to + p * in); break;
        default: {
          int64_t* places = result.as<int64_t>() + p * size;
          for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
            places[i] = largest_place(pool, a + p * in, d, h, w);
          });
        }
      }
    }
  });
  if (!fine) return no_memory(op.name);
  result.store();
  return FL_OK;
}

fl_status run_pool(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& op = state_of<State>(self);
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const bool gradient = op.kind == Kind::MaxGrad || op.kind == Kind::AvgGrad || op.kind == Kind::AdaptiveAvgGrad;
  const Pool pool = pool_of(op, call, gradient ? out : call->inputs[0], gradient ? call->inputs[0] : out);
  return compute_type(op.stored) == Type::Float64 ? run_planes<double>(op, pool, call) : run_planes<float>(op, pool, call);
}

const fl_kernel* resolve_pool(const char* name, std::span<const Type> types) {
  constexpr std::pair<const char*, Kind> kKinds[] = {
      {"max_pool", Kind::Max},           {"max_pool_indices", Kind::Indices},
      {"max_pool_grad", Kind::MaxGrad},  {"avg_pool", Kind::Avg},
      {"avg_pool_grad", Kind::AvgGrad},  {"adaptive_avg_pool", Kind::AdaptiveAvg},
      {"adaptive_avg_pool_grad", Kind::AdaptiveAvgGrad}, {"adaptive_max_indices", Kind::AdaptiveIndices}};
  for (const auto& [known, kind] : kKinds) {
    if (std::strcmp(name, known) != 0) continue;
    const bool indices = kind == Kind::Indices || kind == Kind::AdaptiveIndices;
    const bool fits = indices ? types.size() == 2 && is_floating(types[0]) && types[1] == Type::Int64 : all_one_float(types);
    return fits ? keep_kernel(run_pool, State{known, kind, types[0]}) : nullptr;
  }
  return nullptr;
}

const Registration kPool({"max_pool", "max_pool_indices", "max_pool_grad", "avg_pool", "avg_pool_grad", "adaptive_avg_pool",
                          "adaptive_avg_pool_grad", "adaptive_max_indices"}, resolve_pool);

}  // namespace
}  // namespace flambeau::cpu
