"""How long each figure takes over a generated foundation, computed and remembered.

    FLAMBEAU_HOME=var/scale python -m app.demo.scale
    FLAMBEAU_HOME=var/scale python -m tests.speed.bench_figures

DATABASE_URL names a database on PostgreSQL. Each figure is computed `--rounds` times from nothing remembered, and then
answered from memory; printed are the medians in milliseconds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions import queries
from app.contributions.models import ChangeMeasure, Rollup
from app.contributions.queries import EVERYTHING, By, Scope, Thing
from app.contributions.queries.newcomers import newcomers
from app.contributions.queries.remembering import forget_answers
from app.contributions.windows import Window
from app.db import Database
from app.settings import Settings

Ask = Callable[[Session, Scope, Window, Any], Any]
FIGURES: dict[str, Ask] = {
    "counts of changes": lambda s, scope, window, _: queries.counts(s, Thing.CHANGES, scope, window),
    "first response": lambda s, scope, window, now: queries.waiting(s, Thing.CHANGES, scope, window, as_of=now),
    "first response by standing": lambda s, scope, window, now: queries.waiting(
        s, Thing.CHANGES, scope, window, as_of=now, by=By.STANDING),
    "duration": lambda s, scope, window, now: queries.lasting(s, Thing.CHANGES, scope, window, as_of=now),
    "outsiders": lambda s, scope, window, now: queries.outsiders(s, scope, window, as_of=now),
    "changes over time": lambda s, scope, window, _: queries.over_time(s, Thing.CHANGES, scope, window),
    "review load": lambda s, scope, window, _: queries.review_load(s, scope, window),
    "reviews of ten organizations": lambda s, scope, window, _: queries.reviews_by_organization(
        s, scope, window, frozenset(range(1, 11))),
    "counts of issues": lambda s, scope, window, _: queries.counts(s, Thing.ISSUES, scope, window),
    "issue response": lambda s, scope, window, now: queries.waiting(s, Thing.ISSUES, scope, window, as_of=now),
    "contributors' flow": lambda s, scope, window, _: queries.people_flow(s, scope, window),
    "newcomers of 12 quarters": lambda s, scope, window, _: newcomers(s, scope, until=window.until),
    "headline": lambda s, scope, window, _: queries.headline(s, scope, window),
    "work by organization": lambda s, scope, window, _: queries.cells_by_organization(s, scope, window),
    "commits by person": lambda s, scope, window, _: queries.commits_by_person(s, scope, window),
    "people by organization": lambda s, scope, window, _: queries.people_by_organization(s, scope, window),
    "files": lambda s, scope, window, _: queries.files(s, scope, window),
    "releases": lambda s, scope, window, _: queries.releases(s, scope, window),
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--figure", help="only figures whose name contains this")
    options = parser.parse_args()
    settings = Settings.from_environment(os.environ)
    db = Database(settings.database_url)
    with db.read() as session:
        scopes, windows = _what(session)
    print(f"{db.dialect}, load {os.getloadavg()[0]:.1f}; milliseconds: computed / remembered")
    print(f"{'':28}" + "".join(f"{name + ', ' + window:>24}" for name in scopes for window in windows))
    now = db.clock.now()
    for figure, ask in FIGURES.items():
        if options.figure and options.figure not in figure:
            continue
        cells = [_time(db, ask, scope, window, now, options.rounds) for scope in scopes.values()
                 for window in windows.values()]  # fmt: skip
        print(f"{figure:28}" + "".join(f"{f'{cold:.1f} / {warm:.2f}':>24}" for cold, warm in cells), flush=True)


def _what(session: Session) -> tuple[dict[str, Scope], dict[str, Window]]:
    """Everything and the largest of each kind, over a year and over all time."""
    last = session.scalar(sa.select(sa.func.max(Rollup.day)))
    first = session.scalar(sa.select(sa.func.min(Rollup.day)))
    if last is None or first is None:
        raise SystemExit("there is nothing to measure; run python -m app.demo.scale first")

    def largest(column: Any) -> Any:
        query = sa.select(column).where(column.is_not(None)).group_by(column).order_by(sa.func.count().desc()).limit(1)
        return session.scalar(query)

    scopes = {"all": EVERYTHING, "repository": Scope(repository=largest(ChangeMeasure.repository_id)),
              "organization": Scope(organization=largest(ChangeMeasure.organization_id)),
              "module": Scope(module=largest(Rollup.module_key)),
              "person": Scope(person=largest(ChangeMeasure.person_id))}  # fmt: skip
    return scopes, {"1 y": Window(last - timedelta(days=364), last), "all": Window(first, last)}


def _time(db: Database, ask: Ask, scope: Scope, window: Window, now: Any, rounds: int) -> tuple[float, float]:
    cold, warm = [], []
    for _ in range(rounds):
        forget_answers()
        cold.append(_once(db, ask, scope, window, now))
        warm.append(_once(db, ask, scope, window, now))
    return statistics.median(cold) * 1000, statistics.median(warm) * 1000


def _once(db: Database, ask: Ask, scope: Scope, window: Window, now: Any) -> float:
    with db.read() as session:
        session.execute(sa.text("SELECT 1"))
        begun = time.perf_counter()
        ask(session, scope, window, now)
        return time.perf_counter() - begun


if __name__ == "__main__":
    main()
