"""PDFs that were made of reports: found by their job, kept as files, gone when somebody asks to be hidden."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.jobs import Job
from app.people.models import Person
from app.settings import Settings

WORKFLOW = "report"


@dataclass(frozen=True)
class Printed:
    """The newest PDF of a report: its file and when it was made, or the job that makes it. None of what is not."""

    job: Job | None
    file: Path | None
    made_at: datetime | None


def subject_of(year: int, organization: str | None) -> dict[str, Any]:
    """What the job of a report is asked for."""
    return {"year": year, "organization": organization}


def printed(session: Session, settings: Settings, year: int, organization: str | None) -> Printed:
    """The newest PDF of this report. One made before somebody asked to be hidden is none."""
    newest = sa.select(Job).where(Job.workflow == WORKFLOW).order_by(Job.id.desc()).limit(500)
    jobs = [job for job in session.scalars(newest) if job.payload == subject_of(year, organization)]
    last_hidden = session.scalar(sa.select(sa.func.max(Person.hidden_at))) if jobs else None
    for job in jobs:
        file = file_of(settings, job)
        if job.finished_at and file.is_file() and (last_hidden is None or last_hidden < job.created_at):
            return Printed(jobs[0], file, job.finished_at)
    return Printed(jobs[0] if jobs else None, None, None)


def file_of(settings: Settings, job: Job) -> Path:
    """Where the PDF of a job lies."""
    return settings.folder("reports") / f"{job.public_id}.pdf"


def sweep(session: Session, settings: Settings, *, now: datetime, kept_days: int = 400) -> int:
    """Remove what is not given out: old files, those from before somebody asked to be hidden, drafts among them."""
    last_hidden = session.scalar(sa.select(sa.func.max(Person.hidden_at)))
    rows = session.execute(sa.select(Job.public_id, Job.created_at).where(Job.workflow == WORKFLOW))
    created = {public_id: at for public_id, at in rows}
    gone = 0
    for file in settings.folder("reports").glob("*.*"):
        at = created.get(file.stem)
        if at is None or (now - at).days > kept_days or (last_hidden is not None and at <= last_hidden):
            file.unlink(missing_ok=True)
            gone += 1
    return gone
