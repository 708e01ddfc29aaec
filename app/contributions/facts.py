"""Writes down what a source tells of changes, issues and releases: twice is once, and late is as good as in time.

Whoever reads a source (a forge, webhooks, the portal's own reviews) hands over plain values; rows, identities and
measures are made here. A report that is older than what is known changes no row, and an event that is known is left.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.gone import gone, issue_mark, release_mark
from app.contributions.measuring import measure_changes, measure_issues
from app.contributions.metrics.timelines import EventKind
from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeSource,
    ChangeState,
    Issue,
    IssueEvent,
    IssueState,
    RepositoryRelease,
)
from app.contributions.stamps import stamp
from app.people.queries import Wording, intern_identities, note_activity
from app.people.queries.identities import chunks, insert_new

LONGEST_TITLE = 500


@dataclass(frozen=True)
class Event:
    """One thing that happened. `external_id` is unique within the source; `who` as the source writes them.

    `person` (a row number) instead of `who` is somebody who is signed in to the portal.
    """

    kind: EventKind
    at: datetime
    external_id: str
    who: Wording | None = None
    person: int | None = None
    value: str = ""


@dataclass(frozen=True)
class PullRequest:
    """A pull request as its forge tells it. `head_ref`: the branch it comes from, if it is one of this repository.

    A size that is None was not told: what is known of it stays.
    """

    number: int
    title: str
    author: Wording | None
    state: ChangeState
    opened_at: datetime
    updated_at: datetime
    merged_at: datetime | None = None
    closed_at: datetime | None = None
    url: str = ""
    base_ref: str = ""
    base_sha: str = ""
    head_ref: str = ""
    head_sha: str = ""
    is_draft: bool = False
    labels: tuple[str, ...] = ()
    additions: int | None = None
    deletions: int | None = None
    files: int | None = None


@dataclass(frozen=True)
class IssueTold:
    """An issue as its source tells it."""

    external_id: str
    title: str
    author: Wording | None
    state: IssueState
    opened_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
    number: int | None = None
    url: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReleaseTold:
    """A release as its source tells it."""

    external_id: str
    tag: str
    published_at: datetime
    author: Wording | None = None
    name: str = ""
    url: str = ""
    is_prerelease: bool = False


def record_pull_requests(
    session: Session, repository_id: int, told: Sequence[PullRequest], *, measure: bool = True
) -> dict[int, int]:
    """Write pull requests as changes; gives number -> row number of the change.

    A pull request from a branch of the repository itself that is a change already becomes that change: what was said
    of it stays. `measure=False`: the caller records events next, which measures.
    """
    people = _people(session, [one.author for one in told])
    found: dict[int, int] = {}
    for one in told:
        change = _known(session, repository_id, one)
        if change is None:
            change = Change(
                repository_id=repository_id, source_kind=ChangeSource.PULL_REQUEST, source_ref=str(one.number)
            )
            session.add(change)
        elif change.source_updated_at is not None and change.source_updated_at > one.updated_at:
            found[one.number] = change.id
            continue
        change.source_kind, change.source_ref = ChangeSource.PULL_REQUEST, str(one.number)
        _fill(change, one, people)
        session.flush()
        found[one.number] = change.id
    if measure:
        measure_changes(session, list(found.values()))
    return found


def record_issues(
    session: Session, repository_id: int, source: str, told: Sequence[IssueTold], *, measure: bool = True
) -> dict[str, int]:
    """Write issues; gives external id -> row number, but of none that its source took back.

    `measure=False`: the caller records events next.
    """
    people = _people(session, [one.author for one in told])
    found: dict[str, int] = {}
    taken_back = gone(session, source, [issue_mark(repository_id, one.external_id) for one in told])
    for one in told:
        if issue_mark(repository_id, one.external_id) in taken_back:
            continue
        issue = session.scalar(
            sa.select(Issue).where(
                Issue.repository_id == repository_id, Issue.source == source, Issue.external_id == one.external_id
            )
        )
        if issue is None:
            issue = Issue(repository_id=repository_id, source=source, external_id=one.external_id)
            session.add(issue)
        elif issue.updated_at > one.updated_at:
            found[one.external_id] = issue.id
            continue
        issue.number, issue.url, issue.title = one.number, one.url, one.title[:LONGEST_TITLE]
        issue.author_identity_id = people[one.author] if one.author else None
        issue.state, issue.labels = one.state, sorted(set(one.labels))
        issue.opened_at, issue.updated_at = one.opened_at, one.updated_at
        issue.closed_at = one.closed_at if one.state is IssueState.CLOSED else None
        session.flush()
        found[one.external_id] = issue.id
    if measure:
        measure_issues(session, list(found.values()))
    return found


def record_change_events(session: Session, source: str, told: Mapping[int, Sequence[Event]]) -> None:
    """Write what happened to changes (row number -> events) and measure these changes."""
    _record_events(session, ChangeEvent, "change_id", source, told)
    measure_changes(session, list(told))


def record_issue_events(session: Session, source: str, told: Mapping[int, Sequence[Event]]) -> None:
    """Write what happened to issues (row number -> events) and measure these issues."""
    _record_events(session, IssueEvent, "issue_id", source, told)
    measure_issues(session, list(told))


def record_releases(session: Session, repository_id: int, source: str, told: Sequence[ReleaseTold]) -> None:
    """Write the releases of a repository; one that is known already takes its new name, address and date."""
    people = _people(session, [one.author for one in told])
    rows = session.scalars(
        sa.select(RepositoryRelease).where(
            RepositoryRelease.repository_id == repository_id, RepositoryRelease.source == source
        )
    )
    known = {row.external_id: row for row in rows}
    taken_back = gone(session, source, [release_mark(repository_id, one.external_id) for one in told])
    for one in told:
        if release_mark(repository_id, one.external_id) in taken_back:
            continue
        row = known.get(one.external_id)
        if row is None:
            row = RepositoryRelease(repository_id=repository_id, source=source, external_id=one.external_id)
            known[one.external_id] = row
            session.add(row)
        row.tag, row.name, row.url = one.tag[:500], one.name[:500], one.url
        row.author_identity_id = people[one.author] if one.author else None
        row.is_prerelease, row.published_at = one.is_prerelease, one.published_at
    stamp(session, by_people=False)


def _known(session: Session, repository_id: int, one: PullRequest) -> Change | None:
    """The change that a pull request is already: its own row, or that of the open branch it comes from."""
    mine = sa.select(Change).where(Change.repository_id == repository_id)
    found = session.scalar(
        mine.where(Change.source_kind == ChangeSource.PULL_REQUEST, Change.source_ref == str(one.number))
    )
    if found is not None or not one.head_ref or one.state is not ChangeState.OPEN:
        return found
    return session.scalar(
        mine.where(
            Change.source_kind == ChangeSource.BRANCH,
            Change.source_ref == one.head_ref,
            Change.state == ChangeState.OPEN,
        )
    )


def _fill(change: Change, one: PullRequest, people: Mapping[Wording, int]) -> None:
    change.number, change.url, change.title = one.number, one.url, one.title[:LONGEST_TITLE]
    change.author_identity_id = people[one.author] if one.author else None
    _source, name, email, login = one.author or ("", "", "", "")
    if not change.author_name:
        # The gate asks who wrote the commits; what a forge shows stands in until they are read.
        change.author_name, change.author_email = (name or login)[:500], email[:500]
    change.base_ref, change.head_ref = one.base_ref, one.head_ref
    change.base_sha, change.head_sha = one.base_sha or change.base_sha or "", one.head_sha or change.head_sha or ""
    change.state, change.is_draft, change.labels = one.state, one.is_draft, sorted(set(one.labels))
    change.additions = (change.additions or 0) if one.additions is None else one.additions
    change.deletions = (change.deletions or 0) if one.deletions is None else one.deletions
    change.files = change.files if one.files is None else one.files
    change.opened_at = min(change.opened_at, one.opened_at) if change.opened_at else one.opened_at
    change.updated_at = change.source_updated_at = one.updated_at
    is_open = one.state is ChangeState.OPEN
    change.merged_at = one.merged_at if one.state is ChangeState.MERGED else None
    change.closed_at = None if is_open else one.closed_at or one.merged_at or one.updated_at


def _record_events(
    session: Session, table: type[ChangeEvent] | type[IssueEvent], key: str, source: str,
    told: Mapping[int, Sequence[Event]],
) -> None:  # fmt: skip
    everything = [(thing, event) for thing, events in told.items() for event in events]
    taken_back = gone(session, source, [event.external_id for _, event in everything])
    everything = [(thing, event) for thing, event in everything if event.external_id not in taken_back]
    people = _people(session, [event.who for _, event in everything])
    rows: list[dict[str, Any]] = [
        {key: thing, "source": source, "external_id": event.external_id, "kind": event.kind, "at": event.at,
         "identity_id": people[event.who] if event.who else None, "person_id": event.person,
         "value": event.value[:500]}
        for thing, event in everything
    ]  # fmt: skip
    if rows:
        insert_new(session, table, rows)
    seen: dict[int, tuple[Any, Any]] = {}
    for _, event in everything:
        if event.who:
            day, number = event.at.date(), people[event.who]
            first, last = seen.get(number, (day, day))
            seen[number] = (min(first, day), max(last, day))
    note_activity(session, seen)


def _people(session: Session, wordings: Sequence[Wording | None]) -> dict[Wording, int]:
    wanted = [one for one in dict.fromkeys(wordings) if one is not None]
    found: dict[Wording, int] = {}
    for part in chunks(wanted):
        found |= intern_identities(session, part)
    return found
