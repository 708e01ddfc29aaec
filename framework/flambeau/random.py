"""Random tensors from a counter-based generator (Philox): the same seed gives the same numbers on every device."""

from __future__ import annotations

import math
import os
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from . import _core
from ._core import Device, DType, Tensor
from .arguments import explained

Shape = int | tuple[int, ...] | list[int]


class Generator:
    """A stream of random numbers: a seed, and how far it has been used. Threads may draw from one at once.

    The numbers are the same on every device; `device` is where they are put unless a call says.

    >>> import flambeau as fl
    >>> from flambeau.random import Generator
    >>> a, b = Generator().manual_seed(7), Generator().manual_seed(7)
    >>> a.uniform(3).tolist() == b.uniform(3).tolist()
    True
    >>> state = a.get_state()
    >>> drawn = a.normal(2)
    >>> bool(fl.all(a.set_state(state).normal(2) == drawn))
    True
    """

    def __init__(self, device: Device | str | None = None) -> None:
        if isinstance(device, int):
            raise TypeError(f"Generator: {device} is no device; a seed is set by Generator().manual_seed({device})")
        self._device = None if device is None else _core.device(device)
        self._lock = threading.Lock()
        self._seed = 0
        self._offset = 0

    @property
    def device(self) -> Device:
        """Where what is drawn is put unless a call says."""
        return _core.device(None) if self._device is None else self._device

    def manual_seed(self, seed: int) -> Generator:
        """Start anew from a seed, any integer of 64 bits; gives the generator itself."""
        seed = _seed(seed)
        with self._lock:
            self._seed, self._offset = seed, 0
        return self

    def seed(self) -> int:
        """Start anew from a seed that the system draws; gives it."""
        drawn = int.from_bytes(os.urandom(8), "little")
        self.manual_seed(drawn)
        return drawn

    def initial_seed(self) -> int:
        """The seed that it was started from, as a number of 64 bits without a sign."""
        return self._seed % 2**64

    def get_state(self) -> Tensor:
        """The seed and how far it has been used, as 16 bytes (uint8)."""
        with self._lock:
            state = struct.pack("<qQ", self._seed, self._offset)
        return _core.tensor_of_bytes(state, _core.uint8, (len(state),))

    def set_state(self, state: Tensor) -> Generator:
        """Go on from a state that `get_state` gave; gives the generator itself.

        Raises: TypeError or ValueError if it is none.
        """
        if not isinstance(state, Tensor) or state.dtype != _core.uint8:
            raise TypeError(f"set_state: a state is a uint8 tensor, as get_state() gives, not {state!r}")
        if state.shape != (16,):
            raise ValueError(f"set_state: a state has shape (16,), and this one {state.shape}")
        seed, offset = struct.unpack("<qQ", _core.bytes_of(state))
        with self._lock:
            self._seed, self._offset = seed, offset
        return self

    def reserve(self, elements: int) -> tuple[int, int]:
        """The seed and place in the stream for an op that draws so many elements; nobody else gets these numbers."""
        with self._lock:
            offset = self._offset
            # Two elements at least come from each block of four words; float64 and integers take two words each.
            self._offset += math.ceil(elements / 2)
            return self._seed, offset

    def uniform(
        self,
        shape: Shape = (),
        *,
        low: float = 0.0,
        high: float = 1.0,
        dtype: DType | None = None,
        device: object = None,
    ) -> Tensor:
        """Numbers spread evenly over [low, high), both rounded to the dtype: none is `high`, unless the two are one.

        float16 and bfloat16 are drawn as float32 and rounded; what would round to `high` is the number before it.

        >>> x = Generator().manual_seed(0).uniform(10_000, dtype="bfloat16")
        >>> x.max().item()
        0.99609375
        """
        dtype = _core.dtype(dtype or _core.float32)
        half = dtype.name in ("float16", "bfloat16")
        real = _core.float32 if dtype.is_complex else dtype
        x = self._draw("uniform", shape, [], _core.float32 if half else real, device)
        if half or (low, high) != (0.0, 1.0):
            first, end = (_core.asarray(bound, dtype=real, device=x.device) for bound in (low, high))
            if half:
                low, high = first.item(), end.item()
            x = (x * (high - low) + low).astype(real)
            if low <= high:  # the product and the sum are rounded too
                x = _core.ops["minimum"](x, _core.ops["nextafter"](end, first))
        return x if real == dtype else x.astype(dtype)

    def normal(
        self,
        shape: Shape = (),
        *,
        mean: float = 0.0,
        std: float = 1.0,
        dtype: DType | None = None,
        device: object = None,
    ) -> Tensor:
        """Numbers from the normal distribution."""
        x = self._draw("normal", shape, [], dtype or _core.float32, device)
        return x if (mean, std) == (0.0, 1.0) else x * std + mean

    def randint(
        self, low: int, high: int, shape: Shape = (), *, dtype: DType | None = None, device: object = None
    ) -> Tensor:
        """Whole numbers spread evenly over [low, high).

        Raises: ValueError if low is not below high, or the dtype does not hold them.
        """
        dtype = _core.dtype(dtype or _core.int64)
        if dtype.is_integer and dtype.name not in ("int32", "int64"):  # these are drawn as they are, and checked there
            signed, bits = not dtype.name.startswith("u"), 8 * dtype.itemsize
            least, largest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            if low < high and not (least <= low and high - 1 <= largest):
                raise ValueError(f"randint: {low} to {high - 1} do not fit into {dtype.name}, which holds {least} to "
                                 f"{largest}: ask for int64")
        return self._draw("randint", shape, [low, high], dtype, device)

    def permutation(self, n: int, *, device: object = None) -> Tensor:
        """0 to n - 1 in random order."""
        order = _core.ops["argsort"](self.uniform(n, dtype=_core.float64, device="cpu"))
        return _core.to_device(order, device or self.device)

    def multinomial(self, weights: Tensor, num_samples: int, replacement: bool = False) -> Tensor:
        """Places in each row of `weights` (n) or (rows, n), with probabilities in proportion to what stands there.

        Without replacement no place comes twice. The weights need not add up to 1.

        Raises: ValueError if a weight is negative or not finite, or a row has fewer above 0 than are drawn.

        >>> import flambeau as fl
        >>> Generator().manual_seed(0).multinomial(fl.tensor([0.0, 3.0, 1.0]), 2).tolist()
        [1, 2]
        """
        ops = _core.ops
        if weights.ndim not in (1, 2) or weights.shape[-1] == 0 or not weights.dtype.is_float:
            raise ValueError(f"multinomial: weights are {weights.dtype} of shape {weights.shape}; floats of shape (n) "
                             "or (rows, n) are needed, n above 0")
        if weights.size and not (ops["isfinite"](weights).all() and (weights >= 0).all()):
            raise ValueError(f"multinomial: a weight is {_worst(weights)}; weights are finite and not negative (of "
                             "logits take softmax first)")
        if num_samples < 0:
            raise ValueError(f"multinomial: num_samples is {num_samples} and cannot be negative")
        rows = _core.to_device(weights.detach(), "cpu").astype(_core.float64).reshape(-1, weights.shape[-1])
        needed = (num_samples > 0) if replacement else num_samples
        least = int((rows > 0).astype(_core.int64).sum(axis=1).min().item()) if rows.size else needed
        if least < needed:
            raise ValueError(f"multinomial: num_samples is {num_samples}, and a row has {least} weights above 0"
                             + ("" if replacement else "; more than these need replacement=True"))
        if replacement:
            sums = ops["cumulative_sum"](rows, 1)
            drawn = self.uniform((rows.shape[0], num_samples), dtype=_core.float64, device="cpu") * sums[:, -1:]
            found = [ops["searchsorted"](sums[row], drawn[row], "right") for row in range(rows.shape[0])]
            places = ops["stack"](found) if found else _core.asarray([], dtype=_core.int64).reshape(0, num_samples)
        else:  # the smallest of exponential times: Efraimidis and Spirakis, 2006
            times = -ops["log1p"](-self.uniform(rows.shape, dtype=_core.float64, device="cpu")) / rows
            places = ops["argsort"](times)[:, :num_samples]
        return _core.to_device(places.reshape(*weights.shape[:-1], num_samples), weights.device)

    def _draw(self, op: str, shape: Shape, between: list[int], dtype: DType, device: object) -> Tensor:
        if _core.recording():
            raise RuntimeError(f"{op}: a recorded function would draw the same numbers in every run; pass them in")
        shape = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
        dtype = _core.dtype(dtype)
        drawn = dtype  # if it is of the wrong kind, the op says so
        if dtype.is_integer == (op == "randint") and dtype.name not in ("float32", "float64", "int32", "int64"):
            drawn = _core.int64 if dtype.is_integer else _core.float32
        levels = _core.vmap_levels()
        if any(policy == 0 for _, policy in levels):
            raise RuntimeError(f"{op}: inside vmap, say vmap(..., randomness='different') to draw for each example, or "
                               "'same' to draw once for all")
        # "different" is 1: one number for each example of that vmap.
        sizes = [size if policy == 1 else 1 for size, policy in levels]
        place = self.reserve(math.prod((*sizes, *shape)))
        x = _core.ops[op]((*sizes, *shape), *between, *place, drawn, device=device or self._device)
        if levels:
            x = _core.with_levels(_core.ops["broadcast_to"](x, (*(size for size, _ in levels), *shape)), 0)
        return x if drawn == dtype else x.astype(dtype)


