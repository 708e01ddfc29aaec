"""What the web sees of GitHub as a source: the address of its webhooks."""

from __future__ import annotations

from flask import Blueprint

from app.github import receiving

blueprint = Blueprint("github", __name__)
blueprint.register_blueprint(receiving.blueprint)
