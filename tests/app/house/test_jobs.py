"""Jobs: steps recorded once, leases with fences, retries, waiting, cancelling, schedules, limits."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import sqlalchemy as sa
from flask import Flask

from app import audit, create_app, jobs
from app.audit import Actor
from app.clock import FixedClock
from app.db import Database, database_now
from app.jobs import Failed, Job, JobState, NeedsPerson, NotYet, StepContext, Worker, Workflow, claim, enqueue
from app.jobs.workflows import _schedules
from app.settings import Settings

TESTER = Actor.system("test")


@pytest.fixture(autouse=True)
def no_schedules() -> None:
    """The schedules of the slices rest, so that a worker does nothing but the test's own jobs."""
    _schedules.clear()


@pytest.fixture
def app_each(settings: Settings, db_each: Database, clock: FixedClock) -> Flask:
    """The portal, once on each kind of database."""
    return create_app(settings.model_copy(update={"database_url": str(db_each.url)}), clock=clock, db=db_each)


@pytest.fixture
def worker(app_each: Flask) -> Worker:
    """A worker of the test's own."""
    return Worker(app_each, name="w1")


def start(db: Database, workflow: str, payload: dict[str, object] | None = None, **more: object) -> str:
    with db.write() as session:
        return enqueue(session, workflow, payload or {}, actor=TESTER, **more).public_id  # type: ignore[arg-type]


def look(db: Database, public_id: str) -> Job:
    with db.read() as session:
        job = jobs.job_by_public_id(session, public_id)
        assert job is not None
        assert isinstance(job.steps, list)
        return job


def make_due(db: Database) -> None:
    with db.write() as session:
        session.execute(sa.update(Job).values(run_at=database_now(session)))


def bake() -> Workflow:
    workflow = Workflow("bake", backoff_s=0.01)

    @workflow.step("knead")
    def knead(step: StepContext) -> dict[str, int]:
        step.log("kneading")
        return {"grams": step.payload["grams"]}

    @workflow.step("sell", transactional=True)
    def sell(step: StepContext) -> int:
        audit.record(step.session, actor=step.actor, action="bread.sell", thing="bread", reason="")
        price: int = step.results["knead"]["grams"] * 2
        return price

    return workflow


def test_a_job_runs_its_steps_in_order_and_keeps_their_results(db_each: Database, worker: Worker) -> None:
    bake()
    made = start(db_each, "bake", {"grams": 500})
    assert worker.run_once() == made
    job = look(db_each, made)
    assert job.state is JobState.SUCCEEDED
    assert [(step.name, step.result) for step in job.steps] == [("knead", {"grams": 500}), ("sell", 1000)]
    assert job.lease_expires_at is None
    assert worker.run_once() is None


def test_a_second_request_with_the_same_key_gives_the_first_job(db_each: Database, worker: Worker) -> None:
    bake()
    first = start(db_each, "bake", {"grams": 1}, key="loaf")
    worker.run_once()
    assert start(db_each, "bake", {"grams": 2}, key="loaf") == first
    assert worker.run_once() is None


def test_a_step_that_raises_runs_again_and_the_one_before_does_not(db_each: Database, worker: Worker) -> None:
    workflow, ran = Workflow("shaky", backoff_s=0.01), []

    @workflow.step("once")
    def once(step: StepContext) -> None:
        ran.append("once")

    @workflow.step("third-time")
    def third_time(step: StepContext) -> None:
        ran.append("third-time")
        if ran.count("third-time") < 3:
            raise RuntimeError("not this time")

    made = start(db_each, "shaky")
    for _ in range(3):
        worker.run_once()
        make_due(db_each)
    assert ran == ["once", "third-time", "third-time", "third-time"]
    job = look(db_each, made)
    assert job.state is JobState.SUCCEEDED
    assert job.error is None


def test_a_step_that_keeps_raising_fails_with_its_last_error(db_each: Database, worker: Worker) -> None:
    workflow = Workflow("doomed", attempts=2, backoff_s=0.01)

    @workflow.step("burn", transactional=True)
    def burn(step: StepContext) -> None:
        audit.record(step.session, actor=step.actor, action="never", thing="x", reason="")
        raise RuntimeError("the oven is cold")

    made = start(db_each, "doomed")
    worker.run_once()
    assert look(db_each, made).state is JobState.WAITING
    make_due(db_each)
    worker.run_once()
    job = look(db_each, made)
    assert (job.state, job.error) == (JobState.FAILED, "RuntimeError: the oven is cold")
    with db_each.read() as session:
        assert audit.head(session)[0] == 0, "what a failed transactional step wrote must be gone"


