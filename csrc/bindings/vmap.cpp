// vmap in Python.
#include <pybind11/stl.h>

#include "bindings/python.h"
#include "core/thread_state.h"
#include "ops/vmap.h"

namespace flambeau::python {

void bind_vmap(py::module_& module) {
  module.def("enter_vmap", [](int64_t size, int randomness) {
    return ops::enter_vmap(size, static_cast<ops::Randomness>(randomness));
  }, py::arg("size"), py::arg("randomness"));
  module.def("leave_vmap", &ops::leave_vmap, py::arg("number"));
  module.def("vmap_levels", [] {
    py::list levels;
    for (const ops::VmapLevel& level : ops::vmap_levels())
      levels.append(py::make_tuple(level.size, static_cast<int>(level.randomness)));
    return levels;
  }, "(elements, randomness) of each vmap that this thread is inside of, the outermost first.");
  module.def("vmap_depth", [] { return ops::vmap_levels().size(); });
  module.def("element_of", &ops::element_of, py::arg("batch"), py::arg("number"));
  module.def("without_levels", &ops::without_levels, py::arg("x"), py::arg("first"));
  module.def("with_levels", &ops::with_levels, py::arg("x"), py::arg("first"));
  module.def("is_batched", [](const Tensor& x, uint64_t number) {
    for (Tensor inner = x; inner.is_batched(); inner = inner.batch())
      if (number == 0 || inner->vmap == number) return true;
    return false;
  }, py::arg("x"), py::arg("number") = 0, "Whether x stands for one element of a batch (of that vmap, if one is named).");
  module.def("in_checkpoint", [] { return thread_state.checkpoint != nullptr; });
}

}  // namespace flambeau::python
