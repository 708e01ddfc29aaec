"""Imports listed, and whom files name as keepers of modules."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.imports.models import Import, ImportState, ModuleKeeper
from app.people.models import IdentityPerson, Person


@dataclass(frozen=True)
class Named:
    """A person whom a file names as keeper of a module."""

    person: Person
    role: str
    path: str
    file: str


def imports(session: Session, *, limit: int = 200) -> list[Import]:
    """Every import, the newest first."""
    return list(session.scalars(sa.select(Import).order_by(Import.id.desc()).limit(limit)))


def import_by_public_id(session: Session, public_id: str) -> Import | None:
    """The import of this public id."""
    return session.scalar(sa.select(Import).where(Import.public_id == public_id))


def named_as_keepers(session: Session, module_key: str) -> list[Named]:
    """Whom applied files name as maintainers and reviewers of a module; hidden people are not among them."""
    rows = session.execute(
        sa.select(Person, ModuleKeeper, Import)
        .join(IdentityPerson, IdentityPerson.person_id == Person.id)
        .join(ModuleKeeper, ModuleKeeper.identity_id == IdentityPerson.identity_id)
        .join(Import, Import.id == ModuleKeeper.import_id)
        .where(ModuleKeeper.module_key == module_key, Import.state == ImportState.APPLIED, Person.hidden_at.is_(None))
        .order_by(ModuleKeeper.role, sa.func.lower(Person.name), ModuleKeeper.id)
    )
    found: dict[tuple[int, str], Named] = {}
    for row in rows:
        one = Named(row.Person, row.ModuleKeeper.role, row.ModuleKeeper.path, row.Import.name)
        found.setdefault((row.Person.id, one.role), one)
    return list(found.values())
