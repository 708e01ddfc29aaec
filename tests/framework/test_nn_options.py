"""Options that PyTorch's layers have beside the common ones give what they give there."""

from __future__ import annotations

import itertools
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import functional

from tests.framework.beside_torch import same, same_layer, torch

pytestmark = pytest.mark.torch
RANDOM = np.random.default_rng(5)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "huber_loss"])
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_of_values_take_a_weight_for_each(name: str, reduction: str) -> None:
    x, y, weight = RANDOM.normal(size=(3, 4, 5))
    same(
        lambda a, b, w: getattr(functional, name)(a, b, reduction=reduction, weight=w),
        lambda a, b, w: getattr(torch().nn.functional, name)(a, b, reduction=reduction, weight=w),
        x,
        y,
        weight,
    )


@pytest.mark.parametrize("layer", ["BatchNorm1d", "InstanceNorm1d", "GroupNorm"])
def test_norms_go_without_a_bias(layer: str) -> None:
    given = (2, 4) if layer == "GroupNorm" else (4,)
    options = {"affine": True, "bias": False}
    same_layer(
        getattr(nn, layer)(*given, **options),
        getattr(torch().nn, layer)(*given, **options),
        RANDOM.normal(size=(3, 4, 5)),
    )


@pytest.mark.parametrize(
    "options",
    [
        {"max_norm": 1.0},
        {"max_norm": 0.5, "norm_type": 1.0},
        {"scale_grad_by_freq": True},
        {"sparse": False},
        {"max_norm": 2.0, "scale_grad_by_freq": True, "padding_idx": 2},
    ],
    ids=str,
)
def test_embeddings_shorten_rows_and_count_them(options: dict[str, Any]) -> None:
    module = torch()
    indices = [[1, 2, 2], [0, 2, 4]]
    ours, theirs = nn.Embedding(5, 3, **options).double(), module.nn.Embedding(5, 3, **options).double()
    ours.load_state_dict({"weight": fl.tensor(theirs.weight.detach().numpy())})
    found, expected = ours(fl.tensor(indices)), theirs(module.tensor(indices))
    (found * found).sum().backward()
    (expected * expected).sum().backward()
    for mine, other in ((found, expected), (ours.weight, theirs.weight), (ours.weight.grad, theirs.weight.grad)):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-6)


def test_rows_that_are_not_read_are_not_shortened() -> None:
    layer = nn.Embedding(3, 2, max_norm=1.0)
    layer.load_state_dict({"weight": fl.full((3, 2), 5.0)})
    layer(fl.tensor([1]))
    assert layer.weight[:, 0].tolist() == [5.0, pytest.approx(0.5**0.5), 5.0]
    with pytest.raises(ValueError, match="max_norm is -1"):
        functional.embedding(fl.tensor([1]), layer.weight, max_norm=-1.0)


RESIZED: list[dict[str, Any]] = [
    {"size": (4, 5)},
    {"size": (12, 20)},
    {"size": (1, 3)},
    {"scale_factor": 0.4},
    {"scale_factor": (0.7, 1.9)},
]
ALIGNED = {"size": (4, 5), "align_corners": True}  # not with lanczos, which PyTorch refuses


