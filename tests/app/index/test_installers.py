"""Real pip and real uv against the index: ours is installed, whatever anybody else offers under our name."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
QUIET = {"PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1", "PATH": os.environ["PATH"], "HOME": "/nonexistent"}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty environment; without pip of its own, since the tests' pip and uv install into it from outside."""
    venv.create(tmp_path / "user", with_pip=False)
    return tmp_path / "user"


def _installed(place: Path) -> dict[str, str]:
    code = "from importlib.metadata import distributions as d; print(*[x.name + '=' + x.version for x in d()])"
    python = place / "bin" / "python"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    return dict(part.split("=") for part in done.stdout.split())


def _pip(index, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pip", "--python", str(place), "install", "--no-cache-dir",
               "--disable-pip-version-check", "--index-url", f"{index.url}/simple/", *arguments]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET, timeout=120)


def _uv(index, place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if uv is None:
        pytest.skip("uv is not installed: pip install uv")
    command = [uv, "pip", "install", "--no-cache", "--python", str(place / "bin" / "python"),
               "--index-url", f"{index.url}/simple/", *arguments]  # fmt: skip
    return subprocess.run(command, capture_output=True, text=True, check=False, env=QUIET, timeout=120)


@pytest.mark.parametrize("install", [_pip, _uv], ids=["pip", "uv"])
def test_a_higher_version_of_ours_elsewhere_is_never_installed(index, place, install):
    done = install(index, place, "flambeau")
    assert done.returncode == 0, done.stderr
    assert _installed(place) == {"flambeau": "0.1.0", "helper": "1.0"}
    assert set(index.upstream.asked) == {"helper"}


@pytest.mark.parametrize("install", [_pip, _uv], ids=["pip", "uv"])
def test_a_version_that_only_others_have_is_not_found(index, place, install):
    done = install(index, place, "flambeau==99.0")
    assert done.returncode != 0
    assert _installed(place) == {}
    assert "flambeau" not in index.upstream.asked


@pytest.mark.parametrize("install", [_pip, _uv], ids=["pip", "uv"])
def test_a_wheel_whose_bytes_changed_on_disk_is_refused_by_the_installer(index, place, install, settings):
    for path in (settings.home / "artefacts").glob("*/*"):
        if path.read_bytes().startswith(b"PK"):
            path.chmod(0o644)
            path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = install(index, place, "--no-deps", "flambeau")
    assert done.returncode != 0
    assert _installed(place) == {}


@pytest.mark.parametrize("install", [_pip, _uv], ids=["pip", "uv"])
def test_a_yanked_version_is_passed_over_unless_it_is_pinned(index, place, install, db):
    from app.index import queries

    with db.write() as session:
        queries.yank(session, "flambeau", "0.1.0", "wrong sums")
    assert install(index, place, "--no-deps", "flambeau>=0.0.1").returncode != 0
    done = install(index, place, "--no-deps", "flambeau==0.1.0")
    assert done.returncode == 0
    assert "wrong sums" in done.stdout + done.stderr


def test_the_upstream_is_asked_of_the_machines_own_pip(monkeypatch, tmp_path: Path):
    from app.index.upstream import machine_upstream

    settings = tmp_path / "pip.conf"
    settings.write_text("[global]\nindex-url = http://index.test/simple\n")
    monkeypatch.delenv("PIP_INDEX_URL", raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(settings))
    machine_upstream.cache_clear()
    assert machine_upstream() == "http://index.test/simple"
    monkeypatch.setenv("PIP_INDEX_URL", "http://other.test/simple")
    machine_upstream.cache_clear()
    assert machine_upstream() == "http://other.test/simple"
    machine_upstream.cache_clear()
