// dense.h: whole tensors as doubles in row-major order, for loops that look at windows and rows.
#pragma once

#include <vector>

#include "values.h"

namespace flambeau::reference {

inline std::vector<double> read_all(const fl_tensor& x) {
  std::vector<double> values;
  Type type = type_of(x.dtype);
  for (Walk walk(x.ndim, x.shape, {&x}); !walk.done(); walk.next()) values.push_back(load_float(type, walk.at(0)));
  return values;
}

inline void write_all(const fl_tensor& out, const std::vector<double>& values) {
  Type type = type_of(out.dtype);
  size_t i = 0;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) store_float(type, walk.at(0), values[i++]);
}

// Whether all operands have one float type.
inline bool takes_floats(const Loop&, const Type* types, int32_t count) {
  for (int32_t i = 0; i < count; ++i)
    if (!is_float(types[i]) || types[i] != types[0]) return false;
  return true;
}

// Up to three spatial axes behind (batch, channels), those that are missing 1 long.
struct Spatial {
  int64_t size[3] = {1, 1, 1};
  explicit Spatial(const fl_tensor& x) {
    for (int32_t axis = 2; axis < x.ndim; ++axis) size[axis - x.ndim + 3] = x.shape[axis];
  }
  int64_t count() const { return size[0] * size[1] * size[2]; }
};

}  // namespace flambeau::reference
