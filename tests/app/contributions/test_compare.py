"""Every figure equals plain git's, on generated histories with every oddity, in whatever steps they are read."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from shutil import copy

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.clock import FixedClock
from app.contributions.clones import Clone
from app.contributions.ingest import Reader, plan
from app.contributions.lines import LineCounter
from app.contributions.mailmaps import read_mailmap
from app.contributions.models import Commit, LineCountDue, Repository, RepositoryCommit
from app.contributions.settling import settle
from app.db import Database
from tests.app.contributions.conftest import Repository as Source
from tests.app.contributions.odd import make_odd
from tests.compare_with_git import compare

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)


@pytest.mark.slow
def test_every_figure_of_an_odd_history_equals_plain_gits(db_each: Database, repository: Source, tmp_path: Path):
    make_odd(repository)
    clone = Clone(tmp_path / "clone.git")
    clone.fetch(str(repository.path))

    results = compare(db_each, clone, now=NOW)

    assert {one.name: one.differ for one in results if one.differ} == {}
    assert all(one.compared for one in results)


# A history as Hypothesis draws it: each commit has parents among those before, an author, paths that it writes.
AUTHORS = ("Ada <ada@a.example>", "ada <ADA@a.example>", "Bo <bo@b.example>", "tidy[bot] <1+tidy[bot]@x.example>")
MESSAGES = ("one", "two (#2)\n\nCo-authored-by: Bo <bo@b.example>", "three\n\nReviewed-by: Cy <cy@c.example>\n",
            'Revert "one"\n\nThis reverts commit 00000000.', "Signed-off-by: Ada <ada@a.example>", "")  # fmt: skip
COMMITS = st.lists(
    st.tuples(
        st.sampled_from(AUTHORS), st.sampled_from(MESSAGES), st.integers(0, 2_000_000_000),
        st.lists(st.integers(1, 4), max_size=3),
        st.dictionaries(st.sampled_from("abc"), st.text("xy\n", max_size=6), max_size=2),
    ),
    min_size=1, max_size=12,
)  # fmt: skip


def imported(path: Path, commits: list) -> list[str]:
    """Write a history with fast-import; the hashes of its commits, of which the last is main."""
    out = [b"feature done\n"]
    for number, (author, message, at, back, files) in enumerate(commits, start=1):
        parents = list(dict.fromkeys(number - one for one in back if number - one >= 1))
        out.append(f"commit refs/x/{number}\nmark :{number}\n".encode())
        out += [f"{who} {author} {at} +0000\n".encode() for who in ("author", "committer")]
        out.append(f"data {len(message.encode())}\n{message}\n".encode())
        out += [f"{'merge' if at_ else 'from'} :{one}\n".encode() for at_, one in enumerate(parents)]
        out += [f"M 644 inline {name}\ndata {len(text)}\n{text}\n".encode() for name, text in files.items()]
    out.append(b"done\n")
    subprocess.run(["git", "init", "-q", "--bare", "--initial-branch=main", str(path)], check=True)
    subprocess.run(["git", f"--git-dir={path}", "fast-import", "--quiet", "--force"], input=b"".join(out), check=True)
    names = [f"refs/x/{number}" for number in range(1, len(commits) + 1)]
    answer = subprocess.run(["git", f"--git-dir={path}", "rev-parse", *names], check=True, capture_output=True)
    shas = answer.stdout.decode().split()
    show(path, shas[-1])
    return shas


def show(path: Path, sha: str) -> None:
    subprocess.run(["git", f"--git-dir={path}", "update-ref", "refs/heads/main", sha], check=True)


class Portal:
    """A database of its own, read into as the workflows do."""

    def __init__(self, template: Path, folder: Path, name: str) -> None:
        copy(template, folder / f"{name}.db")
        self.db = Database(f"sqlite:///{folder / name}.db", clock=FixedClock(NOW))
        self._folder, self._name = folder, name

    def read(self, source: Path, *, batch: int = 1000, lines: bool = True) -> None:
        clone = Clone(self._folder / f"{self._name}-{source.name}")
        answer = clone.fetch(str(source))
        with self.db.write() as session:
            row = session.scalar(sa.select(Repository).where(Repository.name == source.name))
            row = row or Repository(name=source.name, url=str(source), added_at=NOW)
            session.add(row)
            row.head_sha = answer.branches["main"]
        with self.db.read() as session:
            todo = plan(session, clone, row)
        Reader(clone=clone, repository_id=row.id, job="j", source="r", now=NOW, writing=self.db.write,
               report=lambda _done, _all: None, batch=batch).run(todo)  # fmt: skip
        with self.db.write() as session:
            row = session.get_one(Repository, row.id)
            read_mailmap(session, row, clone)
            row.ingested_sha = todo.head
        settle(self.db.write)
        if lines:
            LineCounter(clone, row.id, "j", "r", self.db.write, batch=batch).run()

    def standing(self, *, apart: bool = True) -> list[list[str]]:
        """Commits held and the rollup, without numbers of rows; `apart`: with which repository counts a commit."""
        counted = ", r.is_counted" if apart else ""
        queries = (
            """SELECT o.name, c.sha, c.added, c.deleted, c.paths FROM repository_commit r
               JOIN "commit" c ON c.id = r.commit_id JOIN repository o ON o.id = r.repository_id""",
            """SELECT c.sha, p.path, p.status, p.added, p.deleted FROM change_path p JOIN "commit" c
               ON c.id = p.commit_id WHERE c.id IN (SELECT commit_id FROM repository_commit)""",
            f"""SELECT o.name, r.day, r.kind, p.name, sum(r.commits), sum(r.added), sum(r.deleted),
                sum(r.without_lines){counted} FROM rollup r JOIN repository o ON o.id = r.repository_id
                JOIN person p ON p.id = r.person_id GROUP BY o.name, r.day, r.kind, p.name{counted}""",
            """SELECT r.kind, sum(r.commits), sum(r.added) FROM rollup r WHERE r.is_counted GROUP BY r.kind""",
        )
        with self.db.read() as session:
            return [sorted(map(str, session.execute(sa.text(query)))) for query in queries]

    def close(self) -> None:
        self.db.close()


@pytest.fixture
def portals(sqlite_template: Path):
    """`portals()`: a context in which `make(name)` gives a fresh portal and `folder` a place for sources."""
    return lambda: Portals(sqlite_template)


class Portals:
    def __init__(self, template: Path) -> None:
        self._template, self._made = template, []
        self._folder = tempfile.TemporaryDirectory()
        self.folder = Path(self._folder.name)

    def make(self) -> Portal:
        self._made.append(Portal(self._template, self.folder, f"portal-{len(self._made)}"))
        return self._made[-1]

    def __enter__(self) -> Portals:
        return self

    def __exit__(self, *_error: object) -> None:
        for one in self._made:
            one.close()
        self._folder.cleanup()


LAW = settings(max_examples=int(os.environ.get("FLAMBEAU_INGEST_EXAMPLES", "4")), deadline=None, derandomize=True,
               suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.NonInteractiveExampleWarning")


@pytest.mark.slow
@LAW
@given(commits=COMMITS)
def test_reading_twice_is_reading_once(portals: Callable[[], Portals], commits: list):
    with portals() as these:
        imported(these.folder / "one", commits)
        portal = these.make()
        portal.read(these.folder / "one")
        before = portal.standing()
        portal.read(these.folder / "one", batch=2)
        assert portal.standing() == before


@pytest.mark.slow
@LAW
@given(commits=COMMITS, steps=st.lists(st.tuples(st.integers(0, 11), st.integers(1, 4), st.booleans()), max_size=3))
def test_increments_and_rewritten_histories_end_as_the_full_history(portals: Callable[[], Portals], commits, steps):
    with portals() as these:
        source = these.folder / "one"
        shas = imported(source, commits)
        portal, whole = these.make(), these.make()
        for place, batch, lines in steps:
            show(source, shas[place % len(shas)])
            portal.read(source, batch=batch, lines=lines)
        show(source, shas[-1])
        portal.read(source)
        whole.read(source)
        assert portal.standing() == whole.standing()
        with portal.db.read() as session:
            assert session.scalar(sa.select(sa.func.count()).select_from(LineCountDue)) == 0


@pytest.mark.slow
@LAW
@given(commits=COMMITS, fork=st.integers(0, 11))
def test_the_order_of_repositories_does_not_matter(portals: Callable[[], Portals], commits, fork: int):
    with portals() as these:
        one, other = these.folder / "one", these.folder / "other"
        shas = imported(one, commits)
        imported(other, commits)
        show(other, shas[fork % len(shas)])  # a fork that holds some of the same commits
        forth, back = these.make(), these.make()
        for source in (one, other):
            forth.read(source)
        for source in (other, one):
            back.read(source)
        assert forth.standing(apart=False) == back.standing(apart=False)


def test_commits_that_are_read_have_no_lines_until_the_second_pass(portals, repository: Source):
    with portals() as these:
        repository.commit("one", {"a": "1\n2\n"})
        repository.commit("nothing")
        portal = these.make()
        portal.read(repository.path, lines=False)
        with portal.db.read() as session:
            assert session.execute(sa.select(Commit.added).order_by(Commit.id)).scalars().all() == [None, 0]
            assert session.scalar(sa.select(sa.func.count()).select_from(RepositoryCommit)) == 2
            assert session.scalar(sa.text("SELECT sum(without_lines) FROM rollup")) == 1
        portal.read(repository.path)
        with portal.db.read() as session:
            assert session.execute(sa.select(Commit.added).order_by(Commit.id)).scalars().all() == [2, 0]
            assert session.scalar(sa.text("SELECT sum(without_lines) FROM rollup")) == 0
