// The ops as C++ functions, for derivatives and decompositions: each is apply() of the row of its name.
#pragma once

#include <span>
#include <vector>

#include "core/apply.h"

namespace flambeau::ops {

// Pointwise; inputs are promoted and broadcast.
Tensor negative(const Tensor& x);
Tensor abs(const Tensor& x);
Tensor sign(const Tensor& x);
Tensor square(const Tensor& x);
Tensor exp(const Tensor& x);
Tensor conj(const Tensor& x);  // x itself if it is real
Tensor real(const Tensor& x);  // x itself if it is real
// A gradient in the dtype of what was cast: of a real one the real part.
Tensor cast_back(const Tensor& g, DType dtype);
Tensor log(const Tensor& x);
Tensor tanh(const Tensor& x);
Tensor gelu(const Tensor& x, bool approximate);
Tensor relu_grad(const Tensor& g, const Tensor& y);
Tensor tanh_grad(const Tensor& g, const Tensor& y);
Tensor sigmoid_grad(const Tensor& g, const Tensor& y);
Tensor gelu_grad(const Tensor& g, const Tensor& x, bool approximate);
// A gradient's last use: row(g, saved), where nothing is recorded in the memory of a large g that the walk alone holds.
Tensor last_use(const OpRow& row, const Tensor& g, const Tensor& saved, Attrs attrs = {});
Tensor last_negative(const Tensor& g);
Tensor last_multiply(const Tensor& g, const Tensor& x);
Tensor add(const Tensor& a, const Tensor& b);
Tensor subtract(const Tensor& a, const Tensor& b);
Tensor multiply(const Tensor& a, const Tensor& b);
Tensor divide(const Tensor& a, const Tensor& b);
Tensor floor_divide(const Tensor& a, const Tensor& b);
Tensor pow(const Tensor& a, const Tensor& b);
Tensor equal(const Tensor& a, const Tensor& b);
Tensor not_equal(const Tensor& a, const Tensor& b);
Tensor less(const Tensor& a, const Tensor& b);
Tensor less_equal(const Tensor& a, const Tensor& b);
Tensor greater_equal(const Tensor& a, const Tensor& b);
Tensor logical_and(const Tensor& a, const Tensor& b);
Tensor where(const Tensor& condition, const Tensor& x, const Tensor& y);

// With a constant of x's dtype.
Tensor constant(double value, const Tensor& like);
Tensor add(const Tensor& x, double value);
Tensor subtract(double value, const Tensor& x);
Tensor multiply(const Tensor& x, double value);
Tensor divide(const Tensor& x, double value);

// Axes are normal: sorted, counted from the front.
Tensor sum(const Tensor& x, const Dims& axes, bool keepdims);
Tensor max(const Tensor& x, const Dims& axes, bool keepdims);
Tensor matmul(const Tensor& a, const Tensor& b);
Tensor reshape(const Tensor& x, const Dims& shape);
Tensor permute_dims(const Tensor& x, const Dims& axes);
Tensor swap_last_two(const Tensor& x);
Tensor broadcast_to(const Tensor& x, const Dims& shape);
Tensor expand_dims(const Tensor& x, const Dims& axes);
Tensor slice(const Tensor& x, const Dims& starts, const Dims& stops, const Dims& steps);
// In reverse order along one axis: a view.
Tensor turned(const Tensor& x, int64_t axis);
// Elements [start, stop) along one axis.
Tensor narrow(const Tensor& x, int64_t axis, int64_t start, int64_t stop);
Tensor concat(Inputs parts, int64_t axis);
Tensor take(const Tensor& x, const Tensor& indices, int64_t axis);
Tensor take_grad(const Tensor& g, const Tensor& indices, int64_t axis, int64_t size);
Tensor take_along_axis(const Tensor& x, const Tensor& indices, int64_t axis);
Tensor take_along_axis_grad(const Tensor& g, const Tensor& indices, int64_t axis, int64_t size);
Tensor nonzero(const Tensor& x, int64_t count);
Tensor cumulative_sum(const Tensor& x, int64_t axis);
// One index for several axes taken together; `axes` are their numbers, for the error.
Tensor join_indices(Inputs indices, const Dims& sizes, const Dims& axes);
Tensor log_softmax(const Tensor& x, int64_t axis);
Tensor log_softmax_grad(const Tensor& g, const Tensor& y, int64_t axis);

}  // namespace flambeau::ops
