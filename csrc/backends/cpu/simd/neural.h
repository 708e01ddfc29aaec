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
  int rows;     // of a full tile
  int vectors;  // of a full tile: a panel of b is this many vectors wide
  // The tile of all products, over images with channels last: row r of c (m rows, `vectors` vectors of the panel) is, or
  // is added to, start (a vector for each of the tile's, or null) + the sum over k of x[offsets[r] + at(k)] b[k], where k
  // goes through the runs, at(k) through the elements of a run, `x_step` apart, and b's rows are `vectors` vectors long.
  void (*tile)(int m, int vectors, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count,
               int64_t x_step, const void* b, void* c, int64_t c_row, bool accumulate, const void* start);
  // `count` times `together` (1 or 4) lines of n elements: line s of time t is bias[s] + the sum over k of
  // weight[s * weight_step + k] from[s * from_step + t * from_next + i + offsets[k]] for i < n, written to
  // to[s * to_step + t * to_next + i]. May read up to four vectors past the end.
  void (*lines)(int together, int64_t k, const void* weight, int64_t weight_step, const void* from, int64_t from_step,
                int64_t from_next, const int64_t* offsets, const double* bias, void* to, int64_t to_step, int64_t to_next,
                int64_t n, int64_t count);
  // `count` rows of n elements.
  void (*rows_copy)(const void* from, int64_t from_step, void* to, int64_t to_step, int64_t n, int64_t count);
  // to[c * to_row + 2i] = from[c * from_row + i] for i < n, c < rows; what lies between them stays.
  void (*spread)(const void* from, int64_t from_row, void* to, int64_t to_row, int64_t n, int64_t rows);
  // even[i] = from[2i], odd[i] = from[2i + 1] of n elements.
  void (*split)(const void* from, int64_t n, void* even, void* odd);
  // c[tap] += sum over the positions of the runs of x[position + offsets[tap]] g[position].
  void (*dots)(int64_t taps, const void* x, const int64_t* offsets, const Run* runs, int64_t run_count, const void* g,
               void* c);
};

// A plane of `rows` by `width` outputs, without gaps, of windows of kernel by kernel (3, 5 or 7), `stride` rows (1 or 2)
// apart, over rows `pitch` elements apart; column k of a window is columns[k] elements behind the output's column.
struct DepthwisePlane {
  int64_t rows, width, pitch;
  int kernel, stride;
  int64_t columns[7];
};
// The same where a plane lies in its tensor, (height, width), without zeros around: the first window begins `above` rows and
// `before` columns outside it. The result is (rows, columns).
struct DirectPlane {
  int64_t height, width, rows, columns, above, before;
  int kernel, stride;
};
// Null at levels that cannot read a part of a vector at full speed.
struct DirectLoops {
  // `count` neighbouring planes, each with the next kernel and bias (or null).
  void (*planes)(const DirectPlane& plane, int64_t count, const void* weight, const void* bias, const void* from, void* to);
  void (*input_grad)(const DirectPlane& plane, const void* weight, const void* g, void* to);  // kernels of 3 with stride 2
  // sums[tap][lane] += what `count` planes, so many elements apart, give to each tap of one kernel.
  void (*weight_grad)(const DirectPlane& plane, int64_t count, const void* from, int64_t from_step, const void* g, int64_t g_step,
                      void* sums);
};
// Planes with a kernel of their own. Rows of x are read up to a whole vector behind the last output's.
struct DepthwiseLoops {
  int lanes;
  void (*plane)(const DepthwisePlane& plane, const void* weight, double bias, const void* from, void* to);
  // sums[tap][lane] += what the plane gives to each tap.
  void (*weight_grad)(const DepthwisePlane& plane, const void* from, const void* g, void* sums);
  // to[r * to_row + i] = bias + the sum over the taps of weights[t] from[r * row_step + i + offsets[t]].
  void (*taps)(int64_t rows, int64_t width, int64_t row_step, int64_t count, const int64_t* offsets, const void* weights,
               double bias, const void* from, void* to, int64_t to_row);
  // `rows` rows of n elements, `width` apart, to rows `pitch` apart; split: elements 0, 2, ... and 1, 3, ... of each.
  void (*rows_in)(const void* from, int64_t width, int64_t n, int64_t rows, void* to, int64_t pitch);
  void (*rows_split)(const void* from, int64_t width, int64_t n, int64_t rows, void* even, void* odd, int64_t pitch);
  // to[2i] = even[i], to[2i + 1] = odd[i], n elements of `to`; reads whole vectors.
  void (*weave)(const void* even, const void* odd, int64_t n, void* to);
  // Neighbouring channels along the vectors; places, offsets and positions are elements, the channels of one together.
  // to[places[i] + c] = from[c * plane + i] for up to a vector's `channels` (zeros beyond them) and n pixels.
  void (*across_in)(const void* from, int64_t plane, int channels, int64_t n, const int32_t* places, void* to);
  // sums[t] += the sum over i of g[i] from[bases[i] + offsets[t]].
  void (*across_grad)(int64_t n, const int32_t* bases, int64_t taps, const int32_t* offsets, const void* from, const void* g,
                      void* sums);
  const DirectLoops* direct;
};

