// matmul.cpp: matrix products and linear layers.
//
// By size: dot products and small tiles without packing; then our own packed product (gemm.cpp), or OpenBLAS for floats
// where that is faster, opened at the first of them if it is there. The work is cut into tiles of the result by size
// alone, each computed by one thread. float16 and bfloat16 are widened and computed in float32; bfloat16
// stays as it is where the processor multiplies it (bfloat16.cpp).
#include "matmul.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>

#include <dlfcn.h>
#include <unistd.h>

#include "product.h"

namespace flambeau::cpu {
namespace {

// ---- OpenBLAS ------------------------------------------------------------------------------------------

using Sgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, float alpha, const float* a, int lda,
                       const float* b, int ldb, float beta, float* c, int ldc);
using Dgemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, double alpha, const double* a, int lda,
                       const double* b, int ldb, double beta, double* c, int ldc);
constexpr int kRowMajor = 101, kNoTranspose = 111, kTranspose = 112;

struct OpenBlas {
  Sgemm sgemm = nullptr;
  Dgemm dgemm = nullptr;
  void* library = nullptr;
  char description[96] = "own GEMM";
};

// FLAMBEAU_OPENBLAS (a path, or "off"), else libs/ beside the library that this code is in.
std::string openblas_path() {
  if (const char* path = std::getenv("FLAMBEAU_OPENBLAS")) return std::strcmp(path, "off") == 0 ? "" : path;
  Dl_info info;
  if (!dladdr(reinterpret_cast<const void*>(&openblas_path), &info) || !info.dli_fname) return "";
  const std::string self = info.dli_fname;
  const std::string path = self.substr(0, self.rfind('/') + 1) + "libs/libscipy_openblas.so";
  return access(path.c_str(), R_OK) == 0 ? path : "";
}

OpenBlas open_openblas() {
  OpenBlas blas;
  const std::string path = openblas_path();
  if (path.empty()) return blas;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) {
    host->log(2, (std::string("cpu: OpenBLAS could not be opened, large products use our own GEMM: ") + dlerror()).c_str());
    return blas;
  }
  const auto sgemm = reinterpret_cast<Sgemm>(dlsym(library, "scipy_cblas_sgemm"));
  const auto dgemm = reinterpret_cast<Dgemm>(dlsym(library, "scipy_cblas_dgemm"));
  const auto set_threads = reinterpret_cast<void (*)(int)>(dlsym(library, "scipy_openblas_set_num_threads"));
  const auto config = reinterpret_cast<const char* (*)()>(dlsym(library, "scipy_openblas_get_config"));
  const auto core = reinterpret_cast<const char* (*)()>(dlsym(library, "scipy_openblas_get_corename"));
  if (!sgemm || !dgemm || !set_threads || !config || !core) {
    host->log(2, "cpu: the OpenBLAS found lacks expected functions; large products use our own GEMM");
    return blas;
  }
  set_threads(1);  // our pool cuts the work
  const std::string text = config();  // "OpenBLAS 0.3.34 ..."
  const size_t second = text.find(' ', text.find(' ') + 1);
  std::snprintf(blas.description, sizeof blas.description, "%s %s", text.substr(0, second).c_str(), core());
  blas.library = library;
  blas.sgemm = sgemm;
  blas.dgemm = dgemm;
  return blas;
}

std::once_flag openblas_once;
OpenBlas openblas_table;
bool openblas_opened = false;

const OpenBlas& openblas() {
  std::call_once(openblas_once, [] {
    openblas_table = open_openblas();
    openblas_opened = true;
  });
  return openblas_table;
}

// Whether large float products are ours: as FLAMBEAU_GEMM says (own, openblas), else where ours is as fast.
bool own_gemm() {
  static const bool own = [] {
    const char* name = std::getenv("FLAMBEAU_GEMM");
    if (name && std::strcmp(name, "own") == 0) return true;
    if (name && std::strcmp(name, "openblas") == 0) return false;
    if (name) host->log(2, (std::string("cpu: FLAMBEAU_GEMM is ") + name + "; it may be own or openblas").c_str());
    return level->gemm(Type::Float32)->preferred;
  }();
  return own;
}

