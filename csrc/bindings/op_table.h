// Gives a module the function op_table().
#pragma once

#include <pybind11/pybind11.h>

namespace flambeau {

void bind_op_table(pybind11::module_& module);

}  // namespace flambeau
