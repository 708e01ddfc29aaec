// vmap: while one is entered, tensors of this thread may stand for one element of a batch. Ops on them run on the whole
// batch by the rules in batching.h; nothing above apply() notices.
#pragma once

#include <span>
#include <vector>

#include "core/apply.h"

namespace flambeau::ops {

// What random functions do inside: raise, draw for each element, or draw once for all.
enum class Randomness : uint8_t { Error, Different, Same };

struct VmapLevel {
  uint64_t number;   // unlike any other's, rising
  int64_t size;      // elements of the batch
  Randomness randomness;
};

// Those that this thread is inside of, the outermost first.
std::span<const VmapLevel> vmap_levels();
uint64_t enter_vmap(int64_t size, Randomness randomness);
// REQUIRES: it is the innermost.
void leave_vmap(uint64_t number);

// While one lives, this thread is inside of no vmap.
class OutsideVmaps {
 public:
  OutsideVmaps();
  ~OutsideVmaps();
  OutsideVmaps(const OutsideVmaps&) = delete;
  OutsideVmaps& operator=(const OutsideVmaps&) = delete;

 private:
  std::vector<VmapLevel> before_;
};

// One element of `batch`, whose first axis counts the elements of the vmap of that number.
Tensor element_of(const Tensor& batch, uint64_t number);
// The levels from place `first` (0: the outermost) to the innermost become leading axes, the outermost of them first;
// where x is the same for all elements it is repeated without a copy.
Tensor without_levels(const Tensor& x, size_t first);
// The opposite: as many leading axes as there are levels from place `first` on become those levels.
Tensor with_levels(const Tensor& x, size_t first);
// The `count` outermost levels become leading axes, and the others stay levels; and the opposite. What was recorded on
// the tape when only those levels were entered has this form.
Tensor without_outer_levels(const Tensor& x, size_t count);
Tensor with_outer_levels(const Tensor& x, size_t count);

}  // namespace flambeau::ops
