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

// exp(x) = mantissa 2^exponent; `shifted` is the exponent as the low bits of a float, for those who need it whole.
template <class V>
struct Powers {
  V mantissa, exponent, shifted;
};
FL_INLINE F32 exponent_shift(F32) { return splat<F32>(12582912.0f); }
FL_INLINE F64 exponent_shift(F64) { return splat<F64>(6755399441055744.0); }

// e^r for |r| <= ln 2 / 2, times `scale`, a power of two: (e^r - 1 - r) / r^2 is interpolated by Chebyshev at 50 digits, with
// relative errors of 1.1e-8 and 1.9e-17; it would cost as much again to round the last sums together.
FL_INLINE F32 exp_near_zero(F32 r, float scale) {
  constexpr float kExp[] = {1.392692661e-3f, 8.363773874e-3f, 4.166655011e-2f, 0.1666657338f, 0.5f, 1.0f, 1.0f};
  F32 y = splat<F32>(kExp[0] * scale);
  for (int i = 1; i < 7; ++i) y = fma(y, r, splat<F32>(kExp[i] * scale));
  return y;
}
FL_INLINE F64 exp_near_zero(F64 r, double scale) {
  constexpr double kExp[] = {2.5101346928350340198e-8, 2.76213386691429238e-7,    2.7557266418612303703e-6, 2.4801518641395993583e-5,
                             1.9841269864380513295e-4, 1.3888888918939167785e-3,  8.3333333333297934996e-3, 4.1666666666620638584e-2,
                             0.16666666666666667534,   0.5000000000000001128,     1.0,                      1.0};
  F64 y = splat<F64>(kExp[0] * scale);
  for (int i = 1; i < 12; ++i) y = fma(y, r, splat<F64>(kExp[i] * scale));
  return y;
}
// t - n ln 2: the first constant has so few bits that its product is exact.
FL_INLINE F32 less_ln2(F32 n, F32 t) { return fma(n, splat<F32>(2.12194440e-4f), fma(n, splat<F32>(-0.693359375f), t)); }
FL_INLINE F64 less_ln2(F64 n, F64 t) {
  return fma(n, splat<F64>(-1.42860682030941723212e-6), fma(n, splat<F64>(-6.93145751953125e-1), t));
}
// 2^lift where the factor stands in the mantissa, which costs nothing, and 1 where put_together_normal adds it to the exponent.
template <class V>
constexpr typename Of<V>::Element lift_of_mantissa([[maybe_unused]] int lift) {
  typename Of<V>::Element scale = 1;
#if defined(__AVX512F__)
  for (int i = 0; i < lift; ++i) scale *= 2;
#endif
  return scale;
}

// |x| within what an exponent can be.
template <class V>
FL_INLINE Powers<V> exp_parts(V t) {
  const V shifted = fma(t, splat<V>(typename Of<V>::Element(1.44269504088896341)), exponent_shift(t)), n = shifted - exponent_shift(t);
  return {exp_near_zero(less_ln2(n, t), 1), n, shifted};
}
// Of x + low, for a correction `low` far smaller than x; for put_together_normal of the same lift.
template <int kLift, class V>
FL_INLINE Powers<V> exp_parts(V t, V low) {
  const V shifted = fma(t, splat<V>(typename Of<V>::Element(1.44269504088896341)), exponent_shift(t)), n = shifted - exponent_shift(t);
  return {exp_near_zero(less_ln2(n, t) + low, lift_of_mantissa<V>(kLift)), n, shifted};
}

