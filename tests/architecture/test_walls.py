"""Who may import whom, in Python: the contracts of pyproject.toml, and the runner's standard library."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import slices

ROOT = Path(__file__).resolve().parents[2]


def test_the_walls_between_the_rooms_stand() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'framework'}"}
    program = "from importlinter.cli import lint_imports_command as run; run(['--no-cache'])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_slice_has_its_place_in_the_contract() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    missing = [name for name in slices() if f'"(app.{name})"' not in text and f"app.{name}" not in text]
    assert missing == []


def test_the_runner_imports_the_standard_library_alone() -> None:
    foreign = {
        f"{path.name}: {name}"
        for path in (ROOT / "app/runner").rglob("*.py")
        for name in _imported(path)
        if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith("app.runner")
    }
    assert foreign == set()


@pytest.mark.parametrize("name", sorted(str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.py")))
def test_a_module_says_what_it_is_for_and_can_be_read_in_one_sitting(name: str) -> None:
    path = ROOT / name
    source = path.read_text()
    assert not source.strip() or ast.get_docstring(ast.parse(source)), "open the module with a docstring"
    assert source.count("\n") < 420 or path.name == "charts.py", "outgrown: make it a folder of the same name"


def _imported(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.append(node.module or "")
    return found
