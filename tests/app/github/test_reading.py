"""What is read of GitHub: everything, once, whatever the order and however often somebody stumbles on the way."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr
from werkzeug.serving import make_server

from app.clock import FixedClock
from app.contributions.models import Repository
from app.db import Database
from app.github import reading_jobs
from app.github.asking import ask_to_read
from app.github.client import Client
from app.github.models import NumberDue
from app.jobs import Job, JobState
from app.people.models import Identity, IdentityPerson
from app.settings import Settings
from tests.app.github.world import World, busy, world
from tests.doubles.github import Fault, GitHub
from tests.doubles.github.server import TOKEN

Patch = pytest.MonkeyPatch


@pytest.fixture
def another(github: GitHub, settings: Settings, sqlite_template: Path, tmp_path: Path, clock: FixedClock,
            ) -> Iterator[Callable[[], World]]:  # fmt: skip
    """Gives another portal beside the same GitHub, which has read nothing yet."""
    made: list[Database] = []

    def make() -> World:
        path = tmp_path / f"another-{len(made)}.db"
        shutil.copy(sqlite_template, path)
        made.append(Database(f"sqlite:///{path}", clock=clock))
        return world(github, made[-1], clock, settings)

    yield make
    for one in made:
        one.close()


def test_everything_is_read(small: World) -> None:
    job = small.read()

    rows = small.rows()
    assert (job.state, job.error) == (JobState.SUCCEEDED, None)
    assert [one[0] for one in rows["changes"]] == [1, 2, 3, 4, 5, 6]
    assert rows["changes"][0][1:4] == ("Change 0", "merged", False)
    assert [one[-1] for one in rows["changes"][:4]] == [
        ("github", "ada"), ("github", "ben"), ("github", "dependabot[bot]"), None]  # fmt: skip
    assert len(rows["issues"]) == 4
    assert {one[2] for one in rows["issues"]} == {"open", "closed"}
    kinds = [one[3] for one in rows["events"]]
    assert {kind: kinds.count(kind) for kind in sorted(set(kinds))} == {
        "approved": 2, "changes-requested": 2, "closed": 2, "commented": 12 + 18, "dismissed": 2, "labeled": 6,
        "merged": 2, "opened": 6, "review-requested": 6, "reviewed": 2}  # fmt: skip
    assert [one[0] for one in rows["releases"]] == ["v1.0"]


def test_twice_is_once_and_costs_nothing(small: World) -> None:
    small.read()
    small.clock.advance(hours=2)
    small.read()  # comments on lines: only now their last second is asked for by its address
    once = small.rows()
    small.clock.advance(hours=2)
    before = len(small.github.asked)

    assert small.read().state is JobState.SUCCEEDED
    assert small.rows() == once
    assert small.spent(before) == (0, 0)
    assert [one.status for one in small.github.asked[before:]] == [304] * 5


def test_increments_are_the_whole(small: World, another: Callable[[], World], github: GitHub) -> None:
    small.read()
    for _ in range(3):
        small.a_day_passes()
        before = len(github.asked)
        small.read()
        assert small.spent(before)[0] <= 4

    whole = another()
    assert whole.read().state is JobState.SUCCEEDED
    assert small.rows() == whole.rows()


class Killed(BaseException):
    """As if the process ended here: no handler of ours sees it."""


@pytest.mark.slow
@pytest.mark.parametrize("after", [3, 4, 6, 8, 10])
def test_a_killed_reading_goes_on_and_ends_as_an_undisturbed_one(
    small: World, another: Callable[[], World], after: int, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    sends, send = 0, Client._send

    def dies(self: Client, *arguments: Any, **options: Any) -> Any:
        nonlocal sends
        sends += 1
        if sends == after:
            raise Killed
        return send(self, *arguments, **options)

    monkeypatch.setattr(Client, "_send", dies)
    number = small.ask()
    with pytest.raises(Killed):
        small.worker.run_until_idle()
    with small.db.write() as session:
        # The dead worker's lease runs out.
        job = session.scalars(sa.select(Job).where(Job.public_id == number)).one()
        job.lease_expires_at = datetime(2020, 1, 1, tzinfo=UTC)
    assert small.go_on(number).state is JobState.SUCCEEDED

    monkeypatch.undo()
    undisturbed = another()
    undisturbed.read()
    assert small.rows() == undisturbed.rows()


@pytest.mark.slow
def test_workers_that_are_killed_leave_whole_pages(small: World, another: Callable[[], World], github: GitHub,
                                                   settings: Settings, tmp_path: Path) -> None:  # fmt: skip
    """SIGKILL, in the middle of a request: by then the page before is written, and the worker's next one is not."""
    repository = github.repositories[0]
    for number in range(110):
        repository.pull(f"More {number}", github.account("eve"))
    (tmp_path / "token").write_text(TOKEN)
    home = {"FLAMBEAU_HOME": str(tmp_path), "DATABASE_URL": settings.database_url, "FLAMBEAU_GITHUB_URL": github.url,
            "FLAMBEAU_GITHUB_TOKEN_FILE": str(tmp_path / "token")}  # fmt: skip
    number, asked = small.ask(), 0
    workers: list[subprocess.Popen[bytes]] = []

    def kill(_request: Any) -> None:
        nonlocal asked
        asked += 1
        if asked in (4, 8):
            workers[-1].kill()

    github.before = kill
    while small.job(number).state is not JobState.SUCCEEDED and len(workers) < 5:
        command = [sys.executable, "-m", "flask", "--app", "app", "worker", "--once", "--lease", "1"]
        workers.append(subprocess.Popen(command, env=os.environ | home))
        workers[-1].wait(timeout=60)
        with small.db.write() as session:
            job = session.scalars(sa.select(Job).where(Job.public_id == number)).one()
            job.lease_expires_at = job.run_at = datetime(2020, 1, 1, tzinfo=UTC)

    assert [one.returncode for one in workers] == [-9, -9, 0]
    whole = another()
    whole.read()
    assert small.rows() == whole.rows()