def test_failed_stops_at_once_and_not_yet_waits_without_counting(db_each: Database, worker: Worker) -> None:
    workflow, asked = Workflow("patient", attempts=1), []

    @workflow.step("wait")
    def wait(step: StepContext) -> None:
        asked.append(1)
        if len(asked) < 4:
            raise NotYet(60, "waiting for flour")
        raise Failed("There is no flour; buy some.")

    made = start(db_each, "patient")
    worker.run_once()
    assert look(db_each, made).note == "waiting for flour"
    assert worker.run_once() is None, "it is not due for a minute"
    for _ in range(3):
        make_due(db_each)
        worker.run_once()
    job = look(db_each, made)
    assert (job.state, job.error) == (JobState.FAILED, "There is no flour; buy some.")


def test_a_step_that_needs_somebody_waits_for_them_and_goes_on_from_there(db_each: Database, worker: Worker) -> None:
    workflow, flour = Workflow("hungry"), []

    @workflow.step("look")
    def look_for_flour(step: StepContext) -> None:
        if not flour:
            raise NeedsPerson("There is no flour; buy some.")

    made = start(db_each, "hungry")
    worker.run_once()
    job = look(db_each, made)
    assert (job.state, job.error) == (JobState.NEEDS_PERSON, "There is no flour; buy some.")
    assert worker.run_once() is None
    flour.append(1)
    with db_each.write() as session:
        assert jobs.retry(session, session.get_one(Job, job.id))
    worker.run_once()
    assert look(db_each, made).state is JobState.SUCCEEDED


def test_of_two_workers_the_one_whose_lease_ran_out_cannot_write(db_each: Database) -> None:
    bake()
    start(db_each, "bake", {"grams": 1})
    slow = claim(db_each, queue="worker", worker="slow")
    assert slow is not None
    assert claim(db_each, queue="worker", worker="early") is None
    with db_each.write() as session:
        session.execute(sa.update(Job).values(lease_expires_at=database_now(session)))
    quick = claim(db_each, queue="worker", worker="quick")
    assert quick is not None
    assert quick.fence == slow.fence + 1
    for write in (slow.heartbeat, slow.record, slow.release, lambda: slow.log("x"), lambda: slow.progress(0.5)):
        with pytest.raises(jobs.LeaseLost):
            write()
    following = quick.record({"grams": 1})
    assert following is not None
    assert following.step == "sell"
    assert look(db_each, quick.job).crashes == 0


def test_a_worker_that_dies_too_often_in_one_step_calls_a_person(db_each: Database) -> None:
    bake().crashes = 1
    made = start(db_each, "bake", {"grams": 1})
    for _ in range(2):
        assert claim(db_each, queue="worker", worker="mortal", lease_s=0) is not None
    assert claim(db_each, queue="worker", worker="mortal", lease_s=0) is None
    job = look(db_each, made)
    assert job.state is JobState.NEEDS_PERSON
    assert "died 2 times in the step knead" in str(job.error)


def test_a_queued_job_is_cancelled_at_once(db_each: Database, worker: Worker) -> None:
    bake()
    made = start(db_each, "bake", {"grams": 1})
    with db_each.write() as session:
        job = jobs.job_by_public_id(session, made)
        assert job is not None
        assert jobs.cancel(session, job, TESTER, "no guests")
        assert jobs.cancel(session, job, TESTER, "again") is False
    assert worker.run_once() is None
    assert look(db_each, made).state is JobState.CANCELLED


def test_a_running_job_stops_when_it_next_says_how_far_it_is(db_each: Database, worker: Worker) -> None:
    workflow = Workflow("long")

    @workflow.step("walk")
    def walk(step: StepContext) -> None:
        with step.db.write() as session:
            job = jobs.job_by_public_id(session, step.job.public_id)
            assert job is not None
            jobs.cancel(session, job, TESTER, "enough")
        step.progress(0.5, "half way")
        raise AssertionError("went on after it was cancelled")

    made = start(db_each, "long")
    worker.run_once()
    job = look(db_each, made)
    assert (job.state, job.cancel_reason) == (JobState.CANCELLED, "enough (system:test)")


def test_a_job_whose_next_step_is_gone_after_a_deploy_needs_a_person(db_each: Database, worker: Worker) -> None:
    bake()
    made = start(db_each, "bake", {"grams": 1})
    lease = claim(db_each, queue="worker", worker="old")
    assert lease is not None
    following = lease.record({"grams": 1})
    assert following is not None
    following.release()
    renamed = Workflow("bake")
    renamed.step("knead")(lambda step: None)
    renamed.step("give-away")(lambda step: None)
    assert worker.run_once() is None
    job = look(db_each, made)
    assert job.state is JobState.NEEDS_PERSON
    assert "next step, sell, no longer exists" in str(job.error)
    bake()
    with db_each.write() as session:
        assert jobs.retry(session, session.get_one(Job, job.id))
    worker.run_once()
    assert look(db_each, made).state is JobState.SUCCEEDED


