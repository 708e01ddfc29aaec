// simd/gemm.cpp: panels of matrix products, packed and multiplied. Compiled once per level.
#include "blocks.h"
#include "kernels.h"
#include "squares.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int kRows = kBlockRows, kVectors = kTileVectors, kFewRows = (kHalfRows + 1) / 2;
constexpr int kAhead = 8;  // rows of b's panel that are asked for before their turn
constexpr int kRowsAtOnce = 16;  // that are packed across

template <class V>
struct Tile {
  using T = typename Of<V>::Element;
  int64_t k;
  const T* a;
  int64_t a_row;
  const T* b;
  T* c;
  int64_t c_row;
  int n;  // columns
  bool accumulate;
  const T* bias;
};

// Where the lines that are asked for go on: down the rows, then to the next line of each.
struct Asking {
  const char* at;
  int64_t step, rows, left, back;
};

// One step of k: kM rows of a, `row_step` elements apart, by kN vectors of b's row. a: of every third row, which leaves
// registers for all addresses.
template <class V, int kM, int kN>
FL_INLINE void step(const typename Of<V>::Element* const (&a)[(kM + 2) / 3], int64_t row_step, const typename Of<V>::Element* b,
                    V (&sums)[kM][kN]) {
  V row[kN];
#pragma GCC unroll 4
  for (int v = 0; v < kN; ++v) row[v] = load<V>(b + v * kLanes<V>);
  constexpr int kLine = 64 / int(sizeof(*b));
#pragma GCC unroll 4
  for (int line = 0; line < kN * kLanes<V>; line += kLine) __builtin_prefetch(b + kAhead * kVectors * kLanes<V> + line);
#pragma GCC unroll 16
  for (int r = 0; r < kM; ++r) {
    const V x = splat<V>(a[r / 3][r % 3 * row_step]);
#pragma GCC unroll 4
    for (int v = 0; v < kN; ++v) sums[r][v] = fma(x, row[v], sums[r][v]);
  }
}

// kM rows by kN vectors, of which the first `rows` rows and t.n columns are kept. `packed`: a's values of one k lie side
// by side.
template <class V, int kM, int kN, bool packed>
FL_INLINE void tile(const Tile<V>& t, int rows, Asking& asking) {
  using T = typename Of<V>::Element;
  constexpr int64_t kWidth = kVectors * kLanes<V>;
  V sums[kM][kN] = {};
  const T *b = t.b, *c = t.c;
  const T* const last_row = t.c + (rows - 1) * t.c_row;
  const char* next = asking.at;
  const int64_t row_step = packed ? 1 : t.a_row;
  constexpr int64_t kStep = packed ? kRows : 1;
  const T* a[(kM + 2) / 3];
#pragma GCC unroll 4
  for (int i = 0; i < (kM + 2) / 3; ++i) a[i] = t.a + 3 * i * row_step;
  const auto advance = [&]() __attribute__((always_inline)) {
    step<V, kM, kN>(a, row_step, b, sums);
#pragma GCC unroll 4
    for (auto& at : a) at += kStep;
    b += kWidth;
  };
  int64_t p = 0;
  while (p + 4 <= t.k) {
    const int64_t steps = asking.left < (t.k - p) / 4 ? asking.left : (t.k - p) / 4;
    for (const int64_t end = p + 4 * steps; p < end; p += 4) {
      __builtin_prefetch(next, 0, 2);
      next += asking.step;
      __builtin_prefetch(c, 1);
      if (kN > 1) __builtin_prefetch(c + kLanes<V>, 1);
      c = c == last_row ? c : c + t.c_row;
#pragma GCC unroll 4
      for (int q = 0; q < 4; ++q) advance();
    }
    asking.left -= steps;
    if (asking.left == 0) next += asking.back, asking.left = asking.rows;
  }
  for (; p < t.k; ++p) advance();
  asking.at = next;
#pragma GCC unroll 16
  for (int r = 0; r < kM; ++r) {
    if (r >= rows) break;
#pragma GCC unroll 4
    for (int v = 0; v < kN; ++v) {
      T* to = t.c + r * t.c_row + v * kLanes<V>;
      const int left = t.n - v * kLanes<V>;
      V value = sums[r][v];
      if (left >= kLanes<V>) {
        if (t.bias) value += load<V>(t.bias + v * kLanes<V>);
        if (t.accumulate) value += load<V>(to);
        store<V>(to, value);
      } else if (left > 0) {
        if (t.bias) value += load_part<V>(t.bias + v * kLanes<V>, left);
        if (t.accumulate) value += load_part<V>(to, left);
        store_part<V>(to, value, left);
      }
    }
  }
}

template <class V, int kN, bool packed>
void rows_of_tiles(const GemmPanel& o, Tile<V> t) {
  const Asking nothing{reinterpret_cast<const char*>(t.b), 0, t.k, t.k, 0};
  Asking asking = nothing;
  int64_t lines = o.next.rows * o.next.lines;
  if (lines > 0)
    asking = {static_cast<const char*>(o.next.data), o.next.row_bytes, o.next.rows, o.next.rows,
              64 - o.next.rows * o.next.row_bytes};
  int64_t i = 0;
  const auto advance = [&](int64_t rows) __attribute__((always_inline)) {
    i += rows;
    t.a += packed ? rows * t.k : rows * t.a_row;
    t.c += rows * t.c_row;
    lines -= t.k / 4;
  };
  while (i < o.m) {
    const int64_t left = o.m - i;
    if (lines <= 0) asking = nothing;
    if (left >= kRows) {
      tile<V, kRows, kN, packed>(t, kRows, asking);
      advance(kRows);
    } else if constexpr (packed) {  // zeros fill the panel
      if (left > kHalfRows) tile<V, kRows, kN, true>(t, int(left), asking);
      else if (left > kFewRows) tile<V, kHalfRows, kN, true>(t, int(left), asking);
      else tile<V, kFewRows, kN, true>(t, int(left), asking);
      return;
    } else {
      if (left >= kHalfRows) tile<V, kHalfRows, kN, false>(t, kHalfRows, asking), advance(kHalfRows);
      else if (left >= kFewRows) tile<V, kFewRows, kN, false>(t, kFewRows, asking), advance(kFewRows);
      else if (left >= 2) tile<V, 2, kN, false>(t, 2, asking), advance(2);
      else tile<V, 1, kN, false>(t, 1, asking), advance(1);
    }
  }
}

