"""Convolutions, pools, norms, embedding, dropout, padding and resizing against PyTorch: values, gradients, states."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import flambeau as fl
import numpy as np
import pytest
from flambeau import nn
from flambeau.nn import functional
from flambeau.testing import assert_close

from tests.framework.beside_torch import torch

RANDOM = np.random.default_rng(3)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(size=shape)


# name, shapes of the inputs (the first is the image), keywords
CALLS: list[tuple[str, list[tuple[int, ...]], dict[str, Any]]] = [
    ("conv1d", [(2, 3, 9), (4, 3, 3), (4,)], {"stride": 2, "padding": 1}),
    ("conv1d", [(3, 9), (4, 3, 4)], {"padding": "same", "dilation": 2}),
    ("conv2d", [(2, 4, 7, 8), (6, 2, 3, 2), (6,)], {"groups": 2, "stride": (2, 1), "padding": (1, 0)}),
    ("conv2d", [(2, 3, 6, 6), (4, 3, 3, 3)], {"padding": "valid"}),
    ("conv2d", [(2, 5, 6, 6), (5, 1, 3, 3), (5,)], {"padding": "same", "groups": 5}),
    ("conv2d", [(0, 3, 6, 6), (4, 3, 3, 3), (4,)], {}),
    ("conv3d", [(1, 2, 4, 5, 5), (3, 2, 2, 3, 2), (3,)], {"stride": 2, "padding": 1, "dilation": (1, 2, 1)}),
    ("conv_transpose1d", [(2, 3, 5), (3, 4, 3), (4,)], {"stride": 3, "padding": 1, "output_padding": 2}),
    ("conv_transpose2d", [(2, 4, 4, 5), (4, 3, 3, 2), (6,)], {"stride": 2, "groups": 2, "output_padding": (1, 0)}),
    ("conv_transpose2d", [(4, 4, 5), (4, 3, 3, 3)], {"dilation": 2, "padding": 2}),
    ("conv_transpose3d", [(1, 2, 3, 2, 3), (2, 3, 2, 2, 2), (3,)], {"stride": 2}),
    ("max_pool1d", [(2, 3, 9)], {"kernel_size": 3, "stride": 2, "padding": 1}),
    ("max_pool2d", [(2, 3, 9, 8)], {"kernel_size": 2, "ceil_mode": True}),
    ("max_pool2d", [(3, 9, 8)], {"kernel_size": (3, 2), "stride": (2, 1), "padding": 1, "dilation": (1, 2)}),
    ("max_pool3d", [(1, 2, 5, 6, 4)], {"kernel_size": 2, "stride": 1}),
    ("avg_pool1d", [(2, 3, 9)], {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
    ("avg_pool2d", [(2, 3, 9, 8)], {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
    ("avg_pool2d", [(3, 9, 8)], {"kernel_size": 2, "divisor_override": 3}),
    ("avg_pool3d", [(1, 2, 5, 6, 4)], {"kernel_size": 2}),
    ("adaptive_avg_pool1d", [(2, 3, 9)], {"output_size": 4}),
    ("adaptive_avg_pool2d", [(2, 3, 9, 8)], {"output_size": (5, None)}),
    ("adaptive_avg_pool3d", [(2, 5, 6, 7)], {"output_size": 3}),
    ("adaptive_max_pool1d", [(2, 3, 9)], {"output_size": 4}),
    ("adaptive_max_pool2d", [(2, 3, 9, 8)], {"output_size": (5, 3)}),
    ("adaptive_max_pool3d", [(1, 2, 5, 6, 7)], {"output_size": (2, 3, 4)}),
    ("layer_norm", [(4, 3, 5), (3, 5), (3, 5)], {"normalized_shape": (3, 5)}),
    ("layer_norm", [(4, 3, 5)], {"normalized_shape": (5,)}),
    ("rms_norm", [(4, 5), (5,)], {"normalized_shape": (5,)}),
    ("group_norm", [(3, 6, 4, 5), (6,), (6,)], {"num_groups": 3}),
    ("pad", [(2, 3, 4, 5)], {"pad": (1, 2, -1, 0)}),
    ("pad", [(2, 3, 4, 5)], {"pad": (1, 2), "value": 1.5}),
    ("pad", [(2, 3, 4, 5)], {"pad": (1, 2, 3, 0), "mode": "reflect"}),
    ("pad", [(2, 3, 4, 5)], {"pad": (1, 7, 3, 0), "mode": "replicate"}),
    ("pad", [(2, 3, 4, 5)], {"pad": (5, 2, 3, 0), "mode": "circular"}),
    ("interpolate", [(2, 3, 7)], {"size": 11}),
    ("interpolate", [(2, 3, 4, 6)], {"scale_factor": 2.3}),
    ("interpolate", [(2, 3, 4, 6)], {"size": (9, 4), "mode": "nearest-exact"}),
    ("interpolate", [(2, 3, 7)], {"scale_factor": 1.7, "mode": "linear"}),
    ("interpolate", [(2, 3, 4, 6)], {"size": (9, 4), "mode": "bilinear"}),
    ("interpolate", [(2, 3, 4, 6)], {"scale_factor": (2.0, 1.5), "mode": "bilinear", "align_corners": True}),
    ("interpolate", [(2, 3, 4, 6)], {"size": (9, 4), "mode": "bicubic"}),
    ("interpolate", [(2, 3, 4, 6)], {"scale_factor": 2, "mode": "bicubic", "align_corners": True}),
    ("interpolate", [(1, 2, 3, 4, 3)], {"size": (5, 3, 6), "mode": "trilinear"}),
    ("interpolate", [(2, 3, 4, 6)], {"size": (3, 4), "mode": "area"}),
    ("interpolate", [(2, 3, 4, 6)],
     {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True}),
    ("unfold", [(2, 3, 6, 7)], {"kernel_size": (2, 3), "dilation": (2, 1), "padding": 1, "stride": 2}),
    ("fold", [(2, 12, 9)], {"output_size": (4, 4), "kernel_size": 2}),
    ("fold", [(12, 12)], {"output_size": (6, 5), "kernel_size": (2, 3), "stride": (2, 1), "padding": (1, 0)}),
    ("pixel_shuffle", [(2, 8, 3, 4)], {"upscale_factor": 2}),
    ("pixel_unshuffle", [(2, 2, 6, 4)], {"downscale_factor": 2}),
]  # fmt: skip


def call_ours(name: str, inputs: list[fl.Tensor], keywords: dict[str, Any]) -> fl.Tensor:
    if name in ("layer_norm", "rms_norm", "group_norm"):
        given = dict(keywords)
        return getattr(functional, name)(inputs[0], given.pop(next(iter(given))), *inputs[1:], **given)
    return getattr(functional, name)(*inputs, **keywords)


@pytest.mark.torch
@pytest.mark.parametrize(("name", "shapes", "keywords"), CALLS, ids=[f"{i}-{c[0]}" for i, c in enumerate(CALLS)])
def test_values_and_gradients_are_pytorchs(name: str, shapes: list[tuple[int, ...]], keywords: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    arrays = [normal(*shape) for shape in shapes]
    here = [fl.tensor(array, requires_grad=True) for array in arrays]
    there = [torch.tensor(array, requires_grad=True) for array in arrays]
    ours = call_ours(name, here, keywords)
    if name in ("layer_norm", "rms_norm", "group_norm"):
        given = dict(keywords)
        theirs = getattr(torch.nn.functional, name)(there[0], given.pop(next(iter(given))), *there[1:], **given)
    else:
        theirs = getattr(torch.nn.functional, name)(*there, **keywords)
    assert_close(ours, theirs.detach().numpy(), rtol=1e-10, atol=1e-10)
    weights = normal(*ours.shape)
    ours.backward(fl.tensor(weights))
    theirs.backward(torch.tensor(weights))
    for mine, other in zip(here, there, strict=True):
        assert_close(mine.grad, other.grad.numpy(), rtol=1e-9, atol=1e-9)


LAYERS: list[tuple[str, tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = [
    ("Conv1d", (3, 4, 3), {"padding": 1, "padding_mode": "circular"}, (2, 3, 8)),
    ("Conv2d", (4, 6, 3), {"groups": 2, "padding": "same", "padding_mode": "reflect"}, (2, 4, 6, 5)),
    ("Conv2d", (3, 4, (3, 2)), {"stride": 2, "bias": False}, (2, 3, 6, 5)),
    ("Conv3d", (2, 3, 2), {}, (1, 2, 3, 4, 3)),
    ("ConvTranspose1d", (3, 4, 3), {"stride": 2}, (2, 3, 5)),
    ("ConvTranspose2d", (4, 6, 3), {"stride": 2, "padding": 1, "output_padding": 1, "groups": 2}, (2, 4, 5, 5)),
    ("ConvTranspose3d", (2, 3, 2), {}, (1, 2, 3, 3, 3)),
    ("BatchNorm1d", (4,), {}, (5, 4)),
    ("BatchNorm1d", (4,), {"momentum": None}, (5, 4, 3)),
    ("BatchNorm2d", (3,), {"affine": False}, (4, 3, 5, 5)),
    ("BatchNorm2d", (3,), {"track_running_stats": False}, (4, 3, 2, 3)),
    ("BatchNorm3d", (3,), {"momentum": 0.3}, (2, 3, 2, 3, 4)),
    ("InstanceNorm1d", (3,), {}, (2, 3, 7)),
    ("InstanceNorm2d", (3,), {"affine": True, "track_running_stats": True}, (2, 3, 4, 5)),
    ("InstanceNorm3d", (3,), {}, (2, 3, 2, 3, 4)),
    ("LayerNorm", (5,), {}, (2, 3, 5)),
    ("LayerNorm", ((3, 5),), {"bias": False}, (2, 3, 5)),
    ("RMSNorm", (5,), {}, (2, 3, 5)),
    ("GroupNorm", (2, 4), {}, (3, 4, 5)),
    ("MaxPool2d", (3,), {"stride": 2, "padding": 1}, (2, 3, 7, 7)),
    ("AvgPool2d", (2,), {}, (2, 3, 7, 7)),
    ("AdaptiveAvgPool2d", ((3, 2),), {}, (2, 3, 7, 7)),
    ("AdaptiveMaxPool2d", (3,), {}, (2, 3, 7, 7)),
    ("Upsample", (), {"scale_factor": 2, "mode": "bilinear"}, (2, 3, 4, 5)),
    ("PixelShuffle", (2,), {}, (2, 4, 3, 3)),
    ("ZeroPad2d", ((1, 0, 2, -1),), {}, (2, 3, 4, 5)),
    ("ReflectionPad2d", (2,), {}, (2, 3, 4, 5)),
    ("ReplicationPad3d", (1,), {}, (2, 3, 2, 4, 5)),
    ("ConstantPad1d", (2, 1.5), {}, (2, 3, 4)),
    ("Unfold", (2,), {}, (2, 3, 4, 5)),
    ("Fold", ((4, 5), 2), {}, (2, 12, 12)),
]  # fmt: skip


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "arguments", "keywords", "shape"), LAYERS, ids=[f"{i}-{one[0]}" for i, one in enumerate(LAYERS)]
)
def test_a_layer_loads_pytorchs_state_and_goes_on_as_it_does(
    name: str, arguments: tuple[Any, ...], keywords: dict[str, Any], shape: tuple[int, ...]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    theirs = getattr(torch.nn, name)(*arguments, **keywords).double()
    ours = getattr(nn, name)(*arguments, **keywords).to(fl.float64)
    state = theirs.state_dict()
    assert list(ours.state_dict()) == list(state)
    assert [tuple(t.shape) for t in ours.state_dict().values()] == [tuple(t.shape) for t in state.values()]
    ours.load_state_dict({key: fl.tensor(value.numpy()) for key, value in state.items()})
    for training in (True, True, False):
        ours.train(training)
        theirs.train(training)
        x = normal(*shape)
        here, there = fl.tensor(x, requires_grad=True), torch.tensor(x, requires_grad=True)
        got, wanted = ours(here), theirs(there)
        assert_close(got, wanted.detach().numpy(), rtol=1e-10, atol=1e-10)
        (got * got).sum().backward()
        (wanted * wanted).sum().backward()
        assert_close(here.grad, there.grad.numpy(), rtol=1e-8, atol=1e-9)
        for key, value in theirs.state_dict().items():
            assert_close(ours.state_dict()[key], value.numpy(), rtol=1e-10, atol=1e-12, what=key)
    for mine, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert_close(mine.grad, other.grad.numpy(), rtol=1e-8, atol=1e-9)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["max_pool2d", "adaptive_max_pool2d"])
def test_places_of_maxima_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    x = normal(2, 3, 8, 8)
    x[0, 0, 0, 0] = x[0, 0, 1, 1] = np.nan
    x[1] = 0.0
    got = getattr(functional, name)(fl.tensor(x), 4, return_indices=True)
    wanted = getattr(torch.nn.functional, name)(torch.tensor(x), 4, return_indices=True)
    for ours, theirs in zip(got, wanted, strict=True):
        np.testing.assert_array_equal(ours.numpy(), theirs.numpy())


@pytest.mark.torch
def test_an_embedding_and_its_gradient_are_pytorchs() -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: make peers")
    weight, indices = normal(7, 4), np.array([[1, 3, 3], [6, 0, 3]])
    here, there = fl.tensor(weight, requires_grad=True), torch.tensor(weight, requires_grad=True)
    got = functional.embedding(fl.tensor(indices), here, padding_idx=-1)
    wanted = torch.nn.functional.embedding(torch.tensor(indices), there, padding_idx=-1)
    np.testing.assert_array_equal(got.detach().numpy(), wanted.detach().numpy())
    (got * got).sum().backward()
    (wanted * wanted).sum().backward()
    assert_close(here.grad, there.grad.numpy(), rtol=1e-12)
    assert not here.grad.numpy()[6].any()


def test_the_padding_row_begins_as_zeros_and_the_others_normally_distributed() -> None:
    fl.manual_seed(4)
    values = nn.Embedding(2000, 20, padding_idx=3).weight.detach().numpy()
    assert not values[3].any()
    assert abs(values.std() - 1) < 0.02
    assert abs(values.mean()) < 0.02


def test_a_convolution_begins_evenly_within_one_over_the_root_of_what_it_reads() -> None:
    fl.manual_seed(4)
    layer = nn.Conv2d(16, 32, 3, groups=2)
    values = layer.weight.detach().numpy()
    bound = 1 / np.sqrt(8 * 9)
    assert values.max() < bound
    assert values.max() > 0.99 * bound
    assert abs(values.std() - bound / np.sqrt(3)) < 2e-3
    assert layer.bias is not None
    assert abs(layer.bias.detach().numpy()).max() < bound


def test_dropout_drops_the_same_elements_for_the_gradient_and_for_the_same_seed() -> None:
    x = fl.tensor(np.ones((64, 65), dtype=np.float32), requires_grad=True)
    fl.manual_seed(9)
    first = functional.dropout(x, 0.3)
    second = functional.dropout(x, 0.3)
    first.sum().backward()
    np.testing.assert_array_equal(x.grad.numpy(), first.detach().numpy())
    assert (first.detach().numpy() != second.detach().numpy()).any()
    fl.manual_seed(9)
    np.testing.assert_array_equal(functional.dropout(x, 0.3).detach().numpy(), first.detach().numpy())
    assert abs(first.detach().numpy().mean() - 1) < 0.05


@pytest.mark.parametrize("axes", [1, 2, 3])
def test_channels_are_dropped_whole(axes: int) -> None:
    fl.manual_seed(2)
    x = fl.ones((8, 16, *(3,) * axes))
    dropped = getattr(nn, f"Dropout{axes}d")(0.5)(x).numpy().reshape(8, 16, -1)
    assert (dropped == dropped[..., :1]).all()
    assert set(np.unique(dropped)) == {np.float32(0), np.float32(2)}


def test_alpha_dropout_keeps_mean_and_variance() -> None:
    fl.manual_seed(2)
    values = nn.AlphaDropout(0.2)(fl.random.normal((400, 400))).numpy()
    assert abs(values.mean()) < 0.02
    assert abs(values.std() - 1) < 0.02


MISTAKES: list[tuple[Callable[[], object], type[Exception], str]] = [
    (lambda: functional.conv2d(fl.ones((1, 3, 8, 8)), fl.ones((4, 2, 3, 3))), fl.ShapeError, "wants 2 channels"),
    (lambda: functional.conv2d(fl.ones((1, 3, 2, 2)), fl.ones((4, 3, 3, 3))), fl.ShapeError, "does not fit"),
    (lambda: functional.conv2d(fl.ones((1, 3, 8, 8)), fl.ones((4, 3, 3, 3)), stride=0), ValueError, "stride is"),
    (lambda: functional.conv2d(fl.ones((3, 8)), fl.ones((4, 3, 3, 3))), fl.ShapeError, "2 spatial axes"),
    (lambda: functional.conv2d(fl.ones((1, 3, 8, 8)), fl.ones((4, 3, 3, 3)), stride=2, padding="same"), ValueError,
     "only stays"),
    (lambda: functional.conv2d(fl.ones((1, 3, 8, 8), dtype="int32"), fl.ones((4, 3, 3, 3), dtype="int32")),
     fl.DTypeError, "cast with"),
    (lambda: functional.conv_transpose2d(fl.ones((1, 2, 3, 3)), fl.ones((2, 1, 3, 3)), output_padding=1), ValueError,
     "below one of the two"),
    (lambda: functional.max_pool2d(fl.ones((1, 2, 4, 4)), 2, padding=2), ValueError, "half of the kernel"),
    (lambda: functional.avg_pool2d(fl.ones((1, 2, 4, 4)), 5), fl.ShapeError, "does not fit"),
    (lambda: functional.adaptive_avg_pool2d(fl.ones((1, 2, 4, 4)), 0), fl.ShapeError, "at least 1"),
    (lambda: functional.layer_norm(fl.ones((2, 3)), 4), fl.ShapeError, "normalized_shape"),
    (lambda: functional.group_norm(fl.ones((2, 3)), 2), ValueError, "must divide the 3 channels"),
    (lambda: functional.batch_norm(fl.ones((1, 3)), None, None, training=True), ValueError, "one value a channel"),
    (lambda: functional.embedding(fl.tensor([5]), fl.ones((5, 2))), IndexError, "from 0 to 4"),
    (lambda: functional.embedding(fl.tensor([-1]), fl.ones((5, 2))), IndexError, "from 0 to 4"),
    (lambda: functional.embedding(fl.tensor([1.0]), fl.ones((5, 2))), fl.DTypeError, "must be integers"),
    (lambda: functional.dropout(fl.ones(2), 1.5), ValueError, "between 0 and 1"),
    (lambda: functional.pad(fl.ones((1, 2, 3)), (3, 0), mode="reflect"), fl.ShapeError, "adds 0 to 2 elements"),
    (lambda: functional.interpolate(fl.ones((1, 2, 3))), ValueError, "give one of them"),
    (lambda: functional.interpolate(fl.ones((1, 2, 3)), size=2, mode="bilinear"), ValueError, "1 spatial axes"),
    (lambda: functional.pixel_shuffle(fl.ones((1, 3, 2, 2)), 2), fl.ShapeError, "divisible by 4"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "must divide in_channels"),
    (lambda: nn.BatchNorm2d(3)(fl.ones((2, 3))), fl.ShapeError, "needs 4 dimensions"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "message"), MISTAKES)
def test_mistakes_are_named(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("shape", [(1, 3, 8, 8), (3, 16, 14, 14), (2, 32, 30, 31)])
def test_the_bits_do_not_depend_on_the_number_of_threads(shape: tuple[int, ...]) -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=shape).astype("float32")
    found = []
    before = fl.get_num_threads()
    try:
        for threads in (1, 2, 3):
            fl.set_num_threads(threads)
            fl.manual_seed(0)
            net = nn.Sequential(
                nn.Conv2d(shape[1], 24, 3, padding=1),
                nn.BatchNorm2d(24),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.GroupNorm(3, 24),
                nn.Dropout(0.2),
                nn.Flatten(),
                nn.LayerNorm(24 * (shape[2] // 2) * (shape[3] // 2)),
            )
            image = fl.tensor(x, requires_grad=True)
            result = net(image)
            (result * result * result).sum().backward()
            found.append([result.detach().numpy(), image.grad.numpy(), *(p.grad.numpy() for p in net.parameters())])
    finally:
        fl.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", [fl.float16, fl.bfloat16])
def test_a_batch_norm_of_halves_is_computed_wider_and_rounded_once(dtype: fl.DType) -> None:
    values = np.random.default_rng(0).normal(100, 1, (32, 4))
    layer = nn.BatchNorm1d(4).to(dtype)
    mean, spread = fl.tensor([100.0, 99.0, 101.0, 100.0], dtype=dtype), fl.tensor([1.0, 1.5, 0.5, 1.0], dtype=dtype)
    layer.load_state_dict(layer.state_dict() | {"running_mean": mean, "running_var": spread})
    x = fl.tensor(values, dtype=dtype)
    wide = [np.asarray(t.astype(fl.float64)) for t in (x, mean, spread)]
    exact = (wide[0] - wide[1]) / np.sqrt(wide[2] + layer.eps)
    ulp = {fl.float16: 2.0**-10, fl.bfloat16: 2.0**-7}[dtype]
    found = layer.eval()(x)
    assert found.dtype == dtype
    np.testing.assert_allclose(found.detach().astype(fl.float64).numpy(), exact, rtol=ulp, atol=ulp / 64)

    layer.train()(x)
    moved = 0.9 * wide[1] + 0.1 * wide[0].mean(0)  # the batch's own mean has been rounded too
    assert layer.running_mean is not None
    assert layer.running_mean.dtype == dtype
    np.testing.assert_allclose(layer.running_mean.astype(fl.float64).numpy(), moved, rtol=ulp * 0.6)


@pytest.mark.torch
@pytest.mark.parametrize("name", ["float16", "bfloat16"])
def test_running_statistics_of_halves_move_as_pytorchs(name: str) -> None:
    layer, theirs = nn.BatchNorm1d(4).to(getattr(fl, name)), torch().nn.BatchNorm1d(4).to(getattr(torch(), name))
    draw = np.random.default_rng(0)
    for _ in range(50):
        values = draw.normal(3, 1, (32, 4)).astype(np.float32)
        layer(fl.tensor(values, dtype=getattr(fl, name)))
        theirs(torch().tensor(values).to(getattr(torch(), name)))
    ulp = {"float16": 2.0**-10, "bfloat16": 2.0**-7}[name]
    for key in ("running_mean", "running_var"):
        ours = layer.state_dict()[key].astype(fl.float64).numpy()
        np.testing.assert_allclose(ours, theirs.state_dict()[key].double().numpy(), rtol=6 * ulp)
