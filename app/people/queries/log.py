"""The log of decisions as pages show it: what each line is about, whose that is today, and whether it stands."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.people.models import Identity, IdentityDecision, IdentityPerson, Person, Proof
from app.people.queries.persons import HIDDEN_NAME, canonical
from app.people.rules import PROOF, DecisionKind, masked


@dataclass(frozen=True)
class Side:
    """What a decision is about, and whose it is today."""

    identity: Identity
    person: Person

    def told(self, reader_of: Person | None = None) -> str:
        """In words that anybody may read; of a hidden person only on their own record (`reader_of`)."""
        if self.person.hidden_at is not None and (reader_of is None or reader_of.id != self.person.id):
            return HIDDEN_NAME
        # Which login or address somebody proved is theirs to say.
        otherwise = "proved by themselves" if self.identity.source.startswith(PROOF) else ""
        return self.identity.name or otherwise or self.identity.login or masked(self.identity.email)


@dataclass(frozen=True)
class LoggedDecision:
    """A line of the log; it has one side, or two."""

    decision: IdentityDecision
    sides: tuple[Side, ...]
    undone: bool


def count_decisions(session: Session, *, kind: DecisionKind | None, by: str) -> int:
    """How many lines the log has."""
    return session.scalar(sa.select(sa.func.count()).select_from(_log(kind, by).subquery())) or 0


def decisions_log(
    session: Session, *, kind: DecisionKind | None = None, by: str = "", offset: int = 0, limit: int = 50
) -> list[LoggedDecision]:
    """The log of decisions, the newest first."""
    return _lines(session, session.scalars(_newest(_log(kind, by), limit).offset(offset)).all())


def decisions_about(session: Session, identities: Collection[int], *, limit: int = 200) -> list[LoggedDecision]:
    """What was decided about some identities, the newest first."""
    about = sa.or_(IdentityDecision.identity_id.in_(identities), IdentityDecision.other_id.in_(identities))
    return _lines(session, session.scalars(_newest(sa.select(IdentityDecision).where(about), limit)).all())


def _log(kind: DecisionKind | None, by: str) -> sa.Select[IdentityDecision]:
    query = sa.select(IdentityDecision)
    if kind is not None:
        query = query.where(IdentityDecision.kind == kind)
    return query.where(IdentityDecision.decided_by == by) if by else query


def _newest(query: sa.Select[IdentityDecision], limit: int) -> sa.Select[IdentityDecision]:
    return query.order_by(IdentityDecision.id.desc()).limit(limit)


def _lines(session: Session, rows: Sequence[IdentityDecision]) -> list[LoggedDecision]:
    numbers = {number for row in rows for number in (row.identity_id, row.other_id) if number is not None}
    identities = {one.id: one for one in session.scalars(sa.select(Identity).where(Identity.id.in_(numbers)))}
    now = sa.select(IdentityPerson.identity_id, Person).join(Person, Person.id == IdentityPerson.person_id)
    persons = {number: who for number, who in session.execute(now.where(IdentityPerson.identity_id.in_(numbers)))}
    # What was proved and let go of is nobody's by now; the log still says whose it was.
    let_go = sa.select(Proof.identity_id, Person).join(Person, Person.id == Proof.person_id)
    before = let_go.where(Proof.identity_id.in_(numbers - persons.keys())).order_by(Proof.id)
    persons |= {number: canonical(session, who) for number, who in session.execute(before)}
    undone = set(session.scalars(sa.select(IdentityDecision.undoes_id).where(
        IdentityDecision.undoes_id.in_([row.id for row in rows]))))  # fmt: skip
    return [
        LoggedDecision(row, tuple(Side(identities[number], persons[number])
                                  for number in (row.identity_id, row.other_id) if number is not None),
                       row.id in undone)
        for row in rows
    ]  # fmt: skip
