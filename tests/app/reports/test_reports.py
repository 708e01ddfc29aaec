"""Yearly reports: what stands in them, who has a PDF made, and that pressing one reaches nothing and has limits."""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from datetime import UTC, date, datetime
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from app.audit import Actor, AuditEntry
from app.db import Database
from app.jobs import Worker, enqueue
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Person
from app.reports import press
from app.reports.contents import organization_report
from app.reports.printing import ABSENT, PressError, can_print, inked, page_of, pressed
from app.reports.queries import printed, sweep
from app.reports.rules import days_of
from app.settings import Settings
from tests.app.contributions.test_facts import ADA, company, employ, person_of
from tests.app.contributions.test_timeline_queries import told

PRESSES = pytest.mark.skipif(
    not can_print() or find_library("pangoft2-1.0") is None,
    reason="WeasyPrint or Pango is not installed: make test, apt-get install"
    " libpango-1.0-0 libpangoft2-1.0-0 libharfbuzz-subset0",
)
LAST_YEAR = "/reports/2025"


@pytest.fixture
def acme(governed: Database) -> str:
    """A foundation with a member, Acme, and a few changes. Gives Acme's public id."""
    with governed.write() as session:
        told(session)
        return session.scalars(sa.select(Organization.public_id).where(Organization.name == "Acme")).one()


def pdf_of(app: Flask, client: FlaskClient, db: Database, address: str, payload: dict[str, object]) -> bytes:
    with db.write() as session:
        enqueue(session, "report", payload, actor=Actor.system("test"))
    Worker(app).run_until_idle()
    answer = client.get(f"{address}.pdf")
    assert answer.status_code == 200
    made = answer.data
    answer.close()
    return made


def test_a_report_says_what_its_figures_mean_and_what_is_not_known(client: FlaskClient, acme: str):
    page = client.get(f"/reports/2026/members/{acme}").text
    assert "<h1>Acme in 2026</h1>" in page
    assert "The year has not ended: these are the days that have passed." in page
    assert "1 Jan 2026 to 15 Jan 2026. Data as of 15 Jan 2026, 12:00 UTC." in page
    assert "Time to First Response <small>version 1</small>" in page
    assert "Nothing in these days: Share of all commits" not in page  # zero of nothing is drawn
    board = client.get(f"{LAST_YEAR}/board").text
    assert "Members by tier" in board
    assert "Nothing in these days:" in board


@pytest.mark.parametrize("address", [
    "/reports/2027/board", "/reports/1066/board", "/reports/2025/members/o_none", "/reports/2025/board.pdf",
    "/reports/2025/members/o_none.pdf", "/reports/x/board",
])  # fmt: skip
def test_a_report_that_is_not_there_says_so(client: FlaskClient, governed: Database, address: str):
    assert client.get(address).status_code == 404


def test_a_visitor_reads_a_report_and_has_no_pdf_made(client: FlaskClient, acme: str):
    page = client.get(f"{LAST_YEAR}/members/{acme}")
    assert page.status_code == 200
    assert "Make a PDF" not in page.text
    assert client.post(f"{LAST_YEAR}/members/{acme}/pdf").status_code in (302, 401, 403)


