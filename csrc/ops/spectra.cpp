// spectra.cpp: eigenvalues and singular values of the matrices in the last two axes. Vectors are fixed up to their
// direction, so that they are the same on every device: the first of an eigenvector's (nearly) largest elements is
// positive, and so for the left singular vectors. Their derivatives are those of vectors that stay so.
#include <algorithm>

#include "ops/batching.h"
#include "ops/matrices.h"

namespace flambeau::ops {

namespace {

// 1 / (values[j] - values[i]) at (i, j), 0 on the diagonal.
Tensor gaps(const Tensor& values) {
  const int64_t last = values.ndim();
  const Tensor difference = subtract(expand_dims(values, {last - 1}), expand_dims(values, {last}));
  const Tensor place = diagonals(difference);
  const Tensor same = equal(place, constant(0, place));
  const Tensor one = constant(1, values), zero = constant(0, values);
  return where(same, zero, divide(one, where(same, one, difference)));
}

// The columns' products, conj(a) * b summed up, as one row.
Tensor along(const Tensor& a, const Tensor& b) { return sum(multiply(conj(a), b), {a.ndim() - 2}, true); }

// 1 at the first nearly largest element of each column, which is the one that stays real, and 0 elsewhere.
Tensor fixed_places(const Tensor& v) {
  const int64_t rows = v.ndim() - 2;
  const Tensor size = abs(v), near = greater_equal(size, multiply(max(size, {rows}, true), 0.999));
  const Tensor one = constant(1, size), zero = constant(0, size);
  const Tensor seen = cumulative_sum(where(near, one, zero), rows);
  return where(logical_and(near, equal(seen, one)), one, zero);
}

// The gradient of vectors of which only the change counts that keeps the fixed element real; `more` is what else turns
// with them. Of a real vector all of it.
Tensor without_turning(const Tensor& g, const Tensor& v, const Tensor& more = {}) {
  if (!is_complex(v.dtype()) || v.count() == 0) return g;
  const Tensor place = fixed_places(v);
  Tensor turn = imaginary(along(v, g));
  if (more.defined()) turn = add(turn, more);
  const Tensor fixed = sum(multiply(place, real(v)), {v.ndim() - 2}, true);
  return subtract(g, times_i(multiply(place, divide(turn, fixed))));
}

[[maybe_unused]] const OpRow& kEigh = register_op({
    .name = "eigh",
    .summary = "The eigenvalues of a symmetric (or Hermitian) matrix in ascending order and its eigenvectors as columns; the "
               "lower triangle is read.",
    .output_count = 2,
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", true);
      out[0] = {with_last(inputs[0], {rows_of(inputs[0])}), real_of(inputs[0].dtype())};
      out[1] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor& w = b.output(0);
      const Tensor& v = b.output(1);
      Tensor inside;
      if (b.grad(0).defined()) inside = on_diagonal(b.grad(0));
      if (b.grad(1).defined()) {
        const Tensor turned = multiply(matmul(adjoint(v), without_turning(b.grad(1), v)), gaps(w));
        inside = inside.defined() ? add(inside, turned) : turned;
      }
      if (!inside.defined()) return;
      const Tensor g = matmul(matmul(v, inside), adjoint(v));
      b.give(0, multiply(add(of_lower(g), of_lower(adjoint(g))), 0.5));
    },
    .batching = batch_leading,
    .saves_outputs = 0b11,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values at the size of the largest; vectors lose digits where two values are close",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{{{3, 3}}}}, {{{{2, 4, 4}}}}, {{{{0, 0}}}}},
});

[[maybe_unused]] const OpRow& kSvd = register_op({
    .name = "svd",
    .summary = "Orthonormal columns u, singular values s in descending order, and orthonormal rows vh with "
               "u @ diag(s) @ vh = x; with `full` u and vh are square.",
    .output_count = 3,
    .attrs = {{.name = "full", .kind = FL_ATTR_BOOL, .fallback = false}},
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", false);
      const int64_t m = rows_of(inputs[0]), n = columns_of(inputs[0]), k = std::min(m, n);
      out[0] = {with_last(inputs[0], {m, attrs[0].as_bool() ? m : k}), inputs[0].dtype()};
      out[1] = {with_last(inputs[0], {k}), real_of(inputs[0].dtype())};
      out[2] = {with_last(inputs[0], {attrs[0].as_bool() ? n : k, n}), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const int64_t m = rows_of(b.input(0)), n = columns_of(b.input(0)), k = std::min(m, n);
      if (b.attrs[0].as_bool() && m != n) {
        raise(ErrorKind::NotImplemented, b.row.name, ": a full factorization of ", b.input(0).shape(),
              " has no gradient, for some of its vectors are not determined; use full_matrices=False");
      }
      const Tensor &u = b.output(0), &s = b.output(1), &vh = b.output(2);
      const Tensor v = adjoint(vh);
      const bool complex = is_complex(u.dtype()), vectors = b.grad(0).defined() || b.grad(2).defined();
      Tensor grad_u = b.grad(0);
      if (complex && vectors) {
        const Tensor right = b.grad(2).defined() ? imaginary(along(v, adjoint(b.grad(2)))) : Tensor();
        grad_u = without_turning(or_zero(b.grad(0), u), u, right);
      }
      Tensor inside = b.grad(1).defined() ? on_diagonal(b.grad(1)) : Tensor();
      const Tensor s_row = expand_dims(s, {s.ndim() - 1}), s_column = expand_dims(s, {s.ndim()});
      const auto collect = [&](const Tensor& part) { inside = inside.defined() ? add(inside, part) : part; };
      const Tensor gap = vectors ? gaps(square(s)) : Tensor();
      if (grad_u.defined()) {
        const Tensor turn = matmul(adjoint(u), grad_u);
        collect(multiply(multiply(subtract(turn, adjoint(turn)), gap), s_row));
        if (complex) collect(on_diagonal(times_i(divide(imaginary(diagonal_of(turn)), s))));
      }
      if (b.grad(2).defined()) {
        const Tensor turn = matmul(vh, adjoint(b.grad(2)));
        collect(multiply(s_column, multiply(subtract(turn, adjoint(turn)), gap)));
      }
      if (!inside.defined()) return;
      Tensor g = matmul(matmul(u, inside), vh);
      if (grad_u.defined() && m > k) {
        const Tensor outside = subtract(grad_u, matmul(u, matmul(adjoint(u), grad_u)));
        g = add(g, matmul(divide(outside, s_row), vh));
      }
      if (b.grad(2).defined() && n > k) {
        const Tensor outside = subtract(b.grad(2), matmul(matmul(b.grad(2), v), vh));
        g = add(g, matmul(u, divide(outside, s_column)));
      }
      b.give(0, g);
    },
    .batching = batch_leading,
    .saves_outputs = 0b111,
    .autocast = Autocast::Float32,
    .ulp = kMatrixBound,
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values at the size of the largest; vectors lose digits where two values are close",
    .samples = {{{definite({1, 1})}, {false}},
                {{definite({3, 3})}, {false}},
                {{{{4, 3}}}, {false}},
                {{{{3, 4}}}, {false}},
                {{{{2, 3, 3}}}, {true}},
                {{{{0, 3}}}, {false}}},
});

[[maybe_unused]] const OpRow& kEig = register_op({
    .name = "eig",
    .summary = "The eigenvalues of any square matrix and its eigenvectors as columns of length 1, both complex: ordered by "
               "their real parts, (nearly) equal ones by falling imaginary parts.",
    .output_count = 2,
    .dtypes = kMatrixDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", true);
      out[0] = {with_last(inputs[0], {rows_of(inputs[0])}), complex_of(inputs[0].dtype())};
      out[1] = {inputs[0].shape(), complex_of(inputs[0].dtype())};
    },
    .vjp = [](const Backward& b) {
      // Source: Boeddeker and others, arXiv:1701.00392, 4.6; the vectors keep their length and their direction.
      const Tensor& w = b.output(0);
      const Tensor& v = b.output(1);
      Tensor inside;
      if (b.grad(0).defined()) inside = on_diagonal(b.grad(0));
      if (b.grad(1).defined()) {
        const Tensor longer = multiply(v, real(along(v, b.grad(1))));
        const Tensor turned = multiply(matmul(adjoint(v), subtract(without_turning(b.grad(1), v), longer)), conj(gaps(w)));
        inside = inside.defined() ? add(inside, turned) : turned;
      }
      if (!inside.defined()) return;
      const Tensor g = solved(adjoint(v), matmul(inside, adjoint(v)));
      b.give(0, is_complex(b.inputs[0].dtype()) ? g : real(g));
    },
    .batching = batch_leading,
    .saves_outputs = 0b11,
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 64, 64, 128, 128),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values and vectors move by the rounding of the matrix times their condition, which is not 1 as for eigh",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{{{3, 3}}}}, {{{{2, 4, 4}}}}, {{{{0, 0}}}}},
});

}  // namespace

}  // namespace flambeau::ops
