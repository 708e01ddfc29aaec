// linalg.cpp: factorizations and solutions of linear equations, for the matrices in the last two axes. Every operand has
// the same batch dimensions before them. Vectors are fixed up to their sign so that they are the same on every device:
// the first of an eigenvector's (nearly) largest elements is positive, and so for the left singular vectors.
#include <algorithm>

#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

constexpr DTypeSet kDTypes = set_of(DType::Float32) | set_of(DType::Float64);

// ---- shapes ----

int64_t rows_of(const Tensor& x) { return x.shape()[x.shape().size() - 2]; }
int64_t columns_of(const Tensor& x) { return x.shape().back(); }

void require_matrix(const OpRow& row, const Tensor& x, const char* name, bool square) {
  if (x.ndim() < 2) {
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": a matrix needs at least two dimensions");
  }
  if (square && rows_of(x) != columns_of(x)) {
    raise(ErrorKind::Shape, row.name, ": ", name, " is ", x.shape(), ": its last two dimensions, ", rows_of(x), " and ",
          columns_of(x), ", must be equal");
  }
}

Dims with_last(const Tensor& x, std::initializer_list<int64_t> last) {
  Dims shape = x.shape();
  shape.resize(shape.size() - 2);
  for (int64_t size : last) shape.push_back(size);
  return shape;
}

void infer_square(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  require_matrix(row, inputs[0], "x", true);
  out[0] = {inputs[0].shape(), inputs[0].dtype()};
}

// ---- parts of matrices, for derivatives ----

Tensor adjoint(const Tensor& x) { return swap_last_two(x); }

Tensor counted(int64_t size, const Tensor& like) {
  static const OpRow& arange = op_named("arange");
  OnDevice there(like.device());
  return apply(arange, {}, {0.0, 1.0, size, DType::Int32});
}

// Row minus column of every place.
Tensor diagonals(const Tensor& x) {
  return subtract(reshape(counted(rows_of(x), x), {rows_of(x), 1}), counted(columns_of(x), x));
}

// x with zeros above its diagonal, or with those on it too.
Tensor lower(const Tensor& x, bool strictly = false) {
  const Tensor place = diagonals(x);
  return where(greater_equal(place, constant(strictly ? 1 : 0, place)), x, constant(0, x));
}

Tensor on_diagonal(const Tensor& values) {
  const int64_t n = values.shape().back();
  const Tensor place = diagonals(Tensor::description({n, n}, values.dtype(), values.device()));
  return where(equal(place, constant(0, place)), expand_dims(values, {values.ndim() - 1}), constant(0, values));
}

Tensor identity(int64_t n, const Tensor& like) {
  static const OpRow& eye = op_named("eye");
  OnDevice there(like.device());
  return apply(eye, {}, {n, n, 0, like.dtype()});
}

// The gradient of a matrix of which only the lower triangle is read, from that of the whole symmetric matrix.
Tensor of_lower(const Tensor& g) { return add(lower(g), lower(adjoint(g), true)); }

Tensor or_zero(const Tensor& g, const Tensor& like) {
  return g.defined() ? g : full(like.shape(), 0, like.dtype(), like.device());
}

// 1 / (b[j] - a[i]) off the diagonal, 0 on it.
Tensor gaps(const Tensor& values) {
  const int64_t last = values.ndim();
  const Tensor difference = subtract(expand_dims(values, {last - 1}), expand_dims(values, {last}));
  const Tensor place = diagonals(difference);
  const Tensor same = equal(place, constant(0, place));
  const Tensor one = constant(1, values), zero = constant(0, values);
  return where(same, zero, divide(one, where(same, one, difference)));
}

// ---- rows ----

SampleInput definite(Dims shape) { return {std::move(shape), -1, 1, SampleKind::Definite}; }

const OpRow& kSolve = register_op({
    .name = "solve",
    .summary = "The x with a @ x = b, for a square matrix a and the columns of b.",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .dtypes = kDTypes,
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
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "for matrices far from singular; the error grows with the condition number",
    .samples = {{{definite({1, 1}), {{1, 2}}}},
                {{definite({3, 3}), {{3, 2}}}},
                {{definite({2, 4, 4}), {{2, 4, 1}}}},
                {{definite({0, 0}), {{0, 2}}}},
                {{definite({24, 24}), {{24, 3}}}}},
});

Tensor solved(const Tensor& a, const Tensor& b) { return apply(kSolve, {a, b}); }

Tensor inverse(const Tensor& x) {
  static const OpRow& row = op_named("inv");
  return apply(row, {x});
}

[[maybe_unused]] const OpRow& kInv = register_op({
    .name = "inv",
    .summary = "The inverse of a square matrix.",
    .dtypes = kDTypes,
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
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "for matrices far from singular; the error grows with the condition number",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{definite({24, 24})}}},
});

[[maybe_unused]] const OpRow& kDet = register_op({
    .name = "det",
    .summary = "The determinant of a square matrix; its gradient needs one that has an inverse.",
    .dtypes = kDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", true);
      out[0] = {with_last(inputs[0], {}), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor scale = multiply(b.grad(), b.output());
      b.give(0, multiply(expand_dims(scale, {scale.ndim(), scale.ndim() + 1}), adjoint(inverse(b.input(0)))));
    },
    .batching = batch_leading,
    .saves_inputs = 1,
    .saves_outputs = 1,
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n roundings of a product, and those of the factorization",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{{{3, 3}}}}},
});

