// The row of the op table: everything that is known about an op, in one place.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "core/attr.h"
#include "core/dtype.h"
#include "core/shape.h"
#include "core/tensor.h"

namespace flambeau {

struct OpRow;
using Inputs = std::span<const Tensor>;

// What an output will be: the core allocates it contiguous.
struct Meta {
  Dims shape;
  DType dtype = DType::Float32;
  Device* device = nullptr;  // null: where the inputs are
};
// Fills one Meta for each output and raises the error that the user reads. Inputs may have no value: read their
// shape and dtype alone.
using InferFn = void (*)(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> outputs);

// Settles attributes as a user writes them (negative axes, None) into those of the graph; errors name the op.
using NormalizeFn = void (*)(const OpRow& row, Inputs inputs, std::span<Attr> attrs);

// A view's window on its input's storage. `offset` counts elements from the start of the storage. Gives false if
// these strides cannot be viewed so: the core copies the input first and asks again. Raises the user's error.
struct Window {
  Dims shape;
  Dims strides;
  int64_t offset = 0;
};
using ViewFn = bool (*)(const OpRow& row, const Tensor& input, Attrs attrs, Window& window);

// How kernels see the operands (inputs, then outputs) where users see them otherwise: reduced axes kept (1 long,
// stride 0), vectors as matrices, batches broadcast (stride 0). Changes shapes and strides, never an offset or the
// memory. Called with the windows that the tensors have, before `claims` and before each launch. False: kernels do
// not take this call as it stands, decompose (argmax over several axes is one over a flattened copy).
using ArrangeFn = bool (*)(const OpRow& row, Attrs attrs, std::span<Window> operands);

// How a backward pass asks a row for the gradients of its inputs. Everything done inside goes through apply(), so
// that it can itself be recorded and differentiated.
struct Backward {
  const OpRow& row;
  Attrs attrs;
  std::span<const Tensor> grads;    // of the outputs; undefined where none came
  std::span<const Tensor> inputs;   // those in `saves_inputs`; of the others only shape, dtype and device
  std::span<const Tensor> outputs;  // those in `saves_outputs`; of the others only shape, dtype and device
  std::span<const bool> needed;     // which inputs want a gradient
  std::span<Tensor> input_grads;    // to fill; left undefined means zero

  const Tensor& grad(size_t i = 0) const { return grads[i]; }
  const Tensor& input(size_t i) const { return inputs[i]; }
  const Tensor& output(size_t i = 0) const { return outputs[i]; }
  bool needs(size_t i) const { return needed[i]; }
  // The gradient of input i. For a pointwise row it may still have the broadcast shape: the engine sums it down.
  void give(size_t i, Tensor gradient) const { input_grads[i] = std::move(gradient); }
};
using VjpFn = void (*)(const Backward& backward);

// Bit i: the value of input i, of output i.
struct Saved {
  uint32_t inputs = 0;
  uint32_t outputs = 0;
};
// What vjp reads for the gradients of the inputs whose bit is set in `needed`.
using SavesFn = Saved (*)(Attrs attrs, uint32_t needed);
// ... where each input's gradient reads other values: those of input 0's, of input 1's, and so on.
template <Saved... kByInput>
Saved saves(Attrs, uint32_t needed) {
  Saved all;
  ((all.inputs |= needed & 1u ? kByInput.inputs : 0u, all.outputs |= needed & 1u ? kByInput.outputs : 0u, needed >>= 1), ...);
  return all;
}

// The same where other uses of input 0 have given theirs already: adds this one's share to `sum`, which the walk alone
// holds. For rows whose gradient is zero but for a part.
using AddGradientFn = void (*)(const Backward& backward, const Tensor& sum);

// The same by other ops, through apply(): for devices that do not claim a composite, and for gradients where the row
// has no vjp of its own.
using DecomposeFn = void (*)(const OpRow& row, Inputs inputs, Attrs attrs, std::span<Tensor> outputs);

// The op with one more leading axis on the inputs for which `batched` is true; outputs have it too. Pointwise rows
// need none.
using BatchingFn = void (*)(const OpRow& row, Inputs inputs, std::span<const bool> batched, Attrs attrs,
                            std::span<Tensor> outputs);

// For an in-place row: which input each output is (same memory). Sizes `output_of` itself.
using AliasesFn = void (*)(const OpRow& row, Inputs inputs, Attrs attrs, std::vector<int32_t>& output_of);

// The dtype of a pointwise row's output where it differs from the inputs' common dtype.
using ResultFn = DType (*)(DType common, Attrs attrs);
inline DType result_bool(DType, Attrs) { return DType::Bool; }

// Where `ulp` is counted: at the exact value itself, or (for sums and differences that may cancel) at the largest
// absolute value among the call's inputs and the exact result.
enum class UlpAt : uint8_t { Result, Largest };

enum class Autocast : uint8_t { Keep, Lower, Float32 };  // leave as is; may run in half precision; wants float32

struct AttrSpec {
  const char* name;             // in the graph and in order in the C header
  fl_attr_kind kind;
  Attr fallback = {};           // what a user who says nothing gets
  bool required = false;        // a user must say it
  const char* python = nullptr; // the Python keyword where it is another word (axes -> axis)
};

// One case for tests and conformance: inputs by shape and range, attributes in order (after normalize).
// The dtype under test; int64; bool; of the dtype under test, symmetric matrices in the last two axes whose diagonal
// is so large that they are positive definite; int8.
enum class SampleKind : uint8_t { Value, Index, Bool, Definite, Int8 };
struct SampleInput {
  Dims shape;
  double low = -2.0;   // values are drawn in [low, high)
  double high = 2.0;
  SampleKind kind = SampleKind::Value;
};
struct Sample {
  std::vector<SampleInput> inputs;
  std::vector<Attr> attrs = {};
};

inline constexpr int32_t kAnyNumber = -1;
inline constexpr uint32_t kAllInputs = 0xffffffffu;

struct OpRow {
  const char* name;
  const char* summary;           // one line for the docs and Python's help
  int32_t version = 1;
  int32_t min_inputs = 1;
  int32_t max_inputs = 1;        // kAnyNumber: repeated
  std::vector<const char*> input_names = {"x"};
  int32_t output_count = 1;      // kAnyNumber: `aliases` says
  std::vector<AttrSpec> attrs = {};