@pytest.mark.parametrize(
    ("mode", "options"),
    [
        *itertools.product(["bilinear", "bicubic", "lanczos"], RESIZED),
        ("bilinear", ALIGNED),
        ("bicubic", ALIGNED),
    ],
    ids=str,
)
def test_images_are_resized_without_aliases(mode: Any, options: dict[str, Any]) -> None:
    same(
        lambda x: functional.interpolate(x, mode=mode, antialias=True, **options),
        lambda x: torch().nn.functional.interpolate(x, mode=mode, antialias=True, **options),
        RANDOM.normal(size=(2, 3, 9, 14)),
        rtol=1e-6,
        atol=1e-7,
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "nearest", "antialias": True}, "antialias goes with"),
        ({"mode": "lanczos"}, "antialias goes with"),
        ({"mode": "lanczos", "antialias": True, "align_corners": True}, "not defined for mode 'lanczos'"),
        ({"recompute_scale_factor": True}, "means nothing beside size"),
    ],
)
def test_antialias_goes_with_filters_alone(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        functional.interpolate(fl.ones((1, 1, 4, 4)), size=2, **options)


@pytest.mark.parametrize("more", [1, (2, 1), (0, 2)])
@pytest.mark.parametrize("padding", [0, 1, 2])
def test_output_padding_reaches_below_the_dilation(more: Any, padding: int) -> None:
    options = {"stride": 1, "padding": padding, "output_padding": more, "dilation": 3, "groups": 2}
    same(
        lambda x, w, b: functional.conv_transpose2d(x, w, b, **options),
        lambda x, w, b: torch().nn.functional.conv_transpose2d(x, w, b, **options),
        RANDOM.normal(size=(2, 4, 5, 4)),
        RANDOM.normal(size=(4, 3, 3, 3)),
        RANDOM.normal(size=6),
    )


@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize("outside", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize(
    ("image", "grid"),
    [((2, 3, 5, 4), (2, 3, 6, 2)), ((1, 2, 3, 4, 5), (1, 2, 3, 2, 3)), ((1, 1, 1, 3), (1, 4, 4, 2))],
    ids=str,
)
def test_images_are_read_at_the_places_of_a_grid(image: Any, grid: Any, mode: Any, outside: Any, align: bool) -> None:
    if mode == "bicubic" and len(image) == 5:
        with pytest.raises(ValueError, match="without a depth"):
            functional.grid_sample(fl.ones(image), fl.zeros(grid), mode)
        return
    random = np.random.default_rng(0)
    x, at = random.normal(size=image), random.uniform(-1.9, 1.9, size=grid)
    same(
        lambda x, at: functional.grid_sample(x, at, mode, outside, align),
        lambda x, at: torch().nn.functional.grid_sample(x, at, mode, outside, align),
        x,
        at,
    )


@pytest.mark.filterwarnings("ignore:Since version 1.3.0:UserWarning")
@pytest.mark.parametrize("align", [True, False])
@pytest.mark.parametrize(
    ("theta", "size"), [((2, 2, 3), (2, 3, 4, 5)), ((2, 3, 4), (2, 1, 3, 4, 5)), ((1, 2, 3), (1, 1, 1, 4))]
)
def test_affine_maps_are_grids(theta: Any, size: Any, align: bool) -> None:
    same(
        lambda x: functional.affine_grid(x, size, align),
        lambda x: torch().nn.functional.affine_grid(x, list(size), align),
        RANDOM.normal(size=theta),
    )


@pytest.mark.parametrize("shape", [(2, 5, 7), (1, 6, 3, 4), (2, 4, 2, 2, 3)])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_elements_are_relative_to_channels_around_them(shape: Any, size: int) -> None:
    given = {"alpha": 0.3, "beta": 0.6, "k": 1.5}
    same_layer(
        nn.LocalResponseNorm(size, **given), torch().nn.LocalResponseNorm(size, **given), RANDOM.normal(size=shape)
    )


def test_channels_are_dealt_out() -> None:
    same_layer(nn.ChannelShuffle(3), torch().nn.ChannelShuffle(3), RANDOM.normal(size=(2, 6, 3, 4)))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda: functional.grid_sample(fl.ones((1, 1, 2, 2)), fl.ones((1, 2, 2, 3))), "the grid"),
        (lambda: functional.grid_sample(fl.ones((1, 1, 0, 2)), fl.ones((1, 2, 2, 2))), "nothing to read from"),
        (lambda: functional.grid_sample(fl.ones((1, 1, 2, 2)), fl.ones((1, 2, 2, 2)), "cubic"), "mode is 'cubic'"),
        (lambda: functional.affine_grid(fl.ones((1, 3, 3)), (1, 1, 2, 2)), r"theta is \(1, 3, 3\)"),
        (lambda: functional.channel_shuffle(fl.ones((1, 4, 2)), 3), "divisible by groups"),
        (lambda: functional.local_response_norm(fl.ones((1, 4)), 2), "at least one axis behind"),
    ],
)
def test_mistakes_are_named(wrong: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        wrong()


@pytest.mark.filterwarnings("ignore:enable_nested_tensor:UserWarning")
def test_transformers_are_told_that_masks_are_causal() -> None:
    module = torch()
    x, memory = RANDOM.normal(size=(5, 2, 8)), RANDOM.normal(size=(6, 2, 8))

    def call(net: Any, source: Any, target: Any) -> Any:
        library = fl if isinstance(net, nn.Module) else module
        mask = type(net).generate_square_subsequent_mask(5, dtype=library.float64)
        return net(source, target, tgt_mask=mask, tgt_is_causal=True, src_is_causal=False)

    given: dict[str, Any] = {
        "d_model": 8,
        "nhead": 2,
        "num_encoder_layers": 1,
        "num_decoder_layers": 1,
        "dim_feedforward": 12,
        "dropout": 0.0,
    }
    same_layer(nn.Transformer(**given), module.nn.Transformer(**given), memory, x, call=call)


def test_a_transformer_takes_another_encoder() -> None:
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 12), 3, enable_nested_tensor=False)
    assert nn.Transformer(8, 2, 1, 1, 12, custom_encoder=encoder).encoder is encoder
    nothing = nn.Sequential()  # false, as every empty container
    assert nn.Transformer(8, 2, 1, 1, 12, custom_encoder=nothing, custom_decoder=nothing).decoder is nothing


