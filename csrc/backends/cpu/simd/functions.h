// functions.h: the other functions of real numbers over vectors: circular, hyperbolic, their inverses, expm1, logarithms
// to other bases, erf. They are written once, for double; a float goes through double, so it is all but rightly rounded
// and can leave out what `exact` adds: the low parts that keep a double within 2 ulp. Those that have an `of` for floats
// are computed in floats, twice as many at once.
//
// Polynomials: Chebyshev interpolation at 50 digits of (f(r) - first terms) / r^k on the interval that is named, error
// below 2^-54 of f. Bounds are measured by tests/csrc/test_kernels_of_values.py.
#ifndef FLAMBEAU_CPU_SIMD_FUNCTIONS_H
#define FLAMBEAU_CPU_SIMD_FUNCTIONS_H

#include <math.h>

#include "math.h"

namespace flambeau::cpu::FL_LEVEL {

FL_INLINE F64 number(double x) { return splat<F64>(x); }
constexpr double kInfinite = __builtin_inf();
FL_INLINE F64 not_a_number() { return splat<F64>(__builtin_nan("")); }

FL_INLINE bool any_lane(I64 mask) {
#if defined(__AVX512F__)
  return _mm512_test_epi64_mask((__m512i)mask, (__m512i)mask) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_pd((__m256d)mask) != 0;
#elif defined(__x86_64__)
  return _mm_movemask_pd((__m128d)mask) != 0;
#else
  return (mask[0] | mask[1]) != 0;
#endif
}
// The lanes of the mask by the host's library: arguments so rare or so costly that a vector is not worth it.
template <class Function>
FL_INLINE F64 one_by_one(F64 y, F64 x, I64 mask, const Function& function) {
  double from[kLanes<F64>], to[kLanes<F64>];
  int64_t chosen[kLanes<F64>];
  store<F64>(from, x);
  store<F64>(to, y);
  store<I64>(chosen, mask);
  for (int i = 0; i < kLanes<F64>; ++i)
    if (chosen[i]) to[i] = function(from[i]);
  return load<F64>(to);
}

// a + b with what rounding lost.
template <class V>
FL_INLINE TwoParts<V> two_sum(V a, V b) {
  const V sum = a + b, of_b = sum - a;
  return {sum, (a - (sum - of_b)) + (b - of_b)};
}

// ---- sin, cos, tan -------------------------------------------------------------------------------------

// x = quadrant pi/2 + high + low, |high| <= pi/4, for |x| <= kCircleLimit: pi/2 in parts of 33 bits, whose products with
// the quadrant are exact (Cody and Waite). Larger x go to the host's library.
constexpr double kCircleLimit = 1e6;
struct Reduced {
  F64 high, low;
  I64 quadrant;
};
template <bool exact>
FL_INLINE Reduced reduce_circle(F64 x) {
  const F64 shifted = fma(x, number(0.6366197723675814), exponent_shift(x));
  const F64 n = shifted - exponent_shift(x);
  const F64 first = x - n * number(1.5707963267341256);
  const F64 second = n * number(6.077100506303966e-11), third = n * number(2.0222662487111665e-21);
  if constexpr (!exact) return {(first - second) - third, F64{}, (I64)shifted};
  const TwoParts<F64> rest = two_sum(first, -second);
  const F64 low = (rest.low - n * number(8.4784276603689e-32)) - third;
  const F64 high = rest.high + low;
  return {high, (rest.high - high) + low, (I64)shifted};
}
// |r| <= pi/4
FL_INLINE F64 sin_near_zero(F64 r, F64 low) {
  constexpr double kSin[] = {1.591810123027412e-10, -2.5051131455427946e-08, 2.755731610068303e-06,
                             -0.0001984126983675497, 0.008333333333330946, -0.16666666666666666};
  const F64 z = r * r;
  return r + fma(polynomial(z, kSin), z * r, low * fma(number(-0.5), z, number(1)));
}
FL_INLINE F64 cos_near_zero(F64 r, F64 low) {
  constexpr double kCos[] = {-1.1382614868556325e-11, 2.0876146024689747e-09, -2.7557317270560326e-07,
                             2.4801587298763433e-05, -0.0013888888888887395, 0.041666666666666664};
  const F64 z = r * r, half = number(0.5) * z, rough = number(1) - half;
  return rough + (((number(1) - rough) - half) + fma(polynomial(z, kCos), z * z, -(r * low)));
}

struct Sin {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const Reduced r = reduce_circle<exact>(x);
    const F64 size = (r.quadrant & 1) != 0 ? cos_near_zero(r.high, r.low) : sin_near_zero(r.high, r.low);
    const F64 y = (F64)((I64)size ^ ((r.quadrant & 2) << 62));
    return x == F64{} ? x : y;
  }
  static double alone(double x) { return sin(x); }
};
struct Cos {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const Reduced r = reduce_circle<exact>(x);
    const F64 size = (r.quadrant & 1) != 0 ? sin_near_zero(r.high, r.low) : cos_near_zero(r.high, r.low);
    return (F64)((I64)size ^ (((r.quadrant + 1) & 2) << 62));
  }
  static double alone(double x) { return cos(x); }
};
struct Tan {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const Reduced r = reduce_circle<exact>(x);
    const F64 s = sin_near_zero(r.high, r.low), c = cos_near_zero(r.high, r.low);
    const I64 odd = (r.quadrant & 1) != 0;
    return x == F64{} ? x : (odd ? -c : s) / (odd ? s : c);
  }
  static double alone(double x) { return tan(x); }
};

