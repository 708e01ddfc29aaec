"""Hits as they are shown: read from the rows themselves, so that a stale index never tells an old name."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Change, ChangeSource, Issue, Repository
from app.contributions.private import is_shown
from app.db import clock_of, holds_on
from app.members.models import Membership, Organization
from app.members.queries import term_of
from app.modules.models import Module
from app.people.models import Employment, Person
from app.people.queries import organization_names
from app.releases.models import Release
from app.search.models import Kind


@dataclass(frozen=True)
class Hit:
    """Something found: its public id or key, its name, and a line about it; `url` where it has its page elsewhere."""

    kind: Kind
    key: str
    name: str
    about: str
    url: str = ""


_Shower = Callable[[Session, Collection[int]], dict[int, Hit]]


def shown(session: Session, kind: Kind, numbers: Sequence[int]) -> list[Hit]:
    """Hits in this order; what is gone or hidden meanwhile is left out."""
    found = _SHOWERS[kind](session, numbers)
    return [found[number] for number in numbers if number in found]


def _people(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    day = clock_of(session).now().date()
    names = organization_names(session)
    rows = session.execute(
        sa.select(Person.id, Person.public_id, Person.name, Employment.id.label("employment"),
                  Employment.organization_id)
        .outerjoin(Employment, sa.and_(Employment.person_id == Person.id, holds_on(Employment, day)))
        .where(Person.id.in_(numbers), Person.hidden_at.is_(None), Person.merged_into_id.is_(None))
    )  # fmt: skip
    found = {}
    for row in rows:
        known = names.get(row.organization_id or 0)
        about = known.name if known else "independent" if row.employment else ""
        found[row.id] = Hit(Kind.PERSON, row.public_id, row.name, about)
    return found


def _organizations(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    day = clock_of(session).now().date()
    held = sa.select(Membership).where(Membership.organization_id.in_(numbers), holds_on(Membership, day))
    terms = {one.organization_id: term_of(session, one.tier_key, day) for one in session.scalars(held)}
    tiers = {number: term.name for number, term in terms.items() if term is not None}
    rows = session.scalars(sa.select(Organization).where(Organization.id.in_(numbers)))
    return {one.id: Hit(Kind.ORGANIZATION, one.public_id, one.name,
                        f"{tiers[one.id]} member" if one.id in tiers else one.kind.value) for one in rows}  # fmt: skip


def _modules(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    rows = session.scalars(sa.select(Module).where(Module.id.in_(numbers)))
    return {one.id: Hit(Kind.MODULE, one.key, one.name, one.summary) for one in rows}


def _repositories(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    rows = session.scalars(sa.select(Repository).where(Repository.id.in_(numbers)))
    return {one.id: Hit(Kind.REPOSITORY, one.public_id, one.name, one.default_branch or "") for one in rows}


def _releases(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    rows = session.scalars(sa.select(Release).where(Release.id.in_(numbers)))
    return {one.id: Hit(Kind.RELEASE, one.public_id, f"{one.project} {one.version}", one.state) for one in rows}


def _changes(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    rows = session.execute(
        sa.select(Change, Repository.name)
        .join(Repository, Repository.id == Change.repository_id)
        .where(Change.id.in_(numbers), is_shown(Change.repository_id))
    )
    return {
        one.id: Hit(Kind.CHANGE, one.public_id, one.title, f"{name}{_number(one)}, {one.state.value}")
        for one, name in rows
    }


def _issues(session: Session, numbers: Collection[int]) -> dict[int, Hit]:
    rows = session.execute(
        sa.select(Issue, Repository.name)
        .join(Repository, Repository.id == Issue.repository_id)
        .where(Issue.id.in_(numbers), is_shown(Issue.repository_id))
    )
    found = {}
    for one, name in rows:
        number = f" #{one.number}" if one.number is not None else ""
        url = one.url if one.url.startswith(("https://", "http://")) else ""
        found[one.id] = Hit(Kind.ISSUE, one.public_id, one.title, f"{name}{number}, {one.state.value}", url)
    return found


def _number(change: Change) -> str:
    return f" #{change.number}" if change.source_kind is ChangeSource.PULL_REQUEST else f", branch {change.source_ref}"


_SHOWERS: dict[Kind, _Shower] = {
    Kind.PERSON: _people,
    Kind.ORGANIZATION: _organizations,
    Kind.MODULE: _modules,
    Kind.REPOSITORY: _repositories,
    Kind.RELEASE: _releases,
    Kind.CHANGE: _changes,
    Kind.ISSUE: _issues,
}
