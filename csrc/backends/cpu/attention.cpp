// attention.cpp: attention and its gradient without the matrix of weights. Keys are taken block by block, and the sums
// for a query are brought to a new largest score as it appears (Milakov and Gimelshein, arXiv:1805.02867; Dao and
// others, arXiv:2205.14135). Blocks of scores stand with keys down and queries across, so only queries are packed:
// keys and values are read where they lie. Work is cut by sizes alone.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "dense.h"
#include "simd/neural.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kKeys = 96;    // of a block
constexpr int64_t kGroups = 4;   // groups of queries that are computed together
constexpr int64_t kPieces = 8;   // of a gradient's keys, where there are few heads

// Matrices in a stack: the last two axes, and where each matrix begins.
template <class T>
struct Stack {
  const T* data = nullptr;
  int64_t row = 0;
  int ndim = 0;
  const int64_t* shape = nullptr;
  int64_t strides[kMaxDims];

  // The tensor where it lies if its rows are contiguous, else a copy in the type of computation. False: no memory.
  bool open(const fl_tensor& x, Type stored) {
    ndim = x.ndim;
    shape = x.shape;
    const int last = ndim - 1;
    if (compute_type(stored) == stored && (x.strides[last] == 1 || x.shape[last] == 1)) {
      data = reinterpret_cast<const T*>(data_of(x));
      std::copy(x.strides, x.strides + ndim, strides);
    } else {
      data = reinterpret_cast<const T*>(dense(x, stored));
      int64_t stride = 1;
      for (int d = last; d >= 0; --d) {
        strides[d] = stride;
        stride *= shape[d];
      }
    }
    row = strides[ndim - 2];
    return data != nullptr || count_of(x) == 0;
  }
  const T* matrix(int64_t index) const {
    return data + offset_of(index, ndim - 2, shape, strides);
  }
};

// What may be looked at: bool, or numbers to add, broadcast to the scores.
struct Mask {
  const char* data = nullptr;
  bool boolean = false;
  int ndim = 0;
  const int64_t* shape = nullptr;  // of the queries
  int64_t strides[kMaxDims];       // for each axis of the queries, the last for keys

  void open(const fl_tensor& mask, const fl_tensor& query, bool is_boolean) {
    data = data_of(mask);
    boolean = is_boolean;
    ndim = query.ndim;
    shape = query.shape;
    for (int d = 0; d < ndim; ++d) {
      const int own = d - (ndim - mask.ndim);
      strides[d] = own < 0 || mask.shape[own] == 1 ? 0 : mask.strides[own];
    }
  }
  int64_t matrix(int64_t index) const { return offset_of(index, ndim - 2, shape, strides); }
  // On scores[keys][...] of `queries` queries.
  template <class T>
  void apply(int64_t at, int64_t query, int64_t queries, int64_t key, int64_t keys, T* scores, int64_t row) const {
    const int64_t down = strides[ndim - 2], along = strides[ndim - 1];
    at += query * down + key * along;
    for (int64_t j = 0; j < keys; ++j)
      for (int64_t i = 0; i < queries; ++i) {
        T& score = scores[j * row + i];
        const int64_t place = at + i * down + j * along;
        if (!boolean) score += reinterpret_cast<const T*>(data)[place];
        else if (!data[place]) score = -std::numeric_limits<T>::infinity();
      }
  }
};

template <class T>
struct Problem {
  const AttentionLoops& loops;
  Stack<T> q, k, v, g;
  Mask mask;
  bool causal;
  T scale;
  int64_t heads = 1, groups = 1;  // of queries; of keys and values
  int64_t matrices = 1;           // all heads of queries
  int64_t length, size, e, values;

  explicit Problem(const AttentionLoops& l) : loops(l) {}
  void measure(const fl_tensor& query, const fl_tensor& key, const fl_tensor& value) {
    const int n = query.ndim;
    length = query.shape[n - 2], e = query.shape[n - 1];
    size = key.shape[n - 2], values = value.shape[n - 1];
    if (n > 2) heads = query.shape[n - 3], groups = key.shape[n - 3];
    for (int d = 0; d < n - 2; ++d) matrices *= query.shape[d];
  }
  int64_t group_of(int64_t matrix) const { return matrix / heads * groups + matrix % heads / (heads / groups); }
  // Keys that some of the queries up to `last` may look at.
  int64_t visible(int64_t last) const { return causal ? std::min(size, last + 1) : size; }

