"""What is found by which words, on the page and in code; and words themselves."""

from __future__ import annotations

import re

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from app.contributions.models import Change, Issue
from app.modules.models import Module
from app.people.models import Identity, IdentityPerson, Person
from app.people.rules import PROOF
from app.search import queries
from app.search.models import Kind
from app.search.rules import folded, grams, slips, words_of
from tests.app.api.conftest import Portal


def names(portal: Portal, text: str, kind: Kind) -> list[str]:
    with portal.db.read() as session:
        return [hit.name for hit in queries.find(session, text, kinds=(kind,)).hits.get(kind, [])]


@pytest.fixture
def somebody(portal: Portal) -> Person:
    """Whoever has two long words for a name."""
    with portal.db.read() as session:
        crowd = session.scalars(sa.select(Person).where(Person.hidden_at.is_(None), ~Person.name.contains("bot"))
                                .order_by(Person.id))  # fmt: skip
        return next(one for one in crowd if len(one.name.split()) == 2 and min(map(len, one.name.split())) > 5)


def test_people_are_found_by_part_in_any_order_and_with_a_slip(portal: Portal, somebody: Person) -> None:
    first, last = folded(somebody.name).split()
    swapped = last[:2] + last[3] + last[2] + last[4:]
    for text in (somebody.name, f"{last} {first}", f"{first} {last[:3]}", f"{first[:4]} {last}", somebody.name.upper(),
                 f"{first} {swapped}"):  # fmt: skip
        assert somebody.name in names(portal, text, Kind.PERSON), text


def test_a_slip_is_told(portal: Portal, somebody: Person) -> None:
    last = folded(somebody.name).split()[1]
    page = portal.client.get("/search", query_string={"q": last[:-1] + "q"})
    assert somebody.name in page.text
    assert f"Shown is what has {last}" in page.text


def test_logins_numbers_and_keys_are_found(portal: Portal) -> None:
    with portal.db.read() as session:
        written = session.execute(
            sa.select(Identity.login, Person.name)
            .join(IdentityPerson, IdentityPerson.identity_id == Identity.id)
            .join(Person, Person.id == IdentityPerson.person_id)
            .where(Identity.login != "", ~Identity.source.startswith(PROOF), Person.hidden_at.is_(None))
        ).first()
        change = session.scalars(sa.select(Change).where(Change.number.is_not(None)).order_by(Change.id)).first()
        module = session.scalars(sa.select(Module).order_by(Module.id)).first()
    assert written is not None
    assert change is not None
    assert module is not None
    assert written.name in names(portal, written.login, Kind.PERSON)
    assert change.title in names(portal, f"#{change.number}", Kind.CHANGE)
    assert module.name in names(portal, module.key, Kind.MODULE)


def test_whole_words_come_before_beginnings(portal: Portal) -> None:
    found = names(portal, "core", Kind.MODULE)
    assert found[0] == "Core"


