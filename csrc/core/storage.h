// A piece of a device's memory, shared by the tensors that look into it.
#pragma once

#include <atomic>
#include <cstdint>

#include "core/ref.h"
#include <flambeau/backend.h>

namespace flambeau {

class Device;

class Storage : public RefCounted<Storage> {
 public:
  // Memory from the device's caching allocator. Raises MemoryError.
  static Ref<Storage> allocate(Device* device, uint64_t bytes);
  // Somebody else's memory (NumPy, DLPack); `release_owner(owner)` runs when the last tensor goes.
  static Ref<Storage> borrow(Device* device, void* base, uint64_t bytes, void* owner, void (*release_owner)(void*));
  static void destroy(Storage* storage);
  bool borrowed() const { return release_owner_ != nullptr; }

  Device* device = nullptr;
  fl_memory memory = nullptr;
  void* host = nullptr;    // the first byte, if the host may read it; else null
  uint64_t bytes = 0;      // usable
  uint32_t size_class = 0; // of the allocator
  bool read_only = false;
  // Counts in-place writes: what autograd saved must not have changed since.
  std::atomic<uint32_t> version{0};

 private:
  Storage() = default;
  void* owner_ = nullptr;
  void (*release_owner_)(void*) = nullptr;
};

}  // namespace flambeau
