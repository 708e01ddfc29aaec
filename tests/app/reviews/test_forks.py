"""Pull requests from forks: read from the repository's own references, kept apart, shown with gates and difference."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from app.contributions.clones import Clone, Limits, OverLimitError
from app.contributions.facts import PullRequest, record_pull_requests
from app.contributions.models import Change, ChangeState, Repository
from app.contributions.registry import clone_of
from app.jobs import Job, JobState
from app.reviews import store
from app.reviews.reading import read_change
from tests.app.reviews.test_reviews_pages import page, say

pytestmark = pytest.mark.slow


def requested(foundation, number: int, head: str, **more: Any) -> None:
    """What a forge tells of a pull request that comes from a fork."""
    with foundation.db.write() as session:
        place = session.scalars(sa.select(Repository).where(Repository.name == "flambeau")).one()
        now = foundation.db.clock.now()
        told = PullRequest(number, f"Wish {number}", ("github", "Eve", "", "eve"), ChangeState.OPEN, now, now,
                           base_ref="main", base_sha=str(place.head_sha), head_sha=head)  # fmt: skip
        record_pull_requests(session, place.id, [replace(told, **more)])


def forked(foundation, number: int, files: dict[str, str]) -> str:
    """A pull request's head as GitHub keeps it: in no branch of the repository."""
    foundation.git("switch", "-q", "--detach", "main")
    head = foundation.commit(f"From elsewhere {number}", files)
    foundation.git("update-ref", f"refs/pull/{number}/head", head)
    foundation.git("switch", "-q", "main")
    return head


def test_a_pull_request_from_a_fork_shows_its_commits_gates_and_difference(foundation, client, signed_in):
    head = forked(foundation, 7, {"csrc/ops/add.cpp": "one\nzwei\nthree\n"})
    requested(foundation, 7, head)
    foundation.read()

    change = foundation.change("7")
    text = page(client, f"/reviews/{change.public_id}")
    assert "zwei" in text
    assert "From elsewhere 7" in text
    assert (change.head_sha, change.asked_sha, change.additions, change.deletions) == (head, head, 1, 1)
    signed_in(client, foundation.maintainer("Bob Builder", "ops"))
    assert say(client, change, "approve").status_code == 302

    after = forked(foundation, 7, {"csrc/ops/add.cpp": "one\nzwo\nthree\n"})
    requested(foundation, 7, after, updated_at=foundation.db.clock.now() + timedelta(minutes=1))
    assert "comes back with the next reading" in page(client, f"/reviews/{change.public_id}")
    foundation.read()
    assert "zwo" in page(client, f"/reviews/{change.public_id}")


def test_what_a_fork_proposes_cannot_be_named_in_the_repositorys_own_clone(foundation):
    head = forked(foundation, 7, {"csrc/ops/add.cpp": "evil\n"})
    requested(foundation, 7, head)
    foundation.read()
    with foundation.db.read() as session:
        clone = clone_of(foundation.app.extensions["flambeau"].settings, session.scalars(sa.select(Repository)).one())
    assert clone.proposed.has(head)
    assert not clone.has(head)
    assert (set(clone.branches()), clone.proposed.branches()) == ({"fix", "main"}, {})


def test_a_fork_whose_head_is_nowhere_or_adds_nothing_is_asked_for_once(foundation, monkeypatch):
    requested(foundation, 8, "c" * 40)
    foundation.git("update-ref", "refs/pull/9/head", "main")
    requested(foundation, 9, foundation.git("rev-parse", "main"))
    asked, fetch = [], Clone.fetch_pulls

    def counted(self: Clone, source: str, numbers: list[int], **more: Any) -> dict[int, str]:
        asked.append(sorted(numbers))
        return fetch(self, source, numbers, **more)

    monkeypatch.setattr(Clone, "fetch_pulls", counted)
    foundation.read()
    foundation.read()
    assert asked == [[8, 9]]


