// x += y and the other operators that write into x.
#include "autograd/autograd.h"
#include "bindings/python.h"

namespace flambeau::python {
namespace {

struct Operator {
  const char* row;
  InPlace said;
};
enum { kAdd, kSubtract, kMultiply, kDivide, kFloorDivide, kRemainder, kPower, kMatmul, kAnd, kOr, kXor, kLeft, kRight, kOperators };
constexpr Operator kTable[kOperators] = {
    {"add", {"x += y", "x = x + y"}}, {"subtract", {"x -= y", "x = x - y"}}, {"multiply", {"x *= y", "x = x * y"}},
    {"divide", {"x /= y", "x = x / y"}}, {"floor_divide", {"x //= y", "x = x // y"}}, {"remainder", {"x %= y", "x = x % y"}},
    {"pow", {"x **= y", "x = x ** y"}}, {"matmul", {"x @= y", "x = x @ y"}}, {"bitwise_and", {"x &= y", "x = x & y"}},
    {"bitwise_or", {"x |= y", "x = x | y"}}, {"bitwise_xor", {"x ^= y", "x = x ^ y"}},
    {"bitwise_left_shift", {"x <<= y", "x = x << y"}}, {"bitwise_right_shift", {"x >>= y", "x = x >> y"}}};

template <int kOperator>
PyObject* in_place(PyObject* a, PyObject* b) {
  return guarded([&]() -> PyObject* {
    constexpr const Operator& self = kTable[kOperator];
    static const OpRow& row = op_named(self.row);
    std::optional<Tensor> made;
    if (!is_tensor(b)) {
      made = scalar_operand(row.name, b, tensor_of(a));
      if (!made) return not_ours(row, b, false);
    }
    Borrowed<2> both;
    both.set(0, tensor_of(a));
    both.set(1, made ? *made : tensor_of(b));
    Tensor now;
    {
      GilRelease free(both.first(2));
      now = update(row, self.said, both.first(2));
    }
    if (now.defined()) stand_for(a, std::move(now));
    return Py_NewRef(a);
  });
}

PyObject* power(PyObject* a, PyObject* b, PyObject*) { return in_place<kPower>(a, b); }

}  // namespace

std::vector<PyType_Slot> in_place_slots() {
  return {slot(Py_nb_inplace_add, in_place<kAdd>), slot(Py_nb_inplace_subtract, in_place<kSubtract>),
          slot(Py_nb_inplace_multiply, in_place<kMultiply>), slot(Py_nb_inplace_true_divide, in_place<kDivide>),
          slot(Py_nb_inplace_floor_divide, in_place<kFloorDivide>), slot(Py_nb_inplace_remainder, in_place<kRemainder>),
          slot(Py_nb_inplace_power, power), slot(Py_nb_inplace_matrix_multiply, in_place<kMatmul>),
          slot(Py_nb_inplace_and, in_place<kAnd>), slot(Py_nb_inplace_or, in_place<kOr>), slot(Py_nb_inplace_xor, in_place<kXor>),
          slot(Py_nb_inplace_lshift, in_place<kLeft>), slot(Py_nb_inplace_rshift, in_place<kRight>)};
}

}  // namespace flambeau::python