  // scores[keys][queries] of a group that begins at query q0, for keys from j0 on.
  void scores(const T* keys_at, const T* turned, int64_t matrix, int64_t q0, int64_t count, int64_t j0, int64_t keys,
              T* to, int64_t row) const {
    loops.product(keys, loops.queries, e, keys_at + j0 * k.row, k.row, 1, turned, loops.queries, to, row, false);
    if (mask.data) mask.apply(mask.matrix(matrix), q0, count, j0, keys, to, row);
    for (int64_t j = std::max<int64_t>(0, q0 + 1 - j0); causal && j < keys; ++j)
      std::fill(to + j * row, to + j * row + std::min<int64_t>(loops.queries, j0 + j - q0), -std::numeric_limits<T>::infinity());
  }
};

// Rows x[count][n] as to[n][lanes]; lanes past the count are zero.
template <class T>
void turn(const T* x, int64_t row, int64_t count, int64_t n, int64_t lanes, T* to) {
  level->transpose(x, row, to, lanes, count, n, sizeof(T));
  if (count == lanes) return;
  for (int64_t r = 0; r < n; ++r) std::fill(to + r * lanes + count, to + (r + 1) * lanes, T(0));
}

// ---- forward -------------------------------------------------------------------------------------------------

template <class T>
bool attend_block(const Problem<T>& p, int64_t matrix, int64_t first, T* y, T* lse) {
  const int64_t lanes = p.loops.queries, e = p.e, n = p.values;
  const int64_t groups = std::min(kGroups, divide_up(p.length - first, lanes));
  const int64_t each = (e + n + 3) * lanes;
  T* memory = static_cast<T*>(piece_scratch(size_t(groups * each + kKeys * lanes + lanes) * sizeof(T)));
  if (!memory) return false;
  T *scores = memory + groups * each, *scales = scores + kKeys * lanes;
  std::fill_n(scales, lanes, p.scale);
  const int64_t kv = p.group_of(matrix);
  const T *q = p.q.matrix(matrix), *k = p.k.matrix(kv), *v = p.v.matrix(kv);
  const T infinity = std::numeric_limits<T>::infinity();
  for (int64_t g = 0; g < groups; ++g) {
    T* state = memory + g * each;
    const int64_t q0 = first + g * lanes;
    turn(q + q0 * p.q.row, p.q.row, std::min(lanes, p.length - q0), e, lanes, state);
    p.loops.scale_rows(state, e, scales);
    std::fill(state + e * lanes, state + (e + n) * lanes, T(0));
    std::fill(state + (e + n) * lanes, state + (e + n + 1) * lanes, -infinity);
    std::fill(state + (e + n + 1) * lanes, state + (e + n + 2) * lanes, T(0));
  }
  const int64_t end = p.visible(std::min(p.length, first + groups * lanes) - 1);
  for (int64_t j0 = 0; j0 < end; j0 += kKeys)
    for (int64_t g = 0; g < groups; ++g) {
      const int64_t q0 = first + g * lanes, count = std::min(lanes, p.length - q0);
      const int64_t keys = std::min(kKeys, p.visible(q0 + count - 1) - j0);
      if (keys <= 0) continue;
      T* turned = memory + g * each;
      T* sums = turned + e * lanes;
      T* tops = sums + n * lanes;
      p.scores(k, turned, matrix, q0, count, j0, keys, scores, lanes);
      p.loops.probabilities(scores, lanes, keys, tops, tops + lanes, tops + 2 * lanes);
      if (j0 > 0) p.loops.scale_rows(sums, n, tops + 2 * lanes);
      p.loops.product(n, lanes, keys, v + j0 * p.v.row, 1, p.v.row, scores, lanes, sums, lanes, j0 > 0);
    }
  for (int64_t g = 0; g < groups; ++g) {
    const int64_t q0 = first + g * lanes, count = std::min(lanes, p.length - q0);
    T* sums = memory + g * each + e * lanes;
    T* tops = sums + n * lanes;
    const T* totals = tops + lanes;
    T* factors = tops + 2 * lanes;
    for (int64_t i = 0; i < lanes; ++i) {
      const bool blind = totals[i] == T(0);
      factors[i] = blind ? T(0) : T(1) / totals[i];
      if (blind)
        for (int64_t r = 0; r < n; ++r) sums[r * lanes + i] = 0;
      if (i < count) lse[matrix * p.length + q0 + i] = blind ? infinity : tops[i] + std::log(totals[i]);
    }
    p.loops.scale_rows(sums, n, factors);
    level->transpose(sums, lanes, y + (matrix * p.length + q0) * n, n, n, count, sizeof(T));
  }
  return true;
}

