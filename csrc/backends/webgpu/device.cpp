// Buffers, batches of dispatches, copies and late failures of one adapter.
#include "device.h"

#include <algorithm>
#include <cstdio>
#include <cstring>

namespace flambeau::webgpu {
namespace {

constexpr uint64_t kParameterBytes = 1 << 18;
constexpr uint64_t kSlot = 256; // the largest alignment that WebGPU asks of a binding's offset
constexpr int kBatch = 256;     // dispatches before the batch is submitted unasked
constexpr uint32_t kReports = 1024;

api::Text text_of(const std::string& text) { return {text.data(), text.size()}; }
std::string string_of(api::Text text) {
  if (!text.data) return "";
  return text.length == SIZE_MAX ? std::string(text.data) : std::string(text.data, text.length);
}

uint64_t round_up(uint64_t value, uint64_t to) { return (value + to - 1) / to * to; }
Buffer* buffer_of(fl_memory memory) { return reinterpret_cast<Buffer*>(memory); }

} // namespace

const fl_host* host = nullptr;

fl_status fail(fl_status status, const std::string& text) {
  host->fail(text.c_str());
  return status;
}

Device::Device(const api::Library& library, api::AdapterHandle* adapter) : wgpu_(library), adapter_(adapter) {
  api::AdapterInfo info{};
  if (wgpu_.AdapterGetInfo(adapter, &info) == api::kSuccess) {
    name_ = string_of(info.device);
    driver_ = string_of(info.description);
    adapter_type_ = info.adapter_type;
    wgpu_.AdapterInfoFreeMembers(info);
  }
  wgpu_.AdapterGetLimits(adapter, &limits_);
  limits_.next = nullptr;
}

fl_status Device::describe(fl_device_info* info) const {
  const uint32_t version = wgpu_.version;
  char release[32];
  std::snprintf(release, sizeof release, "%u.%u.%u.%u", version >> 24, version >> 16 & 255, version >> 8 & 255, version & 255);
  info->flags = FL_DEVICE_RUNS_AHEAD;
  std::snprintf(info->name, sizeof info->name, "%s", name_.c_str());
  std::snprintf(info->driver, sizeof info->driver, "wgpu-native %s, %s", release, driver_.c_str());
  info->memory_bytes = 0;
  info->alignment = 256;
  info->index_dtype = {FL_INT, 32, 1};
  const fl_dtype dtypes[] = {{FL_BOOL, 8, 1}, {FL_INT, 32, 1}, {FL_FLOAT, 32, 1}};
  info->dtype_count = 3;
  std::copy(std::begin(dtypes), std::end(dtypes), info->dtypes);
  return FL_OK;
}

void Device::on_error(api::DeviceHandle* const*, uint32_t, api::Text message, void* self, void*) {
  // wgpu-native calls this inside the call that failed, so the lock is already held by this thread.
  auto* device = static_cast<Device*>(self);
  if (device->failure_.empty()) device->failure_ = string_of(message);
}

fl_status Device::open() {
  if (device_) return FL_OK;
  struct Answer {
    api::DeviceHandle* device = nullptr;
    std::string message;
  } answer;
  auto ready = [](uint32_t status, api::DeviceHandle* device, api::Text message, void* first, void*) {
    auto* kept = static_cast<Answer*>(first);
    if (status == api::kSuccess) kept->device = device;
    else kept->message = string_of(message);
  };
  auto lost = [](api::DeviceHandle* const*, uint32_t, api::Text, void*, void*) {};
  api::DeviceOptions options{};
  options.limits = &limits_;
  options.lost = {nullptr, api::kCallbackSpontaneous, lost, nullptr, nullptr};
  options.error = {nullptr, &Device::on_error, this, nullptr};
  wgpu_.AdapterRequestDevice(adapter_, &options, {nullptr, api::kCallbackSpontaneous, ready, &answer, nullptr});
  if (!answer.device) return fail(FL_DEVICE_ERROR, "webgpu: " + name_ + " gives no device: " + answer.message);
  device_ = answer.device;
  queue_ = wgpu_.DeviceGetQueue(device_);
  parameters_ = make_buffer(kParameterBytes, api::kStorage | api::kCopyTarget, "parameters");
  reports_ = make_buffer(kReports * 4, api::kStorage | api::kCopyTarget | api::kCopySource, "reports");
  nothing_ = make_buffer(256, api::kStorage, "nothing");
  if (!parameters_ || !reports_ || !nothing_) return take_failure();
  return FL_OK;
}

api::BufferHandle* Device::make_buffer(uint64_t bytes, uint64_t usage, const char* label) {
  api::BufferOptions options{};
  options.label = {label, std::strlen(label)};
  options.usage = usage;
  options.size = bytes;
  return wgpu_.DeviceCreateBuffer(device_, &options);
}

fl_status Device::take_failure() {
  if (failure_.empty()) return FL_OK;
  std::string text = "webgpu: " + failure_;
  failure_.clear();
  return fail(FL_DEVICE_ERROR, text);
}

fl_status Device::allocate(uint64_t bytes, fl_memory* memory) {
  std::lock_guard guard(lock_);
  if (fl_status status = open()) return status;
  uint64_t size = round_up(std::max<uint64_t>(bytes, 4), 4);
  uint64_t most = std::min(limits_.max_storage_binding, limits_.max_buffer_size);
  if (size > most)
    return fail(FL_DEVICE_ERROR, "webgpu: a buffer of " + std::to_string(bytes) + " bytes is larger than the " +
                                      std::to_string(most) + " that " + name_ + " binds; use smaller tensors");
  api::BufferHandle* handle = make_buffer(size, api::kStorage | api::kCopySource | api::kCopyTarget, "tensor");
  if (!handle || !failure_.empty()) {
    std::string reason = failure_;
    failure_.clear();
    if (handle) wgpu_.BufferRelease(handle);
    return fail(FL_OUT_OF_MEMORY, "webgpu: no buffer of " + std::to_string(bytes) + " bytes: " + reason);
  }
  *memory = reinterpret_cast<fl_memory>(new Buffer{handle, size});
  return FL_OK;
}

fl_status Device::partial_results(fl_memory* memory) {
  std::lock_guard guard(lock_);
  if (fl_status status = open()) return status;
  if (!partial_.handle) partial_.handle = make_buffer(partial_.size, api::kStorage, "partial results");
  *memory = reinterpret_cast<fl_memory>(&partial_);
  return take_failure();
}

void Device::release(fl_memory memory) {
  std::lock_guard guard(lock_);
  std::unique_ptr<Buffer> buffer(buffer_of(memory));
  wgpu_.BufferRelease(buffer->handle); // a batch that still binds it holds a reference of its own
}

Program* Device::program(const std::string& op, const std::string& text) {
  std::lock_guard guard(lock_);
  std::unique_ptr<Program>& known = programs_[op + '\n' + text];
  if (!known) known = std::make_unique<Program>(Program{op, text});
  return known.get();
}

fl_status Device::compile(Program& program) {
  api::WgslSource source{{nullptr, api::kChainWgsl}, text_of(program.text)};
  api::Labelled module_options{&source.chain, text_of(program.op)};
  api::ShaderModuleHandle* module = wgpu_.DeviceCreateShaderModule(device_, &module_options);
  if (failure_.empty()) {
    api::PipelineOptions options{};
    options.label = text_of(program.op);
    options.module = module;
    options.entry_point = {"main", 4};
    program.pipeline = wgpu_.DeviceCreateComputePipeline(device_, &options);
    if (failure_.empty()) program.layout = wgpu_.ComputePipelineGetBindGroupLayout(program.pipeline, 0);
    else program.pipeline = nullptr;
  }
  if (module) wgpu_.ShaderModuleRelease(module);
  if (failure_.empty()) return FL_OK;
  std::string text = program.op + ": webgpu does not compile its shader: " + failure_;
  failure_.clear();
  return fail(FL_DEVICE_ERROR, text);
}

Groups Device::groups_for(int64_t n, int64_t size) const {
  auto needed = static_cast<uint64_t>((n + size - 1) / size);
  uint64_t most = limits_.max_workgroups;
  return {static_cast<uint32_t>(std::min(needed, most)), static_cast<uint32_t>((needed + most - 1) / most), 1};
}

fl_status Device::dispatch(Program& program, std::span<const int32_t> parameters, std::span<const fl_memory> memories,
                           Groups groups, bool reports_indices) {
  std::lock_guard guard(lock_);
  if (fl_status status = open()) return status;
  if (!program.pipeline)
    if (fl_status status = compile(program)) return status;
  uint64_t bytes = (parameters.size() + 1) * sizeof(int32_t), slot = round_up(bytes, kSlot);
  if (slot > kParameterBytes) return fail(FL_UNSUPPORTED, program.op + ": too many dimensions for webgpu");
  if (pending_parameters_.size() + slot > kParameterBytes || pending_ >= kBatch || checks_.size() + 1 >= kReports / 2)
    if (fl_status status = checks_.size() + 1 >= kReports / 2 ? synchronize() : flush()) return status;
  uint64_t offset = pending_parameters_.size();
  pending_parameters_.resize(offset + slot);
  std::memcpy(pending_parameters_.data() + offset, parameters.data(), parameters.size() * sizeof(int32_t));
  if (reports_indices) {
    auto place = static_cast<int32_t>(2 * checks_.size());
    std::memcpy(pending_parameters_.data() + offset + parameters.size() * sizeof(int32_t), &place, sizeof place);
    checks_.push_back({program.op, static_cast<uint32_t>(place)});
  }
  std::vector<api::BindGroupEntry> entries;
  auto bind = [&](api::BufferHandle* handle, uint64_t from, uint64_t size) {
    entries.push_back({nullptr, static_cast<uint32_t>(entries.size()), handle, from, size, nullptr, nullptr});
  };
  bind(parameters_, offset, slot);
  for (fl_memory memory : memories) {
    if (memory) bind(buffer_of(memory)->handle, 0, buffer_of(memory)->size);
    else bind(nothing_, 0, 256);
  }
  if (reports_indices) bind(reports_, 0, kReports * 4);
  if (!encoder_) {
    encoder_ = wgpu_.DeviceCreateCommandEncoder(device_, nullptr);
    pass_ = wgpu_.CommandEncoderBeginComputePass(encoder_, nullptr);
  }
  api::BindGroupOptions options{nullptr, text_of(program.op), program.layout, entries.size(), entries.data()};
  api::BindGroupHandle* group = wgpu_.DeviceCreateBindGroup(device_, &options);
  if (failure_.empty()) {
    wgpu_.ComputePassEncoderSetPipeline(pass_, program.pipeline);
    wgpu_.ComputePassEncoderSetBindGroup(pass_, 0, group, 0, nullptr);
    wgpu_.ComputePassEncoderDispatchWorkgroups(pass_, groups.x, groups.y, groups.z);
    ++pending_;
  }
  if (group) wgpu_.BindGroupRelease(group);
  return take_failure();
}

fl_status Device::flush() {
  if (!encoder_) return FL_OK;
  if (!pending_parameters_.empty())
    wgpu_.QueueWriteBuffer(queue_, parameters_, 0, pending_parameters_.data(), pending_parameters_.size());
  wgpu_.ComputePassEncoderEnd(pass_);
  wgpu_.ComputePassEncoderRelease(pass_);
  api::CommandsHandle* commands = wgpu_.CommandEncoderFinish(encoder_, nullptr);
  wgpu_.CommandEncoderRelease(encoder_);
  encoder_ = nullptr;
  pass_ = nullptr;
  pending_ = 0;
  pending_parameters_.clear();
  if (failure_.empty()) wgpu_.QueueSubmit(queue_, 1, &commands);
  if (commands) wgpu_.CommandBufferRelease(commands);
  return take_failure();
}

fl_status Device::wait() {
  if (fl_status status = flush()) return status;
  wgpu_.DevicePoll(device_, 1, nullptr);
  return take_failure();
}

fl_status Device::read(void* to, api::BufferHandle* from, uint64_t offset, uint64_t bytes) {
  if (fl_status status = flush()) return status;
  if (staging_size_ < bytes) {
    if (staging_) wgpu_.BufferRelease(staging_);
    staging_size_ = round_up(std::max<uint64_t>(bytes, 1 << 16), 1 << 16);
    staging_ = make_buffer(staging_size_, api::kMapRead | api::kCopyTarget, "staging");
    if (!staging_ || !failure_.empty()) {
      staging_ = nullptr;
      staging_size_ = 0;
      return take_failure();
    }
  }
  api::EncoderHandle* encoder = wgpu_.DeviceCreateCommandEncoder(device_, nullptr);
  wgpu_.CommandEncoderCopyBufferToBuffer(encoder, from, offset, staging_, 0, bytes);
  api::CommandsHandle* commands = wgpu_.CommandEncoderFinish(encoder, nullptr);
  wgpu_.CommandEncoderRelease(encoder);
  if (failure_.empty()) wgpu_.QueueSubmit(queue_, 1, &commands);
  if (commands) wgpu_.CommandBufferRelease(commands);
  if (fl_status status = take_failure()) return status;
  uint32_t answer = 0;
  auto mapped = [](uint32_t status, api::Text, void* first, void*) { *static_cast<uint32_t*>(first) = status; };
  wgpu_.BufferMapAsync(staging_, api::kMapModeRead, 0, bytes,
                       {nullptr, api::kCallbackSpontaneous, mapped, &answer, nullptr});
  wgpu_.DevicePoll(device_, 1, nullptr);
  const void* seen = answer == api::kSuccess ? wgpu_.BufferGetConstMappedRange(staging_, 0, bytes) : nullptr;
  if (seen) std::memcpy(to, seen, bytes);
  if (answer == api::kSuccess) wgpu_.BufferUnmap(staging_);
  if (fl_status status = take_failure()) return status;
  return seen ? FL_OK : fail(FL_DEVICE_ERROR, "webgpu: a buffer could not be read back");
}

fl_status Device::check_indices() {
  if (checks_.empty()) return FL_OK;
  std::vector<Check> checks = std::move(checks_);
  checks_.clear();
  std::vector<int32_t> reports(2 * checks.size());
  if (fl_status status = read(reports.data(), reports_, 0, reports.size() * 4)) return status;
  for (const Check& check : checks) {
    int32_t size = reports[check.slot], index = reports[check.slot + 1];
    if (!size) continue;
    const std::vector<unsigned char> zeros(kReports * 4);
    wgpu_.QueueWriteBuffer(queue_, reports_, 0, zeros.data(), zeros.size());
    return fail(FL_BAD_INDEX, check.op + ": index " + std::to_string(index) + " is out of range for an axis of size " +
                                  std::to_string(size - 1));
  }
  return FL_OK;
}

fl_status Device::synchronize() {
  std::lock_guard guard(lock_);
  if (!device_) return FL_OK;
  if (fl_status status = wait()) return status;
  return check_indices();
}

fl_status Device::copy_from_host(fl_memory to, uint64_t offset, const void* from, uint64_t bytes) {
  if (!bytes) return FL_OK;
  std::lock_guard guard(lock_);
  if (fl_status status = flush()) return status; // what is queued before the copy sees the old bytes
  Buffer& target = *buffer_of(to);
  uint64_t begin = offset / 4 * 4, end = round_up(offset + bytes, 4);
  if (end > target.size) return fail(FL_DEVICE_ERROR, "webgpu: a copy leaves its allocation");
  std::vector<unsigned char> patched;
  if (begin != offset || end != offset + bytes) { // WebGPU writes whole words: read the word around the edge first
    patched.resize(end - begin);
    for (uint64_t word : {begin, end - 4})
      if (fl_status status = read(patched.data() + (word - begin), target.handle, word, 4)) return status;
    std::memcpy(patched.data() + (offset - begin), from, bytes);
    from = patched.data();
  }
  wgpu_.QueueWriteBuffer(queue_, target.handle, begin, from, end - begin);
  return take_failure();
}

fl_status Device::copy_to_host(void* to, fl_memory from, uint64_t offset, uint64_t bytes) {
  std::lock_guard guard(lock_);
  if (!bytes) return synchronize();
  Buffer& source = *buffer_of(from);
  uint64_t begin = offset / 4 * 4, end = round_up(offset + bytes, 4);
  if (end > source.size) return fail(FL_DEVICE_ERROR, "webgpu: a copy leaves its allocation");
  if (begin == offset && end == offset + bytes) {
    if (fl_status status = read(to, source.handle, offset, bytes)) return status;
  } else {
    std::vector<unsigned char> words(end - begin);
    if (fl_status status = read(words.data(), source.handle, begin, words.size())) return status;
    std::memcpy(to, words.data() + (offset - begin), bytes);
  }
  return check_indices();
}

fl_status Device::copy(fl_memory to, uint64_t to_offset, fl_memory from, uint64_t from_offset, uint64_t bytes) {
  if (!bytes) return FL_OK;
  std::lock_guard guard(lock_);
  if (to == from || to_offset % 4 || from_offset % 4 || bytes % 4) { // what WebGPU does not copy itself
    std::vector<unsigned char> between(bytes);
    if (fl_status status = copy_to_host(between.data(), from, from_offset, bytes)) return status;
    return copy_from_host(to, to_offset, between.data(), bytes);
  }
  if (fl_status status = flush()) return status;
  api::EncoderHandle* encoder = wgpu_.DeviceCreateCommandEncoder(device_, nullptr);
  wgpu_.CommandEncoderCopyBufferToBuffer(encoder, buffer_of(from)->handle, from_offset, buffer_of(to)->handle, to_offset,
                                         bytes);
  api::CommandsHandle* commands = wgpu_.CommandEncoderFinish(encoder, nullptr);
  wgpu_.CommandEncoderRelease(encoder);
  if (failure_.empty()) wgpu_.QueueSubmit(queue_, 1, &commands);
  if (commands) wgpu_.CommandBufferRelease(commands);
  return take_failure();
}

} // namespace flambeau::webgpu
