"""What is counted equals what plain git counts, on whatever history, however often it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from app.audit import Actor, AuditEntry
from app.contributions import models, queries
from app.contributions.clones import Clone
from app.contributions.ingest import Reader, plan
from app.contributions.lines import LineCounter
from app.contributions.mailmaps import read_mailmap
from app.contributions.metrics import Kind, strands
from app.contributions.models import Commit, Repository, RepositoryCommit, Rollup
from app.contributions.modules import modules_are_current, remake_modules
from app.contributions.queries import EVERYTHING, Scope
from app.contributions.rollups import roll_all
from app.contributions.settling import settle
from app.contributions.windows import Window
from app.db import Database
from app.members.models import Organization
from app.members.rules import OrganizationKind
from app.modules.models import Module
from app.people import queries as people
from app.people.models import Identity, IdentityPerson, Person
from app.people.rules import DecisionKind, StatementSource
from tests.app.contributions.conftest import ANNE, BOB
from tests.app.contributions.conftest import Repository as Source
from tests.app.contributions.sums import added_up, written_sums

NOW = datetime(2026, 1, 15, 12, tzinfo=UTC)
OWN = (Kind.COMMIT, Kind.MERGE, Kind.BOT)


@pytest.fixture
def read(db_each: Database, tmp_path: Path) -> Callable[..., Repository]:
    """`read(source)`: fetch and ingest a repository into the database, as the workflow's steps do."""

    def run(
        source: Source | Path, name: str = "one", *, batch: int = 1000, stop_after: int | None = None
    ) -> Repository:
        location = str(source.path if isinstance(source, Source) else source)
        with db_each.write() as session:
            row = session.scalar(sa.select(Repository).where(Repository.name == name))
            row = row or Repository(name=name, url=location, added_at=NOW)
            session.add(row)
            session.flush()
            clone = Clone(tmp_path / "clones" / name)
            answer = clone.fetch(location)
            row.head_sha = answer.branches.get(answer.default_branch or "")
        with db_each.read() as session:
            todo = plan(session, clone, row)
        if stop_after is not None:
            todo = replace(todo, missing=todo.missing[:stop_after])
        reader = Reader(clone=clone, repository_id=row.id, job="j_test", source="r_test", now=NOW,
                        writing=db_each.write, report=lambda _done, _all: None, batch=batch)  # fmt: skip
        reader.run(todo)
        if stop_after is None:
            with db_each.write() as session:
                row = session.get_one(Repository, row.id)
                read_mailmap(session, row, clone)
                row.ingested_sha = todo.head
        settle(db_each.write)
        LineCounter(clone, row.id, "j_test", "r_test", db_each.write, batch=batch).run()
        return row

    return run


def shortlog(db: Database, repository: Repository, clone: Clone) -> dict[tuple[str, str], int]:
    """Our count by author, mapped by the mailmap."""
    with db.read() as session:
        rows = session.execute(
            sa.select(Identity.name, Identity.email, sa.func.count())
            .join(Commit, Commit.author_identity_id == Identity.id)
            .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
            .where(RepositoryCommit.repository_id == repository.id)
            .group_by(Identity.id, Identity.name, Identity.email)
        ).all()
    mapped = clone.mailmap([(name, email) for name, email, _ in rows], commit=str(repository.head_sha))
    counted: Counter[tuple[str, str]] = Counter()
    for who, (_name, _email, count) in zip(mapped, rows, strict=True):
        counted[who] += count
    return dict(counted)


def totals(db: Database, repository: Repository) -> tuple[int, int, int]:
    """Commits, added and deleted lines of the repository, from the rollup."""
    with db.read() as session:
        row = session.execute(
            sa.select(sa.func.sum(Rollup.commits), sa.func.sum(Rollup.added), sa.func.sum(Rollup.deleted)).where(
                Rollup.repository_id == repository.id, Rollup.module_key.is_(None), Rollup.kind.in_(OWN))
        ).one()  # fmt: skip
    return tuple(int(value or 0) for value in row)


