"""Answers leave compressed; what strangers see is kept until something is decided or observed."""

from __future__ import annotations

import gzip
import os

import pytest
from flask import Blueprint, render_template_string, session
from markupsafe import Markup

from app import answers, audit, create_app
from app.audit import Actor
from app.auth import HeldSeat, access, current_user
from app.contributions.stamps import stamp

HUGE = "<p>a line that comes again and again</p>\n" * 100
PAGE = """{% extends "base.html" %}{% block title %}A &amp; B{% endblock %}
{% block main %}<p>{{ number }}</p>MORE{% endblock %}"""
GZIP = {"Accept-Encoding": "gzip, br"}


@pytest.fixture
def counter(app, monkeypatch):
    """A room with a page that counts how often it is made."""
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    room, made = Blueprint("room", __name__, url_prefix="/room"), []
    answers.keep_pages(room, "figures")

    @room.get("/kept")
    @access("public")
    def kept() -> str:
        answers.may_keep()
        made.append("kept")
        return f"<p>{len(made)}</p>" + HUGE

    @room.get("/shared")
    @access("public")
    def shared() -> str:
        return page("shared")

    @answers.own("room.own")
    def of_reader() -> str:
        return str(Markup("<i>seen by {}</i>").format(current_user().name or "nobody"))

    @room.get("/with-own")
    @access("public")
    def with_own() -> str:
        return page("with-own", "{{ own('room.own') }}{{ '<!--own room.own-->' }}")

    @answers.own("room.enter", only_with="members.edit")
    def way_in() -> str:
        made.append("way in")
        return str(Markup("<a>Enter</a>"))

    @room.get("/with-a-way-in")
    @access("public")
    def with_a_way_in() -> str:
        return page("with-a-way-in", "{{ own('room.enter') }}")

    @room.get("/shared-form")
    @access("public")
    def shared_form() -> str:
        return page("shared-form", "{{ ui.csrf() }}")

    def page(name: str, more: str = "") -> str:
        answers.may_share()
        made.append(name)
        return render_template_string(PAGE.replace("MORE", more), number=len(made))

    @room.get("/own")
    @access("public")
    def own() -> str:
        made.append("own")
        return f"<p>{len(made)}</p>"

    @room.get("/for-each")
    @access("public")
    def for_each() -> str:
        answers.may_keep(for_each=True)
        made.append("for each")
        return render_template_string(PAGE.replace("MORE", "<b>{{ name }}</b>"), number=len(made),
                                      name=current_user().name or "nobody")  # fmt: skip

    @room.get("/begins-a-session")
    @access("public")
    def begins() -> str:
        answers.may_keep()
        session["csrf_token"] = "secret of one reader"
        made.append("begins")
        return HUGE

    app.register_blueprint(room)
    return made


def observe(app) -> None:
    with app.extensions["flambeau"].db.write() as writing:
        stamp(writing, by_people=False)


def decide(app) -> None:
    with app.extensions["flambeau"].db.write() as writing:
        audit.record(writing, actor=Actor.system("test"), action="test.decide", thing="x", reason="because")


