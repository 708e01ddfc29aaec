"""x[key] and x[key] = value give what NumPy gives."""

import flambeau as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

X = np.arange(60).reshape(3, 4, 5)
KEYS = [
    0, -1, (0, 1), (slice(None), 1), (slice(1, 3), slice(None, None, 2)), (Ellipsis, 0), (None, 0), (0, None, 1),
    (slice(None, None, -1), slice(3, 0, -2)), (slice(5, 9),), (), Ellipsis, None, (0, 1, 2),
    [0, 2], ([0, 2], [1, 3]), (slice(None), [0, 2]), ([0, 2], slice(None), [1, 3]), (slice(None), [0, 1], [2, 3]),
    ([[0], [2]], [[1, 3]]), (0, [1, 2]), ([2, 0], 1), (Ellipsis, [4, 0]), (None, [1, 1]), [], ([-1, -3],),
]  # fmt: skip


def tensor_key(key):
    """The same key with lists as tensors."""
    if isinstance(key, list):
        return fl.tensor(key, dtype=fl.int64)
    return tuple(tensor_key(k) for k in key) if isinstance(key, tuple) else key


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_reading_agrees_with_numpy(key):
    numpy_key = np.array([], dtype=int) if key == [] else key
    assert np.array_equal(fl.asarray(X)[key].numpy(), X[numpy_key])
    assert np.array_equal(fl.asarray(X)[tensor_key(key)].numpy(), X[numpy_key])


@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_writing_agrees_with_numpy(key):
    numpy_key = np.array([], dtype=int) if key == [] else key
    ours, theirs = fl.tensor(X), X.copy()
    ours[key] = -1
    theirs[numpy_key] = -1
    assert np.array_equal(ours.numpy(), theirs)


def array_key(key):
    """The same key with lists as NumPy's arrays."""
    if isinstance(key, list):
        return np.array(key, dtype=int)
    return tuple(array_key(k) for k in key) if isinstance(key, tuple) else key


ARRAY_KEYS = [array_key(key) for key in KEYS if "[" in repr(key)] + [
    np.array([1]), np.array(1), np.int64(1), (0, np.array([2])), np.array([1, 2], dtype=np.uint8),
    np.array([True, False, True]), (slice(None), np.array([True, False, True, True])), range(1, 3), (0, range(2)),
    np.arange(3)[::-1],
]  # fmt: skip


@pytest.mark.parametrize("key", ARRAY_KEYS, ids=repr)
def test_numpys_arrays_and_ranges_are_keys_as_in_numpy(key):
    assert np.array_equal(fl.asarray(X)[key].numpy(), X[key])
    ours, theirs = fl.tensor(X), X.copy()
    ours[key] = theirs[key] = -1
    assert np.array_equal(ours.numpy(), theirs)


def test_an_array_of_floats_is_no_key():
    with pytest.raises(IndexError, match="a tensor of float64 cannot index"):
        fl.asarray(X)[np.array([1.0])]


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_bool_masks_choose_and_write(axes):
    mask = (np.arange(np.prod(X.shape[:axes])) % 3 == 0).reshape(X.shape[:axes])
    assert np.array_equal(fl.asarray(X)[fl.asarray(mask)].numpy(), X[mask])
    ours, theirs = fl.tensor(X), X.copy()
    ours[fl.asarray(mask)] = 0
    theirs[mask] = 0
    assert np.array_equal(ours.numpy(), theirs)


def test_one_number_is_written_where_a_mask_of_the_same_shape_is_true():
    x, mask = X.astype(np.float32), X % 3 == 1
    expected = np.where(mask, np.float32(x[1, 2, 3]), x)
    for number in (lambda t: t[1, 2, 3], lambda t: t[1, 2, 3].reshape(1, 1), lambda _: float(x[1, 2, 3])):
        ours = fl.asarray(x.copy())
        ours[fl.asarray(mask)] = number(ours)  # an element of what is written too is read once, before
        assert np.array_equal(ours.numpy(), expected)
    turned = fl.asarray(x.copy())
    turned[fl.asarray(np.asfortranarray(mask))] = int(x[1, 2, 3])
    assert np.array_equal(turned.numpy(), expected)
    flags = fl.tensor([True, False, True])
    flags[flags] = False
    assert not flags.any()
    with pytest.raises(fl.DTypeError, match="lose its fraction"):
        fl.asarray(X.copy())[fl.asarray(mask)] = 0.5