def test_those_of_a_source_that_is_away_do_not_hold_the_others_up(foundation):
    head = forked(foundation, 7, {"csrc/ops/add.cpp": "one\nzwei\nthree\n"})
    requested(foundation, 7, head, state=ChangeState.CLOSED)
    with foundation.db.write() as session:
        gone = Repository(name="away", url=str(foundation.source / "nowhere"), added_at=foundation.db.clock.now(),
                          fetched_at=foundation.db.clock.now(), default_branch="main")  # fmt: skip
        session.add(gone)
        session.flush()
        now = foundation.db.clock.now()
        record_pull_requests(session, gone.id, [PullRequest(1, "x", None, ChangeState.OPEN, now, now, head_sha=head)])
    requested(foundation, 10, forked(foundation, 10, {"docs/ops.md": "more\n"}))
    foundation.read()
    with foundation.db.read() as session:
        read = {one.number: one.asked_sha for one in session.scalars(sa.select(Change)) if one.number}
    assert {number for number, sha in read.items() if sha} == {7, 10}


def test_proposed_commits_keep_the_limits_that_clones_have(foundation):
    head = forked(foundation, 7, {"big": "".join(str(number) for number in range(60_000))})
    requested(foundation, 7, head)
    with foundation.db.read() as session:
        repository = session.scalars(sa.select(Repository)).one()
    clone = clone_of(foundation.app.extensions["flambeau"].settings, repository)
    with pytest.raises(OverLimitError, match="FLAMBEAU_CLONE_LIMIT_GB"):
        clone.fetch_pulls(repository.url, [7], limits=Limits(clone_bytes=1000))


def test_a_fork_that_takes_too_much_room_holds_nobody_up_and_is_not_fetched_again(foundation, monkeypatch):
    heads = {number: forked(foundation, number, {f"docs/{number}.md": "more\n"}) for number in (7, 8, 9)}
    for number, head in heads.items():
        requested(foundation, number, head)
    asked, fetch = [], Clone.fetch_pulls

    def limited(self: Clone, source: str, numbers: list[int], **more: Any) -> dict[int, str]:
        asked.append(sorted(numbers))
        limits = Limits(clone_bytes=1000) if 8 in numbers else more["limits"]
        return fetch(self, source, numbers, **{**more, "limits": limits})

    monkeypatch.setattr(Clone, "fetch_pulls", limited)
    foundation.read()
    once = len(asked)
    foundation.read()
    assert [8] in asked
    assert len(asked) == once
    with foundation.db.read() as session:
        found = {one.number: one.additions for one in session.scalars(sa.select(Change)) if one.number}
    assert found == {7: 1, 8: 0, 9: 1}


def test_many_small_fetches_of_pull_requests_are_joined_and_nothing_is_lost(foundation, monkeypatch):
    monkeypatch.setattr("app.contributions.tidying.MOST_LOOSE", 5)
    heads = {number: forked(foundation, number, {f"docs/{number}.md": "x\n"}) for number in range(1, 5)}
    with foundation.db.read() as session:
        repository = session.scalars(sa.select(Repository)).one()
    clone = clone_of(foundation.app.extensions["flambeau"].settings, repository)
    for number in heads:
        assert clone.fetch_pulls(repository.url, [number]) == {number: heads[number]}
    assert list((clone.proposed.path / "objects" / "pack").glob("*.pack"))
    assert [clone.proposed.diff(clone.resolve("main"), head).added for head in heads.values()] == [1] * 4


@pytest.mark.parametrize("breaks", ["read_change", "store.put"])
def test_one_that_we_cannot_read_is_named_and_the_rest_goes_on(foundation, monkeypatch, breaks):
    heads = {number: forked(foundation, number, {f"docs/{number}.md": "more\n"}) for number in (7, 8, 9)}
    for number, head in heads.items():
        requested(foundation, number, head)
    asked, whole = [], read_change if breaks == "read_change" else store.put

    def trips(*arguments: Any, **more: Any) -> Any:
        head = more["head"] if breaks == "read_change" else more["found"].head
        asked.append(head)
        if head == heads[8]:
            raise ZeroDivisionError("lines by nothing")
        return whole(*arguments, **more)

    monkeypatch.setattr(f"app.reviews.forks.{breaks}", trips)
    foundation.read()
    foundation.read()
    assert sorted(asked) == sorted(heads.values()), "once each"
    with foundation.db.read() as session:
        found = {one.number: one.additions for one in session.scalars(sa.select(Change)) if one.number}
        jobs = list(session.scalars(sa.select(Job).where(Job.workflow == "read-forks")))
        results = [step.result for job in jobs for step in job.steps]
    assert found == {7: 1, 8: 0, 9: 1}
    assert {"read": 3, "broken": ["flambeau #8: ZeroDivisionError: lines by nothing"]} in results
    assert {job.state for job in jobs} == {JobState.SUCCEEDED}
