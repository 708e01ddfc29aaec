// linalg.cpp: equations, determinants and factorizations of the matrices in the last two axes, real and complex. Every
// operand has the same batch dimensions before them. Eigenvalues and singular values are in spectra.cpp.
#include <algorithm>

#include "ops/batching.h"
#include "ops/matrices.h"

namespace flambeau::ops {

namespace {

void infer_square(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  require_matrix(row, inputs[0], "x", true);
  out[0] = {inputs[0].shape(), inputs[0].dtype()};
}

[[maybe_unused]] const OpRow& kSolve = register_op({
    .name = "solve",
    .summary = "The x with a @ x = b, for a square matrix a and the columns of b.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "a", true);
      require_matrix(row, inputs[1], "b", false);
      if (!(with_last(inputs[0], {rows_of(inputs[0])}) == with_last(inputs[1], {rows_of(inputs[1])}))) {
        raise(ErrorKind::Shape, row.name, ": a is ", inputs[0].shape(), ", b is ", inputs[1].shape(),
              ": b must have a's batch dimensions and ", rows_of(inputs[0]), " rows");
      }
      out[0] = {inputs[1].shape(), inputs[1].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor back = apply(b.row, {adjoint(b.input(0)), b.grad()});
      if (b.needs(0)) b.give(0, negative(matmul(back, adjoint(b.output()))));
      if (b.needs(1)) b.give(1, back);
    },
    .batching = batch_leading,
    .saves_inputs = 0b01,
    .saves_outputs = 1,
    .saves = saves<Saved{0b01, 1}, Saved{0b01}>,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "for matrices far from singular; the error grows with the condition number",
    .samples = {{{definite({1, 1}), {{1, 2}}}},
                {{definite({3, 3}), {{3, 2}}}},
                {{definite({2, 4, 4}), {{2, 4, 1}}}},
                {{definite({0, 0}), {{0, 2}}}},
                {{definite({24, 24}), {{24, 3}}}}},
});

[[maybe_unused]] const OpRow& kInv = register_op({
    .name = "inv",
    .summary = "The inverse of a square matrix.",
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = infer_square,
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      out[0] = solved(inputs[0], broadcast_to(identity(rows_of(inputs[0]), inputs[0]), inputs[0].shape()));
    },
    .vjp = [](const Backward& b) {
      const Tensor turned = adjoint(b.output());
      b.give(0, negative(matmul(matmul(turned, b.grad()), turned)));
    },
    .batching = batch_leading,
    .saves_outputs = 1,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "for matrices far from singular; the error grows with the condition number",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{definite({24, 24})}}},
});

// ---- determinants ----

void infer_numbers(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  require_matrix(row, inputs[0], "x", true);
  out[0] = {with_last(inputs[0], {}), inputs[0].dtype()};
  if (out.size() > 1) out[1] = {out[0].shape, real_of(inputs[0].dtype())};
}

// For each element the product of all others along the last axis.
Tensor products_without(const Tensor& x) {
  static const OpRow& row = op_named("cumulative_prod");
  const int64_t axis = x.ndim() - 1, n = x.shape().back();
  if (n == 0) return x;
  const Tensor one = full(narrow(x, axis, 0, 1).shape(), 1, x.dtype(), x.device());
  const auto before = [&](const Tensor& along) {
    const Tensor parts[] = {one, narrow(along, axis, 0, n - 1)};
    return apply(row, {concat(parts, axis)}, {axis});
  };
  return multiply(before(x), turned(before(turned(x, axis)), axis));
}

