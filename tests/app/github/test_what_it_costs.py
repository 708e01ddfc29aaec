"""What reading a repository costs of GitHub's hour: counted by the double, and as the law says."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.count_github_calls import Cost, beside, law, read


@pytest.mark.slow
def test_a_first_reading_costs_what_the_law_says_and_a_second_nothing(tmp_path: Path) -> None:
    with beside(tmp_path, pulls=320, issues=150) as made:
        first, second, third = read(made), read(made), read(made)

    assert first == law(320, 150) == Cost(points=2 * 4 + 4 + 2 * 2, requests=4 + 17)
    assert (second, third) == (Cost(0, 1), Cost(0, 0))


def test_fifty_thousand_pull_requests_fit_one_hour() -> None:
    assert law(50_000, 25_000) == Cost(points=2000, requests=2636)
    assert law(50_000, 25_000).is_within_an_hour
    assert law(100_000, 50_000).points < 4900
