// random.cpp: Philox4x32-10 (Salmon and others, "Parallel random numbers: as easy as 1, 2, 3", 2011).
//
// The key is the seed's low and high word; the counter's low and high word hold offset + block, the others are 0.
// A block is four 32-bit words w0..w3. Row-major element i takes:
//   uniform float32   word i % 4 of block i / 4:            (w >> 8) 2^-24
//   uniform float64   words of pair i % 2 of block i / 2:   (w >> 11) 2^-53 with w = low word + 2^32 high word
//   normal            Box-Muller on pair p of uniforms u, v of its type: r = sqrt(-2 log(u + one step)),
//                     even elements r cos(2 pi v), odd ones r sin(2 pi v). float32: words 2p, 2p + 1 of block
//                     i / 4 with p = i % 4 / 2; float64: pairs 0 and 1 of block i / 2
//   randint           pair i % 2 of block i / 2 as 64 bits w:  low + (w (high - low)) >> 64
// so no element depends on how the work was cut.
#include <array>
#include <cmath>
#include <numbers>

#include "values.h"

namespace flambeau::reference {

namespace {

using Block = std::array<uint32_t, 4>;

Block philox(uint64_t seed, uint64_t counter) {
  uint32_t key[2] = {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)};
  Block c{static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  for (int round = 0; round < 10; ++round) {
    uint64_t a = uint64_t{0xD2511F53} * c[0];
    uint64_t b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ key[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return c;
}

// Attributes seed and offset stand at `first`.
struct Source {
  Source(const fl_call& call, int32_t first)
      : seed(static_cast<uint64_t>(attr_int(call, first))), offset(static_cast<uint64_t>(attr_int(call, first + 1))) {}
  uint32_t word(int64_t i) const {
    return philox(seed, offset + static_cast<uint64_t>(i / 4))[static_cast<size_t>(i % 4)];
  }
  uint64_t pair(int64_t i) const {
    Block block = philox(seed, offset + static_cast<uint64_t>(i / 2));
    size_t low = static_cast<size_t>(i % 2) * 2;
    return block[low] | (static_cast<uint64_t>(block[low + 1]) << 32);
  }
  uint64_t seed;
  uint64_t offset;
};

double uniform(const Source& source, int64_t i, Type type) {
  if (type == Type::kFloat32) return static_cast<double>(source.word(i) >> 8) * 0x1p-24;
  return static_cast<double>(source.pair(i) >> 11) * 0x1p-53;
}

// The angle 2 pi v is brought into the first eighth of the circle exactly, so that zeros stay zeros.
double turn(double v, bool sine) {
  double quarter = std::floor(4 * v + 0.5);
  double angle = (v - quarter / 4) * 2 * std::numbers::pi;
  switch (static_cast<int>(quarter) % 4) {
    case 0: return sine ? std::sin(angle) : std::cos(angle);
    case 1: return sine ? std::cos(angle) : -std::sin(angle);
    case 2: return sine ? -std::sin(angle) : -std::cos(angle);
    default: return sine ? -std::cos(angle) : std::sin(angle);
  }
}

double normal(const Source& source, int64_t i, Type type) {
  int64_t first = i - i % 2;
  double u = uniform(source, first, type) + (type == Type::kFloat32 ? 0x1p-24 : 0x1p-53);
  double v = uniform(source, first + 1, type);
  return std::sqrt(-2 * std::log(u)) * turn(v, i % 2 == 1);
}

// Attributes: shape, seed, offset, dtype.
template <double (*draw)(const Source&, int64_t, Type)>
fl_status run_real(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  Source source(call, 1);
  int64_t i = 0;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    store_float(type, walk.at(0), draw(source, i++, type));
  }
  return FL_OK;
}

// The upper 64 of the 128 bits of a product.
uint64_t high_word(uint64_t x, uint64_t y) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>((static_cast<Wide>(x) * y) >> 64);
}

// Attributes: shape, low, high, seed, offset, dtype.
fl_status run_randint(const Loop&, const fl_call& call) {
  const fl_tensor& out = call.outputs[0];
  Type type = type_of(out.dtype);
  Source source(call, 3);
  uint64_t low = static_cast<uint64_t>(attr_int(call, 1));
  uint64_t range = static_cast<uint64_t>(attr_int(call, 2)) - low;
  int64_t i = 0;
  for (Walk walk(out.ndim, out.shape, {&out}); !walk.done(); walk.next()) {
    store_int(type, walk.at(0), static_cast<int64_t>(low + high_word(source.pair(i++), range)));
  }
  return FL_OK;
}

// dropout(x; p, seed, offset): the same uniforms in float32 for every type of x.
fl_status run_dropout(const Loop&, const fl_call& call) {
  const fl_tensor& x = call.inputs[0];
  const fl_tensor& out = call.outputs[0];
  double p = attr_float(call, 0);
  Source source(call, 1);
  int64_t i = 0;
  for (Walk walk(out.ndim, out.shape, {&x, &out}); !walk.done(); walk.next(), ++i) {
    bool kept = uniform(source, i, Type::kFloat32) >= static_cast<double>(static_cast<float>(p));
    double value = kept ? load_float(type_of(x.dtype), walk.at(0)) / (1 - p) : 0.0;
    store_float(type_of(out.dtype), walk.at(1), value);
  }
  return FL_OK;
}

}  // namespace

void add_dropout(Loops& loops) {
  auto same = [](const Loop&, const Type* types, int32_t count) {
    return count == 2 && is_float(types[0]) && types[1] == types[0];
  };
  loops.push_back({"dropout", same, run_dropout});
}

void add_random(Loops& loops) {
  auto real = [](const Loop&, const Type* t, int32_t n) {
    return n == 1 && (t[0] == Type::kFloat32 || t[0] == Type::kFloat64);
  };
  auto whole = [](const Loop&, const Type* t, int32_t n) { return n == 1 && is_integer(t[0]); };
  loops.push_back({"uniform", real, run_real<uniform>});
  loops.push_back({"normal", real, run_real<normal>});
  loops.push_back({"randint", whole, run_randint});
}

}  // namespace flambeau::reference
