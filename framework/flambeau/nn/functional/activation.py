"""Activations as functions. None writes into its input: PyTorch's argument `inplace` is left out."""

from __future__ import annotations

from typing import Literal, Never, Protocol, cast

import flambeau as fl
from flambeau import _core
from flambeau.arguments import refuse

_gelu, _hardtanh, _leaky_relu, _elu, _softplus, _hardshrink, _softshrink, _threshold = (
    _core.ops[name]
    for name in ("gelu", "hardtanh", "leaky_relu", "elu", "softplus", "hardshrink", "softshrink", "threshold")
)
_prelu = _core.ops["prelu"]
_softmax, _log_softmax = (_core.ops[name] for name in ("softmax", "log_softmax"))

# Klambauer and others, arXiv:1706.02515
_SELU_ALPHA, _SELU_SCALE = 1.6732632423543772848170429916717, 1.0507009873554804934193349852946


class _OfOne(Protocol):
    def __call__(self, input: fl.Tensor) -> fl.Tensor: ...


def _op(name: str, doc: str) -> _OfOne:
    """The op itself under PyTorch's keyword. A function would hold its argument, whose memory the op may use."""
    return cast(_OfOne, _core.function(name, ("input",), doc, __name__))


relu = _op("relu", "Zero where the input is negative.")
sigmoid = _op("sigmoid", "1 / (1 + exp(-input)).")
tanh = _op("tanh", "The hyperbolic tangent.")
silu = _op("silu", "The input times its sigmoid.")
mish = _op("mish", "The input times tanh(softplus(input)). Source: Misra, arXiv:1908.08681.")
logsigmoid = _op("log_sigmoid", "The logarithm of sigmoid(input), without overflow.")
hardsigmoid = _op(
    "hardsigmoid", "input / 6 + 1/2 between 0 and 1; NaN stays NaN and, as in PyTorch, passes no gradient on."
)
hardswish = _op("hardswish", "The input times hardsigmoid(input). Source: Howard and others, arXiv:1905.02244.")


def relu6(input: fl.Tensor, **other: Never) -> fl.Tensor:
    """The input, not below 0 and not above 6."""
    if other:
        refuse("relu6", other)
    return hardtanh(input, 0.0, 6.0)


def leaky_relu(input: fl.Tensor, negative_slope: float = 0.01, **other: Never) -> fl.Tensor:
    """The input, times negative_slope where it is negative.

    >>> leaky_relu(fl.tensor([-2.0, 2.0]), 0.5).tolist()
    [-1.0, 2.0]
    """
    if other:
        refuse("leaky_relu", other)
    return _leaky_relu(input, slope=negative_slope)


def prelu(input: fl.Tensor, weight: fl.Tensor) -> fl.Tensor:
    """The input, times a learned slope where it is negative: one slope, or one for each channel (dimension 1).

    >>> prelu(fl.tensor([[-2.0, -2.0]]), fl.tensor([0.5, 0.25])).tolist()
    [[-1.0, -0.5]]
    """
    channels = input.shape[1] if input.ndim > 1 else 1
    if weight.ndim > 1 or weight.size not in (1, channels):
        raise fl.ShapeError(f"prelu: weight is {weight.shape}, input is {input.shape}: weight must have one element or "
                            f"{channels}, one for each channel")
    slope = fl.reshape(weight, (-1,) + (1,) * (input.ndim - 2)) if weight.size > 1 else fl.reshape(weight, ())
    return _prelu(input, slope)


def rrelu(
    input: fl.Tensor, lower: float = 1.0 / 8, upper: float = 1.0 / 3, training: bool = False, **other: Never
) -> fl.Tensor:
    """leaky_relu whose slope is drawn for each element while training, and the mean of the bounds otherwise."""
    if other:
        refuse("rrelu", other)
    if not training:
        return leaky_relu(input, (lower + upper) / 2)
    slope = fl.random.uniform(input.shape, low=lower, high=upper, device=input.device).to(input.dtype)
    return _prelu(input, slope)


def elu(input: fl.Tensor, alpha: float = 1.0, **other: Never) -> fl.Tensor:
    """The input, and alpha (exp(input) - 1) where it is negative.

    >>> elu(fl.tensor([0.0, 3.0])).tolist()
    [0.0, 3.0]
    """
    if other:
        refuse("elu", other)
    return _elu(input, alpha=alpha)


def celu(input: fl.Tensor, alpha: float = 1.0, **other: Never) -> fl.Tensor:
    """The input, and alpha (exp(input / alpha) - 1) where it is negative."""
    if other:
        refuse("celu", other)
    if alpha == 0:
        raise ValueError("celu: alpha is 0 and the input is divided by it")
    if alpha < 0:  # then it grows without bounds, for which elu's exponential has no range
        return fl.where(input > 0, input, fl.expm1(fl.where(input > 0, 0.0, input) / alpha) * alpha)
    return _elu(input, alpha=alpha, inner=1 / alpha)


def selu(input: fl.Tensor, **other: Never) -> fl.Tensor:
    """elu with the constants that keep mean 0 and variance 1. Source: Klambauer and others, arXiv:1706.02515."""
    if other:
        refuse("selu", other)
    return _elu(input, alpha=_SELU_ALPHA, scale=_SELU_SCALE)


