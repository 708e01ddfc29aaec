"""The demo's cast, from a seed: 25 invented organizations and some 160 invented people with their employers by date.

Pure: the same seed and the same last day give the same cast. Every address lies under `.example`, which nobody owns.
"""

from __future__ import annotations

import random
import unicodedata
from dataclasses import dataclass
from datetime import date, timedelta

ORGANIZATIONS = (
    "Aldermoor Compute", "Basalt Semiconductors", "Cinderpeak Cloud", "Dovetail Robotics", "Eastwick Labs",
    "Fernhollow AI", "Gantry Systems", "Halcyon Motors", "Inverness Instruments", "Juniper Vale Health",
    "Kestrelworks", "Lanternfish Data", "Marrowstone Devices", "Northlight Research", "Osprey Point Photonics",
    "Pemberline Software", "Quarrystone Bank", "Rushmere University", "Saltmarsh Media", "Tidewater Logistics",
    "Umberfield Energy", "Vesper Hill Institute", "Wrenfield Silicon", "Yarrow Analytics", "Zephyr Bay Aerospace",
)  # fmt: skip
ACADEMIC = ("Rushmere University", "Vesper Hill Institute")
SUBSIDIARY = {"Lanternfish Data": "Cinderpeak Cloud"}
_GIVEN_NAMES = """
Adaeze Aiko Alejandra Amara Anders Anika Arjun Astrid Aurelio Beatriz Bianca Boaz Camille Cheng Dagny
Daichi Darya Deniz Eero Elif Emeka Esra Fatima Farid Freya Giulia Goran Hana Haruto Hedda Ibrahim Imani
Ines Ingrid Ioana Isaac Jaya Joaquín Jun Kamala Katarzyna Kenji Kofi Lachlan Leila Liang Linnea Lucía
Magnus Malik Marta Mei Milan Mira Nadia Naoki Ngozi Nils Noor Odile Oleksandr Omar Paloma Pradeep Priya
Rafael Ravi Renata Rosa Rune Sanna Santiago Shirin Sigrid Simone Søren Sunita Tadeusz Takumi Tamsin Tariq
Thandiwe Tomás Ulla Valentina Vikram Wei Wiebke Xiomara Yara Yusuf Zainab Zofia
"""
_FAMILY_NAMES = """
Abara Achterberg Almeida Andersson Aramaki Bakker Banerjee Barros Bergström Bielak Bouchard Castellanos
Chandra Chukwu Dahl Delacroix Demir Desrosiers Drăgan Eklund Eriksen Farouk Fontaine Fujimoto Galvão
Ghosh Grabowski Haddad Hakimi Halvorsen Hanspach Hashimoto Holm Ibáñez Iwata Jankowski Jokinen Kapoor
Karimi Keller Kimura Kovács Kuznetsova Laurent Lindqvist Maalouf Macharia Marchetti Mbeki Mehta Moreau
Morita Nakagawa Nkosi Novak Nyström Ogawa Okafor Oliveira Osei Pashkov Petrov Quispe Rahman Rasmussen
Reyes Rinaldi Rossi Sahin Sakurai Sarpong Sato Schreiber Sharma Silva Sokolov Sørensen Tanaka Teixeira
Thorvald Tremblay Ueda Vargas Vasić Venkatesan Villa Wagner Watanabe Weiss Wiśniewski Yamada Yıldız Zaman
Zhao Zieliński
"""
GIVEN_NAMES, FAMILY_NAMES = tuple(_GIVEN_NAMES.split()), tuple(_FAMILY_NAMES.split())


@dataclass(frozen=True)
class Organization:
    """An invented organization; `weight` is how many people it sends, `tier` counts from the highest, 0."""

    name: str
    domain: str
    tier: int
    is_academic: bool
    parent: str | None
    joined: date
    weight: float


@dataclass(frozen=True)
class Employment:
    """Who somebody worked for: organization None is independent, by their own word."""

    organization: str | None
    starts_on: date
    ends_on: date | None


