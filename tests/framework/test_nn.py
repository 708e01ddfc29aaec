"""Layers: what is inside, saving and moving, errors that name the layer, values and gradients as PyTorch's."""

from __future__ import annotations

import copy
import math

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import functional


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Sequential(nn.Linear(8, 3), nn.Tanh()))


class Model(nn.Module):
    """As users write one: attributes, no registration, no base __init__."""

    def __init__(self) -> None:
        self.net = nn.Sequential(nn.Linear(4, 64), nn.ReLU(), nn.Linear(32, 64))
        self.scale = nn.Parameter(fl.ones(64))
        self.register_buffer("seen", fl.zeros(()))
        self.register_buffer("scratch", fl.zeros(2), persistent=False)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return self.net(x) * self.scale


def test_parameters_buffers_and_layers_are_found_by_looking() -> None:
    model = Model()
    assert [name for name, _ in model.named_parameters()] == [
        "scale",
        "net.0.weight",
        "net.0.bias",
        "net.2.weight",
        "net.2.bias",
    ]
    assert [name for name, _ in model.named_buffers()] == ["seen", "scratch"]
    assert [name for name, _ in model.named_modules()] == ["", "net", "net.0", "net.1", "net.2"]
    assert len(list(model.children())) == 1


def test_a_shared_layer_counts_once_but_is_saved_under_both_names() -> None:
    layer = nn.Linear(2, 2)
    shared = nn.Sequential(layer, layer)
    assert len(list(shared.parameters())) == 2
    assert list(shared.state_dict()) == ["0.weight", "0.bias", "1.weight", "1.bias"]


def test_a_linear_layer_begins_as_pytorchs_does() -> None:
    fl.manual_seed(1)
    layer = nn.Linear(100, 400)
    values = layer.weight.detach().numpy()
    assert values.min() >= -0.1
    assert values.max() < 0.1
    assert abs(values.std() - 0.1 / math.sqrt(3)) < 1e-3
    assert layer.bias is not None
    assert abs(layer.bias.detach().numpy()).max() < 0.1
    fl.manual_seed(1)
    assert (nn.Linear(100, 400).weight.detach().numpy() == values).all()


def test_state_goes_out_and_in() -> None:
    first, second = Model(), Model()
    assert list(first.state_dict()) == ["scale", "seen", "net.0.weight", "net.0.bias", "net.2.weight", "net.2.bias"]
    weight = second.net[0].weight
    second.load_state_dict(first.state_dict())
    assert second.net[0].weight is weight
    assert weight.requires_grad
    for name, tensor in first.state_dict().items():
        assert second.state_dict()[name].tolist() == tensor.tolist()


def test_loading_tells_all_problems_and_loads_nothing() -> None:
    model = net()
    before = {name: tensor.tolist() for name, tensor in model.state_dict().items()}
    state = dict(net().state_dict())
    del state["0.bias"]
    state["0.weight"] = fl.zeros((8, 5))
    state["extra"] = fl.zeros(1)
    with pytest.raises(ValueError, match="nothing was loaded") as caught:
        model.load_state_dict(state)
    for problem in ("0.weight is (8, 5), needed (8, 4)", "0.bias is missing", "extra is not in this module"):
        assert problem in str(caught.value)
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == before


def test_a_state_that_is_partly_there_loads_when_asked() -> None:
    model = net()
    model.load_state_dict({"0.bias": fl.ones(8), "strange": fl.zeros(1)}, strict=False)
    assert model[0].bias.tolist() == [1.0] * 8


@pytest.mark.parametrize("state", [None, [], {"0.bias": 1}])
def test_a_state_that_is_none_is_refused(state: object) -> None:
    with pytest.raises(TypeError, match="from names to tensors"):
        net().load_state_dict(state)  # type: ignore[arg-type]  # the mistake under test


def test_training_and_evaluation_reach_every_layer() -> None:
    model = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.5)))
    assert all(module.training for module in model.modules())
    model.eval()
    assert not any(module.training for module in model.modules())
    assert model(fl.ones(5)).tolist() == [1.0] * 5


