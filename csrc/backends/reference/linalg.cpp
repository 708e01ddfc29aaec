// linalg.cpp: factorizations and solutions by the plainest algorithms, in double: elimination with row exchanges,
// Cholesky, Householder reflections, and Jacobi rotations for eigenvalues and singular values.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "values.h"

namespace flambeau::reference {

namespace {

struct Matrix {
  Matrix(int64_t rows, int64_t columns) : rows(rows), columns(columns), data(static_cast<size_t>(rows * columns), 0.0) {}
  double& operator()(int64_t i, int64_t j) { return data[static_cast<size_t>(i * columns + j)]; }
  double operator()(int64_t i, int64_t j) const { return data[static_cast<size_t>(i * columns + j)]; }
  int64_t rows, columns;
  std::vector<double> data;
};

Matrix identity(int64_t n) {
  Matrix result(n, n);
  for (int64_t i = 0; i < n; ++i) result(i, i) = 1;
  return result;
}

Matrix transposed(const Matrix& a) {
  Matrix result(a.columns, a.rows);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < a.columns; ++j) result(j, i) = a(i, j);
  return result;
}

// ---- the operands' batches ----

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
      for (int64_t j = 0; j < result.columns; ++j) result(i, j) = load_float(type_of(tensor.dtype), at(number, i, j));
    return result;
  }
  void store(int64_t number, const Matrix& from) const {
    for (int64_t i = 0; i < from.rows; ++i)
      for (int64_t j = 0; j < from.columns; ++j) store_float(type_of(tensor.dtype), at(number, i, j), from(i, j));
  }
  void store(int64_t number, const std::vector<double>& from) const {
    for (size_t i = 0; i < from.size(); ++i) store_float(type_of(tensor.dtype), at(number, static_cast<int64_t>(i)), from[i]);
  }
  const fl_tensor& tensor;
  int32_t own;
};

fl_status refuse_nan(const Loop& loop, int64_t number) {
  return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch holds NaN or an infinity", loop.name, static_cast<long long>(number));
}

bool is_finite(const Matrix& a) {
  return std::all_of(a.data.begin(), a.data.end(), [](double x) { return std::isfinite(x); });
}

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
      if (std::fabs(a(i, k)) > std::fabs(a(best, k))) best = i;
    if (best != k) {
      for (int64_t j = 0; j < n; ++j) std::swap(a(k, j), a(best, j));
      std::swap(rows[static_cast<size_t>(k)], rows[static_cast<size_t>(best)]);
      sign = -sign;
    }
    if (a(k, k) == 0) {
      singular = true;
      continue;
    }
    for (int64_t i = k + 1; i < n; ++i) {
      double factor = a(i, k) /= a(k, k);
      for (int64_t j = k + 1; j < n; ++j) a(i, j) -= factor * a(k, j);
    }
  }
  return singular ? 0 : sign;
}

// solve(a, b).
fl_status run_solve(const Loop& loop, const fl_call& call) {
  Batch a(call.inputs[0], 2), b(call.inputs[1], 2), out(call.outputs[0], 2);
  for (int64_t number = 0; number < out.count(); ++number) {
    Matrix factors = a.load(number), given = b.load(number);
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
    double sign = eliminate(factors, rows), product = sign, logarithm = 0;
    for (int64_t i = 0; i < factors.rows; ++i) {
      product *= factors(i, i);
      logarithm += std::log(std::fabs(factors(i, i)));
      if (factors(i, i) < 0) sign = -sign;
      if (std::isnan(factors(i, i))) sign = product;
    }
    Type type = type_of(call.outputs[0].dtype);
    if (loop.name[0] == 'd') {
      store_float(type, first.at(number), product);
    } else {
      store_float(type, first.at(number), sign);
      store_float(type, Batch(call.outputs[1], 0).at(number), sign == 0 ? -std::numeric_limits<double>::infinity() : logarithm);
    }
  }
  return FL_OK;
}

fl_status run_cholesky(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out(call.outputs[0], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number), l(a.rows, a.rows);
    for (int64_t j = 0; j < a.rows; ++j) {
      for (int64_t i = j; i < a.rows; ++i) {
        double rest = a(i, j);
        for (int64_t k = 0; k < j; ++k) rest -= l(i, k) * l(j, k);
        if (i == j && !(rest > 0)) {
          return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch is not positive definite: its leading %lld by %lld part is not",
                        loop.name, static_cast<long long>(number), static_cast<long long>(j + 1), static_cast<long long>(j + 1));
        }
        l(i, j) = i == j ? std::sqrt(rest) : rest / l(j, j);
      }
    }
    out.store(number, l);
  }
  return FL_OK;
}

