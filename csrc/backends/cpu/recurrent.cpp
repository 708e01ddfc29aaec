// recurrent.cpp: recurrent layers through time (long short-term memories, gated units, Elman networks). Weights are packed
// once; each step is a product and the cells of its units, cut into blocks of units by their number alone. A step waits
// for the one before. Sequences may have different lengths: the rows of a step stand together, the longest sequence first.
#include <algorithm>
#include <cstring>
#include <vector>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPieceWork = int64_t(1) << 21;
constexpr int64_t kDepth = 256;  // rows of a panel that stay in the first-level cache

struct State {
  const char* name;
  Type stored;
  CellKind kind;  // Tanh for both of Elman's, which an attribute tells apart
  bool gradient;
};

// When which sequences are there.
struct Time {
  const int64_t* counts;
  int64_t steps, n, rows = 0;
  bool backwards;
  std::vector<int64_t> offsets;
  explicit Time(const fl_call* call)
      : counts(call->attrs[0].value.ints), steps(call->attrs[0].count), n(counts[0]), backwards(call->attrs[1].value.i != 0) {
    for (int64_t t = 0; t < steps; rows += counts[t++]) offsets.push_back(rows);
  }
  int64_t at(int64_t place) const { return backwards ? steps - 1 - place : place; }
  int64_t first(int64_t place) const { return offsets[size_t(at(place))]; }
  // Sequences at this place of the order of computation; none before the first place and after the last.
  int64_t count(int64_t place) const { return place < 0 || place >= steps ? 0 : counts[at(place)]; }
};

// A weight's panels for products with it, block after block of columns.
template <class T>
struct Panels {
  const RecurrentLoops* loops;
  int64_t units, depth, gates;  // columns of the result, and how often; rows of a panel
  T* data;

  int64_t blocks() const { return divide_up(units, loops->columns); }
  int64_t width(int64_t block) const { return std::min<int64_t>(loops->columns, units - block * loops->columns); }
  bool reserve() { return (data = static_cast<T*>(host->scratch(size_t(blocks() * gates * depth * loops->columns) * sizeof(T)))); }
  const T* panel(int64_t block, int64_t gate) const { return data + (block * gates + gate) * depth * loops->columns; }

  // Of weight (gates units, depth), for products with its transpose.
  void pack_transposed(const T* weight) {
    const int64_t columns = loops->columns, panel = depth * columns;
    parallel_for(blocks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        for (int64_t gate = 0; gate < gates; ++gate) {
          T* to = data + (block * gates + gate) * panel;
          if (width(block) < columns) std::fill(to, to + panel, T(0));
          level->transpose(weight + (gate * units + block * columns) * depth, depth, to, columns, width(block), depth, sizeof(T));
        }
    });
  }
  // Of weight (depth, units).
  void pack(const T* weight) {
    const int64_t columns = loops->columns;
    parallel_for(blocks(), 1, [&](int64_t begin, int64_t end) {
      for (int64_t block = begin; block < end; ++block)
        for (int64_t k = 0; k < depth; ++k) {
          T* to = data + (block * depth + k) * columns;
          std::copy_n(weight + k * units + block * columns, width(block), to);
          std::fill(to + width(block), to + columns, T(0));
        }
    });
  }
  // to (n, columns) = a (n, depth) times one panel.
  void product(int64_t n, const T* a, int64_t block, int64_t gate, T* to) const {
    const T* b = panel(block, gate);
    for (int64_t k = 0; k < depth; k += kDepth)
      loops->product(n, loops->columns, std::min(kDepth, depth - k), a + k, depth, 1, b + k * loops->columns, loops->columns, to,
                     loops->columns, k > 0);
  }
  // Runs body(block, scratch of so many elements) for all blocks. False: no memory.
  template <class Body>
  bool for_blocks(int64_t n, int64_t elements, const Body& body) const {
    const int64_t work = std::max<int64_t>(1, n * depth * gates * loops->columns);
    return parallel_with_scratch(blocks(), std::max<int64_t>(1, kPieceWork / work), size_t(elements) * sizeof(T),
                                 [&](void* memory, int64_t begin, int64_t end) {
                                   for (int64_t block = begin; block < end; ++block) body(block, static_cast<T*>(memory));
                                 });
  }
};

// All outputs of a call.
template <class T>
class Results {
 public:
  Results(const fl_call* call, Type stored) {
    all_.reserve(size_t(call->output_count));
    for (int i = 0; i < call->output_count; ++i) all_.emplace_back(call->outputs[i], stored);
  }
  bool fine() const {
    return std::all_of(all_.begin(), all_.end(), [](const Result& out) { return out.data(); });
  }
  T* operator[](size_t i) const { return all_[i].as<T>(); }
  void store() const {
    for (const Result& out : all_) out.store();
  }

