"""What the double of GitHub remembers: accounts, repositories, pull requests, issues, and what happened to them."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from typing import Any

Now = Callable[[], datetime]


@dataclass(frozen=True)
class Account:
    """Somebody who has an account: a `User`, `Bot`, `Organization` or `Mannequin`, or a `Team` that is asked."""

    number: int
    login: str
    kind: str = "User"


@dataclass
class Happened:
    """An item of a timeline, by GraphQL's name of its kind."""

    kind: str
    number: int
    at: datetime
    who: Account | None
    more: dict[str, Any] = field(default_factory=dict)


@dataclass
class Line:
    """A comment on a line of a pull request."""

    number: int
    at: datetime
    updated_at: datetime
    who: Account | None
    review: int
    thing: Thing


@dataclass
class Release:
    """A release; a draft has no time of publishing."""

    number: int
    tag: str
    who: Account
    made_at: datetime
    published_at: datetime | None
    is_prerelease: bool = False


@dataclass
class Thing:
    """A pull request or an issue. Whatever happens to it moves its `updated_at`."""

    repository: Repository
    number: int
    key: int
    title: str
    who: Account | None
    opened_at: datetime
    updated_at: datetime
    is_pull: bool
    state: str = "OPEN"
    is_draft: bool = False
    is_from_fork: bool = True
    closed_at: datetime | None = None
    merged_at: datetime | None = None
    labels: list[str] = field(default_factory=list)
    timeline: list[Happened] = field(default_factory=list)
    lines: list[Line] = field(default_factory=list)
    head: str = ""

    def comment(self, who: Account | None) -> Happened:
        """Say something below it."""
        return self._happens("IssueComment", who)

    def review(self, verdict: str, who: Account | None, *, lines: int = 0) -> Happened:
        """Review it: APPROVED, CHANGES_REQUESTED, COMMENTED or PENDING, with comments on so many lines."""
        made = self._happens("PullRequestReview", who, state=verdict, commit=self.head)
        for _ in range(lines):
            self.lines.append(Line(self.repository.next(), made.at, made.at, who, made.number, self))
        self.repository.changed()
        return made

    def dismiss(self, review: Happened, who: Account) -> None:
        """Take a review back."""
        before = review.more["state"]
        review.more["state"] = "DISMISSED"
        self._happens("ReviewDismissedEvent", who, review=review, before=before)

    def label(self, name: str, who: Account, *, off: bool = False) -> None:
        """Put a label on it, or take one off."""
        self.labels = sorted({*self.labels, name} - ({name} if off else set()))
        self._happens("UnlabeledEvent" if off else "LabeledEvent", who, label=name)

    def ask(self, asked: Account, who: Account) -> None:
        """Ask somebody for a review."""
        self._happens("ReviewRequestedEvent", who, asked=asked)

    def assign(self, whom: Account, who: Account) -> None:
        """Give it to somebody."""
        self._happens("AssignedEvent", who, assignee=whom)

    def rename(self, title: str, who: Account) -> None:
        """Give it another title."""
        self.title = title
        self._happens("RenamedTitleEvent", who, title=title)

    def push(self, who: Account, *, force: bool = False) -> None:
        """A new head; only a forced push stands in the timeline by itself."""
        at = self.repository.now()
        self.head = hashlib.sha1(f"{self.key} {at} {len(self.timeline)}".encode()).hexdigest()
        if force:
            self._happens("HeadRefForcePushedEvent", who, after=self.head)
        self._moved(at)

    def draft(self, who: Account, *, off: bool = False) -> None:
        """Make it a draft, or mark it ready."""
        self.is_draft = not off
        self._happens("ReadyForReviewEvent" if off else "ConvertToDraftEvent", who)

    def merge(self, who: Account | None) -> None:
        """Merge it, which closes it too."""
        at = self._happens("MergedEvent", who).at
        self.timeline.append(Happened("ClosedEvent", self.repository.next(), at, who))
        self.state, self.merged_at, self.closed_at = "MERGED", at, at

    def close(self, who: Account | None) -> None:
        """Close it."""
        self.state, self.closed_at = "CLOSED", self._happens("ClosedEvent", who).at

    def reopen(self, who: Account) -> None:
        """Open it again."""
        self._happens("ReopenedEvent", who)
        self.state, self.closed_at = "OPEN", None

    @property
    def node(self) -> str:
        """Its global id."""
        return f"{'PR' if self.is_pull else 'I'}_{self.key}"

    def _happens(self, kind: str, who: Account | None, **more: Any) -> Happened:
        made = Happened(kind, self.repository.next(), self.repository.now(), who, more)
        self.timeline.append(made)
        self._moved(made.at)
        return made

    def _moved(self, at: datetime) -> None:
        self.updated_at = at
        self.repository.changed()


