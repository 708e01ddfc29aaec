"""Recurrent layers over whole sequences: layers on layers, both directions, sequences of different lengths."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from itertools import accumulate
from typing import Any, Literal

import flambeau as fl
from flambeau import _core
from flambeau.nn import functional, init
from flambeau.nn.module import Module
from flambeau.nn.parameter import Parameter
from flambeau.nn.utils.rnn import PackedSequence

_lstm, _gru, _rnn = _core.ops["lstm"], _core.ops["gru"], _core.ops["rnn"]

States = tuple[fl.Tensor, ...]  # one (n, hidden) for each kind of state: output, and for LSTM the cell


class _Recurrent(Module, ABC):
    """What RNN, LSTM and GRU share: weights by name (weight_ih_l0, weight_hh_l0_reverse, ...) and the way through time.

    Shapes: input (time, n, input), or (n, time, input) with batch_first, or (time, input), or a PackedSequence; states
    (layers directions, n, hidden); output (time, n, directions hidden).
    """

    _gates = 1
    _states = 1
    _own_bias = False  # the state's product needs its bias by itself

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
    ) -> None:
        name = type(self).__name__
        if min(input_size, hidden_size, num_layers) < 1:
            raise ValueError(f"{name}: input_size {input_size}, hidden_size {hidden_size} and num_layers {num_layers} "
                             "must be positive")
        if not 0.0 <= dropout <= 1.0:
            raise ValueError(f"{name}: dropout is {dropout}, a probability is between 0 and 1")
        if not 0 <= proj_size < hidden_size:
            raise ValueError(f"{name}: proj_size is {proj_size}; it must be below hidden_size {hidden_size}")
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = dropout
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        given, rows = proj_size or hidden_size, self._gates * hidden_size
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else given * len(self._suffixes())
            for suffix in self._suffixes():
                shapes: dict[str, tuple[int, ...]] = {"weight_ih": (rows, inputs), "weight_hh": (rows, given)}
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)} if bias else {}
                shapes |= {"weight_hr": (proj_size, hidden_size)} if proj_size else {}
                for kind, shape in shapes.items():
                    setattr(self, f"{kind}_l{layer}{suffix}", Parameter(fl.zeros(shape)))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights evenly within 1 / sqrt(hidden_size)."""
        for parameter in self.parameters():
            init.uniform_(parameter, -1.0 / math.sqrt(self.hidden_size), 1.0 / math.sqrt(self.hidden_size))

    @abstractmethod
    def _steps(
        self, product: fl.Tensor, bias: fl.Tensor | None, counts: list[int], states: States, name: str
    ) -> States:
        """All steps of one layer in one direction: the outputs, and for LSTM the cells, a row for each row of product.

        product: those of the inputs, with both biases but for a GRU, which is given the state's as `bias`.
        """

    def _suffixes(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _run(self, input: fl.Tensor | PackedSequence, hx: States | None) -> tuple[Any, States]:
        """The output in the input's form, and the last states (layers directions, n, hidden)."""
        alone = batch_first = False
        if isinstance(input, PackedSequence):
            data, counts = input.data, input.batch_sizes.tolist()
        else:
            alone, batch_first = input.ndim == 2, self.batch_first and input.ndim == 3
            if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
                raise fl.ShapeError(f"{type(self).__name__}: the input is {tuple(input.shape)}; it must be (time, n, "
                                    f"{self.input_size}), (n, time, {self.input_size}) with batch_first, or (time, "
                                    f"{self.input_size})")
            steps = fl.expand_dims(input, axis=1) if alone else input
            steps = fl.permute_dims(steps, (1, 0, 2)) if batch_first else steps
            counts = [steps.shape[1]] * steps.shape[0]
            data = fl.reshape(steps, (sum(counts), self.input_size))
        if not counts:
            raise fl.ShapeError(f"{type(self).__name__}: the input is {tuple(data.shape)} and has no time steps")
        states = self._begin(input, hx, counts[0], data, alone)
        output, last = self._through_layers(data, counts, states)
        final = tuple(fl.stack([one[k] for one in last]) for k in range(self._states))
        if isinstance(input, PackedSequence):
            if input.unsorted_indices is not None:
                final = tuple(fl.take(x, input.unsorted_indices, axis=1) for x in final)
            return PackedSequence(output, *input[1:]), final
        output = fl.reshape(output, (len(counts), counts[0], output.shape[1]))
        if alone:
            return fl.squeeze(output, axis=1), tuple(fl.squeeze(x, axis=1) for x in final)
        return fl.permute_dims(output, (1, 0, 2)) if batch_first else output, final

    def _through_layers(
        self, data: fl.Tensor, counts: list[int], states: list[States]
    ) -> tuple[fl.Tensor, list[States]]:
        last: list[States] = []
        for layer in range(self.num_layers):
            if layer and self.dropout and self.training:
                data = functional.dropout(data, self.dropout)
            outputs = []
            for suffix in self._suffixes():
                output, state = self._through_time(data, counts, states[len(last)], f"l{layer}{suffix}")
                outputs.append(output)
                last.append(state)
            data = outputs[0] if len(outputs) == 1 else fl.concat(outputs, axis=1)
        return data, last

    def _through_time(
        self, data: fl.Tensor, counts: list[int], states: States, name: str
    ) -> tuple[fl.Tensor, States]:
        """One layer in one direction: data (sum of counts, features) -> outputs, and each sequence's last state."""
        weight, bias = getattr(self, f"weight_ih_{name}"), getattr(self, f"bias_ih_{name}", None)
        other = getattr(self, f"bias_hh_{name}", None)
        if bias is not None and not self._own_bias:
            bias, other = bias + other, None
        every = self._steps(functional.linear(data, weight, bias), other, counts, states, name)
        return every[0], tuple(_last(x, counts, name.endswith("_reverse")) for x in every)

    def _begin(
        self, input: fl.Tensor | PackedSequence, hx: States | None, n: int, data: fl.Tensor, alone: bool
    ) -> list[States]:
        """The first states of each layer and direction; zeros where none are given."""
        count = self.num_layers * len(self._suffixes())
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)[: self._states]
        if hx is None:
            hx = tuple(fl.zeros((count, n, size), dtype=data.dtype, device=data.device) for size in sizes)
        else:
            for x, size in zip(hx, sizes, strict=True):
                wanted = (count, size) if alone else (count, n, size)
                if tuple(x.shape) != wanted:
                    raise fl.ShapeError(f"{type(self).__name__}: a state is {tuple(x.shape)}; for this input it must "
                                        f"be {wanted}")
            if alone:
                hx = tuple(fl.expand_dims(x, axis=1) for x in hx)
            elif isinstance(input, PackedSequence) and input.sorted_indices is not None:
                order = input.sorted_indices
                hx = tuple(fl.take(x, order, axis=1) for x in hx)
        return [tuple(x[i] for x in hx) for i in range(count)]

    def extra_repr(self) -> str:
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False,
                 "proj_size": 0}
        told = [f"{name}={getattr(self, name)}" for name, value in usual.items() if getattr(self, name) != value]
        return ", ".join([str(self.input_size), str(self.hidden_size), *told])


