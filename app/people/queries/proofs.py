"""Claims: what a sign-in or a mailed link proves becomes a person's, at once, unless somebody else has it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor, record
from app.checks import Broken, RefusedError, checked, has_reason
from app.db import Turn, clock_of, take_turn
from app.people.models import IN_FORCE, Identity, IdentityPerson, Person, Proof
from app.people.queries.decisions import decide
from app.people.queries.identities import Wording, address_of, intern_identities, note_activity
from app.people.queries.persons import all_of, canonical, hide
from app.people.queries.resolution import resolve
from app.people.rules import ACCOUNT, PROOF, DecisionKind, ProofKind, Role, github_number, identifies_one_person

BY_MAIL = "mail"
GITHUB = "https://github.com"


class ProofError(RefusedError):
    """A proof that cannot be let go of or settled, with the reason."""


@dataclass(frozen=True)
class Proven:
    """What somebody has just proved: a login (issuer and the subject that never changes), or an address.

    `name` is what the issuer calls them, `noreply` an address that the issuer itself gives to the account.
    """

    kind: ProofKind
    subject: str
    shown: str
    proved_by: str
    issuer: str = ""
    name: str = ""
    noreply: str = ""

    @classmethod
    def address(cls, address: str, *, proved_by: str = BY_MAIL) -> Proven:
        """An address, by a mailed link or by an issuer that checks addresses."""
        return cls(ProofKind.ADDRESS, address_of(address), address.strip(), proved_by)

    @classmethod
    def login(cls, issuer: str, subject: str, shown: str, *, name: str = "", noreply: str = "") -> Proven:
        """A login at an issuer."""
        return cls(ProofKind.LOGIN, subject, shown, issuer, issuer=issuer, name=name, noreply=noreply)

    def wording(self, person: Person) -> Wording:
        """The identity that stands for it. A login counts as evidence only where the issuer's logins are in commits."""
        if self.kind is ProofKind.ADDRESS:
            return (f"{PROOF}{BY_MAIL}", "", self.subject, person.public_id)
        if self.noreply:
            return (f"{PROOF}{source_of(self.issuer)}", self.name, self.noreply, self.shown)
        return (f"{PROOF}{self.issuer}"[:60], self.name, "", person.public_id)


def source_of(issuer: str) -> str:
    """What the identities of a GitHub are called: its own, or another's by its host."""
    return "github" if issuer == GITHUB else f"github:{issuer.removeprefix('https://')}"[:50]


def owner_of(session: Session, proven: Proven, *, by_mail: bool = False) -> Person | None:
    """Whose it is by a proof in force (`by_mail`: by a mailed link, no issuer's word): whom it signs in."""
    found = _in_force(session, proven)
    if found is None or (by_mail and found.proved_by != BY_MAIL):
        return None
    return canonical(session, session.get_one(Person, found.person_id))


def entered_for(session: Session, address: str) -> Person | None:
    """Whom staff entered with this very address, if it is one claimed person who never let go of it.

    Staff's word and the mailbox's proof together are enough to be that person; evidence of machines never is.
    """
    wanted = address_of(address)
    if not identifies_one_person(wanted):
        return None
    rows = session.execute(
        sa.select(Person, IdentityPerson.person_id)
        .join(IdentityPerson, IdentityPerson.home_person_id == Person.id)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(Identity.address == wanted, Identity.source == "portal", Person.claimed_at.is_not(None))
    ).all()
    found = {canonical(session, person).id: canonical(session, person) for person, _now in rows}
    # Staff may have taken their word back: the address then belongs to another.
    if any(now not in found for _person, now in rows):
        return None
    if len(found) != 1:
        return None
    person = next(iter(found.values()))
    let_go = sa.select(Proof.id).where(
        Proof.kind == ProofKind.ADDRESS, Proof.subject == wanted, Proof.released_at.is_not(None)
    )
    return None if session.scalar(let_go.limit(1)) else person


def arrive(session: Session, name: str) -> Person:
    """Somebody whom nobody knows yet; their proofs, and the work under them, are added next."""
    take_turn(session, Turn.HISTORY)
    person = Person(name=" ".join(name.split())[:200] or "without a name", created_at=clock_of(session).now())
    person.claimed_at = person.created_at
    session.add(person)
    session.flush()
    # Decisions about the account name this identity: it stays when its person lets go of every proof.
    entry = (ACCOUNT, person.name, "", person.public_id)
    own = intern_identities(session, [entry])[entry]
    session.add(IdentityPerson(identity_id=own, person_id=person.id, home_person_id=person.id, role=Role.PERSON))
    session.flush()
    record(
        session,
        actor=Actor.person(person.public_id),
        action="people.person.arrive",
        thing=person.public_id,
        reason="signed in for the first time",
        personal={f"{person.public_id}/name": person.name},
    )
    return person


