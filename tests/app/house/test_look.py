"""The house's pages in a real browser: no refused content, no sideways scrolling on a phone, in light and dark."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from app import audit
from app.audit import Actor
from app.db import Database
from app.jobs import Workflow, claim, enqueue
from tests.portal import Browser

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PAGES = ["/", "/account", "/audit", "/nowhere", "/jobs/", "/jobs/{job}"]


def test_the_pages_fit_a_phone_and_the_browser_has_nothing_to_complain(
    browser: Browser, administrator: FlaskClient, db: Database
) -> None:
    with db.write() as session:
        for name in ("hosts", "dues"):
            audit.record(session, actor=Actor.person("p_ada"), action=f"test.{name}", thing="t_1", reason="to look at")
    browser.use_session()
    job = _job_under_way(db)
    pages = [page.format(job=job) for page in PAGES]
    for page in pages:
        for width, dark in ((1280, False), (1280, True), (375, False), (375, True)):
            browser.show(width=width, dark=dark)
            browser.open(page)
            kind = "job" if page.startswith("/jobs/j_") else page.strip("/") or "front"
            name = f"house-{kind}-{width}-{'dark' if dark else 'light'}"
            browser.picture(name)
            assert browser.overflow() == 0, f"{page} is wider than {width} px"
        found = [line for line in browser.complaints() if "404" not in line]
        assert found == [], page


def test_the_menu_works_by_keyboard(browser: Browser) -> None:
    page = browser.open("/audit")
    summary = page.find_element(By.CSS_SELECTOR, "details.room summary")
    summary.send_keys(Keys.ENTER)
    assert page.find_element(By.CSS_SELECTOR, "details.room").get_attribute("open") is not None
    summary.send_keys(Keys.ESCAPE)
    assert page.find_element(By.CSS_SELECTOR, "details.room").get_attribute("open") is None


def _job_under_way(db: Database) -> str:
    workflow = Workflow("look-release", title="Release 0.1.0.dev7")
    for name in ("build", "test", "conformance", "publish"):
        workflow.remote_step(name)
    with db.write() as session:
        enqueue(session, "look-release", {}, actor=Actor.system("test"))
    lease = claim(db, queue="worker", worker="w1")
    assert lease is not None
    for text in ("checking out 1f3a9c0", "building the wheel", "flambeau-0.1.0.dev7-cp311-linux_x86_64.whl, 9.1 MB"):
        lease.log(text)
    following = lease.record({})
    assert following is not None
    following.log("collected 412 items")
    following.progress(0.62, "tests/test_ops.py, 255 of 412")
    return lease.job
