// variance.cpp: the variance and the length of rows. Each row is read once, around the mean of its first elements, or twice if
// that is far from its own; a long row is cut into pieces of a fixed size that are put together in order.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 32 * 1024;  // elements

struct Spread {
  double count = 0, mean = 0, squares = 0;  // squared distances from the mean, added up

  // Chan, Golub and LeVeque: Updating formulae and a pairwise algorithm for computing sample variances (1979).
  Spread with(const Spread& other) const {
    const double all = count + other.count, away = other.mean - mean;
    return {all, mean + away * other.count / all, squares + other.squares + away * away * count * other.count / all};
  }
};

Spread spread_of(const NormLoops& loops, const char* x, int64_t n, const char* next) {
  double sums[2];
  loops.spread(x, n, next, sums);
  return {double(n), sums[0], sums[1]};
}

// The squared distances of floats whose sums left the range of float on the way, though the variance may be within it.
double squares_in_double(const float* x, int64_t n) {
  double sum = 0, squares = 0;
  for (int64_t i = 0; i < n; ++i) sum += double(x[i]);
  const double mean = sum / double(n);
  for (int64_t i = 0; i < n; ++i) squares += (double(x[i]) - mean) * (double(x[i]) - mean);
  return squares;
}

// The root of the squares, unless they left the range of T on the way: then of floats the squares are taken in double,
// and doubles are measured by the largest of them.
template <class T>
double length_of(const T* x, int64_t n, double squares) {
  constexpr double kLeast = sizeof(T) == 4 ? 1e-24 : 1e-280, kMost = sizeof(T) == 4 ? 1e36 : 1e300;
  if ((squares > kLeast && squares < kMost) || squares != squares) return std::sqrt(squares);
  double top = 1, sum = 0;
  if (sizeof(T) == 8) {
    top = 0;
    for (int64_t i = 0; i < n; ++i) top = std::max(top, std::fabs(double(x[i])));
    if (top == 0 || std::isinf(top)) return top;
  }
  for (int64_t i = 0; i < n; ++i) sum += double(x[i]) / top * (double(x[i]) / top);
  return top * std::sqrt(sum);
}

struct Measure {
  Type type;
  bool length;
};

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Measure& op = state_of<Measure>(self);
  const Type type = op.type, computed = compute_type(type);
  const fl_tensor &x = call->inputs[0], &out = call->outputs[0];
  const fl_attr& axes = call->attrs[0];
  const int64_t rows = count_of(out), total = count_of(x);
  if (rows == 0) return FL_OK;
  const Result result(out, type);
  // The reduced axes last.
  int64_t shape[kMaxDims], strides[kMaxDims];
  int count = 0;
  for (const bool reduced : {false, true})
    for (int d = 0; d < x.ndim; ++d)
      if ((std::find(axes.value.ints, axes.value.ints + axes.count, d) != axes.value.ints + axes.count) == reduced) {
        shape[count] = x.shape[d];
        strides[count++] = x.strides[d];
      }
  fl_tensor moved = x;
  moved.shape = shape;
  moved.strides = strides;
  const int64_t n = total / rows, element = size_of(computed);
  const double divisor = op.length ? 0 : double(n) - call->attrs[2].value.f;
  const char* data = total ? dense(moved, type) : "";
  const int64_t pieces = n > 2 * kPiece ? divide_up(n, kPiece) : 1, piece = pieces > 1 ? kPiece : std::max<int64_t>(1, n);
  Spread* parts = static_cast<Spread*>(host->scratch(size_t(rows * pieces) * sizeof(Spread)));
  if (!result.data() || !data || !parts) return no_memory(op.length ? "length" : "var");
  const NormLoops& loops = *level->norm(computed);
  parallel_for(rows * pieces, std::max<int64_t>(1, kPiece / piece), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t from = i % pieces * piece;
      const char* at = data + (i / pieces * n + from) * element;
      const int64_t some = std::min(piece, n - from);
      if (n == 0) parts[i] = Spread();
      else parts[i] = op.length ? Spread{double(some), 0, loops.squares(at, 0, some, {})} : spread_of(loops, at, some, i + 1 < end ? at + some * element : at);
    }
  });
  for (int64_t row = 0; row < rows; ++row) {
    Spread all = parts[row * pieces];
    for (int64_t i = 1; i < pieces; ++i) all = all.with(parts[row * pieces + i]);
    if (!op.length && computed == Type::Float32 && !std::isfinite(all.squares))
      all.squares = squares_in_double(reinterpret_cast<const float*>(data) + row * n, n);
    double value = divisor > 0 ? all.squares / divisor : double(NAN);
    if (op.length)
      value = computed == Type::Float64 ? length_of(reinterpret_cast<const double*>(data) + row * n, n, all.squares)
                                        : length_of(reinterpret_cast<const float*>(data) + row * n, n, all.squares);
    if (computed == Type::Float64) result.as<double>()[row] = value;
    else result.as<float>()[row] = float(value);
  }
  result.store();
  return FL_OK;
}

const Registration kMeasures({"var", "length"}, [](const char* name, std::span<const Type> types) -> const fl_kernel* {
  if (types.size() != 2 || !all_one_float(types)) return nullptr;
  return keep_kernel(run, Measure{types[0], std::strcmp(name, "length") == 0});
});

}  // namespace
}  // namespace flambeau::cpu
