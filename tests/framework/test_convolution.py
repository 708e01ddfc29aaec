"""Every way that the CPU backend takes through a convolution gives the reference's values, on any number of threads."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau.nn import functional
from hypothesis import assume, given, settings
from hypothesis import strategies as st

# inputs, kernels, stride, padding, dilation, groups
Case = tuple[tuple[int, ...], tuple[int, ...], int, int, int, int]
CASES: dict[str, Case] = {
    "squares of pixels": ((3, 16, 14, 12), (48, 16, 3, 3), 1, 1, 1, 1),
    "odd squares, channels beyond a panel": ((8, 40, 7, 5), (65, 40, 3, 3), 1, 1, 1, 1),
    "squares, image by image": ((17, 17, 13, 14), (35, 17, 3, 3), 1, 1, 1, 1),
    "squares, images together, more padding": ((35, 16, 8, 9), (33, 16, 3, 3), 1, 2, 1, 1),
    "squares without padding": ((2, 17, 15, 15), (16, 17, 3, 3), 1, 0, 1, 1),
    "squares with more padding than a gradient has": ((2, 16, 13, 14), (18, 16, 3, 3), 1, 2, 1, 1),
    "a stride": ((2, 33, 15, 13), (40, 33, 3, 3), 2, 1, 1, 1),
    "a first layer": ((2, 3, 33, 30), (24, 3, 7, 7), 2, 3, 1, 1),
    "one channel": ((5, 1, 28, 28), (32, 1, 3, 3), 1, 1, 1, 1),
    "points": ((2, 40, 9, 7), (70, 40, 1, 1), 1, 0, 1, 1),
    "points, whole products": ((3, 40, 13, 11), (70, 40, 1, 1), 1, 0, 1, 1),
    "points in groups, many images": ((5, 64, 12, 12), (96, 32, 1, 1), 1, 0, 1, 2),
    "points, images beyond their stretches": ((19, 17, 12, 11), (18, 17, 1, 1), 1, 0, 1, 1),
    "points, every second": ((2, 40, 9, 8), (34, 40, 1, 1), 2, 0, 1, 1),
    "points with padding and a stride": ((2, 9, 8, 8), (9, 9, 1, 1), 3, 2, 1, 1),
    "deep sums": ((1, 300, 5, 6), (9, 300, 3, 3), 1, 1, 2, 1),
    "groups": ((2, 36, 9, 9), (40, 9, 3, 3), 1, 1, 1, 4),
    "groups of few": ((2, 12, 9, 9), (20, 3, 3, 2), 2, 1, 1, 4),
    "depthwise": ((2, 20, 11, 10), (20, 1, 3, 3), 1, 1, 1, 20),
    "depthwise with a stride": ((2, 20, 11, 10), (40, 1, 5, 5), 2, 2, 1, 20),
    "depthwise, wide rows": ((2, 5, 9, 45), (5, 1, 3, 3), 1, 1, 1, 5),
    "depthwise by 7": ((2, 6, 14, 21), (12, 1, 7, 7), 1, 3, 1, 6),
    "depthwise by 7 with a stride": ((3, 4, 15, 34), (4, 1, 7, 7), 2, 3, 1, 4),
    "depthwise, a stride, phases": ((2, 6, 15, 36), (6, 1, 3, 3), 2, 1, 1, 6),
    "depthwise, a dilated kernel": ((2, 6, 12, 19), (6, 1, 3, 3), 1, 2, 2, 6),
    "depthwise with more padding than a kernel": ((2, 6, 7, 7), (6, 1, 3, 3), 1, 4, 1, 6),
    "depthwise, narrow planes": ((3, 37, 7, 7), (37, 1, 3, 3), 1, 1, 1, 37),
    "depthwise, narrow planes of many images": ((40, 17, 4, 4), (17, 1, 3, 3), 1, 0, 1, 17),
    "depthwise, narrow planes with a stride": ((2, 33, 8, 4), (33, 1, 5, 5), 2, 2, 1, 33),
    "depthwise, narrow planes, a dilated kernel": ((2, 16, 9, 3), (16, 1, 3, 3), 1, 2, 2, 16),
    "depthwise, blocks of seven rows": ((2, 5, 17, 30), (5, 1, 3, 3), 1, 1, 1, 5),
    "depthwise with a stride, without padding": ((2, 4, 14, 29), (4, 1, 3, 3), 2, 0, 1, 4),
    "depthwise with a stride, much padding": ((2, 4, 5, 40), (4, 1, 3, 3), 2, 3, 1, 4),
    "depthwise, pairs of rows, an odd number": ((3, 5, 9, 8), (5, 1, 3, 3), 1, 1, 1, 5),
    "depthwise, a pair that has one row": ((2, 4, 1, 6), (4, 1, 3, 3), 1, 1, 1, 4),
    "depthwise with a stride, a gradient past the caches": ((1, 170, 113, 112), (170, 1, 3, 3), 2, 1, 1, 170),
    "depthwise along lines": ((2, 7, 40), (7, 1, 5), 1, 2, 1, 7),
    "a line": ((2, 24, 50), (24, 24, 5), 2, 2, 1, 1),
    "a cube": ((1, 10, 5, 6, 7), (12, 10, 3, 3, 3), 1, 1, 1, 1),
    "few positions": ((3, 40, 3, 3), (50, 40, 3, 3), 1, 1, 1, 1),
    "few positions, a stride, elements beyond a panel": ((4, 75, 5, 4), (66, 75, 3, 3), 2, 1, 1, 1),
    "few positions, a gradient of many panels": ((3, 64, 3, 2), (30, 64, 3, 3), 1, 1, 1, 1),
    "few positions, a gradient past the caches": ((1, 480, 1, 2), (487, 480, 3, 3), 1, 1, 1, 1),
    "few positions in groups": ((2, 160, 4, 4), (128, 80, 3, 3), 1, 1, 1, 2),
    "a pixel": ((9, 16, 1, 1), (16, 16, 3, 3), 1, 1, 1, 1),
    "no image": ((0, 16, 14, 14), (16, 16, 3, 3), 1, 1, 1, 1),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


@pytest.fixture(autouse=True)
def as_many_threads_as_before() -> Any:
    before = fl.get_num_threads()
    yield
    fl.set_num_threads(before)


def run(device: str, case: Case, x: Any, weight: Any, g: Any = None) -> list[Any]:
    """The result and, given what flows back into it, both gradients."""
    _, _, stride, padding, dilation, groups = case
    convolve = getattr(functional, f"conv{x.ndim - 2}d")
    inputs = [fl.asarray(a).to(device).requires_grad_() for a in (x, weight)]
    y = convolve(*inputs, stride=stride, padding=padding, dilation=dilation, groups=groups)
    y.backward(fl.asarray(np.ones(y.shape, x.dtype) if g is None else g).to(device))
    return [t.detach().to("cpu").numpy() for t in (y, *(i.grad for i in inputs))]


def given_for(case: Case, dtype: Any) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(0)
    x, weight = (rng.standard_normal(shape).astype(dtype) for shape in case[:2])
    shape = run("cpu", case, x, weight)[0].shape
    return x, weight, rng.standard_normal(shape).astype(dtype)


def assert_as_reference(case: Case, dtype: Any) -> None:
    """Within 8 units in the last place of the largest sum of magnitudes."""
    given_arrays = given_for(case, dtype)
    exact = run("reference", case, *(a.astype(np.float64) for a in given_arrays))
    sums = run("reference", case, *(np.abs(a).astype(np.float64) for a in given_arrays))
    for actual, expected, most in zip(run("cpu", case, *given_arrays), exact, sums, strict=True):
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected, rtol=0, atol=8 * np.finfo(dtype).eps * most.max(initial=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@each_case
def test_values_and_gradients_are_the_references(case: Case, dtype: Any) -> None:
    assert_as_reference(case, dtype)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    groups = draw(st.sampled_from([1, 1, 1, 2, 3]))
    axes = draw(st.integers(1, 3))
    channels, out = (groups * draw(st.sampled_from([1, 2, 7, 8, 16, 33])) for _ in range(2))
    kernel = tuple(draw(st.integers(1, 4)) for _ in range(axes)) if draw(st.booleans()) else (3,) * axes
    stride, dilation, padding = (
        draw(st.sampled_from([1, 1, 2, 3])),
        draw(st.sampled_from([1, 1, 2])),
        draw(st.integers(0, 3)),
    )
    sizes = tuple(
        draw(st.integers(max(1, (k - 1) * dilation + 1 - 2 * padding), 17 if axes < 3 else 8)) for k in kernel
    )
    # One in a hundred would take the reference longer than all the others; minutes, where sanitizers watch.
    spans = (size + 2 * padding - (k - 1) * dilation - 1 for size, k in zip(sizes, kernel, strict=True))
    assume(math.prod(span // stride + 1 for span in spans) * math.prod(kernel) * out * channels // groups <= 3_000_000)
    return (
        (draw(st.integers(0, 3)), channels, *sizes),
        (out, channels // groups, *kernel),
        stride,
        padding,
        dilation,
        groups,
    )


@st.composite
def depthwise_cases(draw: st.DrawFn) -> Case:
    channels, multiple = draw(st.integers(2, 5)), draw(st.sampled_from([1, 1, 2]))
    kernel = draw(st.sampled_from([1, 2, 3, 3, 5, 7]))
    stride, dilation = draw(st.sampled_from([1, 1, 2, 3])), draw(st.sampled_from([1, 1, 2]))
    padding = draw(st.integers(0, kernel))
    least = max(1, (kernel - 1) * dilation + 1 - 2 * padding)
    sizes = tuple(draw(st.integers(least, least + 36)) for _ in range(2))
    shape = (draw(st.integers(1, 3)), channels, *sizes)
    return shape, (channels * multiple, 1, kernel, kernel), stride, padding, dilation, channels


@settings(max_examples=60, deadline=None)
@given(case=depthwise_cases())
def test_any_depthwise_geometry_gives_the_references_values(case: Case) -> None:
    assert_as_reference(case, np.float32)


@settings(max_examples=60, deadline=None)
@given(case=cases())
def test_any_geometry_gives_the_references_values(case: Case) -> None:
    assert_as_reference(case, np.float32)


@each_case
def test_the_bits_do_not_depend_on_threads(case: Case) -> None:
    arrays = given_for(case, np.float32)
    results = []
    for threads in (1, 2, 3, 8):
        fl.set_num_threads(threads)
        results.append([a.tobytes() for a in run("cpu", case, *arrays)])
    assert all(result == results[0] for result in results)


def test_a_batch_is_its_images() -> None:
    """More squares than the gradient for the weight transforms at a time, beside fewer."""
    case: Case = ((8, 36, 34, 33), (72, 36, 3, 3), 1, 1, 1, 1)
    x, weight, g = given_for(case, np.float32)
    y, dx, dw = run("cpu", case, x, weight, g)
    images = [run("cpu", case, x[i : i + 1], weight, g[i : i + 1]) for i in range(len(x))]
    np.testing.assert_allclose(y, np.concatenate([image[0] for image in images]), rtol=0, atol=1e-4)
    np.testing.assert_allclose(dx, np.concatenate([image[1] for image in images]), rtol=0, atol=1e-4)
    np.testing.assert_allclose(dw, sum(image[2] for image in images), rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    "name",
    ["squares of pixels", "squares, image by image", "depthwise, wide rows", "depthwise, a stride, phases",
     "depthwise by 7"],
)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 5e37])
def test_what_is_not_finite_stays_where_it_belongs(bad: float, name: str) -> None:
    case = CASES[name]
    x, weight, g = given_for(case, np.float32)
    x[1, 3, 4, 5] = g[-1, 2, 3, 9] = bad
    for actual, expected in zip(run("cpu", case, x, weight, g), run("reference", case, x, weight, g), strict=True):
        np.testing.assert_array_equal(np.isfinite(actual), np.isfinite(expected))
        np.testing.assert_array_equal(np.isnan(actual), np.isnan(expected))


@pytest.mark.parametrize(("size", "stride"), [(16, 1), (12, 1), (34, 1), (15, 2), (30, 2), (64, 2)])
def test_pixels_that_a_kernel_element_never_meets_may_be_infinite(size: int, stride: int) -> None:
    """The gradient for a depthwise weight: the last column meets the kernel's last one alone."""
    case: Case = ((2, 3, 9, size + size % stride), (3, 1, 3, 3), stride, 0, 1, 3)
    x, weight, g = given_for(case, np.float32)
    last = (g.shape[-1] - 1) * stride + 2
    x[:, :, :, last:] = np.inf
    gradient = run("cpu", case, x, weight, g)[2]
    np.testing.assert_array_equal(np.isfinite(gradient), np.broadcast_to([True, True, False], gradient.shape))


def test_whole_numbers_are_exact() -> None:
    case = CASES["odd squares, channels beyond a panel"]
    x, weight, g = (np.round(3 * a) for a in given_for(case, np.float32))
    for actual, expected in zip(run("cpu", case, x, weight, g), run("reference", case, x, weight, g), strict=True):
        np.testing.assert_array_equal(actual, expected)


def test_rows_without_pixels_need_no_memory() -> None:
    """On a thread of its own, which has no scratch from a call before."""
    x, weight = fl.zeros((1, 32, 3, 0)), fl.ones((32, 32, 1, 1))
    with ThreadPoolExecutor(1) as thread:
        y = thread.submit(functional.conv2d, x, weight, stride=2, padding=1).result()
    np.testing.assert_array_equal(y.numpy(), np.zeros((1, 32, 3, 1), np.float32))
