"""Which identities are bots or tools by their own words (machines.toml): facts, and mere likenesses. Pure."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

_WORD = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True)
class Automatic:
    """What an identity looks like: "bot" or "assistance", how sure that is (percent), and by what."""

    kind: str
    confidence: int
    reason: str


def known_machine(name: str, address: str, login: str) -> str | None:
    """Whether it is a "bot" or "assistance" where that is a fact, None for everybody else.

    >>> known_machine("dependabot[bot]", "", ""), known_machine("Claude", "noreply@anthropic.com", "")
    ('bot', 'assistance')
    >>> known_machine("Abbot", "abbot@acme.com", "")
    """
    listed = _listed()
    if address in listed["assistance"]["addresses"] or login.casefold() in listed["assistance"]["logins"]:
        return "assistance"
    texts = (name.casefold(), login.casefold(), address.split("@", 1)[0])
    return "bot" if any(text.endswith(tuple(listed["bots"]["endings"])) for text in texts) else None


def looks_automatic(name: str, address: str, login: str) -> Automatic | None:
    """What an identity looks like that no list knows for certain; somebody has to say so.

    >>> looks_automatic("k8s-ci-robot", "k8s@example.org", "").reason
    'its name has the word “ci”'
    >>> looks_automatic("Ada Lovelace", "ada@acme.com", "ada") is None
    True
    """
    if known_machine(name, address, login) is not None:
        return None
    marks = _listed()["looks_like"]
    plain = " ".join(name.casefold().split())
    if plain in marks["assistance"]["names"]:
        return Automatic("assistance", marks["assistance"]["confidence"], f"its name is that of a tool, “{plain}”")
    bot = marks["bot"]
    local = address.split("@", 1)[0]
    for place, text in (("name", name.casefold()), ("login", login.casefold()), ("address", local)):
        words = _WORD.split(text)
        # A person may be called Robot Smith; a word decides only where a name has no second word that is a name.
        if place == "name" and " " in plain and not text.endswith(tuple(bot["endings"])) and words[-1] != "bot":
            continue
        found = next((word for word in words if word in bot["words"]), None)
        if found:
            return Automatic("bot", bot["confidence"], f"its {place} has the word “{found}”")
        if text.endswith(tuple(bot["endings"])):
            return Automatic("bot", bot["confidence"], f"its {place} ends like a bot’s")
    return None


@lru_cache(maxsize=1)
def _listed() -> dict[str, Any]:
    return tomllib.loads((Path(__file__).parent / "machines.toml").read_text(encoding="utf-8"))
