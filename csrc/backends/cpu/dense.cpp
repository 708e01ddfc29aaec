#include "dense.h"

#include <algorithm>
#include <cstdlib>
#include <memory>

namespace flambeau::cpu {
namespace {

void convert_all(Type from_type, Type to_type, const char* from, char* to, int64_t n) {
  const Loop convert = level->convert(from_type, to_type);
  const int64_t narrow = size_of(from_type), wide = size_of(to_type);
  parallel_for(n, 32 * kBlock, [&](int64_t begin, int64_t end) {
    const void* input[] = {from + begin * narrow};
    convert(input, to + begin * wide, end - begin);
  });
}

}  // namespace

const char* dense(const fl_tensor& x, Type type) {
  const Type computed = compute_type(type);
  const int64_t n = count_of(x);
  const char* from = data_of(x);
  if (n && !is_contiguous(x)) {
    char* copy = static_cast<char*>(host->scratch(size_t(n * size_of(type))));
    if (!copy) return nullptr;
    copy_to_contiguous(x, copy);
    from = copy;
  }
  if (computed == type) return n ? from : reinterpret_cast<const char*>(&kBlock);  // any address: nothing is read
  char* to = static_cast<char*>(host->scratch(size_t(n * size_of(computed) + 1)));
  if (to) convert_all(type, computed, from, to, n);
  return to;
}

Result::Result(const fl_tensor& out, Type type) : out_(out), type_(type), data_(data_of(out)) {
  if (compute_type(type) != type) data_ = static_cast<char*>(host->scratch(size_t(count_of(out) * 4 + 1)));
  static char nothing[64];
  if (!data_ && count_of(out) == 0) data_ = nothing;
}

void Result::store() const {
  if (compute_type(type_) != type_) convert_all(compute_type(type_), type_, data_, data_of(out_), count_of(out_));
}

void* piece_scratch(size_t bytes) {
  struct Free {
    void operator()(void* memory) const { std::free(memory); }
  };
  thread_local std::unique_ptr<void, Free> memory;
  thread_local size_t held = 0;
  if (!memory || bytes > held) {
    memory.reset();
    held = 0;
    void* more = nullptr;
    if (posix_memalign(&more, 64, std::max<size_t>(1, bytes)) != 0) return nullptr;
    memory.reset(more);
    held = bytes;
  }
  return memory.get();
}

}  // namespace flambeau::cpu
