"""Who comes and what becomes of them, by the quarter in which they came; who went quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.bodies import queries as bodies
from app.contributions.metrics import Cohort, Kind, cohorts
from app.contributions.metrics.newcomers import Came, Intake, Turnover, intakes, turnover
from app.contributions.models import ChangeReviewer, Stretch
from app.contributions.queries.people import people_flow, quarter_begins, quarter_of
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, place_of, rows_of
from app.contributions.queries.work import first_days, work_of_people
from app.contributions.queries.worked import contributed, worked
from app.contributions.windows import Window


@dataclass(frozen=True)
class Quiet:
    """Somebody who contributed in the window before and not since: how much then, and when last."""

    person: int
    commits: int
    last_on: date


@dataclass(frozen=True)
class Newcomers:
    """The quarters up to a day: what became of who came in each, who stayed, and who was there at all."""

    intakes: list[Intake]
    cohorts: list[Cohort]
    turnover: list[Turnover]


@remembered
def newcomers(session: Session, scope: Scope, *, until: date, quarters: int = 12) -> Newcomers:
    """Everything that follows from who contributed in which of the last quarters, read once."""
    last = quarter_of(until)
    first = last - quarters + 1
    own = worked(session, scope, Window(quarter_begins(first - 1), until), contributed, coarsest=Stretch.MONTH).c
    place = place_of(own.day, [quarter_begins(quarter) for quarter in range(first - 1, last + 1)])
    is_review = sa.case((own.kind == Kind.REVIEWED, 1), else_=0)
    rows = rows_of(
        session,
        sa.select(own.person_id, place, sa.func.sum(own.commits), sa.func.max(is_review))
        .where(own.person_id.is_not(None)).group_by(own.person_id, place),
    )  # fmt: skip
    work: dict[int, dict[int, int]] = {}
    named_reviewers: set[int] = set()
    for person, at, number, has_reviewed in rows:
        work.setdefault(person, {})[first - 1 + at] = int(number)
        if has_reviewed:
            named_reviewers.add(person)
    came = {person: quarter_of(day) for person, day in first_days(session, scope, set(work)).items() if person in work}
    new = {person for person, quarter in came.items() if quarter >= first}
    reviewed, kept = named_reviewers | _reviewers(session, scope, until), bodies.ever_maintained(session, scope.module)
    people = [Came(came[person], sum(work[person].values()), len(work[person]), person in reviewed, person in kept)
              for person in new]  # fmt: skip
    seen = [(person, quarter) for person, theirs in work.items() for quarter in theirs]
    return Newcomers(
        intakes(people, first=first, last=last),
        cohorts(((person, quarter) for person, quarter in seen if person in new), last=last),
        turnover(seen, came, first=first, last=last),
    )


@remembered
def quiet(session: Session, scope: Scope, window: Window, *, most: int = 15) -> list[Quiet]:
    """Of those who drift away (`people_flow`), whose absence weighs most: the most commits in the window before."""
    gone = people_flow(session, scope, window).drifting
    work = work_of_people(session, scope, window.before)
    # Both are remembered, maybe from two moments: whoever is somebody else by the later one is left out.
    found = (Quiet(person, work[person].commits or 0, work[person].last_on) for person in gone if person in work)
    return sorted(found, key=lambda one: (-one.commits, one.person))[:most]


def _reviewers(session: Session, scope: Scope, until: date) -> set[int]:
    """Who ever reviewed a change, within the repository if one is looked at."""
    table = ChangeReviewer
    if scope.repository:
        mine = (table.first_on <= until, table.repository_id == scope.repository)
        return set(session.scalars(sa.select(table.person_id).where(*mine).distinct()))
    # From one person to the next in the index of persons and days: some thousand looks, and not every review.
    least = sa.select(sa.func.min(table.person_id).label("person_id")).cte("reviewer", recursive=True)
    following = sa.select(sa.func.min(table.person_id)).where(table.person_id > least.c.person_id).scalar_subquery()
    each = least.union_all(sa.select(following).where(least.c.person_id.is_not(None)))
    has_begun = sa.exists().where(table.person_id == each.c.person_id, table.first_on <= until)
    return set(session.scalars(sa.select(each.c.person_id).where(has_begun)))
