"""Counted work summed up by the database, for scopes of a million rows: by organization over time, by person, and all.

Every person's work of every period would be more than a page can carry at the size of the largest projects: cells here
have no person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.metrics import Cell, Presence, Summary, factor, presence, summarize
from app.contributions.models import Attribution, Stretch
from app.contributions.queries.people import came, people_flow
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, Together, bit_of, buckets, place_of, rows_of
from app.contributions.queries.work import by_month, sums_of, work_of_people
from app.contributions.queries.worked import committed, contributed, credited, has_months, summed, worked
from app.contributions.windows import Window


@remembered
def cells_by_organization(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The commits of each organization (and of nobody's, and of nobody knows whose) by period; no persons.

    Beside them all else by period and kind, with no organization: nobody asks for whom. Two cells may be alike but for
    their sums.
    """
    coarsest = by_month(window)
    # Of half a year they are days: who was a member is asked of each.
    placed, told = (_itself, _itself) if window.is_weekly else _by_period(scope, window, buckets(window))
    commits = summed(
        session, scope, window, committed, coarsest=coarsest, sums=sums_of,
        by=lambda found: (placed(found.day), found.kind, found.organization_id, found.attribution),
    )  # fmt: skip
    others = summed(session, scope, window, credited, coarsest=coarsest, sums=sums_of,
                    by=lambda found: (placed(found.day), found.kind))  # fmt: skip
    return [
        *(Cell(told(at), kind, None, organization, attribution is not Attribution.UNKNOWN, *map(int, sums))
          for at, kind, organization, attribution, *sums in commits),
        *(Cell(told(at), kind, None, None, False, *map(int, sums)) for at, kind, *sums in others),
    ]  # fmt: skip


def _itself(day: Any) -> Any:
    return day


def _by_period(scope: Scope, window: Window, firsts: list[date]) -> tuple[Callable[[Any], Any], Callable[[Any], date]]:
    """What tells the periods of `worked` apart by its day, and the day that one of these values stands for.

    Periods that are months stand there as they are; of others a database counts the place among their first days.
    """
    if window.is_monthly and has_months(scope, window):
        return _itself, _itself
    return partial(place_of, firsts=firsts), firsts.__getitem__


@remembered
def commits_by_person(session: Session, scope: Scope, window: Window) -> Mapping[int | None, int]:
    """How many commits (merges with them) each person made in the window."""
    return {person: done.commits for person, done in work_of_people(session, scope, window).items()
            if done.commits is not None}  # fmt: skip


@remembered
def people_by_organization(
    session: Session, scope: Scope, window: Window
) -> dict[tuple[int | None, Attribution], int]:
    """How many people made commits for each organization in the window; who changed employers is one of each."""
    found = worked(session, scope, window, committed, coarsest=Stretch.YEAR).c
    rows = session.execute(
        sa.select(found.organization_id, found.attribution, sa.func.count(found.person_id.distinct()))
        .group_by(found.organization_id, found.attribution)
    )  # fmt: skip
    return {(organization, attribution): number for organization, attribution, number in rows}


@remembered
def people_of_organizations(
    session: Session, scope: Scope, window: Window
) -> Mapping[tuple[int | None, Attribution], frozenset[int]]:
    """Who made commits for each organization in the window: to count those of several as one."""
    found = worked(session, scope, window, committed, coarsest=Stretch.YEAR).c
    rows = rows_of(session, sa.select(found.organization_id, found.attribution, found.person_id)
                   .where(found.person_id.is_not(None)).distinct())  # fmt: skip
    people: dict[tuple[int | None, Attribution], set[int]] = {}
    for organization, attribution, person in rows:
        people.setdefault((organization, attribution), set()).add(person)
    return {key: frozenset(persons) for key, persons in people.items()}


@remembered
def people_over_time(session: Session, scope: Scope, window: Window) -> list[Presence]:
    """The contributors of each of the window's periods: all, the new ones, and those who are back."""
    periods, firsts = window.periods(), [window.prelude, *buckets(window)]
    there: dict[int, int] = {}
    # The period before the first, too: who was there stays, who was not is back.
    for part in (Window(window.prelude, periods[0].first - timedelta(days=1)), window):
        for person, bits in summed(session, scope, part, contributed, coarsest=by_month(window),
                                   by=lambda found: (found.person_id,),
                                   sums=lambda found: (Together(bit_of(found.day, firsts)),)):  # fmt: skip
            if person is not None:
                there[person] = there.get(person, 0) | bits
    return presence(there, came(session, scope, window), periods, since=window.since)


@remembered
def headline(session: Session, scope: Scope, window: Window) -> Summary:
    """Every figure of a window: what `metrics.summarize` says of every person's cells, by sums."""
    people = people_flow(session, scope, window)
    return replace(
        summarize(_sums(session, scope, window), first_days={}, since=window.since, before=()),
        contributors=len(people.active),
        new_contributors=len(people.new),
        retention=people.retention,
        absence_factor=factor(commits_by_person(session, scope, window).values()),
    )


@dataclass(frozen=True)
class Earlier:
    """What pages show of the window before, beside the present one."""

    commits: int
    contributors: int
    new_contributors: int
    absence_factor: int


@remembered
def earlier(session: Session, scope: Scope, window: Window) -> Earlier:
    """What is shown of the window just before this one: who was there in it is asked to tell who stayed, too."""
    work = work_of_people(session, scope, window.before)
    commits = commits_by_person(session, scope, window.before)
    firsts = came(session, scope, window)
    return Earlier(
        sum(commits.values()), sum(person is not None for person in work),
        sum(person in work for person, day in firsts.items() if day < window.since), factor(commits.values()),
    )  # fmt: skip


@remembered
def commits_by_organization(session: Session, scope: Scope, window: Window) -> Mapping[int, int]:
    """How many commits (merges with them) were made for each organization in the window, of whose it is known."""
    found = worked(session, scope, window, committed, coarsest=Stretch.YEAR).c
    number = found.organization_id
    rows = rows_of(session, sa.select(number, sa.func.sum(found.commits)).where(number.is_not(None)).group_by(number))
    return {organization: int(commits) for organization, commits in rows}


def _sums(session: Session, scope: Scope, window: Window) -> list[Cell]:
    """The work by kind and organization; where the same is known period by period, nothing is read."""
    known = cells_by_organization.if_known(session, scope, window)
    if known is not None:
        return known
    found = worked(session, scope, window, coarsest=Stretch.YEAR).c
    keys = (found.kind, found.organization_id, found.attribution)
    rows = rows_of(session, sa.select(*keys, *sums_of(found)).group_by(*keys))
    return [
        Cell(window.since, kind, None, organization, attribution is not Attribution.UNKNOWN, *map(int, sums))
        for kind, organization, attribution, *sums in rows
    ]
