"""Plain text mail by SMTP: one message, one receiver, bounded in time. Sending it durably is a job's work."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, parseaddr

from app.connections import MailServer

_ADDRESS = re.compile(
    r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?",
    # Without ASCII a letter such as U+017F is taken for an s of another case, and folded to another mailbox.
    re.IGNORECASE | re.ASCII,
)


class NotSent(Exception):
    """The mail did not go out; `may_try_again` tells a server in trouble from one that refused for good.

    The text never holds an address: others read the log of jobs.
    """

    def __init__(self, text: str, *, may_try_again: bool) -> None:
        super().__init__(text)
        self.may_try_again = may_try_again


def is_address(text: str) -> bool:
    """Whether mail can be sent there: an address of plain letters at a host with a dot.

    >>> [is_address(text) for text in ("ada@acme.com", "ada@localhost", "ada@acme.com\\nBcc: eve@x.org", "a b@c.de")]
    [True, False, False, False]
    """
    return len(text) <= 254 and len(text.partition("@")[0]) <= 64 and bool(_ADDRESS.fullmatch(text))


def compose(server: MailServer, to: str, subject: str, text: str, *, number: str, at: datetime) -> EmailMessage:
    """A message that says that a machine wrote it. `number` makes its Message-ID: sent again, it is the same mail.

    Raises: ValueError where a header would hold a line break, or the receiver is no address.
    """
    if not is_address(to):
        raise ValueError("the receiver is no address that mail can be sent to")
    # Lines up to 300 letters go as they are: a link that is broken over two lines cannot be copied from every program.
    message = EmailMessage(policy=SMTP.clone(max_line_length=300))
    message["From"] = server.sender
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = format_datetime(at)
    host = parseaddr(server.sender)[1].rpartition("@")[2]
    message["Message-ID"] = f"<{number}@{host}>"
    message["Auto-Submitted"] = "auto-generated"
    message["X-Auto-Response-Suppress"] = "All"
    message.set_content(text)
    return message


def deliver(server: MailServer, message: EmailMessage) -> None:
    """Hand a message to the mail server. Raises: NotSent; never after the server took it."""
    smtp: smtplib.SMTP | None = None
    try:
        smtp = _connected(server)
        if server.user:
            smtp.login(server.user, server.password.get_secret_value())
        smtp.send_message(message)
    except smtplib.SMTPRecipientsRefused as error:
        code = max((code for code, _text in error.recipients.values()), default=550)
        raise _refused(code) from None
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent(f"the mail server refused our user or password ({error.smtp_code})", may_try_again=True) from None
    except smtplib.SMTPResponseException as error:
        raise _refused(error.smtp_code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise NotSent(f"the mail server cannot be reached ({type(error).__name__})", may_try_again=True) from None
    finally:
        if smtp is not None:
            with contextlib.suppress(OSError, smtplib.SMTPException):
                smtp.quit()
            smtp.close()


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.security == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=server.timeout_s, context=_trusted())
    smtp = smtplib.SMTP(server.host, server.port, timeout=server.timeout_s)
    if server.security == "starttls":
        try:
            smtp.starttls(context=_trusted())
        except BaseException:
            smtp.close()
            raise
    return smtp


def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def _refused(code: int) -> NotSent:
    is_for_good = 500 <= code < 600
    return NotSent(f"the mail server answered {code}", may_try_again=not is_for_good)
