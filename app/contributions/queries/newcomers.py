"""Who comes and what becomes of them, by the quarter in which they came; who went quiet."""

from __future__ import annotations

from collections import Counter
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
from app.contributions.queries.scopes import Scope, Together, bit_of, each_of
from app.contributions.queries.work import first_days, work_of_people
from app.contributions.queries.worked import contributed, summed
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
    begins = [quarter_begins(quarter) for quarter in range(first - 1, last + 1)]
    quarters_of, made, named_reviewers = Counter[int](), Counter[int](), set[int]()
    for person, bits, commits, has_reviewed in summed(
        session, scope, Window(begins[0], until), contributed, coarsest=Stretch.MONTH,
        by=lambda own: (own.person_id,),
        sums=lambda own: (Together(bit_of(own.day, begins)), sa.func.sum(own.commits),
                          sa.func.max(sa.case((own.kind == Kind.REVIEWED, 1), else_=0))),
    ):  # fmt: skip
        if person is not None:
            quarters_of[person] |= bits
            made[person] += int(commits)
            if has_reviewed:
                named_reviewers.add(person)
    firsts = first_days(session, scope, begins[1])
    came = {person: quarter_of(day) for person, day in firsts.items() if person in made}
    reviewed, kept = named_reviewers | _reviewers(session, scope, until), bodies.ever_maintained(session, scope.module)
    people = [Came(quarter, made[person], quarters_of[person].bit_count(), person in reviewed, person in kept)
              for person, quarter in came.items()]  # fmt: skip
    seen = [(person, first - 1 + at) for person, bits in quarters_of.items() for at in range(len(begins))
            if bits & 1 << at]  # fmt: skip
    return Newcomers(
        intakes(people, first=first, last=last),
        cohorts(((person, quarter) for person, quarter in seen if person in came), last=last),
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
    each = each_of(table.person_id)
    has_begun = sa.exists().where(table.person_id == each.value, table.first_on <= until)
    return set(session.scalars(sa.select(each.value).where(has_begun)))
