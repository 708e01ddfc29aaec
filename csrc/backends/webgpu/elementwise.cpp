// Element-wise ops: one line of WGSL each, by the dtype of the inputs.
#include <map>

#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

// What the result is, from the values x0, x1, ...; "" where the op does not take that dtype.
struct Line {
  const char* real;
  const char* whole;
  const char* truth = "";
};

const char* const kMoreMath = R"(
fn exponent(x: f32) -> i32 {  // of x > 0, a subnormal number's too
  let bits = bitcast<u32>(x);
  return select(i32(bits >> 23u) - 127, i32(bitcast<u32>(f32(bits)) >> 23u) - 127 - 149, bits < 0x00800000u);
}

fn fl_fmod(x: f32, y: f32) -> f32 {  // exact: subtracts y times powers of two
  if (is_nan(x) || is_nan(y) || !is_finite(x) || y == 0.0) { return not_a_number(); }
  var r = abs(x);
  let d = abs(y);
  if (!is_finite(y) || r < d) { return x; }
  for (var turn = 0; turn < 300 && r >= d; turn++) {
    let gap = exponent(r) - exponent(d);
    var step = d * two_to(min(gap, 127)) * two_to(clamp(gap - 127, 0, 127)) * two_to(max(gap - 254, 0));
    if (step > r) { step = step * 0.5; }
    r = r - step;
  }
  return select(r, -r, x < 0.0);
}

fn copy_sign(value: f32, from_value: f32) -> f32 {
  return bitcast<f32>((bitcast<u32>(value) & 0x7fffffffu) | (bitcast<u32>(from_value) & 0x80000000u));
}

fn fl_remainder(x: f32, y: f32) -> f32 {
  let rest = fl_fmod(x, y);
  if (rest == 0.0) { return copy_sign(0.0, y); }
  return select(rest, rest + y, (rest < 0.0) != (y < 0.0));
}

fn fl_divide(x: f32, y: f32) -> f32 {  // drivers multiply by 1 / y, and take that for zero where y is large
  let scale = select(1.0, 0.0625, abs(y) > 1e37);
  return (x * scale) / (y * scale);
}

fn fl_floor_divide(x: f32, y: f32) -> f32 {
  if (y == 0.0 || !is_finite(x) || !is_finite(y)) { return x / y; }
  let rest = fl_fmod(x, y);
  var quotient = fl_divide(x - rest, y);
  let back = product_pair(quotient, y);  // a quotient may be 2.5 units off, and a whole number may not
  if (is_finite(back.x)) { quotient += fl_divide(((x - rest) - back.x) - back.y, y); }
  if (rest != 0.0 && (rest < 0.0) != (y < 0.0)) { quotient = quotient - 1.0; }
  if (quotient == 0.0) { return copy_sign(0.0, x / y); }
  let whole = floor(quotient);
  return select(whole, whole + 1.0, quotient - whole > 0.5);
}

// Not by `%`: drivers take negative operands for large positive ones, which Vulkan leaves open.
fn whole_divide(x: i32, y: i32) -> i32 {
  if (y == 0) { return 0; }
  if (y == -1) { return -x; }
  let q = x / y;
  return select(q, q - 1, q * y != x && (x < 0) != (y < 0));
}

fn whole_remainder(x: i32, y: i32) -> i32 {
  if (y == 0 || y == -1) { return 0; }
  let r = x - (x / y) * y;
  return select(r, r + y, r != 0 && (r < 0) != (y < 0));
}

fn whole_power(x: i32, y: i32) -> i32 {
  if (y < 0) {
    if (x == 1) { return 1; }
    if (x == -1) { return select(1, -1, (y & 1) != 0); }
    return 0;
  }
  var result = 1;
  var base = x;
  for (var e = y; e != 0; e = e >> 1u) {
    if ((e & 1) != 0) { result = result * base; }
    base = base * base;
  }
  return result;
}

