"""Pages of modules, newcomers, reviews and the data's quality as people open them."""

from __future__ import annotations

import csv
import io
import re
from datetime import date
from html import unescape
from urllib.parse import unquote

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from app import answers, auth
from app.audit import Actor
from app.bodies import queries as bodies
from app.clock import FixedClock
from app.contributions.figures import FIGURES
from app.contributions.models import Change, ChangeModule, Repository
from app.db import Database
from app.members.models import Organization
from app.people import queries as people
from app.people.models import Person
from tests.app.contributions.test_timeline_queries import told

pytestmark = pytest.mark.slow  # whole pages with all their figures
PAGES = ("modules/", "modules/ops", "newcomers", "reviews", "quality")
HERE = "since=2026-01-01&until=2026-12-31"


@pytest.fixture
def filled(client, clock: FixedClock, governed: Database) -> Database:
    """Nine changes of a year that is over, of which one touches ops."""
    clock.advance(days=351)  # to the first of January 2027
    with governed.write() as session:
        told(session)
        first = session.scalars(sa.select(Change).where(Change.number == 1)).one()
        session.add(ChangeModule(change_id=first.id, module_key="ops"))
    return governed


def text_of(client, address: str) -> str:
    answer = client.get(f"/contributions/{address}")
    assert answer.status_code == 200, answer.text[-600:]
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.text))


def person(session: Session, name: str) -> Person:
    return session.scalars(sa.select(Person).where(Person.name == name)).one()


@pytest.mark.parametrize("page", PAGES[:1] + PAGES[2:])
def test_an_empty_portal_says_what_will_stand_there(client, page: str):
    assert re.search(r"known yet|Nobody new|No change|counted yet", text_of(client, page))


def test_every_window_opens(client, filled: Database):
    for page in PAGES:
        for window in ("90d", "1y", "3y", "all"):
            assert text_of(client, f"{page}?window={window}")


def test_every_figure_can_be_taken_away_with_its_definition(client, filled: Database):
    for page in PAGES:
        found = client.get(f"/contributions/{page}?{HERE}").text
        for key, kind in re.findall(r"/contributions/figures/([a-z-]+)\.(csv|json)\?", found):
            assert client.get(f"/contributions/figures/{key}.{kind}?{HERE}").status_code == 200, (page, key, kind)
            assert FIGURES[key].metric.definition


def test_what_is_drawn_of_everything_alone_can_be_taken_away_beside_a_repository(client, filled: Database):
    with filled.read() as session:
        place = session.scalars(sa.select(Repository)).one().public_id
    found = client.get(f"/contributions/quality?{HERE}&repository={place}").text
    links = re.findall(r'href="(/contributions/figures/[^"]+)"', found)
    assert [client.get(unescape(one)).status_code for one in links] == [200] * len(links)
    assert len(links) >= 4


def test_this_is_wrong_leads_back_to_the_page_that_it_stands_on(client, filled: Database, monkeypatch):
    monkeypatch.setattr(answers, "KEPT_S", 60.0)
    assert client.get(f"/contributions/figures/review-load.json?{HERE}").status_code == 200
    found = client.get(f"/contributions/reviews?{HERE}").text
    pages = {unquote(one) for one in re.findall(r"/people/wrong\?[^\"]*page=([^&\"]+)", found)}
    assert {one.partition("?")[0] for one in pages} == {"/contributions/reviews"}
    assert f"/contributions/reviews?{HERE}" in pages, "a figure's remark tells of which days"


def test_an_address_that_somebody_else_wrote_gives_no_orders(client, filled: Database):
    with filled.read() as session:
        acme = session.scalars(sa.select(Organization).where(Organization.name == "Acme")).one().public_id
    orders = "_scheme=javascript&_external=1&_anchor=x&endpoint=house.front&public_id=o_other&key=docs"
    for page in (f"organizations/{acme}", "modules/ops", "reviews"):
        found = client.get(f"/contributions/{page}?{HERE}&{orders}")
        assert found.status_code == 200
        assert "javascript:" not in found.text
        assert re.search(rf'href="/contributions/{page}\?[^"]*window=3y', found.text)
    answer = client.get(f"/contributions/organizations/{acme}?{HERE}&{orders}&add={acme}")
    assert answer.headers["Location"].startswith(f"/contributions/organizations/{acme}?")
    assert "javascript" not in answer.headers["Location"]


def test_the_unattributed_share_of_what_was_merged_is_of_what_was_closed(client, filled: Database):
    found = client.get(f"/contributions/figures/accepted-by-standing.json?{HERE}").json
    assert found["unattributed_share"] == 0  # Dee, of whom nobody knows, has opened one and closed none
    assert client.get(f"/contributions/figures/outsiders.json?{HERE}").json["unattributed_share"] == 1 / 8


def test_a_quarter_that_is_over_is_not_said_to_go_on(client, filled: Database):
    of_turnover = "/contributions/figures/turnover.json?since=2026-01-01&until="
    assert client.get(f"{of_turnover}2026-12-31").json["notes"] == []
    assert "not over" in client.get(f"{of_turnover}2026-12-30").json["notes"][0]


def test_a_hidden_person_is_not_found_by_an_identifier_from_before_a_merge(client, filled: Database):
    with filled.write() as session:
        ada, dee = person(session, "Ada"), person(session, "Dee")
        people.merge(session, ada, dee, actor=Actor.system("test"), reason="the same")
        gone, kept = (ada, dee) if ada.merged_into_id else (dee, ada)
        before, now = gone.public_id, kept.public_id
    asked = f"/contributions/figures/changes-over-time.csv?{HERE}&person="
    assert [client.get(asked + one).status_code for one in (before, now)] == [200, 200]
    with filled.write() as session:
        kept = session.scalars(sa.select(Person).where(Person.public_id == now)).one()
        people.hide(session, kept, hidden=True, actor=Actor.system("test"), reason="asked to")
    assert [client.get(asked + one).status_code for one in (before, now)] == [404, 404]


