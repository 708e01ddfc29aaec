// The ops of networks as C++ functions, for derivatives and decompositions: each is apply() of the row of its name.
#pragma once

#include "core/apply.h"

namespace flambeau::ops {

// `geometry`: stride, padding, dilation, groups as in the rows.
Tensor convolution(const Tensor& x, const Tensor& weight, Attrs geometry);
Tensor convolution_input_grad(const Tensor& g, const Tensor& weight, const Dims& shape, Attrs geometry);
Tensor convolution_weight_grad(const Tensor& g, const Tensor& x, const Dims& shape, Attrs geometry);

}  // namespace flambeau::ops
