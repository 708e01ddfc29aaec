// matmul.h: which library multiplies large matrices.
#ifndef FLAMBEAU_CPU_MATMUL_H
#define FLAMBEAU_CPU_MATMUL_H

#include "cpu.h"

namespace flambeau::cpu {

// In words, for the device's description: "own GEMM", "OpenBLAS 0.3.34 SkylakeX" or "OpenBLAS (opened at the first large
// product)".
const char* gemm_in_use();

// c (m, n) = a (m, k) b^T + bias (n, or null) for contiguous rows of a and of b (n, k); rows of c are c_row apart.
fl_status multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, const float* b, const float* bias, float* c,
                        int64_t c_row);

// OpenBLAS, opened now if it was not yet, for what else it has (LAPACK); null if it is not there.
void* openblas_library();

}  // namespace flambeau::cpu

#endif