def gits_totals(source: Source, *arguments: str) -> tuple[int, int, int]:
    lines = source.text("log", "--numstat", "--no-renames", "--format=format:commit", *arguments).splitlines()
    numbers = [line.split("\t") for line in lines if "\t" in line]
    return (lines.count("commit"), sum(int(n[0]) for n in numbers if n[0] != "-"),
            sum(int(n[1]) for n in numbers if n[1] != "-"))  # fmt: skip


def rollup(db: Database) -> list[str]:
    """Everything counted; that its sums are what adding it up gives is checked on the way."""
    with db.read() as session:
        assert written_sums(session) == added_up(session)
        columns = [column for column in Rollup.__table__.columns if column.name != "id"]
        return sorted(map(str, session.execute(sa.select(*columns))))


def everything(db: Database) -> dict[str, int]:
    with db.read() as session:
        tables = [models.Commit, models.RepositoryCommit, models.ChangePath, models.CommitTrailer, Identity, Person]
        return {table.__tablename__: session.scalar(sa.select(sa.func.count()).select_from(table)) for table in tables}


@pytest.fixture
def varied(repository: Source) -> Source:
    """A history with everything that gives ingests trouble."""
    repository.commit("one", {"a": "1\n2\n3\n", ".mailmap": "Anne Arc <anne@arc.example> <old@arc.example>\n"})
    repository.commit("old address", {"a": "1\n"}, author=("anne", "old@arc.example"))
    repository.git("switch", "-qc", "side")
    trailers = "Co-authored-by: Cy Coy <cy@coy.example>\nReviewed-by: Anne Arc <anne@arc.example>"
    repository.commit(f"with help (#2)\n\n{trailers}", {"b": "x\n"}, author=BOB)
    repository.git("mv", "a", "renamed")
    repository.commit("moved", author=BOB)
    repository.git("switch", "-q", "main")
    repository.git("commit", "--quiet", "--allow-empty", "--file=-", given="Grüße\n".encode("latin-1"),
                   **repository.who(("Jos\udce9", "jose@x.example"), at_s=0))  # fmt: skip
    repository.merge("side", author=BOB)
    repository.commit("binary", {"pic": b"\0\1"}, author=("-", "anon@x.example"), committer=ANNE)
    repository.commit("bot", {"c": "1\n"}, author=("tidy[bot]", "1+tidy[bot]@users.noreply.github.com"))
    return repository


def test_authors_commits_and_lines_equal_plain_gits(db_each, varied: Source, read, tmp_path):
    repository = read(varied, batch=3)

    expected = varied.shortlog("main")
    ours = shortlog(db_each, repository, Clone(tmp_path / "clones" / "one"))
    assert ours == expected
    assert totals(db_each, repository) == gits_totals(varied, "main")


def test_people_are_told_apart_and_joined_by_the_mailmap(db_each, varied: Source, read):
    read(varied)

    with db_each.read() as session:
        rows = session.execute(
            sa.select(Person.name, Rollup.kind, sa.func.sum(Rollup.commits))
            .join(Person, Person.id == Rollup.person_id).where(Rollup.module_key.is_(None))
            .group_by(Person.name, Rollup.kind)
        ).all()  # fmt: skip
    counted = {(name, kind.value): count for name, kind, count in rows}
    assert counted[("Anne Arc", "commit")] == 2
    assert counted[("Anne Arc", "reviewed")] == 1
    assert counted[("Bob Bell", "commit")] == 2
    assert counted[("Bob Bell", "merge")] == 1
    assert counted[("Cy Coy", "co-authored")] == 1
    assert counted[("tidy[bot]", "bot")] == 1


def test_reading_again_changes_nothing(db_each, varied: Source, read):
    read(varied)
    before = rollup(db_each), everything(db_each)
    read(varied)
    assert (rollup(db_each), everything(db_each)) == before


def test_reading_bit_by_bit_equals_reading_at_once(db_each, varied: Source, read, tmp_path):
    head = varied.text("rev-parse", "main")
    for back in (5, 3, 1, 0):
        varied.git("update-ref", "refs/heads/main", f"{head}~{back}")
        repository = read(varied, batch=2)
    bits = rollup(db_each)
    with db_each.write() as session:
        roll_all(session)
    assert rollup(db_each) == bits
    assert totals(db_each, repository) == gits_totals(varied, "main")


