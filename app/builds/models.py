"""The tables of builds: what was built for which hardware, what came out, and who the runners are."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.db import Base, Key, Row, UtcDateTime, choice, public_id
from app.jobs import Job


class ArtefactKind(Enum):
    """What a build hands over."""

    SDIST = "sdist"
    WHEEL = "wheel"
    CONFORMANCE = "conformance"
    TEST_REPORT = "test-report"


class Build(Row, Base):
    """One commit built for one hardware target. Where it stands is its job's state."""

    __tablename__ = "build"
    __table_args__ = (sa.UniqueConstraint("repository_id", "commit_sha", "target_key"),)
    public_id: Mapped[str] = public_id("b")
    repository_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("repository.id"))
    commit_sha: Mapped[str] = mapped_column(sa.String(64), index=True)
    target_key: Mapped[str] = mapped_column(sa.String(60))
    version: Mapped[str] = mapped_column(sa.String(100), index=True)
    is_local: Mapped[bool]
    is_trusted: Mapped[bool]
    source_sha256: Mapped[str | None] = mapped_column(sa.String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime())
    job_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("job.id"), unique=True)
    isolation: Mapped[str] = mapped_column(sa.String(40), default="")
    job: Mapped[Job] = relationship(lazy="joined")
    artefacts: Mapped[list[Artefact]] = relationship(order_by="Artefact.id", viewonly=True)
    conformance: Mapped[list[ConformanceResult]] = relationship(order_by="ConformanceResult.device", viewonly=True)


class Artefact(Row, Base):
    """A file that a build handed over; its bytes lie in the store under their SHA-256."""

    __tablename__ = "artefact"
    __table_args__ = (sa.UniqueConstraint("build_id", "filename"),)
    build_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("build.id"))
    step: Mapped[str] = mapped_column(sa.String(60))
    filename: Mapped[str] = mapped_column(sa.String(255))
    kind: Mapped[ArtefactKind] = mapped_column(choice(ArtefactKind, name="kind"))
    sha256: Mapped[str] = mapped_column(sa.String(64), index=True)
    size_bytes: Mapped[int] = mapped_column(sa.BigInteger)


class ConformanceResult(Row, Base):
    """What `flambeau.conformance` found on one device with the wheel of one build."""

    __tablename__ = "conformance_result"
    __table_args__ = (sa.UniqueConstraint("build_id", "device"),)
    build_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("build.id"))
    device: Mapped[str] = mapped_column(sa.String(100))
    hardware: Mapped[str] = mapped_column(sa.String(300))
    driver: Mapped[str] = mapped_column(sa.String(300))
    conforms: Mapped[bool]
    passed: Mapped[int]
    failed: Mapped[int]
    unsupported: Mapped[int]
    not_run: Mapped[int]
    seconds: Mapped[float]
    report_sha256: Mapped[str] = mapped_column(sa.String(64))


class RunnerRow(Row, Base):
    """A registered runner. Of its token only the hash is kept."""

    __tablename__ = "runner"
    public_id: Mapped[str] = public_id("rn")
    name: Mapped[str] = mapped_column(sa.String(100), unique=True)
    token_sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    hardware: Mapped[list[str]]
    isolation: Mapped[str] = mapped_column(sa.String(40), default="")
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime())
    seen_at: Mapped[datetime | None] = mapped_column(UtcDateTime())
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime())


class RunnerLease(Row, Base):
    """The one-job token of one lease: it opens this job, while the lease holds, and nothing else."""

    __tablename__ = "runner_lease"
    __table_args__ = (sa.UniqueConstraint("job_id", "fence"),)
    token_sha256: Mapped[str] = mapped_column(sa.String(64), unique=True)
    job_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("job.id", ondelete="CASCADE"))
    fence: Mapped[int]
    runner_id: Mapped[int] = mapped_column(Key, sa.ForeignKey("runner.id"))
    leased_at: Mapped[datetime] = mapped_column(UtcDateTime())
    job: Mapped[Job] = relationship(lazy="joined")
    runner: Mapped[RunnerRow] = relationship(lazy="joined")
