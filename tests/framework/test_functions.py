<<<<<<< HEAD
"""What the element-wise functions and operators of the standard do at their edges."""

import operator
=======
"""Function: derivatives of one's own."""

from __future__ import annotations

import gc
import weakref
>>>>>>> f70ba3b (autograd: vjp, jvp, vmap, jacobian, hessian, Function, checkpoint, hooks, anomaly mode)

import flambeau as fl
import numpy as np
import pytest
<<<<<<< HEAD
from flambeau.optable import FLOATS, INTEGERS


@pytest.mark.parametrize("dtype", INTEGERS)
@pytest.mark.parametrize("op", [operator.and_, operator.or_, operator.xor, operator.lshift, operator.rshift])
def test_the_operators_of_bits_are_numpys(op, dtype):
    a, b = np.array([1, 5, 100, 0], dtype=dtype), np.array([3, 2, 1, 7], dtype=dtype)
    x, y = fl.tensor(a), fl.tensor(b)
    assert np.array_equal(np.asarray(op(x, y)), op(a, b))
    assert op(x, 2).tolist() == op(a, np.array(2, dtype)).tolist()
    assert op(2, y).tolist() == op(np.array(2, dtype), b).tolist()
    assert (~x).tolist() == (~a).tolist()
    assert op(x, y).dtype == x.dtype


def test_bits_of_truth_values_are_logic():
    a, b = fl.tensor([True, True, False]), fl.tensor([True, False, False])
    assert (a & b).tolist() == [True, False, False]
    assert (a | b).tolist() == [True, True, False]
    assert (a ^ b).tolist() == [False, True, False]
    assert (~a).tolist() == [False, False, True]
    with pytest.raises(fl.DTypeError, match="bitwise_and: a is float32"):
        _ = fl.ones(2) & fl.ones(2)


def test_shifting_by_more_bits_than_there_are_leaves_nothing_or_the_sign():
    x = fl.tensor([-8, 8], dtype=fl.int8)
    assert (x << 8).tolist() == [0, 0]
    assert (x >> 100).tolist() == [-1, 0]
    assert (fl.tensor([8], dtype=fl.uint64) >> 64).tolist() == [0]
    assert (fl.tensor([2**63], dtype=fl.uint64) >> 1).tolist() == [2**62]


@pytest.mark.parametrize("dtype", FLOATS)
def test_the_next_number_is_one_unit_away(dtype):
    x = fl.tensor([1.0, -1.0, 0.0, 2.0, float("inf"), 1.0], dtype=dtype)
    to = fl.tensor([2.0, 0.0, -1.0, 2.0, 0.0, float("nan")], dtype=dtype)
    for device in ("cpu", "reference"):
        up, down, below, same, largest, nan = fl.nextafter(x.to(device), to.to(device)).tolist()
        info = fl.finfo(dtype)
        assert up == 1.0 + info.eps
        assert down == -1.0 + info.eps / 2
        assert -1e-6 < below < 0
        assert same == 2.0
        assert largest == info.max
        assert nan != nan


def test_halves_round_to_the_even_number():
    assert fl.round(fl.tensor([0.5, 1.5, 2.5, -0.5, -1.5])).tolist() == [0.0, 2.0, 2.0, -0.0, -2.0]
    assert fl.round(fl.tensor([1.5 + 2.5j])).tolist() == [2 + 2j]
    assert fl.ceil(fl.tensor([3], dtype=fl.int16)).dtype == fl.int16


def test_parts_of_complex_numbers():
    x = fl.tensor([3 + 4j, -1j], dtype=fl.complex128)
    assert fl.real(x).tolist() == [3.0, 0.0]
    assert fl.imag(x).tolist() == [4.0, -1.0]
    assert fl.conj(x).tolist() == [3 - 4j, 1j]
    assert abs(x).tolist() == [5.0, 1.0]
    assert abs(x).dtype == fl.float64
    assert fl.signbit(fl.tensor([-0.0, 0.0])).tolist() == [True, False]


def test_a_complex_loss_goes_down_its_gradient():
    target = 2 - 3j
    z = fl.tensor([0j], requires_grad=True)
    for _ in range(60):
        z = z.detach().requires_grad_()
        loss = fl.sum(fl.square(abs(z - target)))
        loss.backward()
        z = z.detach() - 0.1 * z.grad
    assert abs(z.item() - target) < 1e-4


def test_small_numbers_keep_their_digits():
    x = fl.tensor([1e-10, -1e-10], dtype=fl.float64)
    assert np.allclose(np.asarray(fl.expm1(x)), [1e-10, -1e-10], rtol=1e-9, atol=0)
    assert np.allclose(np.asarray(fl.log1p(x)), [1e-10, -1e-10], rtol=1e-9, atol=0)
    z = fl.tensor([1e-10 + 1e-10j], dtype=fl.complex128)
    for function in (fl.expm1, fl.log1p):
        assert np.allclose(np.asarray(function(z)), [1e-10 + 1e-10j], rtol=1e-9, atol=0)
    huge = fl.tensor([1e30], dtype=fl.float32)
    assert fl.hypot(huge, huge).item() == pytest.approx(2**0.5 * 1e30)
    assert fl.logaddexp(huge, huge).item() == pytest.approx(1e30)
=======
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
    for function, plain in ((lambda x, w: Power.apply(x * w, 3).sum(), lambda x, w: ((x * w) ** 3).sum()),
                            (lambda x, w: Exp.apply(x * w).sum(), lambda x, w: fl.exp(x * w).sum()),
                            (lambda x, w: Both.apply(x, w)[0].sum(), lambda x, w: (x * w).sum())):
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
        before = fl.devices.memory()["used_bytes"]
        del y
        assert node() is None
        assert fl.devices.memory()["used_bytes"] < before
    finally:
        gc.enable()


def test_a_function_without_its_methods_says_what_to_write():
    class Nothing(fl.Function):
        pass

    with pytest.raises(NotImplementedError, match="define forward"):
        Nothing.apply(rand(2))
>>>>>>> f70ba3b (autograd: vjp, jvp, vmap, jacobian, hessian, Function, checkpoint, hooks, anomaly mode)
