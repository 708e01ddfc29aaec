// bfloat16.cpp: products of bfloat16 where the processor multiplies pairs of them. Sums are float32 in one order for
// each element of the result, whatever the tile it falls into.
#include <algorithm>
#include <cstring>

#include "product.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kDepth = 512;   // of a panel: one of b and one of a stay in the first-level cache
constexpr int64_t kBandRows = 192, kBandColumns = 512;  // of a task: its a and its sums stay in the second-level cache
constexpr int64_t kPieceWork = int64_t(1) << 22;

struct Bands {
  int64_t rows, columns;  // of each
  int64_t down, across;
};

// Tasks of about the same size, an even number of them where there is work for several.
Bands bands_of(const Product& p, const PairGemm& gemm) {
  int64_t across = divide_up(p.n, kBandColumns), down = divide_up(p.m, kBandRows);
  const int64_t wanted = std::min<int64_t>(4, p.m * p.n * p.k / kPieceWork);
  while (across * down < wanted && (p.m / down > 2 * gemm.rows || p.n / across > 2 * gemm.columns))
    p.m / down > p.n / across ? ++down : ++across;
  if (across * down > 1 && across % 2 == 1 && down % 2 == 1) p.m / down > p.n / across ? ++down : ++across;
  const int64_t rows = divide_up(divide_up(p.m, down), gemm.rows) * gemm.rows;
  const int64_t columns = divide_up(divide_up(p.n, across), gemm.columns) * gemm.columns;
  return {rows, columns, divide_up(p.m, rows), divide_up(p.n, columns)};
}

// b's panels: for each stretch of k, for each `columns` columns.
int64_t panels_at(const Product& p, const PairGemm& gemm, int64_t k0) {
  return k0 / 2 * divide_up(p.n, gemm.columns) * gemm.columns;
}

// Rows of the result with the bias, rounded.
void round_rows(const Product& p, const float* sums, int64_t sums_row, int64_t i0, int64_t j0, int64_t m, int64_t n,
                const float* bias) {
  static const Loop narrows = convert(Type::Float32, Type::BFloat16);
  float with_bias[kBandColumns + 64];
  for (int64_t i = 0; i < m; ++i) {
    const float* row = sums + i * sums_row;
    if (bias) {
      for (int64_t j = 0; j < n; ++j) with_bias[j] = row[j] + bias[j0 + j];
      row = with_bias;
    }
    const void* input[] = {row};
    narrows(input, p.c + ((i0 + i) * p.c_row + j0) * 2, n);
  }
}

bool multiply_band(const Product& p, const PairGemm& gemm, const int32_t* b, const float* bias, int64_t i0, int64_t j0,
                   int64_t m, int64_t n) {
  const int64_t depth = std::min(kDepth, p.k), row_panels = divide_up(m, gemm.rows), sums_row = divide_up(n, 16) * 16;
  int32_t* a = static_cast<int32_t*>(host->scratch(size_t(row_panels * gemm.rows * ((depth + 1) / 2) * 4)));
  float* sums = static_cast<float*>(host->scratch(size_t(m * sums_row) * sizeof(float)));
  if (!a || !sums) return false;
  for (int64_t k0 = 0; k0 < p.k; k0 += depth) {
    const int64_t k = std::min(depth, p.k - k0), pairs = (k + 1) / 2;
    gemm.pack_rows(p.a.data + (i0 * p.a.row + k0 * p.a.column) * 2, p.a.row, p.a.column, m, k, a);
    for (int64_t j = 0; j < n; j += gemm.columns) {
      const int32_t* panel = b + panels_at(p, gemm, k0) + (j0 + j) * pairs;
      for (int64_t i = 0; i < m; i += gemm.rows)
        gemm.tile(pairs, a + i * pairs, panel, sums + i * sums_row + j, sums_row, int(std::min<int64_t>(gemm.rows, m - i)),
                  int(std::min<int64_t>(gemm.columns, n - j)), k0 > 0);
    }
  }
  round_rows(p, sums, sums_row, i0, j0, m, n, bias);
  return true;
}

// One row or one column: dot products with the rows of x.
fl_status multiply_vector(const PairGemm& gemm, const Matrix& rows, int64_t m, int64_t k, int64_t row_step, const char* x,
                          const float* bias, char* c, int64_t c_step) {
  static const Loop narrows = convert(Type::Float32, Type::BFloat16);
  parallel_for(m, std::max<int64_t>(1, (kPieceWork / 16) / k), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i += 64) {
      const int64_t count = std::min<int64_t>(64, end - i);
      float sums[64];
      uint16_t rounded[64];
      gemm.dots(count, k, rows.data + i * row_step * 2, row_step, x, sums);
      for (int64_t j = 0; bias && j < count; ++j) sums[j] += bias[i + j];
      const void* input[] = {sums};
      narrows(input, rounded, count);
      for (int64_t j = 0; j < count; ++j) std::memcpy(c + (i + j) * c_step * 2, rounded + j, 2);
    }
  });
  return FL_OK;
}

}  // namespace

bool prefers_pairs(int64_t m, int64_t n, int64_t k) { return level->pair_gemm() && k > 1 && m * n * k >= 32 * 32 * 32; }

fl_status multiply_pairs(const Product& p) {
  const PairGemm& gemm = *level->pair_gemm();
  const float* bias = nullptr;
  if (p.bias) {
    float* wide = static_cast<float*>(host->scratch(size_t(p.n) * sizeof(float)));
    if (!wide) return no_memory("linear");
    const void* input[] = {p.bias};
    convert(Type::BFloat16, Type::Float32)(input, wide, p.n);
    bias = wide;
  }
  if (p.m == 1 && (p.a.column == 1) && p.b.row == 1)
    return multiply_vector(gemm, p.b, p.n, p.k, p.b.column, p.a.data, bias, p.c, 1);
  if (p.n == 1 && !bias && p.b.row == 1 && p.a.column == 1)
    return multiply_vector(gemm, p.a, p.m, p.k, p.a.row, p.b.data, nullptr, p.c, p.c_row);

  const int64_t column_panels = divide_up(p.n, gemm.columns), depth = std::min(kDepth, p.k);
  int32_t* b = static_cast<int32_t*>(host->scratch(size_t(column_panels * gemm.columns * (divide_up(p.k, 2) + 1)) * 4));
  if (!b) return no_memory("matmul");
  const int64_t pack_grain = std::max<int64_t>(1, (int64_t(1) << 17) / (depth * gemm.columns));
  for (int64_t k0 = 0; k0 < p.k; k0 += depth) {
    const int64_t k = std::min(depth, p.k - k0), pairs = (k + 1) / 2;
    parallel_for(column_panels, pack_grain, [&](int64_t begin, int64_t end) {
      const int64_t j0 = begin * gemm.columns;
      gemm.pack_columns(p.b.data + (k0 * p.b.row + j0 * p.b.column) * 2, p.b.column, p.b.row,
                        std::min(p.n, end * gemm.columns) - j0, k, b + panels_at(p, gemm, k0) + j0 * pairs);
    });
  }
  const Bands bands = bands_of(p, gemm);
  int all = 1;
  parallel_for(bands.down * bands.across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t i0 = t / bands.across * bands.rows, j0 = t % bands.across * bands.columns;
      if (!multiply_band(p, gemm, b, bias, i0, j0, std::min(bands.rows, p.m - i0), std::min(bands.columns, p.n - j0)))
        __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    }
  });
  return all ? FL_OK : no_memory("matmul");
}

}  // namespace flambeau::cpu
