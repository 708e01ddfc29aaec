"""A drawn figure is kept until somebody decides or something is counted, and says when it was taken."""

from __future__ import annotations

from datetime import date

import pytest
from markupsafe import Markup

from app import answers, audit
from app.audit import Actor
from app.contributions.figures.figure import Drawn, Registered
from app.contributions.figures.look import Look
from app.contributions.metrics import METRICS
from app.contributions.queries import Scope
from app.contributions.stamps import stamp
from app.contributions.windows import Window


@pytest.fixture
def figure(monkeypatch) -> tuple[Registered, list[Look]]:
    """A figure that notes each drawing of it."""
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    made: list[Look] = []

    def draw(look: Look) -> Drawn:
        made.append(look)
        return Drawn(("n",), [(len(made),)], Markup(""), Markup(""))

    return Registered(f"test-{id(made)}", "Test", METRICS["commits"], (), {}, draw), made


def ask(db, figure: Registered, scope: Scope = Scope(), **options: str) -> int:  # noqa: B008 - frozen
    window = Window(date(2025, 1, 1), date(2025, 12, 31))
    with db.read() as session:
        return figure.of(Look(session, scope, window, db.clock.now(), {}, options)).rows[0][0]


def test_it_is_drawn_once_for_the_same_question(db, figure):
    one, made = figure
    assert [ask(db, one), ask(db, one), ask(db, one, Scope(organization=1)), ask(db, one, by="group")] == [1, 1, 2, 3]
    assert len(made) == 3


def test_it_is_drawn_anew_once_somebody_decided_or_something_was_counted(db, figure):
    one, _ = figure
    assert ask(db, one) == 1
    with db.write() as session:
        audit.record(session, actor=Actor.system("test"), action="test.rename", thing="o_x", reason="another name")
    assert ask(db, one) == ask(db, one) == 2
    with db.write() as session:
        stamp(session, by_people=False)
    assert ask(db, one) == 3


def test_it_is_drawn_anew_after_a_while_and_in_a_session_that_writes(db, figure, monkeypatch):
    one, _ = figure
    assert ask(db, one) == 1
    db.clock.advance(hours=1)
    assert ask(db, one) == 2
    with db.write() as session:
        window = Window(date(2025, 1, 1), date(2025, 12, 31))
        assert one.of(Look(session, Scope(), window, db.clock.now(), {})).rows == ((3,),)
    monkeypatch.setattr(answers, "KEPT_S", -1.0)
    assert ask(db, one, by="group") == 4
    assert ask(db, one, by="group") == 5
