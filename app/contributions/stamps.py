"""Stamps of writing: whoever changes rows that figures rest on leaves one in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import chain
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import marks
from app.contributions.models import FigureStamp, Repository

_KEPT, _DELETED_EVERY = 200, 500
"""Not often: whoever rests on stamps of which one is deleted does not know any more what it lacks."""


@dataclass(frozen=True)
class Stamps:
    """How far writing has come: the highest stamp, how many there are and the sum of their moments.

    Of all, and of those that people made. Two writers may commit in another order than they took their numbers; then
    the number of stamps tells it. Two histories of one portal (a backup was restored) differ in their moments.
    """

    every: tuple[int, int, int]
    by_people: tuple[int, int, int]


def stamp(session: Session, *, by_people: bool) -> None:
    """Leave a stamp: figures may be other ones from here. `by_people`: somebody decided, and waits to see it."""
    made = FigureStamp(by_people=by_people)
    session.add(made)
    session.flush()
    if made.id % _DELETED_EVERY == 0:
        session.execute(sa.delete(FigureStamp).where(FigureStamp.id <= made.id - _KEPT))


def stamps(session: Session) -> Stamps:
    """The stamps of now."""
    found = [int(value or 0) for value in session.execute(_stamped()).one()]
    return Stamps((found[0], found[1], found[2]), (found[3], found[4], found[5]))


@marks.mark("figures")
@cache
def _stamped() -> sa.Select[*tuple[Any, ...]]:
    of_people = sa.case((FigureStamp.by_people, FigureStamp.id)), sa.case((FigureStamp.by_people, FigureStamp.at_us))
    each = ((sa.func.max(number), sa.func.count(number), sa.func.sum(at_us))
            for number, at_us in ((FigureStamp.id, FigureStamp.at_us), of_people))  # fmt: skip
    return sa.select(*chain(*each))


def stamps_once(session: Session) -> Stamps:
    """The stamps of now; a session that reads asks once."""
    if "figure_stamps" not in session.info:
        session.info["figure_stamps"] = stamps(session)
    found: Stamps = session.info["figure_stamps"]
    return found


def missing_since(session: Session, seen: Stamps) -> float:
    """When the first stamp was made that is not among those seen, in seconds since 1970; 0 where nobody knows.

    Nobody does where the stamps up to the highest seen are other ones by now: one came later than its number, old ones
    were deleted, or a backup was restored. A session that reads asks once.
    """
    if "figure_stamp_moments" not in session.info:
        rows = session.execute(sa.select(FigureStamp.id, FigureStamp.at_us))
        session.info["figure_stamp_moments"] = [(number, at_us) for number, at_us in rows]
    moments: list[tuple[int, int]] = session.info["figure_stamp_moments"]
    highest, *rest = seen.every
    known = [at_us for number, at_us in moments if number <= highest]
    if [len(known), sum(known)] != rest:
        return 0.0
    return min((at_us for number, at_us in moments if number > highest), default=0) / 1e6


@marks.mark("repositories")
def moved() -> sa.Select[int, int]:
    """How often the rows of repositories were written: what is read of them, how far, and what went wrong."""
    return sa.select(sa.func.count(Repository.id), sa.func.sum(Repository.version))
