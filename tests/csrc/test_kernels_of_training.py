"""Steps of optimizers, unscaling and random numbers, at every level, against the reference loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from tests.csrc.agreement import ALL, FLOATS, assert_within, compare, random_array
from tests.csrc.kernels import Array

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_unscaling_finds_what_is_not_finite(cpu, dtype):
    for bad, size in itertools.product((None, np.inf, -np.inf, np.nan), (1, 31, 1000)):
        gradients = [np.ones((3, 5), dtype).T, np.full(size, 3, dtype)]
        if bad is not None:
            gradients[1][size // 2] = bad
        inputs = [*gradients, np.zeros((), dtype)]
        expected = [x * dtype(0.5) for x in gradients]
        cpu.run("unscale", inputs, inputs, 0.5, repeated=True)
        assert inputs[2] == (bad is not None)
        assert all(np.array_equal(a, b, equal_nan=True) for a, b in zip(inputs, expected, strict=False))


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
@pytest.mark.parametrize("turned", [False, True], ids=["plain", "turned"])
def test_optimizer_steps_agree_with_the_reference(cpu, reference, dtype, turned):
    def group(seed: int) -> list[Array]:
        arrays = [random_array(seed + i, (30, 40), dtype) for i in range(3)]
        return [x.T for x in arrays] if turned else arrays

    def same_after(op: str, groups: list[list[Array]], *attrs: Any) -> None:
        after = []
        for device in (cpu, reference):
            own = [[x.copy(order="K") for x in part] for part in groups]
            inputs = [x for part in own for x in part]
            device.run(op, inputs, own[0] + [x for part in own[2:] for x in part], 3, *attrs, repeated=True)
            after.append(inputs)
        for actual, expected in zip(*after, strict=True):
            assert_within(actual, expected, ulp=4, at=4)

    for momentum, dampening, decay in itertools.product((0.0, 0.9), (0.0, 0.1), (0.0, 0.01)):
        for nesterov, maximize, first in itertools.product((False, True), repeat=3):
            groups = [group(20), group(30), *([group(40)] if momentum else [])]
            same_after("sgd_step", groups, 0.1, momentum, dampening, decay, nesterov, maximize, first)
    for step, decay, maximize in itertools.product((1, 10), (0.0, 0.1), (False, True)):
        states = [group(20), group(30), group(40), [np.abs(x) for x in group(50)]]
        same_after("adamw_step", states, 0.01, 0.9, 0.999, 1e-8, decay, step, maximize)
        squares = [np.abs(x) for x in group(60)]
        for decoupled, largest in itertools.product((False, True), ([], [squares])):
            same_after("adam_step", states + largest, 0.01, 0.9, 0.999, 1e-3, decay, step, decoupled, maximize)
        same_after("adagrad_step", [*states[:2], squares], 0.1, 1e-3, decay, maximize)
        same_after("lion_step", states[:3], 0.01, 0.9, 0.99, decay, maximize)
        wide = [x + dtype(40) for x in squares]  # squares stay above the square of the mean
        for momentum, centered in itertools.product((0.0, 0.9), (False, True)):
            more = [states[2]] * (centered + (momentum != 0))
            same_after("rmsprop_step", [*states[:2], wide, *more], 0.1, 0.9, 1e-3, decay, momentum, centered, maximize)


def test_random_numbers_are_those_of_the_reference(cpu, reference):
    cpu.threads(3)
    for dtype, n in itertools.product((np.float32, np.float64), (1, 2, 3, 1000, 1025, 40001)):
        out = [np.empty(n, dtype)]
        compare(cpu, reference, "uniform", [], out, [n], 1234567890123, 77, dtype)
        compare(cpu, reference, "normal", [], out, [n], -5, 2**33, dtype, ulp=2 if dtype is np.float32 else 8)
    for dtype, (low, high) in itertools.product((np.int32, np.int64), ((-10, 1000), (-(2**31), 2**31 - 1))):
        compare(cpu, reference, "randint", [], [np.empty(5000, dtype)], [5000], low, high, 99, 3, dtype)
    for dtype in ALL:
        compare(cpu, reference, "full", [], [np.empty((7, 1000), dtype)], [7, 1000], 1.25, 3, dtype)
        if dtype is not bool:
            compare(cpu, reference, "arange", [], [np.empty(1000, dtype)], -3.0, 2.0, 1000, dtype)
    cpu.threads(1)
