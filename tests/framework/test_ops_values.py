"""Values of every op, dtype and shape class: the CPU against the reference loops, NumPy and PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from flambeau.opcases import FLOATS, Array, Case, arrays, cases, dtypes_of, run, tensors, values
from flambeau.optable import COMPLEX, Row, rows
from flambeau.testing import assert_close, ulp_distance

from tests.framework import oracles, oracles_random, oracles_torch

EVERY = [(row, dtype) for row in rows() if row.samples for dtype in dtypes_of(row)]
IDS = [f"{row.name}-{dtype}" for row, dtype in EVERY]


def largest(inputs: list[Array], expected: Array) -> float:
    """Where a bound of kind "largest" is counted: the largest finite magnitude around."""
    around = [x for x in (*inputs, expected) if x.dtype.kind in "fc"]
    finite = [np.abs(x[np.isfinite(x)]).max(initial=0.0) for x in around]
    return float(max(finite, default=0.0))


def assert_within_bound(case: Case, device: str, more: float = 0.0) -> None:
    """The device's outputs agree with the reference's within the row's bound."""
    row = case.row
    expected = run(case, tensors(case, "reference"), "reference")
    actual = run(case, tensors(case, device), device)
    for got, wanted in zip(actual, expected, strict=True):
        assert str(got.dtype) == str(wanted.dtype)
        at = largest(arrays(case), values(wanted)) if row.ulp_at == "largest" else None
        dtype = str(wanted.dtype)
        what = f"{row.name} {case.dtype} of {case.words}"
        assert_close(values(got), values(wanted), ulp=row.ulp[dtype] + more, at=at, dtype=dtype, what=what)


@pytest.mark.parametrize(("row", "dtype"), EVERY, ids=IDS)
def test_the_cpu_is_within_the_bound_of_the_reference(row: Row, dtype: str) -> None:
    for case in cases(row, dtype):
        assert_within_bound(case, "cpu")


@pytest.mark.parametrize(("row", "dtype"), EVERY, ids=IDS)
def test_the_reference_gives_what_numpy_gives(row: Row, dtype: str) -> None:
    for case in cases(row, dtype):
        inputs = arrays(case)
        expected = oracles.numpy_result(row.name, inputs, case.sample.attrs)
        if expected is None:
            continue
        outputs = run(case, tensors(case, "reference"), "reference")
        for got, wanted in zip(outputs, expected, strict=True):
            assert got.shape == wanted.shape, case.words
            named = str(got.dtype)
            if named not in (*FLOATS, *COMPLEX):
                np.testing.assert_array_equal(values(got), wanted.astype(named), err_msg=case.words)
                continue
            # One rounding to the dtype; float64 has NumPy's own roundings beside it.
            bound = 1.0 if named not in ("float64", *COMPLEX) else max(row.ulp[named], 4.0)
            if row.ulp_at == "largest":
                bound = max(bound, row.ulp[named])
            limit = float(np.finfo("float16" if named == "float16" else "float32").max)
            overflow = (np.abs(wanted) > limit) & (named in ("float16", "bfloat16", "float32"))
            at = largest(inputs, wanted) if row.ulp_at == "largest" else None
            with np.errstate(over="ignore", invalid="ignore"):
                if named == "complex64":
                    stored = wanted.astype(named)
                    wanted = np.where(np.isfinite(stored), wanted, stored)
                wanted = np.where(overflow, np.copysign(np.inf, wanted.real), wanted) if overflow.any() else wanted
            what = f"{row.name} {dtype} of {case.words}"
            assert_close(values(got), wanted, ulp=bound, at=at, dtype=named, what=what)


# Where PyTorch means something else: sign(NaN) is 0, gelu of an infinity NaN, and infinity // 2 too; negative integer
# powers are refused.
PYTORCH_DIFFERS = {("sign", "special"), ("gelu", "special"), ("floor_divide", "special")}
WITH_PYTORCH = [(row, dtype) for row, dtype in EVERY if row.name in oracles_torch.TORCH]
WITH_PYTORCH = [(row, dtype) for row, dtype in WITH_PYTORCH if row.name != "pow" or dtype in FLOATS]
# PyTorch stores these, and computes with them in a few ops only.
WITH_PYTORCH = [(row, dtype) for row, dtype in WITH_PYTORCH if dtype not in ("uint16", "uint32", "uint64")]


@pytest.mark.torch
@pytest.mark.parametrize(("row", "dtype"), WITH_PYTORCH, ids=[f"{row.name}-{dtype}" for row, dtype in WITH_PYTORCH])
def test_the_cpu_gives_what_pytorch_gives(row: Row, dtype: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    for case in cases(row, dtype):
        if (row.name, case.layout) in PYTORCH_DIFFERS:
            continue
        given = zip(arrays(case), case.sample.inputs, strict=True)
        there = [torch.tensor(x).to(getattr(torch, dtype)) if i.kind == "value" else torch.tensor(x) for x, i in given]
        expected = oracles_torch.torch_result(row.name, there, case.sample.attrs)
        outputs = run(case, tensors(case, "cpu"))
        for got, wanted in zip(outputs, expected, strict=True):
            if wanted.is_complex():
                bound = 2 * max(row.ulp[str(got.dtype)], 4.0)
                at = largest(arrays(case), wanted.numpy()) if row.ulp_at == "largest" else None
                assert_close(values(got), wanted.numpy(), ulp=bound, at=at, dtype=str(got.dtype), what=case.words)
                continue
            if not wanted.dtype.is_floating_point:
                np.testing.assert_array_equal(values(got), wanted.numpy(), err_msg=case.words)
                continue
            named = str(got.dtype)
            at = largest(arrays(case), wanted.double().numpy()) if row.ulp_at == "largest" else None
            # PyTorch may be as far from the exact value as we may be; it rounds float16 more often than we do.
            bound = 2 * max(row.ulp[named], 4.0)
            assert_close(values(got), wanted.double().numpy(), ulp=bound, at=at, dtype=named, what=case.words)


def test_every_op_is_compared_with_numpy() -> None:
    assert {row.name for row in rows()} == set(oracles.NUMPY)


def test_philox_gives_the_published_words() -> None:
    """Known answers of Random123, the authors' library."""
    assert oracles_random.philox((0,) * 4, (0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)
    ones = 0xFFFFFFFF
    assert oracles_random.philox((ones,) * 4, (ones, ones)) == (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)
    digits_of_pi = (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344), (0xA4093822, 0x299F31D0)
    assert oracles_random.philox(*digits_of_pi) == (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1)


@pytest.mark.parametrize("dtype", FLOATS)
def test_a_distance_counts_representable_numbers(dtype: str) -> None:
    one = np.array([1.0])
    gap = {"float16": 2.0**-10, "bfloat16": 2.0**-7, "float32": 2.0**-23, "float64": 2.0**-52}[dtype]
    assert ulp_distance(one + 3 * gap, one, dtype).tolist() == [3.0]
    assert ulp_distance([np.nan, np.inf, 0.0], [np.nan, np.inf, -0.0], dtype).tolist() == [0.0, 0.0, 0.0]
    assert ulp_distance([np.nan, np.inf], [1.0, -np.inf], dtype).tolist() == [np.inf, np.inf]
