"""Pull requests from forks that are over: read all the same, kept for a while, then forgotten; and each says which."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.audit import AuditEntry
from app.contributions.clones import Clone
from app.contributions.models import Change, ChangeState, Repository
from app.contributions.registry import clone_of
from app.db import Database
from app.jobs import Job, JobState
from tests.app.reviews.test_forks import forked, requested
from tests.app.reviews.test_reviews_pages import page

pytestmark = pytest.mark.slow


def clone(foundation) -> Clone:
    with foundation.db.read() as session:
        repository = session.scalars(sa.select(Repository).where(Repository.name == "flambeau")).one()
    return clone_of(foundation.app.extensions["flambeau"].settings, repository)


def closed(foundation, number: int, head: str, *, days: int, state: ChangeState = ChangeState.CLOSED, **more) -> None:
    at = foundation.db.clock.now() - timedelta(days=days)
    requested(foundation, number, head, state=state, closed_at=at, updated_at=at, opened_at=at, **more)


def told(db: Database) -> list[dict]:
    with db.read() as session:
        rows = session.scalars(sa.select(AuditEntry.data).where(AuditEntry.action == "reviews.forks.forget"))
        return [json.loads(row) for row in rows]


def test_one_that_was_closed_before_anybody_read_it_shows_its_difference(foundation, client):
    head = forked(foundation, 7, {"csrc/ops/add.cpp": "one\nzwei\nthree\n"})
    closed(foundation, 7, head, days=3)
    before = foundation.change("7").updated_at
    foundation.read()

    change = foundation.change("7")
    text = page(client, f"/reviews/{change.public_id}")
    assert ("zwei" in text, "From elsewhere 7" in text) == (True, True)
    assert (change.state, change.updated_at, change.additions) == (ChangeState.CLOSED, before, 1)


def test_one_that_was_merged_is_compared_with_what_it_was_merged_into(foundation, client):
    base = foundation.git("rev-parse", "main")
    head = forked(foundation, 7, {"csrc/ops/add.cpp": "one\nzwei\nthree\n"})
    foundation.git("merge", "-q", "--no-ff", "-m", "Merge pull request #7", head)
    closed(foundation, 7, head, days=1, state=ChangeState.MERGED, base_sha=base)
    foundation.read()
    assert "zwei" in page(client, f"/reviews/{foundation.change('7').public_id}")


def test_where_the_commits_cannot_be_had_the_page_says_why(foundation, client):
    url = "https://github.com/flambeau/core/pull/8"
    closed(foundation, 8, "c" * 40, days=3, url=url)
    closed(foundation, 9, forked(foundation, 9, {"docs/ops.md": "old\n"}), days=200)
    foundation.read()

    nowhere = page(client, f"/reviews/{foundation.change('8').public_id}")
    assert "its commits are not there any more" in nowhere
    assert f'<a href="{url}/files">' in nowhere
    assert '<li class="is-empty atom atom-failing">Gate sign-off was shown nothing' in nowhere, "without a tick"
    assert "None of them is read." in nowhere
    old = page(client, f"/reviews/{foundation.change('9').public_id}")
    assert "contents from forks are kept for 180 days after that" in old
    assert clone(foundation).proposed_numbers() == set()


def test_one_whose_branch_is_gone_says_so_and_leads_to_the_forges_difference(foundation, client):
    url = "https://github.com/flambeau/core/pull/6"
    closed(foundation, 6, "d" * 40, days=400, url=url, head_ref="topic")
    foundation.read()
    day = foundation.db.clock.now() - timedelta(days=400)
    text = page(client, f"/reviews/{foundation.change('6').public_id}")
    assert f"It was closed on {day:%Y-%m-%d} and its branch is gone" in text
    assert (f'<a href="{url}/files">' in text, "next reading" in text) == (True, False)


def test_what_was_closed_long_ago_is_forgotten_with_a_word_and_the_rest_stays(foundation, client):
    heads = {number: forked(foundation, number, {f"docs/{number}.md": f"{number} more\n"}) for number in (7, 8, 9)}
    requested(foundation, 7, heads[7])
    for number in (8, 9):
        closed(foundation, number, heads[number], days=100 * (number - 7))
    house = foundation.app.extensions["flambeau"]
    house.settings = house.settings.model_copy(update={"proposed_days": 300})
    foundation.read()
    here = clone(foundation)
    assert here.proposed_numbers() == {7, 8, 9}
    assert told(foundation.db) == []

    foundation.db.clock.advance(days=150)
    foundation.read()
    foundation.read()
    assert here.proposed_numbers() == {7, 8}
    assert [here.proposed.has(heads[number]) for number in (7, 8, 9)] == [True, True, False]
    assert [one["numbers"] for one in told(foundation.db)] == [[9]]
    text = page(client, f"/reviews/{foundation.change('9').public_id}")
    assert ("kept for 300 days" in text, "From elsewhere 9" in text) == (True, True), "what was read of it stays"
    assert "8 more" in page(client, f"/reviews/{foundation.change('8').public_id}")


def test_with_the_last_of_them_their_repository_goes_and_comes_back_with_the_next(foundation, client):
    closed(foundation, 7, forked(foundation, 7, {"docs/ops.md": "more\n"}), days=100)
    foundation.read()
    foundation.db.clock.advance(days=100)
    foundation.read()
    assert not clone(foundation).proposed.exists
    requested(foundation, 8, forked(foundation, 8, {"docs/ops.md": "again\n"}))
    foundation.read()
    assert "again" in page(client, f"/reviews/{foundation.change('8').public_id}")
    with foundation.db.read() as session:
        assert set(session.scalars(sa.select(Job.state).where(Job.workflow == "forget-forks"))) == {JobState.SUCCEEDED}


def test_one_that_is_opened_again_after_it_was_forgotten_shows_its_difference_again(foundation, client):
    closed(foundation, 7, forked(foundation, 7, {"docs/ops.md": "once more\n"}), days=100)
    foundation.read()
    foundation.db.clock.advance(days=100)
    foundation.read()
    assert clone(foundation).proposed_numbers() == set()
    with foundation.db.write() as session:
        change = session.scalars(sa.select(Change).where(Change.number == 7)).one()
        change.state, change.closed_at = ChangeState.OPEN, None
    foundation.read()
    assert "once more" in page(client, f"/reviews/{foundation.change('7').public_id}")
