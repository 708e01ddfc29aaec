"""Names and messages of an enemy are text on every page: no script, no statement, nothing that turns the rest."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from app.audit import Actor
from app.contributions.models import Commit, Repository
from app.contributions.registry import ensure_repository
from app.jobs import Worker
from tests.app.contributions.conftest import Repository as Source
from tests.app.contributions.odd import HOSTILE, make_odd
from tests.portal import Browser

ENEMY = (HOSTILE.replace("<", "("), "h@h")
STEERING = [*map(chr, (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A)))]


@pytest.fixture
def attacked(app, governed, db, repository: Source):
    """A portal that has read the enemy's history, of which the last commits are the enemy's own."""
    make_odd(repository)
    repository.git("reset", "-q", "--hard")
    for number in range(20):
        repository.commit(f"{HOSTILE}{number}\n\nReviewed-by: {HOSTILE} <r@r>\nCo-authored-by: \u202eC <c@c.example>",
                          {f"\u202e{number}<b>": "1\n"}, author=ENEMY)  # fmt: skip
    with db.write() as session:
        ensure_repository(session, str(repository.path), name="one", actor=Actor.system("test"), reason="a test")
    Worker(app).run_until_idle()
    with db.read() as session:
        return session.scalars(sa.select(Repository)).one()


@pytest.mark.browser
@pytest.mark.slow
def test_hostile_words_are_only_text(attacked: Repository, db, client, browser: Browser):
    with db.read() as session:
        assert session.scalar(sa.select(sa.func.count()).select_from(Commit)) > 50
    pages = ["/contributions/?window=all", f"/contributions/repositories/{attacked.public_id}", "/people/", "/",
             "/contributions/repositories/", "/jobs/"]  # fmt: skip
    person = next(line for line in client.get("/people/").text.split('"') if line.startswith("/people/p_"))
    pages += [person, person.replace("/people/", "/contributions/people/") + "?window=all"]
    for path in pages:
        text = client.get(path).text
        assert [one for one in STEERING if one in text] == [], path
        assert "<script>alert" not in text, path
        chrome = browser.open(path)
        assert chrome.execute_script("return document.querySelectorAll('script:not([src])').length") == 0, path
        assert browser.complaints() == [], path
    body = browser.open("/contributions/?window=all").find_element("tag name", "body").text
    assert "<script>alert(1)</script> '; DROP" in body  # to be read, and no more
