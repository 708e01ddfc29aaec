"""A worker that is killed with signal 9 at the places its plan names; run by test_kills.py as a process of its own.

The plan is a folder: a file `kill-<step>-<place>` in it kills the worker there, once. What the steps did is noted in
`notes`, one line each, written before the kill.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from app import create_app
from app.jobs import StepContext, Worker, Workflow
from app.jobs.workflows import _schedules

PLACES = ("beginning", "middle", "end")
STEPS = ("fetch", "publish", "announce")


def declare(plan: Path) -> Workflow:
    """A workflow of three steps: two plain ones around a transactional one."""
    workflow = Workflow("kill-release", audited=True, backoff_s=0.01, crashes=100)

    def here(step: str, place: str) -> None:
        order = plan / f"kill-{step}-{place}"
        with (plan / "notes").open("a") as notes:
            notes.write(f"{step} {place}\n")
        if order.exists():
            order.unlink()
            os.kill(os.getpid(), signal.SIGKILL)

    @workflow.step("fetch")
    def fetch(step: StepContext) -> str:
        here("fetch", "beginning")
        (plan / "fetched").write_text("bytes")
        here("fetch", "middle")
        step.log("fetched")
        here("fetch", "end")
        return "bytes"

    @workflow.step("publish", transactional=True)
    def publish(step: StepContext) -> int:
        here("publish", "beginning")
        step.session.execute(sa.text("INSERT INTO kill_published (name) VALUES ('flambeau.whl')"))
        here("publish", "middle")
        step.log("published")
        here("publish", "end")
        return 1

    @workflow.step("announce")
    def announce(step: StepContext) -> str:
        for place in PLACES:
            here("announce", place)
        announced: str = step.results["fetch"]
        return announced

    return workflow


if __name__ == "__main__":
    application = create_app()
    declare(Path(sys.argv[1]))
    _schedules.clear()
    worker = Worker(application, lease_s=float(sys.argv[2]))
    while worker.run_once() is None:
        worker.stopping.wait(0.05)
