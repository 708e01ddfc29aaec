// normalization.cpp: norms. A row, a group of channels or a channel of an image is read while it is in the cache; sums
// over many rows are cut by sizes alone and added up in order.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

enum class Kind : uint8_t { Layer, Rms, Group, Batch, Pooled };
struct State {
  const char* name;
  Kind kind;
  bool gradient;
  Type stored;
};

constexpr int64_t kPieceElements = 16 * kBlock;
constexpr int64_t kMostParts = 16;  // stretches of rows that have sums of their own
constexpr int64_t kAskBytes = int64_t(1) << 19;  // of a batch from which the next channel is asked for

// What a call reads and writes, in the type of computation.
template <class T>
struct Operands {
  const T *x = nullptr, *g = nullptr, *weight = nullptr, *bias = nullptr, *mean = nullptr, *variance = nullptr;
  T *first = nullptr, *second = nullptr, *third = nullptr;
  double eps;
  // Of rows in 16 bits, instead of x, g and first: each is widened while it is in the cache.
  const char *narrow_x = nullptr, *narrow_g = nullptr;
  char* narrow_first = nullptr;
};

// Rows as the loops take them, some at a time: load() before they are read, store() when they are written.
template <class T>
class Rows {
 public:
  Rows(const State& op, const Operands<T>& o, int64_t n) : o_(o), n_(n) {
    if (!o.narrow_x) return;
    together_ = std::max<int64_t>(1, 2 * kBlock / n);
    widen_ = convert(op.stored, compute_type(op.stored));
    narrow_ = convert(compute_type(op.stored), op.stored);
    memory_ = static_cast<T*>(piece_scratch(size_t(3 * together_ * n) * sizeof(T)));
  }
  bool fine() const { return !o_.narrow_x || memory_; }
  int64_t together(int64_t left) const { return o_.narrow_x ? std::min(together_, left) : left; }
  void load(int64_t from, int64_t rows) {
    if (!o_.narrow_x) return;
    from_ = from;
    const void* x[] = {o_.narrow_x + from * n_ * 2};
    widen_(x, memory_, rows * n_);
    if (!o_.narrow_g) return;
    const void* g[] = {o_.narrow_g + from * n_ * 2};
    widen_(g, memory_ + together_ * n_, rows * n_);
  }
  const T* x(int64_t r) const { return o_.narrow_x ? memory_ + (r - from_) * n_ : o_.x + r * n_; }
  const T* g(int64_t r) const { return o_.narrow_x ? memory_ + (together_ + r - from_) * n_ : o_.g + r * n_; }
  T* first(int64_t r) const { return o_.narrow_x ? memory_ + (2 * together_ + r - from_) * n_ : o_.first + r * n_; }
  void store(int64_t rows) const {
    if (!o_.narrow_x) return;
    const void* from[] = {memory_ + 2 * together_ * n_};
    narrow_(from, o_.narrow_first + from_ * n_ * 2, rows * n_);
  }

 private:
  const Operands<T>& o_;
  int64_t n_, together_ = 1, from_ = 0;
  Loop widen_ = nullptr, narrow_ = nullptr;
  T* memory_ = nullptr;
};

// ---- rows ----------------------------------------------------------------------------------------------------

struct Spread {
  double mean, scale;
};
template <class T>
Spread spread_of(const NormLoops& loops, const T* x, int64_t n, bool centered, double eps) {
  const double mean = centered ? double(T(loops.sum(x, n, {}) / double(n))) : 0.0;
  return {mean, 1 / std::sqrt(loops.squares(x, mean, n, {}) / double(n) + eps)};
}

