"""What git says of a branch under review: its commits, who of them has not signed off, and the paths it touches."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field

from app.contributions.clones import Clone
from app.contributions.diffs import Diff
from app.contributions.rules import (
    ContributorKind,
    Message,
    TrailerKey,
    contributor_kind,
    missing_sign_offs,
    read_message,
)

MOST_COMMITS = 1_000
MOST_FILES = 5_000
LONGEST_PATH = 4_096
MOST_CO_AUTHORS = 100


@dataclass(frozen=True)
class CommitRead:
    """One commit of the branch; times in seconds since 1970. `co_authors`: name and e-mail of each."""

    sha: str
    subject: str
    author_name: str
    author_email: str
    authored_s: int
    missing_sign_offs: list[str]
    # A reading that was under way while the portal was brought up to date has none yet.
    co_authors: list[list[str]] = field(default_factory=list)


@dataclass(frozen=True)
class ChangeRead:
    """A branch beside the default branch; as JSON it is what the reading step hands to the storing one."""

    base: str
    head: str
    commits: list[CommitRead]
    paths: list[str]
    additions: int
    deletions: int
    too_long: str

    @property
    def title(self) -> str:
        """The subject of the only commit, or of the last."""
        return self.commits[-1].subject or "(no subject)"

    @property
    def sha256(self) -> str:
        """A hash over everything read, for the audit log."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def read_change(clone: Clone, *, base_branch: str, head: str) -> ChangeRead | None:
    """What `head` adds to the base branch; None if it adds no commit. Raises: GitError if the commits are not there.

    A branch of more than MOST_COMMITS commits or MOST_FILES files is read up to there and says so in `too_long`.
    """
    base_head = clone.resolve(base_branch)
    shas = clone.list_commits([head], exclude=[base_head])
    if not shas:
        return None
    commits = []
    for entry in clone.read_commits(shas[-MOST_COMMITS:]):
        message = read_message(entry.message)
        # A merge only joins what others signed.
        missing = () if len(entry.parents) > 1 else missing_sign_offs(message, entry.author_name, entry.author_email)
        commits.append(
            CommitRead(
                sha=entry.sha,
                subject=message.subject,
                author_name=entry.author_name[:500],
                author_email=entry.author_email[:500],
                authored_s=entry.authored_s or 0,
                missing_sign_offs=list(missing),
                co_authors=_co_authors(message),
            )
        )
    diff = clone.diff(base_head, head)
    paths = [path for path in diff.paths if len(path) <= LONGEST_PATH][:MOST_FILES]
    return ChangeRead(
        base=clone.merge_base(base_head, head) or base_head,
        head=head,
        commits=commits,
        paths=paths,
        additions=diff.added,
        deletions=diff.deleted,
        too_long=_too_long(len(shas), diff, len(paths)),
    )


def _co_authors(message: Message) -> list[list[str]]:
    """Name and e-mail of each person whom the message names as co-author; behind a tool or a bot stands the author."""
    named = ((one.name[:500], one.email[:500]) for one in message.of(TrailerKey.CO_AUTHORED))
    people = (one for one in named if contributor_kind(*one) is ContributorKind.PERSON)
    return [list(one) for one in dict.fromkeys(people)][:MOST_CO_AUTHORS]


def from_json(values: dict[str, object]) -> ChangeRead:
    """The reading as it was before it went through JSON."""
    commits = [CommitRead(**commit) for commit in values["commits"]]  # type: ignore[attr-defined]  # written by us
    return ChangeRead(**{**values, "commits": commits})  # type: ignore[arg-type]  # written by us


def _too_long(commits: int, diff: Diff, paths: int) -> str:
    if commits > MOST_COMMITS:
        return f"{commits} commits, of which the last {MOST_COMMITS} were read"
    if len(diff.paths) > paths:
        return f"{len(diff.paths)} paths, of which {paths} were read"
    return ""