def known_as(session: Session, proven: Sequence[Proven]) -> str:
    """What commits call whoever proved this, if any do and none of them asked to be hidden; else ""."""
    persons = {one.id: one for what in proven for one in _carriers(session, what)}
    if any(one.hidden_at is not None for one in persons.values()):
        return ""
    names = [one.name for one in persons.values() if one.claimed_at is None and one.name != "without a name"]
    return names[0] if names else ""


def prove(
    session: Session, person: Person, proven: Sequence[Proven], *, reason: str
) -> tuple[list[Proof], list[Proof]]:
    """Make what somebody proved theirs: (in force, contested). Work that carries it is theirs at once.

    What another person proved before stays with that person and is contested; work of a claimed person stays theirs
    too, and staff see both at /people/proposals.
    """
    take_turn(session, Turn.HISTORY)
    kept: list[Proof] = []
    contested: list[Proof] = []
    is_work_theirs = asked_to_be_hidden = False
    for what in proven:
        before = _in_force(session, what)
        if before is not None and _is_the_same(session, before, person):
            _use(session, before)
            kept.append(before)
        elif before is not None:
            contested.append(_contested(session, person, what, reason))
        else:
            carriers = _carriers(session, what)
            is_work_theirs |= bool(carriers)
            asked_to_be_hidden |= any(one.hidden_at and one.claimed_at is None for one in carriers)
            kept.append(_add(session, person, what, reason))
    session.flush()
    if is_work_theirs:
        resolve(session, around=[proof.identity_id for proof in kept])
    if asked_to_be_hidden and person.hidden_at is None:
        # Whoever asked to be hidden is not shown again because they came in person. Names come after figures: `Turn`.
        hide(session, person, hidden=True, actor=Actor.person(person.public_id),
             reason="proved to be somebody who asked to be hidden")  # fmt: skip
    return kept, contested


def note_use(session: Session, proven: Proven) -> None:
    """Note that a proof signed its person in. A login that was renamed at its issuer is proved under its new name.

    What they did under the old name stays theirs by a decision: whoever is given that name next has no claim to it.
    """
    found = _in_force(session, proven)
    if found is None:
        return
    _use(session, found)
    if found.shown == proven.shown:
        return
    take_turn(session, Turn.HISTORY)
    reason = "the login was renamed at its issuer"
    person = canonical(session, session.get_one(Person, found.person_id))
    theirs = sa.select(Identity).join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
    theirs = theirs.where(IdentityPerson.person_id == person.id, Identity.source == source_of(found.issuer))
    old = list(session.scalars(theirs.where(sa.func.lower(Identity.login) == found.shown.lower())))
    actor = Actor.person(person.public_id)
    _let_go(session, found, actor=actor, reason=reason)
    kept, _contested = prove(session, person, [proven], reason=reason)
    anchor = session.get_one(Identity, kept[0].identity_id)
    for identity in old:
        decide(session, DecisionKind.SAME_AS, anchor, other=identity, actor=actor, reason=reason)
    resolve(session, around=[anchor.id, *(identity.id for identity in old)])


def proofs_of(session: Session, person_id: int) -> list[Proof]:
    """A person's proofs in force and contested, also of those who turned out to be the same person."""
    rows = sa.select(Proof).where(Proof.person_id.in_(all_of(person_id)), Proof.released_at.is_(None))
    return list(session.scalars(rows.order_by(Proof.kind.desc(), Proof.id)))


def ever_proved_by(session: Session, proof: Proof) -> list[str]:
    """The public ids of this proof and of the person's former ones of the same: a renamed login leaves some behind."""
    rows = sa.select(Proof.public_id).where(*_same(proof), Proof.person_id.in_(all_of(proof.person_id)))
    return list(session.scalars(rows.order_by(Proof.id)))


def was_let_go(session: Session, person: Person, proven: Proven) -> bool:
    """Whether the person let go of just this before: only they take it up again."""
    released = sa.select(Proof.id).where(Proof.person_id.in_(all_of(person.id)), Proof.released_at.is_not(None))
    return session.scalar(released.where(*_what(proven)).limit(1)) is not None


