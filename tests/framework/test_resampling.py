"""Images padded, resized and read between their elements: the decompositions' values, on any number of threads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core
from flambeau.nn import functional
from hypothesis import given, settings
from hypothesis import strategies as st

RANDOM = np.random.default_rng(0)


def run(device: str, work: Callable[..., fl.Tensor], *inputs: Any) -> list[Any]:
    """The result and the gradients of a sum of it in which no two elements count alike."""
    leaves = [fl.asarray(x).to(device).requires_grad_() for x in inputs]
    y = work(*leaves)
    counts = np.cos(np.arange(y.size)).reshape(y.shape).astype(inputs[0].dtype)
    y.backward(fl.asarray(counts).to(device))
    found = [y.detach(), *(leaf.grad for leaf in leaves)]
    return [None if t is None else t.to("cpu").numpy() for t in found]


def same_on_the_reference(work: Callable[..., fl.Tensor], *inputs: Any, within: float) -> None:
    for actual, expected in zip(run("cpu", work, *inputs), run("reference", work, *inputs), strict=True):
        scale = max(1.0, float(np.nanmax(np.abs(expected), initial=0.0)))
        np.testing.assert_allclose(actual, expected, rtol=0, atol=within * scale)


@st.composite
def pads(draw: st.DrawFn) -> tuple[tuple[int, ...], list[int], str]:
    shape = tuple(draw(st.lists(st.integers(1, 40), min_size=1, max_size=3)))
    mode = draw(st.sampled_from(["constant", "reflect", "replicate", "circular"]))
    around = []
    for n in reversed(shape[draw(st.integers(0, len(shape) - 1)) :]):
        most = {"reflect": n - 1, "circular": n}.get(mode, 5)
        around += [draw(st.integers(0, most)) for _ in range(2)]
    return shape, around, mode


@settings(max_examples=80, deadline=None)
@given(pads())
def test_padding_of_any_axes_gives_the_parts_and_their_gradients(case: tuple[tuple[int, ...], list[int], str]) -> None:
    shape, around, mode = case
    x = RANDOM.normal(size=shape)
    same_on_the_reference(lambda x: functional.pad(x, around, mode), x, within=1e-13)
    turned = np.ascontiguousarray(x.T).T  # not contiguous
    np.testing.assert_array_equal(functional.pad(fl.asarray(turned), around, mode).numpy(),
                                  functional.pad(fl.asarray(x), around, mode).numpy())  # fmt: skip


@pytest.mark.parametrize("dtype", [fl.bool, fl.int16, fl.int64, fl.bfloat16, fl.complex128], ids=str)
def test_a_value_is_put_around_elements_of_any_dtype(dtype: fl.DType) -> None:
    x = fl.asarray([[0, 1, 0], [1, 0, 1]], dtype=dtype)
    padded = functional.pad(x, (1, 2, 0, 1), value=1)
    assert padded.dtype == dtype
    expected = np.pad([[0, 1, 0], [1, 0, 1]], ((0, 1), (1, 2)), constant_values=1)
    assert (padded == fl.asarray(expected).astype(dtype)).numpy().all()


def test_what_negative_numbers_leave_is_padded() -> None:
    x = fl.arange(5.0)
    left = {(-2, 1): [2, 3, 4, 0], (1, -3): [0, 0, 1], (-6, 3): [0, 0], (4, -7): [0, 0], (-2, -3): []}
    for around, expected in left.items():
        assert functional.pad(x, around).tolist() == expected


@pytest.mark.parametrize("mode", ["constant", "replicate"])
def test_more_than_any_memory_holds_is_told(mode: Any) -> None:
    most = 2**63 - 1
    with pytest.raises(fl.ShapeError, match=f"to each side of axis 0, not \\({most}, {most}\\)"):
        functional.pad(fl.ones(3), (most, most), mode)


@pytest.mark.parametrize("factor", [float("inf"), float("nan"), (2.0, float("-inf")), 1e308])
def test_a_factor_that_gives_no_size_is_told(factor: Any) -> None:
    with pytest.raises(ValueError, match=r"makes sizes of .*; give finite ones$"):
        functional.interpolate(fl.ones((1, 1, 2, 3)), scale_factor=factor)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(*[st.integers(1, 3)] * 2, *[st.integers(1, 40)] * 2),
    st.tuples(*[st.integers(1, 60)] * 2),
    st.sampled_from([("bilinear", False), ("bicubic", False), ("bilinear", True), ("bicubic", True)]),
)
def test_images_of_any_size_are_resized_as_by_parts(shape: Any, size: Any, how: tuple[Any, bool]) -> None:
    mode, antialias = how
    x = RANDOM.normal(size=shape)
    same_on_the_reference(lambda x: functional.interpolate(x, size, mode=mode, antialias=antialias), x, within=1e-13)


@settings(max_examples=30, deadline=None)
@given(
    st.tuples(st.integers(1, 2), st.integers(1, 18), *[st.integers(1, 12)] * 2),
    st.tuples(*[st.integers(1, 24)] * 2),
    st.sampled_from(["bilinear", "nearest", "bicubic"]),
    st.sampled_from(["zeros", "border", "reflection"]),
    st.booleans(),
)
def test_any_grid_reads_as_by_parts(shape: Any, size: Any, mode: Any, outside: Any, align: bool) -> None:
    x, grid = RANDOM.normal(size=shape), RANDOM.uniform(-2, 2, (shape[0], *size, 2))
    same_on_the_reference(lambda x, at: functional.grid_sample(x, at, mode, outside, align), x, grid, within=1e-12)


@pytest.mark.parametrize("n", [1, 3])
def test_grids_of_another_batch_are_told_where_images_are_mapped_too(n: int) -> None:
    with pytest.raises(fl.ShapeError, match="the input is"):
        fl.vmap(functional.grid_sample)(fl.ones((5, 2, 1, 3, 3)), fl.ones((5, n, 2, 2, 2)))


@pytest.mark.parametrize("outside", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
def test_places_that_are_no_numbers_read_nothing_beside_the_image(mode: Any, outside: Any) -> None:
    x = fl.asarray(RANDOM.normal(size=(1, 2, 3, 4)).astype(np.float32)).requires_grad_()
    wild = np.array([np.nan, np.inf, -np.inf, 3e38, -3e38, 1e10, 0.0], np.float32)
    grid = np.stack(np.meshgrid(wild, wild), -1)[None]
    read = functional.grid_sample(x, fl.asarray(grid), mode, outside)
    read.sum().backward()
    y = read.detach()
    assert np.isfinite(y.numpy()[0, :, -1, -1]).all()  # the last point is the middle of the image
    if mode == "bilinear" and outside == "zeros":
        assert np.isnan(y.numpy()[0, :, 0, 0]).all()
        assert (y.numpy()[0, :, 5, 6] == 0).all()


def test_points_at_the_edge_do_not_move_the_gradient_as_in_pytorch() -> None:
    x = fl.asarray(RANDOM.normal(size=(1, 1, 3, 3)))
    grid = fl.tensor([[[[-1.0, -1.0], [1.0, 1.0], [0.5, -0.5]]]], dtype=fl.float64).requires_grad_()
    functional.grid_sample(x, grid, padding_mode="border", align_corners=True).sum().backward()
    assert grid.grad is not None
    assert (grid.grad.numpy()[0, 0, :2] == 0).all()
    assert (grid.grad.numpy()[0, 0, 2] != 0).all()


def test_results_have_the_same_bits_on_any_number_of_threads() -> None:
    x = RANDOM.normal(size=(2, 19, 33, 47)).astype(np.float32)
    grid = RANDOM.uniform(-1.2, 1.2, (2, 40, 41, 2)).astype(np.float32)
    works: list[tuple[Callable[..., fl.Tensor], list[Any]]] = [
        (lambda x, at: functional.grid_sample(x, at), [x, grid]),
        (lambda x: functional.interpolate(x, (50, 20), mode="bicubic"), [x]),
        (lambda x: functional.pad(x, (3, 4, 5, 6), "reflect"), [x]),
        (lambda x: functional.adaptive_avg_pool2d(x, (5, 7)), [x]),
        (lambda x: functional.adaptive_avg_pool2d(x, (11, 1)), [x]),
    ]
    before = fl.get_num_threads()
    try:
        for work, inputs in works:
            found = set()
            for threads in (1, 2, 3, 8):
                fl.set_num_threads(threads)
                found.add(b"".join(part.tobytes() for part in run("cpu", work, *inputs)))
            assert len(found) == 1
    finally:
        fl.set_num_threads(before)


def test_an_index_beside_the_axis_is_told() -> None:
    with pytest.raises(IndexError, match="weighted_take: index 3 is out of range for axis 0, which is 3 long"):
        _core.ops["weighted_take"](fl.ones(3), fl.tensor([[3]]), fl.ones((1, 1)), 0)
