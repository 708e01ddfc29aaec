"""x += y and its kin in recorded functions: the graph writes what the function does, and raises where it does."""

import operator

import flambeau as fl
import numpy as np
import pytest


def test_a_recorded_function_writes_as_the_function_does():
    kept = fl.zeros(2)

    def function(x):
        nonlocal kept
        y = fl.exp(x)
        y += x
        y[0] = 7.0
        y[1:] *= 2
        x -= 1
        kept += y
        return y * x

    graph = fl.record(function, fl.ones(2))
    assert kept.tolist() == [0.0, 0.0]
    ours, given_ = fl.tensor([1.0, 2.0]), fl.tensor([1.0, 2.0])
    assert graph.run(ours).tolist() == pytest.approx([0.0, 2 * (np.exp(2) + 2)])
    assert ours.tolist() == [0.0, 1.0]
    after = kept.tolist()
    kept -= kept.copy()
    function(given_)
    assert kept.tolist() == after
    assert given_.tolist() == ours.tolist()


LOOKS = {
    "itself": lambda h: h, "a view": lambda h: h[1:], "reshaped": lambda h: h.reshape(1, 3),
    "detached": lambda h: h.detach(), "a view of a detached": lambda h: h.detach()[:2],
}  # fmt: skip
WRITES = {
    "+=": lambda x: operator.iadd(x, 1), "[0] =": lambda x: operator.setitem(x, 0, 7.0),
    "[...] =": lambda x: operator.setitem(x, ..., 3.0),
    "where": lambda x: operator.setitem(x, ..., fl.where(x > 1, -1.0, x)),
}  # fmt: skip


def written(saved, look, write):
    """Losses whose derivative reads a result, what is captured, or an argument; which is written before the walk."""
    kept = fl.ones(3)

    def loss(w, b):
        h = {"result": lambda: fl.exp(w), "captured": lambda: kept, "argument": lambda: b}[saved]()
        y = (h if saved == "result" else w * h) + 0
        with fl.no_grad():
            write(look(h))
        return y.sum()

    return fl.grad(loss)


@pytest.mark.parametrize("saved", ["result", "captured", "argument"])
@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_a_derivative_saved_is_not_written_through_any_look_at_it_recorded_or_not(saved, look, write):
    for run in (lambda f, *given: f(*given), fl.record):
        with pytest.raises(RuntimeError, match="was written in place after the forward pass had saved it"):
            run(written(saved, look, write), fl.ones(3), fl.ones(3))


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_what_no_derivative_has_saved_yet_may_be_written_in_a_recorded_function_too(look, write):
    def loss(w, b):
        h = w + b
        with fl.no_grad():
            write(look(h))
            write(look(b))
        return (h * h * b).sum()

    w, b = fl.tensor([0.5, 1.5, -2.0]), fl.tensor([1.0, 2.0, 3.0])
    eager = fl.grad(loss)(w, b.copy())
    assert fl.record(fl.grad(loss), w, b).run(w, b.copy()).tolist() == eager.tolist()


def test_in_a_recorded_function_a_detached_tensor_would_not_learn_of_a_gradient_either():
    def function(w):
        h = w * 2
        apart = h.detach()
        h += w
        return (h + apart).sum()

    for run in (fl.grad(function), lambda w: fl.record(fl.grad(function), w)):
        with pytest.raises(RuntimeError, match="another tensor looks into x's memory"):
            run(fl.ones(3))


def test_a_graph_writes_into_no_element_that_stands_for_several():
    def function(x):
        same = fl.broadcast_to(x, (3,))
        same += fl.arange(3.0)
        return same

    with pytest.raises(ValueError, match="one and the same in memory"):
        function(fl.zeros(1))
    with pytest.raises(ValueError, match="one and the same in memory"):
        fl.record(function, fl.zeros(1)).run(fl.zeros(1))


def test_a_recorded_step_by_hand_trains():
    x, wanted, w = fl.tensor([1.0, 2.0, 3.0]), fl.tensor([2.0, 4.0, 6.0]), fl.zeros(1)

    def loss(w, x, wanted):
        hidden = x * w
        hidden -= wanted
        return (hidden**2).mean()

    def step(x, wanted):
        nonlocal w
        gradient = fl.grad(loss)(w, x, wanted)
        w -= 0.1 * gradient
        return gradient

    graph = fl.record(step, x, wanted)
    for _ in range(30):
        graph.run(x, wanted)
    assert float(w[0]) == pytest.approx(2.0, abs=1e-4)
