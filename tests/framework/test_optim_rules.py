"""Every optimizer step by step beside PyTorch's, states that travel, schedulers' values, averaged weights."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn, optim
from flambeau.optim import lr_scheduler, swa_utils

from tests.framework.beside_torch import torch

RULES: dict[str, tuple[str, dict[str, Any]]] = {
    "adam": ("Adam", {"lr": 0.05}),
    "adam options": ("Adam", {"lr": 0.02, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": 0.1, "maximize": True}),
    "amsgrad": ("Adam", {"lr": 0.05, "amsgrad": True}),
    "adamw amsgrad": ("AdamW", {"lr": 0.05, "amsgrad": True}),
    "rmsprop": ("RMSprop", {"lr": 0.02}),
    "rmsprop options": ("RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.5, "centered": True, "weight_decay": 0.1}),
    "adagrad": ("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.01, "initial_accumulator_value": 0.2}),
    "lbfgs": ("LBFGS", {"lr": 0.1, "max_iter": 4}),
    "lbfgs search": ("LBFGS", {"line_search_fn": "strong_wolfe", "max_iter": 2, "history_size": 3}),
}


def problem(library: Any, make: Callable[..., Any], dtype: str) -> tuple[list[Any], Callable[[], Any]]:
    """Two parameters, and a smooth loss of them that changes from step to step a little."""
    random = np.random.default_rng(4)
    leaves = [make(random.normal(size=shape).astype(dtype)) for shape in ((3, 4), (4,))]
    for leaf in leaves:
        leaf.requires_grad_(True)
    target = make(random.normal(size=(5, 4)).astype(dtype))
    inputs = make(random.normal(size=(5, 3)).astype(dtype))

    def loss() -> Any:
        away = library.tanh(inputs @ leaves[0] + leaves[1]) - target
        return (away * away).sum() + 0.01 * (leaves[0] * leaves[0]).sum()

    return leaves, loss


def run(optimizer: Any, loss: Callable[[], Any], steps: int) -> None:
    def closure() -> Any:
        optimizer.zero_grad()
        value = loss()
        value.backward()
        return value

    for _ in range(steps):
        optimizer.step(closure)


@pytest.mark.torch
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 2e-4), ("float64", 1e-9)])
def test_fifty_steps_are_pytorchs(name: str, dtype: str, tolerance: float) -> None:
    module = torch()
    kind, options = RULES[name]
    steps = 10 if kind == "LBFGS" else 50  # each of its steps is several
    if kind == "LBFGS" and dtype == "float32":
        pytest.skip("it goes on until rounding decides")
    here, loss_here = problem(fl, fl.tensor, dtype)
    there, loss_there = problem(module, module.tensor, dtype)
    run(getattr(optim, kind)(here, **options), loss_here, steps)
    run(getattr(module.optim, kind)(there, **options), loss_there, steps)
    for ours, theirs in zip(here, there, strict=True):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=tolerance, atol=tolerance if kind != "LBFGS" else 1e-6
        )


@pytest.mark.torch
@pytest.mark.parametrize("name", [*RULES, "sgd", "adamw"])
def test_states_travel_both_ways(name: str) -> None:
    module = torch()
    kind, options = RULES.get(name, ({"sgd": "SGD", "adamw": "AdamW"}.get(name, ""), {"lr": 0.05}))
    if name == "sgd":
        options = {"lr": 0.05, "momentum": 0.9}
    here, loss_here = problem(fl, fl.tensor, "float64")
    there, loss_there = problem(module, module.tensor, "float64")
    theirs = getattr(module.optim, kind)(there, **options)
    run(theirs, loss_there, 3)
    ours = getattr(optim, kind)(here, **options)
    for left, right in zip(here, there, strict=True):
        with fl.no_grad():
            left[...] = fl.tensor(right.detach().numpy())
    ours.load_state_dict(converted(theirs.state_dict(), module.Tensor, lambda x: fl.tensor(x.numpy())))
    run(ours, loss_here, 3)
    theirs.load_state_dict(converted(ours.state_dict(), fl.Tensor, lambda x: module.tensor(x.numpy())))
    for left, right in zip(here, there, strict=True):
        with module.no_grad():
            right.copy_(module.tensor(left.detach().numpy()))
    run(ours, loss_here, 2)
    run(theirs, loss_there, 2)
    for left, right in zip(here, there, strict=True):
        np.testing.assert_allclose(left.detach().numpy(), right.detach().numpy(), rtol=1e-8, atol=1e-9)


def converted(tree: Any, kind: type, convert: Callable[[Any], Any]) -> Any:
    if isinstance(tree, kind):
        return convert(tree.detach())  # type: ignore[attr-defined]  # a tensor of either library
    if isinstance(tree, dict):
        return {name: converted(value, kind, convert) for name, value in tree.items()}
    return [converted(value, kind, convert) for value in tree] if isinstance(tree, list) else tree


def test_lion_steps_by_the_sign_as_its_authors_wrote_it() -> None:
    leaves, loss = problem(fl, fl.tensor, "float64")
    optimizer = optim.Lion(leaves, lr=0.01, betas=(0.9, 0.99), weight_decay=0.1)
    expected, mean = leaves[0].detach().numpy().copy(), np.zeros((3, 4))
    for _ in range(50):
        optimizer.zero_grad()
        loss().backward()
        assert leaves[0].grad is not None
        gradient = leaves[0].grad.numpy().copy()
        expected = expected * (1 - 0.01 * 0.1) - 0.01 * np.sign(0.9 * mean + 0.1 * gradient)
        mean = 0.99 * mean + 0.01 * gradient
        optimizer.step()
        np.testing.assert_allclose(leaves[0].detach().numpy(), expected, rtol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize("adjust", [None, "match_rms_adamw"])
@pytest.mark.parametrize("shape", [(6, 4), (3, 8)])
def test_muon_is_pytorchs_within_what_bfloat16_holds(adjust: str | None, shape: tuple[int, int]) -> None:
    module = torch()
    random = np.random.default_rng(0)
    start, gradients = random.normal(size=shape), random.normal(size=(10, *shape))
    ours, theirs = fl.tensor(start, requires_grad=True), module.tensor(start, requires_grad=True)
    options = {"lr": 0.02, "adjust_lr_fn": adjust}
    optimizers = optim.Muon([ours], **options), module.optim.Muon([theirs], **options)
    for gradient in gradients:
        ours.grad, theirs.grad = fl.tensor(gradient), module.tensor(gradient)
        for optimizer in optimizers:
            optimizer.step()
    moved = np.abs(theirs.detach().numpy() - start).max()
    assert np.abs(ours.detach().numpy() - theirs.detach().numpy()).max() < 0.05 * moved


def test_a_minimum_is_found_by_line_search() -> None:
    """Rosenbrock's valley, whose least value is 0 at (1, 1)."""
    x = fl.tensor([-1.2, 1.0], dtype=fl.float64, requires_grad=True)
    optimizer = optim.LBFGS([x], max_iter=100, tolerance_change=1e-14, line_search_fn="strong_wolfe")

    def closure() -> fl.Tensor:
        optimizer.zero_grad()
        loss = (1 - x[0]) ** 2 + 100 * (x[1] - x[0] ** 2) ** 2
        loss.backward()
        return loss

    first = optimizer.step(closure)
    optimizer.step(closure)
    assert first.item() == pytest.approx(24.2)
    np.testing.assert_allclose(x.tolist(), [1.0, 1.0], atol=1e-5)


