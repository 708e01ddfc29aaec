"""What readers say is wrong: kept as written, bounded in number, and answered by staff."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked
from app.db import clock_of
from app.people.models import Person, Remark
from app.people.queries.persons import all_of
from app.people.rules.asking import RemarkAbout

MOST_OF_ONE_SENDER = 5
MOST_OF_ALL = 200
WITHIN = timedelta(hours=1)


Names = Callable[[Session, str], tuple[str, str] | None]
_names: dict[RemarkAbout, Names] = {}


def provide_names(about: RemarkAbout) -> Callable[[Names], Names]:
    """Register (as a decorator) who names things of another room: (session, thing) -> its name and page, or None."""

    def register(function: Names) -> Names:
        _names[about] = function
        return function

    return register


def named_elsewhere(session: Session, about: RemarkAbout, thing: str) -> tuple[str, str] | None:
    """The name and page of a thing that another room keeps; None where it is not there."""
    function = _names.get(about)
    return function(session, thing) if function else None


def may_remark(session: Session, sender: str) -> bool:
    """Whether this sender, and everybody together, said less than the limit within the last hour."""
    since = clock_of(session).now() - WITHIN
    recent = sa.select(sa.func.count()).where(Remark.said_at > since)
    own = session.scalar(recent.where(Remark.sender == sender)) or 0
    return own < MOST_OF_ONE_SENDER and (session.scalar(recent) or 0) < MOST_OF_ALL


def _says_something(text: str) -> Broken:
    if len(text.strip()) < 3:
        yield "text", "is empty; say what is wrong and, if you know, how it should be"


@checked(_says_something)
def make_remark(
    session: Session, about: RemarkAbout, thing: str, page: str, text: str, *, said_by: str, sender: str
) -> Remark:
    """Keep what a reader says. It decides nothing, so it has no entry in the audit log; the answer has."""
    made = Remark(about=about, thing=thing[:100], page=page[:500], text=text.strip()[:2000], said_by=said_by,
                  said_at=clock_of(session).now(), sender=sender)  # fmt: skip
    session.add(made)
    session.flush()
    return made


def remark_by_public_id(session: Session, public_id: str) -> Remark | None:
    """The remark of this public id."""
    return session.scalar(sa.select(Remark).where(Remark.public_id == public_id))


def remarks(session: Session, *, settled: bool, offset: int = 0, limit: int = 50) -> list[Remark]:
    """Remarks that wait (the oldest first), or those answered (the newest first)."""
    query = sa.select(Remark).where(Remark.settled_at.is_not(None) if settled else Remark.settled_at.is_(None))
    order = Remark.settled_at.desc() if settled else Remark.said_at
    return list(session.scalars(query.order_by(order, Remark.id).offset(offset).limit(limit)))


def count_remarks(session: Session, *, settled: bool) -> int:
    """How many there are."""
    return session.scalar(
        sa.select(sa.func.count(Remark.id)).where(
            Remark.settled_at.is_not(None) if settled else Remark.settled_at.is_(None)
        )
    ) or 0  # fmt: skip


def remarks_about(session: Session, person: Person) -> list[Remark]:
    """What waits and concerns a person."""
    about = [one for one in RemarkAbout if one.is_of_a_person]
    theirs = sa.select(Person.public_id).where(Person.id.in_(all_of(person.id)))
    query = sa.select(Remark).where(Remark.thing.in_(theirs), Remark.about.in_(about), Remark.settled_at.is_(None))
    return list(session.scalars(query.order_by(Remark.id).limit(50)))


def _is_open(remark: Remark) -> Broken:
    if remark.settled_at is not None:
        yield "answer", "came too late: it is answered already"


@checked(_is_open, refusal=RefusedError)
def settle_remark(session: Session, remark: Remark, answer: str, *, actor: Actor) -> Remark:
    """Say what became of a remark; its text stays with it."""
    remark.settled_at, remark.settled_by, remark.answer = clock_of(session).now(), actor.id, answer.strip()[:1000]
    session.flush()
    record(session, actor=actor, action="people.remark.settle", thing=remark.public_id, reason=remark.answer,
           data={"about": remark.about.value, "thing": remark.thing})  # fmt: skip
    return remark
