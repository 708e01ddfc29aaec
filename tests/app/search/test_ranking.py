"""The best of each kind are those that a look at every entry finds, and many words take few statements."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.db import Database
from app.search import queries
from app.search.models import Kind, SearchEntry
from app.search.queries.showing import shown
from tests.app.contributions.sums import generated
from tests.app.statements import statements

MOST = 8


@pytest.fixture
def indexed(settings: Any, clock: Any, db_each: Database) -> Database:
    generated(settings, clock, db_each, 21)
    queries.work_off(db_each)
    return db_each


def by_looking(session: Session, entries: list[SearchEntry], words: list[str], kind: Kind) -> list[int]:
    """The entries of a kind that have all these words: where they stand so before where words begin with them."""
    mine = sorted((one for one in entries if one.kind == kind), key=lambda one: (-one.rank, -one.ref))
    begun = [one.ref for one in mine if all(f" {word}{' ' * word.isdigit()}" in one.text for word in words)]
    if kind in (Kind.CHANGE, Kind.ISSUE) and len(words) > 1:
        return begun[:MOST]
    whole = [one.ref for one in mine if all(f" {word} " in one.text for word in words)][:MOST]
    return [*whole, *(ref for ref in begun[:MOST] if ref not in whole)][:MOST]


def test_the_best_are_those_that_a_look_at_every_entry_finds(indexed: Database) -> None:
    draw, compared = random.Random(7), 0
    with indexed.read() as session:
        entries = list(session.scalars(sa.select(SearchEntry).order_by(SearchEntry.kind, SearchEntry.ref)))
        for _ in range(150):
            known = draw.choice(entries).text.split()
            words = draw.sample(known, min(len(known), draw.randint(1, 4)))
            words = list(dict.fromkeys(word[: draw.choice((4, 6, 48))] for word in words))
            found = queries.find(session, " ".join(words), most=MOST, veil=str)
            for kind in Kind:
                expected = [hit.key for hit in shown(session, kind, by_looking(session, entries, words, kind))]
                assert [hit.key for hit in found.hits.get(kind, [])] == expected, (words, kind)
                compared += len(expected)
    assert compared > 500


def test_a_question_of_six_words_takes_few_statements(indexed: Database) -> None:
    with indexed.read() as session:
        text = session.scalars(sa.select(SearchEntry.text).where(SearchEntry.kind == Kind.CHANGE)
                               .order_by(sa.func.length(SearchEntry.text).desc()).limit(1)).one()  # fmt: skip
        with statements(indexed) as asked:
            found = queries.find(session, " ".join(text.split()[:6]))
    assert found.hits[Kind.CHANGE]
    assert len(asked) <= 12