// qr(x; complete): reflections that clear one column after the other; r's diagonal has the sign that adds up.
fl_status run_qr(const Loop&, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_q(call.outputs[0], 2), out_r(call.outputs[1], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix r = x.load(number), q = identity(r.rows);
    int64_t m = r.rows, n = r.columns;
    for (int64_t k = 0; k < std::min(m, n); ++k) {
      double below = 0;
      for (int64_t i = k + 1; i < m; ++i) below += r(i, k) * r(i, k);
      if (below == 0) continue;
      std::vector<double> v(static_cast<size_t>(m), 0.0);
      double length = std::copysign(std::sqrt(below + r(k, k) * r(k, k)), -r(k, k));
      for (int64_t i = k; i < m; ++i) v[static_cast<size_t>(i)] = r(i, k);
      v[static_cast<size_t>(k)] -= length;
      double square = below + v[static_cast<size_t>(k)] * v[static_cast<size_t>(k)];
      const auto reflect = [&](Matrix& a, bool rows) {
        for (int64_t c = 0; c < (rows ? a.columns : a.rows); ++c) {
          double dot = 0;
          for (int64_t i = k; i < m; ++i) dot += v[static_cast<size_t>(i)] * (rows ? a(i, c) : a(c, i));
          for (int64_t i = k; i < m; ++i) (rows ? a(i, c) : a(c, i)) -= 2 * dot / square * v[static_cast<size_t>(i)];
        }
      };
      reflect(r, true);
      reflect(q, false);
      for (int64_t i = k + 1; i < m; ++i) r(i, k) = 0;
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

// ---- rotations ----

// Whether a column's first nearly largest element is negative.
bool points_down(const Matrix& v, int64_t column) {
  double largest = 0;
  for (int64_t i = 0; i < v.rows; ++i) largest = std::max(largest, std::fabs(v(i, column)));
  for (int64_t i = 0; i < v.rows; ++i)
    if (std::fabs(v(i, column)) >= 0.999 * largest) return v(i, column) < 0;
  return false;
}

void negate_column(Matrix& v, int64_t column) {
  for (int64_t i = 0; i < v.rows; ++i) v(i, column) = -v(i, column);
}

std::vector<int64_t> order_of(const std::vector<double>& values, bool descending) {
  std::vector<int64_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    double x = values[static_cast<size_t>(a)], y = values[static_cast<size_t>(b)];
    return descending ? x > y : x < y;
  });
  return order;
}

constexpr int kSweeps = 60;

fl_status run_eigh(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_w(call.outputs[0], 1), out_v(call.outputs[1], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number);
    int64_t n = a.rows;
    if (!is_finite(a)) return refuse_nan(loop, number);
    for (int64_t i = 0; i < n; ++i)
      for (int64_t j = i + 1; j < n; ++j) a(i, j) = a(j, i);
    Matrix v = identity(n);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool turned = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          double scale = std::fabs(a(p, p)) + std::fabs(a(q, q));
          if (std::fabs(a(p, q)) <= 0x1p-60 * scale || a(p, q) == 0) continue;
          turned = true;
          double theta = (a(q, q) - a(p, p)) / (2 * a(p, q));
          double t = std::copysign(1.0, theta) / (std::fabs(theta) + std::hypot(theta, 1.0));
          double c = 1 / std::hypot(t, 1.0), s = t * c;
          for (int64_t k = 0; k < n; ++k) {
            double first = a(k, p), second = a(k, q);
            a(k, p) = c * first - s * second;
            a(k, q) = s * first + c * second;
          }
          for (int64_t k = 0; k < n; ++k) {
            double first = a(p, k), second = a(q, k);
            a(p, k) = c * first - s * second;
            a(q, k) = s * first + c * second;
          }
          for (int64_t k = 0; k < n; ++k) {
            double first = v(k, p), second = v(k, q);
            v(k, p) = c * first - s * second;
            v(k, q) = s * first + c * second;
          }
        }
      }
      if (!turned) break;
    }
    std::vector<double> values, sorted;
    for (int64_t i = 0; i < n; ++i) values.push_back(a(i, i));
    Matrix vectors(n, n);
    int64_t column = 0;
    for (int64_t from : order_of(values, false)) {
      sorted.push_back(values[static_cast<size_t>(from)]);
      for (int64_t i = 0; i < n; ++i) vectors(i, column) = v(i, from);
      if (points_down(vectors, column)) negate_column(vectors, column);
      ++column;
    }
    out_w.store(number, sorted);
    out_v.store(number, vectors);
  }
  return FL_OK;
}

