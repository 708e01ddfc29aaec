"""x += y and its kin write into x: values as NumPy's, gradients as PyTorch's, errors where neither could be right."""

import operator

import flambeau as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.framework.beside_torch import torch

SIGNS = {
    "+=": operator.iadd, "-=": operator.isub, "*=": operator.imul, "/=": operator.itruediv, "//=": operator.ifloordiv,
    "%=": operator.imod, "**=": operator.ipow, "&=": operator.iand, "|=": operator.ior, "^=": operator.ixor,
    "<<=": operator.ilshift, ">>=": operator.irshift, "@=": operator.imatmul,
}  # fmt: skip
OF_WHOLE = {"&=", "|=", "^=", "<<=", ">>="}
DTYPES = ["int16", "int64", "float32", "float64", "complex64", "float16"]


def takes(sign: str, dtype: str) -> bool:
    if dtype.startswith("int"):
        return sign not in {"/="}
    return sign not in OF_WHOLE and not (dtype.startswith("complex") and sign in {"//=", "%="})


@pytest.mark.parametrize(("sign", "dtype"), [(s, d) for s in SIGNS for d in DTYPES if takes(s, d)])
def test_every_operator_writes_what_numpy_writes_into_the_same_memory(sign, dtype):
    theirs = np.arange(1, 10).reshape(3, 3).astype(dtype)
    other = np.array([[1, 2, 1], [2, 1, 2], [3, 1, 1]]).astype(dtype)
    ours = fl.tensor(theirs)
    view, same = ours[1:], ours
    ours = SIGNS[sign](ours, fl.tensor(other))
    np.testing.assert_allclose(same.numpy(), SIGNS[sign](theirs, other), rtol=2e-3 if dtype == "float16" else 1e-6)
    assert ours is same
    assert ours.dtype.name == dtype
    assert np.array_equal(view.numpy(), same.numpy()[1:])


@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_views_of_one_memory_are_written_as_in_numpy_however_they_overlap(data):
    step = st.sampled_from([-2, -1, 1, 2])
    theirs = np.arange(24.0).reshape(4, 6)
    ours = fl.tensor(theirs)
    for _ in range(3):
        rows, columns = st.integers(1, 3), st.integers(1, 5)
        shape = data.draw(rows), data.draw(columns)
        keys = []
        for _ in range(2):
            key = []
            for size, n in zip((4, 6), shape, strict=True):
                by = data.draw(step)
                if (n - 1) * abs(by) >= size:
                    by = 1 if by > 0 else -1
                first = data.draw(st.integers(0, size - 1 - (n - 1) * abs(by)))
                places = range(first, first + (n - 1) * abs(by) + 1, abs(by))
                last = places[0] - 1 if places[0] > 0 else None
                key.append(slice(first, places[-1] + 1, by) if by > 0 else slice(places[-1], last, by))
            keys.append(tuple(key))
        sign = data.draw(st.sampled_from(["+=", "-=", "*="]))
        a, b = ours[keys[0]], theirs[keys[0]]
        SIGNS[sign](a, ours[keys[1]])
        SIGNS[sign](b, theirs[keys[1]])
    assert np.array_equal(ours.numpy(), theirs)


@pytest.mark.parametrize("n", [10, 300_000])
def test_arrays_given_by_numpy_are_written_as_in_numpy_where_they_overlap(n):
    base = np.arange(n, dtype=np.float64)
    expected, array = base.copy(), base.copy()
    expected[1:] += expected[:-1]
    x, y = fl.from_dlpack(array[1:]), fl.from_dlpack(array[:-1])
    x += y
    np.testing.assert_array_equal(array, expected)

    expected[1:] = expected[:-1]
    x[...] = y
    np.testing.assert_array_equal(array, expected)

    ours = fl.tensor(base)
    exported = fl.from_dlpack(np.asarray(ours)[:-1])
    part = ours[1:]
    part *= exported
    np.testing.assert_array_equal(np.asarray(ours)[1:], base[1:] * base[:-1])

    bits = base % 3 == 0
    mask, kept = fl.from_dlpack(bits[:-1]), bits[:-1].copy()
    written = fl.from_dlpack(bits[1:])
    written[mask] = True
    np.testing.assert_array_equal(bits[1:], (base[1:] % 3 == 0) | kept)


@pytest.mark.parametrize("dtype", ["int8", "float16", "float32", "float64", "complex128"])
def test_views_in_any_order_and_of_any_step_are_written_as_in_numpy(dtype):
    views = {
        "turned": lambda a: a.transpose(2, 0, 1) if isinstance(a, np.ndarray) else a.permute_dims(2, 0, 1),
        "apart": lambda a: a[:, ::2, ::3],
        "back": lambda a: a[::-1, :, ::-2],
        "one": lambda a: a[1, :, 2],
        "single": lambda a: a[:1, :, 1:2],
    }
    for name, view in views.items():
        theirs = np.arange(60).reshape(3, 4, 5).astype(dtype)
        ours = fl.tensor(theirs)
        added = np.arange(view(theirs).size).reshape(view(theirs).shape).astype(dtype)
        a, b = view(ours), view(theirs)
        a += fl.tensor(added)
        b += added
        assert np.array_equal(ours.numpy(), theirs), name
        a[...] = fl.tensor(added)
        b[...] = added
        assert np.array_equal(ours.numpy(), theirs), name