// ---- expm1, sinh, cosh ---------------------------------------------------------------------------------

// (exp(x) - 1) 2^lift, x in [-50, 712]: exp(x) = 2^n (1 + p) gives 2^n (p + (1 - 2^-n)).
FL_INLINE F64 expm1_lifted(F64 x, int lift) {
  const F64 shifted = fma(x, number(1.4426950408889634), exponent_shift(x));
  const F64 n = shifted - exponent_shift(x);
  F64 r = fma(n, number(-6.93145751953125e-1), x);
  r = fma(n, number(-1.42860682030941723212e-6), r);
  constexpr double kExp[] = {1.0 / 6227020800.0, 1.0 / 479001600.0, 1.0 / 39916800.0, 1.0 / 3628800.0,
                             1.0 / 362880.0,     1.0 / 40320.0,     1.0 / 5040.0,     1.0 / 720.0,
                             1.0 / 120.0,        1.0 / 24.0,        1.0 / 6.0,        0.5};
  const F64 p = fma(polynomial(r, kExp), r * r, r);
  const F64 bounded = at_most(n, number(60)) + exponent_shift(x);  // 1 - 2^-60 is 1
  const F64 back = (F64)((splat<I64>(1023) - ((I64)bounded - (I64)exponent_shift(x))) << 52);
  return put_together(Powers<F64>{(number(1) - back) + p, n, shifted}, lift);
}
struct Expm1 {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 y = expm1_lifted(at_most(at_least(x, number(-50)), number(712)), 0);
    return x == F64{} ? x : y;
  }
};
struct Sinh {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = at_most(absolute(x), number(712)), half = expm1_lifted(t, -1);
    const F64 rest = t > number(40) ? number(0.5) : half / fma(number(2), half, number(1));
    return with_sign_of(half + rest, x);
  }
};
struct Cosh {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 half = put_together(exp_parts(at_most(absolute(x), number(712))), -1);
    return half + number(0.25) / half;
  }
};

// ---- logarithms ----------------------------------------------------------------------------------------

// x = 2^exponent (1 + f), 1 + f in [sqrt(1/2), sqrt(2)), for positive normal x.
struct Binary {
  F64 f, exponent;
  I64 whole;
};
FL_INLINE Binary split_exponent(F64 x) {
  const I64 bits = (I64)x - splat<I64>(0x3fe6a09e667f3bcd), e = bits >> 52;
  const F64 m = (F64)((bits & splat<I64>(0x000fffffffffffff)) + splat<I64>(0x3fe6a09e667f3bcd));
  return {m - number(1), __builtin_convertvector(e, F64), e};
}
// log(1 + f) = f + rest; for floats, 2^-31 of it, without a division.
template <bool exact>
FL_INLINE F64 log_rest(F64 f) {
  if constexpr (!exact) {
    constexpr double kRest[] = {0.05555999928562453,  -0.09729233709652081, 0.09805048285298117, -0.09931348142963349,
                                0.11048158859448917,  -0.12499934679581902, 0.14287890810367312, -0.16666719779178718,
                                0.1999997365332095,   -0.24999999498116335, 0.3333333338498206};
    const F64 z = f * f;
    return z * fma(polynomial(f, kRest), f, number(-0.5));
  }
  constexpr double kLog[] = {1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
                             2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
                             6.666666666666735130e-01};
  const F64 s = f / (f + number(2)), z = s * s, half_square = number(0.5) * f * f;
  return s * (half_square + polynomial(z, kLog) * z) - half_square;
}
// What every logarithm says of numbers that are not positive and finite.
FL_INLINE F64 log_or_special(F64 x, F64 zero_at, F64 y) {
  y = x == number(kInfinite) ? x : y;
  y = x == zero_at ? number(-kInfinite) : y;
  return x >= zero_at ? y : not_a_number();
}