def manual_seed(seed: int) -> None:
    """Start the default generator anew, from which everything draws that is given no other.

    >>> import flambeau as fl
    >>> fl.manual_seed(0)
    >>> a = fl.random.uniform(2)
    >>> fl.manual_seed(0)
    >>> a.tolist() == fl.random.uniform(2).tolist()
    True
    """
    default_generator.manual_seed(seed)


def seed() -> int:
    """Start the default generator anew from a seed that the system draws; gives it."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that the default generator was started from."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The default generator's state, for `set_rng_state` or a file."""
    return default_generator.get_state()


def set_rng_state(state: Tensor) -> None:
    """Let the default generator go on from a state that `get_rng_state` gave."""
    default_generator.set_state(state)


@contextmanager
def fork_rng(enabled: bool = True) -> Iterator[None]:
    """What is drawn inside leaves the default generator as it was.

    >>> import flambeau as fl
    >>> with fl.random.fork_rng():
    ...     a = fl.random.uniform(2)
    >>> a.tolist() == fl.random.uniform(2).tolist()
    True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


def _worst(weights: Tensor) -> float:
    """The weight to name in an error: one that is not finite, else the lowest."""
    return next((weight for weight in weights.reshape(-1).tolist() if not math.isfinite(weight)), weights.min().item())


def _seed(seed: int) -> int:
    if not hasattr(seed, "__index__"):
        raise TypeError(f"seed: an integer is needed, not {type(seed).__name__}")
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed: {seed} does not fit into 64 bits")
    return seed - 2**64 if seed >= 2**63 else seed


default_generator = Generator()


@explained
def uniform(
    shape: Shape = (),
    *,
    low: float = 0.0,
    high: float = 1.0,
    dtype: DType | None = None,
    device: object = None,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers spread evenly over [low, high), from the default generator or another."""
    return (generator or default_generator).uniform(shape, low=low, high=high, dtype=dtype, device=device)


