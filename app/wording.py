"""How pages and the terminal write texts, numbers, times, sizes and money; most are filters of the templates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from markupsafe import Markup, escape

from app.clock import current_clock

_CODE_WORDS = re.compile(r"`([^`]+)`")
_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u061c\u2028-\u202e\u2066-\u2069]")
_UNITS = ((31_557_600, "year"), (2_629_800, "month"), (86_400, "day"), (3_600, "hour"), (60, "minute"))


def plain(text: str) -> str:
    r"""Text of somebody else's for one line of a terminal or page: what steers either becomes U+FFFD.

    >>> plain("\x1b[31mred"), plain("ab\u202edc")
    ('\ufffd[31mred', 'ab\ufffddc')
    """
    return _UNSEEN.sub("\ufffd", text)


def ago(moment: datetime | None, now: datetime | None = None) -> str:
    """How long ago, or how soon, in words.

    >>> from datetime import UTC
    >>> ago(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 4, tzinfo=UTC))
    '3 days ago'
    """
    if moment is None:
        return "never"
    seconds = ((now or current_clock().now()) - moment).total_seconds()
    span = abs(seconds)
    if span < 10:
        return "just now"
    text = f"{int(span)} seconds"
    for size, unit in _UNITS:
        if span >= size:
            count = int(span // size)
            text = f"{count} {unit}" + ("s" if count != 1 else "")
            break
    return f"in {text}" if seconds < 0 else f"{text} ago"


def day(moment: date | None) -> str:
    """A day as people write it.

    >>> day(date(2026, 1, 5))
    '5 Jan 2026'
    """
    return f"{moment.day} {moment:%b %Y}" if moment else ""


def moment(at: datetime | None) -> str:
    """A moment in UTC: 15 Jan 2026, 12:00 UTC."""
    return f"{day(at)}, {at:%H:%M} UTC" if at else ""


def duration(seconds: float | None) -> str:
    """A span of time.

    >>> duration(0.42), duration(12), duration(185), duration(7800)
    ('0.4 s', '12 s', '3 min 05 s', '2 h 10 min')
    """
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def span(seconds: float | None) -> str:
    """How long something waited or lasted, in the unit in which people speak of it.

    >>> span(90), span(3 * 3600), span(30 * 3600), span(5 * 86_400), span(None)
    ('2 min', '3.0 h', '30 h', '5.0 days', '–')
    """
    if seconds is None:
        return "–"
    if seconds < 3600:
        return f"{round(seconds / 60)} min"
    if seconds < 48 * 3600:
        hours = seconds / 3600
        return f"{hours:.1f} h" if hours < 10 else f"{hours:.0f} h"
    days = seconds / 86_400
    return f"{days:.1f} days" if days < 10 else f"{days:,.0f} days"


def money(cents: int | None) -> str:
    """An amount.

    >>> money(125000)
    '1,250.00 USD'
    """
    if cents is None:
        return ""
    sign, cents = ("-", -cents) if cents < 0 else ("", cents)
    return f"{sign}{cents // 100:,}.{cents % 100:02d} USD"


def number(value: float | None) -> str:
    """A number with its thousands apart.

    >>> number(1234567)
    '1,234,567'
    """
    return "" if value is None else f"{value:,}"


def counted(count: int, noun: str) -> str:
    """How many of something whose plural is in -s.

    >>> counted(1, "change"), counted(1234, "change")
    ('1 change', '1,234 changes')
    """
    return f"{number(count)} {noun}" + ("" if count == 1 else "s")


def share(value: float | None) -> str:
    """A share as a percentage; what is not nothing never reads as 0%.

    >>> share(0.254), share(0.0004), share(0)
    ('25%', '<1%', '0%')
    """
    if value is None:
        return ""
    if 0 < value < 0.005:
        return "<1%"
    if 0.995 <= value < 1:
        return ">99%"
    return f"{value:.0%}"


def size(count: int | None) -> str:
    """A size in bytes.

    >>> size(512), size(7_800_000)
    ('512 B', '7.8 MB')
    """
    if count is None:
        return ""
    value = float(count)
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} GB"


_PROGRAMS = {"Edg/": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrome/": "Chrome", "Safari/": "Safari"}
_SYSTEMS = {"Android": "Android", "iPhone": "iPhone", "iPad": "iPad", "Windows": "Windows", "Mac OS": "macOS"}


def browser(agent: str) -> str:
    """A browser and its system in two words, out of what it says of itself.

    >>> browser("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0")
    'Firefox on Linux'
    """
    program = next((name for sign, name in _PROGRAMS.items() if sign in agent), "Some browser")
    system = next((name for sign, name in {**_SYSTEMS, "Linux": "Linux"}.items() if sign in agent), "some machine")
    return f"{program} on {system}"


def code_words(text: str | None) -> Markup:
    """A sentence in which `words like these` are set as code; everything else is escaped.

    >>> str(code_words("`make demo` shows < 25"))
    '<code>make demo</code> shows &lt; 25'
    """
    return Markup(_CODE_WORDS.sub(r"<code>\1</code>", str(escape(text or ""))))  # noqa: S704 - escaped before


FILTERS: dict[str, Callable[..., Any]] = {
    "ago": ago,
    "code_words": code_words,
    "counted": counted,
    "browser": browser,
    "day": day,
    "moment": moment,
    "duration": duration,
    "money": money,
    "number": number,
    "share": share,
    "size": size,
    "span": span,
}
