// matmul(a, b): tiles through workgroup memory; batches over the third dimension of the grid. A thread makes one element
// of a tile of 16 by 16, or, where such tiles would be very many, 4 by 4 elements of one of 64 by 64.
#include <algorithm>
#include <utility>

#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

constexpr int64_t kSmall = 16, kLarge = 64;
constexpr int64_t kManyTiles = 64; // large ones, to have work for a whole GPU

// p: m, n, k, batch dimensions, offsets of out, a, b, then (row, column) strides of out, a, b, then by batch
// dimension: size, strides of out, a, b
const char* const kHead = R"(
fn a_at(start: i32, row: i32, across: i32) -> ELEMENT {
  if (row < p[0] && across < p[2]) { return load1(start + row * p[9] + across * p[10]); }
  return ELEMENT(0);
}
fn b_at(start: i32, down: i32, column: i32) -> ELEMENT {
  if (column < p[1] && down < p[2]) { return load2(start + down * p[11] + column * p[12]); }
  return ELEMENT(0);
}
fn put(start: i32, row: i32, column: i32, value: ELEMENT) {
  if (row < p[0] && column < p[1]) { put0(start + row * p[7] + column * p[8], value); }
}
var<workgroup> tile_a: array<array<ELEMENT, 16>, TILE>;
var<workgroup> tile_b: array<array<ELEMENT, TILE>, 16>;

@compute @workgroup_size(16, 16)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_id) local: vec3<u32>,
        @builtin(local_invocation_index) number: u32) {
  let row = i32(group.y * TILEu);
  let column = i32(group.x * TILEu);
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
  let x = local.x;
  let y = local.y;
)";

// Products of 16 elements are summed apart, so that rounding grows with the number of tiles and not of elements.
const char* const kSmallTile = R"(
  var total = ELEMENT(0);
  for (var start = 0; start < p[2]; start += 16) {
    tile_a[y][x] = a_at(a, row + i32(y), start + i32(x));
    tile_b[y][x] = b_at(b, start + i32(y), column + i32(x));
    workgroupBarrier();
    var part = ELEMENT(0);
    for (var i = 0u; i < 16u; i++) { part += tile_a[y][i] * tile_b[i][x]; }
    total += part;
    workgroupBarrier();
  }
  put(out, row + i32(y), column + i32(x), total);
}
)";

const char* const kLargeTile = R"(
  var total0 = vec4<ELEMENT>();
  var total1 = vec4<ELEMENT>();
  var total2 = vec4<ELEMENT>();
  var total3 = vec4<ELEMENT>();
  for (var start = 0; start < p[2]; start += 16) {
    for (var j = number; j < 1024u; j += 256u) {
      tile_a[j / 16u][j % 16u] = a_at(a, row + i32(j / 16u), start + i32(j % 16u));
      tile_b[j / 64u][j % 64u] = b_at(b, start + i32(j / 64u), column + i32(j % 64u));
    }
    workgroupBarrier();
    var part0 = vec4<ELEMENT>();
    var part1 = vec4<ELEMENT>();
    var part2 = vec4<ELEMENT>();
    var part3 = vec4<ELEMENT>();
    for (var i = 0u; i < 16u; i++) {
      let across = vec4<ELEMENT>(tile_b[i][x], tile_b[i][x + 16u], tile_b[i][x + 32u], tile_b[i][x + 48u]);
      part0 += tile_a[y][i] * across;
      part1 += tile_a[y + 16u][i] * across;
      part2 += tile_a[y + 32u][i] * across;
      part3 += tile_a[y + 48u][i] * across;
    }
    total0 += part0;
    total1 += part1;
    total2 += part2;
    total3 += part3;
    workgroupBarrier();
  }
  for (var c = 0u; c < 4u; c++) {
    let to = column + i32(x + 16u * c);
    put(out, row + i32(y), to, total0[c]);
    put(out, row + i32(y + 16u), to, total1[c]);
    put(out, row + i32(y + 32u), to, total2[c]);
    put(out, row + i32(y + 48u), to, total3[c]);
  }
}
)";

std::string text_for(Type type, int64_t tile) {
  std::string body = std::string(kHead) + (tile == kLarge ? kLargeTile : kSmallTile);
  const std::pair<std::string, std::string> words[] = {{"ELEMENT", name_of(type)}, {"TILE", std::to_string(tile)}};
  for (const auto& [word, meaning] : words)
    for (size_t at = body.find(word); at != std::string::npos; at = body.find(word, at)) body.replace(at, word.size(), meaning);
  return "@group(0) @binding(0) var<storage, read> p: array<i32>;\n" + binding(1, 0, type, true) + binding(2, 1, type, false) +
         binding(3, 2, type, false) + body;
}

fl_status launch(Device& device, Program& small, Program& large, const fl_call& call) {
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
  auto tiles = [&](size_t d, int64_t tile) { return (out.shape[d] + tile - 1) / tile; };
  const int64_t least = std::min(out.shape[row], out.shape[column]);
  const int64_t tile = least >= kLarge && tiles(row, kLarge) * tiles(column, kLarge) * batch >= kManyTiles ? kLarge : kSmall;
  Groups groups{static_cast<uint32_t>(tiles(column, tile)), static_cast<uint32_t>(tiles(row, tile)),
                static_cast<uint32_t>(batch)};
  if (batch > 65535 || tiles(column, kSmall) > 65535 || tiles(row, kSmall) > 65535)
    return fail(FL_UNSUPPORTED, "matmul: webgpu takes at most 65535 batches and 1048560 rows or columns");
  return device.dispatch(tile == kLarge ? large : small, parameters, memories, groups);
}

} // namespace

Run matmul(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (op != "matmul" || types.size() != 3 || types[0] == Type::Bool) return {};
  Program* small = device.program(op, text_for(types[0], kSmall));
  Program* large = device.program(op, text_for(types[0], kLarge));
  return [&device, small, large](const fl_call& call) { return launch(device, *small, *large, call); };
}

} // namespace flambeau::webgpu
