// spectra.cpp: eigenvalues and singular values by the plainest algorithms, with complex doubles: Jacobi rotations for
// Hermitian matrices and for singular values, shifted QR steps for any square matrix. Vectors are turned so that the first
// of their nearly largest elements is positive, which makes them the same on every device.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "matrices.h"

namespace flambeau::reference {

namespace {

fl_status refuse_nan(const Loop& loop, int64_t number) {
  return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch holds NaN or an infinity", loop.name, static_cast<long long>(number));
}

// What to multiply a column with so that its first nearly largest element becomes positive.
Complex turn_of(const Matrix& v, int64_t column) {
  double largest = 0;
  for (int64_t i = 0; i < v.rows; ++i) largest = std::max(largest, std::abs(v(i, column)));
  for (int64_t i = 0; i < v.rows; ++i)
    if (const double length = std::abs(v(i, column)); length >= 0.999 * largest && length > 0) return std::conj(v(i, column)) / length;
  return 1;
}

void scale_column(Matrix& v, int64_t column, Complex by) {
  for (int64_t i = 0; i < v.rows; ++i) v(i, column) *= by;
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

// The rotation (c, s; -conj(s), c) that makes a Hermitian matrix (pp, pq; conj(pq), qq) diagonal.
struct Rotation {
  Rotation(double pp, double qq, Complex pq) {
    const double length = std::abs(pq), theta = (qq - pp) / (2 * length);
    const double t = std::copysign(1.0, theta) / (std::fabs(theta) + std::hypot(theta, 1.0));
    c = 1 / std::hypot(t, 1.0);
    s = t * c * (pq / length);
  }
  // Columns p and q of a become c p - conj(s) q and s p + c q.
  void turn_columns(Matrix& a, int64_t p, int64_t q) const {
    for (int64_t k = 0; k < a.rows; ++k) {
      const Complex first = a(k, p), second = a(k, q);
      a(k, p) = c * first - std::conj(s) * second;
      a(k, q) = s * first + c * second;
    }
  }
  void turn_rows(Matrix& a, int64_t p, int64_t q) const {
    for (int64_t k = 0; k < a.columns; ++k) {
      const Complex first = a(p, k), second = a(q, k);
      a(p, k) = c * first - s * second;
      a(q, k) = std::conj(s) * first + c * second;
    }
  }
  double c;
  Complex s;
};

constexpr int kSweeps = 60;

// eigh(x) -> values, vectors.
fl_status run_eigh(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_w(call.outputs[0], 1), out_v(call.outputs[1], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number);
    int64_t n = a.rows;
    if (!is_finite(a)) return refuse_nan(loop, number);
    for (int64_t i = 0; i < n; ++i) {
      a(i, i) = a(i, i).real();
      for (int64_t j = i + 1; j < n; ++j) a(i, j) = std::conj(a(j, i));
    }
    Matrix v = identity(n);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool turned = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          const double pp = a(p, p).real(), qq = a(q, q).real();
          const Complex pq = a(p, q);
          if (std::abs(pq) <= 0x1p-60 * (std::fabs(pp) + std::fabs(qq)) || pq == 0.0) continue;
          turned = true;
          const Rotation rotation(pp, qq, pq);
          rotation.turn_columns(a, p, q);
          rotation.turn_rows(a, p, q);
          rotation.turn_columns(v, p, q);
        }
      }
      if (!turned) break;
    }
    std::vector<double> values, sorted;
    for (int64_t i = 0; i < n; ++i) values.push_back(a(i, i).real());
    Matrix vectors(n, n);
    int64_t column = 0;
    for (int64_t from : order_of(values, false)) {
      sorted.push_back(values[static_cast<size_t>(from)]);
      for (int64_t i = 0; i < n; ++i) vectors(i, column) = v(i, from);
      scale_column(vectors, column, turn_of(vectors, column));
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
    std::vector<Complex> chosen;
    for (int64_t unit = 0; unit < u.rows; ++unit) {
      std::vector<Complex> e(static_cast<size_t>(u.rows), 0.0);
      e[static_cast<size_t>(unit)] = 1;
      for (int twice = 0; twice < 2; ++twice) {
        for (int64_t c = 0; c < column; ++c) {
          Complex dot = 0;
          for (int64_t i = 0; i < u.rows; ++i) dot += std::conj(u(i, c)) * e[static_cast<size_t>(i)];
          for (int64_t i = 0; i < u.rows; ++i) e[static_cast<size_t>(i)] -= dot * u(i, c);
        }
      }
      double square = 0;
      for (Complex element : e) square += std::norm(element);
      if (std::sqrt(square) <= best + 1e-9) continue;
      best = std::sqrt(square);
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
    Matrix a = wide ? adjoint(given) : given;
    int64_t m = a.rows, n = a.columns;
    Matrix v = identity(n);
    for (int sweep = 0; sweep < kSweeps; ++sweep) {
      bool turned = false;
      for (int64_t p = 0; p < n; ++p) {
        for (int64_t q = p + 1; q < n; ++q) {
          double pp = 0, qq = 0;
          Complex pq = 0;
          for (int64_t i = 0; i < m; ++i) pp += std::norm(a(i, p)), qq += std::norm(a(i, q)), pq += std::conj(a(i, p)) * a(i, q);
          if (pq == 0.0 || std::abs(pq) <= 0x1p-53 * std::sqrt(pp * qq)) continue;
          turned = true;
          const Rotation rotation(pp, qq, pq);
          rotation.turn_columns(a, p, q);
          rotation.turn_columns(v, p, q);
        }
      }
      if (!turned) break;
    }
    std::vector<double> lengths, sorted;
    for (int64_t j = 0; j < n; ++j) {
      double square = 0;
      for (int64_t i = 0; i < m; ++i) square += std::norm(a(i, j));
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
      const Complex turn = turn_of(u, j);
      scale_column(u, j, turn);
      if (j < n) scale_column(other, j, turn);
    }
    out_u.store(number, u);
    out_s.store(number, sorted);
    out_vh.store(number, adjoint(other));
  }
  return FL_OK;
}

// ---- any square matrix ----

// a becomes upper triangular, q @ a @ adjoint(q) staying what it was. Gives whether that took few enough steps.
// Source: Golub and Van Loan, Matrix Computations, 4th edition, 7.4 and 7.5, with the shifts of Wilkinson.
bool triangulate(Matrix& a, Matrix& q) {
  const int64_t n = a.rows;
  // Turns rows i and j so that a(j, column) becomes zero, and columns i and j back.
  const auto clear = [&](int64_t i, int64_t j, int64_t column) {
    const double length = std::hypot(std::abs(a(i, column)), std::abs(a(j, column)));
    if (length == 0) return std::pair<Complex, Complex>(1, 0);
    const Complex c = a(i, column) / length, s = a(j, column) / length;
    for (int64_t k = 0; k < n; ++k) {
      const Complex first = a(i, k), second = a(j, k);
      a(i, k) = std::conj(c) * first + std::conj(s) * second;
      a(j, k) = -s * first + c * second;
    }
    return std::pair<Complex, Complex>(c, s);
  };
  const auto turn_back = [&](Matrix& m, int64_t i, int64_t j, Complex c, Complex s) {
    for (int64_t k = 0; k < n; ++k) {
      const Complex first = m(k, i), second = m(k, j);
      m(k, i) = first * c + second * s;
      m(k, j) = -first * std::conj(s) + second * std::conj(c);
    }
  };
  for (int64_t column = 0; column + 2 < n; ++column) {
    for (int64_t j = column + 2; j < n; ++j) {
      const auto [c, s] = clear(column + 1, j, column);
      turn_back(a, column + 1, j, c, s);
      turn_back(q, column + 1, j, c, s);
      a(j, column) = 0;
    }
  }
  int64_t last = n - 1;
  int steps = 0;
  while (last > 0) {
    int64_t first = last;
    while (first > 0 && size(a(first, first - 1)) > 0x1p-53 * (size(a(first, first)) + size(a(first - 1, first - 1)))) --first;
    if (first > 0) a(first, first - 1) = 0;
    if (first == last) {
      --last;
      steps = 0;
      continue;
    }
    if (++steps > 300) return false;
    const Complex middle = 0.5 * (a(last - 1, last - 1) - a(last, last)), across = a(last - 1, last) * a(last, last - 1);
    const Complex root = std::sqrt(middle * middle + across);
    const Complex sum = std::abs(middle + root) > std::abs(middle - root) ? middle + root : middle - root;
    Complex shift = sum == 0.0 ? a(last, last) : a(last, last) - across / sum;
    if (steps % 10 == 0) shift += std::abs(a(last, last - 1));  // out of a circle
    for (int64_t i = 0; i < n; ++i) a(i, i) -= shift;
    std::vector<std::pair<Complex, Complex>> turns;
    for (int64_t i = first; i < last; ++i) {
      turns.push_back(clear(i, i + 1, i));
      a(i + 1, i) = 0;
    }
    for (int64_t i = first; i < last; ++i) {
      const auto [c, s] = turns[static_cast<size_t>(i - first)];
      turn_back(a, i, i + 1, c, s);
      turn_back(q, i, i + 1, c, s);
    }
    for (int64_t i = 0; i < n; ++i) a(i, i) += shift;
  }
  return true;
}

// eig(x) -> values, vectors: in the order of their real parts, those of (nearly) equal ones in that of falling imaginary
// parts.
fl_status run_eig(const Loop& loop, const fl_call& call) {
  Batch x(call.inputs[0], 2), out_w(call.outputs[0], 1), out_v(call.outputs[1], 2);
  for (int64_t number = 0; number < x.count(); ++number) {
    Matrix a = x.load(number);
    const int64_t n = a.rows;
    if (!is_finite(a)) return refuse_nan(loop, number);
    Matrix q = identity(n);
    if (!triangulate(a, q)) {
      return refuse(FL_BAD_VALUE, "%s: matrix %lld of the batch takes too many iterations; scale it to numbers around 1", loop.name,
                    static_cast<long long>(number));
    }
    double largest = 0;
    for (Complex element : a.data) largest = std::max(largest, std::abs(element));
    std::vector<double> real;
    double farthest = 0;
    for (int64_t i = 0; i < n; ++i) {
      real.push_back(a(i, i).real());
      farthest = std::max(farthest, std::abs(a(i, i)));
    }
    std::vector<int64_t> order = order_of(real, false);
    for (auto from = order.begin(); from != order.end();) {
      auto to = from + 1;
      while (to != order.end() && real[static_cast<size_t>(*to)] - real[static_cast<size_t>(*(to - 1))] <= 1e-4 * farthest) ++to;
      std::stable_sort(from, to, [&](int64_t i, int64_t j) { return a(i, i).imag() > a(j, j).imag(); });
      from = to;
    }
    std::vector<Complex> sorted;
    Matrix vectors(n, n);
    for (int64_t column = 0; column < n; ++column) {
      const int64_t k = order[static_cast<size_t>(column)];
      sorted.push_back(a(k, k));
      // a is upper triangular: its own vector from below, then back by q.
      std::vector<Complex> own(static_cast<size_t>(n), 0.0);
      own[static_cast<size_t>(k)] = 1;
      for (int64_t i = k; i-- > 0;) {
        Complex rest = 0;
        for (int64_t j = i + 1; j <= k; ++j) rest -= a(i, j) * own[static_cast<size_t>(j)];
        Complex apart = a(i, i) - a(k, k);
        const double smallest = std::max(0x1p-53 * largest, std::numeric_limits<double>::min());
        if (std::abs(apart) < smallest) apart = smallest;
        own[static_cast<size_t>(i)] = rest / apart;
      }
      double square = 0;
      for (int64_t i = 0; i < n; ++i) {
        for (int64_t j = 0; j <= k; ++j) vectors(i, column) += q(i, j) * own[static_cast<size_t>(j)];
        square += std::norm(vectors(i, column));
      }
      scale_column(vectors, column, turn_of(vectors, column) / std::sqrt(square));
    }
    out_w.store(number, sorted);
    out_v.store(number, vectors);
  }
  return FL_OK;
}

}  // namespace

void add_spectra(Loops& loops) {
  const auto to_complex = [](const Loop&, const Type* t, int32_t n) {
    return is_wide(t[0]) && std::all_of(t + 1, t + n, [&](Type type) { return is_complex(type) && real_of(type) == real_of(t[0]); });
  };
  loops.push_back({"eigh", all_wide, run_eigh});
  loops.push_back({"svd", all_wide, run_svd});
  loops.push_back({"eig", to_complex, run_eig});
}

}  // namespace flambeau::reference