def test_what_moves_during_a_walk_comes_with_the_next(
    small: World, github: GitHub, clock: FixedClock, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    things, pages = github.repositories[0].things, 0

    def stir(request: Any) -> None:
        nonlocal pages
        pages += request.path == "/api/graphql"
        if pages == 2 and request.path == "/api/graphql":
            clock.advance(seconds=1)
            things[1].comment(github.account("late"))

    github.before = stir
    small.read()
    small.read()

    said = [one for one in small.rows()["events"] if one[-1] == ("github", "late")]
    assert [one[0] for one in said] == [1]


def test_timelines_that_do_not_fit_are_followed(small: World, github: GitHub) -> None:
    pull, issue = github.repositories[0].things[1], github.repositories[0].things[8]
    for _ in range(230):
        pull.comment(github.account("eve"))
        issue.comment(github.account("eve"))

    small.read()

    assert sum(one[0] == 1 and one[-1] == ("github", "eve") for one in small.rows()["events"]) == 231
    assert sum(one[0] == 8 and one[-1] == ("github", "eve") for one in small.rows()["issue events"]) == 231


def test_many_comments_on_lines_of_one_second_are_all_read(small: World, github: GitHub, monkeypatch: Patch) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 3)
    github.repositories[0].things[3].review("COMMENTED", github.account("ben"), lines=10)

    small.read()

    assert sum("line/" in one[2] for one in small.rows()["events"]) == 18 + 10


def test_the_hour_is_waited_for_and_said(small: World, github: GitHub, clock: FixedClock) -> None:
    github.points.look(clock.now())
    github.points.used = 5000
    job = small.read()

    assert job.state is JobState.WAITING
    assert job.note == f"the hour's budget at 127.0.0.1 is used up; goes on at {github.points.resets_at:%H:%M} UTC"
    assert 3500 < small.waits_s <= 3600
    clock.advance(hours=1, minutes=1)
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


def test_the_last_of_the_hour_is_left_to_others(
    small: World, github: GitHub, clock: FixedClock, monkeypatch: Patch
) -> None:
    monkeypatch.setattr("app.github.reading.MOST", 2)
    github.points.look(clock.now())
    github.points.used = 4905
    job = small.read()

    assert job.state is JobState.WAITING
    assert 4900 <= github.points.used <= 4910
    assert len(small.rows()["changes"]) > 0


