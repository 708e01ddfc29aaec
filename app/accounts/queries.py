"""Who is being signed in: attempts and mailed links used up once, and the account that a proof opens or begins."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import limits
from app.accounts.models import MailedLink, SignInAttempt
from app.accounts.rules import Purpose, Vouched
from app.audit import Actor
from app.db import Turn, clock_of, database_now, take_turn
from app.jobs import Job, JobState, enqueue
from app.people import queries as people
from app.people.models import Person
from app.people.queries import Proven
from app.sessions import digest, use_up

ATTEMPT_TTL = timedelta(minutes=10)
LINK_TTL = timedelta(minutes=20)
HOUR = timedelta(hours=1)
LINKS_TO_AN_ADDRESS = 5
LINKS_FROM_A_SOURCE = 20
STARTS_FROM_A_SOURCE = 60
STARTS_IN_ALL = 6000
ARRIVALS_FROM_A_SOURCE = 30


@dataclass(frozen=True)
class Asker:
    """Who asks: the browser's own secret, what it calls itself, where it is, and who is signed in there, if anybody."""

    browser: str
    agent: str
    source: str
    person: str = ""


def begin_attempt(
    session: Session, asker: Asker, *, state: str, way: str, purpose: Purpose, onward: str
) -> SignInAttempt | None:
    """Remember that a browser goes to an issuer; None when there were too many."""
    now = clock_of(session).now()
    session.execute(sa.delete(SignInAttempt).where(SignInAttempt.expires_at <= now))
    allowed = limits.take(session, "start", asker.source, allowed=STARTS_FROM_A_SOURCE, within=HOUR)
    if not allowed or not limits.take(session, "start", "", allowed=STARTS_IN_ALL, within=HOUR):
        return None
    attempt = SignInAttempt(
        state_hash=digest(state), browser_hash=digest(asker.browser), way=way, purpose=purpose, person=asker.person,
        onward=onward, created_at=now, expires_at=now + ATTEMPT_TTL,
    )  # fmt: skip
    session.add(attempt)
    session.flush()
    return attempt


def use_attempt(session: Session, *, state: str, browser: str, way: str) -> SignInAttempt | None:
    """Use an attempt up; None when its state is unknown, used, too old, another issuer's or another browser's."""
    return use_up(
        session, SignInAttempt, SignInAttempt.state_hash == digest(state),
        SignInAttempt.browser_hash == digest(browser), SignInAttempt.way == way,
    )  # fmt: skip


def waiting_attempt(session: Session, public_id: str, *, browser: str, person: str) -> SignInAttempt | None:
    """A login that was proved and waits until its person, in the same browser, says that it is to be added."""
    return session.scalar(
        sa.select(SignInAttempt).where(
            SignInAttempt.public_id == public_id,
            SignInAttempt.browser_hash == digest(browser),
            SignInAttempt.person == person,
            SignInAttempt.purpose == Purpose.ADD,
            SignInAttempt.used_at.is_not(None),
            SignInAttempt.found.is_not(None),
            SignInAttempt.expires_at > clock_of(session).now(),
        )
    )


def ask_for_link(session: Session, asker: Asker, address: str, *, purpose: Purpose, onward: str, an_hour: int) -> bool:
    """Ask that a link is mailed. False when this source, or everybody together, asked too often.

    To one address goes a number of links an hour and no more; whoever asks is not told, so that nobody learns from the
    answer whether others ask for the same address.
    """
    if not limits.take(session, "mail from", asker.source, allowed=LINKS_FROM_A_SOURCE, within=HOUR):
        return False
    if not limits.take(session, "mail", "", allowed=an_hour, within=HOUR):
        return False
    now = clock_of(session).now()
    session.execute(sa.delete(MailedLink).where(MailedLink.expires_at <= now - HOUR))
    if not limits.take(session, "mail to", address, allowed=LINKS_TO_AN_ADDRESS, within=HOUR):
        return True
    link = MailedLink(
        address=address, browser_hash=digest(asker.browser), agent=asker.agent[:200], purpose=purpose,
        person=asker.person, onward=onward, created_at=now, expires_at=now + LINK_TTL,
    )  # fmt: skip
    session.add(link)
    session.flush()
    _forget_sent(session)
    asked = {"link": link.public_id}
    # Of a schedule's kind in the lists of jobs: not everybody's news.
    enqueue(session, "mailed-link", asked, actor=Actor.system("sign-in"), key=link.public_id, scheduled_by="sign-in")
    return True


def _forget_sent(session: Session) -> None:
    """Jobs of mails that went out well are of no use after an hour."""
    old = sa.delete(Job).where(Job.workflow == "mailed-link", Job.state == JobState.SUCCEEDED,
                               Job.finished_at <= database_now(session) - HOUR)  # fmt: skip
    session.execute(old.execution_options(synchronize_session=False))


