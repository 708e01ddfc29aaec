// simd/sampling.cpp: images read at places between their elements. What a place reads, and how much that counts, is
// computed for some points at once, then used for all channels. Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

constexpr int64_t kPoints = 64;  // together
constexpr int kChannels = 8;     // together

template <class T>
FL_INLINE T floor_of(T x) {
  return sizeof(T) == 4 ? T(__builtin_floorf(float(x))) : T(__builtin_floor(double(x)));
}
template <class T>
FL_INLINE T nearest_even(T x) {
  return sizeof(T) == 4 ? T(__builtin_rintf(float(x))) : T(__builtin_rint(double(x)));
}
template <class T>
FL_INLINE T plus_product(T a, T b, T c) {
  if constexpr (kFused) return sizeof(T) == 4 ? T(__builtin_fmaf(float(a), float(b), float(c))) : T(__builtin_fma(double(a), double(b), double(c)));
  else return a * b + c;
}

// A place outside of 0 to n - 1 to where it is read, if it is; `slope` is multiplied with what that changes.
template <class T>
FL_INLINE T inside(T at, T n, SampleOutside outside, bool align, T& slope) {
  if (outside == SampleOutside::Zeros) return at;
  if (outside == SampleOutside::Reflection) {
    const T first = align ? T(0) : T(-0.5), span = align ? n - 1 : n;
    const T from = at - first, away = from < 0 ? -from : from, turns = floor_of(away / span), rest = away - turns * span;
    const bool odd = turns - 2 * floor_of(turns * T(0.5)) == 1;
    slope = odd != (from < 0) ? -slope : slope;
    at = (odd ? span - rest : rest) + first;
    at = span == 0 ? T(0) : at;
  }
  slope = at > 0 && at < n - 1 ? slope : T(0);
  return at > 0 ? at < n - 1 ? at : n - 1 : T(0);
}

// Keys' kernel at a distance, and its slope.
template <class T>
FL_INLINE T cubic(T d) {
  constexpr T kSlope = T(-0.75);
  return d <= 1 ? ((kSlope + 2) * d - (kSlope + 3)) * d * d + 1 : ((kSlope * d - 5 * kSlope) * d + 8 * kSlope) * d - 4 * kSlope;
}
template <class T>
FL_INLINE T cubic_slope(T d) {
  constexpr T kSlope = T(-0.75);
  return d <= 1 ? (3 * (kSlope + 2) * d - 2 * (kSlope + 3)) * d : (3 * kSlope * d - 10 * kSlope) * d + 8 * kSlope;
}

// What some points read: `axes` times `taps` numbers of elements along an axis, which make corners.
template <class T, int axes, int taps>
struct Block {
  static constexpr int kCorners = axes == 2 ? taps * taps : taps * taps * taps;
  int32_t number[axes][taps][kPoints];  // -1: not in the image
  T weight[axes][taps][kPoints], slope[axes][taps][kPoints];
  int32_t at[kCorners][kPoints];  // of the image, or -1
  T share[kCorners][kPoints];
  T beside[kPoints];  // 0, or NaN where what is not in the image counts that much

  FL_INLINE static int tap_of(int corner, int axis) {
    for (int a = axes - 1; a > axis; --a) corner /= taps;
    return corner % taps;
  }

  FL_INLINE void put(int axis, int tap, int64_t p, T place, T much, T by_place) {
    const bool there = place >= 0 && place < T(sizes[axis]);
    number[axis][tap][p] = there ? int32_t(there ? place : T(0)) : -1;
    weight[axis][tap][p] = much;
    slope[axis][tap][p] = by_place;
  }
  const int64_t* sizes;

