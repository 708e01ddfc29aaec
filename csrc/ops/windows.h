// Convolutions and pools by slices, products and sums, for devices that have no kernels of their own for them.
#pragma once

#include "core/op.h"

namespace flambeau::ops {

// The sizes behind batch and channels.
Dims spatial(const Dims& shape);

void decompose_convolution(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_convolution_input_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_convolution_weight_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_max_pool(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_max_pool_indices(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_avg_pool(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_avg_pool_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_adaptive_avg_pool(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);
void decompose_adaptive_avg_pool_grad(const OpRow&, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);

}  // namespace flambeau::ops
