"""Who there is, from a seed: organizations with owners and memberships, people with employers by date, repositories.

Pure: the same seed, scale and last day give the same foundation. Shares follow Zipf's law as they do in real projects,
most people come once, a few stay for years, and of a third nobody says for whom they work.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import accumulate

from app.demo.cast import FAMILY_NAMES, GIVEN_NAMES

TIERS = ("platinum", "gold", "silver", "associate")
_TIER_SHARES = (0.025, 0.08, 0.3, 0.12)
_FIRST_WORDS = ("Alder", "Basalt", "Cinder", "Dove", "East", "Fern", "Gantry", "Hal", "Iron", "Juniper", "Kestrel",
                "Lantern", "Marrow", "North", "Osprey", "Pember", "Quarry", "Rush", "Salt", "Tide", "Umber", "Vesper",
                "Wren", "Yarrow", "Zephyr")  # fmt: skip
_SECOND_WORDS = ("brook", "moor", "peak", "field", "gate", "works", "light", "stone", "hill", "water", "wood", "mill",
                 "bay", "vale", "crest", "ford", "haven", "ridge", "point", "mere")  # fmt: skip
_KINDS = ("Compute", "Systems", "Labs", "Robotics", "Cloud", "Silicon", "Data", "Motors", "Health", "Institute")
_PROJECTS = ("tensor", "models", "runtime", "kernels", "datasets", "bench", "docs", "hub", "serving", "quant", "graph",
             "vision", "speech", "text", "recsys", "sim", "edge", "compiler", "profiler", "tools")  # fmt: skip


@dataclass(frozen=True)
class Scale:
    """How much there is. `events` counts commits, releases, and all that happens to changes and issues."""

    people: int = 20_000
    organizations: int = 500
    repositories: int = 200
    events: int = 5_000_000
    years: int = 10

    @classmethod
    def of(cls, people: int) -> Scale:
        """Everything in proportion.

        >>> Scale.of(20_000) == Scale(), Scale.of(200)
        (True, Scale(people=200, organizations=5, repositories=2, events=50000, years=10))
        """
        return cls(people, max(4, people // 40), max(2, people // 100), people * 250)


@dataclass(frozen=True)
class Organization:
    """An invented organization; `owner` is another's place in the list, `tier` None for one that is no member."""

    name: str
    slug: str
    owner: int | None
    tier: str | None
    joined: date


@dataclass(frozen=True)
class Job:
    """For whom somebody works: an organization's place in the list, or None for nobody; both days included."""

    organization: int | None
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True)
class Person:
    """Somebody invented. `jobs` is empty for those of whom nobody knows; `pace` is how much they do."""

    name: str
    emails: tuple[str, ...]
    login: str
    jobs: tuple[Job, ...]
    pace: float
    first: date
    last: date
    repositories: tuple[int, ...]
    is_bot: bool = False

    def employer(self, day: date) -> Job | None:
        """The job of a day."""
        return next((job for job in self.jobs if job.starts_on <= day and (job.ends_on is None or day <= job.ends_on)),
                    None)  # fmt: skip


@dataclass(frozen=True)
class Foundation:
    """Everybody and everything; bots come after the people."""

    organizations: tuple[Organization, ...]
    people: tuple[Person, ...]
    repositories: tuple[str, ...]
    today: date
    begins: date
    months: tuple[date, ...] = field(repr=False)

    @property
    def bots(self) -> range:
        """The places of the bots among the people."""
        return range(sum(not one.is_bot for one in self.people), len(self.people))


