"""Keeps the measures of changes and issues current: made from their timelines, never adjusted, for those concerned.

What a change or an issue comes to depends on its timeline, on who its people are, on whom they worked for that day and
on which organizations were members then. When one of these changes, the things concerned are measured again: at once if
they are few, else soon (`measure_due`).
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.bulk import insert_rows
from app.contributions.metrics.durations import step_of
from app.contributions.metrics.timelines import Happened, Measured, measured
from app.contributions.models import (
    Attribution,
    Change,
    ChangeEvent,
    ChangeFile,
    ChangeMeasure,
    ChangeModule,
    ChangeReviewer,
    DerivedState,
    Issue,
    IssueEvent,
    IssueMeasure,
    MeasureDue,
)
from app.contributions.stamps import stamp
from app.db import Turn, take_turn
from app.members import queries as members
from app.members.models import Membership, Organization
from app.modules.queries import paths
from app.modules.rules import modules_of
from app.people.models import Employment, IdentityPerson, Person
from app.people.queries import on_change
from app.people.queries.identities import chunks
from app.people.rules import Role

AT_ONCE = 500
BATCH = 4000
_NAME = "change_measure"
# Count it up when a timeline comes to something else (`metrics.timelines`): everything is measured anew.
_RULES = 2
_PARTS = 500
# Of so many persons, if they are a third of all, what each is concerned in is not looked for.
_MANY = 1000
Writing = Callable[[], AbstractContextManager[Session]]


@dataclass(frozen=True)
class _Ledger:
    """Where the rows of one kind of thing are."""

    key: str
    thing: sa.Table
    event: sa.Table
    measure: sa.Table


_CHANGES = _Ledger("change_id", Change.__table__, ChangeEvent.__table__, ChangeMeasure.__table__)
_ISSUES = _Ledger("issue_id", Issue.__table__, IssueEvent.__table__, IssueMeasure.__table__)


def measure_changes(session: Session, numbers: Collection[int]) -> None:
    """Measure these changes (row numbers) anew."""
    if not numbers:
        return
    take_turn(session, Turn.FIGURES)
    surroundings = _Surroundings(session)
    touched: set[int] = set()
    for part in chunks(sorted(set(numbers)), BATCH):
        touched |= _measure(session, _CHANGES, part, surroundings)
        _name_modules(session, part, surroundings)
    _settle_firsts(session, touched)
    stamp(session, by_people=False)


def measure_issues(session: Session, numbers: Collection[int]) -> None:
    """Measure these issues (row numbers) anew."""
    if not numbers:
        return
    take_turn(session, Turn.FIGURES)
    surroundings = _Surroundings(session)
    for part in chunks(sorted(set(numbers)), BATCH):
        _measure(session, _ISSUES, part, surroundings)
    stamp(session, by_people=False)


def measure_all(session: Session) -> None:
    """Measure everything anew."""
    take_turn(session, Turn.FIGURES)
    for table in (ChangeReviewer, ChangeModule, ChangeMeasure, IssueMeasure, MeasureDue):
        session.execute(sa.delete(table))
    surroundings = _Surroundings(session)
    for part in chunks(list(session.scalars(sa.select(Change.id).order_by(Change.id))), BATCH):
        _measure(session, _CHANGES, part, surroundings)
        _name_modules(session, part, surroundings)
    for part in chunks(list(session.scalars(sa.select(Issue.id).order_by(Issue.id))), BATCH):
        _measure(session, _ISSUES, part, surroundings)
    session.execute(sa.delete(DerivedState).where(DerivedState.name == _NAME))
    session.add(DerivedState(name=_NAME, made_from=_fingerprint(session)))
    stamp(session, by_people=True)


def measures_are_current(session: Session) -> bool:
    """Whether the measures were made by the rules and with the memberships, owners and modules of today."""
    made_from = session.scalar(sa.select(DerivedState.made_from).where(DerivedState.name == _NAME))
    return made_from == _fingerprint(session)


@on_change
def persons_changed(session: Session, persons: Collection[int]) -> None:
    """Measure again what these persons opened or reviewed: their identities, role or employers have changed."""
    stamp(session, by_people=True)
    if len(persons) >= _MANY and 3 * len(persons) > (session.scalar(sa.select(sa.func.count(Person.id))) or 0):
        _everything_is_due(session)
        return
    changes: set[int] = set()
    issues: set[int] = set()
    for part in chunks(sorted(persons), _PARTS):
        changes |= _concerned(session, _CHANGES, part)
        issues |= _concerned(session, _ISSUES, part)
    if len(changes) + len(issues) <= AT_ONCE:
        measure_changes(session, changes)
        measure_issues(session, issues)
        return
    insert_rows(session, MeasureDue.__table__, ("change_id",), ((number,) for number in sorted(changes)))
    insert_rows(session, MeasureDue.__table__, ("issue_id",), ((number,) for number in sorted(issues)))


def _everything_is_due(session: Session) -> None:
    """Note that all must be measured again, what is noted already left as it is: looking for each would take longer."""
    for thing, due in ((Change, MeasureDue.change_id), (Issue, MeasureDue.issue_id)):
        missing = sa.select(thing.id).where(~sa.exists().where(due == thing.id)).order_by(thing.id)
        session.execute(sa.insert(MeasureDue).from_select([due.key], missing))


def settle_measures(writing: Writing) -> int:
    """Measure all that is due, in transactions of bounded size; gives how many there were.

    Everything, in one transaction, where a rule, a membership, an owner or a module's paths changed.
    """
    with writing() as session:
        if not measures_are_current(session):
            measure_all(session)
    count = 0
    while True:
        with writing() as session:
            rows = session.scalars(sa.select(MeasureDue).order_by(MeasureDue.id).limit(BATCH)).all()
            measure_changes(session, {row.change_id for row in rows if row.change_id is not None})
            measure_issues(session, {row.issue_id for row in rows if row.issue_id is not None})
            for part in chunks([row.id for row in rows], _PARTS):
                session.execute(sa.delete(MeasureDue).where(MeasureDue.id.in_(part)))
        if not rows:
            return count
        count += len(rows)


class _Surroundings:
    """What measuring asks of the rest of the portal, read once: who was a member when, and whose paths are whose."""

    def __init__(self, session: Session) -> None:
        self.tier = members.tier_book(session).tier
        self.modules = paths(session)
        self._owners: dict[str, tuple[str, ...]] = {}

    def owners(self, path: str) -> tuple[str, ...]:
        """The modules of a path."""
        if path not in self._owners:
            self._owners[path] = modules_of(path, self.modules)
        return self._owners[path]


def _measure(session: Session, ledger: _Ledger, numbers: Sequence[int], surroundings: _Surroundings) -> set[int]:
    """Write the measures of these things; gives the persons who opened them."""
    things = _things(session, ledger, numbers)
    happened = _happened(session, ledger, numbers)
    found = {
        row.id: measured(happened.get(row.id, ()), author=row.person_id, opened_at=row.opened_at,
                         closed_at=row.closed_at, is_draft=row.is_draft)
        for row in things
    }  # fmt: skip
    authors = {row.person_id for row in things if row.person_id is not None}
    reviewing = {person for one in found.values() for person in one.reviewers}
    employers = _employers(session, authors | reviewing)
    firsts = _first_merges(session, authors)
    for which in _among(ledger.measure.c[ledger.key], numbers):
        session.execute(sa.delete(ledger.measure).where(which))
    if ledger is _CHANGES:
        for which in _among(ChangeReviewer.__table__.c.change_id, numbers):
            session.execute(sa.delete(ChangeReviewer).where(which))
    rows = [_row(ledger, row, found[row.id], employers, firsts, surroundings) for row in things]
    if rows:
        session.execute(sa.insert(ledger.measure), rows)
    reviewers = [
        {"change_id": row.id, "repository_id": row.repository_id, "person_id": person, "first_on": one.first_at.date(),
         "reviews": one.times, **_for_whom(employers, person, one.first_at.date())}
        for row in things for person, one in found[row.id].reviewers.items()
    ]  # fmt: skip
    if reviewers:
        session.execute(sa.insert(ChangeReviewer.__table__), reviewers)
    return authors


def _row(
    ledger: _Ledger, row: Any, found: Measured, employers: _Employers, firsts: dict[int, datetime],
    surroundings: _Surroundings,
) -> dict[str, Any]:  # fmt: skip
    day = row.opened_at.date()
    for_whom = _for_whom(employers, row.person_id, day)
    first_merge = firsts.get(row.person_id)
    values = {
        ledger.key: row.id,
        "repository_id": row.repository_id,
        "person_id": row.person_id,
        "is_bot": row.role is not None and row.role is not Role.PERSON,
        "opened_on": day,
        "opened_at": row.opened_at,
        "starts_at": found.starts_at,
        "closed_on": row.closed_at.date() if row.closed_at else None,
        "is_first": row.person_id is not None and (first_merge is None or first_merge >= row.opened_at),
        "tier_key": surroundings.tier(for_whom["organization_id"], day),
        "is_answered": found.is_answered,
        "waited_s": found.waited_s,
        "waited_step": None if found.waited_s is None else step_of(found.waited_s),
        "lasted_s": found.lasted_s,
        "lasted_step": None if found.lasted_s is None else step_of(found.lasted_s),
        "comments": found.comments,
        **for_whom,
    }
    if ledger is _CHANGES:
        values |= {
            "merged_at": row.merged_at,
            "merged_on": row.merged_at.date() if row.merged_at else None,
            "reviewers": found.reviewers_until(row.merged_at),
            "reviews": found.reviews,
            "pushes": found.pushes,
            "size": row.additions + row.deletions,
        }
    return values


def _things(session: Session, ledger: _Ledger, numbers: Sequence[int]) -> list[Any]:
    thing = ledger.thing.c
    columns: list[Any] = [thing.id, thing.repository_id, thing.opened_at, thing.closed_at, IdentityPerson.person_id,
                          IdentityPerson.role]  # fmt: skip
    if ledger is _CHANGES:
        columns += [thing.merged_at, thing.is_draft, thing.additions, thing.deletions]
    else:
        columns.append(sa.false().label("is_draft"))
    found: list[Any] = []
    for which in _among(thing.id, numbers):
        found += session.execute(
            sa.select(*columns)
            .outerjoin(IdentityPerson, IdentityPerson.identity_id == thing.author_identity_id)
            .where(which)
        ).all()
    return found


def _happened(session: Session, ledger: _Ledger, numbers: Sequence[int]) -> dict[int, list[Happened]]:
    event = ledger.event.c
    person = sa.func.coalesce(IdentityPerson.person_id, Person.merged_into_id, Person.id)
    found: dict[int, list[Happened]] = defaultdict(list)
    for which in _among(event[ledger.key], numbers):
        rows = session.execute(
            sa.select(event[ledger.key], event.kind, event.at, person, IdentityPerson.role)
            .outerjoin(IdentityPerson, IdentityPerson.identity_id == event.identity_id)
            .outerjoin(Person, Person.id == event.person_id)
            .where(which)
        )
        for number, kind, at, who, role in rows:
            found[number].append(Happened(kind, at, who, role is None or role is Role.PERSON))
    return found


_Employers = dict[int, list[tuple[date, date | None, int | None]]]


def _employers(session: Session, persons: Collection[int]) -> _Employers:
    found: _Employers = defaultdict(list)
    columns = (Employment.person_id, Employment.starts_on, Employment.ends_on, Employment.organization_id)
    for part in chunks(sorted(persons), _PARTS):
        for person, starts_on, ends_on, organization in session.execute(
            sa.select(*columns).where(Employment.person_id.in_(part))
        ):
            found[person].append((starts_on, ends_on, organization))
    return found


def _for_whom(employers: _Employers, person: int | None, day: date) -> dict[str, Any]:
    for starts_on, ends_on, organization in employers.get(person, ()) if person is not None else ():
        if starts_on <= day and (ends_on is None or day <= ends_on):
            kind = Attribution.INDEPENDENT if organization is None else Attribution.ORGANIZATION
            return {"attribution": kind, "organization_id": organization}
    return {"attribution": Attribution.UNKNOWN, "organization_id": None}


def _first_merges(session: Session, persons: Collection[int]) -> dict[int, datetime]:
    """When each person's first change was merged."""
    found: dict[int, datetime] = {}
    for part in chunks(sorted(persons), _PARTS):
        rows = session.execute(
            sa.select(IdentityPerson.person_id, sa.func.min(Change.merged_at))
            .join(Change, Change.author_identity_id == IdentityPerson.identity_id)
            .where(IdentityPerson.person_id.in_(part), Change.merged_at.is_not(None))
            .group_by(IdentityPerson.person_id)
        )
        found.update((person, at) for person, at in rows if at is not None)
    return found


