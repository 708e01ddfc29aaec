"""A mail server beside the portal: aiosmtpd speaks SMTP in a thread and keeps what it is given."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

from aiosmtpd.controller import Controller


@dataclass
class Mailbox:
    """Every mail in the order in which it came. `answer`, if set, is what the server says instead of taking one."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    receivers: list[str] = field(default_factory=list)
    answer: str = ""
    at_receiver: str = ""

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        """A receiver is named."""
        if self.at_receiver:
            return self.at_receiver
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """A mail is given."""
        if self.answer:
            return self.answer
        self.mails.append(message_from_bytes(envelope.content, _class=EmailMessage, policy=policy.SMTP))
        self.receivers += envelope.rcpt_tos
        return "250 OK"

    def link(self) -> str:
        """The path of the link in the last mail."""
        found = re.search(r"http://127\.0\.0\.1:\d+(/sign-in/mailed/\S+)", self.mails[-1].get_content())
        assert found is not None
        return found[1]


class _OnAnyPort(Controller):
    """Listens where there is room; the parent looks for it at the port that it was told."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def running(**options: Any) -> Iterator[Mailbox]:
    """The server on a port of its own."""
    box = Mailbox()
    controller = _OnAnyPort(box, hostname="127.0.0.1", port=0, **options)
    controller.start()
    box.port = controller.port
    yield box
    controller.stop()