def _is_held(proof: Proof) -> Broken:
    if proof.released_at is not None:
        yield "reason", "came too late: it is let go of already"


def _is_contested(proof: Proof) -> Broken:
    if proof.contested_at is None or proof.released_at is not None:
        yield "reason", "came too late: this is settled already"


@checked(_is_held, has_reason, refusal=ProofError)
def release(session: Session, proof: Proof, *, actor: Actor, reason: str) -> None:
    """Let go of a proof: it signs nobody in any more, and work that only it made theirs goes back."""
    take_turn(session, Turn.HISTORY)
    theirs = _hanging_on(session, proof)
    _let_go(session, proof, actor=actor, reason=reason)
    resolve(session, around=theirs)


@checked(_is_contested, has_reason, refusal=ProofError)
def settle(session: Session, proof: Proof, *, is_theirs: bool, actor: Actor, reason: str) -> None:
    """Staff decide whose a contested login or address is: of whoever proved it last, or still of the other."""
    take_turn(session, Turn.HISTORY)
    theirs = {number for one in _all_in_hand(session, proof) for number in _hanging_on(session, one)}
    if is_theirs:
        holder = _holder(session, proof)
        if holder is not None:
            _let_go(session, holder, actor=actor, reason=reason)
            session.flush()
        proof.contested_at = None
    else:
        proof.released_at, proof.released_by = clock_of(session).now(), actor.id
        proof.released_reason = reason.strip()[:1000]
    person = session.get_one(Person, proof.person_id)
    record(session, actor=actor, action="people.proof.settle", thing=proof.public_id, reason=reason.strip(),
           data={"person": person.public_id, "theirs": is_theirs})  # fmt: skip
    session.flush()
    resolve(session, around=theirs)


@dataclass(frozen=True)
class Dispute:
    """A login or address that two persons proved."""

    proof: Proof
    newcomer: Person
    holder: Person


def disputes(session: Session, *, limit: int) -> list[Dispute]:
    """What staff must settle, the oldest first; nothing of those who turned out to be one person."""
    found = []
    rows = sa.select(Proof).where(Proof.contested_at.is_not(None), Proof.released_at.is_(None))
    for proof in session.scalars(rows.order_by(Proof.id).limit(limit)):
        held = _holder(session, proof)
        newcomer = canonical(session, session.get_one(Person, proof.person_id))
        holder = canonical(session, session.get_one(Person, held.person_id)) if held else newcomer
        if held is None or holder.id != newcomer.id:
            found.append(Dispute(proof, newcomer, holder))
    return found


def claimants(session: Session, proof: Proof) -> list[Person]:
    """Everybody who proved the same and did not let go of it."""
    numbers = [one.person_id for one in _all_in_hand(session, proof)]
    found = (canonical(session, session.get_one(Person, number)) for number in numbers)
    return list({person.id: person for person in found}.values())


def whose(session: Session, identity_id: int) -> Person:
    """Whose an identity is; of one that was proved and let go of, whose it was."""
    row = session.get(IdentityPerson, identity_id)
    if row is not None:
        return session.get_one(Person, row.person_id)
    before = sa.select(Proof.person_id).where(Proof.identity_id == identity_id).order_by(Proof.id.desc()).limit(1)
    return canonical(session, session.get_one(Person, session.scalars(before).one()))


def proof_by_public_id(session: Session, public_id: str) -> Proof | None:
    """A proof by its public id."""
    return session.scalar(sa.select(Proof).where(Proof.public_id == public_id))


def _made(session: Session, person: Person, what: Proven, *, is_contested: bool = False) -> Proof:
    now, entry = clock_of(session).now(), what.wording(person)
    proof = Proof(
        person_id=person.id, identity_id=intern_identities(session, [entry])[entry], kind=what.kind,
        issuer=what.issuer, subject=what.subject, shown=what.shown[:320], proved_by=what.proved_by, proved_at=now,
        used_at=now, contested_at=now if is_contested else None,
    )  # fmt: skip
    session.add(proof)
    session.flush()
    return proof


def _add(session: Session, person: Person, what: Proven, reason: str) -> Proof:
    proof = _made(session, person, what)
    if session.get(IdentityPerson, proof.identity_id) is None:
        home = canonical(session, person).id
        session.add(IdentityPerson(identity_id=proof.identity_id, person_id=home, home_person_id=home,
                                   role=Role.PERSON))  # fmt: skip
    _use(session, proof)
    _tell(session, "people.proof.add", proof, person, Actor.person(person.public_id), reason)
    return proof


