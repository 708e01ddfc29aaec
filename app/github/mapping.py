"""GitHub's objects as facts: what REST, webhooks and GraphQL tell of the same thing becomes the same value.

An event's external id is made of what all three know: the number that GitHub gave a comment or review (`id` here,
`databaseId` there), and, for what GitHub numbers in one of them alone, the pull request's own number with what happened
and when to the second. The portal's name of the repository begins each, so a repository renamed or moved is still the
same, and one that was added twice has events of its own.

Whoever reads needs a `Reading`: which source, which repository, and what is too late to be true.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from app.contributions.facts import Event, IssueTold, PullRequest, ReleaseTold
from app.contributions.metrics import EventKind
from app.contributions.models import ChangeState, IssueState
from app.github.shapes import (
    End,
    Happening,
    IssueShape,
    NonsenseError,
    Opening,
    Pull,
    ReleaseShape,
    ReviewShape,
    Said,
    Shape,
    User,
)
from app.people.queries import Wording

AHEAD = timedelta(days=1)
# GitHub's own account, which stands for all that are gone: taken for somebody it would be the busiest person of all.
GHOST = "ghost"
_S = TypeVar("_S", bound=Shape)
VERDICTS = {
    "approved": EventKind.APPROVED,
    "changes_requested": EventKind.CHANGES_REQUESTED,
    "commented": EventKind.REVIEWED,
    # What it said before it was taken back is not told any more.
    "dismissed": EventKind.REVIEWED,
}
_HAPPENED = {
    "labeled": EventKind.LABELED, "LabeledEvent": EventKind.LABELED,
    "unlabeled": EventKind.UNLABELED, "UnlabeledEvent": EventKind.UNLABELED,
    "assigned": EventKind.ASSIGNED, "AssignedEvent": EventKind.ASSIGNED,
    "renamed": EventKind.RENAMED, "RenamedTitleEvent": EventKind.RENAMED,
    "closed": EventKind.CLOSED, "ClosedEvent": EventKind.CLOSED,
    "reopened": EventKind.REOPENED, "ReopenedEvent": EventKind.REOPENED,
    "merged": EventKind.MERGED, "MergedEvent": EventKind.MERGED,
    "ready_for_review": EventKind.READY, "ReadyForReviewEvent": EventKind.READY,
    "convert_to_draft": EventKind.DRAFTED, "converted_to_draft": EventKind.DRAFTED,
    "ConvertToDraftEvent": EventKind.DRAFTED,
    "review_requested": EventKind.REVIEW_REQUESTED, "ReviewRequestedEvent": EventKind.REVIEW_REQUESTED,
    "review_dismissed": EventKind.DISMISSED, "ReviewDismissedEvent": EventKind.DISMISSED,
    "head_ref_force_pushed": EventKind.PUSHED, "HeadRefForcePushedEvent": EventKind.PUSHED,
}  # fmt: skip
_TOLD = {"commented": "comment", "IssueComment": "comment", "reviewed": "review", "PullRequestReview": "review",
         "PullRequestReviewComment": "line"}  # fmt: skip
# Whose value tells two apart that happened in one second: a label each, a reviewer each.
_TOLD_APART = frozenset(
    (EventKind.LABELED, EventKind.UNLABELED, EventKind.ASSIGNED, EventKind.REVIEW_REQUESTED, EventKind.DISMISSED)
)


@dataclass(frozen=True)
class Reading:
    """What every object of one repository is read with: its source, its public id, and the latest day to believe."""

    repository: str
    now: datetime
    source: str = "github"

    # --- things ---

    def pull_request(self, data: Any) -> PullRequest:
        """A pull request. Sizes that a list leaves out are None: what is known of them stays.

        Raises: NonsenseError, as all of these.
        """
        told = self._read(Pull, data, "pull request")
        base, head = _end(told.base, told.base_ref, told.base_sha), _end(told.head, told.head_ref, told.head_sha)
        state = ChangeState.OPEN if told.state == "open" else ChangeState.CLOSED
        return PullRequest(
            number=told.number,
            title=told.title,
            author=self._who(told.user),
            state=ChangeState.MERGED if told.merged_at else state,
            opened_at=told.opened_at,
            updated_at=told.updated_at,
            merged_at=told.merged_at,
            closed_at=told.closed_at,
            url=told.url,
            base_ref=base[0],
            base_sha=base[1],
            head_ref="" if _is_from_elsewhere(told) else head[0],
            head_sha=head[1],
            is_draft=told.is_draft,
            labels=tuple(told.labels),
            additions=told.additions,
            deletions=told.deletions,
            files=told.files,
        )

    def issue(self, data: Any) -> IssueTold | None:
        """An issue; None for a pull request that a list of issues shows."""
        told = self._read(IssueShape, data, "issue")
        if told.pull_request is not None:
            return None
        return IssueTold(
            external_id=str(told.external_id),
            number=told.number,
            title=told.title,
            author=self._who(told.user),
            state=IssueState.OPEN if told.is_open else IssueState.CLOSED,
            opened_at=told.opened_at,
            updated_at=told.updated_at,
            closed_at=None if told.is_open else told.closed_at or told.updated_at,
            url=told.url,
            labels=tuple(told.labels),
        )

    def release(self, data: Any) -> ReleaseTold | None:
        """A release; None for a draft, which nobody sees yet."""
        told = self._read(ReleaseShape, data, "release")
        if told.is_draft or told.published_at is None:
            return None
        return ReleaseTold(
            external_id=str(told.external_id),
            tag=told.tag,
            name=told.name or "",
            author=self._who(told.author),
            url=told.url,
            is_prerelease=told.is_prerelease,
            published_at=told.published_at,
        )

    def release_id(self, data: Any) -> str:
        """The external id of a release, be it published or not."""
        return str(self._read(ReleaseShape, data, "release").external_id)

    # --- what happened to them ---

    def opened(self, data: Any) -> Event:
        """That a pull request or an issue was opened, out of the thing itself."""
        told = self._read(Opening, data, "opening")
        return Event(EventKind.OPENED, told.at, self._id(told.number, "opened"), self._who(told.user))

    def comment(self, data: Any) -> Event:
        """A comment on an issue or on a pull request as a whole."""
        return self._said(data, "comment")

    def review_comment(self, data: Any) -> Event:
        """A comment on a line of a pull request."""
        return self._said(data, "line")

    def review(self, data: Any, *, before: str = "") -> Event | None:
        """A review by its verdict; None while it is being written. `before`: what a dismissed one had said."""
        told = self._read(ReviewShape, data, "review")
        verdict = VERDICTS.get(before.lower() or told.state)
        if told.at is None or verdict is None:
            return None
        return Event(verdict, told.at, self.review_id(told.external_id), self._who(told.user), value=told.sha or "")

    def event(self, number: int, data: Any) -> Event | None:
        """An item of the timeline of an issue or pull request; None where it is of no kind that we keep."""
        told = self._read(Happening, data, "timeline")
        if (kind := _TOLD.get(told.kind)) is not None:
            return self.review(data) if kind == "review" else self._said(data, kind)
        happened = _HAPPENED.get(told.kind)
        if happened is None:
            return None
        if told.at is None:
            raise NonsenseError(f"GitHub's timeline of {number} cannot be read ({told.kind} has no time)")
        value = _value(happened, told)
        return self.happened(number, happened, told.at, told.user, value=value)

    def happened(self, number: int, kind: EventKind, at: datetime, user: User | None, *, value: str = "") -> Event:
        """Something that GitHub gives no number that all its interfaces tell: known by what, when and to what."""
        mark = f"{kind.value}/{at:%Y%m%dT%H%M%S}"
        if kind is EventKind.PUSHED and value:
            mark = f"{kind.value}/{value}"
        elif kind in _TOLD_APART:
            # A label may be longer than an id: what does not fit is told by its hash.
            mark += f"/{value if len(value) <= 60 else hashlib.sha256(value.encode()).hexdigest()[:40]}"
        return Event(kind, at, self._id(number, mark), self._who(user), value=value)

    # --- names of things ---

    def comment_id(self, number: int | str) -> str:
        """The external id of a comment by GitHub's number of it; of "": how all of them begin."""
        return f"{self.repository}/comment/{number}"

    def review_comment_id(self, number: int | str) -> str:
        """The external id of a comment on a line; of "": how all of them begin."""
        return f"{self.repository}/line/{number}"

    def review_id(self, number: int) -> str:
        """The external id of a review."""
        return f"{self.repository}/review/{number}"

    def _id(self, number: int, mark: str) -> str:
        return f"{self.repository}/{number}/{mark}"[:200]

    def _said(self, data: Any, kind: str) -> Event:
        told = self._read(Said, data, "comment")
        return Event(EventKind.COMMENTED, told.at, f"{self.repository}/{kind}/{told.external_id}",
                     self._who(told.user))  # fmt: skip

    def _who(self, user: User | None) -> Wording | None:
        """Who it is as an identity; None where the account is gone: GraphQL has nobody then, REST often "ghost"."""
        is_somebody = user is not None and user.login and user.login.lower() != GHOST
        return (self.source, "", "", user.written) if user and is_somebody else None

    def _read(self, shape: type[_S], data: Any, what: str) -> _S:
        """The checked object, of which nothing may lie in a future that no clock explains."""
        told = shape.read(data, what=what)
        for name, value in told:
            if isinstance(value, datetime) and value > self.now + AHEAD:
                raise NonsenseError(f"GitHub's {what} cannot be read ({name} is {value:%Y-%m-%d}, which is to come)")
        return told


def _end(end: End | None, ref: str | None, sha: str | None) -> tuple[str, str]:
    return (end.ref, end.sha) if end else (ref or "", sha or "")


def _is_from_elsewhere(told: Pull) -> bool:
    if told.is_from_fork is not None:
        return told.is_from_fork
    if told.head is None or told.base is None or told.head.repo is None or told.base.repo is None:
        return True
    return told.head.repo.number != told.base.repo.number


def _value(kind: EventKind, told: Happening) -> str:
    """What it was about: the label, the title, the login, the review or the commit."""
    about: dict[EventKind, Any] = {
        EventKind.LABELED: told.label,
        EventKind.UNLABELED: told.label,
        EventKind.RENAMED: told.title_now or (told.rename and told.rename.to),
        EventKind.ASSIGNED: told.assignee and told.assignee.written,
        EventKind.REVIEW_REQUESTED: told.asked and told.asked.written,
        EventKind.DISMISSED: told.review and told.review.number,
        EventKind.PUSHED: told.sha,
    }
    return str(about.get(kind) or "")
