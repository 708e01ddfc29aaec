// The WebGPU backend's table: adapters found through wgpu-native, kernels looked up by family.
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "wgsl.h"

namespace flambeau::webgpu {
namespace {

struct Kernel {
  fl_kernel base{};
  Run run;
};

struct Adapters {
  std::vector<std::unique_ptr<Device>> devices;
  std::string problem;
};

Adapters find_adapters() {
  Adapters found;
  const char* problem = "";
  const api::Library* wgpu = api::library(&problem);
  if (!wgpu) {
    found.problem = problem;
    return found;
  }
  api::InstanceExtras extras{};
  extras.chain.type = api::kChainInstanceExtras;
  extras.backends = api::kBackendsPrimary;
  extras.flags = api::kInstanceFlagDefault;
  const api::InstanceOptions instance_options{&extras.chain, 0, nullptr, nullptr};
  api::InstanceHandle* instance = wgpu->CreateInstance(&instance_options);
  const api::EnumerateOptions options{nullptr, api::kBackendsPrimary};
  std::vector<api::AdapterHandle*> handles(wgpu->InstanceEnumerateAdapters(instance, &options, nullptr));
  wgpu->InstanceEnumerateAdapters(instance, &options, handles.data());
  for (api::AdapterHandle* handle : handles) found.devices.push_back(std::make_unique<Device>(*wgpu, handle));
  std::stable_sort(found.devices.begin(), found.devices.end(),
                   [](const auto& a, const auto& b) { return a->is_cpu() < b->is_cpu(); }); // real hardware first
  if (found.devices.empty())
    found.problem = "webgpu: no adapter; install a Vulkan driver (Mesa's mesa-vulkan-drivers computes on the CPU)";
  return found;
}

// Kept until the process ends and never destroyed: drivers have threads of their own that may end earlier.
Adapters& adapters() {
  static auto* found = new Adapters(find_adapters());
  return *found;
}

Device& device_at(int32_t index) { return *adapters().devices[static_cast<size_t>(index)]; }

int32_t device_count() {
  if (adapters().devices.empty()) host->fail(adapters().problem.c_str());
  return static_cast<int32_t>(adapters().devices.size());
}

fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
  return static_cast<Kernel*>(self->state)->run(*call);
}

int32_t claims(const fl_kernel*, const fl_call* signature) {
  auto small = [](const fl_tensor* tensors, int32_t count) {
    return std::all_of(tensors, tensors + count, [](const fl_tensor& tensor) { return tensor.ndim <= kMaxDimensions; });
  };
  return small(signature->inputs, signature->input_count) && small(signature->outputs, signature->output_count);
}

const fl_kernel* resolve(int32_t index_, const char* op, int32_t op_version, const fl_dtype* dtypes, int32_t count) {
  if (op_version != 1) return nullptr;
  std::vector<Type> types;
  for (int32_t i = 0; i < count; ++i) {
    types.push_back(type_of(dtypes[i]));
    if (types.back() == Type::None) return nullptr;
  }
  for (Family family : {elementwise, reduce, matmul, index, create, optimizer}) {
    Run answer = family(device_at(index_), op, types);
    if (!answer) continue;
    auto* kernel = new Kernel{{}, std::move(answer)}; // kept by the core for the rest of the process
    kernel->base = {run, claims, kernel};
    return &kernel->base;
  }
  return nullptr;
}

const fl_backend kBackend = [] {
  fl_backend table{};
  table.struct_size = sizeof table;
  table.abi_version = FL_BACKEND_ABI_VERSION;
  table.name = "webgpu";
  table.version = "0.1.0";
  table.device_count = device_count;
  table.describe = [](int32_t device, fl_device_info* info) { return device_at(device).describe(info); };
  table.allocate = [](int32_t device, uint64_t bytes, fl_memory* memory) { return device_at(device).allocate(bytes, memory); };
  table.release = [](int32_t device, fl_memory memory) { device_at(device).release(memory); };
  table.copy_from_host = [](int32_t device, fl_stream, fl_memory to, uint64_t offset, const void* from, uint64_t bytes) {
    return device_at(device).copy_from_host(to, offset, from, bytes);
  };
  table.copy_to_host = [](int32_t device, fl_stream, void* to, fl_memory from, uint64_t offset, uint64_t bytes) {
    return device_at(device).copy_to_host(to, from, offset, bytes);
  };
  table.copy = [](int32_t device, fl_stream, fl_memory to, uint64_t to_offset, fl_memory from, uint64_t from_offset,
                  uint64_t bytes) { return device_at(device).copy(to, to_offset, from, from_offset, bytes); };
  table.stream_synchronize = [](int32_t device, fl_stream) { return device_at(device).synchronize(); };
  table.resolve = resolve;
  return table;
}();

} // namespace
} // namespace flambeau::webgpu

extern "C" const fl_backend* fl_backend_webgpu(const fl_host* host_table) {
  flambeau::webgpu::host = host_table;
  return &flambeau::webgpu::kBackend;
}
