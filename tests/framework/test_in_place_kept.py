"""Who keeps what x += y writes: derivatives, Functions, checkpoints and other threads find it as it was, or raise."""

import operator
import threading

import flambeau as fl
import numpy as np
import pytest

from tests.framework.beside_torch import torch


def test_what_was_saved_before_a_write_is_found_as_it_was_or_raises_in_backward():
    w = fl.tensor([1.0, 2.0], requires_grad=True)
    x = w * 3
    y = x * x
    x += w
    x[0] = 7.0 * w[1]
    (y.sum() + x.sum()).backward()
    assert w.grad.tolist() == [18.0, 36.0 + 7.0 + 4.0]
    b = fl.tensor([3.0, 4.0])
    y = w * b
    b += 1
    with pytest.raises(RuntimeError, match=r"backward of multiply.*written in place"):
        y.sum().backward()


class Squared(fl.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx, gradient):
        (x,) = ctx.saved_tensors
        return 2 * x * gradient


KEEPS = {
    "a Function": lambda x, w: Squared.apply(x),
    "a checkpoint's argument": lambda x, w: fl.checkpoint(lambda x: x * x, x),
    "a checkpointed function": lambda x, w: fl.checkpoint(lambda w: w * x, w),
}


@pytest.mark.parametrize("keeps", KEEPS.values(), ids=KEEPS)
@pytest.mark.parametrize("write", [operator.iadd, lambda x, w: operator.setitem(x, 0, w[1])], ids=["+=", "[0] ="])
def test_who_keeps_the_object_finds_that_it_stands_for_another_tensor(keeps, write):
    w = fl.ones(2).requires_grad_()
    x = w * 3
    y = keeps(x, w)
    write(x, w)
    with pytest.raises(RuntimeError, match="was written in place after the forward pass had saved it"):
        y.sum().backward()


def test_a_checkpointed_function_may_write_what_its_derivatives_had_read():
    def function(w):
        h = fl.exp(w)
        k = h * h
        h += w
        h[0] = k[1]
        h /= w
        h = h.reshape(1, 2)
        h /= k
        return (k * h).sum()

    gradients = []
    for call in (function, lambda w: fl.checkpoint(function, w)):
        w = fl.tensor([0.5, -1.0]).requires_grad_()
        call(w).backward()
        gradients.append(w.grad.tolist())
    assert gradients[0] == gradients[1]


@pytest.mark.parametrize("look", [lambda h: h, lambda h: h.reshape(1, 2)], ids=["itself", "a view"])
def test_a_result_that_its_derivative_reads_is_not_written_in_a_checkpoint_either(look):
    def function(w):
        h = fl.exp(w)
        y = h + 0
        with fl.no_grad():
            look(h).__imul__(2)
        return y.sum()

    for call in (function, lambda w: fl.checkpoint(function, w)):
        with pytest.raises(RuntimeError, match=r"backward of exp: its result of shape \(2,\) was written in place"):
            call(fl.ones(2).requires_grad_()).backward()


def test_a_checkpointed_function_that_writes_its_argument_raises_where_its_second_call_would_find_another():
    def function(x):
        x += w
        return x * x

    w = fl.ones(2).requires_grad_()
    y = fl.checkpoint(function, w * 1)
    with pytest.raises(RuntimeError, match="backward of multiply: its input of shape"):
        y.sum().backward()


class Runs:
    """An axis, or a number like NumPy's, that runs a program when it is read."""

    ndim = 0

    def __init__(self, program):
        self.program = program

    def __index__(self):
        self.program()
        return 0

    def item(self):
        self.program()
        return 1.0


@pytest.mark.parametrize(("call", "expected"), [
    (lambda x, y: fl.sum(x, axis=y), 4000.0), (lambda x, y: fl.add(x, y).sum(), 5000.0),
    (lambda x, y: (x + y).sum(), 5000.0), (lambda x, y: operator.iadd(x, y).sum(), 5000.0),
], ids=["an axis", "an operand", "of +", "of +="])  # fmt: skip
def test_what_the_other_argument_writes_into_a_tensor_when_it_is_read_is_what_the_call_computes_with(call, expected):
    w, kept = fl.ones(1000).requires_grad_(), []
    x = w * 3

    def program():
        nonlocal x
        x += w
        kept.extend(fl.full(1000, -5.0) for _ in range(20))  # in what was freed

    assert float(call(x, Runs(program))) == expected


