"""What an address asks for beside its path: read strictly, so that nobody takes one day or kind for another.

Whatever cannot be meant ends the request with 400 and a sentence that says what may be written. What is left out, or
left empty as forms leave it, has its default.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date

from flask import Flask, abort, request

from app.auth import access_of, guards

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")
_FIRST_YEAR, _LAST_YEAR = 1970, 2200
_MOST_DIGITS = 9
_MOST = 10**_MOST_DIGITS


def init(app: Flask) -> None:
    """Refuse what no text may hold, before any page looks at it. Called after `auth.init`: strangers are told first."""

    @app.before_request
    def refuse_zeros() -> None:
        if request.endpoint is None or access_of(app, request.endpoint) in guards():
            return  # what machines send is signed or JSON, and read where it is understood
        texts = [request.path]
        if not request.path.startswith("/api/"):  # which names each parameter that is wrong itself
            texts += _texts(request.args.lists())
        if request.mimetype in _FORMS:
            texts += _texts(request.form.lists())
            texts += [one.filename or "" for _name, ones in request.files.lists() for one in ones]
        if any("\x00" in text for text in texts):
            abort(400, description="A text that was sent holds the character NUL, which none here may; leave it out.")


def day(today: date) -> date:
    """The day that `?at=2026-01-31` asks for; today when it asks for none."""
    text = request.args.get("at", "").strip()
    if not text:
        return today
    try:
        found = date.fromisoformat(text)
    except ValueError:
        abort(400, description=f"at={_shown(text)} is no day; write it like 2026-01-31.")
    if not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        abort(400, description=f"at={text} is too far away; ask for a day from {_FIRST_YEAR} to {_LAST_YEAR}.")
    return found


def choice(name: str, choices: Collection[str], *, default: str = "") -> str:
    """What `?name=` says of these choices; the default when it says nothing."""
    text = request.args.get(name, "").strip()
    if not text:
        return default
    if text not in choices:
        listed = ", ".join(sorted(one for one in choices if one))
        abort(400, description=f"{name}={_shown(text)} is none of the choices: {listed}.")
    return text


def number(name: str, *, default: int, least: int) -> int:
    """The whole number that `?name=` says; the default when it says nothing."""
    text = request.args.get(name, "").strip()
    if not text:
        return default
    is_number = text.isascii() and text.isdigit()
    found = int(text) if is_number and len(text) <= _MOST_DIGITS else _MOST
    if not is_number or found < least:
        abort(400, description=f"{name}={_shown(text)} is no whole number from {least} on.")
    return found


def _texts(lists: Iterable[tuple[str, list[str]]]) -> list[str]:
    return [text for name, values in lists for text in (name, *values)]


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
