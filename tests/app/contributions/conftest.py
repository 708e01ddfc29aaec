"""Generated git repositories for the tests of contributions: plain git, driven by hand."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from app.contributions.queries import remembering, shelved

ANNE = ("Anne Arc", "anne@arc.example")
BOB = ("Bob Bell", "bob@bell.example")


@pytest.fixture
def every_answer_is_shelved(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In a file of the home, however fast it was counted; nothing is remembered from before, and nothing after."""
    monkeypatch.setattr(shelved, "SHELVED_S", 0.0)
    remembering.forget_answers()
    yield
    remembering.forget_answers()


@dataclass
class Repository:
    """A work tree whose commits are written with the names, dates and bytes that a test wants."""

    path: Path
    clock_s: int = field(default=1_700_000_000)

    def git(self, *arguments: str | bytes, given: bytes | None = None, **environment: str) -> bytes:
        base = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1", "LC_ALL": "C.UTF-8"}
        return subprocess.run(["git", "-c", "core.precomposeUnicode=false", "-c", "protocol.file.allow=always",
                               *arguments], cwd=self.path, env=base | environment, input=given, check=True,
                              capture_output=True).stdout  # fmt: skip

    def text(self, *arguments: str) -> str:
        return self.git(*arguments).decode("utf-8", "replace").strip()

    def start(self, branch: str = "main") -> Repository:
        self.path.mkdir(parents=True, exist_ok=True)
        self.git("init", "--quiet", f"--initial-branch={branch}")
        return self

    def write(self, name: str, content: str | bytes) -> None:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def who(self, author: tuple[str, str], committer: tuple[str, str] | None = None, at_s: int | None = None):
        self.clock_s = at_s if at_s is not None else self.clock_s + 3600
        committer = committer or author
        return {
            "GIT_AUTHOR_NAME": author[0], "GIT_AUTHOR_EMAIL": author[1], "GIT_AUTHOR_DATE": f"@{self.clock_s} +0000",
            "GIT_COMMITTER_NAME": committer[0], "GIT_COMMITTER_EMAIL": committer[1],
            "GIT_COMMITTER_DATE": f"@{self.clock_s} +0000",
        }  # fmt: skip

    def commit(self, message: str | bytes, files: dict[str, str | bytes] | None = None, *,
               author: tuple[str, str] = ANNE, committer: tuple[str, str] | None = None, at_s: int | None = None,
               ) -> str:  # fmt: skip
        for name, content in (files or {}).items():
            self.write(name, content)
        self.git("add", "--all")
        raw = message if isinstance(message, bytes) else message.encode()
        self.git("commit", "--quiet", "--allow-empty", "--allow-empty-message", "--cleanup=verbatim", "--file=-",
                 given=raw, **self.who(author, committer, at_s))  # fmt: skip
        return self.text("rev-parse", "HEAD")

    def merge(self, *branches: str, message: str = "merge", author: tuple[str, str] = ANNE) -> str:
        self.git("merge", "--quiet", "--no-ff", "-m", message, *branches, **self.who(author))
        return self.text("rev-parse", "HEAD")

    def shortlog(self, *arguments: str) -> dict[tuple[str, str], int]:
        """What `git shortlog -sne` counts: {(name, address): commits}."""
        counted = {}
        for line in self.git("shortlog", "-sne", *arguments).decode("utf-8", "replace").splitlines():
            count, _, who = line.strip().partition("\t")
            name, _, address = who.rpartition(" <")
            counted[name, address.rstrip(">")] = int(count)
        return counted


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "source").start()
