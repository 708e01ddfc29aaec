// Operands of an expression that only the interpreter holds: t of `t * y` where t is the value of `x + y`.
#pragma once

#include "bindings/python.h"
#include "core/reuse.h"

namespace flambeau::python {

// Bit i: objects[i] is a tensor that nobody sees after this call, whose memory is worth taking. `back` is the address that
// the function which the interpreter called (a slot of the type, a vectorcall) returns to: __builtin_return_address(0) there.
//
// One reference is no proof, for C code that calls us may hold it and go on using it. So the way of return addresses from
// that function up to the interpreter's loop must be one of those found when the interpreter itself evaluated `a + b` or f(a)
// a moment before: there the reference is on its stack, and is dropped when we return. Before Python 3.14 the stack owns what
// stands on it; from 3.14 on the interpreter is asked, too. `args` of a vectorcall must stand on that stack; null for a slot.
uint32_t temporaries(PyObject* const* objects, size_t count, const void* back, PyObject* const* args);

// Whether to look at all.
inline bool may_reuse(Inputs inputs) {
  for (const Tensor& x : inputs)
    if (x.defined() && x.count() >= kReuseBytes / 16 && x.count() * static_cast<int64_t>(size_of(x.dtype())) >= kReuseBytes) return true;
  return false;
}

}  // namespace flambeau::python
