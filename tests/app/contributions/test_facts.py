"""Facts as sources tell them: twice is once, the order does not matter, and measures follow from those concerned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.audit import Actor
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
from app.contributions.measuring import measure_all, measures_are_current, settle_measures
from app.contributions.metrics import EventKind, Happened, measured
from app.contributions.models import (
    Attribution,
    Change,
    ChangeEvent,
    ChangeMeasure,
    ChangeModule,
    ChangeReviewer,
    ChangeSource,
    ChangeState,
    IssueMeasure,
    IssueState,
    Repository,
    RepositoryRelease,
)
from app.db import Database
from app.members import queries as members
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, Person
from app.people.rules import DecisionKind, StatementSource

ACTOR = Actor.system("test")
MONDAY = datetime(2026, 1, 5, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
ADA, BEN, CLEO = (("github", name, f"{name.lower()}@{name.lower()}.example", name.lower())
                  for name in ("Ada", "Ben", "Cleo"))  # fmt: skip
BOT = ("github", "checks[bot]", "", "checks[bot]")
K = EventKind


def at(hours: float) -> datetime:
    return MONDAY + timedelta(hours=hours)


@pytest.mark.parametrize(("events", "closed", "draft", "expected"), [
    ([], None, False, (False, None, None)),
    # A bot, a label and the author's own word are no response.
    ([Happened(K.COMMENTED, at(1), 9, False), Happened(K.LABELED, at(2), 2), Happened(K.COMMENTED, at(3), 1)],
     None, False, (False, None, None)),
    ([Happened(K.APPROVED, at(5), 3), Happened(K.COMMENTED, at(2), 2)], None, False, (True, 2 * 3600, None)),
    # Closed without a response: it waited at least until then.
    ([Happened(K.CLOSED, at(4), 1)], at(4), False, (False, 4 * 3600, 4 * 3600)),
    ([Happened(K.MERGED, at(4), 2)], at(4), False, (True, 4 * 3600, 4 * 3600)),
    ([Happened(K.COMMENTED, at(6), 2)], at(4), False, (False, 4 * 3600, 4 * 3600)),  # too late to be a response
    # Opened as a draft: waits from when it is ready; what was said before is no response to what was not asked.
    ([Happened(K.READY, at(10), 1), Happened(K.COMMENTED, at(13), 2)], None, False, (True, 3 * 3600, None)),
    ([Happened(K.READY, at(10), 1), Happened(K.COMMENTED, at(3), 2)], None, False, (False, None, None)),
    ([Happened(K.READY, at(10), 1), *(Happened(K.COMMENTED, at(hour), 2) for hour in (3, 12))], None, False,
     (True, 2 * 3600, None)),
    ([Happened(K.COMMENTED, at(3), 2)], None, True, (False, None, None)),
    ([Happened(K.CLOSED, at(4), 2)], at(4), True, (False, None, 4 * 3600)),
    ([Happened(K.DRAFTED, at(1), 1), Happened(K.READY, at(10), 1), Happened(K.COMMENTED, at(13), 2)], None, False,
     (True, 13 * 3600, None)),
    ([], at(4), True, (False, None, 4 * 3600)),
    ([Happened(K.COMMENTED, at(-1), 2)], None, False, (True, 0, None)),  # clocks that disagree
])  # fmt: skip
def test_a_timeline_comes_to_what_the_definition_says(
    events: list[Happened], closed: datetime | None, draft: bool, expected: tuple[Any, ...]
):
    found = measured(events, author=1, opened_at=MONDAY, closed_at=closed, is_draft=draft)
    assert (found.is_answered, found.waited_s, found.lasted_s) == expected


def test_reviewers_are_people_other_than_the_author_who_said_something_as_a_review():
    events = [Happened(K.APPROVED, at(1), 2), Happened(K.REVIEWED, at(3), 3), Happened(K.CHANGES_REQUESTED, at(2), 3),
              Happened(K.COMMENTED, at(1), 4), Happened(K.REVIEWED, at(1), 1), Happened(K.APPROVED, at(1), 9, False),
              Happened(K.PUSHED, at(4), 1)]  # fmt: skip
    found = measured(events, author=1, opened_at=MONDAY, closed_at=None)
    assert {person: (one.first_at, one.times) for person, one in found.reviewers.items()} == {
        2: (at(1), 1), 3: (at(2), 2)}  # fmt: skip
    assert (found.reviews, found.comments, found.pushes) == (3, 1, 1)
    assert [found.reviewers_until(end) for end in (at(0), at(1), at(9), None)] == [0, 1, 2, 2]


_HAPPENED = st.builds(Happened, st.sampled_from(EventKind), st.integers(-5, 200).map(at), st.integers(1, 5) | st.none(),
                      st.booleans())  # fmt: skip


_CLOSED = st.none() | st.integers(0, 100).map(at)


@given(st.lists(_HAPPENED, max_size=12), st.randoms(), st.booleans(), _CLOSED)
def test_the_order_of_events_does_not_matter(events: list[Happened], chance: Any, draft: bool, closed: datetime | None):
    def come_to(listed: Sequence[Happened]) -> Any:
        return measured(listed, author=1, opened_at=MONDAY, closed_at=closed, is_draft=draft)

    shuffled = list(events)
    chance.shuffle(shuffled)
    assert come_to(shuffled) == come_to(events)


def repository(session: Session, name: str = "core") -> int:
    made = Repository(name=name, url=f"https://forge.example/{name}", added_at=MONDAY)
    session.add(made)
    session.flush()
    return made.id


REQUEST = PullRequest(7, "Add relu", ADA, ChangeState.OPEN, MONDAY, MONDAY, labels=("ops",), additions=10, deletions=2)
MERGED = replace(REQUEST, state=ChangeState.MERGED, updated_at=at(9), merged_at=at(8), closed_at=at(8))
EVENTS = [Event(K.OPENED, MONDAY, "e1", ADA), Event(K.COMMENTED, at(1), "e2", BOT), Event(K.APPROVED, at(3), "e3", BEN),
          Event(K.PUSHED, at(2), "e4", ADA, value="abc"), Event(K.MERGED, at(8), "e5", CLEO)]  # fmt: skip


def picture(session: Session) -> list[Any]:
    """All that is derived, without row numbers that depend on the order of writing."""
    session.flush()
    skip = {"change_id", "issue_id"}
    who = {row.id: row.name for row in session.scalars(sa.select(Person))}
    found = []
    for table in (ChangeMeasure, IssueMeasure, ChangeReviewer, ChangeModule):
        rows = session.execute(sa.select(table.__table__)).mappings()
        for row in rows:
            values = {key: value for key, value in row.items() if key not in skip}
            if values.get("person_id"):
                values["person_id"] = who[values["person_id"]]
            found.append((table.__tablename__, sorted((key, str(value)) for key, value in values.items())))
    return sorted(found)


def test_a_pull_request_is_a_change_with_measures(governed_each: Database):
    with governed_each.write() as session:
        number = record_pull_requests(session, repository(session), [MERGED])[7]
        record_change_events(session, "github", {number: EVENTS})
        people.resolve(session)
        change = session.get_one(Change, number)
        assert (change.source_kind, change.number, change.merged_at) == (ChangeSource.PULL_REQUEST, 7, at(8))
        found = session.get_one(ChangeMeasure, number)
        assert (found.is_answered, found.waited_s, found.lasted_s) == (True, 3 * 3600, 8 * 3600)
        assert (found.reviewers, found.reviews, found.comments, found.pushes, found.size) == (1, 1, 0, 1, 12)
        assert found.opened_on == found.merged_on == date(2026, 1, 5)
        assert (found.is_first, found.is_bot) == (True, False)
        assert (found.attribution, found.tier_key) == (Attribution.UNKNOWN, None)


@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 2, 1, 0], [1, 3, 0, 2, 1, 0, 3]])
def test_reports_that_come_twice_or_in_another_order_leave_the_same_rows(governed: Database, order: list[int]):
    with governed.write() as session:
        place = repository(session)
        steps = [
            lambda: record_pull_requests(session, place, [REQUEST]),
            lambda: record_pull_requests(session, place, [MERGED]),
            lambda: record_change_events(session, "github", {record_pull_requests(session, place, [REQUEST])[7]:
                                                             EVENTS[:3]}),
            lambda: record_change_events(session, "github", {record_pull_requests(session, place, [REQUEST])[7]:
                                                             EVENTS[2:]}),
        ]  # fmt: skip
        for step in order:
            steps[step]()
        people.resolve(session)
        kept = picture(session)
        measure_all(session)
        assert picture(session) == kept
        assert session.scalar(sa.select(sa.func.count()).select_from(ChangeEvent)) == 5
        assert session.scalars(sa.select(Change.state)).all() == [ChangeState.MERGED]
        assert "('waited_s', '10800')" in str(kept)


def company(session: Session, name: str, *, member: bool, parent: Any = None) -> Any:
    made = members.create_organization(session, name, kind=OrganizationKind.COMPANY, parent=parent, actor=ACTOR,
                                       reason="a test")  # fmt: skip
    if member:
        members.start_membership(session, made, "silver", starts_on=date(2025, 1, 1), actor=ACTOR, reason="a test")
    return made


def person_of(session: Session, wording: tuple[str, str, str, str]) -> Person:
    mark = people.intern_identities(session, [wording])[wording]
    return session.get_one(Person, session.get_one(IdentityPerson, mark).person_id)


def employ(session: Session, wording: tuple[str, str, str, str], organization: Any) -> None:
    people.state(session, person_of(session, wording), organization.id if organization else None,
                 starts_on=date(2020, 1, 1), ends_on=None, source=StatementSource.STAFF, actor=ACTOR,
                 reason="a test")  # fmt: skip


def test_measures_follow_an_employer_a_membership_and_a_decision(governed_each: Database):
    with governed_each.write() as session:
        number = record_pull_requests(session, repository(session), [REQUEST])[7]
        record_change_events(session, "github", {number: [Event(K.COMMENTED, at(1), "a", BEN),
                                                          Event(K.APPROVED, at(2), "b", CLEO)]})  # fmt: skip
        people.resolve(session)
        parent = company(session, "Acme", member=True)
        daughter = company(session, "Acme Labs", member=False, parent=parent)
        employ(session, ADA, daughter)
        employ(session, CLEO, None)
        session.expire_all()
        found = session.get_one(ChangeMeasure, number)
        assert (found.organization_id, found.tier_key) == (daughter.id, "silver")  # its owner's membership
        assert found.waited_s == 3600
        reviewer = session.scalars(sa.select(ChangeReviewer)).one()
        assert reviewer.attribution is Attribution.INDEPENDENT

        # Ben turns out to be a bot: Cleo's word was the first response.
        ben = session.scalars(sa.select(Identity.id).where(Identity.login == "ben")).one()
        people.decide(session, DecisionKind.BOT, session.get_one(Identity, ben), actor=ACTOR, reason="it is a script")
        people.resolve(session)
        session.expire_all()
        assert session.get_one(ChangeMeasure, number).waited_s == 2 * 3600


def test_a_membership_that_is_entered_later_is_found_when_all_is_settled(governed: Database):
    with governed.write() as session:
        number = record_pull_requests(session, repository(session), [REQUEST])[7]
        people.resolve(session)
        acme = company(session, "Acme", member=False)
        employ(session, ADA, acme)
        measure_all(session)
        members.start_membership(session, acme, "silver", starts_on=date(2025, 6, 1), actor=ACTOR, reason="a test")
        assert not measures_are_current(session)
    settle_measures(governed.write)
    with governed.read() as session:
        assert session.get_one(ChangeMeasure, number).tier_key == "silver"
        assert measures_are_current(session)


def test_a_first_timer_is_one_until_a_change_of_theirs_was_merged_before(governed: Database):
    later = replace(REQUEST, number=8, opened_at=at(20), updated_at=at(20))
    with governed.write() as session:
        place = repository(session)
        numbers = record_pull_requests(session, place, [REQUEST, later])
        people.resolve(session)
        session.expire_all()
        firsts = [session.get_one(ChangeMeasure, numbers[one]).is_first for one in (7, 8)]
        assert firsts == [True, True]
        record_pull_requests(session, place, [MERGED])  # merged before 8 was opened, and told afterwards
        session.expire_all()
        firsts = [session.get_one(ChangeMeasure, numbers[one]).is_first for one in (7, 8)]
        assert firsts == [True, False]


def test_issues_and_releases_are_told_once(governed_each: Database):
    issue = IssueTold("I_1", "It breaks", ADA, IssueState.OPEN, MONDAY, MONDAY, number=3, labels=("bug", "bug"))
    closed = replace(issue, state=IssueState.CLOSED, updated_at=at(5), closed_at=at(5))
    release = ReleaseTold("R_1", "v1.0", MONDAY, author=BEN)
    with governed_each.write() as session:
        place = repository(session)
        for told in (closed, issue, closed):  # the older report comes in between
            number = record_issues(session, place, "github", [told])["I_1"]
        for _ in range(2):
            record_issue_events(session, "github", {number: [Event(K.COMMENTED, at(2), "c1", BEN)]})
            record_releases(session, place, "github", [release])
        people.resolve(session)
        session.expire_all()
        found = session.scalars(sa.select(IssueMeasure)).one()
        assert (found.waited_s, found.lasted_s, found.comments) == (2 * 3600, 5 * 3600, 1)
        assert session.scalars(sa.select(RepositoryRelease.tag)).all() == ["v1.0"]


def test_a_pull_request_takes_over_the_change_of_its_own_branch(governed: Database):
    with governed.write() as session:
        place = repository(session)
        branch = Change(repository_id=place, source_kind=ChangeSource.BRANCH, source_ref="fix", base_sha="a",
                        head_sha="b", title="Fix", author_name="Ada", author_email="ada@ada.example",
                        state=ChangeState.OPEN, additions=1, deletions=1, opened_at=at(-2),
                        updated_at=at(-2))  # fmt: skip
        session.add(branch)
        session.flush()
        told = replace(REQUEST, head_ref="fix")
        assert record_pull_requests(session, place, [told]) == {7: branch.id}
        assert (branch.source_kind, branch.source_ref, branch.title) == (ChangeSource.PULL_REQUEST, "7", "Add relu")
        assert record_pull_requests(session, place, [told]) == {7: branch.id}


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=st.lists(st.tuples(st.sampled_from(EventKind), st.integers(0, 90),
                                 st.sampled_from([ADA, BEN, CLEO, BOT])), max_size=6),
       cut=st.integers(0, 6))  # fmt: skip
def test_increments_leave_what_everything_at_once_leaves(governed: Database, events: list[Any], cut: int):
    told = [Event(kind, at(hours), f"x{index}", who) for index, (kind, hours, who) in enumerate(events)]
    pictures = []
    for parts in ([told], [told[cut:], told[:cut], told]):
        with governed.write() as session:
            undo = session.begin_nested()
            number = record_pull_requests(session, repository(session), [MERGED])[7]
            for part in parts:
                record_change_events(session, "github", {number: part})
                people.resolve(session)
            pictures.append(picture(session))
            undo.rollback()
    assert pictures[0] == pictures[1]
