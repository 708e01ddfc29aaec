// linalg.cpp: factorizations and solutions by the plainest algorithms, in double: elimination with row exchanges,
// Cholesky, Householder reflections. Every loop computes with complex numbers; a real matrix has no imaginary parts and
// keeps having none. Eigenvalues and singular values are in spectra.cpp.
#include <algorithm>
#include <cmath>
#include <complex>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "matrices.h"

namespace flambeau::reference {

namespace {

// ---- elimination ----

// a becomes its factors: below the diagonal those of the elimination, from it on what is left. Gives the sign of the
// row exchanges, which `rows` is told; 0 if a is singular.
int eliminate(Matrix& a, std::vector<int64_t>& rows) {
  int64_t n = a.rows;
  int sign = 1;
  bool singular = false;
  rows.resize(static_cast<size_t>(n));
  std::iota(rows.begin(), rows.end(), 0);
  for (int64_t k = 0; k < n; ++k) {
    int64_t best = k;
    for (int64_t i = k + 1; i < n; ++i)
      if (size(a(i, k)) > size(a(best, k))) best = i;
    if (best != k) {
      for (int64_t j = 0; j < n; ++j) std::swap(a(k, j), a(best, j));
      std::swap(rows[static_cast<size_t>(k)], rows[static_cast<size_t>(best)]);
      sign = -sign;
    }
    if (a(k, k) == 0.0) {
      singular = true;
      continue;
    }
    for (int64_t i = k + 1; i < n; ++i) {
      Complex factor = a(i, k) /= a(k, k);
      for (int64_t j = k + 1; j < n; ++j) a(i, j) -= factor * a(k, j);
    }
  }
  return singular ? 0 : sign;
}

// solve(a, b); inv(a), which is solve(a, 1).
fl_status run_solve(const Loop& loop, const fl_call& call) {
  Batch a(call.inputs[0], 2), out(call.outputs[0], 2);
  for (int64_t number = 0; number < out.count(); ++number) {
    Matrix factors = a.load(number), given = call.input_count > 1 ? Batch(call.inputs[1], 2).load(number) : identity(factors.rows);
    std::vector<int64_t> rows;
    if (eliminate(factors, rows) == 0) {
      return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch is singular: it has no inverse; linalg.pinv has a least-squares solution",
                    loop.name, static_cast<long long>(number));
    }
    int64_t n = factors.rows;
    Matrix x(n, given.columns);
    for (int64_t c = 0; c < given.columns; ++c) {
      for (int64_t i = 0; i < n; ++i) {
        x(i, c) = given(rows[static_cast<size_t>(i)], c);
        for (int64_t j = 0; j < i; ++j) x(i, c) -= factors(i, j) * x(j, c);
      }
      for (int64_t i = n; i-- > 0;) {
        for (int64_t j = i + 1; j < n; ++j) x(i, c) -= factors(i, j) * x(j, c);
        x(i, c) /= factors(i, i);
      }
    }
    out.store(number, x);
  }
  return FL_OK;
}

// det(x); slogdet(x) -> sign, logarithm.
fl_status run_det(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), first(call.outputs[0], 0);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix factors = x.load(number);
    std::vector<int64_t> rows;
    double logarithm = 0;
    Complex sign = eliminate(factors, rows), product = sign;
    for (int64_t i = 0; i < factors.rows; ++i) {
      const double length = std::abs(factors(i, i));
      product *= factors(i, i);
      logarithm += std::log(length);
      if (sign != 0.0) sign *= factors(i, i) / length;
    }
    Type type = type_of(call.outputs[0].dtype);
    if (loop.name[0] == 'd') {
      store_complex(type, first.at(number), product);
    } else {
      store_complex(type, first.at(number), sign);
      store_float(real_of(type), Batch(call.outputs[1], 0).at(number), sign == 0.0 ? -std::numeric_limits<double>::infinity() : logarithm);
    }
  }
  return FL_OK;
}

