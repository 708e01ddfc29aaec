"""The portal with a way to forget all that it kept: so a request is measured cold in a process that is warm."""

from __future__ import annotations

import math

from flask import Flask

import wsgi
from app.auth import access
from app.contributions.figures import keeping
from app.contributions.queries import shelved
from app.contributions.queries.remembering import forget_answers
from tests.speed.shelves import empty_shelves

FORGET = "/bench/forget"


def create_app() -> Flask:
    """What gunicorn serves here: the portal and one address more."""
    made = wsgi.create_app()
    shelved.SHELVED_S = math.inf  # files are written once the page is given: after it was forgotten, maybe

    @made.get(FORGET)
    @access("public")
    def forget() -> str:
        empty_shelves(made)
        forget_answers()
        keeping.forget_figures()
        return "forgotten"

    return made
