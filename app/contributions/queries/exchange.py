"""Who reviews whose changes: reviews that a scope's people give and get, and how soon those that they give come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from app.contributions.metrics.durations import Durations, durations
from app.contributions.metrics.timelines import REVIEWS
from app.contributions.models import Attribution, ChangeEvent, ChangeMeasure, ChangeReviewer
from app.contributions.queries.remembering import remembered
from app.contributions.queries.scopes import Scope, rows_of
from app.contributions.windows import Window
from app.people.models import IdentityPerson, Person


class Side(Enum):
    """Which side of a review a scope's people are on."""

    GIVEN = "given"
    RECEIVED = "received"


@dataclass(frozen=True)
class Other:
    """The other side of reviews: an organization, people on their own, people of whom nobody knows, or bots."""

    organization: int | None
    is_known: bool
    is_bot: bool = False


@remembered
def reviews_exchanged(session: Session, side: Side, scope: Scope, window: Window) -> Mapping[Other, int]:
    """Reviews begun in the window, by whom the other side worked for: the author's day of opening, the reviewer's day.

    GIVEN: by this scope's people; RECEIVED: of changes by this scope's people.
    """
    found: Counter[Other] = Counter()
    for organization, attribution, bot, _, number in _exchanged(session, side, scope, window):
        known = attribution is not Attribution.UNKNOWN
        is_of_bot = bot and side is Side.GIVEN
        found[Other(None, is_known=True, is_bot=True) if is_of_bot else Other(organization, known)] += number
    return found


@remembered
def reviews_exchanged_by_person(session: Session, side: Side, scope: Scope, window: Window) -> Mapping[int, int]:
    """The same by the person on the other side; bots' changes and changes by nobody that is known are left out."""
    found: Counter[int] = Counter()
    for _, _, bot, person, number in _exchanged(session, side, scope, window):
        if person is not None and not bot:
            found[person] += number
    return found


@remembered
def _exchanged(session: Session, side: Side, scope: Scope, window: Window) -> Sequence[tuple[Any, ...]]:
    """(organization, attribution, person) of the other side, whether it is a bot's change, and how many reviews."""
    other: Any = ChangeMeasure if side is Side.GIVEN else ChangeReviewer
    keys = (other.organization_id, other.attribution, ChangeMeasure.is_bot, other.person_id)
    return [tuple(row) for row in rows_of(session, _joined(side, scope, window, *keys).group_by(*keys))]


@remembered
def response_given(session: Session, scope: Scope, window: Window) -> Durations:
    """From the opening of each change (or its first being ready) to the first review by one of this scope's people.

    Of reviews begun in the window; what nobody of them reviewed waits for nobody here.
    """
    who, named = aliased(IdentityPerson), aliased(Person)
    by = sa.func.coalesce(who.person_id, named.merged_into_id, named.id)
    query = (
        _joined(Side.GIVEN, scope, window, ChangeMeasure.starts_at, sa.func.min(ChangeEvent.at), count=False)
        .join(ChangeEvent, ChangeEvent.change_id == ChangeReviewer.change_id)
        .outerjoin(who, who.identity_id == ChangeEvent.identity_id)
        .outerjoin(named, named.id == ChangeEvent.person_id)
        .where(ChangeEvent.kind.in_(REVIEWS), by == ChangeReviewer.person_id, ChangeMeasure.starts_at.is_not(None))
        .group_by(ChangeReviewer.change_id, ChangeMeasure.starts_at)
    )
    return durations(max(0, int((first - starts).total_seconds())) for starts, first in rows_of(session, query))


def _joined(side: Side, scope: Scope, window: Window, *columns: Any, count: bool = True) -> sa.Select[Any]:
    own: Any = ChangeReviewer if side is Side.GIVEN else ChangeMeasure
    query = (
        sa.select(*columns, *([sa.func.count()] if count else []))
        .select_from(ChangeReviewer)
        .join(ChangeMeasure, ChangeMeasure.change_id == ChangeReviewer.change_id)
        .where(ChangeReviewer.first_on.between(window.since, window.until))
    )
    if scope.repository:
        query = query.where(ChangeReviewer.repository_id == scope.repository)
    if scope.person:
        query = query.where(own.person_id == scope.person)
    if scope.organization:
        query = query.where(own.organization_id.in_(scope.organizations))
    return query
