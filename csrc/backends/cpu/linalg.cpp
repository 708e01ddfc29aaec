// linalg.cpp: factorizations and solutions by LAPACK, which the bundled OpenBLAS brings along. Matrices are copied into
// columns, as LAPACK wants them, and a batch is shared out among threads. Without the library there is no kernel: the
// error names the reference device, which has its own loops.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <complex>
#include <cstring>
#include <limits>
#include <numeric>
#include <string>
#include <type_traits>
#include <vector>

#include "cpu.h"
#include "linalg_small.h"
#include "matmul.h"

namespace flambeau::cpu {
namespace {

using Int = int;           // LAPACK's INTEGER in this build of OpenBLAS
using Length = size_t;     // of a text, behind the other arguments

// The type of a number's parts.
template <class T>
struct Part {
  using type = T;
};
template <class T>
struct Part<std::complex<T>> {
  using type = T;
};
template <class T>
using Real = typename Part<T>::type;
template <class T>
constexpr bool kComplex = !std::is_same_v<T, Real<T>>;

template <class T>
T conjugate(T x) {
  if constexpr (kComplex<T>) return std::conj(x);
  else return x;
}
template <class T>
Real<T> real_part(T x) {
  if constexpr (kComplex<T>) return x.real();
  else return x;
}

// LAPACK's routines for one type of elements. Those for complex numbers want more room; where they have another name it
// stands in `open`.
template <class T>
struct Lapack {
  using R = Real<T>;
  template <class RealOne, class ComplexOne>
  using Either = std::conditional_t<kComplex<T>, ComplexOne, RealOne>;

  void (*potrf)(const char* uplo, const Int* n, T* a, const Int* lda, Int* info, Length);
  void (*getrf)(const Int* m, const Int* n, T* a, const Int* lda, Int* pivots, Int* info);
  void (*getrs)(const char* trans, const Int* n, const Int* columns, const T* a, const Int* lda, const Int* pivots, T* b,
                const Int* ldb, Int* info, Length);
  void (*geqrf)(const Int* m, const Int* n, T* a, const Int* lda, T* tau, T* work, const Int* size, Int* info);
  void (*orgqr)(const Int* m, const Int* n, const Int* k, T* a, const Int* lda, const T* tau, T* work, const Int* size, Int* info);
  Either<void (*)(const char* job, const char* uplo, const Int* n, T* a, const Int* lda, R* w, T* work, const Int* size,
                  Int* whole, const Int* whole_size, Int* info, Length, Length),
         void (*)(const char* job, const char* uplo, const Int* n, T* a, const Int* lda, R* w, T* work, const Int* size,
                  R* real, const Int* real_size, Int* whole, const Int* whole_size, Int* info, Length, Length)>
      syevd;
  Either<void (*)(const char* job, const Int* m, const Int* n, T* a, const Int* lda, R* s, T* u, const Int* ldu, T* vt,
                  const Int* ldvt, T* work, const Int* size, Int* whole, Int* info, Length),
         void (*)(const char* job, const Int* m, const Int* n, T* a, const Int* lda, R* s, T* u, const Int* ldu, T* vt,
                  const Int* ldvt, T* work, const Int* size, R* real, Int* whole, Int* info, Length)>
      gesdd;
  Either<void (*)(const char* left, const char* right, const Int* n, T* a, const Int* lda, R* real, R* imaginary, T* vl,
                  const Int* ldvl, T* vr, const Int* ldvr, T* work, const Int* size, Int* info, Length, Length),
         void (*)(const char* left, const char* right, const Int* n, T* a, const Int* lda, T* w, T* vl, const Int* ldvl,
                  T* vr, const Int* ldvr, T* work, const Int* size, R* real, Int* info, Length, Length)>
      geev;

