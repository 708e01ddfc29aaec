#include "core/allocator.h"

#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

#include "core/device.h"
#include "core/error.h"

namespace flambeau {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;

// A fresh 40 MB result takes 9,766 page faults with 4 kB pages and 20 with huge ones.
void ask_for_huge_pages(void* begin, uint64_t bytes) {
#ifdef MADV_HUGEPAGE
  const auto from = (reinterpret_cast<uintptr_t>(begin) + kHugePage - 1) / kHugePage * kHugePage;
  const auto to = (reinterpret_cast<uintptr_t>(begin) + bytes) / kHugePage * kHugePage;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#else
  (void)begin, (void)bytes;
#endif
}

uint64_t host_memory_bytes() {
  const auto pages = sysconf(_SC_PHYS_PAGES);
  const auto page = sysconf(_SC_PAGE_SIZE);
  return pages > 0 && page > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page) : uint64_t{4} << 30;
}

void unlock_all();

// All allocators, for fork().
struct All {
  std::mutex mutex;
  std::vector<Allocator*> list;
};

All& all() {
  static All* made = [] {
    pthread_atfork(
        [] {
          all().mutex.lock();
          for (Allocator* allocator : all().list) allocator->lock();
        },
        [] { unlock_all(); }, [] { unlock_all(); });
    return new All();
  }();
  return *made;
}

void unlock_all() {
  for (Allocator* allocator : all().list) allocator->unlock();
  all().mutex.unlock();
}

}  // namespace

Allocator::Allocator(Device& device) : device_(device) {
  std::lock_guard lock(all().mutex);
  all().list.push_back(this);
}

Allocator::~Allocator() {
  std::lock_guard lock(all().mutex);
  std::erase(all().list, this);
}

uint32_t size_class(uint64_t bytes) {
  if (bytes <= 512) return bytes == 0 ? 0 : static_cast<uint32_t>((bytes - 1) / 64);  // 0 to 7
  const auto power = static_cast<uint32_t>(63 - std::countl_zero(bytes - 1));  // 2^power <= bytes - 1
  const uint64_t step = uint64_t{1} << (power - 2);
  const auto quarter = static_cast<uint32_t>((bytes - 1 - (uint64_t{1} << power)) / step);
  return 8 + (power - 9) * 4 + quarter;
}

uint64_t class_bytes(uint32_t size_class) {
  if (size_class < 8) return (size_class + 1) * 64u;
  const uint32_t power = 9 + (size_class - 8) / 4;
  const uint32_t quarter = (size_class - 8) % 4;
  return (uint64_t{1} << power) + (quarter + 1) * (uint64_t{1} << (power - 2));
}

Block Allocator::allocate(uint32_t size_class) {
  const uint64_t bytes = class_bytes(size_class);
  {
    const std::lock_guard lock(lock_);
    figures_.used_bytes += bytes;
    figures_.total_bytes += bytes;
    if (figures_.used_bytes > figures_.peak_bytes) figures_.peak_bytes = figures_.used_bytes;
    if (++figures_.blocks > figures_.peak_blocks) figures_.peak_blocks = figures_.blocks;
    auto& kept = free_[size_class];
    if (!kept.empty()) {
      const Block block = kept.back();
      kept.pop_back();
      figures_.cached_bytes -= bytes;
      ++figures_.reuses;
      return block;
    }
    ++figures_.allocations;
    figures_.peak_reserved_bytes = std::max(figures_.peak_reserved_bytes, figures_.used_bytes + figures_.cached_bytes);
  }
  const fl_backend* backend = device_.backend();
  fl_memory memory = nullptr;
  fl_status status = backend->allocate(device_.index(), bytes, &memory);
  if (status == FL_OUT_OF_MEMORY && trim() > 0) {
    take_failure();
    {
      const std::lock_guard lock(lock_);
      ++figures_.retries;
    }
    status = backend->allocate(device_.index(), bytes, &memory);
  }
  if (status != FL_OK) {
    uint64_t used = 0;
    {
      const std::lock_guard lock(lock_);
      used = figures_.used_bytes -= bytes;
      figures_.total_bytes -= bytes;
      --figures_.blocks;
      ++figures_.failures;
    }
    if (status != FL_OUT_OF_MEMORY) raise_status(status, device_, "allocating memory");
    take_failure();
    raise(ErrorKind::Memory, device_.name(), ": no memory for ", bytes, " bytes more; tensors hold ", used,
          " bytes now; free some (del x) or work in smaller batches");
  }
  Block block{memory, nullptr};
  if (device_.host_memory()) {
    block.host = backend->host_pointer(device_.index(), memory);
    if (bytes >= kHugePage) ask_for_huge_pages(block.host, bytes);
  }
  return block;
}

void Allocator::release(uint32_t size_class, Block block) {
  const uint64_t bytes = class_bytes(size_class);
  bool full = false;
  {
    const std::lock_guard lock(lock_);
    if (limit_ == 0) {
      const uint64_t memory = device_.info().memory_bytes;
      limit_ = (memory ? memory : host_memory_bytes()) / 4;
    }
    figures_.used_bytes -= bytes;
    --figures_.blocks;
    free_[size_class].push_back(block);
    figures_.cached_bytes += bytes;
    full = figures_.cached_bytes > limit_;
  }
  if (full) trim();
}

uint64_t Allocator::trim() {
  std::vector<Block> taken[kClasses];  // swapped: a trim that no memory is left for asks for none
  uint64_t bytes = 0, count = 0;
  {
    const std::lock_guard lock(lock_);
    for (uint32_t i = 0; i < kClasses; ++i) {
      taken[i].swap(free_[i]);
      count += taken[i].size();
    }
    bytes = std::exchange(figures_.cached_bytes, 0);
    figures_.returned_blocks += count;
  }
  // Work that was launched may still use what its tensors gave back. What it reports comes at the user's next
  // synchronize: a trim may run where nothing can be raised.
  if (device_.runs_ahead() && count > 0) device_.backend()->stream_synchronize(device_.index(), nullptr);
  for (const auto& blocks : taken)
    for (const Block& block : blocks) device_.backend()->release(device_.index(), block.memory);
  return bytes;
}

void Allocator::reset_peaks() {
  const std::lock_guard lock(lock_);
  figures_.peak_bytes = figures_.used_bytes;
  figures_.peak_blocks = figures_.blocks;
  figures_.peak_reserved_bytes = figures_.used_bytes + figures_.cached_bytes;
}

MemoryFigures Allocator::figures() const {
  const std::lock_guard lock(lock_);
  return figures_;
}

}  // namespace flambeau
