// vector.h: the small vector type that every kernel is written over, at the width of the level being compiled.
// Only this file and math.h name intrinsics. FL_LEVEL is the namespace of the level (v2, v3, v4, portable).
#ifndef FLAMBEAU_CPU_SIMD_VECTOR_H
#define FLAMBEAU_CPU_SIMD_VECTOR_H

#include <stdint.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

#ifndef FL_LEVEL
#error "compile the files of simd/ once per level with FL_LEVEL set; see CMakeLists.txt"
#endif

#define FL_INLINE inline __attribute__((always_inline))

namespace flambeau::cpu::FL_LEVEL {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

template <class T, int kBytes = kVectorBytes>
struct VectorOf {
  typedef T type __attribute__((vector_size(kBytes)));
};
template <class T>
using Vec = typename VectorOf<T>::type;

using F32 = Vec<float>;
using F64 = Vec<double>;
using I32 = Vec<int32_t>;
using I64 = Vec<int64_t>;
using U32 = Vec<uint32_t>;
using U64 = Vec<uint64_t>;

// The element, the integer vector of a comparison and the bits of each floating vector.
template <class V>
struct Of;
template <>
struct Of<F32> {
  using Element = float;
  using Int = I32;
  using Bits = U32;
};
template <>
struct Of<F64> {
  using Element = double;
  using Int = I64;
  using Bits = U64;
};
template <>
struct Of<I32> {
  using Element = int32_t;
  using Int = I32;
};
template <>
struct Of<I64> {
  using Element = int64_t;
  using Int = I64;
};
template <>
struct Of<U64> {
  using Element = uint64_t;
  using Int = I64;
};
template <class V>
constexpr int kLanes = int(sizeof(V) / sizeof(typename Of<V>::Element));

template <class V>
FL_INLINE V load(const typename Of<V>::Element* p) {
  V v;
  memcpy(&v, p, sizeof(V));
  return v;
}
template <class V>
FL_INLINE void store(typename Of<V>::Element* p, V v) {
  memcpy(p, &v, sizeof(V));
}
// Past the caches where the processor can; p is aligned to the vector.
template <class V>
FL_INLINE void store_past(typename Of<V>::Element* p, V v) {
#if defined(__AVX512F__)
  _mm512_stream_si512((__m512i*)p, (__m512i)v);
#elif defined(__AVX2__)
  _mm256_stream_si256((__m256i*)p, (__m256i)v);
#elif defined(__x86_64__)
  _mm_stream_si128((__m128i*)p, (__m128i)v);
#else
  store<V>(p, v);
#endif
}
template <class V>
FL_INLINE V splat(typename Of<V>::Element x) {
  return x - V{};  // x - 0: exact for every x, -0 included
}
// The first n lanes; the others are zero. 0 < n < lanes.
template <class V>
FL_INLINE V load_part(const typename Of<V>::Element* p, int n) {
  typename Of<V>::Element lanes[kLanes<V>] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load<V>(lanes);
}
template <class V>
FL_INLINE void store_part(typename Of<V>::Element* p, V v, int n) {
  typename Of<V>::Element lanes[kLanes<V>];
  store<V>(lanes, v);
  for (int i = 0; i < n; ++i) p[i] = lanes[i];
}

#if defined(__AVX512F__)
FL_INLINE F32 load_part_masked(const float* p, int n) {
  return (F32)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}
template <>
FL_INLINE F32 load_part<F32>(const float* p, int n) {
  return load_part_masked(p, n);
}
template <>
FL_INLINE void store_part<F32>(float* p, F32 v, int n) {
  _mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)v);
}
template <>
FL_INLINE F64 load_part<F64>(const double* p, int n) {
  return (F64)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
}
template <>
FL_INLINE void store_part<F64>(double* p, F64 v, int n) {
  _mm512_mask_storeu_pd(p, (__mmask8)((1u << n) - 1), (__m512d)v);
}
#endif

// Lanes [low, high) of a vector, as far as it has them: only these are read or written, whatever lies beside them.
#if defined(__AVX512F__)
#define FL_MASKED 1
using Lanes = __mmask16;
template <class V>
FL_INLINE Lanes lanes_between(int64_t low, int64_t high) {
  const auto within = [](int64_t at) { return at < 0 ? 0 : at > kLanes<V> ? int(kLanes<V>) : int(at); };
  Lanes lanes = Lanes(((1u << within(high)) - 1) & ~((1u << within(low)) - 1));
  asm("" : "+Yk"(lanes));  // GCC would keep it as a number and make it a mask again for every use
  return lanes;
}
FL_INLINE F32 load_masked(const float* p, Lanes lanes) { return (F32)_mm512_maskz_loadu_ps(lanes, p); }
FL_INLINE F64 load_masked(const double* p, Lanes lanes) { return (F64)_mm512_maskz_loadu_pd((__mmask8)lanes, p); }
FL_INLINE void store_masked(float* p, F32 v, Lanes lanes) { _mm512_mask_storeu_ps(p, lanes, (__m512)v); }
FL_INLINE void store_masked(double* p, F64 v, Lanes lanes) { _mm512_mask_storeu_pd(p, (__mmask8)lanes, (__m512d)v); }
#else
#define FL_MASKED 0
#endif

