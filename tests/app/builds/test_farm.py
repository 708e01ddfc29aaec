"""From a protected branch to a proved wheel: the workflow, the runner and the portal together."""

from __future__ import annotations

import hashlib
import json

import jsonschema
import pytest
import sqlalchemy as sa

from app import audit
from app.builds import queries
from app.builds.models import Artefact, ArtefactKind, Build
from app.jobs import JobState
from tests.sample_project import RECIPE, ROOT, commit, git

pytestmark = pytest.mark.slow


def _only_build(farm) -> Build:
    with farm.db.read() as session:
        number = session.scalars(sa.select(Build.public_id)).one()
        return queries.build_by_public_id(session, number)


def test_a_protected_branch_is_built_unasked_and_its_wheel_proved(make_farm):
    farm = make_farm()
    farm.work()
    done = farm.run_runner()
    assert done.returncode == 0, done.stdout + done.stderr
    build = _only_build(farm)
    assert build.job.state is JobState.SUCCEEDED
    assert (build.commit_sha, build.version, build.is_trusted) == (farm.commit, "0.1.0.dev1", True)
    assert [one.kind for one in build.artefacts] == [ArtefactKind.SDIST, ArtefactKind.WHEEL, ArtefactKind.CONFORMANCE]
    assert [(one.device, one.conforms, one.passed) for one in build.conformance] == [("cpu", True, 1)]
    with farm.db.read() as session:
        entries = sa.select(audit.AuditEntry.action).order_by(audit.AuditEntry.number)
        actions = session.scalars(entries.where(audit.AuditEntry.action.like("jobs.build.%")))
        assert list(actions) == [f"jobs.build.{name}" for name in ("sdist", "wheel", "conformance", "tests")]


def test_the_same_commit_gives_the_same_bytes(make_farm, tmp_path):
    farm = make_farm()
    farm.work()
    farm.run_runner()
    with farm.db.write() as session:
        first = dict(session.execute(sa.select(Artefact.filename, Artefact.sha256)).all())
        session.execute(sa.delete(Artefact))
        build = session.scalars(sa.select(Build)).one()
        session.execute(sa.text("DELETE FROM conformance_result"))
        session.execute(sa.text("DELETE FROM job_step WHERE job_id = :job"), {"job": build.job_id})
        build.job.state, build.job.step = JobState.QUEUED, "sdist"
    farm.run_runner()
    with farm.db.read() as session:
        again = dict(session.execute(sa.select(Artefact.filename, Artefact.sha256)).all())
    same = [name for name in first if name.endswith((".whl", ".tar.gz"))]
    assert len(same) == 2
    assert {name: again[name] for name in same} == {name: first[name] for name in same}


def test_a_failing_step_is_told_on_the_page_with_the_log(make_farm):
    def spoil(repository):
        (repository / "core.cpp").write_text("this is not C++")

    farm = make_farm(change=spoil)
    farm.work()
    assert farm.run_runner().returncode == 1
    build = _only_build(farm)
    assert (build.job.state, build.job.step) == (JobState.FAILED, "wheel")
    client = farm.app.test_client()
    page = client.get(f"/builds/{build.public_id}").text
    assert "step wheel ended with status 1" in page
    assert "error:" in page
    assert "failed at wheel" in client.get("/builds").text


def test_what_a_runner_hands_over_leaves_the_disk_free_that_is_to_stay_free(make_farm):
    farm = make_farm()
    farm.work()
    house = farm.app.extensions["flambeau"]
    house.settings = house.settings.model_copy(update={"free_disk_gb": 1e6})
    assert farm.run_runner().returncode == 1
    build = _only_build(farm)
    assert (build.job.state, build.job.step) == (JobState.FAILED, "sdist")
    assert "the portal's disk has 0.0 GB besides" in (build.job.error or "")


def test_a_build_that_does_not_conform_is_evidence_not_a_crash(make_farm):
    farm = make_farm(answer=41, steps={**RECIPE["steps"], "tests": "true\n"})
    farm.work()
    farm.run_runner()
    build = _only_build(farm)
    assert [(one.conforms, one.failed) for one in build.conformance] == [(False, 1)]
    assert "1 of 1 cases fail" in farm.app.test_client().get("/builds").text


def test_an_unprotected_branch_waits_for_a_maintainer_and_builds_without_the_shared_cache(make_farm, administrator_of):
    farm = make_farm()
    farm.work()
    git(farm.repository, "switch", "--quiet", "--create", "fix")
    (farm.repository / "notes.txt").write_text("x")
    sha = commit(farm.repository, "a fix")
    with farm.db.write() as session:
        session.execute(sa.text("UPDATE job_schedule SET next_at = '2020-01-01 00:00:00'"))
    farm.work()
    with farm.db.read() as session:
        assert session.scalars(sa.select(Build.commit_sha)).all() == [farm.commit]
        repository = session.scalar(sa.text("SELECT public_id FROM repository"))
    visitor = farm.app.test_client()
    assert visitor.post("/builds", data={"repository": repository, "commit": "fix"}).status_code == 401
    answer = administrator_of(farm.app).post("/builds", data={"repository": repository, "commit": "fix"})
    assert answer.status_code == 302
    with farm.db.read() as session:
        build = session.scalars(sa.select(Build).where(Build.commit_sha == sha)).one()
    assert (build.version, build.is_trusted) == ("0.1.0.dev2", False)


def test_the_log_and_the_report_can_be_read_by_anybody(make_farm):
    # Larger than what a form may send: a wheel is no form.
    farm = make_farm(steps={**RECIPE["steps"], "tests": 'head -c 9000000 /dev/zero > "$OUT/tests.xml"\n'})
    farm.work()
    farm.run_runner()
    build = _only_build(farm)
    client = farm.app.test_client()
    log = client.get(f"/builds/{build.public_id}/log")
    assert "step conformance" in log.text
    rest = client.get(f"/builds/{build.public_id}/log?offset={log.headers['Log-Next']}")
    assert (rest.text, rest.headers["Build-State"]) == ("", "succeeded")
    report = client.get(f"/builds/{build.public_id}/report.json").json
    jsonschema.validate(report, json.loads((ROOT / "docs" / "formats" / "build-report-1.schema.json").read_text()))
    assert [step["name"] for step in report["steps"]] == ["sdist", "wheel", "conformance", "tests"]
    wheel = next(one for one in build.artefacts if one.kind is ArtefactKind.WHEEL)
    with client.get(f"/builds/{build.public_id}/artefacts/{wheel.filename}") as answer:
        assert hashlib.sha256(answer.data).hexdigest() == wheel.sha256