@dataclass(frozen=True)
class Person:
    """An invented contributor. Employments are empty for those of whom nobody knows."""

    name: str
    emails: tuple[str, ...]
    employments: tuple[Employment, ...]
    areas: tuple[int, ...]
    rate: float
    starts_on: date
    ends_on: date | None
    is_maintainer: bool

    def email_on(self, day: date) -> str:
        """The address written into commits of that day: the employer's then, else the person's own."""
        for employment, email in zip(self.employments, self.emails[1:], strict=False):
            if employment.starts_on <= day and (employment.ends_on is None or day <= employment.ends_on):
                return email
        return self.emails[0]

    def is_active(self, day: date) -> bool:
        """Whether the person contributes at that time."""
        return self.starts_on <= day and (self.ends_on is None or day <= self.ends_on)


@dataclass(frozen=True)
class Cast:
    """Everybody of the demo."""

    organizations: tuple[Organization, ...]
    people: tuple[Person, ...]


def make_cast(seed: int, *, today: date, areas: int = 8, people: int = 160, years: int = 3) -> Cast:
    """The organizations and people of this seed, with `years` years of history that end today.

    >>> cast = make_cast(7, today=date(2026, 1, 1))
    >>> len(cast.organizations), len(cast.people), cast == make_cast(7, today=date(2026, 1, 1))
    (25, 160, True)
    """
    chance = random.Random(seed)  # noqa: S311 - a demo must come out the same each time
    first = today - timedelta(days=365 * years)
    organizations = tuple(_organization(chance, name, index, first) for index, name in enumerate(ORGANIZATIONS))
    names: dict[str, None] = {}
    while len(names) < people:
        names.setdefault(f"{chance.choice(GIVEN_NAMES)} {chance.choice(FAMILY_NAMES)}", None)
    found = tuple(
        _person(chance, name, index, organizations, first=first, today=today, areas=areas)
        for index, name in enumerate(names)
    )
    return Cast(organizations, found)


def _organization(chance: random.Random, name: str, index: int, first: date) -> Organization:
    tier = 0 if index in (0, 2, 7, 12) else 1 if index % 3 == 1 else 2
    academic = name in ACADEMIC
    return Organization(
        name=name,
        domain=f"{_ascii(name)}.example",
        tier=3 if academic else tier,
        is_academic=academic,
        parent=SUBSIDIARY.get(name),
        joined=first + timedelta(days=chance.choice((0, 0, 0, 0, 90, 180, 365, 540, 730))),
        weight=(6.0, 2.5, 1.0, 1.6)[3 if academic else tier] * chance.uniform(0.4, 1.6),
    )


def _person(
    chance: random.Random, name: str, index: int, organizations: tuple[Organization, ...], *,
    first: date, today: date, areas: int,
) -> Person:  # fmt: skip
    span = (today - first).days
    early = index < 45
    starts = first if early else first + timedelta(days=chance.randrange(1, span - 20))
    stays = chance.random() < (0.75 if early else 0.6)
    ends = None if stays else min(today, starts + timedelta(days=int(chance.expovariate(1 / 260)) + 15))
    local = _ascii(name.split()[0]) + "." + _ascii(name.split()[1])
    kind = chance.random()
    employments: list[Employment] = []
    if kind < 0.74:
        one = _choose(chance, organizations)
        if chance.random() < 0.22:
            moved = starts + (((ends or today) - starts) * chance.uniform(0.3, 0.7))
            other = _choose(chance, organizations)
            employments = [Employment(one.name, starts, moved - timedelta(days=1)), Employment(other.name, moved, None)]
        else:
            employments = [Employment(one.name, starts, None)]
    elif kind < 0.82:
        employments = [Employment(None, starts, None)]
    domains = {organization.name: organization.domain for organization in organizations}
    own = f"{local}@mail.example"
    emails = [own, *(f"{local}@{domains[e.organization]}" if e.organization else own for e in employments)]
    favourite = chance.randrange(areas)
    rate = chance.paretovariate(1.25) * (1.6 if early else 0.7)
    return Person(
        name=name,
        emails=tuple(emails),
        employments=tuple(employments),
        areas=(favourite, favourite, favourite, chance.randrange(areas)),
        rate=min(rate, 14.0),
        starts_on=starts,
        ends_on=ends,
        is_maintainer=early and stays and chance.random() < 0.45,
    )


def _choose(chance: random.Random, organizations: tuple[Organization, ...]) -> Organization:
    return chance.choices(organizations, weights=[organization.weight for organization in organizations])[0]


def _ascii(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.replace("ø", "o").replace("ı", "i").replace("ł", "l")).lower()
    return "".join(character for character in plain if character.isascii() and character.isalnum())
