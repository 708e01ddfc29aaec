// Ops that move elements: take and its kin, concat, slice_grad. An index counts from the end if negative.
#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

// Removes the axis from a layout's walk: all elements along it start at index 0.
Layout without(Layout layout, size_t axis) {
  layout.strides[axis] = 0;
  return layout;
}

size_t axis_of(const fl_call& call, size_t ndim) {
  int64_t axis = attr_int(call, 0);
  return static_cast<size_t>(axis < 0 ? axis + static_cast<int64_t>(ndim) : axis);
}

// out[..., j..., ...] = x[..., indices[j...], ...]: the walk goes over out; extras: size and stride of x's axis.
Run take(Device& device, const std::string& op, Type type, bool along_axis) {
  Program* program = device.program(op, element_kernel({writes(type), reaches(type), reads(Type::I32)}, 2, "", R"(
  var index = x2;
  if (index < 0) { index += e0; }
  if (index < 0 || index >= e0) { report(x2, e0); return; }
  put0(at0, load1(at1 + index * e1));)", true));
  return [&device, program, along_axis](const fl_call& call) {
    Layout out = layout_of(call.outputs[0]), x = layout_of(call.inputs[0]), indices = layout_of(call.inputs[1]);
    size_t axis = axis_of(call, x.shape.size());
    auto size = static_cast<int32_t>(x.shape[axis]), stride = static_cast<int32_t>(x.strides[axis]);
    if (along_axis) return launch_elements(device, *program, {out, without(x, axis), indices}, {size, stride}, true);
    size_t inner = indices.shape.size();
    Layout walk = x, chosen = indices;
    walk.strides.erase(walk.strides.begin() + static_cast<long>(axis));
    walk.strides.insert(walk.strides.begin() + static_cast<long>(axis), inner, 0);
    chosen.strides.insert(chosen.strides.begin(), axis, 0);
    chosen.strides.insert(chosen.strides.end(), x.shape.size() - axis - 1, 0);
    return launch_elements(device, *program, {out, walk, chosen}, {size, stride}, true);
  };
}

// out[.., i, ..] = sum of g[.., j.., ..] over all j with indices[j] == i, in order. The walk goes over out; each
// thread looks through the indices that may mean it, which are e0 in a list of four dimensions: p[8..] are their sizes,
// p[12..] the strides in g and p[16..] those in indices.
const char* const kScatter = R"(
  let own = (linear / e2) % e1;
  var total = 0.0;
  for (var j = 0; j < e0; j++) {
    var at_g = at1;
    var at_index = at2;
    var rest = j;
    for (var d = 3; d >= 0; d--) {
      let k = rest % p[8 + d];
      rest = rest / p[8 + d];
      at_g += k * p[12 + d];
      at_index += k * p[16 + d];
    }
    var index = load2(at_index);
    if (index < 0) { index += e1; }
    if (index < 0 || index >= e1) { report(load2(at_index), e1); return; }
    if (index == own) { total += load1(at_g); }
  }
  put0(at0, total);)";

Run scatter(Device& device, const std::string& op, bool along_axis) {
  Program* program = device.program(op, element_kernel({writes(Type::F32), reaches(Type::F32), reaches(Type::I32)}, 15, "",
                                                       kScatter, true));
  return [&device, program, along_axis](const fl_call& call) {
    Layout out = layout_of(call.outputs[0]), g = layout_of(call.inputs[0]), indices = layout_of(call.inputs[1]);
    size_t axis = axis_of(call, out.shape.size()), inner = along_axis ? 1 : indices.shape.size();
    if (inner > 4) return fail(FL_UNSUPPORTED, "take_grad: webgpu takes indices of at most 4 dimensions");
    Layout walk_g = g, walk_indices = indices;
    int64_t within = 1; // elements for each step along the axis
    for (size_t d = axis + 1; d < out.shape.size(); ++d) within *= out.shape[d];
    std::vector<int64_t> sizes(4, 1), steps_g(4, 0), steps_indices(4, 0);
    for (size_t i = 0; i < inner; ++i) {
      size_t d = along_axis ? axis : i;
      sizes[4 - inner + i] = indices.shape[d];
      steps_indices[4 - inner + i] = indices.strides[d];
      steps_g[4 - inner + i] = g.strides[axis + i];
    }
    if (along_axis) {
      walk_g = without(g, axis);
      walk_indices = without(indices, axis);
    } else {
      auto first = walk_g.strides.begin() + static_cast<long>(axis);
      walk_g.strides.erase(first, first + static_cast<long>(inner));
      walk_g.strides.insert(walk_g.strides.begin() + static_cast<long>(axis), 0);
      walk_indices.strides.assign(out.shape.size(), 0);
    }
    std::vector<int32_t> extras{static_cast<int32_t>(sizes[0] * sizes[1] * sizes[2] * sizes[3]),
                                static_cast<int32_t>(out.shape[axis]), static_cast<int32_t>(within)};
    for (const auto* list : {&sizes, &steps_g, &steps_indices})
      for (int64_t value : *list) extras.push_back(static_cast<int32_t>(value));
    return launch_elements(device, *program, {out, walk_g, walk_indices}, extras, true);
  };
}

Program* copy_program(Device& device, Type type) {
  return device.program("copy", element_kernel({writes(type), reads(type)}, 0, "", "  put0(at0, x1);"));
}

Run concat(Device& device, Type type) {
  Program* program = copy_program(device, type);
  return [&device, program](const fl_call& call) {
    Layout out = layout_of(call.outputs[0]);
    size_t axis = axis_of(call, out.shape.size());
    int64_t begin = out.offset;
    for (int i = 0; i < call.input_count; ++i) {
      Layout part = layout_of(call.inputs[i]), place = out;
      place.shape = part.shape;
      place.offset = begin;
      if (fl_status status = launch_elements(device, *program, {place, part}, {})) return status;
      begin += part.shape[axis] * out.strides[axis];
    }
    return fl_status{FL_OK};
  };
}

Run slice_grad(Device& device, Type type) { // attributes: shape, starts, stops, steps
  std::string zero = type == Type::F32 ? "0.0" : type == Type::I32 ? "0" : "false";
  Program* clear = device.program("slice_grad", element_kernel({writes(type)}, 0, "", "  put0(at0, " + zero + ");"));
  Program* program = copy_program(device, type);
  return [&device, clear, program](const fl_call& call) {
    Layout out = layout_of(call.outputs[0]), g = layout_of(call.inputs[0]), place = out;
    if (fl_status status = launch_elements(device, *clear, {out}, {})) return status;
    place.shape = g.shape;
    for (size_t d = 0; d < out.shape.size(); ++d) {
      place.offset += call.attrs[1].value.ints[d] * out.strides[d];
      place.strides[d] = out.strides[d] * call.attrs[3].value.ints[d];
    }
    return launch_elements(device, *program, {place, g}, {});
  };
}

} // namespace

Run index(Device& device, const std::string& op, const std::vector<Type>& types) {
  bool indexed = types.size() == 3 && types[1] == Type::I32 && types[0] == types[2];
  if (op == "take" && indexed) return take(device, op, types[0], false);
  if (op == "take_along_axis" && indexed) return take(device, op, types[0], true);
  if (op == "take_grad" && indexed && types[0] == Type::F32) return scatter(device, op, false);
  if (op == "take_along_axis_grad" && indexed && types[0] == Type::F32) return scatter(device, op, true);
  if (op == "concat" && types.size() == 2) return concat(device, types[0]);
  if (op == "slice_grad" && types.size() == 2) return slice_grad(device, types[0]);
  return {};
}

} // namespace flambeau::webgpu