def test_one_job_at_a_time_uses_a_kind_of_hardware(db_each: Database) -> None:
    bake()
    for _ in range(3):
        start(db_each, "bake", {"grams": 1}, hardware="oven")
    assert claim(db_each, queue="worker", worker="without an oven") is None
    first = claim(db_each, queue="worker", worker="a", hardware="oven")
    assert first is not None
    assert claim(db_each, queue="worker", worker="b", hardware=["oven", "stove"]) is None
    second = claim(db_each, queue="worker", worker="b", hardware="oven", limits={"oven": 2})
    assert second is not None
    first.fail("cold")
    second.fail("cold")
    assert claim(db_each, queue="worker", worker="c", hardware="oven") is not None


def test_a_schedule_enqueues_when_due_and_never_piles_up(db_each: Database, worker: Worker) -> None:
    bake()
    jobs.schedule("daily-bread", every_s=3600, workflow="bake", payload={"grams": 1})
    assert jobs.tick(db_each) == ["daily-bread"]
    assert jobs.tick(db_each) == [], "it is not due for an hour"
    overdue = sa.text("UPDATE job_schedule SET next_at = :then")
    with db_each.write() as session:
        then = database_now(session) - timedelta(hours=1)
        session.execute(overdue.bindparams(sa.bindparam("then", then, jobs.Job.run_at.type)))
    assert jobs.tick(db_each) == [], "the last run has not even begun"
    assert len(worker.run_until_idle()) == 1


def test_an_audited_workflow_writes_one_entry_a_step(db_each: Database, worker: Worker) -> None:
    workflow = Workflow("official", audited=True)
    workflow.step("one")(lambda step: None)
    workflow.step("two", transactional=True)(lambda step: None)
    made = start(db_each, "official", key="k")
    worker.run_once()
    with db_each.read() as session:
        entries = session.scalars(sa.select(audit.AuditEntry).order_by(audit.AuditEntry.number)).all()
        assert [entry.action for entry in entries] == ["jobs.official.one", "jobs.official.two"]
        assert {entry.thing for entry in entries} == {made}


def test_log_lines_keep_hostile_text_harmless(db_each: Database, worker: Worker) -> None:
    workflow = Workflow("noisy")

    @workflow.step("shout")
    def shout(step: StepContext) -> None:
        step.log("nul \x00 and a lone \ud800")

    start(db_each, "noisy")
    worker.run_once()
    with db_each.read() as session:
        assert session.scalar(sa.select(jobs.JobLog.text)) == "nul \ufffd and a lone ?"


def test_four_workers_at_once_do_each_job_once_and_share_the_oven(db_each: Database, app_each: Flask) -> None:
    workflow = Workflow("race")
    ran: list[str] = []
    baking: list[str] = []
    most_at_once = 0

    @workflow.step("only")
    def only(step: StepContext) -> None:
        nonlocal most_at_once
        if step.job.hardware:
            baking.append(step.job.public_id)
            most_at_once = max(most_at_once, len(baking))
            time.sleep(0.05)
            baking.remove(step.job.public_id)
        ran.append(step.job.public_id)

    made = [start(db_each, "race", hardware="oven" if number < 8 else None) for number in range(24)]
    workers = [Worker(app_each, name=f"w{number}", hardware=("oven",)) for number in range(4)]

    def work(worker: Worker) -> None:
        while len(ran) < len(made):
            worker.run_once()

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work, worker) for worker in workers]:
            done.result(timeout=120)
    assert sorted(ran) == sorted(made)
    assert most_at_once == 1, "one job at a time uses the oven"
    assert {look(db_each, job).state for job in made} == {JobState.SUCCEEDED}
    assert {look(db_each, job).fence for job in made} == {1}, "no job was claimed twice"


def test_what_opens_a_workflow_is_done_whenever_a_worker_takes_the_job_up(db_each: Database, worker: Worker) -> None:
    looked: list[str] = []
    workflow = Workflow("shop", backoff_s=0.01)

    @workflow.opens
    def is_allowed(step: StepContext) -> None:
        looked.append(step.name)
        if len(looked) == 2:
            raise NeedsPerson("somebody took the permission back")

    @workflow.step("unlock")
    def unlock(step: StepContext) -> None:
        pass

    @workflow.step("sell")
    def sell(step: StepContext) -> str:
        if len(looked) < 3:
            raise NotYet(0, "nobody is there")
        return "sold"

    made = start(db_each, "shop")
    worker.run_until_idle()
    stopped = look(db_each, made)
    assert (stopped.state, stopped.error) == (JobState.NEEDS_PERSON, "somebody took the permission back")
    with db_each.write() as session:
        assert jobs.retry(session, session.get_one(Job, stopped.id))
    worker.run_until_idle()
    assert look(db_each, made).state is JobState.SUCCEEDED
    assert looked == ["unlock", "sell", "sell"]
