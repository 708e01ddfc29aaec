"""A hostile build: what it may not see, use, keep or hand over, with the kernel's namespaces and without."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.app.runner.fake_portal import FakePortal, wheel_like

pytestmark = pytest.mark.slow
WALLS = pytest.mark.parametrize("walls", [(), ("--no-namespaces",)], ids=["namespaces", "process-tree"])


def _processes_with(text: str) -> list[str]:
    """What still runs, or was killed and has not quite gone a few seconds later."""
    for _ in range(50):
        found = [line for line in _command_lines() if text in line and "pytest" not in line]
        if not found:
            return []
        time.sleep(0.1)
    return found


def _command_lines() -> Iterator[str]:
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            yield path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def _do(run_once, script: str, *extra: str, produces=(), **limits) -> FakePortal:
    step = {"name": "hostile", "script": script, "produces": list(produces)}
    with FakePortal(steps=[step], limits=limits) as portal:
        run_once(portal.url, *extra)
    return portal


@WALLS
def test_no_secret_and_no_database_is_in_a_builds_environment(run_once, walls):
    portal = _do(run_once, "env; cat /proc/$PPID/environ; tr '\\0' '\\n' < /proc/self/environ", *walls)
    assert portal.finished[0]["failed"] == "" or b"environ" in portal.log
    assert b"SOURCE_DATE_EPOCH=1700000000" in portal.log
    for secret in (b"hunter2", b"postgresql", b"job-token", b"registration"):
        assert secret not in portal.log


@WALLS
def test_a_fork_bomb_ends_within_its_limit(run_once, walls):
    bomb = "bomb() { sleep 3121 & bomb & bomb; }; bomb"
    begun = time.monotonic()
    portal = _do(run_once, bomb, *walls, processes=60, time_s=20)
    assert portal.finished[0]["failed"]
    assert time.monotonic() - begun < 40
    assert _processes_with("sleep 3121") == []


@WALLS
def test_processes_that_hide_in_sessions_of_their_own_end_with_the_step(run_once, walls):
    portal = _do(run_once, "setsid sh -c 'setsid sleep 3122 & setsid nohup sleep 3122 >/dev/null 2>&1 &'; true", *walls)
    assert portal.finished[0]["failed"] == ""
    assert _processes_with("sleep 3122") == []


@WALLS
@pytest.mark.parametrize(
    ("script", "limits", "why"),
    [
        ("yes", {"log_bytes": 1 << 20}, "more than 1 MiB of log"),
        ("sleep 60", {"time_s": 1}, "longer than 1 s"),
        ("dd if=/dev/zero of=big bs=1M count=64", {"file_bytes": 8 << 20}, "ended with status"),
        ("for i in 1 2 3 4 5 6 7 8; do head -c 4M /dev/urandom > $i; done; sleep 30", {"disk_bytes": 16 << 20},
         "more than 16 MiB of disk"),
        ("exec $PYTHON -c 'x = bytearray(1 << 30)'", {"memory_bytes": 1 << 28}, "ended with status"),
    ],
    ids=["log", "time", "file", "disk", "memory"],
)  # fmt: skip
def test_each_limit_ends_the_step_with_a_reason(run_once, walls, script, limits, why):
    portal = _do(run_once, script, *walls, **limits)
    assert why in portal.finished[0]["failed"]
    assert len(portal.log) < (2 << 20)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("ln -s /etc/passwd $OUT/a.txt", "is not a plain file"),
        ("echo x > $OUT/a.txt; ln $OUT/a.txt $OUT/b.txt", "is not a plain file of its own"),
        ("mkfifo $OUT/a.txt", "is not a plain file"),
        ("mkdir $OUT/a.txt", "is not a plain file"),
        ("echo x > \"$OUT/a b$(printf '\\001').txt\"", "may not be called"),
        ("echo x > \"$OUT/-rf.txt\"", "may not be called"),
        ("head -c 2M /dev/zero > $OUT/a.txt", "1048576 are allowed"),
        ("for i in 1 2 3 4 5; do echo > $OUT/$i.txt; done", "5 files match '*.txt'; 4 are allowed"),
        ("true", "left no file like '*.txt'"),
        ("rm -r $OUT; ln -s /etc $OUT", "took the folder $OUT away"),
        ("rm -r $OUT", "took the folder $OUT away"),
    ],
)  # fmt: skip
def test_artefacts_that_are_tricks_are_refused(run_once, script, why):
    portal = _do(run_once, script, produces=[wheel_like("*.txt")])
    assert why in portal.finished[0]["failed"]
    assert portal.files == {}


def test_behind_namespaces_only_the_jobs_folder_can_be_written_and_hidden_folders_are_empty(run_once, tmp_path):
    treasure = tmp_path / "treasure"
    treasure.mkdir()
    (treasure / "flambeau.db").write_text("all members")
    script = (
        f"ls -A {treasure}; touch {tmp_path}/planted || echo refused; ls /proc | grep -c '^[0-9]'; umount {treasure}"
    )
    with FakePortal(steps=[{"name": "look", "script": script + " || true"}]) as portal:
        run_once(portal.url, "--hide", str(treasure))
    if portal.finished[0]["isolation"] != "namespaces":
        pytest.skip("this kernel gives this user no namespaces")
    assert b"flambeau.db" not in portal.log
    assert b"refused" in portal.log
    assert not (tmp_path / "planted").exists()


@pytest.mark.parametrize("trusted", [True, False])
def test_only_a_trusted_commit_reaches_the_compiler_cache_that_the_runner_was_given(
    run_once, tmp_path, monkeypatch, trusted
):
    kept = tmp_path / "objects"
    monkeypatch.setenv("CCACHE_DIR", str(kept))
    script = 'echo "objects in <$CCACHE_DIR>"; touch "$CCACHE_DIR/one"'
    with FakePortal(steps=[{"name": "compile", "script": script}], trusted=trusted) as portal:
        run_once(portal.url)
    assert portal.finished[0]["failed"] == ""
    assert (f"objects in <{kept}>".encode() in portal.log) == trusted
    assert (kept / "one").exists() == trusted