  void compute(const Sampling& how, const T* grid, int64_t points) {
    sizes = how.sizes;
    for (int a = 0; a < axes; ++a) {
      const T n = T(how.sizes[a]), half = how.align ? T(0.5) * (n - 1) : T(0.5) * n;
      for (int64_t p = 0; p < points; ++p) {
        const T given = grid[p * axes + axes - 1 - a];
        T at = how.align ? (given + 1) * half : ((given + 1) * n - 1) * T(0.5), by_grid = half;
        if constexpr (taps == 4) {
          const T low = floor_of(at), f = at - low;
#pragma GCC unroll 4
          for (int t = 0; t < 4; ++t) {
            const T from = f - T(t - 1), d = from < 0 ? -from : from;
            T unused = 0;
            put(a, t, p, inside(low + T(t - 1), n, how.outside, how.align, unused), cubic(d), (from < 0 ? -cubic_slope(d) : cubic_slope(d)) * half);
          }
        } else {
          at = inside(at, n, how.outside, how.align, by_grid);
          if constexpr (taps == 1) {
            put(a, 0, p, nearest_even(at), T(1), T(0));
          } else {
            const T low = floor_of(at), high = low + 1;
            put(a, 0, p, low, high - at, -by_grid);
            put(a, 1, p, high, at - low, by_grid);
          }
        }
      }
    }
    for (int64_t p = 0; p < points; ++p) beside[p] = 0;
    for (int k = 0; k < kCorners; ++k)
      for (int64_t p = 0; p < points; ++p) {
        int32_t to = number[0][tap_of(k, 0)][p], out = to;
        T much = weight[0][tap_of(k, 0)][p];
        for (int a = 1; a < axes; ++a) {
          const int32_t here = number[a][tap_of(k, a)][p];
          to = to * int32_t(how.sizes[a]) + here;
          out |= here;
          much *= weight[a][tap_of(k, a)][p];
        }
        at[k][p] = out < 0 ? -1 : to;
        share[k][p] = much;
        beside[p] += out < 0 ? much * 0 : T(0);
      }
  }
  FL_INLINE bool all_there(int64_t p) const {
    int32_t any = 0;
    for (int k = 0; k < kCorners; ++k) any |= at[k][p];
    return any >= 0;
  }
  // The product of a corner's weights; of axis `by` the slope.
  FL_INLINE T slope_of(int corner, int by, int64_t p) const {
    T product = slope[by][tap_of(corner, by)][p];
    for (int a = 0; a < axes; ++a)
      if (a != by) product *= weight[a][tap_of(corner, a)][p];
    return product;
  }
};

template <class T, int axes, int taps>
struct Loops {
  using Points = Block<T, axes, taps>;
  static constexpr int kCorners = Points::kCorners;

  // In blocks of points, then some channels of them at a time: visit(points, how many, first point, first channel, count of
  // channels as a constant).
  template <class Visit>
  FL_INLINE static void each_block(const Sampling& how, const T* grid, int64_t points, int64_t channels, const Visit& visit) {
    Points block;
    for (int64_t first = 0; first < points; first += kPoints) {
      const int64_t n = points - first < kPoints ? points - first : kPoints;
      block.compute(how, grid + first * axes, n);
      int64_t c = 0;
      for (; c + kChannels <= channels; c += kChannels) visit(block, n, first, c, Constant<kChannels>());
      for (; c < channels; ++c) visit(block, n, first, c, Constant<1>());
    }
  }
  template <int n>
  struct Constant {
    static constexpr int value = n;
  };

  static void read(const Sampling& how, const void* x_bytes, int64_t x_step, const void* grid, int64_t points, int64_t channels,
                   void* y_bytes, int64_t y_step) {
    const T* all = static_cast<const T*>(x_bytes);
    T* to = static_cast<T*>(y_bytes);
    each_block(how, static_cast<const T*>(grid), points, channels, [&](const Points& block, int64_t n, int64_t first, int64_t c, auto count) __attribute__((always_inline)) {
      constexpr int kCount = decltype(count)::value;
      const T* x = all + c * x_step;
      T* y = to + c * y_step + first;
      for (int64_t p = 0; p < n; ++p) {
        T sums[kCount];
        for (int l = 0; l < kCount; ++l) sums[l] = block.beside[p];
        if (block.all_there(p)) {
#pragma GCC unroll 16
          for (int k = 0; k < kCorners; ++k) {
            const T much = block.share[k][p];
            const T* from = x + block.at[k][p];
#pragma GCC unroll 8
            for (int l = 0; l < kCount; ++l) sums[l] = plus_product(much, from[l * x_step], sums[l]);
          }
        } else {
          for (int k = 0; k < kCorners; ++k)
            for (int l = 0; block.at[k][p] >= 0 && l < kCount; ++l)
              sums[l] = plus_product(block.share[k][p], x[block.at[k][p] + l * x_step], sums[l]);
        }
#pragma GCC unroll 8
        for (int l = 0; l < kCount; ++l) y[l * y_step + p] = sums[l];
      }
    });
  }

