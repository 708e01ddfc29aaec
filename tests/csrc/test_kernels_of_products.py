"""Products of matrices of any size, at every level: the right values, with the same bits on any number of threads."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.csrc.agreement import BFLOAT16, FLOATS, NUMBERS, assert_within, compare, random_array
from tests.csrc.conftest import at_level
from tests.csrc.emulated import Emulated

pytestmark = pytest.mark.slow


MATRICES = [(1, 1, 1), (3, 4, 5), (1, 64, 64), (64, 1, 64), (13, 33, 7), (5, 7, 0), (1, 7, 100), (40, 50, 60),
            (2, 200, 300), (1, 1000, 70), (130, 70, 65), (200, 180, 190)]  # fmt: skip


@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda d: np.dtype(d).name)
def test_products_of_any_size_and_layout_agree_with_the_reference(cpu, reference, dtype):
    cpu.threads(2)
    for (m, n, k), turn_a, turn_b in itertools.product(MATRICES, (False, True), (False, True)):
        if m * n * k > 1_000_000 and dtype not in (np.float32, np.int32):
            continue
        a = random_array(11, (k, m), dtype).T if turn_a else random_array(11, (m, k), dtype)
        b = random_array(12, (n, k), dtype).T if turn_b else random_array(12, (k, n), dtype)
        bound = {"ulp": 16.0, "at": 4 * k**0.5}
        compare(cpu, reference, "matmul", [a, b], [np.empty((m, n), dtype)], **bound)
        if dtype in FLOATS and k and m * n * k < 200_000:
            compare(cpu, reference, "matmul", [a[:, ::-1], b], [np.empty((m, n), dtype)], **bound)
            shift = np.full((n,), 2, dtype)
            shifted = cpu.run("linear", [a, b.T, shift], [np.empty((m, n), dtype)])[0]
            plain = reference.run("matmul", [a, b], [np.empty((m, n), dtype)])[0]
            assert_within(shifted, (plain.astype(np.float64) + 2).astype(dtype), ulp=16, at=4 * k**0.5)
    a, b = random_array(13, (4, 1, 6, 5), dtype), random_array(14, (1, 3, 5, 9), dtype)
    a, b = np.broadcast_to(a, (4, 3, 6, 5)), np.broadcast_to(b, (4, 3, 5, 9))
    compare(cpu, reference, "matmul", [a, b], [np.empty((4, 3, 6, 9), dtype)], ulp=8, at=10)
    cpu.threads(1)


# Edges of tiles, panels, stretches of k, tasks; rows in two bands, few rows, few columns; rounds of packing.
LARGE = [(513, 75, 530), (640, 130, 66), (37, 1100, 113), (300, 17, 1030), (525, 1, 600), (601, 310, 1043),
         (5000, 9, 101), (170, 165, 160), (500, 130, 2100)]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
def test_large_products_have_the_same_right_bits_on_any_number_of_threads(cpu, dtype):
    for (m, n, k), turn_a, turn_b in itertools.product(LARGE, (False, True), (False, True)):
        if isinstance(cpu, Emulated) and (m * n * k > 10_000_000 or turn_a != turn_b):
            continue
        a = random_array(15, (k, m), dtype).T if turn_a else random_array(15, (m, k), dtype)
        b = random_array(16, (n, k), dtype).T if turn_b else random_array(16, (k, n), dtype)
        shift = random_array(17, (n,), dtype)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        for left, right, expected in ((a, b, exact), (a[::-1], b[:, ::-1], exact[::-1, ::-1])):
            product, shifted = set(), set()
            for threads in (1, 2, 3, 8):
                cpu.threads(threads)
                product.add(cpu.run("matmul", [left, right], [np.empty((m, n), dtype)])[0].tobytes())
                shifted.add(cpu.run("linear", [left, right.T, shift], [np.empty((m, n), dtype)])[0].tobytes())
            assert len(product) == len(shifted) == 1, f"{(m, n, k)}"
            found = np.frombuffer(product.pop(), dtype).reshape(m, n)
            assert_within(found, expected.astype(dtype), ulp=16, at=4 * k**0.5)
            found = np.frombuffer(shifted.pop(), dtype).reshape(m, n)
            assert_within(found, (expected + shift).astype(dtype), ulp=16, at=4 * k**0.5)
    cpu.threads(1)


def test_what_is_not_finite_spreads_in_large_products_to_its_row_and_column_alone(cpu):
    a, b = random_array(18, (530, 300), np.float32), random_array(19, (300, 70), np.float32)
    a[7, 299], a[529, 0], b[0, 69] = np.nan, np.inf, -np.inf
    with np.errstate(invalid="ignore"):
        expected = a.astype(np.float64) @ b.astype(np.float64)
    for left in (a, np.asfortranarray(a)):
        found = cpu.run("matmul", [left, b], [np.empty((530, 70), np.float32)])[0]
        assert_within(found, expected.astype(np.float32), ulp=16, at=40)
    one = np.broadcast_to(a[:1], (530, 300))  # all rows are one
    found = cpu.run("matmul", [one, b[:, :69]], [np.empty((530, 69), np.float32)])[0]
    assert (found == found[0]).all()
    assert_within(found, (one.astype(np.float64) @ b[:, :69]).astype(np.float32), ulp=16, at=40)


def test_int8_weights_give_the_product_of_what_they_stand_for(cpu):
    """Up to 32 rows they are widened in registers, beyond in panels; the same bits for any number of threads."""
    random = np.random.default_rng(3)
    for rows, outputs, inputs in ((1, 9, 70), (7, 37, 16), (32, 600, 33), (33, 5, 65), (40, 300, 130)):
        x, bias = (random.normal(size=shape).astype("float32") for shape in ((rows, inputs), (outputs,)))
        weight = random.integers(-127, 128, (outputs, inputs)).astype("int8")
        scale = random.uniform(0.001, 0.01, outputs).astype("float32")
        found = []
        for threads in (1, 2, 3, 8):
            cpu.threads(threads)
            found.append(cpu.run("linear_int8", [x, weight, scale, bias], [np.empty((rows, outputs), "float32")])[0])
        cpu.threads(1)
        assert len({one.tobytes() for one in found}) == 1
        expected = x.astype("float64") @ (weight * scale[:, None].astype("float64")).T + bias
        assert_within(found[0], expected.astype("float32"), ulp=16, at=float(np.abs(expected).max()))


def test_pairs_of_bfloat16_are_multiplied_as_the_reference_does_on_any_number_of_threads(harness, reference):
    cpu = at_level("v4-bf16")
    sizes = [(40, 50, 60), (33, 65, 2), (1, 70, 700), (300, 1, 77), (1, 600, 33), (400, 515, 1027), (13, 33, 514),
             (530, 90, 1101), (525, 17, 300)]  # fmt: skip
    for (m, n, k), turn_a, turn_b in itertools.product(sizes, (False, True), (False, True)):
        a = random_array(31, (k, m), BFLOAT16).T if turn_a else random_array(31, (m, k), BFLOAT16)
        b = random_array(32, (n, k), BFLOAT16).T if turn_b else random_array(32, (k, n), BFLOAT16)
        shift = random_array(33, (n,), BFLOAT16)
        product, shifted = set(), set()
        for threads in (1, 2, 3, 8):
            cpu.threads(threads)
            product.add(cpu.run("matmul", [a, b], [np.empty((m, n), BFLOAT16)])[0].tobytes())
            shifted.add(cpu.run("linear", [a, b.T, shift], [np.empty((m, n), BFLOAT16)])[0].tobytes())
        assert len(product) == len(shifted) == 1, f"{(m, n, k)}"
        expected = a.astype(np.float32) @ b.astype(np.float32)
        found = np.frombuffer(product.pop(), BFLOAT16).reshape(m, n)
        assert_within(found, expected.astype(BFLOAT16), ulp=2, at=k**0.5)
        found = np.frombuffer(shifted.pop(), BFLOAT16).reshape(m, n)
        assert_within(found, (expected + shift.astype(np.float32)).astype(BFLOAT16), ulp=2, at=k**0.5)
    cpu.threads(1)
    extremes = np.array([[np.inf, 1, 3e38, np.nan], [0, -0.0, 3e38, 1]] * 20, BFLOAT16)
    ones = np.ones((4, 500), BFLOAT16)
    found = cpu.run("matmul", [extremes, ones], [np.empty((40, 500), BFLOAT16)])[0].astype(np.float32)
    assert np.isnan(found[0]).all()
    assert (found[1] == np.float32(BFLOAT16(3e38))).all()
    odd = random_array(34, (40, 33), BFLOAT16)  # what lies beside a row's odd last element is the next row's
    odd[5, 0] = np.nan
    found = cpu.run("matmul", [odd, np.ones((33, 40), BFLOAT16)], [np.empty((40, 40), BFLOAT16)])[0].astype(np.float32)
    assert (np.isnan(found).any(axis=1) == (np.arange(40) == 5)).all()
    assert cpu.driver().startswith("level v4-bf16")
