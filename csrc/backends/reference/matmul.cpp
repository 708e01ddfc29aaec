// matmul.cpp: products of matrices; floats and complex numbers are summed as doubles, integers wrap.
#include "values.h"

namespace flambeau::reference {

namespace {

// One element: the product of a row of `a` (a view with one row left) and a column of `b`.
void dot(Type type, char* out, Type out_type, const fl_tensor& a, const fl_tensor& b) {
  int32_t last = a.ndim - 1;
  int64_t length = a.shape[last];
  int64_t step_a = a.strides[last] * static_cast<int64_t>(size_of(type));
  int64_t step_b = b.strides[last - 1] * static_cast<int64_t>(size_of(type));
  const char* x = data(a);
  const char* y = data(b);
  double real = 0;
  Complex pair = 0;
  uint64_t whole = 0;
  for (int64_t k = 0; k < length; ++k, x += step_a, y += step_b) {
    if (is_complex(type)) {
      const Complex p = load_complex(type, x), q = load_complex(type, y);
      pair += Complex(p.real() * q.real() - p.imag() * q.imag(), p.real() * q.imag() + p.imag() * q.real());
    } else if (is_float(type)) {
      real += load_float(type, x) * load_float(type, y);
    } else {
      whole += static_cast<uint64_t>(load_int(type, x)) * static_cast<uint64_t>(load_int(type, y));
    }
  }
  if (is_complex(type)) {
    store_complex(out_type, out, pair);
  } else if (is_float(type)) {
    store_float(out_type, out, real);
  } else {
    store_int(out_type, out, static_cast<int64_t>(whole));
  }
}

fl_status run_matmul(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  int32_t row = out.ndim - 2;
  int32_t column = out.ndim - 1;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View a(call.inputs[0]);
    View b(call.inputs[1]);
    for (int32_t axis = 0; axis < row; ++axis) {
      // A batch dimension that is broadcast comes 1 long or with stride 0.
      a.fix(axis, a.shape[static_cast<size_t>(axis)] == 1 ? 0 : walk.index(axis));
      b.fix(axis, b.shape[static_cast<size_t>(axis)] == 1 ? 0 : walk.index(axis));
    }
    a.fix(row, walk.index(row));
    b.fix(column, walk.index(column));
    dot(type, walk.at(0), type, *a.get(), *b.get());
  }
  return FL_OK;
}

// linear_int8(x (..., k), weight (n, k), scale (n), bias (n)?)
fl_status run_linear_int8(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  const Type type = type_of(out.dtype);
  const int32_t last = out.ndim - 1;
  const auto number = [&](const fl_tensor& x, int64_t i) {
    return load_float(type, data(x) + i * x.strides[0] * static_cast<int64_t>(size_of(type)));
  };
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    View x(call.inputs[0]);
    for (int32_t axis = 0; axis < last; ++axis) x.fix(axis, walk.index(axis));
    const fl_tensor& row = *x.get();
    const fl_tensor& weight = call.inputs[1];
    const int64_t output = walk.index(last);
    const char* w = data(weight) + output * weight.strides[0];
    const char* from = data(row);
    double sum = 0;
    for (int64_t k = 0; k < weight.shape[1]; ++k, from += row.strides[last] * static_cast<int64_t>(size_of(type)))
      sum += load_float(type, from) * static_cast<double>(load_int(Type::kInt8, w + k * weight.strides[1]));
    const double bias = call.input_count > 3 ? number(call.inputs[3], output) : 0;
    store_float(type, walk.at(0), sum * number(call.inputs[2], output) + bias);
  }
  return FL_OK;
}

}  // namespace

void add_matmul(Loops& loops) {
  auto int8_weight = [](const Loop&, const Type* t, int32_t n) {
    if ((n != 4 && n != 5) || t[1] != Type::kInt8) return false;
    for (int32_t i = 0; i < n; ++i)
      if (i != 1 && (t[i] != t[0] || !is_float(t[i]))) return false;
    return true;
  };
  loops.push_back({"linear_int8", int8_weight, run_linear_int8});
  auto numbers = [](const Loop&, const Type* t, int32_t n) {
    return n == 3 && t[0] != Type::kBool && t[0] == t[1] && t[0] == t[2];
  };
  loops.push_back({"matmul", numbers, run_matmul});
}

}  // namespace flambeau::reference
