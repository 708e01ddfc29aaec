// linalg.cpp: factorizations and solutions by LAPACK, which the bundled OpenBLAS brings along. Matrices are copied into
// columns, as LAPACK wants them, and a batch is shared out among threads. Without the library there is no kernel: the
// error names the reference device, which has its own loops.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "cpu.h"
#include "matmul.h"

namespace flambeau::cpu {
namespace {

using Int = int;           // LAPACK's INTEGER in this build of OpenBLAS
using Length = size_t;     // of a text, behind the other arguments

template <class T>
struct Lapack {
  void (*potrf)(const char* uplo, const Int* n, T* a, const Int* lda, Int* info, Length);
  void (*getrf)(const Int* m, const Int* n, T* a, const Int* lda, Int* pivots, Int* info);
  void (*getrs)(const char* trans, const Int* n, const Int* columns, const T* a, const Int* lda, const Int* pivots, T* b,
                const Int* ldb, Int* info, Length);
  void (*geqrf)(const Int* m, const Int* n, T* a, const Int* lda, T* tau, T* work, const Int* size, Int* info);
  void (*orgqr)(const Int* m, const Int* n, const Int* k, T* a, const Int* lda, const T* tau, T* work, const Int* size, Int* info);
  void (*syevd)(const char* job, const char* uplo, const Int* n, T* a, const Int* lda, T* w, T* work, const Int* size,
                Int* whole, const Int* whole_size, Int* info, Length, Length);
  void (*gesdd)(const char* job, const Int* m, const Int* n, T* a, const Int* lda, T* s, T* u, const Int* ldu, T* vt,
                const Int* ldvt, T* work, const Int* size, Int* whole, Int* info, Length);

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
    find(orgqr, "orgqr");
    find(syevd, "syevd");
    find(gesdd, "gesdd");
    return all;
  }
};

template <class T>
const Lapack<T>* lapack() {
  static const Lapack<T>* found = [] {
    static Lapack<T> table;
    return table.open(openblas_library(), std::is_same_v<T, float> ? 's' : 'd') ? &table : nullptr;
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
  return Int(answer) + 1;
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

template <class T>
fl_status solve(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch a(call->inputs[0], 2), b(call->inputs[1], 2), out(call->outputs[0], 2);
  const Int n = Int(a.rows()), columns = Int(b.columns()), ld = std::max(n, 1);
  const Failure failure = for_each(out.count, int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> factors(size_t(n) * size_t(n)), x(size_t(n) * size_t(columns));
    std::vector<Int> pivots(static_cast<size_t>(n));
    a.load(number, factors.data());
    b.load(number, x.data());
    Int info = 0;
    with.getrf(&n, &n, factors.data(), &ld, pivots.data(), &info);
    if (info == 0) with.getrs("N", &n, &columns, factors.data(), &ld, pivots.data(), x.data(), &ld, &info, 1);
    out.store(number, x.data(), n);
    return info;
  });
  if (failure.number < 0) return FL_OK;
  return fail(FL_BAD_VALUE, "solve: matrix %lld of the batch is singular: it has no inverse; linalg.pinv has a least-squares solution",
              Wide(failure.number));
}

// det(x), or slogdet(x) -> sign, logarithm.
template <class T, bool logarithms>
fl_status det(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), first(call->outputs[0], 0), second(call->outputs[call->output_count - 1], 0);
  const Int n = Int(x.rows()), ld = std::max(n, 1);
  for_each(x.count, int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> factors(size_t(n) * size_t(n));
    std::vector<Int> pivots(static_cast<size_t>(n));
    x.load(number, factors.data());
    Int info = 0;
    if (n) with.getrf(&n, &n, factors.data(), &ld, pivots.data(), &info);
    double sign = 1, product = 1, logarithm = 0;
    for (Int i = 0; i < n; ++i) {
      const double element = double(factors[size_t(i) * size_t(n) + size_t(i)]);
      if (pivots[size_t(i)] != i + 1) sign = -sign;
      if (element < 0) sign = -sign;
      product *= std::fabs(element);
      logarithm += std::log(std::fabs(element));
    }
    if (std::isnan(product)) sign = product;
    if (info > 0) sign = product = 0;
    if (logarithms) {
      *first.at<T>(number) = T(sign);
      *second.at<T>(number) = T(sign == 0 ? -std::numeric_limits<double>::infinity() : logarithm);
    } else {
      *first.at<T>(number) = T(info > 0 ? 0 : sign * product);
    }
    return Int(0);
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
    T best[2];
    if (k) {
      with.geqrf(&m, &n, a.data(), &ld, tau.data(), &best[0], &query, &info);
      with.orgqr(&m, &kept, &k, a.data(), &ld, tau.data(), &best[1], &query, &info);
      const Int size = size_asked(std::max(best[0], best[1]));
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

// Whether the first nearly largest element of n is negative.
template <class T>
bool points_down(const T* v, Int n) {
  T largest = 0;
  for (Int i = 0; i < n; ++i) largest = std::max(largest, std::abs(v[i]));
  for (Int i = 0; i < n; ++i)
    if (std::abs(v[i]) >= T(0.999) * largest) return v[i] < 0;
  return false;
}

fl_status no_convergence(const char* op, const Failure& failure) {
  return fail(FL_BAD_VALUE, "%s: matrix %lld of the batch %s", op, Wide(failure.number),
              failure.info < 0 ? "holds NaN or an infinity" : "takes too many iterations; scale it to numbers around 1");
}

template <class T>
bool is_finite(const std::vector<T>& a) {
  return std::all_of(a.begin(), a.end(), [](T x) { return std::isfinite(x); });
}

template <class T>
fl_status eigh(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out_w(call->outputs[0], 1), out_v(call->outputs[1], 2);
  const Int n = Int(x.rows());
  const Failure failure = for_each(x.count, 8 * int64_t(n) * n * n, [&](int64_t number) {
    std::vector<T> a(size_t(n) * size_t(n)), w(static_cast<size_t>(n));
    x.load(number, a.data());
    if (!is_finite(a)) return Int(-1);
    Int info = 0, query = -1, whole_best = 0;
    T best = 0;
    with.syevd("V", "L", &n, a.data(), &n, w.data(), &best, &query, &whole_best, &query, &info, 1, 1);
    const Int size = size_asked(best);
    std::vector<T> work(static_cast<size_t>(size));
    std::vector<Int> whole(static_cast<size_t>(whole_best));
    with.syevd("V", "L", &n, a.data(), &n, w.data(), work.data(), &size, whole.data(), &whole_best, &info, 1, 1);
    for (Int j = 0; j < n; ++j) {
      T* column = a.data() + int64_t(j) * n;
      if (points_down(column, n)) std::transform(column, column + n, column, [](T v) { return -v; });
    }
    std::copy(w.begin(), w.end(), out_w.at<T>(number));
    out_v.store(number, a.data(), n);
    return info;
  });
  return failure.number < 0 ? FL_OK : no_convergence("eigh", failure);
}

template <class T>
fl_status svd(const fl_call* call) {
  const Lapack<T>& with = *lapack<T>();
  const Batch x(call->inputs[0], 2), out_u(call->outputs[0], 2), out_s(call->outputs[1], 1), out_vh(call->outputs[2], 2);
  const Int m = Int(x.rows()), n = Int(x.columns()), k = std::min(m, n), columns = Int(out_u.columns()), rows = Int(out_vh.rows());
  const Int ld = std::max(m, 1), ld_vh = std::max(rows, 1);
  const char* job = call->attrs[0].value.i ? "A" : "S";
  const Failure failure = for_each(x.count, 8 * int64_t(m) * n * k, [&](int64_t number) {
    std::vector<T> a(size_t(m) * size_t(n)), s(static_cast<size_t>(k)), u(size_t(m) * size_t(columns)), vh(size_t(rows) * size_t(n));
    x.load(number, a.data());
    if (!is_finite(a)) return Int(-1);
    Int info = 0, query = -1;
    if (k) {
      std::vector<Int> whole(size_t(8) * size_t(k));
      T best = 0;
      with.gesdd(job, &m, &n, a.data(), &ld, s.data(), u.data(), &ld, vh.data(), &ld_vh, &best, &query, whole.data(), &info, 1);
      const Int size = size_asked(best);
      std::vector<T> work(static_cast<size_t>(size));
      with.gesdd(job, &m, &n, a.data(), &ld, s.data(), u.data(), &ld, vh.data(), &ld_vh, work.data(), &size, whole.data(), &info, 1);
    } else {
      for (Int i = 0; i < columns; ++i) u[size_t(i) * size_t(m) + size_t(i)] = 1;
      for (Int i = 0; i < rows; ++i) vh[size_t(i) * size_t(rows) + size_t(i)] = 1;
    }
    for (Int j = 0; j < columns; ++j) {
      T* column = u.data() + int64_t(j) * m;
      if (!points_down(column, m)) continue;
      std::transform(column, column + m, column, [](T v) { return -v; });
      for (Int i = 0; j < k && i < n; ++i) vh[size_t(i) * size_t(rows) + size_t(j)] *= T(-1);
    }
    out_u.store(number, u.data(), m);
    std::copy(s.begin(), s.end(), out_s.at<T>(number));
    out_vh.store(number, vh.data(), rows);
    return info;
  });
  return failure.number < 0 ? FL_OK : no_convergence("svd", failure);
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
  const Factoring all[] = {{"solve", solve<T>, is_there<T>}, {"det", det<T, false>, is_there<T>},
                           {"slogdet", det<T, true>, is_there<T>}, {"cholesky", cholesky<T>, is_there<T>},
                           {"qr", qr<T>, is_there<T>}, {"eigh", eigh<T>, is_there<T>}, {"svd", svd<T>, is_there<T>}};
  for (const Factoring& op : all)
    if (std::strcmp(op.name, name) == 0) return keep_kernel(run, op);
  return nullptr;
}

const Registration kFactorings({"solve", "det", "slogdet", "cholesky", "qr", "eigh", "svd"},
                               [](const char* name, std::span<const Type> types) -> const fl_kernel* {
                                 for (Type type : types)
                                   if (type != types[0]) return nullptr;
                                 if (types[0] == Type::Float32) return kernel_for<float>(name);
                                 return types[0] == Type::Float64 ? kernel_for<double>(name) : nullptr;
                               });

}  // namespace
}  // namespace flambeau::cpu
