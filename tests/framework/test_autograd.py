"""Gradients: against finite differences, against PyTorch, and what the tape promises."""

import gc
import threading
import weakref

import flambeau as fl
import numpy as np
import pytest
from flambeau.testing import gradcheck, gradgradcheck


def leaf(*shape, seed=0):
    rng = np.random.default_rng(seed)
    return fl.tensor(rng.standard_normal(shape), requires_grad=True)


FUNCTIONS = {
    "broadcast": (lambda a, b: a * b + a, [(3, 1), (4,)]),
    "reused": (lambda a: a * a * a + a, [(5,)]),
    "matmul": (lambda a, b: fl.matmul(a, b), [(2, 3, 4), (4, 5)]),
    "views": (lambda a: fl.permute_dims(a, (1, 0)).reshape(-1)[1::2] * 2, [(3, 4)]),
    "mean and std": (lambda a: (a - a.mean(axis=1, keepdims=True)) / (fl.std(a, axis=1, keepdims=True) + 1), [(3, 4)]),
    "where": (lambda a, b: fl.where(a > b, a * b, b), [(6,), (6,)]),
    "concat": (lambda a, b: fl.concat([a, b * b], axis=1), [(2, 3), (2, 2)]),
    "exp of sums": (lambda a: fl.exp(fl.sum(a, axis=0)) / fl.sum(fl.exp(a)), [(3, 4)]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_agree_with_finite_differences(name):
    function, shapes = FUNCTIONS[name]
    inputs = [leaf(*shape, seed=i) for i, shape in enumerate(shapes)]
    gradcheck(function, inputs)
    gradgradcheck(function, inputs)


@pytest.mark.torch
def test_a_network_has_the_gradients_that_pytorch_finds():
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(1)
    arrays = [rng.standard_normal(s).astype("float32") for s in ((8, 5), (5, 7), (7,), (7, 3))]
    x, w1, b1, w2 = [fl.tensor(a, requires_grad=True) for a in arrays]
    y = fl.sum(fl.tanh(fl.matmul(fl.where(x @ w1 + b1 > 0, x @ w1 + b1, 0), w2)))
    y.backward()
    tx, tw1, tb1, tw2 = [torch.tensor(a, requires_grad=True) for a in arrays]
    torch.tanh(torch.relu(tx @ tw1 + tb1) @ tw2).sum().backward()
    for ours, theirs in zip((x, w1, b1, w2), (tx, tw1, tb1, tw2), strict=True):
        np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-4, atol=1e-5)


def test_gradients_add_up_over_backwards():
    x = leaf(3)
    for _ in range(3):
        x.sum().backward()
    assert x.grad.tolist() == [3, 3, 3]
    x.grad = None
    assert x.grad is None


def test_two_leaves_do_not_share_a_gradient():
    a, b = leaf(2), leaf(2)
    (a + b).sum().backward()
    a.grad[0] = 100
    assert b.grad.tolist() == [1, 1]


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "complex64"])
def test_the_gradient_of_a_tensor_that_is_split_is_filled_part_by_part(dtype):
    x = fl.ones((5, 3, 70), dtype=getattr(fl, dtype)).requires_grad_()
    whole = x * 1
    whole.retain_grad()
    query, key, value = (whole[:, i].permute_dims(1, 0) for i in range(3))
    backwards = whole[::-1, 2, ::3]
    taken = []
    whole.register_hook(lambda gradient: taken.append(gradient))
    fl.sum(query * 2 + key * 4).backward(retain_graph=True)
    fl.real(fl.sum(query * 2 + key * 4 + value * 8) + fl.sum(backwards)).backward()
    expected = np.broadcast_to(np.array([4.0, 8.0, 8.0])[:, None], (5, 3, 70)).copy()
    expected[:, 2, ::3] += 1
    assert (np.real(np.asarray(x.grad.to(fl.complex64))) == expected).all()
    assert (np.real(np.asarray(whole.grad.to(fl.complex64))) == expected).all()
    assert len(taken) == 2  # a hook sees the whole, once a walk
    assert taken[0][:, 2].tolist() == fl.zeros_like(taken[0][:, 2]).tolist(), "the first walk's gradient is left alone"


def test_parts_are_added_to_no_gradient_that_somebody_else_holds():
    x, w = fl.ones((4, 3)).requires_grad_(), fl.ones((4, 3)).requires_grad_()
    a, b = x * 1, w * 1
    part = a[1]  # its node is walked after the sum's, which hands one gradient to both
    (fl.sum(a + b) + fl.sum(part)).backward()
    assert x.grad.tolist() == [[1.0] * 3, [2.0] * 3, [1.0] * 3, [1.0] * 3]
    assert w.grad.tolist() == [[1.0] * 3] * 4


