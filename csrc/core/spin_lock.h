// A lock that costs one atomic exchange.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

namespace flambeau {

// Held for some instructions: nothing is computed or waited for under it. Who finds it held for long sleeps, so that a
// holder whom the system has put to sleep gets the processor even where it ranks below the one who waits.
class SpinLock {
 public:
  void lock() noexcept {
    for (int tries = 0; held_.exchange(true, std::memory_order_acquire); ++tries) {
      if (tries < 64) std::this_thread::yield();
      else std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  void unlock() noexcept { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace flambeau