// The first n lanes, n from none to all and beyond; the others are zero.
template <class V>
FL_INLINE V load_some(const typename Of<V>::Element* p, int64_t n) {
  return n >= kLanes<V> ? load<V>(p) : n > 0 ? load_part<V>(p, int(n)) : V{};
}
template <class V>
FL_INLINE void store_some(typename Of<V>::Element* p, V v, int64_t n) {
  if (n >= kLanes<V>) store<V>(p, v);
  else if (n > 0) store_part<V>(p, v, int(n));
}
// step(first element, lanes) over n elements, a vector at a time.
template <class V, class Step>
FL_INLINE void each_vector(int64_t n, const Step& step) {
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) step(i, int(kLanes<V>));
  if (i < n) step(i, int(n - i));
}

// As many int8 as there are lanes, as floats.
FL_INLINE F32 load_bytes(const int8_t* p) {
#if defined(__AVX512F__)
  // The masked form: GCC 12 warns inside its own header of the other.
  return __builtin_convertvector((I32)_mm512_maskz_cvtepi8_epi32(0xffff, _mm_loadu_si128((const __m128i*)p)), F32);
#elif defined(__AVX2__)
  return __builtin_convertvector((I32)_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)), F32);
#else
  float lanes[kLanes<F32>];
  for (int i = 0; i < kLanes<F32>; ++i) lanes[i] = float(p[i]);
  return load<F32>(lanes);
#endif
}

// a * b + c, in one rounding where the level has it (kFused).
#if defined(__AVX512F__)
constexpr bool kFused = true;
FL_INLINE F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c); }
FL_INLINE F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c); }
FL_INLINE F32 square_root(F32 a) { return (F32)_mm512_sqrt_ps((__m512)a); }
FL_INLINE F64 square_root(F64 a) { return (F64)_mm512_sqrt_pd((__m512d)a); }
#elif defined(__AVX2__) && defined(__FMA__)
constexpr bool kFused = true;
FL_INLINE F32 fma(F32 a, F32 b, F32 c) { return (F32)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c); }
FL_INLINE F64 fma(F64 a, F64 b, F64 c) { return (F64)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c); }
FL_INLINE F32 square_root(F32 a) { return (F32)_mm256_sqrt_ps((__m256)a); }
FL_INLINE F64 square_root(F64 a) { return (F64)_mm256_sqrt_pd((__m256d)a); }
#elif defined(__aarch64__)
constexpr bool kFused = true;
FL_INLINE F32 fma(F32 a, F32 b, F32 c) { return (F32)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b); }
FL_INLINE F64 fma(F64 a, F64 b, F64 c) { return (F64)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b); }
FL_INLINE F32 square_root(F32 a) { return (F32)vsqrtq_f32((float32x4_t)a); }
FL_INLINE F64 square_root(F64 a) { return (F64)vsqrtq_f64((float64x2_t)a); }
#else
constexpr bool kFused = false;
FL_INLINE F32 fma(F32 a, F32 b, F32 c) { return a * b + c; }
FL_INLINE F64 fma(F64 a, F64 b, F64 c) { return a * b + c; }
template <class V>
FL_INLINE V square_root(V a) {
  typename Of<V>::Element lanes[kLanes<V>];
  store<V>(lanes, a);
  for (int i = 0; i < kLanes<V>; ++i) {
    if constexpr (sizeof(lanes[0]) == 4) lanes[i] = __builtin_sqrtf(lanes[i]);
    else lanes[i] = __builtin_sqrt(lanes[i]);
  }
  return load<V>(lanes);
}
#endif
// Integer "fused" products, so that the product's tile is one template for all.
FL_INLINE I32 fma(I32 a, I32 b, I32 c) { return (I32)((U32)a * (U32)b + (U32)c); }
FL_INLINE I64 fma(I64 a, I64 b, I64 c) { return (I64)((U64)a * (U64)b + (U64)c); }

