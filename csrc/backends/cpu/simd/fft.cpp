// simd/fft.cpp: passes of Fourier transforms over lanes (Stockham: each leaves its result in order). Compiled once per
// level.
#include "fft.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
using ElementOf = typename Of<V>::Element;

template <class V>
struct Complex {
  V re, im;
  FL_INLINE Complex operator+(Complex o) const { return {re + o.re, im + o.im}; }
  FL_INLINE Complex operator-(Complex o) const { return {re - o.re, im - o.im}; }
  FL_INLINE Complex turned() const { return {im, -re}; }  // times -i
};
template <class V>
FL_INLINE Complex<V> times(Complex<V> a, Complex<V> b) {
  return {fma(a.re, b.re, -(a.im * b.im)), fma(a.re, b.im, a.im * b.re)};
}
template <class V>
FL_INLINE Complex<V> get(const ElementOf<V>* p) {
  return {load<V>(p), load<V>(p + kLanes<V>)};
}
template <class V>
FL_INLINE void put(ElementOf<V>* p, Complex<V> z) {
  store<V>(p, z.re);
  store<V>(p + kLanes<V>, z.im);
}
template <class V>
FL_INLINE Complex<V> root(const ElementOf<V>* roots, int64_t j) {
  return {splat<V>(roots[2 * j]), splat<V>(roots[2 * j + 1])};
}

// y[k] = sum over j of x[j] exp(-2 pi i j k / p) in place, for the factors that have a form of their own.
template <class V>
FL_INLINE void small_transform(Complex<V> (&x)[2]) {
  const Complex<V> a = x[0];
  x[0] = a + x[1];
  x[1] = a - x[1];
}
template <class V>
FL_INLINE void small_transform(Complex<V> (&x)[3]) {
  const V half = splat<V>(ElementOf<V>(-0.5)), height = splat<V>(ElementOf<V>(0.86602540378443864676));
  const Complex<V> sum = x[1] + x[2], rest = (x[1] - x[2]).turned();
  const Complex<V> middle{fma(half, sum.re, x[0].re), fma(half, sum.im, x[0].im)};
  x[0] = x[0] + sum;
  x[1] = {fma(height, rest.re, middle.re), fma(height, rest.im, middle.im)};
  x[2] = {fma(-height, rest.re, middle.re), fma(-height, rest.im, middle.im)};
}
template <class V>
FL_INLINE void small_transform(Complex<V> (&x)[4]) {
  const Complex<V> even = x[0] + x[2], odd = x[0] - x[2], sum = x[1] + x[3], turn = (x[1] - x[3]).turned();
  x[0] = even + sum;
  x[1] = odd + turn;
  x[2] = even - sum;
  x[3] = odd - turn;
}
template <class V>
FL_INLINE void small_transform(Complex<V> (&x)[5]) {
  using T = ElementOf<V>;
  const V c1 = splat<V>(T(0.30901699437494742410)), c2 = splat<V>(T(-0.80901699437494742410));
  const V s1 = splat<V>(T(0.95105651629515357212)), s2 = splat<V>(T(0.58778525229247312917));
  const Complex<V> a = x[1] + x[4], b = x[2] + x[3], c = (x[1] - x[4]).turned(), d = (x[2] - x[3]).turned();
  const Complex<V> first{fma(c1, a.re, fma(c2, b.re, x[0].re)), fma(c1, a.im, fma(c2, b.im, x[0].im))};
  const Complex<V> second{fma(c2, a.re, fma(c1, b.re, x[0].re)), fma(c2, a.im, fma(c1, b.im, x[0].im))};
  const Complex<V> up{fma(s1, c.re, s2 * d.re), fma(s1, c.im, s2 * d.im)};
  const Complex<V> down{fma(s2, c.re, -(s1 * d.re)), fma(s2, c.im, -(s1 * d.im))};
  x[0] = x[0] + (a + b);
  x[1] = first + up;
  x[2] = second + down;
  x[3] = second - down;
  x[4] = first - up;
}
template <class V>
FL_INLINE void small_transform(Complex<V> (&x)[8]) {
  Complex<V> even[4] = {x[0], x[2], x[4], x[6]}, odd[4] = {x[1], x[3], x[5], x[7]};
  small_transform(even);
  small_transform(odd);
  const V r = splat<V>(ElementOf<V>(0.70710678118654752440));
  odd[1] = {r * (odd[1].re + odd[1].im), r * (odd[1].im - odd[1].re)};  // times exp(-i pi / 4)
  odd[2] = odd[2].turned();
  odd[3] = {r * (odd[3].im - odd[3].re), -r * (odd[3].re + odd[3].im)};
  for (int k = 0; k < 4; ++k) {
    x[k] = even[k] + odd[k];
    x[k + 4] = even[k] - odd[k];
  }
}