// mantissa 2^(exponent + lift), rounded once where it is denormal.
template <class V>
FL_INLINE V put_together(const Powers<V>& e, int lift = 0) {
#if defined(__AVX512F__)
  if constexpr (sizeof(typename Of<V>::Element) == 4)
    return (V)_mm512_scalef_ps((__m512)e.mantissa, (__m512)(lift ? e.exponent + splat<V>(float(lift)) : e.exponent));
  else
    return (V)_mm512_scalef_pd((__m512d)e.mantissa, (__m512d)(lift ? e.exponent + splat<V>(lift) : e.exponent));
#else
  constexpr bool kSingle = sizeof(typename Of<V>::Element) == 4;
  constexpr int kBias = kSingle ? 127 : 1023, kDigits = kSingle ? 23 : 52;
  using Int = typename Of<V>::Int;
  // In two factors, so that neither overflows.
  const Int exponent = (Int)e.shifted - (Int)exponent_shift(e.shifted), half = exponent >> 1;
  return e.mantissa * (V)((half + kBias) << kDigits) * (V)((exponent - half + (kBias + lift)) << kDigits);
#endif
}
// The same, of what exp_parts<kLift> gave, for an exponent that, lifted, is that of a normal number.
template <int kLift, class V>
FL_INLINE V put_together_normal(const Powers<V>& e) {
#if defined(__AVX512F__)
  return put_together(e);
#else
  constexpr bool kSingle = sizeof(typename Of<V>::Element) == 4;
  using Int = typename Of<V>::Int;
  const Int exponent = (Int)e.shifted - (Int)exponent_shift(e.shifted);
  return e.mantissa * (V)((exponent + ((kSingle ? 127 : 1023) + kLift)) << (kSingle ? 23 : 52));
#endif
}

// Overflows to inf, underflows through the denormals.
template <class V>
FL_INLINE V exp_of(V x) {
  constexpr bool kSingle = sizeof(typename Of<V>::Element) == 4;
  return put_together(exp_parts(at_most(at_least(x, splat<V>(kSingle ? -130 : -780)), splat<V>(kSingle ? 90 : 712))));
}
// The same of what is not above 0.
template <class V>
FL_INLINE V exp_of_negative(V x) {
  return put_together(exp_parts(at_least(x, splat<V>(sizeof(typename Of<V>::Element) == 4 ? -130 : -780))));
}

// ---- log -----------------------------------------------------------------------------------------------

