"""What each event of a webhook does to our rows. An event that GitHub adds or that we begin to use is one function.

A webhook shows a thing as it was when something happened. The thing is written where it is newer, by GitHub's own
clock, than what is known. What happened is written where the payload names it (a comment, a review, a close with its
time); of a label or a request for review it only says that it was, not when, so its number is put on the list of what
is read again (`app.github.asking`), as is every number of which more must have happened than we know.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions import private
from app.contributions.facts import (
    Event,
    IssueTold,
    PullRequest,
    record_change_events,
    record_issue_events,
    record_issues,
    record_pull_requests,
    record_releases,
)
from app.contributions.gone import forget_events, forget_issue, forget_release
from app.contributions.metrics import EventKind
from app.contributions.models import Change, ChangeSource, Issue, Repository, RepositoryRelease
from app.contributions.registry import being_read, enqueue_ingest
from app.github.asking import RELEASES, ask_to_read
from app.github.connecting import connected_with, connection_of, read_now
from app.github.mapping import Reading
from app.github.places import place_of, repository_at
from app.github.shapes import Call, NonsenseError, Sender

# These change what the thing itself shows, and when exactly they happened is nowhere in the payload.
_HAPPENED_UNDATED = frozenset(
    ("reopened", "ready_for_review", "converted_to_draft", "review_requested", "labeled", "unlabeled", "assigned")
)
_STATES = ("open", "closed", "merged")


class UnknownYetError(Exception):
    """It speaks of a pull request that was never read; its number is asked for, and it is tried again then."""


@dataclass(frozen=True)
class Heard:
    """One call: where, which event, what its body holds, when it came, how to read it; `guid`: GitHub's name of it."""

    session: Session
    repository: Repository
    guid: str
    event: str
    action: str
    payload: dict[str, Any]
    received_at: datetime
    reading: Reading
    actor: audit.Actor

    def __getitem__(self, name: str) -> Any:
        """A part of the body."""
        return self.payload[name]

    def changed(self, name: str) -> bool:
        """Whether an edit changed this."""
        changes = self.payload.get("changes")
        return isinstance(changes, dict) and name in changes

    @property
    def has_happened_undated(self) -> bool:
        """Whether something belongs into the timeline of which the body does not say when it happened."""
        return self.action in _HAPPENED_UNDATED or (self.action == "edited" and self.changed("title"))

    @property
    def sender(self) -> Sender:
        """Whoever did it."""
        return Sender.read(self.payload, what="sender")


Handler = Callable[[Heard], str]
_handlers: dict[str, Handler] = {}


def hears(event: str) -> Callable[[Handler], Handler]:
    """Register what an event does; it gives back what was done, in a few words."""

    def register(function: Handler) -> Handler:
        _handlers[event] = function
        return function

    return register


def handle(heard: Heard) -> str:
    """Do what an event means. Raises: UnknownYetError, NonsenseError."""
    return _handlers[heard.event](heard)


@hears("pull_request")
def _pull_request(heard: Heard) -> str:
    reading, data = heard.reading, heard["pull_request"]
    told = reading.pull_request(data)
    row = _change(heard, told.number)
    if row is None and heard.action != "opened":
        _ask(heard, told.number, "it was never read")
    elif heard.has_happened_undated:
        _ask(heard, told.number, heard.action)
    number, is_tie = row.id if row else 0, False
    if row is not None and row.source_updated_at == told.updated_at:
        is_tie = _words(told) != _words_of(row)
    if is_tie:
        _ask(heard, told.number, "two reports bear one time")
    if row is None or not is_tie or _words(told) > _words_of(row):
        number = record_pull_requests(heard.session, heard.repository.id, [told], measure=False)[told.number]
    events = [reading.opened(data)]
    if heard.action == "closed" and told.closed_at is not None:
        events.append(reading.happened(told.number, EventKind.CLOSED, told.closed_at, heard.sender.sender))
        if told.merged_at is not None:
            by = heard.sender.merged_by or heard.sender.sender
            events.append(reading.happened(told.number, EventKind.MERGED, told.merged_at, by))
    if heard.action == "synchronize" and told.head_sha:
        events.append(
            reading.happened(told.number, EventKind.PUSHED, told.updated_at, heard.sender.sender, value=told.head_sha)
        )
    record_change_events(heard.session, reading.source, {number: events})
    return f"pull request {told.number}: {heard.action}"