def test_a_gradient_that_is_passed_in_is_not_kept():
    x, g = leaf(2), fl.ones(2, dtype=fl.float64)
    (x * 1).backward(g)
    x.grad[0] = 5
    assert g.tolist() == [1, 1]


def test_backward_from_several_numbers_needs_a_gradient():
    x = leaf(3)
    with pytest.raises(fl.ShapeError, match=r"x\.sum\(\)\.backward\(\)"):
        (x * 2).backward()
    (x * 2).backward(fl.tensor([1.0, 2.0, 3.0]))
    assert x.grad.tolist() == [2, 4, 6]
    with pytest.raises(fl.ShapeError, match="must be equal"):
        (x * 2).backward(fl.ones(2))


def test_backward_without_a_leaf_says_so():
    with pytest.raises(RuntimeError, match="requires_grad=True"):
        fl.ones(1).backward()


def test_a_graph_is_walked_once_unless_retained():
    x = leaf(2)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == (4 * x.detach()).tolist()
    with pytest.raises(RuntimeError, match="retain_graph=True"):
        y.backward()


def test_a_write_after_the_forward_pass_is_found():
    x, w = leaf(2), fl.ones(2, dtype=fl.float64)
    y = (x * w).sum()
    w[0] = 3
    with pytest.raises(RuntimeError, match=r"multiply.*written in place"):
        y.backward()


def test_a_write_to_what_nobody_saved_is_fine():
    x, b = leaf(2), fl.ones(2, dtype=fl.float64)
    y = (x + b).sum()
    b[0] = 3
    y.backward()
    assert x.grad.tolist() == [1, 1]


def test_a_write_through_a_window_counts_too():
    x, w = leaf(2), fl.ones((2, 2), dtype=fl.float64)
    y = (x * w).sum()
    w[0][1] = 3
    with pytest.raises(RuntimeError, match="written in place"):
        y.backward()


def test_writing_into_a_tensor_with_a_gradient_says_what_to_write():
    x = leaf(2)
    with pytest.raises(RuntimeError, match=r"fl\.where"):
        x[0] = 1
    y = x * 2
    y[0] = 1
    y.sum().backward()
    assert x.grad.tolist() == [0, 2]
    with fl.no_grad():
        x[0] = 1
    assert x.tolist()[0] == 1


def test_no_grad_is_a_context_a_decorator_and_nests():
    x = leaf(2)

    @fl.no_grad()
    def double(v):
        return v * 2

    assert not double(x).requires_grad
    with fl.no_grad():
        assert not (x * 2).requires_grad
        with fl.enable_grad():
            assert (x * 2).requires_grad
        assert not (x * 2).requires_grad
    assert (x * 2).requires_grad
    with pytest.raises(ZeroDivisionError), fl.no_grad():
        1 / 0
    assert (x * 2).requires_grad


def test_no_grad_belongs_to_one_thread():
    seen = []
    with fl.no_grad():
        thread = threading.Thread(target=lambda: seen.append((leaf(1) * 2).requires_grad))
        thread.start()
        thread.join()
    assert seen == [True]


def test_detach_cuts_and_shares_memory():
    x = leaf(2)
    y = (x * 3).detach()
    assert not y.requires_grad
    assert x.detach()._shares_memory(x)
    with pytest.raises(RuntimeError, match="detach"):
        (x * 3).requires_grad = False


def test_integers_have_no_gradient():
    with pytest.raises(fl.DTypeError, match="floating-point"):
        fl.tensor([1], requires_grad=True)
    x = leaf(3)
    assert not (x > 0).requires_grad
    assert not fl.argmax(x).requires_grad


def test_a_gradient_must_fit_its_tensor():
    x = leaf(2)
    with pytest.raises(fl.ShapeError, match=r"shape \(3,\)"):
        x.grad = fl.ones(3, dtype=fl.float64)
    with pytest.raises(fl.DTypeError, match="float32"):
        x.grad = fl.ones(2)


def test_higher_orders_follow():
    x = fl.tensor(2.0, requires_grad=True, dtype=fl.float64)
    f = lambda v: v**4  # noqa: E731
    orders = [f]
    for _ in range(4):
        orders.append(fl.grad(orders[-1]))
    assert [g(x.detach()).item() for g in orders] == [16, 32, 48, 48, 24]


def test_create_graph_lets_a_gradient_be_differentiated():
    x = leaf(3)
    (x * x * x).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 6 * x.detach().numpy())


def test_grad_of_a_function_sees_what_surrounds_it():
    # A penalty on a gradient must reach a parameter that the inner function only closes over.
    w = fl.tensor([3.0], requires_grad=True)
    inner = fl.grad(lambda v: (w * v * v).sum())(fl.tensor([2.0]))
    (inner * inner).sum().backward()
    assert w.grad.item() == 2 * (2 * 3 * 2) * (2 * 2)