template <class T>
bool run_rows(const NormLoops& loops, const State& op, const Operands<T>& o, int64_t rows, int64_t n) {
  const bool centered = op.kind == Kind::Layer;
  const int64_t grain = std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, n));
  if (!op.gradient) {
    const int64_t row_bytes = n * int64_t(sizeof(T));
    if (o.narrow_x) {
      bool fine = true;
      parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
        Rows<T> part(op, o, n);
        if (!part.fine()) return __atomic_store_n(&fine, false, __ATOMIC_RELAXED);
        for (int64_t at = begin, some; at < end; at += some) {
          part.load(at, some = part.together(end - at));
          for (int64_t r = at; r < at + some; ++r) {
            const Spread s = spread_of(loops, part.x(r), n, centered, o.eps);
            loops.weighted(part.x(r), o.weight, o.bias, part.first(r), n, s.mean, s.scale, nullptr, false);
          }
          part.store(some);
        }
      });
      return fine;
    }
    const bool past = rows * row_bytes >= kStreamBytes && row_bytes % 64 == 0 && reinterpret_cast<uintptr_t>(o.first) % 64 == 0;
    parallel_for(rows, grain, [&](int64_t begin, int64_t end) {
      // A row is added up while the one before it is written.
      double sum = centered ? loops.sum(o.x + begin * n, n, {}) : 0.0;
      for (int64_t r = begin; r < end; ++r) {
        const T* x = o.x + r * n;
        const double mean = double(T(sum / double(n))), scale = 1 / std::sqrt(loops.squares(x, mean, n, {}) / double(n) + o.eps);
        sum = loops.weighted(x, o.weight, o.bias, o.first + r * n, n, mean, scale, centered && r + 1 < end ? x + n : nullptr, past);
      }
    });
    return true;
  }
  const int64_t parts = std::clamp<int64_t>(rows / grain, 1, kMostParts), part_rows = std::max<int64_t>(1, divide_up(rows, parts));
  const int64_t sums = 2 * n;
  T* partial = static_cast<T*>(host->scratch(size_t(parts * sums + 1) * sizeof(T)));
  if (!partial) return false;
  std::fill(partial, partial + parts * sums, T(0));
  bool fine = true;
  parallel_for(divide_up(rows, part_rows), 1, [&](int64_t begin, int64_t end) {
    Rows<T> lines(op, o, n);
    if (!lines.fine()) return __atomic_store_n(&fine, false, __ATOMIC_RELAXED);
    for (int64_t part = begin; part < end; ++part) {
      T* dw = partial + part * sums;
      T* db = op.kind == Kind::Layer ? dw + n : nullptr;
      const int64_t stop = std::min(rows, (part + 1) * part_rows);
      for (int64_t at = part * part_rows, some; at < stop; at += some) {
        lines.load(at, some = lines.together(stop - at));
        const bool is_short = n <= loops.short_row;
        if (is_short) loops.short_rows_grad(lines.g(at), lines.x(at), o.weight, lines.first(at), some, n, o.eps, dw, db);
        for (int64_t r = at; !is_short && r < at + some; ++r) {
          const T *x = lines.x(r), *g = lines.g(r);
          const Spread s = spread_of(loops, x, n, centered, o.eps);
          double totals[2];
          loops.row_sums(g, x, o.weight, s.mean, s.scale, n, totals, dw, db);
          // dx = scale (g w - mean(g w) - (x - mean) scale^2 mean(g w (x - mean)))
          const double along = -s.scale * s.scale * s.scale * totals[1] / double(n);
          const double middle = centered ? -s.scale * totals[0] / double(n) : 0.0;
          loops.row_grad(g, x, o.weight, lines.first(r), n, s.mean, s.scale, along, middle);
        }
        lines.store(some);
      }
    }
  });
  for (int64_t i = 0; i < n; ++i) {
    T dw = 0, db = 0;
    for (int64_t part = 0; part < parts; ++part) {
      dw += partial[part * sums + i];
      db += partial[part * sums + n + i];
    }
    o.second[i] = dw;
    if (o.third) o.third[i] = db;
  }
  return fine;
}

// ---- channels ------------------------------------------------------------------------------------------------

// Whether a result of n elements goes past the caches.
template <class T>
bool streams(int64_t n) {
  return n * int64_t(sizeof(T)) >= kStreamBytes;
}

// Groups of channels of one image: `channels` stretches of `size` elements, normalized together.
template <class T>
void run_groups(const NormLoops& loops, const State& op, const Operands<T>& o, int64_t batch, int64_t groups,
                int64_t channels, int64_t size) {
  const int64_t n = channels * size, all = groups * channels;
  const Passing passing{.streams = streams<T>(batch * all * size)};
  std::vector<double> sums(op.gradient ? size_t(2 * batch * all) : 0);  // of g, and of g times the normalized x
  parallel_for(batch * groups, std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, n)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i % groups * channels;
      const T* x = o.x + i * n;
      const Spread s = spread_of(loops, x, n, true, o.eps);
      double sum = 0, along = 0;
      for (int64_t c = 0; c < channels; ++c) {
        const double weight = o.weight ? double(o.weight[first + c]) : 1.0;
        if (!op.gradient) {
          loops.affine(x + c * size, o.first + i * n + c * size, size, {}, s.mean, s.scale * weight,
                       o.bias ? double(o.bias[first + c]) : 0.0, passing);
          continue;
        }
        double* totals = sums.data() + 2 * (i * channels + c);
        loops.products(o.g + i * n + c * size, x + c * size, s.mean, size, {}, totals);
        totals[1] *= s.scale;
        sum += weight * totals[0];
        along += weight * totals[1];
      }
      for (int64_t c = 0; op.gradient && c < channels; ++c) {
        const double weight = o.weight ? double(o.weight[first + c]) : 1.0;
        loops.combine(o.g + i * n + c * size, x + c * size, o.first + i * n + c * size, size, {}, s.mean, s.scale * weight,
                      -s.scale * s.scale * along / double(n), -s.scale * sum / double(n), passing);
      }
    }
  });
  for (int64_t c = 0; op.gradient && c < all; ++c) {
    double dw = 0, db = 0;
    for (int64_t image = 0; image < batch; ++image) {
      db += sums[size_t(2 * (image * all + c))];
      dw += sums[size_t(2 * (image * all + c) + 1)];
    }
    o.second[c] = T(dw);
    o.third[c] = T(db);
  }
}

