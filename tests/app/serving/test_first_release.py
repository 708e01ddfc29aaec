"""What `make serve` does with a release that an earlier call left unfinished."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from app.builds.models import Build
from app.jobs import JobState
from app.serving.checks import look_at
from app.serving.first_release import FirstRelease
from app.serving.opening import Opening, open_portal
from tests.app.builds.conftest import administrator_of, make_farm
from tests.sample_project import RECIPE

__all__ = ["administrator_of", "make_farm"]
pytestmark = pytest.mark.slow


def _opened(farm) -> Opening:
    opening = open_portal(farm.app, look_at(farm.repository))
    (farm.folder / "token").write_text(opening.runner_token.read_text())
    return opening


def _until_over(farm, work: FirstRelease) -> None:
    for _ in range(40):
        farm.work()
        if work.look(lambda text, share: None):
            return
        farm.run_runner()
        with farm.db.write() as session:
            session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00' WHERE state = 'waiting'"))
    raise AssertionError("it does not end")


def test_a_failed_release_goes_on_from_its_step_when_serve_is_called_again(make_farm, tmp_path: Path):
    gate = tmp_path / "open"
    farm = make_farm(steps={**RECIPE["steps"], "tests": f"[ -e {gate} ] || {{ echo the network is away; exit 7; }}\n"})
    opening = _opened(farm)
    first = FirstRelease(farm.app, opening)
    _until_over(farm, first)
    assert "step tests ended with status 7" in first.trouble
    assert "The package index at 127.0.0.1 cannot be reached" in first.trouble
    gate.touch()
    second = FirstRelease(farm.app, _opened(farm))
    _until_over(farm, second)
    assert (second.trouble, second.version) == ("", "0.1.0.dev1")
    with farm.db.read() as session:
        build = session.scalars(sa.select(Build)).one()
        assert build.job.state is JobState.SUCCEEDED
        begun = session.scalars(sa.text("SELECT count(*) FROM job_step WHERE name = 'wheel'")).one()
    assert begun == 1


def test_opening_twice_changes_nothing_but_the_way_in(make_farm):
    farm = make_farm()
    first, second = _opened(farm), _opened(farm)
    assert (first.repository, first.administrator, first.hardware) == (
        second.repository, second.administrator, second.hardware,
    )  # fmt: skip
    assert first.sign_in != second.sign_in
    with farm.db.read() as session:
        assert session.scalar(sa.text("SELECT count(*) FROM runner WHERE name = 'make-serve'")) == 1
        assert session.scalar(sa.text("SELECT count(*) FROM governance_version")) == 1
