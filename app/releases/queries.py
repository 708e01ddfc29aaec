"""Read releases and what their gates look at; ask for one; take the decisions of people about it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import audit
from app.audit import Actor
from app.bodies.queries import holders
from app.builds import queries as builds
from app.builds.models import Artefact, ArtefactKind, Build
from app.builds.rules import is_of_device
from app.builds.targets import with_wheels
from app.checks import Broken, RefusedError, checked
from app.contributions.models import Repository
from app.db import clock_of, database_now
from app.governance.queries import current
from app.governance_files import Governance
from app.index import queries as index
from app.index.distributions import BadDistributionError, Distribution, inspect
from app.jobs import JobState, enqueue, retry
from app.modules.queries import maintainers_of
from app.people.models import Person
from app.people.queries import canonical, shown_name
from app.releases import rules
from app.releases.models import Release, SignOff
from app.settings import Settings
from app.store import Store


class NotAllowedError(RefusedError):
    """The rules do not let this person do it, with every reason."""


def request_release(
    session: Session,
    settings: Settings,
    repository: Repository,
    commit: str,
    *,
    actor: Actor,
    left_out_files: int = 0,
    is_trusted: bool | None = None,
) -> Release:
    """The release of this commit: the one there is, else a new one with the builds that it needs.

    Raises: GitError if the commit is not in the clone; NotAllowedError if the version is another commit's release.
    """
    planned = builds.plan(settings, session, repository, commit)
    known = release_of(session, repository.id, planned.commit)
    if known is not None:
        return known
    recipe = current(session).recipe
    made = [
        builds.request_build(session, planned, recipe, target=target.key, actor=actor, is_local=settings.is_local,
                             is_trusted=is_trusted)
        for target in with_wheels(current(session).targets)
    ]  # fmt: skip
    if not made:
        raise NotAllowedError([("commit", "has nothing to release: no hardware target has a wheel of its own")])
    version = made[0].version
    if session.scalar(sa.select(Release.id).where(Release.version == version)) is not None:
        raise NotAllowedError([("commit", f"is {recipe.project} {version}, the release of another commit already")])
    index.claim(session, recipe.project)
    job = enqueue(session, "release", {"commit": planned.commit, "version": version}, actor=actor,
                  key=f"{repository.public_id}:{planned.commit}")  # fmt: skip
    release = Release(
        repository_id=repository.id, commit_sha=planned.commit, project=recipe.project, version=version,
        is_local=settings.is_local, left_out_files=left_out_files, created_at=clock_of(session).now(),
        created_by=actor.id, job_id=job.id,
    )  # fmt: skip
    session.add(release)
    session.flush()
    audit.record(session, actor=actor, action="releases.request", thing=release.public_id, reason="",
                 data={"commit": planned.commit, "version": version})  # fmt: skip
    return release


def release_of(session: Session, repository_id: int, commit: str) -> Release | None:
    """The release of a commit."""
    return session.scalar(
        sa.select(Release).where(Release.repository_id == repository_id, Release.commit_sha == commit)
    )


def release_by_public_id(session: Session, public_id: str) -> Release | None:
    """A release by its public id."""
    return session.scalar(sa.select(Release).where(Release.public_id == public_id))


def release_of_job(session: Session, job_id: int) -> Release:
    """The release that a job carries through."""
    return session.scalars(sa.select(Release).where(Release.job_id == job_id)).one()


def releases(session: Session, *, limit: int = 100) -> list[Release]:
    """The releases, newest first."""
    return list(session.scalars(sa.select(Release).order_by(Release.id.desc()).limit(limit)))


def builds_of(session: Session, release: Release) -> list[Build]:
    """The builds whose wheels the release consists of, in the order of hardware.yaml."""
    found = {one.target_key: one for one in
             builds.builds_of_commits(session, release.repository_id, [release.commit_sha])}  # fmt: skip
    return [found[target.key] for target in with_wheels(current(session).targets) if target.key in found]


def sign_offs(session: Session, release: Release) -> list[tuple[SignOff, Person]]:
    """Who signed for what, in order."""
    wanted = sa.select(SignOff, Person).join(Person, Person.id == SignOff.person_id)
    found = session.execute(wanted.where(SignOff.release_id == release.id).order_by(SignOff.id))
    return [(one, person) for one, person in found]


def files_of(session: Session, release: Release) -> list[Artefact]:
    """The very files that the release publishes: every wheel, and one source distribution."""
    files: dict[str, Artefact] = {}
    for build in builds_of(session, release):
        for kind in (ArtefactKind.SDIST, ArtefactKind.WHEEL):
            for one in builds.artefacts_of_kind(session, build.id, kind):
                files.setdefault(one.filename, one)
    return list(files.values())


# --- what the gates look at ------------------------------------------------------------------------------------------


def matter(session: Session, settings: Settings, release: Release, *, at: datetime) -> rules.Matter:
    """Everything that the gates decide on, as of now."""
    governance = current(session)
    made = builds_of(session, release)
    stand_in = governance.single_maintainer_entry.stand_in
    may_publish = {str(one) for one in holders(session, stand_in.body, at.date(), seat_key=stand_in.seat)}
    modules = []
    for module in governance.modules:
        who = maintainers_of(session, module.key, at.date())
        may_publish |= {str(one) for one in who.active}
        modules.append(rules.ModuleSigners(module.key, module.name, who.signers))
    signatures = tuple(
        rules.Signature(one.module_key, key_of(session, person), shown_name(person), one.reason)
        for one, person in sign_offs(session, release)
    )
    return rules.Matter(
        builds=tuple(_build_evidence(session, settings, release, one) for one in made),
        devices=_device_evidence(governance, made),
        modules=tuple(modules),
        signatures=signatures,
        single_maintainer=governance.single_maintainer,
        may_publish=frozenset(may_publish),
        publication=_publication(session, release),
    )


def gate_states(session: Session, about: rules.Matter) -> list[rules.GateState]:
    """Every gate of a release in the order of rules.yaml, with its verdict."""
    return [
        rules.gate(entry.key, entry.title, entry.clause, entry.needs, about)
        for entry in current(session).gates
        if entry.of == "release"
    ]


def closed_gates(session: Session, about: rules.Matter, *, only: str = "all") -> list[rules.GateState]:
    """The gates that do not let it through; `only` looks at those of machines' "evidence", or of "people" as well
    but for the publication ("sign-offs").
    """
    entries = {entry.key: entry for entry in current(session).gates if entry.of == "release"}
    found = []
    for state in gate_states(session, about):
        needs = entries[state.key].needs
        if only == "evidence" and not rules.is_evidence(needs):
            continue
        if only == "sign-offs" and "second-person" in needs:
            continue
        if not state.verdict.lets_through:
            found.append(state)
    return found


# --- what people decide ----------------------------------------------------------------------------------------------


def _is_undecided(release: Release) -> Broken:
    if release.published_at is not None or release.job.state.is_finished:
        yield "release", "is decided already"


def _are_modules(
    session: Session, settings: Settings, release: Release, person: Person, modules: Collection[str], reason: str
) -> Broken:
    known = {one.key: one for one in matter(session, settings, release, at=clock_of(session).now()).modules}
    if not modules:
        yield "modules", "are none; choose at least one"
    refused: dict[str, list[str]] = {}
    for key in modules:
        if key not in known:
            yield "modules", f"has no {key}"
        elif not (atom := known[key].signers.may_sign(key_of(session, person), reason=reason)).holds:
            refused.setdefault(f"{atom.because} {atom.way_out}".strip(), []).append(known[key].name)
    for sentence, names in refused.items():
        yield "modules", f"{', '.join(names)}: {sentence}"


def _gates_are_open(session: Session, settings: Settings, release: Release) -> Broken:
    about = matter(session, settings, release, at=clock_of(session).now())
    for one in closed_gates(session, about, only="sign-offs"):
        yield "release", f"is held up by {one.title}: {one.verdict.reasons[0]}"


def _person_may_publish(session: Session, settings: Settings, release: Release, person: Person, reason: str) -> Broken:
    about = matter(session, settings, release, at=clock_of(session).now())
    atom = rules.may_publish(about, rules.Publication(key_of(session, person), shown_name(person), reason))
    if not atom.holds:
        yield "reason", f"{atom.because} {atom.way_out}".strip()


def _is_published(release: Release) -> Broken:
    if release.published_at is None or release.yanked_at is not None:
        yield "release", "is not published, or yanked already"


def _installers_are_told(reason: str) -> Broken:
    if not reason.strip():
        yield "reason", "is empty; installers show it to people"


@checked(_is_undecided, _are_modules, refusal=NotAllowedError)
def sign_off(
    session: Session,
    settings: Settings,
    release: Release,
    person: Person,
    modules: Collection[str],
    *,
    reason: str,
) -> list[str]:
    """Sign for these modules; gives back those that were not signed by this person before. One audit entry.

    Raises: NotAllowedError if the rules do not count the signature for one of them; then none is signed.
    """
    at = clock_of(session).now()
    signed = {one.module_key for one, who in sign_offs(session, release) if who.id == person.id}
    fresh = sorted(set(modules) - signed)
    for key in fresh:
        session.add(SignOff(release_id=release.id, module_key=key, person_id=person.id, reason=reason, signed_at=at))
    if fresh:
        audit.record(session, actor=Actor.person(person.public_id), action="releases.sign-off",
                     thing=release.public_id, reason=reason, data={"modules": fresh})  # fmt: skip
        _wake(session, release)
    return fresh


@checked(_is_undecided, _gates_are_open, _person_may_publish, refusal=NotAllowedError)
def decide_to_publish(session: Session, settings: Settings, release: Release, person: Person, *, reason: str) -> None:
    """A person decides that the release goes out; the workflow publishes it once every gate is open.

    Raises: NotAllowedError if a gate before the publication is closed, or this person may not publish it.
    """
    release.publisher_id, release.publish_reason, release.decided_at = person.id, reason, clock_of(session).now()
    session.flush()
    audit.record(session, actor=Actor.person(person.public_id), action="releases.publish", thing=release.public_id,
                 reason=reason, data={"version": release.version})  # fmt: skip
    _wake(session, release)


@checked(_is_published, _installers_are_told, refusal=NotAllowedError)
def yank(session: Session, release: Release, *, actor: Actor, reason: str) -> None:
    """Withdraw a published release: its files stay, and installers pass them over. Raises: NotAllowedError."""
    release.yanked_at, release.yanked_reason = clock_of(session).now(), reason.strip()
    index.yank(session, release.project, release.version, reason.strip())
    audit.record(session, actor=actor, action="releases.yank", thing=release.public_id, reason=reason,
                 data={"version": release.version})  # fmt: skip


def go_on(session: Session, release: Release, *, actor: Actor) -> bool:
    """Let a release that stopped go on from the step where it stopped; False if it is in no such state.

    A person asked, so it is one entry of the audit log.
    """
    if not retry(session, release.job):
        return False
    audit.record(session, actor=actor, action="releases.retry", thing=release.public_id, reason="")
    return True


def key_of(session: Session, person: Person) -> str:
    """How the rules tell persons apart: by the number of whoever they turned out to be."""
    return str(canonical(session, person).id)


def _wake(session: Session, release: Release) -> None:
    """Let the waiting workflow look again at once."""
    if release.job.state is JobState.WAITING:
        release.job.run_at = database_now(session)
        session.flush()


def _publication(session: Session, release: Release) -> rules.Publication | None:
    if release.publisher_id is None:
        return None
    person = session.get_one(Person, release.publisher_id)
    return rules.Publication(key_of(session, person), shown_name(person), release.publish_reason)


def _build_evidence(session: Session, settings: Settings, release: Release, build: Build) -> rules.BuildEvidence:
    done = frozenset(builds.steps_done(session, build.job_id))
    problems = _file_problems(session, settings, release, build) if {"sdist", "wheel"} <= done else ()
    return rules.BuildEvidence(build.target_key, build.job.state.value, done, tuple(problems))


def _file_problems(session: Session, settings: Settings, release: Release, build: Build) -> Sequence[str]:
    store = Store(settings.folder("artefacts"))
    problems = []
    for kind in (ArtefactKind.SDIST, ArtefactKind.WHEEL):
        for one in builds.artefacts_of_kind(session, build.id, kind):
            try:
                found = _look_into(store.path(one.sha256), one.filename)
            except BadDistributionError as error:
                problems += error.problems
                continue
            if (found.name, found.version) != (release.project, release.version):
                problems.append(
                    f"{one.filename} is {found.name} {found.version}, not {release.project} {release.version}"
                )
            known = index.file_of(session, one.filename)
            if known is not None and known.sha256 != one.sha256:
                problems.append(f"{one.filename} is published with other bytes")
    return problems


@lru_cache(maxsize=64)
def _look_into(path: Path, filename: str) -> Distribution:
    """What lies under a hash never changes, so it is looked into once."""
    return inspect(path, filename)


def _device_evidence(governance: Governance, made: Sequence[Build]) -> tuple[rules.DeviceEvidence, ...]:
    by_target: Mapping[str, Build] = {one.target_key: one for one in made}
    found = []
    for target in governance.targets:
        if target.gate != "required":
            continue
        build = by_target.get(target.tests_wheel_of or target.key)
        result = (
            next((one for one in build.conformance if is_of_device(one.device, target.device)), None) if build else None
        )
        if result is None:
            found.append(rules.DeviceEvidence(target.key, target.device, None))
        else:
            found.append(rules.DeviceEvidence(target.key, target.device, result.conforms, result.passed, result.failed))
    return tuple(found)
