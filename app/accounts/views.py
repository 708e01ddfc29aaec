"""Ways to sign in beside the one-time link of an administrator, and one's own proofs on the account page."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING, Any

from flask import Blueprint, abort, current_app, flash, redirect, render_template, request, session, url_for
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response

from app import auth, forms, limits, pages, sessions
from app.accounts import queries
from app.accounts.models import SignInAttempt
from app.accounts.queries import Admitted, Asker
from app.accounts.rules import IssuerError, Purpose, Vouched, clean, derived, link_of_token
from app.auth import User, access, current_user
from app.connections import Issuer
from app.db import current_db
from app.log import log
from app.mail import is_address
from app.people import queries as people
from app.people.forms import ReasonForm
from app.people.models import Person, Proof
from app.settings import current_settings

if TYPE_CHECKING:
    from app.accounts.github import GitHub
    from app.accounts.oidc import Oidc

    Way = GitHub | Oidc

blueprint = Blueprint("accounts", __name__)
Answer = str | tuple[str, int] | Response
TOO_MANY = "Too many in the last hour; wait a while and try again."


@pages.fill("sign-in", order=10)
def ways_to_sign_in(_session: Session, _user: User, onward: str) -> pages.Card | None:
    """The ways that this portal offers beside an administrator's link."""
    settings = current_settings()
    if not settings.issuers and settings.mail is None:
        return None
    values = {"issuers": settings.issuers, "has_mail": settings.mail is not None, "onward": onward}
    return pages.Card("Sign in", "accounts/_ways.html", values)


@pages.fill("account", order=10)
def own_proofs(db_session: Session, user: User, _thing: Any) -> pages.Card | None:
    """What a person proved to be theirs, and what they may add."""
    settings = current_settings()
    found = people.proofs_of(db_session, user.person_id or 0)
    values = {"proofs": found, "issuers": settings.issuers, "has_mail": settings.mail is not None}
    return pages.Card("Yours, by proof", "accounts/_proofs.html", values, wide=True)


# --- signing in at an issuer -----------------------------------------------------------------------------------------


@blueprint.get("/sign-in/with/<key>")
@access("public")
def start(key: str) -> Answer:
    """Go to an issuer in order to sign in."""
    return _go_to(_way(key), Purpose.SIGN_IN, auth.safe_next(request.args.get("next")))


@blueprint.get("/account/add/<key>")
@access("signed-in")
def add(key: str) -> Answer:
    """Go to an issuer in order to add the login there to one's account; adding it is confirmed on the way back."""
    return _go_to(_way(key), Purpose.ADD, url_for("house.account"))


@blueprint.get("/sign-in/with/<key>/back")
@access("public")
def back(key: str) -> Answer:
    """Come back from an issuer."""
    _must_be_a_visit()
    way, own, source = _way(key), auth.own_session_id(), _source()
    state, code = request.args.get("state", ""), request.args.get("code", "")
    with current_db().write() as db_session:
        if not sessions.may_try_again(db_session, source):
            abort(429, retry_after=sessions.FAILURE_WINDOW.seconds,
                  description="Too many sign-ins that did not work; wait ten minutes and try again.")  # fmt: skip
        attempt = queries.use_attempt(db_session, state=state, browser=_browser(), way=key)
        if attempt is None:
            sessions.note_failure(db_session, source)
    if attempt is None:
        return _not_signed_in("This sign-in is used, too old, or was begun in another browser. Begin again here.")
    if not code or len(code) > 2000:
        said = clean(request.args.get("error"), 40) or "no code"
        refused = f"{way.issuer.name} did not let you through ({said}); nothing was changed."
        return _not_signed_in(refused, attempt.onward)
    try:
        vouched = way.vouched(
            _redirect_uri(key), code=code, nonce=_derived("nonce", state), verifier=_derived("verifier", state),
            said_issuer=request.args.get("iss"),
        )  # fmt: skip
    except IssuerError as problem:
        log.warning("sign-in refused", extra={"fields": {"way": key, "because": str(problem)}})
        with current_db().write() as db_session:
            sessions.note_failure(db_session, source)
        return _not_signed_in(f"It did not work: {problem}. Nothing was changed.", attempt.onward)
    if attempt.purpose is Purpose.ADD:
        return _ask_to_add(attempt, vouched)
    with current_db().write() as db_session:
        admitted = queries.admit_by_login(db_session, vouched, source=source)
        token = _session_for(db_session, admitted, own) if admitted else ""
    return _enter(admitted, token, attempt.onward)


