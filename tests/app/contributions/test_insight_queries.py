"""Modules, paths, newcomers, reviews over time and the quality of data, on tables small enough to count by hand."""

from __future__ import annotations

import doctest
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app import charts, grids
from app.bodies import queries as bodies
from app.contributions import queries
from app.contributions.figures import FIGURES, Look
from app.contributions.figures import newcomers as newcomer_figures
from app.contributions.figures import paths as path_figures
from app.contributions.metrics import Kind, comparison, factor, fragility, newcomers, spread
from app.contributions.metrics.newcomers import Stage
from app.contributions.models import (
    Attribution,
    ChangePath,
    Commit,
    CommitModule,
    CommitTrailer,
    LineCountDue,
    Repository,
    RepositoryCommit,
    Rollup,
)
from app.contributions.queries import EVERYTHING, Authors, Scope, Standing, Thing
from app.contributions.queries import modules as of_modules
from app.contributions.queries import newcomers as of_newcomers
from app.contributions.queries import paths as of_paths
from app.contributions.queries.health import (
    backlog_over,
    closed_by,
    count_waiting,
    coverage_over,
    longest_waiting,
    spread_of,
    spreads_over,
)
from app.contributions.queries.people import quarter_of
from app.contributions.queries.quality import (
    freshness,
    hidden_people,
    known_by_repository,
    redated,
    stated_by,
    tools_over_time,
)
from app.contributions.rules import TrailerKey
from app.contributions.summing import sum_all
from app.contributions.turns import turns
from app.contributions.windows import Window
from app.db import Database
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Identity, Person
from app.people.rules import DecisionKind, StatementSource
from tests.app.contributions.test_facts import ACTOR, company, repository
from tests.app.contributions.test_timeline_queries import AS_OF, HOUR, YEAR, told

HALF = Window(date(2026, 1, 1), date(2026, 6, 30))


@pytest.mark.parametrize("module", [grids, charts, newcomers, fragility, comparison, path_figures, newcomer_figures])
def test_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


def folk(session: Session, count: int) -> list[Person]:
    return [people.create_person(session, f"Person {at}", f"p{at}@home.example") for at in range(count)]


def worked(
    session: Session, place: int, person: Person | None, day: date, commits: int, *, module: str | None = None,
    organization: int | None = None, kind: Kind = Kind.COMMIT,
) -> None:  # fmt: skip
    attribution = Attribution.ORGANIZATION if organization else Attribution.UNKNOWN
    session.add(Rollup(day=day, repository_id=place, module_key=module, kind=kind, attribution=attribution,
                       organization_id=organization, person_id=person.id if person else None, is_counted=True,
                       commits=commits, added=0, deleted=0))  # fmt: skip


def committed(session: Session, place: int, author: Identity, day: date, paths: Sequence[str], module: str) -> None:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    made = Commit(sha=f"{day}-{author.id}-{paths[0]}", author_identity_id=author.id, committer_identity_id=author.id,
                  authored_at=at, committed_at=at, day=day, subject="x", parents="", is_merge=False, is_revert=False,
                  is_signed_off=False, paths=len(paths))  # fmt: skip
    session.add(made)
    session.flush()
    session.add_all([RepositoryCommit(repository_id=place, commit_id=made.id, day=day, is_counted=True),
                     CommitModule(commit_id=made.id, module_key=module, added=0, deleted=0),
                     *(ChangePath(commit_id=made.id, path=path, status="M") for path in paths)])  # fmt: skip
    session.flush()


