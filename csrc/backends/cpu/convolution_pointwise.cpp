// convolution_pointwise.cpp: kernels of one element without a stride: a product for each image and group, whose panels of
// positions are packed as they lie.
#include <algorithm>

#include "convolution.h"
#include "product.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPositions = 128;  // fewer leave lanes of the last panel empty
constexpr int64_t kChannels = 16;    // fewer are written rather than summed
constexpr int64_t kManyImages = 8;   // are computed at once

template <class T>
const char* bytes(const T* x) {
  return reinterpret_cast<const char*>(x);
}

// to[image, group] = weight[group] from[image, group] (+ bias) for planes of n positions.
template <class T>
bool multiply_images(const Geometry& g, const Product& first, const T* weight, const T* from, const T* bias, T* to) {
  int all = 1;
  const int64_t count = g.batch * g.groups;
  parallel_for(count, count >= kManyImages ? 1 : count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      Product p = first;
      T* c = to + i * p.m * p.n;
      p.a.data = bytes(weight + i % g.groups * p.m * p.k);
      p.b.data = bytes(from + i * p.k * p.n);
      p.c = reinterpret_cast<char*>(c);
      p.accumulate = bias != nullptr;
      for (int64_t r = 0; bias && r < p.m; ++r) std::fill_n(c + r * p.n, p.n, bias[i % g.groups * p.m + r]);
      if (multiply_panels(p) != FL_OK) __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    }
  });
  return all;
}

}  // namespace

bool pointwise_fits(const Geometry& g) {
  const Sizes one{1, 1, 1}, none{0, 0, 0};
  return g.kernel == one && g.stride == one && g.before == none && g.x == g.y && product(g.x) >= kPositions &&
         std::min(g.in_group(), g.out_group()) >= kChannels && level->gemm(Type::Float32)->preferred;
}

template <class T>
bool pointwise(const Geometry& g, const T* x, const T* weight, const T* bias, T* out) {
  const int64_t n = product(g.x), k = g.in_group();
  const Product p{type_as<T>(), g.out_group(), n, k, {nullptr, k, 1}, {nullptr, n, 1}, nullptr, nullptr, n};
  return multiply_images(g, p, weight, x, bias, out);
}

template <class T>
bool pointwise_input_grad(const Geometry& g, const T* grad, const T* weight, T* out) {
  const int64_t n = product(g.x), m = g.in_group();
  const Product p{type_as<T>(), m, n, g.out_group(), {nullptr, 1, m}, {nullptr, n, 1}, nullptr, nullptr, n};
  return multiply_images(g, p, weight, grad, static_cast<const T*>(nullptr), out);
}

template bool pointwise(const Geometry&, const float*, const float*, const float*, float*);
template bool pointwise(const Geometry&, const double*, const double*, const double*, double*);
template bool pointwise_input_grad(const Geometry&, const float*, const float*, float*);
template bool pointwise_input_grad(const Geometry&, const double*, const double*, double*);

}  // namespace flambeau::cpu