// ---- one product ---------------------------------------------------------------------------------------

// Sizes at which the ways change (measured on Zen 5 with AVX-512, see docs/performance.md).
constexpr int64_t kSmallWork = int64_t(160) * 160 * 160;  // m n k up to which nothing is packed
constexpr int64_t kPieceWork = int64_t(1) << 21;          // m n k that makes a piece for a thread
constexpr int64_t kBlasRows = 512, kBlasColumns = 512, kBlasTiles = 16;

// b's rows, contiguous and padded to a multiple of the tile's columns.
void pack_rows(const Product& p, int64_t width, char* to) {
  const int64_t element = p.element();
  if (p.b.column == 1 || p.n == 1) {
    for (int64_t i = 0; i < p.k; ++i) {
      std::memcpy(to + i * width * element, p.b.data + i * p.b.row * element, size_t(p.n * element));
      std::memset(to + (i * width + p.n) * element, 0, size_t((width - p.n) * element));
    }
    return;
  }
  level->transpose(p.b.data, p.b.column, to, width, p.n, p.k, element);
  for (int64_t i = 0; i < p.k; ++i) std::memset(to + (i * width + p.n) * element, 0, size_t((width - p.n) * element));
}

fl_status multiply_small(const Product& p) {
  const SmallGemm small = level->small_gemm(p.type);
  const int64_t lanes = level->gemm(p.type)->columns, element = p.element();
  const int64_t padded = divide_up(p.n, lanes) * lanes;
  const char* b = p.b.data;
  int64_t b_row = p.b.row;
  if (p.b.column != 1 || p.n % lanes != 0) {
    char* packed = static_cast<char*>(host->scratch(size_t(p.k * padded * element)));
    if (!packed) return no_memory("matmul");
    pack_rows(p, padded, packed);
    b = packed;
    b_row = padded;
  }
  const int64_t per_row = std::max<int64_t>(1, p.n * p.k);
  const int64_t rows = std::max<int64_t>(1, kPieceWork / per_row / 24) * 24;
  parallel_for(p.m, rows, [&](int64_t begin, int64_t end) {
    small(end - begin, p.n, p.k, p.a.data + begin * p.a.row * element, p.a.row, p.a.column, b, b_row, p.bias,
          p.c + begin * p.c_row * element, p.c_row);
  });
  return FL_OK;
}

// One row of a and b with contiguous rows: columns of b are cut among the threads.
void multiply_row(const Product& p) {
  const SmallGemm small = level->small_gemm(p.type);
  const int64_t lanes = level->gemm(p.type)->columns, element = p.element();
  const int64_t grain = std::max<int64_t>(lanes, (kPieceWork / 8) / std::max<int64_t>(1, p.k) / lanes * lanes);
  parallel_for(p.n, grain, [&](int64_t begin, int64_t end) {
    small(1, end - begin, p.k, p.a.data, p.a.row, p.a.column, p.b.data + begin * element, p.b.row,
          p.bias ? p.bias + begin * element : nullptr, p.c + begin * element, p.c_row);
  });
}

void multiply_dots(Type type, int64_t m, int64_t k, const char* a, int64_t a_row, const char* x, char* y, int64_t y_step) {
  const RowsDot dots = level->rows_dot(type);
  const int64_t element = size_of(type);
  parallel_for(m, std::max<int64_t>(1, (kPieceWork / 8) / std::max<int64_t>(1, k)), [&](int64_t begin, int64_t end) {
    dots(end - begin, k, a + begin * a_row * element, a_row, x, y + begin * y_step * element, y_step);
  });
}

