// Sequences of different lengths, packed: the rows of a step stand together, one for each sequence that is not over yet,
// the longest sequence first. What the recurrent ops share.
#pragma once

#include <vector>

#include "core/op.h"

namespace flambeau::ops {

inline const AttrSpec kCounts{.name = "counts", .kind = FL_ATTR_INTS, .required = true};
inline const AttrSpec kReverse{.name = "reverse", .kind = FL_ATTR_BOOL, .fallback = false};

class Sequences {
 public:
  Sequences(const Dims& counts, bool reverse);

  int64_t steps() const { return int64_t(counts_.size()); }
  int64_t count(int64_t t) const { return counts_[size_t(t)]; }
  // The step that is computed in this place of the order.
  int64_t at(int64_t place) const { return reverse_ ? steps() - 1 - place : place; }
  // The rows of step t.
  Tensor step(const Tensor& x, int64_t t) const;

  // The state with which the next step, of n sequences, begins: those that are over leave, those that begin come in with
  // their first state.
  static Tensor enter(const Tensor& now, const Tensor& first, int64_t n);
  // Backwards: a state's gradient for a step of n sequences; those that the step has not leave into `left` (theirs is the
  // gradient of their first state), for those that it has anew zeros are put in.
  static Tensor leave(const Tensor& flowing, int64_t n, std::vector<Tensor>& left);
  // The first states' gradient, from what has left.
  static Tensor gather(const std::vector<Tensor>& left);

  // For each row what stands in x one step before in the order of computation, or in `first` where its sequence begins.
  Tensor before(const Tensor& x, const Tensor& first) const { return reverse_ ? later(x, first) : earlier(x, first); }
  // For each row what stands in x one step after, or zeros where its sequence ends.
  Tensor after(const Tensor& x) const;

 private:
  Tensor earlier(const Tensor& x, const Tensor& first) const;
  Tensor later(const Tensor& x, const Tensor& first) const;
  Dims counts_;
  Dims offsets_;  // one more than steps
  bool reverse_;
};

// Raises the user's error unless these are the lengths of n sequences in `rows` rows.
void require_counts(const OpRow& row, const Dims& counts, int64_t n, int64_t rows);
// The same for the shape of one input.
void require_shape(const OpRow& row, const char* name, const Tensor& x, const Dims& expected);

// The batching rule of recurrent ops: a batch of batches of sequences is one batch of all of them, where they share their
// weights; with weights of their own they go one by one.
void batch_sequences(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);

// Columns [k units, (k + 1) units).
Tensor gate_of(const Tensor& x, int64_t k, int64_t units);
Tensor sigmoid(const Tensor& x);
Tensor one_minus(const Tensor& x);
Tensor zeros_like(const Tensor& x);
// a^T b
Tensor transposed_product(const Tensor& a, const Tensor& b);

// Lengths with which recurrent ops are tried: one alone, equal ones, none, more units than a block, unequal ones.
struct SequenceSample {
  Dims counts;
  int64_t units;
  bool reverse;
  int64_t rows() const;
  int64_t n() const { return counts[0]; }
};
const std::vector<SequenceSample>& sequence_samples();

}  // namespace flambeau::ops
