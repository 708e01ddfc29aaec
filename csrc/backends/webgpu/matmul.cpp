// matmul(a, b): tiles of 16 by 16 through workgroup memory; batches over the third dimension of the grid.
#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

constexpr int64_t kTile = 16;

// p: m, n, k, batch dimensions, offsets of out, a, b, then (row, column) strides of out, a, b, then by batch
// dimension: size, strides of out, a, b
const char* const kBody = R"(
var<workgroup> tile_a: array<array<ELEMENT, 16>, 16>;
var<workgroup> tile_b: array<array<ELEMENT, 16>, 16>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>) {
  let row = i32(group.y * 16u + local.y);
  let column = i32(group.x * 16u + local.x);
  let batches = p[3];
  var out = p[4];
  var a = p[5];
  var b = p[6];
  var rest = i32(group.z);
  for (var d = batches - 1; d >= 0; d--) {
    let i = rest % p[13 + d];
    rest = rest / p[13 + d];
    out += i * p[13 + batches + d];
    a += i * p[13 + 2 * batches + d];
    b += i * p[13 + 3 * batches + d];
  }
  var total = ELEMENT(0);
  for (var start = 0; start < p[2]; start += 16) {
    let across = start + i32(local.x);
    let down = start + i32(local.y);
    var left = ELEMENT(0);
    var right = ELEMENT(0);
    if (row < p[0] && across < p[2]) { left = load1(a + row * p[9] + across * p[10]); }
    if (column < p[1] && down < p[2]) { right = load2(b + down * p[11] + column * p[12]); }
    tile_a[local.y][local.x] = left;
    tile_b[local.y][local.x] = right;
    workgroupBarrier();
    for (var i = 0u; i < 16u; i++) { total += tile_a[local.y][i] * tile_b[i][local.x]; }
    workgroupBarrier();
  }
  if (row < p[0] && column < p[1]) { put0(out + row * p[7] + column * p[8], total); }
}
)";

std::string text_for(Type type) {
  std::string body = kBody, name = name_of(type);
  for (size_t at = body.find("ELEMENT"); at != std::string::npos; at = body.find("ELEMENT")) body.replace(at, 7, name);
  return "@group(0) @binding(0) var<storage, read> p: array<i32>;\n" + binding(1, 0, type, true) + binding(2, 1, type, false) +
         binding(3, 2, type, false) + body;
}

fl_status launch(Device& device, Program& program, const fl_call& call) {
  Layout out = layout_of(call.outputs[0]), a = layout_of(call.inputs[0]), b = layout_of(call.inputs[1]);
  if (count_of(out.shape) == 0) return FL_OK;
  size_t row = out.shape.size() - 2, column = row + 1;
  std::vector<int32_t> parameters;
  auto add = [&](int64_t value) { parameters.push_back(static_cast<int32_t>(value)); };
  for (int64_t value : {out.shape[row], out.shape[column], a.shape[column], static_cast<int64_t>(row), out.offset, a.offset,
                        b.offset, out.strides[row], out.strides[column], a.strides[row], a.strides[column], b.strides[row],
                        b.strides[column]})
    add(value);
  int64_t batch = 1;
  for (size_t d = 0; d < row; ++d) {
    add(out.shape[d]);
    batch *= out.shape[d];
  }
  for (size_t d = 0; d < row; ++d) add(out.strides[d]);
  for (size_t d = 0; d < row; ++d) add(a.shape[d] == 1 ? 0 : a.strides[d]);
  for (size_t d = 0; d < row; ++d) add(b.shape[d] == 1 ? 0 : b.strides[d]);
  const fl_memory memories[] = {out.memory, a.memory, b.memory};
  Groups groups{static_cast<uint32_t>((out.shape[column] + kTile - 1) / kTile),
                static_cast<uint32_t>((out.shape[row] + kTile - 1) / kTile), static_cast<uint32_t>(batch)};
  if (batch > 65535 || groups.x > 65535 || groups.y > 65535)
    return fail(FL_UNSUPPORTED, "matmul: webgpu takes at most 65535 batches and 1048560 rows or columns");
  return device.dispatch(program, parameters, memories, groups);
}

} // namespace

Run matmul(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (op != "matmul" || types.size() != 3 || types[0] == Type::Bool) return {};
  Program* program = device.program(op, text_for(types[0]));
  return [&device, program](const fl_call& call) { return launch(device, *program, call); };
}

} // namespace flambeau::webgpu
