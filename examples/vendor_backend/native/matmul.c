/* matmul.c: matmul(a, b) over any batch dimensions, and linear(x, weight, bias). */
#include <stddef.h>

#include "sample.h"

static void product(const unsigned char* a, int64_t a_step, const unsigned char* b, int64_t b_step, int64_t k,
                    fl_dtype dtype, const unsigned char* bias, unsigned char* to) {
  if (is_real(dtype)) {
    double total = bias ? load_real(bias, dtype) : 0;
    for (int64_t i = 0; i < k; ++i) total += load_real(a + i * a_step, dtype) * load_real(b + i * b_step, dtype);
    store_real(to, dtype, total);
  } else {
    uint64_t total = bias ? (uint64_t)load_integer(bias, dtype) : 0;
    for (int64_t i = 0; i < k; ++i)
      total += (uint64_t)load_integer(a + i * a_step, dtype) * (uint64_t)load_integer(b + i * b_step, dtype);
    store_integer(to, dtype, (int64_t)total);
  }
}

static fl_status matmul_loop(Launch* launch) {
  const View *a = &launch->inputs[0], *b = &launch->inputs[1], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int row = out->ndim - 2, column = out->ndim - 1;
  int64_t index[kMaxDimensions] = {0};
  do {
    int64_t at_a[kMaxDimensions], at_b[kMaxDimensions];
    for (int d = 0; d < out->ndim; ++d) { /* a batch dimension that is broadcast comes 1 long or with stride 0 */
      at_a[d] = d < row && a->shape[d] == 1 ? 0 : index[d];
      at_b[d] = d < row && b->shape[d] == 1 ? 0 : index[d];
    }
    at_a[column] = at_b[row] = 0;
    bool any = a->shape[column] > 0;
    product(any ? element(a, at_a) : NULL, a->strides[column], any ? element(b, at_b) : NULL, b->strides[row],
            a->shape[column], out->dtype, NULL, element(out, index));
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static fl_status linear_loop(Launch* launch) { /* x (..., k), weight (n, k), bias (n,) */
  const View *x = &launch->inputs[0], *weight = &launch->inputs[1], *out = &launch->outputs[0];
  const View* bias = launch->input_count > 2 ? &launch->inputs[2] : NULL;
  if (element_count(out) == 0) return FL_OK;
  int last = out->ndim - 1;
  int64_t index[kMaxDimensions] = {0};
  do {
    int64_t at[kMaxDimensions], column = index[last];
    for (int d = 0; d < last; ++d) at[d] = index[d];
    at[last] = 0;
    bool any = x->shape[last] > 0;
    product(any ? element(x, at) : NULL, x->strides[last], any ? weight->data + column * weight->strides[0] : NULL,
            weight->strides[1], x->shape[last], out->dtype, bias ? bias->data + column * bias->strides[0] : NULL,
            element(out, index));
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

const Row kMatmulRows[] = {
    {"matmul", matmul_loop, NULL, takes_all},
    {"linear", linear_loop, NULL, takes_real},
    {NULL, NULL, NULL, NULL},
};