SCHEDULERS: dict[str, tuple[str, dict[str, Any]]] = {
    "StepLR": ("StepLR", {"step_size": 4, "gamma": 0.3}),
    "MultiStepLR": ("MultiStepLR", {"milestones": [3, 3, 9], "gamma": 0.5}),
    "ConstantLR": ("ConstantLR", {"factor": 0.2, "total_iters": 4}),
    "LinearLR": ("LinearLR", {"start_factor": 0.1, "total_iters": 6}),
    "PolynomialLR": ("PolynomialLR", {"total_iters": 7, "power": 2.0}),
    "ExponentialLR": ("ExponentialLR", {"gamma": 0.9}),
    "CosineAnnealingLR": ("CosineAnnealingLR", {"T_max": 8, "eta_min": 0.01}),
    "CosineAnnealingWarmRestarts": ("CosineAnnealingWarmRestarts", {"T_0": 3, "T_mult": 2, "eta_min": 0.01}),
    "LambdaLR": ("LambdaLR", {"lr_lambda": lambda step: 1 / (1 + step)}),
    "OneCycleLR": ("OneCycleLR", {"max_lr": [0.3, 0.2], "total_steps": 20}),
    "OneCycleLR linear": (
        "OneCycleLR",
        {"max_lr": 0.3, "epochs": 4, "steps_per_epoch": 5, "three_phase": True, "anneal_strategy": "linear"},
    ),
}


