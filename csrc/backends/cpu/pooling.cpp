// pooling.cpp: maxima and means of windows, plane by plane. Maxima and regular means combine whole rows first (down the
// window), then along the row, so both steps run on vectors; gradients and adaptive windows visit each window.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
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
};

struct Pool {
  std::array<int64_t, 3> x{1, 1, 1}, y{1, 1, 1}, kernel{1, 1, 1}, stride{1, 1, 1}, padding{0, 0, 0}, dilation{1, 1, 1};
  std::array<std::vector<Window>, 3> windows;
  int64_t planes, divisor = 0;
  bool adaptive, count_padding = true;
  int64_t in() const { return x[0] * x[1] * x[2]; }
  int64_t out() const { return y[0] * y[1] * y[2]; }
  int64_t divided_by(const Window& d, const Window& h, const Window& w) const {
    if (divisor) return divisor;
    if (count_padding) return d.count * h.count * w.count;
    return (d.stop - d.start) * (h.stop - h.start) * (w.stop - w.start);
  }
};

Pool pool_of(const State& op, const fl_call* call, const fl_tensor& x, const fl_tensor& y) {
  Pool pool;
  const int axes = x.ndim - 2;
  pool.planes = x.shape[0] * x.shape[1];
  pool.adaptive = op.kind >= Kind::AdaptiveAvg;
  const bool maximum = op.kind <= Kind::MaxGrad;
  const int first = op.kind == Kind::AvgGrad ? 1 : 0;
  if (!pool.adaptive && !maximum) {
    pool.count_padding = call->attrs[first + 4].value.i != 0;
    pool.divisor = call->attrs[first + 5].value.i;
  }
  for (int axis = 0; axis < axes; ++axis) {
    const size_t at = size_t(axis + 3 - axes);
    pool.x[at] = x.shape[axis + 2];
    pool.y[at] = y.shape[axis + 2];
    if (pool.adaptive) continue;
    pool.kernel[at] = call->attrs[first].value.ints[axis];
    pool.stride[at] = call->attrs[first + 1].value.ints[axis];
    pool.padding[at] = call->attrs[first + 2].value.ints[axis];
    if (maximum) pool.dilation[at] = call->attrs[first + 3].value.ints[axis];
  }
  for (size_t axis = 0; axis < 3; ++axis)
    for (int64_t i = 0; i < pool.y[axis]; ++i) {
      const int64_t n = pool.x[axis], gap = pool.dilation[axis];
      if (pool.adaptive) {
        const int64_t start = i * n / pool.y[axis], stop = divide_up((i + 1) * n, pool.y[axis]);
        pool.windows[axis].push_back({start, stop, 1, stop - start});
        continue;
      }
      int64_t start = i * pool.stride[axis] - pool.padding[axis];
      const int64_t end = start + (pool.kernel[axis] - 1) * gap + 1;
      const int64_t count = std::min(end, n + pool.padding[axis]) - start;
      if (start < 0) start += divide_up(-start, gap) * gap;
      pool.windows[axis].push_back({start, std::min(end, n), gap, count});
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

// Rows of a plane combined down the window, then along it.
template <class T>
class Rows {
 public:
  Rows(const Pool& pool, const PoolLoops& loops, bool maximum)
      : pool_(pool), loops_(loops), maximum_(maximum), empty_(maximum ? -std::numeric_limits<T>::infinity() : T(0)) {
    const int64_t reach = (pool.y[2] - 1) * pool.stride[2] + (pool.kernel[2] - 1) * pool.dilation[2] + 1;
    width_ = std::max(reach, pool.padding[2] + pool.x[2]);
    for (std::vector<T>& part : lines_) part.assign(size_t(width_ + 2), empty_);
  }

  void run(const T* x, T* y) {
    for (const Window& d : pool_.windows[0])
      for (const Window& h : pool_.windows[1]) {
        down(x, d, h);
        along(y);
        if (!maximum_) divide(y, d, h);
        y += pool_.y[2];
      }
  }

 private:
  void combine(const T* a, T* to, int64_t n) const {
    if (maximum_) loops_.larger(to, a, to, n);
    else loops_.add(a, to, n);
  }
  void down(const T* x, const Window& d, const Window& h) {
    T* line = lines_[0].data() + pool_.padding[2];
    bool first = true;
    for (int64_t a = d.start; a < d.stop; a += d.step)
      for (int64_t b = h.start; b < h.stop; b += h.step) {
        const T* row = x + (a * pool_.x[1] + b) * pool_.x[2];
        if (first) std::memcpy(line, row, size_t(pool_.x[2]) * sizeof(T));
        else combine(row, line, pool_.x[2]);
        first = false;
      }
    if (first) std::fill(line, line + pool_.x[2], empty_);
  }
  void along(T* y) {
    const int64_t n = pool_.y[2], stride = pool_.stride[2];
    const T* line = lines_[0].data();
    if (stride > 2) {
      for (int64_t i = 0; i < n; ++i) {
        T value = line[i * stride];
        for (int64_t k = 1; k < pool_.kernel[2]; ++k) {
          const T more = line[i * stride + k * pool_.dilation[2]];
          if (maximum_) value = more > value || more != more ? more : value;
          else value += more;
        }
        y[i] = value;
      }
      return;
    }
    if (stride == 2) loops_.split(line, lines_[1].data(), lines_[2].data(), (width_ + 1) / 2);
    for (int64_t k = 0; k < pool_.kernel[2]; ++k) {
      const int64_t at = k * pool_.dilation[2];
      const T* from = stride == 1 ? line + at : lines_[size_t(1 + at % 2)].data() + at / 2;
      if (k == 0) std::memcpy(y, from, size_t(n) * sizeof(T));
      else combine(from, y, n);
    }
  }
  void divide(T* y, const Window& d, const Window& h) const {
    for (int64_t i = 0; i < pool_.y[2]; ++i) y[i] /= T(pool_.divided_by(d, h, pool_.windows[2][size_t(i)]));
  }

  const Pool& pool_;
  const PoolLoops& loops_;
  bool maximum_;
  T empty_;
  int64_t width_;
  std::array<std::vector<T>, 3> lines_;
};

template <class T>
void max_grad(const Pool& pool, const PoolLoops& loops, const T* g, const T* x, T* dx) {
  const bool squares = pool.kernel[1] == 2 && pool.kernel[2] == 2 && pool.stride[1] == 2 && pool.stride[2] == 2 &&
                       pool.padding[1] == 0 && pool.padding[2] == 0 && pool.dilation[1] == 1 && pool.dilation[2] == 1 &&
                       pool.x[0] == 1 && pool.kernel[0] == 1 && pool.y[1] * 2 <= pool.x[1] && pool.y[2] * 2 <= pool.x[2];
  if (squares) {
    const int64_t width = pool.x[2], covered = 2 * pool.y[2];
    for (int64_t h = 0; h < pool.y[1]; ++h) {
      const T* rows = x + 2 * h * width;
      T* to = dx + 2 * h * width;
      loops.square_grad(rows, rows + width, g + h * pool.y[2], to, to + width, pool.y[2]);
      if (covered < width) to[covered] = to[width + covered] = T(0);
      for (int64_t w = covered + 1; w < width; ++w) to[w] = to[width + w] = T(0);
    }
    std::fill(dx + 2 * pool.y[1] * width, dx + pool.x[1] * width, T(0));
    return;
  }
  std::fill(dx, dx + pool.in(), T(0));
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    dx[largest_place(pool, x, d, h, w)] += g[i];
  });
}