@dataclass
class Repository:
    """A repository with all names that it ever had."""

    number: int
    owner: str
    name: str
    now: Now
    numbers: Iterator[int]
    is_private: bool = False
    has_issues: bool = True
    has_pulls: bool = True
    former: set[str] = field(default_factory=set)
    things: dict[int, Thing] = field(default_factory=dict)
    nodes: dict[str, Thing] = field(default_factory=dict)
    releases: list[Release] = field(default_factory=list)
    _order: dict[bool, list[Thing]] = field(default_factory=dict)
    _lines: list[Line] | None = None
    _things: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def full_name(self) -> str:
        """Owner and name as they are now."""
        return f"{self.owner}/{self.name}"

    def pull(self, title: str, who: Account | None, *, draft: bool = False) -> Thing:
        """Open a pull request."""
        made = self._open(title, who, is_pull=True)
        made.is_draft, made.head = draft, hashlib.sha1(made.node.encode()).hexdigest()
        return made

    def issue(self, title: str, who: Account | None) -> Thing:
        """Open an issue."""
        return self._open(title, who, is_pull=False)

    def release(self, tag: str, who: Account, *, draft: bool = False) -> Release:
        """Publish a release, or write a draft of one."""
        at = self.now()
        self.releases.insert(0, Release(self.next(), tag, who, at, None if draft else at))
        return self.releases[0]

    def rename(self, full_name: str) -> None:
        """Give it another name; the old one leads here."""
        self.former.add(self.full_name.lower())
        self.owner, self.name = full_name.split("/")

    def delete(self, thing: Thing) -> None:
        """Delete an issue, or move it to another repository: here it is gone."""
        del self.things[thing.number], self.nodes[thing.node]
        self.changed()

    def take_back(self, said: Happened) -> None:
        """Delete a comment: its thing looks as if nothing had been said."""
        for one in self.things.values():
            one.timeline = [happened for happened in one.timeline if happened is not said]

    def take_back_line(self, line: Line) -> None:
        """Delete a comment on a line."""
        line.thing.lines.remove(line)
        self.changed()

    def newest(self, *, pulls: bool) -> list[Thing]:
        """By time of the last change, newest first."""
        if pulls not in self._order:
            chosen = [one for one in self.things.values() if one.is_pull is pulls]
            self._order[pulls] = sorted(chosen, key=lambda one: (one.updated_at, one.number), reverse=True)
        return self._order[pulls]

    def after(self, cursor: tuple[str, int] | None, *, pulls: bool, since: datetime | None = None) -> list[Thing]:
        """What follows a cursor (a time and a number) in that order: it stays good while things move."""
        order = self.newest(pulls=pulls)
        if cursor is not None:
            wanted = (-datetime.fromisoformat(cursor[0]).timestamp(), -cursor[1])
            order = order[bisect_right(order, wanted, key=lambda one: (-one.updated_at.timestamp(), -one.number)) :]
        return order if since is None else [one for one in order if one.updated_at >= since]

    def lines(self, since: datetime | None = None) -> list[Line]:
        """The comments on lines that changed since then, by the time of their last change."""
        if self._lines is None:
            found = [line for thing in self.things.values() for line in thing.lines]
            self._lines = sorted(found, key=lambda line: (line.updated_at, line.number))
        start = 0 if since is None else bisect_left(self._lines, since, key=lambda line: line.updated_at)
        return self._lines[start:]

    def changed(self) -> None:
        """Forget the orders."""
        self._order.clear()
        self._lines = None

    def next(self) -> int:
        """The next number that GitHub gives to anything."""
        return next(self.numbers)

    def _open(self, title: str, who: Account | None, *, is_pull: bool) -> Thing:
        at, number = self.now(), next(self._things)
        made = Thing(self, number, self.next(), title, who, at, at, is_pull)
        self.things[number] = self.nodes[made.node] = made
        self.changed()
        return made
