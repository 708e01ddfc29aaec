// simd/winograd.cpp: the transforms of Winograd's F(2 x 2, 3 x 3) for the points 0, 1, -1 and infinity, channels along the
// vectors (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015). Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// Whether every lane that was added up as 0 * y is 0.
template <class V>
FL_INLINE bool all_finite(V check) {
  typename Of<V>::Element lanes[kLanes<V>];
  store<V>(lanes, check);
  bool finite = true;
  for (int l = 0; l < kLanes<V>; ++l) finite = finite && lanes[l] == 0;
  return finite;
}

// ---- one line of each transform --------------------------------------------------------------------------------

struct Input {
  static constexpr int kFrom = 4, kTo = 4;
  template <class V>
  FL_INLINE static void line(const V* x, V* to) {
    to[0] = x[0] - x[2];
    to[1] = x[1] + x[2];
    to[2] = x[2] - x[1];
    to[3] = x[1] - x[3];
  }
};
struct Output {
  static constexpr int kFrom = 4, kTo = 2;
  template <class V>
  FL_INLINE static void line(const V* x, V* to) {
    to[0] = x[0] + x[1] + x[2];
    to[1] = x[1] - x[2] - x[3];
  }
};
struct OutputGrad {
  static constexpr int kFrom = 2, kTo = 4;
  template <class V>
  FL_INLINE static void line(const V* x, V* to) {
    to[0] = x[0];
    to[1] = x[0] + x[1];
    to[2] = x[0] - x[1];
    to[3] = -x[1];
  }
};
struct Weight {
  static constexpr int kFrom = 3, kTo = 4;
  template <class V>
  FL_INLINE static void line(const V* x, V* to) {
    const V half = splat<V>(0.5), ends = half * (x[0] + x[2]), middle = half * x[1];
    to[0] = x[0];
    to[1] = ends + middle;
    to[2] = ends - middle;
    to[3] = x[2];
  }
};
struct WeightGrad {
  static constexpr int kFrom = 4, kTo = 3;
  template <class V>
  FL_INLINE static void line(const V* x, V* to) {
    const V half = splat<V>(0.5), ends = half * (x[1] + x[2]);
    to[0] = x[0] + ends;
    to[1] = half * (x[1] - x[2]);
    to[2] = ends + x[3];
  }
};

// ---- squares -----------------------------------------------------------------------------------------------

// The columns of a square that read(row, column) gives, then the rows of what they became, to write(row, column, value).
template <class V, class Transform, class Read, class Write>
FL_INLINE void both_ways(const Read& read, const Write& write) {
  constexpr int kFrom = Transform::kFrom, kTo = Transform::kTo;
  V down[kFrom][kTo], from[kFrom], to[kTo];
#pragma GCC unroll 4
  for (int w = 0; w < kFrom; ++w) {
#pragma GCC unroll 4
    for (int h = 0; h < kFrom; ++h) from[h] = read(h, w);
    Transform::line(from, down[w]);
  }
#pragma GCC unroll 4
  for (int h = 0; h < kTo; ++h) {
#pragma GCC unroll 4
    for (int w = 0; w < kFrom; ++w) from[w] = down[w][h];
    Transform::line(from, to);
#pragma GCC unroll 4
    for (int w = 0; w < kTo; ++w) write(h, w, to[w]);
  }
}
#define FL_STEP __attribute__((always_inline))