  bool open(void* library, char letter) {
    bool all = library != nullptr;
    const auto find = [&](auto& function, const char* name) {
      if (!all) return;
      void* symbol = dlsym(library, (std::string("scipy_") + letter + name + "_").c_str());
      all = symbol != nullptr;
      std::memcpy(&function, &symbol, sizeof symbol);
    };
    find(potrf, "potrf");
    find(getrf, "getrf");
    find(getrs, "getrs");
    find(geqrf, "geqrf");
    find(orgqr, kComplex<T> ? "ungqr" : "orgqr");
    find(syevd, kComplex<T> ? "heevd" : "syevd");
    find(gesdd, "gesdd");
    find(geev, "geev");
    return all;
  }
};

template <class T>
const Lapack<T>* lapack() {
  static const Lapack<T>* found = [] {
    static Lapack<T> table;
    constexpr bool single = std::is_same_v<Real<T>, float>;
    const char letter = kComplex<T> ? (single ? 'c' : 'z') : (single ? 's' : 'd');
    return table.open(openblas_library(), letter) ? &table : nullptr;
  }();
  return found;
}

// ---- matrices of a batch ----

// The last `own` axes are a matrix's (2), a vector's (1) or none (0).
struct Batch {
  Batch(const fl_tensor& tensor, int own) : tensor(tensor), own(own) {
    for (int d = 0; d + own < tensor.ndim; ++d) count *= tensor.shape[d];
  }
  int64_t rows() const { return tensor.shape[tensor.ndim - 2]; }
  int64_t columns() const { return tensor.shape[tensor.ndim - 1]; }
  template <class T>
  T* at(int64_t number) const {
    int64_t offset = 0;
    for (int d = tensor.ndim - own - 1; d >= 0; --d) {
      offset += number % tensor.shape[d] * tensor.strides[d];
      number /= tensor.shape[d];
    }
    return reinterpret_cast<T*>(data_of(tensor)) + offset;
  }
  // Column after column, `rows` apart.
  template <class T>
  void load(int64_t number, T* to) const {
    const T* from = at<T>(number);
    const int64_t m = rows(), n = columns(), row = tensor.strides[tensor.ndim - 2], column = tensor.strides[tensor.ndim - 1];
    for (int64_t j = 0; j < n; ++j)
      for (int64_t i = 0; i < m; ++i) to[j * m + i] = from[i * row + j * column];
  }
  template <class T>
  void store(int64_t number, const T* from, int64_t from_rows) const {
    T* to = at<T>(number);
    const int64_t m = rows(), n = columns();
    for (int64_t i = 0; i < m; ++i)
      for (int64_t j = 0; j < n; ++j) to[i * n + j] = from[j * from_rows + i];
  }
  const fl_tensor& tensor;
  int own;
  int64_t count = 1;
};

template <class T>
Int size_asked(const T& answer) {
  return Int(real_part(answer)) + 1;
}

struct Failure {
  int64_t number = -1;  // of the matrix
  Int info = 0;
};

// Runs body(number) -> info for every matrix; gives the first that failed.
template <class Body>
Failure for_each(int64_t count, int64_t work, const Body& body) {
  std::vector<Int> infos(size_t(count), 0);
  parallel_for(count, std::max<int64_t>(1, 64 * 1024 / std::max<int64_t>(1, work)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) infos[size_t(i)] = body(i);
  });
  for (int64_t i = 0; i < count; ++i)
    if (infos[size_t(i)] != 0) return {i, infos[size_t(i)]};
  return {};
}

using Wide = long long;

// Memory for few elements on the stack, for more on the heap.
template <class T, size_t few>
struct Room {
  explicit Room(size_t n) : more(n > few ? n : 0) {}
  T* data() { return more.empty() ? own : more.data(); }
  T own[few] = {};
  std::vector<T> more;
};

// solve(a, b); inv(a), which is solve(a, 1).
template <class T>
fl_status solve(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const bool inverts = call->input_count == 1;
  const Batch a(call->inputs[0], 2), b(call->inputs[inverts ? 0 : 1], 2), out(call->outputs[0], 2);
  const Int n = Int(a.rows()), columns = Int(b.columns()), ld = std::max(n, 1);
  const Failure failure = for_each(out.count, int64_t(n) * n * n, [&](int64_t number) {
    Room<T, kFewRows * kFewRows> factors(size_t(n) * size_t(n)), x(size_t(n) * size_t(columns));
    Room<Int, kFewRows> pivots(static_cast<size_t>(n));
    a.load(number, factors.data());
    if (!inverts) b.load(number, x.data());
    else for (Int i = 0; i < n; ++i) x.data()[int64_t(i) * (n + 1)] = T(1);
    Int info = 0;
    if constexpr (!kComplex<T>) {
      if (n > 0 && n <= kFewRows) {
        info = eliminate_few(n, factors.data(), pivots.data());
        if (info == 0) substitute_few(n, columns, factors.data(), pivots.data(), x.data());
        out.store(number, x.data(), n);
        return info;
      }
    }
    with.getrf(&n, &n, factors.data(), &ld, pivots.data(), &info);
    if (info == 0) with.getrs("N", &n, &columns, factors.data(), &ld, pivots.data(), x.data(), &ld, &info, 1);
    out.store(number, x.data(), n);
    return info;
  });
  if (failure.number < 0) return FL_OK;
  return fail(FL_BAD_VALUE, "%s: matrix %lld of the batch is singular: it has no inverse; linalg.pinv has a least-squares solution",
              inverts ? "inv" : "solve", Wide(failure.number));
}

// What a factorization by elimination says about the determinant.
template <class T>
struct Determinant {
  using Wide = std::conditional_t<kComplex<T>, std::complex<double>, double>;
  Determinant(const T* factors, const Int* pivots, Int n, bool singular) {
    for (Int i = 0; i < n; ++i) {
      const Wide element = Wide(factors[size_t(i) * size_t(n) + size_t(i)]);
      const double length = std::abs(element);
      if (pivots[i] != i + 1) sign = -sign;
      if constexpr (kComplex<T>) sign *= element / length;
      else if (element < 0) sign = -sign;
      product *= length;
      logarithm += std::log(length);
    }
    if (std::isnan(product)) sign = product;
    if (singular) sign = product = 0;
  }
  Wide value() const { return sign == 0.0 ? Wide(0) : sign * product; }
  Wide sign = 1;
  double product = 1, logarithm = 0;
};

// det(x), or slogdet(x) -> sign, logarithm.
template <class T, bool logarithms>
fl_status det(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), first(call->outputs[0], 0), second(call->outputs[call->output_count - 1], 0);
  const Int n = Int(x.rows()), ld = std::max(n, 1);
  for_each(x.count, int64_t(n) * n * n, [&](int64_t number) {
    Room<T, kFewRows * kFewRows> factors(size_t(n) * size_t(n));
    Room<Int, kFewRows> pivots(static_cast<size_t>(n));
    x.load(number, factors.data());
    Int info = 0;
    if (n) with.getrf(&n, &n, factors.data(), &ld, pivots.data(), &info);
    const Determinant<T> found(factors.data(), pivots.data(), n, info > 0);
    if (logarithms) {
      *first.at<T>(number) = T(found.sign);
      *second.at<Real<T>>(number) = Real<T>(found.sign == 0.0 ? -std::numeric_limits<double>::infinity() : found.logarithm);
    } else {
      *first.at<T>(number) = T(found.value());
    }
    return Int(0);
  });
  return FL_OK;
}

