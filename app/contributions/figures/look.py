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
from app.contributions.models import Attribution
from app.contributions.queries import Scope
from app.contributions.windows import Period, Window
from app.members import queries as members
from app.members.models import Organization
from app.people import queries as people_queries
from app.people.models import Person
from app.people.queries import Grounds

SHOW = ("count", "share")
BY = ("own", "group")
MOST_SHOWN = 15


@dataclass
class Look:
    """A scope and window with everything read for them. `arguments` are what links must carry to stay in it.

    `options` is what else the address asks for (see `figure`): counts or shares, say. `beside` are the organizations
    that it wants to be compared with.
    """

    session: Session
    scope: Scope
    window: Window
    as_of: datetime
    arguments: dict[str, str]
    options: Mapping[str, str] = field(default_factory=dict)
    beside: tuple[Organization, ...] = ()

    @cached_property
    def cells(self) -> list[Cell]:
        """The work of each organization by period and kind, without the persons; of a group as its owner's."""
        found = queries.cells_by_organization(self.session, self.scope, self.window)
        return metrics.grouped(found, self.groups) if self.groups else found

    @cached_property
    def work(self) -> list[Cell]:
        """The commits among `cells`."""
        return [cell for cell in self.cells if cell.kind in COMMITS]

    @cached_property
    def by_person(self) -> Mapping[int | None, int]:
        """How many commits each person made."""
        return queries.commits_by_person(self.session, self.scope, self.window)

    @cached_property
    def heads(self) -> Mapping[tuple[int | None, bool], int]:
        """(organization or None, whether that is known) -> how many made commits for it; of a group as its owner's."""
        if not self.groups:
            found = queries.people_by_organization(self.session, self.scope, self.window)
            return {(number, kind is not Attribution.UNKNOWN): heads for (number, kind), heads in found.items()}
        people: dict[tuple[int | None, bool], set[int]] = {}
        of_each = queries.people_of_organizations(self.session, self.scope, self.window)
        for (number, kind), persons in of_each.items():
            people.setdefault((self.owner(number), kind is not Attribution.UNKNOWN), set()).update(persons)
        return {key: len(persons) for key, persons in people.items()}

    @cached_property
    def summary(self) -> Summary:
        """The headline of the window; with `by=group`, organizations and elephant factor are those of groups."""
        found = queries.headline(self.session, self.scope, self.window)
        if not self.groups:
            return found
        owners = metrics.count(self.work, lambda cell: cell.organization)
        owners.pop(None, None)
        return replace(found, organizations=len(owners),
                       elephant_factor=metrics.factor(owners.values()) if owners else None)  # fmt: skip

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
    def groups(self) -> Mapping[int, int]:
        """Organization -> who owns it in the end, where the address asks for groups; else nothing."""
        return members.groups(self.session) if self.option("by", BY) == "group" else {}

    @cached_property
    def tiers(self) -> members.TierBook:
        """Who was a member of which tier, on any day."""
        return members.tier_book(self.session)

    def owner(self, number: int | None) -> int | None:
        """Whom an organization counts for."""
        return number if number is None else self.groups.get(number, number)

    @cached_property
    def organizations(self) -> dict[int, queries.Named]:
        return queries.named_organizations(self.session, {cell.organization for cell in self.cells})

    @cached_property
    def persons(self) -> dict[int, Person]:
        return queries.persons(self.session, [person for person, _ in metrics.ranked(self.by_person, MOST_SHOWN)])

    @cached_property
    def total(self) -> int:
        return sum(cell.commits for cell in self.work)

    @cached_property
    def unattributed(self) -> float | None:
        """The share of the commits of which nobody knows for whom they were made; None of none."""
        return sum(cell.commits for cell in self.work if not cell.is_known) / self.total if self.total else None

    @cached_property
    def whole(self) -> Look:
        """The same days over everything (or the one repository): what a share is a share of."""
        return self.at(Scope(repository=self.scope.repository))

    @property
    def around(self) -> Look:
        """The same days of all whose employers may be unknown: of an organization or a person, over everything."""
        return self.whole if self.scope.organization or self.scope.person else self

    @cached_property
    def before(self) -> Look:
        """The window of the same length just before."""
        return replace(self, window=self.window.before)

    def at(self, scope: Scope) -> Look:
        """The same days and options of another scope."""
        return replace(self, scope=scope)

    def of_organization(self, number: int) -> Look:
        """The same days of one organization, with all that it owns where the address asks for groups."""
        owned = members.group_members(self.session, number) if self.groups else frozenset()
        return self.at(replace(self.scope, organization=number, with_owned=owned))

    def option(self, name: str, values: Sequence[str]) -> str:
        """What the address asks for by this name; the first of `values` unless it is one of them."""
        wanted = self.options.get(name, "")
        return wanted if wanted in values or not values else values[0]

    def organization_url(self, number: int | None) -> str | None:
        """The page of an organization, in the same window."""
        one = self.organizations.get(number) if number else None
        return self.url("contributions.organization", public_id=one.public_id) if one else None

    def person_url(self, person: Person) -> str | None:
        """The page of a person, in the same window; a hidden person has none."""
        return None if person.hidden_at else self.url("contributions.person", public_id=person.public_id)

    def url(self, endpoint: str, **values: str) -> str:
        """An address that keeps the window."""
        arguments: dict[str, Any] = {**self.arguments, **values}
        return url_for(endpoint, **arguments)
