"""Brings other people's branches into a clone of our own: asked first, within limits, whole or not at all."""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.contributions.git import is_branch_name, is_hash, manner_of, run
from app.contributions.sources import GitError, OverLimitError, Reach, Target, target_of

Report = Callable[[str], None]
_REFS = "+refs/heads/*:refs/heads/*"
_PLAIN = ["--force", "--no-tags", "--no-recurse-submodules", "--update-shallow", "--progress",
          "--no-write-fetch-head", "--no-auto-maintenance"]  # fmt: skip
_OPTIONS = ["--prune", *_PLAIN]
_LOCK_WAIT_S = 60.0


@dataclass(frozen=True)
class Source:
    """What a path or address answers when asked: its branches and the one that HEAD names."""

    location: str
    default_branch: str | None
    branches: dict[str, str]


@dataclass(frozen=True)
class Limits:
    """What one repository may take: bytes of its clone, commits of its default branch, and disk that stays free."""

    clone_bytes: int = 20 << 30
    commits: int = 5_000_000
    free_bytes: int = 1 << 30


USUAL_LIMITS = Limits()


def ask(source: str, *, keep: str | None = None, reach: Reach = Reach.ANYWHERE, timeout_s: float = 60) -> Source:
    """Ask a path or address for its branches, without copying anything; GitError if it is no repository.

    A work tree's HEAD is only what somebody has checked out there just now: its default branch is `keep` (the one
    known so far), else main, master or trunk. A HEAD that points nowhere says as little.
    """
    target = _reached(source, reach)
    return _ask(target, keep=keep, timeout_s=timeout_s)


def fetch(
    path: Path, source: str, *, keep: str | None = None, reach: Reach = Reach.ANYWHERE, limits: Limits = USUAL_LIMITS,
    timeout_s: float = 6 * 3600, report: Report = lambda _text: None,
) -> Source:  # fmt: skip
    """Bring every branch of `source` into the bare repository at `path`, made if it is not there yet.

    Raises: GitError if the source is no repository, the transfer breaks or a limit is reached; the clone then holds
    the branches that it held before, and a clone that was new is gone.
    """
    target = _reached(source, reach)
    answer = _ask(target, keep=keep, timeout_s=60)
    is_new = not (path / "HEAD").is_file()
    _make_folder(path)
    with held(path) as lock:
        try:
            if is_new:
                _init(path)
            _sweep(path)
            _transfer(path, target, answer, limits=limits, timeout_s=timeout_s, report=report, lock=lock)
        except BaseException:
            if is_new:
                shutil.rmtree(path, ignore_errors=True)
            else:
                _sweep(path)
            raise
        if answer.default_branch:
            run(["symbolic-ref", "HEAD", f"refs/heads/{answer.default_branch}"], path=path)
    return answer


def fetch_pulls(
    path: Path, source: str, numbers: Sequence[int], *, lender: Path, reach: Reach = Reach.ANYWHERE,
    limits: Limits = USUAL_LIMITS, timeout_s: float = 3600, report: Report = lambda _text: None,
) -> dict[int, str]:  # fmt: skip
    """Bring the heads of pull requests (`refs/pull/N/head`) into the bare repository at `path`, made if need be.

    It borrows what the clone at `lender` holds. Gives number -> hash; of those that the source does not have, nothing.
    Raises: GitError as `fetch`; OverLimitError where they take more room than a repository may.
    """
    target = _reached(source, reach)
    wanted = {f"refs/pull/{number}/head": number for number in numbers}
    with manner_of(target) as manner:
        said = run(["ls-remote", "--", target.location, *wanted], timeout_s=60, manner=manner)
    rows = (line.partition("\t") for line in said.decode("utf-8", "replace").splitlines())
    found = {name: value for value, _, name in rows if name in wanted and is_hash(value)}
    if not found:
        return {}
    _make_folder(path)
    with held(path) as lock:
        if not (path / "HEAD").is_file():
            _init(path)
        (path / "objects" / "info").mkdir(exist_ok=True)
        (path / "objects" / "info" / "alternates").write_text(f"{(lender / 'objects').absolute()}\n")
        _sweep(path)
        watch = _Watch(path, limits, report)
        try:
            with manner_of(target, keep_open=(lock,)) as manner:
                run(["fetch", *_PLAIN, "--end-of-options", target.location, *(f"+{name}:{name}" for name in found)],
                    path=path, timeout_s=timeout_s, manner=manner, watch=watch)  # fmt: skip
            if (trouble := watch.look()) is not None:
                raise GitError(trouble)
        except GitError as error:
            broken = f"fetching pull requests of {target.location} broke off ({error})"
            raise (OverLimitError if watch.is_over else GitError)(broken) from None
        lines = run(["for-each-ref", "--format=%(objectname) %(refname)", *found], path=path).decode()
    return {wanted[name]: sha for sha, name in (line.split(" ", 1) for line in lines.splitlines()) if name in wanted}


def _reached(source: str, reach: Reach) -> Target:
    target = target_of(source, reach=reach)
    if target.is_folder:
        _check_folder(target.location)
    return target


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        there = Path(error.filename)  # it, or a folder above it
        is_link = there.is_symlink()
        what = f"a link to {there.readlink()}, which is not there" if is_link else "no folder"
        raise GitError(f"{there} is {what}; make {'that folder' if is_link else 'room'} or remove it") from None
    except OSError as error:
        raise GitError(f"{path} cannot be made ({error.strerror}); the portal keeps its clone there") from None


def _init(path: Path) -> None:
    run(["init", "--bare", "--quiet", "--template=", "--initial-branch=flambeau-none", str(path)])


