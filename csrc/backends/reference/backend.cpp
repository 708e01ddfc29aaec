// backend.cpp: the reference device's table. It computes in the calling thread, one element at a time: slow, and
// the definition that every other device is tested against.
#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

#include "values.h"

namespace flambeau::reference {

namespace {

const fl_host* host = nullptr;

// What a kernel points to is its loop; kernels[i] runs loops[i].
struct Table {
  Table() {
    add_activations(loops);
    add_elementwise(loops);
    add_reduce(loops);
    add_matmul(loops);
    add_shape(loops);
    add_index(loops);
    add_sort(loops);
    add_scan(loops);
    add_scatter(loops);
    add_linalg(loops);
    add_spectra(loops);
    add_fft(loops);
    add_softmax(loops);
    add_random(loops);
    add_optimizer(loops);
    add_convolution(loops);
    add_pooling(loops);
    add_normalization(loops);
    add_dropout(loops);
    for (Loop& loop : loops) kernels.push_back({run, nullptr, &loop});
  }
  static fl_status run(const fl_kernel* self, fl_stream, const fl_call* call) {
    const Loop& loop = *static_cast<const Loop*>(self->state);
    return loop.run(loop, *call);
  }
  Loops loops;
  std::vector<fl_kernel> kernels;
};

const Table& table() {
  static const Table instance;
  return instance;
}

const fl_kernel* resolve(int32_t, const char* op, int32_t version, const fl_dtype* dtypes, int32_t count) {
  Type types[8];
  if (version != 1 || count < 1 || count > 8) return nullptr;
  for (int32_t i = 0; i < count; ++i) {
    types[i] = type_of(dtypes[i]);
    if (types[i] == Type::kNone) return nullptr;
  }
  for (size_t i = 0; i < table().loops.size(); ++i) {
    const Loop& loop = table().loops[i];
    if (std::string_view(loop.name) == op) return loop.takes(loop, types, count) ? &table().kernels[i] : nullptr;
  }
  return nullptr;
}

int32_t device_count() { return 1; }

fl_status describe(int32_t, fl_device_info* info) {
  constexpr fl_dtype kTypes[] = {{FL_BOOL, 8, 1},   {FL_INT, 8, 1},    {FL_INT, 16, 1},   {FL_INT, 32, 1},
                                 {FL_INT, 64, 1},   {FL_UINT, 8, 1},   {FL_UINT, 16, 1},  {FL_UINT, 32, 1},
                                 {FL_UINT, 64, 1},  {FL_FLOAT, 16, 1}, {FL_BFLOAT, 16, 1}, {FL_FLOAT, 32, 1},
                                 {FL_FLOAT, 64, 1}, {FL_COMPLEX, 64, 1}, {FL_COMPLEX, 128, 1}};
  uint32_t size = info->struct_size;
  *info = {};
  info->struct_size = size;
  info->flags = FL_DEVICE_HOST_MEMORY;
  std::snprintf(info->name, sizeof info->name, "reference loops, one thread");
  info->alignment = 64;
  info->index_dtype = {FL_INT, 64, 1};
  info->dtype_count = static_cast<int32_t>(std::size(kTypes));
  std::copy(std::begin(kTypes), std::end(kTypes), info->dtypes);
  return FL_OK;
}

constexpr std::align_val_t kAlignment{64};

fl_status allocate(int32_t, uint64_t bytes, fl_memory* memory) {
  *memory = static_cast<fl_memory>(::operator new(bytes, kAlignment, std::nothrow));
  if (*memory) return FL_OK;
  return refuse(FL_OUT_OF_MEMORY, "reference: no memory for %llu bytes", static_cast<unsigned long long>(bytes));
}

void release(int32_t, fl_memory memory) { ::operator delete(memory, kAlignment); }

void* host_pointer(int32_t, fl_memory memory) { return memory; }

char* address(fl_memory memory, uint64_t offset) { return reinterpret_cast<char*>(memory) + offset; }

fl_status copy_from_host(int32_t, fl_stream, fl_memory to, uint64_t to_offset, const void* from, uint64_t bytes) {
  if (bytes != 0) std::memcpy(address(to, to_offset), from, bytes);
  return FL_OK;
}

fl_status copy_to_host(int32_t, fl_stream, void* to, fl_memory from, uint64_t from_offset, uint64_t bytes) {
  if (bytes != 0) std::memcpy(to, address(from, from_offset), bytes);
  return FL_OK;
}

fl_status copy(int32_t, fl_stream, fl_memory to, uint64_t to_offset, fl_memory from, uint64_t from_offset,
               uint64_t bytes) {
  if (bytes != 0) std::memmove(address(to, to_offset), address(from, from_offset), bytes);
  return FL_OK;
}

fl_status stream_synchronize(int32_t, fl_stream) { return FL_OK; }

}  // namespace

fl_status refuse(fl_status status, const char* format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  host->fail(text);
  return status;
}

}  // namespace flambeau::reference

extern "C" const fl_backend* fl_backend_reference(const fl_host* from) {
  namespace reference = flambeau::reference;
  static const fl_backend backend = [] {
    fl_backend table{};
    table.struct_size = sizeof table;
    table.abi_version = FL_BACKEND_ABI_VERSION;
    table.name = "reference";
    table.version = "1";
    table.device_count = reference::device_count;
    table.describe = reference::describe;
    table.allocate = reference::allocate;
    table.release = reference::release;
    table.host_pointer = reference::host_pointer;
    table.copy_from_host = reference::copy_from_host;
    table.copy_to_host = reference::copy_to_host;
    table.copy = reference::copy;
    table.stream_synchronize = reference::stream_synchronize;
    table.resolve = reference::resolve;
    return table;
  }();
  reference::host = from;
  return &backend;
}
