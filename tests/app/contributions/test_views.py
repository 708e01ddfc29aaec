"""Pages of contributions as people open them: figures, windows, downloads, hidden people, bad addresses."""

from __future__ import annotations

import csv
import html
import io
import re
import shutil
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import answers, create_app
from app.audit import Actor, AuditEntry
from app.clock import FixedClock
from app.contributions import clones, registry
from app.contributions.figures import reading
from app.contributions.models import Commit, Repository, Rollup
from app.contributions.registry import ensure_repository
from app.contributions.stamps import stamp
from app.contributions.views import foundation
from app.db import Database
from app.jobs import Worker
from app.members.models import Membership, Organization
from app.members.rules import OrganizationKind
from app.modules.models import Module
from app.people import queries as people
from app.people.models import Person
from app.people.rules import StatementSource
from app.settings import Settings
from tests.app.contributions.conftest import BOB
from tests.app.contributions.conftest import Repository as Source

FORMULA = ("=cmd()", "cmd@x.example")


@pytest.fixture(scope="module")
def sqlite_template(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A portal that has read a small repository, made once: Anne works for Acme, Bob for nobody knows whom."""
    home = tmp_path_factory.mktemp("counted")
    path = home / "flambeau.db"
    shutil.copy(sqlite_template, path)
    db = Database(f"sqlite:///{path}", clock=FixedClock())
    settings = Settings(home=home, database_url=f"sqlite:///{path}", session_key="x" * 40, log_json=False)
    source = Source(home / "source").start()
    start = int(datetime(2025, 12, 1, tzinfo=UTC).timestamp())
    for number in range(4):
        source.commit(f"change <b>{number}</b>", {"src/a": f"{number}\n"}, author=("Anne Arc", "anne@arc.example"),
                      at_s=start + number * 86_400)  # fmt: skip
    source.commit("other\n\nReviewed-by: Anne Arc <anne@arc.example>", {"b": "1\n"}, author=BOB)
    source.commit("formula", {"c": "1\n"}, author=FORMULA)
    portal = create_app(settings, clock=FixedClock(), db=db)
    with db.write() as session:
        acme = Organization(
            name="Acme & Sons", slug="acme", kind=OrganizationKind.COMPANY, created_at=datetime.now(UTC)
        )
        session.add_all([acme, Module(key="src", name="Sources", summary="All of it", paths=["src/**"], position=1)])
        ensure_repository(session, str(source.path), name="one", actor=Actor.system("test"), reason="a test")
    Worker(portal).run_until_idle()
    with db.write() as session:
        anne = session.scalars(sa.select(Person).where(Person.name == "Anne Arc")).one()
        people.state(session, anne, acme.id, starts_on=datetime(2025, 1, 1).date(), source=StatementSource.SELF,
                     actor=Actor.system("test"), reason="said so")  # fmt: skip
    with db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    return path


@pytest.fixture
def counted(app, db: Database) -> Database:
    """The database of a portal that has counted."""
    return db


def one(db, model):
    with db.read() as session:
        return session.scalars(sa.select(model)).first()


def person(db, name: str) -> Person:
    with db.read() as session:
        return session.scalars(sa.select(Person).where(Person.name == name)).one()


def test_the_overview_shows_figures_with_definition_and_as_of(client, counted):
    page = client.get("/contributions/").text
    assert "Code Changes Commits (definition 1), 16 Jan 2025 to 15 Jan 2026, as of 15 Jan 2026" in page
    assert "33% of these commits are attributed to nobody" in page
    assert "Acme &amp; Sons" in page
    assert "&lt;b&gt;3&lt;/b&gt;" in page


@pytest.mark.parametrize("window", ["90d", "1y", "3y", "all"])
def test_every_window_opens(client, counted, window: str):
    assert client.get(f"/contributions/?window={window}").status_code == 200


@pytest.mark.parametrize(("address", "status"), [
    ("?window=2y", 400), ("?since=x", 400), ("?repository=r_none", 404), ("organizations/o_none", 404),
    ("people/p_none", 404), ("modules/none", 404), ("repositories/r_none", 404), ("figures/none.csv", 404),
    ("figures/people.xml", 404), ("figures/modules.csv?module=src", 400),
    ("figures/people.csv?organization=o_none", 404),
])  # fmt: skip
def test_an_address_that_names_nothing_says_so(client, counted, address: str, status: int):
    assert client.get(f"/contributions/{address}").status_code == status


def test_every_page_opens(client, counted):
    row, acme, anne = one(counted, Repository), one(counted, Organization), person(counted, "Anne Arc")
    for address in (
        "organizations/",
        f"organizations/{acme.public_id}",
        f"people/{anne.public_id}",
        "modules/src",
        "definitions",
        "repositories/",
        f"repositories/{row.public_id}",
        f"?repository={row.public_id}",
    ):
        answer = client.get(f"/contributions/{address}")
        assert answer.status_code == 200, address
    assert "4 commits" in client.get("/contributions/organizations/").text
    assert client.get("/").text.count("Contributions") >= 1


def test_a_download_has_the_pages_figures(client, counted):
    rows = list(csv.reader(io.StringIO(client.get("/contributions/figures/organizations.csv").text)))
    assert rows == [["organization", "commits", "people", "share"], ["Acme & Sons", "4", "1", "0.6667"],
                    ["Unattributed", "2", "2", "0.3333"]]  # fmt: skip
    found = client.get("/contributions/figures/organizations.json?window=3y").get_json()
    assert (found["metric"], found["unattributed_share"]) == ("Organizational Diversity", pytest.approx(1 / 3))
    assert found["as_of"].startswith("2026-01-15T12:00")
    module = client.get("/contributions/figures/people.json?module=src").get_json()
    assert module["rows"] == [["Anne Arc", 4, 1.0]]


def test_every_figure_of_an_organization_can_be_taken_away(client, counted):
    acme = one(counted, Organization)
    page = client.get(f"/contributions/organizations/{acme.public_id}").text
    links = {html.unescape(link) for link in re.findall(r'href="(/contributions/figures/[^"]+)"', page)}
    assert len(links) == 16
    for link in links:
        assert client.get(link).status_code == 200, link
    found = client.get(f"/contributions/figures/share-over-time.json?organization={acme.public_id}").get_json()
    assert [sum(column) for column in list(zip(*found["rows"], strict=True))[1:]] == [4, 6]
    assert found["unattributed_share"] == pytest.approx(1 / 3)
    assert "33%" in client.get(f"/organizations/{acme.public_id}").text


def test_a_spreadsheet_does_not_run_a_name(client, counted):
    assert "'=cmd()" in client.get("/contributions/figures/people.csv").text


def test_a_hidden_person_keeps_the_count_and_loses_the_name(client, counted):
    anne = person(counted, "Anne Arc")
    with counted.write() as session:
        people.hide(session, session.merge(anne), hidden=True, actor=Actor.system("test"), reason="asked to")
        commit = session.scalars(sa.select(Commit).where(Commit.subject == "other")).one()
        commit.subject = "Land what Anne Arc (anne@arc.example) wrote"
    for address in ("/contributions/", "/contributions/figures/people.csv", "/contributions/figures/people.json"):
        text = client.get(address).text
        assert "Anne" not in text
        assert "a hidden person" in text
    assert client.get(f"/contributions/people/{anne.public_id}").status_code == 404
    assert client.get(f"/contributions/figures/people.csv?person={anne.public_id}").status_code == 404
    with counted.read() as session:
        assert session.scalar(sa.select(sa.func.sum(Rollup.commits)).where(Rollup.person_id == anne.id)) > 0


def test_only_an_administrator_adds_a_repository(client, counted, tmp_path):
    assert client.post("/contributions/repositories/", data={"location": str(tmp_path)}).status_code in (
        302,
        401,
        403,
    )
    assert "Add a repository" not in client.get("/contributions/repositories/").text


def test_adding_tells_all_problems_at_once(administrator, counted, tmp_path):
    answer = administrator.post("/contributions/repositories/", data={"location": str(tmp_path), "name": "bad name"})
    assert answer.status_code == 422
    for said in ("does not answer as a git repository", "is no name", "is empty"):
        assert said in answer.text


def test_reading_a_repository_again_is_an_entry_of_the_audit_log(administrator, counted):
    with counted.read() as session:
        row = session.scalars(sa.select(Repository)).first()
    assert administrator.post(f"/contributions/repositories/{row.public_id}/read").status_code == 302
    with counted.read() as session:
        asked = sa.select(AuditEntry).where(AuditEntry.action == "contributions.repository.read")
        assert session.scalars(asked).one().thing == row.public_id


def test_others_can_write_while_an_address_is_asked(administrator, counted, tmp_path, monkeypatch):
    other = Source(tmp_path / "other").start()
    other.commit("one", {"x": "1\n"})
    written: list[int] = []

    def ask(location: str, **_options):
        # Another thread, since whoever asks may hold nothing but a reading session.
        def write() -> None:
            with counted.write() as session:
                written.append(session.execute(sa.text("UPDATE repository SET problem = problem")).rowcount)

        thread = threading.Thread(target=write, daemon=True)
        thread.start()
        thread.join(timeout=2)
        assert written, "the portal's database is locked while an address is asked"
        return clones.ask(location)

    monkeypatch.setattr(registry, "ask", ask)
    form = {"location": str(other.path), "reason": "ours too"}
    assert administrator.post("/contributions/repositories/", data=form).status_code == 302


def test_an_administrator_adds_a_repository_with_a_reason(administrator, counted, tmp_path):
    other = Source(tmp_path / "other").start()
    other.commit("one", {"x": "1\n"})
    answer = administrator.post(
        "/contributions/repositories/", data={"location": str(other.path), "reason": "ours too"}
    )
    assert answer.status_code == 302
    assert "its history is being read" in administrator.get(answer.location).text
    with counted.read() as session:
        added = sa.select(AuditEntry).where(AuditEntry.action == "contributions.repository.add")
        entry = session.scalars(added.order_by(AuditEntry.number.desc())).first()
        assert (entry.reason, entry.values["name"]) == ("ours too", "other")
        row = session.scalars(sa.select(Repository).where(Repository.name == "other")).one()
    answer = administrator.post(f"/contributions/repositories/{row.public_id}/read")
    assert answer.status_code == 302


def test_a_peer_is_put_beside_by_a_form_and_stays_in_the_address(client, counted):
    acme = one(counted, Organization).public_id
    with counted.write() as session:
        other = Organization(name="Bolt", slug="bolt", kind=OrganizationKind.COMPANY, created_at=datetime.now(UTC))
        session.add(other)
        session.flush()
        bolt = other.public_id
    sent = client.get(f"/contributions/organizations/{acme}?window=3y&add={bolt}")
    assert sent.status_code == 302
    assert sent.location.endswith(f"/contributions/organizations/{acme}?window=3y&with={bolt}")
    page = client.get(sent.location).text
    assert 'remove<span class="unseen"> Bolt</span>' in page
    found = client.get(f"/contributions/figures/compare.json?organization={acme}&with={bolt}").get_json()
    assert found["columns"] == ["figure", "Acme & Sons", "Bolt"]
    assert found["rows"][0] == ["Commits", 4, 0]
    assert found["options"] == {"with": bolt, "by": "own"}


def test_shares_are_drawn_of_the_same_rows_as_numbers(client, counted):
    address = "/contributions/figures/commits-over-time.json"
    assert client.get(f"{address}?show=share").get_json()["rows"] == client.get(address).get_json()["rows"]
    page = html.unescape(client.get("/contributions/organizations/?show=share").text)
    assert "% of commits" in page
    assert "/contributions/figures/commits-over-time.csv?window=1y&show=share" in page


def test_every_row_of_people_and_organizations_can_be_called_wrong(client, counted):
    anne, acme = person(counted, "Anne Arc").public_id, one(counted, Organization).public_id
    page = html.unescape(client.get("/contributions/").text)
    assert f"/people/wrong?about=employer&thing={anne}&page=/contributions/" in page
    assert f"/people/wrong?about=organization&thing={acme}&page=/contributions/" in page
    assert f"/people/wrong?about=identity&thing={anne}&page=/contributions/" in page


def test_the_files_that_commits_changed_are_counted_once_for_each_commit(client, counted):
    with counted.read() as session:
        anne = session.scalars(sa.select(Person).where(Person.name == "Anne Arc")).one().public_id
    acme, repository = one(counted, Organization).public_id, one(counted, Repository).public_id
    of = {"": 6, f"person={anne}": 4, f"organization={acme}": 4, "module=src": 4, f"repository={repository}": 6}
    for scope, files in of.items():
        rows = client.get(f"/contributions/figures/files.json?window=all&{scope}").json["rows"]
        assert rows == [["commits", files], ["files", files]], scope
    assert re.search(r"Files\s*</\w+>\s*<\w+[^>]*>4<", client.get(f"/contributions/people/{anne}?window=all").text)


DASHBOARDS = ("/contributions/", "/contributions/organizations/", "/contributions/organizations/{acme}",
              "/contributions/people/{anne}", "/contributions/modules/", "/contributions/modules/src",
              "/contributions/newcomers", "/contributions/reviews", "/contributions/quality")  # fmt: skip


@pytest.mark.parametrize("dashboard", DASHBOARDS)
def test_a_dashboard_says_the_same_to_everybody_and_is_made_once(
    app, counted, administrator, dashboard: str, monkeypatch
):
    names = {"acme": one(counted, Organization).public_id, "anne": person(counted, "Anne Arc").public_id}
    address, readers, views = dashboard.format(**names), (administrator, app.test_client()), []
    monkeypatch.setattr(foundation, "read_look", lambda *args, **named: views.append(address) or look(*args, **named))
    look = reading.read_look
    made = [main_of(client.get(address)) for client in readers]
    assert len(views) == 2  # each for itself
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    assert [main_of(client.get(address)) for client in readers * 2] == made * 2
    assert len(views) == 2
    if dashboard != "/contributions/quality":  # which says where the reader may mend something
        assert made[0] == made[1]


def test_a_kept_dashboard_changes_at_once_when_something_is_counted_or_somebody_is_hidden(
    app, counted, administrator, monkeypatch
):
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    readers, anne = (administrator, app.test_client()), person(counted, "Anne Arc")
    pages = ("/contributions/", f"/contributions/people/{anne.public_id}", "/contributions/modules/src")
    assert all("Anne Arc" in client.get(page).text for client in readers for page in pages * 2)
    with counted.write() as session:
        session.execute(sa.update(Repository).values(name="renamed behind the back"))
    assert not any("behind the back" in client.get("/contributions/").text for client in readers)
    with counted.write() as session:
        stamp(session, by_people=False)
    assert all("behind the back" in client.get("/contributions/").text for client in readers)
    with counted.write() as session:
        people.hide(session, session.merge(anne), hidden=True, actor=Actor.system("test"), reason="asked to")
    for client in readers:
        assert [client.get(page).status_code for page in pages] == [200, 404, 200]
        assert not any("Anne Arc" in client.get(page).text for page in pages)


def test_the_large_figures_of_each_page_are_data_too(client, counted):
    anne, acme = person(counted, "Anne Arc").public_id, one(counted, Organization).public_id
    pages = {"": "", f"organizations/{acme}": f"&organization={acme}", f"people/{anne}": f"&person={anne}",
             "modules/src": "&module=src"}  # fmt: skip
    for page, scope in pages.items():
        shown = html.unescape(client.get(f"/contributions/{page}?window=all").text)
        found = client.get(f"/api/v1/figures/headline?window=all{scope}").json
        labels = re.findall(r"<dt>([^<]+)</dt><dd>([^<]+)<", shown.partition('<dl class="stats">')[2])
        assert [(row[0], row[2]) for row in found["rows"]] == labels[: len(found["rows"])], page
        assert "/contributions/figures/headline.csv?window=all" in shown
    whole = {row[0]: row[1] for row in client.get("/api/v1/figures/headline?window=all").json["rows"]}
    assert (whole["Commits"], whole["Contributors"], whole["Absence factor"]) == (6, 3, 1)
    assert whole["Unattributed"] == 0.3333


def test_days_in_which_a_person_did_nothing_lead_to_those_in_which_they_did(client, counted):
    page = f"/contributions/people/{person(counted, 'Anne Arc').public_id}"
    idle = client.get(f"{page}?since=2020-01-01&until=2020-02-01").text
    assert f'<a href="{page}?window=all">look at all time</a>' in idle
    assert idle.count("Nothing in these days.") == 1
    assert "commits-over-time" not in idle
    assert "commits-over-time" in client.get(f"{page}?window=all").text


def test_commits_by_tier_are_those_of_who_was_a_member_on_that_day(client, counted):
    acme = one(counted, Organization)
    with counted.write() as session:
        session.add(Membership(organization_id=acme.id, tier_key="silver", starts_on=date(2025, 12, 3), dues_cents=0))
    # Anne of Acme on 1, 2, 3 and 4 December; two commits are nobody knows whose.
    found = client.get("/api/v1/figures/tiers-over-time?since=2025-11-01&until=2026-01-15").json
    assert found["columns"] == ["from", "silver", "Other organizations", "Unattributed"]
    by_day = client.get("/api/v1/figures/tiers-over-time?since=2025-12-01&until=2025-12-07").json
    assert [sum(row[at] for row in by_day["rows"]) for at in range(1, len(by_day["columns"]))][:2] == [2, 2]
    assert "Commits by tier" in client.get("/contributions/organizations/").text


def test_a_figure_can_be_called_wrong_where_its_rows_are_months(client, counted):
    page = html.unescape(client.get("/contributions/?window=3y").text)
    address = "/people/wrong?about=figure&thing=lines-over-time&page=/contributions/?window%3D3y"
    assert address in page
    asked = client.get(address)
    assert "the figure “Lines”" in html.unescape(asked.text)
    assert 'href="/contributions/?window=3y"' in asked.text
    assert client.get("/people/wrong?about=figure&thing=nothing").status_code == 404


def main_of(response) -> str:
    """What stands in a page's frame."""
    assert response.status_code == 200
    return response.text.partition('<main id="main">')[2].partition("</main>")[0]


def test_every_chart_names_its_definition_its_moment_and_what_is_attributed_to_nobody(client, counted):
    anne, acme = person(counted, "Anne Arc").public_id, one(counted, Organization).public_id
    pages = ("", "organizations/", f"organizations/{acme}", f"people/{anne}", "modules/", "modules/src", "newcomers",
             "reviews", "quality")  # fmt: skip
    charts = []
    for page in pages:
        found = html.unescape(client.get(f"/contributions/{page}?window=all").text)
        charts += re.findall(r"<figcaption>(.*?)</figcaption>", found)
        assert found.count("What “") == found.count("Rests on resolution") == found.count("<figcaption>"), page
    told = re.compile(r"\(definition \d+\), .*, as of .* UTC\. \d+% of .* attributed to nobody's employer\.")
    assert [caption for caption in charts if not told.search(caption)] == []
    assert len(charts) >= 25
    # Of an organization's own commits none is unattributed: what is told is the share of everybody's.
    of_acme = client.get(f"/contributions/figures/contributors-over-time.json?window=all&organization={acme}").json
    assert (of_acme["unattributed_share"], of_acme["unattributed_of"]) == (2 / 6, "all commits in these days")


def test_nobody_is_sent_to_a_longer_window_than_all_time(client):
    for window, is_sent in (("90d", True), ("all", False)):
        assert ("Choose a longer window" in client.get(f"/contributions/?window={window}").text) is is_sent


def test_an_organizations_page_says_what_of_the_work_may_be_theirs_and_that_nothing_counts(client, counted):
    page = f"/contributions/organizations/{one(counted, Organization).public_id}"
    assert "some of them may be this organization's" in client.get(f"{page}?window=all").text
    empty = client.get(f"{page}?since=1990-01-01&until=1990-01-02").text
    assert ("No commit counts in these days." in empty, "may be this organization's" in empty) == (True, False)
