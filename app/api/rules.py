"""Cursors: a place in a list, sealed so that only places that this portal gave out are taken back. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

_SEAL_BYTES = 15
MOST_LETTERS = 500


class CursorError(ValueError):
    """A cursor that nobody was given, or one of another list."""


def seal(key: bytes, where: str, values: Sequence[Any]) -> str:
    """A place in a list: after the row with these values. `where` is the list with its filters.

    >>> token = seal(b"key", "changes?state=open", [datetime(2026, 1, 15, 12), 7])
    >>> unseal(b"key", "changes?state=open", token, [datetime, int])
    [datetime.datetime(2026, 1, 15, 12, 0), 7]
    """
    text = json.dumps([_written(value) for value in values], separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(_seal(key, where, text) + text).decode().rstrip("=")


def unseal(key: bytes, where: str, token: str, kinds: Sequence[type]) -> list[Any]:
    """The values of a cursor. Raises: CursorError for one that was not given out for this very list."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raw = b""
    given, text = raw[:_SEAL_BYTES], raw[_SEAL_BYTES:]
    if not hmac.compare_digest(given, _seal(key, where, text)):
        raise CursorError("is no cursor of this list with these filters; take `next` as an answer gives it")
    return [_read(value, kind) for value, kind in zip(json.loads(text), kinds, strict=True)]


def place(path: str, filters: Mapping[str, Any]) -> str:
    """A list with its filters as a text: a cursor of one list opens no other.

    >>> place("/changes", {"state": "open", "author": None})
    '/changes {"state":"open"}'
    """
    given = {name: value for name, value in filters.items() if value is not None}
    return f"{path} {json.dumps(given, sort_keys=True, default=str, separators=(',', ':'))}"


def _seal(key: bytes, where: str, text: bytes) -> bytes:
    return hmac.new(key, b"cursor\n" + where.encode() + b"\n" + text, hashlib.sha256).digest()[:_SEAL_BYTES]


def _written(value: Any) -> Any:
    return value.isoformat() if isinstance(value, (date, datetime)) else value


def _read(value: Any, kind: type) -> Any:
    return kind.fromisoformat(value) if issubclass(kind, (date, datetime)) else value
