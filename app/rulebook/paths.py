"""Which module a path belongs to: the most specific glob that matches it decides."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from app.rulebook.thresholds import RulebookError

_TOKEN = re.compile(r"\*\*|\*|[^*]")


@dataclass(frozen=True)
class Glob:
    """A pattern over repository paths: `*` stays within a folder, `**` crosses them.

    >>> Glob.parse("csrc/**").matches("csrc/core/tensor.cpp"), Glob.parse("csrc/*").matches("csrc/core/tensor.cpp")
    (True, False)
    """

    text: str

    @classmethod
    def parse(cls, text: str) -> Glob:
        """The glob, if it can match a path of a repository.

        Raises: RulebookError naming the glob and what to write.
        """
        parts = text.split("/")
        if not text or text.startswith("/") or any(part in ("", ".", "..") for part in parts):
            raise RulebookError(
                f"{text!r} is no path below the repository; write one like 'csrc/core/**' or 'README.md'"
            )
        if "***" in text or "\\" in text or any(character in text for character in "[]{}?\n"):
            raise RulebookError(f"{text!r}: only * (within a folder) and ** (across folders) are known here")
        return cls(text)

    def matches(self, path: str) -> bool:
        """Whether the whole path fits."""
        return _expression(self.text).fullmatch(path) is not None

    @property
    def specificity(self) -> tuple[int, int]:
        """How much it says: literal characters before the first star, then in all. The larger wins."""
        first = self.text.find("*")
        return (len(self.text) + 1 if first == -1 else first, len(self.text.replace("*", "")))

    def meets(self, other: Glob) -> bool:
        """Whether some path fits both.

        >>> Glob("app/a*.py").meets(Glob("app/*b.py")), Glob("app/*.py").meets(Glob("docs/**"))
        (True, False)
        """
        return _meet(self.text, other.text)


def owners(path: str, globs: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Keys of those whose glob fits `path` most specifically, sorted; more than one only where two are as specific.

    >>> owners("csrc/ops/add.h", {"core": ["csrc/**"], "ops": ["csrc/ops/**"]})
    ('ops',)
    """
    best: tuple[int, int] | None = None
    keys: set[str] = set()
    for specificity, expression, key in _ranked(tuple((key, tuple(listed)) for key, listed in globs.items())):
        if best is not None and specificity < best:
            break
        if expression.fullmatch(path) is not None:
            best = specificity
            keys.add(key)
    return tuple(sorted(keys))


@lru_cache(maxsize=64)
def _ranked(
    globs: tuple[tuple[str, tuple[str, ...]], ...],
) -> tuple[tuple[tuple[int, int], re.Pattern[str], str], ...]:
    """(how much it says, what it matches, whose it is) of every glob, what says most first."""
    found = [(Glob(text).specificity, _expression(text), key) for key, listed in globs for text in listed]
    return tuple(sorted(found, key=lambda one: one[0], reverse=True))


@lru_cache(maxsize=4096)
def _expression(text: str) -> re.Pattern[str]:
    pieces = {"**": ".*", "*": "[^/]*"}
    return re.compile("".join(pieces.get(token, re.escape(token)) for token in _TOKEN.findall(text)), re.DOTALL)


def _meet(left: str, right: str) -> bool:
    a, b = _TOKEN.findall(left), _TOKEN.findall(right)

    @cache
    def reach(i: int, j: int) -> bool:
        if i == len(a) and j == len(b):
            return True
        star_a, star_b = i < len(a) and a[i].startswith("*"), j < len(b) and b[j].startswith("*")
        if (star_a and reach(i + 1, j)) or (star_b and reach(i, j + 1)):
            return True
        if i == len(a) or j == len(b):
            return False
        if star_a and not star_b:
            return (a[i] == "**" or b[j] != "/") and reach(i, j + 1)
        if star_b and not star_a:
            return (b[j] == "**" or a[i] != "/") and reach(i + 1, j)
        return not star_a and a[i] == b[j] and reach(i + 1, j + 1)

    return reach(0, 0)