// NaN in x stays NaN in both (a comparison with NaN is false).
template <class V>
FL_INLINE V at_least(V x, V low) {
  return x < low ? low : x;
}
template <class V>
FL_INLINE V at_most(V x, V high) {
  return x > high ? high : x;
}
// The processor's own: the second operand where one is NaN, as above.
#if defined(__AVX512F__)
FL_INLINE F32 at_least(F32 x, F32 low) { return (F32)_mm512_max_ps((__m512)low, (__m512)x); }
FL_INLINE F64 at_least(F64 x, F64 low) { return (F64)_mm512_max_pd((__m512d)low, (__m512d)x); }
FL_INLINE F32 at_most(F32 x, F32 high) { return (F32)_mm512_min_ps((__m512)high, (__m512)x); }
FL_INLINE F64 at_most(F64 x, F64 high) { return (F64)_mm512_min_pd((__m512d)high, (__m512d)x); }
#elif defined(__AVX2__)
FL_INLINE F32 at_least(F32 x, F32 low) { return (F32)_mm256_max_ps((__m256)low, (__m256)x); }
FL_INLINE F64 at_least(F64 x, F64 low) { return (F64)_mm256_max_pd((__m256d)low, (__m256d)x); }
FL_INLINE F32 at_most(F32 x, F32 high) { return (F32)_mm256_min_ps((__m256)high, (__m256)x); }
FL_INLINE F64 at_most(F64 x, F64 high) { return (F64)_mm256_min_pd((__m256d)high, (__m256d)x); }
#elif defined(__x86_64__)
FL_INLINE F32 at_least(F32 x, F32 low) { return (F32)_mm_max_ps((__m128)low, (__m128)x); }
FL_INLINE F64 at_least(F64 x, F64 low) { return (F64)_mm_max_pd((__m128d)low, (__m128d)x); }
FL_INLINE F32 at_most(F32 x, F32 high) { return (F32)_mm_min_ps((__m128)high, (__m128)x); }
FL_INLINE F64 at_most(F64 x, F64 high) { return (F64)_mm_min_pd((__m128d)high, (__m128d)x); }
#endif
template <class V>
FL_INLINE V absolute(V x) {
  using Int = typename Of<V>::Int;
  using Element = typename Of<V>::Element;
  constexpr auto kMask = sizeof(Element) == 4 ? int64_t(0x7fffffff) : int64_t(0x7fffffffffffffff);
  return (V)((Int)x & splat<Int>((typename Of<Int>::Element)kMask));
}
// Magnitude of x with the sign of s; x is not negative.
template <class V>
FL_INLINE V with_sign_of(V x, V s) {
  using Int = typename Of<V>::Int;
  using Element = typename Of<V>::Element;
  constexpr auto kSign = sizeof(Element) == 4 ? int64_t(int32_t(0x80000000)) : INT64_MIN;
  return (V)((Int)x | ((Int)s & splat<Int>((typename Of<Int>::Element)kSign)));
}

// The lanes' own numbers, 0 and on.
template <class V>
FL_INLINE typename Of<V>::Int lane_numbers() {
  typename Of<V>::Int numbers;
  for (int i = 0; i < kLanes<V>; ++i) numbers[i] = i;
  return numbers;
}
// Zero in the lanes from n on.
template <class V>
FL_INLINE V first_lanes(V v, int n) {
  using Int = typename Of<V>::Int;
  if (n == kLanes<V>) return v;
  return (V)((Int)v & (lane_numbers<V>() < splat<Int>(n)));
}

// Lanes 0, 2, 4, ... (first = 0) or 1, 3, 5, ... of two vectors.
template <class V, int first>
FL_INLINE V every_second(V a, V b) {
  typename Of<V>::Int lanes;
  for (int l = 0; l < kLanes<V>; ++l) lanes[l] = 2 * l + first;
  return __builtin_shuffle(a, b, lanes);
}
// And back: a0 b0 a1 b1 ..., the first half (half = 0) or the second.
template <class V, int half>
FL_INLINE V woven(V a, V b) {
  typename Of<V>::Int lanes;
  constexpr int n = kLanes<V>;
  for (int l = 0; l < n; ++l) lanes[l] = half * (n / 2) + l / 2 + (l % 2) * n;
  return __builtin_shuffle(a, b, lanes);
}

// Sum of the lanes in a fixed order: halves are added until one is left.
template <int distance, class V, class Join>
FL_INLINE V join_lanes(V v, const Join& join) {
  if constexpr (distance == 0) {
    return v;
  } else {
    typename Of<V>::Int apart;
    for (int i = 0; i < kLanes<V>; ++i) apart[i] = (i + distance) % kLanes<V>;
    return join_lanes<distance / 2>(join(v, V(__builtin_shuffle(v, apart))), join);
  }
}
template <class V>
FL_INLINE typename Of<V>::Element sum_of_lanes(V v) {
  return join_lanes<kLanes<V> / 2>(v, [](V a, V b) __attribute__((always_inline)) { return V(a + b); })[0];
}
template <class V>
FL_INLINE typename Of<V>::Element max_of_lanes(V v) {
  return join_lanes<kLanes<V> / 2>(v, [](V a, V b) __attribute__((always_inline)) { return V(a < b ? b : a); })[0];
}

}  // namespace flambeau::cpu::FL_LEVEL

#endif
