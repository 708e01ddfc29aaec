"""The one address at which GitHub's webhooks arrive: `POST /api/github/hook`.

A webhook has no cookie, so nothing could be forged in somebody's name: the signature over its body says who it is, in
the place of a session and of CSRF's token, and is checked before anything of the body is looked at.
"""

from __future__ import annotations

from datetime import timedelta

from flask import Blueprint, abort, jsonify, request
from werkzeug.wrappers import Response as BaseResponse

from app import limits
from app.auth import Decision, access, guard
from app.db import current_db
from app.github.hooks import MOST_BYTES, NotTakenError, is_signed, payload_of, take
from app.github.shapes import NonsenseError
from app.settings import current_settings

blueprint = Blueprint("hook", __name__, url_prefix="/api/github")
REFUSALS_A_MINUTE = 30
MOST_READ_OFF = 64 << 20
_MINUTE = timedelta(minutes=1)
_REFUSED = "github-hook-refused"


@guard("github-webhook")
def _is_github() -> Decision:
    secrets = current_settings().github_hook_secrets
    if not secrets:
        return Decision(False, "this portal takes no webhooks: no FLAMBEAU_GITHUB_WEBHOOK_SECRET is set")
    _see_that_it_ends()
    body = request.get_data(cache=True)
    if is_signed(secrets, body, request.headers.get("X-Hub-Signature-256", "")):
        return Decision(True, "it is signed by our secret")
    _count_refusal()
    return Decision(False, "X-Hub-Signature-256 is missing or not made with our secret; nothing was taken")


@blueprint.post("/hook")
@access("github-webhook")
def hook() -> tuple[BaseResponse, int]:
    """Take one call: 202 when it is stored, 200 when there is nothing to do, a sentence either way."""
    body = request.get_data(cache=True)
    try:
        payload = payload_of(body, request.mimetype)
        with current_db().write() as session:
            answer = take(
                session,
                event=request.headers.get("X-GitHub-Event", ""),
                guid=request.headers.get("X-GitHub-Delivery", ""),
                payload=payload,
            )
    except NotTakenError as error:
        return jsonify(said=str(error)), error.status
    except NonsenseError as error:
        return jsonify(said=str(error)), 422
    return jsonify(said=answer.said), 202 if answer.is_stored else 200


def _see_that_it_ends() -> None:
    """Refuse a body that is longer than any of GitHub's, in words: whoever is cut off while sending hears none."""
    length = request.content_length or 0
    request.max_content_length = request.max_form_memory_size = MOST_BYTES
    if length <= MOST_BYTES:
        return
    _count_refusal()
    request.max_content_length = MOST_READ_OFF
    while request.stream.read(1 << 16):
        continue
    abort(413, description=f"This call has {length:,} bytes and GitHub's have {MOST_BYTES:,} at most; "
                           "nothing was taken.")  # fmt: skip


def _count_refusal() -> None:
    """Write down that somebody came who is not GitHub; 429 for whoever does so all the time, without writing."""
    source, db = limits.source_of(request.remote_addr), current_db()
    with db.read() as session:
        is_few = limits.is_left(session, _REFUSED, source, allowed=REFUSALS_A_MINUTE, within=_MINUTE)
    if is_few:
        with db.write() as session:
            is_few = limits.take(session, _REFUSED, source, allowed=REFUSALS_A_MINUTE, within=_MINUTE)
    if not is_few:
        abort(429, retry_after=_MINUTE.seconds,
              description="Too many calls come from there that are not GitHub's; wait a minute.")  # fmt: skip
