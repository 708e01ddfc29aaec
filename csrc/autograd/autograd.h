// Gradients: the tape that apply() writes, and walking it backward.
#pragma once

#include <span>
#include <vector>

#include "core/tensor.h"

namespace flambeau {

// Makes `x` a leaf whose gradient is kept, or an ordinary tensor again. Raises for dtypes without gradients, and for
// results of ops (detach first).
void set_requires_grad(const Tensor& x, bool requires_grad);
// Whether `x` was made by the user and not by an op on the tape.
bool is_leaf(const Tensor& x);
// The gradient that backward() has summed up in this leaf; undefined if none.
Tensor grad_of(const Tensor& leaf);
// Replaces it; undefined takes it away. Raises if shape, dtype or device differ.
void set_grad(const Tensor& leaf, const Tensor& grad);
// What made `x`: an op's name, "leaf", or "" without a gradient.
std::string_view made_by(const Tensor& x);

struct BackwardOptions {
  bool retain_graph = false;  // keep what the forward pass saved, for a second walk
  bool create_graph = false;  // put the backward pass itself on the tape; implies retain_graph
};

// Adds to every reachable leaf's gradient. `gradients` match `outputs`; an undefined one stands for 1 and needs an
// output of one element.
void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients, BackwardOptions options);

// The gradients of the sum of the outputs with regard to `inputs`, and leaves untouched. An undefined result: the
// outputs do not depend on that input.
std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> output_gradients,
                              std::span<const Tensor> inputs, BackwardOptions options);

// Whether `outputs` depend on a leaf that is not among `inputs`: then a gradient with regard to `inputs` can itself be
// differentiated by someone.
bool depends_on_others(std::span<const Tensor> outputs, std::span<const Tensor> inputs);

}  // namespace flambeau
