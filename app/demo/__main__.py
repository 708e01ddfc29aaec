"""`make demo`: a portal full of a foundation that does not exist, in a home of its own."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import time
from datetime import timedelta
from pathlib import Path

from flask import Flask

from app import create_app, sessions
from app.demo.loading import REASON, SEED, is_loaded, load
from app.serving.checks import CannotServe, check_port, lock_home
from app.serving.processes import Family
from app.settings import ROOT, Settings, SettingsError


def main(arguments: list[str] | None = None) -> int:
    """Load the demo if it is not there, and serve it until Ctrl-C; gives back the exit status."""
    parser = argparse.ArgumentParser(prog="make demo", description="A synthetic foundation on http://127.0.0.1:8000.")
    parser.add_argument("--seed", type=int, default=SEED, help="another foundation (in an empty home)")
    parser.add_argument("--load-only", action="store_true", help="write the demo and end")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        return _demo(options)
    except (CannotServe, SettingsError) as problem:
        print(f"make demo: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmake demo: stopped.")
        return 0


def _demo(options: argparse.Namespace) -> int:
    home = Path(os.environ.get("FLAMBEAU_HOME") or ROOT / "var" / "demo").absolute()
    environment = {**os.environ, "FLAMBEAU_HOME": str(home), "FLAMBEAU_SYNTHETIC": "yes"}
    settings = Settings.from_environment(environment)
    begun = time.monotonic()
    with lock_home(settings):
        if not options.load_only:
            check_port(settings, verb="make demo")
        app = create_app(settings)
        logging.disable(logging.INFO)  # the demo tells its own progress
        app.extensions["flambeau"].db.upgrade()
        if not is_loaded(app):
            load(app, seed=options.seed, say=say)
        if options.load_only:
            return 0
        with Family(settings.folder("logs")) as family:
            python = sys.executable
            web = [python, "-m", "gunicorn", "--bind", f"127.0.0.1:{settings.port}", "--workers", "1", "--threads", "8",
                   "--no-control-socket", "app:create_app()"]  # fmt: skip
            family.start("web", web, environment)
            family.start("worker", [python, "-m", "flask", "--app", "app", "worker"], environment)
            family.wait_until_answers(f"{settings.base_url}/healthz", timeout_s=60)
            say(f"A foundation that does not exist: {settings.base_url} ({time.monotonic() - begun:.1f} s)")
            say(f"Sign in as its administrator: {_way_in(app)} (works once, within 24 hours)")
            say("Serving until Ctrl-C.")
            family.watch(until=lambda: False)
    return 0


def _way_in(app: Flask) -> str:
    """A link that signs the demo's administrator in once."""
    house = app.extensions["flambeau"]
    with house.db.write() as session:
        seat = house.directory.first_administrator
        person = seat(session, "Demo administrator", "administrator@demo.example", REASON)
        token = sessions.issue_link(session, person, "administrator", timedelta(hours=24))
    return f"{house.settings.base_url}/sign-in/{token}"


def say(text: str) -> None:
    """A line on the terminal, at once."""
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
