// Results that take the place of an operand which nobody will see again.
#pragma once

#include <vector>

#include "core/op.h"

namespace flambeau {

// From so many bytes on it pays: an operand and a result of 4 MB cost twice the traffic between the caches that one costs.
inline constexpr int64_t kReuseBytes = int64_t{1} << 20;

// Whether this thread's ops are watched or rewritten, by vmap, autocast, anomaly mode, a recording or a profile: then they take
// the plain way, and none is run that nobody asked for.
bool is_watched();

// Whether `x` is all of a memory that can be written and that nothing but `held` references to it knows.
bool is_only_owner(const Tensor& x, uint32_t held);

// As apply() of a row with one output. Where the row is pointwise, the result may be written into one of the inputs whose bit is
// set in `candidates`: it is of the result's shape and dtype, its memory's only tensor, has no more than `held` references,
// which are the caller's, and the row's rule for gradients does not read it if one is recorded. Whoever sets a bit promises to
// read that input no more.
Tensor apply_over(const OpRow& row, Inputs inputs, Attrs attrs, uint32_t candidates, uint32_t held);

// As apply_all(), of a row whose CPU kernel writes an element of its first output after all reading of it in input 0: that
// output may take input 0's memory under the same conditions (dtypes are not promoted then).
std::vector<Tensor> apply_all_over(const OpRow& row, Inputs inputs, Attrs attrs, uint32_t held);

}  // namespace flambeau
