"""For whom a person counts: the employer of the day and, for the window of charter 3.3, one that the record named."""

from __future__ import annotations

import doctest
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.rulebook import Word, as_recorded, counting, employers, strongest

DAY = date(2026, 1, 1)
NAMES = {1: "Acme", 2: "Blu", 3: "Cyan"}


def after(days):
    return DAY + timedelta(days=days)


def word(employer, start=0, end=None, rank=1, known=0, until=None, confirms=False):
    return Word(employer, after(start), None if end is None else after(end), (rank,), after(known),
                None if until is None else after(until), confirms)  # fmt: skip


def counted(words, day, window=90):
    return {one.employer: one.until for one in counting(words, after(day), window_days=window).counted}


def test_examples_in_the_docstrings_hold():
    assert doctest.testmod(employers).failed == 0


def test_a_change_stated_today_counts_for_both_for_ninety_days_and_not_a_day_longer():
    words = [word(1), word(2, start=-400, rank=2, known=10)]
    assert counted(words, 9) == {1: None}
    assert counted(words, 10) == {2: None, 1: after(99)}
    assert counted(words, 99) == {2: None, 1: after(99)}
    assert counted(words, 100) == {2: None}


def test_a_change_announced_long_before_counts_from_the_day_on_which_it_takes_effect():
    words = [word(1, end=199), word(2, start=200)]
    assert counted(words, 199) == {1: None}
    assert counted(words, 289) == {2: None, 1: after(289)}
    assert counted(words, 290) == {2: None}


def test_staff_who_confirm_the_change_end_it_and_an_older_word_of_theirs_does_not():
    before = word(2, start=-400, rank=0, known=5, confirms=True)
    change = [word(1), word(2, start=-400, rank=2, known=10), before]
    assert counted(change, 20) == {2: None, 1: after(99)}
    confirmed = [*change, word(2, start=0, rank=0, known=15, confirms=True)]
    assert counted(confirmed, 14) == {2: None, 1: after(99)}
    assert counted(confirmed, 15) == {2: None}
    assert "Staff confirmed" in counting(confirmed, after(15), window_days=90).derivation(NAMES)[-1]


def test_who_says_that_they_left_counts_for_the_old_employer_alone_until_the_window_ends():
    words = [word(1), word(None, rank=2, known=10)]
    assert counted(words, 20) == {1: after(99)}
    assert counted(words, 100) == {}


def test_a_word_that_was_taken_back_counts_as_long_as_any_other_left_employer():
    words = [word(1, rank=1), word(2, rank=2, known=5, until=8)]
    assert counted(words, 7) == {2: None, 1: after(94)}
    assert counted(words, 8) == {1: None, 2: after(97)}
    assert counted([word(1), word(2, rank=2, known=5, until=5)], 7) == {1: None}


def test_the_first_word_of_all_counts_for_one():
    assert counted([word(1, start=-900, end=-300, known=10), word(2, start=-299, known=10)], 10) == {2: None}


def test_for_a_day_before_anything_was_known_what_came_later_counts():
    assert counted([word(1, start=-900, known=10)], -100) == {1: None}


def test_the_derivation_names_both_the_days_and_the_clause():
    words = [word(1), word(2, rank=2, known=10)]
    steps = counting(words, after(20), window_days=90).derivation(NAMES)
    assert steps == [
        "On 2026-01-21 the record names Blu.",
        "Until 2026-01-10 it named Acme. A change counts for both for 90 days (charter 3.3): until 2026-04-10.",
    ]


def test_a_window_below_nothing_is_refused():
    with pytest.raises(ValueError, match="a window of -1 days"):
        counting([], DAY, window_days=-1)


spans = st.tuples(st.integers(-20, 40), st.none() | st.integers(0, 30))
words = st.lists(
    st.builds(
        lambda employer, span, rank, known, gone, confirms: word(
            employer, span[0], None if span[1] is None else span[0] + span[1], rank, known,
            None if gone is None else known + gone, confirms,
        ),
        st.none() | st.integers(1, 3), spans, st.integers(1, 3), st.integers(-20, 40), st.none() | st.integers(0, 30),
        st.booleans(),
    ),
    max_size=6,
)  # fmt: skip


def named_on(listed, day):
    found = strongest(listed, on=after(day), known=after(day))
    return None if found is None else ("nobody" if found.employer is None else found.employer)


@given(words, st.integers(-20, 60))
def test_the_record_day_by_day_is_what_its_intervals_say(listed, until):
    found = as_recorded(listed, until=after(until))
    for day in range(-25, until + 1):
        holding = [one for one in found if one.first <= after(day) and (one.last is None or after(day) <= one.last)]
        assert len(holding) <= 1, "intervals never overlap"
        said = None if not holding else ("nobody" if holding[0].employer is None else holding[0].employer)
        assert said == named_on(listed, day)
    assert list(found) == sorted(found, key=lambda one: one.first)


@given(words, st.integers(-20, 60), st.integers(0, 30))
def test_an_employer_counts_exactly_if_it_is_the_days_or_was_named_within_the_window(listed, day, window):
    found = counting(listed, after(day), window_days=window)
    today = named_on(listed, day)
    lately = {named_on(listed, past) for past in range(day - window, day)} - {None, "nobody", today}
    left = {one.employer for one in found.counted if one.until is not None}
    if today is not None:
        assert {one.employer for one in found.counted if one.until is None} == {today} - {"nobody"}
    if found.confirmed is None:
        assert left == lately - {one.employer for one in found.counted if one.until is None}
    else:
        assert left == set()
        assert today is not None


@given(words, st.integers(-20, 60), st.integers(0, 30))
def test_the_last_day_is_the_window_after_the_last_day_on_which_it_was_named(listed, day, window):
    for one in counting(listed, after(day), window_days=window).counted:
        if one.until is not None:
            last = one.until - timedelta(days=window)
            assert named_on(listed, (last - DAY).days) == one.employer
            days = range((last - DAY).days + 1, day + 1)
            assert one.employer not in {named_on(listed, later) for later in days}
            assert one.until >= after(day)


@given(words, st.integers(-20, 60))
def test_without_a_window_nobody_counts_for_two(listed, day):
    assert len(counting(listed, after(day), window_days=0).counted) <= 1
