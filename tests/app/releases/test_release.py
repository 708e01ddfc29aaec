"""A release from the click to `pip install`: people decide, gates hold, and the bytes are the ones that were proved."""

from __future__ import annotations

import subprocess
import venv
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import audit
from app.audit import ActorKind, AuditEntry
from app.releases.models import Release
from tests.sample_project import RECIPE, commit, git

pytestmark = pytest.mark.slow
LOCAL = "alone on this machine"


def _start(farm, browser, wanted: str = "main") -> str:
    with farm.db.read() as session:
        repository = session.scalar(sa.text("SELECT public_id FROM repository"))
    answer = browser.post("/releases", data={"repository": repository, "commit": wanted})
    return answer.headers["Location"]


def _release(farm) -> Release:
    with farm.db.read() as session:
        return session.scalars(sa.select(Release).order_by(Release.id.desc())).first()


def _modules(farm) -> list[str]:
    with farm.db.read() as session:
        return list(session.scalars(sa.text("SELECT key FROM module ORDER BY id")))


def _hurry(farm) -> None:
    with farm.db.write() as session:
        session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00' WHERE state = 'waiting'"))
    farm.work()


def test_one_person_releases_under_the_written_rule_and_pip_installs_it(make_farm, administrator_of, tmp_path):
    farm = make_farm()
    farm.work()
    browser = administrator_of(farm.app)
    page = _start(farm, browser)
    farm.run_runner()
    _hurry(farm)
    assert _release(farm).state == "waiting for sign-offs"
    modules = _modules(farm)
    unsigned = browser.post(f"{page}/sign", data={"module": [*modules, "none-such"]})
    assert unsigned.status_code == 422
    told = unsigned.text.split('class="problems"')[1].split("</div>")[0]
    assert (told.count("It needs a reason."), told.count("<li>")) == (1, 2), "one sentence for all that it holds for"
    assert "Core, Ops" in told
    assert "has no none-such" in unsigned.text
    signed = browser.post(f"{page}/sign", data={"module": modules, "reason": LOCAL}, follow_redirects=True).text
    assert f"Signed for {len(modules)} modules." in signed
    farm.work()
    assert _release(farm).state == "ready to publish"
    refused = browser.post(f"{page}/publish", data={}, follow_redirects=True).text
    assert "There is no second person" in refused
    browser.post(f"{page}/publish", data={"reason": LOCAL})
    farm.work()
    release = _release(farm)
    assert release.state == "published"
    shown = farm.app.test_client().get(page).text
    assert "Local, reviewed by nobody" in shown
    assert "uncommitted changes are not in it" in shown
    assert farm.app.test_client().get(f"{page}/release.json").json["review"] == "local, reviewed by nobody"
    _install_and_ask(farm, tmp_path)
    with farm.db.read() as session:
        actions = list(session.scalars(sa.select(audit.AuditEntry.action).order_by(audit.AuditEntry.number)))
        assert audit.verify(session).ok
    steps = [action for action in actions if action.startswith("jobs.release.")]
    assert steps == [f"jobs.release.{name}" for name in ("build", "evidence", "sign-offs", "decision", "publish")]
    assert actions.count("releases.sign-off") == actions.count("releases.publish") == 1


def _install_and_ask(farm, tmp_path: Path) -> None:
    venv.create(tmp_path / "user", with_pip=True)
    python = tmp_path / "user" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--index-url",
               f"{farm.url}/simple/", "onefile"]  # fmt: skip
    subprocess.run(install, check=True, env={"PIP_CONFIG_FILE": "/dev/null", "PATH": "/usr/bin:/bin"})
    asked = subprocess.run([python, "-c", "import onefile; print(onefile.answer())"], capture_output=True, check=True)
    assert asked.stdout == b"42\n"


def test_a_wheel_that_does_not_conform_never_comes_to_the_index(make_farm, administrator_of):
    farm = make_farm(answer=41, steps={**RECIPE["steps"], "tests": "true\n"})
    farm.work()
    page = _start(farm, administrator_of(farm.app))
    farm.run_runner()
    _hurry(farm)
    release = _release(farm)
    assert release.state == "failed"
    assert "1 of 1 conformance cases fail on cpu" in release.job.error
    assert "1 of 1 conformance cases fail" in farm.app.test_client().get(page).text
    assert '"files":[]' in farm.app.test_client().get("/simple/onefile/", headers={"Accept": _JSON}).text


_JSON = "application/vnd.pypi.simple.v1+json"


def test_a_wheel_that_fails_its_tests_stops_the_release_with_a_sentence(make_farm, administrator_of):
    farm = make_farm(steps={**RECIPE["steps"], "tests": "echo two tests fail; exit 1\n"})
    farm.work()
    _start(farm, administrator_of(farm.app))
    farm.run_runner()
    _hurry(farm)
    release = _release(farm)
    assert release.state == "failed"
    assert "the build for linux-x86_64-cpu failed at step tests: step tests ended with status 1" in release.job.error
    administrator_of(farm.app).post(f"/releases/{release.public_id}/retry")
    with farm.db.read() as session:
        entry = session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "releases.retry")).one()
    assert (entry.thing, entry.actor_kind) == (release.public_id, ActorKind.PERSON)


def test_nobody_without_a_seat_can_decide_anything(make_farm, administrator_of, signed_in):
    farm = make_farm()
    farm.work()
    page = _start(farm, administrator_of(farm.app))
    somebody = signed_in(farm.app.test_client(), "p_somebody")
    for browser, status in ((farm.app.test_client(), 401), (somebody, 403)):
        for deed in ("sign", "publish", "yank", "retry"):
            assert browser.post(f"{page}/{deed}", data={"reason": "x"}).status_code == status, deed
        assert browser.post("/releases", data={"commit": "main"}).status_code == status


def test_asking_twice_for_one_commit_is_one_release_and_a_typo_is_a_sentence(make_farm, administrator_of):
    farm = make_farm()
    farm.work()
    browser = administrator_of(farm.app)
    assert _start(farm, browser) == _start(farm, browser, farm.commit)
    with farm.db.read() as session:
        repository = session.scalar(sa.text("SELECT public_id FROM repository"))
    for page, deed in (("/releases", "release"), ("/builds", "build")):
        typo = browser.post(page, data={"repository": repository, "commit": "mian"})
        said = f"names nothing to {deed}: there is no branch or commit &#39;mian&#39;"
        assert (typo.status_code, said in typo.text) == (422, True)
        wrong = browser.post(page, data={"repository": "r_none", "commit": ""})
        assert ("is none of those that the portal reads" in wrong.text, "is empty" in wrong.text) == (True, True)


def test_two_commits_that_count_alike_do_not_share_a_version(make_farm, administrator_of):
    farm = make_farm()
    git(farm.repository, "switch", "--quiet", "--orphan", "other")
    git(farm.repository, "checkout", "--quiet", "main", "--", ".")
    other = commit(farm.repository, "another first commit")
    farm.work()
    browser = administrator_of(farm.app)
    _start(farm, browser)
    _start(farm, browser, "other")
    with farm.db.read() as session:
        versions = dict(session.execute(sa.select(Release.commit_sha, Release.version)).all())
    assert versions == {farm.commit: "0.1.0.dev1", other: f"0.1.0.dev1+g{other[:12]}"}