template <class T>
bool is_finite(const std::vector<T>& a) {
  return std::all_of(a.begin(), a.end(), [](T x) { return std::isfinite(std::real(x)) && std::isfinite(std::imag(x)); });
}

// The singular values of an m by n matrix in columns, which is lost; the vectors go to u (m rows) and vh (`rows` rows).
template <class T>
Int decompose(const char* job, Int m, Int n, T* a, Real<T>* s, T* u, T* vh, Int rows) {
  const Lapack<T>& with = *lapack<T>();
  const Int k = std::min(m, n), ld = std::max(m, 1), ld_vh = std::max(rows, 1);
  Int info = 0, size = -1;
  std::vector<Int> whole(size_t(8) * size_t(k));
  std::vector<Real<T>> real(kComplex<T> ? size_t(k) * size_t(std::max(5 * k + 7, 2 * std::max(m, n) + 2 * k + 1)) : 0);
  std::vector<T> work(1);
  for (int turn = 0; turn < 2; ++turn) {  // asks for the room, then computes
    if constexpr (kComplex<T>)
      with.gesdd(job, &m, &n, a, &ld, s, u, &ld, vh, &ld_vh, work.data(), &size, real.data(), whole.data(), &info, 1);
    else
      with.gesdd(job, &m, &n, a, &ld, s, u, &ld, vh, &ld_vh, work.data(), &size, whole.data(), &info, 1);
    if (turn == 0) work.resize(static_cast<size_t>(size = size_asked(work[0])));
  }
  return info;
}

