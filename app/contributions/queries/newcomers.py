"""Who comes and what becomes of them, by the quarter in which they came; who went quiet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.bodies import queries as bodies
from app.contributions.metrics import COMMITS, Cohort, Kind, cohorts
from app.contributions.metrics.newcomers import Came, Intake, Turnover, intakes, turnover
from app.contributions.models import ChangeReviewer, Stretch
from app.contributions.queries.people import people_flow, quarter_begins, quarter_of
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope
from app.contributions.queries.work import first_days
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
    year, month = (sa.cast(sa.func.substr(sa.cast(own.day, sa.String(10)), at, size), sa.Integer)
                   for at, size in ((1, 4), (6, 2)))  # fmt: skip
    is_review = sa.case((own.kind == Kind.REVIEWED, 1), else_=0)
    read = sa.select(own.person_id, (year * 4 + (month - 1) // 3).label("quarter"), own.commits,
                     is_review.label("is_review")).where(own.person_id.is_not(None)).subquery().c  # fmt: skip
    rows = session.execute(
        sa.select(read.person_id, read.quarter, sa.func.sum(read.commits), sa.func.max(read.is_review))
        .group_by(read.person_id, read.quarter)
    )
    work: dict[int, dict[int, int]] = {}
    named_reviewers: set[int] = set()
    for person, quarter, number, has_reviewed in rows:
        work.setdefault(person, {})[quarter] = int(number)
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
    own = worked(session, scope, window.before, contributed, coarsest=Stretch.YEAR).c
    made = sa.func.sum(sa.case((own.kind.in_(COMMITS), own.commits), else_=0))
    rows = session.execute(
        sa.select(own.person_id, made, sa.func.max(own.last_on))
        .where(own.person_id.is_not(None))
        .group_by(own.person_id).order_by(made.desc(), own.person_id)
    )  # fmt: skip
    found = (Quiet(person, int(commits), last_on) for person, commits, last_on in rows if person in gone)
    return [one for one, _ in zip(found, range(most), strict=False)]


def _reviewers(session: Session, scope: Scope, until: date) -> set[int]:
    """Who ever reviewed a change, within the repository if one is looked at."""
    query = sa.select(ChangeReviewer.person_id).where(ChangeReviewer.first_on <= until).distinct()
    if scope.repository:
        query = query.where(ChangeReviewer.repository_id == scope.repository)
    return set(session.scalars(query))
