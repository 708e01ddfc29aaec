"""A portal with the double of GitHub beside it: what happens there, readings, and what the rows then hold."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from pydantic import SecretStr

from app import create_app
from app.audit import Actor
from app.clock import FixedClock
from app.connections import GitHubReader
from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeMeasure,
    Issue,
    IssueEvent,
    Repository,
    RepositoryRelease,
)
from app.db import Database, database_now
from app.github import reading_jobs  # noqa: F401 - its workflows
from app.github.connecting import ask_for_reading, connect
from app.github.models import GithubConnection
from app.jobs import Job, JobState, Worker
from app.people.models import Identity
from app.settings import Settings
from tests.doubles.github import GitHub
from tests.doubles.github.server import TOKEN

ACTOR = Actor.system("test")


class Killed(BaseException):
    """As if the process ended here: no handler of ours sees it."""


@dataclass
class World:
    """`github` and a portal that reads one repository of it."""

    github: GitHub
    db: Database
    clock: FixedClock
    app: Flask
    repository: str = ""
    asked: int = 0
    waits_s: float = 0.0
    a_day_passes: Callable[[], None] = lambda: None

    def read(self, *, patience: int = 40) -> Job:
        """Read until the job is over, or waits for longer than a moment; the job as it is then."""
        number = self.ask()
        return self.go_on(number, patience=patience)

    def ask(self) -> str:
        """Ask for a reading."""
        self.asked += 1
        with self.db.write() as session:
            repository = session.scalars(sa.select(Repository).where(Repository.public_id == self.repository)).one()
            return ask_for_reading(session, repository, actor=ACTOR, key=f"test:{self.asked}").public_id

    def go_on(self, public_id: str, *, patience: int = 40) -> Job:
        """Let a worker work on what is due; a short wait is over at once, a long one stays."""
        for _ in range(patience):
            self.worker.run_until_idle()
            job, self.waits_s = self.job(public_id), 0.0
            if job.state is not JobState.WAITING:
                return job
            with self.db.read() as session:
                self.waits_s = (job.run_at - database_now(session)).total_seconds()
            if self.waits_s > 3:
                return job
            self.wake(public_id)
        return job

    def watch(self) -> None:
        """Let the portal look by itself which repositories to read, and read them."""
        with self.db.write() as session:
            session.execute(sa.text("UPDATE job_schedule SET next_at = '2020-01-01' WHERE name = 'github-watch'"))
        self.worker.run_until_idle()

    def wake(self, public_id: str) -> None:
        """The wait is over."""
        with self.db.write() as session:
            job = session.scalars(sa.select(Job).where(Job.public_id == public_id)).one()
            job.run_at = job.created_at

    def ask_and_die(self) -> str:
        """Ask for a reading that a worker begins and does not survive; its lease has run out. The job's name."""
        number = self.ask()
        with pytest.raises(Killed):
            self.worker.run_until_idle()
        self.lease_runs_out(number)
        return number

    def lease_runs_out(self, public_id: str) -> None:
        """Whoever works on it, or waits to, is long overdue."""
        with self.db.write() as session:
            job = session.scalars(sa.select(Job).where(Job.public_id == public_id)).one()
            job.lease_expires_at = job.run_at = datetime(2020, 1, 1, tzinfo=UTC)

    def job(self, public_id: str) -> Job:
        """A job as it is."""
        with self.db.read() as session:
            return session.scalars(sa.select(Job).where(Job.public_id == public_id)).one()

    @property
    def worker(self) -> Worker:
        """Somebody who works."""
        return Worker(self.app)

    def rows(self) -> dict[str, Any]:
        """Everything that was read, without row numbers: equal where the same is known."""
        with self.db.read() as session:
            # The double's port is another one each time.
            who = {one.id: (one.source.partition(":")[0], one.login) for one in session.scalars(sa.select(Identity))}
            changes = {one.id: one for one in session.scalars(sa.select(Change))}
            issues = {one.id: one for one in session.scalars(sa.select(Issue))}
            measures = session.scalars(sa.select(ChangeMeasure))
            return {
                "changes": sorted(
                    (one.number or 0, one.title, one.state.value, one.is_draft, tuple(one.labels), one.opened_at,
                     one.updated_at, one.merged_at, one.closed_at, one.head_sha, who.get(one.author_identity_id or 0))
                    for one in changes.values()
                ),
                "issues": sorted(
                    (one.number or 0, one.title, one.state.value, tuple(one.labels), one.updated_at, one.closed_at,
                     who.get(one.author_identity_id or 0)) for one in issues.values()
                ),
                "events": sorted(
                    (changes[one.change_id].number or 0, *_event(one, who))
                    for one in session.scalars(sa.select(ChangeEvent))
                ),
                "issue events": sorted(
                    (issues[one.issue_id].number or 0, *_event(one, who))
                    for one in session.scalars(sa.select(IssueEvent))
                ),
                "measures": sorted(
                    (changes[one.change_id].number or 0, one.waited_s or -1, one.lasted_s or -1, one.reviewers,
                     one.comments, one.reviews) for one in measures
                ),
                "releases": sorted(
                    (one.tag, one.published_at) for one in session.scalars(sa.select(RepositoryRelease))
                ),
            }  # fmt: skip

    def connection(self) -> GithubConnection:
        """The repository's place at GitHub."""
        with self.db.read() as session:
            return session.scalars(sa.select(GithubConnection)).one()

    def spent(self, since: int = 0) -> tuple[int, int]:
        """What requests after the first so many cost: GraphQL's points, and REST's requests."""
        asked = self.github.asked[since:]
        graphql = [one.points for one in asked if one.path == "/api/graphql"]
        return sum(graphql), sum(one.points for one in asked) - sum(graphql)

    def everywhere(self) -> str:
        """All that the database holds, as text: no secret may be in it."""
        with self.db.read() as session:
            found = {}
            for table in sa.inspect(session.get_bind()).get_table_names():
                found[table] = [list(map(str, row)) for row in session.execute(sa.text(f'SELECT * FROM "{table}"'))]
        return json.dumps(found)


