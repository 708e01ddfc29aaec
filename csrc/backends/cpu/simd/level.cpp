// simd/level.cpp: the table of one level.
#include "tables.h"

#define FL_TEXT_OF(x) #x
#define FL_TEXT(x) FL_TEXT_OF(x)

namespace flambeau::cpu::FL_LEVEL {

namespace {

constexpr const PairGemm* no_pair_gemm() { return nullptr; }

constexpr Kernels kTable{
    FL_TEXT(FL_LEVEL), pointwise, convert,  stream,     transpose,  row_reduction, column_reduction, row_search,   gemm,
    small_gemm,        rows_dot,  softmax,  philox,     uniform32,  uniform64,     normal32,         normal64,     sgd_step32,
    sgd_step64,        adamw_step32, adamw_step64,
    convolution, winograd, depthwise, pool, norm, adaptive_step, fft, no_pair_gemm, attention, recurrent, &int8_loops,
    activation, fill, steps, power, pointwise_rows, reverse, mix, sample};

constexpr Kernels with_bfloat16() {
  Kernels table = kTable;
  table.name = FL_TEXT(FL_LEVEL) "-bf16";
  table.pair_gemm = pair_gemm;
  return table;
}
constexpr Kernels kTableWithBfloat16 = with_bfloat16();

}  // namespace

const Kernels& kernels() { return kTable; }
// The same and AVX512_BF16.
const Kernels& kernels_with_bfloat16() { return kTableWithBfloat16; }

}  // namespace flambeau::cpu::FL_LEVEL
