// op_table.cpp: the op table as plain Python data, for documentation, tests and conformance.
#include <pybind11/pybind11.h>

#include "bindings/op_table.h"
#include "core/registry.h"

namespace py = pybind11;

namespace flambeau {
namespace {

py::tuple to_python(const Dims& dims) {
  py::tuple result(dims.size());
  for (size_t i = 0; i < dims.size(); ++i) result[i] = dims[i];
  return result;
}

py::list names_of(DTypeSet set) {
  py::list names;
  for (int i = 0; i < kDTypeCount; ++i) {
    if (contains(set, static_cast<DType>(i))) names.append(name_of(static_cast<DType>(i)));
  }
  return names;
}

// A dtype is its name; an attribute that is not given is None.
py::object to_python(const Attr& attr) {
  switch (attr.kind()) {
    case FL_ATTR_BOOL: return py::bool_(attr.as_bool());
    case FL_ATTR_INT: return py::int_(attr.as_int());
    case FL_ATTR_FLOAT: return py::float_(attr.as_float());
    case FL_ATTR_INTS: return to_python(attr.ints());
    case FL_ATTR_DTYPE: return py::str(name_of(attr.as_dtype()));
    case FL_ATTR_TEXT: return py::str(attr.text());
    default: return py::none();
  }
}

const char* kind_name(fl_attr_kind kind) {
  switch (kind) {
    case FL_ATTR_BOOL: return "bool";
    case FL_ATTR_INT: return "int";
    case FL_ATTR_FLOAT: return "float";
    case FL_ATTR_INTS: return "ints";
    case FL_ATTR_DTYPE: return "dtype";
    case FL_ATTR_TEXT: return "text";
    default: return "none";
  }
}

py::dict to_python(const AttrSpec& spec) {
  py::dict d;
  d["name"] = spec.name;
  d["kind"] = kind_name(spec.kind);
  d["keyword"] = spec.python ? spec.python : spec.name;
  d["required"] = spec.required;
  d["default"] = to_python(spec.fallback);
  return d;
}

py::dict to_python(const Sample& sample) {
  py::list inputs;
  for (const SampleInput& input : sample.inputs) {
    py::dict d;
    d["shape"] = to_python(input.shape);
    d["low"] = input.low;
    d["high"] = input.high;
    constexpr const char* kKinds[] = {"value", "index", "bool", "definite", "int8"};
    d["kind"] = kKinds[static_cast<size_t>(input.kind)];
    inputs.append(d);
  }
  py::list attrs;
  for (const Attr& attr : sample.attrs) attrs.append(to_python(attr));
  py::dict d;
  d["inputs"] = inputs;
  d["attrs"] = attrs;
  return d;
}

const char* autocast_name(Autocast autocast) {
  return autocast == Autocast::Lower ? "lower" : autocast == Autocast::Float32 ? "float32" : "keep";
}

py::dict to_python(const OpRow& row) {
  py::dict d;
  d["name"] = row.name;
  d["summary"] = row.summary;
  d["version"] = row.version;
  py::list input_names;
  for (const char* name : row.input_names) input_names.append(name);
  d["input_names"] = input_names;
  d["min_inputs"] = row.min_inputs;
  d["max_inputs"] = row.max_inputs == kAnyNumber ? py::object(py::none()) : py::object(py::int_(row.max_inputs));
  d["output_count"] = row.output_count == kAnyNumber ? py::object(py::none()) : py::object(py::int_(row.output_count));
  py::list attrs;
  for (const AttrSpec& spec : row.attrs) attrs.append(to_python(spec));
  d["attrs"] = attrs;
  d["pointwise"] = row.pointwise;
  d["promote_from"] = row.promote_from;
  d["promotes"] = row.promotes;
  d["dtypes"] = names_of(row.dtypes);
  d["composite"] = row.composite;
  d["view"] = row.view != nullptr;
  d["in_place"] = row.aliases != nullptr;
  d["public"] = row.public_name;
  d["has_vjp"] = row.vjp != nullptr;
  d["has_decomposition"] = row.decompose != nullptr;
  d["has_batching"] = row.pointwise || row.batching != nullptr || row.decompose != nullptr;
  d["differentiable"] = (row.vjp != nullptr || row.decompose != nullptr) && row.differentiable != 0;
  d["differentiable_inputs"] = row.differentiable;
  d["saves_inputs"] = row.saves_inputs;
  d["saves_outputs"] = row.saves_outputs;
  d["autocast"] = autocast_name(row.autocast);
  py::dict ulp;
  for (int i = 0; i < kDTypeCount; ++i) ulp[py::str(name_of(static_cast<DType>(i)))] = row.ulp[static_cast<size_t>(i)];
  d["ulp"] = ulp;
  d["ulp_at"] = row.ulp_at == UlpAt::Largest ? "largest" : "result";
  d["ulp_note"] = row.ulp_note;
  py::list samples;
  for (const Sample& sample : row.samples) samples.append(to_python(sample));
  d["samples"] = samples;
  return d;
}

}  // namespace

void bind_op_table(py::module_& module) {
  module.def(
      "op_table",
      [] {
        py::list rows;
        for (const OpRow* row : op_table()) rows.append(to_python(*row));
        return rows;
      },
      "Every row of the op table as a dict of plain values, in the order of names.");
}

}  // namespace flambeau
