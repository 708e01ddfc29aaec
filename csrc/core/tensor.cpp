#include "core/tensor.h"

#include <cstdlib>
#include <new>
#include <vector>

#include "core/allocator.h"
#include "core/profile.h"
#include "core/thread_state.h"

namespace flambeau {

constinit thread_local ThreadState thread_state;

namespace {

constexpr uint32_t kKept = 256;

void empty_list(FreeList& list) noexcept {
  while (list.head) {
    void* block = list.head;
    list.head = *static_cast<void**>(block);
    std::free(block);
  }
  list.length = kKept;  // whatever is still released in this thread goes to free()
}

struct Reaper {
  ~Reaper() {
    empty_list(thread_state.impls);
    empty_list(thread_state.storages);
    empty_list(thread_state.nodes);
  }
};

void arm_reaper() {
  static thread_local Reaper reaper;
  (void)reaper;
  thread_state.reaper_armed = true;
}

}  // namespace

void* list_allocate(FreeList& list, size_t bytes) {
  if (list.head) {
    void* block = list.head;
    list.head = *static_cast<void**>(block);
    --list.length;
    return block;
  }
  void* block = std::malloc(bytes);
  if (!block) throw std::bad_alloc();
  return block;
}

void list_release(FreeList& list, void* block) noexcept {
  if (list.length >= kKept) { std::free(block); return; }
  if (!thread_state.reaper_armed) arm_reaper();
  *static_cast<void**>(block) = list.head;
  list.head = block;
  ++list.length;
}

// ---- storage ----

Ref<Storage> Storage::allocate(Device* device, uint64_t bytes) {
  const uint32_t size_class = flambeau::size_class(bytes);
  const Block block = device->allocator().allocate(size_class);
  void* place = list_allocate(thread_state.storages, sizeof(Storage));
  auto* storage = new (place) Storage();
  storage->device = device;
  storage->memory = block.memory;
  storage->host = block.host;
  storage->bytes = class_bytes(size_class);
  storage->size_class = size_class;
  if (profiling()) [[unlikely]] note_memory(device, static_cast<int64_t>(storage->bytes));
  return Ref<Storage>::adopt(storage);
}

Ref<Storage> Storage::borrow(Device* device, void* base, uint64_t bytes, void* owner, void (*release_owner)(void*)) {
  void* place = list_allocate(thread_state.storages, sizeof(Storage));
  auto* storage = new (place) Storage();
  storage->device = device;
  storage->memory = static_cast<fl_memory>(base);
  storage->host = device->host_memory() ? base : nullptr;
  storage->bytes = bytes;
  storage->owner_ = owner;
  storage->release_owner_ = release_owner;
  return Ref<Storage>::adopt(storage);
}

void Storage::destroy(Storage* storage) {
  if (storage->release_owner_) {
    storage->release_owner_(storage->owner_);
  } else {
    if (profiling()) [[unlikely]] note_memory(storage->device, -static_cast<int64_t>(storage->bytes));
    storage->device->allocator().release(storage->size_class, {storage->memory, storage->host});
  }
  storage->~Storage();
  list_release(thread_state.storages, storage);
}

// ---- tensors ----

void* TensorImpl::operator new(size_t bytes) { return list_allocate(thread_state.impls, bytes); }
void TensorImpl::operator delete(void* block) noexcept { list_release(thread_state.impls, block); }
void TensorImpl::destroy(TensorImpl* impl) { delete impl; }

void TapeNode::destroy(TapeNode* node) {
  // A chain of a million nodes would otherwise take a million stack frames: those that die while another is being
  // destroyed wait in this list.
  static thread_local std::vector<TapeNode*> waiting;
  if (thread_state.destroying) { waiting.push_back(node); return; }
  thread_state.destroying = true;
  delete node;
  while (!waiting.empty()) {
    TapeNode* next = waiting.back();
    waiting.pop_back();
    delete next;
  }
  thread_state.destroying = false;
}

Tensor Tensor::description(Dims shape, DType dtype, Device* device) {
  auto impl = Ref<TensorImpl>::adopt(new TensorImpl());
  impl->count = count_of(shape);
  impl->strides = contiguous_strides(shape);
  impl->shape = std::move(shape);
  impl->dtype = dtype;
  impl->device = device;
  return Tensor(std::move(impl));
}

Tensor Tensor::empty(Dims shape, DType dtype, Device* device) {
  if (!device->stores(dtype)) {
    std::string has;
    for (int i = 0; i < kDTypeCount; ++i)
      if (device->stores(static_cast<DType>(i))) has += (has.empty() ? "" : ", ") + std::string(name_of(static_cast<DType>(i)));
    raise(ErrorKind::DType, device->name(), " does not store ", dtype, "; it has ", has);
  }
  Tensor tensor = description(std::move(shape), dtype, device);
  if (tensor.count() > 0) tensor->storage = Storage::allocate(device, static_cast<uint64_t>(tensor.count()) * size_of(dtype));
  return tensor;
}

Tensor Tensor::element_of(Tensor batch, uint64_t vmap) {
  Dims shape = batch.shape();
  shape.erase(0);
  Tensor x = description(std::move(shape), batch.dtype(), batch.device());
  x->vmap = vmap;
  x->requires_grad = batch.requires_grad();  // shown to the user; the tape hangs on the batch
  x->batch = batch.take();
  return x;
}

Tensor Tensor::detached_batch() const {
  Tensor x = element_of(batch().detach(), impl_->vmap);
  x->is_view = impl_->is_view = true;
  return x;
}

Tensor Tensor::alias(Dims shape, Dims strides, int64_t offset) const {
  auto impl = Ref<TensorImpl>::adopt(new TensorImpl());
  impl->storage = impl_->storage;
  impl->offset = offset;
  impl->count = count_of(shape);
  impl->device = impl_->device;
  impl->dtype = impl_->dtype;
  impl->contiguous = flambeau::is_contiguous(shape, strides);
  impl->is_view = impl_->is_view;
  impl->recorded = impl_->recorded;
  impl->recording = impl_->recording;
  impl->shape = std::move(shape);
  impl->strides = std::move(strides);
  return Tensor(std::move(impl));
}

}  // namespace flambeau
