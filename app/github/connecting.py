"""Connects a repository with its place at GitHub, parts it again, and asks for a reading: each with a reason."""

from __future__ import annotations

import re

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit, jobs
from app.checks import Broken, checked, has_reason
from app.contributions.models import Repository
from app.db import clock_of
from app.github.models import GithubConnection
from app.jobs import Job, JobState

READ = "github-read"
# What GitHub allows: an owner without dashes at its ends, a name of letters, digits, dots, dashes and underscores.
FULL_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,98}[A-Za-z0-9])?(?:_[A-Za-z0-9]+)?/[A-Za-z0-9._-]{1,100}")


def connection_of(session: Session, repository_id: int) -> GithubConnection | None:
    """A repository's place at GitHub."""
    return session.scalar(sa.select(GithubConnection).where(GithubConnection.repository_id == repository_id))


def connected_with(session: Session, full_name: str, number: int | None = None, *, but: int = 0) -> str | None:
    """The name of the repository that is connected with this place, by its name or GitHub's number; not `but`'s row."""
    is_it = sa.func.lower(GithubConnection.full_name) == full_name.lower()
    if number is not None:
        is_it = sa.or_(is_it, GithubConnection.github_number == number)
    wanted = sa.select(Repository.name).join(GithubConnection, GithubConnection.repository_id == Repository.id)
    return session.scalar(wanted.where(is_it, GithubConnection.id != but).limit(1))


def _is_a_full_name(full_name: str) -> Broken:
    if not FULL_NAME.fullmatch(full_name) or full_name.endswith(("/.", "/..")):
        yield "full_name", f"{full_name!r} is no repository of GitHub; write OWNER/NAME as its address has it"


def _is_not_connected(session: Session, repository: Repository) -> Broken:
    if (known := connection_of(session, repository.id)) is not None:
        yield "full_name", f"{repository.name} is connected with {known.full_name} already; part them first"


def _is_nobody_elses(session: Session, full_name: str) -> Broken:
    if (found := connected_with(session, full_name)) is not None:
        yield "full_name", f"{full_name} is connected with {found} already"


@checked(_is_a_full_name, _is_not_connected, _is_nobody_elses, has_reason)
def connect(
    session: Session, repository: Repository, full_name: str, *, actor: audit.Actor, reason: str
) -> GithubConnection:
    """Say where a repository is at GitHub, and enqueue its first reading; one audit entry. Raises: RefusedError."""
    made = GithubConnection(repository_id=repository.id, full_name=full_name, connected_at=clock_of(session).now())
    session.add(made)
    session.flush()
    audit.record(session, actor=actor, action="github.connect", thing=repository.public_id, reason=reason,
                 data={"github": full_name})  # fmt: skip
    ask_for_reading(session, repository, actor=actor, key=_key(repository, made, "connected"))
    return made


@checked(has_reason)
def disconnect(session: Session, repository: Repository, *, actor: audit.Actor, reason: str) -> None:
    """Part a repository from its place at GitHub; what was read stays. One audit entry."""
    found = connection_of(session, repository.id)
    if found is None:
        return
    audit.record(session, actor=actor, action="github.disconnect", thing=repository.public_id, reason=reason,
                 data={"github": found.full_name})  # fmt: skip
    _take_over(session, repository.public_id, actor, "they are parted")
    session.delete(found)
    session.flush()


def _key(repository: Repository, connection: GithubConnection, why: str) -> str:
    """The key of a reading that somebody asked for; what is parted and connected again counts its versions anew."""
    return f"{repository.public_id}:{why}:{connection.connected_at:%Y%m%dT%H%M%S.%f}:{connection.version}"


def read_now(
    session: Session, repository: Repository, connection: GithubConnection, *, actor: audit.Actor, reason: str
) -> Job:
    """Have it read, though something may have needed somebody who has mended it by now; one audit entry."""
    job = ask_for_reading(session, repository, actor=actor, key=_key(repository, connection, "asked"))
    connection.problem = connection.refused = ""
    connection.version += 1
    audit.record(session, actor=actor, action="github.read", thing=repository.public_id, reason=reason)
    return job


def may_go_on(connection: GithubConnection, mark: str) -> bool:
    """Whether it needed somebody, and may be read by now: with other credentials than those that were refused."""
    return bool(connection.problem) and connection.refused not in ("", mark)


def ask_for_reading(
    session: Session, repository: Repository, *, actor: audit.Actor, key: str, is_routine: bool = False
) -> Job:
    """Ask for what is new at GitHub to be read; the one that is under way, if there is one.

    `is_routine`: nobody asked, so that it is one of many, of which only the last are kept.
    """
    if (found := reading_under_way(session, repository.public_id)) is not None:
        return found
    _take_over(session, repository.public_id, actor, "another reading takes its place")
    round_of = f"{READ}:{repository.public_id}" if is_routine else None
    if round_of:
        jobs.forget_old_runs(session, round_of)
    return jobs.enqueue(
        session, READ, {"repository": repository.public_id}, actor=actor, key=key, scheduled_by=round_of
    )


def reading_under_way(session: Session, public_id: str) -> Job | None:
    """The job that reads a repository just now or waits to do so."""
    return session.scalar(readings_of(public_id).where(Job.state.in_(jobs.UNDER_WAY)).limit(1))


def _take_over(session: Session, public_id: str, actor: audit.Actor, reason: str) -> None:
    """End the reading that waits for somebody, if there is one: what it read stays, with where it was."""
    for job in session.scalars(readings_of(public_id).where(Job.state == JobState.NEEDS_PERSON)).all():
        jobs.cancel(session, job, actor, reason)


def readings_of(public_id: str) -> sa.Select[Job]:
    """The jobs that read a repository, the newest first."""
    mine = Job.payload["repository"].as_string() == public_id
    return sa.select(Job).where(Job.workflow == READ, mine).order_by(Job.id.desc())
