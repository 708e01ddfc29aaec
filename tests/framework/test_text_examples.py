"""The examples that write text learn in a small setting, and their sampling gives text."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def test_a_small_gpt_learns_the_documents(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "gpt.py"))["main"]
    bits = main(["--steps", "60", "--length", "32", "--width", "32", "--layers", "1", "--write", "40"])
    assert bits < 4.9  # the first step's guess costs more than 6.5
    assert len(capsys.readouterr().out) > 40


def test_an_lstm_learns_names_of_different_lengths(capsys: pytest.CaptureFixture[str]) -> None:
    main = runpy.run_path(str(EXAMPLES / "lstm_characters.py"))["main"]
    losses = main(["--epochs", "6", "--width", "32"])
    assert losses[-1] < 0.88 * losses[0]
    assert len(capsys.readouterr().out.splitlines()[-1].split()) >= 4
