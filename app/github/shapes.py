"""What we use of GitHub's objects, checked: the same shape for REST, webhooks and GraphQL, whose names are aliases.

Only fields that are used are looked at, and those strictly; all else is ignored. Texts are cut and made storable here,
so that nothing longer or odder goes on from this place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from pydantic import AliasChoices, AliasPath, BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, ValidationError

MOST_LABELS = 100
_PULL_OF = re.compile(r"/pulls/([1-9]\d{0,9})$")
EARLIEST = datetime(1970, 1, 2, tzinfo=UTC)
_M = TypeVar("_M", bound="Shape")


class NonsenseError(ValueError):
    """What came is not what GitHub describes; the message says which object and which field."""


def _storable(value: Any) -> Any:
    """A text without what no database keeps: NUL, and halves of characters that JSON may carry alone."""
    if not isinstance(value, str):
        return value
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _cut(limit: int) -> BeforeValidator:
    return BeforeValidator(lambda value: _storable(value)[:limit] if isinstance(value, str) else value)


def _moment(value: Any) -> datetime:
    """ISO 8601 with its zone, as GitHub writes it; pydantic alone would take 1234 for a moment of 1970."""
    if not isinstance(value, str):
        raise ValueError(f"a time is a text like 2026-01-05T09:00:00Z, not {type(value).__name__}")
    at = datetime.fromisoformat(value[:40])
    if at.tzinfo is None:
        raise ValueError(f"{value[:40]!r} names no time zone")
    if not EARLIEST <= at < datetime(9000, 1, 1, tzinfo=UTC):
        raise ValueError(f"{value[:40]!r} is no day on which anything happened")
    return at.astimezone(UTC)


def _number(value: Any) -> Any:
    """A whole number; GraphQL writes the large ones as text."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"a number is needed, not {type(value).__name__}")
    return value


def _listed(value: Any) -> Any:
    """A list as REST has it, out of GraphQL's `{"nodes": [...]}`; what is missing is empty, what is endless is cut."""
    if isinstance(value, Mapping) and "nodes" in value:
        value = value["nodes"]
    if value is None:
        return []
    return [one for one in value if one is not None][:MOST_LABELS] if isinstance(value, list) else value


def _label(value: Any) -> Any:
    return value.get("name") if isinstance(value, Mapping) else value


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def either(*names: str) -> Any:
    """A field that must be there (though it may be null), under the first of these names that is."""
    return Field(validation_alias=AliasChoices(*names))


def perhaps(*names: str) -> Any:
    """A field that may be missing: None then."""
    return Field(default=None, validation_alias=AliasChoices(*names))


Id = Annotated[int, BeforeValidator(_number), Field(gt=0, lt=1 << 63)]
Count = Annotated[int, BeforeValidator(_number), Field(ge=0, le=2_000_000_000)]
Moment = Annotated[datetime, BeforeValidator(_moment)]
Name = Annotated[str, _cut(200)]
Title = Annotated[str, _cut(500)]
Url = Annotated[str, BeforeValidator(lambda value: value if _is_web(value) else "")]
Word = Annotated[str, BeforeValidator(_lower), Field(max_length=60)]
Sha = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{40}(?:[0-9a-f]{24})?)?$")]
# The last is asked first: the name is taken out, then cut.
Label = Annotated[str, _cut(200), BeforeValidator(_label)]
Labels = Annotated[list[Label], BeforeValidator(_listed)]


class Shape(BaseModel):
    """An object of GitHub's, of which we use some fields."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    @classmethod
    def read(cls: type[_M], data: Any, *, what: str) -> _M:
        """Check an object. Raises: NonsenseError naming `what` it was meant to be and every field that is wrong."""
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            said = "; ".join(
                f"{'.'.join(map(str, one['loc'])) or 'the whole'}: {one['msg']}"
                for one in error.errors(include_input=False, include_url=False)[:5]
            )
            raise NonsenseError(f"GitHub's {what} cannot be read ({said})"[:500]) from None


class User(Shape):
    """Whoever did something. GraphQL leaves `[bot]` off a bot's login, the others write it."""

    login: Name
    kind: Word | None = perhaps("__typename", "type")

    @property
    def written(self) -> str:
        """The login as REST and webhooks have it."""
        return written(self.login, self.kind)


