"""Which memberships and domains may stand beside each other, and which organizations are one group. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum


class OrganizationKind(Enum):
    """What kind of organization."""

    COMPANY = "company"
    UNIVERSITY = "university"
    NONPROFIT = "nonprofit"
    GOVERNMENT = "government"
    PROJECT = "project"


class Outcome(Enum):
    """What became of a proposal."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Span:
    """Days from one until another, both included; None is "until further notice"."""

    starts_on: date
    ends_on: date | None

    def holds_on(self, day: date) -> bool:
        """Whether the day lies within."""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)

    def overlaps(self, other: Span) -> bool:
        """Whether the two share a day.

        >>> Span(date(2026, 1, 1), date(2026, 6, 30)).overlaps(Span(date(2026, 6, 30), None))
        True
        """
        ends_before = self.ends_on is not None and self.ends_on < other.starts_on
        starts_after = other.ends_on is not None and other.ends_on < self.starts_on
        return not (ends_before or starts_after)


def first_overlap(new: Span, others: Iterable[Span]) -> Span | None:
    """The earliest span that shares a day with `new`."""
    return min((other for other in others if new.overlaps(other)), key=lambda span: span.starts_on, default=None)


def slug_of(name: str, taken: Iterable[str] = ()) -> str:
    """A short name for addresses, from the name; with a number when it is taken.

    >>> slug_of("Ärzte & Söhne GmbH"), slug_of("Acme", ["acme"])
    ('arzte-sohne-gmbh', 'acme-2')
    """
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    base = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60].strip("-") or "organization"
    used, slug, number = set(taken), base, 1
    while slug in used:
        number += 1
        slug = f"{base}-{number}"
    return slug


def group_of(organization: int, parents: Mapping[int, int | None]) -> int:
    """The organization that owns the group (itself, if nobody owns it). A ring ends where it began.

    >>> group_of(3, {3: 2, 2: 1, 1: None})
    1
    """
    seen = {organization}
    while (parent := parents.get(organization)) is not None and parent not in seen:
        seen.add(parent)
        organization = parent
    return organization


def is_owned_by(organization: int, owner: int, parents: Mapping[int, int | None]) -> bool:
    """Whether the owner owns it, through others too, or is the organization itself.

    >>> [is_owned_by(one, 2, {3: 2, 2: 1, 1: None}) for one in (1, 2, 3)]
    [False, True, True]
    """
    seen: set[int] = set()
    at: int | None = organization
    while at is not None and at not in seen:
        if at == owner:
            return True
        seen.add(at)
        at = parents.get(at)
    return False


def would_make_a_ring(organization: int, parent: int | None, parents: Mapping[int, int | None]) -> bool:
    """Whether `parent` is the organization itself or owned by it."""
    return parent is not None and is_owned_by(parent, organization, parents)


def members_by_tier(
    day: date, memberships: Sequence[tuple[int, str, Span]], parents: Mapping[int, int | None]
) -> dict[str, tuple[int, ...]]:
    """Members of each tier on a day, related companies counted once: the group's first member stands for it."""
    found: dict[str, list[int]] = {}
    groups: set[int] = set()
    for organization, tier, span in sorted(memberships, key=lambda one: (one[2].starts_on, one[0])):
        group = group_of(organization, parents)
        if span.holds_on(day) and group not in groups:
            groups.add(group)
            found.setdefault(tier, []).append(organization)
    return {tier: tuple(listed) for tier, listed in found.items()}


def firsts_of_months(until: date, months: int) -> list[date]:
    """The first days of the last so many months, the last of them in the month of `until`.

    >>> firsts_of_months(date(2026, 2, 15), 3)
    [datetime.date(2025, 12, 1), datetime.date(2026, 1, 1), datetime.date(2026, 2, 1)]
    """
    last = until.year * 12 + until.month - 1
    return [date(month // 12, month % 12 + 1, 1) for month in range(last - months + 1, last + 1)]
