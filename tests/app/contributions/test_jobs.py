"""The workflows: a repository is read, watched for new heads, and a broken one says why."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app import create_app
from app.audit import Actor
from app.contributions import events
from app.contributions.clones import GitError
from app.contributions.models import Branch, Commit, Repository, RepositoryState, Rollup
from app.contributions.registry import ensure_repository
from app.jobs import Job, JobState, Worker
from app.settings import Settings, session_key
from tests.app.contributions.conftest import BOB
from tests.app.contributions.conftest import Repository as Source


@pytest.fixture
def portal(governed_each, each_url, tmp_path, clock):
    settings = Settings(home=tmp_path / "home", database_url=each_url, session_key="x" * 40, log_json=False)
    settings.home.mkdir()
    session_key(settings.home)
    app = create_app(settings, clock=clock, db=governed_each)
    app.config.update(TESTING=True)
    return app


def add(db, source: Source) -> None:
    with db.write() as session:
        ensure_repository(session, str(source.path), name="one", actor=Actor.system("test"), reason="a test")


def run(portal, *workflows: str) -> None:
    """Run the jobs that are due, as a worker does, and watch again."""
    worker = Worker(portal)
    worker.run_until_idle()
    with portal.extensions["flambeau"].db.write() as session:
        session.execute(sa.text("UPDATE job_schedule SET next_at = '2000-01-01 00:00:00+00:00'"))
    worker.run_until_idle()


def state(db) -> Repository:
    with db.read() as session:
        return session.scalars(sa.select(Repository)).one()


def test_a_repository_is_read_and_a_new_commit_is_noticed(portal, db_each, repository: Source):
    repository.commit("one", {"a": "1\n"})
    add(db_each, repository)
    run(portal)
    assert (state(db_each).state, state(db_each).problem) == (RepositoryState.READY, "")
    head = repository.commit("two", {"a": "2\n"}, author=BOB)
    run(portal)
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Commit)) == 2
        assert session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(Rollup.module_key.is_(None))) == 2
        failed = session.scalars(sa.select(Job).where(Job.state != JobState.SUCCEEDED)).all()
    assert state(db_each).ingested_sha == head
    assert failed == []


def test_listeners_hear_of_every_new_head_and_which_branch_is_protected(
    portal, db_each, repository: Source, monkeypatch
):
    heard: list[tuple[str, bool, str | None, str]] = []

    def listen(_session, _repository, branch: Branch, old: str | None, new: str) -> None:
        heard.append((branch.name, branch.is_protected, old, new))

    monkeypatch.setitem(events._listeners, "test", listen)
    one = repository.commit("one", {"a": "1\n"})
    repository.git("switch", "-qc", "fix")
    two = repository.commit("two")
    add(db_each, repository)
    run(portal)
    assert heard == [("main", True, None, one), ("fix", False, None, two)]
    heard.clear()
    repository.git("switch", "-q", "main")
    repository.git("branch", "-D", "fix")
    three = repository.commit("three")
    run(portal)
    assert heard == [("main", True, one, three)]
    with db_each.read() as session:
        assert session.scalars(sa.select(Branch.name)).all() == ["main"]


def test_a_source_that_goes_away_says_so_and_comes_back(portal, db_each, repository: Source):
    repository.commit("one")
    add(db_each, repository)
    run(portal)
    away = repository.path.with_name("away")
    repository.path.rename(away)
    run(portal)
    assert "does not exist" in state(db_each).problem
    away.rename(repository.path)
    run(portal)
    assert (state(db_each).state, state(db_each).problem) == (RepositoryState.READY, "")


def test_a_folder_that_is_no_repository_is_refused_before_anything_is_written(portal, db_each, tmp_path):
    with pytest.raises(GitError, match="does not answer as a git repository"), db_each.write() as session:
        ensure_repository(session, str(tmp_path), name="none", actor=Actor.system("test"), reason="a test")
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Repository)) == 0


def test_an_empty_repository_is_ready_with_nothing(portal, db_each, repository: Source):
    add(db_each, repository)
    run(portal)
    assert (state(db_each).state, state(db_each).head_sha) == (RepositoryState.READY, None)


def test_adding_the_same_place_twice_gives_the_same_repository(portal, db_each, repository: Source):
    add(db_each, repository)
    add(db_each, repository)
    with db_each.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Repository)) == 1
