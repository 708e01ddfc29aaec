"""The review pages in a real browser: nothing refused, nothing wider than a phone, and all of it without scripts."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support import expected_conditions

from tests.portal import Browser, until

pytestmark = [pytest.mark.browser, pytest.mark.slow]


def test_a_maintainer_reviews_on_a_phone_without_scripts(foundation, browser: Browser, client, signed_in) -> None:
    bob = foundation.maintainer("Bob", "ops")
    foundation.maintainer("Eve", "ops")
    lines = "".join(f"line {number} of a file\n" for number in range(60))
    foundation.commit("Say two in German", {"csrc/ops/add.cpp": "one\nzwei\nthree\n", "csrc/ops/new.cpp": lines})
    foundation.commit("And explain it", {"docs/ops.md": "ops\nwhy: because\n"}, sign=False)
    foundation.read()
    signed_in(client, bob)
    browser.use_session()
    change = f"/reviews/{foundation.change().public_id}"
    for width, dark in ((1280, False), (375, True)):
        browser.show(width=width, dark=dark, script=False)
        for path, name in (("/reviews/", "queue"), (f"{change}?at=0n2", "change")):
            browser.open(path)
            browser.picture(f"reviews-{name}-{width}")
    page = browser.open(f"{change}?at=0n2")
    ActionChains(page).send_keys(Keys.TAB).perform()
    assert page.switch_to.active_element.text == "Skip to content", "an address opened is read from its beginning"
    browser.open(change).find_element(By.CSS_SELECTOR, "#L0n2 a").send_keys(Keys.ENTER)
    led_into = expected_conditions.presence_of_element_located((By.CSS_SELECTOR, "#field-line_text:focus"))
    until(page, led_into).send_keys("Warum?")
    browser.picture("reviews-line-375")
    page.find_element(By.CSS_SELECTOR, ".line-said button").click()
    said = (By.CSS_SELECTOR, "#L0n2 + .line-said .said-text")
    until(page, expected_conditions.text_to_be_present_in_element(said, "Warum?"))
    browser.show(width=375, dark=False, script=True)
    for path in ("/reviews/", change):
        browser.open(path)
        assert browser.overflow() == 0, path
    browser.picture("reviews-said-375")
    assert [line for line in browser.complaints() if "favicon" not in line] == []
