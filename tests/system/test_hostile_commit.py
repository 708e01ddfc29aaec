"""A commit that means harm is built through the whole portal, and harms nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app import audit
from app.builds.models import Artefact, Build
from app.jobs import JobState
from tests.app.builds.conftest import administrator_of, make_farm
from tests.sample_project import BACKEND, RECIPE

__all__ = ["administrator_of", "make_farm"]
pytestmark = pytest.mark.slow

EVIL = r"""
import glob, socket, time


def steal():
    print("ENVIRONMENT", dict(os.environ))
    for pattern in ("HOME_OF_PORTAL/**/*", "TOKEN_FILE", "/proc/[0-9]*/environ"):
        for path in glob.glob(pattern, recursive=True):
            try:
                with open(path, "rb") as file:
                    print("READ", path, file.read(300))
            except OSError as error:
                print("refused", path, error)
    for path in ("HOME_OF_PORTAL/flambeau.db", "HOME_OF_PORTAL/planted", "PLANTED"):
        try:
            with open(path, "ab") as file:
                file.write(b"x" * 5000)
        except OSError as error:
            print("refused", path, error)


def stay():
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execv("/bin/sleep", ["sleep", "3141"])
        os._exit(0)


def trick(folder):
    os.symlink("/etc/passwd", os.path.join(folder, "onefile-0.1.0.dev2.tar.gz"))


def bomb():
    while True:
        try:
            os.fork()
        except OSError:
            time.sleep(0.01)


def babble():
    while True:
        print("\x1b[2J" + "A" * 4000 + "<script>alert(1)</script>")
"""


def _farm(make_farm, tmp_path: Path, deed: str, **limits: int):
    planted = tmp_path / "planted-outside"

    def spoil(repository: Path) -> None:
        evil = EVIL.replace("HOME_OF_PORTAL", str(tmp_path / "home")).replace("TOKEN_FILE", str(tmp_path / "token"))
        evil = evil.replace("PLANTED", str(planted))
        start = "def build_sdist(folder, config_settings=None):\n"
        (repository / "backend.py").write_text(BACKEND.replace(start, f"{evil}\n\n{start}    {deed}\n"))

    farm = make_farm(change=spoil, limits={**RECIPE["limits"], **limits})
    farm.work()
    farm.run_runner("--hide", str(tmp_path / "token"))
    with farm.db.read() as session:
        build = session.scalars(sa.select(Build)).one()
        assert audit.verify(session).ok
        assert session.execute(sa.text("PRAGMA integrity_check")).scalar() == "ok"
    log = farm.app.test_client().get(f"/builds/{build.public_id}/log?offset=0").text
    return farm, build, log, planted


def _sleepers() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue
    return [line for line in found if line.startswith("sleep 3141")]


def test_reading_the_environment_and_the_portals_home_finds_no_secret(make_farm, tmp_path):
    farm, build, log, planted = _farm(make_farm, tmp_path, "steal(); raise SystemExit(3)")
    if build.isolation != "namespaces":
        pytest.skip("this kernel gives this user no namespaces")
    assert "ENVIRONMENT" in log
    token = (tmp_path / "token").read_text()
    key = farm.settings.session_key.get_secret_value()
    for secret in (token, key, "Bearer", "SQLite format", "DATABASE_URL"):
        assert secret not in log
    assert not planted.exists()
    assert not (tmp_path / "home" / "planted").exists()


def test_a_process_that_wants_to_stay_ends_with_its_step(make_farm, tmp_path):
    _, build, _, _ = _farm(make_farm, tmp_path, "stay(); raise SystemExit(3)")
    assert build.job.error == "step sdist ended with status 3"
    assert _sleepers() == []


@pytest.mark.parametrize(
    ("deed", "why"),
    [
        ("bomb()", "step sdist ended: it"),
        ("babble()", "more than 1 MiB of log"),
        ("trick(folder); return", "step sdist"),
    ],
)
def test_a_bomb_a_flood_and_a_trick_end_the_build_with_a_sentence_and_nothing_else(make_farm, tmp_path, deed, why):
    farm, build, log, _ = _farm(make_farm, tmp_path, deed, processes=40, time_s=15)
    with farm.db.read() as session:
        build = session.scalars(sa.select(Build)).one()
        assert session.scalars(sa.select(Artefact)).all() == []
    assert build.job.state is JobState.FAILED
    assert why in build.job.error or "is not a plain file" in build.job.error
    assert len(log) < 3 << 20
    assert "\x1b" not in log
    page = farm.app.test_client().get(f"/builds/{build.public_id}").text
    assert "<script>alert" not in page
