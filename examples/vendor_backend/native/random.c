/* random.c: Philox4x32-10 (Salmon and others, 2011). docs/ops.md says which words of which block an element takes. */
#include <math.h>
#include <string.h>

#include "sample.h"

static void philox(uint64_t seed, uint64_t counter, uint32_t words[4]) {
  uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
  uint32_t c[4] = {(uint32_t)counter, (uint32_t)(counter >> 32), 0, 0};
  for (int round = 0; round < 10; ++round) {
    uint64_t a = (uint64_t)0xD2511F53u * c[0], b = (uint64_t)0xCD9E8D57u * c[2];
    uint32_t next[4] = {(uint32_t)(b >> 32) ^ c[1] ^ k0, (uint32_t)b, (uint32_t)(a >> 32) ^ c[3] ^ k1, (uint32_t)a};
    memcpy(c, next, sizeof c);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  memcpy(words, c, sizeof c);
}

static double uniform_at(uint64_t seed, uint64_t offset, int64_t i) {
  uint32_t words[4];
  philox(seed, offset + (uint64_t)(i / 4), words);
  return (double)(words[i % 4] >> 8) * 0x1p-24;
}

static double normal_at(uint64_t seed, uint64_t offset, int64_t i) { /* Box-Muller on a pair of uniforms */
  double u = uniform_at(seed, offset, i - i % 2) + 0x1p-24, v = uniform_at(seed, offset, i - i % 2 + 1);
  double quarter = floor(4 * v + 0.5), angle = (v - quarter / 4) * 6.28318530717958647693;
  double turns[] = {cos(angle), -sin(angle), -cos(angle), sin(angle)}; /* cos(2 pi v) by its quarter of the circle */
  int from = (int)quarter % 4;
  return sqrt(-2 * log(u)) * turns[i % 2 ? (from + 3) % 4 : from]; /* the sine is the cosine a quarter earlier */
}

/* uniform and normal: shape, seed, offset, dtype */
static fl_status real_loop(Launch* launch) {
  double (*draw)(uint64_t, uint64_t, int64_t) = strcmp(launch->kernel->op, "normal") == 0 ? normal_at : uniform_at;
  const View* out = &launch->outputs[0];
  int64_t i = 0, index[kMaxDimensions] = {0};
  if (element_count(out) == 0) return FL_OK;
  do {
    double value = draw((uint64_t)launch->attrs[1].value.i, (uint64_t)launch->attrs[2].value.i, i++);
    store_real(element(out, index), out->dtype, value);
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static uint64_t high_word(uint64_t x, uint64_t y) { /* the upper 64 of the 128 bits of a product, by halves */
  uint64_t low = (x & 0xffffffffu) * (y & 0xffffffffu), cross = (x >> 32) * (y & 0xffffffffu) + (low >> 32);
  uint64_t other = (x & 0xffffffffu) * (y >> 32) + (cross & 0xffffffffu);
  return (x >> 32) * (y >> 32) + (cross >> 32) + (other >> 32);
}

static fl_status randint_loop(Launch* launch) { /* shape, low, high, seed, offset, dtype */
  const View* out = &launch->outputs[0];
  uint64_t low = (uint64_t)launch->attrs[1].value.i, range = (uint64_t)launch->attrs[2].value.i - low;
  int64_t i = 0, index[kMaxDimensions] = {0};
  if (element_count(out) == 0) return FL_OK;
  do {
    uint32_t words[4];
    philox((uint64_t)launch->attrs[3].value.i, (uint64_t)launch->attrs[4].value.i + (uint64_t)(i / 2), words);
    uint64_t bits = words[i % 2 * 2] | ((uint64_t)words[i % 2 * 2 + 1] << 32);
    store_integer(element(out, index), out->dtype, (int64_t)(low + high_word(bits, range)));
    ++i;
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static bool takes_whole(const void* state, const fl_dtype* dtypes, int32_t count) {
  (void)state;
  return count > 0 && !is_real(dtypes[0]) && !is_bool(dtypes[0]);
}

const Row kRandomRows[] = {
    {"uniform", real_loop, NULL, takes_real},
    {"normal", real_loop, NULL, takes_real},
    {"randint", randint_loop, NULL, takes_whole},
    {NULL, NULL, NULL, NULL},
};
