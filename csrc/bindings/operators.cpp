// a + b and the other operators: the hottest way into apply().
#include <cmath>

#include "bindings/python.h"
#include "bindings/temporaries.h"

namespace flambeau::python {
namespace {

const OpRow* rows[32];
enum Operator {
  kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kRemainder, kPower, kMatmul, kNegative, kAbs, kNot, kAnd, kOr, kXor, kLeft, kRight,
  kEqual, kNotEqual, kLess, kLessEqual, kGreater, kGreaterEqual, kSquare, kCopy, kOperators
};
constexpr const char* kNames[kOperators] = {
    "add", "subtract", "multiply", "divide", "floor_divide", "remainder", "pow", "matmul", "negative", "abs", "bitwise_invert",
    "bitwise_and", "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "equal", "not_equal", "less", "less_equal", "greater", "greater_equal", "square", "copy"};

PyObject* run(const OpRow& row, Inputs inputs) {
  Tensor out;
  {
    GilRelease free(inputs);
    apply(row, inputs, {}, {&out, 1});
  }
  return wrap(std::move(out));
}

// The same for operands that may be temporaries; `objects` are those of the inputs. REQUIRES: may_reuse(inputs).
[[gnu::noinline]] PyObject* run_over(const OpRow& row, Inputs inputs, PyObject* const* objects, const void* back) {
  const uint32_t candidates = row.pointwise ? temporaries(objects, inputs.size(), back, nullptr) : 0;
  Tensor out;
  {
    GilRelease free(inputs, candidates);
    out = apply_over(row, inputs, {}, candidates, 1);
  }
  return wrap(std::move(out));
}

template <int kOperator>
PyObject* binary(PyObject* a, PyObject* b) {
  const void* back = __builtin_return_address(0);
  return guarded([&]() -> PyObject* {
    const OpRow& row = *rows[kOperator];
    constexpr bool compares = kOperator >= kEqual && kOperator <= kGreaterEqual;
    Borrowed<2> both;
    std::optional<Tensor> made;
    if (is_tensor(a) && is_tensor(b)) {
      both.set(0, tensor_of(a));
      both.set(1, tensor_of(b));
    } else if (is_tensor(a)) {
      if (kOperator == kPower && PyLong_CheckExact(b) && PyLong_AsLong(b) == 2) {
        both.set(0, tensor_of(a));
        return run(*rows[kSquare], both.first(1));
      }
      if (kOperator == kPower) PyErr_Clear();
      made = scalar_operand(row.name, b, tensor_of(a));
      if (!made) return not_ours(row, b, compares);
      both.set(0, tensor_of(a));
      both.set(1, *made);
    } else {
      made = scalar_operand(row.name, a, tensor_of(b));
      if (!made) return not_ours(row, a, compares);
      both.set(0, *made);
      both.set(1, tensor_of(b));
    }
    if (!compares && may_reuse(both.first(2))) [[unlikely]] {
      PyObject* const objects[] = {a, b};
      return run_over(row, both.first(2), objects, back);
    }
    return run(row, both.first(2));
  });
}

PyObject* power(PyObject* a, PyObject* b, PyObject* modulus) {
  if (modulus != Py_None) Py_RETURN_NOTIMPLEMENTED;
  return binary<kPower>(a, b);
}

template <int kOperator>
PyObject* unary(PyObject* a) {
  const void* back = __builtin_return_address(0);
  return guarded([&] {
    Borrowed<1> one;
    one.set(0, tensor_of(a));
    if (may_reuse(one.first(1))) [[unlikely]] return run_over(*rows[kOperator], one.first(1), &a, back);
    return run(*rows[kOperator], one.first(1));
  });
}

int truth(PyObject* a) {
  return guarded([&] {
    const Tensor& x = tensor_of(a);
    if (x.count() != 1)
      raise(ErrorKind::Value, "bool: a tensor of shape ", x.shape(), " has no single truth value; use fl.any(x) or fl.all(x)");
    const py::object item = item_from(x);
    return PyObject_IsTrue(item.ptr());
  });
}

// The one number of a tensor; any other count would read past the memory or drop numbers unseen.
py::object only_number(const char* what, const Tensor& x) {
  if (x.count() != 1)
    raise(ErrorKind::Value, what, ": the tensor has shape ", x.shape(), " and must have one element; x.tolist() gives all");
  return item_from(x);
}

PyObject* to_float(PyObject* a) {
  return guarded([&] { return PyNumber_Float(only_number("float", tensor_of(a)).ptr()); });
}
PyObject* to_int(PyObject* a) {
  return guarded([&] { return PyNumber_Long(only_number("int", tensor_of(a)).ptr()); });
}
PyObject* to_index(PyObject* a) {
  return guarded([&] {
    const Tensor& x = tensor_of(a);
    if (!is_integer(x.dtype()) || x.count() != 1)
      raise(ErrorKind::Type, "an index must be one integer, and this tensor is ", x.dtype(), " of shape ", x.shape());
    return item_from(x).release().ptr();
  });
}

}  // namespace

// Python asks the other operand's type, or compares by identity. For an array it would end in a riddle of NumPy's.
PyObject* not_ours(const OpRow& row, PyObject* other, bool compares) {
  if (!compares && (PyObject_HasAttrString(other, "__dlpack__") || PyObject_HasAttrString(other, "__array_interface__")))
    raise(ErrorKind::Type, row.name, ": ", Py_TYPE(other)->tp_name, " beside a tensor; make a tensor of it with fl.asarray(array)");
  Py_RETURN_NOTIMPLEMENTED;
}

void resolve_operator_rows() {
  for (int i = 0; i < kOperators; ++i) rows[i] = &op_named(kNames[i]);
}

PyObject* rich_compare(PyObject* a, PyObject* b, int operation) {
  switch (operation) {
    case Py_EQ: return binary<kEqual>(a, b);
    case Py_NE: return binary<kNotEqual>(a, b);
    case Py_LT: return binary<kLess>(a, b);
    case Py_LE: return binary<kLessEqual>(a, b);
    case Py_GT: return binary<kGreater>(a, b);
    default: return binary<kGreaterEqual>(a, b);
  }
}

std::vector<PyType_Slot> operator_slots() {
  return {slot(Py_nb_add, binary<kAdd>), slot(Py_nb_subtract, binary<kSubtract>), slot(Py_nb_multiply, binary<kMultiply>),
          slot(Py_nb_true_divide, binary<kDivide>), slot(Py_nb_floor_divide, binary<kFloorDivide>),
          slot(Py_nb_remainder, binary<kRemainder>), slot(Py_nb_power, power), slot(Py_nb_matrix_multiply, binary<kMatmul>),
          slot(Py_nb_and, binary<kAnd>), slot(Py_nb_or, binary<kOr>), slot(Py_nb_xor, binary<kXor>),
          slot(Py_nb_lshift, binary<kLeft>), slot(Py_nb_rshift, binary<kRight>),
          slot(Py_nb_negative, unary<kNegative>), slot(Py_nb_absolute, unary<kAbs>), slot(Py_nb_invert, unary<kNot>),
          slot(Py_nb_positive, unary<kCopy>), slot(Py_nb_bool, truth), slot(Py_nb_float, to_float), slot(Py_nb_int, to_int),
          slot(Py_nb_index, to_index), slot(Py_tp_richcompare, rich_compare)};
}

}  // namespace flambeau::python