void fill_bias(const Product& p) {
  for (int64_t i = 0; i < p.m; ++i) {
    char* row = p.c + i * p.c_row * p.element();
    if (p.bias) std::memcpy(row, p.bias, size_t(p.n * p.element()));
    else std::memset(row, 0, size_t(p.n * p.element()));
  }
}

// What BLAS can read: one stride is 1 and the other at least the length of a row.
bool blas_layout(const Matrix& x, int64_t rows, int64_t columns, int& transpose, int& leading) {
  const int64_t row = rows == 1 ? columns : x.row, column = columns == 1 ? rows : x.column;
  if ((x.column == 1 || columns == 1) && row >= columns) {
    transpose = kNoTranspose;
    leading = int(std::max<int64_t>(row, 1));
    return row <= INT32_MAX;
  }
  if ((x.row == 1 || rows == 1) && column >= rows) {
    transpose = kTranspose;
    leading = int(std::max<int64_t>(column, 1));
    return column <= INT32_MAX;
  }
  return false;
}

template <class T>
bool multiply_blas(const Product& p) {
  int trans_a, trans_b, lda, ldb;
  if (std::max({p.m, p.n, p.k, p.c_row}) > INT32_MAX) return false;
  if (!blas_layout(p.a, p.m, p.k, trans_a, lda) || !blas_layout(p.b, p.k, p.n, trans_b, ldb)) return false;
  const OpenBlas& blas = openblas();
  if (!blas.sgemm) return false;
  // Tiles of about the same size; not many, because each call packs its operands anew.
  int64_t tile_rows = kBlasRows, tile_columns = kBlasColumns;
  while (divide_up(p.m, tile_rows) * divide_up(p.n, tile_columns) > kBlasTiles)
    (tile_rows < tile_columns ? tile_rows : tile_columns) *= 2;
  const int64_t down = divide_up(p.m, tile_rows), across = divide_up(p.n, tile_columns);
  const int64_t rows = divide_up(divide_up(p.m, down), 16) * 16, columns = divide_up(divide_up(p.n, across), 16) * 16;
  parallel_for(down * across, 1, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const int64_t i = t / across * rows, j = t % across * columns;
      if (i >= p.m || j >= p.n) continue;
      const int m = int(std::min(rows, p.m - i)), n = int(std::min(columns, p.n - j));
      const T* a = reinterpret_cast<const T*>(p.a.data) + i * p.a.row;
      const T* b = reinterpret_cast<const T*>(p.b.data) + j * p.b.column;
      T* c = reinterpret_cast<T*>(p.c) + i * p.c_row + j;
      for (int r = 0; p.bias && r < m; ++r)
        std::memcpy(c + r * p.c_row, reinterpret_cast<const T*>(p.bias) + j, size_t(n) * sizeof(T));
      const T beta = p.bias ? T(1) : T(0);
      if constexpr (sizeof(T) == 4)
        blas.sgemm(kRowMajor, trans_a, trans_b, m, n, int(p.k), 1.0f, a, lda, b, ldb, beta, c, int(p.c_row));
      else
        blas.dgemm(kRowMajor, trans_a, trans_b, m, n, int(p.k), 1.0, a, lda, b, ldb, beta, c, int(p.c_row));
    }
  });
  return true;
}

