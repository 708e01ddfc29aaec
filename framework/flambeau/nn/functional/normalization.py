"""Norms: elements relative to the mean and spread of a row, a group of channels or a batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import flambeau as fl
from flambeau import _core
from flambeau.nn.functional.padding import pad
from flambeau.nn.functional.pooling import avg_pool2d

_layer_norm, _rms_norm, _group_norm, _batch_norm, _batch_norm_max_pool = (
    _core.ops[name] for name in ("layer_norm", "rms_norm", "group_norm", "batch_norm", "batch_norm_max_pool"))

_HALF = (fl.float16, fl.bfloat16)


def layer_norm(
    input: fl.Tensor,
    normalized_shape: int | Sequence[int],
    weight: fl.Tensor | None = None,
    bias: fl.Tensor | None = None,
    eps: float = 1e-5,
) -> fl.Tensor:
    """The input with mean 0 and variance 1 over its last axes (normalized_shape), times weight, plus bias.

    Source: Ba and others, arXiv:1607.06450.

    >>> layer_norm(fl.tensor([1.0, 3.0]), 2, eps=0.0).tolist()
    [-1.0, 1.0]
    """
    axes = _trailing("layer_norm", input, normalized_shape)
    if weight is None:
        result = _layer_norm(input, None, None, axes, eps)
        return result if bias is None else _like(input, result + bias)
    return _like(input, _layer_norm(input, weight, bias, axes, eps))


def rms_norm(
    input: fl.Tensor,
    normalized_shape: int | Sequence[int],
    weight: fl.Tensor | None = None,
    eps: float | None = None,
) -> fl.Tensor:
    """The input over the root of its mean square over its last axes (normalized_shape), times weight.

    `eps` is the dtype's own unless given. Source: Zhang and Sennrich, arXiv:1910.07467.

    >>> rms_norm(fl.tensor([2.0, 14.0]), 2, eps=0.0).tolist()
    [0.20000000298023224, 1.399999976158142]
    """
    return _like(input, _rms_norm(input, weight, _trailing("rms_norm", input, normalized_shape),
                                  float(fl.finfo(input.dtype).eps) if eps is None else eps))


def group_norm(
    input: fl.Tensor,
    num_groups: int,
    weight: fl.Tensor | None = None,
    bias: fl.Tensor | None = None,
    eps: float = 1e-5,
) -> fl.Tensor:
    """The input (n, channels, ...) with mean 0 and variance 1 over each of num_groups groups of channels of an image.

    Source: Wu and He, arXiv:1803.08494.

    >>> group_norm(fl.tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0).tolist()
    [[-1.0, 1.0, -1.0, 1.0]]
    """
    if weight is None:
        result = _group_norm(input, None, None, num_groups, eps)
        return result if bias is None else _like(input, result + _by_channel(bias, input))
    return _like(input, _group_norm(input, weight, bias, num_groups, eps))


def instance_norm(
    input: fl.Tensor,
    running_mean: fl.Tensor | None = None,
    running_var: fl.Tensor | None = None,
    weight: fl.Tensor | None = None,
    bias: fl.Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> fl.Tensor:
    """Each channel of each image (n, channels, ...) with mean 0 and variance 1, or by the running statistics.

    With use_input_stats, running statistics that are given move by `momentum` toward the batch's.
    """
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    per_image = math.prod(input.shape[2:])
    if per_image <= 1:
        raise ValueError(f"instance_norm: input is {tuple(input.shape)}: one value a channel has no spread")
    if running_mean is not None or running_var is not None:
        with fl.no_grad():
            axes = tuple(range(2, input.ndim))
            values = input.detach()
            _move(running_mean, fl.mean(fl.mean(values, axis=axes), axis=0), momentum)
            _move(running_var, fl.mean(fl.var(values, axis=axes, correction=1.0), axis=0), momentum)
    return group_norm(input, input.shape[1], weight, bias, eps)


def batch_norm(
    input: fl.Tensor,
    running_mean: fl.Tensor | None,
    running_var: fl.Tensor | None,
    weight: fl.Tensor | None = None,
    bias: fl.Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> fl.Tensor:
    """Each channel of input (n, channels, ...) with mean 0 and variance 1 over the batch, times weight, plus bias.

    While training, the batch's statistics are taken, and the running ones (if given) are written in place: they move by
    `momentum` toward the batch's mean and unbiased variance. Else the running statistics are taken.
    Raises: ValueError while training on one value a channel. Source: Ioffe and Szegedy, arXiv:1502.03167.

    >>> batch_norm(fl.tensor([[1.0], [3.0]]), None, None, training=True, eps=0.0).tolist()
    [[-1.0], [1.0]]
    """
    if not training:
        if running_mean is None or running_var is None:
            raise ValueError("batch_norm: outside training the running mean and variance are needed; pass "
                             "training=True to take the batch's")
        if input.dtype in _HALF:  # rounded once: x scaled, and its shift, may be far larger than their sum
            result = batch_norm(input.astype(fl.float32), _wide(running_mean), _wide(running_var), _wide(weight),
                                _wide(bias), eps=eps)
            return _like(input, result)
        scale = 1.0 / fl.sqrt(running_var + eps)
        if weight is not None:
            scale = weight * scale
        shift = -running_mean * scale if bias is None else bias - running_mean * scale
        return input * _by_channel(scale, input) + _by_channel(shift, input)
    count = input.size // input.shape[1] if input.ndim > 1 and input.shape[1] else 0
    if count == 1:
        raise ValueError(f"batch_norm: input is {tuple(input.shape)}: one value a channel has no spread; give a larger "
                         "batch, or call eval() first")
    result, mean, variance = _batch_norm(input, weight, bias if weight is not None else None, eps)
    _move_both(running_mean, running_var, mean, variance, count, momentum)
    return _like(input, result + _by_channel(bias, input) if weight is None and bias is not None else result)


def _like(input: fl.Tensor, result: fl.Tensor) -> fl.Tensor:
    """In the half precision that came in: wide parameters beside it are for accuracy. Autocast decides itself."""
    if result.dtype == input.dtype or input.dtype not in _HALF or _core.autocast_mode()[0]:
        return result
    return result.astype(input.dtype)


def batch_norm_max_pool(
    input: fl.Tensor,
    running_mean: fl.Tensor | None,
    running_var: fl.Tensor | None,
    weight: fl.Tensor,
    bias: fl.Tensor,
    momentum: float,
    eps: float,
) -> fl.Tensor:
    """max_pool2d(batch_norm(...), 2) while training, in one pass over images of at least 2 by 2, float32 or float64."""
    result, mean, variance = _batch_norm_max_pool(input, weight, bias, eps)
    _move_both(running_mean, running_var, mean, variance, input.size // input.shape[1], momentum)
    return result


def _move_both(
    running_mean: fl.Tensor | None,
    running_var: fl.Tensor | None,
    mean: fl.Tensor,
    variance: fl.Tensor,
    count: int,
    momentum: float,
) -> None:
    """The running statistics toward a batch's of `count` values a channel."""
    if running_mean is None and running_var is None:
        return
    with fl.no_grad():
        _move(running_mean, mean.detach(), momentum)
        _move(running_var, variance.detach() * (count / max(count - 1, 1)), momentum)


