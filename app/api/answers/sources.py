"""Where facts come from: a repository's place at GitHub, and how far all figures can be trusted."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from flask import abort
from pydantic import Field
from sqlalchemy.orm import Session

from app.api.answers.figures import WindowAsked, asked_look
from app.api.answers.work import RepositoryAsked
from app.api.fields import Answer, RepositoryId
from app.api.operations import operation
from app.contributions.figures.quality import gaps
from app.contributions.registry import by_public_id
from app.github import queries
from app.github.models import StreamKind
from app.pages import veiled


class Stream(Answer):
    """Things of one kind: how many the reading under way, or the last one, has seen, and how many there are."""

    kind: StreamKind
    seen: int
    total: int
    is_under_way: bool
    is_read: bool


class Unusable(Answer):
    """A webhook's call that could not be used, and why."""

    received_at: datetime
    event: str
    action: str
    note: str


class HeardByItself(Answer):
    """What webhooks told in the last month."""

    last_at: datetime | None
    number: int
    waiting: Annotated[int, Field(description="What speaks of a pull request that is being read.")]
    failed: Annotated[list[Unusable], Field(description="The last few.")]


class PlaceAtGithub(Answer):
    """Where a repository is at GitHub, and how far its pull requests, issues and releases are read."""

    repository: str
    full_name: Annotated[str | None, Field(description="OWNER/NAME; null where it is not connected.")]
    problem: Annotated[str, Field(description="What somebody must do before it is read on; mostly empty.")]
    connected_at: datetime | None
    read_at: Annotated[datetime | None, Field(description="When all of it was read last.")]
    job: Annotated[str | None, Field(description="The last reading.")]
    is_under_way: bool
    kinds: list[Stream]
    heard: HeardByItself


class DataQuality(Answer):
    """What is not known, and what waits for somebody; shares are of the commits of these days."""

    unattributed: Annotated[float | None, Field(description="By whom nobody knows whom they worked for.")]
    lines_counted: float | None
    questions: Annotated[int, Field(description="Proposals of who is who that wait for an answer.")]
    redated: Annotated[int, Field(description="Commits with absurd dates, counted on the day they were committed.")]
    remarks: Annotated[int, Field(description="What readers said is wrong, and nobody has answered.")]
    hidden: Annotated[int, Field(description="People who are counted and named nowhere.")]


class QualityAsked(WindowAsked):
    """In which days, of what."""

    repository: RepositoryId | None = None


@operation("/repositories/{repository}/github", subject="Repositories")
def repository_at_github(session: Session, asked: RepositoryAsked) -> PlaceAtGithub:
    """Where a repository is at GitHub, and how far it is read."""
    found = by_public_id(session, asked.repository) or abort(404, f"There is no repository {asked.repository}.")
    place, heard = queries.place(session, found), queries.heard(session, found)
    at = place.connection
    return PlaceAtGithub(
        repository=found.public_id, full_name=at.full_name if at else None, problem=at.problem if at else "",
        connected_at=at.connected_at if at else None, read_at=at.read_at if at else None,
        job=place.job.public_id if place.job else None, is_under_way=place.is_under_way,
        kinds=[Stream.model_validate(one) for one in place.kinds],
        heard=HeardByItself(
            last_at=heard.last_at, number=heard.number, waiting=heard.waiting,
            failed=[Unusable(received_at=one.received_at, event=one.event, action=one.action, note=veiled(one.note))
                    for one in heard.failed]),
    )  # fmt: skip


@operation("/data-quality", subject="Figures")
def data_quality(session: Session, asked: QualityAsked) -> DataQuality:
    """How far the figures of these days can be trusted, in a few numbers; the figures of the page say more."""
    return DataQuality.model_validate(gaps(asked_look(session, asked)))
