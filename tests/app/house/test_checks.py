"""Rules of a change, and forms that tell everything that is wrong in one pass."""

from __future__ import annotations

import doctest
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import checks, forms
from app.checks import Checked, RefusedError, UnfoundError, checked, ends_after_it_starts, has_reason
from app.forms import Form, read


@pytest.mark.parametrize("module", [checks, forms])
def test_examples_in_the_docstrings_hold(module):
    assert doctest.testmod(module).failed == 0


class Stay(Form):
    """What a test sends."""

    starts_on: date
    ends_on: date | None = None
    guests: int = 1
    reason: str


def _guests_fit(guests):
    if guests > 4:
        yield "guests", f"are {guests}; 4 fit"


@checked(ends_after_it_starts, _guests_fit, has_reason)
def stay(starts_on, reason, *, ends_on=None, guests=1):
    return starts_on, guests


def test_a_change_that_keeps_its_rules_is_made_and_one_that_breaks_some_is_told_all_of_them():
    assert stay(date(2026, 1, 2), "Fun.", guests=4) == (date(2026, 1, 2), 4)
    with pytest.raises(RefusedError) as caught:
        stay(date(2026, 1, 2), " ", ends_on=date(2026, 1, 1), guests=5)
    assert [where for where, _ in caught.value.problems] == ["ends_on", "guests", "reason"]
    said = caught.value.told.split("; ")
    assert said[:2] == ["ends on is before the first day, 2026-01-02", "guests are 5"]


def test_a_rule_speaks_although_another_field_cannot_be_read():
    reading = read(Stay, {"starts_on": "soon", "ends_on": "2026-01-01", "guests": "9"})
    found = [*reading.problems, *stay.broken(reading.valid, unreadable={one.where for one in reading.problems})]
    assert [one.where for one in found] == ["starts_on", "reason", "guests"]


@given(st.sets(st.sampled_from(["starts_on", "ends_on", "guests", "reason"])))
def test_fewer_unreadable_fields_never_hide_a_problem(unreadable):
    given_all = {"starts_on": date(2026, 1, 2), "ends_on": date(2026, 1, 1), "guests": 9, "reason": ""}
    everything = stay.broken(given_all)
    found = stay.broken(given_all, unreadable=unreadable)
    assert set(found) <= set(everything)
    assert {one.where for one in everything} - {one.where for one in found} <= (
        unreadable | ({"ends_on"} if "starts_on" in unreadable else set())
    )


def test_a_rule_over_something_that_is_no_argument_is_a_mistake_of_ours():
    with pytest.raises(TypeError, match="looks at guests"):
        checked(_guests_fit)(lambda reason: reason)


def test_more_rules_are_added_for_one_form_and_not_for_the_others():
    def _in_summer(starts_on):
        return () if starts_on.month in (6, 7, 8) else [("starts_on", "is not in summer")]

    strict = stay.also(_in_summer)
    assert isinstance(strict, Checked)
    values = {"starts_on": date(2026, 1, 2), "reason": "Fun."}
    assert (len(strict.broken(values)), len(stay.broken(values))) == (1, 0)


def test_what_names_nothing_is_a_problem_of_its_field_and_keeps_the_rules_of_the_others_speaking():
    def nobody(_session, text):
        raise UnfoundError(f"{text} is nobody")

    values, problems = forms._find(None, {"starts_on": "x", "guests": 9}, {"starts_on": nobody})
    assert [one.text for one in problems] == ["x is nobody"]
    assert [one.where for one in stay.broken(values, unreadable={"starts_on", "reason"})] == ["guests"]