// log(2^exponent (1 + f)) for 1 + f in [sqrt(1/2), sqrt(2)).
FL_INLINE F32 log_of_parts(F32 f, F32 exponent) {
  const F32 z = f * f;
  constexpr float kLog[] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f, 1.4249322787e-1f,
                            -1.6668057665e-1f, 2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};
  F32 r = polynomial(f, kLog) * f * z;
  r = fma(exponent, splat<F32>(-2.12194440e-4f), r);
  r = fma(z, splat<F32>(-0.5f), r);
  return fma(exponent, splat<F32>(0.693359375f), f + r);
}
FL_INLINE F32 log_of(F32 x) {
  const F32 kTiny = splat<F32>(1.17549435e-38f);
  const I32 denormal = x < kTiny;
  const F32 y = denormal ? x * splat<F32>(8388608.0f) : x;
  // m in [sqrt(1/2), sqrt(2)), x = m 2^e
  const I32 bits = (I32)y - splat<I32>(0x3f3504f3);
  const I32 e = (bits >> 23) - (denormal & splat<I32>(23));
  const F32 m = (F32)((bits & splat<I32>(0x007fffff)) + splat<I32>(0x3f3504f3));
  const F32 exponent = __builtin_convertvector(e, F32);
  F32 r = log_of_parts(m - splat<F32>(1.0f), exponent);
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

// (e - 1) / (e + 1) for e = e^2t = 2^n (1 + 2h): half of either is h 2^n + (2^n -+ 1) / 2, where nothing cancels.
FL_INLINE F32 tanh_of(F32 x) {
  const F32 t = at_most(absolute(x), splat<F32>(10));  // 1 from there on
  const F32 shifted = fma(t, splat<F32>(2.885390082f), exponent_shift(t)), n = shifted - exponent_shift(t);
  // t - n ln 2 / 2: in one product where it is not rounded, for this constant is 3e-9 of it from ln 2 / 2.
  F32 r;
  if constexpr (kFused) r = fma(n, splat<F32>(-0.34657359f), t);
  else r = fma(n, splat<F32>(1.06097220e-4f), fma(n, splat<F32>(-0.3466796875f), t));
  // (e^2r - 1) / 2 = r + r^2 times these, for |r| <= ln 2 / 4; found as those of exp_near_zero.
  constexpr float kTanh[] = {4.456616516e-2f, 0.1338203820f, 0.3333324009f, 0.6666629353f, 1.0f};
  const F32 h = fma(polynomial(r, kTanh), r * r, r);
  const F32 half = splat<F32>(0.5f), one = splat<F32>(1.0f);
  const F32 power = (F32)(((I32)shifted << 23) + (I32)one);  // the shift leaves n alone
  const F32 above = fma(h, power, fma(power, half, -half));
  return with_sign_of(above / (above + one), x);  // of -0 too
}
FL_INLINE F64 tanh_of(F64 x) {
  constexpr double kP[] = {-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3};
  constexpr double kQ[] = {1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3};
  const F64 t = absolute(x), z = x * x, one = splat<F64>(1);
  const F64 near_zero = fma(polynomial(z, kP) / polynomial(z, kQ) * z, x, x), far = one - splat<F64>(2) / (exp_of(t + t) + one);
  return with_sign_of(t < splat<F64>(0.625) ? near_zero : far, x);
}

template <class V>
FL_INLINE V sigmoid_of(V x) {
  const V one = splat<V>(1);
  const V e = exp_of_negative(-absolute(x));
  return (x < V{} ? e : one) / (one + e);
}

// ---- gelu ----------------------------------------------------------------------------------------------

// Factors to the results' smallest are multiplied 2^kLift times as large and come down with one rounding. Nothing of
// gelu is left of -kGeluLimit.
template <class V>
constexpr int kLift = sizeof(typename Of<V>::Element) == 4 ? 60 : 140;
template <class V>
constexpr typename Of<V>::Element kGeluLimit = sizeof(typename Of<V>::Element) == 4 ? 16 : 40;
template <class V>
FL_INLINE V lowered(V x) {
  return x * splat<V>(sizeof(typename Of<V>::Element) == 4 ? 0x1p-60 : 0x1p-140);
}

// exp(-t^2 / 2) 2^kLift for 0 <= t <= kGeluLimit, with the rounding error of the square put back.
template <class V>
FL_INLINE V gauss_lifted(V t) {
  using Element = typename Of<V>::Element;
  const V square = t * t, minus_half = splat<V>(Element(-0.5));
  return put_together_normal<kLift<V>>(exp_parts<kLift<V>>(minus_half * square, minus_half * product_error(t, t, square)));
}

// Phi(-t) / exp(-t^2 / 2) for 0 <= t <= kGeluLimit: (1 + t) times it is a polynomial in (t - c) / (t + c), fitted by Chebyshev
// interpolation at 50 digits, relative error below 2^-28 (2^-57 for double).
FL_INLINE F32 mills(F32 t) {
  constexpr float kMills[] = {-7.393246335e-5f,  -6.572075472e-5f, 0.0006912335241f, -0.0003004970012f,
                              -0.005002521082f,  0.01793954811f,   -0.03219772809f,  0.02860002752f,
                              0.01399963041f,    -0.09670346791f,  0.4720532065f};
  const F32 c = splat<F32>(4.0f);
  return polynomial((t - c) / (t + c), kMills) / (t + splat<F32>(1.0f));
}
FL_INLINE F64 mills(F64 t) {
  constexpr double kMills[] = {1.565901307919275903e-9, 2.933099273629306119e-9, -1.563563975580134099e-8, -1.999935719739198756e-8, 1.323752617686664503e-7, -4.649629632929167107e-10, -9.996082886634028631e-7, 1.78383623414682e-6, 4.412420988465129065e-6, -0.00002635340371320072325, 0.00003779489370446674464, 0.0001194896582852615999, -0.0008689946633225783588, 0.002935655517518445022, -0.007059819421462763961, 0.01324686415404786215, -0.01976647921993178578, 0.02259246706278127379, -0.0161415173321992679, -0.004373386779593185552, 0.03981142456242985815, -0.08502536230577072273, 0.4534552002711279448};
  const F64 c = splat<F64>(6.0);
  return polynomial((t - c) / (t + c), kMills) / (t + splat<F64>(1.0));
}

// max(x, 0) less a lifted share.
template <class V>
FL_INLINE V positive_less(V x, V lifted) {
  return fma(lifted, splat<V>(sizeof(typename Of<V>::Element) == 4 ? -0x1p-60f : -0x1p-140), at_least(x, -V{}));
}
template <class V>
FL_INLINE V gelu_of(V x) {
  const V t = at_most(absolute(x), splat<V>(kGeluLimit<V>));
  return positive_less(x, t * mills(t) * gauss_lifted(t));  // |x| Phi(-|x|)
}
// d gelu / dx = Phi(x) + x phi(x)
template <class V>
FL_INLINE V gelu_slope(V x) {
  using Element = typename Of<V>::Element;
  const V t = at_most(absolute(x), splat<V>(kGeluLimit<V>));
  const V e = lowered(gauss_lifted(t)), lower = e * mills(t);
  const V along = t * e * splat<V>(Element(0.39894228040143267794));
  return x < V{} ? lower - along : (splat<V>(1) - lower) + along;
}

// -2 sqrt(2/pi) (t + 0.044715 t^3), t >= 0, in two parts: its error would be multiplied by its own size in exp().
template <class V>
struct TwoParts {
  V high, low;
};
template <class V>
FL_INLINE TwoParts<V> gelu_tanh_argument(V t) {
  using Element = typename Of<V>::Element;
  constexpr bool kSingle = sizeof(Element) == 4;
  constexpr double kCube = 0.07135481627260025;  // 2 sqrt(2/pi) 0.044715
  constexpr Element kCubeHigh = Element(kCube), kCubeLow = kSingle ? Element(kCube - double(kCubeHigh)) : Element(-6.175149918155315e-19);
  // 2 sqrt(2/pi), whose first part has so few digits that the sum below less it is exact.
  constexpr Element kHigh = Element(1.595703125), kLow = Element(6.599660573071176e-5);
  const V cube = splat<V>(-kCubeHigh), square = t * t, square_low = product_error(t, t, square);
  V sum, lost;
  if constexpr (kFused) {
    sum = fma(cube, square, splat<V>(-kHigh));
    lost = fma(cube, square, -(sum + splat<V>(kHigh)));
  } else {
    const V term = cube * square;
    sum = term - splat<V>(kHigh);
    lost = (term - (sum + splat<V>(kHigh))) + product_error(cube, square, term);
  }
  const V sum_low = lost + fma(cube, square_low, fma(splat<V>(-kCubeLow), square, splat<V>(-kLow)));
  const V high = t * sum;
  return {high, fma(t, sum_low, product_error(t, sum, high))};
}
// x sigmoid(u): the tanh form of gelu
template <class V>
FL_INLINE V gelu_tanh_of(V x) {
  const V t = at_most(absolute(x), splat<V>(sizeof(typename Of<V>::Element) == 4 ? 11 : 22));  // nothing is left of less
  const TwoParts<V> u = gelu_tanh_argument(t);
  const V lifted = put_together_normal<kLift<V>>(exp_parts<kLift<V>>(u.high, u.low));
  return positive_less(x, t * lifted / (splat<V>(1) + lowered(lifted)));  // |x| sigmoid(-|u|)
}
template <class V>
FL_INLINE V gelu_tanh_slope(V x) {
  using Element = typename Of<V>::Element;
  const V limit = splat<V>(kGeluLimit<V>);
  const V inside = at_least(at_most(x, limit), -limit);
  const TwoParts<V> u = gelu_tanh_argument(absolute(inside));
  const V one = splat<V>(1);
  const V e = put_together(exp_parts<0>(at_least(u.high, splat<V>(sizeof(Element) == 4 ? -130 : -780)), u.low));
  const V s = (x < V{} ? e : one) / (one + e), rest = (x < V{} ? one : e) / (one + e);
  const V inner = splat<V>(Element(1.5957691216057307117)) *
                  fma(splat<V>(Element(3 * 0.044715)) * inside, inside, one);
  return fma(inside * s * rest, inner, s);
}

// ---- pow -----------------------------------------------------------------------------------------------

FL_INLINE F64 power_of_magnitude(F64 x, F64 y) { return exp_of(y * log_of(x)); }

// x^y by |x|^y: what is 1 whatever stands beside it, the sign under odd powers, and NaN where a negative number has none.
template <class V>
FL_INLINE V power_of_sign(V r, V x, V y, typename Of<V>::Int whole, typename Of<V>::Int odd) {
  using Element = typename Of<V>::Element;
  const V one = splat<V>(Element(1)), infinity = splat<V>(Element(__builtin_inf())), magnitude = absolute(x);
  const auto negative = (typename Of<V>::Int)x < 0;
  r = (magnitude == one) & (y == y) ? one : r;
  r = (negative & odd) ? -r : r;
  r = (x < V{}) & (magnitude != infinity) & ~whole & (y == y) ? splat<V>(Element(__builtin_nan(""))) : r;
  return (y == V{}) | (x == one) ? one : r;
}

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
  const F32 y_size = absolute(y);
  // Every float of 2^24 and more is an even integer.
  const I32 large = y_size >= splat<F32>(16777216.0f);
  const I32 truncated = __builtin_convertvector(large ? F32{} : y, I32);
  const I32 whole = large | (__builtin_convertvector(truncated, F32) == y);
  const I32 odd = ~large & whole & ((truncated & 1) != 0);
  return power_of_sign(r, x, y, whole, odd);
}

