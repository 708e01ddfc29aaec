/* optimizer.c: one launch a step for all parameters, in place. Inputs stand in groups of `count`. */
#include <math.h>

#include "sample.h"

/* sgd_step(params, grads, momentum buffers or none; count, lr, momentum, dampening, weight_decay, nesterov,
 * maximize, first) */
static fl_status sgd_loop(Launch* launch) {
  int count = (int)launch->attrs[0].value.i;
  double lr = launch->attrs[1].value.f, momentum = launch->attrs[2].value.f, dampening = launch->attrs[3].value.f;
  double decay = launch->attrs[4].value.f;
  bool nesterov = launch->attrs[5].value.i, maximize = launch->attrs[6].value.i, first = launch->attrs[7].value.i;
  for (int i = 0; i < count; ++i) {
    const View *p = &launch->inputs[i], *g = &launch->inputs[count + i];
    const View* buffer = launch->input_count == 3 * count ? &launch->inputs[2 * count + i] : NULL;
    int64_t index[kMaxDimensions] = {0};
    if (element_count(p) > 0) do {
        double x = load_real(element(p, index), p->dtype), d = load_real(element(g, index), g->dtype);
        if (maximize) d = -d;
        d += decay * x;
        if (buffer) {
          double kept = first ? d : momentum * load_real(element(buffer, index), p->dtype) + (1 - dampening) * d;
          store_real(element(buffer, index), p->dtype, kept);
          d = nesterov ? d + momentum * kept : kept;
        }
        store_real(element(p, index), p->dtype, x - lr * d);
      } while (next_index(p->ndim, p->shape, index));
  }
  return FL_OK;
}

/* adamw_step(params, grads, averages, averages of squares; count, lr, beta1, beta2, eps, weight_decay, step,
 * maximize) */
static fl_status adamw_loop(Launch* launch) {
  int count = (int)launch->attrs[0].value.i;
  double lr = launch->attrs[1].value.f, beta1 = launch->attrs[2].value.f, beta2 = launch->attrs[3].value.f;
  double eps = launch->attrs[4].value.f, decay = launch->attrs[5].value.f, step = (double)launch->attrs[6].value.i;
  bool maximize = launch->attrs[7].value.i;
  double correction1 = 1 - pow(beta1, step), correction2 = 1 - pow(beta2, step);
  for (int i = 0; i < count; ++i) {
    const View *p = &launch->inputs[i], *g = &launch->inputs[count + i];
    const View *average = &launch->inputs[2 * count + i], *squares = &launch->inputs[3 * count + i];
    int64_t index[kMaxDimensions] = {0};
    if (element_count(p) > 0) do {
        double x = load_real(element(p, index), p->dtype), d = load_real(element(g, index), g->dtype);
        if (maximize) d = -d;
        double m = load_real(element(average, index), p->dtype), v = load_real(element(squares, index), p->dtype);
        x *= 1 - lr * decay;
        m = beta1 * m + (1 - beta1) * d;
        v = beta2 * v + (1 - beta2) * d * d;
        store_real(element(average, index), p->dtype, m);
        store_real(element(squares, index), p->dtype, v);
        store_real(element(p, index), p->dtype, x - lr * (m / correction1) / (sqrt(v / correction2) + eps));
      } while (next_index(p->ndim, p->shape, index));
  }
  return FL_OK;
}

const Row kOptimizerRows[] = {
    {"sgd_step", sgd_loop, NULL, takes_real},
    {"adamw_step", adamw_loop, NULL, takes_real},
    {NULL, NULL, NULL, NULL},
};
