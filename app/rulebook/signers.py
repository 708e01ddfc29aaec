"""Who may sign for a module: its active maintainers or, where they are too few, whom the written rule names."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from app.rulebook.gates import Atom
from app.rulebook.thresholds import Source


@dataclass(frozen=True)
class SingleMaintainer:
    """The written rule for a module with fewer active maintainers than `fewer_than`: who stands in, with a reason."""

    key: str
    fewer_than: int
    reason_needed: bool
    source: Source


@dataclass(frozen=True)
class UnsettledAuthor:
    """The written rule for authors who are nobody known: so many more approvals for each of them.

    With one more for each, at least one approval comes from somebody who wrote none of it, whoever they are.
    """

    key: str
    further_approvals: int
    source: Source

    def needed(self, unsettled: int) -> int:
        """How many approvals a module needs with so many unsettled authors.

        >>> UnsettledAuthor("unsettled-author", 1, Source("charter.md", "8.2")).needed(2)
        3
        """
        return 1 + self.further_approvals * unsettled


@dataclass(frozen=True)
class Signers:
    """Who may approve or sign for a module, and whom only the rule `single-maintainer` lets in, with a reason."""

    maintainers: frozenset[str]
    stand_ins: frozenset[str]
    because: str
    reason_needed: bool

    def may_sign(self, person: str, *, reason: str = "", author: str | None = None) -> Atom:
        """Whether this person's signature counts, as an atom.

        An author's own counts only under the rule, with a reason.
        """
        under_rule = bool(self.stand_ins) and person in self.stand_ins | self.maintainers
        if person in self.maintainers and person != author:
            return Atom("signer", True, "Signed by an active maintainer of the module.")
        if not under_rule:
            if person in self.maintainers:
                return Atom("signer", False, "An author does not approve their own change.", self.because)
            return Atom("signer", False, "Not a maintainer of the module.", self.because)
        if self.reason_needed and not reason.strip():
            return Atom("signer", False, f"{self.because} It needs a reason.", "Write why you sign alone.")
        given = f" Reason given: {reason.strip()}" if reason.strip() else ""
        return Atom("signer", True, self.because + given)


def signers(rule: SingleMaintainer, *, active: Collection[str], stand_ins: Collection[str]) -> Signers:
    """Who may sign for a module with these active maintainers.

    >>> rule = SingleMaintainer("single-maintainer", 2, True, Source("charter.md", "7.4"))
    >>> signers(rule, active=["ada"], stand_ins=["root"]).may_sign("root", reason="The only one here.").holds
    True
    >>> signers(rule, active=["ada", "bob"], stand_ins=["root"]).may_sign("root", reason="In a hurry.").holds
    False
    """
    have = len(set(active))
    if have >= rule.fewer_than:
        text = f"The module has {have} active maintainers, so one of them signs."
        return Signers(frozenset(active), frozenset(), text, False)
    number = "no active maintainer" if have == 0 else f"{have} active maintainer{'s' if have > 1 else ''}"
    text = (
        f"The module has {number}, fewer than {rule.fewer_than}: "
        f"rule {rule.key} ({rule.source}) lets an administrator sign alone."
    )
    return Signers(frozenset(active), frozenset(stand_ins), text, rule.reason_needed)


def second_person(
    rule: SingleMaintainer, *, first: Collection[str], person: str, eligible: Collection[str], reason: str = ""
) -> Atom:
    """Whether `person` may finish what `first` began (publish what they signed): a second person, if there is one.

    `eligible` are all who could do it. Where each of them had a hand in it already, two of them are enough;
    where there is but one, the written rule lets that one, with a reason.
    """
    if person not in eligible:
        return Atom("second-person", False, "This person may not do it.", "Ask one of those who may.")
    if person not in first:
        return Atom("second-person", True, "Done by a second person.")
    others = set(eligible) - set(first)
    if others:
        way_out = f"Ask one of the {len(others)} others who may."
        return Atom("second-person", False, "The same person signed it.", way_out)
    if len(set(first)) >= rule.fewer_than:
        return Atom("second-person", True, f"All who may do it signed it too: {len(set(first))} persons took part.")
    text = f"There is no second person: rule {rule.key} ({rule.source}) applies."
    if rule.reason_needed and not reason.strip():
        return Atom("second-person", False, f"{text} It needs a reason.", "Write why you do it alone.")
    return Atom("second-person", True, f"{text} Reason given: {reason.strip()}" if reason.strip() else text)
