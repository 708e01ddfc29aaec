"""Files of gitdm, the git data miner: address and domain maps, aliases, groups, and CNCF's affiliations. Pure.

A date in them is the first day on which a line no longer holds, so the last day is the day before.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import date, timedelta

from app.imports.rules.claims import OwnsDomain, Parsed, SamePerson, Who, WorksFor, is_independent, is_unknown

_A_DAY = timedelta(days=1)
_LONGEST = 2000
_MAP = re.compile(r"(\S+)\s+([^<]+?)\s*(?:<\s*(\S+))?")
_ALIAS = re.compile(r'("[^"]+"|\S+)\s+(\S+)')
_SPAN = re.compile(r"(.+?)(?:\s+from\s+(\S+))?(?:\s+until\s+(\S+))?")
_NOREPLY = re.compile(r"(?:\d+\+)?([a-z0-9][a-z0-9-]*)@users\.noreply\.github\.com")


def read_map(text: str) -> Parsed:
    """EmailMap and DomainMap: `address-or-domain  employer  [< date]`.

    >>> found = read_map("acme.com  Acme < 2015-07-01\\nacme.com  Blue\\nada!acme.com  Independent\\nacme.com")
    >>> [(one.domain, one.organization, str(one.starts_on), str(one.ends_on)) for one in found.claims[:2]]
    [('acme.com', 'Acme', 'None', '2015-06-30'), ('acme.com', 'Blue', '2015-07-01', 'None')]
    >>> found.claims[2].organization, found.problems[0].line
    ('', 4)
    """
    found = Parsed()
    spans: dict[str, list[tuple[date | None, int, str]]] = defaultdict(list)
    for number, line in _lines(text):
        match = _MAP.fullmatch(line)
        if match is None:
            found.wrong(number, f"{line[:80]!r} is no “address-or-domain employer [< date]”")
            continue
        until = _day(found, number, match[3])
        if match[3] is None or until is not None:
            spans[_address(match[1])].append((until, number, match[2].strip().strip('"')))
    for key, listed in spans.items():
        starts: date | None = None
        ordered = sorted(listed, key=lambda one: (one[0] or date.max, one[1]))
        for place, (until, number, employer) in enumerate(ordered):
            if until is None and place + 1 < len(ordered):
                found.wrong(number, f"{key} has two employers without an end; give all but the last one a date")
                continue
            _claim(found, number, key, employer, starts, until)
            starts = until
    return found


def read_aliases(text: str) -> Parsed:
    """EmailAliases: `alias  address`, the alias in quotation marks where it has blanks."""
    found = Parsed()
    for number, line in _lines(text):
        match = _ALIAS.fullmatch(line)
        alias, proper = (_address(match[1].strip('"')), _address(match[2])) if match else ("", "")
        if "@" not in proper or (match and proper.startswith("@")):
            found.wrong(number, f"{line[:80]!r} is no “alias address”")
        elif "@" not in alias:
            found.note(number, f"{alias!r} is a name and no address; names are joined by decisions")
        else:
            found.claims.append(SamePerson(number, ("", proper), ("", alias)))
    return found


def read_group(text: str, organization: str) -> Parsed:
    """GroupMap: one address a line, all of one organization, which gitdm's own configuration names."""
    found = Parsed()
    if not organization.strip():
        found.wrong(0, "a group's file does not say whose it is: name the organization")
        return found
    for number, line in _lines(text):
        address = _address(line)
        if not re.fullmatch(r"[^@\s]+@[^@\s]+", address):
            found.wrong(number, f"{line[:80]!r} is no address")
        else:
            _claim(found, number, address, organization, None, None)
    return found


def read_affiliations(text: str) -> Parsed:
    """CNCF's developers_affiliations: `Name: a!x.org, b!y.org`, then indented `Company [from D] [until D]` lines.

    >>> found = read_affiliations("Ada: ada!acme.com\\n\\tAcme until 2020-01-01\\n\\tBlue from 2020-01-01\\n")
    >>> [(one.line, one.organization, str(one.starts_on), str(one.ends_on)) for one in found.claims]
    [(2, 'Acme', 'None', '2019-12-31'), (3, 'Blue', '2020-01-01', 'None')]
    """
    found = Parsed()
    who: Who | None = None
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if not line[0].isspace():
            who = _named(found, number, line)
            continue
        match = _SPAN.fullmatch(_plain(line))
        if who is None or match is None:
            if who is None:
                found.wrong(number, "an employer before anybody is named; begin with “Name: address!domain”")
            continue
        starts, until = _day(found, number, match[2]), _day(found, number, match[3])
        if starts is not None and until is not None and until <= starts:
            found.wrong(number, f"ends on {until}, which is not after it begins on {starts}")
        elif (match[2] is None or starts) and (match[3] is None or until):
            _work(found, number, who, match[1].rstrip("*").strip(), starts, until)
    return found


def _named(found: Parsed, number: int, line: str) -> Who | None:
    name, colon, rest = line.rpartition(":")
    emails = tuple(_address(one.strip()) for one in rest.split(",") if one.strip())
    if not colon or not emails or any("@" not in one for one in emails):
        found.wrong(number, f"{line[:80]!r} is no “Name: address!domain, ...”")
        return Who(name=name.strip() or line.strip())
    logins = tuple(match[1] for one in emails if (match := _NOREPLY.fullmatch(one)))
    return Who(emails, logins, name.rstrip("*").strip())


def _claim(found: Parsed, number: int, key: str, employer: str, starts: date | None, until: date | None) -> None:
    if "@" in key.strip("@"):  # git-svn's addresses have two
        _work(found, number, Who((key,)), employer, starts, until)
    elif not (domain := key.removeprefix("@")) or "@" in domain:
        found.wrong(number, f"{key[:80]!r} is neither an address nor a domain")
    elif is_independent(employer) or is_unknown(employer):
        found.note(number, f"{key} is nobody’s by this file")
    else:
        found.claims.append(OwnsDomain(number, domain, employer, starts, until and until - _A_DAY))


def _work(found: Parsed, number: int, who: Who, employer: str, starts: date | None, until: date | None) -> None:
    if is_unknown(employer):
        found.note(number, f"the employer is not known ({employer})")
        return
    organization = "" if is_independent(employer) else employer
    found.claims.append(WorksFor(number, who, organization, starts, until and until - _A_DAY))


def _lines(text: str) -> list[tuple[int, str]]:
    stripped = ((number, _plain(line.split("#", 1)[0])) for number, line in enumerate(text.splitlines(), start=1))
    return [(number, line) for number, line in stripped if line]


def _plain(line: str) -> str:
    """A line with single blanks, cut: a pattern tries each blank of it with every other."""
    return " ".join(line[:_LONGEST].split())


def _address(text: str) -> str:
    # CNCF's files write ! for @, to be of no use to programs that collect addresses.
    return text.casefold().replace("!", "@", 1) if "@" not in text else text.casefold()


def _day(found: Parsed, number: int, text: str | None) -> date | None:
    if text is None:
        return None
    try:
        day = date(*(int(part) for part in text.split("-")))
        if day > date.min:
            return day
        raise ValueError(text)
    except (TypeError, ValueError, OverflowError):
        found.wrong(number, f"{text!r} is no day; write it like 2026-01-31")
        return None
