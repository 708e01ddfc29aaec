"""Random tensors from a counter-based generator (Philox): the same seed gives the same numbers on every device."""

from __future__ import annotations

import math

from . import _core
from ._core import DType, Tensor

Shape = int | tuple[int, ...] | list[int]


class Generator:
    """A stream of random numbers: a seed, and how far it has been used.

    >>> from flambeau.random import Generator
    >>> a, b = Generator(7), Generator(7)
    >>> a.uniform(3).tolist() == b.uniform(3).tolist()
    True
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = _seed(seed)
        self.offset = 0

    def uniform(
        self,
        shape: Shape = (),
        *,
        low: float = 0.0,
        high: float = 1.0,
        dtype: DType | None = None,
        device: object = None,
    ) -> Tensor:
        """Numbers spread evenly over [low, high)."""
        x = self._draw("uniform", shape, [], dtype or _core.float32, device)
        return x if (low, high) == (0.0, 1.0) else x * (high - low) + low

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
        """Whole numbers spread evenly over [low, high)."""
        return self._draw("randint", shape, [low, high], dtype or _core.int64, device)

    def permutation(self, n: int, *, device: object = None) -> Tensor:
        """0 to n - 1 in random order."""
        keys = self.uniform(n, dtype=_core.float64).tolist()
        return _core.asarray(sorted(range(n), key=keys.__getitem__), dtype=_core.int64, device=device)

    def _draw(self, op: str, shape: Shape, between: list[int], dtype: DType, device: object) -> Tensor:
        if _core.recording():
            raise RuntimeError(f"{op}: a recorded function would draw the same numbers in every run; pass them in")
        shape = tuple(shape) if isinstance(shape, list | tuple) else (shape,)
        dtype = _core.dtype(dtype)
        whole = _core.int64 if dtype.is_integer else _core.float32
        drawn = dtype if dtype.name in ("float32", "float64", "int32", "int64") else whole
        levels = _core.vmap_levels()
        if any(policy == 0 for _, policy in levels):
            raise RuntimeError(f"{op}: inside vmap, say vmap(..., randomness='different') to draw for each example, or "
                               "'same' to draw once for all")
        # "different" is 1: one number for each example of that vmap.
        sizes = [size if policy == 1 else 1 for size, policy in levels]
        x = _core.apply(op, [], [(*sizes, *shape), *between, self.seed, self.offset, drawn], device)
        # Two elements at least come from each block of four words; float64 and integers take two words each.
        self.offset += math.ceil(x.size / 2)
        if levels:
            x = _core.with_levels(_core.ops["broadcast_to"](x, (*(size for size, _ in levels), *shape)), 0)
        return x if drawn == dtype else x.astype(dtype)


def manual_seed(seed: int) -> None:
    """Start the global generator anew.

    >>> import flambeau as fl
    >>> fl.manual_seed(0)
    >>> a = fl.random.uniform(2)
    >>> fl.manual_seed(0)
    >>> a.tolist() == fl.random.uniform(2).tolist()
    True
    """
    default_generator.seed = _seed(seed)
    default_generator.offset = 0


def _seed(seed: int) -> int:
    if not hasattr(seed, "__index__"):
        raise TypeError(f"seed: an integer is needed, not {type(seed).__name__}")
    if not -(2**63) <= seed < 2**64:
        raise ValueError(f"seed: {seed} does not fit into 64 bits")
    return seed - 2**64 if seed >= 2**63 else seed


default_generator = Generator(0)
uniform = default_generator.uniform
normal = default_generator.normal
randint = default_generator.randint
permutation = default_generator.permutation
