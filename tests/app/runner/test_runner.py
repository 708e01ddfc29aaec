"""The runner against a portal of one job: it does the steps, hands over files, and survives the portal's absence."""

from __future__ import annotations

import ast
import hashlib
import sys
from pathlib import Path

import pytest

from tests.app.runner.conftest import RUNNER
from tests.app.runner.fake_portal import FakePortal, source_archive, wheel_like

COPY = {"name": "copy", "script": "echo working; cp hello.txt $OUT/result.txt", "produces": [wheel_like("*.txt")]}


def test_a_job_runs_its_steps_and_hands_over_what_they_made(run_once):
    with FakePortal(steps=[COPY, {"name": "use", "script": "cat $INPUTS/result.txt"}]) as portal:
        done = run_once(portal.url)
    assert done.returncode == 0, done.stderr
    sha256 = hashlib.sha256(b"hello\n").hexdigest()
    assert portal.recorded["copy"]["artefacts"] == [{"filename": "result.txt", "kind": "other", "sha256": sha256}]
    assert portal.finished == [{"failed": "", "isolation": portal.recorded["use"]["isolation"]}]
    assert b"working\n" in portal.log
    assert portal.log.count(b"hello\n") == 1


def test_a_step_that_the_portal_has_recorded_is_not_run_again(run_once):
    sha256 = hashlib.sha256(b"kept").hexdigest()
    recorded = {"copy": {"artefacts": [{"filename": "result.txt", "kind": "other", "sha256": sha256}]}}
    steps = [COPY, {"name": "use", "script": "grep kept $INPUTS/result.txt"}]
    with FakePortal(steps=steps, done=recorded, files={sha256: b"kept"}) as portal:
        assert run_once(portal.url).returncode == 0
    assert list(portal.recorded) == ["use"]
    assert b"working" not in portal.log


def test_a_failing_step_ends_the_job_with_its_status_and_name(run_once):
    steps = [{"name": "break", "script": "echo oh no; exit 3"}, {"name": "never", "script": "echo reached"}]
    with FakePortal(steps=steps) as portal:
        assert run_once(portal.url).returncode == 1
    assert portal.finished[0]["failed"] == "step break ended with status 3"
    assert b"oh no" in portal.log
    assert b"reached" not in portal.log


def test_the_runner_waits_for_a_portal_that_is_away(run_once):
    with FakePortal(steps=[COPY], failures=6) as portal:
        assert run_once(portal.url).returncode == 0
    assert portal.finished[0]["failed"] == ""
    assert portal.log.count(b"working\n") == 1


def test_a_cancelled_job_stops_soon(run_once):
    with FakePortal(steps=[{"name": "sleep", "script": "sleep 60"}], cancel=True) as portal:
        run_once(portal.url, timeout=20)
    assert portal.finished[0]["failed"] == "step sleep ended: the job was cancelled"


def test_stamps_write_a_file_and_change_one_line(run_once):
    source = source_archive({"pkg/__init__.py": "", "pyproject.toml": 'description = "A thing"\n'})
    stamps = [
        {"path": "pkg/_version.py", "text": '__version__ = "0.1.0.dev7"\n'},
        {"path": "pyproject.toml", "find": '^description = "(.*)"$', "text": r'description = "\1 (local)"'},
    ]
    with FakePortal(steps=[{"name": "see", "script": "cat pkg/_version.py pyproject.toml"}], source=source,
                    stamps=stamps) as portal:  # fmt: skip
        assert run_once(portal.url).returncode == 0
    assert b'__version__ = "0.1.0.dev7"\ndescription = "A thing (local)"' in portal.log


def test_a_wrong_registration_token_is_a_sentence_and_an_end(run_once, tmp_path):
    with FakePortal(steps=[COPY]) as portal:
        (tmp_path / "token").write_text("guessed")
        done = run_once(portal.url)
    assert done.returncode == 1
    assert "refuses this runner: no runner of this portal has that token" in done.stderr


def test_the_runner_imports_nothing_but_the_standard_library():
    for file in RUNNER.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [str(node.module)]
            else:
                continue
            assert {name.partition(".")[0] for name in names} <= sys.stdlib_module_names, f"{file.name}: {names}"


@pytest.mark.parametrize("name", ["../out.txt", "/etc/out.txt", "a/../../out.txt"])
def test_a_source_archive_that_leaves_its_folder_is_refused(run_once, tmp_path: Path, name):
    with FakePortal(steps=[COPY], source=source_archive({name: "x"})) as portal:
        assert run_once(portal.url).returncode == 1
    assert "wants to write outside its folder" in portal.finished[0]["failed"]
    assert not list(tmp_path.rglob("out.txt"))
