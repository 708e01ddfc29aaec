// bfloat16.cpp: products of bfloat16 where the processor multiplies pairs of them. Sums are float32 in one order for
// each element of the result, whatever the tile it falls into.
#include <algorithm>
#include <cstring>

#include "product.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kSumColumns = 512;  // whose sums stay in the second-level cache between stretches of k
constexpr int64_t kSharedBytes = int64_t(16) << 20;  // of a packed for all tasks
constexpr int64_t kDotsWork = int64_t(1) << 18;

// A stretch of k.
struct Stretch {
  const Product& p;
  const PairGemm& gemm;
  int64_t k0, k;
  const char* a_at(int64_t i) const { return p.a.data + (i * p.a.row + k0 * p.a.column) * 2; }
  void pack_a(int64_t i, int64_t m, char* to) const { gemm.pack_rows(a_at(i), p.a.row, p.a.column, m, k, to); }
  void pack_b(int64_t j, int64_t n, char* to) const {
    gemm.pack_columns(p.b.data + (k0 * p.b.row + j * p.b.column) * 2, p.b.column, p.b.row, n, k, to);
  }
  int64_t panel_bytes() const { return (k + 1) / 2 * gemm.columns * 4; }
  // Where its panels begin among those of all stretches.
  int64_t panels_at() const { return k0 / 2 * divide_up(p.n, gemm.columns) * gemm.columns * 4; }
  int64_t rows_at(int64_t i) const { return (k0 / 2 * divide_up(p.m, gemm.rows) * gemm.rows + i * ((k + 1) / 2)) * 4; }
};

struct Room {
  char *a, *b;  // null: a's rows are read as they lie, or its panels are shared; b's panels are shared
  float* sums;  // null: one stretch
};

void multiply_part(const Stretch& s, const Part& part, const Shared& shared, const float* bias, const Room& room) {
  const Product& p = s.p;
  const int64_t columns = s.gemm.columns;
  const bool last = s.k0 + s.k == p.k;
  PairPanel panel{part.m,         0,         s.k,     s.a_at(part.i), p.a.row, room.b, nullptr, divide_up(part.n, columns) * columns,
                  s.k0 > 0, nullptr, p.c_row, nullptr,        nullptr, 0};
  if (room.a) s.pack_a(part.i, part.m, room.a);
  if (room.a || shared.a) {
    panel.a = room.a ? room.a : shared.a + s.rows_at(part.i);
    panel.a_row = 0;
  }
  for (int64_t j = part.j; j < part.j + part.n; j += columns) {
    panel.n = std::min(columns, part.j + part.n - j);
    if (shared.b) {
      const char* b = shared.b + s.panels_at() + j / columns * s.panel_bytes();
      const bool more = j + columns < part.j + part.n;
      panel.b = b;
      panel.next = more ? b + s.panel_bytes() : nullptr;
      panel.next_bytes = more ? s.panel_bytes() : 0;
    } else {
      s.pack_b(j, panel.n, room.b);
    }
    if (room.sums) panel.sums = room.sums + (j - part.j);
    if (last) {
      panel.c = p.c + (part.i * p.c_row + j) * 2;
      panel.bias = bias ? bias + j : nullptr;
    }
    s.gemm.panel(panel);
  }
}

