"""Commits of pull requests from elsewhere, in a repository of their own: which are kept there, and forgetting them."""

from __future__ import annotations

import re
import shutil
from collections.abc import Collection
from pathlib import Path

from app.contributions.fetching import held
from app.contributions.git import Manner, run

_PULL = re.compile(r"refs/pull/([1-9][0-9]{0,17})/head")


def numbers_in(path: Path) -> set[int]:
    """The numbers of the pull requests whose heads a repository holds; none where there is no repository."""
    if not (path / "HEAD").is_file():
        return set()
    lines = run(["for-each-ref", "--format=%(refname)", "refs/pull"], path=path).decode("utf-8", "replace")
    return {int(found[1]) for line in lines.splitlines() if (found := _PULL.fullmatch(line))}


def forget(path: Path, numbers: Collection[int], *, timeout_s: float = 900) -> None:
    """Let go of these heads, and of what nothing else reaches; a repository that holds none then is gone as a whole.

    What is killed in the middle is done by the next: a head that went has left objects that nobody reaches.
    Raises: GitError.
    """
    with held(path) as lock:
        manner = Manner(keep_open=(lock,))
        names = "".join(f"delete refs/pull/{number}/head\n" for number in sorted(numbers))
        run(["update-ref", "--stdin"], path=path, given=names.encode(), manner=manner)
        if not numbers_in(path):
            shutil.rmtree(path)
            return
        settings = ("-c", "pack.windowMemory=64m", "-c", "pack.deltaCacheSize=32m")
        # Only what this repository itself holds: the rest is borrowed, and stays with whom it is borrowed from.
        run([*settings, "repack", "-a", "-d", "-l", "--quiet"], path=path, timeout_s=timeout_s, manner=manner)
        run(["prune", "--expire=now"], path=path, timeout_s=timeout_s, manner=manner)
