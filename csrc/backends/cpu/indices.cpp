// indices.cpp: indices from any integer tensor, checked all before one is used.
#include "indices.h"

#include <cinttypes>
#include <string>

namespace flambeau::cpu {

const int64_t* read_indices(const char* op, const fl_tensor& indices, int64_t size, int64_t axis, bool from_zero, fl_status& status) {
  static constexpr int64_t kNone = 0;
  const Type type = type_of(indices.dtype);
  const int64_t n = count_of(indices);
  if (n == 0) return &kNone;
  const auto scratch = [&](int64_t bytes) {
    void* memory = host->scratch(size_t(n * bytes));
    if (!memory) status = fail(FL_OUT_OF_MEMORY, "%s: no memory for the indices", op);
    return memory;
  };
  int64_t* own = nullptr;
  const void* raw = data_of(indices);
  if (!is_contiguous(indices)) {
    void* copy = scratch(size_of(type));
    if (!copy) return nullptr;
    copy_to_contiguous(indices, copy);
    raw = copy;
    if (type == Type::Int64) own = static_cast<int64_t*>(copy);
  }
  if (type != Type::Int64) {
    own = static_cast<int64_t*>(scratch(sizeof(int64_t)));
    if (!own) return nullptr;
    convert(type, Type::Int64)(&raw, own, n);
    raw = own;
  }
  const int64_t* index = static_cast<const int64_t*>(raw);

  // Sign bits of what must not be negative, gathered without branches; those that do not fit int64 wrap around to one.
  const uint64_t last = uint64_t(size - 1), back = from_zero || type == Type::UInt64 ? 0 : uint64_t(size);
  uint64_t outside = 0, negative = 0;
  for (int64_t i = 0; i < n; ++i) {
    const uint64_t each = uint64_t(index[i]);
    outside |= (last - each) | (each + back);
    negative |= each;
  }
  if (outside >> 63) {
    const int64_t lowest = -int64_t(back);
    for (int64_t i = 0; i < n; ++i) {
      if (index[i] >= lowest && index[i] < size) continue;
      const std::string told = type == Type::UInt64 ? std::to_string(uint64_t(index[i])) : std::to_string(index[i]);
      status = fail(FL_BAD_INDEX,
                    "%s: index %s is out of range for axis %" PRId64 ", which is %" PRId64
                    " long: indices go from %" PRId64 " to %" PRId64,
                    op, told.c_str(), axis, size, lowest, size - 1);
      return nullptr;
    }
  }
  if (!(negative >> 63)) return index;
  if (!own) own = static_cast<int64_t*>(scratch(sizeof(int64_t)));
  if (!own) return nullptr;
  for (int64_t i = 0; i < n; ++i) own[i] = index[i] + (size & (index[i] >> 63));
  return own;
}

}  // namespace flambeau::cpu
