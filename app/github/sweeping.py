"""Looks once a week for what is gone at GitHub: nobody but a webhook tells of it.

Pull requests and issues are listed by when they were opened, with nothing but the number of their comments: one point
a hundred. What the list lacks or has and is not known, whatever has fewer comments than are known, another state, or
nobody for an author any more (an account that is gone) is put on the list of numbers that are read whole, where what is
gone is found out. Comments on lines come by REST, some pages at a time, until a
reading has seen them all; of each that the list lacks GitHub is asked by itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.gone import forget_events
from app.contributions.metrics import EventKind
from app.contributions.models import Change, ChangeEvent, ChangeSource, ChangeState, Issue, IssueEvent
from app.db import Turn, take_turn
from app.github.asking import RELEASES, ask_to_read
from app.github.client import CursorError
from app.github.confirming import MOST_ASKED, Confirmed, confirm, spread
from app.github.models import GithubConnection, GithubStream, StreamKind
from app.github.pages import Listing
from app.github.questions import ISSUES_AGAIN, MOST, PULLS_AGAIN
from app.github.reading import Puller, rows_of
from app.github.shapes import Count, Id, Moment, NonsenseError, Shape, Word, either

EVERY = timedelta(days=7)
PAGES_AT_ONCE = 25
ASKED_AT_ONCE = 100


class Comments(Shape):
    """How many comments there are."""

    total: Count = either("totalCount")


class Brief(Shape):
    """A pull request or an issue, as far as it must be counted."""

    number: Id
    opened_at: Moment = either("createdAt")
    state: Word
    author: dict[str, Any] | None
    comments: Comments


class Said(Shape):
    """A comment on a line, as far as it must be found again."""

    number: Id = either("id")
    at: Moment = either("created_at")


@dataclass(frozen=True)
class Stretch:
    """What a page covers: what was opened or said after `since` (None: from the first) until `until`."""

    since: datetime | None
    until: datetime

    def holds(self, at: Any) -> sa.ColumnElement[bool]:
        """Whether a time lies in it."""
        wanted: sa.ColumnElement[bool] = at <= self.until
        return wanted if self.since is None else sa.and_(wanted, at > self.since)


@dataclass
class Sweeper:
    """Looks through one repository, with what reads it."""

    puller: Puller

    def look(self, kind: StreamKind) -> bool:
        """Go through pull requests or issues, if it is time; whether that came to its end. Raises: GitHubError."""
        pulls = kind is StreamKind.PULLS_AGAIN
        while (stream := self._begun(kind)) is not None:
            try:
                data = self.puller.client.ask(
                    PULLS_AGAIN if pulls else ISSUES_AGAIN, {"first": MOST, "after": stream.cursor or None}
                )
            except CursorError:
                self._begin_anew(kind)
                continue
            shown = data.get("repository") or {}
            listing = Listing.read(shown.get("page"), what="page")
            briefs = [Brief.read(node, what="page") for node in listing.nodes if node]
            is_last = not listing.cursor.is_followed or not briefs
            is_hidden = not pulls and shown.get("hasIssuesEnabled") is not True
            if is_hidden:
                briefs, is_last = [], True
            elif not is_last and (not listing.cursor.end or listing.cursor.end == stream.cursor):
                raise NonsenseError("GitHub's page cannot be read (more follows, but not where)")
            until = stream.begun_at if is_last or stream.begun_at is None else briefs[-1].opened_at
            with self.puller.writing() as session:
                if briefs or (listing.total == 0 and not is_hidden):
                    self._compare(session, briefs, Stretch(stream.since, until or self._now), pulls=pulls)
                self._go_on(session, kind, listing.cursor.end or "", until, len(briefs), is_last=is_last)
            if not is_last and self.puller.is_over():
                return False
        return True

    def lines(self) -> None:
        """Go through some pages of comments on lines, if it is time. Raises: GitHubError."""
        kind, client, left = StreamKind.LINES_AGAIN, self.puller.client, ASKED_AT_ONCE
        for _ in range(PAGES_AT_ONCE):
            stream = self._begun(kind)
            if stream is None or self.puller.is_over():
                return
            asked = {"sort": "created", "direction": "asc", "per_page": MOST}
            answer = client.read(stream.cursor) if stream.cursor else client.read("/pulls/comments", asked)
            said = [Said.read(one, what="comment on a line") for one in rows_of(answer.data)]
            is_last = not answer.following or not said
            until = stream.begun_at if is_last or stream.begun_at is None else said[-1].at
            with self.puller.writing() as session:
                missing = self._unlisted_lines(session, said, Stretch(stream.since, until or self._now))
            if missing and not left:
                return
            lost = self._lost(missing, most=min(MOST_ASKED, left)) if missing else Confirmed()
            left -= lost.asked
            if lost.gone:
                self.puller.see_that_it_is_shown()
            with self.puller.writing() as session:
                if lost.gone:
                    take_turn(session, Turn.HISTORY)
                    self.puller.observe(session, "comments gone", lost.gone)
                    forget_events(session, self.puller.source, lost.gone)
                if lost.is_whole:
                    self._go_on(session, kind, answer.following, until, len(said), is_last=is_last)

    @property
    def _now(self) -> datetime:
        return self.puller.clock.now()

    def _begun(self, kind: StreamKind) -> GithubStream | None:
        """Where the look is; None where it is not time for one. What was only just read whole has lost nothing."""
        with self.puller.writing() as session:
            stream = self.puller.stream(session, kind)
            if stream.begun_at is not None:
                return stream
            is_new = session.get_one(GithubConnection, self.puller.connection_id).read_at is None
            if is_new:
                stream.read_at = self._now
            elif stream.read_at is None or self._now - stream.read_at >= EVERY:
                stream.begun_at, stream.cursor, stream.since, stream.seen = self._now, "", None, 0
                if kind is StreamKind.PULLS_AGAIN:
                    ask_to_read(session, self.puller.repository_id, RELEASES, because="looking for what is gone")
            return stream if stream.begun_at is not None else None

    def _begin_anew(self, kind: StreamKind) -> None:
        with self.puller.writing() as session:
            stream = self.puller.stream(session, kind)
            if not stream.cursor:
                raise NonsenseError("GitHub refuses a cursor that it was not given")
            stream.cursor, stream.since, stream.seen = "", None, 0

    def _go_on(
        self, session: Session, kind: StreamKind, cursor: str, until: datetime | None, seen: int, *, is_last: bool
    ) -> None:
        stream = self.puller.stream(session, kind)
        stream.cursor, stream.since, stream.seen, stream.failures = cursor, until, stream.seen + seen, 0
        if is_last:
            stream.begun_at, stream.cursor, stream.since, stream.read_at = None, "", None, self._now

    def _compare(self, session: Session, briefs: Sequence[Brief], stretch: Stretch, *, pulls: bool) -> None:
        """Put on the list what a page lacks of its stretch, and what looks otherwise there than here."""
        place, said = self.puller.repository_id, {one.number: one for one in briefs}
        mine: tuple[sa.ColumnElement[bool], ...]
        things: type[Change] | type[Issue] = Change if pulls else Issue
        if pulls:
            mine = Change.repository_id == place, Change.source_kind == ChangeSource.PULL_REQUEST
            these = [*mine, Change.number.in_(said)]
            counts = self._comments(session, Change, ChangeEvent, ChangeEvent.change_id, these)
        else:
            mine = Issue.repository_id == place, Issue.source == self.puller.source
            these = [*mine, Issue.number.in_(said)]
            counts = self._comments(session, Issue, IssueEvent, IssueEvent.issue_id, these)
        here = sa.or_(things.number.in_(said), stretch.holds(things.opened_at))
        rows = session.execute(
            sa.select(things.number, things.state, things.author_identity_id).where(*mine, here).order_by(things.number)
        )
        known = {number: (state, author) for number, state, author in rows if number is not None}
        lacking = [number for number, (state, _) in known.items()
                   if number not in said and (not pulls or state is ChangeState.OPEN)]  # fmt: skip
        # A list that is empty by mistake must not have everything read again; what is left is lacking next week too.
        for number in spread(lacking, MOST):
            ask_to_read(session, place, number, because="the list of what there is lacks it")
        for number, one in said.items():
            if number not in known:
                ask_to_read(session, place, number, because="it was never read")
            elif counts.get(number, 0) > one.comments.total:
                ask_to_read(session, place, number, because="it has fewer comments than are known")
            elif known[number][0].value != one.state or (one.author is None and known[number][1] is not None):
                ask_to_read(session, place, number, because="its state or its author is another")

    def _comments(
        self, session: Session, things: type[Change] | type[Issue], events: type[ChangeEvent] | type[IssueEvent],
        owner: sa.orm.InstrumentedAttribute[int], mine: Sequence[sa.ColumnElement[bool]],
    ) -> dict[int, int]:  # fmt: skip
        """How many comments are known of each, by number."""
        is_one = events.external_id.startswith(self.puller.reading().comment_id(""), autoescape=True)
        rows = session.execute(
            sa.select(things.number, sa.func.count(events.id))
            .join(events, owner == things.id)
            .where(*mine, events.source == self.puller.source, events.kind == EventKind.COMMENTED, is_one)
            .group_by(things.number)
        )
        return {number: count for number, count in rows if number is not None}

    def _lost(self, missing: Mapping[str, int], *, most: int) -> Confirmed:
        """Ask for comments, each with the number of its pull request: hidden together with it, none was taken back."""
        client, name = self.puller.client, self.puller.reading().review_comment_id("")

        def is_there(one: str) -> bool:
            is_shown = client.find(f"/pulls/comments/{one.removeprefix(name)}") is not None
            return is_shown or client.find(f"/pulls/{missing[one]}") is None

        return confirm(list(missing), is_there, most=most)

    def _unlisted_lines(self, session: Session, said: Sequence[Said], stretch: Stretch) -> dict[str, int]:
        """The comments that the list lacks of a stretch, each with the number of its pull request."""
        listed = {self.puller.reading().review_comment_id(one.number) for one in said}
        rows = session.execute(
            sa.select(ChangeEvent.external_id, Change.number)
            .join(Change, Change.id == ChangeEvent.change_id)
            .where(
                Change.repository_id == self.puller.repository_id, ChangeEvent.source == self.puller.source,
                ChangeEvent.external_id.startswith(self.puller.reading().review_comment_id(""), autoescape=True),
                stretch.holds(ChangeEvent.at),
            ).order_by(ChangeEvent.at, ChangeEvent.id)
        )  # fmt: skip
        return {name: number for name, number in rows if name not in listed and number is not None}
