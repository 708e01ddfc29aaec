"""What follows from the timeline of one change or issue: when somebody answered, how long it took, who reviewed. Pure.

The order in which events arrive does not matter. That one which is told twice counts once is the rows' matter, where it
has its source's name: two people may well say the same in the same second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class EventKind(Enum):
    """What can happen to a change or an issue; a review's kind is its verdict (`reviewed`: it only comments)."""

    OPENED = "opened"
    READY = "ready"
    DRAFTED = "drafted"
    REVIEW_REQUESTED = "review-requested"
    COMMENTED = "commented"
    REVIEWED = "reviewed"
    APPROVED = "approved"
    CHANGES_REQUESTED = "changes-requested"
    DISMISSED = "dismissed"
    PUSHED = "pushed"
    LABELED = "labeled"
    UNLABELED = "unlabeled"
    ASSIGNED = "assigned"
    RENAMED = "renamed"
    MERGED = "merged"
    CLOSED = "closed"
    REOPENED = "reopened"


REVIEWS = frozenset((EventKind.REVIEWED, EventKind.APPROVED, EventKind.CHANGES_REQUESTED))
# Labels and assignments tell the author nothing that they could act on.
RESPONSES = REVIEWS | {EventKind.COMMENTED, EventKind.MERGED, EventKind.CLOSED}


@dataclass(frozen=True, slots=True)
class Happened:
    """One event; `person` is None where nobody is named, and `is_human` false for bots and tools."""

    kind: EventKind
    at: datetime
    person: int | None = None
    is_human: bool = True


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What one person did as a reviewer: since when, and how often."""

    first_at: datetime
    times: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What a timeline comes to; see `app.contributions.models.derived` for the columns of the same names."""

    starts_at: datetime | None
    is_answered: bool
    waited_s: int | None
    lasted_s: int | None
    comments: int
    pushes: int
    reviews: int
    reviewers: dict[int, Reviewed] = field(default_factory=dict)

    def reviewers_until(self, end: datetime | None) -> int:
        """How many people began to review until then (None: ever): a review after the merge let nothing through."""
        return sum(end is None or one.first_at <= end for one in self.reviewers.values())


def measured(
    events: Collection[Happened], *, author: int | None, opened_at: datetime, closed_at: datetime | None,
    is_draft: bool = False,
) -> Measured:  # fmt: skip
    """What follows from the events of a thing that was opened then, and closed then (None: it is open).

    >>> from datetime import UTC
    >>> monday = datetime(2026, 1, 5, 9, tzinfo=UTC)
    >>> said = Happened(EventKind.COMMENTED, monday.replace(hour=12), person=2)
    >>> measured([said], author=1, opened_at=monday, closed_at=None).waited_s
    10800
    """
    starts_at = _starts(events, opened_at, is_draft)
    others = [event for event in events if event.is_human and event.person is not None and event.person != author]
    answers = [event.at for event in others if event.kind in RESPONSES and (closed_at is None or event.at <= closed_at)]
    if starts_at != opened_at:
        # What was said of a draft answers no question that had been asked; a draft that was never ready asks none.
        answers = [at for at in answers if starts_at is not None and at >= starts_at]
    answered_at = min(answers, default=None)
    until = answered_at or closed_at
    waited_s = _seconds(starts_at, until) if starts_at and until else None
    kinds = Counter(event.kind for event in events if event.is_human)
    reviewers = _reviewers(event for event in others if event.kind in REVIEWS)
    return Measured(
        starts_at=starts_at,
        is_answered=answered_at is not None,
        waited_s=waited_s,
        lasted_s=_seconds(opened_at, closed_at) if closed_at else None,
        comments=kinds[EventKind.COMMENTED],
        pushes=kinds[EventKind.PUSHED],
        reviews=sum(one.times for one in reviewers.values()),
        reviewers=reviewers,
    )


def _starts(events: Iterable[Happened], opened_at: datetime, is_draft: bool) -> datetime | None:
    """When it began to wait: at opening, or when what was opened as a draft was first marked ready; None: never."""
    turns = sorted(
        (event.at, event.kind is EventKind.READY)
        for event in events
        if event.kind in (EventKind.READY, EventKind.DRAFTED)
    )
    if not turns:
        return None if is_draft else opened_at
    first_at, is_ready = turns[0]
    return max(first_at, opened_at) if is_ready else opened_at


def _reviewers(events: Iterable[Happened]) -> dict[int, Reviewed]:
    found: dict[int, Reviewed] = {}
    for event in events:
        if event.person is not None:
            known = found.get(event.person)
            first_at = min(event.at, known.first_at) if known else event.at
            found[event.person] = Reviewed(first_at, known.times + 1 if known else 1)
    return dict(sorted(found.items()))


def _seconds(begin: datetime, end: datetime) -> int:
    """Whole seconds; clocks that disagree give none, not fewer than none."""
    return max(0, int((end - begin).total_seconds()))
