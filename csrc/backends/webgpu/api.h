// The part of wgpu-native's C interface that this backend calls, declared here for release 29 of the library: the
// library is opened at run time and its own header is not needed to build. library.cpp refuses another release,
// because the layouts below are only promised within one.
#pragma once

#include <cstddef>
#include <cstdint>

namespace flambeau::webgpu::api {

constexpr uint32_t kMajorVersion = 29;

struct InstanceHandle;
struct AdapterHandle;
struct DeviceHandle;
struct QueueHandle;
struct BufferHandle;
struct ShaderModuleHandle;
struct PipelineHandle;
struct BindGroupHandle;
struct BindGroupLayoutHandle;
struct EncoderHandle;
struct PassHandle;
struct CommandsHandle;

struct Text { // a string that need not end with zero
  const char* data;
  size_t length;
};

struct Chain {
  Chain* next;
  uint32_t type;
};

constexpr uint32_t kChainWgsl = 2;
constexpr uint32_t kChainInstanceExtras = 0x00030004;
constexpr uint64_t kInstanceFlagDefault = 1u << 24;
constexpr uint32_t kCallbackSpontaneous = 3;
constexpr uint32_t kSuccess = 1;
constexpr uint32_t kAdapterCpu = 3;
constexpr uint64_t kBackendsPrimary = (1u << 0) | (1u << 2) | (1u << 3); // Vulkan, Metal, DX12

enum BufferUsage : uint64_t { kMapRead = 0x1, kCopySource = 0x4, kCopyTarget = 0x8, kStorage = 0x80 };
constexpr uint64_t kMapModeRead = 1;

struct InstanceOptions {
  Chain* next;
  size_t feature_count;
  const uint32_t* features;
  const void* limits;
};

// Which interfaces to open: without this the library also asks for OpenGL and for a Wayland display.
struct InstanceExtras {
  Chain chain;
  uint64_t backends;
  uint64_t flags;
  uint32_t windows_and_gles[3];
  Text dxc_path;
  uint32_t more_windows[2];
  const uint8_t* budgets[2];
  uint32_t display_type;
  void* display[2];
};

struct EnumerateOptions {
  const Chain* next;
  uint64_t backends;
};

struct AdapterInfo {
  Chain* next;
  Text vendor, architecture, device, description;
  uint32_t backend_type, adapter_type, vendor_id, device_id, subgroup_min, subgroup_max;
};

struct Limits { // read from the adapter and handed back whole; only the named ones are looked at
  Chain* next;
  uint32_t textures_and_groups[14];
  uint64_t max_uniform_binding;
  uint64_t max_storage_binding;
  uint32_t uniform_offset_alignment;
  uint32_t storage_offset_alignment;
  uint32_t max_vertex_buffers;
  uint64_t max_buffer_size;
  uint32_t vertices_and_colors[5];
  uint32_t max_workgroup_storage;
  uint32_t max_invocations;
  uint32_t max_workgroup_size[3];
  uint32_t max_workgroups;
  uint32_t max_immediate;
};

using DeviceLost = void (*)(DeviceHandle* const* device, uint32_t reason, Text message, void* first, void* second);
using UncapturedError = void (*)(DeviceHandle* const* device, uint32_t type, Text message, void* first, void* second);
using DeviceReady = void (*)(uint32_t status, DeviceHandle* device, Text message, void* first, void* second);
using BufferMapped = void (*)(uint32_t status, Text message, void* first, void* second);

template <typename Function>
struct Callback {
  Chain* next;
  uint32_t mode;
  Function function;
  void* first;
  void* second;
};

struct ErrorCallback { // has no mode
  Chain* next;
  UncapturedError function;
  void* first;
  void* second;
};

struct QueueOptions {
  Chain* next;
  Text label;
};

struct DeviceOptions {
  Chain* next;
  Text label;
  size_t feature_count;
  const uint32_t* features;
  const Limits* limits;
  QueueOptions queue;
  Callback<DeviceLost> lost;
  ErrorCallback error;
};

struct BufferOptions {
  Chain* next;
  Text label;
  uint64_t usage;
  uint64_t size;
  uint32_t mapped;
};

struct WgslSource {
  Chain chain;
  Text code;
};

struct Labelled { // options that are a label alone: shader module (with a WgslSource behind `next`), encoder
  Chain* next;
  Text label;
};

struct PassOptions {
  Chain* next;
  Text label;
  const void* timestamps;
};

struct PipelineOptions {
  Chain* next;
  Text label;
  void* layout; // null: from the shader's text
  Chain* stage_next;
  ShaderModuleHandle* module;
  Text entry_point;
  size_t constant_count;
  const void* constants;
};

struct BindGroupEntry {
  Chain* next;
  uint32_t binding;
  BufferHandle* buffer;
  uint64_t offset;
  uint64_t size;
  void* sampler;
  void* texture;
};

struct BindGroupOptions {
  Chain* next;
  Text label;
  BindGroupLayoutHandle* layout;
  size_t entry_count;
  const BindGroupEntry* entries;
};

struct Future {
  uint64_t id;
};

// Each line is (return type, name in the library after `wgpu`, parameters).
#define FLAMBEAU_WGPU_FUNCTIONS(X)                                                                      \
  X(uint32_t, GetVersion, (void))                                                                       \
  X(InstanceHandle*, CreateInstance, (const InstanceOptions*))                                          \
  X(size_t, InstanceEnumerateAdapters, (InstanceHandle*, const EnumerateOptions*, AdapterHandle**))     \
  X(uint32_t, AdapterGetInfo, (AdapterHandle*, AdapterInfo*))                                           \
  X(void, AdapterInfoFreeMembers, (AdapterInfo))                                                        \
  X(uint32_t, AdapterGetLimits, (AdapterHandle*, Limits*))                                              \
  X(Future, AdapterRequestDevice, (AdapterHandle*, const DeviceOptions*, Callback<DeviceReady>))        \
  X(QueueHandle*, DeviceGetQueue, (DeviceHandle*))                                                      \
  X(BufferHandle*, DeviceCreateBuffer, (DeviceHandle*, const BufferOptions*))                           \
  X(void, BufferRelease, (BufferHandle*))                                                               \
  X(Future, BufferMapAsync, (BufferHandle*, uint64_t, size_t, size_t, Callback<BufferMapped>))          \
  X(const void*, BufferGetConstMappedRange, (BufferHandle*, size_t, size_t))                            \
  X(void, BufferUnmap, (BufferHandle*))                                                                 \
  X(ShaderModuleHandle*, DeviceCreateShaderModule, (DeviceHandle*, const Labelled*))                    \
  X(void, ShaderModuleRelease, (ShaderModuleHandle*))                                                   \
  X(PipelineHandle*, DeviceCreateComputePipeline, (DeviceHandle*, const PipelineOptions*))              \
  X(BindGroupLayoutHandle*, ComputePipelineGetBindGroupLayout, (PipelineHandle*, uint32_t))             \
  X(BindGroupHandle*, DeviceCreateBindGroup, (DeviceHandle*, const BindGroupOptions*))                  \
  X(void, BindGroupRelease, (BindGroupHandle*))                                                         \
  X(EncoderHandle*, DeviceCreateCommandEncoder, (DeviceHandle*, const Labelled*))                       \
  X(void, CommandEncoderRelease, (EncoderHandle*))                                                      \
  X(PassHandle*, CommandEncoderBeginComputePass, (EncoderHandle*, const PassOptions*))                  \
  X(void, CommandEncoderCopyBufferToBuffer, (EncoderHandle*, BufferHandle*, uint64_t, BufferHandle*, uint64_t, uint64_t)) \
  X(void, ComputePassEncoderSetPipeline, (PassHandle*, PipelineHandle*))                                \
  X(void, ComputePassEncoderSetBindGroup, (PassHandle*, uint32_t, BindGroupHandle*, size_t, const uint32_t*)) \
  X(void, ComputePassEncoderDispatchWorkgroups, (PassHandle*, uint32_t, uint32_t, uint32_t))            \
  X(void, ComputePassEncoderEnd, (PassHandle*))                                                         \
  X(void, ComputePassEncoderRelease, (PassHandle*))                                                     \
  X(CommandsHandle*, CommandEncoderFinish, (EncoderHandle*, const Labelled*))                           \
  X(void, CommandBufferRelease, (CommandsHandle*))                                                      \
  X(void, QueueSubmit, (QueueHandle*, size_t, CommandsHandle* const*))                                  \
  X(void, QueueWriteBuffer, (QueueHandle*, BufferHandle*, uint64_t, const void*, size_t))               \
  X(uint32_t, DevicePoll, (DeviceHandle*, uint32_t, const uint64_t*))

struct Library {
#define FLAMBEAU_DECLARE(result, name, parameters) result(*name) parameters = nullptr;
  FLAMBEAU_WGPU_FUNCTIONS(FLAMBEAU_DECLARE)
#undef FLAMBEAU_DECLARE
  uint32_t version = 0;
};

// The opened library, or null with the reason in `problem`. Opened once a process.
const Library* library(const char** problem);

} // namespace flambeau::webgpu::api
