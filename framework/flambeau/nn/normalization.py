"""Norms as layers."""

from __future__ import annotations

from collections.abc import Sequence

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.functional.normalization import batch_norm_max_pool
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter


class _Running(Module):
    """What batch and instance norms share: a gain and an offset for each channel, and running statistics.

    weight (ones), bias (zeros), running_mean (zeros), running_var (ones) and num_batches_tracked are as in PyTorch.
    """

    _ndims: tuple[int, ...] = ()

    def __init__(
        self, num_features: int, eps: float, momentum: float | None, affine: bool, track_running_stats: bool, bias: bool
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        self.weight = Parameter(fl.ones(num_features)) if affine else None
        self.bias = Parameter(fl.zeros(num_features)) if affine and bias else None
        self.running_mean: fl.Tensor | None
        self.running_var: fl.Tensor | None
        self.num_batches_tracked: fl.Tensor | None
        self.register_buffer("running_mean", fl.zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", fl.ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked",
                             fl.zeros((), dtype=fl.int64) if track_running_stats else None)

    def reset_running_stats(self) -> None:
        """Forget what was seen."""
        for tensor, value in ((self.running_mean, 0.0), (self.running_var, 1.0), (self.num_batches_tracked, 0.0)):
            if tensor is not None:
                init.constant_(tensor, value)

    def _check(self, x: fl.Tensor) -> None:
        if x.ndim not in self._ndims:
            raise fl.ShapeError(f"{type(self).__name__}: x is {tuple(x.shape)}; it needs "
                                f"{' or '.join(str(n) for n in self._ndims)} dimensions")

    def _next_momentum(self) -> float:
        """Counts a batch; gives how far running statistics move: momentum, or 1 / batches for a plain average."""
        if self.num_batches_tracked is None:
            return 0.0 if self.momentum is None else self.momentum
        self.num_batches_tracked[...] = self.num_batches_tracked + 1
        return 1.0 / float(self.num_batches_tracked.item()) if self.momentum is None else self.momentum

    def extra_repr(self) -> str:
        return (f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
                f"track_running_stats={self.track_running_stats}")


class _BatchNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        self._check(x)
        momentum = self._next_momentum() if self.training else 0.0
        return functional.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias,
                                     self.training or self.running_mean is None, momentum, self.eps)


class BatchNorm1d(_BatchNorm):
    """Each channel of (n, channels) or (n, channels, length) with mean 0 and variance 1: see functional.batch_norm.

    >>> layer = BatchNorm1d(2)
    >>> layer(fl.tensor([[1.0, 2.0], [3.0, 6.0]])).shape, layer.running_mean.tolist()
    ((2, 2), [0.20000000298023224, 0.4000000059604645])
    """

    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    """Each channel of (n, channels, h, w) with mean 0 and variance 1: see functional.batch_norm."""

    _ndims = (4,)

    def _then_pool(self, pool: Module, x: fl.Tensor) -> fl.Tensor:
        """pool(self(x)) for a MaxPool2d(2), by one operation where it is open."""
        if self.weight is None or self.bias is None or not self._is_open(x):
            pooled: fl.Tensor = pool(self(x))
            return pooled
        momentum = self._next_momentum() if self.training else 0.0
        return batch_norm_max_pool(x, self.running_mean, self.running_var, self.weight, self.bias, momentum, self.eps)

    def _is_open(self, x: fl.Tensor) -> bool:
        """Whether x is normed by its own statistics, in a precision of which the largest stay the largest."""
        if not (self.training or self.running_mean is None) or x.dtype not in (fl.float32, fl.float64):
            return False
        return x.ndim == 4 and min(x.shape) >= 1 and min(x.shape[2:]) >= 2 and x.shape[1] == self.num_features


class BatchNorm3d(_BatchNorm):
    """Each channel of (n, channels, d, h, w) with mean 0 and variance 1: see functional.batch_norm."""

    _ndims = (5,)


class _InstanceNorm(_Running):
    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(num_features, eps, momentum, affine, track_running_stats, bias)

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        self._check(x)
        alone = x.ndim == self._ndims[0]
        own = self.training or not self.track_running_stats
        result = functional.instance_norm(x[None] if alone else x, self.running_mean, self.running_var, self.weight,
                                          self.bias, own, 0.0 if self.momentum is None else self.momentum, self.eps)
        return result[0] if alone else result


class InstanceNorm1d(_InstanceNorm):
    """Each channel of each element of (n, channels, length) with mean 0 and variance 1."""

    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    """Each channel of each image (n, channels, h, w) with mean 0 and variance 1. Source: arXiv:1607.08022."""

    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    """Each channel of each volume (n, channels, d, h, w) with mean 0 and variance 1."""

    _ndims = (4, 5)


class LayerNorm(Module):
    """The input with mean 0 and variance 1 over its last axes, times weight (ones), plus bias (zeros).

    >>> LayerNorm(4)(fl.ones((2, 3, 4))).shape
    (2, 3, 4)
    """

    def __init__(
        self,
        normalized_shape: int | Sequence[int],
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(fl.ones(self.normalized_shape)) if elementwise_affine else None
        self.bias = Parameter(fl.zeros(self.normalized_shape)) if elementwise_affine and bias else None

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.layer_norm(x, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class RMSNorm(Module):
    """The input over the root of its mean square over its last axes, times weight (ones)."""

    def __init__(
        self, normalized_shape: int | Sequence[int], eps: float | None = None, elementwise_affine: bool = True
    ) -> None:
        self.normalized_shape = _shape(normalized_shape)
        self.eps, self.elementwise_affine = eps, elementwise_affine
        self.weight = Parameter(fl.ones(self.normalized_shape)) if elementwise_affine else None

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        return f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"


class GroupNorm(Module):
    """Groups of channels of (n, channels, ...) with mean 0 and variance 1, times weight (ones), plus bias (zeros).

    >>> GroupNorm(2, 4)(fl.ones((1, 4, 3))).shape
    (1, 4, 3)
    """

    def __init__(
        self, num_groups: int, num_channels: int, eps: float = 1e-5, affine: bool = True, *, bias: bool = True
    ) -> None:
        if num_groups < 1 or num_channels % num_groups:
            raise ValueError(f"GroupNorm: num_groups is {num_groups}; it must divide num_channels, {num_channels}")
        self.num_groups, self.num_channels, self.eps, self.affine = num_groups, num_channels, eps, affine
        self.weight = Parameter(fl.ones(num_channels)) if affine else None
        self.bias = Parameter(fl.zeros(num_channels)) if affine and bias else None

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.group_norm(x, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}"


class LocalResponseNorm(Module):
    """Each element relative to those of the channels around its own: see functional.local_response_norm."""

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        self.size, self.alpha, self.beta, self.k = size, alpha, beta, k

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.local_response_norm(x, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


def _shape(normalized_shape: int | Sequence[int]) -> tuple[int, ...]:
    return (normalized_shape,) if isinstance(normalized_shape, int) else tuple(normalized_shape)