@pytest.mark.filterwarnings("ignore:Full backward hook is firing:UserWarning")
@pytest.mark.parametrize("needs", [True, False], ids=["inputs with gradients", "inputs without"])
@pytest.mark.parametrize("change", [True, False], ids=["hooks that change", "hooks that look"])
def test_backward_hooks_see_and_change_what_they_do_in_pytorch(needs: bool, change: bool) -> None:
    x, weight = RANDOM.normal(size=(3, 4)), RANDOM.normal(size=(2, 4))

    def run(library: Any) -> list[Any]:
        layer = library.nn.Linear(4, 2, bias=False).double()
        layer.load_state_dict({"weight": library.tensor(weight)})
        seen: list[Any] = []

        def after(module: Any, inputs: Any, outputs: Any) -> Any:
            seen.extend(["after", *inputs, *outputs])
            return tuple(2 * gradient for gradient in inputs) if change and needs else None

        def before(module: Any, outputs: Any) -> Any:
            seen.extend(["before", *outputs])
            return (3 * outputs[0],) if change else None

        layer.register_full_backward_hook(after)
        handle = layer.register_full_backward_pre_hook(before)
        leaf = library.tensor(x, requires_grad=needs)
        (layer(leaf) ** 2).sum().backward()
        handle.remove()
        (layer(leaf) ** 2).sum().backward()
        seen += [leaf.grad, layer.weight.grad]
        return [value if value is None or isinstance(value, str) else value.detach().numpy() for value in seen]

    for mine, other in zip(run(fl), run(torch()), strict=True):
        if mine is None or isinstance(mine, str):
            assert mine is other or mine == other
        else:
            np.testing.assert_allclose(mine, other, rtol=1e-12)


def test_a_backward_hook_that_gives_too_much_is_told() -> None:
    layer = nn.Linear(2, 2)
    layer.register_full_backward_hook(lambda module, inputs, outputs: (inputs[0], inputs[0]))
    with pytest.raises(ValueError, match="it gave 2 gradients in place of 1"):
        layer(fl.tensor([[1.0, 1.0]], requires_grad=True)).sum().backward()


def test_modules_move_by_a_pair_or_like_a_tensor_and_take_over_a_state() -> None:
    assert nn.Linear(2, 2).to("cpu", fl.float64).weight.dtype == fl.float64
    assert nn.Linear(2, 2).to(fl.zeros(1, dtype=fl.float16)).weight.dtype == fl.float16
    layer, state = nn.Linear(2, 2), nn.Linear(2, 2).double().state_dict()
    weight = layer.weight
    layer.load_state_dict(state, assign=True)
    assert layer.weight is weight
    assert weight.dtype == fl.float64
    assert weight.requires_grad
    net = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    net.set_submodule("1", nn.Tanh())
    assert isinstance(net[1], nn.Tanh)
    with pytest.raises(AttributeError, match="no layer 'none'"):
        net.set_submodule("none", nn.Tanh(), strict=True)


