"""What a machine gives to its builds, on a machine whose Python has no pip of its own too (Debian's has none)."""

from __future__ import annotations

import configparser
import sys

import pytest

from app.runner import machine

WITHOUT_PIP = "#!/bin/sh\necho '/usr/bin/python3: No module named pip' >&2\nexit 1\n"


@pytest.mark.parametrize("base", ["this Python", "a Python without pip", "no Python"])
def test_builds_get_the_pip_settings_and_the_pip_cache_of_the_machine(base, tmp_path, monkeypatch):
    if base != "this Python":
        python = tmp_path / "python3"
        if base == "a Python without pip":
            python.write_text(WITHOUT_PIP)
            python.chmod(0o755)
        monkeypatch.setattr(machine, "base_python", lambda: str(python))
    monkeypatch.setenv("PIP_TIMEOUT", "77")
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "kept"))
    settings = configparser.RawConfigParser()
    settings.read_string(machine.pip_settings())
    assert settings.get("global", "timeout") == "77"
    assert machine.pip_cache() == tmp_path / "kept"


def test_a_machine_without_any_pip_gives_no_settings(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "base_python", lambda: str(tmp_path / "none"))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "none"))
    assert machine.pip_settings() == ""
    assert machine.pip_cache() is None
