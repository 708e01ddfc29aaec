"""Where history may be fetched from: which paths and addresses git is given, and whose network it may then reach.

A folder, or an address in a private network, is for whoever runs the portal to name (the command line; a form takes
folders from administrators). An address from a form reaches public addresses alone: every address of its host is
resolved and looked at here, git is pinned to exactly those, and follows no redirect. It is asked again at each fetch,
so that a name that moves into the private network later is refused then.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

PROTOCOLS = ("https", "http", "file")
_ADDRESS = re.compile(r"(?P<scheme>https?)://(?P<host>[A-Za-z0-9._-]*[A-Za-z0-9_-]|\[[0-9A-Fa-f:.]+\])(?::(?P<port>\d{1,5}))?"
                      r"(?P<path>/[^\s\\?#]*)?")  # fmt: skip
_NAT64 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("64:ff9b:1::/48"))
_COMPATIBLE = ipaddress.IPv6Network("::/96")
# Set aside for protocols and documents in IANA's lists of special purposes; older Pythons take them for everybody's.
_SET_ASIDE = tuple(map(ipaddress.ip_network, (
    "192.0.0.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24", "192.175.48.0/24",
    "64:ff9b:1::/48", "100::/64", "2001::/23", "2620:4f:8000::/48", "3fff::/20", "5f00::/16",
)))  # fmt: skip
# A number as the last label: whoever resolves it may read it in another base than we do.
_NUMERIC = re.compile(r"(?:.*\.)?(?:\d+|0[xX][0-9A-Fa-f]*)")
LONGEST = 1000

Lookup = Callable[[str, int], Sequence[str]]


class GitError(Exception):
    """What git could not do, in a sentence with the way out."""


class OverLimitError(GitError):
    """What was to be fetched takes more room than a repository may: asking again would end the same way."""


class Reach(Enum):
    """How far a repository's address may reach: ours alone to name, or given by somebody through a form."""

    ANYWHERE = "anywhere"
    PUBLIC = "public"


@dataclass(frozen=True)
class Target:
    """A source as git may be given it: the location, settings of that one call, and the protocols it may speak."""

    location: str
    settings: tuple[str, ...] = ()
    protocols: tuple[str, ...] = PROTOCOLS

    @property
    def is_folder(self) -> bool:
        return "://" not in self.location


def is_folder(source: str) -> bool:
    """Whether this names something in the file system rather than an address.

    >>> is_folder("/srv/git/tensor"), is_folder("file:///srv/git/tensor"), is_folder("https://example.org/a.git")
    (True, True, False)
    """
    return not re.match(r"https?://", source.strip(), re.IGNORECASE)


def check_source(source: str, *, reach: Reach = Reach.ANYWHERE) -> str:
    """The path (made absolute) or address as git may be given it; GitError where it is neither, or out of reach.

    >>> check_source("https://example.org/a.git")
    'https://example.org/a.git'
    """
    text = source.strip()
    if len(text) > LONGEST:
        raise GitError(f"{_short(text)} has {len(text):,} characters, and an address {LONGEST:,} at most")
    if not text or text.startswith("-") or any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise GitError(f"{source!r} is no address of a repository; give a folder or an https address")
    if "::" in text.split("/", 1)[0] or re.match(r"[\w.-]+@[\w.-]+:", text):
        raise GitError(f"{text!r} is reached by a protocol that is switched off; give a folder or an https address")
    if "://" not in text:
        if reach is Reach.PUBLIC:
            raise GitError(f"{text!r} is a folder, which only administrators and the command line may name; give an "
                           "address")  # fmt: skip
        try:
            return str(Path(text).expanduser().resolve())
        except (OSError, RuntimeError) as error:
            # A name that is too long, a home of nobody's, links in a circle.
            raise GitError(f"{_short(text)} is no folder ({_why(error)}); give the folder that holds .git") from None
    try:
        parts = urlsplit(text)
    except ValueError as error:
        raise GitError(f"{text!r} is no address ({error}); write https://HOST/PATH") from None
    allowed = PROTOCOLS[:2] if reach is Reach.PUBLIC else PROTOCOLS
    if parts.scheme not in allowed:
        raise GitError(f"{text!r} uses {parts.scheme}://, but only {', '.join(allowed)} are allowed; give an https "
                       "address")  # fmt: skip
    if "@" in parts.netloc:
        raise GitError("an address with a user name or a password would show it on public pages; give one without")
    if parts.scheme != "file" and not _ADDRESS.fullmatch(text):
        raise GitError(f"{text!r} is no plain address: write https://HOST/PATH, the host in ASCII, without ? and #")
    return text


def _short(text: str) -> str:
    return repr(text if len(text) <= 100 else f"{text[:100]}...")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or str(error).rstrip(".")


def target_of(source: str, *, reach: Reach = Reach.ANYWHERE, lookup: Lookup | None = None) -> Target:
    """The source with what git must be told so that it reaches no further than it may; GitError where it would.

    Behind a proxy (HTTPS_PROXY) the proxy resolves names itself: then it must keep the private network out.
    """
    location = check_source(source, reach=reach)
    if "://" not in location or location.startswith("file:") or reach is Reach.ANYWHERE:
        return Target(location)
    found = _ADDRESS.fullmatch(location)
    if found is None:
        raise GitError(f"{location!r} is no plain address: write https://HOST/PATH")
    host, port = found["host"].strip("[]"), int(found["port"] or {"https": 443, "http": 80}[found["scheme"]])
    if _NUMERIC.fullmatch(host) and not _is_literal(host):
        raise GitError(f"{host!r} is no plain address: write a name, or four numbers such as 192.0.2.7")
    addresses = _public_addresses(host, port, lookup or _resolve)
    settings = ["http.followRedirects=false", "http.lowSpeedLimit=1000", "http.lowSpeedTime=60"]
    if not _is_literal(host):
        listed = ",".join(f"[{one}]" if ":" in one else one for one in addresses)
        settings.append(f"http.curloptResolve={host}:{port}:{listed}")
    return Target(location, tuple(settings), PROTOCOLS[:2])


def is_public(address: str) -> bool:
    """True for an address that anybody in the internet means the same machine by.

    >>> [is_public(a) for a in ("93.184.216.34", "127.0.0.1", "10.1.2.3", "169.254.169.254", "100.64.0.1")]
    [True, False, False, False, False]
    >>> [is_public(a) for a in ("2606:2800:220:1::1", "::1", "fd00:ec2::254", "fe80::1", "::ffff:10.0.0.1")]
    [True, False, False, False, False]
    """
    ip = ipaddress.ip_address(address.split("%", 1)[0])
    if not ip.is_global or ip.is_multicast or ip.is_reserved or ip.is_unspecified:
        return False
    if any(ip in network for network in _SET_ASIDE):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    inner = [one for one in (ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())) if one is not None]
    inner += [ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF) for network in _NAT64 if ip in network]
    return not (ip.is_site_local or ip in _COMPATIBLE) and all(is_public(str(one)) for one in inner)


def _public_addresses(host: str, port: int, lookup: Lookup) -> list[str]:
    try:
        addresses = sorted(set(lookup(host, port)))
    except (OSError, UnicodeError) as error:
        raise GitError(f"the host {host} is not found ({error}); check the address") from None
    if not addresses:
        raise GitError(f"the host {host} has no address; check the address")
    if any(not is_public(one) for one in addresses):
        # Which address it is stays unsaid: the answer would map the private network.
        raise GitError(f"{host} is in a private network, where a form may not reach; only the command line may name it")
    return addresses


def _resolve(host: str, port: int) -> list[str]:
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def _is_literal(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
