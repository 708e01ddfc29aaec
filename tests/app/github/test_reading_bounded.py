"""Answers of GitHub that have no end: given up with a sentence and tried again, and nobody's memory is filled."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import repeat

import pytest

from app.clock import FixedClock
from app.db import Database
from app.github import bounding
from app.jobs import JobState
from app.settings import Settings
from tests.app.github.test_reading_as_whom import pem
from tests.app.github.world import World, busy, world
from tests.doubles.github import Fault, GitHub

Patch = pytest.MonkeyPatch
PACKED = (("Content-Encoding", "gzip"),)
SAID = "127.0.0.1 answered with more than 1 MiB, which is not read; trying again"


@pytest.fixture(autouse=True)
def a_small_measure(monkeypatch: Patch) -> None:
    monkeypatch.setattr(bounding, "MOST_BYTES", 1 << 20)


@pytest.mark.parametrize(("only", "fault"), [
    ("/repos/", Fault(200, repeat(b" " * 65536))),
    ("/repos/", Fault(200, gzip.compress(b" " * (8 << 20)), PACKED)),
    ("/pulls", Fault(404, b"x" * (2 << 20))),
    ("/pulls/comments", Fault(200, repeat(b" " * 65536))),
    ("graphql", Fault(200, repeat(b" " * 65536))),
    ("/releases", Fault(502, repeat(b"x" * 65536))),
])  # fmt: skip
def test_an_answer_without_end_is_given_up_packed_or_not(small: World, github: GitHub, fault: Fault, only: str) -> None:
    # A page of GraphQL is asked for in smaller ones first.
    github.fails(*[replace(fault, only=only)] * 9)
    job = small.read(patience=1)
    assert (job.state, job.note) == (JobState.WAITING, SAID)
    github.faults.clear()
    small.wake(job.public_id)
    assert small.go_on(job.public_id).state is JobState.SUCCEEDED
    assert len(small.rows()["changes"]) == 6


def test_an_answer_that_drips_is_given_up(small: World, github: GitHub, monkeypatch: Patch) -> None:
    monkeypatch.setattr(bounding, "LONGEST_S", 0.05)

    def drips() -> Iterator[bytes]:
        while True:
            yield b" "
            time.sleep(0.02)

    github.fails(Fault(200, drips()))
    assert small.read(patience=1).note == "127.0.0.1 took longer than 0 s to answer; trying again"


def test_the_token_of_an_app_has_an_end_too(
    github: GitHub, db: Database, clock: FixedClock, settings: Settings
) -> None:
    busy(github, clock)
    github.installations[7] = "acme"
    made = world(github, db, clock, settings, app_id="1", app_key=pem())
    github.fails(Fault(200, repeat(b" " * 65536), only="/access_tokens"))
    job = made.read(patience=1)
    assert (job.state, job.note) == (JobState.WAITING, SAID)
    made.wake(job.public_id)
    assert made.go_on(job.public_id).state is JobState.SUCCEEDED
