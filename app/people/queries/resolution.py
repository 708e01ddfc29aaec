"""Identity -> person, recomputed from identities, links and decisions; persons are made as they are needed."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import clock_of
from app.people import rules
from app.people.models import Identity, IdentityDecision, IdentityLink, IdentityPerson, Person
from app.people.queries.changes import tell
from app.people.queries.employment import derive_employment
from app.people.queries.identities import chunks, insert_new


@dataclass(frozen=True)
class Resolved:
    """Persons whose identities, role or employment changed, by row number: their figures must be counted again."""

    changed: frozenset[int]
    kept_apart: tuple[tuple[int, int], ...]


def resolve(session: Session) -> Resolved:
    """Recompute who each identity is and whom each person worked for; run after interning and after decisions.

    Costs one pass over all identities; writes only what changed.
    """
    rows = session.execute(
        sa.select(Identity.id, Identity.name, Identity.address, Identity.login, Identity.source, IdentityPerson)
        .outerjoin(IdentityPerson, IdentityPerson.identity_id == Identity.id)
        .order_by(Identity.id)
    ).all()
    before: dict[int, IdentityPerson] = {row.id: row.IdentityPerson for row in rows if row.IdentityPerson}
    homes = {identity: row.home_person_id for identity, row in before.items()}
    named = [rules.Named(row.id, row.name, row.address, row.login, row.source, homes.get(row.id)) for row in rows]
    claimed = frozenset(session.scalars(sa.select(Person.id).where(Person.claimed_at.is_not(None))))
    found = rules.resolve(named, _decisions(session), _links(session), claimed)
    assigned = rules.assign(found.groups, homes, claimed)
    persons = _make_persons(session, found, assigned, {one.id: one for one in named})
    changed = _write(session, found, persons, before)
    _write_merges(session, assigned)
    tell(session, changed)
    changed |= derive_employment(session)
    return Resolved(frozenset(changed), found.kept_apart)


def _decisions(session: Session) -> list[rules.Decided]:
    return [
        rules.Decided(one.id, one.kind, one.identity_id, one.other_id, one.undoes_id)
        for one in session.scalars(sa.select(IdentityDecision).order_by(IdentityDecision.id))
    ]


def _links(session: Session) -> list[tuple[int, int]]:
    rows = session.execute(sa.select(IdentityLink.identity_id, IdentityLink.other_id))
    return [(row.identity_id, row.other_id) for row in rows]


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
    session: Session, found: rules.Resolution, persons: dict[rules.Group, int], before: dict[int, IdentityPerson]
) -> set[int]:
    changed: set[int] = set()
    new = []
    for group, person in persons.items():
        for identity in group.identities:
            row, role = before.get(identity), found.roles[identity]
            if row is None:
                new.append({"identity_id": identity, "person_id": person, "home_person_id": person, "role": role})
                changed.add(person)
            elif (row.person_id, row.role) != (person, role):
                changed |= {row.person_id, person}
                row.person_id, row.role = person, role
    homes_taken = {row.home_person_id for row in before.values()}
    for group, person in persons.items():
        if person not in homes_taken:
            # A person made for identities that parted from another's: they are at home here from now on.
            for identity in group.identities:
                if identity in before:
                    before[identity].home_person_id = person
    session.flush()
    if new:
        insert_new(session, IdentityPerson, new)
    return changed


def _write_merges(session: Session, assigned: rules.Assignment) -> None:
    merged = dict(assigned.merged)
    rows = session.scalars(sa.select(Person).where(Person.merged_into_id.is_not(None)))
    for person in rows:
        target = merged.pop(person.id, None)
        if person.merged_into_id != target:
            person.merged_into_id = target
    for chunk in chunks(sorted(merged)):
        for person in session.scalars(sa.select(Person).where(Person.id.in_(chunk))):
            person.merged_into_id = merged[person.id]
    session.flush()
