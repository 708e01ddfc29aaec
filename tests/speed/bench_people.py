"""How fast who is who, and for whom, follows: a full re-resolution, one person's word, one answer, all proposals.

    python -m tests.speed.bench_people [--home FOLDER] [--people 2000] [--rounds 3] [--json FILE]

`--home` is a portal that `python -m app.demo.scale` filled (with DATABASE_URL, on PostgreSQL); it is changed and put
back, so give it none that anybody uses. Without one, a foundation of so many people is made in a temporary folder.
A person's word counts as shown when the transaction that states it, with every figure of theirs, is committed.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app import load_slices
from app.audit import Actor
from app.contributions.models import Rollup
from app.db import Database
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Affiliation, Employment, Identity, IdentityDecision, IdentityPerson, Person
from app.people.rules import StatementSource

US = Actor.system("bench")
WHY = "measured, and taken back"


def main() -> None:
    """Measure, print a table, and write JSON where asked."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--people", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    load_slices(("models", "views"))
    logging.disable(logging.INFO)
    with tempfile.TemporaryDirectory() as folder:
        home = options.home or Path(folder)
        url = os.environ.get("DATABASE_URL") or f"sqlite:///{home / 'flambeau.db'}"
        if options.home is None:
            command = [sys.executable, "-m", "app.demo.scale", "--people", str(options.people)]
            subprocess.run(command, check=True, env={**os.environ, "FLAMBEAU_HOME": str(home)}, capture_output=True)
        db = Database(url)
        result = measure(db, rounds=options.rounds)
        db.close()
    print(f"{result['of']}; {options.rounds} rounds, load {result['load']}")
    for name, row in result["rows"].items():
        print(f"{name:44} {row['median_s']:8.3f} s")
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")


def measure(db: Database, *, rounds: int) -> dict[str, Any]:
    """Median seconds of each kind of work, all of them in each round."""
    with db.read() as session:
        of = {
            "identities": session.scalar(sa.select(sa.func.count(Identity.id))),
            "persons": session.scalar(sa.select(sa.func.count(sa.distinct(IdentityPerson.person_id)))),
            "rollup rows": session.scalar(sa.select(sa.func.count(Rollup.id))),
        }
        by_work = session.execute(
            sa.select(Rollup.person_id).where(Rollup.person_id.is_not(None))
            .group_by(Rollup.person_id).order_by(sa.func.sum(Rollup.commits))
        ).scalars().all()  # fmt: skip
    busy = [number for number in by_work if number is not None]
    middle, most = len(busy) // 2, busy[-1]
    works: dict[str, Callable[[], float]] = {
        "resolve everybody, nothing new": lambda: timed(db, people.resolve),
        "resolve everybody from nothing": lambda: from_nothing(db),
        "a word of the person in the middle": lambda: word(db, busy[middle]),
        "a word of the busiest person": lambda: word(db, most),
        "two people decided to be one": lambda: merge(db, busy[middle], busy[middle - 1]),
        "all proposals found anew": lambda: timed(db, people.refresh_proposals),
        "a page of the queue": lambda: timed(db, lambda session: people.questions(session, people.Wanted())),
    }
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            seconds[name].append(work())
    rows = {
        name: {"median_s": round(statistics.median(values), 4), "all_s": [round(value, 4) for value in values]}
        for name, values in seconds.items()
    }
    told = ", ".join(f"{number:,} {what}" for what, number in of.items())
    return {"benchmark": "people", "database": db.dialect, "of": told, "processors": os.cpu_count(),
            "load": [round(value, 1) for value in os.getloadavg()], "at": datetime.now(UTC).isoformat(),
            "rows": rows}  # fmt: skip


def timed(db: Database, work: Callable[[Any], object]) -> float:
    """Seconds of some work in a transaction of its own, committed."""
    begun = time.perf_counter()
    with db.write() as session:
        work(session)
    return time.perf_counter() - begun


def from_nothing(db: Database) -> float:
    """Seconds to resolve as if nobody had been resolved before, persons and their employment made; then taken back."""
    took = 0.0
    try:
        with db.write() as session:
            session.execute(sa.delete(Employment))
            session.execute(sa.delete(IdentityPerson))
            begun = time.perf_counter()
            people.resolve(session)
            took = time.perf_counter() - begun
            raise InterruptedError
    except InterruptedError:
        return took


def word(db: Database, person: int) -> float:
    """Seconds until a person's own word counts in every figure; then withdrawn."""

    with db.read() as session:
        stated = sa.select(Affiliation.organization_id).where(
            Affiliation.person_id == person, Affiliation.organization_id.is_not(None))  # fmt: skip
        elsewhere = session.scalars(
            sa.select(Organization.id).where(Organization.id.not_in(stated)).order_by(Organization.id).limit(1)
        ).one()

    def say(session: Any) -> None:
        people.state(session, session.get_one(Person, person), elsewhere, starts_on=date(1971, 1, 1),
                     source=StatementSource.SELF, actor=US, reason=WHY)  # fmt: skip

    took = timed(db, say)
    with db.write() as session:
        said = session.scalars(sa.select(Affiliation).order_by(Affiliation.id.desc()).limit(1)).one()
        people.withdraw(session, said, actor=US, reason=WHY)
    return took


def merge(db: Database, one: int, other: int) -> float:
    """Seconds until two people are one in every figure; then undone."""
    took = timed(db, lambda session: people.merge(session, session.get_one(Person, one), session.get_one(Person, other),
                                                  actor=US, reason=WHY))  # fmt: skip
    with db.write() as session:
        last = session.scalars(sa.select(IdentityDecision).order_by(IdentityDecision.id.desc()).limit(1)).one()
        people.undo(session, last, actor=US, reason=WHY)
    return took


if __name__ == "__main__":
    main()
