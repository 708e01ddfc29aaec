"""The table of modules, as modules.yaml defines them; their maintainers are seats of the body `module:<key>`."""

from __future__ import annotations

from datetime import date

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, Row


class Module(Row, Base):
    """Paths that belong together. Retired, never deleted."""

    __tablename__ = "module"
    key: Mapped[str] = mapped_column(sa.String(60), unique=True)
    name: Mapped[str] = mapped_column(sa.String(500))
    summary: Mapped[str] = mapped_column(sa.String(500))
    paths: Mapped[list[str]]
    position: Mapped[int]
    retired_on: Mapped[date | None]