def test_texts_leave_compressed_for_whoever_can_read_that(client):
    plain, packed = client.get("/style.css"), client.get("/style.css", headers=GZIP)
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert len(packed.data) < len(plain.data) / 3
    assert "Accept-Encoding" in plain.headers["Vary"]
    again = client.get("/style.css", headers={**GZIP, "If-None-Match": packed.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    refused = client.get("/style.css", headers={"Accept-Encoding": "gzip;q=0"})
    assert "Content-Encoding" not in refused.headers


def test_what_is_small_leaves_as_it_is(client):
    assert "Content-Encoding" not in client.get("/healthz", headers=GZIP).headers


def test_the_length_of_a_signed_in_readers_page_tells_nothing(administrator):
    pages = [administrator.get("/account", headers=GZIP) for _ in range(12)]
    assert len({len(page.data) for page in pages}) > 3
    assert len({len(gzip.decompress(page.data)) for page in pages}) == 1


def test_a_kept_page_is_made_once_until_something_is_decided_or_observed(app, client, counter):
    made = counter
    first = client.get("/room/kept", headers=GZIP)
    assert [gzip.decompress(client.get("/room/kept", headers=GZIP).data) for _ in range(3)] == [
        gzip.decompress(first.data)] * 3  # fmt: skip
    assert client.get("/room/kept").data == gzip.decompress(first.data)
    assert client.get("/room/kept").headers["Content-Security-Policy"]
    assert made == ["kept"]
    decide(app)
    client.get("/room/kept")
    observe(app)
    client.get("/room/kept")
    client.get("/room/kept?window=3y")
    assert made == ["kept"] * 4


def test_a_kept_page_ends_after_a_while(client, counter, monkeypatch):
    made = counter
    monkeypatch.setattr(answers, "KEPT_S", -1.0)
    client.get("/room/kept")
    client.get("/room/kept")
    assert made == ["kept"] * 2


def test_nobody_gets_a_page_made_for_somebody_signed_in_nor_the_other_way(administrator, counter, app):
    made = counter
    administrator.get("/room/kept")
    administrator.get("/room/kept")
    app.test_client().get("/room/kept")
    app.test_client().get("/room/kept")
    administrator.get("/room/kept")
    assert made == ["kept"] * 4


def test_what_is_the_same_for_everybody_is_made_once_and_framed_for_each(app, administrator, counter):
    made, stranger = counter, app.test_client()
    asking = (stranger, administrator, stranger, administrator, app.test_client())
    pages = [one.get("/room/shared").text for one in asking]
    assert made == ["shared"]
    assert all("<p>1</p>" in page for page in pages)
    assert ["Ada Administrator" in page for page in pages] == [False, True, False, True, False]
    assert len({page for page in pages if "Ada Administrator" not in page}) == 1
    decide(app)
    assert "<p>2</p>" in administrator.get("/room/shared").text
    assert "<p>2</p>" in stranger.get("/room/shared").text
    assert all("<title>A &amp; B · Flambeau</title>" in page for page in pages)


def test_what_was_made_first_for_somebody_signed_in_shows_nothing_of_them_to_others(app, administrator, counter):
    made = counter
    assert "Ada Administrator" in administrator.get("/room/shared").text
    assert "Ada Administrator" not in app.test_client().get("/room/shared").text
    assert made == ["shared"]


def test_a_part_of_ones_own_is_made_for_each_reader_in_a_page_that_is_shared(app, administrator, counter):
    made, stranger = counter, app.test_client()
    texts = [one.get("/room/with-own").text for one in (administrator, stranger, stranger, administrator)]
    assert made == ["with-own"]
    assert ["<i>seen by Ada Administrator</i>" in text for text in texts] == [True, False, False, True]
    assert ["<i>seen by nobody</i>" in text for text in texts] == [False, True, True, False]
    assert not any("<!--own" in text for text in texts)
    assert "&lt;!--own room.own--&gt;" in texts[1]  # in a text of somebody's it is a text


def test_a_page_whose_own_parts_are_not_for_strangers_is_kept_whole_for_them(app, administrator, counter, monkeypatch):
    made, stranger = counter, app.test_client()
    first, of_staff = stranger.get("/room/with-a-way-in"), administrator.get("/room/with-a-way-in")
    assert ["<a>Enter</a>" in one.text for one in (first, of_staff)] == [False, True]
    assert made == ["with-a-way-in", "way in"]
    monkeypatch.delattr(answers, "render_template")  # nothing is put together for the next one
    assert stranger.get("/room/with-a-way-in").data == first.data


def test_what_differs_by_reader_is_kept_for_each_reader_alone_until_something_is_decided(
    app, administrator, signed_in, counter
):
    made, stranger = counter, app.test_client()
    rosa = signed_in(app.test_client(), "p_rosa", name="Rosa Reader")
    for _ in range(3):
        texts = [one.get("/room/for-each").text for one in (administrator, rosa, stranger)]
        assert [name in text for text, name in zip(texts, ("<b>Ada Administrator</b>", "<b>Rosa Reader</b>",
                                                           "<b>nobody</b>"), strict=True)] == [True] * 3  # fmt: skip
    assert made == ["for each"] * 3
    decide(app)
    assert "<p>4</p>" in administrator.get("/room/for-each").text
    assert "<p>4</p>" in administrator.get("/room/for-each").text


def test_a_reader_who_takes_a_seat_gets_no_page_from_before(app, signed_in, counter):
    made = counter
    rosa = signed_in(app.test_client(), "p_rosa", name="Rosa Reader")
    rosa.get("/room/for-each")
    signed_in(rosa, "p_rosa", HeldSeat(body="tsc", seat="chair", kind="member")).get("/room/for-each")
    rosa.get("/room/for-each")
    assert made == ["for each"] * 2


def test_a_shared_page_with_a_form_is_never_kept(app, administrator, counter):
    made = counter
    for client in (administrator, administrator, app.test_client(), app.test_client()):
        assert "csrf_token" in client.get("/room/shared-form").text
    assert made == ["shared-form"] * 4


def test_a_page_that_begins_a_session_or_does_not_ask_for_it_is_never_kept(app, counter):
    made = counter
    for address in ("/room/own", "/room/begins-a-session"):
        app.test_client().get(address)
        app.test_client().get(address)
    assert made == ["own", "own", "begins", "begins"]


def test_many_pages_do_not_fill_the_disk(app, client, counter):
    made = counter
    shelf = app.extensions["flambeau_pages"]
    shelf.most = 3
    for number in range(6):
        client.get(f"/room/kept?at={number}")
        for file in shelf.folder.iterdir():  # of which each is a second older than the next
            os.utime(file, (file.stat().st_mtime - 1,) * 2)
        shelf._tidied = 0.0
    shelf.tidy()
    assert len(list(shelf.folder.iterdir())) == 3
    client.get("/room/kept?at=5")
    assert len(made) == 6
    client.get("/room/kept?at=0")
    assert len(made) == 7


def test_kept_pages_are_nobody_elses_to_read(app, client, counter):
    client.get("/room/kept")
    folder = app.extensions["flambeau_pages"].folder
    assert folder.stat().st_mode & 0o777 == 0o700
    assert [file.stat().st_mode & 0o777 for file in folder.iterdir()] == [0o600]


def test_every_process_of_a_home_gives_what_one_of_them_made(app, client, counter, settings, clock):
    made = counter
    other = create_app(settings, clock=clock)
    other.register_blueprint(app.blueprints["room"])
    assert client.get("/room/kept").data == other.test_client().get("/room/kept").data
    assert made == ["kept"]
    observe(app)
    other.test_client().get("/room/kept")
    client.get("/room/kept")
    assert made == ["kept"] * 2
    decide(other)
    client.get("/room/kept")
    other.test_client().get("/room/kept")
    assert made == ["kept"] * 3
    other.extensions["flambeau_pages"].made_by += 1  # it runs what was installed meanwhile
    other.test_client().get("/room/kept")
    assert made == ["kept"] * 4
    other.extensions["flambeau"].db.close()


def test_a_page_of_another_hour_is_made_anew(client, counter, clock):
    made = counter
    client.get("/room/kept")
    clock.advance(hours=1)
    client.get("/room/kept")
    assert made == ["kept"] * 2
