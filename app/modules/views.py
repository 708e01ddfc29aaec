"""Pages of modules: the list with who maintains what, and one module's paths, maintainers and written rule."""

from __future__ import annotations

from flask import Blueprint, abort, render_template, request

from app import pages
from app.auth import access, current_user
from app.db import clock_of, current_db
from app.modules import queries
from app.modules.rules import modules_of
from app.people import queries as people

blueprint = Blueprint("modules", __name__, url_prefix="/modules")
nav = [pages.Nav("maintainers", "Modules", "modules.overview", order=30)]


@blueprint.get("/")
@access("public")
def overview() -> str:
    """Every module with its active maintainers; a path can be asked for."""
    path = request.args.get("path", "").strip().lstrip("/")[:300]
    with current_db().read() as session:
        today = clock_of(session).now().date()
        listed = queries.modules(session)
        found = {module.key: queries.maintainers_of(session, module.key, today) for module in listed}
        persons = people.names_of(session, {person for one in found.values() for person in one.appointed})
        owners = modules_of(path, queries.paths(session)) if path else ()
        return render_template(
            "modules/overview.html", modules=listed, found=found, persons=persons, path=path, owners=owners
        )


@blueprint.get("/<key>")
@access("public")
def show(key: str) -> str:
    """One module."""
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
