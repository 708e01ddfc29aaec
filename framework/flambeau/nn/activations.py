"""Activations as layers. `inplace` is taken as in PyTorch's; the result is always a new tensor."""

from __future__ import annotations

from typing import Literal

import flambeau as fl
from flambeau.nn import functional
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter


class Identity(Module):
    """Gives its input back; takes any arguments.

    >>> Identity()(fl.ones(2)).tolist()
    [1.0, 1.0]
    """

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return x


class ReLU(Module):
    """Zero where the input is negative.

    >>> ReLU()(fl.tensor([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.relu(x)


class ReLU6(Module):
    """The input, not below 0 and not above 6."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.relu6(x)


class LeakyReLU(Module):
    """The input, times negative_slope where it is negative."""

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self.negative_slope = negative_slope

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.leaky_relu(x, self.negative_slope)

    def extra_repr(self) -> str:
        return f"negative_slope={self.negative_slope!r}"


class PReLU(Module):
    """The input, times a learned slope where it is negative: one slope, or one for each channel (dimension 1).

    >>> PReLU()(fl.tensor([-4.0, 4.0])).tolist()
    [-1.0, 4.0]
    """

    def __init__(self, num_parameters: int = 1, init: float = 0.25) -> None:
        self.num_parameters = num_parameters
        self.weight = Parameter(fl.full(num_parameters, float(init)))

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.prelu(x, self.weight)

    def extra_repr(self) -> str:
        return f"num_parameters={self.num_parameters}"


class RReLU(Module):
    """LeakyReLU whose slope is drawn between two bounds for each element while training."""

    def __init__(self, lower: float = 1.0 / 8, upper: float = 1.0 / 3, inplace: bool = False) -> None:
        self.lower = lower
        self.upper = upper

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.rrelu(x, self.lower, self.upper, self.training)

    def extra_repr(self) -> str:
        return f"lower={self.lower}, upper={self.upper}"


class ELU(Module):
    """The input, and alpha (exp(input) - 1) where it is negative."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.elu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha!r}"


class CELU(Module):
    """The input, and alpha (exp(input / alpha) - 1) where it is negative."""

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self.alpha = alpha

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.celu(x, self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha!r}"


class SELU(Module):
    """ELU with the constants that keep mean 0 and variance 1."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.selu(x)


class GELU(Module):
    """The input times the share of a normal distribution below it; `approximate` is "none" or "tanh"."""

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        self.approximate = approximate

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.gelu(x, approximate=self.approximate)

    def extra_repr(self) -> str:
        return "" if self.approximate == "none" else f"approximate={self.approximate!r}"


class SiLU(Module):
    """The input times its sigmoid."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.silu(x)


class Mish(Module):
    """The input times tanh(softplus(input))."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.mish(x)


class Softplus(Module):
    """log(1 + exp(beta x)) / beta; x itself where beta x is above the threshold."""

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        self.beta = beta
        self.threshold = threshold

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softplus(x, self.beta, self.threshold)

    def extra_repr(self) -> str:
        return f"beta={self.beta!r}, threshold={self.threshold!r}"


class Softsign(Module):
    """x / (1 + |x|)."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softsign(x)


class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.sigmoid(x)


class LogSigmoid(Module):
    """The logarithm of the sigmoid, without overflow."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.logsigmoid(x)


class Tanh(Module):
    """The hyperbolic tangent."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.tanh(x)


class Hardtanh(Module):
    """The input between two bounds."""

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        self.min_val = min_val
        self.max_val = max_val

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.hardtanh(x, self.min_val, self.max_val)

    def extra_repr(self) -> str:
        return f"min_val={self.min_val!r}, max_val={self.max_val!r}"


class Hardsigmoid(Module):
    """x / 6 + 1/2 between 0 and 1."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.hardsigmoid(x)


class Hardswish(Module):
    """The input times its Hardsigmoid."""

    def __init__(self, inplace: bool = False) -> None:
        pass

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.hardswish(x)


class Hardshrink(Module):
    """The input, and 0 within lambd of 0."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.hardshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd!r}"


class Softshrink(Module):
    """The input, nearer to 0 by lambd, and 0 within it."""

    def __init__(self, lambd: float = 0.5) -> None:
        self.lambd = lambd

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softshrink(x, self.lambd)

    def extra_repr(self) -> str:
        return f"lambd={self.lambd!r}"


class Tanhshrink(Module):
    """x - tanh(x)."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.tanhshrink(x)


class Threshold(Module):
    """The input where it is above the threshold, and `value` elsewhere."""

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        self.threshold = threshold
        self.value = value

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.threshold(x, self.threshold, self.value)

    def extra_repr(self) -> str:
        return f"threshold={self.threshold!r}, value={self.value!r}"


class GLU(Module):
    """The first half along `dim` times the sigmoid of the second."""

    def __init__(self, dim: int = -1) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.glu(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim!r}"


class Softmax(Module):
    """Probabilities along `dim`.

    >>> Softmax(dim=-1)(fl.zeros((1, 4))).tolist()
    [[0.25, 0.25, 0.25, 0.25]]
    """

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim!r}"


class Softmin(Module):
    """Softmax of the negative: the smallest is likeliest."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.softmin(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim!r}"


class LogSoftmax(Module):
    """Logarithms of probabilities along `dim`."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        return functional.log_softmax(x, self.dim)

    def extra_repr(self) -> str:
        return f"dim={self.dim!r}"


class Softmax2d(Module):
    """Probabilities over the channels (n, c, h, w) or (c, h, w) at each place."""

    def __call__(self, x: fl.Tensor) -> fl.Tensor:
        if x.ndim not in (3, 4):
            raise fl.ShapeError(f"Softmax2d: the input is {tuple(x.shape)}; it must be (n, c, h, w) or (c, h, w)")
        return functional.softmax(x, dim=-3)
