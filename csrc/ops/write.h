// Writing into memory that a tensor has already.
#pragma once

#include <span>
#include <string_view>

#include "core/op.h"

namespace flambeau::ops {

// Raises, naming `doing`, if x's memory cannot take a write: it is read-only, or some elements are one and the same.
void require_writable(std::string_view doing, const Tensor& x);

// Whether a write into one may change what the other reads: their memory is one, or was given by others and lies over it.
bool shares_memory(const Tensor& a, const Tensor& b);

// Copies the contiguous elements at `source`, each of `size` bytes, to those of this shape and these strides from `base` on.
void write_elements(char* base, std::span<const int64_t> shape, std::span<const int64_t> strides, size_t size, const char* source);

// Writes `values` (x's shape and dtype, on x's device) into x's memory, which may be any view and may overlap them, and
// counts the write. REQUIRES: x has a value, require_writable().
void write_into(const Tensor& x, const Tensor& values);

// Computes a pointwise row straight into the memory of inputs[0] and counts the write. Gives false, and does nothing,
// where that is not the same as computing first and writing then.
bool compute_into(const OpRow& row, Inputs inputs);

}  // namespace flambeau::ops
