// math.h: exp, log, tanh, sigmoid, gelu and pow over vectors. Bounds in docs/performance.md are measured by
// tests/framework/test_cpu_math.py: 2 ulp or less, gelu 4.
#ifndef FLAMBEAU_CPU_SIMD_MATH_H
#define FLAMBEAU_CPU_SIMD_MATH_H

#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

// Horner's rule, the highest power first.
template <class V, int n>
FL_INLINE V polynomial(V x, const typename Of<V>::Element (&coefficients)[n]) {
  V y = splat<V>(coefficients[0]);
  for (int i = 1; i < n; ++i) y = fma(y, x, splat<V>(coefficients[i]));
  return y;
}

// The part of a * b that rounding to `product` lost.
template <class V>
FL_INLINE V product_error(V a, V b, V product) {
  if constexpr (kFused) {
    return fma(a, b, -product);
  } else {  // Dekker's splitting
    using Element = typename Of<V>::Element;
    const V split = splat<V>(sizeof(Element) == 4 ? Element(4097.0) : Element(134217729.0));
    const V a_high = a * split - (a * split - a), b_high = b * split - (b * split - b);
    const V a_low = a - a_high, b_low = b - b_high;
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  }
}

// ---- exp -----------------------------------------------------------------------------------------------

// exp(x + low) 2^lift for a correction `low` far smaller than x. Overflows to inf, underflows through the denormals;
// `lift` lets a caller multiply first and come down to the denormals with one rounding.
FL_INLINE F32 exp_of(F32 x, F32 low, int lift = 0) {
  const F32 kRound = splat<F32>(12582912.0f);
  const F32 t = at_most(at_least(x, splat<F32>(-130.0f)), splat<F32>(89.0f));
  const F32 shifted = fma(t, splat<F32>(1.44269504088896341f), kRound);
  const F32 n = shifted - kRound;
  F32 r = fma(n, splat<F32>(-0.693359375f), t);  // exact: the constant has 10 bits
  r = fma(n, splat<F32>(2.12194440e-4f), r) + low;
  constexpr float kExp[] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                            4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};
  const F32 p = fma(polynomial(r, kExp), r * r, r) + splat<F32>(1.0f);
  // 2^n in two factors, so that neither overflows and a denormal result is rounded once.
  const I32 exponent = (I32)shifted - (I32)kRound;
  const I32 half = exponent >> 1;
  const F32 first = (F32)((half + 127) << 23), second = (F32)((exponent - half + (127 + lift)) << 23);
  return p * first * second;
}
FL_INLINE F64 exp_of(F64 x, F64 low, int lift = 0) {
  const F64 kRound = splat<F64>(6755399441055744.0);
  const F64 t = at_most(at_least(x, splat<F64>(-780.0)), splat<F64>(710.0));
  const F64 shifted = fma(t, splat<F64>(1.4426950408889634), kRound);
  const F64 n = shifted - kRound;
  F64 r = fma(n, splat<F64>(-6.93145751953125e-1), t);
  r = fma(n, splat<F64>(-1.42860682030941723212e-6), r) + low;
  constexpr double kExp[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                             1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
                             1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
  const F64 p = fma(polynomial(r, kExp), r * r, r) + splat<F64>(1.0);
  const I64 exponent = (I64)shifted - (I64)kRound;
  const I64 half = exponent >> 1;
  const F64 first = (F64)((half + 1023) << 52), second = (F64)((exponent - half + (1023 + lift)) << 52);
  return p * first * second;
}
template <class V>
FL_INLINE V exp_of(V x) {
  return exp_of(x, V{});
}

// ---- log -----------------------------------------------------------------------------------------------

FL_INLINE F32 log_of(F32 x) {
  const F32 kTiny = splat<F32>(1.17549435e-38f);
  const I32 denormal = x < kTiny;
  const F32 y = denormal ? x * splat<F32>(8388608.0f) : x;
  // m in [sqrt(1/2), sqrt(2)), x = m 2^e
  const I32 bits = (I32)y - splat<I32>(0x3f3504f3);
  const I32 e = (bits >> 23) - (denormal & splat<I32>(23));
  const F32 m = (F32)((bits & splat<I32>(0x007fffff)) + splat<I32>(0x3f3504f3));
  const F32 exponent = __builtin_convertvector(e, F32);
  const F32 f = m - splat<F32>(1.0f);
  const F32 z = f * f;
  constexpr float kLog[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                            -1.6668057665e-1f, 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  F32 r = polynomial(f, kLog) * f * z;
  r = fma(exponent, splat<F32>(-2.12194440e-4f), r);
  r = fma(z, splat<F32>(-0.5f), r);
  r = fma(exponent, splat<F32>(0.693359375f), f + r);
  const F32 kInfinity = splat<F32>(__builtin_inff());
  r = x == kInfinity ? kInfinity : r;
  r = x == F32{} ? -kInfinity : r;
  return (x >= F32{}) ? r : splat<F32>(__builtin_nanf(""));
}
FL_INLINE F64 log_of(F64 x) {
  const F64 kTiny = splat<F64>(2.2250738585072014e-308);
  const I64 denormal = x < kTiny;
  const F64 y = denormal ? x * splat<F64>(18014398509481984.0) : x;
  const I64 bits = (I64)y - splat<I64>(0x3fe6a09e667f3bcd);
  const I64 e = (bits >> 52) - (denormal & splat<I64>(54));
  const F64 m = (F64)((bits & splat<I64>(0x000fffffffffffff)) + splat<I64>(0x3fe6a09e667f3bcd));
  const F64 exponent = __builtin_convertvector(e, F64);
  const F64 f = m - splat<F64>(1.0);
  const F64 s = f / (f + splat<F64>(2.0));
  const F64 z = s * s;
  constexpr double kLog[] = {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                             2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                             6.666666666666735130e-01};
  const F64 R = polynomial(z, kLog) * z;
  const F64 half_square = splat<F64>(0.5) * f * f;
  const F64 tail = fma(s, half_square + R, exponent * splat<F64>(1.90821492927058770002e-10));
  F64 r = exponent * splat<F64>(6.93147180369123816490e-01) - ((half_square - tail) - f);
  const F64 kInfinity = splat<F64>(__builtin_inf());
  r = x == kInfinity ? kInfinity : r;
  r = x == F64{} ? -kInfinity : r;
  return (x >= F64{}) ? r : splat<F64>(__builtin_nan(""));
}

// ---- tanh, sigmoid -------------------------------------------------------------------------------------

FL_INLINE F32 tanh_near_zero(F32 x) {
  constexpr float kTanh[] = {-5.70498872745e-3f, 2.06390887954e-2f, -5.37397155531e-2f, 1.33314422036e-1f,
                             -3.33332819422e-1f};
  const F32 z = x * x;
  return fma(polynomial(z, kTanh) * z, x, x);
}
FL_INLINE F64 tanh_near_zero(F64 x) {
  constexpr double kP[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3};
  constexpr double kQ[] = {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3};
  const F64 z = x * x;
  return fma(polynomial(z, kP) / polynomial(z, kQ) * z, x, x);
}
template <class V>
FL_INLINE V tanh_of(V x) {
  using Element = typename Of<V>::Element;
  const V one = splat<V>(Element(1)), two = splat<V>(Element(2));
  const V t = absolute(x);
  const V far = one - two / (exp_of(t + t) + one);
  return with_sign_of(t < splat<V>(Element(0.625)) ? tanh_near_zero(x) : far, x);  // of -0 too
}

template <class V>
FL_INLINE V sigmoid_of(V x) {
  const V one = splat<V>(1);
  const V e = exp_of(-absolute(x));
  return (x < V{} ? e : one) / (one + e);
}

// ---- gelu ----------------------------------------------------------------------------------------------

constexpr int kLift = 30;
template <class V>
FL_INLINE V lowered(V x) {
  return x * splat<V>(9.313225746154785e-10f);  // 2^-30
}

// exp(-t^2 / 2) 2^kLift, with the rounding error of the square put back.
template <class V>
FL_INLINE V gauss_lifted(V t) {
  using Element = typename Of<V>::Element;
  t = at_most(t, splat<V>(Element(sizeof(Element) == 4 ? 16.0 : 40.0)));
  const V square = t * t;
  const V minus_half = splat<V>(Element(-0.5));
  return exp_of(minus_half * square, minus_half * product_error(t, t, square), kLift);
}

// Phi(-t) / exp(-t^2 / 2) for t >= 0: (1 + t) times it is a polynomial in (t - c) / (t + c), fitted by Chebyshev
// interpolation at 50 digits, relative error below 2^-28 (2^-57 for double).
FL_INLINE F32 mills(F32 t) {
  constexpr float kMills[] = {-7.393246335e-5f,  -6.572075472e-5f, 0.0006912335241f, -0.0003004970012f,
                              -0.005002521082f,  0.01793954811f,   -0.03219772809f,  0.02860002752f,
                              0.01399963041f,    -0.09670346791f,  0.4720532065f};
  const F32 c = splat<F32>(4.0f);
  t = at_most(t, splat<F32>(16.0f));
  return polynomial((t - c) / (t + c), kMills) / (t + splat<F32>(1.0f));
}
FL_INLINE F64 mills(F64 t) {
  constexpr double kMills[] = {1.565901307919275903e-9, 2.933099273629306119e-9, -1.563563975580134099e-8, -1.999935719739198756e-8, 1.323752617686664503e-7, -4.649629632929167107e-10, -9.996082886634028631e-7, 1.78383623414682e-6, 4.412420988465129065e-6, -0.00002635340371320072325, 0.00003779489370446674464, 0.0001194896582852615999, -0.0008689946633225783588, 0.002935655517518445022, -0.007059819421462763961, 0.01324686415404786215, -0.01976647921993178578, 0.02259246706278127379, -0.0161415173321992679, -0.004373386779593185552, 0.03981142456242985815, -0.08502536230577072273, 0.4534552002711279448};
  const F64 c = splat<F64>(6.0);
  t = at_most(t, splat<F64>(40.0));
  return polynomial((t - c) / (t + c), kMills) / (t + splat<F64>(1.0));
}

template <class V>
FL_INLINE V gelu_of(V x) {
  const V t = absolute(x);
  const V limit = splat<V>(sizeof(typename Of<V>::Element) == 4 ? 16 : 40);
  const V inside = at_least(at_most(x, limit), -limit);
  const V other = lowered(inside * mills(t) * gauss_lifted(t));  // x Phi(-|x|)
  const V y = x < V{} ? other : x - other;
  return x == splat<V>(-__builtin_inff()) ? -V{} : (x == splat<V>(__builtin_inff()) ? x : y);
}
// d gelu / dx = Phi(x) + x phi(x)
template <class V>
FL_INLINE V gelu_slope(V x) {
  using Element = typename Of<V>::Element;
  const V t = absolute(x);
  const V e = lowered(gauss_lifted(t)), lower = e * mills(t);
  const V phi = e * splat<V>(Element(0.39894228040143267794));
  const V bounded = at_most(t, splat<V>(Element(sizeof(Element) == 4 ? 16.0 : 40.0)));
  return x < V{} ? lower - bounded * phi : (splat<V>(1) - lower) + bounded * phi;
}

// sqrt(2/pi) (x + 0.044715 x^3) times two, in two parts: its error would be multiplied by its own size in exp().
template <class V>
struct TwoParts {
  V high, low;
};
template <class V>
FL_INLINE TwoParts<V> gelu_tanh_argument(V x) {
  using Element = typename Of<V>::Element;
  constexpr double kScale = 1.5957691216057307117;  // 2 sqrt(2/pi)
  constexpr Element kHigh = Element(kScale), kLow = sizeof(Element) == 4 ? Element(kScale - double(kHigh)) : Element(-9.9693088091109203e-17);
  constexpr Element kCube = Element(0.044715), kCubeLow = sizeof(Element) == 4 ? Element(0.044715 - double(kCube)) : Element(2.1960211427085596e-18);
  const V a = splat<V>(kCube);
  const V square = x * x, square_low = product_error(x, x, square);
  const V term = a * square;
  const V term_low = product_error(a, square, term) + (a * square_low + splat<V>(kCubeLow) * square);
  const V one = splat<V>(1);
  const V sum = one + term;
  const V larger = one > term ? one : term, smaller = one > term ? term : one;
  const V sum_low = (smaller - (sum - larger)) + term_low;
  const V scale = splat<V>(kHigh);
  const V scaled = scale * x, scaled_low = product_error(scale, x, scaled) + splat<V>(kLow) * x;
  const V high = scaled * sum;
  return {high, product_error(scaled, sum, high) + (scaled * sum_low + scaled_low * sum)};
}
// x sigmoid(u): the tanh form of gelu
template <class V>
FL_INLINE V gelu_tanh_of(V x) {
  using Element = typename Of<V>::Element;
  const V limit = splat<V>(Element(sizeof(Element) == 4 ? 16.0 : 40.0));
  const V inside = at_least(at_most(x, limit), -limit);
  const TwoParts<V> u = gelu_tanh_argument(absolute(inside));
  const V one = splat<V>(1);
  const V lifted = exp_of(-u.high, -u.low, kLift), e = lowered(lifted);
  const V y = x < V{} ? lowered(inside * lifted / (one + e)) : x / (one + e);
  return x == splat<V>(-__builtin_inff()) ? -V{} : y;
}
template <class V>
FL_INLINE V gelu_tanh_slope(V x) {
  using Element = typename Of<V>::Element;
  const V limit = splat<V>(Element(sizeof(Element) == 4 ? 16.0 : 40.0));
  const V inside = at_least(at_most(x, limit), -limit);
  const TwoParts<V> u = gelu_tanh_argument(absolute(inside));
  const V one = splat<V>(1);
  const V e = exp_of(-u.high, -u.low);
  const V s = (x < V{} ? e : one) / (one + e), rest = (x < V{} ? one : e) / (one + e);
  const V inner = splat<V>(Element(1.5957691216057307117)) *
                  fma(splat<V>(Element(3 * 0.044715)) * inside, inside, one);
  return fma(inside * s * rest, inner, s);
}

// ---- pow -----------------------------------------------------------------------------------------------

FL_INLINE F64 power_of_magnitude(F64 x, F64 y) { return exp_of(y * log_of(x)); }

// float32 through double, hence within 0.51 ulp.
FL_INLINE F32 pow_of(F32 x, F32 y) {
  using Half = VectorOf<float, kVectorBytes / 2>::type;
  const F32 magnitude = absolute(x);
  Half x_half[2], y_half[2], r_half[2];
  memcpy(x_half, &magnitude, sizeof(magnitude));
  memcpy(y_half, &y, sizeof(y));
  for (int i = 0; i < 2; ++i) {
    const F64 r = power_of_magnitude(__builtin_convertvector(x_half[i], F64), __builtin_convertvector(y_half[i], F64));
    r_half[i] = __builtin_convertvector(r, Half);
  }
  F32 r;
  memcpy(&r, r_half, sizeof(r));
  const F32 one = splat<F32>(1.0f), infinity = splat<F32>(__builtin_inff());
  const F32 y_size = absolute(y);
  // Every float of 2^24 and more is an even integer.
  const I32 large = y_size >= splat<F32>(16777216.0f);
  const I32 truncated = __builtin_convertvector(large ? F32{} : y, I32);
  const I32 whole = large | (__builtin_convertvector(truncated, F32) == y);
  const I32 odd = ~large & whole & ((truncated & 1) != 0);
  const I32 negative = (I32)x < 0;
  r = (magnitude == one) & (y == y) ? one : r;
  r = (negative & odd) ? -r : r;
  r = (x < F32{}) & (magnitude != infinity) & ~whole & (y == y) ? splat<F32>(__builtin_nanf("")) : r;
  return (y == F32{}) | (x == one) ? one : r;
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