@hears("pull_request_review")
def _review(heard: Heard) -> str:
    number = Call.read(heard.payload, what="review").number_spoken_of or 0
    if heard.action == "submitted":
        event = heard.reading.review(heard["review"])
        if event is not None:
            _write_of_change(heard, number, event)
    elif heard.action == "dismissed":
        _ask(heard, number, "a review was dismissed")
    return f"a review of {number}: {heard.action}"


@hears("pull_request_review_comment")
def _review_comment(heard: Heard) -> str:
    number = Call.read(heard.payload, what="comment").number_spoken_of or 0
    event = heard.reading.review_comment(heard["comment"])
    if heard.action == "created":
        _write_of_change(heard, number, event)
    elif heard.action == "deleted":
        forget_events(heard.session, heard.reading.source, [event.external_id])
    return f"a comment on a line of {number}: {heard.action}"


@hears("issue_comment")
def _comment(heard: Heard) -> str:
    number = Call.read(heard.payload, what="comment").number_spoken_of or 0
    event = heard.reading.comment(heard["comment"])
    if heard.action == "deleted":
        forget_events(heard.session, heard.reading.source, [event.external_id])
    issue = heard.reading.issue(heard["issue"])
    events = [event] if heard.action == "created" else []
    if issue is not None:
        _write_issue(heard, issue, [heard.reading.opened(heard["issue"]), *events])
    elif events:
        _write_of_change(heard, number, event)
    return f"a comment on {number}: {heard.action}"


@hears("issues")
def _issue(heard: Heard) -> str:
    told = heard.reading.issue(heard["issue"])
    if told is None or told.number is None:
        return "a pull request among issues was left"
    if heard.action in ("deleted", "transferred"):
        forget_issue(heard.session, heard.repository.id, heard.reading.source, told.external_id)
        if heard.action == "transferred":
            _ask_where_it_went(heard)
        return f"issue {told.number}: {heard.action}"
    events = [heard.reading.opened(heard["issue"])]
    if heard.action == "closed" and told.closed_at is not None:
        who = heard.sender.sender
        events.append(heard.reading.happened(told.number, EventKind.CLOSED, told.closed_at, who))
    if heard.has_happened_undated:
        _ask(heard, told.number, heard.action)
    _write_issue(heard, told, events)
    return f"issue {told.number}: {heard.action}"


@hears("release")
def _release(heard: Heard) -> str:
    source, place = heard.reading.source, heard.repository.id
    told = heard.reading.release(heard["release"])
    if heard.action in ("deleted", "unpublished"):
        external_id = heard.reading.release_id(heard["release"])
        forget_release(heard.session, place, source, external_id, for_good=heard.action == "deleted")
        if heard.action == "unpublished":
            # It may have been published again before we heard of this; the list tells.
            ask_to_read(heard.session, place, RELEASES, because="a release was unpublished")
    elif told is not None:
        row = heard.session.scalar(
            sa.select(RepositoryRelease).where(
                RepositoryRelease.repository_id == place, RepositoryRelease.source == source,
                RepositoryRelease.external_id == told.external_id,
            )
        )  # fmt: skip
        words = (told.published_at, not told.is_prerelease, told.tag, told.name, told.url)
        known = row and (row.published_at, not row.is_prerelease, row.tag, row.name, row.url)
        if known and known != words:
            # A release bears no time of its last change: which of the two is later, its list tells.
            ask_to_read(heard.session, place, RELEASES, because="two reports of a release differ")
        if not known or words > known:
            record_releases(heard.session, place, source, [told])
    return f"a release: {heard.action}"


@hears("push")
@hears("create")
@hears("delete")
def _push(heard: Heard) -> str:
    place = heard.repository.public_id
    if place in being_read(heard.session):
        return "it is being read already; what comes too late for that is found within a minute"
    enqueue_ingest(heard.session, heard.repository, actor=heard.actor, key=f"{place}:{heard.guid}")
    return "git is asked now"