def gelu(input: fl.Tensor, approximate: Literal["none", "tanh"] = "none") -> fl.Tensor:
    """The input times the share of a normal distribution below it, exactly or by tanh."""
    if approximate not in ("none", "tanh"):
        raise ValueError(f'gelu: approximate is {approximate!r}; it is "none" or "tanh"')
    return _gelu(input, approximate=approximate == "tanh")


def softplus(input: fl.Tensor, beta: float = 1.0, threshold: float = 20.0) -> fl.Tensor:
    """log(1 + exp(beta input)) / beta; the input itself where beta input is above the threshold.

    >>> round(softplus(fl.tensor(0.0)).item(), 4)
    0.6931
    """
    return _softplus(input, beta=beta, threshold=threshold)


def softsign(input: fl.Tensor) -> fl.Tensor:
    """input / (1 + |input|)."""
    return input / (fl.abs(input) + 1.0)


def hardtanh(input: fl.Tensor, min_val: float = -1.0, max_val: float = 1.0, **other: Never) -> fl.Tensor:
    """The input between two bounds, at which and beyond which the gradient is 0.

    >>> hardtanh(fl.tensor([-3.0, 0.5, 3.0])).tolist()
    [-1.0, 0.5, 1.0]
    """
    if other:
        refuse("hardtanh", other)
    if min_val > max_val:
        raise ValueError(f"hardtanh: min_val {min_val} is above max_val {max_val}")
    return _hardtanh(input, low=min_val, high=max_val)


def hardshrink(input: fl.Tensor, lambd: float = 0.5) -> fl.Tensor:
    """The input, and 0 within lambd of 0."""
    return _hardshrink(input, bound=lambd)


def softshrink(input: fl.Tensor, lambd: float = 0.5) -> fl.Tensor:
    """The input, nearer to 0 by lambd, and 0 within it."""
    if lambd < 0:
        raise ValueError(f"softshrink: lambd is {lambd} and cannot be negative")
    return _softshrink(input, bound=lambd)


def tanhshrink(input: fl.Tensor) -> fl.Tensor:
    """input - tanh(input)."""
    return input - fl.tanh(input)


def threshold(input: fl.Tensor, threshold: float, value: float, **other: Never) -> fl.Tensor:
    """The input where it is above the threshold, and `value` elsewhere; NaN stays NaN."""
    if other:
        refuse("threshold", other)
    return _threshold(input, threshold=threshold, value=value)


def glu(input: fl.Tensor, dim: int = -1, **other: Never) -> fl.Tensor:
    """The first half along `dim` times the sigmoid of the second. Source: Dauphin and others, arXiv:1612.08083.

    >>> glu(fl.tensor([2.0, 4.0, 0.0, 0.0])).tolist()
    [1.0, 2.0]
    """
    if other:
        refuse("glu", other)
    if not -input.ndim <= dim < input.ndim:
        raise IndexError(f"glu: dim {dim} is out of range for {input.ndim} dimensions")
    size = input.shape[dim]
    if size % 2:
        raise fl.ShapeError(f"glu: dimension {dim} of {tuple(input.shape)} is odd and has no halves")
    lead = (slice(None),) * (dim % input.ndim)
    return input[(*lead, slice(None, size // 2))] * sigmoid(input[(*lead, slice(size // 2, None))])


def softmax(input: fl.Tensor, dim: int, dtype: _core.DType | None = None, **other: Never) -> fl.Tensor:
    """Probabilities along `dim` from logits, which are cast to `dtype` first if it is given.

    >>> softmax(fl.tensor([0.0, 0.0]), dim=0).tolist()
    [0.5, 0.5]
    """
    if other:
        refuse("softmax", other)
    return _softmax(input if dtype is None else input.to(dtype), axis=dim)


def softmin(input: fl.Tensor, dim: int, dtype: _core.DType | None = None, **other: Never) -> fl.Tensor:
    """softmax(-input): the smallest is likeliest."""
    if other:
        refuse("softmin", other)
    return softmax(-input, dim, dtype)


def log_softmax(input: fl.Tensor, dim: int, dtype: _core.DType | None = None, **other: Never) -> fl.Tensor:
    """Logarithms of probabilities along `dim` from logits."""
    if other:
        refuse("log_softmax", other)
    return _log_softmax(input if dtype is None else input.to(dtype), axis=dim)


def gumbel_softmax(logits: fl.Tensor, tau: float = 1.0, hard: bool = False, dim: int = -1, **other: Never) -> fl.Tensor:
    """A random choice along `dim` that has gradients: softmax of the logits with Gumbel noise, over tau.

    hard: zeros and a one, with the gradient of the soft choice. Source: Jang and others, arXiv:1611.01144.
    """
    if other:
        refuse("gumbel_softmax", other)
    uniform = fl.random.uniform(logits.shape, device=logits.device).to(logits.dtype)
    noise = -fl.log(-fl.log(fl.maximum(uniform, fl.finfo(logits.dtype).smallest_normal)))
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    best = fl.expand_dims(fl.argmax(soft, axis=dim), axis=dim)
    places = [1] * soft.ndim
    places[dim] = soft.shape[dim]
    chosen = fl.arange(soft.shape[dim], device=soft.device).reshape(places) == best
    return chosen.to(soft.dtype) + (soft - soft.detach())
