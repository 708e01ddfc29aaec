"""The charter's clauses, and the thresholds that their words state."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from app.rulebook import Threshold

_CLAUSE = re.compile(r"^\*\*(?P<number>\d+\.\d+)\s+(?P<title>[^*]+)\*\*(?P<text>.*)$")
_HEADING = re.compile(r"^#+\s")
_WORDS = {
    "half": Fraction(1, 2), "a half": Fraction(1, 2), "one half": Fraction(1, 2), "two thirds": Fraction(2, 3),
    "three quarters": Fraction(3, 4), "three fourths": Fraction(3, 4), "one third": Fraction(1, 3),
}  # fmt: skip
_SHARE = re.compile(
    r"\b(?P<comparison>at least|more than|not less than|no less than)\s+"
    r"(?:(?P<percent>\d+(?:\.\d+)?)\s*%|(?P<over>\d+)/(?P<under>\d+)|"
    rf"(?P<words>{'|'.join(sorted(_WORDS, key=len, reverse=True))}))",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Stated:
    """A threshold as a clause words it: a share, and whether it must be passed."""

    share: Fraction
    strict: bool
    words: str

    def agrees_with(self, threshold: Threshold) -> bool:
        """Whether the rule says the same."""
        return (self.share, self.strict) == (threshold.share, threshold.strict)


def clauses(text: str) -> dict[str, str]:
    """Number -> text of every clause that begins like `**5.2 Quorum.**`; a number that comes twice keeps the first.

    >>> clauses("## 5 Board\\n\\n**5.2 Quorum.** At least 50% of\\nall seats.")
    {'5.2': 'Quorum. At least 50% of all seats.'}
    """
    found: dict[str, str] = {}
    number = None
    for line in text.splitlines():
        match = _CLAUSE.match(line)
        if match:
            number = match["number"] if match["number"] not in found else None
            if number is not None:
                found[number] = match["title"].strip() + match["text"]
        elif _HEADING.match(line):
            number = None
        elif number is not None and line.strip():
            found[number] += " " + line.strip()
    return {key: " ".join(value.split()) for key, value in found.items()}


def twice(text: str) -> list[tuple[str, int]]:
    """Clause numbers that come a second time, with the line."""
    seen: set[str] = set()
    repeated = []
    for number, line in enumerate(text.splitlines(), start=1):
        match = _CLAUSE.match(line)
        if match and match["number"] in seen:
            repeated.append((match["number"], number))
        elif match:
            seen.add(match["number"])
    return repeated


def stated(clause: str) -> list[Stated]:
    """Every threshold that a clause states, in its order.

    >>> stated("At least 50% of the seats; more than two thirds to amend.")[1].share
    Fraction(2, 3)
    """
    found = []
    for match in _SHARE.finditer(clause):
        if match["percent"]:
            share = Fraction(match["percent"]) / 100
        elif match["over"]:
            if int(match["under"]) == 0:
                continue
            share = Fraction(int(match["over"]), int(match["under"]))
        else:
            share = _WORDS[match["words"].lower()]
        found.append(Stated(share, match["comparison"].lower() == "more than", match[0]))
    return found
