"""Handles what webhooks brought: each call whole or not at all, in any order, and whatever one of them holds."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.audit import Actor
from app.contributions.models import Change, ChangeSource, Repository
from app.db import Turn, clock_of, take_turn
from app.github.hearing import Heard, UnknownYetError, handle
from app.github.hooks import MOST_WAITING
from app.github.mapping import Reading
from app.github.models import Delivery, DeliveryState
from app.github.places import source_at
from app.github.shapes import Call, NonsenseError
from app.people.models import Identity, IdentityPerson
from app.people.queries import resolve

MOST_TRIES = 3
KEPT = timedelta(days=30)
Writing = Callable[[], AbstractContextManager[Session]]


@dataclass
class Listener:
    """Works on what is stored. `writing` opens a transaction; `actor` is who does it, in the audit log."""

    writing: Writing
    actor: Actor

    def run(self, *, report: Callable[[int], None] = lambda _done: None) -> dict[str, int]:
        """Handle all that was received, then what waited for a pull request that is known by now; how many of each."""
        counted: dict[str, int] = {}
        for state in (DeliveryState.RECEIVED, DeliveryState.WAITING):
            while numbers := self._next(state):
                for number in numbers:
                    if (outcome := self._one(number)) is not None:
                        counted[outcome.value] = counted.get(outcome.value, 0) + 1
                report(sum(counted.values()))
        with self.writing() as session:
            resolve_newcomers(session)
            _tidy(session)
        return counted

    def _next(self, state: DeliveryState) -> list[int]:
        wanted = sa.select(Delivery.id).where(Delivery.state == state)
        if state is DeliveryState.WAITING:
            known = sa.select(Change.id).where(
                Change.repository_id == Delivery.repository_id, Change.source_kind == ChangeSource.PULL_REQUEST,
                Change.number == Delivery.number,
            )  # fmt: skip
            wanted = wanted.where(known.exists())
        with self.writing() as session:
            return list(session.scalars(wanted.order_by(Delivery.id).limit(50)))

    def _one(self, number: int) -> DeliveryState | None:
        """Handle one call; None where another worker has done so meanwhile."""
        try:
            with self.writing() as session:
                take_turn(session, Turn.HISTORY)
                delivery = session.get(Delivery, number)
                if delivery is None or delivery.body is None:
                    return None
                return _handle(session, delivery, delivery.body, self.actor)
        except NonsenseError as error:
            with self.writing() as session:
                return _end(session, session.get_one(Delivery, number), DeliveryState.FAILED, str(error))
        except Exception:
            # One call must not stand in the way of all others for ever; the job shows what broke and tries again.
            with self.writing() as session:
                delivery = session.get_one(Delivery, number)
                delivery.tries += 1
                if delivery.body is not None and delivery.tries >= MOST_TRIES:
                    _end(session, delivery, DeliveryState.FAILED, f"it broke {MOST_TRIES} times; see the job's error")
            raise


def _handle(session: Session, delivery: Delivery, body: bytes, actor: Actor) -> DeliveryState:
    payload: dict[str, Any] = json.loads(zlib.decompress(body))
    repository = session.get_one(Repository, delivery.repository_id)
    source = source_at(Call.read(payload, what="webhook").repository.url)
    heard = Heard(
        session=session, repository=repository, guid=delivery.guid, event=delivery.event, action=delivery.action,
        payload=payload, received_at=delivery.received_at,
        reading=Reading(repository.public_id, clock_of(session).now(), source), actor=actor,
    )  # fmt: skip
    try:
        return _end(session, delivery, DeliveryState.HANDLED, handle(heard))
    except UnknownYetError as error:
        delivery.state, delivery.note = DeliveryState.WAITING, str(error)[:500]
        return DeliveryState.WAITING


def _end(session: Session, delivery: Delivery, state: DeliveryState, note: str) -> DeliveryState:
    delivery.state, delivery.note, delivery.handled_at = state, note[:500], clock_of(session).now()
    delivery.body = None
    return state


def resolve_newcomers(session: Session) -> None:
    """Find out who they are that nobody had seen before; what they did is measured again with that."""
    take_turn(session, Turn.HISTORY)
    unknown = sa.select(Identity.id).outerjoin(IdentityPerson, IdentityPerson.identity_id == Identity.id)
    numbers = list(
        session.scalars(unknown.where(IdentityPerson.identity_id.is_(None), Identity.source.like("github%")))
    )
    if numbers:
        resolve(session, around=numbers)


def _tidy(session: Session) -> None:
    """Forget calls of long ago: facts are dated, so that hearing of them again would change nothing."""
    before = clock_of(session).now() - KEPT
    waits = Delivery.state == DeliveryState.WAITING
    too_long = sa.and_(waits, Delivery.received_at < before)
    session.execute(sa.delete(Delivery).where(sa.or_(Delivery.handled_at < before, too_long)))
    # Their pull requests are asked for and read whole, so that nothing is lost with the oldest of them.
    too_many = sa.select(Delivery.id).where(waits).order_by(Delivery.id.desc()).offset(MOST_WAITING)
    session.execute(sa.delete(Delivery).where(Delivery.id.in_(too_many)))
