"""Weights of int8: a quarter of the memory, and faster where reading weights is what takes the time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import flambeau as fl
from flambeau import _core, nn
from flambeau.autograd.precision import autocast

_linear_int8 = _core.ops["linear_int8"]


@dataclass(frozen=True)
class Int8WeightOnlyConfig:
    """Each row of a weight has a scale of its own, its largest magnitude / 127; inputs and results stay floats."""


def quantize_weight(weight: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor]:
    """int8 (rows, columns) and scales (rows,) in float32: their product is off by half a scale at most.

    Raises: ShapeError unless there are two dimensions, ValueError for values that are not finite.

    >>> q, scale = quantize_weight(fl.tensor([[1.0, -0.5], [0.0, 0.0]]))
    >>> q.tolist(), [round(s, 5) for s in scale.tolist()]
    ([[127, -64], [0, 0]], [0.00787, 1.0])
    """
    if weight.ndim != 2:
        raise fl.ShapeError(f"quantize_weight: the weight is {tuple(weight.shape)}; it must be (rows, columns)")
    with fl.no_grad(), autocast(enabled=False):
        values = weight.detach().astype(fl.float32)
        if not bool(fl.all(fl.isfinite(values))):
            raise ValueError("quantize_weight: the weight has infinite values or NaNs, which int8 cannot stand for")
        if values.size == 0:
            return fl.zeros(values.shape, dtype=fl.int8, device=weight.device), fl.ones(
                values.shape[0], device=weight.device)
        largest = fl.max(fl.abs(values), axis=1)
        scale = fl.where(largest > 0, largest / 127.0, 1.0)
        # Clipped, for the scale of denormal numbers may have been rounded down.
        steps = fl.clip(fl.round(values / fl.expand_dims(scale, axis=1)), -127, 127)
        return steps.astype(fl.int8), scale


class _Int8(nn.Module):
    """A layer whose weight is int8 (rows, columns) with a float32 scale for each row."""

    weight: fl.Tensor
    scale: fl.Tensor

    def _hold(self, rows: int, columns: int) -> None:
        self.register_buffer("weight", fl.zeros((rows, columns), dtype=fl.int8))
        self.register_buffer("scale", fl.ones(rows))

    def dequantize(self) -> fl.Tensor:
        """The weight that it computes with, in the scale's dtype."""
        return self.weight.astype(self.scale.dtype) * fl.expand_dims(self.scale, axis=1)


