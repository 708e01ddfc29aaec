"""Writes the demo into a portal: through the same commands as any foundation, and the same ingest for its history."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterable
from datetime import date, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.audit import Actor
from app.bodies import queries as bodies
from app.contributions.git import run
from app.contributions.models import Repository
from app.contributions.registry import ensure_repository
from app.demo.cast import Cast, Organization, make_cast
from app.demo.cast import Person as Invented
from app.demo.history import PLANS, Plan, stream
from app.governance import sync
from app.governance_files import read
from app.jobs import Worker
from app.members import queries as members
from app.members.models import Organization as MemberOrganization
from app.members.rules import OrganizationKind
from app.people import queries as people
from app.people.models import Affiliation, Person
from app.people.rules import StatementSource

SEED = 20_260_101
REASON = "synthetic: made by the demo"
ACTOR = Actor.system("demo")
_TIERS = ("platinum", "gold", "silver", "associate")
_GOLD_SINCE = date(2025, 1, 1)
Say = Callable[[str], None]


def is_loaded(app: Flask) -> bool:
    """Whether the demo's repositories are there already."""
    with app.extensions["flambeau"].db.read() as session:
        names = [plan.name for plan in PLANS]
        found = session.scalar(sa.select(sa.func.count()).where(Repository.name.in_(names)))
    return int(found or 0) == len(names)


def load(app: Flask, *, seed: int = SEED, people_count: int = 160, plans: tuple[Plan, ...] = PLANS, say: Say) -> None:
    """Make the whole demo of this seed, ending today. What a broken-off loading left is kept and completed."""
    house = app.extensions["flambeau"]
    today = house.clock.now().date()
    cast = make_cast(seed, today=today, people=people_count)
    with house.db.write() as session:
        if sync.apply(session, read(house.settings.governance_dir, today=today).require(), actor=ACTOR, reason=REASON):
            say("governance: synced")
        known = set(session.scalars(sa.select(MemberOrganization.name)))
        for organization in sorted(cast.organizations, key=lambda one: one.parent is not None):
            if organization.name not in known:
                _add_organization(session, organization, today)
    say(f"members: {len(cast.organizations)} organizations")
    with house.db.write() as session:
        _add_people(session, cast)
    say(f"people: {len(cast.people)} with their employers by date")
    for plan in plans:
        path = house.settings.folder("demo") / f"{plan.name}.git"
        if not path.exists():
            _write_repository(path, stream(cast, plan, seed=seed, today=today))
        with house.db.write() as session:
            ensure_repository(session, str(path), name=plan.name, actor=ACTOR, reason=REASON)
        say(f"history: {plan.name} written, ingesting")
        Worker(app).run_until_idle()
    with house.db.write() as session:
        _seat(session, cast, today)
    say("bodies: seats taken")


def _add_organization(session: Session, invented: Organization, today: date) -> None:
    parent = None
    if invented.parent:
        parent = session.scalar(sa.select(MemberOrganization).where(MemberOrganization.name == invented.parent))
    kind = OrganizationKind.UNIVERSITY if invented.is_academic else OrganizationKind.COMPANY
    made = members.create_organization(
        session,
        invented.name,
        kind=kind,
        parent=parent,
        website=f"https://{invented.domain}",
        description="An invented organization.",
        actor=ACTOR,
        reason=REASON,
    )
    tier, starts = _TIERS[invented.tier], max(invented.joined, date(2023, 1, 1))
    if tier == "gold" and starts < _GOLD_SINCE:
        # The tier is younger than some of its members: they came as general members.
        members.start_membership(session, made, "silver", starts_on=starts, ends_on=_GOLD_SINCE - timedelta(days=1),
                                 actor=ACTOR, reason=REASON)  # fmt: skip
        starts = _GOLD_SINCE
    if starts <= today:
        members.start_membership(session, made, tier, starts_on=starts, actor=ACTOR, reason=REASON)


def _add_people(session: Session, cast: Cast) -> None:
    numbers = {one.name: one.id for one in session.scalars(sa.select(MemberOrganization))}
    stated = _stated(session)
    for index, invented in enumerate(cast.people):
        person = people.create_person(session, invented.name, invented.emails[0], claimed=False)
        source = StatementSource.SELF if index % 3 == 0 else StatementSource.IMPORT
        for job in invented.employments:
            organization = numbers[job.organization] if job.organization else None
            if (person.id, job.starts_on) in stated:
                continue
            people.state(session, person, organization, starts_on=job.starts_on, ends_on=job.ends_on, source=source,
                         actor=ACTOR, reason=REASON, derive=False)  # fmt: skip
    people.resolve(session)


def _stated(session: Session) -> set[tuple[int, date]]:
    rows = session.execute(sa.select(Affiliation.person_id, Affiliation.starts_on))
    return {(person, starts_on) for person, starts_on in rows}


def _write_repository(path: Path, content: Iterable[bytes]) -> None:
    draft = path.with_suffix(".draft")
    run(["init", "--bare", "--quiet", "--template=", "--initial-branch=main", str(draft)])
    with (draft / "stream").open("wb") as file:
        for part in content:
            file.write(part)
    with (draft / "stream").open("rb") as file:
        subprocess.run(["git", f"--git-dir={draft}", "fast-import", "--quiet", "--done"], stdin=file, check=True)
    (draft / "stream").unlink()
    draft.rename(path)


def _seat(session: Session, cast: Cast, today: date) -> None:
    """Representatives of members on the board, a technical council, and maintainers of modules: most active first."""
    ranked = sorted((one for one in cast.people if one.is_active(today)), key=lambda one: -one.rate)
    rows = {one.name: one for one in session.scalars(sa.select(Person).where(Person.merged_into_id.is_(None)))}
    organizations = {one.name: one for one in session.scalars(sa.select(MemberOrganization))}
    for organization in cast.organizations:
        colleague = next((one for one in ranked if _employer(one, today) == organization.name), None)
        if organization.tier == 0 and colleague:
            _take(session, "governing-board", "platinum", rows[colleague.name], today, organizations[organization.name])
    council = [one for one in ranked if one.is_maintainer][:8]
    for index, one in enumerate(council):
        _take(session, "technical-council", "member" if index else "lead", rows[one.name], today)
    areas = ("core", "ops", "backend-cpu", "backend-webgpu", "nn", "optim", "releases", "docs")
    for index, key in enumerate(areas):
        for one in [one for one in ranked if index in one.areas and one.is_maintainer][: 3 if index % 3 else 1]:
            _take(session, f"module:{key}", "maintainer", rows[one.name], today)


def _take(
    session: Session, body: str, seat_key: str, person: Person, today: date,
    organization: MemberOrganization | None = None,
) -> None:  # fmt: skip
    seat = bodies.seat_by_key(session, body, seat_key)
    held = bodies.holders(session, body, today)
    if seat is None or people.canonical_id(session, person.id) in held:
        return
    try:
        bodies.appoint(session, seat, person, starts_on=today - timedelta(days=200), organization=organization,
                       actor=ACTOR, reason=REASON)  # fmt: skip
    except bodies.AppointmentError:
        return  # the class has no free place: a demo need not fill every seat


def _employer(invented: Invented, today: date) -> str | None:
    return next((job.organization for job in reversed(invented.employments) if job.starts_on <= today), None)