// log(x) for finite x > 0 as a sum of two floats, the second far smaller.
fn log_pair(x: f32) -> vec2<f32> {
  var bits = bitcast<u32>(x);
  var k = 0;
  if (bits < 0x00800000u) { bits = bitcast<u32>(f32(bits)); k = -149; }
  k += i32(bits >> 23u) - 127;
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  if (m > 1.41421356) { m = m * 0.5; k += 1; }
  let f = m - 1.0;
  let d = rounded(2.0 + f);
  let d_low = f - (d - 2.0);
  let s = rounded(f / d);
  let back = product_pair(s, d);
  let s_low = (((f - back.x) - back.y) - s * d_low) / d;
  let z = s * s;
  let tail = s * z * (0.6666667 + z * (0.4 + z * (0.28571429 + z * (0.22222222 + z * 0.18181818))));
  let high = f32(k) * 0.693145752;  // exact: the constant has 16 bits
  let first = rounded(high + 2.0 * s);
  let lost = select(0.0, (high - first) + 2.0 * s, k != 0);
  let low = lost + (2.0 * s_low + tail + f32(k) * 1.42860677e-6);
  let sum = rounded(first + low);
  return vec2<f32>(sum, (first - sum) + low);
}

fn fl_pow(x: f32, y: f32) -> f32 {
  if (y == 0.0 || x == 1.0) { return 1.0; }
  if (is_nan(x) || is_nan(y)) { return not_a_number(); }
  let whole = floor(y) == y;
  let odd = whole && abs(y) < 16777216.0 && (i32(y) & 1) != 0;
  let negative = (bitcast<u32>(x) >> 31u) != 0u;
  let a = abs(x);
  var size: f32;
  if (!is_finite(y)) {
    if (a == 1.0) { return 1.0; }
    return select(0.0, infinity(), (a > 1.0) == (y > 0.0));
  }
  if (a == 0.0) { size = select(infinity(), 0.0, y > 0.0); }
  else if (!is_finite(a)) { size = select(0.0, infinity(), y > 0.0); }
  else if (negative && !whole) { return not_a_number(); }
  else {
    let l = log_pair(a);
    let t = product_pair(y, l.x);
    let e = fl_exp(t.x);
    size = e;
    if (is_finite(e) && e != 0.0) { size = e + e * (t.y + y * l.y); }
  }
  return select(size, -size, negative && odd);
}

// erfc(z) exp(z^2) for z >= 0, by a polynomial in u = 2 t - 1 with t = 2 / (2 + z), fitted at Chebyshev points.
fn scaled_erfc(z: f32) -> f32 {
  let t = 2.0 / (2.0 + z);
  let u = 2.0 * t - 1.0;
  return t * (0.510791361 + u * (0.343580335 + u * (0.139735729 + u * (0.0182213839 + u * (-0.0107516265 +
    u * (-0.00324185495 + u * (0.00152915716 + u * (0.000427020161 + u * (-0.000299382722 + u * (-3.29515387e-05 +
    u * (4.21611985e-05 - u * 1.32739558e-06)))))))))));
}

fn bell(x: f32) -> f32 {  // exp(-x^2 / 2), the square exact
  let a = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
  let low = 0.5 * (x - a) * (x + a);
  let e = fl_exp(-0.5 * a * a);
  return e - e * low;
}

fn normal_share(x: f32) -> f32 {  // of a normal distribution below x
  let upper = 0.5 * scaled_erfc(abs(x) * 0.70710678) * bell(x);
  return select(upper, 1.0 - upper, x > 0.0);
}

fn gelu_exact(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < -14.5) { return copy_sign(0.0, x); }
  if (x > 14.5) { return x; }
  return x * normal_share(x);
}

fn gelu_exact_slope(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (abs(x) > 15.0) { return select(0.0, 1.0, x > 0.0); }
  return normal_share(x) + x * 0.39894228 * bell(x);
}