@explained
def normal(
    shape: Shape = (),
    *,
    mean: float = 0.0,
    std: float = 1.0,
    dtype: DType | None = None,
    device: object = None,
    generator: Generator | None = None,
) -> Tensor:
    """Numbers from the normal distribution, from the default generator or another."""
    return (generator or default_generator).normal(shape, mean=mean, std=std, dtype=dtype, device=device)


@explained
def randint(
    low: int,
    high: int,
    shape: Shape = (),
    *,
    dtype: DType | None = None,
    device: object = None,
    generator: Generator | None = None,
) -> Tensor:
    """Whole numbers spread evenly over [low, high), from the default generator or another."""
    return (generator or default_generator).randint(low, high, shape, dtype=dtype, device=device)


@explained
def permutation(n: int, *, device: object = None, generator: Generator | None = None) -> Tensor:
    """0 to n - 1 in random order, from the default generator or another."""
    return (generator or default_generator).permutation(n, device=device)


@explained
def multinomial(
    weights: Tensor, num_samples: int, replacement: bool = False, *, generator: Generator | None = None
) -> Tensor:
    """Places in each row of `weights` in proportion to what stands there, from the default generator or another.

    >>> import flambeau as fl
    >>> fl.random.multinomial(fl.tensor([[0.0, 1.0], [1.0, 0.0]]), 3, replacement=True).tolist()
    [[1, 1, 1], [0, 0, 0]]
    """
    return (generator or default_generator).multinomial(weights, num_samples, replacement)
