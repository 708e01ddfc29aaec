"""Pages of bodies: the list, a roster as of a day with its quorum, appointments, and the proof about tiers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, render_template, request, url_for
from sqlalchemy.orm import Session

from app import answers, auth, forms, pages, parameters
from app.auth import Decision, User, access, can, current_user, permission
from app.bodies import powers, queries
from app.bodies.forms import AppointmentForm, EndForm
from app.bodies.models import Appointment, Body, Seat
from app.checks import UnfoundError
from app.db import clock_of, current_db
from app.forms import Field
from app.governance.queries import is_governed
from app.members import queries as members
from app.members.models import Organization
from app.people import queries as people
from app.people.forms import WHO
from app.people.models import Person

blueprint = Blueprint("bodies", __name__)
answers.keep_pages(blueprint, "figures", "resolutions", only=("bodies.overview", "bodies.show"))
REASON = Field("reason", "Reason", "textarea", "Public (charter 7.5).", True)
nav = [
    pages.Nav("staff", "Bodies", "bodies.overview", order=10),
    pages.Nav("staff", "Two powers", "bodies.two_powers", order=30),
]


@permission("bodies.appoint")
def may_appoint(user: User, thing: Any) -> Decision:
    """Staff record appointments; only administrators those of the administration (`thing`: a body's key)."""
    if thing == queries.ADMINISTRATION:
        return auth.administrators_only(user)
    return auth.staff_only(user)


@blueprint.get("/bodies/")
@access("public")
def overview() -> str:
    """Every body with how many of its seats are held today."""
    answers.may_share()
    with current_db().read() as session:
        today = clock_of(session).now().date()
        listed = queries.bodies(session)
        rosters = queries.rosters(session, listed, today)
        return render_template(
            "bodies/overview.html",
            bodies=[body for body in listed if body.module_key is None],
            modules=[body for body in listed if body.module_key is not None],
            rosters=rosters,
        )


@blueprint.get("/bodies/<key>")
@access("public")
def show(key: str) -> str:
    """The public roster of a body as of a day, `?at=2026-01-31`."""
    answers.may_keep()
    with current_db().read() as session:
        body = _body(session, key)
        today = clock_of(session).now().date()
        day = parameters.day(today)
        view = queries.roster_view(session, body, day)
        return render_template(
            "bodies/body.html",
            view=view,
            day=day,
            today=today,
            year_ago=today - timedelta(days=365),
            cards=pages.filled("body", session, current_user(), view),
            may_appoint=can(current_user(), "bodies.appoint", body.key).allowed,
        )


@blueprint.route("/bodies/<key>/appoint", methods=["GET", "POST"])
@access("bodies.appoint")
def appoint(key: str) -> Any:
    """Put a person on a seat."""
    auth.require("bodies.appoint", key)
    with current_db().read() as session:
        body = _body(session, key)
        seats = queries.seats_of_body(session, body)
        organizations = members.organizations(session) if any(queries.tier_of(seat) for seat in seats) else []
        today = clock_of(session).now().date()
    fields = [
        Field("seat", "Seat", "select", "", True, [(seat.key, seat.name) for seat in seats]),
        WHO,
    ]
    if organizations:
        listed = [("", "nobody"), *((one.public_id, one.name) for one in organizations)]
        fields.append(Field("organization", "Appointed by", "select", "The member whose seat it is.", options=listed))
    if any(seat.alternates for seat in seats):
        fields.append(Field("is_alternate", "As the alternate", "checkbox"))
    fields += [
        Field("starts_on", "From", "date", "The first day.", True),
        Field("ends_on", "Until", "date", "The last day of the term, if it has one."),
        REASON,
    ]

    def own_seat(session: Session, text: str) -> Seat:
        found = queries.seat_by_key(session, body.key, text)
        if found is None:
            raise UnfoundError("is none of the choices")
        return found

    finders = {"seat": own_seat, "person": people.one_person, "organization": members.organization_named}
    values = {"starts_on": today.isoformat(), **request.args.to_dict()}
    return forms.ask(
        forms.Page("Appoint to a seat", "Appoint", fields, crumbs=_crumbs(body), values=values),
        AppointmentForm,
        queries.appoint,
        given=lambda _session: {},
        finders=finders,
        done=lambda session, made: (url_for("bodies.show", key=key), f"{_name(session, made)} is appointed."),
    )


@blueprint.route("/bodies/appointments/<public_id>/end", methods=["GET", "POST"])
@access("bodies.appoint")
def end(public_id: str) -> Any:
    """Set the last day of an appointment."""
    with current_db().read() as session:
        wanted = sa.select(Appointment).where(Appointment.public_id == public_id)
        appointment = session.scalar(wanted) or abort(404)
        seat = session.get_one(Seat, appointment.seat_id)
        body = session.get_one(Body, seat.body_id)
        lead = f"{_name(session, appointment)}, {seat.name} of {body.name}"
        values = {"ends_on": clock_of(session).now().date().isoformat()}
    auth.require("bodies.appoint", body.key)
    fields = [Field("ends_on", "Last day", "date", "", True), REASON]
    said = "The appointment ends on that day; it stays in the roster of earlier days."
    return forms.ask(
        forms.Page("End an appointment", "End it", fields, lead, _crumbs(body), values, is_danger=True),
        EndForm,
        queries.end_appointment,
        given=lambda session: {"appointment": session.get_one(Appointment, appointment.id)},
        done=lambda _session, _made: (url_for("bodies.show", key=body.key), said),
        edits="appointment",
    )


@blueprint.get("/governance/two-powers")
@access("public")
def two_powers() -> str:
    """That no tier of membership gives a technical right, shown by a query over all grants."""
    with current_db().read() as session:
        proof = powers.prove(session) if is_governed(session) else None
        return render_template(
            "bodies/two_powers.html",
            proof=proof,
            query=powers.query_text(session),
            held=powers.appointments_by_nature(session),
        )


@pages.fill("person", order=10)
def seats_of_person(session: Session, _user: User, person: Person) -> pages.Card | None:
    """The seats that somebody holds and held, on their page."""
    today = clock_of(session).now().date()
    rows = queries.appointments_of(session, person.id)
    if not rows:
        return None
    return pages.Card("Seats", "bodies/_seats_of_person.html", {"rows": rows, "today": today})


@pages.fill("organization", order=20)
def seats_of_organization(session: Session, _user: User, organization: Organization) -> pages.Card | None:
    """The seats that an organization fills, on its page."""
    today = clock_of(session).now().date()
    rows = queries.appointments_for(session, organization.id, today)
    if not rows:
        return None
    persons = people.names_of(session, {row.person_id for row, _, _ in rows})
    values = {"rows": rows, "persons": persons}
    return pages.Card("Seats it fills", "bodies/_seats_of_organization.html", values)


def _name(session: Session, appointment: Appointment) -> str:
    return people.shown_name(session.get_one(Person, appointment.person_id))


def _body(session: Session, key: str) -> Body:
    body = queries.body_by_key(session, key)
    if body is None:
        abort(404)
    return body


def _crumbs(body: Body) -> list[tuple[str, str]]:
    return [("Bodies", url_for("bodies.overview")), (body.name, url_for("bodies.show", key=body.key))]
