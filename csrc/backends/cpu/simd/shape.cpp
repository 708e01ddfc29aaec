// simd/shape.cpp: transposes of blocks in registers. Compiled once per level.
#include "kernels.h"
#include "squares.h"
#include "tables.h"
#include "vector.h"

namespace flambeau::cpu::FL_LEVEL {
namespace {

// A square of as many rows as the vector has lanes, or what is left of one at the edges.
template <class V>
FL_INLINE void transpose_square(const typename Of<V>::Element* from, int64_t from_stride, typename Of<V>::Element* to,
                                int64_t to_stride) {
  V rows[kLanes<V>];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i) rows[i] = load<V>(from + i * from_stride);
  transpose_rows(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i) store<V>(to + i * to_stride, rows[i]);
}
template <class V>
void transpose_edge(const typename Of<V>::Element* from, int64_t from_stride, typename Of<V>::Element* to,
                    int64_t to_stride, int n_rows, int n_columns) {
  V rows[kLanes<V>];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i) {
    if (i >= n_rows) rows[i] = V{};
    else if (n_columns == kLanes<V>) rows[i] = load<V>(from + i * from_stride);
    else rows[i] = load_part<V>(from + i * from_stride, n_columns);
  }
  transpose_rows(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<V>; ++i) {
    if (i >= n_columns) break;
    if (n_rows == kLanes<V>) store<V>(to + i * to_stride, rows[i]);
    else store_part<V>(to + i * to_stride, rows[i], n_rows);
  }
}

struct Pair {
  uint64_t low, high;
};

template <class T>
void transpose_elements(const T* from, int64_t from_stride, T* to, int64_t to_stride, int64_t rows, int64_t columns) {
  for (int64_t j = 0; j < columns; ++j)
    for (int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
}

// Few rows to columns side by side, as the channels of a picture: a vector of them has its lanes from every row.
template <class V, int kRows>
void interleave(const typename Of<V>::Element* from, int64_t from_stride, typename Of<V>::Element* to, int64_t columns) {
  constexpr int n = kLanes<V>;
  int64_t j = 0;
  for (; j + n <= columns; j += n, to += kRows * n) {
    V rows[kRows];
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) rows[r] = load<V>(from + r * from_stride + j);
#pragma GCC unroll 4
    for (int v = 0; v < kRows; ++v) {
      V all = rows[0];
#pragma GCC unroll 4
      for (int r = 1; r < kRows; ++r)
        all = lanes_of(all, rows[r], [&](int l) {
          const int at = v * n + l;
          return at % kRows == r ? n + at / kRows : r == 1 ? at / kRows : l;
        });
      store<V>(to + v * n, all);
    }
  }
  for (; j < columns; ++j)
    for (int r = 0; r < kRows; ++r) *to++ = from[r * from_stride + j];
}

template <class V>
void transpose_by_squares(const void* from_bytes, int64_t from_stride, void* to_bytes, int64_t to_stride, int64_t rows,
                          int64_t columns) {
  using T = typename Of<V>::Element;
  constexpr int n = kLanes<V>;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  if (to_stride == rows && rows == 2) return interleave<V, 2>(from, from_stride, to, columns);
  if (to_stride == rows && rows == 3) return interleave<V, 3>(from, from_stride, to, columns);
  if (to_stride == rows && rows == 4) return interleave<V, 4>(from, from_stride, to, columns);
  const int64_t whole_rows = rows / n * n, whole_columns = columns / n * n;
  for (int64_t j = 0; j < whole_columns; j += n)
    for (int64_t i = 0; i < whole_rows; i += n)
      transpose_square<V>(from + i * from_stride + j, from_stride, to + j * to_stride + i, to_stride);
  if (whole_columns < columns)
    for (int64_t i = 0; i < whole_rows; i += n)
      transpose_edge<V>(from + i * from_stride + whole_columns, from_stride, to + whole_columns * to_stride + i,
                        to_stride, n, int(columns - whole_columns));
  if (whole_rows < rows)
    for (int64_t j = 0; j < columns; j += n)
      transpose_edge<V>(from + whole_rows * from_stride + j, from_stride, to + j * to_stride + whole_rows, to_stride,
                        int(rows - whole_rows), int(columns - j < n ? columns - j : n));
}

template <class V>
void reverse_elements(const void* from_bytes, void* to_bytes, int64_t n) {
  using T = typename Of<V>::Element;
  const T* from = static_cast<const T*>(from_bytes);
  T* to = static_cast<T*>(to_bytes);
  typename Of<V>::Int turned;
  for (int l = 0; l < kLanes<V>; ++l) turned[l] = kLanes<V> - 1 - l;
  int64_t i = 0;
  for (; i + kLanes<V> <= n; i += kLanes<V>) store<V>(to + i, __builtin_shuffle(load<V>(from - i - (kLanes<V> - 1)), turned));
  for (; i < n; ++i) to[i] = from[-i];
}

}  // namespace

void reverse(const void* from, void* to, int64_t n, int64_t element) {
  if (element == 4) reverse_elements<F32>(from, to, n);
  else reverse_elements<F64>(from, to, n);
}

void transpose(const void* from, int64_t from_stride, void* to, int64_t to_stride, int64_t rows, int64_t columns,
               int64_t element) {
  switch (element) {
    case 1:
      return transpose_elements(static_cast<const uint8_t*>(from), from_stride, static_cast<uint8_t*>(to), to_stride,
                                rows, columns);
    case 2:
      return transpose_elements(static_cast<const uint16_t*>(from), from_stride, static_cast<uint16_t*>(to), to_stride,
                                rows, columns);
    case 4: return transpose_by_squares<F32>(from, from_stride, to, to_stride, rows, columns);
    case 8: return transpose_by_squares<F64>(from, from_stride, to, to_stride, rows, columns);
    default:
      return transpose_elements(static_cast<const Pair*>(from), from_stride, static_cast<Pair*>(to), to_stride, rows,
                                columns);
  }
}

}  // namespace flambeau::cpu::FL_LEVEL
