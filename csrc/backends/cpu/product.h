// product.h: one product of matrices, as the files that compute it hand it on.
#ifndef FLAMBEAU_CPU_PRODUCT_H
#define FLAMBEAU_CPU_PRODUCT_H

#include <algorithm>

#include "dense.h"

namespace flambeau::cpu {

struct Matrix {
  const char* data;
  int64_t row, column;  // strides in elements
};

struct Product {
  Type type;  // Int32, Int64, Float32, Float64, or BFloat16 if the level multiplies it
  int64_t m, n, k;
  Matrix a, b;
  const char* bias;  // n values, contiguous, or null
  char* c;           // contiguous rows
  int64_t c_row;
  bool accumulate = false;  // to what c holds; of large products (multiply_panels) alone
  bool whole = false;       // as few tasks as its sizes allow: the caller has tasks enough; of large products alone
  int64_t element() const { return size_of(type); }
};

// Rows [i, i + m) and columns [j, j + n) of a result.
struct Part {
  int64_t i, m, j, n;
};

// How a large product is cut: by its sizes, its strides and, beyond kEvenTasks of them, the number of threads. Tasks have
// whole tiles and differ by one of them at most, so that threads with as many tasks end together.
struct Cut {
  int64_t tile_rows, tile_columns;
  int64_t depth = 0;                 // of a stretch of k, which depends on k alone
  int64_t rows = 0, columns = 0;     // of the largest task
  int64_t down = 1, across = 1;      // tasks
  bool shared = false;               // b is packed once for all tasks, else by each task
  bool direct = false;               // rows of a are read as they lie
  Part part(const Product& p, int64_t task) const {
    const auto edge = [](int64_t size, int64_t tile, int64_t at, int64_t count) {
      return std::min(size, divide_up(size, tile) * at / count * tile);
    };
    const int64_t r = task % down, c = task / down;
    const int64_t i = edge(p.m, tile_rows, r, down), j = edge(p.n, tile_columns, c, across);
    return {i, edge(p.m, tile_rows, r + 1, down) - i, j, edge(p.n, tile_columns, c + 1, across) - j};
  }
};
Cut cut_of(const Product& p, int64_t tile_rows, int64_t tile_columns);

// Panels of operands that were packed before the tasks began, or null.
struct Shared {
  const char *a = nullptr, *b = nullptr;
};

constexpr int64_t kManyColumns = 8192;            // of b packed at once
constexpr int64_t kPackGrain = int64_t(1) << 16;  // elements
// multiply(part of the product) for so many columns at a time.
template <class Multiply>
fl_status by_columns(const Product& p, int64_t tile_columns, const Multiply& multiply) {
  const int64_t columns = divide_up(divide_up(p.n, divide_up(p.n, kManyColumns)), tile_columns) * tile_columns;
  for (int64_t j = 0; j < p.n; j += columns) {
    Product some = p;
    some.n = std::min(columns, p.n - j);
    some.b.data += j * p.b.column * p.element();
    some.c += j * p.element();
    if (p.bias) some.bias += j * p.element();
    if (const fl_status status = multiply(some)) return status;
  }
  return FL_OK;
}

// By packed panels, ours at any size: any type but bfloat16, k > 0, a stride of 1 in a and in b.
fl_status multiply_panels(const Product& p);

// Whether a product of bfloat16 of this size is faster in pairs than widened to float32; false if the level has none.
bool prefers_pairs(int64_t m, int64_t n, int64_t k);
// REQUIRES: type BFloat16, a level with pair_gemm, k > 0, a stride of 1 in a and in b.
fl_status multiply_pairs(const Product& p);

}  // namespace flambeau::cpu

#endif
