"""One look at a scope and window: what several figures of a page need is read once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from flask import url_for
from sqlalchemy.orm import Session

from app.contributions import metrics, queries
from app.contributions.metrics import COMMITS, Cell, Summary
from app.contributions.queries import Scope
from app.contributions.windows import Period, Window
from app.members.models import Organization
from app.people import queries as people_queries
from app.people.models import Person
from app.people.queries import Grounds


@dataclass
class Look:
    """A scope and window with everything read for them. `arguments` are what links must carry to stay in it.

    `options` is what else the address asks for (see `figure`): counts or shares, say.
    """

    session: Session
    scope: Scope
    window: Window
    as_of: datetime
    arguments: dict[str, str]
    options: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def cells(self) -> list[Cell]:
        """The work of each organization, period by period; no persons."""
        return queries.cells_by_organization(self.session, self.scope, self.window)

    @cached_property
    def work(self) -> list[Cell]:
        return [cell for cell in self.cells if cell.kind in COMMITS]

    @cached_property
    def by_person(self) -> Mapping[int | None, int]:
        """How many commits each person made."""
        return queries.commits_by_person(self.session, self.scope, self.window)

    @cached_property
    def summary(self) -> Summary:
        return queries.headline(self.session, self.scope, self.window)

    @cached_property
    def periods(self) -> list[Period]:
        return self.window.periods()

    @cached_property
    def labels(self) -> list[str]:
        return [period.label for period in self.periods]

    @cached_property
    def grounds(self) -> Grounds | None:
        """Which resolution of people and employers these figures rest on."""
        return people_queries.grounds(self.session)

    @cached_property
    def organizations(self) -> dict[int, Organization]:
        return queries.organizations(self.session, {cell.organization for cell in self.cells})

    @cached_property
    def persons(self) -> dict[int, Person]:
        return queries.persons(self.session, [person for person, _ in metrics.ranked(self.by_person, 15)])

    @cached_property
    def total(self) -> int:
        return sum(cell.commits for cell in self.work)

    @cached_property
    def whole(self) -> Look:
        """The same days over everything (or the one repository): what a share is a share of."""
        return self.at(Scope(repository=self.scope.repository))

    def at(self, scope: Scope) -> Look:
        """The same days and options of another scope."""
        return replace(self, scope=scope)

    def option(self, name: str, values: Sequence[str]) -> str:
        """What the address asks for by this name; the first of `values` unless it is one of them."""
        wanted = self.options.get(name, "")
        return wanted if wanted in values else values[0]

    def organization_url(self, number: int | None) -> str | None:
        """The page of an organization, in the same window."""
        one = self.organizations.get(number) if number else None
        return self.url("contributions.organization", public_id=one.public_id) if one else None

    def url(self, endpoint: str, **values: str) -> str:
        """An address that keeps the window."""
        arguments: dict[str, Any] = {**self.arguments, **values}
        return url_for(endpoint, **arguments)
