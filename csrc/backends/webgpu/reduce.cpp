// Sums, extremes and their places. One thread makes an output element where few elements go into it; else a
// workgroup of 64 threads does, each taking every 64th element, and a tree joins them. Where few outputs come of very
// many elements, several workgroups take a part each of an output's, and a second launch joins the parts.
#include <algorithm>

#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

constexpr int64_t kFew = 64;
constexpr int64_t kPart = 4096; // the fewest elements worth a workgroup of their own

// What the kernel keeps (value v of type `kept`, place k) and how it grows; `x` is an element, `at` its number.
struct Recipe {
  Type in, kept, out;
  std::string start;  // the value of v before the first element
  std::string push;   // a with x: "a.v = a.v + x;"
  std::string merge;  // a with b
  std::string result; // from a
};

std::string cast_to(Type from, Type to, const std::string& x) {
  if (from == to) return x;
  if (to == Type::Bool) return "!(" + x + " == " + (from == Type::F32 ? "0.0" : "0") + ")"; // NaN is not zero
  if (from == Type::Bool) return to == Type::F32 ? "select(0.0, 1.0, " + x + ")" : "select(0, 1, " + x + ")";
  return std::string(name_of(to)) + "(" + x + ")";
}

Recipe recipe_for(const std::string& op, Type in, Type out) {
  if (op == "sum" || op == "mean") {
    Type kept = out;
    std::string zero = kept == Type::F32 ? "0.0" : "0";
    return {in, kept, out, zero, "a.v = a.v + " + cast_to(in, kept, "x") + ";", "a.v = a.v + b.v;",
            op == "mean" ? "a.v / f32(p[2])" : "a.v"};
  }
  if (op == "any" || op == "all") {
    std::string sign = op == "any" ? "||" : "&&";
    return {in, Type::Bool, out, op == "any" ? "false" : "true", "a.v = a.v " + sign + " " + cast_to(in, Type::Bool, "x") + ";",
            "a.v = a.v " + sign + " b.v;", "a.v"};
  }
  bool position = op == "argmax" || op == "argmin";
  std::string further = op == "max" || op == "argmax" ? ">" : "<";
  // NaN wins; of equals the first stays. k < 0 stands for nothing seen yet.
  std::string beats = in == Type::F32 ? "(is_nan(x) && !is_nan(v)) || (!is_nan(v) && x " + further + " v)" : "x " + further + " v";
  std::string type = name_of(in);
  return {in, in, out, in == Type::F32 ? "0.0" : "0",
          "if (a.k < 0 || beats(x, a.v)) { a.v = x; a.k = at; }",
          "if (a.k < 0 || (b.k >= 0 && (beats(b.v, a.v) || (!beats(a.v, b.v) && b.k < a.k)))) { a = b; }",
          (position ? "a.k" : "a.v") + std::string("; }\nfn beats(x: ") + type + ", v: " + type + ") -> bool { return " + beats};
}

// Alone: a thread an output. Together: a workgroup an output. Parts: a workgroup a part of an output, which goes into the
// device's buffer of partial results. Join: a workgroup an output, from that buffer.
enum class Form { Alone, Together, Parts, Join };

// What a workgroup does by form: `groups` are needed; group `number` is there for output `output`; its threads `take`
// elements, or parts, into `a`; its first thread has them all in lanes[0] and will `give` them.
struct Workgroup {
  std::string groups, output, take, give;
};