// cofactors(x): det(x) times the inverse, transposed, and what that tends to where there is no inverse.
template <class T>
fl_status cofactors(const fl_call* call) {
  using Wide = typename Determinant<T>::Wide;
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out(call->outputs[0], 2);
  const Int n = Int(x.rows()), ld = std::max(n, 1);
  const auto determinant = [&](std::vector<T>& a, std::vector<Int>& pivots) {
    Int info = 0;
    with.getrf(&n, &n, a.data(), &ld, pivots.data(), &info);
    return Determinant<T>(a.data(), pivots.data(), n, info > 0);
  };
  for_each(n ? x.count : 0, int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(n) * size_t(n)), found(size_t(n) * size_t(n));
    std::vector<Int> pivots(static_cast<size_t>(n));
    x.load(number, a.data());
    std::vector<T> kept = a;
    const Determinant<T> whole = determinant(a, pivots);
    Int info = 0;
    if (!is_finite(kept)) {
      std::fill(found.begin(), found.end(), std::numeric_limits<Real<T>>::quiet_NaN());
    } else if (whole.product != 0) {
      for (Int i = 0; i < n; ++i) found[size_t(i) * size_t(n) + size_t(i)] = 1;
      with.getrs("T", &n, &n, a.data(), &ld, pivots.data(), found.data(), &ld, &info, 1);
      for (T& element : found) element = T(whole.value() * Wide(element));
    } else {
      // x = u s vh, so the cofactors are those of s, which are products of all singular values but one.
      std::vector<T> u(kept.size()), vh(kept.size());
      std::vector<Real<T>> s(static_cast<size_t>(n));
      info = decompose("A", n, n, kept.data(), s.data(), u.data(), vh.data(), n);
      const std::vector<T> left = u, right = vh;
      const Wide sign = determinant(u, pivots).sign * determinant(vh, pivots).sign;
      for (Int k = 0; k < n; ++k) {
        Wide others = sign;
        for (Int i = 0; i < n; ++i) others *= i == k ? 1.0 : double(s[size_t(i)]);
        for (Int j = 0; j < n; ++j)
          for (Int i = 0; i < n; ++i)
            found[size_t(j) * size_t(n) + size_t(i)] += T(others * Wide(conjugate(left[size_t(k) * size_t(n) + size_t(i)])) *
                                                          Wide(conjugate(right[size_t(j) * size_t(n) + size_t(k)])));
      }
    }
    out.store(number, found.data(), n);
    return info;
  });
  return FL_OK;
}

template <class T>
fl_status cholesky(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out(call->outputs[0], 2);
  const Int n = Int(x.rows());
  const Failure failure = for_each(x.count, int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(n) * size_t(n));
    x.load(number, a.data());
    Int info = 0;
    with.potrf("L", &n, a.data(), &n, &info, 1);
    for (Int j = 1; j < n; ++j) std::fill_n(a.data() + int64_t(j) * n, j, T(0));
    out.store(number, a.data(), n);
    return info;
  });
  if (failure.number < 0) return FL_OK;
  return fail(FL_BAD_VALUE, "cholesky: matrix %lld of the batch is not positive definite: its leading %d by %d part is not",
              Wide(failure.number), failure.info, failure.info);
}

