"""Who sits where on a day: places from seats and memberships, holders from appointments, and what is amiss. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum

from app.rulebook import Counting


class BodyKind(Enum):
    """What kind of body."""

    BOARD = "board"
    COUNCIL = "council"
    ADMINISTRATION = "administration"
    WORKING_GROUP = "working_group"
    MODULE = "module"


class Nature(Enum):
    """Which of the foundation's powers a body belongs to."""

    BUSINESS = "business"
    TECHNICAL = "technical"
    ADMINISTRATION = "administration"


class AppointmentOrigin(Enum):
    """How an appointment came to be."""

    FILE = "file"
    PORTAL = "portal"
    COMMAND_LINE = "command-line"


@dataclass(frozen=True)
class SeatDefinition:
    """A seat as defined. `places`: how many equal ones, None for any number.

    `per_organization`: every member of the appointing tier has its own; `places` does not count then.
    """

    id: int
    key: str
    name: str
    kind: str
    appointed_by: str
    votes: int = 0
    places: int | None = 1
    per_organization: bool = False


@dataclass(frozen=True)
class Holding:
    """An appointment as the rules see it: who, for whom, from when until when."""

    id: str
    seat: int
    person: int
    organization: int | None
    is_alternate: bool
    starts_on: date
    ends_on: date | None

    def holds_on(self, day: date) -> bool:
        """Whether it is in force on the day."""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True)
class Place:
    """One seat as it stands on a day: its holder and alternate, or vacant."""

    seat: SeatDefinition
    number: int
    organization: int | None
    holder: Holding | None
    alternate: Holding | None

    @property
    def is_vacant(self) -> bool:
        """Whether nobody holds it. An alternate does not fill a seat without a holder."""
        return self.holder is None


@dataclass(frozen=True)
class Roster:
    """All places of a body on a day, and appointments for which there is no place."""

    day: date
    places: tuple[Place, ...]
    without_place: tuple[Holding, ...] = field(default=())

    @property
    def votes_held(self) -> int:
        """Votes of the seats that are held: what "all" means in a threshold."""
        return sum(place.seat.votes for place in self.places if not place.is_vacant)

    @property
    def votes_entire(self) -> int:
        """Votes of every seat, vacant ones included: what "the entire body" means."""
        return sum(place.seat.votes for place in self.places)


def roster(
    day: date,
    seats: Sequence[SeatDefinition],
    holdings: Sequence[Holding],
    entitled: Mapping[int, Sequence[int]],
) -> Roster:
    """The roster of a day. `entitled`: seat -> the organizations that each have one of it (per-organization seats)."""
    places: list[Place] = []
    without: list[Holding] = []
    for seat in seats:
        mine = sorted((h for h in holdings if h.seat == seat.id and h.holds_on(day)), key=lambda h: (h.starts_on, h.id))
        if seat.per_organization:
            rest = _places_of_organizations(seat, mine, entitled.get(seat.id, ()), places)
        else:
            rest = _numbered_places(seat, mine, places)
        without += rest
    return Roster(day, tuple(places), tuple(without))


def _places_of_organizations(
    seat: SeatDefinition, mine: list[Holding], organizations: Sequence[int], places: list[Place]
) -> list[Holding]:
    used: set[str] = set()
    for number, organization in enumerate(organizations, start=1):
        holder = next((h for h in mine if h.organization == organization and not h.is_alternate), None)
        alternate = next((h for h in mine if h.organization == organization and h.is_alternate), None)
        places.append(Place(seat, number, organization, holder, alternate))
        used |= {one.id for one in (holder, alternate) if one}
    return [h for h in mine if h.id not in used]


def _numbered_places(seat: SeatDefinition, mine: list[Holding], places: list[Place]) -> list[Holding]:
    holders = [h for h in mine if not h.is_alternate]
    alternates = [h for h in mine if h.is_alternate]
    count = len(holders) if seat.places is None else seat.places
    rest = holders[count:]
    for number in range(1, count + 1):
        holder = holders[number - 1] if number <= len(holders) else None
        # An alternate of a shared seat stands in for the holder from the same organization, or else for the first free.
        fitting = [a for a in alternates if holder and a.organization == holder.organization]
        alternate = next(iter(fitting or alternates), None) if holder else None
        if alternate is not None:
            alternates.remove(alternate)
        places.append(Place(seat, number, holder.organization if holder else None, holder, alternate))
    return [*rest, *alternates]


@dataclass(frozen=True)
class Concern:
    """Something about a roster that somebody should look at."""

    key: str
    text: str


def concerns(
    found: Roster,
    *,
    employers: Mapping[int, Counting],
    names: Mapping[int, str] | None = None,
    employer_cap: int | None = None,
    groups: Mapping[int, str] | None = None,
    related_cap: int | None = None,
    minimum: int = 1,
) -> list[Concern]:
    """What the live roll call finds: vacancies, too few holders, more seats of one employer or group than the cap.

    `employers`: person -> for whom they count on the day; `names`: organization -> its name; `groups`: organization ->
    the name of its group.
    """
    noted: list[Concern] = []
    vacant = [place for place in found.places if place.is_vacant]
    if vacant:
        noted.append(Concern("vacant", f"{len(vacant)} of {len(found.places)} seats are vacant."))
    held = len(found.places) - len(vacant)
    if held < minimum:
        text = "Nobody holds a seat." if held == 0 else f"Only {held} of at least {minimum} seats is held."
        noted.append(Concern("too-few", text))
    if employer_cap is not None:
        sitting = [place.holder.person for place in found.places if place.holder]
        for employer, number, lately in _by_employer(sitting, employers, names or {}):
            if number > employer_cap:
                verb = (
                    f"count for {employer}, {lately} of them by a change of late" if lately else f"work for {employer}"
                )
                noted.append(Concern("employer-cap", f"{number} holders {verb}; the cap is {employer_cap}."))
    if related_cap is not None:
        organizations = [p.organization for p in found.places if p.holder and p.organization is not None]
        totals = Counter((groups or {}).get(organization, str(organization)) for organization in organizations)
        for name, number in sorted(totals.items()):
            if number > related_cap:
                text = f"{number} seats are held for companies of the group {name}; the cap is {related_cap}."
                noted.append(Concern("related-cap", text))
    if found.without_place:
        text = f"{len(found.without_place)} appointments have no seat on this day; end them, or mend the membership."
        noted.append(Concern("without-place", text))
    return noted


def _by_employer(
    sitting: Collection[int], employers: Mapping[int, Counting], names: Mapping[int, str]
) -> list[tuple[str, int, int]]:
    """(employer, how many count for it, how many of them only by a change of late), by name."""
    ones = [one for person in sitting if person in employers for one in employers[person].counted]
    totals = Counter(one.employer for one in ones)
    lately = Counter(one.employer for one in ones if one.until is not None)
    return sorted((names.get(number, str(number)), total, lately[number]) for number, total in totals.items())


def over_the_cap(
    candidate: int, sitting: Collection[int], employers: Mapping[int, Counting], *, names: Mapping[int, str], cap: int
) -> list[str]:
    """Why somebody may not join those who sit: a sentence for each employer of whom too many would count then."""
    told = []
    for one in employers[candidate].counted if candidate in employers else ():
        others = [person for person in sitting if person != candidate and person in employers]
        number = sum(one.employer in employers[person].employers for person in others)
        if number + 1 > cap:
            until = f" until {one.until}, by a change of late (charter 3.3)" if one.until else ""
            name = names.get(one.employer, str(one.employer))
            told.append(f"counts for {name}{until}, as {number} who sit do; the cap is {cap}")
    return told
