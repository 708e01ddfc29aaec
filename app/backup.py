"""One file that holds the whole portal, and how to get it back, on the other kind of database too.

The file is a tar archive: `manifest.json` (migration, rows of each table, head of the audit log), one JSON-lines file
for each table, the artefacts by their SHA-256, and the logs. Clones are read again from their source, the index of the
search is made again from the rows, and the session key stays behind, so that nobody can sign in with a stolen backup.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext

from app import audit
from app.db import Database

FORMAT = 1
FILES = ("artefacts", "logs")
_BATCH = 500


class BackupError(Exception):
    """The backup or restore cannot be trusted; the message says what differs and what to do."""


@dataclass(frozen=True)
class Manifest:
    """What the archive says of itself."""

    format: int
    created_at: str
    dialect: str
    revision: str
    rows: dict[str, int]
    audit_entries: int
    audit_head: str


def backup(db: Database, home: Path, target: Path) -> Manifest:
    """Write the portal into one file, as of one moment. Raises: BackupError when rows and their count differ."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        with tarfile.open(draft, "w:gz") as archive:
            with _snapshot(db) as connection:
                manifest = _write_tables(db, connection, archive)
            _add_bytes(archive, "manifest.json", json.dumps(asdict(manifest), indent=1).encode())
            for folder in FILES:
                if (home / folder).is_dir():
                    archive.add(home / folder, arcname=f"files/{folder}")
        draft.chmod(0o600)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return manifest


def restore(db: Database, home: Path, source: Path) -> Manifest:
    """Fill an empty portal from a backup, whole or not at all, and check it against the manifest.

    Raises: BackupError when the portal is not empty, the file is none of ours, or what came out differs.
    """
    if any(_counts(db).values()):
        raise BackupError("This portal has data already; restore into an empty FLAMBEAU_HOME or an empty database.")
    try:
        with tempfile.TemporaryDirectory(dir=home) as scratch, tarfile.open(source, "r:*") as archive:
            _unpack(archive, Path(scratch))
            return _restore_from(db, home, Path(scratch))
    except (tarfile.TarError, OSError, KeyError, json.JSONDecodeError) as error:
        raise BackupError(f"{source} cannot be read as a backup: {error}") from None


def _unpack(archive: tarfile.TarFile, folder: Path) -> None:
    # Not tarfile's own filters: Debian 12's Python 3.11.2 has none. A backup of ours holds plain files and folders.
    for member in archive:
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or not (member.isreg() or member.isdir()):
            raise BackupError(f"the backup holds {member.name!r}, which no backup of ours does; nothing was restored")
        target = folder / path
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as out:
            shutil.copyfileobj(cast("IO[bytes]", archive.extractfile(member)), out)  # a regular file has content


def read_manifest(folder: Path) -> Manifest:
    """The manifest of an unpacked backup."""
    values = json.loads((folder / "manifest.json").read_text())
    if values.get("format") != FORMAT:
        raise BackupError(f"the backup has format {values.get('format')}, this portal reads format {FORMAT}")
    return Manifest(**values)


def _restore_from(db: Database, home: Path, folder: Path) -> Manifest:
    manifest = read_manifest(folder)
    db.upgrade(manifest.revision)
    metadata = sa.MetaData()
    with _writing(db) as connection:
        metadata.reflect(connection)
        for table in _tables(metadata):
            path = folder / "tables" / f"{table.name}.jsonl"
            if path.exists():
                _fill(connection, table, path)
        found = {table.name: _count(connection, table) for table in _tables(metadata)}
        wrong = {name: (rows, found.get(name)) for name, rows in manifest.rows.items() if found.get(name) != rows}
        if wrong:
            listed = "; ".join(f"{name}: {rows} in the backup, {got} here" for name, (rows, got) in wrong.items())
            raise BackupError(f"Nothing was restored, because row counts differ: {listed}")
        _check_audit(connection, manifest)
    db.upgrade()
    for kind in FILES:
        if (folder / "files" / kind).is_dir():
            _move_files(folder / "files" / kind, home / kind)
    return manifest


def _check_audit(connection: sa.Connection, manifest: Manifest) -> None:
    with sa.orm.Session(connection, join_transaction_mode="create_savepoint") as session:
        verified = audit.verify(session)
    if not verified.ok:
        raise BackupError(f"Nothing was restored, because the audit log is broken: {verified.because}")
    if (verified.entries, verified.head) != (manifest.audit_entries, manifest.audit_head):
        raise BackupError(
            f"Nothing was restored, because the audit log ends at entry {verified.entries} ({verified.head}), "
            f"but the backup says {manifest.audit_entries} ({manifest.audit_head})"
        )


