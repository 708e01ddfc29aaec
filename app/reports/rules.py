"""Which years there are reports of, and which days a report covers. Pure."""

from __future__ import annotations

from datetime import date

from app.contributions.windows import Window


def years(first: date | None, today: date) -> list[int]:
    """The years with anything to report, the latest first.

    >>> years(date(2024, 5, 1), date(2026, 1, 15)), years(None, date(2026, 1, 15))
    ([2026, 2025, 2024], [])
    """
    return [] if first is None else list(range(today.year, min(first.year, today.year) - 1, -1))


def days_of(year: int, today: date) -> Window | None:
    """The days of a year that have passed; None of a year that has not begun, or is too long ago to be one.

    >>> days_of(2025, date(2026, 1, 15)).text, days_of(2026, date(2026, 1, 15)).text, days_of(2027, date(2026, 1, 15))
    ('1 Jan 2025 to 31 Dec 2025', '1 Jan 2026 to 15 Jan 2026', None)
    """
    if not 1970 <= year <= today.year:
        return None
    return Window(date(year, 1, 1), min(date(year, 12, 31), today))
