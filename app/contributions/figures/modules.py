"""Figures of the modules of governance."""

from __future__ import annotations

from app import charts
from app.contributions import queries
from app.contributions.figures.drawing import longest, table
from app.contributions.figures.figure import Drawn, figure
from app.contributions.figures.look import Look
from app.modules import queries as modules


@figure("modules", "Modules", "commits", scopes=("everything", "repository", "organization", "person"))
def touched_modules(look: Look) -> Drawn:
    """Commits that touched each module of governance."""
    names = {module.key: module.name for module in modules.modules(look.session)}
    counted = queries.commits_by_module(look.session, look.scope, look.window)
    rows = [(names.get(key, key), commits) for key, commits in counted.items()]
    urls = {key: look.url("contributions.module", key=key) for key in names}
    bars = [charts.Bar(names.get(key, key), commits, url=urls.get(key)) for key, commits in counted.items()]
    return Drawn(("module", "commits"), rows, charts.bars("Modules", longest(bars)),
                 table("Modules", ("Module", "Commits"), rows))  # fmt: skip