HOSTILE = ["", " ", "\x00", "'; DROP TABLE person --", "%", "_", "% %", '"', "a" * 5000, "\N{GRINNING FACE}", "\ufffd",
           "* OR 1", "a b c d e f g h i"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_whatever_is_written_finds_or_does_not(text: str, portal: Portal) -> None:
    assert portal.client.get("/search", query_string={"q": text}).status_code == (400 if "\0" in text else 200)
    with portal.db.read() as session:
        queries.find(session, text)


def test_a_percent_sign_stands_for_nothing_but_itself(portal: Portal) -> None:
    assert portal.client.get("/search?q=%25").text.count("found-list") == 0


def test_hits_lead_to_pages_and_markup_is_shown_as_text(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        session.execute(sa.text("UPDATE change SET title = '<script>alert(1)</script> zebrawood' WHERE id = 1"))
    queries.work_off(own_portal.db)
    page = own_portal.client.get("/search?q=zebrawood").text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; zebrawood" in page
    links = re.findall(r'<li><a href="(/(?:people|organizations|modules|contributions|releases|reviews)/[^"]+)">',
                       page + own_portal.client.get("/search?q=a").text)  # fmt: skip
    assert links
    assert {own_portal.client.get(link).status_code for link in links} == {200}


def test_issues_lead_to_where_they_were_written_and_nowhere_else(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        first, second = session.get_one(Issue, 1), session.get_one(Issue, 2)
        first.title, first.url = "zebrawood one", "https://git.example/i/1"
        second.title, second.url = "zebrawood two", "javascript:alert(1)"
        name, number = first.public_id, first.number
    queries.work_off(own_portal.db)
    page = own_portal.client.get("/search?q=zebrawood").text
    assert '<a href="https://git.example/i/1">zebrawood one</a>' in page
    assert "<li>zebrawood two" in page
    answer = own_portal.client.get("/api/v1/search?q=zebrawood&kind=issue").json
    assert {one["name"] for one in answer["issues"]} == {"zebrawood one", "zebrawood two"}
    assert own_portal.client.get(f"/api/v1/issues/{name}").json["title"] == "zebrawood one"
    with own_portal.db.read() as session:
        hits = queries.find(session, f"zebrawood {number}", kinds=(Kind.ISSUE,)).hits[Kind.ISSUE]
    assert [hit.name for hit in hits] == ["zebrawood one"]


def test_whoever_finds_nothing_is_told_that_something_waits_to_be_indexed(own_portal: Portal) -> None:
    with own_portal.db.write() as session:
        session.execute(sa.text("UPDATE change SET title = 'quebracho' WHERE id = 1"))
    assert "look again in a minute" in own_portal.client.get("/search?q=quebracho").text
    queries.work_off(own_portal.db)
    assert "quebracho</a>" in own_portal.client.get("/search?q=quebracho").text
    assert "the beginning of a word is enough" in own_portal.client.get("/search?q=zzzz").text


def test_every_page_has_the_box(portal: Portal) -> None:
    for path in ("/", "/people/", "/search?q=core", "/no-such-page"):
        page = portal.client.get(path).text
        assert page.count('role="search"') >= 1
        assert 'action="/search"' in page
    assert 'value="core"' in portal.client.get("/search?q=core").text


def test_the_api_finds_what_the_page_finds(portal: Portal) -> None:
    answer = portal.client.get("/api/v1/search?q=core&kind=module").json
    assert [one["name"] for one in answer["modules"]] == names(portal, "core", Kind.MODULE)
    assert answer["people"] == answer["changes"] == []
    assert portal.client.get("/api/v1/search").status_code == 422
    assert portal.client.get("/api/v1/search?q=a%00b").status_code == 422


WORDS = st.text(alphabet="abc", max_size=6)


@given(one=WORDS, other=WORDS)
def test_slips_are_those_of_the_definition(one: str, other: str) -> None:
    def far(a: str, b: str) -> int:
        if not a or not b:
            return len(a) + len(b)
        found = min(far(a[:-1], b) + 1, far(a, b[:-1]) + 1, far(a[:-1], b[:-1]) + (a[-1] != b[-1]))
        if len(a) > 1 and len(b) > 1 and a[-1] == b[-2] and a[-2] == b[-1]:
            found = min(found, far(a[:-2], b[:-2]) + 1)
        return found

    assert slips(one, other, most=2) == min(far(one[-4:], other[-4:]), 3) if max(len(one), len(other)) <= 4 else True
    assert slips(one, other, most=2) == slips(other, one, most=2)
    assert (slips(one, other, most=2) == 0) == (one == other)


@given(text=st.text(max_size=80))
def test_words_of_words_are_the_same_words(text: str) -> None:
    words = words_of(text)
    assert words_of(" ".join(words)) == words
    assert all(word == folded(word) and 0 < len(word) <= 48 for word in words)
    assert all(len(gram) == 3 for word in words for gram in grams(word))
