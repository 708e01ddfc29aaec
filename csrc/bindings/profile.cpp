// The profiler's records in Python.
#include "core/profile.h"

#include <map>

#include "bindings/python.h"

namespace flambeau::python {
namespace {

// As Python's Event in flambeau/profiler/events.py takes them.
py::tuple event_object(const ProfileEvent& event, std::map<const char*, py::str>& names) {
  auto [name, fresh] = names.try_emplace(event.name);
  if (fresh) name->second = py::str(event.name);
  py::tuple inputs(event.details ? event.details->shapes.size() : 0);
  for (size_t i = 0; i < inputs.size(); ++i)
    inputs[i] = py::make_tuple(std::string(name_of(event.details->dtypes[i])), dims_object(event.details->shapes[i]));
  return py::make_tuple(static_cast<int>(event.kind), name->second, event.begin_ns, event.end_ns, event.inner_ns,
                        event.memory.allocated, event.memory.freed, event.inner_memory.allocated, event.inner_memory.freed,
                        event.node, inputs, event.details ? event.details->line : std::string());
}

void collect(void* context, const std::vector<ThreadRecords>& threads) {
  std::map<const char*, py::str> names;
  for (const ThreadRecords& thread : threads) {
    py::list events;
    for (const ProfileEvent* event : thread.events) events.append(event_object(*event, names));
    py::list memory;
    for (const MemoryEvent& event : thread.memory)
      memory.append(py::make_tuple(event.at_ns, event.bytes, std::string(event.device->name())));
    static_cast<py::list*>(context)->append(py::make_tuple(thread.thread, events, memory));
  }
}

}  // namespace

void bind_profile(py::module_& module) {
  module.def("start_profile", [](bool memory, bool shapes, bool lines) {
    start_profile(static_cast<uint8_t>((memory ? kProfileMemory : 0) | (shapes ? kProfileShapes : 0) | (lines ? kProfileLines : 0)));
  }, py::arg("memory"), py::arg("shapes"), py::arg("lines"));
  module.def("stop_profile", [] {
    py::list threads;
    stop_profile(collect, &threads);
    return threads;
  }, "For each thread (number, events, memory events).");
  module.def("profiling", &profiling);
  module.def("begin_scope", &begin_scope, py::arg("name"));
  module.def("end_scope", &end_scope, py::arg("token"));
}

}  // namespace flambeau::python
