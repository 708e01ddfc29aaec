"""Persons: found by public id, made, renamed, hidden, and followed to whoever they turned out to be."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import auth
from app.audit import Actor, record
from app.checks import Broken, checked, has_reason
from app.db import clock_of
from app.people.models import Identity, IdentityPerson, Person
from app.people.queries.changes import tell_named
from app.people.queries.identities import address_of, chunks, intern_identities
from app.people.rules import Role, identifies_one_person

HIDDEN_NAME = "a hidden person"
_MOST_VEILED, _LEAST_VEILED = 20_000, 4


def person_by_public_id(session: Session, public_id: str) -> Person | None:
    """The person of this public id, as the row stands (it may be merged into another: see `canonical`)."""
    return session.scalar(sa.select(Person).where(Person.public_id == public_id))


def canonical(session: Session, person: Person) -> Person:
    """Who a person turned out to be: the row that their identities belong to."""
    while person.merged_into_id is not None:
        found = session.get(Person, person.merged_into_id)
        if found is None:
            return person
        person = found
    return person


def canonical_id(session: Session, person_id: int) -> int:
    """The row number of whoever this person turned out to be: compare these to ask whether two are one."""
    person = session.get(Person, person_id)
    return person_id if person is None else canonical(session, person).id


def all_of(person_id: int) -> sa.Select[int]:
    """The row numbers of a person and of those who turned out to be the same, as a part of a query."""
    return sa.select(Person.id).where(sa.or_(Person.id == person_id, Person.merged_into_id == person_id))


def shown_name(person: Person) -> str:
    """The name that pages show; a hidden person has none."""
    return HIDDEN_NAME if person.hidden_at is not None else person.name


def names_of(session: Session, person_ids: Collection[int]) -> dict[int, Person]:
    """Persons by row number, each as who they turned out to be: that one may have asked to be hidden."""
    found, missing = {}, set(person_ids)
    while missing:
        loaded: list[Person] = []
        for chunk in chunks(sorted(missing)):
            loaded += session.scalars(sa.select(Person).where(Person.id.in_(chunk)))
        found.update({person.id: person for person in loaded})
        missing = {person.merged_into_id for person in loaded if person.merged_into_id is not None} - found.keys()
    return {number: canonical(session, found[number]) for number in set(person_ids) if number in found}


def create_person(session: Session, name: str, email: str = "", *, claimed: bool = True) -> Person:
    """A person whom somebody enters by hand, with an identity of the source "portal"; claimed unless said otherwise.

    Entering the same name and address again gives the same person.
    """
    entry = ("portal", " ".join(name.split()), email.strip(), "")
    identity = intern_identities(session, [entry])[entry]
    row = session.get(IdentityPerson, identity)
    if row is not None:
        person = session.get_one(Person, row.home_person_id)
    else:
        person = Person(name=entry[1][:200] or "without a name", created_at=clock_of(session).now())
        session.add(person)
        session.flush()
        session.add(
            IdentityPerson(identity_id=identity, person_id=person.id, home_person_id=person.id, role=Role.PERSON)
        )
    if claimed and person.claimed_at is None:
        person.claimed_at = clock_of(session).now()
    session.flush()
    return person


def _address_is_nobodys(session: Session, name: str, email: str) -> Broken:
    carries = (
        sa.select(Person)
        .join(IdentityPerson, IdentityPerson.person_id == Person.id)
        .join(Identity, Identity.id == IdentityPerson.identity_id)
        .where(Identity.address == address_of(email), Identity.address != "")
    )
    # Many write under a shared or local address: there somebody is only who has the very same name too.
    if not identifies_one_person(address_of(email)):
        carries = carries.where(Identity.name == " ".join(name.split()))
    for person in session.scalars(carries.order_by(Person.id).limit(1)):
        yield "email", f"is {shown_name(person)}’s ({person.public_id}) already; open that person"


def _is_an_address(email: str) -> Broken:
    local, at, host = email.strip().rpartition("@")
    if not (local and at and host) or " " in email.strip():
        yield "email", "is no e-mail address; write it like ada@acme.com, as the commits have it"


def _is_named(name: str) -> Broken:
    if not name.strip():
        yield "name", "is empty"


@checked(_is_named, _is_an_address, _address_is_nobodys, has_reason)
def enter_person(session: Session, name: str, email: str, *, actor: Actor, reason: str) -> Person:
    """Somebody who is known by an address alone, entered so that commits under it have an author."""
    person = create_person(session, name, email, claimed=False)
    record(
        session,
        actor=actor,
        action="people.person.enter",
        thing=person.public_id,
        reason=reason,
        personal={f"{person.public_id}/name": person.name, f"{person.public_id}/email": email.strip()},
    )
    return person


@checked(_is_named, has_reason)
def rename(session: Session, person: Person, name: str, *, actor: Actor, reason: str) -> None:
    """Call a person by another name."""
    person.name = " ".join(name.split())[:200]
    record(
        session,
        actor=actor,
        action="people.person.rename",
        thing=person.public_id,
        reason=reason,
        personal={f"{person.public_id}/name": person.name},
    )
    tell_named(session, [person.id])


@checked(has_reason)
def hide(session: Session, person: Person, *, hidden: bool, actor: Actor, reason: str) -> None:
    """Take a person's names and addresses off all pages (or show them again); their counts stay."""
    person.hidden_at = clock_of(session).now() if hidden else None
    action = "people.person.hide" if hidden else "people.person.show"
    record(session, actor=actor, action=action, thing=person.public_id, reason=reason)
    tell_named(session, [person.id])


