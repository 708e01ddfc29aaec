// Keeps memory that was freed for the next tensor: fresh pages cost more than most arithmetic.
#pragma once

#include <cstdint>
#include <vector>

#include <flambeau/backend.h>

#include "core/spin_lock.h"

namespace flambeau {

class Device;

struct MemoryFigures {
  uint64_t used_bytes = 0;    // in tensors now
  uint64_t cached_bytes = 0;  // kept for reuse
  uint64_t peak_bytes = 0;    // most that was in tensors at once
  uint64_t allocations = 0;   // calls to the backend
  uint64_t reuses = 0;        // requests served from the cache
  uint64_t blocks = 0;        // in tensors now
  uint64_t peak_blocks = 0;
  uint64_t total_bytes = 0;   // given to tensors since the start
  uint64_t peak_reserved_bytes = 0;  // most that was used and cached at once
  uint64_t returned_blocks = 0;  // calls to the backend that gave memory back
  uint64_t retries = 0;       // requests that needed a trim first
  uint64_t failures = 0;      // requests that ended in MemoryError
};

struct Block {
  fl_memory memory;
  void* host;  // null if the host cannot read it
};

// Size classes: multiples of 64 up to 512 bytes, then four steps to each power of two (at most a fifth is wasted).
uint32_t size_class(uint64_t bytes);
uint64_t class_bytes(uint32_t size_class);

class Allocator {
 public:
  explicit Allocator(Device& device);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // A block of class_bytes(size_class), aligned to 64 at least. Trims and tries again before it raises MemoryError.
  Block allocate(uint32_t size_class);
  // Gives the block back for reuse. Blocks are kept until `trim`, or until more than `limit` bytes are kept.
  void release(uint32_t size_class, Block block);
  // Returns what is kept to the backend; gives the bytes returned.
  uint64_t trim();
  MemoryFigures figures() const;
  // Peaks are what is there now from here on.
  void reset_peaks();

  // Around fork(): a child must not find a lock that a thread of its parent held.
  void lock() { lock_.lock(); }
  void unlock() { lock_.unlock(); }

 private:
  static constexpr uint32_t kClasses = 256;
  Device& device_;
  mutable SpinLock lock_;
  std::vector<Block> free_[kClasses];
  MemoryFigures figures_;
  uint64_t limit_ = 0;  // 0: a quarter of the device's memory, settled at first use
};

}  // namespace flambeau
