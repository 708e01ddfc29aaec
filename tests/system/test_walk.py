"""The main job in a real browser, as visitor, administrator, maintainer and member, on a real repository and runner.

Pictures of every stop go to FLAMBEAU_PICTURES, if set, to be looked at.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import Select

from app.db import Database
from app.people.queries import create_person
from app.sessions import issue_link
from tests.app.builds.conftest import Farm, make_farm  # noqa: F401 - pytest finds the fixture by its name here
from tests.portal import Browser, until
from tests.sample_project import commit, git

pytestmark = [pytest.mark.browser, pytest.mark.slow]
REASON = "alone on this machine"
MODULE = "docs"  # which README.md belongs to


_FIRST_AUTHOR = """
    SELECT person.public_id FROM person
    JOIN identity_person ON identity_person.person_id = person.id
    JOIN identity ON identity.id = identity_person.identity_id
    WHERE identity.source = 'git' ORDER BY person.id LIMIT 1
"""


class Walker(Browser):
    """Somebody in front of the browser who reads, fills in and presses."""

    def __init__(self, chrome, farm: Farm, pictures: Path) -> None:
        super().__init__(chrome, farm.url, farm.app.test_client(), pictures)
        self.stops = 0

    def look(self, path: str, *expected: str) -> str:
        """Open a page, see the words expected on it, and keep a picture."""
        if self.chrome.current_url != self.address + path:
            self.open(path)
        return self.see(*expected)

    def see(self, *expected: str) -> str:
        """See these words on the page that is open."""
        text = self.chrome.find_element(By.TAG_NAME, "body").text
        self.stops += 1
        title = self.chrome.title.split(" · ")[0].lower().replace(" ", "-").replace("/", "-")
        self.picture(f"walk-{self.stops:02}-{title}")
        for words in expected:
            assert words in text, f"{words!r} is not on {self.chrome.current_url}:\n{text}"
        assert self.overflow() == 0, f"{self.chrome.current_url} is wider than the window"
        return text

    def fill(self, **values: str) -> None:
        """Fill in fields by name, as typed or chosen."""
        for name, value in values.items():
            field = self.chrome.find_element(By.NAME, name)
            if field.tag_name == "select":
                chosen = Select(field)
                wanted = [option.text for option in chosen.options if value in option.text]
                assert wanted, f"{value!r} is not among {[option.text for option in chosen.options]}"
                chosen.select_by_visible_text(wanted[0])
            elif field.get_attribute("type") == "date":
                self.chrome.execute_script("arguments[0].value = arguments[1]", field, value)
            else:
                field.clear()
                field.send_keys(value)

    def press(self, text: str) -> None:
        """Press the button or follow the link with this text."""
        for is_last in (False, False, True):
            found = self.chrome.find_elements(By.XPATH, f"//main//*[self::button or self::a][contains(., '{text}')]")
            main = self.chrome.find_element(By.TAG_NAME, "main").text
            assert found, f"no {text!r} on {self.chrome.current_url}: {main}"
            try:
                return self.click(found[0])
            except TimeoutException:
                raise
            except WebDriverException:  # a page under way renews itself, and the button is another one
                if is_last:
                    raise

    def submit(self) -> None:
        """Press the first button of the page's form."""
        self.click(self.chrome.find_element(By.CSS_SELECTOR, "main form.form button"))

    def click(self, element: WebElement) -> None:
        """Click, and wait until the next page is there."""
        self.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()
        until(self.chrome, expected_conditions.staleness_of(element))
        # The next page is there while its text still comes, on a busy machine.
        is_whole = "return document.readyState === 'complete'"
        until(self.chrome, lambda chrome: chrome.execute_script(is_whole))

    def sign_in(self, db: Database, person: str) -> None:
        """Use a one-time link, as one does who got it."""
        self.chrome.delete_all_cookies()
        with db.write() as session:
            token = issue_link(session, person, "walk", timedelta(hours=1))
        self.open(f"/sign-in/{token}")
        self.press("Sign in here")


@pytest.fixture
def farm(make_farm) -> Farm:  # noqa: F811 - the fixture imported above
    """A farm whose sample project was read, with an administrator and two authors in its history."""
    made = make_farm()
    git(made.repository, "switch", "-q", "main")
    return made


def _first_administrator(farm: Farm) -> str:
    with farm.app.app_context(), farm.db.write() as session:
        return str(farm.app.extensions["flambeau"].directory.first_administrator(session, "Root", "", "walk"))


def _enter_person(farm: Farm, name: str) -> str:
    with farm.db.write() as session:
        return create_person(session, name, "mira@maintainer.example").public_id


def _value(farm: Farm, query: str) -> str:
    with farm.db.read() as session:
        return str(session.scalar(sa.text(query)))


def _go_on(farm: Farm) -> None:
    with farm.db.write() as session:
        session.execute(sa.text("UPDATE job SET run_at = '2020-01-01 00:00:00' WHERE state = 'waiting'"))
        session.execute(sa.text("UPDATE job_schedule SET next_at = '2000-01-01 00:00:00'"))
    farm.work()