def _ask(target: Target, *, keep: str | None, timeout_s: float) -> Source:
    location = target.location
    try:
        with manner_of(target) as manner:
            answer = run(["ls-remote", "--symref", "--", location, "HEAD", "refs/heads/*"], timeout_s=timeout_s,
                         manner=manner)  # fmt: skip
    except GitError as error:
        raise GitError(f"{location} does not answer as a git repository ({error}); check the path or address") from None
    default, branches = None, {}
    for line in answer.decode("utf-8", "replace").splitlines():
        value, _, name = line.partition("\t")
        if value.startswith("ref: refs/heads/") and name == "HEAD":
            default = value.removeprefix("ref: refs/heads/")
        elif name.startswith("refs/heads/") and is_branch_name(name.removeprefix("refs/heads/")):
            branches[name.removeprefix("refs/heads/")] = value
    is_work_tree = target.is_folder and (Path(location) / ".git").exists()
    usual = [keep, "main", "master", "trunk"]
    order = [*usual, default] if is_work_tree else [default, *usual]
    found = next((name for name in order if name in branches), min(branches, default=None))
    return Source(location, found, branches)


def _transfer(
    path: Path, target: Target, answer: Source, *, limits: Limits, timeout_s: float, report: Report, lock: int
) -> None:
    if not answer.branches:
        lines = run(["for-each-ref", "--format=delete %(refname)", "refs/heads"], path=path)
        run(["update-ref", "--stdin"], path=path, given=lines)
        return
    marker = path / "flambeau-partial"
    whole = ["fetch", *_OPTIONS, "--end-of-options", target.location, _REFS]
    # Without contents, git wants a remote by name; it is one that has no address afterwards.
    partial = ["-c", f"remote.flambeau.url={target.location}", "fetch", *_OPTIONS, "--filter=blob:none",
               "--upload-pack=git -c uploadpack.allowFilter=true upload-pack", "flambeau", _REFS]  # fmt: skip
    watch = _Watch(path, limits, report)
    with manner_of(target, keep_open=(lock,)) as manner:
        try:
            run(partial if marker.exists() else whole, path=path, timeout_s=timeout_s, manner=manner, watch=watch)
        except GitError as error:
            is_final = marker.exists() or not target.is_folder or watch.has_spoken or "time-out" in str(error)
            if is_final:
                raise GitError(f"fetching {target.location} broke off ({error})") from None
            _sweep(path)
            try:
                run(partial, path=path, timeout_s=timeout_s, manner=manner, watch=watch)
            except GitError:
                raise GitError(f"fetching {target.location} broke off ({error})") from None
            marker.touch()
    if (said := watch.look()) is not None:
        raise GitError(f"fetching {target.location} broke off ({said})")


class _Watch:
    """Looks at the clone's size while git writes to it; a sentence from it ends the transfer."""

    def __init__(self, path: Path, limits: Limits, report: Report) -> None:
        self.has_spoken = self.is_over = False
        self._path, self._limits, self._report = path, limits, report
        self._told_at = 0.0

    def __call__(self, progress: str) -> str | None:
        now = time.monotonic()
        if progress and now - self._told_at >= 1:
            self._told_at = now
            self._report(progress)
        return self.look()

    def look(self) -> str | None:
        size, most = _size(self._path), self._limits.clone_bytes
        free = shutil.disk_usage(self._path).free
        said = None
        if size > most:
            self.is_over = True
            said = (f"it takes more than the {_gib(most)} that a repository may take; raise "
                    "FLAMBEAU_CLONE_LIMIT_GB if it should be counted")  # fmt: skip
        elif free < self._limits.free_bytes:
            said = (f"only {_gib(free)} of disk are left and {_gib(self._limits.free_bytes)} must stay free; make room "
                    "or lower FLAMBEAU_FREE_DISK_GB")  # fmt: skip
        self.has_spoken = self.has_spoken or said is not None
        return said


@contextmanager
def held(path: Path) -> Iterator[int]:
    """Hold the clone against another fetch. Git holds it too: what a killed worker left running is waited for."""
    lock = os.open(path / "flambeau-fetch.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + _LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise GitError("this repository is being fetched by somebody else; try again later") from None
                time.sleep(0.1)
        yield lock
    finally:
        os.close(lock)


def _sweep(path: Path) -> None:
    """Remove what a killed git left: half a pack, and locks of references that nobody holds (we hold the clone)."""
    for pattern in ("objects/pack/tmp_*", "objects/pack/.tmp-*", "objects/??/tmp_obj_*"):
        for left in path.glob(pattern):
            left.unlink(missing_ok=True)
    for left in path.glob("objects/tmp_objdir-*"):
        shutil.rmtree(left, ignore_errors=True)
    for left in (*path.glob("*.lock"), *path.glob("refs/**/*.lock")):
        if left.name != "flambeau-fetch.lock":
            left.unlink(missing_ok=True)


def _size(path: Path) -> int:
    total = 0
    for folder, _folders, names in os.walk(path / "objects"):
        for name in names:
            try:
                total += os.stat(os.path.join(folder, name)).st_size
            except FileNotFoundError:  # git has just renamed it
                continue
    return total


def _gib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB"


def _check_folder(location: str) -> None:
    if location.startswith("file:"):
        return
    try:
        is_there, is_folder = Path(location).exists(), Path(location).is_dir()
    except OSError as error:
        raise GitError(f"{location[:100]} cannot be opened: {error.strerror}; give the folder with .git") from None
    if not is_there:
        raise GitError(f"{location} does not exist; give the folder that holds .git, or an https address")
    if not is_folder:
        raise GitError(f"{location} is a file; give the folder that holds .git, or an https address")
