"""Members: domains of e-mail as mail servers are named (RFC 3490), by which addresses are compared from here on."""

from __future__ import annotations

import contextlib

import sqlalchemy as sa
from alembic import op

revision = "0106"
down_revision = "0105"

_DOMAIN = sa.table("organization_domain", sa.column("id", sa.BigInteger), sa.column("domain", sa.String))


def upgrade() -> None:
    """Write each that has letters of its own in ASCII; one that somebody entered both ways stays beside the other."""
    connection = op.get_bind()
    known = {number: domain for number, domain in connection.execute(sa.select(_DOMAIN.c.id, _DOMAIN.c.domain))}
    taken = set(known.values())
    for number, domain in known.items():
        with contextlib.suppress(UnicodeError):
            plain = domain.casefold().encode("idna").decode()
            if not domain.isascii() and plain not in taken:
                connection.execute(sa.update(_DOMAIN).where(_DOMAIN.c.id == number).values(domain=plain))
