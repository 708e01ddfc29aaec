// simd/optimizer.cpp: one step of an optimizer over contiguous parameters. Compiled once per level.
#include "kernels.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class T>
void sgd_step(T* __restrict p, const T* __restrict g, T* __restrict buffer, int64_t n, const SgdParameters& s) {
  const T lr = T(s.lr), momentum = T(s.momentum), rest = T(1 - s.dampening), decay = T(s.weight_decay);
  const T sign = s.maximize ? T(-1) : T(1);
  if (!buffer) {
    for (int64_t i = 0; i < n; ++i) p[i] = p[i] - lr * (g[i] * sign + decay * p[i]);
  } else if (s.first) {
    const T factor = s.nesterov ? T(1) + momentum : T(1);
    for (int64_t i = 0; i < n; ++i) {
      const T step = g[i] * sign + decay * p[i];
      buffer[i] = step;
      p[i] = p[i] - lr * (factor * step);
    }
  } else {
    const bool nesterov = s.nesterov;
    for (int64_t i = 0; i < n; ++i) {
      const T step = g[i] * sign + decay * p[i];
      const T kept = momentum * buffer[i] + rest * step;
      buffer[i] = kept;
      p[i] = p[i] - lr * (nesterov ? step + momentum * kept : kept);
    }
  }
}

template <class T>
inline T root_of(T x) {
  if constexpr (sizeof(T) == 4) return __builtin_sqrtf(x);
  else return __builtin_sqrt(x);
}

template <class T>
void adamw_step(T* __restrict p, const T* __restrict g, T* __restrict m, T* __restrict v, int64_t n,
                const AdamwParameters& s) {
  const T keep = T(1 - s.lr * s.weight_decay), sign = s.maximize ? T(-1) : T(1);
  const T beta1 = T(s.beta1), rest1 = T(1 - s.beta1), beta2 = T(s.beta2), rest2 = T(1 - s.beta2);
  const T rate = T(s.lr / s.correction1), correction2 = T(s.correction2), eps = T(s.eps);
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * sign;
    const T mean = beta1 * m[i] + rest1 * gradient;
    const T square = beta2 * v[i] + rest2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    p[i] = p[i] * keep - rate * mean / (root_of(square / correction2) + eps);
  }
}

}  // namespace

void sgd_step32(float* p, const float* g, float* buffer, int64_t n, const SgdParameters& s) {
  sgd_step(p, g, buffer, n, s);
}
void sgd_step64(double* p, const double* g, double* buffer, int64_t n, const SgdParameters& s) {
  sgd_step(p, g, buffer, n, s);
}
void adamw_step32(float* p, const float* g, float* m, float* v, int64_t n, const AdamwParameters& s) {
  adamw_step(p, g, m, v, n, s);
}
void adamw_step64(double* p, const double* g, double* m, double* v, int64_t n, const AdamwParameters& s) {
  adamw_step(p, g, m, v, n, s);
}

}  // namespace flambeau::cpu::FL_LEVEL