def test_the_result_itself_stands_for_x_and_a_write_into_what_its_derivative_reads_is_found():
    w = fl.full(2, 2.0).requires_grad_()
    x = fl.full(2, 3.0)
    x /= w
    assert x.made_by == "divide"
    y = x.sum()
    with fl.no_grad():
        x *= 2
    with pytest.raises(RuntimeError, match=r"backward of divide: its result of shape \(2,\) was written in place"):
        y.backward()
    x = fl.full(2, 3.0)
    x /= w
    x /= w  # reads what the first has given
    x.sum().backward()
    assert w.grad.tolist() == [-0.75, -0.75]


def test_a_gradient_that_others_hold_does_not_take_up_a_gradient_of_its_own():
    w = fl.ones(2).requires_grad_()
    (w * w).sum().backward()
    held = w.grad
    with pytest.raises(RuntimeError, match="another tensor looks into x's memory"):
        held += w
    assert w.grad.tolist() == [2.0, 2.0]
    w.grad += 1
    assert w.grad.tolist() == [3.0, 3.0]


def test_what_the_tape_alone_keeps_does_not_stand_in_the_way_of_a_write():
    def program(library, w, net):
        x = w.reshape(2, 3, 2) * 0.5
        y, _ = net(x)
        z = library.exp(w * 0.1).reshape(2, 6)
        u = library.tanh(w).reshape(3, 4).T[1:]
        if library is fl:  # PyTorch writes into what these have saved, and raises in backward()
            y += x
            z *= 2
            z += w.reshape(2, 6)
            u += 1.0
        else:
            y, z, u = y + x, z * 2 + w.reshape(2, 6), u + 1.0
        return y.sum() + z.sum() * (u * u).sum()

    theirs = torch().tensor(np.linspace(-1, 1, 12, dtype=np.float32), requires_grad=True)
    ours = fl.tensor(np.linspace(-1, 1, 12, dtype=np.float32)).requires_grad_()
    their_net, net = torch().nn.LSTM(2, 2, batch_first=True), fl.nn.LSTM(2, 2, batch_first=True)
    net.load_state_dict({name: fl.asarray(x.detach().numpy()) for name, x in their_net.state_dict().items()})
    program(fl, ours, net).backward()
    program(torch(), theirs, their_net).backward()
    np.testing.assert_allclose(ours.grad.numpy(), theirs.grad.numpy(), rtol=1e-5)


def run_beside(body, other, seconds=0.4):
    """Run both again and again in two threads; errors of either are the test's."""
    errors, stop = [], threading.Event()

    def loop(function):
        try:
            while not stop.is_set():
                function()
        except BaseException as error:
            errors.append(error)
            stop.set()

    threads = [threading.Thread(target=loop, args=(function,)) for function in (body, other)]
    for thread in threads:
        thread.start()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_a_thread_that_reads_x_finds_x_as_it_was_or_is_and_no_freed_memory():
    n = 100_000
    w = fl.ones(n).requires_grad_()
    x = w * 1

    def read():
        with fl.no_grad():
            assert set(np.unique((x * 1).numpy())) <= {1.0, 2.0, 3.0, 4.0}

    def write():
        nonlocal x
        x = w * 1
        for _ in range(3):
            x += w
            x[0] = x[1] * 1
            fl.full(n, -5.0)  # in memory that was freed

    run_beside(read, write)


def test_a_net_that_is_loaded_meanwhile_computes_with_the_old_weights_or_the_new():
    net = fl.nn.Linear(256, 256, bias=False)
    net.load_state_dict({"weight": fl.ones((256, 256))})
    x = fl.ones((128, 256))

    def read():
        with fl.no_grad():
            y = net(x).numpy()
        assert set(np.unique(y)) <= {256.0, 512.0}

    def write():
        for value in (1.0, 2.0):
            net.load_state_dict({"weight": fl.full((256, 256), value)}, assign=True)
            fl.full((256, 256), -5.0)

    run_beside(read, write)
