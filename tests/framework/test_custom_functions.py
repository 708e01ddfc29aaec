"""Function: derivatives of one's own."""

from __future__ import annotations

import gc
import weakref

import flambeau as fl
import numpy as np
import pytest
from flambeau.autograd import once_differentiable


def rand(*shape, seed=0):
    return fl.tensor(np.random.default_rng(seed).standard_normal(shape))


def close(a, b):
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-9, atol=1e-12)


class Power(fl.Function):
    """x ** n, by hand."""

    @staticmethod
    def forward(ctx, x, n):
        ctx.save_for_backward(x)
        ctx.n = n
        return x**n

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return gradient * ctx.n * x ** (ctx.n - 1), None


class Exp(fl.Function):
    """Saves its own result."""

    @staticmethod
    def forward(ctx, x):
        y = fl.exp(x)
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0]


class Both(fl.Function):
    """Two inputs, two results, and one without a gradient."""

    @staticmethod
    def forward(ctx, a, b):
        ctx.save_for_backward(a, b)
        sign = fl.sign(a)
        ctx.mark_non_differentiable(sign)
        ctx.seen = ctx.needs_input_grad
        return a * b, a + b, sign

    @staticmethod
    def backward(ctx, product, total, _):
        a, b = ctx.saved_tensors
        return product * b + total if ctx.needs_input_grad[0] else None, product * a + total


def test_gradients_of_any_order():
    x = rand(3)
    fl.gradcheck(lambda x: Power.apply(x, 3), [x])
    fl.gradgradcheck(lambda x: Power.apply(x, 3), [x])
    fl.gradcheck(Exp.apply, [x])
    fl.gradgradcheck(Exp.apply, [x])
    close(fl.hessian(lambda x: Exp.apply(x).sum())(x), fl.hessian(lambda x: fl.exp(x).sum())(x))
    fl.gradcheck(lambda a, b: list(Both.apply(a, b))[:2], [x, rand(3, seed=1)])


def test_several_results_and_one_without_a_gradient():
    a, b = rand(3).requires_grad_(), rand(3, seed=1)
    product, total, sign = Both.apply(a, b)
    assert (product.requires_grad, total.requires_grad, sign.requires_grad) == (True, True, False)
    (product.sum() + total.sum()).backward()
    close(a.grad, b + 1)
    assert b.grad is None
    # Where no gradient came to a result, backward gets zeros.
    a.grad = None
    Both.apply(a, b)[1].sum().backward()
    assert a.grad.tolist() == [1, 1, 1]


def test_missing_gradients_are_none_if_it_asks_for_them():
    seen = []

    class Two(fl.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.set_materialize_grads(False)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, first, second):
            seen.append((first is None, second is None))
            return second * 2

    Two.apply(rand(2).requires_grad_())[1].sum().backward()
    assert seen == [(True, False)]


def test_setup_context_is_understood():
    class Square(fl.Function):
        @staticmethod
        def forward(x):
            return x * x

        @staticmethod
        def setup_context(ctx, inputs, output):
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx, gradient):
            return 2 * gradient * ctx.saved_tensors[0]

    close(fl.grad(Square.apply)(fl.tensor(3.0)), fl.tensor(6.0))


def test_its_name_is_on_the_tape_and_in_errors():
    x = rand(2).requires_grad_()
    y = Power.apply(x, 2)
    assert (y.made_by, y.grad_fn.name, repr(y.grad_fn)) == ("Power", "Power", "<node Power>")
    assert (y * 2).grad_fn.inputs[0][0] == y.grad_fn

    class Wrong(fl.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient[:1]

    with pytest.raises(fl.ShapeError, match=r"Wrong.*shape \(1,\) for input 0 of shape \(2,\)"):
        Wrong.apply(x).sum().backward()


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        (lambda g: (g, g), RuntimeError, "2 gradients for 1 argument"),
        (lambda g: "text", TypeError, "gave str"),
        (lambda g: 1 / 0, ZeroDivisionError, "division"),
    ],
)
def test_what_a_backward_may_not_give(given, error, words):
    class Wrong(fl.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return given(gradient)

    with pytest.raises(error, match=words):
        Wrong.apply(rand(2).requires_grad_()).sum().backward()


def test_a_gradient_for_what_is_no_tensor_is_refused():
    class Wrong(Power):
        @staticmethod
        def backward(ctx, gradient):
            return gradient, gradient

    with pytest.raises(TypeError, match="argument 1, which is no tensor"):
        Wrong.apply(rand(2).requires_grad_(), 2).sum().backward()


def test_a_second_walk_needs_retain_graph():
    x = rand(2).requires_grad_()
    y = Power.apply(x, 2).sum()
    y.backward(retain_graph=True)
    y.backward()
    close(x.grad, 4 * x)
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_a_write_into_what_it_saved_is_found():
    x = rand(2).requires_grad_()
    y = Power.apply(x, 2).sum()
    with fl.no_grad():
        x[0] = 7
    with pytest.raises(RuntimeError, match=r"backward of Power: a saved tensor of shape \(2,\) was written in place"):
        y.backward()


def test_a_second_derivative_of_what_has_only_one_raises():
    class Once(fl.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, gradient):
            return gradient * 2 * ctx.saved_tensors[0]

    x = fl.tensor(3.0)
    assert fl.grad(Once.apply)(x).item() == 6
    with pytest.raises(RuntimeError, match="Once: it is marked once_differentiable"):
        fl.grad(fl.grad(Once.apply))(x)


def test_it_composes_with_vmap_either_way_around():
    x, w = rand(4, 3), rand(3, seed=1)
    for function, plain in (
        (lambda x, w: Power.apply(x * w, 3).sum(), lambda x, w: ((x * w) ** 3).sum()),
        (lambda x, w: Exp.apply(x * w).sum(), lambda x, w: fl.exp(x * w).sum()),
        (lambda x, w: Both.apply(x, w)[0].sum(), lambda x, w: (x * w).sum()),
    ):
        axes = (0, None)
        close(fl.vmap(function, in_axes=axes)(x, w), fl.vmap(plain, in_axes=axes)(x, w))
        for n in (0, 1):
            close(fl.vmap(fl.grad(function, n), in_axes=axes)(x, w), fl.vmap(fl.grad(plain, n), in_axes=axes)(x, w))
        outer = lambda f: fl.grad(lambda w: fl.vmap(f, in_axes=(0, None))(x, w).sum())(w)  # noqa: E731
        close(outer(function), outer(plain))
        close(fl.vmap(fl.hessian(function), in_axes=axes)(x, w), fl.vmap(fl.hessian(plain), in_axes=axes)(x, w))
    close(fl.jacobian(lambda x: Power.apply(x, 2))(w), fl.jacobian(lambda x: x**2)(w))
    close(fl.jvp(Exp.apply, (w,), (w,))[1], fl.exp(w) * w)


def test_without_a_gradient_nothing_is_kept():
    assert Power.apply(rand(2), 2).grad_fn is None
    with fl.no_grad():
        assert not Power.apply(rand(2).requires_grad_(), 2).requires_grad


def test_a_function_that_saves_its_own_result_is_no_cycle():
    x = rand(3).requires_grad_()
    y = Exp.apply(x)
    node = weakref.ref(y)
    gc.disable()
    try:
        before = fl.memory.memory_allocated()
        del y
        assert node() is None
        assert fl.memory.memory_allocated() < before
    finally:
        gc.enable()


def test_a_function_without_its_methods_says_what_to_write():
    class Nothing(fl.Function):
        pass

    with pytest.raises(NotImplementedError, match="define forward"):
        Nothing.apply(rand(2))
