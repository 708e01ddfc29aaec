"""`flask search index | rebuild`: the index of the search from the command line."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from app.db import current_db
from app.search import queries

cli = AppGroup("search", help="The index of the search box.")


@cli.command("index")
def index() -> None:
    """Index what is due, here and now."""
    click.echo(f"{queries.work_off(current_db()):,} things looked at")


@cli.command("rebuild")
def rebuild() -> None:
    """Make the whole index anew; pages find less while it runs."""
    click.echo(f"{queries.rebuild(current_db()):,} things indexed")