def _contested(session: Session, person: Person, what: Proven, reason: str) -> Proof:
    own = sa.select(Proof).where(*_what(what), Proof.person_id == person.id, Proof.released_at.is_(None))
    known = session.scalar(own)
    if known is not None:
        return known
    proof = _made(session, person, what, is_contested=True)
    _tell(session, "people.proof.contest", proof, person, Actor.person(person.public_id), reason)
    return proof


def _use(session: Session, proof: Proof) -> None:
    """An address at an organization's domain is evidence for the days from its first proof to its last use."""
    proof.used_at = clock_of(session).now()
    note_activity(session, {proof.identity_id: (proof.proved_at.date(), proof.used_at.date())})


def _all_in_hand(session: Session, proof: Proof) -> list[Proof]:
    """Every proof of the same login or address that nobody let go of."""
    return list(session.scalars(sa.select(Proof).where(Proof.released_at.is_(None), *_same(proof)).order_by(Proof.id)))


def _hanging_on(session: Session, proof: Proof) -> set[int]:
    """The identities that may change hands when a proof comes or goes: its own and all of its person's."""
    home = canonical(session, session.get_one(Person, proof.person_id)).id
    theirs = sa.select(IdentityPerson.identity_id).where(IdentityPerson.person_id == home)
    return {proof.identity_id, *session.scalars(theirs)}


def _let_go(session: Session, proof: Proof, *, actor: Actor, reason: str) -> None:
    proof.released_at, proof.released_by = clock_of(session).now(), actor.id
    proof.released_reason = reason.strip()[:1000]
    session.flush()
    others = sa.select(Proof.id).where(Proof.identity_id == proof.identity_id, *IN_FORCE)
    if session.scalar(others.limit(1)) is None:
        session.execute(sa.delete(IdentityPerson).where(IdentityPerson.identity_id == proof.identity_id))
    _tell(session, "people.proof.release", proof, session.get_one(Person, proof.person_id), actor, reason)


def _tell(session: Session, action: str, proof: Proof, person: Person, actor: Actor, reason: str) -> None:
    # Everybody reads the log: where somebody has a login, and which, is theirs to say.
    data = {"person": person.public_id, "kind": proof.kind.value, "by_mail": proof.proved_by == BY_MAIL}
    record(session, actor=actor, action=action, thing=proof.public_id, reason=reason.strip(), data=data,
           personal={f"{person.public_id}/{proof.kind.value}": proof.shown,
                     f"{person.public_id}/issuer": proof.issuer or proof.proved_by})  # fmt: skip


def _carriers(session: Session, what: Proven) -> list[Person]:
    """Who has work under this already, in the order in which they came."""
    found: list[sa.ColumnElement[bool]] = []
    if what.kind is ProofKind.ADDRESS and identifies_one_person(what.subject):
        found.append(Identity.address == what.subject)
    if what.noreply:
        logins = sa.and_(Identity.source == source_of(what.issuer), sa.func.lower(Identity.login) == what.shown.lower())
        found += [logins, Identity.address == address_of(what.noreply)]
        if number := github_number(address_of(what.noreply)):
            found.append(Identity.address.like(f"{number}+%@users.noreply.github.com"))
    if not found:
        return []
    query = sa.select(Person).join(IdentityPerson, IdentityPerson.person_id == Person.id)
    query = query.join(Identity, Identity.id == IdentityPerson.identity_id).where(sa.or_(*found))
    return list(session.scalars(query.order_by(Person.id).distinct()))


def _in_force(session: Session, what: Proven) -> Proof | None:
    return session.scalar(sa.select(Proof).where(*_what(what), *IN_FORCE))


def _holder(session: Session, proof: Proof) -> Proof | None:
    """The proof in force of the same login or address."""
    return session.scalar(sa.select(Proof).where(*_same(proof), *IN_FORCE))


def _what(what: Proven) -> tuple[sa.ColumnElement[bool], ...]:
    return Proof.kind == what.kind, Proof.issuer == what.issuer, Proof.subject == what.subject


def _same(proof: Proof) -> tuple[sa.ColumnElement[bool], ...]:
    return Proof.kind == proof.kind, Proof.issuer == proof.issuer, Proof.subject == proof.subject


def _is_the_same(session: Session, proof: Proof, person: Person) -> bool:
    held = canonical(session, session.get_one(Person, proof.person_id))
    return held.id == canonical(session, person).id
