"""Files in YAML: OWNERS as Kubernetes writes it, and a landscape's members."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from app.governance_files.yaml_lines import Lines, Path, load
from app.imports.rules import UNKEPT, Keeps, Member, Parsed, Who, can_be_kept

_ROLES = {"approvers": "maintainer", "reviewers": "reviewer"}
_BESIDE = "\n--- # OWNERS_ALIASES\n"


def with_aliases(owners: str, aliases: str) -> str:
    """OWNERS and the OWNERS_ALIASES of its repository as one text of two documents.

    >>> found = read_owners(with_aliases("approvers:\\n- Ops\\n", "aliases:\\n  ops: [ada, bo]\\n"), "csrc/OWNERS")
    >>> [(one.line, one.who.logins) for one in found.claims]
    [(2, ('ada',)), (2, ('bo',))]
    """
    return f"{owners}{_BESIDE}{aliases}" if aliases.strip() else owners


def read_owners(text: str, where: str) -> Parsed:
    """Approvers and reviewers of the folder in which the file lies, and of its filters `.*`.

    A name that an OWNERS_ALIASES behind it (`with_aliases`) explains is everybody whom it stands for.

    >>> found = read_owners("approvers:\\n- ada\\nemeritus_approvers:\\n- bo\\nreviewers:\\n- 7\\n", "csrc/ops/OWNERS")
    >>> [(one.line, one.path, one.who.logins, one.role) for one in found.claims]
    [(2, 'csrc/ops/', ('ada',), 'maintainer')]
    >>> found.problems[0].line
    6
    """
    text, _, beside = text.partition(_BESIDE)
    found, values, lines = _load(text)
    aliases = _read_aliases(found, beside)
    if not isinstance(values, dict):
        if not found.problems:
            found.wrong(1, "there is no mapping at the top: write “approvers:” and “reviewers:”")
        return found
    folder = "/".join(PurePosixPath(where.lstrip("/")).parts[:-1]) if where.strip() else ""
    parts: list[tuple[Path, Any]] = [((), values)]
    filters = values.get("filters")
    if isinstance(filters, dict):
        for pattern, inner in filters.items():
            if pattern == ".*":
                parts.append((("filters", pattern), inner))
            else:
                found.note(lines.of(("filters", pattern)), f"the filter {pattern!r} names kinds of files, no module")
    for at, part in parts:
        for key, role in _ROLES.items():
            named = part.get(key) or [] if isinstance(part, dict) else []
            for place, login in enumerate(named if isinstance(named, list) else [named]):
                line = lines.of((*at, key, place))
                if not isinstance(login, str) or not login.strip():
                    found.wrong(line, f"{login!r} is no login")
                    continue
                for one in aliases.get(login.casefold(), [login]):
                    found.claims.append(Keeps(line, f"{folder}/" if folder else "", _who(one), role))
    return found


def _who(login: str) -> Who:
    return Who((login.casefold(),)) if "@" in login.lstrip("@") else Who(logins=(login.lstrip("@"),))


def _read_aliases(found: Parsed, text: str) -> dict[str, list[str]]:
    """Whom each alias stands for; what is wrong is told with the line that it has in its own file."""
    if not text.strip():
        return {}
    own, values, lines = _load(text)
    listed = values.get("aliases") if isinstance(values, dict) else None
    if not isinstance(listed, dict) and not own.problems:
        own.wrong(1, "there is no mapping “aliases:” at the top")
    aliases: dict[str, list[str]] = {}
    for name, logins in listed.items() if isinstance(listed, dict) else ():
        kept = aliases.setdefault(str(name).casefold(), [])
        for place, login in enumerate(logins if isinstance(logins, list) else [logins]):
            if isinstance(login, str) and login.strip():
                kept.append(login.strip())
            else:
                own.wrong(lines.of(("aliases", name, place)), f"{login!r} is no login")
    for problem in own.problems:
        found.wrong(1, f"OWNERS_ALIASES, line {problem.line}: {problem.text}")
    return aliases


def read_landscape(text: str) -> Parsed:
    """The organizations under a category whose name ends in “Members”; the subcategory is the tier."""
    found, values, lines = _load(text)
    if found.problems:
        return found
    categories = values.get("landscape", values.get("categories")) if isinstance(values, dict) else None
    if not isinstance(categories, list):
        found.wrong(1, "there is no list “landscape” at the top")
        return found
    top = "landscape" if "landscape" in values else "categories"
    seen = 0
    for path, category in _listed((top,), categories):
        if not str(category.get("name", "")).strip().casefold().endswith("members"):
            continue
        seen += 1
        for below, subcategory in _listed((*path, "subcategories"), category.get("subcategories")):
            for place, item in _listed((*below, "items"), subcategory.get("items")):
                _member(found, lines, place, item, str(subcategory.get("name", "")))
    if not seen:
        found.wrong(1, "no category is called “... Members”")
    return found


def _member(found: Parsed, lines: Lines, place: Path, item: dict[str, Any], tier: str) -> None:
    name = item.get("name")
    if not isinstance(name, str) or not name.strip():
        found.wrong(lines.of(place), "a member without a name")
        return
    joined = item.get("joined")
    try:
        day = None if joined is None else date.fromisoformat(str(joined)[:10])
    except ValueError:
        found.wrong(lines.of((*place, "joined")), f"{joined!r} is no day; write it like 2026-01-31")
        return
    website = item.get("homepage_url") or ""
    if website and not _is_website(website):
        found.note(lines.of((*place, "homepage_url")), f"{str(website)[:80]!r} is no address of a website")
        website = ""
    plain = name.rsplit(" (", 1)[0].strip() if name.rstrip().endswith(")") else name.strip()
    found.claims.append(Member(lines.of((*place, "name")), plain[:200], tier.strip(),
                               website, day))  # fmt: skip


def _is_website(website: Any) -> bool:
    """Whether a page may link it: nothing but the web's own schemes, as in the form of an organization."""
    try:
        return isinstance(website, str) and len(website) <= 300 and urlsplit(website).scheme in ("http", "https")
    except ValueError:
        return False


def _listed(path: Path, values: Any) -> Iterator[tuple[Path, dict[str, Any]]]:
    for number, one in enumerate(values if isinstance(values, list) else []):
        if isinstance(one, dict):
            yield (*path, number), one


def _load(text: str) -> tuple[Parsed, Any, Lines]:
    found = Parsed()
    values, lines, problems = load("file", text)
    for problem in problems:
        found.wrong(problem.line, problem.text)
    if not can_be_kept(values):
        found.wrong(1, UNKEPT)
    return found, values, lines
