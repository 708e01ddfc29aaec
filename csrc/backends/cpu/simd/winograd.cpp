// simd/winograd.cpp: the transforms of Winograd's F(2 x 2, 3 x 3) for the points 0, 1, -1 and infinity, channels along the
// vectors (A. Lavin, S. Gray: Fast Algorithms for Convolutional Neural Networks, 2015). Compiled once per level.
#include "kernels.h"
#include "neural.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

template <class V>
FL_INLINE V some(const typename Of<V>::Element* p, int n) {
  return n == kLanes<V> ? load<V>(p) : load_part<V>(p, n);
}
template <class V>
FL_INLINE void put(typename Of<V>::Element* p, V v, int n) {
  if (n == kLanes<V>) store<V>(p, v);
  else store_part<V>(p, v, n);
}
// step(first channel, lanes) over the channels.
template <class V, class Step>
FL_INLINE void each(int64_t channels, const Step& step) {
  int64_t c = 0;
  for (; c + kLanes<V> <= channels; c += kLanes<V>) step(c, int(kLanes<V>));
  if (c < channels) step(c, int(channels - c));
}
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

template <class V>
FL_INLINE void input_line(V a, V b, V c, V d, V* to) {
  to[0] = a - c;
  to[1] = b + c;
  to[2] = c - b;
  to[3] = b - d;
}
template <class V>
FL_INLINE void output_line(V a, V b, V c, V d, V* to) {
  to[0] = a + b + c;
  to[1] = b - c - d;
}
template <class V>
FL_INLINE void output_grad_line(V a, V b, V* to) {
  to[0] = a;
  to[1] = a + b;
  to[2] = a - b;
  to[3] = -b;
}
template <class V>
FL_INLINE void weight_line(V a, V b, V c, V* to) {
  const V half = splat<V>(0.5), ends = half * (a + c), middle = half * b;
  to[0] = a;
  to[1] = ends + middle;
  to[2] = ends - middle;
  to[3] = c;
}
template <class V>
FL_INLINE void weight_grad_line(V a, V b, V c, V d, V* to) {
  const V half = splat<V>(0.5), ends = half * (b + c);
  to[0] = a + ends;
  to[1] = half * (b - c);
  to[2] = ends + d;
}

// ---- squares -----------------------------------------------------------------------------------------------

template <class V>
void input(const void* from, int64_t pixel, int64_t row, int64_t tiles, int64_t channels, void* to_bytes, int64_t tile,
           int64_t plane) {
  using T = typename Of<V>::Element;
  const T* x = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  for (int64_t t = 0; t < tiles; ++t, x += 2 * pixel, to += tile)
    each<V>(channels, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      V down[4][4];  // [column][row]
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        const T* at = x + c + w * pixel;
        input_line<V>(some<V>(at, lanes), some<V>(at + row, lanes), some<V>(at + 2 * row, lanes),
                      some<V>(at + 3 * row, lanes), down[w]);
      }
#pragma GCC unroll 4
      for (int h = 0; h < 4; ++h) {
        V line[4];
        input_line<V>(down[0][h], down[1][h], down[2][h], down[3][h], line);
#pragma GCC unroll 4
        for (int w = 0; w < 4; ++w) put<V>(to + c + (4 * h + w) * plane, line[w], lanes);
      }
    });
}

template <class V>
void weight(const void* from, int64_t from_plane, int64_t n, void* to_bytes, int64_t plane) {
  using T = typename Of<V>::Element;
  const T* w = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  each<V>(n, [&](int64_t c, int lanes) __attribute__((always_inline)) {
    V down[3][4];
#pragma GCC unroll 3
    for (int j = 0; j < 3; ++j)
      weight_line<V>(some<V>(w + c + j * from_plane, lanes), some<V>(w + c + (j + 3) * from_plane, lanes),
                     some<V>(w + c + (j + 6) * from_plane, lanes), down[j]);
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      V line[4];
      weight_line<V>(down[0][i], down[1][i], down[2][i], line);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) put<V>(to + c + (4 * i + j) * plane, line[j], lanes);
    }
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
    each<V>(channels, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      V down[4][2];
#pragma GCC unroll 4
      for (int w = 0; w < 4; ++w) {
        const T* at = m + c + w * plane;
        output_line<V>(some<V>(at, lanes), some<V>(at + 4 * plane, lanes), some<V>(at + 8 * plane, lanes),
                       some<V>(at + 12 * plane, lanes), down[w]);
      }
      const V more = bias ? some<V>(bias + c, lanes) : V{};
#pragma GCC unroll 2
      for (int h = 0; h < 2; ++h) {
        V line[2];
        output_line<V>(down[0][h], down[1][h], down[2][h], down[3][h], line);
#pragma GCC unroll 2
        for (int w = 0; w < 2; ++w) {
          const V y = line[w] + more;
          check = fma(y, V{}, check);
          put<V>(to + c + h * row + w * pixel, y, lanes);
        }
      }
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
    each<V>(channels, [&](int64_t c, int lanes) __attribute__((always_inline)) {
      V down[2][4];
#pragma GCC unroll 2
      for (int w = 0; w < 2; ++w)
        output_grad_line<V>(some<V>(g + c + w * pixel, lanes), some<V>(g + c + w * pixel + row, lanes), down[w]);
#pragma GCC unroll 4
      for (int h = 0; h < 4; ++h) {
        V line[4];
        output_grad_line<V>(down[0][h], down[1][h], line);
#pragma GCC unroll 4
        for (int w = 0; w < 4; ++w) put<V>(to + c + (4 * h + w) * plane, line[w], lanes);
      }
    });
}

template <class V>
bool weight_grad(const void* from, int64_t plane, int64_t n, void* to_bytes, int64_t to_plane) {
  using T = typename Of<V>::Element;
  const T* m = static_cast<const T*>(from);
  T* to = static_cast<T*>(to_bytes);
  V check{};
  each<V>(n, [&](int64_t c, int lanes) __attribute__((always_inline)) {
    V down[4][3];
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const T* at = m + c + j * plane;
      weight_grad_line<V>(some<V>(at, lanes), some<V>(at + 4 * plane, lanes), some<V>(at + 8 * plane, lanes),
                          some<V>(at + 12 * plane, lanes), down[j]);
    }
#pragma GCC unroll 3
    for (int i = 0; i < 3; ++i) {
      V line[3];
      weight_grad_line<V>(down[0][i], down[1][i], down[2][i], down[3][i], line);
#pragma GCC unroll 3
      for (int j = 0; j < 3; ++j) {
        check = fma(line[j], V{}, check);
        put<V>(to + c + (3 * i + j) * to_plane, line[j], lanes);
      }
    }
  });
  return all_finite<V>(check);
}

template <class V>
constexpr WinogradLoops kLoops{input<V>, weight<V>, output<V>, output_grad<V>, weight_grad<V>};

}  // namespace

const WinogradLoops* winograd(Type type) {
  return type == Type::Float32 ? &kLoops<F32> : type == Type::Float64 ? &kLoops<F64> : nullptr;
}

}  // namespace flambeau::cpu::FL_LEVEL
