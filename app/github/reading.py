"""Reads what is new at GitHub into facts: page after page, each whole with its cursor in one transaction.

Pull requests and issues are walked from the newest change back to what is known, so that a first reading shows the
present first, and a later one is a page or two. Whatever changes during a walk is newer than its beginning and comes
with the next. A worker that is killed leaves the last whole page and its cursor behind; another goes on from there.
Before a walk REST is asked for the newest thing with its ETag: where nothing has changed that costs nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.clock import Clock
from app.contributions import private
from app.contributions.facts import (
    Event,
    IssueTold,
    PullRequest,
    ReleaseTold,
    record_change_events,
    record_issue_events,
    record_issues,
    record_pull_requests,
    record_releases,
)
from app.contributions.models import Change, ChangeEvent, ChangeSource, IssueEvent, Repository
from app.db import Turn, take_turn
from app.github.asking import RELEASES, numbers_due, numbers_read
from app.github.client import Answer, Client, CursorError, NeedsPersonError, NotShownError, TooMuchError
from app.github.confirming import confirm
from app.github.connecting import connected_with
from app.github.mapping import Reading
from app.github.missing import (
    close_lost_pulls,
    forget_issues,
    forget_lost_comments,
    forget_releases,
    issues_of,
    open_pulls_of,
    unlisted_releases,
)
from app.github.models import GithubConnection, GithubStream, StreamKind
from app.github.pages import Page, Thing, numbered, page
from app.github.questions import FEWEST, ISSUES, MOST, PULLS, TOGETHER
from app.github.shapes import Itself, Line, NonsenseError

Writing = Callable[[], AbstractContextManager[Session]]
_NEWEST = {"state": "all", "sort": "updated", "direction": "desc", "per_page": 1}


@dataclass
class Puller:
    """Reads one repository. `writing` opens the transaction of one page; `report` hears what was read of how much.

    `is_over` is asked after each page whether to stop for now.
    """

    client: Client
    connection_id: int
    repository_id: int
    public_id: str
    source: str
    job: str
    clock: Clock
    writing: Writing
    report: Callable[[StreamKind, int, int], None] = lambda _kind, _seen, _total: None
    is_over: Callable[[], bool] = lambda: False

    def identify(self) -> str:
        """Make sure that it is still the same repository; its name as it is now, taken over if it was renamed."""
        with self.writing() as session:
            known = session.get_one(GithubConnection, self.connection_id)
            number, etag, old = known.github_number, known.etag, known.full_name
            is_hidden = session.get_one(Repository, self.repository_id).private_since is not None
        try:
            answer = self.client.read("", etag="" if is_hidden else etag)
        except NotShownError:
            self._hide("GitHub shows nothing there: it is private, or gone")
            raise
        if answer.data is None:
            return old
        found = Itself.read(answer.data, what="repository")
        if number is not None and number != found.number:
            raise NeedsPersonError(f"{old} is another repository at GitHub now than the one that was read; part them, "
                                   "and connect again if it is meant")  # fmt: skip
        if found.is_private:
            self._hide("GitHub says that it is private")
            raise NeedsPersonError(f"{old} is private at GitHub, and whoever opens the portal would read it here; "
                                   "make it public, or part them")  # fmt: skip
        with self.writing() as session:
            known = session.get_one(GithubConnection, self.connection_id)
            if (other := connected_with(session, found.full_name, found.number, but=known.id)) is not None:
                raise NeedsPersonError(f"{old} is {found.full_name} at GitHub, connected with {other} already; "
                                       "part one of them")  # fmt: skip
            private.show(session, session.get_one(Repository, self.repository_id), actor=audit.Actor.job(self.job),
                         reason="GitHub says that it is public")  # fmt: skip
            known.github_number, known.etag, known.full_name = found.number, answer.etag, found.full_name
            if old != found.full_name:
                audit.record(session, actor=audit.Actor.job(self.job), action="github.rename", thing=self.public_id,
                             reason="GitHub leads there", data={"from": old, "to": found.full_name})  # fmt: skip
        self.client.full_name = found.full_name
        return found.full_name

    def _hide(self, reason: str) -> None:
        with self.writing() as session:
            repository = session.get_one(Repository, self.repository_id)
            private.hide(session, repository, actor=audit.Actor.job(self.job), reason=reason)

    def walk(self, kind: StreamKind) -> bool:
        """Read pull requests or issues back to what is known; whether the walk came to its end. Raises: GitHubError."""
        stream = self._begun(kind)
        if stream is None:
            return True
        question, cursor, size, since = PULLS if kind is StreamKind.PULLS else ISSUES, *stream
        while True:
            try:
                found = page(self.client, question, self.reading(), first=size, after=cursor)
            except CursorError:
                cursor = self._begin_anew(kind)
                continue
            except TooMuchError:
                if size <= FEWEST:
                    raise
                size = self._shrink(kind, size)
                continue
            oldest = min((one.updated_at for one in found.things), default=None)
            is_done = found.cursor is None or (since is not None and oldest is not None and oldest < since)
            self._keep(kind, found, is_done)
            if is_done:
                return True
            cursor = found.cursor or ""
            if self.is_over():
                return False

    def lines(self) -> bool:
        """Read the comments on lines that changed since the last; whether that came to its end. Raises: GitHubError."""
        with self.writing() as session:
            stream = self.stream(session, StreamKind.LINES)
            since, etag, following = stream.since, stream.etag, stream.cursor
        while True:
            asked: dict[str, Any] = {"sort": "updated", "direction": "asc", "per_page": MOST}
            asked |= {} if since is None else {"since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
            answer = self.client.read(following, etag="") if following else self.client.read(
                "/pulls/comments", asked, etag=etag)  # fmt: skip
            said = [] if answer.data is None else rows_of(answer.data)
            read = [Line.read(one, what="comment on a line") for one in said]
            events = [(line.number, self.reading().review_comment(one)) for line, one in zip(read, said, strict=True)]
            self._know({number for number, _ in events})
            newest = read[-1].updated_at if read else since
            # Everything of one second: only GitHub's own link leads past it.
            following = answer.following if newest == since else ""
            is_done = len(said) < MOST or (newest == since and not following)
            with self.writing() as session:
                stream = self.stream(session, StreamKind.LINES)
                stream.seen += self._write_lines(session, events)
                stream.etag = answer.etag if newest == since and not following else ""
                stream.since, stream.cursor, stream.failures = newest, following, 0
                if is_done:
                    stream.read_at = self.clock.now()
            since, etag = newest, ""
            self.report(StreamKind.LINES, 0, 0)
            if is_done or self.is_over():
                return is_done

    def releases(self, *, whole: bool = False) -> None:
        """Read the list of releases, if it has changed since, or `whole` in any case. Raises: GitHubError."""
        with self.writing() as session:
            etag = "" if whole else self.stream(session, StreamKind.RELEASES).etag
        first, told = self._all_releases(etag)
        listed = {one.external_id for one in told}
        with self.writing() as session:
            is_whole = first.data is not None
            known = unlisted_releases(session, self.repository_id, self.source, listed) if is_whole else set()
        # What one list lacks may have moved from page to page meanwhile; of what a second one lacks as well each is
        # asked for, since a list may be empty by mistake.
        again = {one.external_id for one in self._all_releases("")[1]} if known else set()
        lost = confirm(sorted(known - again), self._is_published)
        if lost.gone:
            self.see_that_it_is_shown()
        with self.writing() as session:
            stream = self.stream(session, StreamKind.RELEASES)
            if first.data is not None:
                take_turn(session, Turn.HISTORY)
                self.observe(session, "releases", [one.external_id for one in told])
                record_releases(session, self.repository_id, self.source, told)
                self.observe(session, "releases gone", lost.gone)
                forget_releases(session, self.repository_id, self.source, lost.gone)
                stream.seen = stream.total = len(told) + len(known) - len(lost.gone)
            # Of which not all are asked for yet, that list is looked at once more.
            stream.etag = first.etag if lost.is_whole else ""
            stream.failures, stream.read_at = 0, self.clock.now()

    def _all_releases(self, etag: str) -> tuple[Answer, list[ReleaseTold]]:
        """The first page of the list, and all that are published of the whole list."""
        first = answer = self.client.read("/releases", {"per_page": MOST}, etag=etag)
        told: list[ReleaseTold] = []
        while answer.data is not None:
            told += [release for one in rows_of(answer.data) if (release := self.reading().release(one)) is not None]
            if not answer.following:
                break
            answer = self.client.read(answer.following)
        return first, told

    def _is_published(self, external_id: str) -> bool:
        found = self.client.find(f"/releases/{external_id}")
        return found is not None and self.reading().release(found) is not None

    def see_that_it_is_shown(self) -> Itself:
        """Before anything is taken for gone: GitHub still shows the repository itself. Raises: GitHubError."""
        return Itself.read(self.client.read("").data, what="repository")

    def numbers(self) -> int:
        """Read what webhooks asked to be read again; how many numbers that were. Raises: GitHubError."""
        done = 0
        while True:
            asked_until = self.clock.now()
            with self.writing() as session:
                listed = numbers_due(session, self.repository_id, asked_until=asked_until, most=TOGETHER)
                due = [one.number for one in listed]
            if not due:
                return done
            if RELEASES in due:
                # What was heard late may have changed rows since the list was read, though the list is the same.
                self.releases(whole=True)
            things = numbered(self.client, self.reading(), [number for number in due if number != RELEASES])
            gone, pulls = self._gone({*due} - {one.told.number for one in things} - {RELEASES})
            with self.writing() as session:
                self._write(session, things)
                self.observe(session, "issues gone", gone)
                forget_issues(session, self.repository_id, self.source, gone)
                self.observe(session, "pull requests gone", [str(number) for number in pulls.values()])
                close_lost_pulls(session, list(pulls))
                numbers_read(session, self.repository_id, due, asked_until=asked_until)
            done += len(due)

    def _gone(self, numbers: set[int]) -> tuple[list[str], dict[int, int]]:
        """Which issues and open pull requests (row: number) are gone, of numbers that lead nowhere.

        None where GitHub hides all of their kind at present.
        """
        now = self.clock.now()
        with self.writing() as session:
            issues = issues_of(session, self.repository_id, self.source, numbers, now=now)
            pulls = open_pulls_of(session, self.repository_id, numbers, now=now)
        if not issues and not pulls:
            return [], {}
        shown = self.see_that_it_is_shown()
        return issues if shown.has_issues else [], pulls if shown.has_pulls else {}

    def reading(self) -> Reading:
        """What makes events of GitHub's answers, as of now."""
        return Reading(self.public_id, self.clock.now(), self.source)

    def stream(self, session: Session, kind: StreamKind) -> GithubStream:
        """How far one kind of thing is read; a row from the beginning where there is none."""
        mine = GithubStream.connection_id == self.connection_id, GithubStream.kind == kind
        found = session.scalar(sa.select(GithubStream).where(*mine))
        if found is None:
            found = GithubStream(connection_id=self.connection_id, kind=kind, etag="", cursor="", next_etag="",
                                 page_size=MOST, failures=0, seen=0, total=0)  # fmt: skip
            session.add(found)
            session.flush()
        return found

    def _begun(self, kind: StreamKind) -> tuple[str, int, datetime | None] | None:
        """Where a walk is: cursor, size of a page, and how far back; None where nothing has changed."""
        with self.writing() as session:
            stream = self.stream(session, kind)
            if stream.begun_at is not None:
                return stream.cursor, stream.page_size, stream.since
            etag = stream.etag
        answer = self.client.read("/pulls" if kind is StreamKind.PULLS else "/issues", _NEWEST, etag=etag)
        with self.writing() as session:
            stream = self.stream(session, kind)
            if answer.data is None:
                stream.read_at = self.clock.now()
                return None
            rows_of(answer.data)
            stream.begun_at, stream.next_etag, stream.newest = self.clock.now(), answer.etag, None
            stream.cursor, stream.page_size, stream.seen = "", MOST, 0
            return "", MOST, stream.since

    def _begin_anew(self, kind: StreamKind) -> str:
        with self.writing() as session:
            stream = self.stream(session, kind)
            if not stream.cursor:
                raise NonsenseError("GitHub refuses a cursor that it was not given")
            stream.cursor, stream.seen = "", 0
        return ""

    def _shrink(self, kind: StreamKind, size: int) -> int:
        with self.writing() as session:
            stream = self.stream(session, kind)
            stream.page_size = max(size // 2, FEWEST)
            return stream.page_size

    def _keep(self, kind: StreamKind, found: Page, is_done: bool) -> None:
        """Write a page, and where it ends."""
        with self.writing() as session:
            self._write(session, found.things)
            stream = self.stream(session, kind)
            stream.seen, stream.total, stream.failures = stream.seen + len(found.things), found.total, 0
            newest = max((one.updated_at for one in found.things), default=None)
            if newest is not None and (stream.newest is None or newest > stream.newest):
                stream.newest = newest
            stream.cursor = found.cursor or ""
            if is_done:
                stream.since, stream.etag = stream.newest or stream.since, stream.next_etag
                stream.begun_at, stream.cursor, stream.read_at = None, "", self.clock.now()
                stream.seen = stream.total
            seen, total = stream.seen, stream.total
        self.report(kind, seen, total)

    def _write(self, session: Session, things: Sequence[Thing]) -> None:
        take_turn(session, Turn.HISTORY)
        pulls = {one.told.number: one for one in things if isinstance(one.told, PullRequest)}
        issues = {one.told.external_id: one for one in things if isinstance(one.told, IssueTold)}
        if not things:
            return
        self.observe(session, "pull requests" if pulls else "issues", [str(one.told.number) for one in things])
        changed = record_pull_requests(
            session, self.repository_id, [one.told for one in pulls.values() if isinstance(one.told, PullRequest)],
            measure=False,
        )  # fmt: skip
        told = record_issues(
            session, self.repository_id, self.source,
            [one.told for one in issues.values() if isinstance(one.told, IssueTold)], measure=False,
        )  # fmt: skip
        reading = self.reading()
        if changed:
            whole = {row: pulls[number] for number, row in changed.items()}
            record_change_events(session, self.source, {row: one.events for row, one in whole.items()})
            forget_lost_comments(session, ChangeEvent, whole, reading)
        if told:
            whole = {row: issues[key] for key, row in told.items()}
            record_issue_events(session, self.source, {row: one.events for row, one in whole.items()})
            forget_lost_comments(session, IssueEvent, whole, reading)

    def _know(self, numbers: set[int]) -> None:
        """Read the pull requests among these that are not known yet: opened since, or never listed."""
        with self.writing() as session:
            unknown = sorted(numbers - set(self._changes(session, numbers)))
        if unknown:
            things = numbered(self.client, self.reading(), unknown)
            with self.writing() as session:
                self._write(session, things)

    def _write_lines(self, session: Session, events: Sequence[tuple[int, Event]]) -> int:
        """Write comments on lines; how many of them were new."""
        if not events:
            return 0
        take_turn(session, Turn.HISTORY)
        self.observe(session, "comments on lines", [event.external_id for _, event in events])
        rows = self._changes(session, {number for number, _ in events})
        told: dict[int, list[Event]] = {}
        for number, event in events:
            if number in rows:
                told.setdefault(rows[number], []).append(event)
        names = [event.external_id for events in told.values() for event in events]
        known = session.scalar(
            sa.select(sa.func.count(ChangeEvent.id)).where(
                ChangeEvent.source == self.source, ChangeEvent.external_id.in_(names)
            )
        )
        record_change_events(session, self.source, told)
        return len(names) - (known or 0)

    def _changes(self, session: Session, numbers: set[int]) -> dict[int, int]:
        found = session.execute(
            sa.select(Change.number, Change.id).where(
                Change.repository_id == self.repository_id, Change.source_kind == ChangeSource.PULL_REQUEST,
                Change.number.in_(numbers),
            )
        )  # fmt: skip
        return {number: row for number, row in found if number is not None}

    def observe(self, session: Session, what: str, names: Sequence[str]) -> None:
        """Write down in the audit log what was read, or found to be gone, by the names it has at GitHub."""
        if names:
            audit.observe(session, job=self.job, source=self.public_id, range=f"{what} {names[0]}..{names[-1]}",
                          rows=len(names), sha256=hashlib.sha256("\n".join(names).encode()).hexdigest())  # fmt: skip


def rows_of(data: Any) -> list[Any]:
    """The rows of an answer of REST. Raises: NonsenseError."""
    if not isinstance(data, list):
        raise NonsenseError(f"GitHub answered with {type(data).__name__} where a list was asked for")
    return data
