// Devices: backends that were loaded, what they can do, and their kernels.
#pragma once

#include <flambeau/backend.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/dtype.h"

namespace flambeau {

class Allocator;
struct OpRow;

class Device {
 public:
  Device(const fl_backend* backend, int32_t index, std::string name);
  ~Device();

  const std::string& name() const { return name_; }  // "cpu", "webgpu:0"
  const fl_backend* backend() const { return backend_; }
  int32_t index() const { return index_; }
  const fl_device_info& info() const { return info_; }
  bool host_memory() const { return host_memory_; }
  bool runs_ahead() const { return (info_.flags & FL_DEVICE_RUNS_AHEAD) != 0; }
  bool stores(DType dtype) const { return contains(dtypes_, dtype); }
  DTypeSet dtypes() const { return dtypes_; }
  Allocator& allocator() { return *allocator_; }

  // The backend's kernel for this row at these dtypes (see fl_backend.resolve), or null; asked once, then kept.
  const fl_kernel* kernel(const OpRow& row, std::span<const DType> dtypes);
  // Whether the kernel takes this call (fl_kernel.claims); kept per signature.
  bool claims(const fl_kernel* kernel, const fl_call& signature);

  // Waits for everything that was launched; raises what failed late.
  void synchronize();
  void copy_from_host(fl_memory to, uint64_t offset, const void* from, uint64_t bytes);
  void copy_to_host(void* to, fl_memory from, uint64_t offset, uint64_t bytes);

 private:
  struct Kernels;
  const fl_backend* backend_;
  int32_t index_;
  std::string name_;
  fl_device_info info_{};
  bool host_memory_ = false;
  DTypeSet dtypes_ = 0;
  std::unique_ptr<Allocator> allocator_;
  std::unique_ptr<Kernels> kernels_;
};

// What the core offers every backend.
const fl_host& host_table();
// Text that a backend left by host->fail in this thread, taken away; "" if none.
std::string take_failure();
// Raises the error for `status` (anything but FL_OK), saying what was being done.
[[noreturn]] void raise_status(fl_status status, const Device& device, std::string_view doing);

// Every device found so far: those in-tree first ("cpu", "reference"), then those loaded.
std::vector<Device*> devices();
// The in-tree CPU; where everything goes unless said otherwise.
Device* cpu();
// The device of this name; "webgpu" means "webgpu:0". DeviceError lists those that exist and why others do not.
Device* device_named(std::string_view name);
// Loads a vendor's backend from a shared library; gives the names of its devices. DeviceError if it is none.
std::vector<std::string> load_backend(const std::string& path);

// Backends that are here but have no device, each with its reason.
std::vector<std::pair<std::string, std::string>> missing_backends();

// Compute on the CPU what a device does not: off unless allowed, and counted.
void allow_fallback(bool allowed);
bool fallback_allowed();
int64_t fallback_count();

}  // namespace flambeau
