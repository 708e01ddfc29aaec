"""vjp, jvp, jacobian and hessian: against closed forms, PyTorch's, and the laws that tie them together."""

from __future__ import annotations

from typing import NamedTuple

import flambeau as fl
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

sizes = st.integers(1, 4)
seeds = st.integers(0, 999)


def rand(*shape, seed=0):
    return fl.tensor(np.random.default_rng(seed).standard_normal(shape))


def close(a, b, rtol=1e-9, atol=1e-11):
    np.testing.assert_allclose(np.asarray(a.numpy()), b.numpy() if hasattr(b, "numpy") else b, rtol=rtol, atol=atol)


def smooth(x):
    """From (n,) to (n, 2): no element stands alone."""
    total = fl.sum(fl.tanh(x) * x)
    return fl.stack([fl.exp(-x * x) * total, x / (1.0 + total * total)], axis=1)


def test_the_jacobian_of_a_matrix_is_the_matrix():
    a = rand(3, 4)
    for mode in ("reverse", "forward"):
        close(fl.jacobian(lambda x: a @ x, mode=mode)(rand(4)), a)


def test_the_hessian_of_a_quadratic_form():
    a, x = rand(4, 4), rand(4)
    close(fl.hessian(lambda x: x @ a @ x)(x), (a + a.T).numpy())


def test_shapes_are_those_of_output_then_argument():
    x, y = rand(2, 3), rand(4)
    found = fl.jacobian(lambda x, y: {"a": x.sum(axis=0), "b": [y * x[0, 0]]}, argnums=(0, 1))(x, y)
    assert [part.shape for part in found["a"]] == [(3, 2, 3), (3, 4)]
    assert [part.shape for part in found["b"][0]] == [(4, 2, 3), (4, 4)]
    second = fl.hessian(lambda x, y: (x.sum() ** 2) * y.sum(), argnums=(0, 1))(x, y)
    assert [[part.shape for part in row] for row in second] == [[(2, 3, 2, 3), (2, 3, 4)], [(4, 2, 3), (4, 4)]]
    assert fl.jacobian(lambda x: x[:0])(y).shape == (0, 4)


def test_aux_travels_along():
    x = rand(3)
    y, pullback, aux = fl.vjp(lambda x: (x * 2, "seen"), x, has_aux=True)
    assert aux == "seen"
    close(pullback(y)[0], 2 * y)
    assert fl.jvp(lambda x: (x * 2, "seen"), (x,), (x,), has_aux=True)[2] == "seen"
    table, aux = fl.jacobian(lambda x: (x * 2, "seen"), has_aux=True)(x)
    assert (table.shape, aux) == ((3, 3), "seen")
    table, aux = fl.hessian(lambda x: ((x**3).sum(), "seen"), has_aux=True)(x)
    assert (table.shape, aux) == ((3, 3), "seen")


class Pair(NamedTuple):
    left: fl.Tensor
    right: fl.Tensor


def test_arguments_may_be_trees_and_modules():
    given = {"pair": Pair(rand(2), rand(2, seed=1)), "list": [rand(2, seed=2)]}
    f = lambda tree: (tree["pair"].left * tree["pair"].right * tree["list"][0]).sum()  # noqa: E731
    found = fl.grad(f)(given)
    assert isinstance(found["pair"], Pair)
    close(found["pair"].left, given["pair"].right * given["list"][0])
    _, tangent = fl.jvp(f, (given,), (given,))
    close(tangent, 3 * f(given))
    layer = fl.nn.Linear(2, 3)
    x = fl.ones(2)
    table = fl.jacobian(lambda layer: layer(x))(layer)
    assert {name: part.shape for name, part in table.items()} == {"weight": (3, 3, 2), "bias": (3, 3)}
    assert layer.weight.grad is None
    assert isinstance(layer.weight, fl.nn.Parameter)


def test_a_module_is_as_before_when_the_function_fails():
    layer = fl.nn.Linear(2, 1)
    before = layer.weight.tolist()
    with pytest.raises(ZeroDivisionError):
        fl.grad(lambda layer: 1 / 0)(layer)
    assert (layer.weight.tolist(), layer.weight.is_leaf, layer.weight.requires_grad) == (before, True, True)


def test_gradients_of_modules_are_detached_outside_and_live_inside_other_transforms():
    layer = fl.nn.Linear(2, 1)
    x = fl.tensor([1.0, 2.0])
    loss = lambda layer: fl.tanh(layer(x)).sum()  # noqa: E731
    assert not fl.grad(loss)(layer)["weight"].requires_grad
    penalty = fl.grad(lambda layer: (fl.grad(loss)(layer)["weight"] ** 2).sum())(layer)
    t = loss(layer).item()
    # d/db of ((1 - tanh^2) x)^2
    expected = 2 * (1 - t**2) * (-2 * t * (1 - t**2)) * (1 + 4)
    np.testing.assert_allclose(penalty["bias"].tolist(), [expected], rtol=1e-4)