fn gelu_tanh_share(x: f32) -> f32 { return fl_sigmoid(x * (1.59576912 + 0.0713548163 * (x * x))); }

fn gelu_tanh(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x < -12.0) { return copy_sign(0.0, x); }
  if (x > 12.0) { return x; }
  return x * gelu_tanh_share(x);
}

fn gelu_tanh_slope(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (abs(x) > 12.0) { return select(0.0, 1.0, x > 0.0); }
  let share = gelu_tanh_share(x);
  return share + share * fl_sigmoid(-x * (1.59576912 + 0.0713548163 * (x * x))) * (x * (1.59576912 + 0.214064449 * (x * x)));
}

fn fl_max(x: f32, y: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (is_nan(y)) { return y; }
  return select(x, y, x < y);
}

fn fl_min(x: f32, y: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (is_nan(y)) { return y; }
  return select(x, y, y < x);
}

fn to_whole(x: f32) -> i32 {
  if (is_nan(x)) { return 0; }
  if (x >= 2147483648.0) { return 2147483647; }
  if (x < -2147483648.0) { return -2147483647 - 1; }
  return i32(x);
}
)";

const std::map<std::string, Line> kLines = {
    {"negative", {"-x0", "-x0"}},
    {"abs", {"abs(x0)", "abs(x0)"}},
    {"sign", {"select(sign(x0), x0, is_nan(x0))", "sign(x0)"}},
    {"square", {"x0 * x0", "x0 * x0"}},
    {"floor", {"floor(x0)", "x0"}},
    {"ceil", {"ceil(x0)", "x0"}},
    {"trunc", {"trunc(x0)", "x0"}},
    {"round", {"round(x0)", "x0"}},
    {"real", {"x0", "x0"}},
    {"conj", {"x0", "x0"}},
    {"reciprocal", {"1.0 / x0", ""}},
    {"relu", {"select(select(x0, 0.0, x0 <= 0.0), x0, is_nan(x0))", "max(x0, 0)"}},
    {"sqrt", {"sqrt(x0)", ""}},
    {"exp", {"fl_exp(x0)", ""}},
    {"log", {"fl_log(x0)", ""}},
    {"tanh", {"fl_tanh(x0)", ""}},
    {"sigmoid", {"fl_sigmoid(x0)", ""}},
    {"isnan", {"is_nan(x0)", "x0 != x0"}},
    {"isfinite", {"is_finite(x0)", "x0 == x0"}},
    {"isinf", {"!is_nan(x0) && !is_finite(x0)", "x0 != x0"}},
    {"signbit", {"(bitcast<u32>(x0) >> 31u) != 0u", ""}},
    {"bitwise_invert", {"", "~x0", "!x0"}},
    {"bitwise_and", {"", "x0 & x1", "x0 && x1"}},
    {"bitwise_or", {"", "x0 | x1", "x0 || x1"}},
    {"bitwise_xor", {"", "x0 ^ x1", "x0 != x1"}},
    {"bitwise_left_shift", {"", "select(x0 << (u32(x1) & 31u), 0, x1 < 0 || x1 > 31)"}},
    {"bitwise_right_shift", {"", "x0 >> select(u32(x1), 31u, x1 < 0 || x1 > 31)"}},
    {"copysign", {"copy_sign(x0, x1)", ""}},
    {"logical_not", {"", "", "!x0"}},
    {"relu_grad", {"select(x0, 0.0, x1 <= 0.0)", ""}},
    {"tanh_grad", {"x0 * ((1.0 - x1) * (1.0 + x1))", ""}},
    {"sigmoid_grad", {"x0 * (1.0 - x1) * x1", ""}},
    {"add", {"x0 + x1", "x0 + x1"}},
    {"subtract", {"x0 - x1", "x0 - x1"}},
    {"multiply", {"x0 * x1", "x0 * x1"}},
    {"divide", {"fl_divide(x0, x1)", ""}},
    {"floor_divide", {"fl_floor_divide(x0, x1)", "whole_divide(x0, x1)"}},
    {"remainder", {"fl_remainder(x0, x1)", "whole_remainder(x0, x1)"}},
    {"pow", {"fl_pow(x0, x1)", "whole_power(x0, x1)"}},
    {"maximum", {"fl_max(x0, x1)", "max(x0, x1)"}},
    {"minimum", {"fl_min(x0, x1)", "min(x0, x1)"}},
    {"equal", {"x0 == x1", "x0 == x1", "x0 == x1"}},
    {"not_equal", {"!(x0 == x1)", "x0 != x1", "x0 != x1"}},
    {"less", {"x0 < x1", "x0 < x1", "!x0 && x1"}},
    {"less_equal", {"x0 <= x1", "x0 <= x1", "!x0 || x1"}},
    {"greater", {"x0 > x1", "x0 > x1", "x0 && !x1"}},
    {"greater_equal", {"x0 >= x1", "x0 >= x1", "x0 || !x1"}},
    {"logical_and", {"", "", "x0 && x1"}},
    {"logical_or", {"", "", "x0 || x1"}},
    {"logical_xor", {"", "", "x0 != x1"}},
    {"copy", {"x0", "x0", "x0"}},
    {"where", {"select(x2, x1, x0)", "select(x2, x1, x0)", "select(x2, x1, x0)"}},
};

