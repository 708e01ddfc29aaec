/* sample_test.c: drives the backend as the core does, from two threads, for the sanitizers. Built with
 * -DFLAMBEAU_SAMPLE_TEST=ON; ends with 0 if every value was right. */
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flambeau/backend.h"

extern const fl_backend* fl_backend_entry(const fl_host* host);

static _Thread_local char said[512];
static void keep(const char* text) { snprintf(said, sizeof said, "%s", text); }
static void quiet(int32_t level, const char* text) { (void)level, (void)text; }
static void serial(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  (void)grain;
  body(context, 0, n);
}
static int32_t one(void) { return 1; }
static void* none(size_t bytes) { return (void)bytes, NULL; }

static const fl_backend* backend;
static const fl_dtype kReal = {FL_FLOAT, 32, 1}, kIndex = {FL_INT, 64, 1};

#define REQUIRE(condition)                                                        \
  do {                                                                            \
    if (!(condition)) {                                                           \
      fprintf(stderr, "line %d: %s is not so; %s\n", __LINE__, #condition, said); \
      exit(1);                                                                    \
    }                                                                             \
  } while (0)

enum { kRows = 5, kColumns = 7, kRounds = 200 };

static fl_tensor made(fl_dtype dtype, const int64_t* shape, const int64_t* strides, int32_t ndim, const void* values,
                      uint64_t bytes) {
  fl_tensor tensor = {NULL, 0, shape, strides, ndim, dtype};
  REQUIRE(backend->allocate(0, bytes, &tensor.memory) == FL_OK);
  if (values) REQUIRE(backend->copy_from_host(0, NULL, tensor.memory, 0, values, bytes) == FL_OK);
  return tensor;
}

static fl_status run(const char* op, const fl_tensor* inputs, int32_t count, fl_tensor output, const fl_attr* attrs,
                     int32_t attr_count) {
  fl_dtype dtypes[8];
  for (int32_t i = 0; i < count; ++i) dtypes[i] = inputs[i].dtype;
  dtypes[count] = output.dtype;
  const fl_kernel* kernel = backend->resolve(0, op, 1, dtypes, count + 1);
  REQUIRE(kernel != NULL);
  fl_call call = {sizeof call, count, 1, attr_count, inputs, &output, attrs};
  REQUIRE(!kernel->claims || kernel->claims(kernel, &call));
  return kernel->run(kernel, NULL, &call);
}

static void* work(void* unused) {
  (void)unused;
  const int64_t shape[] = {kRows, kColumns}, strides[] = {kColumns, 1}, turned[] = {1, kColumns}, square[] = {kRows, kRows},
                square_strides[] = {kRows, 1}, swapped[] = {kColumns, kRows}, column[] = {kRows, 1}, column_strides[] = {1, 0};
  float values[kRows * kColumns], products[kRows * kRows], sums[kRows];
  for (int i = 0; i < kRows * kColumns; ++i) values[i] = (float)(i % 11) - 5;
  for (int round = 0; round < kRounds; ++round) {
    fl_tensor x = made(kReal, shape, strides, 2, values, sizeof values);
    fl_tensor doubled = made(kReal, shape, strides, 2, NULL, sizeof values);
    fl_tensor product = made(kReal, square, square_strides, 2, NULL, sizeof products);
    fl_tensor total = made(kReal, column, column_strides, 2, NULL, sizeof sums);
    const fl_tensor pair[] = {x, x};
    REQUIRE(run("add", pair, 2, doubled, NULL, 0) == FL_OK);
    fl_tensor transposed = {doubled.memory, 0, swapped, turned, 2, kReal};
    const fl_tensor factors[] = {x, transposed};
    REQUIRE(run("matmul", factors, 2, product, NULL, 0) == FL_OK);
    int64_t axis = 1;
    fl_attr attrs[] = {{FL_ATTR_INTS, 1, {.ints = &axis}}, {FL_ATTR_BOOL, 0, {.i = 0}}, {FL_ATTR_DTYPE, 0, {.dtype = kReal}}};
    REQUIRE(run("sum", &x, 1, total, attrs, 3) == FL_OK);
    axis = 99; /* the call is over: whoever still reads this reads something else */
    fl_event event;
    REQUIRE(backend->event_record(0, NULL, &event) == FL_OK);
    backend->release(0, x.memory); /* behind the launches that use it */
    REQUIRE(backend->copy_to_host(0, NULL, products, product.memory, 0, sizeof products) == FL_OK);
    REQUIRE(backend->copy_to_host(0, NULL, sums, total.memory, 0, sizeof sums) == FL_OK);
    REQUIRE(backend->event_query(0, event) == 1);
    backend->event_destroy(0, event);
    for (int i = 0; i < kRows; ++i) {
      float sum = 0, square_sum = 0;
      for (int j = 0; j < kColumns; ++j) sum += values[i * kColumns + j], square_sum += 2 * values[i * kColumns + j] * values[i * kColumns + j];
      REQUIRE(sums[i] == sum);
      REQUIRE(products[i * kRows + i] == square_sum);
    }
    backend->release(0, doubled.memory);
    backend->release(0, product.memory);
    backend->release(0, total.memory);
  }
  return NULL;
}

static void refuse_what_is_wrong(void) {
  const int64_t shape[] = {3}, strides[] = {1};
  const float values[] = {1, 2, 3};
  const int64_t far[] = {0, 1, 7};
  fl_tensor inputs[] = {made(kReal, shape, strides, 1, values, sizeof values),
                        made(kIndex, shape, strides, 1, far, sizeof far)};
  fl_tensor out = made(kReal, shape, strides, 1, NULL, sizeof values);
  fl_attr axis = {FL_ATTR_INT, 0, {.i = 0}};
  REQUIRE(run("take", inputs, 2, out, &axis, 1) == FL_OK); /* it is told later */
  REQUIRE(backend->stream_synchronize(0, NULL) == FL_BAD_INDEX);
  REQUIRE(strstr(said, "take: index 7"));
  REQUIRE(backend->stream_synchronize(0, NULL) == FL_OK); /* and once */
  float read[3];
  REQUIRE(backend->copy_to_host(0, NULL, read, inputs[0].memory, 8, 8) == FL_DEVICE_ERROR);
  backend->release(0, out.memory);
  REQUIRE(backend->copy_to_host(0, NULL, read, out.memory, 0, 4) == FL_DEVICE_ERROR);
  backend->release(0, inputs[0].memory);
  backend->release(0, inputs[1].memory);
  fl_memory memory;
  REQUIRE(backend->allocate(0, UINT64_MAX, &memory) == FL_OUT_OF_MEMORY);
}

int main(void) {
  static const fl_host host = {sizeof host, FL_BACKEND_ABI_VERSION, serial, one, none, keep, quiet};
  backend = fl_backend_entry(&host);
  REQUIRE(backend != NULL);
  pthread_t threads[2];
  for (int i = 0; i < 2; ++i) REQUIRE(pthread_create(&threads[i], NULL, work, NULL) == 0);
  for (int i = 0; i < 2; ++i) pthread_join(threads[i], NULL);
  refuse_what_is_wrong();
  return 0;
}
