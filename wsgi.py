"""Where servers and commands find the portal: `gunicorn "wsgi:create_app()"`, `flask audit verify`."""

import gc
import os
import sys
from typing import NoReturn

import sqlalchemy as sa
from flask import Flask

import app
from app.settings import SettingsError
from app.upgrading import behind

# With this status gunicorn ends, where it would start the process anew for ever with any other.
CANNOT_BEGIN = 4


def create_app() -> Flask:
    """The portal as the environment says; what it cannot be begun with ends the process with a sentence."""
    try:
        made = app.create_app()
    except SettingsError as error:
        _give_up(str(error))
    # A command finds out by itself, and one of them mends it.
    if os.environ.get("FLASK_RUN_FROM_CLI") != "true" and (lacks := _lacks(made)):
        _give_up(lacks)
    # Templates are compiled here, and not while somebody waits for the first page.
    for name in made.jinja_env.list_templates():
        made.jinja_env.get_template(name)
    # What stands now stands to the end: no collection need walk it again while a page makes its thousands of rows.
    gc.collect()
    gc.freeze()
    # A page makes tens of thousands of rows and drops them when it is done: nothing is found by looking every 700.
    gc.set_threshold(100_000, 20, 20)
    return made


def _lacks(made: Flask) -> str:
    try:
        return behind(made.extensions["flambeau"].db.engine)
    except sa.exc.OperationalError:
        return ""  # it is away; pages say so until it is back


def _give_up(sentence: str) -> NoReturn:
    sys.stderr.write(f"flambeau: {sentence}\n")
    raise SystemExit(CANNOT_BEGIN)
