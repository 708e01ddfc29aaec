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
constexpr int kAhead = 8;  // rows of b's panel that are asked for before their turn
constexpr int kRowsAtOnce = 16;  // that are packed across; even

FL_INLINE __mmask32 first_of_32(int64_t n) { return n >= 32 ? ~__mmask32(0) : (__mmask32(1) << n) - 1; }
FL_INLINE __mmask16 first_of_16(int64_t n) { return n >= 16 ? __mmask16(0xffff) : __mmask16((1u << n) - 1); }

// As it is rounded everywhere: to the nearest, to even from the middle; NaN stays one.
FL_INLINE __m256i rounded(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x), high = _mm512_srli_epi32(bits, 16);
  const __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  const __m512i up = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_maskz_cvtepi32_epi16(0xffff, _mm512_mask_or_epi32(up, nan, high, _mm512_set1_epi32(0x40)));
}

struct Tile {
  int64_t pairs;
  bool odd;
  const uint16_t* a;
  int64_t a_row;
  const int32_t* b;
  int n;
  const PairPanel* panel;
  int64_t row;  // of the panel
  const char* next;
};

FL_INLINE __m512bh pair_of(const void* at) {
  int32_t pair;
  memcpy(&pair, at, sizeof pair);
  return (__m512bh)_mm512_set1_epi32(pair);
}

// kM rows by kN vectors; the first `rows` and t.n columns are kept.
template <int kM, int kN, bool packed>
FL_PAIRS FL_INLINE void tile(const Tile& t, int rows) {
  const PairPanel& o = *t.panel;
  __m512 sums[kM][kN] = {};
  const uint16_t* a = t.a;
  const int32_t* b = t.b;
  const char* next = t.next;
  const char* c = o.c ? static_cast<const char*>(o.c) + t.row * o.c_row * 2 : static_cast<const char*>(next);
  const int64_t c_step = o.c ? o.c_row * 2 : 0;
  const char* const last_row = c + (rows - 1) * c_step;
  const int64_t row_step = packed ? 2 : t.a_row;
  constexpr int64_t kStep = packed ? 2 * kRows : 2;
  const auto step = [&](const auto& left) __attribute__((always_inline)) FL_PAIRS {
    __m512bh row[kN];
#pragma GCC unroll 2
    for (int v = 0; v < kN; ++v) row[v] = (__m512bh)_mm512_loadu_si512(b + v * kLane);
#pragma GCC unroll 2
    for (int v = 0; v < kN; ++v) _mm_prefetch((const char*)(b + kAhead * kColumns + v * kLane), _MM_HINT_T0);
#pragma GCC unroll 16
    for (int r = 0; r < kM; ++r) {
      const __m512bh x = left(a + r * row_step);
#pragma GCC unroll 2
      for (int v = 0; v < kN; ++v) sums[r][v] = _mm512_dpbf16_ps(sums[r][v], x, row[v]);
    }
    a += kStep;
    b += kColumns;
  };
  const auto pair = [](const uint16_t* at) __attribute__((always_inline)) FL_PAIRS { return pair_of(at); };
  const auto single = [](const uint16_t* at) __attribute__((always_inline)) FL_PAIRS {
    return (__m512bh)_mm512_set1_epi32(int32_t(*at));
  };
  int64_t p = 0;
  for (; p + 4 <= t.pairs; p += 4) {
    _mm_prefetch(next, _MM_HINT_T1);
    next += 64;
    __builtin_prefetch(c, 1);
    c = c == last_row ? c : c + c_step;
#pragma GCC unroll 4
    for (int q = 0; q < 4; ++q) step(pair);
  }
  for (; p < t.pairs; ++p) step(pair);
  if (t.odd) step(single);  // what lies beside it in a row is not this row's
  const __mmask16 masks[2] = {first_of_16(t.n), t.n > kLane ? first_of_16(t.n - kLane) : __mmask16(0)};
#pragma GCC unroll 16
  for (int r = 0; r < kM; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 2
    for (int v = 0; v < kN; ++v) {
      __m512 value = sums[r][v];
      const int64_t sum = (t.row + r) * o.sums_row + v * kLane;
      if (o.accumulate) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(masks[v], o.sums + sum));
      if (!o.c) {
        _mm512_mask_storeu_ps(o.sums + sum, masks[v], value);
        continue;
      }
      if (o.bias) value = _mm512_add_ps(value, _mm512_maskz_loadu_ps(masks[v], o.bias + v * kLane));
      _mm256_mask_storeu_epi16(static_cast<uint16_t*>(o.c) + (t.row + r) * o.c_row + v * kLane, masks[v], rounded(value));
    }
  }
}

