"""Which e-mail domains can be an employer's: by the public suffix list, and never freemail, noreply or local hosts."""

from __future__ import annotations

import contextlib
import re
from functools import lru_cache
from pathlib import Path

from publicsuffixlist import PublicSuffixList

_HOST = re.compile(r"[\w-]+(\.[\w-]+)+")
_LOCAL = (
    ".local",
    ".localdomain",
    ".lan",
    ".internal",
    ".home",
    ".arpa",
    ".invalid",
    ".test",
    ".example",
    ".localhost",
)


def employer_hosts(address: str) -> tuple[str, ...]:
    """Domains under which an organization may have registered this address, the most specific first; none if it can't.

    >>> employer_hosts("ada@eu.research.acme.co.uk")
    ('eu.research.acme.co.uk', 'research.acme.co.uk', 'acme.co.uk')
    >>> [employer_hosts(a) for a in ("a@gmail.com", "1+ada@users.noreply.github.com", "ada@laptop.local", "ada@co.uk")]
    [(), (), (), ()]
    """
    host = plain_host(address.rpartition("@")[2])
    domain = registrable(host)
    if domain is None:
        return ()
    labels, stop = host.split("."), len(domain.split("."))
    return tuple(".".join(labels[start:]) for start in range(len(labels) - stop + 1))


def plain_host(host: str) -> str:
    """A host as it is compared: small letters, and in ASCII, as mail servers are named (RFC 3490).

    >>> plain_host(" Acme.com. "), plain_host("bücher.de") == plain_host("XN--BCHER-KVA.de")
    ('acme.com', True)
    """
    host = host.casefold().strip().rstrip(".")
    if not host.isascii():
        with contextlib.suppress(UnicodeError):
            return host.encode("idna").decode()
    return host


def spellings(host: str) -> tuple[str, ...]:
    """How a host of ours (`plain_host`) is written in addresses: in ASCII, and in its own letters.

    >>> spellings("acme.com"), spellings("xn--bcher-kva.de")
    (('acme.com',), ('xn--bcher-kva.de', 'bücher.de'))
    """
    if "xn--" not in host:
        return (host,)
    with contextlib.suppress(UnicodeError):
        return host, host.encode().decode("idna")
    return (host,)


def registrable(host: str) -> str | None:
    """The domain that somebody registered, or None where it can be nobody's employer.

    >>> registrable("mail.acme.com"), registrable("gmail.com"), registrable("users.noreply.github.com")
    ('acme.com', None, None)
    >>> registrable("*.acme.com"), registrable("acme .com"), registrable("пример.рф")
    (None, None, 'xn--e1afmkfd.xn--p1ai')
    """
    host = plain_host(host)
    if not _HOST.fullmatch(host) or host.endswith(_LOCAL) or "noreply" in host.split("."):
        return None
    domain = _suffixes().privatesuffix(host)
    if domain is None or domain in freemail() or host in freemail():
        return None
    return str(domain)


@lru_cache(maxsize=1)
def freemail() -> frozenset[str]:
    """Domains where anybody can have an address, so that they say nothing about an employer (freemail.txt)."""
    return frozenset((Path(__file__).parent / "freemail.txt").read_text(encoding="utf-8").split())


@lru_cache(maxsize=1)
def _suffixes() -> PublicSuffixList:
    # Only suffixes that a registry runs: github.io, say, is one company's, and a page there names no employer.
    return PublicSuffixList(accept_unknown=False)