template <class T>
fl_status qr(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out_q(call->outputs[0], 2), out_r(call->outputs[1], 2);
  const Int m = Int(x.rows()), n = Int(x.columns()), k = std::min(m, n), kept = Int(out_q.columns()), ld = std::max(m, 1);
  for_each(x.count, int64_t(m) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(m) * size_t(std::max(n, kept))), r(size_t(kept) * size_t(n)), tau(static_cast<size_t>(k));
    x.load(number, a.data());
    Int info = 0, query = -1;
    T best[2] = {};
    if (k) {
      with.geqrf(&m, &n, a.data(), &ld, tau.data(), &best[0], &query, &info);
      with.orgqr(&m, &kept, &k, a.data(), &ld, tau.data(), &best[1], &query, &info);
      const Int size = std::max(size_asked(best[0]), size_asked(best[1]));
      std::vector<T> work(static_cast<size_t>(size));
      with.geqrf(&m, &n, a.data(), &ld, tau.data(), work.data(), &size, &info);
      for (Int j = 0; j < n; ++j) std::copy_n(a.data() + int64_t(j) * m, std::min(j + 1, kept), r.data() + int64_t(j) * kept);
      with.orgqr(&m, &kept, &k, a.data(), &ld, tau.data(), work.data(), &size, &info);
    } else {
      for (Int i = 0; i < kept; ++i) a[size_t(i) * size_t(m) + size_t(i)] = 1;
    }
    out_q.store(number, a.data(), m);
    out_r.store(number, r.data(), kept);
    return info;
  });
  return FL_OK;
}

// Multiplies a vector of n so that the first of its nearly largest elements becomes positive; gives the factor.
template <class T>
T turn(T* v, Int n) {
  Real<T> largest = 0;
  for (Int i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
  for (Int i = 0; i < n && largest > 0; ++i) {
    const Real<T> length = std::abs(v[i]);
    if (!(length >= Real<T>(0.999) * largest)) continue;
    const T by = conjugate(v[i]) / length;
    if (by == T(1)) return by;
    for (Int j = 0; j < n; ++j) v[j] *= by;
    v[i] = length;
    return by;
  }
  return 1;
}

fl_status no_convergence(const char* op, const Failure& failure) {
  return fail(FL_BAD_VALUE, "%s: matrix %lld of the batch %s", op, Wide(failure.number),
              failure.info < 0 ? "holds NaN or an infinity" : "takes too many iterations; scale it to numbers around 1");
}

template <class T>
fl_status eigh(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out_w(call->outputs[0], 1), out_v(call->outputs[1], 2);
  const Int n = Int(x.rows()), ld = std::max(n, 1);
  const Failure failure = for_each(x.count, 8 * int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(n) * size_t(n)), work(1);
    std::vector<Real<T>> w(static_cast<size_t>(n)), real(1);
    std::vector<Int> whole(1);
    x.load(number, a.data());
    if (!is_finite(a)) return Int(-1);
    Int info = 0, size = -1, real_size = -1, whole_size = -1;
    for (int turns = 0; turns < 2; ++turns) {  // asks for the room, then computes
      if constexpr (kComplex<T>)
        with.syevd("V", "L", &n, a.data(), &ld, w.data(), work.data(), &size, real.data(), &real_size, whole.data(), &whole_size, &info, 1, 1);
      else
        with.syevd("V", "L", &n, a.data(), &ld, w.data(), work.data(), &size, whole.data(), &whole_size, &info, 1, 1);
      if (turns) break;
      work.resize(static_cast<size_t>(size = size_asked(work[0])));
      real.resize(static_cast<size_t>(real_size = size_asked(real[0])));
      whole.resize(static_cast<size_t>(whole_size = whole[0]));
    }
    for (Int j = 0; j < n; ++j) turn(a.data() + int64_t(j) * n, n);
    std::copy(w.begin(), w.end(), out_w.at<Real<T>>(number));
    out_v.store(number, a.data(), n);
    return info;
  });
  return failure.number < 0 ? FL_OK : no_convergence("eigh", failure);
}