// ---- gradient ------------------------------------------------------------------------------------------------

// The results of a gradient and what it takes from forward, contiguous.
template <class T>
struct Gradients {
  T *dq, *dk, *dv;
  const T *lse, *delta;
};

template <class T>
struct GradientMemory {
  T *turned, *turned_g, *rows, *rows_g, *dq, *scores, *products, *lse, *delta, *scales, *dk, *dv;
};

// For keys [key_begin, key_end) of one group of keys and values: their gradients, and their share in that of q.
template <class T>
bool gradient_piece(const Problem<T>& p, const Gradients<T>& out, int64_t kv, int64_t key_begin, int64_t key_end, T* dq_out) {
  const int64_t lanes = p.loops.queries, width = kGroups * lanes, score_row = width + p.loops.lanes, e = p.e, n = p.values;
  const int64_t wide_e = divide_up(e, p.loops.lanes) * p.loops.lanes, wide_n = divide_up(n, p.loops.lanes) * p.loops.lanes;
  const int64_t count_keys = key_end - key_begin;
  const int64_t sizes[] = {e * width,         n * width, width * wide_e, width * wide_n, e * width,
                           kKeys * score_row, kKeys * score_row, width, width, lanes,
                           wide_e == e ? 0 : count_keys * wide_e, wide_n == n ? 0 : count_keys * wide_n};
  int64_t total = 0;
  for (const int64_t size : sizes) total += divide_up(size, 16) * 16;
  T* at = static_cast<T*>(piece_scratch(size_t(total) * sizeof(T)));
  if (!at) return false;
  T* parts[12];
  for (int i = 0; i < 12; ++i) {
    parts[i] = at;
    at += divide_up(sizes[i], 16) * 16;
  }
  const GradientMemory<T> m{parts[0], parts[1], parts[2], parts[3], parts[4], parts[5], parts[6], parts[7], parts[8],
                            parts[9], wide_e == e ? out.dk + (kv * p.size + key_begin) * e : parts[10],
                            wide_n == n ? out.dv + (kv * p.size + key_begin) * n : parts[11]};
  std::fill_n(m.scales, lanes, p.scale);
  std::fill(m.dk, m.dk + count_keys * wide_e, T(0));
  std::fill(m.dv, m.dv + count_keys * wide_n, T(0));
  std::fill(m.rows, m.rows + width * wide_e, T(0));
  std::fill(m.rows_g, m.rows_g + width * wide_n, T(0));
  const T *k = p.k.matrix(kv), *v = p.v.matrix(kv);
  const int64_t sharing = p.heads / p.groups;
  for (int64_t head = 0; head < sharing; ++head) {
    const int64_t matrix = kv / p.groups * p.heads + kv % p.groups * sharing + head;
    const T *q = p.q.matrix(matrix), *g = p.g.matrix(matrix);
    for (int64_t first = 0; first < p.length; first += width) {
      const int64_t queries = std::min(width, p.length - first), groups = divide_up(queries, lanes);
      for (int64_t i = 0; i < groups; ++i) {
        const int64_t q0 = first + i * lanes, count = std::min(lanes, p.length - q0);
        turn(q + q0 * p.q.row, p.q.row, count, e, lanes, m.turned + i * e * lanes);
        turn(g + q0 * p.g.row, p.g.row, count, n, lanes, m.turned_g + i * n * lanes);
        p.loops.scale_rows(m.turned + i * e * lanes, e, m.scales);
      }
      for (int64_t i = 0; i < queries; ++i) {
        std::copy_n(q + (first + i) * p.q.row, e, m.rows + i * wide_e);
        std::copy_n(g + (first + i) * p.g.row, n, m.rows_g + i * wide_n);
      }
      std::copy_n(out.lse + matrix * p.length + first, queries, m.lse);
      std::copy_n(out.delta + matrix * p.length + first, queries, m.delta);
      std::fill(m.lse + queries, m.lse + width, std::numeric_limits<T>::infinity());
      std::fill(m.delta + queries, m.delta + width, T(0));
      std::fill(m.dq, m.dq + e * groups * lanes, T(0));
      for (int64_t j0 = key_begin; j0 < std::min(key_end, p.visible(first + queries - 1)); j0 += kKeys) {
        const int64_t keys = std::min(kKeys, key_end - j0);
        // Groups before this one end before the first of these keys.
        const int64_t begin = p.causal ? std::max<int64_t>(0, (j0 - first) / lanes) : 0;
        for (int64_t i = begin; i < groups; ++i) {
          const int64_t q0 = first + i * lanes, count = std::min(lanes, p.length - q0);
          const int64_t seen = std::min(keys, p.visible(q0 + lanes - 1) - j0);
          T *s = m.scores + i * lanes, *d = m.products + i * lanes;
          p.scores(k, m.turned + i * e * lanes, matrix, q0, count, j0, seen, s, score_row);
          p.loops.product(seen, lanes, n, v + j0 * p.v.row, p.v.row, 1, m.turned_g + i * n * lanes, lanes, d, score_row, false);
          p.loops.score_gradients(s, d, score_row, seen, m.lse + i * lanes, m.delta + i * lanes, m.scales);
          p.loops.product(e, lanes, seen, k + j0 * p.k.row, 1, p.k.row, d, score_row, m.dq + i * e * lanes, lanes, true);
        }
        // On the diagonal as many keys at a time as a group has queries: both begin at multiples of that.
        const int64_t step = p.causal && j0 + keys > first + lanes ? lanes : keys;
        for (int64_t j = 0; j < keys; j += step) {
          const int64_t skip = p.causal ? std::max<int64_t>(0, (j0 + j - first) / lanes * lanes) : 0, used = groups * lanes - skip;
          if (used <= 0) break;  // nobody sees them
          const int64_t rows = std::min(step, keys - j), at = j * score_row + skip, to = j0 + j - key_begin;
          p.loops.product(rows, wide_n, used, m.scores + at, score_row, 1, m.rows_g + skip * wide_n, wide_n, m.dv + to * wide_n,
                          wide_n, true);
          p.loops.product(rows, wide_e, used, m.products + at, score_row, 1, m.rows + skip * wide_e, wide_e, m.dk + to * wide_e,
                          wide_e, true);
        }
      }
      for (int64_t i = 0; i < groups; ++i) {
        const int64_t q0 = first + i * lanes, count = std::min(lanes, p.length - q0);
        level->transpose(m.dq + i * e * lanes, lanes, dq_out + (matrix * p.length + q0) * e, e, e, count, sizeof(T));
      }
    }
  }
  for (int64_t j = 0; j < count_keys && wide_e != e; ++j)
    std::copy_n(m.dk + j * wide_e, e, out.dk + (kv * p.size + key_begin + j) * e);
  for (int64_t j = 0; j < count_keys && wide_n != n; ++j)
    std::copy_n(m.dv + j * wide_n, n, out.dv + (kv * p.size + key_begin + j) * n);
  return true;
}

