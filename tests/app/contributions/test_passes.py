"""The two passes as workflows: what pages say meanwhile, what a limit stops, what goes on after a stop."""

from __future__ import annotations

from functools import partial

import pytest
import sqlalchemy as sa

from app import create_app
from app.audit import Actor
from app.contributions import jobs, queries
from app.contributions.lines import LineCounter
from app.contributions.models import Commit, LineCountDue, Repository, RepositoryState
from app.contributions.registry import ensure_repository
from app.jobs import Job, JobState, NotYet, Worker
from app.settings import Settings
from tests.app.contributions.conftest import Repository as Source
from tests.portal import send

SYSTEM = Actor.system("test")
pytestmark = pytest.mark.slow


def add(db, source: Source, name: str = "one") -> None:
    with db.write() as session:
        ensure_repository(session, str(source.path), name=name, actor=SYSTEM, reason="a test")


def only(db, name: str = "one") -> Repository:
    with db.read() as session:
        return session.scalars(sa.select(Repository).where(Repository.name == name)).one()


@pytest.fixture
def read_without_lines(app, governed, db, repository: Source, monkeypatch) -> Source:
    """A repository whose commits are read; its lines are not yet counted, and will be one commit at a time."""
    for number in range(4):
        repository.commit(f"commit {number}", {"a": f"{number}\n" * (number + 1)})
    add(db, repository)
    monkeypatch.setattr(jobs, "LINES_FOR_S", -1.0)
    monkeypatch.setattr(jobs, "LineCounter", partial(LineCounter, batch=1))
    Worker(app).run_once()
    return repository


def test_pages_have_figures_before_the_lines_are_counted(read_without_lines, app, db, client, monkeypatch):
    shown = only(db)
    assert shown.state is RepositoryState.READY
    page = client.get(f"/contributions/repositories/{shown.public_id}").text
    assert "0 of 4 commits counted" in page
    assert "counted for 0% of the commits" in page
    overview = client.get("/contributions/?window=all").text
    assert ", 0% of commits counted" in overview
    assert "Lines: 0% of commits counted." in overview

    monkeypatch.setattr(jobs, "NotYet", lambda _seconds, because: NotYet(3600, because))
    worker = Worker(app)
    for counted in range(1, 4):
        worker.run_until_idle()  # counting gives way
        assert f"{counted} of 4 commits counted" in client.get(f"/contributions/repositories/{shown.public_id}").text
        with db.write() as session:
            session.execute(sa.text("UPDATE job SET run_at = '2000-01-01 00:00:00+00:00' WHERE workflow = 'lines'"))
    worker.run_until_idle()

    page = client.get(f"/contributions/repositories/{shown.public_id}").text
    assert "<dd>counted</dd>" in page
    assert "Lines: 100% of commits counted." in client.get("/contributions/?window=all").text
    rows = client.get("/contributions/figures/lines-over-time.json?window=all").json
    assert rows["lines_counted_share"] == 1
    assert sum(row[1] for row in rows["rows"]) == 10


def test_lines_that_nobody_counts_are_asked_for_again(read_without_lines, app, db, monkeypatch):
    monkeypatch.setattr(jobs, "LineCounter", LineCounter)
    with db.write() as session:
        job = session.scalars(sa.select(Job).where(Job.workflow == "lines")).one()
        job.state = JobState.CANCELLED
    worker = Worker(app)
    worker.run_until_idle()
    with db.write() as session:
        session.execute(sa.text("UPDATE job_schedule SET next_at = '2000-01-01 00:00:00+00:00'"))
    worker.run_until_idle()
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(LineCountDue)) == 0
        assert sorted(session.scalars(sa.select(Commit.added))) == [1, 2, 3, 4]


def test_the_command_waits_for_both_passes(read_without_lines, app, db):
    answer = app.test_cli_runner().invoke(args=["contributions", "list"])
    assert "4 commits, lines of 0%" in answer.output
    answer = app.test_cli_runner().invoke(args=["contributions", "read", "one"])
    assert answer.output.strip().endswith("one: 4 commits counted")


@pytest.mark.parametrize(("limit", "said"), [
    ({"commit_limit": 2}, "has 3 commits and a repository may have 2; raise FLAMBEAU_COMMIT_LIMIT"),
    ({"clone_limit_gb": 1e-7}, "that a repository may take; raise FLAMBEAU_CLONE_LIMIT_GB"),
    ({"free_disk_gb": 1e9}, "must stay free; make room or lower FLAMBEAU_FREE_DISK_GB"),
])  # fmt: skip
def test_a_repository_over_a_limit_says_so_and_leaves_nothing(limit, said, settings, governed, db, clock, repository):
    for number in range(3):
        repository.commit(f"commit {number}", {"a": f"{number}\n"})
    add(db, repository)
    app = create_app(Settings(**(settings.model_dump() | limit)), clock=clock, db=db)
    Worker(app).run_until_idle()

    stopped = only(db)
    assert said in stopped.problem
    assert stopped.state is RepositoryState.FAILED
    assert list((settings.home / "clones").iterdir()) == []
    page = app.test_client().get(f"/contributions/repositories/{stopped.public_id}").text
    assert "Its branches are not known yet." in page
    assert "<dd>counted</dd>" not in page
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Commit)) == 0
        assert queries.passes(session, stopped).lines_due == 0


def test_one_repository_over_a_limit_does_not_stop_another(settings, governed, db, clock, repository, tmp_path):
    for number in range(3):
        repository.commit(f"commit {number}")
    small = Source(tmp_path / "small").start()
    small.commit("one")
    add(db, repository)
    add(db, small, "two")
    app = create_app(Settings(**(settings.model_dump() | {"commit_limit": 2})), clock=clock, db=db)
    Worker(app).run_until_idle()
    assert only(db).state is RepositoryState.FAILED
    assert only(db, "two").state is RepositoryState.READY


@pytest.mark.parametrize("address", ["http://127.0.0.1/a.git", "https://localhost/a.git", "http://169.254.169.254/a"])
def test_a_form_does_not_reach_the_private_network(administrator, db, address: str):
    sent = {"location": address, "name": "one", "reason": "a test"}
    answer = send(administrator, "/contributions/repositories/", sent)
    assert answer.status_code == 422
    assert "private network" in answer.text
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Repository)) == 0


def test_a_head_that_points_nowhere_and_a_default_branch_that_moves(app, governed, db, repository: Source, tmp_path):
    repository.commit("one")
    bare = tmp_path / "bare.git"
    repository.git("clone", "-q", "--bare", str(repository.path), str(bare))
    repository.git(f"--git-dir={bare}", "symbolic-ref", "HEAD", "refs/heads/nowhere")
    with db.write() as session:
        ensure_repository(session, str(bare), name="one", actor=SYSTEM, reason="a test")
    worker = Worker(app)
    worker.run_until_idle()
    assert only(db).default_branch == "main"

    repository.git(f"--git-dir={bare}", "branch", "-m", "main", "trunk-of-ours")
    repository.git(f"--git-dir={bare}", "symbolic-ref", "HEAD", "refs/heads/trunk-of-ours")
    with db.write() as session:
        session.execute(sa.text("UPDATE job_schedule SET next_at = '2000-01-01 00:00:00+00:00'"))
    worker.run_until_idle()
    moved = only(db)
    assert (moved.default_branch, moved.state) == ("trunk-of-ours", RepositoryState.READY)
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Commit)) == 1
