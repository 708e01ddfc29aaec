"""(person, day) -> organization: derived from statements and from e-mail domains of organizations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Base
from app.people import rules
from app.people.domains import employer_hosts, spellings
from app.people.models import (
    Affiliation,
    Employment,
    Identity,
    IdentityActivity,
    IdentityPerson,
    Person,
    SideEmployment,
)
from app.people.queries.basis import note_resolution
from app.people.queries.changes import tell
from app.people.queries.identities import chunks
from app.people.queries.persons import canonical_id
from app.people.rules import Role, StatementSource
from app.rulebook import Counting, Word, counting

# An address at an employer's domain is fair evidence, but old addresses live on in configurations.
EMAIL_CONFIDENCE = 60
_BEFORE_ALL = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Domain:
    """An e-mail domain that was an organization's from a day until a day, both included."""

    organization: int
    starts_on: date
    ends_on: date | None


DomainsOf = Callable[[Session], Mapping[str, Sequence[Domain]]]
_domains_of: list[DomainsOf] = []


def provide_domains(function: DomainsOf) -> DomainsOf:
    """Register (as a decorator) where organizations' domains come from: session -> domain -> whose and when."""
    _domains_of[:] = [function]
    return function


def derive_employment(session: Session, persons: Collection[int] | None = None) -> set[int]:
    """Write employment anew where it differs, of all or of some persons; gives the row numbers of those changed."""
    statements = _statements(session, persons)
    existing = _existing(session, persons)
    changed: set[int] = set()
    wanted: dict[int, list[rules.Interval]] = {}
    beside: dict[int, list[rules.Interval]] = {}
    for person in sorted(statements.keys() | existing.keys()):
        said = statements.get(person, [])
        found = rules.employment(said)
        if existing.get(person, []) != found:
            changed.add(person)
            wanted[person] = found
        if any(one.is_part for one in said):
            beside[person] = rules.side_employment(said)
    for chunk in chunks(sorted(changed)):
        session.execute(sa.delete(Employment).where(Employment.person_id.in_(chunk)))
    _insert(session, Employment, wanted)
    _write_sides(session, beside, persons)
    tell(session, changed)
    return changed


def domain_changed(session: Session, domain: str) -> set[int]:
    """Derive the employment of whoever has an address at a domain, or below it, anew."""
    written = sa.or_(*(Identity.address.endswith(f"{before}{spelt}", autoescape=True)
                       for spelt in spellings(domain) for before in "@."))  # fmt: skip
    query = sa.select(IdentityPerson.person_id).join(Identity, Identity.id == IdentityPerson.identity_id)
    session.flush()
    changed = derive_employment(session, set(session.scalars(query.where(written).distinct())))
    note_resolution(session, changed=bool(changed))
    return changed


def _existing(session: Session, persons: Collection[int] | None) -> dict[int, list[rules.Interval]]:
    query = sa.select(
        Employment.person_id, Employment.organization_id, Employment.starts_on, Employment.ends_on, Employment.source,
        Employment.confidence,
    ).order_by(Employment.person_id, Employment.starts_on)  # fmt: skip
    found: dict[int, list[rules.Interval]] = defaultdict(list)
    for part in _among(query, Employment.person_id, persons):
        for person, *interval in session.execute(part):
            found[person].append(rules.Interval(*interval))
    return found


def _among(query: Any, column: Any, persons: Collection[int] | None) -> list[Any]:
    """The query once for everybody, or for some in pieces that fit one statement."""
    return [query] if persons is None else [query.where(column.in_(chunk)) for chunk in chunks(sorted(persons))]


def _insert(session: Session, model: type[Base], wanted: Mapping[int, Sequence[rules.Interval]]) -> None:
    rows = [
        {
            "person_id": person, "organization_id": one.organization, "starts_on": one.starts_on,
            "ends_on": one.ends_on, "source": one.source, "confidence": one.confidence,
        }
        for person, intervals in sorted(wanted.items())
        for one in intervals
    ]  # fmt: skip
    if rows:
        session.flush()
        session.execute(sa.insert(model), rows)


def _write_sides(
    session: Session, wanted: Mapping[int, Sequence[rules.Interval]], persons: Collection[int] | None
) -> None:
    """They are few, so those looked at are written anew as a whole."""
    for part in _among(sa.delete(SideEmployment), SideEmployment.person_id, persons):
        session.execute(part)
    _insert(session, SideEmployment, wanted)