// ---- calls ---------------------------------------------------------------------------------------------------

struct State {
  Type stored;
  bool gradient, boolean_mask;
};

template <class T>
fl_status run_as(const State& state, const fl_call* call) {
  const Type stored = state.stored, computed = compute_type(stored);
  const AttentionLoops& loops = *level->attention(computed);
  const fl_tensor* in = call->inputs;
  const fl_tensor &query = in[0], &key = in[1], &value = in[2];
  Problem<T> p(loops);
  p.measure(query, key, value);
  p.causal = call->attrs[0].value.i != 0;
  p.scale = T(call->attrs[1].value.f);
  const int masked = state.gradient ? 6 : 3;
  if (call->input_count > masked) p.mask.open(in[masked], query, state.boolean_mask);
  if (!p.q.open(query, stored) || !p.k.open(key, stored) || !p.v.open(value, stored)) return no_memory("attention");
  int all = 1;
  if (!state.gradient) {
    Result y(call->outputs[0], stored), lse(call->outputs[1], computed);
    if (!y.data() || !lse.data()) return no_memory("attention");
    const int64_t width = kGroups * loops.queries, blocks = divide_up(p.length, width);
    parallel_for(p.matrices * blocks, 1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i)
        if (!attend_block(p, i / blocks, i % blocks * width, y.as<T>(), lse.as<T>())) __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    });
    y.store();
    return all ? FL_OK : no_memory("attention");
  }
  const char *lse = dense(in[3], computed), *delta = dense(in[4], computed);
  Result dq(call->outputs[0], stored), dk(call->outputs[1], stored), dv(call->outputs[2], stored);
  if (!p.g.open(in[5], stored) || !lse || !delta || !dq.data() || !dk.data() || !dv.data()) return no_memory("attention_grad");
  const int64_t owners = p.heads ? p.matrices / p.heads * p.groups : 0, n = p.matrices * p.length * p.e;
  const int64_t pieces = std::clamp<int64_t>(std::min(kPieces / std::max<int64_t>(1, owners), p.size / (4 * kKeys)), 1, kPieces);
  const int64_t piece_keys = divide_up(divide_up(p.size, pieces), kKeys) * kKeys;
  T* partial = pieces == 1 ? dq.as<T>() : static_cast<T*>(host->scratch(size_t(pieces * n) * sizeof(T)));
  if (!partial) return no_memory("attention_grad");
  const Gradients<T> out{dq.as<T>(), dk.as<T>(), dv.as<T>(), reinterpret_cast<const T*>(lse), reinterpret_cast<const T*>(delta)};
  parallel_for(owners * pieces, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t piece = i % pieces, first = std::min(p.size, piece * piece_keys);
      if (!gradient_piece(p, out, i / pieces, first, std::min(p.size, first + piece_keys), partial + piece * n))
        __atomic_store_n(&all, 0, __ATOMIC_RELAXED);
    }
  });
  if (pieces > 1)
    parallel_for(n, 16 * kBlock, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        T sum = partial[i];
        for (int64_t piece = 1; piece < pieces; ++piece) sum += partial[piece * n + i];
        out.dq[i] = sum;
      }
    });
  dq.store();
  dk.store();
  dv.store();
  return all ? FL_OK : no_memory("attention_grad");
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const State& state = state_of<State>(self);
  return compute_type(state.stored) == Type::Float64 ? run_as<double>(state, call) : run_as<float>(state, call);
}

