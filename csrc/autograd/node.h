// The nodes of the tape.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "core/op.h"

namespace flambeau {

// Ops come after what they use, so walking by falling sequence meets every user of a node before the node.
struct GradNode : TapeNode {
  GradNode() : sequence(next_sequence.fetch_add(1, std::memory_order_relaxed)) {}
  static std::atomic<uint64_t> next_sequence;
  uint64_t sequence;
  virtual bool is_leaf() const = 0;
};

// Held for a few instructions only: handing tensors over, never computing or destroying them.
class BriefLock {
 public:
  void lock() noexcept { while (taken_.test_and_set(std::memory_order_acquire)) std::this_thread::yield(); }
  void unlock() noexcept { taken_.clear(std::memory_order_release); }

 private:
  std::atomic_flag taken_;
};

// Where a leaf's gradient is summed up. Walks of several threads add to it at once, and others read it meanwhile.
struct LeafNode final : GradNode {
  bool is_leaf() const override { return true; }
  Tensor grad() const {
    std::lock_guard guard(lock_);
    return grad_;
  }
  void set_grad(Tensor grad) {
    std::lock_guard guard(lock_);
    std::swap(grad_, grad);
  }
  // Puts `next` in the place of `before`; false, and nothing done, if another one stands there by now.
  bool exchange_grad(const Tensor& before, Tensor& next) {
    std::lock_guard guard(lock_);
    if (grad_.get() != before.get()) return false;
    std::swap(grad_, next);
    return true;
  }

 private:
  mutable BriefLock lock_;
  Tensor grad_;
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

  static void* operator new(size_t bytes);
  static void operator delete(void* block) noexcept;
  bool is_leaf() const override { return false; }
  std::span<Input> inputs() { return more_inputs.empty() ? std::span<Input>(few_inputs, input_count) : std::span<Input>(more_inputs); }
  std::span<Output> outputs() { return more_outputs.empty() ? std::span<Output>(&one_output, output_count) : std::span<Output>(more_outputs); }

  const OpRow* row = nullptr;
  uint32_t input_count = 0;
  uint32_t output_count = 0;
  BriefLock lock;        // over `released` and the saved values: two walks may come here at once
  bool released = false;
  std::vector<Attr> attrs;
  Input few_inputs[3];
  std::vector<Input> more_inputs;
  Output one_output;
  std::vector<Output> more_outputs;
};

}  // namespace flambeau
