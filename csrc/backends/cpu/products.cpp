// products.cpp: the gradient of a product, which is g times the product of all others, in double. Products run along
// kLanes lanes, lane i % kLanes having element i, and along blocks of a long line, so that none waits for the one before.
#include <algorithm>

#include "dense.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kLanes = 32;
constexpr int64_t kLine = 4 * 1024;  // elements of a block

// to[i] = scale times the product of all of x but x[i]; `after` has room for n. `to` may be x.
template <class T, class To>
void others_of(const T* x, int64_t n, double scale, double* after, To* to) {
  double product = 1;
  for (int64_t i = n - 1; i >= 0; --i) {
    after[i] = product;
    product *= double(x[i]);
  }
  product = scale;
  for (int64_t i = 0; i < n; ++i) {
    const double own = double(x[i]);
    to[i] = To(product * after[i]);
    product *= own;
  }
}

template <class T>
double product_of(const T* x, int64_t n) {
  double lanes[kLanes];
  std::fill(lanes, lanes + kLanes, 1.0);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] *= double(x[i + l]);
  for (; i < n; ++i) lanes[i % kLanes] *= double(x[i]);
  for (int64_t l = kLanes / 2; l > 0; l /= 2)
    for (int64_t k = 0; k < l; ++k) lanes[k] *= lanes[k + l];
  return lanes[0];
}

// The same for n <= kLine, along lanes.
template <class T>
void block_grad(const T* x, int64_t n, double scale, double* after, T* dx) {
  if (n < 2 * kLanes) return others_of(x, n, scale, after, dx);
  double lanes[kLanes], room[kLanes];
  std::fill(lanes, lanes + kLanes, 1.0);
  const int64_t whole = n / kLanes * kLanes;
  for (int64_t i = n - 1; i >= whole; --i) {
    after[i] = lanes[i % kLanes];
    lanes[i % kLanes] *= double(x[i]);
  }
  for (int64_t i = whole - kLanes; i >= 0; i -= kLanes)
    for (int64_t l = 0; l < kLanes; ++l) {
      after[i + l] = lanes[l];
      lanes[l] *= double(x[i + l]);
    }
  others_of(lanes, kLanes, scale, room, lanes);
  for (int64_t i = 0; i < whole; i += kLanes)
    for (int64_t l = 0; l < kLanes; ++l) {
      dx[i + l] = T(lanes[l] * after[i + l]);
      lanes[l] *= double(x[i + l]);
    }
  for (int64_t i = whole; i < n; ++i) dx[i] = T(lanes[i % kLanes] * after[i]);
}

template <class T>
bool run_as(const char* g_bytes, const char* x_bytes, char* to_bytes, int64_t lines, int64_t n) {
  const T *g = reinterpret_cast<const T*>(g_bytes), *x = reinterpret_cast<const T*>(x_bytes);
  T* dx = reinterpret_cast<T*>(to_bytes);
  const int64_t blocks = divide_up(n, kLine);
  double* scales = static_cast<double*>(host->scratch(size_t(lines * blocks) * sizeof(double)));
  double* room = static_cast<double*>(host->scratch(size_t(blocks) * sizeof(double)));
  if (!scales || !room) return false;
  const auto size_of_block = [&](int64_t i) { return std::min(kLine, n - i % blocks * kLine); };
  const auto start = [&](int64_t i) { return i / blocks * n + i % blocks * kLine; };
  const int64_t grain = std::max<int64_t>(1, 2 * kLine / n);
  if (blocks > 1)
    parallel_for(lines * blocks, grain, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) scales[i] = product_of(x + start(i), size_of_block(i));
    });
  for (int64_t line = 0; line < lines; ++line) {
    double* of_line = scales + line * blocks;
    if (blocks > 1) others_of(of_line, blocks, double(g[line]), room, of_line);
    else *of_line = double(g[line]);
  }
  parallel_for(lines * blocks, grain, [&](int64_t begin, int64_t end) {
    double after[kLine];
    for (int64_t i = begin; i < end; ++i) block_grad(x + start(i), size_of_block(i), scales[i], after, dx + start(i));
  });
  return true;
}

struct State {
  Type stored;
};

// product_grad(g, x): lines of x.
fl_status run_product_grad(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<State>(self).stored;
  const fl_tensor &x = call->inputs[1], &out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const char *g = dense(call->inputs[0], type), *from = dense(x, type);
  const Result result(out, type);
  const auto run = compute_type(type) == Type::Float64 ? run_as<double> : run_as<float>;
  if (!g || !from || !result.data() || !run(g, from, result.data(), x.shape[0], x.shape[1]))
    return fail(FL_OUT_OF_MEMORY, "product_grad: no memory for %lld elements", static_cast<long long>(count_of(out)));
  result.store();
  return FL_OK;
}

const Registration kProductGrad({"product_grad"}, [](const char*, std::span<const Type> types) -> const fl_kernel* {
  return types.size() == 3 && all_one_float(types) ? keep_kernel(run_product_grad, State{types[0]}) : nullptr;
});

}  // namespace
}  // namespace flambeau::cpu
