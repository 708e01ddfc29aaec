"""Workflows that read GitHub: `github-watch` looks who is due, `github-read` reads one repository.

A step gives way to other jobs every half minute and wherever GitHub wants to be left alone: it waits in the job's row,
with the sentence that says for what, and goes on by the cursors in `github_stream`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.measuring import settle_measures
from app.contributions.models import Repository
from app.contributions.registry import being_read, by_public_id
from app.github.asking import repositories_due
from app.github.client import AwayError, Client, NeedsPersonError, WaitError
from app.github.connecting import READ, ask_for_reading, connection_of, may_go_on, read_now
from app.github.listening import resolve_newcomers
from app.github.models import NOTHING_SET, GithubConnection, GithubStream, StreamKind
from app.github.places import source_at
from app.github.queries import NOUNS
from app.github.reading import Puller
from app.github.shapes import NonsenseError
from app.github.sweeping import Sweeper
from app.jobs import Failed, NeedsPerson, NotYet, StepContext, Workflow, schedule
from app.people.queries import refresh_proposals

FOR_S = 30.0
EVERY = timedelta(minutes=5)
LOOKS_AGAIN = timedelta(days=1)
MOST_FAILURES = 8
LONGEST_PAUSE_S = 600
UNSET = ("no token for GitHub is set; put one into a file and name it in FLAMBEAU_GITHUB_TOKEN_FILE, or register a "
         "GitHub App (docs/contributions.md)")  # fmt: skip

read = Workflow(READ, title="Read a repository's pull requests, issues and releases")
watch = Workflow("github-watch", title="Look which repositories to read at GitHub", attempts=1)
schedule("github-watch", every_s=60, workflow="github-watch")


@read.opens
def identify(step: StepContext) -> None:
    """See that it is the repository that it was, under whatever name, and public: whenever a worker begins or goes on.

    So no reading passes it by: none that waited, none of a dead worker, none that somebody runs again on its page.
    """
    with _writing(step) as session:
        _connection(session, step).asked_at = step.clock.now()
    _guarded(step, StreamKind.PULLS, lambda puller: puller.identify())


@read.step("repository")
def begin(step: StepContext) -> dict[str, Any]:
    """Write down under which name it is read."""
    with step.db.read() as session:
        return {"name": _connection(session, step).full_name}


@read.step("pull requests")
def read_pulls(step: StepContext) -> dict[str, Any]:
    """Read pull requests with what happened to them."""
    return _walked(step, StreamKind.PULLS)


@read.step("issues")
def read_issues(step: StepContext) -> dict[str, Any]:
    """Read issues with what happened to them."""
    return _walked(step, StreamKind.ISSUES)


@read.step("comments on lines")
def read_lines(step: StepContext) -> dict[str, Any]:
    """Read the comments on lines of pull requests."""
    if not _guarded(step, StreamKind.LINES, lambda puller: puller.lines()):
        raise NotYet(0.1, "line comments are being read")
    return {}


@read.step("releases")
def read_releases(step: StepContext) -> dict[str, Any]:
    """Read releases."""
    _guarded(step, StreamKind.RELEASES, lambda puller: puller.releases())
    return {}


@read.step("what is gone")
def look_for_what_is_gone(step: StepContext) -> dict[str, Any]:
    """Once a week, look for what was deleted and nobody told of."""
    for kind in (StreamKind.PULLS_AGAIN, StreamKind.ISSUES_AGAIN):
        _looked(step, kind)
    _guarded(step, StreamKind.LINES_AGAIN, lambda puller: Sweeper(puller).lines())
    return {}


@read.step("asked for")
def read_numbers(step: StepContext) -> dict[str, Any]:
    """Read again what webhooks told too little of."""
    return {"read": _guarded(step, StreamKind.PULLS, lambda puller: puller.numbers())}


@read.step("settle")
def settle(step: StepContext) -> dict[str, Any]:
    """Find out who those are that nobody had seen before, bring the figures up, and note that all is read."""
    with _writing(step) as session:
        resolve_newcomers(session)
    settle_measures(lambda: _writing(step))
    with _writing(step) as session:
        refresh_proposals(session)
    with _writing(step) as session:
        connection = _connection(session, step)
        connection.read_at, connection.problem, connection.refused = step.clock.now(), "", ""
        mine = sa.update(GithubStream).where(GithubStream.connection_id == connection.id)
        session.execute(mine.values(failures=0))
    return {}


@watch.step("look")
def look(step: StepContext) -> dict[str, int]:
    """Enqueue a reading of each repository that was not read for a while, or of which webhooks asked for more."""
    if step.settings.github is None:
        return {"asked": 0}
    asked, mark = 0, step.settings.github.renewed().mark(step.settings.session_key)
    with step.db.write() as session:
        due, busy, now = set(repositories_due(session)), being_read(session, READ), step.clock.now()
        before = now - EVERY
        rows = session.execute(
            sa.select(Repository, GithubConnection)
            .join(GithubConnection, GithubConnection.repository_id == Repository.id)
            .order_by(Repository.id)
        )
        for repository, connection in rows.all():
            is_due = connection.asked_at is None or connection.asked_at <= before or repository.id in due
            # What needs somebody waits for somebody: until they ask for it, or give the portal other credentials.
            if may_go_on(connection, mark):
                read_now(session, repository, connection, actor=step.actor, reason="other credentials may read it")
                asked += 1
            elif is_due and repository.public_id not in busy and _may_be_asked(repository, connection, now):
                key = f"{repository.public_id}:{step.job.public_id}"
                ask_for_reading(session, repository, actor=step.actor, key=key, is_routine=True)
                asked += 1
    return {"asked": asked}


def _may_be_asked(repository: Repository, connection: GithubConnection, now: datetime) -> bool:
    """Not where somebody is needed; but what was private is asked for once a day, since it may be public again."""
    is_long_ago = connection.asked_at is None or connection.asked_at <= now - LOOKS_AGAIN
    return not connection.problem or (repository.private_since is not None and is_long_ago)


def _walked(step: StepContext, kind: StreamKind) -> dict[str, Any]:
    if not _guarded(step, kind, lambda puller: puller.walk(kind)):
        raise NotYet(0.1, _so_far(step, kind))
    return {}


def _looked(step: StepContext, kind: StreamKind) -> None:
    if not _guarded(step, kind, lambda puller: Sweeper(puller).look(kind)):
        raise NotYet(0.1, "looking for what is gone")


def _guarded(step: StepContext, kind: StreamKind, act: Callable[[Puller], Any]) -> Any:
    """Read; what goes wrong becomes a wait that says so, or an end that says what somebody must do."""
    begun = time.monotonic()
    puller = _puller(step, lambda: time.monotonic() - begun > FOR_S)
    try:
        found = act(puller)
    except WaitError as error:
        raise NotYet(error.wait_s, str(error)) from None
    except NeedsPersonError as error:
        _note_problem(step, str(error), puller.client.reader.mark(step.settings.session_key))
        raise NeedsPerson(str(error)) from None
    except (AwayError, NonsenseError) as error:
        failures = _count_failure(step, puller, kind)
        if failures >= MOST_FAILURES:
            raise Failed(f"{error}; tried {failures} times, and tried again in a while") from None
        raise NotYet(min(5.0 * 2**failures, LONGEST_PAUSE_S), f"{error}; trying again") from None
    if puller.client.requests:
        step.log(f"{puller.client.requests:,} requests, {puller.client.points:,} points of GitHub's hour")
    return found


def _puller(step: StepContext, is_over: Callable[[], bool]) -> Puller:
    if step.settings.github is None:
        _note_problem(step, UNSET, NOTHING_SET)
        raise NeedsPerson(UNSET)
    reader = step.settings.github.renewed()
    with step.db.read() as session:
        repository = _repository(session, step)
        connection = _connection(session, step)

    def report(kind: StreamKind, seen: int, total: int) -> None:
        said = f"{seen:,} of {total:,} {NOUNS[kind]}s" if total else f"{NOUNS[kind]}s"
        step.progress(min(seen / total, 1.0) if total else None, said)

    return Puller(
        client=Client(reader, connection.full_name, step.clock), connection_id=connection.id,
        repository_id=repository.id, public_id=repository.public_id,
        source=source_at(f"{reader.issuer}/{connection.full_name}"), job=step.job.public_id, clock=step.clock,
        writing=lambda: _writing(step), report=report, is_over=is_over,
    )  # fmt: skip


@contextmanager
def _writing(step: StepContext) -> Iterator[Session]:
    """A transaction that holds the job's lease: a worker that lost it can write nothing more."""
    with step.lease.transaction() as (session, _job):
        yield session


