"""What readers say is wrong with a module, a repository or a figure: how these are called, and where they stand."""

from __future__ import annotations

from flask import url_for
from sqlalchemy.orm import Session

from app.contributions.figures import FIGURES
from app.contributions.registry import by_public_id
from app.modules import queries as modules
from app.people.queries import provide_names
from app.people.rules.asking import RemarkAbout


@provide_names(RemarkAbout.MODULE)
def module_named(session: Session, key: str) -> tuple[str, str] | None:
    """The module of this key."""
    found = modules.module_by_key(session, key)
    return (f"the module {found.name}", url_for("contributions.module", key=key)) if found else None


@provide_names(RemarkAbout.REPOSITORY)
def repository_named(session: Session, public_id: str) -> tuple[str, str] | None:
    """The repository of this public id."""
    found = by_public_id(session, public_id)
    if found is None:
        return None
    return f"the repository {found.name}", url_for("contributions.repository", public_id=public_id)


@provide_names(RemarkAbout.FIGURE)
def figure_named(session: Session, key: str) -> tuple[str, str] | None:
    """The figure of this key; which of its days and rows are meant says the page that the remark came from."""
    found = FIGURES.get(key)
    return (f"the figure “{found.title}”", url_for("contributions.definitions")) if found else None