def test_sgd_by_hand_trains():
    fl.manual_seed(0)
    x, w = fl.random.normal((64, 3)), fl.zeros(3, dtype=fl.float32).requires_grad_()
    wanted = x @ fl.tensor([1.0, -2.0, 3.0])
    held = w
    for _ in range(200):
        ((x @ w - wanted) ** 2).mean().backward()
        with fl.no_grad():
            w -= 0.1 * w.grad
            w.grad *= 0
    assert w is held
    assert w.requires_grad
    np.testing.assert_allclose(w.detach().numpy(), [1, -2, 3], atol=1e-4)


@pytest.mark.parametrize("sign", SIGNS)
def test_a_leaf_that_requires_a_gradient_names_the_way_out(sign):
    w = fl.ones((2, 2)).requires_grad_()
    with pytest.raises(RuntimeError, match=r"x requires a gradient and no op made it.*under fl\.no_grad") as caught:
        SIGNS[sign](w, w.detach())
    assert f"x = x {sign[:-1]} y" in str(caught.value)
    assert w.tolist() == [[1.0, 1.0], [1.0, 1.0]]


def test_losses_add_up_in_place_with_the_gradients_of_pytorch():
    def program(library, w):
        total = library.zeros(3)
        hidden = w * 2
        hidden *= w
        for factor in (1.0, 2.0):
            total += hidden * factor
        total -= library.ones(3)
        total /= w
        total **= 2
        out = library.zeros((2, 3))
        out[0] = total
        out[1, :2] = hidden[1:]
        out *= total
        return out.sum()

    theirs = torch().tensor([1.0, 2.0, 3.0], requires_grad=True)
    ours = fl.tensor([1.0, 2.0, 3.0], requires_grad=True)
    value, expected = program(fl, ours), program(torch(), theirs)
    value.backward()
    expected.backward()
    np.testing.assert_allclose(float(value), float(expected.detach()), rtol=1e-6)
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-6)


def test_derivatives_of_any_order_go_through_writes():
    def function(w):
        x = fl.tanh(w)
        x *= w
        x[0] = w[1] * 2
        x[fl.tensor([False, True, True])] = w[2] * w[:2]
        x += x
        return x * w

    w = fl.tensor([0.3, -0.7, 1.2], dtype=fl.float64, requires_grad=True)
    fl.gradcheck(function, (w,))
    fl.gradgradcheck(function, (w,))


def test_a_gradient_that_is_retained_is_that_of_the_value_after_the_write():
    w = fl.tensor([1.0, 2.0], requires_grad=True)
    y = w * 3
    y.retain_grad()
    y *= w
    (y * 5).sum().backward()
    assert y.grad.tolist() == [5.0, 5.0]
    assert w.grad.tolist() == [30.0, 60.0]


@pytest.mark.parametrize("look", [
    lambda x: x[0], lambda x: x.detach(), lambda x: x.detach().numpy(), lambda x: memoryview(x.detach()),
], ids=["view", "detached", "array", "buffer"])  # fmt: skip
def test_a_write_that_a_view_could_not_learn_of_raises_and_changes_nothing(look):
    w = fl.ones(2).requires_grad_()
    x = w * 3
    other = look(x)
    with pytest.raises(RuntimeError, match=r"another tensor looks into x's memory.*write x = x \+ y"):
        x += w
    assert x.tolist() == [3.0, 3.0]
    del other
    x += w
    assert x.tolist() == [4.0, 4.0]


def test_an_exported_buffer_keeps_its_memory_whatever_becomes_of_the_tensor():
    w, x = fl.ones(1000).requires_grad_(), fl.zeros(1000)
    view = memoryview(x)
    with pytest.raises(RuntimeError, match="looks into x's memory"):
        x += w
    x += 1
    assert view[999] == 1.0


