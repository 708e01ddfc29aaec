"""Which of our repositories an address at GitHub is: what git fetches from and what people open are one place."""

from __future__ import annotations

from urllib.parse import urlsplit

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.models import Repository


def place_of(url: str) -> str:
    """Host and path of a web address, as they are compared; "" for what is none (a folder say).

    >>> place_of("https://GitHub.com/Flambeau/Core.git"), place_of("https://github.com/flambeau/core/")
    ('github.com/flambeau/core', 'github.com/flambeau/core')
    >>> place_of("/srv/git/core"), place_of("https://[")
    ('', '')
    """
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    return f"{parts.hostname}{port}{parts.path.rstrip('/').removesuffix('.git')}".casefold()


def source_at(url: str) -> str:
    """What facts of a GitHub are called: its own, or another's by its host (as identities of sign-in are).

    >>> source_at("https://github.com/o/r"), source_at("https://git.example/o/r")
    ('github', 'github:git.example')
    """
    host = place_of(url).partition("/")[0]
    return "github" if host == "github.com" else f"github:{host}"[:50]


def repository_at(session: Session, url: str) -> Repository | None:
    """The repository that is counted and lives at this address."""
    wanted = place_of(url)
    if not wanted:
        return None
    for number, known in session.execute(sa.select(Repository.id, Repository.url)):
        if place_of(known) == wanted:
            return session.get_one(Repository, number)
    return None