  // Pointwise rows: the core checks `dtypes`, promotes inputs from `promote_from` on to one dtype (cast rows on the
  // graph), broadcasts by stride 0 and merges dimensions; they need no `infer`.
  bool pointwise = false;
  int32_t promote_from = 0;      // inputs before it keep their dtype (where's condition, which must be bool)
  DTypeSet dtypes = kAllDTypes;  // that inputs from `promote_from` on may have
  bool promotes = false;         // a row that is not pointwise, whose inputs are promoted and checked in the same way
  bool integers_as_floats = false;  // promoted inputs that are integers or bools alone become the default float
  ResultFn result = nullptr;
  bool composite = false;        // a backend may claim it or leave it to `decompose`; else it is a primitive
  bool public_name = true;       // offered in Python's top level under its name

  InferFn infer = nullptr;
  NormalizeFn normalize = nullptr;
  ArrangeFn arrange = nullptr;   // null: kernels see what users see
  ViewFn view = nullptr;         // set: no kernel, the core makes a window on the first input
  AliasesFn aliases = nullptr;   // set: the op writes into its inputs
  DecomposeFn decompose = nullptr;
  VjpFn vjp = nullptr;           // null and no decomposition: not differentiable, gradients stop here
  AddGradientFn add_gradient = nullptr;  // of rows with one input
  BatchingFn batching = nullptr;
  uint32_t differentiable = kAllInputs;  // bit i: input i can have a gradient
  uint32_t saves_inputs = 0;             // bit i: vjp reads input i's value
  uint32_t saves_outputs = 0;            // bit i: vjp reads output i's value
  SavesFn saves = nullptr;               // ... which of them for which gradients; null: all for any
  Autocast autocast = Autocast::Keep;
  // Largest distance from the exact value by dtype, in units in the last place (0: the same bits as the reference).
  std::array<float, kDTypeCount> ulp = {};
  UlpAt ulp_at = UlpAt::Result;
  const char* ulp_note = "";             // why that bound, in one line
  std::vector<Sample> samples = {};

  int32_t id = -1;  // set by register_op
};

// What the tape keeps of a call: what the gradients that somebody wants will read.
inline Saved saved_by(const OpRow& row, Inputs inputs, Attrs attrs) {
  if (!row.saves) return {row.saves_inputs, row.saves_outputs};
  uint32_t needed = 0;
  for (size_t i = 0; i < inputs.size(); ++i) needed |= static_cast<uint32_t>(inputs[i].requires_grad()) << i;
  return row.saves(attrs, needed & row.differentiable);
}

}  // namespace flambeau