// Winograd's F(2 x 2, 3 x 3): transforms of `channels` neighbouring channels of `tiles` tiles. Elements of a tile's
// transform lie `plane` elements apart, tiles `tile` apart.
struct WinogradLoops {
  // B'xB of squares of 4 by 4 pixels, two pixels apart: pixels are `pixel` elements apart, rows of them `row`.
  void (*input)(const void* x, int64_t pixel, int64_t row, int64_t tiles, int64_t channels, void* to, int64_t tile,
                int64_t plane);
  // GwG' of n neighbouring elements: from[t * from_plane] for the 9 kernel elements to 16.
  void (*weight)(const void* from, int64_t from_plane, int64_t n, void* to, int64_t plane);
  // A'mA + bias (or null): squares of 2 by 2 pixels. Returns whether every number is finite.
  bool (*output)(const void* from, int64_t tile, int64_t plane, int64_t tiles, int64_t channels, const void* bias,
                 void* to, int64_t pixel, int64_t row);
  // AgA' of squares of 2 by 2 pixels, the adjoint of output.
  void (*output_grad)(const void* g, int64_t pixel, int64_t row, int64_t tiles, int64_t channels, void* to, int64_t tile,
                      int64_t plane);
  // G'mG of n neighbouring elements, the adjoint of weight: 16 to 9. Returns whether every number is finite.
  bool (*weight_grad)(const void* from, int64_t plane, int64_t n, void* to, int64_t to_plane);
};

// Regular windows over a plane of rows. What an output row reads: sources[starts[row]] to sources[starts[row + 1]].
struct PoolSource {
  int64_t row;  // of the input; of the output for who reads an input row
  int64_t tap;  // of the window: its number among the window's rows
};
struct PoolPlane {
  int64_t in_rows, in_width, out_rows, out_width;
  const int64_t* starts;
  const PoolSource* sources;
  int64_t kernel, stride, padding, dilation;  // along a row
  int64_t columns;                            // of one phase of the stride in a row with its padding, and room for a vector
  const int64_t *phases, *shifts;             // element k of window i is element i + shifts[k] of phase phases[k]
  const int64_t* reader_starts;               // the other way round: which output rows read an input row
  const PoolSource* readers;
  const double* row_counts;                   // a mean's divisor is this times that of the column
  // In the type of computation (or its integer), for each output column and a vector behind them.
  const void* column_counts;
  const void* firsts;  // the first element of the window inside the row
  int64_t row_memory() const { return stride * columns; }
  int64_t lead() const { return shifts[kernel - 1]; }  // windows before the first that a phase's elements may belong to
  int64_t out_row() const { return lead() + columns; }
};

