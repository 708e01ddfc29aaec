"""The queue of proposals, and the answers to them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor
from app.checks import Broken, checked, has_reason
from app.db import Turn, clock_of, take_turn
from app.people.models import Identity, IdentityPerson, IdentityProposal, Person
from app.people.queries.decisions import DecisionError, decide
from app.people.queries.proposing import settle_proposals
from app.people.queries.resolution import Resolved, resolve
from app.people.rules import DecisionKind
from app.people.rules.asking import ProposalKind, Verdict


@dataclass(frozen=True)
class Question:
    """A proposal with whom it is about; `other` None: whether one identity is a person at all."""

    proposal: IdentityProposal
    identity: Identity
    second: Identity | None
    one: Person
    other: Person | None

    @property
    def reason(self) -> str:
        """What stands in the field for the reason until somebody writes another."""
        return "; ".join(self.proposal.reasons)[:1000]


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for in the queue."""

    search: str = ""
    kind: ProposalKind | None = None
    least: int = 0
    postponed: bool = False
    person: int | None = None

    def conditions(self, today: date) -> list[sa.ColumnElement[bool]]:
        """As the database is asked."""
        own = IdentityProposal
        waits = own.postponed_until > today
        found: list[sa.ColumnElement[bool]] = [own.is_open.is_(True), waits if self.postponed else
                                               sa.or_(own.postponed_until.is_(None), ~waits)]  # fmt: skip
        if self.kind is not None:
            found.append(own.kind == self.kind)
        if self.least:
            found.append(own.confidence >= self.least)
        if self.person is not None:
            found.append(sa.or_(own.one_person_id == self.person, own.other_person_id == self.person))
        hidden = sa.select(Person.id).where(Person.hidden_at.is_not(None))
        found += [own.one_person_id.not_in(hidden), own.other_person_id.not_in(hidden)]
        if self.search:
            text = self.search.lower()
            like = sa.select(Identity.id).where(
                sa.func.lower(Identity.name).contains(text, autoescape=True)
                | Identity.address.contains(text, autoescape=True)
                | sa.func.lower(Identity.login).contains(text, autoescape=True)
            )
            found.append(sa.or_(own.identity_id.in_(like), own.other_id.in_(like)))
        return found


def count_questions(session: Session, wanted: Wanted) -> int:
    """How many pairs of persons (or single identities) the queue has."""
    today = clock_of(session).now().date()
    # Which proposal is the surest of its pair is not asked: pairs are told apart without sorting all of them.
    pairs = sa.select(IdentityProposal.kind, *_pair()).where(*wanted.conditions(today)).distinct().subquery()
    return session.scalar(sa.select(sa.func.count()).select_from(pairs)) or 0


def open_proposals(session: Session, *, ages: Sequence[int]) -> dict[tuple[ProposalKind, int | None], int]:
    """How many questions wait, those put off left out: by kind, and by the first of these days within which they were
    found (None: longer ago).
    """
    now = clock_of(session).now()
    best = _best(Wanted(), now.date()).subquery()
    age = sa.case(*((IdentityProposal.found_at >= now - timedelta(days=days), days) for days in ages), else_=None)
    own = IdentityProposal
    aged = sa.select(own.kind, age.label("days")).join(best, best.c.number == own.id).subquery()
    rows = session.execute(sa.select(aged.c.kind, aged.c.days, sa.func.count()).group_by(aged.c.kind, aged.c.days))
    return {(kind, days): number for kind, days, number in rows}


def questions(session: Session, wanted: Wanted, *, offset: int = 0, limit: int = 30) -> list[Question]:
    """The queue: of each pair of persons the surest proposal; those on which most commits hang first."""
    today = clock_of(session).now().date()
    best = _best(wanted, today).subquery()
    rows = session.scalars(
        sa.select(IdentityProposal)
        .join(best, best.c.number == IdentityProposal.id)
        .order_by(IdentityProposal.commits.desc(), IdentityProposal.confidence.desc(), IdentityProposal.id)
        .offset(offset).limit(limit)
    ).all()  # fmt: skip
    return questions_of(session, rows)


