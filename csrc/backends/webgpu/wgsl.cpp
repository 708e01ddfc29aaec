// Texts that kernels share, and the launch of kernels of one thread an element.
#include "wgsl.h"

#include <cstring>

namespace flambeau::webgpu {

Type type_of(fl_dtype dtype) {
  if (dtype.lanes != 1) return Type::None;
  if (dtype.code == FL_FLOAT && dtype.bits == 32) return Type::F32;
  if (dtype.code == FL_INT && dtype.bits == 32) return Type::I32;
  if (dtype.code == FL_BOOL) return Type::Bool;
  return Type::None;
}

const char* name_of(Type type) { return type == Type::F32 ? "f32" : type == Type::I32 ? "i32" : "bool"; }

std::string binding(int number, int operand, Type type, bool writable) {
  std::string j = std::to_string(operand), buffer = "b" + j;
  std::string head = "@group(0) @binding(" + std::to_string(number) + ") var<storage, read_write> " + buffer + ": ";
  if (type != Type::Bool) {
    std::string element = name_of(type);
    return head + "array<" + element + ">;\n" + "fn load" + j + "(at: i32) -> " + element + " { return " + buffer +
           "[at]; }\n" +
           (writable ? "fn put" + j + "(at: i32, value: " + element + ") { " + buffer + "[at] = value; }\n" : "");
  }
  std::string word = writable ? "atomicLoad(&" + buffer + "[at >> 2u])" : buffer + "[at >> 2u]";
  std::string text = head + (writable ? "array<atomic<u32>>;\n" : "array<u32>;\n");
  text += "fn load" + j + "(at: i32) -> bool { return ((" + word + " >> ((u32(at) & 3u) * 8u)) & 255u) != 0u; }\n";
  if (writable)
    text += "fn put" + j + "(at: i32, value: bool) {\n  let shift = (u32(at) & 3u) * 8u;\n" +
            "  if (value) { atomicOr(&" + buffer + "[at >> 2u], 1u << shift); atomicAnd(&" + buffer +
            "[at >> 2u], ~(254u << shift)); }\n  else { atomicAnd(&" + buffer + "[at >> 2u], ~(255u << shift)); }\n}\n";
  return text;
}

std::string element_kernel(const std::vector<Operand>& operands, int extras, const std::string& functions,
                           const std::string& body, bool reports_indices) {
  int count = static_cast<int>(operands.size());
  std::string text = "@group(0) @binding(0) var<storage, read> p: array<i32>;\n";
  for (int j = 0; j < count; ++j) text += binding(j + 1, j, operands[j].type, operands[j].write);
  std::string shape = std::to_string(kHeader + count + extras);
  if (reports_indices)
    text += "@group(0) @binding(" + std::to_string(count + 1) + ") var<storage, read_write> reports: array<i32>;\n" +
            "fn report(index: i32, size: i32) {\n  let slot = p[" + shape + " + p[1] * " + std::to_string(count + 1) +
            "];\n  reports[slot] = size + 1;\n  reports[slot + 1] = index;\n}\n";
  text += functions;
  text += "\n@compute @workgroup_size(64)\nfn main(@builtin(global_invocation_id) id: vec3<u32>, "
          "@builtin(num_workgroups) groups: vec3<u32>) {\n"
          "  let linear = i32(id.x + id.y * groups.x * 64u);\n"
          "  if (linear >= p[0]) { return; }\n";
  for (int j = 0; j < count; ++j)
    text += "  var at" + std::to_string(j) + " = p[" + std::to_string(kHeader + j) + "];\n";
  text += "  let ndim = p[1];\n  var rest = linear;\n  for (var d = ndim - 1; d >= 0; d--) {\n    let size = p[" + shape +
          " + d];\n    let k = rest % size;\n    rest = rest / size;\n";
  for (int j = 0; j < count; ++j)
    text += "    at" + std::to_string(j) + " += k * p[" + shape + " + ndim * " + std::to_string(j + 1) + " + d];\n";
  text += "  }\n";
  for (int e = 0; e < extras; ++e)
    text += "  let e" + std::to_string(e) + " = p[" + std::to_string(kHeader + count + e) + "];\n";
  for (int j = 0; j < count; ++j)
    if (operands[j].read)
      text += "  let x" + std::to_string(j) + " = load" + std::to_string(j) + "(at" + std::to_string(j) + ");\n";
  return text + body + "\n}\n";
}

Layout layout_of(const fl_tensor& tensor) {
  Layout layout;
  layout.memory = tensor.memory;
  layout.offset = static_cast<int64_t>(tensor.byte_offset) / (tensor.dtype.bits <= 8 ? 1 : tensor.dtype.bits / 8);
  layout.shape.assign(tensor.shape, tensor.shape + tensor.ndim);
  layout.strides.assign(tensor.strides, tensor.strides + tensor.ndim);
  return layout;
}

int64_t count_of(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (int64_t size : shape) count *= size;
  return count;
}

int32_t bits_of(double value) {
  auto narrow = static_cast<float>(value);
  int32_t bits;
  std::memcpy(&bits, &narrow, sizeof bits);
  return bits;
}

fl_status launch_elements(Device& device, Program& program, const std::vector<Layout>& layouts,
                          const std::vector<int32_t>& extras, bool reports_indices) {
  const std::vector<int64_t>& shape = layouts[0].shape;
  int64_t n = count_of(shape);
  if (n == 0) return FL_OK;
  std::vector<int32_t> parameters{static_cast<int32_t>(n), static_cast<int32_t>(shape.size())};
  std::vector<fl_memory> memories;
  for (const Layout& layout : layouts) {
    parameters.push_back(static_cast<int32_t>(layout.offset));
    memories.push_back(layout.memory);
  }
  parameters.insert(parameters.end(), extras.begin(), extras.end());
  for (int64_t size : shape) parameters.push_back(static_cast<int32_t>(size));
  for (const Layout& layout : layouts)
    for (int64_t stride : layout.strides) parameters.push_back(static_cast<int32_t>(stride));
  return device.dispatch(program, parameters, memories, device.groups_for(n, 64), reports_indices);
}

// exp and log by range reduction and a polynomial; WGSL promises its own exp and log to a few units in the last
// place only, and drivers differ. Infinity and NaN come from bits at run time: WGSL refuses them as constants.
const char* const kMath = R"(
fn from_bits(bits: u32) -> f32 { var kept = bits; return bitcast<f32>(kept); }
fn is_nan(x: f32) -> bool { return (bitcast<u32>(x) & 0x7fffffffu) > 0x7f800000u; }
fn is_finite(x: f32) -> bool { return (bitcast<u32>(x) & 0x7f800000u) != 0x7f800000u; }
fn infinity() -> f32 { return from_bits(0x7f800000u); }
fn not_a_number() -> f32 { return from_bits(0x7fc00000u); }
fn two_to(k: i32) -> f32 { return bitcast<f32>(u32(k + 127) << 23u); }

// x as it was rounded. Drivers may compute as if sums and products were exact, by which what rounding took from them
// would always be 0; the first parameter is a number of elements, so its sign is none, but a driver cannot know.
fn rounded(x: f32) -> f32 { return bitcast<f32>(bitcast<u32>(x) ^ (u32(p[0]) & 0x80000000u)); }

// x y as a sum of two floats, the second far smaller: what rounding took from the first. Factors are cut into halves
// whose products are exact; where those may be too small for a driver, the second is 0.
fn product_pair(x: f32, y: f32) -> vec2<f32> {
  let a = bitcast<f32>(bitcast<u32>(x) & 0xfffff000u);
  let b = bitcast<f32>(bitcast<u32>(y) & 0xfffff000u);
  let product = rounded(x * y);
  let lost = ((a * b - product) + a * (y - b) + (x - a) * b) + (x - a) * (y - b);
  return vec2<f32>(product, select(lost, 0.0, min(abs(product), min(abs(x), abs(y))) < 1e-30));
}

fn series(r: f32) -> f32 {  // (exp(r) - 1 - r) / r^2 for |r| <= 0.35
  return 0.5 + r * (1.6666667e-1 + r * (4.1666668e-2 + r * (8.3333333e-3 + r * (1.3888889e-3 + r * 1.9841270e-4))));
}

fn fl_exp(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  if (x > 88.72284) { return infinity(); }
  if (x < -103.97) { return 0.0; }
  let k = i32(floor(x * 1.44269504 + 0.5));
  let r = fma(f32(k), -1.42860677e-6, fma(f32(k), -0.693145752, x));
  let value = 1.0 + (r + r * r * series(r));
  let half = k / 2;
  return value * two_to(half) * two_to(k - half);
}

fn fl_expm1(x: f32) -> f32 {  // for 0 <= x <= 20
  let k = i32(floor(x * 1.44269504 + 0.5));
  let r = fma(f32(k), -1.42860677e-6, fma(f32(k), -0.693145752, x));
  return two_to(k) * (r + r * r * series(r)) + (two_to(k) - 1.0);
}

fn fl_log(x: f32) -> f32 {
  if (is_nan(x) || x < 0.0) { return not_a_number(); }
  if (x == 0.0) { return -infinity(); }
  if (!is_finite(x)) { return x; }
  var bits = bitcast<u32>(x);
  var k = 0;
  if (bits < 0x00800000u) {  // a subnormal number: its value is its bits times 2^-149
    bits = bitcast<u32>(f32(bits));
    k = -149;
  }
  k += i32(bits >> 23u) - 127;
  var m = bitcast<f32>((bits & 0x007fffffu) | 0x3f800000u);
  if (m > 1.41421356) { m = m * 0.5; k += 1; }
  let f = m - 1.0;
  let s = f / (2.0 + f);
  let z = s * s;
  let tail = z * (0.6666667 + z * (0.4 + z * (0.28571429 + z * (0.22222222 + z * 0.18181818))));
  let square = 0.5 * f * f;
  return f32(k) * 0.693145752 - ((square - (s * (square + tail) + f32(k) * 1.42860677e-6)) - f);
}

fn fl_tanh(x: f32) -> f32 {
  if (is_nan(x)) { return x; }
  let a = abs(x);
  if (a < 1e-4) { return x; }
  if (a > 9.1) { return sign(x); }
  let t = fl_expm1(2.0 * a);
  return sign(x) * (t / (t + 2.0));
}

fn fl_sigmoid(x: f32) -> f32 {
  let e = fl_exp(-abs(x));
  if (is_nan(x)) { return x; }
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}
)";

const char* const kPhilox = R"(
fn wide(x: u32, y: u32) -> vec2<u32> {  // (low, high) of the product
  let x0 = x & 0xffffu; let x1 = x >> 16u;
  let y0 = y & 0xffffu; let y1 = y >> 16u;
  let low = x0 * y0;
  let first = x1 * y0 + (low >> 16u);
  let second = x0 * y1 + (first & 0xffffu);
  return vec2<u32>((second << 16u) | (low & 0xffffu), x1 * y1 + (first >> 16u) + (second >> 16u));
}

fn philox(seed: vec2<u32>, offset: vec2<u32>, block: u32) -> vec4<u32> {
  let low = offset.x + block;
  var c = vec4<u32>(low, offset.y + select(0u, 1u, low < block), 0u, 0u);
  var key = seed;
  for (var round = 0; round < 10; round++) {
    let a = wide(0xD2511F53u, c.x);
    let b = wide(0xCD9E8D57u, c.z);
    c = vec4<u32>(b.y ^ c.y ^ key.x, b.x, a.y ^ c.w ^ key.y, a.x);
    key = key + vec2<u32>(0x9E3779B9u, 0xBB67AE85u);
  }
  return c;
}
)";

} // namespace flambeau::webgpu