@blueprint.route("/account/add/<public_id>/confirm", methods=["GET", "POST"])
@access("signed-in")
def confirm(public_id: str) -> Answer:
    """Say that the login that was just proved is to be added: whoever sent the browser there may be somebody else."""
    user = current_user()
    with current_db().read() as db_session:
        found = queries.waiting_attempt(db_session, public_id, browser=_browser(), person=str(user.person))
    if found is None or found.found is None:
        abort(404, description="There is nothing to add here any more; begin again on your account page.")
    vouched, issuer = Vouched.from_data(found.found), _way(found.way).issuer
    if request.method != "POST":
        return render_template("accounts/confirm.html", vouched=vouched, issuer=issuer)
    with current_db().write() as db_session:
        attempt = queries.waiting_attempt(db_session, public_id, browser=_browser(), person=str(user.person))
        if attempt is None:
            abort(404)
        attempt.found = None
        contested = queries.add_login(db_session, _own_person(db_session), vouched)
    _tell_contested(contested)
    if vouched.shown not in contested:
        flash(f"{vouched.shown} at {issuer.name} is yours here now.")
    return redirect(url_for("house.account"))


# --- a link by mail --------------------------------------------------------------------------------------------------


@blueprint.post("/sign-in/by-mail")
@access("public")
def ask_link() -> Answer:
    """Mail a link to sign in. The answer is the same whoever it is."""
    return _ask_link(Purpose.SIGN_IN, auth.safe_next(request.args.get("next")))


@blueprint.post("/account/add/address")
@access("signed-in")
def add_address() -> Answer:
    """Mail a link that adds an address to one's account."""
    return _ask_link(Purpose.ADD, url_for("house.account"))


@blueprint.get("/sign-in/by-mail/sent")
@access("public")
def sent() -> str:
    """What to do next, for everybody the same."""
    minutes, most = round(queries.LINK_TTL.total_seconds() / 60), queries.LINKS_TO_AN_ADDRESS
    return render_template("accounts/sent.html", minutes=minutes, most=most)


@blueprint.route("/sign-in/mailed/<token>", methods=["GET", "POST"])
@access("public")
def mailed(token: str) -> Answer:
    """Open a mailed link: looking at it does not use it up, pressing its button does."""
    own, source, user = auth.own_session_id(), _source(), current_user()
    public_id = link_of_token(current_settings().session_key.get_secret_value(), token)
    with current_db().read() as db_session:
        link = queries.living_link(db_session, public_id) if public_id else None
        is_same_browser = link is not None and link.browser_hash == sessions.digest(_browser())
        is_new = link is not None and link.purpose is Purpose.SIGN_IN and queries.needs_a_name(db_session, link.address)
    if link is None:
        return _not_signed_in("This link is used, too old, or not ours. Ask for another one.")
    if link.purpose is Purpose.ADD and (not is_same_browser or link.person != user.person):
        return _not_signed_in("Open this link in the browser in which you asked for it, signed in as then.")
    shown = {"link": link, "is_same_browser": is_same_browser, "is_new": is_new, "token": token}
    if request.method != "POST":
        return render_template("accounts/mailed.html", **shown, problems=[], address="")
    said = request.form.get("address", "").strip()
    with current_db().write() as db_session:
        if not sessions.may_try_again(db_session, source):
            abort(429, retry_after=sessions.FAILURE_WINDOW.seconds,
                  description="Too many attempts that did not work; wait ten minutes and try again.")  # fmt: skip
        is_known = is_same_browser or said.casefold() == link.address
        if not is_known:
            sessions.note_failure(db_session, source)
        used = queries.use_link(db_session, link.public_id) if is_known else None
        if used is not None and used.purpose is Purpose.ADD:
            contested = queries.add_address(db_session, _own_person(db_session), used.address)
        elif used is not None:
            name = clean(request.form.get("name")) if is_new else ""
            admitted = queries.admit_by_address(db_session, used.address, name=name, source=source)
            fresh = _session_for(db_session, admitted, own) if admitted else ""
    if not is_known:
        problems = pages.problems([("address", "is not the one that this link was mailed to")])
        return render_template("accounts/mailed.html", **shown, problems=problems, address=said), 422
    if used is None:
        return _not_signed_in("This link was used a moment ago. Ask for another one.")
    if used.purpose is Purpose.ADD:
        _tell_contested(contested)
        if not contested:
            flash(f"{used.address} is yours here now.")
        return redirect(url_for("house.account"))
    return _enter(admitted, fresh, used.onward)


