"""The folders that changes touch, right below one: what tells the changes of a repository or a module apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import aliased

from app.contributions.models import ChangeFile, ChangeMeasure, ChangeModule
from app.contributions.queries.scopes import OfBoth, Scope
from app.contributions.windows import Window

FILES = ""
"""The key of the files that lie right there, in no folder below."""


@dataclass(frozen=True)
class Folders:
    """Told apart by folders right below `below` ("": the top), among a scope's changes that were open in a window.

    A change is in each folder that it touches. Keys are the folders' own names, without the way to them.
    """

    below: str
    scope: Scope
    window: Window

    @cached_property
    def rows(self) -> Any:
        """(change, folder), once each."""
        measure, window = aliased(ChangeMeasure), self.window
        rest = sa.func.substr(ChangeFile.path, len(self.below) + 2) if self.below else ChangeFile.path
        end = _Position(rest, "/")
        folder = sa.case((end > 0, sa.func.substr(rest, 1, end - 1)), else_=FILES)
        # As a case, so that no database takes the much wider range of opening days for its way in.
        was_opened = sa.case((measure.opened_on <= window.until, 1), else_=0) == 1
        query = (
            sa.select(ChangeFile.change_id, folder.label("folder"))
            .join(measure, measure.change_id == ChangeFile.change_id)
            .where(was_opened, *self._held(measure))
        )
        # All that was opened or closed in the window, or is open at its end, lies in these two.
        parts = (query.where(measure.closed_on.is_(None)), query.where(measure.closed_on >= window.since))
        return sa.union(*parts).subquery("folders").c

    def _held(self, measure: Any) -> list[sa.ColumnElement[bool]]:
        found: list[sa.ColumnElement[bool]] = []
        if self.below:
            # Letter by letter: SQLite's LIKE takes Docs/ for docs/.
            found.append(sa.func.substr(ChangeFile.path, 1, len(self.below) + 1) == f"{self.below}/")
        if self.scope.repository:
            found.append(measure.repository_id == self.scope.repository)
        if self.scope.module:
            touched = sa.select(ChangeModule.change_id).where(ChangeModule.module_key == self.scope.module)
            found.append(measure.change_id.in_(touched))
        return found


class _Position(OfBoth):
    """Where a text first stands in another, from 1 on; 0 where it does not."""

    type = sa.Integer()
    inherit_cache = True
    name = "position"
    sqlite, postgresql = "instr(", "strpos("

    def __init__(self, within: Any, what: str) -> None:
        super().__init__(within, sa.literal(what))
