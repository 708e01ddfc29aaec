"""The queue, the log, a remark and an import in a real browser: by keyboard, without scripts, hostile names."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions

from app import auth
from app.audit import Actor
from app.imports import queries as imports
from app.imports.rules import FileKind
from app.people import queries as people
from app.people.models import IdentityDecision, Person, Remark
from tests.app.pages.eyes import barriers, does_not_fit
from tests.portal import until

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HOSTILE = "Grace <img src=x onerror=alert(1)> Hopper\u202e"
WORDINGS = [("git", HOSTILE, "grace@acme.com", ""), ("git", HOSTILE, "hopper@acme.com", ""),
            ("git", "Ada Lovelace", "12+ada@users.noreply.github.com", ""), ("github", "Ada Lovelace", "", "ada"),
            ("git", "landing-robot", "lands@acme.com", "")]  # fmt: skip


@pytest.fixture
def window(browser, client, signed_in, governed):
    seat = auth.HeldSeat(body="administration", seat="staff", kind="staff")
    signed_in(client, "p_staff", seat, name="Sam Staff")
    with governed.write() as session:
        people.intern_identities(session, WORDINGS)
        people.resolve(session)
        people.refresh_proposals(session)
        imports.give_file(session, FileKind.GITDM_MAP, "email-map", "grace@acme.com  Acme\nx@y.org  Else\n",
                          actor=Actor.system("t"))  # fmt: skip
    browser.use_session()
    return browser


def test_a_question_is_answered_by_keyboard_alone_without_scripts(window, governed):
    for width in (1280, 390):
        window.show(width=width, script=False)
        window.open("/people/proposals")
        window.picture(f"people-queue-{width}")
    fields = window.chrome.find_elements(By.NAME, "reason")
    assert len(fields) == 3
    assert "img src=x" in window.chrome.find_element(By.ID, "main").text
    fields[0].send_keys("\n")
    until(window.chrome, expected_conditions.staleness_of(fields[0]))
    with governed.read() as session:
        assert session.scalar(sa.select(sa.func.count(IdentityDecision.id))) == 1
    window.open("/people/decisions")
    window.picture("people-decisions-390")


def test_a_reader_says_that_a_row_is_wrong_on_a_phone(window, governed):
    with governed.read() as session:
        person = session.scalars(sa.select(Person).order_by(Person.id)).first().public_id
    window.chrome.delete_all_cookies()
    window.show(width=390, script=False)
    window.open(f"/people/{person}")
    window.chrome.find_element(By.CSS_SELECTOR, "a.wrong").click()
    field = expected_conditions.presence_of_element_located((By.NAME, "text"))
    until(window.chrome, field).send_keys("They left.")
    window.picture("people-wrong-390")
    window.chrome.find_element(By.CSS_SELECTOR, "main button").click()
    thanks = expected_conditions.text_to_be_present_in_element((By.ID, "main"), "Thank you")
    until(window.chrome, thanks)
    with governed.read() as session:
        assert session.scalars(sa.select(Remark.text)).all() == ["They left."]


def test_the_pages_shut_nobody_out(window):
    for path in ("/people/proposals", "/people/decisions", "/people/remarks", "/imports/"):
        for width in (1280, 390):
            window.show(width=width)
            window.open(path)
            assert barriers(window.chrome) + does_not_fit(window.chrome) == []
        window.picture(f"people{path.replace('/', '-')}")
    link = window.chrome.find_element(By.LINK_TEXT, "email-map")
    link.click()
    until(window.chrome, expected_conditions.staleness_of(link))
    window.picture("people-import")
    assert barriers(window.chrome) + does_not_fit(window.chrome) == []
