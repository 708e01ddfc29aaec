// Gradients: the tape that apply() writes, and walking it backward.
#pragma once

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/apply.h"
#include "core/tensor.h"

namespace flambeau {

// Sets whether this thread keeps ops for gradients, and puts it back.
class GradMode {
 public:
  explicit GradMode(bool enabled) : before_(grad_enabled()) { set_grad_enabled(enabled); }
  ~GradMode() { set_grad_enabled(before_); }
  GradMode(const GradMode&) = delete;
  GradMode& operator=(const GradMode&) = delete;

 private:
  bool before_;
};

// Makes `x` a leaf whose gradient is kept, or an ordinary tensor again. Raises for dtypes without gradients, and for
// results of ops (detach first).
void set_requires_grad(const Tensor& x, bool requires_grad);
// Whether `x` was made by the user and not by an op on the tape.
bool is_leaf(const Tensor& x);
// The gradient that backward() has summed up in this leaf; undefined if none.
Tensor grad_of(const Tensor& leaf);
// Replaces it; undefined takes it away. Raises if shape, dtype or device differ.
void set_grad(const Tensor& leaf, const Tensor& grad);
// What made `x`: an op's name, "leaf", or "" without a gradient.
std::string_view made_by(const Tensor& x);

struct BackwardOptions {
  bool retain_graph = false;  // keep what the forward pass saved, for a second walk
  bool create_graph = false;  // put the backward pass itself on the tape; implies retain_graph
};

// Adds to every reachable leaf's gradient; or, if `inputs` are given, to theirs alone (leaves, and results that
// retain_grad). `gradients` match `outputs`; an undefined one stands for 1 and needs an output of one element.
void backward(std::span<const Tensor> outputs, std::span<const Tensor> gradients, std::span<const Tensor> inputs,
              BackwardOptions options);

// The gradients of the sum of the outputs with regard to `inputs`, and leaves untouched. An undefined result: the
// outputs do not depend on that input.
std::vector<Tensor> gradients(std::span<const Tensor> outputs, std::span<const Tensor> output_gradients,
                              std::span<const Tensor> inputs, BackwardOptions options);

// Whether `outputs` depend on a leaf that is not among `inputs`: then a gradient with regard to `inputs` can itself be
// differentiated by someone. Leaves that were closed do not count.
bool depends_on_others(std::span<const Tensor> outputs, std::span<const Tensor> inputs);

// Nobody asks for the gradient of these leaves any more: the function that they were made for is done.
void close_leaves(std::span<const Tensor> leaves);

// Keeps the gradient of a result, as leaves keep theirs. Raises if x wants none.
void retain_grad(const Tensor& x);

// ---- hooks: called during a walk backward ----------------------------------------------------------------------

enum class HookKind : uint8_t {
  Tensor,       // values: the gradient of one tensor, summed up, before its node uses it
  Before,       // values: the gradients of a node's outputs, before it runs
  After,        // values: the gradients of a node's inputs; others: those of its outputs
  Accumulated,  // no values: a leaf's gradient has been summed up
};
class Hook {
 public:
  virtual ~Hook() = default;
  // May replace `values`. Undefined ones: no gradient came.
  virtual void call(std::span<Tensor> values, std::span<const Tensor> others) = 0;
};
// Raises if x wants no gradient, or if `kind` does not fit a leaf or a result.
void add_hook(const Tensor& x, HookKind kind, std::shared_ptr<Hook> hook);
void add_hook(TapeNode& node, HookKind kind, uint32_t output, std::shared_ptr<Hook> hook);

// ---- functions with a derivative of the user's own ----------------------------------------------------------------

class CustomRule {
 public:
  virtual ~CustomRule() = default;
  virtual std::string_view name() const = 0;
  // The gradients of the inputs; those not needed, or zero, may stay undefined. `node` made the outputs.
  virtual void run(TapeNode& node, std::span<const Tensor> output_gradients, std::span<const bool> needed,
                   std::span<Tensor> input_gradients) = 0;
  // Lets go of what it saved: no walk may come again.
  virtual void release() = 0;
};
// Puts a node on the tape that made `outputs` of `inputs`; undefined outputs carry no gradient. REQUIRES: outputs know
// nothing of autograd yet, some input wants a gradient.
void record_custom(std::unique_ptr<CustomRule> rule, std::span<const Tensor> inputs, std::span<const Tensor> outputs);
// Makes x a result of `node`, for a rule that saved its own output.
void attach(const Tensor& x, TapeNode& node, uint32_t output);

// ---- writing in place ------------------------------------------------------------------------------------------

// How errors call what the user wrote ("x += y"), and what they say to write instead ("x = x + y").
struct InPlace {
  const char* doing;
  const char* instead;
};
// Writes what the row gives of the inputs into inputs[0], which keeps shape and dtype, and gives nothing; where gradients look,
// gives the tensor that stands for inputs[0] from now on, and raises if another would have had to see the write. (Inputs[0]
// itself stays what it was: threads may be computing with it, and derivatives read it.)
Tensor update(const OpRow& row, const InPlace& said, Inputs inputs);
// update() for another write, where gradients look or inside vmap: `compute` makes a new tensor of inputs[0] as it was.
Tensor take_result(const InPlace& said, Inputs inputs, const std::function<Tensor(const Tensor& before)>& compute);

// ---- a look at the tape ----------------------------------------------------------------------------------------

struct NodeInput {
  Ref<TapeNode> node;
  uint32_t output;
};
std::string_view node_name(TapeNode& node);
std::string node_line(TapeNode& node);  // "train.py:12", in anomaly mode; else empty
std::vector<NodeInput> node_inputs(TapeNode& node);

// ---- anomaly mode, of this thread ---------------------------------------------------------------------------------

void set_anomaly(bool enabled);
// Tells where in the user's program this thread is; installed by bindings/.
void install_line_finder(std::string (*finder)());

}  // namespace flambeau