def test_a_pullback_is_called_many_times_and_can_be_differentiated():
    x = rand(3)
    _, pullback = fl.vjp(smooth, x)
    g = rand(3, 2, seed=1)
    close(pullback(2 * g)[0], 2 * pullback(g)[0])
    close(fl.jacobian(lambda g: pullback(g)[0])(g).reshape(3, 6), fl.jacobian(smooth)(x).reshape(6, 3).T)


@settings(max_examples=20, deadline=None)
@given(sizes, seeds)
def test_pushing_forward_and_pulling_back_are_dual(n, seed):
    """<g, J t> = <J' g, t>."""
    x, t, g = rand(n, seed=seed), rand(n, seed=seed + 1), rand(n, 2, seed=seed + 2)
    _, pushed = fl.jvp(smooth, (x,), (t,))
    _, pullback = fl.vjp(smooth, x)
    np.testing.assert_allclose((pushed * g).sum().item(), (pullback(g)[0] * t).sum().item(), rtol=1e-9, atol=1e-11)


@settings(max_examples=15, deadline=None)
@given(sizes, seeds, st.floats(-3, 3), st.floats(-3, 3))
def test_a_jvp_is_linear_in_its_tangents(n, seed, a, b):
    x, t, u = rand(n, seed=seed), rand(n, seed=seed + 1), rand(n, seed=seed + 2)
    push = lambda t: fl.jvp(smooth, (x,), (t,))[1]  # noqa: E731
    close(push(t * a + u * b), push(t) * a + push(u) * b)


@settings(max_examples=10, deadline=None)
@given(sizes, seeds)
def test_hessians_are_symmetric_and_modes_agree(n, seed):
    x = rand(n, seed=seed)
    whole = fl.hessian(lambda x: smooth(x).sum())(x)
    close(whole, whole.T)
    close(fl.jacobian(smooth, mode="forward")(x), fl.jacobian(smooth, chunk_size=2)(x))
    close(fl.jacobian(fl.grad(lambda x: smooth(x).sum()), mode="forward")(x), whole)


def test_third_order_and_beyond():
    x = fl.tensor(0.5, dtype=fl.float64)
    f = fl.exp
    for _ in range(5):
        f = fl.jacobian(f)
        close(f(x), np.exp(0.5))
    third = fl.jacobian(fl.hessian(lambda v: (v**4).sum()))(rand(2))
    close(third[0, 0, 0], 24 * rand(2)[0])
    assert third[0, 0, 1].item() == 0


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_pytorch_finds_the_same():
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    array = np.random.default_rng(0).standard_normal(4)
    tangent = np.random.default_rng(1).standard_normal(4)

    def theirs(x):
        total = (torch.tanh(x) * x).sum()
        return torch.stack([torch.exp(-x * x) * total, x / (1.0 + total * total)], dim=1)

    x, t = fl.tensor(array), fl.tensor(tangent)
    tx, tt = torch.tensor(array), torch.tensor(tangent)
    close(fl.jacobian(smooth)(x), torch.func.jacrev(theirs)(tx).numpy())
    close(fl.hessian(smooth)(x), torch.func.hessian(theirs)(tx).numpy(), rtol=1e-8)
    close(fl.jvp(smooth, (x,), (t,))[1], torch.func.jvp(theirs, (tx,), (tt,))[1].numpy())
    each = torch.func.vmap(torch.func.grad(lambda x: theirs(x).sum()))(torch.stack([tx, tt]))
    close(fl.vmap(fl.grad(lambda x: smooth(x).sum()))(fl.stack([x, t])), each.numpy())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: fl.vjp(lambda x: x, rand(2))[1](rand(3)), fl.ShapeError, r"\(3,\) and must have \(2,\)"),
        (lambda: fl.vjp(lambda x: [x, x], rand(2))[1](rand(2)), ValueError, "1 tensors for the 2 of the output"),
        (lambda: fl.jvp(lambda x: x, (rand(2),), (rand(3),)), fl.ShapeError, "tangents: tensor 0"),
        (lambda: fl.vjp(lambda x: 3, rand(2)), TypeError, "gave int"),
        (lambda: fl.vjp(lambda x: x, fl.arange(2)), fl.DTypeError, "int64"),
        (lambda: fl.jacobian(lambda x: x, argnums=1)(rand(2)), IndexError, "argument 1 is asked for and 1"),
        (lambda: fl.jacobian(lambda x: x, mode="sideways"), ValueError, "sideways"),
        (lambda: fl.grad(lambda x: x)("text"), TypeError, "holds str"),
    ],
)
def test_what_does_not_fit_is_named(call, error, words):
    with pytest.raises(error, match=words):
        call()


def test_nothing_is_differentiated_inside_inference():
    with fl.inference(), pytest.raises(RuntimeError, match=r"fl\.no_grad"):
        fl.grad(lambda x: x)(fl.ones(()))
