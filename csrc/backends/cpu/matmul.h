// matmul.h: which library multiplies large matrices.
#ifndef FLAMBEAU_CPU_MATMUL_H
#define FLAMBEAU_CPU_MATMUL_H

namespace flambeau::cpu {

// In words, for the device's description: "OpenBLAS 0.3.34 SkylakeX", "OpenBLAS (opened at the first large product)"
// or "own GEMM".
const char* gemm_in_use();

// OpenBLAS, opened now if it was not yet, for what else it has (LAPACK); null if it is not there.
void* openblas_library();

}  // namespace flambeau::cpu

#endif
