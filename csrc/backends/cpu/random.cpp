// random.cpp: uniform, normal and whole numbers from Philox, whose words depend on an element's place alone
// (csrc/backends/reference/random.cpp says which words an element takes).
#include <algorithm>
#include <cstring>

#include "cpu.h"

namespace flambeau::cpu {
namespace {

constexpr int64_t kPiece = 16 * 1024;
constexpr int64_t kWords = 2 * kBlock;

struct Draw {
  Type type;
  bool normal;
};

// Calls make(words, first element, count) for blocks of elements, `words_each` (1 or 2) words an element.
template <class Make>
void for_each_block(uint64_t seed, uint64_t offset, int64_t n, int64_t words_each, const Make& make) {
  parallel_for(n, kPiece, [&](int64_t begin, int64_t end) {
    alignas(64) uint32_t words[kWords];
    const int64_t step = kWords / words_each;
    for (int64_t at = begin; at < end; at += step) {
      const int64_t count = std::min(step, end - at);
      level->philox(seed, offset + uint64_t(at * words_each / 4), divide_up(count * words_each, 4), words);
      make(words, at, count);
    }
  });
}

// Attributes: shape, seed, offset, dtype.
fl_status run_real(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Draw& op = state_of<Draw>(self);
  const uint64_t seed = uint64_t(call->attrs[1].value.i), offset = uint64_t(call->attrs[2].value.i);
  const int64_t n = count_of(call->outputs[0]);
  char* out = data_of(call->outputs[0]);
  const bool single = op.type == Type::Float32;
  for_each_block(seed, offset, n, single ? 1 : 2, [&](const uint32_t* words, int64_t at, int64_t count) {
    if (!op.normal) {
      if (single) level->uniform32(words, count, reinterpret_cast<float*>(out) + at);
      else level->uniform64(words, count, reinterpret_cast<double*>(out) + at);
      return;
    }
    // Normals come in pairs: an odd end takes one from a pair.
    const int64_t even = count / 2 * 2;
    if (single) {
      float* to = reinterpret_cast<float*>(out) + at;
      float pair[2];
      level->normal32(words, even, to);
      if (even == count) return;
      level->normal32(words + even, 2, pair);
      to[even] = pair[0];
    } else {
      double* to = reinterpret_cast<double*>(out) + at;
      double pair[2];
      level->normal64(words, even, to);
      if (even == count) return;
      level->normal64(words + 2 * even, 2, pair);
      to[even] = pair[0];
    }
  });
  return FL_OK;
}

// Attributes: shape, low, high, seed, offset, dtype.
fl_status run_randint(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type type = state_of<Draw>(self).type;
  const uint64_t low = uint64_t(call->attrs[1].value.i), range = uint64_t(call->attrs[2].value.i) - low;
  const uint64_t seed = uint64_t(call->attrs[3].value.i), offset = uint64_t(call->attrs[4].value.i);
  char* out = data_of(call->outputs[0]);
  for_each_block(seed, offset, count_of(call->outputs[0]), 2, [&](const uint32_t* words, int64_t at, int64_t count) {
    for (int64_t i = 0; i < count; ++i) {
      const uint64_t bits = words[2 * i] | (uint64_t(words[2 * i + 1]) << 32);
      __extension__ using Wide = unsigned __int128;
      const uint64_t value = low + uint64_t((Wide(bits) * range) >> 64);
      if (type == Type::Int32) reinterpret_cast<uint32_t*>(out)[at + i] = uint32_t(value);
      else reinterpret_cast<uint64_t*>(out)[at + i] = value;
    }
  });
  return FL_OK;
}

const fl_kernel* resolve_real(const char* name, std::span<const Type> types) {
  if (types.size() != 1 || (types[0] != Type::Float32 && types[0] != Type::Float64)) return nullptr;
  return keep_kernel(run_real, Draw{types[0], std::strcmp(name, "normal") == 0});
}
const fl_kernel* resolve_randint(const char*, std::span<const Type> types) {
  if (types.size() != 1 || (types[0] != Type::Int32 && types[0] != Type::Int64)) return nullptr;
  return keep_kernel(run_randint, Draw{types[0], false});
}

const Registration kReal({"uniform", "normal"}, resolve_real);
const Registration kRandint({"randint"}, resolve_randint);

}  // namespace
}  // namespace flambeau::cpu