def written(login: str, kind: str | None) -> str:
    """A login as REST and webhooks have it.

    >>> written("tidy", "bot"), written("tidy[bot]", "bot"), written("ada", "user")
    ('tidy[bot]', 'tidy[bot]', 'ada')
    """
    return f"{login}[bot]" if kind == "bot" and not login.endswith("[bot]") else login


class Place(Shape):
    """A repository, as far as it must be known again."""

    number: Id = either("databaseId", "id")
    full_name: Name | None = perhaps("full_name", "nameWithOwner")


class End(Shape):
    """One end of a pull request: branch, commit, and the repository that has them (null when it is gone)."""

    ref: Title
    sha: Sha
    repo: Place | None = None


class Pull(Shape):
    """A pull request. Lists leave sizes out: they are None then."""

    number: Id
    title: Title
    user: User | None = either("user", "author")
    state: Word
    opened_at: Moment = either("created_at", "createdAt")
    updated_at: Moment = either("updated_at", "updatedAt")
    merged_at: Moment | None = either("merged_at", "mergedAt")
    closed_at: Moment | None = either("closed_at", "closedAt")
    url: Url = either("html_url", "url")
    base: End | None = None
    head: End | None = None
    base_ref: Title | None = perhaps("baseRefName")
    base_sha: Sha | None = perhaps("baseRefOid")
    head_ref: Title | None = perhaps("headRefName")
    head_sha: Sha | None = perhaps("headRefOid")
    is_from_fork: StrictBool | None = perhaps("isCrossRepository")
    is_draft: StrictBool = Field(default=False, validation_alias=AliasChoices("draft", "isDraft"))
    labels: Labels = []
    merged_by: User | None = perhaps("merged_by", "mergedBy")
    additions: Count | None = None
    deletions: Count | None = None
    files: Count | None = perhaps("changed_files", "changedFiles")


class IssueShape(Shape):
    """An issue; REST's lists and webhooks show pull requests as issues too, which then have `pull_request`."""

    number: Id
    external_id: Id = either("fullDatabaseId", "databaseId", "id")
    title: Title
    user: User | None = either("user", "author")
    state: Word | None = None
    opened_at: Moment = either("created_at", "createdAt")
    updated_at: Moment = either("updated_at", "updatedAt")
    closed_at: Moment | None = either("closed_at", "closedAt")
    url: Url = either("html_url", "url")
    labels: Labels = []
    pull_request: dict[str, Any] | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is open; a few of GitHub's payloads leave the state out and tell it by `closed_at` alone."""
        return self.state == "open" if self.state else self.closed_at is None


class Said(Shape):
    """A comment on an issue, a pull request, or a line of one."""

    external_id: Id = either("fullDatabaseId", "databaseId", "id")
    user: User | None = either("user", "author")
    at: Moment = either("created_at", "createdAt")


class ReviewShape(Shape):
    """A review; one that is being written (pending) has no time yet."""

    external_id: Id = either("fullDatabaseId", "databaseId", "id")
    user: User | None = either("user", "author")
    state: Word
    at: Moment | None = perhaps("submitted_at", "submittedAt")
    sha: Sha | None = Field(default=None, validation_alias=AliasChoices("commit_id", AliasPath("commit", "oid")))


class ReleaseShape(Shape):
    """A release; a draft is not published."""

    external_id: Id = either("databaseId", "id")
    tag: Title = either("tag_name", "tagName")
    name: Title | None = None
    author: User | None = None
    is_draft: StrictBool = either("draft", "isDraft")
    is_prerelease: StrictBool = either("prerelease", "isPrerelease")
    published_at: Moment | None = either("published_at", "publishedAt")
    url: Url = either("html_url", "url")


class Opening(Shape):
    """What an issue and a pull request have in common: by whom they were opened, and when."""

    number: Id
    user: User | None = either("user", "author")
    at: Moment = either("created_at", "createdAt")