def _settle_firsts(session: Session, persons: Collection[int]) -> None:
    """Who was a first-timer when: an earlier merge that becomes known later makes it false."""
    for part in chunks(sorted(persons), _PARTS):
        for ledger in (_CHANGES, _ISSUES):
            mine, other = ledger.measure, ChangeMeasure.__table__.alias("earlier")
            was_merged = (
                sa.exists()
                .where(other.c.person_id == mine.c.person_id, other.c.merged_at < mine.c.opened_at)
                .correlate(mine)
            )
            session.execute(
                sa.update(mine)
                .where(mine.c.person_id.in_(part), mine.c.is_first == was_merged)
                .values(is_first=~was_merged)
            )


def _name_modules(session: Session, numbers: Sequence[int], surroundings: _Surroundings) -> None:
    named: set[tuple[int, str]] = set()
    for which in _among(ChangeModule.__table__.c.change_id, numbers):
        session.execute(sa.delete(ChangeModule).where(which))
    for which in _among(ChangeFile.__table__.c.change_id, numbers):
        rows = session.execute(sa.select(ChangeFile.change_id, ChangeFile.path).where(which))
        named |= {(number, key) for number, path in rows for key in surroundings.owners(path)}
    if named:
        values = [{"change_id": number, "module_key": key} for number, key in sorted(named)]
        session.execute(sa.insert(ChangeModule.__table__), values)