template <class T>
void mean_grad(const Pool& pool, const T* g, T* dx) {
  std::fill(dx, dx + pool.in(), T(0));
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    const T share = g[i] / T(pool.divided_by(d, h, w));
    for (int64_t a = d.start; a < d.stop; ++a)
      for (int64_t b = h.start; b < h.stop; ++b) {
        T* row = dx + (a * pool.x[1] + b) * pool.x[2];
        for (int64_t c = w.start; c < w.stop; ++c) row[c] += share;
      }
  });
}

template <class T>
void adaptive_mean(const Pool& pool, const NormLoops& loops, const T* x, T* y) {
  for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
    double sum = 0;
    const int64_t length = w.stop - w.start;
    const bool whole = length == pool.x[2];  // rows of the window are one stretch
    for (int64_t a = d.start; a < d.stop; ++a) {
      const T* rows = x + (a * pool.x[1] + h.start) * pool.x[2] + w.start;
      if (whole) {
        sum += loops.sum(rows, length * (h.stop - h.start));
        continue;
      }
      for (int64_t b = h.start; b < h.stop; ++b, rows += pool.x[2])
        for (int64_t c = 0; c < length; ++c) sum += double(rows[c]);
    }
    y[i] = T(sum / double(pool.divided_by(d, h, w)));
  });
}

template <class T>
fl_status run_planes(const State& op, const Pool& pool, const fl_call* call) {
  const fl_tensor& out = call->outputs[0];
  const Type computed = compute_type(op.stored);
  const PoolLoops& loops = *level->pool(computed);
  const T* a = reinterpret_cast<const T*>(dense(call->inputs[0], op.stored));
  const T* b = call->input_count > 1 ? reinterpret_cast<const T*>(dense(call->inputs[1], op.stored)) : nullptr;
  const bool indices = op.kind == Kind::Indices || op.kind == Kind::AdaptiveIndices;
  const Result result(out, indices ? Type::Int64 : op.stored);
  if (!a || (call->input_count > 1 && !b) || !result.data()) return no_memory(op.name);
  const int64_t in = pool.in(), size = pool.out();
  T* to = result.as<T>();
  parallel_for(pool.planes, std::max<int64_t>(1, 16 * kBlock / std::max<int64_t>(1, in + size)), [&](int64_t begin, int64_t end) {
    if (op.kind == Kind::Max || op.kind == Kind::Avg) {
      Rows<T> rows(pool, loops, op.kind == Kind::Max);
      for (int64_t p = begin; p < end; ++p) rows.run(a + p * in, to + p * size);
      return;
    }
    for (int64_t p = begin; p < end; ++p) {
      switch (op.kind) {
        case Kind::MaxGrad: max_grad(pool, loops, a + p * size, b + p * in, to + p * in); break;
        case Kind::AdaptiveAvg: adaptive_mean(pool, *level->norm(computed), a + p * in, to + p * size); break;
        case Kind::AvgGrad:
        case Kind::AdaptiveAvgGrad: mean_grad(pool, a + p * size, to + p * in); break;
        default: {
          int64_t* places = result.as<int64_t>() + p * size;
          for_each_window(pool, [&](int64_t i, const Window& d, const Window& h, const Window& w) {
            places[i] = largest_place(pool, a + p * in, d, h, w);
          });
        }
      }
    }
  });
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
