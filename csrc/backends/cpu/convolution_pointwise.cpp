// convolution_pointwise.cpp: kernels of one element without a stride: a product for each image and group, whose panels of
// positions are packed as they lie. Their gradient for the weight is one too, its sum over positions and images.
#include <algorithm>

#include "convolution.h"
#include "product.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPositions = 128;  // fewer leave lanes of the last panel empty
constexpr int64_t kChannels = 16;    // fewer are written rather than summed
constexpr int64_t kManyImages = 8;   // are computed at once
constexpr int64_t kParts = 16;       // stretches of images that have sums of their own in the weight's gradient
constexpr int64_t kSums = 2048 * kBlock;  // elements of all of them

template <class T>
const char* bytes(const T* x) {
  return reinterpret_cast<const char*>(x);
}
template <class T>
char* bytes(T* x) {
  return reinterpret_cast<char*>(x);
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
      p.c = bytes(c);
      p.accumulate = bias != nullptr;
      p.whole = count >= kManyImages;
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

// A sum over positions and images: each stretch of images has one of its own, and they are added up in order.
template <class T>
bool pointwise_weight_grad(const Geometry& g, const T* grad, const T* x, T* out) {
  const int64_t k = product(g.x), m = g.out_group(), n = g.in_group(), elements = g.groups * m * n;
  int64_t parts = std::clamp<int64_t>(kSums / elements, 1, std::min(kParts, g.batch));
  if (parts * g.groups < kManyImages) parts = 1;  // products that are shared out themselves
  const int64_t images = divide_up(g.batch, parts);
  parts = divide_up(g.batch, images);
  T* sums = parts == 1 ? out : static_cast<T*>(host->scratch(size_t(parts * elements) * sizeof(T)));
  if (!sums) return false;
  const int64_t count = parts * g.groups;
  int all = 1;
  parallel_for(count, count >= kManyImages ? 1 : count, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t part = i / g.groups, group = i % g.groups, until = std::min(g.batch, (part + 1) * images);
      Product p{type_as<T>(), m, n, k, {nullptr, k, 1}, {nullptr, 1, k}, nullptr, bytes(sums + i * m * n), n};
      p.whole = count >= kManyImages;
      for (int64_t image = part * images; image < until; ++image) {
        p.a.data = bytes(grad + (image * g.out + group * m) * k);
        p.b.data = bytes(x + (image * g.in + group * n) * k);
        p.accumulate = image > part * images;
        if (multiply_panels(p) != FL_OK) __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
      }
    }
  });
  if (parts > 1)
    parallel_for(elements, 4 * kBlock, [&](int64_t begin, int64_t end) {
      std::copy(sums + begin, sums + end, out + begin);
      for (int64_t part = 1; part < parts; ++part)
        for (int64_t i = begin; i < end; ++i) out[i] += sums[part * elements + i];
    });
  return all;
}

template bool pointwise_weight_grad(const Geometry&, const float*, const float*, float*);
template bool pointwise_weight_grad(const Geometry&, const double*, const double*, double*);
template bool pointwise(const Geometry&, const float*, const float*, const float*, float*);
template bool pointwise(const Geometry&, const double*, const double*, const double*, double*);
template bool pointwise_input_grad(const Geometry&, const float*, const float*, float*);
template bool pointwise_input_grad(const Geometry&, const double*, const double*, double*);

}  // namespace flambeau::cpu
