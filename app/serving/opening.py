"""Open the portal for this checkout: tables, governance, the first administrator, the repository, a runner's token."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy.orm import Session

from app import sessions
from app.audit import Actor
from app.builds import queries as builds
from app.builds.commands import write_secret
from app.builds.targets import of_this_machine
from app.contributions.clones import GitError
from app.contributions.models import Repository
from app.contributions.registry import ensure_repository, name_of
from app.db import database_now
from app.governance import sync
from app.governance_files import Governance, read
from app.jobs import Job, JobState
from app.serving.checks import CannotServe, Checkout
from app.settings import Settings

RUNNER_NAME = "make-serve"
_US = Actor.system("make-serve")


@dataclass(frozen=True)
class Opening:
    """What the rest of `make serve` needs to know."""

    checkout: Checkout
    repository: str | None
    administrator: str
    sign_in: str
    project: str
    hardware: tuple[str, ...]
    runner_token: Path
    runner_name: str
    notes: tuple[str, ...]


def open_portal(app: Flask, checkout: Checkout) -> Opening:
    """Bring everything to where it must be; doing it again changes nothing."""
    house = app.extensions["flambeau"]
    settings, db = house.settings, house.db
    with app.app_context():
        db.upgrade()
        governance = read(settings.governance_dir, today=house.clock.now().date()).require()
        with db.write() as session:
            sync.apply(session, governance, actor=_US, reason="make serve")
        with db.write() as session:
            administrator = _first_administrator(app, session)
            sign_in = sessions.issue_link(session, administrator, "administrator", timedelta(hours=24))
            _take_back_leases(session)
        with db.write() as session:
            own, notes = _repositories(session, settings, checkout)
            hardware = _hardware(governance)
            token = settings.folder("runner-token") / "token"
            if hardware:
                write_secret(
                    token, builds.register_runner(session, RUNNER_NAME, hardware, actor=_US, reason="make serve")
                )
            else:
                notes.append(
                    "No hardware target of governance/hardware.yaml describes this machine: nothing is built here."
                )
    return Opening(
        checkout, own, administrator, f"{settings.base_url}/sign-in/{sign_in}", governance.recipe.project,
        tuple(hardware), token, RUNNER_NAME, tuple(notes),
    )  # fmt: skip


def _first_administrator(app: Flask, session: Session) -> str:
    seat_somebody = app.extensions["flambeau"].directory.first_administrator
    if seat_somebody is None:
        raise CannotServe("no part of this portal knows how to seat an administrator")
    person: str = seat_somebody(session, "First administrator", "", "make serve")
    return person


def _repositories(session: Session, settings: Settings, checkout: Checkout) -> tuple[str | None, list[str]]:
    """This checkout's repository and, if REPO names another, that one too."""
    notes: list[str] = []
    own: Repository | None = None
    if checkout.commit is None:
        notes.append(f"{checkout.root} has no commit yet: nothing is built. Commit something, and `make serve` again.")
    elif checkout.branch is None:
        notes.append("HEAD is on no branch: the portal reads branches. `git switch -c NAME`, and `make serve` again.")
    try:
        if checkout.commit is not None:
            own = ensure_repository(session, str(checkout.root), name="flambeau", actor=_US, reason="make serve")
        if settings.repository and settings.repository != ".":
            ensure_repository(session, settings.repository, name=name_of(settings.repository), actor=_US,
                              reason="make serve: REPO")  # fmt: skip
    except GitError as error:
        raise CannotServe(str(error)) from None
    if checkout.uncommitted_files and own is not None:
        notes.append(f"{checkout.uncommitted_files} changed files are not committed, and so not in the release.")
    return (own.public_id if own is not None and checkout.branch is not None else None), notes


def _hardware(governance: Governance) -> list[str]:
    return of_this_machine(governance.targets)


def _take_back_leases(session: Session) -> None:
    """We hold the lock of this home, so whoever worked here before is gone: do not wait for their leases."""
    for job in session.query(Job).filter(Job.state == JobState.RUNNING):
        job.lease_expires_at = database_now(session)
