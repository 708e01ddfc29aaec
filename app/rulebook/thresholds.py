"""Thresholds, counts and rules: how many votes carry, and why it came out as it did."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from math import ceil, floor


class RulebookError(ValueError):
    """A threshold, a count or a rule that cannot mean anything; the text says what would."""


class Base(Enum):
    """What a share is taken of."""

    CAST = "cast"  # votes cast (abstentions as the rule says)
    PRESENT = "present"  # voting seats represented in the meeting, or that answered an electronic vote
    ALL = "all"  # voting seats that are held on the day
    ENTIRE = "entire"  # every voting seat of the body, vacant ones included


class Abstentions(Enum):
    """Whether an abstention is a vote cast. It never counts as a yes, and always counts as present."""

    COUNT = "count"  # in the base, so it weighs like a no
    LEAVE_OUT = "leave-out"  # not in the base of votes cast


class Mode(Enum):
    """How the body decides: gathered, or by electronic vote without a meeting."""

    MEETING = "meeting"
    ELECTRONIC = "electronic"


_BASE_WORDS = {
    "cast": Base.CAST, "votes cast": Base.CAST, "present": Base.PRESENT, "those present": Base.PRESENT,
    "all": Base.ALL, "all seats": Base.ALL, "entire": Base.ENTIRE, "the entire body": Base.ENTIRE,
}  # fmt: skip
_BASE_NAMES = {
    Base.CAST: "votes cast", Base.PRESENT: "seats present", Base.ALL: "voting seats that are held",
    Base.ENTIRE: "voting seats of the entire body, vacant ones included",
}  # fmt: skip
_MODE_NAMES = {Mode.MEETING: "Meeting", Mode.ELECTRONIC: "Electronic vote"}
_THRESHOLD = re.compile(
    r"^(?:(?P<comparison>>=|>|at least|more than)\s*)?"
    r"(?:(?P<over>\d+)\s*/\s*(?P<under>\d+)|(?P<percent>\d+(?:\.\d+)?)\s*%)"
    r"(?:\s+of\s+(?P<base>[a-z ]+))?$"
)


@dataclass(frozen=True)
class Threshold:
    """A share, whether it must be passed or only reached, and what it is a share of.

    >>> str(Threshold.parse("more than 50% of cast"))
    '> 1/2 of cast'
    >>> Threshold.parse("75%") == Threshold.parse(">= 3/4 of all")
    True
    """

    share: Fraction
    strict: bool
    base: Base = Base.ALL

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or (self.share == 0 and not self.strict) or (self.share == 1 and self.strict):
            raise RulebookError(f"'{self}' is always or never reached; take a share between 0 and 1")

    @classmethod
    def parse(cls, text: str) -> Threshold:
        """The threshold written as '>= 1/2 of all', '> 50% of cast', 'majority of present' or '75%' (at least, of all).

        Raises: RulebookError naming the text and the way to write it.
        """
        plain = " ".join(text.strip().lower().replace("≥", ">=").split())
        plain = re.sub(r"^(?:a |simple )?majority\b", "> 1/2", plain)
        match = _THRESHOLD.match(plain)
        if match is None:
            raise RulebookError(f"{text!r} is no threshold; write one like '>= 1/2 of all' or '> 50% of cast'")
        if match["percent"] is not None:
            share = Fraction(match["percent"]) / 100
        elif int(match["under"]) == 0:
            raise RulebookError(f"{text!r} divides by zero; write a share like '2/3'")
        else:
            share = Fraction(int(match["over"]), int(match["under"]))
        base_text = match["base"] or "all"
        if base_text not in _BASE_WORDS:
            raise RulebookError(f"{text!r}: '{base_text}' is no base; a share is taken of cast, present, all or entire")
        return cls(share, strict=match["comparison"] in (">", "more than"), base=_BASE_WORDS[base_text])

    def __str__(self) -> str:
        return f"{'>' if self.strict else '>='} {self.share} of {self.base.value}"

    @property
    def in_words(self) -> str:
        """'more than 1/2 of votes cast', for a reader."""
        return f"{'more than' if self.strict else 'at least'} {self.share} of {_BASE_NAMES[self.base]}"


@dataclass(frozen=True)
class Count:
    """What was counted, in votes of seats. What is left out follows from the rest.

    `present` defaults to the votes and abstentions, `all` to `present`, `entire` to `all`.
    Raises: RulebookError if more voted than were present, or more were present than hold seats.

    >>> Count(yes=8, no=3, abstain=1, all=21).present
    12
    """

    yes: int = 0
    no: int = 0
    abstain: int = 0
    present: int = -1
    all: int = -1
    entire: int = -1

    def __post_init__(self) -> None:
        answered = self.yes + self.no + self.abstain
        if min(self.yes, self.no, self.abstain) < 0:
            raise RulebookError(f"{self}: votes are not negative")
        if self.present == -1:
            object.__setattr__(self, "present", answered)
        if self.all == -1:
            object.__setattr__(self, "all", self.present if self.entire == -1 else self.entire)
        if self.entire == -1:
            object.__setattr__(self, "entire", self.all)
        for less, less_name, more, more_name in (
            (answered, "votes and abstentions", self.present, "seats present"),
            (self.present, "seats present", self.all, "seats held"),
            (self.all, "seats held", self.entire, "seats of the entire body"),
        ):
            if less > more:
                raise RulebookError(
                    f"{less} {less_name} but only {more} {more_name}; "
                    "count seats, not people (a holder and an alternate share one seat)"
                )

    def of(self, base: Base, abstentions: Abstentions = Abstentions.LEAVE_OUT) -> int:
        """The number that a share of this base is taken of."""
        if base is Base.CAST:
            return self.yes + self.no + (self.abstain if abstentions is Abstentions.COUNT else 0)
        return {Base.PRESENT: self.present, Base.ALL: self.all, Base.ENTIRE: self.entire}[base]


def needed_votes(rule: Threshold, count: Count, abstentions: Abstentions = Abstentions.LEAVE_OUT) -> int:
    """Votes that carry under this threshold, from cast, present, all or entire as it says; never less than one.

    >>> needed_votes(Threshold.parse(">= 1/2"), Count(all=20)), needed_votes(Threshold.parse("> 1/2"), Count(all=20))
    (10, 11)
    """
    exact = count.of(rule.base, abstentions) * rule.share
    return max(1, floor(exact) + 1 if rule.strict else ceil(exact))


@dataclass(frozen=True)
class Source:
    """Where a rule is written: the document and its clause."""

    document: str
    clause: str

    def __str__(self) -> str:
        return f"{self.document}, clause {self.clause}"


@dataclass(frozen=True)
class Rule:
    """A rule as data. `meeting` decides in a meeting, `electronic` without one (None: not allowed that way).

    `quorum` must be reached by the seats present first; `net_at_least` asks for that many more yes than no.
    """

    key: str
    title: str
    source: Source
    meeting: Threshold | None = None
    electronic: Threshold | None = None
    quorum: Threshold | None = None
    abstentions: Abstentions = Abstentions.LEAVE_OUT
    net_at_least: int | None = None

    def __post_init__(self) -> None:
        if self.meeting is None and self.electronic is None and self.quorum is None and self.net_at_least is None:
            raise RulebookError(f"rule {self.key} asks for nothing; give it a threshold, a quorum or net votes")
        if self.quorum is not None and self.quorum.base not in (Base.ALL, Base.ENTIRE):
            base = self.quorum.base.value
            raise RulebookError(f"rule {self.key}: a quorum is a share of all or entire, not of {base}")


@dataclass(frozen=True)
class Verdict:
    """Whether it passes, the votes it needed, the seats its quorum needed, and each step of the reasoning."""

    passes: bool
    needed: int | None
    quorum_needed: int | None
    quorum_met: bool
    derivation: tuple[str, ...]


def evaluate(rule: Rule, count: Count, *, mode: Mode = Mode.MEETING) -> Verdict:
    """The rule applied to the count, with its derivation as sentences.

    >>> board = Rule("board", "Board", Source("charter.md", "5.2"), meeting=Threshold.parse("> 1/2 of present"),
    ...              electronic=Threshold.parse("> 1/2 of all"), quorum=Threshold.parse(">= 1/2 of all"))
    >>> evaluate(board, Count(yes=7, no=5, all=21)).passes
    True
    >>> evaluate(board, Count(yes=7, no=5, all=21), mode=Mode.ELECTRONIC).needed
    11
    """
    steps = [f"{rule.title} ({rule.source})."]
    quorum_needed, quorum_met = None, True
    if rule.quorum is not None:
        quorum_needed = needed_votes(rule.quorum, count)
        quorum_met = count.present >= quorum_needed
        base = count.of(rule.quorum.base)
        steps.append(
            f"Quorum: {rule.quorum.in_words}: {rule.quorum.share} of {base} is {_plain(base * rule.quorum.share)}, "
            f"so {quorum_needed}; {count.present} present: {'reached' if quorum_met else 'not reached'}."
        )
    decides_by_vote = rule.meeting is not None or rule.electronic is not None
    threshold = rule.meeting if mode is Mode.MEETING else rule.electronic
    passes, needed = quorum_met, None
    if decides_by_vote and threshold is None:
        passes = False
        steps.append(f"This rule has no {_MODE_NAMES[mode].lower()}: it cannot pass this way.")
    elif threshold is not None:
        needed = needed_votes(threshold, count, rule.abstentions)
        base = count.of(threshold.base, rule.abstentions)
        carried = count.yes >= needed
        passes = passes and carried
        steps.append(
            f"{_MODE_NAMES[mode]}: {threshold.in_words}: {threshold.share} of {base} is "
            f"{_plain(base * threshold.share)}, so {needed} yes; "
            f"{count.yes} yes, {count.no} no, {count.abstain} abstained{_abstention_note(rule, threshold, count)}: "
            f"{'carried' if carried else 'not carried'}."
        )
    if rule.net_at_least is not None:
        net = count.yes - count.no
        passes = passes and net >= rule.net_at_least
        steps.append(f"Net: {count.yes} yes less {count.no} no is {net}; {rule.net_at_least} needed.")
    steps.append("Passes." if passes else "Does not pass.")
    return Verdict(passes, needed, quorum_needed, quorum_met, tuple(steps))


def _abstention_note(rule: Rule, threshold: Threshold, count: Count) -> str:
    if threshold.base is not Base.CAST or count.abstain == 0:
        return ""
    return " (counted as cast)" if rule.abstentions is Abstentions.COUNT else " (not counted as cast)"


def _plain(number: Fraction) -> str:
    return str(number.numerator) if number.denominator == 1 else f"{float(number):.2f}".rstrip("0")