@pytest.mark.parametrize(
    ("fault", "note", "seconds"),
    [
        (Fault(403, '{"message": "You have exceeded a secondary rate limit"}', (("Retry-After", "90"),)),
         "127.0.0.1 asks for a pause of 90 s", 90),
        (Fault(429, '{"message": "slow down"}'), "127.0.0.1 asks for a pause", 60),
        (Fault(502), "127.0.0.1 answered 502; trying again", 10),
        (Fault(200, "<html>maintenance</html>"),
         "GitHub answered with what is no JSON ('<html>maintenance</html>'); trying again", 10),
        (Fault(200, "[]", only="repos/acme/tensor"), "", 0),
        (Fault(drops=True), "127.0.0.1 cannot be reached (ConnectionError); trying again", 10),
    ],
)  # fmt: skip
def test_who_is_asked_to_wait_waits_and_says_so(
    small: World, github: GitHub, fault: Fault, note: str, seconds: int
) -> None:
    github.fails(fault)
    job = small.read()

    assert job.state is JobState.WAITING
    assert (job.note or "").startswith(note)
    assert small.waits_s > seconds - 8
    assert small.rows()["changes"] == []
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


@pytest.mark.parametrize(
    "nonsense",
    [
        {"data": None},
        {"data": {"repository": None}},
        {"data": {"repository": {"page": {"totalCount": "many"}}}},
        {"data": {"repository": {"page": {"totalCount": 1, "pageInfo": {"hasNextPage": False, "endCursor": None},
                                          "nodes": [{"id": "PR_1", "__typename": "PullRequest", "timelineItems": {
                                              "pageInfo": {"hasNextPage": False, "endCursor": None}, "nodes": []}}]}}}},
        {"data": {"repository": {"page": {"totalCount": 9, "pageInfo": {"hasNextPage": True, "endCursor": None},
                                          "nodes": []}}}},
    ],
)  # fmt: skip
def test_nonsense_is_said_and_nothing_is_half_written(
    small: World, github: GitHub, nonsense: object, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(reading_jobs, "MOST_FAILURES", 2)
    github.fails(*[Fault(200, json.dumps(nonsense), only="graphql")] * reading_jobs.MOST_FAILURES)
    job = small.read()
    for _ in range(reading_jobs.MOST_FAILURES):
        small.wake(job.public_id)
        job = small.go_on(job.public_id)

    assert job.state is JobState.FAILED
    assert (job.error or "").startswith(("GitHub", "127.0.0.1 answered"))
    assert small.rows() == {**small.rows(), "changes": [], "events": [], "issues": []}
    assert small.read().state is JobState.SUCCEEDED


def test_a_page_that_is_too_much_is_asked_for_in_smaller_ones(small: World, github: GitHub) -> None:
    gave_up = '{"errors": [{"message": "Something went wrong while executing your query."}]}'
    github.fails(Fault(502, only="graphql"), Fault(200, gave_up, only="graphql"))
    small.read()

    assert len(small.rows()["changes"]) == 6
    assert small.job(small.ask()).state is JobState.QUEUED


def test_a_page_of_things_that_are_gone_stops_nobody_and_one_that_follows_itself_is_nonsense(
    small: World, github: GitHub, monkeypatch: Patch
) -> None:
    small.read()
    small.a_day_passes()
    empty = {"data": {"repository": {"page": {"totalCount": 9, "pageInfo": {"hasNextPage": True, "endCursor": "x"},
                                              "nodes": [None]}}}}  # fmt: skip
    github.fails(*[Fault(200, json.dumps(empty), only="graphql")] * 2)
    job = small.read(patience=1)
    assert job.state is JobState.WAITING
    assert "it is followed by itself" in (job.note or "")


def test_numbers_that_are_too_much_together_are_asked_for_in_halves(small: World, github: GitHub) -> None:
    small.read()
    with small.db.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        for number in (1, 2, 3):
            ask_to_read(session, repository.id, number, because="a test asks")
    github.fails(Fault(502, only="graphql"))
    assert small.read(patience=1).state is JobState.SUCCEEDED
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []


def test_what_is_asked_for_by_a_clock_that_is_ahead_is_left_for_later(small: World, github: GitHub) -> None:
    small.read()
    with small.db.write() as session:
        repository = session.scalars(sa.select(Repository)).one()
        ask_to_read(session, repository.id, 1, because="a test asks")
        session.execute(sa.update(NumberDue).values(asked_at=small.clock.now() + timedelta(minutes=1)))
    before = len(github.asked)
    assert small.read().state is JobState.SUCCEEDED
    assert len(github.asked) - before < 10
    small.clock.advance(minutes=2)
    small.read()
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []


def test_whoever_was_never_seen_before_is_somebody_when_all_is_read(small: World) -> None:
    small.read()
    with small.db.read() as session:
        resolved = set(session.scalars(sa.select(IdentityPerson.identity_id)))
        assert {one.id for one in session.scalars(sa.select(Identity)) if one.login} <= resolved


def test_a_revoked_token_needs_somebody(small: World, github: GitHub) -> None:
    github.tokens.clear()
    job = small.read()

    assert job.state is JobState.NEEDS_PERSON
    assert job.error is not None
    assert "does not accept the portal's token any more; name a file with a new one" in job.error
    assert small.connection().problem == job.error
    github.tokens.add(TOKEN)
    assert small.read().state is JobState.SUCCEEDED
    assert small.connection().problem == ""
    assert small.job(job.public_id).state is JobState.CANCELLED, "another reading took its place"


def test_with_a_new_token_in_its_file_reading_goes_on_by_itself(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    made = world(github, db, clock, settings, token=SecretStr(TOKEN), secret_file=str(file))
    busy(github, clock)
    github.tokens.clear()
    job = made.read()
    assert job.state is JobState.NEEDS_PERSON
    assert "put a new one into the file that FLAMBEAU_GITHUB_TOKEN_FILE names" in (job.error or "")
    before = len(github.asked)

    made.watch()
    assert len(github.asked) == before, "the same token is not tried again"
    file.write_text("")
    made.watch()
    assert len(github.asked) == before, "nor none while the file is being written"
    github.tokens.add("ghp_another")
    file.write_text("ghp_another\n")
    made.watch()

    assert made.connection().problem == made.connection().refused == ""
    assert len(made.rows()["changes"]) == 6
    assert made.job(job.public_id).state is JobState.CANCELLED
    assert "other credentials may read it" in made.everywhere(), "the audit log knows"
    assert not {TOKEN, "ghp_another"} & set(json.loads(made.everywhere())["github_connection"][0])


def test_what_no_token_helps_stays_with_whoever_must_act(small: World, github: GitHub) -> None:
    github.repositories[0].is_private = True
    assert small.read().state is JobState.NEEDS_PERSON
    before = len(github.asked)
    small.watch()
    small.watch()
    assert len(github.asked) == before


def test_once_a_token_is_set_what_waited_for_one_is_read(small: World, settings: Settings) -> None:
    house = small.app.extensions["flambeau"]
    with_token, house.settings = house.settings, settings
    assert small.read().state is JobState.NEEDS_PERSON
    small.watch()
    assert small.connection().problem
    house.settings = with_token
    small.watch()
    assert (small.connection().problem, len(small.rows()["changes"])) == ("", 6)


def test_a_renamed_repository_is_followed_and_written_down(small: World, github: GitHub) -> None:
    small.read()
    github.repositories[0].rename("flambeau/core")
    small.a_day_passes()

    assert small.read().state is JobState.SUCCEEDED
    assert small.connection().full_name == "flambeau/core"
    assert len(small.rows()["changes"]) == 7
    assert '"github.rename"' in small.everywhere() or "github.rename" in small.everywhere()


def test_a_name_that_somebody_else_took_is_not_read(small: World, github: GitHub) -> None:
    small.read()
    github.repositories[0].rename("flambeau/core")
    github.repositories[0].former.clear()
    github.repository("acme/tensor").pull("Not ours", github.account("eve"))
    job = small.read()

    assert job.state is JobState.NEEDS_PERSON
    assert "another repository at GitHub now" in (job.error or "")
    assert len(small.rows()["changes"]) == 6


def test_a_private_repository_is_not_shown_to_everybody(small: World, github: GitHub) -> None:
    github.repositories[0].is_private = True
    job = small.read()

    assert job.state is JobState.NEEDS_PERSON
    assert "is private at GitHub" in (job.error or "")
    assert small.rows()["changes"] == []


def test_a_repository_that_is_not_there_is_said(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    job = world(github, db, clock, settings, full_name="acme/none").read()

    assert job.state is JobState.NEEDS_PERSON
    assert "there is no acme/none at 127.0.0.1 that the portal's token may read" in (job.error or "")


def test_a_deleted_issue_stops_nobody(small: World, github: GitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    repository = github.repositories[0]
    issue = repository.things[8]
    for _ in range(120):
        issue.comment(None)

    def gone(request: Any) -> None:
        if b"query Rest" in request.get_data(cache=True) and 8 in repository.things:
            repository.delete(issue)

    github.before = gone
    assert small.read().state is JobState.SUCCEEDED
    with small.db.write() as session:
        ask_to_read(session, session.scalars(sa.select(Repository.id)).one(), 8, because="a webhook")
        ask_to_read(session, session.scalars(sa.select(Repository.id)).one(), 2, because="a webhook")
    assert small.read().state is JobState.SUCCEEDED
    with small.db.read() as session:
        assert session.scalars(sa.select(NumberDue)).all() == []


def test_no_token_is_a_sentence(small: World, settings: Settings) -> None:
    small.app.extensions["flambeau"].settings = settings
    job = small.read()

    assert job.state is JobState.NEEDS_PERSON
    assert "FLAMBEAU_GITHUB_TOKEN_FILE" in (job.error or "")


@pytest.mark.slow
def test_the_token_is_kept_nowhere_and_goes_to_the_interface_alone(
    small: World, github: GitHub, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    elsewhere: list[Any] = []

    def listen(environ: Any, start: Any) -> Any:
        elsewhere.append(environ)
        start("200 OK", [])
        return [b"{}"]

    server = make_server("127.0.0.1", 0, listen)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    for status in (301, 302, 307):
        for host in ("localhost", "127.0.0.1"):
            github.fails(Fault(status, "{}", (("Location", f"http://{host}:{server.server_port}/stolen"),)))
            small.read()
    server.shutdown()
    thread.join()
    server.server_close()
    small.read()

    # On the same host a path is followed, on its own port; there is none.
    assert all(one.startswith("GET /stolen") for one in github.refusals)
    github.refusals.clear()
    assert elsewhere == []
    assert TOKEN not in small.everywhere()
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(small.app.extensions["flambeau"].settings)


def pem() -> SecretStr:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return SecretStr(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode())


def test_an_app_reads_with_tokens_of_its_installation(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    github.tokens.clear()
    github.installations[77] = "acme"
    made = world(github, db, clock, settings, app_id="1", app_key=pem())
    busy(github, clock)

    assert made.read().state is JobState.SUCCEEDED
    assert len(made.rows()["changes"]) == 6
    assert {one.token[:4] for one in github.asked if one.path == "/api/graphql"} == {"ghs_"}


@pytest.mark.parametrize(
    ("key", "fault", "said"),
    [
        ("", None, "the portal's App may read; correct the name, or install the App there"),
        ("", Fault(401, '{"message": "A JSON web token could not be decoded"}'), "FLAMBEAU_GITHUB_APP_KEY_FILE"),
        ("it was here", None, "FLAMBEAU_GITHUB_APP_KEY holds no key that signs"),
    ],
)  # fmt: skip
def test_an_app_that_may_not_read_is_told_of_as_an_app(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings, key: str, fault: Fault | None, said: str
) -> None:
    made = world(github, db, clock, settings, app_id="1", app_key=SecretStr(key) if key else pem())
    if fault:
        github.fails(fault)

    job = made.read()

    assert job.state is JobState.NEEDS_PERSON
    assert said in (job.error or "")
    assert "token" not in (job.error or "")
    assert made.connection().problem == job.error


@pytest.mark.postgres
def test_postgresql_holds_the_same(
    github: GitHub, db: Database, postgres_url: str, clock: FixedClock, settings: Settings
) -> None:
    lite = world(github, db, clock, settings)
    a_day_passes = busy(github, clock)
    server = Database(postgres_url, clock=clock)
    great = world(github, server, clock, settings)
    great.read()
    a_day_passes()
    for one in (lite, great):
        assert one.read().state is JobState.SUCCEEDED

    assert great.rows() == lite.rows()
    server.close()
