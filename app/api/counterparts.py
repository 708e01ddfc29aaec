"""Which operations hold what a page shows: every page of the portal names them in its head, for programs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_PART = re.compile(r"\{(\w+)\}")
COUNTERPARTS: dict[str, tuple[str, ...]] = {
    "api.overview": ("/openapi.json",),
    "bodies.overview": ("/bodies",),
    "bodies.show": ("/bodies/{key}", "/appointments?body={key}"),
    "bodies.two_powers": ("/governance/two-powers",),
    "builds.one": ("/builds/{public_id}",),
    "builds.overview": ("/builds", "/runners"),
    "contributions.definitions": ("/metrics",),
    "contributions.module": ("/figures", "/modules/{key}", "/commits?module={key}"),
    "contributions.modules_overview": ("/figures", "/modules"),
    "contributions.newcomers": ("/figures",),
    "contributions.organization": ("/figures", "/organizations/{public_id}", "/appointments?organization={public_id}",
                                   "/commits?organization={public_id}"),
    "contributions.organizations": ("/figures", "/organizations"),
    "contributions.overview": ("/figures", "/commits"),
    "contributions.person": ("/figures", "/people/{public_id}", "/commits?author={public_id}"),
    "contributions.quality": ("/figures", "/data-quality"),
    "contributions.repositories": ("/figures", "/repositories"),
    "contributions.repository": ("/repositories/{public_id}",),
    "contributions.reviews": ("/figures",),
    "github.places.show": ("/repositories/{public_id}/github",),
    "governance.charter": ("/governance/charter",),
    "governance.overview": ("/foundation",),
    "governance.rule": ("/governance/rules/{key}",),
    "house.audit_log": ("/audit",),
    "jobs.overview": ("/jobs",),
    "jobs.show": ("/jobs/{public_id}",),
    "members.overview": ("/organizations", "/memberships"),
    "members.show": ("/organizations/{public_id}", "/organizations/{public_id}/people",
                     "/appointments?organization={public_id}"),
    "modules.overview": ("/modules",),
    "modules.roll_call": ("/roll-call",),
    "modules.show": ("/modules/{key}",),
    "people.overview": ("/people",),
    "people.show": ("/people/{public_id}", "/appointments?person={public_id}"),
    "releases.one": ("/releases/{public_id}",),
    "releases.overview": ("/releases",),
    "reports.board": ("/reports/{year}/board",),
    "reports.member": ("/reports/{year}/members/{public_id}",),
    "reports.overview": ("/reports",),
    "reviews.queue": ("/review-queue", "/changes"),
    "reviews.show": ("/changes/{public_id}", "/changes/{public_id}/standing", "/changes/{public_id}/reviews",
                     "/changes/{public_id}/difference"),
    "search.results": ("/search?q={q}",),
}  # fmt: skip
"""Page -> where what it shows is JSON; in braces, parts of the page's own address; `q`, what is searched for."""


def counterparts(endpoint: str | None, parts: Mapping[str, Any]) -> tuple[str, ...]:
    """The addresses below the API's own that hold what a page shows; none for a form, say.

    `parts`: of the page's address, by name; what needs one that is not there is left out.

    >>> counterparts("people.show", {"public_id": "p_000000000001"})
    ('/people/p_000000000001', '/appointments?person=p_000000000001')
    >>> counterparts("search.results", {"q": "R&D"}), counterparts("search.results", {})
    (('/search?q=R%26D',), ())
    """
    known = {name: quote(str(value), safe=":") for name, value in parts.items()}
    found = COUNTERPARTS.get(endpoint or "", ())
    return tuple(path.format(**known) for path in found if set(_PART.findall(path)) <= known.keys())
