// Devices, threads and memory in Python.
#include <pybind11/stl.h>

#include "bindings/python.h"
#include "core/allocator.h"
#include "core/threads.h"

namespace flambeau::python {

void bind_system(py::module_& module) {
  module.def("devices", [] {
    py::list result;
    for (Device* device : devices()) result.append(py::handle(device_object(device)));
    return result;
  });
  module.def("device", [](py::object name) { return py::reinterpret_borrow<py::object>(device_object(device_from(name.ptr()))); },
             py::arg("name"));
  module.def("missing_backends", &missing_backends);
  module.def("load_backend", &load_backend, py::arg("path"));
  module.def("allow_fallback", &allow_fallback, py::arg("allowed") = true);
  module.def("fallback_allowed", &fallback_allowed);
  module.def("fallback_count", &fallback_count);
  module.def("to_device", [](py::object object, py::object device) {  // the object itself where nothing changes
    const Tensor x = object.cast<Tensor>();
    Device* place = device_from(device.ptr());
    return x.device() == place ? object : py::cast(to_device(x, place));
  });
  module.def("set_num_threads", &set_thread_count, py::arg("count"));
  module.def("get_num_threads", &thread_count);
  module.def("memory", [](py::object device) {
    const MemoryFigures f = device_from(device.ptr())->allocator().figures();
    py::dict d;
    d["used_bytes"] = f.used_bytes;
    d["cached_bytes"] = f.cached_bytes;
    d["peak_bytes"] = f.peak_bytes;
    d["allocations"] = f.allocations;
    d["reuses"] = f.reuses;
    d["blocks"] = f.blocks;
    d["peak_blocks"] = f.peak_blocks;
    d["total_bytes"] = f.total_bytes;
    d["peak_reserved_bytes"] = f.peak_reserved_bytes;
    d["returned_blocks"] = f.returned_blocks;
    d["retries"] = f.retries;
    d["failures"] = f.failures;
    return d;
  }, py::arg("device") = py::none());
  module.def("reset_memory_peaks", [](py::object device) { device_from(device.ptr())->allocator().reset_peaks(); },
             py::arg("device") = py::none());
  module.def("trim_memory", [](py::object device) { return device_from(device.ptr())->allocator().trim(); }, py::arg("device") = py::none());
  module.def("size_class_bytes", [](uint64_t bytes) { return class_bytes(size_class(bytes)); });
  module.def("promote", [](py::object a, py::object b) {
    return py::reinterpret_borrow<py::object>(dtype_object(promote(dtype_from(a.ptr()), dtype_from(b.ptr()))));
  });
  module.def("dtype", [](py::object any) { return py::reinterpret_borrow<py::object>(dtype_object(dtype_from(any.ptr()))); });
  module.def("broadcast_shapes", [](const std::vector<py::object>& shapes) {
    Dims result;
    for (const py::object& shape : shapes) result = broadcast_shapes("broadcast_shapes", result, dims_from("broadcast_shapes", shape.ptr()));
    return dims_object(result);
  });
}

}  // namespace flambeau::python
