"""Takes a webhook's call: signed by our secret, read within bounds, stored, and handled by a job soon after.

GitHub waits ten seconds and does not call again, so what is said here takes milliseconds whatever it leads to; what is
refused or lost is found by the next reading of the repository. GitHub signs the body and nothing else: the same body
is the same call, and the name of the event, which stands in a header, must fit what the body holds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import sqlalchemy as sa
from pydantic import SecretStr
from sqlalchemy.orm import Session

from app import jobs
from app.audit import Actor
from app.contributions import private
from app.contributions.models import Repository
from app.db import clock_of
from app.github.models import Delivery, DeliveryState, GithubConnection
from app.github.places import repository_at
from app.github.shapes import Call
from app.people.queries.identities import insert_new

# GitHub sends nothing above 25 MB: a push of 2,048 commits with all their paths may come near.
MOST_BYTES = 25 << 20
MOST_WAITING = 20_000
ACTOR = Actor.system("github-webhook")
WORKFLOW = "github-heard"
# What else a body holds tells events apart: (needed, not there).
HEARD: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    "pull_request": (frozenset({"pull_request", "number"}), frozenset({"review", "comment", "thread"})),
    "pull_request_review": (frozenset({"pull_request", "review"}), frozenset({"comment", "thread"})),
    "pull_request_review_comment": (frozenset({"pull_request", "comment"}), frozenset({"review", "thread"})),
    "issues": (frozenset({"issue"}), frozenset({"comment", "pull_request"})),
    "issue_comment": (frozenset({"issue", "comment"}), frozenset({"pull_request"})),
    "release": (frozenset({"release"}), frozenset({"issue", "pull_request", "comment"})),
    "push": (frozenset({"ref", "before", "after"}), frozenset({"action"})),
    "create": (frozenset({"ref", "ref_type", "master_branch"}), frozenset({"action", "before"})),
    "delete": (frozenset({"ref", "ref_type"}), frozenset({"action", "before", "master_branch"})),
    "repository": (
        frozenset({"action", "repository"}),
        frozenset({"issue", "pull_request", "comment", "release", "ref", "label", "milestone", "team", "member"}),
    ),
}
# These only have git asked, which reads what staff gave it to read.
_WITHOUT_WORDS = frozenset({"push", "create", "delete"})
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_GUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,99}")
_SIGNATURE = re.compile(r"sha256=[0-9a-f]{64}")


class NotTakenError(ValueError):
    """A call that cannot be taken; `status` is what GitHub shows beside the sentence."""

    def __init__(self, text: str, *, status: int = 400) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Answer:
    """What is said to GitHub, and whether anything was stored."""

    said: str
    is_stored: bool = False


def is_signed(secrets: Sequence[SecretStr], body: bytes, signature: str) -> bool:
    """Whether one of the secrets signed the body; every one is tried, so that time tells nothing.

    >>> is_signed([SecretStr("s" * 16)], b"{}", "sha256=" + "0" * 64)
    False
    """
    given = signature if _SIGNATURE.fullmatch(signature) else "sha256="
    found = False
    for secret in secrets:
        made = hmac.new(secret.get_secret_value().encode(), body, hashlib.sha256).hexdigest()
        found |= hmac.compare_digest(f"sha256={made}".encode(), given.encode())
    return found


@dataclass(frozen=True)
class Payload:
    """What a call says: the JSON text as it came, and what it holds."""

    text: bytes
    data: dict[str, Any]


def payload_of(body: bytes, content_type: str) -> Payload:
    """The object that a body holds, sent as JSON or in a form's field `payload`. Raises: NotTakenError."""
    if content_type == "application/x-www-form-urlencoded":
        fields = parse_qsl(body.decode("utf-8", "replace"))
        text = next((value for name, value in fields if name == "payload"), "").encode("utf-8", "replace")
    elif content_type == "application/json":
        text = body
    else:
        raise NotTakenError(
            f"{content_type or 'no content type'} is not read here; choose application/json in the webhook's settings",
            status=415,
        )
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise NotTakenError("the body is no JSON; nothing was taken") from None
    if not isinstance(found, dict):
        raise NotTakenError("the body is JSON but no object; nothing was taken")
    return Payload(text, found)


