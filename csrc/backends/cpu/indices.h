// indices.h: indices that are read from a tensor, for ops that choose elements by them.
#pragma once

#include "cpu.h"

namespace flambeau::cpu {

// All indices, contiguous and from 0 to size - 1: the tensor's own memory where they lie so already. Null after the
// failure has been told. `from_zero`: those from the end (-size to -1) are out of range too.
const int64_t* read_indices(const char* op, const fl_tensor& indices, int64_t size, int64_t axis, bool from_zero, fl_status& status);

}  // namespace flambeau::cpu
