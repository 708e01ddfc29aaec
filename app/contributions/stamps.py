"""Stamps of writing: whoever changes rows that figures rest on leaves one in the same transaction."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import marks
from app.contributions.models import FigureStamp, Repository

_KEPT = 200


@dataclass(frozen=True)
class Stamps:
    """How far writing has come: the highest stamp and how many there are, of all and of those that people made.

    Two writers may commit in another order than they took their numbers; then the number of stamps tells it.
    """

    every: tuple[int, int]
    by_people: tuple[int, int]


def stamp(session: Session, *, by_people: bool) -> None:
    """Leave a stamp: figures may be other ones from here. `by_people`: somebody decided, and waits to see it."""
    made = FigureStamp(by_people=by_people)
    session.add(made)
    session.flush()
    if made.id % 50 == 0:
        session.execute(sa.delete(FigureStamp).where(FigureStamp.id <= made.id - _KEPT))


@marks.mark("figures")
def stamps(session: Session) -> Stamps:
    """The stamps of now."""
    people = sa.case((FigureStamp.by_people, FigureStamp.id))
    query = sa.select(sa.func.max(FigureStamp.id), sa.func.count(), sa.func.max(people), sa.func.count(people))
    highest, number, highest_of_people, number_of_people = session.execute(query).one()
    return Stamps((highest or 0, number), (highest_of_people or 0, number_of_people))


def stamps_once(session: Session) -> Stamps:
    """The stamps of now; a session that reads asks once."""
    if "figure_stamps" not in session.info:
        session.info["figure_stamps"] = stamps(session)
    found: Stamps = session.info["figure_stamps"]
    return found


@marks.mark("repositories")
def moved(session: Session) -> tuple[int, int]:
    """How often the rows of repositories were written: what is read of them, how far, and what went wrong."""
    number, versions = session.execute(sa.select(sa.func.count(), sa.func.sum(Repository.version))).one()
    return number, int(versions or 0)