template <int kN, bool packed>
FL_PAIRS void rows_of_tiles(const PairPanel& o) {
  const int64_t a_step = packed ? (o.k + 1) / 2 * 2 : o.a_row, lines = o.next ? (o.k / 2 + 3) / 4 * 64 : 0;
  const auto* const nothing = static_cast<const char*>(o.b);
  Tile t{packed ? (o.k + 1) / 2 : o.k / 2, !packed && o.k % 2 != 0, static_cast<const uint16_t*>(o.a), o.a_row,
         static_cast<const int32_t*>(o.b), int(o.n), &o, 0, nothing};
  for (int64_t asked = 0; t.row < o.m; asked += lines) {
    const int64_t left = o.m - t.row;
    t.next = asked < o.next_bytes ? static_cast<const char*>(o.next) + asked : nothing;
    int64_t rows = kRows;
    if (left >= kRows) {
      tile<kRows, kN, packed>(t, kRows);
    } else if constexpr (packed) {
      rows = left;
      if (left > 8) tile<kRows, kN, true>(t, int(left));
      else tile<8, kN, true>(t, int(left));
    } else {
      rows = left >= 8 ? 8 : left >= 2 ? 2 : 1;
      if (rows == 8) tile<8, kN, false>(t, 8);
      else if (rows == 2) tile<2, kN, false>(t, 2);
      else tile<1, kN, false>(t, 1);
    }
    t.row += rows;
    t.a += rows * a_step;
  }
}

FL_PAIRS void panel(const PairPanel& o) {
  const bool narrow = o.n <= kLane;
  if (o.a_row == 0) narrow ? rows_of_tiles<1, true>(o) : rows_of_tiles<2, true>(o);
  else narrow ? rows_of_tiles<1, false>(o) : rows_of_tiles<2, false>(o);
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

// One panel whose lanes are contiguous. The rows that come later are asked for.
FL_INLINE void pack_panel_across(const uint16_t* x, int64_t stride, int64_t lanes, int64_t k, int width, int32_t* to) {
  for (int64_t p = 0; p < k; p += 2) {
    __builtin_prefetch(x + (p + kRowsAtOnce) * stride);
    __builtin_prefetch(x + (p + kRowsAtOnce + 1) * stride);
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

// A few rows of all panels after one another, where lanes lie side by side: a row is read from end to end.
template <int width>
void pack(const void* x_bytes, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, void* to_bytes) {
  const int64_t at_once = k_stride == 1 ? k : kRowsAtOnce, panel = (k + 1) / 2 * width;
  for (int64_t p = 0; p < k; p += at_once) {
    const uint16_t* x = static_cast<const uint16_t*>(x_bytes) + p * k_stride;
    int32_t* to = static_cast<int32_t*>(to_bytes) + p / 2 * width;
    const int64_t rows = k - p < at_once ? k - p : at_once;
    for (int64_t i = 0; i < lanes; i += width, to += panel) {
      const int64_t count = lanes - i < width ? lanes - i : width;
      if (k_stride == 1) pack_panel_along(x + i * lane_stride, lane_stride, count, rows, width, to);
      else pack_panel_across(x + i, k_stride, count, rows, width, to);
    }
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

constexpr PairGemm kPairGemm{kRows, kColumns, panel, pack<kRows>, pack<kColumns>, dots};

}  // namespace

const PairGemm* pair_gemm() { return &kPairGemm; }
#else
const PairGemm* pair_gemm() { return nullptr; }
#endif

}  // namespace flambeau::cpu::FL_LEVEL