def world(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings, *, full_name: str = "acme/tensor",
    **reader: Any,
) -> World:  # fmt: skip
    """A portal that is connected with a repository of the double."""
    known = GitHubReader(issuer=github.url, **(reader or {"token": SecretStr(TOKEN)}))
    made = create_app(settings.model_copy(update={"github": known}), clock=clock, db=db)
    made.config.update(TESTING=True, WTF_CSRF_ENABLED=False)
    with db.write() as session:
        repository = Repository(name="tensor", url=str(Path(settings.home) / "none"), added_at=clock.now())
        session.add(repository)
        session.flush()
        connect(session, repository, full_name, actor=ACTOR, reason="a test begins")
        # The first reading is asked for by the test.
        session.execute(sa.delete(Job))
        return World(github, db, clock, made, repository.public_id)


def _event(one: ChangeEvent | IssueEvent, who: dict[int, tuple[str, str]]) -> tuple[Any, ...]:
    said_by = who.get(one.identity_id or 0, ("", ""))
    return one.at, one.external_id.partition("/")[2], one.kind.value, one.value, said_by


def busy(github: GitHub, clock: FixedClock, *, pulls: int = 6, issues: int = 4, lines: int = 3) -> Callable[[], None]:
    """A repository in which everything has happened; gives what lets a day of it pass."""
    ada, ben, eve = (github.account(login) for login in ("ada", "ben", "eve"))
    bot = github.account("dependabot", "Bot")
    repository = github.repository("acme/tensor")
    for number in range(pulls):
        clock.advance(minutes=1)
        pull = repository.pull(f"Change {number}", (ada, ben, bot, None)[number % 4], draft=number % 5 == 4)
        clock.advance(minutes=1)
        pull.comment(eve)
        pull.comment(None)
        pull.label("bug", ben)
        pull.ask(ben, ada)
        clock.advance(minutes=1)
        review = pull.review(("APPROVED", "CHANGES_REQUESTED", "COMMENTED")[number % 3], ben, lines=lines)
        if number % 4 == 1:
            clock.advance(minutes=1)
            pull.dismiss(review, ada)
        if number % 3 == 0:
            clock.advance(minutes=1)
            pull.merge(ben)
    for number in range(issues):
        clock.advance(minutes=1)
        issue = repository.issue(f"Wish {number}", eve if number % 2 else None)
        clock.advance(minutes=1)
        issue.comment(ada)
        issue.assign(ben, ada)
        if number % 2:
            issue.close(ben)
    repository.release("v1.0", ada)
    repository.release("v2.0-draft", ada, draft=True)
    clock.advance(minutes=5)

    def a_day_passes() -> None:
        clock.advance(days=1)
        repository.things[2].comment(ada)
        repository.things[1].rename("A better title", ada)
        fresh = repository.pull("Add relu", eve)
        clock.advance(minutes=7)
        fresh.review("APPROVED", ada, lines=2)
        fresh.push(eve, force=True)
        first_issue = next(one for one in repository.things.values() if not one.is_pull)
        first_issue.reopen(ada) if first_issue.state == "CLOSED" else first_issue.close(ada)
        repository.release("v1.1", ben)
        clock.advance(minutes=5)

    return a_day_passes