  static void input_grad(const Sampling& how, const void* g_bytes, int64_t y_step, const void* grid, int64_t points, int64_t channels,
                         void* dx_bytes, int64_t x_step) {
    const T* given = static_cast<const T*>(g_bytes);
    T* all = static_cast<T*>(dx_bytes);
    each_block(how, static_cast<const T*>(grid), points, channels, [&](const Points& block, int64_t n, int64_t first, int64_t c, auto count) __attribute__((always_inline)) {
      constexpr int kCount = decltype(count)::value;
      const T* g = given + c * y_step + first;
      T* dx = all + c * x_step;
      for (int64_t p = 0; p < n; ++p) {
        T shares[kCount];
#pragma GCC unroll 8
        for (int l = 0; l < kCount; ++l) shares[l] = g[l * y_step + p];
        for (int k = 0; k < kCorners; ++k) {
          const int32_t at = block.at[k][p];
          if (at < 0) continue;
          const T much = block.share[k][p];
#pragma GCC unroll 8
          for (int l = 0; l < kCount; ++l) dx[l * x_step + at] = plus_product(much, shares[l], dx[l * x_step + at]);
        }
      }
    });
  }

  static void grid_grad(const Sampling& how, const void* g_bytes, int64_t y_step, const void* x_bytes, int64_t x_step, const void* grid_bytes,
                        int64_t points, int64_t channels, void* dgrid_bytes) {
    const T* g = static_cast<const T*>(g_bytes);
    const T* x = static_cast<const T*>(x_bytes);
    const T* grid = static_cast<const T*>(grid_bytes);
    T* dgrid = static_cast<T*>(dgrid_bytes);
    Points block;
    for (int64_t first = 0; first < points; first += kPoints) {
      const int64_t n = points - first < kPoints ? points - first : kPoints;
      block.compute(how, grid + first * axes, n);
      for (int64_t p = 0; p < n; ++p) {
        T dots[kCorners] = {};
        for (int64_t c = 0; c < channels; ++c) {
          const T share = g[c * y_step + first + p];
          for (int k = 0; k < kCorners; ++k)
            if (block.at[k][p] >= 0) dots[k] = plus_product(share, x[c * x_step + block.at[k][p]], dots[k]);
        }
        for (int a = 0; a < axes; ++a) {
          T sum = 0;
          for (int k = 0; k < kCorners; ++k) sum += dots[k] * block.slope_of(k, a, p);
          dgrid[(first + p) * axes + axes - 1 - a] = sum;
        }
      }
    }
  }
};

// The loops for how an image is read.
template <class T, class Run>
FL_INLINE void with_loops(const Sampling& how, const Run& run) {
  if (how.axes == 3) {
    if (how.mode == SampleMode::Nearest) run(Loops<T, 3, 1>());
    else run(Loops<T, 3, 2>());
  } else if (how.mode == SampleMode::Nearest) {
    run(Loops<T, 2, 1>());
  } else if (how.mode == SampleMode::Bilinear) {
    run(Loops<T, 2, 2>());
  } else {
    run(Loops<T, 2, 4>());
  }
}

template <class T>
void read(const Sampling& how, const void* x, int64_t x_step, const void* grid, int64_t points, int64_t channels, void* y, int64_t y_step) {
  with_loops<T>(how, [&](auto loops) { loops.read(how, x, x_step, grid, points, channels, y, y_step); });
}
template <class T>
void input_grad(const Sampling& how, const void* g, int64_t y_step, const void* grid, int64_t points, int64_t channels, void* dx,
                int64_t x_step) {
  with_loops<T>(how, [&](auto loops) { loops.input_grad(how, g, y_step, grid, points, channels, dx, x_step); });
}
template <class T>
void grid_grad(const Sampling& how, const void* g, int64_t y_step, const void* x, int64_t x_step, const void* grid, int64_t points,
               int64_t channels, void* dgrid) {
  with_loops<T>(how, [&](auto loops) { loops.grid_grad(how, g, y_step, x, x_step, grid, points, channels, dgrid); });
}

template <class T>
constexpr SampleLoops kLoops{read<T>, input_grad<T>, grid_grad<T>};

}  // namespace

const SampleLoops* sample(Type type) {
  return type == Type::Float32 ? &kLoops<float> : type == Type::Float64 ? &kLoops<double> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
