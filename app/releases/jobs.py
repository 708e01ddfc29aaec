"""The release workflow: it waits for machines, then for people, asks every gate, and publishes in one transaction."""

from __future__ import annotations

from typing import Any

from app.builds.models import Build
from app.index import queries as index
from app.jobs import Failed, JobState, NotYet, StepContext, Workflow
from app.releases import queries
from app.store import Store

SOON_S, LATER_S = 1.0, 30.0

release = Workflow("release", audited=True, title="Carry a commit from its builds to the index")


@release.step("build")
def wait_for_builds(step: StepContext) -> dict[str, Any]:
    """Wait until every wheel's build has ended well."""
    with step.db.read() as session:
        made = queries.builds_of(session, queries.release_of_job(session, step.job.id))
        unfinished = [one for one in made if one.job.state is not JobState.SUCCEEDED]
        for one in unfinished:
            if one.job.state.is_finished:
                raise Failed(_why_stopped(one))
        if unfinished:
            first = unfinished[0]
            where = f"step {first.job.step}" if first.job.step else "waits for a runner"
            raise NotYet(SOON_S, f"the build for {first.target_key} is {first.job.state.value}: {where}")
        return {"builds": [one.public_id for one in made]}


@release.step("evidence")
def look_at_evidence(step: StepContext) -> dict[str, Any]:
    """Ask the gates that look at machines' evidence: built, tested, conforming. Closed ones end the release."""
    with step.db.read() as session:
        found = queries.release_of_job(session, step.job.id)
        about = queries.matter(session, step.settings, found, at=step.clock.now())
        closed = queries.closed_gates(session, about, only="evidence")
        if closed:
            raise Failed("; ".join(f"{one.title}: {' '.join(one.verdict.reasons)}" for one in closed))
        return {"gates": [one.key for one in queries.gate_states(session, about) if one.verdict.lets_through]}


@release.step("sign-offs")
def wait_for_sign_offs(step: StepContext) -> dict[str, Any]:
    """Wait until the maintainers of every module have signed."""
    with step.db.read() as session:
        found = queries.release_of_job(session, step.job.id)
        about = queries.matter(session, step.settings, found, at=step.clock.now())
        closed = queries.closed_gates(session, about, only="sign-offs")
        if closed:
            missing = [atom for one in closed for atom in one.verdict.atoms if not atom.holds]
            raise NotYet(LATER_S, f"{len(missing)} sign-offs are missing")
        return {"signed": len(about.signatures)}


@release.step("decision")
def wait_for_decision(step: StepContext) -> dict[str, Any]:
    """Wait until somebody who may has decided to publish."""
    with step.db.read() as session:
        found = queries.release_of_job(session, step.job.id)
        if found.publisher_id is None:
            raise NotYet(LATER_S, "nobody has decided to publish it yet")
        return {"decided": found.decided_at.isoformat() if found.decided_at else None}


@release.step("publish", transactional=True)
def publish(step: StepContext) -> dict[str, Any]:
    """Ask every gate once more, then publish the very bytes that were proved: index, release and record in one."""
    session = step.session
    found = queries.release_of_job(session, step.job.id)
    about = queries.matter(session, step.settings, found, at=step.clock.now())
    closed = queries.closed_gates(session, about)
    if closed:
        raise NotYet(LATER_S, "; ".join(f"{one.title}: {one.verdict.reasons[0]}" for one in closed))
    store = Store(step.settings.folder("artefacts"))
    published = []
    for one in queries.files_of(session, found):
        row = index.publish(session, store, store.path(one.sha256), one.filename, version=found.version)
        published.append({"filename": row.filename, "sha256": row.sha256})
    found.published_at = step.clock.now()
    session.flush()
    return {"files": published}


def _why_stopped(build: Build) -> str:
    kind = {JobState.CANCELLED: "was cancelled"}.get(build.job.state, "failed")
    return f"the build for {build.target_key} {kind} at step {build.job.step}: {build.job.error or 'no reason given'}"
