"""The text of a file's bytes, or what is wrong with them."""

from __future__ import annotations

from app.checks import UnfoundError


def text_of(data: bytes) -> str:
    """The bytes as UTF-8, with or without its mark. Raises: UnfoundError with the line that is none.

    >>> text_of(b"acme.com Acme")
    'acme.com Acme'
    >>> text_of(b"acme.com Acme\\nblue.org Bl\\xfc")
    Traceback (most recent call last):
    app.checks.UnfoundError: line 2 is no UTF-8; save the file as UTF-8
    """
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise UnfoundError(f"line {line} is no UTF-8; save the file as UTF-8") from None
