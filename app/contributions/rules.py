"""What a commit says about people: trailers, sign-offs, reverts, squash subjects, tools and believable dates. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

# By which rules work is credited (`rollups`): whoever changes them raises this, and what was counted before is counted
# anew (`recounting`). 2: whoever a landed commit is credited to is neither its reviewer nor its co-author.
COUNTING_RULES = 2
MOST_TRAILERS = 200
LONGEST_VALUE = 1000
_LONGEST_MESSAGE = 256 << 10
_LONGEST_SUBJECT = 500
FIRST_DATE = datetime(1970, 1, 2, tzinfo=UTC)  # a clock that was never set says 1 January 1970
_DAY_S = 86_400


class TrailerKey(Enum):
    """The closed list: any other `Key: value` line is prose."""

    CO_AUTHORED = "co-authored-by"
    SIGNED_OFF = "signed-off-by"
    REVIEWED = "reviewed-by"
    APPROVED = "approved-by"
    ACKED = "acked-by"
    TESTED = "tested-by"
    REPORTED = "reported-by"
    ASSISTED = "assisted-by"
    PULL_REQUEST = "pull-request-resolved"
    REVISION = "differential-revision"
    REVERTS = "reverts"


_PEOPLE = frozenset(TrailerKey) - {TrailerKey.PULL_REQUEST, TrailerKey.REVISION, TrailerKey.REVERTS}
_SEVERAL = {TrailerKey.REVIEWED, TrailerKey.APPROVED, TrailerKey.ACKED, TrailerKey.TESTED}
_BY_NAME = {key.value.replace("-", " "): key for key in TrailerKey if key is not TrailerKey.REVERTS}
_TRAILER = re.compile(
    r"(" + "|".join(name.replace(" ", "[- ]") for name in sorted(_BY_NAME, key=len, reverse=True)) + r")[ \t]*:[ \t]*"
    r"(\S.*)",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(.*?)<\s*([^<>\s]+)\s*>")
_PROFILE = re.compile(r"https?://(?:www\.)?git(?:hub|lab)\.com/([A-Za-z0-9][A-Za-z0-9-]{0,38})/?")
_LOGIN = re.compile(r"@?([A-Za-z0-9][A-Za-z0-9_.-]{0,38})")
_SQUASH = re.compile(r"\s*\(#(\d{1,9})\)\s*$")
_MERGED = re.compile(r"Merge (?:pull request|PR) #(\d{1,9})\b")
_NUMBER = re.compile(r"/pull/(\d{1,9})\b|^#(\d{1,9})\b")
_REVERT = re.compile(r"revert(?:[:\s(\"]|$)", re.IGNORECASE)
_REVERTED = re.compile(r"^This reverts commit ([0-9a-f]{7,64})\b", re.MULTILINE)
_QUOTED_SUBJECT = re.compile(r'"(.*)"')
_ORIGINAL = re.compile(r"(?:original|reverted)\s+(?:commit\s+|pr\s+|pull request\s+)?"
                       r"(?:message|summary|description|text)\b", re.IGNORECASE)  # fmt: skip
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Trailer:
    """One statement of a message. People's trailers carry a name, an address or a login, as far as written."""

    key: TrailerKey
    value: str
    name: str = ""
    email: str = ""
    login: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """A commit message, read: title without the pull request's number, which stands apart."""

    subject: str
    title: str
    pull_request: int | None
    is_revert: bool
    reverts: tuple[str, ...]
    trailers: tuple[Trailer, ...]

    def of(self, *keys: TrailerKey) -> tuple[Trailer, ...]:
        """The trailers with one of these keys, in the order written."""
        return tuple(trailer for trailer in self.trailers if trailer.key in keys)


