"""Figures worked out by hand: what each definition counts, and what it leaves out."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.contributions.metrics import Cell, Kind, factor, presence, strands, summarize
from app.contributions.windows import Window, read_window
from tests.app.contributions.sums import bits_of

TODAY = date(2026, 1, 15)
JANUARY, FEBRUARY = date(2025, 1, 1), date(2025, 2, 1)
ANNE, BOB, CY, DEE, BOT = 1, 2, 3, 4, 5
ACME, BELL = 10, 20


def cell(day: date, person: int, commits: int, *, kind: Kind = Kind.COMMIT, org: int | None = None, known: bool = False,
         added: int = 0) -> Cell:  # fmt: skip
    return Cell(day, kind, person, org, known or org is not None, commits, added)


YEAR = [
    cell(JANUARY, ANNE, 6, org=ACME, added=60), cell(JANUARY, BOB, 2, org=BELL),
    cell(FEBRUARY, BOB, 1, kind=Kind.MERGE, org=BELL),
    cell(FEBRUARY, CY, 2), cell(FEBRUARY, ANNE, 1, known=True),  # Anne went independent
    cell(FEBRUARY, DEE, 3, kind=Kind.REVIEWED), cell(FEBRUARY, ANNE, 1, kind=Kind.REVIEWED, org=ACME),
    cell(JANUARY, BOT, 40, kind=Kind.BOT, added=9000), cell(JANUARY, CY, 1, kind=Kind.ASSISTED),
]  # fmt: skip


def test_a_summary_worked_out_by_hand():
    first = {ANNE: date(2020, 5, 1), BOB: date(2025, 1, 3), CY: date(2025, 2, 9), DEE: date(2024, 1, 1)}
    found = summarize(YEAR, first_days=first, since=JANUARY, before={ANNE, DEE, 99})

    assert found.commits == 12  # 6 + 2 + 1 + 2 + 1: the bot's 40 stay apart
    assert found.added == 60
    assert found.contributors == 4  # a reviewer is one, a bot is none
    assert found.new_contributors == 2  # Bob and Cy
    assert found.retention == pytest.approx(2 / 3)
    assert found.absence_factor == 1  # Anne made 7 of 12
    assert found.elephant_factor == 1  # Acme made 6 of the 9 that are attributed
    assert found.organizations == 2
    assert found.unattributed == pytest.approx(2 / 12)  # Cy's; independent is an answer
    assert (found.reviews, found.bot_commits, found.assisted) == (4, 40, 1)


def test_nothing_is_no_division_by_zero():
    found = summarize([], first_days={}, since=JANUARY, before=())
    assert (found.commits, found.absence_factor, found.elephant_factor, found.unattributed) == (0, 0, None, None)


@pytest.mark.parametrize(("counts", "needed"), [
    ([10], 1), ([5, 5], 1), ([4, 3, 3], 2), ([1] * 7, 4), ([100, 1, 1], 1), ([], 0), ([0, 0], 0), ([3, 3, 2, 2], 2),
])  # fmt: skip
def test_a_factor_is_the_fewest_who_make_half(counts: list[int], needed: int):
    assert factor(counts) == needed


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=50))
def test_a_factor_reaches_half_and_one_fewer_does_not(counts: list[int]):
    ranked, needed = sorted(counts, reverse=True), factor(counts)
    assert sum(ranked[:needed]) * 2 >= sum(counts)
    assert sum(ranked[: needed - 1]) * 2 < sum(counts)


def test_strands_name_the_largest_and_never_hide_what_is_not_attributed():
    window = Window(date(2025, 1, 1), date(2025, 12, 31))
    found = strands(YEAR, window.periods(), most=1)
    shown = [(one.organization, one.name, one.values[:3]) for one in found]
    assert shown == [(ACME, "", (6, 0, 0)), (None, "Others", (2, 1, 0)), (None, "Independent", (0, 1, 0)),
                     (None, "Unattributed", (0, 2, 0))]  # fmt: skip


def test_strands_add_up_to_all_commits_of_people():
    periods = Window(date(2025, 1, 1), date(2025, 12, 31)).periods()
    assert sum(one.total for one in strands(YEAR, periods)) == 12


def test_new_contributors_are_new_once_and_who_paused_returns():
    periods = Window(date(2025, 1, 1), date(2025, 12, 31)).periods()
    first = {ANNE: date(2020, 5, 1), BOB: date(2025, 1, 3), CY: date(2025, 2, 9), DEE: date(2024, 1, 1)}
    seen = [(ANNE, date(2024, 12, 9)), (ANNE, date(2025, 1, 1)), (BOB, date(2025, 1, 3)), (BOB, date(2025, 2, 3)),
            (CY, date(2025, 2, 9)), (DEE, date(2025, 2, 28)), (BOB, date(2025, 4, 30))]  # fmt: skip
    found = [(one.active, one.new, one.returning, one.staying) for one in
             presence(bits_of(seen, periods), first, periods, since=date(2025, 1, 1))]  # fmt: skip
    assert found[:5] == [(2, 1, 0, 1), (3, 1, 1, 1), (0, 0, 0, 0), (1, 0, 1, 0), (0, 0, 0, 0)]
    seen.append((BOB, date(2025, 1, 9)))
    later = presence(bits_of(seen, periods), first, periods, since=date(2025, 1, 4))
    assert [one.new for one in later[:3]] == [0, 1, 0]  # Bob came in January, and before the window


@pytest.mark.parametrize(("arguments", "since", "until"), [
    ({}, date(2025, 1, 16), TODAY), ({"window": "90d"}, date(2025, 10, 18), TODAY),
    ({"window": "all"}, date(2001, 2, 3), TODAY), ({"since": "2025-03-01"}, date(2025, 3, 1), TODAY),
    ({"until": "2025-03-01"}, date(2024, 3, 2), date(2025, 3, 1)),
    ({"since": "2025-01-01", "until": "2999-01-01"}, date(2025, 1, 1), TODAY),
])  # fmt: skip
def test_an_address_names_its_window(arguments: dict[str, str], since: date, until: date):
    window, problems = read_window(arguments, today=TODAY, first=date(2001, 2, 3))
    assert (window.since, window.until, problems) == (since, until, [])


@pytest.mark.parametrize("arguments", [
    {"window": "2y"}, {"since": "yesterday"}, {"since": "2026-01-02", "until": "2026-01-01"}, {"since": "0001-01-01"},
])  # fmt: skip
def test_a_window_that_cannot_be_is_told(arguments: dict[str, str]):
    assert read_window(arguments, today=TODAY, first=None)[1]


@given(st.dates(date(1970, 1, 1), date(2030, 1, 1)), st.integers(1, 20_000))
def test_periods_cover_every_day_of_the_window_once(since: date, days: int):
    window = Window(since, since + timedelta(days=days - 1))
    periods = window.periods()
    assert periods[0].first <= window.since <= periods[0].last
    assert periods[-1].first <= window.until <= periods[-1].last
    assert all(one.last + timedelta(days=1) == other.first for one, other in pairwise(periods))
    assert len(periods) < 70
