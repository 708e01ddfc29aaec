// simd/optimizer.cpp: one step of an optimizer over contiguous parameters. Compiled once per level.
#include <string.h>

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

template <class T>
T* group(void* const* at, int i) {
  return static_cast<T*>(at[i]);
}

template <class T>
void adam_step(void* const* at, int64_t n, const AdaptiveParameters& s) {
  T *__restrict p = group<T>(at, 0), *__restrict m = group<T>(at, 2), *__restrict v = group<T>(at, 3);
  const T* __restrict g = group<T>(at, 1);
  const T sign = s.maximize ? T(-1) : T(1), decay = T(s.weight_decay), keep = T(s.keep), rate = T(s.rate);
  const T beta1 = T(s.beta1), rest1 = T(1 - s.beta1), beta2 = T(s.beta2), rest2 = T(1 - s.beta2);
  const T correction2 = T(s.correction2), eps = T(s.eps);
  T* __restrict largest = s.third ? group<T>(at, 4) : nullptr;
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * sign + decay * p[i];
    const T mean = beta1 * m[i] + rest1 * gradient;
    T square = beta2 * v[i] + rest2 * gradient * gradient;
    m[i] = mean;
    v[i] = square;
    if (largest) largest[i] = square = largest[i] > square ? largest[i] : square;
    p[i] = p[i] * keep - rate * mean / (root_of(square / correction2) + eps);
  }
}

template <class T>
void rmsprop_step(void* const* at, int64_t n, const AdaptiveParameters& s) {
  T *__restrict p = group<T>(at, 0), *__restrict v = group<T>(at, 2);
  const T* __restrict g = group<T>(at, 1);
  const T sign = s.maximize ? T(-1) : T(1), decay = T(s.weight_decay), rate = T(s.rate), momentum = T(s.momentum);
  const T alpha = T(s.beta2), rest = T(1 - s.beta2), eps = T(s.eps);
  T* __restrict m = s.third ? group<T>(at, 3) : nullptr;
  T* __restrict buffer = s.momentum != 0 ? group<T>(at, s.third ? 4 : 3) : nullptr;
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * sign + decay * p[i];
    T square = alpha * v[i] + rest * gradient * gradient;
    v[i] = square;
    if (m) {
      const T mean = alpha * m[i] + rest * gradient;
      m[i] = mean;
      square = square - mean * mean;
    }
    T step = gradient / (root_of(square) + eps);
    if (buffer) buffer[i] = step = momentum * buffer[i] + step;
    p[i] = p[i] - rate * step;
  }
}

template <class T>
void adagrad_step(void* const* at, int64_t n, const AdaptiveParameters& s) {
  T *__restrict p = group<T>(at, 0), *__restrict sum = group<T>(at, 2);
  const T* __restrict g = group<T>(at, 1);
  const T sign = s.maximize ? T(-1) : T(1), decay = T(s.weight_decay), rate = T(s.rate), eps = T(s.eps);
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * sign + decay * p[i];
    const T total = sum[i] + gradient * gradient;
    sum[i] = total;
    p[i] = p[i] - rate * gradient / (root_of(total) + eps);
  }
}

template <class T>
void lion_step(void* const* at, int64_t n, const AdaptiveParameters& s) {
  T *__restrict p = group<T>(at, 0), *__restrict m = group<T>(at, 2);
  const T* __restrict g = group<T>(at, 1);
  const T sign = s.maximize ? T(-1) : T(1), keep = T(s.keep), rate = T(s.rate);
  const T beta1 = T(s.beta1), rest1 = T(1 - s.beta1), beta2 = T(s.beta2), rest2 = T(1 - s.beta2);
  for (int64_t i = 0; i < n; ++i) {
    const T gradient = g[i] * sign, way = beta1 * m[i] + rest1 * gradient;
    m[i] = beta2 * m[i] + rest2 * gradient;
    const T step = way > 0 ? T(1) : way < 0 ? T(-1) : way;
    p[i] = p[i] * keep - rate * step;
  }
}

// at[0] times `rate`; *at[1] becomes 1 if an element was not finite.
template <class T>
void unscale(void* const* at, int64_t n, const AdaptiveParameters& s) {
  T* __restrict g = group<T>(at, 0);
  const T rate = T(s.rate), largest = sizeof(T) == 4 ? T(__FLT_MAX__) : T(__DBL_MAX__);
  int64_t beyond = 0;
  for (int64_t i = 0; i < n; ++i) {
    const T x = g[i];
    beyond |= !(x <= largest) | !(x >= -largest);
    g[i] = x * rate;
  }
  if (beyond) *group<T>(at, 1) = T(1);
}

template <class T>
StepLoop step_for(const char* op) {
  if (!strcmp(op, "adam_step")) return adam_step<T>;
  if (!strcmp(op, "rmsprop_step")) return rmsprop_step<T>;
  if (!strcmp(op, "adagrad_step")) return adagrad_step<T>;
  if (!strcmp(op, "unscale")) return unscale<T>;
  return lion_step<T>;
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
StepLoop adaptive_step(const char* op, Type type) {
  return type == Type::Float32 ? step_for<float>(op) : step_for<double>(op);
}

}  // namespace flambeau::cpu::FL_LEVEL