def invent(scale: Scale, *, seed: int, today: date) -> Foundation:
    """The foundation of this seed, whose history ends on that day.

    >>> small = invent(Scale.of(200), seed=1, today=date(2026, 1, 15))
    >>> len(small.organizations), len(small.people), small == invent(Scale.of(200), seed=1, today=date(2026, 1, 15))
    (5, 202, True)
    """
    chance = random.Random(seed)  # noqa: S311 - must come out the same each time
    begins = date(today.year - scale.years, today.month, 1)
    months = tuple(date(at // 12, at % 12 + 1, 1) for at in range(begins.year * 12 + begins.month - 1,
                                                                  today.year * 12 + today.month))  # fmt: skip
    organizations = tuple(_organization(chance, place, scale, begins, today) for place in range(scale.organizations))
    sending = list(accumulate(1 / (place + 2) ** 0.9 for place in range(scale.organizations)))
    busy = list(accumulate(1 / (place + 2) ** 0.9 for place in range(scale.repositories)))
    coming = list(accumulate(1 + 3 * at / len(months) for at in range(len(months))))
    people = tuple(
        _person(chance, place, scale, organizations, sending, busy, months, coming, today)
        for place in range(scale.people)
    )
    bots = tuple(
        Person(f"chore-{place}[bot]", (f"chore-{place}[bot]@bots.example",), f"chore-{place}[bot]", (), 30.0, begins,
               today, tuple(range(min(3, scale.repositories))), is_bot=True)
        for place in range(max(2, scale.people // 800))
    )  # fmt: skip
    names = tuple(f"{_PROJECTS[place % len(_PROJECTS)]}{'' if place < len(_PROJECTS) else f'-{place}'}"
                  for place in range(scale.repositories))  # fmt: skip
    return Foundation(organizations, people + bots, names, today, begins, months)


def _organization(chance: random.Random, place: int, scale: Scale, begins: date, today: date) -> Organization:
    first = _FIRST_WORDS[place % 25] + _SECOND_WORDS[place // 25 % 20]
    name = f"{first} {_KINDS[chance.randrange(10)]}" + (f" {place}" if place >= 500 else "")
    owner = chance.randrange(place) if place > 3 and chance.random() < 0.12 else None
    tier, share, rank = None, 0.0, (place + 0.5) / scale.organizations
    for key, part in zip(TIERS, _TIER_SHARES, strict=True):
        share += part
        if rank < share:
            tier = key
            break
    joined = begins + timedelta(days=chance.randrange(max(1, (today - begins).days - 200)))
    return Organization(name, f"{first.lower()}-{place}", owner, None if owner is not None else tier, joined)


def _person(
    chance: random.Random, place: int, scale: Scale, organizations: tuple[Organization, ...], sending: list[float],
    busy: list[float], months: tuple[date, ...], coming: list[float], today: date,
) -> Person:  # fmt: skip
    name = f"{chance.choice(GIVEN_NAMES)} {chance.choice(FAMILY_NAMES)}"
    founder = place < max(3, scale.people // 100)
    month = months[0] if founder else chance.choices(months, cum_weights=coming)[0]
    first = min(today, month + timedelta(days=chance.randrange(28)))
    kind = chance.random()
    if founder or kind > 0.93:
        days = int(chance.expovariate(1 / 1500)) + 300
    elif kind > 0.5:
        days = int(chance.expovariate(1 / 260)) + 20
    else:
        days = chance.randrange(1, 20)
    last = min(today, first + timedelta(days=days))
    jobs = _jobs(chance, organizations, sending, first, last)
    own = f"p{place}@mail.example"
    at_work = dict.fromkeys(
        f"p{place}@{organizations[job.organization].slug}.example" for job in jobs if job.organization is not None
    )
    homes = tuple(dict.fromkeys(chance.choices(range(scale.repositories), cum_weights=busy, k=chance.randrange(1, 5))))
    pace = min(60.0, chance.paretovariate(1.1)) * (2.5 if days > 300 else 1.0)
    return Person(name, (own, *at_work), f"person-{place}", jobs, pace, first, last, homes)


def _jobs(
    chance: random.Random, organizations: tuple[Organization, ...], sending: list[float], first: date, last: date
) -> tuple[Job, ...]:
    kind = chance.random()
    if kind < 0.34:
        return ()
    since = first - timedelta(days=chance.randrange(400))
    if kind < 0.42:
        return (Job(None, since, None),)
    changes = chance.choices((0, 1, 2), weights=(0.72, 0.21, 0.07))[0] if (last - first).days > 60 else 0
    turns = sorted({first + timedelta(days=chance.randrange(1, (last - first).days)) for _ in range(changes)})
    starts = [since, *turns]
    ends: list[date | None] = [*(turn - timedelta(days=1) for turn in turns), None]
    places = chance.choices(range(len(organizations)), cum_weights=sending, k=len(starts))
    return tuple(Job(*values) for values in zip(places, starts, ends, strict=True))