template <class T>
fl_status svd(const fl_call* call) {
  const Batch x(call->inputs[0], 2), out_u(call->outputs[0], 2), out_s(call->outputs[1], 1), out_vh(call->outputs[2], 2);
  const Int m = Int(x.rows()), n = Int(x.columns()), k = std::min(m, n), columns = Int(out_u.columns()), rows = Int(out_vh.rows());
  const char* job = call->attrs[0].value.i ? "A" : "S";
  const Failure failure = for_each(x.count, 8 * int64_t(m) * n * k, [&](int64_t number) {
    std::vector<T> a(size_t(m) * size_t(n)), u(size_t(m) * size_t(columns)), vh(size_t(rows) * size_t(n));
    std::vector<Real<T>> s(static_cast<size_t>(k));
    x.load(number, a.data());
    if (!is_finite(a)) return Int(-1);
    Int info = 0;
    if (k) {
      info = decompose(job, m, n, a.data(), s.data(), u.data(), vh.data(), rows);
    } else {
      for (Int i = 0; i < columns; ++i) u[size_t(i) * size_t(m) + size_t(i)] = 1;
      for (Int i = 0; i < rows; ++i) vh[size_t(i) * size_t(rows) + size_t(i)] = 1;
    }
    for (Int j = 0; j < columns; ++j) {
      const T by = conjugate(turn(u.data() + int64_t(j) * m, m));
      if (by == T(1) || j >= k) continue;
      for (Int i = 0; i < n; ++i) vh[size_t(i) * size_t(rows) + size_t(j)] *= by;
    }
    out_u.store(number, u.data(), m);
    std::copy(s.begin(), s.end(), out_s.at<Real<T>>(number));
    out_vh.store(number, vh.data(), rows);
    return info;
  });
  return failure.number < 0 ? FL_OK : no_convergence("svd", failure);
}

// The order of eigenvalues: by their real parts, and where those are (nearly) equal by falling imaginary parts.
template <class R>
std::vector<Int> order_of(const std::vector<std::complex<R>>& w) {
  std::vector<Int> order(w.size());
  std::iota(order.begin(), order.end(), 0);
  R farthest = 0;
  for (const std::complex<R>& value : w) farthest = std::max(farthest, std::abs(value));
  const auto real = [&](Int i) { return w[size_t(i)].real(); };
  std::stable_sort(order.begin(), order.end(), [&](Int i, Int j) { return real(i) < real(j); });
  for (auto from = order.begin(); from != order.end();) {
    auto to = from + 1;
    while (to != order.end() && real(*to) - real(to[-1]) <= R(1e-4) * farthest) ++to;
    std::stable_sort(from, to, [&](Int i, Int j) { return w[size_t(i)].imag() > w[size_t(j)].imag(); });
    from = to;
  }
  return order;
}

