"""Pages of modules: the list with who maintains what, and one module's paths, maintainers and written rule."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request, url_for
from sqlalchemy.orm import Session

from app import answers, pages, parameters
from app.auth import User, access, current_user
from app.db import clock_of, current_db
from app.modules import queries
from app.modules.rules import modules_of
from app.people import queries as people

blueprint = Blueprint("modules", __name__, url_prefix="/modules")
answers.keep_pages(
    blueprint,
    "figures", "resolutions",
    only=("modules.overview", "modules.roll_call", "modules.show"),
)
nav = [
    pages.Nav("maintainers", "Modules", "modules.overview", order=30),
    pages.Nav("staff", "Roll call", "modules.roll_call", order=15),
]


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Every module with its active maintainers; a path can be asked for."""
    path = request.args.get("path", "").strip().lstrip("/")[:300]
    answers.may_share()
    with current_db().read() as session:
        today = clock_of(session).now().date()
        listed = queries.modules(session)
        found = queries.maintainers_by_module(session, today)
        persons = people.names_of(session, {person for one in found.values() for person in one.appointed})
        owners = modules_of(path, queries.paths(session)) if path else ()
        return render_template(
            "modules/overview.html", modules=listed, found=found, persons=persons, path=path, owners=owners
        )


@blueprint.get("/roll-call")
@access("public")
def roll_call() -> str:
    """What is amiss in any body on a day, `?at=2026-01-31`."""
    answers.may_share()
    with current_db().read() as session:
        today = clock_of(session).now().date()
        day = parameters.day(today)
        return render_template("modules/roll_call.html", found=queries.roll_call(session, day), day=day, today=today)


@pages.card(order=50)
def modules_card(session: Session, _user: User) -> pages.Card | None:
    """How many modules have the maintainers that they need; nothing before the first sync."""
    listed = queries.modules(session)
    if not listed:
        return None
    today = clock_of(session).now().date()
    alone = len(queries.short_modules(session, today))
    return pages.Card(
        "Modules", "modules/_card.html", {"total": len(listed), "alone": alone}, url=url_for("modules.overview")
    )


@blueprint.get("/<key>")
@access("public")
def show(key: str) -> str:
    """One module."""
    answers.may_keep(for_each=True)
    with current_db().read() as session:
        module = queries.module_by_key(session, key)
        if module is None:
            abort(404)
        found = queries.maintainers_of(session, key, clock_of(session).now().date())
        stand_ins = sorted(int(person) for person in found.signers.stand_ins)
        return render_template(
            "modules/module.html",
            module=module,
            found=found,
            persons=people.names_of(session, [*found.appointed, *stand_ins]),
            stand_ins=stand_ins,
            body_key=queries.body_key(key),
            cards=pages.filled("module", session, current_user(), module),
        )
