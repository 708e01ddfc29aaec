/* queue.c: the device's thread. Launches, copies and releases wait in one list and are done in order; what fails
 * there is kept and told at the next synchronize. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sample.h"

typedef struct Task {
  struct Task* next;
  Launch* launch;            /* a launch, or NULL: */
  unsigned char* to;         /* a copy of `bytes` from `from` to `to`, */
  const unsigned char* from;
  uint64_t bytes;
  unsigned char* owned;      /* and memory to free when it is done */
} Task;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t arrived = PTHREAD_COND_INITIALIZER;
static pthread_cond_t finished = PTHREAD_COND_INITIALIZER;
static Task *first, *last;
static uint64_t enqueued, done; /* tickets: the n-th task is done when done >= n */
static bool started, stopping;
static pthread_t thread;
static fl_status late_status = FL_OK;
static char late_text[kMaxText + 64];

static void keep_failure(fl_status status, const Launch* launch) { /* the first one counts; with the lock held */
  if (status == FL_OK || late_status != FL_OK) return;
  late_status = status;
  snprintf(late_text, sizeof late_text, "%s: %s", launch->kernel->op, launch->text);
}

static void* work(void* unused) {
  (void)unused;
  pthread_mutex_lock(&lock);
  for (;;) {
    while (!first && !stopping) pthread_cond_wait(&arrived, &lock);
    if (!first) break;
    Task* task = first;
    first = task->next;
    if (!first) last = NULL;
    pthread_mutex_unlock(&lock);
    fl_status status = FL_OK;
    if (task->launch) status = task->launch->kernel->loop(task->launch);
    if (task->to) memmove(task->to, task->from, (size_t)task->bytes);
    pthread_mutex_lock(&lock);
    if (task->launch) keep_failure(status, task->launch);
    ++done;
    pthread_cond_broadcast(&finished);
    free(task->owned);
    free(task->launch);
    free(task);
  }
  pthread_mutex_unlock(&lock);
  return NULL;
}

__attribute__((destructor)) static void stop(void) {
  pthread_mutex_lock(&lock);
  bool running = started;
  stopping = true;
  pthread_cond_broadcast(&arrived);
  pthread_mutex_unlock(&lock);
  if (running) pthread_join(thread, NULL);
}

static bool push(Task task) {
  Task* kept = malloc(sizeof *kept);
  if (!kept) return false;
  *kept = task;
  kept->next = NULL;
  pthread_mutex_lock(&lock);
  if (!started && !stopping) started = pthread_create(&thread, NULL, work, NULL) == 0;
  bool ok = started && !stopping;
  if (ok) {
    if (last) last->next = kept;
    else first = kept;
    last = kept;
    ++enqueued;
    pthread_cond_signal(&arrived);
  }
  pthread_mutex_unlock(&lock);
  if (!ok) free(kept);
  return ok;
}

static fl_status no_memory(void) { return sample_fail(FL_OUT_OF_MEMORY, "sample: no memory for a launch"); }

void sample_enqueue_free(unsigned char* bytes) {
  if (!push((Task){.owned = bytes})) free(bytes);
}

static int64_t width(fl_dtype dtype) { return dtype.bits <= 8 ? 1 : dtype.bits / 8; }

static fl_status view_of(const Kernel* kernel, const fl_tensor* tensor, View* view) {
  view->ndim = tensor->ndim;
  view->dtype = tensor->dtype;
  view->data = NULL;
  if (tensor->memory) {
    unsigned char* base = sample_address(tensor->memory, NULL);
    if (!base) return sample_fail(FL_DEVICE_ERROR, "%s: a tensor's memory is not of this device", kernel->op);
    view->data = base + tensor->byte_offset;
  }
  for (int d = 0; d < tensor->ndim; ++d) {
    view->shape[d] = tensor->shape[d];
    view->strides[d] = tensor->strides[d] * width(tensor->dtype);
  }
  return FL_OK;
}

/* One block of memory: the launch, its views, its attributes and their lists. */
static Launch* copy_call(const fl_call* call) {
  size_t views = (size_t)call->input_count + (size_t)call->output_count, ints = 0;
  for (int i = 0; i < call->attr_count; ++i)
    if (call->attrs[i].kind == FL_ATTR_INTS) ints += (size_t)call->attrs[i].count;
  Launch* launch = malloc(sizeof *launch + views * sizeof(View) + (size_t)call->attr_count * sizeof(fl_attr) +
                          ints * sizeof(int64_t));
  if (!launch) return NULL;
  launch->input_count = call->input_count;
  launch->output_count = call->output_count;
  launch->attr_count = call->attr_count;
  launch->inputs = (View*)(launch + 1);
  launch->outputs = launch->inputs + call->input_count;
  launch->attrs = (fl_attr*)(launch->inputs + views);
  launch->text[0] = '\0';
  int64_t* list = (int64_t*)(launch->attrs + call->attr_count);
  for (int i = 0; i < call->attr_count; ++i) {
    launch->attrs[i] = call->attrs[i];
    if (call->attrs[i].kind != FL_ATTR_INTS) continue;
    size_t count = (size_t)call->attrs[i].count;
    if (count) memcpy(list, call->attrs[i].value.ints, count * sizeof *list);
    launch->attrs[i].value.ints = list;
    list += count;
  }
  return launch;
}