struct Log1p {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const TwoParts<F64> u = two_sum(number(1), x);
    const Binary b = split_exponent(u.high);
    // times 2^-whole, in two factors: whole may be 1024
    const F64 low = u.low * number(0.5) * (F64)((splat<I64>(1024) - b.whole) << 52);
    const F64 tail = log_rest<exact>(b.f) + fma(low * b.f, b.f - number(1), low);  // low / (1 + f)
    const F64 y = fma(b.exponent, number(6.93147180369123816490e-01),
                      b.f + fma(b.exponent, number(1.90821492927058770002e-10), tail));
    return x == F64{} ? x : log_or_special(x, number(-1), y);
  }
  static FL_INLINE F32 of(F32 x) {
    const F32 one = splat<F32>(1), infinite = splat<F32>(__builtin_inff());
    const TwoParts<F32> u = two_sum(one, x);
    const I32 bits = (I32)u.high - splat<I32>(0x3f3504f3), e = bits >> 23;
    const F32 m = (F32)((bits & splat<I32>(0x007fffff)) + splat<I32>(0x3f3504f3));
    const I32 near = e < splat<I32>(64);  // beyond, nothing is left of what 1 + x lost
    const F32 scale = (F32)((splat<I32>(127) - (near ? e : splat<I32>(64))) << 23);
    F32 y = log_of_parts((m - one) + u.low * scale, __builtin_convertvector(e, F32));
    y = x == infinite ? x : y;
    y = x == -one ? -infinite : y;
    y = x == F32{} ? x : y;
    return x >= -one ? y : splat<F32>(__builtin_nanf(""));
  }
};
// exponent log(2) / log(base) + log(1 + f) / log(base), each factor in two parts.
template <bool exact>
FL_INLINE F64 log_to_base(F64 x, double whole_high, double whole_low, double high, double low) {
  const I64 denormal = x < number(2.2250738585072014e-308);
  Binary b = split_exponent(denormal ? x * number(18014398509481984.0) : x);
  b.exponent = denormal ? b.exponent - number(54) : b.exponent;
  const F64 rest = log_rest<exact>(b.f), sum = b.f + rest, lost = (b.f - sum) + rest;
  const F64 part = sum * number(high);
  const F64 whole = b.exponent * number(whole_high), y = whole + part;
  if constexpr (!exact) return log_or_special(x, F64{}, y + b.exponent * number(whole_low));
  const F64 part_low = product_error(sum, number(high), part) + (sum * number(low) + lost * number(high));
  const F64 more = ((whole - y) + part) + fma(b.exponent, number(whole_low), part_low);
  return log_or_special(x, F64{}, y + more);
}
struct Log2 {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    return log_to_base<exact>(x, 1, 0, 1.4426950408889634, 2.0355273740931033e-17);
  }
};
struct Log10 {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    return log_to_base<exact>(x, 0.301029995663157, 8.241712586023572e-13, 0.4342944819032518, 1.098319650216765e-17);
  }
};

// ---- inverse hyperbolic functions ----------------------------------------------------------------------

constexpr double kSquareVanishes = 268435456.0;  // 2^28: the square plus 1 is the square
struct Asinh {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = absolute(x), square = t * t;
    const I64 large = t > number(kSquareVanishes);
    const F64 near = t + square / (number(1) + square_root(square + number(1)));
    const F64 y = Log1p::at<exact>(large ? t - number(1) : near);
    return with_sign_of(large ? y + number(0.6931471805599453) : y, x);
  }
};
struct Acosh {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = x - number(1);
    const I64 large = x > number(kSquareVanishes);
    const F64 y = Log1p::at<exact>(large ? t : t + square_root(fma(t, t, t + t)));
    const F64 all = large ? y + number(0.6931471805599453) : y;
    return x >= number(1) ? all : not_a_number();
  }
};
struct Atanh {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = absolute(x), twice = t + t;
    F64 ratio = twice / (number(1) - t);
    if constexpr (exact) ratio = t < number(0.5) ? twice + twice * t / (number(1) - t) : ratio;
    const F64 y = number(0.5) * Log1p::at<exact>(ratio);
    const F64 inside = t == number(1) ? number(kInfinite) : y;
    return t <= number(1) ? with_sign_of(inside, x) : not_a_number();
  }
  static FL_INLINE F32 of(F32 x) {
    const F32 one = splat<F32>(1), half = splat<F32>(0.5f), t = absolute(x), part = t / (one - t);
    const F32 ratio = t < half ? fma(t + t, part, t + t) : part + part;
    return with_sign_of(half * Log1p::of(ratio), x);  // at 1 infinite, beyond no number
  }
};