fl_status multiply(const Product& p) {
  if (p.m == 0 || p.n == 0) return FL_OK;
  if (p.type == Type::BFloat16) return multiply_pairs(p);
  const bool floating = is_floating(p.type);
  const bool b_rows = p.b.column == 1, b_columns = p.b.row == 1 || p.k == 1;
  if (floating && p.n == 1 && !p.bias && p.k >= 32 && p.a.column == 1 && b_columns) {
    multiply_dots(p.type, p.m, p.k, p.a.data, p.a.row, p.b.data, p.c, p.c_row);
    return FL_OK;
  }
  if (floating && p.m == 1 && !p.bias && p.k >= 32 && p.a.column == 1 && b_columns) {
    multiply_dots(p.type, p.n, p.k, p.b.data, p.b.column, p.a.data, p.c, 1);
    return FL_OK;
  }
  if (p.m == 1 && b_rows && p.n % level->gemm(p.type)->columns == 0) {
    multiply_row(p);
    return FL_OK;
  }
  if (p.m * p.n * std::max<int64_t>(p.k, 1) <= kSmallWork) return multiply_small(p);
  switch (p.type) {
    case Type::Float32: return !own_gemm() && multiply_blas<float>(p) ? FL_OK : multiply_panels(p);
    case Type::Float64: return !own_gemm() && multiply_blas<double>(p) ? FL_OK : multiply_panels(p);
    default: return multiply_panels(p);
  }
}

// ---- many products -------------------------------------------------------------------------------------

// Batches: those with much work one after the other on all threads, else many at once.
struct Batch {
  int dims = 0;
  int64_t shape[kMaxDims], a[kMaxDims], b[kMaxDims];
  int64_t count = 1;
  void push(int64_t size, int64_t a_stride, int64_t b_stride) {
    if (size == 1) return;
    shape[dims] = size;
    a[dims] = a_stride;
    b[dims++] = b_stride;
    count *= size;
  }
};

fl_status multiply_batch(const Product& first, const Batch& batch) {
  if (batch.count == 1) return multiply(first);
  const int64_t element = first.element();
  const auto one = [&](int64_t index) {
    Product p = first;
    p.c += index * p.m * p.c_row * element;
    for (int d = batch.dims - 1; d >= 0; --d) {
      p.a.data += index % batch.shape[d] * batch.a[d] * element;
      p.b.data += index % batch.shape[d] * batch.b[d] * element;
      index /= batch.shape[d];
    }
    return multiply(p);
  };
  const int64_t work = std::max<int64_t>(1, first.m * first.n * first.k);
  fl_status status = FL_OK;
  if (work > 64 * kPieceWork) {
    for (int64_t i = 0; i < batch.count && status == FL_OK; ++i) status = one(i);
    return status;
  }
  parallel_for(batch.count, std::max<int64_t>(1, kPieceWork / work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      if (const fl_status failed = one(i)) __atomic_store_n(&status, failed, __ATOMIC_RELAXED);
  });
  return status;
}

// A contiguous copy in the type of computation, for operands stored in 16 bits.
char* widened(const fl_tensor& x, Type stored, Type computed) {
  const int64_t n = count_of(x), narrow = size_of(stored), wide = size_of(computed);
  const char* from = data_of(x);
  if (!is_contiguous(x)) {
    char* copy = static_cast<char*>(host->scratch(size_t(n * narrow)));
    if (!copy) return nullptr;
    copy_to_contiguous(x, copy);
    from = copy;
  }
  char* to = static_cast<char*>(host->scratch(size_t(n * wide)));
  const Loop widens = convert(stored, computed);
  if (to)
    parallel_for(n, 32 * kBlock, [&](int64_t begin, int64_t end) {
      const void* input[] = {from + begin * narrow};
      widens(input, to + begin * wide, end - begin);
    });
  return to;
}

// A tensor whose memory has been replaced by a contiguous one, where broadcast dimensions (stride 0) stay so.
struct Operand {
  fl_tensor tensor;
  int64_t shape[kMaxDims], strides[kMaxDims];

