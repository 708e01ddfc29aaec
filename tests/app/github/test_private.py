"""A repository that is made private at GitHub: what was read of it is neither shown nor found, until it is public."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from flask import Flask

from app.audit import AuditEntry
from app.clock import FixedClock
from app.contributions.models import Change, Issue, Repository, RepositoryRelease
from app.db import Database
from app.jobs import JobState
from app.reviews import queries as reviews
from app.search import queries as search
from app.search.models import Kind, SearchTerm
from app.settings import Settings
from tests.app.github.conftest import Hooked, count, example
from tests.app.github.test_reading_as_whom import pem
from tests.app.github.world import World, busy, world
from tests.doubles.github import GitHub

HIDE, SHOW = "contributions.repository.hide", "contributions.repository.show"


def shown(app: Flask, db: Database) -> dict[str, Any]:
    """What a stranger gets to see of changes, issues and releases."""
    client = app.test_client()
    with db.read() as session:
        change, issue = session.scalars(sa.select(Change)).first(), session.scalars(sa.select(Issue)).first()
        place = session.scalars(sa.select(Repository.public_id).order_by(Repository.id)).first()
        hits = {kind: len(search.find(session, text).hits.get(kind, []))
                for kind, text in ((Kind.CHANGE, change.title), (Kind.ISSUE, issue.title))}  # fmt: skip
    told = [client.get(f"/api/v1/{path}").status_code for path in (
        f"changes/{change.public_id}", f"changes/{change.public_id}/timeline", f"issues/{issue.public_id}",
        f"issues/{issue.public_id}/timeline")]  # fmt: skip
    listed = [len(client.get(f"/api/v1/{path}").json["items"])
              for path in ("changes", "issues", f"repositories/{place}/releases")]  # fmt: skip
    with db.read() as session:
        queued = [reviews.open_count(session), reviews.newest_open(session)]
    # Without governance/ the page of a change that is there answers 503.
    pages = [client.get(f"/reviews/{change.public_id}").status_code,
             change.title in client.get("/contributions/reviews").text, any(queued)]  # fmt: skip
    return {"hits": hits, "api": told, "listed": [one > 0 for one in listed], "pages": pages}


NOTHING = {"hits": {Kind.CHANGE: 0, Kind.ISSUE: 0}, "api": [404] * 4, "listed": [False] * 3,
           "pages": [404, False, False]}  # fmt: skip


def done(db: Database) -> list[str]:
    with db.read() as session:
        asked = sa.select(AuditEntry.action).where(AuditEntry.action.in_([HIDE, SHOW])).order_by(AuditEntry.number)
        return list(session.scalars(asked))


def words(db: Database) -> set[str]:
    with db.read() as session:
        return set(session.scalars(sa.select(SearchTerm.text)))


def test_what_is_privatized_is_hidden_with_that_call_and_comes_back_when_it_is_publicized(
    hook_each: Hooked, clock: FixedClock
) -> None:
    hook = hook_each
    hook.hear("pull_request", example("pull_request", "opened", pull_request__title="Quaternion kernels"))
    hook.hear("issues", example("issues", "opened", issue__title="Zebra stripes"))
    hook.hear("release", example("release", "published"))
    search.work_off(hook.db)
    before = shown(hook.app, hook.db)
    assert before == {"hits": {Kind.CHANGE: 1, Kind.ISSUE: 1}, "api": [200] * 4, "listed": [True] * 3,
                      "pages": [503, True, True]}  # fmt: skip

    of_it = example("repository", "edited") | {"repository": example("issues", "opened")["repository"]}
    of_it["repository"]["private"] = True
    for action in ("privatized", "edited"):
        answer = hook.send("repository", of_it | {"action": action})
        assert (answer.status_code, "is private" in answer.json["said"]) == (200, True)
    assert shown(hook.app, hook.db) == NOTHING
    assert done(hook.db) == [HIDE], "once"
    search.work_off(hook.db)
    search.ask_for_missing(hook.db)
    with hook.db.read() as session:
        assert not search.is_behind(session), "what is hidden is not missed"
    assert {"quaternion", "zebra"} & words(hook.db) == set()
    assert "Private at its source" in hook.app.test_client().get("/contributions/repositories/r_0000").text

    of_it["repository"]["private"] = False
    hook.hear("repository", of_it | {"action": "publicized"})
    search.work_off(hook.db)
    assert shown(hook.app, hook.db) == before
    assert done(hook.db) == [HIDE, SHOW]

    # Neither is handled before both are there.
    hook.send("repository", of_it | {"action": "publicized", "changes": {}})
    clock.advance(seconds=1)
    of_it["repository"]["private"] = True
    hook.send("repository", of_it | {"action": "privatized"})
    hook.handle()
    assert shown(hook.app, hook.db) == NOTHING
    assert done(hook.db) == [HIDE, SHOW, HIDE]


def test_where_github_is_read_it_is_asked_whether_what_was_publicized_still_is(small: World, github: GitHub) -> None:
    small.read()
    github.repositories[0].is_private = True
    assert small.read().state is JobState.NEEDS_PERSON
    assert shown(small.app, small.db) == NOTHING
    assert (count(small.db, Change), count(small.db, RepositoryRelease)) == (6, 1), "all is kept"
    assert (small.connection().etag != "", done(small.db)) == (True, [HIDE])

    github.repositories[0].is_private = False
    assert small.read().state is JobState.SUCCEEDED
    search.work_off(small.db)
    assert shown(small.app, small.db)["api"] == [200] * 4
    assert done(small.db) == [HIDE, SHOW]


def test_what_is_not_there_for_the_token_any_more_is_hidden_and_looked_for_once_a_day(
    small: World, github: GitHub, clock: FixedClock
) -> None:
    small.read()
    away = github.repositories.pop()
    assert small.read().state is JobState.NEEDS_PERSON
    assert shown(small.app, small.db) == NOTHING
    github.repositories.append(away)
    clock.advance(hours=20)
    small.watch()
    assert done(small.db) == [HIDE]
    clock.advance(hours=5)
    small.watch()
    assert done(small.db) == [HIDE, SHOW]
    assert small.connection().problem == ""


def test_an_app_that_is_not_installed_says_nothing_of_the_repository(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    busy(github, clock)
    github.installations[7] = "acme"
    made = world(github, db, clock, settings, app_id="1", app_key=pem())
    assert made.read().state is JobState.SUCCEEDED
    github.installations.clear()
    assert made.read().state is JobState.NEEDS_PERSON
    assert done(db) == []
