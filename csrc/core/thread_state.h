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

// initial-exec: the module is loaded by dlopen and this block fits in what the loader keeps for such.
extern constinit thread_local ThreadState thread_state __attribute__((tls_model("initial-exec")));

// A free list of equal blocks. Empties itself when the thread ends.
void* list_allocate(FreeList& list, size_t bytes);
void list_release(FreeList& list, void* block) noexcept;

}  // namespace flambeau
