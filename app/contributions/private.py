"""Repositories that are private at their source: what was read of them stays counted, and nobody is shown it."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.contributions.models import Repository
from app.contributions.stamps import stamp
from app.db import clock_of


def is_shown(repository_id: sa.orm.InstrumentedAttribute[int]) -> sa.ColumnElement[bool]:
    """Whether a row's repository is open to everybody at its source, as far as is known."""
    return repository_id.not_in(sa.select(Repository.id).where(Repository.private_since.is_not(None)))


def hide(session: Session, repository: Repository, *, actor: audit.Actor, reason: str) -> bool:
    """Show no change, issue or release of it from now on; one audit entry. Whether that is news."""
    if repository.private_since is not None:
        return False
    repository.private_since = clock_of(session).now()
    _tell(session, repository, "contributions.repository.hide", actor, reason)
    return True


def show(session: Session, repository: Repository, *, actor: audit.Actor, reason: str) -> bool:
    """Show everything of it again; one audit entry. Whether that is news."""
    if repository.private_since is None:
        return False
    repository.private_since = None
    _tell(session, repository, "contributions.repository.show", actor, reason)
    return True


def _tell(session: Session, repository: Repository, action: str, actor: audit.Actor, reason: str) -> None:
    audit.record(session, actor=actor, action=action, thing=repository.public_id, reason=reason)
    # As where people decide: whoever asks next must see it.
    stamp(session, by_people=True)