// The derivative of cofactors(x) along e. Where x has an inverse y it is det(x) (tr(y e) y - y e y), transposed. Where it
// has none, x = u s vh with a last singular value of 0, and the second derivatives of the determinant of s are products
// of all singular values but two, of which only those without the last one are not 0.
Tensor cofactors_along(const Tensor& x, const Tensor& e) {
  static const OpRow& det = op_named("det");
  static const OpRow& svd = op_named("svd");
  const int64_t n = rows_of(x), last = x.ndim() - 1;
  if (n < 2) return full(x.shape(), 0, x.dtype(), x.device());
  const Tensor value = apply(det, {x});
  const Tensor singular = for_matrices(equal(value, constant(0, value)));
  const Tensor y = inverse(where(singular, identity(n, x), x));
  const Tensor ye = matmul(y, e), trace = sum(diagonal_of(ye), {last - 1}, false);
  const Tensor regular = multiply(for_matrices(value), swap_last_two(subtract(multiply(for_matrices(trace), y), matmul(ye, y))));

  // In place of those that have an inverse: one whose singular values differ, for further derivatives.
  const Tensor filler = on_diagonal(add(cast(counted(n, x), x.dtype()), 1));
  const Tensor factored[] = {where(singular, x, filler)};
  const Attr complete[] = {true};
  const std::vector<Tensor> factors = apply_all(svd, factored, complete);
  const Tensor &u = factors[0], &s = factors[1], &vh = factors[2];
  const Tensor few = products_without(narrow(s, last - 1, 0, n - 1));
  const Tensor padded[] = {few, full(narrow(s, last - 1, 0, 1).shape(), 0, s.dtype(), s.device())};
  const Tensor place = counted(n, x);
  const Tensor at_last = where(equal(place, constant(double(n - 1), place)), constant(1, s), constant(0, s));
  const Tensor column = multiply(expand_dims(concat(padded, last - 1), {last}), at_last);
  const Tensor pairs = add(column, swap_last_two(column));  // the product without the values i and j at (i, j)
  const Tensor turned = matmul(matmul(adjoint(u), e), adjoint(vh));
  const Tensor straight = sum(multiply(pairs, expand_dims(diagonal_of(turned), {last - 1})), {last}, false);
  const Tensor inside = subtract(on_diagonal(straight), multiply(pairs, swap_last_two(turned)));
  const Tensor sign = multiply(apply(det, {u}), apply(det, {vh}));
  const Tensor flat = multiply(for_matrices(sign), matmul(matmul(conj(u), inside), conj(vh)));
  return where(singular, flat, regular);
}

[[maybe_unused]] const OpRow& kCofactors = register_op({
    .name = "cofactors",
    .summary = "The determinants of a square matrix without one row and one column, with the signs of a chessboard: the "
               "derivative of its determinant.",
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = infer_square,
    .vjp = [](const Backward& b) { b.give(0, conj(cofactors_along(b.input(0), conj(b.grad())))); },
    .batching = batch_leading,
    .saves_inputs = 1,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "the inverse times the determinant, or products of singular values where there is none",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{{{3, 3}}}}},
});

[[maybe_unused]] const OpRow& kDet = register_op({
    .name = "det",
    .summary = "The determinant of a square matrix.",
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = infer_numbers,
    .vjp = [](const Backward& b) { b.give(0, multiply(for_matrices(b.grad()), conj(apply(kCofactors, {b.input(0)})))); },
    .batching = batch_leading,
    .saves_inputs = 1,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n roundings of a product, and those of the factorization",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{{{3, 3}}}}},
});

[[maybe_unused]] const OpRow& kSlogdet = register_op({
    .name = "slogdet",
    .summary = "The sign of a determinant (of a complex one its direction) and the logarithm of its absolute value (0 and "
               "-inf for a singular matrix).",
    .output_count = 2,
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = infer_numbers,
    .vjp = [](const Backward& b) {
      // The sign is exp(i t) and the logarithm of the determinant is log|det| + i t.
      Tensor g = b.grad(1);
      if (is_complex(b.input(0).dtype()) && b.grad(0).defined()) {
        const Tensor turn = times_i(imaginary(multiply(conj(b.grad(0)), b.output(0))));
        g = g.defined() ? subtract(g, turn) : negative(turn);
      }
      if (g.defined()) b.give(0, multiply(for_matrices(g), adjoint(inverse(b.input(0)))));
    },
    .batching = batch_leading,
    .saves_inputs = 1,
    .saves_outputs = 0b01,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n logarithms, and the roundings of the factorization",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{{{3, 3}}}}},
});