struct PoolLoops {
  // Largest elements (NaN wins) and means; `line` holds row_memory() elements.
  void (*largest)(const PoolPlane& plane, const void* x, void* y, void* line);
  void (*mean)(const PoolPlane& plane, const void* x, void* y, void* line);
  // Their gradients for x. memory: in_rows row_memory() elements; row_memory() + out_rows out_row() of them.
  void (*largest_grad)(const PoolPlane& plane, int64_t planes, const void* g, const void* x, void* dx, void* memory);
  void (*mean_grad)(const PoolPlane& plane, const void* g, void* dx, void* memory);
  // The maximum over squares of 2 by 2 that touch and its gradient: pairs of rows of x and dx, `width` elements each, to
  // and from rows of n; elements past 2n of a row of dx become zero.
  void (*square)(const void* x, int64_t width, void* y, int64_t n, int64_t pairs);
  void (*square_grad)(const void* x, int64_t width, const void* g, void* dx, int64_t n, int64_t pairs);
  // The same of their sums over `divisor`.
  void (*square_mean)(const void* x, int64_t width, void* y, int64_t n, int64_t pairs, double divisor);
  void (*square_mean_grad)(int64_t width, const void* g, void* dx, int64_t n, int64_t pairs, double divisor);
};

// Element i of a result is the sum of weights[k] times element sources[k], for k from starts[i] to starts[i + 1]. `taps`: of
// each of them; 0: as many as there are.
struct Mixing {
  int64_t count, taps;
  const int64_t *starts, *sources;
  const void* weights;
};
struct MixLoops {
  // Lines of n single elements, one behind the other, to lines of `count`.
  void (*lines)(const Mixing& mixing, const void* x, int64_t n, void* y, int64_t lines);
  // Elements are parts of `size`: parts [begin, end) of all results, one behind the other; n parts of x make `count` of them.
  void (*parts)(const Mixing& mixing, const void* x, int64_t n, int64_t size, void* y, int64_t begin, int64_t end);
};

enum class SampleMode : uint8_t { Nearest, Bilinear, Bicubic };
enum class SampleOutside : uint8_t { Zeros, Border, Reflection };
// How an image is read between its elements: see grid_sample. Sizes of two axes or three, below 2^31 elements together.
struct Sampling {
  int axes;
  int64_t sizes[3];
  SampleMode mode;
  SampleOutside outside;
  bool align;
};
// At `points` places of a grid (points, axes), of or into so many channels. x_step, y_step: from one channel of the image, or
// of what is read, to the next.
struct SampleLoops {
  void (*read)(const Sampling& how, const void* x, int64_t x_step, const void* grid, int64_t points, int64_t channels, void* y,
               int64_t y_step);
  // Added to what is in dx.
  void (*input_grad)(const Sampling& how, const void* g, int64_t y_step, const void* grid, int64_t points, int64_t channels, void* dx,
                     int64_t x_step);
  void (*grid_grad)(const Sampling& how, const void* g, int64_t y_step, const void* x, int64_t x_step, const void* grid, int64_t points,
                    int64_t channels, void* dgrid);
};

// Several stretches of memory, `step` elements from one to the next.
struct Stretches {
  int64_t count = 1, step = 0;
};

// How a long pass goes about memory: whether its results go past the caches, and how many elements behind the one it
// reads it asks for those that are wanted next (0: it does not).
struct Passing {
  bool streams = false;
  int64_t ahead = 0;
};

// Rows of norms, n contiguous elements each; some loops take several stretches as one row. Sums are taken in blocks, in
// double.
struct NormLoops {
  double (*sum)(const void* x, int64_t n, Stretches stretches);
  double (*squares)(const void* x, double shift, int64_t n, Stretches stretches);  // of x - shift
  // sums[0] = the mean, sums[1] = the squared distances from it, of one stretch; meanwhile as many elements at `next` come.
  void (*spread)(const void* x, int64_t n, const void* next, double* sums);
  // sums[0] = sum of x - shift, sums[1] = of its squares
  void (*moments)(const void* x, double shift, int64_t n, Stretches stretches, double* sums);
  // sums[0] = sum of g, sums[1] = sum of g (x - shift)
  void (*products)(const void* g, const void* x, double shift, int64_t n, Stretches stretches, double* sums);
  // y = (x - shift) scale + offset
  void (*affine)(const void* x, void* y, int64_t n, Stretches stretches, double shift, double scale, double offset,
                 Passing passing);
  // y = (x - shift) scale weight[i] + bias[i]; weight and bias may be null. Gives the sum of `next`, as many elements (null: 0).
  // past: y leaves past the caches; it is aligned to 64 bytes and whole vectors long.
  double (*weighted)(const void* x, const void* weight, const void* bias, void* y, int64_t n, double shift, double scale,
                     const void* next, bool past);
  // dx = a g + b (x - shift) + c
  void (*combine)(const void* g, const void* x, void* dx, int64_t n, Stretches stretches, double shift, double a, double b,
                  double c, Passing passing);
  // As products, of g weight[i] (weight may be null); besides, dw[i] += g (x - shift) scale and db[i] += g (null: not).
  void (*row_sums)(const void* g, const void* x, const void* weight, double shift, double scale, int64_t n, double* sums,
                   void* dw, void* db);
  // dx = a g weight[i] + b (x - shift) + c
  void (*row_grad)(const void* g, const void* x, const void* weight, void* dx, int64_t n, double shift, double a,
                   double b, double c);
  // All of the gradient of rows of no more than `short_row` elements, one behind the other: dx, and what they add to dw and db
  // (null: not, and the mean is taken as 0).
  int64_t short_row;
  void (*short_rows_grad)(const void* g, const void* x, const void* weight, void* dx, int64_t rows, int64_t n, double eps,
                          void* dw, void* db);
};

