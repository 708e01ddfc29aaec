"""One step of recurrent layers: the formulas, and the cells as layers."""

from __future__ import annotations

import math

import flambeau as fl
from flambeau.nn import functional, init
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter

State = fl.Tensor | tuple[fl.Tensor, fl.Tensor]


def rnn_step(x: fl.Tensor, recurrent: fl.Tensor, nonlinearity: str) -> fl.Tensor:
    """The new state from the input's and the old state's products."""
    total = x + recurrent
    return functional.relu(total) if nonlinearity == "relu" else fl.tanh(total)


def lstm_step(gates: fl.Tensor, c: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor]:
    """The new output and state from the four gates (n, 4 hidden): input, forget, cell, output."""
    size = c.shape[-1]
    i, f, g, o = (gates[:, k * size : (k + 1) * size] for k in range(4))
    c = functional.sigmoid(f) * c + functional.sigmoid(i) * fl.tanh(g)
    return functional.sigmoid(o) * fl.tanh(c), c


def gru_step(x: fl.Tensor, recurrent: fl.Tensor, h: fl.Tensor) -> fl.Tensor:
    """The new state from the input's and the old state's products (n, 3 hidden): reset, update, new."""
    size = h.shape[-1]
    both = functional.sigmoid(x[:, : 2 * size] + recurrent[:, : 2 * size])
    new = fl.tanh(x[:, 2 * size :] + both[:, :size] * recurrent[:, 2 * size :])
    return new + both[:, size:] * (h - new)


class _Cell(Module):
    """weight_ih (gates hidden, input), weight_hh (gates hidden, hidden) and two biases, all within 1 / sqrt(hidden)."""

    _gates = 1

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True) -> None:
        if input_size < 1 or hidden_size < 1:
            raise ValueError(f"{type(self).__name__}: {input_size} inputs and {hidden_size} states; both are positive")
        self.input_size = input_size
        self.hidden_size = hidden_size
        rows = self._gates * hidden_size
        self.weight_ih = Parameter(fl.zeros((rows, input_size)))
        self.weight_hh = Parameter(fl.zeros((rows, hidden_size)))
        self.bias_ih = Parameter(fl.zeros(rows)) if bias else None
        self.bias_hh = Parameter(fl.zeros(rows)) if bias else None
        for parameter in self.parameters():
            init.uniform_(parameter, -1.0 / math.sqrt(hidden_size), 1.0 / math.sqrt(hidden_size))

    def _products(self, input: fl.Tensor, h: fl.Tensor) -> tuple[fl.Tensor, fl.Tensor]:
        return (functional.linear(input, self.weight_ih, self.bias_ih),
                functional.linear(h, self.weight_hh, self.bias_hh))

    def _state(self, input: fl.Tensor, hx: fl.Tensor | None) -> fl.Tensor:
        """The state as (n, hidden); zeros where none is given."""
        if input.ndim not in (1, 2):
            raise fl.ShapeError(f"{type(self).__name__}: the input is {tuple(input.shape)}; it must be (n, "
                                f"{self.input_size}) or ({self.input_size},)")
        shape = (*input.shape[:-1], self.hidden_size)
        if hx is None:
            hx = fl.zeros(shape, dtype=input.dtype, device=input.device)
        if tuple(hx.shape) != shape:
            raise fl.ShapeError(f"{type(self).__name__}: the state is {tuple(hx.shape)}; for this input it must be "
                                f"{shape}")
        return fl.reshape(hx, (-1, self.hidden_size))

    def extra_repr(self) -> str:
        return f"{self.input_size}, {self.hidden_size}" + ("" if self.bias_ih is not None else ", bias=False")


class RNNCell(_Cell):
    """One step of an Elman network: tanh (or relu) of both products.

    >>> RNNCell(3, 4)(fl.zeros((5, 3))).shape
    (5, 4)
    """

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh") -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNNCell: nonlinearity is {nonlinearity!r}; it is "tanh" or "relu"')
        super().__init__(input_size, hidden_size, bias)
        self.nonlinearity = nonlinearity

    def __call__(self, input: fl.Tensor, hx: fl.Tensor | None = None) -> fl.Tensor:
        h = self._state(input, hx)
        rows = fl.reshape(input, (-1, input.shape[-1]))
        h = rnn_step(*self._products(rows, h), self.nonlinearity)
        return fl.reshape(h, (*input.shape[:-1], self.hidden_size))


class LSTMCell(_Cell):
    """One step of long short-term memory; gives the output and the state.

    >>> [x.shape for x in LSTMCell(3, 4)(fl.zeros((5, 3)))]
    [(5, 4), (5, 4)]
    """

    _gates = 4

    def __call__(
        self, input: fl.Tensor, hx: tuple[fl.Tensor, fl.Tensor] | None = None
    ) -> tuple[fl.Tensor, fl.Tensor]:
        h, c = (self._state(input, x) for x in (hx if hx is not None else (None, None)))
        rows = fl.reshape(input, (-1, input.shape[-1]))
        x, recurrent = self._products(rows, h)
        h, c = lstm_step(x + recurrent, c)
        shape = (*input.shape[:-1], self.hidden_size)
        return fl.reshape(h, shape), fl.reshape(c, shape)


class GRUCell(_Cell):
    """One step of a gated recurrent unit.

    >>> GRUCell(3, 4)(fl.zeros((5, 3))).shape
    (5, 4)
    """

    _gates = 3

    def __call__(self, input: fl.Tensor, hx: fl.Tensor | None = None) -> fl.Tensor:
        h = self._state(input, hx)
        rows = fl.reshape(input, (-1, input.shape[-1]))
        h = gru_step(*self._products(rows, h), h)
        return fl.reshape(h, (*input.shape[:-1], self.hidden_size))
