"""The figures of changes, issues and releases on tables small enough to count by hand, on both databases."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions import queries
from app.contributions.facts import (
    Event,
    IssueTold,
    PullRequest,
    ReleaseTold,
    record_change_events,
    record_issue_events,
    record_issues,
    record_pull_requests,
    record_releases,
)
from app.contributions.measuring import measure_changes
from app.contributions.metrics import EventKind as K
from app.contributions.metrics import spread
from app.contributions.models import Change, ChangeFile, ChangeState, IssueState
from app.contributions.queries import Authors, By, Scope, Standing, Thing
from app.contributions.windows import Window
from app.db import Database
from app.members.models import Organization
from app.people import queries as people
from tests.app.contributions.test_facts import ADA, BEN, BOT, CLEO, MERGED, company, employ, repository

HOUR = 3600
YEAR = Window(date(2026, 1, 1), date(2026, 12, 31))
AS_OF = datetime(2026, 12, 31, 0, tzinfo=UTC)
DEE = ("github", "Dee", "", "dee")


def day(month: int, number: int, hour: int = 0) -> datetime:
    return datetime(2026, month, number, hour, tzinfo=UTC)


# number, author, opened, first answer after hours (None: none) by whom, closed after hours (None: open), merged
TABLE = [
    (1, ADA, day(1, 5), 2, CLEO, 10, True),  # Ada: Acme, a member
    (2, ADA, day(2, 5), 4, CLEO, 20, True),
    (3, ADA, day(3, 5), None, None, None, False),  # open, waits
    (4, BEN, day(1, 6), 30, ADA, 50, True),  # Ben: Bell, no member; his first
    (5, BEN, day(4, 6), None, None, 24, False),  # closed by himself without a word
    (6, BEN, day(12, 30), None, None, None, False),  # open for 24 hours
    (7, CLEO, day(5, 1), 6, ADA, 8, True),  # Cleo: independent
    (8, DEE, day(6, 1), 8, CLEO, None, False),  # nobody knows
    (9, BOT, day(6, 2), 1, CLEO, 2, True),
]


def told(session: Session) -> tuple[int, dict[int, int]]:
    """The table as rows; gives the repository and number -> row number."""
    place = repository(session)
    requests = []
    for number, author, opened, _, _, closed, merged in TABLE:
        end = opened + timedelta(hours=closed) if closed is not None else None
        state = ChangeState.MERGED if merged else ChangeState.CLOSED if end else ChangeState.OPEN
        requests.append(PullRequest(number, f"Change {number}", author, state, opened, end or opened,
                                    merged_at=end if merged else None, closed_at=end))  # fmt: skip
    ids = record_pull_requests(session, place, requests, measure=False)
    events: dict[int, list[Event]] = {}
    for number, author, opened, answer, by, closed, merged in TABLE:
        events[ids[number]] = []
        if answer is not None:
            kind = K.APPROVED if number != 8 else K.COMMENTED
            events[ids[number]].append(Event(kind, opened + timedelta(hours=answer), f"a{number}", by))
        if closed is not None and merged and number == 2:  # a second reviewer, who merges
            events[ids[number]].append(Event(K.REVIEWED, opened + timedelta(hours=5), "r2", BEN))
        if closed is not None:
            who = BOT if merged else author
            kind = K.MERGED if merged else K.CLOSED
            events[ids[number]].append(Event(kind, opened + timedelta(hours=closed), f"c{number}", who))
    record_change_events(session, "github", events)
    people.resolve(session)
    employ(session, ADA, company(session, "Acme", member=True))
    employ(session, BEN, company(session, "Bell", member=False))
    employ(session, CLEO, None)
    session.execute(sa.insert(ChangeFile), [{"change_id": ids[1], "path": "csrc/ops/relu.cpp"}])
    return place, ids


def figures(found: dict[Any, Any]) -> dict[Any, tuple[Any, ...]]:
    return {key: (one.n, one.ended, one.median) for key, one in ((key, spread(value)) for key, value in found.items())}


def test_first_responses_by_standing_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        # Ada answered 2 h, 4 h, and one waits. Ben 30 h; at least 24 h twice. Cleo 6 h. Dee 8 h.
        found = queries.waiting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF, by=By.STANDING)
        assert figures(found) == {
            Standing.MEMBER: (3, 2, 4 * HOUR), Standing.OTHER: (3, 1, 30 * HOUR),
            Standing.INDEPENDENT: (1, 1, 6 * HOUR), Standing.UNKNOWN: (1, 1, 8 * HOUR),
        }  # fmt: skip
        assert found[Standing.OTHER] == {30 * HOUR: (1, 0), 24 * HOUR: (0, 2)}
        whole = queries.waiting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF)
        assert figures(whole) == {None: (8, 5, 8 * HOUR)}  # 2 4 6 8 | 24+ 24+ 30 (7200+): lasting 4/8 after 8 h
        lasting = queries.lasting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF)[None]
        assert sorted(at for at, (ended, _) in lasting.items() if ended) == [8 * HOUR, 10 * HOUR, 20 * HOUR, 24 * HOUR,
                                                                            50 * HOUR]  # fmt: skip
        assert sum(open_ for _, open_ in lasting.values()) == 3


def test_counts_closure_coverage_and_backlog_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        place, _ = told(session)
        found = queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR)
        assert (found.opened, found.closed, found.merged, found.by_bots, found.backlog) == (8, 5, 4, 1, 3)
        assert (found.reviewed, found.reviewers, found.reviewers_in_all) == (4, (0, 3, 1), 5)
        assert (found.closure_ratio, found.coverage, found.reviewers_each) == (5 / 8, 1, 5 / 4)
        january = Window(date(2026, 1, 1), date(2026, 1, 31))
        early = queries.counts(session, Thing.CHANGES, Scope(repository=place), january)
        assert (early.opened, early.closed, early.backlog) == (2, 2, 0)
        of_members = queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR,
                                    authors=Authors(standing=Standing.MEMBER))  # fmt: skip
        assert (of_members.opened, of_members.merged, of_members.backlog) == (3, 2, 1)
        days = queries.over_time(session, Thing.CHANGES, queries.EVERYTHING, january)
        assert days == {"opened": {date(2026, 1, 5): 1, date(2026, 1, 6): 1},
                        "closed": {date(2026, 1, 5): 1, date(2026, 1, 8): 1},
                        "merged": {date(2026, 1, 5): 1, date(2026, 1, 8): 1}}  # fmt: skip


def test_a_review_after_the_merge_covers_nothing_and_is_work_all_the_same(governed: Database):
    with governed.write() as session:
        number = record_pull_requests(session, repository(session), [MERGED], measure=False)[7]
        late = Event(K.APPROVED, MERGED.closed_at + timedelta(hours=1), "late", BEN)
        record_change_events(session, "github", {number: [late]})
        people.resolve(session)
        found = queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR)
        assert (found.merged, found.reviewed, found.reviewers) == (1, 0, (1, 0, 0))
        assert queries.review_load(session, queries.EVERYTHING, YEAR).reviews == 1


def test_review_load_and_who_reviews_for_whom(governed_each: Database):
    with governed_each.write() as session:
        told(session)
        load = queries.review_load(session, queries.EVERYTHING, YEAR)
        # Cleo: 1, 2 and the bot's 9; Ada: 4 and 7; Ben: 2. A comment is no review.
        assert (sorted(load.by_person.values()), load.reviews, load.rests_on) == ([1, 2, 3], 6, 1)
        every = frozenset(session.scalars(sa.select(Organization.id)))
        by = queries.reviews_by_organization(session, queries.EVERYTHING, YEAR, every)
        assert sum(by.values()) == load.reviews - 3  # of somebody who works for nobody
        (acme, whole), *_ = by.items()
        of_acme = Scope(organization=acme)
        assert queries.review_load(session, of_acme, YEAR).reviews == whole
        assert queries.reviews_by_organization(session, of_acme, YEAR, every) == {acme: whole}
        others = queries.reviews_by_organization(session, queries.EVERYTHING, YEAR, every - {acme})
        assert others == {one: number for one, number in by.items() if one != acme}


@pytest.mark.parametrize("by", [by for by in By if by is not By.MODULE])
def test_parts_add_up_to_the_whole_whatever_they_are_told_apart_by(governed: Database, by: By):
    with governed.write() as session:
        told(session)
        parts = queries.opened_by(session, Thing.CHANGES, queries.EVERYTHING, YEAR, by)
        assert sum(parts.values()) == queries.counts(session, Thing.CHANGES, queries.EVERYTHING, YEAR).opened == 8
        waits = queries.waiting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF, by=by)
        assert sum(spread(one).n for one in waits.values()) == 8


def test_scopes_and_first_timers(governed: Database):
    with governed.write() as session:
        place, ids = told(session)
        measure_changes(session, [ids[1]])  # its files are known now
        assert queries.counts(session, Thing.CHANGES, Scope(module="ops"), YEAR).opened == 1
        assert queries.counts(session, Thing.CHANGES, Scope(module="docs"), YEAR).opened == 0
        assert queries.review_load(session, Scope(module="ops"), YEAR).reviews == 1
        author = session.get_one(Change, ids[4])
        ben = queries.opened_by(session, Thing.CHANGES, queries.EVERYTHING, YEAR, By.PERSON)
        assert sorted(ben.values()) == [1, 1, 3, 3]
        assert author.number == 4
        firsts = queries.opened_by(session, Thing.CHANGES, Scope(repository=place), YEAR, By.FIRST)
        assert firsts == {True: 4, False: 4}  # the first of Ada, Ben, Cleo and Dee
        found = queries.first_timers(session, queries.EVERYTHING, YEAR, as_of=AS_OF)
        assert (found.one.n, found.other.n, found.p) == (4, 4, None)
        outside = queries.outsiders(session, queries.EVERYTHING, YEAR, as_of=AS_OF)
        assert (outside.one.n, outside.other.n) == (3, 4)
        assert "Too few" in outside.verdict


def test_many_durations_are_counted_by_steps(governed: Database, monkeypatch: pytest.MonkeyPatch):
    with governed.write() as session:
        told(session)
        exact = queries.waiting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF, by=By.STANDING)
        monkeypatch.setattr("app.contributions.queries.timelines.EXACT", 3)
        rough = queries.waiting(session, Thing.CHANGES, queries.EVERYTHING, YEAR, as_of=AS_OF, by=By.STANDING)
        for key, one in exact.items():
            mine, other = spread(one), spread(rough[key])
            assert (mine.n, mine.ended) == (other.n, other.ended)
            assert other.median == pytest.approx(mine.median, rel=0.022)


def test_issues_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        place = repository(session)
        opened = day(3, 1)
        issues = [
            IssueTold(f"I{number}", "It breaks", author, IssueState.CLOSED if closed else IssueState.OPEN, opened,
                      opened, closed_at=opened + timedelta(hours=closed) if closed else None)
            for number, author, closed in ((1, ADA, 10), (2, ADA, 0), (3, BOT, 5))
        ]  # fmt: skip
        ids = record_issues(session, place, "github", issues, measure=False)
        record_issue_events(session, "github", {
            ids["I1"]: [Event(K.COMMENTED, opened + timedelta(hours=3), "x", BEN)], ids["I2"]: [], ids["I3"]: [],
        })  # fmt: skip
        people.resolve(session)
        found = queries.counts(session, Thing.ISSUES, queries.EVERYTHING, YEAR)
        assert (found.opened, found.closed, found.backlog, found.by_bots) == (2, 1, 1, 1)
        waits = queries.waiting(session, Thing.ISSUES, queries.EVERYTHING, YEAR, as_of=AS_OF)
        assert figures(waits) == {None: (2, 1, 3 * HOUR)}
        assert figures(queries.lasting(session, Thing.ISSUES, queries.EVERYTHING, YEAR, as_of=AS_OF)) == {
            None: (2, 1, 10 * HOUR)}  # fmt: skip
        assert queries.counts(session, Thing.ISSUES, Scope(module="ops"), YEAR).opened == 0


def test_release_frequency_worked_out_by_hand(governed_each: Database):
    with governed_each.write() as session:
        one, other = repository(session), repository(session, "other")
        record_releases(session, one, "github", [
            ReleaseTold("r1", "v1", datetime(2025, 12, 2, tzinfo=UTC)), ReleaseTold("r2", "v2", day(1, 1)),
            ReleaseTold("r3", "v3rc1", day(1, 20), is_prerelease=True), ReleaseTold("r4", "v3", day(1, 31)),
        ])  # fmt: skip
        record_releases(session, other, "github", [
            ReleaseTold("q1", "v1", day(2, 1)), ReleaseTold("q2", "v2", day(2, 11)),
            ReleaseTold("q3", "v3", day(1, 1).replace(year=2027)),
        ])  # fmt: skip
        found = queries.releases(session, queries.EVERYTHING, YEAR)
        assert (found.published, found.prereleases) == (4, 1)
        assert (found.between_s.n, found.between_s.median) == (3, 30 * 86400)  # 30, 30 and 10 days
        assert queries.releases(session, Scope(repository=other), YEAR).between_s.median == 10 * 86400
