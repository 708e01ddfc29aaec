"""The portal with a way to forget all that it kept: so a request is measured cold in a process that is warm."""

from __future__ import annotations

from flask import Flask

import wsgi
from app.auth import access
from app.contributions.figures import keeping
from app.contributions.queries.remembering import forget_answers
from app.shelf import Shelf

FORGET = "/bench/forget"


def create_app() -> Flask:
    """What gunicorn serves here: the portal and one address more."""
    made = wsgi.create_app()

    @made.get(FORGET)
    @access("public")
    def forget() -> str:
        shelf: Shelf = made.extensions["flambeau_pages"]
        for file in shelf.folder.iterdir():
            file.unlink(missing_ok=True)
        forget_answers()
        keeping.forget_figures()
        return "forgotten"

    return made
