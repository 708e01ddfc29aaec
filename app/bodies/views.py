"""Pages of bodies: the list, a roster as of a day with its quorum, appointments, and the proof about tiers."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from sqlalchemy.orm import Session

from app import auth, forms, pages
from app.auth import Decision, User, access, can, current_user, permission
from app.bodies import powers, queries
from app.bodies.forms import AppointmentForm, EndForm
from app.bodies.models import Appointment, Body, Seat
from app.bodies.queries import AppointmentError
from app.db import clock_of, current_db
from app.forms import Field
from app.governance.queries import is_governed
from app.members import queries as members
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Person

blueprint = Blueprint("bodies", __name__)
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
    with current_db().read() as session:
        today = clock_of(session).now().date()
        listed = queries.bodies(session)
        rosters = {body.id: queries.roster(session, body.key, today) for body in listed}
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
    with current_db().read() as session:
        body = _body(session, key)
        today = clock_of(session).now().date()
        day = pages.day_from_request(today)
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
        Field("person", "Person", hint="A public id (p_…), an e-mail address or the exact name.", required=True),
    ]
    if organizations:
        listed = [("", "nobody"), *((one.public_id, one.name) for one in organizations)]
        fields.append(Field("organization", "Appointed by", "select", "The member whose seat it is.", options=listed))
    if any(seat.alternates for seat in seats):
        fields.append(Field("is_alternate", "As the alternate", "checkbox"))
    fields += [
        Field("starts_on", "From", "date", "The first day.", True),
        Field("ends_on", "Until", "date", "The last day of the term, if it has one."),
        Field("reason", "Reason", "textarea", "Public (charter 7.5).", True),
    ]
    problems: list[pages.Problem] = []
    if request.method == "POST":
        form, problems = forms.parse(AppointmentForm, request.form)
        if form is not None:
            try:
                with current_db().write() as session:
                    name = _appoint(session, body, form)
                flash(f"{name} is appointed.")
                return redirect(url_for("bodies.show", key=key))
            except AppointmentError as error:
                problems = pages.problems(error.problems)
    sent = request.form if request.method == "POST" else {"starts_on": today.isoformat(), **request.args.to_dict()}
    return forms.page(
        "Appoint to a seat",
        fields,
        values=sent,
        submit="Appoint",
        crumbs=_crumbs(body),
        problems=problems,
    )


@blueprint.route("/bodies/appointments/<public_id>/end", methods=["GET", "POST"])
@access("bodies.appoint")
def end(public_id: str) -> Any:
    """Set the last day of an appointment."""
    with current_db().read() as session:
        found = session.scalar(sa.select(Appointment).where(Appointment.public_id == public_id))
        if found is None:
            abort(404)
        appointment: Appointment = found
        seat = session.get_one(Seat, appointment.seat_id)
        body = session.get_one(Body, seat.body_id)
        person = session.get_one(Person, appointment.person_id)
        today = clock_of(session).now().date()
    auth.require("bodies.appoint", body.key)
    problems: list[pages.Problem] = []
    if request.method == "POST":
        form, problems = forms.parse(EndForm, request.form)
        if form is not None:
            try:
                with current_db().write() as session:
                    row = session.get_one(Appointment, appointment.id)
                    actor = current_user().actor
                    queries.end_appointment(session, row, form.ends_on, actor=actor, reason=form.reason)
                flash("The appointment ends on that day; it stays in the roster of earlier days.")
                return redirect(url_for("bodies.show", key=body.key))
            except AppointmentError as error:
                problems = pages.problems(error.problems)
    return forms.page(
        "End an appointment",
        [
            Field("ends_on", "Last day", "date", "", True),
            Field("reason", "Reason", "textarea", "Public (charter 7.5).", True),
        ],
        values=request.form if request.method == "POST" else {"ends_on": today.isoformat()},
        submit="End it",
        lead=f"{people.shown_name(person)}, {seat.name} of {body.name}",
        crumbs=_crumbs(body),
        problems=problems,
        is_danger=True,
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


def _appoint(session: Session, body: Body, form: AppointmentForm) -> str:
    seat = queries.seat_by_key(session, body.key, form.seat)
    found = {one.id: one for one in (people.canonical(session, p) for p in people.find_person(session, form.person))}
    organization = members.organization_by_public_id(session, form.organization) if form.organization else None
    problems = []
    if seat is None:
        problems.append(("seat", "is none of the choices"))
    if len(found) != 1:
        listed = ", ".join(one.public_id for one in found.values())
        text = f"{len(found)} people are called so: {listed}" if found else "nobody is found so; look at /people"
        problems.append(("person", text))
    if form.organization and organization is None:
        problems.append(("organization", "is none of the choices"))
    if problems or seat is None:
        raise AppointmentError(problems)
    (person,) = found.values()
    queries.appoint(
        session,
        seat,
        person,
        starts_on=form.starts_on,
        ends_on=form.ends_on,
        organization=organization,
        is_alternate=form.is_alternate,
        actor=current_user().actor,
        reason=form.reason,
    )
    return people.shown_name(person)


def _body(session: Session, key: str) -> Body:
    body = queries.body_by_key(session, key)
    if body is None:
        abort(404)
    return body


def _crumbs(body: Body) -> list[tuple[str, str]]:
    return [("Bodies", url_for("bodies.overview")), (body.name, url_for("bodies.show", key=body.key))]
