"""Stackalytics' default_data.json, git's .mailmap, and CODEOWNERS. Pure."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from typing import Any

from app.imports.rules.claims import (
    UNKEPT,
    Keeps,
    OwnsDomain,
    Parsed,
    SamePerson,
    Who,
    WorksFor,
    can_be_kept,
    is_independent,
    is_unknown,
)

_MAILMAP = re.compile(r"([^<>]*)<([^<>]*)>(?:([^<>]*)<([^<>]*)>)?\s*(?:#.*)?")
_OWNER = re.compile(r"@([\w.-]+)(/[\w.-]+)?|([^@\s]+@[^@\s]+)")


def read_stackalytics(text: str) -> Parsed:
    """Users with their companies (the last one without `end_date`), and companies with their domains."""
    found = Parsed()
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        found.wrong(error.lineno, f"this is no JSON: {error.msg}")
        return found
    except (RecursionError, ValueError):
        found.wrong(1, "this is no file of stackalytics: it is nested, or has a number, without end")
        return found
    if not isinstance(data, dict) or not ({"users", "companies"} & data.keys()):
        found.wrong(1, "there are neither “users” nor “companies” at the top")
        return found
    aliases: dict[str, str] = {}
    for line, one in _items(found, text, data, "companies"):
        _company(found, line, one, aliases)
    for line, one in _items(found, text, data, "users"):
        _user(found, line, one, aliases)
    return found


def _items(found: Parsed, text: str, data: dict[str, Any], key: str) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a list with the lines on which they begin."""
    listed = data.get(key, [])
    start = re.search(rf'"{key}"\s*:\s*\[', text)
    if not isinstance(listed, list) or start is None:
        if key in data:
            found.wrong(1, f"“{key}” is no list")
        return
    decoder, at, line, counted = json.JSONDecoder(), start.end(), 0, 0
    for one in listed:
        at = next((place for place in range(at, len(text)) if text[place] not in " \t\r\n,"), at)
        line, counted = line + text.count("\n", counted, at), at
        # Where another list of this name came first, its lines are told as long as they last.
        with contextlib.suppress(ValueError):
            _value, at = decoder.raw_decode(text, at)
        if not isinstance(one, dict):
            found.wrong(line + 1, f"an entry of “{key}” is no object")
        elif not can_be_kept(one):
            found.wrong(line + 1, UNKEPT)
        else:
            yield line + 1, one


def _company(found: Parsed, line: int, one: dict[str, Any], aliases: dict[str, str]) -> None:
    name, domains = one.get("company_name"), one.get("domains", [])
    if not isinstance(name, str) or not name.strip() or not _are_texts(domains):
        found.wrong(line, "a company needs a “company_name”, and “domains” that are texts")
        return
    if _are_texts(one.get("aliases", [])):
        aliases.update({alias.casefold(): name for alias in one.get("aliases", [])})
    if not is_independent(name) and not is_unknown(name):
        found.claims += [OwnsDomain(line, domain.casefold(), name) for domain in domains if domain]


def _user(found: Parsed, line: int, one: dict[str, Any], aliases: dict[str, str]) -> None:
    emails, companies, login = one.get("emails", []), one.get("companies", []), one.get("github_id")
    if not _are_texts(emails) or not isinstance(companies, list) or not all(isinstance(c, dict) for c in companies):
        found.wrong(line, "a user needs “emails” that are texts, and “companies” that are objects")
        return
    addresses = tuple(dict.fromkeys(email.strip().casefold() for email in emails if "@" in email))
    who = Who(addresses, (login,) if isinstance(login, str) and login else (), str(one.get("user_name") or ""))
    if not who.emails and not who.logins:
        found.note(line, f"{who.name or 'a user'} has neither address nor GitHub login")
        return
    found.claims += [SamePerson(line, (who.name, addresses[0]), ("", other)) for other in addresses[1:]]
    spans: list[tuple[date | None, str]] = []
    for company in companies:
        name, until = company.get("company_name"), company.get("end_date")
        day = _end(until) if until else None
        if not isinstance(name, str) or not name.strip() or (until and day is None):
            found.wrong(line, f"a company of {who.name or 'a user'}: name {name!r}, end_date {until!r} (2015-Jun-30)")
            return
        spans.append((day, aliases.get(name.casefold(), name)))
    starts: date | None = None
    for day, name in sorted(spans, key=lambda span: span[0] or date.max):
        if not is_unknown(name):
            last = day - timedelta(days=1) if day else None
            found.claims.append(WorksFor(line, who, "" if is_independent(name) else name, starts, last))
        starts = day


def _end(text: Any) -> date | None:
    for form in ("%Y-%b-%d", "%Y-%m-%d"):
        try:
            day = datetime.strptime(str(text), form).date()
        except ValueError:
            continue
        return day if day > date.min else None
    return None


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)


def read_mailmap(text: str) -> Parsed:
    """The four forms of git's mailmap; a line that mends a name alone joins nobody.

    >>> found = read_mailmap("Ada Lovelace <ada@acme.com> <al@home.org>\\nAda <ada@acme.com>\\nAda ada@acme.com\\n")
    >>> found.claims[0].proper, found.claims[0].seen, found.notes[0].line, found.problems[0].line
    (('Ada Lovelace', 'ada@acme.com'), ('', 'al@home.org'), 2, 3)
    """
    found = Parsed()
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = _MAILMAP.fullmatch(line.strip())
        if match is None or not match[2].strip():
            found.wrong(number, f"{line[:80]!r} is no “Name <address> [Name] <address>”")
        elif match[4] is None:
            found.note(number, "mends a name alone: identities keep the words of their sources")
        else:
            proper = (match[1].strip(), match[2].strip().casefold())
            found.claims.append(SamePerson(number, proper, ((match[3] or "").strip(), match[4].strip().casefold())))
    return found


def read_codeowners(text: str) -> Parsed:
    """`pattern  owner owner ...`; teams are left alone, since nothing here says who is in them.

    >>> found = read_codeowners("# core\\n/csrc/ops/  @ada ops@acme.com @acme/team\\n[Section]\\n/x @@\\n")
    >>> [(one.path, one.who.logins or one.who.emails) for one in found.claims], found.notes[0].line
    ([('/csrc/ops/', ('ada',)), ('/csrc/ops/', ('ops@acme.com',))], 2)
    >>> found.problems[0].line
    4
    """
    found = Parsed()
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if not words or words[0].startswith(("[", "^[")):
            continue
        for word in words[1:]:
            match = _OWNER.fullmatch(word)
            if match is None:
                found.wrong(number, f"{word!r} is neither @login, @organization/team nor an address")
            elif match[2]:
                found.note(number, f"{word} is a team; name its people")
            else:
                who = Who((match[3].casefold(),)) if match[3] else Who(logins=(match[1],))
                found.claims.append(Keeps(number, words[0], who, "maintainer"))
    return found
