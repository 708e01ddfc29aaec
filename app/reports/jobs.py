"""The workflow that makes a report's PDF, and the one that takes old ones away."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from flask import current_app, url_for
from sqlalchemy.orm import Session

from app.answers import tidy_shelves
from app.contributions.readying import made_ready
from app.jobs import Failed, StepContext, Workflow, schedule
from app.members import queries as members
from app.reports.contents import Report, board_report, organization_report
from app.reports.printing import ABSENT, PressError, can_print, page_of, pressed
from app.reports.queries import WORKFLOW, file_of, sweep
from app.reports.rules import days_of

report = Workflow(WORKFLOW, title="Make a report’s PDF", attempts=2)
tidy = Workflow("report-tidy", title="Take away reports that are given out no longer", attempts=1)
schedule("report-tidy", every_s=3600, workflow="report-tidy")


@report.step("press")
def press(step: StepContext) -> dict[str, Any]:
    """Draw the report as of now and press it, in a process of its own."""
    if not can_print():
        raise Failed(ABSENT)
    step.progress(None, "drawing")
    with current_app.test_request_context(base_url=step.settings.base_url), step.db.read() as session:
        found = _report(session, step.payload, step.clock.now())
        page, told = page_of(found), f"{found.title}: as of {found.as_of:%d %b %Y}"
    step.progress(None, "pressing")  # which takes its time, and leaves no transaction open
    try:
        made = pressed(page)
    except PressError as problem:
        raise Failed(str(problem)) from None
    target = file_of(step.settings, step.job)
    draft = target.with_suffix(".draft")
    draft.write_bytes(made)
    os.replace(draft, target)
    step.log(f"{told}, {len(made):,} bytes")
    return {"bytes": len(made)}


@tidy.step("sweep")
def tidy_up(step: StepContext) -> dict[str, int]:
    """Remove what nobody is given any more: reports, and pages and answers that were kept."""
    with step.db.read() as session:
        return {"removed": sweep(session, step.settings, now=step.clock.now()), "kept pages": tidy_shelves()}


@made_ready
def board_reports(_session: Session, now: datetime) -> Iterable[str]:
    """The board's reports of this year and the last."""
    for year in (now.year, now.year - 1):
        yield url_for("reports.board", year=year)


def _report(session: Session, payload: dict[str, Any], now: datetime) -> Report:
    year, public_id = int(payload["year"]), payload["organization"]
    window = days_of(year, now.date())
    if window is None:
        raise Failed(f"There is no report of {year} yet.")
    if public_id is None:
        return board_report(session, year, window, now=now)
    organization = members.organization_by_public_id(session, public_id)
    if organization is None:
        raise Failed(f"There is no organization {public_id!r} any more.")
    return organization_report(session, organization, year, window, now=now)
