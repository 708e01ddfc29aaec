"""An answer that breaks off, stalls or is no HTTP is a sentence, like every other trouble with an issuer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from app.accounts import outside
from app.accounts.rules import IssuerError


@pytest.fixture
def answering() -> Iterator[Callable[[bytes, bool], str]]:
    """The address of a server that answers with these bytes; it hangs up then, or stays silent."""
    with ExitStack() as kept:

        def serve(answer: bytes, hangs_up: bool) -> str:
            listening = kept.enter_context(socket.create_server(("127.0.0.1", 0)))

            def once() -> None:
                taken = listening.accept()[0]
                taken.recv(4096)
                taken.sendall(answer)
                if hangs_up:
                    taken.close()
                else:
                    kept.enter_context(taken)

            thread = threading.Thread(target=once, name="answering")
            thread.start()
            kept.callback(thread.join)
            return f"http://127.0.0.1:{listening.getsockname()[1]}/"

        yield serve


@pytest.mark.parametrize(
    ("answer", "hangs_up"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{}", False),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}", True),
        (b"nonsense\r\n", True),
    ],
)
def test_an_answer_without_its_end_is_none(
    answering: Callable[[bytes, bool], str], monkeypatch: pytest.MonkeyPatch, answer: bytes, hangs_up: bool
) -> None:
    monkeypatch.setattr(outside, "READ_S", 0.2)
    with pytest.raises(IssuerError, match="cannot be reached"):
        outside.get(answering(answer, hangs_up))


def test_an_address_that_is_none_is_not_asked() -> None:
    with pytest.raises(IssuerError, match="cannot be asked"):
        outside.get("https://a b:99999/keys")