@hears("repository")
def _repository(heard: Heard) -> str:
    call = Call.read(heard.payload, what="repository")
    if heard.action == "edited" and heard.changed("default_branch"):
        return _push(heard)
    if heard.action == "publicized":
        return _publicized(heard)
    if heard.action not in ("renamed", "transferred") or not call.former or not call.repository.url:
        return f"the repository: {heard.action}"
    connection = connection_of(heard.session, heard.repository.id)
    is_new = connection is not None and connection.full_name != call.repository.full_name
    other = connected_with(heard.session, call.repository.full_name, but=connection.id) if connection else None
    if connection is not None and is_new and other is None:
        old, connection.full_name = connection.full_name, call.repository.full_name
        audit.record(heard.session, actor=heard.actor, action="github.rename", thing=heard.repository.public_id,
                     reason=f"GitHub says that it was {heard.action}",
                     data={"from": old, "to": connection.full_name})  # fmt: skip
    if place_of(heard.repository.url) != place_of(call.former):
        return f"{call.repository.full_name}: git fetches from elsewhere, and goes on to do so"
    is_taken = repository_at(heard.session, call.repository.url)
    if is_taken is not None:
        return f"{call.repository.full_name} is {is_taken.name} already"
    old, ending = heard.repository.url, ".git" if heard.repository.url.endswith(".git") else ""
    heard.repository.url = f"{call.repository.url}{ending}"
    audit.record(
        heard.session, actor=heard.actor, action="contributions.repository.move", thing=heard.repository.public_id,
        reason=f"GitHub says that it was {heard.action}", data={"from": old, "to": heard.repository.url},
    )  # fmt: skip
    return f"the repository was {heard.action}: {heard.repository.url}"


def _publicized(heard: Heard) -> str:
    """A call may come late: where GitHub is read, it is asked whether that still holds; else the last call counts."""
    connection, reason = connection_of(heard.session, heard.repository.id), "GitHub says that it is public"
    if connection is not None:
        read_now(heard.session, heard.repository, connection, actor=heard.actor, reason=reason)
        return "GitHub is asked whether it is public again"
    if heard.repository.private_since is not None and heard.received_at < heard.repository.private_since:
        return "it was made private after that"
    private.show(heard.session, heard.repository, actor=heard.actor, reason=reason)
    return "it is public again"


def _change(heard: Heard, number: int) -> Change | None:
    return heard.session.scalar(
        sa.select(Change).where(
            Change.repository_id == heard.repository.id, Change.source_kind == ChangeSource.PULL_REQUEST,
            Change.source_ref == str(number),
        )
    )  # fmt: skip


def _write_of_change(heard: Heard, number: int, event: Event) -> None:
    row = _change(heard, number)
    if row is None:
        _ask(heard, number, "it was never read")
        raise UnknownYetError(f"pull request {number} was never read; it is asked for")
    record_change_events(heard.session, heard.reading.source, {row.id: [event]})


def _write_issue(heard: Heard, told: IssueTold, events: list[Event]) -> None:
    source, place = heard.reading.source, heard.repository.id
    row = heard.session.scalar(
        sa.select(Issue).where(
            Issue.repository_id == place, Issue.source == source, Issue.external_id == told.external_id
        )
    )
    is_tie = row is not None and row.updated_at == told.updated_at and _words(told) != _words_of(row)
    if told.number is not None and is_tie:
        _ask(heard, told.number, "two reports bear one time")
    elif told.number is not None and row is None and heard.action != "opened":
        _ask(heard, told.number, "it was never read")
    if row is not None and is_tie and _words(told) < _words_of(row):
        number: int | None = row.id
    else:
        number = record_issues(heard.session, place, source, [told], measure=False).get(told.external_id)
    if number is not None:
        record_issue_events(heard.session, source, {number: events})


def _words(told: PullRequest | IssueTold) -> tuple[Any, ...]:
    """What a report says, so that of two of one time the same one stays whichever is heard first."""
    ends = (told.head_sha, told.base_ref, told.is_draft) if isinstance(told, PullRequest) else ()
    return (_STATES.index(told.state.value), told.title, sorted(set(told.labels)), *ends)


def _words_of(row: Change | Issue) -> tuple[Any, ...]:
    ends = (row.head_sha, row.base_ref, row.is_draft) if isinstance(row, Change) else ()
    return (_STATES.index(row.state.value), row.title, list(row.labels), *ends)


def _ask(heard: Heard, number: int, because: str) -> None:
    ask_to_read(heard.session, heard.repository.id, number, because=because)


def _ask_where_it_went(heard: Heard) -> None:
    try:
        there = Call.read(
            {"repository": heard["changes"]["new_repository"], "issue": heard["changes"]["new_issue"]}, what="transfer"
        )
    except (KeyError, TypeError):
        raise NonsenseError("GitHub's transfer cannot be read (changes: they do not say where it went)") from None
    place = repository_at(heard.session, there.repository.url)
    if place is not None and there.number_spoken_of is not None:
        ask_to_read(heard.session, place.id, there.number_spoken_of, because="transferred from another repository")