def test_grad_does_not_touch_leaves():
    w = leaf(2)
    fl.grad(lambda v: (w * v).sum())(fl.ones(2, dtype=fl.float64))
    assert w.grad is None


def test_grad_keeps_the_structure_of_its_arguments():
    value, gradient = fl.value_and_grad(lambda p: (p["w"] * p["pair"][0]).sum() + p["pair"][1].sum())(
        {"w": fl.ones(2), "pair": (fl.full(2, 3.0), fl.ones(1))}
    )
    assert value.item() == 7
    assert gradient["w"].tolist() == [3, 3]
    assert [g.tolist() for g in gradient["pair"]] == [[1, 1], [1]]


def test_grad_of_what_does_not_matter_is_zero():
    assert fl.grad(lambda a, b: a.sum(), argnums=1)(fl.ones(2), fl.ones(3)).tolist() == [0, 0, 0]
    assert fl.grad(lambda a: fl.ones(()))(fl.ones(2)).tolist() == [0, 0]


def test_grad_with_aux_gives_it_along():
    gradient, aux = fl.grad(lambda a: (a.sum(), "seen"), has_aux=True)(fl.ones(2))
    assert (gradient.tolist(), aux) == ([1, 1], "seen")


def test_grad_refuses_what_has_no_gradient():
    with pytest.raises(fl.DTypeError, match="int64"):
        fl.grad(lambda a: a.sum())(fl.arange(3))
    with pytest.raises(fl.ShapeError, match="one number"):
        fl.grad(lambda a: a * 2)(fl.ones(3))


@pytest.mark.parametrize("retain_graph", [False, True])
def test_a_deep_chain_neither_walks_nor_dies_by_recursion(retain_graph):
    x = fl.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(100_000):
        y = y + x
    y.backward(retain_graph=retain_graph)
    assert x.grad.item() == 100_001
    del y


def test_a_deep_chain_that_is_dropped_without_backward_dies_quietly():
    y = fl.tensor(1.0, requires_grad=True)
    for _ in range(200_000):
        y = y * y
    del y


def test_a_graph_dies_with_its_result():
    x = leaf(1000)
    gc.collect()
    before = fl.memory.memory_allocated()
    y = fl.exp(x)
    z = (y * y).sum()
    del y
    assert fl.memory.memory_allocated() > before
    del z
    gc.collect()
    assert fl.memory.memory_allocated() <= before


def test_backward_lets_go_of_what_was_saved():
    x = leaf(1000)
    z = (fl.exp(x) * x).sum()
    held = fl.memory.memory_allocated()
    z.backward()
    x.grad = None
    assert fl.memory.memory_allocated() < held


def test_a_result_saved_by_its_own_op_is_no_cycle():
    x = leaf(3)
    y = fl.exp(x)
    reference = weakref.ref(y)
    del y
    assert reference() is None


def test_backward_in_two_threads_at_once():
    w = fl.ones(64)
    results = {}

    def work(name):
        for _ in range(50):
            x = fl.tensor([float(name)] * 64, requires_grad=True)
            (x * x * w).sum().backward()
            results[name] = x.grad.tolist()[0]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: 2.0 * n for n in range(1, 5)}


def test_gradients_cross_devices():
    x = fl.tensor([1.0, 2.0], requires_grad=True)
    (x.to("reference") * 3).to("cpu").sum().backward()
    assert x.grad.tolist() == [3, 3]
    assert str(x.grad.device) == "cpu"


def test_mixed_dtypes_give_each_leaf_its_own():
    a = fl.tensor([1.0, 2.0], dtype=fl.float16, requires_grad=True)
    b = fl.tensor([3.0, 4.0], dtype=fl.float64, requires_grad=True)
    (a * b).sum().backward()
    assert (a.grad.dtype, b.grad.dtype) == (fl.float16, fl.float64)
    assert (a.grad.tolist(), b.grad.tolist()) == ([3, 4], [1, 2])


@pytest.mark.parametrize("key", [slice(None), ..., (slice(0, 2), slice(None, 3))])
def test_a_view_of_the_whole_has_hooks_and_a_gradient_of_its_own(key):
    x = fl.ones((2, 3)).requires_grad_()
    base = x * 1
    view = base[key]
    view.retain_grad()
    view.register_hook(lambda g: g * 2)
    fl.sum(base * 3 + view * 5).backward()
    assert view.grad.tolist() == [[10.0] * 3] * 2
    assert x.grad.tolist() == [[13.0] * 3] * 2
    constant = fl.ones((2, 3))
    constant[key].requires_grad_()
    assert not constant.requires_grad
    constant[key][0, 0] = 7.0
    assert constant[0, 0].item() == 7.0