def _concerned(session: Session, ledger: _Ledger, persons: Sequence[int]) -> set[int]:
    """What these persons opened or did something to, by what is known now or was when it was measured."""
    own = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id.in_(persons))
    same = sa.select(Person.id).where(sa.or_(Person.id.in_(persons), Person.merged_into_id.in_(persons)))
    event, key = ledger.event.c, ledger.key
    queries = [
        sa.select(ledger.thing.c.id).where(ledger.thing.c.author_identity_id.in_(own)),
        sa.select(event[key]).where(event.identity_id.in_(own)),
        sa.select(event[key]).where(event.person_id.in_(same)),
        sa.select(ledger.measure.c[key]).where(ledger.measure.c.person_id.in_(persons)),
    ]
    if ledger is _CHANGES:
        queries.append(sa.select(ChangeReviewer.change_id).where(ChangeReviewer.person_id.in_(persons)))
    return {number for query in queries for number in session.scalars(query)}


def _fingerprint(session: Session) -> str:
    columns = (Membership.organization_id, Membership.starts_on, Membership.ends_on, Membership.tier_key)
    rows = session.execute(sa.select(*columns).order_by(Membership.id))
    memberships = [[str(value) for value in row] for row in rows]
    owners = [[row.id, row.parent_id] for row in session.execute(
        sa.select(Organization.id, Organization.parent_id).where(Organization.parent_id.is_not(None))
        .order_by(Organization.id))]  # fmt: skip
    modules = [[module.key, *module.paths] for module in paths(session)]
    return hashlib.sha256(json.dumps([_RULES, memberships, owners, modules]).encode()).hexdigest()


def _among(column: Any, numbers: Sequence[int]) -> Iterator[sa.ColumnElement[bool]]:
    """Conditions that together ask for these row numbers (sorted): one range where none is missing, else parts."""
    if numbers and numbers[-1] - numbers[0] + 1 == len(numbers):
        yield column.between(numbers[0], numbers[-1])
        return
    for part in chunks(numbers, _PARTS):
        yield column.in_(part)
