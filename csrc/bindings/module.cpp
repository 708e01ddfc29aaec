// flambeau._core
#include "bindings/op_table.h"
#include "bindings/python.h"

PYBIND11_MODULE(_core, module) {
  using namespace flambeau::python;
  module.doc() = "The native core of flambeau; use it through `import flambeau`.";
  make_errors(module);
  make_dtype_type(module);
  make_device_type(module);
  resolve_operator_rows();
  make_tensor_type(module.ptr());
  bind_ops(module);
  flambeau::bind_op_table(module);
  bind_values(module);
  bind_dlpack(module);
  bind_tape(module);
  bind_autograd(module);
  bind_vmap(module);
  bind_graph(module);
  bind_profile(module);
  bind_system(module);
  bind_state(module);
}
