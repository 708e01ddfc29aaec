"""Bare clones of other people's repositories: their branches, history, differences and archives.

Everything that git says is read as hostile input: in full hashes, NUL-separated fields and bounded sizes.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Generator, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from app.contributions.diffs import Diff, read_diff
from app.contributions.fetching import USUAL_LIMITS, Limits, Report, Source, ask, fetch, fetch_pulls
from app.contributions.git import Cut, is_branch_name, is_hash, reference, run, stream
from app.contributions.history import (
    LINES_FORMAT,
    LOG_FORMAT,
    LineCounts,
    LineReader,
    Listing,
    LogEntry,
    LogReader,
)
from app.contributions.proposed import forget, numbers_in
from app.contributions.sources import GitError, OverLimitError, Reach
from app.contributions.tidying import tidy

__all__ = ["Clone", "GitError", "Limits", "OverLimitError", "Reach", "Source", "ask", "is_branch_name", "is_hash"]

AT_ONCE = 8192  # commits to one run of git, so that its memory does not grow with the history


@dataclass(frozen=True)
class Clone:
    """A bare repository of the portal's own, holding the branches of one source and nothing else of it."""

    path: Path

    @property
    def exists(self) -> bool:
        return (self.path / "HEAD").is_file()

    @property
    def is_partial(self) -> bool:
        """True where the source has no file contents to give: differences by line cannot be counted."""
        return (self.path / "flambeau-partial").exists()

    def fetch(
        self, source: str, *, keep: str | None = None, reach: Reach = Reach.ANYWHERE, limits: Limits = USUAL_LIMITS,
        timeout_s: float = 6 * 3600, report: Report = lambda _text: None,
    ) -> Source:  # fmt: skip
        """Bring every branch of `source` here as it stands there: moved, rewritten and deleted ones too.

        A shallow source gives a shallow clone; a partial one gives its commits and trees.
        `keep`: the default branch known so far (see `ask`). `report` hears git's own progress about once a second.
        Raises: GitError if the source is no repository, the transfer breaks or a limit is reached (the clone then
        stands as before).
        """
        answer = fetch(self.path, source, keep=keep, reach=reach, limits=limits, timeout_s=timeout_s, report=report)
        # What came may be newer than what was answered a moment before.
        return replace(answer, branches=self.branches())

    @property
    def proposed(self) -> Clone:
        """The commits of pull requests from elsewhere, kept apart: nothing of them can be named, built or counted here.

        It borrows what this clone holds, so that both sides of a difference are in it.
        """
        return Clone(self.path.with_suffix(".proposed.git"))

    def fetch_pulls(
        self, source: str, numbers: Sequence[int], *, reach: Reach = Reach.ANYWHERE, limits: Limits = USUAL_LIMITS,
        report: Report = lambda _text: None,
    ) -> dict[int, str]:  # fmt: skip
        """Bring the heads of pull requests into `proposed`; number -> hash of those that the source has.

        Raises: GitError.
        """
        found = fetch_pulls(self.proposed.path, source, numbers, lender=self.path, reach=reach, limits=limits,
                            report=report)  # fmt: skip
        with suppress(GitError):  # it is as good as before, and joined another time
            self.proposed.tidy(limits=limits)
        return found

    def proposed_numbers(self) -> set[int]:
        """The pull requests whose heads `proposed` holds."""
        return numbers_in(self.proposed.path)

    def forget_proposed(self, numbers: Collection[int]) -> None:
        """Let go of what these pull requests brought, unless something else reaches it. Raises: GitError."""
        forget(self.proposed.path, numbers)

    def tidy(self, *, limits: Limits = USUAL_LIMITS) -> bool:
        """Join the packs and loose objects of many fetches, where there are many (see `tidying`)."""
        return tidy(self.path, limits=limits)

    def remove(self) -> None:
        """Delete the clone with all it holds."""
        for path in (self.path, self.proposed.path):
            shutil.rmtree(path, ignore_errors=True)

    def branches(self) -> dict[str, str]:
        """Branch names with the full hash of their head."""
        lines = self._git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads").decode("utf-8", "replace")
        pairs = (line.split(" refs/heads/", 1) for line in lines.splitlines())
        return {name: sha for sha, name in pairs if is_branch_name(name)}

    def default_branch(self) -> str | None:
        """The branch that HEAD names, if it exists."""
        name = self._git("symbolic-ref", "--quiet", "HEAD").decode().strip().removeprefix("refs/heads/")
        return name if name in self.branches() else None

    def resolve(self, name: str) -> str:
        """The full hash of a branch or of a commit given by its full hash; GitError if the clone lacks it."""
        try:
            return self._git("rev-parse", "--verify", "--quiet", f"{reference(name)}^{{commit}}").decode().strip()
        except GitError:
            raise GitError(f"there is no branch or commit {name!r} in this repository") from None

    def has(self, sha: str) -> bool:
        """True if the clone holds this commit."""
        try:
            return bool(self.resolve(sha))
        except GitError:
            return False

    def list_commits(self, include: Iterable[str], *, exclude: Iterable[str] = ()) -> Listing:
        """Hashes reachable from `include` and not from `exclude`, parents before children."""
        wanted = [reference(name) for name in include]
        known = [f"^{reference(name)}" for name in exclude if self.has(name)]
        if not wanted:
            return Listing(())
        lines = "\n".join([*wanted, *known]) + "\n"
        return Listing(stream(["rev-list", "--reverse", "--topo-order", "--stdin"], path=self.path,
                              given=lines.encode(), timeout_s=3600))  # fmt: skip

    def count_commits(self, head: str) -> int:
        """How many commits a head has."""
        return int(self._git("rev-list", "--count", self.resolve(head)))

    def read_commits(self, shas: Sequence[str], *, timeout_s: float = 6 * 3600) -> Iterator[LogEntry]:
        """Yield these commits in this order, with the paths that they changed (which need no file's content)."""
        for start in range(0, len(shas), AT_ONCE):
            reader = LogReader()
            for chunk in self._log(shas[start : start + AT_ONCE], "--raw", LOG_FORMAT, timeout_s=timeout_s):
                yield from reader.feed(chunk)
            yield from reader.finish()

    def count_lines(self, shas: Sequence[str], *, timeout_s: float = 6 * 3600) -> Generator[LineCounts, None, None]:
        """Yield these commits in this order with the lines that they added to and deleted from each path.

        Where a file's content is missing (a partial or damaged clone) or a difference cannot be made in time, that
        commit comes without counts, and the rest is counted on.
        """
        position = 0
        while position < len(shas):
            reader = LineReader()
            try:
                for chunk in self._log(shas[position:], "--numstat", LINES_FORMAT, timeout_s=timeout_s):
                    for counts in reader.feed(chunk):
                        position += 1
                        yield counts
                for counts in reader.finish():
                    position += 1
                    yield counts
            except GitError:
                # The commit that failed is the next one or, if git had finished that one, the one after it.
                for sha in shas[position : position + 2]:
                    position += 1
                    yield self._count_one(sha)

    def log(self, base: str, head: str) -> list[LogEntry]:
        """The commits of `head` that `base` lacks, oldest first, with their changed paths."""
        return list(self.read_commits(self.list_commits([head], exclude=[base])))

    def commit(self, name: str) -> LogEntry:
        """One commit with its message and changed paths."""
        return next(iter(self.read_commits([self.resolve(name)])))

    def merge_base(self, one: str, other: str) -> str | None:
        """The best common ancestor; None for histories that never met."""
        try:
            answer = self._git("merge-base", self.resolve(one), self.resolve(other))
        except GitError as error:
            if "status 1:" in str(error):
                return None
            raise
        return answer.decode().split()[0]

    def is_ancestor(self, older: str, newer: str) -> bool:
        """True if `newer` contains `older`."""
        return self.merge_base(older, newer) == self.resolve(older)

    def diff(self, base: str, head: str, *, context: int = 3, limit_bytes: int = 16 << 20) -> Diff:
        """What `head` changed since it left `base` (git's `base...head`), renames found, file by file.

        A difference over `limit_bytes` is cut there and says so (`is_cut`).
        """
        start = self.merge_base(base, head) or self._empty_tree()
        arguments = ["diff", "-z", "--raw", "--patch", f"--unified={context}", "--find-renames", "--full-index",
                     "--no-abbrev", "--no-color", "--no-ext-diff", "--no-textconv", "--submodule=short",
                     "--src-prefix=a/", "--dst-prefix=b/", start, self.resolve(head), "--"]  # fmt: skip
        cut = Cut()
        return read_diff(run(arguments, path=self.path, limit_bytes=limit_bytes, cut=cut), is_cut=cut.happened)

    def read_file(self, commit: str, path: str, *, limit_bytes: int = 4 << 20) -> bytes | None:
        """The content of a file at a commit, cut at `limit_bytes`; None if it is not there or is a folder."""
        if "\0" in path:
            return None
        try:
            return run(["cat-file", "blob", f"{self.resolve(commit)}:{path}"], path=self.path,
                        limit_bytes=limit_bytes, cut=Cut())  # fmt: skip
        except GitError:
            return None

    def archive(self, commit: str, into: Path, *, prefix: str = "source/", limit_bytes: int = 2 << 30) -> Path:
        """Write the files of a commit to `into` as tar.gz, under the folder `prefix`; gives back `into`."""
        arguments = ["archive", "--format=tar.gz", f"--prefix={prefix}", self.resolve(commit)]
        with into.open("wb") as out:
            for chunk in stream(arguments, path=self.path, timeout_s=600, limit_bytes=limit_bytes):
                out.write(chunk)
        return into

    def mailmap(self, people: Sequence[tuple[str, str]], *, commit: str) -> list[tuple[str, str]]:
        """Each (name, address) as the `.mailmap` file of that commit maps it, in the same order."""
        if any("\n" in name + address for name, address in people):
            raise GitError("a name or address with a line break cannot be asked of git's mailmap")
        if not people:
            return []
        asked = "".join(f"{name} <{address}>\n" for name, address in people)
        answer = run(["-c", f"mailmap.blob={self.resolve(commit)}:.mailmap", "check-mailmap", "--stdin"],
                      path=self.path, given=asked.encode(), limit_bytes=1 << 30)  # fmt: skip
        mapped = [line.rpartition("<") for line in answer.decode("utf-8", "replace").rstrip("\n").split("\n")]
        return [(name.rstrip(), address.removesuffix(">")) for name, _, address in mapped]

    def _log(self, shas: Sequence[str], what: str, form: str, *, timeout_s: float) -> Iterator[bytes]:
        arguments = ["log", "--stdin", "--no-walk=unsorted", "-z", what, "--no-abbrev", "--no-renames",
                     "--diff-merges=off", "--encoding=UTF-8", "--no-color", "--no-ext-diff", "--no-textconv",
                     "--no-notes", "--no-decorate", "--no-show-signature", "--ignore-submodules=none",
                     f"--format={form}"]  # fmt: skip
        return stream(arguments, path=self.path, given=("\n".join(shas) + "\n").encode(), timeout_s=timeout_s)

    def _count_one(self, sha: str) -> LineCounts:
        reader = LineReader()
        try:
            output = b"".join(self._log([sha], "--numstat", LINES_FORMAT, timeout_s=600))
        except GitError:
            return LineCounts(sha, None)
        return next(iter([*reader.feed(output), *reader.finish()]))

    def _empty_tree(self) -> str:
        return run(["hash-object", "-t", "tree", "--stdin"], path=self.path, given=b"").decode().strip()

    def _git(self, *arguments: str) -> bytes:
        return run(list(arguments), path=self.path)
