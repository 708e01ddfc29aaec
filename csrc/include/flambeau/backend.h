/* backend.h: what a device implements so that flambeau can run on it. Plain C, ABI version 1.
 *
 * A backend is a shared library that exports one function, `fl_backend_entry` (or, for those built into the
 * core, the same function under a name of its own). The core calls it once with its host table and gets the
 * backend's table in return. Both tables begin with their size and the ABI version: fields are only ever added
 * at the end, so an older backend runs in a newer core and the other way round; a reader looks at a field only
 * when `struct_size` covers it.
 *
 * Rules that hold everywhere:
 *  - Memory is (opaque handle, byte offset). The core never looks inside a handle; it reads host memory only
 *    through `host_pointer` or the copies.
 *  - Every launch and copy names a stream; a backend without streams treats all as one and runs at once.
 *  - A function that fails returns a status other than FL_OK after `host->fail(text)`, where the text names
 *    what came, what was needed and the next step. Failures of work that runs later come back from the next
 *    `stream_synchronize` (or `event_wait`), with the op's name in the text.
 *  - Pointers in a call are borrowed: they live until the call returns. A backend that runs later copies them.
 *  - Shapes and strides count elements; strides may be 0 (broadcast) or negative.
 *  - A field marked [optional] may be NULL.
 */
#ifndef FLAMBEAU_BACKEND_H
#define FLAMBEAU_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FL_BACKEND_ABI_VERSION 1u
#define FL_BACKEND_ENTRY_SYMBOL "fl_backend_entry"

/* ---- values ------------------------------------------------------------------------------------------- */

/* DLPack's data type: code, bits, lanes (always 1 here). */
typedef struct fl_dtype {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
} fl_dtype;

enum { FL_INT = 0, FL_UINT = 1, FL_FLOAT = 2, FL_BFLOAT = 4, FL_COMPLEX = 5, FL_BOOL = 6 };

typedef int32_t fl_status;
enum {
  FL_OK = 0,
  FL_UNSUPPORTED = 1,   /* not this op, dtype or shape; the core decomposes or raises NotImplementedError */
  FL_OUT_OF_MEMORY = 2, /* the core trims its cache and tries once more */
  FL_BAD_INDEX = 3,     /* an index read from a tensor is out of range: IndexError */
  FL_BAD_VALUE = 4,     /* another value the op refuses: ValueError */
  FL_DEVICE_ERROR = 5   /* anything else: DeviceError */
};

typedef struct fl_memory_s* fl_memory;   /* a backend's allocation; for host memory the base address itself */
typedef struct fl_stream_s* fl_stream;   /* NULL is the device's default stream */
typedef struct fl_event_s* fl_event;
typedef struct fl_program_s* fl_program; /* a compiled graph */

typedef struct fl_tensor {
  fl_memory memory; /* NULL if the tensor has no elements */
  uint64_t byte_offset;
  const int64_t* shape;
  const int64_t* strides; /* in elements; 0 repeats, may be negative */
  int32_t ndim;
  fl_dtype dtype;
} fl_tensor;

typedef enum fl_attr_kind {
  FL_ATTR_NONE = 0,
  FL_ATTR_BOOL = 1,  /* value.i: 0 or 1 */
  FL_ATTR_INT = 2,   /* value.i */
  FL_ATTR_FLOAT = 3, /* value.f */
  FL_ATTR_INTS = 4,  /* value.ints, count */
  FL_ATTR_DTYPE = 5, /* value.dtype */
  FL_ATTR_TEXT = 6   /* value.text, zero-terminated */
} fl_attr_kind;

typedef struct fl_attr {
  int32_t kind;
  int32_t count;
  union {
    int64_t i;
    double f;
    const int64_t* ints;
    fl_dtype dtype;
    const char* text;
  } value;
} fl_attr;

/* One call of an op: attributes stand in the order of the op's row (docs/ops.md). */
typedef struct fl_call {
  uint32_t struct_size;
  int32_t input_count;
  int32_t output_count;
  int32_t attr_count;
  const fl_tensor* inputs;
  const fl_tensor* outputs; /* allocated by the core; an op that writes in place gets its input here again */
  const fl_attr* attrs;
} fl_call;

/* ---- what the core offers a backend -------------------------------------------------------------------- */

typedef struct fl_host {
  uint32_t struct_size;
  uint32_t abi_version;
  /* Runs body(context, begin, end) over [0, n) cut into pieces of `grain` (the last may be shorter), on the
   * core's threads and the caller's. The cut depends on n and grain alone, never on the number of threads:
   * results that combine one partial result a piece, in order, have the same bits on any number of threads.
   * Nested calls run in the calling thread. */
  void (*parallel_for)(int64_t n, int64_t grain, void (*body)(void* context, int64_t begin, int64_t end),
                       void* context);
  int32_t (*thread_count)(void);
  /* Scratch of at least `bytes`, aligned to 64, owned by the calling thread until its op returns (a second
   * request in the same op gives other memory). NULL if there is none. */
  void* (*scratch)(size_t bytes);
  /* Keeps the text for the user of the failing call, in the calling thread. */
  void (*fail)(const char* text);
  /* level: 0 debug, 1 information, 2 warning. */
  void (*log)(int32_t level, const char* text);
} fl_host;

