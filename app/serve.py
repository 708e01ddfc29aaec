"""`make serve`: one command from a checkout to a running portal and a release that can be installed."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from flask import Flask

from app import create_app
from app.serving.checks import CannotServe, check_machine, lock_home, look_at
from app.serving.first_release import FirstRelease
from app.serving.opening import Opening, open_portal
from app.serving.processes import Family
from app.settings import Settings, SettingsError

_BAR = 24


def main(arguments: list[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Serve until Ctrl-C; gives back the exit status."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    env = {"FLAMBEAU_LOCAL": "1", **(os.environ if environment is None else environment)}
    try:
        return _serve(options, env)
    except (CannotServe, SettingsError) as problem:
        print(f"make serve: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nmake serve: stopped.")
        return 130 if options.until_released else 0


def _serve(options: argparse.Namespace, env: Mapping[str, str]) -> int:
    begun = time.monotonic()
    settings = Settings.from_environment(env)
    with lock_home(settings):
        checkout = look_at(Path(__file__).resolve().parent.parent)
        check_machine(settings, checkout)
        os.environ.update({name: env[name] for name in ("FLAMBEAU_LOCAL",)})
        app = create_app(settings)
        opening = open_portal(app, checkout)
        with Family(settings.folder("logs")) as family:
            start_processes(family, settings, opening)
            family.wait_until_answers(f"{settings.base_url}/healthz", timeout_s=60)
            say(f"The portal is open: {settings.base_url} ({time.monotonic() - begun:.1f} s)")
            for note in opening.notes:
                say(note)
            released = _release(app, opening, family, options)
            _tell_the_way_in(settings, opening, released)
            if options.until_released:
                return 0 if released else 1
            say("Serving until Ctrl-C.")
            family.watch(until=lambda: False)
    return 0


def start_processes(family: Family, settings: Settings, opening: Opening) -> None:
    """Web, worker and runner, each a process of its own. The runner gets no variable of the portal's."""
    python = sys.executable
    web = [python, "-m", "gunicorn", "--bind", f"127.0.0.1:{settings.port}", "--workers", "1", "--threads", "8",
           "--timeout", "300", "--graceful-timeout", "1", "--no-control-socket", "wsgi:create_app()"]  # fmt: skip
    inside = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    inside |= {
        "FLAMBEAU_HOME": str(settings.home), "DATABASE_URL": settings.database_url, "PORT": str(settings.port),
        "FLAMBEAU_BASE_URL": settings.base_url, "FLAMBEAU_GOVERNANCE": str(settings.governance_dir),
        "FLAMBEAU_LEASE_S": str(settings.lease_s), "FLAMBEAU_LOCAL": "1",
    }  # fmt: skip
    family.start("web", web, inside)
    family.start("worker", [python, "-m", "flask", "--app", "wsgi", "worker"], inside)
    if opening.hardware:
        runner = [python, "-I", str(Path(__file__).resolve().parent / "runner"), "--portal", settings.base_url,
                  "--token-file", str(opening.runner_token), "--home", str(settings.folder("runner")),
                  "--hide", str(settings.home), "--name", opening.runner_name]  # fmt: skip
        runner += [part for key in opening.hardware for part in ("--hardware", key)]
        outside = {name: value for name, value in os.environ.items() if not name.startswith(_PORTALS_OWN)}
        family.start("runner", runner, outside)


_PORTALS_OWN = ("FLAMBEAU_", "DATABASE_URL", "REPO", "PYTHONPATH", "GITHUB_")


def _release(app: Flask, opening: Opening, family: Family, options: argparse.Namespace) -> str | None:
    """Carry the current commit to the index, with progress; its version, or None with the reason told."""
    if opening.repository is None:
        return None
    work = FirstRelease(app, opening)
    printed = _Progress()
    try:
        family.watch(until=lambda: work.look(printed))
    except CannotServe as problem:
        say(f"No release: {problem}")
        return None
    finally:
        printed.end()
    if work.trouble:
        say(f"No release: {work.trouble}")
        if work.page:
            say(f"  What happened: {work.page}")
        return None
    return work.version


def _tell_the_way_in(settings: Settings, opening: Opening, released: str | None) -> None:
    say("")
    say(f"  Open       {settings.base_url}")
    if released:
        say(f"  Install    pip install --index-url {settings.base_url}/simple/ {opening.project}")
        say(f"             (version {released}: local, reviewed by nobody)")
    say(f"  Sign in    {opening.sign_in}")
    say("             (as the first administrator; the link works once, within 24 hours)")
    say("")


class _Progress:
    """A line that is rewritten on a terminal, and one line a change elsewhere."""

    def __init__(self) -> None:
        self._last = ""
        self._is_terminal = sys.stdout.isatty()

    def __call__(self, text: str, share: float | None = None) -> None:
        if text == self._last and not self._is_terminal:
            return
        if self._is_terminal:
            done = round(_BAR * (share or 0))
            bar = f"[{'#' * done}{'.' * (_BAR - done)}] " if share is not None else ""
            print(f"\r\x1b[2K{bar}{text}"[:110], end="", flush=True)
        else:
            say(text)
        self._last = text

    def end(self) -> None:
        if self._is_terminal and self._last:
            print(flush=True)
        self._last = ""


def say(text: str) -> None:
    """A line on the terminal, at once."""
    print(text, flush=True)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="make serve", description=__doc__)
    parser.add_argument("--until-released", action="store_true", help="end with 0 once the release is published")
    return parser


Report = Callable[[str, float | None], None]

if __name__ == "__main__":
    sys.exit(main())
