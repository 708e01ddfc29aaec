// One adapter with its device, its queue and the batch of dispatches that waits to be submitted.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "api.h"
#include "flambeau/backend.h"

namespace flambeau::webgpu {

extern const fl_host* host;

fl_status fail(fl_status status, const std::string& text);

// A storage buffer: what stands behind an fl_memory.
struct Buffer {
  api::BufferHandle* handle;
  uint64_t size; // a multiple of 4
};

// A compute pipeline, made from its WGSL text at the first dispatch.
struct Program {
  std::string op;
  std::string text;
  api::PipelineHandle* pipeline = nullptr;
  api::BindGroupLayoutHandle* layout = nullptr;
};

struct Groups {
  uint32_t x = 1, y = 1, z = 1;
};

class Device {
 public:
  Device(const api::Library& library, api::AdapterHandle* adapter);

  fl_status describe(fl_device_info* info) const;
  fl_status allocate(uint64_t bytes, fl_memory* memory);
  void release(fl_memory memory);
  fl_status copy_from_host(fl_memory to, uint64_t offset, const void* from, uint64_t bytes);
  fl_status copy_to_host(void* to, fl_memory from, uint64_t offset, uint64_t bytes);
  fl_status copy(fl_memory to, uint64_t to_offset, fl_memory from, uint64_t from_offset, uint64_t bytes);
  fl_status synchronize();

  // The program with this text, which lives as long as the device; not compiled yet.
  Program* program(const std::string& op, const std::string& text);

  // Adds one dispatch to the batch: binding 0 is `parameters`, then `memories`, then, if the program reports bad
  // indices, the buffer for that: `parameters` then ends with the place to report to, added here.
  // A null memory (a tensor without elements that no thread looks at) is bound to a small buffer of its own.
  fl_status dispatch(Program& program, std::span<const int32_t> parameters, std::span<const fl_memory> memories,
                     Groups groups, bool reports_indices = false);

  // A buffer of kPartialResults pairs of i32 for launches that belong together, which hold() keeps together.
  static constexpr int64_t kPartialResults = 4096;
  fl_status partial_results(fl_memory* memory);
  std::unique_lock<std::recursive_mutex> hold() { return std::unique_lock(lock_); }

  // Workgroups of `size` threads for n of them: x up to the limit, the rest in y.
  Groups groups_for(int64_t n, int64_t size) const;

  bool is_cpu() const { return adapter_type_ == api::kAdapterCpu; }

 private:
  fl_status open(); // makes the device at first use
  fl_status compile(Program& program);
  fl_status flush();
  fl_status wait();
  fl_status take_failure();
  fl_status read(void* to, api::BufferHandle* from, uint64_t offset, uint64_t bytes); // multiples of 4
  fl_status check_indices();
  api::BufferHandle* make_buffer(uint64_t bytes, uint64_t usage, const char* label);
  static void on_error(api::DeviceHandle* const*, uint32_t type, api::Text message, void* self, void*);

  struct Check { // a dispatch that may have met an index out of range
    std::string op;
    uint32_t slot;
  };

  const api::Library& wgpu_;
  api::AdapterHandle* adapter_;
  api::Limits limits_{};
  std::string name_, driver_;
  uint32_t adapter_type_ = 0;
  mutable std::recursive_mutex lock_;
  api::DeviceHandle* device_ = nullptr;
  api::QueueHandle* queue_ = nullptr;
  api::BufferHandle* parameters_ = nullptr;
  api::BufferHandle* reports_ = nullptr;
  api::BufferHandle* nothing_ = nullptr;
  Buffer partial_{nullptr, kPartialResults * 8};
  api::BufferHandle* staging_ = nullptr;
  uint64_t staging_size_ = 0;
  api::EncoderHandle* encoder_ = nullptr;
  api::PassHandle* pass_ = nullptr;
  std::vector<unsigned char> pending_parameters_;
  int pending_ = 0;
  std::vector<Check> checks_;
  std::map<std::string, std::unique_ptr<Program>> programs_;
  std::string failure_;
};

} // namespace flambeau::webgpu