class Renamed(Shape):
    """The title that a thing has from now on."""

    to: Title


class Asked(Shape):
    """Who is asked for a review: a person, or a team by its short name."""

    login: Name | None = None
    slug: Name | None = None
    kind: Word | None = perhaps("__typename", "type")

    @property
    def written(self) -> str:
        """The login, or the team's short name."""
        return written(self.login, self.kind) if self.login else self.slug or ""


class TakenBack(Shape):
    """Which review was dismissed."""

    number: Id = either("review_id", "fullDatabaseId", "databaseId", "id")


class Happening(Shape):
    """An item of a timeline: REST names it in `event`, GraphQL in `__typename`."""

    kind: Annotated[str, Field(max_length=100)] = either("event", "__typename")
    user: User | None = perhaps("actor", "user", "author")
    at: Moment | None = perhaps("created_at", "createdAt", "submitted_at", "submittedAt")
    label: Label | None = None
    rename: Renamed | None = None
    title_now: Title | None = perhaps("currentTitle")
    assignee: User | None = None
    asked: Asked | None = perhaps("requested_reviewer", "requested_team", "requestedReviewer")
    review: TakenBack | None = perhaps("dismissed_review", "review")
    sha: Sha | None = Field(default=None, validation_alias=AliasChoices("commit_id", AliasPath("afterCommit", "oid")))


def _is_web(value: Any) -> bool:
    return (
        isinstance(value, str) and len(value) <= 1000 and value.startswith(("https://", "http://"))
        and all(" " < letter != "\x7f" for letter in value) and value.isprintable()
    )  # fmt: skip


class Home(Shape):
    """The repository that a webhook speaks of."""

    number: Id = either("id")
    is_private: StrictBool = Field(default=False, validation_alias="private")
    full_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}/[A-Za-z0-9._-]{1,100}$")]
    url: Url = either("html_url", "url")


class Numbered(Shape):
    """A pull request or issue, by its number alone."""

    number: Id


class _Former(Shape):
    login: Name | None = Field(
        default=None,
        validation_alias=AliasChoices(
            AliasPath("owner", "from", "user", "login"), AliasPath("owner", "from", "organization", "login")
        ),
    )
    name: Name | None = Field(default=None, validation_alias=AliasPath("repository", "name", "from"))


class Call(Shape):
    """What every webhook has in common, as far as it tells where to look."""

    action: Annotated[str, Field(pattern=r"^[a-z_]{0,60}$")] | None = None
    repository: Home
    pull_request: Numbered | None = None
    issue: Numbered | None = None
    changes: _Former | None = None

    @property
    def number_spoken_of(self) -> int | None:
        """The pull request or issue that it is about."""
        about = self.pull_request or self.issue
        return about.number if about else None

    @property
    def former(self) -> str:
        """Where the repository was before it was renamed or handed over; "" where it was not."""
        if self.changes is None or not (self.changes.name or self.changes.login):
            return ""
        owner, _, name = self.repository.full_name.partition("/")
        base = self.repository.url.removesuffix(f"/{self.repository.full_name}")
        return f"{base}/{self.changes.login or owner}/{self.changes.name or name}"


class Sender(Shape):
    """Whoever did what a webhook tells of."""

    sender: User | None = None
    merged_by: User | None = Field(default=None, validation_alias=AliasPath("pull_request", "merged_by"))


class Itself(Shape):
    """A repository, as far as it must be known again."""

    number: Id = either("id")
    full_name: Name
    is_private: StrictBool = either("private")
    has_issues: StrictBool
    has_pulls: StrictBool = Field(default=True, validation_alias="has_pull_requests")


class Line(Shape):
    """A comment on a line, as far as its place goes."""

    pull: str = either("pull_request_url")
    updated_at: Moment = either("updated_at")

    @property
    def number(self) -> int:
        """The number of its pull request."""
        found = _PULL_OF.search(self.pull)
        if found is None:
            raise NonsenseError(f"GitHub's comment on a line cannot be read ({self.pull[:100]!r} is no pull request)")
        return int(found[1])
