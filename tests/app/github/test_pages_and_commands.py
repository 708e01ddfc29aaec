"""A repository's place at GitHub on its page and in the terminal: who may say it, what it says, what it waits for."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from pydantic import SecretStr

from app import audit, auth
from app.clock import FixedClock
from app.connections import GitHubReader
from app.contributions.models import Change, Repository
from app.db import Database
from app.github.models import GithubConnection
from app.jobs import Job, here
from app.settings import Settings, SettingsError
from tests.app.github.world import World, busy, world
from tests.doubles.github import Fault, GitHub
from tests.doubles.github.server import TOKEN
from tests.portal import SignedIn

HERE = "/contributions/repositories/{}/github/"


@pytest.fixture
def visitor(small: World) -> FlaskClient:
    return small.app.test_client()


@pytest.fixture
def staff(small: World, signed_in: SignedIn) -> FlaskClient:
    seat = auth.HeldSeat(body="administration", seat="administrator", kind="administrator")
    return signed_in(small.app.test_client(), "p_administrator", seat, name="Ada Administrator")


def test_the_page_says_how_far_it_is(small: World, visitor: FlaskClient) -> None:
    before = visitor.get(HERE.format(small.repository)).text
    small.read()
    after = visitor.get(HERE.format(small.repository)).text

    assert "not yet" in before
    assert "6 read" in after
    assert "Part them" not in after
    repository = visitor.get(HERE.format(small.repository).removesuffix("/github/")).text
    assert "6 pull requests · 4 issues" in " ".join(repository.split())


def test_the_page_says_what_is_waited_for(
    small: World, visitor: FlaskClient, github: GitHub, clock: FixedClock
) -> None:
    github.points.look(clock.now())
    github.points.used = 5000
    small.read()

    said = visitor.get(HERE.format(small.repository)).text
    assert "the hour&#39;s budget at 127.0.0.1 is used up; goes on at" in said


def test_the_page_says_that_somebody_is_needed(small: World, staff: FlaskClient, github: GitHub) -> None:
    github.tokens.clear()
    small.read()
    assert "does not accept the portal&#39;s token" in staff.get(HERE.format(small.repository)).text
    quality = staff.get("/contributions/quality").text
    assert "needs somebody" in quality[quality.index("Read from GitHub") :]

    github.tokens.add(TOKEN)
    staff.post(HERE.format(small.repository) + "read")
    small.worker.run_until_idle()
    assert "6 read" in staff.get(HERE.format(small.repository)).text


def test_administrators_alone_part_and_connect(small: World, visitor: FlaskClient, staff: FlaskClient) -> None:
    here = HERE.format(small.repository)
    assert visitor.post(here + "part", data={"reason": "no"}).status_code == 401
    assert "One thing to mend" in " ".join(staff.post(here + "part", data={"reason": " "}).text.split())
    staff.post(here + "part", data={"reason": "moved away"})
    refused = staff.post(here, data={"full_name": "https://github.com/acme", "reason": ""})
    assert refused.status_code == 422
    assert "is no repository of GitHub; write OWNER/NAME" in refused.text
    assert "2 things to mend" in " ".join(refused.text.split())

    staff.post(here, data={"full_name": "acme/tensor", "reason": "it lives there"})
    with small.db.read() as session:
        told = session.scalars(sa.select(audit.AuditEntry).where(audit.AuditEntry.action.startswith("github."))).all()
        assert [(one.action, one.reason) for one in told] == [
            ("github.connect", "a test begins"), ("github.disconnect", "moved away"),
            ("github.connect", "it lives there"),
        ]  # fmt: skip
        assert session.scalars(sa.select(Job.workflow).where(Job.workflow == "github-read")).all() == ["github-read"]


def test_the_terminal_connects_reads_and_lists(small: World, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "LOOK_S", 0.01)
    runner = small.app.test_cli_runner()
    with small.db.write() as session:
        session.execute(sa.delete(GithubConnection))
        session.scalars(sa.select(Repository)).one().url = f"{github.url}/acme/tensor.git"

    assert runner.invoke(args=["github", "connect", "tensor"]).output == "tensor: acme/tensor\n"
    assert "connected with acme/tensor already" in runner.invoke(args=["github", "connect", "tensor"]).output
    read = runner.invoke(args=["github", "read", "tensor"])
    assert read.output == "tensor: 6 pull requests, 4 issues, 18 line comments, 1 release\n"
    assert "asked for from the command line" in small.everywhere(), "the audit log knows"
    listed = runner.invoke(args=["github", "list"]).output
    assert listed == "tensor\tacme/tensor\t6 pull requests, 4 issues, 18 line comments, 1 release\n"
    assert "there is no repository 'none'; there are: tensor" in runner.invoke(args=["github", "read", "none"]).output


def test_the_terminal_says_why_a_reading_ended(small: World, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "LOOK_S", 0.01)
    github.fails(Fault(401, '{"message": "Bad credentials"}'))

    found = small.app.test_cli_runner().invoke(args=["github", "read", "tensor"])

    assert found.exit_code == 1
    assert "does not accept the portal's token any more" in found.output


def test_a_portal_looks_by_itself_every_few_minutes_and_keeps_the_last_of_its_rounds(
    small: World, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("app.jobs.workflows"), "KEPT_RUNS", 2)

    def looked() -> int:
        with small.db.write() as session:
            session.execute(sa.text("UPDATE job_schedule SET next_at = '2020-01-01' WHERE name = 'github-watch'"))
        small.worker.run_until_idle()
        with small.db.read() as session:
            wanted = sa.select(sa.func.count()).select_from(Job).where(Job.workflow == "github-read")
            return session.scalar(wanted) or 0

    assert [looked(), looked()] == [1, 1]
    rounds = []
    for _ in range(4):
        clock.advance(minutes=6)
        rounds.append(looked())
    assert rounds == [2, 3, 3, 3], "the last two that went well by then, and the new one"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FLAMBEAU_GITHUB_TOKEN": "a", "FLAMBEAU_GITHUB_APP_ID": "1"}, "are both set; keep one of them"),
        ({"FLAMBEAU_GITHUB_APP_ID": "1"}, "FLAMBEAU_GITHUB_APP_KEY_FILE is missing"),
        ({"FLAMBEAU_GITHUB_TOKEN": "a b"}, "holds more than a token"),
        ({"FLAMBEAU_GITHUB_TOKEN": "a", "FLAMBEAU_GITHUB_URL": "http://git.example"}, "must be an https address"),
    ],
)
def test_settings_that_cannot_be_are_refused(tmp_path: Path, variables: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.from_environment({"FLAMBEAU_HOME": str(tmp_path), **variables})


def test_the_token_comes_from_a_file_and_another_github_has_its_own_interface(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("ghp_secret\n")
    found = Settings.from_environment(
        {"FLAMBEAU_HOME": str(tmp_path), "FLAMBEAU_GITHUB_TOKEN_FILE": str(tmp_path / "token"),
         "FLAMBEAU_GITHUB_URL": "https://git.example/"}
    ).github  # fmt: skip

    known = GitHubReader(
        issuer="https://git.example", token=SecretStr("ghp_secret"), secret_file=str(tmp_path / "token")
    )
    assert found == known
    assert found.api == "https://git.example/api/v3"
    assert GitHubReader().api == "https://api.github.com"
    assert "ghp_secret" not in repr(found)


def test_pull_requests_join_the_review_queue(
    github: GitHub, governed: Database, clock: FixedClock, settings: Settings, signed_in: SignedIn
) -> None:
    made = world(github, governed, clock, settings)
    busy(github, clock)
    made.read()
    with governed.read() as session:
        opened = session.scalars(sa.select(Change).where(Change.number == 2)).one().public_id
    seat = auth.HeldSeat(body="administration", seat="administrator", kind="administrator")
    staff = signed_in(made.app.test_client(), "p_administrator", seat)

    assert "Change 1" in staff.get("/reviews/").text
    assert "<h1>Change 1</h1>" in staff.get(f"/reviews/{opened}").text


def test_what_is_parted_and_connected_again_is_read_when_somebody_asks(small: World, staff: FlaskClient) -> None:
    place = f"/contributions/repositories/{small.repository}/github/"
    read = 0
    for _ in range(2):
        staff.post(f"{place}read")
        small.worker.run_until_idle()
        with small.db.read() as session:
            jobs = session.scalars(sa.select(Job.public_id).where(Job.workflow == "github-read")).all()
        assert len(jobs) > read, "somebody asked, and nothing is read"
        staff.post(f"{place}part", data={"reason": "a test parts them"})
        small.clock.advance(hours=1)
        staff.post(place, data={"full_name": "acme/tensor", "reason": "a test connects them"})
        small.worker.run_until_idle()
        with small.db.read() as session:
            read = len(session.scalars(sa.select(Job.public_id).where(Job.workflow == "github-read")).all())
        assert read > len(jobs)