 private:
  std::vector<Result> all_;
};

const void* from(const void* base, int64_t elements, size_t size) {
  return base ? static_cast<const char*>(base) + elements * int64_t(size) : nullptr;
}

// Lstm: x, weight, h, c, projection? -> y, c, gates. Gru: x, weight, h, bias? -> y, gates. Elman: x, weight, h -> y.
template <class T>
fl_status forward(const State& state, const RecurrentLoops* loops, CellKind kind, const fl_call* call) {
  const Type stored = state.stored;
  const Time time(call);
  const T* in[5] = {};
  for (int i = 0; i < call->input_count; ++i)
    if (!(in[i] = reinterpret_cast<const T*>(dense(call->inputs[i], stored)))) return no_memory(state.name);
  const bool lstm = kind == CellKind::Lstm;
  const T *x = in[0], *h0 = in[2], *before0 = lstm ? in[3] : h0;
  const T *bias = lstm ? nullptr : in[3], *projection = lstm ? in[4] : nullptr;
  const int64_t gates = products_of(kind), kept = kept_of(kind);
  const int64_t units = call->inputs[0].shape[1] / gates, given = call->outputs[0].shape[1];
  const Results<T> out(call, stored);
  if (!out.fine()) return no_memory(state.name);
  T *y = out[0], *c = lstm ? out[1] : nullptr, *saved = lstm ? out[2] : kept ? out[1] : nullptr;
  Panels<T> weight{loops, units, given, gates, nullptr}, projector{loops, given, units, 1, nullptr};
  T* hidden = y;  // of a step, before the projection
  if (projection && !(hidden = static_cast<T*>(host->scratch(size_t(time.n * units) * sizeof(T))))) return no_memory(state.name);
  if (!weight.reserve() || (projection && !projector.reserve())) return no_memory(state.name);
  weight.pack_transposed(in[1]);
  if (projection) projector.pack_transposed(projection);
  bool fine = true;
  const int64_t columns = loops->columns;
  for (int64_t place = 0; place < time.steps; ++place) {
    const int64_t n = time.count(place), old = std::min(n, time.count(place - 1)), begin = time.first(place);
    const int64_t begin_before = place ? time.first(place - 1) : 0;
    const T* h = y + begin_before * given;
    const T* before = (lstm ? c : y) + begin_before * units;
    T* step_hidden = projection ? hidden : hidden + begin * units;
    fine &= weight.for_blocks(n, gates * n * columns, [&](int64_t block, T* product) {
      for (int64_t gate = 0; gate < gates; ++gate) {
        T* to = product + gate * n * columns;
        if (old > 0) weight.product(old, h, block, gate, to);
        if (old < n) weight.product(n - old, h0 + old * given, block, gate, to + old * columns);
      }
      const int64_t first = block * columns;
      for (int64_t i = 0; i < n; ++i) {
        const int64_t row = begin + i;
        loops->cell[int(kind)]({units, n * columns, x + row * gates * units + first, product + i * columns,
                                bias ? bias + first : nullptr, (i < old ? before : before0) + i * units + first,
                                saved ? saved + row * kept * units + first : nullptr, c ? c + row * units + first : nullptr,
                                step_hidden + i * units + first},
                               weight.width(block));
      }
    });
    if (!projection) continue;
    fine &= projector.for_blocks(n, n * columns, [&](int64_t block, T* product) {
      projector.product(n, hidden, block, 0, product);
      for (int64_t i = 0; i < n; ++i)
        std::copy_n(product + i * columns, projector.width(block), y + (begin + i) * given + block * columns);
    });
  }
  out.store();
  return fine ? FL_OK : no_memory(state.name);
}

