"""Optimizers: the same steps as PyTorch's, groups, state that goes on, and the loss curve of a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn, optim

OPTIONS = {
    "plain": ("SGD", {"lr": 0.1}),
    "momentum": ("SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    "dampening": ("SGD", {"lr": 0.1, "momentum": 0.5, "dampening": 0.2, "maximize": True}),
    "adamw": ("AdamW", {"lr": 0.01}),
    "adamw options": ("AdamW", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1}),
    "adamw maximize": ("AdamW", {"lr": 0.01, "maximize": True}),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("float64", 1e-10)])
def test_the_loss_curve_over_100_steps_is_pytorchs(name: str, dtype: str, tolerance: float) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    torch.set_num_threads(1)  # its threads wait for one another by spinning, which takes seconds on a busy machine
    kind, options = OPTIONS[name]
    random = np.random.default_rng(7)
    images = random.normal(size=(100, 16, 12)).astype(dtype)
    classes = random.integers(0, 5, (100, 16))
    theirs = torch.nn.Sequential(torch.nn.Linear(12, 20), torch.nn.ReLU(), torch.nn.Linear(20, 5))
    theirs.to(getattr(torch, dtype))
    ours = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 5)).to(getattr(fl, dtype))
    ours.load_state_dict({key: fl.tensor(value.numpy()) for key, value in theirs.state_dict().items()})
    if options.get("maximize"):
        options = {**options, "lr": options["lr"] / 100}  # the loss grows without end otherwise
    expected = losses(
        theirs,
        getattr(torch.optim, kind)(theirs.parameters(), **options),
        torch.nn.functional.cross_entropy,
        torch.tensor,
        images,
        classes,
    )
    found = losses(
        ours,
        getattr(optim, kind)(ours.parameters(), **options),
        nn.functional.cross_entropy,
        fl.tensor,
        images,
        classes,
    )
    np.testing.assert_allclose(found, expected, rtol=tolerance)


def losses(
    net: Any,
    optimizer: Any,
    loss_of: Callable[..., Any],
    tensor: Callable[..., Any],
    images: np.ndarray,
    classes: np.ndarray,
) -> list[float]:
    found = []
    for image, target in zip(images, classes, strict=True):
        loss = loss_of(net(tensor(image)), tensor(target))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(loss.item())
    return found


def leaf(values: list[float]) -> fl.Tensor:
    return fl.tensor(values, requires_grad=True)


def test_groups_have_options_of_their_own() -> None:
    slow, fast = leaf([1.0]), leaf([1.0])
    optimizer = optim.SGD([{"params": [slow]}, {"params": [fast], "lr": 0.5}], lr=0.1)
    (slow + fast).sum().backward()
    optimizer.step()
    assert slow.item() == pytest.approx(0.9)
    assert fast.item() == 0.5
    optimizer.param_groups[0]["lr"] = 0.0
    optimizer.step()
    assert slow.item() == pytest.approx(0.9)


def test_a_parameter_without_a_gradient_stays() -> None:
    moved, left = leaf([1.0]), leaf([1.0])
    optimizer = optim.AdamW([moved, left], lr=0.1)
    moved.sum().backward()
    optimizer.step()
    assert left.item() == 1.0
    assert moved.item() != 1.0
    left.sum().backward()
    optimizer.step()  # the second step of one and the first of the other
    assert optimizer.state[moved]["step"] == 2
    assert optimizer.state[left]["step"] == 1


@pytest.mark.parametrize("make", [lambda p: optim.SGD(p, lr=0.1, momentum=0.9), lambda p: optim.AdamW(p, lr=0.1)])
def test_a_run_goes_on_from_its_state(make: Callable[..., optim.Optimizer]) -> None:
    def step(x: fl.Tensor, optimizer: optim.Optimizer) -> None:
        optimizer.zero_grad()
        (x * x * x).sum().backward()
        optimizer.step()

    x = leaf([1.0, 2.0])
    optimizer = make([x])
    for _ in range(3):
        step(x, optimizer)
    y = leaf(x.tolist())
    other = make([y])
    other.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        step(x, optimizer)
        step(y, other)
    assert x.tolist() == y.tolist()


def test_a_state_of_other_groups_is_refused() -> None:
    state = optim.SGD([leaf([1.0]), leaf([2.0])], lr=0.1).state_dict()
    with pytest.raises(ValueError, match=r"the saved groups have \[2\] parameters, this optimizer's \[1\]"):
        optim.SGD([leaf([1.0])], lr=0.1).load_state_dict(state)


def test_a_step_is_one_native_call_for_all_parameters(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    step = optim.sgd._step

    def counted(inputs: list[fl.Tensor], **options: Any) -> object:
        calls.append(len(inputs))
        return step(inputs, **options)

    monkeypatch.setattr(optim.sgd, "_step", counted)
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    net(fl.ones((2, 3))).sum().backward()
    optimizer.step()
    assert calls == [12]  # four parameters, four gradients, four buffers


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: optim.SGD([], lr=0.1), "no parameters"),
        (lambda: optim.SGD([leaf([1.0])], lr=-1.0), "lr is -1.0; it is a finite number"),
        (lambda: optim.SGD([leaf([1.0])], lr=float("inf")), "lr is inf; it is a finite number"),
        (lambda: optim.SGD([leaf([1.0])], lr="fast"), "lr is 'fast'; it is a number"),
        (lambda: optim.SGD(None), "pass net.parameters"),
        (lambda: optim.AdamW([leaf([1.0])], betas=0.9), "they are two numbers"),
        (lambda: optim.AdamW([leaf([1.0])], betas=(0.9,)), "they are two numbers"),
        (lambda: optim.AdamW([leaf([1.0])]).load_state_dict({}), "has the entries state and param_groups"),
        (lambda: optim.SGD([leaf([1.0])], nesterov=True), "nesterov needs a momentum"),
        (lambda: optim.AdamW([leaf([1.0])], betas=(0.9, 1.0)), "they are two numbers, each at least 0 and below 1"),
        (lambda: optim.SGD([{"params": [leaf([1.0])], "speed": 2}]), "speed is no option; there are lr"),
        (lambda: optim.SGD([[1.0]]), "not a tensor"),
        (lambda: optim.SGD([leaf([1.0]) * 2]), "pass leaves"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_the_same_parameter_twice_is_refused() -> None:
    x = leaf([1.0])
    with pytest.raises(ValueError, match="parameter 1 is there twice"):
        optim.SGD([x, x])
