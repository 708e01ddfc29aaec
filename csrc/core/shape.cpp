#include "core/shape.h"

#include <charconv>
#include <cmath>
#include <numeric>

namespace flambeau {

void append_text(std::string& to, const Dims& shape) {
  to += '(';
  for (size_t i = 0; i < shape.size(); ++i) {
    if (i) to += ", ";
    to += std::to_string(shape[i]);
  }
  to += shape.size() == 1 ? ",)" : ")";
}

void append_text(std::string& to, double value) {
  if (std::isnan(value)) { to += "nan"; return; }
  if (std::isinf(value)) { to += value < 0 ? "-inf" : "inf"; return; }
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value).ptr;
  to.append(buffer, end);
  if (std::string_view(buffer, static_cast<size_t>(end - buffer)).find_first_of(".e") == std::string_view::npos) to += ".0";
}

void Dims::grow(size_t count) {
  const size_t capacity = std::max<size_t>(count, 2u * capacity_);
  auto* bigger = new int64_t[capacity];
  std::copy(begin(), end(), bigger);
  free_heap();
  heap_ = bigger;
  capacity_ = static_cast<uint32_t>(capacity);
}

int64_t count_of(const Dims& shape) {
  int64_t count = 1;
  bool empty = false;
  for (int64_t size : shape) {
    if (size < 0) raise(ErrorKind::Shape, "a shape has no negative sizes, but ", shape, " has ", size);
    if (size == 0) { empty = true; continue; }
    if (__builtin_mul_overflow(count, size, &count) || count > (int64_t{1} << 60))
      raise(ErrorKind::Shape, "a tensor of shape ", shape, " has more elements than any memory holds");
  }
  return empty ? 0 : count;
}

Dims contiguous_strides(const Dims& shape) {
  Dims strides;
  strides.resize(shape.size());
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = step;
    step *= std::max<int64_t>(shape[i], 1);
  }
  return strides;
}

bool is_contiguous(const Dims& shape, const Dims& strides) {
  int64_t step = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    if (shape[i] == 0) return true;
    if (shape[i] != 1 && strides[i] != step) return false;
    step *= shape[i];
  }
  return true;
}

Dims broadcast_shapes(std::string_view op, const Dims& a, const Dims& b) {
  if (a == b) return a;
  const Dims& longer = a.size() >= b.size() ? a : b;
  const Dims& shorter = a.size() >= b.size() ? b : a;
  Dims result = longer;
  const size_t lead = longer.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    const int64_t mine = longer[lead + i];
    const int64_t other = shorter[i];
    if (mine == other || other == 1) continue;
    if (mine != 1) {
      const int64_t back = static_cast<int64_t>(shorter.size() - i);
      const int64_t in_a = a[a.size() - static_cast<size_t>(back)];
      const int64_t in_b = b[b.size() - static_cast<size_t>(back)];
      raise(ErrorKind::Shape, op, ": shapes ", a, " and ", b, " do not broadcast: dimension -", back, " is ", in_a,
            " and ", in_b, "; they must be equal or one of them 1");
    }
    result[lead + i] = other;
  }
  return result;
}

bool broadcasts_to(const Dims& x, const Dims& shape) {
  if (x.size() > shape.size()) return false;
  const size_t lead = shape.size() - x.size();
  for (size_t axis = 0; axis < x.size(); ++axis)
    if (x[axis] != 1 && x[axis] != shape[lead + axis]) return false;
  return true;
}

int64_t normal_axis(std::string_view op, int64_t axis, int64_t ndim) {
  if (axis < -ndim || axis >= ndim) {
    if (ndim == 0) raise(ErrorKind::Index, op, ": axis ", axis, " of a 0-d tensor, which has no axes");
    raise(ErrorKind::Index, op, ": axis ", axis, " is out of range for ", ndim, " dimensions; it must be from ", -ndim,
          " to ", ndim - 1);
  }
  return axis < 0 ? axis + ndim : axis;
}

Dims normal_axes(std::string_view op, const Dims& axes, int64_t ndim) {
  Dims result;
  for (int64_t axis : axes) result.push_back(normal_axis(op, axis, ndim));
  std::sort(result.begin(), result.end());
  const auto twice = std::adjacent_find(result.begin(), result.end());
  if (twice != result.end()) raise(ErrorKind::Value, op, ": axis ", *twice, " stands twice in ", axes);
  return result;
}

Dims all_axes(int64_t ndim) {
  Dims axes;
  axes.resize(static_cast<size_t>(ndim));
  std::iota(axes.begin(), axes.end(), 0);
  return axes;
}

Dims reduced_shape(const Dims& shape, const Dims& axes, bool keepdims) {
  Dims result;
  size_t next = 0;
  for (size_t i = 0; i < shape.size(); ++i) {
    const bool reduced = next < axes.size() && axes[next] == static_cast<int64_t>(i);
    if (reduced) ++next;
    if (!reduced) result.push_back(shape[i]);
    else if (keepdims) result.push_back(1);
  }
  return result;
}

}  // namespace flambeau
