"""Decisions about identities: each one line in a log that only grows, with who, when and why."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked, has_reason
from app.db import clock_of
from app.people.models import Identity, IdentityDecision, IdentityPerson, Person
from app.people.queries.proposing import settle_proposals
from app.people.queries.resolution import Resolved, resolve
from app.people.rules import ACCOUNT, DecisionKind


class DecisionError(RefusedError):
    """A decision that cannot be taken; each problem says why and what can."""


def _is_a_pair(kind: DecisionKind, identity: Identity, other: Identity | None) -> Broken:
    needs_other = kind in (DecisionKind.SAME_AS, DecisionKind.NOT_SAME_AS)
    if needs_other and (other is None or other.id == identity.id):
        yield "other", f"is missing: {kind.value} is about two different identities; choose the other one"


def _is_not_undone(session: Session, decision: IdentityDecision) -> Broken:
    done = session.scalar(sa.select(IdentityDecision.id).where(IdentityDecision.undoes_id == decision.id))
    if done is not None:
        yield "reason", "came too late: this decision is undone already; undo the undo instead"


def _are_two(one: Person, other: Person) -> Broken:
    if one.id == other.id:
        yield "other", "is the same person already"


def _have_identities(session: Session, one: Person, other: Person) -> Broken:
    for person in {one.id: one, other.id: other}.values():
        if not identities_of(session, person):
            yield "other", f"{person.public_id} has no identity of its own any more; open the person it became"


def _some_stay(session: Session, person: Person, identities: Collection[Identity]) -> Broken:
    owned = {one.id for one in identities_of(session, person)}
    leaving = {identity.id for identity in identities} & owned
    if not 0 < len(leaving) < len(owned):
        yield "identities", "are none or all: choose some, and at least one stays with this person"


@checked(_is_a_pair, has_reason, refusal=DecisionError)
def decide(
    session: Session,
    kind: DecisionKind,
    identity: Identity,
    *,
    actor: Actor,
    reason: str,
    other: Identity | None = None,
    landing_for: str = "",
) -> IdentityDecision:
    """Append one decision and its audit entry; call `resolve` after the last of them.

    Raises: DecisionError when a pair is needed and missing, or when both are the same identity.
    """
    is_about_two = kind in (DecisionKind.SAME_AS, DecisionKind.NOT_SAME_AS, DecisionKind.POSTPONE)
    pair = other if is_about_two else None
    return _append(session, kind, identity, pair, None, landing_for, actor, reason)


@checked(_is_not_undone, has_reason, refusal=DecisionError)
def undo(session: Session, decision: IdentityDecision, *, actor: Actor, reason: str) -> Resolved:
    """Take a decision back by one more line, and resolve.

    Raises: DecisionError when it is undone already.
    """
    identity = session.get_one(Identity, decision.identity_id)
    _append(session, DecisionKind.UNDO, identity, None, decision, "", actor, reason)
    resolved = resolve(session, around=[one for one in (identity.id, decision.other_id) if one is not None])
    settle_proposals(session, {one.id for one in persons_of(session, decision)} | resolved.changed)
    return resolved


@checked(_are_two, _have_identities, has_reason, refusal=DecisionError)
def merge(session: Session, one: Person, other: Person, *, actor: Actor, reason: str) -> Resolved:
    """Decide that two persons are one, by an identity of each, and resolve.

    Raises: DecisionError when they are one already, or when a standing decision keeps them apart.
    """
    left, right = _lasting(session, one), _lasting(session, other)
    decide(session, DecisionKind.SAME_AS, left, other=right, actor=actor, reason=reason)
    resolved = resolve(session, around=[left.id, right.id])
    now = {session.get_one(IdentityPerson, identity.id).person_id for identity in (left, right)}
    if len(now) > 1:
        raise DecisionError([("other", "is somebody else by a decision; undo that one first")])
    return resolved


@checked(_some_stay, has_reason, refusal=DecisionError)
def split(session: Session, person: Person, identities: Collection[Identity], *, actor: Actor, reason: str) -> Resolved:
    """Decide that some identities of a person are somebody else: apart from all the others of that person.

    Raises: DecisionError when none or all of them are chosen.
    """
    all_of_them = identities_of(session, person)
    leaving = {identity.id for identity in identities}
    staying = [identity for identity in all_of_them if identity.id not in leaving]
    chosen = [identity for identity in all_of_them if identity.id in leaving]
    for identity in chosen:
        for other in staying:
            decide(session, DecisionKind.NOT_SAME_AS, identity, other=other, actor=actor, reason=reason)
    return resolve(session, around=[identity.id for identity in all_of_them])


def persons_of(session: Session, decision: IdentityDecision) -> list[Person]:
    """Whose identities a decision is about, and those of the decisions that it undoes."""
    about: set[int] = set()
    line: IdentityDecision | None = decision
    while line is not None:
        about |= {one for one in (line.identity_id, line.other_id) if one is not None}
        line = session.get(IdentityDecision, line.undoes_id) if line.undoes_id is not None else None
    wanted = sa.select(Person).join(IdentityPerson, IdentityPerson.person_id == Person.id)
    return list(session.scalars(wanted.where(IdentityPerson.identity_id.in_(about)).distinct()))


def identities_of(session: Session, person: Person) -> list[Identity]:
    """A person's identities, in the order in which they were first seen."""
    return list(
        session.scalars(
            sa.select(Identity)
            .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
            .where(IdentityPerson.person_id == person.id)
            .order_by(Identity.id)
        )
    )


def _lasting(session: Session, person: Person) -> Identity:
    """The identity by which to decide about a whole person: the account's own if there is one, else the first seen."""
    return min(identities_of(session, person), key=lambda one: (one.source != ACCOUNT, one.id))


def _append(
    session: Session,
    kind: DecisionKind,
    identity: Identity,
    other: Identity | None,
    undoes: IdentityDecision | None,
    landing_for: str,
    actor: Actor,
    reason: str,
) -> IdentityDecision:
    decision = IdentityDecision(
        kind=kind,
        identity_id=identity.id,
        other_id=other.id if other else None,
        undoes_id=undoes.id if undoes else None,
        landing_for=landing_for.strip()[:100],
        decided_at=clock_of(session).now(),
        decided_by=actor.id,
        reason=reason.strip()[:1000],
    )
    session.add(decision)
    session.flush()
    data = {"kind": kind.value, "identity": identity.public_id, "other": other.public_id if other else None}
    record(
        session,
        actor=actor,
        action=f"people.identity.{kind.value}",
        thing=decision.public_id,
        reason=reason.strip(),
        data=data | ({"undoes": undoes.public_id} if undoes else {}),
    )
    return decision
