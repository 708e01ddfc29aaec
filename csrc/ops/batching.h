// How ops treat one more leading axis, for vmap: rules that rows name as their `batching`.
#pragma once

#include <span>
#include <vector>

#include "core/op.h"

namespace flambeau::ops {

// The inputs, those without the leading axis repeated along it.
std::vector<Tensor> all_batched(Inputs inputs, std::span<const bool> batched);

// Every input gets the leading axis (those without are repeated), and ...
// ... nothing else changes: one more leading axis is one more batch dimension (factorizations, joined indices).
void batch_leading(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
// ... the axes in the first attribute move up by one: reductions, expand_dims, squeeze.
void batch_axes(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
// ... the axis in the first attribute moves up by one: softmax, concat, take_along_axis.
void batch_axis(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
// ... attributes with a number for each axis get one more in front: reshape's shape, slice's starts, stops, steps.
void batch_reshape(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_permute(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_broadcast(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_slice(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_slice_grad(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);

// The axis moves up by one; indices with a batch of their own are taken with it at once.
void batch_take(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_take_grad(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_matmul(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);
void batch_linear(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);

// A call of any row whose inputs have a leading axis where `batched` is true; every output has it. REQUIRES: some input
// has it, and the row does not write in place. Pointwise rows need no rule of their own: their inputs are padded with
// axes of length 1 behind the leading one; rows with neither are decomposed.
void apply_batched(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);

// Works for every op that does not write in place: one call for each element of the batch.
void batch_one_by_one(const OpRow&, Inputs, std::span<const bool> batched, Attrs, std::span<Tensor> outputs);

}  // namespace flambeau::ops