// Fills columns from `known` on with unit vectors orthogonal to all before.
void complete(Matrix& u, int64_t known) {
  for (int64_t column = known; column < u.columns; ++column) {
    double best = -1;
    std::vector<double> chosen;
    for (int64_t unit = 0; unit < u.rows; ++unit) {
      std::vector<double> e(static_cast<size_t>(u.rows), 0.0);
      e[static_cast<size_t>(unit)] = 1;
      for (int twice = 0; twice < 2; ++twice) {
        for (int64_t c = 0; c < column; ++c) {
          double dot = 0;
          for (int64_t i = 0; i < u.rows; ++i) dot += u(i, c) * e[static_cast<size_t>(i)];
          for (int64_t i = 0; i < u.rows; ++i) e[static_cast<size_t>(i)] -= dot * u(i, c);
        }
      }
      double length = std::sqrt(std::inner_product(e.begin(), e.end(), e.begin(), 0.0));
      if (length <= best + 1e-9) continue;
      best = length;
      chosen = e;
    }
    for (int64_t i = 0; i < u.rows; ++i) u(i, column) = chosen[static_cast<size_t>(i)] / best;
  }
}

// svd(x; full): the columns of x, or of its transpose if it is wide, are rotated until they are orthogonal.
fl_status run_svd(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_u(call.outputs[0], 2), out_s(call.outputs[1], 1), out_vh(call.outputs[2], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix given = x.load(number);
    if (!is_finite(given)) return refuse_nan(loop, number);
    bool wide = given.columns > given.rows;
    Matrix a = wide ? transposed(given) : given;
    int64_t m = a.rows, n = a.columns;
    Matrix v = identity(n);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool turned = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          double pp = 0, qq = 0, pq = 0;
          for (int64_t i = 0; i < m; ++i) pp += a(i, p) * a(i, p), qq += a(i, q) * a(i, q), pq += a(i, p) * a(i, q);
          if (pq == 0 || std::fabs(pq) <= 0x1p-53 * std::sqrt(pp * qq)) continue;
          turned = true;
          double zeta = (qq - pp) / (2 * pq);
          double t = std::copysign(1.0, zeta) / (std::fabs(zeta) + std::hypot(zeta, 1.0));
          double c = 1 / std::hypot(t, 1.0), s = t * c;
          for (Matrix* both : {&a, &v}) {
            for (int64_t i = 0; i < both->rows; ++i) {
              double first = (*both)(i, p), second = (*both)(i, q);
              (*both)(i, p) = c * first - s * second;
              (*both)(i, q) = s * first + c * second;
            }
          }
        }
      }
      if (!turned) break;
    }
    std::vector<double> lengths, sorted;
    for (int64_t j = 0; j < n; ++j) {
      double square = 0;
      for (int64_t i = 0; i < m; ++i) square += a(i, j) * a(i, j);
      lengths.push_back(std::sqrt(square));
    }
    // Of the tall matrix: left (m, ...), right (n, n).
    int64_t rows = call.outputs[0].shape[call.outputs[0].ndim - 1], columns = call.outputs[2].shape[call.outputs[2].ndim - 2];
    Matrix left(m, wide ? columns : rows), right(n, n);
    int64_t column = 0, known = 0;
    double largest = n ? *std::max_element(lengths.begin(), lengths.end()) : 0;
    for (int64_t from : order_of(lengths, true)) {
      double length = lengths[static_cast<size_t>(from)];
      sorted.push_back(length);
      for (int64_t i = 0; i < n; ++i) right(i, column) = v(i, from);
      if (length > 0x1p-52 * largest) {
        for (int64_t i = 0; i < m; ++i) left(i, column) = a(i, from) / length;
        known = column + 1;
      }
      ++column;
    }
    complete(left, known);
    Matrix& u = wide ? right : left;
    Matrix& other = wide ? left : right;
    for (int64_t j = 0; j < u.columns; ++j) {
      if (!points_down(u, j)) continue;
      negate_column(u, j);
      if (j < n) negate_column(other, j);
    }
    out_u.store(number, u);
    out_s.store(number, sorted);
    out_vh.store(number, transposed(other));
  }
  return FL_OK;
}

}  // namespace

void add_linalg(Loops& loops) {
  auto wide_floats = [](const Loop&, const Type* t, int32_t n) {
    return std::all_of(t, t + n, [&](Type type) { return type == t[0]; }) && (t[0] == Type::kFloat32 || t[0] == Type::kFloat64);
  };
  loops.push_back({"solve", wide_floats, run_solve});
  loops.push_back({"det", wide_floats, run_det});
  loops.push_back({"slogdet", wide_floats, run_det});
  loops.push_back({"cholesky", wide_floats, run_cholesky});
  loops.push_back({"qr", wide_floats, run_qr});
  loops.push_back({"eigh", wide_floats, run_eigh});
  loops.push_back({"svd", wide_floats, run_svd});
}

}  // namespace flambeau::reference