def test_dropout_keeps_the_mean() -> None:
    fl.manual_seed(3)
    dropped = nn.Dropout(0.25)(fl.ones(10_000)).numpy()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(dropped.mean() - 1) < 0.03


def test_casting_keeps_the_parameters_that_an_optimizer_holds() -> None:
    model = net()
    parameters = list(model.parameters())
    model.to(fl.float64)
    assert next(iter(model.parameters())) is parameters[0]
    assert all(p.dtype == fl.float64 and p.requires_grad and p.is_leaf for p in parameters)
    assert model(fl.zeros((2, 4), dtype=fl.float64)).dtype == fl.float64


def test_a_copied_network_learns_apart() -> None:
    first = net()
    first(fl.ones((1, 4))).sum().backward()
    second = copy.deepcopy(first)
    assert [type(p) for p in second.parameters()] == [nn.Parameter] * 4
    assert all(p.requires_grad for p in second.parameters())
    assert first[0].weight.grad is not None
    assert second[0].weight.grad is None  # as in PyTorch: what it learns from is its own
    nn.init.zeros_(second[0].weight)
    assert any(value != 0 for row in first[0].weight.tolist() for value in row)
    first[0].weight.requires_grad = False
    assert not copy.copy(first[0].weight).requires_grad


def test_integer_buffers_are_not_cast() -> None:
    model = nn.Module()
    model.register_buffer("count", fl.tensor(3))
    assert model.to(fl.float64).count.dtype == fl.int64


def test_an_error_names_the_layer_by_its_path() -> None:
    with pytest.raises(fl.ShapeError) as caught:
        Model()(fl.zeros((2, 4)))
    assert caught.value.__notes__ == ["in net.2: Linear(32, 64)"]


def test_notes_of_others_stay_beside_the_layers() -> None:
    class Noting(nn.Module):
        def __init__(self) -> None:
            self.inner = nn.Linear(3, 2)

        def __call__(self, x: fl.Tensor) -> fl.Tensor:
            try:
                return self.inner(x)
            except fl.ShapeError as error:
                error.add_note("mine")
                raise

    with pytest.raises(fl.ShapeError) as caught:
        Noting()(fl.zeros((2, 4)))
    assert caught.value.__notes__ == ["mine", "in inner: Linear(3, 2)"]


def test_a_part_of_a_sequence_is_a_sequence_of_the_same_layers() -> None:
    model = net()
    assert list(model[:2]) == list(model)[:2]
    assert isinstance(model[1:], nn.Sequential)
    assert model[-1] is list(model)[-1]


def test_an_error_in_a_single_layer_names_it() -> None:
    with pytest.raises(fl.ShapeError) as caught:
        nn.Linear(3, 2)(fl.zeros((2, 4)))
    assert caught.value.__notes__ == ["in Linear(3, 2)"]


def test_a_layer_without_a_call_says_what_to_write() -> None:
    class Old(nn.Module):
        def forward(self, x: fl.Tensor) -> fl.Tensor:
            return x

    with pytest.raises(NotImplementedError, match=r"write `def __call__\(self, x\):` \(what PyTorch calls forward\)"):
        Old()(fl.zeros(1))


