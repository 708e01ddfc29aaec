/* reduce.c: sums, extremes and their places. Output dimensions that were reduced have size 1. */
#include <math.h>
#include <string.h>

#include "sample.h"

/* What one output element sees: the same tensor, with only the reduced axes left to walk over. */
static View window(const Launch* launch, const View* x, const int64_t* index) {
  View part = *x;
  part.data = element(x, index); /* index is 0 along reduced axes */
  bool reduced[kMaxDimensions] = {false};
  for (int i = 0; i < launch->attrs[0].count; ++i) reduced[launch->attrs[0].value.ints[i]] = true;
  for (int d = 0; d < part.ndim; ++d)
    if (!reduced[d]) part.shape[d] = 1;
  return part;
}

typedef enum Kind { kSum, kMean, kMax, kMin, kAny, kAll, kArgmax, kArgmin } Kind;

static bool better(Kind kind, double x, double best) { /* NaN wins, the first of equals stays */
  if (isnan(best)) return false;
  if (isnan(x)) return true;
  return kind == kMax || kind == kArgmax ? x > best : x < best;
}

static void reduce_real(Kind kind, const View* part, unsigned char* to, fl_dtype dtype) {
  double total = 0, best = 0;
  int64_t at = 0, place = 0, count = element_count(part), inner[kMaxDimensions] = {0};
  if (count > 0) do {
      double x = load_real(element(part, inner), part->dtype);
      total += x;
      if (at == 0 || better(kind, x, best)) best = x, place = at;
      ++at;
    } while (next_index(part->ndim, part->shape, inner));
  if (kind == kSum) store_real(to, dtype, total);
  else if (kind == kMean) store_real(to, dtype, total / (double)count);
  else if (kind == kMax || kind == kMin) store_real(to, dtype, best);
  else store_integer(to, dtype, place);
}

static void reduce_integer(Kind kind, const View* part, unsigned char* to, fl_dtype dtype) {
  uint64_t total = 0;
  int64_t best = 0, at = 0, place = 0, inner[kMaxDimensions] = {0};
  bool any = false, all = true, largest = kind == kMax || kind == kArgmax;
  if (element_count(part) > 0) do {
      int64_t x = is_real(part->dtype) ? load_real(element(part, inner), part->dtype) != 0
                                       : load_integer(element(part, inner), part->dtype);
      total += (uint64_t)x;
      any |= x != 0;
      all &= x != 0;
      if (at == 0 || (largest ? x > best : x < best)) best = x, place = at;
      ++at;
    } while (next_index(part->ndim, part->shape, inner));
  int64_t results[] = {(int64_t)total, 0, best, best, any, all, place, place};
  store_integer(to, dtype, results[kind]);
}

static fl_status reduce_loop(Launch* launch) {
  Kind kind = *(const Kind*)launch->kernel->state;
  const View *x = &launch->inputs[0], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    View part = window(launch, x, index);
    bool real = is_real(x->dtype) || (kind == kSum && is_real(out->dtype));
    if (real && kind != kAny && kind != kAll) reduce_real(kind, &part, element(out, index), out->dtype);
    else reduce_integer(kind, &part, element(out, index), out->dtype);
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

/* softmax(x; axis) and log_softmax(x; axis): the largest of the row is subtracted before exp. */
static fl_status softmax_loop(Launch* launch) {
  bool logarithm = strcmp(launch->kernel->op, "log_softmax") == 0;
  const View *x = &launch->inputs[0], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int axis = (int)launch->attrs[0].value.i;
  if (axis < 0) axis += x->ndim;
  if (x->ndim == 0) {
    store_real(out->data, out->dtype, logarithm ? 0.0 : 1.0);
    return FL_OK;
  }
  int64_t rows[kMaxDimensions], index[kMaxDimensions] = {0}, n = x->shape[axis];
  memcpy(rows, x->shape, sizeof rows);
  rows[axis] = 1;
  do {
    const unsigned char* from = element(x, index);
    unsigned char* to = element(out, index);
    double largest = -INFINITY, total = 0;
    for (int64_t i = 0; i < n; ++i) {
      double value = load_real(from + i * x->strides[axis], x->dtype);
      if (value > largest || isnan(value)) largest = value;
    }
    for (int64_t i = 0; i < n; ++i) total += exp(load_real(from + i * x->strides[axis], x->dtype) - largest);
    for (int64_t i = 0; i < n; ++i) {
      double shifted = load_real(from + i * x->strides[axis], x->dtype) - largest;
      store_real(to + i * out->strides[axis], out->dtype, logarithm ? shifted - log(total) : exp(shifted) / total);
    }
  } while (next_index(x->ndim, rows, index));
  return FL_OK;
}

static bool takes_truth(const void* state, const fl_dtype* dtypes, int32_t count) {
  (void)state;
  return count > 1 && is_bool(dtypes[1]);
}

#define REDUCE(op, kind, takes) {#op, reduce_loop, &(const Kind){kind}, takes}

const Row kReduceRows[] = {
    REDUCE(sum, kSum, takes_all),       REDUCE(mean, kMean, takes_real),     REDUCE(max, kMax, takes_all),
    REDUCE(min, kMin, takes_all),       REDUCE(any, kAny, takes_truth),      REDUCE(all, kAll, takes_truth),
    REDUCE(argmax, kArgmax, takes_all), REDUCE(argmin, kArgmin, takes_all),  {"softmax", softmax_loop, NULL, takes_real},
    {"log_softmax", softmax_loop, NULL, takes_real}, {NULL, NULL, NULL, NULL},
};
