/* index.c: ops that move elements to other places. */
#include <string.h>

#include "sample.h"

static void clear(const View* out) {
  int64_t index[kMaxDimensions] = {0};
  if (element_count(out) == 0) return;
  do store_integer(element(out, index), out->dtype, 0);
  while (next_index(out->ndim, out->shape, index));
}

static void add_element(unsigned char* to, const unsigned char* from, fl_dtype dtype) {
  if (is_real(dtype)) store_real(to, dtype, load_real(to, dtype) + load_real(from, dtype));
  else store_integer(to, dtype, (int64_t)((uint64_t)load_integer(to, dtype) + (uint64_t)load_integer(from, dtype)));
}

/* The index read at `at`, counted from the end if negative; false if it is out of range. */
static bool read_index(Launch* launch, const View* indices, const int64_t* at, int64_t size, int64_t* position) {
  int64_t value = load_integer(element(indices, at), indices->dtype);
  *position = value < 0 ? value + size : value;
  if (*position >= 0 && *position < size) return true;
  bad(launch, FL_BAD_INDEX, "index %lld is out of range for an axis of size %lld", (long long)value, (long long)size);
  return false;
}

static fl_status slice_grad_loop(Launch* launch) { /* (g; shape, starts, stops, steps): zeros with g placed */
  const View *g = &launch->inputs[0], *out = &launch->outputs[0];
  const int64_t *starts = launch->attrs[1].value.ints, *steps = launch->attrs[3].value.ints;
  clear(out);
  if (element_count(g) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0}, to[kMaxDimensions];
  do {
    for (int d = 0; d < g->ndim; ++d) to[d] = starts[d] + index[d] * steps[d];
    copy_element(element(out, to), out->dtype, element(g, index), g->dtype);
  } while (next_index(g->ndim, g->shape, index));
  return FL_OK;
}

/* take(x, indices; axis): the axis becomes the dimensions of indices. take_grad(g, indices; axis, size) adds each
 * part of g back to where it came from, in order, so the bits are the same every time. */
static fl_status take_loop(Launch* launch) {
  bool back = strcmp(launch->kernel->op, "take_grad") == 0;
  const View *indices = &launch->inputs[1], *longer = back ? &launch->inputs[0] : &launch->outputs[0];
  const View* source = back ? &launch->outputs[0] : &launch->inputs[0];
  int axis = (int)launch->attrs[0].value.i;
  if (axis < 0) axis += source->ndim;
  if (back) clear(source);
  if (element_count(longer) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    int64_t at[kMaxDimensions], position;
    if (!read_index(launch, indices, index + axis, source->shape[axis], &position)) return FL_BAD_INDEX;
    for (int d = 0; d < axis; ++d) at[d] = index[d];
    at[axis] = position;
    for (int d = axis + 1; d < source->ndim; ++d) at[d] = index[d + indices->ndim - 1];
    if (back) add_element(element(source, at), element(longer, index), source->dtype);
    else copy_element(element(longer, index), longer->dtype, element(source, at), source->dtype);
  } while (next_index(longer->ndim, longer->shape, index));
  return FL_OK;
}

static fl_status take_along_axis_loop(Launch* launch) { /* and take_along_axis_grad(g, indices; axis, size) */
  bool back = strcmp(launch->kernel->op, "take_along_axis_grad") == 0;
  const View *indices = &launch->inputs[1], *shorter = back ? &launch->inputs[0] : &launch->outputs[0];
  const View* source = back ? &launch->outputs[0] : &launch->inputs[0];
  int axis = (int)launch->attrs[0].value.i;
  if (axis < 0) axis += source->ndim;
  if (back) clear(source);
  if (element_count(shorter) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0}, at[kMaxDimensions];
  do {
    memcpy(at, index, sizeof at);
    if (!read_index(launch, indices, index, source->shape[axis], &at[axis])) return FL_BAD_INDEX;
    if (back) add_element(element(source, at), element(shorter, index), source->dtype);
    else copy_element(element(shorter, index), shorter->dtype, element(source, at), source->dtype);
  } while (next_index(shorter->ndim, shorter->shape, index));
  return FL_OK;
}

static fl_status concat_loop(Launch* launch) { /* concat(x...; axis) */
  const View* out = &launch->outputs[0];
  int axis = (int)launch->attrs[0].value.i;
  if (axis < 0) axis += out->ndim;
  int64_t begin = 0;
  for (int i = 0; i < launch->input_count; ++i) {
    const View* x = &launch->inputs[i];
    int64_t index[kMaxDimensions] = {0}, to[kMaxDimensions];
    if (element_count(x) > 0) do {
        memcpy(to, index, sizeof to);
        to[axis] += begin;
        copy_element(element(out, to), out->dtype, element(x, index), x->dtype);
      } while (next_index(x->ndim, x->shape, index));
    begin += x->shape[axis];
  }
  return FL_OK;
}

const Row kIndexRows[] = {
    {"slice_grad", slice_grad_loop, NULL, takes_all},
    {"take", take_loop, NULL, takes_all},
    {"take_grad", take_loop, NULL, takes_all},
    {"take_along_axis", take_along_axis_loop, NULL, takes_all},
    {"take_along_axis_grad", take_along_axis_loop, NULL, takes_all},
    {"concat", concat_loop, NULL, takes_all},
    {NULL, NULL, NULL, NULL},
};
