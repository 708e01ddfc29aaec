/* elements.c: one element at a time, of any of the device's dtypes. A real device would not do this; a device
 * that wants to be read would. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "sample.h"

bool is_real(fl_dtype dtype) { return dtype.code == FL_FLOAT; }
bool is_bool(fl_dtype dtype) { return dtype.code == FL_BOOL; }
bool same_dtype(fl_dtype a, fl_dtype b) { return a.code == b.code && a.bits == b.bits && a.lanes == b.lanes; }

double load_real(const unsigned char* at, fl_dtype dtype) {
  if (!is_real(dtype)) return (double)load_integer(at, dtype);
  float value;
  memcpy(&value, at, sizeof value);
  return (double)value;
}

int64_t load_integer(const unsigned char* at, fl_dtype dtype) {
  if (is_bool(dtype)) return *at != 0;
  if (is_real(dtype)) {
    double value = load_real(at, dtype);
    return isnan(value) ? 0 : value >= 0x1p63 ? INT64_MAX : value < -0x1p63 ? INT64_MIN : (int64_t)value;
  }
  if (dtype.bits == 32) {
    int32_t value;
    memcpy(&value, at, sizeof value);
    return value;
  }
  int64_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

void store_real(unsigned char* at, fl_dtype dtype, double value) {
  if (is_bool(dtype)) {
    *at = value != 0.0;
  } else if (is_real(dtype)) {
    float narrow = (float)value;
    memcpy(at, &narrow, sizeof narrow);
  } else {
    /* Cut toward zero; what no integer holds becomes the nearest that there is, NaN becomes 0. */
    double most = dtype.bits == 32 ? 0x1p31 : 0x1p63;
    if (value >= most) store_integer(at, dtype, dtype.bits == 32 ? INT32_MAX : INT64_MAX);
    else if (value < -most) store_integer(at, dtype, dtype.bits == 32 ? INT32_MIN : INT64_MIN);
    else store_integer(at, dtype, isnan(value) ? 0 : (int64_t)value);
  }
}

void store_integer(unsigned char* at, fl_dtype dtype, int64_t value) {
  if (is_bool(dtype)) {
    *at = value != 0;
  } else if (is_real(dtype)) {
    float narrow = (float)value;
    memcpy(at, &narrow, sizeof narrow);
  } else if (dtype.bits == 32) {
    uint32_t low = (uint32_t)(uint64_t)value; /* wraps, as integers of every device here do */
    memcpy(at, &low, sizeof low);
  } else {
    memcpy(at, &value, sizeof value);
  }
}

void copy_element(unsigned char* to, fl_dtype to_dtype, const unsigned char* from, fl_dtype from_dtype) {
  if (is_real(from_dtype)) store_real(to, to_dtype, load_real(from, from_dtype));
  else store_integer(to, to_dtype, load_integer(from, from_dtype));
}

int64_t element_count(const View* view) {
  int64_t count = 1;
  for (int d = 0; d < view->ndim; ++d) count *= view->shape[d];
  return count;
}

bool next_index(int ndim, const int64_t* shape, int64_t* index) {
  for (int d = ndim - 1; d >= 0; --d) {
    if (++index[d] < shape[d]) return true;
    index[d] = 0;
  }
  return false;
}

unsigned char* element(const View* view, const int64_t* index) {
  unsigned char* at = view->data;
  for (int d = 0; d < view->ndim; ++d) at += index[d] * view->strides[d];
  return at;
}

fl_status bad(Launch* launch, fl_status status, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(launch->text, sizeof launch->text, format, arguments);
  va_end(arguments);
  return status;
}