// y[r + stride (p q + k)] = w(q k) sum over j of x[r + stride (q + m j)] exp(-2 pi i j k / p), w(t) = exp(-2 pi i t / n)
// for n = p m; `roots` are those of stride n.
template <class V, int p>
void pass(const ElementOf<V>* roots, const ElementOf<V>* x, ElementOf<V>* y, int64_t m, int64_t stride) {
  constexpr int64_t kStep = 2 * kLanes<V>;
  for (int64_t q = 0; q < m; ++q) {
    Complex<V> w[p];
    for (int k = 1; k < p; ++k) w[k] = root<V>(roots, q * k * stride);
    for (int64_t r = 0; r < stride; ++r) {
      Complex<V> z[p];
      for (int j = 0; j < p; ++j) z[j] = get<V>(x + (r + stride * (q + m * j)) * kStep);
      small_transform(z);
      ElementOf<V>* to = y + (r + stride * p * q) * kStep;
      put<V>(to, z[0]);
      for (int k = 1; k < p; ++k) put<V>(to + k * stride * kStep, q ? times(z[k], w[k]) : z[k]);
    }
  }
}
// Any other factor: the p roots of unity stand among the others.
template <class V>
void any_pass(const ElementOf<V>* roots, const ElementOf<V>* x, ElementOf<V>* y, int64_t m, int64_t stride, int64_t p) {
  constexpr int64_t kStep = 2 * kLanes<V>;
  const int64_t gap = m * stride;
  for (int64_t q = 0; q < m; ++q)
    for (int64_t r = 0; r < stride; ++r)
      for (int64_t k = 0; k < p; ++k) {
        Complex<V> sum = get<V>(x + (r + stride * q) * kStep);
        for (int64_t j = 1; j < p; ++j)
          sum = sum + times(get<V>(x + (r + stride * (q + m * j)) * kStep), root<V>(roots, j * k % p * gap));
        put<V>(y + (r + stride * (p * q + k)) * kStep, times(sum, root<V>(roots, q * k * stride)));
      }
}

template <class V>
void* run(int64_t n, const int64_t* factors, int count, const void* root_pairs, void* x_bytes, void* room) {
  using T = ElementOf<V>;
  const T* roots = static_cast<const T*>(root_pairs);
  T *x = static_cast<T*>(x_bytes), *y = static_cast<T*>(room);
  int64_t stride = 1;
  for (int i = 0; i < count; ++i) {
    const int64_t p = factors[i], m = n / p;
    switch (p) {
      case 2: pass<V, 2>(roots, x, y, m, stride); break;
      case 3: pass<V, 3>(roots, x, y, m, stride); break;
      case 4: pass<V, 4>(roots, x, y, m, stride); break;
      case 5: pass<V, 5>(roots, x, y, m, stride); break;
      case 8: pass<V, 8>(roots, x, y, m, stride); break;
      default: any_pass<V>(roots, x, y, m, stride, p);
    }
    T* other = x;
    x = y;
    y = other;
    n = m;
    stride *= p;
  }
  return x;
}

template <class V>
void split(const void* from, int64_t stride, int columns, int64_t n, void* to, double sign) {
  using T = ElementOf<V>;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const V signs = splat<V>(T(sign));
  for (int64_t j = 0; j < n; ++j, x += 2 * stride, y += 2 * kLanes<V>) {
    T some[2 * kLanes<V>] = {};
    const T* row = x;
    if (columns < kLanes<V>) {
      for (int i = 0; i < 2 * columns; ++i) some[i] = x[i];
      row = some;
    }
    const V a = load<V>(row), b = load<V>(row + kLanes<V>);
    put<V>(y, {every_second<V, 0>(a, b), signs * every_second<V, 1>(a, b)});
  }
}
template <class V>
void merge(const void* from, int64_t n, void* to, int64_t stride, int columns, double scale, double sign) {
  using T = ElementOf<V>;
  const T* x = static_cast<const T*>(from);
  T* y = static_cast<T*>(to);
  const V scales = splat<V>(T(scale)), signs = splat<V>(T(scale * sign));
  for (int64_t j = 0; j < n; ++j, x += 2 * kLanes<V>, y += 2 * stride) {
    const Complex<V> z = get<V>(x);
    const V re = scales * z.re, im = signs * z.im;
    T some[2 * kLanes<V>];
    T* row = columns < kLanes<V> ? some : y;
    store<V>(row, woven<V, 0>(re, im));
    store<V>(row + kLanes<V>, woven<V, 1>(re, im));
    if (columns < kLanes<V>)
      for (int i = 0; i < 2 * columns; ++i) y[i] = some[i];
  }
}
template <class V>
void unfold(const void* from, int64_t half, const void* roots, void* to) {
  using T = ElementOf<V>;
  const T *x = static_cast<const T*>(from), *root = static_cast<const T*>(roots);
  T* y = static_cast<T*>(to);
  const V share = splat<V>(T(0.5));
  for (int64_t k = 0; k <= half; ++k, root += 2, y += 2 * kLanes<V>) {
    const Complex<V> a = get<V>(x + k % half * 2 * kLanes<V>), b = get<V>(x + (half - k) % half * 2 * kLanes<V>);
    // Twice what the numbers at even places give, and those at odd ones.
    const Complex<V> even{a.re + b.re, a.im - b.im}, odd{a.im + b.im, b.re - a.re};
    const Complex<V> turned = times(odd, {splat<V>(root[0]), splat<V>(root[1])});
    put<V>(y, {share * (even.re + turned.re), share * (even.im + turned.im)});
  }
}
template <class V>
void multiply(void* x_bytes, const void* factors, int64_t n) {
  using T = ElementOf<V>;
  T* x = static_cast<T*>(x_bytes);
  const T* f = static_cast<const T*>(factors);
  for (int64_t i = 0; i < n; ++i) put<V>(x + i * 2 * kLanes<V>, times(get<V>(x + i * 2 * kLanes<V>), get<V>(f + i * 2 * kLanes<V>)));
}

template <class V>
constexpr FftLoops kLoops{kLanes<V>, run<V>, split<V>, merge<V>, unfold<V>, multiply<V>};

}  // namespace

const FftLoops* fft(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
