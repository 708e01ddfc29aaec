// matmul.h: which library multiplies large matrices.
#ifndef FLAMBEAU_CPU_MATMUL_H
#define FLAMBEAU_CPU_MATMUL_H

namespace flambeau::cpu {

// In words, for the device's description: "OpenBLAS 0.3.34 SkylakeX", "OpenBLAS (opened at the first large product)"
// or "own GEMM".
const char* gemm_in_use();

}  // namespace flambeau::cpu

#endif
