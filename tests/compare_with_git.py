"""Reads a repository as the portal does and compares every figure with what plain git says of the same history.

    python -m tests.compare_with_git PATH [PATH ...] [--in-place] [--database URL]

Compared, each exactly: commits by author after the mailmap (`git shortlog -sne`), by person, by e-mail domain and
year, lines added and deleted by commit (`git log --numstat`), first contributions, and co-authors, sign-offs and
reviewers by commit (git's own trailers, and the lines of `git log --format=%B` where git takes only the last block).
Ends with 1 if anything differs, and says what. With --in-place a bare repository is read where it lies instead of
being fetched first.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import load_slices
from app.contributions.clones import Clone
from app.contributions.ingest import Reader, plan
from app.contributions.lines import LineCounter
from app.contributions.mailmaps import read_mailmap
from app.contributions.metrics import Kind
from app.contributions.models import ChangePath, Commit, CommitTrailer, Repository, RepositoryCommit, Rollup
from app.contributions.rules import TrailerKey
from app.contributions.settling import settle
from app.db import Database
from app.people.models import Identity, IdentityPerson
from app.people.rules import Role

FIELDS = ("%H", "%P", "%an", "%ae", "%at", "%ct", "%(trailers:key=co-authored-by,valueonly,unfold,separator=%x01)",
          "%(trailers:key=signed-off-by,valueonly,unfold,separator=%x01)", "%B")  # fmt: skip
KEYS = {
    "co-authors": (r"co-authored[- ]by", (TrailerKey.CO_AUTHORED,)),
    "sign-offs": (r"signed-off[- ]by", (TrailerKey.SIGNED_OFF,)),
    "reviewers": (r"reviewed[- ]by|approved[- ]by|acked[- ]by",
                  (TrailerKey.REVIEWED, TrailerKey.APPROVED, TrailerKey.ACKED)),
}  # fmt: skip
LONGEST = 256 << 10
Who = tuple[str, str]


@dataclass
class Said:
    """What plain git says of one commit."""

    sha: str
    parents: str
    author: Who
    day: date
    trailers: dict[str, list[str]]
    message: str


@dataclass
class Result:
    """One comparison: how many values were compared, and those that differ (key, git's, ours)."""

    name: str
    compared: int
    differ: list[tuple[Any, Any, Any]] = field(default_factory=list)


def main(arguments: list[str] | None = None) -> int:
    """Compare each repository; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", type=Path, nargs="+", metavar="PATH")
    parser.add_argument("--in-place", action="store_true", help="read a bare repository where it lies")
    parser.add_argument("--database", help="an empty database to read into; SQLite in a temporary folder otherwise")
    options = parser.parse_args(arguments)
    load_slices(("models", "queries"))
    status = 0
    for path in options.paths:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            clone = Clone(path if options.in_place else Path(folder) / "clone.git")
            if not options.in_place:
                clone.fetch(str(path))
            db = Database(options.database or f"sqlite:///{folder}/compare.db")
            db.upgrade("heads")
            results = compare(db, clone)
            db.close()
        print(f"{path}: {time.monotonic() - begun:.0f} s")
        for one in results:
            print(f"  {one.name:34} {one.compared:9,} compared  {len(one.differ):6,} differ")
            for key, theirs, ours in one.differ[:5]:
                print(f"      {key!r}: git {theirs!r}, the portal {ours!r}")
            status = status or bool(one.differ)
    return status


def compare(db: Database, clone: Clone, *, now: datetime | None = None) -> list[Result]:
    """Read the clone's default branch into the empty database, and compare."""
    now = now or datetime.now(UTC)
    head = clone.resolve(clone.default_branch() or "")
    number = read(db, clone, head, now)
    said = list(log(clone.path, head, now))
    with db.read() as session:
        rows = session.execute(
            sa.select(Commit.sha, Identity.name, Identity.email, Commit.day, Commit.added, Commit.deleted,
                      Commit.parents, Commit.is_revert, IdentityPerson.person_id, IdentityPerson.role)
            .join(RepositoryCommit, RepositoryCommit.commit_id == Commit.id)
            .join(Identity, Identity.id == Commit.author_identity_id)
            .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
            .where(RepositoryCommit.repository_id == number)
        ).all()  # fmt: skip
        rolled = session.execute(
            sa.select(Rollup.person_id, sa.func.sum(Rollup.commits), sa.func.min(Rollup.day), sa.func.sum(Rollup.added),
                      sa.func.sum(Rollup.deleted))
            .where(Rollup.repository_id == number, Rollup.module_key.is_(None),
                   Rollup.kind.in_((Kind.COMMIT, Kind.MERGE, Kind.BOT)))
            .group_by(Rollup.person_id)
        ).all()  # fmt: skip
        paths = Counter(dict(session.execute(
            sa.select(Commit.sha, sa.func.count()).join(ChangePath, ChangePath.commit_id == Commit.id)
            .group_by(Commit.sha)).all()))  # fmt: skip
        trailers = session.execute(
            sa.select(Commit.sha, CommitTrailer.key, Identity.name, Identity.email, Identity.login)
            .join(CommitTrailer, CommitTrailer.commit_id == Commit.id)
            .join(Identity, Identity.id == CommitTrailer.identity_id)
        ).all()  # fmt: skip
    authors = sorted({(row.name, row.email) for row in rows})
    proper = dict(zip(authors, mapped(clone, head, authors), strict=True))
    lines = numstat(clone.path, head)
    person_of = {proper[row.name, row.email]: row.person_id for row in rows}
    # What a tool wrote is counted as assistance, apart from people's and bots' commits, and without lines.
    tools = {row.sha for row in rows if row.role is Role.ASSISTANCE}
    of_tools = {row.person_id for row in rows if row.role is Role.ASSISTANCE}
    rolled = [row for row in rolled if row[0] not in of_tools]
    of_person: Counter[int] = Counter()
    first: dict[int, date] = {}
    for who, count in shortlog(clone.path, head).items():
        if (person := person_of.get(who, -1)) not in of_tools:
            of_person[person] += count
    for one in said:
        person = person_of[proper[one.author]] if one.author in proper else -1
        if person not in of_tools:
            first[person] = min(first.get(person, one.day), one.day)
    added = tuple(sum(pair[at] for sha, pair in lines.items() if pair and sha not in tools) for at in (0, 1))
    reverts = {row.sha for row in rows if row.is_revert}
    results = [
        differ("commits and their parents", {one.sha: one.parents for one in said},
               {row.sha: row.parents for row in rows}),
        differ("commits by author, mailmap applied", shortlog(clone.path, head),
               Counter(proper[row.name, row.email] for row in rows)),
        differ("commits by person", of_person, {row[0]: int(row[1]) for row in rolled}),
        differ("commits by domain and year", Counter((domain(one.author[1]), one.day.year) for one in said),
               Counter((domain(row.email), row.day.year) for row in rows)),
        differ("first contribution by person", first, {row[0]: row[2] for row in rolled}),
        differ("newcomers by year", Counter(day.year for day in first.values()),
               Counter(row[2].year for row in rolled)),
        differ("lines by commit", lines, {row.sha: None if row.added is None else (row.added, row.deleted)
                                          for row in rows if paths[row.sha]}),
        differ("lines in all", {"lines": added},
               {"lines": tuple(sum(int(row[at]) for row in rolled) for at in (3, 4))}),
    ]  # fmt: skip
    for name, (pattern, keys) in KEYS.items():
        theirs = {one.sha: named(one, name, pattern) for one in said if one.sha not in reverts}
        ours: dict[str, set[str]] = defaultdict(set)
        for row in trailers:
            if row.key in keys:
                ours[row.sha].add(row.email.casefold() or row.login.casefold() or row.name.casefold())
        results.append(differ(f"{name} by commit", {sha: who for sha, who in theirs.items() if who},
                              {sha: who for sha, who in ours.items() if sha not in reverts}))  # fmt: skip
    return results


def read(db: Database, clone: Clone, head: str, now: datetime) -> int:
    """Both passes, as the workflows do them; the repository's row number."""
    with db.write() as session:
        row = Repository(name="compared", url=str(clone.path), added_at=now, head_sha=head)
        session.add(row)
    with db.read() as session:
        todo = plan(session, clone, row)
    Reader(clone=clone, repository_id=row.id, job="j_compare", source="r_compare", now=now, writing=db.write,
           report=lambda _done, _all: None).run(todo)  # fmt: skip
    with db.write() as session:
        read_mailmap(session, session.get_one(Repository, row.id), clone)
    settle(db.write)
    LineCounter(clone, row.id, "j_compare", "r_compare", db.write).run()
    return row.id


def log(path: Path, head: str, now: datetime) -> Iterator[Said]:
    """Every commit as `git log` shows it."""
    fields = git(path, "log", "-z", "--encoding=UTF-8", "--format=" + "%x00".join(FIELDS), head).split(b"\0")[:-1]
    for at in range(0, len(fields), len(FIELDS)):
        sha, parents, name, email, authored, committed, helpers, signers, message = (
            text(one) for one in fields[at : at + len(FIELDS)]
        )
        yield Said(sha, parents, (name[:300], email[:300]), day_of(authored, committed, now),
                   {"co-authors": helpers.split("\x01"), "sign-offs": signers.split("\x01")}, message)  # fmt: skip


def shortlog(path: Path, head: str) -> dict[Who, int]:
    """What `git shortlog -sne` counts."""
    counted: Counter[Who] = Counter()
    for line in git(path, "-c", f"mailmap.blob={head}:.mailmap", "shortlog", "-sne", head).split(b"\n"):
        count, _, who = text(line).strip(" ").partition("\t")
        name, _, address = who.rpartition(" <")
        if count:
            counted[name, address.rstrip(">")] += int(count)
    return counted


def numstat(path: Path, head: str) -> dict[str, tuple[int, int] | None]:
    """Lines added and deleted by each commit that changes a path; None where a file's content is missing."""
    shas = git(path, "rev-list", head).decode().split()
    found: dict[str, tuple[int, int] | None] = {}
    command = ["log", "-z", "--numstat", "--no-renames", "--diff-merges=off", "--format=%H", "--no-walk=unsorted"]
    at = 0
    while at < len(shas):
        done = plainly(path, *command, "--stdin", given="\n".join(shas[at:]).encode())
        counted = _counted(done.stdout)
        if done.returncode == 0:
            found.update(counted)
            break
        # Where a file's content is missing git ends in the middle; the commits around there are asked one by one.
        ended = len(counted) - 1
        found.update(one for one in list(counted.items())[:ended])
        for sha in shas[at + ended : at + ended + 2]:
            alone = plainly(path, *command, sha)
            found[sha] = _counted(alone.stdout)[sha] if alone.returncode == 0 else None
        at += ended + 2
    return {sha: pair for sha, pair in found.items() if pair != NO_PATHS}


NO_PATHS = (-1, -1)


def _counted(output: bytes) -> dict[str, tuple[int, int] | None]:
    found: dict[str, tuple[int, int] | None] = {}
    sha = ""
    for token in output.split(b"\0"):
        parts = token.lstrip(b"\n").split(b"\t", 2)
        if len(parts) == 3:
            before = found[sha] or NO_PATHS
            added, deleted = (0 if one == b"-" else int(one) for one in parts[:2])
            found[sha] = (max(before[0], 0) + added, max(before[1], 0) + deleted)
        elif parts[0]:
            sha = parts[0].decode()
            found[sha] = NO_PATHS
    return found


def named(one: Said, name: str, pattern: str) -> set[str]:
    """Whom git's trailers and the lines of the message name under a key."""
    unfolded = re.sub(r"\n[ \t]+(?=\S)", " ", one.message[:LONGEST].replace("\r\n", "\n").replace("\r", "\n"))
    body = unfolded.lstrip("\n").partition("\n")[2]
    lines = re.findall(rf"^(?:{pattern})[ \t]*:[ \t]*(\S.*)", body, re.IGNORECASE | re.MULTILINE)
    found: set[str] = set()
    for value in [*lines, *one.trailers.get(name, [])]:
        several = value.split(",") if name == "reviewers" and "<" not in value else [value]
        for part in filter(None, (part.strip() for part in several)):
            address = re.match(r"[^<]*<\s*([^<>\s]+)\s*>", part)
            profile = re.fullmatch(r"https?://(?:www\.)?git(?:hub|lab)\.com/([^/\s]+)/?", part)
            written = part.lstrip("@") if name == "reviewers" else part
            who = address[1] if address else profile[1] if profile else written
            if address or profile or "://" not in part:
                found.add(who.casefold()[:1000])
    return found


def differ(name: str, theirs: Any, ours: Any) -> Result:
    """Every key of either whose values are not the same."""
    keys = sorted({*theirs, *ours}, key=str)
    return Result(name, len(keys), [(key, theirs.get(key), ours.get(key)) for key in keys
                                    if theirs.get(key) != ours.get(key)])  # fmt: skip


def mapped(clone: Clone, head: str, authors: list[Who]) -> list[Who]:
    """What git's mailmap makes of authors."""
    odd = {who for who in authors if any(mark in who[0] + who[1] for mark in "<>\n")}
    plain = [who for who in authors if who not in odd]
    proper = dict(zip(plain, clone.mailmap(plain, commit=head), strict=True))
    return [proper.get(who, who) for who in authors]


def domain(email: str) -> str:
    """The part after the @, in lower case."""
    return email.rpartition("@")[2].casefold()


def day_of(authored: str, committed: str, now: datetime) -> date:
    """The author's day in UTC, else the committer's where that is before 2 January 1970 or after tomorrow, else now."""
    for seconds in (authored, committed):
        if seconds.isdigit() and 86_400 <= int(seconds) <= now.timestamp() + 86_400:
            return datetime.fromtimestamp(int(seconds), UTC).date()
    return now.date()


def text(raw: bytes) -> str:
    """UTF-8, else Latin-1."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def git(path: Path, *arguments: str) -> bytes:
    """What plain git prints."""
    done = plainly(path, *arguments)
    done.check_returncode()
    return done.stdout


def plainly(path: Path, *arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A call of plain git, however it ends."""
    command = ["git", f"--git-dir={path}", "-c", "log.showSignature=false", *arguments]
    return subprocess.run(command, check=False, capture_output=True, cwd="/", input=given)


if __name__ == "__main__":
    sys.exit(main())
