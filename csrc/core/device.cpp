#include "core/device.h"

#include <dlfcn.h>
#include <pthread.h>

#include <cstring>
#include <map>
#include <mutex>
#include <unordered_map>

#include "core/allocator.h"
#include "core/error.h"
#include "core/registry.h"
#include "core/threads.h"

extern "C" {
#define FL_BACKEND(name) const fl_backend* fl_backend_##name(const fl_host* host);
#include "backend_list.inc"
#undef FL_BACKEND
}

namespace flambeau {
namespace {

thread_local std::string failure;

void log_line(int32_t level, const char* text) {
  static const char* const wanted = std::getenv("FLAMBEAU_LOG");
  if (level < 2 && !wanted) return;
  static const char* const names[] = {"debug", "info", "warning"};
  std::fprintf(stderr, "flambeau: %s: %s\n", names[level < 0 || level > 2 ? 2 : level], text);
}

}  // namespace

const fl_host& host_table() {
  static const fl_host host = {
      sizeof(fl_host), FL_BACKEND_ABI_VERSION,
      [](int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
        parallel_for(n, grain, body, context);
      },
      [] { return thread_count(); },
      [](size_t bytes) { return scratch(bytes); },
      [](const char* text) { failure = text ? text : ""; },
      log_line,
  };
  return host;
}

std::string take_failure() { return std::exchange(failure, {}); }

void raise_status(fl_status status, const Device& device, std::string_view doing) {
  std::string said = take_failure();
  if (said.empty()) said = text(doing, " failed on ", device.name(), " and the backend gave no reason (status ", status, ")");
  switch (status) {
    case FL_BAD_INDEX: throw Error(ErrorKind::Index, said);
    case FL_BAD_VALUE: throw Error(ErrorKind::Value, said);
    case FL_UNSUPPORTED: throw Error(ErrorKind::NotImplemented, said);
    case FL_OUT_OF_MEMORY: throw Error(ErrorKind::Memory, said);
    default: throw Error(ErrorKind::Device, said);
  }
}

// ---- one device ----

namespace {

// Of all devices, none of which ever goes; only added to while the fleet's mutex is held.
std::vector<std::mutex*>& kernel_locks() {
  static auto* const locks = new std::vector<std::mutex*>();
  return *locks;
}

}  // namespace

struct Device::Kernels {
  // One row's kernels: a short list that is only added to, so readers take no lock.
  struct Entry {
    uint64_t key;
    const fl_kernel* kernel;
    Entry* next;
  };
  explicit Kernels(size_t rows) : by_row(rows) { kernel_locks().push_back(&mutex); }
  std::vector<std::atomic<Entry*>> by_row;
  std::mutex mutex;
  std::unordered_map<std::string, bool> claims;  // by kernel and signature, as bytes
};

Device::Device(const fl_backend* backend, int32_t index, std::string name)
    : backend_(backend), index_(index), name_(std::move(name)) {
  info_.struct_size = sizeof info_;
  const fl_status status = backend->describe(index, &info_);
  if (status != FL_OK) raise_status(status, *this, "describing the device");
  host_memory_ = (info_.flags & FL_DEVICE_HOST_MEMORY) != 0 && backend->host_pointer;
  for (int32_t i = 0; i < info_.dtype_count && i < 32; ++i)
    if (const auto dtype = from_c(info_.dtypes[i])) dtypes_ |= set_of(*dtype);
  allocator_ = std::make_unique<Allocator>(*this);
  kernels_ = std::make_unique<Kernels>(op_table().size());
}

Device::~Device() = default;

const fl_kernel* Device::kernel(const OpRow& row, std::span<const DType> dtypes) {
  static_assert(kDTypeCount <= 16, "four bits a dtype");
  uint64_t key = 1;  // of up to fifteen operands
  for (DType dtype : dtypes) key = key << 4 | static_cast<uint64_t>(dtype);
  auto& head = kernels_->by_row[static_cast<size_t>(row.id)];
  for (const auto* entry = head.load(std::memory_order_acquire); entry; entry = entry->next)
    if (entry->key == key) return entry->kernel;

  std::vector<fl_dtype> c_dtypes;
  for (DType dtype : dtypes) c_dtypes.push_back(to_c(dtype));
  std::lock_guard lock(kernels_->mutex);
  const fl_kernel* kernel =
      backend_->resolve ? backend_->resolve(index_, row.name, row.version, c_dtypes.data(), static_cast<int32_t>(c_dtypes.size()))
                        : nullptr;
  take_failure();
  auto* entry = new Kernels::Entry{key, kernel, head.load(std::memory_order_relaxed)};
  head.store(entry, std::memory_order_release);
  return kernel;
}

bool Device::claims(const fl_kernel* kernel, const fl_call& signature) {
  if (!kernel->claims) return true;
  std::string key;
  const auto add = [&key](const void* bytes, size_t count) { key.append(static_cast<const char*>(bytes), count); };
  add(&kernel, sizeof kernel);
  const auto add_tensor = [&](const fl_tensor& t) {
    add(&t.ndim, sizeof t.ndim);
    add(&t.dtype, sizeof t.dtype);
    add(t.shape, static_cast<size_t>(t.ndim) * sizeof(int64_t));
    add(t.strides, static_cast<size_t>(t.ndim) * sizeof(int64_t));
  };
  for (int32_t i = 0; i < signature.input_count; ++i) add_tensor(signature.inputs[i]);
  key += '|';
  for (int32_t i = 0; i < signature.output_count; ++i) add_tensor(signature.outputs[i]);
  for (int32_t i = 0; i < signature.attr_count; ++i) {
    const fl_attr& attr = signature.attrs[i];
    add(&attr.kind, sizeof attr.kind);
    add(&attr.count, sizeof attr.count);
    if (attr.kind == FL_ATTR_INTS) add(attr.value.ints, static_cast<size_t>(attr.count) * sizeof(int64_t));
    else if (attr.kind == FL_ATTR_TEXT) add(attr.value.text, std::strlen(attr.value.text) + 1);
    else if (attr.kind == FL_ATTR_DTYPE) add(&attr.value.dtype, sizeof attr.value.dtype);
    else add(&attr.value.i, sizeof attr.value.i);
  }
  std::lock_guard lock(kernels_->mutex);
  if (const auto found = kernels_->claims.find(key); found != kernels_->claims.end()) return found->second;
  const bool taken = kernel->claims(kernel, &signature) != 0;
  take_failure();
  if (kernels_->claims.size() > 100000) kernels_->claims.clear();  // shapes that never come again
  kernels_->claims.emplace(std::move(key), taken);
  return taken;
}

void Device::synchronize() {
  const fl_status status = backend_->stream_synchronize(index_, nullptr);
  if (status != FL_OK) raise_status(status, *this, "waiting for the work");
}

void Device::copy_from_host(fl_memory to, uint64_t offset, const void* from, uint64_t bytes) {
  if (bytes == 0) return;
  const fl_status status = backend_->copy_from_host(index_, nullptr, to, offset, from, bytes);
  if (status != FL_OK) raise_status(status, *this, "copying to the device");
}

void Device::copy_to_host(void* to, fl_memory from, uint64_t offset, uint64_t bytes) {
  if (bytes == 0) return;
  const fl_status status = backend_->copy_to_host(index_, nullptr, to, from, offset, bytes);
  if (status != FL_OK) raise_status(status, *this, "copying from the device");
}

// ---- all devices ----

namespace {

struct Fleet {
  std::recursive_mutex mutex;
  std::vector<std::unique_ptr<Device>> devices;
  std::map<std::string, fl_backend_entry_function, std::less<>> built_in;  // not opened yet
  std::map<std::string, std::string, std::less<>> missing;                 // backend -> why it has no devices
  std::map<std::string, std::vector<std::string>, std::less<>> libraries;  // path -> its devices
};

Fleet& fleet() {
  static Fleet* fleet = [] {
    auto* made = new Fleet();  // kept until the process ends: tensors may outlive static objects
#define FL_BACKEND(name) made->built_in.emplace(#name, &fl_backend_##name);
#include "backend_list.inc"
#undef FL_BACKEND
    return made;
  }();
  return *fleet;
}

// Checks the table and adds its devices; gives their names. REQUIRES: the fleet's mutex is held.
std::vector<std::string> open_backend(const std::string& label, fl_backend_entry_function entry) {
  Fleet& all = fleet();
  take_failure();
  const fl_backend* table = entry(&host_table());
  if (!table) {
    const std::string said = take_failure();
    raise(ErrorKind::Device, label, ": ", said.empty() ? "the backend gave no table and no reason" : said);
  }
  if (table->abi_version != FL_BACKEND_ABI_VERSION)
    raise(ErrorKind::Device, label, ": the backend speaks version ", table->abi_version, " of backend.h, this flambeau ",
          FL_BACKEND_ABI_VERSION, "; install the release that fits");
  // The first release's table ends with program_release; a later core reads further fields only if they are covered.
  if (table->struct_size < sizeof(fl_backend))
    raise(ErrorKind::Device, label, ": the backend's table has ", table->struct_size, " bytes and version 1 of backend.h ",
          sizeof(fl_backend), "; build it against the released header");
  if (!table->name || !table->device_count || !table->describe || !table->allocate || !table->release ||
      !table->copy_from_host || !table->copy_to_host || !table->copy || !table->stream_synchronize ||
      (!table->resolve && !table->compile))
    raise(ErrorKind::Device, label, ": the backend's table lacks a function that backend.h does not mark as optional");
  for (const auto& device : all.devices)
    if (std::string_view(device->backend()->name) == table->name)
      raise(ErrorKind::Device, label, ": a backend named '", table->name, "' is loaded already");
  const int32_t count = table->device_count();
  if (count <= 0) {
    const std::string said = take_failure();
    raise(ErrorKind::Device, label, ": ", said.empty() ? "no device found" : said);
  }
  std::vector<std::string> names;
  for (int32_t i = 0; i < count; ++i) {
    fl_device_info info{};
    info.struct_size = sizeof info;
    const bool host = count == 1 && table->describe(i, &info) == FL_OK && (info.flags & FL_DEVICE_HOST_MEMORY);
    names.push_back(host ? std::string(table->name) : text(table->name, ":", i));
    all.devices.push_back(std::make_unique<Device>(table, i, names.back()));
  }
  return names;
}

// By value: the name may be the key of the entry that is erased here.
void open_built_in(const std::string name) {
  Fleet& all = fleet();
  const auto found = all.built_in.find(name);
  if (found == all.built_in.end()) return;
  const auto entry = found->second;
  all.built_in.erase(found);
  try {
    open_backend(name, entry);
  } catch (const Error& error) {
    std::string_view why = error.what();
    if (why.starts_with(name + ": ")) why.remove_prefix(name.size() + 2);
    all.missing[name] = why;
  }
}

// A child must not find these held by a thread that it lacks. Asked for when the first device stands, so after the
// allocators' locks, which are taken inside of these: what was asked for last is locked first.
void guard_forks() {
  pthread_atfork(
      [] {
        fleet().mutex.lock();
        for (std::mutex* lock : kernel_locks()) lock->lock();
      },
      [] {
        for (std::mutex* lock : kernel_locks()) lock->unlock();
        fleet().mutex.unlock();
      },
      [] {
        for (std::mutex* lock : kernel_locks()) lock->unlock();
        new (&fleet().mutex) std::recursive_mutex();  // its holder has another number there
      });
}

Device* find_device(std::string_view name) {
  for (const auto& device : fleet().devices)
    if (device->name() == name || (device->index() == 0 && device->backend()->name == name)) return device.get();
  return nullptr;
}

}  // namespace

std::vector<Device*> devices() {
  Fleet& all = fleet();
  std::lock_guard lock(all.mutex);
  cpu();
  while (!all.built_in.empty()) open_built_in(all.built_in.begin()->first);
  std::vector<Device*> result;
  for (const auto& device : all.devices) result.push_back(device.get());
  return result;
}

Device* cpu() {
  static Device* const device = [] {
    Fleet& all = fleet();
    std::lock_guard lock(all.mutex);
    open_built_in("cpu");
    Device* found = find_device("cpu");
    const auto refused = all.missing.find("cpu");
    if (refused != all.missing.end()) raise(ErrorKind::Device, refused->second);
    if (!found) {
      // A build without SIMD kernels still runs, on the plain loops.
      open_built_in("reference");
      found = find_device("reference");
    }
    if (!found) raise(ErrorKind::Device, "this flambeau was built without a backend for the cpu");
    guard_forks();
    return found;
  }();
  return device;
}

Device* device_named(std::string_view name) {
  if (name == "cpu") return cpu();
  Fleet& all = fleet();
  std::lock_guard lock(all.mutex);
  open_built_in(std::string(name.substr(0, name.find(':'))));
  if (Device* device = find_device(name)) return device;
  std::string known;
  for (Device* device : devices()) known += (known.empty() ? "" : ", ") + device->name();
  const auto why = all.missing.find(name.substr(0, name.find(':')));
  raise(ErrorKind::Device, "there is no device '", name, "'; this machine has ", known,
        why == all.missing.end() ? "" : " (" + why->second + ")");
}

std::vector<std::string> load_backend(const std::string& path) {
  Fleet& all = fleet();
  std::lock_guard lock(all.mutex);
  if (const auto found = all.libraries.find(path); found != all.libraries.end()) return found->second;
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) raise(ErrorKind::Device, "cannot open the backend ", path, ": ", dlerror());
  void* entry = dlsym(library, FL_BACKEND_ENTRY_SYMBOL);
  if (!entry) {
    dlclose(library);
    raise(ErrorKind::Device, path, " is no flambeau backend: it does not export ", FL_BACKEND_ENTRY_SYMBOL);
  }
  auto names = open_backend(path, reinterpret_cast<fl_backend_entry_function>(entry));
  all.libraries.emplace(path, names);
  return names;
}

std::vector<std::pair<std::string, std::string>> missing_backends() {
  Fleet& all = fleet();
  std::lock_guard lock(all.mutex);
  return {all.missing.begin(), all.missing.end()};
}

}  // namespace flambeau
