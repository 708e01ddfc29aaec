"""The whole way in a real browser: at an issuer, at GitHub, by mail, on a screen and on a phone."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from werkzeug.serving import make_server

from app import create_app
from app.clock import FixedClock
from app.db import Database
from app.jobs import Worker
from app.settings import Settings
from tests.app.accounts.github_double import GitHubDouble
from tests.app.accounts.issuer import CLIENT, RealIssuer
from tests.app.accounts.mailbox import Mailbox
from tests.portal import Browser, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def app(settings: Settings, db: Database, clock: FixedClock) -> Iterator[Any]:
    """The portal on a port that its settings and the issuers know, with the tokens of forms asked for."""
    made: list[Flask] = []
    server = make_server("127.0.0.1", 0, lambda environ, start: made[0](environ, start), threaded=True)
    address = f"http://127.0.0.1:{server.server_port}"
    made.append(create_app(settings.model_copy(update={"base_url": address}), clock=clock, db=db))
    made[0].config.update(TESTING=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, name="portal")
    thread.start()
    yield made[0]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def served(app: Flask, acme: RealIssuer, github: GitHubDouble) -> str:
    """The portal's address, which the issuers know to send people back to."""
    address = str(app.extensions["flambeau"].settings.base_url)
    acme.server.context.cdb[CLIENT]["redirect_uris"] = [(f"{address}/sign-in/with/acme/back", {})]
    github.redirect_uri = f"{address}/sign-in/with/github/back"
    acme.asks = github.asks = True
    return address


def follow(chrome: Chrome, how: str, what: str) -> None:
    """Click, and wait for the page that follows."""
    chrome.execute_script("window.before = true")
    chrome.find_element(how, what).click()
    is_there = "return !window.before && document.readyState === 'complete' && !!document.querySelector('main, #yes')"
    until(chrome, lambda one: one.execute_script(is_there))


def press(chrome: Chrome, words: str) -> None:
    """Press the button or follow the link of these words."""
    follow(chrome, By.XPATH, f"//main//*[self::a or self::button][contains(., '{words}')]")


def text(chrome: Chrome) -> str:
    """What the page says."""
    return chrome.find_element(By.TAG_NAME, "main").text


def test_the_whole_way(browser: Browser, app: Flask, mail: Mailbox, client: FlaskClient) -> None:
    browser.show(width=390, height=800)
    chrome = browser.open("/sign-in?next=/jobs/")
    browser.picture("sign-in-phone")
    assert browser.overflow() == 0
    browser.show()
    browser.picture("sign-in")

    press(chrome, "Continue with Acme")
    assert chrome.title == "Issuer"
    follow(chrome, By.ID, "yes")
    assert chrome.current_url == f"{browser.address}/jobs/"
    assert "Welcome" in text(chrome)

    browser.open("/account")
    press(chrome, "Add a login at GitHub")
    follow(chrome, By.ID, "yes")
    assert "Add ada?" in text(chrome)
    browser.picture("confirm")
    press(chrome, "Add it to my account")
    assert "ada at GitHub is yours here now" in text(chrome)

    chrome.find_element(By.NAME, "address").send_keys("ada@home.org")
    press(chrome, "Send the link")
    assert "Look into your mail" in text(chrome)
    browser.picture("sent")
    Worker(app).run_until_idle()
    browser.open(mail.link().replace(browser.address, ""))
    press(chrome, "Add it")
    assert "ada@home.org is yours here now" in text(chrome)
    browser.picture("account")
    browser.show(width=390, height=800)
    browser.picture("account-phone")
    assert browser.overflow() == 0
    browser.show()

    press(chrome, "Let go of it")
    browser.picture("let-go")
    chrome.find_element(By.NAME, "reason").send_keys("I left that company.")
    press(chrome, "Let go of it")
    assert "You let go of" in text(chrome)

    press(chrome, "Sign out everywhere")
    browser.open("/sign-in")
    chrome.find_element(By.NAME, "address").send_keys("ada@home.org")
    press(chrome, "Send me a link")
    assert "Look into your mail" in text(chrome)
    Worker(app).run_until_idle()
    link = mail.link()
    browser.open(link)
    browser.picture("mailed")
    press(chrome, "Sign in here")
    assert "Ada Lovelace" in chrome.find_element(By.CLASS_NAME, "site-user").text

    chrome.delete_all_cookies()
    browser.open("/sign-in")
    chrome.find_element(By.NAME, "address").send_keys("new@home.org")
    press(chrome, "Send me a link")
    assert "Look into your mail" in text(chrome)
    Worker(app).run_until_idle()
    chrome.delete_all_cookies()
    browser.open(mail.link())
    browser.picture("another-browser")
    chrome.find_element(By.NAME, "address").send_keys("new@home.org")
    chrome.find_element(By.NAME, "name").send_keys("Grace Hopper")
    press(chrome, "Sign in here")
    assert "Grace Hopper" in text(chrome)
    browser.open(link)
    browser.picture("used")
    assert "used, too old, or not ours" in text(chrome)
    assert [one for one in browser.complaints() if "favicon" not in one and "400" not in one] == []
