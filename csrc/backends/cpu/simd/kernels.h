// kernels.h: the table that each instruction-set level fills. Plain declarations only: the files that include this
// are compiled several times with different instruction sets, so nothing here may emit code of its own.
#ifndef FLAMBEAU_CPU_SIMD_KERNELS_H
#define FLAMBEAU_CPU_SIMD_KERNELS_H

#include <stddef.h>
#include <stdint.h>

namespace flambeau::cpu {

enum class Type : uint8_t {
  Bool, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64, Float16, BFloat16, Float32, Float64, Complex64,
  Complex128, None
};

// One pass over n contiguous elements. inputs[i] and output never overlap unless they are the same.
using Loop = void (*)(const void* const* inputs, void* output, int64_t n);

// The same of an op whose attributes are numbers: three of them, those that it lacks 0.
using ParameterLoop = void (*)(const void* const* inputs, void* output, int64_t n, const double* parameters);

// `rows` rows of n results of two operands. Of one, the first or the second, a row is one element over and over, those of the
// other are contiguous, and so are the results; `step` elements lie between an operand's rows.
using RowsLoop = void (*)(const void* const* inputs, bool first_repeats, const int64_t* step, void* output, int64_t rows,
                          int64_t n);

// Reduces n contiguous elements to one value of the accumulation type at `result`. n > 0.
using RowReduction = void (*)(const void* x, int64_t n, void* result);

// Reduces `rows` rows of `columns` contiguous elements, `stride` elements apart, into result[columns]. rows > 0.
using ColumnReduction = void (*)(const void* x, int64_t rows, int64_t stride, int64_t columns, void* result);

// Index of the first extreme element (NaN wins) of n contiguous elements. n > 0.
using RowSearch = int64_t (*)(const void* x, int64_t n);

// Lines of memory that come to the second-level cache beside a product: `lines` of 64 bytes in each of `rows` rows.
struct Ahead {
  const void* data = nullptr;
  int64_t rows = 0, row_bytes = 0, lines = 0;  // row_bytes: from one row to the next
};

// Rows of a against one panel of b; see gemm.cpp. A panel has, for each k, `columns` (of b) or `rows` (of a) values side
// by side, zeros past the edges.
struct GemmPanel {
  int64_t m, n, k;   // n is at most the `columns` of the type
  const void* a;     // panels one after the other; or, where a_row is not 0, rows so far apart, each contiguous
  int64_t a_row;
  const void* b;     // one panel
  void* c;           // (m, n), or added to what is there
  int64_t c_row;
  bool accumulate;
  const void* bias;  // n values that are added as well, or null
  Ahead next;
};
struct Gemm {
  int rows, columns;  // of the tile; columns are a multiple of the vector
  bool preferred;     // to OpenBLAS
  void (*panel)(const GemmPanel& panel);
  // x[lane * lane_stride + p * k_stride] to panels of `width` lanes.
  void (*pack)(const void* x, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, int width, void* to);
};

// Products of bfloat16 summed in float32 two by two; see bfloat16.cpp. Panels have, for each pair of k, `rows` or `columns`
// pairs side by side, zeros past the edges and beside an odd last k.
struct PairPanel {
  int64_t m, n, k;  // as GemmPanel's, but rows of a that lie apart by a_row are of bfloat16
  const void* a;
  int64_t a_row;
  const void* b;
  float* sums;      // rows `sums_row` apart; null where there is one stretch of k
  int64_t sums_row;
  bool accumulate;  // to the sums
  void* c;          // of bfloat16, rounded once; null: only sums
  int64_t c_row;
  const float* bias;
  const void* next;
  int64_t next_bytes;
};
struct PairGemm {
  int rows, columns;  // of the tile
  void (*panel)(const PairPanel& panel);
  // x[lane * lane_stride + k * k_stride] to panels of `rows` or `columns` lanes; one of the strides is 1.
  void (*pack_rows)(const void* x, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, void* to);
  void (*pack_columns)(const void* x, int64_t lane_stride, int64_t k_stride, int64_t lanes, int64_t k, void* to);
  // y[m] = a (m, k) x for contiguous rows of a and contiguous x.
  void (*dots)(int64_t m, int64_t k, const void* a, int64_t a_row, const void* x, float* y);
};

// c (m, n) = a (m, k) b (k, n) + bias (n, or null), nothing packed. b's rows are contiguous and readable up to the
// next multiple of `columns` of the type's Gemm; c's rows are contiguous.
using SmallGemm = void (*)(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_column,
                           const void* b, int64_t b_row, const void* bias, void* c, int64_t c_row);

// y[m] = a (m, k) x for contiguous rows of a and contiguous x: dot products.
using RowsDot = void (*)(int64_t m, int64_t k, const void* a, int64_t a_row, const void* x, void* y, int64_t y_stride);

// Linear layers whose weight (outputs, inputs) is int8, with a scale for each output; all rows are contiguous.
struct Int8Loops {
  // y[row][output] = scale[output] * (x[row] . weight[output]) + bias[output] (or null)
  void (*dots)(int64_t rows, int64_t outputs, int64_t inputs, const float* x, const int8_t* weight, const float* scale,
               const float* bias, float* y, int64_t y_row);
  // to[output] = weight[output] * scale[output]
  void (*widen)(int64_t outputs, int64_t inputs, const int8_t* weight, const float* scale, float* to);
};

enum class SoftmaxKind : uint8_t { Softmax, LogSoftmax, SoftmaxGrad, LogSoftmaxGrad };
constexpr int64_t kSoftmaxColumns = 256;

// Rows of softmax and its kin, n contiguous elements each.
struct SoftmaxLoops {
  void (*softmax)(const void* x, void* y, int64_t n);
  void (*log_softmax)(const void* x, void* y, int64_t n);
  // Several rows of whole vectors, one behind the other. `lines` has room for two rows. past: y leaves past the caches and is
  // aligned to 64 bytes.
  void (*softmax_rows)(const void* x, void* y, int64_t rows, int64_t n, void* lines, bool past);
  void (*log_softmax_rows)(const void* x, void* y, int64_t rows, int64_t n, void* lines, bool past);
  int lanes;
  void (*softmax_grad)(const void* g, const void* y, void* dx, int64_t n);
  void (*log_softmax_grad)(const void* g, const void* y, void* dx, int64_t n);
  // dx = (exp(y) - smoothing / n) * scale, before the target's own share is taken off.
  void (*cross_entropy_grad)(const void* y, void* dx, int64_t n, double scale, double smoothing);
  double (*sum)(const void* x, int64_t n);
  // The same along columns: n rows `stride` elements apart, of at most kSoftmaxColumns neighbouring ones.
  void (*columns)(SoftmaxKind kind, const void* x, const void* y, void* to, int64_t n, int64_t stride, int64_t columns);
};

// Declared in neural.h.
struct ConvolutionLoops;
struct WinogradLoops;
struct DepthwiseLoops;
struct DirectLoops;
struct PoolLoops;
struct MixLoops;
struct SampleLoops;
struct NormLoops;
struct AttentionLoops;
struct RecurrentLoops;
// Declared in fft.h.
struct FftLoops;

struct SgdParameters {
  double lr, momentum, dampening, weight_decay;
  bool nesterov, maximize, first;
};

struct AdamwParameters {
  double lr, beta1, beta2, eps, weight_decay;
  double correction1, correction2;  // 1 - beta^step
  bool maximize;
};

// What the steps below need; each reads its own. `rate` is what the step is multiplied with.
struct AdaptiveParameters {
  double rate, beta1, beta2, eps, weight_decay, momentum;
  double correction2;  // 1 - beta2^step
  double keep;         // what stays of a parameter under decoupled decay
  bool maximize, third;  // third: AMSGrad's largest squares, RMSprop's means
};

// A step of adam, rmsprop, adagrad or lion over n contiguous elements: at[0] parameters, at[1] gradients, then states.
// Or unscale: at[0] gradients, at[1] one number that tells whether one was not finite.
using StepLoop = void (*)(void* const* at, int64_t n, const AdaptiveParameters& parameters);

// Everything that one level offers. Each function gives nullptr where the level has no such kernel.
struct Kernels {
  const char* name;
  Loop (*pointwise)(const char* op, Type type, bool alternative);  // gelu's alternative is the tanh form
  Loop (*convert)(Type from, Type to);
  void (*stream)(void* to, const void* from, size_t bytes);  // past the caches; `to` aligned to 64
  // to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < columns; `element` bytes each.
  void (*transpose)(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows, int64_t columns,
                    int64_t element);
  RowReduction (*row_reduction)(const char* op, Type type);
  ColumnReduction (*column_reduction)(const char* op, Type type);
  RowSearch (*row_search)(const char* op, Type type);
  const Gemm* (*gemm)(Type type);
  SmallGemm (*small_gemm)(Type type);
  RowsDot (*rows_dot)(Type type);
  const SoftmaxLoops* (*softmax)(Type type);
  void (*philox)(uint64_t seed, uint64_t first_block, int64_t blocks, uint32_t* out);  // 4 words a block
  void (*uniform32)(const uint32_t* words, int64_t n, float* out);
  void (*uniform64)(const uint32_t* words, int64_t n, double* out);
  void (*normal32)(const uint32_t* words, int64_t n, float* out);   // n even
  void (*normal64)(const uint32_t* words, int64_t n, double* out);  // n even
  void (*sgd_step32)(float* p, const float* g, float* buffer, int64_t n, const SgdParameters& parameters);
  void (*sgd_step64)(double* p, const double* g, double* buffer, int64_t n, const SgdParameters& parameters);
  void (*adamw_step32)(float* p, const float* g, float* m, float* v, int64_t n, const AdamwParameters& parameters);
  void (*adamw_step64)(double* p, const double* g, double* m, double* v, int64_t n, const AdamwParameters& parameters);
  const ConvolutionLoops* (*convolution)(Type type);
  const WinogradLoops* (*winograd)(Type type);
  const DepthwiseLoops* (*depthwise)(Type type);
  const PoolLoops* (*pool)(Type type);
  const NormLoops* (*norm)(Type type);
  StepLoop (*adaptive_step)(const char* op, Type type);
  const FftLoops* (*fft)(Type real);
  const PairGemm* (*pair_gemm)();
  const AttentionLoops* (*attention)(Type type);
  const RecurrentLoops* (*recurrent)(Type type);
  const Int8Loops* int8;
  ParameterLoop (*activation)(const char* op, Type type);
  void (*fill)(void* to, const void* pattern, size_t bytes);  // with 64 bytes over and over
  // start + i step for i in [begin, end), in double, to element i of Float32 or Float64.
  void (*steps)(Type type, double start, double step, int64_t begin, int64_t end, void* to);
  Loop (*power)(double exponent, Type type);  // pow by this one number
  RowsLoop (*pointwise_rows)(const char* op, Type type);
  // to[i] = from[-i]; elements of 4 or 8 bytes.
  void (*reverse)(const void* from, void* to, int64_t n, int64_t element);
  const MixLoops* (*mix)(Type type);
  const SampleLoops* (*sample)(Type type);
};

}  // namespace flambeau::cpu

#endif