def test_packed_sequences_are_cast_and_gradients_clipped_by_a_known_norm() -> None:
    packed = nn.utils.rnn.pack_sequence([fl.ones(2), fl.ones(3)], enforce_sorted=False)
    assert packed.to(fl.float64).data.dtype == fl.float64
    assert packed.to("cpu").unsorted_indices.tolist() == [1, 0]
    x = fl.tensor([0.0, 0.0], requires_grad=True)
    x.grad = fl.tensor([3.0, 4.0])
    nn.utils.clip_grads_with_norm_(x, 1.0, fl.tensor(10.0))
    np.testing.assert_allclose(x.grad.numpy(), [0.3, 0.4], rtol=1e-5)


def test_named_holders_are_changed_like_dicts() -> None:
    layers = nn.ModuleDict({"a": nn.ReLU()})
    layers.update(nn.ModuleDict({"b": nn.Tanh()}))
    assert list(layers) == ["a", "b"]
    layers.clear()
    assert len(layers) == 0
    values = nn.ParameterDict({"gain": fl.ones(2)})
    values.update({"shift": fl.zeros(2)})
    assert values.get("none") is None
    assert values.get("shift") is values.pop("shift")
    values.clear()
    assert len(values) == 0


@pytest.mark.parametrize(
    ("layer", "given", "shape"),
    [("Linear", (4, 3), (2, 4)), ("Conv2d", (2, 3, 3), (2, 2, 5, 5)), ("ConvTranspose1d", (2, 3, 3), (2, 2, 5))],
)
def test_a_weight_over_its_largest_singular_value_is_pytorchs(layer: str, given: Any, shape: Any) -> None:
    module = torch()
    ours = nn.utils.spectral_norm(getattr(nn, layer)(*given)).double()
    theirs = module.nn.utils.spectral_norm(getattr(module.nn, layer)(*given)).double()
    x = RANDOM.normal(size=shape)

    def thrice(net: Any, x: Any) -> Any:
        results = [net(x) for _ in range(2)]
        net.eval()
        results.append(net(x))
        net.train()
        return results

    same_layer(ours, theirs, x, call=thrice)
    np.testing.assert_allclose(ours.weight_u.numpy(), theirs.weight_u.numpy())


def test_spectral_norm_comes_off() -> None:
    fl.manual_seed(0)
    layer = nn.utils.spectral_norm(nn.Linear(4, 3))
    for _ in range(40):
        layer(fl.ones((1, 4)))
    with pytest.raises(RuntimeError, match="has one already"):
        nn.utils.spectral_norm(layer)
    before = layer.eval()(fl.ones((1, 4))).tolist()
    nn.utils.remove_spectral_norm(layer)
    assert sorted(layer.state_dict()) == ["bias", "weight"]
    assert layer(fl.ones((1, 4))).tolist() == before
    assert np.linalg.svd(layer.weight.detach().numpy())[1][0] == pytest.approx(1.0, abs=1e-3)
    with pytest.raises(ValueError, match="has none"):
        nn.utils.remove_spectral_norm(layer)


def test_batch_norms_of_averaged_weights_are_counted_anew() -> None:
    from flambeau.optim import swa_utils

    module = torch()
    ours = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.0)).double()
    theirs = module.nn.Sequential(module.nn.Linear(3, 4), module.nn.BatchNorm1d(4), module.nn.Dropout(0.0)).double()
    theirs.load_state_dict({name: module.tensor(value.numpy()) for name, value in ours.state_dict().items()})
    batches = RANDOM.normal(size=(5, 8, 3))
    ours[2].eval()
    swa_utils.update_bn([(fl.tensor(x), fl.zeros(8)) for x in batches], ours)
    module.optim.swa_utils.update_bn([module.tensor(x) for x in batches], theirs)
    for name, value in theirs.state_dict().items():
        np.testing.assert_allclose(ours.state_dict()[name].numpy(), value.numpy(), rtol=1e-12)
    assert ours[1].momentum == 0.1
    assert ours[1].training
    assert not ours[2].training
