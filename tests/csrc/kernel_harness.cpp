// kernel_harness.cpp: runs the kernels of the built-in backends through the C header alone, without the core: a host
// table with real threads, for tests/csrc/kernels.py (ctypes).
#include <atomic>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <vector>

#include "flambeau/backend.h"

extern "C" const fl_backend* fl_backend_cpu(const fl_host* host);
extern "C" const fl_backend* fl_backend_reference(const fl_host* host);

namespace {

int32_t threads = 1;
thread_local bool in_parallel = false;
thread_local std::string failure;

struct Scratch {
  std::vector<void*> blocks;
  size_t count() const { return blocks.size(); }
  void rewind(size_t to) {
    for (; blocks.size() > to; blocks.pop_back()) std::free(blocks.back());
  }
};
thread_local Scratch scratch_memory;

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  const int64_t pieces = (n + grain - 1) / grain;
  std::atomic<int64_t> next{0};
  const auto work = [&] {
    const bool outer = in_parallel;
    in_parallel = true;
    for (int64_t piece; (piece = next++) < pieces;) {
      const size_t mark = scratch_memory.count();
      body(context, piece * grain, piece + 1 == pieces ? n : (piece + 1) * grain);
      scratch_memory.rewind(mark);
    }
    in_parallel = outer;
  };
  std::vector<std::thread> helpers;
  for (int32_t i = 1; i < threads && !in_parallel; ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
}
int32_t thread_count() { return threads; }
void* scratch(size_t bytes) {
  void* memory = std::aligned_alloc(64, (bytes + 63) / 64 * 64);
  // What a kernel does not write must not look like a result.
  if (memory) std::memset(memory, 0xff, (bytes + 63) / 64 * 64);
  scratch_memory.blocks.push_back(memory);
  return memory;
}
void fail(const char* text) { failure = text; }
void log(int32_t, const char*) {}

const fl_host host{sizeof(fl_host), FL_BACKEND_ABI_VERSION, parallel_for, thread_count, scratch, fail, log};

}  // namespace

#define FL_TEST_EXPORT extern "C" __attribute__((visibility("default")))

FL_TEST_EXPORT const fl_backend* harness_backend(const char* name) {
  failure.clear();
  return std::strcmp(name, "cpu") == 0 ? fl_backend_cpu(&host) : fl_backend_reference(&host);
}
FL_TEST_EXPORT void harness_threads(int32_t count) { threads = count; }
FL_TEST_EXPORT const char* harness_failure() { return failure.c_str(); }
FL_TEST_EXPORT const char* harness_driver(const fl_backend* backend) {
  static fl_device_info info;
  info.struct_size = sizeof info;
  backend->describe(0, &info);
  return info.driver;
}
// -1: no such kernel; -2: it does not take this signature.
FL_TEST_EXPORT int32_t harness_run(const fl_backend* backend, const char* op, const fl_dtype* dtypes, int32_t dtype_count,
                                   const fl_call* call) {
  failure.clear();
  const fl_kernel* kernel = backend->resolve(0, op, 1, dtypes, dtype_count);
  if (!kernel) return -1;
  if (kernel->claims && !kernel->claims(kernel, call)) return -2;
  const fl_status status = kernel->run(kernel, nullptr, call);
  scratch_memory.rewind(0);
  return status;
}
// The same call again and again, for timing: nanoseconds in all.
FL_TEST_EXPORT double harness_time(const fl_backend* backend, const char* op, const fl_dtype* dtypes, int32_t dtype_count,
                                   const fl_call* call, int32_t times) {
  const fl_kernel* kernel = backend->resolve(0, op, 1, dtypes, dtype_count);
  timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  for (int32_t i = 0; i < times; ++i) {
    kernel->run(kernel, nullptr, call);
    scratch_memory.rewind(0);
  }
  clock_gettime(CLOCK_MONOTONIC, &after);
  return double(after.tv_sec - before.tv_sec) * 1e9 + double(after.tv_nsec - before.tv_nsec);
}
