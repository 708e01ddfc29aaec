// What each thread keeps: one small block, found without a call.
#pragma once

#include <cstdint>

namespace flambeau {

class Recorder;
class Device;

struct FreeList {
  void* head = nullptr;
  uint32_t length = 0;
};

struct ThreadState {
  Recorder* recorder = nullptr;
  Device* device = nullptr;  // of ops without inputs; null is the CPU
  bool grad_off = false;
  bool in_parallel = false;  // inside a piece of parallel_for
  bool destroying = false;   // a TapeNode is being destroyed further up the stack
  bool reaper_armed = false;
  bool scratch_used = false;
  FreeList impls;
  FreeList storages;
  FreeList nodes;
};

// Not initial-exec, which would be some nanoseconds faster: the loader keeps few bytes for such and an import fails
// when other libraries have taken them.
extern constinit thread_local ThreadState thread_state;

// A free list of equal blocks. Empties itself when the thread ends.
void* list_allocate(FreeList& list, size_t bytes);
void list_release(FreeList& list, void* block) noexcept;

}  // namespace flambeau