Workgroup workgroup_for(const Recipe& recipe, Form form) {
  const std::string give = "put0(place.out, result_of(lanes[0]));";
  if (form == Form::Together)
    return {"p[0]", "number",
            "  for (var i = i32(lane); i < p[2]; i += 64) { a = push(a, load1(element_at(place.from_at, i)), i); }\n", give};
  std::string to_bits = "bitcast<i32>(lanes[0].v)", from_bits = "bitcast<" + std::string(name_of(recipe.kept)) + ">(parts[at].x)";
  if (recipe.kept == Type::Bool) to_bits = "select(0, 1, lanes[0].v)", from_bits = "parts[at].x != 0";
  if (form == Form::Parts)
    return {"p[0] * p[1]", "number / p[1]",
            "  let size = (p[2] + p[1] - 1) / p[1];\n  let begin = (number % p[1]) * size;\n"
            "  for (var i = begin + i32(lane); i < min(begin + size, p[2]); i += 64) {\n"
            "    a = push(a, load1(element_at(place.from_at, i)), i);\n  }\n",
            "parts[number] = vec2<i32>(" + to_bits + ", lanes[0].k);"};
  return {"p[0]", "number",
          "  for (var i = i32(lane); i < p[1]; i += 64) {\n    let at = number * p[1] + i;\n"
          "    a = merge(a, Kept(" + from_bits + ", parts[at].y));\n  }\n",
          give};
}

std::string text_for(const Recipe& recipe, Form form) {
  std::string kept = name_of(recipe.kept), out = name_of(recipe.out);
  std::string text = "@group(0) @binding(0) var<storage, read> p: array<i32>;\n";
  text += form == Form::Parts ? binding(1, 1, recipe.in, false) : binding(1, 0, recipe.out, true);
  text += form == Form::Alone || form == Form::Together ? binding(2, 1, recipe.in, false)
                                                        : "@group(0) @binding(2) var<storage, read_write> parts: array<vec2<i32>>;\n";
  text += kMath;
  text += "struct Kept { v: " + kept + ", k: i32 }\n";
  text += "fn push(from_a: Kept, x: " + std::string(name_of(recipe.in)) + ", at: i32) -> Kept { var a = from_a; " +
          recipe.push + " return a; }\n";
  text += "fn merge(from_a: Kept, b: Kept) -> Kept { var a = from_a; " + recipe.merge + " return a; }\n";
  text += "fn result_of(a: Kept) -> " + out + " { return " + recipe.result + "; }\n";
  // p: outputs, parts an output, elements an output, ndim, output offset, input offset, then by dimension: output shape,
  // output strides, input strides of kept axes, sizes of reduced axes, input strides of reduced axes
  text += R"(
struct Place { out: i32, from_at: i32 }
fn place_of(number: i32) -> Place {
  let ndim = p[3];
  var place = Place(p[4], p[5]);
  var rest = number;
  for (var d = ndim - 1; d >= 0; d--) {
    let k = rest % p[6 + d];
    rest = rest / p[6 + d];
    place.out += k * p[6 + ndim + d];
    place.from_at += k * p[6 + 2 * ndim + d];
  }
  return place;
}
fn element_at(start: i32, number: i32) -> i32 {
  let ndim = p[3];
  var at = start;
  var rest = number;
  for (var d = ndim - 1; d >= 0; d--) {
    let size = p[6 + 3 * ndim + d];
    at += (rest % size) * p[6 + 4 * ndim + d];
    rest = rest / size;
  }
  return at;
}
)";
  std::string start = "Kept(" + recipe.start + ", -1)";
  if (form == Form::Alone)
    return text + "@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>, "
                  "@builtin(num_workgroups) groups: vec3<u32>) {\n"
                  "  let number = i32(id.x + id.y * groups.x * 64u);\n  if (number >= p[0]) { return; }\n"
                  "  let place = place_of(number);\n  var a = " + start + ";\n"
                  "  for (var i = 0; i < p[2]; i++) { a = push(a, load1(element_at(place.from_at, i)), i); }\n"
                  "  put0(place.out, result_of(a));\n}\n";
  Workgroup workgroup = workgroup_for(recipe, form);
  return text + "var<workgroup> lanes: array<Kept, 64>;\n"
                "@compute @workgroup_size(64)\nfn main(@builtin(workgroup_id) group: vec3<u32>, "
                "@builtin(local_invocation_index) lane: u32, @builtin(num_workgroups) groups: vec3<u32>) {\n"
                "  let number = min(i32(group.x + group.y * groups.x), " + workgroup.groups + ");\n"
                "  let place = place_of(min(" + workgroup.output + ", p[0] - 1));\n  var a = " + start + ";\n" + workgroup.take +
                "  lanes[lane] = a;\n  workgroupBarrier();\n"
                "  for (var reach = 32u; reach > 0u; reach = reach >> 1u) {\n"
                "    if (lane < reach) { lanes[lane] = merge(lanes[lane], lanes[lane + reach]); }\n"
                "    workgroupBarrier();\n  }\n"
                "  if (lane == 0u && number < " + workgroup.groups + ") { " + workgroup.give + " }\n}\n";
}

