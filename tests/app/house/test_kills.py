"""A worker killed with signal 9 anywhere loses nothing and does nothing twice, on both databases."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import audit, jobs
from app.audit import Actor
from app.db import Database
from app.jobs import Job, JobState, enqueue
from tests.app.house.killed_worker import PLACES, STEPS, declare

ROOT = Path(__file__).resolve().parents[3]
LEASE_S = 1.0
pytestmark = pytest.mark.slow


def start_worker(url: str, home: Path, plan: Path) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "FLAMBEAU_HOME": str(home), "DATABASE_URL": url, "FLAMBEAU_LOG_JSON": ""}
    command = [sys.executable, "-m", "tests.app.house.killed_worker", str(plan), str(LEASE_S)]
    return subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL)


def begin(db: Database, plan: Path) -> str:
    plan.mkdir()
    declare(plan)
    with db.write() as session:
        session.execute(sa.text("CREATE TABLE kill_published (name TEXT)"))
    with db.write() as session:
        return enqueue(session, "kill-release", {}, actor=Actor.system("test"), key="1f3a9c0").public_id


def state_of(db: Database, job: str) -> JobState:
    with db.read() as session:
        found = jobs.job_by_public_id(session, job)
        assert found is not None
        return found.state


def assert_done_once(db: Database, job: str) -> None:
    with db.read() as session:
        found = jobs.job_by_public_id(session, job)
        assert found is not None
        assert found.state is JobState.SUCCEEDED
        assert [step.name for step in found.steps] == list(STEPS)
        assert session.scalar(sa.text("SELECT count(*) FROM kill_published")) == 1, "one published file"
        actions = session.scalars(sa.select(audit.AuditEntry.action).order_by(audit.AuditEntry.number)).all()
        assert actions == [f"jobs.kill-release.{step}" for step in STEPS], "one audit entry a step"
        assert audit.verify(session).ok
        assert session.scalar(sa.select(Job.id).where(Job.lease_expires_at.is_not(None))) is None, "no lease left"


def test_killed_at_the_beginning_middle_and_end_of_each_step(db_each: Database, each_url: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    job = begin(db_each, plan)
    for step in STEPS:
        for place in PLACES:
            (plan / f"kill-{step}-{place}").touch()
    deaths = 0
    while state_of(db_each, job) is not JobState.SUCCEEDED:
        worker = start_worker(each_url, tmp_path, plan)
        deaths += worker.wait(timeout=60) == -9
    assert deaths == 9
    assert_done_once(db_each, job)
    notes = (plan / "notes").read_text().split("\n")
    assert notes.count("fetch beginning") == 4, "three kills within the step and the run that went through"


def test_killed_at_random_moments(db_each: Database, each_url: str, tmp_path: Path) -> None:
    plan = tmp_path / "plan"
    job = begin(db_each, plan)
    for _ in range(3):
        worker = start_worker(each_url, tmp_path, plan)
        time.sleep(random.uniform(0.4, 1.2))
        worker.kill()
        worker.wait()
    while state_of(db_each, job) is not JobState.SUCCEEDED:
        start_worker(each_url, tmp_path, plan).wait(timeout=60)
    assert_done_once(db_each, job)
