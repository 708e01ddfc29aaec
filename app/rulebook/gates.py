"""Gates: a matter goes on when every atom holds, and each atom says why it does or does not."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import Enum

from app.rulebook.thresholds import RulebookError


class State(Enum):
    PASSING = "passing"
    FAILING = "failing"
    OVERRIDDEN = "overridden"


@dataclass(frozen=True)
class Override:
    """Somebody let a failing atom through; the reason is public and may not be empty."""

    by: str
    reason: str

    def __post_init__(self) -> None:
        if not self.reason.strip():
            raise RulebookError("an override needs a reason that others can read; write why this may go on")


@dataclass(frozen=True)
class Atom:
    """One thing that must hold. `because` says why it does or does not; `way_out` what would make it hold."""

    key: str
    holds: bool
    because: str
    way_out: str = ""
    override: Override | None = None

    @property
    def state(self) -> State:
        """Passing if it holds; an override changes only what fails."""
        if self.holds:
            return State.PASSING
        return State.FAILING if self.override is None else State.OVERRIDDEN

    @property
    def sentence(self) -> str:
        if self.override is not None and not self.holds:
            return f"{self.because} Overridden by {self.override.by}: {self.override.reason}"
        return f"{self.because} {self.way_out}".strip() if not self.holds else self.because


@dataclass(frozen=True)
class GateVerdict:
    """The state of a gate, and one sentence an atom: what fails first."""

    state: State
    reasons: tuple[str, ...]
    atoms: tuple[Atom, ...] = field(default=(), repr=False)

    @property
    def lets_through(self) -> bool:
        return self.state is not State.FAILING


@dataclass(frozen=True)
class Gate:
    """A named gate over its atoms; without any atom it fails, since nothing was shown to hold.

    >>> unsigned = Atom("a1b2", False, "a1b2 has no Signed-off-by.", "Commit with `git commit -s`.")
    >>> Gate("sign-off", (unsigned,)).verdict().reasons
    ('a1b2 has no Signed-off-by. Commit with `git commit -s`.',)
    """

    key: str
    atoms: Sequence[Atom]

    def verdict(self) -> GateVerdict:
        """Failing if any atom fails; overridden if any had to be let through; else passing."""
        if not self.atoms:
            return GateVerdict(State.FAILING, (f"Gate {self.key} was shown nothing, so it stays closed.",))
        order = (State.FAILING, State.OVERRIDDEN, State.PASSING)
        atoms = tuple(sorted(self.atoms, key=lambda atom: order.index(atom.state)))
        return GateVerdict(atoms[0].state, tuple(atom.sentence for atom in atoms), atoms)


def all_of(verdicts: Collection[GateVerdict]) -> GateVerdict:
    """Several gates as one: what fails in any of them fails."""
    return Gate("all", tuple(atom for verdict in verdicts for atom in verdict.atoms)).verdict()
