"""Do one leased job: fetch the source, run the steps not yet done, hand over what they made, say how it ended."""

from __future__ import annotations

import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import machine, process
from .logbook import Logbook
from .portal import LeaseLostError, Portal, RefusedError
from .workspace import ArtefactError, SourceError, Workspace


@dataclass(frozen=True)
class Runner:
    """What stays the same for every job: where jobs live on disk, and how high the walls are here."""

    home: Path
    hide: tuple[Path, ...]
    namespaces: bool
    pip_conf: str
    pip_cache: Path | None
    compiler_cache: Path | None

    @property
    def isolation(self) -> str:
        return "namespaces" if self.namespaces else "process tree"


class StepFailedError(Exception):
    """A step ended the job; the sentence is for the portal's page."""


def work(runner: Runner, portal: Portal, lease: dict[str, Any]) -> str:
    """Do the job of this lease; gives back 'succeeded', 'failed' or 'lost'.

    The steps that the portal has recorded are not run again: what they handed over is fetched instead.
    """
    path = f"/api/runner/v1/jobs/{urllib.parse.quote(lease['job'])}"
    space = Workspace(runner.home / lease["job"])
    space.create()
    log = Logbook(portal, path, space.root / "log", lease_s=lease["lease_s"])
    portal.stop_when(lambda: bool(log.lost))
    try:
        ending = _do_job(runner, portal, path, lease["task"], space, log)
    finally:
        log.close()
    if not log.lost:
        try:
            portal.ask("POST", f"{path}/finish", {"failed": ending, "isolation": runner.isolation})
        except LeaseLostError as error:
            log.lost = str(error)
    space.remove()
    return "lost" if log.lost else "failed" if ending else "succeeded"


def _do_job(runner: Runner, portal: Portal, path: str, task: dict[str, Any], space: Workspace, log: Logbook) -> str:
    """Empty when every step is done, else the sentence that says what stopped it."""
    try:
        log.say(f"isolation: {runner.isolation}")
        _fetch(portal, path, task, space, log)
        steps = task["steps"]
        for number, step in enumerate(steps):
            if step["name"] in task["done"]:
                log.say(f"step {step['name']}: done before, not run again")
                continue
            log.progress(number / len(steps), step["name"])
            _do_step(runner, portal, path, task, step, space, log)
        log.progress(1.0, "done")
    except (StepFailedError, SourceError, ArtefactError, RefusedError, process.WallsError) as error:
        log.say(str(error))
        return str(error)
    except (LeaseLostError, ConnectionError) as error:
        log.lost = log.lost or str(error)
        return str(error)
    return ""


def _fetch(portal: Portal, path: str, task: dict[str, Any], space: Workspace, log: Logbook) -> None:
    archive = space.root / "source.tar.gz"
    portal.download(f"{path}/source", archive, task["source_sha256"])
    space.unpack(archive)
    archive.unlink()
    space.stamp(task["stamps"])
    for artefact in [*task["inputs"], *(file for done in task["done"].values() for file in done["artefacts"])]:
        target = space.inputs / Path(artefact["filename"]).name
        portal.download(f"{path}/artefacts/{artefact['sha256']}", target, artefact["sha256"])
    log.say(f"source of commit {task['commit']} is ready")


def _do_step(
    runner: Runner,
    portal: Portal,
    path: str,
    task: dict[str, Any],
    step: dict[str, Any],
    space: Workspace,
    log: Logbook,
) -> None:
    name = step["name"]
    log.say(f"step {name}")
    outcome = process.run(_order(runner, task, step, space), on_output=log.write, is_cancelled=lambda: log.is_cancelled)
    if log.lost:
        raise LeaseLostError(log.lost)
    if not outcome.is_good:
        why = outcome.why or f"ended with status {outcome.status}"
        raise StepFailedError(f"step {name} {why}")
    artefacts = []
    for wanted in step["produces"]:
        files = space.produced(wanted["pattern"], most=wanted["most"], most_bytes=wanted["most_bytes"])
        if len(files) < wanted["least"]:
            raise StepFailedError(f"step {name} left no file like {wanted['pattern']!r} in $OUT")
        for file in files:
            query = urllib.parse.urlencode({"kind": wanted["kind"], "filename": file.name})
            answer = portal.ask("PUT", f"{path}/artefacts?{query}", body=file)
            artefacts.append({"filename": file.name, "kind": wanted["kind"], "sha256": answer["sha256"]})
            file.rename(space.inputs / file.name)
            log.say(f"handed over {file.name} ({answer['size_bytes']} bytes, SHA-256 {answer['sha256']})")
    record = {
        "seconds": round(outcome.seconds, 2), "peak_memory_bytes": outcome.peak_memory_bytes,
        "peak_processes": outcome.peak_processes, "artefacts": artefacts, "isolation": runner.isolation,
    }  # fmt: skip
    portal.ask("POST", f"{path}/steps/{urllib.parse.quote(name)}", record)


def _order(runner: Runner, task: dict[str, Any], step: dict[str, Any], space: Workspace) -> process.Order:
    """The command and all that it may see. Only a trusted commit may use, and so fill, the machine's caches."""
    space.pip_conf.write_text(runner.pip_conf, encoding="utf-8")
    cache = runner.pip_cache if task["trusted"] and runner.pip_cache else space.pip_cache
    objects = runner.compiler_cache if task["trusted"] and runner.compiler_cache else space.home / ".cache" / "ccache"
    for folder in (cache, objects):
        folder.mkdir(parents=True, exist_ok=True)
    given = {
        **task["environment"], "HOME": str(space.home), "TMPDIR": str(space.tmp), "PYTHON": machine.base_python(),
        "SOURCE": str(space.source), "OUT": str(space.out), "INPUTS": str(space.inputs),
        "WORK": str(space.tmp), "PIP_CONFIG_FILE": str(space.pip_conf), "PIP_CACHE_DIR": str(cache),
        "CCACHE_DIR": str(objects),
    }  # fmt: skip
    return process.Order(
        command=["/bin/sh", "-eu", "-c", step["script"]],
        cwd=space.source,
        environment=machine.environment(given),
        limits=process.Limits.of({**task["limits"], **step.get("limits", {})}),
        writable=[space.work, cache, objects],
        readable=[space.given],
        hide=runner.hide,
        namespaces=runner.namespaces,
    )
