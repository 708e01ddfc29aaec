// scan.cpp: running sums and products, and the linear recurrence s[i] = b[i] + a[i] s[i - 1].
//
// float32 runs in double, integers wrap. A long line is cut into blocks of a fixed size: first every block's total,
// then the blocks themselves, eight at a time, for one running sum alone waits for its own additions; so are short lines.
#include <algorithm>
#include <complex>
#include <cstring>
#include <type_traits>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kGrain = 16 * 1024;
constexpr int64_t kBlockSize = 8 * 1024;
constexpr int64_t kTogether = 8;
constexpr int64_t kColumns = 256;

enum class Scan { Sum, Product, Recurrence };
struct Scanning {
  Scan scan;
  Type stored;
};

// What a running value is kept in.
template <class T>
struct RunningOf {
  using type = std::make_unsigned_t<T>;
};
template <>
struct RunningOf<float> {
  using type = double;
};
template <>
struct RunningOf<double> {
  using type = double;
};
template <class T>
struct RunningOf<std::complex<T>> {
  using type = std::complex<double>;
};
template <class T>
using Running = typename RunningOf<T>::type;

template <Scan scan, class R>
R joined(R a, R b) {
  return scan == Scan::Product ? R(a * b) : R(a + b);
}

struct Shape {
  int64_t before = 1, size, after = 1;
  Shape(const fl_tensor& x, int axis) : size(x.shape[axis]) {
    for (int d = 0; d < axis; ++d) before *= x.shape[d];
    for (int d = axis + 1; d < x.ndim; ++d) after *= x.shape[d];
  }
};

// kTogether lines of `size` elements, one behind the other in memory, each from where `start` says. Some 64 bytes of each
// in turn: lines whose length is a power of two share few sets of a cache, so that an element of each in turn would fetch
// what lies beside it anew every time.
template <Scan scan, class T>
void lines_together(const T* x, T* out, int64_t size, const Running<T>* start) {
  constexpr int64_t kPiece = 64 / int64_t(sizeof(T));
  Running<T> running[kTogether];
  std::copy(start, start + kTogether, running);
  for (int64_t from = 0; from < size; from += kPiece) {
    const int64_t to = std::min(size, from + kPiece);
    for (int64_t k = 0; k < kTogether; ++k) {
      Running<T> one = running[k];
      for (int64_t i = k * size + from; i < k * size + to; ++i) out[i] = T(one = joined<scan>(one, Running<T>(x[i])));
      running[k] = one;
    }
  }
}

template <Scan scan, class T>
void long_line(const T* x, T* out, int64_t size, Running<T>* totals) {
  using R = Running<T>;
  const R none = scan == Scan::Product ? R(1) : R(0);
  const int64_t blocks = divide_up(size, kBlockSize);
  parallel_for(blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; ++b) {
      const T* from = x + b * kBlockSize;
      const int64_t n = std::min(kBlockSize, size - b * kBlockSize);
      R parts[8];
      std::fill(parts, parts + 8, none);
      int64_t i = 0;
      for (; i + 8 <= n; i += 8)
        for (int64_t k = 0; k < 8; ++k) parts[k] = joined<scan>(parts[k], R(from[i + k]));
      for (; i < n; ++i) parts[i % 8] = joined<scan>(parts[i % 8], R(from[i]));
      totals[b] = none;
      for (R part : parts) totals[b] = joined<scan>(totals[b], part);
    }
  });
  R so_far = none;
  for (int64_t b = 0; b < blocks; ++b) {
    const R total = totals[b];
    totals[b] = so_far;
    so_far = joined<scan>(so_far, total);
  }
  parallel_for(divide_up(blocks, kTogether), 1, [&](int64_t begin, int64_t end) {
    for (int64_t group = begin; group < end; ++group) {
      const int64_t first = group * kTogether;
      if (first + kTogether < blocks) {
        const int64_t at = first * kBlockSize;
        lines_together<scan, T>(x + at, out + at, kBlockSize, totals + first);
        continue;
      }
      R running = totals[first];
      for (int64_t i = first * kBlockSize; i < size; ++i) out[i] = T(running = joined<scan>(running, R(x[i])));
    }
  });
}

