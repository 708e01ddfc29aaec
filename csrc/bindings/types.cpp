// fl.float32 and the other dtypes, and devices, as Python objects.
#include <map>

#include "bindings/python.h"

namespace flambeau::python {
namespace {

struct PyDType { DType dtype; };
struct PyDevice { Device* device; };

PyObject* dtype_objects[kDTypeCount];
std::map<Device*, PyObject*>& device_objects() {
  static auto* objects = new std::map<Device*, PyObject*>();
  return *objects;
}

std::string all_names() {
  std::string names;
  for (int i = 0; i < kDTypeCount; ++i) names += (i ? ", " : "") + std::string(name_of(static_cast<DType>(i)));
  return names;
}

}  // namespace

void make_dtype_type(py::module_& module) {
  py::class_<PyDType>(module, "DType", "An element type, such as fl.float32.")
      .def_property_readonly("name", [](const PyDType& d) { return std::string(name_of(d.dtype)); })
      .def_property_readonly("itemsize", [](const PyDType& d) { return size_of(d.dtype); })
      .def_property_readonly("is_float", [](const PyDType& d) { return is_float(d.dtype); })
      .def_property_readonly("is_integer", [](const PyDType& d) { return is_integer(d.dtype); })
      .def_property_readonly("is_signed", [](const PyDType& d) { return contains(kSigned, d.dtype); })
      .def_property_readonly("is_complex", [](const PyDType& d) { return is_complex(d.dtype); })
      .def("__repr__", [](const PyDType& d) { return "flambeau." + std::string(name_of(d.dtype)); })
      .def("__str__", [](const PyDType& d) { return std::string(name_of(d.dtype)); })
      .def("__hash__", [](const PyDType& d) { return static_cast<int>(d.dtype) + 1000; })
      .def("__eq__", [](const PyDType& d, py::object other) {
        return py::isinstance<PyDType>(other) && py::cast<PyDType&>(other).dtype == d.dtype;
      })
      .def("__reduce__", [](const PyDType& d) { return std::string(name_of(d.dtype)); })
      .def("__copy__", [](py::object d) { return d; })
      .def("__deepcopy__", [](py::object d, py::object) { return d; });
  for (int i = 0; i < kDTypeCount; ++i) {
    const auto dtype = static_cast<DType>(i);
    dtype_objects[i] = py::cast(PyDType{dtype}).release().ptr();
    const std::string name(name_of(dtype));
    module.attr(dtype == DType::Bool ? "bool_" : name.c_str()) = py::handle(dtype_objects[i]);
  }
}

PyObject* dtype_object(DType dtype) { return dtype_objects[static_cast<size_t>(dtype)]; }

DType dtype_from(PyObject* object) {
  for (int i = 0; i < kDTypeCount; ++i)
    if (dtype_objects[i] == object) return static_cast<DType>(i);
  if (object == reinterpret_cast<PyObject*>(&PyFloat_Type)) return DType::Float32;
  if (object == reinterpret_cast<PyObject*>(&PyLong_Type)) return DType::Int64;
  if (object == reinterpret_cast<PyObject*>(&PyBool_Type)) return DType::Bool;
  if (object == reinterpret_cast<PyObject*>(&PyComplex_Type)) return DType::Complex64;
  std::string name;
  if (PyUnicode_Check(object)) name = py::cast<std::string>(py::handle(object));
  else if (py::isinstance<PyDType>(object)) return py::cast<PyDType&>(py::handle(object)).dtype;
  else if (py::hasattr(object, "name") && py::isinstance<py::str>(py::handle(object).attr("name")))
    name = py::cast<std::string>(py::handle(object).attr("name"));
  else if (py::hasattr(object, "__name__")) name = py::cast<std::string>(py::handle(object).attr("__name__"));  // numpy.float32
  if (const auto dtype = dtype_named(name)) return *dtype;
  raise(ErrorKind::DType, "dtype: ", name.empty() ? py::cast<std::string>(py::repr(object)) : "'" + name + "'",
        " is none of the dtypes here: ", all_names());
}

void make_device_type(py::module_& module) {
  py::class_<PyDevice>(module, "Device", "Where a tensor lives; equal to its name.")
      .def_property_readonly("name", [](const PyDevice& d) { return d.device->name(); })
      .def_property_readonly("hardware", [](const PyDevice& d) { return std::string(d.device->info().name); })
      .def_property_readonly("driver", [](const PyDevice& d) {
        fl_device_info now{};  // asked anew: a library may have been opened since the start
        now.struct_size = sizeof now;
        const bool told = d.device->backend()->describe(d.device->index(), &now) == FL_OK;
        return std::string(told ? now.driver : d.device->info().driver);
      })
      .def_property_readonly("backend", [](const PyDevice& d) { return std::string(d.device->backend()->name); })
      .def_property_readonly("backend_version", [](const PyDevice& d) { return std::string(d.device->backend()->version); })
      .def_property_readonly("memory_bytes", [](const PyDevice& d) { return d.device->info().memory_bytes; })
      .def_property_readonly("host_memory", [](const PyDevice& d) { return d.device->host_memory(); })
      .def_property_readonly("index_dtype", [](const PyDevice& d) {
        return py::handle(dtype_object(from_c(d.device->info().index_dtype).value_or(DType::Int64)));
      })
      .def_property_readonly("dtypes", [](const PyDevice& d) {
        py::list dtypes;
        for (int i = 0; i < kDTypeCount; ++i)
          if (d.device->stores(static_cast<DType>(i))) dtypes.append(py::handle(dtype_objects[i]));
        return py::tuple(dtypes);
      })
      .def("synchronize", [](const PyDevice& d) { d.device->synchronize(); }, py::call_guard<py::gil_scoped_release>(),
           "Wait for everything that was launched; raises what failed late.")
      .def("__repr__", [](const PyDevice& d) { return "flambeau.Device('" + d.device->name() + "')"; })
      .def("__str__", [](const PyDevice& d) { return d.device->name(); })
      .def("__hash__", [](const PyDevice& d) { return py::hash(py::str(d.device->name())); })
      .def("__eq__", [](const PyDevice& d, py::object other) {
        if (py::isinstance<PyDevice>(other)) return py::cast<PyDevice&>(other).device == d.device;
        return py::isinstance<py::str>(other) && py::cast<std::string>(other) == d.device->name();
      })
      .def("__copy__", [](py::object d) { return d; })
      .def("__deepcopy__", [](py::object d, py::object) { return d; });
}

PyObject* device_object(Device* device) {
  PyObject*& object = device_objects()[device];
  if (!object) object = py::cast(PyDevice{device}).release().ptr();
  return object;
}

Device* device_from(PyObject* object) {
  if (object == Py_None) return cpu();
  if (PyUnicode_Check(object)) {
    const auto name = py::cast<std::string>(py::handle(object));
    if (name == "cpu") return cpu();
    // Any other may come from an installed wheel, or need a library of one: these are found once, before the first
    // such name is looked up.
    if (name != "reference") py::module_::import("flambeau.devices").attr("load_vendors")();
    return device_named(name);
  }
  if (py::isinstance<PyDevice>(object)) return py::cast<PyDevice&>(py::handle(object)).device;
  raise(ErrorKind::Type, "device: ", py::cast<std::string>(py::repr(object)), " is neither a device nor a name like 'cpu'");
}

}  // namespace flambeau::python
