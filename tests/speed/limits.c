/* limits.c: what this machine can do at most, for tests/speed/limits.py. */
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef float vector __attribute__((vector_size(64)));

/* Bytes a second that a copy reads and writes, stores past the caches where the processor has them. */
double copy_bandwidth(int64_t bytes) {
  char *from = aligned_alloc(64, (size_t)bytes), *to = aligned_alloc(64, (size_t)bytes);
  if (!from || !to) return 0;
  memset(from, 1, (size_t)bytes);
  memset(to, 2, (size_t)bytes);
  const double start = now();
  const vector* source = (const vector*)from;
  vector* target = (vector*)to;
  for (int64_t i = 0; i < bytes / 64; ++i) {
#if defined(__AVX512F__) && defined(__has_builtin)
    __builtin_ia32_movntps512((float*)(target + i), source[i]);
#else
    target[i] = source[i];
#endif
  }
  const double seconds = now() - start;
  volatile char sink = to[bytes / 2];
  (void)sink;
  free(from);
  free(to);
  return 2.0 * (double)bytes / seconds;
}

/* Floating point operations a second of independent fused multiplications and additions in registers. */
double multiply_add_rate(int64_t rounds) {
  vector sums[12], a, b;
  for (int i = 0; i < 16; ++i) {
    a[i] = 1.0f;
    b[i] = 1e-9f;
  }
  for (int j = 0; j < 12; ++j) sums[j] = b * (float)j;
  const double start = now();
  for (int64_t r = 0; r < rounds; ++r)
    for (int j = 0; j < 12; ++j) sums[j] = sums[j] * a + b;
  const double seconds = now() - start;
  vector all = sums[0];
  for (int j = 1; j < 12; ++j) all += sums[j];
  volatile float sink = all[3];
  (void)sink;
  return 12.0 * 16.0 * 2.0 * (double)rounds / seconds;
}

/* The same for dot products of bfloat16 pairs, 0 where the processor has none. */
double bfloat16_dot_rate(int64_t rounds) {
#ifdef __AVX512BF16__
  __m512 sums[12];
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1e-9f), _mm512_set1_ps(1e-9f));
  for (int j = 0; j < 12; ++j) sums[j] = _mm512_set1_ps((float)j);
  const double start = now();
  for (int64_t r = 0; r < rounds; ++r)
    for (int j = 0; j < 12; ++j) sums[j] = _mm512_dpbf16_ps(sums[j], a, a);
  const double seconds = now() - start;
  __m512 all = sums[0];
  for (int j = 1; j < 12; ++j) all = _mm512_add_ps(all, sums[j]);
  volatile float sink = _mm512_reduce_add_ps(all);
  (void)sink;
  return 12.0 * 32.0 * 2.0 * (double)rounds / seconds;
#else
  (void)rounds;
  return 0;
#endif
}
