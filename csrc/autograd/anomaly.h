// Anomaly mode: who made the NaN.
#pragma once

#include <span>
#include <string>

#include "core/op.h"
#include "core/thread_state.h"

namespace flambeau {

// Where in the user's program this thread is: "train.py:12 in loss"; empty if nobody can tell.
std::string user_line();
// Whether some tensor has a NaN. Undefined tensors, integers, and values that are only recorded have none.
bool any_nan(std::span<const Tensor> tensors);

// While one lives, ops of this thread run unobserved.
class Unobserved {
 public:
  Unobserved() : detour_(thread_state.detour) { thread_state.detour &= static_cast<uint8_t>(~kDetourAnomaly); }
  ~Unobserved() { thread_state.detour = detour_; }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  uint8_t detour_;
};

}  // namespace flambeau