struct Programs {
  Program *alone, *together, *parts, *join;
};

fl_status launch(Device& device, const Programs& programs, const fl_call& call) {
  Layout out = layout_of(call.outputs[0]), in = layout_of(call.inputs[0]);
  int64_t outputs = count_of(out.shape);
  if (outputs == 0) return FL_OK;
  size_t ndim = out.shape.size();
  std::vector<bool> reduced(ndim, false);
  for (int i = 0; i < call.attrs[0].count; ++i) reduced[static_cast<size_t>(call.attrs[0].value.ints[i])] = true;
  int64_t each = 1;
  for (size_t d = 0; d < ndim; ++d)
    if (reduced[d]) each *= in.shape[d];
  const int64_t parts = std::min((each + kPart - 1) / kPart, Device::kPartialResults / outputs);
  std::vector<int32_t> parameters{static_cast<int32_t>(outputs), static_cast<int32_t>(parts), static_cast<int32_t>(each),
                                  static_cast<int32_t>(ndim), static_cast<int32_t>(out.offset),
                                  static_cast<int32_t>(in.offset)};
  auto add = [&](auto value) {
    for (size_t d = 0; d < ndim; ++d) parameters.push_back(static_cast<int32_t>(value(d)));
  };
  add([&](size_t d) { return reduced[d] ? 1 : out.shape[d]; });
  add([&](size_t d) { return out.strides[d]; });
  add([&](size_t d) { return reduced[d] ? 0 : in.strides[d]; });
  add([&](size_t d) { return reduced[d] ? in.shape[d] : 1; });
  add([&](size_t d) { return reduced[d] ? in.strides[d] : 0; });
  const fl_memory memories[] = {out.memory, in.memory};
  if (each <= kFew) return device.dispatch(*programs.alone, parameters, memories, device.groups_for(outputs, 64));
  if (parts < 2) return device.dispatch(*programs.together, parameters, memories, device.groups_for(outputs, 1));
  const auto turn = device.hold(); // no other thread's parts in between
  fl_memory partial = nullptr;
  if (fl_status status = device.partial_results(&partial)) return status;
  const fl_memory first[] = {in.memory, partial}, second[] = {out.memory, partial};
  if (fl_status status = device.dispatch(*programs.parts, parameters, first, device.groups_for(outputs * parts, 1))) return status;
  return device.dispatch(*programs.join, parameters, second, device.groups_for(outputs, 1));
}

bool takes(const std::string& op, Type in, Type out) {
  if (op == "sum") return out != Type::Bool;
  if (op == "mean") return in == Type::F32 && out == in;
  if (op == "max" || op == "min") return in != Type::Bool && out == in;
  if (op == "argmax" || op == "argmin") return in != Type::Bool && out == Type::I32;
  return (op == "any" || op == "all") && out == Type::Bool;
}

} // namespace

Run reduce(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (types.size() != 2 || !takes(op, types[0], types[1])) return {};
  Recipe recipe = recipe_for(op, types[0], types[1]);
  auto program = [&](Form form) { return device.program(op, text_for(recipe, form)); };
  const Programs programs{program(Form::Alone), program(Form::Together), program(Form::Parts), program(Form::Join)};
  return [&device, programs](const fl_call& call) { return launch(device, programs, call); };
}

} // namespace flambeau::webgpu
