// Autocast: ops of this thread take their inputs in the dtypes that their rows' policies name.
#pragma once

#include "core/dtype.h"
#include "core/thread_state.h"

namespace flambeau {

struct AutocastMode {
  bool enabled = false;
  DType dtype = DType::BFloat16;  // what Autocast::Lower casts to: BFloat16 or Float16
  bool cached = true;             // casts of leaves are kept until the outermost mode is left
};

// The mode of this thread; not enabled while a NoAutocast lives.
AutocastMode autocast_mode();
// Gives the mode before, for leave_autocast().
AutocastMode enter_autocast(AutocastMode mode);
void leave_autocast(AutocastMode before);

// While one lives, ops of this thread run in the dtypes that they are given.
class NoAutocast {
 public:
  NoAutocast() : before_(thread_state.detour & kDetourAutocast) {
    thread_state.detour &= static_cast<uint8_t>(~kDetourAutocast);
  }
  ~NoAutocast() { thread_state.detour |= before_; }
  NoAutocast(const NoAutocast&) = delete;
  NoAutocast& operator=(const NoAutocast&) = delete;

 private:
  uint8_t before_;
};

}  // namespace flambeau
