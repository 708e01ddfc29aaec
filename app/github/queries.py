"""What pages and the terminal show of GitHub as a source: where repositories are there, and how far they are read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import marks
from app.connections import GitHubReader
from app.contributions.models import Repository
from app.github.connecting import FULL_NAME, connection_of, readings_of
from app.github.models import Delivery, DeliveryState, GithubConnection, GithubStream, StreamKind
from app.github.places import place_of
from app.jobs import Job
from app.wording import counted

NOUNS = {
    StreamKind.PULLS: "pull request", StreamKind.ISSUES: "issue", StreamKind.LINES: "line comment",
    StreamKind.RELEASES: "release",
}  # fmt: skip


@dataclass(frozen=True)
class HowFar:
    """One kind of thing: how much of it was seen in the walk under way or in the last one, and how much there is."""

    kind: StreamKind
    seen: int
    total: int
    is_under_way: bool
    is_read: bool

    @property
    def name(self) -> str:
        """What they are called."""
        return f"{NOUNS[self.kind]}s"

    @property
    def said(self) -> str:
        """How many were seen, in words."""
        return counted(self.seen, NOUNS[self.kind])

    @property
    def share(self) -> float | None:
        """How much of it is read; None where nobody knows yet."""
        return min(self.seen / self.total, 1.0) if self.total else None


@dataclass(frozen=True)
class Place:
    """A repository with its place at GitHub (None: it has none) and the last reading of it."""

    repository: Repository
    connection: GithubConnection | None
    job: Job | None
    kinds: tuple[HowFar, ...]

    @property
    def is_under_way(self) -> bool:
        """Whether somebody reads it or waits to do so."""
        return self.job is not None and not self.job.state.is_finished


def place(session: Session, repository: Repository) -> Place:
    """Where a repository is at GitHub, and how far it is read."""
    found = connection_of(session, repository.id)
    if found is None:
        return Place(repository, None, None, ())
    streams = session.scalars(sa.select(GithubStream).where(GithubStream.connection_id == found.id))
    kinds = {one.kind: HowFar(one.kind, one.seen, one.total, one.begun_at is not None, one.read_at is not None)
             for one in streams}  # fmt: skip
    return Place(repository, found, last_reading(session, repository),
                 tuple(kinds[kind] for kind in NOUNS if kind in kinds))  # fmt: skip


def places(session: Session) -> list[Place]:
    """Every repository that is connected, by name."""
    rows = session.scalars(
        sa.select(Repository)
        .join(GithubConnection, GithubConnection.repository_id == Repository.id)
        .order_by(Repository.name)
    )
    return [place(session, one) for one in rows]


def longest_unread(session: Session, *, most: int = 10) -> list[tuple[GithubConnection, Repository]]:
    """Connected repositories, those that need somebody first, then whose last whole reading is longest ago."""
    never = GithubConnection.read_at.is_not(None)
    rows = session.execute(
        sa.select(GithubConnection, Repository)
        .join(Repository, Repository.id == GithubConnection.repository_id)
        .order_by(GithubConnection.problem == "", never, GithubConnection.read_at, Repository.name)
        .limit(most)
    )
    return [(connection, repository) for connection, repository in rows]


@marks.mark("github")
def moved() -> sa.Select[*tuple[Any, ...]]:
    """How often connections were written, and how far their kinds are read."""
    of_connections = sa.select(sa.func.count(GithubConnection.id), sa.func.sum(GithubConnection.version)).subquery()
    columns = (sa.func.count(GithubStream.id), sa.func.count(GithubStream.begun_at), sa.func.max(GithubStream.read_at))
    sums = (sa.func.sum(GithubStream.seen), sa.func.sum(GithubStream.total))
    of_streams = sa.select(*columns, *sums).subquery()
    both = of_connections.join(of_streams, sa.true())
    return sa.select(*of_connections.c, *of_streams.c).select_from(both)


def last_reading(session: Session, repository: Repository) -> Job | None:
    """The latest job that read a repository."""
    return session.scalar(readings_of(repository.public_id).limit(1))


def suggested(repository: Repository, reader: GitHubReader | None) -> str:
    """OWNER/NAME as the address that git fetches from has it, if that is at the GitHub which is read.

    >>> suggested(Repository(url="https://github.com/acme/tensor.git"), GitHubReader())
    'acme/tensor'
    >>> suggested(Repository(url="https://example.org/acme/tensor.git"), GitHubReader())
    ''
    """
    if reader is None or not place_of(repository.url).startswith(place_of(reader.issuer) + "/"):
        return ""
    name = "/".join(repository.url.rstrip("/").removesuffix(".git").split("/")[-2:])
    return name if FULL_NAME.fullmatch(name) else ""


@dataclass(frozen=True)
class Heard:
    """What webhooks told of a repository in the last month: when last, how much, and what could not be used."""

    last_at: datetime | None
    number: int
    waiting: int
    failed: tuple[Delivery, ...]


def heard(session: Session, repository: Repository) -> Heard:
    """What webhooks told of a repository; of those that failed the last few."""
    mine = Delivery.repository_id == repository.id
    waits = sa.func.count(sa.case((Delivery.state == DeliveryState.WAITING, 1)))
    last_at, number, waiting = session.execute(
        sa.select(sa.func.max(Delivery.received_at), sa.func.count(Delivery.id), waits).where(mine)
    ).one()
    failed = sa.select(Delivery).where(mine, Delivery.state == DeliveryState.FAILED).order_by(Delivery.id.desc())
    return Heard(last_at, number, waiting, tuple(session.scalars(failed.limit(5))))
