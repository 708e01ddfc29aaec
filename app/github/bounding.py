"""Connections of PyGithub's that end an answer which is too long, packed or not, or takes too long.

Whoever answers at the configured address is believed to be GitHub, and may be broken all the same.
"""

from __future__ import annotations

import time
from typing import Any

import requests
from github.Requester import HTTPRequestsConnectionClass, HTTPSRequestsConnectionClass, Requester, RequestsResponse
from requests.adapters import HTTPAdapter

# A page of a hundred comments is a megabyte or two; a hundred of the longest that GitHub takes are less than this.
MOST_BYTES = 32 << 20
LONGEST_S = 120.0
_PIECE = 1 << 16
# PyGithub makes a connection for each request where it is given classes of ours: the sockets stay open here.
_SOCKETS = HTTPAdapter(max_retries=0)


class TooLongError(Exception):
    """An answer that was not read to its end, and why."""


class _Answer(RequestsResponse):
    """An answer that is read only now, in pieces, and given up as soon as it is beyond all measure."""

    def read(self) -> str:
        until, found = time.monotonic() + LONGEST_S, bytearray()
        with self.response as answer:
            while piece := answer.raw.read1(_PIECE, decode_content=True):
                found += piece
                if len(found) > MOST_BYTES:
                    raise TooLongError(f"answered with more than {MOST_BYTES >> 20} MiB, which is not read")
                if time.monotonic() > until:
                    raise TooLongError(f"took longer than {LONGEST_S:.0f} s to answer")
        return found.decode("utf-8", "replace")


class _Bounded:
    """What both kinds of connection do otherwise than PyGithub's own, which set these."""

    session: requests.Session
    protocol: str
    host: str
    port: int
    verb: str
    url: str
    input: Any
    headers: dict[str, str]
    timeout: int | None
    verify: bool | str

    def getresponse(self) -> RequestsResponse:
        """Ask, and read no more than the headers yet."""
        self.session.mount(f"{self.protocol}://", _SOCKETS)
        return _Answer(
            self.session.request(
                self.verb, f"{self.protocol}://{self.host}:{self.port}{self.url}", headers=self.headers,
                data=self.input, timeout=self.timeout, verify=self.verify, allow_redirects=False, stream=True,
            )
        )  # fmt: skip

    def close(self) -> None:
        """Leave the sockets open for the next."""


class _Plain(_Bounded, HTTPRequestsConnectionClass):
    pass


class _Encrypted(_Bounded, HTTPSRequestsConnectionClass):
    pass


def bound_every_answer() -> None:
    """See to it that every answer that PyGithub reads from now on, for an App's token too, has an end."""
    Requester.injectConnectionClasses(_Plain, _Encrypted)
