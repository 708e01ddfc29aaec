"""Hooks, kept gradients, chosen inputs, checkpoints, anomaly mode and inference."""

from __future__ import annotations

import flambeau as fl
import numpy as np
import pytest


def leaf(*values):
    return fl.tensor(list(values), dtype=fl.float64, requires_grad=True)


def test_a_hook_sees_and_replaces_a_gradient_until_it_is_removed():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    first = y.register_hook(lambda g: seen.append(g.tolist()))
    y.register_hook(lambda g: g * 10)
    y.sum().backward(retain_graph=True)
    assert (seen, x.grad.tolist()) == ([[1, 1]], [30, 30])
    first.remove()
    y.sum().backward()
    assert len(seen) == 1


def test_a_hook_that_gives_what_does_not_fit_is_refused():
    x = leaf(1.0, 2.0)
    x.register_hook(lambda g: g[:1])
    with pytest.raises(fl.ShapeError, match=r"hook: it gave a gradient of shape \(1,\)"):
        x.sum().backward()
    with pytest.raises(RuntimeError, match="no gradient will ever come"):
        fl.ones(2).register_hook(print)


def test_an_error_in_a_hook_comes_out():
    x = leaf(1.0)
    x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        x.sum().backward()


def test_a_hook_after_accumulation_sees_the_sum():
    x, seen = leaf(1.0), []
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad.item()))
    (x * 2).sum().backward()
    (x * 2).sum().backward()
    assert seen == [2, 4]


def test_hooks_of_a_node_see_and_replace_gradients():
    x = leaf(1.0, 2.0)
    y = x * 3
    seen = []
    y.grad_fn.register_prehook(lambda out: (out[0] * 2,))
    y.grad_fn.register_hook(lambda given, out: seen.append((given[0].tolist(), out[0].tolist())))
    y.sum().backward()
    assert (seen, x.grad.tolist()) == ([([6, 6], [2, 2])], [6, 6])


def test_results_keep_a_gradient_if_asked():
    x = leaf(1.0, 2.0)
    y = x * 3
    y.retain_grad()
    (y * y).sum().backward()
    assert y.grad.tolist() == [6, 12]
    with pytest.raises(RuntimeError, match="has no gradient"):
        fl.ones(2).retain_grad()


def test_backward_into_chosen_inputs_alone():
    a, b = leaf(1.0), leaf(2.0)
    (a * b).sum().backward(inputs=[a])
    assert (a.grad.item(), b.grad) == (2, None)
    with pytest.raises(RuntimeError, match="retain_grad"):
        (a * b).sum().backward(inputs=[a * b])


def test_a_checkpoint_has_the_gradients_and_the_mask_of_a_plain_call():
    w = leaf(*np.linspace(-1, 1, 50))
    block = lambda x: fl.exp(fl.nn.functional.dropout(fl.tanh(x * w), 0.5))  # noqa: E731
    gradients = []
    for call in (lambda x: block(x), lambda x: fl.checkpoint(block, x)):
        x = leaf(*np.linspace(0, 2, 50))
        w.grad = None
        fl.manual_seed(3)
        call(x).sum().backward()
        gradients.append((x.grad.tolist(), w.grad.tolist(), fl.random.uniform(1).item()))
    assert gradients[0] == gradients[1]
    fl.gradgradcheck(lambda x: fl.checkpoint(lambda x: fl.exp(x * x), x), [leaf(0.5, 1.0)])
    x = leaf(0.5, 1.0).detach()
    each = fl.vmap(fl.grad(lambda v: fl.checkpoint(lambda v: fl.exp(v * v), v)))(x)
    np.testing.assert_allclose(each.numpy(), 2 * x.numpy() * np.exp(x.numpy() ** 2))


def test_a_checkpoint_keeps_less_memory():
    def held(call):
        x = fl.ones(20_000).requires_grad_()
        before = fl.memory.memory_allocated()
        y = call(x)
        return fl.memory.memory_allocated() - before, y

    deep = lambda x: fl.exp(fl.tanh(fl.exp(fl.tanh(fl.exp(fl.tanh(x))))))  # noqa: E731
    assert held(lambda x: fl.checkpoint(deep, x))[0] * 4 < held(deep)[0]


def test_a_checkpoint_that_does_something_else_the_second_time_says_so():
    calls = []

    def fickle(x):
        calls.append(1)
        return fl.exp(x) if len(calls) == 1 else fl.tanh(x)

    y = fl.checkpoint(fickle, leaf(1.0)).sum()
    with pytest.raises(RuntimeError, match="other ops the second time: op 0 was exp and is tanh"):
        y.backward()


def test_anomaly_mode_names_the_op_and_the_line():
    with fl.detect_anomaly(), pytest.raises(RuntimeError, match=r"log made a NaN.*test_tape_tools\.py:\d+ in"):
        fl.log(leaf(-1.0))
    with fl.detect_anomaly():
        x = leaf(0.0)
        y = (fl.sqrt(x) * 0).sum()
        with pytest.raises(RuntimeError, match=r"backward of sqrt \(called at .*test_tape_tools\.py:\d+"):
            y.backward()
    assert np.isnan(fl.log(leaf(-1.0)).item())


def test_inference_cannot_be_undone_inside():
    x = leaf(1.0)
    with fl.inference():
        assert not (x * 2).requires_grad
        with pytest.raises(RuntimeError, match="inference"), fl.enable_grad():
            pass
    assert (x * 2).requires_grad


def test_memory_falls_while_a_walk_goes_back():
    x = fl.ones(50_000).requires_grad_()
    y, seen = x, []
    for i in range(8):
        y = fl.exp(y * 0.1)
        if i in (0, 7):
            y.register_hook(lambda g: seen.append(fl.memory.memory_allocated()))
    total = y.sum()
    del y
    total.backward()
    assert seen[1] < seen[0]