fl_status sample_enqueue(const Kernel* kernel, const fl_call* call) {
  Launch* launch = copy_call(call);
  if (!launch) return no_memory();
  launch->kernel = kernel;
  fl_status status = FL_OK;
  for (int i = 0; i < call->input_count && status == FL_OK; ++i)
    status = view_of(kernel, &call->inputs[i], &launch->inputs[i]);
  for (int i = 0; i < call->output_count && status == FL_OK; ++i)
    status = view_of(kernel, &call->outputs[i], &launch->outputs[i]);
  if (status == FL_OK && !push((Task){.launch = launch})) status = no_memory();
  if (status != FL_OK) free(launch);
  return status;
}

static unsigned char* range(fl_memory memory, uint64_t offset, uint64_t bytes) {
  uint64_t size = 0;
  unsigned char* base = sample_address(memory, &size);
  if (base && offset <= size && bytes <= size - offset) return base + offset;
  sample_fail(FL_DEVICE_ERROR, "sample: a copy of %llu bytes at %llu leaves its allocation of %llu",
              (unsigned long long)bytes, (unsigned long long)offset, (unsigned long long)size);
  return NULL;
}

fl_status sample_copy_from_host(int32_t device, fl_stream stream, fl_memory to, uint64_t offset, const void* from,
                                uint64_t bytes) {
  (void)device, (void)stream;
  if (!bytes) return FL_OK;
  unsigned char* target = range(to, offset, bytes);
  if (!target) return FL_DEVICE_ERROR;
  unsigned char* staged = malloc((size_t)bytes); /* the caller may reuse its side at once */
  if (!staged) return no_memory();
  memcpy(staged, from, (size_t)bytes);
  if (push((Task){.to = target, .from = staged, .bytes = bytes, .owned = staged})) return FL_OK;
  free(staged);
  return no_memory();
}

fl_status sample_copy(int32_t device, fl_stream stream, fl_memory to, uint64_t to_offset, fl_memory from,
                      uint64_t from_offset, uint64_t bytes) {
  (void)device, (void)stream;
  if (!bytes) return FL_OK;
  unsigned char* target = range(to, to_offset, bytes);
  unsigned char* source = range(from, from_offset, bytes);
  if (!target || !source) return FL_DEVICE_ERROR;
  return push((Task){.to = target, .from = source, .bytes = bytes}) ? FL_OK : no_memory();
}

fl_status sample_copy_to_host(int32_t device, fl_stream stream, void* to, fl_memory from, uint64_t offset,
                              uint64_t bytes) {
  if (bytes) {
    unsigned char* source = range(from, offset, bytes);
    if (!source) return FL_DEVICE_ERROR;
    if (!push((Task){.to = to, .from = source, .bytes = bytes})) return no_memory();
  }
  return sample_synchronize(device, stream);
}

fl_status sample_synchronize(int32_t device, fl_stream stream) {
  (void)device, (void)stream;
  char text[sizeof late_text];
  pthread_mutex_lock(&lock);
  uint64_t ticket = enqueued;
  while (done < ticket) pthread_cond_wait(&finished, &lock);
  fl_status status = late_status;
  memcpy(text, late_text, sizeof text);
  late_status = FL_OK;
  pthread_mutex_unlock(&lock);
  return status == FL_OK ? FL_OK : sample_fail(status, "%s", text);
}

/* An event is the ticket of the last task before it. */
fl_status sample_event_record(int32_t device, fl_stream stream, fl_event* event) {
  (void)device, (void)stream;
  uint64_t* ticket = malloc(sizeof *ticket);
  if (!ticket) return no_memory();
  pthread_mutex_lock(&lock);
  *ticket = enqueued;
  pthread_mutex_unlock(&lock);
  *event = (fl_event)ticket;
  return FL_OK;
}

fl_status sample_event_wait(int32_t device, fl_stream stream, fl_event event) {
  (void)device, (void)stream, (void)event; /* one queue: what comes later runs later */
  return FL_OK;
}

int32_t sample_event_query(int32_t device, fl_event event) {
  (void)device;
  pthread_mutex_lock(&lock);
  int32_t happened = done >= *(uint64_t*)event;
  pthread_mutex_unlock(&lock);
  return happened;
}

void sample_event_destroy(int32_t device, fl_event event) {
  (void)device;
  free(event);
}
