"""Pages of governance: the version in force, rules to try with own numbers, tiers, gates, hardware, the charter."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request
from sqlalchemy.orm import Session

from app import pages, parameters
from app.auth import access
from app.db import clock_of, current_db
from app.governance.queries import (
    clauses_of,
    current,
    current_version,
    is_governed,
    rule_entry,
    rules_by_clause,
)
from app.governance_files import Governance
from app.rulebook import Count, Mode, RulebookError, evaluate

blueprint = Blueprint("governance", __name__, url_prefix="/governance")
nav = [pages.Nav("staff", "Governance", "governance.overview", order=20)]
COUNTS = {
    "yes": "Yes",
    "no": "No",
    "abstain": "Abstained",
    "present": "Seats present",
    "all": "Seats held",
    "entire": "Seats in all, vacant too",
}


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Rules, gates, tiers and hardware as they are in force."""
    with current_db().read() as session:
        if not is_governed(session):
            return render_template("governance/empty.html")
        governance = current(session)
        return render_template(
            "governance/overview.html",
            governance=governance,
            version=current_version(session),
            today=clock_of(session).now().date(),
            rules=[(entry, governance.rule(entry.key)) for entry in governance.rules],
        )


@blueprint.get("/rules/<key>")
@access("public")
def rule(key: str) -> str | tuple[str, int]:
    """One rule with its clause; `?yes=7&no=5&all=21` shows how a vote comes out, step by step."""
    with current_db().read() as session:
        governance = _governance(session)
    entry = rule_entry(governance, key) or abort(404)
    written = governance.rule(key)
    mode = Mode(parameters.choice("mode", [one.value for one in Mode], default=Mode.MEETING.value))
    numbers, problems = _numbers()
    verdict = None
    if numbers and not problems:
        try:
            verdict = evaluate(written, Count(**numbers), mode=mode)
        except RulebookError as error:
            problems = pages.problems([("present", str(error))])
    page = render_template(
        "governance/rule.html",
        entry=entry,
        rule=written,
        clauses=clauses_of(governance, entry),
        counts=COUNTS,
        mode=mode.value,
        verdict=verdict,
        problems=problems,
    )
    return (page, 422) if problems else page


@blueprint.get("/charter")
@access("public")
def charter() -> str:
    """The charter's clauses as synced, each with the rules that come from it."""
    with current_db().read() as session:
        governance = _governance(session)
    return render_template("governance/charter.html", governance=governance, rules=rules_by_clause(governance))


def _governance(session: Session) -> Governance:
    if not is_governed(session):
        abort(404, description="governance/ was never synced; run `flask governance sync`.")
    return current(session)


def _numbers() -> tuple[dict[str, int], list[pages.Problem]]:
    found: dict[str, int] = {}
    wrong = []
    for name in COUNTS:
        text = request.args.get(name, "").strip()
        if not text:
            continue
        if text.isascii() and text.isdigit() and len(text) <= 6:
            found[name] = int(text)
        else:
            wrong.append((name, "is no whole number of seats"))
    return found, pages.problems(wrong)