@pytest.mark.parametrize("stop_after", [0, 1, 4, 7])
def test_a_reading_that_was_broken_off_is_finished_later(db_each, varied: Source, read, stop_after: int):
    read(varied, batch=2, stop_after=stop_after)
    repository = read(varied)
    assert totals(db_each, repository) == gits_totals(varied, "main")


def test_a_rewritten_history_takes_back_what_is_gone(db_each, varied: Source, read):
    read(varied)
    varied.git("reset", "-q", "--hard", "main~2")
    varied.commit("another end", {"z": "1\n"}, author=BOB)

    repository = read(varied)

    assert totals(db_each, repository) == gits_totals(varied, "main")
    with db_each.read() as session:
        assert not session.scalar(sa.select(Rollup.id).where(Rollup.kind == Kind.BOT))


def test_an_emptied_repository_counts_nothing(db_each, varied: Source, read):
    read(varied)
    varied.git("checkout", "-q", "--detach")
    for branch in ("main", "side"):
        varied.git("branch", "-D", branch)
    repository = read(varied)
    assert totals(db_each, repository) == (0, 0, 0)


def test_a_commit_in_two_repositories_is_one_commit(db_each, varied: Source, read, tmp_path):
    fork = Source(tmp_path / "fork")
    varied.git("clone", "-q", str(varied.path), str(fork.path))
    fork.commit("only here", {"new": "1\n"}, author=BOB)
    one, other = read(varied), read(fork, "two")

    assert totals(db_each, one) == gits_totals(varied, "main")
    assert totals(db_each, other) == gits_totals(fork, "main")
    with db_each.read() as session:
        counted = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
            Rollup.is_counted, Rollup.module_key.is_(None), Rollup.kind.in_(OWN)))  # fmt: skip
        assert counted == session.scalar(sa.select(sa.func.count()).select_from(Commit))
    varied.git("reset", "-q", "--hard", "main~2")
    read(varied)
    with db_each.read() as session:
        counted = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
            Rollup.is_counted, Rollup.module_key.is_(None), Rollup.kind.in_(OWN)))  # fmt: skip
        assert counted == gits_totals(fork, "main")[0]


def test_a_commit_of_1970_counts_on_its_committers_day(db_each, repository: Source, read):
    repository.commit("x", {"a": "1\n"}, at_s=1_700_000_000)
    raw = repository.text("cat-file", "commit", "HEAD").replace(
        "anne@arc.example> 1700000000", "anne@arc.example> 0", 1
    )
    made = repository.git("hash-object", "-t", "commit", "-w", "--stdin", given=raw.encode() + b"\n").decode().strip()
    repository.git("update-ref", "refs/heads/main", made)
    read(repository)
    with db_each.read() as session:
        assert session.scalar(sa.select(Rollup.day)) == datetime.fromtimestamp(1_700_000_000, UTC).date()
        assert session.scalars(sa.select(Commit.is_redated).order_by(Commit.id)).all() == [True]


def test_a_hostile_message_is_only_text(db_each, repository: Source, read):
    message = (
        "'; DROP TABLE person; -- \x01 \u202e <script>\n\n"
        + "Reviewed-by: " * 3
        + "\nSigned-off-by: <>\n"
        + "x" * 10**6
    )
    repository.commit(message, {"a": "1\n"}, author=("b Bold", "a@b\udcff"))
    repository.commit("", author=BOB)
    row = read(repository)
    assert totals(db_each, row)[0] == 2


def test_this_repositorys_own_history_is_counted_as_git_does(db_each, read, tmp_path):
    root = Path(__file__).resolve().parents[3]
    if not (root / ".git").exists():
        pytest.skip("this copy of the sources has no git history")
    repository = read(root)
    source = Source(tmp_path / "clones" / "one")
    assert shortlog(db_each, repository, Clone(source.path)) == source.shortlog(str(repository.head_sha))
    assert totals(db_each, repository) == gits_totals(source, str(repository.head_sha))