// A channel's mean and variance by one look at it, from sums about a value near its mean. Where that value turns out to
// lie farther away than the channel is wide, its squares would cancel: then the squares are summed about the mean.
template <class T>
std::pair<T, double> moments_of(const NormLoops& loops, const T* x, int64_t size, const Stretches& planes) {
  constexpr int64_t kLooked = 256;
  const double count = double(size * planes.count);
  const int64_t looked = std::min(size, kLooked);
  const double near = double(T(loops.sum(x, looked, {}) / double(looked)));
  double sums[2];
  loops.moments(x, near, size, planes, sums);
  const double away = sums[0] / count, square = sums[1] / count;
  const T mean = T(near + away);
  if (away * away <= square / 2) return {mean, square - away * away};
  return {mean, loops.squares(x, double(mean), size, planes) / count};
}

// Channels of a batch whose planes are long enough for vectors along them. While a channel that is in the cache is
// written, the next one is asked for.
template <class T>
void run_batch_planes(const NormLoops& loops, const State& op, const Operands<T>& o, int64_t batch, int64_t channels,
                      int64_t size) {
  const double count = double(batch * size);
  const bool long_way = streams<T>(batch * channels * size), asks = batch * channels * size * int64_t(sizeof(T)) >= kAskBytes;
  parallel_for(channels, std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, batch * size)), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const Passing passing{long_way, asks && c + 1 < channels ? size : 0};
      const int64_t at = c * size;
      const Stretches planes{batch, channels * size};
      const double weight = o.weight ? double(o.weight[c]) : 1.0;
      if (!op.gradient) {
        const auto [mean, variance] = moments_of(loops, o.x + at, size, planes);
        const double scale = weight / std::sqrt(variance + o.eps);
        loops.affine(o.x + at, o.first + at, size, planes, double(mean), scale, o.bias ? double(o.bias[c]) : 0.0, passing);
        o.second[c] = mean;
        o.third[c] = T(variance);
        continue;
      }
      const double mean = double(o.mean[c]), scale = 1 / std::sqrt(double(o.variance[c]) + o.eps);
      double totals[2];
      loops.products(o.g + at, o.x + at, mean, size, planes, totals);
      const double sum = totals[0], along = totals[1] * scale;
      loops.combine(o.g + at, o.x + at, o.first + at, size, planes, mean, weight * scale, -weight * scale * scale * along / count,
                    -weight * scale * sum / count, passing);
      o.second[c] = T(along);
      o.third[c] = T(sum);
    }
  });
}

