// simd/activations.cpp: activations with constants of their own, and their gradients. Compiled once per level.
#include "functions.h"
#include "kernels.h"
#include "loops.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
FL_INLINE V value(double x) {
  return splat<V>(typename Of<V>::Element(x));
}

// log(1 + e) for 0 <= e <= 1, as 2 artanh(s) with s = e / (2 + e) <= 1/3: the series in s^2, 2^-26 of it left out.
FL_INLINE F32 log1p_of_share(F32 e) {
  constexpr float kSeries[] = {2.0f / 15, 2.0f / 13, 2.0f / 11, 2.0f / 9, 2.0f / 7, 2.0f / 5, 2.0f / 3};
  const F32 s = e / (e + splat<F32>(2.0f)), z = s * s;
  return fma(polynomial(z, kSeries) * z, s, s + s);
}
FL_INLINE F64 log1p_of_share(F64 e) { return Log1p::at<true>(e); }

// exp(x) - 1 for x <= 0 (and NaN).
FL_INLINE F32 expm1_of_negative(F32 x) {
  const F32 t = at_least(x, splat<F32>(-40.0f));
  const F32 shifted = fma(t, splat<F32>(1.44269504f), exponent_shift(t)), n = shifted - exponent_shift(t);
  const F32 r = less_ln2(n, t);
  constexpr float kExp[] = {1.392692661e-3f, 8.363773874e-3f, 4.166655011e-2f, 0.1666657338f, 0.5f};  // of exp_near_zero
  const F32 p = fma(polynomial(r, kExp), r * r, r), one = splat<F32>(1.0f);
  const F32 power = (F32)(((I32)shifted << 23) + (I32)one);  // the shift leaves n alone
  return fma(p, power, power - one);
}
FL_INLINE F64 expm1_of_negative(F64 x) { return Expm1::at<true>(x); }

// The shares of sigmoid(x) and of sigmoid(-x).
template <class V>
struct Shares {
  V of, rest;
};
template <class V>
FL_INLINE Shares<V> shares_of(V x) {
  const V one = value<V>(1), e = exp_of_negative(-absolute(x)), part = one / (one + e);
  const V less = e * part;
  return {x < V{} ? less : part, x < V{} ? part : less};
}

// p: the op's attributes.
struct ClipTo {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x > p[1] ? p[1] : x < p[0] ? p[0] : x;
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return (x < p[0]) | (x > p[1]) ? V{} : g;
  }
};
struct Hardtanh {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x <= p[0] ? p[0] : x >= p[1] ? p[1] : x;
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return (x <= p[0]) | (x >= p[1]) ? V{} : g;
  }
};
struct LeakyRelu {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x > V{} ? x : x * p[0];
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return x > V{} ? g : g * p[0];
  }
};
struct Elu {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x > V{} ? x * p[1] : expm1_of_negative((x > V{} ? V{} : x) * p[2]) * (p[0] * p[1]);
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return x > V{} ? g * p[1] : g * exp_of((x > V{} ? V{} : x) * p[2]) * (p[0] * p[1] * p[2]);
  }
};
struct Softplus {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    const V z = x * p[0];
    return z > p[1] ? x : (at_least(z, V{}) + log1p_of_share(exp_of_negative(-absolute(z)))) / p[0];
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    const V z = x * p[0];
    return z > p[1] ? g : g * sigmoid_of(z);
  }
};
struct LogSigmoid {
  template <class V>
  static FL_INLINE V of(V x, const V*) {
    return at_most(x, V{}) - log1p_of_share(exp_of_negative(-absolute(x)));
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V*) {
    return g * sigmoid_of(-x);
  }
};
struct Silu {
  template <class V>
  static FL_INLINE V of(V x, const V*) {
    return x * sigmoid_of(x);
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V*) {
    const Shares<V> s = shares_of(x);
    return g * fma(x * s.rest, s.of, s.of);
  }
};
// tanh(log(1 + e)) = n / (n + 2), n = e (e + 2), for e = exp(x).
struct Mish {
  template <class V>
  static FL_INLINE V exponential(V x) {
    return exp_of(at_most(x, value<V>(sizeof(typename Of<V>::Element) == 4 ? 20 : 40)));  // 1 from there on
  }
  template <class V>
  static FL_INLINE V of(V x, const V*) {
    const V e = exponential(x), two = value<V>(2), n = e * (e + two);
    return x * (n / (n + two));
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V*) {
    const V e = exponential(x), two = value<V>(2), n = e * (e + two), share = value<V>(1) / (n + two);
    const V bounded = at_most(at_least(x, value<V>(-1000)), value<V>(1000));  // times 0
    return g * fma(bounded * value<V>(4) * (e * share), (e + value<V>(1)) * share, n * share);
  }
};
struct Hardsigmoid {
  template <class V>
  static FL_INLINE V of(V x, const V*) {
    const V three = value<V>(3);
    return x <= -three ? V{} : x >= three ? value<V>(1) : (x + three) / value<V>(6);
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V*) {
    return absolute(x) < value<V>(3) ? g / value<V>(6) : V{};
  }
};
struct Hardswish {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x * Hardsigmoid::of(x, p);
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V*) {
    const V three = value<V>(3);
    return x <= -three ? V{} : x >= three ? g : g * ((x + x + three) / value<V>(6));
  }
};
struct Hardshrink {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return absolute(x) <= p[0] ? V{} : x;
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return absolute(x) <= p[0] ? V{} : g;
  }
};
struct Softshrink {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return absolute(x) <= p[0] ? V{} : x < V{} ? x + p[0] : x - p[0];
  }
};
struct Huber {
  template <class V>
  static FL_INLINE V near(V x, V delta) {
    return x > delta ? delta : x < -delta ? -delta : x;
  }
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    const V y = near(x, p[0]);
    return y * (x - y * value<V>(0.5));
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return g * near(x, p[0]);
  }
};
struct Threshold {
  template <class V>
  static FL_INLINE V of(V x, const V* p) {
    return x <= p[0] ? p[1] : x;
  }
  template <class V>
  static FL_INLINE V grad(V g, V x, const V* p) {
    return x <= p[0] ? V{} : g;
  }
};

