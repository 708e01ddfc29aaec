/* create.c: tensors from attributes alone. */
#include "sample.h"

static fl_status full_loop(Launch* launch) { /* full(shape, value, value_int, dtype) */
  const View* out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    if (is_real(out->dtype)) store_real(element(out, index), out->dtype, launch->attrs[1].value.f);
    else store_integer(element(out, index), out->dtype, launch->attrs[2].value.i);
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static fl_status arange_loop(Launch* launch) { /* arange(start, step, count, dtype) */
  const View* out = &launch->outputs[0];
  double start = launch->attrs[0].value.f, step = launch->attrs[1].value.f;
  for (int64_t i = 0; i < out->shape[0]; ++i) {
    unsigned char* to = out->data + i * out->strides[0];
    if (is_real(out->dtype)) store_real(to, out->dtype, start + (double)i * step);
    else store_integer(to, out->dtype, (int64_t)start + i * (int64_t)step);
  }
  return FL_OK;
}

const Row kCreateRows[] = {
    {"full", full_loop, NULL, takes_all},
    {"arange", arange_loop, NULL, takes_all},
    {NULL, NULL, NULL, NULL},
};