def test_text_shows_the_layers() -> None:
    assert repr(net()) == (
        "Sequential(\n  (0): Linear(4, 8)\n  (1): ReLU()\n  (2): Sequential(\n"
        "    (0): Linear(8, 3)\n    (1): Tanh()\n  )\n)"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.Sequential(nn.ReLU), "it is a class"),
        (lambda: nn.Dropout(1.5), "between 0 and 1"),
        (lambda: nn.Linear(-1, 2), "neither can be negative"),
        (lambda: functional.cross_entropy(fl.zeros((1, 2)), fl.tensor([0]), reduction="avg"), "reduction is 'avg'"),
        (lambda: functional.flatten(fl.zeros((2, 3)), 1, 0), "must exist and stand in order"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: object, message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        make()  # type: ignore[operator]  # a lambda of the table


def test_apply_freeze_and_zero_grad() -> None:
    model = net()
    seen: list[str] = []
    model.apply(lambda module: seen.append(type(module).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Tanh", "Sequential", "Sequential"]
    model(fl.ones((2, 4))).sum().backward()
    assert all(p.grad is not None for p in model.parameters())
    model.zero_grad()
    assert all(p.grad is None for p in model.parameters())
    model.requires_grad_(False)
    assert not model(fl.ones((2, 4))).requires_grad


def test_cross_entropy_takes_classes_in_the_second_dimension_of_many() -> None:
    fl.manual_seed(0)
    logits = fl.random.normal((2, 5, 3))
    target = fl.tensor([[1, 0, 4], [2, 2, -100]])
    losses = functional.cross_entropy(logits, target, reduction="none")
    assert losses.shape == (2, 3)
    assert losses[1, 2].item() == 0.0
    one = functional.cross_entropy(logits[0, :, 1], target[0, 1])
    assert one.item() == pytest.approx(losses[0, 1].item(), rel=1e-6)
    assert functional.cross_entropy(logits, target).item() == pytest.approx(losses.sum().item() / 5, rel=1e-6)


@pytest.mark.torch
@pytest.mark.parametrize(
    "name",
    [
        "relu",
        "gelu",
        "gelu tanh",
        "sigmoid",
        "tanh",
        "silu",
        "softmax",
        "log_softmax",
        "leaky_relu",
        "cross_entropy",
        "smooth",
        "mse_loss",
        "l1_loss",
        "linear",
    ],
)
def test_functions_and_their_gradients_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    random = np.random.default_rng(5)
    x, y = random.normal(size=(2, 6, 5))
    weight, bias = random.normal(size=(3, 5)), random.normal(size=3)
    classes = np.array([0, 4, 2, 2, 1, 3])
    calls = {
        "gelu tanh": lambda f, t: f.gelu(t(x), approximate="tanh"),
        "softmax": lambda f, t: f.softmax(t(x), dim=-1),
        "log_softmax": lambda f, t: f.log_softmax(t(x), dim=0),
        "cross_entropy": lambda f, t: f.cross_entropy(t(x), t(classes)),
        "smooth": lambda f, t: f.cross_entropy(t(x), t(classes), label_smoothing=0.1, ignore_index=2, reduction="sum"),
        "mse_loss": lambda f, t: f.mse_loss(t(x), t(y)),
        "l1_loss": lambda f, t: f.l1_loss(t(x), t(y), reduction="none"),
        "linear": lambda f, t: f.linear(t(x), t(weight), t(bias)),
    }
    call = calls.get(name, lambda f, t: getattr(f, name)(t(x)))
    found = []
    for functions, make in ((functional, lambda a: fl.tensor(a)), (torch.nn.functional, torch.tensor)):
        leaves = {}

        def leaf(array: np.ndarray, make: object = make, leaves: dict[int, object] = leaves) -> object:
            tensor = make(array)
            if array.dtype.kind == "f":
                tensor.requires_grad_(True)
                leaves[id(array)] = tensor
            return tensor

        result = call(functions, leaf)
        (result * result).sum().backward()
        found.append([np.asarray(result.detach().numpy()), *(np.asarray(one.grad.numpy()) for one in leaves.values())])
    for ours, torchs in zip(*found, strict=True):
        np.testing.assert_allclose(ours, torchs, rtol=1e-10, atol=1e-12)


@pytest.mark.torch
def test_a_state_dict_of_pytorch_loads_by_name() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed")
    theirs = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Sequential(torch.nn.Linear(8, 3), torch.nn.Tanh())
    )
    ours = net()
    ours.load_state_dict({name: fl.tensor(value.numpy()) for name, value in theirs.state_dict().items()})
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    np.testing.assert_allclose(
        ours(fl.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy(), rtol=1e-5, atol=1e-6
    )