def _repository(session: Session, step: StepContext) -> Repository:
    found = by_public_id(session, str(step.payload["repository"]))
    if found is None:
        raise Failed(f"there is no repository {step.payload['repository']!r} any more; nothing to read")
    return found


def _connection(session: Session, step: StepContext) -> GithubConnection:
    found = connection_of(session, _repository(session, step).id)
    if found is None:
        raise Failed("the repository is not connected with GitHub any more; nothing to read")
    return found


def _note_problem(step: StepContext, sentence: str, refused: str) -> None:
    with _writing(step) as session:
        connection = _connection(session, step)
        connection.problem, connection.refused = sentence[:1000], refused


def _count_failure(step: StepContext, puller: Puller, kind: StreamKind) -> int:
    """How often in a row it has failed; the last time that counts begins anew."""
    with _writing(step) as session:
        stream = session.scalar(
            sa.select(GithubStream).where(GithubStream.connection_id == puller.connection_id, GithubStream.kind == kind)
        )
        if stream is None:
            stream = GithubStream(connection_id=puller.connection_id, kind=kind, failures=0)
            session.add(stream)
        failures = stream.failures + 1
        stream.failures = failures if failures < MOST_FAILURES else 0
        return failures


def _so_far(step: StepContext, kind: StreamKind) -> str:
    with step.db.read() as session:
        stream = session.scalar(
            sa.select(GithubStream).where(
                GithubStream.connection_id == _connection(session, step).id, GithubStream.kind == kind
            )
        )
        return f"{stream.seen:,} of {stream.total:,} {NOUNS[kind]}s" if stream else f"{NOUNS[kind]}s"
