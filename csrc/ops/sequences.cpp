// sequences.cpp: packed sequences of different lengths through time.
#include "ops/sequences.h"

#include <algorithm>
#include <numeric>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"

namespace flambeau::ops {

namespace {

Tensor zeros_of(const Tensor& like, int64_t n) { return broadcast_to(constant(0, like), {n, like.size(1)}); }
Tensor joined(const std::vector<Tensor>& parts) { return parts.size() == 1 ? parts[0] : concat(parts, 0); }

}  // namespace

Sequences::Sequences(const Dims& counts, bool reverse) : counts_(counts), reverse_(reverse) {
  offsets_.push_back(0);
  for (const int64_t n : counts) offsets_.push_back(offsets_.back() + n);
}

Tensor Sequences::step(const Tensor& x, int64_t t) const {
  return narrow(x, 0, offsets_[size_t(t)], offsets_[size_t(t) + 1]);
}

Tensor Sequences::enter(const Tensor& now, const Tensor& first, int64_t n) {
  const int64_t had = now.defined() ? now.size(0) : 0;
  if (had == 0) return narrow(first, 0, 0, n);
  if (had == n) return now;
  if (had > n) return narrow(now, 0, 0, n);
  return concat(std::vector<Tensor>{now, narrow(first, 0, had, n)}, 0);
}

Tensor Sequences::leave(const Tensor& flowing, int64_t n, std::vector<Tensor>& left) {
  const int64_t has = flowing.size(0);
  if (has == n) return flowing;
  if (has < n) return concat(std::vector<Tensor>{flowing, zeros_of(flowing, n - has)}, 0);
  left.push_back(narrow(flowing, 0, n, has));
  return narrow(flowing, 0, 0, n);
}

Tensor Sequences::gather(const std::vector<Tensor>& left) {
  return joined({left.rbegin(), left.rend()});
}

// Steps of the same number of sequences go together: one piece for all of them but one, whose neighbour has another
// number.
Tensor Sequences::earlier(const Tensor& x, const Tensor& first) const {
  std::vector<Tensor> parts{first};
  for (size_t t = 1; t < counts_.size();) {
    size_t end = t + 1;
    while (end < counts_.size() && counts_[end] == counts_[t]) ++end;
    parts.push_back(narrow(x, 0, offsets_[t - 1], offsets_[t - 1] + counts_[t]));
    if (end > t + 1) parts.push_back(narrow(x, 0, offsets_[t], offsets_[end - 1]));
    t = end;
  }
  return joined(parts);
}

Tensor Sequences::later(const Tensor& x, const Tensor& first) const {
  std::vector<Tensor> parts;
  for (size_t t = 0; t < counts_.size();) {
    size_t end = t + 1;
    while (end < counts_.size() && counts_[end] == counts_[t]) ++end;
    if (end > t + 1) parts.push_back(narrow(x, 0, offsets_[t + 1], offsets_[end]));
    const int64_t stay = end < counts_.size() ? counts_[end] : 0;
    if (stay > 0) parts.push_back(narrow(x, 0, offsets_[end], offsets_[end] + stay));
    parts.push_back(narrow(first, 0, stay, counts_[t]));
    t = end;
  }
  return joined(parts);
}

Tensor Sequences::after(const Tensor& x) const {
  const Tensor zeros = zeros_of(x, counts_[0]);
  return reverse_ ? earlier(x, zeros) : later(x, zeros);
}

void require_counts(const OpRow& row, const Dims& counts, int64_t n, int64_t rows) {
  const bool falling = std::is_sorted(counts.begin(), counts.end(), std::greater<>());
  if (counts.empty() || counts[0] != n || !falling || (n > 0 && counts.back() < 1))
    raise(ErrorKind::Value, row.name, ": counts are ", counts, ": there must be a step, the first of ", n,
          " sequences, and no step may have more than the one before or none");
  const int64_t sum = std::accumulate(counts.begin(), counts.end(), int64_t(0));
  if (sum != rows)
    raise(ErrorKind::Shape, row.name, ": x has ", rows, " rows; counts of ", counts, " are ", sum, " rows");
}

void require_shape(const OpRow& row, const char* name, const Tensor& x, const Dims& expected) {
  if (x.shape() != expected)
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": for these sequences it must be ", expected);
}

void batch_sequences(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs, std::span<Tensor> outputs) {
  std::vector<Tensor> all = all_batched(inputs, batched);
  const int64_t size = all[0].size(0);
  if (size == 0) return batch_one_by_one(row, inputs, batched, attrs, outputs);
  for (size_t i = 0; i < all.size(); ++i) {
    const std::string_view name = row.input_names[i];
    if (name == "weight" || name == "bias" || name == "projection") {
      if (batched[i]) return batch_one_by_one(row, inputs, batched, attrs, outputs);
      all[i] = inputs[i];
    } else {  // row by row: of all batches the first row, then of all the second
      const Tensor& x = all[i];
      all[i] = reshape(permute_dims(x, {1, 0, 2}), {x.size(1) * size, x.size(2)});
    }
  }
  Dims counts = attrs[0].ints();
  for (int64_t& count : counts) count *= size;
  std::vector<Attr> grown(attrs.begin(), attrs.end());
  grown[0] = counts;
  apply(row, all, grown, outputs);
  for (Tensor& out : outputs) out = permute_dims(reshape(out, {out.size(0) / size, size, out.size(1)}), {1, 0, 2});
}

Tensor gate_of(const Tensor& x, int64_t k, int64_t units) { return narrow(x, 1, k * units, (k + 1) * units); }
Tensor sigmoid(const Tensor& x) {
  static const OpRow& row = op_named("sigmoid");
  return apply(row, {x});
}
Tensor one_minus(const Tensor& x) { return subtract(1.0, x); }
Tensor zeros_like(const Tensor& x) { return broadcast_to(constant(0, x), x.shape()); }
Tensor transposed_product(const Tensor& a, const Tensor& b) { return matmul(swap_last_two(a), b); }

int64_t SequenceSample::rows() const { return std::accumulate(counts.begin(), counts.end(), int64_t(0)); }

const std::vector<SequenceSample>& sequence_samples() {
  static const std::vector<SequenceSample> all{
      {{1}, 1, false},       {{2, 2, 2}, 4, false},     {{2, 2, 2, 2}, 3, true},        {{0, 0}, 3, false},
      {{13, 13, 13}, 37, false}, {{4, 2, 2, 1}, 3, false}, {{5, 5, 3, 3, 3, 2}, 5, true}, {{3, 2, 1}, 18, true}};
  return all;
}

}  // namespace flambeau::ops