// c (m, n) = or += a (m, k) b (k, n) for whole vectors of columns (n is a multiple of `lanes`), nothing packed.
using BlockProduct = void (*)(int64_t m, int64_t n, int64_t k, const void* a, int64_t a_row, int64_t a_column,
                              const void* b, int64_t b_row, void* c, int64_t c_row, bool accumulate);

// Attention over blocks of scores, keys by `queries`; a key's row of scores is `row` elements from the next.
struct AttentionLoops {
  int queries;  // whole vectors
  int lanes;    // of one vector
  BlockProduct product;
  // Scores become exp(score - top), where the top is the largest of this block and of those before; totals become
  // totals * factor + their sum, factor = exp(old top - top). First of all tops are -inf and totals 0.
  void (*probabilities)(void* scores, int64_t row, int64_t keys, void* tops, void* totals, void* factors);
  // p = exp(score - lse) in the place of the scores, p scale (product - delta) in that of the products.
  void (*score_gradients)(void* scores, void* products, int64_t row, int64_t keys, const void* lse, const void* delta,
                          const void* scales);
  // x[rows][queries] *= factors[queries]
  void (*scale_rows)(void* x, int64_t rows, const void* factors);
};

// Recurrent layers by their cells, which say how many products of the state they take and how many values they keep:
// long short-term memory (input, forget, cell, output), gated units (reset, update, candidate, and the state's product of
// the candidate), and Elman's two, which keep nothing.
enum class CellKind { Lstm, Gru, Tanh, Relu };
constexpr int products_of(CellKind kind) { return kind == CellKind::Lstm ? 4 : kind == CellKind::Gru ? 3 : 1; }
constexpr int kept_of(CellKind kind) { return kind <= CellKind::Gru ? 4 : 0; }

// One step of one sequence: neighbouring units. Products and kept values of x, bias and gates stand `units` elements
// apart; `product` is readable up to whole vectors.
struct RecurrentCell {
  int64_t units, product_gate;    // elements from gate to gate: of x, bias and gates; of product
  const void *x, *product, *bias; // the input's and the state's share of the sums; bias, of gated units alone, may be null
  const void* before;             // the cell (Lstm) or the output (Gru) of the step before
  void *gates, *c, *y;
};
// The gradient: product and dy are those of the output, carried (replaced by what goes on to the step before) those of
// `before`, dc those of the cell, dgates those of the gates; dc, dgates and Lstm's dy may be null.
struct RecurrentCellGrad {
  int64_t units;
  const void *product, *dy, *dc, *dgates, *gates, *c, *y, *before;
  void *carried, *dx, *dproduct;  // dproduct: of the state's products, where they are not those of x (Gru)
};
struct RecurrentLoops {
  int columns;  // of a panel of weights: whole vectors
  BlockProduct product;
  void (*cell[4])(const RecurrentCell& cell, int64_t n);  // by CellKind
  void (*cell_grad[4])(const RecurrentCellGrad& cell, int64_t n);
};

}  // namespace flambeau::cpu

#endif
