"""A clone that was fetched many times is joined into few packs, beside whoever reads it, and loses nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.contributions import tidying
from app.contributions.clones import Clone, GitError
from app.contributions.fetching import Limits, held
from tests.app.contributions.conftest import Repository


def counted(clone: Clone) -> tuple[int, int]:
    """(packs, loose objects)"""
    objects = clone.path / "objects"
    return len(list(objects.glob("pack/*.pack"))), len(list(objects.glob("[0-9a-f][0-9a-f]/*")))


@pytest.fixture
def grown(repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clone:
    """Fetched after each of ten commits, the last of which takes one back."""
    monkeypatch.setattr(tidying, "MOST_LOOSE", 20)
    clone = Clone(tmp_path / "clones" / "r_1.git")
    for number in range(10):
        repository.commit(f"commit {number}", {f"file{number}": f"{number}\n" * 50, "same": str(number)})
        clone.fetch(str(repository.path))
    return clone


def test_loose_objects_become_a_pack_and_everything_reads_as_before(repository: Repository, grown: Clone):
    shas = grown.list_commits(["main"])
    before = list(grown.count_lines(shas))
    assert counted(grown)[1] > 20
    assert grown.tidy()
    assert counted(grown) == (1, 0)
    assert list(grown.count_lines(shas)) == before
    assert not grown.tidy()
    repository.commit("after", {"more": "1\n"})
    grown.fetch(str(repository.path))
    assert grown.count_commits("main") == 11


def test_many_packs_become_few(repository: Repository, grown: Clone, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tidying, "MOST_PACKS", 0)
    assert grown.tidy()
    assert counted(grown) == (1, 0)


def test_what_a_force_push_left_behind_still_answers(repository: Repository, grown: Clone):
    gone = repository.text("rev-parse", "main")
    repository.git("reset", "-q", "--hard", "main~4")
    repository.commit("another end")
    grown.fetch(str(repository.path))
    assert grown.tidy()
    assert grown.commit(gone).sha == gone


def test_whoever_reads_meanwhile_reads_on(grown: Clone):
    shas = grown.list_commits(["main"])
    reading = grown.count_lines(shas)
    first = next(reading)
    assert grown.tidy()
    assert [one.sha for one in (first, *reading)] == list(shas)


def test_it_waits_for_nobody_who_fetches_and_leaves_the_disk_that_must_stay_free(
    grown: Clone, monkeypatch: pytest.MonkeyPatch
):
    assert not grown.tidy(limits=Limits(free_bytes=1 << 60))
    monkeypatch.setattr("app.contributions.fetching._LOCK_WAIT_S", 0.1)
    with held(grown.path), pytest.raises(GitError, match="fetched by somebody else"):
        grown.tidy()
    assert counted(grown)[1] > 20