def test_reviews_of_a_module_an_organization_or_a_tier_are_chosen_by_the_address(client, filled: Database):
    with filled.read() as session:
        acme = session.scalars(sa.select(Organization).where(Organization.name == "Acme")).one().public_id
    assert "1 closed, 1 opened" in text_of(client, f"reviews?{HERE}&module=ops")
    assert "2 closed, 3 opened" in text_of(client, f"reviews?{HERE}&organization={acme}")
    assert "2 closed, 3 opened" in text_of(client, f"reviews?{HERE}&tier=silver")
    assert "5 closed, 8 opened" in text_of(client, f"reviews?{HERE}")
    assert f'value="{acme}" selected' in client.get(f"/contributions/reviews?{HERE}&organization={acme}").text
    rows = list(csv.DictReader(io.StringIO(client.get(
        f"/contributions/figures/closure-over-time.csv?{HERE}&tier=silver").text)))  # fmt: skip
    assert sum(int(row["opened"]) for row in rows) == 3


WRONG = (
    ("reviews?tier=diamond", 404), ("reviews?module=nothing", 404), ("newcomers?organization=o_nobody", 404),
    ("modules/nothing", 404), ("reviews?since=2026-02-30", 400), ("modules/ops?path=%00%00", 400),
    ("modules/ops?path=../../etc", 200),
)  # fmt: skip


def test_what_an_address_asks_for_in_vain_is_said(client, filled: Database):
    assert [(wrong, client.get(f"/contributions/{wrong}").status_code) for wrong, _ in WRONG] == list(WRONG)


def test_what_waits_longest_leads_to_the_change_and_says_since_when(client, filled: Database):
    with filled.read() as session:
        longest = session.scalars(sa.select(Change).where(Change.number == 3)).one().public_id
    page = client.get(f"/contributions/reviews?{HERE}").text
    assert f'href="/reviews/{longest}"' in page
    rows = list(csv.reader(io.StringIO(client.get("/contributions/figures/waiting-now.csv").text)))
    assert [row[0] for row in rows[1:]] == ["Change 3 (#3)", "Change 6 (#6)"]


def test_a_module_without_active_maintainers_is_marked_with_the_reason(client, filled: Database):
    assert "nobody maintains it" in text_of(client, "modules/")
    with filled.write() as session:
        seat = bodies.seat_by_key(session, "module:ops", "maintainer")
        assert seat is not None
        ada, since = person(session, "Ada"), date(2026, 12, 1)
        bodies.appoint(session, seat, ada, starts_on=since, actor=Actor.system("t"), reason="Chosen.")
    page = text_of(client, "modules/")
    assert "1 of 1 maintainers is active" in page
    assert "Ada active since" in text_of(client, "modules/ops")


def test_a_hidden_person_is_named_on_none_of_these_pages(client, filled: Database):
    with filled.write() as session:
        for name in ("Ada", "Ben", "Cleo"):
            people.hide(session, person(session, name), hidden=True, actor=Actor.system("test"), reason="asked to")
        person(session, "Ada").name = "Ada Lovelace"
        session.scalars(sa.select(Change).where(Change.number == 3)).one().title = "As Ada Lovelace asked for"
    for page in PAGES:
        assert not re.search(r"\b(Ada|Ben|Cleo)\b", text_of(client, f"{page}?{HERE}")), page
    for key, figure in FIGURES.items():
        if "everything" in figure.scopes:
            taken = client.get(f"/contributions/figures/{key}.csv?{HERE}").text
            assert not re.search(r"\b(Ada|Ben|Cleo)\b", taken), key
    assert "a hidden person" in client.get(f"/contributions/figures/review-load.csv?{HERE}").text
    assert "As a hidden person asked for (#3)" in client.get("/contributions/figures/waiting-now.csv").text
    assert "Hidden 3 people" in text_of(client, "quality")


def test_rows_of_modules_and_repositories_are_called_wrong_and_staff_find_the_way_back(
    app, client, signed_in, filled: Database
):
    staff = signed_in(app.test_client(), "p_staff", auth.HeldSeat("administration", "staff", "staff"), name="Sam Staff")
    with filled.read() as session:
        repository = session.scalars(sa.select(Repository).order_by(Repository.id)).first()
    told = {
        ("modules/", "module", "ops"): ("the module Ops", "/contributions/modules/ops"),
        ("modules/ops", "module", "ops"): ("the module Ops", "/contributions/modules/ops"),
        ("quality", "repository", repository.public_id): (
            f"the repository {repository.name}", f"/contributions/repositories/{repository.public_id}"),
    }  # fmt: skip
    for (page, about, thing), (name, url) in told.items():
        form = f"/people/wrong?about={about}&thing={thing}&page=/contributions/{page}"
        assert unescape(client.get(f"/contributions/{page}").text).count(f'href="{form}"') >= 1
        assert f"<strong>{name}</strong>" in client.get(form).text
        assert client.post(form, data={"text": "It is another’s."}).headers["Location"] == f"/contributions/{page}"
        queue = staff.get("/people/remarks").text
        assert name in queue
        assert url in queue
    for about in ("module", "repository"):
        assert client.get(f"/people/wrong?about={about}&thing=nothing").status_code == 404
