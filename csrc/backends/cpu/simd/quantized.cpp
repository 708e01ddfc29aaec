// simd/quantized.cpp: products with int8 weights. Compiled once per level.
#include "kernels.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int kWidth = kLanes<F32>;
constexpr bool kManyRegisters = sizeof(F32) == 64;

FL_INLINE F32 load_bytes_part(const int8_t* p, int n) {
  int8_t lanes[kWidth] = {};
  for (int i = 0; i < n; ++i) lanes[i] = p[i];
  return load_bytes(lanes);
}

struct Layer {
  int64_t inputs;
  const float* x;
  const int8_t* weight;
  const float* scale;
  const float* bias;
  float* y;
  int64_t y_row;
};

// kRows rows of x against kOutputs rows of the weight. Each sum has one order, whatever the tile.
template <int kRows, int kOutputs>
FL_INLINE void tile(const Layer& p, int64_t row, int64_t output) {
  F32 sums[kRows][kOutputs] = {};
  const float* x = p.x + row * p.inputs;
  const int8_t* weight = p.weight + output * p.inputs;
  int64_t i = 0;
  for (; i + kWidth <= p.inputs; i += kWidth) {
    F32 given[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) given[r] = load<F32>(x + r * p.inputs + i);
#pragma GCC unroll 8
    for (int o = 0; o < kOutputs; ++o) {
      const F32 w = load_bytes(weight + o * p.inputs + i);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) sums[r][o] = fma(given[r], w, sums[r][o]);
    }
  }
  if (i < p.inputs) {
    const int left = int(p.inputs - i);
    for (int o = 0; o < kOutputs; ++o) {
      const F32 w = load_bytes_part(weight + o * p.inputs + i, left);
      for (int r = 0; r < kRows; ++r) sums[r][o] = fma(load_part<F32>(x + r * p.inputs + i, left), w, sums[r][o]);
    }
  }
  for (int r = 0; r < kRows; ++r)
    for (int o = 0; o < kOutputs; ++o) {
      const float scaled = sum_of_lanes<F32>(sums[r][o]) * p.scale[output + o];
      p.y[(row + r) * p.y_row + output + o] = p.bias ? scaled + p.bias[output + o] : scaled;
    }
}

template <int kRows, int kOutputs>
void band(const Layer& p, int64_t row, int64_t outputs) {
  int64_t output = 0;
  for (; output + kOutputs <= outputs; output += kOutputs) tile<kRows, kOutputs>(p, row, output);
  for (; output < outputs; ++output) tile<kRows, 1>(p, row, output);
}

void dots(int64_t rows, int64_t outputs, int64_t inputs, const float* x, const int8_t* weight, const float* scale,
          const float* bias, float* y, int64_t y_row) {
  const Layer p{inputs, x, weight, scale, bias, y, y_row};
  int64_t row = 0;
  for (; row + 4 <= rows; row += 4) band<4, kManyRegisters ? 4 : 2>(p, row, outputs);
  for (; row + 2 <= rows; row += 2) band<2, 4>(p, row, outputs);
  for (; row < rows; ++row) band<1, 8>(p, row, outputs);
}

void widen(int64_t outputs, int64_t inputs, const int8_t* weight, const float* scale, float* to) {
  for (int64_t o = 0; o < outputs; ++o) {
    const int8_t* from = weight + o * inputs;
    float* row = to + o * inputs;
    const F32 factor = splat<F32>(scale[o]);
    int64_t i = 0;
    for (; i + kWidth <= inputs; i += kWidth) store<F32>(row + i, load_bytes(from + i) * factor);
    for (; i < inputs; ++i) row[i] = float(from[i]) * scale[o];
  }
}

}  // namespace

const Int8Loops int8_loops{dots, widen};

}  // namespace flambeau::cpu::FL_LEVEL