bool multiply_tasks(const Product& p, const PairGemm& gemm, const Cut& cut, const Shared& shared, const float* bias) {
  const int64_t columns = p.k > cut.depth ? std::min(kSumColumns, cut.columns) : cut.columns;
  const int64_t a_bytes = cut.direct || shared.a ? 0 : cut.rows * cut.depth * 2, b_bytes = shared.b ? 0 : cut.depth * gemm.columns * 2;
  const int64_t sum_bytes = p.k > cut.depth ? cut.rows * columns * 4 : 0;
  int all = 1;
  parallel_for(cut.down * cut.across, 1, [&](int64_t begin, int64_t end) {
    char* own = static_cast<char*>(host->scratch(size_t(a_bytes + b_bytes + sum_bytes)));
    if (!own) return __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    const Room room{a_bytes ? own + sum_bytes : nullptr, b_bytes ? own + sum_bytes + a_bytes : nullptr,
                    sum_bytes ? reinterpret_cast<float*>(own) : nullptr};
    for (int64_t t = begin; t < end; ++t) {
      const Part whole = cut.part(p, t);
      for (int64_t j = 0; j < whole.n; j += columns) {
        const Part part{whole.i, whole.m, whole.j + j, std::min(columns, whole.n - j)};
        for (int64_t k0 = 0; k0 < p.k; k0 += cut.depth)
          multiply_part({p, gemm, k0, std::min(cut.depth, p.k - k0)}, part, shared, bias, room);
      }
    }
  });
  return all;
}

fl_status multiply_shared(const Product& p, const PairGemm& gemm, const Cut& cut, const float* bias) {
  const int64_t panels = divide_up(p.n, gemm.columns);
  char* b = static_cast<char*>(host->scratch(size_t(panels * gemm.columns * (p.k + 1) * 2)));
  if (!b) return no_memory("matmul");
  for (int64_t k0 = 0; k0 < p.k; k0 += cut.depth) {
    const Stretch s{p, gemm, k0, std::min(cut.depth, p.k - k0)};
    parallel_for(panels, std::max<int64_t>(1, kPackGrain / (s.k * gemm.columns)), [&](int64_t begin, int64_t end) {
      const int64_t j = begin * gemm.columns;
      s.pack_b(j, std::min(p.n, end * gemm.columns) - j, b + s.panels_at() + begin * s.panel_bytes());
    });
  }
  return multiply_tasks(p, gemm, cut, {nullptr, b}, bias) ? FL_OK : no_memory("matmul");
}

// Few rows that are packed: once for all tasks.
fl_status multiply_across(const Product& p, const PairGemm& gemm, const Cut& cut, const float* bias) {
  const int64_t panels = divide_up(p.m, gemm.rows);
  char* a = static_cast<char*>(host->scratch(size_t(panels * gemm.rows * (p.k + 1) * 2)));
  if (!a) return no_memory("matmul");
  parallel_for(panels, std::max<int64_t>(1, kPackGrain / (p.k * gemm.rows)), [&](int64_t begin, int64_t end) {
    const int64_t i = begin * gemm.rows, m = std::min(p.m, end * gemm.rows) - i;
    for (int64_t k0 = 0; k0 < p.k; k0 += cut.depth) {
      const Stretch s{p, gemm, k0, std::min(cut.depth, p.k - k0)};
      s.pack_a(i, m, a + s.rows_at(i));
    }
  });
  return multiply_tasks(p, gemm, cut, {a, nullptr}, bias) ? FL_OK : no_memory("matmul");
}

// One row or one column: dot products with the rows of x.
fl_status multiply_vector(const PairGemm& gemm, const Matrix& rows, int64_t m, int64_t k, int64_t row_step, const char* x,
                          const float* bias, char* c, int64_t c_step) {
  static const Loop narrows = convert(Type::Float32, Type::BFloat16);
  parallel_for(m, std::max<int64_t>(1, kDotsWork / k), [&](int64_t begin, int64_t end) {
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

  const Cut cut = cut_of(p, gemm.rows, gemm.columns);
  if (!cut.shared && !cut.direct && cut.across > 1 && p.m * p.k * 2 <= kSharedBytes) return multiply_across(p, gemm, cut, bias);
  if (!cut.shared) return multiply_tasks(p, gemm, cut, {}, bias) ? FL_OK : no_memory("matmul");
  return by_columns(p, gemm.columns, [&](const Product& some) {
    const float* its_bias = bias ? bias + (some.c - p.c) / 2 : nullptr;
    return multiply_shared(some, gemm, some.n == p.n ? cut : cut_of(some, gemm.rows, gemm.columns), its_bias);
  });
}

}  // namespace flambeau::cpu
