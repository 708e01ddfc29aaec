// simd/level.cpp: the table of one level.
#include "tables.h"

#define FL_TEXT_OF(x) #x
#define FL_TEXT(x) FL_TEXT_OF(x)

namespace flambeau::cpu::FL_LEVEL {

const Kernels& kernels() {
  static constexpr Kernels table{
      FL_TEXT(FL_LEVEL), pointwise, convert,  stream,     transpose,  row_reduction, column_reduction, row_search,   gemm,
      small_gemm,        rows_dot,  softmax,  philox,     uniform32,  uniform64,     normal32,         normal64,     sgd_step32,
      sgd_step64,        adamw_step32, adamw_step64,
      convolution, pool, norm, adaptive_step};
  return table;
}

}  // namespace flambeau::cpu::FL_LEVEL
