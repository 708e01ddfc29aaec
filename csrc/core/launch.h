// From tensors to a backend's kernel: the C structures of a call, merged dimensions, the CPU as a fallback.
#pragma once

#include "core/op.h"

namespace flambeau {

// Runs the device's kernel for this row into `outputs`, which have memory. Gives false, and runs nothing, if the
// backend has no kernel that claims the call. Raises what the kernel reports.
bool launch(const OpRow& row, Device* device, Inputs inputs, Attrs attrs, std::span<const Tensor> outputs);

// The same on the CPU with copies there and back, if allow_fallback() permits; else raises NotImplementedError.
void launch_on_cpu(const OpRow& row, Device* device, Inputs inputs, Attrs attrs, std::span<const Tensor> outputs);

}  // namespace flambeau
