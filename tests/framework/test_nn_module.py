"""Module: registration by name, hooks, states that differ, lists and dictionaries of layers."""

from __future__ import annotations

from typing import Any

import flambeau as fl
import pytest
from flambeau import nn


class Doubling(nn.Module):
    """Counts its calls; what it computes is plain to see."""

    def __call__(self, x: fl.Tensor, *, plus: float = 0.0) -> fl.Tensor:
        return x * 2 + plus


class Tripling(Doubling):
    def __call__(self, x: fl.Tensor, *, plus: float = 0.0) -> fl.Tensor:
        return super().__call__(x, plus=plus) * 1.5


def test_hooks_before_a_call_change_its_arguments_and_hooks_after_its_output() -> None:
    layer = Doubling()
    layer.register_forward_pre_hook(lambda layer, args: (args[0] + 1,))
    layer.register_forward_pre_hook(lambda layer, args: args[0] * 10, prepend=True)
    handle = layer.register_forward_hook(lambda layer, args, output: output + 100)
    assert layer(fl.tensor([1.0])).tolist() == [122.0]
    handle.remove()
    handle.remove()
    assert layer(fl.tensor([1.0])).tolist() == [22.0]


def test_hooks_with_keywords_see_and_change_them() -> None:
    layer = Doubling()
    seen: list[Any] = []
    layer.register_forward_pre_hook(lambda layer, args, kwargs: (args, {"plus": kwargs["plus"] + 1}), with_kwargs=True)
    layer.register_forward_hook(lambda layer, args, kwargs, output: seen.append(kwargs), with_kwargs=True)
    assert layer(fl.tensor([1.0]), plus=3.0).tolist() == [6.0]
    assert seen == [{"plus": 4.0}]


def test_a_hook_runs_once_where_a_layer_calls_its_base() -> None:
    layer, calls = Tripling(), []
    layer.register_forward_hook(lambda layer, args, output: calls.append(output.tolist()))
    layer(fl.tensor([1.0]))
    assert calls == [[3.0]]


def test_a_failing_hook_is_named_with_its_layer() -> None:
    net = nn.Sequential(Doubling())
    net[0].register_forward_hook(lambda layer, args, output: output @ fl.ones((3, 3)))
    with pytest.raises(fl.ShapeError) as caught:
        net(fl.ones((1, 2)))
    assert caught.value.__notes__ == ["in 0: Doubling()"]


def test_state_hooks_rename_what_is_saved_and_loaded() -> None:
    net = nn.Sequential(nn.Linear(2, 2, bias=False))

    def saved(layer: nn.Module, state: dict[str, fl.Tensor], prefix: str, metadata: object) -> None:
        state[prefix + "kernel"] = state.pop(prefix + "weight")

    def loaded(layer: nn.Module, state: dict[str, fl.Tensor], prefix: str, *rest: object) -> None:
        state[prefix + "weight"] = state.pop(prefix + "kernel")

    net[0].register_state_dict_post_hook(saved)
    state = net.state_dict()
    assert list(state) == ["0.kernel"]
    with pytest.raises(ValueError, match=r"0\.weight is missing"):
        net.load_state_dict(state)
    net[0].register_load_state_dict_pre_hook(loaded)
    assert repr(net.load_state_dict(state)) == "<All keys matched successfully>"
    assert list(state) == ["0.kernel"]  # what the caller holds stays


def test_names_that_were_passed_over_are_given_back() -> None:
    net = nn.Linear(2, 2)
    found = net.load_state_dict({"weight": fl.ones((2, 2)), "extra": fl.ones(1)}, strict=False)
    assert found == (["bias"], ["extra"])
    net.register_load_state_dict_post_hook(lambda layer, keys: keys.missing_keys.remove("bias"))
    net.load_state_dict({"weight": fl.ones((2, 2))})


