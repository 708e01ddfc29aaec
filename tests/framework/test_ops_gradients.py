"""First and second derivatives of every op: by finite differences, and against PyTorch."""

from __future__ import annotations

from collections.abc import Callable

import flambeau as fl
import numpy as np
import pytest
from flambeau.opcases import Case, arrays, cases, dtypes_of, run, tensors, values
from flambeau.optable import Row, rows
from flambeau.testing import assert_close, gradcheck, gradgradcheck

from tests.framework import oracles_torch

DIFFERENTIABLE = [row for row in rows() if row.differentiable]
# PyTorch has no derivative of floor_divide; ours is 0 almost everywhere.
WITH_PYTORCH = [row for row in DIFFERENTIABLE if row.name in oracles_torch.TORCH and row.name != "floor_divide"]


def small(row: Row, layouts: tuple[str, ...] = ("plain",)) -> list[Case]:
    """The cases whose every element can be varied in a moment."""
    if "float64" not in row.dtypes:
        return []
    return [case for case in cases(row, "float64", layouts) if sum(x.size for x in arrays(case)) <= 60]


def float64_outputs(case: Case) -> Callable[..., list[fl.Tensor]]:
    def function(*inputs: fl.Tensor) -> list[fl.Tensor]:
        return [out for out in run(case, inputs) if str(out.dtype) == "float64"]

    return function


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)
def test_gradients_agree_with_differences(row: Row) -> None:
    for case in small(row, ("plain", "turned")):
        gradcheck(float64_outputs(case), tensors(case, "cpu"), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("row", DIFFERENTIABLE, ids=lambda row: row.name)
def test_gradients_of_gradients_agree_with_differences(row: Row) -> None:
    for case in small(row):
        if sum(x.size for x in arrays(case)) <= 30:
            gradgradcheck(float64_outputs(case), tensors(case, "reference"), rtol=1e-5, atol=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
@pytest.mark.parametrize("row", WITH_PYTORCH, ids=lambda row: row.name)
def test_gradients_are_those_of_pytorch(row: Row, dtype: str) -> None:
    """Complex gradients follow its convention: the conjugate of the derivative."""
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    if dtype not in dtypes_of(row) or (dtype == "complex128" and row.name == "scatter"):
        return  # PyTorch has no such gradient
    for case in cases(row, dtype, ("plain", "strided")):
        given = list(zip(arrays(case), case.sample.inputs, strict=True))
        there = [torch.tensor(x, requires_grad=i.kind == "value") for x, i in given]
        here = tensors(case, "cpu")
        live = [x.detach() if i.kind == "value" else x for x, (_, i) in zip(here, given, strict=True)]
        for x, (_, i) in zip(live, given, strict=True):
            x.requires_grad = i.kind == "value"
        expected = oracles_torch.torch_result(row.name, there, case.sample.attrs)[0]
        out = run(case, live)[0]
        if not expected.requires_grad or expected.numel() == 0:
            continue
        weights = np.random.default_rng(1).uniform(0.5, 1.5, out.shape)
        expected.backward(torch.tensor(weights).to(expected.dtype))
        out.backward(fl.tensor(np.asarray(weights), dtype=str(out.dtype)))
        for ours, theirs in zip(live, there, strict=True):
            if theirs.grad is None:
                assert ours.grad is None or not np.any(values(ours.grad))
                continue
            tolerance = 2e-5 if dtype == "float32" else 1e-12
            found = np.zeros(ours.shape) if ours.grad is None else values(ours.grad)
            wanted = (theirs.grad + 0).numpy()
            assert_close(found, wanted, rtol=tolerance, atol=tolerance, what=f"{row.name} {case.words}")


def test_a_wrong_gradient_is_found() -> None:
    """The check can fail: x ** 2 with half its gradient."""
    x = fl.tensor([1.0, 2.0], dtype="float64")
    with pytest.raises(AssertionError, match=r"gradient of input 0 \(2,\): 2 of 2 differ"):
        gradcheck(lambda x: x * x.detach(), [x])


def test_equal_extremes_share_the_gradient() -> None:
    x = fl.tensor([[3.0, 1.0, 3.0], [2.0, 2.0, 2.0]], requires_grad=True)
    fl.max(x, axis=1).sum().backward()
    assert_close(x.grad, [[0.5, 0.0, 0.5], [1 / 3, 1 / 3, 1 / 3]], rtol=1e-6)


def test_the_gradient_of_pow_is_finite_where_the_function_is() -> None:
    base = fl.tensor([0.0, 0.0, 2.0], requires_grad=True)
    exponent = fl.tensor([0.0, 2.0, 3.0], requires_grad=True)
    fl.pow(base, exponent).sum().backward()
    assert_close(base.grad, [0.0, 0.0, 12.0], rtol=1e-6)
    assert_close(exponent.grad, [0.0, 0.0, 8 * np.log(2)], rtol=1e-6)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (5, 4, 3)),
        ((4,), (2, 4, 5)),
        ((2, 3, 4), (4,)),
        ((1, 3, 4), (6, 4, 2)),
    ],
)
def test_batches_of_matrices_have_gradients_of_their_own_shapes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    inputs = [fl.tensor(random.normal(size=shape)) for shape in (a, b)]
    gradcheck(fl.matmul, inputs)
    x, y = (fl.tensor(random.normal(size=shape), requires_grad=True) for shape in (a, b))
    fl.matmul(x, y).sum().backward()
    assert (x.grad.shape, y.grad.shape) == (a, b)


# Not qr: LAPACK's factors jump where a column becomes real.
COMPLEX = [row for row in DIFFERENTIABLE if "complex128" in dtypes_of(row) and row.name != "qr"]


def wide_outputs(case: Case) -> Callable[..., list[fl.Tensor]]:
    def function(*inputs: fl.Tensor) -> list[fl.Tensor]:
        return [out for out in run(case, inputs) if str(out.dtype) in ("float64", "complex128")]

    return function


@pytest.mark.parametrize("row", COMPLEX, ids=lambda row: row.name)
def test_gradients_of_complex_functions_agree_with_differences(row: Row) -> None:
    """In both directions of each element; the gradients of gradients too."""
    for case in cases(row, "complex128", ("plain",)):
        size = sum(x.size for x in arrays(case))
        if size <= 40:
            gradcheck(wide_outputs(case), tensors(case, "cpu"), rtol=1e-5, atol=1e-6)
        if size <= 16:
            gradgradcheck(wide_outputs(case), tensors(case, "cpu"), rtol=1e-5, atol=1e-6)


def test_a_wrong_complex_gradient_is_found() -> None:
    """The convention matters: the conjugate's gradient passed off as the function's."""
    z = fl.tensor([1.0 + 2.0j, 0.5 - 1.0j], dtype="complex128")
    gradcheck(lambda z: z * z, [z])

    class Wrong(fl.Function):
        @staticmethod
        def forward(ctx, z):
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx, gradient):
            (z,) = ctx.saved_tensors
            return gradient * z * 2

    with pytest.raises(AssertionError, match="gradient of input 0"):
        gradcheck(Wrong.apply, [z])
