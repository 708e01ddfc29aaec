// What each thread keeps: one small block, found without a call.
#pragma once

#include <cstdint>

namespace flambeau {

class Recorder;
class Device;
class Checkpoint;

// What ops of this thread pass before they run.
inline constexpr uint8_t kDetourVmap = 1;
inline constexpr uint8_t kDetourAnomaly = 2;
inline constexpr uint8_t kDetourAutocast = 4;

struct FreeList {
  void* head = nullptr;
  uint32_t length = 0;
};

struct ThreadState {
  Recorder* recorder = nullptr;
  Device* device = nullptr;  // of ops without inputs; null is the CPU
  Checkpoint* checkpoint = nullptr;  // the region that is being computed, for the tape
  bool refilling = false;            // ... for the second time, to find what the tape had not kept
  uint8_t detour = 0;
  bool anomaly = false;              // NaNs are looked for, and nodes keep the user's line
  bool inference = false;            // gradients cannot be switched on
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
