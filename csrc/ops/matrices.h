// matrices.h: what the rows of linear algebra share: shapes, and parts of the matrices in the last two axes.
#pragma once

#include <initializer_list>

#include "core/registry.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

constexpr DTypeSet kMatrixDTypes = set_of(DType::Float32) | set_of(DType::Float64) | kComplex;
constexpr auto kMatrixBound = ulps(0, 64, 64, 128, 128);

inline int64_t rows_of(const Tensor& x) { return x.shape()[x.shape().size() - 2]; }
inline int64_t columns_of(const Tensor& x) { return x.shape().back(); }
void require_matrix(const OpRow& row, const Tensor& x, const char* name, bool square);
// x's batch dimensions, and then these.
Dims with_last(const Tensor& x, std::initializer_list<int64_t> last);

// Transposed, of complex numbers the conjugates.
Tensor adjoint(const Tensor& x);
Tensor identity(int64_t n, const Tensor& like);
// 0, 1, ... as int32, where `like` is.
Tensor counted(int64_t size, const Tensor& like);
// Row minus column of every place.
Tensor diagonals(const Tensor& x);
// x with zeros above its diagonal, or with those on it too.
Tensor lower(const Tensor& x, bool strictly = false);
// The matrix that has these values on its diagonal, and zeros elsewhere.
Tensor on_diagonal(const Tensor& values);
// The values on the diagonal of a square matrix.
Tensor diagonal_of(const Tensor& x);
// The gradient of a matrix of which only the lower triangle is read, from that of the whole symmetric matrix.
Tensor of_lower(const Tensor& g);
Tensor or_zero(const Tensor& g, const Tensor& like);
// A number for each matrix, to be broadcast with them.
Tensor for_matrices(const Tensor& x);
// i x.
Tensor times_i(const Tensor& x);
Tensor imaginary(const Tensor& x);

// The x with a @ x = b.
Tensor solved(const Tensor& a, const Tensor& b);
Tensor inverse(const Tensor& x);

inline SampleInput definite(Dims shape) { return {std::move(shape), -1, 1, SampleKind::Definite}; }

}  // namespace flambeau::ops
