"""The same bits on any number of threads at every level, and a level that there is not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.csrc.agreement import random_array
from tests.csrc.kernels import Device

pytestmark = pytest.mark.slow


def test_any_number_of_threads_gives_the_same_bits(cpu):
    big = random_array(21, (300_007,), np.float32)
    wide, tall = random_array(22, (70, 5000), np.float32), random_array(23, (90_001, 4), np.float32)
    a, b = random_array(24, (700, 300), np.float32), random_array(25, (300, 520), np.float32)
    half = random_array(26, (200_003,), np.float16)
    calls: list[tuple[Any, ...]] = [
        ("exp", [big], [np.empty_like(big)]),
        ("sum", [big], [np.empty(1, np.float32)], [0], True, np.float32),
        ("sum", [half], [np.empty(1, np.float16)], [0], True, np.float16),
        *(("sum", [x], [np.empty((1, x.shape[1]), np.float32)], [0], True, np.float32) for x in (wide, tall)),
        *(("mean", [x], [np.empty((x.shape[0], 1), np.float32)], [1], True) for x in (wide, tall)),
        ("matmul", [a, b], [np.empty((700, 520), np.float32)]),
        ("matmul", [a[:1], b], [np.empty((1, 520), np.float32)]),
        ("matmul", [a.astype(np.int32), b.astype(np.int32)], [np.empty((700, 520), np.int32)]),
        ("softmax", [wide], [np.empty_like(wide)], 1),
        ("softmax", [tall], [np.empty_like(tall)], 0),
        *(("var", [x], [np.empty((x.shape[0], 1), np.float32)], [1], True, 1.0) for x in (wide, tall)),
        ("var", [big], [np.empty(1, np.float32)], [0], True, 0.0),
        ("argmax", [big], [np.empty(1, np.int64)], [0], True),
        ("cumulative_sum", [big], [np.empty_like(big)], 0),
        ("cumulative_sum", [tall], [np.empty_like(tall)], 1),
        ("normal", [], [np.empty(100_001, np.float32)], [100_001], 7, 0, np.float32),
    ]
    for op, inputs, outputs, *attrs in calls:
        results = []
        for threads in (1, 2, 3, 8, 16):
            cpu.threads(threads)
            results.append(cpu.run(op, inputs, [np.empty_like(x) for x in outputs], *attrs)[0].tobytes())
        assert len(set(results)) == 1, f"{op} of {[x.shape for x in inputs]}"
    cpu.threads(1)


def test_an_unknown_level_is_refused_with_those_there_are(harness):
    with pytest.raises(RuntimeError, match="FLAMBEAU_CPU_LEVEL is v9; this processor and build have"):
        Device("cpu", level="v9")