def test_parameters_buffers_and_layers_are_found_by_path() -> None:
    net = nn.Sequential(nn.Linear(2, 3))
    net.register_module("tail", nn.Linear(3, 1))
    net.register_buffer("mean", fl.zeros(2))
    net.register_buffer("nothing", None)
    assert net.get_submodule("tail") is net.tail
    assert net.get_submodule("") is net
    assert net.get_parameter("0.weight") is net[0].weight
    assert net.get_buffer("mean").tolist() == [0.0, 0.0]
    assert [name for name, _ in net.named_buffers()] == ["mean"]
    for wrong in (
        lambda: net.get_submodule("0.inner"),
        lambda: net.get_parameter("mean"),
        lambda: net.get_buffer("nothing"),
    ):
        with pytest.raises(AttributeError, match=r"has no layer 'inner'; it has no layers|there is no"):
            wrong()


def test_a_module_that_moves_takes_its_gradients_along() -> None:
    net = nn.Linear(2, 1)
    net(fl.ones((1, 2))).sum().backward()
    net.double()
    assert net.weight.grad is not None
    assert net.weight.grad.dtype == fl.float64
    net.zero_grad(set_to_none=False)
    assert net.weight.grad.tolist() == [[0.0, 0.0]]
    assert net.to(dtype=fl.float32, device="cpu").weight.grad.dtype == fl.float32
    with pytest.raises(fl.DTypeError, match="is no float"):
        net.to(fl.int64)


def test_lists_of_layers_change_like_lists() -> None:
    layers = nn.ModuleList([nn.ReLU(), nn.Tanh()])
    layers.append(nn.GELU()).extend([nn.Sigmoid()]).insert(0, nn.Identity())
    assert [type(layer).__name__ for layer in layers] == ["Identity", "ReLU", "Tanh", "GELU", "Sigmoid"]
    del layers[1:3]
    assert [name for name, _ in layers.named_children()] == ["0", "1", "2"]
    layers[1] = nn.ReLU()
    assert type(layers.pop()).__name__ == "Sigmoid"
    assert [type(layer).__name__ for layer in layers] == ["Identity", "ReLU"]


def test_dictionaries_of_layers_and_of_parameters() -> None:
    layers = nn.ModuleDict({"a": nn.Linear(1, 1)})
    layers.update({"b": nn.ReLU()})
    assert (list(layers), len(layers), "b" in layers, "c" in layers) == (["a", "b"], 2, True, False)
    assert list(layers.state_dict()) == ["a.weight", "a.bias"]
    assert isinstance(layers.pop("b"), nn.ReLU)
    with pytest.raises(KeyError, match="there are a"):
        layers["b"]
    with pytest.raises(ValueError, match="is a method's name"):
        layers["keys"] = nn.ReLU()
    values = nn.ParameterDict({"gain": fl.ones(2), "shift": nn.Parameter(fl.zeros(2))})
    assert sorted(values.state_dict()) == ["gain", "shift"]
    del values["gain"]
    assert [name for name, _ in values.items()] == ["shift"]


def test_lists_of_parameters_learn() -> None:
    weights = nn.ParameterList([fl.ones(1), fl.ones(2)])
    weights.append(fl.ones(3))
    weights[-1] = fl.zeros(3)
    sum((weight.sum() for weight in weights), fl.tensor(0.0)).backward()
    assert [name for name, _ in weights.named_parameters()] == ["0", "1", "2"]
    assert all(weight.grad is not None for weight in weights)
    assert weights[2].tolist() == [0.0] * 3


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: nn.Module().register_buffer("a b", fl.ones(1)), "is not a name"),
        (lambda: nn.Module().register_buffer("train", fl.ones(1)), "has a method"),
        (lambda: nn.Module().register_buffer("a", 1.0), "a plain tensor or None"),
        (lambda: nn.Module().register_parameter("a", fl.ones(1)), r"wrap it: nn\.Parameter"),
        (lambda: nn.Module().register_module("a.b", nn.ReLU()), "cannot name a layer"),
        (lambda: nn.Module().register_module("a", 3), "not a layer"),
        (lambda: nn.Module().register_forward_hook(3), "not a function"),
        (lambda: nn.ParameterList([1.0]), "is not a tensor"),
    ],
)
def test_what_cannot_be_registered_is_refused(wrong: Any, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        wrong()