// ---- pow by one number ---------------------------------------------------------------------------------

// x^3 as if rounded once: the square's error goes on. It is lost where it is not finite, or too small to be told.
template <class V>
FL_INLINE V cube(V x) {
  const V square = x * x, y = square * x;
  const V exact = fma(square, x, product_error(x, x, square) * x);
  constexpr bool kSingle = sizeof(typename Of<V>::Element) == 4;
  const V size = absolute(y);
  return (size < value<V>(kSingle ? 1e35 : 1e290)) & (size > value<V>(kSingle ? 1e-28 : 1e-280)) ? exact : y;
}

constexpr int kParameters = 3;
template <class V>
struct Parameters {
  V at[kParameters];
  explicit FL_INLINE Parameters(const double* p) {
    for (int i = 0; i < kParameters; ++i) at[i] = value<V>(p[i]);
  }
};

template <class F, class V>
void values(const void* const* inputs, void* output, int64_t n, const double* parameters) {
  using T = typename Of<V>::Element;
  const Parameters<V> p(parameters);
  const T* x = static_cast<const T*>(inputs[0]);
  T* y = static_cast<T*>(output);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) {
    __builtin_prefetch(reinterpret_cast<const char*>(x + i) + kAhead);
    store<V>(y + i, F::of(load<V>(x + i), p.at));
  }
  if (i < n) store_part<V>(y + i, F::of(load_part<V>(x + i, int(n - i)), p.at), int(n - i));
}
template <class F, class V>
void gradients(const void* const* inputs, void* output, int64_t n, const double* parameters) {
  using T = typename Of<V>::Element;
  const Parameters<V> p(parameters);
  const T* g = static_cast<const T*>(inputs[0]);
  const T* x = static_cast<const T*>(inputs[1]);
  T* y = static_cast<T*>(output);
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(y + i, F::grad(load<V>(g + i), load<V>(x + i), p.at));
  const int left = int(n - i);
  if (left) store_part<V>(y + i, F::grad(load_part<V>(g + i, left), load_part<V>(x + i, left), p.at), left);
}

bool same(const char* a, const char* b) { return strcmp(a, b) == 0; }

template <class V>
ParameterLoop loop_of(const char* op) {
#define FL_ACTIVATION(name, F)           \
  if (same(op, name)) return values<F, V>; \
  if (same(op, name "_grad")) return gradients<F, V>;
  FL_ACTIVATION("clip_to", ClipTo)
  FL_ACTIVATION("hardtanh", Hardtanh)
  FL_ACTIVATION("leaky_relu", LeakyRelu)
  FL_ACTIVATION("elu", Elu)
  FL_ACTIVATION("softplus", Softplus)
  FL_ACTIVATION("log_sigmoid", LogSigmoid)
  FL_ACTIVATION("silu", Silu)
  FL_ACTIVATION("mish", Mish)
  FL_ACTIVATION("hardsigmoid", Hardsigmoid)
  FL_ACTIVATION("hardswish", Hardswish)
  FL_ACTIVATION("hardshrink", Hardshrink)
  FL_ACTIVATION("huber", Huber)
  FL_ACTIVATION("threshold", Threshold)
#undef FL_ACTIVATION
  return same(op, "softshrink") ? values<Softshrink, V> : nullptr;
}

struct Cube {
  template <class V>
  static FL_INLINE V of(V x) {
    return cube(x);
  }
};
struct Square {
  template <class V>
  static FL_INLINE V of(V x) {
    return x * x;
  }
};
// As pow has it: of -0 it is 0, of -inf inf.
struct Root {
  template <class V>
  static FL_INLINE V of(V x) {
    const V infinity = value<V>(__builtin_inf());
    return x == -infinity ? infinity : square_root(x + V{});
  }
};
struct Inverse {
  template <class V>
  static FL_INLINE V of(V x) {
    return value<V>(1) / x;
  }
};
template <class V>
Loop power_of(double exponent) {
  if (exponent == 2) return unary_vector<Square, V>;
  if (exponent == 3) return unary_vector<Cube, V>;
  if (exponent == 0.5) return unary_vector<Root, V>;
  return exponent == -1 ? unary_vector<Inverse, V> : nullptr;
}

}  // namespace

ParameterLoop activation(const char* op, Type type) {
  return type == Type::Float32 ? loop_of<F32>(op) : type == Type::Float64 ? loop_of<F64>(op) : nullptr;
}

Loop power(double exponent, Type type) {
  return type == Type::Float32 ? power_of<F32>(exponent) : type == Type::Float64 ? power_of<F64>(exponent) : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
