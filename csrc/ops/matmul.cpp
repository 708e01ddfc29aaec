// matmul.cpp: products of matrices, vectors and batches of them; the affine layer.
#include "core/registry.h"
#include "ops/batching.h"
#include "ops/ops.h"
#include "ops/rows.h"

namespace flambeau::ops {

namespace {

Dims batch_of(const Dims& shape) {
  Dims batch = shape;
  batch.resize(shape.size() < 2 ? 0 : shape.size() - 2);
  return batch;
}

void infer(const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
  const Dims& a = inputs[0].shape();
  const Dims& b = inputs[1].shape();
  if (a.empty() || b.empty()) {
    raise(ErrorKind::Shape, row.name, ": a is ", a, ", b is ", b,
          ": each needs at least one dimension; multiply by a number with *");
  }
  int64_t inner = b.size() == 1 ? b[0] : b[b.size() - 2];
  if (a.back() != inner) {
    bool turned = b.size() > 1 && a.back() == b.back();
    raise(ErrorKind::Shape, row.name, ": a is ", a, ", b is ", b, ": a's last dimension ", a.back(),
          " must equal b's ", b.size() < 3 ? "first " : "second to last ", inner, turned ? "; transpose b?" : "");
  }
  Dims shape;
  try {
    shape = broadcast_shapes(row.name, batch_of(a), batch_of(b));
  } catch (const Error&) {
    raise(ErrorKind::Shape, row.name, ": a is ", a, ", b is ", b, ": the batch dimensions ", batch_of(a), " and ",
          batch_of(b), " must be equal or 1, counted from the right");
  }
  if (a.size() > 1) shape.push_back(a[a.size() - 2]);
  if (b.size() > 1) shape.push_back(b.back());
  out[0] = {shape, inputs[0].dtype()};
}

void insert_axis(Window& window, size_t at) {
  window.shape.insert(at, 1);
  window.strides.insert(at, 0);
}

// Vectors become matrices, then batches get the output's batch dimensions.
bool arrange(const OpRow&, Attrs, std::span<Window> operands) {
  Window& a = operands[0];
  Window& b = operands[1];
  Window& out = operands[2];
  if (b.shape.size() == 1) {
    insert_axis(b, 1);
    insert_axis(out, out.shape.size());
  }
  if (a.shape.size() == 1) {
    insert_axis(a, 0);
    insert_axis(out, out.shape.size() - 1);
  }
  for (Window* operand : {&a, &b}) {
    while (operand->shape.size() < out.shape.size()) insert_axis(*operand, 0);
    for (size_t axis = 0; axis + 2 < out.shape.size(); ++axis) {
      if (operand->shape[axis] == out.shape[axis]) continue;
      operand->shape[axis] = out.shape[axis];
      operand->strides[axis] = 0;
    }
  }
  return true;
}

// All rows of a batch of matrices under each other.
Tensor stacked(const Tensor& x) {
  int64_t columns = x.shape().back();
  int64_t rows = 1;
  for (size_t axis = 0; axis + 1 < x.shape().size(); ++axis) rows *= x.shape()[axis];
  return x.ndim() == 2 ? x : reshape(x, {rows, columns});
}

// The gradients, for a and b that have at least two dimensions.
Tensor grad_a(const Tensor& g, const Tensor& b, const Dims& shape) {
  return sum_to(matmul(g, swap_last_two(conj(b))), shape);
}
Tensor grad_b(const Tensor& g, const Tensor& a, const Dims& shape) {
  // One matrix for a whole batch: a product of the stacked rows sums as it goes, without a product for each.
  if (shape.size() == 2 && a.ndim() == g.ndim() && batch_of(a.shape()) == batch_of(g.shape())) {
    return matmul(swap_last_two(stacked(conj(a))), stacked(g));
  }
  return sum_to(matmul(swap_last_two(conj(a)), g), shape);
}

Tensor as_matrix(const Tensor& x, int64_t new_axis) { return x.ndim() == 1 ? expand_dims(x, {new_axis}) : x; }

void matmul_vjp(const Backward& backward) {
  const Dims& shape_a = backward.input(0).shape();
  const Dims& shape_b = backward.input(1).shape();
  Tensor g = backward.grad();
  if (shape_a.size() == 1 && shape_b.size() == 1) {
    for (size_t i = 0; i < 2; ++i)
      if (backward.needs(i)) backward.give(i, multiply(g, conj(backward.input(1 - i))));
    return;
  }
  if (shape_b.size() == 1) g = expand_dims(g, {g.ndim()});
  if (shape_a.size() == 1) g = expand_dims(g, {g.ndim() - 1});
  if (backward.needs(0)) {
    Dims shape = shape_a.size() == 1 ? Dims{1, shape_a[0]} : shape_a;
    backward.give(0, reshape(grad_a(g, as_matrix(backward.input(1), 1), shape), shape_a));
  }
  if (backward.needs(1)) {
    Dims shape = shape_b.size() == 1 ? Dims{shape_b[0], 1} : shape_b;
    backward.give(1, reshape(grad_b(g, as_matrix(backward.input(0), 0), shape), shape_b));
  }
}

const OpRow& kMatmul = register_op({
    .name = "matmul",
    .summary = "The matrix product of the last two axes, for each of the batch dimensions before them (broadcast).",
    .min_inputs = 2,
    .max_inputs = 2,
    .input_names = {"a", "b"},
    .dtypes = kNumeric,
    .promotes = true,
    .infer = infer,
    .arrange = arrange,
    .vjp = matmul_vjp,
    .batching = batch_matmul,
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}>,
    .autocast = Autocast::Lower,
    .ulp = ulps(2, 32, 32, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "k products and sums round at the size of the terms; 16-bit floats are summed in float32",
    .samples = {{{{{3}}, {{3}}}},
                {{{{3, 4}}, {{4}}}},
                {{{{4}}, {{4, 5}}}},
                {{{{3, 4}}, {{4, 5}}}},
                {{{{1, 1}}, {{1, 1}}}},
                {{{{0, 4}}, {{4, 5}}}},
                {{{{3, 0}}, {{0, 5}}}},
                {{{{2, 3, 4}}, {{4, 5}}}},
                {{{{3, 4}}, {{2, 4, 5}}}},
                {{{{2, 1, 3, 4}}, {{5, 4, 3}}}},
                {{{{33, 65}}, {{65, 17}}}}},
});

const OpRow& kLinear = register_op({
    .name = "linear",
    .summary = "x times the transposed weight (out, in), plus the bias (out) if there is one.",
    .min_inputs = 2,
    .max_inputs = 3,
    .input_names = {"x", "weight", "bias"},
    .dtypes = kFloats,
    .promotes = true,
    .composite = true,
    .public_name = false,
    .infer = [](const OpRow& row, Inputs inputs, Attrs, std::span<Meta> out) {
      const Dims& x = inputs[0].shape();
      const Dims& weight = inputs[1].shape();
      if (weight.size() != 2) {
        raise(ErrorKind::Shape, row.name, ": weight is ", weight, ": it must be (out features, in features)");
      }
      if (x.empty() || x.back() != weight[1]) {
        raise(ErrorKind::Shape, row.name, ": x is ", x, ", weight is ", weight, ": x's last dimension must be ",
              weight[1], ", the weight's second");
      }
      if (inputs.size() > 2 && inputs[2].shape() != Dims{weight[0]}) {
        raise(ErrorKind::Shape, row.name, ": bias is ", inputs[2].shape(), ", weight is ", weight, ": bias must be ",
              Dims{weight[0]}, ", one number for each output feature");
      }
      Dims shape = x;
      shape[shape.size() - 1] = weight[0];
      out[0] = {shape, inputs[0].dtype()};
    },
    .decompose = [](const OpRow&, Inputs inputs, Attrs, std::span<Tensor> out) {
      Tensor product = matmul(inputs[0], swap_last_two(inputs[1]));
      out[0] = inputs.size() > 2 ? add(product, inputs[2]) : product;
    },
    .vjp = [](const Backward& b) {
      const Tensor& g = b.grad();
      if (b.needs(0)) b.give(0, matmul(g, b.input(1)));
      if (b.needs(1)) {
        Tensor rows = stacked(as_matrix(g, 0));
        b.give(1, matmul(swap_last_two(rows), stacked(as_matrix(b.input(0), 0))));
      }
      if (b.needed.size() > 2 && b.needs(2)) b.give(2, sum_to(g, b.input(2).shape()));
    },
    .batching = batch_linear,
    .saves_inputs = 3,
    .saves = saves<Saved{0b10}, Saved{0b01}, Saved{}>,
    .autocast = Autocast::Lower,
    .ulp = ulps(2, 32, 32),
    .ulp_at = UlpAt::Largest,
    .ulp_note = "as matmul, and one sum",
    .samples = {{{{{4}}, {{3, 4}}, {{3}}}},
                {{{{5, 4}}, {{3, 4}}}},
                {{{{5, 4}}, {{3, 4}}, {{3}}}},
                {{{{2, 5, 4}}, {{3, 4}}, {{3}}}},
                {{{{0, 4}}, {{3, 4}}, {{3}}}},
                {{{{5, 0}}, {{3, 0}}, {{3}}}},
                {{{{33, 65}}, {{17, 65}}, {{17}}}}},
});

}  // namespace

Tensor matmul(const Tensor& a, const Tensor& b) { return apply(kMatmul, {a, b}); }

}  // namespace flambeau::ops
