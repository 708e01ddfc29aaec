"""Joins what many small fetches left in a clone: a pack or some loose objects each minute, thousands in a year.

Small packs go into larger ones, the largest stay as they are (git's geometric repack), so that each time costs about as
much as what came since. Nothing is thrown away: whoever reads the clone meanwhile finds each object in the old pack or
the new one, and what a force push left behind still answers to its hash.
"""

from __future__ import annotations

import shutil
from itertools import islice
from pathlib import Path

from app.contributions.fetching import USUAL_LIMITS, Limits, held
from app.contributions.git import Manner, run

MOST_PACKS, MOST_LOOSE = 20, 2000


def tidy(path: Path, *, limits: Limits = USUAL_LIMITS, timeout_s: float = 900) -> bool:
    """Join the clone's packs and loose objects where there are many; says whether it did.

    A partial clone stays as it is (its packs are marked as promises), and so does one whose copy would not leave the
    disk that must stay free. Raises: GitError if git fails, lasts too long, or somebody fetches all the while.
    """
    packs = list(path.glob("objects/pack/*.pack"))
    loose = path.glob("objects/[0-9a-f][0-9a-f]/*")
    is_much = len(packs) > MOST_PACKS or any(islice(loose, MOST_LOOSE, None))
    if not is_much or (path / "flambeau-partial").exists():
        return False
    if shutil.disk_usage(path).free - sum(pack.stat().st_size for pack in packs) < limits.free_bytes:
        return False
    with held(path) as lock:
        settings = ("-c", "pack.windowMemory=64m", "-c", "pack.deltaCacheSize=32m")
        manner = Manner(keep_open=(lock,))
        run([*settings, "repack", "-d", "--geometric=2", "--quiet"], path=path, timeout_s=timeout_s, manner=manner)
        run(["prune-packed", "--quiet"], path=path)
    return True
