// What the rows of norms share: parameters of one number a channel, and the gradients of a batch's mean and variance.
#pragma once

#include "core/registry.h"
#include "ops/rows.h"

namespace flambeau::ops {

const AttrSpec kEps{.name = "eps", .kind = FL_ATTR_FLOAT, .fallback = 1e-5};

// 1 / sqrt(variance + eps)
Tensor one_over_root(const Tensor& variance, double eps);
// One number a channel, beside tensors (batch, channels, ...).
Tensor by_channel(const Tensor& x, int64_t ndim);

// Raises unless the inputs from `first` on are of the shape `expected`.
void require_parameters(const OpRow& row, Inputs inputs, size_t first, const Dims& expected, const Dims& x);
void require_channels(const OpRow& row, const Dims& x);
// The norm of a batch: what stands behind x, and the second and third output, are one number a channel.
void infer_batch(const OpRow& row, Inputs inputs, size_t x_at, std::span<Meta> out);

// The gradients of a batch's norm, and what its mean and variance, the second and third output, add to that of x.
void give_with_statistics(const Backward& b, std::span<Tensor> grads);

}  // namespace flambeau::ops
