"""Writes a foundation's standing rows: organizations, memberships, people with their identities and employers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from app.demo.scale.foundation import Foundation
from app.demo.scale.sinks import Sinks
from app.people.queries.identities import fingerprint

REASON = "synthetic: made by the generator"


@dataclass(frozen=True)
class Written:
    """Row numbers by place: each person's git identities (the oldest address first) and forge identity."""

    git: tuple[tuple[int, ...], ...]
    forge: tuple[int, ...]


def moment(day: date) -> str:
    """A day's beginning as the databases take it.

    >>> moment(date(2026, 1, 5))
    '2026-01-05 00:00:00.000000'
    """
    return f"{day} 00:00:00.000000"


def write_standing(sinks: Sinks, foundation: Foundation) -> Written:
    """Write all that stands; row numbers count from 1 in the foundation's order."""
    _organizations(sinks, foundation)
    repositories = sinks.declare(
        "repository", "id", "public_id", "name", "url", "is_foundation", "state", "problem", "default_branch",
        "has_line_counts", "added_at", "version",
    )  # fmt: skip
    begins = moment(foundation.begins)
    for number, name in enumerate(foundation.repositories, start=1):
        repositories.append((number, f"r_{number:012d}", name, f"/nowhere/synthetic/{name}.git", 1, "ready",
                             "synthetic: no history lies behind these rows", "main", 1, begins, 1))  # fmt: skip
    return _people(sinks, foundation)


def _organizations(sinks: Sinks, foundation: Foundation) -> None:
    organizations = sinks.declare("organization", "id", "public_id", "name", "slug", "kind", "parent_id", "website",
                                  "description", "contact", "created_at", "version")  # fmt: skip
    memberships = sinks.declare("membership", "id", "public_id", "organization_id", "tier_key", "starts_on", "ends_on",
                                "dues_cents", "reason", "version")  # fmt: skip
    begins = moment(foundation.begins)
    for number, one in enumerate(foundation.organizations, start=1):
        kind = "university" if one.name.endswith("Institute") else "company"
        owner = one.owner + 1 if one.owner is not None else None
        organizations.append((number, f"o_{number:012d}", one.name, one.slug, kind, owner,
                              f"https://{one.slug}.example", "An invented organization.", "", begins, 1))  # fmt: skip
        if one.tier:
            memberships.append((number, f"m_{number:012d}", number, one.tier, str(one.joined), None, 0, REASON, 1))


def _people(sinks: Sinks, foundation: Foundation) -> Written:
    persons = sinks.declare("person", "id", "public_id", "name", "created_at", "version")
    identities = sinks.declare("identity", "id", "public_id", "source", "name", "email", "login", "address",
                               "fingerprint")  # fmt: skip
    activity = sinks.declare("identity_activity", "identity_id", "first_on", "last_on")
    links = sinks.declare("identity_link", "id", "source", "identity_id", "other_id")
    resolved = sinks.declare("identity_person", "identity_id", "person_id", "home_person_id", "role")
    stated = sinks.declare("affiliation", "id", "public_id", "person_id", "organization_id", "starts_on", "ends_on",
                           "source", "confidence", "stated_at", "stated_by", "reason")  # fmt: skip
    employed = sinks.declare("employment", "id", "person_id", "organization_id", "starts_on", "ends_on", "source",
                             "confidence")  # fmt: skip
    identity = statement = link = 0
    git: list[tuple[int, ...]] = []
    forge: list[int] = []
    for number, one in enumerate(foundation.people, start=1):
        persons.append((number, f"p_{number:012d}", one.name, moment(one.first), 1))
        wordings = [("git", one.name, email, "") for email in one.emails] + [("github", one.name, "", one.login)]
        mine = []
        for wording in wordings:
            identity += 1
            mine.append(identity)
            identities.append((identity, f"i_{identity:012d}", *wording, wording[2], fingerprint(wording)))
            activity.append((identity, str(one.first), str(one.last)))
            resolved.append((identity, number, number, "bot" if one.is_bot else "person"))
        for other in mine[1:]:
            link += 1
            links.append((link, "synthetic", mine[0], other))
        git.append(tuple(mine[:-1]))
        forge.append(mine[-1])
        source = "self" if number % 3 == 0 else "import"
        for job in one.jobs:
            statement += 1
            place = job.organization + 1 if job.organization is not None else None
            ends = str(job.ends_on) if job.ends_on else None
            stated.append((statement, f"a_{statement:012d}", number, place, str(job.starts_on), ends, source, 90,
                           moment(foundation.begins), "system:generator", REASON))  # fmt: skip
            employed.append((statement, number, place, str(job.starts_on), ends, source, 90))
        sinks.drain()
    return Written(tuple(git), tuple(forge))
