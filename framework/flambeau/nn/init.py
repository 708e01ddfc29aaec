"""How parameters begin: PyTorch's distributions, drawn from flambeau's own generator (`fl.manual_seed`)."""

from __future__ import annotations

import math
from typing import Literal

import flambeau as fl
from flambeau.random import Generator

Mode = Literal["fan_in", "fan_out"]

_GAINS = {"linear": 1.0, "conv1d": 1.0, "conv2d": 1.0, "conv3d": 1.0, "conv_transpose1d": 1.0, "conv_transpose2d": 1.0,
          "conv_transpose3d": 1.0, "sigmoid": 1.0, "tanh": 5.0 / 3, "relu": math.sqrt(2.0), "selu": 0.75}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor by which weights before an activation are larger; `param` is leaky_relu's slope.

    >>> round(calculate_gain("relu"), 4), round(calculate_gain("leaky_relu", 0.2), 4)
    (1.4142, 1.3868)
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        return math.sqrt(2.0 / (1.0 + slope * slope))
    if nonlinearity not in _GAINS:
        raise ValueError(f"calculate_gain: {nonlinearity!r} is not known; there are leaky_relu, {', '.join(_GAINS)}")
    return _GAINS[nonlinearity]


def uniform_(tensor: fl.Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> fl.Tensor:
    """Fill with numbers spread evenly over [a, b).

    >>> x = uniform_(fl.zeros(1000), -1.0, 1.0)
    >>> bool(fl.all(x >= -1)), bool(fl.all(x < 1))
    (True, True)
    """
    source = generator or fl.random.default_generator
    return _fill(tensor, source.uniform(tensor.shape, low=a, high=b, dtype=_drawn(tensor), device=tensor.device))


def normal_(tensor: fl.Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> fl.Tensor:
    """Fill with numbers from a normal distribution."""
    source = generator or fl.random.default_generator
    return _fill(tensor, source.normal(tensor.shape, mean=mean, std=std, dtype=_drawn(tensor), device=tensor.device))


def trunc_normal_(
    tensor: fl.Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> fl.Tensor:
    """Fill with numbers from a normal distribution, those outside [a, b] drawn again.

    Raises: ValueError if less than 1 in 1,000 of the distribution is inside.

    >>> x = trunc_normal_(fl.zeros(1000), std=5.0)
    >>> bool(fl.all(fl.abs(x) <= 2))
    True
    """
    inside = 0.5 * (math.erf((b - mean) / (std * math.sqrt(2))) - math.erf((a - mean) / (std * math.sqrt(2))))
    if not inside >= 1e-3:
        raise ValueError(f"trunc_normal_: of a normal distribution with mean {mean} and std {std} only {inside:.2g} "
                         f"lies between {a} and {b}")
    source = generator or fl.random.default_generator
    kept: list[float] = []
    while len(kept) < tensor.size:
        drawn = source.normal(int((tensor.size - len(kept)) / inside) + 16, mean=mean, std=std, dtype=fl.float64)
        kept += [x for x in drawn.tolist() if a <= x <= b]
    return _fill(tensor, fl.tensor(kept[: tensor.size], dtype=fl.float64).reshape(tensor.shape))


def constant_(tensor: fl.Tensor, val: float) -> fl.Tensor:
    """Fill with one value."""
    return _fill(tensor, fl.full(tensor.shape, val, dtype=tensor.dtype, device=tensor.device))


def zeros_(tensor: fl.Tensor) -> fl.Tensor:
    """Fill with zeros."""
    return constant_(tensor, 0.0)


def ones_(tensor: fl.Tensor) -> fl.Tensor:
    """Fill with ones."""
    return constant_(tensor, 1.0)


def eye_(tensor: fl.Tensor) -> fl.Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere."""
    if tensor.ndim != 2:
        raise fl.ShapeError(f"eye_: the tensor is {tuple(tensor.shape)}; it must be a matrix")
    return _fill(tensor, fl.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: fl.Tensor, groups: int = 1) -> fl.Tensor:
    """Fill a convolution's weight (out, in, ...) so that it gives its channels back, as many as there are."""
    if tensor.ndim not in (3, 4, 5) or tensor.shape[0] % groups:
        raise fl.ShapeError(f"dirac_: the tensor is {tuple(tensor.shape)} for {groups} groups; it must be a "
                            "convolution's weight (out, in, ...) whose outputs the groups share evenly")
    values = fl.zeros(tensor.shape, dtype=tensor.dtype, device=tensor.device)
    each = tensor.shape[0] // groups
    middle = tuple(size // 2 for size in tensor.shape[2:])
    for group in range(groups):
        for channel in range(min(each, tensor.shape[1])):
            values[(group * each + channel, channel, *middle)] = 1.0
    return _fill(tensor, values)


def kaiming_uniform_(
    tensor: fl.Tensor,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> fl.Tensor:
    """Fill a weight (out, in, ...) evenly within gain sqrt(3 / fan).

    Source: He and others, arXiv:1502.01852; `a` is the negative slope of the activation that follows.
    """
    bound = calculate_gain(nonlinearity, a) * math.sqrt(3.0 / _fan("kaiming_uniform_", tensor, mode))
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: fl.Tensor,
    a: float = 0.0,
    mode: Mode = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> fl.Tensor:
    """Fill a weight (out, in, ...) from a normal distribution of deviation gain / sqrt(fan)."""
    std = calculate_gain(nonlinearity, a) / math.sqrt(_fan("kaiming_normal_", tensor, mode))
    return normal_(tensor, 0.0, std, generator)


def xavier_uniform_(tensor: fl.Tensor, gain: float = 1.0, generator: Generator | None = None) -> fl.Tensor:
    """Fill a weight (out, in, ...) evenly within gain sqrt(6 / (fan_in + fan_out)).

    Source: Glorot and Bengio, 2010.
    """
    bound = gain * math.sqrt(6.0 / sum(fans(tensor)))
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: fl.Tensor, gain: float = 1.0, generator: Generator | None = None) -> fl.Tensor:
    """Fill a weight (out, in, ...) from a normal distribution of deviation gain sqrt(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / sum(fans(tensor))), generator)


def orthogonal_(tensor: fl.Tensor, gain: float = 1.0, generator: Generator | None = None) -> fl.Tensor:
    """Fill a weight (out, in, ...), seen as a matrix, with rows or columns that are perpendicular and `gain` long.

    Source: Saxe and others, arXiv:1312.6120.

    >>> q = orthogonal_(fl.zeros((2, 2)))
    >>> bool(fl.all(fl.abs(q @ q.mT - fl.eye(2)) < 1e-6))
    True
    """
    import numpy

    if tensor.ndim < 2:
        raise fl.ShapeError(f"orthogonal_: the tensor is {tuple(tensor.shape)}; it must be (out, in, ...)")
    if not tensor.size:
        return tensor
    rows, columns = tensor.shape[0], tensor.size // tensor.shape[0]
    source = generator or fl.random.default_generator
    drawn = source.normal((rows, columns), dtype=fl.float64).numpy()
    q, r = numpy.linalg.qr(drawn if rows >= columns else drawn.T)
    q = q * numpy.sign(numpy.diag(r))  # so that every orthogonal matrix is equally likely
    return _fill(tensor, fl.tensor((q if rows >= columns else q.T) * gain).reshape(tensor.shape))


def sparse_(tensor: fl.Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None) -> fl.Tensor:
    """Fill a matrix from a normal distribution, then make this share of each column zero."""
    if tensor.ndim != 2:
        raise fl.ShapeError(f"sparse_: the tensor is {tuple(tensor.shape)}; it must be a matrix")
    source = generator or fl.random.default_generator
    rows, columns = tensor.shape
    normal_(tensor, 0.0, std, source)
    empty = math.ceil(sparsity * rows)
    with fl.no_grad():
        for column in range(columns):
            for row in source.permutation(rows).tolist()[:empty]:
                tensor[row, column] = 0.0
    return tensor


def fans(tensor: fl.Tensor) -> tuple[int, int]:
    """How many inputs one output of a weight (out, in, ...) has, and how many outputs one input reaches.

    >>> fans(fl.zeros((8, 4, 3, 3)))
    (36, 72)
    """
    if tensor.ndim < 2:
        raise fl.ShapeError(f"init: the tensor is {tuple(tensor.shape)}, which has no inputs and outputs; it must be "
                            "(out, in, ...)")
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _fan(function: str, tensor: fl.Tensor, mode: str) -> int:
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f'{function}: mode is {mode!r}; it is "fan_in" or "fan_out"')
    return max(fans(tensor)[mode == "fan_out"], 1)


def _drawn(tensor: fl.Tensor) -> fl._core.DType:
    """float64 for float64, so that all its digits are random; float32 for the rest."""
    return fl.float64 if tensor.dtype == fl.float64 else fl.float32


def _fill(tensor: fl.Tensor, values: fl.Tensor) -> fl.Tensor:
    with fl.no_grad():
        tensor[...] = values.to(tensor.device).to(tensor.dtype)
    return tensor
