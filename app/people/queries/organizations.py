"""The names of organizations, which the members' room knows and this one only shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sqlalchemy.orm import Session


@dataclass(frozen=True)
class OrganizationName:
    """An organization as a person's page names it."""

    public_id: str
    name: str


NamesOf = Callable[[Session], Mapping[int, OrganizationName]]
_names_of: list[NamesOf] = []


def provide_organizations(function: NamesOf) -> NamesOf:
    """Register (as a decorator) where organizations' names come from: session -> row number -> name."""
    _names_of[:] = [function]
    return function


def organization_names(session: Session) -> Mapping[int, OrganizationName]:
    """Every organization by row number, in the order of their names."""
    return _names_of[0](session) if _names_of else {}
