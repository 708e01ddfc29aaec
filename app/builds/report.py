"""The build report: what was built from what, as one file that other programs read (docs/formats/build-report-1)."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.builds.models import Artefact, Build, ConformanceResult
from app.builds.queries import steps_done


def build_report(session: Session, build: Build) -> dict[str, Any]:
    """The report of a build as far as it got."""
    files = session.scalars(sa.select(Artefact).where(Artefact.build_id == build.id).order_by(Artefact.id))
    found = session.scalars(
        sa.select(ConformanceResult).where(ConformanceResult.build_id == build.id).order_by(ConformanceResult.device)
    )
    return {
        "schema": "flambeau-build-report", "schema_version": 1, "build": build.public_id, "commit": build.commit_sha,
        "version": build.version, "target": build.target_key,
        "origin": "local" if build.is_local else "foundation", "isolation": build.isolation,
        "source_sha256": build.source_sha256,
        "source_date_epoch": int(build.job.payload["environment"]["SOURCE_DATE_EPOCH"]),
        "steps": [
            {"name": name, "seconds": step.result["seconds"], "runner": step.result["runner"],
             "peak_memory_bytes": step.result["peak_memory_bytes"], "finished": step.finished_at.isoformat()}
            for name, step in steps_done(session, build.job_id).items()
        ],
        "artefacts": [
            {"filename": one.filename, "kind": one.kind.value, "sha256": one.sha256, "size_bytes": one.size_bytes}
           
            for one in files
        ],
        "conformance": [
            {"device": one.device, "conforms": one.conforms, "passed": one.passed, "failed": one.failed,
             "unsupported": one.unsupported, "not_run": one.not_run, "report_sha256": one.report_sha256}
            for one in found
        ],
    }  # fmt: skip