// `a` is the recurrence's factor alone.
template <Scan scan, class T>
bool scan_all(const char* a_bytes, const char* x_bytes, char* out_bytes, const Shape& shape) {
  using R = Running<T>;
  const T *a = reinterpret_cast<const T*>(a_bytes), *x = reinterpret_cast<const T*>(x_bytes);
  T* out = reinterpret_cast<T*>(out_bytes);
  const R none = scan == Scan::Product ? R(1) : R(0);
  const int64_t size = shape.size;
  if constexpr (scan != Scan::Recurrence) {
    if (shape.before * shape.after == 1 && size >= 4 * kBlockSize) {
      R* totals = static_cast<R*>(host->scratch(size_t(divide_up(size, kBlockSize)) * sizeof(R)));
      if (!totals) return false;
      long_line<scan, T>(x, out, size, totals);
      return true;
    }
  }
  if constexpr (scan != Scan::Recurrence) {
    if (shape.after == 1 && shape.before >= kTogether) {
      R start[kTogether];
      std::fill(start, start + kTogether, none);
      const int64_t groups = divide_up(shape.before, kTogether);
      parallel_for(groups, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, size * kTogether)), [&](int64_t begin, int64_t end) {
        for (int64_t group = begin; group < end; ++group) {
          const int64_t first = group * kTogether * size;
          if ((group + 1) * kTogether <= shape.before) {
            lines_together<scan, T>(x + first, out + first, size, start);
            continue;
          }
          R running = none;
          for (int64_t i = first; i < shape.before * size; ++i) {
            running = joined<scan>(i % size ? running : none, R(x[i]));
            out[i] = T(running);
          }
        }
      });
      return true;
    }
  }
  const int64_t chunks = divide_up(shape.after, kColumns);
  const int64_t work = std::max<int64_t>(1, size * std::min(shape.after, kColumns));
  parallel_for(shape.before * chunks, std::max<int64_t>(1, kGrain / work), [&](int64_t begin, int64_t end) {
    R running[kColumns];
    for (int64_t unit = begin; unit < end; ++unit) {
      const int64_t first = unit % chunks * kColumns, n = std::min(kColumns, shape.after - first);
      std::fill(running, running + n, none);
      for (int64_t i = 0; i < size; ++i) {
        const int64_t at = (unit / chunks * size + i) * shape.after + first;
        for (int64_t j = 0; j < n; ++j) {
          if constexpr (scan == Scan::Recurrence) running[j] = R(x[at + j]) + R(a[at + j]) * running[j];
          else running[j] = joined<scan>(running[j], R(x[at + j]));
          out[at + j] = T(running[j]);
        }
      }
    }
  });
  return true;
}

template <Scan scan>
bool scan_as(Type type, const char* a, const char* x, char* out, const Shape& shape) {
  switch (type) {
    case Type::Float32: return scan_all<scan, float>(a, x, out, shape);
    case Type::Float64: return scan_all<scan, double>(a, x, out, shape);
    case Type::Int32:
      if constexpr (scan != Scan::Recurrence) return scan_all<scan, int32_t>(a, x, out, shape);
      return false;
    case Type::Complex64: return scan_all<scan, std::complex<float>>(a, x, out, shape);
    case Type::Complex128: return scan_all<scan, std::complex<double>>(a, x, out, shape);
    default:
      if constexpr (scan != Scan::Recurrence) return scan_all<scan, int64_t>(a, x, out, shape);
      return false;
  }
}

// Contiguous and in the type of computation; null without memory.
const char* prepared(const fl_tensor& x, Type stored) {
  const int64_t n = count_of(x);
  const Type computed = compute_type(stored);
  const char* narrow = data_of(x);
  if (!is_contiguous(x)) {
    char* copy = static_cast<char*>(host->scratch(size_t(n * size_of(stored))));
    if (!copy) return nullptr;
    copy_to_contiguous(x, copy);
    narrow = copy;
  }
  if (computed == stored) return narrow;
  char* wide = static_cast<char*>(host->scratch(size_t(n * size_of(computed))));
  const void* from[] = {narrow};
  if (wide) convert(stored, computed)(from, wide, n);
  return wide;
}

fl_status run_scan(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Scanning& op = state_of<Scanning>(self);
  const fl_tensor &x = call->inputs[call->input_count - 1], &out = call->outputs[0];
  const int64_t n = count_of(x);
  if (n == 0) return FL_OK;
  const int axis = int(call->attrs[0].value.i);
  const Type computed = compute_type(op.stored);
  const char* from = prepared(x, op.stored);
  const char* factor = call->input_count > 1 ? prepared(call->inputs[0], op.stored) : from;
  char* to = computed == op.stored ? data_of(out) : static_cast<char*>(host->scratch(size_t(n * size_of(computed))));
  const auto run = op.scan == Scan::Sum ? scan_as<Scan::Sum> : op.scan == Scan::Product ? scan_as<Scan::Product> : scan_as<Scan::Recurrence>;
  if (!from || !factor || !to || !run(computed, factor, from, to, Shape(x, axis)))
    return fail(FL_OUT_OF_MEMORY, "cumulative_sum, cumulative_prod: no memory for %lld elements", static_cast<long long>(n));
  if (computed != op.stored) {
    const void* wide[] = {to};
    convert(computed, op.stored)(wide, data_of(out), n);
  }
  return FL_OK;
}

template <Scan scan>
const fl_kernel* resolve_scan(const char*, std::span<const Type> types) {
  for (Type type : types)
    if (type != types[0]) return nullptr;
  const Type type = types[0];
  const bool whole = scan != Scan::Recurrence && is_integer(type);
  return is_floating(type) || is_complex(type) || whole ? keep_kernel(run_scan, Scanning{scan, type}) : nullptr;
}

const Registration kSum({"cumulative_sum"}, resolve_scan<Scan::Sum>);
const Registration kProduct({"cumulative_prod"}, resolve_scan<Scan::Product>);
const Registration kRecurrence({"linear_recurrence"}, resolve_scan<Scan::Recurrence>);

}  // namespace
}  // namespace flambeau::cpu