def _write_tables(db: Database, connection: sa.Connection, archive: tarfile.TarFile) -> Manifest:
    metadata = sa.MetaData()
    metadata.reflect(connection)
    counts = {}
    for table in _tables(metadata):
        with tempfile.TemporaryFile() as lines:
            written = sum(_write_row(lines, row) for row in _rows(connection, table))
            counts[table.name] = _count(connection, table)
            if written != counts[table.name]:
                raise BackupError(f"{table.name}: {written} rows were written, the table has {counts[table.name]}")
            size = lines.tell()
            lines.seek(0)
            _add_file(archive, f"tables/{table.name}.jsonl", lines, size)
    with sa.orm.Session(connection) as session:
        entries, head = audit.head(session)
    revision = MigrationContext.configure(connection).get_current_revision()
    if revision is None:
        raise BackupError("This portal has no tables yet; there is nothing to back up. Run `flask db upgrade`.")
    now = db.clock.now().isoformat()
    return Manifest(FORMAT, now, db.dialect, revision, counts, entries, head)


def _rows(connection: sa.Connection, table: sa.Table) -> Iterator[dict[str, Any]]:
    order = list(table.primary_key.columns) or list(table.columns)
    result = connection.execute(sa.select(table).order_by(*order), execution_options={"yield_per": _BATCH})
    json_columns = {column.name for column in table.columns if isinstance(column.type, sa.JSON)}
    for row in result.mappings():
        yield {
            name: {"json": value} if name in json_columns and value is not None else _encoded(value)
            for name, value in row.items()
        }


def _write_row(lines: IO[bytes], row: dict[str, Any]) -> int:
    lines.write(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return 1


def _fill(connection: sa.Connection, table: sa.Table, path: Path) -> None:
    """Insert a table's rows; columns that point at the table itself are set when all rows are there."""
    own = [key.parent.name for key in table.foreign_keys if key.column.table is table]
    later: list[dict[str, Any]] = []
    batch: list[dict[str, Any]] = []
    with path.open() as lines:
        for line in lines:
            row = {name: _decoded(value, connection) for name, value in json.loads(line).items()}
            if any(row[name] is not None for name in own):
                later.append({f"row_{name}": row[name] for name in ("id", *own)})
                row |= dict.fromkeys(own)
            batch.append(row)
            if len(batch) == _BATCH:
                connection.execute(table.insert(), batch)
                batch = []
    if batch:
        connection.execute(table.insert(), batch)
    if later:
        values: dict[str, sa.BindParameter[Any]] = {name: sa.bindparam(f"row_{name}") for name in own}
        connection.execute(table.update().where(table.c.id == sa.bindparam("row_id")).values(values), later)
    if connection.dialect.name == "postgresql" and "id" in table.c:
        sequence = f"pg_get_serial_sequence('{table.name}', 'id')"
        connection.exec_driver_sql(
            f"SELECT setval({sequence}, (SELECT max(id) FROM {table.name})) "  # noqa: S608 - names come from the schema
            f"WHERE {sequence} IS NOT NULL AND EXISTS (SELECT 1 FROM {table.name})"
        )


def _encoded(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"time": (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC).isoformat()}
    if isinstance(value, date):
        return {"date": value.isoformat()}
    if isinstance(value, bytes | memoryview):
        return {"bytes": base64.b64encode(bytes(value)).decode()}
    return value


def _decoded(value: Any, connection: sa.Connection) -> Any:
    if not isinstance(value, dict):
        return value
    kind, inner = next(iter(value.items()))
    if kind == "time":
        moment = datetime.fromisoformat(inner)
        return moment.replace(tzinfo=None) if connection.dialect.name == "sqlite" else moment
    if kind == "date":
        return date.fromisoformat(inner)
    return base64.b64decode(inner) if kind == "bytes" else inner


def _tables(metadata: sa.MetaData) -> list[sa.Table]:
    return [table for table in metadata.sorted_tables
            if table.name != "alembic_version" and not table.name.startswith("search_")]  # fmt: skip


def _count(connection: sa.Connection, table: sa.Table) -> int:
    return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def _counts(db: Database) -> dict[str, int]:
    metadata = sa.MetaData()
    with db.engine.connect() as connection:
        metadata.reflect(connection)
        return {table.name: _count(connection, table) for table in _tables(metadata)}


def _snapshot(db: Database) -> sa.Connection:
    """A connection that sees one moment throughout."""
    engine = db.engine if db.dialect == "sqlite" else db.engine.execution_options(isolation_level="REPEATABLE READ")
    return engine.connect()


def _writing(db: Database) -> Any:
    return db.engine.execution_options(flambeau_access="write").begin()


def _move_files(source: Path, target: Path) -> None:
    for path in sorted(source.rglob("*")):
        if path.is_file():
            place = target / path.relative_to(source)
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.replace(place)


def _add_bytes(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    with tempfile.TemporaryFile() as file:
        file.write(content)
        file.seek(0)
        _add_file(archive, name, file, len(content))


def _add_file(archive: tarfile.TarFile, name: str, file: IO[bytes], size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    archive.addfile(member, file)
