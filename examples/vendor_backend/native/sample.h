/* sample.h: what the files of the sample device share. */
#ifndef FLAMBEAU_SAMPLE_H
#define FLAMBEAU_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "flambeau/backend.h"

enum { kMaxDimensions = 16, kMaxText = 512 };

/* A tensor as the queue's thread sees it: the handle is resolved, shape and strides are copied. */
typedef struct View {
  unsigned char* data; /* NULL if there are no elements */
  int ndim;
  fl_dtype dtype;
  int64_t shape[kMaxDimensions];
  int64_t strides[kMaxDimensions]; /* in bytes */
} View;

typedef struct Kernel Kernel;

/* One launch, copied out of an fl_call, because the core's pointers end with the call. */
typedef struct Launch {
  const Kernel* kernel;
  int input_count, output_count, attr_count;
  View* inputs;
  View* outputs;
  fl_attr* attrs;
  char text[kMaxText]; /* what a failing loop says */
} Launch;

typedef fl_status (*Loop)(Launch* launch);

struct Kernel {
  fl_kernel base; /* first: the core sees this */
  const char* op;
  Loop loop;
  const void* state; /* the loop's own: often a pair of functions over elements */
};

/* memory.c: a table of blocks; the host holds row numbers, never addresses */
extern const fl_host* sample_host;
fl_status sample_allocate(int32_t device, uint64_t bytes, fl_memory* memory);
void sample_release(int32_t device, fl_memory memory);
unsigned char* sample_address(fl_memory memory, uint64_t* size);
fl_status sample_fail(fl_status status, const char* format, ...);

/* queue.c: one thread that works off launches, copies and releases in order */
fl_status sample_enqueue(const Kernel* kernel, const fl_call* call);
void sample_enqueue_free(unsigned char* bytes);
fl_status sample_copy_from_host(int32_t device, fl_stream stream, fl_memory to, uint64_t offset, const void* from,
                                uint64_t bytes);
fl_status sample_copy_to_host(int32_t device, fl_stream stream, void* to, fl_memory from, uint64_t offset,
                              uint64_t bytes);
fl_status sample_copy(int32_t device, fl_stream stream, fl_memory to, uint64_t to_offset, fl_memory from,
                      uint64_t from_offset, uint64_t bytes);
fl_status sample_synchronize(int32_t device, fl_stream stream);
fl_status sample_event_record(int32_t device, fl_stream stream, fl_event* event);
fl_status sample_event_wait(int32_t device, fl_stream stream, fl_event event);
int32_t sample_event_query(int32_t device, fl_event event);
void sample_event_destroy(int32_t device, fl_event event);

/* elements.c: reading, writing and walking over elements of any of the four dtypes */
bool is_real(fl_dtype dtype);
bool is_bool(fl_dtype dtype);
bool same_dtype(fl_dtype a, fl_dtype b);
double load_real(const unsigned char* at, fl_dtype dtype);
int64_t load_integer(const unsigned char* at, fl_dtype dtype);
void store_real(unsigned char* at, fl_dtype dtype, double value);
void store_integer(unsigned char* at, fl_dtype dtype, int64_t value);
void copy_element(unsigned char* to, fl_dtype to_dtype, const unsigned char* from, fl_dtype from_dtype);
int64_t element_count(const View* view);
/* The next index of `shape` in row-major order; false after the last. Start from all zeros. */
bool next_index(int ndim, const int64_t* shape, int64_t* index);
unsigned char* element(const View* view, const int64_t* index);
fl_status bad(Launch* launch, fl_status status, const char* format, ...);

/* The kernels, a table a file; resolve() walks over them. `takes` says whether the dtypes suit. */
typedef struct Row {
  const char* op;
  Loop loop;
  const void* state;
  bool (*takes)(const void* state, const fl_dtype* dtypes, int32_t count);
} Row;
extern const Row kPointwiseRows[];
extern const Row kReduceRows[];
extern const Row kIndexRows[];
extern const Row kMatmulRows[];
extern const Row kCreateRows[];
extern const Row kRandomRows[];
extern const Row kOptimizerRows[];
bool takes_all(const void* state, const fl_dtype* dtypes, int32_t count);
bool takes_real(const void* state, const fl_dtype* dtypes, int32_t count);

#endif
