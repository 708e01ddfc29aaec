"""The same computation here and in PyTorch: values and the gradients of all that is a float."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn


def torch() -> Any:
    """PyTorch on one thread: its threads wait for one another by spinning. Skips the test where it is missing."""
    module = pytest.importorskip("torch", reason="PyTorch is not installed")
    module.set_num_threads(1)
    return module


def same(
    ours: Callable[..., Any], theirs: Callable[..., Any], *arrays: np.ndarray, rtol: float = 1e-10, atol: float = 1e-11
) -> None:
    """Assert that both give the same for the same arrays, and the same gradients of a weighted sum of the results."""
    found = [_run(ours, arrays, lambda a: fl.tensor(a)), _run(theirs, arrays, torch().tensor)]
    for left, right in zip(*found, strict=True):
        np.testing.assert_allclose(left, right, rtol=rtol, atol=atol)


def _run(call: Callable[..., Any], arrays: tuple[np.ndarray, ...], make: Callable[..., Any]) -> list[np.ndarray]:
    leaves = [make(array) for array in arrays]
    for leaf, array in zip(leaves, arrays, strict=True):
        if array.dtype.kind == "f":
            leaf.requires_grad_(True)
    results = _flat(call(*leaves))
    total: Any = 0.0
    for number, result in enumerate(results):
        if result.requires_grad:
            flat = result.reshape(-1)
            total = total + (flat * make(np.cos(np.arange(flat.shape[0]) + number))).sum()
    total.backward()
    return [np.asarray(x.detach().numpy()) for x in results] + [
        np.asarray(x.grad.numpy()) for x in leaves if x.grad is not None
    ]


def _flat(results: Any) -> list[Any]:
    if isinstance(results, tuple | list):
        return [x for part in results for x in _flat(part)]
    return [] if results is None else [results]


def same_layer(
    ours: nn.Module,
    theirs: Any,
    *arrays: np.ndarray,
    call: Callable[..., Any] | None = None,
    rtol: float = 1e-9,
    atol: float = 1e-10,
) -> None:
    """Assert the same of two layers in float64, weights carried over by name and back: values and all gradients."""
    module = torch()
    ours.double()
    theirs.double()
    state = {name: fl.tensor(value.detach().numpy()) for name, value in theirs.state_dict().items()}
    ours.load_state_dict(state)
    theirs.load_state_dict({name: module.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    call = call or (lambda layer, *inputs: layer(*inputs))
    same(lambda *inputs: call(ours, *inputs), lambda *inputs: call(theirs, *inputs), *arrays, rtol=rtol, atol=atol)
    own, others = dict(ours.named_parameters()), dict(theirs.named_parameters())
    assert set(own) == set(others)
    for name, parameter in others.items():
        if parameter.grad is None:
            assert own[name].grad is None, name
        else:
            np.testing.assert_allclose(
                own[name].grad.numpy(), parameter.grad.numpy(), rtol=rtol, atol=atol, err_msg=name
            )


def same_beginnings(ours: Callable[[], nn.Module], theirs: Callable[[], Any], *, rtol: float = 0.05) -> None:
    """Assert that parameters begin with the same mean, deviation and bounds, within what chance explains."""
    fl.manual_seed(3)
    torch().manual_seed(3)
    here, there = dict(ours().named_parameters()), dict(theirs().named_parameters())
    assert {name: tuple(p.shape) for name, p in here.items()} == {name: tuple(p.shape) for name, p in there.items()}
    for name, parameter in here.items():
        mine, other = (np.asarray(p.detach().numpy(), dtype=float).ravel() for p in (parameter, there[name]))
        spread = max(other.std(), 1e-12)
        chance = 5 / np.sqrt(mine.size)
        assert abs(mine.mean() - other.mean()) <= 1.5 * chance * spread, name
        assert abs(mine.std() - other.std()) <= max(rtol, chance) * spread, name
        assert abs(np.abs(mine).max() - np.abs(other).max()) <= max(0.1, 2 * chance) * max(np.abs(other).max(), 1e-12)


def arrays_of(random: np.random.Generator, *shapes: tuple[int, ...]) -> list[np.ndarray]:
    """Normal numbers of these shapes."""
    return [random.normal(size=shape) for shape in shapes]


State = Mapping[str, fl.Tensor]
