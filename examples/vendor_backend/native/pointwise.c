/* pointwise.c: ops that look at one element of each input. Reals are computed in double and rounded once. */
#include <math.h>

#include "sample.h"

typedef struct Unary { /* NULL: not for these dtypes */
  double (*real)(double);
  int64_t (*integer)(int64_t);
} Unary;

typedef struct Binary {
  double (*real)(double, double);
  int64_t (*integer)(int64_t, int64_t);
} Binary;

static bool takes_unary(const void* state, const fl_dtype* dtypes, int32_t count) {
  const Unary* unary = state;
  return count > 0 && (is_real(dtypes[0]) ? unary->real != NULL : unary->integer != NULL);
}

static bool takes_binary(const void* state, const fl_dtype* dtypes, int32_t count) {
  const Binary* binary = state;
  return count > 1 && (is_real(dtypes[0]) ? binary->real != NULL : binary->integer != NULL);
}

static fl_status unary_loop(Launch* launch) {
  const Unary* unary = launch->kernel->state;
  const View *x = &launch->inputs[0], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    if (is_real(x->dtype)) store_real(element(out, index), out->dtype, unary->real(load_real(element(x, index), x->dtype)));
    else store_integer(element(out, index), out->dtype, unary->integer(load_integer(element(x, index), x->dtype)));
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static fl_status binary_loop(Launch* launch) {
  const Binary* binary = launch->kernel->state;
  const View *x = &launch->inputs[0], *y = &launch->inputs[1], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    const unsigned char *a = element(x, index), *b = element(y, index);
    if (is_real(x->dtype))
      store_real(element(out, index), out->dtype, binary->real(load_real(a, x->dtype), load_real(b, y->dtype)));
    else
      store_integer(element(out, index), out->dtype, binary->integer(load_integer(a, x->dtype), load_integer(b, y->dtype)));
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static fl_status where_loop(Launch* launch) {
  const View *condition = &launch->inputs[0], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do {
    const View* chosen = &launch->inputs[*element(condition, index) ? 1 : 2];
    copy_element(element(out, index), out->dtype, element(chosen, index), chosen->dtype);
  } while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static fl_status copy_loop(Launch* launch) { /* copy and cast */
  const View *x = &launch->inputs[0], *out = &launch->outputs[0];
  if (element_count(out) == 0) return FL_OK;
  int64_t index[kMaxDimensions] = {0};
  do copy_element(element(out, index), out->dtype, element(x, index), x->dtype);
  while (next_index(out->ndim, out->shape, index));
  return FL_OK;
}

static double sigmoid_r(double x) { return x >= 0 ? 1.0 / (1.0 + exp(-x)) : exp(x) / (1.0 + exp(x)); }

static double erf_gelu(double x) { return isinf(x) && x < 0 ? -0.0 : 0.5 * x * erfc(-x * 0.70710678118654752440); }

static double erf_gelu_grad(double g, double x) {
  double density = 0.39894228040143267794 * exp(-0.5 * x * x);
  return g * (0.5 * erfc(-x * 0.70710678118654752440) + (isinf(x) ? 0 : x * density));
}

/* 0.5 (1 + tanh(t)) is sigmoid(2 t), which keeps its digits where t is far below zero. */
static double tanh_gelu_share(double x) { return sigmoid_r(1.59576912160573071176 * (x + 0.044715 * x * x * x)); }

static double tanh_gelu(double x) {
  double share = tanh_gelu_share(x);
  return share == 0 ? -0.0 : x * share;
}

static double tanh_gelu_grad(double g, double x) {
  double share = tanh_gelu_share(x);
  double slope = share * (1 - share) * 1.59576912160573071176 * (1 + 3 * 0.044715 * x * x);
  return g * (share + (slope == 0 || isinf(x) ? 0 : x * slope));
}

static fl_status gelu_loop(Launch* launch) { /* gelu(x; approximate) and gelu_grad(g, x; approximate) */
  static const Unary forward[] = {{erf_gelu, NULL}, {tanh_gelu, NULL}};
  static const Binary backward[] = {{erf_gelu_grad, NULL}, {tanh_gelu_grad, NULL}};
  int form = launch->attrs[0].value.i != 0;
  Kernel chosen = *launch->kernel;
  chosen.state = launch->input_count == 1 ? (const void*)&forward[form] : (const void*)&backward[form];
  Launch inner = *launch;
  inner.kernel = &chosen;
  return launch->input_count == 1 ? unary_loop(&inner) : binary_loop(&inner);
}

static double negative_r(double x) { return -x; }
static int64_t negative_i(int64_t x) { return (int64_t)(0u - (uint64_t)x); }
static int64_t abs_i(int64_t x) { return x < 0 ? negative_i(x) : x; }
static double sign_r(double x) { return isnan(x) ? x : (double)((x > 0) - (x < 0)); }
static int64_t sign_i(int64_t x) { return (x > 0) - (x < 0); }
static double square_r(double x) { return x * x; }
static int64_t square_i(int64_t x) { return (int64_t)((uint64_t)x * (uint64_t)x); }
static double relu_r(double x) { return x <= 0 ? 0.0 : x; }
static int64_t relu_i(int64_t x) { return x < 0 ? 0 : x; }
static int64_t same_i(int64_t x) { return x; }
static double isnan_r(double x) { return isnan(x); }
static int64_t isnan_i(int64_t x) { return (void)x, 0; }
static double isfinite_r(double x) { return isfinite(x); }
static int64_t isfinite_i(int64_t x) { return (void)x, 1; }
static double not_r(double x) { return x == 0; }
static int64_t not_i(int64_t x) { return x == 0; }

static double add_r(double x, double y) { return x + y; }
static int64_t add_i(int64_t x, int64_t y) { return (int64_t)((uint64_t)x + (uint64_t)y); }
static double subtract_r(double x, double y) { return x - y; }
static int64_t subtract_i(int64_t x, int64_t y) { return (int64_t)((uint64_t)x - (uint64_t)y); }
static double multiply_r(double x, double y) { return x * y; }
static int64_t multiply_i(int64_t x, int64_t y) { return (int64_t)((uint64_t)x * (uint64_t)y); }
static double divide_r(double x, double y) { return x / y; }

static double remainder_r(double x, double y) { /* the sign follows the divisor */
  double r = fmod(x, y);
  if (r != 0) return (r < 0) != (y < 0) ? r + y : r;
  return copysign(0.0, y);
}

static int64_t remainder_i(int64_t x, int64_t y) {
  if (y == 0 || y == -1) return 0;
  int64_t r = x % y;
  return r != 0 && (r < 0) != (y < 0) ? r + y : r;
}

static double floor_divide_r(double x, double y) {
  if (y == 0 || isinf(x) || isinf(y)) return x / y;
  double rest = fmod(x, y), quotient = (x - rest) / y;
  if (rest != 0 && (rest < 0) != (y < 0)) quotient -= 1;
  if (quotient == 0) return copysign(0.0, x / y);
  double whole = floor(quotient);
  return quotient - whole > 0.5 ? whole + 1 : whole; /* the division may have rounded down past a whole number */
}

static int64_t floor_divide_i(int64_t x, int64_t y) {
  if (y == 0) return 0;
  if (y == -1) return negative_i(x);
  int64_t q = x / y;
  return x % y != 0 && (x < 0) != (y < 0) ? q - 1 : q;
}

static int64_t pow_i(int64_t x, int64_t y) {
  if (y < 0) return x == 1 ? 1 : x == -1 ? (y % 2 ? -1 : 1) : 0;
  uint64_t result = 1, base = (uint64_t)x;
  for (; y; y >>= 1, base *= base)
    if (y & 1) result *= base;
  return (int64_t)result;
}

static double maximum_r(double x, double y) { return isnan(x) ? x : isnan(y) ? y : x > y ? x : y; }
static int64_t maximum_i(int64_t x, int64_t y) { return x > y ? x : y; }
static double minimum_r(double x, double y) { return isnan(x) ? x : isnan(y) ? y : x < y ? x : y; }
static int64_t minimum_i(int64_t x, int64_t y) { return x < y ? x : y; }

#define COMPARISON(name, op)                                       \
  static double name##_r(double x, double y) { return x op y; }    \
  static int64_t name##_i(int64_t x, int64_t y) { return x op y; } \
  static const Binary k_##name = {name##_r, name##_i}
COMPARISON(equal, ==);
COMPARISON(not_equal, !=);
COMPARISON(less, <);
COMPARISON(less_equal, <=);
COMPARISON(greater, >);
COMPARISON(greater_equal, >=);

static int64_t and_i(int64_t x, int64_t y) { return x && y; }
static int64_t or_i(int64_t x, int64_t y) { return x || y; }
static int64_t xor_i(int64_t x, int64_t y) { return !x != !y; }

/* (g, y) or (g, x): how a derivative comes back through an activation */
static double relu_grad_r(double g, double y) { return y <= 0 ? 0.0 : g; }
static double tanh_grad_r(double g, double y) { return g * (1.0 - y * y); }
static double sigmoid_grad_r(double g, double y) { return g * y * (1.0 - y); }

#define UNARY(op, real, integer) {#op, unary_loop, &(const Unary){real, integer}, takes_unary}
#define BINARY(op, real, integer) {#op, binary_loop, &(const Binary){real, integer}, takes_binary}
#define COMPARE(op) {#op, binary_loop, &k_##op, takes_binary}

const Row kPointwiseRows[] = {
    UNARY(negative, negative_r, negative_i),
    UNARY(abs, fabs, abs_i),
    UNARY(sign, sign_r, sign_i),
    UNARY(square, square_r, square_i),
    UNARY(sqrt, sqrt, NULL),
    UNARY(exp, exp, NULL),
    UNARY(log, log, NULL),
    UNARY(tanh, tanh, NULL),
    UNARY(sigmoid, sigmoid_r, NULL),
    UNARY(relu, relu_r, relu_i),
    UNARY(floor, floor, same_i),
    UNARY(isnan, isnan_r, isnan_i),
    UNARY(isfinite, isfinite_r, isfinite_i),
    UNARY(logical_not, not_r, not_i),
    BINARY(add, add_r, add_i),
    BINARY(subtract, subtract_r, subtract_i),
    BINARY(multiply, multiply_r, multiply_i),
    BINARY(divide, divide_r, NULL),
    BINARY(floor_divide, floor_divide_r, floor_divide_i),
    BINARY(remainder, remainder_r, remainder_i),
    BINARY(pow, pow, pow_i),
    BINARY(maximum, maximum_r, maximum_i),
    BINARY(minimum, minimum_r, minimum_i),
    COMPARE(equal),
    COMPARE(not_equal),
    COMPARE(less),
    COMPARE(less_equal),
    COMPARE(greater),
    COMPARE(greater_equal),
    BINARY(logical_and, NULL, and_i),
    BINARY(logical_or, NULL, or_i),
    BINARY(logical_xor, NULL, xor_i),
    BINARY(relu_grad, relu_grad_r, NULL),
    BINARY(tanh_grad, tanh_grad_r, NULL),
    BINARY(sigmoid_grad, sigmoid_grad_r, NULL),
    {"gelu", gelu_loop, NULL, takes_real},
    {"gelu_grad", gelu_loop, NULL, takes_real},
    {"where", where_loop, NULL, takes_all},
    {"copy", copy_loop, NULL, takes_all},
    {"cast", copy_loop, NULL, takes_all},
    {NULL, NULL, NULL, NULL},
};
