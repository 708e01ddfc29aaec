"""The review queue and the page of one change: gates that explain themselves, the difference, and one's word on it."""

from __future__ import annotations

from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import answers, audit, auth, pages
from app.auth import Decision, User, access, current_user
from app.contributions.facts import Event, record_change_events
from app.contributions.metrics import EventKind
from app.contributions.models import Change, ChangeState
from app.db import current_db
from app.reviews import queries
from app.reviews.difference import Place, place_of
from app.reviews.models import Review, Side
from app.reviews.rules import Verdict
from app.reviews.store import SOURCE
from app.settings import current_settings

blueprint = Blueprint("reviews", __name__, url_prefix="/reviews")
answers.keep_pages(blueprint, "figures", "resolutions", only=("reviews.queue",))
nav = [pages.Nav("maintainers", "Review queue", "reviews.queue", order=10)]

LONGEST_TEXT = 20_000
_KINDS = {
    Verdict.APPROVE: EventKind.APPROVED,
    Verdict.REQUEST_CHANGES: EventKind.CHANGES_REQUESTED,
    Verdict.COMMENT: EventKind.REVIEWED,
}
VERDICTS = (("comment", "Comment"), ("approve", "Approve"), ("request_changes", "Request changes"))


@auth.permission("reviews.say")
def may_say(user: User, _thing: object = None) -> Decision:
    """Whoever is signed in may say something; which approvals count is the gate's matter."""
    return Decision(user.is_signed_in, "whoever is signed in may" if user.is_signed_in else "sign in first")


@pages.card(order=30)
def waiting(session: Session, user: User) -> pages.Card | None:
    """The front page's card: how many changes are open and how many wait for this user."""
    mine = len(queries.queue(session, user)[0]) if user.is_signed_in else 0
    values = {"open": queries.open_count(session), "mine": mine, "newest": queries.newest_open(session)}
    return pages.Card("Reviews", "reviews/card.html", values, url_for("reviews.queue"))


@blueprint.get("/")
@access("public")
def queue() -> str:
    """My turn first, then what waits for others, then what was closed lately."""
    answers.may_keep(for_each=True)
    with current_db().read() as session:
        mine, others = queries.queue(session, current_user())
        closed = queries.lately_closed(session)
        return render_template("reviews/queue.html", mine=mine, others=others, closed=closed,
                               open=queries.open_count(session))  # fmt: skip


@blueprint.get("/<public_id>")
@access("public")
def show(public_id: str) -> str:
    """One change: whose turn, the gates, the commits, what was said, and the difference."""
    return _page(public_id)


@blueprint.post("/<public_id>/reviews")
@access("reviews.say")
def say(public_id: str) -> Response | tuple[str, int]:
    """Add a verdict or a comment at the head that the person looked at."""
    user = current_user()
    anchor = request.form.get("at", "")
    text = request.form.get("line_text" if anchor else "text", "").replace("\r\n", "\n").strip()
    verdict = request.form.get("verdict", "")
    with current_db().read() as session:
        change = queries.change_by_public_id(session, public_id) or abort(404)
        place = None
        if anchor:
            repository = queries.repository_of(session, change)
            diff, _problem = queries.difference_of(session, current_settings(), repository, change)
            place = place_of(diff, anchor)
    with current_db().write() as session:
        change = session.get_one(Change, change.id)
        found = _check(change, text, verdict, is_nowhere=bool(anchor) and place is None)
        if not found:
            _say(session, change, user, Verdict(verdict), text, place)
    if found:
        return _page(public_id, problems=pages.problems(found), given={"text": text, "verdict": verdict}), 422
    flash("Said.")
    return redirect(url_for("reviews.show", public_id=public_id) + (f"#L{anchor}" if anchor else "#say"))


def _check(change: Change, text: str, verdict: str, *, is_nowhere: bool) -> list[tuple[str, str]]:
    found = []
    if request.form.get("head") != change.head_sha:
        found.append(("verdict", "was for an earlier push; the page now shows the new one: look, and send it again"))
    if change.state is not ChangeState.OPEN:
        found.append(("verdict", f"came too late: the change is {change.state.value}"))
    if verdict not in {key for key, _ in VERDICTS}:
        found.append(("verdict", "must be comment, approve or request changes"))
    if not text and verdict in ("comment", "request_changes"):
        found.append(("text", "is empty; write what you mean"))
    if len(text) > LONGEST_TEXT:
        found.append(("text", f"has {len(text)} characters; at most {LONGEST_TEXT} fit"))
    if is_nowhere:
        found.append(("text", "was for a line that is not in this difference; choose the line again"))
    return found


def _say(session: Session, change: Change, user: User, verdict: Verdict, text: str, place: Place | None) -> None:
    review = Review(
        change_id=change.id,
        head_sha=change.head_sha,
        person_id=user.person_id,
        verdict=verdict,
        text=text,
        path=place.path if place else None,
        side=Side(place.side) if place else None,
        line=place.line if place else None,
        said_at=queries.now(session),
    )
    session.add(review)
    session.flush()
    audit.record(
        session,
        actor=user.actor,
        action=f"reviews.{verdict.value}",
        thing=change.public_id,
        reason=f"{verdict.value.replace('_', ' ')} at {change.head_sha[:12]}",
        data={"head": change.head_sha, "review": review.public_id},
        personal={f"{user.person}/{review.public_id}": text} if text else {},
    )
    # After the log's entry: whoever decides about people has the log first, and measures the same changes then.
    said = Event(_KINDS[verdict], review.said_at, review.public_id, person=user.person_id, value=change.head_sha)
    record_change_events(session, SOURCE, {change.id: [said]})


def _page(
    public_id: str, *, problems: list[pages.Problem] | None = None, given: dict[str, str] | None = None
) -> str:
    with current_db().read() as session:
        change = queries.change_by_public_id(session, public_id) or abort(404)
        seen = queries.look(session, current_settings(), change)
        return render_template(
            "reviews/change.html",
            change=change,
            at=request.args.get("at", ""),
            may_comment=auth.can(current_user(), "reviews.say").allowed,
            verdicts=VERDICTS,
            problems=problems or [],
            given=given or {"text": "", "verdict": "comment"},
            **seen,
        )
