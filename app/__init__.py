"""The portal: `create_app` finds every slice (a folder with views, jobs, commands or models) and registers it."""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from types import ModuleType

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from app import answers, auth, log, pages, parameters, sessions
from app.clock import Clock, SystemClock
from app.db import Database
from app.settings import Settings

# A program of its own, which runs elsewhere and shares no code with the portal.
_NOT_SLICES = {"runner"}
_PARTS = ("models", "sync", "jobs", "views", "commands")
_HOUSE = ("jobs", "house", "cli")
MAX_FORM_BYTES = 4 * 1024 * 1024


@dataclass
class House:
    """What the running application stands on; `app.extensions["flambeau"]`."""

    settings: Settings
    db: Database
    clock: Clock
    directory: auth.Directory
    nav: list[pages.Nav] = field(default_factory=list)


def create_app(settings: Settings | None = None, *, clock: Clock | None = None, db: Database | None = None) -> Flask:
    """The portal as a WSGI application; without arguments, as the environment says.

    Raises: RuntimeError when a route does not declare who may use it.
    """
    settings = settings or Settings.from_environment(os.environ)
    clock = clock or SystemClock()
    app = Flask("app", root_path=os.path.dirname(__file__))
    app.config.update(
        SECRET_KEY=settings.session_key.get_secret_value(),
        SESSION_COOKIE_NAME="__Host-flambeau" if settings.is_https else "flambeau",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings.is_https,
        PERMANENT_SESSION_LIFETIME=timedelta(days=sessions.SESSION_DAYS),
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=MAX_FORM_BYTES,
        MAX_FORM_MEMORY_SIZE=MAX_FORM_BYTES,
        TRUSTED_HOSTS=settings.hosts,
        SEND_FILE_MAX_AGE_DEFAULT=timedelta(days=365),
    )
    if settings.behind_proxy:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_host=0)  # type: ignore[method-assign]  # as Flask says
    log.init(as_json=settings.log_json)
    db = db or Database(settings.database_url, clock=clock)
    app.extensions["flambeau"] = House(settings, db, clock, auth.directory)
    answers.init(app, settings.home)
    pages.init(app)
    auth.init(app)
    parameters.init(app)
    for module in [*load_house(), *load_slices()]:
        _register(app, module)
    missing = auth.undeclared(app)
    if missing:
        raise RuntimeError("These routes do not say who may use them (@access):\n  " + "\n  ".join(missing))
    return app


def slices() -> list[str]:
    """The names of all slices: the folders of `app` that hold one of the parts, in alphabetical order."""
    folders = [one.name for one in pkgutil.iter_modules(__path__) if one.ispkg and one.name not in _NOT_SLICES]
    return sorted(name for name in folders if _parts_of(name))


def load_slices(parts: Iterable[str] = _PARTS) -> list[ModuleType]:
    """Import every slice's models, jobs, views and commands, those that it has; `parts` asks for fewer."""
    modules = []
    for name in slices():
        has = _parts_of(name)
        modules += [importlib.import_module(f"app.{name}.{part}") for part in parts if part in has]
    return modules


def _parts_of(slice_name: str) -> set[str]:
    folder = os.path.join(os.path.dirname(__file__), slice_name)
    return {one.name for one in pkgutil.iter_modules([folder])} & set(_PARTS)


def load_house() -> list[ModuleType]:
    """Import the house's own views and commands."""
    return [importlib.import_module(f"app.{name}") for name in _HOUSE]


def _register(app: Flask, module: ModuleType) -> None:
    if hasattr(module, "blueprint"):
        app.register_blueprint(module.blueprint)
    app.extensions["flambeau"].nav.extend(getattr(module, "nav", ()))
    for command in getattr(module, "commands", ()):
        app.cli.add_command(command)
    if hasattr(module, "cli"):
        app.cli.add_command(module.cli)