def two_groups(library: Any, make: Callable[..., Any], kind: str = "SGD") -> Any:
    leaves = [make([1.0]), make([2.0])]
    for leaf in leaves:
        leaf.requires_grad_(True)
    options = {"momentum": 0.9} if kind == "SGD" else {}
    return getattr(library, kind)([{"params": [leaves[0]]}, {"params": [leaves[1]], "lr": 0.5}], lr=0.1, **options)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")  # PyTorch wants optimizer steps between
@pytest.mark.parametrize("name", SCHEDULERS)
@pytest.mark.parametrize("optimizer", ["SGD", "AdamW"])
def test_the_values_of_schedulers_are_pytorchs(name: str, optimizer: str) -> None:
    module = torch()
    kind, options = SCHEDULERS[name]
    found = []
    for library, schedulers, make in (
        (optim, lr_scheduler, fl.tensor),
        (module.optim, module.optim.lr_scheduler, module.tensor),
    ):
        stepped = two_groups(library, make, optimizer)
        scheduler = getattr(schedulers, kind)(stepped, **options)
        rates = []
        for _ in range(19):
            rates.append(
                [
                    *scheduler.get_last_lr(),
                    *(group["lr"] for group in stepped.param_groups),
                    *(
                        group["momentum"] if "momentum" in group else group["betas"][0]
                        for group in stepped.param_groups
                    ),
                ]
            )
            scheduler.step()
        found.append(rates)
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-15)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore:Detected call of:UserWarning")
@pytest.mark.filterwarnings("ignore:The epoch parameter:UserWarning")
def test_schedulers_one_after_the_other_are_pytorchs() -> None:
    module = torch()
    found = []
    for library, schedulers, make in (
        (optim, lr_scheduler, fl.tensor),
        (module.optim, module.optim.lr_scheduler, module.tensor),
    ):
        optimizer = two_groups(library, make)
        parts = [
            schedulers.LinearLR(optimizer, 0.1, total_iters=4),
            schedulers.CosineAnnealingLR(optimizer, 10),
            schedulers.ExponentialLR(optimizer, 0.5),
        ]
        scheduler = schedulers.SequentialLR(optimizer, parts, milestones=[4, 12])
        found.append([(scheduler.step(), list(scheduler.get_last_lr()))[1] for _ in range(16)])
    np.testing.assert_allclose(found[0], found[1], rtol=1e-12, atol=1e-15)


