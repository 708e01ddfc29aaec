// Tensors from attributes alone: full, arange, and Philox's random numbers.
#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

int32_t low_word(int64_t value) { return static_cast<int32_t>(static_cast<uint32_t>(static_cast<uint64_t>(value))); }
int32_t high_word(int64_t value) { return static_cast<int32_t>(static_cast<uint64_t>(value) >> 32); }

Run full(Device& device, Type type) { // shape, value, value_int, dtype
  std::string value = type == Type::F32 ? "bitcast<f32>(e0)" : type == Type::I32 ? "e0" : "e0 != 0";
  Program* program = device.program("full", element_kernel({writes(type)}, 1, "", "  put0(at0, " + value + ");"));
  return [&device, program, type](const fl_call& call) {
    int32_t bits = type == Type::F32    ? bits_of(attr_float(call, 1))
                   : type == Type::Bool ? attr_int(call, 2) != 0
                                        : low_word(attr_int(call, 2));
    return launch_elements(device, *program, {layout_of(call.outputs[0])}, {bits});
  };
}

Run arange(Device& device, Type type) { // start, step, count, dtype
  // A float start and step come in two parts each, so that start + i step is rounded nearly once.
  const char* body = type == Type::F32 ? "  put0(at0, range_value(bitcast<f32>(e0), bitcast<f32>(e1), bitcast<f32>(e2), "
                                         "bitcast<f32>(e3), f32(linear)));"
                                       : "  put0(at0, e0 + linear * e1);";
  const char* value = R"(
fn range_value(start: f32, start_low: f32, step: f32, step_low: f32, i: f32) -> f32 {
  let product = product_pair(step, i);
  let sum = rounded(start + product.x);
  let back = rounded(sum - start);
  let rest = (start - (sum - back)) + (product.x - back);
  return sum + (rest + (product.y + (start_low + step_low * i)));
}
)";
  std::string functions = type == Type::F32 ? std::string(kMath) + value : "";
  Program* program = device.program("arange", element_kernel({writes(type)}, type == Type::F32 ? 4 : 2, functions, body));
  return [&device, program, type](const fl_call& call) {
    double start = attr_float(call, 0), step = attr_float(call, 1);
    std::vector<int32_t> extras{low_word(static_cast<int64_t>(start)), low_word(static_cast<int64_t>(step))};
    if (type == Type::F32)
      extras = {bits_of(start), bits_of(start - static_cast<float>(start)), bits_of(step),
                bits_of(step - static_cast<float>(step))};
    return launch_elements(device, *program, {layout_of(call.outputs[0])}, extras);
  };
}

const char* const kDraw = R"(
fn uniform_at(seed: vec2<u32>, offset: vec2<u32>, i: u32) -> f32 {
  return f32(philox(seed, offset, i / 4u)[i % 4u] >> 8u) * 5.9604645e-8;
}

// Root, angle and their product carry what rounding took from them: the result is within 2 units in the last place.
fn normal_at(seed: vec2<u32>, offset: vec2<u32>, i: u32) -> f32 {
  let first = i & ~1u;
  let square = -2.0 * fl_log(uniform_at(seed, offset, first) + 5.9604645e-8);
  if (square == 0.0) { return 0.0; }
  let root = rounded(sqrt(square));
  let back = product_pair(root, root);
  let root_low = 0.5 * ((square - back.x) - back.y) / root;
  // The angle 2 pi v, first brought into an eighth of the circle, as x.x + x_low.
  let v = uniform_at(seed, offset, first + 1u);
  let quarter = floor(4.0 * v + 0.5);
  let r = v - quarter * 0.25;
  let x = product_pair(r, 6.2831855);
  let x_low = x.y - r * 1.7484556e-7;
  let z = product_pair(x.x, x.x);
  let at = (i32(quarter) + select(0, 3, (i & 1u) == 1u)) & 3;
  var value: f32;
  if ((at & 1) == 1) {  // root times the sine
    let rest = x_low + x.x * z.x * (-1.6666667e-1 + z.x * (8.3333333e-3 + z.x * (-1.9841270e-4 + z.x * 2.7557319e-6)));
    let product = product_pair(root, x.x);
    value = product.x + (product.y + (root * rest + root_low * x.x));
  } else {  // and the cosine
    let more = z.x * z.x * (4.1666667e-2 + z.x * (-1.3888889e-3 + z.x * (2.4801587e-5 - z.x * 2.7557319e-7)));
    value = root + (root_low + root * (-0.5 * z.x + (more - 0.5 * (z.y + 2.0 * x.x * x_low))));
  }
  return select(value, -value, at == 1 || at == 2);
}
)";

Run real(Device& device, const std::string& op) { // shape, seed, offset, dtype
  Program* program = device.program(op, element_kernel({writes(Type::F32)}, 4, std::string(kMath) + kPhilox + kDraw,
      "  put0(at0, " + op + "_at(vec2<u32>(u32(e0), u32(e1)), vec2<u32>(u32(e2), u32(e3)), u32(linear)));"));
  return [&device, program](const fl_call& call) {
    int64_t seed = attr_int(call, 1), offset = attr_int(call, 2);
    return launch_elements(device, *program, {layout_of(call.outputs[0])},
                           {low_word(seed), high_word(seed), low_word(offset), high_word(offset)});
  };
}

Run randint(Device& device) { // shape, low, high, seed, offset, dtype
  // low + the upper 64 of the 128 bits of (64 random bits) * range; the range is at most 2^32
  Program* program = device.program("randint", element_kernel({writes(Type::I32)}, 6, kPhilox, R"(
  let block = philox(vec2<u32>(u32(e2), u32(e3)), vec2<u32>(u32(e4), u32(e5)), u32(linear) / 2u);
  let first = (u32(linear) % 2u) * 2u;
  let low = wide(block[first], u32(e1));
  let high = wide(block[first + 1u], u32(e1));
  let carried = low.y + high.x;
  let drawn = high.y + select(0u, 1u, carried < low.y);
  put0(at0, e0 + i32(select(drawn, block[first + 1u], e1 == 0)));)"));  // a range of 2^32 comes as 0
  return [&device, program](const fl_call& call) {
    int64_t low = attr_int(call, 1), range = attr_int(call, 2) - low, seed = attr_int(call, 3), offset = attr_int(call, 4);
    if (range > 0x100000000LL) return fail(FL_BAD_VALUE, "randint: webgpu draws from ranges of at most 2^32");
    return launch_elements(device, *program, {layout_of(call.outputs[0])},
                           {low_word(low), low_word(range), low_word(seed), high_word(seed), low_word(offset), high_word(offset)});
  };
}

} // namespace

Run create(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (types.size() != 1) return {};
  if (op == "full") return full(device, types[0]);
  if (op == "arange" && types[0] != Type::Bool) return arange(device, types[0]);
  if ((op == "uniform" || op == "normal") && types[0] == Type::F32) return real(device, op);
  if (op == "randint" && types[0] == Type::I32) return randint(device);
  return {};
}

} // namespace flambeau::webgpu
