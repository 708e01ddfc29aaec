/* planted_backend.c: a device for tests, whose one op, float32 exp, is PLANTED_ULP units in the last place off. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "flambeau/backend.h"

static int32_t device_count(void) { return 1; }

static fl_status describe(int32_t device, fl_device_info* info) {
  const fl_dtype float32 = {FL_FLOAT, 32, 1};
  const fl_dtype int64 = {FL_INT, 64, 1};
  (void)device;
  info->flags = FL_DEVICE_HOST_MEMORY;
  strcpy(info->name, "a device with a fault");
  info->driver[0] = 0;
  info->memory_bytes = 0;
  info->alignment = 64;
  info->index_dtype = int64;
  info->dtype_count = 1;
  info->dtypes[0] = float32;
  return FL_OK;
}

static fl_status allocate(int32_t device, uint64_t bytes, fl_memory* memory) {
  (void)device;
  *memory = (fl_memory)aligned_alloc(64, (bytes + 63) / 64 * 64);
  return *memory ? FL_OK : FL_OUT_OF_MEMORY;
}

static void release(int32_t device, fl_memory memory) {
  (void)device;
  free(memory);
}

static void* host_pointer(int32_t device, fl_memory memory) {
  (void)device;
  return memory;
}

static fl_status copy_from_host(int32_t device, fl_stream stream, fl_memory to, uint64_t offset, const void* from,
                                uint64_t bytes) {
  (void)device, (void)stream;
  memcpy((char*)to + offset, from, bytes);
  return FL_OK;
}

static fl_status copy_to_host(int32_t device, fl_stream stream, void* to, fl_memory from, uint64_t offset,
                              uint64_t bytes) {
  (void)device, (void)stream;
  memcpy(to, (const char*)from + offset, bytes);
  return FL_OK;
}

static fl_status copy(int32_t device, fl_stream stream, fl_memory to, uint64_t to_offset, fl_memory from,
                      uint64_t from_offset, uint64_t bytes) {
  (void)device, (void)stream;
  memmove((char*)to + to_offset, (const char*)from + from_offset, bytes);
  return FL_OK;
}

static fl_status synchronize(int32_t device, fl_stream stream) {
  (void)device, (void)stream;
  return FL_OK;
}

/* Contiguous calls, which the core merges into one dimension. */
static int32_t claims(const fl_kernel* self, const fl_call* call) {
  (void)self;
  return call->outputs[0].ndim == 1 && call->inputs[0].strides[0] == 1;
}

static fl_status run_exp(const fl_kernel* self, fl_stream stream, const fl_call* call) {
  const float* x = (const float*)((const char*)call->inputs[0].memory + call->inputs[0].byte_offset);
  float* out = (float*)((char*)call->outputs[0].memory + call->outputs[0].byte_offset);
  (void)self, (void)stream;
  for (int64_t i = 0; i < call->outputs[0].shape[0]; ++i) {
    out[i] = (float)exp((double)x[i]);
    for (int step = 0; step < PLANTED_ULP; ++step) out[i] = nextafterf(out[i], INFINITY);
  }
  return FL_OK;
}

static const fl_kernel kernel = {run_exp, claims, NULL};

static const fl_kernel* resolve(int32_t device, const char* op, int32_t version, const fl_dtype* dtypes,
                                int32_t count) {
  (void)device, (void)version, (void)count;
  return strcmp(op, "exp") == 0 && dtypes[0].bits == 32 ? &kernel : NULL;
}

__attribute__((visibility("default"))) const fl_backend* fl_backend_entry(const fl_host* host) {
  static fl_backend backend;
  (void)host;
  backend.struct_size = sizeof backend;
  backend.abi_version = FL_BACKEND_ABI_VERSION;
  backend.name = PLANTED_NAME;
  backend.version = "1";
  backend.device_count = device_count;
  backend.describe = describe;
  backend.allocate = allocate;
  backend.release = release;
  backend.host_pointer = host_pointer;
  backend.copy_from_host = copy_from_host;
  backend.copy_to_host = copy_to_host;
  backend.copy = copy;
  backend.stream_synchronize = synchronize;
  backend.resolve = resolve;
  return &backend;
}