@auth.provide_people
def known_person(session: Session, public_id: str) -> auth.KnownPerson | None:
    """A person as the house greets them: whoever they turned out to be, if it was decided by people.

    Machines merge a person whom nobody claimed with one who holds seats; such a session gets nothing of theirs.
    """
    rows = {row.public_id: row for row in session.execute(_with_accounts(), {"public_id": public_id})}
    if public_id not in rows:
        return None
    found = rows.pop(public_id)
    if found.merged_into_id is not None and found.claimed_at is not None:
        became = canonical(session, session.get_one(Person, found.id))
        if became.id != found.id:
            return known_person(session, became.public_id)
    return auth.KnownPerson(found.id, found.name, found.hidden_at is not None, (public_id, *rows))


@cache
def _with_accounts() -> sa.Select[*tuple[Any, ...]]:
    """A person and the accounts that became theirs. Made once: every page of somebody signed in asks this."""
    columns = (Person.id, Person.public_id, Person.name, Person.hidden_at, Person.claimed_at, Person.merged_into_id)
    itself = sa.select(Person.id).where(Person.public_id == sa.bindparam("public_id"))
    is_theirs = Person.merged_into_id == itself.scalar_subquery()
    became = sa.select(Person.id).where(is_theirs, Person.claimed_at.is_not(None))
    return sa.select(*columns).where(Person.id.in_(sa.union_all(itself, became))).order_by(Person.id)


@auth.provide_veil
def veil_of(session: Session) -> auth.Veil:
    """Takes the names, addresses and logins of hidden people out of a text that somebody wrote, as it is shown."""
    rows = session.execute(
        sa.select(Person.name, Identity.name, Identity.email, Identity.login)
        .outerjoin(IdentityPerson, IdentityPerson.person_id == Person.id)
        .outerjoin(Identity, Identity.id == IdentityPerson.identity_id)
        .where(Person.hidden_at.is_not(None))
        .limit(_MOST_VEILED)
    )
    # A short single word may be anybody's, and is no name by itself.
    words = {text.strip() for row in rows for text in row if text and len(text.strip()) >= _LEAST_VEILED}
    # Whoever is called so too and is not hidden keeps the name.
    for chunk in chunks(sorted(words)):
        shared = sa.select(Person.name).where(
            Person.name.in_(chunk), Person.hidden_at.is_(None), Person.merged_into_id.is_(None)
        )
        words -= set(session.scalars(shared))
    if not words:
        return lambda text: text
    listed = "|".join(re.escape(word) for word in sorted(words, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{listed})(?!\w)", re.IGNORECASE)
    return lambda text: pattern.sub(HIDDEN_NAME, text)
