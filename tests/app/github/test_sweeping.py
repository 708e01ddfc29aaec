"""What was deleted at GitHub while nobody told of it: found once a week, by numbers alone, and gone here as well."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa

from app.audit import AuditEntry
from app.clock import FixedClock
from app.contributions.models import ChangeEvent, IssueEvent
from app.github import sweeping
from app.github.client import Client
from app.jobs import JobState
from tests.app.github.world import Killed, World
from tests.doubles.github import Fault, GitHub


@pytest.fixture
def read_once(small: World, clock: FixedClock) -> World:
    """A portal that has read all of a repository, and eight days have passed since."""
    assert small.read().state is JobState.SUCCEEDED
    clock.advance(days=8)
    return small


def titles(made: World) -> list[str]:
    return [one[1] for one in made.rows()["issues"]]


def said(made: World, table: Any, what: str) -> set[int]:
    """GitHub's numbers of the comments that are known."""
    with made.db.read() as session:
        names = session.scalars(sa.select(table.external_id)).all()
    return {int(name.rpartition("/")[2]) for name in names if f"/{what}/" in name}


def test_an_issue_that_was_deleted_without_a_word_goes_and_stays_gone(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    gone = next(one for one in place.things.values() if one.title == "Wish 1")
    place.delete(gone)
    newest = max(place.things.values(), key=lambda one: one.updated_at)
    newest.comment(None)

    assert read_once.read().state is JobState.SUCCEEDED
    assert titles(read_once) == ["Wish 0", "Wish 2", "Wish 3"]
    with read_once.db.read() as session:
        lines = session.scalars(sa.select(AuditEntry.data).where(AuditEntry.action == "observe"))
        told = [json.loads(line) for line in lines]
    assert [one["rows"] for one in told if one["range"].startswith("issues gone ")] == [1]
    place.things[gone.number] = place.nodes[gone.node] = gone
    place.changed()
    assert read_once.read().state is JobState.SUCCEEDED
    assert titles(read_once) == ["Wish 0", "Wish 2", "Wish 3"], "as if a webhook had told of it"


@pytest.mark.parametrize("is_pull", [True, False])
def test_a_comment_that_was_deleted_is_found_by_how_many_there_are(
    read_once: World, github: GitHub, is_pull: bool
) -> None:
    place = github.repositories[0]
    thing = next(one for one in place.things.values() if one.is_pull is is_pull)
    comment = next(one for one in thing.timeline if one.kind == "IssueComment")
    table = ChangeEvent if is_pull else IssueEvent
    before = said(read_once, table, "comment")
    assert comment.number in before
    place.take_back(comment)

    assert read_once.read().state is JobState.SUCCEEDED
    assert said(read_once, table, "comment") == before - {comment.number}


def test_a_comment_on_a_line_that_was_deleted_goes(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    before = said(read_once, ChangeEvent, "line")
    lost = [place.things[1].lines[0], place.things[3].lines[-1], place.things[6].lines[-1]]
    for line in lost:
        place.take_back_line(line)

    assert read_once.read().state is JobState.SUCCEEDED
    assert said(read_once, ChangeEvent, "line") == before - {line.number for line in lost}
    assert {one.path for one in github.asked if one.status == 404 or "/pulls/comments/" in one.path} == {
        f"/repos/acme/tensor/pulls/comments/{line.number}" for line in lost
    }, "of each of them GitHub was asked by itself"


def test_comments_on_lines_are_looked_through_a_few_pages_at_a_time(
    read_once: World, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST", 5)
    monkeypatch.setattr(sweeping, "PAGES_AT_ONCE", 2)
    place = github.repositories[0]
    every = place.lines()
    for line in (every[0], every[7], every[-1]):
        place.take_back_line(line)
    left = []
    for _ in range(2):
        assert read_once.read().state is JobState.SUCCEEDED
        left.append(len(said(read_once, ChangeEvent, "line")))

    assert left == [16, 15], "18, and of the first ten places two are empty"


def test_a_release_that_was_deleted_or_taken_back_goes(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    place.release("v1.1", github.account("ada"))
    assert read_once.read().state is JobState.SUCCEEDED
    assert [tag for tag, _ in read_once.rows()["releases"]] == ["v1.0", "v1.1"]
    place.releases = [one for one in place.releases if one.tag != "v1.0"]
    assert read_once.read().state is JobState.SUCCEEDED
    assert [tag for tag, _ in read_once.rows()["releases"]] == ["v1.1"]
    place.releases[0].published_at = None
    assert read_once.read().state is JobState.SUCCEEDED
    assert read_once.rows()["releases"] == []


def test_release_lists_that_are_empty_by_mistake_take_nothing_back(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    for number in range(40):
        place.release(f"v1.{number + 1}", github.account("ada"))
    read_once.read()
    every = read_once.rows()["releases"]
    assert len(every) == 41
    github.fails(*[Fault(200, "[]", only="/releases")] * 2)
    place.release("v2.0", github.account("ada"))
    before = len(github.asked)

    assert read_once.read().state is JobState.SUCCEEDED
    assert [one for one in every if one not in read_once.rows()["releases"]] == []
    assert sum("/releases/" in one.path for one in github.asked[before:]) == 9, "and not 41"
    assert read_once.read().state is JobState.SUCCEEDED
    assert len(read_once.rows()["releases"]) == 42


def test_many_releases_that_are_gone_go_a_few_at_a_time(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    for number in range(24):
        place.release(f"v1.{number + 1}", github.account("ada"))
    read_once.read()
    place.releases = [one for one in place.releases if one.tag == "v1.0"]
    left = []
    for _ in range(4):
        assert read_once.read().state is JobState.SUCCEEDED
        left.append(len(read_once.rows()["releases"]))
    assert left == [17, 9, 1, 1]


def test_nothing_is_taken_for_gone_of_a_repository_that_is_not_shown_itself(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    place.releases = []
    whole = place.full_name

    def hides(request: Any) -> None:
        if "/releases/" in request.path:
            place.rename("hidden/away")
            place.former.clear()

    github.before = hides
    assert read_once.read().state is JobState.NEEDS_PERSON
    assert len(read_once.rows()["releases"]) == 1
    github.before = lambda _request: None
    place.rename(whole)
    assert read_once.read().state is JobState.SUCCEEDED
    assert read_once.rows()["releases"] == []


def test_a_list_of_comments_on_lines_that_is_empty_by_mistake_costs_few_calls(
    read_once: World, github: GitHub
) -> None:
    place = github.repositories[0]
    place.things[1].review("COMMENTED", github.account("ben"), lines=60)
    read_once.read()
    known = said(read_once, ChangeEvent, "line")
    read_once.clock.advance(days=8)
    before = len(github.asked)
    # The list is asked for by the reading too, before the look.
    place.things[2].comment(None)
    github.before = lambda request: (
        github.fails(Fault(200, "[]", only="/pulls/comments")) if "sort=created" in request.full_path else None
    )

    assert read_once.read().state is JobState.SUCCEEDED
    assert said(read_once, ChangeEvent, "line") == known
    assert sum("/pulls/comments/" in one.path for one in github.asked[before:]) == 10


def test_comments_on_lines_that_are_all_gone_go_within_a_few_readings(
    read_once: World, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "ASKED_AT_ONCE", 12)
    place = github.repositories[0]
    for line in place.lines():
        place.take_back_line(line)
    left = []
    for _ in range(3):
        assert read_once.read().state is JobState.SUCCEEDED
        left.append(len(said(read_once, ChangeEvent, "line")))
    assert left == [6, 0, 0], "of 18 nine, then three of the nine that are left"


def test_a_look_costs_a_point_a_hundred_and_comes_once_a_week(
    read_once: World, github: GitHub, clock: FixedClock
) -> None:
    before = len(github.asked)
    read_once.read()
    assert read_once.spent(before)[0] == 2, "a page of pull requests, a page of issues"
    clock.advance(days=6)
    before = len(github.asked)
    read_once.read()
    assert read_once.spent(before)[0] == 0
    clock.advance(days=2)
    read_once.read()
    assert read_once.spent(before)[0] == 2


def test_where_issues_are_switched_off_none_is_taken_for_gone(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    hidden = [one for one in place.things.values() if not one.is_pull]
    place.has_issues = False
    for one in hidden:
        place.delete(one)
    before = len(github.asked)

    assert read_once.read().state is JobState.SUCCEEDED
    assert len(titles(read_once)) == 4
    assert read_once.spent(before)[0] == 4, "a look and a reading of both kinds; no issue is asked for by itself"


def test_open_pull_requests_that_went_with_an_account_are_closed_and_come_back_with_it(
    read_once: World, github: GitHub, clock: FixedClock
) -> None:
    """GitHub hides what an account that it suspends had written; what others said of it is no less true."""
    place = github.repositories[0]
    hidden = [place.things[2], place.things[4]]
    assert [one.state for one in hidden] == ["OPEN", "MERGED"]
    before = read_once.rows()
    for one in hidden:
        place.delete(one)

    assert read_once.read().state is JobState.SUCCEEDED
    rows = read_once.rows()
    assert [one[2] for one in rows["changes"] if one[0] in (2, 4)] == ["closed", "merged"]
    assert rows["events"] == before["events"]
    for one in hidden:
        place.things[one.number] = place.nodes[one.node] = one
    place.changed()
    clock.advance(days=8)
    read_once.read()
    assert read_once.rows()["changes"] == before["changes"]


def test_where_pull_requests_are_switched_off_none_is_taken_for_gone(read_once: World, github: GitHub) -> None:
    place = github.repositories[0]
    place.has_pulls = False
    for one in [one for one in place.things.values() if one.is_pull]:
        place.delete(one)
    before = read_once.rows()["changes"]
    assert read_once.read().state is JobState.SUCCEEDED
    assert read_once.rows()["changes"] == before


@pytest.mark.parametrize("is_pull", [True, False])
def test_what_an_account_wrote_that_is_gone_is_nobodys(read_once: World, github: GitHub, is_pull: bool) -> None:
    place = github.repositories[0]
    thing = next(one for one in place.things.values() if one.is_pull is is_pull and one.who is not None)
    which = "changes" if is_pull else "issues"
    assert next(one for one in read_once.rows()[which] if one[0] == thing.number)[-1] is not None
    thing.who = None
    assert read_once.read().state is JobState.SUCCEEDED
    assert next(one for one in read_once.rows()[which] if one[0] == thing.number)[-1] is None


def test_a_list_that_is_empty_by_mistake_has_a_hundred_asked_for_and_no_more(
    read_once: World, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = github.repositories[0]
    for number in range(130):
        place.issue(f"More {number}", None)
    read_once.read()
    read_once.clock.advance(days=8)
    empty = {"hasIssuesEnabled": True, "page": {"totalCount": 0, "nodes": [],
                                                "pageInfo": {"hasNextPage": False, "endCursor": None}}}  # fmt: skip
    ask = Client.ask

    def mistaken(self: Client, query: str, variables: Any) -> Any:
        return {"repository": empty} if "CREATED_AT" in query and "issues(" in query else ask(self, query, variables)

    monkeypatch.setattr(Client, "ask", mistaken)
    before = len(github.asked)
    assert read_once.read().state is JobState.SUCCEEDED
    assert len(titles(read_once)) == 134
    assert read_once.spent(before)[0] <= 6, "of 134 every second one, 25 for a point"


def test_what_was_said_within_the_hour_is_not_missed(small: World, github: GitHub, clock: FixedClock) -> None:
    """One of GitHub's copies may be behind the one that told of it."""
    small.read()
    place = github.repositories[0]
    fresh = place.things[2].comment(github.account("eve"))
    small.read()
    clock.advance(minutes=9)
    place.take_back(fresh)
    place.things[2].comment(github.account("ada"))
    small.read()
    assert fresh.number in said(small, ChangeEvent, "comment")
    clock.advance(days=8)
    small.read()
    assert fresh.number not in said(small, ChangeEvent, "comment")


def test_a_worker_that_is_killed_leaves_the_look_where_it_was(
    read_once: World, github: GitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "MOST", 1)
    place = github.repositories[0]
    place.delete(next(one for one in place.things.values() if one.title == "Wish 3"))
    place.delete(next(one for one in place.things.values() if one.title == "Wish 0"))
    sends, send = 0, Client._send

    def dies(self: Client, *arguments: Any, **options: Any) -> Any:
        nonlocal sends
        sends += "hasIssuesEnabled" in str(options.get("body"))
        if sends == 8:
            raise Killed
        return send(self, *arguments, **options)

    monkeypatch.setattr(Client, "_send", dies)
    number = read_once.ask_and_die()
    monkeypatch.setattr(Client, "_send", send)
    before = len(github.asked)

    assert read_once.go_on(number).state is JobState.SUCCEEDED
    assert titles(read_once) == ["Wish 1", "Wish 2"]
    assert read_once.spent(before)[0] == 2, "the last issue, and the two that are gone, together"
