"""What the web sees of GitHub as a source: the address of its webhooks, and a repository's page."""

from __future__ import annotations

from flask import Blueprint

from app.github import placing, receiving

blueprint = Blueprint("github", __name__)
blueprint.register_blueprint(receiving.blueprint)
blueprint.register_blueprint(placing.blueprint)
