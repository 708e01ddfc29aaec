/* backend.c: the table that the core asks for, and the look-up of kernels. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "sample.h"

const fl_host* sample_host;

static const fl_dtype kDtypes[] = {{FL_BOOL, 8, 1}, {FL_INT, 32, 1}, {FL_INT, 64, 1}, {FL_FLOAT, 32, 1}};
static const Row* const kTables[] = {kPointwiseRows, kReduceRows, kIndexRows, kMatmulRows, kCreateRows,
                                    kRandomRows,    kOptimizerRows};

static int32_t device_count(void) { return 1; }

static fl_status describe(int32_t device, fl_device_info* info) {
  (void)device;
  info->flags = FL_DEVICE_RUNS_AHEAD; /* and not FL_DEVICE_HOST_MEMORY */
  snprintf(info->name, sizeof info->name, "a queue thread that shows how a vendor's device is written");
  snprintf(info->driver, sizeof info->driver, "flambeau_sample 0.1.0");
  info->memory_bytes = 0;
  info->alignment = 64;
  info->index_dtype = (fl_dtype){FL_INT, 64, 1};
  info->dtype_count = (int32_t)(sizeof kDtypes / sizeof kDtypes[0]);
  memcpy(info->dtypes, kDtypes, sizeof kDtypes);
  return FL_OK;
}

static fl_status run(const fl_kernel* self, fl_stream stream, const fl_call* call) {
  (void)stream;
  return sample_enqueue((const Kernel*)self, call);
}

/* The views of a launch have room for so many dimensions: more is not claimed, and the core says so. */
static int32_t claims(const fl_kernel* self, const fl_call* signature) {
  (void)self;
  for (int i = 0; i < signature->input_count; ++i)
    if (signature->inputs[i].ndim > kMaxDimensions) return 0;
  for (int i = 0; i < signature->output_count; ++i)
    if (signature->outputs[i].ndim > kMaxDimensions) return 0;
  return 1;
}

static bool has_dtype(fl_dtype dtype) {
  for (size_t i = 0; i < sizeof kDtypes / sizeof kDtypes[0]; ++i)
    if (same_dtype(dtype, kDtypes[i])) return true;
  return false;
}

bool takes_all(const void* state, const fl_dtype* dtypes, int32_t count) {
  (void)state, (void)dtypes, (void)count;
  return true;
}

bool takes_real(const void* state, const fl_dtype* dtypes, int32_t count) {
  (void)state;
  return count > 0 && is_real(dtypes[0]);
}

/* A row serves every combination of dtypes that it takes, so one kernel a row is enough: it stays in this array
 * from the first request to the end, as the header asks. */
enum { kMaxRows = 160 };
static pthread_mutex_t kernels_lock = PTHREAD_MUTEX_INITIALIZER;
static Kernel kernels[kMaxRows];
static const Row* kernel_rows[kMaxRows];
static int kernel_count;

static const fl_kernel* kernel_of(const Row* row) {
  pthread_mutex_lock(&kernels_lock);
  int at = 0;
  while (at < kernel_count && kernel_rows[at] != row) ++at;
  if (at == kernel_count && at < kMaxRows) {
    kernels[at] = (Kernel){{run, claims, NULL}, row->op, row->loop, row->state};
    kernel_rows[kernel_count++] = row;
  }
  pthread_mutex_unlock(&kernels_lock);
  return at < kMaxRows ? &kernels[at].base : NULL;
}

static const fl_kernel* resolve(int32_t device, const char* op, int32_t op_version, const fl_dtype* dtypes,
                                int32_t dtype_count) {
  (void)device;
  if (op_version != 1) return NULL;
  for (int32_t i = 0; i < dtype_count; ++i)
    if (!has_dtype(dtypes[i])) return NULL;
  for (size_t table = 0; table < sizeof kTables / sizeof kTables[0]; ++table)
    for (const Row* row = kTables[table]; row->op; ++row)
      if (strcmp(row->op, op) == 0 && row->takes(row->state, dtypes, dtype_count)) return kernel_of(row);
  return NULL;
}

static const fl_backend kBackend = {
    .struct_size = sizeof(fl_backend),
    .abi_version = FL_BACKEND_ABI_VERSION,
    .name = "sample",
    .version = "0.1.0",
    .device_count = device_count,
    .describe = describe,
    .allocate = sample_allocate,
    .release = sample_release,
    .copy_from_host = sample_copy_from_host,
    .copy_to_host = sample_copy_to_host,
    .copy = sample_copy,
    .stream_synchronize = sample_synchronize,
    .event_record = sample_event_record,
    .event_wait = sample_event_wait,
    .event_query = sample_event_query,
    .event_destroy = sample_event_destroy,
    .resolve = resolve,
};

__attribute__((visibility("default"))) const fl_backend* fl_backend_entry(const fl_host* host) {
  if (host->abi_version != FL_BACKEND_ABI_VERSION || host->struct_size < sizeof(fl_host)) {
    if (host->fail) host->fail("sample: this build speaks version 1 of backend.h; install a flambeau_sample for this core");
    return NULL;
  }
  sample_host = host;
  return &kBackend;
}
