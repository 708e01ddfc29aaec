"""The digits example reaches what it promises."""

from __future__ import annotations

import runpy
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "digits_mlp.py"


@pytest.mark.slow
def test_five_networks_name_97_of_100_digits_within_a_minute(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [str(EXAMPLE)])
    start = time.monotonic()
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert ended.value.code == 0, capsys.readouterr().out
    assert time.monotonic() - start < 60
