"""Bare clones of other people's repositories: their branches, history, differences and archives.

Everything that git says is read as hostile input: in full hashes, NUL-separated fields and bounded sizes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from app.contributions.diffs import Diff, read_diff
from app.contributions.git import Cut, GitError, check_source, is_branch_name, is_hash, reference, run, stream, trust
from app.contributions.history import LOG_FORMAT, LogEntry, LogReader

__all__ = ["Clone", "GitError", "Source", "ask", "is_branch_name", "is_hash"]


@dataclass(frozen=True)
class Source:
    """What a path or address answers when asked: its branches and the one that HEAD names."""

    location: str
    default_branch: str | None
    branches: dict[str, str]


def ask(source: str, *, keep: str | None = None, timeout_s: float = 60) -> Source:
    """Ask a path or address for its branches, without copying anything; GitError if it is no repository.

    A work tree's HEAD is only what somebody has checked out there just now: its default branch is `keep` (the one
    known so far), else main, master or trunk.
    """
    location = check_source(source)
    if "://" not in location:
        _check_folder(location)
    try:
        with trust(location) as settings:
            answer = run(["ls-remote", "--symref", "--", location, "HEAD", "refs/heads/*"], timeout_s=timeout_s,
                          settings=settings)  # fmt: skip
    except GitError as error:
        raise GitError(f"{location} does not answer as a git repository ({error}); check the path or address") from None
    default, branches = None, {}
    for line in answer.decode("utf-8", "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/") and is_branch_name(name.removeprefix("refs/heads/")):
            branches[name.removeprefix("refs/heads/")] = value
    is_work_tree = "://" not in location and (Path(location) / ".git").exists()
    usual = [keep, "main", "master", "trunk"]
    order = [*usual, default] if is_work_tree else [default, *usual]
    found = next((name for name in order if name in branches), min(branches, default=None))
    return Source(location, found, branches)


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

    def fetch(self, source: str, *, keep: str | None = None, timeout_s: float = 3600) -> Source:
        """Bring every branch of `source` here as it stands there: moved, rewritten and deleted ones too.

        A shallow source gives a shallow clone; a partial one gives its commits and trees.
        `keep`: the default branch known so far (see `ask`).
        Raises: GitError if the source is no repository or the transfer breaks (the clone then stands as before).
        """
        answer = ask(source, keep=keep)
        self._create()
        if not answer.branches:
            for name in self.branches():
                self._git("update-ref", "-d", f"refs/heads/{name}")
            return answer
        options = ["--prune", "--force", "--no-tags", "--no-recurse-submodules", "--update-shallow", "--quiet",
                   "--no-write-fetch-head", "--no-auto-maintenance"]  # fmt: skip
        branches = "+refs/heads/*:refs/heads/*"
        whole = ["fetch", *options, "--end-of-options", answer.location, branches]
        # Without contents, git wants a remote by name; it is one that has no address afterwards.
        partial = ["-c", f"remote.flambeau.url={answer.location}", "fetch", *options, "--filter=blob:none",
                   "--upload-pack=git -c uploadpack.allowFilter=true upload-pack", "flambeau", branches]  # fmt: skip
        with trust(answer.location) as settings:
            try:
                run(partial if self.is_partial else whole, path=self.path, timeout_s=timeout_s, settings=settings)
            except GitError as error:
                if "://" in answer.location or self.is_partial or "time-out" in str(error):
                    raise GitError(f"fetching {answer.location} broke off ({error})") from None
                try:
                    run(partial, path=self.path, timeout_s=timeout_s, settings=settings)
                except GitError:
                    raise GitError(f"fetching {answer.location} broke off ({error})") from None
                (self.path / "flambeau-partial").touch()
        if answer.default_branch:
            self._git("symbolic-ref", "HEAD", f"refs/heads/{answer.default_branch}")
        # What came may be newer than what was answered a moment before.
        return replace(answer, branches=self.branches())

    def branches(self) -> dict[str, str]:
        """Branch names with the full hash of their head."""
        lines = self._git("for-each-ref", "--format=%(objectname) %(refname)", "refs/heads").decode("utf-8", "replace")
        pairs = (line.split(" refs/heads/", 1) for line in lines.splitlines())
        return {name: sha for sha, name in pairs}

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

    def list_commits(self, include: Iterable[str], *, exclude: Iterable[str] = ()) -> list[str]:
        """Hashes reachable from `include` and not from `exclude`, parents before children."""
        wanted = [reference(name) for name in include]
        known = [f"^{reference(name)}" for name in exclude if self.has(name)]
        if not wanted:
            return []
        lines = "\n".join([*wanted, *known]) + "\n"
        answer = run(["rev-list", "--reverse", "--topo-order", "--stdin"], path=self.path, given=lines.encode(),
                      limit_bytes=1 << 30, timeout_s=600)  # fmt: skip
        return answer.decode("ascii").split()

    def read_commits(
        self, shas: Sequence[str], *, lines: bool = True, timeout_s: float = 6 * 3600, give_up_after: int = 3
    ) -> Iterator[LogEntry]:
        """Yield these commits in this order, with changed paths and, with `lines`, added and deleted lines.

        Where a file's content is missing (a partial or damaged clone), that commit comes without line counts and the
        rest is read on; after `give_up_after` such commits the remaining ones come without line counts at once.
        """
        position, failures = 0, 0
        while position < len(shas):
            counting = lines and not self.is_partial and failures < give_up_after
            try:
                for entry in self._read(shas[position:], lines=counting, timeout_s=timeout_s):
                    position += 1
                    yield entry
            except GitError:
                if not counting:
                    raise
                # The commit that failed is the next one or, if git had finished that one, the one after it.
                failures += 1
                for sha in shas[position : position + 2]:
                    position += 1
                    yield self._read_one(sha, timeout_s=timeout_s)

    def log(self, base: str, head: str) -> list[LogEntry]:
        """The commits of `head` that `base` lacks, oldest first, with their changed paths."""
        return list(self.read_commits(self.list_commits([head], exclude=[base]), lines=False))

    def commit(self, name: str) -> LogEntry:
        """One commit with its message and changed paths."""
        return next(iter(self.read_commits([self.resolve(name)], lines=False)))

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

    def _read(self, shas: Sequence[str], *, lines: bool, timeout_s: float) -> Iterator[LogEntry]:
        arguments = ["log", "--stdin", "--no-walk=unsorted", "-z", "--raw", *(["--numstat"] if lines else []),
                     "--no-abbrev", "--no-renames", "--diff-merges=off", "--encoding=UTF-8", "--no-color",
                     "--no-ext-diff", "--no-textconv", "--no-notes", "--no-decorate", "--no-show-signature",
                     "--ignore-submodules=none", f"--format={LOG_FORMAT}"]  # fmt: skip
        reader = LogReader()
        for chunk in stream(arguments, path=self.path, given=("\n".join(shas) + "\n").encode(), timeout_s=timeout_s):
            yield from reader.feed(chunk)
        yield from reader.finish()

    def _read_one(self, sha: str, *, timeout_s: float) -> LogEntry:
        try:
            return next(iter(list(self._read([sha], lines=True, timeout_s=timeout_s))))
        except GitError:
            return next(iter(list(self._read([sha], lines=False, timeout_s=timeout_s))))

    def _create(self) -> None:
        if self.exists:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        run(["init", "--bare", "--quiet", "--template=", "--initial-branch=flambeau-none", str(self.path)])

    def _empty_tree(self) -> str:
        return run(["hash-object", "-t", "tree", "--stdin"], path=self.path, given=b"").decode().strip()

    def _git(self, *arguments: str) -> bytes:
        return run(list(arguments), path=self.path)


def _check_folder(location: str) -> None:
    if not Path(location).exists():
        raise GitError(f"{location} does not exist; give the folder that holds .git, or an https address")
    if not Path(location).is_dir():
        raise GitError(f"{location} is a file; give the folder that holds .git, or an https address")
