"""Pull requests from forks over which git or the disk stumbles: tried again in pauses, and marked after the last."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from app.contributions.clones import Clone, GitError
from app.reviews.forks import FIRST_PAUSE, MOST_TRIES, UNREADABLE
from app.reviews.models import ForkRetry
from app.reviews.reading import read_change
from tests.app.reviews.test_forks import forked, requested
from tests.app.reviews.test_reviews_pages import page

pytestmark = pytest.mark.slow


def stumbles(monkeypatch: pytest.MonkeyPatch, head: str, *errors: Exception) -> list[str]:
    """The next readings of a head end with these errors; the heads that were read."""
    left, asked = [*errors], []

    def read(*arguments: Any, **more: Any) -> Any:
        asked.append(more["head"])
        if more["head"] == head and left:
            raise left.pop(0)
        return read_change(*arguments, **more)

    monkeypatch.setattr("app.reviews.forks.read_change", read)
    return asked


def fails(*_arguments: Any) -> None:
    raise GitError("git diff reached its time-out of 120 s")


@pytest.mark.parametrize("error", [GitError("git rev-list reached its time-out of 3600 s"), OSError(28, "No space")])
def test_what_may_pass_is_tried_again_after_a_pause_and_holds_nobody_up(foundation, client, monkeypatch, error):
    heads = {number: forked(foundation, number, {f"docs/{number}.md": f"{number} more\n"}) for number in (7, 8)}
    for number, head in heads.items():
        requested(foundation, number, head)
    asked = stumbles(monkeypatch, heads[7], error, error)
    foundation.read()
    foundation.read()
    assert sorted(asked) == sorted(heads.values()), "not before the pause is over"
    again = foundation.db.clock.now() + FIRST_PAUSE
    change = foundation.change("7")
    assert (change.asked_sha, change.too_long) == ("", "")
    with monkeypatch.context() as broken:
        broken.setattr(Clone, "diff", fails)
        assert f"it is tried again at {again:%H:%M} UTC" in page(client, f"/reviews/{change.public_id}")

    for pause in (FIRST_PAUSE, FIRST_PAUSE * 2):
        foundation.db.clock.advance(seconds=pause.total_seconds())
        foundation.read()
    assert asked.count(heads[7]) == 3
    assert "7 more" in page(client, f"/reviews/{change.public_id}")
    with foundation.db.read() as session:
        assert session.scalars(sa.select(ForkRetry)).all() == []


def test_what_does_not_pass_is_marked_after_the_last_try_and_a_push_begins_anew(foundation, monkeypatch):
    head = forked(foundation, 7, {"docs/7.md": "more\n"})
    requested(foundation, 7, head)
    asked = stumbles(monkeypatch, head, *[GitError("git log ended with status 128: no message")] * 99)
    for number in range(MOST_TRIES + 3):
        foundation.read()
        foundation.db.clock.advance(seconds=(FIRST_PAUSE * 2**number).total_seconds())
    assert asked == [head] * MOST_TRIES
    change = foundation.change("7")
    assert (change.asked_sha, change.too_long) == (head, UNREADABLE)

    after = forked(foundation, 7, {"docs/7.md": "other\n"})
    requested(foundation, 7, after, updated_at=foundation.db.clock.now())
    foundation.read()
    change = foundation.change("7")
    assert (change.asked_sha, change.too_long, change.additions) == (after, "", 1)
