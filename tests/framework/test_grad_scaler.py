"""GradScaler: PyTorch's rules step by step, and the one call that unscales and looks for what is not finite."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import flambeau as fl
import numpy as np
import pytest
from flambeau import _core, nn, optim
from flambeau.amp import GradScaler
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.framework.beside_torch import torch

OPTIONS = {"init_scale": 64.0, "growth_factor": 1.5, "backoff_factor": 0.3, "growth_interval": 2}


def _scaler(**options: Any) -> GradScaler:
    return GradScaler(**{**OPTIONS, **options})


@pytest.mark.torch
@settings(deadline=None, max_examples=40)
@given(st.lists(st.sampled_from([1.0, 0.5, 3.0, math.inf, -math.inf, math.nan]), min_size=1, max_size=12))
def test_scales_steps_and_weights_are_pytorchs(factors: list[float]) -> None:
    module = torch()
    theirs = module.nn.Parameter(module.tensor([1.0, -2.0]))
    ours = nn.Parameter(fl.tensor([1.0, -2.0]))
    their_optimizer = module.optim.SGD([theirs], lr=0.01, momentum=0.9)
    our_optimizer = optim.SGD([ours], lr=0.01, momentum=0.9)
    their_scaler, our_scaler = module.amp.GradScaler("cpu", **OPTIONS), _scaler()
    for factor in factors:
        for x, optimizer, scaler in ((theirs, their_optimizer, their_scaler), (ours, our_optimizer, our_scaler)):
            optimizer.zero_grad()
            scaler.scale((x * x * factor).sum()).backward()
            scaler.step(optimizer)
            scaler.update()
        assert our_scaler.get_scale() == their_scaler.get_scale()
        assert our_scaler.state_dict() == their_scaler.state_dict()
        np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-5, atol=1e-6)


def test_two_optimizers_are_judged_apart_and_share_the_scale() -> None:
    good, bad = nn.Parameter(fl.ones(2)), nn.Parameter(fl.ones(2))
    optimizers = optim.SGD([good], lr=1.0), optim.SGD([bad], lr=1.0)
    scaler = _scaler()
    scaler.scale(good.sum() + (bad * math.inf).sum()).backward()
    for optimizer in optimizers:
        scaler.step(optimizer)
    scaler.update()
    assert (good.tolist(), bad.tolist()) == ([0.0, 0.0], [1.0, 1.0])
    assert scaler.get_scale() == pytest.approx(64 * 0.3)


def test_gradients_may_be_clipped_between_unscaling_and_the_step() -> None:
    w = nn.Parameter(fl.zeros(2))
    optimizer, scaler = optim.SGD([w], lr=1.0), _scaler()
    scaler.scale((w * fl.tensor([3.0, 4.0])).sum()).backward()
    scaler.unscale_(optimizer)
    assert w.grad is not None
    assert w.grad.tolist() == [3.0, 4.0]
    nn.utils.clip_grad_norm_([w], 1.0)
    scaler.step(optimizer)
    np.testing.assert_allclose(w.tolist(), [-0.6, -0.8], rtol=1e-5)


def test_float16_trains_where_it_would_lose_its_gradients() -> None:
    w = nn.Parameter(fl.full((1, 8), 1e-3))
    x = fl.full((1, 8), 1e-2)

    def gradient(scaler: GradScaler) -> float:
        w.grad = None
        with fl.autocast(dtype=fl.float16):
            loss = (nn.functional.linear(x, w).astype(fl.float32) * 1e-6).sum()
        scaler.scale(loss).backward()
        scaler.unscale_(optim.SGD([w], lr=1.0))
        assert w.grad is not None
        return float(w.grad[0, 0].item())

    assert gradient(GradScaler(init_scale=1.0)) != pytest.approx(1e-8, rel=0.01)
    assert gradient(GradScaler()) == pytest.approx(1e-8, rel=0.01)


def test_a_loss_that_is_nan_skips_the_step_and_the_scale_falls() -> None:
    w = nn.Parameter(fl.ones(2))
    optimizer, scaler = optim.AdamW([w], lr=1.0), _scaler()
    scaler.scale((w * math.nan).sum()).backward()
    assert scaler.step(optimizer) is None
    scaler.update()
    assert w.tolist() == [1.0, 1.0]
    assert not optimizer.state
    assert scaler.get_scale() < 64


def test_a_loss_that_is_infinite_whatever_the_scale_ends_in_an_error_that_says_so() -> None:
    w = nn.Parameter(fl.ones(2))
    optimizer, scaler = optim.SGD([w], lr=1.0), GradScaler()

    def step(factor: float) -> None:
        optimizer.zero_grad()
        scaler.scale((w * factor).sum()).backward()
        scaler.step(optimizer)
        scaler.update()

    for _ in range(142):
        step(math.inf)
    with pytest.raises(RuntimeError, match=r"infinite or NaN in 143 steps in a row.*fl\.detect_anomaly"):
        step(math.inf)
    assert scaler.get_scale() == 2.0**-126
    with pytest.raises(RuntimeError, match="144 steps"):
        step(math.nan)
    scaler.scale((w * 1.0).sum()).backward()
    scaler.update(1024.0)
    step(0.25)
    assert (scaler.get_scale(), w.tolist()) == (1024.0, [0.75, 0.75])


def _ready() -> tuple[optim.SGD, GradScaler, nn.Parameter]:
    w = nn.Parameter(fl.ones(2))
    scaler = _scaler()
    scaler.scale(w.sum()).backward()
    return optim.SGD([w], lr=0.1), scaler, w


def test_calls_in_another_order_are_refused() -> None:
    optimizer, scaler, w = _ready()
    with pytest.raises(RuntimeError, match=r"update: no gradients were looked at"):
        scaler.update()
    scaler.unscale_(optimizer)
    with pytest.raises(RuntimeError, match="unscaled already"):
        scaler.unscale_(optimizer)
    scaler.step(optimizer)
    before = w.tolist()
    with pytest.raises(RuntimeError, match="has been called for this optimizer since the last update"):
        scaler.step(optimizer)
    with pytest.raises(RuntimeError, match=r"step\(\) has been called since"):
        scaler.unscale_(optimizer)
    assert w.tolist() == before
    scaler.update()
    scaler.step(optimizer)


def test_closures_are_refused() -> None:
    optimizer, scaler, w = _ready()
    for call in (lambda: scaler.step(optimizer, lambda: w.sum()), lambda: scaler.step(optimizer, closure=lambda: 0.0)):
        with pytest.raises(RuntimeError, match="a closure cannot be scaled"):
            call()


def test_an_optimizer_without_gradients_is_refused() -> None:
    with pytest.raises(RuntimeError, match=r"no parameter of this optimizer has a gradient; call backward\(\)"):
        _scaler().step(optim.SGD([nn.Parameter(fl.ones(1))], lr=0.1))


def test_parameters_in_float16_are_refused() -> None:
    w = nn.Parameter(fl.ones(2, dtype=fl.float16))
    w.sum().backward()
    with pytest.raises(ValueError, match="a gradient is float16"):
        _scaler().unscale_(optim.SGD([w], lr=0.1))


@pytest.mark.parametrize(
    "wrong",
    [
        {"init_scale": 0.0},
        {"init_scale": math.inf},
        {"init_scale": 1e-40},
        {"init_scale": 1e39},
        {"growth_factor": 1.0},
        {"backoff_factor": 1.0},
        {"growth_interval": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is"):
        _scaler(**wrong)


@pytest.mark.parametrize("wrong", ["abc", 3.0, {"a": fl.ones(1)}])
def test_only_tensors_are_scaled(wrong: Any) -> None:
    with pytest.raises(TypeError, match="neither a tensor nor a list of tensors"):
        _scaler().scale(wrong)


def test_lists_are_scaled_one_by_one() -> None:
    first, (second,) = _scaler().scale((fl.ones(1), [fl.ones(1, dtype=fl.bfloat16)]))
    assert (first.tolist(), second.tolist(), second.dtype) == ([64.0], [64.0], fl.bfloat16)
    assert GradScaler().scale(fl.tensor(0.25, dtype=fl.float16)).item() == 16384.0


class _Losses(NamedTuple):
    first: fl.Tensor
    others: list[fl.Tensor]


def test_named_tuples_stay_what_they_are_and_other_iterables_are_gone_through() -> None:
    losses = _scaler().scale(_Losses(fl.ones(1), [fl.ones(1), fl.zeros(1)]))
    assert isinstance(losses, _Losses)
    assert (losses.first.tolist(), [x.tolist() for x in losses.others]) == ([64.0], [[64.0], [0.0]])
    assert [x.tolist() for x in _scaler().scale(fl.full((1,), float(i)) for i in range(3))] == [[0.0], [64.0], [128.0]]


def test_a_scaler_that_is_switched_off_does_nothing() -> None:
    w = nn.Parameter(fl.ones(1))
    optimizer, scaler = optim.SGD([w], lr=1.0), GradScaler(enabled=False)
    loss = w.sum()
    assert scaler.scale(loss) is loss
    loss.backward()
    scaler.unscale_(optimizer)
    scaler.step(optimizer)
    scaler.update()
    assert (w.tolist(), scaler.get_scale(), scaler.state_dict()) == ([0.0], 1.0, {})


@pytest.mark.torch
def test_a_saved_state_goes_on_here_and_comes_from_pytorch() -> None:
    their = torch().amp.GradScaler("cpu", **OPTIONS)
    theirs = {**their.state_dict(), "_growth_tracker": 1}
    scaler = GradScaler()
    scaler.load_state_dict(theirs)
    assert scaler.state_dict() == theirs
    with pytest.raises(ValueError, match=r"lacks _growth_tracker, backoff_factor.*was not enabled"):
        scaler.load_state_dict({})
    with pytest.raises(ValueError, match=r"growth_factor is 0\.5"):
        scaler.load_state_dict({**theirs, "growth_factor": 0.5})
    assert scaler.state_dict() == theirs


def test_the_scale_can_be_set() -> None:
    scaler = _scaler()
    scaler.update(128.0)
    assert scaler.get_scale() == 128.0
    scaler.update(fl.tensor(32.0))
    assert scaler.get_scale() == 32.0


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("bad", [None, math.inf, -math.inf, math.nan])
def test_what_is_not_finite_is_found_wherever_it_stands(dtype: str, device: str, bad: float | None) -> None:
    for size in (1, 7, 64, 40_000 if device == "cpu" else 100):
        for place in {0, size // 2, size - 1}:
            values = np.full(size, 3.0)
            if bad is not None:
                values[place] = bad
            gradients = [fl.tensor(x, dtype=dtype, device=device) for x in (np.ones(5), values)]
            flag = fl.zeros((), dtype=dtype, device=device)
            _core.apply("unscale", [*gradients, flag], [0.5])
            assert flag.item() == (0.0 if bad is None else 1.0)
            assert gradients[0].tolist() == [0.5] * 5
            wanted = values * 0.5
            np.testing.assert_array_equal(gradients[1].to("cpu").to(fl.float64).numpy(), wanted)


def test_gradients_of_other_strides_are_unscaled_in_place() -> None:
    wide = fl.tensor(np.arange(12.0).reshape(3, 4))
    flag = fl.zeros((), dtype=fl.float64)
    _core.apply("unscale", [wide.T[1:3], flag], [10.0])
    expected = np.arange(12.0).reshape(3, 4)
    expected[:, 1:3] *= 10
    assert wide.tolist() == expected.tolist()


def test_gradients_of_several_dtypes_are_unscaled_together() -> None:
    single, double = nn.Parameter(fl.ones(3)), nn.Parameter(fl.ones(3, dtype=fl.float64))
    scaler = _scaler()
    scaler.scale(single.sum() + double.sum()).backward()
    scaler.unscale_(optim.SGD([single, double], lr=0.1))
    assert single.grad is not None
    assert double.grad is not None
    assert single.grad.tolist() == double.grad.tolist() == [1.0] * 3