def test_a_mask_beside_a_slice():
    mask = np.array([True, False, True, True])
    assert np.array_equal(fl.asarray(X)[1:, fl.asarray(mask), 2].numpy(), X[1:, mask, 2])


def test_scalar_bools_add_an_axis():
    x = np.arange(3)
    for key in (True, False):
        assert np.array_equal(fl.asarray(x)[key].numpy(), x[key])


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_basic_key_agrees_with_numpy(data):
    shape = data.draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
    x = np.arange(np.prod(shape, dtype=int)).reshape(shape)
    key = data.draw(hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    ours = fl.asarray(x)[key]
    assert np.array_equal(np.asarray(ours), x[key])
    assert ours.shape == x[key].shape


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_integer_key_agrees_with_numpy(data):
    shape = data.draw(hnp.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5))
    x = np.arange(np.prod(shape)).reshape(shape)
    key = data.draw(hnp.integer_array_indices(shape, result_shape=hnp.array_shapes(max_dims=2, min_side=0, max_side=3)))
    assert np.array_equal(fl.asarray(x)[tuple(fl.asarray(k) for k in key)].numpy(), x[key])


@pytest.mark.parametrize("step", [2**63 - 1, -(2**63) + 1, -(2**63), 2**70, -(2**70)])
@pytest.mark.parametrize("size", [0, 1, 3])
def test_a_step_as_large_as_integers_go_takes_one_element(step, size):
    array = np.arange(size)
    assert fl.asarray(array)[::step].tolist() == array[::step].tolist()
    x = fl.asarray(array).astype(fl.float32).requires_grad_()
    x[::step].sum().backward()
    assert x.grad.sum().item() == min(size, 1)


def test_basic_indexing_is_a_window_and_others_are_copies():
    x = fl.arange(6).reshape(2, 3)
    assert x[0]._shares_memory(x)
    assert x[:, ::2]._shares_memory(x)
    assert not x[[0]]._shares_memory(x)
    x[0][1] = 9
    assert x.tolist() == [[0, 9, 2], [3, 4, 5]]


@pytest.mark.parametrize("value", [1, 2.5, [1.0, 2.0, 3.0], [[1.0], [2.0]]])
def test_written_values_broadcast(value):
    ours, theirs = fl.zeros((2, 3)), np.zeros((2, 3), "float32")
    ours[:, :] = value if not isinstance(value, list) else fl.tensor(value)
    theirs[:, :] = value
    assert np.array_equal(ours.numpy(), theirs)


def test_writing_a_tensor_into_itself_reads_first():
    x = fl.arange(5)
    x[1:] = x[:-1]
    assert x.tolist() == [0, 0, 1, 2, 3]


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        (5, IndexError, "5 is out of range for axis 0 with size 3"),
        ((0, 0, 0, 0), IndexError, "4 indices for a tensor of shape"),
        ([3], IndexError, "3 is out of range for axis 0"),
        ((Ellipsis, Ellipsis), IndexError, "only once"),
        ("a", IndexError, "str is not understood"),
        (1.5, IndexError, "float is not understood"),
        ([1.5], IndexError, "float32 cannot index"),
    ],
)
def test_bad_keys_say_what_is_wrong(key, error, words):
    with pytest.raises(error, match=words.replace("(", r"\(")):
        fl.asarray(X)[key]


def test_a_mask_of_another_shape_is_refused():
    with pytest.raises(IndexError, match="does not fit the axes"):
        fl.asarray(X)[fl.ones(2, dtype=fl.bool)]


def test_a_value_that_does_not_fit_is_refused():
    x = fl.zeros((2, 3))
    with pytest.raises(fl.ShapeError, match=r"does not fit the \(3,\)"):
        x[0] = fl.zeros(2)
    with pytest.raises(fl.DTypeError, match="lose its fraction"):
        fl.zeros(2, dtype=fl.int64)[0] = 1.5


def test_gradients_flow_through_every_kind_of_key():
    for key in (0, (slice(None), 1), (Ellipsis, None), [0, 2, 0], ([0, 2], [1, 1]), (slice(None, None, -2),)):
        x = fl.tensor(X.astype("float64"), requires_grad=True)
        (x[key] * x[key]).sum().backward()
        counts = np.zeros(X.shape)
        np.add.at(counts, key, 1)
        assert np.array_equal(x.grad.numpy(), 2 * X * counts)


def test_an_index_on_another_device_works():
    x = fl.arange(6).to("reference")
    assert x[[4, 1]].tolist() == [4, 1]
    x[2] = 7
    assert x.tolist() == [0, 1, 7, 3, 4, 5]