// Lstm: dy, gates, c, first_c, weight, dc?, dgates?, projection? -> dx, dh0, dc0. Gru: dy, gates, y, first_h, weight,
// dgates? -> dx, dproducts, dh0. Elman: dy, y, first_h, weight -> dx, dh0.
template <class T>
fl_status backward(const State& state, const RecurrentLoops* loops, CellKind kind, const fl_call* call) {
  const Type stored = state.stored;
  const Time time(call);
  const T* in[8] = {};
  for (int i = 0; i < call->input_count; ++i)
    if (!(in[i] = reinterpret_cast<const T*>(dense(call->inputs[i], stored)))) return no_memory(state.name);
  const bool lstm = kind == CellKind::Lstm, gru = kind == CellKind::Gru, elman = !lstm && !gru;
  const T *dy = in[0], *saved = elman ? nullptr : in[1], *states = elman ? in[1] : in[2], *states0 = elman ? in[2] : in[3];
  const T *dc = lstm ? in[5] : nullptr, *dgates = lstm ? in[6] : gru ? in[5] : nullptr, *projection = lstm ? in[7] : nullptr;
  const int64_t gates = products_of(kind), kept = kept_of(kind), given = call->inputs[0].shape[1];
  const int64_t units = call->outputs[0].shape[1] / gates, depth = gates * units;
  const Results<T> out(call, stored);
  if (!out.fine()) return no_memory(state.name);
  T *dx = out[0], *dproducts = gru ? out[1] : dx, *dh0 = gru ? out[2] : out[1];
  T* carried = lstm ? out[2] : gru ? dh0 : nullptr;
  Panels<T> weight{loops, given, depth, 1, nullptr}, projector{loops, units, given, 1, nullptr};
  T* total = nullptr;  // of the projected outputs
  if (projection && !(total = static_cast<T*>(host->scratch(size_t(time.n * given) * sizeof(T))))) return no_memory(state.name);
  if (!weight.reserve() || (projection && !projector.reserve())) return no_memory(state.name);
  weight.pack(elman ? in[3] : in[4]);
  if (projection) projector.pack(projection);
  if (carried) std::fill(carried, carried + time.n * units, T(0));
  const int64_t columns = loops->columns;
  bool fine = true;
  // The gradient of step `place` from that of its output, `product` (n, columns): with dy added already, if projected.
  const auto cells = [&](int64_t place, int64_t block, int64_t width, const T* product) {
    const int64_t first = block * columns, begin = time.first(place), n = time.count(place);
    const int64_t old = std::min(n, time.count(place - 1)), begin_before = place ? time.first(place - 1) : 0;
    for (int64_t i = 0; i < n; ++i) {
      const int64_t row = begin + i, at = row * units + first, wide = row * depth + first, kept_at = row * kept * units + first;
      const T* before = i < old ? states + (begin_before + i) * units + first : states0 + i * units + first;
      loops->cell_grad[int(kind)]({units, product + i * columns, projection ? nullptr : dy + at, from(dc, at, sizeof(T)),
                                   from(dgates, kept_at, sizeof(T)), from(saved, kept_at, sizeof(T)), states + at, states + at,
                                   before, carried ? carried + i * units + first : nullptr, dx + wide,
                                   dproducts + wide},
                                  width);
    }
  };
  // After the first step comes one more product, for the gradient of the first states.
  for (int64_t place = time.steps - 1; place >= -1; --place) {
    const int64_t n = time.count(place), after = time.count(place + 1);
    const T* next = after ? dproducts + time.first(place + 1) * depth : nullptr;
    fine &= weight.for_blocks(std::max(n, after), std::max(n, after) * columns, [&](int64_t block, T* product) {
      const int64_t width = weight.width(block), first = block * columns;
      if (after) weight.product(after, next, block, 0, product);
      if (after < n) std::fill(product + after * columns, product + n * columns, T(0));
      for (int64_t i = n; i < after; ++i) {
        T* to = dh0 + i * given + first;
        for (int64_t j = 0; j < width; ++j) to[j] = gru ? to[j] + product[i * columns + j] : product[i * columns + j];
      }
      if (!projection) return n ? cells(place, block, width, product) : void();
      for (int64_t i = 0; i < n; ++i)
        for (int64_t j = 0; j < width; ++j)
          total[i * given + first + j] = product[i * columns + j] + dy[(time.first(place) + i) * given + first + j];
    });
    if (projection && n)
      fine &= projector.for_blocks(n, n * columns, [&](int64_t block, T* product) {
        projector.product(n, total, block, 0, product);
        cells(place, block, projector.width(block), product);
      });
  }
  out.store();
  return fine ? FL_OK : no_memory(state.name);
}

template <class T>
fl_status run_as(const State& state, const fl_call* call) {
  const bool relu = state.kind == CellKind::Tanh && call->attrs[2].value.i != 0;
  const CellKind kind = relu ? CellKind::Relu : state.kind;
  const RecurrentLoops* loops = level->recurrent(compute_type(state.stored));
  return state.gradient ? backward<T>(state, loops, kind, call) : forward<T>(state, loops, kind, call);
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  if (count_of(call->outputs[0]) == 0) return FL_OK;  // no sequences, or no units: all outputs are empty
  const State& state = state_of<State>(self);
  return compute_type(state.stored) == Type::Float64 ? run_as<double>(state, call) : run_as<float>(state, call);
}

const fl_kernel* resolve(const char* op, std::span<const Type> types) {
  if (!all_one_float(types)) return nullptr;
  const CellKind kind = op[0] == 'l' ? CellKind::Lstm : op[0] == 'g' ? CellKind::Gru : CellKind::Tanh;
  return keep_kernel(run, State{op, types[0], kind, std::strstr(op, "_grad") != nullptr});
}

const Registration kRecurrent({"lstm", "lstm_grad", "gru", "gru_grad", "rnn", "rnn_grad"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
