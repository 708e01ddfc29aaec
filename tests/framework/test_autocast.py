"""autocast: every row's policy, and what happens around ops that it lowers."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn, opcases, optable

from tests.framework.beside_torch import torch

LOWER = {
    "attention", "attention_grad", "matmul", "linear", "convolution", "convolution_input_grad",
    "convolution_weight_grad", "lstm", "lstm_grad", "gru", "gru_grad", "rnn", "rnn_grad",
}  # fmt: skip
# Losses and linear algebra as in PyTorch's list for CPUs; product is `prod`, which that list has.
FLOAT32 = {
    "cross_entropy", "cumulative_prod", "nll_loss", "product", "cholesky", "cofactors", "det", "eig", "eigh", "inv",
    "qr", "slogdet", "solve", "svd", "rfft",
    "linear_recurrence",  # each value starts the next
    "batch_norm", "group_norm", "layer_norm", "rms_norm",  # their weights are float32
    "batch_norm_grad", "group_norm_grad", "layer_norm_grad", "rms_norm_grad",
    "batch_norm_max_pool", "batch_norm_max_pool_grad",
}  # fmt: skip
# Neither pointwise nor a derivative, and in no list of PyTorch's: one rounding at the end, whatever they sum.
KEEP = {
    "adaptive_avg_pool", "adaptive_max_indices", "all", "any", "arange", "argmax", "argmin", "argsort", "argtop",
    "avg_pool", "concat", "cumulative_sum", "dropout", "embedding", "eye", "fft", "full", "grid_sample", "irfft",
    "join_indices", "length", "linear_int8",  # the latter's weight is smaller already
    "log_softmax", "logsumexp", "max", "max_pool", "max_pool_indices", "mean", "min", "nonzero", "normal", "one_hot",
    "pad", "put", "randint", "scatter", "searchsorted", "softmax", "sort", "stack", "std", "sum", "take",
    "take_along_axis", "to_device", "topk", "triangle", "uniform", "var", "weighted_take",
}  # fmt: skip


def test_every_row_has_a_policy_that_was_considered() -> None:
    for row in optable.rows():
        if row.name in LOWER | FLOAT32:
            assert row.autocast == ("lower" if row.name in LOWER else "float32"), row.name
            continue
        assert row.autocast == "keep", f"{row.name}: list it here, with PyTorch's policy for its like"
        derivative = row.name.endswith("_grad")  # backward passes run in the dtypes of the forward pass
        assert row.pointwise or row.view or row.in_place or derivative or row.name in KEEP, (
            f"{row.name}: nobody has said whether autocast lowers it, widens it or keeps it"
        )


def _floating(row: optable.Row) -> bool:
    return bool(row.input_names) and row.max_inputs != 0 and "float32" in opcases.dtypes_of(row) and not row.in_place


@pytest.mark.parametrize("given", ["float32", "bfloat16"])
@pytest.mark.parametrize("dtype", [fl.bfloat16, fl.float16], ids=str)
def test_every_row_computes_as_if_its_inputs_had_been_cast_by_its_policy(given: str, dtype: fl.DType) -> None:
    tried = 0
    for row in optable.rows():
        if not _floating(row):
            continue
        case = next((c for c in opcases.cases(row, given, ("plain",)) if all(i.shape for i in c.sample.inputs)), None)
        if case is None:
            continue
        wanted = {"lower": dtype, "float32": fl.float32, "keep": None}[row.autocast]
        inputs = opcases.tensors(case, "cpu")
        cast = [x.astype(wanted) if wanted is not None and x.dtype.is_float else x for x in inputs]
        try:
            expected = opcases.run(case, cast)
        except fl.DTypeError:
            continue  # linear algebra of float32 alone
        with fl.autocast(dtype=dtype):
            found = opcases.run(case, inputs)
        tried += 1
        for ours, theirs in zip(found, expected, strict=True):
            assert ours.dtype == theirs.dtype, row.name
            assert np.array_equal(opcases.values(ours), opcases.values(theirs), equal_nan=True), row.name
    assert tried > 100


ONE = {
    "exp": fl.exp, "log": fl.log, "sum": fl.sum, "mean": fl.mean, "prod": fl.prod, "relu": nn.functional.relu,
    "linalg.inv": fl.linalg.inv, "linalg.cholesky": fl.linalg.cholesky, "fft.rfft": fl.fft.rfft,
    "nn.functional.gelu": nn.functional.gelu,
}  # fmt: skip
TWO = {
    "add": fl.add, "matmul": fl.matmul, "nn.functional.linear": nn.functional.linear, "pow": fl.pow,
    "nn.functional.mse_loss": nn.functional.mse_loss, "nn.functional.l1_loss": nn.functional.l1_loss,
    "nn.functional.huber_loss": nn.functional.huber_loss,
    "nn.functional.binary_cross_entropy_with_logits": nn.functional.binary_cross_entropy_with_logits,
}  # fmt: skip
WITH_AXIS = {
    "softmax": nn.functional.softmax, "log_softmax": nn.functional.log_softmax, "cumsum": fl.cumulative_sum,
    "logsumexp": lambda x, axis: fl.logsumexp(x, axis=axis), "nn.functional.max_pool1d": nn.functional.max_pool1d,
    "nn.functional.avg_pool1d": nn.functional.avg_pool1d,
}  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize("given", ["float32", "bfloat16"])
@pytest.mark.parametrize("name", [*ONE, *TWO, *WITH_AXIS])
def test_results_have_the_dtype_that_pytorch_gives_on_a_cpu(name: str, given: str) -> None:
    module = torch()
    theirs = functools.reduce(getattr, name.split("."), module)
    values = (np.ones((5, 5)) * 0.25 + np.eye(5)).astype("float32")
    their_input, our_input = module.tensor(values).to(getattr(module, given)), fl.tensor(values).astype(given)
    with module.autocast("cpu", dtype=module.bfloat16), fl.autocast(dtype=fl.bfloat16):
        if name in TWO:
            ours, expected = TWO[name](our_input, our_input), theirs(their_input, their_input)
        elif name == "cumsum":
            ours, expected = fl.cumulative_sum(our_input, axis=1), theirs(their_input, 1)
        elif name in WITH_AXIS:
            ours, expected = WITH_AXIS[name](our_input, 1), theirs(their_input, 1)
        else:
            ours, expected = ONE[name](our_input), theirs(their_input)
    assert str(ours.dtype) == str(expected.dtype).removeprefix("torch.")


def _weight(*shape: int) -> fl.Tensor:
    return fl.random.normal(shape or (4, 4)).requires_grad_()


def test_gradients_come_in_the_dtypes_of_their_tensors() -> None:
    w, x = _weight(3, 4), _weight(2, 4)
    with fl.autocast():
        y = nn.functional.linear(x, w)
    y.sum().backward()
    assert (str(y.dtype), str(w.grad.dtype), str(x.grad.dtype)) == ("bfloat16", "float32", "float32")


def test_a_gradient_is_that_of_the_ops_with_casts_written_out() -> None:
    w, x = _weight(3, 4), fl.random.normal((2, 4))
    with fl.autocast():
        (nn.functional.linear(x, w) * 2).sum().backward()
    found, w.grad = w.grad, None
    half = nn.functional.linear(x.astype(fl.bfloat16), w.astype(fl.bfloat16)) * 2
    half.sum().backward()
    assert found.tolist() == w.grad.tolist()


def test_contexts_nest_and_an_inner_one_switches_off() -> None:
    x = fl.ones((2, 2))
    with fl.autocast(dtype=fl.bfloat16):
        with fl.autocast(dtype=fl.float16):
            assert (x @ x).dtype == fl.float16
        assert (x @ x).dtype == fl.bfloat16
        with fl.autocast(enabled=False):
            assert (x @ x).dtype == fl.float32
            with fl.autocast():
                assert (x @ x).dtype == fl.bfloat16
        assert (x @ x).dtype == fl.bfloat16
    assert (x @ x).dtype == fl.float32


def test_an_error_inside_leaves_the_mode_as_it_was() -> None:
    with pytest.raises(fl.ShapeError), fl.autocast():
        fl.ones((2, 3)) @ fl.ones((2, 3))
    assert (fl.ones((2, 2)) @ fl.ones((2, 2))).dtype == fl.float32


def test_it_decorates_functions_and_may_call_itself() -> None:
    @fl.autocast(dtype=fl.float16)
    def product(x: fl.Tensor, again: int) -> fl.Tensor:
        return product(x, again - 1) if again else x @ x

    assert product(fl.ones((2, 2)), 2).dtype == fl.float16


def test_another_thread_is_not_concerned() -> None:
    found = []
    with fl.autocast():
        thread = threading.Thread(target=lambda: found.append((fl.ones((2, 2)) @ fl.ones((2, 2))).dtype))
        thread.start()
        thread.join()
    assert found == [fl.float32]


def test_double_precision_is_left_alone() -> None:
    x = fl.ones((2, 2), dtype=fl.float64)
    with fl.autocast():
        assert (x @ x).dtype == fl.float64
        assert (x @ fl.ones((2, 2))).dtype == fl.float64
        assert (fl.ones((2, 2), dtype=fl.complex64) @ fl.ones((2, 2))).dtype == fl.complex64


def test_integers_are_left_alone() -> None:
    x = fl.ones((2, 2), dtype=fl.int32)
    with fl.autocast():
        assert (x @ x).dtype == fl.int32


def test_what_pytorch_gives_by_position_is_told_apart() -> None:
    with pytest.raises(TypeError, match=r"keywords alone, not 'cpu', .*fl\.autocast\(dtype=fl\.bfloat16\)"):
        fl.autocast("cpu", dtype=fl.bfloat16)  # type: ignore[arg-type]  # the mistake under test


@pytest.mark.parametrize("dtype", [fl.float32, fl.float64, fl.int8, "float32"], ids=str)
def test_a_dtype_that_is_no_half_precision_is_refused(dtype: fl.DType) -> None:
    with pytest.raises(fl.DTypeError, match=r"it is fl\.bfloat16 or fl\.float16"):
        fl.autocast(dtype=dtype)


def test_a_weight_is_cast_once_until_the_outermost_context_is_left() -> None:
    w, x = _weight(), fl.ones((1, 4))
    with fl.autocast():
        a, b = nn.functional.linear(x, w), nn.functional.linear(x, w)
        assert a.grad_fn.inputs[1] == b.grad_fn.inputs[1]
    with fl.autocast():
        assert nn.functional.linear(x, w).grad_fn.inputs[1] != a.grad_fn.inputs[1]
    with fl.autocast(cache_enabled=False):
        a, b = nn.functional.linear(x, w), nn.functional.linear(x, w)
        assert a.grad_fn.inputs[1] != b.grad_fn.inputs[1]


def test_casts_do_not_pile_up_where_gradients_are_taken_again_and_again_in_one_context() -> None:
    weight, x = fl.ones((64, 64)), fl.ones((2, 64))
    held = []
    with fl.autocast():
        for _ in range(100):
            fl.grad(lambda w: (x @ w).sum())(weight)
            held.append(fl.memory.memory_allocated())
    assert max(held[50:]) <= max(held[:50])


def test_a_weight_that_took_a_step_is_cast_anew() -> None:
    w, x = _weight(), fl.ones((1, 4))
    with fl.autocast():
        nn.functional.linear(x, w)
        with fl.no_grad():
            w[...] = 0.0
        assert nn.functional.linear(x, w).tolist() == [[0.0] * 4]


def test_a_cast_made_without_gradients_is_not_used_where_they_are_wanted() -> None:
    w, x = _weight(), fl.ones((1, 4))
    with fl.autocast():
        with fl.no_grad():
            nn.functional.linear(x, w)
        y = nn.functional.linear(x, w)
        with fl.no_grad():
            assert not nn.functional.linear(x, w).requires_grad
    y.sum().backward()
    assert w.grad is not None


@pytest.mark.parametrize("inside", [True, False])
def test_a_checkpoint_is_computed_again_in_the_mode_of_the_first_time(inside: bool) -> None:
    w, x = _weight(), fl.random.normal((2, 4))

    def block(x: fl.Tensor) -> fl.Tensor:
        return nn.functional.gelu(nn.functional.linear(nn.functional.linear(x, w), w))

    def gradient(run: Callable[[fl.Tensor], fl.Tensor]) -> list[list[float]]:
        w.grad = None
        with fl.autocast():
            nn.functional.linear(x, w)  # a kept cast from before the region is of no use in it
            loss = run(x).sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        return w.grad.tolist()

    plain, again = gradient(block), gradient(lambda x: fl.checkpoint(block, x))
    np.testing.assert_allclose(again, plain, rtol=0.02, atol=0.02)  # without kept casts gradients are summed in float32


def test_transforms_see_the_casts() -> None:
    w, xs = fl.random.normal((3, 4)), fl.random.normal((5, 4))
    f = fl.autocast()(lambda x: nn.functional.linear(x, w))

    def written(x: fl.Tensor) -> fl.Tensor:
        return nn.functional.linear(x.astype(fl.bfloat16), w.astype(fl.bfloat16))

    assert fl.vmap(f)(xs).tolist() == fl.vmap(written)(xs).tolist()
    ours, theirs = fl.jvp(f, (xs,), (xs,)), fl.jvp(written, (xs,), (xs,))
    assert [x.tolist() for x in ours] == [x.tolist() for x in theirs]
    gradient = fl.grad(lambda x: f(x).sum())(xs)
    assert gradient.dtype == fl.float32
    assert gradient.tolist() == fl.grad(lambda x: written(x).sum())(xs).tolist()
    assert fl.vmap(fl.grad(lambda x: f(x).sum()))(xs).tolist() == gradient.tolist()


def test_a_recording_holds_the_casts_and_runs_without_autocast() -> None:
    x = fl.random.normal((3, 3))
    with fl.autocast():
        graph = fl.record(lambda x: x @ x, x)
        eager = x @ x
    assert graph.ops == ["cast", "cast", "matmul"]
    assert fl.Graph.parse(graph.text).run(x).tolist() == eager.tolist()


def test_a_whole_step_is_recorded_as_it_runs() -> None:
    w, x = fl.random.normal((4, 3)), fl.random.normal((2, 3))

    @fl.autocast()
    def loss(w: fl.Tensor) -> fl.Tensor:
        return nn.functional.cross_entropy(nn.functional.linear(x, w), fl.tensor([0, 3]))

    graph = fl.record(fl.grad(loss), w)
    assert graph.run(w).tolist() == fl.grad(loss)(w).tolist()


def test_a_function_with_a_derivative_of_its_own_is_lowered_inside() -> None:
    class Product(fl.Function):
        @staticmethod
        def forward(ctx: Any, x: fl.Tensor, w: fl.Tensor) -> fl.Tensor:
            ctx.save_for_backward(x, w)
            return x @ w

        @staticmethod
        def backward(ctx: Any, gradient: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor]:
            x, w = ctx.saved_tensors
            return gradient @ w.T, x.T @ gradient

    w, x = _weight(), fl.ones((2, 4))
    with fl.autocast():
        y = Product.apply(x, w)
        assert y.dtype == fl.bfloat16
        y.sum().backward()
    assert w.grad.dtype == fl.float32


def test_anomaly_mode_names_the_op_that_autocast_lowered() -> None:
    with fl.detect_anomaly(), fl.autocast(dtype=fl.float16), pytest.raises(RuntimeError, match="matmul made a NaN"):
        fl.tensor([[1e30]]) @ fl.zeros((1, 1))  # 1e30 is infinite in float16


def test_layers_keep_their_parameters_in_float32() -> None:
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 10))
    x = fl.random.normal((2, 1, 8, 8))
    with fl.autocast():
        y = net(x)
        loss = nn.functional.cross_entropy(y, fl.tensor([1, 2]))
    loss.backward()
    assert (str(y.dtype), str(loss.dtype)) == ("bfloat16", "float32")
    assert {str(p.dtype) for p in net.parameters()} == {str(p.grad.dtype) for p in net.parameters()} == {"float32"}