std::string cast_line(Type from, Type to) {
  if (from == to) return "x0";
  if (to == Type::Bool) return from == Type::F32 ? "!(x0 == 0.0)" : "x0 != 0";
  if (to == Type::F32) return from == Type::Bool ? "select(0.0, 1.0, x0)" : "f32(x0)";
  return from == Type::Bool ? "select(0, 1, x0)" : "to_whole(x0)";
}

Program* program_for(Device& device, const std::string& op, const std::vector<Type>& types, const std::string& line) {
  std::vector<Operand> operands{writes(types.back())};
  for (size_t i = 0; i + 1 < types.size(); ++i) operands.push_back(reads(types[i]));
  std::string shifted = line; // the output is operand 0, so the line's x0 is operand 1
  for (size_t at = 0; at + 1 < shifted.size(); ++at)
    if (shifted[at] == 'x' && shifted[at + 1] >= '0' && shifted[at + 1] <= '9') ++shifted[at + 1];
  std::string body = "  put0(at0, " + shifted + ");";
  return device.program(op, element_kernel(operands, 0, std::string(kMath) + kMoreMath, body));
}

Run plain(Device& device, Program* program) {
  return [&device, program](const fl_call& call) {
    std::vector<Layout> layouts{layout_of(call.outputs[0])};
    for (int i = 0; i < call.input_count; ++i) layouts.push_back(layout_of(call.inputs[i]));
    return launch_elements(device, *program, layouts, {});
  };
}

} // namespace

Run elementwise(Device& device, const std::string& op, const std::vector<Type>& types) {
  if (op == "cast" && types.size() == 2) return plain(device, program_for(device, op, types, cast_line(types[0], types[1])));
  bool slope = op == "gelu_grad";
  if ((op == "gelu" || slope) && types[0] == Type::F32) {
    Run exact = plain(device, program_for(device, op, types, slope ? "x0 * gelu_exact_slope(x1)" : "gelu_exact(x0)"));
    Run close = plain(device, program_for(device, op, types, slope ? "x0 * gelu_tanh_slope(x1)" : "gelu_tanh(x0)"));
    return [exact, close](const fl_call& call) { return attr_bool(call, 0) ? close(call) : exact(call); };
  }
  auto found = kLines.find(op);
  if (found == kLines.end() || types.size() < 2) return {};
  Type type = op == "where" ? types[1] : types[0];
  std::string line = type == Type::F32 ? found->second.real : type == Type::I32 ? found->second.whole : found->second.truth;
  return line.empty() ? Run{} : plain(device, program_for(device, op, types, line));
}

} // namespace flambeau::webgpu