// The norm of a batch and the largest element of squares of it. Under a positive weight the largest result is that of the
// largest element (rounding keeps the order); else a plane of the norm's result is written into the first cache. The pool's
// gradient is written where the norm's will be.
template <class T>
bool run_pooled(const NormLoops& loops, const PoolLoops& pools, const State& op, const Operands<T>& o, int64_t batch, int64_t channels,
                int64_t height, int64_t width) {
  const int64_t size = height * width, high = height / 2, wide = width / 2;
  const double count = double(batch * size);
  const int64_t grain = std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, batch * size));
  return parallel_with_scratch(channels, grain, size_t(size) * sizeof(T), [&](void* plane, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const Passing passing{false, c + 1 < channels ? size : 0};
      const Stretches planes{batch, channels * size};
      const T* x = o.x + c * size;
      constexpr int64_t kLine = 64 / int64_t(sizeof(T));
      const double weight = double(o.weight[c]), bias = double(o.bias[c]);
      if (!op.gradient) {
        const auto [mean, variance] = moments_of(loops, x, size, planes);
        const double scale = weight / std::sqrt(variance + o.eps);
        for (int64_t image = 0; image < batch; ++image) {
          const T* from = x + image * planes.step;
          T* to = o.first + (image * channels + c) * high * wide;
          if (T(scale) > T(0)) {
            for (int64_t k = 0; k < passing.ahead; k += kLine) __builtin_prefetch(from + passing.ahead + k, 0, 2);
            pools.square(from, width, to, wide, high);
            loops.affine(to, to, high * wide, {}, double(mean), scale, bias, {});
          } else {
            loops.affine(from, plane, size, {}, double(mean), scale, bias, passing);
            pools.square(plane, width, to, wide, high);
          }
        }
        o.second[c] = mean;
        o.third[c] = T(variance);
        continue;
      }
      const double mean = double(o.mean[c]), scale = 1 / std::sqrt(double(o.variance[c]) + o.eps);
      T* dx = o.first + c * size;
      for (int64_t image = 0; image < batch; ++image) {
        const T* from = x + image * planes.step;
        T* to = dx + image * planes.step;
        if (!(T(weight * scale) > T(0))) {
          loops.affine(from, plane, size, {}, mean, weight * scale, bias, {});
          from = static_cast<const T*>(plane);
        }
        pools.square_grad(from, width, o.g + (image * channels + c) * high * wide, to, wide, high);
        std::fill(to + 2 * high * width, to + size, T(0));
      }
      double totals[2];
      loops.products(dx, x, mean, size, planes, totals);
      const double sum = totals[0], along = totals[1] * scale;
      loops.combine(dx, x, dx, size, planes, mean, weight * scale, -weight * scale * scale * along / count, -weight * scale * sum / count,
                    passing);
      o.second[c] = T(along);
      o.third[c] = T(sum);
    }
  });
}

// Short planes: whole rows (channels, size) at a time, each channel's numbers beside each other in double.
template <class T>
void run_batch_rows(const State& op, const Operands<T>& o, int64_t batch, int64_t channels, int64_t size) {
  const int64_t row = channels * size;
  const double count = double(batch * size);
  std::vector<double> mean(size_t(channels), 0.0), other(size_t(channels), 0.0), sum(size_t(channels), 0.0);
  // Threads share out channels, so that each is summed in one order.
  parallel_for(channels, std::max<int64_t>(16, kPieceElements / std::max<int64_t>(1, batch * size)), [&](int64_t begin, int64_t end) {
    const auto each = [&](auto&& visit) {
      for (int64_t i = 0; i < batch; ++i)
        for (int64_t c = begin; c < end; ++c)
          for (int64_t k = i * row + c * size; k < i * row + (c + 1) * size; ++k) visit(size_t(c), k);
    };
    if (op.gradient) {
      for (int64_t c = begin; c < end; ++c) mean[size_t(c)] = double(o.mean[c]);
      each([&](size_t c, int64_t k) {
        sum[c] += double(o.g[k]);
        other[c] += double(o.g[k]) * (double(o.x[k]) - mean[c]);
      });
      std::vector<double> a(size_t(end - begin)), b(a), d(a);
      for (int64_t c = begin; c < end; ++c) {
        const double scale = 1 / std::sqrt(double(o.variance[c]) + o.eps), weight = o.weight ? double(o.weight[c]) : 1.0;
        const double along = other[size_t(c)] * scale;
        o.second[c] = T(along);
        o.third[c] = T(sum[size_t(c)]);
        a[size_t(c - begin)] = weight * scale;
        b[size_t(c - begin)] = -weight * scale * scale * along / count;
        d[size_t(c - begin)] = -weight * scale * sum[size_t(c)] / count;
      }
      each([&](size_t c, int64_t k) {
        const size_t at = c - size_t(begin);
        o.first[k] = T(a[at] * double(o.g[k]) + b[at] * (double(o.x[k]) - mean[c]) + d[at]);
      });
      return;
    }
    each([&](size_t c, int64_t k) { mean[c] += double(o.x[k]); });
    for (int64_t c = begin; c < end; ++c) mean[size_t(c)] /= count;
    each([&](size_t c, int64_t k) {
      const double away = double(o.x[k]) - mean[c];
      other[c] += away * away;
    });
    for (int64_t c = begin; c < end; ++c) {
      const double variance = other[size_t(c)] / count;
      o.second[c] = T(mean[size_t(c)]);
      o.third[c] = T(variance);
      sum[size_t(c)] = (o.weight ? double(o.weight[c]) : 1.0) / std::sqrt(variance + o.eps);
    }
    each([&](size_t c, int64_t k) {
      o.first[k] = T((double(o.x[k]) - mean[c]) * sum[c] + (o.bias ? double(o.bias[c]) : 0.0));
    });
  });
}

// ---- the rows of the table -----------------------------------------------------------------------------------