class RNN(_Recurrent):
    """Elman network: h = tanh(W_ih x + b_ih + W_hh h + b_hh), or relu. Gives the outputs and the last state.

    >>> output, h = RNN(3, 4)(fl.zeros((7, 2, 3)))
    >>> output.shape, h.shape
    ((7, 2, 4), (1, 2, 4))
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: Literal["tanh", "relu"] = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f'RNN: nonlinearity is {nonlinearity!r}; it is "tanh" or "relu"')
        self.nonlinearity = nonlinearity
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _steps(
        self, product: fl.Tensor, bias: fl.Tensor | None, counts: list[int], states: States, name: str
    ) -> States:
        weight = getattr(self, f"weight_hh_{name}")
        return (_rnn(product, weight, *states, counts, name.endswith("_reverse"), self.nonlinearity == "relu"),)

    def __call__(self, input: fl.Tensor | PackedSequence, hx: fl.Tensor | None = None) -> tuple[Any, fl.Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class GRU(_Recurrent):
    """Gated recurrent units. Gives the outputs and the last state. Source: Cho and others, arXiv:1406.1078.

    >>> output, h = GRU(3, 4, bidirectional=True)(fl.zeros((7, 2, 3)))
    >>> output.shape, h.shape
    ((7, 2, 8), (2, 2, 4))
    """

    _gates = 3
    _own_bias = True

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
    ) -> None:
        super().__init__(input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional)

    def _steps(
        self, product: fl.Tensor, bias: fl.Tensor | None, counts: list[int], states: States, name: str
    ) -> States:
        given = states if bias is None else (*states, bias)
        y, _ = _gru(product, getattr(self, f"weight_hh_{name}"), *given, counts=counts,
                    reverse=name.endswith("_reverse"))
        return (y,)

    def __call__(self, input: fl.Tensor | PackedSequence, hx: fl.Tensor | None = None) -> tuple[Any, fl.Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class LSTM(_Recurrent):
    """Long short-term memory. Gives the outputs and the last (output, cell). Source: Hochreiter and Schmidhuber, 1997.

    proj_size: outputs are projected to that size.

    >>> output, (h, c) = LSTM(3, 4, num_layers=2)(fl.zeros((7, 2, 3)))
    >>> output.shape, h.shape, c.shape
    ((7, 2, 4), (2, 2, 4), (2, 2, 4))
    """

    _gates = 4
    _states = 2

    def _steps(
        self, product: fl.Tensor, bias: fl.Tensor | None, counts: list[int], states: States, name: str
    ) -> States:
        projection = getattr(self, f"weight_hr_{name}", None)
        given = states if projection is None else (*states, projection)
        y, c, _ = _lstm(product, getattr(self, f"weight_hh_{name}"), *given, counts=counts,
                        reverse=name.endswith("_reverse"))
        return y, c

    def __call__(
        self, input: fl.Tensor | PackedSequence, hx: tuple[fl.Tensor, fl.Tensor] | None = None
    ) -> tuple[Any, tuple[fl.Tensor, fl.Tensor]]:
        output, (h, c) = self._run(input, hx)
        return output, (h, c)


def _last(x: fl.Tensor, counts: list[int], backwards: bool) -> fl.Tensor:
    """Each sequence's row where it ends, from packed rows: of its last step, or of its first where that comes last."""
    if backwards:
        return x[: counts[0]]
    if counts[0] == counts[-1]:
        return x[x.shape[0] - counts[0] :]
    following, offsets = [*counts[1:], 0], list(accumulate(counts, initial=0))
    rows = [offsets[t] + i for t in reversed(range(len(counts))) for i in range(following[t], counts[t])]
    return fl.take(x, fl.asarray(rows, device=x.device), axis=0)