# --- letting go ------------------------------------------------------------------------------------------------------


@blueprint.route("/account/proofs/<public_id>/release", methods=["GET", "POST"])
@access("signed-in")
def release(public_id: str) -> Any:
    """Let go of a login or an address of one's own."""
    own, user = auth.own_session_id(), current_user()
    with current_db().read() as db_session:
        held = people.proofs_of(db_session, user.person_id or 0)
    proof = next((one for one in held if one.public_id == public_id), None) or abort(404)
    is_last = [one.public_id for one in held if one.is_in_force] == [proof.public_id]
    lead = "It signs nobody in any more, and work that is yours by it alone goes back to an unclaimed person."
    if is_last:
        lead += " It is your only way in: signed out, you need an administrator’s link to come back."
    crumbs = [("Your account", url_for("house.account"))]
    fields = [forms.Field("reason", "Reason", "textarea", "Others can read it.", True)]
    page = forms.Page(f"Let go of {proof.shown}", "Let go of it", fields, lead, crumbs, is_danger=True)

    def done(db_session: Session, _made: Any) -> tuple[str, str]:
        for former in people.ever_proved_by(db_session, proof):
            sessions.end_sessions_by(db_session, former, but=own)
        return url_for("house.account"), f"You let go of {proof.shown}; browsers that it signed in are signed out."

    return forms.ask(page, ReasonForm, people.release, done=done,
                     given=lambda db_session: {"proof": db_session.get_one(Proof, proof.id)})  # fmt: skip


# --- what they share -------------------------------------------------------------------------------------------------


def _way(key: str) -> Way:
    """The issuer of this key, with what it published so far."""
    known: dict[str, Way] = current_app.extensions.setdefault("flambeau_ways", {})
    if key not in known:
        issuer: Issuer | None = next((one for one in current_settings().issuers if one.key == key), None)
        if issuer is None:
            abort(404, description="This portal does not offer that way to sign in.")
        # Their libraries take a tenth of the time of the start and 18 MB; whoever signs in first waits for them.
        if issuer.kind == "github":
            from app.accounts.github import GitHub

            known[key] = GitHub(issuer)
        else:
            from app.accounts.oidc import Oidc

            known[key] = Oidc(issuer)
    return known[key]


def _go_to(way: Way, purpose: Purpose, onward: str) -> Answer:
    _must_be_a_visit()
    key, state = way.issuer.key, secrets.token_urlsafe(32)
    asker = _asker(purpose)
    with current_db().write() as db_session:
        attempt = queries.begin_attempt(db_session, asker, state=state, way=key, purpose=purpose, onward=onward[:2000])
    if attempt is None:
        abort(429, description=TOO_MANY, retry_after=queries.HOUR.seconds)
    try:
        address = way.address(
            _redirect_uri(key), state=state, nonce=_derived("nonce", state), verifier=_derived("verifier", state)
        )
    except IssuerError as problem:
        log.warning("issuer unusable", extra={"fields": {"way": key, "because": str(problem)}})
        return _not_signed_in(f"{way.issuer.name} cannot be used now: {problem}.", onward, status=502)
    return redirect(address)