template <class V>
void panel(const GemmPanel& o) {
  using T = typename Of<V>::Element;
  const Tile<V> t{o.k, static_cast<const T*>(o.a), o.a_row, static_cast<const T*>(o.b), static_cast<T*>(o.c), o.c_row, int(o.n),
                  o.accumulate, static_cast<const T*>(o.bias)};
  const bool narrow = o.n <= kLanes<V>;
  if (o.a_row == 0) return narrow ? rows_of_tiles<V, 1, true>(o, t) : rows_of_tiles<V, kVectors, true>(o, t);
  return narrow ? rows_of_tiles<V, 1, false>(o, t) : rows_of_tiles<V, kVectors, false>(o, t);
}

// ---- packing -------------------------------------------------------------------------------------------

// Lanes whose k are contiguous: squares turned in registers.
template <class V>
FL_INLINE void pack_along(const typename Of<V>::Element* x, int64_t stride, int64_t lanes, int64_t k, int width,
                          typename Of<V>::Element* to) {
  constexpr int n = kLanes<V>;
  for (int first = 0; first < width; first += n) {
    const int64_t there = lanes - first;
    const int kept = width - first < n ? width - first : n;
    for (int64_t p = 0; p < k; p += n) {
      const int64_t left = k - p;
      V rows[n];
      if (there >= n && left >= n) {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) rows[i] = load<V>(x + (first + i) * stride + p);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) rows[i] = i < there ? load_some<V>(x + (first + i) * stride + p, left) : V{};
      }
#pragma GCC unroll 16
      for (int i = 0; i < n; ++i) __builtin_prefetch(x + (first + n + i) * stride + p);  // the lanes after these
      transpose_rows(rows);
      auto* at = to + p * width + first;
      if (kept == n && left >= n) {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i) store<V>(at + i * width, rows[i]);
      } else {
#pragma GCC unroll 16
        for (int i = 0; i < n; ++i)
          if (i < left) store_some<V>(at + i * width, rows[i], kept);
      }
    }
  }
}

// Lanes that lie side by side. The rows that come later are asked for.
template <class V>
FL_INLINE void pack_across(const typename Of<V>::Element* x, int64_t stride, int64_t lanes, int64_t k, int width,
                           typename Of<V>::Element* to) {
  for (int64_t p = 0; p < k; ++p)
    for (int first = 0; first < width; first += kLanes<V>) {
      __builtin_prefetch(x + (p + kRowsAtOnce) * stride + first);
      store_some<V>(to + p * width + first, load_some<V>(x + p * stride + first, lanes - first), width - first);
    }
}

template <class V>
FL_INLINE void pack_panel(const typename Of<V>::Element* x, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k,
                          int width, typename Of<V>::Element* to) {
  constexpr int kColumns = kVectors * kLanes<V>;
  if (k_stride == 1) {
    pack_along<V>(x, lane_stride, lanes, k, width, to);
  } else if (lane_stride == 1) {
    if (lanes == width && width == kColumns) pack_across<V>(x, k_stride, kColumns, k, kColumns, to);
    else if (lanes == width && width == kRows) pack_across<V>(x, k_stride, kRows, k, kRows, to);
    else pack_across<V>(x, k_stride, lanes, k, width, to);
  } else {
    for (int64_t p = 0; p < k; ++p)
      for (int64_t j = 0; j < width; ++j) to[p * width + j] = j < lanes ? x[j * lane_stride + p * k_stride] : typename Of<V>::Element(0);
  }
}

// A few rows of all panels after one another, where lanes lie side by side: a row is read from end to end.
template <class V>
void pack(const void* x_bytes, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, int width, void* to_bytes) {
  using T = typename Of<V>::Element;
  const int64_t at_once = k_stride == 1 ? k : kRowsAtOnce;
  for (int64_t p = 0; p < k; p += at_once) {
    const int64_t rows = k - p < at_once ? k - p : at_once;
    const T* x = static_cast<const T*>(x_bytes) + p * k_stride;
    T* to = static_cast<T*>(to_bytes) + p * width;
    for (int64_t i = 0; i < lanes; i += width, x += width * lane_stride, to += k * width)
      pack_panel<V>(x, lane_stride, k_stride, lanes - i < width ? lanes - i : width, rows, width, to);
  }
}

#if defined(__AVX512F__)
constexpr bool kPreferred = true;  // 1.05 of OpenBLAS in float32 and 1.2 in float64
#else
constexpr bool kPreferred = false;  // with AVX2 0.9 to 1.05
#endif
template <class V>
constexpr Gemm kGemm{kRows, kVectors* kLanes<V>, kPreferred, panel<V>, pack<V>};

}  // namespace

const Gemm* gemm(Type type) {
  switch (type) {
    case Type::Int32: return &kGemm<I32>;
    case Type::Int64: return &kGemm<I64>;
    case Type::Float32: return &kGemm<F32>;
    case Type::Float64: return &kGemm<F64>;
    default: return nullptr;
  }
}

}  // namespace flambeau::cpu::FL_LEVEL
