/* limits.c: what this machine can do at most, for tests/speed/limits.py. */
#ifdef __AVX512BF16__
#include <immintrin.h>
#endif
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

typedef float vector __attribute__((vector_size(64)));

/* All of so many threads go on from here together: rates one after the other would not be the machine's together. */
static void meet(int threads) {
  static atomic_long arrived[257];
  const long ticket = atomic_fetch_add(&arrived[threads], 1), all = (ticket / threads + 1) * threads;
  while (atomic_load(&arrived[threads]) < all) sched_yield();
}

/* Bytes a second that a copy reads and writes, stores past the caches where the processor has them. */
double copy_bandwidth(int64_t bytes, int threads) {
  char *from = aligned_alloc(64, (size_t)bytes), *to = aligned_alloc(64, (size_t)bytes);
  if (from && to) {
    memset(from, 1, (size_t)bytes);
    memset(to, 2, (size_t)bytes);
  }
  meet(threads);
  if (!from || !to) return 0;
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
double multiply_add_rate(int64_t rounds, int threads) {
  vector sums[12], a, b;
  for (int i = 0; i < 16; ++i) {
    a[i] = 1.0f;
    b[i] = 1e-9f;
  }
  for (int j = 0; j < 12; ++j) sums[j] = b * (float)j;
  meet(threads);
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
double bfloat16_dot_rate(int64_t rounds, int threads) {
#ifdef __AVX512BF16__
  __m512 sums[12];
  const __m512bh a = _mm512_cvtne2ps_pbh(_mm512_set1_ps(1e-9f), _mm512_set1_ps(1e-9f));
  for (int j = 0; j < 12; ++j) sums[j] = _mm512_set1_ps((float)j);
  meet(threads);
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
  (void)rounds, (void)threads;
  return 0;
#endif
}

/* Elements a second of relu(sigmoid(x y + x) / 2 - y) where each operation is a pass over memory of its own, which takes the
   place of an operand that is needed no more, and nothing else happens: no calls, no threads' starts, loops without ends. The
   sigmoid is as much arithmetic as one of 2 units in the last place needs: 17 operations and a division, with no meaning. With
   `gradients` the passes of a tape are there too: what the derivatives read is kept. The best of many. */
enum { kArrays = 9, kRepeats = 24 };

static void multiply(const vector* a, const vector* b, vector* to, int64_t n) { for (int64_t i = 0; i < n; ++i) to[i] = a[i] * b[i]; }
static void add(const vector* a, const vector* b, vector* to, int64_t n) { for (int64_t i = 0; i < n; ++i) to[i] = a[i] + b[i]; }
static void subtract(const vector* a, const vector* b, vector* to, int64_t n) { for (int64_t i = 0; i < n; ++i) to[i] = a[i] - b[i]; }
static void scale(const vector* a, float factor, vector* to, int64_t n) { for (int64_t i = 0; i < n; ++i) to[i] = a[i] * factor; }
static void sigmoid(vector* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) {
    vector y = x[i];
#pragma GCC unroll 16
    for (int j = 0; j < 16; ++j) y = y * 0.5f + x[i];
    x[i] = y / (y + 1.0f);
  }
}
static void relu(vector* x, int64_t n) { for (int64_t i = 0; i < n; ++i) x[i] = (vector)((x[i] > 0) & (__typeof__(x[i] > 0))x[i]); }
static void relu_gradient(const vector* g, const vector* y, vector* to, int64_t n) {
  for (int64_t i = 0; i < n; ++i) to[i] = (vector)((y[i] > 0) & (__typeof__(y[i] > 0))g[i]);
}
static void sigmoid_gradient(vector* g, const vector* y, int64_t n) { for (int64_t i = 0; i < n; ++i) g[i] = g[i] * y[i] * (1.0f - y[i]); }

static double passes(int64_t elements, int threads, int gradients) {
  const int64_t n = elements / 16;
  const size_t page = (size_t)2 << 20, bytes = ((size_t)n * sizeof(vector) + page - 1) / page * page;
  vector* at[kArrays];
  int fine = 1;
  for (int i = 0; i < kArrays; ++i) {
    at[i] = aligned_alloc(page, bytes);
    fine = fine && at[i];
#ifdef MADV_HUGEPAGE
    if (at[i]) madvise(at[i], bytes, MADV_HUGEPAGE);
#endif
    if (at[i]) memset(at[i], 0, bytes);
  }
  double best = 1e9;
  for (int r = 0; r < kRepeats; ++r) {
    meet(threads);
    if (!fine) continue;
    vector *x = at[0], *y = at[1], *t = at[2], *u = gradients ? at[3] : t, *z = at[4], *g = at[5], *dy = at[6], *p = at[7], *q = at[8];
    const double start = now();
    multiply(x, y, t, n);
    add(t, x, t, n);
    sigmoid(t, n);
    scale(t, 0.5f, u, n);
    subtract(u, y, u, n);
    relu(u, n);
    if (gradients) {
      relu_gradient(z, u, g, n);
      scale(g, -1.0f, dy, n);
      scale(g, 0.5f, g, n);
      sigmoid_gradient(g, t, n);
      multiply(g, y, p, n);
      multiply(g, x, q, n);
      add(g, p, g, n);
      add(dy, q, dy, n);
    }
    const double seconds = now() - start;
    if (seconds < best) best = seconds;
  }
  for (int i = 0; i < kArrays; ++i) free(at[i]);
  return fine ? (double)elements / best : 0;
}
double chain_rate(int64_t elements, int threads) { return passes(elements / threads, threads, 0); }
double chain_step_rate(int64_t elements, int threads) { return passes(elements / threads, threads, 1); }