  explicit Operand(const fl_tensor& x) : tensor(x) {
    for (int d = 0; d < x.ndim; ++d) {
      shape[d] = x.shape[d];
      strides[d] = x.strides[d];
    }
    tensor.shape = shape;
    tensor.strides = strides;
  }
  Operand(const Operand&) = delete;
  // Widens to `computed` if needed. False: no memory.
  bool widen(Type stored, Type computed) {
    if (stored == computed) return true;
    for (int d = 0; d + 2 < tensor.ndim; ++d)
      if (strides[d] == 0) shape[d] = 1;  // once is enough
    char* copy = widened(tensor, stored, computed);
    if (!copy) return false;
    int64_t stride = 1;
    for (int d = tensor.ndim - 1; d >= 0; --d) {
      strides[d] = shape[d] == 1 && d + 2 < tensor.ndim ? 0 : stride;
      stride *= shape[d];
    }
    tensor.memory = reinterpret_cast<fl_memory>(copy);
    tensor.byte_offset = 0;
    return true;
  }
  // BLAS and the small kernels want one unit stride in each matrix; anything else is copied.
  bool make_readable(Type type) {
    const int r = tensor.ndim - 2, c = tensor.ndim - 1;
    const bool fine = strides[c] == 1 || strides[r] == 1 || shape[c] == 1 || shape[r] == 1;
    return fine || copy(type);
  }
  bool copy(Type type) {
    char* to = static_cast<char*>(host->scratch(size_t(count_of(tensor) * size_of(type))));
    if (!to) return false;
    copy_to_contiguous(tensor, to);
    int64_t stride = 1;
    for (int d = tensor.ndim - 1; d >= 0; --d) {
      strides[d] = stride;
      stride *= shape[d];
    }
    tensor.memory = reinterpret_cast<fl_memory>(to);
    tensor.byte_offset = 0;
    return true;
  }
};

struct MatmulTypes {
  Type stored, computed;
};

// Runs `body(c)` with memory for the result in the computed type, then narrows it into `out`.
template <class Body>
fl_status with_result(const fl_tensor& out, MatmulTypes types, const Body& body) {
  if (types.stored == types.computed) return body(data_of(out));
  const int64_t n = count_of(out), narrow = size_of(types.stored), wide = size_of(types.computed);
  char* c = static_cast<char*>(host->scratch(size_t(n * wide)));
  if (!c) return no_memory("matmul");
  if (const fl_status status = body(c)) return status;
  const Loop narrows = convert(types.computed, types.stored);
  char* to = data_of(out);
  parallel_for(n, 32 * kBlock, [&](int64_t begin, int64_t end) {
    const void* input[] = {c + begin * wide};
    narrows(input, to + begin * narrow, end - begin);
  });
  return FL_OK;
}

fl_status run_matmul(const fl_kernel* self, fl_stream, const fl_call* call) {
  MatmulTypes types = state_of<MatmulTypes>(self);
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  Operand a(call->inputs[0]), b(call->inputs[1]);
  const int r = out.ndim - 2, c = out.ndim - 1;
  for (int d = 0; d < r; ++d) {  // broadcast batches come 1 long or with stride 0
    if (a.shape[d] == 1) a.strides[d] = 0;
    if (b.shape[d] == 1) b.strides[d] = 0;
  }
  if (types.stored == Type::BFloat16 && prefers_pairs(out.shape[r], out.shape[c], a.shape[c])) types.computed = types.stored;
  const Type type = types.computed;
  if (!a.widen(types.stored, type) || !b.widen(types.stored, type) || !a.make_readable(type) || !b.make_readable(type))
    return no_memory("matmul");
  return with_result(out, types, [&](char* to) {
    Product p{type,
              out.shape[r],
              out.shape[c],
              a.shape[c],
              {data_of(a.tensor), a.strides[r], a.strides[c]},
              {data_of(b.tensor), b.strides[r], b.strides[c]},
              nullptr,
              to,
              out.shape[c]};
    if (p.k == 0) {
      std::memset(to, 0, size_t(count_of(out) * size_of(type)));
      return fl_status(FL_OK);
    }
    Batch batch;
    for (int d = 0; d < r; ++d) batch.push(out.shape[d], a.strides[d], b.strides[d]);
    // Rows of many batches against one b are one product.
    if (batch.dims == 1 && batch.b[0] == 0 && batch.a[0] == p.m * p.a.row) {
      p.m *= batch.count;
      return multiply(p);
    }
    return multiply_batch(p, batch);
  });
}