def _ask_link(purpose: Purpose, onward: str) -> Answer:
    mail = current_settings().mail
    if mail is None:
        abort(404, description="This portal sends no mail.")
    written = request.form.get("address", "").strip()
    # Looked at as it is written: folded first, the long s of a stranger is the s of somebody else's mailbox.
    if not is_address(written):
        text = "That is no address that mail can be sent to; write it like ada@acme.com, in plain letters."
        return _not_signed_in(text, onward, status=422)
    address = written.casefold()
    asker = _asker(purpose)
    with current_db().write() as db_session:
        allowed = queries.ask_for_link(
            db_session, asker, address, purpose=purpose, onward=onward[:2000], an_hour=mail.links_an_hour
        )
    if not allowed:
        abort(429, description=TOO_MANY, retry_after=queries.HOUR.seconds)
    return redirect(url_for("accounts.sent"))


def _ask_to_add(attempt: SignInAttempt, vouched: Vouched) -> Answer:
    if attempt.person != current_user().person:
        return _not_signed_in("You are no longer signed in as when you began. Sign in and begin again.", attempt.onward)
    with current_db().write() as db_session:
        db_session.get_one(SignInAttempt, attempt.id).found = vouched.as_data()
    return redirect(url_for("accounts.confirm", public_id=attempt.public_id))


def _session_for(db_session: Session, admitted: Admitted, own: str | None) -> str:
    """A session of this person; what the browser was signed in as before ends."""
    if own:
        sessions.drop_session(db_session, own)
    agent = request.user_agent.string
    return sessions.start_session(db_session, admitted.person.public_id, admitted.proof, agent=agent)


def _enter(admitted: Admitted | None, token: str, onward: str) -> Answer:
    if admitted is None:
        abort(429, retry_after=queries.HOUR.seconds,
              description="Too many people came from here for the first time; wait an hour and try again.")  # fmt: skip
    auth.enter(token)
    _tell_contested(admitted.contested)
    if admitted.is_new:
        flash("Welcome. Your account page shows what is yours here, and takes more logins and addresses.")
        return redirect(url_for("house.account") if onward == "/" else auth.safe_next(onward))
    return redirect(auth.safe_next(onward))


def _tell_contested(contested: tuple[str, ...]) -> None:
    if contested:
        listed = ", ".join(contested)
        flash(f"{listed}: another account has it. Staff see that you proved it too, and decide; if both accounts are "
              "yours, they can make them one.", "refused")  # fmt: skip


def _not_signed_in(text: str, onward: str = "/", *, status: int = 400) -> tuple[str, int]:
    return render_template("accounts/not_signed_in.html", text=text, onward=onward), status


def _own_person(db_session: Session) -> Person:
    return people.canonical(db_session, db_session.get_one(Person, current_user().person_id))


def _must_be_a_visit() -> None:
    """A picture or a script on another site's page must not use up what its readers' network may try in an hour."""
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        abort(400, description="Open this address in the browser itself; nothing was begun.")


def _asker(purpose: Purpose) -> Asker:
    person = str(current_user().person) if purpose is Purpose.ADD else ""
    session.setdefault("browser", secrets.token_urlsafe(32))
    return Asker(_browser(), request.user_agent.string, _source(), person)


def _browser() -> str:
    """This browser's own secret; without one, a text that no browser has."""
    return str(session.get("browser") or secrets.token_urlsafe(32))


def _source() -> str:
    return limits.source_of(request.remote_addr)


def _redirect_uri(key: str) -> str:
    # From the settings alone: what a request calls this host is not what the issuer knows.
    return current_settings().base_url + url_for("accounts.back", key=key)


def _derived(purpose: str, state: str) -> str:
    return derived(current_settings().session_key.get_secret_value(), f"sign-in-{purpose}", state)