// ---- inverse circular functions ------------------------------------------------------------------------

// (asin(s) - s) / s, z = s^2 <= 1/4
FL_INLINE F64 asin_rest(F64 z) {
  constexpr double kAsin[] = {0.02877844261259304,  -0.014881409392818066, 0.017419357964884856, 0.00545087818772055,
                              0.010324318288744113, 0.011478952690257387,  0.013971235301124539, 0.017352391265909227,
                              0.022372173002005596, 0.030381944137085216,  0.04464285714637338,  0.07499999999998425,
                              0.16666666666666669};
  return polynomial(z, kAsin) * z;
}
constexpr double kHalfPi = 1.5707963267948966, kHalfPiLow = 6.123233995736766e-17;
struct Asin {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = absolute(x);
    const I64 far = t > number(0.5);  // asin(t) = pi/2 - 2 asin(sqrt((1 - t) / 2))
    const F64 z = far ? number(0.5) * (number(1) - t) : t * t, s = far ? square_root(z) : t;
    const F64 a = fma(s, asin_rest(z), s);
    return with_sign_of(far ? number(kHalfPi) - fma(number(2), a, number(-kHalfPiLow)) : a, x);
  }
};
struct Acos {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    const F64 t = absolute(x);
    const I64 far = t > number(0.5), negative = (I64)x < 0;
    const F64 z = far ? number(0.5) * (number(1) - t) : t * t, s = far ? square_root(z) : t;
    const F64 a = fma(s, asin_rest(z), s);
    const F64 twice = a + a;
    const F64 outer = negative ? number(2 * kHalfPi) - (twice - number(2 * kHalfPiLow)) : twice;
    const F64 inner = negative ? number(kHalfPi) + (a + number(kHalfPiLow)) : number(kHalfPi) - (a - number(kHalfPiLow));
    return far ? outer : inner;
  }
};

// atan(rise / run) for rise, run >= 0, in the quadrant that `left` (run was negative) says.
template <class V>
FL_INLINE V angle_of(V rise, V run, typename Of<V>::Int left) {
  using Element = typename Of<V>::Element;
  using Int = typename Of<V>::Int;
  constexpr double kAtan[] = {0.01627194475162406,  -0.034558092551413795, 0.04551108126325172, -0.052303478730160745,
                              0.058789145444006215, -0.06666423628069258,  0.0769229630497447,  -0.09090908751076636,
                              0.11111111105106705,  -0.14285714285659326,  0.199999999999998,   -0.3333333333333333};
  constexpr float kAtanOfFloats[] = {0.05047820881009102f, -0.08624552935361862f, 0.11071348190307617f,
                                     -0.14284150302410126f, 0.19999977946281433f, -0.3333333432674408f};
  const V one = splat<V>(Element(1));
  const Int steep = rise > run;
  const V small = steep ? run : rise, large = steep ? rise : run;
  const Int middle = small > splat<V>(Element(0.41421356237309503)) * large;  // around 45 degrees: from there
  const V bottom = middle ? small + large : large;
  const V t = (middle ? small - large : small) / (bottom == V{} ? one : bottom);
  const V z = t * t;
  V a;
  if constexpr (sizeof(Element) == 4) a = fma(polynomial(z, kAtanOfFloats) * z, t, t);
  else a = fma(polynomial(z, kAtan) * z, t, t);
  // Quarters of pi that t is measured from, and in which direction.
  const V octant = middle ? one : V{};
  const V upright = steep ? splat<V>(Element(2)) - octant : octant;
  const V quarters = left ? splat<V>(Element(4)) - upright : upright;
  constexpr int kSign = 8 * int(sizeof(Element)) - 1;
  const V turned = (V)((Int)a ^ ((steep ^ left) << kSign));
  constexpr double kQuarter = kHalfPi / 2;
  constexpr Element kHigh = Element(kQuarter), kLow = sizeof(Element) == 4 ? Element(kQuarter - double(kHigh)) : Element(kHalfPiLow / 2);
  return fma(quarters, splat<V>(kHigh), fma(quarters, splat<V>(kLow), turned));
}
struct Atan {
  template <bool exact>
  static FL_INLINE F64 at(F64 x) {
    return with_sign_of(angle_of<F64>(absolute(x), number(1), I64{}), x);
  }
  static FL_INLINE F32 of(F32 x) { return with_sign_of(angle_of<F32>(absolute(x), splat<F32>(1), I32{}), x); }
};
struct Atan2 {
  template <bool exact>
  static FL_INLINE F64 at(F64 y, F64 x) {
    F64 rise = absolute(y), run = absolute(x);
    const I64 both = (rise == number(kInfinite)) & (run == number(kInfinite));
    rise = both ? number(1) : rise;
    run = both ? number(1) : run;
    if constexpr (exact) {  // their sum must not overflow
      const I64 huge = (rise > number(0x1p1000)) | (run > number(0x1p1000));
      rise = huge ? rise * number(0.25) : rise;
      run = huge ? run * number(0.25) : run;
    }
    const F64 angle = with_sign_of(angle_of<F64>(rise, run, (I64)x < 0), y);
    return (x == x) & (y == y) ? angle : not_a_number();
  }
  static FL_INLINE F32 of(F32 y, F32 x) {
    const F32 infinite = splat<F32>(__builtin_inff()), one = splat<F32>(1);
    F32 rise = absolute(y), run = absolute(x);
    const I32 both = (rise == infinite) & (run == infinite);
    rise = both ? one : rise;
    run = both ? one : run;
    const I32 huge = (rise > splat<F32>(0x1p120f)) | (run > splat<F32>(0x1p120f));  // their sum must not overflow
    const F32 scale = huge ? splat<F32>(0.25f) : one;
    const F32 angle = with_sign_of(angle_of<F32>(rise * scale, run * scale, (I32)x < 0), y);
    return (x == x) & (y == y) ? angle : splat<F32>(__builtin_nanf(""));
  }
};

