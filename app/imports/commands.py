"""`flask people import FILE`: affiliation files from the command line, a dry run unless told to apply."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from app.audit import Actor
from app.checks import RefusedError, UnfoundError
from app.db import current_db
from app.imports import queries
from app.imports.formats import parse
from app.imports.reading_files import text_of
from app.imports.rules import FileKind
from app.imports.yaml_files import with_aliases
from app.wording import counted

cli = AppGroup("people", help="People: files that say who is who and for whom.")
ACTOR = Actor.system("command-line")


@cli.command("import")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in FileKind]), help="Its format.")
@click.option("--name", default="", help="Where it lies in its repository (OWNERS counts for its folder).")
@click.option("--aliases", type=click.Path(path_type=Path, dir_okay=False, exists=True),
              help="The OWNERS_ALIASES beside an OWNERS.")  # fmt: skip
@click.option("--organization", default="", help="Whose group a gitdm-group file lists.")
@click.option("--confidence", default=queries.CONFIDENCE, show_default=True, help="How sure its statements are.")
@click.option("--apply", "is_real", is_flag=True, help="Make the changes; without it they are only shown.")
@click.option("--reason", default="imported from the command line", show_default=True)
def import_file(
    file: Path, kind: str, name: str, aliases: Path | None, organization: str, confidence: int, is_real: bool,
    reason: str,
) -> None:  # fmt: skip
    """Show what FILE would change, line by line; with --apply make all of it, or none if a line is wrong."""
    if aliases is not None and kind != FileKind.OWNERS.value:
        raise click.ClickException("--aliases belongs beside an OWNERS alone; leave it out")
    text = with_aliases(_text(file), _text(aliases) if aliases else "")
    called = name or file.name
    with current_db().read() as session:
        found = queries.plan(session, parse(FileKind(kind), text, name=called, organization=organization))
    for wrong in found.problems:
        click.echo(f"{file}:{wrong.line}: {wrong.text}", err=True)
    if found.problems:
        raise click.ClickException(f"nothing is changed: {counted(len(found.problems), 'problem')}")
    for change in found.changes:
        click.echo(f"{file}:{change.line}: {change.text}")
    for note in found.notes:
        click.echo(f"{file}:{note.line}: left alone: {note.text}")
    told = f"{counted(len(found.changes), 'change')}, {found.same:,} known already, {found.absent:,} about nobody here"
    if not is_real:
        click.echo(f"{told}. Nothing is changed; add --apply to make them.")
        return
    try:
        with current_db().write() as session:
            one = queries.give_file(session, FileKind(kind), called, text, organization=organization,
                                    confidence=confidence, actor=ACTOR)  # fmt: skip
            queries.apply_import(session, one, actor=ACTOR, reason=reason)
            click.echo(f"{told}. Made as {one.public_id}; undo it with: flask people undo-import {one.public_id}")
    except RefusedError as error:
        raise click.ClickException(error.told) from None


def _text(file: Path) -> str:
    try:
        with file.open("rb") as source:
            # A device or a pipe has no size that one could ask for before.
            data = source.read(queries.MOST_BYTES + 1)
    except OSError as error:
        raise click.ClickException(f"{file} cannot be read ({error.strerror})") from None
    if len(data) > queries.MOST_BYTES:
        raise click.ClickException(f"{file} has more than {queries.MOST_BYTES // 1024:,} KiB; give it in parts")
    try:
        return text_of(data)
    except UnfoundError as error:
        raise click.ClickException(f"{file}: {error}") from None


@cli.command("undo-import")
@click.argument("public_id")
@click.option("--reason", default="undone from the command line", show_default=True)
def undo_import(public_id: str, reason: str) -> None:
    """Take back all that an import said and made."""
    with current_db().write() as session:
        one = queries.import_by_public_id(session, public_id)
        if one is None:
            raise click.ClickException(f"there is no import {public_id!r}")
        try:
            number = queries.undo_import(session, one, actor=ACTOR, reason=reason)
        except RefusedError as error:
            raise click.ClickException(error.told) from None
    click.echo(f"{public_id} is undone; withdrawn: {counted(number, 'statement')}")
