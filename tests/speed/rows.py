"""What a row of the bench is, and what it owes: rows are data, works/ has them by group."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Work = Callable[[], object]
Better = Literal["less", "more"]
# Rates of works as passes over memory and nothing else (limits.py).
PassesLimit = Literal[
    "chain_elements_per_s", "chain_step_elements_per_s",
    "pool_elements_per_s", "pool_step_elements_per_s", "norm_elements_per_s", "norm_step_elements_per_s",
]  # fmt: skip
OURS = "flambeau"
TORCH, TCMALLOC, MKL = "torch", "torch+tcmalloc", "torch+tcmalloc+mkl"


@dataclass(frozen=True)
class Row:
    """One kind of work, written once for all rivals: `work` takes a library of rivals/ and gives what is timed.

    `targets`: how many times as fast as a rival we owe our users. E is PyTorch eager as installed; B the best of what
    its users can do by documented means: tcmalloc preloaded and, with it, each of `means` (channels_last, compile,
    fused optimizers, joined by +); X PyTorch with tcmalloc and the stub for MKL's processor check; numpy and jax those.
    `bytes_moved` or `operations` (of `dtype`) of one call, or its `elements` if it goes through passes whose `limit` is
    measured (limits.py), where the machine's limit can be told from them.
    """

    name: str
    title: str
    work: Callable[[Any], Work]
    targets: Mapping[str, float] = field(default_factory=dict)
    means: tuple[str, ...] = ()
    peers: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    bytes_moved: float | None = None
    operations: float | None = None
    elements: float | None = None
    limit: PassesLimit | None = None
    dtype: Literal["float32", "bfloat16"] = "float32"

    @property
    def comparisons(self) -> tuple[Comparison, ...]:
        """E, B, X and the peers."""
        against = {"E": (TORCH,), "B": (TORCH, TCMALLOC, *(f"{TCMALLOC}+{means}" for means in self.means)), "X": (MKL,)}
        against |= {peer: (peer,) for peer in self.peers}
        return tuple(Comparison(to, rivals, self.targets.get(to)) for to, rivals in against.items())

    @property
    def rivals(self) -> tuple[str, ...]:
        """All who run, ours first."""
        return tuple(dict.fromkeys((OURS, *(name for found in self.comparisons for name in found.rivals))))


@dataclass(frozen=True)
class Comparison:
    """Ours against the fastest of some rivals; `target` None is shown and not judged."""

    to: str
    rivals: tuple[str, ...]
    target: float | None = None


@dataclass(frozen=True)
class Mean:
    """The geometric mean of some rows' ratios, and what it owes. Without `rows` it is the whole suite's."""

    name: str
    title: str
    targets: Mapping[str, float]
    rows: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ceiling:
    """A figure of ours alone that must stay under a bound."""

    name: str
    title: str
    unit: str
    bound: float


@dataclass(frozen=True)
class Measured:
    """Samples of one row, seconds a call (or the unit given), in the order of the rounds.

    `better` says whether less (seconds) or more (requests a second) is faster; `busy` are samples of ours taken in the
    same rounds beside a busy process.
    """

    name: str
    title: str
    group: str
    threads: int
    samples: dict[str, list[float]]
    comparisons: tuple[Comparison, ...]
    ours: str = OURS
    unit: str = "s"
    better: Better = "less"
    busy: list[float] = field(default_factory=list)
    limit: dict[str, float] = field(default_factory=dict)
    limit_of: str = "the machine's limit"
    notes: dict[str, str] = field(default_factory=dict)


FLOOR = 0.85  # no row of the suite may be slower than this part of B or X
SUITE_MEAN = Mean("suite", "geometric mean of the suite", {"E": 3.0, "B": 1.7, "X": 1.4})
SUITE_LOWEST = Mean("suite_lowest", "lowest row of the suite", {"B": FLOOR, "X": FLOOR})
CONTENTION = Ceiling("contention", "slowest row beside a busy process", "times its quiet time", 2.0)


def wanted(name: str, group: str, only: Iterable[str]) -> bool:
    """Whether a row is asked for, by its own name or its group's; nothing named asks for all."""
    chosen = set(only)
    return not chosen or name in chosen or group in chosen