@pytest.mark.parametrize(("x", "sign", "y", "error", "says"), [
    ([1, 2], "/=", 2, fl.DTypeError, "x is int64 and the result float32; in place x keeps its dtype: write x = x / y"),
    ([1, 2], "+=", 0.5, fl.DTypeError, "x is int64 and the result float32"),
    ([1.0], "*=", 1j, fl.DTypeError, "x is float32 and the result complex64"),
    ([1.0], "+=", [1.0, 2.0], fl.ShapeError, r"x is \(1,\) and would have to be \(2,\).*write x = x \+ y"),
    ([1.0, 2.0], "@=", [1.0, 2.0], fl.ShapeError, r"would have to be \(\)"),
    ([1.0, 2.0], "+=", [1.0, 2.0, 3.0], fl.ShapeError, "add"),
    ([1.0], "+=", "one", TypeError, "unsupported operand"),
    ([1.0], "+=", np.ones(1), TypeError, r"fl.asarray\(array\)"),
])  # fmt: skip
def test_what_would_change_shape_or_kind_raises_and_leaves_x(x, sign, y, error, says):
    ours = fl.tensor(x)
    with pytest.raises(error, match=says):
        SIGNS[sign](ours, fl.tensor(y) if isinstance(y, list) else y)
    assert ours.tolist() == x


def test_read_only_and_repeated_memory_is_not_written():
    array = np.zeros(2)
    array.flags.writeable = False
    x = fl.asarray(array)
    with pytest.raises(ValueError, match=r"x \+= y: this memory is read-only"):
        x += 1
    x = fl.broadcast_to(fl.zeros(1), (3,))
    with pytest.raises(ValueError, match="one and the same in memory"):
        x += 1


def test_a_narrower_x_rounds_the_result_and_shares_its_kept_scalars_with_nobody():
    x = fl.ones(2)
    x += fl.full(2, 2.0**-30, dtype=fl.float64)
    assert x.dtype == fl.float32
    for made in (lambda: fl.zeros(()), lambda: fl.tensor(0.0), lambda: fl.asarray(0.0), lambda: fl.full((), 0.0)):
        x = made()
        x += 5
        assert float(made()) == 0.0


@pytest.mark.parametrize("dtype", [fl.float32, fl.int64, fl.complex64], ids=str)
def test_no_function_gives_its_argument_back_for_somebody_to_write_into(dtype):
    calls = {
        name: getattr(fl, name)
        for name in ("abs", "ceil", "floor", "round", "trunc", "positive", "sign", "conj", "square", "clip", "tril")
        if dtype != fl.complex64 or name not in {"ceil", "floor", "trunc", "clip"}
    }
    calls |= {
        "+x": operator.pos, "tensor": fl.tensor, "concat": lambda x: fl.concat([x]), "copy": lambda x: x.copy(),
        "sum": lambda x: fl.sum(x, axis=()), "cumulative_sum": lambda x: fl.cumulative_sum(x[:1], axis=0),
        "astype": lambda x: x.astype(x.dtype), "where": lambda x: fl.where(x == x, x, x),
        "tile": lambda x: fl.tile(x, 1), "repeat": lambda x: fl.repeat(x, 1, axis=0),
        "sort": lambda x: fl.sort(x[:, :1], axis=1), "relu": lambda x: fl.nn.functional.relu(x),
    }  # fmt: skip
    if dtype == fl.complex64:
        calls = {name: call for name, call in calls.items() if name not in {"sort", "relu"}}
    for name, call in calls.items():
        x = fl.tensor([[1, 2], [3, 4]], dtype=dtype)
        result = call(x)
        result += 7
        assert x.tolist() == [[1, 2], [3, 4]], name


def test_inside_vmap_a_result_may_be_written_and_an_argument_may_not():
    def function(x, b):
        h = x * 2
        h += b
        h[0] = b
        h *= h
        return h

    xs, bs = fl.ones((3, 2)), fl.arange(3.0)
    assert fl.vmap(function)(xs, bs).tolist() == [[0.0, 4.0], [1.0, 9.0], [4.0, 16.0]]
    gradients = fl.vmap(fl.grad(lambda x, b: function(x, b).sum()))(xs, bs)
    assert gradients.tolist() == [[0.0, 8.0], [0.0, 12.0], [0.0, 16.0]]
    with pytest.raises(RuntimeError, match="inside vmap another tensor looks into x's memory"):
        fl.vmap(lambda x: operator.iadd(x, 1))(xs)
    with pytest.raises(RuntimeError, match="inside vmap the result differs from example to example"):
        fl.vmap(lambda x: operator.iadd(fl.zeros(2), x))(xs)


def test_views_on_any_device_are_written_through():
    for name in map(str, fl.devices()):
        x = fl.arange(6, dtype=fl.float32).reshape(2, 3).to(name)
        x[:, 1] = 10.0
        column = x[:, 2]
        column += 1
        x[[1], 0] = 5.0
        x += 1
        assert x.to("cpu").tolist() == [[1.0, 11.0, 4.0], [6.0, 11.0, 7.0]], name


def test_an_index_of_enormous_dimensions_leaves_no_error_behind():
    class Odd:
        ndim = 2**80

        def __index__(self):
            return 0

        def __getitem__(self, key):
            return 0

    with pytest.raises(IndexError, match="Odd is not understood"):
        fl.zeros(3)[Odd()]
