// A lock that costs one atomic exchange.
#pragma once

#include <atomic>
#include <thread>

namespace flambeau {

// Held for some instructions: nothing is computed or waited for under it.
class SpinLock {
 public:
  void lock() noexcept {
    while (held_.exchange(true, std::memory_order_acquire)) std::this_thread::yield();
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace flambeau
