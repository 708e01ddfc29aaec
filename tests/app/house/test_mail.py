"""Handing a mail to a server: encrypted, bounded, and told apart whether to try again."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from app import mail
from app.connections import MailServer
from app.mail import NotSent, compose, deliver
from tests.app.accounts import mailbox

AT = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def server(port: int, **more: Any) -> MailServer:
    known = {"host": "127.0.0.1", "port": port, "security": "plain", "sender": "Flambeau <portal@example.org>"}
    return MailServer(**{**known, "timeout_s": 1.0, **more})


def letter(at: MailServer, to: str = "ada@acme.com", subject: str = "A link") -> Any:
    return compose(at, to, subject, "Grüße,\n.\nein Punkt allein\n", number="ml_1", at=AT)


def test_what_is_written_arrives(tmp_path: Path) -> None:
    with mailbox.running() as box:
        at = server(box.port)
        deliver(at, letter(at))
        (found,) = box.mails
    assert found.get_content().replace("\r\n", "\n") == "Grüße,\n.\nein Punkt allein\n"
    assert found["Message-ID"] == "<ml_1@example.org>"
    assert found["Date"] == "Thu, 15 Jan 2026 12:00:00 +0000"


@pytest.mark.parametrize("subject", ["A link\nBcc: eve@x.org", "A link\r\n\r\nbody"])
def test_no_line_break_gets_into_a_header(subject: str) -> None:
    with pytest.raises(ValueError):
        letter(server(25), subject=subject)


@pytest.mark.parametrize("to", ["ada@acme.com\nBcc: eve@x.org", "ada@acme.com, eve@x.org", "Ada <ada@acme.com>", ""])
def test_a_mail_has_one_receiver(to: str) -> None:
    with pytest.raises(ValueError, match="no address"):
        letter(server(25), to)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1, by itself."""
    from datetime import timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = tmp_path_factory.mktemp("certificate") / "both.pem"
    plain = serialization.NoEncryption()
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def offered(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def test_starttls_with_a_server_that_we_trust_and_a_password(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from aiosmtpd.smtp import AuthResult

    def right(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=(data.login, data.password) == (b"portal", b"secret"), handled=False)

    monkeypatch.setattr(mail, "_trusted", lambda: ssl.create_default_context(cafile=str(certificate)))
    options = {"tls_context": offered(certificate), "require_starttls": True, "authenticator": right,
               "auth_required": True}  # fmt: skip
    with mailbox.running(**options) as box:
        at = server(box.port, security="starttls", user="portal", password=SecretStr("secret"))
        deliver(at, letter(at))
        assert len(box.mails) == 1
        wrong = at.model_copy(update={"password": SecretStr("guess")})
        with pytest.raises(NotSent, match="refused our user or password") as told:
            deliver(wrong, letter(wrong))
    assert told.value.may_try_again
    assert "secret" not in repr(at)


@pytest.mark.parametrize("has_tls", [True, False])
def test_nothing_goes_to_a_server_that_is_not_the_one_it_says(certificate: Path, has_tls: bool) -> None:
    with mailbox.running(**({"tls_context": offered(certificate)} if has_tls else {})) as box:
        at = server(box.port, security="starttls")
        with pytest.raises(NotSent):
            deliver(at, letter(at))
        assert box.mails == []


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that takes the call and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        kept: list[socket.socket] = []
        thread = threading.Thread(target=lambda: kept.append(listening.accept()[0]), name="silent")
        thread.start()
        yield listening.getsockname()[1]
        thread.join()
        for one in kept:
            one.close()


def test_a_silent_server_is_given_up(silent: int) -> None:
    at = server(silent, timeout_s=0.2)
    with pytest.raises(NotSent, match="cannot be reached") as told:
        deliver(at, letter(at))
    assert told.value.may_try_again


@pytest.mark.parametrize(("answer", "again"), [("451 later", True), ("552 too much", False), ("421 closing", True)])
def test_a_refusal_is_told_with_its_number_alone(answer: str, again: bool) -> None:
    with mailbox.running() as box:
        box.answer = f"{answer} for ada@acme.com"
        at = server(box.port)
        with pytest.raises(NotSent) as told:
            deliver(at, letter(at))
    assert told.value.may_try_again is again
    assert "ada" not in str(told.value)


@pytest.mark.parametrize("sender", ["nobody", "A\nB <a@b.org>", "", "a b@c.org d"])
def test_a_sender_is_an_address(sender: str) -> None:
    with pytest.raises(ValidationError, match="FLAMBEAU_MAIL_FROM"):
        server(25, sender=sender)
