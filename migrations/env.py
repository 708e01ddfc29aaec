"""Alembic's entry: runs the migrations on the connection that `Database.upgrade` opened."""

from __future__ import annotations

from typing import Any, Literal

import sqlalchemy as sa
from alembic import context

from app import load_house, load_slices
from app.db import Base, UtcDateTime

load_house()
load_slices(["models"])


def render_item(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """How a generated migration writes our own types."""
    if kind == "type" and isinstance(item, UtcDateTime):
        autogen.imports.add("from app.db import UtcDateTime")
        return "UtcDateTime()"
    if kind == "type" and isinstance(item, sa.BigInteger) and "sqlite" in item._variant_mapping:
        autogen.imports.add("from app.db import Key")
        return "Key"
    return False


connection = context.config.attributes.get("connection")
if connection is None:
    raise SystemExit("Run migrations with `flask db upgrade`: it knows the database and takes turns with others.")
context.configure(
    connection=connection,
    target_metadata=Base.metadata,
    render_as_batch=True,
    render_item=render_item,
    compare_server_default=True,
)
if connection.in_transaction():
    context.run_migrations()
else:
    with context.begin_transaction():
        context.run_migrations()
