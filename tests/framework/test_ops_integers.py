"""Quotients and remainders of integers are NumPy's, those at the ends of the types and beside multiples too."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest

DTYPES = ["int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"]


def check(a: np.ndarray, b: np.ndarray) -> None:
    with np.errstate(all="ignore"):
        quotient, remainder = a // b, a % b
    np.testing.assert_array_equal((fl.asarray(a) // fl.asarray(b)).numpy(), quotient)
    np.testing.assert_array_equal((fl.asarray(a) % fl.asarray(b)).numpy(), remainder)


@pytest.mark.parametrize("dtype", DTYPES)
def test_pairs_of_extremes_divide_as_numpy_says(dtype: str) -> None:
    least, most = np.iinfo(dtype).min, np.iinfo(dtype).max
    powers = [sign * 2**k + off for k in range(64) for off in (-1, 0, 1) for sign in (1, -1)]
    edges = np.array(sorted({p for p in (least, least + 1, most - 1, most, *powers) if least <= p <= most}), dtype)
    for b in edges:  # zero among them: 0, as NumPy
        check(edges, np.full_like(edges, b))


@pytest.mark.parametrize("size", [2**20, 2**31, 2**52, 2**53, 2**62])
def test_numbers_beside_a_multiple_are_not_rounded_to_it(size: int) -> None:
    draw = np.random.default_rng(size)
    divisors = draw.integers(-1000, 1000, 4000)
    multiples = divisors * (draw.integers(-size, size, 4000) // 1000)
    for off in (-1, 0, 1):
        check(multiples + off, divisors)
