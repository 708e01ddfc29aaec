// quantized.cpp: linear layers with int8 weights. Few rows of x: the weight is widened in registers inside the product,
// so that a quarter of the bytes is read. Many: panels of it are widened into the cache, for the ordinary product.
#include <algorithm>

#include "dense.h"
#include "matmul.h"

namespace flambeau::cpu {
namespace {

// Rows of x up to which nothing is written (measured on Zen 5: see docs/precision.md).
constexpr int64_t kFewRows = 32;
constexpr int64_t kPieceWork = int64_t(1) << 18;   // products that make a piece for a thread
constexpr int64_t kPanel = int64_t(1) << 18;       // elements of a widened panel, a megabyte
constexpr int64_t kPanelRows = 256;

struct Layer {
  int64_t rows, outputs, inputs;
  const float* x;
  const int8_t* weight;
  const float* scale;
  const float* bias;  // or null
  float* y;
};

void multiply_few(const Layer& p) {
  const int64_t outputs = std::max<int64_t>(1, kPieceWork / std::max<int64_t>(1, p.rows * p.inputs) / 16) * 16;
  parallel_for(p.outputs, outputs, [&](int64_t begin, int64_t end) {
    level->int8->dots(p.rows, end - begin, p.inputs, p.x, p.weight + begin * p.inputs, p.scale + begin,
                      p.bias ? p.bias + begin : nullptr, p.y + begin, p.outputs);
  });
}

fl_status multiply_panels(const Layer& p) {
  const int64_t fitting = std::max<int64_t>(16, kPanel / std::max<int64_t>(1, p.inputs) / 16 * 16);
  const int64_t outputs = std::min(kPanelRows, fitting);
  fl_status status = FL_OK;
  parallel_for(divide_up(p.outputs, outputs), 1, [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t first = panel * outputs, n = std::min(outputs, p.outputs - first);
      auto* widened = static_cast<float*>(piece_scratch(size_t(outputs * p.inputs) * sizeof(float)));
      fl_status done = FL_OUT_OF_MEMORY;
      if (widened) {
        level->int8->widen(n, p.inputs, p.weight + first * p.inputs, p.scale + first, widened);
        done = multiply_rows(p.rows, n, p.inputs, p.x, widened, p.bias ? p.bias + first : nullptr, p.y + first, p.outputs);
      }
      if (done) __atomic_store_n(&status, done, __ATOMIC_RELAXED);
    }
  });
  return status == FL_OUT_OF_MEMORY ? no_memory("linear_int8") : status;
}

const int8_t* bytes_of(const fl_tensor& weight) {
  if (is_contiguous(weight)) return reinterpret_cast<const int8_t*>(data_of(weight));
  char* copy = static_cast<char*>(host->scratch(size_t(count_of(weight))));
  if (copy) copy_to_contiguous(weight, copy);
  return reinterpret_cast<const int8_t*>(copy);
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  const Type stored = state_of<Type>(self);
  const fl_tensor& weight = call->inputs[1];
  const fl_tensor& out = call->outputs[0];
  if (count_of(out) == 0) return FL_OK;
  const auto values = [&](int i) { return reinterpret_cast<const float*>(dense(call->inputs[i], stored)); };
  const Result result(out, stored);
  const Layer p{count_of(out) / weight.shape[0], weight.shape[0], weight.shape[1], values(0), bytes_of(weight), values(2),
                call->input_count == 4 ? values(3) : nullptr, result.as<float>()};
  // Without inputs x and the weight have no memory, nor need they any.
  const bool read = p.x && p.weight;
  if ((p.inputs && !read) || !p.scale || (call->input_count == 4 && !p.bias) || !p.y) return no_memory("linear_int8");
  if (p.rows <= kFewRows || p.inputs == 0) multiply_few(p);
  else if (const fl_status status = multiply_panels(p)) return status;
  result.store();
  return FL_OK;
}

const fl_kernel* resolve(const char*, std::span<const Type> types) {
  if ((types.size() != 4 && types.size() != 5) || types[1] != Type::Int8) return nullptr;
  for (size_t i = 0; i < types.size(); ++i)
    if (i != 1 && (types[i] != types[0] || compute_type(types[i]) != Type::Float32)) return nullptr;
  return keep_kernel(run, types[0]);
}

const Registration kLinearInt8({"linear_int8"}, resolve);

}  // namespace
}  // namespace flambeau::cpu
