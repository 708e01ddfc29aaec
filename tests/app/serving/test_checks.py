"""What is in the way of `make serve` is told in sentences with a way out, before anything is done."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from app.serving.checks import CannotServe, check_machine, lock_home, look_at
from tests.sample_project import ROOT, git


@pytest.fixture
def free_settings(settings):
    """Settings with a port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return settings.model_copy(update={"port": probe.getsockname()[1]})


@pytest.fixture
def checkout(tmp_path: Path):
    (tmp_path / "tree").mkdir()
    git(tmp_path / "tree", "init", "--quiet")
    return look_at(tmp_path / "tree")


def _problem(settings, checkout) -> str:
    with pytest.raises(CannotServe) as caught:
        check_machine(settings, checkout)
    return str(caught.value)


def test_a_sound_machine_has_no_problem(free_settings, checkout):
    check_machine(free_settings, checkout)


def test_a_taken_port_names_another_one(free_settings, checkout):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free_settings.port))
        taken.listen()
        text = _problem(free_settings, checkout)
    assert f"port {free_settings.port} cannot be used" in text
    assert f"PORT={free_settings.port + 1} make serve" in text


def test_a_missing_compiler_names_the_package(free_settings, checkout, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None if "++" in name else f"/usr/bin/{name}")
    assert "apt-get install g++" in _problem(free_settings, checkout)


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("builds.yaml", "project: x\n", "builds.yaml"),
        ("rules.yaml", "rules: [\n", "rules.yaml"),
        ("hardware.yaml", "targets: []\nsurprise: 1\n", "surprise"),
    ],
)
def test_a_broken_governance_file_is_named(free_settings, checkout, tmp_path, file, text, told):
    shutil.copytree(ROOT / "governance", tmp_path / "governance")
    (tmp_path / "governance" / file).write_text(text)
    settings = free_settings.model_copy(update={"governance_dir": tmp_path / "governance"})
    assert told in _problem(settings, checkout)


def test_a_repository_that_is_none_is_named(free_settings, checkout, tmp_path):
    settings = free_settings.model_copy(update={"repository": str(tmp_path / "nothing")})
    assert f"REPO: {tmp_path / 'nothing'} does not exist" in _problem(settings, checkout)


def test_every_problem_is_told_at_once(free_settings, checkout, tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    settings = free_settings.model_copy(update={"repository": str(tmp_path / "nothing")})
    text = _problem(settings, checkout)
    assert re.search("2 things are in the way", text)


def test_a_second_one_for_the_same_home_is_told_about_the_first(settings):
    with lock_home(settings), pytest.raises(CannotServe) as caught, lock_home(settings):
        pass
    assert f"(process {os.getpid()}, http://127.0.0.1:{settings.port})" in str(caught.value)
    assert "FLAMBEAU_HOME" in str(caught.value)
    with lock_home(settings):
        pass


def test_a_home_that_cannot_be_written_ends_the_command_with_a_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    environment = os.environ | {"FLAMBEAU_HOME": str(tmp_path / "file" / "home")}
    command = [sys.executable, "-m", "app.serve"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "make serve: The folder" in done.stderr
    assert "set FLAMBEAU_HOME to a folder you may write" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_tree_without_a_commit_is_seen(checkout):
    assert (checkout.commit, checkout.uncommitted_files) == (None, 0)


def test_uncommitted_files_are_counted(tmp_path, checkout):
    (tmp_path / "tree" / "new").write_text("x")
    assert look_at(tmp_path / "tree").uncommitted_files == 1
