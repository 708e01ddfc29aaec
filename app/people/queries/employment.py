"""(person, day) -> organization: derived from statements and from e-mail domains of organizations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.people import rules
from app.people.domains import employer_hosts
from app.people.models import Affiliation, Employment, Identity, IdentityActivity, IdentityPerson, Person
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


def derive_employment(session: Session) -> set[int]:
    """Write the employment of everybody anew where it differs; returns the row numbers of those persons."""
    statements = _statements(session)
    existing: dict[int, list[Employment]] = defaultdict(list)
    for row in session.scalars(sa.select(Employment).order_by(Employment.person_id, Employment.starts_on)):
        existing[row.person_id].append(row)
    changed: set[int] = set()
    for person in sorted(statements.keys() | existing.keys()):
        wanted = rules.employment(statements.get(person, ()))
        if [_interval(row) for row in existing.get(person, ())] != wanted:
            changed.add(person)
            statements.setdefault(person, [])
    for chunk in chunks(sorted(changed)):
        session.execute(sa.delete(Employment).where(Employment.person_id.in_(chunk)))
    for person in sorted(changed):
        session.add_all(
            Employment(
                person_id=person,
                organization_id=interval.organization,
                starts_on=interval.starts_on,
                ends_on=interval.ends_on,
                source=interval.source,
                confidence=interval.confidence,
            )
            for interval in rules.employment(statements[person])
        )
    session.flush()
    tell(session, changed)
    return changed


def counted_employers(
    session: Session, persons: Collection[int], day: date, *, window_days: int
) -> dict[int, Counting]:
    """Person -> for whom they count in rolls and caps on a day (charter 3.3), of those of whom anything is said."""
    if not persons:
        return {}
    canonical = {person: canonical_id(session, person) for person in persons}
    wanted = set(canonical.values())
    words: dict[int, list[Word]] = defaultdict(list)
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
    for person, statement in _domain_evidence(session, wanted):
        words[person].append(_word(statement))
    found = {number: counting(listed, day, window_days=window_days) for number, listed in words.items()}
    return {person: found[number] for person, number in canonical.items() if number in found}


def _word(one: rules.Statement, *, known_until: date | None = None, confirms: bool = False) -> Word:
    return Word(one.organization, one.starts_on, one.ends_on, one.rank, one.stated_at.date(), known_until, confirms)


def _statement(one: Affiliation) -> rules.Statement:
    return rules.Statement(one.organization_id, one.starts_on, one.ends_on, one.source, one.confidence, one.stated_at)


def _statements(session: Session) -> dict[int, list[rules.Statement]]:
    found: dict[int, list[rules.Statement]] = defaultdict(list)
    # What was said of somebody who turned out to be another holds for that other.
    person = sa.func.coalesce(Person.merged_into_id, Person.id).label("person")
    rows = session.execute(
        sa.select(Affiliation, person)
        .join(Person, Person.id == Affiliation.person_id)
        .where(Affiliation.withdrawn_at.is_(None))
        .order_by(Affiliation.id)
    )
    for row in rows:
        found[row.person].append(_statement(row.Affiliation))
    for person_id, statement in _domain_evidence(session):
        found[person_id].append(statement)
    return found


def _domain_evidence(session: Session, persons: Collection[int] | None = None) -> list[tuple[int, rules.Statement]]:
    domains = _domains_of[0](session) if _domains_of else {}
    if not domains:
        return []
    query = (
        sa.select(IdentityPerson.person_id, Identity.address, IdentityActivity.first_on, IdentityActivity.last_on)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .outerjoin(IdentityActivity, IdentityActivity.identity_id == Identity.id)
        .where(IdentityPerson.role == Role.PERSON, Identity.address != "")
        .order_by(Identity.id)
    )
    if persons is not None:
        query = query.where(IdentityPerson.person_id.in_(persons))
    evidence = []
    for row in session.execute(query):
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


def _interval(row: Employment) -> rules.Interval:
    return rules.Interval(row.organization_id, row.starts_on, row.ends_on, row.source, row.confidence)