template <class T>
fl_status run_as(const State& op, const fl_call* call) {
  const int x_at = op.gradient ? 1 : 0;
  const fl_tensor& x = call->inputs[x_at];
  const bool given = op.kind >= Kind::Batch && op.gradient;
  const int weight_at = given ? 4 : x_at + 1;
  bool fine = true;
  const auto read = [&](int i) {
    const T* p = reinterpret_cast<const T*>(dense(call->inputs[i], op.stored));
    fine = fine && p;
    return p;
  };
  Operands<T> o;
  const bool by_rows = op.kind == Kind::Layer || op.kind == Kind::Rms;
  const bool narrow = by_rows && compute_type(op.stored) != op.stored && is_contiguous(x) &&
                      (!op.gradient || is_contiguous(call->inputs[0])) && is_contiguous(call->outputs[0]);
  if (narrow) {
    o.narrow_x = data_of(x);
    if (op.gradient) o.narrow_g = data_of(call->inputs[0]);
    o.narrow_first = data_of(call->outputs[0]);
  } else {
    o.x = read(x_at);
    if (op.gradient) o.g = read(0);
  }
  if (call->input_count > weight_at) o.weight = read(weight_at);
  if (!op.gradient && call->input_count > 2) o.bias = read(2);
  if (given) {
    o.mean = read(2);
    o.variance = read(3);
    if (op.kind == Kind::Pooled) o.bias = read(5);
  }
  const Type first_type = narrow ? compute_type(op.stored) : op.stored;  // written to where it lies
  const Result first(call->outputs[0], first_type);
  const Result second(call->outputs[call->output_count > 1 ? 1 : 0], op.stored);
  const Result third(call->outputs[call->output_count > 2 ? 2 : 0], op.stored);
  if (!fine || !first.data() || !second.data() || !third.data()) return no_memory(op.name);
  o.first = first.as<T>();
  if (call->output_count > 1) o.second = second.as<T>();
  if (call->output_count > 2) o.third = third.as<T>();
  o.eps = call->attrs[op.kind >= Kind::Batch ? 0 : 1].value.f;
  const NormLoops& loops = *level->norm(compute_type(op.stored));
  const int64_t all = count_of(x);
  if (by_rows) {
    int64_t n = 1;
    for (int axis = x.ndim - int(call->attrs[0].value.i); axis < x.ndim; ++axis) n *= x.shape[axis];
    fine = run_rows(loops, op, o, n ? all / n : 0, n);
  } else {
    const int64_t batch = x.shape[0], channels = x.shape[1], size = batch * channels > 0 ? all / (batch * channels) : 0;
    const int64_t groups = op.kind == Kind::Group ? call->attrs[0].value.i : 1;
    if (op.kind == Kind::Pooled)
      fine = run_pooled(loops, *level->pool(compute_type(op.stored)), op, o, batch, channels, x.shape[2], x.shape[3]);
    else if (op.kind == Kind::Group) run_groups(loops, op, o, batch, groups, channels / groups, size);
    else if (size >= 16) run_batch_planes(loops, op, o, batch, channels, size);
    else run_batch_rows(op, o, batch, channels, size);
  }
  if (!fine) return no_memory(op.name);
  first.store();
  if (call->output_count > 1) second.store();
  if (call->output_count > 2) third.store();
  return FL_OK;
}

fl_status run_norm(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& op = state_of<State>(self);
  return compute_type(op.stored) == Type::Float64 ? run_as<double>(op, call) : run_as<float>(op, call);
}

const fl_kernel* resolve_norm(const char* name, std::span<const Type> types) {
  if (!all_one_float(types)) return nullptr;
  constexpr std::pair<const char*, Kind> kKinds[] = {
      {"layer_norm", Kind::Layer}, {"rms_norm", Kind::Rms}, {"group_norm", Kind::Group},
      {"batch_norm_max_pool", Kind::Pooled}, {"batch_norm", Kind::Batch}};
  for (const auto& [known, kind] : kKinds) {
    const size_t length = std::strlen(known);
    if (std::strncmp(name, known, length) != 0) continue;
    // In 16 bits a norm's result has equals that it has not in 32: which one a pool takes is for its parts to say.
    if (kind == Kind::Pooled && compute_type(types[0]) != types[0]) return nullptr;
    return keep_kernel(run_norm, State{known, kind, name[length] != '\0', types[0]});
  }
  return nullptr;
}

const Registration kNorm({"layer_norm", "layer_norm_grad", "rms_norm", "rms_norm_grad", "group_norm", "group_norm_grad",
                          "batch_norm", "batch_norm_grad", "batch_norm_max_pool", "batch_norm_max_pool_grad"}, resolve_norm);

}  // namespace
}  // namespace flambeau::cpu
