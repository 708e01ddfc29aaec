"""Kernels that reduce, move, index and normalize rows, at every level, against the reference loops."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from tests.csrc.agreement import ALL, FLOATS, assert_within, compare, layouts, random_array
from tests.csrc.emulated import Emulated

pytestmark = pytest.mark.slow

SHAPES = ((), (0,), (1,), (7,), (33,), (3, 5), (17, 40), (0, 4), (5, 3, 130), (1500, 3), (3, 1100))


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: np.dtype(d).name)
def test_any_strides_reduce_and_move_as_in_the_reference(cpu, reference, dtype):
    cpu.threads(3)
    for shape in SHAPES:
        for x in layouts(random_array(3, shape, dtype)):
            total = float(np.abs(x.astype(np.float64)).sum())
            compare(cpu, reference, "copy", [x], [np.empty(x.shape, dtype)])
            y = random_array(4, x.shape, dtype)
            compare(cpu, reference, "where", [random_array(5, x.shape, bool), x, y], [np.empty(x.shape, dtype)])
            if dtype is not bool:
                compare(cpu, reference, "add", [x, y], [np.empty(x.shape, dtype)])
            for count in range(x.ndim + 1):
                for axes in itertools.combinations(range(x.ndim), count):
                    out = tuple(1 if d in axes else size for d, size in enumerate(x.shape))
                    kept = [list(axes), True]
                    summed = dtype if dtype in FLOATS else np.int64
                    bound = {"ulp": 256 if dtype is np.float64 else 2, "at": total}
                    compare(cpu, reference, "sum", [x], [np.empty(out, summed)], *kept, summed, **bound)
                    compare(cpu, reference, "any", [x], [np.empty(out, bool)], *kept)
                    compare(cpu, reference, "all", [x], [np.empty(out, bool)], *kept)
                    if dtype in FLOATS:
                        compare(cpu, reference, "mean", [x], [np.empty(out, dtype)], *kept, **bound)
                    if dtype is bool:
                        continue
                    compare(cpu, reference, "max", [x], [np.empty(out, dtype)], *kept)
                    compare(cpu, reference, "min", [x], [np.empty(out, dtype)], *kept)
                    if count == 1 or count == x.ndim:
                        compare(cpu, reference, "argmax", [x], [np.empty(out, np.int64)], *kept)
                        compare(cpu, reference, "argmin", [x], [np.empty(out, np.int64)], *kept)
    cpu.threads(1)


@pytest.mark.parametrize("dtype", ALL, ids=lambda d: np.dtype(d).name)
def test_indexing_and_joining_agree_with_the_reference(cpu, reference, dtype):
    rng = np.random.default_rng(6)
    for shape in ((7,), (3, 5), (17, 40), (5, 3, 130), (0, 4)):
        for x, axis in itertools.product(layouts(random_array(7, shape, dtype)), range(len(shape))):
            n = x.shape[axis]
            y = random_array(8, x.shape, dtype)
            joined = np.empty(np.concatenate([x, y], axis).shape, dtype)
            compare(cpu, reference, "concat", [x, y], [joined], axis, repeated=True)
            if n == 0:
                continue
            for index_dtype in (np.int32, np.int64):
                indices = rng.integers(-n, n, (3, 2)).astype(index_dtype)
                taken = np.empty((*x.shape[:axis], 3, 2, *x.shape[axis + 1 :]), dtype)
                compare(cpu, reference, "take", [x, indices], [taken], axis)
                along = rng.integers(-n, n, (*x.shape[:axis], 2, *x.shape[axis + 1 :])).astype(index_dtype)
                compare(cpu, reference, "take_along_axis", [x, along], [np.empty(along.shape, dtype)], axis)
                if dtype in FLOATS:
                    g, h = random_array(9, taken.shape, dtype), random_array(9, along.shape, dtype)
                    out = [np.empty(x.shape, dtype)]
                    compare(cpu, reference, "take_grad", [g, indices], out, axis, n, ulp=4, at=8)
                    compare(cpu, reference, "take_along_axis_grad", [h, along], out, axis, n, ulp=4, at=8)
            out_of_range = np.array([n])
            compare(cpu, reference, "take", [x, out_of_range], [x.take([0], axis)], axis)
            starts = [size - 1 if d % 2 else 0 for d, size in enumerate(x.shape)]
            steps = [-1 if d % 2 else 2 for d in range(x.ndim)]
            part = random_array(
                10, tuple(s if p < 0 else (s + 1) // 2 for s, p in zip(x.shape, steps, strict=True)), dtype
            )
            attrs = (list(x.shape), starts, [0] * x.ndim, steps)
            compare(cpu, reference, "slice_grad", [part], [np.empty(x.shape, dtype)], *attrs)
            for k, upper in itertools.product((-9, -1, 0, 2, 50), (False, True)):
                if x.ndim > 1:
                    compare(cpu, reference, "triangle", [x], [np.empty(x.shape, dtype)], k, upper)


@pytest.mark.parametrize("dtype", [np.int32, np.int64], ids=lambda d: np.dtype(d).name)
def test_indices_become_lines_with_a_one_as_in_the_reference(cpu, reference, dtype):
    rng = np.random.default_rng(6)
    cpu.threads(3)
    for shape, classes in itertools.product(((), (0,), (7,), (40, 30)), (1, 7, 100)):
        index = rng.integers(0, classes, shape).astype(dtype)
        for x in (index, index[::-1], index.T) if shape else (index,):
            compare(cpu, reference, "one_hot", [x], [np.empty((*x.shape, classes), dtype)], classes)
    for wrong in (-1, 7):
        compare(cpu, reference, "one_hot", [np.array([0, wrong], dtype)], [np.empty((2, 7), dtype)], 7)
    cpu.threads(1)


@pytest.mark.parametrize("dtype", FLOATS, ids=lambda d: np.dtype(d).name)
def test_softmax_and_cross_entropy_agree_with_the_reference(cpu, reference, dtype):
    many = 64 if dtype is np.float64 else 4
    for shape in ((), (7,), (3, 5), (5, 3, 130), (1500, 3), (3, 1100)):
        for x, axis in itertools.product(layouts(random_array(15, shape, dtype)), range(max(1, len(shape)))):
            out = [np.empty(x.shape, dtype)]
            compare(cpu, reference, "softmax", [x], out, axis, ulp=many + 2)
            compare(cpu, reference, "log_softmax", [x], out, axis, ulp=many, at=5)
            y = np.asarray(reference.run("softmax", [x], [np.empty(x.shape, dtype)], axis)[0])
            log_y = np.asarray(reference.run("log_softmax", [x], [np.empty(x.shape, dtype)], axis)[0])
            g = random_array(16, x.shape, dtype)
            compare(cpu, reference, "softmax_grad", [g, y], out, axis, ulp=many, at=4)
            compare(cpu, reference, "log_softmax_grad", [g, log_y], out, axis, ulp=many, at=40)
    for reduction, smoothing, (rows, classes) in itertools.product((0, 1, 2), (0.0, 0.1), ((6, 10), (40, 3), (1, 700))):
        logits = random_array(17, (rows, classes), dtype)
        target = np.random.default_rng(18).integers(0, classes, rows)
        target[rows // 2] = -100 if rows > 1 else target[0]
        loss_shape = (rows,) if reduction == 0 else ()
        for t in (target, target.astype(np.int32)):
            outs = [np.empty(loss_shape, dtype), np.empty((rows, classes), dtype)]
            compare(
                cpu, reference, "cross_entropy", [logits, t], outs, reduction, -100, smoothing, ulp=many, at=8 * rows
            )
            saved = reference.run("log_softmax", [logits], [np.empty_like(logits)], 1)[0]
            g = random_array(19, loss_shape, dtype)
            inputs = [g, saved, t]
            compare(cpu, reference, "cross_entropy_grad", inputs, [outs[1]], reduction, -100, smoothing, ulp=many, at=2)
    bad = [np.empty((), dtype), np.empty((2, 3), dtype)]
    compare(cpu, reference, "cross_entropy", [random_array(1, (2, 3), dtype), np.array([0, 3])], bad, 1, -100, 0.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=lambda d: np.dtype(d).name)
def test_rows_of_whole_vectors_are_right_and_the_same_on_any_number_of_threads(cpu, dtype):
    """Such rows go together in one loop; those of the last shape leave past the caches where memory is aligned."""
    shapes = [(3, 64)] if isinstance(cpu, Emulated) else [(1, 64), (2, 64), (37, 192), (9, 1040), (2080, 1024)]
    for shape in shapes:
        x = random_array(41, shape, dtype)
        x[0, 3], x[-1, -1] = 4, -np.inf
        exact = x.astype(np.float64)
        powers = np.exp(exact - exact.max(1, keepdims=True))
        total = powers.sum(1, keepdims=True)
        memory = np.empty(x.size + 16, dtype)
        offset = -memory.ctypes.data % 64 // memory.itemsize
        for start in (offset, (offset + 1) % 16):
            found: dict[str, set[bytes]] = {"softmax": set(), "log_softmax": set(), "layer_norm": set()}
            out = memory[start : start + x.size].reshape(shape)
            for threads in (1, 2, 3, 8):
                cpu.threads(threads)
                for op in ("softmax", "log_softmax"):
                    found[op].add(cpu.run(op, [x], [out], 1)[0].tobytes())
                finite = np.where(np.isfinite(x), x, 0).astype(dtype)
                weight, bias = finite[0] + 2, finite[-1]
                found["layer_norm"].add(cpu.run("layer_norm", [finite, weight, bias], [out], 1, 1e-5)[0].tobytes())
            assert {op: len(bits) for op, bits in found.items()} == dict.fromkeys(found, 1)
            actual = {op: np.frombuffer(bits.pop(), dtype).reshape(shape) for op, bits in found.items()}
            many = 64 if dtype is np.float64 else 8
            assert_within(actual["softmax"], (powers / total).astype(dtype), ulp=2 * many)
            with np.errstate(divide="ignore"):
                assert_within(actual["log_softmax"], (np.log(powers) - np.log(total)).astype(dtype), ulp=many, at=40)
            wide = finite.astype(np.float64)
            mean, variance = wide.mean(1, keepdims=True), wide.var(1, keepdims=True)
            normal = (wide - mean) / np.sqrt(variance + 1e-5) * weight + bias
            assert_within(actual["layer_norm"], normal.astype(dtype), ulp=many, at=40)
    cpu.threads(1)
