"""What stands in a yearly report: large figures, chapters of figures, and what is not known, taken from one moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy.orm import Session

from app.contributions import queries
from app.contributions.figures import FIGURES, Figure, Look, headline
from app.contributions.figures.comparing import tier_of
from app.contributions.figures.headline import Big
from app.contributions.figures.unattributed import of_changes
from app.contributions.metrics import Metric
from app.contributions.metrics.work import lines_counted
from app.contributions.queries import EVERYTHING
from app.contributions.queries.remembering import behind_since
from app.contributions.windows import Window
from app.members import queries as members
from app.members.models import Organization
from app.members.queries import Member
from app.people import queries as people
from app.people.models import Person
from app.people.queries import Wanted
from app.reports.rules import years
from app.wording import counted, share

_OF_BOARD = (
    ("Who builds it", ("commits-over-time", "standing-over-time", "organizations", "diversity-over-time")),
    ("The people", ("contributors-over-time", "people")),
    ("How it goes", ("changes-over-time", "first-response-over-time", "outsiders", "releases-over-time",
                     "lines-over-time")),
    ("Where the work is", ("modules", "files")),
)  # fmt: skip
_OF_ORGANIZATION = (
    ("Its part", ("share-over-time", "compare", "compare-over-time")),
    ("Its people and modules", ("contributors-over-time", "people", "modules", "files")),
    ("Its changes", ("changes-over-time", "first-response-over-time")),
    ("Reviews", ("reviews-exchanged", "reviewing-people")),
)


@dataclass(frozen=True)
class Chapter:
    """A heading with its figures; those with nothing in them are left out, and named in `nothing_in`."""

    title: str
    figures: tuple[Figure, ...]
    nothing_in: tuple[str, ...]


@dataclass(frozen=True)
class Report:
    """A report as of one moment. `organization`: whose it is; None: the board's."""

    year: int
    window: Window
    as_of: datetime
    organization: Organization | None
    headline: list[Big]
    chapters: tuple[Chapter, ...]
    members: tuple[tuple[str, int, int], ...]
    seats: tuple[tuple[str, str, Person | None, date], ...]
    not_known: tuple[str, ...]

    @property
    def title(self) -> str:
        """What stands on its cover."""
        return f"{self.organization.name} in {self.year}" if self.organization else f"The foundation in {self.year}"

    @property
    def metrics(self) -> list[Metric]:
        """Every metric whose figures are drawn, once."""
        found = {one.metric.key: one.metric for chapter in self.chapters for one in chapter.figures}
        return sorted(found.values(), key=lambda one: one.name)


def years_told(session: Session, today: date) -> list[int]:
    """The years of which there are reports, the latest first."""
    span = queries.span(session, EVERYTHING)
    return years(span[0] if span else None, today)


def members_told(session: Session, today: date) -> list[Member]:
    """The members of the day, each of whom has reports."""
    return [one for one in members.members_on(session, today) if one.tier is not None]


def board_report(session: Session, year: int, window: Window, *, now: datetime) -> Report:
    """The board's report: the whole foundation."""
    look = _look(session, window, now)
    return _as_of(session, Report(year, window, now, None, headline.of_project(look), _chapters(look, _OF_BOARD),
                                  _members(session, window), (), _not_known(look)))  # fmt: skip


def organization_report(
    session: Session, organization: Organization, year: int, window: Window, *, now: datetime
) -> Report:
    """One organization's report, beside the whole and the median of its tier."""
    look = _look(session, window, now).of_organization(organization.id)
    seats = tuple(queries.seats_held(session, organization.id, window.until))
    return _as_of(session, Report(year, window, now, organization, headline.of_organization(look),
                                  _chapters(look, _OF_ORGANIZATION), (), seats, _not_known(look.whole)))  # fmt: skip


def _as_of(session: Session, report: Report) -> Report:
    """The report as of the first thing that one of its answers or figures lacks, if one does."""
    of_figures = [one.as_of for chapter in report.chapters for one in chapter.figures]
    return replace(report, as_of=min([report.as_of, behind_since(session) or report.as_of, *of_figures]))


def tier_of_member(session: Session, organization: Organization, day: date) -> str:
    """What the organization's tier is called on a day; "" for no member."""
    key = members.tier_book(session).tier(organization.id, day)
    return members.tier_name(session, key, day) if key else ""


def _look(session: Session, window: Window, now: datetime) -> Look:
    return Look(session, EVERYTHING, window, now, dict(window.arguments))


def _chapters(look: Look, wanted: Sequence[tuple[str, tuple[str, ...]]]) -> tuple[Chapter, ...]:
    found = []
    for title, keys in wanted:
        figures = [FIGURES[key].of(look) for key in keys if key != "compare-over-time" or tier_of(look)]
        shown = tuple(one for one in figures if one.rows and one.drawing)
        found.append(Chapter(title, shown, tuple(one.title for one in figures if one not in shown)))
    return tuple(found)


def _members(session: Session, window: Window) -> tuple[tuple[str, int, int], ...]:
    """(tier, members on the first day, members on the last day), related companies as one."""
    before, after = (members.tiers_on(session, day) for day in (window.since, window.until))
    return tuple(
        (members.tier_name(session, key, window.until), len(before.get(key, ())), len(after.get(key, ())))
        for key in sorted({*before, *after})
    )


def _not_known(look: Look) -> tuple[str, ...]:
    """What these figures leave out, in sentences."""
    session, counted_lines, found = look.session, lines_counted(look.work), []
    if look.window.until == look.as_of.date():
        found.append("The year has not ended: these are the days that have passed.")
    if look.unattributed is not None:
        found.append(f"{share(look.unattributed)} of all commits are by people of whom nobody has said whom they "
                     "worked for on that day. Some of them may be any organization’s.")  # fmt: skip
    unknown = of_changes(look)
    if unknown is not None:
        found.append(f"{share(unknown)} of all changes were opened by such people.")
    if counted_lines is not None:
        found.append(f"Lines are counted for {share(counted_lines)} of the commits.")
    if waiting := people.count_questions(session, Wanted()):
        found.append(f"{counted(waiting, 'proposal')} of who may be whom {'waits' if waiting == 1 else 'wait'} for an "
                     "answer; each may join two people who count as two here.")  # fmt: skip
    if queries.is_counting(session):
        found.append("Some days were being counted again at that moment.")
    if look.grounds:
        found.append(f"All of it rests on {look.grounds.text}.")
    return tuple(found)