[[maybe_unused]] const OpRow& kSlogdet = register_op({
    .name = "slogdet",
    .summary = "The sign of a determinant and the logarithm of its absolute value (0 and -inf for a singular matrix).",
    .output_count = 2,
    .dtypes = kDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", true);
      out[0] = out[1] = {with_last(inputs[0], {}), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor& g = b.grad(1);
      if (g.defined()) b.give(0, multiply(expand_dims(g, {g.ndim(), g.ndim() + 1}), adjoint(inverse(b.input(0)))));
    },
    .batching = batch_leading,
    .saves_inputs = 1,
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n logarithms, and the roundings of the factorization",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{{{3, 3}}}}},
});

[[maybe_unused]] const OpRow& kCholesky = register_op({
    .name = "cholesky",
    .summary = "The lower triangular matrix that times its own transpose is x, of which the lower triangle is read.",
    .dtypes = kDTypes,
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
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "n products and sums; the error grows with the condition number",
    .samples = {{{definite({1, 1})}}, {{definite({3, 3})}}, {{definite({2, 4, 4})}}, {{definite({0, 0})}}, {{definite({24, 24})}}},
});

// The gradient of a reduced factorization of a matrix that is not wide. Source: Roberts and Roberts, arXiv:2009.10071.
Tensor tall_qr_vjp(const Tensor& q, const Tensor& r, const Tensor& grad_q, const Tensor& grad_r) {
  const Tensor m = subtract(matmul(r, adjoint(grad_r)), matmul(adjoint(grad_q), q));
  const Tensor mirrored = add(lower(m), adjoint(lower(m, true)));
  const Tensor inside = add(grad_q, matmul(q, mirrored));
  return adjoint(solved(r, adjoint(inside)));
}

[[maybe_unused]] const OpRow& kQr = register_op({
    .name = "qr",
    .summary = "Orthonormal columns q and an upper triangular r with q @ r = x; with `complete` q is square.",
    .output_count = 2,
    .attrs = {{.name = "complete", .kind = FL_ATTR_BOOL, .fallback = false}},
    .dtypes = kDTypes,
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
    .ulp = ulps(0, 64, 64),
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

[[maybe_unused]] const OpRow& kEigh = register_op({
    .name = "eigh",
    .summary = "The eigenvalues of a symmetric matrix in ascending order and its eigenvectors as columns; the lower "
               "triangle is read.",
    .output_count = 2,
    .dtypes = kDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", true);
      out[0] = {with_last(inputs[0], {rows_of(inputs[0])}), inputs[0].dtype()};
      out[1] = {inputs[0].shape(), inputs[0].dtype()};
    },
    .vjp = [](const Backward& b) {
      const Tensor& w = b.output(0);
      const Tensor& v = b.output(1);
      Tensor inside;
      if (b.grad(0).defined()) inside = on_diagonal(b.grad(0));
      if (b.grad(1).defined()) {
        const Tensor turned = multiply(matmul(adjoint(v), b.grad(1)), gaps(w));
        inside = inside.defined() ? add(inside, turned) : turned;
      }
      if (!inside.defined()) return;
      const Tensor g = matmul(matmul(v, inside), adjoint(v));
      b.give(0, multiply(add(of_lower(g), of_lower(adjoint(g))), 0.5));
    },
    .batching = batch_leading,
    .saves_outputs = 0b11,
    .autocast = Autocast::Float32,
    .ulp = ulps(0, 64, 64),
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
    .dtypes = kDTypes,
    .promotes = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs attrs, std::span<Meta> out) {
      require_matrix(row, inputs[0], "x", false);
      const int64_t m = rows_of(inputs[0]), n = columns_of(inputs[0]), k = std::min(m, n);
      out[0] = {with_last(inputs[0], {m, attrs[0].as_bool() ? m : k}), inputs[0].dtype()};
      out[1] = {with_last(inputs[0], {k}), inputs[0].dtype()};
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
      Tensor inside = b.grad(1).defined() ? on_diagonal(b.grad(1)) : Tensor();
      const Tensor s_row = expand_dims(s, {s.ndim() - 1}), s_column = expand_dims(s, {s.ndim()});
      const auto collect = [&](const Tensor& part) { inside = inside.defined() ? add(inside, part) : part; };
      const bool vectors = b.grad(0).defined() || b.grad(2).defined();
      const Tensor gap = vectors ? gaps(square(s)) : Tensor();
      if (b.grad(0).defined()) {
        const Tensor turn = matmul(adjoint(u), b.grad(0));
        collect(multiply(multiply(subtract(turn, adjoint(turn)), gap), s_row));
      }
      if (b.grad(2).defined()) {
        const Tensor turn = matmul(vh, adjoint(b.grad(2)));
        collect(multiply(s_column, multiply(subtract(turn, adjoint(turn)), gap)));
      }
      if (!inside.defined()) return;
      Tensor g = matmul(matmul(u, inside), vh);
      if (b.grad(0).defined() && m > k) {
        const Tensor outside = subtract(b.grad(0), matmul(u, matmul(adjoint(u), b.grad(0))));
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
    .ulp = ulps(0, 64, 64),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "values at the size of the largest; vectors lose digits where two values are close",
    .samples = {{{definite({1, 1})}, {false}},
                {{definite({3, 3})}, {false}},
                {{{{4, 3}}}, {false}},
                {{{{3, 4}}}, {false}},
                {{{{2, 3, 3}}}, {true}},
                {{{{0, 3}}}, {false}}},
});

}  // namespace

}  // namespace flambeau::ops
