"""Pages of reports: which there are, each of them to read and print, and its PDF."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, flash, g, redirect, render_template, request, send_file, url_for
from markupsafe import Markup
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from app import answers, audit, auth, pages
from app.auth import Decision, User, access, current_user, permission
from app.clock import current_clock
from app.contributions.windows import Window
from app.db import current_db
from app.jobs import enqueue
from app.members import queries as members
from app.members.models import Organization
from app.reports import cards as cards
from app.reports.contents import (
    Report,
    board_report,
    members_told,
    organization_report,
    tier_of_member,
    years_told,
)
from app.reports.printing import ABSENT, can_print
from app.reports.queries import WORKFLOW, Printed, printed, subject_of
from app.reports.rules import days_of
from app.settings import current_settings
from app.wording import day

blueprint = Blueprint("reports", __name__, url_prefix="/reports")
answers.keep_pages(
    blueprint,
    "figures", "resolutions", "counting",
    only=("reports.overview", "reports.board", "reports.member"),
)
nav = [
    pages.Nav("members", "Yearly reports", "reports.overview", order=40),
    pages.Nav("staff", "Yearly reports", "reports.overview", order=70),
]


@permission("reports.print")
def may_print(user: User, _thing: Any = None) -> Decision:
    """Pressing costs the machine something, so staff ask for it, and who sits on the board or for an organization."""
    sits = any(seat.organization is not None or seat.kind == "governor" for seat in user.seats)
    if sits or auth.staff_only(user).allowed:
        return Decision(True, "staff, governors and representatives may")
    return Decision(False, "only staff, governors and who sits for an organization may; everybody may take it away")


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Every report there is."""
    answers.may_share()
    with current_db().read() as session:
        today = current_clock().now().date()
        return render_template("reports/overview.html", years=years_told(session, today),
                               members=members_told(session, today))  # fmt: skip


@blueprint.get("/<int:year>/board")
@access("public")
def board(year: int) -> str:
    """The board's report. All its figures are public on other pages, so it is, too."""
    with current_db().read() as session:
        now = current_clock().now()
        found = board_report(session, year, _window(year), now=now)
        return _page(session, found, tier="")


@blueprint.get("/<int:year>/members/<public_id>")
@access("public")
def member(year: int, public_id: str) -> str:
    """An organization's report."""
    with current_db().read() as session:
        now, window = current_clock().now(), _window(year)
        organization = _organization(session, public_id)
        found = organization_report(session, organization, year, window, now=now)
        return _page(session, found, tier=tier_of_member(session, organization, window.until))


@blueprint.post("/<int:year>/board/pdf")
@access("reports.print")
def print_board(year: int) -> BaseResponse:
    """Ask for the board's report as PDF."""
    return _ask(year, None)


@blueprint.post("/<int:year>/members/<public_id>/pdf")
@access("reports.print")
def print_member(year: int, public_id: str) -> BaseResponse:
    """Ask for an organization's report as PDF."""
    return _ask(year, public_id)


@blueprint.get("/<int:year>/board.pdf")
@access("public")
def board_pdf(year: int) -> Response:
    """The board's report as it was last pressed."""
    return _file(year, None)


@blueprint.get("/<int:year>/members/<public_id>.pdf")
@access("public")
def member_pdf(year: int, public_id: str) -> Response:
    """An organization's report as it was last pressed."""
    return _file(year, public_id)


@answers.own("reports.pdf")
def pdf_link() -> str:
    """The PDF that was pressed last, if there is one."""
    year, public_id, found = _paper()
    if found.made_at is None:
        return ""
    return Markup('<a class="button" href="{}">PDF of {}</a>').format(_pdf_url(year, public_id), day(found.made_at))


@answers.own("reports.paper")
def paper() -> str:
    """What is under way for the PDF, and the button of whoever may ask for one."""
    year, public_id, found = _paper()
    print_url = url_for("reports.print_member", year=year, public_id=public_id) if public_id else url_for(
        "reports.print_board", year=year)  # fmt: skip
    return render_template("reports/_paper.html", printed=found, can_print=can_print(), absent=ABSENT,
                           print_url=print_url)  # fmt: skip


def _paper() -> tuple[int, str | None, Printed]:
    """Year and organization of the report that is asked for, and its PDF, looked for once."""
    year, public_id = (request.view_args or {})["year"], (request.view_args or {}).get("public_id")
    if "printed" not in g:
        with current_db().read() as session:
            g.printed = printed(session, current_settings(), year, public_id)
    return year, public_id, g.printed


def _page(session: Session, found: Report, *, tier: str) -> str:
    answers.may_share()
    today = current_clock().now().date()
    public_id = found.organization.public_id if found.organization else None
    return render_template("reports/report.html", report=found, tier=tier, years=years_told(session, today),
                           address=lambda year: _address(year, public_id))  # fmt: skip


def _ask(year: int, public_id: str | None) -> BaseResponse:
    _window(year)
    if not can_print():
        abort(503, description=ABSENT)
    with current_db().write() as session:
        if public_id:
            _organization(session, public_id)
        last = printed(session, current_settings(), year, public_id).job
        if last is None or last.state.is_finished:
            last = enqueue(session, WORKFLOW, subject_of(year, public_id), actor=current_user().actor)
            audit.record(session, actor=current_user().actor, action="reports.print", thing=last.public_id, reason="",
                         data={"year": year, "organization": public_id or ""})  # fmt: skip
    flash("The PDF is being made; it stands here in a minute.")
    return redirect(f"{_address(year, public_id)}#pdf")


def _file(year: int, public_id: str | None) -> Response:
    with current_db().read() as session:
        found = printed(session, current_settings(), year, public_id)
    if found.file is None:
        abort(404, description="There is no PDF of this report. Its page is there to be read and printed, and says how "
                               "to have one made.")  # fmt: skip
    name = f"report-{year}-{public_id or 'board'}.pdf"
    return send_file(found.file, mimetype="application/pdf", as_attachment=True, download_name=name, max_age=0)


def _address(year: int, public_id: str | None) -> str:
    return url_for("reports.member", year=year, public_id=public_id) if public_id else url_for(
        "reports.board", year=year)  # fmt: skip


def _pdf_url(year: int, public_id: str | None) -> str:
    return url_for("reports.member_pdf", year=year, public_id=public_id) if public_id else url_for(
        "reports.board_pdf", year=year)  # fmt: skip


def _window(year: int) -> Window:
    return days_of(year, current_clock().now().date()) or abort(404, description=f"There is no report of {year}.")


def _organization(session: Session, public_id: str) -> Organization:
    return members.organization_by_public_id(session, public_id) or abort(404)