def take(session: Session, *, event: str, guid: str, payload: Payload) -> Answer:
    """Store a signed call if it means something here, and see to it that a job handles it. Raises: NotTakenError.

    A call that came before is answered kindly and does nothing: so one may press "Redeliver" without harm.
    """
    if not _NAME.fullmatch(event) or not _GUID.fullmatch(guid):
        raise NotTakenError("X-GitHub-Event and X-GitHub-Delivery must say what this is; nothing was taken")
    if event == "ping":
        return Answer("pong: calls are signed as they should be")
    if event not in HEARD:
        return Answer(f"{event} means nothing here and was left")
    needed, unwanted = HEARD[event]
    if not needed <= payload.data.keys() or unwanted & payload.data.keys():
        raise NotTakenError(f"the body does not hold what {event} has; nothing was taken", status=422)
    call = Call.read(payload.data, what=f"webhook of {event}")
    repository = _counted(session, call)
    if repository is None:
        return Answer(f"{call.repository.full_name} is not counted here and was left")
    if call.repository.is_private:
        private.hide(session, repository, actor=ACTOR, reason="GitHub says that it is private")
    if call.repository.is_private and event not in _WITHOUT_WORDS:
        return Answer(f"{call.repository.full_name} is private, and whoever opens the portal would read it: left")
    mark = hashlib.sha256(payload.text).hexdigest()
    known = session.scalar(sa.select(Delivery).where(sa.or_(Delivery.guid == guid, Delivery.body_sha256 == mark)))
    if known is not None and known.state is not DeliveryState.FAILED:
        return Answer("this was taken before; nothing was done again")
    if known is not None:
        known.state, known.tries, known.body = DeliveryState.RECEIVED, 0, zlib.compress(payload.text)
    else:
        waiting = sa.select(sa.func.count()).select_from(Delivery).where(Delivery.state == DeliveryState.RECEIVED)
        if (session.scalar(waiting) or 0) >= MOST_WAITING:
            raise NotTakenError(f"{MOST_WAITING:,} calls wait already; the next reading finds this one", status=503)
        insert_new(session, Delivery, [{
            "guid": guid, "body_sha256": mark, "event": event, "action": call.action or "",
            "repository_id": repository.id, "number": call.number_spoken_of, "body": zlib.compress(payload.text),
            "state": DeliveryState.RECEIVED, "received_at": clock_of(session).now(),
        }])  # fmt: skip
    see_to_it(session)
    return Answer("taken; it is handled in a moment", is_stored=True)


def _counted(session: Session, call: Call) -> Repository | None:
    """The repository that a call speaks of: by GitHub's number of it, by name, by where git fetches it from."""
    wanted = sa.select(Repository).join(GithubConnection, GithubConnection.repository_id == Repository.id)
    found = session.scalar(wanted.where(GithubConnection.github_number == call.repository.number))
    name = sa.func.lower(GithubConnection.full_name) == call.repository.full_name.lower()
    unread = GithubConnection.github_number.is_(None)
    found = found or session.scalar(wanted.where(name, unread))
    former = repository_at(session, call.former) if call.former else None
    return found or former or repository_at(session, call.repository.url)


def see_to_it(session: Session) -> None:
    """Have a job handle what is stored: the one that waits to begin, held until we are done, or a new one."""
    queued = sa.select(jobs.Job.id).where(jobs.Job.workflow == WORKFLOW, jobs.Job.state == jobs.JobState.QUEUED)
    # Whoever claims it has to wait for this transaction, and then sees what it stored.
    if session.scalar(queued.limit(1).with_for_update(skip_locked=True)) is None:
        # As one of its schedule's runs, of which only the last are kept.
        jobs.enqueue(session, WORKFLOW, {}, actor=ACTOR, scheduled_by=WORKFLOW)
