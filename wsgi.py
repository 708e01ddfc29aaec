"""Where servers and commands find the portal: `gunicorn "wsgi:create_app()"`, `flask audit verify`."""

import gc

from flask import Flask

import app
from app.settings import SettingsError


def create_app() -> Flask:
    """The portal as the environment says; a setting that cannot be used ends the process with a sentence."""
    try:
        made = app.create_app()
    except SettingsError as error:
        raise SystemExit(f"flambeau: {error}") from None
    # Templates are compiled here, and not while somebody waits for the first page.
    for name in made.jinja_env.list_templates():
        made.jinja_env.get_template(name)
    # What stands now stands to the end: no collection need walk it again while a page makes its thousands of rows.
    gc.collect()
    gc.freeze()
    return made
