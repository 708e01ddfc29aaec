// tables.h: what the files of one level give to its table (level.cpp).
#ifndef FLAMBEAU_CPU_SIMD_TABLES_H
#define FLAMBEAU_CPU_SIMD_TABLES_H

#include "kernels.h"

namespace flambeau::cpu::FL_LEVEL {

Loop pointwise(const char* op, Type type, bool alternative);
Loop real_function(const char* op, Type type);
Loop complex_function(const char* op, Type type);
Loop convert(Type from, Type to);
void stream(void* to, const void* from, size_t bytes);
void transpose(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows, int64_t columns,
               int64_t element);
RowReduction row_reduction(const char* op, Type type);
ColumnReduction column_reduction(const char* op, Type type);
RowSearch row_search(const char* op, Type type);
const Gemm* gemm(Type type);
SmallGemm small_gemm(Type type);
RowsDot rows_dot(Type type);
const SoftmaxLoops* softmax(Type type);
void philox(uint64_t seed, uint64_t first_block, int64_t blocks, uint32_t* out);
void uniform32(const uint32_t* words, int64_t n, float* out);
void uniform64(const uint32_t* words, int64_t n, double* out);
void normal32(const uint32_t* words, int64_t n, float* out);
void normal64(const uint32_t* words, int64_t n, double* out);
void sgd_step32(float* p, const float* g, float* buffer, int64_t n, const SgdParameters& parameters);
void sgd_step64(double* p, const double* g, double* buffer, int64_t n, const SgdParameters& parameters);
void adamw_step32(float* p, const float* g, float* m, float* v, int64_t n, const AdamwParameters& parameters);
void adamw_step64(double* p, const double* g, double* m, double* v, int64_t n, const AdamwParameters& parameters);
const ConvolutionLoops* convolution(Type type);
const WinogradLoops* winograd(Type type);
const DepthwiseLoops* depthwise(Type type);
const DirectLoops* direct_depthwise(Type type);
const PoolLoops* pool(Type type);
const NormLoops* norm(Type type);
StepLoop adaptive_step(const char* op, Type type);
const FftLoops* fft(Type real);
const PairGemm* pair_gemm();
const AttentionLoops* attention(Type type);
const RecurrentLoops* recurrent(Type type);
extern const Int8Loops int8_loops;
ParameterLoop activation(const char* op, Type type);
void fill(void* to, const void* pattern, size_t bytes);
void steps(Type type, double start, double step, int64_t begin, int64_t end, void* to);
Loop power(double exponent, Type type);
RowsLoop pointwise_rows(const char* op, Type type);
void reverse(const void* from, void* to, int64_t n, int64_t element);
const MixLoops* mix(Type type);
const SampleLoops* sample(Type type);

}  // namespace flambeau::cpu::FL_LEVEL

#endif
