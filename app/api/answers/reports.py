"""Yearly reports, of the board and of each member: large figures, chapters of figures, and what is not known."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated

from flask import abort
from pydantic import BeforeValidator, Field
from sqlalchemy.orm import Session

from app.api.answers import names
from app.api.answers.figures import FigureRows
from app.api.fields import Answer, Asked, OrganizationId, OrganizationRef, PersonName, whole
from app.api.operations import example, operation
from app.contributions.windows import Window
from app.db import clock_of
from app.reports.contents import (
    Report,
    board_report,
    members_told,
    organization_report,
    tier_of_member,
    years_told,
)
from app.reports.rules import days_of

Year = Annotated[int, Field(ge=1970, le=9999), BeforeValidator(whole)]


class ReportsThere(Answer):
    """The years of which there are reports, and the members of today, each of whom has one of every year."""

    years: list[int]
    members: list[OrganizationRef]


class LargeFigure(Answer):
    """A large figure: its name, its value as shown and as a number, and what to know beside it."""

    label: str
    value: str
    raw: float | None
    note: str


class ReportChapter(Answer):
    """A heading with its figures; those with nothing in them are named in `nothing_in`."""

    title: str
    figures: list[FigureRows]
    nothing_in: list[str]


class TierCounted(Answer):
    """How many members a tier had on the first and the last day, related companies as one."""

    tier: str
    first_day: int
    last_day: int


class SeatHeld(Answer):
    """A seat that the organization fills on the last day; a person of null asked to be hidden."""

    body: str
    seat: str
    person: PersonName | None
    since: date


class YearlyReport(Answer):
    """A report as of one moment."""

    title: str
    year: int
    since: date
    until: date
    as_of: datetime
    organization: OrganizationRef | None
    tier: Annotated[str, Field(description="The organization's, on the last day; empty for no member.")]
    headline: list[LargeFigure]
    chapters: list[ReportChapter]
    members: list[TierCounted]
    seats: list[SeatHeld]
    not_known: list[str]


class ReportsAsked(Asked):
    """Nothing: the answer is whole."""


class BoardAsked(Asked):
    """Of which year."""

    year: Year


class MemberAsked(BoardAsked):
    """Of which year and organization."""

    organization: OrganizationId


@operation("/reports", subject="Reports")
def reports(session: Session, asked: ReportsAsked) -> ReportsThere:
    """Of which years and members there are reports."""
    today = clock_of(session).now().date()
    listed = [one.organization for one in members_told(session, today)]
    return ReportsThere(years=years_told(session, today),
                        members=[OrganizationRef(id=one.public_id, name=one.name) for one in listed])  # fmt: skip


@operation("/reports/{year}/board", subject="Reports", moving=("as_of",))
def board(session: Session, asked: BoardAsked) -> YearlyReport:
    """The board's report of a year."""
    now = clock_of(session).now()
    return _report(board_report(session, asked.year, _days(asked.year, now), now=now), tier="")


@operation("/reports/{year}/members/{organization}", subject="Reports", moving=("as_of",))
def member(session: Session, asked: MemberAsked) -> YearlyReport:
    """One organization's report of a year, beside the whole and the median of its tier."""
    now, whose = clock_of(session).now(), names.organization(session, asked.organization)
    window = _days(asked.year, now)
    found = organization_report(session, whose, asked.year, window, now=now)
    return _report(found, tier=tier_of_member(session, whose, window.until))


@example("year")
def _a_year(session: Session) -> str | None:
    return next((str(one) for one in years_told(session, clock_of(session).now().date())), None)


def _days(year: int, now: datetime) -> Window:
    return days_of(year, now.date()) or abort(404, f"There is no report of {year}.")


def _report(found: Report, *, tier: str) -> YearlyReport:
    whose = found.organization
    return YearlyReport(
        title=found.title, year=found.year, since=found.window.since, until=found.window.until, as_of=found.as_of,
        organization=OrganizationRef(id=whose.public_id, name=whose.name) if whose else None, tier=tier,
        headline=[LargeFigure.model_validate(one) for one in found.headline],
        chapters=[
            ReportChapter(title=one.title, nothing_in=list(one.nothing_in),
                          figures=[FigureRows.model_validate(each.as_json()) for each in one.figures])
            for one in found.chapters
        ],
        members=[TierCounted(tier=name, first_day=before, last_day=after) for name, before, after in found.members],
        seats=[SeatHeld(body=body, seat=seat, person=PersonName.of(person), since=since)
               for body, seat, person, since in found.seats],
        not_known=list(found.not_known),
    )  # fmt: skip
