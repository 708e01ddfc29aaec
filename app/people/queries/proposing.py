"""Proposals kept in step: what evidence likens is found anew from all identities, what is open follows decisions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of, new_public_id
from app.people import rules
from app.people.domains import registrable
from app.people.models import Employment, Identity, IdentityDecision, IdentityPerson, IdentityProposal
from app.people.queries.changes import on_change
from app.people.queries.identities import chunks, insert_new
from app.people.rules import DecisionKind, Known, Role
from app.people.rules.asking import POSTPONED_DAYS, ProposalKind

WeightsOf = Callable[[Session, Collection[int] | None], Mapping[int, int]]
AreasOf = Callable[[Session, Collection[int]], Mapping[int, frozenset[str]]]
_weights_of: list[WeightsOf] = []
_areas_of: list[AreasOf] = []
_Key = tuple[ProposalKind, int, int]


def provide_weights(function: WeightsOf) -> WeightsOf:
    """Register (as a decorator) how many commits persons (None: all) have: (session, persons) -> person -> commits."""
    _weights_of[:] = [function]
    return function


def provide_areas(function: AreasOf) -> AreasOf:
    """Register (as a decorator) where identities work: (session, identities) -> identity -> modules."""
    _areas_of[:] = [function]
    return function


@dataclass(frozen=True)
class _Evidence:
    confidence: int
    reasons: tuple[str, ...]


def refresh_proposals(session: Session) -> int:
    """Find all proposals anew, from every identity; gives how many are open. Writes only what changed."""
    wanted = _evidence(session)
    now = clock_of(session).now()
    gone: list[int] = []
    known: set[_Key] = set()
    rows = session.execute(
        sa.select(IdentityProposal.id, IdentityProposal.kind, IdentityProposal.identity_id, IdentityProposal.other_id,
                  IdentityProposal.confidence, IdentityProposal.reasons)
    )  # fmt: skip
    for number, kind, one, other, confidence, reasons in rows:
        found = wanted.get((kind, one, other))
        if found is None or (found.confidence, list(found.reasons)) != (confidence, reasons):
            gone.append(number)
        else:
            known.add((kind, one, other))
    for chunk in chunks(gone):
        session.execute(sa.delete(IdentityProposal).where(IdentityProposal.id.in_(chunk)))
    new = [
        {
            "public_id": new_public_id("ip"), "kind": kind, "identity_id": one, "other_id": other,
            "confidence": found.confidence, "reasons": list(found.reasons), "found_at": now, "commits": 0,
            "is_open": False,
        }
        for (kind, one, other), found in wanted.items()
        if (kind, one, other) not in known
    ]  # fmt: skip
    if new:
        insert_new(session, IdentityProposal, new)
    settle_proposals(session)
    return session.scalar(sa.select(sa.func.count()).where(IdentityProposal.is_open)) or 0


@on_change
def settle_changed(session: Session, persons: Collection[int]) -> None:
    """Bring the proposals about these persons to what was decided; many at once wait for the next refreshing."""
    if len(persons) <= 100:
        settle_proposals(session, persons)


def settle_proposals(session: Session, persons: Collection[int] | None = None) -> None:
    """Which proposals (about these persons; None: all) are open, about whom now, and how many commits hang on them."""
    session.flush()
    columns = (IdentityProposal.id, IdentityProposal.kind, IdentityProposal.identity_id, IdentityProposal.other_id,
               IdentityProposal.one_person_id, IdentityProposal.other_person_id, IdentityProposal.commits,
               IdentityProposal.is_open, IdentityProposal.postponed_until)  # fmt: skip
    query = sa.select(*columns)
    if persons is not None:
        own = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id.in_(sorted(persons)))
        query = query.where(sa.or_(IdentityProposal.identity_id.in_(own), IdentityProposal.other_id.in_(own)))
    rows = session.execute(query).all()
    if not rows:
        return
    decided = _Decided(session, {number for row in rows for number in row[2:4]} if persons is not None else None)
    weights = _weights(session, decided.people() if persons is not None else None)
    changed = []
    for number, kind, one, other, *before in rows:
        left, right = decided.person.get(one), decided.person.get(other)
        # What would move: the commits of whoever of the two has fewer.
        commits = min(weights.get(left or 0, 0), weights.get(right or 0, 0))
        until = decided.postponed.get((min(one, other), max(one, other)))
        now = [left, right, commits, decided.leaves(kind, one, other), until]
        if now != before:
            names = ("one_person_id", "other_person_id", "commits", "is_open", "postponed_until")
            changed.append({"id": number, **dict(zip(names, now, strict=True))})
    for chunk in chunks(changed, 2000):
        session.execute(sa.update(IdentityProposal), list(chunk))


class _Decided:
    """What the log says of some identities (None: of all), as the queue needs it."""

    def __init__(self, session: Session, identities: Collection[int] | None) -> None:
        query = sa.select(IdentityPerson.identity_id, IdentityPerson.person_id, IdentityPerson.role)
        parts = [query] if identities is None else [
            query.where(IdentityPerson.identity_id.in_(chunk)) for chunk in chunks(sorted(identities))]  # fmt: skip
        rows = [row for part in parts for row in session.execute(part)]
        self.person: dict[int, int] = {identity: person for identity, person, _ in rows}
        self.role: dict[int, Role] = {identity: role for identity, _, role in rows}
        self.apart: set[frozenset[int]] = set()
        self.is_person: set[int] = set()
        self.postponed: dict[tuple[int, int], Any] = {}
        log = session.scalars(sa.select(IdentityDecision)).all()
        lines = [rules.Decided(one.id, one.kind, one.identity_id, one.other_id, one.undoes_id) for one in log]
        when = {one.id: one.decided_at.date() for one in log}
        standing = rules.in_force(lines)
        everybody = self.person if identities is None else self._persons_of(session, standing)
        for one in standing:
            other = one.other or one.identity
            if one.kind is DecisionKind.NOT_SAME_AS:
                self.apart.add(frozenset((everybody.get(one.identity, 0), everybody.get(other, 0))))
            elif one.kind is DecisionKind.PERSON:
                self.is_person.add(everybody.get(one.identity, 0))
            elif one.kind is DecisionKind.POSTPONE:
                until = when[one.id] + timedelta(days=POSTPONED_DAYS)
                self.postponed[min(one.identity, other), max(one.identity, other)] = until

    def people(self) -> set[int]:
        """Everybody whom it is about."""
        return set(self.person.values())

    def leaves(self, kind: ProposalKind, one: int, other: int) -> bool:
        """Whether a proposal is not answered yet."""
        left, right = self.person.get(one), self.person.get(other)
        if kind is ProposalKind.SAME_AS:
            return None not in (left, right) and left != right and frozenset((left, right)) not in self.apart
        return self.role.get(one) is Role.PERSON and left not in self.is_person

    @staticmethod
    def _persons_of(session: Session, standing: Sequence[rules.Decided]) -> dict[int, int]:
        numbers = sorted({number for one in standing for number in (one.identity, one.other) if number is not None})
        found: dict[int, int] = {}
        for chunk in chunks(numbers):
            query = sa.select(IdentityPerson.identity_id, IdentityPerson.person_id)
            found.update({one: who for one, who in session.execute(query.where(IdentityPerson.identity_id.in_(chunk)))})
        return found


def _evidence(session: Session) -> dict[_Key, _Evidence]:
    employers: dict[int, set[int]] = defaultdict(set)
    for person, organization in session.execute(
        sa.select(Employment.person_id, Employment.organization_id).where(Employment.organization_id.is_not(None))
    ):
        employers[person].add(organization or 0)
    rows = session.execute(
        sa.select(Identity.id, Identity.name, Identity.address, Identity.login, Identity.source,
                  IdentityPerson.person_id, IdentityPerson.role)
        .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
    )  # fmt: skip
    found: dict[_Key, _Evidence] = {}
    known: list[Known] = []
    domains: dict[str, str] = {}
    for number, name, address, login, source, person, role in rows:
        looks = rules.looks_automatic(name, address, login)
        if looks is not None:
            found[ProposalKind(looks.kind), number, number] = _Evidence(looks.confidence, (looks.reason,))
        if role is not Role.PERSON:
            continue
        host = address.rpartition("@")[2]
        if host not in domains:
            domains[host] = registrable(host) or ""
        known.append(Known(number, name, address, login, source, domains[host], frozenset(employers[person])))
    likened = rules.likenesses(known, lambda ids: _areas_of[0](session, ids) if _areas_of else {})
    found.update({(ProposalKind.SAME_AS, one.one, one.other): _Evidence(one.confidence, one.reasons)
                  for one in likened})  # fmt: skip
    return found


def _weights(session: Session, persons: Collection[int] | None) -> Mapping[int, int]:
    return _weights_of[0](session, persons) if _weights_of else {}
