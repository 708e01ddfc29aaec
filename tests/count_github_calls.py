"""Counts what reading a repository costs of GitHub's hour: `python -m tests.count_github_calls --pulls 50000`.

The double of GitHub answers and keeps the books as GitHub documents them: 5,000 points of GraphQL and 5,000 requests of
REST an hour. Of what is made up, one pull request in twenty has a timeline that does not fit a page; each has five
comments on lines on average, and there are half as many issues. Nothing is extrapolated: everything is read into rows.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import sqlalchemy as sa

from app.clock import FixedClock
from app.contributions.models import Change, ChangeEvent, Issue
from app.db import Database
from app.github.client import RESERVE
from app.github.questions import MOST, TOGETHER
from app.jobs import JobState
from app.settings import Settings, session_key
from tests.app.github.world import World, world
from tests.doubles.github import GitHub, Repository, running

HOUR = 5000
LONG_ONE_IN, LONG = 20, 130
LINES = 5


@dataclass(frozen=True)
class Cost:
    """Points of GraphQL and requests of REST."""

    points: int
    requests: int

    @property
    def is_within_an_hour(self) -> bool:
        """Whether it fits one hour, with what is left to others."""
        return self.points <= HOUR - RESERVE and self.requests <= HOUR - RESERVE


def law(pulls: int, issues: int) -> Cost:
    """What a first reading of such a repository costs.

    Two points a page of either kind: one connection for the list, a hundred for labels and a hundred for timelines,
    by hundreds. One point for the rest of the long timelines of a page, which are asked for together. REST: a request
    for each hundred comments on lines, of which the last second is asked for twice, and four that look.

    >>> law(50_000, 25_000)
    Cost(points=2000, requests=2636)
    """
    pages = ceil(pulls / MOST)
    followed = ceil(min(pulls, MOST) / LONG_ONE_IN / TOGETHER) * pages
    return Cost(2 * pages + followed + 2 * ceil(issues / MOST), 4 + ceil(pulls * LINES / (MOST - LINES)))


def fill(repository: Repository, github: GitHub, clock: FixedClock, *, pulls: int, issues: int) -> None:
    """Make a repository of such a size, a minute for each thing."""
    people = [github.account(f"person-{number}") for number in range(200)]
    for number in range(pulls):
        clock.advance(minutes=1)
        pull = repository.pull(f"Change {number}", people[number % 200])
        pull.label("bug", people[0])
        for _ in range(LONG if number % LONG_ONE_IN == 0 else 2):
            pull.comment(people[(number + 7) % 200])
        pull.review("APPROVED", people[(number * 3) % 200], lines=LINES)
        if number % 4:
            pull.merge(people[(number * 3) % 200])
    for number in range(issues):
        clock.advance(minutes=1)
        repository.issue(f"Wish {number}", people[number % 200]).comment(people[(number + 1) % 200])


@contextmanager
def beside(folder: Path, *, pulls: int, issues: int) -> Iterator[World]:
    """A portal in this folder that is connected with such a repository."""
    clock = FixedClock()
    url = f"sqlite:///{folder / 'flambeau.db'}"
    db = Database(url, clock=clock)
    db.upgrade()
    with running(clock.now) as github:
        fill(github.repository("acme/tensor"), github, clock, pulls=pulls, issues=issues)
        settings = Settings(home=folder, database_url=url, session_key=session_key(folder), log_json=False)
        yield world(github, db, clock, settings)
        if github.refusals:
            raise SystemExit("the double was asked what GitHub's description refuses:\n" + "\n".join(github.refusals))
    db.close()


def read(made: World) -> Cost:
    """Read all of it; what that cost. Raises: SystemExit where something is missing."""
    before = len(made.github.asked)
    job = made.read(patience=10_000)
    if job.state is not JobState.SUCCEEDED:
        raise SystemExit(f"the reading is {job.state.value}: {job.error or job.note}")
    repository = made.github.repositories[0]
    with made.db.read() as session:
        counts = (sa.select(sa.func.count()).select_from(table) for table in (Change, Issue, ChangeEvent))
        found = [session.scalar(one) for one in counts]
    things = repository.things.values()
    pulls = [one for one in things if one.is_pull]
    wanted = [len(pulls), len(things) - len(pulls), sum(1 + len(one.timeline) + len(one.lines) for one in pulls)]
    if found != wanted:
        raise SystemExit(f"changes, issues and events are {found}, and {wanted} happened")
    return Cost(*made.spent(before))


def peak_mb() -> int:
    """The most memory that this process has held so far; the double lives in it as well."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def main() -> None:
    """Read once whole and once more, and print what both cost."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pulls", type=int, default=50_000)
    parser.add_argument("--issues", type=int)
    parser.add_argument("--unchecked", action="store_true", help="do not hold REST to its description, for speed")
    given = parser.parse_args()
    issues = given.pulls // 2 if given.issues is None else given.issues
    with tempfile.TemporaryDirectory() as folder, beside(Path(folder), pulls=given.pulls, issues=issues) as made:
        made.github.checks = not given.unchecked
        sys.stdout.write(f"the double alone: {peak_mb():,} MB\n")
        for what in ("all of it", "once more"):
            begun = time.monotonic()
            cost = read(made)
            took_s = time.monotonic() - begun
            sys.stdout.write(f"{what}: {given.pulls:,} pull requests, {issues:,} issues: {cost.points:,} points of "
                             f"GraphQL, {cost.requests:,} requests of REST, {took_s:,.0f} s, at most {peak_mb():,} MB "
                             "with the double\n")  # fmt: skip
            sys.stdout.flush()
            if not cost.is_within_an_hour:
                raise SystemExit(f"that is more than an hour's {HOUR:,} less {RESERVE}")


if __name__ == "__main__":
    main()
