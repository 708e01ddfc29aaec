"""What other rooms ask of bodies: rosters as of a day, who holds which seat, and appointments."""

from app.bodies.queries.appointing import AppointmentError, appoint, end_appointment, first_administrator
from app.bodies.queries.reading import (
    ADMINISTRATION,
    ADMINISTRATOR,
    RosterView,
    administrators,
    appointments_for,
    appointments_of,
    bodies,
    body_by_key,
    held_seats,
    holders,
    holders_of_modules,
    roster,
    roster_view,
    seat_by_key,
    seats_of_body,
    tier_of,
)

__all__ = [
    "ADMINISTRATION",
    "ADMINISTRATOR",
    "AppointmentError",
    "RosterView",
    "administrators",
    "appoint",
    "appointments_for",
    "appointments_of",
    "bodies",
    "body_by_key",
    "end_appointment",
    "first_administrator",
    "held_seats",
    "holders",
    "holders_of_modules",
    "roster",
    "roster_view",
    "seat_by_key",
    "seats_of_body",
    "tier_of",
]
