"""Counts what the pages of a large foundation rest on before anybody asks: a job, which asks for them as a stranger.

Counting half a million changes takes a second, and what was counted holds until something is written. So every few
minutes, where something was, the job asks for the pages that people open first; the answers lie in files of the home
(`app.contributions.queries.shelved`), where every process finds them. It does little at a time, then others have their
turn. A small portal counts faster than it would look there, and is left alone.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Hashable, Iterable
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app, url_for
from sqlalchemy.orm import Session

from app.answers import ANEW
from app.contributions import queries
from app.contributions.models import Rollup
from app.contributions.queries.remembering import making_ready
from app.contributions.stamps import stamps
from app.contributions.windows import read_window
from app.jobs import NotYet, StepContext, Workflow, schedule
from app.modules import queries as modules
from app.shelf import Kept, Shelf

EVERY_S = 300.0
FOR_S = 5.0
"""So long, and one page at least, before others have their turn."""
LEAST_ROWS = 100_000
"""Fewer rows are counted in a few milliseconds."""
MOST_ORGANIZATIONS = 60
_DONE, _SO_FAR, _NOTE = "made ready", "being made ready", "a note of the job"
make_ready = Workflow("make-ready", title="Count what pages show before somebody asks", attempts=1)
schedule("make-ready", every_s=EVERY_S, workflow="make-ready")
Addresses = Callable[[Session, datetime], Iterable[str]]
_provided: list[Addresses] = []


def made_ready(addresses: Addresses) -> Addresses:
    """Register pages to be made ready: `(session, now) -> addresses`, within a request so that `url_for` serves."""
    _provided.append(addresses)
    return addresses


@make_ready.step("ask")
def ask(step: StepContext) -> dict[str, Any]:
    """Ask for one page after the other; a job that gave way goes on behind the last one that it asked for."""
    shelf: Shelf = step.db.info["flambeau_answers"]
    place = (_SO_FAR, step.job.public_id)
    so_far = _found(shelf, place) or _begun(step, shelf)
    if isinstance(so_far, str):
        return {"asked": 0, "because": so_far}
    addresses, first, begun = so_far["addresses"], so_far["asked"], time.monotonic()
    for number, address in enumerate(addresses[first:], first):
        said = f"{number} of {len(addresses)} pages"
        if time.monotonic() - begun > FOR_S and number > first:
            note = {**so_far, "asked": number}
            _put(shelf, place, note)
            if _found(shelf, place) != note:
                return {"asked": number, "because": "nothing can be written into the home; the rest is not made ready"}
            raise NotYet(0.1, said)
        step.progress(number / len(addresses), said)
        if (status := make_page_ready(current_app, address)) != "200 OK":
            step.log(f"{address} answers {status}")
    _put(shelf, _DONE, {"under": so_far["under"]})
    return {"asked": len(addresses)}


def _begun(step: StepContext, shelf: Shelf) -> dict[str, Any] | str:
    """What is to be asked for, and under which stamps and in which hour that begins; or why nothing is."""
    now = step.clock.now()
    with step.db.read() as session:
        some = sa.select(Rollup.id).limit(LEAST_ROWS).subquery()
        if (session.scalar(sa.select(sa.func.count()).select_from(some)) or 0) < LEAST_ROWS:
            return "all is counted quickly here"
        under = repr((stamps(session), now.replace(minute=0, second=0, microsecond=0)))
        if (_found(shelf, _DONE) or {}).get("under") == under:
            return "nothing was written since"
        return {"under": under, "addresses": addresses_to_make_ready(current_app, session, now), "asked": 0}


def _found(shelf: Shelf, place: Hashable) -> dict[str, Any] | None:
    kept = shelf.find(place, _NOTE, fresh_s=shelf.oldest_s)
    return dict(json.loads(kept.body)) if kept else None


def _put(shelf: Shelf, place: Hashable, said: dict[str, Any]) -> None:
    shelf.keep(place, _NOTE, Kept({}, json.dumps(said).encode()))


def addresses_to_make_ready(app: Flask, session: Session, now: datetime) -> list[str]:
    """The addresses of all pages that are made ready, those that are opened first at the front."""
    with app.test_request_context(base_url=_base_url(app)):
        return [address for provided in _provided for address in provided(session, now)]


def make_page_ready(app: Flask, address: str) -> str:
    """Ask for a page as a stranger, so that all that it rests on is counted as of now; gives the answer's status."""
    client = app.test_client()
    with making_ready(), client.get(address, base_url=_base_url(app), environ_overrides={ANEW: True}) as answer:
        return answer.status


@made_ready
def dashboards(session: Session, now: datetime) -> Iterable[str]:
    """The dashboards over everything, every module's, and those of the organizations that did most in the last year."""
    for page in ("overview", "modules_overview", "newcomers", "organizations", "quality", "repositories", "reviews"):
        yield url_for(f"contributions.{page}")
    for module in modules.modules(session):
        yield url_for("contributions.module", key=module.key)
    window, _ = read_window({}, today=now.date(), first=None)
    commits = queries.commits_by_organization(session, queries.EVERYTHING, window)
    busiest = sorted(commits, key=lambda number: (-commits[number], number))[:MOST_ORGANIZATIONS]
    for one in queries.named_organizations(session, busiest).values():
        yield url_for("contributions.organization", public_id=one.public_id)


def _base_url(app: Flask) -> str:
    base_url: str = app.extensions["flambeau"].settings.base_url
    return base_url
