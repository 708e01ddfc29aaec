// What the rows of several families are written with: bounds, samples, and small rules of shape.
#pragma once

#include <array>
#include <vector>

#include "core/op.h"

namespace flambeau::ops {

// Bounds for float16 and bfloat16, float32, float64, complex64, complex128 (counted at the magnitude); integers and
// bool are always exact.
constexpr std::array<float, kDTypeCount> ulps(float half, float single, float full, float single_pair = 0,
                                              float full_pair = 0) {
  return {0, 0, 0, 0, 0, 0, 0, 0, 0, half, half, single, full, single_pair, full_pair};
}

// The gradient is zero almost everywhere.
inline void zero_vjp(const Backward&) {}

// Samples of a pointwise op over [low, high): 0-d, empty, a few elements, and more than any vector register holds.
inline std::vector<Sample> unary_samples(double low, double high, std::vector<Attr> attrs = {}) {
  std::vector<Sample> samples;
  for (const Dims& shape : {Dims{}, Dims{0, 3}, Dims{3, 4}, Dims{2, 1, 5}, Dims{1037}}) {
    samples.push_back({{{shape, low, high}}, attrs});
  }
  return samples;
}

struct Range {
  double low;
  double high;
};

inline std::vector<Sample> binary_samples(Range a, Range b, std::vector<Attr> attrs = {}) {
  struct Pair {
    Dims a;
    Dims b;
  };
  std::vector<Sample> samples;
  for (const Pair& pair : {Pair{{}, {}}, Pair{{3, 4}, {3, 4}}, Pair{{0, 3}, {1, 3}}, Pair{{3, 4}, {}},
                           Pair{{3, 1}, {1, 4}}, Pair{{4}, {2, 3, 4}}, Pair{{1037}, {1037}}, Pair{{64, 33}, {33}}}) {
    samples.push_back({{{pair.a, a.low, a.high}, {pair.b, b.low, b.high}}, attrs});
  }
  return samples;
}

}  // namespace flambeau::ops
