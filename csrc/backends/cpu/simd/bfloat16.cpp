// simd/bfloat16.cpp: products of bfloat16 by the instruction that multiplies two neighbours and adds both to a float32
// (AVX512_BF16). Compiled once per level; only v4 has anything here, and backend.cpp asks the processor before use.
#include "kernels.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {

#if defined(__AVX512F__)
#define FL_PAIRS __attribute__((target("avx512bf16")))

namespace {

constexpr int kRows = 12, kColumns = 32, kLane = 16;

FL_INLINE __mmask32 first_of_32(int64_t n) { return n >= 32 ? ~__mmask32(0) : (__mmask32(1) << n) - 1; }
FL_INLINE __mmask16 first_of_16(int64_t n) { return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }

FL_PAIRS void tile(int64_t pairs, const void* a_bytes, const void* b_bytes, float* c, int64_t c_row, int m, int n,
                   bool accumulate) {
  const int32_t* a = static_cast<const int32_t*>(a_bytes);
  const int32_t* b = static_cast<const int32_t*>(b_bytes);
  __m512 sums[kRows][2] = {};
  for (int64_t p = 0; p < pairs; ++p) {
    const __m512bh left = (__m512bh)_mm512_loadu_si512(b), right = (__m512bh)_mm512_loadu_si512(b + kLane);
#pragma GCC unroll 16
    for (int i = 0; i < kRows; ++i) {
      const __m512bh x = (__m512bh)_mm512_set1_epi32(a[i]);
      sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, left);
      sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, right);
    }
    a += kRows;
    b += kColumns;
  }
  const __mmask16 masks[2] = {first_of_16(n), n > kLane ? first_of_16(n - kLane) : __mmask16(0)};
#pragma GCC unroll 16
  for (int i = 0; i < kRows; ++i) {
    if (i >= m) break;
    for (int j = 0; j < 2; ++j) {
      float* to = c + i * c_row + j * kLane;
      __m512 value = sums[i][j];
      if (accumulate) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(masks[j], to));
      _mm512_mask_storeu_ps(to, masks[j], value);
    }
  }
}

// 16 rows of 16 pairs become 16 rows of one pair of each.
FL_INLINE void transpose_pairs(__m512i (&r)[16]) {
  __m512i t[16], u[16];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    t[2 * i] = _mm512_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
    t[2 * i + 1] = _mm512_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    u[4 * i] = _mm512_unpacklo_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 1] = _mm512_unpackhi_epi64(t[4 * i], t[4 * i + 2]);
    u[4 * i + 2] = _mm512_unpacklo_epi64(t[4 * i + 1], t[4 * i + 3]);
    u[4 * i + 3] = _mm512_unpackhi_epi64(t[4 * i + 1], t[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const __m512i even = _mm512_shuffle_i32x4(u[j], u[4 + j], 0x88), odd = _mm512_shuffle_i32x4(u[j], u[4 + j], 0xdd);
    const __m512i even_high = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0x88);
    const __m512i odd_high = _mm512_shuffle_i32x4(u[8 + j], u[12 + j], 0xdd);
    r[j] = _mm512_shuffle_i32x4(even, even_high, 0x88);
    r[8 + j] = _mm512_shuffle_i32x4(even, even_high, 0xdd);
    r[4 + j] = _mm512_shuffle_i32x4(odd, odd_high, 0x88);
    r[12 + j] = _mm512_shuffle_i32x4(odd, odd_high, 0xdd);
  }
}

// One panel whose k is contiguous.
FL_INLINE void pack_panel_along(const uint16_t* x, int64_t stride, int64_t lanes, int64_t k, int width, int32_t* to) {
  for (int first = 0; first < width; first += kLane) {
    const __mmask16 mask = first_of_16(width - first);
    for (int64_t p = 0; p < k; p += 32) {
      const __mmask32 rest = first_of_32(k - p);
      __m512i rows[16];
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i)
        rows[i] = first + i < lanes ? _mm512_maskz_loadu_epi16(rest, x + (first + i) * stride + p) : _mm512_setzero_si512();
      transpose_pairs(rows);
      const int64_t pairs = k - p >= 32 ? 16 : (k - p + 1) / 2;
      int32_t* at = to + p / 2 * width + first;
#pragma GCC unroll 16
      for (int i = 0; i < 16; ++i) {
        if (i >= pairs) break;
        _mm512_mask_storeu_epi32(at + i * width, mask, rows[i]);
      }
    }
  }
}

// One panel whose lanes are contiguous.
FL_INLINE void pack_panel_across(const uint16_t* x, int64_t stride, int64_t lanes, int64_t k, int width, int32_t* to) {
  for (int64_t p = 0; p < k; p += 2) {
    for (int first = 0; first < width; first += kLane) {
      const __mmask16 inside = lanes > first ? first_of_16(lanes - first) : __mmask16(0);
      const uint16_t* at = x + p * stride + first;
      const __m512i low = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, at));
      const __m512i high = p + 1 < k ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(inside, at + stride)) : __m512i{};
      _mm512_mask_storeu_epi32(to + p / 2 * width + first, first_of_16(width - first),
                               _mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
  }
}

template <int width>
void pack(const void* x_bytes, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, void* to_bytes) {
  const uint16_t* x = static_cast<const uint16_t*>(x_bytes);
  int32_t* to = static_cast<int32_t*>(to_bytes);
  for (int64_t i = 0; i < lanes; i += width, to += (k + 1) / 2 * width) {
    const int64_t count = lanes - i < width ? lanes - i : width;
    if (k_stride == 1) pack_panel_along(x + i * lane_stride, lane_stride, count, k, width, to);
    else pack_panel_across(x + i, k_stride, count, k, width, to);
  }
}

FL_PAIRS void dots(int64_t m, int64_t k, const void* a_bytes, int64_t a_row, const void* x_bytes, float* y) {
  const uint16_t* x = static_cast<const uint16_t*>(x_bytes);
  for (int64_t i = 0; i < m; ++i) {
    const uint16_t* a = static_cast<const uint16_t*>(a_bytes) + i * a_row;
    __m512 sums[4] = {};
    int64_t p = 0;
    for (; p + 128 <= k; p += 128)
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j)
        sums[j] = _mm512_dpbf16_ps(sums[j], (__m512bh)_mm512_loadu_si512(a + p + 32 * j),
                                   (__m512bh)_mm512_loadu_si512(x + p + 32 * j));
    for (; p < k; p += 32) {
      const __mmask32 rest = first_of_32(k - p);
      sums[0] = _mm512_dpbf16_ps(sums[0], (__m512bh)_mm512_maskz_loadu_epi16(rest, a + p),
                                 (__m512bh)_mm512_maskz_loadu_epi16(rest, x + p));
    }
    y[i] = sum_of_lanes<F32>((F32)((sums[0] + sums[1]) + (sums[2] + sums[3])));
  }
}

constexpr PairGemm kPairGemm{kRows, kColumns, pack<kRows>, pack<kColumns>, tile, dots};

}  // namespace

const PairGemm* pair_gemm() { return &kPairGemm; }
#else
const PairGemm* pair_gemm() { return nullptr; }
#endif

}  // namespace flambeau::cpu::FL_LEVEL