def test_the_main_job_from_a_commit_to_a_release(farm: Farm, chromium, tmp_path: Path) -> None:
    walker = Walker(chromium, farm, Path(os.environ.get("FLAMBEAU_PICTURES") or tmp_path / "pictures"))
    chromium.delete_all_cookies()
    farm.work()
    root = _first_administrator(farm)

    # A visitor reads what is public, and is refused what is not.
    walker.look("/", "Flambeau")
    walker.look("/contributions/", "Contributions")
    walker.look("/bodies/", "Governing Board")
    walker.look("/governance/two-powers")
    walker.look("/reviews/", "Nothing waits for review")
    walker.look("/releases", "Releases")
    walker.open("/organizations/new")
    assert "/sign-in" in chromium.current_url

    # The administrator signs in by a link, and enters a member.
    walker.sign_in(farm.db, root)
    walker.look("/organizations/new")
    walker.fill(name="Brightwater Systems", kind="company", reason="Joined the foundation.")
    walker.press("Enter it")
    walker.see("Brightwater Systems")
    organization = chromium.current_url.removeprefix(farm.url)
    walker.open(f"{organization}/memberships/new")
    walker.fill(tier="Silver", starts_on="2026-01-01", reason="Signed the agreement.")
    walker.submit()
    walker.look(organization, "Silver")

    # Whoever wrote the first commit works there, and maintains the module; the statistics follow at once.
    author = _value(farm, _FIRST_AUTHOR)
    walker.open(f"{organization}/people/new")
    walker.fill(person=author, starts_on="2020-01-01", reason="Their own word.")
    walker.submit()
    walker.see("Brightwater Systems")
    _go_on(farm)
    walker.look(f"/contributions/{organization.strip('/')}", "Brightwater Systems")
    walker.look("/contributions/organizations/", "Brightwater Systems")

    # They represent their employer on the board, and somebody else maintains the module.
    mira = _enter_person(farm, "Mira Maintainer")
    today = datetime.now(UTC).date().isoformat()  # a maintainer counts as active for half a year after the appointment
    for body, seat in (("governing-board", {"seat": "Silver", "organization": "Brightwater Systems", "person": author}),
                       (f"module:{MODULE}", {"person": mira})):  # fmt: skip
        walker.open(f"/bodies/{body}/appoint")
        walker.fill(**seat, starts_on=today, reason="Chosen.")
        walker.submit()
    walker.see("Mira Maintainer")

    # The member's representative signs in, reads their employer's page and keeps its record; tier and dues are staff's.
    walker.sign_in(farm.db, author)
    walker.look("/account", "governing-board")
    walker.look(f"/contributions/{organization.strip('/')}", "Brightwater Systems")
    walker.open(f"{organization}/edit")
    walker.fill(description="Bridges and lights.", reason="Our own words.")
    walker.submit()
    walker.see("Bridges and lights.", "Yours to keep")
    walker.open(f"{organization}/memberships/new")
    walker.see("not yours to do")

    # Somebody pushes a branch; it becomes a change, and the module's maintainer approves it.
    git(farm.repository, "switch", "-qc", "fix")
    (farm.repository / "README.md").write_text("What it is.\n")
    sha = commit(farm.repository, "Say what it is\n\nSigned-off-by: Sample <sample@example.org>")
    git(farm.repository, "switch", "-q", "main")
    _go_on(farm)
    walker.sign_in(farm.db, mira)
    walker.look("/reviews/", "Your turn", "Say what it is")
    walker.press("Say what it is")
    walker.see("Sign-off", "Approval", sha[:8])
    walker.fill(text=REASON, verdict="Approve")
    walker.press("Send")
    walker.see(REASON, "Ready to merge.")

    # The commit on main becomes a release: built by the runner, signed, published, and on the index.
    walker.sign_in(farm.db, root)
    walker.look("/releases")
    walker.press("Start")
    release = chromium.current_url.removeprefix(farm.url)
    farm.run_runner()
    _go_on(farm)
    walker.open(release)
    for box in chromium.find_elements(By.CSS_SELECTOR, "main input[type=checkbox]"):
        if not box.is_selected():
            box.click()
    walker.fill(reason=REASON)
    walker.press("Sign")
    _go_on(farm)
    # Whoever signed does not publish while there is a second person who may.
    walker.open(release)
    walker.fill(reason=REASON)
    walker.press("Publish")
    walker.see("The same person signed it.")
    walker.sign_in(farm.db, mira)
    walker.open(release)
    walker.press("Publish")
    _go_on(farm)
    walker.open(release)
    walker.see("Mira Maintainer decided to publish it", "Done by a second person.")
    walker.look("/builds")
    chromium.delete_all_cookies()
    assert ".whl" in walker.open("/simple/onefile/").page_source

    # What was decided is in the audit log, and the chain holds.
    walker.look("/audit", "releases.publish", "reviews.approve")
    walker.show(width=375)
    for page in ("/", "/contributions/", organization, release, "/builds", "/bodies/", "/governance/", "/modules/"):
        walker.open(page)
        walker.see()
