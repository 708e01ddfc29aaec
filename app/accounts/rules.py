"""What follows from an issuer's answer or a mailed link, and from the portal's own key. Pure."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any


class IssuerError(Exception):
    """The issuer cannot be reached, or its answer cannot be trusted. The text is for the log and for people."""


class Purpose(Enum):
    """Why somebody proves something: to sign in, or to add it to the account they are signed in to."""

    SIGN_IN = "sign-in"
    ADD = "add"


@dataclass(frozen=True)
class Vouched:
    """What an issuer says of whoever signed in there. `addresses` are those that it says it verified."""

    issuer: str
    subject: str
    shown: str
    name: str = ""
    noreply: str = ""
    addresses: tuple[str, ...] = ()

    def as_data(self) -> dict[str, Any]:
        """The same as plain data."""
        return asdict(self)

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Vouched:
        """From what `as_data` gave."""
        return cls(**{**data, "addresses": tuple(data["addresses"])})


def derived(key: str, purpose: str, of: str) -> str:
    """43 letters that only whoever has the key can make: so they need no row, and a copy of the rows has none.

    >>> derived("key", "nonce", "state") == derived("key", "verifier", "state"), len(derived("key", "nonce", "state"))
    (False, 43)
    """
    made = hmac.new(key.encode(), f"{purpose}\n{of}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(made).rstrip(b"=").decode()


def link_token(key: str, link: str) -> str:
    """What a mailed link ends in: the link's public id, and its seal."""
    return f"{link}.{derived(key, 'mailed-link', link)}"


def link_of_token(key: str, token: str) -> str | None:
    """The public id of the link that a token was made for; None for any other text.

    >>> link_of_token("key", link_token("key", "ml_1")), link_of_token("other", link_token("key", "ml_1"))
    ('ml_1', None)
    """
    link = token.partition(".")[0]
    is_ours = hmac.compare_digest(token.encode("utf-8", "replace"), link_token(key, link).encode("utf-8", "replace"))
    return link if link and is_ours else None


def clean(text: object, limit: int = 200) -> str:
    """A name or login from outside as one line: without control characters, not longer than the limit.

    >>> clean("Ada\\x00 \\t Lovelace"), clean(None), clean(7)
    ('Ada Lovelace', '', '7')
    """
    if not isinstance(text, str | int) or isinstance(text, bool):
        return ""
    words = "".join(letter if letter.isprintable() else " " for letter in str(text)).split()
    return " ".join(words)[:limit]
