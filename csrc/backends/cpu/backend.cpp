// backend.cpp: the CPU as a device: its memory, its level of instructions, its table of kernels.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

#include "cpu.h"
#include "matmul.h"

namespace flambeau::cpu {

const fl_host* host = nullptr;
const Kernels* level = nullptr;

#if defined(__x86_64__)
namespace v2 {
const Kernels& kernels();
}
namespace v3 {
const Kernels& kernels();
}
namespace v4 {
const Kernels& kernels();
const Kernels& kernels_with_bfloat16();
}
#else
namespace portable {
const Kernels& kernels();
}
#endif

namespace {

struct Op {
  const char* name;
  Resolver resolver;
};
std::vector<Op>& ops() {
  static std::vector<Op> table;
  return table;
}
std::mutex kept_lock;
std::vector<std::shared_ptr<void>>& kept() {
  static std::vector<std::shared_ptr<void>> kernels;
  return kernels;
}

struct LevelChoice {
  const char* name;
  const Kernels& (*kernels)();
  bool runs_here;
};
std::vector<LevelChoice> levels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  return {
#ifdef FL_HAS_v4
      {"v4-bf16", v4::kernels_with_bfloat16,
       __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16")},
      {"v4", v4::kernels, bool(__builtin_cpu_supports("x86-64-v4"))},
#endif
#ifdef FL_HAS_v3
      {"v3", v3::kernels, bool(__builtin_cpu_supports("x86-64-v3"))},
#endif
#ifdef FL_HAS_v2
      {"v2", v2::kernels, bool(__builtin_cpu_supports("x86-64-v2"))},
#endif
  };
#else
  return {{"portable", portable::kernels, true}};
#endif
}

// The best level that runs here, or the one that FLAMBEAU_CPU_LEVEL names.
const Kernels* choose_level() {
  const char* forced = std::getenv("FLAMBEAU_CPU_LEVEL");
  std::string known;
  for (const LevelChoice& choice : levels()) {
    if (forced && *forced ? std::strcmp(forced, choice.name) == 0 : choice.runs_here) {
      if (choice.runs_here) return &choice.kernels();
      fail(FL_DEVICE_ERROR, "cpu: FLAMBEAU_CPU_LEVEL is %s, but this processor does not run it; unset it", forced);
      return nullptr;
    }
    if (choice.runs_here) known += std::string(known.empty() ? "" : ", ") + choice.name;
  }
  if (forced && *forced)
    fail(FL_DEVICE_ERROR, "cpu: FLAMBEAU_CPU_LEVEL is %s; this processor and build have %s", forced, known.c_str());
  else
    fail(FL_DEVICE_ERROR, "cpu: this processor is older than x86-64-v2 (SSE4.2), which flambeau needs");
  return nullptr;
}

std::string processor_name() {
  std::string name;
  if (FILE* file = std::fopen("/proc/cpuinfo", "r")) {
    char line[512];
    while (name.empty() && std::fgets(line, sizeof line, file)) {
      if (std::strncmp(line, "model name", 10) != 0) continue;
      const char* colon = std::strchr(line, ':');
      if (colon) name = std::string(colon + 2, std::strcspn(colon + 2, "\n"));
    }
    std::fclose(file);
  }
#if defined(__aarch64__)
  return name.empty() ? "AArch64 processor" : name;
#else
  return name.empty() ? "x86-64 processor" : name;
#endif
}

int32_t device_count() { return 1; }

// In the order of Type.
constexpr fl_dtype kTypes[] = {{FL_BOOL, 8, 1},     {FL_INT, 8, 1},      {FL_INT, 16, 1},    {FL_INT, 32, 1},
                               {FL_INT, 64, 1},     {FL_UINT, 8, 1},     {FL_UINT, 16, 1},   {FL_UINT, 32, 1},
                               {FL_UINT, 64, 1},    {FL_FLOAT, 16, 1},   {FL_BFLOAT, 16, 1}, {FL_FLOAT, 32, 1},
                               {FL_FLOAT, 64, 1},   {FL_COMPLEX, 64, 1}, {FL_COMPLEX, 128, 1}};

fl_status describe(int32_t, fl_device_info* info) {
  const uint32_t size = std::min<uint32_t>(info->struct_size, sizeof *info);
  fl_device_info answer{};
  answer.struct_size = info->struct_size;
  answer.flags = FL_DEVICE_HOST_MEMORY;
  std::snprintf(answer.name, sizeof answer.name, "%s", processor_name().c_str());
  std::snprintf(answer.driver, sizeof answer.driver, "level %s, %s", level->name, gemm_in_use());
#if defined(__linux__)
  answer.memory_bytes = uint64_t(sysconf(_SC_PHYS_PAGES)) * uint64_t(sysconf(_SC_PAGESIZE));
#endif
  answer.alignment = 64;
  answer.index_dtype = {FL_INT, 64, 1};
  answer.dtype_count = int32_t(std::size(kTypes));
  std::copy(std::begin(kTypes), std::end(kTypes), answer.dtypes);
  std::memcpy(info, &answer, size);
  return FL_OK;
}

constexpr uint64_t kHugePage = uint64_t(2) << 20;

fl_status allocate(int32_t, uint64_t bytes, fl_memory* memory) {
  const bool large = bytes >= 2 * kHugePage;
  const uint64_t alignment = large ? kHugePage : 64;
  void* address = nullptr;
  if (posix_memalign(&address, alignment, (bytes + 63) / 64 * 64) != 0)
    return fail(FL_OUT_OF_MEMORY, "cpu: no memory for %llu bytes", static_cast<unsigned long long>(bytes));
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  if (large) madvise(address, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);
#endif
  *memory = static_cast<fl_memory>(address);
  return FL_OK;
}
void release(int32_t, fl_memory memory) { std::free(memory); }
void* host_pointer(int32_t, fl_memory memory) { return memory; }

fl_status copy_from_host(int32_t, fl_stream, fl_memory to, uint64_t offset, const void* from, uint64_t bytes) {
  if (bytes) std::memcpy(reinterpret_cast<char*>(to) + offset, from, bytes);
  return FL_OK;
}
fl_status copy_to_host(int32_t, fl_stream, void* to, fl_memory from, uint64_t offset, uint64_t bytes) {
  if (bytes) std::memcpy(to, reinterpret_cast<char*>(from) + offset, bytes);
  return FL_OK;
}
fl_status copy(int32_t, fl_stream, fl_memory to, uint64_t to_offset, fl_memory from, uint64_t from_offset,
               uint64_t bytes) {
  if (bytes) std::memmove(reinterpret_cast<char*>(to) + to_offset, reinterpret_cast<char*>(from) + from_offset, bytes);
  return FL_OK;
}
fl_status stream_synchronize(int32_t, fl_stream) { return FL_OK; }

const fl_kernel* resolve(int32_t, const char* op, int32_t op_version, const fl_dtype* dtypes, int32_t dtype_count) {
  if (op_version != 1 || dtype_count > 16) return nullptr;
  Type types[16];
  for (int i = 0; i < dtype_count; ++i) {
    types[i] = type_of(dtypes[i]);
    if (types[i] == Type::None) return nullptr;
  }
  for (const Op& entry : ops())
    if (std::strcmp(entry.name, op) == 0) return entry.resolver(op, {types, size_t(dtype_count)});
  return nullptr;
}

constexpr fl_backend make_backend() {
  fl_backend backend{};
  backend.struct_size = sizeof(fl_backend);
  backend.abi_version = FL_BACKEND_ABI_VERSION;
  backend.name = "cpu";
  backend.version = "1";
  backend.device_count = device_count;
  backend.describe = describe;
  backend.allocate = allocate;
  backend.release = release;
  backend.host_pointer = host_pointer;
  backend.copy_from_host = copy_from_host;
  backend.copy_to_host = copy_to_host;
  backend.copy = copy;
  backend.stream_synchronize = stream_synchronize;
  backend.resolve = resolve;
  return backend;
}
constexpr fl_backend kBackend = make_backend();

}  // namespace

Registration::Registration(std::initializer_list<const char*> names, Resolver resolver) {
  for (const char* name : names) ops().push_back({name, resolver});
}

void keep(std::shared_ptr<void> kernel) {
  const std::lock_guard lock(kept_lock);
  kept().push_back(std::move(kernel));
}

Type type_of(fl_dtype dtype) {
  for (size_t i = 0; i < std::size(kTypes); ++i)
    if (kTypes[i].code == dtype.code && kTypes[i].bits == dtype.bits && dtype.lanes == 1) return Type(i);
  return Type::None;
}

fl_status fail(fl_status status, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  host->fail(text);
  return status;
}

}  // namespace flambeau::cpu

extern "C" const fl_backend* fl_backend_cpu(const fl_host* host) {
  using namespace flambeau;
  cpu::host = host;
  if (!cpu::level) cpu::level = cpu::choose_level();
  return cpu::level ? &cpu::kBackend : nullptr;
}
