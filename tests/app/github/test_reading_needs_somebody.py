"""What only somebody can mend (a revoked token, a private repository, another's name): told, and gone on from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.clock import FixedClock
from app.db import Database
from app.jobs import Job, JobState, cancel, retry
from app.settings import Settings
from tests.app.github.world import ACTOR, World, busy, world
from tests.doubles.github import Fault, GitHub
from tests.doubles.github.server import TOKEN


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


@pytest.mark.parametrize("dies", [False, True])
def test_a_reading_that_is_run_again_on_its_page_reads_no_private_repository(
    small: World, github: GitHub, dies: bool
) -> None:
    """Its steps so far are recorded and not done again; whether it may be read is asked whoever takes it up."""
    job = small.job(small.ask())
    github.fails(*[Fault(502, only="graphql")] * 9)
    assert small.go_on(job.public_id).state is JobState.WAITING
    github.faults.clear()
    github.repositories[0].is_private = True
    if dies:
        small.wake(job.public_id)
        assert small.go_on(job.public_id).state is JobState.NEEDS_PERSON
    else:
        with small.db.write() as session:
            cancel(session, session.get_one(Job, job.id), ACTOR, "stopped on its page")
    with small.db.write() as session:
        assert retry(session, session.get_one(Job, job.id))

    stopped = small.go_on(job.public_id)
    assert (stopped.state, stopped.step) == (JobState.NEEDS_PERSON, "pull requests")
    assert "is private at GitHub" in (stopped.error or "")
    assert small.rows()["changes"] == []
    github.repositories[0].is_private = False
    with small.db.write() as session:
        retry(session, session.get_one(Job, job.id))
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


def test_a_repository_that_is_not_there_is_said(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    job = world(github, db, clock, settings, full_name="acme/none").read()

    assert job.state is JobState.NEEDS_PERSON
    assert "there is no acme/none at 127.0.0.1 that the portal's token may read" in (job.error or "")


def test_no_token_is_a_sentence(small: World, settings: Settings) -> None:
    small.app.extensions["flambeau"].settings = settings
    job = small.read()

    assert job.state is JobState.NEEDS_PERSON
    assert "FLAMBEAU_GITHUB_TOKEN_FILE" in (job.error or "")
