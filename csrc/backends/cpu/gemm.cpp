// gemm.cpp: large products by packed panels.
//
// Where a has many rows, each task goes with its band of a, as it lies or packed, over all panels of b, which are packed by
// whoever needs them first. Elsewhere a task packs the panels of b that it needs one by one; rows of a are read as they lie, or
// are packed by all threads before. While a panel is multiplied the next one comes to the second-level cache. Each element
// of the result is summed in the order of k, in stretches that depend on k alone, whatever the task it falls into.
#include <algorithm>
#include <span>

#include "product.h"

namespace flambeau::cpu {
namespace {

// Measured on Zen 5 with AVX-512; the sizes are flat around these (see docs/performance.md).
constexpr int64_t kDepthBytes = 2048;      // of a stretch of k: two lanes' panels in the first-level cache
constexpr int64_t kBandRows = 192;         // of a task where b is packed by all: its a stays in the second-level cache
constexpr int64_t kFewRows = 512;          // of a task where it packs b itself
constexpr int64_t kDirectColumns = 1536;   // up to these a is not worth packing
constexpr int64_t kSharedWork = int64_t(1) << 27;   // m n k from which b is packed by all
constexpr int64_t kSharedBytes = int64_t(1) << 20;  // of a or b packed for all tasks at once: stays near the second-level cache
constexpr int64_t kTaskWork = int64_t(1) << 21;
constexpr int64_t kTasks = 8;      // or one a thread; the bits are the same, for no sum depends on its task
constexpr int64_t kEvenTasks = 4;  // bands come in multiples of so many, or of the threads, for as many threads and half of them

void cut_rows(Cut& cut, const Product& p, int64_t down) {
  const int64_t tiles = divide_up(p.m, cut.tile_rows);
  cut.down = std::min(down, tiles);
  cut.rows = divide_up(tiles, cut.down) * cut.tile_rows;
}

}  // namespace

Cut cut_of(const Product& p, int64_t tile_rows, int64_t tile_columns) {
  Cut cut{.tile_rows = tile_rows, .tile_columns = tile_columns};
  const bool rows_lie = p.a.column == 1 && p.a.row != 0;
  const int64_t work = p.m * p.n * p.k, stretches = divide_up(p.k * p.element(), kDepthBytes);
  cut.depth = divide_up(divide_up(p.k, stretches), 4) * 4;
  cut.shared = p.m > kFewRows && (!rows_lie || work > kSharedWork);
  cut.direct = rows_lie && (!cut.shared || p.n <= kDirectColumns);
  const int64_t threads = host->thread_count(), even = std::max(kEvenTasks, threads);
  const int64_t wanted = p.whole ? 1 : std::clamp<int64_t>(work / kTaskWork, 1, std::max(kTasks, threads));
  const int64_t bands = divide_up(p.m, cut.shared ? kBandRows : kFewRows);
  cut_rows(cut, p, cut.shared && wanted > 1 ? std::max(wanted, divide_up(bands, even) * even) : bands);
  cut.across = std::clamp<int64_t>(divide_up(wanted, cut.down), 1, std::max<int64_t>(1, p.n / (2 * tile_columns)));
  if (cut.across * cut.down < wanted) {  // few columns
    cut_rows(cut, p, std::min(divide_up(wanted, cut.across), divide_up(p.m, 2 * tile_rows)));
    // Bands of a few rows each would pack all of b.
    cut.shared = cut.shared || (cut.down > 1 && cut.direct);
  }
  cut.columns = divide_up(divide_up(p.n, tile_columns), cut.across) * tile_columns;
  return cut;
}

namespace {

struct Stretch {
  const Product& p;
  const Gemm& gemm;
  int64_t k0, k;
  const char* a_at(int64_t i) const { return p.a.data + (i * p.a.row + k0 * p.a.column) * p.element(); }
  const char* b_at(int64_t j) const { return p.b.data + (k0 * p.b.row + j * p.b.column) * p.element(); }
  void pack_a(int64_t i, int64_t m, char* to) const { gemm.pack(a_at(i), p.a.row, p.a.column, m, k, gemm.rows, to); }
  void pack_b(int64_t j, char* to) const {
    gemm.pack(b_at(j), p.b.column, p.b.row, std::min<int64_t>(gemm.columns, p.n - j), k, gemm.columns, to);
  }
  int64_t panel_bytes() const { return k * gemm.columns * p.element(); }
  Ahead packed_panel(const char* at) const { return {at, panel_bytes() / 64, 64, 1}; }
  // What pack_b will read.
  Ahead panel_as_it_lies(int64_t j) const {
    const int64_t n = std::min<int64_t>(gemm.columns, p.n - j), element = p.element();
    if (p.b.row == 1) return {b_at(j), n, p.b.column * element, divide_up(k * element, 64)};
    return {b_at(j), k, p.b.row * element, divide_up(n * element, 64)};
  }
};

// Panels of b of some stretches, packed by the first task that needs them. Nobody waits: a task that needs what another
// one is packing packs it for itself.
class SharedPanels {
 public:
  SharedPanels(const Product& p, const Gemm& gemm, int64_t depth, int64_t stretches)
      : each_(depth * gemm.columns * p.element()), across_(divide_up(p.n, gemm.columns)),
        memory_(static_cast<char*>(host->scratch(size_t(stretches * across_ * (each_ + 1))))) {
    if (memory_) states_ = {memory_ + stretches * across_ * each_, size_t(stretches * across_)};
  }
  bool there() const { return memory_; }
  void begin_round() { std::ranges::fill(states_, kMissing); }
  bool is_packed(int64_t stretch, int64_t panel) const {
    return __atomic_load_n(&states_[stretch * across_ + panel], __ATOMIC_ACQUIRE) == kPacked;
  }
  char* at(int64_t stretch, int64_t panel) const { return memory_ + (stretch * across_ + panel) * each_; }
  // The panel from column j on; `own` is room for one.
  const char* take(const Stretch& s, int64_t stretch, int64_t j, char* own) const {
    const int64_t panel = j / s.gemm.columns;
    if (is_packed(stretch, panel)) return at(stretch, panel);
    char *state = &states_[stretch * across_ + panel], expected = kMissing;
    if (!__atomic_compare_exchange_n(state, &expected, kTaken, false, __ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
      if (expected == kPacked) return at(stretch, panel);
      s.pack_b(j, own);
      return own;
    }
    s.pack_b(j, at(stretch, panel));
    __atomic_store_n(state, kPacked, __ATOMIC_RELEASE);
    return at(stretch, panel);
  }

 private:
  static constexpr char kMissing = 0, kTaken = 1, kPacked = 2;
  int64_t each_, across_;
  char* memory_;
  std::span<char> states_;  // of each panel
};

// Panels of the operands that tasks share, of the stretches of one round, or null.
struct Round {
  int64_t k_begin, k_end;
  const char* a;
  const SharedPanels* b;
};

// A part for a stretch of k. a: the part's panels, or null: its rows are read as they lie. Its columns are gone through
// from `first` on and around, so that tasks that begin together need different panels of b.
void multiply_part(const Stretch& s, const Part& part, int64_t first, const char* a, const SharedPanels* shared_b,
                   int64_t stretch, char* own_b) {
  const Product& p = s.p;
  const int64_t columns = s.gemm.columns, count = divide_up(part.n, columns);
  GemmPanel panel{part.m, 0, s.k, a ? a : s.a_at(part.i), a ? 0 : p.a.row, own_b, nullptr, p.c_row, s.k0 > 0 || p.accumulate,
                  nullptr, {}};
  for (int64_t i = 0; i < count; ++i) {
    const int64_t j = part.j + (first + i) % count * columns, next = part.j + (first + i + 1) % count * columns;
    panel.n = std::min(columns, part.j + part.n - j);
    if (shared_b) panel.b = shared_b->take(s, stretch, j, own_b);
    else s.pack_b(j, own_b);
    panel.next = {};
    if (i + 1 < count) {
      const bool packed = shared_b && shared_b->is_packed(stretch, next / columns);
      panel.next = packed ? s.packed_panel(shared_b->at(stretch, next / columns)) : s.panel_as_it_lies(next);
    }
    panel.c = p.c + (part.i * p.c_row + j) * p.element();
    panel.bias = p.bias && s.k0 + s.k == p.k ? p.bias + j * p.element() : nullptr;
    s.gemm.panel(panel);
  }
}

int64_t padded_rows(const Product& p, const Gemm& gemm) { return divide_up(p.m, gemm.rows) * gemm.rows; }

// The tasks of a round; what is not shared each of them packs for itself. False: no memory.
bool multiply_tasks(const Product& p, const Gemm& gemm, const Cut& cut, const Round& round) {
  const int64_t own_b = cut.depth * gemm.columns * p.element();
  const int64_t own_a = cut.direct || round.a ? 0 : cut.rows * cut.depth * p.element();
  const int64_t tasks = cut.down * cut.across, panels = divide_up(cut.columns, gemm.columns);
  int all = 1;
  parallel_for(tasks, 1, [&](int64_t begin, int64_t end) {
    char* own = static_cast<char*>(host->scratch(size_t(own_a + own_b)));
    if (!own) return __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    for (int64_t t = begin; t < end; ++t) {
      const Part part = cut.part(p, t);
      const int64_t first = round.b ? t * panels / tasks : 0;
      for (int64_t k0 = round.k_begin, stretch = 0; k0 < round.k_end; k0 += cut.depth, ++stretch) {
        const Stretch s{p, gemm, k0, std::min(cut.depth, round.k_end - k0)};
        const char* a = nullptr;
        if (round.a) a = round.a + ((k0 - round.k_begin) * padded_rows(p, gemm) + part.i * s.k) * p.element();
        else if (own_a) s.pack_a(part.i, part.m, own), a = own;
        multiply_part(s, part, first, a, round.b, stretch, own + own_a);
      }
    }
  });
  return all;
}

// Few rows that are packed: once for all tasks, as many stretches at a time as the room holds.
fl_status multiply_across(const Product& p, const Gemm& gemm, const Cut& cut) {
  const int64_t rows = padded_rows(p, gemm), stretch_bytes = rows * cut.depth * p.element();
  const int64_t at_once = std::min(std::max<int64_t>(1, kSharedBytes / stretch_bytes), divide_up(p.k, cut.depth));
  char* a = static_cast<char*>(host->scratch(size_t(at_once * stretch_bytes)));
  if (!a) return no_memory("matmul");
  for (int64_t k_begin = 0; k_begin < p.k; k_begin += at_once * cut.depth) {
    const int64_t k_end = std::min(p.k, k_begin + at_once * cut.depth);
    const int64_t panels = rows / gemm.rows;
    parallel_for(panels, std::max<int64_t>(1, kPackGrain / ((k_end - k_begin) * gemm.rows)), [&](int64_t begin, int64_t end) {
      const int64_t i = begin * gemm.rows, m = std::min(p.m, end * gemm.rows) - i;
      for (int64_t k0 = k_begin; k0 < k_end; k0 += cut.depth) {
        const Stretch s{p, gemm, k0, std::min(cut.depth, k_end - k0)};
        s.pack_a(i, m, a + ((k0 - k_begin) * rows + i * s.k) * p.element());
      }
    });
    if (!multiply_tasks(p, gemm, cut, {k_begin, k_end, a, nullptr})) return no_memory("matmul");
  }
  return FL_OK;
}

fl_status multiply_shared(const Product& p, const Gemm& gemm, const Cut& cut) {
  const int64_t stretch_bytes = divide_up(p.n, gemm.columns) * gemm.columns * cut.depth * p.element();
  const int64_t at_once = std::min(std::max<int64_t>(1, kSharedBytes / stretch_bytes), divide_up(p.k, cut.depth));
  SharedPanels b(p, gemm, cut.depth, at_once);
  if (!b.there()) return no_memory("matmul");
  for (int64_t k_begin = 0; k_begin < p.k; k_begin += at_once * cut.depth) {
    b.begin_round();
    if (!multiply_tasks(p, gemm, cut, {k_begin, std::min(p.k, k_begin + at_once * cut.depth), nullptr, &b}))
      return no_memory("matmul");
  }
  return FL_OK;
}

}  // namespace

fl_status multiply_panels(const Product& p) {
  const Gemm& gemm = *level->gemm(p.type);
  const Cut cut = cut_of(p, gemm.rows, gemm.columns);
  if (!cut.shared && !cut.direct && cut.across > 1) return multiply_across(p, gemm, cut);
  if (!cut.shared) return multiply_tasks(p, gemm, cut, {0, p.k, nullptr, nullptr}) ? FL_OK : no_memory("matmul");
  return by_columns(p, gemm.columns, [&](const Product& some) {
    return multiply_shared(some, gemm, some.n == p.n ? cut : cut_of(some, gemm.rows, gemm.columns));
  });
}

}  // namespace flambeau::cpu