// cofactors(x): every element is the determinant of what is left without its row and column, with the sign of a
// chessboard. Any matrix has them, so this is the derivative of the determinant at a singular one too.
fl_status run_cofactors(const Loop&, const fl_call& call) {
  Batch x(call.inputs[0], 2), out(call.outputs[0], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number), found(a.rows, a.rows);
    for (int64_t i = 0; i < a.rows; ++i) {
      for (int64_t j = 0; j < a.rows; ++j) {
        Matrix rest(a.rows - 1, a.rows - 1);
        for (int64_t k = 0; k < rest.rows; ++k)
          for (int64_t l = 0; l < rest.rows; ++l) rest(k, l) = a(k + (k >= i), l + (l >= j));
        std::vector<int64_t> rows;
        Complex product = eliminate(rest, rows);
        for (int64_t k = 0; k < rest.rows; ++k) product *= rest(k, k);
        found(i, j) = (i + j) % 2 ? -product : product;
      }
    }
    out.store(number, found);
  }
  return FL_OK;
}

fl_status run_cholesky(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out(call.outputs[0], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number), l(a.rows, a.rows);
    for (int64_t j = 0; j < a.rows; ++j) {
      for (int64_t i = j; i < a.rows; ++i) {
        Complex rest = a(i, j);
        for (int64_t k = 0; k < j; ++k) rest -= l(i, k) * std::conj(l(j, k));
        if (i == j && !(rest.real() > 0)) {
          return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch is not positive definite: its leading %lld by %lld part is not",
                        loop.name, static_cast<long long>(number), static_cast<long long>(j + 1), static_cast<long long>(j + 1));
        }
        l(i, j) = i == j ? std::sqrt(rest.real()) : rest / l(j, j);
      }
    }
    out.store(number, l);
  }
  return FL_OK;
}

// qr(x; complete): reflections that clear one column after the other; r's diagonal is real, of the sign that adds up.
fl_status run_qr(const Loop&, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_q(call.outputs[0], 2), out_r(call.outputs[1], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix r = x.load(number), q = identity(r.rows);
    int64_t m = r.rows, n = r.columns;
    for (int64_t k = 0; k < std::min(m, n); ++k) {
      double below = 0;
      for (int64_t i = k + 1; i < m; ++i) below += std::norm(r(i, k));
      if (below == 0 && r(k, k).imag() == 0) continue;
      const double length = std::copysign(std::sqrt(below + std::norm(r(k, k))), -r(k, k).real());
      // H = 1 - v v* / (length (length - first)) takes the column to `length` and zeros; it is unitary.
      std::vector<Complex> v(static_cast<size_t>(m), 0.0);
      for (int64_t i = k; i < m; ++i) v[static_cast<size_t>(i)] = r(i, k);
      v[static_cast<size_t>(k)] -= length;
      const Complex scale = 1.0 / (length * (length - r(k, k)));
      for (int64_t c = 0; c < n; ++c) {
        Complex dot = 0;
        for (int64_t i = k; i < m; ++i) dot += std::conj(v[static_cast<size_t>(i)]) * r(i, c);
        for (int64_t i = k; i < m; ++i) r(i, c) -= scale * dot * v[static_cast<size_t>(i)];
      }
      for (int64_t c = 0; c < m; ++c) {
        Complex dot = 0;
        for (int64_t i = k; i < m; ++i) dot += q(c, i) * v[static_cast<size_t>(i)];
        for (int64_t i = k; i < m; ++i) q(c, i) -= std::conj(scale) * dot * std::conj(v[static_cast<size_t>(i)]);
      }
      for (int64_t i = k; i < m; ++i) r(i, k) = i == k ? length : 0;
    }
    int64_t kept = call.outputs[0].shape[call.outputs[0].ndim - 1];
    Matrix first_q(m, kept), first_r(kept, n);
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < kept; ++j) first_q(i, j) = q(i, j);
    for (int64_t i = 0; i < kept; ++i)
      for (int64_t j = 0; j < n; ++j) first_r(i, j) = r(i, j);
    out_q.store(number, first_q);
    out_r.store(number, first_r);
  }
  return FL_OK;
}

}  // namespace

void add_linalg(Loops& loops) {
  loops.push_back({"solve", all_wide, run_solve});
  loops.push_back({"inv", all_wide, run_solve});
  loops.push_back({"det", all_wide, run_det});
  loops.push_back({"slogdet", all_wide, run_det});
  loops.push_back({"cofactors", all_wide, run_cofactors});
  loops.push_back({"cholesky", all_wide, run_cholesky});
  loops.push_back({"qr", all_wide, run_qr});
}

}  // namespace flambeau::reference
