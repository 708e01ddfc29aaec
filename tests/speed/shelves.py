"""What a portal keeps in files, taken away: for measurements of what a page costs of which nothing is kept."""

from __future__ import annotations

from flask import Flask

from app.shelf import Shelf


def empty_shelves(app: Flask) -> None:
    """Take away every page and every answer."""
    answers: Shelf = app.extensions["flambeau"].db.info["flambeau_answers"]
    pages: Shelf = app.extensions["flambeau_pages"]
    for file in (*answers.folder.glob("*"), *pages.folder.glob("*")):
        file.unlink(missing_ok=True)