class Int8Linear(_Int8):
    """A Linear whose weight is int8 (out, in) with a float32 scale for each output: buffers, which are not learned.

    Gradients flow to what goes in, and to the bias, so that layers before it and beside it (LoRA) can learn. Its result
    has the wider dtype of x and scale. Make it with from_float(), or quantize_() for all layers of a module.

    >>> layer = Int8Linear.from_float(nn.Linear(8, 4))
    >>> sorted(layer.state_dict()), layer.weight.dtype
    (['bias', 'scale', 'weight'], flambeau.int8)
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        self.in_features = in_features
        self.out_features = out_features
        self._hold(out_features, in_features)
        self.bias = nn.Parameter(fl.zeros(out_features)) if bias else None

    @classmethod
    def from_float(cls, layer: nn.Linear) -> Self:
        """The layer with its weight rounded; the bias is the same parameter."""
        made = cls(layer.in_features, layer.out_features, bias=False)
        made.weight, made.scale = quantize_weight(layer.weight)
        made.bias, made.training = layer.bias, layer.training
        return made

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        if x.dtype == self.scale.dtype:
            return _linear_int8(x, self.weight, self.scale, self.bias)
        dtype = fl.result_type(x, self.scale)
        rest = [self.scale] if self.bias is None else [self.scale, self.bias]
        return _linear_int8(x.astype(dtype, copy=False), self.weight, *(t.astype(dtype, copy=False) for t in rest))

    def extra_repr(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")


class Int8Embedding(_Int8):
    """An Embedding whose rows are int8, each with a float32 scale: buffers, which are not learned.

    >>> Int8Embedding.from_float(nn.Embedding(10, 3))(fl.tensor([1, 9])).shape
    (2, 3)
    """

    def __init__(self, num_embeddings: int, embedding_dim: int) -> None:
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self._hold(num_embeddings, embedding_dim)

    @classmethod
    def from_float(cls, layer: nn.Embedding) -> Self:
        """The table with its rows rounded."""
        made = cls(layer.num_embeddings, layer.embedding_dim)
        made.weight, made.scale = quantize_weight(layer.weight)
        made.training = layer.training
        return made

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        rows = nn.functional.embedding(x, self.weight)
        return rows.astype(self.scale.dtype) * fl.expand_dims(fl.take(self.scale, x), axis=-1)

    def extra_repr(self) -> str:
        return f"{self.num_embeddings}, {self.embedding_dim}"


_QUANTIZED: dict[type[nn.Module], Any] = {nn.Linear: Int8Linear, nn.Embedding: Int8Embedding}

Filter = Callable[[nn.Module, str], bool]


def quantize_(
    model: nn.Module, config: Int8WeightOnlyConfig | None = None, filter_fn: Filter | None = None
) -> nn.Module:
    """Put int8 layers in the place of every Linear and Embedding inside, and give the model back.

    filter_fn(layer, path) says which (all by default); subclasses of the two are left alone, and so is a layer whose
    weight another layer shares, which would be kept twice. A saved state loads into a model that has been quantized in
    the same way.

    Raises: TypeError if the model is itself a Linear or an Embedding, whose place nobody holds.

    >>> net = quantize_(nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)))
    >>> net[2]
    Int8Linear(8, 2)
    """
    if config is not None and not isinstance(config, Int8WeightOnlyConfig):
        raise TypeError(f"quantize_: the config is {config!r}; there is Int8WeightOnlyConfig()")
    if not isinstance(model, nn.Module):
        raise TypeError(f"quantize_: {model!r} is no module; pass the network itself")
    if type(model) in _QUANTIZED:
        kind = type(model).__name__
        raise TypeError(f"quantize_: a {kind} alone cannot be replaced in place; use Int8{kind}.from_float(layer)")
    holders = [(outer, path, name, layer) for path, outer in model.named_modules()
               for name, layer in outer.named_children() if type(layer) in _QUANTIZED]
    owners: dict[int, set[int]] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, nn.Parameter):
                owners.setdefault(id(value), set()).add(id(module))
    made: dict[int, nn.Module] = {}  # a layer that stands in two places stays one
    for outer, path, name, layer in holders:
        shared = len(owners[id(vars(layer)["weight"])]) > 1
        if shared or (filter_fn and not filter_fn(layer, f"{path}.{name}" if path else name)):
            continue
        if id(layer) not in made:
            made[id(layer)] = _QUANTIZED[type(layer)].from_float(layer)
        outer.register_module(name, made[id(layer)])
    return model


@dataclass(frozen=True)
class LayerError:
    """How far an int8 layer is from the float one, as signal to noise in decibels: 20 is a tenth, 40 a hundredth."""

    name: str
    weight_db: float
    output_db: float


def sqnr(signal: fl.Tensor, changed: fl.Tensor) -> float:
    """The signal's squares over those of the difference, in decibels; infinite if there is none.

    >>> round(sqnr(fl.tensor([1.0, 1.0]), fl.tensor([1.1, 0.9])), 2)
    20.0
    """
    if signal.shape != changed.shape:
        raise fl.ShapeError(f"sqnr: {tuple(signal.shape)} and {tuple(changed.shape)} are compared: they must be equal")
    with fl.no_grad(), autocast(enabled=False):
        exact = signal.detach().astype(fl.float64)
        noise = float(fl.sum(fl.square(exact - changed.detach().astype(fl.float64))).item())
        power = float(fl.sum(fl.square(exact)).item())
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(power / noise) if power else -math.inf


def compare(original: nn.Module, quantized: nn.Module, *args: Any, **kwargs: Any) -> list[LayerError]:
    """The error of every int8 layer of `quantized` beside the same layer of `original`, for one call of each.

    Both run in evaluation mode, as whole models: outputs carry the errors of the layers before. The first call of a
    layer counts. Raises: ValueError if a layer is not there in the original.

    >>> fl.manual_seed(0)
    >>> net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    >>> other = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 8))
    >>> _ = other.load_state_dict(net.state_dict())
    >>> [error.name for error in compare(net, quantize_(other), fl.random.normal((16, 64))) if error.output_db > 35]
    ['0', '2']
    """
    int8 = {name: layer for name, layer in quantized.named_modules() if isinstance(layer, _Int8)}
    before = {name: layer for name, layer in original.named_modules() if isinstance(layer, nn.Linear | nn.Embedding)}
    strange = [name for name in int8 if name not in before]
    if strange:
        raise ValueError(f"compare: {', '.join(strange)} is no Linear and no Embedding in the original; pass the model "
                         "that was quantized, as it was before")
    signals = _outputs(original, {name: before[name] for name in int8}, args, kwargs)
    changed = _outputs(quantized, int8, args, kwargs)
    return [LayerError(name, sqnr(before[name].weight, layer.dequantize()),
                       sqnr(signals[name], changed[name]) if name in signals else math.nan)
            for name, layer in int8.items()]


def _outputs(
    model: nn.Module, layers: dict[str, Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, fl.Tensor]:
    found: dict[str, fl.Tensor] = {}
    handles = [layer.register_forward_hook(lambda _, __, output, name=name: _keep(found, name, output))
               for name, layer in layers.items()]
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with fl.no_grad():
            model(*args, **kwargs)
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes:
            module.training = training
    return found


def _keep(found: dict[str, fl.Tensor], name: str, output: fl.Tensor) -> None:
    found.setdefault(name, output.detach())
