"""The text of a file's bytes, or what is wrong with them."""

from __future__ import annotations

from app.checks import UnfoundError

MOST_NAMED = 20


def text_of(data: bytes) -> str:
    """The bytes as UTF-8, with or without its mark. Raises: UnfoundError with the lines that are none.

    >>> text_of(b"acme.com Acme")
    'acme.com Acme'
    >>> text_of(b"acme.com Acme\\nblue.org Bl\\xfc\\nred.org R\\xf6t")
    Traceback (most recent call last):
    app.checks.UnfoundError: lines 2 and 3 are no UTF-8; save the file as UTF-8
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        wrong = [str(number) for number, line in enumerate(data.split(b"\n"), start=1) if not _is_utf8(line)]
    named, more = wrong[:MOST_NAMED], len(wrong) - MOST_NAMED
    last = f"{more:,} more" if more > 0 else named.pop()
    told = f"lines {', '.join(named)} and {last} are" if named else f"line {last} is"
    raise UnfoundError(f"{told} no UTF-8; save the file as UTF-8")


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