def test_each_batch_leaves_one_audit_entry(db_each, varied: Source, read):
    read(varied, batch=3)
    with db_each.read() as session:
        entries = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "observe")).all()
        assert [entry.values["rows"] for entry in entries] == [3, 3, 2, 3, 3]  # commits, then lines


def test_every_identity_that_commits_is_somebody(db_each, varied: Source, read):
    read(varied)
    with db_each.read() as session:
        named = sa.select(IdentityPerson.identity_id)
        lost = session.scalars(sa.select(Identity.name).where(Identity.id.not_in(named))).all()
    assert lost == []


def commits_of(db: Database, name: str) -> dict[str, int]:
    with db.read() as session:
        rows = session.execute(
            sa.select(Rollup.kind, sa.func.sum(Rollup.commits)).join(Person, Person.id == Rollup.person_id)
            .where(Person.name == name, Rollup.module_key.is_(None)).group_by(Rollup.kind)
        )  # fmt: skip
        return {kind.value: int(count) for kind, count in rows}


def identity(session: sa.orm.Session, name: str) -> Identity:
    return session.scalars(sa.select(Identity).where(Identity.name == name)).first()


def test_decisions_and_their_undoing_count_at_once(db_each, varied: Source, read):
    read(varied)
    before = rollup(db_each)
    actor = Actor.system("test")
    with db_each.write() as session:
        decision = people.decide(session, DecisionKind.SAME_AS, identity(session, "Bob Bell"), actor=actor,
                                 reason="they said so", other=identity(session, "Cy Coy"))  # fmt: skip
        people.resolve(session)
    assert commits_of(db_each, "Bob Bell") == {"commit": 2, "merge": 1}  # nobody is their own co-author
    with db_each.write() as session:
        people.undo(session, session.merge(decision), actor=actor, reason="they did not")
    assert rollup(db_each) == before


def test_a_landing_bots_commit_is_the_first_co_authors(db_each, repository: Source, read):
    trailers = "Co-authored-by: Anne Arc <anne@arc.example>\nCo-authored-by: Bob Bell <bob@bell.example>"
    repository.commit(f"land\n\n{trailers}", {"a": "1\n2\n"}, author=("lander", "land@x.example"))
    repository.commit("alone", {"b": "1\n"}, author=("lander", "land@x.example"))
    read(repository)
    with db_each.write() as session:
        people.decide(session, DecisionKind.LANDING_BOT_FOR, identity(session, "lander"), actor=Actor.system("test"),
                      reason="it lands what others wrote", landing_for="anybody")  # fmt: skip
        people.resolve(session)
    assert commits_of(db_each, "Anne Arc") == {"commit": 1}
    assert commits_of(db_each, "Bob Bell") == {"co-authored": 1}
    assert commits_of(db_each, "lander") == {"bot": 1}
    before = rollup(db_each)
    with db_each.write() as session:  # the next co-author is the first, as soon as Anne is none
        decision = people.decide(session, DecisionKind.BOT, identity(session, "Anne Arc"),
                                 actor=Actor.system("test"), reason="a script")  # fmt: skip
        people.resolve(session)
    assert commits_of(db_each, "Bob Bell") == {"commit": 1}
    assert commits_of(db_each, "lander") == {"bot": 1}
    with db_each.write() as session:
        people.undo(session, session.merge(decision), actor=Actor.system("test"), reason="she is none")
        people.resolve(session)
    assert rollup(db_each) == before