// Fewer queries leave most lanes empty: products of vectors are faster then.
int32_t claims(const fl_kernel*, const fl_call* call) { return call->inputs[0].shape[call->inputs[0].ndim - 2] >= 4; }

// attention(query, key, value, mask?) -> y, lse; attention_grad(query, key, value, lse, delta, g, mask?) -> three.
const fl_kernel* resolve(const char* op, std::span<const Type> types) {
  const bool gradient = std::strcmp(op, "attention_grad") == 0;
  const size_t outputs = gradient ? 3 : 2, fixed = gradient ? 6 : 3;
  if (types.size() != fixed + outputs && types.size() != fixed + outputs + 1) return nullptr;
  const Type stored = types[0], computed = compute_type(stored);
  if (!is_floating(stored)) return nullptr;
  const bool masked = types.size() == fixed + outputs + 1;
  for (size_t i = 0; i < types.size(); ++i) {
    const bool mask = masked && i == fixed, sums = gradient ? i == 3 || i == 4 : i + 1 == types.size();
    if (mask ? types[i] != Type::Bool && types[i] != computed : types[i] != (sums ? computed : stored)) return nullptr;
  }
  return keep_kernel(run, State{stored, gradient, masked && types[fixed] == Type::Bool}, claims);
}

const Registration kAttention({"attention", "attention_grad"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
