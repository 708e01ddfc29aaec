"""The pages of the jobs: who sees the log, who may stop and restart, and what is written down about it."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from app import audit, jobs
from app.audit import Actor
from app.db import Database
from app.jobs import Failed, Job, JobState, StepContext, Worker, Workflow, claim, enqueue
from app.jobs.workflows import _schedules


@pytest.fixture
def job(app: Flask, db: Database) -> str:
    """A job that failed in its second step, after writing a line."""
    _schedules.clear()
    workflow = Workflow("page-bake", title="Bread of the day")

    @workflow.step("knead")
    def knead(step: StepContext) -> None:
        step.log("kneading <script>alert(1)</script>")

    @workflow.step("bake")
    def bake(step: StepContext) -> None:
        raise Failed("The oven is cold; light it and try again.")

    with db.write() as session:
        made = enqueue(session, "page-bake", {}, actor=Actor.system("test")).public_id
    Worker(app).run_once()
    return made


def state(db: Database, public_id: str) -> JobState:
    with db.read() as session:
        found = jobs.job_by_public_id(session, public_id)
        assert found is not None
        return found.state


def test_a_visitor_sees_steps_and_the_sentence_but_not_the_log(client: FlaskClient, job: str) -> None:
    page = client.get(f"/jobs/{job}").text
    assert "Bread of the day" in page
    assert "The oven is cold; light it and try again." in page
    assert "kneading" not in page
    assert "Try again from" not in page
    assert "data-live" not in page, "nothing moves any more"


def test_the_log_is_shown_to_people_signed_in_as_text(administrator: FlaskClient, job: str) -> None:
    page = administrator.get(f"/jobs/{job}").text
    assert "kneading &lt;script&gt;" in page


def test_the_list_shows_it_and_can_be_narrowed(client: FlaskClient, job: str) -> None:
    assert "Bread of the day" in client.get("/jobs/").text
    assert "Bread of the day" in client.get("/jobs/?state=failed").text
    assert "Bread of the day" not in client.get("/jobs/?state=running").text


def test_an_administrator_starts_it_again_with_a_reason_that_is_kept(
    administrator: FlaskClient, db: Database, job: str
) -> None:
    refused = administrator.post(f"/jobs/{job}/retry", data={"reason": "  "})
    assert (refused.status_code, "say in a sentence why" in refused.text) == (400, True)
    assert state(db, job) is JobState.FAILED
    administrator.post(f"/jobs/{job}/retry", data={"reason": "lit the oven"})
    assert state(db, job) is JobState.QUEUED
    with db.read() as session:
        entry = session.scalars(sa.select(audit.AuditEntry)).one()
        assert (entry.action, entry.thing, entry.reason) == ("jobs.retry", job, "lit the oven")
        assert entry.actor_id == "p_administrator"


def test_a_running_job_is_asked_to_stop(administrator: FlaskClient, db: Database, job: str) -> None:
    administrator.post(f"/jobs/{job}/retry", data={"reason": "again"})
    lease = claim(db, queue="worker", worker="w")
    assert lease is not None
    assert "data-live" in administrator.get(f"/jobs/{job}").text
    assert "Work under way" in administrator.get("/").text
    administrator.post(f"/jobs/{job}/cancel", data={"reason": "no guests"})
    assert lease.heartbeat() is False
    lease.stop()
    assert state(db, job) is JobState.CANCELLED


def test_a_finished_job_cannot_be_stopped(administrator: FlaskClient, db: Database, job: str) -> None:
    with db.write() as session:
        session.execute(sa.update(Job).values(state=JobState.SUCCEEDED))
    answer = administrator.post(f"/jobs/{job}/cancel", data={"reason": "too late"})
    assert (answer.status_code, "it is over already" in answer.text) == (400, True)


def test_strangers_and_people_without_the_seat_cannot(client: FlaskClient, signed_in: object, job: str) -> None:
    assert client.post(f"/jobs/{job}/retry", data={"reason": "x"}).status_code == 401
    signed_in(client, "p_eve")  # type: ignore[operator]  # the fixture's callable
    assert client.post(f"/jobs/{job}/retry", data={"reason": "x"}).status_code == 403