def _move(running: fl.Tensor | None, now: fl.Tensor, momentum: float) -> None:
    if running is not None:
        wide = fl.float32 if running.dtype in _HALF else running.dtype  # rounded once
        moved = running.astype(wide, copy=False) * (1.0 - momentum) + now.astype(wide, copy=False) * momentum
        running[...] = moved.astype(running.dtype, copy=False)


def _wide(parameter: fl.Tensor | None) -> fl.Tensor | None:
    return None if parameter is None else parameter.astype(fl.float32, copy=False)


def _by_channel(parameter: fl.Tensor, x: fl.Tensor) -> fl.Tensor:
    return fl.reshape(parameter, (-1, *(1,) * (x.ndim - 2)))


def _trailing(name: str, x: fl.Tensor, normalized_shape: int | Sequence[int]) -> int:
    shape = (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
    if not shape or tuple(x.shape[-len(shape) :]) != shape:
        raise fl.ShapeError(f"{name}: input is {tuple(x.shape)}; its last axes must be normalized_shape, {shape}")
    return len(shape)


def local_response_norm(
    input: fl.Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> fl.Tensor:
    """Each element of (n, c, ...) over (k + alpha times the mean square of `size` channels around its own)^beta.

    Channels that are not there count as zeros. Source: Krizhevsky, Sutskever and Hinton, 2012.

    >>> local_response_norm(fl.tensor([[[2.0], [0.0]]]), 2, alpha=1.0, beta=1.0)[0, :, 0].tolist()
    [0.6666666865348816, 0.0]
    """
    if input.ndim < 3 or size < 1:
        raise fl.ShapeError(f"local_response_norm: input is {tuple(input.shape)}, size {size}: (n, channels, ...) with "
                            "at least one axis behind and a positive size are needed")
    rows = fl.reshape(fl.square(input), (input.shape[0], 1, input.shape[1], -1))
    means = avg_pool2d(pad(rows, (0, 0, size // 2, (size - 1) // 2)), (size, 1), stride=1)
    return input / fl.pow(fl.reshape(means, input.shape) * alpha + k, beta)
