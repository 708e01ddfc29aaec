"""What a file can claim, whatever its format. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any


class FileKind(Enum):
    """The formats that are read."""

    GITDM_MAP = "gitdm-map"
    GITDM_ALIASES = "gitdm-aliases"
    GITDM_GROUP = "gitdm-group"
    CNCF_AFFILIATIONS = "cncf-affiliations"
    STACKALYTICS = "stackalytics"
    MAILMAP = "mailmap"
    CODEOWNERS = "codeowners"
    OWNERS = "owners"
    LANDSCAPE = "landscape"


@dataclass(frozen=True)
class Who:
    """Somebody as a file names them: addresses in small letters, GitHub logins, a name."""

    emails: tuple[str, ...] = ()
    logins: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True)
class WorksFor:
    """That somebody works for an organization ("" for nobody) from a day until a day, both included."""

    line: int
    who: Who
    organization: str
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True)
class OwnsDomain:
    """That an e-mail domain is an organization's, both days included."""

    line: int
    domain: str
    organization: str
    starts_on: date | None = None
    ends_on: date | None = None


@dataclass(frozen=True)
class SamePerson:
    """That whoever writes as `seen` (a name of "" is any name) is `proper`; each is a name and an address."""

    line: int
    proper: tuple[str, str]
    seen: tuple[str, str]


@dataclass(frozen=True)
class Keeps:
    """That somebody maintains or reviews what lies under a path."""

    line: int
    path: str
    who: Who
    role: str


@dataclass(frozen=True)
class Member:
    """That an organization is a member, in a tier, since a day."""

    line: int
    organization: str
    tier: str
    website: str
    joined: date | None = None


Claim = WorksFor | OwnsDomain | SamePerson | Keeps | Member


@dataclass(frozen=True, order=True)
class Line:
    """Something to tell about a line of the file."""

    line: int
    text: str


@dataclass
class Parsed:
    """A file, read: what it claims, what is wrong with it, and what it says that nothing is done with."""

    claims: list[Claim] = field(default_factory=list)
    problems: list[Line] = field(default_factory=list)
    notes: list[Line] = field(default_factory=list)

    def wrong(self, line: int, text: str) -> None:
        """Note a problem."""
        self.problems.append(Line(line, text))

    def note(self, line: int, text: str) -> None:
        """Note what is left alone."""
        self.notes.append(Line(line, text))


_UNKEPT = re.compile("[\x00\ud800-\udfff]")
_INDEPENDENT = frozenset({"independent", "*independent", "self", "self-employed", "hobbyist", "hobbyists", "freelance"})
_UNKNOWN = frozenset({"notfound", "unknown", "?", "n/a"})
_LEGAL = re.compile(
    r"[,\s]+(?:inc|incorporated|llc|ltd|limited|gmbh|ag|corp|corporation|co|company|s\.?a|b\.?v|plc|pty|se|oy|ab)\.?$"
)


UNKEPT = "a text has a character that no database keeps (NUL, or half of a pair)"


def can_be_kept(value: Any) -> bool:
    """Whether every text in what a file holds can be written into a database and onto a page.

    >>> can_be_kept({"name": ["Ada", 7, None]}), can_be_kept(["a\\x00b"]), can_be_kept({"\\ud800": 1})
    (True, False, False)
    """
    if isinstance(value, str):
        return not _UNKEPT.search(value)
    if isinstance(value, dict):
        return all(can_be_kept(one) for pair in value.items() for one in pair)
    return all(can_be_kept(one) for one in value) if isinstance(value, list) else True


def company_key(name: str) -> str:
    """A company's name as it is compared, without the form that its law gives it.

    >>> company_key("Acme Corp., Inc."), company_key("ACME"), company_key("Samsung Electronics Co. Ltd.")
    ('acme', 'acme', 'samsung electronics')
    """
    key = " ".join(name[:300].casefold().split()).rstrip(". ")
    while (shorter := _LEGAL.sub("", key).rstrip(". ,")) != key and shorter:
        key = shorter
    return key


def is_independent(name: str) -> bool:
    """Whether a file means "nobody" by this employer.

    >>> is_independent("*independent"), is_independent("(Self)"), is_independent("Independent Systems")
    (True, True, False)
    """
    return name.casefold().strip("() ") in _INDEPENDENT


def is_unknown(name: str) -> bool:
    """Whether a file means "we do not know".

    >>> is_unknown("(Unknown)"), is_unknown("NotFound"), is_unknown("Acme")
    (True, True, False)
    """
    return name.casefold().strip("() ") in _UNKNOWN
