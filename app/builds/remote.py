"""What a runner may do with the job it holds: fetch, log, hand over, record a step, end. Each call may come twice."""

from __future__ import annotations

import fcntl
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.builds import queries
from app.builds.models import Artefact, ArtefactKind, Build, ConformanceResult, RunnerLease, RunnerRow
from app.builds.rules import ReportError, is_filename, read_conformance
from app.contributions.models import Repository
from app.contributions.registry import clone_of
from app.db import Database, clock_of
from app.jobs import Job, JobState, JobStep, Lease, LeaseLost, claim, lease_of
from app.settings import Settings
from app.store import Store, TooLargeError

LOG_SLACK = 1 << 20


class Refused(Exception):
    """What the runner sent cannot be taken; sending it again would not help."""


@dataclass(frozen=True)
class Desk:
    """Where runners are served: the portal's database, settings and store."""

    db: Database
    settings: Settings

    @property
    def store(self) -> Store:
        """The store of artefacts."""
        return Store(self.settings.folder("artefacts"))

    def lease(self, runner: RunnerRow, *, isolation: str) -> dict[str, Any] | None:
        """A job for this runner with its one-job token, or None."""
        lease_s = self.settings.lease_s
        lease = claim(
            self.db, queue="runner", worker=f"runner:{runner.name}", hardware=runner.hardware, lease_s=lease_s
        )
        token = secrets.token_urlsafe(32)
        with self.db.write() as session:
            row = session.get_one(RunnerRow, runner.id)
            row.seen_at, row.isolation = clock_of(session).now(), isolation[:40]
            if lease is None:
                return None
            session.add(RunnerLease(token_sha256=queries.token_hash(token), job_id=lease.job_id, fence=lease.fence,
                                    runner_id=runner.id, leased_at=clock_of(session).now()))  # fmt: skip
        try:
            task = self._task(lease)
        except (OSError, ValueError) as error:
            lease.fail(f"the source of the commit cannot be prepared: {error}")
            return None
        return {"job": lease.job, "token": token, "lease_s": lease_s, "task": task}

    def heartbeat(self, held: RunnerLease, *, share: float, text: str) -> bool:
        """Prolong the lease; gives back whether the runner should stop. Raises: LeaseLost."""
        lease = self._lease(held)
        if lease is None:
            return self._ending_of(held) is not JobState.SUCCEEDED
        goes_on = lease.heartbeat()
        with self.db.write() as session:
            session.get_one(RunnerRow, held.runner_id).seen_at = clock_of(session).now()
        if goes_on:
            lease.progress(share, text[:200])
        return not goes_on

    def write_log(self, held: RunnerLease, offset: int, data: bytes) -> tuple[int, bool]:
        """Keep a piece of the log; gives back where it goes on, and whether it is full. Raises: LeaseLost, Refused."""
        if self._lease(held) is None:
            self._ending_of(held)
        path = queries.log_file(self.settings, held.job.public_id, held.fence)
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        most = len(held.job.payload["steps"]) * held.job.payload["limits"]["log_bytes"] + LOG_SLACK
        with path.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            size = file.seek(0, 2)
            if offset > size:
                return size, False
            fresh = data[size - offset :][: max(0, most - size)]
            file.write(fresh)
            return size + len(fresh), size + len(fresh) >= most

    def source(self, held: RunnerLease) -> Path:
        """The archive of the commit. Raises: LeaseLost."""
        self._require(held)
        with self.db.read() as session:
            build = _build_of(session, held.job_id)
        assert build.source_sha256 is not None  # noqa: S101 - made with the lease
        return self.store.path(build.source_sha256)

    def artefact(self, held: RunnerLease, sha256: str) -> Path:
        """A file that an earlier step of this job handed over. Raises: LeaseLost, Refused."""
        self._require(held)
        with self.db.read() as session:
            build = _build_of(session, held.job_id)
            found = session.scalar(sa.select(Artefact).where(Artefact.build_id == build.id, Artefact.sha256 == sha256))
        if found is None:
            raise Refused("this job has no such artefact")
        return self.store.path(sha256)

    def take(self, held: RunnerLease, filename: str, kind: str, blocks: Iterable[bytes]) -> dict[str, Any]:
        """Keep a file that the step in hand made; the hash is ours. Raises: LeaseLost, Refused."""
        lease = self._require(held)
        wanted = _wanted(held.job, lease.step, filename, kind)
        # What fits now and leaves free what is to stay free; a recipe may allow more than the disk has.
        room = shutil.disk_usage(self.settings.home).free - int(self.settings.free_disk_gb * (1 << 30))
        try:
            stored = self.store.put(blocks, most_bytes=max(0, min(wanted["most_bytes"], room)))
        except TooLargeError:
            if room < wanted["most_bytes"]:
                left = f"{max(0, room) / 1e9:,.1f} GB besides what FLAMBEAU_FREE_DISK_GB keeps free"
                raise Refused(f"{filename} does not fit: the portal's disk has {left}; make room there") from None
            raise Refused(f"{filename} is larger than {wanted['most_bytes']} bytes") from None
        return {"sha256": stored.sha256, "size_bytes": stored.size_bytes}

    def record_step(self, held: RunnerLease, name: str, report: dict[str, Any]) -> None:
        """Record a step with what it handed over, once. Raises: LeaseLost, Refused."""
        lease = self._lease(held)
        if lease is None or lease.step != name:
            with self.db.read() as session:
                done = session.scalar(
                    sa.select(JobStep.id).where(
                        JobStep.job_id == held.job_id, JobStep.name == name, JobStep.fence == held.fence
                    )
                )
            if done is None:
                raise LeaseLost(f"step {name} is not the one in hand")
            return
        files = [self._checked(held.job, name, one) for one in _list(report, "artefacts")]
        result = {
            "artefacts": [{"filename": one.filename, "kind": one.kind.value, "sha256": one.sha256} for one in files],
            "seconds": _number(report, "seconds"), "peak_memory_bytes": int(_number(report, "peak_memory_bytes")),
            "peak_processes": int(_number(report, "peak_processes")),
            "isolation": str(report.get("isolation", ""))[:40], "runner": held.runner.name,
        }  # fmt: skip

        def keep(session: Session) -> None:
            build = _build_of(session, held.job_id)
            build.isolation = str(result["isolation"])
            for one in files:
                one.build_id = build.id
                session.add(one)
            session.flush()
            for one in files:
                if one.kind is ArtefactKind.CONFORMANCE:
                    session.add(self._evidence(session, build, one))

        lease.record(result, within=keep)

    def finish(self, held: RunnerLease, failed: str, *, isolation: str) -> None:
        """The runner's last word: nothing if it went well, else the sentence. Raises: LeaseLost."""
        lease = self._lease(held)
        if lease is None:
            self._ending_of(held)
            return
        with lease.transaction() as (session, _job):
            _build_of(session, held.job_id).isolation = isolation[:40]
        if not lease.heartbeat():
            lease.stop()
        else:
            lease.fail(failed[:2000] or "the runner ended before the last step")

    def _task(self, lease: Lease) -> dict[str, Any]:
        with self.db.read() as session:
            build = _build_of(session, lease.job_id)
            repository = session.get_one(Repository, build.repository_id)
            done = {name: step.result for name, step in queries.steps_done(session, lease.job_id).items()}
        sha256 = build.source_sha256
        if sha256 is None or not self.store.holds(sha256):
            with tempfile.TemporaryDirectory(dir=self.settings.folder("tmp")) as folder:
                clone = clone_of(self.settings, repository)
                archive = clone.archive(build.commit_sha, Path(folder) / "source.tar.gz", prefix="")
                sha256 = self.store.put_file(archive, most_bytes=4 << 30).sha256
            with self.db.write() as session:
                session.get_one(Build, build.id).source_sha256 = sha256
        payload = lease.payload
        return {
            "commit": payload["commit"], "trusted": payload["trusted"], "limits": payload["limits"],
            "steps": payload["steps"], "stamps": payload["stamps"], "environment": payload["environment"],
            "source_sha256": sha256, "inputs": [], "done": done,
        }  # fmt: skip

    def _checked(self, job: Job, step: str, told: Any) -> Artefact:
        if not isinstance(told, dict):
            raise Refused("an artefact must be told with filename, kind and sha256")
        filename, kind, sha256 = (str(told.get(key, "")) for key in ("filename", "kind", "sha256"))
        _wanted(job, step, filename, kind)
        try:
            path = self.store.path(sha256)
        except ValueError as error:
            raise Refused(str(error)) from None
        if not path.is_file():
            raise Refused(f"{filename} with SHA-256 {sha256} was not handed over")
        return Artefact(step=step, filename=filename, kind=ArtefactKind(kind), sha256=sha256,
                        size_bytes=path.stat().st_size)  # fmt: skip

    def _evidence(self, session: Session, build: Build, report: Artefact) -> ConformanceResult:
        wheel = queries.artefacts_of_kind(session, build.id, ArtefactKind.WHEEL)[0]
        data = self.store.path(report.sha256).read_bytes()
        try:
            found = read_conformance(data, version=build.version, commit=build.commit_sha, wheel_sha256=wheel.sha256)
        except ReportError as error:
            raise Refused(f"{report.filename}: {error}") from None
        return ConformanceResult(
            build_id=build.id, device=found.device, hardware=found.hardware, driver=found.driver,
            conforms=found.conforms, passed=found.passed, failed=found.failed, unsupported=found.unsupported,
            not_run=found.not_run, seconds=found.seconds, report_sha256=report.sha256,
        )  # fmt: skip

    def _lease(self, held: RunnerLease) -> Lease | None:
        return lease_of(self.db, held.job.public_id, held.fence, lease_s=self.settings.lease_s)

    def _require(self, held: RunnerLease) -> Lease:
        lease = self._lease(held)
        if lease is None:
            raise LeaseLost("this job is no longer yours")
        return lease

    def _ending_of(self, held: RunnerLease) -> JobState:
        """How the job ended in these hands. Raises: LeaseLost if it went on in others."""
        with self.db.read() as session:
            job = session.get_one(Job, held.job_id)
            if job.fence != held.fence or not job.state.is_finished:
                raise LeaseLost("this job is no longer yours")
            return job.state


def _build_of(session: Session, job_id: int) -> Build:
    return session.scalars(sa.select(Build).where(Build.job_id == job_id)).one()


def _wanted(job: Job, step: str, filename: str, kind: str) -> dict[str, Any]:
    """What the recipe says about such a file of such a step. Raises: Refused if it wants none."""
    if not is_filename(filename):
        raise Refused(f"{filename!r} is no plain file name")
    steps: Sequence[dict[str, Any]] = job.payload["steps"]
    for wanted in next((one["produces"] for one in steps if one["name"] == step), []):
        if wanted["kind"] == kind and fnmatchcase(filename, wanted["pattern"]):
            found: dict[str, Any] = wanted
            return found
    raise Refused(f"step {step} hands over no {kind} called {filename}")


def _list(report: dict[str, Any], key: str) -> list[Any]:
    value = report.get(key)
    if not isinstance(value, list) or len(value) > 1000:
        raise Refused(f"the step's {key} must be a list of at most 1000")
    return value


def _number(report: dict[str, Any], key: str) -> float:
    value = report.get(key, 0)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value < 1e15:
        raise Refused(f"the step's {key} must be a number that is not negative")
    return float(value)
