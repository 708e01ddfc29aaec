"""The row of how far one kind of thing is read."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.github.models import GithubStream, StreamKind
from app.github.questions import MOST


def stream_of(session: Session, connection_id: int, kind: StreamKind) -> GithubStream:
    """How far one kind of thing is read; a row from the beginning where there is none."""
    found = session.scalar(
        sa.select(GithubStream).where(GithubStream.connection_id == connection_id, GithubStream.kind == kind)
    )
    if found is None:
        found = GithubStream(connection_id=connection_id, kind=kind, etag="", cursor="", next_etag="",
                             page_size=MOST, failures=0, seen=0, total=0)  # fmt: skip
        session.add(found)
        session.flush()
    return found