// eig(x) -> values and vectors, both complex. Single precision is computed in double: LAPACK's geev is accurate beside
// the largest element, so of a graded matrix it would lose small eigenvalues and their vectors.
template <class T>
using InDouble = std::conditional_t<kComplex<T>, std::complex<double>, double>;
template <class Given>
fl_status eig(const fl_call* call) {
  using T = InDouble<Given>;
  using R = double;
  using C = std::complex<R>;
  using Single = std::complex<Real<Given>>;
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out_w(call->outputs[0], 1), out_v(call->outputs[1], 2);
  const Int n = Int(x.rows()), ld = std::max(n, 1);
  const Failure failure = for_each(n ? x.count : 0, 24 * int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(n) * size_t(n)), vectors(a.size()), work(1);
    std::vector<R> real(size_t(2) * size_t(n)), imaginary(static_cast<size_t>(n));
    std::vector<C> w(static_cast<size_t>(n));
    std::vector<Given> given(a.size());
    x.load(number, given.data());
    std::copy(given.begin(), given.end(), a.begin());
    if (!is_finite(a)) return Int(-1);
    Int info = 0, size = -1;
    for (int turns = 0; turns < 2; ++turns) {  // asks for the room, then computes
      if constexpr (kComplex<T>)
        with.geev("N", "V", &n, a.data(), &ld, w.data(), nullptr, &ld, vectors.data(), &ld, work.data(), &size, real.data(), &info, 1, 1);
      else
        with.geev("N", "V", &n, a.data(), &ld, real.data(), imaginary.data(), nullptr, &ld, vectors.data(), &ld, work.data(), &size, &info, 1, 1);
      if (turns == 0) work.resize(static_cast<size_t>(size = size_asked(work[0])));
    }
    std::vector<C> v(vectors.begin(), vectors.end());
    if constexpr (!kComplex<T>) {
      for (Int j = 0; j < n; ++j) {
        w[size_t(j)] = C(real[size_t(j)], imaginary[size_t(j)]);
        if (!(imaginary[size_t(j)] > 0) || j + 1 == n) continue;
        // A pair stands as its real and its imaginary part, in two columns.
        for (Int i = 0; i < n; ++i) {
          C& first = v[size_t(j) * size_t(n) + size_t(i)];
          C& second = v[size_t(j + 1) * size_t(n) + size_t(i)];
          first = C(first.real(), second.real());
          second = std::conj(first);
        }
      }
    }
    std::vector<Single> sorted(v.size());
    Single* values = out_w.at<Single>(number);
    Int column = 0;
    for (Int from : order_of(w)) {
      values[column] = Single(w[size_t(from)]);
      C* vector = v.data() + int64_t(from) * n;
      turn(vector, n);
      std::copy_n(vector, n, sorted.data() + int64_t(column++) * n);
    }
    out_v.store(number, sorted.data(), n);
    return info;
  });
  return failure.number < 0 ? FL_OK : no_convergence("eig", failure);
}

// ---- kernels ----

struct Factoring {
  const char* name;
  fl_status (*run)(const fl_call* call);
  bool (*is_there)();
};

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Factoring& op = state_of<Factoring>(self);
  if (!op.is_there())
    return fail(FL_DEVICE_ERROR,
                "%s: the CPU computes it with LAPACK, which the bundled OpenBLAS brings along and which could not be opened: "
                "install flambeau again (or unset FLAMBEAU_OPENBLAS), or compute on the reference device, x.to('reference')",
                op.name);
  return op.run(call);
}

template <class T>
bool is_there() {
  return lapack<T>() != nullptr;
}

template <class T>
const fl_kernel* kernel_for(const char* name) {
  const Factoring all[] = {{"solve", solve<T>, is_there<T>}, {"inv", solve<T>, is_there<T>}, {"det", det<T, false>, is_there<T>},
                           {"slogdet", det<T, true>, is_there<T>}, {"cofactors", cofactors<T>, is_there<T>},
                           {"cholesky", cholesky<T>, is_there<T>}, {"qr", qr<T>, is_there<T>},
                           {"eigh", eigh<T>, is_there<T>}, {"svd", svd<T>, is_there<T>}, {"eig", eig<T>, is_there<InDouble<T>>}};
  for (const Factoring& op : all)
    if (std::strcmp(op.name, name) == 0) return keep_kernel(run, op);
  return nullptr;
}

const Registration kFactorings({"solve", "inv", "det", "slogdet", "cofactors", "cholesky", "qr", "eigh", "svd", "eig"},
                               [](const char* name, std::span<const Type> types) -> const fl_kernel* {
                                 for (Type type : types)
                                   if (real_of(type) != real_of(types[0])) return nullptr;
                                 switch (types[0]) {
                                   case Type::Float32: return kernel_for<float>(name);
                                   case Type::Float64: return kernel_for<double>(name);
                                   case Type::Complex64: return kernel_for<std::complex<float>>(name);
                                   case Type::Complex128: return kernel_for<std::complex<double>>(name);
                                   default: return nullptr;
                                 }
                               });

}  // namespace
}  // namespace flambeau::cpu