def read_message(text: str) -> Message:
    """Subject, pull request, reverted commits and trailers of a commit message, however hostile.

    Lines that are quoted (`>`), indented or part of a reverted commit's repeated message state nothing.
    >>> message = read_message("Add relu (#12)\\n\\nReviewed By: anne, bob\\nSigned-off-by: Cy <cy@x.example>\\n")
    >>> message.title, message.pull_request, [(t.key.value, t.login or t.email) for t in message.trailers]
    ('Add relu', 12, [('reviewed-by', 'anne'), ('reviewed-by', 'bob'), ('signed-off-by', 'cy@x.example')])
    """
    lines = text[:_LONGEST_MESSAGE].replace("\r\n", "\n").replace("\r", "\n").strip("\n").split("\n")
    subject = _clean(lines[0], _LONGEST_SUBJECT)
    is_revert = _REVERT.match(subject) is not None
    own = _own_lines(lines[1:], subject) if is_revert else [(line, False) for line in lines[1:]]
    seen: dict[tuple[TrailerKey, str, str, str], Trailer] = {}
    for trailer in _trailers(own):
        who = trailer.email.casefold() or trailer.login.casefold() or trailer.name.casefold()
        seen.setdefault((trailer.key, who, "" if who else trailer.value, ""), trailer)
        if len(seen) >= MOST_TRAILERS:
            break
    reverts = tuple(dict.fromkeys(_REVERTED.findall("\n".join(lines[1:]))))[:20] if is_revert else ()
    return Message(
        subject=subject,
        title=_SQUASH.sub("", subject) or subject,
        pull_request=_pull_request(subject, tuple(seen.values())),
        is_revert=is_revert,
        reverts=reverts,
        trailers=tuple(seen.values()),
    )


def is_signed_off(message: Message, email: str) -> bool:
    """True if a sign-off names this address: only the author's own sign-off counts.

    >>> is_signed_off(read_message("x\\n\\nSigned-off-by: Cy <CY@x.example>"), "cy@x.example")
    True
    """
    return bool(email) and any(
        trailer.email.casefold() == email.casefold() for trailer in message.of(TrailerKey.SIGNED_OFF)
    )


def missing_sign_offs(message: Message, author_name: str, author_email: str) -> tuple[str, ...]:
    """`Name <address>` of the author and of each co-author who has not signed off.

    A tool or bot that is named as co-author need not sign; an author must, whatever name it goes by.
    """
    helpers = [(trailer.name, trailer.email) for trailer in message.of(TrailerKey.CO_AUTHORED)]
    wanted = [(author_name, author_email)]
    wanted += [who for who in helpers if contributor_kind(*who) is ContributorKind.PERSON]
    return tuple(f"{name} <{email}>" for name, email in wanted if not is_signed_off(message, email))


class ContributorKind(Enum):
    PERSON = "person"
    BOT = "bot"
    ASSISTANCE = "assistance"


_BOT = re.compile(r"\[bot\]|(?:^|[^a-z])bot(?:$|[^a-z])|^(?:pytorch(?:merge|update)?bot|dependabot|renovate|"
                  r"greenkeeper|facebook-github-bot|github-actions|pre-commit-ci|mergify|codecov|bors|k8s-ci-robot|"
                  r"tensorflower-gardener|copybara-service|web-flow)\b", re.IGNORECASE)  # fmt: skip
_TOOL = re.compile(r"^(?:github )?copilot\b|^claude\b|^cursor(?: agent)?$|^chatgpt\b|^(?:openai )?codex\b|"
                   r"^gemini\b|^devin\b.*\bai\b|^aider\b|^windsurf\b|"
                   r"^amazon q\b|^jules\b.*\bgoogle\b", re.IGNORECASE)  # fmt: skip
_TOOL_ADDRESS = re.compile(r"@(?:anthropic\.com|cursor\.com|openai\.com|aider\.chat|devin\.ai)$", re.IGNORECASE)


def contributor_kind(name: str, email: str) -> ContributorKind:
    """What an identity looks like before anyone has decided: a person, a bot, or a tool that assists.

    >>> contributor_kind("dependabot[bot]", "x@y").value, contributor_kind("Claude", "noreply@anthropic.com").value
    ('bot', 'assistance')
    >>> contributor_kind("Jo Talbot", "jo@talbot.example").value
    'person'
    """
    local, _, domain = email.partition("@")
    if _TOOL.search(name.strip()) and (_is_automatic(local) or not domain or _TOOL_ADDRESS.search(email)):
        return ContributorKind.ASSISTANCE
    if _BOT.search(name.strip()) or "[bot]" in local.casefold():
        return ContributorKind.BOT
    return ContributorKind.PERSON


def is_noreply(email: str) -> bool:
    """True for an address that names no mailbox, and so no employer.

    >>> is_noreply("12+anne@users.noreply.github.com"), is_noreply("root@build7.local"), is_noreply("a@b.example")
    (True, True, False)
    """
    local, _, domain = email.casefold().rpartition("@")
    if not local or "." not in domain:
        return True
    return _is_automatic(local) or "noreply" in domain.split(".") or domain.endswith((".local", ".localdomain", ".lan"))