// linear(x (..., k), weight (n, k), bias (n)?) = x weight^T + bias
fl_status run_linear(const fl_kernel* self, fl_stream, const fl_call* call) {
  MatmulTypes types = state_of<MatmulTypes>(self);
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  Operand x(call->inputs[0]), weight(call->inputs[1]);
  if (types.stored == Type::BFloat16 && prefers_pairs(count_of(out) / weight.shape[0], weight.shape[0], weight.shape[1]))
    types.computed = types.stored;
  const Type type = types.computed;
  if (!x.widen(types.stored, type) || !weight.widen(types.stored, type) || !weight.make_readable(type))
    return no_memory("linear");
  const int c = x.tensor.ndim - 1;
  // All leading dimensions of x as one, with one stride.
  Walk<1> rows;
  for (int d = 0; d < c; ++d) rows.push(x.shape[d], {x.strides[d]});
  const bool unit = x.strides[c] == 1 || x.shape[c] == 1 || (rows.ndim == 1 && rows.strides[0][0] == 1);
  if (rows.ndim > 1 || !unit) {
    if (!x.copy(type)) return no_memory("linear");
    rows = {};
    for (int d = 0; d < c; ++d) rows.push(x.shape[d], {x.strides[d]});
  }
  const char* bias = nullptr;
  if (call->input_count == 3) {
    Operand values(call->inputs[2]);
    if (!values.widen(types.stored, type)) return no_memory("linear");
    if (values.tensor.strides[0] != 1 && values.shape[0] > 1 && !values.copy(type)) return no_memory("linear");
    bias = data_of(values.tensor);
  }
  return with_result(out, types, [&](char* to) {
    const int64_t n = weight.shape[0], k = weight.shape[1];
    const Product p{type,
                    count_of(out) / n,
                    n,
                    k,
                    {data_of(x.tensor), rows.ndim ? rows.strides[0][0] : k, x.strides[c]},
                    {data_of(weight.tensor), weight.strides[1], weight.strides[0]},
                    bias,
                    to,
                    n};
    if (k == 0) {
      fill_bias(p);
      return fl_status(FL_OK);
    }
    return multiply(p);
  });
}

const fl_kernel* resolve_matmul(const char*, std::span<const Type> types) {
  if (types.size() != 3 || types[0] == Type::Bool || types[1] != types[0] || types[2] != types[0]) return nullptr;
  if (is_complex(types[0])) return complex_matmul_kernel(types[0]);
  const Type computed = types[0] == Type::UInt64 ? Type::Int64 : compute_type(types[0]);  // the same bits
  return keep_kernel(run_matmul, MatmulTypes{types[0] == Type::UInt64 ? computed : types[0], computed});
}
const fl_kernel* resolve_linear(const char*, std::span<const Type> types) {
  if (types.size() != 3 && types.size() != 4) return nullptr;
  for (Type type : types)
    if (type != types[0] || !is_floating(type)) return nullptr;
  return keep_kernel(run_linear, MatmulTypes{types[0], compute_type(types[0])});
}

const Registration kMatmul({"matmul"}, resolve_matmul);
const Registration kLinear({"linear"}, resolve_linear);

}  // namespace

fl_status multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, const float* b, const float* bias, float* c,
                        int64_t c_row) {
  const auto bytes = [](const float* x) { return reinterpret_cast<const char*>(x); };
  return multiply({Type::Float32, m, n, k, {bytes(a), k, 1}, {bytes(b), 1, k}, bytes(bias), reinterpret_cast<char*>(c), c_row});
}

void* openblas_library() { return openblas().library; }

const char* gemm_in_use() {
  if (own_gemm()) return "own GEMM";
  if (openblas_opened) return openblas().description;
  return openblas_path().empty() ? "own GEMM" : "OpenBLAS (opened at the first large product)";
}

}  // namespace flambeau::cpu