@pytest.mark.torch
@pytest.mark.parametrize("options", [{}, {"mode": "max", "threshold_mode": "abs", "cooldown": 2}, {"min_lr": 0.05}])
def test_a_plateau_is_found_where_pytorch_finds_it(options: dict[str, Any]) -> None:
    module = torch()
    figures = np.random.default_rng(1).normal(size=40).cumsum()
    found = []
    for library, schedulers, make in (
        (optim, lr_scheduler, fl.tensor),
        (module.optim, module.optim.lr_scheduler, module.tensor),
    ):
        optimizer = two_groups(library, make)
        scheduler = schedulers.ReduceLROnPlateau(optimizer, patience=2, factor=0.5, **options)
        found.append(
            [(scheduler.step(figure), [group["lr"] for group in optimizer.param_groups])[1] for figure in figures]
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("name", [*SCHEDULERS, "Sequential"])
def test_a_schedule_goes_on_from_its_state(name: str) -> None:
    def make() -> tuple[optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = two_groups(optim, fl.tensor)
        if name == "Sequential":
            parts = [lr_scheduler.LinearLR(optimizer, 0.1), lr_scheduler.ExponentialLR(optimizer, 0.5)]
            return optimizer, lr_scheduler.SequentialLR(optimizer, parts, [5])
        kind, options = SCHEDULERS[name]
        return optimizer, getattr(lr_scheduler, kind)(optimizer, **options)

    (optimizer, scheduler), (other, resumed) = make(), make()
    for _ in range(7):
        scheduler.step()
    resumed.load_state_dict(scheduler.state_dict())
    other.load_state_dict(optimizer.state_dict())
    for _ in range(5):
        scheduler.step()
        resumed.step()
    assert resumed.get_last_lr() == scheduler.get_last_lr()
    with pytest.raises(ValueError, match=r"lacks|must have"):
        resumed.load_state_dict({})


def test_averaged_weights_follow_the_model() -> None:
    net = nn.Linear(1, 1, bias=False)
    averages = swa_utils.AveragedModel(net, avg_fn=swa_utils.get_ema_avg_fn(0.5)), swa_utils.AveragedModel(net)
    for value in (1.0, 3.0, 5.0):
        nn.init.constant_(net.weight, value)
        for average in averages:
            average.update_parameters(net)
    assert averages[0].module.weight.tolist() == [[3.5]]
    assert averages[1].module.weight.tolist() == [[3.0]]
    assert averages[1](fl.ones((1, 1))).tolist() == [[3.0]]
    assert sorted(averages[0].state_dict()) == ["module.weight", "n_averaged"]
    with pytest.raises(ValueError, match="other parameters"):
        averages[0].update_parameters(nn.Linear(1, 1))
    with pytest.raises(ValueError, match="between 0 and 1"):
        swa_utils.get_ema_avg_fn(2.0)


def leaf() -> fl.Tensor:
    return fl.tensor([1.0], requires_grad=True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: optim.Adam([leaf()], betas=(1.0, 0.9)), "Adam: betas are"),
        (lambda: optim.Lion([leaf()], betas=(0.9,)), "Lion: betas are"),
        (lambda: optim.RMSprop([leaf()], alpha=-1.0), "alpha is -1.0"),
        (lambda: optim.Adagrad([leaf()], eps=math.nan), "eps is nan"),
        (lambda: optim.Muon([leaf()]), "Muon steps matrices"),
        (lambda: optim.Muon([fl.zeros((2, 2))], adjust_lr_fn="x"), "adjust_lr_fn is 'x'"),
        (lambda: optim.Muon([fl.zeros((2, 2))], ns_steps=0), "ns_steps is 0"),
        (lambda: optim.LBFGS([leaf()], line_search_fn="x"), "line_search_fn is 'x'"),
        (lambda: optim.LBFGS([leaf()]).step(), "needs a closure"),
        (lambda: optim.LBFGS([leaf()]).step(lambda: 1.0), "it must give the loss"),
        (lambda: optim.LBFGS([{"params": [leaf()]}, {"params": [leaf()]}]), "it takes one"),
        (lambda: lr_scheduler.StepLR(3, 1), "is no optimizer"),
        (lambda: lr_scheduler.StepLR(two_groups(optim, fl.tensor), 0), "must be positive"),
        (lambda: lr_scheduler.LambdaLR(two_groups(optim, fl.tensor), []), "0 functions for 2 groups"),
        (lambda: lr_scheduler.LinearLR(two_groups(optim, fl.tensor), 0.0), "above 0"),
        (lambda: lr_scheduler.OneCycleLR(two_groups(optim, fl.tensor), 0.1), "give total_steps"),
        (lambda: lr_scheduler.OneCycleLR(two_groups(optim, fl.tensor), [0.1], 5), "1 max_lr for 2 groups"),
        (lambda: lr_scheduler.OneCycleLR(optim.Adagrad([leaf()]), 0.1, 5), "cycle_momentum=False"),
        (lambda: lr_scheduler.SequentialLR(two_groups(optim, fl.tensor), [], []), "need 0 milestones"),
        (lambda: lr_scheduler.ReduceLROnPlateau(two_groups(optim, fl.tensor), factor=1.0), "so that the rate falls"),
        (lambda: lr_scheduler.StepLR(two_groups(optim, fl.tensor), 3, last_epoch=4), "load the optimizer's state"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], object], message: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=message):
        wrong()


def test_a_cycle_that_is_over_says_so() -> None:
    scheduler = lr_scheduler.OneCycleLR(two_groups(optim, fl.tensor), 0.1, 2)
    scheduler.step()
    scheduler.step()
    with pytest.raises(ValueError, match="total_steps is 2"):
        scheduler.step()
