// product.h: one product of matrices, as the files that compute it hand it on.
#ifndef FLAMBEAU_CPU_PRODUCT_H
#define FLAMBEAU_CPU_PRODUCT_H

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
  int64_t element() const { return size_of(type); }
};

// By packed panels: any type but bfloat16, k > 0, a stride of 1 in a and in b.
fl_status multiply_panels(const Product& p);

// Whether a product of bfloat16 of this size is faster in pairs than widened to float32; false if the level has none.
bool prefers_pairs(int64_t m, int64_t n, int64_t k);
// REQUIRES: type BFloat16, a level with pair_gemm, k > 0, a stride of 1 in a and in b.
fl_status multiply_pairs(const Product& p);

}  // namespace flambeau::cpu

#endif
