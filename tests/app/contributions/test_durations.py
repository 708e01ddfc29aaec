"""Medians of what has not all ended, and the comparison of two groups: held to SciPy, NumPy and tables by hand."""

from __future__ import annotations

import warnings
from datetime import date

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from app.contributions.metrics.comparison import FEWEST, compare, log_rank
from app.contributions.metrics.durations import (
    add_up,
    bounds,
    curve,
    durations,
    percentile,
    seconds_of,
    spread,
    step_of,
)
from app.contributions.metrics.people import cohorts, flow
from app.contributions.metrics.work import factor

TIMES = st.lists(st.integers(0, 40), min_size=1, max_size=60)


def test_a_median_with_one_that_still_waits_worked_out_by_hand():
    # At risk 5, 4, 3, 1: lasting 4/5, 3/5, (3/5)(2/3) = 2/5, and the one of "at least 30" leaves before 40.
    found = spread(durations([10, 20, 25, 40], going_on=[30]))
    assert (found.n, found.ended, found.p25, found.median, found.p75, found.p90) == (5, 4, 20, 25, 40, 40)


def test_what_has_not_ended_keeps_a_median_from_being_given():
    found = spread(durations([10], going_on=[5, 50, 60, 70]))
    assert (found.n, found.ended, found.median, found.p25, found.high) == (5, 1, None, 10, None)


def test_nothing_has_no_figures():
    found = spread({})
    assert (found.n, found.median, found.low, found.high) == (0, None, None, None)


@given(TIMES, st.sampled_from([0.1, 0.25, 0.5, 0.75, 0.9, 1.0]))
def test_without_censoring_a_percentile_is_numpys_inverted_cdf(times: list[int], share: float):
    found = percentile(curve(durations(times)), share)
    assert found == np.quantile(times, share, method="inverted_cdf")


@given(TIMES, TIMES)
def test_the_curve_and_its_bounds_are_scipys(ended: list[int], going_on: list[int]):
    points = curve(durations(ended, going_on))
    sf = stats.ecdf(stats.CensoredData(uncensored=ended, right=going_on)).sf
    at = [point.at_s for point in points]
    np.testing.assert_allclose([point.lasting for point in points], sf.evaluate(at), rtol=1e-12)
    inside = [point for point in points if 0 < point.lasting < 1]
    if inside and inside == points:
        low, high = bounds(points)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # before the first end SciPy knows no bounds
            band = sf.confidence_interval(method="log-log")
        floors, ceilings = band.low.evaluate(at), band.high.evaluate(at)
        assert low == next((t for t, value in zip(at, floors, strict=True) if value <= 0.5), None)
        assert high == next((t for t, value in zip(at, ceilings, strict=True) if value <= 0.5), None)


@given(st.lists(st.integers(0, 30), min_size=2, max_size=40), TIMES, st.lists(st.integers(0, 30), min_size=2,
                                                                              max_size=40), TIMES)  # fmt: skip
def test_the_log_rank_statistic_is_scipys(one: list[int], one_open: list[int], other: list[int], other_open: list[int]):
    ours = log_rank(durations(one, one_open), durations(other, other_open))
    theirs = stats.logrank(stats.CensoredData(uncensored=one, right=one_open),
                           stats.CensoredData(uncensored=other, right=other_open))  # fmt: skip
    assert abs(ours) == pytest.approx(abs(theirs.statistic), abs=1e-9)


def test_a_comparison_says_who_waits_longer_and_how_sure_that_is():
    fast, slow = [float(value) for value in range(1, 41)], [float(3 * value) for value in range(1, 41)]
    found = compare(durations(fast), durations(slow, going_on=[200] * 10))
    theirs = stats.logrank(fast, stats.CensoredData(uncensored=slow, right=[200] * 10))
    assert found.p == pytest.approx(theirs.pvalue)
    assert (found.one.n, found.one.median, found.other.n) == (40, 20, 50)
    assert found.verdict == "Waits longer."
    assert compare(durations(slow), durations(fast)).verdict == "Waits less long."
    assert compare(durations(fast), durations(fast)).verdict == "No difference that chance would not explain."


def test_too_few_are_not_compared():
    found = compare(durations([1] * FEWEST), durations([9] * (FEWEST - 1)))
    assert (found.p, found.z) == (None, None)
    assert "Too few" in found.verdict


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_groups_that_do_not_differ_are_seldom_told_apart(seed: int):
    chance = np.random.default_rng(seed)
    found = [compare(durations(chance.lognormal(10, 2, 60)), durations(chance.lognormal(10, 2, 60))).p or 0
             for _ in range(60)]  # fmt: skip
    assert sum(p < 0.05 for p in found) <= 9  # 3 expected; 9 or more has a chance of 0.3 %


@given(st.integers(1, 10**9))
def test_a_step_is_at_most_2_2_percent_short(seconds: int):
    begins = seconds_of(step_of(seconds))
    assert begins <= seconds * (1 + 1e-9)
    assert seconds <= begins * 2 ** (1 / 32) * (1 + 1e-9)


def test_figures_of_steps_are_whole_seconds():
    found = spread({seconds_of(step): (1, 0) for step in range(300, 340)})
    assert {type(value) for value in (found.p25, found.median, found.p75, found.p90, found.low, found.high)} == {int}


@given(TIMES, TIMES)
def test_parts_add_up_to_the_whole(one: list[int], other: list[int]):
    assert add_up([durations(one), durations(other)]) == durations([*one, *other])


def test_the_absence_factor_of_chaoss_own_example():
    assert factor([1000, 202, 90, 33, 332, 343, 42, 433]) == 2


@given(st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)), st.sets(st.integers(1, 30)))
def test_new_staying_and_returning_are_all_contributors(active: set[int], before: set[int], newcomers: set[int]):
    days = {one: date(2026, 1, 2) if one in newcomers else date(2020, 1, 1) for one in range(1, 31)}
    found = flow(active, before, first_days=days, since=date(2026, 1, 1))
    assert found.new | found.staying | found.returning == active
    assert len(found.new) + len(found.staying) + len(found.returning) == len(active)
    assert found.staying | found.drifting == before
    assert (found.retention is None) == (not before)


def test_cohorts_worked_out_by_hand():
    seen = [(1, 0), (1, 1), (1, 3), (2, 0), (2, 3), (3, 1), (3, 2), (4, 1), (4, 1)]
    found = {one.period: one for one in cohorts(seen, last=3)}
    assert found[0].active == (2, 1, 0, 2)
    assert found[1].active == (2, 1, 0)
    assert found[1].shares == (1.0, 0.5, 0.0)