def test_without_weasyprint_a_pdf_is_refused_with_the_way_to_have_it(
    administrator: FlaskClient, acme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    find = importlib.util.find_spec

    def lacking(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == "weasyprint" else find(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", lacking)
    lacks_it = tmp_path / "press.py"
    lacks_it.write_text(
        f"import runpy, sys\nsys.modules['weasyprint'] = None\nrunpy.run_path({press.__file__!r}, run_name='__main__')"
    )
    monkeypatch.setattr(press, "__file__", str(lacks_it))
    answer = administrator.post(f"{LAST_YEAR}/board/pdf")
    assert answer.status_code == 503
    assert "pip install --group reports" in answer.text
    assert "pip install --group reports" in administrator.get(f"{LAST_YEAR}/board").text
    with pytest.raises(PressError, match="cannot be used here"):
        pressed("<h1>x</h1>")


@PRESSES
def test_a_pdf_is_asked_for_once_made_by_a_worker_and_taken_by_anybody(
    app: Flask, administrator: FlaskClient, client: FlaskClient, acme: str, governed: Database
):
    for _ in range(2):
        assert administrator.post(f"{LAST_YEAR}/members/{acme}/pdf").status_code == 302
    with governed.read() as session:
        assert len(session.scalars(sa.select(AuditEntry).where(AuditEntry.action == "reports.print")).all()) == 1
    assert "being made" in administrator.get(f"{LAST_YEAR}/members/{acme}").text
    Worker(app).run_until_idle()
    made = client.get(f"{LAST_YEAR}/members/{acme}.pdf", buffered=True)
    assert made.cache_control.no_cache, "made anew, or gone with a name, it is so at once"
    assert not made.cache_control.max_age
    assert made.data.startswith(b"%PDF")
    assert "attachment" in made.headers["Content-Disposition"]
    made.close()
    assert "PDF of " in client.get(f"{LAST_YEAR}/members/{acme}").text


@PRESSES
def test_a_pdf_from_before_somebody_asked_to_be_hidden_is_given_to_nobody(
    app: Flask, client: FlaskClient, acme: str, governed: Database, settings: Settings
):
    pdf_of(app, client, governed, f"{LAST_YEAR}/board", {"year": 2025, "organization": None})
    with governed.write() as session:
        person = person_of(session, ADA)
        people.hide(session, person, hidden=True, actor=Actor.system("test"), reason="asked to")
        person.hidden_at = datetime(2100, 1, 1, tzinfo=UTC)  # jobs keep the database's time, the test's clock stands
    assert client.get(f"{LAST_YEAR}/board.pdf").status_code == 404
    with governed.read() as session:
        assert printed(session, settings, 2025, None).file is None
        assert sweep(session, settings, now=datetime.now(UTC)) == 1
    assert list((settings.home / "reports").iterdir()) == []


def test_no_transaction_is_open_while_a_report_is_pressed(
    app: Flask, acme: str, governed: Database, monkeypatch: pytest.MonkeyPatch
):
    open_ones: list[int] = []

    @contextmanager
    def reading() -> Iterator[Session]:
        with read() as session:
            open_ones.append(1)
            yield session
            open_ones.pop()

    def pressing(html: str) -> bytes:
        pressed_with.append((len(open_ones), html))
        return b"%PDF-1.7"

    pressed_with: list[tuple[int, str]] = []
    db = app.extensions["flambeau"].db
    read = db.read
    monkeypatch.setattr(db, "read", reading)
    monkeypatch.setattr("app.reports.jobs.pressed", pressing)
    monkeypatch.setattr("app.reports.jobs.can_print", lambda: True)
    with governed.write() as session:
        enqueue(session, "report", {"year": 2025, "organization": acme}, actor=Actor.system("test"))
    Worker(app).run_until_idle()
    ((transactions, html),) = pressed_with
    assert transactions == 0
    assert "<h1>Acme in 2025</h1>" in html


def test_no_name_ends_the_sheet_of_a_report(app: Flask, acme: str, governed: Database):
    name = """A "b" \\</style><img src='file:///x'>"""
    with governed.write() as session:
        session.execute(sa.update(Organization).where(Organization.public_id == acme).values(name=name))
    with app.test_request_context(), governed.read() as session:
        organization = session.scalars(sa.select(Organization).where(Organization.public_id == acme)).one()
        window = days_of(2025, date(2026, 1, 15))
        assert window is not None
        html = page_of(organization_report(session, organization, 2025, window, now=governed.clock.now()))
    assert "<img" not in html
    assert r"A \22 b\22  \5c \3c /style\3e \3c img src=\27 file:///x\27 \3e  in 2025" in html


@PRESSES
def test_pressing_reaches_nothing_outside(tmp_path: Path):
    secret = tmp_path / "secret.css"
    secret.write_text("h1 { font-size: 99pt }")
    plain = pressed("<h1>x</h1>")
    asking = pressed(f'<link rel="stylesheet" href="file://{secret}"><img src="http://127.0.0.1:9/x.png"><h1>x</h1>')
    assert asking.startswith(b"%PDF")
    assert abs(len(asking) - len(plain)) < 200


@PRESSES
@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://127.0.0.1:9/", "https://[::1]/", "ftp://h/", "data:,x"])
def test_whatever_a_report_asks_for_is_refused(url: str):
    with pytest.raises(ValueError, match="disallowed protocol"):
        press.fetcher().fetch(url)


@PRESSES
@pytest.mark.parametrize("limits", [{"seconds": 1, "memory_bytes": 1 << 30}, {"seconds": 60, "memory_bytes": 60 << 20}])
def test_a_page_that_takes_too_much_is_given_up_with_a_sentence(limits: dict[str, int]):
    with pytest.raises(PressError, match=r"could not be pressed|was not pressed within"):
        pressed("<p>" + "<table><tr><td>word</td></tr></table>" * 20_000, **limits)


def test_a_drawing_carries_its_colours_and_a_name_in_it_stays_escaped(app: Flask):
    from app.charts import Bar, bars

    with app.test_request_context():
        drawn = inked(bars("Organizations", [Bar("<script>alert(1)</script>", 3)]))
    assert ".area.series-1{fill:#b8420f}" in drawn
    assert "<script>" not in drawn
    assert len(re.findall("<style>", drawn)) == 1


def test_names_in_a_report_that_ask_to_be_hidden_are_not_there(client: FlaskClient, acme: str, governed: Database):
    with governed.write() as session:
        labs = company(session, "Labs", member=False)
        employ(session, ADA, labs)
        ada = session.scalars(sa.select(Person).where(Person.name == "Ada")).one()
        people.hide(session, ada, hidden=True, actor=Actor.system("test"), reason="asked to")
    assert "Ada" not in client.get(f"/reports/2026/members/{acme}").text


def test_the_absence_of_weasyprint_is_said_with_the_way_out():
    assert "pip install --group reports" in ABSENT