def test_modules_side_by_side_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        place, (ada, ben, cleo) = repository(session), folk(session, 3)
        acme = company_of(session, "Acme")
        worked(session, place, ada, date(2026, 1, 5), 6, module="ops", organization=acme)
        worked(session, place, ben, date(2026, 3, 5), 3, module="ops", organization=acme)
        worked(session, place, cleo, date(2026, 3, 6), 3, module="ops")
        worked(session, place, cleo, date(2026, 3, 6), 1, module="docs", kind=Kind.REVIEWED)
        worked(session, place, ada, date(2025, 3, 6), 9, module="docs")
        sum_all(session)
        found = of_modules.work_by_module(session, EVERYTHING, YEAR, ("ops", "docs"))
        assert set(found) == {"ops"}
        ops = found["ops"]
        assert (ops.commits, ops.people, ops.organizations, ops.absence_factor, ops.elephant_factor) == (12, 3, 1, 1, 1)
        assert ops.unattributed == 3 / 12
        assert ops.trend == ((date(2026, 1, 1), 6), (date(2026, 3, 1), 6))
        # Up to January: Ada alone made 6 of 6. Up to June, 6 of 12 are still half of it. A year on: Ben or Cleo, of 6.
        ends = (date(2026, 1, 31), date(2026, 6, 30), date(2027, 1, 31), date(2028, 1, 31))
        assert of_modules.absence_over(session, Scope(module="ops"), ends) == [(1, 6), (1, 12), (1, 6), (0, 0)]
        # Weeks: each point says up to when its months are counted, and counts no day after it.
        look = Look(session, Scope(module="ops"), Window(date(2026, 2, 2), date(2026, 3, 8)), AS_OF, {})
        rows = FIGURES["absence-over-time"].of(look).rows
        assert rows[0] == ("2026-02-28", 1, 6)
        assert rows[-1] == ("2026-03-08", 1, 12)
        assert of_modules.last_days_in(session, "docs", [ada.id, cleo.id]) == {
            ada.id: date(2025, 3, 6), cleo.id: date(2026, 3, 6)}  # fmt: skip


_WORK = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=12)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(work=_WORK)
def test_on_how_few_a_module_rests_is_what_the_definition_says_however_it_is_spread(
    governed: Database, work: list[tuple[int, int, int]]
):
    with governed.write() as session:
        session.execute(sa.delete(Rollup))
        known = session.scalar(sa.select(Repository.id)) or repository(session)
        somebody = list(session.scalars(sa.select(Person).order_by(Person.id)).all())[:5] or folk(session, 5)
        listed = list(session.scalars(sa.select(Organization.id).order_by(Organization.id)).all())[:2]
        companies = [None, *(listed or [company_of(session, name) for name in ("Acme", "Bell")])]
        for person, employer, commits in work:
            worked(session, known, somebody[person], YEAR.since, commits, module="ops",
                   organization=companies[employer])  # fmt: skip
        session.flush()
        sum_all(session)
        found = of_modules.work_by_module(session, EVERYTHING, YEAR, ("ops",))["ops"]
        by_person, by_company = Counter[int](), Counter[int]()
        for person, employer, commits in work:
            by_person[person] += commits
            by_company[employer] += commits
        nobody, total = by_company.pop(0, 0), by_person.total()
        assert (found.commits, found.people) == (total, len(by_person))
        assert found.absence_factor == factor(by_person.values())
        assert (found.organizations, found.elephant_factor or 0) == (len(by_company), factor(by_company.values()))
        assert found.unattributed == nobody / total


def test_paths_by_month_and_who_knows_them(governed_each: Database):
    with governed_each.write() as session:
        place = repository(session)
        wordings = [("git", "Ada", "ada@a.example", ""), ("git", "Ben", "ben@b.example", "")]
        rows = people.intern_identities(session, wordings)
        ada, ben = (session.get_one(Identity, rows[one]) for one in wordings)
        people.resolve(session)
        who = {name: one.id for name, one in ((row.name, row) for row in session.query(Person))}
        committed(session, place, ada, date(2026, 1, 5), ["csrc/ops/add.cpp", "csrc/ops/mul.cpp"], "ops")
        committed(session, place, ada, date(2026, 1, 9), ["csrc/ops/add.cpp"], "ops")
        committed(session, place, ben, date(2026, 2, 9), ["csrc/ops/add.cpp", "docs/ops.md"], "ops")
        committed(session, place, ben, date(2026, 2, 9), ["csrc/ops_old/add.cpp", "csrc/Ops/add.cpp"], "core")
        found = of_paths.path_work(session, Scope(module="ops"), YEAR)
        assert {path: {month.month: number for month, number in one.months.items()} for path, one in found.items()} == {
            "csrc/ops/add.cpp": {1: 2, 2: 1}, "csrc/ops/mul.cpp": {1: 1},  # docs/ops.md is another module's
        }  # fmt: skip
        below = of_paths.path_work(session, Scope(repository=place), YEAR, below="csrc/ops")
        assert set(below) == {"csrc/ops/add.cpp", "csrc/ops/mul.cpp"}  # not those of csrc/ops_old and csrc/Ops
        known = of_paths.path_work(session, Scope(module="ops"), YEAR, below="csrc/ops/add.cpp")["csrc/ops/add.cpp"]
        assert (known.people, known.last) == ({who["Ada"]: 2, who["Ben"]: 1},
                                              {who["Ada"]: date(2026, 1, 9), who["Ben"]: date(2026, 2, 9)})  # fmt: skip