// Neighbouring tiles share two columns of pixels, so each is transformed once.
template <class V>
void input(const void* from, int64_t pixel, int64_t row, int64_t tiles, int64_t channels, void* to_bytes, int64_t tile,
           int64_t plane) {
  using T = typename Of<V>::Element;
  each_vector<V>(channels, [&](int64_t c, int lanes) FL_STEP {
    const T* x = static_cast<const T*>(from) + c;
    T* to = static_cast<T*>(to_bytes) + c;
    V down[4][4];
    const auto column = [&](int w) FL_STEP {
      V pixels[4];
#pragma GCC unroll 4
      for (int h = 0; h < 4; ++h) pixels[h] = load_some<V>(x + h * row + w * pixel, lanes);
      Input::line(pixels, down[w]);
    };
    column(0);
    column(1);
    for (int64_t t = 0; t < tiles; ++t, x += 2 * pixel, to += tile) {
      column(2);
      column(3);
#pragma GCC unroll 4
      for (int h = 0; h < 4; ++h) {
        const V across[4] = {down[0][h], down[1][h], down[2][h], down[3][h]};
        V y[4];
        Input::line(across, y);
#pragma GCC unroll 4
        for (int w = 0; w < 4; ++w) store_some<V>(to + (4 * h + w) * plane, y[w], lanes);
        down[0][h] = down[2][h];
        down[1][h] = down[3][h];
      }
    }
  });
}

template <class V>
void weight(const void* from, int64_t from_plane, int64_t n, void* to_bytes, int64_t plane) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  each_vector<V>(n, [&](int64_t c, int lanes) FL_STEP {
    both_ways<V, Weight>([&](int h, int w) FL_STEP { return load_some<V>(x + c + (3 * h + w) * from_plane, lanes); },
                         [&](int h, int w, V v) FL_STEP { store_some<V>(to + c + (4 * h + w) * plane, v, lanes); });
  });
}

template <class V>
bool output(const void* from, int64_t tile, int64_t plane, int64_t tiles, int64_t channels, const void* bias_bytes,
            void* to_bytes, int64_t pixel, int64_t row) {
  using T = typename Of<V>::Element;
  const T* m = static_cast<const T*>(from);
  const T* bias = static_cast<const T*>(bias_bytes);
  T* to = static_cast<T*>(to_bytes);
  V check{};
  for (int64_t t = 0; t < tiles; ++t, m += tile, to += 2 * pixel)
    each_vector<V>(channels, [&](int64_t c, int lanes) FL_STEP {
      const V more = bias ? load_some<V>(bias + c, lanes) : V{};
      both_ways<V, Output>([&](int h, int w) FL_STEP { return load_some<V>(m + c + (4 * h + w) * plane, lanes); },
                           [&](int h, int w, V v) FL_STEP {
        const V y = v + more;
        check = fma(y, V{}, check);
        store_some<V>(to + c + h * row + w * pixel, y, lanes);
      });
    });
  return all_finite<V>(check);
}

template <class V>
void output_grad(const void* from, int64_t pixel, int64_t row, int64_t tiles, int64_t channels, void* to_bytes,
                 int64_t tile, int64_t plane) {
  using T = typename Of<V>::Element;
  const T* g = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  for (int64_t t = 0; t < tiles; ++t, g += 2 * pixel, to += tile)
    each_vector<V>(channels, [&](int64_t c, int lanes) FL_STEP {
      both_ways<V, OutputGrad>([&](int h, int w) FL_STEP { return load_some<V>(g + c + h * row + w * pixel, lanes); },
                               [&](int h, int w, V v) FL_STEP { store_some<V>(to + c + (4 * h + w) * plane, v, lanes); });
    });
}

template <class V>
bool weight_grad(const void* from, int64_t plane, int64_t n, void* to_bytes, int64_t to_plane) {
  using T = typename Of<V>::Element;
  const T* m = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  V check{};
  each_vector<V>(n, [&](int64_t c, int lanes) FL_STEP {
    both_ways<V, WeightGrad>([&](int h, int w) FL_STEP { return load_some<V>(m + c + (4 * h + w) * plane, lanes); },
                             [&](int h, int w, V v) FL_STEP {
      check = fma(v, V{}, check);
      store_some<V>(to + c + (3 * h + w) * to_plane, v, lanes);
    });
  });
  return all_finite<V>(check);
}
#undef FL_STEP

template <class V>
constexpr WinogradLoops kLoops{input<V>, weight<V>, output<V>, output_grad<V>, weight_grad<V>};

}  // namespace

const WinogradLoops* winograd(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
