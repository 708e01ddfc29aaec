// matrices.h: the matrices in the last two axes of a tensor, as the loops of linear algebra read and write them.
#pragma once

#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "values.h"

namespace flambeau::reference {

struct Matrix {
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows * columns), 0.0) {}
  Complex& operator()(int64_t i, int64_t j) { return data[static_cast<size_t>(i * columns + j)]; }
  Complex operator()(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * columns + j)]; }
  int64_t rows, columns;
  std::vector<Complex> data;
};

inline Matrix identity(int64_t n) {
  Matrix result(n, n);
  for (int64_t i = 0; i < n; ++i) result(i, i) = 1;
  return result;
}

inline Matrix adjoint(const Matrix& a) {
  Matrix result(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) result(j, i) = std::conj(a(i, j));
  return result;
}

// How large a number is for the choice of a pivot: |x| + |y|, as LAPACK takes it.
inline double size(Complex x) { return std::fabs(x.real()) + std::fabs(x.imag()); }

inline bool is_finite(const Matrix& a) {
  return std::all_of(a.data.begin(), a.data.end(), [](Complex x) { return std::isfinite(x.real()) && std::isfinite(x.imag()); });
}

inline bool is_wide(Type type) {
  return type == Type::kFloat32 || type == Type::kFloat64 || is_complex(type);
}

// Whether a call's tensors are of one such type, or of its real numbers.
inline bool all_wide(const Loop&, const Type* t, int32_t n) {
  return is_wide(t[0]) && std::all_of(t, t + n, [&](Type type) { return type == t[0] || type == real_of(t[0]); });
}

// How many of the last axes belong to one matrix (2), vector (1) or number (0); the others are batch dimensions.
struct Batch {
  Batch(const fl_tensor& tensor, int32_t own) : tensor(tensor), own(own) {}
  int64_t count() const {
    int64_t n = 1;
    for (int32_t i = 0; i + own < tensor.ndim; ++i) n *= tensor.shape[i];
    return n;
  }
  char* at(int64_t number, int64_t i = 0, int64_t j = 0) const {
    int64_t offset = 0;
    for (int32_t axis = tensor.ndim - own; axis-- > 0;) {
      offset += number % tensor.shape[axis] * tensor.strides[axis];
      number /= tensor.shape[axis];
    }
    const int64_t* last = tensor.strides + tensor.ndim - own;
    if (own == 2) offset += i * last[0] + j * last[1];
    if (own == 1) offset += i * last[0];
    return data(tensor) + offset * static_cast<int64_t>(size_of(type_of(tensor.dtype)));
  }
  Matrix load(int64_t number) const {
    Matrix result(tensor.shape[tensor.ndim - 2], tensor.shape[tensor.ndim - 1]);
    for (int64_t i = 0; i < result.rows; ++i)
      for (int64_t j = 0; j < result.columns; ++j) result(i, j) = load_complex(type_of(tensor.dtype), at(number, i, j));
    return result;
  }
  // Into a tensor of real numbers the real parts.
  void store(int64_t number, const Matrix& from) const {
    for (int64_t i = 0; i < from.rows; ++i)
      for (int64_t j = 0; j < from.columns; ++j) store_complex(type_of(tensor.dtype), at(number, i, j), from(i, j));
  }
  void store(int64_t number, const std::vector<double>& from) const {
    for (size_t i = 0; i < from.size(); ++i) store_float(type_of(tensor.dtype), at(number, static_cast<int64_t>(i)), from[i]);
  }
  void store(int64_t number, const std::vector<Complex>& from) const {
    for (size_t i = 0; i < from.size(); ++i) store_complex(type_of(tensor.dtype), at(number, static_cast<int64_t>(i)), from[i]);
  }
  const fl_tensor& tensor;
  int32_t own;
};

}  // namespace flambeau::reference
