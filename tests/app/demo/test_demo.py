"""The demo: one seed, one foundation; its figures are counted from its git; every page says synthetic."""

from __future__ import annotations

import socket
import subprocess
from datetime import date, timedelta

import sqlalchemy as sa

from app import create_app
from app.contributions.metrics import Kind
from app.contributions.models import Repository, Rollup
from app.demo.__main__ import main
from app.demo.cast import make_cast
from app.demo.history import PLANS, Plan, stream
from app.demo.loading import is_loaded, load
from app.members.models import Membership, Organization
from app.people.models import Affiliation

TODAY = date(2026, 1, 15)


def test_the_same_seed_gives_the_same_history_byte_for_byte():
    cast = make_cast(7, today=TODAY, people=30)
    once, again = (b"".join(stream(cast, PLANS[1], seed=7, today=TODAY)) for _ in range(2))
    assert once == again
    assert once != b"".join(stream(cast, PLANS[1], seed=8, today=TODAY))


def test_nobodys_address_can_exist_and_employments_never_overlap():
    cast = make_cast(7, today=TODAY)
    assert all(email.endswith(".example") for person in cast.people for email in person.emails)
    for person in cast.people:
        for one, other in zip(person.employments, person.employments[1:], strict=False):
            assert one.ends_on is not None
            assert one.ends_on + timedelta(days=1) == other.starts_on


def test_a_demo_is_loaded_counted_as_git_does_and_loading_again_adds_nothing(settings, db, clock):
    app = create_app(settings.model_copy(update={"synthetic": True}), clock=clock, db=db)
    small = tuple(Plan(plan.name, plan.areas, 2.0, plan.open_branches, 800) for plan in PLANS)
    for _ in range(2):
        load(app, seed=7, people_count=25, plans=small, say=lambda _text: None)
    assert is_loaded(app)
    with db.read() as session:
        counts = [session.scalar(sa.select(sa.func.count()).select_from(table)) for table in (Organization, Repository)]
        assert counts == [25, 3]
        assert session.scalar(sa.select(sa.func.count()).select_from(Membership)) >= 25
        stated = session.scalar(sa.select(sa.func.count()).select_from(Affiliation))
        assert stated == sum(len(one.employments) for one in make_cast(7, today=TODAY, people=25).people)
        counted = session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(
            Rollup.module_key.is_(None), Rollup.kind.in_((Kind.COMMIT, Kind.MERGE, Kind.BOT))))  # fmt: skip
    of_git = 0
    for plan in small:
        path = settings.home / "demo" / f"{plan.name}.git"
        command = ["git", f"--git-dir={path}", "rev-list", "--count", "main"]
        of_git += int(subprocess.run(command, capture_output=True, check=True).stdout)
    assert counted == of_git
    client = app.test_client()
    for address in ("/", "/contributions/?window=all", "/contributions/organizations/"):
        assert "Synthetic data" in client.get(address).text


def test_a_port_that_is_taken_is_told_before_anything_is_written(tmp_path, monkeypatch, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("FLAMBEAU_HOME", str(tmp_path / "home"))
        monkeypatch.setenv("PORT", str(taken.getsockname()[1]))
        assert main([]) == 1
    told = capsys.readouterr().err
    assert "cannot be used" in told
    assert "make demo" in told
    assert not (tmp_path / "home" / "demo").exists()