def test_what_a_landing_bot_landed_its_first_co_author_knows(governed_each: Database):
    with governed_each.write() as session:
        place = repository(session)
        wordings = [("git", name, f"{name}@x.example", "") for name in ("lander", "robot", "Ada", "Ben")]
        rows = people.intern_identities(session, wordings)
        lander, robot, ada, ben = (session.get_one(Identity, rows[one]) for one in wordings)
        people.resolve(session)
        for kind, who in ((DecisionKind.LANDING_BOT_FOR, lander), (DecisionKind.BOT, robot)):
            people.decide(session, kind, who, actor=ACTOR, reason="It is.", landing_for="all")
        people.resolve(session)
        committed(session, place, lander, date(2026, 1, 5), ["a.cpp"], "ops")
        committed(session, place, lander, date(2026, 1, 6), ["b.cpp"], "ops")
        committed(session, place, robot, date(2026, 1, 7), ["c.cpp"], "ops")
        for commit in session.scalars(sa.select(Commit).where(Commit.day != date(2026, 1, 6))).all():
            for one in (robot, ada, ben):
                by = TrailerKey.CO_AUTHORED
                session.add(CommitTrailer(commit_id=commit.id, key=by, value="x", identity_id=one.id))
                session.flush()
        who = {one.name: one.id for one in session.scalars(sa.select(Person))}
        known = of_paths.path_work(session, Scope(repository=place), YEAR)
        assert {path: one.people for path, one in known.items()} == {"a.cpp": {who["Ada"]: 1}, "b.cpp": {}, "c.cpp": {}}


def test_what_becomes_of_newcomers_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        place, (old, ada, ben, cleo) = repository(session), folk(session, 4)
        worked(session, place, old, date(2020, 5, 1), 3)
        worked(session, place, old, date(2026, 5, 1), 3)
        for month in (7, 10):
            worked(session, place, ada, date(2025, month, 1), 2)
        worked(session, place, ada, date(2026, 1, 1), 1, kind=Kind.REVIEWED)  # the third quarter, and a review
        worked(session, place, ben, date(2025, 8, 1), 1)
        worked(session, place, cleo, date(2026, 4, 2), 2)
        seat = bodies.seat_by_key(session, "module:ops", "maintainer")
        assert seat is not None
        bodies.appoint(session, seat, ada, starts_on=date(2026, 1, 1), actor=ACTOR, reason="Chosen.")
        sum_all(session)
        found = of_newcomers.newcomers(session, EVERYTHING, until=date(2026, 6, 30), quarters=4)
        third, _, _, second = found.intakes
        assert third.reached == {Stage.FIRST: 2, Stage.SECOND: 1, Stage.FIVE: 1, Stage.REGULAR: 1, Stage.REVIEWER: 1,
                                 Stage.MAINTAINER: 1}  # fmt: skip
        assert (second.quarter, second.size) == (quarter_of(date(2026, 4, 1)), 1)
        assert (second.reached[Stage.SECOND], second.reached[Stage.REGULAR]) == (1, None)  # too early to be regular
        assert [(one.size, one.active) for one in found.cohorts] == [(2, (2, 1, 1, 0)), (1, (1,))]
        # Ada and Ben come; Ben goes quiet, then nobody, then Ada; Cleo comes when somebody of 2020 comes back.
        assert [(one.new, one.staying, one.returning, one.quiet) for one in found.turnover] == [
            (2, 0, 0, 0), (0, 1, 0, 1), (0, 1, 0, 0), (1, 0, 1, 1)]  # fmt: skip
        elsewhere = of_newcomers.newcomers(session, Scope(module="docs"), until=date(2026, 6, 30))
        assert sum(one.size for one in elsewhere.intakes) == 0


