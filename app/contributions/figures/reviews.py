"""Figures of reviews between people: whose changes somebody reviews, and who reviews theirs."""

from __future__ import annotations

from collections.abc import Mapping

from markupsafe import Markup

from app import charts
from app.contributions import metrics, queries
from app.contributions.figures.drawing import BOTS, INDEPENDENT, MOST_ROWS, UNATTRIBUTED, About, Shade, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.contributions.metrics import spread
from app.contributions.queries import Other, Side
from app.people.queries import shown_name
from app.wording import span

_MOST = 10


@figure(
    "reviews-exchanged",
    "Reviews given and received",
    "review-exchange",
    scopes=("organization", "person", "repository"),
)
def reviews_exchanged(look: Look) -> Drawn:
    """Reviews that the scope's people give and get, by whom the other side works for."""
    given, received = (_by_owner(look, side) for side in (Side.GIVEN, Side.RECEIVED))
    known = queries.organizations(look.session, {one.organization for one in (*given, *received)})
    order = sorted(given.keys() | received.keys(),
                   key=lambda one: (one.organization is None, -given.get(one, 0) - received.get(one, 0),
                                    one.organization or 0, one.is_known, one.is_bot))  # fmt: skip
    rows, pairs, about = [], [], []
    for at, one in enumerate(order):
        organization = known.get(one.organization or 0)
        name = (
            organization.name if organization else BOTS if one.is_bot else INDEPENDENT if one.is_known else UNATTRIBUTED
        )
        kind: Shade = "known" if organization else "rest"
        url = None
        if organization is not None and at < MOST_ROWS:  # what lies beyond is in no list
            url = look.url("contributions.organization", public_id=organization.public_id)
        rows.append((name, given.get(one, 0), received.get(one, 0)))
        pairs.append(charts.Pair(name, given.get(one, 0), received.get(one, 0), url, kind))
        about.append(About.organization(organization, url))
    shown = [one for one in pairs if one.kind == "known"][:_MOST] + [one for one in pairs if one.kind != "known"]
    return Drawn(("organization", "given", "received"), rows,
                 charts.pairs("Reviews", shown, names=("Given", "Received")) if rows else Markup(""),
                 table("Reviews", ("The other side", "Given", "Received"), rows, about),
                 unattributed=_unknown(given, received), of="reviews", notes=(_promptness(look),))  # fmt: skip


@figure("reviewing-people", "Who reviews with whom", "review-exchange", scopes=("organization", "person", "repository"))
def reviewing_people(look: Look) -> Drawn:
    """The people on the other side of most reviews that the scope's people give and get."""
    given, received = (queries.reviews_exchanged_by_person(look.session, side, look.scope, look.window)
                       for side in (Side.GIVEN, Side.RECEIVED))  # fmt: skip
    both = {one: given.get(one, 0) + received.get(one, 0) for one in given.keys() | received.keys()}
    order = [number for number, _ in metrics.ranked(both, 12)]
    known = queries.persons(look.session, order)
    rows, pairs, about = [], [], []
    for number in order:
        person = known[number or 0]
        row = (shown_name(person), given.get(person.id, 0), received.get(person.id, 0))
        rows.append(row)
        pairs.append(charts.Pair(*row, look.person_url(person)))
        about.append(About.person(person, look.person_url(person)))
    return Drawn(("person", "given", "received"), rows,
                 charts.pairs("Reviews", pairs, names=("Given to them", "Received from them")) if rows else Markup(""),
                 table("Reviews", ("Person", "Given", "Received"), rows, about))  # fmt: skip


def _by_owner(look: Look, side: Side) -> dict[Other, int]:
    found: dict[Other, int] = {}
    for one, number in queries.reviews_exchanged(look.session, side, look.scope, look.window).items():
        owner = Other(look.owner(one.organization), one.is_known, one.is_bot)
        found[owner] = found.get(owner, 0) + number
    return found


def _unknown(*sides: Mapping[Other, int]) -> float | None:
    total = sum(sum(side.values()) for side in sides)
    unknown = sum(number for side in sides for one, number in side.items() if not one.is_known)
    return unknown / total if total else None


def _promptness(look: Look) -> str:
    found = spread(queries.response_given(look.session, look.scope, look.window))
    if not found.n:
        return "No review was begun in these days."
    return f"From a change’s opening to their first review of it: median {span(found.median)}, n = {found.n:,}."
