"""Mails the links that were asked for: a slow mail server holds no request, and a killed worker loses no mail."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from app.accounts.models import MailedLink
from app.accounts.rules import Purpose, link_token
from app.jobs import Failed, NotYet, StepContext, Workflow
from app.mail import NotSent, compose, deliver
from app.wording import browser

AGAIN_S = 20.0
mailed_link = Workflow("mailed-link", title="A link to sign in, by mail")


@mailed_link.step("send")
def send(step: StepContext) -> dict[str, Any]:
    """Hand the mail to the server. Killed in between, it is sent again: the same mail with the same link."""
    server = step.settings.mail
    if server is None:
        raise Failed("no mail server is set any more; set FLAMBEAU_MAIL_SERVER")
    with step.db.read() as session:
        wanted = sa.select(MailedLink).where(MailedLink.public_id == str(step.payload["link"]))
        link = session.scalar(wanted)
    if link is None or link.used_at is not None or link.sent_at is not None:
        return {"sent": False}
    if link.expires_at <= step.clock.now():
        raise Failed("the mail server did not take it before the link ended")
    subject, text = _words(step, link)
    try:
        deliver(server, compose(server, link.address, subject, text, number=link.public_id, at=link.created_at))
    except NotSent as problem:
        if problem.may_try_again:
            raise NotYet(AGAIN_S, str(problem)) from None
        raise Failed(str(problem)) from None
    with step.db.write() as session:
        found = session.get_one(MailedLink, link.id)
        found.sent_at = step.clock.now()
    return {"sent": True}


def _words(step: StepContext, link: MailedLink) -> tuple[str, str]:
    """Subject and text. Nothing in it was chosen by whoever asked, so nobody sends their own words through us."""
    key = step.settings.session_key.get_secret_value()
    url = f"{step.settings.base_url}/sign-in/mailed/{link_token(key, link.public_id)}"
    name = " ".join(step.settings.name.split())
    minutes = round((link.expires_at - link.created_at).total_seconds() / 60)
    wish = "sign in" if link.purpose is Purpose.SIGN_IN else "add this address to an account"
    where = "" if link.purpose is Purpose.SIGN_IN else "\nOpen it in the browser in which you asked for it."
    text = f"""\
Somebody, hopefully you, asked to {wish} at {name}:
{step.settings.base_url}

Open this link and press the button there:

{url}
{where}
It works once, until {link.expires_at:%H:%M} UTC ({minutes} minutes after it was asked for).
It was asked for in {browser(link.agent)}.

If it was not you, do nothing: without this link nobody gets in. Never pass the
link on.
"""
    return (f"Your link to {wish} at {name}", text)
