"""Values for kernels, and how far two devices may be apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import ml_dtypes
import numpy as np

from tests.csrc.emulated import Emulated
from tests.csrc.kernels import Array, Device

BFLOAT16 = ml_dtypes.bfloat16
FLOATS = (np.float16, BFLOAT16, np.float32, np.float64)
NUMBERS = (np.int32, np.int64, *FLOATS)
ALL = (bool, *NUMBERS)
UNIT = {np.float16: 2.0**-10, BFLOAT16: 2.0**-7, np.float32: 2.0**-23, np.float64: 2.0**-52}
SMALLEST = {np.float16: 2.0**-24, BFLOAT16: 2.0**-133, np.float32: 2.0**-149, np.float64: 5e-324}


def random_array(seed: int, shape: tuple[int, ...], dtype: Any) -> Array:
    rng = np.random.default_rng(seed)
    if dtype is bool:
        return np.asarray(rng.random(shape) < 0.5)
    if dtype in (np.int32, np.int64):
        return rng.integers(-50, 50, shape).astype(dtype)
    return np.asarray(rng.normal(size=shape)).astype(dtype)


def layouts(x: Array) -> Iterator[Array]:
    """The same kind of values in other strides: turned, backwards, every second, repeated."""
    yield x
    if x.ndim >= 2:
        yield x.swapaxes(0, -1)
    if x.ndim >= 1 and x.size:
        yield x[..., ::-1]
        yield x[::2]
        yield np.broadcast_to(x[:1], x.shape)


def assert_within(actual: Array, expected: Array, *, ulp: float, at: float = 0.0) -> None:
    """Equal, or within `ulp` units in the last place at the expected value or at `at`, whichever is larger."""
    dtype = next(known for known in ALL if np.dtype(known) == actual.dtype)
    if dtype not in UNIT:
        np.testing.assert_array_equal(actual, expected)
        return
    a, e = actual.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        size = np.maximum(np.abs(e), at)
        units = np.ldexp(1.0, np.frexp(np.where(np.isfinite(size), size, 1.0))[1] - 1) * UNIT[dtype]
        near = np.abs(a - e) <= ulp * np.maximum(units, SMALLEST[dtype])
    wrong = ~(near | (a == e) | (np.isnan(a) & np.isnan(e)))
    assert not wrong.any(), f"{actual[wrong][:3]} instead of {expected[wrong][:3]}"


def compare(
    cpu: Device | Emulated,
    reference: Device,
    op: str,
    inputs: list[Array],
    outputs: list[Array],
    *attrs: Any,
    ulp: float = 0.0,
    at: float = 0.0,
    repeated: bool = False,
) -> None:
    """Both devices give the same values, or refuse with the same error."""
    results: list[Any] = []
    for device in (cpu, reference):
        try:
            results.append(device.run(op, inputs, [np.ones_like(x) for x in outputs], *attrs, repeated=repeated))
        # What a kernel says of its arguments and of an index. Where neither device has a kernel nothing was compared.
        except (ValueError, IndexError) as error:
            results.append(error)
    if isinstance(results[0], Exception) or isinstance(results[1], Exception):
        assert (type(results[0]), str(results[0])) == (type(results[1]), str(results[1]))
        return
    for actual, expected in zip(*results, strict=True):
        try:
            assert_within(actual, expected, ulp=ulp, at=at)
        except AssertionError as error:
            described = [(x.dtype.name, x.shape, x.strides) for x in inputs]
            raise AssertionError(f"{op} of {described}, {attrs}: {error}") from None
