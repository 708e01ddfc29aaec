"""The version of governance/ that is in force, read from the database and not from the files."""

from __future__ import annotations

import hashlib
from functools import lru_cache

import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy.orm import Session

from app.governance.models import GovernanceVersion
from app.governance_files import Governance, GovernanceError, RuleEntry


def current(session: Session) -> Governance:
    """What was synced last. Raises: GovernanceError when nothing ever was, with the command that does it.

    A session that only reads asks for it once.
    """
    known: Governance | None = session.info.get("governance")
    if known is not None:
        return known
    governance = _parsed(version_in_force(session).content)
    if session.get_bind().get_execution_options().get("flambeau_access") == "read":
        session.info["governance"] = governance
    return governance


def version_in_force(session: Session) -> GovernanceVersion:
    """The row of the version in force. Raises: GovernanceError when nothing was ever synced."""
    found = current_version(session)
    if found is None:
        raise GovernanceError("governance/ was never synced into this database; run `flask governance sync`")
    return found


def is_governed(session: Session) -> bool:
    """Whether governance/ was ever synced."""
    return current_version(session) is not None


def current_version(session: Session) -> GovernanceVersion | None:
    """The row of the version in force: its hash and when it was synced. None before the first."""
    return session.scalar(sa.select(GovernanceVersion).order_by(GovernanceVersion.id.desc()).limit(1))


def rule_entry(governance: Governance, key: str) -> RuleEntry | None:
    """The rule of this key as rules.yaml writes it."""
    return next((entry for entry in governance.rules if entry.key == key), None)


def rules_by_clause(governance: Governance) -> dict[str, list[str]]:
    """Clause of the charter -> keys of what rules.yaml takes from it."""
    single, unsettled = governance.single_maintainer_entry, governance.unsettled_author_entry
    written = [(entry.clause, entry.key) for entry in governance.rules]
    found: dict[str, list[str]] = {}
    for clause, key in (*written, (single.clause, single.key), (unsettled.clause, unsettled.key)):
        found.setdefault(clause, []).append(key)
    return found


def clauses_of(governance: Governance, entry: RuleEntry) -> list[tuple[str, str]]:
    """(number, text) of each clause of the charter that a rule is taken from."""
    numbers = {entry.clause, entry.electronic_clause, entry.quorum_clause}
    return [(one, governance.clauses[one]) for one in sorted(filter(None, numbers)) if one in governance.clauses]


def content_of(governance: Governance) -> str:
    """The text that is kept of a version."""
    return governance.model_dump_json(by_alias=True)


def sha256_of(content: str) -> str:
    """The hash by which a version is known."""
    return hashlib.sha256(content.encode()).hexdigest()


@lru_cache(maxsize=4)
def _parsed(content: str) -> Governance:
    try:
        return Governance.model_validate_json(content)
    except ValidationError as error:
        missing = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors()[:3])
        raise GovernanceError(
            f"governance/ was synced by another version of the portal (it does not fit here: {missing}); "
            "run `flask governance sync`"
        ) from None
