// gemm.cpp: large products by packed panels.
//
// Where a has many rows, all threads first pack a stretch of b's k, then each task goes with its band of a, as it lies or
// packed, over all of b's panels while the next one comes to the second-level cache. Elsewhere a task packs the panels of b
// that it needs one by one; rows of a are read as they lie, or are packed by all threads before. Each element of the result
// is summed in the order of k, in stretches that depend on k alone, whatever the task it falls into.
#include <algorithm>

#include "product.h"

namespace flambeau::cpu {
namespace {

// Measured on Zen 5 with AVX-512; the sizes are flat around these (see docs/performance.md).
constexpr int64_t kDepthBytes = 2048;      // of a stretch of k: two lanes' panels in the first-level cache
constexpr int64_t kBandRows = 192;         // of a task where b is packed by all: its a stays in the second-level cache
constexpr int64_t kFewRows = 512;          // of a task where it packs b itself
constexpr int64_t kDirectColumns = 1536;   // up to these a is not worth packing
constexpr int64_t kSharedWork = int64_t(1) << 27;   // m n k from which b is packed by all
constexpr int64_t kSharedBytes = int64_t(4) << 20;  // of a packed for all tasks at once
constexpr int64_t kTaskWork = int64_t(1) << 21;
constexpr int64_t kTasks = 8;

void cut_rows(Cut& cut, const Product& p, int64_t tile_rows, int64_t down) {
  cut.rows = divide_up(divide_up(p.m, down), tile_rows) * tile_rows;
  cut.down = divide_up(p.m, cut.rows);
}

}  // namespace

Cut cut_of(const Product& p, int64_t tile_rows, int64_t tile_columns) {
  Cut cut;
  const bool rows_lie = p.a.column == 1 && p.a.row != 0;
  const int64_t work = p.m * p.n * p.k, stretches = divide_up(p.k * p.element(), kDepthBytes);
  cut.depth = divide_up(divide_up(p.k, stretches), 4) * 4;
  cut.shared = p.m > kFewRows && (!rows_lie || work > kSharedWork);
  cut.direct = rows_lie && (!cut.shared || p.n <= kDirectColumns);
  const int64_t wanted = p.whole ? 1 : std::clamp<int64_t>(work / kTaskWork, 1, kTasks);
  cut_rows(cut, p, tile_rows, std::max(divide_up(p.m, cut.shared ? kBandRows : kFewRows), cut.shared ? wanted : 1));
  cut.across = std::clamp<int64_t>(divide_up(wanted, cut.down), 1, std::max<int64_t>(1, p.n / (2 * tile_columns)));
  if (cut.across * cut.down < wanted)  // few columns
    cut_rows(cut, p, tile_rows, std::min(divide_up(wanted, cut.across), divide_up(p.m, 2 * tile_rows)));
  cut.columns = divide_up(divide_up(p.n, cut.across), tile_columns) * tile_columns;
  cut.across = divide_up(p.n, cut.columns);
  return cut;
}

namespace {

struct Stretch {
  const Product& p;
  const Gemm& gemm;
  int64_t k0, k;
  const char* a_at(int64_t i) const { return p.a.data + (i * p.a.row + k0 * p.a.column) * p.element(); }
  void pack_a(int64_t i, int64_t m, char* to) const { gemm.pack(a_at(i), p.a.row, p.a.column, m, k, gemm.rows, to); }
  void pack_b(int64_t j, int64_t n, char* to) const {
    gemm.pack(p.b.data + (k0 * p.b.row + j * p.b.column) * p.element(), p.b.column, p.b.row, n, k, gemm.columns, to);
  }
  int64_t panel_bytes() const { return k * gemm.columns * p.element(); }
};

// A part for a stretch of k. a: the part's panels, or null: its rows are read as they lie. shared_b: b's panels, all of
// them, or null: each is packed into own_b.
void multiply_part(const Stretch& s, const Part& part, const char* a, const char* shared_b, char* own_b) {
  const Product& p = s.p;
  const int64_t columns = s.gemm.columns;
  GemmPanel panel{part.m, 0, s.k, s.a_at(part.i), p.a.row, own_b, nullptr, p.c_row, s.k0 > 0 || p.accumulate,
                  nullptr, nullptr, 0};
  if (a) {
    panel.a = a;
    panel.a_row = 0;
  }
  for (int64_t j = part.j; j < part.j + part.n; j += columns) {
    panel.n = std::min(columns, part.j + part.n - j);
    if (shared_b) {
      const char* b = shared_b + j / columns * s.panel_bytes();
      const bool more = j + columns < part.j + part.n;
      panel.b = b;
      panel.next = more ? b + s.panel_bytes() : nullptr;
      panel.next_bytes = more ? s.panel_bytes() : 0;
    } else {
      s.pack_b(j, panel.n, own_b);
    }
    panel.c = p.c + (part.i * p.c_row + j) * p.element();
    panel.bias = p.bias && s.k0 + s.k == p.k ? p.bias + j * p.element() : nullptr;
    s.gemm.panel(panel);
  }
}

int64_t padded_rows(const Product& p, const Gemm& gemm) { return divide_up(p.m, gemm.rows) * gemm.rows; }

// The tasks of [k_begin, k_end), whose panels of a are all there or are packed by each task. False: no memory.
bool multiply_tasks(const Product& p, const Gemm& gemm, const Cut& cut, const Shared& shared, int64_t k_begin, int64_t k_end) {
  const int64_t own_b = shared.b ? 0 : cut.depth * gemm.columns * p.element();
  const int64_t own_a = cut.direct || shared.a ? 0 : cut.rows * cut.depth * p.element();
  int all = 1;
  parallel_for(cut.down * cut.across, 1, [&](int64_t begin, int64_t end) {
    char* own = static_cast<char*>(host->scratch(size_t(own_a + own_b)));
    if (!own) return __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    for (int64_t t = begin; t < end; ++t) {
      const Part part = cut.part(p, t);
      for (int64_t k0 = k_begin; k0 < k_end; k0 += cut.depth) {
        const Stretch s{p, gemm, k0, std::min(cut.depth, k_end - k0)};
        const char* a = nullptr;
        if (shared.a) a = shared.a + ((k0 - k_begin) * padded_rows(p, gemm) + part.i * s.k) * p.element();
        else if (own_a) s.pack_a(part.i, part.m, own), a = own;
        multiply_part(s, part, a, shared.b, own + own_a);
      }
    }
  });
  return all;
}

// Few rows that are packed: once for all tasks, as many stretches at a time as the room holds.
fl_status multiply_across(const Product& p, const Gemm& gemm, const Cut& cut) {
  const int64_t rows = padded_rows(p, gemm), stretch_bytes = rows * cut.depth * p.element();
  const int64_t round = std::min(std::max<int64_t>(1, kSharedBytes / stretch_bytes), divide_up(p.k, cut.depth));
  char* a = static_cast<char*>(host->scratch(size_t(round * stretch_bytes)));
  if (!a) return no_memory("matmul");
  for (int64_t k_begin = 0; k_begin < p.k; k_begin += round * cut.depth) {
    const int64_t k_end = std::min(p.k, k_begin + round * cut.depth);
    const int64_t panels = rows / gemm.rows;
    parallel_for(panels, std::max<int64_t>(1, kPackGrain / ((k_end - k_begin) * gemm.rows)), [&](int64_t begin, int64_t end) {
      const int64_t i = begin * gemm.rows, m = std::min(p.m, end * gemm.rows) - i;
      for (int64_t k0 = k_begin; k0 < k_end; k0 += cut.depth) {
        const Stretch s{p, gemm, k0, std::min(cut.depth, k_end - k0)};
        s.pack_a(i, m, a + ((k0 - k_begin) * rows + i * s.k) * p.element());
      }
    });
    if (!multiply_tasks(p, gemm, cut, {a, nullptr}, k_begin, k_end)) return no_memory("matmul");
  }
  return FL_OK;
}

fl_status multiply_shared(const Product& p, const Gemm& gemm, const Cut& cut) {
  const int64_t panels = divide_up(p.n, gemm.columns);
  char* b = static_cast<char*>(host->scratch(size_t(panels * gemm.columns * cut.depth * p.element())));
  if (!b) return no_memory("matmul");
  for (int64_t k0 = 0; k0 < p.k; k0 += cut.depth) {
    const Stretch s{p, gemm, k0, std::min(cut.depth, p.k - k0)};
    parallel_for(panels, std::max<int64_t>(1, kPackGrain / (s.k * gemm.columns)), [&](int64_t begin, int64_t end) {
      const int64_t j = begin * gemm.columns;
      s.pack_b(j, std::min(p.n, end * gemm.columns) - j, b + begin * s.panel_bytes());
    });
    if (!multiply_tasks(p, gemm, cut, {nullptr, b}, k0, k0 + s.k)) return no_memory("matmul");
  }
  return FL_OK;
}

}  // namespace

fl_status multiply_panels(const Product& p) {
  const Gemm& gemm = *level->gemm(p.type);
  const Cut cut = cut_of(p, gemm.rows, gemm.columns);
  if (!cut.shared && !cut.direct && cut.across > 1) return multiply_across(p, gemm, cut);
  if (!cut.shared) return multiply_tasks(p, gemm, cut, {}, 0, p.k) ? FL_OK : no_memory("matmul");
  return by_columns(p, gemm.columns, [&](const Product& some) {
    return multiply_shared(some, gemm, some.n == p.n ? cut : cut_of(some, gemm.rows, gemm.columns));
  });
}

}  // namespace flambeau::cpu
