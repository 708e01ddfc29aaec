"""Which modules of `governance/` each commit touched: recorded with the commit, made anew when their paths change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.contributions.bulk import insert_rows
from app.contributions.history import PathChange
from app.contributions.models import ChangePath, CommitModule, DerivedState
from app.contributions.rollups import roll_all
from app.modules.queries import paths
from app.modules.rules import ModulePaths, modules_of

_NAME = "commit_module"
_TABLE = CommitModule.__table__


Finder = Callable[[str], tuple[str, ...]]


def finder(session: Session) -> Finder:
    """A function from path to the keys of its modules, as governance has them now; it remembers what it found."""
    return _finder(paths(session))


def record_modules(
    session: Session, commits: Iterable[tuple[int, Iterable[PathChange]]], *, find: Finder | None = None
) -> None:
    """Write which modules these commits (row number, changes) touched, with the lines in each."""
    find = find or finder(session)
    rows = []
    for commit_id, changes in commits:
        lines: dict[str, list[int]] = {}
        for change in changes:
            for key in find(change.path):
                sums = lines.setdefault(key, [0, 0])
                sums[0] += change.added or 0
                sums[1] += change.deleted or 0
        rows += [(commit_id, key, added, deleted) for key, (added, deleted) in lines.items()]
    insert_rows(session, _TABLE, ("commit_id", "module_key", "added", "deleted"), rows)


def modules_are_current(session: Session) -> bool:
    """Whether the recorded modules come from the paths of today."""
    made_from = session.scalar(sa.select(DerivedState.made_from).where(DerivedState.name == _NAME))
    return made_from == _fingerprint(session)


def remake_modules(session: Session) -> int:
    """Make the modules of all commits and the rollup anew; gives how many (commit, module) pairs there are."""
    session.execute(sa.delete(CommitModule))
    found = 0
    pending: list[tuple[int, list[PathChange]]] = []
    query = sa.select(ChangePath.commit_id, ChangePath.path, ChangePath.status, ChangePath.added, ChangePath.deleted)
    rows = session.execute(query.order_by(ChangePath.commit_id).execution_options(yield_per=20_000))
    for commit_id, path, status, added, deleted in rows:
        if not pending or pending[-1][0] != commit_id:
            if len(pending) >= 5000:
                record_modules(session, pending)
                pending = []
            pending.append((commit_id, []))
        pending[-1][1].append(PathChange(path, status, added, deleted))
    record_modules(session, pending)
    found = session.scalar(sa.select(sa.func.count()).select_from(CommitModule)) or 0
    note_modules(session)
    roll_all(session)
    return found


def note_modules(session: Session) -> None:
    """Note that the recorded modules come from the paths of today."""
    session.execute(sa.delete(DerivedState).where(DerivedState.name == _NAME))
    session.add(DerivedState(name=_NAME, made_from=_fingerprint(session)))
    session.flush()


def _finder(modules: Sequence[ModulePaths]) -> Finder:
    known: dict[str, tuple[str, ...]] = {}

    def find(path: str) -> tuple[str, ...]:
        if path not in known:
            known[path] = modules_of(path, modules)
        return known[path]

    return find


def _fingerprint(session: Session) -> str:
    text = json.dumps([[module.key, *module.paths] for module in paths(session)])
    return hashlib.sha256(text.encode()).hexdigest()
