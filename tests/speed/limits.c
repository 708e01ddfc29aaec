/* limits.c: what this machine can do at most, for tests/speed/limits.py. */
#if defined(__SSE__)
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

/* As wide as the processor's registers: wider ones would be kept in memory, and the limit would be none. */
#if defined(__AVX512F__)
enum { kWide = 16 };
#elif defined(__AVX__)
enum { kWide = 8 };
#else
enum { kWide = 4 };
#endif
typedef float vector __attribute__((vector_size(4 * kWide)));

/* A store, past the caches if it is asked for and the processor has it. */
static inline void put(vector* to, vector value, int past) {
#if defined(__AVX512F__)
  if (past) _mm512_stream_ps((float*)to, (__m512)value);
  else *to = value;
#elif defined(__AVX__)
  if (past) _mm256_stream_ps((float*)to, (__m256)value);
  else *to = value;
#elif defined(__SSE__)
  if (past) _mm_stream_ps((float*)to, (__m128)value);
  else *to = value;
#else
  (void)past;
  *to = value;
#endif
}

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
  for (int64_t i = 0; i < bytes / (int64_t)sizeof(vector); ++i) put(target + i, source[i], 1);
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
  for (int i = 0; i < kWide; ++i) {
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
  return 12.0 * kWide * 2.0 * (double)rounds / seconds;
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
  const int64_t n = elements / kWide;
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

/* Elements a second of pools (2 by 2) and of batch norms of 16 images of 56 by 56 pixels, as passes over arrays of the
   row's own sizes again and again, so that the caches hold of them what they hold of the row's: each element of x is read
   and compared, or summed while its channel comes and written while it is there, and nothing else happens. A result is
   stored past the caches or not, whichever is faster. With `gradients` the passes backward are there too. The best of many. */
enum { kPlane = 56 * 56 / kWide, kImages = 16 }; /* vectors */

static inline vector larger(vector a, vector b) {
#if defined(__AVX512F__)
  return (vector)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX__)
  return (vector)_mm256_max_ps((__m256)a, (__m256)b);
#elif defined(__SSE__)
  return (vector)_mm_max_ps((__m128)a, (__m128)b);
#else
  const __typeof__(a > b) first = a > b;
  return (vector)((first & (__typeof__(first))a) | (~first & (__typeof__(first))b));
#endif
}
static inline vector largest(const vector* x) { return larger(larger(x[0], x[1]), larger(x[2], x[3])); }
static inline __attribute__((always_inline)) void pool(const vector* x, vector* y, int64_t n, int past) {
  for (int64_t i = 0; i < n / 4; ++i) put(y + i, largest(x + 4 * i), past);
}
static inline __attribute__((always_inline)) void pool_gradient(const vector* g, const vector* x, vector* to, int64_t n, int past) {
  for (int64_t i = 0; i < n / 4; ++i) {
    const vector most = largest(x + 4 * i);
    for (int j = 0; j < 4; ++j) put(to + 4 * i + j, (vector)((x[4 * i + j] == most) & (__typeof__(most == most))g[i]), past);
  }
}
/* y = x times something + something (+ g times something), channel by channel, each after a look at all of it. */
static inline __attribute__((always_inline)) void norm(const vector* g, const vector* x, vector* y, int64_t n, int past) {
  const int64_t channels = n / (kPlane * kImages);
  for (int64_t c = 0; c < channels; ++c) {
    vector sums[4] = {}, squares[4] = {};
    for (int64_t b = 0; b < kImages; ++b) {
      const int64_t at = (b * channels + c) * kPlane;
      for (int64_t i = 0; i < kPlane; i += 4)
        for (int j = 0; j < 4; ++j) {
          const vector u = x[at + i + j], w = g ? g[at + i + j] : u;
          sums[j] += w;
          squares[j] += u * w;
        }
    }
    const vector shift = sums[0] + sums[1] + sums[2] + sums[3], scale = squares[0] + squares[1] + squares[2] + squares[3];
    for (int64_t b = 0; b < kImages; ++b) {
      const int64_t at = (b * channels + c) * kPlane;
      for (int64_t i = at; i < at + kPlane; ++i) put(y + i, g ? g[i] * scale + (x[i] * scale + shift) : x[i] * scale + shift, past);
    }
  }
}
static __attribute__((noinline)) void layer(vector** at, int64_t n, int pools, int gradients, int past) {
  vector *x = at[0], *y = at[1], *g = at[2], *to = at[3];
  if (pools) {
    if (past) pool(x, y, n, 1); else pool(x, y, n, 0);
    if (gradients && past) pool_gradient(g, x, to, n, 1);
    if (gradients && !past) pool_gradient(g, x, to, n, 0);
  } else {
    if (past) norm(0, x, y, n, 1); else norm(0, x, y, n, 0);
    if (gradients && past) norm(g, x, to, n, 1);
    if (gradients && !past) norm(g, x, to, n, 0);
  }
}
static double layers(int64_t elements, int threads, int pools, int gradients) {
  const int64_t n = elements / threads / kWide;
  const size_t page = (size_t)2 << 20, bytes = ((size_t)n * sizeof(vector) + page - 1) / page * page;
  vector* at[4];
  int fine = 1;
  for (int i = 0; i < 4; ++i) {
    at[i] = aligned_alloc(page, bytes);
    fine = fine && at[i];
#ifdef MADV_HUGEPAGE
    if (at[i]) madvise(at[i], bytes, MADV_HUGEPAGE);
#endif
    if (at[i]) memset(at[i], 0, bytes);
  }
  double best = 1e9;
  for (int r = 0; r < 2 * kRepeats; ++r) {
    meet(threads);
    if (!fine) continue;
    const double start = now();
    layer(at, n, pools, gradients, r >= kRepeats);
    const double seconds = now() - start;
    if (seconds < best) best = seconds;
  }
  for (int i = 0; i < 4; ++i) free(at[i]);
  return fine ? (double)elements / threads / best : 0;
}
double pool_rate(int64_t elements, int threads) { return layers(elements, threads, 1, 0); }
double pool_step_rate(int64_t elements, int threads) { return layers(elements, threads, 1, 1); }
double norm_rate(int64_t elements, int threads) { return layers(elements, threads, 0, 0); }
double norm_step_rate(int64_t elements, int threads) { return layers(elements, threads, 0, 1); }