def questions_of(session: Session, proposals: Sequence[IdentityProposal]) -> list[Question]:
    """Proposals with the rows that they name."""
    numbers = {number for one in proposals for number in (one.identity_id, one.other_id)}
    identities = {one.id: one for one in session.scalars(sa.select(Identity).where(Identity.id.in_(numbers)))}
    whom = {number for one in proposals for number in (one.one_person_id, one.other_person_id)}
    persons = {one.id: one for one in session.scalars(sa.select(Person).where(Person.id.in_(whom - {None})))}
    return [
        Question(one, identities[one.identity_id], identities[one.other_id] if is_pair else None,
                 persons[one.one_person_id], persons.get(one.other_person_id or 0) if is_pair else None)
        for one in proposals
        if one.one_person_id is not None
        for is_pair in [one.kind is ProposalKind.SAME_AS]
    ]  # fmt: skip


def proposal_by_public_id(session: Session, public_id: str) -> IdentityProposal | None:
    """The proposal of this public id."""
    return session.scalar(sa.select(IdentityProposal).where(IdentityProposal.public_id == public_id))


def bring_up_to_date(session: Session, proposals: Sequence[IdentityProposal]) -> None:
    """Make these proposals name whom they are about at this very moment, and let nobody prove anything meanwhile.

    After a long reading the rows still name who somebody was before: on that no right to answer may rest.
    """
    take_turn(session, Turn.HISTORY)
    identities = {number for one in proposals for number in (one.identity_id, one.other_id)}
    settle_proposals(session, set(_persons_of(session, identities).values()))
    for one in proposals:
        session.refresh(one)


def _best(wanted: Wanted, today: date) -> sa.Select[Any]:
    own = IdentityProposal
    rank = sa.func.row_number().over(partition_by=(own.kind, *_pair()), order_by=(own.confidence.desc(), own.id))
    ranked = sa.select(own.id.label("number"), rank.label("rank")).where(*wanted.conditions(today)).subquery()
    return sa.select(ranked.c.number).where(ranked.c.rank == 1)


def _pair() -> tuple[Any, Any]:
    """The two persons of a proposal, in whichever order it names them."""
    one, other = IdentityProposal.one_person_id, IdentityProposal.other_person_id
    return _least(one, other).label("low"), _most(one, other).label("high")


def _least(one: Any, other: Any) -> Any:
    return sa.case((one <= other, one), else_=other)


def _most(one: Any, other: Any) -> Any:
    return sa.case((one <= other, other), else_=one)


def _are_open(proposals: Sequence[IdentityProposal]) -> Broken:
    if not proposals:
        yield "proposals", "are none: choose one at least"
    elif any(not one.is_open for one in proposals):
        yield "proposals", "were answered meanwhile; reload the page"


_ANSWERS = {
    (ProposalKind.SAME_AS, Verdict.YES): DecisionKind.SAME_AS,
    (ProposalKind.SAME_AS, Verdict.NO): DecisionKind.NOT_SAME_AS,
    (ProposalKind.BOT, Verdict.YES): DecisionKind.BOT,
    (ProposalKind.BOT, Verdict.NO): DecisionKind.PERSON,
    (ProposalKind.ASSISTANCE, Verdict.YES): DecisionKind.ASSISTANCE,
    (ProposalKind.ASSISTANCE, Verdict.NO): DecisionKind.PERSON,
}


@checked(_are_open, has_reason, refusal=DecisionError)
def answer(
    session: Session, proposals: Sequence[IdentityProposal], verdict: Verdict, *, actor: Actor, reason: str
) -> Resolved:
    """Answer proposals, each by a line in the log of decisions, and resolve what hangs together with them.

    Raises: DecisionError when one was answered meanwhile, or when a standing decision forbids a merge.
    """
    touched: set[int] = set()
    for one in proposals:
        identity, other = session.get_one(Identity, one.identity_id), session.get_one(Identity, one.other_id)
        kind = DecisionKind.POSTPONE if verdict is Verdict.LATER else _ANSWERS[one.kind, verdict]
        decide(session, kind, identity, other=other, actor=actor, reason=reason)
        touched |= {identity.id, other.id}
    resolved = resolve(session, around=touched)
    now = _persons_of(session, touched)
    settle_proposals(session, set(now.values()) | resolved.changed)
    if verdict is Verdict.YES:
        for one in proposals:
            if one.kind is ProposalKind.SAME_AS and now[one.identity_id] != now[one.other_id]:
                raise DecisionError([("proposals", "are of two people by a decision; undo that one first")])
    return resolved


def _persons_of(session: Session, identities: Collection[int]) -> Mapping[int, int]:
    rows = session.execute(
        sa.select(IdentityPerson.identity_id, IdentityPerson.person_id).where(
            IdentityPerson.identity_id.in_(sorted(identities))
        )
    )
    return {identity: person for identity, person in rows}