// ---- factors ----

[[maybe_unused]] const OpRow& kCholesky = register_op({
    .name = "cholesky",
    .summary = "The lower triangular matrix that times its own adjoint is x, of which the lower triangle is read.",
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = infer_square,
    .vjp = [](const Backward& b) {
      // Source: Murray, arXiv:1602.07527, equation 10.
      const Tensor& l = b.output();
      const Tensor inside = lower(matmul(adjoint(l), b.grad()));
      const Tensor half = subtract(inside, multiply(subtract(inside, lower(inside, true)), 0.5));
      const Tensor back = solved(adjoint(l), adjoint(solved(adjoint(l), adjoint(half))));
      b.give(0, multiply(add(of_lower(back), of_lower(adjoint(back))), 0.5));
    },
    .batching = batch_leading,
    .saves_outputs = 1,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n products and sums; the error grows with the condition number",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{definite({24, 24})}}},
});

// The gradient of a reduced factorization of a matrix that is not wide. Source: Roberts and Roberts, arXiv:2009.10071.
Tensor tall_qr_vjp(const Tensor& q, const Tensor& r, const Tensor& grad_q, const Tensor& grad_r) {
  const Tensor m = subtract(matmul(r, adjoint(grad_r)), matmul(adjoint(grad_q), q));
  const Tensor below = lower(m, true);
  const Tensor mirrored = add(add(below, adjoint(below)), on_diagonal(real(diagonal_of(m))));  // r's diagonal is real
  const Tensor inside = add(grad_q, matmul(q, mirrored));
  return adjoint(solved(r, adjoint(inside)));
}

[[maybe_unused]] const OpRow& kQr = register_op({
    .name = "qr",
    .summary = "Orthonormal columns q and an upper triangular r with q @ r = x; with `complete` q is square.",
    .output_count = 2,
    .attrs = {{.name = "complete", .kind = FL_ATTR_BOOL, .fallback = false}},
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", false);
      const int64_t m = rows_of(inputs[0]), n = columns_of(inputs[0]), k = attrs[0].as_bool() ? m : std::min(m, n);
      out[0] = {with_last(inputs[0], {m, k}), inputs[0].dtype()};
      out[1] = {with_last(inputs[0], {k, n}), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor& q = b.output(0);
      const Tensor& r = b.output(1);
      const int64_t m = rows_of(b.input(0)), n = columns_of(b.input(0));
      if (b.attrs[0].as_bool() && m > n) {
        raise(ErrorKind::NotImplemented, b.row.name, ": a complete factorization of ", b.input(0).shape(),
              " has no gradient, for q's last ", m - n, " columns are not determined; use mode='reduced'");
      }
      const Tensor grad_q = or_zero(b.grad(0), q), grad_r = or_zero(b.grad(1), r);
      if (m >= n) {
        b.give(0, tall_qr_vjp(q, r, grad_q, grad_r));
        return;
      }
      // Wide: the first m columns are factorized, the others only multiplied.
      const int64_t last = b.input(0).ndim() - 1;
      const Tensor rest = narrow(b.input(0), last, m, n), grad_rest = narrow(grad_r, last, m, n);
      const Tensor first = tall_qr_vjp(q, narrow(r, last, 0, m), add(grad_q, matmul(rest, adjoint(grad_rest))),
                                       narrow(grad_r, last, 0, m));
      const Tensor parts[] = {first, matmul(q, grad_rest)};
      b.give(0, concat(parts, last));
    },
    .batching = batch_leading,
    .saves_inputs = 1,
    .saves_outputs = 0b11,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n reflections, each rounded at the size of a column",
    .samples = {{{definite({1, 1})}, {false}},
                {{definite({3, 3})}, {false}},
                {{{{5, 3}}}, {false}},
                {{{{3, 5}}}, {false}},
                {{{{3, 5}}}, {true}},
                {{{{2, 4, 3}}}, {false}},
                {{{{0, 3}}}, {false}},
                {{definite({24, 24})}, {false}}},
});

}  // namespace

}  // namespace flambeau::ops
