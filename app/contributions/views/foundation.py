"""What every page of contributions stands on: its room, the look that the address asks for, and the frame of a page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from sqlalchemy.orm import Session

from app import answers, charts, pages
from app.clock import current_clock
from app.contributions import queries
from app.contributions.figures import FIGURES, BadAddress, Look, NothingThere, read_look
from app.contributions.metrics import METRICS
from app.contributions.models import Repository
from app.contributions.stamps import stamps
from app.contributions.windows import NAMED
from app.db import current_db

blueprint = Blueprint("contributions", __name__, url_prefix="/contributions")
answers.keep_pages(blueprint, stamps)
nav = [
    pages.Nav("maintainers", "Contributions", "contributions.overview", order=30),
    pages.Nav("members", "Contributions by member", "contributions.organizations", order=30),
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


def page(name: str, session: Session, look: Look, figures: Sequence[str], **values: Any) -> str:
    """A page over a look, with these figures by their keys."""
    answers.may_keep()
    return render_template(
        name, look=look, figures={key: FIGURES[key].of(look) for key in figures}, summary=look.summary, windows=NAMED,
        metrics=METRICS, repositories=queries.repositories(session), counting=queries.is_counting(session), **values,
    )  # fmt: skip


def _here(**values: str) -> str:
    """This very page with other arguments; the rest of the address stays. What is empty is left out."""
    of_window = ("since", "until", "window") if "window" in values else ()
    kept = {name: value for name, value in request.args.items() if name not in of_window}
    changed = {name: value for name, value in {**kept, **values}.items() if value}
    return url_for(str(request.endpoint), **{**(request.view_args or {}), **changed})


def _repository_options(repositories: list[Repository]) -> list[tuple[str, str]]:
    return [("", "All of them"), *((one.public_id, one.name) for one in repositories)]