def test_whoever_a_landed_commit_is_credited_to_neither_reviewed_it_nor_helped_themselves(
    db_each, repository: Source, read
):
    named = ("Co-authored-by: Anne Arc <anne@arc.example>", "Co-authored-by: Anne A. <anne@arc.example>",
             "Co-authored-by: Bob Bell <bob@bell.example>", "Reviewed-by: Anne Arc <anne@arc.example>",
             "Reviewed-by: Bob Bell <bob@bell.example>")  # fmt: skip
    repository.commit("land\n\n" + "\n".join(named), {"a": "1\n"}, author=("lander", "land@x.example"))
    read(repository)
    with db_each.write() as session:
        decision = people.decide(session, DecisionKind.LANDING_BOT_FOR, identity(session, "lander"),
                                 actor=Actor.system("test"), reason="it lands", landing_for="anybody")  # fmt: skip
        people.resolve(session)
    assert commits_of(db_each, "Anne Arc") == {"commit": 1}
    assert commits_of(db_each, "Bob Bell") == {"co-authored": 1, "reviewed": 1}
    counted = rollup(db_each)
    with db_each.write() as session:
        roll_all(session)
    assert rollup(db_each) == counted
    with db_each.write() as session:
        people.undo(session, session.merge(decision), actor=Actor.system("test"), reason="it is somebody")
        people.resolve(session)
    assert commits_of(db_each, "Anne Arc") == {"co-authored": 1, "reviewed": 1}


def test_an_affiliation_counts_at_once_and_only_on_its_days(db_each, repository: Source, read):
    for day in (1, 10, 20):
        at = datetime(2025, 6, day, tzinfo=UTC)
        repository.commit(f"day {day}", {"a": f"{day}\n"}, at_s=int(at.timestamp()))
    read(repository)
    with db_each.write() as session:
        acme = Organization(name="Acme", slug="acme", kind=OrganizationKind.COMPANY, created_at=NOW)
        session.add(acme)
        session.flush()
        anne = session.scalars(sa.select(Person).where(Person.name == "Anne Arc")).one()
        for organization, first, last in ((acme.id, 5, 10), (None, 11, None)):
            people.state(session, anne, organization, starts_on=date(2025, 6, first),
                         ends_on=date(2025, 6, last) if last else None, source=StatementSource.SELF,
                         actor=Actor.system("test"), reason="said so")  # fmt: skip
    with db_each.read() as session:
        rows = session.execute(sa.select(Rollup.day, Rollup.attribution, Rollup.organization_id).order_by(Rollup.day))
        found = [(day.day, attribution.value, number) for day, attribution, number in rows]
    assert found == [(1, "unknown", None), (10, "organization", acme.id), (20, "independent", None)]


def test_module_figures_follow_the_paths_of_governance(db_each, varied: Source, read):
    with db_each.write() as session:
        session.add(Module(key="b", name="B", summary="", paths=["b", "c"], position=1))
    read(varied)
    with db_each.read() as session:
        sums = sa.select(Rollup.module_key, sa.func.sum(Rollup.commits), sa.func.sum(Rollup.added))
        own = sums.where(Rollup.module_key.is_not(None), Rollup.kind.in_(OWN))
        rows = session.execute(own.group_by(Rollup.module_key)).all()
    assert [tuple(row) for row in rows] == [("b", 2, 2)]
    with db_each.write() as session:
        session.scalars(sa.select(Module)).one().paths = ["b"]
        session.flush()
        assert not modules_are_current(session)
        remake_modules(session)
        assert modules_are_current(session)
        commits = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
            Rollup.module_key == "b", Rollup.kind.in_(OWN)))  # fmt: skip
    assert commits == 1


@pytest.mark.parametrize("days", [90, 400, 3000, 9000])
def test_the_same_history_reads_the_same_through_every_window(db_each, varied: Source, read, days: int):
    repository = read(varied)
    until = date(2026, 1, 15)
    window = Window(until - timedelta(days=days - 1), until)
    with db_each.read() as session:
        found = queries.cells_by_organization(session, EVERYTHING, window)
        figures = queries.headline(session, EVERYTHING, window)
        recent = queries.recent_commits(session, Scope(repository=repository.id))
        by_module = queries.commits_by_module(session, EVERYTHING, window)
        drawn = sum(strand.total for strand in strands(found, window.periods()))
    # Three of people's seven commits have absurd dates and count on the day of reading; the bot's is not people's.
    assert figures.commits == drawn == (3 if days < 800 else 7)
    assert len(recent) == 8
    assert [one.role for one in recent].count("bot") == 1
    assert by_module == {}