/* ---- what a backend offers the core --------------------------------------------------------------------- */

enum {
  FL_DEVICE_HOST_MEMORY = 1u, /* `host_pointer` works: the host reads and writes this device's memory */
  FL_DEVICE_RUNS_AHEAD = 2u   /* launches return before the work is done */
};

typedef struct fl_device_info {
  uint32_t struct_size;
  uint32_t flags;
  char name[128];   /* the hardware, in words */
  char driver[128]; /* driver or library with its version; "" if there is none */
  uint64_t memory_bytes; /* 0 if unknown */
  uint32_t alignment;    /* of byte offsets that the core hands out in one allocation */
  fl_dtype index_dtype;  /* what argmax gives and take receives at least */
  int32_t dtype_count;
  fl_dtype dtypes[32]; /* those it stores and computes with */
} fl_device_info;

typedef struct fl_kernel fl_kernel;
struct fl_kernel {
  /* Runs or enqueues one call whose dtypes are those it was resolved for. */
  fl_status (*run)(const fl_kernel* self, fl_stream stream, const fl_call* call);
  /* [optional] Says whether it takes this signature (shapes, strides, attributes; memory is NULL): 1 or 0. The
   * core keeps the answer. NULL takes all. */
  int32_t (*claims)(const fl_kernel* self, const fl_call* signature);
  void* state; /* the backend's own */
};

/* A graph in single static assignment: values are numbered; a node's outputs are new values. */
typedef struct fl_value {
  fl_dtype dtype;
  int32_t ndim;
  const int64_t* shape;
} fl_value;

typedef struct fl_node {
  const char* op;
  int32_t op_version;
  int32_t input_count;
  int32_t output_count;
  int32_t attr_count;
  const int32_t* inputs;
  const int32_t* outputs;
  const fl_attr* attrs;
} fl_node;

typedef struct fl_graph {
  uint32_t struct_size;
  int32_t value_count;
  int32_t node_count;
  int32_t input_count;
  int32_t output_count;
  const fl_value* values;
  const fl_node* nodes;
  const int32_t* inputs;
  const int32_t* outputs;
} fl_graph;

typedef struct fl_backend {
  uint32_t struct_size;
  uint32_t abi_version;
  const char* name;    /* "cpu": what stands before the colon in a device's name */
  const char* version; /* the backend's own */

  int32_t (*device_count)(void); /* 0 with host->fail(text) where hardware or driver is missing */
  fl_status (*describe)(int32_t device, fl_device_info* info);

  fl_status (*allocate)(int32_t device, uint64_t bytes, fl_memory* memory);
  void (*release)(int32_t device, fl_memory memory); /* the core calls it when no work uses the memory any more */
  void* (*host_pointer)(int32_t device, fl_memory memory); /* [optional] only with FL_DEVICE_HOST_MEMORY */

  /* Copies of bytes; ordered with the stream's launches. The host's side of copy_from_host may be reused when the
   * call returns; copy_to_host returns when the bytes are there (it reports late failures too). */
  fl_status (*copy_from_host)(int32_t device, fl_stream stream, fl_memory to, uint64_t to_offset, const void* from,
                              uint64_t bytes);
  fl_status (*copy_to_host)(int32_t device, fl_stream stream, void* to, fl_memory from, uint64_t from_offset,
                            uint64_t bytes);
  fl_status (*copy)(int32_t device, fl_stream stream, fl_memory to, uint64_t to_offset, fl_memory from,
                    uint64_t from_offset, uint64_t bytes);

  fl_status (*stream_create)(int32_t device, fl_stream* stream); /* [optional] NULL: only the default stream */
  void (*stream_destroy)(int32_t device, fl_stream stream);      /* [optional] with stream_create */
  fl_status (*stream_synchronize)(int32_t device, fl_stream stream);
  fl_status (*event_record)(int32_t device, fl_stream stream, fl_event* event); /* [optional] makes and records */
  fl_status (*event_wait)(int32_t device, fl_stream stream, fl_event event);    /* [optional] stream waits for it */
  int32_t (*event_query)(int32_t device, fl_event event);                       /* [optional] 1: it has happened */
  void (*event_destroy)(int32_t device, fl_event event);                        /* [optional] */

  /* The kernel for this op at these dtypes (inputs, then outputs; those of one repeated input stand once for
   * an op with any number of inputs: see docs/ops.md), or NULL if there is none. Called once for each
   * combination; the answer is kept and must stay valid. [optional] if compile is there. */
  const fl_kernel* (*resolve)(int32_t device, const char* op, int32_t op_version, const fl_dtype* dtypes,
                              int32_t dtype_count);

  /* [optional] Whole graphs. FL_UNSUPPORTED: the core runs the nodes one by one. */
  fl_status (*compile)(int32_t device, const fl_graph* graph, fl_program* program);
  fl_status (*program_run)(int32_t device, fl_stream stream, fl_program program, const fl_tensor* inputs,
                           const fl_tensor* outputs);
  void (*program_release)(int32_t device, fl_program program);
} fl_backend;

/* Gives the backend's table, which stays valid, or NULL after host->fail(text). */
typedef const fl_backend* (*fl_backend_entry_function)(const fl_host* host);

#ifdef __cplusplus
}
#endif

#endif /* FLAMBEAU_BACKEND_H */
