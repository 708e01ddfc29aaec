// simd/random.cpp: Philox4x32-10 and what becomes of its words. Compiled once per level.
#include "kernels.h"
#include "math.h"
#include "tables.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// r cos(2 pi v) and r sin(2 pi v), r = sqrt(-2 log u). The turn is brought into an eighth of the circle exactly.
struct Pair {
  F64 cosine, sine;
};
FL_INLINE Pair box_muller(F64 u, F64 v) {
  constexpr double kSine[] = {1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
                              -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01};
  constexpr double kCosine[] = {-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
                                2.48015872894767294178e-05,  -1.38888888888741095749e-03, 4.16666666666666019037e-02};
  const F64 r = square_root(splat<F64>(-2.0) * log_of(u));
  const F64 kRound = splat<F64>(6755399441055744.0);
  // floor(4 v + 1/2), where rounding to even would take a tie the other way; v is in [0, 1).
  const F64 shifted = (v * splat<F64>(4.0) + splat<F64>(0.5));
  F64 quarter = (shifted + kRound) - kRound;
  quarter = quarter > shifted ? quarter - splat<F64>(1.0) : quarter;
  const F64 angle = (v - quarter * splat<F64>(0.25)) * splat<F64>(6.283185307179586);
  const F64 z = angle * angle;
  const F64 sine = fma(polynomial(z, kSine) * z, angle, angle);
  const F64 half = z * splat<F64>(0.5), one = splat<F64>(1.0), w = one - half;
  const F64 cosine = w + (((one - w) - half) + z * z * polynomial(z, kCosine));
  const I64 turn = __builtin_convertvector(quarter, I64) & 3;
  const F64 c = (turn & 1) != 0 ? sine : cosine, s = (turn & 1) != 0 ? cosine : sine;
  return {r * (((turn == 1) | (turn == 2)) ? -c : c), r * (turn >= 2 ? -s : s)};
}

}  // namespace

void philox(uint64_t seed, uint64_t first_block, int64_t blocks, uint32_t* out) {
  constexpr int kTogether = 16;
  for (int64_t begin = 0; begin < blocks; begin += kTogether) {
    uint32_t c0[kTogether], c1[kTogether], c2[kTogether] = {}, c3[kTogether] = {};
    for (int i = 0; i < kTogether; ++i) {
      const uint64_t counter = first_block + uint64_t(begin + i);
      c0[i] = uint32_t(counter);
      c1[i] = uint32_t(counter >> 32);
    }
    uint32_t key0 = uint32_t(seed), key1 = uint32_t(seed >> 32);
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < kTogether; ++i) {
        const uint64_t a = uint64_t(0xD2511F53) * c0[i], b = uint64_t(0xCD9E8D57) * c2[i];
        c0[i] = uint32_t(b >> 32) ^ c1[i] ^ key0;
        c1[i] = uint32_t(b);
        c2[i] = uint32_t(a >> 32) ^ c3[i] ^ key1;
        c3[i] = uint32_t(a);
      }
      key0 += 0x9E3779B9;
      key1 += 0xBB67AE85;
    }
    const int count = blocks - begin < kTogether ? int(blocks - begin) : kTogether;
    for (int i = 0; i < count; ++i) {
      uint32_t* to = out + (begin + i) * 4;
      to[0] = c0[i], to[1] = c1[i], to[2] = c2[i], to[3] = c3[i];
    }
  }
}

void uniform32(const uint32_t* words, int64_t n, float* out) {
  for (int64_t i = 0; i < n; ++i) out[i] = float(int32_t(words[i] >> 8)) * 0x1p-24f;
}

void uniform64(const uint32_t* words, int64_t n, double* out) {
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t word = words[2 * i] | (uint64_t(words[2 * i + 1]) << 32);
    out[i] = double(int64_t(word >> 11)) * 0x1p-53;
  }
}

// Both kinds compute in double: float32 results are then the rounded exact ones on every device.
void normal64(const uint32_t* words, int64_t n, double* out) {
  constexpr int kPairs = kLanes<F64>;
  for (int64_t i = 0; i < n; i += 2 * kPairs) {
    double both[2 * kPairs] = {}, u[kPairs], v[kPairs], c[kPairs], s[kPairs];
    const int64_t count = n - i < 2 * kPairs ? n - i : 2 * kPairs;
    uniform64(words + 2 * i, count, both);
    for (int j = 0; j < kPairs; ++j) u[j] = both[2 * j] + 0x1p-53, v[j] = both[2 * j + 1];
    const Pair pair = box_muller(load<F64>(u), load<F64>(v));
    store<F64>(c, pair.cosine);
    store<F64>(s, pair.sine);
    for (int j = 0; 2 * j < count; ++j) out[i + 2 * j] = c[j], out[i + 2 * j + 1] = s[j];
  }
}
void normal32(const uint32_t* words, int64_t n, float* out) {
  constexpr int kPairs = kLanes<F64>;
  for (int64_t i = 0; i < n; i += 2 * kPairs) {
    const int64_t count = n - i < 2 * kPairs ? n - i : 2 * kPairs;
    double u[kPairs] = {}, v[kPairs] = {}, c[kPairs], s[kPairs];
    for (int j = 0; 2 * j < count; ++j) {
      u[j] = double(int32_t(words[i + 2 * j] >> 8)) * 0x1p-24 + 0x1p-24;
      v[j] = double(int32_t(words[i + 2 * j + 1] >> 8)) * 0x1p-24;
    }
    const Pair pair = box_muller(load<F64>(u), load<F64>(v));
    store<F64>(c, pair.cosine);
    store<F64>(s, pair.sine);
    for (int j = 0; 2 * j < count; ++j) out[i + 2 * j] = float(c[j]), out[i + 2 * j + 1] = float(s[j]);
  }
}

}  // namespace flambeau::cpu::FL_LEVEL
