"""Files from strangers: all that fuzzing and hands have found gives a value or a ValueError (python -m tests.fuzz)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.fuzz.targets import CORPUS, TARGETS


@pytest.mark.parametrize("target", TARGETS)
def test_every_stored_file_gives_a_value_or_a_value_error(target: str) -> None:
    files = sorted((CORPUS / target).iterdir())
    assert len(files) > 1
    for path in files:
        try:
            TARGETS[target](path.read_bytes())
        except Exception as error:
            raise AssertionError(f"{path.name}: {type(error).__name__}: {error}") from error


def test_the_corpus_is_small_enough_to_carry() -> None:
    files = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 1_000_000
    assert max(path.stat().st_size for path in files) <= 4096


def test_a_reader_that_lets_another_error_through_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import flambeau as fl

    def careless(path: Path) -> None:
        raise KeyError("dtype")

    monkeypatch.setattr(fl, "load_pt", careless, raising=False)
    with pytest.raises(KeyError):
        TARGETS["pt"](b"anything")
