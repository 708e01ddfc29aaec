"""Generates a foundation into an empty, synthetic portal: everything in one transaction, counted and measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app import audit
from app.audit import Actor
from app.contributions.measuring import measure_all
from app.contributions.models import Change, Commit, Issue, Repository
from app.contributions.modules import note_modules
from app.contributions.rollups import roll_all
from app.db import Database
from app.demo.scale.foundation import Scale, invent
from app.demo.scale.history import History
from app.demo.scale.sinks import Sinks
from app.demo.scale.standing import REASON, write_standing
from app.governance import sync
from app.governance_files import read
from app.members.models import Organization
from app.modules.queries import paths
from app.modules.rules import modules_of
from app.people.models import Identity, Person

ACTOR = Actor.system("generator")
Say = Callable[[str], None]


class NotEmptyError(Exception):
    """The portal holds rows already, or does not call itself synthetic."""


@dataclass(frozen=True)
class Generated:
    """How many rows each table got, how many events that is, and the hash over all rows in their order."""

    counts: dict[str, int]
    events: int
    sha256: str


def generate(app: Flask, scale: Scale, *, seed: int, say: Say) -> Generated:
    """Fill the portal with the foundation of this seed, ending today. The same seed and day give the same hash.

    Raises: NotEmptyError if the portal holds people, organizations or history, or is not synthetic.
    """
    house = app.extensions["flambeau"]
    if not house.settings.synthetic:
        raise NotEmptyError("this portal is not synthetic; set FLAMBEAU_SYNTHETIC=yes in a home of its own")
    today = house.clock.now().date()
    _write_in_place(house.db)
    with house.db.write() as session:
        _refuse_real_rows(session)
        sync.apply(session, read(house.settings.governance_dir, today=today).require(), actor=ACTOR, reason=REASON)
        session.flush()
        _refuse_real_rows(session)  # our files may name maintainers, who are people
        if house.db.dialect == "sqlite":
            session.execute(sa.text("PRAGMA cache_size = -262144"))
        foundation = invent(scale, seed=seed, today=today)
        say(f"invented: {len(foundation.organizations):,} organizations, {len(foundation.people):,} people, "
            f"{len(foundation.repositories):,} repositories")  # fmt: skip
        sinks = Sinks(session)
        written = write_standing(sinks, foundation)
        modules = paths(session)
        globs = {glob for module in modules for glob in module.paths if glob.endswith("/**")}
        folders = sorted(glob.removesuffix("/**") for glob in globs)
        history = History(sinks, foundation, scale, written, seed=seed, folders=folders or ["src"],
                          owners=lambda path: modules_of(path, modules))  # fmt: skip
        events = history.write(lambda share: say(f"written: {share:.0%}") if round(share * 120) % 24 == 0 else None)
        sha256 = sinks.finish()
        say(f"rows: {sum(sinks.counts.values()):,}, of them {events:,} events; counting")
        note_modules(session)
        roll_all(session)
        say("counted; measuring")
        measure_all(session)
        session.execute(sa.text("ANALYZE"))
        audit.record(session, actor=ACTOR, action="demo.generate", thing="synthetic", reason=REASON,
                     data={"seed": seed, "people": scale.people, "events": events, "sha256": sha256})  # fmt: skip
    _tidy(house.db)
    say(f"done: seed {seed}, sha256 {sha256}")
    return Generated(dict(sinks.counts), events, sha256)


def _write_in_place(db: Database) -> None:
    """Let SQLite write pages where they belong: new ones need no journal, and a log of gigabytes is slow to search."""
    if db.dialect == "sqlite":
        _set_journal(db, "DELETE")


def _tidy(db: Database) -> None:
    """SQLite goes back to the log of writing ahead: the next connection could not while another one reads.

    PostgreSQL notes which rows all may see, as it does by itself in time: sums then read indexes alone.
    """
    if db.dialect == "sqlite":
        _set_journal(db, "WAL")
    if db.dialect == "postgresql":
        with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM ANALYZE"))


def _set_journal(db: Database, mode: str) -> None:
    with db.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        driver.execute(f"PRAGMA journal_mode = {mode}")


def _refuse_real_rows(session: Session) -> None:
    for table in (Repository, Organization, Person, Identity, Commit, Change, Issue):
        if session.scalar(sa.select(table.id).limit(1)) is not None:
            raise NotEmptyError(
                f"the portal holds a row of {table.__tablename__!r} already; generated rows never stand beside others: "
                "name an empty home (FLAMBEAU_HOME) or database (DATABASE_URL)"
            )
