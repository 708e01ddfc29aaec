// neural.h: the loops of convolutions, pools and norms that each level offers. Plain declarations only, as kernels.h.
#ifndef FLAMBEAU_CPU_SIMD_NEURAL_H
#define FLAMBEAU_CPU_SIMD_NEURAL_H

#include <stdint.h>

namespace flambeau::cpu {

// Neighbouring elements: `length` of them from element `start` on.
struct Run {
  int64_t start;
  int64_t length;
};

struct ConvolutionLoops {
  int lanes;
  int rows;     // output channels of a full tile; smaller tiles have a power of two of them
  int columns;  // positions of a tile
  // panel[k][columns]: for each k, the runs of `from` moved by offsets[k], one behind the other. May read and write up to
  // one vector past the end of a run, so both memories have that much room.
  void (*pack)(const void* from, const int64_t* offsets, int64_t k, const Run* runs, int64_t run_count, void* panel);
  // c[m][n] = or += a[k][m] b[k][columns], with bias[m] (or null) added where nothing is accumulated.
  void (*tile)(int64_t k, const void* a, const void* b, void* c, int64_t c_row, int m, int n, bool accumulate,
               const void* bias);
  // to[i] = bias + sum over k of weight[k] from[i + offsets[k]] for i < n. May read up to four vectors past the end.
  void (*line)(int64_t k, const void* weight, const void* from, const int64_t* offsets, double bias, void* to, int64_t n);
  // The tile of the weight's gradient: `taps` rows (at most tap_rows(vectors)) by `vectors` vectors of channels.
  int (*tap_rows)(int vectors);
  // c[tap][vectors * lanes] = or += sum over the positions of the runs of x[position + offsets[tap]] g[position][...],
  // g's rows `pitch` apart.
  void (*taps)(int vectors, int taps, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count,
               const void* g, int64_t pitch, void* c, int64_t c_row, bool accumulate);
  // The same for one channel: c[tap] += sum over the positions of x[position + offsets[tap]] g[position].
  void (*dots)(int64_t taps, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count, const void* g,
               void* c);
};

struct PoolLoops {
  // to = the larger of both, NaN wins.
  void (*larger)(const void* a, const void* b, void* to, int64_t n);
  void (*add)(const void* a, void* to, int64_t n);
  // even[i] = from[2i], odd[i] = from[2i + 1], n of each.
  void (*split)(const void* from, void* even, void* odd, int64_t n);
  // The gradient of a maximum over squares of 2 by 2 that touch: two rows of x, 2n long, one of g, two of dx.
  void (*square_grad)(const void* x0, const void* x1, const void* g, void* dx0, void* dx1, int64_t n);
};

// Rows of norms, n contiguous elements each. Sums are taken in blocks, in double.
struct NormLoops {
  double (*sum)(const void* x, int64_t n);
  double (*squares)(const void* x, double shift, int64_t n);  // of x - shift
  // sums[0] = sum of g, sums[1] = sum of g (x - shift)
  void (*products)(const void* g, const void* x, double shift, int64_t n, double* sums);
  // y = (x - shift) scale + offset
  void (*affine)(const void* x, void* y, int64_t n, double shift, double scale, double offset);
  // y = (x - shift) scale weight[i] + bias[i]; weight and bias may be null
  void (*weighted)(const void* x, const void* weight, const void* bias, void* y, int64_t n, double shift, double scale);
  // dx = a g + b (x - shift) + c
  void (*combine)(const void* g, const void* x, void* dx, int64_t n, double shift, double a, double b, double c);
  // As products, of g weight[i] (weight may be null); besides, dw[i] += g (x - shift) scale and db[i] += g (null: not).
  void (*row_sums)(const void* g, const void* x, const void* weight, double shift, double scale, int64_t n, double* sums,
                   void* dw, void* db);
  // dx = a g weight[i] + b (x - shift) + c
  void (*row_grad)(const void* g, const void* x, const void* weight, void* dx, int64_t n, double shift, double a,
                   double b, double c);
};

}  // namespace flambeau::cpu

#endif
