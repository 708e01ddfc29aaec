"""Identity -> person, recomputed from identities, links and decisions; persons are made as they are needed.

After a decision only what hangs together with its identities is looked at (`around`); it comes out as in a resolution
of everybody, since whatever could join or keep apart two identities is followed to its end first.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of
from app.people import rules
from app.people.models import IN_FORCE, Identity, IdentityDecision, IdentityLink, IdentityPerson, Person, Proof
from app.people.queries.basis import note_resolution
from app.people.queries.changes import tell
from app.people.queries.employment import derive_employment
from app.people.queries.identities import chunks, insert_new
from app.people.rules import Role

# Beyond so many identities that hang together, everybody is resolved.
MOST_AROUND = 5_000


@dataclass(frozen=True)
class Resolved:
    """Persons whose identities, role or employment changed, by row number: their figures must be counted again."""

    changed: frozenset[int]
    kept_apart: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class _Row:
    """An identity and who it was until now."""

    named: rules.Named
    person: int | None
    role: Role | None


def resolve(session: Session, *, around: Collection[int] | None = None) -> Resolved:
    """Recompute who each identity is and whom each person worked for; run after interning and after decisions.

    Costs one pass over all identities, or over those that hang together with the ones `around`; writes only what
    changed.
    """
    rows = None if around is None else _hanging_together(session, around)
    listed = list(rows.values()) if rows is not None else _read(session)
    ids = [one.named.id for one in listed] if rows is not None else None
    claimed = frozenset(session.scalars(sa.select(Person.id).where(Person.claimed_at.is_not(None))))
    homes = {one.named.id: one.named.home for one in listed if one.named.home is not None}
    found = rules.resolve([one.named for one in listed], _decisions(session, ids), _links(session, ids), claimed)
    proved = {one.named.id: one.named.proved for one in listed if one.named.proved is not None}
    assigned = rules.assign(found.groups, homes, claimed, proved)
    persons = _make_persons(session, found, assigned, {one.named.id: one.named for one in listed})
    changed = _write(session, found, persons, {one.named.id: one for one in listed if one.person is not None})
    _write_merges(session, assigned, None if ids is None else {*homes.values(), *proved.values()})
    tell(session, changed)
    changed |= derive_employment(session, None if ids is None else changed)
    note_resolution(session, changed=bool(changed))
    return Resolved(frozenset(changed), found.kept_apart)


def _read(session: Session, *which: sa.ColumnElement[bool]) -> list[_Row]:
    proofs = sa.select(Proof.identity_id, Proof.person_id).where(*IN_FORCE).order_by(Proof.id)
    if which:
        proofs = proofs.join(Identity, Identity.id == Proof.identity_id).where(*which)
    proved = {row.identity_id: row.person_id for row in session.execute(proofs)}
    rows = session.execute(
        sa.select(
            Identity.id, Identity.name, Identity.address, Identity.login, Identity.source,
            IdentityPerson.person_id, IdentityPerson.home_person_id, IdentityPerson.role,
        )
        .outerjoin(IdentityPerson, IdentityPerson.identity_id == Identity.id)
        .where(*which)
        .order_by(Identity.id)
    )  # fmt: skip
    # What was proved and let go of, or is contested, is nobody's: it carries no work of its own.
    return [
        _Row(rules.Named(number, name, address, login, source, home, whose), person, role)
        for number, name, address, login, source, person, home, role in rows
        for whose in [home if source == rules.ACCOUNT else proved.get(number)]
        if whose is not None or not source.startswith(rules.PROOF)
    ]


def _hanging_together(session: Session, around: Collection[int]) -> dict[int, _Row] | None:
    """All that can be joined to, or kept from, these identities, at whatever remove; None where it is too much."""
    found: dict[int, _Row] = {}
    asked: set[tuple[str, object]] = set()
    wanted = set(around)
    while wanted:
        new: list[_Row] = []
        for chunk in chunks(sorted(wanted)):
            new += _read(session, Identity.id.in_(chunk))
        found |= {one.named.id: one for one in new}
        if len(found) > MOST_AROUND:
            return None
        wanted = _neighbours(session, new, asked) - found.keys()
    return found


def _neighbours(session: Session, rows: Sequence[_Row], asked: set[tuple[str, object]]) -> set[int]:
    """Identities that share a home, an address, a login, a proof, a link or a decision with one of these."""
    numbers = [one.named.id for one in rows]
    near: set[int] = set()
    for left, right in ((IdentityLink.identity_id, IdentityLink.other_id),
                        (IdentityDecision.identity_id, IdentityDecision.other_id)):  # fmt: skip
        for one, other in ((left, right), (right, left)):
            for chunk in chunks(numbers):
                near |= {number for number in session.scalars(sa.select(other).where(one.in_(chunk))) if number}

    personal = {one.named.address for one in rows if rules.identifies_one_person(one.named.address)}
    shared = {(one.named.address, one.named.name) for one in rows if one.named.address not in personal}
    logins = {one.named.login.lower() for one in rows if one.named.login}
    homes = {number for one in rows for number in (one.named.home, one.person, one.named.proved) if number is not None}
    accounts = {number for one in rows if (number := rules.github_number(one.named.address))}
    keys: tuple[tuple[str, Collection[Any], Any], ...] = (
        ("address", personal, Identity.address),
        ("login", logins, sa.func.lower(Identity.login)),
        ("same words", shared, sa.tuple_(Identity.address, Identity.name)),
    )
    for kind, values, column in keys:
        for chunk in chunks(_unasked(kind, values, asked)):
            near |= set(session.scalars(sa.select(Identity.id).where(column.in_(chunk))))
    for chunk in chunks(_unasked("home", homes, asked)):
        same = sa.or_(IdentityPerson.home_person_id.in_(chunk), IdentityPerson.person_id.in_(chunk))
        near |= set(session.scalars(sa.select(IdentityPerson.identity_id).where(same)))
        near |= set(session.scalars(sa.select(Proof.identity_id).where(Proof.person_id.in_(chunk))))
    for account in _unasked("github", accounts, asked):
        numbered = Identity.address.like(f"{account}+%@users.noreply.github.com")
        near |= set(session.scalars(sa.select(Identity.id).where(numbered)))
    return near


def _unasked(kind: str, values: Collection[Any], asked: set[tuple[str, object]]) -> list[Any]:
    """The values of a kind that were not looked for yet; they are from now on."""
    new = sorted(value for value in values if (kind, value) not in asked)
    asked.update((kind, value) for value in new)
    return new


def _decisions(session: Session, identities: Sequence[int] | None) -> list[rules.Decided]:
    query = sa.select(IdentityDecision).order_by(IdentityDecision.id)
    if identities is None:
        rows = list(session.scalars(query))
    else:
        rows = [one for chunk in chunks(identities)
                for one in session.scalars(query.where(IdentityDecision.identity_id.in_(chunk)))]  # fmt: skip
    return [rules.Decided(one.id, one.kind, one.identity_id, one.other_id, one.undoes_id) for one in rows]


def _links(session: Session, identities: Sequence[int] | None) -> list[tuple[int, int]]:
    query = sa.select(IdentityLink.identity_id, IdentityLink.other_id)
    if identities is None:
        return [(row.identity_id, row.other_id) for row in session.execute(query)]
    return [(row.identity_id, row.other_id) for chunk in chunks(identities)
            for row in session.execute(query.where(IdentityLink.identity_id.in_(chunk)))]  # fmt: skip


def _make_persons(
    session: Session, found: rules.Resolution, assigned: rules.Assignment, named: dict[int, rules.Named]
) -> dict[rules.Group, int]:
    now = clock_of(session).now()
    made: list[tuple[rules.Group, Person]] = []
    for group in found.groups:
        if assigned.persons[group] is None:
            name = rules.best_name([named[identity] for identity in group.identities])
            made.append((group, Person(name=name, created_at=now)))
    session.add_all(person for _, person in made)
    session.flush()
    numbers = {group: person for group, person in assigned.persons.items() if person is not None}
    return numbers | {group: person.id for group, person in made}


def _write(
    session: Session, found: rules.Resolution, persons: dict[rules.Group, int], before: dict[int, _Row]
) -> set[int]:
    changed: set[int] = set()
    new, moved = [], {}
    for group, person in persons.items():
        for identity in group.identities:
            row, role = before.get(identity), found.roles[identity]
            if row is None:
                new.append({"identity_id": identity, "person_id": person, "home_person_id": person, "role": role})
                changed.add(person)
            elif (row.person, row.role) != (person, role):
                changed |= {number for number in (row.person, person) if number is not None}
                moved[identity] = (person, role)
    homes_taken = {row.named.home for row in before.values()}
    # A person made for identities that parted from another's: they are at home here from now on.
    settled = {
        identity: person
        for group, person in persons.items()
        if person not in homes_taken
        for identity in group.identities
        if identity in before
    }
    for chunk in chunks(sorted(moved.keys() | settled.keys())):
        for one in session.scalars(sa.select(IdentityPerson).where(IdentityPerson.identity_id.in_(chunk))):
            if one.identity_id in moved:
                one.person_id, one.role = moved[one.identity_id]
            one.home_person_id = settled.get(one.identity_id, one.home_person_id)
    session.flush()
    if new:
        insert_new(session, IdentityPerson, new)
    return changed


def _write_merges(session: Session, assigned: rules.Assignment, persons: set[int] | None) -> None:
    """Point every person on who went into another, and free those who did not; of `persons` alone, where given."""
    merged = dict(assigned.merged)
    query = sa.select(Person.id, Person.merged_into_id).where(Person.merged_into_id.is_not(None))
    parts = [query] if persons is None else [query.where(Person.id.in_(chunk)) for chunk in chunks(sorted(persons))]
    pointing = {number: target for part in parts for number, target in session.execute(part)}
    wrong = {number for number, target in pointing.items() if merged.get(number) != target}
    wrong |= {number for number in merged if number not in pointing}
    for chunk in chunks(sorted(wrong)):
        for person in session.scalars(sa.select(Person).where(Person.id.in_(chunk))):
            person.merged_into_id = merged.get(person.id)
    session.flush()