def living_link(session: Session, public_id: str) -> MailedLink | None:
    """A link that can still be used."""
    return session.scalar(
        sa.select(MailedLink).where(
            MailedLink.public_id == public_id,
            MailedLink.used_at.is_(None),
            MailedLink.expires_at > clock_of(session).now(),
        )
    )


def use_link(session: Session, public_id: str) -> MailedLink | None:
    """Use a link up; of two at once, one gets it. Other links to the same address end with it."""
    link = use_up(session, MailedLink, MailedLink.public_id == public_id)
    if link is None:
        return None
    session.execute(
        sa.update(MailedLink)
        .where(MailedLink.address == link.address, MailedLink.purpose == link.purpose, MailedLink.used_at.is_(None))
        .values(used_at=link.used_at)
    )
    return link


@dataclass(frozen=True)
class Admitted:
    """Whom a proof signs in, by which proof, and what else was said of them that another person has."""

    person: Person
    proof: str
    is_new: bool = False
    contested: tuple[str, ...] = ()


def admit_by_login(session: Session, vouched: Vouched, *, source: str) -> Admitted | None:
    """Whoever signed in at an issuer: the person of this login, or somebody new; None when too many new ones came.

    Addresses that the issuer verified make work theirs, when they first come; they never open another's account.
    """
    proven = login_of(vouched)
    owner = people.owner_of(session, proven)
    if owner is None:
        # Two browsers may come with it for the first time at once: the second waits, and finds whom the first made.
        take_turn(session, Turn.HISTORY)
        owner = people.owner_of(session, proven)
    if owner is not None:
        people.note_use(session, proven)
        return Admitted(owner, _proof_of(session, owner, proven))
    if not limits.take(session, "arrive", source, allowed=ARRIVALS_FROM_A_SOURCE, within=HOUR):
        return None
    person = people.arrive(session, vouched.name or vouched.shown)
    contested = add_login(session, person, vouched)
    return Admitted(person, _proof_of(session, person, proven), is_new=True, contested=contested)


def admit_by_address(session: Session, address: str, *, name: str, source: str) -> Admitted | None:
    """Whoever proved an address by mail: its person, whom staff entered with it, or somebody new.

    Staff's word and the mailbox come before an issuer's word, by which the address may be another's account's.
    """
    owner = _whose_address(session, address)
    if owner is None:
        take_turn(session, Turn.HISTORY)  # as above
        owner = _whose_address(session, address)
    is_new, proven = owner is None, Proven.address(address)
    if owner is None:
        if not limits.take(session, "arrive", source, allowed=ARRIVALS_FROM_A_SOURCE, within=HOUR):
            return None
        owner = people.arrive(session, people.known_as(session, [proven]) or name or "New here")
    contested = add_address(session, owner, address)
    return Admitted(owner, _proof_of(session, owner, proven), is_new=is_new, contested=contested)


def _whose_address(session: Session, address: str) -> Person | None:
    proven = Proven.address(address)
    owner = people.owner_of(session, proven, by_mail=True) or people.entered_for(session, address)
    return owner or people.owner_of(session, proven)


def add_login(session: Session, person: Person, vouched: Vouched) -> tuple[str, ...]:
    """Make a login theirs, with the addresses that its issuer verified; what another person has is given back."""
    verified = [Proven.address(one, proved_by=vouched.issuer) for one in dict.fromkeys(vouched.addresses)]
    wanted = [one for one in verified if not people.was_let_go(session, person, one)]
    proven = [login_of(vouched), *wanted]
    _kept, contested = people.prove(session, person, proven, reason="signed in there")
    return tuple(one.shown for one in contested)


def add_address(session: Session, person: Person, address: str) -> tuple[str, ...]:
    """Make an address theirs whose mailed link they opened; what another person has is given back."""
    reason = "opened a link that was mailed there"
    _kept, contested = people.prove(session, person, [Proven.address(address)], reason=reason)
    return tuple(one.shown for one in contested)


def login_of(vouched: Vouched) -> Proven:
    """The login that an issuer vouches for."""
    return Proven.login(vouched.issuer, vouched.subject, vouched.shown, name=vouched.name, noreply=vouched.noreply)


def needs_a_name(session: Session, address: str) -> bool:
    """Whether whoever proves this address comes for the first time and is in no commits by it."""
    proven = Proven.address(address)
    if people.owner_of(session, proven) or people.entered_for(session, address):
        return False
    return not people.known_as(session, [proven])


def _proof_of(session: Session, person: Person, proven: Proven) -> str:
    found = (one for one in people.proofs_of(session, person.id) if one.subject == proven.subject and
             one.issuer == proven.issuer and one.kind == proven.kind and one.is_in_force)  # fmt: skip
    return next((one.public_id for one in found), "")