def test_who_drifts_away_is_named_by_what_they_did_before(governed_each: Database):
    with governed_each.write() as session:
        place, (ada, ben, cleo) = repository(session), folk(session, 3)
        worked(session, place, ada, date(2025, 8, 1), 2)
        worked(session, place, ben, date(2025, 9, 1), 7)
        worked(session, place, ben, date(2025, 11, 1), 1)
        worked(session, place, cleo, date(2025, 9, 1), 9)
        worked(session, place, cleo, date(2026, 2, 1), 1)
        sum_all(session)
        found = of_newcomers.quiet(session, EVERYTHING, HALF)
        assert [(one.person, one.commits, one.last_on) for one in found] == [
            (ben.id, 8, date(2025, 11, 1)), (ada.id, 2, date(2025, 8, 1))]  # fmt: skip
        assert [one.person for one in of_newcomers.quiet(session, EVERYTHING, HALF, most=1)] == [ben.id]


def test_waiting_backlog_and_coverage_period_by_period(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        # Opened: two in January (2 h, 30 h), one each in February, March (waits), April (closed), May, June, December.
        found = spreads_over(session, Thing.CHANGES, EVERYTHING, YEAR, as_of=AS_OF)
        assert [one.n for one in found] == [2, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 1]
        assert (found[0].median, found[1].median, found[2].median) == (2 * HOUR, 4 * HOUR, None)
        ended = spreads_over(session, Thing.CHANGES, EVERYTHING, YEAR, as_of=AS_OF, is_lasting=True)
        assert [one.ended for one in ended] == [2, 1, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0]
        whole = queries.waiting(session, Thing.CHANGES, EVERYTHING, YEAR, as_of=AS_OF)[None]
        assert spread_of(session, Thing.CHANGES, EVERYTHING, YEAR, as_of=AS_OF) == spread(whole)
        flows = backlog_over(session, Thing.CHANGES, EVERYTHING, YEAR)
        assert flows[:3] == [(2, 2, 0), (1, 1, 0), (1, 0, 1)]
        assert [still for _, _, still in flows] == [0, 0, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3]
        days = Window(date(2026, 1, 1), date(2026, 1, 31))  # weeks
        weekly = backlog_over(session, Thing.CHANGES, EVERYTHING, days)
        assert (sum(opened for opened, _, _ in weekly), sum(closed for _, closed, _ in weekly)) == (2, 2)
        assert sum(spread_.n for spread_ in spreads_over(session, Thing.CHANGES, EVERYTHING, days, as_of=AS_OF)) == 2
        merged = coverage_over(session, EVERYTHING, YEAR)
        assert [(one.merged, one.reviewed, one.reviewers) for one in merged[:2]] == [(2, 2, 2), (1, 1, 2)]
        assert sum(one.merged for one in coverage_over(session, EVERYTHING, days)) == 2


def test_what_was_merged_of_what_was_closed_by_standing(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        # Ada: two of two. Ben: one merged, one closed by himself. Cleo: one of one. The rest is open, or a bot's.
        assert closed_by(session, EVERYTHING, YEAR, queries.By.STANDING) == {
            Standing.MEMBER: (2, 2, 2, 3), Standing.OTHER: (2, 1, 1, 1), Standing.INDEPENDENT: (1, 1, 1, 1)
        }  # fmt: skip
        found = closed_by(session, EVERYTHING, YEAR, queries.By.FIRST)
        assert {is_first: one[:2] for is_first, one in found.items()} == {True: (3, 3), False: (2, 1)}


def test_what_waits_longest_stands_first_with_its_author(governed_each: Database):
    with governed_each.write() as session:
        place, _ = told(session)
        found = longest_waiting(session, Thing.CHANGES, EVERYTHING)
        names = {one.id: one.name for one in session.query(Person)}
        assert [(one.number, names[one.author_id or 0]) for one in found] == [(3, "Ada"), (6, "Ben")]
        assert found[0].since == datetime(2026, 3, 5, tzinfo=UTC)
        assert count_waiting(session, Thing.CHANGES, Scope(repository=place)) == 2
        of_members = longest_waiting(session, Thing.CHANGES, EVERYTHING, authors=Authors(standing=Standing.MEMBER))
        assert [one.number for one in of_members] == [3]
        assert longest_waiting(session, Thing.ISSUES, EVERYTHING) == []
        assert set(turns(session, [one.public_id for one in found])) <= {one.public_id for one in found}


def test_what_is_not_known_and_what_waits_for_somebody(governed_each: Database):
    with governed_each.write() as session:
        place, (ada, ben, hidden) = repository(session), folk(session, 3)
        other = repository(session, "other")
        acme = company_of(session, "Acme")
        people.state(session, ada, acme, starts_on=date(2025, 1, 1), ends_on=None, source=StatementSource.STAFF,
                     actor=ACTOR, reason="a test")  # fmt: skip
        people.state(session, ben, None, starts_on=date(2025, 1, 1), ends_on=date(2025, 6, 1),
                     source=StatementSource.SELF, actor=ACTOR, reason="a test")  # fmt: skip
        people.hide(session, hidden, hidden=True, actor=ACTOR, reason="asked to")
        worked(session, place, ada, date(2026, 1, 5), 3, organization=acme)
        worked(session, place, ben, date(2026, 1, 6), 1)
        worked(session, other, ben, date(2026, 2, 6), 5)
        worked(session, other, None, date(2026, 2, 6), 4, kind=Kind.BOT)
        worked(session, other, ada, date(2026, 3, 6), 2, kind=Kind.ASSISTED)
        sum_all(session)
        found = {number: (one.commits, one.unknown) for number, one in known_by_repository(session, YEAR).items()}
        assert found[place] == (4, 1)
        assert tools_over_time(session, EVERYTHING, YEAR) == {
            Kind.BOT: {date(2026, 2, 1): 4}, Kind.ASSISTED: {date(2026, 3, 1): 2}}  # fmt: skip
        assert {source: one.people for source, one in stated_by(session, date(2026, 1, 1)).items()} == {
            StatementSource.STAFF: 1
        }  # Ben's word ended in June
        assert list(stated_by(session, date(2025, 2, 1))) == [StatementSource.SELF, StatementSource.STAFF]
        assert hidden_people(session) == 1


def test_the_source_that_needs_somebody_stands_first(governed: Database):
    with governed.write() as session:
        fine, late, broken = (session.get_one(Repository, repository(session, name)) for name in "abc")
        fine.head_sha = fine.ingested_sha = late.head_sha = "1" * 40
        fine.ingested_at, late.ingested_at = AS_OF, AS_OF - timedelta(days=3)
        broken.problem = "no such host"
        (identity,) = people.intern_identities(session, [("git", "Ada", "ada@a.example", "")]).values()
        committed(session, fine.id, session.get_one(Identity, identity), date(2026, 1, 5), ["a"], "ops")
        commit = session.query(Commit).one()
        commit.is_redated = True
        session.flush()
        assert (redated(session, YEAR), redated(session, Window(date(2025, 1, 1), date(2025, 12, 31)))) == (1, 0)
        session.add(LineCountDue(repository_id=fine.id, commit_id=commit.id))
        session.flush()
        found = freshness(session)
        assert [(one.repository.name, one.is_behind) for one in found] == [("c", False), ("b", True), ("a", False)]
        assert (found[2].commits, found[2].newest_on, found[2].lines_due) == (1, date(2026, 1, 5), 1)


def test_waiting_told_apart_by_month_is_all_of_it(governed: Database):
    with governed.write() as session:
        told(session)
        found = queries.waiting(session, Thing.CHANGES, EVERYTHING, YEAR, as_of=AS_OF, by=queries.By.MONTH)
        assert sum(spread(one).n for one in found.values()) == 8
        assert set(found) == {date(2026, month, 1) for month in (1, 2, 3, 4, 5, 6, 12)}


def company_of(session: Session, name: str) -> int:
    return int(company(session, name, member=True).id)
