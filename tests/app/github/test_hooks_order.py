"""Webhooks whatever they hold, in whatever order they come: the same rows, or a sentence."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from app.contributions.models import (
    Change,
    ChangeEvent,
    ChangeMeasure,
    GoneFact,
    Issue,
    IssueEvent,
    IssueMeasure,
    RepositoryRelease,
)
from app.github.hooks import HEARD
from app.github.models import Delivery, DeliveryState, NumberDue
from app.jobs import Job
from app.people.models import Identity
from tests.app.github.conftest import EXAMPLES, Hooked, example

HANDLED = [(event, body) for event, body in EXAMPLES if event in HEARD]
ODD = st.sampled_from([None, True, -1, 0.5, "", "x" * 5000, "\x00\ud800", "2026-01-05T09:00:00Z",
                       "9999-12-31T00:00:00Z", [], [None], {}, {"login": None}, {"from": 1}, 1 << 70])  # fmt: skip


@pytest.mark.slow
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(HANDLED), st.data())
def test_whatever_is_signed_is_written_waits_or_fails_with_a_sentence(hook: Hooked, sent: Any, data: Any) -> None:
    event, body = copy.deepcopy(sent)
    place = body
    while True:
        name = data.draw(st.sampled_from(sorted(place)))
        if isinstance(place[name], dict) and place[name] and data.draw(st.booleans()):
            place = place[name]
            continue
        place[name] = data.draw(ODD)
        break
    assert hook.send(event, body).status_code in (200, 202, 422)
    hook.handle()
    with hook.db.read() as session:
        left = session.execute(sa.select(Delivery.note, Delivery.body).where(Delivery.state == DeliveryState.FAILED))
        assert all(note.startswith("GitHub's ") and packed is None for note, packed in left)


def story() -> list[tuple[str, dict[str, Any]]]:
    """What happened to a pull request, an issue and a release, each call with its own time."""

    def hour(number: int) -> str:
        return f"2019-05-15T{number:02}:00:00Z"

    pull, review, issue, said = "pull_request", "pull_request_review", "issues", "issue_comment"
    told: list[tuple[str, dict[str, Any]]] = [
        (pull, example(pull, "opened", pull_request__updated_at=hour(16))),
        (pull, example(pull, "synchronize", pull_request__updated_at=hour(17), pull_request__head__sha="c" * 40)),
        (review, example(review, "submitted", review__state="changes_requested")),
        (pull, example(pull, "labeled", pull_request__updated_at=hour(18))),
        (pull, example(pull, "unlabeled", pull_request__updated_at=hour(18),
                       pull_request__labels=[{"name": "other"}])),
        ("pull_request_review_comment", example("pull_request_review_comment", "created")),
        ("pull_request_review_comment", example("pull_request_review_comment", "deleted")),
        (pull, example(pull, "closed", pull_request__updated_at=hour(20), pull_request__merged_at=hour(20),
                       pull_request__closed_at=hour(20))),
        (issue, example(issue, "opened")),
        (said, example(said, "created")),
        (said, example(said, "created", comment__id=77, issue__updated_at=hour(19), issue__title="Clearer")),
        (said, example(said, "deleted")),
        (issue, example(issue, "edited", issue__updated_at=hour(21), issue__title="Clearest")),
        ("release", example("release", "published")),
        ("release", example("release", "edited", release__name="Better")),
    ]  # fmt: skip
    for event, body in told:
        if event in (pull, review, "pull_request_review_comment"):
            body["pull_request"]["number"] = body["number"] = 2
            if event != pull:
                del body["number"]
        elif event in (issue, said):
            body["issue"]["number"], body["issue"]["id"] = 1, 444500041
    return told


def facts(session: Session) -> list[Any]:
    """Every row that hooks write, but for row numbers and the list of what is to be read."""
    people = {row.id: row.login for row in session.scalars(sa.select(Identity))}
    found: list[Any] = []
    for table in (Change, ChangeEvent, ChangeMeasure, Issue, IssueEvent, IssueMeasure, RepositoryRelease, GoneFact):
        hidden = {"id", "public_id", "change_id", "issue_id", "person_id"}
        for row in session.execute(sa.select(table.__table__)).mappings():
            values = {name: str(people.get(value, value) if name.endswith("identity_id") else value)
                      for name, value in row.items() if name not in hidden}  # fmt: skip
            found.append((table.__tablename__, sorted(values.items())))
    return sorted(found)


_IN_ORDER: list[Any] = []


@pytest.mark.slow
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(seed=st.integers(0, 10_000), twice=st.sets(st.integers(0, 14), max_size=4), together=st.booleans())
def test_the_order_in_which_calls_come_does_not_matter(
    hook: Hooked, seed: int, twice: set[int], together: bool
) -> None:
    told = story()
    if not _IN_ORDER:
        _IN_ORDER.append(_heard_by(hook, told, together=True))
    shuffled = [*told, *(told[number] for number in twice)]
    random.Random(seed).shuffle(shuffled)
    assert _heard_by(hook, shuffled, together=together) == _IN_ORDER[0]


def _heard_by(hook: Hooked, told: list[tuple[str, dict[str, Any]]], *, together: bool) -> list[Any]:
    with hook.db.write() as session:
        for table in (Delivery, NumberDue, GoneFact, Change, Issue, RepositoryRelease, Job):
            session.execute(sa.delete(table))
    for event, body in told:
        hook.send(event, body)
        if not together:
            hook.handle()
    hook.handle()
    with hook.db.read() as session:
        return facts(session)
