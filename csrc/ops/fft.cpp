// fft.cpp: discrete Fourier transforms along one axis: of complex numbers, of real ones to the half of their spectrum
// that the other half mirrors, and back. `inverse` is the sign of the exponent, plus instead of minus; nothing is
// divided, the result is multiplied with `scale`.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

constexpr DTypeSet kReal = set_of(DType::Float32) | set_of(DType::Float64);
const AttrSpec kAxis{.name = "axis", .kind = FL_ATTR_INT, .fallback = -1};
const AttrSpec kInverse{.name = "inverse", .kind = FL_ATTR_BOOL, .fallback = false};
const AttrSpec kScale{.name = "scale", .kind = FL_ATTR_FLOAT, .fallback = 1.0};

void normalize(const OpRow& row, Inputs inputs, std::span<Attr> attrs) {
  const Tensor& x = inputs[0];
  if (x.ndim() == 0) raise(ErrorKind::Shape, row.name, ": x has no dimensions, so there is no axis to transform along");
  attrs[0] = normal_axis(row.name, attrs[0].as_int(), x.ndim());
}

// The size along the axis, at least one.
int64_t size_along(const OpRow& row, const Tensor& x, Attrs attrs) {
  const int64_t size = x.size(attrs[0].as_int());
  if (size == 0) {
    raise(ErrorKind::Value, row.name, ": x is ", x.shape(), ", empty along axis ", attrs[0].as_int(),
          ": a transform needs at least one element; n=... pads with zeros");
  }
  return size;
}

Dims with_size(const Tensor& x, Attrs attrs, int64_t size) {
  Dims shape = x.shape();
  shape[static_cast<size_t>(attrs[0].as_int())] = size;
  return shape;
}

// `inside` times the elements of half a spectrum of n that stand for two, once those that stand for themselves.
Tensor weighted(const Tensor& half, int64_t axis, int64_t n, double inside) {
  const int64_t size = half.size(axis), last = n % 2 == 0 ? size - 1 : size;
  const DType dtype = real_of(half.dtype());
  std::vector<Tensor> parts = {full({1}, 1, dtype, half.device())};
  if (last > 1) parts.push_back(full({last - 1}, inside, dtype, half.device()));
  if (last < size && size > 1) parts.push_back(full({1}, 1, dtype, half.device()));
  Dims shape = Dims::filled(half.shape().size(), 1);
  shape[static_cast<size_t>(axis)] = size;
  return multiply(half, cast(reshape(concat(parts, 0), shape), half.dtype()));
}

[[maybe_unused]] const OpRow& kFft = register_op({
    .name = "fft",
    .summary = "The discrete Fourier transform along an axis, times `scale`: the sum of x[j] exp(-2 pi i j k / n), or "
               "exp(2 pi i j k / n) with `inverse`.",
    .attrs = {kAxis, kInverse, kScale},
    .dtypes = kComplex,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      size_along(row, inputs[0], attrs);
      out[0] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) { b.give(0, apply(b.row, {b.grad()}, {b.attrs[0], !b.attrs[1].as_bool(), b.attrs[2]})); },
    .batching = batch_axis,
    .ulp = ulps(0, 0, 0, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the logarithm of n many roundings at the size of the sums",
    .samples = {{{{{5}}}, {0, false, 1.0}},      {{{{8}}}, {0, true, 0.125}}, {{{{3, 12}}}, {1, false, 1.0}},
                {{{{14, 3}}}, {0, true, 1.0}},   {{{{0, 3}}}, {1, false, 1.0}}, {{{{1}}}, {0, false, 2.0}},
                {{{{2, 37}}}, {1, false, 1.0}},  {{{{360}}}, {0, true, 0.1}}},
});

Tensor half_of_real(const Tensor& x, int64_t axis, bool inverse, double scale);

const OpRow& kIrfft = register_op({
    .name = "irfft",
    .summary = "The n real numbers whose discrete Fourier transform begins with x (the rest mirrors it), not divided, "
               "times `scale`; without `inverse` those of the transform with the other sign.",
    .attrs = {kAxis, {.name = "n", .kind = FL_ATTR_INT, .required = true},
              {.name = "inverse", .kind = FL_ATTR_BOOL, .fallback = true}, kScale},
    .dtypes = kComplex,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const int64_t size = size_along(row, inputs[0], attrs), n = attrs[1].as_int();
      if (n < 1 || n / 2 + 1 != size) {
        raise(ErrorKind::Shape, row.name, ": n is ", n, " and x is ", inputs[0].shape(), ": half the spectrum of n has ",
              n / 2 + 1, " elements along axis ", attrs[0].as_int());
      }
      out[0] = {with_size(inputs[0], attrs, n), real_of(inputs[0].dtype())};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) {
      const int64_t axis = b.attrs[0].as_int();
      const Tensor back = half_of_real(b.grad(), axis, !b.attrs[2].as_bool(), b.attrs[3].as_float());
      b.give(0, weighted(back, axis, b.attrs[1].as_int(), 2));
    },
    .batching = batch_axis,
    .ulp = ulps(0, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the logarithm of n many roundings at the size of the sums",
    .samples = {{{{{3}}}, {0, 5, true, 1.0}},     {{{{5}}}, {0, 8, true, 0.125}}, {{{{3, 7}}}, {1, 12, false, 1.0}},
                {{{{8, 3}}}, {0, 14, true, 1.0}}, {{{{0, 3}}}, {1, 4, true, 1.0}}, {{{{1}}}, {0, 1, true, 1.0}},
                {{{{2, 19}}}, {1, 37, true, 1.0}}},
});

const OpRow& kRfft = register_op({
    .name = "rfft",
    .summary = "The first n / 2 + 1 elements of the discrete Fourier transform of real numbers, times `scale`; the rest "
               "mirrors them.",
    .attrs = {kAxis, kInverse, kScale},
    .dtypes = kReal,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      const int64_t size = size_along(row, inputs[0], attrs);
      out[0] = {with_size(inputs[0], attrs, size / 2 + 1), complex_of(inputs[0].dtype())};
    },
    .normalize = normalize,
    .vjp = [](const Backward& b) {
      const int64_t axis = b.attrs[0].as_int(), n = b.input(0).size(axis);
      b.give(0, apply(kIrfft, {weighted(b.grad(), axis, n, 0.5)}, {axis, n, !b.attrs[1].as_bool(), b.attrs[2]}));
    },
    .batching = batch_axis,
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 32, 32, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the logarithm of n many roundings at the size of the sums",
    .samples = {{{{{5}}}, {0, false, 1.0}},      {{{{8}}}, {0, true, 0.125}}, {{{{3, 12}}}, {1, false, 1.0}},
                {{{{14, 3}}}, {0, true, 1.0}},   {{{{0, 3}}}, {1, false, 1.0}}, {{{{1}}}, {0, false, 2.0}},
                {{{{2, 37}}}, {1, false, 1.0}}},
});

Tensor half_of_real(const Tensor& x, int64_t axis, bool inverse, double scale) {
  return apply(kRfft, {x}, {axis, inverse, scale});
}

}  // namespace

}  // namespace flambeau::ops