struct Hypot {
  template <bool exact>
  static FL_INLINE F64 at(F64 x, F64 y) {
    x = absolute(x);
    y = absolute(y);
    F64 back = number(1);
    if constexpr (exact) {  // the squares must not leave the range
      const I64 huge = (x > number(0x1p500)) | (y > number(0x1p500));
      const I64 tiny = (x < number(0x1p-450)) & (y < number(0x1p-450));
      const F64 scale = huge ? number(0x1p-600) : tiny ? number(0x1p600) : number(1);
      back = huge ? number(0x1p600) : tiny ? number(0x1p-600) : number(1);
      x *= scale;
      y *= scale;
    }
    const F64 length = square_root(fma(x, x, y * y)) * back;
    return (x == number(kInfinite)) | (y == number(kInfinite)) ? number(kInfinite) : length;
  }
};

struct LogAddExp {
  template <bool exact>
  static FL_INLINE F64 at(F64 a, F64 b) {
    const F64 larger = a > b ? a : b;
    const F64 y = larger + Log1p::at<exact>(exp_of_negative(-absolute(a - b)));
    const F64 equal = a + number(0.6931471805599453);  // infinities of one sign too
    return a == b ? equal : (a == a) & (b == b) ? y : a + b;
  }
  static FL_INLINE F32 of(F32 a, F32 b) {
    const F32 larger = a > b ? a : b;
    const F32 y = larger + Log1p::of(exp_of_negative(-absolute(a - b)));
    const F32 equal = a + splat<F32>(0.6931471805599453f);
    return a == b ? equal : (a == a) & (b == b) ? y : a + b;
  }
};

// ---- erf -----------------------------------------------------------------------------------------------

FL_INLINE F64 erf_near_zero(F64 x) {
  constexpr double kErf[] = {5.957176147748911e-11,  -1.1372848856791674e-09, 1.4659775274047436e-08, -1.6350312701054695e-07,
                             1.6461000484121368e-06, -1.4925595266831182e-05, 0.0001205533111164271,  -0.000854832698083379,
                             0.0052239776248180145,  -0.026866170645076792,   0.11283791670954879,    -0.3761263890318375,
                             0.1283791670955126};
  return fma(polynomial(x * x, kErf), x, x);
}
FL_INLINE F32 erf_near_zero(F32 x) {
  constexpr float kErf[] = {-9.667044571486996e-06f, 0.00011265959025606609f, -0.0008484080405535107f, 0.005221031807858023f,
                            -0.026865430727670243f,  0.11283782495236845f,    -0.3761263846802871f,    0.12837916706154343f};
  return fma(polynomial(x * x, kErf), x, x);
}
// Beyond 1: 1 - 2 Phi(-sqrt(2) x).
template <class V>
FL_INLINE V erf_of(V x) {
  using Element = typename Of<V>::Element;
  const V one = splat<V>(Element(1)), t = at_most(absolute(x), splat<V>(Element(6)));
  const V far = one - splat<V>(Element(2)) * mills(splat<V>(Element(1.4142135623730951)) * t) * exp_of_negative(-(t * t));
  return with_sign_of(t < one ? erf_near_zero(t) : far, x);
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
