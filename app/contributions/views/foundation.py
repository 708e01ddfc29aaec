"""What every page of contributions stands on: its room, the look that the address asks for, and the frame of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from sqlalchemy.orm import Session

from app import answers, charts, pages
from app.clock import current_clock
from app.contributions import queries
from app.contributions.figures import FIGURES, BadAddress, Look, NothingThere, read_look, read_scope
from app.contributions.metrics import METRICS
from app.contributions.models import Repository
from app.contributions.windows import NAMED
from app.db import current_db
from app.governance.queries import is_governed
from app.members import queries as members
from app.members.models import Organization
from app.modules import queries as modules

blueprint = Blueprint("contributions", __name__, url_prefix="/contributions")
answers.keep_pages(
    blueprint, "figures", "counting",
    but_under={
        "contributions.repositories": ("figures", "repositories", "jobs"),
        "contributions.repository": ("figures", "repositories", "jobs", "github"),
        "contributions.quality": ("figures", "counting", "repositories", "github"),
    },
)  # fmt: skip
nav = [
    pages.Nav("maintainers", "Contributions", "contributions.overview", order=30),
    pages.Nav("maintainers", "Health of reviews", "contributions.reviews", order=32),
    pages.Nav("maintainers", "Newcomers", "contributions.newcomers", order=34),
    pages.Nav("members", "Contributions by member", "contributions.organizations", order=30),
    pages.Nav("staff", "Quality of the data", "contributions.quality", order=58),
    pages.Nav("staff", "Repositories", "contributions.repositories", order=60),
]


@blueprint.context_processor
def _helpers() -> dict[str, Any]:
    return {"here": _here, "sparkline": charts.sparkline, "repository_options": _repository_options}


@contextmanager
def addressed() -> Iterator[None]:
    """What an address asks for in vain is answered as the web has it."""
    try:
        yield
    except NothingThere as problem:
        abort(404, description=str(problem))
    except BadAddress as problem:
        abort(400, description=str(problem))


@contextmanager
def looking() -> Iterator[tuple[Session, Look]]:
    """A reading session, and the look that the address asks for: window, repository and options."""
    with current_db().read() as session:
        with addressed():
            look = read_look(session, request.args, now=current_clock().now())
        yield session, look


@dataclass(frozen=True)
class Choices:
    """What a page lets be chosen besides days and repository: (value, text) pairs, and what is chosen."""

    modules: list[tuple[str, str]]
    organizations: list[tuple[str, str]]
    tiers: list[tuple[str, str]]
    chosen: dict[str, str]


@contextmanager
def choosing() -> Iterator[tuple[Session, Look, Choices]]:
    """As `looking`, with the module, organization and tier that the address names, and what there is to choose from."""
    with looking() as (session, whole):
        with addressed():
            look = whole.at(read_scope(session, request.args, whole.scope))
        chosen = {name: request.args.get(name, "") for name in ("module", "organization", "tier")}
        governed = members.members_on(session, look.window.until) if is_governed(session) else []
        held = [one for one in governed if one.membership]
        tiers = {one.membership.tier_key: one.tier.name for one in held if one.membership and one.tier}
        if chosen["tier"] and chosen["tier"] not in tiers:
            abort(404, description=f"No member has the tier {chosen['tier']!r} on {look.window.until}.")
        names = sorted(((one.organization.public_id, one.organization.name) for one in held), key=lambda one: one[1])
        if look.scope.organization and chosen["organization"] not in dict(names):
            one = session.get_one(Organization, look.scope.organization)
            names.insert(0, (one.public_id, one.name))
        look.arguments |= {name: value for name, value in chosen.items() if value}
        yield session, look, Choices([(one.key, one.name) for one in modules.modules(session)], names,
                                     list(tiers.items()), chosen)  # fmt: skip


def trail(look: Look, below: str, endpoint: str, anchor: str, **values: str) -> list[tuple[str, str]]:
    """The folders down to the one that is looked at, each with its address; the last is where we are."""
    parts = below.split("/") if below else []
    arguments = {name: value for name, value in look.arguments.items() if name != "path"}
    plain = Look(look.session, look.scope, look.window, look.as_of, arguments)
    top = [("all of it", plain.url(endpoint, **values))]
    down = [(part, plain.url(endpoint, path="/".join(parts[: at + 1]), **values)) for at, part in enumerate(parts)]
    return [(text, f"{url}#{anchor}") for text, url in (*top, *down)]


def page(name: str, session: Session, look: Look, figures: Sequence[str], **values: Any) -> str:
    """A page over a look, with these figures by their keys; `summary` None: a page that does not show it.

    All of it is everybody's: what depends on who reads it is a part of their own (`answers.own`).
    """
    answers.may_share()
    if "summary" not in values:
        values["summary"] = look.summary
    return render_template(
        name, look=look, figures={key: FIGURES[key].of(look) for key in figures}, windows=NAMED,
        metrics=METRICS, repositories=queries.repositories(session), counting=queries.is_counting(session), **values,
    )  # fmt: skip


def _here(**values: str) -> str:
    """This very page with other arguments; the rest of the address stays. What is empty is left out."""
    of_window = ("since", "until", "window") if "window" in values else ()
    kept = {name: texts[0] for name, texts in pages.asked().items() if name not in of_window}
    changed = {name: value for name, value in {**kept, **values}.items() if value}
    return url_for(str(request.endpoint), **{**(request.view_args or {}), **changed})


def _repository_options(repositories: list[Repository]) -> list[tuple[str, str]]:
    return [("", "All of them"), *((one.public_id, one.name) for one in repositories)]