// log(x) for x >= 0 in two parts, within 2^-67 of it.
FL_INLINE TwoParts<F64> log_in_two(F64 x) {
  const I64 denormal = x < splat<F64>(2.2250738585072014e-308);
  const I64 bits = (I64)(denormal ? x * splat<F64>(18014398509481984.0) : x) - splat<I64>(0x3fe6a09e667f3bcd);
  const F64 exponent = __builtin_convertvector((bits >> 52) - (denormal & splat<I64>(54)), F64);
  // m in [sqrt(1/2), sqrt(2)), s = (m - 1) / (m + 1), z = s^2
  const F64 m = (F64)((bits & splat<I64>(0x000fffffffffffff)) + splat<I64>(0x3fe6a09e667f3bcd)), one = splat<F64>(1.0);
  const F64 above = m - one, below = m + one, below_low = m - (below - one);
  const F64 s = above / below, product = s * below;
  const F64 s_low = (((above - product) - product_error(s, below, product)) - s * below_low) / below;
  const F64 z = s * s, z_low = fma(s + s, s_low, product_error(s, s, z));
  // log(m) = 2 s + s z (2/3 + z R(z)); R by Chebyshev interpolation at 50 digits, error below 2^-58.
  constexpr double kLog[] = {0.11723051028097753, 0.11706248540922386, 0.13334804238225345, 0.15384594970895457,
                             0.18181818335314404, 0.22222222221656232, 0.28571428571429364, 0.4};
  const F64 rest = z * polynomial(z, kLog), q = splat<F64>(0.6666666666666666) + rest;
  const F64 q_low = (rest - (q - splat<F64>(0.6666666666666666))) + splat<F64>(3.700743415417188e-17);
  const F64 sz = s * z, sz_low = fma(s, z_low, fma(s_low, z, product_error(s, z, sz)));
  const F64 u = sz * q, u_low = fma(sz, q_low, fma(sz_low, q, product_error(sz, q, u)));
  // The larger goes first in each sum; what rounding takes off it is kept.
  const F64 twice = s + s, near = twice + u, near_low = (u - (near - twice)) + (u_low + (s_low + s_low));
  const F64 whole = exponent * splat<F64>(6.93147180369123816490e-01);  // exact: the constant has few bits
  const F64 sum = whole + near, of_near = sum - whole;
  const F64 low = ((whole - (sum - of_near)) + (near - of_near)) + fma(exponent, splat<F64>(1.90821492927058770002e-10), near_low);
  const F64 high = sum + low, infinity = splat<F64>(__builtin_inf());
  const I64 edge = (x == F64{}) | ~(x < infinity);  // 0, infinity, NaN
  return {edge ? (x == F64{} ? -infinity : x) : high, edge ? F64{} : low - (high - sum)};
}
FL_INLINE F64 pow_of(F64 x, F64 y) {
  const TwoParts<F64> log = log_in_two(absolute(x));
  const F64 t = y * log.high;
  // Beyond, the result is infinite or 0 and the products' errors need not be finite.
  const I64 inside = absolute(t) < splat<F64>(800);
  const F64 low = inside ? fma(y, log.low, product_error(y, log.high, t)) : F64{};
  const F64 r = put_together(exp_parts<0>(at_most(at_least(t, splat<F64>(-780)), splat<F64>(712)), low));
  // Every double of 2^53 and more is an even integer; one of 2^52 and more has its units in its last bit.
  const F64 size = absolute(y), shift = splat<F64>(4503599627370496.0);
  const I64 units = size >= shift, large = size >= shift + shift;
  const F64 shifted = units ? size : size + shift;
  const I64 whole = units | (shifted - shift == size);
  const I64 odd = ~large & whole & (((I64)shifted & 1) != 0);
  return power_of_sign(r, x, y, whole, odd);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
