"""The runner's command line: lease a job, do it, again."""

from __future__ import annotations

import argparse
import json
import platform
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from . import machine, process
from .portal import LeaseLostError, Portal, RefusedError
from .work import Runner, work


class _Stopping:
    """True after SIGTERM or SIGINT; the job in hand is given back by letting its lease run out."""

    def __init__(self) -> None:
        self.asked = False

    def __call__(self) -> bool:
        return self.asked

    def ask(self, number: int, frame: object) -> None:
        self.asked = True
        raise SystemExit(0)


def main(arguments: list[str] | None = None) -> int:
    """Work until told to stop; `--once` does one job, or ends if there is none."""
    options = _parser().parse_args(arguments)
    try:
        token = options.token_file.read_text(encoding="utf-8").strip()
    except OSError as error:
        print(f"cannot read the registration token: {error}; `flask runner add` writes one", file=sys.stderr)
        return 2
    stopping = _Stopping()
    signal.signal(signal.SIGTERM, stopping.ask)
    signal.signal(signal.SIGINT, stopping.ask)
    process.protect_this_process()
    options.home.mkdir(parents=True, exist_ok=True, mode=0o700)
    runner = _look_around(options)
    portal = Portal(options.portal, token, is_stopped=stopping)
    _say("ready", portal=options.portal, hardware=options.hardware, isolation=runner.isolation)
    return _serve(options, runner, portal, stopping)


def _serve(options: argparse.Namespace, runner: Runner, portal: Portal, stopping: _Stopping) -> int:
    pause_s = options.poll_s
    while not stopping.asked:
        try:
            lease = portal.ask(
                "POST", "/api/runner/v1/lease",
                {"hardware": options.hardware, "name": options.name, "isolation": runner.isolation}, once=True,
            )  # fmt: skip
        except (LeaseLostError, RefusedError) as error:
            print(f"the portal refuses this runner: {error}", file=sys.stderr)
            return 1
        except ConnectionError as error:
            if options.once:
                print(error, file=sys.stderr)
                return 1
            time.sleep(pause_s)
            pause_s = min(pause_s * 2, 10.0)
            continue
        pause_s = options.poll_s
        if lease is None:
            if options.once:
                return 0
            time.sleep(options.poll_s)
            continue
        _say("job", job=lease["job"], commit=lease["task"]["commit"])
        ending = work(runner, Portal(options.portal, lease["token"], is_stopped=stopping), lease)
        _say(ending, job=lease["job"])
        if options.once:
            return 0 if ending == "succeeded" else 1
    return 0


def _look_around(options: argparse.Namespace) -> Runner:
    trial = options.home / "trial"
    trial.mkdir(exist_ok=True)
    refusal = "asked for" if options.no_namespaces else process.namespaces_work(trial)
    if refusal:
        _say("no namespaces", reason=refusal)
    hide = machine.private_places([path.resolve() for path in options.hide])
    return Runner(
        options.home.resolve(), tuple(hide), not refusal, machine.pip_settings(), machine.pip_cache(),
        machine.compiler_cache(),
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="runner", description="Build for a portal: lease a job, do it, again.")
    parser.add_argument("--portal", required=True, help="the portal's address, such as http://127.0.0.1:8000")
    parser.add_argument("--hardware", action="append", required=True, help="a target of governance/hardware.yaml")
    parser.add_argument("--token-file", type=Path, required=True, help="the runner's registration token")
    parser.add_argument("--home", type=Path, required=True, help="folder for the jobs in hand")
    parser.add_argument("--name", default=platform.node() or "runner", help="how the portal's pages call this runner")
    parser.add_argument("--hide", type=Path, action="append", default=[], help="a folder that builds must not see")
    parser.add_argument("--no-namespaces", action="store_true", help="do not use the kernel's namespaces")
    parser.add_argument("--poll-s", type=float, default=1.0, help="seconds between two questions for work")
    parser.add_argument("--once", action="store_true", help="do one job, or none, and end")
    return parser


def _say(event: str, **values: object) -> None:
    print(json.dumps({"at": datetime.now(UTC).isoformat(), "runner": event, **values}), flush=True)