def counted_employers(
    session: Session, persons: Collection[int], day: date, *, window_days: int
) -> dict[int, Counting]:
    """Person -> for whom they count in rolls and caps on a day (charter 3.3), of those of whom anything is said."""
    if not persons:
        return {}
    canonical = {person: canonical_id(session, person) for person in persons}
    wanted = set(canonical.values())
    words: dict[int, list[Word]] = defaultdict(list)
    parts: dict[int, dict[int, list[Word]]] = defaultdict(lambda: defaultdict(list))
    same = sa.func.coalesce(Person.merged_into_id, Person.id).label("person")
    rows = session.execute(
        sa.select(Affiliation, same)
        .join(Person, Person.id == Affiliation.person_id)
        .where(same.in_(wanted))
        .order_by(Affiliation.id)
    )
    for row in rows:
        one = row.Affiliation
        until = one.withdrawn_at.date() if one.withdrawn_at else None
        is_staffs = one.source is StatementSource.STAFF
        words[row.person].append(_word(_statement(one), known_until=until, confirms=is_staffs))
        if one.is_part and one.organization_id is not None:
            parts[row.person][one.organization_id].append(words[row.person][-1])
    for person, statement in _domain_evidence(session, wanted):
        words[person].append(_word(statement))
    found = {
        number: _and_beside(
            counting(listed, day, window_days=window_days),
            [counting(said, day, window_days=window_days) for _, said in sorted(parts[number].items())],
        )
        for number, listed in words.items()
    }
    return {person: found[number] for person, number in canonical.items() if number in found}


def _and_beside(main: Counting, parts: Sequence[Counting]) -> Counting:
    """Whoever works for several at one time counts for each of them where a cap counts employers."""
    more = [one for part in parts for one in part.counted if one.employer not in main.employers]
    return replace(main, counted=(*main.counted, *more))


def _word(one: rules.Statement, *, known_until: date | None = None, confirms: bool = False) -> Word:
    return Word(one.organization, one.starts_on, one.ends_on, one.rank, one.stated_at.date(), known_until, confirms)


def _statement(one: Affiliation) -> rules.Statement:
    return rules.Statement(one.organization_id, one.starts_on, one.ends_on, one.source, one.confidence, one.stated_at,
                           one.is_part)  # fmt: skip


def _statements(session: Session, persons: Collection[int] | None) -> dict[int, list[rules.Statement]]:
    found: dict[int, list[rules.Statement]] = defaultdict(list)
    # What was said of somebody who turned out to be another holds for that other.
    person = sa.func.coalesce(Person.merged_into_id, Person.id)
    query = (
        sa.select(person, Affiliation.organization_id, Affiliation.starts_on, Affiliation.ends_on, Affiliation.source,
                  Affiliation.confidence, Affiliation.stated_at, Affiliation.is_part)
        .join(Person, Person.id == Affiliation.person_id)
        .where(Affiliation.withdrawn_at.is_(None))
        .order_by(Affiliation.id)
    )  # fmt: skip
    if persons is None:
        parts = [query]
    else:
        parts = [query.where(sa.or_(Person.merged_into_id.in_(chunk),
                                    sa.and_(Person.merged_into_id.is_(None), Person.id.in_(chunk))))
                 for chunk in chunks(sorted(persons))]  # fmt: skip
    for part in parts:
        for row in session.execute(part):
            found[row[0]].append(rules.Statement(*row[1:]))
    for person_id, statement in _domain_evidence(session, persons):
        found[person_id].append(statement)
    return found


def _domain_evidence(session: Session, persons: Collection[int] | None = None) -> list[tuple[int, rules.Statement]]:
    domains = _domains_of[0](session) if _domains_of else {}
    if not domains:
        return []
    whole = (
        sa.select(IdentityPerson.person_id, Identity.address, IdentityActivity.first_on, IdentityActivity.last_on)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .outerjoin(IdentityActivity, IdentityActivity.identity_id == Identity.id)
        .where(IdentityPerson.role == Role.PERSON, Identity.address != "")
        .order_by(Identity.id)
    )
    evidence = []
    parts = _among(whole, IdentityPerson.person_id, persons)
    for row in (row for part in parts for row in session.execute(part)):
        host = next((host for host in employer_hosts(row.address) if host in domains), None)
        for domain in domains[host] if host else ():
            starts_on = max(domain.starts_on, row.first_on or rules.EVER)
            ends = [day for day in (domain.ends_on, row.last_on) if day is not None]
            if not ends or starts_on <= min(ends):
                statement = rules.Statement(
                    domain.organization,
                    starts_on,
                    min(ends) if ends else None,
                    StatementSource.EMAIL_DOMAIN,
                    EMAIL_CONFIDENCE,
                    _BEFORE_ALL,
                )
                evidence.append((row.person_id, statement))
    return evidence