def contribution_time(authored_s: int | None, committed_s: int | None, *, now: datetime) -> datetime:
    """When the work was done: the author's time, else the committer's, else now; never before 1970 or after tomorrow.

    >>> contribution_time(0, 1_700_000_000, now=datetime(2026, 1, 1, tzinfo=UTC)).year
    2023
    """
    for seconds in (authored_s, committed_s):
        if seconds is not None and not is_absurd(seconds, now=now):
            return datetime.fromtimestamp(seconds, UTC)
    return now


def is_absurd(seconds: int | None, *, now: datetime) -> bool:
    """True for a time that cannot be meant: none at all, before 1970, after tomorrow.

    >>> [is_absurd(seconds, now=datetime(2026, 1, 1, tzinfo=UTC)) for seconds in (None, 0, 1_700_000_000)]
    [True, True, False]
    """
    return seconds is None or not FIRST_DATE.timestamp() <= seconds <= now.timestamp() + _DAY_S


def _own_lines(body: list[str], subject: str) -> list[tuple[str, bool]]:
    """The lines that the reverter wrote, each with whether only a sign-off counts in it."""
    quoted = _QUOTED_SUBJECT.search(_SQUASH.sub("", subject))
    repeated = _SQUASH.sub("", quoted[1]).strip() if quoted else None
    start = next(
        (index for index, line in enumerate(body)
         if (repeated and _SQUASH.sub("", line).strip() == repeated) or _ORIGINAL.match(line)),
        None,
    )  # fmt: skip
    if start is None:
        return [(line, False) for line in body]
    paragraphs = [part.split("\n") for part in re.split(r"\n\s*\n", "\n".join(body[start:]).strip("\n"))]
    stating = [part for part in paragraphs if all(_TRAILER.match(line) for line in part)]
    own = [(line, False) for line in body[:start]]
    if stating and stating[-1] is paragraphs[-1]:
        # The last of several blocks is the reverter's; a single one may be the quoted author's.
        own += [("", False), *((line, len(stating) == 1) for line in stating[-1])]
    return own


def _trailers(lines: list[tuple[str, bool]]) -> Iterator[Trailer]:
    index = 0
    while index < len(lines):
        line, only_sign_off = lines[index]
        index += 1
        match = _TRAILER.match(line)
        if match is None:
            continue
        value = match[2]
        while index < len(lines) and lines[index][0][:1] in (" ", "\t") and lines[index][0].strip():
            value += " " + lines[index][0].strip()
            index += 1
        key = _BY_NAME[match[1].casefold().replace("-", " ")]
        if not only_sign_off or key is TrailerKey.SIGNED_OFF:
            yield from _read_value(key, _clean(value, LONGEST_VALUE))


def _read_value(key: TrailerKey, value: str) -> Iterator[Trailer]:
    if not value:
        return
    if key not in _PEOPLE:
        yield Trailer(key, value)
        return
    parts = [part.strip() for part in value.split(",")] if key in _SEVERAL and "<" not in value else [value]
    for part in (part for part in parts if part):
        if (address := _ADDRESS.match(part)) is not None:
            yield Trailer(key, part, name=address[1].strip().strip('"').strip(), email=address[2])
        elif (profile := _PROFILE.fullmatch(part)) is not None:
            yield Trailer(key, part, login=profile[1])
        elif "/" not in part and (login := _LOGIN.fullmatch(part)) is not None and key in _SEVERAL:
            yield Trailer(key, part, login=login[1])
        elif "://" not in part:
            yield Trailer(key, part, name=part)


def _pull_request(subject: str, trailers: tuple[Trailer, ...]) -> int | None:
    if (match := _SQUASH.search(subject) or _MERGED.match(subject)) is not None:
        return int(match[1])
    for trailer in trailers:
        if trailer.key is TrailerKey.PULL_REQUEST and (match := _NUMBER.search(trailer.value)) is not None:
            return int(match[1] or match[2])
    return None


def _is_automatic(local: str) -> bool:
    return (
        re.fullmatch(r"(?:\d+\+)?(?:no-?reply|do-?not-?reply|.*\[bot\]|copilot|cursoragent)", local.casefold())
        is not None
    )


def _clean(text: str, limit: int) -> str:
    return _CONTROL.sub(" ", text).strip()[:limit].strip()
