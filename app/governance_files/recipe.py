"""What builds.yaml may say: how a commit becomes a wheel, and what a build may use."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator

from app.governance_files.document import Document

STEPS = ("sdist", "wheel", "conformance", "tests")
LOCAL_ORIGIN = "local build, reviewed by nobody"


class Stamp(Document):
    """What is written into the source: the whole file `path`, or the first line there that `find` matches."""

    path: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_./-]*$")
    text: str
    find: str | None = None
    only_local: bool = False

    @field_validator("find")
    @classmethod
    def _find_is_a_pattern(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"is no regular expression: {error}") from None
        return value


class Steps(Document):
    """One script a step."""

    sdist: str
    wheel: str
    conformance: str
    tests: str


class Limits(Document):
    """What each step may use."""

    time_s: int = Field(default=2400, ge=1, le=86_400)
    memory_mib: int = Field(default=8192, ge=64)
    processes: int = Field(default=512, ge=8)
    file_mib: int = Field(default=4096, ge=1)
    disk_mib: int = Field(default=16384, ge=16)
    log_mib: int = Field(default=16, ge=1, le=1024)

    def for_runner(self) -> dict[str, int]:
        """The same in seconds and bytes, as the runner takes them."""
        return {
            "time_s": self.time_s, "memory_bytes": self.memory_mib << 20, "processes": self.processes,
            "file_bytes": self.file_mib << 20, "disk_bytes": self.disk_mib << 20, "log_bytes": self.log_mib << 20,
        }  # fmt: skip


class Recipe(Document):
    """The file as a whole."""

    project: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$")
    version: str
    stamps: tuple[Stamp, ...] = ()
    steps: Steps
    limits: Limits = Limits()

    @field_validator("version")
    @classmethod
    def _version_counts_commits(cls, value: str) -> str:
        if "{commits}" not in value:
            raise ValueError("must hold {commits}, or two commits would have one version")
        return value

    def version_of(self, commits: int) -> str:
        """The version of a commit that stands on so many."""
        return self.version.replace("{commits}", str(commits))

    def stamps_for(self, *, version: str, commit: str, is_local: bool) -> list[dict[str, str]]:
        """What the runner writes into the source of this build."""
        known = {"{version}": version, "{commit}": commit, "{origin}": LOCAL_ORIGIN if is_local else "foundation"}
        listed = []
        for stamp in self.stamps:
            if stamp.only_local and not is_local:
                continue
            text = stamp.text
            for mark, value in known.items():
                text = text.replace(mark, value)
            listed.append({"path": stamp.path, "text": text} | ({"find": stamp.find} if stamp.find else {}))
        return listed

    def steps_for_runner(self) -> list[dict[str, Any]]:
        """The steps in order, with what each hands over."""
        largest = self.limits.file_mib << 20
        produces = {
            "sdist": [_handed_over("*.tar.gz", "sdist", largest)],
            "wheel": [_handed_over("*.whl", "wheel", largest)],
            "conformance": [_handed_over("conformance-*.json", "conformance", 64 << 20, most=64)],
            "tests": [_handed_over("tests.xml", "test-report", 64 << 20, least=0)],
        }
        scripts = self.steps.model_dump()
        return [{"name": name, "script": scripts[name], "produces": produces[name]} for name in STEPS]


def _handed_over(pattern: str, kind: str, most_bytes: int, *, least: int = 1, most: int = 1) -> dict[str, Any]:
    return {"pattern": pattern, "kind": kind, "least": least, "most": most, "most_bytes": most_bytes}
