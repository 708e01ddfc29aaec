"""Carry the current commit from the clone to the index, acting for the first administrator and through every gate."""

from __future__ import annotations

import socket
from collections.abc import Callable
from urllib.parse import urlsplit

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from app.audit import Actor
from app.builds.models import Build
from app.builds.queries import build_again
from app.contributions.models import Repository, RepositoryState
from app.contributions.registry import by_public_id, clone_of, enqueue_ingest
from app.index.upstream import machine_upstream
from app.jobs import Job, JobState, retry
from app.people.models import Person
from app.releases import queries
from app.releases.models import Release
from app.serving.opening import Opening

REASON = "make serve on one machine: local, reviewed by nobody"
Report = Callable[[str, float | None], None]
STEPS = ("sdist", "wheel", "conformance", "tests")
_PORTS = {"http": 80, "https": 443}


class FirstRelease:
    """Looked at again and again: each look does what can be done, and says where it stands."""

    def __init__(self, app: Flask, opening: Opening) -> None:
        self._app, self._opening = app, opening
        self.version: str | None = None
        self.trouble = ""
        self.page = ""
        self._asked_to_read = False
        self._tried_again = False

    def look(self, report: Report) -> bool:
        """True once the release is published, or cannot be (then `trouble` says why)."""
        house = self._app.extensions["flambeau"]
        with self._app.app_context():
            with house.db.read() as session:
                repository = by_public_id(session, str(self._opening.repository))
                assert repository is not None  # noqa: S101 - made by the opening
                commit = str(self._opening.checkout.commit)
                release = queries.release_of(session, repository.id, commit)
                is_there = clone_of(house.settings, repository).has(commit) if release is None else True
            if not is_there:
                return self._wait_for_clone(repository, report)
            if release is None:
                return self._request(repository.id, commit)
            return self._follow(release, report)

    def _wait_for_clone(self, repository: Repository, report: Report) -> bool:
        if repository.state is RepositoryState.FAILED:
            self.trouble = repository.problem
            return True
        if repository.state is RepositoryState.READY and not self._asked_to_read:
            commit = str(self._opening.checkout.commit)
            with self._app.extensions["flambeau"].db.write() as session:
                current = session.get_one(Repository, repository.id)
                enqueue_ingest(session, current, actor=_us(), key=f"{current.public_id}:{commit}")
            self._asked_to_read = True
        report("reading the repository", None)
        return False

    def _request(self, repository_id: int, commit: str) -> bool:
        self._tried_again = True  # what is new has nothing to go on from
        house = self._app.extensions["flambeau"]
        try:
            with house.db.write() as session:
                queries.request_release(
                    session, house.settings, session.get_one(Repository, repository_id), commit, actor=_us(),
                    left_out_files=self._opening.checkout.uncommitted_files, is_trusted=True,
                )  # fmt: skip
        except queries.NotAllowedError as error:
            self.trouble = error.told
            return True
        return False

    def _follow(self, release: Release, report: Report) -> bool:
        house = self._app.extensions["flambeau"]
        self.version = release.version
        self.page = f"{house.settings.base_url}/releases/{release.public_id}"
        if release.published_at is not None:
            if release.yanked_at is not None:
                self.trouble = f"{release.version} was yanked: {release.yanked_reason}"
            return True
        if release.job.state.is_finished:
            return self._try_again_or_give_up(release)
        with house.db.read() as session:
            made = queries.builds_of(session, release)
        for build in made:
            if not build.job.state.is_finished:
                self.page = f"{house.settings.base_url}/builds/{build.public_id}"
                report(*_where(build))
                return False
        report(f"release {release.version}: {release.job.step or 'starting'}", None)
        if release.job.state is JobState.WAITING and release.job.step in {"sign-offs", "decision"}:
            return self._act_for_the_administrator(release.id)
        return False

    def _try_again_or_give_up(self, release: Release) -> bool:
        """A release that an earlier call left failed goes on once more, from the step where it stopped."""
        if self._tried_again:
            self.trouble = (release.job.error or f"the release is {release.job.state.value}") + self._network_hint()
            return True
        with self._app.extensions["flambeau"].db.write() as session:
            current = session.get_one(Release, release.id)
            for build in queries.builds_of(session, current):
                build_again(session, build, actor=_us(), reason="make serve was called again")
            retry(session, current.job)
        self._tried_again = True
        return False

    def _network_hint(self) -> str:
        """Builds fetch what they need: if the index does not answer, that is the likely reason."""
        settings = self._app.extensions["flambeau"].settings
        parts = urlsplit(settings.upstream_index or machine_upstream() or "")
        if not parts.hostname:
            return ""
        try:
            socket.create_connection((parts.hostname, parts.port or _PORTS.get(parts.scheme, 443)), timeout=5).close()
        except OSError as error:
            return (
                f". The package index at {parts.hostname} cannot be reached ({error}): check the network, "
                "and call `make serve` again; it goes on from the step that failed"
            )
        return ""

    def _act_for_the_administrator(self, release_id: int) -> bool:
        """Sign and publish as far as the rules let one person; True if it now waits for other people."""
        house = self._app.extensions["flambeau"]
        with house.db.write() as session:
            release = session.get_one(Release, release_id)
            person = self._person(session)
            about = queries.matter(session, house.settings, release, at=house.clock.now())
            me = queries.key_of(session, person)
            signed = {one.module for one in about.signatures if one.person == me}
            mine = [
                module.key for module in about.modules
                if module.key not in signed and module.signers.may_sign(me, reason=REASON).holds
            ]  # fmt: skip
            if mine:
                queries.sign_off(session, house.settings, release, person, mine, reason=REASON)
            about = queries.matter(session, house.settings, release, at=house.clock.now())
            closed = queries.closed_gates(session, about, only="sign-offs")
            if closed:
                self.trouble = f"it waits for people: {closed[0].verdict.reasons[0]}"
                return True
            if release.publisher_id is None:
                queries.decide_to_publish(session, house.settings, release, person, reason=REASON)
        return False

    def _person(self, session: Session) -> Person:
        return session.scalars(sa.select(Person).where(Person.public_id == self._opening.administrator)).one()


def _where(build: Build) -> tuple[str, float | None]:
    job: Job = build.job
    step = job.step or STEPS[0]
    number = STEPS.index(step) if step in STEPS else 0
    doing = {"sdist": "source distribution", "wheel": "wheel (the compiler works)", "conformance": "conformance",
             "tests": "release tests"}.get(step, step)  # fmt: skip
    state = "" if job.state is JobState.RUNNING else f" ({job.state.value})"
    return f"building {build.version}: {doing}{state}", number / len(STEPS)


def _us() -> Actor:
    return Actor.system("make-serve")
