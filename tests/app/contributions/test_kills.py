"""A worker killed while it reads a history leaves nothing half-done and nothing counted twice, on both databases."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.kill_ingest import kill

KILLS = int(os.environ.get("FLAMBEAU_INGEST_KILLS", "2"))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def test_a_reading_killed_at_random_ends_as_an_undisturbed_one(kind: str, empty_url, tmp_path: Path):
    where, trouble = kill((empty_url(kind), empty_url(kind)), tmp_path, kills=KILLS, seed=7)
    assert trouble == []
    assert where.total() == KILLS
