// Tensors: a shape over a storage, with what autograd and the recorder know about it.
#pragma once

#include <cstdint>
#include <utility>

#include "core/device.h"
#include "core/dtype.h"
#include "core/ref.h"
#include "core/shape.h"
#include "core/storage.h"
#include "core/thread_state.h"

namespace flambeau {

// What autograd hangs on a tensor; autograd/ derives from it. Long chains are destroyed without recursion.
class TapeNode : public RefCounted<TapeNode> {
 public:
  virtual ~TapeNode() = default;
  static void destroy(TapeNode* node);
};

struct TensorImpl : public RefCounted<TensorImpl> {
  static void destroy(TensorImpl* impl);
  static void* operator new(size_t bytes);
  static void operator delete(void* block) noexcept;

  Ref<Storage> storage;  // null: a value that is only recorded, or a description (shape and dtype alone)
  int64_t offset = 0;    // of the first element, in elements
  int64_t count = 0;     // number of elements
  Device* device = nullptr;
  DType dtype = DType::Float32;
  bool contiguous = true;
  bool requires_grad = false;
  bool is_view = false;       // looks into another tensor's storage; while recorded or inside vmap also: another looks into it
  bool is_lent = false;       // Python was shown it, and C++ keeps it for others: a leaf's gradient
  int32_t recorded = -1;      // number of the recorder's value
  uint32_t node_output = 0;   // which output of `node` this is
  uint32_t objects = 0;       // Python objects that stand for it; guarded by the GIL
  uint64_t recording = 0;     // which recording `recorded` belongs to
  uint64_t vmap = 0;          // the number of the vmap inside which this stands for one element of `batch`
  Ref<TensorImpl> batch;      // set inside a vmap: its first axis counts the elements; this tensor has no memory itself
  Ref<TapeNode> node;
  Dims shape;
  Dims strides;               // in elements; 0 repeats, may be negative
};

// A handle; copies share. A default one is "undefined" (no gradient came, no such argument).
class Tensor {
 public:
  Tensor() = default;
  explicit Tensor(Ref<TensorImpl> impl) : impl_(std::move(impl)) {}
  // Fresh memory, contiguous, not written yet.
  static Tensor empty(Dims shape, DType dtype, Device* device);
  // Shape, dtype and device without a value.
  static Tensor description(Dims shape, DType dtype, Device* device);
  // Another look into this tensor's storage; knows nothing of autograd.
  Tensor alias(Dims shape, Dims strides, int64_t offset) const;
  // The same value, apart from autograd.
  Tensor detach() const { return impl_->batch ? detached_batch() : alias(shape(), strides(), impl_->offset); }
  // One element of a batch whose elements lie along the first axis of `batch`, inside the vmap of that number.
  static Tensor element_of(Tensor batch, uint64_t vmap);
  bool is_batched() const { return static_cast<bool>(impl_->batch); }
  // REQUIRES: is_batched().
  Tensor batch() const { return Tensor(impl_->batch); }

  bool defined() const { return static_cast<bool>(impl_); }
  TensorImpl* operator->() const { return impl_.get(); }
  TensorImpl* get() const { return impl_.get(); }
  Ref<TensorImpl>&& take() { return std::move(impl_); }
  const Dims& shape() const { return impl_->shape; }
  const Dims& strides() const { return impl_->strides; }
  int64_t ndim() const { return static_cast<int64_t>(impl_->shape.size()); }
  int64_t size(int64_t axis) const { return impl_->shape[static_cast<size_t>(axis)]; }  // axis >= 0
  int64_t count() const { return impl_->count; }
  DType dtype() const { return impl_->dtype; }
  Device* device() const { return impl_->device; }
  bool contiguous() const { return impl_->contiguous; }
  bool requires_grad() const { return impl_->requires_grad; }
  bool has_value() const { return impl_->storage || (impl_->count == 0 && impl_->recorded < 0); }
  // Changes with each write into the memory, be it only recorded.
  uint32_t version() const {
    const uint32_t written = impl_->storage ? impl_->storage->version.load(std::memory_order_relaxed) : 0;
    return thread_state.recorder ? written + recorded_writes() : written;
  }
  // First byte, if the host may read the memory. REQUIRES: device()->host_memory(), has_value().
  void* host_data() const {
    return static_cast<char*>(impl_->storage->host) + impl_->offset * static_cast<int64_t>(size_of(impl_->dtype));
  }

 private:
  Tensor detached_batch() const;
  uint32_t recorded_writes() const;
  Ref<TensorImpl> impl_;
};

}  // namespace flambeau
