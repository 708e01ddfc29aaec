// The nodes of the tape.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "autograd/autograd.h"
#include "autograd/checkpoint.h"
#include "core/op.h"
#include "core/spin_lock.h"

namespace flambeau {

// What few nodes have.
struct NodeExtras {
  struct Entry {
    HookKind kind;
    uint32_t output;  // HookKind::Tensor: of which output
    std::shared_ptr<Hook> hook;
  };
  std::vector<Entry> hooks;
  std::vector<std::pair<uint32_t, Tensor>> retained;  // outputs that keep their gradient, and the gradient
  std::string line;            // of the user's program, where the forward pass called the op (anomaly mode)
  Ref<Checkpoint> checkpoint;  // has what the node saves
  uint32_t place = 0;          // ... under this number
};

// The lock of a node, which guards what a walk in another thread may change. All nodes share some: who forks holds them
// all meanwhile, so that a child finds no lock held by a thread that it lacks, and no gradient half handed over.
// REQUIRES: who holds one takes no other.
SpinLock& lock_of(const TapeNode& node);

// Ops come after what they use, so walking by falling sequence meets every user of a node before the node.
struct GradNode : TapeNode {
  enum class Kind : uint8_t { Leaf, Op, Custom };
  explicit GradNode(Kind kind) : kind(kind), sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}
  static std::atomic<uint64_t> next_sequence;
  bool is_leaf() const { return kind == Kind::Leaf; }
  NodeExtras& extra() {
    if (!extras) extras = std::make_unique<NodeExtras>();
    return *extras;
  }

  const Kind kind;
  bool released = false;  // what was saved is gone; a leaf: it is closed
  uint64_t sequence;
  std::unique_ptr<NodeExtras> extras;
};

// Where a leaf's gradient is summed up.
struct LeafNode final : GradNode {
  LeafNode() : GradNode(Kind::Leaf) {}
  Tensor grad;
};

// One op that ran, with what its derivative needs.
struct OpNode final : GradNode {
  struct Input {
    Ref<TapeNode> node;    // who made it; null if it wants no gradient
    uint32_t node_output = 0;
    uint32_t version = 0;
    bool saved = false;
    Tensor value;          // the tensor itself if saved, else its description
  };
  struct Output {
    uint32_t version = 0;
    bool saved = false;
    Tensor value;          // without its node: it would own itself
  };

  OpNode() : GradNode(Kind::Op) {}
  static void* operator new(size_t bytes);
  static void operator delete(void* block) noexcept;
  std::span<Input> inputs() { return more_inputs.empty() ? std::span<Input>(few_inputs, input_count) : std::span<Input>(more_inputs); }
  std::span<Output> outputs() { return more_outputs.empty() ? std::span<Output>(&one_output, output_count) : std::span<Output>(more_outputs); }

  const OpRow* row = nullptr;
  uint32_t input_count = 0;
  uint32_t output_count = 0;
  std::vector<Attr> attrs;
  Input few_inputs[3];
  std::vector<Input> more_inputs;
  Output one_output;
  std::vector<Output> more_outputs;
};

// A function with a derivative of the user's own.
struct CustomNode final : GradNode {
  struct Input {
    Ref<TapeNode> node;  // null if it wants no gradient
    uint32_t node_output = 0;
    Tensor like;         // its description
  };
  CustomNode() : GradNode(Kind::Custom) {}
  std::unique_ptr<CustomRule> rule;
  std::vector<Input> inputs;
  std::vector<Tensor> outputs;  // descriptions
};

// "add", "MyFunction", "leaf".
std::string_view name_of(const GradNode& node);

}  // namespace flambeau
