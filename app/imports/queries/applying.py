"""Imports given, applied in one transaction, undone as a whole."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked, has_reason
from app.db import Base, Turn, clock_of, take_turn
from app.imports.formats import parse
from app.imports.models import Import, ImportMade, ImportState, ModuleKeeper
from app.imports.queries.planning import Change, Plan, plan
from app.imports.rules import FileKind
from app.members import queries as members
from app.members.models import Membership, Organization, OrganizationDomain, Proposal
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.queries import Said
from app.people.rules import EVER

MOST_BYTES = 2 * 1024 * 1024
CONFIDENCE = 70
_MADE: Mapping[str, type[Base]] = {
    "proposal": Proposal, "membership": Membership, "domain": OrganizationDomain, "organization": Organization,
}  # fmt: skip


class ImportRefusedError(RefusedError):
    """A file that cannot be taken, applied or undone."""


def _is_not_too_large(text: str) -> Broken:
    if len(text.encode()) > MOST_BYTES:
        yield "file", f"has more than {MOST_BYTES // 1024:,} KiB; give it in parts"
    if not text.strip():
        yield "file", "is empty"
    if "\x00" in text:
        yield "file", "is no text"


def _is_sure_enough(confidence: int) -> Broken:
    if not 1 <= confidence <= 90:
        yield "confidence", "is a percentage from 1 to 90: a file is never surer than staff"


def _there_is_room(session: Session, text: str, most_drafts: int | None) -> Broken:
    if most_drafts is None:
        return
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    size = sa.func.length(sa.cast(Import.text, sa.LargeBinary)) if is_sqlite else sa.func.octet_length(Import.text)
    used = session.scalar(sa.select(sa.func.sum(size)).where(Import.state == ImportState.DRAFT)) or 0
    if used + len(text.encode()) > most_drafts:
        yield "file", (
            f"does not fit: drafts hold {used / 1e6:,.1f} of {most_drafts / 1e6:,.0f} MB (FLAMBEAU_DRAFTS_MB); "
            "apply some or throw them away first"
        )


def _group_has_an_organization(kind: FileKind, organization: str) -> Broken:
    if kind is FileKind.GITDM_GROUP and not organization.strip():
        yield "organization", "is needed: a group's file does not say whose it is"


@checked(_is_not_too_large, _there_is_room, _is_sure_enough, _group_has_an_organization, refusal=ImportRefusedError)
def give_file(
    session: Session,
    kind: FileKind,
    name: str,
    text: str,
    *,
    organization: str = "",
    confidence: int = CONFIDENCE,
    actor: Actor,
    most_drafts: int | None = None,
) -> Import:
    """Keep a file as a draft: nothing of it counts. Its text is forgotten when it is applied or thrown away.

    `most_drafts`: bytes that all drafts together may have; None for what is applied in the same transaction.
    """
    made = Import(
        kind=kind, name=name.strip()[:300] or kind.value, organization=organization.strip()[:200], text=text,
        confidence=confidence, sha256=hashlib.sha256(text.encode()).hexdigest(), state=ImportState.DRAFT,
        given_at=clock_of(session).now(), given_by=actor.id,
    )  # fmt: skip
    session.add(made)
    session.flush()
    return made


def plan_of(session: Session, one: Import) -> Plan:
    """What a draft would change now."""
    return plan(session, parse(one.kind, one.text, name=one.name, organization=one.organization))


def _is_a_draft(one: Import) -> Broken:
    if one.state is not ImportState.DRAFT:
        yield "reason", f"came too late: the file is {one.state.value} already"


def _is_applied(one: Import) -> Broken:
    if one.state is not ImportState.APPLIED:
        yield "reason", f"cannot be: the file is {one.state.value}, not applied"


@checked(_is_a_draft, has_reason, refusal=ImportRefusedError)
def apply_import(session: Session, one: Import, *, actor: Actor, reason: str) -> Plan:
    """Make every change of a draft, in this transaction, with one entry of the audit log; then resolve.

    Raises: ImportRefusedError when a line is wrong: then nothing is changed.
    """
    wanted = plan_of(session, one)
    if wanted.problems:
        raise ImportRefusedError([("file", f"line {wrong.line}: {wrong.text}") for wrong in wanted.problems[:50]])
    _make(session, one, wanted, actor, reason)
    one.state, one.applied_at, one.reason = ImportState.APPLIED, clock_of(session).now(), reason.strip()[:1000]
    one.changes, one.text = len(wanted.changes), ""
    session.flush()
    record(session, actor=actor, action="imports.apply", thing=one.public_id, reason=reason.strip(),
           data={"kind": one.kind.value, "sha256": one.sha256, "changes": wanted.counted})  # fmt: skip
    people.resolve(session)
    people.refresh_proposals(session)
    return wanted


def throw_away(session: Session, one: Import, *, actor: Actor) -> None:
    """Forget a draft. Raises: ImportRefusedError if it is none any more."""
    problems = list(_is_a_draft(one))
    if problems:
        raise ImportRefusedError(problems)
    record(session, actor=actor, action="imports.throw_away", thing=one.public_id,
           reason="a draft that was never applied", data={"kind": one.kind.value, "sha256": one.sha256})  # fmt: skip
    session.delete(one)
    session.flush()


@checked(_is_applied, has_reason, refusal=ImportRefusedError)
def undo_import(session: Session, one: Import, *, actor: Actor, reason: str) -> int:
    """Take back all that an import said and made; gives how many statements. What others built on stays.

    An organization stays where anything else, or the history of a withdrawn statement, names it.
    """
    # Others write an entry of the log before they count: whoever counts first would wait for them, and they for us.
    take_turn(session, Turn.AUDIT)
    number = people.withdraw_batch(session, one.public_id, actor=actor, reason=reason.strip())
    people.link_identities(session, _source(one), [])
    session.execute(sa.delete(ModuleKeeper).where(ModuleKeeper.import_id == one.id))
    made = session.scalars(sa.select(ImportMade).where(ImportMade.import_id == one.id).order_by(ImportMade.id)).all()
    by_kind: dict[str, list[int]] = {}
    for row in made:
        by_kind.setdefault(row.what, []).append(row.number)
    kept = 0
    for what in ("proposal", "membership", "domain"):
        for key in by_kind.get(what, []):
            thing = session.get(_MADE[what], key)
            if thing is None or (isinstance(thing, Proposal) and thing.outcome is not None):
                kept += 1
            else:
                session.delete(thing)
    session.flush()
    people.resolve(session)
    for key in by_kind.get("organization", []):
        kept += not _deleted(session, session.get(Organization, key))
    one.state, one.undone_at, one.undone_by = ImportState.UNDONE, clock_of(session).now(), actor.id
    one.undone_reason = reason.strip()[:1000]
    session.flush()
    record(session, actor=actor, action="imports.undo", thing=one.public_id, reason=reason.strip(),
           data={"statements": number, "kept": kept})  # fmt: skip
    people.refresh_proposals(session)
    return number


def _deleted(session: Session, organization: Organization | None) -> bool:
    """Whether nothing names it any more, so that it could be taken away."""
    if organization is None:
        return True
    try:
        with session.begin_nested():
            session.delete(organization)
            session.flush()
    except sa.exc.IntegrityError:
        return False
    return True


def _source(one: Import) -> str:
    return f"import:{one.public_id}"


def _make(session: Session, one: Import, wanted: Plan, actor: Actor, reason: str) -> None:
    made: dict[str, int] = {}

    def owner(change: Change) -> int:
        return made[change.organization] if isinstance(change.organization, str) else int(change.organization or 0)

    def note(what: str, number: int) -> None:
        session.add(ImportMade(import_id=one.id, what=what, number=number))

    said: list[Said] = []
    pairs: list[tuple[tuple[str, str], tuple[int, ...]]] = []
    for change in wanted.changes:
        because = f"{one.name}, line {change.line} ({one.public_id}): {reason.strip()}"[:1000]
        starts = change.starts_on or EVER
        match change.kind:
            case "organization":
                name = str(change.organization)
                made[name] = members.create_organization(
                    session, name, kind=OrganizationKind.COMPANY, website=change.website, actor=actor, reason=because
                ).id
                note("organization", made[name])
            case "statement":
                number = None if change.organization is None else owner(change)
                said.append(Said(int(change.person or 0), number, starts, change.ends_on, because))
            case "domain":
                row = members.add_domain(
                    session, session.get_one(Organization, owner(change)), change.domain, starts_on=starts,
                    ends_on=change.ends_on, actor=actor, reason=because, resolve=False,
                )  # fmt: skip
                note("domain", row.id)
            case "proposal":
                asked = members.propose_domain(
                    session, session.get_one(Organization, owner(change)), change.domain, starts_on=starts,
                    actor=actor, reason=because,
                )  # fmt: skip
                note("proposal", asked.id)
            case "membership":
                begun = members.start_membership(
                    session, session.get_one(Organization, owner(change)), change.tier, starts_on=starts,
                    actor=actor, reason=because,
                )  # fmt: skip
                note("membership", begun.id)
            case "join" if change.pair is not None:
                pairs.append(change.pair)
            case "keeper":
                session.add(ModuleKeeper(import_id=one.id, module_key=change.module, path=change.path,
                                         identity_id=int(change.identity or 0), role=change.role))  # fmt: skip
    people.state_batch(session, said, batch=one.public_id, confidence=one.confidence, actor=actor)
    _join(session, one, pairs)


def _join(session: Session, one: Import, pairs: list[tuple[tuple[str, str], tuple[int, ...]]]) -> None:
    known = people.directory(session).by_address
    new = people.intern_identities(session, [("git", name, address, "") for (name, address), _ in pairs
                                             if address not in known])  # fmt: skip
    links = [
        (number, known[address][0] if address in known else new["git", name, address, ""])
        for (name, address), numbers in pairs
        for number in numbers
    ]
    people.link_identities(session, _source(one), links)
