"""The page of the data's own quality: what is not known, what waits for somebody, and where each is mended."""

from __future__ import annotations

from flask import render_template

from app import answers, pages
from app.auth import access, current_user
from app.contributions.figures.quality import gaps
from app.contributions.views.foundation import blueprint, looking, page
from app.db import current_db

_FIGURES = ("unattributed-over-time", "unattributed-by-repository", "identity-queue", "freshness", "stated-by",
            "bots-and-tools")  # fmt: skip


@blueprint.get("/quality")
@access("public")
def quality() -> str:
    """How far the figures can be trusted, and where each gap is mended."""
    with looking() as (session, look):
        return page("contributions/quality.html", session, look, _FIGURES, summary=None, gaps=gaps(look))


@answers.own("contributions.mended", strangers_alike=True)
def mended() -> str:
    """Where each gap is mended, as far as whoever reads it may, and what other rooms say to them."""
    with current_db().read() as session:
        cards = pages.filled("quality", session, current_user(), None)
        return render_template("contributions/_mended.html", cards=cards)
