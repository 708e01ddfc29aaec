"""Keys of every kind at once (slices, positions, index tensors, masks, None, ...) mean what they mean to NumPy."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp


@st.composite
def keys(draw):
    """A shape and a key of it: arrays share one broadcast shape; a mask may span several axes."""
    shape = draw(hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4))
    common = draw(hnp.array_shapes(min_dims=1, max_dims=2, min_side=1, max_side=3))
    masked, parts, axis = False, [], 0
    while axis < len(shape):
        size = shape[axis]
        kinds = ["slice", "int", "array", "none", "mask"] if not masked else ["slice", "int", "none"]
        kind = draw(st.sampled_from(kinds))
        if kind == "mask" and any(isinstance(part, np.ndarray) for part in parts):
            continue  # a mask has as many elements as it has true ones, which need not broadcast
        if kind == "none":
            if len(parts) < 6:
                parts.append(None)
            continue
        if kind == "slice":
            parts.append(draw(st.slices(size)))
        elif kind == "int":
            parts.append(draw(st.integers(-size, size - 1)))
        elif kind == "array":
            dims = draw(st.sampled_from([common, common[-1:], (1,) * len(common)]))
            parts.append(draw(hnp.arrays("int64", dims, elements=st.integers(-size, size - 1))))
        else:
            span = draw(st.integers(1, len(shape) - axis))
            parts.append(draw(hnp.arrays(bool, shape[axis : axis + span])))
            masked, axis = True, axis + span - 1
        axis += 1
        if draw(st.booleans()) and axis < len(shape) and draw(st.booleans()):
            break
    if draw(st.booleans()):
        parts.insert(draw(st.integers(0, len(parts))) if axis == len(shape) else len(parts), Ellipsis)
    return shape, tuple(parts)


def ours(key):
    """The same key with arrays as tensors."""
    return tuple(fl.asarray(part) if isinstance(part, np.ndarray) else part for part in key)


@settings(max_examples=300, deadline=None)
@given(keys())
def test_reading_agrees_with_numpy(given_key):
    shape, key = given_key
    x = np.arange(np.prod(shape)).reshape(shape)
    found = fl.asarray(x)[ours(key)]
    assert found.shape == x[key].shape
    assert np.array_equal(found.numpy(), x[key])


@settings(max_examples=200, deadline=None)
@given(keys(), st.booleans())
def test_writing_agrees_with_numpy(given_key, turned):
    shape, key = given_key
    x = np.zeros(shape, "int64")
    value = np.arange(x[key].size).reshape(x[key].shape) + 1
    t = fl.zeros(shape[::-1], dtype=fl.int64).permute_dims(*range(len(shape))[::-1]) if turned else fl.tensor(x)
    t[ours(key)] = fl.asarray(value)
    x[key] = value
    assert np.array_equal(t.numpy(), x)
    t[ours(key)] = -1
    x[key] = -1
    assert np.array_equal(t.numpy(), x)


@settings(max_examples=100, deadline=None)
@given(keys())
def test_gradients_agree_with_what_was_read_how_often(given_key):
    shape, key = given_key
    t = fl.ones(shape, dtype=fl.float64).requires_grad_()
    chosen = t[ours(key)]
    weights = np.arange(1, chosen.size + 1, dtype="float64").reshape(chosen.shape)
    (chosen * fl.asarray(weights)).sum().backward()
    expected = np.zeros(shape)
    np.add.at(expected, key, weights)
    assert np.array_equal(t.grad.numpy(), expected)


@settings(max_examples=100, deadline=None)
@given(keys())
def test_writing_out_of_place_agrees_with_numpy_and_has_gradients(given_key):
    shape, key = given_key
    x, values = fl.zeros(shape, dtype=fl.float64).requires_grad_(), np.zeros(shape)[key]
    v = fl.asarray(values + 2).requires_grad_()
    added = fl.index_put(x, ours(key), v, accumulate=True)
    expected = np.zeros(shape)
    np.add.at(expected, key, values + 2)
    assert np.array_equal(added.detach().numpy(), expected)
    added.sum().backward()
    assert np.array_equal(x.grad.numpy(), np.ones(shape))
    assert np.array_equal(v.grad.numpy(), np.ones(values.shape))
    written = np.zeros(shape)
    written[key] = 3
    assert np.array_equal(fl.index_put(x, ours(key), 3.0).detach().numpy(), written)


@pytest.mark.torch
@settings(max_examples=60, deadline=None)
@given(keys())
def test_second_derivatives_agree_with_pytorch(given_key):
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    shape, key = given_key
    if any(isinstance(part, slice) and (part.step or 1) < 0 for part in key):
        return  # PyTorch has no negative steps
    if any(isinstance(part, int) for part in key) and any(isinstance(part, np.ndarray) for part in key):
        return  # PyTorch puts the axes elsewhere where positions stand apart from index tensors
    x = np.linspace(-1, 1, int(np.prod(shape))).reshape(shape)
    there = torch.tensor(x, requires_grad=True)
    theirs = tuple(torch.tensor(part) if isinstance(part, np.ndarray) else part for part in key)
    (first,) = torch.autograd.grad((there[theirs] ** 3).sum(), there, create_graph=True)
    (second,) = torch.autograd.grad((first**2).sum(), there)
    here = fl.asarray(x).requires_grad_()
    got = fl.grad(lambda t: (fl.grad(lambda u: (u[ours(key)] ** 3).sum())(t) ** 2).sum())(here)
    np.testing.assert_allclose(got.detach().numpy(), second.numpy(), rtol=1e-12, atol=1e-12)


X = np.arange(60).reshape(3, 4, 5)


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ((0, slice(None), [1, 2]), (2, 4)),
        ((slice(None), 0, [1, 2]), (3, 2)),
        ((slice(None), [0, 1], Ellipsis, [1, 2]), (2, 3)),  # even ... that stands for nothing is something between
        (([0, 1], None, [1, 2]), (2, 1, 5)),
        ((True, [0, 1]), (2, 4, 5)),
        ((Ellipsis, True), (3, 4, 5, 1)),
        ((0, slice(None), True), (1, 4, 5)),
        ((True, True), (1, 3, 4, 5)),
        ((False, 0), (0, 4, 5)),
    ],
    ids=repr,
)
def test_the_axes_of_indices_stand_where_numpy_puts_them(key, shape):
    assert X[key].shape == shape
    assert np.array_equal(fl.asarray(X)[key].numpy(), X[key])


def test_several_index_tensors_are_recorded():
    def picked(x, i, j):
        return x[i, :, j] * 2 + x[:, i, j].sum()

    x, i, j = fl.asarray(X), fl.tensor([0, 2]), fl.tensor([[1], [-1]])
    graph = fl.record(picked, x, i, j)
    assert "join_indices" in graph.text
    assert graph.run(x, i, j).tolist() == picked(x, i, j).tolist()
    with pytest.raises(IndexError, match="7 is out of range for axis 2, which is 5 long"):
        graph.run(x, i, fl.tensor([[7], [0]]))
    fixed = fl.record(lambda t: t[[0, 1], :, fl.tensor([1, 2], dtype=fl.int32)], x)
    assert fixed.run(x).tolist() == X[[0, 1], :, [1, 2]].tolist()


def test_index_tensors_that_do_not_broadcast_are_refused():
    with pytest.raises(fl.ShapeError, match=r"index: .*\(2,\).*\(3,\)"):
        fl.asarray(X)[[0, 1], [0, 1, 2]]


def test_a_write_into_a_broadcast_tensor_says_to_copy():
    x = fl.broadcast_to(fl.tensor([1.0, 2.0, 3.0]), (4, 3))
    with pytest.raises(ValueError, match=r"along axis 0 of shape \(4, 3\) are one and the same.*write into x.copy\(\)"):
        x[0, 0] = 9.0
    y = x.copy()
    y[0, 0] = 9.0
    assert y[:, 0].tolist() == [9.0, 1.0, 1.0, 1.0]


def test_a_masked_write_takes_one_value_or_one_for_each():
    x = fl.tensor([[1.0, -2.0], [-3.0, 4.0]])
    x[x < 0] = fl.tensor([10.0, 20.0])
    assert x.tolist() == [[1.0, 10.0], [20.0, 4.0]]
    with pytest.raises(fl.ShapeError, match=r"a value of shape \(3,\) does not fit the \(4,\)"):
        x[x > 0] = fl.zeros(3)
