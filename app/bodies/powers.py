"""The proof that no tier gives a technical right: every seat tried against every permission, by the deciding code."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import auth
from app.auth import HeldSeat, User
from app.bodies.models import Appointment, Body, Seat
from app.governance.queries import current

PROBE = User(person="p_probe", person_id=-1, name="Probe")


@dataclass(frozen=True)
class Grant:
    """What one seat lets its holder do, as the rules of the permissions answer today."""

    body: str
    seat: str
    name: str
    appointed_by: str
    business: tuple[str, ...]
    technical: tuple[str, ...]

    @property
    def is_module(self) -> bool:
        """Whether it is a maintainer's seat of a module."""
        return self.body.startswith("module:")

    @property
    def is_by_tier(self) -> bool:
        """Whether members of a tier appoint it."""
        return self.appointed_by.startswith("tier:")


@dataclass(frozen=True)
class Proof:
    """Every grant, and those that would break the charter's clause 1.2."""

    grants: tuple[Grant, ...]
    everybody: tuple[str, ...]
    violations: tuple[Grant, ...]
    technical_seats_by_tier: int
    permissions: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether no tier maps to a technical permission."""
        return not self.violations and self.technical_seats_by_tier == 0


# The same question asked of the rows: seats of a technical body that members of a tier appoint.
BY_TIER = (
    sa.select(sa.func.count())
    .select_from(Seat)
    .join(Body, Body.id == Seat.body_id)
    .where(Body.nature == "technical", Seat.appointed_by.startswith("tier:"), Seat.retired_on.is_(None))
)


def prove(session: Session) -> Proof:
    """Try a holder of each seat, and of nothing else, against every named permission."""
    permissions = current(session).foundation.permissions
    natures = {name: permissions.nature(name) for name in auth.permissions()}
    rows = session.execute(
        sa.select(Body, Seat)
        .join(Seat, Seat.body_id == Body.id)
        .where(Seat.retired_on.is_(None), Body.retired_on.is_(None))
        .order_by(Body.module_key.is_not(None), Body.id, Seat.position)
    )
    seats = [(row.Body, row.Seat) for row in rows]
    everybody = tuple(name for name in natures if auth.can(PROBE, name).allowed)
    grants = tuple(
        Grant(
            body.key,
            seat.key,
            f"{seat.name}, {body.name}",
            seat.appointed_by,
            *_granted(natures, everybody, HeldSeat(body.key, seat.key, seat.kind, body.module_key)),
        )
        for body, seat in seats
    )
    violations = tuple(grant for grant in grants if grant.is_by_tier and grant.technical)
    return Proof(grants, everybody, violations, session.scalar(BY_TIER) or 0, natures)


def query_text(session: Session) -> str:
    """The query over the rows, as the database runs it."""
    compiled = BY_TIER.compile(session.get_bind(), compile_kwargs={"literal_binds": True})
    return str(compiled)


def appointments_by_nature(session: Session) -> Sequence[tuple[str, int]]:
    """Nature of a body -> appointments there, for the page's figures."""
    rows = session.execute(
        sa.select(Body.nature, sa.func.count())
        .join(Seat, Seat.body_id == Body.id)
        .join(Appointment, Appointment.seat_id == Seat.id)
        .group_by(Body.nature)
        .order_by(Body.nature)
    )
    return [(nature.value, number) for nature, number in rows]


def _granted(
    natures: Mapping[str, str], everybody: Iterable[str], seat: HeldSeat
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(business, technical) permissions that the seat adds to what everybody has.

    A representative is tried as the alternate too, and as one of an organization.
    """
    seats = [seat, HeldSeat(seat.body, seat.seat, "alternate", seat.module)]
    seats += [HeldSeat(one.body, one.seat, one.kind, one.module, "o_probe") for one in seats]
    users = [User(PROBE.person, PROBE.person_id, PROBE.name, (one,)) for one in seats]
    granted = {name for name in natures if any(auth.can(user, name, None).allowed for user in users)} - set(everybody)
    business = tuple(sorted(name for name in granted if natures[name] == "business"))
    return business, tuple(sorted(granted - set(business)))
