// matrices.cpp: shapes and parts of the matrices in the last two axes, for the rows of linear algebra.
#include "ops/matrices.h"

#include <complex>

namespace flambeau::ops {

Tensor counted(int64_t size, const Tensor& like) {
  static const OpRow& arange = op_named("arange");
  OnDevice there(like.device());
  return apply(arange, {}, {0.0, 1.0, size, DType::Int32});
}

void require_matrix(const OpRow& row, const Tensor& x, const char* name, bool square) {
  if (x.ndim() < 2) {
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": a matrix needs at least two dimensions");
  }
  if (square && rows_of(x) != columns_of(x)) {
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": its last two dimensions, ", rows_of(x), " and ",
          columns_of(x), ", must be equal");
  }
}

Dims with_last(const Tensor& x, std::initializer_list<int64_t> last) {
  Dims shape = x.shape();
  shape.resize(shape.size() - 2);
  for (int64_t size : last) shape.push_back(size);
  return shape;
}

Tensor adjoint(const Tensor& x) { return conj(swap_last_two(x)); }

Tensor diagonals(const Tensor& x) {
  return subtract(reshape(counted(rows_of(x), x), {rows_of(x), 1}), counted(columns_of(x), x));
}

Tensor lower(const Tensor& x, bool strictly) {
  static const OpRow& triangle = op_named("triangle");
  return apply(triangle, {x}, {int64_t{strictly ? -1 : 0}, false});
}

Tensor on_diagonal(const Tensor& values) {
  const int64_t n = values.shape().back();
  const Tensor place = diagonals(Tensor::description({n, n}, values.dtype(), values.device()));
  return where(equal(place, constant(0, place)), expand_dims(values, {values.ndim() - 1}), constant(0, values));
}

Tensor identity(int64_t n, const Tensor& like) {
  static const OpRow& eye = op_named("eye");
  OnDevice there(like.device());
  return apply(eye, {}, {n, n, 0, like.dtype()});
}

Tensor of_lower(const Tensor& g) { return add(lower(g), lower(adjoint(g), true)); }

Tensor or_zero(const Tensor& g, const Tensor& like) {
  return g.defined() ? g : full(like.shape(), 0, like.dtype(), like.device());
}

Tensor diagonal_of(const Tensor& x) {
  const Tensor place = diagonals(x);
  return sum(where(equal(place, constant(0, place)), x, constant(0, x)), {x.ndim() - 1}, false);
}

Tensor for_matrices(const Tensor& x) { return expand_dims(x, {x.ndim(), x.ndim() + 1}); }

Tensor times_i(const Tensor& x) {
  const DType dtype = complex_of(x.dtype());
  return multiply(x, scalar(std::complex<double>(0, 1), dtype, x.device()));
}

Tensor imaginary(const Tensor& x) {
  static const OpRow& row = op_named("imag");
  return apply(row, {x});
}

Tensor solved(const Tensor& a, const Tensor& b) {
  static const OpRow& row = op_named("solve");
  return apply(row, {a, b});
}

Tensor inverse(const Tensor& x) {
  static const OpRow& row = op_named("inv");
  return apply(row, {x});
}

}  // namespace flambeau::ops
